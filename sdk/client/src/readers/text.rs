//! UTF-8 from whatever came: BOMs are taken off, GB 18030 is decoded and said, what is no text is refused by name.
//!
//! # Invariants
//! - Which encoding an input is in is decided once, by the 64 KiB from its first byte beyond ASCII on, wherever that stands; what is
//!   ASCII until then is the same in both. It does not depend on how the bytes come, and neither does whether it is told: of bytes that
//!   were looked at only since they came with others, it is not.
//! - One input has one encoding. A line that is in the other one is neither decoded by guess nor taken for what it is not: its
//!   record is told to be unreadable.

use super::{
    ReadError, ReadOptions, detect,
    detect::{Encoding, Format},
};
use encoding_rs::{Decoder, DecoderResult, GB18030};
use futures_io::AsyncRead;
use guiju_model::{Finding, Place};
use guiju_validator::codes;
use memchr::{memchr, memchr_iter, memrchr};
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
};

const HEAD_BYTES: usize = 64 << 10;

pub(super) struct Opened<'i, R> {
    pub reader: Text<R>,
    /// The same text, where it is in memory and not to be decoded.
    pub whole: Option<Whole<'i>>,
    pub format: Format,
    pub findings: Vec<Finding>,
    pub encoding: Decided,
}

/// Which encoding an input is in, once that is known: until then it is ASCII.
#[derive(Clone, Default)]
pub(super) struct Decided(Arc<OnceLock<(Encoding, Option<Place>)>>);

impl Decided {
    /// Of an input in GB 18030 that began as ASCII, that it is, and from where on, if that is among the bytes that were read.
    pub fn late_finding(&self, bytes: u64) -> Option<Finding> {
        let (encoding, place) = self.0.get()?;
        let is_read = |place: &Place| matches!(place, Place::Text { offset, .. } if *offset < bytes);
        let place = place.clone().filter(|place| *encoding == Encoding::Gb18030 && is_read(place))?;
        Some(Finding { place: Some(place), ..codes::finding("encoding-gb18030", "", &[]) })
    }

    /// What is wrong with a record whose byte at a place is not UTF-8 once it was decoded.
    pub fn fault(&self, source: &[u8], at: usize) -> Finding {
        let hex = |at: usize| format!("0x{:02X}", source.get(at).copied().unwrap_or_default());
        let mixed = |found: &str, encoding: &str, byte: &str| {
            codes::finding("encoding-mixed", "", &[("found", found), ("encoding", encoding), ("byte", byte)])
        };
        match self.0.get() {
            Some((Encoding::Gb18030, _)) if source.get(at) == Some(&OTHER_LINE) => {
                mixed("UTF-8", "GB 18030", &hex(at + 1))
            }
            Some((Encoding::Gb18030, _)) => codes::finding("gb18030-invalid", "", &[("byte", &hex(at))]),
            // A few bytes may as well be what is left of a character of UTF-8.
            _ if source.iter().filter(|byte| !byte.is_ascii()).count() >= 4 && is_gb18030(source) => {
                mixed("GB 18030", "UTF-8", &hex(at))
            }
            _ => codes::finding("utf8-invalid", "", &[("byte", &hex(at))]),
        }
    }
}

/// A reader of UTF-8 text; what was not to be decoded is no UTF-8 in it either.
pub(super) struct Text<R> {
    input: Input<R>,
    asked: Option<Encoding>,
    way: Way,
    encoding: Decided,
    /// What broke the input, where bytes before it were still to be given.
    fault: Option<io::Error>,
}

enum Way {
    /// All that came is ASCII.
    Open(Passed),
    /// As it comes, behind what was read of it already.
    Plain(io::Cursor<Vec<u8>>),
    Decoded(Box<Decoded>),
}

/// An input that is in memory as a whole, so that it need not be read as long as it is UTF-8.
pub(super) struct Whole<'i> {
    pub rest: &'i [u8],
    asked: Option<Encoding>,
    encoding: Decided,
}

