//! Versions on disk, by digest. Safe under any number of processes: a file appears whole or not at all, and is checked when read.

use crate::{HeldLog, Lock, LockError};
use guiju_model::{Content, Date, Digest, Manifest, Status};
use guiju_tlog::{Hash, VerifierKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    #[error("the cache folder `{}` cannot be written: {source}; name another one with GUIJU_CACHE", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// How the name ends of a file that was not what its name says.
const ASIDE: &str = "damaged";

/// A file of the cache that somebody, or a failing disk, has changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Changed {
    pub path: PathBuf,
    /// Where it was put; none where it could not be moved.
    pub moved_to: Option<PathBuf>,
}

/// A folder of versions: `<digest>/manifest` and the files that judging needs, by their own digests.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// `$GUIJU_CACHE`, else `$XDG_CACHE_HOME/guiju`, else `$HOME/.cache/guiju`.
    pub fn of_user() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = var("GUIJU_CACHE")
            .or_else(|| var("XDG_CACHE_HOME").map(|home| home.join("guiju")))
            .or_else(|| var("HOME").map(|home| home.join(".cache/guiju")));
        Self::at(folder.unwrap_or_else(|| std::env::temp_dir().join("guiju-cache")))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A version that is there and whole. A damaged file is set aside and counts as absent; [`Cache::changed`] tells of it.
    pub fn get(&self, digest: &Digest) -> Option<Content> {
        let bytes = self.blob(digest)?;
        let manifest = Manifest::from_canonical(&bytes).ok()?;
        let mut files = BTreeMap::new();
        for (name, file) in manifest.files.iter().filter(|(name, _)| !name.starts_with("examples/")) {
            files.insert(name.clone(), self.blob(file)?);
        }
        Some(Content { manifest, files })
    }

    /// Which files of a version, and of those that it refers to, were found changed and are not there any more, or are still there.
    pub fn changed(&self, digest: &Digest) -> Vec<Changed> {
        let (mut found, mut wanted, mut seen) = (Vec::new(), vec![*digest], BTreeSet::new());
        while let Some(digest) = wanted.pop() {
            if !seen.insert(digest) {
                continue;
            }
            let (path, aside) = (self.path(&digest), self.path(&digest).with_extension(ASIDE));
            let bytes = fs::read(&path).ok().filter(|bytes| Digest::of(bytes) == digest);
            match bytes.map(|bytes| Manifest::from_canonical(&bytes)) {
                Some(Ok(manifest)) => {
                    let files = manifest.files.iter().filter(|(name, _)| !name.starts_with("examples/"));
                    wanted.extend(files.map(|(_, file)| *file));
                    wanted.extend(manifest.dependencies.iter().map(|dependency| dependency.digest));
                }
                Some(Err(_)) => {}
                None if path.exists() => found.push(Changed { path, moved_to: None }),
                None if aside.exists() => found.push(Changed { path, moved_to: Some(aside) }),
                None => {}
            }
        }
        found.sort();
        found
    }

    fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let bytes = fs::read(&path).ok()?;
        if Digest::of(&bytes) == *digest {
            return Some(bytes);
        }
        // Whoever looks later may want to know what was there; nobody may take it for what it is not.
        let _ = fs::rename(&path, path.with_extension(ASIDE));
        None
    }

    pub fn put(&self, content: &Content) -> Result<(), CacheError> {
        for bytes in content.files.values() {
            self.write(bytes)?;
        }
        // The manifest last: where it is, all it names is.
        self.write(&content.manifest.to_canonical())
    }

    /// The proof that is kept of a version in the tree with that root. Whoever asks verifies it.
    pub fn proof(&self, digest: &Digest, root: Hash) -> Option<Vec<u8>> {
        fs::read(self.proof_path(digest, root)).ok()
    }

    pub fn put_proof(&self, digest: &Digest, root: Hash, bytes: &[u8]) -> Result<(), CacheError> {
        let written = write_whole(&self.proof_path(digest, root), bytes);
        written.map_err(|source| CacheError::Io { path: self.folder.clone(), source })
    }

    /// What a registry last said of a version, with the first day on which it is not in effect and what to use instead; none where it was
    /// never asked. It is nothing that was proved.
    pub fn standing(&self, digest: &Digest) -> Option<(Status, Option<Date>, String)> {
        let text = fs::read_to_string(self.standing_path(digest)).ok()?;
        let mut words = text.trim_end_matches('\n').splitn(3, ' ');
        let (status, until) = (words.next()?.parse().ok()?, words.next()?);
        let until = if until == "-" { None } else { Some(until.parse().ok()?) };
        Some((status, until, words.next()?.to_owned()))
    }

    pub fn put_standing(
        &self,
        digest: &Digest,
        status: Status,
        until: Option<Date>,
        successor: &str,
    ) -> Result<(), CacheError> {
        let until = until.map_or("-".into(), |day| day.to_string());
        let (path, text) = (self.standing_path(digest), format!("{status} {until} {successor}\n"));
        // Most often it is what it was.
        if fs::read_to_string(&path).is_ok_and(|known| known == text) {
            return Ok(());
        }
        write_whole(&path, text.as_bytes()).map_err(|source| CacheError::Io { path: self.folder.clone(), source })
    }

    fn standing_path(&self, digest: &Digest) -> PathBuf {
        self.path(digest).with_extension("standing")
    }

    /// What is remembered of the log that began with a key: the newest checkpoint of it that was proved, for whatever project.
    pub fn log(&self, first_key: &VerifierKey) -> Result<Option<HeldLog>, LockError> {
        Ok(Lock::read(&self.log_path(first_key))?.log().cloned())
    }

    /// Remembers a log as far as it was proved, unless more of it is remembered by now.
    pub fn remember_log(&self, log: &HeldLog) -> Result<(), LockError> {
        let path = self.log_path(log.keys.first());
        let fault = |source| LockError::Io { path: path.clone(), source };
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(fault)?;
        // Of two at once the one that knows less must not come last. It is let go when the file is closed.
        let one_at_a_time = fs::File::create(folder.join("in-use")).map_err(fault)?;
        one_at_a_time.lock().map_err(fault)?;
        let mut kept = Lock::read(&path)?;
        let known = |log: &HeldLog| (log.checkpoint.size, log.keys.ranges().count());
        if kept.log().is_some_and(|kept| known(kept) >= known(log)) {
            return Ok(());
        }
        kept.hold_log(log.clone());
        kept.write()
    }

    /// Where a log is remembered.
    pub fn log_path(&self, first_key: &VerifierKey) -> PathBuf {
        self.folder.join("logs").join(&Digest::of(first_key.to_string().as_bytes()).hex()[..32])
    }

    /// Projects that share the cache may hold different checkpoints, so each tree has a proof of its own.
    fn proof_path(&self, digest: &Digest, root: Hash) -> PathBuf {
        let tree: String = root.as_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        self.path(digest).with_extension(format!("{tree}.proof"))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder.join(&hex[..2]).join(hex)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), CacheError> {
        let path = self.path(&Digest::of(bytes));
        if let Ok(found) = fs::read(&path) {
            if found == bytes {
                return Ok(());
            }
            let _ = fs::rename(&path, path.with_extension(ASIDE));
        }
        write_whole(&path, bytes).map_err(|source| CacheError::Io { path: self.folder.clone(), source })
    }
}

/// Writes a file so that others see it whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut making = tempfile::Builder::new();
    // As any other file that a program writes: a lock is read by others than who made it.
    #[cfg(unix)]
    making.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = making.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_data()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
