//! How fast are records checked, end to end from bytes to verdicts, next to others in the same run?
//!
//! `bash tests/benches/run check` installs the others, runs this, and writes the tables into `docs/reference/performance.md`.
//! By itself: `cargo bench -p guiju-tests --bench check -- [--mb N] [--rounds N] [--alone] [--files]`,
//! where `--files` leaves the records in memory out. Under `cargo test` a few records
//! are checked, and the counts are what matters.
//!
//! Time is CPU time, so that what else a machine does shows little. Roads take turns, each over the same records until it is warm
//! and once more, which counts; the median of the rounds is told.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod peers;
mod records;

use guiju::{
    CheckOptions, CompileOptions, Validator,
    readers::{Format, ReadOptions, Told, Totals, check, check_bytes},
};
use guiju_model::Report;
use peers::{Host, Pass, Peer};
use records::{SHAPES, Shape, Spelling, table};
use rustix::time::ClockId;
use std::{
    hint::black_box,
    io::{BufRead, BufReader, Write},
    ops::ControlFlow,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

struct Plan {
    bytes: usize,
    rounds: usize,
    with_peers: bool,
}

/// A road of others: what a reader calls it, where it runs, its name there, and whether it judges or only parses.
struct Road(&'static str, Host, &'static str, bool);

const ROADS: [Road; 12] = [
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
    Road("structural index and UTF-8 check alone (simdjson's first stage)", Host::Rust, "index", false),
    Road("line ends alone", Host::Rust, "newlines", false),
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
    if let [half, file, bytes] = arguments.as_slice()
        && half == "--half"
    {
        let number = |text: &String| text.parse().expect("a number");
        return Half::run(number(file), number(bytes));
    }
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let plan = match is_bench {
        true => Plan {
            bytes: number("--mb", 8) * 1_000_000,
            rounds: number("--rounds", 5),
            with_peers: !arguments.iter().any(|argument| argument == "--alone"),
        },
        false => Plan { bytes: 20_000, rounds: 1, with_peers: false },
    };
    println!("MB/s of one core, and in brackets how many times as fast Guiju is, which reports every finding.");
    if !arguments.iter().any(|argument| argument == "--files") {
        SHAPES.iter().for_each(|shape| records_table(&plan, shape));
    }
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
        let pass = warmed(|| timed(&input.bytes, &validator, &options));
        counts = (pass.conforming, pass.failing);
        ours.push(pass.seconds);
        for (Road(title, host, name, judges), taken) in ROADS.iter().zip(&mut others) {
            let peer = peers.iter_mut().find(|(other, _)| other == host);
            let peer = peer.map(|(_, peer)| peer).expect("every host was started");
            let pass = warmed(|| peer.pass(name));
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

/// Whoever's turn it is goes over the records for this long, and then once more, which counts: what the one before left in caches
/// and in what a processor foretells, and that it has slept, is nobody's merit.
const WARM: Duration = Duration::from_millis(60);

fn warmed<P>(mut pass: impl FnMut() -> P) -> P {
    let begin = Instant::now();
    while begin.elapsed() < WARM {
        pass();
    }
    pass()
}

fn validator(shape: &Shape) -> Validator {
    Validator::compile_schema(&shape.schema(), &CompileOptions::default()).expect("the schema compiles")
}

fn timed(input: &[u8], validator: &Validator, options: &CheckOptions) -> Pass {
    let (begin, mut checker) = (cpu_seconds(), validator.checker());
    let (mut conforming, mut failing) = (0, 0);
    let count = |report: Option<&Report>| match report.is_none_or(|report| black_box(report).conforms()) {
        true => conforming += 1,
        false => failing += 1,
    };
    records::judge(input, &mut checker, options, count);
    Pass { seconds: cpu_seconds() - begin, conforming, failing }
}

/// A file: what a reader calls it, the shape of its records, whether it is a table.
struct Kind(&'static str, usize, bool);

const FILES: [Kind; 6] = [
    Kind("resident, NDJSON", 0, false),
    Kind("entity, NDJSON", 1, false),
    Kind("reading, NDJSON", 2, false),
    Kind("resident, CSV", 0, true),
    Kind("entity, CSV", 1, true),
    Kind("reading, CSV", 2, true),
];

impl Kind {
    fn shape(&self) -> &'static Shape {
        &SHAPES[self.1]
    }

    fn bytes(&self, bytes: usize, failing_per_mille: u64) -> Vec<u8> {
        let records = self.shape().ndjson(Spelling::Stable, bytes, failing_per_mille);
        if self.2 { table(&records) } else { records }
    }

    fn format(&self) -> Format {
        if self.2 { Format::Csv } else { Format::Ndjson }
    }
}

/// Whole files through the readers, which find the records, decode, count and keep the order.
fn files_table(plan: &Plan) {
    tables_table(plan);
    println!("\n### Whole files on two processors, 1 % failing\n");
    println!(
        "Two workers against one, of a file in memory (`check_bytes`) and of one that is read (`check`); and next to it what this \
         machine has for two processes at once that share nothing, each with one worker and a file in memory.\n"
    );
    ceilings(plan);
    println!(
        "| file | in memory: one worker, MB/s | two, MB/s | times as fast | read: one worker, MB/s | two, MB/s | times as fast | \
         two processes: times as fast |"
    );
    println!("|---|{}", "---:|".repeat(7));
    for (at, kind) in FILES.iter().enumerate() {
        let (input, validator) = (kind.bytes(16 * plan.bytes, 10), validator(kind.shape()));
        let mut halves = [0, 1].map(|_| plan.with_peers.then(|| Half::start(at, 16 * plan.bytes)));
        let (mut walls, mut apart) = ([const { Vec::new() }; 4], Vec::new());
        for _ in 0..plan.rounds {
            for (wall, (jobs, is_read)) in walls.iter_mut().zip([(1, false), (2, false), (1, true), (2, true)]) {
                wall.push(pass(kind, &validator, &input, jobs, is_read).wall);
            }
            let begin = Instant::now();
            halves.iter_mut().flatten().for_each(Half::begin);
            halves.iter_mut().flatten().for_each(Half::end);
            apart.push(begin.elapsed().as_secs_f64());
        }
        let ([one, two, one_read, two_read], apart) = (walls.map(median), median(apart));
        let pair = |one, two| format!("{} | {} | {:.2}", mb(input.len(), one), mb(input.len(), two), one / two);
        println!("| {} | {} | {} | {:.2} |", kind.0, pair(one, two), pair(one_read, two_read), 2.0 * one / apart);
    }
}

/// What a second thread can gain on this machine at all: processors that share a core, or a neighbour's, double nothing.
fn ceilings(plan: &Plan) {
    let bytes = vec![b'a'; 16 * plan.bytes];
    let turns = 20 * plan.bytes;
    let spin = || (0..turns as u64).fold(1_u64, |sum, turn| black_box(sum.wrapping_mul(31) ^ turn));
    let scan = || memchr::memchr_iter(b'\n', black_box(&bytes)).count() as u64;
    let work: [(&str, &(dyn Fn() -> u64 + Sync)); 2] = [("of arithmetic", &spin), ("over memory", &scan)];
    let gains = work.map(|(what, work)| {
        let wall = |threads: usize| {
            let begin = Instant::now();
            thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(|| black_box(work())))));
            begin.elapsed().as_secs_f64()
        };
        let gain = median((0..plan.rounds).map(|_| 2.0 * wall(1) / wall(2)).collect());
        format!("a loop {what} {gain:.2} times as fast")
    });
    println!("The most that two threads gain here: {}.\n", gains.join(", "));
}

