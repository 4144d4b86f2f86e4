//! Peers in Rust: `guiju-bench-peers SCHEMA RECORDS`.
//!
//! A line on standard input names a road; the answer is CPU seconds, conforming, failing for one pass over the records.
//! What only parses says "conforming" of whatever it could parse.

mod index; // the first stage of a parser that works on many bytes at once

use serde_json::{Map, Number, Value};
use std::{collections::HashMap, fs, hint::black_box, io};

type Road = Box<dyn FnMut(&[u8]) -> bool>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [schema, records] = arguments.as_slice() else { panic!("guiju-bench-peers SCHEMA RECORDS") };
    let schema: Value = serde_json::from_slice(&fs::read(schema).expect("a schema")).expect("the schema is JSON");
    let records = fs::read(records).expect("records");
    let mut built: HashMap<String, Road> = HashMap::new();
    for line in io::stdin().lines() {
        let name = line.expect("a name of a road");
        // These look at the file as a whole.
        let whole: Option<fn(&Value, &[u8]) -> (f64, u64, u64)> = match name.as_str() {
            "csv" => Some(table),
            "newlines" => Some(newlines),
            "index" => Some(structure),
            _ => None,
        };
        if let Some(whole) = whole {
            let (seconds, conforming, failing) = whole(&schema, &records);
            println!("{seconds}\t{conforming}\t{failing}");
            continue;
        }
        let road = built.entry(name).or_insert_with_key(|name| road(name, &schema));
        let begin = cpu_seconds();
        let (mut conforming, mut failing) = (0, 0);
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', &records) {
            let line = &records[from..end];
            from = end + 1;
            match road(line) {
                true => conforming += 1,
                false => failing += 1,
            }
        }
        println!("{}\t{conforming}\t{failing}", cpu_seconds() - begin);
    }
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn road(name: &str, schema: &Value) -> Road {
    match name {
        "jsonschema-is-valid" => {
            let validator = validator(schema);
            Box::new(move |line| serde_json::from_slice(line).is_ok_and(|record| validator.is_valid(&record)))
        }
        "jsonschema-all-errors" => {
            let validator = validator(schema);
            Box::new(move |line| {
                let Ok(record) = serde_json::from_slice::<Value>(line) else { return false };
                validator.iter_errors(&record).map(|error| black_box(error.to_string())).count() == 0
            })
        }
        "boon" => {
            let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
            compiler.enable_format_assertions();
            compiler.add_resource("schema.json", schema.clone()).expect("the schema is taken");
            let index = compiler.compile("schema.json", &mut schemas).expect("the schema compiles");
            Box::new(move |line| {
                serde_json::from_slice(line).is_ok_and(|record| schemas.validate(&record, index).is_ok())
            })
        }
        "serde_json" => Box::new(|line| black_box(serde_json::from_slice::<Value>(line)).is_ok()),
        "sonic-rs" => Box::new(|line| black_box(sonic_rs::from_slice::<sonic_rs::Value>(line)).is_ok()),
        "simd-json" => {
            let (mut copy, mut buffers) = (Vec::new(), simd_json::Buffers::default());
            Box::new(move |line| {
                // It parses in place, so it needs bytes of its own.
                copy.clear();
                copy.extend_from_slice(line);
                black_box(simd_json::to_tape_with_buffers(&mut copy, &mut buffers)).is_ok()
            })
        }
        other => panic!("there is no road `{other}`"),
    }
}

fn newlines(_: &Value, bytes: &[u8]) -> (f64, u64, u64) {
    let begin = cpu_seconds();
    let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
    (cpu_seconds() - begin, lines, 0)
}

fn structure(_: &Value, bytes: &[u8]) -> (f64, u64, u64) {
    let mut places = vec![0; bytes.len() + 64];
    let begin = cpu_seconds();
    let (is_text, found) = index::structure(bytes, &mut places);
    let seconds = cpu_seconds() - begin;
    assert!(is_text && found > 0, "records are UTF-8");
    // What is not a line end by itself is not asked for here, so the lines are counted apart.
    (seconds, memchr::memchr_iter(b'\n', bytes).count() as u64, 0)
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).expect("the schema compiles")
}

/// A table as one would do it by hand: the `csv` crate, an object a row, what the schema wants of each column looked up once.
fn table(schema: &Value, bytes: &[u8]) -> (f64, u64, u64) {
    let validator = validator(schema);
    let begin = cpu_seconds();
    let mut reader = csv::Reader::from_reader(bytes);
    let columns: Vec<Column> = reader.headers().expect("a header").iter().map(|name| Column::new(name, schema)).collect();
    let (mut row, mut conforming, mut failing) = (csv::StringRecord::new(), 0, 0);
    while reader.read_record(&mut row).expect("rows as wide as the header") {
        let mut record = Map::new();
        for (column, cell) in columns.iter().zip(&row) {
            column.put(cell, &mut record);
        }
        match validator.is_valid(&Value::Object(record)) {
            true => conforming += 1,
            false => failing += 1,
        }
    }
    (cpu_seconds() - begin, conforming, failing)
}

/// What a column gives: a member, or one of an object within.
struct Column {
    above: Option<String>,
    name: String,
    is_number: bool,
    is_array: bool,
}

impl Column {
    fn new(header: &str, schema: &Value) -> Self {
        let (above, name) = header.split_once('.').map_or((None, header), |(above, name)| (Some(above), name));
        let properties = above.map_or(&schema["properties"], |above| &schema["properties"][above]["properties"]);
        let is = |kind: &str| properties[name]["type"] == kind;
        let (is_number, is_array) = (is("number") || is("integer"), is("array"));
        Self { above: above.map(str::to_owned), name: name.to_owned(), is_number, is_array }
    }

    fn put(&self, cell: &str, record: &mut Map<String, Value>) {
        let value = match self.is_number.then(|| serde_json::from_str::<Number>(cell).ok()).flatten() {
            Some(number) => Value::Number(number),
            None if self.is_array => Value::Array(cell.split(';').map(Value::from).collect()),
            None => Value::from(cell),
        };
        let object = match &self.above {
            None => record,
            Some(above) => {
                let object = record.entry(above.clone()).or_insert_with(|| Value::Object(Map::new()));
                object.as_object_mut().expect("an object, since nothing else was put there")
            }
        };
        object.insert(self.name.clone(), value);
    }
}
