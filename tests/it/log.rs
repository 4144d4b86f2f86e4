//! The promises of a log, held against every engine; and what a journal does about damage.

use crate::cluster::Node;
use guiju_model::Digest;
use guiju_server::log::{Append, Etcd, Head, Journal, Log, LogError, Memory};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

type Behaviour = fn(&dyn Log);

/// What every engine must do. Each begins with an empty log.
const BEHAVIOURS: &[(&str, Behaviour)] = &[
    ("an empty log has nothing", an_empty_log_has_nothing),
    ("appends at the expected size are chained", appends_are_chained),
    ("another size is a conflict and changes nothing", another_size_is_a_conflict),
    ("an operation never makes two entries", an_operation_never_makes_two_entries),
    ("a longer entry than a tile can hold is refused", a_long_entry_is_refused),
    ("entries are read in order, from anywhere", entries_are_read_in_order),
    ("blobs are found by their digest", blobs_are_found_by_their_digest),
    ("blobs may come before the entries that name them", blobs_come_first),
    ("a waiter hears of growth, or of the time", a_waiter_hears_of_growth),
    ("of many writers each gets an index of its own", many_writers),
];

#[test]
fn every_engine_keeps_the_promises() {
    let etcd = Node::single();
    for (name, behaviour) in BEHAVIOURS {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Etcd::open(&etcd.options(&name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")));
        let engines: [(&str, Box<dyn Log>); 3] = [
            ("memory", Box::new(Memory::default())),
            ("journal", Box::new(open(folder.path()))),
            ("etcd", Box::new(cluster.unwrap())),
        ];
        for (engine, log) in engines {
            let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| behaviour(log.as_ref())));
            assert!(kept.is_ok(), "{engine} does not keep: {name}");
        }
        let (journal, opened) = Journal::open(&folder.path().join("journal")).unwrap();
        assert_eq!(opened.cut_bytes, 0, "{name}");
        journal.verify().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn head(log: &dyn Log) -> Head {
    log.head().unwrap()
}

fn open(folder: &Path) -> Journal {
    Journal::open(&folder.join("journal")).unwrap().0
}

fn append(operation: &str, blobs: &[&[u8]]) -> Append {
    let blobs = blobs.iter().map(|blob| blob.to_vec()).collect();
    Append { operation_id: operation.into(), entry: format!("entry of {operation}").into_bytes(), blobs }
}

fn put(log: &dyn Log, operations: &[&str]) -> Result<Vec<u64>, LogError> {
    let all: Vec<Append> = operations.iter().map(|operation| append(operation, &[operation.as_bytes()])).collect();
    log.append(&all, head(log).size)
}

fn texts(log: &dyn Log, from: u64, count: usize) -> Vec<String> {
    log.entries(from, count).unwrap().into_iter().map(|entry| String::from_utf8(entry).unwrap()).collect()
}

fn an_empty_log_has_nothing(log: &dyn Log) {
    assert_eq!(head(log), Head::empty());
    assert_eq!((log.entries(0, 10).unwrap().len(), log.operation("a").unwrap()), (0, None));
    assert_eq!(log.blob(&Digest::of(b"a")).unwrap(), None);
    assert_eq!(log.append(&[], 0).unwrap(), [0_u64; 0]);
    assert_eq!(head(log), Head::empty());
}

fn appends_are_chained(log: &dyn Log) {
    let mut expected = Head::empty();
    for batch in [["a", "b"], ["c", "d"]] {
        let indices = put(log, &batch).unwrap();
        assert_eq!(indices, [expected.size, expected.size + 1]);
        expected = batch.iter().fold(expected, |head, operation| head.then(&append(operation, &[]).entry));
        assert_eq!(head(log), expected);
    }
}

fn another_size_is_a_conflict(log: &dyn Log) {
    put(log, &["a", "b"]).unwrap();
    let before = head(log);
    for expected_size in [0, 1, 3, u64::MAX] {
        match log.append(&[append("c", &[b"blob of c"])], expected_size) {
            Err(LogError::Conflict { expected, size }) => assert_eq!((expected, size), (expected_size, 2)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((head(log), log.operation("c").unwrap()), (before, None));
    assert_eq!(log.blob(&Digest::of(b"blob of c")).unwrap(), None, "nothing of what was refused is visible");
}

fn a_long_entry_is_refused(log: &dyn Log) {
    let of = |operation: &str, bytes| Append { entry: vec![7; bytes], ..append(operation, &[b"a blob"]) };
    log.append(&[of("longest", 65_535)], 0).unwrap();
    let before = head(log);
    match log.append(&[append("short", &[]), of("longer", 65_536)], 1) {
        Err(LogError::EntryTooLong { bytes }) => assert_eq!(bytes, 65_536),
        other => panic!("{other:?}"),
    }
    assert_eq!((head(log), log.operation("short").unwrap()), (before, None));
}

fn an_operation_never_makes_two_entries(log: &dyn Log) {
    put(log, &["a", "b"]).unwrap();
    let before = head(log);
    for size in [0, 2, 99] {
        assert_eq!(log.append(&[append("b", &[]), append("a", &[])], size).unwrap(), [1, 0]);
    }
    assert_eq!(head(log), before);
    assert_eq!(put(log, &["b", "c", "c", "a"]).unwrap(), [1, 2, 2, 0], "known ones among new ones");
    assert_eq!((head(log).size, log.operation("c").unwrap()), (3, Some(2)));
}

fn entries_are_read_in_order(log: &dyn Log) {
    let names: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
    for three in names.chunks(3) {
        put(log, &three.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    }
    let expected: Vec<String> = names.iter().map(|name| format!("entry of {name}")).collect();
    for from in 0..=20 {
        for count in [0, 1, 7, usize::MAX] {
            let until = 20.min(from + count.min(20));
            assert_eq!(texts(log, from as u64, count), expected[from..until], "{count} from {from}");
        }
    }
    assert_eq!((texts(log, 21, 1).len(), texts(log, u64::MAX, 1).len()), (0, 0));
}

fn blobs_are_found_by_their_digest(log: &dyn Log) {
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let blobs: [&[u8]; 3] = [b"", b"one", &large];
    log.append(&[append("a", &blobs), append("b", &[b"one"])], 0).unwrap();
    for blob in blobs {
        assert!(log.blob(&Digest::of(blob)).unwrap().as_deref() == Some(blob), "a blob of {} bytes", blob.len());
    }
    assert_eq!(log.blob(&Digest::of(b"two")).unwrap(), None);
}

fn blobs_come_first(log: &dyn Log) {
    let blobs: Vec<Vec<u8>> = [b"".to_vec(), b"one".to_vec(), vec![3; 2_500_000]].into();
    log.put_blobs(&[]).unwrap();
    log.put_blobs(&blobs[..2]).unwrap();
    assert_eq!(head(log), Head::empty(), "they are no entries");
    put(log, &["a"]).unwrap();
    log.put_blobs(&blobs).unwrap();
    log.put_blobs(&blobs).unwrap();
    log.append(&[append("b", &[b"one", b"two"])], 1).unwrap();
    let mut expected: BTreeSet<Digest> = blobs.iter().map(|blob| Digest::of(blob)).collect();
    expected.extend([Digest::of(b"a"), Digest::of(b"two")]);
    assert_eq!(log.digests().unwrap().into_iter().collect::<BTreeSet<_>>(), expected);
    for blob in &blobs {
        assert!(log.blob(&Digest::of(blob)).unwrap().as_ref() == Some(blob), "a blob of {} bytes", blob.len());
    }
    assert_eq!((head(log).size, texts(log, 0, 9)), (2, vec!["entry of a".to_owned(), "entry of b".to_owned()]));
}

fn a_waiter_hears_of_growth(log: &dyn Log) {
    put(log, &["a"]).unwrap();
    let began = Instant::now();
    assert_eq!(log.wait_beyond(0, Duration::from_secs(30)), 1);
    assert!(began.elapsed() < Duration::from_secs(10), "there is nothing to wait for");
    assert_eq!(log.wait_beyond(1, Duration::from_millis(20)), 1);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| log.wait_beyond(1, Duration::from_secs(30)));
        thread::sleep(Duration::from_millis(20));
        put(log, &["b", "c"]).unwrap();
        assert_eq!(waiter.join().unwrap(), 3, "a batch is seen whole");
    });
}

fn many_writers(log: &dyn Log) {
    let indices: Vec<Vec<u64>> = thread::scope(|scope| {
        let write = |writer: usize| {
            move || (0..25).map(|number| until_it_fits(log, &format!("w{writer}-{number}"))).collect::<Vec<_>>()
        };
        let writers: Vec<_> = (0..8).map(|writer| scope.spawn(write(writer))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let all: BTreeSet<u64> = indices.iter().flatten().copied().collect();
    assert_eq!((all.len(), head(log).size), (200, 200), "each has an index of its own");
    for (writer, indices) in indices.iter().enumerate() {
        for (number, index) in indices.iter().enumerate() {
            assert_eq!(texts(log, *index, 1), [format!("entry of w{writer}-{number}")]);
        }
    }
}

fn until_it_fits(log: &dyn Log, operation: &str) -> u64 {
    loop {
        match put(log, &[operation]) {
            Ok(indices) => return indices[0],
            Err(LogError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Of the record after each batch that says that it is settled.
const SETTLED_BYTES: usize = 17;

/// A closed journal of three batches, and where each of them ends, with what settles it.
fn three_batches(folder: &Path) -> (PathBuf, Vec<usize>) {
    let journal = open(folder);
    let path = segment(folder, 0);
    let mut ends = vec![fs::read(&path).unwrap().len()];
    for batch in [["a", "b"], ["c", "d"], ["e", "f"]] {
        put(&journal, &batch).unwrap();
        ends.push(fs::read(&path).unwrap().len());
    }
    (path, ends)
}

fn segment(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("journal/{number:020}.seg"))
}

/// The last batch cut at every byte: what nobody was told of is gone, all else is there, and writing goes on.
#[test]
fn a_torn_batch_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ends) = three_batches(folder.path());
    let whole = fs::read(&path).unwrap();
    for length in ends[2]..ends[3] {
        fs::write(&path, &whole[..length]).unwrap();
        let (read, found) = Journal::read(&folder.path().join("journal")).unwrap();
        let committed = ends[3] - SETTLED_BYTES;
        if length >= committed {
            assert_eq!((found.cut_bytes, read.head().size), ((length - committed) as u64, 6), "{length}");
            continue;
        }
        assert_eq!((found.cut_bytes, read.head().size), ((length - ends[2]) as u64, 4), "{length}");
        assert_eq!(fs::read(&path).unwrap().len(), length, "reading changes nothing");
        let (journal, opened) = Journal::open(&folder.path().join("journal")).unwrap();
        assert_eq!((opened.cut_bytes, journal.head().size), ((length - ends[2]) as u64, 4), "{length}");
        let kept = fs::read(path.with_extension("torn")).unwrap_or_default();
        assert_eq!(kept, if length == ends[2] { &[] } else { &whole[ends[2]..length] }, "what was cut is set aside");
        assert_eq!((journal.operation("d"), journal.operation("e")), (Some(3), None));
        assert_eq!(put(&journal, &["e", "g"]).unwrap(), [4, 5]);
        drop(journal);
        let journal = open(folder.path());
        assert_eq!((journal.head().size, journal.verify().is_ok()), (6, true), "{length}");
        assert_eq!(texts(&journal, 3, 2), ["entry of d", "entry of e"]);
    }
}

/// What a crash can leave after the last commit: a hole, or what stood on the disk before.
#[test]
fn what_follows_the_last_commit_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ends) = three_batches(folder.path());
    let whole = fs::read(&path).unwrap();
    let half = (ends[2] + ends[3]) / 2;
    let hole = [&whole[..half], &vec![0; whole.len() - half]].concat();
    let noise: Vec<u8> = (0..4096_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (what, bytes, entries) in [
        ("a hole", hole, 4),
        ("zeros", [whole.as_slice(), &[0; 4096]].concat(), 6),
        ("noise", [whole.as_slice(), &noise].concat(), 6),
    ] {
        fs::write(&path, &bytes).unwrap();
        let (journal, opened) = Journal::open(&folder.path().join("journal")).unwrap();
        assert!(opened.cut_bytes > 0, "{what}");
        assert_eq!((journal.head().size, journal.verify().is_ok()), (entries, true), "{what}");
    }
}

/// A disk may write the end of a batch and not its middle. Where nobody was told of the batch it is cut; else it is damage.
#[test]
fn a_hole_in_a_batch_is_cut_unless_it_was_settled() {
    let folder = tempfile::tempdir().unwrap();
    let path = segment(folder.path(), 0);
    let journal = open(folder.path());
    put(&journal, &["a"]).unwrap();
    let begin = fs::read(&path).unwrap().len();
    journal.append(&[append("b", &[&[7; 4096]])], 1).unwrap();
    drop(journal);
    let whole = fs::read(&path).unwrap();
    for sector in begin / 512..=(whole.len() - SETTLED_BYTES - 49) / 512 {
        let (from, to) = ((sector * 512).max(begin), ((sector + 1) * 512).min(whole.len() - SETTLED_BYTES - 49));
        let mut bytes = whole.clone();
        bytes[from..to].fill(0);
        fs::write(&path, &bytes).unwrap();
        let settled = Journal::open(&folder.path().join("journal")).map(|(journal, _)| journal.head().size);
        assert!(matches!(settled, Err(LogError::Damaged { .. })), "{from}: {settled:?}");
        bytes.truncate(whole.len() - SETTLED_BYTES);
        fs::write(&path, &bytes).unwrap();
        let (journal, opened) = Journal::open(&folder.path().join("journal")).unwrap();
        assert_eq!((journal.head().size, opened.cut_bytes), (1, (bytes.len() - begin) as u64), "{from}");
    }
    let mut flipped = whole[..whole.len() - SETTLED_BYTES].to_vec();
    flipped[begin + 2_000] ^= 4;
    fs::write(&path, &flipped).unwrap();
    let flipped = Journal::open(&folder.path().join("journal")).map(|(journal, _)| journal.head().size);
    assert!(matches!(flipped, Err(LogError::Damaged { .. })), "a bit is not a hole: {flipped:?}");
}

/// One bit flipped in every byte: never opened, never repaired by forgetting, and the place is named.
#[test]
fn a_flipped_bit_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ends) = three_batches(folder.path());
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        match Journal::open(&folder.path().join("journal")).map(|(journal, _)| journal.head().size) {
            Err(LogError::Damaged { path: named, offset, .. }) => {
                let batch_end = ends.iter().find(|end| **end > at).copied().unwrap_or(0) as u64;
                assert!(named == path && offset <= batch_end, "{at} of {}: {offset}", whole.len());
            }
            other => panic!("byte {at} of {}, batches end at {ends:?}: {other:?}", whole.len()),
        }
        assert!(fs::read(&path).unwrap() == bytes, "a damaged journal is left as it is");
    }
}

#[test]
fn a_journal_of_two_segments_needs_both_whole() {
    let folder = tempfile::tempdir().unwrap();
    let open = |folder: &Path| Journal::open_with(&folder.join("journal"), 1 << 10).unwrap().0;
    let journal = open(folder.path());
    for (size, (operation, blob)) in [("a", [7; 600]), ("b", [8; 600]), ("c", [9; 600])].iter().enumerate() {
        journal.append(&[append(operation, &[blob])], size as u64).unwrap();
    }
    drop(journal);
    let (first, second) = (segment(folder.path(), 0), segment(folder.path(), 1));
    let journal = open(folder.path());
    assert_eq!((journal.head().size, journal.verify().is_ok(), second.exists()), (3, true, true));
    let copy = tempfile::tempdir().unwrap();
    assert_eq!(journal.copy_to(&copy.path().join("journal")).unwrap(), journal.head());
    assert_eq!(open(copy.path()).head(), journal.head());
    drop(journal);

    let damaged = |what: &str, named: &Path| match Journal::open(&folder.path().join("journal")) {
        Err(LogError::Damaged { path, .. }) => assert_eq!(path, named, "{what}"),
        other => panic!("{what}: {:?}", other.map(|(journal, _)| journal.head())),
    };
    let length = fs::metadata(&first).unwrap().len();
    let file = fs::File::options().write(true).open(&first).unwrap();
    file.set_len(length - 1).unwrap();
    damaged("the first is torn", &first);
    file.set_len(0).unwrap();
    damaged("the first is empty", &first);
    fs::remove_file(&first).unwrap();
    damaged("the first is missing", &second);
}

#[test]
fn one_server_at_a_time_writes_and_others_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = open(folder.path());
    put(&journal, &["a"]).unwrap();
    assert!(matches!(Journal::open(&path), Err(LogError::InUse { .. })));
    let (reader, _) = Journal::read(&path).unwrap();
    assert!(matches!(put(&reader, &["b"]), Err(LogError::ReadOnly { .. })));
    assert_eq!(put(&journal, &["b"]).unwrap(), [1]);
    assert_eq!((reader.head().size, reader.verify().is_ok()), (1, true), "a reader sees what there was");
    drop(journal);
    assert_eq!(open(folder.path()).head().size, 2);
    assert!(matches!(Journal::read(&folder.path().join("none")), Err(LogError::Io { .. })));
}
