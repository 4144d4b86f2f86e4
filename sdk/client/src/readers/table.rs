//! Rows to records, and findings back to cells.
//!
//! A column means a field by its name, its path (`point.lon`), its title in either language or a synonym; letter case, width and
//! surrounding space do not matter. A cell becomes what the field's type asks for where it has that form, else text, so that
//! the standard's own rule says what is wrong.

use guiju_model::{Date, Finding, Place, Report};
use guiju_validator::{CheckOptions, Checker, Field, Validator, codes};
use serde_json::{Map, Value};
use std::{cell::RefCell, sync::Arc};

pub(super) struct Table {
    delimiter: u8,
    columns: Columns,
}

/// A row of a table as a record.
#[derive(Clone, Debug)]
pub struct Row {
    /// The record in JSON; of a row that could not be read, nothing.
    pub json: Vec<u8>,
    pub columns: Columns,
}

/// What the columns of a table mean. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Columns(Arc<[Column]>);

#[derive(Debug)]
struct Column {
    header: String,
    field: Option<Field>,
}

impl Table {
    /// Reads the header, and says which columns mean nothing or the same.
    pub fn new(header: &[u8], validator: &Validator) -> (Self, Vec<Finding>) {
        let delimiter = delimiter(header);
        let cells = cells(header, delimiter);
        let mut findings = Vec::new();
        let mut columns: Vec<Column> = Vec::new();
        for cell in cells {
            let field = field(&cell, validator.fields());
            let at = |mut finding: Finding| {
                finding.place = Some(Place::Cell { row: 0, line: 1, column: cell.clone() });
                finding
            };
            match &field {
                None if cell.trim().is_empty() => {}
                None => findings.push(at(codes::finding("csv-header-unknown", "", &[("name", cell.trim())]))),
                Some(known) => {
                    let same = columns
                        .iter()
                        .find(|column| column.field.as_ref().is_some_and(|field| field.pointer == known.pointer));
                    if let Some(same) = same {
                        let both = format!("`{}`, `{}`", same.header.trim(), cell.trim());
                        let name = known.pointer.trim_start_matches('/');
                        findings.push(at(codes::finding(
                            "csv-header-duplicate",
                            &known.pointer,
                            &[("columns", &both), ("name", name)],
                        )));
                    }
                }
            }
            columns.push(Column { header: cell, field });
        }
        // A column may give a member of a nested field instead.
        let gives = |pointer: &str| {
            let fields = columns.iter().filter_map(|column| column.field.as_ref());
            fields.map(|field| &field.pointer).any(|given| {
                given.strip_prefix(pointer).is_some_and(|below| below.is_empty() || below.starts_with('/'))
            })
        };
        for field in validator.fields().iter().filter(|field| field.is_required && !gives(&field.pointer)) {
            let name = field.pointer.trim_start_matches('/');
            let titles = [&field.title_en, &field.title_zh].map(|title| title.as_deref().unwrap_or(name));
            let mut finding =
                codes::finding("csv-header-missing", &field.pointer, &[("name", name), ("title", titles[0])]);
            finding.message.zh =
                codes::finding("csv-header-missing", "", &[("name", name), ("title", titles[1])]).message.zh;
            finding.place = Some(Place::Text { line: 1, column: 1, offset: 0 });
            findings.push(finding);
        }
        (Self { delimiter, columns: Columns(columns.into()) }, findings)
    }

    /// Checks one row; whether it could be read, and the record it stands for.
    pub fn check(
        &self,
        row: &[u8],
        index: u64,
        line: u64,
        checker: &mut Checker<'_>,
        options: &CheckOptions,
    ) -> (Report, bool, Row) {
        let validator = checker.validator();
        let place = |column: &str| Some(Place::Cell { row: index + 1, line, column: column.to_owned() });
        let mut own = Vec::new();
        let text = match std::str::from_utf8(row) {
            Ok(text) => text,
            Err(error) => {
                let byte = format!("0x{:02X}", row[error.valid_up_to()]);
                return (
                    self.unread(codes::finding("utf8-invalid", "", &[("byte", &byte)]), place(""), validator, options),
                    false,
                    self.row(Vec::new()),
                );
            }
        };
        // An empty cell too many is no better than a full one: it may be that of a comma which shifted all behind it.
        let cells = cells(text.as_bytes(), self.delimiter);
        if cells.len() != self.columns.0.len() {
            let (found, expected) = (cells.len().to_string(), self.columns.0.len().to_string());
            let finding = codes::finding("csv-ragged-row", "", &[("found", &found), ("expected", &expected)]);
            return (self.unread(finding, place(""), validator, options), false, self.row(Vec::new()));
        }
        let mut record = Value::Object(Map::new());
        for (column, cell) in self.columns.0.iter().zip(&cells) {
            let Some(field) = &column.field else { continue };
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            if field.null_words.iter().any(|word| word == cell) {
                own.push((codes::finding("null-word", &field.pointer, &[("word", cell)]), &column.header));
                continue;
            }
            if is_exponent(cell)
                && field.types.iter().any(|name| name == "string")
                && !field.types.iter().any(|name| name == "number")
            {
                own.push((codes::finding("csv-number-exponent", &field.pointer, &[("value", cell)]), &column.header));
            }
            put(&mut record, &field.pointer, value(cell, field));
        }
        let bytes = serde_json::to_vec(&record).unwrap_or_default();
        let mut report = checker.check(&bytes, options);
        for finding in &mut report.findings {
            finding.place = place(self.columns.header_of(&finding.path));
        }
        let found = std::mem::take(&mut report.findings);
        let mut whole = Report { errors: 0, warnings: 0, infos: 0, ..report.clone() };
        let own = own.into_iter().map(|(mut finding, header)| {
            finding.place = place(header);
            finding
        });
        let (listed, kept) = (report.errors + report.warnings + report.infos, found.len() as u64);
        own.chain(found).for_each(|finding| whole.push(finding, options.findings_max));
        // Findings past the limit were counted already.
        if listed > kept {
            let count = |severity| whole.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
            whole.errors = whole.errors.max(report.errors).max(count(guiju_model::Severity::Error));
            whole.warnings = whole.warnings.max(report.warnings);
            whole.infos = whole.infos.max(report.infos);
        }
        (whole, true, self.row(bytes))
    }

