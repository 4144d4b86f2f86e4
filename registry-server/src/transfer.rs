//! Carries a log from one place to another: the same blobs, entries and operations in the same order, so the same chain and root.
//!
//! # Invariants
//! - What the target holds is compared and never overwritten; one that holds another log is refused.
//! - It may be cut short anywhere and run again: blobs go before the entries that name them, and what is there is not sent again.
//! - It has succeeded only when all of it was read back from the target.

use crate::{
    Fault,
    disk::{self, Files},
    log::{Append, Etcd, Head, Journal, Log, LogError, Mark, Standing},
    sequencer::seed,
    settings::{Engine, Settings},
    store::{self, PARTIAL, journal_path},
    upkeep::{Lines, damage, unsound},
};
use guiju_model::Digest;
use guiju_proto::log::Entry;
use guiju_tlog::{Edge, Hash};
use prost::Message;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

const BLOB_BYTES: usize = 8 << 20;
const ENTRIES: usize = 512;

/// What the target holds now, and what of it came just now.
pub struct Carried {
    pub head: Head,
    pub root: Hash,
    pub new_entries: u64,
    pub new_blobs: u64,
}

/// Copies what the source holds now, and reads it back from a target that is opened anew. Others may go on appending to the source.
pub fn carry(source: &dyn Log, open: impl Fn() -> Result<Box<dyn Log>, Fault>) -> Result<Carried, Fault> {
    let target = open()?;
    let begin = same_beginning(source, &*target)?;
    let end = source.head()?.size;
    // After the head, so that all that its entries name is among them.
    let digests = source.digests()?;
    let new_blobs = copy_blobs(source, &*target, &digests)?;
    copy_entries(source, &*target, begin, end)?;
    // Read back from where it is kept, not from what an engine remembers of it.
    drop(target);
    let (head, root) = read_back(source, &*open()?, end, &digests)?;
    Ok(Carried { head, root, new_entries: head.size - begin.size, new_blobs })
}

/// A log that has come to another place, where no server goes on with it yet.
pub struct Arrived<'s> {
    pub carried: Carried,
    settings: &'s Settings,
    engine: Engine,
}

impl<'s> Arrived<'s> {
    /// Carries a log to where the settings say. It may be cut short anywhere and run again: what has come until then is marked as a part,
    /// which nobody serves.
    pub fn carry(source: &dyn Log, settings: &'s Settings, engine: Engine, mark: Mark) -> Result<Self, Fault> {
        let carried = match engine {
            Engine::Memory => return Err(of_memory()),
            Engine::Etcd => {
                let options = settings.etcd()?;
                let (target, standing) = Etcd::as_it_stands(&options)?;
                let held = same_beginning(source, &target)?;
                if standing != Standing::Served || held != source.head()? {
                    target.stands(held, Standing::Partial(mark)).map_err(|error| match error {
                        LogError::Conflict { .. } => another_appends(),
                        error => error.into(),
                    })?;
                }
                // This one before it is opened anew: under a prefix without entries there is no head as yet that says `partial`.
                let target = Mutex::new(Some(target));
                let open = || -> Result<Box<dyn Log>, Fault> {
                    let first = target.lock().unwrap_or_else(PoisonError::into_inner).take();
                    Ok(Box::new(match first {
                        Some(target) => target,
                        None => Etcd::as_it_stands(&options)?.0,
                    }))
                };
                carry(source, open)?
            }
            Engine::Journal => {
                let (folder, draft) = (journal_path(&settings.data), settings.data.join(PARTIAL));
                if folder.exists() {
                    // It is all there from a run before, or another log.
                    let held = Journal::read(&folder).map_err(damage)?.0;
                    if same_beginning(source, &held)? != source.head()? {
                        let what = format!("{} holds a part of this log", folder.display());
                        return Err(Fault::new(what, "move it away, or name another folder with --data"));
                    }
                }
                let place = if folder.exists() { &folder } else { &draft };
                carry(source, || Ok(Box::new(Journal::open(place)?.0)))?
            }
        };
        Ok(Self { carried, settings, engine })
    }

    /// Lets servers go on with it there; where that is.
    pub fn settle(self) -> Result<(Carried, String), Fault> {
        let Self { carried, settings, engine } = self;
        if engine == Engine::Etcd {
            let (target, _) = Etcd::as_it_stands(&settings.etcd()?)?;
            target.stands(carried.head, Standing::Served)?;
            return Ok((carried, settings.etcd_prefix.0.clone()));
        }
        let (data, folder) = (&settings.data, journal_path(&settings.data));
        if !folder.exists() {
            fs::rename(data.join(PARTIAL), &folder).map_err(unwritable(&folder))?;
            fs::File::open(data).and_then(|data| data.sync_all()).map_err(unwritable(&folder))?;
        }
        Ok((carried, folder.display().to_string()))
    }
}

