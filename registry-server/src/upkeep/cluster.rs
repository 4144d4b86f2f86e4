//! What is wrong with the keys of a log on a cluster, and how they are put right from another copy.
//!
//! # Invariants
//! - Each key that is not what a server wrote is named, with its entry, as far as the cluster itself can tell.
//! - What is put right ends where all that is known of the log ends: its head, what was signed, what a view took in. Where these
//!   do not reach, the copy and the cluster must hold the same. Else nothing is changed.
//! - A key is written only where it is still as it was read; servers go on meanwhile.

use super::{
    Lines,
    repair::{Copy, other_log},
    unsound,
};
use crate::{
    Fault,
    contents::named,
    disk::Files,
    log::{Change, ClusterSurvey, Etcd, Head, Log, LogError},
    sequencer::{CHECKPOINT, LOG_KEY, LogKeys},
    settings::Settings,
    store::{self, keys_path, view_path},
    view::View,
};
use guiju::ConnectOptions;
use guiju_model::Digest;
use guiju_proto::log::Entry;
use guiju_tlog::{Checkpoint, Edge, Hash};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use tokio::runtime::Runtime;

/// Each key that is not what a server wrote there.
pub fn damage(log: &Etcd, survey: &ClusterSurvey) -> Result<Vec<String>, LogError> {
    let mut found = Vec::new();
    let head = match survey.head() {
        Some(Ok(head)) => Some(head),
        Some(Err(what)) => {
            found.push(format!("`{}`: {what}", survey.head_key()));
            None
        }
        None if survey.entries.is_empty() && survey.operations.is_empty() => Some(Head::empty()),
        None => {
            found.push(format!("`{}` is gone", survey.head_key()));
            None
        }
    };
    let before = found.len();
    let faults = of_entries(survey, head);
    let damaged: BTreeSet<u64> = faults.iter().map(|(index, _)| *index).collect();
    found.extend(faults.into_iter().map(|(_, what)| what));
    found.extend(of_operations(survey, &damaged));
    if found.len() == before
        && let Some(head) = head
    {
        found.extend(of_chain(survey, head));
    }
    found.extend(of_blobs(log, survey)?);
    found.extend(of_agreed(survey));
    found.extend(survey.strays.keys().map(|key| format!("`{key}` is no key of a log")));
    Ok(found)
}

/// Sees that there is a log, and that it goes on there.
pub fn is_served(survey: &ClusterSurvey) -> Result<(), Fault> {
    match survey.not_served() {
        Some(why) => Err(LogError::NotServed { why }.into()),
        None if survey.is_nothing() => Err(store::no_log(&survey.prefix)),
        None => Ok(()),
    }
}

/// The entries that cannot be what was appended, each with why.
fn of_entries(survey: &ClusterSurvey, head: Option<Head>) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let mut next = 0;
    let last = survey.entries.keys().next_back().map(|last| (last + 1, ()));
    let end = head.map(|head| (head.size, ())).into_iter().chain(last).max().map_or(0, |(end, ())| end);
    for index in survey.entries.keys().copied().chain([end]) {
        match index.saturating_sub(next) {
            0 => {}
            1 => found.push((next, format!("entry {next}: `{}` is gone", survey.entry_key(next)))),
            _ => {
                let (first, last) = (survey.entry_key(next), index - 1);
                found.push((next, format!("entries {next} to {last}: `{first}` and those that follow are gone")));
            }
        }
        next = next.max(index.saturating_add(1));
    }
    for (index, kept) in &survey.entries {
        let key = survey.entry_key(*index);
        if let Some(head) = head.filter(|head| head.size <= *index) {
            let size = head.size;
            found.push((*index, format!("entry {index}: `{key}` is there, and `{}` names {size}", survey.head_key())));
            continue;
        }
        let fault = |what: String| (*index, format!("entry {index}: `{key}` {what}"));
        let Some((operation, bytes)) = kept.entry() else {
            found.push(fault("is cut short".into()));
            continue;
        };
        let is_of = match Entry::decode(bytes) {
            Err(why) => Err(format!("cannot be read: {why}")),
            Ok(entry) if entry.operation_id != operation => {
                Err(format!("is said to be of the operation `{operation}`, and is of `{}`", entry.operation_id))
            }
            Ok(_) => Ok(()),
        };
        match (is_of, survey.operations.get(operation).map(|kept| kept.text())) {
            (Err(what), _) => found.push(fault(what)),
            (Ok(()), Some(there)) if there == index.to_string() => {}
            (Ok(()), there) => {
                let key = survey.operation_key(operation);
                let says = there.map_or("is gone".into(), |there| format!("says entry `{there}`"));
                found.push(fault(format!("is of the operation `{operation}`, of which `{key}` {says}")));
            }
        }
    }
    found
}

