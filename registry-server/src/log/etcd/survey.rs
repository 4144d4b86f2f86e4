//! Reads every key of a log on a cluster, whatever became of it, and puts keys right.
//!
//! # Invariants
//! - All is read as it was at one moment, so what servers append meanwhile is no damage.
//! - A key is written only while it is as it was read; those of one transaction all, or none.

use super::{
    CHUNK_BYTES, CHUNKS_AT_ONCE, ENTRIES_AT_ONCE, Etcd, OPERATIONS_MAX, REQUEST_BYTES_MAX, Shared, Standing, end_of,
    entry_of, entry_row, head_text, not_served, parsed_head, put,
    rpc::{Compare, DeleteRangeRequest, KeyValue, RangeRequest, RequestOp, TxnRequest, compare, request_op::Request},
    text,
};
use crate::log::{Head, LogError};
use guiju_model::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Times that it is begun anew because the cluster threw the moment away that it reads.
const COMPACTED_MAX: usize = 5;

/// What stands under the keys of a log.
#[derive(Debug, Default)]
pub struct ClusterSurvey {
    /// The moment, as `etcdctl get --rev` takes it.
    pub revision: i64,
    pub prefix: String,
    pub head: Option<Kept>,
    pub entries: BTreeMap<u64, Kept>,
    /// By id.
    pub operations: BTreeMap<String, Kept>,
    /// By name.
    pub agreed: BTreeMap<String, Kept>,
    pub blobs: BTreeMap<Digest, Chunks>,
    /// Keys among those of entries and blobs that no server writes.
    pub strays: BTreeMap<String, i64>,
}

/// The bytes under a key.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    pub bytes: Vec<u8>,
    /// When it was written last.
    pub revision: i64,
}

/// The rows of a blob.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    /// By number.
    pub revisions: BTreeMap<usize, i64>,
    /// Whether they are the blob.
    pub is_whole: bool,
    /// The number of one that is missing, cut short, or was written after its neighbours.
    pub odd: Option<usize>,
}

/// A key to put right.
#[derive(Clone, Debug)]
pub struct Change {
    pub key: String,
    /// When it was written last, as the survey has it; 0 where there is none.
    pub seen: i64,
    /// None: it is taken away.
    pub to: Option<Vec<u8>>,
}

impl ClusterSurvey {
    pub fn head(&self) -> Option<Result<Head, String>> {
        self.head.as_ref().map(|kept| match parsed_head(&kept.bytes)? {
            (Standing::Served, head) => Ok(head),
            (standing, _) => Err(not_served(&self.prefix, standing)),
        })
    }

    /// Why no server goes on with it, where its head says that.
    pub fn not_served(&self) -> Option<String> {
        let (standing, _) = parsed_head(&self.head.as_ref()?.bytes).ok()?;
        (standing != Standing::Served).then(|| not_served(&self.prefix, standing))
    }

    /// Whether nothing of a log stands there.
    pub fn is_nothing(&self) -> bool {
        let (entries, operations) = (self.entries.is_empty(), self.operations.is_empty());
        self.head.is_none() && entries && operations && self.agreed.is_empty() && self.blobs.is_empty()
    }

    pub fn head_key(&self) -> String {
        format!("{}head", self.prefix)
    }

    pub fn entry_key(&self, index: u64) -> String {
        format!("{}entry/{index:020}", self.prefix)
    }

    pub fn operation_key(&self, id: &str) -> String {
        format!("{}operation/{id}", self.prefix)
    }

    pub fn agreed_key(&self, name: &str) -> String {
        format!("{}agreed/{name}", self.prefix)
    }

