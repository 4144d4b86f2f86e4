//! Cross-field rules: `tests/cases/rules/*.json`.
//!
//! A case holds `rules` and either `faults`, what is wrong with them (`pointer: message`), or `records`, each with the
//! rules it `breaks` (`id at`). `says` is the English and Chinese message of the first breach.

use guiju_validator::dataset::{DataSet, DataSetRules};
use guiju_validator::membership::Membership;
use guiju_validator::rules::{Fault, Rules};
use proptest::prelude::*;
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

/// JSON of the vocabulary's words in any arrangement.
fn near_json() -> impl Strategy<Value = Value> {
    let words = [
        "/a",
        "/a/0",
        "a",
        "",
        "/*/b",
        "eq",
        "le",
        "in",
        "prefix",
        "sameParity",
        "present",
        "oneOf",
        "date",
        "integer",
        "error",
        "id-1",
        "monotone",
        "sum",
        "acyclic",
        "outlier",
        "interval-overlap",
        "a.b/c",
        "2026-11-01",
        "2026-11-01T00:00:00Z",
        "12.5",
        "\u{1F600}",
    ];
    let names = [
        "id",
        "if",
        "then",
        "op",
        "left",
        "right",
        "field",
        "part",
        "as",
        "value",
        "values",
        "sum",
        "length",
        "difference",
        "fields",
        "tolerance",
        "ratio",
        "absolute",
        "severity",
        "messageEn",
        "keys",
        "references",
        "dataset",
        "kind",
        "by",
        "from",
        "to",
        "toFields",
        "order",
        "reset",
        "total",
        "parts",
        "key",
        "parent",
        "medianTimes",
        "where",
        "ref",
        "binding",
        "level",
        "asOf",
        "a",
    ];
    let leaf = prop_oneof![
        3 => prop::sample::select(words.to_vec()).prop_map(|word| json!(word)),
        1 => any::<i64>().prop_map(|number| json!(number)),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => any::<bool>().prop_map(|is| json!(is)),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(prop::sample::select(names.to_vec()), inner, 0..6)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_declaration_is_read_or_refused(declared in near_json(), record in near_json()) {
        if let Ok(rules) = Rules::compile(&declared, "") {
            rules.check(&record);
        }
        if let Ok(membership) = Membership::compile(&declared, "") {
            membership.day(&record, None);
        }
        if let Ok(rules) = DataSetRules::compile(&declared, "") {
            let mut set = DataSet::new(&rules, None);
            set.record(1, &record);
            set.record(2, &declared);
            set.finish();
        }
    }

    /// A rule whose parts are each well formed, over records that may hold anything.
    #[test]
    fn any_record_is_judged(
        op in prop::sample::select(vec!["eq", "ne", "lt", "le", "gt", "ge", "prefix", "sameParity"]),
        reading in prop::sample::select(vec!["text", "integer", "decimal", "date", "datetime"]),
        part in prop::option::of((0usize..20, 1usize..20)),
        left in near_json(), right in near_json(),
    ) {
        let mut field = json!({"field": "/l", "as": reading});
        if let Some((from, length)) = part {
            field["part"] = json!([from, from + length]);
        }
        let rules = json!([{"id": "a", "then": [{"op": op, "left": field, "right": {"field": "/r"}}]}]);
        Rules::compile(&rules, "").unwrap().check(&json!({"l": left, "r": right}));
    }
}
