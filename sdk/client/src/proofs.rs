//! Whether what a registry publishes is what it published: checkpoints followed, pins proved, tampering told apart.
//!
//! # Invariants
//! - A checkpoint is believed only if its signature holds, it is young enough, and it begins with the one that was held.
//! - A pin is proved only if the entry at its index publishes that version with that digest, and is in the held checkpoint's tree.

use crate::{Cache, CacheError, Lock, Pin, Registry, RegistryError, lock::HeldLog};
use guiju_model::{CommitteeChange, Digest, Waiver};
use guiju_proto::{
    convert::ConvertError,
    log::{self as wire, Entry, VersionPublished, entry::Event},
};
use guiju_tlog::{Checkpoint, Hash, KeyHistory, LogFault, Note, Policy, Proof, Replay, Seen, VerifierKey, follow};
use prost::Message;
use std::collections::BTreeMap;
use tonic::Code;

/// What is asked of a log beyond its own signature.
#[derive(Clone, Debug, Default)]
pub struct LogDemands {
    /// Witnesses that must have cosigned.
    pub policy: Option<Policy>,
    /// The key, kept offline, that must have signed each change of the log's key.
    pub root_key: Option<VerifierKey>,
    /// The time now and the greatest age of a checkpoint, in seconds.
    pub now_and_age_max_s: Option<(u64, u64)>,
}

/// What is wrong with one pin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinFault {
    #[error("`{what}` is tampered with: entry {index} of the log publishes it with other content than the lock's")]
    Tampered { what: String, index: u64 },
    #[error("`{what}` was moved: the lock has it at entry {index}, the log at {found}")]
    Moved { what: String, index: u64, found: u64 },
    #[error("`{what}` was removed: entry {index} of the log is another, and none that the lock knows of publishes it")]
    Removed { what: String, index: u64 },
    #[error(
        "entry {index} of the log, where the lock has `{what}`, is another: it was removed or moved, or guiju.lock was edited; \
         `guiju lock` finds out which"
    )]
    Another { what: String, index: u64 },
    #[error("`{what}` is not there: the lock has it at entry {index}, and the log has {size}")]
    Beyond { what: String, index: u64, size: u64 },
    #[error("`{what}` is not proved: entry {index} is not in the tree of the lock's checkpoint as it was given")]
    Unproved { what: String, index: u64 },
    #[error("no proof of `{what}` is at hand; run `guiju lock` where the registry can be reached")]
    NoProof { what: String },
}

/// An entry, with what shows that it is in a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvedEntry {
    pub entry: Vec<u8>,
    pub proof: Proof,
}

/// One entry of a log, for those who watch over a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEntry {
    pub index: u64,
    pub time_ms: u64,
    pub principal: String,
    /// Where the registry follows another and took the entry over from there: the name of that log, whose principal and time these are.
    /// Else empty.
    pub log: String,
    /// `published`, or the status that it got; `granted`, `revoked`, `token-created`, `token-revoked`; `quorum-set`, `agreed`. `?` for an entry that this program is too old to know.
    pub event: String,
    pub standard: String,
    pub version: String,
    /// Of a version that was published: what names its content.
    pub digest: Option<Digest>,
    /// Why; empty where nothing was said, and of steps of a proposal, whose words are told to those who see drafts alone.
    pub reason: String,
    /// Of a step of a proposal: the proposal, and the digest of what was said with it.
    pub said: Option<(u64, Digest)>,
    /// What to use instead, where that was said.
    pub successor: String,
    /// Of an entry about who may do what: whom it is about, and with what role or token.
    pub about: String,
    /// The same: the namespaces it is about, `*` for all.
    pub scopes: Vec<String>,
    /// Days that were named, YYYY-MM-DD; empty where none was.
    pub effective_from: String,
    pub effective_to: String,
    pub grace_until: String,
    /// Of a version that was published though something could not be decided: what, and on whose word it breaks nobody.
    pub waiver: Option<Waiver>,
}

