//! A record read strictly into an arena: every value knows where it stands in the source, and no digit is lost.
//!
//! # Invariants
//! - Any bytes give an answer. Reading does not recurse, so no nesting exhausts the stack; deeper than the limit is refused.
//! - Numbers keep their digits; strings are what their escapes mean.
//! - A member given twice is reported. The tree shows the last, as most readers would.
//! - Looking up a member or an item costs the logarithm of their number at most.

use crate::{
    program::code_points,
    record::{Pointer, Record, Scalar},
};
use guiju_model::Date;

pub(crate) use guiju_model::pointer::{escape, unescape};
use jsonschema::{
    JsonType,
    json::{Array, Json, JsonNumber, Node as EngineNode, NodeIdentity, Object},
};
use serde_json::{Map, Number, Value};
use std::{
    borrow::Cow,
    cell::{Cell, OnceCell},
    collections::HashSet,
};

/// A record as an arena over its source, in the order of the source: a container, then what is in it.
#[derive(Debug, Default)]
pub(crate) struct Document<'s> {
    source: &'s str,
    entries: Vec<Entry>,
    /// Strings that have escapes, read.
    read: Vec<Box<str>>,
    /// Of large containers: items in order, or names sorted.
    index: Vec<u32>,
    /// "Today", for what is asked of the record inside the engine.
    pub reference_date: Option<Date>,
    /// How often the engine may still ask for a value. Once spent, every value looks like null: whatever the schema, it ends.
    fuel: Cell<u64>,
    /// What an error takes beside what it is about; of the standard.
    pub wording: Wording,
    /// Bytes that errors may still take.
    room: Cell<u64>,
    /// Of each entry, what an error about it takes.
    weights: OnceCell<Box<[u64]>>,
}

/// Bytes that an error takes in words of the standard, at most.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wording {
    /// For places, patterns, names, constants.
    pub bytes: u64,
    /// For each item of the array that it is about.
    pub bytes_an_item: u64,
}

/// Deeper records are refused whatever the caller allows.
pub(crate) const DEPTH_MAX: usize = 256;

/// What the engine may ask of any record, and for each value more of it.
pub(crate) const FUEL: u64 = 4 << 20;
pub(crate) const FUEL_PER_VALUE: u64 = 1 << 10;
/// What one error takes of it. The engine keeps each, with its place, until it has all: a branch that fails under branches that fail
/// is kept as often as there are ways to it.
const FUEL_PER_ERROR: u64 = 1 << 8;
/// What all errors of a record may take in memory. The engine gives none before it has all.
pub(crate) const ROOM: u64 = 64 << 20;
/// What one takes beside words, with the finding that is made of it.
pub(crate) const BYTES_PER_ERROR: u64 = 1 << 10;

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    end: u32,
    /// The entry behind this one and all that is in it.
    next: u32,
    /// Items or members of a container; of an escaped string, where it was read to.
    count: u32,
    /// Where the index of a large container begins.
    index: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    False,
    True,
    Number,
    Text,
    EscapedText,
    Array,
    Object,
    Name,
    EscapedName,
    /// A name that stands again further on.
    HiddenName,
}

/// The place of an item in a path, with its sign.
pub(crate) const ITEM_BYTES: u64 = 8;
/// Containers with more than this are indexed.
const SMALL: u32 = 16;
/// Offsets are 32 bits wide.
const SOURCE_BYTES_MAX: usize = u32::MAX as usize;

/// What is wrong with the text of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextFault {
    pub code: &'static str,
    pub offset: usize,
    pub args: Vec<(&'static str, String)>,
    /// The same for the Chinese message, where they differ.
    pub args_zh: Vec<(&'static str, String)>,
}

impl TextFault {
    fn new(code: &'static str, offset: usize) -> Self {
        Self { code, offset, args: Vec::new(), args_zh: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.args.push((name, value.to_string()));
        self
    }
}

/// What reading gave.
pub(crate) struct Read<'s> {
    /// None where the text is not JSON; the last fault says why.
    pub document: Option<Document<'s>>,
    pub faults: Vec<TextFault>,
    /// Members given twice.
    pub twice: Vec<Twice>,
}

/// A member given twice: the object, where the names stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Twice {
    pub object: u32,
    first: u32,
    second: u32,
}

