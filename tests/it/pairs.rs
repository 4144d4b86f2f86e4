//! Pairs of schemas whose compatibility is known, and what is said of them held against records made of both.
//!
//! Those of `tests/cases/pairs` are ours and always run: traps, on which lists of syntactic rules go wrong, and `chains.json`,
//! sets of which each lies in the next, put into places that keep or turn their order. Where `GUIJU_PAIRS` names a folder, its
//! files of that form are judged too: what is provably wrong fails, and so does a file of which too little is decided. A label
//! that a record or a proof refutes has been looked at by hand, and `tests/cases/pairs/labels.txt` says who is wrong: one that is
//! not there fails, and so does one that is no longer so.

use crate::{
    attack,
    support::{expect_file, root},
};
use guiju_compat::{Budget, Bump, Inclusion, Side, compare};
use guiju_model::Properties;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

/// Records that attack each inclusion; of a file with many pairs, fewer of each.
const ATTACKS: usize = 120;
const ATTACKS_OF_MANY: usize = 20;

/// Directions that must be decided, of each hundred.
const DECIDED: &[(&str, f64)] = &[("containment.jsonl", 99.0), ("traps.jsonl", 100.0), ("iglu.jsonl", 97.0)];

/// Files with more pairs, where `GUIJU_PAIRS` names a folder with some. What is named and not there fails.
pub fn more() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("GUIJU_PAIRS") else {
        eprintln!("GUIJU_PAIRS is not set: no pairs are judged but those of tests/cases/pairs");
        return Vec::new();
    };
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("GUIJU_PAIRS={}: {error}", folder.display()));
    let entries = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension() == Some("jsonl".as_ref())).collect();
    files.sort();
    let count: usize = files.iter().map(|file| fs::read_to_string(file).unwrap().lines().count()).sum();
    assert!(count > 0, "GUIJU_PAIRS={} holds no pairs: *.jsonl, a pair a line", folder.display());
    files
}

#[derive(Deserialize)]
pub struct Pair {
    pub source: String,
    pub id: String,
    pub dialect: String,
    pub old: Value,
    pub new: Value,
    expected_backward: Option<bool>,
    expected_forward: Option<bool>,
    label_kind: String,
}

#[derive(Default)]
struct Told {
    directions: usize,
    undecided: Vec<String>,
    /// Labels that a proof, and labels of meaning that a verified witness refutes: `SOURCE ID WAY ANSWER`, and the record.
    refuted: BTreeMap<String, String>,
    /// Labels of what others call compatible, and of what an author declared, that a verified witness refutes.
    otherwise: Vec<String>,
    wrong: Vec<String>,
    millis: Vec<f64>,
}

pub fn side(schema: &Value, dialect: &str, formats: bool) -> Option<Side> {
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
    let text = fs::read_to_string(file).unwrap();
    let attacks = if text.lines().count() > 200 { ATTACKS_OF_MANY } else { ATTACKS };
    for line in text.lines() {
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
        let records = attack::records([&pair.old, &pair.new], attacks);
        for (inclusion, expected, from, to, way) in [
            (&verdict.old_in_new, pair.expected_backward, &old, &new, "backward"),
            (&verdict.new_in_old, pair.expected_forward, &new, &old, "forward"),
        ] {
            let name = format!("{} {way}", pair.id);
            told.directions += 1;
            // What others call compatible is no set of records; that there is no record is said against any label.
            let mut refuted = |answer: &str, record: String| match (pair.label_kind.as_str(), answer) {
                ("semantic", _) | (_, "included") => {
                    told.refuted.insert(format!("{} {name} {answer}", pair.source), record);
                }
                _ => told.otherwise.push(format!("{name} {answer}: {record}")),
            };
            match inclusion {
                Inclusion::Included(proof) => {
                    if expected == Some(false) {
                        refuted("included", String::new());
                    }
                    told.wrong.extend(proof.replay().err().map(|why| format!("{name}: {why}")));
                    let escaped = records.iter().find(|record| from.accepts(record, None) && !to.accepts(record, None));
                    told.wrong.extend(escaped.map(|record| format!("{name}: {record} escapes")));
                }
                Inclusion::NotIncluded(witness) => {
                    let record = &witness.record;
                    if expected == Some(true) {
                        refuted("shown", record.to_string());
                    }
                    if !from.accepts(record, witness.day) || to.accepts(record, witness.day) {
                        told.wrong.push(format!("{name}: {record} shows nothing"));
                    }
                }
                Inclusion::Undecided(why) if why.is_unchecked() => told.wrong.push(format!("{name}: {why}")),
                Inclusion::Undecided(why) => told.undecided.push(format!("{name}: {why}")),
            }
        }
    }
    told
}

