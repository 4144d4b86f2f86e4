//! The folder of the log and the view: `journal/` is the truth, `view/` can be thrown away.

use crate::{
    Fault,
    log::{Journal, Log, LogError, Memory},
    registry::{Opened, Registry, StoreError},
    settings::{Engine, Settings},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

/// What serving needs, open.
pub struct Store {
    pub registry: Arc<Registry>,
    /// Where the log's files are, if it has any.
    journal: Option<PathBuf>,
    /// The view of a log in memory; gone when this is dropped.
    _scratch: Option<TempDir>,
}

/// Where the journal of a data folder is.
pub fn journal_path(data: &Path) -> PathBuf {
    data.join("journal")
}

/// Where the view of a data folder is.
pub fn view_path(data: &Path) -> PathBuf {
    data.join("view")
}

impl Store {
    pub fn open(settings: &Settings) -> Result<Self, Fault> {
        match settings.engine {
            Engine::Journal => Self::on_disk(&settings.data),
            Engine::Memory => Self::in_memory(),
        }
    }

    fn on_disk(data: &Path) -> Result<Self, Fault> {
        let journal = open_journal(data)?;
        let registry = open_registry(Arc::new(journal), &view_path(data))?;
        Ok(Self { registry, journal: Some(journal_path(data)), _scratch: None })
    }

    fn in_memory() -> Result<Self, Fault> {
        let scratch = tempfile::tempdir().map_err(|error| Fault::new(error, "make room in the temporary folder"))?;
        let registry = open_registry(Arc::new(Memory::default()), &view_path(scratch.path()))?;
        Ok(Self { registry, journal: None, _scratch: Some(scratch) })
    }

    /// Bytes that the log takes on disk.
    pub fn log_bytes(&self) -> u64 {
        let files = self.journal.as_ref().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten();
        files.flatten().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    }
}

/// Opens the journal, and says in the log what had to be mended.
pub fn open_journal(data: &Path) -> Result<Journal, Fault> {
    let (journal, opened) = Journal::open(&journal_path(data))?;
    if opened.cut_bytes > 0 {
        tracing::warn!(
            cut_bytes = opened.cut_bytes,
            "the log ended in a torn batch that nobody was told of; it was cut"
        );
    }
    Ok(journal)
}

/// Opens the view beside a log, and says in the log why it was begun anew.
pub fn open_registry(log: Arc<dyn Log>, view: &Path) -> Result<Arc<Registry>, Fault> {
    let (registry, Opened { rebuilt_because, entries_applied }) = Registry::open(log, view, now_ms)?;
    if let Some(why) = rebuilt_because {
        tracing::warn!(entries_applied, "the view was rebuilt from the log: {why}");
    }
    Ok(Arc::new(registry))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl From<LogError> for Fault {
    fn from(error: LogError) -> Self {
        let hint = match &error {
            LogError::InUse { .. } => "stop the other server, or choose another folder with --data",
            LogError::Full { .. } => "make room on that disk",
            LogError::Damaged { .. } => "`guiju-server restore` makes a sound folder from a backup",
            _ => "choose a folder with --data that this user can read and write",
        };
        Self::new(error, hint)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Log(error) => error.into(),
            StoreError::View(error) => Self::new(
                error,
                "the folder `view` under --data must be one that this user can write; it may be removed",
            ),
            error => Self::new(error, "`guiju-server verify` says whether the log is sound"),
        }
    }
}
