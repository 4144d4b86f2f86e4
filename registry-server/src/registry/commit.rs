//! Several waiting changes, one durable append.
//!
//! Whoever comes while an append is under way waits in a queue; the first of them then commits for all. Each change is
//! judged once more against the view and against those before it in the batch, so that of two publishers of one number the
//! first wins and the second is told.
//!
//! # Invariants
//! - Each who waits is woken once: with an answer, or to commit for all who wait by then.

use super::{Caller, PublishError, Registry, StatusChange, StoreError, access::random, facts};
use crate::{
    log::{Append, BatchMax, LogError, jittered},
    traces,
};
use guiju_model::{Content, Dates, Digest, Metadata, StandardId, Term, VersionInfo, Waiver};
use guiju_proto::{
    convert::day_or_empty,
    log::{Entry, StatusChanged, VersionPublished, entry},
};
use prost::Message;
use semver::Version;
use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};
use tracing::Span;

/// Changes appended at once.
const BATCH_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Before all is judged again because another server came first.
const PAUSE: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(32);

/// A change that has been judged, ready to be appended.
#[derive(Clone)]
pub(super) struct Draft {
    pub time_ms: u64,
    caller: Caller,
    what: What,
    append: Append,
}

#[derive(Clone)]
enum What {
    Version {
        standard: StandardId,
        version: Version,
        digest: Digest,
        content: Arc<Content>,
        /// With the digest of its text.
        metadata: (Digest, Arc<Metadata>),
        term: Term,
        /// The proposal that it comes of.
        proposal: Option<u64>,
        /// What it was compared with.
        baseline: Option<Version>,
        waiver: Option<Box<Waiver>>,
    },
    /// Anything else: judged by what the view knows when its turn comes, with nothing of its slot before it in the batch.
    Act { slot: String, admit: Arc<Admit> },
}

/// What is published of a version beside its content.
pub(super) struct Terms<'t> {
    pub metadata: &'t Metadata,
    pub metadata_toml: &'t str,
    pub dates: Dates,
    pub term: Term,
    /// The proposal that it comes of.
    pub proposal: Option<u64>,
    /// What it was compared with.
    pub baseline: Option<Version>,
    pub waiver: Option<Waiver>,
    pub reason: &'t str,
}

/// The event of a change of status.
pub(super) fn status_changed(change: &StatusChange) -> entry::Event {
    entry::Event::StatusChanged(StatusChanged {
        standard: change.standard.to_string(),
        version: change.version.to_string(),
        status: change.status.to_string(),
        reason: change.reason.clone(),
        successor: change.successor.clone(),
        effective_to: day_or_empty(change.effective_to),
    })
}

/// What stands against an act, by what the view knows.
type Admit = dyn Fn(&Registry) -> Result<(), PublishError> + Send + Sync;

/// The slot of every act that changes who may do what: those are appended alone, since all others depend on them.
pub(super) const ACCESS: &str = "access";

impl Draft {
    pub fn version(
        caller: &Caller,
        operation_id: String,
        content: &Content,
        terms: Terms<'_>,
        time_ms: u64,
    ) -> Result<Self, StoreError> {
        let Terms { metadata, metadata_toml, dates, term, proposal, baseline, waiver, reason } = terms;
        let manifest = content.manifest.to_canonical();
        let (digest, metadata_digest) = (Digest::of(&manifest), Digest::of(metadata_toml.as_bytes()));
        let event = VersionPublished {
            standard: content.manifest.standard.to_string(),
            version: content.manifest.version.to_string(),
            manifest: digest.as_bytes().to_vec().into(),
            metadata: metadata_digest.as_bytes().to_vec().into(),
            effective_from: day_or_empty(dates.effective_from),
            effective_to: day_or_empty(dates.effective_to),
            grace_until: day_or_empty(dates.grace_until),
            proposal,
            waiver: waiver.clone().map(Into::into),
            reason: reason.into(),
        };
        let entry = entry_bytes(caller, &operation_id, time_ms, entry::Event::VersionPublished(event))?;
        let mut blobs = vec![manifest, metadata_toml.as_bytes().to_vec()];
        blobs.extend(content.files.values().cloned());
        let what = What::Version {
            standard: content.manifest.standard.clone(),
            version: content.manifest.version.clone(),
            digest,
            content: Arc::new(content.clone()),
            metadata: (metadata_digest, Arc::new(metadata.clone())),
            term,
            proposal,
            baseline,
            waiver: waiver.map(Box::new),
        };
        Ok(Self { time_ms, caller: caller.clone(), what, append: Append { operation_id, entry, blobs } })
    }

