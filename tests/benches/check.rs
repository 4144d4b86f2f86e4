//! How fast are records checked, end to end from bytes to verdicts, next to others in the same run?
//!
//! `bash tests/benches/run check` installs the others, runs this, and writes the tables into `docs/reference/performance.md`.
//! By itself: `cargo bench -p guiju-tests --bench check -- [--mb N] [--rounds N] [--alone]`. Under `cargo test` a few records
//! are checked, and the counts are what matters.
//!
//! Time is CPU time, so that what else a machine does shows little. Roads take turns; the median of the rounds is told.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod peers;
mod records;

use guiju::{
    CheckOptions, CompileOptions, Validator,
    readers::{Format, ReadOptions, check},
};
use peers::{Host, Pass, Peer};
use records::{SHAPES, Shape, Spelling, readings_csv};
use std::{hint::black_box, ops::ControlFlow, path::PathBuf, time::Instant};

struct Plan {
    bytes: usize,
    rounds: usize,
    with_peers: bool,
}

/// A road of others: what a reader calls it, where it runs, its name there, and whether it judges or only parses.
struct Road(&'static str, Host, &'static str, bool);

const ROADS: [Road; 10] = [
    Road("`serde_json` + `jsonschema` crate, `is_valid`", Host::Rust, "jsonschema-is-valid", true),
    Road("`serde_json` + `jsonschema` crate, all errors", Host::Rust, "jsonschema-all-errors", true),
    Road("`serde_json` + `boon`", Host::Rust, "boon", true),
    Road("`ajv` (Node)", Host::Node, "ajv", true),
    Road("`orjson` + `jsonschema-rs` (Python)", Host::Python, "jsonschema-rs", true),
    Road("`orjson` + `fastjsonschema` (Python)", Host::Python, "fastjsonschema", true),
    Road("Sourcemeta's `jsonschema --fast`, the command", Host::Python, "sourcemeta", true),
    Road("`serde_json` to a tree, no checking", Host::Rust, "serde_json", false),
    Road("`sonic-rs` to a tree, no checking", Host::Rust, "sonic-rs", false),
    Road("`simd-json` to a tape, no checking", Host::Rust, "simd-json", false),
];

/// Spelling, failing in a thousand, and the heading.
const COLUMNS: [(Spelling, u64, &str); 6] = [
    (Spelling::Stable, 0, "stable order, 0 % failing"),
    (Spelling::Stable, 10, "1 %"),
    (Spelling::Shuffled, 10, "shuffled, 1 %"),
    (Spelling::Spaced, 10, "spaced, 1 %"),
    (Spelling::Escaped, 10, "escaped, 1 %"),
    (Spelling::Stable, 200, "stable order, 20 %"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let plan = match is_bench {
        true => Plan {
            bytes: number("--mb", 4) * 1_000_000,
            rounds: number("--rounds", 5),
            with_peers: !arguments.iter().any(|argument| argument == "--alone"),
        },
        false => Plan { bytes: 20_000, rounds: 1, with_peers: false },
    };
    println!("MB/s of one core, and in brackets how many times as fast Guiju is, which reports every finding.");
    SHAPES.iter().for_each(|shape| records_table(&plan, shape));
    files_table(&plan);
}

/// What a file of records is for a peer: it lies on disk while this lives.
struct Input {
    bytes: Vec<u8>,
    file: tempfile::NamedTempFile,
}

impl Input {
    fn new(bytes: Vec<u8>, suffix: &str) -> Self {
        let file = tempfile::Builder::new().suffix(suffix).tempfile().expect("the temporary folder takes a file");
        std::fs::write(file.path(), &bytes).expect("the temporary folder takes the records");
        Self { bytes, file }
    }

    fn path(&self) -> PathBuf {
        self.file.path().into()
    }
}

fn records_table(plan: &Plan, shape: &Shape) {
    let columns: Vec<Measured> = COLUMNS.iter().map(|column| measure(plan, shape, *column)).collect();
    let records = columns[0].records;
    println!("\n### {}, {} bytes a record\n", shape.name, columns[0].bytes / records as usize);
    println!("| |{}", COLUMNS.map(|(.., heading)| format!(" {heading} |")).concat());
    println!("|---|{}", "---:|".repeat(COLUMNS.len()));
    let ours: Vec<String> = columns.iter().map(|column| format!(" **{}** |", mb(column.bytes, column.ours))).collect();
    println!("| **Guiju** |{}", ours.concat());
    let rate = |column: &Measured| format!(" {} |", thousands(column.records as f64 / column.ours));
    println!("| the same, records/s |{}", columns.iter().map(rate).collect::<String>());
    for (at, Road(title, ..)) in ROADS.iter().enumerate().take(columns[0].others.len()) {
        let cell = |column: &Measured| {
            let seconds = column.others[at];
            format!(" {} ({:.2}×) |", mb(column.bytes, seconds), seconds / column.ours)
        };
        println!("| {title} |{}", columns.iter().map(cell).collect::<String>());
    }
}

/// One column: how long each road took, in CPU seconds.
struct Measured {
    bytes: usize,
    records: u64,
    ours: f64,
    others: Vec<f64>,
}

fn measure(plan: &Plan, shape: &Shape, (spelling, failing_per_mille, _): (Spelling, u64, &str)) -> Measured {
    let input = Input::new(shape.ndjson(spelling, plan.bytes, failing_per_mille), ".jsonl");
    let validator = validator(shape);
    let options = CheckOptions::default();
    let start = |host| Peer::start(host, &shape.schema_path(), &input.path());
    let hosts = [Host::Rust, Host::Node, Host::Python];
    let mut peers: Vec<(Host, Peer)> = match plan.with_peers {
        true => hosts.map(|host| (host, start(host))).into(),
        false => Vec::new(),
    };
    let (mut ours, mut others) = (Vec::new(), vec![Vec::new(); if plan.with_peers { ROADS.len() } else { 0 }]);
    let mut counts = (0, 0);
    for round in 0..plan.rounds {
        let mut checker = validator.checker();
        let pass = timed(&input.bytes, |line| {
            checker.is_clean(line, &options) || black_box(checker.check(line, &options)).conforms()
        });
        counts = (pass.conforming, pass.failing);
        ours.push(pass.seconds);
        for (Road(title, host, name, judges), taken) in ROADS.iter().zip(&mut others) {
            let peer = peers.iter_mut().find(|(other, _)| other == host);
            let pass = peer.map(|(_, peer)| peer.pass(name)).expect("every host was started");
            let theirs = if *judges { (pass.conforming, pass.failing) } else { counts };
            assert_eq!(theirs, counts, "{title} judges {} otherwise in round {round}", shape.name);
            assert_eq!(pass.conforming + pass.failing, counts.0 + counts.1, "{title} skips records");
            taken.push(pass.seconds);
        }
    }
    let expected = (counts.0 + counts.1) * failing_per_mille / 1000;
    assert!(counts.1.abs_diff(expected) <= 10 + expected / 2, "{} of {} fail", counts.1, counts.0 + counts.1);
    let others = others.into_iter().map(median).collect();
    Measured { bytes: input.bytes.len(), records: counts.0 + counts.1, ours: median(ours), others }
}

fn validator(shape: &Shape) -> Validator {
    Validator::compile_schema(&shape.schema(), &CompileOptions::default()).expect("the schema compiles")
}

fn timed(input: &[u8], mut conforms: impl FnMut(&[u8]) -> bool) -> Pass {
    let begin = cpu_seconds();
    let (mut conforming, mut failing) = (0, 0);
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', input) {
        let line = &input[from..end];
        from = end + 1;
        match conforms(line) {
            true => conforming += 1,
            false => failing += 1,
        }
    }
    Pass { seconds: cpu_seconds() - begin, conforming, failing }
}

