//! A log on an etcd cluster, which any number of servers share.
//!
//! An append is one transaction, guarded by the head it follows and by the absence of its operations. The transaction may be
//! sent again as often as need be: once it has taken effect the guard fails, and the answer says which index each operation has.
//! Blobs that do not fit the transaction are written before it. A watch on the head is a doorbell, and nothing more: entries are
//! read by their index, and where the watch is broken the head is looked at now and then.
//!
//! ```text
//! <prefix>head                     v1 <size> <chain>
//! <prefix>entry/<20 digits>        operation length u8 | operation id | bytes
//! <prefix>operation/<id>           <index>
//! <prefix>blob/<hex>/<5 digits>    a chunk of at most 1 MiB; the first is written last, so where it is, all are
//! <prefix>agreed/<name>            what the servers agree on: the log's public keys, the last checkpoint that was signed
//! ```
//!
//! # Limits
//! etcd takes 128 operations and 1.5 MiB in a request, so an append holds at most 63 entries of 1 MiB together.

mod cache; // what was read or written lately
mod client; // one member after the other, until one answers
mod doorbell; // when the head may have moved, and how the members are
mod survey; // every key as it is, whatever became of it; and put right

mod rpc {
    #![allow(clippy::all, reason = "generated")]
    tonic::include_proto!("etcdserverpb");
}

pub use client::{Options, jittered};
pub use survey::{Change, ClusterSurvey, Kept};

use super::{Agreed, Append, BatchMax, Head, Health, Log, LogError, Member};
use cache::Cache;
use client::Client;
use guiju_model::Digest;
use prost::bytes::Bytes;
use rpc::{
    Compare, KeyValue, PutRequest, RangeRequest, RequestOp, ResponseOp, TxnRequest, compare, request_op, response_op,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    future::poll_fn,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    task::Poll,
    time::Duration,
};
use tokio::runtime::Runtime;

const OPERATIONS_MAX: usize = 128;
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// One for the head; an entry and its operation take two.
const BATCH_ENTRIES_MAX: usize = (OPERATIONS_MAX - 1) / 2;
/// A part of the format: the same blob has the same chunks for ever.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNKS_AT_ONCE: i64 = 8;
const KEYS_AT_ONCE: i64 = 4096;
const PREFETCHED_AT_ONCE: usize = 32;
const ENTRIES_AT_ONCE: usize = 512;
/// Requests that write blobs at a time.
const WRITERS: usize = 4;
/// Blobs that are known to be there, of which so many are remembered.
const PRESENT_MAX: usize = 100_000;

pub struct Etcd {
    shared: Arc<Shared>,
    /// None only while this is dropped.
    runtime: Option<Runtime>,
}

/// What a log on a cluster is there for; its head says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Servers append to it.
    #[default]
    Served,
    /// It is being carried there, and not all of it has come.
    Partial(Mark),
    /// It was carried to where it goes on.
    Moved(Mark),
}

/// Of one move of a log: whoever has it may finish that move, and nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub u64);

/// What the engine and its background tasks share.
struct Shared {
    client: Client,
    prefix: String,
    /// What it must be there for; where its head says otherwise, nothing is read and nothing appended.
    standing: Mutex<Standing>,
    known: Mutex<Head>,
    grown: Condvar,
    cache: Mutex<Cache>,
    present: Mutex<HashSet<Digest>>,
    /// How the members were when they were last asked, and the alarms that they gave.
    members: Mutex<(Vec<Member>, Option<String>)>,
    /// Why the head is not where the log was, if so.
    damage: Mutex<Option<String>>,
}

impl Etcd {
    /// Connects, and reads the head, which must be where the entries end.
    pub fn open(options: &Options) -> Result<Self, LogError> {
        let etcd = Self::connect(options)?;
        etcd.wait(|shared| async move { shared.ends_at_its_head().await })?;
        if let Some(runtime) = &etcd.runtime {
            doorbell::start(&etcd.shared, runtime.handle());
        }
        Ok(etcd)
    }