/// Reads one JSON document.
pub(crate) fn read(source: &[u8], depth_max: usize) -> Read<'_> {
    let mut faults = Vec::new();
    if source.len() > SOURCE_BYTES_MAX {
        let fault = TextFault::new("record-too-large", 0).with("bytes", source.len()).with("limit", SOURCE_BYTES_MAX);
        return Read { document: None, faults: vec![fault], twice: Vec::new() };
    }
    let (text, broken) = match std::str::from_utf8(source) {
        Ok(text) => (text, None),
        Err(error) => {
            (std::str::from_utf8(&source[..error.valid_up_to()]).unwrap_or_default(), Some(error.valid_up_to()))
        }
    };
    let start = if text.starts_with('\u{FEFF}') { 3 } else { 0 };
    if start > 0 {
        faults.push(TextFault::new("bom-present", 0));
    }
    let document = Document { source: text, ..Document::default() };
    let mut reader =
        Reader { document, bytes: text.as_bytes(), at: start, open: Vec::new(), twice: Vec::new(), depth_max };
    let outcome = reader.document();
    let Reader { document, twice, .. } = reader;
    // A byte that is not UTF-8 matters only where the text before it is sound.
    let fault = match (outcome, broken) {
        (Err(fault), Some(at)) if fault.offset >= at => Some(utf8_fault(source, at)),
        (Ok(()), Some(at)) => Some(utf8_fault(source, at)),
        (outcome, _) => outcome.err(),
    };
    match fault {
        None => Read { document: Some(document), faults, twice },
        Some(fault) => {
            faults.push(fault);
            Read { document: None, faults, twice: Vec::new() }
        }
    }
}

fn utf8_fault(source: &[u8], at: usize) -> TextFault {
    TextFault::new("utf8-invalid", at).with("byte", format!("0x{:02X}", source[at]))
}

struct Reader<'s> {
    document: Document<'s>,
    bytes: &'s [u8],
    at: usize,
    /// Containers that are not closed yet.
    open: Vec<u32>,
    twice: Vec<Twice>,
    depth_max: usize,
}

type Parsed<T> = Result<T, TextFault>;

