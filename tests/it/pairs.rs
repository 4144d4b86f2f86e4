//! Pairs of schemas whose compatibility is known, and what is said of them held against records made of both.
//!
//! The traps are ours and always run: pairs on which lists of syntactic rules go wrong. `GUIJU_PAIRS` names a folder with more
//! files of that form; of those it is told how many were decided, and only what is provably wrong fails.

use crate::{attack, support::root};
use guiju_compat::{Budget, Inclusion, Side, compare};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path, time::Instant};

/// Records that attack each inclusion.
const ATTACKS: usize = 120;

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

#[derive(Default)]
struct Told {
    directions: usize,
    undecided: Vec<String>,
    /// Labels that a verified witness or a proof refutes.
    otherwise: Vec<String>,
    wrong: Vec<String>,
    millis: Vec<f64>,
}

fn side(schema: &Value, dialect: &str, formats: bool) -> Option<Side> {
    let mut schema = schema.clone();
    if let Value::Object(members) = &mut schema
        && !members.contains_key("$schema")
    {
        members.insert("$schema".into(), dialect.into());
    }
    Side::of_schema("schema", schema.to_string().as_bytes(), BTreeMap::new(), formats).ok()
}

fn judge(file: &Path) -> Told {
    let mut told = Told::default();
    for line in fs::read_to_string(file).unwrap().lines() {
        let pair: Pair = serde_json::from_str(line).unwrap();
        // Pairs about formats take them for more than a remark.
        let formats = pair.id.contains("/format/");
        let read = |schema: &Value| side(schema, &pair.dialect, formats).or_else(|| side(schema, &pair.dialect, false));
        let (Some(old), Some(new)) = (read(&pair.old), read(&pair.new)) else {
            told.directions += 2;
            told.undecided.extend([format!("{}: not compiled", pair.id), format!("{}: not compiled", pair.id)]);
            continue;
        };
        let started = Instant::now();
        let verdict = compare(&old, &new, &Budget { changes_max: 0, ..Budget::default() });
        told.millis.push(started.elapsed().as_secs_f64() * 1e3);
        let records = attack::records([&pair.old, &pair.new], ATTACKS);
        for (inclusion, expected, from, to, way) in [
            (&verdict.old_in_new, pair.expected_backward, &old, &new, "backward"),
            (&verdict.new_in_old, pair.expected_forward, &new, &old, "forward"),
        ] {
            let name = format!("{} {way}", pair.id);
            // A label is not the truth: of a single value the validator knows better.
            let is_refuted = pair.old.get("const").is_some_and(|value| new.accepts(value, None));
            let is_true = pair.label_kind == "semantic" && !is_refuted;
            told.directions += 1;
            match inclusion {
                Inclusion::Included(_) => {
                    let escaped = records.iter().find(|record| from.accepts(record, None) && !to.accepts(record, None));
                    told.wrong.extend(escaped.map(|record| format!("{name}: {record} escapes")));
                    match (expected, is_true) {
                        (Some(false), true) => told.wrong.push(format!("{name}: said to be included")),
                        (Some(false), false) => told.otherwise.push(format!("{name}: included")),
                        _ => {}
                    }
                }
                Inclusion::NotIncluded(witness) => {
                    let record = &witness.record;
                    if !from.accepts(record, witness.day) || to.accepts(record, witness.day) {
                        told.wrong.push(format!("{name}: {record} shows nothing"));
                    }
                    if expected == Some(true) {
                        told.otherwise.push(format!("{name}: {record}"));
                    }
                }
                Inclusion::Undecided(why) => told.undecided.push(format!("{name}: {why}")),
            }
        }
    }
    told
}

/// Schemas against what one random change makes of them: what is said is held against records made of both.
fn mutants(file: &Path, turns: u64) -> (usize, usize, Vec<String>) {
    let (mut directions, mut undecided, mut wrong) = (0, 0, Vec::new());
    for line in fs::read_to_string(file).unwrap().lines() {
        let pair: Pair = serde_json::from_str(line).unwrap();
        for turn in 0..turns {
            let base = if turn % 2 == 0 { &pair.old } else { &pair.new };
            let mutant = attack::mutated(base, turn);
            let read = |schema: &Value| side(schema, &pair.dialect, false);
            let (Some(old), Some(new)) = (read(base), read(&mutant)) else { continue };
            let verdict = compare(&old, &new, &Budget { changes_max: 0, ..Budget::default() });
            let records = attack::records([base, &mutant], ATTACKS);
            for (inclusion, from, to) in [(&verdict.old_in_new, &old, &new), (&verdict.new_in_old, &new, &old)] {
                directions += 1;
                match inclusion {
                    Inclusion::Undecided(_) => undecided += 1,
                    Inclusion::Included(_) => {
                        let escaped =
                            records.iter().find(|record| from.accepts(record, None) && !to.accepts(record, None));
                        wrong.extend(escaped.map(|record| format!("{}: {base} and {mutant}: {record}", pair.id)));
                    }
                    Inclusion::NotIncluded(witness) => {
                        let record = &witness.record;
                        if !from.accepts(record, None) || to.accepts(record, None) {
                            wrong.push(format!("{}: {base} and {mutant}: {record} shows nothing", pair.id));
                        }
                    }
                }
            }
        }
    }
    (directions, undecided, wrong)
}

#[test]
fn nothing_escapes_a_proof_about_a_schema_with_one_change() {
    let (directions, undecided, wrong) = mutants(&root().join("tests/cases/pairs/traps.jsonl"), 8);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(directions > 500 && undecided * 50 < directions, "{undecided} of {directions}");
    let Some(folder) = std::env::var_os("GUIJU_PAIRS") else { return };
    let turns = std::env::var("GUIJU_PAIRS_TURNS").ok().and_then(|turns| turns.parse().ok()).unwrap_or(2);
    for entry in
        fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().extension() == Some("jsonl".as_ref()))
    {
        let (directions, undecided, wrong) = mutants(&entry.path(), turns);
        eprintln!(
            "{}: {directions} directions of mutants, {undecided} undecided, {} wrong",
            entry.file_name().display(),
            wrong.len()
        );
        wrong.iter().for_each(|line| eprintln!("  wrong {line}"));
        assert_eq!(wrong.len(), 0);
    }
}

#[test]
fn pairs_are_decided_as_they_are_known_to_be() {
    let traps = judge(&root().join("tests/cases/pairs/traps.jsonl"));
    assert!(traps.directions > 50, "{}", traps.directions);
    assert_eq!((&traps.wrong, &traps.otherwise, &traps.undecided), (&vec![], &vec![], &vec![]));
    let Some(folder) = std::env::var_os("GUIJU_PAIRS") else { return };
    for entry in
        fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().extension() == Some("jsonl".as_ref()))
    {
        let Told { directions, undecided, otherwise, wrong, mut millis } = judge(&entry.path());
        millis.sort_by(f64::total_cmp);
        let at = |share: f64| millis.get((millis.len() as f64 * share) as usize).copied().unwrap_or_default();
        let (file, decided) = (entry.file_name(), directions - undecided.len());
        eprintln!(
            "{}: {decided} of {directions} directions decided, {} against their label; a pair: median {:.2} ms, p99 {:.1} ms, at most {:.1} ms",
            file.display(),
            otherwise.len(),
            at(0.5),
            at(0.99),
            at(1.0 - 1e-9)
        );
        undecided.iter().for_each(|line| eprintln!("  undecided {line}"));
        otherwise.iter().for_each(|line| eprintln!("  otherwise {}", line.chars().take(300).collect::<String>()));
        assert_eq!(wrong, Vec::<String>::new());
    }
}
