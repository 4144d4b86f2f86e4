//! One record after another, each within the limit; what is longer is skipped and said.

use super::{Format, ReadError};
use guiju_model::{Finding, Place};
use guiju_validator::codes;
use std::{
    io::{BufRead, BufReader, Read},
    ops::Range,
};

/// One record as it stands in the input; its bytes are in a buffer that it shares with others.
pub(super) struct Raw {
    pub index: u64,
    pub line: u64,
    /// Characters into the line, from 1.
    pub column: u64,
    pub offset: u64,
    pub bytes: Range<usize>,
    /// Why it cannot be read as a record.
    pub fault: Option<Finding>,
}

pub(super) struct Splitter<R> {
    input: BufReader<R>,
    format: Format,
    limit: usize,
    index: u64,
    line: u64,
    /// Kept up where records share lines.
    column: u64,
    offset: u64,
    blank_lines: u64,
    state: State,
    /// What was found behind the last record.
    pending: Option<Raw>,
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
    pub fn new(input: R, format: Format, limit: usize) -> Self {
        let input = BufReader::with_capacity(256 << 10, input);
        Self {
            input,
            format,
            limit,
            index: 0,
            line: 1,
            column: 1,
            offset: 0,
            blank_lines: 0,
            state: State::Start,
            pending: None,
        }
    }

    /// The header has been taken; rows count from 0.
    pub fn begin_rows(&mut self) {
        self.index = 0;
    }

    pub fn blank_lines(&self) -> u64 {
        self.blank_lines
    }

    pub fn bytes(&self) -> u64 {
        self.offset
    }

    /// The next record, its bytes appended to a buffer; none at the end.
    pub fn next(&mut self, into: &mut Vec<u8>) -> Result<Option<Raw>, ReadError> {
        if let Some(raw) = self.pending.take() {
            return Ok(Some(raw));
        }
        match self.format {
            Format::Json => self.document(into),
            Format::Ndjson | Format::Csv => self.line(into),
            Format::JsonArray => self.item(into),
        }
    }

    fn raw_at(&mut self, start: Start, bytes: Range<usize>, fault: Option<Finding>) -> Raw {
        let Start { line, column, offset } = start;
        let index = self.index;
        self.index += 1;
        let fault = fault.map(|mut finding| {
            finding.place = Some(Place::Text { line, column, offset });
            finding
        });
        Raw { index, line, column, offset, bytes, fault }
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
            return Ok(Some(self.raw_at(start, 0..0, Some(too_large(self.limit)))));
        }
        Ok(Some(self.raw_at(start, from..into.len(), None)))
    }

    /// A line, or for a table a row, whose quoted cells may hold line ends.
    fn line(&mut self, into: &mut Vec<u8>) -> Result<Option<Raw>, ReadError> {
        let from = into.len();
        loop {
            let start = Start { column: 1, ..self.here() };
            let (mut is_over, mut in_quotes, mut is_end) = (false, false, false);
            let is_table = self.format == Format::Csv;
            'row: loop {
                let buffer = self.input.fill_buf()?;
                if buffer.is_empty() {
                    is_end = true;
                    break;
                }
                let mut used = 0;
                while used < buffer.len() {
                    let rest = &buffer[used..];
                    let stop = match is_table {
                        true => memchr::memchr2(b'\n', b'"', rest),
                        false => memchr::memchr(b'\n', rest),
                    };
                    let end = stop.map_or(rest.len(), |stop| stop + 1);
                    let is_newline = stop.is_some_and(|stop| rest[stop] == b'\n');
                    if stop.is_some() && !is_newline {
                        in_quotes = !in_quotes;
                    }
                    if into.len() - from + end > self.limit {
                        is_over = true;
                    } else if !is_over {
                        into.extend_from_slice(&rest[..end]);
                    }
                    used += end;
                    self.line += u64::from(is_newline);
                    // Past the limit a quote that was never closed no longer counts: the next line is a fresh start.
                    if is_newline && (!in_quotes || is_over) {
                        self.input.consume(used);
                        self.offset += used as u64;
                        break 'row;
                    }
                }
                self.input.consume(used);
                self.offset += used as u64;
            }
            let bytes = &into[from..];
            if is_end && bytes.is_empty() && !is_over {
                return Ok(None);
            }
            let trimmed = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            let trimmed = trimmed.strip_suffix(b"\r").unwrap_or(trimmed);
            let (length, is_blank) = (trimmed.len(), trimmed.trim_ascii().is_empty());
            into.truncate(from + length);
            if !is_over && is_blank {
                self.blank_lines += 1;
                into.truncate(from);
                continue;
            }
            let fault = if in_quotes {
                Some(codes::finding("csv-quote-unclosed", "", &[]))
            } else if is_over {
                let limit = self.limit.to_string();
                Some(codes::finding("line-too-long", "", &[("limit", &limit)]))
            } else {
                None
            };
            return Ok(Some(self.raw_at(start, from..into.len(), fault)));
        }
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
            return Ok(Some(self.raw_at(start, 0..0, unclosed())));
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
        let raw = self.raw_at(start, from..into.len(), fault);
        if self.state == State::End && is_whole {
            self.pending = Some(self.raw_at(self.here(), 0..0, unclosed()));
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
                Ok(Some(self.raw_at(self.here(), 0..0, Some(fault))))
            }
        }
    }
}

/// How large it is in all is not known: what is over the limit is skipped, not kept.
fn too_large(limit: usize) -> Finding {
    let bytes = (format!("more than {limit}"), format!("超过 {limit}"));
    let limit = limit.to_string();
    codes::finding_in_words("record-too-large", "", &[("bytes", &bytes.0, &bytes.1), ("limit", &limit, &limit)])
}
