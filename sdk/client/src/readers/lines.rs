//! Lines of NDJSON and rows of a table, in blocks. Whoever wants one takes a block of whole lines off the input, which is all
//! that has to be done in turn, and finds the lines in it by himself.
//!
//! # Invariants
//! - A block begins where a line begins and ends where one ends, wherever the reads fell; each byte is looked at a few times,
//!   however it comes.
//! - Within quotes a line end of a table is no end of a row, but past the limit a quote that was never closed no longer counts:
//!   the next line is a fresh start.
//! - Of an input that is in memory as a whole, lines stay where they are: a block is lent them.
//! - A quote opens only where a cell begins (RFC 4180, section 2); elsewhere it is a character like others, as in `5" pipe`.

use super::{
    ReadError,
    split::{Fault, Raw, Start},
    text::{Reader, Whole},
};
use guiju_validator::LineEnds;
use memchr::{memchr, memchr_iter, memchr2_iter, memrchr};

/// Bytes of a block, but for a line that is longer.
const BLOCK_BYTES: usize = 256 << 10;
/// The same of one that is lent them: they take no memory, and who hands over seldom hands over fast.
const LENT_BYTES: usize = 1 << 20;
/// So many bytes behind a record are enough for whoever judges it.
const ROOM_BYTES: usize = 256;

/// What a line is, and how long one may be.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// What may stand between the cells of a table: all that is known of before its header is read, then one; of lines, nothing.
    pub delimiters: &'static [u8],
    /// In bytes, the line end included.
    pub limit: usize,
}

/// What stands between the cells of a table.
pub(super) static DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Whether a cell is quoted at a place of a row: told of each quote in turn.
#[derive(Clone, Copy, Default)]
pub(super) struct Quotes {
    pub are_open: bool,
    /// Behind the one that closed last: another that follows at once is one of the text.
    closed: u64,
}

impl Quotes {
    /// A quote at a place, behind that byte; nothing is before the first of a row.
    pub fn meet(&mut self, at: u64, before: Option<u8>, delimiters: &[u8]) {
        if self.are_open {
            *self = Self { are_open: false, closed: at + 1 };
            return;
        }
        let begins = before.is_none_or(|before| before == b'\n' || delimiters.contains(&before));
        self.are_open = begins || at == self.closed;
    }
}

/// The byte before a place.
pub(super) fn before(bytes: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).map(|before| bytes[before])
}

/// Lines on their way: bytes of the input, and what is counted of them once they are told apart.
#[derive(Default)]
pub(super) struct Block<'i> {
    /// Its own, unless it is lent them.
    buffer: Vec<u8>,
    /// The input from its beginning on.
    lent: Option<&'i [u8]>,
    /// How many of either are its.
    filled: usize,
    /// Where it stands in the input.
    offset: u64,
    /// Line ends in it.
    pub lines: u64,
    pub blank_lines: u64,
    /// How many bytes were split into lines.
    split: usize,
    /// Why the one line that it holds cannot be read; only the beginning of it is there.
    fault: Option<Fault>,
}

/// The input as blocks.
pub(super) struct Blocks<'i, R> {
    input: R,
    /// The same, behind the last block, as long as it need not be read.
    whole: Option<Whole<'i>>,
    form: Form,
    /// Read, and behind the last block.
    rest: Vec<u8>,
    offset: u64,
    is_end: bool,
    /// What broke the input, where lines before it were still to be given.
    fault: Option<ReadError>,
}

impl<'i, R: Reader> Blocks<'i, R> {
    pub fn new(input: R, whole: Option<Whole<'i>>, form: Form) -> Self {
        Self { input, whole, form, rest: Vec::new(), offset: 0, is_end: false, fault: None }
    }

    /// From the next block on.
    pub fn take_form(&mut self, form: Form) {
        self.form = form;
    }

    /// Bytes in the blocks so far.
    pub fn bytes(&self) -> u64 {
        self.offset
    }

    pub fn is_whole(&self) -> bool {
        self.whole.is_some()
    }

