//! UTF-8 from whatever came: BOMs are taken off, GB 18030 is decoded and said, spreadsheets are refused by name.

use super::{ReadError, detect, detect::Format};
use encoding_rs::{CoderResult, Decoder, GB18030};
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
    match is_utf8(&head, is_all) {
        true => {
            let format = format.unwrap_or_else(|| detect::format(&head, is_all));
            let reader = Text::Plain(io::Cursor::new(head).chain(input));
            Ok(Opened { reader, format, findings })
        }
        false => {
            let (decoded, _, malformed) = GB18030.decode(&head);
            // Cutting the head may have cut a character in two; more than that is another encoding, or a damaged file.
            let bad = decoded.matches('\u{FFFD}').count();
            let is_gb = !malformed || !is_all && bad <= 1;
            if !is_gb {
                // Broken UTF-8 rather than anything else: the record that holds the byte says so.
                let format = format.unwrap_or_else(|| detect::format(&head, is_all));
                if let Some(finding) = no_text(&head, format) {
                    return Err(ReadError::Refused(Box::new(finding)));
                }
                return Ok(Opened { reader: Text::Plain(io::Cursor::new(head).chain(input)), format, findings });
            }
            findings.push(at_start(codes::finding("encoding-gb18030", "", &[])));
            let format = format.unwrap_or_else(|| detect::format(decoded.as_bytes(), is_all));
            let reader = Text::Decoded(Box::new(Decoded::new(io::Cursor::new(head).chain(input))));
            Ok(Opened { reader, format, findings })
        }
    }
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
    let kind = match head {
        [b'P', b'K', 3, 4, ..] => "zip (.xlsx)",
        [0xD0, 0xCF, 0x11, 0xE0, ..] => "Excel 97 (.xls)",
        [b'%', b'P', b'D', b'F', ..] => "PDF",
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "UTF-16 text",
        _ => return None,
    };
    Some(at_start(codes::finding("spreadsheet-renamed", "", &[("kind", kind)])))
}

/// Bytes that are valid in neither encoding, where they are no text with a slip either: control characters stand among them.
fn no_text(head: &[u8], format: Format) -> Option<Finding> {
    let is_control = |byte: &u8| matches!(byte, 0..=8 | 14..=31);
    if format != Format::Csv || !head.iter().any(is_control) {
        return None;
    }
    let offset = std::str::from_utf8(head).map_or_else(|error| error.valid_up_to(), str::len);
    Some(at_start(codes::finding("encoding-unknown", "", &[("offset", &offset.to_string())])))
}

/// Decodes GB 18030 as it comes; what cannot be decoded becomes U+FFFD, which no standard's text allows unseen.
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
            let (result, read, written, _) =
                self.decoder.decode_to_utf8(&self.raw[self.raw_at..], &mut self.out, is_last);
            self.raw_at += read;
            self.out.truncate(written);
            self.out_at = 0;
            self.is_end = is_last && result == CoderResult::InputEmpty;
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
