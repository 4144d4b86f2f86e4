//! The old key names the new: how a log changes the key that it signs with, and who may sign for which sizes.
//!
//! A rotation is a note that the old key, or a root key that is kept offline, and the new key have signed:
//! ```text
//! guiju/key-rotation/v1
//! example.org/log
//! 1024
//! example.org/log+9c1f5d6e+AbCd…
//! example.org/log+55aa66bb+ARst…
//! ```
//! From a log of 1024 entries on, the second key signs; up to 1024, the first one. Sizes are the measure of validity because they
//! need no clock and a proof binds them. Each note names the key it ends, so that none can be left out.

use crate::{Note, NoteError, SIZE_MAX, SigningKey, VerifierKey};

const HEAD: &str = "guiju/key-rotation/v1";

/// One change of key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The log's size at which the new key takes over.
    pub size: u64,
    pub old: VerifierKey,
    pub key: VerifierKey,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("rotation {0} is not written as a head, a log's name, a size, the old key and the new")]
    Form(usize),
    #[error("rotation {number} is of the log `{found}`, not of `{wanted}`")]
    OtherLog { number: usize, found: String, wanted: String },
    #[error("rotation {0} takes effect before the one ahead of it")]
    Order(usize),
    #[error("rotation {0} ends another key than the one that signed ahead of it")]
    OtherKey(usize),
    #[error("the log has signed with the key {key}, and no rotation leads to it any more")]
    Forgotten { key: String },
    #[error("rotation {number} is not signed by {by}")]
    Unsigned { number: usize, by: &'static str },
    #[error("the log says that the key {key} signs from {found} entries on, and said {held} before")]
    Moved { key: String, held: u64, found: u64 },
}

impl Rotation {
    /// The note that both keys sign. In place of the old one, the root key may.
    pub fn note(&self, old_or_root: &SigningKey, new: &SigningKey) -> Result<Note, NoteError> {
        let Self { size, old, key } = self;
        let mut note = Note::unsigned(format!("{HEAD}\n{}\n{size}\n{old}\n{key}\n", key.name()))?;
        note.sign(old_or_root);
        note.sign(new);
        Ok(note)
    }

    /// What a note changes. Nothing is known of who signed it.
    pub fn of_note(note: &Note) -> Result<Self, RotationError> {
        Self::parse(note.text(), 1).map(|(_, rotation)| rotation)
    }

    fn parse(text: &str, number: usize) -> Result<(&str, Self), RotationError> {
        let form = || RotationError::Form(number);
        let lines: Vec<&str> = text.strip_suffix('\n').ok_or_else(form)?.split('\n').collect();
        let [HEAD, origin, size, old, key] = lines[..] else { return Err(form()) };
        let parsed = size.parse().ok().filter(|parsed: &u64| parsed.to_string() == size && *parsed <= SIZE_MAX);
        let [old, key] = [old, key].map(|key| key.parse().map_err(|_| form()));
        let rotation = Self { size: parsed.ok_or_else(form)?, old: old?, key: key? };
        Ok((origin, rotation))
    }
}

/// Every key that a log has signed with, each with the size from which it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHistory {
    keys: Vec<(u64, VerifierKey)>,
}

impl KeyHistory {
    /// A log that has never changed its key.
    pub fn single(key: VerifierKey) -> Self {
        Self { keys: vec![(0, key)] }
    }

    /// Goes from a key that is trusted through the rotations, in their order. Where a root key is given, it must have signed
    /// each of them; else the key before must have.
    pub fn follow(trusted: VerifierKey, root: Option<&VerifierKey>, notes: &[Note]) -> Result<Self, RotationError> {
        let mut history = Self::single(trusted);
        for (number, note) in (1..).zip(notes) {
            history.take(number, root, note)?;
        }
        Ok(history)
    }

    fn take(&mut self, number: usize, root: Option<&VerifierKey>, note: &Note) -> Result<(), RotationError> {
        let (since, old) = self.latest();
        let (origin, rotation) = Rotation::parse(note.text(), number)?;
        let names = [origin, rotation.key.name()];
        if let Some(found) = names.into_iter().find(|found| *found != old.name()) {
            return Err(RotationError::OtherLog { number, found: found.into(), wanted: old.name().into() });
        }
        if rotation.old != *old {
            return Err(RotationError::OtherKey(number));
        }
        if rotation.size < since {
            return Err(RotationError::Order(number));
        }
        let (signer, by) = root.map_or((old, "the key before it"), |root| (root, "the root key"));
        if !note.is_signed_by(signer)? {
            return Err(RotationError::Unsigned { number, by });
        }
        if !note.is_signed_by(&rotation.key)? {
            return Err(RotationError::Unsigned { number, by: "the new key" });
        }
        self.keys.push((rotation.size, rotation.key));
        Ok(())
    }

    /// What was once followed and then written down: the first key, and the later ones with the sizes from which they sign. None where
    /// these are not in order, or of several logs. A later key since 0 is one of which nobody wrote down since when.
    pub fn remembered(first: VerifierKey, later: Vec<(u64, VerifierKey)>) -> Option<Self> {
        let mut history = Self::single(first);
        for (since, key) in later {
            let (before, last) = history.latest();
            if since < before || key.name() != last.name() {
                return None;
            }
            history.keys.push((since, key));
        }
        Some(history)
    }

    fn latest(&self) -> (u64, &VerifierKey) {
        self.keys.last().map(|(since, key)| (*since, key)).expect("a history begins with a key")
    }

    /// The key that signs now.
    pub fn current(&self) -> &VerifierKey {
        self.latest().1
    }

    /// The key that the log began with.
    pub fn first(&self) -> &VerifierKey {
        &self.keys[0].1
    }

    /// Every key, with the smallest and the greatest size that it signs; the last has no greatest.
    pub fn ranges(&self) -> impl Iterator<Item = (&VerifierKey, u64, Option<u64>)> {
        let ends = self.keys.iter().skip(1).map(|(since, _)| Some(*since)).chain([None]);
        self.keys.iter().zip(ends).map(|((since, key), end)| (key, *since, end))
    }

    /// Whether this goes on from what was remembered of the log: the same keys in the same order, each from the same size.
    pub fn follows(&self, held: &Self) -> Result<(), RotationError> {
        let mut rest = self.keys.iter();
        for (since, key) in &held.keys {
            let Some((found, _)) = rest.find(|(_, known)| known == key) else {
                return Err(RotationError::Forgotten { key: key.to_string() });
            };
            if *since > 0 && found != since {
                return Err(RotationError::Moved { key: key.to_string(), held: *since, found: *found });
            }
        }
        Ok(())
    }

    /// The keys that may sign a log of that size: two where one took over from the other there.
    pub fn keys_at(&self, size: u64) -> impl Iterator<Item = &VerifierKey> {
        let held = self.ranges();
        held.filter(move |(_, since, end)| *since <= size && end.is_none_or(|end| size <= end)).map(|(key, ..)| key)
    }
}
