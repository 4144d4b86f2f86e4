#![no_main]

#[path = "../targets/desk.rs"]
mod desk;

libfuzzer_sys::fuzz_target!(|data: &[u8]| desk::run(data));
