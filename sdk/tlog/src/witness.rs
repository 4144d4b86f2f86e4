//! What a log asks of a witness, and whether a witness may cosign: the body of C2SP tlog-witness, and its judgement.
//!
//! ```text
//! old 20
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! <a checkpoint as a signed note>
//! ```

use crate::{Checkpoint, Hash, Note, NoteError, Proof, VerifierKey};
use std::fmt;

const BODY_BYTES_MAX: usize = 128 << 10;
/// More than any proof of a tree with 2^48 entries has.
const HASHES_MAX: usize = 63;

/// A checkpoint to be cosigned, with what shows that it begins with the one that the witness saw last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessing {
    pub old_size: u64,
    pub proof: Proof,
    pub note: Note,
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessFault {
    #[error("the request is not written as an old size, the hashes of a proof, an empty line and a checkpoint: {0}")]
    Form(String),
    #[error("this witness knows no log `{0}`")]
    UnknownLog(String),
    #[error("the checkpoint is not signed by a key that this witness knows for the log: {0}")]
    Unsigned(String),
    /// The size that the log should prove growth from, or at which it has shown two roots.
    #[error("this witness has seen the log with {held} entries")]
    Conflict { held: u64 },
    #[error("the proof does not show that the log begins with what this witness has seen")]
    Inconsistent,
}

impl Witnessing {
    pub fn parse(body: &[u8]) -> Result<Self, WitnessFault> {
        let form = |why: &str| WitnessFault::Form(why.into());
        if body.len() > BODY_BYTES_MAX {
            return Err(form("it is too large"));
        }
        let text = std::str::from_utf8(body).map_err(|_| form("it is not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or_else(|| form("there is no empty line"))?;
        let mut lines = head.split('\n');
        let old =
            lines.next().and_then(|line| line.strip_prefix("old ")).ok_or_else(|| form("there is no old size"))?;
        let old_size = old.parse().ok().filter(|size: &u64| size.to_string() == old);
        let hashes: Vec<Hash> =
            lines.map(str::parse).collect::<Result<_, _>>().map_err(|why| form(&format!("{why}")))?;
        if hashes.len() > HASHES_MAX {
            return Err(form("the proof has too many hashes"));
        }
        let note = Note::parse(note.as_bytes()).map_err(|why| form(&why.to_string()))?;
        Ok(Self { old_size: old_size.ok_or_else(|| form("the old size is no number"))?, proof: Proof(hashes), note })
    }

    /// The log that it is about, as it says itself.
    pub fn checkpoint(&self) -> Result<Checkpoint, WitnessFault> {
        self.note.text().parse().map_err(|why| WitnessFault::Form(format!("{why}")))
    }

    /// Whether a witness that trusts these keys, and saw the log last with the checkpoint that it holds, may cosign.
    pub fn judge(&self, logs: &[VerifierKey], held: Option<&Checkpoint>) -> Result<Checkpoint, WitnessFault> {
        let new = self.checkpoint()?;
        let mut keys = logs.iter().filter(|key| key.name() == new.origin).peekable();
        if keys.peek().is_none() {
            return Err(WitnessFault::UnknownLog(new.origin));
        }
        let signed: Result<Vec<bool>, NoteError> = keys.map(|key| self.note.is_signed_by(key)).collect();
        match signed {
            Err(why) => return Err(WitnessFault::Unsigned(why.to_string())),
            Ok(signed) if !signed.contains(&true) => return Err(WitnessFault::Unsigned("no such signature".into())),
            Ok(_) => {}
        }
        if self.old_size > new.size {
            return Err(WitnessFault::Form("the old size is larger than the checkpoint's".into()));
        }
        let held_size = held.map_or(0, |held| held.size);
        let is_other = held.is_some_and(|held| held.size == new.size && held.root != new.root);
        if self.old_size != held_size || is_other {
            return Err(WitnessFault::Conflict { held: held_size });
        }
        let old_root = held.map_or_else(Hash::of_nothing, |held| held.root);
        let grown = self.proof.shows_growth((self.old_size, old_root), (new.size, new.root));
        grown.map(|()| new).map_err(|_| WitnessFault::Inconsistent)
    }
}

impl fmt::Display for Witnessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.0.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}
