//! Rows of tables against the records that they stand for: judged by its cells, a row gets the report of its record.

use crate::{
    fuzz::{Dice, rows::table},
    support::root,
};
use guiju::Folder;
use guiju_model::Kind;
use guiju_validator::{CheckOptions, CompileOptions, Field, Validator};
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
