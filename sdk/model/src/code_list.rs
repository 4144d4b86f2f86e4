//! Permissible values, with the dates on which they hold.

use crate::{CanonicalError, Date, canonical_csv};
use std::hash::{BuildHasherDefault, Hasher};
use std::{collections::HashMap, ops::Range, sync::OnceLock};

pub const CODE_LIST_COLUMNS: [&str; 8] =
    ["code", "name_zh", "name_en", "parent", "valid_from", "valid_to", "alias", "note"];
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
    index: Index,
    /// Hash of every word for a code (names, aliases) to the first row that has it. Made when first asked for: only a
    /// value that is not a code needs it.
    words: OnceLock<Words>,
}

type Words = HashMap<u64, u32, BuildHasherDefault<AsIs>>;

/// The keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct AsIs(u64);

/// Where the rows of a code begin, by the hash of the code: one probe for nearly every look-up, where a binary search
/// over half a million codes would miss the processor's cache forty times.
#[derive(Clone, Debug, Default)]
struct Index {
    /// A power of two, at most half full; a row's number plus one, or 0 where the slot is free.
    slots: Box<[u32]>,
    /// The codes of all rows, one after another: a look-up stays within a few megabytes.
    codes: String,
    /// Where in `codes` each row's begins, and where the last one ends.
    starts: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Row {
    cells: [(u32, u32); CODE_LIST_COLUMNS.len()],
    from: Option<Date>,
    to: Option<Date>,
    leaf: bool,
}

impl Row {
    fn new(text: &str, cells: [(u32, u32); CODE_LIST_COLUMNS.len()]) -> Result<Self, String> {
        let cell = |column: usize| span(text, cells[column]);
        if cell(0).is_empty() || cell(0) != cell(0).trim() {
            return Err("`code` is empty or has space around it".into());
        }
        let (from, to) = (boundary(cell(4))?, boundary(cell(5))?);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(format!("`{}` is never valid: valid_to is exclusive and not after valid_from", cell(0)));
        }
        Ok(Self { cells, from, to, leaf: true })
    }
}

/// Where the last row of a code begins, in a table that can be read.
fn last_line_of(bytes: &[u8], code: &str) -> u64 {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    let (mut record, mut found) = (csv::StringRecord::new(), 1);
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(true) if record.get(0) == Some(code) => found = line,
            Ok(true) => {}
            Ok(false) | Err(_) => return found,
        }
    }
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
    #[error("the first line must be `{}`", CODE_LIST_COLUMNS.join(","))]
    Header,
    #[error("it has no codes")]
    Empty,
    #[error("it has more than {ROWS_MAX} rows")]
    TooLarge,
}

