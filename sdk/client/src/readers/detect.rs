//! What an input is, by its bytes and never by its name.

use serde::de::IgnoredAny;
use std::{fmt, str::FromStr};

/// How records follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One document.
    Json,
    /// One document a line.
    Ndjson,
    /// One array, an item a record.
    JsonArray,
    /// A header line, then a record a row.
    Csv,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "ndjson" => Ok(Self::Ndjson),
            "json-array" => Ok(Self::JsonArray),
            "csv" => Ok(Self::Csv),
            _ => Err(format!("`{text}` is not a format; use one of json, ndjson, json-array, csv")),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::JsonArray => "json-array",
            Self::Csv => "csv",
        })
    }
}

/// How a text is written in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    /// With GBK and GB 2312, which are parts of it.
    Gb18030,
}

impl FromStr for Encoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "utf-8" => Ok(Self::Utf8),
            "gb18030" => Ok(Self::Gb18030),
            _ => Err(format!("`{text}` is not an encoding that is read; use utf-8 or gb18030")),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "utf-8",
            Self::Gb18030 => "gb18030",
        })
    }
}

/// The format of a text that begins so. `is_all` says that this is the whole of it.
pub(super) fn format(head: &[u8], is_all: bool) -> Format {
    let text = head.trim_ascii_start();
    match text.first() {
        Some(b'{') => match first_line_is_whole(text) {
            // A whole document on the first line, and more behind it.
            Some(rest) if !rest.trim_ascii_start().is_empty() || !is_all => Format::Ndjson,
            // Its first line goes on behind what was looked at: what follows is on lines of its own, if anything does.
            None if !is_all && !text.contains(&b'\n') => Format::Ndjson,
            _ => Format::Json,
        },
        Some(b'[') => match first_line_is_whole(text) {
            Some(rest) if matches!(rest.trim_ascii_start().first(), Some(b'[')) => Format::Ndjson,
            _ => Format::JsonArray,
        },
        None => Format::Json,
        // Values by themselves, as the records of a code list are. A table of one column may begin so, too, with a name in quotes or a
        // number; whoever has one says that it is a table.
        Some(_) => {
            let end = text.iter().position(|byte| *byte == b'\n');
            let line = &text[..end.unwrap_or(text.len())];
            match is_values(line) && (end.is_some() || is_all) {
                true if end.is_some_and(|end| !text[end..].trim_ascii().is_empty()) => Format::Ndjson,
                true if !is_all => Format::Ndjson,
                true => Format::Json,
                false => Format::Csv,
            }
        }
    }
}

/// Whether a line is a JSON value by itself, or several by mistake. Between texts in quotes there is more in a table, and in what has
/// a tab in it.
fn is_values(line: &[u8]) -> bool {
    match line.trim_ascii() {
        b"NaN" | b"Infinity" | b"-Infinity" => true,
        text @ [b'"', ..] => serde_json::from_slice::<String>(text).is_ok(),
        line if line.contains(&b'\t') => false,
        line => serde_json::Deserializer::from_slice(line).into_iter::<IgnoredAny>().all(|value| value.is_ok()),
    }
}

/// What follows the first line, where a value that begins on it ends on it.
fn first_line_is_whole(text: &[u8]) -> Option<&[u8]> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match (in_string, byte) {
            (_, b'\n') => return None,
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_string = false,
            (true, _) => {}
            (false, b'"') => in_string = true,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    let rest = &text[at + 1..];
                    let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
                    return rest[..end].trim_ascii().is_empty().then_some(&rest[end..]);
                }
            }
            _ => {}
        }
    }
    None
}