/// Carries a log from one engine to another. At no moment is it served in both places, and in the old one no server goes on with it by
/// mistake: a journal is moved aside, on a cluster the head says so. Cut short anywhere, it is run again: the data folder and the cluster
/// hold the mark of the move, so that only that one is finished of a log that stands in its old place no more.
pub fn migrate(settings: &Settings, from: Engine, to: Engine) -> Result<Lines, Fault> {
    if from == to {
        return Err(Fault::new(format!("the log is in `{from}` already"), "name two engines: journal and etcd"));
    }
    let (data, prefix) = (&settings.data, &settings.etcd_prefix.0);
    let (arrived, aside) = match from {
        Engine::Memory => return Err(of_memory()),
        Engine::Journal => {
            // Opening it to write would make one where there is none; and one that a run before moved aside was all copied.
            let aside = if journal_path(data).exists() { None } else { store::migrated(data).next() };
            let (source, mark) = match &aside {
                Some(aside) => {
                    let mark = mark_of(data)?;
                    let standing = Etcd::as_it_stands(&settings.etcd()?)?.1;
                    let Some(mark) = mark.filter(|mark| standing == Standing::Partial(*mark)) else {
                        let (data, aside) = (data.display(), aside.display());
                        let what = format!("the journal of {data} was migrated before, and is now {aside}");
                        return Err(Fault::new(
                            what,
                            "see with `guiju-server verify` that its new place has all of it",
                        ));
                    };
                    (Journal::read(aside).map_err(damage)?.0, mark)
                }
                None => {
                    Journal::read(&journal_path(data)).map_err(damage)?;
                    (store::open_journal(data, || ())?, new_mark(data)?)
                }
            };
            must_have_entries(&source)?;
            let arrived = Arrived::carry(&source, settings, to, mark)?;
            drop(source);
            let aside = aside.map_or_else(|| store::move_aside(data), Ok)?;
            (arrived, format!("the journal is now {}; no server goes on with it by mistake", aside.display()))
        }
        Engine::Etcd => {
            let (source, standing) = Etcd::as_it_stands(&settings.etcd()?)?;
            store::is_there(&source, settings)?;
            let mark = match standing {
                Standing::Served => new_mark(data)?,
                Standing::Moved(mark) if mark_of(data)? == Some(mark) => mark,
                _ => return Err(source.not_served(standing).into()),
            };
            must_have_entries(&source)?;
            let arrived = Arrived::carry(&source, settings, to, mark)?;
            // A copy may lag behind; a log that moves must not go on in its old place.
            source.stands(arrived.carried.head, Standing::Moved(mark)).map_err(|error| match error {
                LogError::Conflict { size, .. } => {
                    let copied = arrived.carried.head.size;
                    let what = format!(
                        "servers go on with the log in {from}: it has {size} entries by now, and {copied} were copied"
                    );
                    Fault::new(what, "stop them, and run this again: it goes on from there")
                }
                error => error.into(),
            })?;
            (arrived, format!("`{prefix}` says that the log was moved; no server goes on there by mistake"))
        }
    };
    let (Carried { head, root, new_entries, new_blobs }, _) = arrived.settle()?;
    Ok(vec![
        format!(
            "migrated: {} entries from {from} to {to}, {new_entries} of them and {new_blobs} blobs just now",
            head.size
        ),
        format!("chain {}", head.chain),
        format!("root {root}"),
        aside,
    ])
}

/// An empty log has no head that could say where it went.
fn must_have_entries(log: &dyn Log) -> Result<(), Fault> {
    match log.head()?.size {
        0 => Err(Fault::new("the log has no entries: there is nothing to move", "start a server in the new place")),
        _ => Ok(()),
    }
}

/// Of the move that a data folder takes part in, or took part in last.
fn mark_path(data: &Path) -> PathBuf {
    data.join("journal.move")
}

fn mark_of(data: &Path) -> Result<Option<Mark>, Fault> {
    let path = mark_path(data);
    let text = disk::read_text(&Files, &path).map_err(unwritable(&path))?;
    Ok(text.and_then(|text| u64::from_str_radix(text.trim_end(), 16).ok()).map(Mark))
}

fn new_mark(data: &Path) -> Result<Mark, Fault> {
    let path = mark_path(data);
    disk::make_folder(&Files, data, disk::PRIVATE_FOLDER).map_err(unwritable(&path))?;
    let [a, b, c, d, e, f, g, h, ..] = seed()?;
    let mark = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    disk::write_durably(&Files, &path, format!("{mark:x}\n").as_bytes(), 0o600).map_err(unwritable(&path))?;
    Ok(Mark(mark))
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> Fault + '_ {
    let hint = "see that this user can read and write there, and run this again";
    move |error| Fault::new(format!("{}: {error}", path.display()), hint)
}

/// No other process reaches a log in memory.
pub fn of_memory() -> Fault {
    Fault::new("a log in memory is gone when its server ends", "name the engine journal or etcd")
}