impl LogEntry {
    /// By the registry's clock, in UTC: `2026-11-01T08:30:00Z`.
    pub fn time(&self) -> String {
        let seconds = i64::try_from(self.time_ms / 1000).unwrap_or(i64::MAX);
        prost_types::Timestamp { seconds, nanos: 0 }.to_string()
    }

    fn read(index: u64, bytes: &[u8]) -> Result<Self, RegistryError> {
        let entry = Entry::decode(bytes).map_err(|why| ConvertError::new(format!("entries[{index}]"), why))?;
        let log = match &entry.event {
            Some(Event::Mirrored(mirrored)) => mirrored.origin.clone(),
            _ => String::new(),
        };
        let Entry { time_ms, principal, event, .. } = entry.meaning();
        let mut read = Self { index, time_ms, principal, log, ..Self::default() };
        match event {
            Some(Event::VersionPublished(event)) => {
                (read.event, read.standard, read.version) = ("published".into(), event.standard, event.version);
                (read.effective_from, read.effective_to) = (event.effective_from, event.effective_to);
                read.grace_until = event.grace_until;
                read.digest = event.manifest.as_ref().try_into().ok().map(Digest::from_bytes);
                read.waiver = event.waiver.map(Into::into);
                read.reason = event.reason;
            }
            Some(Event::StatusChanged(event)) => {
                (read.event, read.standard, read.version) = (event.status, event.standard, event.version);
                read.effective_to = event.effective_to;
                (read.reason, read.successor) = (event.reason, event.successor);
            }
            Some(Event::RoleGranted(event)) => {
                read.about = format!("{} {}:{}", event.principal, event.role, event.scope);
                (read.event, read.scopes, read.reason) = ("granted".into(), vec![event.scope], event.reason);
            }
            Some(Event::RoleRevoked(event)) => {
                read.about = format!("{} {}:{}", event.principal, event.role, event.scope);
                (read.event, read.scopes, read.reason) = ("revoked".into(), vec![event.scope], event.reason);
            }
            Some(Event::TokenCreated(event)) => {
                read.about = format!("{} {} for {}", event.principal, event.id, event.grants.join(", "));
                (read.event, read.reason) = ("token-created".into(), event.reason);
                let scopes = event.grants.iter().filter_map(|grant| grant.split_once(':'));
                read.scopes = scopes.map(|(_, scope)| scope.to_owned()).collect();
            }
            Some(Event::TokenRevoked(event)) => {
                read.about = format!("{} {}", event.principal, event.id);
                (read.event, read.reason) = ("token-revoked".into(), event.reason);
            }
            Some(Event::ProposalStepped(event)) => {
                let step = if event.is_objection { "objected" } else { event.step.as_str() };
                let id = event.proposal.unwrap_or(index);
                read.event = format!("proposal-{step}");
                read.about = format!("proposal {id}");
                read.said = event.text.as_ref().try_into().ok().map(|bytes| (id, Digest::from_bytes(bytes)));
                (read.standard, read.version) = (event.standard, event.version);
                (read.effective_from, read.effective_to) = (event.effective_from, event.effective_to);
                read.grace_until = event.grace_until;
            }
            Some(Event::QuorumSet(event)) => {
                read.about = format!("{} of {}", event.quorum, event.namespace);
                (read.event, read.scopes, read.reason) = ("quorum-set".into(), vec![event.namespace], event.reason);
            }
            Some(Event::CommitteeAgreed(event)) => {
                if let Ok(change) = event.change.parse::<CommitteeChange>() {
                    read.scopes = change.scopes().iter().map(ToString::to_string).collect();
                    if let Some((standard, version)) = change.version() {
                        (read.standard, read.version) = (standard.to_string(), version.to_string());
                    }
                }
                (read.event, read.about, read.reason) = ("agreed".into(), event.change, event.reason);
            }
            Some(Event::UseRegistered(event)) => {
                let uses = event.uses.iter().map(|used| format!("{}@={}", used.standard, used.version));
                (read.event, read.about) = ("use-registered".into(), uses.collect::<Vec<_>>().join(", "));
                let scopes = event.uses.iter().filter_map(|used| used.standard.split_once('/'));
                read.scopes = scopes.map(|(namespace, _)| namespace.to_owned()).collect();
            }
            Some(Event::Mirrored(_)) | None => read.event = "?".into(),
        }
        Ok(read)
    }
}

