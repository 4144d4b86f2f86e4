//! What the shipped standards say between records: `tests/cases/between/*.json`; and that their records go into
//! tables and their numbers tell what a version breaks.
//!
//! A case names a rule as `standard rule`; each of its `records` is `like` one of the conforming examples of that standard
//! with some fields `set` (to null: left out); `targets` are data sets of other standards in the same form. `found` are all
//! findings, `record severity code rule path`.

use crate::support::root;
use guiju::{
    Folder, Validator,
    readers::{Format, ReadOptions, Told, check},
};
use guiju_compat::{Budget, Bump, Side, compare};
use guiju_model::Severity;
use guiju_validator::dataset::{DataSet, DataSetFinding, Scope, Shares};
use guiju_validator::{CompileOptions, Field};
use semver::Version;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, ops::ControlFlow, sync::LazyLock};

#[test]
fn cases() {
    let mut wrong = Vec::new();
    for file in fs::read_dir(root().join("tests/cases/between")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read(&path).unwrap();
        let cases: Vec<Value> = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for case in &cases {
            let found = json!(judged(case));
            if case["found"] != found {
                wrong.push(format!("{name}: {}\n  expected {}\n  found    {found}", case["rule"], case["found"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whoever declares a rule shows what it finds.
#[test]
fn every_rule_between_records_has_a_case() {
    let cases = fs::read_dir(root().join("tests/cases/between")).unwrap();
    let told: String = cases.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let missing: Vec<String> = SHELF
        .values()
        .flat_map(|shelf| shelf.validator.data_set_rules().ids().map(|id| format!("{} {id}", shelf.name)))
        .filter(|rule| !told.contains(&format!("\"rule\": \"{rule}\"")))
        .collect();
    assert!(missing.is_empty(), "no case shows these: {missing:#?}");
}

fn judged(case: &Value) -> Vec<String> {
    let (name, _) = case["rule"].as_str().unwrap().split_once(' ').unwrap();
    let rules = SHELF[name].validator.data_set_rules();
    let mut set = DataSet::new(rules, Some(name.parse().unwrap()));
    let mut findings = Vec::new();
    for (like, number) in case["records"].as_array().unwrap().iter().zip(1..) {
        findings.extend(set.record(number, &record(name, like)));
    }
    for (target, records) in case["targets"].as_object().into_iter().flatten() {
        let standard = target.parse().unwrap();
        set.has_target(&standard);
        records.as_array().unwrap().iter().for_each(|like| set.target(&standard, &record(target, like)));
    }
    findings.extend(set.finish());
    findings.iter().map(|found| told(found, &SHELF[name].schema)).collect()
}

fn record(standard: &str, like: &Value) -> Value {
    let example = like["like"].as_str().unwrap();
    let mut record = SHELF[standard].examples[example].clone();
    for (field, value) in like["set"].as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(record.as_object_mut().unwrap().remove(field)),
            value => record[field] = value.clone(),
        }
    }
    record
}

fn told(found: &DataSetFinding, schema: &Value) -> String {
    let finding = &found.finding;
    let (_, pointer) = finding.rule.split_once("/x-guiju/").unwrap();
    let id = schema.pointer(&format!("/x-guiju/{pointer}/id")).unwrap().as_str().unwrap();
    format!("{} {} {} {id} {}", found.record, finding.severity.as_str(), finding.code, finding.path)
}

struct Shelf {
    name: String,
    schema: Value,
    validator: Validator,
    examples: BTreeMap<String, Value>,
}

/// The newest version of each record standard.
static SHELF: LazyLock<BTreeMap<String, Shelf>> = LazyLock::new(|| {
    let folder = Folder::read(&root().join("standards")).unwrap();
    let mut shelf = BTreeMap::new();
    let mut versions: Vec<_> =
        folder.versions().filter(|(package, _)| package.files.contains_key("schema.json")).collect();
    versions.sort_by_key(|(package, _)| package.version.clone());
    let newest: BTreeMap<_, _> =
        versions.into_iter().map(|(package, bundle)| (&package.standard, (package, bundle))).collect();
    for (package, bundle) in newest.into_values() {
        let examples = package.files.iter().filter_map(|(name, bytes)| {
            let name = name.strip_prefix("examples/conforming/")?.strip_suffix(".json")?;
            Some((name.to_owned(), serde_json::from_slice(bytes).unwrap()))
        });
        let validator = Validator::compile(bundle, &CompileOptions::default()).unwrap();
        let schema = serde_json::from_slice(&package.files["schema.json"]).unwrap();
        let name = package.standard.to_string();
        shelf.insert(name.clone(), Shelf { name, schema, validator, examples: examples.collect() });
    }
    shelf
});

/// The way most agencies send: a table, its columns named in Chinese.
#[test]
fn every_record_can_be_sent_as_a_table() {
    let mut wrong = Vec::new();
    let mut sent = 0;
    for shelf in SHELF.values().filter(|shelf| shelf.name != "bj.common/types") {
        for (name, example) in &shelf.examples {
            let Some(columns) = columns(shelf.validator.fields(), example) else { continue };
            sent += 1;
            let options =
                ReadOptions { format: Some(Format::Csv), jobs: 1, shares: Some(Scope::All), ..ReadOptions::default() };
            let table = table(&columns);
            let totals = check(&*table, &shelf.validator, &options, |told| {
                let findings = match told {
                    Told::Input(finding) => vec![finding],
                    Told::Record(checked) => {
                        let mut shares = Shares::default();
                        shelf.validator.share_of_bytes(&checked.json(), Scope::All, &mut shares);
                        assert_eq!(checked.share, shares.last(), "{} {name}", shelf.name);
                        checked.report.into_owned().findings
                    }
                    Told::Clean(_) => panic!("nobody asked for that"),
                };
                let bad = findings.iter().filter(|finding| finding.severity != Severity::Info);
                wrong.extend(bad.map(|finding| format!("{} {name}: {} {}", shelf.name, finding.code, finding.path)));
                ControlFlow::Continue(())
            });
            assert_eq!(totals.unwrap().records, 1);
        }
    }
    assert!(sent > 30 && wrong.is_empty(), "{sent} sent; {}", wrong.join("\n"));
}

fn table(columns: &[(String, String)]) -> Vec<u8> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(columns.iter().map(|(title, _)| title)).unwrap();
    table.write_record(columns.iter().map(|(_, cell)| cell)).unwrap();
    table.into_inner().unwrap()
}

/// Titles and cells; None where something in it has no place in a table.
fn columns(fields: &[Field], example: &Value) -> Option<Vec<(String, String)>> {
    let mut columns = Vec::new();
    let mut open = vec![(String::new(), example)];
    while let Some((pointer, value)) = open.pop() {
        let cell = match value {
            Value::Object(members) => {
                open.extend(members.iter().map(|(name, value)| (format!("{pointer}/{name}"), value)));
                continue;
            }
            Value::Array(items) if !items.iter().all(Value::is_string) => return None,
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(";"),
            value => text(value),
        };
        let field = fields.iter().find(|field| field.pointer == pointer)?;
        columns.push((field.title_zh.clone()?, cell));
    }
    Some(columns)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A number says what a version does to those who hold the one before; a profile lies inside what it narrows.
#[test]
fn every_version_raises_its_number_enough() {
    let folder = Folder::read(&root().join("standards")).unwrap();
    let side = |bundle| Side::new(bundle, true).unwrap();
    let mut newest: BTreeMap<_, (Version, _)> = BTreeMap::new();
    let mut versions: Vec<_> = folder.versions().collect();
    versions.sort_by_key(|(package, _)| package.version.clone());
    let mut compared = 0;
    for (package, bundle) in versions {
        let standard = package.standard.to_string();
        if let Some((before, old)) = newest.insert(standard.clone(), (package.version.clone(), bundle)) {
            let verdict = compare(&side(old), &side(bundle), &Budget::default());
            // Rules between records are shown by no single record, so they ask for a major version.
            let is_between = verdict.undecided().is_some_and(|why| why.contains("a rule between records"));
            assert!(verdict.bump.is_some() || is_between, "{standard}: {:?}", verdict.old_in_new);
            let bump = verdict.bump.unwrap_or(Bump::Major);
            assert!(
                Bump::declared(&before, &package.version) >= bump,
                "{standard} {before} to {}: {bump}",
                package.version
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 15);
    let (profile, base) = (&newest["bj.haidian/person"].1, &newest["bj.population/person"].1);
    assert!(compare(&side(profile), &side(base), &Budget::default()).old_in_new.is_included());
}
