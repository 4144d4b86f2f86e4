//! The fuzz targets on any compiler: each seed of `tests/fuzz/corpus`, and mutations of them that are the same on every machine.
//!
//! Work is counted in cases. A case that fails is written beside the corpus, so that it can be looked at and kept as a seed.

#[path = "../fuzz/targets/codes.rs"]
mod codes;
#[path = "../fuzz/targets/desk.rs"]
mod desk;
#[path = "../fuzz/targets/export.rs"]
mod export;
#[path = "../fuzz/targets/held.rs"]
mod held;
#[path = "../fuzz/targets/journal.rs"]
mod journal;
#[path = "../fuzz/targets/lock.rs"]
mod lock;
#[path = "../fuzz/targets/message.rs"]
mod message;
#[path = "../fuzz/targets/metadata.rs"]
mod metadata;
#[path = "../fuzz/targets/note.rs"]
mod note;
#[path = "../fuzz/targets/protobuf.rs"]
mod protobuf;
#[path = "../fuzz/targets/receipt.rs"]
mod receipt;
#[path = "../fuzz/targets/record.rs"]
mod record;
#[path = "../fuzz/targets/roads.rs"]
mod roads;
#[path = "../fuzz/targets/rows.rs"]
pub mod rows;
#[path = "../fuzz/targets/schema.rs"]
mod schema;
#[path = "../fuzz/targets/table.rs"]
pub mod table;
#[path = "../fuzz/targets/tile.rs"]
mod tile;
#[path = "../fuzz/targets/token.rs"]
mod token;
#[path = "../fuzz/targets/upstream.rs"]
mod upstream;
#[path = "../fuzz/targets/yaml.rs"]
mod yaml;

use crate::support::{root, rounds};
use guiju_server::log::{Append, Journal, Log};
use std::{fs, panic, path::PathBuf};

#[test]
fn any_bytes_are_a_record_or_a_finding() {
    replay("record", record::run, 10_000);
}

#[test]
fn any_bytes_are_a_schema_or_a_fault() {
    replay("schema", schema::run, 6_000);
}

#[test]
fn any_bytes_are_a_message_or_a_fault_with_its_field() {
    replay("message", message::run, 20_000);
}

#[test]
fn any_bytes_are_a_bundle_of_entries_or_refused() {
    replay("tile", tile::run, 20_000);
}

#[test]
fn any_bytes_are_a_file_of_records() {
    replay("table", table::run, 1_500);
}

#[test]
fn any_rows_are_judged_as_their_records_are() {
    replay("rows", rows::run, 6_000);
}

#[test]
fn any_bytes_get_one_report_by_both_roads() {
    replay("roads", roads::run, 10_000);
}

#[test]
fn any_bytes_are_a_journal_or_damage_with_a_place() {
    replay("journal", journal::run, 1_500);
}

#[test]
fn any_bytes_are_a_receipt_or_refused() {
    replay("receipt", receipt::run, 6_000);
}

#[test]
fn any_bytes_are_a_lock_or_refused_with_a_place() {
    replay("lock", lock::run, 3_000);
}

#[test]
fn any_bytes_are_what_an_issuer_signed_or_refused() {
    replay("token", token::run, 2_000);
}

#[test]
fn any_bytes_are_what_a_committee_said_or_refused() {
    replay("desk", desk::run, 600);
}

#[test]
fn any_bytes_are_a_note_or_a_fault() {
    replay("note", note::run, 20_000);
}

#[test]
fn any_bytes_are_an_openapi_document_or_a_fault() {
    replay("yaml", yaml::run, 2_000);
}

#[test]
fn any_bytes_are_protobuf_files_or_a_fault() {
    replay("protobuf", protobuf::run, 5_000);
}

#[test]
fn any_bytes_are_a_code_list_or_refused_with_a_line() {
    replay("codes", codes::run, 10_000);
}

#[test]
fn any_bytes_are_metadata_or_refused() {
    replay("metadata", metadata::run, 6_000);
}

