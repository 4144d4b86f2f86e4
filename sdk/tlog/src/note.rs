//! Text with signatures: C2SP signed-note, and the cosignatures of C2SP tlog-cosignature on it.

use crate::key::{KeyKind, SigningKey, VerifierKey, is_name};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fmt;

const NOTE_BYTES_MAX: usize = 64 << 10;
const SIGNATURES_MAX: usize = 64;

/// A text that ends in a newline, and its signatures. Nothing is known of them until a key has verified one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One line under a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    id: u32,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    #[error("the note has more than {NOTE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the note is not text in UTF-8 without control characters")]
    NotText,
    #[error("the note has no text that ends in an empty line with signatures behind it")]
    NoSignatures,
    #[error("the note has more than {SIGNATURES_MAX} signatures")]
    TooMany,
    #[error("signature {0} is not written as a dash, a name and base64")]
    Signature(usize),
    #[error("the signature of `{name}` does not belong to this text: the text was changed, or the signature forged")]
    Forged { name: String },
}

impl Note {
    /// A text without signatures as yet. It must end in a newline and hold no other control characters.
    pub fn unsigned(text: String) -> Result<Self, NoteError> {
        match is_text(&text) && text.ends_with('\n') {
            true => Ok(Self { text, signatures: Vec::new() }),
            false => Err(NoteError::NotText),
        }
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge);
        }
        let note = std::str::from_utf8(bytes).ok().filter(|note| is_text(note)).ok_or(NoteError::NotText)?;
        let at = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, lines) = (&note[..=at], &note[at + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
        let signature = |(number, line)| signature(line).ok_or(NoteError::Signature(number + 1));
        let signatures: Vec<_> = lines.split('\n').enumerate().map(signature).collect::<Result<_, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::TooMany);
        }
        Ok(Self { text: text.into(), signatures })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Signs the text, after what signatures there are.
    pub fn sign(&mut self, key: &SigningKey) {
        let bytes = key.signs(self.text.as_bytes()).to_vec();
        self.add(NoteSignature { name: key.name().into(), id: key.verifier().id(), bytes });
    }

    /// Signs the text and a time in seconds since 1970, as a witness does.
    pub fn cosign(&mut self, key: &SigningKey, time_s: u64) {
        let signature = key.signs(cosigned(time_s, &self.text).as_bytes());
        let bytes = [time_s.to_be_bytes().as_slice(), &signature].concat();
        let id = key.verifier().of_kind(KeyKind::Cosignature).id();
        self.add(NoteSignature { name: key.name().into(), id, bytes });
    }

    /// Puts a signature under the note that somebody else made, in place of an older one by the same key.
    pub fn add(&mut self, signature: NoteSignature) {
        self.signatures.retain(|known| (&known.name, known.id) != (&signature.name, signature.id));
        self.signatures.push(signature);
    }

    /// The signatures, for adding to a note with the same text.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Whether a key has signed this note. A signature of that key that does not hold spoils the note.
    pub fn is_signed_by(&self, key: &VerifierKey) -> Result<bool, NoteError> {
        Ok(self.verified(key)?.is_some())
    }

    /// The time at which a key has cosigned this note, if it has: the latest where it did so more than once.
    pub fn cosigned_at(&self, key: &VerifierKey) -> Result<Option<u64>, NoteError> {
        self.verified(&key.of_kind(KeyKind::Cosignature))
    }

    /// The latest time among the signatures of a key; 0 for a kind without.
    fn verified(&self, key: &VerifierKey) -> Result<Option<u64>, NoteError> {
        let id = key.id();
        let by_key = self.signatures.iter().filter(|signature| signature.name == key.name() && signature.id == id);
        let times = by_key.map(|signature| {
            let time = match key.kind() {
                KeyKind::Note => key.verifies(self.text.as_bytes(), &signature.bytes).then_some(0),
                KeyKind::Cosignature => cosignature_time(key, &self.text, &signature.bytes),
            };
            time.ok_or_else(|| NoteError::Forged { name: key.name().into() })
        });
        times.collect::<Result<Vec<_>, _>>().map(|times| times.into_iter().max())
    }
}

/// Text, an empty line, and a line for each signature.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.to_be_bytes().as_slice(), &self.bytes].concat();
        write!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

fn signature(line: &str) -> Option<NoteSignature> {
    let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(base64).ok().filter(|bytes| bytes.len() > 4 && is_name(name))?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    Some(NoteSignature { name: name.into(), id: u32::from_be_bytes(*id), bytes: bytes.to_vec() })
}

fn cosigned(time_s: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

fn cosignature_time(key: &VerifierKey, text: &str, bytes: &[u8]) -> Option<u64> {
    let (time, signature) = bytes.split_first_chunk::<8>()?;
    let time_s = u64::from_be_bytes(*time);
    let holds = time_s <= i64::MAX as u64 && key.verifies(cosigned(time_s, text).as_bytes(), signature);
    holds.then_some(time_s)
}

fn is_text(text: &str) -> bool {
    !text.chars().any(|c| c < ' ' && c != '\n')
}
