#![no_main]

#[path = "../targets/codes.rs"]
mod codes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| codes::run(data));
