//! Why there is no answer, in the house form: what happened, where, what to do.

use crate::terminal::{Paint, plain};
use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

/// What a command found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Exit code 0.
    Conforms,
    /// Exit code 1.
    DoesNot,
    /// Exit code 2: something could not be judged; what it was has been said.
    NotJudged,
}

/// Why a command has no answer. Exit code 2.
#[derive(Debug)]
pub enum Failure {
    Said {
        message: String,
        places: Vec<String>,
        hint: Option<String>,
    },
    /// Whoever read our output has gone; there is nobody left to tell.
    Unheard,
}

pub type Answer = Result<Verdict, Failure>;

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self::Said { message: message.into(), places: Vec::new(), hint: None }
    }

    /// Adds a line that says where.
    pub fn at(mut self, place: impl Display) -> Self {
        if let Self::Said { places, .. } = &mut self {
            places.push(place.to_string());
        }
        self
    }

    /// Says what to do.
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Said { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// A file that could not be read or written, in words rather than in the system's numbers.
    pub fn file(doing: &str, path: impl Display, error: &io::Error) -> Self {
        let failure = Self::new(format!("`{path}` cannot be {doing}: {}", reason(error)));
        match error.kind() {
            ErrorKind::NotFound => failure.hint("look at the spelling; relative paths start at the folder you are in"),
            ErrorKind::PermissionDenied => failure.hint("ask for the right to it, or choose another place"),
            ErrorKind::StorageFull => failure.hint("make room on the disk and try again"),
            ErrorKind::ReadOnlyFilesystem => failure.hint("choose a place that can be written"),
            _ => failure,
        }
    }

    pub fn print(&self, paint: Paint) {
        let Self::Said { message, places, hint } = self else { return };
        // What others named or wrote may stand in any of them; lines are ours.
        let lines = |text: &str| text.split('\n').map(plain).collect::<Vec<_>>().join("\n");
        let mut said = format!("{} {}\n", paint.error("error:"), lines(message));
        places.iter().for_each(|place| said += &format!("  {}\n", lines(place)));
        if let Some(hint) = hint {
            said += &format!("{} {}\n", paint.help("hint:"), lines(hint));
        }
        // Where nobody can be told, the exit code and standard output still hold.
        let _ = io::stderr().write_all(said.as_bytes());
    }
}

pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".into(),
        ErrorKind::PermissionDenied => "permission is denied".into(),
        ErrorKind::AlreadyExists => "there is a file of that name".into(),
        ErrorKind::IsADirectory => "it is a folder".into(),
        ErrorKind::StorageFull => "the disk is full".into(),
        ErrorKind::FileTooLarge => "the file would be larger than this system allows".into(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        _ => error.to_string().to_lowercase(),
    }
}

/// Only what goes to standard output arrives here without a place: files name theirs through [`Failure::file`].
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::Unheard,
            _ => Self::new(format!("standard output cannot be written: {}", reason(&error))),
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Conforms => Self::SUCCESS,
            Verdict::DoesNot => Self::from(1),
            Verdict::NotJudged => Self::from(2),
        }
    }
}
