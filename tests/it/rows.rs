//! Rows of tables against the records that they stand for: judged by its cells, a row gets the report of its record.

use crate::{
    fuzz::{
        Dice,
        rows::{table, together_and_alone},
    },
    support::root,
};
use guiju::{
    Folder,
    readers::{Encoding, Format, ReadOptions},
};
use guiju_model::Kind;
use guiju_validator::{CheckOptions, CompileOptions, Field, Validator, dataset::Scope};
use serde_json::Value;

/// What a cell may hold beside what examples have.
const WORDS: [&str; 18] = [
    "",
    " ",
    "-",
    "无",
    "0",
    "-0",
    "1.50",
    "1e5",
    "9.11E+17",
    "true",
    "TRUE",
    "2024-02-30",
    "20240229",
    "a\"\"b",
    "1;2；x",
    "\\",
    "9007199254740993",
    "\u{3000}京\u{1}",
];

/// Fields that one cell can give.
fn columns(validator: &Validator) -> Vec<&Field> {
    let has_below = |field: &Field| {
        let below = format!("{}/", field.pointer);
        validator.fields().iter().any(|other| other.pointer.starts_with(&below))
    };
    validator.fields().iter().filter(|field| !has_below(field)).collect()
}

/// The cell in which a value is written; none where that is no cell.
fn cell(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(items.iter().map(cell).collect::<Option<Vec<_>>>()?.join(";")),
        Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

#[test]
fn rows_of_shipped_standards_are_judged_as_their_records_are() {
    let folder = Folder::read(&root().join("standards")).expect("the standards");
    let (mut dice, mut conforming, mut rows, mut written) = (Dice(11), 0, 0, Vec::new());
    let options = CheckOptions { reference_date: "2026-11-01".parse().ok(), ..CheckOptions::default() };
    for (package, bundle) in
        folder.versions().filter(|(package, _)| matches!(package.kind, Kind::Record | Kind::Profile))
    {
        let validator = Validator::compile(bundle, &CompileOptions::default()).expect("it compiles");
        let columns = columns(&validator);
        let mut paths: Vec<Vec<String>> =
            columns.iter().map(|field| field.pointer.split('/').skip(1).map(str::to_owned).collect()).collect();
        paths.sort();
        if validator.row_shape(&paths).is_none() {
            written.push(format!("{} {}", package.standard, package.version));
        }
        let header: Vec<String> = columns.iter().map(|field| field.pointer[1..].replace('/', ".")).collect();
        let mut csv = header.join(",") + "\n";
        let examples =
            package.files.iter().filter(|(file, _)| file.starts_with("examples/") && file.ends_with(".json"));
        for (_, record) in examples {
            let Ok(record) = serde_json::from_slice::<Value>(record) else { continue };
            let of = |field: &&Field| record.pointer(&field.pointer).and_then(cell).unwrap_or_default();
            let whole: Vec<String> = columns.iter().map(of).collect();
            for round in 0..16 {
                let mut cells = whole.clone();
                for _ in 0..round.min(3) {
                    let at = dice.below(cells.len());
                    cells[at] = (*dice.pick(&WORDS)).to_owned();
                }
                let quoted: Vec<String> = cells
                    .iter()
                    .map(|cell| {
                        if cell.contains([',', '"', '\n']) {
                            format!("\"{}\"", cell.replace('"', "\"\""))
                        } else {
                            cell.clone()
                        }
                    })
                    .collect();
                csv += &(quoted.join(",") + "\n");
                rows += 1;
            }
        }
        conforming += table(&validator, csv.as_bytes(), options.clone());
    }
    assert!(rows > 3_000 && conforming > 100, "only {conforming} of {rows} rows conform, so little was shown");
    assert!(written.is_empty(), "rows are written as records first, of {written:?}");
}

/// One of each kind of column, rules within a row and between rows.
const SCHEMA: &str = r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,
    "properties":{"id":{"type":"string","pattern":"^[0-9A-Z]{1,6}$"},"name":{"type":"string","maxLength":4,
    "x-guiju":{"nullWords":["-","无"]}},"size":{"type":"number","minimum":0,"maximum":1000},"count":{"type":"integer"},
    "on":{"type":"string","format":"date","x-guiju":{"inputFormats":["YYYYMMDD"]}},"until":{"type":"string","format":"date"},
    "tags":{"type":"array","items":{"type":"string","maxLength":3},"maxItems":3},"is":{"type":"boolean"},
    "at":{"type":"object","properties":{"lon":{"type":"number","minimum":73},"lat":{"type":"number"}},"required":["lon","lat"]},
    "note":{}},"required":["id"],"dependentRequired":{"size":["count"]},"if":{"required":["is"]},"then":{"required":["count"]},
    "x-guiju":{"vocabulary":"1","rules":[{"id":"order","then":[{"op":"le","left":{"field":"/on"},"right":{"field":"/until"}}]}],
    "keys":[{"id":"one","fields":["/id"]}]}}"##;

const HEADER: &str = "id,name,size,count,on,until,tags,is,at.lon,at.lat,note,stranger";
const ROW: &str = "A1,李明,12.5,3,2024-02-29,2024-03-01,a;b,true,116.4,39.9,x,y";

