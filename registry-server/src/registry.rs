//! The whole service, with no network in sight: publish, resolve, fetch, find, change status, watch, check.
//!
//! # Invariants
//! - The log is the truth; the view is made of it. What is acknowledged is in the log, durably.
//! - A published version never changes: its number is taken for ever.
//! - Publishing the same operation again gives the same answer.
//!
//! Calls may wait for the disk: keep them off the threads that drive connections.

mod access; // roles and tokens: given, taken back
mod commit; // several waiting changes, one durable append
mod committee; // who decides is changed by those who decide
mod compiled; // standards compiled lately
mod desk; // the committee: drafts, reviews, approvals
mod facts; // from entries and blobs to what the view takes in
mod governing; // which version governs on a day
mod judge; // what the number of a new version must raise
mod places; // places in files, for those who comment on them
mod who; // who asks, and what they may do

pub use crate::view::{Deed, Proposal, Stage};
use crate::{
    log::{Append, Health, Log, LogError},
    traces,
    view::{Match, View, ViewError},
};
pub use access::{AccessError, CredentialFault, NewToken, RoleChange, TokenRequest, TokenSecret};
use commit::Queue;
pub use committee::Agreement;
use compiled::Compiled;
pub use desk::{DeskError, Impact, Move, Offer, Standing};
use facts::Fresh;
use guiju_compat::{Budget, Verdict, compare};
use guiju_model::{
    Bundle, BundleError, Catalog, CommitteeChange, Content, Date, Dates, Digest, Ending, Kind, Manifest, Metadata,
    MetadataError, Namespace, Package, Reading, Reference, ResolveError, SearchHit, Selector, Severity, StandardId,
    StandardInfo, Status, Term, TermError, Text, VersionInfo, Words, resolve,
};
use guiju_validator::{CompileError, ExampleFault, Lint, NotCheckable, Validator, judge_examples, lint};
use judge::Plea;
pub use judge::{Findings, Narrowing};
use semver::Version;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, RwLock},
    time::{Duration, Instant},
};
pub use who::{Caller, Denied, Holdings};

/// All files of a version together.
const VERSION_BYTES_MAX: usize = 64 << 20;
/// Versions in which the words around what was searched for are looked up.
const EXCERPT_VERSIONS_MAX: usize = 8;
/// Times that a version is judged anew because another of its standard came first.
const OVERTAKEN_MAX: usize = 5;

/// A version to publish.
#[derive(Clone, Debug)]
pub struct Submission {
    /// 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub operation_id: String,
    pub package: Package,
    pub metadata_toml: String,
    /// From when until when it is to be in effect.
    pub dates: Dates,
    /// Why what cannot be decided breaks nobody; empty: nothing is waived.
    pub waive: String,
    /// Why it is published, for the record; may be empty.
    pub reason: String,
    /// Judge, and publish nothing.
    pub dry_run: bool,
}

/// A version with all by which it is judged.
struct Candidate {
    package: Package,
    metadata: Metadata,
    metadata_toml: String,
    bundle: Bundle,
    dates: Dates,
    /// On whose word what cannot be decided breaks nobody.
    plea: Option<Plea>,
    /// Why it is published.
    reason: String,
    /// The proposal that it comes of.
    proposal: Option<u64>,
}

/// What became of a submission.
#[derive(Clone, Debug)]
pub struct Published {
    pub version: VersionInfo,
    /// Whether this call wrote the entry.
    pub is_new: bool,
    pub warnings: Vec<Text>,
    /// Of what is new; nothing is found out about a version that is there.
    pub findings: Findings,
}

/// A version to deprecate or withdraw.
#[derive(Clone, Debug)]
pub struct StatusChange {
    pub operation_id: String,
    pub standard: StandardId,
    pub version: Version,
    pub status: Status,
    pub reason: String,
    pub successor: String,
    /// The first day on which what is deprecated is no longer in effect, where one is named.
    pub effective_to: Option<Date>,
}

/// A version with its manifest.
#[derive(Clone, Debug)]
pub struct Found {
    pub info: VersionInfo,
    pub manifest: Manifest,
    pub metadata_toml: String,
}

/// One entry of the log, for those who watch.
#[derive(Clone, Debug)]
pub struct Event {
    pub index: u64,
    pub time_ms: u64,
    pub what: Happening,
}

#[derive(Clone, Debug)]
pub enum Happening {
    Published(VersionInfo),
    StatusChanged(VersionInfo),
}