/// Operations that no entry is of. Those of an entry that is damaged itself are not told again.
fn of_operations(survey: &ClusterSurvey, damaged: &BTreeSet<u64>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, kept) in &survey.operations {
        let index = kept.text().parse::<u64>().ok();
        let made = index.and_then(|index| survey.entries.get(&index)).and_then(|kept| kept.entry());
        // Most are in order, and only of others all damaged entries are looked through.
        if made.is_some_and(|(operation, _)| operation == id) {
            continue;
        }
        let is_told =
            survey.entries.iter().any(|(index, kept)| {
                damaged.contains(index) && kept.entry().is_some_and(|(operation, _)| operation == id)
            }) || index.is_some_and(|index| {
                damaged.contains(&index) || !survey.entries.contains_key(&index) && !damaged.is_empty()
            });
        if !is_told {
            let (key, says) = (survey.operation_key(id), kept.text());
            found.push(format!("`{key}` says entry `{says}`, which no such operation made"));
        }
    }
    found
}

/// Where each entry can be read and the chain over them ends elsewhere: what was written again since it was appended.
fn of_chain(survey: &ClusterSurvey, head: Head) -> Vec<String> {
    let entries = || survey.entries.values().filter_map(|kept| kept.entry());
    if entries().fold(Head::empty(), |head, (_, entry)| head.then(entry)) == head {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, kept) in &survey.entries {
        let operation = kept.entry().and_then(|(operation, _)| survey.operations.get(operation));
        // One transaction wrote both.
        if operation.is_some_and(|operation| operation.revision < kept.revision) {
            let (key, at) = (survey.entry_key(*index), kept.revision);
            found.push(format!("entry {index}: `{key}` was written again at revision {at}, after it was appended"));
        }
    }
    let last = survey.entries.values().map(|kept| kept.revision).max().unwrap_or(0);
    match &survey.head {
        Some(kept) if found.is_empty() && kept.revision > last => {
            let (key, at) = (survey.head_key(), kept.revision);
            found.push(format!("`{key}` was written again at revision {at}, and is not where the entries end"));
        }
        _ if found.is_empty() => {
            found.push(format!("the hash chain over the entries does not end where `{}` says", survey.head_key()));
        }
        _ => {}
    }
    found
}

/// Blobs that are not what their key says. Of a blob without its first row a write was cut short; that is damage where an entry
/// names it.
fn of_blobs(log: &Etcd, survey: &ClusterSurvey) -> Result<Vec<String>, LogError> {
    let (mut found, mut told) = (Vec::new(), BTreeSet::new());
    for (index, kept) in &survey.entries {
        let Some((_, entry)) = kept.entry() else { continue };
        let mut broken = None;
        let mut failed = None;
        let look = |digest: &Digest| -> Result<Option<Vec<u8>>, String> {
            if !is_whole(survey, digest) {
                broken = Some(*digest);
                return Ok(None);
            }
            log.blob(digest).map_err(|error| {
                let what = error.to_string();
                failed = Some(error);
                what
            })
        };
        let digests = named(entry, look);
        match failed {
            Some(error) if !matches!(error, LogError::Damaged { .. }) => return Err(error),
            _ => {}
        }
        match digests {
            Ok(digests) => {
                for digest in digests.iter().filter(|digest| !is_whole(survey, digest)) {
                    if told.insert(*digest) {
                        found.push(format!("entry {index}: {}", of_blob(survey, digest)));
                    }
                }
            }
            Err(why) => match broken {
                Some(digest) if told.insert(digest) => {
                    found.push(format!("entry {index}: {}", of_blob(survey, &digest)));
                }
                Some(_) => {}
                // What cannot be read is told of the entry itself.
                None if Entry::decode(entry).is_ok() => found.push(format!("entry {index}: {why}")),
                None => {}
            },
        }
    }
    for (digest, chunks) in &survey.blobs {
        if !chunks.is_whole && chunks.revisions.contains_key(&0) && told.insert(*digest) {
            found.push(format!("no entry: {}", of_blob(survey, digest)));
        }
    }
    Ok(found)
}

