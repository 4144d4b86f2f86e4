//! Any bytes as the document of an OpenAPI contract, in YAML or JSON.
//!
//! What is read as JSON says what JSON says. The contract is read, or refused with faults that have words, the same both times.

use guiju_model::{Bundle, EmptyCatalog, Kind, Package, read_json_or_yaml};
use guiju_validator::openapi::Api;
use semver::Version;
use serde_json::Value;

pub fn run(data: &[u8]) {
    let read = read_json_or_yaml(data);
    assert_eq!(read, read_json_or_yaml(data), "another document the second time");
    match &read {
        Ok(yaml) => {
            if let Ok(value) = serde_json::from_slice::<Value>(data) {
                assert_eq!(yaml.value, value, "JSON is YAML that says the same");
            }
            for (pointer, line) in &yaml.lines {
                assert!(*line > 0 && yaml.value.pointer(pointer).is_some(), "line {line} of nothing: {pointer}");
            }
        }
        Err(error) => assert!(error.line > 0 && !error.why.is_empty(), "{error:?}"),
    }
    let Some(bundle) = sealed(data) else { return };
    match (Api::read(&bundle), Api::read(&bundle)) {
        (Ok(Some(_)), Ok(Some(_))) => {}
        (Err(error), Err(again)) => {
            assert!(!error.faults.is_empty(), "refused without a reason");
            assert!(error.faults.iter().all(|fault| !fault.message.is_empty() && !fault.code.is_empty()));
            assert_eq!(error.faults, again.faults, "other faults the second time");
        }
        _ => panic!("another answer the second time"),
    }
}

fn sealed(data: &[u8]) -> Option<Bundle> {
    let package = Package {
        standard: "bj.test/contract".parse().expect("a name"),
        version: Version::new(1, 0, 0),
        kind: Kind::Contract,
        files: [("openapi.yaml".to_owned(), data.to_vec())].into(),
    };
    Bundle::seal(&package, &EmptyCatalog).ok()
}

/// Whether it is taken, so that a seed tries more than the door.
#[allow(dead_code)] // the libFuzzer target has no use for it
pub fn is_taken(data: &[u8]) -> bool {
    sealed(data).is_some_and(|bundle| matches!(Api::read(&bundle), Ok(Some(_))))
}
