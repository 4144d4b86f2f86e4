//! Membership in code lists: `tests/cases/membership/*.txt`.
//!
//! The first lines of a case are `list: <codes.csv beside it>` and `declares: <x-guiju.codeList>`, and `format: <the field's>` where
//! that matters; then
//! `value | day or - | expected`, where expected is `ok` or `severity code; English suggestion`.

use guiju_model::CodeList;
use guiju_validator::{
    formats::second_form,
    membership::{Codes, Membership},
};
use std::{fs, path::PathBuf, sync::Arc};

#[test]
fn cases() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases/membership");
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let head = |word: &str| {
            text.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_else(|| panic!("{name}: {word}"))
        };
        let list = CodeList::parse(&fs::read(folder.join(head("list: "))).unwrap()).unwrap();
        let form = text.lines().find_map(|line| line.strip_prefix("format: ")).and_then(second_form);
        let codes = Codes::new(Arc::new(list), form);
        let declared = serde_json::from_str(head("declares: ")).unwrap();
        let membership = Membership::compile(&declared, "").unwrap();
        for (number, line) in text.lines().enumerate() {
            let [value, day, expected] = line.splitn(3, " | ").collect::<Vec<_>>()[..] else { continue };
            let day = (day != "-").then(|| day.parse().unwrap());
            let found = match membership.check(&codes, value, day) {
                None => "ok".into(),
                Some(fault) => {
                    let suggestion = fault.suggestion.map(|text| format!("; {}", text.en)).unwrap_or_default();
                    format!("{} {}{suggestion}", fault.severity, fault.code)
                }
            };
            count += 1;
            if found != expected {
                wrong.push(format!("{name}:{}: {line}\n  found {found}", number + 1));
            }
        }
    }
    assert!(count > 30 && wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn declarations_are_refused_with_place_and_remedy() {
    let faults = |text: &str| -> Vec<String> {
        let declared = serde_json::from_str(text).unwrap();
        let faults = Membership::compile(&declared, "/properties/sex/x-guiju/codeList").unwrap_err();
        faults.into_iter().map(|fault| format!("{}: {}", &fault.pointer[32..], fault.message)).collect()
    };
    assert_eq!(
        faults(r#"{"binding": "must", "levl": "leaf", "asOf": "data_time"}"#),
        [
            "/levl: `levl` is not known here; did you mean `level`?",
            ": a code list needs `ref`, for example \"cn.gb/gbt-2260@2026\"",
            "/binding: `must` is not a binding; use one of required, extensible, preferred",
            "/asOf: `data_time` is not a JSON Pointer; write `/data_time`",
        ]
    );
}

#[test]
fn a_record_gives_the_day_on_which_its_codes_must_hold() {
    let declared = serde_json::json!({"ref": "cn.gb/gbt-2260", "asOf": "/data_time"});
    let membership = Membership::compile(&declared, "").unwrap();
    let day = |record: serde_json::Value| membership.day(&record, "2026-11-01".parse().ok()).map(|day| day.to_string());
    assert_eq!(day(serde_json::json!({"data_time": "2020-05-01T23:30:00+08:00"})).as_deref(), Some("2020-05-01"));
    assert_eq!(day(serde_json::json!({"data_time": "2020-05-01"})).as_deref(), Some("2020-05-01"));
    assert_eq!(day(serde_json::json!({})).as_deref(), Some("2026-11-01"));
}
