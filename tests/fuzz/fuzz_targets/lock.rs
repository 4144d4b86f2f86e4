#![no_main]

#[path = "../targets/lock.rs"]
mod lock;

libfuzzer_sys::fuzz_target!(|data: &[u8]| lock::run(data));