/// What the target holds of the source's log, from its beginning.
fn same_beginning(source: &dyn Log, target: &dyn Log) -> Result<Head, Fault> {
    let held = target.head()?;
    let other = || {
        let why = "the target holds another log, or more of this one";
        Fault::new(why, "name an empty one: another `etcd_prefix`, or another folder with --data")
    };
    if held.size > source.head()?.size {
        return Err(other());
    }
    let mut head = Head::empty();
    while head.size < held.size {
        let count = ENTRIES.min((held.size - head.size) as usize);
        head = page(source, head.size, count)?.iter().fold(head, |head, entry| head.then(entry));
    }
    if head == held { Ok(held) } else { Err(other()) }
}

/// Entries, at least one.
fn page(log: &dyn Log, from: u64, count: usize) -> Result<Vec<Vec<u8>>, Fault> {
    let entries = log.entries(from, count).map_err(damage)?;
    match entries.is_empty() {
        true => Err(unsound(format!("entry {from} of the log is missing"))),
        false => Ok(entries),
    }
}

fn copy_blobs(source: &dyn Log, target: &dyn Log, digests: &[Digest]) -> Result<u64, Fault> {
    let held: BTreeSet<Digest> = target.digests()?.into_iter().collect();
    let missing: Vec<Digest> = digests.iter().filter(|digest| !held.contains(digest)).copied().collect();
    let (mut waiting, mut bytes, mut count) = (Vec::new(), 0, 0);
    for digest in missing {
        let blob = source.blob(&digest).map_err(damage)?;
        let blob = blob.ok_or_else(|| unsound(format!("the blob {digest} is listed and not there")))?;
        bytes += blob.len();
        count += 1;
        waiting.push(blob);
        if bytes >= BLOB_BYTES {
            target.put_blobs(&std::mem::take(&mut waiting))?;
            bytes = 0;
        }
    }
    target.put_blobs(&waiting)?;
    Ok(count)
}

fn copy_entries(source: &dyn Log, target: &dyn Log, begin: Head, end: u64) -> Result<(), Fault> {
    let (max, mut size) = (target.batch_max(), begin.size);
    while size < end {
        let mut appends = appends(size, page(source, size, ENTRIES.min((end - size) as usize))?)?;
        while !appends.is_empty() {
            let mut bytes = 0;
            let fits = |append: &&Append| {
                bytes += append.entry.len();
                bytes <= max.bytes
            };
            let count = appends.iter().take(max.entries).take_while(fits).count().max(1);
            let batch: Vec<Append> = appends.drain(..count).collect();
            let indices = match target.append(&batch, size) {
                Err(LogError::Conflict { .. }) => return Err(another_appends()),
                appended => appended?,
            };
            if !indices.into_iter().eq(size..size + count as u64) {
                return Err(another_appends());
            }
            size += count as u64;
        }
    }
    Ok(())
}

/// Entries as they were appended. Their blobs are there by then.
fn appends(from: u64, entries: Vec<Vec<u8>>) -> Result<Vec<Append>, Fault> {
    let append = |(index, entry): (u64, Vec<u8>)| {
        let read = Entry::decode(entry.as_slice());
        let read = read.map_err(|why| unsound(format!("entry {index} of the log cannot be read: {why}")))?;
        Ok(Append { operation_id: read.operation_id, entry, blobs: Vec::new() })
    };
    (from..).zip(entries).map(append).collect()
}

/// Holds all of the target against the source; its head, and the root of its tree.
fn read_back(source: &dyn Log, target: &dyn Log, end: u64, digests: &[Digest]) -> Result<(Head, Hash), Fault> {
    let differs =
        |what: String| Fault::new(format!("the target differs from the source: {what}"), "run this again").found();
    let (held, max) = (target.head()?, target.batch_max().entries.min(ENTRIES));
    if held.size != end {
        return Err(another_appends());
    }
    let (mut head, mut edge) = (Head::empty(), Edge::default());
    while head.size < end {
        let count = max.min((end - head.size) as usize);
        let (entries, copies) = (page(source, head.size, count)?, page(target, head.size, count)?);
        if entries != copies {
            return Err(differs(format!("an entry from {} on", head.size)));
        }
        // What every operation of the page has already changes nothing, and tells the index of each.
        let indices = target.append(&appends(head.size, entries.clone())?, u64::MAX);
        match indices {
            Ok(indices) if indices.iter().copied().eq(head.size..head.size + entries.len() as u64) => {}
            Ok(_) | Err(LogError::Conflict { .. }) => {
                return Err(differs(format!("an operation from entry {} on", head.size)));
            }
            Err(error) => return Err(error.into()),
        }
        copies.iter().for_each(|entry| edge.push(Hash::of_entry(entry)));
        head = copies.iter().fold(head, |head, entry| head.then(entry));
    }
    for digest in digests {
        // Both engines hold what they read against its digest.
        if target.blob(digest).map_err(damage)?.is_none() {
            return Err(differs(format!("the blob {digest}")));
        }
    }
    match head == held {
        true => Ok((head, edge.root())),
        false => Err(differs("its hash chain".into())),
    }
}

fn another_appends() -> Fault {
    Fault::new("another server appends to the target", "stop it, and run this again")
}
