#![no_main]

#[path = "../targets/roads.rs"]
mod roads;

libfuzzer_sys::fuzz_target!(|data: &[u8]| roads::run(data));