fn is_whole(survey: &ClusterSurvey, digest: &Digest) -> bool {
    survey.blobs.get(digest).is_some_and(|chunks| chunks.is_whole)
}

fn of_blob(survey: &ClusterSurvey, digest: &Digest) -> String {
    let Some(chunks) = survey.blobs.get(digest) else {
        return format!("`{}` is gone, which it names", survey.chunk_key(digest, 0));
    };
    let number = chunks.odd.unwrap_or(0);
    let key = survey.chunk_key(digest, number);
    match chunks.revisions.contains_key(&number) {
        false => format!("`{key}` is gone"),
        true if chunks.revisions.len() == 1 => format!("`{key}` is not {digest}"),
        true => format!("`{key}`, or another of its {} rows, is not of {digest}", chunks.revisions.len()),
    }
}

/// What the servers agree on.
fn of_agreed(survey: &ClusterSurvey) -> Vec<String> {
    let mut found = Vec::new();
    let key = survey.agreed_key(CHECKPOINT);
    match agreed_checkpoint(survey) {
        None => {}
        Some(Err(why)) => found.push(format!("`{key}` cannot be read: {why}")),
        Some(Ok(signed)) => {
            let mut edge = Edge::default();
            let entries = (0..signed.size).map_while(|index| survey.entries.get(&index)?.entry());
            entries.for_each(|(_, entry)| edge.push(Hash::of_entry(entry)));
            if edge.size() < signed.size || edge.root() != signed.root {
                let size = signed.size;
                found.push(format!(
                    "`{key}`: the log does not begin with the {size} entries that it names, or it was changed"
                ));
            }
        }
    }
    if !survey.agreed.contains_key(LOG_KEY) && survey.agreed.contains_key(CHECKPOINT) {
        found.push(format!("`{}` is gone", survey.agreed_key(LOG_KEY)));
    }
    found
}

fn agreed_checkpoint(survey: &ClusterSurvey) -> Option<Result<Checkpoint, String>> {
    let kept = survey.agreed.get(CHECKPOINT)?;
    Some(kept.text().parse::<Checkpoint>().map_err(|why| why.to_string()))
}

/// What is wrong with the key that the servers agreed on, beside the one in a data folder.
pub fn not_our_key(survey: &ClusterSurvey, settings: &Settings) -> Option<String> {
    let theirs = survey.agreed.get(LOG_KEY)?.text();
    let folder = keys_path(&settings.data);
    let ours = LogKeys::read(&Files, &folder).ok()?;
    // One of them may have been changed by `rotate-key` and not be copied yet.
    let is_later = theirs.strip_prefix(&ours.public_text()).is_some_and(|rest| rest.starts_with('\n'));
    let follows = is_later || ours.public_texts().any(|text| text == theirs);
    let key = survey.agreed_key(LOG_KEY);
    (!follows).then(|| format!("`{key}` is not the key in {}", folder.display()))
}

/// Something that is known of the log beside its entries.
struct Known {
    what: String,
    size: u64,
    chain: Option<Digest>,
    root: Option<Hash>,
    /// On the cluster, where it may be what is damaged.
    is_kept_there: bool,
}

impl Known {
    fn of_head(what: String, head: Head, is_kept_there: bool) -> Self {
        Self { what, size: head.size, chain: Some(head.chain), root: None, is_kept_there }
    }

    fn of_checkpoint(what: String, signed: &Checkpoint, is_kept_there: bool) -> Self {
        Self { what, size: signed.size, chain: None, root: Some(signed.root), is_kept_there }
    }
}