/// Schemas against what one random change makes of them: what is said is held against records made of both.
fn mutants(file: &Path, turns: u64, every: usize) -> (usize, usize, Vec<String>) {
    let (mut directions, mut undecided, mut wrong) = (0, 0, Vec::new());
    for line in fs::read_to_string(file).unwrap().lines().step_by(every) {
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
                    Inclusion::Undecided(why) => {
                        undecided += 1;
                        let is_refused = why.is_unchecked();
                        wrong.extend(is_refused.then(|| format!("{}: {base} and {mutant}: {why}", pair.id)));
                    }
                    Inclusion::Included(proof) => {
                        wrong
                            .extend(proof.replay().err().map(|why| format!("{}: {base} and {mutant}: {why}", pair.id)));
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
    let (directions, undecided, wrong) = mutants(&root().join("tests/cases/pairs/traps.jsonl"), 8, 1);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(directions > 500 && undecided * 50 < directions, "{undecided} of {directions}");
    // A tenth of the others always, all of them and more often where it is asked for.
    let asked = std::env::var("GUIJU_PAIRS_TURNS").ok().and_then(|turns| turns.parse().ok());
    let (turns, every) = asked.map_or((1, 10), |turns| (turns, 1));
    for file in more() {
        let (directions, undecided, wrong) = mutants(&file, turns, every);
        let name = file.file_name().unwrap_or_default().display();
        eprintln!("{name}: {directions} directions of mutants, {undecided} undecided, {} wrong", wrong.len());
        wrong.iter().for_each(|line| eprintln!("  wrong {line}"));
        assert_eq!(wrong.len(), 0);
    }
}

#[test]
fn pairs_are_decided_as_they_are_known_to_be() {
    let traps = judge(&root().join("tests/cases/pairs/traps.jsonl"));
    assert!(traps.directions > 50, "{}", traps.directions);
    assert_eq!((&traps.wrong, &traps.otherwise, &traps.undecided), (&vec![], &vec![], &vec![]));
    assert!(traps.refuted.is_empty(), "{:?}", traps.refuted);
    let written = fs::read_to_string(root().join("tests/cases/pairs/labels.txt")).unwrap();
    for path in more() {
        let Told { directions, undecided, refuted, otherwise, wrong, mut millis } = judge(&path);
        millis.sort_by(f64::total_cmp);
        let at = |share: f64| millis.get((millis.len() as f64 * share) as usize).copied().unwrap_or_default();
        let (file, decided) = (path.file_name().unwrap_or_default(), directions - undecided.len());
        eprintln!(
            "{}: {decided} of {directions} directions decided, {} against their label; a pair: median {:.2} ms, p99 {:.1} ms, at most {:.1} ms",
            file.display(),
            refuted.len() + otherwise.len(),
            at(0.5),
            at(0.99),
            at(1.0 - 1e-9)
        );
        undecided.iter().for_each(|line| eprintln!("  undecided {line}"));
        otherwise.iter().for_each(|line| eprintln!("  otherwise {}", line.chars().take(300).collect::<String>()));
        assert_eq!(wrong, Vec::<String>::new());
        let known = written
            .lines()
            .filter(|line| line.split_once(' ').is_some_and(|(source, _)| path.file_stem() == Some(source.as_ref())));
        let known: BTreeSet<&str> = known.filter_map(|line| Some(line.rsplit_once(": the label ")?.0)).collect();
        let news: Vec<_> = refuted.iter().filter(|(name, _)| !known.contains(name.as_str())).collect();
        assert!(news.is_empty(), "labels that are refuted, and not settled in labels.txt: {news:#?}");
        let gone: Vec<&&str> = known.iter().filter(|name| !refuted.contains_key(**name)).collect();
        assert!(gone.is_empty(), "settled in labels.txt, and no longer so: {gone:#?}");
        let least = DECIDED.iter().find(|(name, _)| file == *name).map_or(0.0, |(_, least)| *least);
        assert!(100.0 * decided as f64 >= least * directions as f64, "{decided} of {directions}: {undecided:#?}");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chains {
    #[serde(rename = "about")]
    _about: String,
    places: Vec<Place>,
    chains: Vec<Chain>,
}

/// A schema with `HOLE` somewhere in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    name: String,
    schema: Value,
    /// Whether more in it is less in all.
    #[serde(default)]
    turns: bool,
}

/// Sets of which each lies in the next, and the next not in it; or of which all are the same.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chain {
    name: String,
    sets: Vec<Value>,
    #[serde(default)]
    are_same: bool,
    /// Places that it is put into; none: all.
    places: Option<Vec<String>>,
}

fn filled(place: &Value, set: &Value) -> Value {
    match place {
        Value::String(text) if text == "HOLE" => set.clone(),
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), filled(member, set))).collect(),
        Value::Array(items) => items.iter().map(|item| filled(item, set)).collect(),
        other => other.clone(),
    }
}

