#![no_main]

#[path = "../targets/receipt.rs"]
mod receipt;

libfuzzer_sys::fuzz_target!(|data: &[u8]| receipt::run(data));