    pub fn chunk_key(&self, digest: &Digest, number: usize) -> String {
        let hex: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}blob/{hex}/{number:05}", self.prefix)
    }

    pub fn head_change(&self, head: Head) -> Option<Change> {
        self.change(self.head_key(), self.head.as_ref(), head_text(Standing::Served, head).into_bytes())
    }

    /// Where the entry is written anew its operation is, too, as when it was appended: later than its operation it would look changed.
    pub fn entry_changes(&self, index: u64, operation: &str, entry: &[u8]) -> Vec<Change> {
        let (key, kept) = (self.operation_key(operation), self.operations.get(operation));
        let to = index.to_string().into_bytes();
        match self.change(self.entry_key(index), self.entries.get(&index), entry_row(operation, entry)) {
            Some(row) => vec![row, Change { key, seen: kept.map_or(0, |kept| kept.revision), to: Some(to) }],
            None => self.change(key, kept, to).into_iter().collect(),
        }
    }

    pub fn agreed_change(&self, name: &str, text: String) -> Option<Change> {
        self.change(self.agreed_key(name), self.agreed.get(name), text.into_bytes())
    }

    /// All rows of a blob; the first comes last, as it is written.
    pub fn blob_changes(&self, digest: &Digest, blob: &[u8]) -> Vec<Change> {
        let seen = |number: usize| self.blobs.get(digest).and_then(|chunks| chunks.revisions.get(&number)).copied();
        let rows = if blob.is_empty() { vec![blob] } else { blob.chunks(CHUNK_BYTES).collect() };
        let change = |(number, to): (usize, Option<Vec<u8>>)| Change {
            key: self.chunk_key(digest, number),
            seen: seen(number).unwrap_or(0),
            to,
        };
        let held = self.blobs.get(digest).into_iter().flat_map(|chunks| chunks.revisions.keys());
        let beyond = held.filter(|number| **number >= rows.len()).map(|number| (*number, None));
        let written = rows.iter().enumerate().rev().map(|(number, row)| (number, Some(row.to_vec())));
        beyond.chain(written).map(change).collect()
    }

    fn change(&self, key: String, kept: Option<&Kept>, to: Vec<u8>) -> Option<Change> {
        match kept {
            Some(kept) if kept.bytes == to => None,
            kept => Some(Change { key, seen: kept.map_or(0, |kept| kept.revision), to: Some(to) }),
        }
    }
}

impl Kept {
    /// The operation and the bytes of an entry.
    pub fn entry(&self) -> Option<(&str, &[u8])> {
        let (operation, entry) = entry_of(&self.bytes)?;
        Some((std::str::from_utf8(operation).ok()?, entry))
    }

    pub fn text(&self) -> String {
        text(&self.bytes)
    }
}

impl Etcd {
    /// All keys, as they are now.
    pub fn survey(&self) -> Result<ClusterSurvey, LogError> {
        self.wait(|shared| async move {
            for _ in 1..COMPACTED_MAX {
                match shared.survey().await {
                    Err(LogError::Denied { why }) if why.contains("compacted") => {}
                    surveyed => return surveyed,
                }
            }
            shared.survey().await
        })
    }

    /// Writes keys, in this order, while they are as they were read. Whether all were.
    pub fn put_right(&self, changes: Vec<Change>) -> Result<bool, LogError> {
        self.wait(|shared| async move {
            let mut rest = changes.as_slice();
            while !rest.is_empty() {
                let mut bytes = 0;
                let fitting = rest.iter().take(OPERATIONS_MAX).take_while(|change| {
                    bytes += change.key.len() + change.to.as_ref().map_or(0, Vec::len) + 32;
                    bytes <= REQUEST_BYTES_MAX
                });
                let (some, later) = rest.split_at(fitting.count().max(1));
                let compare = some.iter().map(as_seen).collect();
                let success = some.iter().map(written).collect();
                let answer = shared.client.txn(TxnRequest { compare, success, failure: Vec::new() }).await?;
                if !answer.succeeded {
                    return Ok(false);
                }
                rest = later;
            }
            Ok(true)
        })
    }
}

fn as_seen(change: &Change) -> Compare {
    let (target, target_union) =
        (compare::CompareTarget::Mod.into(), Some(compare::TargetUnion::ModRevision(change.seen)));
    Compare { target, key: change.key.clone().into(), target_union, ..Default::default() }
}

fn written(change: &Change) -> RequestOp {
    let key = change.key.clone().into();
    let request = match &change.to {
        Some(to) => Request::RequestPut(put(key, to.clone())),
        None => Request::RequestDeleteRange(DeleteRangeRequest { key }),
    };
    RequestOp { request: Some(request) }
}

