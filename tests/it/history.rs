//! Whether what was told to those who appended to a log and read it can have happened in one order.
//!
//! A log makes this easy: its own order is the only one to be tried. An append stands at its index, a read of so many entries
//! between the last that it saw and the next. The history is linearizable where whoever ended before another began stands not
//! after it, and where each index holds what was acknowledged for it.

use guiju_model::Digest;
use guiju_server::{
    log::{Append, Head, Log, LogError, Memory},
    sequencer::{LogKeys, Sequencer, SequencerError},
};
use guiju_tlog::bundle;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// One question with its answer. Times are of one clock, in microseconds.
#[derive(Clone, Debug)]
pub struct Told {
    /// When it was first asked, and when it was answered.
    pub begin_us: u64,
    pub end_us: u64,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Appended { operation: String, index: u64 },
    Read { size: u64 },
}

impl Told {
    /// Where it stands: appends at odd places, reads at even ones.
    fn place(&self) -> u64 {
        match self.what {
            What::Appended { index, .. } => 2 * index + 1,
            What::Read { size } => 2 * size,
        }
    }
}

/// What is wrong with a history, given the operations in the log at its end.
pub fn faults(history: &[Told], log: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    faults.extend(log.iter().filter(|operation| !seen.insert(*operation)).map(|name| format!("{name} is there twice")));
    let mut indices: BTreeMap<u64, &str> = BTreeMap::new();
    for told in history {
        match &told.what {
            What::Appended { operation, index } => {
                match log.get(*index as usize) {
                    Some(held) if held == operation => {}
                    held => faults.push(format!("{operation} was acknowledged at {index}, where {held:?} is")),
                }
                if let Some(other) = indices.insert(*index, operation).filter(|other| *other != operation) {
                    faults.push(format!("{operation} and {other} were both acknowledged at {index}"));
                }
            }
            What::Read { size } if *size > log.len() as u64 => faults.push(format!("{size} entries were read")),
            What::Read { .. } => {}
        }
    }
    let (mut by_begin, mut by_end): (Vec<&Told>, Vec<&Told>) = (history.iter().collect(), history.iter().collect());
    by_begin.sort_by_key(|told| told.begin_us);
    by_end.sort_by_key(|told| told.end_us);
    let (mut ended, mut furthest) = (by_end.into_iter().peekable(), None::<&Told>);
    for told in by_begin {
        while let Some(before) = ended.next_if(|before| before.end_us < told.begin_us) {
            furthest = furthest.filter(|furthest| furthest.place() >= before.place()).or(Some(before));
        }
        if let Some(before) = furthest.filter(|before| before.place() > told.place()) {
            faults.push(format!("{told:?} began after the end of {before:?}, and stands before it"));
        }
    }
    faults
}

/// What is wrong with what a watcher heard, given the operations in the log.
pub fn misheard(heard: &[String], log: &[String]) -> Vec<String> {
    let differs = (0..heard.len().max(log.len())).find(|index| heard.get(*index) != log.get(*index));
    let told = |index| format!("entry {index}: {:?} was heard, and {:?} is there", heard.get(index), log.get(index));
    differs.map(told).into_iter().collect()
}

#[test]
fn impossible_histories_are_found_out() {
    let log = ["a", "b", "c"].map(str::to_owned);
    let appended = |begin_us, end_us, operation: &str, index| Told {
        begin_us,
        end_us,
        what: What::Appended { operation: operation.into(), index },
    };
    let read = |begin_us, end_us, size| Told { begin_us, end_us, what: What::Read { size } };
    let cases: &[(&str, &[Told], usize)] = &[
        ("in order", &[appended(0, 1, "a", 0), read(2, 3, 1), appended(4, 5, "b", 1), read(6, 7, 3)], 0),
        ("beside each other, either way", &[appended(0, 9, "b", 1), appended(1, 8, "a", 0), read(2, 7, 0)], 0),
        ("a read beside an append sees it or not", &[appended(0, 9, "a", 0), read(1, 2, 0), read(3, 4, 1)], 0),
        ("an append stands before one that ended before", &[appended(0, 1, "b", 1), appended(2, 3, "a", 0)], 1),
        ("a stale read", &[appended(0, 1, "a", 0), read(2, 3, 0)], 1),
        ("a read goes back", &[read(0, 1, 2), read(2, 3, 1)], 1),
        ("a read sees what was appended later", &[read(0, 1, 2), appended(2, 3, "b", 1)], 1),
        ("lost", &[appended(0, 1, "d", 3)], 1),
        ("at another index", &[appended(0, 1, "a", 1)], 1),
        ("more than there is", &[read(0, 1, 4)], 1),
    ];
    for (name, history, expected) in cases {
        assert_eq!(faults(history, &log).len(), *expected, "{name}: {:?}", faults(history, &log));
    }
    assert_eq!(faults(&[], &["a".to_owned(), "a".to_owned()]).len(), 1);
}

