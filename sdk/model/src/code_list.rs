//! Permissible values, with the dates on which they hold.

use crate::{CanonicalError, Date, canonical_csv};
use std::{collections::HashMap, ops::Range};

const HEADER: [&str; 8] = ["code", "name_zh", "name_en", "parent", "valid_from", "valid_to", "alias", "note"];
const ROWS_MAX: usize = 2_000_000;

/// A code list. One code may have several rows: its meaning over time.
///
/// The table's columns are `code,name_zh,name_en,parent,valid_from,valid_to,alias,note`. `valid_from` is inclusive,
/// `valid_to` exclusive; each is a day, a month or a year. `alias` holds other words for the code, separated by `|`.
#[derive(Clone, Debug)]
pub struct CodeList {
    /// All cells, one after another; rows hold ranges of it, so that a list of a million codes is a few allocations.
    text: String,
    /// Sorted by code, then by `valid_from`.
    rows: Vec<Row>,
    /// Hash of every word for a code (names, aliases) to the first row that has it.
    words: HashMap<u64, u32>,
}

#[derive(Clone, Debug)]
struct Row {
    cells: [(u32, u32); HEADER.len()],
    from: Option<Date>,
    to: Option<Date>,
    leaf: bool,
}

/// One row of a code list.
#[derive(Clone, Copy, Debug)]
pub struct CodeRow<'a> {
    list: &'a CodeList,
    row: &'a Row,
}

/// A code with all its rows.
#[derive(Clone, Debug)]
pub struct Code<'a> {
    list: &'a CodeList,
    rows: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeListError {
    #[error("line {line}: {why}")]
    Row { line: u64, why: String },
    #[error("the first line must be `{}`", HEADER.join(","))]
    Header,
    #[error("it has no codes")]
    Empty,
    #[error("it has more than {ROWS_MAX} rows")]
    TooLarge,
}

impl CodeList {
    pub fn parse(bytes: &[u8]) -> Result<Self, CodeListError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(false).from_reader(bytes);
        let mut list = Self { text: String::new(), rows: Vec::new(), words: HashMap::new() };
        let mut record = csv::StringRecord::new();
        let mut first = true;
        loop {
            let line = reader.position().line();
            match reader.read_record(&mut record) {
                Err(error) => return Err(CodeListError::Row { line, why: error.to_string() }),
                Ok(false) => break,
                Ok(true) if first && record.iter().eq(HEADER) => first = false,
                Ok(true) if first => return Err(CodeListError::Header),
                Ok(true) if list.rows.len() == ROWS_MAX => return Err(CodeListError::TooLarge),
                Ok(true) => list.take(&record).map_err(|why| CodeListError::Row { line, why })?,
            }
        }
        match list.rows.is_empty() {
            true => Err(CodeListError::Empty),
            false => list.finish(),
        }
    }

    fn take(&mut self, record: &csv::StringRecord) -> Result<(), String> {
        let mut cells = [(0, 0); HEADER.len()];
        for (cell, text) in cells.iter_mut().zip(record) {
            *cell = (self.text.len() as u32, text.len() as u32);
            self.text.push_str(text);
        }
        if self.text.len() > u32::MAX as usize {
            return Err("the list holds more than 4 GiB of text".into());
        }
        if record[0].is_empty() || record[0] != *record[0].trim() {
            return Err("`code` is empty or has space around it".into());
        }
        let (from, to) = (boundary(&record[4])?, boundary(&record[5])?);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(format!("`{}` is never valid: valid_to is exclusive and not after valid_from", &record[0]));
        }
        self.rows.push(Row { cells, from, to, leaf: true });
        Ok(())
    }

    fn finish(mut self) -> Result<Self, CodeListError> {
        let Self { text, rows, .. } = &mut self;
        let cell = |row: &Row, column: usize| span(text, row.cells[column]);
        rows.sort_by(|a, b| (cell(a, 0), a.from).cmp(&(cell(b, 0), b.from)));
        for pair in rows.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            if cell(a, 0) == cell(b, 0) && (a.to.is_none() || b.from < a.to) {
                let why = format!("`{}` has two rows that hold on the same day", cell(a, 0));
                return Err(CodeListError::Row { line: 0, why });
            }
        }
        let mut branches: Vec<&str> = rows.iter().map(|row| cell(row, 3)).filter(|parent| !parent.is_empty()).collect();
        branches.sort_unstable();
        branches.dedup();
        let leaves: Vec<bool> = rows.iter().map(|row| branches.binary_search(&cell(row, 0)).is_err()).collect();
        let mut words = HashMap::new();
        for (index, row) in rows.iter().enumerate().rev() {
            let names = [cell(row, 1), cell(row, 2)];
            for word in names.into_iter().chain(cell(row, 6).split('|')).filter(|word| !word.is_empty()) {
                words.insert(hash(word), index as u32);
            }
        }
        rows.iter_mut().zip(leaves).for_each(|(row, leaf)| row.leaf = leaf);
        self.words = words;
        Ok(self)
    }

    pub fn rows(&self) -> impl ExactSizeIterator<Item = CodeRow<'_>> {
        self.rows.iter().map(|row| CodeRow { list: self, row })
    }

    /// The code, whether or not it holds today.
    pub fn get(&self, code: &str) -> Option<Code<'_>> {
        let start = self.rows.partition_point(|row| span(&self.text, row.cells[0]) < code);
        let same = self.rows[start..].iter().take_while(|row| span(&self.text, row.cells[0]) == code).count();
        (same > 0).then_some(Code { list: self, rows: start..start + same })
    }

    /// The first row that has this word (a name or alias, letter case ignored) for a code.
    pub fn by_word(&self, word: &str) -> Option<CodeRow<'_>> {
        let row = &self.rows[*self.words.get(&hash(word))? as usize];
        let row = CodeRow { list: self, row };
        let same = |other: &str| other.to_lowercase() == word.to_lowercase();
        (same(row.name_zh()) || same(row.name_en()) || row.aliases().any(same)).then_some(row)
    }

    pub fn to_canonical(&self) -> Result<Vec<u8>, CanonicalError> {
        let row = |row: CodeRow<'_>| (0..HEADER.len()).map(|column| row.cell(column).to_owned()).collect();
        canonical_csv(&HEADER, self.rows().map(row))
    }
}

