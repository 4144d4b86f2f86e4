//! Any bytes as the segment of a journal, after a crash or on a bad disk. The first says whether checksums are made right, so
//! that what lies behind them is reached.
//!
//! It is refused with a place, or what it holds is whole: every entry can be read, one more can be appended, and both are
//! there when it is opened again.

use guiju_server::log::{Append, Journal, Log};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if choice % 2 == 1 {
        mend_checksums(&mut bytes);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(segment(folder.path()), &bytes).expect("the temporary folder takes a file");
    let Ok((journal, _)) = Journal::open(folder.path()) else { return };
    let before = journal.head();
    let entries = journal.entries(0, usize::MAX).expect("what counts can be read");
    assert_eq!(entries.len() as u64, before.size);
    let entry =
        Append { operation_id: "fuzz-operation".into(), entry: b"entry".to_vec(), blobs: vec![b"blob".to_vec()] };
    let known = journal.operation(&entry.operation_id);
    let index = journal.append(std::slice::from_ref(&entry), before.size).expect("it can be appended to");
    assert_eq!(index, [known.unwrap_or(before.size)]);
    let after = journal.head();
    drop(journal);
    let (journal, opened) = Journal::open(folder.path()).expect("it opens again");
    assert_eq!((opened.cut_bytes, journal.head()), (0, after));
    let again = journal.entries(0, usize::MAX).expect("what counts can be read");
    assert_eq!(again[..entries.len()], entries);
    journal.verify().expect("all of it is whole");
}

/// The name of a journal's first segment.
pub fn segment(folder: &Path) -> PathBuf {
    folder.join(format!("{:020}.seg", 0))
}

/// Length, checksum, kind and body of one record after another, as far as the lengths lead.
fn mend_checksums(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(head) = bytes.get(at..at + 9) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(end) = (at + 9).checked_add(length).filter(|end| *end <= bytes.len()) else { return };
        let crc = crc32fast::hash(&bytes[at + 8..end]);
        bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}