    pub fn is_over(&self) -> bool {
        self.is_end && self.rest.is_empty() && self.fault.is_none()
    }

    /// The next block; false at the end. An eager one is given as soon as it holds a line, another when it is full.
    pub async fn next(&mut self, block: &mut Block<'i>, is_eager: bool) -> Result<bool, ReadError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        block.begin(self.offset, &mut self.rest, self.whole.as_ref().map(|whole| whole.rest));
        let usual = if self.is_whole() { LENT_BYTES } else { BLOCK_BYTES };
        let (mut size, mut seen) = (usual.max(block.filled), Seen::default());
        loop {
            if block.filled == size || is_eager || self.is_end {
                seen.go_on(block.bytes(), self.form);
                if seen.end > 0 {
                    self.give(block, seen.end);
                    return Ok(true);
                }
                if self.is_end {
                    self.give(block, block.filled);
                    return Ok(block.filled > 0);
                }
                if block.filled > self.form.limit {
                    return self.skip(block, seen.quotes).await.map(|()| true);
                }
            }
            if block.filled == size {
                size *= 2;
            }
            match self.fill(block, size).await {
                Ok(()) => {}
                Err(fault) => {
                    seen.go_on(block.bytes(), self.form);
                    if seen.end == 0 {
                        return Err(fault);
                    }
                    self.fault = Some(fault);
                    self.give(block, seen.end);
                    return Ok(true);
                }
            }
        }
    }

    /// Gives a block more bytes, as far as there are any, and to no more than that size.
    async fn fill(&mut self, block: &mut Block<'i>, size: usize) -> Result<(), ReadError> {
        if let Some(whole) = &mut self.whole {
            let length = size.min(whole.rest.len());
            if whole.stands(block.filled, length) {
                self.is_end = length == std::mem::replace(&mut block.filled, length);
                return Ok(());
            }
            self.read_instead(block).await?;
        }
        let count = self.input.read(block.room(size)).await?;
        block.filled += count;
        self.is_end = count == 0;
        Ok(())
    }

    /// From here on the input is read, as if it always had been.
    async fn read_instead(&mut self, block: &mut Block<'i>) -> Result<(), ReadError> {
        if self.whole.take().is_some() {
            block.lent = None;
            let mut passed = self.offset;
            while passed > 0 {
                block.buffer.clear();
                let most = passed.min(BLOCK_BYTES as u64) as usize;
                passed -= match self.input.append(most, &mut block.buffer).await? {
                    0 => break,
                    count => count as u64,
                };
            }
            block.buffer.clear();
            self.input.append(block.filled, &mut block.buffer).await?;
        }
        Ok(())
    }

    /// The first line that holds anything at the end of a block, behind blank ones; or a block of blank ones.
    pub async fn first(&mut self, block: &mut Block<'i>) -> Result<bool, ReadError> {
        let is_any = self.next(block, true).await?;
        let mut at = 0;
        while at < block.filled {
            let line = &block.bytes()[at..];
            let end = self.form.end(line).at;
            at += end;
            if end > self.form.limit || !line[..end].trim_ascii().is_empty() {
                break;
            }
        }
        if block.fault.is_none() {
            let behind = std::mem::take(&mut self.rest);
            self.offset -= block.filled as u64;
            self.give(block, at);
            self.rest.extend(behind);
        }
        Ok(is_any)
    }

    fn give(&mut self, block: &mut Block<'i>, end: usize) {
        self.offset += end as u64;
        match (&mut self.whole, block.lent) {
            (Some(whole), Some(lent)) => {
                whole.rest = &lent[end..];
                self.is_end &= whole.rest.is_empty();
            }
            _ => self.rest.extend_from_slice(&block.bytes()[end..]),
        }
        block.filled = end;
    }

