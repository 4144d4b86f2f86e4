//! The whole service, with no network in sight: publish, read, find, watch.
//!
//! # Invariants
//! - A published version never changes; the same operation id never takes effect twice.
//! - What a refusal says is true: nothing was written, except perhaps under `Unsettled`.
//! - Every answer is read at one size of the log.
//! - Calls block until they are done: an async caller asks on a thread for blocking work.

mod operation; // the caller's name for a mutation
mod publish; // what is judged before a version is published
mod shelf; // what the entries say, in memory

pub use operation::{OperationId, OperationIdError};
pub use publish::{PublishError, Receipt, Submission};

use guiju_model::{
    Bundle, BundleError, Kind, Manifest, Namespace, Reference, ResolveError, SearchHit, StandardId, StandardInfo,
    Status, VersionInfo, resolve,
};
use guiju_validator::{CompileError, CompileOptions, Validator};
use semver::Version;
use shelf::Shelf;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::watch;

/// Validators that are kept compiled; one may hold a code list of a million codes.
const VALIDATORS_MAX: usize = 256;

/// How large things are now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// Entries in the log.
    pub log_entries: u64,
    /// Bytes that the log takes.
    pub log_bytes: u64,
    /// Entries that the view has applied.
    pub applied: u64,
}

/// A version with what its publisher said of it.
#[derive(Clone, Debug)]
pub struct VersionDetail {
    pub info: VersionInfo,
    pub manifest: Manifest,
    /// standard.toml as it was given with this version.
    pub metadata_toml: String,
}

/// What one log entry told, as it is seen now.
#[derive(Clone, Debug)]
pub struct Happening {
    pub index: u64,
    pub time_ms: u64,
    pub event: Event,
}

#[derive(Clone, Debug)]
pub enum Event {
    Published(VersionInfo),
    StatusChanged(VersionInfo),
}

impl Event {
    pub fn version(&self) -> &VersionInfo {
        match self {
            Self::Published(version) | Self::StatusChanged(version) => version,
        }
    }
}

/// A version to deprecate or to withdraw.
#[derive(Clone, Debug)]
pub struct StatusChange {
    pub operation_id: OperationId,
    pub principal: String,
    pub standard: StandardId,
    pub version: Version,
    pub status: Status,
    pub reason: String,
    /// What to use instead; may be empty.
    pub successor: String,
}

/// Why no answer could be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("`{standard}` has no version {version}; there are {}", listed(versions))]
    NoVersion { standard: StandardId, version: Version, versions: Vec<Version> },
    #[error("`{standard}` is a {kind}; records are checked against a record, a profile or a code list")]
    NotCheckable { standard: StandardId, kind: Kind },
    #[error("index {index} lies beyond the log, which has {size} entries")]
    BeyondLog { index: u64, size: u64 },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// Why a status was not changed. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatusError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("`{standard}` {version} is {from} and cannot become {to}")]
    Unreachable { standard: StandardId, version: Version, from: Status, to: Status },
    #[error("the operation id `{0}` belongs to another mutation")]
    OperationReused(OperationId),
}

fn listed(versions: &[Version]) -> String {
    let text: Vec<String> = versions.iter().map(Version::to_string).collect();
    if text.is_empty() { "none".into() } else { text.join(", ") }
}

/// The registry of one server.
pub struct Registry {
    shelf: RwLock<Shelf>,
    validators: Mutex<HashMap<guiju_model::Digest, Arc<Validator>>>,
    size: watch::Sender<u64>,
}

impl Registry {
    /// A registry that forgets everything at its end.
    pub fn in_memory() -> Self {
        Self { shelf: RwLock::default(), validators: Mutex::default(), size: watch::Sender::new(0) }
    }

    /// Publishes one version: seal, judge, append. The same operation again gives the same receipt.
    pub fn publish(&self, submission: Submission) -> Result<Receipt, PublishError> {
        let receipt = publish::publish(&mut self.write(), submission, now_ms());
        self.announce();
        receipt
    }