fn known(survey: &ClusterSurvey, settings: &Settings) -> Result<Vec<Known>, Fault> {
    let (mut known, view) = (Vec::new(), view_path(&settings.data));
    if let Some(Ok(head)) = survey.head() {
        known.push(Known::of_head(survey.head_key(), head, true));
    }
    if let Some(Ok(signed)) = agreed_checkpoint(survey) {
        known.push(Known::of_checkpoint(survey.agreed_key(CHECKPOINT), &signed, true));
    }
    if let Some(signed) = store::signed(&settings.data)? {
        let what = settings.data.join("checkpoint").display().to_string();
        known.push(Known::of_checkpoint(what, &signed, false));
    }
    if let Ok(Some(head)) = View::head_kept(&view) {
        known.push(Known::of_head(view.display().to_string(), head, false));
    }
    known.retain(|known| known.size > 0);
    Ok(known)
}

/// Entries with what is known to be true of them.
struct Held {
    entries: Vec<Vec<u8>>,
    head: Head,
    edge: Edge,
    /// Those up to here are covered by something that is known.
    covered: u64,
    /// What is known, by its place, and does not hold.
    refuted: Vec<usize>,
}

impl Held {
    fn of(entries: Vec<Vec<u8>>, known: &[Known]) -> Self {
        let (mut head, mut edge, mut covered) = (Head::empty(), Edge::default(), 0);
        let mut refuted: Vec<usize> = (0..known.len()).filter(|at| known[*at].size > entries.len() as u64).collect();
        for entry in &entries {
            head = head.then(entry);
            edge.push(Hash::of_entry(entry));
            for (at, known) in known.iter().enumerate().filter(|(_, known)| known.size == head.size) {
                match known.chain.is_none_or(|chain| chain == head.chain)
                    && known.root.is_none_or(|root| root == edge.root())
                {
                    true => covered = head.size,
                    false => refuted.push(at),
                }
            }
        }
        Self { entries, head, edge, covered, refuted }
    }

    fn size(&self) -> u64 {
        self.head.size
    }
}

/// Puts right from a copy what is wrong with the keys of a log; servers may go on meanwhile.
pub fn repair(
    settings: &Settings,
    from: &str,
    options: ConnectOptions,
    runtime: impl FnOnce() -> Result<Runtime, Fault>,
) -> Result<Lines, Fault> {
    let log = Etcd::connect(&settings.etcd()?)?;
    let survey = log.survey()?;
    if let Some(why) = survey.not_served() {
        return Err(LogError::NotServed { why }.into());
    }
    let known = known(&survey, settings)?;
    let keys = LogKeys::read(&Files, &keys_path(&settings.data)).ok();
    let origin = keys.as_ref().map(|keys| keys.signing.name().to_owned());
    let origin = origin.or_else(|| Some(agreed_checkpoint(&survey)?.ok()?.origin));
    let mut copy = Copy::open(from, options, runtime, origin.as_deref())?;
    let held = settled(&survey, &mut copy, &known)?;
    let (mut changes, taken) = blobs(&log, &survey, &copy, &held)?;
    let mut taken_entries = 0;
    let mut operations = BTreeSet::new();
    for (index, entry) in (0..).zip(&held.entries) {
        let operation =
            Entry::decode(entry.as_slice()).map_err(|why| unreadable(index, &why.to_string()))?.operation_id;
        let put = survey.entry_changes(index, &operation, entry);
        taken_entries += u64::from(put.iter().any(|change| change.key == survey.entry_key(index)));
        changes.extend(put);
        operations.insert(operation);
    }
    for (id, kept) in survey.operations.iter().filter(|(id, _)| !operations.contains(*id)) {
        if kept.text().parse::<u64>().is_ok_and(|index| index >= held.size()) {
            let what = format!(
                "`{}` says entry `{}`, and neither the cluster nor the copy has it",
                survey.operation_key(id),
                kept.text()
            );
            return Err(Fault::new(what, YOUNGER).found());
        }
        changes.push(Change { key: survey.operation_key(id), seen: kept.revision, to: None });
    }
    changes.extend(survey.strays.iter().map(|(key, seen)| Change { key: key.clone(), seen: *seen, to: None }));
    changes.extend(agreed(&survey, settings, &held, keys.as_ref())?);
    changes.extend(survey.head_change(held.head));
    let mut lines = vec![
        format!("repaired: {} entries under {}", held.size(), survey.prefix),
        format!("from {from}: {taken_entries} entries and {taken} documents that were not whole here"),
        format!("chain {}", held.head.chain),
    ];
    lines.extend(changes.iter().map(|change| match change.to {
        Some(_) => format!("put right: `{}`", change.key),
        None => format!("taken away: `{}`", change.key),
    }));
    if !changes.is_empty() {
        let at = survey.revision;
        lines.push(format!(
            "what stood there is in revision {at} (`etcdctl get --rev={at} KEY`) until the cluster is compacted"
        ));
    }
    match log.put_right(changes)? {
        true => Ok(lines),
        false => Err(Fault::new("a server wrote a key of the log meanwhile", "run this again")),
    }
}

