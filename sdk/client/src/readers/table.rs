//! Rows to records, and findings back to cells.
//!
//! A column means a field by its name, its path (`point.lon`), its title in either language or a synonym; letter case, width and
//! surrounding space do not matter. A cell becomes what the field's type asks for where it has that form, else text, so that
//! the standard's own rule says what is wrong.

use guiju_model::{Date, Finding, Place, Report, Severity};
use guiju_validator::{CheckOptions, Checker, Field, Validator, codes};
use serde_json::{Map, Value};
use std::{cell::RefCell, ops::Range, sync::Arc};

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
#[derive(Clone, Copy, Debug)]
pub struct Row<'t> {
    /// The record in JSON; of a row that could not be read, nothing.
    pub json: &'t [u8],
    pub columns: &'t Columns,
}

/// What was found in a row: a report where there is anything to tell, and whether it could be read.
pub(super) type Found = (Option<Report>, bool);

/// What the columns of a table mean. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Columns(Arc<[Column]>);

#[derive(Debug)]
struct Column {
    header: String,
    field: Option<Field>,
    /// Whether its cells may be found fault with before there is a record.
    is_watched: bool,
}

impl Table {
    /// Reads the header, and says which columns mean nothing or the same.
    pub fn new(header: &[u8], validator: &Validator) -> (Self, Vec<Finding>) {
        let delimiter = delimiter(header);
        let mut cells = Cells::default();
        cells.read(&String::from_utf8_lossy(header), delimiter);
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
            let is_watched = field.as_ref().is_some_and(|field| !field.null_words.is_empty() || holds_code(field));
            columns.push(Column { header: cell.to_owned(), field, is_watched });
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

    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Checks one row, and appends the record that it stands for.
    pub fn check(
        &self,
        row: &[u8],
        (index, line): (u64, u64),
        checker: &mut Checker<'_>,
        options: &CheckOptions,
        cells: &mut Cells,
        json: &mut Vec<u8>,
    ) -> Found {
        let validator = checker.validator();
        let place = |column: &str| Some(Place::Cell { row: index + 1, line, column: column.to_owned() });
        let mut own = Vec::new();
        let text = match std::str::from_utf8(row) {
            Ok(text) => text,
            Err(error) => {
                let byte = format!("0x{:02X}", row[error.valid_up_to()]);
                let finding = codes::finding("utf8-invalid", "", &[("byte", &byte)]);
                return (Some(self.unread(finding, place(""), validator, options)), false);
            }
        };
        cells.read(text, self.delimiter);
        // Behind the last column a row may have as many empty cells as the header has; one more shows a shifted row.
        if cells.len() <= self.width {
            cells.drop_empty_end(self.columns.0.len());
        }
        if cells.len() != self.columns.0.len() {
            let (found, expected) = (cells.len().to_string(), self.columns.0.len().to_string());
            let finding = codes::finding("csv-ragged-row", "", &[("found", &found), ("expected", &expected)]);
            return (Some(self.unread(finding, place(""), validator, options)), false);
        }
        for (column, cell) in self.columns.0.iter().zip(cells.iter()) {
            let Some(field) = column.field.as_ref().filter(|_| column.is_watched) else { continue };
            let cell = trimmed(cell);
            if is_null_word(field, cell) {
                own.push((codes::finding("null-word", &field.pointer, &[("word", cell)]), &column.header));
            } else if holds_code(field) && is_exponent(cell) {
                own.push((codes::finding("csv-number-exponent", &field.pointer, &[]), &column.header));
            }
        }
        let from = json.len();
        match &self.members {
            Some(members) => self.write(members, cells, json),
            None => self.put_together(cells, json),
        }
        let told = checker.tell(&json[from..], options);
        if own.is_empty() && told.is_none() {
            return (None, true);
        }
        let mut report = told.unwrap_or_else(|| validator.empty_report());
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
        (Some(whole), true)
    }

    /// The record of a row whose columns are its members.
    fn write(&self, members: &[Member], cells: &Cells, json: &mut Vec<u8>) {
        let from = json.len();
        json.push(b'{');
        for Member { column, spelled, kind } in members {
            let (cell, field) = (trimmed(cells.get(*column)), self.columns.0[*column].field.as_ref());
            let Some(field) = field.filter(|field| !cell.is_empty() && !is_null_word(field, cell)) else { continue };
            if json.len() > from + 1 {
                json.push(b',');
            }
            json.extend_from_slice(spelled);
            match kind {
                Kind::Number if is_plain_number(cell) => json.extend_from_slice(cell.as_bytes()),
                Kind::Text if is_plain_text(cell) => {
                    json.push(b'"');
                    json.extend_from_slice(cell.as_bytes());
                    json.push(b'"');
                }
                // Writing into memory does not fail.
                _ => serde_json::to_writer(&mut *json, &value(cell, field)).unwrap_or_default(),
            }
        }
        json.push(b'}');
    }

    fn put_together(&self, cells: &Cells, json: &mut Vec<u8>) {
        let mut record = Value::Object(Map::new());
        for (column, cell) in self.columns.0.iter().zip(cells.iter()) {
            let (cell, field) = (trimmed(cell), column.field.as_ref());
            if let Some(field) = field.filter(|field| !cell.is_empty() && !is_null_word(field, cell)) {
                put(&mut record, &field.pointer, value(cell, field));
            }
        }
        serde_json::to_writer(json, &record).unwrap_or_default();
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

/// The cells of a row, without their quotes; kept for the next row.
#[derive(Default)]
pub(super) struct Cells {
    text: String,
    spans: Vec<Range<usize>>,
}

impl Cells {
    fn read(&mut self, row: &str, delimiter: u8) {
        self.spans.clear();
        if memchr::memchr3(b'"', b'\r', b'\n', row.as_bytes()).is_some() {
            let known = DELIMITERS.iter().position(|known| *known == delimiter).unwrap_or_default();
            READERS.with_borrow_mut(|readers| self.unquote(row.as_bytes(), delimiter, &mut readers[known]));
            return;
        }
        self.text.clear();
        self.text.push_str(row);
        let mut from = 0;
        for at in memchr::memchr_iter(delimiter, row.as_bytes()).chain([row.len()]) {
            self.spans.push(from..at);
            from = at + 1;
        }
    }

    fn unquote(&mut self, row: &[u8], delimiter: u8, reader: &mut csv_core::Reader) {
        reader.reset();
        // Quotes only take bytes away, and each cell but the last ends with a delimiter.
        let (mut text, mut ends) =
            (vec![0; row.len()], vec![0; 1 + row.iter().filter(|byte| **byte == delimiter).count()]);
        let (_, read, written, mut ended) = reader.read_record(row, &mut text, &mut ends);
        if read == row.len() {
            // Without a line end, a row ends where nothing more comes.
            ended += reader.read_record(&[], &mut text[written..], &mut ends[ended..]).3;
        }
        ends.truncate(ended);
        text.truncate(ends.last().copied().unwrap_or_default());
        // Only whole quotes were taken away, so it is text as before.
        self.text = String::from_utf8(text).unwrap_or_default();
        let mut from = 0;
        self.spans.extend(ends.into_iter().map(|end| std::mem::replace(&mut from, end)..end));
    }

    fn len(&self) -> usize {
        self.spans.len()
    }

    fn get(&self, at: usize) -> &str {
        self.text.get(self.spans[at].clone()).unwrap_or_default()
    }

    /// Drops cells at the end that hold nothing, as long as there are more than `least`.
    fn drop_empty_end(&mut self, least: usize) {
        while self.len() > least && self.get(self.len() - 1).trim().is_empty() {
            self.spans.pop();
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
        let has = |name: &str| field.types.iter().any(|known| known == name);
        let not_text = ["array", "integer", "number", "boolean"];
        let kind = match () {
            () if is_one("integer") || is_one("number") => Kind::Number,
            // Whatever is neither list, number nor truth is text; so is what may be anything, a code list's field for one.
            () if field.input_formats.is_empty() && !not_text.iter().any(|name| has(name)) => Kind::Text,
            () => Kind::Other,
        };
        members.push((name, Member { column: at, spelled: format!("{}:", Value::from(name)).into_bytes(), kind }));
    }
    members.sort_by_key(|(name, _)| *name);
    // Of two columns for one field the later one counts.
    let is_twice = members.windows(2).any(|pair| pair[0].0 == pair[1].0);
    (!is_twice).then(|| members.into_iter().map(|(_, member)| member).collect())
}

/// Whether it stands in JSON as it is.
fn is_plain_text(cell: &str) -> bool {
    !cell.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\')
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

/// Whether digits in it are a code, which a spreadsheet spoils when it takes them for a number.
fn holds_code(field: &Field) -> bool {
    field.types.iter().any(|name| name == "string") && !field.types.iter().any(|name| name == "number")
}

/// The same as `trim`, sooner done where there is nothing to trim.
fn trimmed(cell: &str) -> &str {
    let is_graphic = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    match is_graphic(cell.as_bytes().first()) && is_graphic(cell.as_bytes().last()) {
        true => cell,
        false => cell.trim(),
    }
}

fn is_exponent(cell: &str) -> bool {
    if !cell.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
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
            let (mut cells, mut one, mut other) = (Cells::default(), Vec::new(), Vec::new());
            cells.read(&row.join(","), b',');
            assert_eq!(cells.len(), 9);
            table.write(members, &cells, &mut one);
            table.put_together(&cells, &mut other);
            assert_eq!(String::from_utf8(one), String::from_utf8(other), "{row:?}");
        }
    }

    #[test]
    fn a_row_without_quotes_is_cut_as_one_with_them() {
        for row in ["", "a", ",", ",,", "a,b", "张三, ,1.5,", " a ,;|\t,b"] {
            let (mut quick, mut whole) = (Cells::default(), Cells::default());
            quick.read(row, b',');
            let quoted: Vec<String> = row.split(',').map(|cell| format!("\"{cell}\"")).collect();
            whole.read(&quoted.join(","), b',');
            assert_eq!(quick.iter().collect::<Vec<_>>(), whole.iter().collect::<Vec<_>>(), "{row}");
        }
    }
}
