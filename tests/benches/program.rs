//! What does the program `guiju check` cost: one small file, cold, memory over a stream that does not end soon, and a standard
//! with keys and rules between records? And what does it cost to compile each of the standards that ship, and to check its records?
//!
//! `bash tests/benches/run program` runs this and writes the table into `docs/reference/performance.md`. By itself:
//! `cargo build --release -p guiju-cli && cargo bench -p guiju-tests --bench program -- [--gib N] [--compile NAME]
//! [--records NAME]`; with the latter only what is asked of the standards whose names hold that.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod built; // where cargo puts programs
mod records;

use guiju::{
    CompileOptions, Folder, Validator,
    readers::{Format, ReadOptions, check_bytes},
};
use guiju_model::Kind;
use guiju_validator::dataset::Scope;
use records::{SHAPES, Spelling};
use std::{
    fs,
    hint::black_box,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let behind =
        |flag: &str| arguments.iter().position(|argument| argument == flag).and_then(|at| arguments.get(at + 1));
    if let Some(name) = behind("--compile") {
        return compile_times(name);
    }
    if let Some(name) = behind("--records") {
        return shipped_records(name);
    }
    println!("| question | answer |\n|---|---:|");
    cold_starts();
    stream(behind("--gib").and_then(|text| text.parse().ok()).unwrap_or(10));
    with_keys(400_000);
    compile_times("");
    shipped_records("");
}

/// Each version that records are checked against, from the bytes of its bundle, in a process that has compiled before.
fn compile_times(name: &str) {
    println!("\n### Compiling the standards that ship\n");
    println!("| standard | bytes of its bundle | ms, median of 21 |\n|---|---:|---:|");
    let folder = Folder::read(&root().join("standards")).expect("the standards");
    for (package, bundle) in folder.versions() {
        let is_meant = package.standard.to_string().contains(name);
        if !is_meant || !matches!(package.kind, Kind::Record | Kind::Profile | Kind::CodeList) {
            continue;
        }
        let mut took: Vec<f64> = Vec::new();
        for _ in 0..21 {
            let begin = Instant::now();
            let validator = Validator::compile(bundle, &CompileOptions::default());
            took.push(begin.elapsed().as_secs_f64() * 1e3);
            black_box(validator).expect("what ships compiles");
        }
        took.sort_by(f64::total_cmp);
        let bytes: usize = bundle.contents().flat_map(|content| content.files.values()).map(Vec::len).sum();
        println!("| `{}` {} | {bytes} | {:.2} |", package.standard, package.version, took[took.len() / 2]);
    }
}