impl<'a> Code<'a> {
    pub fn rows(&self) -> impl Iterator<Item = CodeRow<'a>> {
        let list = self.list;
        list.rows[self.rows.clone()].iter().map(move |row| CodeRow { list, row })
    }

    /// The row that holds on this day.
    pub fn on(&self, date: Date) -> Option<CodeRow<'a>> {
        self.rows().find(|row| row.holds_on(date))
    }

    /// Whether no other code names this one as its parent.
    pub fn is_leaf(&self) -> bool {
        self.list.rows[self.rows.start].leaf
    }
}

impl<'a> CodeRow<'a> {
    fn cell(&self, column: usize) -> &'a str {
        span(&self.list.text, self.row.cells[column])
    }

    pub fn code(&self) -> &'a str {
        self.cell(0)
    }

    pub fn name_zh(&self) -> &'a str {
        self.cell(1)
    }

    pub fn name_en(&self) -> &'a str {
        self.cell(2)
    }

    pub fn parent(&self) -> Option<&'a str> {
        Some(self.cell(3)).filter(|parent| !parent.is_empty())
    }

    /// First day on which the row holds; none: since ever.
    pub fn valid_from(&self) -> Option<Date> {
        self.row.from
    }

    /// First day on which the row no longer holds; none: to this day.
    pub fn valid_to(&self) -> Option<Date> {
        self.row.to
    }

    pub fn aliases(&self) -> impl Iterator<Item = &'a str> {
        self.cell(6).split('|').filter(|alias| !alias.is_empty())
    }

    pub fn note(&self) -> &'a str {
        self.cell(7)
    }

    pub fn holds_on(&self, date: Date) -> bool {
        self.row.from.is_none_or(|from| from <= date) && self.row.to.is_none_or(|to| date < to)
    }

    pub fn is_leaf(&self) -> bool {
        self.row.leaf
    }
}

fn span(text: &str, (start, length): (u32, u32)) -> &str {
    &text[start as usize..(start + length) as usize]
}

/// A day, a month (its first day) or a year (its first day).
fn boundary(text: &str) -> Result<Option<Date>, String> {
    let full = match text.len() {
        0 => return Ok(None),
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    full.parse().map(Some).map_err(|_| format!("`{text}` is not a day, a month or a year"))
}

/// FNV-1a over the lower-case word: the same on every machine and in every run.
fn hash(word: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    word.to_lowercase().bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