/// What a log says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedCheckpoint {
    pub note: String,
    /// The key that the log began with.
    pub first_key: String,
    /// Notes by which each key names the next, in order.
    pub rotations: Vec<String>,
}

/// A leaf of a log's tree: an entry, or the hash of one that the caller may not see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    Entry(Vec<u8>),
    Withheld(Hash),
}

/// Where a log is read from. Nothing of what it answers is believed before it is proved.
pub trait LogSource: Sync {
    fn checkpoint(&self) -> impl Future<Output = Result<ServedCheckpoint, RegistryError>> + Send;

    /// An entry, with its proof for the tree of that size.
    fn proved_entry(&self, index: u64, size: u64) -> impl Future<Output = Result<ProvedEntry, RegistryError>> + Send;

    /// What shows that the tree of the one size begins with that of the other.
    fn growth(&self, old: u64, size: u64) -> impl Future<Output = Result<Proof, RegistryError>> + Send;

    /// Entries from an index on, as many as fit an answer; none at the end.
    fn entries(&self, from: u64) -> impl Future<Output = Result<Vec<Vec<u8>>, RegistryError>> + Send;

    /// The same, with the hashes of those that are not shown.
    fn leaves(&self, from: u64) -> impl Future<Output = Result<Vec<Leaf>, RegistryError>> + Send {
        async move { Ok(self.entries(from).await?.into_iter().map(Leaf::Entry).collect()) }
    }
}

impl LogSource for Registry {
    async fn checkpoint(&self) -> Result<ServedCheckpoint, RegistryError> {
        let answer = self.log().get_checkpoint(wire::GetCheckpointRequest {}).await?.into_inner();
        let wire::GetCheckpointResponse { note, first_key, rotations } = answer;
        Ok(ServedCheckpoint { note, first_key, rotations })
    }

    async fn proved_entry(&self, index: u64, size: u64) -> Result<ProvedEntry, RegistryError> {
        let request = wire::ProveInclusionRequest { index, tree_size: size };
        let answer = self.log().prove_inclusion(request).await?.into_inner();
        Ok(ProvedEntry { entry: answer.entry.to_vec(), proof: hashes(&answer.hashes)? })
    }

    async fn growth(&self, old: u64, size: u64) -> Result<Proof, RegistryError> {
        let request = wire::ProveConsistencyRequest { old_size: old, tree_size: size };
        Ok(hashes(&self.log().prove_consistency(request).await?.into_inner().hashes)?)
    }

    async fn entries(&self, from: u64) -> Result<Vec<Vec<u8>>, RegistryError> {
        let request = wire::ReadEntriesRequest { from_index: from, count: 0 };
        let entries = self.log().read_entries(request).await?.into_inner().entries;
        Ok(entries.iter().map(|entry| entry.to_vec()).collect())
    }

    async fn leaves(&self, from: u64) -> Result<Vec<Leaf>, RegistryError> {
        self.read_leaves(from, false).await
    }
}

impl Registry {
    /// Leaves from an index on, for who follows a log: refused rather than given with entries about versions left out.
    pub async fn published_leaves(&self, from: u64) -> Result<Vec<Leaf>, RegistryError> {
        self.read_leaves(from, true).await
    }

