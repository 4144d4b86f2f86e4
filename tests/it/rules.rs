//! Cross-field rules: `tests/cases/rules/*.json`.
//!
//! A case holds `rules` and either `faults`, what is wrong with them (`pointer: message`), or `records`, each with the
//! rules it `breaks` (`id at`). `says` is the English and Chinese message of the first breach.

use guiju_validator::rules::{Fault, Rules};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

#[test]
fn cases() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases/rules");
    let mut wrong = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let cases: Vec<Value> =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        for case in cases {
            let title = format!("{name}: {}", case["case"].as_str().unwrap());
            match Rules::compile(&case["rules"], "/x-guiju/rules") {
                Ok(rules) => judge(&rules, &case, &title, &mut wrong),
                Err(faults) => same(&title, &case["faults"], faults.iter().map(told).collect(), &mut wrong),
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn told(fault: &Fault) -> Value {
    json!(format!("{}: {}", fault.pointer.trim_start_matches("/x-guiju/rules"), fault.message))
}

fn judge(rules: &Rules, case: &Value, title: &str, wrong: &mut Vec<String>) {
    let Some(records) = case["records"].as_array() else {
        return wrong.push(format!("{title}: the rules have no fault"));
    };
    for record in records {
        let breaches = rules.check(&record["record"]);
        let found = breaches.iter().map(|breach| json!(format!("{} {}", breach.id, breach.at))).collect();
        let place = format!("{title}: {}", record["record"]);
        same(&place, &record["breaks"], found, wrong);
        if let Some(says) = record.get("says") {
            let message = &breaches[0].message;
            same(&place, says, vec![json!(message.en), json!(message.zh)], wrong);
        }
    }
}

fn same(place: &str, expected: &Value, found: Vec<Value>, wrong: &mut Vec<String>) {
    let expected = expected.as_array().cloned().unwrap_or_default();
    if expected != found {
        wrong.push(format!("{place}\n  expected {}\n  found    {}", json!(expected), json!(found)));
    }
}
