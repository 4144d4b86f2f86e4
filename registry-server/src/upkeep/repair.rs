//! Makes a damaged log whole from another copy: a backup, an export, another data folder, or a registry that has the same log or
//! mirrors it. Here a journal; [`cluster`] puts right the keys of one on a cluster.
//!
//! # Invariants
//! - What is written in its place has the same chain as what can still be read of it, and the tree that was signed last.
//! - The damaged journal is kept beside it. Where anything is missing from both, nothing is changed.

use super::{Lines, at, cluster, damage, export, import::Exported};
use crate::{
    Fault,
    contents::named,
    disk::{Disk, Files},
    log::{Append, Head, Journal, Log, Survey},
    sequencer::LogKeys,
    settings::{Engine, Settings},
    store::{self, journal_path, keys_path, view_path},
    transfer::of_memory,
    view::View,
};
use guiju::{ConnectOptions, LogSource, Registry};
use guiju_model::Digest;
use guiju_proto::log::{Entry, Mirrored, entry::Event};
use guiju_tlog::{Checkpoint, Edge, Hash};
use prost::Message;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::Path,
};
use tokio::runtime::Runtime;
use tonic::Code;

/// Entries written at once, and their bytes.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 16 << 20;
/// A journal that is being made whole.
const DRAFT: &str = "journal.repaired.partial";

/// The same log, somewhere else.
pub struct Copy {
    place: Place,
    /// Where it is a mirror of the log: what it took over, by the index there.
    taken_over: Option<BTreeMap<u64, Vec<u8>>>,
}

enum Place {
    Folder(Box<dyn Log>),
    Registry(Runtime, Box<Registry>, BTreeMap<u64, Vec<u8>>),
}

impl Copy {
    /// Of the log of that name, where it is known.
    pub fn open(
        from: &str,
        options: ConnectOptions,
        runtime: impl FnOnce() -> Result<Runtime, Fault>,
        origin: Option<&str>,
    ) -> Result<Self, Fault> {
        let mut place = Place::open(from, options, runtime)?;
        let (mut taken_over, mut index) = (BTreeMap::new(), 0);
        while let (Some(origin), Some(entry)) = (origin, place.entry(index)?) {
            if let Some(Event::Mirrored(Mirrored { origin: of, index, entry })) =
                Entry::decode(&*entry).ok().and_then(|entry| entry.event)
                && of == origin
            {
                taken_over.insert(index, entry.to_vec());
            }
            index += 1;
        }
        Ok(Self { place, taken_over: Some(taken_over).filter(|taken_over| !taken_over.is_empty()) })
    }

    pub fn entry(&mut self, index: u64) -> Result<Option<Vec<u8>>, Fault> {
        match &self.taken_over {
            Some(taken_over) => Ok(taken_over.get(&index).cloned()),
            None => self.place.entry(index),
        }
    }

    pub fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        self.place.blob(digest)
    }
}

impl Place {
    fn open(
        from: &str,
        options: ConnectOptions,
        runtime: impl FnOnce() -> Result<Runtime, Fault>,
    ) -> Result<Self, Fault> {
        if !from.starts_with("http://") && !from.starts_with("https://") {
            let folder = Path::new(from);
            let within = journal_path(folder);
            if folder.join(export::SUMS).is_file() {
                return Ok(Self::Folder(Box::new(Exported::open(folder)?)));
            }
            let folder = if within.is_dir() { within.as_path() } else { folder };
            return Ok(Self::Folder(Box::new(Journal::read(folder).map_err(damage)?.0)));
        }
        let runtime = runtime()?;
        let registry = runtime.block_on(Registry::connect_with(from, options)).map_err(unreachable)?;
        Ok(Self::Registry(runtime, Box::new(registry), BTreeMap::new()))
    }

    fn entry(&mut self, index: u64) -> Result<Option<Vec<u8>>, Fault> {
        match self {
            Self::Folder(log) => Ok(log.entries(index, 1).map_err(damage)?.pop()),
            Self::Registry(runtime, registry, known) => {
                if !known.contains_key(&index) {
                    let more = match runtime.block_on(registry.entries(index)) {
                        // Beyond the end it says so; then it has none.
                        Err(error) if error.status().is_some_and(|status| status.code() == Code::OutOfRange) => {
                            Vec::new()
                        }
                        more => more.map_err(unreachable)?,
                    };
                    *known = (index..).zip(more).collect();
                }
                Ok(known.get(&index).cloned())
            }
        }
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        match self {
            Self::Folder(log) => log.blob(digest).map_err(damage),
            Self::Registry(runtime, registry, _) => runtime.block_on(registry.blob(digest)).map_err(unreachable),
        }
    }
}

