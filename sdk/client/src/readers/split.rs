//! A document, or the items of an array, one after another, each within the limit; what is longer is skipped and said.
//!
//! # Invariants
//! - What is wrong with an array itself, before its items, between or behind them, is told of the input, at its place: it is no record.

use super::{ReadError, text::Reader};
use guiju_model::{Finding, Place, Text};
use guiju_validator::codes;
use std::ops::Range;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// One record as it stands in the input; its bytes are in a buffer that it shares with others.
pub(super) struct Raw {
    /// From that on which the batch begins.
    pub line: u64,
    pub bytes: Range<usize>,
}

/// Why a record cannot be read as one. Nothing is put into words before it is told: in bad input there are as many as lines.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// An item or a document over the limit.
    TooLarge,
    /// A line over the limit.
    TooLong,
    QuoteUnclosed,
    /// So many NUL bytes, and where the first is: the line counts from the row's.
    Nul {
        count: u64,
        at: Start,
    },
}

impl Fault {
    /// Without a place, where the record begins.
    pub fn finding(self, limit: usize) -> Finding {
        let digits = limit.to_string();
        match self {
            Self::TooLarge => {
                // How large it is in all is not known: what is over the limit is skipped, not kept.
                let bytes = (format!("more than {limit}"), format!("超过 {limit}"));
                let words = [("bytes", bytes.0.as_str(), bytes.1.as_str()), ("limit", &digits, &digits)];
                codes::finding_in_words("record-too-large", "", &words)
            }
            Self::TooLong => codes::finding("line-too-long", "", &[("limit", &digits)]),
            Self::QuoteUnclosed => codes::finding("csv-quote-unclosed", "", &[]),
            Self::Nul { count, at } => {
                let (count, offset) = (count.to_string(), at.offset.to_string());
                at.finding(codes::finding("nul-byte", "", &[("count", &count), ("offset", &offset)]))
            }
        }
    }
}

/// What comes next.
pub(super) enum Piece {
    Record(Start, Range<usize>, Option<Fault>),
    /// Of the array itself.
    Fault(Box<Finding>),
}

pub(super) struct Splitter<R> {
    input: R,
    /// Read, and passed up to a place.
    buffer: Vec<u8>,
    filled: usize,
    at: usize,
    is_array: bool,
    limit: usize,
    line: u64,
    column: u64,
    offset: u64,
    state: State,
    /// The comma passed last, where a record stands before it and none behind it yet.
    comma: Option<Start>,
    /// What was found behind the last record.
    pending: Option<Finding>,
    fault: Option<ReadError>,
}

/// Where a record begins.
#[derive(Clone, Copy)]
pub(super) struct Start {
    pub line: u64,
    /// Characters into the line, from 1.
    pub column: u64,
    pub offset: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Start,
    Inside,
    /// Before the end of the array, with nothing before it.
    Closing,
    End,
}