impl Whole<'_> {
    /// Whether the next bytes, so many of which are known to be, are UTF-8 as they stand.
    pub fn stands(&self, known: usize, length: usize) -> bool {
        if self.encoding.0.get().is_some() {
            return true;
        }
        let Some(first) = beyond_ascii(&self.rest[known..length]) else { return true };
        let window = &self.rest[known + first..];
        let is_utf8 = self.asked.unwrap_or_else(|| found(window, window.len() < HEAD_BYTES)) == Encoding::Utf8;
        if is_utf8 {
            let _ = self.encoding.0.set((Encoding::Utf8, None));
        }
        is_utf8
    }
}

/// Opens an input, all of which may be in memory, too.
pub(super) async fn open<'i, R: AsyncRead + Unpin>(
    input: R,
    whole: Option<&'i [u8]>,
    options: &ReadOptions,
) -> Result<Opened<'i, R>, ReadError> {
    let (mut input, mut head) = (Input { head: Vec::new(), at: 0, rest: input }, Vec::new());
    let mut is_all = input.append(HEAD_BYTES, &mut head).await? < HEAD_BYTES;
    if let Some(finding) = refused(&head) {
        return Err(ReadError::Refused(Box::new(finding)));
    }
    let mut findings = Vec::new();
    let (mut asked, mut mark_bytes) = (options.encoding, 0);
    if head.starts_with(b"\xef\xbb\xbf") {
        mark_bytes = 3;
        findings.push(at_start(codes::finding("bom-present", "", &[])));
    } else if head.starts_with(b"\x84\x31\x95\x33") {
        // The same mark in GB 18030.
        mark_bytes = 4;
        asked = asked.or(Some(Encoding::Gb18030));
    }
    head.drain(..mark_bytes);
    let mut decoded = None;
    let encoding = Decided::default();
    if let Some(first) = beyond_ascii(&head) {
        if !is_all {
            is_all = input.append(first, &mut head).await? < first;
        }
        let found = asked.unwrap_or_else(|| found(&head[first..], is_all));
        let _ = encoding.0.set((found, None));
        if found == Encoding::Gb18030 {
            findings.push(at_start(codes::finding("encoding-gb18030", "", &[])));
            decoded = Some(GB18030.decode_without_bom_handling(&head).0);
        }
    }
    let text = decoded.as_ref().map_or(head.as_slice(), |text| text.as_bytes());
    let format = options.format.unwrap_or_else(|| detect::format(text, is_all));
    let finding = no_text(text, format, is_all).or_else(|| no_lines(text, format));
    if let Some(finding) = finding {
        return Err(ReadError::Refused(Box::new(finding)));
    }
    let way = match encoding.0.get() {
        Some((Encoding::Gb18030, _)) => Way::Decoded(Box::new(Decoded::new(Vec::new()))),
        Some((Encoding::Utf8, _)) => Way::Plain(io::Cursor::default()),
        None => Way::Open(Passed::default()),
    };
    let whole = whole.filter(|_| !matches!(way, Way::Decoded(_)));
    let whole = whole.map(|all| Whole { rest: &all[mark_bytes..], asked, encoding: encoding.clone() });
    input.head = head;
    let reader = Text { input, asked, way, encoding: encoding.clone(), fault: None };
    Ok(Opened { reader, whole, format, findings, encoding })
}

fn beyond_ascii(bytes: &[u8]) -> Option<usize> {
    (!bytes.is_ascii()).then(|| bytes.iter().position(|byte| !byte.is_ascii())).flatten()
}

/// The encoding of a text that goes on so from its first byte beyond ASCII on. Where it is neither, the records that hold the bytes
/// say so.
fn found(window: &[u8], is_all: bool) -> Encoding {
    let window = &window[..window.len().min(HEAD_BYTES)];
    match is_utf8(window, is_all) || !is_gb18030(window) {
        true => Encoding::Utf8,
        false => Encoding::Gb18030,
    }
}