const YOUNGER: &str = "name a copy that is younger, or with --data the folder of a server that had it";

fn unreadable(index: u64, why: &str) -> Fault {
    unsound(format!("entry {index} cannot be read: {why}"))
}

/// All entries, the copy's where ours are not what they were; and that nothing that is known contradicts them.
fn settled(survey: &ClusterSurvey, copy: &mut Copy, known: &[Known]) -> Result<Held, Fault> {
    let readable = |index: &u64| {
        let (operation, entry) = survey.entries.get(index)?.entry()?;
        Entry::decode(entry).is_ok_and(|entry| entry.operation_id == operation).then_some(entry)
    };
    let ours = Held::of((0..).map_while(|index| Some(readable(&index)?.to_vec())).collect(), known);
    let is_all = survey.entries.keys().next_back().is_none_or(|last| *last < ours.size());
    if is_all && ours.refuted.is_empty() && ours.covered == ours.size() && ours.size() > 0 {
        return Ok(ours);
    }
    // Up to here the copy and the cluster hold the same, or it is known what they held.
    let (mut entries, mut differ) = (Vec::new(), 0);
    for index in 0.. {
        let (theirs, ours) = (copy.entry(index)?, readable(&index));
        if theirs.as_deref() != ours {
            differ = index + 1;
        }
        match theirs.or_else(|| ours.map(<[u8]>::to_vec)) {
            Some(entry) => entries.push(entry),
            None => break,
        }
    }
    let held = Held::of(entries, known);
    let size = held.size();
    if let Some(lost) = known.iter().filter(|known| known.size > size).max_by_key(|known| known.size) {
        let what = format!(
            "`{}` names {} entries, and neither the cluster nor the copy has entry {size}",
            lost.what, lost.size
        );
        return Err(Fault::new(what, YOUNGER).found());
    }
    if let Some(beyond) = survey.entries.keys().next_back().filter(|last| **last >= size) {
        let key = survey.entry_key(*beyond);
        let what = format!("neither the cluster nor the copy has entry {size}, and `{key}` is there");
        let hint = format!("{YOUNGER}; where no server wrote that key, take it away: `etcdctl del {key}`");
        return Err(Fault::new(what, hint).found());
    }
    if let Some(other) = held.refuted.iter().map(|at| &known[*at]).find(|known| !known.is_kept_there) {
        return Err(other_log(&format!("`{}`", other.what), other.size));
    }
    // A head that is whole says that the copy is another's; one that is not is put right where something else bears the copy out.
    if held.covered < size && differ > held.covered {
        let refuted = held.refuted.first().map(|at| &known[*at]);
        return Err(match refuted {
            Some(other) => other_log(&format!("`{}`", other.what), other.size),
            None => {
                let (from, to) = (held.covered, size - 1);
                let what = format!(
                    "nothing says that entries {from} to {to} are what was acknowledged: they stand in one place alone"
                );
                Fault::new(what, "name with --data the folder of a server whose `checkpoint` covers them").found()
            }
        });
    }
    match size {
        0 => Err(Fault::new("nothing is left of the log, and the copy has none", "name another copy").found()),
        _ => Ok(held),
    }
}

