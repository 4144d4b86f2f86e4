//! Extends the Merkle tree with what was appended, and signs checkpoints.
//!
//! # Invariants
//! - A leaf is an entry as the log stores it. The tree is made of the log, and can be thrown away.
//! - No checkpoint is signed that does not begin with every one signed before: the last is kept on disk, and a log that does not
//!   begin with it, as after an old backup was put in its place, is refused.

mod keys; // the secret on disk, and how it changes

pub use keys::{LogKeyError, LogKeys};

use crate::log::{Log, LogError};
use guiju_tlog::{
    BundleError, Checkpoint, Hash, Note, NoteError, Proof, ProofError, TilePath, Tree, bundle, hash_tile,
    prove_consistency, prove_inclusion, root,
};
use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

/// How long a checkpoint is given again before it is signed anew, so that its time shows that the log is alive.
const SIGNED_FOR_MS: u64 = 10_000;
/// Entries that are read at a time.
const ENTRIES: usize = 1024;
/// Entries in one answer, and their bytes together.
const ANSWER_ENTRIES: usize = 256;
const ANSWER_BYTES: usize = 2 << 20;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SequencerError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("`{}` cannot be read: {why}", path.display())]
    Held { path: PathBuf, why: String },
    #[error(
        "the log does not begin with the {size} entries that `{}` says were signed: entries were lost or changed, and signing \
         on would show everyone two histories", path.display()
    )]
    Diverged { size: u64, path: PathBuf },
}

pub struct Sequencer {
    log: Arc<dyn Log>,
    keys: LogKeys,
    clock_ms: fn() -> u64,
    /// Where the last checkpoint is kept; a log in memory keeps none.
    held_path: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tree: Tree,
    signed: Option<Signed>,
}

#[derive(Clone)]
struct Signed {
    size: u64,
    time_ms: u64,
    note: Arc<str>,
}

impl Sequencer {
    /// Makes the tree of a log, and holds it against the last checkpoint that was signed.
    pub fn open(
        log: Arc<dyn Log>,
        keys: LogKeys,
        held_path: Option<PathBuf>,
        clock_ms: fn() -> u64,
    ) -> Result<Self, SequencerError> {
        let sequencer = Self { log, keys, clock_ms, held_path, state: Mutex::default() };
        let state = sequencer.caught_up()?;
        if let Some((path, held)) = sequencer.held()? {
            let now = root(&state.tree, held.size);
            if held.origin != sequencer.keys.signing.name() || now != Ok(held.root) {
                return Err(SequencerError::Diverged { size: held.size, path });
            }
        }
        drop(state);
        Ok(sequencer)
    }

    fn held(&self) -> Result<Option<(PathBuf, Checkpoint)>, SequencerError> {
        let Some(path) = self.held_path.clone() else { return Ok(None) };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SequencerError::Io { path, source }),
        };
        match text.parse() {
            Ok(checkpoint) => Ok(Some((path, checkpoint))),
            Err(why) => Err(SequencerError::Held { path, why: format!("{why}") }),
        }
    }

    pub fn keys(&self) -> &LogKeys {
        &self.keys
    }

    /// The tree of all entries there are.
    fn caught_up(&self) -> Result<MutexGuard<'_, State>, LogError> {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        loop {
            let entries = self.log.entries(state.tree.size(), ENTRIES)?;
            if entries.is_empty() {
                return Ok(state);
            }
            entries.iter().for_each(|entry| state.tree.push(Hash::of_entry(entry)));
        }
    }

    /// The signed checkpoint of all entries there are.
    pub fn checkpoint(&self) -> Result<Arc<str>, SequencerError> {
        let mut state = self.caught_up()?;
        let (size, time_ms) = (state.tree.size(), (self.clock_ms)());
        if let Some(signed) = &state.signed
            && signed.size == size
            && time_ms.saturating_sub(signed.time_ms) < SIGNED_FOR_MS
        {
            return Ok(signed.note.clone());
        }
        let origin = self.keys.signing.name().to_owned();
        let text = Checkpoint { origin, size, root: root(&state.tree, size)? }.to_string();
        if state.signed.as_ref().is_none_or(|signed| signed.size != size) {
            self.hold(&text)?;
        }
        let mut note = Note::unsigned(text)?;
        note.sign(&self.keys.signing);
        note.cosign(&self.keys.signing, time_ms / 1000);
        let note: Arc<str> = note.to_string().into();
        state.signed = Some(Signed { size, time_ms, note: note.clone() });
        Ok(note)
    }

    /// Keeps the text of a checkpoint before anybody sees it signed.
    fn hold(&self, text: &str) -> Result<(), SequencerError> {
        let Some(path) = &self.held_path else { return Ok(()) };
        keys::write_durably(path, text, 0o644).map_err(|source| SequencerError::Io { path: path.clone(), source })
    }

    /// An entry, with what shows that it is in a tree of that size; 0 means the size now.
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<(Vec<u8>, Proof, u64), SequencerError> {
        let state = self.caught_up()?;
        let size = if size == 0 { state.tree.size() } else { size };
        within(size, &state.tree)?;
        let proof = prove_inclusion(&state.tree, index, size)?;
        drop(state);
        let entry = self.log.entries(index, 1)?.pop().ok_or(ProofError::NotInTree { index, size })?;
        Ok((entry, proof, size))
    }

    /// What shows that the tree of one size begins with that of another; 0 means the size now.
    pub fn prove_consistency(&self, old: u64, size: u64) -> Result<(Proof, u64), SequencerError> {
        let state = self.caught_up()?;
        let size = if size == 0 { state.tree.size() } else { size };
        within(size, &state.tree)?;
        Ok((prove_consistency(&state.tree, old, size)?, size))
    }

    /// Entries from an index on, as many as fit an answer.
    pub fn entries(&self, from: u64, count: usize) -> Result<Vec<Vec<u8>>, SequencerError> {
        let size = self.log.head().size;
        if from > size {
            return Err(ProofError::NotInTree { index: from, size }.into());
        }
        let count = if count == 0 { ANSWER_ENTRIES } else { count.min(ANSWER_ENTRIES) };
        let mut entries = self.log.entries(from, count)?;
        let mut bytes = 0;
        let fitting = entries.iter().take_while(|entry| {
            bytes += entry.len();
            bytes <= ANSWER_BYTES
        });
        entries.truncate(fitting.count().max(1));
        Ok(entries)
    }

    /// A tile of hashes or a bundle of entries; none where the log is too small for it.
    pub fn tile(&self, path: &TilePath) -> Result<Option<Vec<u8>>, SequencerError> {
        if path.level().is_some() {
            return Ok(hash_tile(&self.caught_up()?.tree, path));
        }
        let entries = self.log.entries(path.first(), path.width() as usize)?;
        match entries.len() as u64 == path.width() {
            true => Ok(Some(bundle(entries.iter().map(Vec::as_slice))?)),
            false => Ok(None),
        }
    }
}

fn within(size: u64, tree: &Tree) -> Result<(), ProofError> {
    match tree.size() {
        now if size > now => Err(ProofError::NotInTree { index: size - 1, size: now }),
        _ => Ok(()),
    }
}
