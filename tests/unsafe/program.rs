#[cfg(target_arch = "x86_64")]
#[path = "../../sdk/validator/src/program/avx2.rs"]
mod avx2;
#[path = "../../sdk/validator/src/program/lanes.rs"]
mod lanes;
#[path = "../../sdk/validator/src/program/scan.rs"]
mod scan;
#[path = "../../sdk/validator/src/program/windows.rs"]
mod windows;