impl Reader<'_> {
    fn document(&mut self) -> Parsed<()> {
        self.space();
        if self.at == self.bytes.len() {
            return Err(TextFault::new("json-empty", self.at));
        }
        self.value()?;
        while let Some(&container) = self.open.last() {
            self.inside(container)?;
        }
        self.space();
        if self.at < self.bytes.len() {
            return Err(TextFault::new("trailing-content", self.at));
        }
        Ok(())
    }

    /// One more item or member of the innermost container, or its end.
    fn inside(&mut self, container: u32) -> Parsed<()> {
        let Entry { kind, count, .. } = self.document.entries[container as usize];
        let (close, otherwise) = if kind == Kind::Array {
            (b']', ("`,` or `]`", "`,` 或 `]`"))
        } else {
            (b'}', ("`,` or `}`", "`,` 或 `}`"))
        };
        self.space();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.close(container);
                return Ok(());
            }
            Some(b',') if count > 0 => {
                self.at += 1;
                self.space();
            }
            _ if count > 0 => return self.expected(otherwise),
            _ => {}
        }
        if kind == Kind::Object {
            self.name()?;
        }
        self.document.entries[container as usize].count += 1;
        self.value()
    }

    fn name(&mut self) -> Parsed<()> {
        if self.peek() != Some(b'"') {
            return self.expected(("a member name in double quotes", "双引号括起的成员名"));
        }
        self.string(Kind::Name, Kind::EscapedName)?;
        self.space();
        if self.peek() != Some(b':') {
            return self.expected(("`:`", "`:`"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expected<T>(&self, (what, what_zh): (&str, &str)) -> Parsed<T> {
        let (found, found_zh) = match self.bytes.get(self.at) {
            None => ("the end".to_owned(), "文本结尾".to_owned()),
            Some(byte) if byte.is_ascii_graphic() => {
                let sign = format!("`{}`", char::from(*byte));
                (sign.clone(), sign)
            }
            Some(byte) => (format!("byte 0x{byte:02X}"), format!("字节 0x{byte:02X}")),
        };
        let fault = TextFault::new("json-malformed", self.at).with("expected", what).with("found", found);
        Err(TextFault { args_zh: vec![("expected", what_zh.to_owned()), ("found", found_zh)], ..fault })
    }

    fn value(&mut self) -> Parsed<()> {
        match self.peek() {
            Some(b'{') => self.open(Kind::Object),
            Some(b'[') => self.open(Kind::Array),
            Some(b'"') => self.string(Kind::Text, Kind::EscapedText),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Kind::True),
            Some(b'f') => self.word("false", Kind::False),
            Some(b'n') => self.word("null", Kind::Null),
            Some(b'N' | b'I') if self.rest().starts_with(b"NaN") || self.rest().starts_with(b"Infinity") => {
                Err(TextFault::new("number-not-a-number", self.at))
            }
            _ => self.expected(("a value", "一个值")),
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn push(&mut self, start: usize, kind: Kind) -> u32 {
        let entries = &mut self.document.entries;
        let at = entries.len() as u32;
        entries.push(Entry { start: start as u32, end: self.at as u32, next: at + 1, count: 0, index: 0, kind });
        at
    }

    fn open(&mut self, kind: Kind) -> Parsed<()> {
        if self.open.len() >= self.depth_max {
            return Err(TextFault::new("json-too-deep", self.at).with("limit", self.depth_max));
        }
        let container = self.push(self.at, kind);
        self.open.push(container);
        self.at += 1;
        Ok(())
    }

    fn close(&mut self, container: u32) {
        self.open.pop();
        let next = self.document.entries.len() as u32;
        let entry = &mut self.document.entries[container as usize];
        (entry.end, entry.next) = (self.at as u32, next);
        match entry.kind {
            Kind::Array if entry.count > SMALL => self.index_items(container),
            Kind::Object => self.index_members(container),
            _ => {}
        }
    }

    fn index_items(&mut self, array: u32) {
        let begin = self.document.index.len();
        let items: Vec<u32> = self.document.children(array).collect();
        self.document.index.extend(items);
        self.document.entries[array as usize].index = begin as u32;
    }

    /// Finds members given twice; keeps the names of a large object sorted.
    fn index_members(&mut self, object: u32) {
        let count = self.document.entries[object as usize].count;
        if count < 2 {
            return;
        }
        let mut names: Vec<u32> = self.document.names(object).collect();
        let document = &self.document;
        if count <= SMALL {
            let same = |a: u32, b: u32| document.text(a) == document.text(b);
            let again = |(at, name): (usize, &u32)| {
                names[..at].iter().rev().find(|first| same(**first, *name)).map(|first| (*first, *name))
            };
            let twice: Vec<(u32, u32)> = names.iter().enumerate().filter_map(again).collect();
            twice.into_iter().for_each(|(first, second)| self.hide(object, first, second));
            return;
        }
        names.sort_by(|a, b| document.text(*a).cmp(document.text(*b)).then(a.cmp(b)));
        let twice: Vec<(u32, u32)> = names
            .windows(2)
            .filter(|pair| document.text(pair[0]) == document.text(pair[1]))
            .map(|pair| (pair[0], pair[1]))
            .collect();
        twice.into_iter().for_each(|(first, second)| self.hide(object, first, second));
        let document = &mut self.document;
        names.retain(|name| document.entries[*name as usize].kind != Kind::HiddenName);
        document.entries[object as usize].index = document.index.len() as u32;
        document.index.extend(names);
    }

    fn hide(&mut self, object: u32, first: u32, second: u32) {
        let entries = &mut self.document.entries;
        entries[first as usize].kind = Kind::HiddenName;
        entries[object as usize].count -= 1;
        self.twice.push(Twice { object, first, second });
    }

    fn word(&mut self, word: &str, kind: Kind) -> Parsed<()> {
        let length = self.rest().iter().zip(word.bytes()).take_while(|(found, wanted)| **found == *wanted).count();
        let start = self.at;
        self.at += length;
        if length < word.len() {
            return self.expected((&format!("the rest of `{word}`"), &format!("`{word}` 的其余部分")));
        }
        self.push(start, kind);
        Ok(())
    }

    fn number(&mut self) -> Parsed<()> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.rest().starts_with(b"Infinity") {
                return Err(TextFault::new("number-not-a-number", start));
            }
        }
        // `0` stands alone: digits behind it are an octal number or a code that should have been a string.
        if self.peek() == Some(b'0') && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            return Err(TextFault::new("number-leading-zero", self.at));
        }
        self.digits(("a digit", "数字"))?;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits(("a digit after the decimal point", "小数点后的数字"))?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits(("a digit of the exponent", "指数的数字"))?;
        }
        self.push(start, Kind::Number);
        Ok(())
    }

    fn digits(&mut self, what: (&str, &str)) -> Parsed<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.expected(what) } else { Ok(()) }
    }

    fn string(&mut self, plain: Kind, escaped: Kind) -> Parsed<()> {
        let start = self.at;
        self.at += 1;
        let mut read = String::new();
        let mut from = self.at;
        loop {
            while self.peek().is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1F)) {
                self.at += 1;
            }
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    read.push_str(&self.document.source[from..self.at]);
                    read.push(self.escape()?);
                    from = self.at;
                }
                Some(byte) => {
                    return Err(TextFault::new("control-character", self.at).with("byte", format!("0x{byte:02X}")));
                }
                None => return self.expected(("`\"`", "`\"`")),
            }
        }
        let has_escapes = from > start + 1;
        if has_escapes {
            read.push_str(&self.document.source[from..self.at]);
        }
        self.at += 1;
        let entry = self.push(start, if has_escapes { escaped } else { plain });
        if has_escapes {
            self.document.entries[entry as usize].count = self.document.read.len() as u32;
            self.document.read.push(read.into());
        }
        Ok(())
    }

    fn escape(&mut self) -> Parsed<char> {
        let start = self.at;
        self.at += 1;
        let letter = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode(start);
            }
            _ => {
                return self.expected((
                    "an escape of JSON (\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u)",
                    "JSON 转义 (\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u)",
                ));
            }
        };
        self.at += 1;
        Ok(letter)
    }

    fn unicode(&mut self, start: usize) -> Parsed<char> {
        let first = self.hex()?;
        let scalar = match first {
            0xD800..0xDC00 if self.rest().starts_with(b"\\u") => {
                self.at += 2;
                let second = self.hex()?;
                (0xDC00..0xE000).contains(&second).then(|| 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
            }
            other => Some(other),
        };
        let lone = || TextFault::new("surrogate-lone", start).with("escape", format!("\\u{first:04X}"));
        scalar.and_then(char::from_u32).ok_or_else(lone)
    }

    fn hex(&mut self) -> Parsed<u32> {
        let mut value = 0;
        for _ in 0..4 {
            match self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => value = value << 4 | digit,
                None => return self.expected(("four hexadecimal digits", "四位十六进制数字")),
            }
            self.at += 1;
        }
        Ok(value)
    }
}