/// Tables, next to the same by hand with the crates of others.
fn tables_table(plan: &Plan) {
    println!("\n### Tables, one core\n");
    println!(
        "| file | bytes a row | Guiju, MB/s | rows/s | the `csv` crate + `jsonschema` crate, `is_valid` |\n|---|---:|---:|---:|---:|"
    );
    for kind in FILES.iter().filter(|kind| kind.2) {
        for failing_per_mille in [10, 200] {
            let (shape, input) = (kind.shape(), Input::new(kind.bytes(plan.bytes, failing_per_mille), ".csv"));
            let validator = validator(shape);
            let mut peer = plan.with_peers.then(|| Peer::start(Host::Rust, &shape.schema_path(), &input.path()));
            let (mut ours, mut theirs, mut rows) = (Vec::new(), Vec::new(), 0);
            for _ in 0..plan.rounds {
                let pass = warmed(|| pass(kind, &validator, &input.bytes, 1, true));
                ours.push(pass.cpu);
                rows = pass.conforming + pass.failing;
                if let Some(peer) = &mut peer {
                    let other = warmed(|| peer.pass("csv"));
                    assert_eq!((other.conforming, other.failing), (pass.conforming, pass.failing), "{}", kind.0);
                    theirs.push(other.seconds);
                }
            }
            let ours = median(ours);
            let theirs = match theirs.is_empty() {
                true => String::new(),
                false => {
                    let theirs = median(theirs);
                    format!("{} ({:.2}×)", mb(input.bytes.len(), theirs), theirs / ours)
                }
            };
            println!(
                "| {}, {} % failing | {} | {} | {} | {theirs} |",
                kind.0,
                failing_per_mille / 10,
                input.bytes.len() as u64 / rows,
                mb(input.bytes.len(), ours),
                thousands(rows as f64 / ours),
            );
        }
    }
}

