#![no_main]

#[path = "../targets/held.rs"]
mod held;

libfuzzer_sys::fuzz_target!(|data: &[u8]| held::run(data));