/// Whether a text that is not UTF-8 is GB 18030 rather than damaged UTF-8.
fn is_gb18030(text: &[u8]) -> bool {
    let broken = |text: &str| text.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    let as_utf8 = String::from_utf8_lossy(text);
    let (utf8_broken, beyond_ascii) = (broken(&as_utf8), as_utf8.chars().filter(|c| !c.is_ascii()).count());
    let gb_broken = broken(&GB18030.decode(text).0);
    // Chinese in UTF-8 stays mostly readable with some bytes wrong; in GB 18030, next to nothing of it is UTF-8.
    utf8_broken * 2 > beyond_ascii && gb_broken * 10 < utf8_broken
}

fn at_start(mut finding: Finding) -> Finding {
    finding.place = Some(Place::Text { line: 1, column: 1, offset: 0 });
    finding
}

/// UTF-8, but for a character that the end may have cut.
fn is_utf8(text: &[u8], is_all: bool) -> bool {
    match std::str::from_utf8(text) {
        Ok(_) => true,
        Err(error) => !is_all && error.error_len().is_none(),
    }
}

/// What is no text at all, or in an encoding that is not read.
fn refused(head: &[u8]) -> Option<Finding> {
    let is_json = || matches!(head.trim_ascii_start().first(), Some(b'{' | b'[' | b'"'));
    let (en, zh) = match head {
        [b'P', b'K', 3, 4, ..] => ("a zip (.xlsx)", "zip（.xlsx）"),
        [0xD0, 0xCF, 0x11, 0xE0, ..] => ("an Excel 97 (.xls)", "Excel 97（.xls）"),
        [b'%', b'P', b'D', b'F', ..] => ("a PDF", "PDF"),
        [0x1F, 0x8B, ..] => ("a gzip", "gzip"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => return Some(codes::finding("encoding-utf16", "", &[])),
        _ if head.contains(&0) && is_utf16(head) => return Some(codes::finding("encoding-utf16", "", &[])),
        // In JSON it is pointed at, in its record; in a table, in its row.
        _ if head.contains(&0) && !is_json() && is_binary(head) => ("a binary", "二进制"),
        _ => return None,
    };
    Some(codes::finding_in_words("spreadsheet-renamed", "", &[("kind", en, zh)]))
}

/// Whether bytes with a NUL among them are no text with a slip: other control characters stand there, too, or every fourth is NUL
/// and not all of them, as in a file that was never written.
fn is_binary(head: &[u8]) -> bool {
    let is_control = |byte: &u8| matches!(byte, 1..=8 | 14..=31 | 127);
    let nul = memchr_iter(0, head).count();
    head.iter().any(is_control) || nul * 4 >= head.len() && nul < head.len()
}

/// Whether bytes that begin so are a text in UTF-16 without a mark, in either order of its bytes. Read so, a text of another encoding
/// is characters, too, but few of its bytes are zero or beyond ASCII.
fn is_utf16(head: &[u8]) -> bool {
    let ends = memchr_iter(b'\n', head).count();
    let is_text = |unit: fn([u8; 2]) -> u16| {
        let units = head.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        // Of bytes that end lines in other texts, most do so in this one.
        if units.clone().filter(|unit| *unit == 0x0A).count() * 2 < ends {
            return false;
        }
        // The end may have cut a pair.
        let units = units.take((head.len() / 2).saturating_sub(usize::from(head.len() > 2)));
        let is_plain = |c: char| !c.is_control() || matches!(c, '\t' | '\r' | '\n');
        char::decode_utf16(units).all(|c| c.is_ok_and(is_plain))
    };
    let wide = head.iter().filter(|byte| **byte == 0 || !byte.is_ascii()).count();
    wide * 5 >= head.len() && (is_text(u16::from_le_bytes) || is_text(u16::from_be_bytes))
}

/// Bytes that are valid in neither encoding, where they are no text with a slip either: control characters stand among them.
fn no_text(head: &[u8], format: Format, is_all: bool) -> Option<Finding> {
    let is_control = |byte: &u8| matches!(byte, 1..=8 | 14..=31);
    let error = std::str::from_utf8(head).err().filter(|error| is_all || error.error_len().is_some())?;
    let is_noise = format == Format::Csv && head.iter().any(is_control);
    is_noise.then(|| codes::finding("encoding-unknown", "", &[("offset", &error.valid_up_to().to_string())]))
}

/// A table of which no line ends, but for carriage returns, as programs of long ago wrote them.
fn no_lines(head: &[u8], format: Format) -> Option<Finding> {
    let first = memchr(b'\r', head)?;
    let is_followed = !head[first..].trim_ascii_start().is_empty();
    let is_so = format == Format::Csv && is_followed && memchr(b'\n', head).is_none();
    let column = String::from_utf8_lossy(&head[..first]).chars().count() as u64 + 1;
    let place = Some(Place::Text { line: 1, column, offset: first as u64 });
    is_so.then(|| Finding { place, ..codes::finding("csv-carriage-return", "", &[]) })
}

/// How much went by.
struct Passed {
    line: u64,
    column: u64,
    offset: u64,
}

impl Default for Passed {
    fn default() -> Self {
        Self { line: 1, column: 1, offset: 0 }
    }
}

impl Passed {
    /// Passes ASCII.
    fn pass(&mut self, text: &[u8]) {
        self.offset += text.len() as u64;
        self.line += memchr_iter(b'\n', text).count() as u64;
        match memrchr(b'\n', text) {
            Some(last) => self.column = (text.len() - last) as u64,
            None => self.column += text.len() as u64,
        }
    }
}

/// An input, and what was read of it to look at before it is read again.
struct Input<R> {
    head: Vec<u8>,
    /// How much of that was read again.
    at: usize,
    rest: R,
}

/// Whatever gives bytes, sooner or later.
pub(super) trait Reader {
    /// Fills some of a buffer, which is not empty; none at the end.
    async fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;

    /// Appends so many bytes, or as many as there are; how many that were.
    async fn append(&mut self, most: usize, to: &mut Vec<u8>) -> io::Result<usize> {
        let from = to.len();
        let mut filled = from;
        let read = loop {
            if to.len() == filled {
                to.resize(from.saturating_add(most).min(filled + HEAD_BYTES), 0);
            }
            match to[filled..].is_empty() {
                true => break Ok(filled - from),
                false => match self.read(&mut to[filled..]).await {
                    Ok(0) => break Ok(filled - from),
                    Ok(count) => filled += count,
                    Err(error) => break Err(error),
                },
            }
        };
        to.truncate(filled);
        read
    }
}

impl<R: AsyncRead + Unpin> Reader for Input<R> {
    async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let head = &self.head[self.at..];
        if !head.is_empty() {
            let count = head.len().min(into.len());
            into[..count].copy_from_slice(&head[..count]);
            self.at += count;
            return Ok(count);
        }
        loop {
            match poll_fn(|context| Pin::new(&mut self.rest).poll_read(context, into)).await {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl<R: AsyncRead + Unpin> Text<R> {
    /// Decides by what comes from the first byte beyond ASCII on, of which some is here.
    async fn decide(&mut self, mut window: Vec<u8>, passed: &Passed) {
        let wanted = HEAD_BYTES.saturating_sub(window.len());
        self.fault = self.input.append(wanted, &mut window).await.err();
        let is_all = window.len() < HEAD_BYTES && self.fault.is_none();
        let encoding = self.asked.unwrap_or_else(|| found(&window, is_all));
        let Passed { line, column, offset } = *passed;
        let _ = self.encoding.0.set((encoding, Some(Place::Text { line, column, offset })));
        self.way = match encoding {
            Encoding::Utf8 => Way::Plain(io::Cursor::new(window)),
            Encoding::Gb18030 => Way::Decoded(Box::new(Decoded::new(window))),
        };
    }

    async fn more(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => self.input.read(buffer).await,
        }
    }
}

impl<R: AsyncRead + Unpin> Reader for Text<R> {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Way::Open(passed) = &mut self.way {
            let count = self.input.read(buffer).await?;
            let ascii = beyond_ascii(&buffer[..count]).unwrap_or(count);
            passed.pass(&buffer[..ascii]);
            if ascii == count {
                return Ok(count);
            }
            let passed = std::mem::take(passed);
            self.decide(buffer[ascii..count].to_vec(), &passed).await;
            if ascii > 0 {
                return Ok(ascii);
            }
        }
        match &mut self.way {
            Way::Plain(rest) => match io::Read::read(rest, buffer)? {
                0 => self.more(buffer).await,
                count => Ok(count),
            },
            Way::Decoded(_) => {
                self.fill().await?;
                let Way::Decoded(decoded) = &mut self.way else { return Ok(0) };
                let count = buffer.len().min(decoded.out.len() - decoded.out_at);
                buffer[..count].copy_from_slice(&decoded.out[decoded.out_at..decoded.out_at + count]);
                decoded.out_at += count;
                Ok(count)
            }
            Way::Open(_) => Ok(0),
        }
    }
}

/// Of GB 18030, at most.
const CHARACTER_BYTES: usize = 4;
/// Stands for what is no character of GB 18030, and occurs in no UTF-8.
const NO_CHARACTER: u8 = 0xFF;
/// Stands before a line that is not in the encoding of its input.
const OTHER_LINE: u8 = 0xFE;

/// GB 18030 on its way to UTF-8, a line at a time.
struct Decoded {
    decoder: Decoder,
    raw: Vec<u8>,
    raw_at: usize,
    /// Whether a line begins at `raw_at`.
    is_line_start: bool,
    /// Whether the line that has begun is in UTF-8.
    is_utf8: bool,
    out: Vec<u8>,
    out_at: usize,
    is_end: bool,
}

impl Decoded {
    fn new(raw: Vec<u8>) -> Self {
        let decoder = GB18030.new_decoder_without_bom_handling();
        let (out, out_at, is_end, raw_at) = (Vec::new(), 0, false, 0);
        // What came before is ASCII, so that where a line is looked at from is the same.
        Self { decoder, raw, raw_at, is_line_start: true, is_utf8: false, out, out_at, is_end }
    }

    /// The length of what is next: a line, or as much of it as is looked at at once. None where more must come.
    fn piece(&self, is_over: bool) -> Option<usize> {
        let unread = &self.raw[self.raw_at..];
        let looked_at = &unread[..unread.len().min(HEAD_BYTES)];
        match memchr(b'\n', looked_at) {
            Some(end) => Some(end + 1),
            None => (is_over || unread.len() >= HEAD_BYTES).then_some(looked_at.len()),
        }
    }

    fn take(&mut self, length: usize) {
        let piece = self.raw_at..self.raw_at + length;
        self.raw_at = piece.end;
        let text = &self.raw[piece.clone()];
        if std::mem::replace(&mut self.is_line_start, text.ends_with(b"\n")) {
            let first = beyond_ascii(text);
            self.is_utf8 = first.is_some_and(|first| is_utf8_line(&text[first..]));
            if let Some(first) = first.filter(|_| self.is_utf8) {
                self.out.extend_from_slice(&text[..first]);
                self.out.push(OTHER_LINE);
                self.out.extend_from_slice(&text[first..]);
                return;
            }
        }
        match self.is_utf8 {
            true => self.out.extend_from_slice(text),
            false => self.decode(piece, false),
        }
    }

    fn decode(&mut self, piece: std::ops::Range<usize>, is_last: bool) {
        let mut at = piece.start;
        loop {
            let from = self.out.len();
            let text = &self.raw[at..piece.end];
            self.out.resize(from + 2 * text.len() + 16, 0);
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(text, &mut self.out[from..], is_last);
            self.out.truncate(from + written);
            at += read;
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, after) => {
                    // Neither is UTF-8, so the record that holds them names the byte.
                    let first = at.checked_sub(usize::from(length + after)).and_then(|at| self.raw.get(at));
                    self.out.extend(first.filter(|byte| !byte.is_ascii()));
                    self.out.push(NO_CHARACTER);
                }
            }
        }
    }
}