    fn unread(
        &self,
        mut finding: Finding,
        place: Option<Place>,
        validator: &Validator,
        options: &CheckOptions,
    ) -> Report {
        finding.place = place;
        let mut report = validator.empty_report();
        report.push(finding, options.findings_max);
        report
    }

    fn row(&self, json: Vec<u8>) -> Row {
        Row { json, columns: self.columns.clone() }
    }
}

impl Columns {
    /// The header of the column that a path lies in; of a field that has no column, nothing.
    pub fn header_of(&self, path: &str) -> &str {
        let holds = |field: &Field| {
            path.strip_prefix(field.pointer.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let deepest = self.0.iter().filter(|column| column.field.as_ref().is_some_and(holds));
        deepest
            .max_by_key(|column| column.field.as_ref().map_or(0, |field| field.pointer.len()))
            .map_or("", |column| column.header.trim())
    }
}

const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// The delimiter that occurs most in the header, outside quotes.
fn delimiter(header: &[u8]) -> u8 {
    let count = |delimiter: u8| {
        let mut in_quotes = false;
        let outside = header.iter().filter(|byte| {
            in_quotes ^= **byte == b'"';
            !in_quotes && **byte == delimiter
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

fn cells(row: &[u8], delimiter: u8) -> Vec<String> {
    let known = DELIMITERS.iter().position(|known| *known == delimiter).unwrap_or_default();
    READERS.with_borrow_mut(|readers| split(row, delimiter, &mut readers[known]))
}

fn split(row: &[u8], delimiter: u8, reader: &mut csv_core::Reader) -> Vec<String> {
    reader.reset();
    // Quotes only take bytes away, and each cell but the last ends with a delimiter.
    let (mut text, mut ends) = (vec![0; row.len()], vec![0; 1 + row.iter().filter(|byte| **byte == delimiter).count()]);
    let (_, read, written, mut ended) = reader.read_record(row, &mut text, &mut ends);
    if read == row.len() {
        // Without a line end, a row ends where nothing more comes.
        ended += reader.read_record(&[], &mut text[written..], &mut ends[ended..]).3;
    }
    let mut begin = 0;
    let cell = |end: &usize| String::from_utf8_lossy(&text[std::mem::replace(&mut begin, *end)..*end]).into_owned();
    ends[..ended].iter().map(cell).collect()
}

fn field(header: &str, fields: &[Field]) -> Option<Field> {
    let wanted = plain(header);
    let is_name = |field: &&Field| plain(&field.pointer.trim_start_matches('/').replace('/', ".")) == wanted;
    let is_title = |field: &&Field| {
        let titles = field.title_zh.iter().chain(&field.title_en).chain(&field.synonyms);
        titles.into_iter().any(|title| plain(title) == wanted)
    };
    fields.iter().find(is_name).or_else(|| fields.iter().find(is_title)).cloned()
}

/// Without letter case, width, and space.
fn plain(text: &str) -> String {
    let half = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        c => c,
    };
    text.chars().filter(|c| !c.is_whitespace() && *c != '\u{feff}').map(half).flat_map(char::to_lowercase).collect()
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

fn is_exponent(cell: &str) -> bool {
    let Some((mantissa, exponent)) = cell.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    digits(whole) && digits(fraction) && exponent.strip_prefix('+').is_some_and(digits)
}

/// Sets a value at a pointer, making the objects on the way.
fn put(record: &mut Value, pointer: &str, value: Value) {
    let mut at = record;
    let tokens: Vec<String> =
        pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
    for token in tokens {
        let Value::Object(members) = at else { return };
        at = members.entry(token).or_insert_with(|| Value::Object(Map::new()));
    }
    *at = value;
}
