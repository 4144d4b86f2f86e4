//! Rules over data sets: `tests/cases/dataset/*.json`.
//!
//! A case holds `declares`, as at the root's `x-guiju`, and either `faults` (`pointer: message`), or `records` (and
//! `targets`, by standard) with what is `found`: `record code path` in the order in which it is said.

use guiju_model::StandardId;
use guiju_validator::dataset::{DataSet, DataSetFinding, DataSetRules, Scope, Shares};
use guiju_validator::{CompileOptions, Validator};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

#[test]
fn cases() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases/dataset");
    let mut wrong = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let cases: Vec<Value> =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        for case in cases {
            let (expected, found) = match DataSetRules::compile(&case["declares"], "") {
                Ok(rules) => {
                    let found: Vec<String> = judged(&rules, &case, false).iter().map(told).collect();
                    let targets_first: Vec<String> = judged(&rules, &case, true).iter().map(told).collect();
                    assert_eq!(
                        found, targets_first,
                        "{name}: {}: other data sets may come first or last",
                        case["case"]
                    );
                    (&case["found"], found)
                }
                Err(faults) => {
                    let told = |fault: &guiju_validator::rules::Fault| format!("{}: {}", fault.pointer, fault.message);
                    (&case["faults"], faults.iter().map(told).collect::<Vec<_>>())
                }
            };
            if *expected != json!(found) {
                wrong.push(format!("{name}: {}\n  expected {expected}\n  found    {}", case["case"], json!(found)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn judged(rules: &DataSetRules, case: &Value, targets_first: bool) -> Vec<DataSetFinding> {
    let mut set = DataSet::new(rules, Some("bj.test/own".parse().unwrap()));
    let targets = |set: &mut DataSet<'_>| {
        for (standard, records) in case["targets"].as_object().into_iter().flatten() {
            let standard: StandardId = standard.parse().unwrap();
            set.has_target(&standard);
            records.as_array().unwrap().iter().for_each(|record| set.target(&standard, record));
        }
    };
    let mut findings = Vec::new();
    if targets_first {
        targets(&mut set);
    }
    for (record, number) in case["records"].as_array().unwrap().iter().zip(1..) {
        findings.extend(set.record(number, record));
    }
    if !targets_first {
        targets(&mut set);
    }
    findings.extend(set.finish());
    findings
}

fn told(found: &DataSetFinding) -> String {
    let finding = &found.finding;
    assert!(!finding.message.en.contains('{') && !finding.message.zh.contains('{'), "{}", finding.message.en);
    assert!(!finding.message.zh.is_empty() && finding.rule.starts_with("/x-guiju/"));
    let severity = if finding.severity.as_str() == "error" { "" } else { " warning" };
    format!("{} {} {}{severity}", found.record, finding.code, finding.path)
}

proptest! {
    /// The sweep says of each period whether it meets an earlier one, as comparing all pairs does.
    #[test]
    fn overlaps_are_those_of_all_pairs(periods in prop::collection::vec((0u8..3, 1u8..28, 0u8..10), 0..40)) {
        let declared = json!({"dataset": [{"id": "a", "kind": "interval-overlap", "by": ["/who"], "from": "/from", "to": "/to"}]});
        let rules = DataSetRules::compile(&declared, "").unwrap();
        let mut set = DataSet::new(&rules, None);
        let day = |day: u8| format!("2026-{:02}-{:02}", 1 + day / 28, 1 + day % 28);
        for ((who, from, length), number) in periods.iter().zip(0..) {
            let record = json!({"who": who, "from": day(*from), "to": day(from + length)});
            set.record(number, &record);
        }
        let mut order: Vec<usize> = (0..periods.len()).collect();
        order.sort_by_key(|&place| (periods[place].1, place));
        let meets = |place: usize, earlier: usize| {
            let ((who, from, _), (other, begin, length)) = (periods[place], periods[earlier]);
            who == other && from < begin + length
        };
        let mut expected: Vec<u64> = order.iter().enumerate()
            .filter(|(rank, place)| order[..*rank].iter().any(|earlier| meets(**place, *earlier)))
            .map(|(_, place)| *place as u64).collect();
        expected.sort_unstable();
        let found: Vec<u64> = set.finish().iter().map(|finding| finding.record).collect();
        prop_assert_eq!(found, expected);
    }
}

/// What a standard declares is read with it, and its faults come with the others.
#[test]
fn a_validator_knows_the_rules_of_its_data_set() {
    let schema = json!({
        "type": "object",
        "properties": {"id": {"type": "string", "format": "cn-resident-id"}},
        "x-guiju": {"vocabulary": "1", "keys": [{"id": "id", "fields": ["/id"]}]}
    });
    let compile = |schema: &Value| Validator::compile_schema(schema.to_string().as_bytes(), &CompileOptions::default());
    let validator = compile(&schema).unwrap();
    let mut set = validator.data_set();
    let mut shares = Shares::default();
    let mut take = |number, record: &[u8]| {
        validator.share_of_bytes(record, Scope::All, &mut shares);
        set.take(number, shares.last())
    };
    assert!(!validator.data_set_rules().is_empty() && take(1, br#"{"id": "a"}"#).is_empty());
    assert!(take(2, b"{not json").is_empty());
    let found = take(3, br#"{"id": "a"}"#);
    assert_eq!(found[0].finding.message.en, "the key `id` was given before, in record 1");
    assert!(found[0].finding.rule.ends_with("#/x-guiju/keys/0"), "{}", found[0].finding.rule);

    let mut wrong = schema.clone();
    wrong["x-guiju"]["keys"][0]["fields"][0] = json!("id");
    wrong["properties"]["id"]["format"] = json!("cn-residentid");
    let Err(error) = compile(&wrong) else { panic!("two faults are not seen") };
    let told = error.to_string();
    assert!(told.contains("/x-guiju/keys/0/fields/0") && told.contains("write `/id`"), "{told}");
    assert!(told.contains("/properties/id/format") && told.contains("did you mean `cn-resident-id`?"), "{told}");
    wrong["x-guiju"] = json!({});
    assert!(compile(&wrong).is_ok());
}
