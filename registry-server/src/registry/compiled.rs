//! Standards compiled lately, by digest.
//!
//! # Invariants
//! - What a version accepts follows from its digest alone: `reading` is not covered by it, so it has no say here.

use guiju_model::{Bundle, Digest};
use guiju_validator::{CompileError, CompileOptions, Validator};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

/// Standards kept: more than two for each of the publishers that a server may have at once.
const COMPILED_MAX: usize = 160;
/// Bytes of the documents of those that are kept, with all that they refer to; one that has more is kept alone. What is made of them takes
/// about as much.
const COMPILED_BYTES_MAX: usize = 64 << 20;

#[derive(Default)]
pub(super) struct Compiled {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_digest: HashMap<Digest, Arc<Validator>>,
    /// Oldest first, with its bytes.
    order: VecDeque<(Digest, usize)>,
    bytes: usize,
}

impl Compiled {
    pub fn get(&self, digest: &Digest) -> Option<Arc<Validator>> {
        self.state().by_digest.get(digest).cloned()
    }

    /// The one that is kept, or one compiled now and kept.
    pub fn of(&self, bundle: &Bundle) -> Result<Arc<Validator>, CompileError> {
        let digest = bundle.digest();
        if let Some(validator) = self.get(&digest) {
            return Ok(validator);
        }
        let validator = Arc::new(Validator::compile(bundle, &CompileOptions::default())?);
        let mut state = self.state();
        if state.by_digest.insert(digest, Arc::clone(&validator)).is_none() {
            let files = bundle.contents().flat_map(|content| content.files.values());
            let bytes = files.map(Vec::len).sum();
            state.order.push_back((digest, bytes));
            state.bytes += bytes;
        }
        while (state.order.len() > COMPILED_MAX || state.bytes > COMPILED_BYTES_MAX)
            && state.order.len() > 1
            && let Some((oldest, bytes)) = state.order.pop_front()
        {
            state.by_digest.remove(&oldest);
            state.bytes -= bytes;
        }
        Ok(validator)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