/// Why a version was not published. Nothing was written, except perhaps under `Log`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    #[error("the operation id must be 1 to 64 of A-Z a-z 0-9 . _ -, and not begin with `{TAKEN_OVER}`")]
    OperationId,
    #[error("the operation id `{0}` belongs to another mutation; choose a new one for each")]
    OperationReused(String),
    #[error("the successor `{successor}` is not there: {why}; name what is published")]
    Successor { successor: String, why: String },
    #[error("the successor `{successor}` means `{standard}` {version} itself; name what is to be used instead")]
    OwnSuccessor { standard: StandardId, version: Version, successor: String },
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("standard.toml says that `{standard}` is a {said}, the request says {asked}")]
    Kind { standard: StandardId, said: Kind, asked: Kind },
    #[error("the files have {bytes} bytes together; at most {VERSION_BYTES_MAX} are taken")]
    TooLarge { bytes: usize },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(
        "examples of `{standard}` {version} do not give the verdicts that they announce; mend them or the standard"
    )]
    Examples { standard: StandardId, version: Version, examples: Vec<ExampleFault> },
    #[error(
        "`{standard}` {version} breaks rules that every standard must keep; `guiju lint` shows them before publishing"
    )]
    Lint { standard: StandardId, version: Version, lints: Vec<Lint> },
    #[error("`{standard}` {version} is published with other content; a published version never changes")]
    Exists { standard: StandardId, version: Version },
    #[error("`{standard}` {version} is not higher than {highest}, which is published; choose a higher number")]
    NotHigher { standard: StandardId, version: Version, highest: Version },
    /// A record that conforms to the baseline would be refused, or the engine cannot say that none would.
    #[error("`{standard}` {version} {}", judged.too_small())]
    BumpTooSmall { standard: StandardId, version: Version, judged: Box<judge::Judged> },
    #[error(
        "nothing about `{standard}` {version} is undecided that its number does not allow for; publish it without a waiver"
    )]
    NothingWaived { standard: StandardId, version: Version },
    #[error(
        "of `{standard}` {version} more could not be decided now than was waived when it was submitted: {}; draft it anew, so \
         that it is approved with all of it", questions.join("; ")
    )]
    MoreUndecided { standard: StandardId, version: Version, questions: Vec<String> },
    #[error("a waiver says why in at most {} bytes, and not in spaces alone", judge::REASON_BYTES_MAX)]
    WaiverReason,
    #[error("`{standard}` {version} {}", judged.forbidden())]
    Forbidden { standard: StandardId, version: Version, judged: Box<judge::Judged> },
    #[error("`{standard}` {version} {}", narrowing.refusal())]
    ProfileWidens { standard: StandardId, version: Version, narrowing: Box<Narrowing> },
    #[error("`{standard}` {version}: {source}")]
    Term { standard: StandardId, version: Version, source: TermError },
    #[error(
        "`{standard}` {version} is published with other days; they are set once, and only an end can be named later, by \
         deprecating it"
    )]
    OtherDays { standard: StandardId, version: Version },
    #[error("`{standard}` belongs to the registry {upstream}, which this one follows; publish it there")]
    Mirrored { standard: StandardId, upstream: String },
    #[error("another version of `{standard}` was published meanwhile; try again")]
    Overtaken { standard: StandardId },
    #[error("`{standard}` {version} cannot become {wanted}: it is {status}")]
    Status { standard: StandardId, version: Version, status: Status, wanted: Status },
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Desk(#[from] DeskError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The disk, the log or the view failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    View(#[from] ViewError),
    #[error("entry {index} of the log cannot be read: {why}")]
    Entry { index: u64, why: String },
    #[error(
        "the view has taken in {view} entries and the log has {log}: the log has lost what was acknowledged; restore it \
         from a backup, or remove the view's folder to go on without"
    )]
    LogShorter { view: u64, log: u64 },
    /// Of those who waited with another whose change met a failure.
    #[error("the change may or may not have taken effect, sending it again settles that: {0}")]
    Unsettled(String),
    #[error("the server broke a rule of its own: {0}")]
    Broken(String),
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    NotCheckable(#[from] NotCheckable),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("{} on {day}", governing::not_in_force(wanted, in_force))]
    NotInForce { wanted: String, day: Date, in_force: Vec<Version> },
    #[error("there is no entry {index}: the log has {size}")]
    BeyondEnd { index: u64, size: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AskError {
    /// The same, without the names of what a caller may not see.
    pub fn told_to(mut self, caller: &Caller) -> Self {
        if let Self::Resolve(ResolveError::UnknownStandard { near, .. }) = &mut self {
            near.retain(|near| caller.may_see(near.namespace()));
        }
        self
    }
}

impl From<ViewError> for AskError {
    fn from(error: ViewError) -> Self {
        Self::Store(error.into())
    }
}

impl From<LogError> for AskError {
    fn from(error: LogError) -> Self {
        Self::Store(error.into())
    }
}

impl From<ViewError> for PublishError {
    fn from(error: ViewError) -> Self {
        Self::Store(error.into())
    }
}

impl From<LogError> for PublishError {
    fn from(error: LogError) -> Self {
        Self::Store(error.into())
    }
}

pub struct Registry {
    log: Arc<dyn Log>,
    view: RwLock<Arc<View>>,
    /// Held by the one thread that lets the view take something in; since when it is certain that the view has all.
    taking_in: Mutex<()>,
    whole_as_of: Mutex<Option<Instant>>,
    /// When a log that is shared last gave no answer, and why.
    unanswered: Mutex<Option<(Instant, String)>>,
    view_path: PathBuf,
    clock_ms: fn() -> u64,
    queue: Queue,
    fresh: Fresh,
    /// For those who check.
    compiled: Compiled,
    /// For those who publish; apart, so that publishing does not slow checking down.
    compared: Compiled,
    /// Who holds what, as the view had it at an epoch.
    holdings: RwLock<(u64, Arc<Holdings>)>,
    /// Whom this registry follows, and for what.
    follows: OnceLock<Follows>,
}

/// Another registry that this one follows, and which standards are its.
#[derive(Debug)]
pub struct Follows {
    pub upstream: String,
    /// What is taken over; all where none is named.
    pub theirs: Vec<Namespace>,
    /// What is published here, whatever lies above it.
    pub ours: Vec<Namespace>,
    /// Standards that are taken over because others refer to them.
    pub also: RwLock<Vec<StandardId>>,
}

impl Follows {
    /// Whether a standard is taken over from there.
    pub fn takes(&self, standard: &StandardId) -> bool {
        let under = |all: &[Namespace]| all.iter().any(|prefix| standard.namespace().is_under(prefix));
        let is_also = || self.also.read().unwrap_or_else(|poisoned| poisoned.into_inner()).contains(standard);
        !under(&self.ours) && (self.theirs.is_empty() || under(&self.theirs) || is_also())
    }
}

/// What opening a registry found and did.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// Why the view was begun anew, where it was.
    pub rebuilt_because: Option<String>,
    /// Entries the view took in.
    pub entries_applied: u64,
}

/// What judges records, and that its version is deprecated or withdrawn.
pub type Judging = (Arc<Validator>, Option<Ending>);

impl Registry {
    /// Opens the view beside a log and brings it up to date, or begins it anew on any doubt.
    pub fn open(log: Arc<dyn Log>, view_path: &Path, clock_ms: fn() -> u64) -> Result<(Self, Opened), StoreError> {
        Self::open_with(log, View::open(view_path)?, view_path, clock_ms)
    }

    /// The same, with the view that was opened there.
    pub fn open_with(
        log: Arc<dyn Log>,
        (view, doubt): (View, Option<String>),
        view_path: &Path,
        clock_ms: fn() -> u64,
    ) -> Result<(Self, Opened), StoreError> {
        let mut opened = Opened { rebuilt_because: doubt, entries_applied: 0 };
        let registry = Self::over(log.clone(), view, view_path, clock_ms);
        match registry.catch_up() {
            Ok(applied) => {
                opened.entries_applied = applied;
                return Ok((registry, opened));
            }
            Err(StoreError::LogShorter { view, log }) => return Err(StoreError::LogShorter { view, log }),
            Err(StoreError::Log(error)) => return Err(error.into()),
            Err(doubt) => opened.rebuilt_because = Some(doubt.to_string()),
        }
        drop(registry);
        View::move_aside(view_path)?;
        let registry = Self::over(log, View::open(view_path)?.0, view_path, clock_ms);
        opened.entries_applied = registry.catch_up()?;
        Ok((registry, opened))
    }

    fn over(log: Arc<dyn Log>, view: View, view_path: &Path, clock_ms: fn() -> u64) -> Self {
        let (view, view_path) = (RwLock::new(Arc::new(view)), view_path.to_owned());
        Self {
            log,
            view,
            taking_in: Mutex::default(),
            whole_as_of: Mutex::default(),
            unanswered: Mutex::default(),
            view_path,
            clock_ms,
            queue: Queue::default(),
            fresh: Fresh::default(),
            compiled: Compiled::default(),
            compared: Compiled::default(),
            holdings: RwLock::default(),
            follows: OnceLock::new(),
        }
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Whether the view has failed and waits to be mended.
    pub fn is_view_failing(&self) -> bool {
        self.view().has_failed()
    }

    /// Whether other servers append to the same log.
    pub fn is_shared(&self) -> bool {
        self.log.agreed().is_some()
    }

    /// The last time of which it is certain that the view has all that the log had then.
    pub fn whole_as_of(&self) -> Option<Instant> {
        *self.whole_as_of.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// How the log is, as last heard of.
    pub fn log_health(&self) -> Health {
        self.log.health()
    }

    /// Entries in the log as far as is known, and those the view has taken in.
    pub fn sizes(&self) -> (u64, u64) {
        let log = self.log.known_size();
        (log, self.view().head().map_or(0, |head| head.size).min(log))
    }

    /// Publishes one version: judge, append, take in. The same operation again gives the same answer.
    pub fn publish(&self, caller: &Caller, submission: Submission) -> Result<Published, PublishError> {
        check_operation_id(&submission.operation_id)?;
        caller.acts_on(submission.package.standard.namespace())?;
        self.is_ours(&submission.package.standard)?;
        let Submission { operation_id, package, metadata_toml, dates, waive, reason, dry_run } = submission;
        desk::why_published(&reason)?;
        let plea = Plea::of(caller.principal().as_str(), waive)?;
        let metadata = self.metadata(&package, &metadata_toml)?;
        let bundle = Bundle::seal(&package, &Seen { registry: self, caller })?;
        if let Some(version) = self.published_before(&operation_id, bundle.root(), &dates)? {
            return Ok(Published { version, is_new: false, warnings: Vec::new(), findings: Findings::default() });
        }
        if !dry_run {
            self.may_publish_directly(&package.standard)?;
        }
        let proposal = None;
        let candidate = Candidate { package, metadata, metadata_toml, bundle, dates, plea, reason, proposal };
        self.publish_candidate(caller, operation_id, candidate, dry_run)
    }

    /// Publishes what may be published, once it has passed every rule.
    fn publish_candidate(
        &self,
        caller: &Caller,
        operation_id: String,
        candidate: Candidate,
        dry_run: bool,
    ) -> Result<Published, PublishError> {
        let Candidate { package, metadata, metadata_toml, bundle, dates, plea, reason, proposal } = candidate;
        let mut judging = Some(traces::judging().entered());
        let warnings = self.examined(&package, &metadata, &bundle)?;
        for _ in 0..OVERTAKEN_MAX {
            let judging = judging.take().unwrap_or_else(|| traces::judging().entered());
            let time_ms = (self.clock_ms)();
            let term = self.term(&bundle, &dates, time_ms)?;
            let baseline = self.admitted(&bundle, &term)?;
            let findings = self.found_out(caller, &bundle, &metadata.reading, baseline.as_ref(), plea.as_ref())?;
            let findings = findings.refusal(&package.standard, &package.version)?;
            let waiver = findings.waiver.clone();
            let (operation_id, baseline) = (operation_id.clone(), baseline.map(|(version, _)| version));
            drop(judging);
            let committed = match dry_run {
                true => {
                    let (manifest, index) = (&bundle.root().manifest, self.log.known_size());
                    Ok((facts::version_info(manifest, bundle.digest(), index, time_ms, term, waiver), true))
                }
                false => {
                    let root = bundle.root();
                    let terms = commit::Terms {
                        metadata: &metadata,
                        metadata_toml: &metadata_toml,
                        dates,
                        term,
                        proposal,
                        baseline,
                        waiver,
                        reason: &reason,
                    };
                    let draft = commit::Draft::version(caller, operation_id, root, terms, time_ms)?;
                    let committed = self.commit(draft);
                    committed
                        .and_then(|committed| Ok((committed.is_new, committed.version()?)))
                        .map(|(new, info)| (info, new))
                }
            };
            match committed {
                Err(PublishError::Overtaken { .. }) => {}
                Err(error) => return Err(error),
                Ok((version, is_new)) => {
                    let warnings = warnings.into_iter().chain(findings.warnings()).collect();
                    return Ok(Published { version, is_new, warnings, findings });
                }
            }
        }
        Err(PublishError::Overtaken { standard: package.standard })
    }

    /// From now on nothing is published here that is taken over from another registry.
    pub fn follow(&self, follows: Follows) {
        let _ = self.follows.set(follows);
    }

    /// These standards, too, are taken over from there.
    pub fn follow_also(&self, standards: Vec<StandardId>) {
        if let Some(follows) = self.follows.get() {
            *follows.also.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = standards;
        }
    }

    /// Whether a standard may be decided on here.
    fn is_ours(&self, standard: &StandardId) -> Result<(), PublishError> {
        match self.follows.get().filter(|follows| follows.takes(standard)) {
            Some(follows) => {
                Err(PublishError::Mirrored { standard: standard.clone(), upstream: follows.upstream.clone() })
            }
            None => Ok(()),
        }
    }

    /// Appends what was taken over, each entry once, and takes it into the view.
    pub fn take_over(&self, appends: &[Append]) -> Result<(), StoreError> {
        let mut rest = appends;
        while !rest.is_empty() {
            let most = self.log.batch_max();
            let mut bytes = 0;
            let fitting = rest.iter().take(most.entries.min(256)).take_while(|append| {
                bytes += append.entry.len() + append.blobs.iter().map(Vec::len).sum::<usize>();
                bytes <= most.bytes.min(16 << 20)
            });
            let (batch, later) = rest.split_at(fitting.count().max(1));
            match self.log.append(batch, self.log.head()?.size) {
                // Another change came first, here or on another server.
                Err(LogError::Conflict { .. }) => continue,
                appended => drop(appended?),
            }
            rest = later;
        }
        self.catch_up()?;
        Ok(())
    }

    /// The entry that an operation has made, with its index.
    pub fn entry_of(&self, operation_id: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let Some(index) = self.log.operation(operation_id)? else { return Ok(None) };
        Ok(self.log.entries(index, 1)?.pop().map(|entry| (index, entry)))
    }

    /// Keeps documents before the entry that names them.
    pub fn keep_blobs(&self, blobs: &[Vec<u8>]) -> Result<(), StoreError> {
        Ok(self.log.put_blobs(blobs)?)
    }

    /// The version as it stands here, whatever became of it.
    pub fn version_here(&self, standard: &StandardId, version: &Version) -> Result<Option<VersionInfo>, StoreError> {
        Ok(self.view().version(standard, version)?)
    }

    /// Whether some version of a standard was published here, and not taken over from a registry that is followed.
    pub fn is_published_here(&self, standard: &StandardId) -> Result<bool, StoreError> {
        for (version, ..) in self.view().versions(standard)? {
            let Some(info) = self.view().version(standard, &version)? else { continue };
            if !matches!(self.entry(info.log_index)?.event, Some(guiju_proto::log::entry::Event::Mirrored(_))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The document of that digest.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.log.blob(digest)?)
    }

    /// Whether a caller that may read the log may read a document of it: one of a published version, or one that a proposal names
    /// which it may see. What nothing names is nobody's.
    pub fn shows(&self, caller: &Caller, digest: &Digest) -> Result<bool, StoreError> {
        let mut named = self.view().proposed_under(digest)?;
        if named.is_none() {
            // The log may be ahead of the view.
            self.catch_up()?;
            named = self.view().proposed_under(digest)?;
        }
        let (Some(named), Some(caller)) = (named, self.renewed(caller)?) else { return Ok(false) };
        let sees = |name: &String| name.parse().is_ok_and(|namespace| caller.may_see_drafts(&namespace));
        Ok(named.is_empty() || named.iter().any(sees))
    }

    /// The log under this registry.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// The same judgement, with nothing written.
    fn judged_candidate(&self, caller: &Caller, candidate: &Candidate) -> Result<Findings, PublishError> {
        let Candidate { package, metadata, bundle, dates, plea, .. } = candidate;
        self.examined(package, metadata, bundle)?;
        let term = self.term(bundle, dates, (self.clock_ms)())?;
        let baseline = self.admitted(bundle, &term)?;
        let findings = self.found_out(caller, bundle, &metadata.reading, baseline.as_ref(), plea.as_ref())?;
        findings.refusal(&package.standard, &package.version)
    }

    /// Whether a version may be published under its number, and why.
    pub fn can_publish(&self, caller: &Caller, submission: &Submission) -> Result<Findings, PublishError> {
        let Submission { package, metadata_toml, waive, .. } = submission;
        self.is_ours(&package.standard)?;
        let plea = Plea::of(caller.principal().as_str(), waive.clone())?;
        let metadata = self.metadata(package, metadata_toml)?;
        let bundle = Bundle::seal(package, &Seen { registry: self, caller })?;
        self.examined(package, &metadata, &bundle)?;
        let term = self.term(&bundle, &submission.dates, (self.clock_ms)())?;
        let baseline = self.admitted(&bundle, &term)?;
        self.found_out(caller, &bundle, &metadata.reading, baseline.as_ref(), plea.as_ref())
    }

    /// Compares two published versions, under the reading of the new one's standard.
    pub fn compare(&self, old: &Reference, new: &Reference) -> Result<Verdict, AskError> {
        let reading = self.view().metadata(new.standard())?.map_or_else(Reading::default, |metadata| metadata.reading);
        let (old, new) = (self.bundle(old, true)?, self.bundle(new, true)?);
        Ok(compare(&self.side(&old, &reading)?, &self.side(&new, &reading)?, &Budget::default()))
    }

    fn metadata(&self, package: &Package, toml: &str) -> Result<Metadata, PublishError> {
        let bytes = package.files.values().map(Vec::len).sum();
        if bytes > VERSION_BYTES_MAX {
            return Err(PublishError::TooLarge { bytes });
        }
        let metadata = Metadata::from_toml(&package.standard, toml)?;
        match metadata.kind == package.kind {
            true => Ok(metadata),
            false => {
                Err(PublishError::Kind { standard: package.standard.clone(), said: metadata.kind, asked: package.kind })
            }
        }
    }

    /// The version that this operation, or another with the same content, has published.
    fn published_before(
        &self,
        operation_id: &str,
        content: &Content,
        dates: &Dates,
    ) -> Result<Option<VersionInfo>, PublishError> {
        let manifest = &content.manifest;
        let known = self.log.operation(operation_id)?;
        if known.is_some() {
            // It may be in the log a moment before the view has taken it in.
            self.catch_up()?;
        }
        let held = self.view().version(&manifest.standard, &manifest.version)?;
        let same = match &held {
            Some(info) => self.manifest(&info.digest)?.files == manifest.files,
            None => false,
        };
        match known {
            Some(index) if held.as_ref().is_none_or(|info| !same || info.log_index != index) => {
                Err(PublishError::OperationReused(operation_id.into()))
            }
            _ => match held.filter(|_| same) {
                Some(held) if !governing::are_those_of(dates, &held) => {
                    let (standard, version) = (manifest.standard.clone(), manifest.version.clone());
                    Err(PublishError::OtherDays { standard, version })
                }
                held => Ok(held),
            },
        }
    }

    /// Whether a new version may have this number.
    fn admit(
        &self,
        standard: &StandardId,
        version: &Version,
        digest: &Digest,
        term: &Term,
    ) -> Result<(), PublishError> {
        let (standard, version) = (standard.clone(), version.clone());
        let versions = self.view().versions(&standard)?;
        if versions.iter().any(|(known, other, _)| *known == version && other != digest) {
            return Err(PublishError::Exists { standard, version });
        }
        let highest = versions.into_iter().map(|(known, ..)| known).find(|known| known.major == version.major);
        match highest {
            Some(highest) if highest > version => Err(PublishError::NotHigher { standard, version, highest }),
            _ => self.may_begin(&standard, &version, term),
        }
    }

    /// Whether a candidate may have its number, and what it must be compatible with.
    fn admitted(&self, candidate: &Bundle, term: &Term) -> Result<Option<(Version, Digest)>, PublishError> {
        let Manifest { standard, version, .. } = &candidate.root().manifest;
        self.admit(standard, version, &candidate.digest(), term)?;
        self.baseline(standard, version)
    }

    /// The same as `resolve` where a small row or two say all, and what is meant is there.
    pub fn held(&self, reference: &Reference) -> Result<Option<VersionInfo>, AskError> {
        if let Selector::Digest(digest) = reference.selector() {
            // A digest means what it always meant, withdrawn or not: whoever has pinned it can still be told what it was.
            let known = self.view().by_digest(digest)?.filter(|(standard, _)| standard == reference.standard());
            return known.map(|(standard, version)| self.info(&standard, &version)).transpose();
        }
        if let Some(version) = reference.pinned() {
            let info = self.view().version(reference.standard(), &version)?;
            return Ok(info.filter(|info| info.status != Status::Withdrawn));
        }
        if !self.view().has_few_versions(reference.standard())? {
            return Ok(None);
        }
        match resolve(self, reference) {
            Ok(found) => self.info(&found.standard, &found.version).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The exact version that a reference means now.
    pub fn resolve(&self, reference: &Reference) -> Result<VersionInfo, AskError> {
        if let Some(info) = self.held(reference)? {
            return Ok(info);
        }
        let found = resolve(self, reference)?;
        self.info(&found.standard, &found.version)
    }

    fn info(&self, standard: &StandardId, version: &Version) -> Result<VersionInfo, AskError> {
        let info = self.view().version(standard, version)?;
        info.ok_or_else(|| StoreError::Broken(format!("`{standard}` {version} is listed and not there")).into())
    }

    pub fn version(&self, reference: &Reference) -> Result<Found, AskError> {
        let info = self.resolve(reference)?;
        let manifest = self.manifest(&info.digest)?;
        let metadata = self.view().metadata(&info.standard)?;
        Ok(Found { info, manifest, metadata_toml: metadata.map_or(String::new(), |metadata| metadata.to_toml()) })
    }

    /// A version with all that judging needs; with its own examples where asked for.
    pub fn bundle(&self, reference: &Reference, with_examples: bool) -> Result<Bundle, AskError> {
        let info = self.resolve(reference)?;
        let root = self.load(&info.digest, with_examples)?;
        Ok(Bundle::gather(root, self)?)
    }

    /// Standards after one in order of their names, and the size of the log they were read at.
    pub fn standards(
        &self,
        caller: &Caller,
        namespace: Option<&Namespace>,
        kind: Option<Kind>,
        after: Option<&StandardId>,
        count: usize,
    ) -> Result<(Vec<StandardInfo>, u64), AskError> {
        let size = self.view().head()?.size;
        let keep = |info: &StandardInfo| {
            namespace.is_none_or(|prefix| info.standard.namespace().is_under(prefix))
                && caller.may_see(info.standard.namespace())
                && kind.is_none_or(|kind| kind == info.kind)
        };
        Ok((self.view().standards(after, count, keep)?, size))
    }

    /// A standard with its versions, highest first.
    pub fn versions(&self, standard: &StandardId) -> Result<(StandardInfo, Vec<VersionInfo>), AskError> {
        let Some(info) = self.view().standard(standard)? else { return Err(self.unknown(standard).into()) };
        let versions = self.view().versions(standard)?.into_iter();
        let versions = versions.map(|(version, ..)| self.info(standard, &version)).collect::<Result<_, _>>()?;
        Ok((info, versions))
    }

    pub fn search(&self, caller: &Caller, query: &str, count: usize) -> Result<Vec<SearchHit>, AskError> {
        let found = self.view().search(query, count, |standard| caller.may_see(standard.namespace()))?;
        let hit = |found: Match| {
            let excerpt =
                self.excerpt(&found)?.unwrap_or_else(|| found.standard.abstract_zh.chars().take(80).collect());
            Ok(SearchHit { standard: found.standard, matched_in: found.matched_in, excerpt })
        };
        found.into_iter().map(hit).collect()
    }

    /// A few words around what was found, in the highest version that has most of it.
    fn excerpt(&self, found: &Match) -> Result<Option<String>, AskError> {
        let name = &found.standard.standard;
        let Some(metadata) = self.view().metadata(name)? else { return Ok(None) };
        let mut versions = Vec::new();
        for (_, digest, _) in self.view().versions(name)?.into_iter().take(EXCERPT_VERSIONS_MAX) {
            let words = Words::of(&self.manifest(&digest)?, &metadata, |_, file| self.log.blob(file));
            versions.push(words.map_err(StoreError::from)?);
        }
        Ok(Words::excerpt_of(&versions, &found.tokens, found.matched_in))
    }

    /// Published versions that refer to a standard, directly or through others.
    /// Those that a caller may see.
    pub fn dependents(
        &self,
        caller: &Caller,
        standard: &StandardId,
        transitive: bool,
    ) -> Result<Vec<VersionInfo>, AskError> {
        if self.view().standard(standard)?.is_none() {
            return Err(self.unknown(standard).into());
        }
        let (mut found, mut wanted, mut asked) = (BTreeMap::new(), vec![standard.clone()], Vec::new());
        while let Some(standard) = wanted.pop() {
            for (dependent, version) in self.view().dependents(&standard)? {
                let info = self.info(&dependent, &version)?;
                found.insert((dependent.clone(), version), info);
                if transitive && !asked.contains(&dependent) {
                    asked.push(dependent.clone());
                    wanted.push(dependent);
                }
            }
        }
        found.retain(|(dependent, _), _| caller.may_see(dependent.namespace()));
        Ok(found.into_values().collect())
    }

    /// What somebody is told who asks for a standard that is not there, or that it may not see.
    pub fn unknown_to(&self, caller: &Caller, standard: &StandardId) -> AskError {
        AskError::from(self.unknown(standard)).told_to(caller)
    }

    fn unknown(&self, standard: &StandardId) -> ResolveError {
        ResolveError::UnknownStandard { standard: standard.clone(), near: self.near(standard) }
    }

    /// A version that is there, or what there is instead.
    fn known(&self, standard: &StandardId, version: &Version) -> Result<VersionInfo, PublishError> {
        if let Some(info) = self.view().version(standard, version)? {
            return Ok(info);
        }
        let reference = Reference::exact(standard.clone(), version);
        let versions = self.view().versions(standard)?.into_iter().map(|(version, ..)| version).collect::<Vec<_>>();
        Err(match versions.is_empty() {
            true => self.unknown(standard).into(),
            false => ResolveError::UnknownVersion { reference, versions }.into(),
        })
    }

    /// Deprecates or withdraws a version.
    pub fn set_status(&self, caller: &Caller, change: StatusChange) -> Result<VersionInfo, PublishError> {
        check_operation_id(&change.operation_id)?;
        caller.acts_on(change.standard.namespace())?;
        self.is_ours(&change.standard)?;
        let StatusChange { operation_id, standard, version, .. } = change.clone();
        let info = self.known(&standard, &version)?;
        let event = commit::status_changed(&change);
        if self.done_before(caller, &operation_id, &event)?.is_some() {
            return Ok(info);
        }
        self.may_set_status(caller, &change)?;
        let slot = format!("status {standard} {version}");
        let caller_then = caller.clone();
        let event_then = event.clone();
        let admit = move |registry: &Self| {
            // The same operation may have come by another server a moment before.
            match registry.done_before(&caller_then, &change.operation_id, &event_then)? {
                Some(_) => Ok(()),
                None => registry.may_set_status(&caller_then, &change),
            }
        };
        let draft = commit::Draft::act(caller, operation_id, (self.clock_ms)(), event, slot, admit)?;
        self.commit(draft)?;
        self.known(&standard, &version)
    }

    fn may_set_status(&self, caller: &Caller, change: &StatusChange) -> Result<(), PublishError> {
        let StatusChange { standard, version, status, .. } = change.clone();
        let info = self.known(&standard, &version)?;
        let is_step = matches!(
            (info.status, status),
            (Status::Published, Status::Deprecated | Status::Withdrawn) | (Status::Deprecated, Status::Withdrawn)
        );
        // What was said with a deprecation can be said otherwise.
        let is_corrected = (info.status, status) == (Status::Deprecated, Status::Deprecated)
            && ((!change.successor.is_empty() && change.successor != info.successor)
                || change.effective_to.is_some_and(|day| info.term.to != Some(day)));
        if !is_step && !is_corrected {
            return Err(PublishError::Status { standard, version, status: info.status, wanted: status });
        }
        if !change.successor.is_empty() {
            let absent = |why: String| PublishError::Successor { successor: change.successor.clone(), why };
            let successor: Reference = change.successor.parse().map_err(|why| absent(format!("{why}")))?;
            let found = resolve(&Seen { registry: self, caller }, &successor).map_err(|why| absent(why.to_string()))?;
            if (&found.standard, &found.version) == (&standard, &version) {
                return Err(PublishError::OwnSuccessor { standard, version, successor: change.successor.clone() });
            }
        }
        let now = (self.clock_ms)();
        if let Some(day) = change.effective_to
            && let Err(source) = info.term.ending(day, Date::in_china(now))
        {
            return Err(PublishError::Term { standard, version, source });
        }
        let ending = match (status, change.effective_to) {
            (Status::Withdrawn, _) => CommitteeChange::Withdraw { standard, version },
            (_, Some(day)) => CommitteeChange::End { standard, version, day },
            // To tell its users to move on takes nothing from them.
            (_, None) => return Ok(()),
        };
        self.committee_agrees(caller, &ending)
    }

    /// What entries from an index on say of versions, at most `count` of them, and the index after the last that was read;
    /// entries about other namespaces, and those about no version, are left out.
    pub fn events(
        &self,
        from: u64,
        count: usize,
        namespace: Option<&Namespace>,
    ) -> Result<(Vec<Event>, u64), AskError> {
        let mut size = self.log.known_size();
        if from > size {
            size = self.log.head()?.size;
        }
        if from > size {
            return Err(AskError::BeyondEnd { index: from, size });
        }
        let entries = self.log.entries(from, count.min(usize::try_from(size - from).unwrap_or(usize::MAX)))?;
        let next = from + entries.len() as u64;
        let mut events = Vec::with_capacity(entries.len());
        for (index, entry) in (from..).zip(entries) {
            events.extend(self.event(index, &entry)?);
        }
        let standard = |event: &Event| match &event.what {
            Happening::Published(info) | Happening::StatusChanged(info) => info.standard.clone(),
        };
        events.retain(|event| namespace.is_none_or(|prefix| standard(event).namespace().is_under(prefix)));
        Ok((events, next))
    }

    /// Waits until the log is larger than `size`, or the time is over; the size there is.
    pub fn wait_beyond(&self, size: u64, timeout: Duration) -> u64 {
        self.log.wait_beyond(size, timeout)
    }

    /// The same as `validator` where nothing need be read or compiled for it.
    pub fn validator_held(&self, reference: &Reference) -> Result<Option<Judging>, AskError> {
        let held = |info: VersionInfo| Some((self.compiled.get(&info.digest)?, info.ending()));
        Ok(self.held(reference)?.and_then(held))
    }

    /// The compiled standard that a reference means, compiled once.
    pub fn validator(&self, reference: &Reference) -> Result<Judging, AskError> {
        let info = self.resolve(reference)?;
        NotCheckable::refuse(&info.standard, info.kind)?;
        let validator = match self.compiled.get(&info.digest) {
            Some(validator) => validator,
            None => self.compiled.of(&Bundle::gather(self.load(&info.digest, false)?, self)?)?,
        };
        Ok((validator, info.ending()))
    }

    fn manifest(&self, digest: &Digest) -> Result<Manifest, StoreError> {
        let bytes = self
            .log
            .blob(digest)?
            .ok_or_else(|| StoreError::Broken(format!("the manifest {digest} is not in the log")))?;
        Manifest::from_canonical(&bytes).map_err(|error| StoreError::Broken(error.to_string()))
    }

    /// Whether a version does what its examples announce, and what its author should mend.
    fn examined(&self, package: &Package, metadata: &Metadata, bundle: &Bundle) -> Result<Vec<Text>, PublishError> {
        let examples = match package.kind {
            Kind::Contract => judge_examples(bundle, package)?,
            _ => self.compared.of(bundle)?.judge_examples(package),
        };
        if !examples.is_empty() {
            let (standard, version) = (package.standard.clone(), package.version.clone());
            return Err(PublishError::Examples { standard, version, examples });
        }
        linted(package, metadata, bundle)
    }

    fn load(&self, digest: &Digest, with_examples: bool) -> Result<Content, StoreError> {
        let manifest = self.manifest(digest)?;
        let mut files = BTreeMap::new();
        for (name, file) in &manifest.files {
            if with_examples || !name.starts_with("examples/") {
                let bytes = self
                    .log
                    .blob(file)?
                    .ok_or_else(|| StoreError::Broken(format!("the file {file} is not in the log")))?;
                files.insert(name.clone(), bytes);
            }
        }
        Ok(Content { manifest, files })
    }
}

/// What the view holds, as a catalog. A failing store looks like an absent version here; the next call says why.
impl Catalog for Registry {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let versions = self.view().versions(standard).unwrap_or_default().into_iter();
        versions
            .filter(|(.., status)| *status != Status::Withdrawn)
            .map(|(version, digest, _)| (version, digest))
            .collect()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.load(digest, false).ok()
    }

    fn near(&self, standard: &StandardId) -> Vec<StandardId> {
        self.view().near(standard).unwrap_or_default()
    }

    fn withdrawn(&self, standard: &StandardId) -> Option<String> {
        let view = self.view();
        let (highest, ..) = view.versions(standard).ok()?.into_iter().max_by(|(a, ..), (b, ..)| a.cmp(b))?;
        view.version(standard, &highest).ok()?.map(|info| info.successor)
    }
}

/// As much of the catalog as a caller may see: what it publishes can refer to nothing else.
struct Seen<'r> {
    registry: &'r Registry,
    caller: &'r Caller,
}

impl Catalog for Seen<'_> {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        match self.caller.may_see(standard.namespace()) {
            true => Catalog::versions(self.registry, standard),
            false => Vec::new(),
        }
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.registry.content(digest)
    }

    fn near(&self, standard: &StandardId) -> Vec<StandardId> {
        let near = self.registry.near(standard).into_iter();
        near.filter(|near| self.caller.may_see(near.namespace())).collect()
    }

    fn withdrawn(&self, standard: &StandardId) -> Option<String> {
        self.registry.withdrawn(standard).filter(|_| self.caller.may_see(standard.namespace()))
    }
}

/// What the author should mend; or, where a rule is broken that every standard must keep, why it is not published.
fn linted(package: &Package, metadata: &Metadata, bundle: &Bundle) -> Result<Vec<Text>, PublishError> {
    let lints = lint(package, metadata, bundle);
    let (lints, milder): (Vec<Lint>, _) = lints.into_iter().partition(|lint| lint.severity == Severity::Error);
    if !lints.is_empty() {
        let (standard, version) = (package.standard.clone(), package.version.clone());
        return Err(PublishError::Lint { standard, version, lints });
    }
    let warnings = milder.into_iter().filter(|lint| lint.severity == Severity::Warning);
    Ok(warnings.map(|lint| lint.placed()).collect())
}

/// How the operations begin by which a mirror takes an entry over. No caller may name one, lest the mirror take it for done.
pub(crate) const TAKEN_OVER: &str = "mirror-";

fn check_operation_id(id: &str) -> Result<(), PublishError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match (1..=64).contains(&id.len()) && id.bytes().all(plain) && !id.starts_with(TAKEN_OVER) {
        true => Ok(()),
        false => Err(PublishError::OperationId),
    }
}
