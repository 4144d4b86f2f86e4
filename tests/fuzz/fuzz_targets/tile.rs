#![no_main]

#[path = "../targets/tile.rs"]
mod tile;

libfuzzer_sys::fuzz_target!(|data: &[u8]| tile::run(data));
