//! Whether what was told to those who appended to a log and read it can have happened in one order.
//!
//! A log makes this easy: its own order is the only one to be tried. An append stands at its index, a read of so many entries
//! between the last that it saw and the next. The history is linearizable where whoever ended before another began stands not
//! after it, and where each index holds what was acknowledged for it.

use std::collections::{BTreeMap, BTreeSet};

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