    /// Any other event. `admit` says what stands against it by what the view knows when its turn comes; of two acts with the same
    /// slot, the second is judged when the first is in the view.
    pub fn act(
        caller: &Caller,
        operation_id: String,
        time_ms: u64,
        event: entry::Event,
        slot: impl Into<String>,
        admit: impl Fn(&Registry) -> Result<(), PublishError> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let what = What::Act { slot: slot.into(), admit: Arc::new(admit) };
        let entry = entry_bytes(caller, &operation_id, time_ms, event)?;
        Ok(Self { time_ms, caller: caller.clone(), what, append: Append { operation_id, entry, blobs: Vec::new() } })
    }

    /// With what its entry names.
    pub fn with(mut self, blobs: Vec<Vec<u8>>) -> Self {
        self.append.blobs = blobs;
        self
    }

    fn slot(&self) -> Option<&str> {
        match &self.what {
            What::Act { slot, .. } => Some(slot),
            What::Version { .. } => None,
        }
    }
}

fn entry_bytes(caller: &Caller, operation_id: &str, time_ms: u64, event: entry::Event) -> Result<Vec<u8>, StoreError> {
    let (operation_id, principal) = (operation_id.into(), caller.principal().to_string());
    let salt = random::<16>()?.to_vec().into();
    Ok(Entry { operation_id, time_ms, principal, event: Some(event), salt }.encode_to_vec())
}

/// What became of a change.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    /// Whether this call wrote the entry.
    pub is_new: bool,
    /// The version that was published.
    pub version: Option<VersionInfo>,
}

impl Committed {
    pub fn version(self) -> Result<VersionInfo, PublishError> {
        self.version.ok_or_else(|| StoreError::Broken("a version without a row".into()).into())
    }
}

type Answer = Result<Committed, PublishError>;

/// One who waits.
struct Waiting {
    draft: Draft,
    seat: Arc<Seat>,
    /// What it waits for.
    call: Span,
}

/// Where one who waits is told.
#[derive(Default)]
struct Seat {
    told: Mutex<Told>,
    bell: Condvar,
}

#[derive(Default)]
enum Told {
    #[default]
    Nothing,
    /// Commit for all who wait.
    Lead,
    Answer(Box<Answer>),
    /// The answer was taken.
    Gone,
}

impl Seat {
    fn lead(&self) {
        *self.told() = Told::Lead;
        self.bell.notify_one();
    }

    fn answer(&self, answer: Answer) {
        *self.told() = Told::Answer(Box::new(answer));
        self.bell.notify_one();
    }

    fn is_answered(&self) -> bool {
        matches!(*self.told(), Told::Answer(_) | Told::Gone)
    }