impl<R: Reader> Splitter<R> {
    pub fn new(input: R, is_array: bool, limit: usize) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            filled: 0,
            at: 0,
            is_array,
            limit,
            line: 1,
            column: 1,
            offset: 0,
            state: State::Start,
            comma: None,
            pending: None,
            fault: None,
        }
    }

    pub fn bytes(&self) -> u64 {
        self.offset
    }

    pub fn is_over(&self) -> bool {
        self.state == State::End && self.pending.is_none() && self.fault.is_none()
    }

    /// Keeps a fault for the next time that a record is asked for.
    pub fn put_off(&mut self, fault: ReadError) {
        self.fault = Some(fault);
    }

    /// The next record, its bytes appended to a buffer, or what is wrong before it; none at the end.
    pub async fn next(&mut self, into: &mut Vec<u8>) -> Result<Option<Piece>, ReadError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        if let Some(found) = self.pending.take() {
            return Ok(Some(Piece::Fault(found.into())));
        }
        match self.is_array {
            true => self.item(into).await,
            false => self.document(into).await,
        }
    }

    fn here(&self) -> Start {
        Start { line: self.line, column: self.column, offset: self.offset }
    }

    async fn document(&mut self, into: &mut Vec<u8>) -> Result<Option<Piece>, ReadError> {
        if self.state == State::End {
            return Ok(None);
        }
        self.state = State::End;
        let (start, from) = (self.here(), into.len());
        self.input.append(self.limit.saturating_add(1), into).await?;
        let length = into.len() - from;
        self.offset = length as u64;
        if into[from..].trim_ascii().is_empty() {
            return Ok(None);
        }
        if length > self.limit {
            return Ok(Some(Piece::Record(start, 0..0, Some(Fault::TooLarge))));
        }
        Ok(Some(Piece::Record(start, from..into.len(), None)))
    }

    /// What is read and not passed; nothing at the end.
    async fn ahead(&mut self) -> Result<&[u8], ReadError> {
        if self.at == self.filled {
            self.buffer.resize(BUFFER_BYTES, 0);
            (self.at, self.filled) = (0, 0);
            self.filled = self.input.read(&mut self.buffer).await?;
        }
        Ok(&self.buffer[self.at..self.filled])
    }

    async fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        Ok(self.ahead().await?.first().copied())
    }

    /// Goes behind so many bytes of what is read, or to its end.
    fn pass(&mut self, length: usize) {
        let passed = &self.buffer[self.at..self.filled.min(self.at + length)];
        let line = match memchr::memrchr(b'\n', passed) {
            None => passed,
            Some(last) => {
                self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
                self.column = 1;
                &passed[last + 1..]
            }
        };
        // The bytes of a character behind its first are no columns.
        self.column += line.iter().filter(|byte| **byte & 0xC0 != 0x80).count() as u64;
        self.offset += passed.len() as u64;
        self.at += passed.len();
    }

    /// What comes behind space.
    async fn space(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            let buffer = self.ahead().await?;
            let length = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let next = buffer.get(length).copied();
            if buffer.is_empty() {
                return Ok(None);
            }
            self.pass(length);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    /// An item of an array, without the rest of the array.
    async fn item(&mut self, into: &mut Vec<u8>) -> Result<Option<Piece>, ReadError> {
        if self.state == State::End {
            return Ok(None);
        }
        if self.state == State::Closing {
            return Ok(self.close().await?.map(|fault| Piece::Fault(fault.into())));
        }
        if self.state == State::Start {
            let (first, start) = (self.space().await?, self.here());
            self.pass(1);
            self.state = if first == Some(b'[') { State::Inside } else { State::End };
            if self.state == State::End {
                return Ok(Some(Piece::Fault(no_array(start, first).into())));
            }
        }
        let next = self.space().await?;
        let start = self.here();
        match next {
            None => {
                self.state = State::End;
                let expected = match self.comma {
                    Some(_) => ("a value", "一个值"),
                    None => ("a value or `]`", "一个值或 `]`"),
                };
                return Ok(Some(Piece::Fault(unclosed(start, expected).into())));
            }
            Some(b',') => {
                self.pass(1);
                // It is told once, whatever stands behind it.
                self.comma = None;
                return Ok(Some(Piece::Fault(stray_comma(start, "before", "之前").into())));
            }
            Some(b']') => {
                self.pending = self.close().await?;
                let comma = self.comma.take().map(|comma| stray_comma(comma, "behind", "之后"));
                return Ok(comma.or_else(|| self.pending.take()).map(|fault| Piece::Fault(fault.into())));
            }
            Some(_) => self.comma = None,
        }
        let (from, limit, mut is_over, mut is_last) = (into.len(), self.limit, false, false);
        let mut inside = Inside::default();
        loop {
            let buffer = self.ahead().await?;
            let length = inside.length(buffer);
            let ends = length < buffer.len() || buffer.is_empty();
            let room = length.min(limit - (into.len() - from));
            into.extend_from_slice(&buffer[..room]);
            is_over |= room < length;
            self.pass(length);
            if ends {
                break;
            }
        }
        let fault = is_over.then_some(Fault::TooLarge);
        match self.peek().await? {
            Some(b',') => {
                self.comma = Some(self.here());
                self.pass(1);
            }
            Some(_) => is_last = true,
            None => self.state = State::End,
        }
        // An item that is cut short says so itself, at the very place; a whole one is followed by what the array lacks.
        let is_whole = inside.depth == 0 && !inside.is_text;
        let record = Piece::Record(start, from..into.len(), fault);
        if self.state == State::End && is_whole {
            self.pending = Some(unclosed(self.here(), ("`,` or `]`", "`,` 或 `]`")));
        }
        if is_last {
            // What stands behind the array may be long in coming.
            self.state = State::Closing;
        }
        Ok(Some(record))
    }

    /// After the array nothing may follow.
    async fn close(&mut self) -> Result<Option<Finding>, ReadError> {
        self.pass(1);
        self.state = State::End;
        let follows = self.space().await?.is_some();
        Ok(follows.then(|| self.here().finding(codes::finding("trailing-content", "", &[]))))
    }
}

impl Start {
    pub fn place(self) -> Place {
        let Self { line, column, offset } = self;
        Place::Text { line, column, offset }
    }

    fn finding(self, finding: Finding) -> Finding {
        Finding { place: Some(self.place()), ..finding }
    }
}

/// The text is no array: what stands in it is not looked for by guess.
fn no_array(at: Start, first: Option<u8>) -> Finding {
    let Some(first) = first else { return unclosed(at, ("`[`", "`[`")) };
    let (en, zh) = match first.is_ascii_graphic() {
        true => (format!("`{}`", char::from(first)), format!("`{}`", char::from(first))),
        false => (format!("byte 0x{first:02X}"), format!("字节 0x{first:02X}")),
    };
    let words = [("expected", "`[`", "`[`"), ("found", &*en, &*zh)];
    let mut finding = at.finding(codes::finding_in_words("json-malformed", "", &words));
    finding.suggestion = Some(Text {
        en: "it was read as `json-array`; of one record a line the format is `ndjson`, of one record `json`, of a table `csv`".into(),
        zh: "该文本按 `json-array` 读取；每行一条记录的格式是 `ndjson`，单条记录是 `json`，表格是 `csv`".into(),
    });
    finding
}