impl<'s> Document<'s> {
    pub fn root(&self) -> Node<'_> {
        self.node(0)
    }

    pub fn node(&self, at: u32) -> Node<'_> {
        Node { document: self, at }
    }

    /// The whole text.
    pub fn source(&self) -> &'s str {
        self.source
    }

    /// Gives the engine its budget, once for every question.
    pub fn refuel(&self) {
        self.fuel(FUEL + FUEL_PER_VALUE * self.entries.len() as u64);
    }

    /// Gives the engine so much of it.
    pub fn fuel(&self, budget: u64) {
        self.fuel.set(budget);
        self.room.set(ROOM);
    }

    pub fn fuel_left(&self) -> u64 {
        self.fuel.get()
    }

    /// Whether the budget was used up, so that the answer means nothing.
    pub fn is_spent(&self) -> bool {
        self.fuel.get() == 0
    }

    /// Whether that was for errors that there was no room for.
    pub fn is_full(&self) -> bool {
        self.room.get() == 0
    }

    /// Takes the room that an error about a value needs, with so many bytes of its own; where there is none, the rest of the budget.
    fn keep_error(&self, at: u32, bytes: usize) {
        self.spend_on(FUEL_PER_ERROR);
        if !self.is_spent() && !self.takes_room(at, bytes) {
            self.fuel.set(0);
        }
    }

    fn takes_room(&self, at: u32, bytes: usize) -> bool {
        let weight = self.weights.get_or_init(|| self.weighed())[at as usize];
        let left = self.room.get().saturating_sub(BYTES_PER_ERROR + self.wording.bytes + weight + bytes as u64);
        self.room.set(left);
        left > 0
    }

    /// An error and its finding name the path, and may name each member of an object or show each item of an array.
    fn weighed(&self) -> Box<[u64]> {
        let mut weights = vec![0; self.entries.len()];
        for at in 0..self.entries.len() as u32 {
            let path = weights[at as usize];
            match self.entry(at).kind {
                Kind::Object => {
                    let mut names = 0;
                    for name in self.names(at) {
                        let length = 2 * (self.text(name).len() as u64 + 1);
                        weights[name as usize + 1] = path + length;
                        names += length;
                    }
                    weights[at as usize] += names;
                }
                Kind::Array => {
                    for item in self.children(at) {
                        weights[item as usize] = path + 2 * ITEM_BYTES;
                    }
                    weights[at as usize] += self.wording.bytes_an_item * u64::from(self.entry(at).count);
                }
                _ => {}
            }
        }
        weights.into()
    }

    fn spend(&self) -> bool {
        self.spend_on(1)
    }

    fn spend_on(&self, cost: u64) -> bool {
        let left = self.fuel.get();
        self.fuel.set(left.saturating_sub(cost));
        left > 0
    }

    /// A document that holds one string and nothing else.
    fn of_text(&mut self, text: &str) {
        self.fuel(u64::MAX);
        self.read.clear();
        self.read.push(text.into());
        self.entries.clear();
        self.entries.push(Entry { start: 0, end: 0, next: 1, count: 0, index: 0, kind: Kind::EscapedText });
    }

    fn entry(&self, at: u32) -> &Entry {
        &self.entries[at as usize]
    }

    /// The text of a string or a name.
    fn text(&self, at: u32) -> &str {
        let Entry { start, end, count, kind, .. } = *self.entry(at);
        match kind {
            Kind::EscapedText | Kind::EscapedName => &self.read[count as usize],
            Kind::Text | Kind::Name | Kind::HiddenName => &self.source[start as usize + 1..end as usize - 1],
            _ => "",
        }
    }

    /// Items of an array.
    fn children(&self, array: u32) -> Walk<'_> {
        Walk { document: self, at: array + 1, end: self.entry(array).next, step: Kind::Array }
    }

    /// Names of an object's members.
    fn names(&self, object: u32) -> Walk<'_> {
        Walk { document: self, at: object + 1, end: self.entry(object).next, step: Kind::Object }
    }

    fn member(&self, object: u32, name: &str) -> Option<u32> {
        let Entry { count, index, .. } = *self.entry(object);
        let found = if count > SMALL {
            let names = &self.index[index as usize..(index + count) as usize];
            names.binary_search_by(|other| self.text(*other).cmp(name)).ok().map(|at| names[at])
        } else {
            self.names(object).find(|other| self.text(*other) == name)
        };
        found.map(|name| name + 1)
    }

    fn item(&self, array: u32, place: usize) -> Option<u32> {
        let Entry { count, index, .. } = *self.entry(array);
        match count as usize {
            count if place >= count => None,
            count if count > SMALL as usize => Some(self.index[index as usize + place]),
            _ => self.children(array).nth(place),
        }
    }
}