    /// Deprecates or withdraws a version. The same operation again gives the same answer.
    pub fn set_status(&self, change: StatusChange) -> Result<VersionInfo, StatusError> {
        let info = self.write().set_status(change, now_ms());
        self.announce();
        info
    }

    /// The exact version that a reference means now.
    pub fn resolve(&self, reference: &Reference) -> Result<VersionInfo, ReadError> {
        let shelf = self.read();
        let found = resolve(&*shelf, reference)?;
        Ok(shelf.info(&found.standard, &found.version)?.clone())
    }

    /// The version that a reference means, with its manifest.
    pub fn version(&self, reference: &Reference) -> Result<VersionDetail, ReadError> {
        let shelf = self.read();
        let found = resolve(&*shelf, reference)?;
        shelf.detail(&found.standard, &found.version)
    }

    /// The version that a reference means, with everything it depends on.
    pub fn bundle(&self, reference: &Reference, with_examples: bool) -> Result<Bundle, ReadError> {
        let shelf = self.read();
        let found = resolve(&*shelf, reference)?;
        let content = shelf.whole_content(&found)?;
        let content = if with_examples { content } else { content.without_examples() };
        Ok(Bundle::gather(content, &*shelf)?)
    }

    /// The version that a reference means, compiled. Compiled once for each digest.
    pub fn validator(&self, reference: &Reference) -> Result<Arc<Validator>, ReadError> {
        let info = self.resolve(reference)?;
        if !matches!(info.kind, Kind::Record | Kind::Profile | Kind::CodeList) {
            return Err(ReadError::NotCheckable { standard: info.standard, kind: info.kind });
        }
        let known = self.validators.lock().unwrap_or_else(PoisonError::into_inner).get(&info.digest).cloned();
        if let Some(validator) = known {
            return Ok(validator);
        }
        let exact = Reference::new(info.standard, guiju_model::Selector::Digest(info.digest));
        let compiled = Arc::new(Validator::compile(&self.bundle(&exact, false)?, &CompileOptions::default())?);
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if validators.len() >= VALIDATORS_MAX {
            validators.clear();
        }
        validators.insert(info.digest, compiled.clone());
        Ok(compiled)
    }

    /// Standards in order of their names, at most so many after a name; and the size of the log they were read at.
    pub fn standards(
        &self,
        namespace: Option<&Namespace>,
        kind: Option<Kind>,
        after: Option<&StandardId>,
        max: usize,
    ) -> Result<(Vec<StandardInfo>, u64), ReadError> {
        let shelf = self.read();
        Ok((shelf.standards(namespace, kind, after).take(max).collect(), shelf.size()))
    }

    /// One standard and its versions, highest first.
    pub fn versions(&self, standard: &StandardId) -> Result<(StandardInfo, Vec<VersionInfo>), ReadError> {
        self.read().versions(standard)
    }

    /// Standards in which all words of a query are found, best first.
    pub fn search(&self, query: &str, max: usize) -> Result<Vec<SearchHit>, ReadError> {
        Ok(self.read().search(query, max))
    }

    /// Published versions that refer to a standard, directly or, if wanted, through others.
    pub fn dependents(&self, standard: &StandardId, transitive: bool) -> Result<Vec<VersionInfo>, ReadError> {
        self.read().dependents(standard, transitive)
    }

    /// What happened from an index on, at most so many entries; none where `from` is the log's size.
    pub fn happenings(&self, from: u64, max: usize) -> Result<Vec<Happening>, ReadError> {
        self.read().happenings(from, max)
    }

    /// The log's size, each time it grows.
    pub fn grown(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }

    pub fn sizes(&self) -> Sizes {
        self.read().sizes()
    }

    fn announce(&self) {
        let size = self.read().size();
        self.size.send_if_modified(|known| std::mem::replace(known, size) != size);
    }

    /// A panic elsewhere leaves the shelf whole: it is changed in one step, last.
    fn read(&self) -> RwLockReadGuard<'_, Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shelf> {
        self.shelf.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