    /// The same, whatever stands there, for who looks for damage.
    pub fn connect(options: &Options) -> Result<Self, LogError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("etcd")
            .enable_all()
            .build()
            .map_err(|error| LogError::Unavailable { why: format!("no threads to run on: {error}") })?;
        let client = {
            let _inside = runtime.enter();
            Client::new(options)?
        };
        let prefix = format!("{}/", options.prefix.trim_end_matches('/'));
        let (grown, cache, present, members, damage) = Default::default();
        let known = Mutex::new(Head::empty());
        let standing = Mutex::default();
        let shared = Arc::new(Shared { client, prefix, standing, known, grown, cache, present, members, damage });
        Ok(Self { shared, runtime: Some(runtime) })
    }

    /// The same, to carry the log: whatever it is there for.
    pub fn as_it_stands(options: &Options) -> Result<(Self, Standing), LogError> {
        let etcd = Self::connect(options)?;
        let standing = etcd.wait(|shared| async move {
            let answer = shared.client.range(one(shared.key("head"))).await?;
            let standing = match answer.kvs.first() {
                Some(row) => parsed_head(&row.value).map_err(|what| damaged(&row.key, what))?.0,
                None => Standing::default(),
            };
            *locked(&shared.standing) = standing;
            shared.ends_at_its_head().await?;
            Ok(standing)
        })?;
        Ok((etcd, standing))
    }

    /// Why nothing is read off a log that is there for this.
    pub fn not_served(&self, standing: Standing) -> LogError {
        LogError::NotServed { why: not_served(&self.shared.prefix, standing) }
    }

    /// Says what the log is there for from now on, if it has that head still. One without entries says nothing.
    pub fn stands(&self, head: Head, now: Standing) -> Result<(), LogError> {
        self.wait(|shared| async move {
            let (was, key) = (*locked(&shared.standing), shared.key("head"));
            if head.size > 0 && was != now {
                let (old, new) = (head_text(was, head), head_text(now, head));
                let compare = vec![holds(key.clone(), old)];
                let (success, failure) = (puts(vec![put(key.clone(), new.clone())]), asks([one(key)].into_iter()));
                let answer = shared.client.txn(TxnRequest { compare, success, failure }).await?;
                // It fails, too, where an earlier try has taken effect and its answer was lost.
                let is_there = answer.responses.into_iter().flat_map(rows).any(|row| row.value == new);
                if !answer.succeeded && !is_there {
                    let size = shared.head().await?.size;
                    return Err(LogError::Conflict { expected: head.size, size });
                }
            }
            *locked(&shared.standing) = now;
            Ok(())
        })
    }

    /// Lets the engine's own threads do it, and waits. Works on any thread, also on those of another runtime.
    fn wait<T, F>(&self, ask: impl FnOnce(Arc<Shared>) -> F) -> Result<T, LogError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, LogError>> + Send + 'static,
    {
        let stopping = || LogError::Unavailable { why: "the server is about to stop".into() };
        let runtime = self.runtime.as_ref().ok_or_else(stopping)?;
        let (give, take) = mpsc::sync_channel(1);
        let asked = ask(Arc::clone(&self.shared));
        runtime.spawn(async move { drop(give.send(asked.await)) });
        take.recv().unwrap_or_else(|_| Err(stopping()))
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // Dropped the usual way it would wait, which threads of another runtime must not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Log for Etcd {
    fn head(&self) -> Result<Head, LogError> {
        self.wait(|shared| async move { shared.head().await })
    }

    fn known_size(&self) -> u64 {
        locked(&self.shared.known).size
    }

    fn agreed(&self) -> Option<&dyn Agreed> {
        Some(self)
    }

    fn append(&self, entries: &[Append], expected_size: u64) -> Result<Vec<u64>, LogError> {
        entries.iter().try_for_each(Append::fits)?;
        let BatchMax { entries: count_max, bytes: bytes_max } = self.batch_max();
        let bytes = entries.iter().map(|append| append.entry.len()).sum();
        let long = entries.iter().any(|append| append.operation_id.len() > usize::from(u8::MAX));
        if entries.len() > count_max || (bytes > bytes_max && entries.len() > 1) || long {
            return Err(LogError::BatchTooLarge { entries: entries.len(), bytes });
        }
        let entries = entries.to_vec();
        self.wait(|shared| async move { shared.append(&entries, expected_size).await })
    }

    fn batch_max(&self) -> BatchMax {
        BatchMax { entries: BATCH_ENTRIES_MAX, bytes: REQUEST_BYTES_MAX }
    }

    fn operation(&self, operation_id: &str) -> Result<Option<u64>, LogError> {
        let id = operation_id.to_owned();
        self.wait(|shared| async move {
            let answer = shared.client.range(one(shared.operation_key(&id))).await?;
            answer.kvs.first().map(|row| shared.index(row)).transpose()
        })
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LogError> {
        if let Some(bytes) = locked(&self.shared.cache).blob(digest) {
            return Ok(Some(bytes.to_vec()));
        }
        let digest = *digest;
        self.wait(|shared| async move { shared.blob(&digest).await })
    }

    fn put_blobs(&self, blobs: &[Vec<u8>]) -> Result<(), LogError> {
        let blobs = blobs.iter().map(|blob| (Digest::of(blob), blob.clone())).collect();
        self.wait(|shared| async move { shared.put_blobs(&blobs).await })
    }

    fn digests(&self) -> Result<Vec<Digest>, LogError> {
        self.wait(|shared| async move { shared.digests().await })
    }

    fn prefetch(&self, digests: &[Digest]) {
        let wanted: Vec<Digest> = {
            let cache = locked(&self.shared.cache);
            digests.iter().filter(|digest| cache.blob(digest).is_none()).copied().collect()
        };
        if wanted.len() > 1 {
            let _ = self.wait(|shared| async move { shared.prefetch(&wanted).await });
        }
    }

    fn entries(&self, from: u64, count: usize) -> Result<Vec<Vec<u8>>, LogError> {
        let until = from.saturating_add(count as u64);
        let mut found = locked(&self.shared.cache).entries(from..until);
        let from = from + found.len() as u64;
        if from < until {
            found.extend(self.wait(|shared| async move { shared.entries(from, until).await })?);
        }
        Ok(found)
    }

    fn wait_beyond(&self, size: u64, timeout: Duration) -> u64 {
        let waited =
            self.shared.grown.wait_timeout_while(locked(&self.shared.known), timeout, |known| known.size <= size);
        waited.unwrap_or_else(PoisonError::into_inner).0.size
    }

    fn forget(&self) {
        *locked(&self.shared.cache) = Cache::default();
        locked(&self.shared.present).clear();
    }

    fn health(&self) -> Health {
        let (members, alarm) = locked(&self.shared.members).clone();
        let damage = locked(&self.shared.damage).clone();
        Health { trouble: damage.or(alarm).or(self.shared.client.trouble()), members }
    }
}

impl Agreed for Etcd {
    fn text(&self, name: &str) -> Result<Option<String>, LogError> {
        let key = self.shared.agreed_key(name);
        self.wait(|shared| async move {
            let answer = shared.client.range(one(key)).await?;
            Ok(answer.kvs.first().map(|row| text(&row.value)))
        })
    }

    fn replace(&self, name: &str, old: Option<&str>, new: &str) -> Result<bool, LogError> {
        let (key, old, new) = (self.shared.agreed_key(name), old.map(str::to_owned), new.to_owned());
        self.wait(|shared| async move {
            let guard = old.map_or_else(|| absent(key.clone()), |old| holds(key.clone(), old));
            let success = puts(vec![put(key.clone(), new.clone())]);
            let failure = asks([one(key)].into_iter());
            let answer = shared.client.txn(TxnRequest { compare: vec![guard], success, failure }).await?;
            // The guard fails, too, where an earlier try has taken effect and its answer was lost.
            let stands = |row: KeyValue| row.value == new;
            Ok(answer.succeeded || answer.responses.into_iter().flat_map(rows).any(stands))
        })
    }
}

/// An append as one transaction, with what it leads to.
struct Plan {
    head: Head,
    indices: Vec<u64>,
    rows: Vec<PutRequest>,
    /// Entries by their index, and operations, that are new.
    new: Vec<(u64, Vec<u8>, String)>,
    /// By digest, those that the cluster is not known to have.
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Shared {
    async fn head(&self) -> Result<Head, LogError> {
        let before = *locked(&self.known);
        let answer = self.client.range(one(self.key("head"))).await?;
        let head = self.parsed_head(answer.kvs.first()).and_then(|head| self.follows(head, before).map(|()| head));
        *locked(&self.damage) = head.as_ref().err().map(ToString::to_string);
        let head = head?;
        self.heard(head);
        Ok(head)
    }

    /// A head that was asked for after another was known is no less than that one.
    fn follows(&self, head: Head, before: Head) -> Result<(), LogError> {
        if head.size < before.size || (head.size == before.size && head.chain != before.chain) {
            let what = format!("it names {} entries, and is not what followed {} before", head.size, before.size);
            return Err(damaged(&self.key("head"), what));
        }
        Ok(())
    }

    /// Sees that the head was not lost or put back: what is appended next would take the place of what was acknowledged.
    async fn ends_at_its_head(&self) -> Result<(), LogError> {
        loop {
            let head = self.head().await?;
            let keys = [Some(head.size), head.size.checked_sub(1)];
            let range = |index| RangeRequest { keys_only: true, ..one(self.entry_key(index)) };
            let success = asks(keys.into_iter().flatten().map(range));
            let answer = self
                .client
                .txn(TxnRequest { compare: vec![self.is_head(head)], success, ..Default::default() })
                .await?;
            if !answer.succeeded {
                continue;
            }
            let is_there: Vec<bool> = answer.responses.into_iter().map(|answer| !rows(answer).is_empty()).collect();
            if is_there.first() == Some(&true) {
                return Err(self.beyond_head(head));
            }
            if is_there.get(1) == Some(&false) {
                return Err(damaged(&self.entry_key(head.size - 1), "it is missing, and the head names it".into()));
            }
            return Ok(());
        }
    }

    fn beyond_head(&self, head: Head) -> LogError {
        let what = format!("it names {0} entries, and entry {0} is there", head.size);
        damaged(&self.key("head"), what)
    }

    fn is_head(&self, head: Head) -> Compare {
        match head.size {
            0 => absent(self.key("head")),
            _ => holds(self.key("head"), head_text(*locked(&self.standing), head)),
        }
    }

    /// Takes in that the log is so long.
    fn heard(&self, head: Head) {
        let mut known = locked(&self.known);
        if head.size > known.size {
            *known = head;
            self.grown.notify_all();
        }
    }

    async fn append(&self, entries: &[Append], expected: u64) -> Result<Vec<u64>, LogError> {
        let mut known = HashMap::new();
        let mut head = *locked(&self.known);
        let before = head;
        if head.size != expected {
            let answer = self.client.txn(TxnRequest { success: self.questions(entries), ..Default::default() }).await?;
            head = self.told(answer.responses, &mut known)?;
            self.follows(head, before)?;
        }
        loop {
            let all: Option<Vec<u64>> = entries.iter().map(|append| known.get(&append.operation_id).copied()).collect();
            if let Some(indices) = all {
                return Ok(indices);
            }
            if head.size != expected {
                return Err(LogError::Conflict { expected, size: head.size });
            }
            let plan = self.plan(head, entries, &known);
            let request = self.transaction(head, &plan, entries).await?;
            let answer = match self.client.txn(request).await {
                // A try before the one that was refused may have taken effect, and its answer was lost.
                Err(LogError::NoSpace { why }) => {
                    let success = self.questions(entries);
                    let answer = self.client.txn(TxnRequest { success, ..Default::default() }).await?;
                    self.told(answer.responses, &mut known)?;
                    let all: Option<_> =
                        entries.iter().map(|append| known.get(&append.operation_id).copied()).collect();
                    return all.ok_or(LogError::NoSpace { why });
                }
                answer => answer?,
            };
            if answer.succeeded {
                self.take(&plan);
                return Ok(plan.indices);
            }
            // Another server was first, or an earlier try of ours has taken effect and its answer was lost.
            let told = self.told(answer.responses, &mut known)?;
            self.follows(told, head)?;
            if told == head && !plan.new.iter().any(|(.., operation)| known.contains_key(operation)) {
                return Err(self.beyond_head(head));
            }
            head = told;
        }
    }

    /// What is new of an append that follows a head.
    fn plan(&self, head: Head, entries: &[Append], known: &HashMap<String, u64>) -> Plan {
        let mut plan =
            Plan { head, indices: Vec::new(), rows: Vec::new(), new: Vec::new(), blobs: BTreeMap::default() };
        let mut taken: HashMap<&str, u64> = HashMap::new();
        for Append { operation_id, entry, blobs } in entries {
            if let Some(index) = known.get(operation_id).or(taken.get(operation_id.as_str())) {
                plan.indices.push(*index);
                continue;
            }
            let index = plan.head.size;
            plan.rows.push(put(self.entry_key(index), entry_row(operation_id, entry)));
            plan.rows.push(put(self.operation_key(operation_id), index.to_string()));
            plan.head = plan.head.then(entry);
            plan.indices.push(index);
            plan.new.push((index, entry.clone(), operation_id.clone()));
            taken.insert(operation_id, index);
            plan.blobs.extend(blobs.iter().map(|blob| (Digest::of(blob), blob.clone())));
        }
        let present = locked(&self.present);
        plan.blobs.retain(|digest, _| !present.contains(digest));
        plan.rows.push(put(self.key("head"), head_text(*locked(&self.standing), plan.head)));
        plan
    }

    /// The transaction, with its blobs where they fit; where they do not they are written here.
    async fn transaction(&self, head: Head, plan: &Plan, entries: &[Append]) -> Result<TxnRequest, LogError> {
        let mut rows = plan.rows.clone();
        let chunks: Vec<PutRequest> = plan.blobs.iter().flat_map(|(digest, blob)| self.chunks(digest, blob)).collect();
        let bytes: usize = rows.iter().chain(&chunks).map(row_bytes).sum();
        match rows.len() + chunks.len() <= OPERATIONS_MAX && bytes <= REQUEST_BYTES_MAX {
            true => rows.extend(chunks),
            false => self.put_blobs(&plan.blobs).await?,
        }
        let mut compare = vec![self.is_head(head)];
        compare.extend(plan.new.first().map(|(index, ..)| absent(self.entry_key(*index))));
        compare.extend(plan.new.iter().map(|(.., operation)| absent(self.operation_key(operation))));
        Ok(TxnRequest { compare, success: puts(rows), failure: self.questions(entries) })
    }

    /// Remembers what was appended.
    fn take(&self, plan: &Plan) {
        {
            let mut cache = locked(&self.cache);
            plan.new.iter().for_each(|(index, entry, _)| cache.put_entry(*index, entry));
            plan.blobs.iter().for_each(|(digest, blob)| cache.put_blob(*digest, blob));
        }
        self.are_present(plan.blobs.keys().copied());
        self.heard(plan.head);
    }

    fn are_present(&self, digests: impl Iterator<Item = Digest>) {
        let mut present = locked(&self.present);
        if present.len() > PRESENT_MAX {
            present.clear();
        }
        present.extend(digests);
    }

    /// Asks for the head, and for the index of each operation.
    fn questions(&self, entries: &[Append]) -> Vec<RequestOp> {
        let keys = entries.iter().map(|append| self.operation_key(&append.operation_id));
        asks([self.key("head")].into_iter().chain(keys).map(one))
    }

    /// What they were answered.
    fn told(&self, answers: Vec<ResponseOp>, known: &mut HashMap<String, u64>) -> Result<Head, LogError> {
        let mut rows = answers.into_iter().flat_map(rows);
        let operations = self.key("operation/");
        let (mut head, keyed) = (None, self.key("head"));
        rows.try_for_each(|row| {
            match row.key.strip_prefix(operations.as_ref()) {
                Some(id) => drop(known.insert(String::from_utf8_lossy(id).into_owned(), self.index(&row)?)),
                None if row.key == keyed => head = Some(row),
                None => {}
            }
            Ok(())
        })?;
        let head = self.parsed_head(head.as_ref())?;
        self.heard(head);
        Ok(head)
    }

    /// Writes the blobs that are not there. Once this has returned they are durable.
    async fn put_blobs(&self, blobs: &BTreeMap<Digest, Vec<u8>>) -> Result<(), LogError> {
        let mut missing: BTreeMap<&Digest, &Vec<u8>> = blobs.iter().collect();
        let digests: Vec<&Digest> = blobs.keys().collect();
        for some in digests.chunks(OPERATIONS_MAX) {
            let first = |digest: &&Digest| RangeRequest { keys_only: true, ..one(self.chunk_key(digest, 0)) };
            let answer =
                self.client.txn(TxnRequest { success: asks(some.iter().map(first)), ..Default::default() }).await?;
            for (digest, answer) in some.iter().zip(answer.responses) {
                if !rows(answer).is_empty() {
                    missing.remove(digest);
                }
            }
        }
        let chunks = missing.iter().flat_map(|(digest, blob)| self.chunks(digest, blob));
        let is_first = |row: &PutRequest| row.key.ends_with(b"/00000");
        let (first, later): (Vec<_>, Vec<_>) = chunks.partition(is_first);
        self.put_all(later).await?;
        self.put_all(first).await?;
        self.are_present(blobs.keys().copied());
        Ok(())
    }

    /// As few transactions as will do, some at a time.
    async fn put_all(&self, rows: Vec<PutRequest>) -> Result<(), LogError> {
        let mut requests: Vec<(usize, Vec<PutRequest>)> = Vec::new();
        for row in rows {
            let bytes = row_bytes(&row);
            match requests.last_mut() {
                Some((sum, rows)) if *sum + bytes <= REQUEST_BYTES_MAX && rows.len() < OPERATIONS_MAX => {
                    *sum += bytes;
                    rows.push(row);
                }
                _ => requests.push((bytes, vec![row])),
            }
        }
        for some in requests.chunks(WRITERS) {
            let write = |(_, rows): &(usize, Vec<PutRequest>)| {
                self.client.txn(TxnRequest { success: puts(rows.clone()), ..Default::default() })
            };
            for written in joined(some.iter().map(write)).await {
                written?;
            }
        }
        Ok(())
    }

    /// A blob as rows.
    fn chunks(&self, digest: &Digest, blob: &[u8]) -> Vec<PutRequest> {
        let chunks = if blob.is_empty() { vec![blob] } else { blob.chunks(CHUNK_BYTES).collect() };
        chunks.into_iter().enumerate().map(|(at, chunk)| put(self.chunk_key(digest, at), chunk.to_vec())).collect()
    }

    async fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LogError> {
        // What a blob holds does not change, so any member may say it; one that lags may not have it yet.
        for serializable in [true, false] {
            let bytes = self.read_blob(digest, serializable).await?;
            match bytes {
                Some(bytes) if Digest::of(&bytes) == *digest => {
                    locked(&self.cache).put_blob(*digest, &bytes);
                    self.are_present([*digest].into_iter());
                    return Ok(Some(bytes));
                }
                Some(_) if !serializable => {
                    return Err(damaged(&self.chunk_key(digest, 0), format!("the blob is not {digest}")));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Takes the first chunks of many blobs into the cache, of those that have no other.
    async fn prefetch(&self, digests: &[Digest]) -> Result<(), LogError> {
        for some in digests.chunks(PREFETCHED_AT_ONCE) {
            let first = |digest: &Digest| RangeRequest { serializable: true, ..one(self.chunk_key(digest, 0)) };
            let questions = asks(some.iter().map(first));
            let answer = self.client.txn(TxnRequest { success: questions, ..Default::default() }).await?;
            for (digest, answer) in some.iter().zip(answer.responses) {
                let whole = rows(answer).pop().filter(|row| Digest::of(&row.value) == *digest);
                if let Some(row) = whole {
                    locked(&self.cache).put_blob(*digest, &row.value);
                }
            }
        }
        Ok(())
    }

    /// Of those whose first chunk is there, and so all.
    async fn digests(&self) -> Result<Vec<Digest>, LogError> {
        let (folder, mut found) = (self.key("blob/"), Vec::new());
        let mut next = folder.clone();
        loop {
            let range = RangeRequest { range_end: end_of(&folder), limit: KEYS_AT_ONCE, keys_only: true, ..one(next) };
            let answer = self.client.range(range).await?;
            for row in &answer.kvs {
                let name = row.key.strip_prefix(folder.as_ref()).and_then(|name| name.strip_suffix(b"/00000"));
                if let Some(hex) = name {
                    let digest = format!("sha256:{}", text(hex)).parse();
                    found.push(digest.map_err(|_| damaged(&row.key, "it names no digest".into()))?);
                }
            }
            match answer.kvs.last() {
                // The key that follows it at once.
                Some(last) if answer.more => next = [last.key.as_ref(), &[0]].concat().into(),
                _ => return Ok(found),
            }
        }
    }

    async fn read_blob(&self, digest: &Digest, serializable: bool) -> Result<Option<Vec<u8>>, LogError> {
        let (mut bytes, mut next) = (Vec::new(), 0);
        loop {
            let range = RangeRequest {
                range_end: end_of(&self.chunk_key(digest, 0)),
                limit: CHUNKS_AT_ONCE,
                serializable,
                ..one(self.chunk_key(digest, next))
            };
            let answer = self.client.range(range).await?;
            if next == 0 && answer.kvs.first().is_none_or(|row| row.key != self.chunk_key(digest, 0)) {
                return Ok(None);
            }
            next += answer.kvs.len();
            answer.kvs.iter().for_each(|row| bytes.extend_from_slice(&row.value));
            if !answer.more || answer.kvs.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }

    /// Those in a range, fewer at the end of the log.
    async fn entries(&self, from: u64, until: u64) -> Result<Vec<Vec<u8>>, LogError> {
        let mut found = Vec::new();
        loop {
            let next = from + found.len() as u64;
            let count = (until - next).min(ENTRIES_AT_ONCE as u64);
            if count == 0 {
                return Ok(found);
            }
            let range = RangeRequest {
                range_end: end_of(&self.entry_key(0)),
                limit: count as i64,
                ..one(self.entry_key(next))
            };
            let answer = self.client.range(range).await?;
            for (index, row) in (next..).zip(&answer.kvs) {
                let entry = self.entry(index, row)?;
                locked(&self.cache).put_entry(index, &entry);
                found.push(entry);
            }
            if !answer.more || answer.kvs.is_empty() {
                return Ok(found);
            }
        }
    }

    fn entry(&self, index: u64, row: &KeyValue) -> Result<Vec<u8>, LogError> {
        let key = self.entry_key(index);
        if row.key != key {
            return Err(damaged(&key, format!("it is missing, and `{}` is there", text(&row.key))));
        }
        entry_of(&row.value).map(|(_, entry)| entry.to_vec()).ok_or_else(|| damaged(&key, "it is cut short".into()))
    }

    fn index(&self, row: &KeyValue) -> Result<u64, LogError> {
        text(&row.value).parse().map_err(|_| damaged(&row.key, "it holds no index".into()))
    }

    fn parsed_head(&self, row: Option<&KeyValue>) -> Result<Head, LogError> {
        let Some(row) = row else { return Ok(Head::empty()) };
        let (standing, head) = parsed_head(&row.value).map_err(|what| damaged(&row.key, what))?;
        match standing == *locked(&self.standing) {
            true => Ok(head),
            false => Err(LogError::NotServed { why: not_served(&self.prefix, standing) }),
        }
    }

    fn key(&self, name: &str) -> Bytes {
        format!("{}{name}", self.prefix).into()
    }

    fn entry_key(&self, index: u64) -> Bytes {
        self.key(&format!("entry/{index:020}"))
    }

    fn agreed_key(&self, name: &str) -> Bytes {
        self.key(&format!("agreed/{name}"))
    }

    fn operation_key(&self, id: &str) -> Bytes {
        self.key(&format!("operation/{id}"))
    }

    fn chunk_key(&self, digest: &Digest, number: usize) -> Bytes {
        let hex: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        self.key(&format!("blob/{hex}/{number:05}"))
    }
}

/// Drives some futures beside each other; their outputs in the same order.
async fn joined<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(move |context| {
        for (future, output) in all.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(context) {
                *output = Some(ready);
            }
        }
        match all.iter().all(|(_, output)| output.is_some()) {
            true => Poll::Ready(all.iter_mut().filter_map(|(_, output)| output.take()).collect()),
            false => Poll::Pending,
        }
    })
    .await
}

fn parsed_head(bytes: &[u8]) -> Result<(Standing, Head), String> {
    let text = text(bytes);
    let words: Vec<&str> = text.split(' ').collect();
    let mark = |text: &str| u64::from_str_radix(text, 16).ok().map(Mark);
    // A program that knows the first form alone takes the others for a newer server's, and does nothing there.
    let (standing, size, chain) = match words.as_slice() {
        ["v1", size, chain] => (Some(Standing::Served), size, chain),
        ["v1-partial", size, chain, of] => (mark(of).map(Standing::Partial), size, chain),
        ["v1-moved", size, chain, of] => (mark(of).map(Standing::Moved), size, chain),
        [form, ..] if form.starts_with('v') && !["v1", "v1-partial", "v1-moved"].contains(form) => {
            return Err(format!("it is of the form {form}, which a newer server wrote"));
        }
        _ => return Err("it is no head of a log".into()),
    };
    match standing.zip(size.parse().ok().zip(chain.parse().ok())) {
        Some((standing, (size, chain))) => Ok((standing, Head { size, chain })),
        None => Err("it is no head of a log".into()),
    }
}

fn not_served(prefix: &str, standing: Standing) -> String {
    match standing {
        Standing::Served => format!("servers append to the log under `{prefix}` again"),
        Standing::Partial(_) => {
            format!("under `{prefix}` is a part of a log: carrying it there was cut short, or goes on")
        }
        Standing::Moved(_) => format!("the log under `{prefix}` was carried elsewhere, where it goes on"),
    }
}

/// The operation and the bytes of an entry, as its row holds them.
fn entry_of(row: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = row.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

fn entry_row(operation: &str, entry: &[u8]) -> Vec<u8> {
    [&[operation.len() as u8], operation.as_bytes(), entry].concat()
}

fn head_text(standing: Standing, head: Head) -> String {
    let Head { size, chain } = head;
    match standing {
        Standing::Served => format!("v1 {size} {chain}"),
        Standing::Partial(Mark(mark)) => format!("v1-partial {size} {chain} {mark:x}"),
        Standing::Moved(Mark(mark)) => format!("v1-moved {size} {chain} {mark:x}"),
    }
}

fn one(key: Bytes) -> RangeRequest {
    RangeRequest { key, ..Default::default() }
}

/// The end of all keys that have the same text up to the last slash.
fn end_of(key: &Bytes) -> Bytes {
    let folder = key.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at);
    let mut end = key[..=folder].to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

fn put(key: Bytes, value: impl Into<Bytes>) -> PutRequest {
    PutRequest { key, value: value.into() }
}

fn row_bytes(row: &PutRequest) -> usize {
    row.key.len() + row.value.len() + 32
}

fn absent(key: Bytes) -> Compare {
    let (target, target_union) = (compare::CompareTarget::Create.into(), Some(compare::TargetUnion::CreateRevision(0)));
    Compare { target, key, target_union, ..Default::default() }
}

fn holds(key: Bytes, text: String) -> Compare {
    let (target, target_union) = (compare::CompareTarget::Value.into(), Some(compare::TargetUnion::Value(text.into())));
    Compare { target, key, target_union, ..Default::default() }
}

fn puts(rows: Vec<PutRequest>) -> Vec<RequestOp> {
    rows.into_iter().map(|row| RequestOp { request: Some(request_op::Request::RequestPut(row)) }).collect()
}

fn asks(ranges: impl Iterator<Item = RangeRequest>) -> Vec<RequestOp> {
    ranges.map(|range| RequestOp { request: Some(request_op::Request::RequestRange(range)) }).collect()
}

fn rows(answer: ResponseOp) -> Vec<KeyValue> {
    match answer.response {
        Some(response_op::Response::ResponseRange(range)) => range.kvs,
        _ => Vec::new(),
    }
}

fn damaged(key: &[u8], what: String) -> LogError {
    LogError::Damaged { path: text(key).into(), offset: 0, what }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