#[test]
fn any_bytes_are_an_export_or_refused_with_a_line() {
    replay("export", export::run, 300);
}

#[test]
fn any_bytes_are_what_a_mirror_holds_or_damage() {
    replay("held", held::run, 10_000);
}

#[test]
fn any_answers_of_a_registry_are_proved_or_not_believed() {
    replay("upstream", upstream::run, 6_000);
}

/// What is refused at the door tries nothing behind it.
#[test]
fn seeds_of_documents_are_taken() {
    type Taken = (&'static str, fn(&[u8]) -> bool, &'static [&'static str]);
    let taken: [Taken; 6] = [
        ("yaml", yaml::is_taken, &["trap-recursive", "webhook-body-lost", "json", "aliases"]),
        ("protobuf", protobuf::is_taken, &["oneof-deleted", "rpc-types", "nested", "extension-range-deleted"]),
        ("codes", codes::is_taken, &["share-class", "item-type", "quoted"]),
        ("metadata", metadata::is_taken, &["least", "bj.population-person"]),
        ("export", export::is_taken, &["whole", "one"]),
        ("held", held::is_taken, &["eleven", "none", "many", "part", "file"]),
    ];
    for (name, is_taken, seeds) in taken {
        for seed in seeds {
            let path = root().join("tests/fuzz/corpus").join(name).join(seed);
            assert!(is_taken(&fs::read(&path).expect("a seed")), "{} is refused", path.display());
        }
    }
}

/// What tells the truth is taken, or the target above would try nothing.
#[test]
fn the_honest_answers_are_among_the_seeds() {
    for (name, bytes) in ["honest", "honest-smaller"].into_iter().zip(upstream::honest()) {
        let path = root().join("tests/fuzz/corpus/upstream").join(name);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &bytes).expect("written");
        }
        assert!(fs::read(&path).expect("a seed") == bytes, "{} is stale; run with UPDATE_EXPECT=1", path.display());
    }
}

/// The same of what a mirror holds.
#[test]
fn what_mirrors_write_is_among_the_seeds() {
    for (name, size, followed) in [("none", 0, 0), ("eleven", 11, 11), ("many", 10_007, 10_007), ("part", 3_000, 1_024)]
    {
        let (path, bytes) = (root().join("tests/fuzz/corpus/held").join(name), held::honest(size, followed));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &bytes).expect("written");
        }
        assert!(fs::read(&path).expect("a seed") == bytes, "{} is stale; run with UPDATE_EXPECT=1", path.display());
    }
}

/// The crate of the targets lies outside the workspace, so nothing else says when its lock lags behind.
#[test]
fn the_crate_of_the_targets_is_locked_to_what_it_uses() {
    let mut metadata = std::process::Command::new(env!("CARGO"));
    metadata.args(["metadata", "--locked", "--format-version", "1", "--manifest-path", "tests/fuzz/Cargo.toml"]);
    let output = metadata.current_dir(root()).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "run it once without --locked, and commit tests/fuzz/Cargo.lock: {said}");
}

#[test]
fn modules_with_unsafe_stand_the_sanitizer() {
    let run = std::process::Command::new("bash").arg("tests/unsafe/run").current_dir(root()).output().expect("bash");
    assert!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
}

