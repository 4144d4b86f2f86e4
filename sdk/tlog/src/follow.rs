//! From a checkpoint that is held to a new one: what may be believed, and what exactly is wrong where it may not.

use crate::{Checkpoint, CheckpointError, Hash, KeyHistory, Note, NoteError, Policy, Proof, ProofError};

/// How far clocks may differ, in seconds.
pub const SKEW_MAX_S: u64 = 300;

/// A checkpoint whose signatures hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub checkpoint: Checkpoint,
    /// Seconds since 1970 at which the log, or its quorum of witnesses where the policy asks for one, said it was the largest.
    /// None where nobody gave a time.
    pub time_s: Option<u64>,
}

/// Why a log is not believed. Each variant is another kind of wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogFault {
    #[error("the checkpoint is not a note: {0}")]
    Note(NoteError),
    #[error("the checkpoint is forged: {0}")]
    Forged(NoteError),
    #[error("the checkpoint cannot be read: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("the checkpoint is of the log `{found}`, and `{trusted}` is trusted")]
    OtherLog { found: String, trusted: String },
    #[error("the checkpoint of {size} entries is not signed by a key that `{origin}` signs with at that size")]
    Unsigned { origin: String, size: u64 },
    #[error("too few witnesses have cosigned the checkpoint: {} did", if .seen.is_empty() { "none".into() } else { .seen.join(", ") })]
    Unwitnessed { seen: Vec<String> },
    #[error("the log went back: it had {held} entries and now says {size}")]
    Rewound { held: u64, size: u64 },
    #[error(
        "the log is forked: of {size} entries it has signed the root {root}, and {held} before; both checkpoints together prove it"
    )]
    Forked { size: u64, held: Hash, root: Hash },
    #[error("the log is rewritten: its {size} entries do not begin with the {held} that were seen before")]
    Rewritten { held: u64, size: u64 },
    #[error("the log is frozen: its latest checkpoint is {age_s} s old, and at most {age_max_s} s are allowed")]
    Frozen { age_s: u64, age_max_s: u64 },
    #[error(
        "the log's checkpoint is of the future: it is dated {ahead_s} s after the time here, and clocks may differ by {SKEW_MAX_S} s; the \
         clock here is slow, or that of the log or its witnesses is fast, and until they agree nobody can tell whether the log is frozen"
    )]
    Ahead { ahead_s: u64 },
    #[error("the log does not say when its checkpoint was the latest, and the policy limits its age")]
    Timeless,
    #[error("the log gives {served} entries where its checkpoint has {size}")]
    Count { served: u64, size: u64 },
    #[error("the log's entries are altered: the {size} that it gives are not those that its checkpoint was signed for")]
    Altered { size: u64 },
    #[error("{0}")]
    Proof(ProofError),
}

impl Seen {
    /// Verifies a checkpoint by itself: form, log, signature by the key for its size, and quorum.
    pub fn verified(note: &Note, keys: &KeyHistory, policy: Option<&Policy>) -> Result<Self, LogFault> {
        let checkpoint: Checkpoint = note.text().parse()?;
        let trusted = keys.current().name();
        if checkpoint.origin != trusted {
            return Err(LogFault::OtherLog { found: checkpoint.origin, trusted: trusted.into() });
        }
        let mut time_s = None;
        let mut is_signed = false;
        for key in keys.keys_at(checkpoint.size) {
            is_signed |= note.is_signed_by(key).map_err(LogFault::Forged)?;
            time_s = time_s.max(note.cosigned_at(key).map_err(LogFault::Forged)?);
        }
        if !is_signed {
            return Err(LogFault::Unsigned { origin: checkpoint.origin, size: checkpoint.size });
        }
        if let Some(policy) = policy {
            let witnesses = policy.witnesses_of(note).map_err(LogFault::Forged)?;
            if policy.has_quorum() {
                let seen = || witnesses.iter().map(|(name, _)| (*name).to_owned()).collect();
                let since = policy.quorum_since(&witnesses);
                time_s = Some(since.ok_or_else(|| LogFault::Unwitnessed { seen: seen() })?);
            }
        }
        Ok(Self { checkpoint, time_s })
    }

    /// Whether the checkpoint is young enough. One from the future counts as made now, as far as clocks may differ; one from further on would
    /// look young for as long as its date is ahead, so it is not believed.
    pub fn is_fresh(&self, now_s: u64, age_max_s: u64) -> Result<(), LogFault> {
        let time_s = self.time_s.ok_or(LogFault::Timeless)?;
        match (now_s.saturating_sub(time_s), time_s.saturating_sub(now_s)) {
            (_, ahead_s) if ahead_s > SKEW_MAX_S => Err(LogFault::Ahead { ahead_s }),
            (age_s, _) if age_s > age_max_s => Err(LogFault::Frozen { age_s, age_max_s }),
            _ => Ok(()),
        }
    }
}

/// Whether a log with one checkpoint may be believed to have become the one with the other.
pub fn follow(held: &Checkpoint, new: &Checkpoint, proof: &Proof) -> Result<(), LogFault> {
    let (old, size) = (held.size, new.size);
    if held.origin != new.origin {
        return Err(LogFault::OtherLog { found: new.origin.clone(), trusted: held.origin.clone() });
    }
    if size < old {
        return Err(LogFault::Rewound { held: old, size });
    }
    if size == old && held.root != new.root {
        return Err(LogFault::Forked { size, held: held.root, root: new.root });
    }
    match proof.shows_growth((old, held.root), (size, new.root)) {
        Ok(()) => Ok(()),
        Err(ProofError::Consistency { .. }) => Err(LogFault::Rewritten { held: old, size }),
        Err(other) => Err(LogFault::Proof(other)),
    }
}