#[test]
fn pairs_of_chains_are_decided_as_they_were_made() {
    let text = fs::read_to_string(root().join("tests/cases/pairs/chains.json")).unwrap();
    let Chains { places, chains, .. } = serde_json::from_str(&text).unwrap();
    let (mut directions, mut wrong) = (0, Vec::new());
    for chain in &chains {
        assert!(chain.sets.len() > 1, "{}: a chain of one", chain.name);
        for place in places.iter().filter(|place| chain.places.as_ref().is_none_or(|own| own.contains(&place.name))) {
            for (at, pair) in chain.sets.windows(2).enumerate() {
                let [one, other] = [0, 1].map(|index| filled(&place.schema, &pair[index]));
                let read = |schema: &Value| {
                    side(schema, "https://json-schema.org/draft/2020-12/schema", true)
                        .unwrap_or_else(|| panic!("{}: {schema} does not compile", chain.name))
                };
                let (narrow, wide) = (read(&one), read(&other));
                let name = format!("{} {at}, {}: {one} and {other}", chain.name, place.name);
                let verdict = compare(&narrow, &wide, &Budget { changes_max: 0, ..Budget::default() });
                let records = attack::records([&one, &other], ATTACKS_OF_MANY);
                for (inclusion, from, to, is_forth) in
                    [(&verdict.old_in_new, &narrow, &wide, true), (&verdict.new_in_old, &wide, &narrow, false)]
                {
                    directions += 1;
                    let expected = chain.are_same || is_forth != place.turns;
                    match inclusion {
                        Inclusion::Included(proof) if expected => {
                            wrong.extend(proof.replay().err().map(|why| format!("{name}: {why}")));
                            let escaped =
                                records.iter().find(|record| from.accepts(record, None) && !to.accepts(record, None));
                            wrong.extend(escaped.map(|record| format!("{name}: {record} escapes")));
                        }
                        Inclusion::NotIncluded(witness) if !expected => {
                            let record = &witness.record;
                            if !from.accepts(record, witness.day) || to.accepts(record, witness.day) {
                                wrong.push(format!("{name}: {record} shows nothing"));
                            }
                        }
                        other => wrong.push(format!("{name}, {is_forth}: {other:?}")),
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {directions}: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    assert!(directions > 1_000, "{directions}");
}

/// What stands before the findings of the case study.
const STUDY: &str = "\
# Case study: released versions whose declared bump is wrong

Made by `UPDATE_EXPECT=1 cargo test -p guiju-tests case_study`, where the pairs lie in the folder that `GUIJU_PAIRS` names; where they
do, the tests fail once this page is stale.

**Source.** Event schemas of [Iglu Central](https://github.com/snowplow/iglu-central), Apache-2.0: half of its consecutive versions,
as pairs of an old and a new schema of draft 4. Each version number has the form MODEL-REVISION-ADDITION. An *addition* declares that
every record of the old version is one of the new; a *model* change, that some are not.

**Reading.** Strict, formats not asserted: a version is the set of records that its validator accepts. Draft 4 as it stands: `maxLength`
says nothing of a value that is no text, and what is not declared is allowed unless it is forbidden.

**Evidence.** For a bump that is too small, a record that the old version accepts and the new refuses: both validators have said so.
For one that is larger than it must be, a proof that there is no such record, whose every step a second program has followed.
Long texts are shortened here, with their length in code points.
";

/// Which bump a pair of version numbers of the form MODEL-REVISION-ADDITION declares.
fn declared(id: &str) -> Option<(&str, &str, &str, &'static str)> {
    let (name, versions) = id.split_once(' ')?;
    let (old, new) = versions.split_once("..")?;
    let part = |version: &str, at: usize| version.split('-').nth(at).map(str::to_owned);
    let kinds = ["model", "revision", "addition"];
    let changed = (0..3).find(|at| part(old, *at) != part(new, *at))?;
    Some((name, old, new, kinds[changed]))
}

/// A record with its long texts cut.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > 40 => {
            let (start, count) = (text.chars().take(8).collect::<String>(), text.chars().count());
            format!("{start}… ({count} code points)").into()
        }
        Value::Array(items) => items.iter().map(shortened).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), shortened(value))).collect())
        }
        other => other.clone(),
    }
}

