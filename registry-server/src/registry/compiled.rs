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

#[derive(Default)]
pub(super) struct Compiled {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_digest: HashMap<Digest, Arc<Validator>>,
    order: VecDeque<Digest>,
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
            state.order.push_back(digest);
        }
        if state.order.len() > COMPILED_MAX
            && let Some(oldest) = state.order.pop_front()
        {
            state.by_digest.remove(&oldest);
        }
        Ok(validator)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
