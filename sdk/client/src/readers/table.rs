//! Rows to records, and findings back to cells.
//!
//! A column means a field by its name, its path (`point.lon`), its title in either language or a synonym; letter case, width and
//! surrounding space do not matter. A cell becomes what the field's type asks for where it has that form, else text, so that
//! the standard's own rule says what is wrong.

use guiju_model::{Date, Finding, Place, Report, Severity};
use guiju_validator::{CheckOptions, Checker, Field, Validator, codes};
use serde_json::{Map, Value};
use std::{cell::RefCell, sync::Arc};

pub(super) struct Table {
    delimiter: u8,
    /// Without the columns at the end that have no name.
    columns: Columns,
    /// Cells of the header, with those.
    width: usize,
    /// How a row is written as JSON, in the order of names; none where a column gives a part of a field.
    members: Option<Vec<Member>>,
}

/// A column as a member of the record.
struct Member {
    column: usize,
    /// Its name as JSON has it, with the colon.
    spelled: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Other,
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
        let mut cells = cells(header, delimiter);
        let width = cells.len();
        cells.drop_empty_end(0);
        let mut findings = Vec::new();
        let mut columns: Vec<Column> = Vec::new();
        for cell in cells.iter() {
            let field = field(cell, validator.fields());
            let at = |mut finding: Finding| {
                finding.place = Some(Place::Cell { row: 0, line: 1, column: cell.to_owned() });
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
            columns.push(Column { header: cell.to_owned(), field });
        }
        findings.extend(missing(&columns, validator));
        // Rows without one field would be judged as empty records, which may conform.
        if !validator.fields().is_empty() && columns.iter().all(|column| column.field.is_none()) {
            let unknown = findings.iter_mut().filter(|finding| finding.code == "csv-header-unknown");
            unknown.for_each(|finding| finding.severity = Severity::Error);
        }
        let members = members(&columns);
        (Self { delimiter, columns: Columns(columns.into()), width, members }, findings)
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
        let mut cells = cells(text.as_bytes(), self.delimiter);
        // Behind the last column a row may have as many empty cells as the header has; one more shows a shifted row.
        if cells.len() <= self.width {
            cells.drop_empty_end(self.columns.0.len());
        }
        if cells.len() != self.columns.0.len() {
            let (found, expected) = (cells.len().to_string(), self.columns.0.len().to_string());
            let finding = codes::finding("csv-ragged-row", "", &[("found", &found), ("expected", &expected)]);
            return (self.unread(finding, place(""), validator, options), false, self.row(Vec::new()));
        }
        for (column, cell) in self.columns.0.iter().zip(cells.iter()) {
            let Some(field) = &column.field else { continue };
            let cell = cell.trim();
            if is_null_word(field, cell) {
                own.push((codes::finding("null-word", &field.pointer, &[("word", cell)]), &column.header));
            } else if is_exponent(cell)
                && field.types.iter().any(|name| name == "string")
                && !field.types.iter().any(|name| name == "number")
            {
                own.push((codes::finding("csv-number-exponent", &field.pointer, &[]), &column.header));
            }
        }
        let bytes = match &self.members {
            Some(members) => self.written(members, &cells),
            None => self.put_together(&cells),
        };
        let mut report = checker.check(&bytes, options);
        for finding in &mut report.findings {
            finding.place = place(self.columns.header_of(&finding.path));
        }
        if own.is_empty() && report.errors + report.warnings + report.infos == 0 {
            return (report, true, self.row(bytes));
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

    /// The record of a row whose columns are its members.
    fn written(&self, members: &[Member], cells: &Cells) -> Vec<u8> {
        let mut json =
            Vec::with_capacity(cells.text.len() + members.iter().map(|m| m.spelled.len() + 3).sum::<usize>());
        json.push(b'{');
        for Member { column, spelled, kind } in members {
            let (cell, field) = (cells.get(*column).trim(), self.columns.0[*column].field.as_ref());
            let Some(field) = field.filter(|field| !cell.is_empty() && !is_null_word(field, cell)) else { continue };
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend_from_slice(spelled);
            // Writing into memory does not fail.
            let _ = match kind {
                Kind::Number if is_plain_number(cell) => {
                    json.extend_from_slice(cell.as_bytes());
                    Ok(())
                }
                Kind::Text => serde_json::to_writer(&mut json, cell),
                _ => serde_json::to_writer(&mut json, &value(cell, field)),
            };
        }
        json.push(b'}');
        json
    }

    fn put_together(&self, cells: &Cells) -> Vec<u8> {
        let mut record = Value::Object(Map::new());
        for (column, cell) in self.columns.0.iter().zip(cells.iter()) {
            let (cell, field) = (cell.trim(), column.field.as_ref());
            if let Some(field) = field.filter(|field| !cell.is_empty() && !is_null_word(field, cell)) {
                put(&mut record, &field.pointer, value(cell, field));
            }
        }
        serde_json::to_vec(&record).unwrap_or_default()
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

/// The fields that every record has and no column gives; a column may give a member of a nested field instead.
fn missing(columns: &[Column], validator: &Validator) -> Vec<Finding> {
    let gives = |pointer: &str| {
        let fields = columns.iter().filter_map(|column| column.field.as_ref());
        fields
            .filter_map(|field| field.pointer.strip_prefix(pointer))
            .any(|below| below.is_empty() || below.starts_with('/'))
    };
    let required = validator.fields().iter().filter(|field| field.is_required && !gives(&field.pointer));
    let told = |field: &Field| {
        let name = field.pointer.trim_start_matches('/');
        let [en, zh] = [&field.title_en, &field.title_zh].map(|title| title.as_deref().unwrap_or(name));
        let words = [("name", name, name), ("title", en, zh)];
        let mut finding = codes::finding_in_words("csv-header-missing", &field.pointer, &words);
        finding.place = Some(Place::Text { line: 1, column: 1, offset: 0 });
        finding
    };
    required.map(told).collect()
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

/// The cells of a row, without their quotes.
struct Cells {
    text: String,
    ends: Vec<usize>,
}

impl Cells {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, at: usize) -> &str {
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(begin..self.ends[at]).unwrap_or_default()
    }

    /// Drops cells at the end that hold nothing, as long as there are more than `least`.
    fn drop_empty_end(&mut self, least: usize) {
        while self.len() > least && self.get(self.len() - 1).trim().is_empty() {
            self.ends.pop();
        }
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|at| self.get(at))
    }
}

fn members(columns: &[Column]) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let Some(field) = &column.field else { continue };
        let name = field.pointer.strip_prefix('/').filter(|name| !name.contains(['/', '~']))?;
        let is_one = |name: &str| matches!(field.types.as_slice(), [one] if one == name);
        let kind = match () {
            () if is_one("integer") || is_one("number") => Kind::Number,
            () if is_one("string") && field.input_formats.is_empty() => Kind::Text,
            () => Kind::Other,
        };
        members.push((name, Member { column: at, spelled: format!("{}:", Value::from(name)).into_bytes(), kind }));
    }
    members.sort_by_key(|(name, _)| *name);
    // Of two columns for one field the later one counts.
    let is_twice = members.windows(2).any(|pair| pair[0].0 == pair[1].0);
    (!is_twice).then(|| members.into_iter().map(|(_, member)| member).collect())
}

fn cells(row: &[u8], delimiter: u8) -> Cells {
    let known = DELIMITERS.iter().position(|known| *known == delimiter).unwrap_or_default();
    READERS.with_borrow_mut(|readers| split(row, delimiter, &mut readers[known]))
}

fn split(row: &[u8], delimiter: u8, reader: &mut csv_core::Reader) -> Cells {
    reader.reset();
    // Quotes only take bytes away, and each cell but the last ends with a delimiter.
    let (mut text, mut ends) = (vec![0; row.len()], vec![0; 1 + row.iter().filter(|byte| **byte == delimiter).count()]);
    let (_, read, written, mut ended) = reader.read_record(row, &mut text, &mut ends);
    if read == row.len() {
        // Without a line end, a row ends where nothing more comes.
        ended += reader.read_record(&[], &mut text[written..], &mut ends[ended..]).3;
    }
    ends.truncate(ended);
    text.truncate(ends.last().copied().unwrap_or_default());
    // Each cell for itself: what stands for a damaged byte has another length.
    match String::from_utf8(text) {
        Ok(text) => Cells { text, ends },
        Err(damaged) => {
            let (bytes, mut text, mut begin) = (damaged.as_bytes(), String::new(), 0);
            for end in &mut ends {
                text += &String::from_utf8_lossy(&bytes[std::mem::replace(&mut begin, *end)..*end]);
                *end = text.len();
            }
            Cells { text, ends }
        }
    }
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

/// Whether the cell says in words that there is nothing.
fn is_null_word(field: &Field, cell: &str) -> bool {
    !cell.is_empty() && field.null_words.iter().any(|word| word == cell)
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

/// A number of JSON without an exponent.
fn is_plain_number(cell: &str) -> bool {
    let unsigned = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole) && is_digits(part) && (whole.len() == 1 || !whole.starts_with('0'))
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

#[cfg(test)]
mod tests {
    use super::*;
    use guiju_validator::CompileOptions;

    #[test]
    fn a_row_is_written_as_it_would_be_put_together() {
        let schema = br#"{"properties": {"name": {"type": "string", "x-guiju": {"nullWords": ["-"]}}, "on": {"type": "string",
            "x-guiju": {"inputFormats": ["YYYY/M/D"]}}, "count": {"type": "integer"}, "size": {"type": "number"}, "is": {"type":
            "boolean"}, "all": {"type": "array", "items": {"type": "number"}}, "any": {}, "code": {"type": ["string", "null"]}}}"#;
        let validator = Validator::compile_schema(schema, &CompileOptions::default()).unwrap();
        let (table, findings) = Table::new("size,name,on,count,is,all,any,code,nobody".as_bytes(), &validator);
        assert_eq!(findings.len(), 1, "{findings:?}");
        let members = table.members.as_ref().expect("every column is a member");
        let words = [
            "", " ", "-", "0", "-0", "007", "1.50", "1e5", "1E+5", ".5", "5.", "--1", "true", "TRUE", "2024/2/9",
            "a\"\"b",
        ];
        let more = ["1;2；x", "张三", "\u{1}", "9007199254740993", "\\", "null"];
        let words: Vec<&str> = words.into_iter().chain(more).collect();
        for shift in 0..words.len() {
            let row: Vec<String> = (0..9).map(|at| format!("\"{}\"", words[(shift + 7 * at) % words.len()])).collect();
            let cells = cells(row.join(",").as_bytes(), b',');
            assert_eq!(cells.len(), 9);
            let (one, other) = (table.written(members, &cells), table.put_together(&cells));
            assert_eq!(String::from_utf8(one), String::from_utf8(other), "{row:?}");
        }
    }
}
