//! What can be asked, kept in sled. `apply` is its only writer, and all of it can be thrown away: it is made of the log.
//!
//! # Invariants
//! - The applied head (size and chain) is written in the same batch as what it covers, with the number of all rows and the sum of
//!   their hashes: a disk that lost a page, or brought back an old one, is found out when the view is opened.
//! - `apply` is a function of the facts alone; the same log gives the same view.
//! - On any doubt (will not open, cannot be read, another chain) the folder is moved aside and a new view is begun; where the
//!   doubt comes while the server runs, beside it, and the next start moves it aside.

mod access; // who holds what
mod desk; // what the committee decides
mod search; // what standards are found by
mod standards; // standards and their versions

pub use access::AccessFact;
pub use desk::{Agreed, Deed, DeskFact, Draft, Proposal, Stage, Step};
pub use search::Match;

use crate::{
    disk::{self, Files},
    log::Head,
};
use guiju_model::{Date, Digest, Metadata, StandardId, Status, Term, VersionInfo, Words};
use semver::Version;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

const CACHE_BYTES: u64 = 16 << 20;

#[derive(Debug, thiserror::Error)]
#[error("the view at `{}`: {why}", path.display())]
pub struct ViewError {
    path: PathBuf,
    why: String,
}

/// What one entry of the log means, with what its blobs hold.
#[derive(Clone, Debug)]
pub enum Fact {
    Published {
        info: Box<VersionInfo>,
        metadata: Box<Metadata>,
        words: Words,
        /// The blobs that it is made of.
        documents: Vec<Digest>,
        desk: Option<DeskFact>,
    },
    StatusChanged {
        standard: StandardId,
        version: Version,
        status: Status,
        successor: String,
        ends: Ends,
        /// Of the entry.
        index: u64,
    },
    Access(AccessFact),
    Desk(DeskFact),
}

/// When a version ends, now that its status has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    AsBefore,
    On(Date),
    /// On this day, or where it was to end before, then.
    By(Date),
}

impl Ends {
    pub fn of(self, term: Term) -> Term {
        match self {
            Self::AsBefore => term,
            Self::On(day) => Term { to: Some(day), ..term },
            Self::By(day) => term.ended_by(day),
        }
    }
}

pub struct View {
    path: PathBuf,
    db: sled::Db,
    has_failed: AtomicBool,
    /// Grows each time that who may do what changes.
    access_epoch: AtomicU64,
}

/// What all rows come to, in whatever order they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rows {
    count: u64,
    /// Of the first 16 bytes of each row's SHA-256.
    sum: u128,
}

impl Rows {
    fn changed(&mut self, key: &[u8], old: Option<&[u8]>, new: &[u8]) {
        match old {
            Some(old) => self.sum = self.sum.wrapping_sub(row_hash(key, old)),
            None => self.count += 1,
        }
        self.sum = self.sum.wrapping_add(row_hash(key, new));
    }
}