/// Columns, and what may stand there instead of what is there.
const CELLS: [(usize, &[&str]); 10] = [
    (0, &["", "a1", "A1234567", "9E+5", " A1 ", "\u{3000}A1", "A\u{a0}", "\"A1\"", "A\"1", "A\\1", "中"]),
    (1, &["", "-", "无", "李明李明李", "a\tb", "\u{1}", " 张 三 ", "。", "\"张,三\"", "\"张\"\"三\"", "é"]),
    (
        2,
        &[
            "",
            "-1",
            "1000.5",
            "007",
            "1e2",
            "1E+2",
            "5.",
            ".5",
            "-",
            "--1",
            "1 ",
            "12345678901234567890",
            "x",
            "true",
            "1.50",
        ],
    ),
    (3, &["", "3.0", "3.5", "-0", "123456789012", "1,000", "null"]),
    (4, &["", "20240229", "20240230", "2024-02-30", "2025-01-01", "２０２４"]),
    (5, &["", "2024-13-01", "2024-02-28", "2024-03-01 "]),
    (6, &["", "a", "a;b;c;d", "abcd;b", "；a；", ";", " a ; b ", "a;a", "\"a;b\"", "[a]"]),
    (7, &["", "FALSE", "yes", "1"]),
    (8, &["", "72", "1e400", "73"]),
    (11, &["", "\"\"", "9.1E+17", "z,z", "z,,", "\u{feff}"]),
];

#[test]
fn rows_side_by_side_are_told_of_as_each_alone() {
    let validator = Validator::compile_schema(SCHEMA.as_bytes(), &CompileOptions::default()).expect("it compiles");
    let mut others: Vec<String> =
        ["A1", ",,,,,,,,,,,", "A1,,,,,,,,,,,,", "A1,李明,12.5,3", "", "   ", "\"", "A1,,,,,,,,116.4,,,"]
            .map(str::to_owned)
            .into();
    for (column, words) in CELLS {
        let with = |word: &&str| {
            let mut cells: Vec<&str> = ROW.split(',').collect();
            cells[column] = word;
            cells.join(",")
        };
        others.extend(words.iter().map(with));
    }
    let check = |date: Option<&str>, with_values, findings_max, record_bytes_max| CheckOptions {
        reference_date: date.and_then(|date| date.parse().ok()),
        with_values,
        findings_max,
        record_bytes_max,
        ..CheckOptions::default()
    };
    let options = [
        (check(Some("2026-11-01"), false, 100, 1 << 20), false),
        (check(None, true, 1, 1 << 20), false),
        (check(None, true, 100, 1 << 20), true),
        (check(None, false, 100, 300), false),
    ];
    // Each of them at each of the places of a group, among rows that are like each other and among others like it.
    let mut rows = Vec::new();
    for other in &others {
        for at in 0..4 {
            rows.extend((0..4).map(|place| if place == at { other.as_str() } else { ROW }));
        }
        rows.extend([other.as_str(); 4]);
    }
    let mut dice = Dice(31);
    rows.extend((0..100).map(|_| dice.pick(&others).as_str()));
    for (end, delimiter) in [("\n", ','), ("\r\n", ','), ("\n", ';'), ("\n", '\t'), ("\r\n", '|')] {
        // A list's own delimiter would part cells of a table with semicolons.
        let spell = |row: &str| match delimiter {
            ';' => row.replace(';', "；").replace(',', ";"),
            other => row.replace(',', &other.to_string()),
        };
        let lines: Vec<String> = [HEADER].iter().chain(&rows).map(|row| spell(row)).collect();
        let table = lines.join(end);
        let (gb, _, _) = encoding_rs::GB18030.encode(&table);
        for (at, (check, with_shares)) in options.iter().cloned().enumerate() {
            let (bytes, encoding) = match at % 2 {
                0 => (table.as_bytes(), Encoding::Utf8),
                _ => (&*gb, Encoding::Gb18030),
            };
            let (format, encoding) = (Some(Format::Csv), Some(encoding));
            let read = ReadOptions {
                format,
                encoding,
                jobs: 1,
                never_waits: false,
                shares: with_shares.then_some(Scope::All),
                counts_clean: false,
                check,
            };
            let [together, alone] = together_and_alone(&validator, bytes, &read);
            assert!(together.len() > rows.len() / 2, "{delimiter:?} {encoding:?}: {:?}", together.last());
            for (together, alone) in together.iter().zip(&alone) {
                assert_eq!(together, alone, "{delimiter:?} {end:?} {encoding:?}");
            }
            assert_eq!(together.len(), alone.len());
        }
    }
}

/// Bytes that are no text in one row say nothing of its neighbours.
#[test]
fn a_row_that_is_no_text_stands_alone() {
    let validator = Validator::compile_schema(SCHEMA.as_bytes(), &CompileOptions::default()).expect("it compiles");
    for broken in [&b"A\xFF"[..], b"\xE4\xB8", b"\x80", b"\xED\xA0\x80"] {
        for at in 0..4 {
            let mut table = HEADER.as_bytes().to_vec();
            for place in 0..8 {
                table.push(b'\n');
                table.extend_from_slice(if place == at { broken } else { "中".as_bytes() });
                table.extend_from_slice(&ROW.as_bytes()[2..]);
            }
            let read = ReadOptions {
                format: Some(Format::Csv),
                encoding: Some(Encoding::Utf8),
                jobs: 1,
                ..ReadOptions::default()
            };
            let [together, alone] = together_and_alone(&validator, &table, &read);
            assert_eq!(together, alone, "{broken:?} at {at}");
            assert_eq!(
                together.iter().filter(|told| told.contains("is_readable: false")).count(),
                1,
                "{broken:?} at {at}"
            );
        }
    }
}