/// Over the children of a container; hidden members are passed over.
#[derive(Clone)]
pub(crate) struct Walk<'a> {
    document: &'a Document<'a>,
    at: u32,
    end: u32,
    step: Kind,
}

impl Iterator for Walk<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        while self.at < self.end {
            let found = self.at;
            let value = if self.step == Kind::Object { found + 1 } else { found };
            self.at = self.document.entry(value).next;
            if self.document.entry(found).kind != Kind::HiddenName {
                return Some(found);
            }
        }
        None
    }
}

impl Twice {
    pub fn name<'d>(&self, document: &'d Document<'_>) -> &'d str {
        document.text(self.second)
    }

    /// Where the first and the second stand.
    pub fn offsets(&self, document: &Document<'_>) -> (usize, usize) {
        (document.entry(self.first).start as usize, document.entry(self.second).start as usize)
    }
}

/// One value of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    document: &'a Document<'a>,
    at: u32,
}

impl<'a> Node<'a> {
    /// The engine keeps an error that one of our own keywords found here, with so many bytes of its own.
    pub fn keep_error(&self, bytes: usize) {
        self.document.keep_error(self.at, bytes);
    }

    /// Whether there is room to keep what is remarked here, with so many bytes of its own.
    pub fn keep_remark(&self, bytes: usize) -> bool {
        self.document.takes_room(self.at, bytes)
    }

    /// One question to this value that the engine does not see; false once the budget is spent.
    pub fn ask(&self) -> bool {
        self.document.spend()
    }

