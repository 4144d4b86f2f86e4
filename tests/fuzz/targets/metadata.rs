//! Any bytes as `standard.toml`, which comes with a publication from anywhere.
//!
//! It is refused with a reason, or says the same after it was written again.

use guiju_model::{Metadata, StandardId};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let standard: StandardId = "bj.test/thing".parse().expect("a name");
    match Metadata::from_toml(&standard, text) {
        Err(error) => assert!(error.to_string().contains("bj.test/thing"), "{error}"),
        Ok(metadata) => {
            let written = metadata.to_toml();
            let again = Metadata::from_toml(&standard, &written).unwrap_or_else(|why| panic!("{why} in:\n{written}"));
            assert_eq!(again, metadata, "it says something else");
            assert_eq!(again.to_toml(), written);
        }
    }
}

/// Whether it is taken, so that a seed tries more than the door.
#[allow(dead_code)] // the libFuzzer target has no use for it
pub fn is_taken(data: &[u8]) -> bool {
    std::str::from_utf8(data)
        .is_ok_and(|text| Metadata::from_toml(&"bj.test/thing".parse().expect("a name"), text).is_ok())
}