/// One file read once: in seconds.
struct Once {
    wall: f64,
    /// Of all threads.
    cpu: f64,
    conforming: u64,
    failing: u64,
}

fn pass(kind: &Kind, validator: &Validator, input: &[u8], jobs: usize, is_read: bool) -> Once {
    let format = Some(kind.format());
    // As `guiju check` reads a file.
    let options = ReadOptions { format, jobs, never_waits: true, counts_clean: true, ..ReadOptions::default() };
    let (mut next, begin, begin_cpu) = (0, Instant::now(), cpu_seconds());
    let each = |told: Told<'_>| {
        match black_box(told) {
            Told::Record(checked) => {
                assert_eq!(checked.index, next, "out of order");
                next += 1;
            }
            Told::Clean(records) => next += records,
            Told::Input(_) => {}
        }
        ControlFlow::Continue(())
    };
    let totals = match is_read {
        true => check(input, validator, &options, each),
        false => check_bytes(input, validator, &options, each),
    };
    let (wall, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds() - begin_cpu);
    let Totals { records, conforming, failing, unreadable, .. } = totals.expect("it can be read");
    assert_eq!((records, unreadable), (next, 0), "{}", kind.0);
    Once { wall, cpu, conforming, failing }
}

/// Another process that reads a file of its own when it is told to.
struct Half(Child, ChildStdin, BufReader<ChildStdout>);

impl Half {
    fn start(file: usize, bytes: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a bench has a path"));
        command.args(["--half", &file.to_string(), &bytes.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the bench starts again");
        let (ask, answer) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let mut half = Self(child, ask, BufReader::new(answer));
        half.end();
        half
    }

    fn begin(&mut self) {
        writeln!(self.1, "go").expect("it reads");
    }

    fn end(&mut self) {
        self.2.read_line(&mut String::new()).expect("it answers");
    }

    /// What it does: a line when it is ready, and one for each pass.
    fn run(file: usize, bytes: usize) {
        let kind = &FILES[file];
        let (input, validator) = (kind.bytes(bytes, 10), validator(kind.shape()));
        println!("ready");
        for _ in std::io::stdin().lines() {
            println!("{}", pass(kind, &validator, &input, 1, false).wall);
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Of all threads of this process.
fn cpu_seconds() -> f64 {
    cpu_of(ClockId::ProcessCPUTime)
}

fn cpu_of(clock: ClockId) -> f64 {
    let time = rustix::time::clock_gettime(clock);
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