/// How an engine breaks its promises: at every so many calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    Nothing,
    /// It acknowledges what it does not keep.
    LosesAcknowledged,
    /// It keeps an entry twice.
    Duplicates,
    /// It names another index than the entry has.
    Misplaces,
    /// It tells of a head that was passed.
    ReadsStale,
    /// It gives an entry again that was given, to whoever follows it.
    RepeatsToWatchers,
    SkipsToWatchers,
    /// It gives other bytes than were appended.
    Alters,
}

const EVERY: u64 = 7;

/// The reference, but for what it breaks.
struct Broken {
    whole: Memory,
    breaks: Break,
    calls: AtomicU64,
}

impl Broken {
    fn now(&self, breaks: Break) -> bool {
        self.breaks == breaks && self.calls.fetch_add(1, SeqCst) % EVERY == EVERY - 1
    }
}

impl Log for Broken {
    fn head(&self) -> Result<Head, LogError> {
        let head = self.whole.head();
        match self.now(Break::ReadsStale) {
            true => Ok(Head { size: head.size.saturating_sub(3), ..head }),
            false => Ok(head),
        }
    }

    fn known_size(&self) -> u64 {
        self.whole.known_size()
    }

    fn append(&self, entries: &[Append], expected: u64) -> Result<Vec<u64>, LogError> {
        if self.now(Break::LosesAcknowledged) && self.whole.known_size() == expected {
            return Ok(vec![expected]);
        }
        let mut indices = self.whole.append(entries, expected)?;
        if self.now(Break::Duplicates) {
            let again =
                |append: &Append| Append { operation_id: format!("{}-again", append.operation_id), ..append.clone() };
            let again: Vec<Append> = entries.iter().map(again).collect();
            while self.whole.append(&again, self.whole.known_size()).is_err() {}
        }
        if self.now(Break::Misplaces) {
            indices.iter_mut().for_each(|index| *index += 1);
        }
        Ok(indices)
    }

