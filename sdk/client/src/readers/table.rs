//! Rows to records, and findings back to cells.
//!
//! A column means a field by its name, its path (`point.lon`), its title in either language or a synonym; letter case, width and
//! surrounding space do not matter. Where two columns mean the same field, or one a part of what the other means, neither is taken:
//! which one counts is not known. A cell becomes what the field's type asks for where it has that form, else text, so that
//! the standard's own rule says what is wrong.

mod abreast; // several rows at once

use super::{
    lines::{DELIMITERS, Quotes, before},
    text::Decided,
};
use abreast::Abreast;
use guiju_model::{Date, Finding, Place, Report, Severity, Text, pointer};
use guiju_validator::{
    CheckOptions, Checker, Field, Quick, RowShape, Validator, codes,
    dataset::{Scope, Shares},
};
use serde_json::Value;
use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

pub(super) struct Table {
    delimiter: u8,
    /// Without the columns at the end that have no name.
    columns: Columns,
    /// Cells of the header, with those.
    width: usize,
    /// The columns that are members of the record, in the order of their paths.
    members: Vec<Member>,
    /// Rows to the standard, where these members tell all of it.
    shape: Option<RowShape>,
    /// Whether some column has words for nothing.
    has_null_words: bool,
    /// Which encoding the input is in.
    encoding: Decided,
}

/// A column as a member of the record.
struct Member {
    column: usize,
    /// Names on the way down.
    path: Vec<String>,
    /// The last of them as JSON has it, with the colon.
    spelled: Vec<u8>,
    kind: Kind,
    has_null_words: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Date,
    /// Texts, parted by semicolons.
    Texts,
    Other,
}

/// A row of a table as a record.
#[derive(Clone, Copy)]
pub struct Row<'t> {
    pub columns: &'t Columns,
    table: &'t Table,
    source: &'t [u8],
    is_readable: bool,
}

impl Row<'_> {
    /// The record in JSON, made anew; of a row that could not be read, nothing.
    pub fn json(&self) -> Vec<u8> {
        if !self.is_readable {
            return Vec::new();
        }
        let mut cells = Cells::default();
        self.table.read(self.source, &mut cells);
        cells.trim(self.source);
        self.table.spell(self.source, &mut cells);
        self.table.write(&cells)
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = self.json();
        f.debug_struct("Row").field("json", &String::from_utf8_lossy(&json)).field("columns", self.columns).finish()
    }
}

/// What rules between records keep, of which of them.
pub(super) type Kept<'k> = (Scope, &'k mut Shares);

/// What was found in a row: a report where there is anything to tell, and whether it could be read.
pub(super) type Found = (Option<Box<Report>>, bool);

/// What the columns of a table mean. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Columns(Arc<[Column]>);

#[derive(Debug)]
struct Column {
    header: Box<str>,
    /// In a box, since nearly all columns of a header that was made to be wide have none.
    field: Option<Box<Field>>,
    /// Whether digits in its cells are a code, so that a number of a spreadsheet is found fault with.
    holds_code: bool,
}

impl Column {
    fn has_null_words(&self) -> bool {
        self.field.as_ref().is_some_and(|field| !field.null_words.is_empty())
    }
}