fn guiju() -> Command {
    let mut command = Command::new(built::built("guiju-cli", "guiju"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GUIJU_")) {
        command.env_remove(name);
    }
    command
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// From nothing to the verdict on one record: start, unpack and verify the standard, compile, check.
fn cold_starts() {
    for standard in ["bj.water/meter-reading", "bj.population/person"] {
        let versions = root().join("standards").join(standard);
        let mut examples: Vec<PathBuf> = files(&versions).into_iter().filter(|path| is_conforming(path)).collect();
        examples.sort();
        let example = examples.last().expect("every standard has a conforming example");
        let version = example.ancestors().nth(3).and_then(Path::file_name).expect("it is in the folder of a version");
        let reference = format!("{standard}@={}", version.to_string_lossy());
        let mut took: Vec<f64> = Vec::new();
        for _ in 0..21 {
            let mut command = guiju();
            command.args(["check", "--offline", "--standard", &reference]).arg(example);
            command.args(["--reference-date", "2026-11-01"]);
            let begin = Instant::now();
            let output = command.current_dir(std::env::temp_dir()).output().expect("guiju starts");
            took.push(begin.elapsed().as_secs_f64());
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
        }
        took.sort_by(f64::total_cmp);
        let (least, median) = (took[0] * 1e3, took[took.len() / 2] * 1e3);
        println!(
            "| `guiju check` of one small file against `{standard}`: median, least of 21 | {median:.0} ms, {least:.0} ms |"
        );
    }
}

fn is_conforming(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
        && path.components().any(|part| part.as_os_str() == "conforming")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// One pipe into `guiju check -`. Its peak memory is asked at a tenth of the stream and before its end.
fn stream(gib: u64) {
    let shape = &SHAPES[0];
    let block = shape.ndjson(Spelling::Stable, 8 << 20, 10);
    let blocks = (gib << 30) / block.len() as u64 + 1;
    let mut command = guiju();
    command.arg("check").arg("--schema").arg(shape.schema_path()).arg("-");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let begin = Instant::now();
    let mut child = command.spawn().expect("guiju starts");
    let mut input = child.stdin.take().expect("its input is a pipe");
    let mut early = 0;
    for number in 0..blocks {
        input.write_all(&block).expect("it reads on");
        if number == blocks / 10 {
            early = peak_kib(child.id());
        }
    }
    let late = peak_kib(child.id());
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(output.status.code(), Some(1), "one record in a hundred fails");
    let records = blocks * block.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() as u64;
    let said = String::from_utf8_lossy(&output.stdout);
    let digits: String = said.chars().filter(|letter| !matches!(letter, ',' | '\u{202f}' | '\u{a0}')).collect();
    assert!(digits.contains(&records.to_string()), "{records} records were sent:\n{said}");
    let tenth = (blocks / 10 * block.len() as u64) >> 20;
    println!("| `guiju check -`: peak memory after {tenth} MiB of {} | {:.1} MiB |", shape.name, early as f64 / 1024.0);
    println!("| after {gib} GiB, {records} records | {:.1} MiB |", late as f64 / 1024.0);
    let rate = (blocks * block.len() as u64) as f64 / 1e6 / seconds;
    println!("| that stream, two workers, wall time | {rate:.0} MB/s |");
}

/// Readings of a standard that ships, each with keys of its own: what a rule keeps of a record is read off it once more.
fn with_keys(records: usize) {
    let standard = "bj.water/meter-reading@=2.0.0";
    let example = "standards/bj.water/meter-reading/2.0.0/examples/conforming/automatic.json";
    let example = fs::read(root().join(example)).expect("it ships");
    let mut record: serde_json::Value = serde_json::from_slice(&example).expect("an example is JSON");
    let mut lines = Vec::new();
    for number in 0..records {
        record["record_id"] = format!("CB-20261031-{number:06}").into();
        record["meter_no"] = format!("W0108004{number:07}").into();
        lines.extend_from_slice(record.to_string().as_bytes());
        lines.push(b'\n');
    }
    for (kind, text) in [("ndjson", &lines), ("csv", &records::table(&lines))] {
        let file = tempfile::Builder::new().suffix(&format!(".{kind}")).tempfile().expect("there is room");
        fs::write(file.path(), text).expect("there is room");
        for jobs in [1, 2] {
            let mut command = guiju();
            command.args(["check", "--offline", "--standard", standard, "--jobs", &jobs.to_string()]).arg(file.path());
            let begin = Instant::now();
            let output = command.current_dir(std::env::temp_dir()).output().expect("guiju starts");
            let seconds = begin.elapsed().as_secs_f64();
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
            let (rate, bytes) = (records as f64 / 1e3 / seconds, text.len() as f64 / 1e6 / seconds);
            println!(
                "| `guiju check` of {records} readings, {kind}, against `bj.water/meter-reading` with its keys and rules between \
                 records, workers {jobs}, wall time | {rate:.0} thousand records/s, {bytes:.0} MB/s |"
            );
        }
    }
}

/// The conforming examples of each standard, over and over.
fn shipped_records(name: &str) {
    const BYTES: usize = 4 << 20;
    println!("\n### Checking records of the standards that ship\n");
    println!(
        "The conforming examples of each, one a line, 4 MB of them in memory, one worker; with all rules of the standard between \
         the fields of a record, and then with what its rules between records keep, too. Median of 7, by turns with `serde_json`, \
         which reads the same lines into trees and checks nothing.\n"
    );
    println!(
        "| standard | bytes of a record | thousand records/s | MB/s | times `serde_json` | with rules between records, MB/s | \
         times `serde_json` |"
    );
    println!("|---|{}", "---:|".repeat(6));
    let folder = Folder::read(&root().join("standards")).expect("the standards");
    for (package, bundle) in folder.versions() {
        let is_meant = package.standard.to_string().contains(name);
        if !is_meant || !matches!(package.kind, Kind::Record | Kind::Profile) {
            continue;
        }
        let examples = package.files.iter().filter(|(name, _)| name.starts_with("examples/conforming/"));
        let lines = examples.filter(|(name, _)| name.ends_with(".json")).map(|(_, bytes)| {
            let record: serde_json::Value = serde_json::from_slice(bytes).expect("an example is JSON");
            format!("{record}\n")
        });
        let lines = lines.collect::<Vec<_>>();
        if lines.is_empty() {
            continue;
        }
        let (count, text) = (lines.len(), lines.concat());
        let times = BYTES.div_ceil(text.len());
        let (count, text) = (count * times, text.repeat(times));
        let validator = Validator::compile(bundle, &CompileOptions::default()).expect("what ships compiles");
        let checked = |shares| {
            let format = Some(Format::Ndjson);
            let options = ReadOptions { format, jobs: 1, shares, counts_clean: true, ..ReadOptions::default() };
            let begin = Instant::now();
            let totals = check_bytes(text.as_bytes(), &validator, &options, |told| {
                black_box(told);
                ControlFlow::Continue(())
            });
            let seconds = begin.elapsed().as_secs_f64();
            assert_eq!(totals.expect("it can be read").conforming, count as u64, "{}", package.standard);
            seconds
        };
        let parsed = || {
            let begin = Instant::now();
            for line in text.lines() {
                black_box(serde_json::from_str::<serde_json::Value>(line)).expect("it is JSON");
            }
            begin.elapsed().as_secs_f64()
        };
        let mut taken = [const { Vec::new() }; 3];
        for _ in 0..7 {
            for (taken, seconds) in taken.iter_mut().zip([checked(None), checked(Some(Scope::Own)), parsed()]) {
                taken.push(seconds);
            }
        }
        let [alone, between, tree] = taken.map(|mut seconds| {
            seconds.sort_by(f64::total_cmp);
            seconds[seconds.len() / 2]
        });
        let mb = |seconds: f64| text.len() as f64 / 1e6 / seconds;
        println!(
            "| `{}` {} | {} | {:.0} | {:.0} | {:.1} | {:.0} | {:.1} |",
            package.standard,
            package.version,
            text.len() / count,
            count as f64 / 1e3 / alone,
            mb(alone),
            tree / alone,
            mb(between),
            tree / between
        );
    }
}

fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells the peak");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}
