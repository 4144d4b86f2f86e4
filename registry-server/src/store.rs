//! The folder of the log and the view: `journal/` is the truth, `view/` can be thrown away. `log-key/` is what the log signs
//! with, `checkpoint` what it signed last, `witness/` what it cosigned for others;
//! none of these can be made again.

use crate::{
    Fault,
    disk::{self, Files},
    log::{Agreed, Etcd, Journal, Log, LogError, Memory},
    registry::{Opened, Registry, StoreError},
    sequencer::{LOG_KEY, LogKeyError, LogKeys, Sequencer, SequencerError},
    settings::{Engine, Settings},
    view::{View, ViewError},
    witness::Witness,
};
use guiju_tlog::Checkpoint;
use std::{
    fs, io,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

/// What serving needs, open.
pub struct Store {
    pub registry: Arc<Registry>,
    pub sequencer: Arc<Sequencer>,
    /// For the logs of others, where the settings name some.
    pub witness: Option<Arc<Witness>>,
    /// Where the log's files are, if it has any.
    journal: Option<PathBuf>,
    /// The view of a log in memory; gone when this is dropped.
    _scratch: Option<TempDir>,
}

/// Where the journal of a data folder is.
pub fn journal_path(data: &Path) -> PathBuf {
    data.join("journal")
}

/// A journal that was made whole, until it stands in the place of the damaged one; never a part of one.
pub const REPAIRED: &str = "journal.repaired";

/// Puts a journal that was made whole in its place, where that was cut short when the damaged one had been moved aside.
pub fn finish_repair(data: &Path) -> Result<(), Fault> {
    let (folder, draft) = (journal_path(data), data.join(REPAIRED));
    if folder.exists() || !draft.exists() {
        return Ok(());
    }
    let moved = fs::rename(&draft, &folder).and_then(|()| fs::File::open(data)?.sync_all());
    moved.map_err(|error| Fault::new(format!("{}: {error}", draft.display()), "see that this user can write there"))
}

/// Where the keys of the log of a data folder are.
pub fn keys_path(data: &Path) -> PathBuf {
    data.join("log-key")
}

/// Where the view of a data folder is.
pub fn view_path(data: &Path) -> PathBuf {
    data.join("view")
}

impl Store {
    pub fn open(settings: &Settings) -> Result<Self, Fault> {
        match settings.engine {
            Engine::Journal => Self::on_disk(settings),
            Engine::Etcd => Self::on_cluster(settings),
            Engine::Memory => Self::in_memory(settings),
        }
    }

    fn on_disk(settings: &Settings) -> Result<Self, Fault> {
        // The view is opened while the journal is read: each takes its time.
        let mut view = None;
        let journal = open_journal(&settings.data, || view = Some(Opening::of(view_path(&settings.data))))?;
        let view = view.unwrap_or_else(|| Opening::of(view_path(&settings.data)));
        Self::over(settings, Arc::new(journal), view, Some(journal_path(&settings.data)))
    }

    fn on_cluster(settings: &Settings) -> Result<Self, Fault> {
        let data = &settings.data;
        let made = disk::make_folder(&Files, data, disk::PRIVATE_FOLDER);
        made.map_err(|error| Fault::new(format!("{}: {error}", data.display()), "choose another folder with --data"))?;
        let log = Etcd::open(&settings.etcd()?)?;
        let folder = keys_path(data);
        // Before a key is made here that none of the other servers has; and before anything is written under a prefix that was mistyped.
        match (log.text(LOG_KEY)?.is_some(), folder.exists()) {
            (true, false) => return Err(other_key(&folder, "there is none")),
            (false, true) if log.head()?.size == 0 => {
                let prefix = &settings.etcd_prefix.0;
                let what = format!("there is no log under `{prefix}`, and {} is the key of one", folder.display());
                let hint = "name its prefix with --etcd-prefix; or move the key away to begin another log there";
                return Err(Fault::new(what, hint));
            }
            _ => {}
        }
        let keys = own_keys(settings, log.head()?.size)?;
        agree_on_keys(&log, &keys, &folder)?;
        Self::over(settings, Arc::new(log), Opening::of(view_path(data)), None)
    }

    fn over(settings: &Settings, log: Arc<dyn Log>, view: Opening, journal: Option<PathBuf>) -> Result<Self, Fault> {
        let data = &settings.data;
        let keys = own_keys(settings, log.head()?.size)?;
        let held = Some((Arc::new(Files) as Arc<_>, data.join("checkpoint")));
        let sequencer = Arc::new(Sequencer::open(log.clone(), keys, held, now_ms)?);
        let registry = view.over(log)?;
        let witness = Witness::open(settings, now_ms)?.map(Arc::new);
        Ok(Self { registry, sequencer, witness, journal, _scratch: None })
    }

    fn in_memory(settings: &Settings) -> Result<Self, Fault> {
        if settings.witness_logs.is_some() {
            let why = "`witness_logs`: a witness must remember, and the engine is `memory`";
            return Err(Fault::new(why, "use the engine `journal`"));
        }
        let scratch = tempfile::tempdir().map_err(|error| Fault::new(error, "make room in the temporary folder"))?;
        let log: Arc<dyn Log> = Arc::new(Memory::default());
        let keys = LogKeys::in_memory(settings.log_origin.as_deref())?;
        let sequencer = Sequencer::open(log.clone(), keys, None, now_ms)?;
        let registry = Opening::of(view_path(scratch.path())).over(log)?;
        let (sequencer, _scratch) = (Arc::new(sequencer), Some(scratch));
        Ok(Self { registry, sequencer, witness: None, journal: None, _scratch })
    }

    /// Where denials are kept beside the log; nowhere for a log that is forgotten at the end.
    pub fn denials_path<'s>(&self, settings: &'s Settings) -> Option<&'s Path> {
        self._scratch.is_none().then_some(settings.data.as_path())
    }

    /// Bytes that the log takes on disk.
    pub fn log_bytes(&self) -> u64 {
        let files = self.journal.as_ref().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten();
        files.flatten().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    }
}