    fn entry(self) -> &'a Entry {
        self.document.entry(self.at)
    }

    pub fn at(self) -> u32 {
        self.at
    }

    pub fn document(self) -> &'a Document<'a> {
        self.document
    }

    pub fn root(self) -> Self {
        Self { at: 0, ..self }
    }

    /// Where the value begins in the source.
    pub fn offset(self) -> usize {
        self.entry().start as usize
    }

    /// The value as the source spells it.
    pub fn spelled(self) -> &'a str {
        let Entry { start, end, .. } = *self.entry();
        &self.document.source[start as usize..end as usize]
    }

    pub fn text(self) -> Option<&'a str> {
        matches!(self.entry().kind, Kind::Text | Kind::EscapedText).then(|| self.document.text(self.at))
    }

    pub fn is_object(self) -> bool {
        self.entry().kind == Kind::Object
    }

    pub fn is_array(self) -> bool {
        self.entry().kind == Kind::Array
    }

    pub fn is_container(self) -> bool {
        self.is_object() || self.is_array()
    }

    pub fn type_name(self) -> &'static str {
        match self.entry().kind {
            Kind::Null => "null",
            Kind::True | Kind::False => "boolean",
            Kind::Number => "number",
            Kind::Array => "array",
            Kind::Object => "object",
            _ => "string",
        }
    }

    pub fn member(self, name: &str) -> Option<Self> {
        self.is_object().then(|| self.document.member(self.at, name)).flatten().map(|at| Self { at, ..self })
    }

    /// Where the name of a member stands.
    pub fn name_offset(self, name: &str) -> Option<usize> {
        let value = self.member(name)?;
        Some(self.document.entry(value.at - 1).start as usize)
    }

    pub fn item(self, place: usize) -> Option<Self> {
        self.is_array().then(|| self.document.item(self.at, place)).flatten().map(|at| Self { at, ..self })
    }

    pub fn members(self) -> impl Iterator<Item = (&'a str, Self)> {
        let names = self.is_object().then(|| self.document.names(self.at));
        names.into_iter().flatten().map(move |name| (self.document.text(name), Self { at: name + 1, ..self }))
    }

    /// Those of all objects in here.
    pub fn members_below(self) -> impl Iterator<Item = (&'a str, Self)> {
        let is_name = move |at: &u32| matches!(self.document.entry(*at).kind, Kind::Name | Kind::EscapedName);
        let names = (self.at..self.entry().next).filter(is_name);
        names.map(move |name| (self.document.text(name), Self { at: name + 1, ..self }))
    }

    /// Whether another value of the record is this one or in it.
    pub fn holds(self, other: Self) -> bool {
        (self.at..self.entry().next).contains(&other.at)
    }

    pub fn items(self) -> impl Iterator<Item = Self> {
        let items = self.is_array().then(|| self.document.children(self.at));
        items.into_iter().flatten().map(move |at| Self { at, ..self })
    }

    /// One step down a JSON Pointer.
    pub fn below(self, token: &str) -> Option<Self> {
        match self.entry().kind {
            Kind::Array => self.item(array_index(token)?),
            _ => self.member(token),
        }
    }

    /// JSON Pointer of the value, found by going down from the root.
    pub fn pointer(self) -> String {
        let mut pointer = String::new();
        let mut above = self.root();
        while above.at != self.at {
            let is_inside = |other: &Self| other.holds(self);
            let step = match above.entry().kind {
                Kind::Array => above
                    .items()
                    .enumerate()
                    .find(|(_, item)| is_inside(item))
                    .map(|(place, item)| (place.to_string(), item)),
                _ => above
                    .members()
                    .find(|(_, member)| is_inside(member))
                    .map(|(name, member)| (escape(name).into_owned(), member)),
            };
            let Some((token, next)) = step else { break };
            pointer.push('/');
            pointer.push_str(&token);
            above = next;
        }
        pointer
    }

    pub fn value(self) -> Value {
        match self.entry().kind {
            Kind::Null => Value::Null,
            Kind::True => Value::Bool(true),
            Kind::False => Value::Bool(false),
            Kind::Number => Value::Number(self.number()),
            Kind::Array => Value::Array(self.items().map(Self::value).collect()),
            Kind::Object => Value::Object(
                self.members().map(|(name, value)| (name.to_owned(), value.value())).collect::<Map<_, _>>(),
            ),
            _ => Value::String(self.document.text(self.at).to_owned()),
        }
    }

    fn number(self) -> Number {
        self.spelled().parse().unwrap_or_else(|_| Number::from(0))
    }

    /// Whether it is a number that a double does not hold as it is written, or that was written by one that did not.
    pub fn loses_digits(self) -> bool {
        let spelled = self.spelled();
        let digits = spelled.bytes().filter(u8::is_ascii_digit).count();
        self.entry().kind == Kind::Number && (digits > 15 || spelled.contains(['e', 'E']))
    }

    pub fn scalar(self) -> Scalar<'a> {
        match self.entry().kind {
            Kind::Null => Scalar::Null,
            Kind::True => Scalar::Bool(true),
            Kind::False => Scalar::Bool(false),
            Kind::Number => Scalar::Number(Cow::Borrowed(self.spelled())),
            Kind::Array | Kind::Object => Scalar::Other(self.entry().count as usize),
            _ => Scalar::Text(Cow::Borrowed(self.document.text(self.at))),
        }
    }

    fn equals(self, expected: &Value) -> bool {
        match (self.entry().kind, expected) {
            (Kind::Null, Value::Null) | (Kind::True, Value::Bool(true)) | (Kind::False, Value::Bool(false)) => true,
            (Kind::Number, Value::Number(number)) => plain(self.spelled()) == plain(&number.to_string()),
            (Kind::Text | Kind::EscapedText, Value::String(text)) => self.document.text(self.at) == text,
            (Kind::Array, Value::Array(values)) => {
                self.entry().count as usize == values.len()
                    && self.items().zip(values).all(|(item, value)| item.equals(value))
            }
            (Kind::Object, Value::Object(values)) => {
                let same = |(name, member): (&str, Self)| values.get(name).is_some_and(|value| member.equals(value));
                self.entry().count as usize == values.len() && self.members().all(same)
            }
            _ => false,
        }
    }

    /// One spelling for all equal values.
    fn write_key(self, key: &mut String) {
        match self.entry().kind {
            Kind::Number => {
                let Plain { is_negative, digits, exponent } = plain(self.spelled());
                key.push_str(&format!("{}{digits}e{exponent}", if is_negative { "-" } else { "" }));
            }
            Kind::Text | Kind::EscapedText => write_text(self.document.text(self.at), key),
            Kind::Array => {
                key.push('[');
                self.items().for_each(|item| {
                    item.write_key(key);
                    key.push(',');
                });
                key.push(']');
            }
            Kind::Object => {
                let mut members: Vec<(&str, Self)> = self.members().collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                key.push('{');
                for (name, member) in members {
                    write_text(name, key);
                    member.write_key(key);
                }
                key.push('}');
            }
            _ => key.push_str(self.spelled()),
        }
    }
}