fn study(file: &Path) -> String {
    let (mut small, mut large) = (String::new(), String::new());
    let mut counts = BTreeMap::<&str, [usize; 3]>::new();
    for line in fs::read_to_string(file).unwrap().lines() {
        let pair: Pair = serde_json::from_str(line).unwrap();
        let (name, old, new, bump) = declared(&pair.id).expect("an id names two versions");
        let read = |schema: &Value| side(schema, &pair.dialect, false).expect("it compiles");
        let (before, after) = (read(&pair.old), read(&pair.new));
        let verdict = compare(&before, &after, &Budget::default());
        let kind = ["addition", "revision", "model"].into_iter().find(|kind| *kind == bump).expect("one of three");
        let count = counts.entry(kind).or_default();
        count[0] += 1;
        match (kind, &verdict.old_in_new) {
            ("addition", Inclusion::NotIncluded(witness)) => {
                count[1] += 1;
                assert!(before.accepts(&witness.record, None) && !after.accepts(&witness.record, None), "{}", pair.id);
                small += &format!("\n### `{name}` {old} to {new}\n\n");
                for change in verdict.changes.iter().filter(|change| change.bump == Some(Bump::Major)) {
                    let place = change.old_place.as_deref().or(change.new_place.as_deref()).unwrap_or_default();
                    let place = if place.is_empty() { "/" } else { place };
                    // Longer parts would repeat the schemas themselves.
                    let what = &change.message.en;
                    let what = if what.len() > 110 { what.split(": ").next().unwrap_or_default() } else { what };
                    small += &format!("- [`{}`](reference/changes/{0}.md) at `{place}`: {what}\n", change.code);
                }
                let record = serde_json::to_string_pretty(&shortened(&witness.record)).unwrap();
                small += &format!("\nConforms to {old} and not to {new}:\n\n```json\n{record}\n```\n\n");
                let closed = |schema: &Value| read(schema).read_as(Properties::ClosedWriter).expect("it compiles");
                let closed =
                    compare(&closed(&pair.old), &closed(&pair.new), &Budget { changes_max: 0, ..Budget::default() });
                let reading = match closed.old_in_new {
                    Inclusion::Included(_) => "Under the reading closed-writer nobody is broken, as a proof shows.",
                    Inclusion::NotIncluded(_) => "Under the reading closed-writer it breaks as well.",
                    Inclusion::Undecided(_) => "Under the reading closed-writer it is undecided.",
                };
                for finding in witness.refused_for.iter().take(3) {
                    let path = if finding.path.is_empty() { "/" } else { &finding.path };
                    small += &format!("Refused for `{}` at `{path}`, by `{}`.\n", finding.code, finding.rule);
                }
                small += &format!("{reading}\n");
            }
            ("model", Inclusion::Included(proof)) => {
                count[2] += 1;
                let lemmas = proof.replay().expect("a proof that can be followed");
                let forward = match &verdict.new_in_old {
                    Inclusion::Included(_) => "and the other way round: the same set",
                    Inclusion::NotIncluded(_) => "and it accepts more: an addition",
                    Inclusion::Undecided(_) => "whether it accepts more is undecided",
                };
                large += &format!(
                    "- `{name}` {old} to {new}: every record of the old is one of the new (lemmas: {lemmas}), {forward}\n"
                );
            }
            _ => {}
        }
    }
    let mut text = STUDY.to_owned();
    text += "\n| declared | pairs | too small, shown by a record | larger than it must be, by proof |\n|---|---:|---:|---:|\n";
    for (kind, [pairs, small, large]) in &counts {
        text += &format!("| {kind} | {pairs} | {small} | {large} |\n");
    }
    text += &format!("\n## Too small\n{small}\n## Larger than it must be\n\n{large}");
    text
}

#[test]
fn the_case_study_says_what_the_pairs_show() {
    let Some(file) = more().into_iter().find(|file| file.ends_with("iglu.jsonl")) else { return };
    expect_file(&root().join("docs/case-study-iglu.md"), &study(&file));
}