/// The keys of a data folder, made anew only where its log begins.
fn own_keys(settings: &Settings, entries: u64) -> Result<LogKeys, LogKeyError> {
    match key_is_gone(&settings.data, entries)? {
        Some(gone) => Err(gone),
        None => LogKeys::open(&Files, &keys_path(&settings.data), settings.log_origin.as_deref()),
    }
}

/// That the key of a log is gone, where it is: it was there before the first entry, and whoever signed a checkpoint had it.
pub fn key_is_gone(data: &Path, entries: u64) -> Result<Option<LogKeyError>, LogKeyError> {
    let (path, checkpoint) = (keys_path(data), data.join("checkpoint"));
    if LogKeys::are_in(&Files, &path)? {
        return Ok(None);
    }
    let was = match entries {
        _ if checkpoint.exists() => format!("`{}` was signed with one", checkpoint.display()),
        0 => return Ok(None),
        1 => "the log has an entry".into(),
        _ => format!("the log has {entries} entries"),
    };
    Ok(Some(LogKeyError::Gone { path, was }))
}

/// Sees that all servers of a log sign with one key. One that was rotated here is told to the others.
pub fn agree_on_keys(agreed: &dyn Agreed, keys: &LogKeys, folder: &Path) -> Result<(), Fault> {
    let ours = keys.public_text();
    loop {
        let theirs = agreed.text(LOG_KEY)?;
        match &theirs {
            Some(theirs) if *theirs == ours => return Ok(()),
            Some(theirs) if theirs.starts_with(&ours) => return Err(other_key(folder, "it was changed since")),
            Some(theirs) if !ours.starts_with(theirs.as_str()) => return Err(other_key(folder, "it is another")),
            _ if agreed.replace(LOG_KEY, theirs.as_deref(), &ours)? => return Ok(()),
            _ => {}
        }
    }
}

pub fn other_key(folder: &Path, what: &str) -> Fault {
    let why = format!("the servers of this log sign with one key, and of that in {} {what}", folder.display());
    Fault::new(why, "copy the folder `log-key` of a server that runs on this cluster there, readable by nobody else")
}

/// A journal that is being carried into a data folder: under its own name only once it is whole, since a part of a log looks like a log.
pub const PARTIAL: &str = "journal.partial";
/// What the journals are called that were carried elsewhere.
const MIGRATED: &str = "journal.migrated-";