/// A text behind its length cannot be mistaken for what follows.
fn write_text(text: &str, key: &mut String) {
    key.push_str(&format!("\"{}:", text.len()));
    key.push_str(text);
}

/// A number without regard to its spelling: its digits begin and end with another digit than 0.
#[derive(Debug, PartialEq, Eq)]
struct Plain {
    is_negative: bool,
    digits: String,
    /// Of the last digit.
    exponent: i128,
}

fn plain(spelled: &str) -> Plain {
    let (number, exponent) = spelled.split_once(['e', 'E']).unwrap_or((spelled, "0"));
    // Beyond what fits, exponents are of no record; they compare as the largest.
    let least = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
    let exponent = i128::from(exponent.parse::<i64>().unwrap_or(least));
    let (is_negative, number) = number.strip_prefix('-').map_or((false, number), |number| (true, number));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let all = [whole, part].concat();
    let kept = all.trim_end_matches('0');
    let exponent = exponent - part.len() as i128 + (all.len() - kept.len()) as i128;
    match kept.trim_start_matches('0') {
        "" => Plain { is_negative: false, digits: "0".into(), exponent: 0 },
        digits => Plain { is_negative, digits: digits.into(), exponent },
    }
}

/// An index as JSON Pointer spells it.
pub(crate) fn array_index(token: &str) -> Option<usize> {
    let is_plain = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    is_plain.then(|| token.parse().ok()).flatten()
}

/// What stands at a pointer, as `Value::pointer` has it, without a copy of each name on the way.
pub(crate) fn at<'v>(value: &'v Value, pointer: &str) -> Option<&'v Value> {
    steps(pointer)?.try_fold(value, |value, token| match value {
        Value::Object(members) => members.get(&*unescape(token)),
        Value::Array(items) => items.get(array_index(token)?),
        _ => None,
    })
}

/// The same, to be changed.
pub(crate) fn at_mut<'v>(value: &'v mut Value, pointer: &str) -> Option<&'v mut Value> {
    steps(pointer)?.try_fold(value, |value, token| match value {
        Value::Object(members) => members.get_mut(&*unescape(token)),
        Value::Array(items) => items.get_mut(array_index(token)?),
        _ => None,
    })
}

/// None for what begins without a slash and is not empty.
fn steps(pointer: &str) -> Option<impl Iterator<Item = &str>> {
    (pointer.is_empty() || pointer.starts_with('/')).then(|| pointer.split('/').skip(1))
}

impl Record for Node<'_> {
    fn get(&self, pointer: &Pointer) -> Option<Scalar<'_>> {
        let mut node = *self;
        for token in pointer.tokens() {
            node = node.below(token)?;
        }
        Some(node.scalar())
    }
}

/// Whether a text alone fits.
pub(crate) fn fits(engine: &jsonschema::Validator<Tree>, text: &str) -> bool {
    Tree::with_string_node(&mut Document::default(), text, |node| engine.is_valid(node))
}

/// Whether the items of an array differ; none where the text is no array.
pub(crate) fn are_unique(array: &[u8]) -> Option<bool> {
    let document = read(array, usize::MAX).document?;
    document.root().is_array().then(|| Array::is_unique(&document.root()))
}

/// How the engine reads our tree.
#[derive(Debug)]
pub(crate) struct Tree;

/// What errors carry that were found once the budget was spent.
const UNTRUE: &Value = &Value::Bool(false);

/// Whether an error was found while there was a budget.
pub(crate) fn is_true(error: &jsonschema::ValidationError<'_>) -> bool {
    **error.instance() != *UNTRUE
}

impl Json for Tree {
    type Node<'a> = Node<'a>;
    type PreparedKey = Box<str>;
    type StringBuffer = Document<'static>;

    fn prepare_key(key: &str) -> Box<str> {
        key.into()
    }

    fn with_string_node<T>(buffer: &mut Document<'static>, string: &str, f: impl FnOnce(Node<'_>) -> T) -> T {
        buffer.of_text(string);
        f(buffer.root())
    }
}

