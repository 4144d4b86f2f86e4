//! A log in memory: the reference that other engines are held against. Nothing outlives the process.

use super::{Append, Head, Log, LogError};
use guiju_model::Digest;
use std::{
    collections::HashMap,
    sync::{Condvar, Mutex, MutexGuard},
    time::Duration,
};

#[derive(Default)]
pub struct Memory {
    held: Mutex<Held>,
    grown: Condvar,
}

struct Held {
    head: Head,
    entries: Vec<Vec<u8>>,
    blobs: HashMap<Digest, Vec<u8>>,
    operations: HashMap<String, u64>,
}

impl Default for Held {
    fn default() -> Self {
        Self { head: Head::empty(), entries: Vec::new(), blobs: HashMap::new(), operations: HashMap::new() }
    }
}

impl Memory {
    pub fn head(&self) -> Head {
        self.held().head
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Log for Memory {
    fn head(&self) -> Result<Head, LogError> {
        Ok(self.held().head)
    }

    fn known_size(&self) -> u64 {
        self.held().head.size
    }

    fn append(&self, entries: &[Append], expected_size: u64) -> Result<Vec<u64>, LogError> {
        entries.iter().try_for_each(Append::fits)?;
        let mut held = self.held();
        let known: Option<Vec<u64>> =
            entries.iter().map(|entry| held.operations.get(&entry.operation_id).copied()).collect();
        if let Some(known) = known {
            return Ok(known);
        }
        let size = held.head.size;
        if size != expected_size {
            return Err(LogError::Conflict { expected: expected_size, size });
        }
        let mut indices = Vec::with_capacity(entries.len());
        for Append { operation_id, entry, blobs } in entries {
            if let Some(index) = held.operations.get(operation_id) {
                indices.push(*index);
                continue;
            }
            for blob in blobs {
                held.blobs.insert(Digest::of(blob), blob.clone());
            }
            let index = held.head.size;
            held.operations.insert(operation_id.clone(), index);
            held.head = held.head.then(entry);
            held.entries.push(entry.clone());
            indices.push(index);
        }
        self.grown.notify_all();
        Ok(indices)
    }

    fn operation(&self, operation_id: &str) -> Result<Option<u64>, LogError> {
        Ok(self.held().operations.get(operation_id).copied())
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LogError> {
        Ok(self.held().blobs.get(digest).cloned())
    }

    fn put_blobs(&self, blobs: &[Vec<u8>]) -> Result<(), LogError> {
        self.held().blobs.extend(blobs.iter().map(|blob| (Digest::of(blob), blob.clone())));
        Ok(())
    }

    fn digests(&self) -> Result<Vec<Digest>, LogError> {
        Ok(self.held().blobs.keys().copied().collect())
    }

    fn entries(&self, from: u64, count: usize) -> Result<Vec<Vec<u8>>, LogError> {
        Ok(self.held().entries.iter().skip(from as usize).take(count).cloned().collect())
    }

    fn wait_beyond(&self, size: u64, timeout: Duration) -> u64 {
        let wait = self.grown.wait_timeout_while(self.held(), timeout, |held| held.head.size <= size);
        wait.map_or_else(|poisoned| poisoned.into_inner().0.head.size, |(held, _)| held.head.size)
    }
}