/// Whole files through the readers, which find the records, decode, count and keep the order.
fn files_table(plan: &Plan) {
    println!("\n### Whole files through the readers, 1 % failing\n");
    println!("| file | workers | MB/s of wall time | MB a CPU second | records a CPU second |");
    println!("|---|---:|---:|---:|---:|");
    for shape in &SHAPES {
        let ndjson = shape.ndjson(Spelling::Stable, plan.bytes, 10);
        read(plan, shape, &format!("{}, NDJSON", shape.name), Format::Ndjson, &ndjson);
    }
    let shape = &SHAPES[2];
    let csv = readings_csv(&shape.ndjson(Spelling::Stable, plan.bytes, 10));
    read(plan, shape, "reading, CSV", Format::Csv, &csv);
    if plan.with_peers {
        let input = Input::new(csv, ".csv");
        let mut peer = Peer::start(Host::Rust, &shape.schema_path(), &input.path());
        let passes: Vec<Pass> = (0..plan.rounds).map(|_| peer.pass("csv")).collect();
        let (seconds, records) = (median(passes.iter().map(|pass| pass.seconds).collect()), passes[0]);
        println!(
            "| reading, CSV: the `csv` crate + `jsonschema` crate, `is_valid` | 1 | | {} | {} |",
            mb(input.bytes.len(), seconds),
            thousands((records.conforming + records.failing) as f64 / seconds)
        );
    }
}

fn read(plan: &Plan, shape: &Shape, title: &str, format: Format, input: &[u8]) {
    let validator = validator(shape);
    for jobs in [1, 2] {
        let options = ReadOptions { format: Some(format), jobs, ..ReadOptions::default() };
        let (mut wall, mut cpu, mut records) = (Vec::new(), Vec::new(), 0);
        for _ in 0..plan.rounds {
            let (begin, begin_cpu, mut next) = (Instant::now(), cpu_seconds(), 0);
            let totals = check(input, &validator, &options, |told| {
                if let guiju::readers::Told::Record(checked) = black_box(told) {
                    assert_eq!(checked.index, next, "out of order");
                    next += 1;
                }
                ControlFlow::Continue(())
            });
            wall.push(begin.elapsed().as_secs_f64());
            cpu.push(cpu_seconds() - begin_cpu);
            let totals = totals.expect("it can be read");
            assert!(totals.failing > 0 || plan.rounds == 1, "some fail");
            assert_eq!((totals.records, totals.unreadable), (next, 0), "{title}");
            records = totals.records;
        }
        let (wall, cpu) = (median(wall), median(cpu));
        println!(
            "| {title} | {jobs} | {} | {} | {} |",
            mb(input.len(), wall),
            mb(input.len(), cpu),
            thousands(records as f64 / cpu)
        );
    }
}

/// Of all threads of this process.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn mb(bytes: usize, seconds: f64) -> String {
    thousands(bytes as f64 / 1e6 / seconds)
}

/// Three figures are more than such a measurement holds.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}
