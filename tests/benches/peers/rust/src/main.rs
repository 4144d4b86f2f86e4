//! Peers in Rust: `guiju-bench-peers SCHEMA RECORDS`.
//!
//! A line on standard input names a road; the answer is CPU seconds, conforming, failing for one pass over the records.
//! What only parses says "conforming" of whatever it could parse.

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
        if name == "csv" {
            let (seconds, conforming, failing) = table(&schema, &records);
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

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).expect("the schema compiles")
}

/// A table as one would do it by hand: the `csv` crate, an object a row, numbers where the schema wants them.
fn table(schema: &Value, bytes: &[u8]) -> (f64, u64, u64) {
    let validator = validator(schema);
    let begin = cpu_seconds();
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().expect("a header").clone();
    let is_number: Vec<bool> = header
        .iter()
        .map(|name| matches!(schema["properties"][name]["type"].as_str(), Some("number" | "integer")))
        .collect();
    let (mut row, mut conforming, mut failing) = (csv::StringRecord::new(), 0, 0);
    while reader.read_record(&mut row).expect("rows as wide as the header") {
        let cells = header.iter().zip(&row).zip(&is_number).map(|((name, cell), is_number)| {
            let number = is_number.then(|| cell.parse().ok().and_then(Number::from_f64)).flatten();
            (name.to_owned(), number.map_or_else(|| Value::String(cell.to_owned()), Value::Number))
        });
        match validator.is_valid(&Value::Object(cells.collect::<Map<_, _>>())) {
            true => conforming += 1,
            false => failing += 1,
        }
    }
    (cpu_seconds() - begin, conforming, failing)
}
