//! How fast are NDJSON records checked, end to end from bytes to verdicts, next to others in the same run?
//!
//! `cargo bench -p guiju-tests --bench check -- [--mb N] [--runs N] [--peers]`
//!
//! Prints MB/s and records/s, the median of interleaved runs, one core. `--peers` adds the Python and Node peers; they are
//! found where `tests/run` installs them (`target/venv`, `target/node`).

mod records;

use guiju_validator::{CheckOptions, CompileOptions, Validator};
use records::{SHAPES, Shape};
use std::{collections::BTreeMap, hint::black_box, path::PathBuf, process::Command, time::Instant};

struct Plan {
    bytes: usize,
    runs: usize,
    peers: bool,
}

/// What one road said of a file: who, seconds, conforming, failing.
type Timing = (String, f64, u64, u64);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let peers = arguments.iter().any(|argument| argument == "--peers");
    let plan = Plan { bytes: number("--mb", 8) * 1_000_000, runs: number("--runs", 3), peers };
    println!("| shape | failing | road | MB/s | records/s | times the plain crate |");
    println!("|---|---:|---|---:|---:|---:|");
    for shape in &SHAPES {
        for failing_per_mille in [0, 10, 200] {
            compare(&plan, shape, failing_per_mille);
        }
    }
}

fn compare(plan: &Plan, shape: &Shape, failing_per_mille: u64) {
    let input = shape.ndjson(plan.bytes, failing_per_mille);
    let (ours, plain) = (our_road(shape), plain_crate(shape));
    let mut timings: Vec<Timing> = Vec::new();
    for _ in 0..plan.runs {
        timings.push(timed("guiju, all findings", &input, &ours));
        timings.push(timed("serde_json + jsonschema crate, is_valid", &input, &plain));
    }
    if plan.peers {
        timings.extend(foreign_peers(plan, shape, &input));
    }
    report(shape, failing_per_mille, input.len(), timings);
}

fn our_road(shape: &Shape) -> impl Fn(&[u8]) -> bool {
    let validator =
        Validator::compile_schema(&shape.schema(), &CompileOptions::default()).expect("the schema compiles");
    let options = CheckOptions::default();
    move |line| black_box(validator.check(line, &options)).conforms()
}

fn plain_crate(shape: &Shape) -> impl Fn(&[u8]) -> bool {
    let schema = serde_json::from_slice(&shape.schema()).expect("the schema is JSON");
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("the schema compiles");
    move |line| serde_json::from_slice(line).is_ok_and(|record| validator.is_valid(&record))
}

fn timed(name: &str, input: &[u8], is_valid: &impl Fn(&[u8]) -> bool) -> Timing {
    let begin = Instant::now();
    let lines = input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let (mut conforming, mut failing) = (0, 0);
    for line in lines {
        match is_valid(line) {
            true => conforming += 1,
            false => failing += 1,
        }
    }
    (name.into(), begin.elapsed().as_secs_f64(), conforming, failing)
}

fn foreign_peers(plan: &Plan, shape: &Shape, input: &[u8]) -> Vec<Timing> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let (schema, peers) =
        (root.join(format!("tests/benches/data/{}/schema.json", shape.name)), root.join("tests/benches/peers"));
    let file = std::env::temp_dir().join(format!("guiju-bench-{}-{}.ndjson", shape.name, std::process::id()));
    std::fs::write(&file, input).expect("the temporary folder takes a file");
    let runs = plan.runs.to_string();
    let mut python = Command::new(root.join("target/venv/bin/python"));
    python.arg(peers.join("python.py"));
    let mut node = Command::new("node");
    node.arg(peers.join("node.cjs")).env("NODE_PATH", root.join("target/node/node_modules"));
    let mut timings = Vec::new();
    for mut command in [python, node] {
        let output = command.arg(&schema).arg(&file).arg(&runs).output().expect("a peer starts; run tests/run once");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        timings.extend(String::from_utf8_lossy(&output.stdout).lines().map(|line| {
            let mut cells = line.split('\t');
            let mut next = || cells.next().unwrap_or_default();
            let (name, seconds) = (next().to_owned(), next().parse().expect("seconds"));
            (name, seconds, next().parse().expect("a count"), next().parse().expect("a count"))
        }));
    }
    let _ = std::fs::remove_file(file);
    timings
}

/// One row a road. All roads must have given the same counts, or the comparison means nothing.
fn report(shape: &Shape, failing_per_mille: u64, bytes: usize, timings: Vec<Timing>) {
    let (_, _, conforming, failing) = timings[0];
    let mut by_road: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (road, seconds, good, bad) in timings {
        assert_eq!((good, bad), (conforming, failing), "{road} judges {} differently", shape.name);
        by_road.entry(road).or_default().push(seconds);
    }
    let median = |seconds: &[f64]| {
        let mut sorted = seconds.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    let plain = by_road.iter().find(|(road, _)| road.contains("jsonschema crate")).map(|(_, seconds)| median(seconds));
    for (road, seconds) in &by_road {
        let seconds = median(seconds);
        println!(
            "| {} | {} % | {road} | {:.0} | {:.0} | {:.2} |",
            shape.name,
            failing_per_mille as f64 / 10.0,
            bytes as f64 / 1e6 / seconds,
            (conforming + failing) as f64 / seconds,
            plain.unwrap_or(seconds) / seconds,
        );
    }
}