impl Table {
    /// The one that stands between its cells.
    pub fn delimiters(&self) -> &'static [u8] {
        let at = DELIMITERS.iter().position(|known| *known == self.delimiter).unwrap_or_default();
        &DELIMITERS[at..=at]
    }

    /// Reads the header, which stands on that line behind so many bytes, and says which columns mean nothing or the same, of each
    /// kind of fault no more than so many; a fault where it cannot be read.
    pub fn new(
        header: &[u8],
        (line, offset): (u64, u64),
        validator: &Validator,
        encoding: Decided,
        findings_max: usize,
    ) -> Result<(Self, Vec<Finding>), Box<Finding>> {
        let in_text = |finding: Finding, at: usize| {
            let column = text(&header[..at]).chars().count() as u64 + 1;
            Finding { place: Some(Place::Text { line, column, offset: offset + at as u64 }), ..finding }
        };
        if let Err(error) = std::str::from_utf8(header) {
            let at = error.valid_up_to();
            return Err(in_text(encoding.fault(header, at), at).into());
        }
        let delimiter = delimiter(header);
        let mut cells = Cells::default();
        cells.read(header, delimiter);
        if cells.is_cut {
            return Err(in_text(codes::finding("csv-carriage-return", "", &[]), 0).into());
        }
        let width = cells.len();
        let at = |finding: Finding, column: &str| {
            let place = Some(Place::Cell { row: 0, line, column: column.to_owned() });
            Finding { place, ..finding }
        };
        let mut told = Telling::new(findings_max);
        for stray in if cells.is_unquoted() { strays(header, delimiter) } else { Vec::new() } {
            let told_of = || at(stray.finding(""), &text(cells.get(header, stray.cell)));
            told.tell("csv-quote-stray", stray.severity(), told_of);
        }
        cells.drop_empty_end(header, 0);
        let names = Names::of(validator.fields());
        let mut fields = Vec::with_capacity(cells.len());
        for (index, cell) in cells.iter(header).enumerate() {
            let cell = &*text(cell);
            let (field, name) = (names.field(cell), cell.trim());
            if field.is_none() && name.is_empty() {
                let number = (index + 1).to_string();
                let blank = || at(codes::finding("csv-header-blank", "", &[("number", &number)]), name);
                told.tell("csv-header-blank", Severity::Warning, blank);
            } else if field.is_none() {
                let unknown = || at(codes::finding("csv-header-unknown", "", &[("name", name)]), cell);
                told.tell("csv-header-unknown", Severity::Warning, unknown);
            }
            fields.push(field);
        }
        for field in missing(&fields, validator) {
            told.tell("csv-header-missing", Severity::Error, || in_text(lacking(field), 0));
        }
        // Rows without one field would be judged as empty records, which may conform.
        if !validator.fields().is_empty() && fields.iter().all(Option::is_none) {
            let mut unknown = told.listed.iter_mut().filter(|finding| finding.code == "csv-header-unknown").peekable();
            if let Some(first) = unknown.peek_mut() {
                first.suggestion = Some(taken_for_a_table());
            }
            unknown.for_each(|finding| finding.severity = Severity::Error);
        }
        let doubled = doubled(&fields);
        for (first, second) in &doubled {
            let pointers = [first, second].map(|column| fields[*column].map_or("", |field| field.pointer.as_str()));
            let pointer = if pointers[0].len() <= pointers[1].len() { pointers[0] } else { pointers[1] };
            told.tell("csv-header-duplicate", Severity::Error, || {
                let [one, other] = [first, second].map(|column| text(cells.get(header, *column)));
                let both = format!("`{}`, `{}`", shown(one.trim()), shown(other.trim()));
                let words = [("columns", both.as_str()), ("name", pointer.trim_start_matches('/'))];
                at(codes::finding("csv-header-duplicate", pointer, &words), &other)
            });
        }
        for column in doubled.into_iter().flat_map(|(first, second)| [first, second]) {
            fields[column] = None;
        }
        let columns = cells.iter(header).zip(fields).map(|(cell, field)| Column {
            header: text(cell).into(),
            field: field.cloned().map(Box::new),
            holds_code: field.is_some_and(holds_code),
        });
        let columns: Vec<Column> = columns.collect();
        let members = members(&columns);
        let paths = members.iter().map(|member| member.path.clone()).collect::<Vec<_>>();
        let shape = validator.row_shape(&paths);
        let has_null_words = columns.iter().any(Column::has_null_words);
        let columns = Columns(columns.into());
        Ok((Self { delimiter, columns, width, members, shape, has_null_words, encoding }, told.in_all()))
    }

    /// A row as a record, for whoever wants to see that.
    pub fn row<'t>(&'t self, source: &'t [u8], is_readable: bool) -> Row<'t> {
        Row { columns: &self.columns, table: self, source, is_readable }
    }

    /// Cuts a row, which is UTF-8, into as many cells as there are columns, or more or fewer where it is no row of this table.
    fn read(&self, row: &[u8], cells: &mut Cells) {
        cells.read(row, self.delimiter);
        // Behind the last column a row may have as many empty cells as the header has; one more shows a shifted row.
        if cells.len() <= self.width {
            cells.drop_empty_end(row, self.columns.0.len());
        }
    }

    /// Checks one row. Its places count rows and lines as `index`, from 0, and `line` do.
    pub fn check(
        &self,
        row: &[u8],
        (index, line): (u64, u64),
        checker: &mut Checker<'_>,
        options: &CheckOptions,
        cells: &mut Cells,
    ) -> Found {
        let validator = checker.validator();
        let place = |column: &str| Some(Place::Cell { row: index + 1, line, column: column.to_owned() });
        let unread = |finding: Finding, column: &str| {
            let mut report = validator.empty_report();
            report.push(Finding { place: place(column), ..finding }, options.findings_max);
            (Some(Box::new(report)), false)
        };
        self.read(row, cells);
        if cells.look.has(Look::WIDE)
            && let Err(error) = simdutf8::compat::from_utf8(row)
        {
            let at = error.valid_up_to();
            let column = self.columns.0.get(cell_at(row, at, self.delimiter));
            return unread(self.encoding.fault(row, at), column.map_or("", |column| column.header.trim()));
        }
        if cells.is_cut {
            return unread(codes::finding("csv-carriage-return", "", &[]), "");
        }
        if cells.len() != self.columns.0.len() {
            let (found, expected) = (cells.len().to_string(), self.columns.0.len().to_string());
            return unread(codes::finding("csv-ragged-row", "", &[("found", &found), ("expected", &expected)]), "");
        }
        let mut own = Vec::new();
        if cells.is_unquoted() {
            // Behind the last column there is at most space in quotes.
            own.extend(strays(row, self.delimiter).into_iter().filter_map(|stray| {
                let Column { header, field, .. } = self.columns.0.get(stray.cell)?;
                Some((stray.finding(field.as_ref().map_or("", |field| &field.pointer)), header))
            }));
        }
        cells.trim(row);
        // Of most rows one look tells that no cell is an exponent, and of most tables the header that none is a null word.
        let may_have_exponents = cells.look.has(Look::PLUS)
            && memchr::memchr_iter(b'+', row).any(|at| matches!(row[..at].last(), Some(b'E' | b'e')));
        let asks = |column: &&Column| may_have_exponents || column.has_null_words();
        let columns = if may_have_exponents || self.has_null_words { &*self.columns.0 } else { &[] };
        for (at, column) in columns.iter().enumerate().filter(|(_, column)| asks(column)) {
            let Some(field) = &column.field else { continue };
            let cell = cells.get(row, at);
            if is_null_word(field, cell) {
                own.push((codes::finding("null-word", &field.pointer, &[("word", &text(cell))]), &column.header));
            } else if column.holds_code && is_exponent(cell) {
                own.push((codes::finding("csv-number-exponent", &field.pointer, &[]), &column.header));
            }
        }
        self.spell(row, cells);
        let quick = match &self.shape {
            Some(shape) => {
                checker.tell_row(shape, (&cells.spelled, 0..cells.spelled.len() - ROOM), &cells.values, options)
            }
            None => Quick::Unsure,
        };
        let told = match quick {
            Quick::Clean => None,
            Quick::Told(report) => Some(report),
            Quick::Unsure => checker.tell(&self.write(cells), options),
        };
        let told = told.and_then(|report| self.placed(report, (index, line)));
        if own.is_empty() {
            return (told, true);
        }
        let report = told.unwrap_or_else(|| Box::new(validator.empty_report()));
        let mut whole = validator.empty_report();
        for (finding, header) in own {
            whole.push(Finding { place: place(header.trim()), ..finding }, options.findings_max);
        }
        report.findings.into_iter().for_each(|finding| whole.push(finding, options.findings_max));
        report.unlisted.into_iter().for_each(|unlisted| whole.count(unlisted));
        (Some(Box::new(whole)), true)
    }

    /// With the places of its findings; none where there are none.
    fn placed(&self, mut report: Box<Report>, (index, line): (u64, u64)) -> Option<Box<Report>> {
        for finding in &mut report.findings {
            let column = self.columns.header_of(&finding.path).to_owned();
            finding.place = Some(Place::Cell { row: index + 1, line, column });
        }
        (report.errors + report.warnings + report.infos > 0).then_some(report)
    }

    /// Keeps what rules between records read of a row whose cells are spelled.
    pub fn share(&self, validator: &Validator, cells: &Cells, (scope, shares): Kept<'_>) {
        let row = (&*cells.spelled, |member: usize| cells.values[member]);
        let is_told = self.shape.as_ref().is_some_and(|shape| validator.share_of_row(shape, row, scope, shares));
        if !is_told {
            validator.share_of_bytes(&self.write(cells), scope, shares);
        }
    }

    /// Spells the values of the cells as JSON, which are trimmed; of columns that are members, in their order. Of most rows they are
    /// where the cells are, in a copy of the row: quotes take the place of delimiters, and one may end a text and begin the next.
    fn spell(&self, row: &[u8], cells: &mut Cells) {
        let (mut spelled, mut values) = (std::mem::take(&mut cells.spelled), std::mem::take(&mut cells.values));
        spelled.clear();
        values.clear();
        let in_place = !cells.look.has(Look::MARK | Look::BACKSLASH);
        if in_place {
            spelled.push(b'"');
            spelled.extend_from_slice(row);
            spelled.push(b'"');
        }
        for member in &self.members {
            let (cell, (begin, end)) = (cells.get(row, member.column), cells.spans[member.column]);
            values.push(match cell.is_empty() || self.is_null_word(member, cell) {
                true => (0, 0),
                false => self.spell_cell(member, cell, in_place.then_some((begin + 1, end + 1)), &mut spelled),
            });
        }
        spelled.extend_from_slice(&[0; ROOM]);
        (cells.spelled, cells.values) = (spelled, values);
    }

    fn is_null_word(&self, member: &Member, cell: &[u8]) -> bool {
        let field = || self.columns.0[member.column].field.as_ref();
        member.has_null_words && field().is_some_and(|field| is_null_word(field, cell))
    }

    /// Where the value of a cell stands that holds something: in its own place in the copy of a row, if it has one there, or behind
    /// all else.
    fn spell_cell(
        &self,
        Member { column, kind, .. }: &Member,
        cell: &[u8],
        place: Option<(usize, usize)>,
        spelled: &mut Vec<u8>,
    ) -> (u32, u32) {
        let from = spelled.len();
        match (kind, place) {
            (Kind::Number, Some((begin, end))) if is_plain_number(cell) => return (begin as u32, end as u32),
            (Kind::Text | Kind::Date, Some((begin, end))) if *kind == Kind::Text || is_date(cell) => {
                (spelled[begin - 1], spelled[end]) = (b'"', b'"');
                return (begin as u32 - 1, end as u32 + 1);
            }
            (Kind::Number, _) if is_plain_number(cell) => spelled.extend_from_slice(cell),
            (Kind::Text, _) if is_plain(cell) => spell_text(cell, spelled),
            (Kind::Date, _) if is_date(cell) => spell_text(cell, spelled),
            (Kind::Texts, _) if place.is_some() || is_plain(cell) => spell_texts(cell, spelled),
            _ => {
                let field = self.columns.0[*column].field.as_ref();
                let value = field.map_or(Value::Null, |field| value(&text(cell), field));
                // Writing into memory does not fail.
                serde_json::to_writer(&mut *spelled, &value).unwrap_or_default();
            }
        }
        let to = spelled.len();
        spelled.push(b',');
        (from as u32, to as u32)
    }

    /// The record of a row whose cells are spelled.
    fn write(&self, cells: &Cells) -> Vec<u8> {
        let mut json = Vec::with_capacity(2 * cells.spelled.len() + 64);
        let mut open: &[String] = &[];
        let name = |json: &mut Vec<u8>, name: &[u8]| {
            if json.last().is_some_and(|last| *last != b'{') {
                json.push(b',');
            }
            json.extend_from_slice(name);
        };
        json.push(b'{');
        for (Member { path, spelled, .. }, (from, to)) in
            self.members.iter().zip(&cells.values).filter(|(_, (_, to))| *to > 0)
        {
            let above = &path[..path.len() - 1];
            let same = open.iter().zip(above).take_while(|(one, other)| one == other).count();
            json.extend(open[same..].iter().map(|_| b'}'));
            for token in &above[same..] {
                name(&mut json, &spelled_name(token));
                json.push(b'{');
            }
            name(&mut json, spelled);
            json.extend_from_slice(&cells.spelled[*from as usize..*to as usize]);
            open = above;
        }
        json.extend(open.iter().map(|_| b'}'));
        json.push(b'}');
        json
    }
}

