//! The log: every change, in one order, for ever.
//!
//! # What every engine promises
//! - `append` takes effect whole and durably, or not at all: all its entries, with every blob that comes along, are there after
//!   a crash once it has returned `Ok`, and none is visible before it is durable.
//! - It takes effect only where the log's size is the expected one; else `Conflict` says the size there is.
//! - An operation id never makes two entries: appending one again gives the index it has, whatever size is expected.
//! - An entry is no longer than a tile of entries can hold; one that is refuses all that come with it.
//! - A log that refuses an append may keep blobs that came along: they are named by their content, and no entry names them.
//! - `entries` gives what was appended, byte for byte, in order and without gaps; `blob` gives what has that digest.
//! - Damage is an error that names the place. It is never repaired by forgetting what was acknowledged.

mod etcd; // a cluster that many servers share
mod journal; // segment files of our own
mod memory; // the reference

pub use etcd::{Change, ClusterSurvey, Etcd, Kept, Mark, Options as EtcdOptions, Standing, jittered};
pub use journal::{Damage, Journal, Opened, Survey};
pub use memory::Memory;

use guiju_model::Digest;
use guiju_tlog::ENTRY_BYTES_MAX;
use std::{path::PathBuf, time::Duration};

/// How much there is, and the hash chain over all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub size: u64,
    /// SHA-256 of the chain before and the entry's bytes; of nothing, 32 zero bytes.
    pub chain: Digest,
}

impl Head {
    pub const EMPTY: [u8; 32] = [0; 32];

    pub fn empty() -> Self {
        Self { size: 0, chain: Digest::from_bytes(Self::EMPTY) }
    }

    /// The head after one more entry.
    pub fn then(self, entry: &[u8]) -> Self {
        let chain = Digest::of(&[self.chain.as_bytes().as_slice(), entry].concat());
        Self { size: self.size + 1, chain }
    }
}

/// One entry to append, with the blobs that it names.
#[derive(Clone, Debug)]
pub struct Append {
    pub operation_id: String,
    pub entry: Vec<u8>,
    pub blobs: Vec<Vec<u8>>,
}

impl Append {
    /// Whether the log can hold it.
    pub fn fits(&self) -> Result<(), LogError> {
        match self.entry.len() {
            bytes if bytes > ENTRY_BYTES_MAX => Err(LogError::EntryTooLong { bytes }),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    #[error("the log has {size} entries, not {expected}")]
    Conflict { expected: u64, size: u64 },
    #[error("an entry has {bytes} bytes, and the log takes at most {ENTRY_BYTES_MAX} of each")]
    EntryTooLong { bytes: usize },
    #[error("there is no room left under `{}`; nothing was written", path.display())]
    Full { path: PathBuf },
    #[error("{entries} entries of {bytes} bytes are more than the log takes at once")]
    BatchTooLarge { entries: usize, bytes: usize },
    /// An append may or may not have taken effect; appending again with the same operation ids settles it.
    #[error("the log's cluster does not answer: {why}")]
    Unavailable { why: String },
    #[error("the log's cluster has no room left: {why}; nothing was written")]
    NoSpace { why: String },
    #[error("the log's cluster refuses this server: {why}")]
    Denied { why: String },
    #[error("{why}")]
    NotServed { why: String },
    #[error("the log takes no more writes since `{why}`; restart the server once the disk is sound")]
    ReadOnly {
        why: String,
        /// Whether it was so before: then nothing was written. Else an append may or may not have taken effect.
        was_so: bool,
    },
    #[error("`{}` is damaged at byte {offset}: {what}; restore it from a backup or another copy", path.display())]
    Damaged { path: PathBuf, offset: u64, what: String },
    #[error("`{}` is in use by another server", path.display())]
    InUse { path: PathBuf },
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

/// What one append takes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchMax {
    pub entries: usize,
    /// Of entries; blobs do not count.
    pub bytes: usize,
}

/// How the log is, as last heard of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why it does not answer, or takes no writes; none where it does.
    pub trouble: Option<String>,
    /// Of a cluster.
    pub members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub address: String,
    /// None where it does not answer.
    pub answers: Option<MemberState>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberState {
    pub is_leader: bool,
    pub has_leader: bool,
    pub bytes: u64,
    pub version: String,
}

/// Small texts beside a log, the same for all servers that share it.
pub trait Agreed: Send + Sync {
    fn text(&self, name: &str) -> Result<Option<String>, LogError>;

    /// Puts a text in the place of another, or of none. Whether it stands there now, rather than one of another server.
    fn replace(&self, name: &str, old: Option<&str>, new: &str) -> Result<bool, LogError>;
}

pub trait Log: Send + Sync {
    /// What there is now: never less than was acknowledged to anybody before the call.
    fn head(&self) -> Result<Head, LogError>;

    /// The size last heard of. Asks nobody and never waits; may lie behind where others append, too.
    fn known_size(&self) -> u64;

    /// What its servers agree on, where several share it.
    fn agreed(&self) -> Option<&dyn Agreed> {
        None
    }

    /// Appends all or none. The indices of the entries, in the order given.
    fn append(&self, entries: &[Append], expected_size: u64) -> Result<Vec<u64>, LogError>;

    /// What one append takes. One entry that fits by itself always does.
    fn batch_max(&self) -> BatchMax {
        BatchMax { entries: usize::MAX, bytes: usize::MAX }
    }

    /// The index that an operation has, if any.
    fn operation(&self, operation_id: &str) -> Result<Option<u64>, LogError>;

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LogError>;

    /// Keeps blobs before the entries that name them. Once this has returned they are durable.
    fn put_blobs(&self, blobs: &[Vec<u8>]) -> Result<(), LogError>;

    /// Of all blobs, in no order.
    fn digests(&self) -> Result<Vec<Digest>, LogError>;

    /// Says that these blobs will be asked for soon. Those that cannot be had are heard of then.
    fn prefetch(&self, _digests: &[Digest]) {}

    /// Lets go of what it remembers, so that what is read next is read from where the log is kept.
    fn forget(&self) {}

    /// Entries from an index on, at most `count`, fewer at the end.
    fn entries(&self, from: u64, count: usize) -> Result<Vec<Vec<u8>>, LogError>;

    /// Waits until the log is larger than `size`, or the time is over; the size there is, as far as is known.
    fn wait_beyond(&self, size: u64, timeout: Duration) -> u64;

    /// Asks nobody and never waits.
    fn health(&self) -> Health {
        Health::default()
    }
}