    /// The answer, or nothing where it is this one's turn to commit.
    fn wait(&self) -> Option<Answer> {
        let mut told = self.told();
        loop {
            match std::mem::take(&mut *told) {
                Told::Lead => return None,
                Told::Answer(answer) => {
                    *told = Told::Gone;
                    return Some(*answer);
                }
                Told::Nothing | Told::Gone => {
                    told = self.bell.wait(told).unwrap_or_else(|poisoned| poisoned.into_inner());
                }
            }
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    is_committing: bool,
}

/// The turn of one who commits. When it ends, even by a panic, all of its batch are answered, and the next in the queue leads.
struct Turn<'q> {
    queue: &'q Queue,
    batch: Vec<Arc<Seat>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        for seat in self.batch.iter().filter(|seat| !seat.is_answered()) {
            seat.answer(Err(again("the append was cut short").into()));
        }
        let mut state = self.queue.state();
        match state.waiting.front() {
            Some(next) => next.seat.lead(),
            None => state.is_committing = false,
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Registry {
    /// Appends a change, with whatever others are waiting, and takes it into the view.
    pub(super) fn commit(&self, draft: Draft) -> Answer {
        // Here, so that those it would share a batch with are not refused with it.
        draft.append.fits().map_err(StoreError::Log)?;
        let seat = Arc::new(Seat::default());
        let is_first = {
            let mut state = self.queue.state();
            state.waiting.push_back(Waiting { draft, seat: Arc::clone(&seat), call: Span::current() });
            !std::mem::replace(&mut state.is_committing, true)
        };
        if is_first {
            self.lead();
        }
        loop {
            match seat.wait() {
                Some(answer) => return answer,
                None => self.lead(),
            }
        }
    }

    /// Commits those who wait by now, as many as fit.
    fn lead(&self) {
        let batch = next_batch(&mut self.queue.state().waiting, self.log.batch_max());
        let seats = batch.iter().map(|waiting| Arc::clone(&waiting.seat)).collect();
        let _turn = Turn { queue: &self.queue, batch: seats };
        self.commit_batch(batch);
    }

    fn commit_batch(&self, batch: Vec<Waiting>) {
        let (mut left, mut pause) = (batch, PAUSE);
        while !left.is_empty() {
            if let Err(error) = self.catch_up() {
                return refuse(left, &error.to_string());
            }
            let (mut accepted, mut taken, mut later) = (Vec::<Waiting>::new(), Taken::default(), Vec::new());
            for waiting in left {
                if !taken.leaves_room_for(&waiting.draft) {
                    later.push(waiting);
                    continue;
                }
                match self.judge_again(&waiting.draft, &taken) {
                    Ok(None) => {
                        taken.take(&waiting.draft);
                        accepted.push(waiting);
                    }
                    Ok(Some(held)) => {
                        give(&waiting, Ok(Committed { is_new: false, version: Some(held) }));
                    }
                    Err(error) => give(&waiting, Err(error)),
                }
            }
            match self.append(&accepted) {
                Ok(()) => left = later,
                // Another server came first; its entries are taken in and everything is judged again.
                Err(StoreError::Log(LogError::Conflict { .. })) => {
                    std::thread::sleep(jittered(pause));
                    pause = PAUSE_MAX.min(pause * 2);
                    left = accepted;
                    left.append(&mut later);
                }
                Err(error) => {
                    accepted.append(&mut later);
                    return fail(accepted, error);
                }
            }
        }
    }

    /// What the view knows by now: nothing against it, the same version already, or why not.
    fn judge_again(&self, draft: &Draft, taken: &Taken) -> Result<Option<VersionInfo>, PublishError> {
        self.still_may(&draft.caller)?;
        let (standard, version, (digest, term, proposal), draft_baseline) = match &draft.what {
            What::Version { standard, version, digest, baseline, term, proposal, .. } => {
                (standard.clone(), version.clone(), (digest, term, proposal), baseline)
            }
            What::Act { admit, .. } => return admit(self).map(|()| None),
        };
        let taken = &taken.versions;
        if let Some(held) = self.view().version(&standard, &version)?
            && held.digest == *digest
        {
            return Ok(Some(held));
        }
        match proposal {
            Some(id) => self.may_publish(&draft.caller, *id, digest)?,
            None => self.may_publish_directly(&standard)?,
        }
        let highest = taken
            .iter()
            .filter(|(name, other)| *name == standard && other.major == version.major)
            .map(|(_, other)| other)
            .max();
        if let Some(highest) = highest.filter(|highest| **highest > version) {
            return Err(PublishError::NotHigher { standard, version, highest: highest.clone() });
        }
        self.admit(&standard, &version, digest, term)?;
        let before = taken.iter().filter(|(name, other)| *name == standard && *other < version && other.pre.is_empty());
        let known = self.baseline(&standard, &version)?.map(|(version, _)| version);
        let baseline = before.map(|(_, version)| version.clone()).chain(known).max();
        match baseline == *draft_baseline {
            true => Ok(None),
            false => Err(PublishError::Overtaken { standard }),
        }
    }

    /// The answer to a draft whose operation made the entry of this index: the same once more, or none of its own.
    fn written_before(&self, draft: &Draft, index: u64) -> Answer {
        let broken = |_| StoreError::Broken("an entry that is none".into());
        let (ours, theirs) = (Entry::decode(draft.append.entry.as_slice()).map_err(broken)?, self.entry(index)?);
        if (&ours.principal, &ours.event) != (&theirs.principal, &theirs.event) {
            return Err(PublishError::OperationReused(draft.append.operation_id.clone()));
        }
        let version = match &draft.what {
            What::Version { standard, version, .. } => self.view().version(standard, version)?,
            What::Act { .. } => None,
        };
        Ok(Committed { is_new: false, version })
    }

    fn append(&self, accepted: &[Waiting]) -> Result<(), StoreError> {
        if accepted.is_empty() {
            return Ok(());
        }
        let appends: Vec<Append> = accepted.iter().map(|waiting| waiting.draft.append.clone()).collect();
        let size = self.view().head()?.size;
        let step = |begin: fn(&Span) -> Span| accepted.iter().map(|waiting| begin(&waiting.call)).collect::<Vec<_>>();
        let appending = step(traces::appending);
        let indices = self.log.append(&appends, size)?;
        drop(appending);
        self.fresh.keep(accepted.iter().filter_map(|waiting| match &waiting.draft.what {
            What::Version { digest, content, metadata: (text, metadata), .. } => {
                Some(((*digest, *text), (Arc::clone(content), Arc::clone(metadata))))
            }
            What::Act { .. } => None,
        }));
        let taking_in = step(traces::taking_in);
        let taken_in = self.catch_up();
        drop(taking_in);
        self.fresh.forget();
        taken_in?;
        for (waiting, index) in accepted.iter().zip(indices) {
            // Nothing was written for an operation that the log had: it may be another's, or this one's tried before.
            if index < size {
                give(waiting, self.written_before(&waiting.draft, index));
                continue;
            }
            let version = match &waiting.draft.what {
                // Of a shared log the view knows better: another server may have appended the same operation a moment before.
                What::Version { standard, version, .. } if self.is_shared() => self.view().version(standard, version),
                What::Version { digest, content, term, waiver, .. } => {
                    let (time_ms, waiver) = (waiting.draft.time_ms, waiver.as_deref().cloned());
                    Ok(Some(facts::version_info(&content.manifest, *digest, index, time_ms, *term, waiver)))
                }
                What::Act { .. } => Ok(None),
            };
            let committed = version.map(|version| Committed { is_new: true, version });
            give(waiting, committed.map_err(PublishError::from));
        }
        Ok(())
    }
}

/// What those before in a batch take up.
#[derive(Default)]
struct Taken {
    versions: HashSet<(StandardId, Version)>,
    slots: HashSet<String>,
    operations: HashSet<String>,
}

impl Taken {
    fn leaves_room_for(&self, draft: &Draft) -> bool {
        // Once the first is in the view, the same publication tried again is told of it, and another that it is too late.
        if let What::Version { standard, version, .. } = &draft.what
            && self.versions.contains(&(standard.clone(), version.clone()))
        {
            return false;
        }
        match draft.slot() {
            // Of two with one operation id the second is told of the first.
            _ if self.operations.contains(&draft.append.operation_id) => false,
            _ if self.slots.contains(ACCESS) => false,
            Some(ACCESS) => self.versions.is_empty() && self.slots.is_empty(),
            Some(slot) => !self.slots.contains(slot),
            None => true,
        }
    }

    fn take(&mut self, draft: &Draft) {
        self.operations.insert(draft.append.operation_id.clone());
        match &draft.what {
            What::Version { standard, version, .. } => {
                self.versions.insert((standard.clone(), version.clone()));
            }
            What::Act { slot, .. } => drop(self.slots.insert(slot.clone())),
        }
    }
}

fn next_batch(waiting: &mut VecDeque<Waiting>, max: BatchMax) -> Vec<Waiting> {
    let (mut blob_bytes, mut entry_bytes) = (0, 0);
    let fits = |waiting: &Waiting| {
        blob_bytes += waiting.draft.append.blobs.iter().map(Vec::len).sum::<usize>();
        entry_bytes += waiting.draft.append.entry.len();
        blob_bytes <= BATCH_BYTES_MAX && entry_bytes <= max.bytes
    };
    // The first goes however large it is.
    let count_max = BATCH_MAX.min(max.entries);
    let count = waiting.iter().take(count_max).map(fits).take_while(|fits| *fits).count().max(1).min(waiting.len());
    waiting.drain(..count).collect()
}

fn give(waiting: &Waiting, answer: Answer) {
    waiting.seat.answer(answer);
}

/// Tells the first what happened, in full, and the others in words; all of them that nothing was written, where that is so.
fn fail(waiting: Vec<Waiting>, error: StoreError) {
    let why = error.to_string();
    let nothing_written = || match &error {
        StoreError::Log(LogError::Full { path }) => Some(LogError::Full { path: path.clone() }),
        StoreError::Log(LogError::NoSpace { why }) => Some(LogError::NoSpace { why: why.clone() }),
        StoreError::Log(LogError::ReadOnly { why, was_so: true }) => {
            Some(LogError::ReadOnly { why: why.clone(), was_so: true })
        }
        _ => None,
    };
    let others: Vec<StoreError> =
        waiting.iter().skip(1).map(|_| nothing_written().map_or_else(|| again(&why), StoreError::Log)).collect();
    for (waiting, error) in waiting.iter().zip([error].into_iter().chain(others)) {
        give(waiting, Err(error.into()));
    }
}

fn refuse(waiting: Vec<Waiting>, why: &str) {
    waiting.iter().for_each(|waiting| give(waiting, Err(again(why).into())));
}

fn again(why: &str) -> StoreError {
    StoreError::Unsettled(why.to_owned())
}