    async fn read_leaves(&self, from: u64, all_published: bool) -> Result<Vec<Leaf>, RegistryError> {
        let request = wire::ReadShownEntriesRequest { from_index: from, count: 0, all_published };
        let answer = match self.log().read_shown_entries(request).await {
            // A registry that is too old to know it shows all or nothing.
            Err(status) if status.code() == Code::Unimplemented => {
                return Ok(self.entries(from).await?.into_iter().map(Leaf::Entry).collect());
            }
            answer => answer?.into_inner(),
        };
        let malformed = || ConvertError::new("leaves", "one of them is neither an entry nor a hash of 32 bytes");
        let leaf = |leaf: wire::Leaf| match leaf.leaf {
            Some(wire::leaf::Leaf::Entry(entry)) => Ok(Leaf::Entry(entry.to_vec())),
            Some(wire::leaf::Leaf::Hash(hash)) => {
                let bytes = hash.as_ref().try_into().map_err(|_| malformed())?;
                Ok(Leaf::Withheld(Hash::from_bytes(bytes)))
            }
            None => Err(malformed().into()),
        };
        answer.leaves.into_iter().map(leaf).collect()
    }
}

/// The log's checkpoint now, believed: it follows from what is held. Where nothing is held, the key that the log names is taken
/// for its own, this once.
///
/// ```no_run
/// use guiju::{Lock, LogDemands, LogSource, Registry, log_head, prove_pin};
/// # async fn example() -> Result<(), guiju::RegistryError> {
/// let registry = Registry::connect("http://127.0.0.1:8420").await?;
/// let mut lock = Lock::read("guiju.lock".as_ref())?;
/// let head = log_head(&registry, lock.log(), &LogDemands::default()).await?;
/// for (reference, pin) in lock.pins() {
///     let Some(index) = pin.log_index else { continue };
///     let proved = registry.proved_entry(index, head.checkpoint.size).await?;
///     if let Err(fault) = prove_pin(pin, &proved, &head.checkpoint) {
///         panic!("{reference}: {fault}");
///     }
/// }
/// lock.hold_log(head);
/// lock.write()?;
/// # Ok(())
/// # }
/// ```
pub async fn log_head(
    source: &impl LogSource,
    held: Option<&HeldLog>,
    demands: &LogDemands,
) -> Result<HeldLog, RegistryError> {
    log_head_after(source, held.as_slice(), demands).await
}

/// The same, where it must follow from each of several states that are held: that of a project's lock, for one, and the newest that
/// [`Cache::log`] remembers, which is read before this asks.
pub async fn log_head_after(
    source: &impl LogSource,
    held: &[&HeldLog],
    demands: &LogDemands,
) -> Result<HeldLog, RegistryError> {
    let served = source.checkpoint().await?;
    let named: VerifierKey =
        served.first_key.parse().map_err(|why| ConvertError::new("first_key", format!("{why}")))?;
    if let Some(held) = held.iter().find(|held| *held.keys.first() != named) {
        return Err(LogFault::OtherLog { found: named.to_string(), trusted: held.keys.first().to_string() }.into());
    }
    let logs = demands.policy.as_ref().map_or(&[][..], Policy::logs);
    if !logs.is_empty() && !logs.contains(&named) {
        let trusted = logs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(LogFault::OtherLog { found: named.to_string(), trusted }.into());
    }
    let notes = served.rotations.iter().map(|note| Note::parse(note.as_bytes())).collect::<Result<Vec<_>, _>>();
    let notes = notes.map_err(|why| ConvertError::new("rotations", why))?;
    let keys = KeyHistory::follow(named.clone(), demands.root_key.as_ref(), &notes)?;
    for held in held {
        keys.follows(&held.keys)?;
    }
    let note = Note::parse(served.note.as_bytes()).map_err(LogFault::Note)?;
    let seen = Seen::verified(&note, &keys, demands.policy.as_ref())?;
    for held in held {
        follows(source, &held.checkpoint, &seen.checkpoint).await?;
    }
    if let Some((now_s, age_max_s)) = demands.now_and_age_max_s {
        seen.is_fresh(now_s, age_max_s)?;
    }
    Ok(HeldLog { keys, checkpoint: seen.checkpoint })
}