    fn operation(&self, operation_id: &str) -> Result<Option<u64>, LogError> {
        self.whole.operation(operation_id)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LogError> {
        self.whole.blob(digest)
    }

    fn put_blobs(&self, blobs: &[Vec<u8>]) -> Result<(), LogError> {
        self.whole.put_blobs(blobs)
    }

    fn digests(&self) -> Result<Vec<Digest>, LogError> {
        self.whole.digests()
    }

    fn entries(&self, from: u64, count: usize) -> Result<Vec<Vec<u8>>, LogError> {
        let from = match (self.now(Break::RepeatsToWatchers), self.now(Break::SkipsToWatchers)) {
            (true, _) => from.saturating_sub(1),
            (_, true) => from + 1,
            _ => from,
        };
        let mut entries = self.whole.entries(from, count)?;
        if self.now(Break::Alters)
            && let Some(byte) = entries.last_mut().and_then(|entry| entry.last_mut())
        {
            *byte ^= 1;
        }
        Ok(entries)
    }

    fn wait_beyond(&self, size: u64, timeout: Duration) -> u64 {
        self.whole.wait_beyond(size, timeout)
    }
}

/// Appends, reads and follows from several threads, as callers of several servers do; what is wrong with what they were told.
fn load(breaks: Break) -> Vec<String> {
    const APPENDERS: usize = 3;
    const APPENDS: usize = 40;
    let log = Broken { whole: Memory::default(), breaks, calls: AtomicU64::new(0) };
    let (begin, history, is_over) = (Instant::now(), Mutex::new(Vec::new()), AtomicBool::new(false));
    let now_us = || begin.elapsed().as_micros() as u64;
    let tell = |begin_us, what| {
        let told = Told { begin_us, end_us: now_us(), what };
        history.lock().expect("a history").push(told);
    };
    let read = || {
        let begin_us = now_us();
        tell(begin_us, What::Read { size: log.head().expect("a head").size });
    };
    let append = |appender: usize| {
        for number in 0..APPENDS {
            let operation = format!("a{appender}-{number}");
            let append = Append { operation_id: operation.clone(), entry: operation.clone().into(), blobs: Vec::new() };
            let begin_us = now_us();
            let index = loop {
                match log.append(std::slice::from_ref(&append), log.head().expect("a head").size) {
                    Ok(indices) => break indices[0],
                    Err(LogError::Conflict { .. }) => thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            };
            tell(begin_us, What::Appended { operation, index });
        }
    };
    let follow = || {
        let mut heard: Vec<String> = Vec::new();
        while !is_over.load(SeqCst) || (heard.len() as u64) < log.known_size() {
            log.wait_beyond(heard.len() as u64, Duration::from_millis(1));
            let more = log.entries(heard.len() as u64, 4).expect("entries");
            heard.extend(more.iter().map(|entry| String::from_utf8_lossy(entry).into_owned()));
        }
        heard
    };
    let heard = thread::scope(|scope| {
        let watcher = scope.spawn(follow);
        let reader = scope.spawn(|| {
            while !is_over.load(SeqCst) {
                read()
            }
        });
        let appenders: Vec<_> = (0..APPENDERS).map(|number| scope.spawn(move || append(number))).collect();
        appenders.into_iter().for_each(|appender| appender.join().expect("appended"));
        is_over.store(true, SeqCst);
        reader.join().expect("read");
        watcher.join().expect("heard")
    });
    // When all is over, whoever asks must hear of all.
    for _ in 0..2 * EVERY {
        thread::sleep(Duration::from_micros(10));
        read();
    }
    let entries = log.whole.entries(0, usize::MAX).expect("entries");
    let operations: Vec<String> = entries.iter().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect();
    let mut wrong = faults(&history.into_inner().expect("a history"), &operations);
    wrong.extend(misheard(&heard, &operations));
    wrong
}

/// Whoever holds an engine to its promises must find out one that breaks them.
#[test]
fn an_engine_that_is_broken_on_purpose_is_found_out() {
    assert_eq!(load(Break::Nothing), [""; 0], "the reference keeps them");
    for (breaks, named) in [
        (Break::LosesAcknowledged, "was acknowledged at"),
        (Break::Duplicates, "is there twice"),
        (Break::Misplaces, "was acknowledged at"),
        (Break::ReadsStale, "and stands before it"),
        (Break::RepeatsToWatchers, "was heard, and"),
        (Break::SkipsToWatchers, "was heard, and"),
    ] {
        let wrong = load(breaks);
        assert!(wrong.iter().any(|fault| fault.contains(named)), "{breaks:?} was not found out: {wrong:?}");
    }
}

/// An engine that gives other bytes than before, as a disk under a cluster may: nothing of it is served or proved.
#[test]
fn an_entry_that_changed_is_not_served() {
    let log = Arc::new(Broken { whole: Memory::default(), breaks: Break::Alters, calls: AtomicU64::new(0) });
    let append = |number: u64| Append {
        operation_id: number.to_string(),
        entry: format!("entry {number}").into(),
        blobs: Vec::new(),
    };
    (0..256).for_each(|number| drop(log.append(&[append(number)], number).expect("an index")));
    let keys = LogKeys::in_memory(Some("a.test/log")).expect("a key");
    let sequencer = Sequencer::open(log.clone(), keys, None, || 1).expect("it opens");
    let tile = "tile/entries/000".parse().expect("a path");
    let whole = |from: u64, count: usize| log.whole.entries(from, count).expect("entries");
    let (mut served, mut refused) = (0, 0);
    for round in 0..84 {
        let answer = match round % 4 {
            0 | 1 => sequencer.entries(round, 3).map(|entries| entries == whole(round, 3)),
            2 => sequencer.prove_inclusion(round, 0).map(|(entry, ..)| entry == whole(round, 1)[0]),
            _ => {
                sequencer.tile(&tile).map(|tile| tile == Some(bundle(whole(0, 256).iter().map(Vec::as_slice)).unwrap()))
            }
        };
        match answer {
            Ok(is_whole) => {
                assert!(is_whole, "{round}");
                served += 1;
            }
            Err(error) => {
                assert!(matches!(error, SequencerError::Changed { .. }), "{error}");
                refused += 1;
            }
        }
    }
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
}
