//! Extends the Merkle tree with what was appended, and signs checkpoints.
//!
//! # Invariants
//! - A leaf is an entry as the log stores it. The tree is made of the log, and can be thrown away.
//! - No checkpoint is signed that does not begin with every one signed before: the last is kept on disk, and a log that does not
//!   begin with it, as after an old backup was put in its place, is refused.
//! - No entry is served whose hash is not the leaf of the tree: an engine may give other bytes than it gave before.

mod keys; // the secret on disk, and how it changes

pub use keys::{LogKeyError, LogKeys, seed};

use crate::{
    disk::{self, Disk},
    log::{Agreed, Log, LogError},
};
use guiju_tlog::{
    BundleError, Checkpoint, Hash, Nodes, Note, NoteError, NoteSignature, Proof, ProofError, TilePath, Tree, bundle,
    hash_tile, prove_consistency, prove_inclusion, root,
};
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How long a checkpoint is given again before it is signed anew, so that its time shows that the log is alive.
const SIGNED_FOR_MS: u64 = 10_000;
/// How long a checkpoint waits for witnesses who are being asked for it.
const WITNESSES_WITHIN: Duration = Duration::from_secs(3);
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
    #[error("another server gave the log a new key; copy its folder `log-key` here, and start again")]
    OtherKey,
    #[error(
        "the log does not begin with the {size} entries that `{}` says were signed: entries were lost or changed, or \
         that file was; signing on would show everyone two histories", path.display()
    )]
    Diverged { size: u64, path: PathBuf },
    #[error(
        "entry {index} of the log is not what it was when it was taken in, so it is not served; it was lost or changed since"
    )]
    Changed { index: u64 },
}

/// Names of what the servers of one log agree on: its public keys, and the last checkpoint that one of them was to sign.
pub const LOG_KEY: &str = "log-key";
pub const CHECKPOINT: &str = "checkpoint";

pub struct Sequencer {
    log: Arc<dyn Log>,
    keys: LogKeys,
    clock_ms: fn() -> u64,
    /// Where the last checkpoint is kept; a log in memory keeps none.
    held: Option<(Arc<dyn Disk>, PathBuf)>,
    state: Mutex<State>,
    expects_witnesses: AtomicBool,
    witnesses_answered: Condvar,
}