/// What to write of documents, and how many of the copy's.
fn blobs(log: &Etcd, survey: &ClusterSurvey, copy: &Copy, held: &Held) -> Result<(Vec<Change>, u64), Fault> {
    let mut fetched: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
    for (index, entry) in (0..).zip(&held.entries) {
        let fault = |why: String| {
            let hint = "name a copy that has all documents; a registry shows those of drafts to a token for auditor:*";
            Fault::new(format!("entry {index}: {why}"), hint).found()
        };
        let mut look = |digest: &Digest| -> Result<Option<Vec<u8>>, String> {
            if is_whole(survey, digest) {
                return log.blob(digest).map_err(|error| error.to_string());
            }
            if let Some(bytes) = fetched.get(digest) {
                return Ok(Some(bytes.clone()));
            }
            let found = copy.blob(digest).map_err(|fault| fault.to_string())?;
            if let Some(bytes) = &found {
                fetched.insert(*digest, bytes.clone());
            }
            Ok(found)
        };
        for digest in named(entry, &mut look).map_err(fault)? {
            if !is_whole(survey, &digest) && look(&digest).map_err(fault)?.is_none() {
                return Err(fault(format!("neither the cluster nor the copy has {digest}, which it names")));
            }
        }
    }
    let mut changes: Vec<Change> =
        fetched.iter().flat_map(|(digest, bytes)| survey.blob_changes(digest, bytes)).collect();
    for (digest, chunks) in &survey.blobs {
        // Nothing names it; a server that comes to need it writes it anew, once the first row is gone.
        if !chunks.is_whole && chunks.revisions.contains_key(&0) && !fetched.contains_key(digest) {
            let gone = |(number, seen): (&usize, &i64)| Change {
                key: survey.chunk_key(digest, *number),
                seen: *seen,
                to: None,
            };
            changes.extend(chunks.revisions.iter().map(gone));
        }
    }
    Ok((changes, fetched.len() as u64))
}

/// What to write of what the servers agree on, which a server's own files bear out.
fn agreed(
    survey: &ClusterSurvey,
    settings: &Settings,
    held: &Held,
    keys: Option<&LogKeys>,
) -> Result<Vec<Change>, Fault> {
    let mut changes = Vec::new();
    let is_held = |signed: &Checkpoint| {
        Held::of(held.entries.clone(), &[Known::of_checkpoint(String::new(), signed, true)]).refuted.is_empty()
    };
    let (checkpoint, key) = (survey.agreed_key(CHECKPOINT), survey.agreed_key(LOG_KEY));
    let lacks = |key: &str, file: &str| {
        let hint = format!("name with --data the folder of a server of this log, which holds `{file}`");
        Fault::new(format!("`{key}` was changed, and nothing here says what it was"), hint).found()
    };
    match agreed_checkpoint(survey) {
        Some(Ok(signed)) if is_held(&signed) => {}
        None if store::signed(&settings.data)?.is_none() => {}
        _ => match store::signed(&settings.data)? {
            Some(ours) => {
                // It may have been another server's, later than ours; all that there is begins with both.
                let signed = Checkpoint { size: held.size(), root: held.edge.root(), ..ours };
                changes.extend(survey.agreed_change(CHECKPOINT, signed.to_string()));
            }
            None => return Err(lacks(&checkpoint, "checkpoint")),
        },
    }
    let is_gone = !survey.agreed.contains_key(LOG_KEY) && survey.agreed.contains_key(CHECKPOINT);
    match keys {
        Some(keys) if is_gone || not_our_key(survey, settings).is_some() => {
            let name = keys.signing.name();
            if let Some(Ok(Checkpoint { origin, .. })) = agreed_checkpoint(survey)
                && origin != name
            {
                let hint = "name with --data the folder of a server of this log";
                let folder = keys_path(&settings.data);
                let why = format!(
                    "`{key}` is not the key in {}, which is of `{name}`: the log is `{origin}`",
                    folder.display()
                );
                return Err(Fault::new(why, hint).found());
            }
            changes.extend(survey.agreed_change(LOG_KEY, keys.public_text()));
        }
        None if is_gone => return Err(lacks(&key, "log-key")),
        _ => {}
    }
    Ok(changes)
}