impl CodeList {
    pub fn parse(bytes: &[u8]) -> Result<Self, CodeListError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match Self::parse_plain(bytes) {
            Some(list) => Ok(list),
            None => Self::parse_any(bytes),
        }
    }

    /// A table without faults and without quotes inside of cells, such as the canonical form of most lists; its text is kept as
    /// it is.
    fn parse_plain(bytes: &[u8]) -> Option<Self> {
        let is_plain = !bytes.contains(&b'\r') && bytes.len() <= u32::MAX as usize;
        let text = std::str::from_utf8(bytes).ok().filter(|_| is_plain)?;
        let (header, _) = text.split_once('\n')?;
        header.split(',').eq(CODE_LIST_COLUMNS).then_some(())?;
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let mut rows = Vec::with_capacity(lines.min(ROWS_MAX));
        let mut at = header.len() + 1;
        while at < bytes.len() {
            let mut cells = [(0, 0); CODE_LIST_COLUMNS.len()];
            for (column, cell) in cells.iter_mut().enumerate() {
                let is_last = column + 1 == CODE_LIST_COLUMNS.len();
                let (start, length, end) = plain_cell(bytes, at)?;
                match bytes.get(end) {
                    Some(b'\n') | None if is_last => {}
                    Some(b',') if !is_last => {}
                    _ => return None,
                }
                (*cell, at) = ((start as u32, length as u32), end + 1);
            }
            (rows.len() < ROWS_MAX).then_some(())?;
            rows.push(Row::new(text, cells).ok()?);
        }
        let list = Self { text: text.to_owned(), rows, index: Index::default(), words: OnceLock::new() };
        if list.rows.is_empty() { None } else { list.finish().ok() }
    }

    fn parse_any(bytes: &[u8]) -> Result<Self, CodeListError> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(false).from_reader(bytes);
        let mut list = Self { text: String::new(), rows: Vec::new(), index: Index::default(), words: OnceLock::new() };
        let mut record = csv::StringRecord::new();
        let mut first = true;
        loop {
            let line = reader.position().line();
            match reader.read_record(&mut record) {
                Err(error) => return Err(CodeListError::Row { line, why: error.to_string() }),
                Ok(false) => break,
                Ok(true) if first && record.iter().eq(CODE_LIST_COLUMNS) => first = false,
                Ok(true) if first => return Err(CodeListError::Header),
                Ok(true) if list.rows.len() == ROWS_MAX => return Err(CodeListError::TooLarge),
                Ok(true) => list.take(&record).map_err(|why| CodeListError::Row { line, why })?,
            }
        }
        match list.rows.is_empty() {
            true => Err(CodeListError::Empty),
            false => list.finish().map_err(|code| {
                let why = format!("`{code}` has two rows that hold on the same day");
                CodeListError::Row { line: last_line_of(bytes, &code), why }
            }),
        }
    }

    fn take(&mut self, record: &csv::StringRecord) -> Result<(), String> {
        let mut cells = [(0, 0); CODE_LIST_COLUMNS.len()];
        for (cell, text) in cells.iter_mut().zip(record) {
            *cell = (self.text.len() as u32, text.len() as u32);
            self.text.push_str(text);
        }
        if self.text.len() > u32::MAX as usize {
            return Err("the list holds more than 4 GiB of text".into());
        }
        self.rows.push(Row::new(&self.text, cells)?);
        Ok(())
    }

    /// In order, with what is found by code; or the code of which two rows hold on the same day.
    fn finish(mut self) -> Result<Self, String> {
        let Self { text, rows, .. } = &mut self;
        let cell = |row: &Row, column: usize| span(text, row.cells[column]);
        // In canonical form it is sorted by its codes already, and most lists have each but once.
        if !rows.is_sorted_by(|a, b| cell(a, 0) < cell(b, 0)) {
            match rows.is_sorted_by(|a, b| cell(a, 0) <= cell(b, 0)) {
                true => {
                    rows.chunk_by_mut(|a, b| cell(a, 0) == cell(b, 0)).for_each(|same| same.sort_by_key(|row| row.from))
                }
                false => rows.sort_by(|a, b| (cell(a, 0), a.from).cmp(&(cell(b, 0), b.from))),
            }
            for pair in rows.windows(2) {
                let (a, b) = (&pair[0], &pair[1]);
                if cell(a, 0) == cell(b, 0) && (a.to.is_none() || b.from < a.to) {
                    return Err(cell(a, 0).to_owned());
                }
            }
        }
        self.index = Index::of(&self.text, &self.rows);
        let mut last = "";
        for child in 0..self.rows.len() {
            let parent = span(&self.text, self.rows[child].cells[3]);
            // Children of one parent mostly stand together.
            if parent != last
                && let Some(rows) = self.index.find(parent)
            {
                self.rows[rows].iter_mut().for_each(|row| row.leaf = false);
            }
            last = parent;
        }
        Ok(self)
    }

    pub fn rows(&self) -> impl ExactSizeIterator<Item = CodeRow<'_>> {
        self.rows.iter().map(|row| CodeRow { list: self, row })
    }

    /// The code, whether or not it holds today.
    pub fn get(&self, code: &str) -> Option<Code<'_>> {
        let rows = self.index.find(code)?;
        Some(Code { list: self, rows })
    }

    /// The first row that has this word (a name or alias, letter case ignored) for a code.
    pub fn by_word(&self, word: &str) -> Option<CodeRow<'_>> {
        let row = &self.rows[*self.words().get(&hash_lower(word))? as usize];
        let row = CodeRow { list: self, row };
        let same = |other: &str| other.to_lowercase() == word.to_lowercase();
        (same(row.name_zh()) || same(row.name_en()) || row.aliases().any(same)).then_some(row)
    }

    fn words(&self) -> &Words {
        self.words.get_or_init(|| {
            let mut words = Words::with_capacity_and_hasher(2 * self.rows.len(), BuildHasherDefault::new());
            for (number, row) in self.rows().enumerate() {
                for word in [row.name_zh(), row.name_en()].into_iter().chain(row.aliases()).filter(|w| !w.is_empty()) {
                    words.entry(hash_lower(word)).or_insert(number as u32);
                }
            }
            words
        })
    }

    pub fn to_canonical(&self) -> Result<Vec<u8>, CanonicalError> {
        let row = |row: CodeRow<'_>| (0..CODE_LIST_COLUMNS.len()).map(|column| row.cell(column).to_owned()).collect();
        canonical_csv(&CODE_LIST_COLUMNS, self.rows().map(row))
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

/// Where the cell that begins here has its text, how long that is, and where the cell ends.
fn plain_cell(bytes: &[u8], at: usize) -> Option<(usize, usize, usize)> {
    let rest = bytes.get(at..)?;
    match rest.strip_prefix(b"\"") {
        None => {
            let end = rest.iter().position(|byte| matches!(byte, b',' | b'\n' | b'"'));
            let length = end.unwrap_or(rest.len());
            Some((at, length, at + length))
        }
        Some(quoted) => {
            let length = quoted.iter().position(|byte| *byte == b'"')?;
            Some((at + 1, length, at + length + 2))
        }
    }
}

/// A day, a month (its first day) or a year (its first day).
fn boundary(text: &str) -> Result<Option<Date>, String> {
    let mut full = *b"0000-01-01";
    match text.len() {
        0 => return Ok(None),
        4 | 7 | 10 => full[..text.len()].copy_from_slice(text.as_bytes()),
        _ => return Err(no_boundary(text)),
    }
    let date = std::str::from_utf8(&full).ok().and_then(Date::from_text);
    date.map(Some).ok_or_else(|| no_boundary(text))
}

fn no_boundary(text: &str) -> String {
    format!("`{text}` is not a day, a month or a year")
}

impl Index {
    /// The rows are sorted by code.
    fn of(text: &str, rows: &[Row]) -> Self {
        let bytes = rows.iter().map(|row| row.cells[0].1 as usize).sum();
        let mut index = Self {
            slots: vec![0; (rows.len() * 2).next_power_of_two()].into(),
            codes: String::with_capacity(bytes),
            starts: Vec::with_capacity(rows.len() + 1),
        };
        for row in rows {
            index.starts.push(index.codes.len() as u32);
            index.codes.push_str(span(text, row.cells[0]));
        }
        index.starts.push(index.codes.len() as u32);
        for row in 0..rows.len() {
            if row > 0 && index.code(row - 1) == index.code(row) {
                continue;
            }
            let mut slot = index.home(index.code(row));
            while index.slots[slot] != 0 {
                slot = index.after(slot);
            }
            index.slots[slot] = row as u32 + 1;
        }
        index
    }

    fn find(&self, code: &str) -> Option<Range<usize>> {
        let mut slot = self.home(code);
        // A free slot ends the search, and half of them are free.
        while let Some(first) = (self.slots[slot] as usize).checked_sub(1) {
            if self.code(first) == code {
                let rows = self.starts.len() - 1;
                let end = (first + 1..rows).find(|&row| self.code(row) != code).unwrap_or(rows);
                return Some(first..end);
            }
            slot = self.after(slot);
        }
        None
    }

    fn code(&self, row: usize) -> &str {
        &self.codes[self.starts[row] as usize..self.starts[row + 1] as usize]
    }

    fn home(&self, code: &str) -> usize {
        let hash = hash(code);
        (hash ^ hash >> 32) as usize & (self.slots.len() - 1)
    }

    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }
}

