//! Why a command cannot do its work: one line, and what to do about it.

use crate::{listen::ListenError, settings::SettingsError};

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    message: String,
    pub hint: String,
    /// 1 where a command found what it looks for, 2 where it could not do its work.
    pub exit_code: u8,
    /// More of the same, one a line.
    pub details: Vec<String>,
}

impl Fault {
    pub fn new(message: impl ToString, hint: impl Into<String>) -> Self {
        Self { message: message.to_string(), hint: hint.into(), exit_code: 2, details: Vec::new() }
    }

    /// With another hint, and a list of all that is the matter.
    pub fn listing(self, details: Vec<String>, hint: &str) -> Self {
        Self { details, hint: hint.into(), ..self }
    }

    /// The command did its work, and this is what it found.
    pub fn found(self) -> Self {
        Self { exit_code: 1, ..self }
    }
}

impl From<SettingsError> for Fault {
    fn from(error: SettingsError) -> Self {
        Self::new(&error, error.hint())
    }
}

impl From<ListenError> for Fault {
    fn from(error: ListenError) -> Self {
        Self::new(&error, error.hint())
    }
}
