//! Names and Ed25519 keys, as the text forms of C2SP signed-note.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// The text of a note.
    Note = 1,
    /// The text of a checkpoint and a time: "as of then it is the largest I have seen, and it is consistent".
    Cosignature = 4,
}

/// Who signs, and how that is verified: `name+id+key`, the id in hex, kind and key as base64.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    key: ed25519_dalek::VerifyingKey,
}

/// A secret key with its name: `PRIVATE+KEY+name+id+key`. It is not shown by `Debug`.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    #[error("`{0}` is no name for a key: it must not be empty nor hold spaces, control characters or `+`")]
    Name(String),
    #[error("a key that others verify with is written name+id+key")]
    Form,
    #[error("a secret key is written PRIVATE+KEY+name+id+key")]
    SecretForm,
    #[error(
        "the key is of a kind that this program does not know; it takes Ed25519 keys, 1 for notes and 4 for cosignatures"
    )]
    Kind,
    #[error("the key is none of Ed25519, or a weak one")]
    Weak,
    #[error("the id does not belong to the name and the key; one of them was changed")]
    Id,
}

impl VerifierKey {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// What stands before a signature: the beginning of the SHA-256 of name, kind and key.
    pub fn id(&self) -> u32 {
        let hash = Sha256::new_with_prefix(&self.name).chain_update([b'\n', self.kind as u8]).chain_update(self.key);
        hash.finalize()[..4].iter().fold(0, |id, byte| id << 8 | u32::from(*byte))
    }

    /// The 32 bytes that two keys have in common if they are one key under two names.
    pub fn bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The same key for the other kind of signature.
    pub fn of_kind(&self, kind: KeyKind) -> Self {
        Self { kind, ..self.clone() }
    }

    /// Strict: one encoding for each signature, no weak keys.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // The key may hold a `+` of its own.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let (kind, key) = decoded(key).ok_or(KeyError::Form)?;
        let kind = match kind {
            1 => KeyKind::Note,
            4 => KeyKind::Cosignature,
            _ => return Err(KeyError::Kind),
        };
        let key = key.try_into().map_err(|_| KeyError::Form)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&key).ok().filter(|key| !key.is_weak());
        let key = Self { name: checked_name(name)?, kind, key: key.ok_or(KeyError::Weak)? };
        if id == format!("{:08x}", key.id()) { Ok(key) } else { Err(KeyError::Id) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id(), encoded(self.kind as u8, self.key.as_bytes()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl SigningKey {
    /// A key from 32 bytes that nobody else can guess.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        Ok(Self { name: checked_name(name)?, key: ed25519_dalek::SigningKey::from_bytes(seed) })
    }

    /// Reads what `secret_text` wrote.
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.strip_prefix("PRIVATE+KEY+").ok_or(KeyError::SecretForm)?.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::SecretForm);
        };
        let (1, seed) = decoded(key).ok_or(KeyError::SecretForm)? else { return Err(KeyError::Kind) };
        let key = Self::from_seed(name, &seed.try_into().map_err(|_| KeyError::SecretForm)?)?;
        if id == format!("{:08x}", key.verifier().id()) { Ok(key) } else { Err(KeyError::Id) }
    }

    /// The secret as text. Whoever reads it can sign.
    pub fn secret_text(&self) -> String {
        format!("PRIVATE+KEY+{}+{:08x}+{}", self.name, self.verifier().id(), encoded(1, &self.key.to_bytes()))
    }

    /// What others verify its notes with.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), kind: KeyKind::Note, key: self.key.verifying_key() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn signs(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the secret of {}", self.verifier())
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

fn checked_name(name: &str) -> Result<String, KeyError> {
    if is_name(name) { Ok(name.into()) } else { Err(KeyError::Name(name.into())) }
}

fn encoded(kind: u8, key: &[u8; 32]) -> String {
    STANDARD.encode([&[kind], key.as_slice()].concat())
}

/// Kind and key.
fn decoded(text: &str) -> Option<(u8, Vec<u8>)> {
    let bytes = STANDARD.decode(text).ok()?;
    bytes.split_first().map(|(kind, key)| (*kind, key.to_vec()))
}