/// The journals of a data folder that were carried elsewhere, the last one first.
pub fn migrated(data: &Path) -> impl Iterator<Item = PathBuf> {
    let last = (1..).take_while(|number| data.join(format!("{MIGRATED}{number}")).exists()).last().unwrap_or(0);
    let data = data.to_owned();
    (1..=last).rev().map(move |number| data.join(format!("{MIGRATED}{number}")))
}

/// Moves a journal aside that was carried elsewhere, so that no server goes on with it.
pub fn move_aside(data: &Path) -> Result<PathBuf, Fault> {
    let aside = data.join(format!("{MIGRATED}{}", migrated(data).count() + 1));
    let moved = fs::rename(journal_path(data), &aside).and_then(|()| fs::File::open(data)?.sync_all());
    moved.map_err(|error| {
        let hint = "move it away by hand: a server that goes on with it would tell another history";
        Fault::new(format!("{}: {error}", journal_path(data).display()), hint)
    })?;
    Ok(aside)
}

/// Sees that where there is no journal none was: an empty one would be another log under the same key.
pub fn no_other_place(data: &Path) -> Result<(), Fault> {
    if journal_path(data).exists() {
        return Ok(());
    }
    if data.join(PARTIAL).exists() {
        let what = format!("{} holds a part of a log: carrying it there was cut short", data.display());
        let hint = "run the `restore`, `import` or `migrate` again; or remove `journal.partial` to begin an empty log";
        return Err(Fault::new(what, hint));
    }
    match migrated(data).next() {
        Some(aside) => {
            let what = format!("the log of {} was carried elsewhere, and {} kept", data.display(), aside.display());
            let hint = "serve it where it is now, with `--engine etcd`; or bring it back with `migrate --to journal`";
            Err(Fault::new(what, hint))
        }
        None => Ok(()),
    }
}

pub const PUT_BACK: &str = "`guiju-server verify --repair-from` puts it back from a backup or a registry that has it, held against what is \
                        left here, and `restore` where nothing is; a log on a cluster is named with --engine etcd";

/// Of a journal without any file, beside which something says that there was one.
pub fn gone(data: &Path) -> Option<String> {
    let (folder, view) = (journal_path(data), view_path(data));
    let is_segment = |file: fs::DirEntry| file.path().extension().is_some_and(|extension| extension == "seg");
    match fs::read_dir(&folder).map(|files| files.flatten().any(is_segment)) {
        Ok(false) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        _ => return None,
    }
    let (checkpoint, keys) = (data.join("checkpoint"), keys_path(data));
    let signed = signed(data).ok().flatten().map(|signed| signed.size);
    let says = match View::head_kept(&view).ok().flatten().filter(|head| head.size > 0) {
        Some(head) if signed.is_none_or(|signed| signed <= head.size) => {
            format!("`{}` took in {} entries", view.display(), head.size)
        }
        _ if checkpoint.exists() => match signed {
            Some(size) => format!("`{}` says that {size} entries were signed", checkpoint.display()),
            None => format!("`{}` is of a log", checkpoint.display()),
        },
        _ if keys.exists() => format!("`{}` is the key of a log", keys.display()),
        _ => return None,
    };
    Some(format!("the journal `{}` is gone: {says}", folder.display()))
}