/// The text ends, and the array does not.
fn unclosed(at: Start, (en, zh): (&str, &str)) -> Finding {
    let words = [("expected", en, zh), ("found", "the end", "文本结尾")];
    at.finding(codes::finding_in_words("json-malformed", "", &words))
}

fn stray_comma(at: Start, en: &str, zh: &str) -> Finding {
    at.finding(codes::finding_in_words("json-comma-stray", "", &[("side", en, zh)]))
}

/// Where in an item what comes next is.
#[derive(Default)]
struct Inside {
    depth: usize,
    is_text: bool,
    is_escaped: bool,
}

impl Inside {
    /// How many of these bytes belong to the item; fewer than there are where it ends among them.
    fn length(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        if std::mem::take(&mut self.is_escaped) && !bytes.is_empty() {
            at = 1;
        }
        while at < bytes.len() {
            if self.is_text {
                let Some(stop) = end_of_text(&bytes[at..]) else { return bytes.len() };
                at += stop + 1;
                match bytes[at - 1] {
                    b'"' => self.is_text = false,
                    _ if at == bytes.len() => self.is_escaped = true,
                    _ => at += 1,
                }
                continue;
            }
            match bytes[at] {
                b'"' => self.is_text = true,
                b'{' | b'[' => self.depth += 1,
                b',' | b']' if self.depth == 0 => return at,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
        }
        bytes.len()
    }
}

/// The first quote or backslash: eight bytes at a time, since most texts are short.
fn end_of_text(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let mut words = bytes.chunks_exact(8);
    for (at, word) in words.by_ref().enumerate() {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        // A borrow may mark bytes behind the first one that is meant, never before it.
        let stops = is_zero(word ^ (ONES * u64::from(b'"'))) | is_zero(word ^ (ONES * u64::from(b'\\')));
        if stops != 0 {
            return Some(8 * at + stops.trailing_zeros() as usize / 8);
        }
    }
    let rest = words.remainder();
    let stop = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(bytes.len() - rest.len() + stop)
}

#[cfg(test)]
mod tests {
    use super::{super::now, *};

    /// Gives at most so many bytes at once.
    struct Drip<'a>(&'a [u8], usize);

    impl Reader for Drip<'_> {
        async fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = buffer.len().min(self.1).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    /// Place, bytes and fault of each item.
    type Items = Vec<(u64, u64, u64, Vec<u8>, Option<String>)>;

    fn items(input: &[u8], at_once: usize, limit: usize) -> Items {
        let (mut splitter, mut bytes, mut found) =
            (Splitter::new(Drip(input, at_once), true, limit), Vec::new(), Vec::new());
        while let Some(piece) = now(splitter.next(&mut bytes)).unwrap() {
            match piece {
                Piece::Record(Start { line, column, offset }, range, fault) => {
                    let fault = fault.map(|fault| fault.finding(limit).code.to_string());
                    found.push((line, column, offset, bytes[range].to_vec(), fault));
                }
                Piece::Fault(fault) => {
                    let Finding { place: Some(Place::Text { line, column, offset }), said } = *fault else {
                        panic!("a fault without its place")
                    };
                    found.push((line, column, offset, Vec::new(), Some(said.code.to_string())));
                }
            }
        }
        found
    }

    #[test]
    fn items_are_the_same_however_they_come() {
        let inputs = [
            " [ {\"a\":\"]},\\\"\\\\\",\"b\":[1,{\"c\":\"[\"}]} ,\n\"张三，\\n李四，又一个很长的名字\",\r\n [],-1.5 , null\n]\n ",
            "[]",
            "[1,2",
            "[\"a\\",
            "[{\"a\":1}},2] x",
            "[,]",
            "[1 ,\n2,\n] x",
            "[1,,\n,2,",
        ];
        for input in inputs.map(str::as_bytes) {
            for limit in [5, 23, 1 << 20] {
                let whole = items(input, usize::MAX, limit);
                for at_once in 1..=input.len() {
                    assert_eq!(items(input, at_once, limit), whole, "{at_once} at once");
                }
            }
            let at = |(line, column): (u64, u64), byte: &u8| match byte {
                b'\n' => (line + 1, 1),
                byte => (line, column + u64::from(byte & 0xC0 != 0x80)),
            };
            for (line, column, offset, bytes, _) in items(input, 3, 1 << 20) {
                assert_eq!(input[..offset as usize].iter().fold((1, 1), at), (line, column));
                assert!(input[offset as usize..].starts_with(&bytes));
            }
        }
        let found = items(inputs[0].as_bytes(), 7, 1 << 20);
        let found: Vec<&str> = found.iter().map(|item| std::str::from_utf8(&item.3).unwrap().trim_end()).collect();
        let wanted = [
            "{\"a\":\"]},\\\"\\\\\",\"b\":[1,{\"c\":\"[\"}]}",
            "\"张三，\\n李四，又一个很长的名字\"",
            "[]",
            "-1.5",
            "null",
        ];
        assert_eq!(found, wanted);
    }
}