impl Hasher for AsIs {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = fnv(bytes.iter().copied());
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn hash(word: &str) -> u64 {
    fnv(word.bytes())
}

fn hash_lower(word: &str) -> u64 {
    let bytes = |c: char| {
        let mut bytes = [0; 4];
        let length = c.encode_utf8(&mut bytes).len();
        bytes.into_iter().take(length)
    };
    fnv(word.chars().flat_map(char::to_lowercase).flat_map(bytes))
}

/// FNV-1a: the same on every machine and in every run.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "code,name_zh,name_en,parent,valid_from,valid_to,alias,note\n";

    fn list(rows: &str) -> Result<CodeList, CodeListError> {
        CodeList::parse(format!("{HEAD}{rows}").as_bytes())
    }

    fn fault(rows: &str) -> String {
        list(rows).map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn codes_are_found_as_written() {
        let list = list("2,女性,female,,,,女|F,\n1,男性,male,,,,男|M,\n01,x,,1,,,,\n").unwrap();
        assert_eq!(list.rows().map(|row| row.code()).collect::<Vec<_>>(), ["01", "1", "2"]);
        assert!(
            list.get("1").is_some() && list.get("01").is_some() && list.get("001").is_none() && list.get("").is_none()
        );
        assert!(list.get("01").unwrap().is_leaf() && !list.get("1").unwrap().is_leaf());
        assert_eq!(list.by_word("女").map(|row| row.code()), Some("2"));
        assert_eq!(list.by_word("MALE").map(|row| row.code()), Some("1"));
        assert!(list.by_word("").is_none() && list.by_word("1").is_none());
    }

    #[test]
    fn a_code_may_mean_one_thing_after_another() {
        let list = list("632721,a,,,,1951-12-25,,\n632721,b,,,1955,2013-07,,\n").unwrap();
        let name = |day: &str| list.get("632721").unwrap().on(day.parse().unwrap()).map(|row| row.name_zh());
        assert_eq!(
            ["1951-12-24", "1951-12-25", "1955-01-01", "2013-06-30", "2013-07-01"].map(name),
            [Some("a"), None, Some("b"), Some("b"), None]
        );
    }

    #[test]
    fn every_code_of_many_is_found() {
        let rows: String = (0..5_000u64).map(|n| format!("{:06},n{n},,,,,,\n", n * 7919 % 1_000_003)).collect();
        let list = list(&rows).unwrap();
        let found = (0..5_000u64).filter(|n| {
            let code = format!("{:06}", n * 7919 % 1_000_003);
            list.get(&code).is_some_and(|found| found.rows().all(|row| row.name_zh() == format!("n{n}")))
        });
        assert_eq!(found.count(), 5_000);
        assert!(!(0..1_000_003).any(|n| {
            list.get(&format!("{n:06}")).is_some_and(|c| c.rows().next().unwrap().code() != format!("{n:06}"))
        }));
    }

    #[test]
    fn cells_may_stand_in_quotes() {
        let cells = |rows: &str| {
            let list = list(rows).unwrap();
            list.rows().map(|row| (0..8).map(|at| row.cell(at)).collect::<Vec<_>>().join("|")).collect::<Vec<_>>()
        };
        let rows = "1,\"a, b\",,,,,,\"c\"\n\"2\",d,,,,,\"\",\"e\nf\"\n3,\"g\"\"h\",,,,,,\n4,i\"j,,,,,,\n";
        let said = ["1|a, b||||||c", "2|d||||||e\nf", "3|g\"h||||||", "4|i\"j||||||"];
        assert_eq!(cells(rows), said);
        // Without what is not read at a look, and without the last end of a line.
        assert_eq!(cells(rows.split("\n3,").next().unwrap()), said[..2]);
    }

    #[test]
    fn faults_name_the_line_and_the_remedy() {
        assert_eq!(CodeList::parse(b"a,b\n").unwrap_err(), CodeListError::Header);
        assert_eq!(CodeList::parse(b"").unwrap_err(), CodeListError::Empty);
        assert_eq!(list("").unwrap_err(), CodeListError::Empty);
        assert_eq!(fault("1,a,,,,,,\n ,a,,,,,,\n"), "line 3: `code` is empty or has space around it");
        assert_eq!(fault("1,a,,,2020-13,,,\n"), "line 2: `2020-13` is not a day, a month or a year");
        assert_eq!(
            fault("1,a,,,2020,2019,,\n"),
            "line 2: `1` is never valid: valid_to is exclusive and not after valid_from"
        );
        assert!(fault("1,a,,,,,,\n1,b,,,,,,\n").contains("`1` has two rows that hold on the same day"));
        assert!(fault("1,a,,,,,,\n1,b\n").starts_with("line 3: "), "{}", fault("1,a,,,,,,\n1,b\n"));
    }

    #[test]
    fn one_table_has_one_canonical_form() {
        let one =
            CodeList::parse(format!("\u{feff}{}2,b,,,,,,\r\n1,\"a\",,,,,,\r\n", HEAD.replace('\n', "\r\n")).as_bytes());
        let other = list("1,a,,,,,,\n2,b,,,,,,\n");
        let bytes = other.unwrap().to_canonical().unwrap();
        assert_eq!(one.unwrap().to_canonical().unwrap(), bytes);
        assert_eq!(CodeList::parse(&bytes).unwrap().to_canonical().unwrap(), bytes);
    }
}
