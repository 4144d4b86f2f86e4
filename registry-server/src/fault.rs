//! Why a command cannot do its work: one line, and what to do about it.

use crate::{listen::ListenError, settings::SettingsError};

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    message: String,
    pub hint: String,
}

impl Fault {
    pub fn new(message: impl ToString, hint: impl Into<String>) -> Self {
        Self { message: message.to_string(), hint: hint.into() }
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