/// What the log signed last, if it did.
pub fn signed(data: &Path) -> Result<Option<Checkpoint>, Fault> {
    let path = data.join("checkpoint");
    match fs::read_to_string(&path) {
        Ok(text) => text.parse().map(Some).map_err(|why| {
            let what = format!("{}: {why}", path.display());
            Fault::new(
                what,
                "put `checkpoint` back from where it is kept safe, or move it away if this log was never trusted",
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::new(format!("{}: {error}", path.display()), "see that this user can read it")),
    }
}

/// Opens the journal, and says in the log what had to be mended; `once_held` as of [`Journal::open_then`].
pub fn open_journal(data: &Path, once_held: impl FnOnce()) -> Result<Journal, Fault> {
    finish_repair(data)?;
    no_other_place(data)?;
    // Before a journal or a key is made there.
    if let Some(gone) = gone(data) {
        return Err(Fault::new(gone, PUT_BACK));
    }
    let (journal, opened) = Journal::open_then(&journal_path(data), once_held)?;
    if opened.cut_bytes > 0 {
        tracing::warn!(
            cut_bytes = opened.cut_bytes,
            kept_in = %journal_path(data).join("*.torn").display(),
            "the log ended in a torn batch that nobody was told of; it was cut"
        );
    }
    Ok(journal)
}

/// The log of a cluster, for who takes it for there.
pub fn open_cluster(settings: &Settings) -> Result<Etcd, Fault> {
    let log = Etcd::open(&settings.etcd()?)?;
    is_there(&log, settings)?;
    Ok(log)
}

/// Sees that a server has begun a log there: a prefix that was mistyped has none.
pub fn is_there(log: &Etcd, settings: &Settings) -> Result<(), Fault> {
    match log.head()?.size == 0 && log.text(LOG_KEY)?.is_none() {
        true => Err(no_log(&settings.etcd_prefix.0)),
        false => Ok(()),
    }
}

pub fn no_log(prefix: &str) -> Fault {
    Fault::new(format!("there is no log under `{prefix}` of this cluster"), "name its prefix with --etcd-prefix")
}

/// A view that is being opened.
pub struct Opening {
    path: PathBuf,
    view: JoinHandle<Result<(View, Option<String>), ViewError>>,
}

impl Opening {
    /// Begins, in a thread of its own.
    pub fn of(path: PathBuf) -> Self {
        let there = path.clone();
        Self { path, view: thread::spawn(move || View::open(&there)) }
    }

    /// The view beside a log; says in the log why it was begun anew.
    pub fn over(self, log: Arc<dyn Log>) -> Result<Arc<Registry>, Fault> {
        let view = self.view.join().unwrap_or_else(|panic| resume_unwind(panic)).map_err(StoreError::from)?;
        let (registry, Opened { rebuilt_because, entries_applied }) =
            Registry::open_with(log, view, &self.path, now_ms)?;
        if let Some(why) = rebuilt_because {
            tracing::warn!(entries_applied, "the view was rebuilt from the log: {why}");
        }
        Ok(Arc::new(registry))
    }
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
            LogError::Unavailable { .. } => "see that the members of `etcd_endpoints` run and can be reached from here",
            LogError::Denied { .. } => {
                "see the settings that begin with `etcd_`, and what the cluster lets this user do"
            }
            LogError::NotServed { .. } => {
                "run `migrate`, `restore` or `import` again where it was cut short; else name the place where the log goes on"
            }
            LogError::NoSpace { .. } => "compact and defragment the cluster, then disarm its alarm",
            LogError::Damaged { .. } => {
                "`guiju-server verify` lists all of it, and mends it from another copy with --repair-from"
            }
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

impl From<LogKeyError> for Fault {
    fn from(error: LogKeyError) -> Self {
        let hint = match &error {
            LogKeyError::OtherName { .. } => "leave `log_origin` out, or begin a new log in another folder",
            LogKeyError::Name(_) => "write a name such as registry.example.org/log",
            LogKeyError::Gone { .. } => {
                "put back the folder `log-key` from where it is kept safe, or from another server of the same log; where none \
                 is left, `guiju-server rotate-key --without-old` makes a new one, of which all who know the log must be told"
            }
            LogKeyError::Damaged { .. } => "put back the folder `log-key` from where it is kept safe",
            LogKeyError::Io { .. } | LogKeyError::Random(_) => {
                "choose a folder with --data that this user can read and write"
            }
        };
        Self::new(error, hint)
    }
}

impl From<SequencerError> for Fault {
    fn from(error: SequencerError) -> Self {
        let hint = match error {
            SequencerError::Log(error) => return error.into(),
            SequencerError::OtherKey => "copy `log-key` of the server that changed it",
            SequencerError::Diverged { .. } => {
                "put back a journal that has those entries; or, to begin a log that nobody trusts as yet, move `checkpoint` and \
                 `log-key` away"
            }
            _ => "the folder under --data must be one that this user can read and write",
        };
        Self::new(error, hint)
    }
}