/// What a header of which nothing is known may be.
fn taken_for_a_table() -> Text {
    Text {
        en: "the text was taken for a table, and this line for its header; where it is none, say what it is with `--format`"
            .into(),
        zh: "该文本按表格（CSV）读取，此行视为表头；如不是表格，请用 `--format` 指明格式".into(),
    }
}

/// What is found in a header, which may have as many faults as bytes. Of each code and severity so many findings are listed, but one
/// at least; the first of them says how many more there are.
struct Telling {
    listed: Vec<Finding>,
    most: usize,
    /// Of each code and severity, which is the first, and how many there were.
    kinds: Vec<(&'static str, Severity, usize, usize)>,
}

impl Telling {
    fn new(most: usize) -> Self {
        Self { listed: Vec::new(), most: most.max(1), kinds: Vec::new() }
    }

    fn tell(&mut self, code: &'static str, severity: Severity, finding: impl FnOnce() -> Finding) {
        let known = self.kinds.iter().position(|(known, of, ..)| (*known, *of) == (code, severity));
        let kind = known.unwrap_or_else(|| {
            self.kinds.push((code, severity, self.listed.len(), 0));
            self.kinds.len() - 1
        });
        let (.., count) = &mut self.kinds[kind];
        *count += 1;
        if *count <= self.most {
            self.listed.push(finding());
        }
    }

