//! A tree's size and root, as the text of a note: C2SP tlog-checkpoint.

use crate::{Hash, SIZE_MAX};
use std::{fmt, str::FromStr};

/// What a log says of itself. Nothing follows from it until its note is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, a line of text.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    #[error("a checkpoint is an origin, a size and a root, each on a line that is not empty")]
    Lines,
    #[error("`{0}` is not the size of a log: write a number without leading zeros, at most {SIZE_MAX}")]
    Size(String),
    #[error("`{0}` is not a root: write 32 bytes as base64")]
    Root(String),
}

/// Lines of extension are taken and left aside, as clients must.
impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<&str> = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n').collect();
        let [origin, size, root, ..] = lines[..] else { return Err(CheckpointError::Lines) };
        if lines.contains(&"") {
            return Err(CheckpointError::Lines);
        }
        let number = size.parse().ok().filter(|number: &u64| number.to_string() == size && *number <= SIZE_MAX);
        let number = number.ok_or_else(|| CheckpointError::Size(size.into()))?;
        let hash = root.parse().map_err(|_| CheckpointError::Root(root.into()))?;
        Ok(Self { origin: origin.into(), size: number, root: hash })
    }
}

/// The text of its note.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)
    }
}