#[derive(Default)]
struct State {
    tree: Tree,
    signed: Option<Signed>,
    /// The last checkpoint that witnesses were asked for, with what they gave.
    cosigned: Option<(Checkpoint, Note)>,
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
        held: Option<(Arc<dyn Disk>, PathBuf)>,
        clock_ms: fn() -> u64,
    ) -> Result<Self, SequencerError> {
        let (state, expects_witnesses, witnesses_answered) = Default::default();
        let sequencer = Self { log, keys, clock_ms, held, state, expects_witnesses, witnesses_answered };
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
        let Some((disk, path)) = self.held.clone() else { return Ok(None) };
        let text = match disk::read_text(&*disk, &path) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(None),
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
        self.extend(&mut state.tree)?;
        Ok(state)
    }

    fn extend(&self, tree: &mut Tree) -> Result<(), LogError> {
        loop {
            let entries = self.log.entries(tree.size(), ENTRIES)?;
            if entries.is_empty() {
                return Ok(());
            }
            entries.iter().for_each(|entry| tree.push(Hash::of_entry(entry)));
        }
    }

    /// How many entries there are.
    pub fn size(&self) -> Result<u64, LogError> {
        Ok(self.caught_up()?.tree.size())
    }

    /// The signed checkpoint of all entries there are. While witnesses are being asked for it, it waits for them a little.
    pub fn checkpoint(&self) -> Result<Arc<str>, SequencerError> {
        let mut state = match self.caught_up() {
            Err(error @ LogError::Unavailable { .. }) => return self.last_signed().ok_or(error.into()),
            caught_up => caught_up?,
        };
        if self.expects_witnesses.load(Ordering::Relaxed) {
            let is_asking = |state: &mut State| {
                state.cosigned.as_ref().is_none_or(|(checkpoint, _)| checkpoint.size < state.tree.size())
            };
            let waited = self.witnesses_answered.wait_timeout_while(state, WITNESSES_WITHIN, is_asking);
            state = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
        self.signed(state)
    }

    /// For those who take an old answer of a server that is cut off; others were refused before.
    fn last_signed(&self) -> Option<Arc<str>> {
        let state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.signed.as_ref().map(|signed| signed.note.clone())
    }

    /// The same, at once, for the witnesses.
    pub fn own_checkpoint(&self) -> Result<Note, SequencerError> {
        Ok(Note::parse(self.signed(self.caught_up()?)?.as_bytes())?)
    }

    /// From now on checkpoints wait until `cosigned` was told of them.
    pub fn expect_witnesses(&self) {
        self.expects_witnesses.store(true, Ordering::Relaxed);
    }

    /// Takes in what the witnesses gave for a checkpoint, beside what they gave for it before.
    pub fn cosigned(&self, checkpoint: &Checkpoint, signatures: Vec<NoteSignature>) -> Result<(), SequencerError> {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut note = match state.cosigned.take() {
            Some((known, note)) if known == *checkpoint => note,
            _ => Note::unsigned(checkpoint.to_string())?,
        };
        signatures.into_iter().for_each(|signature| note.add(signature));
        state.cosigned = Some((checkpoint.clone(), note));
        state.signed = None;
        self.witnesses_answered.notify_all();
        Ok(())
    }

    fn signed(&self, mut state: MutexGuard<'_, State>) -> Result<Arc<str>, SequencerError> {
        let time_ms = (self.clock_ms)();
        if let Some(signed) = &state.signed
            && signed.size == state.tree.size()
            && time_ms.saturating_sub(signed.time_ms) < SIGNED_FOR_MS
        {
            return Ok(signed.note.clone());
        }
        let mut checkpoint = self.of(&state.tree)?;
        if state.signed.as_ref().is_none_or(|signed| signed.size != checkpoint.size) {
            if let Some(agreed) = self.log.agreed() {
                checkpoint = self.agreed_checkpoint(agreed, &mut state.tree)?;
            }
            self.hold(&checkpoint.to_string())?;
        }
        let (size, text) = (checkpoint.size, checkpoint.to_string());
        let mut note = Note::unsigned(text)?;
        note.sign(&self.keys.signing);
        note.cosign(&self.keys.signing, time_ms / 1000);
        if let Some((_, cosigned)) = state.cosigned.as_ref().filter(|(known, _)| *known == checkpoint) {
            cosigned.signatures().iter().for_each(|signature| note.add(signature.clone()));
        }
        let note: Arc<str> = note.to_string().into();
        state.signed = Some(Signed { size, time_ms, note: note.clone() });
        Ok(note)
    }

    fn of(&self, tree: &Tree) -> Result<Checkpoint, SequencerError> {
        Ok(Checkpoint {
            origin: self.keys.signing.name().to_owned(),
            size: tree.size(),
            root: root(tree, tree.size())?,
        })
    }

    /// The checkpoint of all there is, once it stands in the place of the last that any of the servers was to sign. It begins
    /// with that one, so that whatever each of them reads, together they tell one history.
    fn agreed_checkpoint(&self, agreed: &dyn Agreed, tree: &mut Tree) -> Result<Checkpoint, SequencerError> {
        if agreed.text(LOG_KEY)?.is_some_and(|text| text != self.keys.public_text()) {
            return Err(SequencerError::OtherKey);
        }
        loop {
            let (text, mut last) = (agreed.text(CHECKPOINT)?, None);
            if let Some(text) = &text {
                let path = || PathBuf::from("the cluster's last checkpoint");
                let before: Checkpoint =
                    text.parse().map_err(|why| SequencerError::Held { path: path(), why: format!("{why}") })?;
                if before.size > tree.size() {
                    self.extend(tree)?;
                }
                if before.origin != self.keys.signing.name() || root(tree, before.size) != Ok(before.root) {
                    return Err(SequencerError::Diverged { size: before.size, path: path() });
                }
                last = Some(before);
            }
            let checkpoint = self.of(tree)?;
            if last.as_ref() == Some(&checkpoint) {
                return Ok(checkpoint);
            }
            match (agreed.replace(CHECKPOINT, text.as_deref(), &checkpoint.to_string()), last) {
                (Ok(true), _) => return Ok(checkpoint),
                (Ok(false), _) => {}
                // Of a cluster that takes no writes the last one that was agreed on is still read.
                (Err(LogError::NoSpace { .. }), Some(last)) => return Ok(last),
                (Err(error), _) => return Err(error.into()),
            }
        }
    }

    /// Keeps the text of a checkpoint before anybody sees it signed.
    fn hold(&self, text: &str) -> Result<(), SequencerError> {
        let Some((disk, path)) = &self.held else { return Ok(()) };
        disk::write_durably(&**disk, path, text.as_bytes(), 0o644)
            .map_err(|source| SequencerError::Io { path: path.clone(), source })
    }

    /// An entry, with what shows that it is in a tree of that size; 0 means the size now.
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<(Vec<u8>, Proof, u64), SequencerError> {
        let state = self.caught_up()?;
        let size = if size == 0 { state.tree.size() } else { size };
        within(size, &state.tree)?;
        let proof = prove_inclusion(&state.tree, index, size)?;
        drop(state);
        let entry = self.whole(index, 1)?.pop().ok_or(ProofError::NotInTree { index, size })?;
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
        let size = self.log.head()?.size;
        if from > size {
            return Err(ProofError::NotInTree { index: from, size }.into());
        }
        let count = if count == 0 { ANSWER_ENTRIES } else { count.min(ANSWER_ENTRIES) };
        let mut entries = self.whole(from, count)?;
        let mut bytes = 0;
        let fitting = entries.iter().take_while(|entry| {
            bytes += entry.len();
            bytes <= ANSWER_BYTES
        });
        entries.truncate(fitting.count().max(1));
        Ok(entries)
    }

    /// Entries as the log gives them, each held against the tree.
    fn whole(&self, from: u64, count: usize) -> Result<Vec<Vec<u8>>, SequencerError> {
        let entries = self.log.entries(from, count)?;
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Most were taken in long ago: then the log, which may be far away, is not asked again.
        if state.tree.size() < from + entries.len() as u64 {
            self.extend(&mut state.tree)?;
        }
        for (index, entry) in (from..).zip(&entries) {
            if state.tree.node(0, index) != Some(Hash::of_entry(entry)) {
                return Err(SequencerError::Changed { index });
            }
        }
        Ok(entries)
    }

    /// A tile of hashes or a bundle of entries; none where the log is too small for it.
    pub fn tile(&self, path: &TilePath) -> Result<Option<Vec<u8>>, SequencerError> {
        if path.level().is_some() {
            return Ok(hash_tile(&self.caught_up()?.tree, path));
        }
        let entries = self.whole(path.first(), path.width() as usize)?;
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
