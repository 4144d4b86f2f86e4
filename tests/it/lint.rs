//! What lint tells an author: `tests/cases/lint/*.json`.

use crate::support::{expect_file, root};
use guiju_model::{Bundle, Catalog, Content, Digest, Kind, Metadata, Package, StandardId};
use guiju_validator::{lint, lint_rules};
use semver::Version;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

const METADATA: &str = r#"
kind = "record"
domain = "common"
title_zh = "例"
title_en = "An example"
abstract = "例"
abstract_en = "An example."
owner = "o"
steward = "s"
registration_authority = "r"
share_class = "2"
share_condition = "on request"
open = false
security_level = "S2"
update_cycle = "D"
basis = ["GB/T 1-2020"]
"#;
const HEADER: &str = "code,name_zh,name_en,parent,valid_from,valid_to,alias,note\n";

/// One code list and one dictionary that the cases may refer to.
struct Shelf(Vec<Content>);

impl Catalog for Shelf {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let of = |content: &&Content| content.manifest.standard == *standard;
        self.0.iter().filter(of).map(|content| (content.manifest.version.clone(), content.digest())).collect()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.0.iter().find(|content| content.digest() == *digest).cloned()
    }

    fn near(&self, _: &StandardId) -> Vec<StandardId> {
        Vec::new()
    }
}

fn shelf() -> Shelf {
    let types = json!({"$defs": {
        "Name": {"title": "name", "description": "d", "type": "string", "maxLength": 50, "x-guiju": {"titleZh": "姓名", "securityLevel": "S3"}},
        "Money": {"type": "object", "properties": {"amount": {}, "currency": {}}},
    }});
    let sealed = |standard: &str, kind: Kind, file: &str, bytes: Vec<u8>| {
        let files = [(file.to_owned(), bytes)].into();
        let package = Package { standard: standard.parse().unwrap(), version: Version::new(1, 0, 0), kind, files };
        package.seal(Vec::new()).unwrap()
    };
    Shelf(vec![
        sealed("a.b/types", Kind::Elements, "schema.json", types.to_string().into_bytes()),
        sealed("a.b/list", Kind::CodeList, "codes.csv", format!("{HEADER}1,一,,,,,,\n").into_bytes()),
    ])
}

fn metadata(case: &Value, kind: Kind) -> Metadata {
    let mut table: toml::Table = METADATA.parse().unwrap();
    table.insert("kind".into(), kind.as_str().into());
    for (name, value) in case.get("metadata").and_then(Value::as_object).into_iter().flatten() {
        match value.is_null() {
            true => drop(table.remove(name)),
            false => drop(table.insert(name.clone(), toml::Value::try_from(value).unwrap())),
        }
    }
    Metadata::from_toml(&"a.b/c".parse().unwrap(), &table.to_string()).unwrap()
}

/// What an ordinary record has, where the case does not say otherwise (null: it does not have it).
fn schema(case: &Value, kind: Kind) -> Value {
    let mut schema = case["schema"].clone();
    let members = schema.as_object_mut().unwrap();
    members.entry("$schema").or_insert("https://json-schema.org/draft/2020-12/schema".into());
    if kind == Kind::Record {
        members.entry("type").or_insert("object".into());
        members.entry("additionalProperties").or_insert(false.into());
        members.entry("patternProperties").or_insert(json!({"^x_[a-z0-9]+_[a-z0-9_]+$": true}));
        let own = members.entry("x-guiju").or_insert(json!({}));
        own.as_object_mut().unwrap().entry("keys").or_insert(json!([]));
        own.as_object_mut().unwrap().entry("vocabulary").or_insert("1".into());
        own.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    members.retain(|_, value| !value.is_null());
    schema
}

fn package(case: &Value, kind: Kind) -> Package {
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    let document = match kind {
        Kind::Contract => ("openapi.json".to_owned(), case["contract"].to_string().into_bytes()),
        Kind::CodeList => ("codes.csv".to_owned(), [HEADER.as_bytes().to_vec(), text(&case["codes"])].concat()),
        _ => ("schema.json".to_owned(), schema(case, kind).to_string().into_bytes()),
    };
    let mut files = [document].into_iter().collect::<std::collections::BTreeMap<_, _>>();
    match case.get("files").and_then(Value::as_object) {
        Some(given) => files.extend(given.iter().map(|(name, value)| (name.clone(), text(value)))),
        None => {
            for file in ["conforming/1.json", "failing/1.json", "failing/1.findings.txt"] {
                files.insert(format!("examples/{file}"), Vec::new());
            }
        }
    }
    Package { standard: "a.b/c".parse().unwrap(), version: Version::new(1, 0, 0), kind, files }
}

fn found(case: &Value) -> Vec<String> {
    let kind: Kind = case.get("kind").and_then(Value::as_str).unwrap_or("record").parse().unwrap();
    let (package, shelf) = (package(case, kind), shelf());
    let bundle = Bundle::seal(&package, &shelf).unwrap_or_else(|error| panic!("{}: {error}", case["case"]));
    let place = |file: &str, pointer: &str| match pointer {
        "" => file.to_owned(),
        pointer => format!("{file}#{pointer}"),
    };
    let told = |lint: guiju_validator::Lint| {
        let (en, zh) = (&lint.message.en, &lint.message.zh);
        assert!(!en.contains('{') && !zh.contains('{') || en.contains("{\""), "{}: an unfilled place: {en}", lint.code);
        format!("{} {} {}", lint.severity, lint.code, place(&lint.file, &lint.pointer))
    };
    lint(&package, &metadata(case, kind), &bundle).into_iter().map(told).collect()
}

fn cases() -> Vec<Value> {
    let mut files: Vec<_> =
        fs::read_dir(root().join("tests/cases/lint")).unwrap().flatten().map(|e| e.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |path: &std::path::PathBuf| -> Vec<Value> {
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files.iter().flat_map(read).collect()
}

#[test]
fn every_case_gets_its_lints() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (expected, found) = (case["lints"].clone(), json!(found(&case)));
        if expected != found {
            wrong.push(format!("{}\n  expected {expected:#}\n  found {found:#}", case["case"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_lint_has_a_case() {
    let cases = cases();
    let lints = cases.iter().flat_map(|case| case["lints"].as_array().unwrap());
    let shown: BTreeSet<&str> = lints.filter_map(|lint| lint.as_str()?.split(' ').nth(1)).collect();
    let missing: Vec<&str> = lint_rules().iter().map(|rule| rule.code).filter(|code| !shown.contains(code)).collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
}

#[test]
fn the_page_of_lints_is_up_to_date() {
    let mut page = String::from(
        "# Lints\n\nWhat `guiju lint` tells the author of a standard. An error keeps a version from being published.\n\
         Made of `sdk/validator/src/lint/rules.rs`; `UPDATE_EXPECT=1 cargo test -p guiju-tests lint` writes it.\n\n\
         | code | severity | what and what to do | 说明 |\n|---|---|---|---|\n",
    );
    for rule in lint_rules() {
        let cell = |text: &str| text.replace('|', "\\|");
        page += &format!("| `{}` | {} | {} | {} |\n", rule.code, rule.severity, cell(rule.en), cell(rule.zh));
    }
    expect_file(&root().join("docs/reference/lints.md"), &page);
}
