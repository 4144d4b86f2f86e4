//! UTF-8 from whatever came: BOMs are taken off, GB 18030 is decoded and said, spreadsheets are refused by name.

use super::{ReadError, detect, detect::Format};
use encoding_rs::{Decoder, DecoderResult, GB18030};
use guiju_model::{Finding, Place};
use guiju_validator::codes;
use std::io::{self, Read};

const HEAD_BYTES: usize = 64 << 10;

pub(super) struct Opened<R> {
    pub reader: Text<R>,
    pub format: Format,
    pub findings: Vec<Finding>,
}

/// A reader of UTF-8 text.
pub(super) enum Text<R> {
    Plain(io::Chain<io::Cursor<Vec<u8>>, R>),
    Decoded(Box<Decoded<io::Chain<io::Cursor<Vec<u8>>, R>>>),
}

pub(super) fn open<R: Read>(mut input: R, format: Option<Format>) -> Result<Opened<R>, ReadError> {
    let mut head = Vec::new();
    input.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let is_all = head.len() < HEAD_BYTES;
    if let Some(finding) = refused(&head) {
        return Err(ReadError::Refused(Box::new(finding)));
    }
    let mut findings = Vec::new();
    if head.starts_with(b"\xef\xbb\xbf") {
        head.drain(..3);
        findings.push(at_start(codes::finding("bom-present", "", &[])));
    }
    let is_utf8 = is_utf8(&head, is_all);
    if is_utf8 || !is_gb18030(&head) {
        // Where UTF-8 is broken, the record that holds the byte says so.
        let format = format.unwrap_or_else(|| detect::format(&head, is_all));
        if let Some(finding) = no_text(&head, format).filter(|_| !is_utf8) {
            return Err(ReadError::Refused(Box::new(finding)));
        }
        return Ok(Opened { reader: Text::Plain(io::Cursor::new(head).chain(input)), format, findings });
    }
    findings.push(at_start(codes::finding("encoding-gb18030", "", &[])));
    let format = format.unwrap_or_else(|| detect::format(GB18030.decode(&head).0.as_bytes(), is_all));
    let reader = Text::Decoded(Box::new(Decoded::new(io::Cursor::new(head).chain(input))));
    Ok(Opened { reader, format, findings })
}

/// Whether a text that is not UTF-8 is GB 18030 rather than damaged UTF-8.
fn is_gb18030(head: &[u8]) -> bool {
    let broken = |text: &str| text.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    let as_utf8 = String::from_utf8_lossy(head);
    let (utf8_broken, beyond_ascii) = (broken(&as_utf8), as_utf8.chars().filter(|c| !c.is_ascii()).count());
    let gb_broken = broken(&GB18030.decode(head).0);
    // Chinese in UTF-8 stays mostly readable with some bytes wrong; in GB 18030, next to nothing of it is UTF-8.
    utf8_broken * 2 > beyond_ascii && gb_broken * 10 < utf8_broken
}

fn at_start(mut finding: Finding) -> Finding {
    finding.place = Some(Place::Text { line: 1, column: 1, offset: 0 });
    finding
}

/// UTF-8, but for a character that the end of the head may have cut.
fn is_utf8(head: &[u8], is_all: bool) -> bool {
    match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => !is_all && error.error_len().is_none(),
    }
}

/// What is no text at all.
fn refused(head: &[u8]) -> Option<Finding> {
    let (en, zh) = match head {
        [b'P', b'K', 3, 4, ..] => ("a zip (.xlsx)", "zip（.xlsx）"),
        [0xD0, 0xCF, 0x11, 0xE0, ..] => ("an Excel 97 (.xls)", "Excel 97（.xls）"),
        [b'%', b'P', b'D', b'F', ..] => ("a PDF", "PDF"),
        [0x1F, 0x8B, ..] => ("a gzip", "gzip"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => ("a UTF-16 text", "UTF-16 文本"),
        [0, ..] | [_, 0, ..] => ("a binary or UTF-16", "二进制或 UTF-16"),
        // In JSON it is pointed at, in its record.
        _ if head.contains(&0) && !matches!(head.trim_ascii_start().first(), Some(b'{' | b'[' | b'"')) => {
            ("a binary or UTF-16", "二进制或 UTF-16")
        }
        _ => return None,
    };
    Some(at_start(codes::finding_in_words("spreadsheet-renamed", "", &[("kind", en, zh)])))
}

/// Bytes that are valid in neither encoding, where they are no text with a slip either: control characters stand among them.
fn no_text(head: &[u8], format: Format) -> Option<Finding> {
    let is_control = |byte: &u8| matches!(byte, 0..=8 | 14..=31);
    let offset = std::str::from_utf8(head).err()?.valid_up_to();
    let is_noise = format == Format::Csv && head.iter().any(is_control);
    is_noise.then(|| at_start(codes::finding("encoding-unknown", "", &[("offset", &offset.to_string())])))
}

/// Stands for what is no character of GB 18030, and occurs in no UTF-8.
const NO_CHARACTER: u8 = 0xFF;

/// Decodes GB 18030 as it comes.
pub(super) struct Decoded<R> {
    input: R,
    decoder: Decoder,
    raw: Vec<u8>,
    raw_at: usize,
    out: Vec<u8>,
    out_at: usize,
    is_end: bool,
}

impl<R: Read> Decoded<R> {
    fn new(input: R) -> Self {
        let decoder = GB18030.new_decoder_without_bom_handling();
        Self { input, decoder, raw: Vec::new(), raw_at: 0, out: Vec::new(), out_at: 0, is_end: false }
    }

    fn fill(&mut self) -> io::Result<()> {
        while self.out_at == self.out.len() && !self.is_end {
            if self.raw_at == self.raw.len() {
                self.raw.resize(HEAD_BYTES, 0);
                let read = self.input.read(&mut self.raw)?;
                self.raw.truncate(read);
                self.raw_at = 0;
            }
            let is_last = self.raw.is_empty();
            self.out.resize(HEAD_BYTES * 2, 0);
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(&self.raw[self.raw_at..], &mut self.out, is_last);
            self.out.truncate(written);
            self.out_at = 0;
            self.raw_at += read;
            if let DecoderResult::Malformed(length, after) = result {
                // Neither is UTF-8, so the record that holds them names the byte.
                let first = self.raw_at.checked_sub(usize::from(length + after)).and_then(|at| self.raw.get(at));
                self.out.extend(first.filter(|byte| !byte.is_ascii()));
                self.out.push(NO_CHARACTER);
            }
            self.is_end = is_last && result == DecoderResult::InputEmpty;
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill()?;
        let count = buffer.len().min(self.out.len() - self.out_at);
        buffer[..count].copy_from_slice(&self.out[self.out_at..self.out_at + count]);
        self.out_at += count;
        Ok(count)
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            Self::Decoded(reader) => reader.read(buffer),
        }
    }
}