    /// A line longer than the limit: its beginning is kept, all else is passed over.
    async fn skip(&mut self, block: &mut Block<'i>, mut quotes: Quotes) -> Result<(), ReadError> {
        self.read_instead(block).await?;
        block.lines = memchr_iter(b'\n', block.bytes()).count() as u64;
        let (mut passed, mut last) = (block.filled as u64, block.bytes().last().copied());
        self.offset += block.filled as u64;
        block.filled = self.form.limit;
        let mut buffer = vec![0; BLOCK_BYTES];
        loop {
            let count = self.input.read(&mut buffer).await?;
            let end = memchr(b'\n', &buffer[..count]);
            let (line, behind) = buffer[..count].split_at(end.map_or(count, |end| end + 1));
            for at in memchr_iter(b'"', line).take_while(|_| self.form.is_table()) {
                quotes.meet(passed + at as u64, before(line, at).or(last), self.form.delimiters);
            }
            passed += line.len() as u64;
            last = line.last().copied().or(last);
            block.lines += u64::from(end.is_some());
            self.offset += line.len() as u64;
            self.is_end = count == 0;
            if self.is_end || end.is_some() {
                self.rest.extend_from_slice(behind);
                block.fault = Some(Fault::too_long(quotes.are_open));
                return Ok(());
            }
        }
    }
}

/// How far a block was looked through for the end of its last whole line.
#[derive(Default)]
struct Seen {
    at: usize,
    /// Behind the last line that ends; 0 where none does.
    end: usize,
    quotes: Quotes,
}

impl Seen {
    fn go_on(&mut self, bytes: &[u8], form: Form) {
        let fresh = &bytes[self.at..];
        if !form.is_table() || !self.quotes.are_open && memchr(b'"', fresh).is_none() {
            self.end = memrchr(b'\n', fresh).map_or(self.end, |last| self.at + last + 1);
        } else {
            for stop in memchr2_iter(b'\n', b'"', fresh) {
                let at = self.at + stop;
                if bytes[at] == b'"' {
                    self.quotes.meet(at as u64, before(bytes, at), form.delimiters);
                } else if !self.quotes.are_open || at + 1 - self.end > form.limit {
                    (self.end, self.quotes) = (at + 1, Quotes::default());
                }
            }
        }
        self.at = bytes.len();
    }
}

impl<'i> Block<'i> {
    pub fn bytes(&self) -> &[u8] {
        &self.lent.unwrap_or(&self.buffer)[..self.filled]
    }

    /// Its bytes, and some of what is behind them.
    pub fn with_room(&self) -> &[u8] {
        self.lent.map_or(&self.buffer, |lent| &lent[..lent.len().min(self.filled + ROOM_BYTES)])
    }

    /// Takes the bytes that were left over.
    fn begin(&mut self, offset: u64, rest: &mut Vec<u8>, lent: Option<&'i [u8]>) {
        let buffer = std::mem::take(&mut self.buffer);
        *self = Self { buffer, lent, filled: rest.len(), offset, ..Self::default() };
        self.room(rest.len());
        self.buffer[..rest.len()].copy_from_slice(rest);
        rest.clear();
    }

    /// What is not filled, of so many bytes.
    fn room(&mut self, size: usize) -> &mut [u8] {
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        &mut self.buffer[self.filled..size]
    }

    /// Where one of its lines begins.
    pub fn start(&self, raw: &Raw) -> Start {
        Start { line: raw.line, column: 1, offset: self.offset + raw.bytes.start as u64 }
    }

