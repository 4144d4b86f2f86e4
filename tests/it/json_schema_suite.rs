//! The JSON Schema Test Suite through our own road: bytes, our parser, our compiler, a report.
//!
//! Required and optional tests of five drafts; formats with assertion on. What we mean to judge otherwise is listed with its
//! reason in `tests/data/json-schema-suite/exceptions.toml`, and an exception that is none any longer fails the test.

use guiju_validator::{CheckOptions, CompileOptions, Validator};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const DRAFTS: [(&str, &str); 5] = [
    ("draft4", "http://json-schema.org/draft-04/schema#"),
    ("draft6", "http://json-schema.org/draft-06/schema#"),
    ("draft7", "http://json-schema.org/draft-07/schema#"),
    ("draft2019-09", "https://json-schema.org/draft/2019-09/schema"),
    ("draft2020-12", "https://json-schema.org/draft/2020-12/schema"),
];

#[test]
fn passes() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let suite = here.join("../target/json-schema-test-suite");
    assert!(suite.join("tests").is_dir(), "the suite is not installed; run `bash tests/run`");
    let exceptions = exceptions(&here.join("data/json-schema-suite/exceptions.toml"));
    let remotes = remotes(&suite.join("remotes"));
    let (mut count, mut wrong, mut unused) = (0, Vec::new(), exceptions.clone());
    for (draft, dialect) in DRAFTS {
        for file in files(&suite.join("tests").join(draft)) {
            let name = file.strip_prefix(suite.join("tests")).unwrap().to_string_lossy().into_owned();
            let groups: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            for group in groups.as_array().unwrap() {
                let is_format = name.contains("/optional/format");
                count += run(&name, group, dialect, &remotes, is_format, &exceptions, &mut unused, &mut wrong);
            }
        }
    }
    assert!(count > 7_000, "only {count} tests were found");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(unused.is_empty(), "exceptions that are none: {unused:#?}");
}

#[allow(clippy::too_many_arguments)]
fn run(
    file: &str,
    group: &Value,
    dialect: &str,
    remotes: &BTreeMap<String, Value>,
    assert_formats: bool,
    exceptions: &BTreeSet<String>,
    unused: &mut BTreeSet<String>,
    wrong: &mut Vec<String>,
) -> usize {
    let text = |value: &Value| value["description"].as_str().unwrap_or_default().to_owned();
    let mut schema = group["schema"].clone();
    if let Value::Object(members) = &mut schema
        && !members.contains_key("$schema")
    {
        members.insert("$schema".into(), json!(dialect));
    }
    let options = CompileOptions { assert_formats };
    let compiled = Validator::compile_schema_with(&serde_json::to_vec(&schema).unwrap(), remotes.clone(), &options);
    let tests = group["tests"].as_array().unwrap();
    for test in tests {
        let name = format!("{file} | {} | {}", text(group), text(test));
        let expected = test["valid"].as_bool().unwrap();
        let found = match &compiled {
            Ok(validator) => {
                let (data, options) = (serde_json::to_vec(&test["data"]).unwrap(), CheckOptions::default());
                let report = validator.check(&data, &options);
                assert_eq!(report, validator.check_exactly(&data, &options), "the roads part at {name}");
                if report.conforms() { "valid".to_owned() } else { "invalid".to_owned() }
            }
            Err(error) => format!("not compiled: {error}"),
        };
        let is_right = found == if expected { "valid" } else { "invalid" };
        let is_exception = exceptions.contains(&name) || exceptions.contains(&format!("{file} | {}", text(group)));
        if is_right {
            continue;
        }
        unused.remove(&name);
        unused.remove(&format!("{file} | {}", text(group)));
        if !is_exception {
            wrong.push(format!("{name}: {found}"));
        }
    }
    tests.len()
}

fn exceptions(file: &Path) -> BTreeSet<String> {
    let table: toml::Table = fs::read_to_string(file).unwrap().parse().unwrap();
    let mut names = BTreeSet::new();
    for entry in table["exception"].as_array().unwrap() {
        assert!(entry["reason"].as_str().is_some_and(|reason| reason.len() > 20), "every exception has its reason");
        let tests = entry["tests"].as_array().unwrap().iter();
        names.extend(tests.map(|name| name.as_str().unwrap().to_owned()));
    }
    names
}

fn remotes(folder: &Path) -> BTreeMap<String, Value> {
    let uri = |file: &Path| format!("http://localhost:1234/{}", file.strip_prefix(folder).unwrap().to_string_lossy());
    let read = |file: PathBuf| Some((uri(&file), serde_json::from_slice(&fs::read(&file).ok()?).ok()?));
    files(folder).into_iter().filter_map(read).collect()
}

/// All JSON files below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found
}