    fn in_all(mut self) -> Vec<Finding> {
        for (_, _, first, count) in self.kinds.into_iter().filter(|(.., count)| *count > self.most) {
            let (more, suggestion) = (count - self.most, &mut self.listed[first].suggestion);
            let en = format!("the header has {more} more of these, which are not listed");
            let zh = format!("表头中另有 {more} 处同类问题，未逐一列出");
            *suggestion = Some(match suggestion.take() {
                None => Text { en, zh },
                Some(own) => Text { en: format!("{}; {en}", own.en), zh: format!("{}；{zh}", own.zh) },
            });
        }
        self.listed
    }
}

/// The name of a column where it may be told many times over.
fn shown(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(200) {
        None => Cow::Borrowed(name),
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
    }
}

/// The fields that every record has and no column gives; a column may give a member of a nested field instead.
fn missing<'v>(fields: &[Option<&Field>], validator: &'v Validator) -> impl Iterator<Item = &'v Field> {
    let given: BTreeSet<String> = fields.iter().flatten().map(|field| field.pointer.clone()).collect();
    let gives = move |pointer: &String| {
        let below = format!("{pointer}/");
        given.contains(pointer) || given.range(below.clone()..).next().is_some_and(|first| first.starts_with(&below))
    };
    validator.fields().iter().filter(move |field| field.is_required && !gives(&field.pointer))
}

fn lacking(field: &Field) -> Finding {
    let name = field.pointer.trim_start_matches('/');
    let [en, zh] = [&field.title_en, &field.title_zh].map(|title| title.as_deref().unwrap_or(name));
    codes::finding_in_words("csv-header-missing", &field.pointer, &[("name", name, name), ("title", en, zh)])
}

/// Columns that give the same field as an earlier one, or a part of it, or that of which it is a part: the earlier one, and the column.
/// A field's second column is held against its first alone, which was against all others.
fn doubled(fields: &[Option<&Field>]) -> Vec<(usize, usize)> {
    let (mut first, mut found) = (BTreeMap::<&str, usize>::new(), Vec::new());
    for (at, field) in fields.iter().enumerate() {
        let Some(field) = field else { continue };
        let pointer = field.pointer.as_str();
        if let Some(same) = first.get(pointer) {
            found.push((*same, at));
            continue;
        }
        let above = pointer.match_indices('/').skip(1).filter_map(|(end, _)| first.get(&pointer[..end]));
        let below = format!("{pointer}/");
        let below = first.range(below.as_str()..).take_while(|(other, _)| other.starts_with(&below));
        let mut earlier: Vec<usize> = above.chain(below.map(|(_, at)| at)).copied().collect();
        earlier.sort_unstable();
        found.extend(earlier.into_iter().map(|earlier| (earlier, at)));
        first.insert(pointer, at);
    }
    found
}

/// Fields by what a header may call them.
struct Names<'v> {
    names: HashMap<String, &'v Field>,
    /// In either language, and synonyms; a name of another field goes before them.
    titles: HashMap<String, &'v Field>,
}

impl<'v> Names<'v> {
    fn of(fields: &'v [Field]) -> Self {
        let (mut names, mut titles) = (HashMap::new(), HashMap::new());
        for field in fields.iter().filter(|field| !field.pointer.is_empty()) {
            let name = plain(&field.pointer.trim_start_matches('/').replace('/', "."));
            names.entry(name).or_insert(field);
            for title in field.title_zh.iter().chain(&field.title_en).chain(&field.synonyms) {
                titles.entry(plain(title)).or_insert(field);
            }
        }
        Self { names, titles }
    }

    fn field(&self, header: &str) -> Option<&'v Field> {
        let wanted = Some(plain(header)).filter(|wanted| !wanted.is_empty())?;
        self.names.get(&wanted).or_else(|| self.titles.get(&wanted)).copied()
    }
}