fn unreachable(error: impl ToString) -> Fault {
    Fault::new(error, "name a registry that answers, or a folder with a backup")
}

/// Repairs what `verify` finds in a log. No server may have a journal open; those of a cluster go on.
pub fn repair(
    settings: &Settings,
    from: &str,
    options: ConnectOptions,
    runtime: impl FnOnce() -> Result<Runtime, Fault>,
) -> Result<Lines, Fault> {
    match settings.engine {
        Engine::Memory => Err(of_memory()),
        Engine::Etcd => cluster::repair(settings, from, options, runtime),
        Engine::Journal => repair_journal(&settings.data, from, options, runtime),
    }
}

fn repair_journal(
    data: &Path,
    from: &str,
    options: ConnectOptions,
    runtime: impl FnOnce() -> Result<Runtime, Fault>,
) -> Result<Lines, Fault> {
    let folder = journal_path(data);
    store::finish_repair(data)?;
    store::no_other_place(data)?;
    // Of a journal that is gone nothing is held; should a server make one meanwhile, what was repaired cannot take its place.
    let _lock = match Files.lock(&folder.join("lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => None,
        Ok(None) => {
            let what = format!("`{}` is in use by another server", folder.display());
            return Err(Fault::new(what, "stop that server first"));
        }
        lock => lock.map_err(at(&folder))?,
    };
    let survey = Survey::of(&folder).map_err(at(&folder))?;
    let signed = store::signed(data)?;
    let origin = LogKeys::read(&Files, &keys_path(data)).ok().map(|keys| keys.signing.name().to_owned());
    let origin = origin.or_else(|| signed.as_ref().map(|signed| signed.origin.clone()));
    let mut copy = Copy::open(from, options, runtime, origin.as_deref())?;
    let (mut taken, mut fetched) = (0, BTreeMap::new());
    let known = Known { heads: survey.head.into_iter().chain(of_view(data)).collect(), signed };
    if survey.entries.is_empty() && known.signed.is_none() && known.heads.is_empty() {
        let what = format!("nothing is left of the log in {} that a copy could be held against", folder.display());
        return Err(Fault::new(what, "`guiju-server restore` makes a new folder of a backup").found());
    }
    let (head, entries) = entries(&survey, &mut copy, &known, &mut taken)?;
    let planned = with_blobs(&survey, &copy, entries, &mut fetched)?;
    let known = |digest: &Digest| survey.blobs.get(digest).or(fetched.get(digest)).cloned().unwrap_or_default();
    let aside = write(data, &folder, head, planned, known)?;
    Ok(vec![
        format!("repaired: {} entries in {}", head.size, folder.display()),
        format!("from {from}: {} entries and {} documents that could not be read here", taken, fetched.len()),
        format!("chain {}", head.chain),
    ]
    .into_iter()
    .chain(aside.map(|aside| format!("the damaged journal is kept in {aside}")))
    .collect())
}

/// What a copy is held against.
struct Known {
    heads: Vec<Head>,
    signed: Option<Checkpoint>,
}

/// What the view has taken in, where there is one that can be read.
fn of_view(data: &Path) -> Option<Head> {
    View::head_kept(&view_path(data)).ok().flatten().filter(|head| head.size > 0)
}

/// All entries, ours before the copy's; and where they end, which must be where ours did.
fn entries(survey: &Survey, copy: &mut Copy, known: &Known, taken: &mut u64) -> Result<(Head, Vec<Vec<u8>>), Fault> {
    let (mut head, mut edge, mut all, mut missing) = (Head::empty(), Edge::default(), Vec::new(), Vec::new());
    let last = survey.entries.keys().next_back().map_or(0, |last| last + 1);
    let sizes = known.heads.iter().map(|head| head.size).chain(known.signed.iter().map(|signed| signed.size));
    let least = sizes.chain([last]).max().unwrap_or_default();
    for index in 0.. {
        let ours = survey.entries.get(&index).map(|(_, entry)| entry.clone());
        let entry = match ours {
            Some(entry) => entry,
            None => match copy.entry(index)? {
                Some(entry) => {
                    *taken += 1;
                    entry
                }
                None if index < least => {
                    missing.push(index.to_string());
                    Vec::new()
                }
                None => break,
            },
        };
        head = head.then(&entry);
        edge.push(Hash::of_entry(&entry));
        all.push(entry);
        let is_other = known.heads.iter().any(|ours| ours.size == head.size && ours.chain != head.chain)
            || known.signed.as_ref().is_some_and(|signed| signed.size == edge.size() && signed.root != edge.root());
        if is_other && missing.is_empty() {
            return Err(other_log("this log", head.size));
        }
    }
    match missing.is_empty() {
        true => Ok((head, all)),
        false => {
            let what = format!("neither the journal nor the copy has entry {}", missing.join(", "));
            Err(Fault::new(what, "name a copy that is younger").found())
        }
    }
}

/// Of a copy that does not agree with what is known here.
pub fn other_log(known: &str, size: u64) -> Fault {
    let what = format!("the copy is of another log: with its entries the first {size} are not what {known} had");
    Fault::new(what, "name a copy of this log").found()
}

/// An entry to write, and which documents come with it.
struct Planned {
    operation_id: String,
    entry: Vec<u8>,
    blobs: Vec<Digest>,
}

/// Every document once, with the first entry that names it; those that had to be fetched are kept in `fetched`.
fn with_blobs(
    survey: &Survey,
    copy: &Copy,
    entries: Vec<Vec<u8>>,
    fetched: &mut BTreeMap<Digest, Vec<u8>>,
) -> Result<Vec<Planned>, Fault> {
    let (mut planned, mut written) = (Vec::new(), std::collections::BTreeSet::new());
    for (index, entry) in entries.into_iter().enumerate() {
        let hint = "name a copy that has all documents; a registry shows those of drafts to a token for auditor:*";
        let fault = |why: String| Fault::new(format!("entry {index}: {why}"), hint).found();
        let mut look = |digest: &Digest| -> Result<Option<Vec<u8>>, String> {
            if let Some(known) = survey.blobs.get(digest).or(fetched.get(digest)) {
                return Ok(Some(known.clone()));
            }
            let found = copy.blob(digest).map_err(|fault| fault.to_string())?;
            if let Some(bytes) = &found {
                fetched.insert(*digest, bytes.clone());
            }
            Ok(found)
        };
        let mut blobs = Vec::new();
        for digest in named(&entry, &mut look).map_err(fault)? {
            if look(&digest).map_err(fault)?.is_none() {
                return Err(fault(format!("neither the journal nor the copy has {digest}, which it names")));
            }
            if written.insert(digest) {
                blobs.push(digest);
            }
        }
        let operation_id = match survey.entries.get(&(index as u64)) {
            Some((operation, _)) => operation.clone(),
            None => Entry::decode(&*entry).map_err(|why| fault(why.to_string()))?.operation_id,
        };
        planned.push(Planned { operation_id, entry, blobs });
    }
    Ok(planned)
}

/// Puts a new journal in the place of the damaged one; where that is kept, if there was one.
fn write(
    data: &Path,
    folder: &Path,
    head: Head,
    planned: Vec<Planned>,
    blob: impl Fn(&Digest) -> Vec<u8>,
) -> Result<Option<String>, Fault> {
    let (draft, repaired) = (data.join(DRAFT), data.join(store::REPAIRED));
    for left_behind in [&draft, &repaired] {
        let _ = fs::remove_dir_all(left_behind);
    }
    {
        let (journal, _) = Journal::open(&draft)?;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for Planned { operation_id, entry, blobs } in planned {
            let blobs: Vec<Vec<u8>> = blobs.iter().map(&blob).collect();
            bytes += blobs.iter().map(Vec::len).sum::<usize>();
            batch.push(Append { operation_id, entry, blobs });
            if batch.len() >= BATCH || bytes > BATCH_BYTES {
                journal.append(&std::mem::take(&mut batch), journal.head().size)?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            journal.append(&batch, journal.head().size)?;
        }
        journal.verify().map_err(damage)?;
        if journal.head() != head {
            return Err(Fault::new("what was written is not what was read", "the disk is failing; use another"));
        }
    }
    let sync = || File::open(data).and_then(|data| data.sync_all()).map_err(at(data));
    // Whatever cuts this short from here on, the next start or repair goes on from it.
    fs::rename(&draft, &repaired).map_err(at(&repaired))?;
    sync()?;
    let free = |number: &u32| !data.join(format!("journal.damaged-{number}")).exists();
    let aside = data.join(format!("journal.damaged-{}", (1..).find(free).unwrap_or_default()));
    let aside = match fs::rename(folder, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        moved => moved.map(|()| Some(aside.display().to_string())).map_err(at(&aside))?,
    };
    fs::rename(&repaired, folder).map_err(at(folder))?;
    sync()?;
    Ok(aside)
}