/// Every seed as it is, then so many mutations, times `GUIJU_SOAK`; `GUIJU_ROUNDS` is the number of another run.
fn replay(name: &str, run: fn(&[u8]), cases: usize) {
    let seeds = seeds(name);
    assert!(seeds.len() > 3, "tests/fuzz/corpus/{name} is empty");
    seeds.iter().for_each(|seed| holds(name, run, seed));
    let cases = rounds(cases as u64) as usize;
    let cases = std::env::var("GUIJU_ROUNDS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..cases {
        let case = mutated(&seeds, &mut dice);
        holds(name, run, &case);
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = root().join("tests/fuzz/corpus").join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).expect("seeds").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

fn holds(name: &str, run: fn(&[u8]), case: &[u8]) {
    if let Err(fault) = panic::catch_unwind(|| run(case)) {
        let kept = root().join(format!("target/fuzz-{name}"));
        fs::write(&kept, case).expect("target/ takes a file");
        eprintln!("the case that failed is {}; to keep it, copy it to tests/fuzz/corpus/{name}", kept.display());
        panic::resume_unwind(fault);
    }
}

/// What parsers stumble over.
const WORDS: [&[u8]; 28] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc0\xee",
    b"\\ud800",
    b"\\u0000",
    b"1e400",
    b"-0",
    b"1.0",
    b"9007199254740993",
    b"9.11E+17",
    b"null",
    b"{}",
    b"[[[[[[[[",
    b"\"$ref\":\"#\"",
    b"\"allOf\":[",
    "男".as_bytes(),
    b"2026-02-30",
];

fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut case = dice.pick(seeds).clone();
    for _ in 0..=dice.below(4) {
        let at = dice.below(case.len() + 1);
        let end = (at + 1 + dice.below(8)).min(case.len());
        match dice.below(8) {
            0 => case.splice(at..at, dice.pick(&WORDS).iter().copied()).for_each(drop),
            1 => case.splice(at..end, dice.pick(&WORDS).iter().copied()).for_each(drop),
            2 => case.drain(at..end).for_each(drop),
            3 => case.truncate(at),
            4 => {
                let copy = case[at..end].to_vec();
                case.splice(at..at, copy).for_each(drop);
            }
            5 => {
                let other = dice.pick(seeds);
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(64)).min(other.len());
                case.splice(at..at, other[from..to].iter().copied()).for_each(drop);
            }
            _ => {
                if let Some(byte) = case.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
    }
    case
}

/// xorshift64*.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// A journal of four batches as bytes, with the ends of the batches.
fn written() -> (Vec<u8>, Vec<usize>, Vec<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path()).unwrap();
    const SETTLED_BYTES: usize = 17;
    let (mut ends, mut entries) = (Vec::new(), Vec::new());
    for batch in 0..4_u64 {
        let append = |number: u64| Append {
            operation_id: format!("operation-{batch}-{number}"),
            entry: format!("entry {batch} {number}").into_bytes(),
            blobs: vec![format!("blob {batch}").into_bytes()],
        };
        let batch: Vec<Append> = (0..=batch).map(append).collect();
        journal.append(&batch, journal.head().size).unwrap();
        entries.extend(batch.into_iter().map(|append| append.entry));
        ends.push(fs::metadata(journal::segment(folder.path())).unwrap().len() as usize - SETTLED_BYTES);
    }
    (fs::read(journal::segment(folder.path())).unwrap(), ends, entries)
}

#[test]
fn no_damage_is_mistaken_for_less_history() {
    let (bytes, ends, entries) = written();
    let opened = |bytes: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(journal::segment(folder.path()), bytes).unwrap();
        Journal::read(folder.path()).map(|(journal, _)| journal.entries(0, 1 << 20).unwrap())
    };
    assert_eq!(opened(&bytes).unwrap(), entries);
    let before_last = ends[ends.len() - 2];
    let kept = |end: usize| ends.iter().filter(|other| **other <= end).count();
    for at in 0..bytes.len() {
        // Cut anywhere: what was committed before is there, and nothing else.
        let count = kept(at) * (kept(at) + 1) / 2;
        match opened(&bytes[..at]) {
            Ok(found) => assert_eq!(found, entries[..count], "cut at {at}"),
            Err(error) => panic!("cut at {at}: {error}"),
        }
        // Flipped anywhere: refused, unless it lies in the last batch, which a crash could have torn.
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        match opened(&flipped) {
            Ok(found) => assert!(at >= before_last && found == entries[..6], "a flip at {at} went unseen: {found:?}"),
            Err(error) => assert!(error.to_string().contains("damaged at byte"), "{error}"),
        }
    }
}
