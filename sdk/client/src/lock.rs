//! `guiju.lock`: which exact versions this project uses. One line a version, sorted, fit for merging.
//!
//! ```text
//! # guiju.lock 1: written by guiju, do not edit
//! bj.population/person@^2 2.1.0 sha256:… 17
//! ```
//!
//! A line is a reference as it was asked for, the version and digest it was resolved to, and the index of the log entry that
//! published it, or `-` where it came from no log; and, of a version that is held for records of a day, that day (`… 17 2025-01-01`).
//! One more line holds the log's first key and the checkpoint that every later
//! one must begin with:
//! ```text
//! log registry.example.org/log+9c1f5d6e+AbCd… 42 CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! ```
//! Where the log has changed its key, each later one follows with the size from which it signs, so that what an earlier one signed can
//! go on being verified with no network. One later key without a size is of a program that did not write these down.

use crate::cache::write_whole;
use guiju_model::{Date, Digest, Reference, Resolution};
use guiju_tlog::{Checkpoint, KeyHistory, VerifierKey};
use semver::Version;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

const HEAD: &str = "# guiju.lock 1: written by guiju, do not edit";

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("`{}` line {line}: {why}; take the line out, or the whole file, and run `guiju lock`", path.display())]
    Line { path: PathBuf, line: usize, why: String },
    #[error("`{reference}` is not in `{}`; run `guiju lock`, without --locked", path.display())]
    Missing { path: PathBuf, reference: Reference },
    #[error(
        "`{}` says that {standard} {version} is {locked}, and it is {found}: the lock was changed by hand, or the registry \
         serves another history; find out which, then take the line out and run `guiju lock`", path.display()
    )]
    Other { path: PathBuf, standard: String, version: Version, locked: Digest, found: Digest },
}

/// One pinned version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub resolution: Resolution,
    pub log_index: Option<u64>,
    /// It was asked for as what governs records of this day, and serves for these, whatever became of it since.
    pub as_of: Option<Date>,
}

/// What is believed of the log that pins are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLog {
    /// The key that the log began with, and those that followed from it.
    pub keys: KeyHistory,
    pub checkpoint: Checkpoint,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    path: PathBuf,
    log: Option<HeldLog>,
    pins: BTreeMap<String, Pin>,
}

impl Lock {
    /// Reads a lockfile; an absent one is empty.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let mut lock = Self { path: path.into(), log: None, pins: BTreeMap::new() };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(lock),
            Err(source) => return Err(LockError::Io { path: path.into(), source }),
        };
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(line) = line.strip_prefix("log ") {
                let log = held(line).map_err(|why| LockError::Line { path: path.into(), line: number + 1, why })?;
                if lock.log.replace(log).is_some() {
                    let why = "the log is held twice, as after a merge".into();
                    return Err(LockError::Line { path: path.into(), line: number + 1, why });
                }
                continue;
            }
            let (reference, pin) =
                pin(line).map_err(|why| LockError::Line { path: path.into(), line: number + 1, why })?;
            if lock.pins.insert(reference.clone(), pin).is_some() {
                let why = format!("`{reference}` is pinned twice, as after a merge");
                return Err(LockError::Line { path: path.into(), line: number + 1, why });
            }
        }
        Ok(lock)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The log that pins are in, as it was last believed.
    pub fn log(&self) -> Option<&HeldLog> {
        self.log.as_ref()
    }

    pub fn hold_log(&mut self, log: HeldLog) {
        self.log = Some(log);
    }

    pub fn get(&self, reference: &Reference) -> Option<&Pin> {
        self.pins.get(&reference.to_string())
    }

    /// The pin of a reference, where the lock must have one.
    pub fn require(&self, reference: &Reference) -> Result<&Pin, LockError> {
        self.get(reference).ok_or_else(|| LockError::Missing { path: self.path.clone(), reference: reference.clone() })
    }

    pub fn pins(&self) -> impl Iterator<Item = (&str, &Pin)> {
        self.pins.iter().map(|(reference, pin)| (reference.as_str(), pin))
    }

    pub fn pin(&mut self, reference: &Reference, pin: Pin) {
        self.pins.insert(reference.to_string(), pin);
    }

    pub fn remove(&mut self, reference: &Reference) {
        self.pins.remove(&reference.to_string());
    }

    /// Whether what was found is what is locked.
    pub fn agree(&self, reference: &Reference, found: &Resolution) -> Result<(), LockError> {
        match self.get(reference) {
            Some(pin) if pin.resolution.version == found.version && pin.resolution.digest != found.digest => {
                Err(LockError::Other {
                    path: self.path.clone(),
                    standard: found.standard.to_string(),
                    version: found.version.clone(),
                    locked: pin.resolution.digest,
                    found: found.digest,
                })
            }
            _ => Ok(()),
        }
    }

    pub fn write(&self) -> Result<(), LockError> {
        write_whole(&self.path, self.to_string().as_bytes())
            .map_err(|source| LockError::Io { path: self.path.clone(), source })
    }
}