fn row_hash(key: &[u8], value: &[u8]) -> u128 {
    let hash =
        Sha256::new_with_prefix((key.len() as u64).to_be_bytes()).chain_update(key).chain_update(value).finalize();
    hash[..16].iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

const HEAD: &[u8] = b"head";
/// Which rows there are and what they hold. A view with other rows is begun anew.
const FORM: (&[u8], &[u8]) = (b"form", b"10");
/// A file in the view's folder that says why it is not to be trusted.
const DOUBT: &str = "doubt";
/// How the names of views end that were begun while the server ran.
const BESIDE: &str = "anew-";

impl View {
    /// Opens the view, or begins a new one; whether an old one was moved aside, and why.
    pub fn open(path: &Path) -> Result<(Self, Option<String>), ViewError> {
        // A start that was killed can leave a snapshot half made, and sled then refuses to open.
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().ends_with(".generating") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        for entry in path.parent().and_then(|above| std::fs::read_dir(above).ok()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end.to_string_lossy().starts_with(BESIDE)) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        match Self::try_open(path) {
            Ok(view) => Ok((view, None)),
            Err(doubt) => {
                Self::move_aside(path)?;
                Self::try_open(path).map(|view| (view, Some(doubt.why)))
            }
        }
    }

    /// Begins a new one in a folder beside that of one that has failed and is still in use. The next start removes it.
    pub fn open_beside(path: &Path) -> Result<Self, ViewError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let beside = path.with_extension(format!("{BESIDE}{}", COUNT.fetch_add(1, Relaxed)));
        Self::try_open(&beside).inspect_err(|_| drop(std::fs::remove_dir_all(&beside)))
    }

    /// How far a view had come, read from a copy: a server may have it open, and whoever opens one writes to it. None where there is
    /// no view, or none that a server would go on with.
    pub fn head_kept(path: &Path) -> std::io::Result<Option<Head>> {
        if !path.exists() {
            return Ok(None);
        }
        let scratch = tempfile::tempdir()?;
        let copy = scratch.path().join("view");
        match copied(path, &copy) {
            // A server that has it open throws files away.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self::try_open(&copy).ok().and_then(|view| view.head().ok()))
    }

    /// Whether it could not be read or written: sled gives the first error again to whoever asks later.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Relaxed)
    }

    fn try_open(path: &Path) -> Result<Self, ViewError> {
        let fault = |why: String| ViewError { path: path.into(), why };
        if let Ok(why) = std::fs::read_to_string(path.join(DOUBT)) {
            return Err(fault(why));
        }
        // sled would let others read it.
        let made = disk::make_folder(&Files, path, disk::PRIVATE_FOLDER);
        made.map_err(|error| fault(error.to_string()))?;
        let open = || {
            let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).segment_size(8 << 20);
            let (db, has_failed, access_epoch) = (config.open()?, AtomicBool::new(false), AtomicU64::new(0));
            let view = Self { path: path.into(), db, has_failed, access_epoch };
            view.db.get(HEAD)?;
            Ok::<_, sled::Error>(view)
        };
        // sled panics on some damage.
        let view = catch_unwind(AssertUnwindSafe(open)).map_err(|_| fault("it could not be read".into()))?;
        let view = view.map_err(|error| fault(error.to_string()))?;
        let is_new = view.head()? == Head::empty();
        match view.get(FORM.0)? {
            Some(form) if *form == *FORM.1 => {}
            None if is_new => drop(view.guarded(|| view.db.insert(FORM.0, FORM.1))?),
            _ => return Err(fault("it was made by another version of this program".into())),
        }
        if view.counted()? != view.written()?.1 {
            return Err(fault("its rows are not those that were written".into()));
        }
        view.load_access_epoch()?;
        Ok(view)
    }

    /// Moves a view that cannot be trusted to a name that says so. The one that was moved before goes.
    pub fn move_aside(path: &Path) -> Result<(), ViewError> {
        let aside = path.with_extension("doubtful");
        let _ = std::fs::remove_dir_all(&aside).or_else(|_| std::fs::remove_file(&aside));
        match std::fs::rename(path, aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ViewError { path: path.into(), why: error.to_string() })
            }
            _ => Ok(()),
        }
    }

    pub fn head(&self) -> Result<Head, ViewError> {
        Ok(self.written()?.0)
    }

    /// The head, and what all rows come to.
    fn written(&self) -> Result<(Head, Rows), ViewError> {
        let Some(bytes) = self.get(HEAD)? else { return Ok((Head::empty(), Rows::default())) };
        let whole = || {
            let (size, rest) = bytes.split_first_chunk()?;
            let (chain, rest) = rest.split_first_chunk()?;
            let (count, rest) = rest.split_first_chunk()?;
            let head = Head { size: u64::from_be_bytes(*size), chain: Digest::from_bytes(*chain) };
            let sum = u128::from_be_bytes(rest.try_into().ok()?);
            Some((head, Rows { count: u64::from_be_bytes(*count), sum }))
        };
        whole().ok_or_else(|| self.fault("its head cannot be read"))
    }

    /// What the rows come to that can be read.
    fn counted(&self) -> Result<Rows, ViewError> {
        let mut rows = Rows::default();
        for item in self.items(self.db.iter()) {
            let (key, value) = item?;
            if key != HEAD && key != FORM.0 {
                rows.changed(&key, None, &value);
            }
        }
        Ok(rows)
    }

    /// Takes in what entries mean, with the head after the last of them.
    pub fn apply(&self, facts: &[Fact], head: Head) -> Result<(), ViewError> {
        let mut changes: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for fact in facts {
            match fact {
                Fact::Published { info, metadata, words, documents, desk } => {
                    self.publish(&mut changes, info, metadata, words)?;
                    self.name_documents(&mut changes, documents, None)?;
                    if let Some(desk) = desk {
                        self.take_desk(&mut changes, desk)?;
                    }
                }
                Fact::StatusChanged { standard, version, status, successor, ends, index } => {
                    self.set_status(&mut changes, (standard, version), *status, successor, *ends, *index)?;
                }
                Fact::Access(fact) => self.take_access(&mut changes, fact)?,
                Fact::Desk(fact) => self.take_desk(&mut changes, fact)?,
            }
        }
        let mut rows = self.written()?.1;
        for (key, value) in &changes {
            rows.changed(key, self.get(key)?.as_deref(), value);
        }
        let Rows { count, sum } = rows;
        let size = [head.size.to_be_bytes(), count.to_be_bytes()];
        let head = [&size[0], head.chain.as_bytes().as_slice(), &size[1], &sum.to_be_bytes()].concat();
        changes.insert(HEAD.to_vec(), head);
        let mut batch = sled::Batch::default();
        changes.into_iter().for_each(|(key, value)| batch.insert(key, value));
        self.guarded(|| self.db.apply_batch(batch))?;
        if facts.iter().any(|fact| matches!(fact, Fact::Access(_))) {
            self.load_access_epoch()?;
        }
        Ok(())
    }

    /// Notes what names a blob: a published version, which every reader of the log reads, or a proposal of a namespace.
    fn name_documents(
        &self,
        changes: &mut BTreeMap<Vec<u8>, Vec<u8>>,
        documents: &[Digest],
        proposed_under: Option<&str>,
    ) -> Result<(), ViewError> {
        for digest in documents {
            let key = document_key(digest);
            let known: Option<Vec<String>> = self.changed(changes, &key)?;
            let named = match (known, proposed_under) {
                // What is published stays so, whatever is drafted of the same bytes.
                (Some(known), _) if known.is_empty() => continue,
                (_, None) => Vec::new(),
                (Some(known), Some(under)) if known.iter().any(|known| known == under) => continue,
                (known, Some(under)) => [known.unwrap_or_default(), vec![under.to_owned()]].concat(),
            };
            changes.insert(key, json(&named));
        }
        Ok(())
    }

    /// The namespaces whose proposals name a blob, and no published version does; empty where one does, none where nothing names it.
    pub fn proposed_under(&self, digest: &Digest) -> Result<Option<Vec<String>>, ViewError> {
        self.row(&document_key(digest))
    }

    /// A row as this batch has it, else as it is stored.
    fn changed<T: DeserializeOwned>(
        &self,
        changes: &BTreeMap<Vec<u8>, Vec<u8>>,
        key: &[u8],
    ) -> Result<Option<T>, ViewError> {
        match changes.get(key) {
            Some(bytes) => serde_json::from_slice(bytes).map(Some).map_err(|error| self.fault(error)),
            None => self.row(key),
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, ViewError> {
        let found = self.guarded(|| self.db.get(key))?;
        count_read(found.as_ref().map_or(0, |row| row.len()));
        Ok(found)
    }

    /// sled reads pages when they are asked for, so damage may show late, and it panics on some. The next start begins anew.
    fn guarded<T>(&self, ask: impl FnOnce() -> sled::Result<T>) -> Result<T, ViewError> {
        let answer = catch_unwind(AssertUnwindSafe(ask));
        let answer = answer.map_err(|_| "it could not be read".into());
        let answer = answer.and_then(|answer| answer.map_err(|error| error.to_string()));
        answer.map_err(|why| {
            self.has_failed.store(true, Relaxed);
            let _ = std::fs::write(self.path.join(DOUBT), &why);
            self.fault(why)
        })
    }

    fn row<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, ViewError> {
        self.get(key)?.map(|bytes| serde_json::from_slice(&bytes).map_err(|error| self.fault(error))).transpose()
    }

    fn fault(&self, why: impl ToString) -> ViewError {
        ViewError { path: self.path.clone(), why: why.to_string() }
    }

    fn keys(&self, prefix: &str) -> impl Iterator<Item = Result<(String, sled::IVec), ViewError>> + '_ {
        let each = |(key, value): (sled::IVec, _)| (String::from_utf8_lossy(&key).into_owned(), value);
        self.items(self.db.scan_prefix(prefix)).map(move |item| item.map(each))
    }

    fn items(&self, mut items: sled::Iter) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), ViewError>> + '_ {
        let counted = |item: (sled::IVec, sled::IVec)| {
            count_read(item.1.len());
            item
        };
        std::iter::from_fn(move || self.guarded(|| items.next().transpose()).transpose().map(|item| item.map(counted)))
    }
}

thread_local! {
    static READ: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

fn count_read(bytes: usize) {
    READ.with(|read| read.set((read.get().0 + 1, read.get().1 + bytes as u64)));
}

/// How many rows, and bytes of them, this thread has asked views for. By it a test can tell whether an answer takes as much work as
/// another, where a clock could not.
pub fn read_by_this_thread() -> (u64, u64) {
    READ.with(Cell::get)
}

fn document_key(digest: &Digest) -> Vec<u8> {
    [b"b/", digest.as_bytes().as_slice()].concat()
}

fn json(row: &impl Serialize) -> Vec<u8> {
    // Rows are plain structs with text keys: nothing here can fail to serialize.
    serde_json::to_vec(row).unwrap_or_default()
}

fn copied(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copied(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