async fn follows(source: &impl LogSource, held: &Checkpoint, new: &Checkpoint) -> Result<(), RegistryError> {
    // Only where it can exist is a proof asked for; what else is wrong is said without.
    let proof = match held.size < new.size {
        true => source.growth(held.size, new.size).await?,
        false => Proof::default(),
    };
    Ok(follow(held, new, &proof)?)
}

/// Entries of a log of which only the hashes were shown: that they are there, in their places, is proved; what they say is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    pub count: u64,
    /// The indices of the first of them, [`Withheld::NAMED_MAX`] at most.
    pub first: Vec<u64>,
}

impl Withheld {
    pub const NAMED_MAX: usize = 10;

    fn add(&mut self, index: u64) {
        self.count += 1;
        if self.first.len() < Self::NAMED_MAX {
            self.first.push(index);
        }
    }
}

/// Reads the whole log, holds it against a checkpoint and against the one held before, and tells each entry that the caller may see. Of
/// the others the hashes are read, so that all of it is proved; which these were. Whoever must read everything takes no answer with any.
pub async fn replay(
    source: &impl LogSource,
    held: Option<&Checkpoint>,
    head: &Checkpoint,
    mut tell: impl FnMut(LogEntry),
) -> Result<Withheld, RegistryError> {
    let (mut replay, mut withheld) = (Replay::new(held, head), Withheld::default());
    while replay.size() < head.size {
        let leaves = source.leaves(replay.size()).await?;
        if leaves.is_empty() {
            break;
        }
        for leaf in leaves.iter().take((head.size - replay.size()) as usize) {
            let index = replay.size();
            match leaf {
                Leaf::Entry(entry) => {
                    replay.take(entry)?;
                    tell(LogEntry::read(index, entry)?);
                }
                Leaf::Withheld(hash) => {
                    replay.take_leaf(*hash)?;
                    withheld.add(index);
                }
            }
        }
    }
    replay.finish()?;
    Ok(withheld)
}

/// Where the log does not follow from what is held: what became of each pin, as far as its entries tell. No more of them are read than the
/// lock's checkpoint has, whatever is served: such a log is not believed in how long it is, either.
pub async fn what_became_of(source: &impl LogSource, lock: &Lock) -> Result<Vec<PinFault>, RegistryError> {
    let Some(HeldLog { checkpoint: Checkpoint { size, .. }, .. }) = lock.log() else { return Ok(Vec::new()) };
    let pins: BTreeMap<String, &Pin> = lock.pins().map(|(_, pin)| (name(pin), pin)).collect();
    // Of each pin whether the entry at its place publishes what it pins, and the first entry that publishes its version.
    let mut said: BTreeMap<String, (Option<bool>, u64)> = BTreeMap::new();
    let mut read = 0;
    while read < *size {
        let leaves = source.leaves(read).await?;
        if leaves.is_empty() {
            break;
        }
        for (index, leaf) in (read..*size).zip(&leaves) {
            let Leaf::Entry(entry) = leaf else { continue };
            let Some(event) = publication(entry) else { continue };
            let Some((what, pin)) = pins.get_key_value(&format!("{}@={}", event.standard, event.version)) else {
                continue;
            };
            let (there, _) = said.entry(what.clone()).or_insert((None, index));
            if pin.log_index == Some(index) {
                *there = Some(event.manifest.as_ref() == pin.resolution.digest.as_bytes());
            }
        }
        read = read.saturating_add(leaves.len() as u64);
    }
    let faults = pins.into_iter().filter_map(|(what, pin)| {
        let index = pin.log_index?;
        match said.get(&what) {
            Some((Some(true), _)) => None,
            Some((Some(false), _)) => Some(PinFault::Tampered { what, index }),
            Some((None, found)) => Some(PinFault::Moved { what, index, found: *found }),
            None if index >= *size => Some(PinFault::Beyond { what, index, size: *size }),
            None => Some(PinFault::Removed { what, index }),
        }
    });
    Ok(faults.collect())
}

