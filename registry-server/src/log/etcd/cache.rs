//! What was read or written lately, so that it need not be asked for again. Neither a blob nor an entry ever changes.

use guiju_model::Digest;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
    sync::Arc,
};

const BLOB_BYTES_MAX: usize = 64 << 20;
const ENTRY_BYTES_MAX: usize = 16 << 20;

#[derive(Default)]
pub struct Cache {
    blobs: HashMap<Digest, Arc<[u8]>>,
    /// Oldest first.
    order: VecDeque<Digest>,
    blob_bytes: usize,
    entries: BTreeMap<u64, Vec<u8>>,
    entry_bytes: usize,
}

impl Cache {
    pub fn blob(&self, digest: &Digest) -> Option<Arc<[u8]>> {
        self.blobs.get(digest).cloned()
    }

    pub fn put_blob(&mut self, digest: Digest, bytes: &[u8]) {
        if bytes.len() > BLOB_BYTES_MAX / 4 || self.blobs.insert(digest, bytes.into()).is_some() {
            return;
        }
        self.order.push_back(digest);
        self.blob_bytes += bytes.len();
        while self.blob_bytes > BLOB_BYTES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.blob_bytes -= self.blobs.remove(&oldest).map_or(0, |bytes| bytes.len());
        }
    }

    /// Those at the beginning of a range.
    pub fn entries(&self, range: Range<u64>) -> Vec<Vec<u8>> {
        let found = self.entries.range(range.clone()).zip(range);
        found.take_while(|((index, _), wanted)| *index == wanted).map(|((_, entry), _)| entry.clone()).collect()
    }

    /// The lowest are forgotten first.
    pub fn put_entry(&mut self, index: u64, entry: &[u8]) {
        if self.entries.insert(index, entry.to_vec()).is_none() {
            self.entry_bytes += entry.len();
        }
        while self.entry_bytes > ENTRY_BYTES_MAX
            && let Some((_, entry)) = self.entries.pop_first()
        {
            self.entry_bytes -= entry.len();
        }
    }
}
