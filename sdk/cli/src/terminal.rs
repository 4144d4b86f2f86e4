//! What the terminal may show: colour, and in which language.

use clap::ValueEnum;
use guiju_model::{Severity, Text};
use std::{borrow::Cow, env, io::IsTerminal};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    En,
    Zh,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// `1 version`, `2 versions`.
pub fn counted(count: usize, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// A text of others on one line, so that it cannot move the cursor, paint, or pass for a line of ours.
pub fn plain(text: &str) -> Cow<'_, str> {
    let is_told = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match text.contains(is_told) {
        false => Cow::Borrowed(text),
        true => text
            .chars()
            .map(|c| if is_told(c) { c.escape_default().to_string() } else { c.to_string() })
            .collect::<String>()
            .into(),
    }
}

/// Paints words, or leaves them as they are.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Lang {
    /// The language of the locale: LC_ALL over LC_MESSAGES over LANG.
    pub fn of_locale() -> Self {
        let set = |name: &&str| env::var(name).is_ok_and(|value| !value.is_empty());
        let name = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find(set);
        let value = name.and_then(|name| env::var(name).ok()).unwrap_or_default();
        if value.to_lowercase().starts_with("zh") { Self::Zh } else { Self::En }
    }

    pub fn of(self, text: &Text) -> &str {
        match self {
            Self::Zh if !text.zh.is_empty() => &text.zh,
            _ => &text.en,
        }
    }

    /// The one of two that is in this language.
    pub fn pick<'t>(self, en: &'t str, zh: &'t str) -> &'t str {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }
}

impl Paint {
    pub fn new(color: Color, stream: &impl IsTerminal) -> Self {
        let wanted = || env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && stream.is_terminal();
        Self { on: color == Color::Always || (color == Color::Auto && wanted()) }
    }

    fn with(self, sequence: &str, text: &str) -> String {
        if self.on { format!("\x1b[{sequence}m{text}\x1b[0m") } else { text.into() }
    }

    pub fn error(self, text: &str) -> String {
        self.with("1;31", text)
    }

    pub fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    pub fn quiet(self, text: &str) -> String {
        self.with("2", text)
    }

    pub fn help(self, text: &str) -> String {
        self.with("1;36", text)
    }

    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub fn severity(self, severity: Severity, text: &str) -> String {
        match severity {
            Severity::Error => self.with("1;31", text),
            Severity::Warning => self.with("1;33", text),
            Severity::Info => self.with("1;34", text),
        }
    }
}