/// `namespace/name@=version`, for messages.
fn name(pin: &Pin) -> String {
    format!("{}@={}", pin.resolution.standard, pin.resolution.version)
}

fn publication(entry: &[u8]) -> Option<VersionPublished> {
    match Entry::decode(entry).ok()?.meaning().event {
        Some(Event::VersionPublished(event)) => Some(event),
        _ => None,
    }
}

/// Whether an entry publishes a pin's version with its digest; none where it is about something else.
fn said_of(pin: &Pin, entry: &[u8]) -> Option<bool> {
    let event = publication(entry)?;
    let resolution = &pin.resolution;
    let is_it = event.standard == resolution.standard.to_string() && event.version == resolution.version.to_string();
    is_it.then(|| event.manifest.as_ref() == resolution.digest.as_bytes())
}

/// Whether an entry, with its proof, shows that a pin was published, in the tree of a checkpoint. A pin of no log has nothing to
/// show.
pub fn prove_pin(pin: &Pin, proved: &ProvedEntry, checkpoint: &Checkpoint) -> Result<(), PinFault> {
    let Some(index) = pin.log_index else { return Ok(()) };
    let (what, size) = (name(pin), checkpoint.size);
    if index >= size {
        return Err(PinFault::Beyond { what, index, size });
    }
    match proved.proof.shows_entry(&proved.entry, index, size, checkpoint.root) {
        Err(_) => Err(PinFault::Unproved { what, index }),
        Ok(()) => match said_of(pin, &proved.entry) {
            Some(true) => Ok(()),
            Some(false) => Err(PinFault::Tampered { what, index }),
            None => Err(PinFault::Another { what, index }),
        },
    }
}

/// Proves a pin with what the cache keeps.
pub fn prove_pin_offline(pin: &Pin, cache: &Cache, checkpoint: &Checkpoint) -> Result<(), PinFault> {
    if pin.log_index.is_none() {
        return Ok(());
    }
    let kept =
        cache.proof(&pin.resolution.digest, checkpoint.root).and_then(|bytes| read_kept(&bytes, checkpoint.size));
    prove_pin(pin, &kept.ok_or_else(|| PinFault::NoProof { what: name(pin) })?, checkpoint)
}

/// Keeps the proof of a pin for the tree of a checkpoint.
pub fn keep_proof(pin: &Pin, proved: &ProvedEntry, checkpoint: &Checkpoint, cache: &Cache) -> Result<(), CacheError> {
    let kept = wire::ProveInclusionResponse {
        entry: proved.entry.clone().into(),
        hashes: proved.proof.0.iter().map(|hash| hash.as_bytes().to_vec().into()).collect(),
        tree_size: checkpoint.size,
    };
    cache.put_proof(&pin.resolution.digest, checkpoint.root, &kept.encode_to_vec())
}

fn read_kept(bytes: &[u8], size: u64) -> Option<ProvedEntry> {
    let kept = wire::ProveInclusionResponse::decode(bytes).ok().filter(|kept| kept.tree_size == size)?;
    Some(ProvedEntry { entry: kept.entry.to_vec(), proof: hashes(&kept.hashes).ok()? })
}

fn hashes(list: &[impl AsRef<[u8]>]) -> Result<Proof, ConvertError> {
    let hash = |hash: &[u8]| hash.try_into().map(Hash::from_bytes);
    let hashes: Result<Vec<Hash>, _> = list.iter().map(|bytes| hash(bytes.as_ref())).collect();
    hashes.map(Proof).map_err(|_| ConvertError::new("hashes", "one of them has not 32 bytes"))
}
