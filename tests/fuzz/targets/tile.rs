//! Any bytes as a bundle of entries, as a mirror or a monitor gets it from strangers. The first two say how many are asked for.
//!
//! What is read is written as it was; a bundle of another number is refused.

use guiju::tlog::{TilePath, bundle, bundle_entries};

pub fn run(data: &[u8]) {
    let [index, width, bytes @ ..] = data else { return };
    let Some(path) = TilePath::entries(u64::from(*index), u64::from(*width)) else { return };
    assert_eq!(path.to_string().parse::<TilePath>().as_ref(), Ok(&path), "a path has one spelling");
    if let Ok(entries) = bundle_entries(&path, bytes) {
        assert_eq!(entries.len() as u64, path.width(), "as many as the path says");
        assert_eq!(bundle(entries).expect("what was read can be written"), bytes, "a bundle has one spelling");
    }
}
