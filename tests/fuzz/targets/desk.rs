//! Any bytes as what the committee says: the text of a change, or entries of a log, each behind its length, as a registry finds them at
//! its start. The first byte chooses.
//!
//! A text has one spelling. Entries are taken in, or refused with the number of one; whoever asks afterwards gets an answer.

use guiju_model::{CommitteeChange, Grant, Principal, Scope};
use guiju_server::{
    log::{Append, Log, Memory},
    registry::{Caller, Registry},
};
use std::{fmt::Display, str::FromStr, sync::Arc};

pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    if choice % 2 == 0 {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        one_spelling::<CommitteeChange>(text);
        one_spelling::<Grant>(text);
        one_spelling::<Scope>(text);
        one_spelling::<Principal>(text);
        return;
    }
    let (log, mut rest) = (Arc::new(Memory::default()), bytes);
    while let Some((length, more)) = rest.split_first() {
        let (entry, more) = more.split_at(more.len().min(usize::from(*length)));
        rest = more;
        let operation_id = format!("entry-{}", log.known_size());
        let append = Append { operation_id, entry: entry.to_vec(), blobs: Vec::new() };
        log.append(&[append], log.known_size()).expect("memory takes it");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Ok((registry, _)) = Registry::open(log.clone(), &folder.path().join("view"), || 1_790_000_000_000) else {
        return;
    };
    let entries = log.entries(0, usize::MAX).expect("entries");
    let callers = ["li", "root"].map(|name| registry.caller(name.parse().expect("a name")).expect("a caller"));
    for caller in callers.iter().chain([&Caller::open()]) {
        for (index, entry) in (0..).zip(&entries) {
            registry.shows_entry(caller, index, entry).expect("it is shown or not");
        }
        registry.agreements(caller).expect("a list");
        for standing in registry.proposals(caller, None, true).expect("a list") {
            // Its documents are not there.
            let _ = registry.impact(caller, standing.proposal.id);
        }
    }
}

fn one_spelling<T: FromStr + Display + PartialEq>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let again = value.to_string().parse::<T>();
    assert!(again.is_ok_and(|again| again == value), "`{text}` is another when it is said again");
}
