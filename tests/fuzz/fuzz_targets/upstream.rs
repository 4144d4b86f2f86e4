#![no_main]

#[path = "../targets/upstream.rs"]
mod upstream;

libfuzzer_sys::fuzz_target!(|data: &[u8]| upstream::run(data));