    /// Finds the next lines that hold anything, in order, but no more than so many; their numbers count from 0. Why some cannot be
    /// read is told beside them.
    pub fn split(&mut self, form: Form, most: usize, raws: &mut Vec<Raw>, faults: &mut Vec<(usize, Fault)>) {
        let Self { buffer, lent, filled, offset, lines, blank_lines, split, fault } = self;
        let bytes = &lent.unwrap_or(buffer)[..*filled];
        if let Some(fault) = fault.take() {
            faults.push((raws.len(), fault));
            raws.push(Raw { line: 0, bytes: 0..*filled });
            *split = *filled;
            return;
        }
        // In JSON it is pointed at where the record is read; a cell would take it for a character.
        let may_have_nul = form.is_table() && memchr(0, bytes).is_some();
        let mut take = |raws: &mut Vec<Raw>, lines: &mut u64, from: usize, end: End| {
            let (line, whole) = (*lines, &bytes[from..end.at]);
            *lines += end.lines;
            if whole.len() > form.limit {
                faults.push((raws.len(), Fault::too_long(end.in_quotes)));
                raws.push(Raw { line, bytes: from..from + form.limit });
                return;
            }
            let trimmed = whole.strip_suffix(b"\n").unwrap_or(whole);
            let trimmed = trimmed.strip_suffix(b"\r").unwrap_or(trimmed);
            if !trimmed.first().is_some_and(u8::is_ascii_graphic) && trimmed.trim_ascii().is_empty() {
                *blank_lines += 1;
                return;
            }
            let nul = memchr(0, trimmed).filter(|_| may_have_nul);
            let nul = nul.map(|at| nul_byte(trimmed, at, (line, *offset + from as u64)));
            let fault = nul.or_else(|| end.in_quotes.then_some(Fault::QuoteUnclosed));
            faults.extend(fault.map(|fault| (raws.len(), fault)));
            raws.push(Raw { line, bytes: from..from + trimmed.len() });
        };
        let mut from = *split;
        if !form.is_table() || memchr(b'"', bytes).is_none() {
            for stop in LineEnds::of(&bytes[from..]) {
                if raws.len() >= most {
                    break;
                }
                let stop = *split + stop;
                // Nearly every line: not blank, not too long, and with nothing before its end.
                let is_usual = stop > from && bytes[from].is_ascii_graphic() && bytes[stop - 1] != b'\r';
                if is_usual && stop - from < form.limit && !may_have_nul {
                    raws.push(Raw { line: *lines, bytes: from..stop });
                    *lines += 1;
                } else {
                    take(raws, lines, from, End { at: stop + 1, lines: 1, in_quotes: false });
                }
                from = stop + 1;
            }
        }
        while from < bytes.len() && raws.len() < most {
            let end = form.end(&bytes[from..]);
            let at = from + end.at;
            take(raws, lines, from, End { at, ..end });
            from = at;
        }
        *split = from;
    }

    /// Whether all lines were found.
    pub fn is_split(&self) -> bool {
        self.split == self.filled
    }
}

/// NUL bytes in a row, which begins on that line and behind so many bytes.
fn nul_byte(row: &[u8], at: usize, (line, offset): (u64, u64)) -> Fault {
    let (before, behind) = row.split_at(at);
    let line = line + memchr_iter(b'\n', before).count() as u64;
    let begins = memrchr(b'\n', before).map_or(0, |end| end + 1);
    let column = String::from_utf8_lossy(&before[begins..]).chars().count() as u64 + 1;
    let at = Start { line, column, offset: offset + at as u64 };
    Fault::Nul { count: memchr_iter(0, behind).count() as u64, at }
}

impl Fault {
    fn too_long(in_quotes: bool) -> Self {
        if in_quotes { Self::QuoteUnclosed } else { Self::TooLong }
    }
}

/// Where a line ends.
struct End {
    /// Behind its line end, or where there is no more.
    at: usize,
    /// Line ends that it holds, its own included.
    lines: u64,
    /// Whether a quote is open there.
    in_quotes: bool,
}

impl Form {
    fn is_table(self) -> bool {
        !self.delimiters.is_empty()
    }

    /// Where the line ends that begins here.
    fn end(self, bytes: &[u8]) -> End {
        if !self.is_table() {
            let end = memchr(b'\n', bytes);
            let at = end.map_or(bytes.len(), |end| end + 1);
            return End { at, lines: u64::from(end.is_some()), in_quotes: false };
        }
        let (mut lines, mut quotes) = (0, Quotes::default());
        for stop in memchr2_iter(b'\n', b'"', bytes) {
            if bytes[stop] == b'"' {
                quotes.meet(stop as u64, before(bytes, stop), self.delimiters);
                continue;
            }
            lines += 1;
            if !quotes.are_open || stop + 1 > self.limit {
                return End { at: stop + 1, lines, in_quotes: quotes.are_open };
            }
        }
        End { at: bytes.len(), lines, in_quotes: quotes.are_open }
    }
}
