//! A document, or the items of an array, one after another, each within the limit; what is longer is skipped and said.

use super::ReadError;
use guiju_model::Finding;
use guiju_validator::codes;
use std::{
    io::{BufRead, BufReader, Read},
    ops::Range,
};

/// One record as it stands in the input; its bytes are in a buffer that it shares with others.
pub(super) struct Raw {
    /// From that on which the batch begins.
    pub line: u64,
    /// Characters into the line, from 1.
    pub column: u64,
    pub offset: u64,
    pub bytes: Range<usize>,
    /// Why it cannot be read as a record.
    pub fault: Option<Box<Finding>>,
}

pub(super) struct Splitter<R> {
    input: BufReader<R>,
    is_array: bool,
    limit: usize,
    line: u64,
    column: u64,
    offset: u64,
    state: State,
    /// What was found behind the last record.
    pending: Option<Raw>,
    fault: Option<ReadError>,
}

/// Where a record begins.
#[derive(Clone, Copy)]
struct Start {
    line: u64,
    column: u64,
    offset: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Start,
    Inside,
    End,
}

impl<R: Read> Splitter<R> {
    pub fn new(input: R, is_array: bool, limit: usize) -> Self {
        let input = BufReader::with_capacity(256 << 10, input);
        Self { input, is_array, limit, line: 1, column: 1, offset: 0, state: State::Start, pending: None, fault: None }
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

    /// The next record, its bytes appended to a buffer; none at the end.
    pub fn next(&mut self, into: &mut Vec<u8>) -> Result<Option<Raw>, ReadError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        if let Some(raw) = self.pending.take() {
            return Ok(Some(raw));
        }
        match self.is_array {
            true => self.item(into),
            false => self.document(into),
        }
    }

    fn here(&self) -> Start {
        Start { line: self.line, column: self.column, offset: self.offset }
    }

    fn document(&mut self, into: &mut Vec<u8>) -> Result<Option<Raw>, ReadError> {
        if self.state == State::End {
            return Ok(None);
        }
        self.state = State::End;
        let (start, from, limit) = (self.here(), into.len(), self.limit as u64);
        self.input.by_ref().take(limit + 1).read_to_end(into)?;
        let length = into.len() - from;
        self.offset = length as u64;
        if into[from..].trim_ascii().is_empty() {
            return Ok(None);
        }
        if length > self.limit {
            return Ok(Some(raw_at(start, 0..0, Some(too_large(self.limit)))));
        }
        Ok(Some(raw_at(start, from..into.len(), None)))
    }

    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn step(&mut self, byte: u8) {
        self.input.consume(1);
        self.offset += 1;
        // The bytes of a character behind its first are no columns.
        self.column += u64::from(byte & 0xC0 != 0x80);
        if byte == b'\n' {
            (self.line, self.column) = (self.line + 1, 1);
        }
    }

    fn space(&mut self) -> Result<Option<u8>, ReadError> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.step(byte);
        }
        Ok(None)
    }

    /// An item of an array, without the rest of the array.
    fn item(&mut self, into: &mut Vec<u8>) -> Result<Option<Raw>, ReadError> {
        if self.state == State::End {
            return Ok(None);
        }
        if self.state == State::Start {
            self.space()?;
            self.step(b'[');
            self.state = State::Inside;
            if self.space()? == Some(b']') {
                return self.close();
            }
        }
        let next = self.space()?;
        let start = self.here();
        let unclosed = || {
            let words = [("expected", "`,` or `]`", "`,` 或 `]`"), ("found", "the end", "文本结尾")];
            Some(codes::finding_in_words("json-malformed", "", &words))
        };
        if next.is_none() {
            self.state = State::End;
            return Ok(Some(raw_at(start, 0..0, unclosed())));
        }
        let (from, mut is_over, mut is_last) = (into.len(), false, false);
        let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
        while let Some(byte) = self.peek()? {
            match (in_string, byte) {
                (true, _) if escaped => escaped = false,
                (true, b'\\') => escaped = true,
                (true, b'"') => in_string = false,
                (true, _) => {}
                (false, b'"') => in_string = true,
                (false, b'{' | b'[') => depth += 1,
                (false, b',' | b']') if depth == 0 => break,
                (false, b'}' | b']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            match into.len() - from < self.limit {
                true => into.push(byte),
                false => is_over = true,
            }
            self.step(byte);
        }
        let fault = is_over.then(|| too_large(self.limit));
        match self.peek()? {
            Some(b',') => self.step(b','),
            Some(_) => is_last = true,
            None => self.state = State::End,
        }
        // An item that is cut short says so itself, at the very place; a whole one is followed by what the array lacks.
        let is_whole = depth == 0 && !in_string;
        let raw = raw_at(start, from..into.len(), fault);
        if self.state == State::End && is_whole {
            self.pending = Some(raw_at(self.here(), 0..0, unclosed()));
        }
        if is_last {
            self.pending = self.close()?;
        }
        Ok(Some(raw))
    }

    /// After the array nothing may follow.
    fn close(&mut self) -> Result<Option<Raw>, ReadError> {
        self.step(b']');
        self.state = State::End;
        match self.space()? {
            None => Ok(None),
            Some(_) => {
                let fault = codes::finding("trailing-content", "", &[]);
                Ok(Some(raw_at(self.here(), 0..0, Some(fault))))
            }
        }
    }
}

fn raw_at(Start { line, column, offset }: Start, bytes: Range<usize>, fault: Option<Finding>) -> Raw {
    Raw { line, column, offset, bytes, fault: fault.map(Box::new) }
}

/// How large it is in all is not known: what is over the limit is skipped, not kept.
fn too_large(limit: usize) -> Finding {
    let bytes = (format!("more than {limit}"), format!("超过 {limit}"));
    let limit = limit.to_string();
    codes::finding_in_words("record-too-large", "", &[("bytes", &bytes.0, &bytes.1), ("limit", &limit, &limit)])
}