impl Shared {
    async fn survey(&self) -> Result<ClusterSurvey, LogError> {
        let answer = self.client.range(super::one(self.key("head"))).await?;
        let mut survey = ClusterSurvey {
            revision: answer.header.map_or(0, |header| header.revision),
            prefix: self.prefix.clone(),
            head: answer.kvs.into_iter().next().map(kept),
            ..Default::default()
        };
        let at = survey.revision;
        self.each("entry/", at, ENTRIES_AT_ONCE as i64, |name, row| match number(name, 20) {
            Some(index) => drop(survey.entries.insert(index, kept(row))),
            None => drop(survey.strays.insert(text(&row.key), row.mod_revision)),
        })
        .await?;
        self.each("operation/", at, ENTRIES_AT_ONCE as i64, |name, row| {
            survey.operations.insert(name.to_owned(), kept(row));
        })
        .await?;
        self.each("agreed/", at, ENTRIES_AT_ONCE as i64, |name, row| {
            survey.agreed.insert(name.to_owned(), kept(row));
        })
        .await?;
        let mut reading: Option<Reading> = None;
        self.each("blob/", at, CHUNKS_AT_ONCE, |name, row| {
            let Some((digest, number)) = chunk(name) else {
                survey.strays.insert(text(&row.key), row.mod_revision);
                return;
            };
            match &mut reading {
                Some(reading) if reading.digest == digest => reading.push(number, &row),
                other => {
                    let mut next = Reading::new(digest);
                    next.push(number, &row);
                    if let Some(read) = other.replace(next) {
                        survey.blobs.insert(read.digest, read.end());
                    }
                }
            }
        })
        .await?;
        if let Some(read) = reading {
            survey.blobs.insert(read.digest, read.end());
        }
        Ok(survey)
    }

    /// Hands on each row of a folder, with its name there, in order.
    async fn each(
        &self,
        folder: &str,
        revision: i64,
        limit: i64,
        mut take: impl FnMut(&str, KeyValue) + Send,
    ) -> Result<(), LogError> {
        let folder = self.key(folder);
        let mut next = folder.clone();
        loop {
            let range = RangeRequest { range_end: end_of(&folder), limit, revision, ..super::one(next) };
            let answer = self.client.range(range).await?;
            let last = answer.kvs.last().map(|row| row.key.clone());
            for row in answer.kvs {
                let name = row.key.strip_prefix(folder.as_ref()).unwrap_or_default();
                take(&text(name), row);
            }
            match last {
                Some(last) if answer.more => next = [last.as_ref(), &[0]].concat().into(),
                _ => return Ok(()),
            }
        }
    }
}

fn kept(row: KeyValue) -> Kept {
    Kept { bytes: row.value.to_vec(), revision: row.mod_revision }
}

/// Written with exactly so many digits.
fn number(name: &str, digits: usize) -> Option<u64> {
    let is_one = name.len() == digits && name.bytes().all(|digit| digit.is_ascii_digit());
    is_one.then(|| name.parse().ok()).flatten()
}

fn chunk(name: &str) -> Option<(Digest, usize)> {
    let (hex, name) = name.split_once('/')?;
    Some((format!("sha256:{hex}").parse().ok()?, number(name, 5)? as usize))
}

/// A blob of which the rows come one after the other.
struct Reading {
    digest: Digest,
    hash: Sha256,
    chunks: Chunks,
    last_bytes: usize,
}

impl Reading {
    fn new(digest: Digest) -> Self {
        Self { digest, hash: Sha256::new(), chunks: Chunks::default(), last_bytes: CHUNK_BYTES }
    }

    fn push(&mut self, number: usize, row: &KeyValue) {
        let Chunks { revisions, odd, .. } = &mut self.chunks;
        let expected = revisions.keys().next_back().map_or(0, |last| last + 1);
        if odd.is_none() {
            *odd = match () {
                () if number != expected => Some(expected),
                // All but the last are full.
                () if self.last_bytes != CHUNK_BYTES => expected.checked_sub(1),
                () => None,
            };
        }
        revisions.insert(number, row.mod_revision);
        self.last_bytes = row.value.len();
        self.hash.update(&row.value);
    }

    fn end(mut self) -> Chunks {
        let is_whole = Digest::from_bytes(self.hash.finalize().into()) == self.digest;
        let is_in_order = self.chunks.revisions.keys().copied().eq(0..self.chunks.revisions.len());
        self.chunks.is_whole = is_whole && is_in_order;
        if !self.chunks.is_whole && self.chunks.odd.is_none() {
            // The first is written last; whichever was written behind it was written again.
            let first = self.chunks.revisions.get(&0).copied().unwrap_or_default();
            let later = self.chunks.revisions.iter().filter(|(_, revision)| **revision > first);
            self.chunks.odd = later.max_by_key(|(_, revision)| **revision).map(|(number, _)| *number);
        }
        self.chunks
    }
}
