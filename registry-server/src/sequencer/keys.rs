//! The log's secret on disk, and how it changes.
//!
//! `log-key/secret` signs. `log-key/first` is the key that the log began with, `log-key/rotation-1` and so on are the notes by
//! which each key names the next. While a key changes, `log-key/secret.new` is its successor; once the note is there, it counts.

use crate::disk::{self, Disk};
use guiju_tlog::{KeyError, KeyHistory, Note, Rotation, SigningKey, VerifierKey};
use sha2::{Digest as _, Sha256};
use std::{
    io,
    path::{Path, PathBuf},
};

/// What a log signs with, and how that came to be.
#[derive(Debug)]
pub struct LogKeys {
    pub signing: SigningKey,
    pub first: VerifierKey,
    pub rotations: Vec<Note>,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogKeyError {
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("`{}` is damaged: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("the log is named `{found}` and `log_origin` says `{wanted}`; a log keeps its name for ever")]
    OtherName { found: String, wanted: String },
    #[error("`log_origin`: {0}")]
    Name(KeyError),
    #[error(
        "`{}` holds no key, and {was}: with a new one this would be another log to all who know it", path.display()
    )]
    Gone { path: PathBuf, was: String },
    #[error("there is no randomness to make a key of: {0}")]
    Random(getrandom::Error),
}

impl LogKeys {
    /// The keys of a data folder, made where there are none.
    pub fn open(disk: &dyn Disk, folder: &Path, origin: Option<&str>) -> Result<Self, LogKeyError> {
        let secret = folder.join("secret");
        if !Self::are_in(disk, folder)? {
            let made = Self::in_memory(origin)?;
            disk::make_folder(disk, folder, 0o700).map_err(at(folder))?;
            write(disk, &folder.join("first"), &format!("{}\n", made.first), 0o644)?;
            write(disk, &secret, &format!("{}\n", made.signing.secret_text()), 0o600)?;
        }
        let keys = Self::read(disk, folder)?;
        match origin {
            Some(wanted) if wanted != keys.signing.name() => {
                Err(LogKeyError::OtherName { found: keys.signing.name().into(), wanted: wanted.into() })
            }
            _ => Ok(keys),
        }
    }

    /// Whether a folder holds a key, or a part of one that was changed.
    pub fn are_in(disk: &dyn Disk, folder: &Path) -> Result<bool, LogKeyError> {
        Ok(text(disk, &folder.join("secret"))?.is_some() || text(disk, &folder.join("rotation-1"))?.is_some())
    }

    /// A key that is gone when the server ends.
    pub fn in_memory(origin: Option<&str>) -> Result<Self, LogKeyError> {
        let seed = seed()?;
        let signing = match origin {
            Some(origin) => SigningKey::from_seed(origin, &seed),
            None => SigningKey::from_seed(&name_of(&seed), &seed),
        };
        let signing = signing.map_err(LogKeyError::Name)?;
        Ok(Self { first: signing.verifier(), signing, rotations: Vec::new() })
    }

    /// The keys of a data folder that has some.
    pub fn read(disk: &dyn Disk, folder: &Path) -> Result<Self, LogKeyError> {
        let damaged = |name: &str, why: String| LogKeyError::Damaged { path: folder.join(name), why };
        let first = text(disk, &folder.join("first"))?.ok_or_else(|| damaged("first", "it is not there".into()))?;
        let first: VerifierKey = first.trim_end().parse().map_err(|why| damaged("first", format!("{why}")))?;
        let mut rotations = Vec::new();
        while let name = format!("rotation-{}", rotations.len() + 1)
            && let Some(note) = text(disk, &folder.join(&name))?
        {
            rotations.push(Note::parse(note.as_bytes()).map_err(|why| damaged(&name, format!("{why}")))?);
        }
        // The server knows who it is; the root key is the concern of those who trust it.
        let history = trusting(&first, &rotations).map_err(|why| damaged("rotation-1", why))?;
        for name in ["secret", "secret.new"] {
            let Some(text) = text(disk, &folder.join(name))? else { continue };
            let signing =
                SigningKey::from_secret_text(text.trim_end()).map_err(|why| damaged(name, format!("{why}")))?;
            if signing.verifier() == *history.current() {
                return Ok(Self { signing, first, rotations });
            }
        }
        Err(damaged("secret", format!("it is not the secret of {}", history.current())))
    }

    /// What all may know: the first key, and how each named the next.
    pub fn public_text(&self) -> String {
        self.public_texts().last().unwrap_or_default()
    }

    /// The same, as it was before some of the changes, and as it is.
    pub fn public_texts(&self) -> impl Iterator<Item = String> {
        (0..=self.rotations.len()).map(|count| {
            let rotations = &self.rotations[..count];
            rotations.iter().fold(format!("{}\n", self.first), |text, note| format!("{text}\n{note}"))
        })
    }

    /// Puts a new key in the place of the old, from the given size of the log on. The old one signs that, and is then gone.
    pub fn rotate(disk: &dyn Disk, folder: &Path, size: u64) -> Result<Self, LogKeyError> {
        let old = Self::read(disk, folder)?;
        let new = SigningKey::from_seed(old.signing.name(), &seed()?).map_err(LogKeyError::Name)?;
        let (secret, successor) = (folder.join("secret"), folder.join("secret.new"));
        write(disk, &successor, &format!("{}\n", new.secret_text()), 0o600)?;
        let path = folder.join(format!("rotation-{}", old.rotations.len() + 1));
        let note = Rotation { size, old: old.signing.verifier(), key: new.verifier() }.note(&old.signing, &new);
        let note = note.map_err(|why| LogKeyError::Damaged { path: path.clone(), why: why.to_string() })?;
        write(disk, &path, &note.to_string(), 0o644)?;
        disk.rename(&successor, &secret).map_err(at(&secret))?;
        disk.sync_folder(folder).map_err(at(folder))?;
        Self::read(disk, folder)
    }
}

fn trusting(first: &VerifierKey, rotations: &[Note]) -> Result<KeyHistory, String> {
    KeyHistory::follow(first.clone(), None, rotations).map_err(|why| why.to_string())
}

/// A name that no other log has, for those who do not choose one.
fn name_of(seed: &[u8; 32]) -> String {
    let hash = Sha256::new_with_prefix("guiju log name").chain_update(seed).finalize();
    format!("guiju-log/{}", hash[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

pub fn seed() -> Result<[u8; 32], LogKeyError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(LogKeyError::Random)?;
    Ok(seed)
}

fn text(disk: &dyn Disk, path: &Path) -> Result<Option<String>, LogKeyError> {
    disk::read_text(disk, path).map_err(at(path))
}

fn write(disk: &dyn Disk, path: &Path, text: &str, mode: u32) -> Result<(), LogKeyError> {
    disk::write_durably(disk, path, text.as_bytes(), mode).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> LogKeyError + '_ {
    move |source| LogKeyError::Io { path: path.into(), source }
}