impl Columns {
    /// The header of the column that a path lies in; of a field that has no column, nothing.
    pub fn header_of(&self, path: &str) -> &str {
        // Most paths are a column's own, and then the other columns are asked for no more than a length.
        let is_own = |column: &&Column| column.field.as_ref().is_some_and(|field| field.pointer == path);
        if let Some(column) = self.0.iter().find(is_own) {
            return column.header.trim();
        }
        let holds = |field: &Field| {
            path.strip_prefix(field.pointer.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let deepest = self.0.iter().filter(|column| column.field.as_deref().is_some_and(holds));
        deepest
            .max_by_key(|column| column.field.as_ref().map_or(0, |field| field.pointer.len()))
            .map_or("", |column| column.header.trim())
    }
}

/// The delimiter that occurs most in the header, outside quotes.
fn delimiter(header: &[u8]) -> u8 {
    let count = |delimiter: u8| {
        let (mut quotes, mut last) = (Quotes::default(), None);
        let outside = header.iter().enumerate().filter(|(at, byte)| {
            let before = last.replace(**byte);
            if **byte == b'"' {
                quotes.meet(*at as u64, before, &[delimiter]);
            }
            !quotes.are_open && **byte == delimiter
        });
        outside.count()
    };
    // The first of equals wins: a comma where nothing speaks for another.
    let mut best = (DELIMITERS[0], count(DELIMITERS[0]));
    for other in &DELIMITERS[1..] {
        if count(*other) > best.1 {
            best = (*other, count(*other));
        }
    }
    best.0
}

thread_local! {
    /// Ready to read rows, one for each delimiter: to make the automaton costs more than to read a row with it.
    static READERS: RefCell<[csv_core::Reader; 4]> =
        RefCell::new(DELIMITERS.map(|delimiter| csv_core::ReaderBuilder::new().delimiter(delimiter).build()));
}

/// The cells of a row, and room for the next row.
#[derive(Default)]
pub(super) struct Cells {
    /// Where they stand, in the row or in `unquoted`.
    spans: Vec<(usize, usize)>,
    look: Look,
    /// Whether they end at a carriage return in the middle of the row.
    is_cut: bool,
    /// The cells of a row that has quotes, without them.
    unquoted: Vec<u8>,
    ends: Vec<usize>,
    /// Their values as JSON with room behind them, and where each of them is.
    spelled: Vec<u8>,
    values: Vec<(u32, u32)>,
    /// Of rows that are judged together.
    abreast: Abreast,
}

/// Bytes behind what is checked, so that it need not be copied for that.
const ROOM: usize = 64;

/// What is among the bytes of a row, but for its delimiters: a bit for each sort.
#[derive(Clone, Copy, Default)]
struct Look(u8);

impl Look {
    /// Quotes and control characters, a line end within the row for one, so that more than its delimiters has to be looked at.
    const MARK: u8 = 1;
    const BACKSLASH: u8 = 2;
    const PLUS: u8 = 4;
    /// Space, or a byte with which space may begin that is beyond ASCII.
    const SPACE: u8 = 8;
    /// As such bytes have it.
    const WIDE: u8 = 0x80;

    fn of(row: &[u8], delimiter: u8) -> Self {
        let sorts = |byte: u8| {
            let bit = |is: bool, bit: u8| if is { bit } else { 0 };
            let sorts = bit((byte < b' ') | (byte == b'"'), Self::MARK)
                | bit(byte == b'\\', Self::BACKSLASH)
                | bit(byte == b'+', Self::PLUS)
                | bit((byte <= b' ') | (byte.wrapping_sub(0xC2) <= 0xE3 - 0xC2), Self::SPACE)
                | byte & Self::WIDE;
            bit(byte != delimiter, sorts)
        };
        // Sixteen at once, the last of them once more; without a branch, so that the processor does it so.
        let (blocks, _) = row.as_chunks::<16>();
        let all = blocks.iter().chain(row.last_chunk()).fold([0; 16], |mut all, block| {
            all.iter_mut().zip(block).for_each(|(all, byte)| *all |= sorts(*byte));
            all
        });
        let few = if blocks.is_empty() { row } else { &[] };
        Self(few.iter().map(|byte| sorts(*byte)).chain(all).fold(0, |all, one| all | one))
    }

    fn has(self, sorts: u8) -> bool {
        self.0 & sorts != 0
    }
}

impl Cells {
    fn read(&mut self, row: &[u8], delimiter: u8) {
        self.spans.clear();
        self.is_cut = false;
        self.look = Look::of(row, delimiter);
        if self.is_unquoted() {
            let known = DELIMITERS.iter().position(|known| *known == delimiter).unwrap_or_default();
            READERS.with_borrow_mut(|readers| self.unquote(row, delimiter, &mut readers[known]));
            return;
        }
        let mut from = 0;
        for (number, block) in row.chunks(64).enumerate() {
            let mut ends = places_of(delimiter, block);
            while ends != 0 {
                let end = 64 * number + ends.trailing_zeros() as usize;
                self.spans.push((from, end));
                (from, ends) = (end + 1, ends & (ends - 1));
            }
        }
        self.spans.push((from, row.len()));
    }

    /// Whether the row may have quotes, which its cells are without.
    fn is_unquoted(&self) -> bool {
        self.look.has(Look::MARK)
    }

    fn unquote(&mut self, row: &[u8], delimiter: u8, reader: &mut csv_core::Reader) {
        reader.reset();
        let Self { spans, unquoted, ends, is_cut, .. } = self;
        // Quotes only take bytes away, and each cell but the last ends with a delimiter.
        unquoted.resize(row.len(), 0);
        ends.resize(1 + memchr::memchr_iter(delimiter, row).count(), 0);
        let (_, read, written, mut ended) = reader.read_record(row, unquoted, ends);
        if read == row.len() {
            // Without a line end, a row ends where nothing more comes.
            ended += reader.read_record(&[], &mut unquoted[written..], &mut ends[ended..]).3;
        }
        *is_cut = row[read..].iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
        let mut from = 0;
        spans.extend(ends[..ended].iter().map(|end| (std::mem::replace(&mut from, *end), *end)));
    }

    fn len(&self) -> usize {
        self.spans.len()
    }

    fn get<'c>(&'c self, row: &'c [u8], at: usize) -> &'c [u8] {
        let (from, to) = self.spans[at];
        if self.is_unquoted() { &self.unquoted[from..to] } else { &row[from..to] }
    }

    /// Drops cells at the end that hold nothing, as long as there are more than `least`.
    fn drop_empty_end(&mut self, row: &[u8], least: usize) {
        while self.len() > least && trimmed(self.get(row, self.len() - 1)).is_empty() {
            self.spans.pop();
        }
    }

    /// Takes space off both ends of each.
    fn trim(&mut self, row: &[u8]) {
        if !self.look.has(Look::SPACE) {
            return;
        }
        for at in 0..self.spans.len() {
            let cell = self.get(row, at);
            let kept = trimmed(cell);
            if kept.len() < cell.len() {
                let before = cell.len() - text(cell).trim_start().len();
                let from = self.spans[at].0 + if kept.is_empty() { 0 } else { before };
                self.spans[at] = (from, from + kept.len());
            }
        }
    }

    fn iter<'c>(&'c self, row: &'c [u8]) -> impl Iterator<Item = &'c [u8]> {
        (0..self.len()).map(move |at| self.get(row, at))
    }
}

/// A bit for each place of a byte among at most 64: most cells are short, so that to look for one after another takes longer.
fn places_of(byte: u8, block: &[u8]) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const LOWS: u64 = ONES * 0x7F;
    let words = block.chunks_exact(8);
    let rest = words.remainder().iter().rev().fold(0, |bits, other| bits << 1 | u64::from(*other == byte));
    words.rev().fold(rest, |bits, word| {
        let differs = u64::from_le_bytes(word.try_into().unwrap_or_default()) ^ (ONES * u64::from(byte));
        let same = !(((differs & LOWS) + LOWS) | differs | LOWS) >> 7;
        // The lowest bit of each byte, side by side.
        bits << 8 | same.wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

/// Where a quote in a row is neither around a cell nor doubled within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stray {
    cell: usize,
    /// Behind it the cell goes on, so that it is not known what was in quotes; otherwise it is a character of a cell without quotes.
    is_closing: bool,
}

impl Stray {
    fn severity(self) -> Severity {
        if self.is_closing { Severity::Error } else { Severity::Warning }
    }

    fn finding(self, path: &str) -> Finding {
        let (en, zh) = match self.is_closing {
            true => ("text follows where the quoted cell should end", "引号闭合之后还有文字"),
            false => ("it was kept as a character", "已按普通字符保留"),
        };
        let mut finding = codes::finding_in_words("csv-quote-stray", path, &[("read", en, zh)]);
        finding.severity = self.severity();
        finding
    }
}

/// The first of each cell.
fn strays(row: &[u8], delimiter: u8) -> Vec<Stray> {
    let (mut found, mut quotes, mut cell, mut seen) = (Vec::<Stray>::new(), Quotes::default(), 0, 0);
    for at in memchr::memchr_iter(b'"', row) {
        if !quotes.are_open {
            cell += memchr::memchr_iter(delimiter, &row[seen..at]).count();
        }
        seen = at;
        let is_closing = quotes.are_open;
        quotes.meet(at as u64, before(row, at), &[delimiter]);
        let behind = &row[at + 1..];
        // Space behind a cell is trimmed, in quotes or not.
        let goes_on = || {
            behind.iter().find(|byte| **byte != b' ').is_some_and(|byte| !matches!(byte, b'\r') && *byte != delimiter)
        };
        let is_stray = match (is_closing, quotes.are_open) {
            (true, _) => behind.first() != Some(&b'"') && goes_on(),
            (false, is_opening) => !is_opening,
        };
        if is_stray && found.last().is_none_or(|last| last.cell != cell) {
            found.push(Stray { cell, is_closing });
        }
    }
    found
}

/// The cell in which a byte of a row lies.
fn cell_at(row: &[u8], at: usize, delimiter: u8) -> usize {
    let (mut quotes, mut cell) = (Quotes::default(), 0);
    for stop in memchr::memchr2_iter(b'"', delimiter, &row[..at]) {
        match row[stop] {
            b'"' => quotes.meet(stop as u64, before(row, stop), &[delimiter]),
            _ => cell += usize::from(!quotes.are_open),
        }
    }
    cell
}

fn members(columns: &[Column]) -> Vec<Member> {
    let mut members = Vec::new();
    for (column, Column { field, .. }) in columns.iter().enumerate() {
        let Some(field) = field else { continue };
        let is_one = |name: &str| matches!(field.types.as_slice(), [one] if one == name);
        let has = |name: &str| field.types.iter().any(|known| known == name);
        // Whatever is neither list, number nor truth is text; so is what may be anything, a code list's field for one.
        let is_text = !["array", "integer", "number", "boolean"].iter().any(|name| has(name));
        let holds_texts = !["array", "integer", "number", "boolean"]
            .iter()
            .any(|name| field.item_types.iter().any(|known| known == name));
        let kind = match () {
            () if has("array") && holds_texts => Kind::Texts,
            () if is_one("integer") || is_one("number") => Kind::Number,
            () if is_text && field.input_formats.is_empty() => Kind::Text,
            () if is_text => Kind::Date,
            () => Kind::Other,
        };
        let path = tokens(&field.pointer);
        let Some(last) = path.last() else { continue };
        let spelled = spelled_name(last);
        let has_null_words = !field.null_words.is_empty();
        members.push(Member { column, path, spelled, kind, has_null_words });
    }
    members.sort_by(|a, b| a.path.cmp(&b.path));
    members
}

fn spelled_name(name: &str) -> Vec<u8> {
    format!("{}:", Value::from(name)).into_bytes()
}

/// The names on the way down a pointer.
fn tokens(pointer: &str) -> Vec<String> {
    pointer::tokens(pointer).map(Cow::into_owned).collect()
}

/// A cell of a row, which is known to be UTF-8; quotes are taken off whole, so that what is left is.
fn text(cell: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(cell)
}

/// Whether no byte needs an escape in JSON; eight at a time, and sooner doubted than taken.
fn is_plain(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let needs = |bytes: &[u8]| {
        let word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        let control = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
        control | is_zero(word ^ (ONES * u64::from(b'"'))) | is_zero(word ^ (ONES * u64::from(b'\\')))
    };
    match bytes.len() {
        0..8 => !bytes.iter().any(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\')),
        length => bytes.chunks_exact(8).fold(needs(&bytes[length - 8..]), |any, word| any | needs(word)) == 0,
    }
}

fn spell_text(cell: &[u8], spelled: &mut Vec<u8>) {
    spelled.reserve(cell.len() + 3);
    spelled.push(b'"');
    spelled.extend_from_slice(cell);
    spelled.push(b'"');
}

/// A list of texts as JSON.
fn spell_texts(cell: &[u8], spelled: &mut Vec<u8>) {
    spelled.push(b'[');
    let first = spelled.len();
    let mut item = |from: usize, to: usize| {
        let item = trimmed(&cell[from..to]);
        if !item.is_empty() {
            if spelled.len() > first {
                spelled.push(b',');
            }
            spell_text(item, spelled);
        }
    };
    let (wide, mut from) = ("；".as_bytes(), 0);
    for at in memchr::memchr2_iter(b';', wide[2], cell) {
        let length = if cell[at] == b';' { 1 } else { wide.len() };
        if length == 1 || cell[..=at].ends_with(wide) {
            item(from, at + 1 - length);
            from = at + 1;
        }
    }
    item(from, cell.len());
    spelled.push(b']');
}

/// Without letter case, width, and space.
fn plain(text: &str) -> String {
    let half = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        c => c,
    };
    text.chars().filter(|c| !c.is_whitespace() && *c != '\u{feff}').map(half).flat_map(char::to_lowercase).collect()
}

/// Whether the cell says in words that there is nothing.
fn is_null_word(field: &Field, cell: &[u8]) -> bool {
    !cell.is_empty() && field.null_words.iter().any(|word| word.as_bytes() == cell)
}

fn value(cell: &str, field: &Field) -> Value {
    let has = |name: &str| field.types.iter().any(|known| known == name);
    if has("array") {
        let item = Field { types: field.item_types.clone(), ..Field::default() };
        let items = cell.split([';', '；']).map(str::trim).filter(|item| !item.is_empty());
        return Value::Array(items.map(|text| value(text, &item)).collect());
    }
    if (has("integer") || has("number")) && !has("string") {
        return number(cell).unwrap_or_else(|| Value::from(cell));
    }
    if has("boolean") && !has("string") {
        return match cell {
            "true" | "TRUE" => Value::Bool(true),
            "false" | "FALSE" => Value::Bool(false),
            other => Value::from(other),
        };
    }
    Value::String(date(cell, &field.input_formats).unwrap_or_else(|| cell.to_owned()))
}

fn number(cell: &str) -> Option<Value> {
    // Grouped digits and the like are left to the standard to refuse.
    match serde_json::from_str::<Value>(cell) {
        Ok(value @ Value::Number(_)) => Some(value),
        _ => None,
    }
}

/// The canonical date, where the field declares the form in which the sender wrote it.
fn date(cell: &str, forms: &[String]) -> Option<String> {
    let of = |parts: Vec<&str>| match parts.as_slice() {
        [year, month, day] => Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?),
        _ => None,
    };
    let read = |form: &String| match form.as_str() {
        "YYYYMMDD" => Date::from_compact(cell),
        "YYYY/M/D" => of(cell.split('/').collect()),
        "YYYY年M月D日" => of(cell.trim_end_matches('日').split(['年', '月']).collect()),
        "excel-serial" => serial(cell),
        _ => None,
    };
    forms.iter().find_map(read).map(|date| date.to_string())
}

/// Days since 1899-12-30, as spreadsheets count from March 1900 on.
fn serial(cell: &str) -> Option<Date> {
    let days: i64 = cell.parse().ok().filter(|days| (61..=2_958_465).contains(days))?;
    let first = Date::new(1899, 12, 30)?.day_number();
    let year = 1899 + days / 366;
    let years = (year..=year + 8).filter_map(|year| u16::try_from(year).ok());
    let mut each = years
        .flat_map(|year| (1..=12).flat_map(move |month| (1..=31).filter_map(move |day| Date::new(year, month, day))));
    each.find(|date| date.day_number() - first == days)
}

/// A date as standards have it, which is none of the forms that senders declare.
fn is_date(cell: &[u8]) -> bool {
    let is_as = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    cell.len() == 10 && cell.iter().zip(b"0000-00-00").all(is_as)
}

/// A number of JSON without an exponent.
fn is_plain_number(cell: &[u8]) -> bool {
    let unsigned = cell.strip_prefix(b"-").unwrap_or(cell);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(unsigned);
    let is_whole = whole == 1 || whole > 1 && unsigned[0] != b'0';
    is_whole
        && match unsigned[whole..].split_first() {
            None => true,
            Some((b'.', part)) => !part.is_empty() && digits(part) == part.len(),
            Some(_) => false,
        }
}

/// Whether digits in it are a code, which a spreadsheet spoils when it takes them for a number.
fn holds_code(field: &Field) -> bool {
    field.types.iter().any(|name| name == "string") && !field.types.iter().any(|name| name == "number")
}

/// The same as `trim`, sooner done where there is nothing to trim.
fn trimmed(cell: &[u8]) -> &[u8] {
    // Only one space has three bytes of which the first is that high; most of what is written in Chinese has.
    let is_high = |three: &[u8; 3]| three[0] >= 0xE3 && three != "\u{3000}".as_bytes();
    let begins = |byte: &u8| byte.is_ascii_graphic() || cell.first_chunk().is_some_and(is_high);
    let ends = |byte: &u8| byte.is_ascii_graphic() || !byte.is_ascii() && cell.last_chunk().is_some_and(is_high);
    if cell.is_empty() || cell.first().is_some_and(begins) && cell.last().is_some_and(ends) {
        return cell;
    }
    match std::str::from_utf8(cell) {
        Ok(cell) => cell.trim().as_bytes(),
        Err(_) => cell,
    }
}

/// A number as a spreadsheet shows one that is too long for its column, `9.11E+17`; read from behind.
fn is_exponent(cell: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let exponent = digits(cell);
    let [number @ .., b'E' | b'e', b'+'] = &cell[..cell.len() - exponent] else { return false };
    let last = digits(number);
    exponent > 0
        && last > 0
        && match &number[..number.len() - last] {
            [] => true,
            [whole @ .., b'.'] => !whole.is_empty() && digits(whole) == whole.len(),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use guiju_validator::CompileOptions;
    use serde_json::Map;

    /// Sets a value at a pointer, making the objects on the way.
    fn put(record: &mut Value, pointer: &str, value: Value) {
        let mut at = record;
        for token in tokens(pointer) {
            let Value::Object(members) = at else { return };
            at = members.entry(token).or_insert_with(|| Value::Object(Map::new()));
        }
        *at = value;
    }

    /// A record as a value, member by member.
    fn put_together(table: &Table, row: &[u8], cells: &Cells) -> Vec<u8> {
        let mut record = Value::Object(Map::new());
        for (column, cell) in table.columns.0.iter().zip(cells.iter(row)) {
            if let Some(field) = column.field.as_ref().filter(|field| !cell.is_empty() && !is_null_word(field, cell)) {
                put(&mut record, &field.pointer, value(&text(cell), field));
            }
        }
        serde_json::to_vec(&record).unwrap_or_default()
    }

    #[test]
    fn a_row_is_written_as_it_would_be_put_together() {
        let schema = br#"{"properties": {"name": {"type": "string", "x-guiju": {"nullWords": ["-"]}}, "on": {"type": "string",
            "x-guiju": {"inputFormats": ["YYYY/M/D"]}}, "count": {"type": "integer"}, "size": {"type": "number"}, "is": {"type":
            "boolean"}, "all": {"type": "array", "items": {"type": "number"}},
            "tags": {"type": "array", "items": {"type": "string"}}, "any": {}, "code": {"type": ["string", "null"]},
            "at": {"type": "object", "properties": {"lon": {"type": "number"}, "deep": {"properties": {"b": {}, "a": {}}}}}},
            "x-guiju": {"vocabulary": "1", "keys": [
                {"id": "one", "fields": ["/name"]}, {"id": "two", "fields": ["/on", "/count"]}, {"id": "three", "fields": ["/size"]},
                {"id": "four", "fields": ["/is"]}, {"id": "five", "fields": ["/code", "/at/lon"], "where": [{"op": "present", "left": {"field": "/any"}}]},
                {"id": "six", "fields": ["/at/deep/a"]}, {"id": "seven", "fields": ["/none"]}]}}"#;
        let with_items = serde_json::to_string(&serde_json::from_slice::<Value>(schema).unwrap()).unwrap().replacen(
            "[{",
            r#"[{"id":"items","fields":["/all/0","/at/deep/b/c"]},{"id":"object","fields":["/name"],"where":[{"op":"present","left":{"field":"/at"}}]},{"#,
            1,
        );
        let with_items = Validator::compile_schema(with_items.as_bytes(), &CompileOptions::default()).unwrap();
        let own = r#"[{"id":"own","fields":["/code","/name"],"where":[{"op":"ne","left":{"field":"/is"},"right":{"value":"x"}}]}]"#;
        let mut of_own = serde_json::from_slice::<Value>(schema).unwrap();
        of_own["x-guiju"]["keys"] = serde_json::from_str(own).unwrap();
        let of_own = Validator::compile_schema(of_own.to_string().as_bytes(), &CompileOptions::default()).unwrap();
        let validator = Validator::compile_schema(schema, &CompileOptions::default()).unwrap();
        let header = "size,at.deep.b,name,on,at.lon,count,is,all,any,code,at.deep.a,nobody,tags";
        let (table, findings) = Table::new(header.as_bytes(), (1, 0), &validator, Decided::default(), 100).unwrap();
        let told = |validator| Table::new(header.as_bytes(), (1, 0), validator, Decided::default(), 100).unwrap().0;
        let (of_items, plainly) = (told(&with_items), told(&of_own));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(table.members.len() == 12 && table.shape.is_some(), "every column is a member");
        let words = [
            "", " ", "-", "0", "-0", "007", "1.50", "1e5", "1E+5", ".5", "5.", "--1", "true", "TRUE", "2024/2/9",
            "a\"\"b",
        ];
        let more = ["1;2；x； 一;", "张三", "\u{1}", "9007199254740993", "\\", "null", "\u{3000}李四。 ", "2024-02-29"];
        let words: Vec<&str> = words.into_iter().chain(more).collect();
        let quoted = (0..words.len()).map(|shift| {
            let row = (0..13).map(|at| format!("\"{}\"", words[(shift + 7 * at) % words.len()]));
            row.collect::<Vec<_>>().join(",")
        });
        // Without quotes; and with nothing that JSON spells in another way, so that values stand where the cells are.
        let unquoted = quoted.clone().map(|row| row.replace('"', ""));
        let plain = unquoted.clone().map(|row| row.replace(['\u{1}', '\\'], "x"));
        for row in quoted.chain(unquoted).chain(plain) {
            let (mut cells, row) = (Cells::default(), row.as_bytes());
            cells.read(row, b',');
            assert_eq!(cells.len(), 13);
            cells.trim(row);
            table.spell(row, &mut cells);
            let (one, other) = (table.write(&cells), put_together(&table, row, &cells));
            for (validator, table) in [(&validator, &table), (&with_items, &of_items), (&of_own, &plainly)] {
                let mut shares = Shares::default();
                table.share(validator, &cells, (Scope::All, &mut shares));
                validator.share_of_bytes(&one, Scope::All, &mut shares);
                assert_eq!(shares.get(0), shares.get(1), "{row:?}");
            }
            assert_eq!(String::from_utf8(one), String::from_utf8(other));
        }
    }

