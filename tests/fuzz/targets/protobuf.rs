//! Any bytes as the `.proto` files of two versions of a contract, with 0xff between them.
//!
//! Each is taken, or refused with a reason. What is taken breaks nothing of itself, and whatever it breaks of the other is named, the
//! same both times.

use guiju_compat::{Budget, Bump, Side, compare};
use guiju_model::{Bundle, EmptyCatalog, Kind, Package};
use semver::Version;

pub fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0xff);
    let old = side(parts.next().unwrap_or_default());
    let Some(old) = old else { return };
    let same = compare(&old, &old, &Budget::default());
    assert!(same.changes.is_empty() && same.bump == Some(Bump::Patch), "{:?}", same.changes);
    let Some(new) = parts.next().and_then(side) else { return };
    let verdict = compare(&old, &new, &Budget::default());
    let again = compare(&old, &new, &Budget::default());
    assert!(verdict.changes.iter().all(|change| !change.code.is_empty() && !change.message.en.is_empty()));
    let told = |verdict: &guiju_compat::Verdict| {
        verdict.changes.iter().map(|change| (change.code.clone(), change.old_place.clone())).collect::<Vec<_>>()
    };
    assert_eq!((verdict.bump, told(&verdict)), (again.bump, told(&again)), "another verdict the second time");
}

fn side(text: &[u8]) -> Option<Side> {
    let package = Package {
        standard: "bj.test/contract".parse().expect("a name"),
        version: Version::new(1, 0, 0),
        kind: Kind::Contract,
        files: [("test.proto".to_owned(), text.to_vec())].into(),
    };
    let bundle = Bundle::seal(&package, &EmptyCatalog).ok()?;
    match Side::new(&bundle, true) {
        Ok(side) => Some(side),
        Err(error) => {
            assert!(error.faults.iter().any(|fault| !fault.message.is_empty()), "refused without a reason");
            None
        }
    }
}

/// Whether it is taken, so that a seed tries more than the door.
#[allow(dead_code)] // the libFuzzer target has no use for it
pub fn is_taken(data: &[u8]) -> bool {
    data.splitn(2, |byte| *byte == 0xff).all(|part| side(part).is_some())
}