impl<R: AsyncRead + Unpin> Text<R> {
    /// Makes sure that there is decoded text to give, unless there is no more.
    async fn fill(&mut self) -> io::Result<()> {
        let mut is_over = false;
        loop {
            let Way::Decoded(decoded) = &mut self.way else { return Ok(()) };
            if decoded.out_at < decoded.out.len() || decoded.is_end {
                return Ok(());
            }
            decoded.out.clear();
            decoded.out_at = 0;
            while decoded.out.len() < HEAD_BYTES
                && let Some(length) = decoded.piece(is_over).filter(|length| *length > 0)
            {
                decoded.take(length);
            }
            if !decoded.out.is_empty() {
                continue;
            }
            if is_over {
                let end = decoded.raw_at;
                decoded.decode(end..end, true);
                decoded.is_end = true;
                continue;
            }
            // A character may have begun in the last bytes, and be named if it does not go on.
            let kept = decoded.raw_at.min(CHARACTER_BYTES);
            decoded.raw.drain(..decoded.raw_at - kept);
            decoded.raw_at = kept;
            let from = decoded.raw.len();
            let mut raw = std::mem::take(&mut decoded.raw);
            raw.resize(from + HEAD_BYTES, 0);
            let read = self.more(&mut raw[from..]).await;
            let count = *read.as_ref().unwrap_or(&0);
            raw.truncate(from + count);
            if let Way::Decoded(decoded) = &mut self.way {
                decoded.raw = raw;
            }
            is_over = read? == 0;
        }
    }
}