impl std::fmt::Display for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{HEAD}")?;
        if let Some(HeldLog { keys, checkpoint }) = &self.log {
            write!(f, "log {} {} {}", keys.first(), checkpoint.size, checkpoint.root)?;
            keys.ranges().skip(1).try_for_each(|(key, since, _)| match since {
                0 => write!(f, " {key}"),
                since => write!(f, " {since} {key}"),
            })?;
            writeln!(f)?;
        }
        for (reference, Pin { resolution, log_index, as_of }) in &self.pins {
            let index = log_index.map_or("-".into(), |index| index.to_string());
            let day = as_of.map_or(String::new(), |day| format!(" {day}"));
            writeln!(f, "{reference} {} {} {index}{day}", resolution.version, resolution.digest)?;
        }
        Ok(())
    }
}

fn held(line: &str) -> Result<HeldLog, String> {
    let parts: Vec<&str> = line.split(' ').collect();
    let [first, size, root, later @ ..] = parts.as_slice() else {
        return Err(
            "a log is its first key, a size, a root, and later keys, each behind the size from which it signs".into()
        );
    };
    let key = |text: &str| text.parse::<VerifierKey>().map_err(|why| format!("{why}"));
    let (first, mut known, mut later) = (key(first)?, Vec::new(), later);
    while let [word, rest @ ..] = later {
        (later, known) = match (word.parse(), rest) {
            (Ok(since), [next, rest @ ..]) => (rest, [known, vec![(since, key(next)?)]].concat()),
            _ => (rest, [known, vec![(0, key(word)?)]].concat()),
        };
    }
    // A checkpoint's text has one spelling; so does this line.
    let checkpoint = format!("{}\n{size}\n{root}\n", first.name()).parse().map_err(|why| format!("{why}"))?;
    let keys = KeyHistory::remembered(first, known).ok_or("its later keys are not in order, or of another log")?;
    Ok(HeldLog { keys, checkpoint })
}

fn pin(line: &str) -> Result<(String, Pin), String> {
    let last = line.rsplit_once(' ').and_then(|(before, last)| Some((before, last.parse::<Date>().ok()?)));
    let (line, as_of) = last.map_or((line, None), |(before, day)| (before, Some(day)));
    // A requirement may hold spaces, `>=1, <3`; what follows it does not.
    let mut parts = line.rsplitn(4, ' ');
    let (Some(index), Some(digest), Some(version), Some(reference)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(
            "a line is a reference, a version, a digest and a log index, and a day where one was asked for".into()
        );
    };
    let reference: Reference = reference.parse().map_err(|error| format!("{error}"))?;
    let version: Version = version.parse().map_err(|error| format!("`{version}` is not a version: {error}"))?;
    let digest: Digest = digest.parse().map_err(|error| format!("{error}"))?;
    let log_index = match index {
        "-" => None,
        index => Some(index.parse().map_err(|_| format!("`{index}` is not a log index"))?),
    };
    if !reference.admits(&version, &digest) {
        return Err(format!("{version} does not satisfy `{reference}`"));
    }
    let resolution = Resolution { standard: reference.standard().clone(), version, digest };
    Ok((reference.to_string(), Pin { resolution, log_index, as_of }))
}