impl<'a> EngineNode<'a, Tree> for Node<'a> {
    type Object = Self;
    type Array = Self;
    type Number = Digits<'a>;

    fn as_object(&self) -> Option<Self> {
        (self.is_object() && self.document.spend()).then_some(*self)
    }

    fn as_array(&self) -> Option<Self> {
        (self.is_array() && self.document.spend()).then_some(*self)
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        self.text().filter(|_| self.document.spend()).map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<Digits<'a>> {
        (self.entry().kind == Kind::Number && self.document.spend()).then(|| Digits(self.spelled()))
    }

    fn as_boolean(&self) -> Option<bool> {
        match self.entry().kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        self.entry().kind == Kind::Null
    }

    fn json_type(&self) -> JsonType {
        match self.entry().kind {
            _ if !self.document.spend() => JsonType::Null,
            Kind::Null => JsonType::Null,
            Kind::True | Kind::False => JsonType::Boolean,
            Kind::Number => JsonType::Number,
            Kind::Array => JsonType::Array,
            Kind::Object => JsonType::Object,
            _ => JsonType::String,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        self.equals(expected)
    }

    /// Findings point at the tree, so errors carry no copy of what they are about: many errors about one large record
    /// would otherwise hold it as many times. They carry whether they are true.
    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Borrowed(if self.document.is_spent() { UNTRUE } else { &Value::Null })
    }

    fn lazy_value(&self) -> jsonschema_value::LazyInstance<'a> {
        self.keep_error(0);
        jsonschema_value::LazyInstance::from(if self.document.is_spent() { UNTRUE } else { &Value::Null })
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::tagged(std::ptr::from_ref(self.document) as usize, self.at))
    }
}

impl<'a> Object<'a, Tree> for Node<'a> {
    type Node = Self;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        self.entry().count as usize
    }

    fn get(&self, key: &Box<str>) -> Option<Self> {
        self.member(key)
    }

    fn members(&self) -> Members<'a> {
        Members(self.document.names(self.at))
    }
}

/// For the engine: once the budget is spent there are no more, or each would still become an error with its path, however long.
pub(crate) struct Members<'a>(Walk<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let document = self.0.document;
        self.0.next().filter(|_| !document.is_spent()).map(|name| (document.text(name), document.node(name + 1)))
    }
}

impl<'a> Array<'a, Tree> for Node<'a> {
    type Node = Self;
    type ElementsIter = Elements<'a>;

    fn len(&self) -> usize {
        self.entry().count as usize
    }

    fn elements(&self) -> Elements<'a> {
        Elements(self.document.children(self.at))
    }

    fn is_unique(&self) -> bool {
        let mut seen = HashSet::new();
        let mut is_new = |item: Self| {
            let mut key = String::new();
            item.write_key(&mut key);
            seen.insert(key)
        };
        self.items().all(&mut is_new)
    }
}

/// The same of items.
pub(crate) struct Elements<'a>(Walk<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let document = self.0.document;
        self.0.next().filter(|_| !document.is_spent()).map(|at| document.node(at))
    }
}

/// A number as the source spells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digits<'a>(&'a str);

impl JsonNumber for Digits<'_> {
    fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok().filter(|value: &f64| value.is_finite())
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }

    fn to_number(&self) -> Cow<'_, Number> {
        Cow::Owned(self.0.parse().unwrap_or_else(|_| Number::from(0)))
    }

    fn is_integer(&self) -> bool {
        !self.0.contains(['.', 'e', 'E']) || plain(self.0).exponent >= 0
    }
}

/// Lines and columns of offsets that are asked for in rising order, in one pass over the source.
pub(crate) struct Places<'s> {
    source: &'s [u8],
    at: usize,
    line: u64,
    column: u64,
}

impl<'s> Places<'s> {
    /// A byte order mark takes no column.
    pub fn new(source: &'s [u8]) -> Self {
        let at = if source.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self { source, at, line: 1, column: 1 }
    }

    /// Lines and columns count from 1, columns in code points.
    pub fn of(&mut self, offset: usize) -> guiju_model::Place {
        let offset = offset.min(self.source.len());
        if offset < self.at {
            let at = self.source.starts_with(b"\xef\xbb\xbf");
            *self =
                if offset < 3 && at { Self { at: offset, ..Self::new(self.source) } } else { Self::new(self.source) };
        }
        let mut passed = self.source.get(self.at..offset).unwrap_or_default();
        if let Some(last) = memchr::memrchr(b'\n', passed) {
            self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
            self.column = 1;
            passed = &passed[last + 1..];
        }
        self.column += code_points(passed) as u64;
        self.at = self.at.max(offset);
        guiju_model::Place::Text { line: self.line, column: self.column, offset: offset as u64 }
    }
}