/// Whether a line of an input in GB 18030 is in UTF-8, from its first byte beyond ASCII on: it can be read as such, as Chinese for
/// the most part, and in GB 18030 it has characters beyond GB 2312, which are rare. Of lines of two characters one in twenty can be both.
fn is_utf8_line(text: &[u8]) -> bool {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        // The line may go on behind what is looked at.
        Err(error) if error.error_len().is_none() && text.len() + 4 > HEAD_BYTES => {
            std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let beyond = text.chars().filter(|c| !c.is_ascii()).count();
    let chinese = text.chars().filter(|c| *c >= '\u{3000}').count();
    chinese * 2 > beyond && has_rare_pairs(text.as_bytes())
}

fn has_rare_pairs(bytes: &[u8]) -> bool {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            0..=0x7F => 1,
            0xA1.. if bytes.get(at + 1).is_some_and(|byte| *byte >= 0xA1) => 2,
            _ => return true,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_encoding_are_told_from_those_of_the_other() {
        for text in ["张三丰", "1,张三,女", "住址：海淀区中关村", "字"] {
            assert!(is_utf8_line(&text.as_bytes()[beyond_ascii(text.as_bytes()).unwrap()..]), "{text}");
        }
        for text in ["女", "男", "张三", "欧阳修，字永叔", "海淀区中关村大街", "镕", "琪琳玥", "·", "°C"]
        {
            let (gb, ..) = GB18030.encode(text);
            assert!(!is_utf8_line(&gb), "{text}");
        }
    }

    #[test]
    fn what_is_utf_16_is_known_without_its_mark() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        assert!(is_utf16(&wide("{\"name\": \"张三\"}\n")) && is_utf16(&wide("姓名,性别\n张三,1\n")));
        assert!(!is_utf16(b"\x7fELF\x02\x01\x01\0\0\0\0\0") && !is_utf16(b"name\nab\0c\n"));
    }
}
