//! What is believed of the log that is followed, kept in a file whose digest stands in its first line.

use crate::{
    Fault,
    disk::{self, Files},
};
use guiju::HeldLog;
use guiju_model::Digest;
use guiju_tlog::{Checkpoint, Edge};
use std::path::{Path, PathBuf};

/// Its keys, its last checkpoint that was followed to the end, and the edge of the tree up to there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub log: HeldLog,
    pub edge: Edge,
}

impl Held {
    pub fn to_text(&self) -> String {
        let HeldLog { first_key, current_key, checkpoint } = &self.log;
        let edge: String = self.edge.hashes().iter().map(|hash| format!("edge {hash}\n")).collect();
        let text = format!("first {first_key}\ncurrent {current_key}\n{edge}\n{checkpoint}");
        format!("{}\n{text}", Digest::of(text.as_bytes()))
    }

    /// None where it is not whole, or names an edge that is not of its checkpoint.
    pub fn of_text(text: &str) -> Option<Self> {
        let (digest, text) = text.split_once('\n')?;
        if Digest::of(text.as_bytes()).to_string() != digest {
            return None;
        }
        let (head, checkpoint) = text.split_once("\n\n")?;
        let checkpoint: Checkpoint = checkpoint.parse().ok()?;
        let mut lines = head.lines();
        let first_key = lines.next()?.strip_prefix("first ")?.parse().ok()?;
        let current_key = lines.next()?.strip_prefix("current ")?.parse().ok()?;
        let hashes = lines.map(|line| line.strip_prefix("edge ")?.parse().ok()).collect::<Option<_>>()?;
        let edge = Edge::kept(checkpoint.size, hashes)?;
        (edge.root() == checkpoint.root).then_some(Self { log: HeldLog { first_key, current_key, checkpoint }, edge })
    }
}

/// What is wrong with what a mirror holds of the other log, if anything is.
pub fn verify(data: &Path) -> Option<String> {
    read(&path(data)).err().map(|fault| fault.to_string())
}

pub fn path(data: &Path) -> PathBuf {
    data.join("mirror/held")
}

/// What is held, if anything is.
pub fn read(path: &Path) -> Result<Option<Held>, Fault> {
    let hint = "put it back from where it is kept safe, or move it away: then the other log is proved from its beginning again, \
                and the key that it names now is believed";
    let text =
        disk::read_text(&Files, path).map_err(|error| Fault::new(format!("{}: {error}", path.display()), hint))?;
    text.map(|text| Held::of_text(&text).ok_or_else(|| Fault::new(format!("{} is damaged", path.display()), hint)))
        .transpose()
}

/// For which namespaces the log was followed up to there, as `Follows::to_text` says it; none where nobody wrote it down.
pub fn sought(path: &Path) -> Result<Option<String>, Fault> {
    let path = path.with_file_name(SOUGHT);
    disk::read_text(&Files, &path).map_err(|error| {
        Fault::new(
            format!("{}: {error}", path.display()),
            "remove it: then the other log is read from its beginning again",
        )
    })
}

const SOUGHT: &str = "namespaces";

/// Puts it in the place of what was held before.
pub fn keep(path: &Path, text: &str, sought: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        disk::make_folder(&Files, folder, 0o777)?;
    }
    disk::write_durably(&Files, path, text.as_bytes(), 0o644)?;
    let path = path.with_file_name(SOUGHT);
    match disk::read_text(&Files, &path)?.as_deref() {
        Some(held) if held == sought => Ok(()),
        _ => disk::write_durably(&Files, &path, sought.as_bytes(), 0o644),
    }
}