    #[test]
    fn a_row_without_quotes_is_cut_as_one_with_them() {
        let long = ["1,22,,。,、a,333,é,4 ".repeat(9), ",".repeat(64), "a".repeat(63) + ",b", "a".repeat(64) + ",b"];
        let wide = "北京。,、，\u{2003}z\u{2009},\u{3000},é\u{3000},\u{feff}\u{1680},😀";
        let rows = ["", "a", ",", ",,", "a,b", "张三, ,1.5,", " a ,;|\t,b", "\u{3000}x\u{3000},\u{a0}, y", wide];
        for row in rows.into_iter().chain(long.iter().map(String::as_str)) {
            let (mut quick, mut whole) = (Cells::default(), Cells::default());
            let quoted: Vec<String> = row.split(',').map(|cell| format!("\"{cell}\"")).collect();
            let (row, quoted) = (row.as_bytes(), quoted.join(","));
            quick.read(row, b',');
            whole.read(quoted.as_bytes(), b',');
            assert!(quick.iter(row).eq(whole.iter(quoted.as_bytes())), "{quoted}");
            let trimmed: Vec<String> = quick.iter(row).map(|cell| text(cell).trim().to_owned()).collect();
            quick.trim(row);
            assert_eq!(quick.iter(row).map(text).collect::<Vec<_>>(), trimmed);
        }
    }

