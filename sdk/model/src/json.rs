//! JSON documents, read as strictly as records are.
//!
//! # Invariants
//! - A member given twice is refused: which of the two counts is not known, and readers differ in which they take.
//! - Numbers keep the spelling they have in the text.

use serde_json::Value;
use std::collections::BTreeSet;

/// Why bytes are not taken as a JSON document. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("not a JSON document: {0}")]
    Malformed(String),
    #[error("not a JSON document: it begins with a byte order mark; save it as UTF-8 without one")]
    Mark,
    #[error("not a JSON document: line {line}, column {column}: the bytes are not UTF-8; save it as UTF-8")]
    Encoding { line: usize, column: usize },
    #[error("line {line}, column {column}: the member `{pointer}` is given twice; keep one")]
    Twice { line: usize, column: usize, pointer: String },
}

/// Reads one document.
pub fn read_json(bytes: &[u8]) -> Result<Value, JsonError> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError::Mark);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = place(bytes, error.valid_up_to());
        JsonError::Encoding { line, column }
    })?;
    let value = serde_json::from_str(text).map_err(|error| JsonError::Malformed(error.to_string()))?;
    match twice(bytes) {
        Some((at, pointer)) => {
            let (line, column) = place(bytes, at);
            Err(JsonError::Twice { line, column, pointer })
        }
        None => Ok(value),
    }
}

/// The line and column of a place before which all is UTF-8.
fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = String::from_utf8_lossy(&bytes[..at]);
    let last = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, last.chars().count() + 1)
}

/// An object or list that is not closed yet.
enum Open {
    Object { names: BTreeSet<String>, name: Option<String> },
    List { index: usize },
}

/// Where in a document, which is JSON, a member is first given again, and its pointer.
fn twice(document: &[u8]) -> Option<(usize, String)> {
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while at < document.len() {
        match (document[at], open.last_mut()) {
            (b'{', _) => open.push(Open::Object { names: BTreeSet::new(), name: None }),
            (b'[', _) => open.push(Open::List { index: 0 }),
            (b'}' | b']', _) => drop(open.pop()),
            (b',', Some(Open::Object { name, .. })) => *name = None,
            (b',', Some(Open::List { index })) => *index += 1,
            (b'"', holder) => {
                let length = string(&document[at..]);
                if let Some(Open::Object { names, name: name @ None }) = holder {
                    let read: String = serde_json::from_slice(&document[at..at + length]).unwrap_or_default();
                    let is_new = names.insert(read.clone());
                    *name = Some(read);
                    if !is_new {
                        return Some((at, pointer(&open)));
                    }
                }
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The length of the string at the start, with its quotes.
fn string(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

fn pointer(open: &[Open]) -> String {
    let token = |open: &Open| match open {
        Open::Object { name, .. } => crate::pointer::escape(name.as_deref().unwrap_or_default()).to_string(),
        Open::List { index } => index.to_string(),
    };
    open.iter().map(|open| format!("/{}", token(open))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &[u8]) -> String {
        read_json(text).unwrap_err().to_string()
    }

    #[test]
    fn a_member_given_twice_is_refused_where_it_stands_again() {
        for (text, said) in [
            (r#"{"a": 1, "a": 1}"#, "line 1, column 10: the member `/a` "),
            (
                "{\"甲\": [0, {\"x\\\"}\": \"a\",\n  \"b\": {}, \"\\u0062\": 2}]}",
                "line 2, column 12: the member `/甲/1/b` ",
            ),
            (r#"{"a": {"a": "a"}, "b/c": {"d": "{", "d": "}"}}"#, "line 1, column 37: the member `/b~1c/d` "),
            (r#"[{"a": "\\"}, {"": 1, "": 2}]"#, "line 1, column 23: the member `/1/` "),
        ] {
            assert!(why(text.as_bytes()).starts_with(said), "{text}: {}", why(text.as_bytes()));
        }
        for text in [r#"{"a": {"a": {"a": "a"}}, "b": ["a", "a", {"a": 1}, {"a": 1}]}"#, r#""a""#, "[]", "1.0"] {
            assert_eq!(read_json(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        }
    }

    #[test]
    fn what_is_no_text_is_told_as_such() {
        assert!(why(b"\xef\xbb\xbf{}").contains("byte order mark"));
        assert!(why(b"{\"a\":\n \"\xb9\xe6\"}").contains("line 2, column 3: the bytes are not UTF-8"));
        assert!(why(b"{").starts_with("not a JSON document: EOF"));
    }
}
