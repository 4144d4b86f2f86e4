//! How often are two schemas compared rightly, and how fast, next to others in the same run?
//!
//! `bash tests/benches/run compat` installs the others, runs this, and writes the tables into `docs/reference/performance.md`.
//! By itself: `cargo bench -p guiju-tests --bench compat -- [--alone]`. Under `cargo test` a few pairs are compared.
//!
//! The pairs are the traps of `tests/cases/pairs`, and the files in the folder that `GUIJU_PAIRS` names. Time is CPU time.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use guiju_compat::{Budget, Inclusion, Side, compare};
use jsonschema::{
    Draft,
    canonical::{self, CanonicalSchema, Containment},
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[derive(Deserialize)]
struct Pair {
    id: String,
    dialect: String,
    old: Value,
    new: Value,
    expected_backward: Option<bool>,
    expected_forward: Option<bool>,
    label_kind: String,
}

/// What one road says of all directions: id and way, its answer, and the CPU milliseconds of a direction.
type Answers = HashMap<(String, &'static str), (Option<bool>, f64)>;

const WAYS: [&str; 2] = ["backward", "forward"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let with_peers = is_bench && !arguments.iter().any(|argument| argument == "--alone");
    let mut files = vec![root().join("tests/cases/pairs/traps.jsonl")];
    if is_bench {
        let more = std::env::var_os("GUIJU_PAIRS").map(PathBuf::from).unwrap_or_default();
        let wanted = ["containment.jsonl", "iglu.jsonl"];
        files.extend(wanted.map(|name| more.join(name)).into_iter().filter(|path| path.is_file()));
    }
    files.iter().for_each(|file| table(file, with_peers));
}

fn table(file: &Path, with_peers: bool) {
    let text = fs::read_to_string(file).expect("the pairs can be read");
    let pairs: Vec<Pair> = text.lines().map(|line| serde_json::from_str(line).expect("a pair")).collect();
    let truth = truth(&pairs);
    println!("### {}, {} pairs\n", file.file_stem().unwrap_or_default().display(), pairs.len());
    println!("| | right | wrong | no answer | median ms | p95 ms | p99 ms |\n|---|---:|---:|---:|---:|---:|---:|");
    row("**Guiju**, from two compiled versions, proofs checked again", &ours(&pairs, false), &truth);
    row("Guiju, from two documents", &ours(&pairs, true), &truth);
    row("`covers` of the `jsonschema` crate, from two documents", &theirs(&pairs), &truth);
    if with_peers {
        let python = root().join("target/peers/python/bin/python");
        row("`jsonsubschema` (Python)", &peer(Command::new(python).arg(here().join("compat.py")), file), &truth);
        let modules = root().join("target/peers/node/node_modules");
        let mut node = Command::new("node");
        row(
            "`json-schema-diff` (Node)",
            &peer(node.arg(here().join("compat.cjs")).env("NODE_PATH", modules), file),
            &truth,
        );
    }
    println!();
}

fn row(title: &str, answers: &Answers, truth: &HashMap<(String, &'static str), bool>) {
    let (mut right, mut wrong, mut none, mut millis) = (0, 0, 0, Vec::new());
    for (direction, truth) in truth {
        match answers.get(direction) {
            Some((Some(answer), _)) if answer == truth => right += 1,
            Some((Some(_), _)) => wrong += 1,
            _ => none += 1,
        }
        millis.extend(answers.get(direction).map(|(_, millis)| *millis));
    }
    millis.sort_by(f64::total_cmp);
    let at = |share: f64| millis.get((millis.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!("| {title} | {right} | {wrong} | {none} | {:.3} | {:.2} | {:.2} |", at(0.5), at(0.95), at(0.99));
}

/// What is so: where a record shows that the one does not lie in the other, as both validators say, it does not; else what a label
/// of meaning says that was not found wrong by hand; else what was proved. Directions of which nothing is known do not count.
fn truth(pairs: &[Pair]) -> HashMap<(String, &'static str), bool> {
    let mut truth = HashMap::new();
    let settled = fs::read_to_string(root().join("tests/cases/pairs/labels.txt")).expect("the labels that are wrong");
    let is_wrong =
        |id: &str, way: &str| settled.lines().any(|line| line.contains(&format!(" {id} {way} included: the label ")));
    for pair in pairs {
        let (Some(old), Some(new)) = (side(&pair.old, pair), side(&pair.new, pair)) else { continue };
        let verdict = compare(&old, &new, &Budget { changes_max: 0, ..Budget::default() });
        let is_meant = pair.label_kind == "semantic";
        for (inclusion, label, from, to, way) in [
            (&verdict.old_in_new, pair.expected_backward, &old, &new, WAYS[0]),
            (&verdict.new_in_old, pair.expected_forward, &new, &old, WAYS[1]),
        ] {
            let known = match inclusion {
                Inclusion::NotIncluded(witness) => {
                    let shows = from.accepts(&witness.record, None) && !to.accepts(&witness.record, None);
                    assert!(shows, "{} {way}: {}", pair.id, witness.record);
                    Some(false)
                }
                Inclusion::Included(proof) => {
                    proof.replay().expect("a proof can be followed");
                    label.filter(|_| is_meant && !is_wrong(&pair.id, way)).or(Some(true))
                }
                Inclusion::Undecided(_) => label.filter(|_| is_meant),
            };
            truth.extend(known.map(|known| ((pair.id.clone(), way), known)));
        }
    }
    truth
}

fn dialect(schema: &Value, pair: &Pair) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(members) = &mut schema {
        members.entry("$schema").or_insert_with(|| pair.dialect.as_str().into());
    }
    schema
}

fn side(schema: &Value, pair: &Pair) -> Option<Side> {
    let text = dialect(schema, pair).to_string();
    // Pairs about formats take them for more than a remark.
    let formats = pair.id.contains("/format/");
    let read = |formats| Side::of_schema("schema", text.as_bytes(), BTreeMap::new(), formats).ok();
    if formats { read(true).or_else(|| read(false)) } else { read(false) }
}

fn ours(pairs: &[Pair], with_reading: bool) -> Answers {
    let mut answers = Answers::new();
    for pair in pairs {
        let mut begin = cpu_millis();
        let (Some(old), Some(new)) = (side(&pair.old, pair), side(&pair.new, pair)) else { continue };
        if !with_reading {
            begin = cpu_millis();
        }
        let verdict = compare(&old, &new, &Budget { changes_max: 0, ..Budget::default() });
        let millis = (cpu_millis() - begin) / 2.0;
        for (inclusion, way) in [&verdict.old_in_new, &verdict.new_in_old].into_iter().zip(WAYS) {
            let answer = match inclusion {
                Inclusion::Included(_) => Some(true),
                Inclusion::NotIncluded(_) => Some(false),
                Inclusion::Undecided(_) => None,
            };
            answers.insert((pair.id.clone(), way), (answer, millis));
        }
    }
    answers
}

fn theirs(pairs: &[Pair]) -> Answers {
    let mut answers = Answers::new();
    for pair in pairs {
        let begin = cpu_millis();
        let read = |schema: &Value| -> Option<CanonicalSchema> {
            let schema = dialect(schema, pair);
            let options = canonical::options().with_draft(Draft::default().detect(&schema)).offline();
            options.should_validate_formats(pair.id.contains("/format/")).canonicalize(&schema).ok()
        };
        let (old, new) = (read(&pair.old), read(&pair.new));
        let covers = |outer: &Option<CanonicalSchema>, inner: &Option<CanonicalSchema>| match outer
            .as_ref()?
            .covers(inner.as_ref()?)
            .ok()?
        {
            Containment::Yes => Some(true),
            Containment::No => Some(false),
            _ => None,
        };
        let both = [covers(&new, &old), covers(&old, &new)];
        let millis = (cpu_millis() - begin) / 2.0;
        answers.extend(both.into_iter().zip(WAYS).map(|(answer, way)| ((pair.id.clone(), way), (answer, millis))));
    }
    answers
}

fn peer(command: &mut Command, file: &Path) -> Answers {
    let output = command.arg(file).output();
    let output = output.unwrap_or_else(|error| panic!("{error}: `bash tests/benches/run` installs the peers"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut answers = Answers::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [id, way, answer, millis] = cells.as_slice() else { panic!("`{line}` is no answer") };
        let way = if *way == WAYS[0] { WAYS[0] } else { WAYS[1] };
        let answer = match *answer {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        answers.insert(((*id).to_owned(), way), (answer, millis.parse().expect("milliseconds")));
    }
    let fault = String::from_utf8_lossy(&output.stderr);
    assert!(!answers.is_empty(), "a peer says nothing: {fault}");
    answers
}

fn cpu_millis() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