    #[test]
    fn quotes_that_are_around_nothing_are_told() {
        let told = |row: &str| {
            let found = strays(row.as_bytes(), b',');
            found.into_iter().map(|Stray { cell, is_closing }| (cell, is_closing)).collect::<Vec<_>>()
        };
        for row in [
            "",
            "a,b",
            "\"a\",\"b\"",
            "\"\"",
            "\"a\"\"b\",\"\"\"\"",
            "\"a,\nb\" ,c",
            "a,\"b\"\r",
            "\"open,\"\"",
            ",\"\",",
        ] {
            assert_eq!(told(row), [], "{row}");
        }
        assert_eq!(told("a,5\" pipe"), [(1, false)]);
        assert_eq!(told("\"a\"b,c\"d\"e,\"f"), [(0, true), (1, false)]);
        assert_eq!(told("\"a,b\" \"c\", \"d\""), [(0, true), (1, false)]);
        assert_eq!(told("\"a\"\"\"b"), [(0, true)]);
    }

    #[test]
    fn of_columns_for_one_field_none_is_taken() {
        let schema = br#"{"properties": {"a": {"title": "one"}, "b": {"properties": {"c": {"properties": {"d": {}}}}}, "e": {}}}"#;
        let validator = Validator::compile_schema(schema, &CompileOptions::default()).unwrap();
        for (header, told, left) in
            [("a,ONE,e,a", 2, 1), ("b,b.c.d,e", 1, 1), ("b.c.d,a,b.c", 1, 1), ("b.c.d,b,b.c,e", 3, 1), ("a,b,e", 0, 3)]
        {
            let (table, findings) = Table::new(header.as_bytes(), (1, 0), &validator, Decided::default(), 100).unwrap();
            let codes = findings.iter().filter(|finding| finding.code == "csv-header-duplicate").count();
            assert_eq!((codes, table.members.len()), (told, left), "{header}: {findings:?}");
        }
    }
}
