//! How rules and code lists read a record, whatever tree holds it.

use std::{borrow::Cow, fmt};

/// An object whose members can be read by pointer. Rules see the object that declares them as the root.
pub trait Record {
    /// What stands at the pointer; none where the record has no such member.
    fn get(&self, pointer: &Pointer) -> Option<Scalar<'_>>;
}

/// What stands at a place of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    Text(Cow<'a, str>),
    /// As the source spells it, so that no digit is lost.
    Number(Cow<'a, str>),
    Bool(bool),
    Null,
    /// An array or an object with so many items or members.
    Other(usize),
}

/// A JSON Pointer (RFC 6901), taken apart once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    text: Box<str>,
    tokens: Box<[Box<str>]>,
}

impl Pointer {
    /// None where the text is neither empty nor begins with `/`, or escapes anything but `~0` and `~1`.
    pub fn parse(text: &str) -> Option<Self> {
        let tokens = match text.strip_prefix('/') {
            None if text.is_empty() => Box::default(),
            None => return None,
            Some(rest) => rest.split('/').map(token).collect::<Option<_>>()?,
        };
        Some(Self { text: text.into(), tokens })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the first token of this name; the whole where there is none.
    pub(crate) fn before(&self, name: &str) -> Self {
        self.rebuilt(self.tokens().take_while(|token| *token != name))
    }

    /// With another name in place of this one.
    pub(crate) fn with(&self, name: &str, other: &str) -> Self {
        self.rebuilt(self.tokens().map(|token| if token == name { other } else { token }))
    }

    /// Without its first token.
    pub(crate) fn below(&self) -> Self {
        self.rebuilt(self.tokens().skip(1))
    }

    fn rebuilt<'t>(&self, tokens: impl Iterator<Item = &'t str>) -> Self {
        let tokens: Box<[Box<str>]> = tokens.map(Into::into).collect();
        let text: String = tokens.iter().map(|token| format!("/{}", crate::json::escape(token))).collect();
        Self { text: text.into(), tokens }
    }

    /// The names on the way down, with `~0` and `~1` read.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(|token| &**token)
    }
}

fn token(text: &str) -> Option<Box<str>> {
    let is_escaped = |rest: &str| rest.starts_with(['0', '1']);
    text.split('~').skip(1).all(is_escaped).then(|| crate::json::unescape(text).into())
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Record for serde_json::Value {
    fn get(&self, pointer: &Pointer) -> Option<Scalar<'_>> {
        let mut value = self;
        for token in pointer.tokens() {
            value = match value {
                Self::Object(members) => members.get(token)?,
                Self::Array(items) => items.get(token.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(match value {
            Self::String(text) => Scalar::Text(Cow::Borrowed(text)),
            Self::Number(number) => Scalar::Number(Cow::Owned(number.to_string())),
            Self::Bool(is) => Scalar::Bool(*is),
            Self::Null => Scalar::Null,
            Self::Array(items) => Scalar::Other(items.len()),
            Self::Object(members) => Scalar::Other(members.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointer_reads_escapes_and_refuses_others() {
        let tokens = |text: &str| Pointer::parse(text).map(|p| p.tokens().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(tokens(""), Some(vec![]));
        assert_eq!(tokens("/a~1b/~01"), Some(vec!["a/b".into(), "~1".into()]));
        assert_eq!((tokens("a"), tokens("/~2"), tokens("/a~")), (None, None, None));
    }
}
