//! A record read strictly: every value knows where it stands in the source, and no digit is lost.
//!
//! # Invariants
//! - Any bytes give an answer; nesting is bounded, so no stack is exhausted.
//! - Numbers keep their digits; strings are what their escapes mean; a duplicate member is reported, never dropped silently.

use crate::{
    codes,
    record::{Pointer, Record, Scalar},
};
use guiju_model::{Finding, Place};
use serde_json::{Map, Number, Value};
use std::{borrow::Cow, collections::HashSet};

/// Index of a node in its tree; the root is the last.
pub(crate) type Index = usize;

#[derive(Debug)]
pub(crate) struct Node {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number,
    Text(String),
    Array(Vec<Index>),
    /// Name, where the name stands, value. A repeated name stands here once, with its last value.
    Object(Vec<(String, usize, Index)>),
}

/// A record as a tree over its source.
#[derive(Debug)]
pub(crate) struct Tree<'s> {
    source: &'s [u8],
    nodes: Vec<Node>,
    root: Index,
}

/// What reading gave: a tree unless the record is malformed, and what is wrong with the text itself.
pub(crate) struct Read<'s> {
    pub tree: Option<Tree<'s>>,
    pub findings: Vec<Finding>,
}

pub(crate) fn read(source: &[u8], depth_max: usize) -> Read<'_> {
    let mut reader = Reader { source, at: 0, nodes: Vec::new(), findings: Vec::new(), depth: 0, depth_max };
    if source.starts_with(b"\xef\xbb\xbf") {
        reader.at = 3;
        reader.report("bom-present", 0, &[]);
    }
    let root = match reader.document() {
        Ok(root) => Some(root),
        Err(Fault { code, at, args }) => {
            let args: Vec<(&str, &str)> = args.iter().map(|(name, value)| (*name, value.as_str())).collect();
            reader.report(code, at, &args);
            None
        }
    };
    let Reader { nodes, findings, .. } = reader;
    Read { tree: root.map(|root| Tree { source, nodes, root }), findings }
}

/// Line, column and offset of a byte of the source; lines and columns count from 1, columns in code points.
pub(crate) fn place(source: &[u8], offset: usize) -> Place {
    let before = &source[..offset.min(source.len())];
    let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
    let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let start = if start == 0 && source.starts_with(b"\xef\xbb\xbf") { 3.min(before.len()) } else { start };
    let column = before[start..].iter().filter(|byte| **byte & 0xC0 != 0x80).count() as u64 + 1;
    Place::Text { line, column, offset: offset as u64 }
}

struct Fault {
    code: &'static str,
    at: usize,
    args: Vec<(&'static str, String)>,
}

struct Reader<'s> {
    source: &'s [u8],
    at: usize,
    nodes: Vec<Node>,
    findings: Vec<Finding>,
    depth: usize,
    depth_max: usize,
}

type Parsed<T> = Result<T, Fault>;

