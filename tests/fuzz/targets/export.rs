//! Any bytes as the list of an export (`log.ndjson`), from which a log is made again or repaired.
//!
//! It is refused with a line, or is a log: every entry can be read, and the chain over them ends where it says.

use guiju_server::{
    Exported,
    log::{Head, Log},
};
use std::fs;

pub fn run(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = match opened(data, &folder) {
        Ok(log) => log,
        Err(fault) => return assert!(fault.to_string().contains("log.ndjson"), "{fault}"),
    };
    let end = log.head().expect("what was opened can be read");
    let entries = log.entries(0, usize::MAX).expect("what was opened can be read");
    let head = entries.iter().fold(Head::empty(), |head, entry| head.then(entry));
    assert_eq!(head, end, "the chain is another");
    assert!(log.entries(end.size, 9).expect("nothing is there").is_empty());
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(log.entries(index as u64, 1).expect("it is there"), std::slice::from_ref(entry));
    }
    for digest in log.digests().expect("a list") {
        let blob = log.blob(&digest).expect("it is there").expect("it is there");
        assert_eq!(guiju_model::Digest::of(&blob), digest, "a document is another");
    }
}

fn opened(data: &[u8], folder: &tempfile::TempDir) -> Result<Exported, guiju_server::Fault> {
    for name in ["standards/bj.test/thing/1.0.0", "documents"] {
        fs::create_dir_all(folder.path().join(name)).expect("a folder");
    }
    fs::write(folder.path().join("standards/bj.test/thing/1.0.0/schema.json"), "{}").expect("written");
    fs::write(folder.path().join("log.ndjson"), data).expect("the temporary folder takes a file");
    Exported::open(folder.path())
}

/// Whether it is taken, so that a seed tries more than the door.
#[allow(dead_code)] // the libFuzzer target has no use for it
pub fn is_taken(data: &[u8]) -> bool {
    opened(data, &tempfile::tempdir().expect("a temporary folder")).is_ok()
}