impl Reader<'_> {
    fn report(&mut self, code: &'static str, at: usize, args: &[(&str, &str)]) {
        let mut finding = codes::finding(code, "", args);
        finding.place = Some(place(self.source, at));
        self.findings.push(finding);
    }

    fn document(&mut self) -> Parsed<Index> {
        self.space();
        if self.at == self.source.len() {
            return self.fault("json-empty", &[]);
        }
        let root = self.value()?;
        self.space();
        match self.at == self.source.len() {
            true => Ok(root),
            false => self.fault("trailing-content", &[]),
        }
    }

    fn fault<T>(&self, code: &'static str, args: &[(&'static str, &str)]) -> Parsed<T> {
        let args = args.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Err(Fault { code, at: self.at, args })
    }

    fn expected<T>(&self, what: &str) -> Parsed<T> {
        match self.source.get(self.at) {
            None => self.fault("json-malformed", &[("expected", what), ("found", "the end")]),
            Some(byte) if byte.is_ascii_graphic() => {
                self.fault("json-malformed", &[("expected", what), ("found", &format!("`{}`", char::from(*byte)))])
            }
            Some(byte) => self.fault("json-malformed", &[("expected", what), ("found", &format!("byte 0x{byte:02X}"))]),
        }
    }

    fn space(&mut self) {
        while matches!(self.source.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Parsed<Index> {
        let start = self.at;
        let kind = match self.source.get(self.at) {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Kind::Bool(true))?,
            Some(b'f') => self.word("false", Kind::Bool(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            Some(b'N' | b'I') => return self.fault("number-not-a-number", &[]),
            _ => return self.expected("a value"),
        };
        self.nodes.push(Node { start, end: self.at, kind });
        Ok(self.nodes.len() - 1)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Parsed<Kind>) -> Parsed<Kind> {
        if self.depth == self.depth_max {
            return self.fault("json-too-deep", &[("limit", &self.depth_max.to_string())]);
        }
        self.depth += 1;
        self.at += 1;
        let kind = read(self);
        self.depth -= 1;
        kind
    }

    fn word(&mut self, word: &str, kind: Kind) -> Parsed<Kind> {
        match self.source[self.at..].starts_with(word.as_bytes()) {
            true => {
                self.at += word.len();
                Ok(kind)
            }
            false => self.expected("a value"),
        }
    }

    fn array(&mut self) -> Parsed<Kind> {
        let mut items = Vec::new();
        self.space();
        if self.source.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(Kind::Array(items));
        }
        loop {
            self.space();
            items.push(self.value()?);
            self.space();
            match self.source.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Kind::Array(items));
                }
                _ => return self.expected("`,` or `]`"),
            }
        }
    }

    fn object(&mut self) -> Parsed<Kind> {
        let mut members: Vec<(String, usize, Index)> = Vec::new();
        let mut names = HashSet::new();
        self.space();
        if self.source.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(Kind::Object(members));
        }
        loop {
            self.space();
            let name_at = self.at;
            if self.source.get(self.at) != Some(&b'"') {
                return self.expected("a member name in double quotes");
            }
            let name = self.string()?;
            self.space();
            if self.source.get(self.at) != Some(&b':') {
                return self.expected("`:`");
            }
            self.at += 1;
            self.space();
            let value = self.value()?;
            if names.insert(name.clone()) {
                members.push((name, name_at, value));
            } else {
                self.duplicate(&mut members, name, name_at, value);
            }
            self.space();
            match self.source.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Kind::Object(members));
                }
                _ => return self.expected("`,` or `}`"),
            }
        }
    }

    fn duplicate(&mut self, members: &mut [(String, usize, Index)], name: String, at: usize, value: Index) {
        let Some(first) = members.iter_mut().find(|(known, ..)| *known == name) else { return };
        let Place::Text { line, .. } = place(self.source, first.1) else { return };
        (first.1, first.2) = (at, value);
        self.report("duplicate-key", at, &[("name", &name), ("first_line", &line.to_string())]);
    }

    fn number(&mut self) -> Parsed<Kind> {
        let digits = |reader: &mut Self| {
            let start = reader.at;
            while reader.source.get(reader.at).is_some_and(u8::is_ascii_digit) {
                reader.at += 1;
            }
            reader.at > start
        };
        if self.source.get(self.at) == Some(&b'-') {
            self.at += 1;
            if self.source.get(self.at) == Some(&b'I') {
                return self.fault("number-not-a-number", &[]);
            }
        }
        // `0` stands alone: digits behind it are an octal number or a code that should have been a string.
        if self.source.get(self.at) == Some(&b'0') && self.source.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            return self.fault("number-leading-zero", &[]);
        }
        if !digits(self) {
            return self.expected("a digit");
        }
        if self.source.get(self.at) == Some(&b'.') {
            self.at += 1;
            if !digits(self) {
                return self.expected("a digit after the decimal point");
            }
        }
        if matches!(self.source.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.source.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !digits(self) {
                return self.expected("a digit of the exponent");
            }
        }
        Ok(Kind::Number)
    }

    fn string(&mut self) -> Parsed<String> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let rest = &self.source[self.at..];
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)).unwrap_or(rest.len());
            text.extend_from_slice(&rest[..plain]);
            let chunk_at = self.at;
            self.at += plain;
            if let Err(error) = std::str::from_utf8(&rest[..plain]) {
                self.at = chunk_at + error.valid_up_to();
                let byte = format!("0x{:02X}", self.source[self.at]);
                return self.fault("utf8-invalid", &[("byte", &byte)]);
            }
            match self.source.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(String::from_utf8(text).unwrap_or_default());
                }
                Some(b'\\') => self.escape(&mut text)?,
                Some(byte) => {
                    let byte = format!("0x{byte:02X}");
                    return self.fault("control-character", &[("byte", &byte)]);
                }
                None => return self.expected("`\"`"),
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Parsed<()> {
        let start = self.at;
        let letter = self.source.get(self.at + 1).copied();
        self.at += 2;
        let plain = match letter {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode(start, text),
            _ => {
                self.at = start;
                return self.expected("an escape of JSON (\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u)");
            }
        };
        text.push(plain);
        Ok(())
    }

    fn unicode(&mut self, start: usize, text: &mut Vec<u8>) -> Parsed<()> {
        let first = self.hex()?;
        let scalar = match first {
            0xD800..0xDC00 if self.source[self.at..].starts_with(b"\\u") => {
                self.at += 2;
                let second = self.hex()?;
                (0xDC00..0xE000).contains(&second).then(|| 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
            }
            other => Some(other),
        };
        match scalar.and_then(char::from_u32) {
            Some(char) => {
                text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                Ok(())
            }
            None => {
                self.at = start;
                self.fault("surrogate-lone", &[("escape", &format!("\\u{first:04X}"))])
            }
        }
    }

    fn hex(&mut self) -> Parsed<u32> {
        let digits = self.source.get(self.at..self.at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        match digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        {
            Some(value) => {
                self.at += 4;
                Ok(value)
            }
            None => self.expected("four hexadecimal digits"),
        }
    }
}

impl<'s> Tree<'s> {
    pub fn root(&self) -> Index {
        self.root
    }

    pub fn node(&self, index: Index) -> &Node {
        &self.nodes[index]
    }

    /// What the source says at a node, as it is spelled.
    pub fn spelled(&self, index: Index) -> &'s str {
        let Node { start, end, .. } = self.nodes[index];
        std::str::from_utf8(&self.source[start..end]).unwrap_or_default()
    }

    pub fn member(&self, object: Index, name: &str) -> Option<Index> {
        match &self.nodes[object].kind {
            Kind::Object(members) => members.iter().find(|(known, ..)| known == name).map(|(.., value)| *value),
            _ => None,
        }
    }

    /// The node at a JSON Pointer, or the nearest one above it.
    pub fn nearest<'t>(&self, tokens: impl Iterator<Item = &'t str>) -> (Index, bool) {
        let mut at = self.root;
        for token in tokens {
            let next = match &self.nodes[at].kind {
                Kind::Array(items) => token.parse::<usize>().ok().and_then(|index| items.get(index)).copied(),
                _ => self.member(at, token),
            };
            match next {
                Some(next) => at = next,
                None => return (at, false),
            }
        }
        (at, true)
    }

    pub fn to_value(&self, index: Index) -> Value {
        match &self.nodes[index].kind {
            Kind::Null => Value::Null,
            Kind::Bool(truth) => Value::Bool(*truth),
            Kind::Number => self.spelled(index).parse::<Number>().map_or(Value::Null, Value::Number),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::Array(items) => Value::Array(items.iter().map(|item| self.to_value(*item)).collect()),
            Kind::Object(members) => {
                let each = members.iter().map(|(name, _, value)| (name.clone(), self.to_value(*value)));
                Value::Object(each.collect::<Map<_, _>>())
            }
        }
    }

    fn scalar(&self, index: Index) -> Scalar<'_> {
        match &self.nodes[index].kind {
            Kind::Null => Scalar::Null,
            Kind::Bool(truth) => Scalar::Bool(*truth),
            Kind::Number => Scalar::Number(Cow::Borrowed(self.spelled(index))),
            Kind::Text(text) => Scalar::Text(Cow::Borrowed(text)),
            Kind::Array(items) => Scalar::Other(items.len()),
            Kind::Object(members) => Scalar::Other(members.len()),
        }
    }
}

/// An object of the tree, as rules see it.
pub(crate) struct View<'t, 's> {
    pub tree: &'t Tree<'s>,
    pub at: Index,
}

impl Record for View<'_, '_> {
    fn get(&self, pointer: &Pointer) -> Option<Scalar<'_>> {
        let mut at = self.at;
        for token in pointer.tokens() {
            at = match &self.tree.node(at).kind {
                Kind::Array(items) => *items.get(token.parse::<usize>().ok()?)?,
                _ => self.tree.member(at, token)?,
            };
        }
        Some(self.tree.scalar(at))
    }
}
