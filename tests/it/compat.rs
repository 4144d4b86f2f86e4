//! Versions against versions: each case is a folder with two versions and what must be said of them.
//!
//! What is said is held against records besides: a witness is checked by both validators, and whatever is said to lie inside
//! is attacked with records made of both sides.

use crate::{
    attack, grpc,
    support::{Server, expect_file, root},
};
use guiju_compat::{Budget, Bump, Fit, Inclusion, Side, Subject, Verdict, compare, page, pages};
use guiju_model::{
    Bundle, Catalog, Content, Date, Digest, EmptyCatalog, Kind, Package, Properties, Reading, StandardId,
};
use guiju_proto::registry as wire;
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError},
};
use prost::Message;
use semver::Version;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use tonic::Code;

/// The code list `a/list`, which a record beside it refers to.
struct List(Content);

impl Catalog for List {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let Content { manifest, .. } = &self.0;
        (*standard == manifest.standard).then(|| (manifest.version.clone(), manifest.digest())).into_iter().collect()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        (self.0.digest() == *digest).then(|| self.0.clone())
    }

    fn near(&self, _: &StandardId) -> Vec<StandardId> {
        Vec::new()
    }
}

/// Where a list stands beside a record, it is what the record refers to.
fn side(folder: &Path, which: &str) -> Side {
    let (json, csv) = (folder.join(format!("{which}.json")), folder.join(format!("{which}.csv")));
    let is_record = json.is_file();
    let list = (is_record && csv.is_file()).then(|| {
        let files = [("codes.csv".to_owned(), fs::read(&csv).unwrap())].into();
        let (standard, version) = ("a/list".parse().unwrap(), if which == "old" { "1.0.0" } else { "1.1.0" });
        let package = Package { standard, version: version.parse().unwrap(), kind: Kind::CodeList, files };
        List(package.seal(Vec::new()).unwrap())
    });
    let (kind, file, path) = match is_record {
        true => (Kind::Record, "schema.json", json),
        false => (Kind::CodeList, "codes.csv", csv),
    };
    let files = [(file.to_owned(), fs::read(&path).unwrap())].into();
    let (standard, version) = ("a/case".parse().unwrap(), if which == "old" { "1.0.0" } else { "1.0.1" });
    let package = Package { standard, version: version.parse().unwrap(), kind, files };
    let catalog: &dyn Catalog = list.as_ref().map_or(&EmptyCatalog, |list| list);
    let bundle = Bundle::seal(&package, catalog).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut side = Side::new(&bundle, true).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    side.name = which.into();
    side
}

#[test]
fn every_case_is_judged_as_written() {
    let mut told = BTreeSet::new();
    for entry in fs::read_dir(root().join("tests/cases/compat")).unwrap().flatten() {
        let folder = entry.path();
        let (old, new) = (side(&folder, "old"), side(&folder, "new"));
        let verdict = compare(&old, &new, &Budget::default());
        holds_true(&verdict, &old, &new);
        told.extend(verdict.changes.iter().map(|change| change.code.clone()));
        expect_file(&folder.join("expected.txt"), &said(&verdict));
    }
    // Contracts have cases of their own.
    let pages = pages().filter(|page| page.of == Subject::Records);
    let without: Vec<&str> = pages.map(|page| page.code.as_str()).filter(|code| !told.contains(*code)).collect();
    assert!(without.is_empty(), "these codes have no case in tests/cases/compat: {without:?}");
}

fn said(verdict: &Verdict) -> String {
    let inclusion = |inclusion: &Inclusion| match inclusion {
        Inclusion::Included(_) => "yes".to_owned(),
        Inclusion::NotIncluded(witness) => format!("no: {}", witness.record),
        Inclusion::Undecided(why) => format!("undecided: {why}"),
    };
    let mut text = format!(
        "bump: {}{}\nold in new: {}\nnew in old: {}\n",
        verdict.bump.map_or("undecided", Bump::as_str),
        if verdict.forbidden { ", refused" } else { "" },
        inclusion(&verdict.old_in_new),
        inclusion(&verdict.new_in_old)
    );
    for change in &verdict.changes {
        let place = |place: &Option<String>| place.as_ref().map_or("-".to_owned(), |place| format!("#{place}"));
        text += &format!("\n{} {} {}\n", change.code, place(&change.old_place), place(&change.new_place));
        text += &format!("  {}\n  {}\n", change.message.en, change.message.zh);
        if let Some(witness) = &change.witness {
            let day = witness.day.map_or(String::new(), |day| format!(" on {day}"));
            let codes: BTreeSet<&str> = witness.refused_for.iter().map(|finding| &*finding.code).collect();
            text += &format!("  witness: {}{day}, refused for {codes:?}\n", witness.record);
        }
    }
    text
}

/// Every witness shows what it is said to show, and nothing escapes from what is said to lie inside.
pub fn holds_true(verdict: &Verdict, old: &Side, new: &Side) {
    for (inclusion, from, to) in [(&verdict.old_in_new, old, new), (&verdict.new_in_old, new, old)] {
        match inclusion {
            Inclusion::NotIncluded(witness) => {
                assert!(from.accepts(&witness.record, witness.day) && !to.accepts(&witness.record, witness.day));
            }
            Inclusion::Included(proof) => {
                proof.replay().unwrap_or_else(|why| panic!("{} in {}: {why}", from.name, to.name));
                let escaped =
                    records(verdict).into_iter().find(|record| from.accepts(record, None) && !to.accepts(record, None));
                assert_eq!(escaped, None, "{} is said to lie in {}", from.name, to.name);
            }
            Inclusion::Undecided(why) => assert!(!why.is_unchecked(), "{} in {}: {why}", from.name, to.name),
        }
    }
    for change in &verdict.changes {
        let Some(witness) = &change.witness else { continue };
        let (from, to) = if change.bump == Some(Bump::Minor) { (new, old) } else { (old, new) };
        assert!(from.accepts(&witness.record, witness.day) && !to.accepts(&witness.record, witness.day), "{change:?}");
    }
}

/// Records of all shapes, and what the witnesses hold.
fn records(verdict: &Verdict) -> Vec<Value> {
    let mut found: Vec<Value> = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(2.5),
        json!(1e9),
        json!(""),
        json!("a"),
        json!("abcdefgh"),
        json!("2026-11-23"),
        json!([]),
        json!([1]),
        json!([1, 1]),
        json!(["a", {}]),
        json!({}),
        json!({"id": 1}),
        json!({"id": "a", "note": "b"}),
    ];
    let witnesses = [&verdict.old_in_new, &verdict.new_in_old].into_iter().filter_map(|inclusion| inclusion.witness());
    found.extend(witnesses.map(|witness| witness.record.clone()));
    let plain = found.clone();
    for value in plain {
        found.push(json!([value]));
        for name in ["id", "a", "b"] {
            found.push(json!({name: value}));
        }
    }
    found
}

pub fn bare(schema: &Value, formats: bool) -> Option<Side> {
    Side::of_schema("schema", schema.to_string().as_bytes(), BTreeMap::new(), formats).ok()
}

/// What is said of the first case that comes to a code; of one that is called after it, where there is one.
fn example(code: &str) -> String {
    let folders = ["compat", "compat-openapi", "compat-protobuf"].map(|name| root().join("tests/cases").join(name));
    let cases = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()));
    let mut cases: Vec<_> = cases.filter(|path| path.is_dir()).collect();
    cases.sort_by_key(|path| (path.file_name().is_none_or(|name| name != code), path.clone()));
    let shown = cases.iter().find_map(|path| {
        let text = fs::read_to_string(path.join("expected.txt")).ok()?;
        let told = text.split("\n\n").find(|part| part.split_whitespace().next() == Some(code))?;
        let place = path.strip_prefix(root()).unwrap().display().to_string();
        let told = told.trim_end().lines().map(|line| match line.char_indices().nth(240) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line.to_owned(),
        });
        Some(format!("```text\n{}\n```\n\nFrom [{place}](../../../{place}).\n", told.collect::<Vec<_>>().join("\n")))
    });
    shown.unwrap_or_else(|| panic!("no case comes to {code}"))
}

#[test]
fn the_pages_of_changes_are_up_to_date() {
    const WRITTEN_BY: &str = "Made of `sdk/compat/codes.toml`, `protobuf.toml` and `openapi.toml` beside it; `UPDATE_EXPECT=1 cargo test -p guiju-tests changes` writes it.";
    let folder = root().join("docs/reference/changes");
    fs::create_dir_all(&folder).unwrap();
    let mut index = format!(
        "# Changes\n\nEvery change between two versions has a code that never changes its meaning. `guiju explain CODE` prints \
         these pages.\n`-narrowed` takes records away and asks for a major version, `-widened` adds some and asks for a minor \
         one. Those in capitals are the rules of [`buf breaking`](https://buf.build/docs/breaking/rules) for protobuf contracts; \
         those of the\ncategory that the standard keeps to (`WIRE_JSON`, or `category` in its `breaking.toml`), and the loss of a \
         call, ask for a major version, the others for a minor one. `proto-` is what such a contract has besides. Those of operations, parameters, requests, responses and security \
         are changes of OpenAPI contracts.\n{WRITTEN_BY}\n\n| code | |\n|---|---|\n"
    );
    for page in pages() {
        let code = &page.code;
        index += &format!("| [`{code}`]({code}.md) | {} · {} |\n", page.title_en, page.title_zh);
        let categories = match page.categories.as_slice() {
            [] => String::new(),
            categories => format!("\nCategories: {}\n", categories.join(", ")),
        };
        let text = format!(
            "# `{code}`: {}\n\n{}\n\n{}\n\n{}\n{categories}\n## Example\n\n{}\n## Instead\n\n{}\n\n{}\n",
            page.title_en,
            page.title_zh,
            page.meaning_en,
            page.meaning_zh,
            example(code),
            page.remedy_en,
            page.remedy_zh
        );
        expect_file(&folder.join(format!("{code}.md")), &text);
        for text in [&page.title_zh, &page.meaning_en, &page.meaning_zh, &page.remedy_en, &page.remedy_zh] {
            assert!(!text.trim().is_empty(), "a part of {code} is empty");
        }
    }
    expect_file(&folder.join("README.md"), &index);
    let stale = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let stale: Vec<String> =
        stale.filter(|name| name != "README.md" && page(name.trim_end_matches(".md")).is_none()).collect();
    assert!(stale.is_empty(), "no change has these pages: {stale:?}");
}

#[test]
fn numbers_of_versions_say_what_they_raise() {
    let version = |text: &str| text.parse::<Version>().unwrap();
    for (old, new, bump) in [
        ("1.2.3", "1.2.4", Bump::Patch),
        ("1.2.3", "1.3.0", Bump::Minor),
        ("1.2.3", "2.0.0", Bump::Major),
        ("0.2.3", "0.2.4", Bump::Minor),
        ("0.2.3", "0.3.0", Bump::Major),
        ("0.2.3", "1.0.0", Bump::Major),
    ] {
        assert_eq!(Bump::declared(&version(old), &version(new)), bump, "{old} to {new}");
        assert!(Bump::declared(&version(old), &bump.after(&version(old))) >= bump);
    }
    let closed = |names: &[&str]| {
        let properties: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).into(), json!({}))).collect();
        bare(&json!({"type": "object", "properties": properties, "additionalProperties": false}), true).unwrap()
    };
    let verdict = compare(&closed(&["a"]), &closed(&["a", "b"]), &Budget::default());
    assert_eq!(
        [Bump::Patch, Bump::Minor, Bump::Major].map(|bump| verdict.fit(bump)),
        [Fit::TooSmall, Fit::Enough, Fit::Ample]
    );
}

/// Edits whose effect is known wherever they are made: what they are, and whether they take away or give.
type Edit = (&'static str, fn(&mut Value), bool, bool);

const EDITS: &[Edit] = &[
    ("a title", |schema| schema["title"] = json!("another"), false, false),
    ("said twice", |schema| *schema = json!({"allOf": [schema.clone(), schema.clone()]}), false, false),
    ("not not", |schema| *schema = json!({"not": {"not": schema.clone()}}), false, false),
    ("or nothing", |schema| *schema = json!({"anyOf": [schema.clone(), false]}), false, false),
    ("or null", |schema| *schema = json!({"anyOf": [schema.clone(), {"type": "null"}]}), false, true),
    ("only null", |schema| *schema = json!({"allOf": [schema.clone(), {"type": "null"}]}), true, false),
    ("one more", |schema| *schema = json!({"allOf": [schema.clone(), {"required": ["zz_more"]}]}), true, false),
];

/// Record schemas that ship, in the order of their names. A profile is what it narrows, and that stands elsewhere.
fn shipped() -> Vec<Value> {
    fn walk(folder: &Path, found: &mut Vec<Value>) {
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                walk(&path, found);
            } else if path.ends_with("schema.json") {
                let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                if schema["x-guiju"].get("profileOf").is_none() {
                    found.push(schema);
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("standards"), &mut found);
    found
}

/// Changes each object of a schema, told whether it refers to another standard.
fn change_objects(value: &mut Value, change: &impl Fn(&mut Map<String, Value>, bool)) {
    match value {
        Value::Object(members) => {
            let elsewhere = members.get("$ref").and_then(Value::as_str).is_some_and(|to| !to.starts_with('#'));
            change(members, elsewhere);
            let schemas = members.iter_mut().filter(|(name, _)| *name != "x-guiju");
            schemas.for_each(|(_, member)| change_objects(member, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| change_objects(item, change)),
        _ => {}
    }
}

/// Schemas as real ones are, from the shipped standards: fields, formats and patterns, without what refers elsewhere.
pub fn real() -> Vec<Value> {
    let mut found = shipped();
    for schema in &mut found {
        change_objects(schema, &|members, elsewhere| {
            if elsewhere {
                members.insert("$ref".into(), json!("#/$defs/Elsewhere"));
            }
            members.remove("x-guiju");
        });
        schema["$defs"]["Elsewhere"] = json!({"maxLength": 9});
    }
    found
}

#[test]
fn edits_of_known_effect_are_judged_so() {
    let schemas = real();
    assert!(schemas.len() > 1, "no schemas in standards");
    // Each is compiled many times; a few of each size are enough to run always.
    for schema in schemas.into_iter().step_by(4) {
        let old = bare(&schema, true).unwrap();
        for (name, edit, takes, gives) in EDITS {
            let mut changed = schema.clone();
            // Definitions and identity stay where they are referred to.
            let definitions = changed.as_object_mut().unwrap().remove("$defs").unwrap();
            let dialect = changed.as_object_mut().unwrap().remove("$schema");
            edit(&mut changed);
            changed["$defs"] = definitions;
            if let Some(dialect) = dialect {
                changed["$schema"] = dialect;
            }
            let Some(new) = bare(&changed, true) else { continue };
            let verdict = compare(&old, &new, &Budget { changes_max: 0, ..Budget::default() });
            holds_true(&verdict, &old, &new);
            let title = &schema["title"];
            let says = |inclusion: &Inclusion, escapes: bool| match inclusion {
                Inclusion::Included(_) => !escapes,
                Inclusion::NotIncluded(_) => escapes,
                Inclusion::Undecided(why) => panic!("{title}, {name}: undecided, {why}"),
            };
            assert!(says(&verdict.old_in_new, *takes), "{title}, {name}: {:?}", verdict.old_in_new);
            assert!(says(&verdict.new_in_old, *gives), "{title}, {name}: {:?}", verdict.new_in_old);
        }
    }
}

/// Changes of one rule whose effect is known: its name, the change, and whether records are given, or taken.
type RuleEdit = (&'static str, fn(&mut Value) -> Option<()>, bool, bool);

const RULE_EDITS: &[RuleEdit] = &[
    (
        "only warns",
        |rule| rule.as_object_mut().map(|rule| drop(rule.insert("severity".into(), json!("warning")))),
        true,
        false,
    ),
    (
        "another message",
        |rule| rule.as_object_mut().map(|rule| drop(rule.insert("messageEn".into(), json!("m")))),
        false,
        false,
    ),
    ("looser", |rule| op(rule, &[("lt", "le"), ("gt", "ge"), ("eq", "le")]), true, false),
    ("stricter", |rule| op(rule, &[("le", "lt"), ("ge", "gt")]), false, true),
    ("sides exchanged", turned, false, false),
    ("always", |rule| rule.as_object_mut()?.remove("if").map(drop), false, true),
    (
        "said twice",
        |rule| {
            let then = rule.get_mut("then")?.as_array_mut()?;
            then.first().cloned().map(|first| then.push(first))
        },
        false,
        false,
    ),
];

fn op(rule: &mut Value, others: &[(&str, &str)]) -> Option<()> {
    let condition = rule.pointer_mut("/then/0")?;
    let own = condition.get("op")?.as_str()?.to_owned();
    let (_, other) = others.iter().find(|(name, _)| *name == own)?;
    // Texts that are no numbers are equal or not, and in no order that the author meant.
    let is_order = own != "eq" || condition.get("tolerance").is_some();
    is_order.then(|| condition["op"] = json!(other))
}

fn turned(rule: &mut Value) -> Option<()> {
    let condition = rule.pointer_mut("/then/0")?;
    let pairs = [("lt", "gt"), ("gt", "lt"), ("le", "ge"), ("ge", "le"), ("eq", "eq"), ("ne", "ne")];
    let (_, other) = pairs.iter().find(|(own, _)| condition.get("op") == Some(&json!(own)))?;
    let is_ratio = condition.pointer("/tolerance/ratio").is_some();
    (!is_ratio).then(|| {
        let (left, right) = (condition["left"].take(), condition["right"].take());
        (condition["left"], condition["right"], condition["op"]) = (right, left, json!(other));
    })
}

/// The rules of the shipped standards, with their fields as they are but for what stands in other standards: one thing about one
/// of them changed, and the rest kept.
#[test]
fn edits_of_rules_with_a_known_effect_are_judged_so() {
    let (mut directions, mut undecided, mut wrong) = (0, Vec::new(), Vec::new());
    for schema in real_with_rules() {
        let old = bare(&schema, true).unwrap_or_else(|| panic!("{} does not compile", schema["title"]));
        let count = schema.pointer("/x-guiju/rules").and_then(Value::as_array).map_or(0, Vec::len);
        for at in 0..count {
            for (name, edit, gives, takes) in RULE_EDITS {
                let mut changed = schema.clone();
                let Some(rule) = changed.pointer_mut(&format!("/x-guiju/rules/{at}")) else { continue };
                let refuses = rule.get("severity").is_none_or(|severity| severity == "error");
                if !refuses || edit(rule).is_none() {
                    continue;
                }
                let new = bare(&changed, true).expect("it compiles");
                let verdict = compare(&old, &new, &Budget { changes_max: 0, ..Budget::default() });
                holds_true(&verdict, &old, &new);
                let name = format!("{} {}, {name}", schema["title"], schema["x-guiju"]["rules"][at]["id"]);
                for (inclusion, escapes) in [(&verdict.old_in_new, *takes), (&verdict.new_in_old, *gives)] {
                    directions += 1;
                    match inclusion {
                        Inclusion::Included(_) if !escapes => {}
                        Inclusion::NotIncluded(_) if escapes => {}
                        Inclusion::Undecided(why) if escapes => undecided.push(format!("{name}: {why}")),
                        Inclusion::Included(_) => wrong.push(format!("{name}: included")),
                        Inclusion::NotIncluded(witness) => wrong.push(format!("{name}: {}", witness.record)),
                        Inclusion::Undecided(why) => wrong.push(format!("{name}: undecided, {why}")),
                    }
                }
            }
        }
    }
    eprintln!("{directions} directions, {} undecided: {undecided:#?}", undecided.len());
    assert_eq!(wrong, Vec::<String>::new());
    assert!(
        directions > 100 && undecided.len() * 20 <= directions,
        "{} of {directions}: {undecided:#?}",
        undecided.len()
    );
}

/// Standards that ship, with their rules and without what stands in other standards.
fn real_with_rules() -> Vec<Value> {
    let mut found = shipped();
    found.retain(|schema| schema.pointer("/x-guiju/rules").is_some());
    for schema in &mut found {
        change_objects(schema, &|members, elsewhere| {
            if elsewhere {
                members.remove("$ref");
            }
            if let Some(own) = members.get_mut("x-guiju").and_then(Value::as_object_mut) {
                own.retain(|name, _| matches!(name.as_str(), "rules" | "vocabulary"));
            }
        });
    }
    assert!(found.len() > 5, "{} standards with rules", found.len());
    found
}

/// Changes of a list, or of how a field refers to it, whose effect is known.
#[test]
fn edits_of_code_lists_with_a_known_effect_reach_the_records() {
    const CODES: &str = "code,name_zh,name_en,parent,valid_from,valid_to,alias,note\n1,一,one,,,,,\n11,一一,one one,1,,,,\n2,二,two,,2020-01-01,,,\n3,三,three,,,2030-01-01,,\n";
    let schema = |list: Value| {
        json!({"type": "object", "x-guiju": {"vocabulary": "1"}, "properties": {
            "code": {"type": "string", "x-guiju": {"codeList": list}}, "on": {"type": "string", "format": "date"}}})
    };
    let plain = || json!({"ref": "a/list@^1"});
    let with = |name: &str, value: &str| {
        let mut list = plain();
        list[name] = json!(value);
        list
    };
    let changed = |from: &str, to: &str| {
        assert!(CODES.contains(from), "{from}");
        CODES.replace(from, to)
    };
    let same = CODES.to_owned();
    // What it is called, how the field refers to it, the list, and whether records are taken away and given.
    let edits: Vec<(&str, Value, String, bool, bool)> = vec![
        ("nothing", plain(), same.clone(), false, false),
        ("a label", plain(), changed("one one", "eleven"), false, false),
        ("a code less", plain(), changed("2,二,two,,2020-01-01,,,\n", ""), true, false),
        ("a code more", plain(), format!("{CODES}4,四,four,,,,,\n"), false, true),
        ("a code for another", plain(), changed("3,三,three", "5,五,five"), true, true),
        ("a code that ends", plain(), changed("1,一,one,,,,,", "1,一,one,,,2027-01-01,,"), true, false),
        ("a code that ends later", plain(), changed("2030-01-01", "2031-01-01"), false, true),
        ("a code that begins earlier", plain(), changed("2020-01-01", "2019-01-01"), false, true),
        (
            "a code moved in time",
            plain(),
            changed("2,二,two,,2020-01-01,,", "2,二,two,,2019-01-01,2029-01-01,"),
            true,
            true,
        ),
        ("leaves alone", with("level", "leaf"), same.clone(), true, false),
        ("a warning", with("binding", "extensible"), same.clone(), false, true),
        ("a code of any time", with("status", "ever"), same.clone(), false, true),
        ("a day that a field names", with("asOf", "/on"), same.clone(), true, true),
        ("any level, said", with("level", "any"), same, false, false),
    ];
    let base = with_list(&schema(plain()), CODES).expect("it compiles");
    for (name, list, codes, takes, gives) in edits {
        let other = with_list(&schema(list), &codes).expect("it compiles");
        let verdict = compare(&base, &other, &Budget::default());
        holds_true(&verdict, &base, &other);
        let escapes = |inclusion: &Inclusion| match inclusion {
            Inclusion::Included(_) => false,
            Inclusion::NotIncluded(_) => true,
            Inclusion::Undecided(why) => panic!("{name}: undecided, {why}"),
        };
        assert_eq!((escapes(&verdict.old_in_new), escapes(&verdict.new_in_old)), (takes, gives), "{name}: {verdict:?}");
        let back = compare(&other, &base, &Budget::default());
        assert_eq!((escapes(&back.old_in_new), escapes(&back.new_in_old)), (gives, takes), "{name}, back: {back:?}");
    }
    // A format that knows a second form of the codes gives records with it, and takes those without the first.
    let industry = |format: Option<&str>, codes: &str| {
        let mut schema = schema(plain());
        if let Some(format) = format {
            schema["properties"]["code"]["format"] = json!(format);
        }
        let codes = format!("{}\n{codes}", CODES.lines().next().expect("a header"));
        with_list(&schema, &codes).expect("it compiles")
    };
    const CLASSES: &str = "0111,稻谷,,,,,,\n6210,正餐,,,,,,\n";
    let bump = |old: &Side, new: &Side| {
        let verdict = compare(old, new, &Budget::default());
        holds_true(&verdict, old, new);
        verdict.bump
    };
    let (bare, lettered) = (industry(None, CLASSES), industry(Some("cn-industry"), CLASSES));
    assert_eq!(bump(&bare, &lettered), Some(Bump::Minor));
    assert_eq!(bump(&lettered, &bare), Some(Bump::Major));
    let spelled_out = industry(None, &format!("{CLASSES}A0111,稻谷,,,,,,\nH6210,正餐,,,,,,\n"));
    assert_eq!(bump(&lettered, &spelled_out), Some(Bump::Patch));
    // A list of the same codes is the same as an enum, where no day is asked for.
    let values = json!({"type": "object", "properties": {
        "code": {"type": "string", "enum": ["1", "11", "2", "3"]}, "on": {"type": "string", "format": "date"}}});
    let (values, ever) =
        (with_list(&values, CODES).unwrap(), with_list(&schema(with("status", "ever")), CODES).unwrap());
    let verdict = compare(&values, &ever, &Budget::default());
    assert_eq!(verdict.bump, Some(Bump::Patch), "{verdict:?}");
    let verdict = compare(&values, &base, &Budget::default());
    assert_eq!(verdict.bump, Some(Bump::Major), "{verdict:?}");
}

/// How many random pairs: `GUIJU_SOAK` says how many times as many as always.
fn cases(always: u32) -> u32 {
    let times = std::env::var("GUIJU_SOAK").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    always * times
}

/// A number as it is written.
fn written(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Numbers that a double has no room for, and others in unusual spellings.
fn unusual() -> impl Strategy<Value = Value> {
    proptest::sample::select(&[
        "1.0",
        "1e0",
        "10e-1",
        "-0",
        "0.0",
        "20e-1",
        "0.5e0",
        "9007199254740992",
        "9007199254740993",
        "9007199254740993.0",
        "9007199254740992.5",
        "-9007199254740993",
        "0.123456789012345678",
        "0.123456789012345679",
        "123456789012345678e-18",
        "1e300",
        "1e-300",
        "100000000000000000000000001",
        "1e3000",
        "10e2999",
        "1e-3000",
    ])
    .prop_map(written)
}

fn schemas() -> impl Strategy<Value = Value> {
    let number = || prop_oneof![4 => (-3i64..6).prop_map(Value::from), 1 => unusual()];
    let text = || prop_oneof![Just(""), Just("a"), Just("ab"), Just("b1"), Just("x")].prop_map(Value::from);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        prop_oneof![
            Just("null"),
            Just("boolean"),
            Just("integer"),
            Just("number"),
            Just("string"),
            Just("array"),
            Just("object")
        ]
        .prop_map(|name| json!({"type": name})),
        proptest::collection::vec(prop_oneof![number(), text(), Just(json!(null)), Just(json!([1]))], 1..4)
            .prop_map(|values| json!({"enum": values})),
        number().prop_map(|limit| json!({"minimum": limit})),
        number().prop_map(|limit| json!({"exclusiveMaximum": limit})),
        proptest::sample::select(&["2", "0.5", "3", "2.0", "5e-1", "0.1", "1e-18", "9007199254740993", "1e1"])
            .prop_map(|of| json!({"multipleOf": written(of)})),
        (0u64..3).prop_map(|count| json!({"minLength": count})),
        (0u64..3).prop_map(|count| json!({"maxLength": count})),
        prop_oneof![Just("^a"), Just("b$"), Just("^[a-c]*$"), Just("[0-9]"), Just("^(a|bc)+$")]
            .prop_map(|pattern| json!({"pattern": pattern})),
        (0u64..3).prop_map(|count| json!({"minItems": count})),
        (0u64..3).prop_map(|count| json!({"maxItems": count})),
        Just(json!({"uniqueItems": true})),
        (0u64..3).prop_map(|count| json!({"minProperties": count})),
        (0u64..3).prop_map(|count| json!({"maxProperties": count})),
        prop_oneof![Just("a"), Just("b")].prop_map(|name| json!({"required": [name]})),
    ];
    leaf.prop_recursive(3, 24, 3, |inner| {
        let list = || proptest::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            inner.clone().prop_map(|part| json!({"not": part})),
            list().prop_map(|parts| json!({"allOf": parts})),
            list().prop_map(|parts| json!({"anyOf": parts})),
            list().prop_map(|parts| json!({"oneOf": parts})),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(one, two, three)| json!({"if": one, "then": two, "else": three})),
            inner.clone().prop_map(|part| json!({"properties": {"a": part}})),
            (inner.clone(), inner.clone())
                .prop_map(|(one, two)| json!({"properties": {"a": one}, "additionalProperties": two})),
            (inner.clone(), inner.clone()).prop_map(
                |(one, two)| json!({"patternProperties": {"^a": one, "b$": two}, "additionalProperties": false})
            ),
            inner.clone().prop_map(|part| json!({"propertyNames": part})),
            inner.clone().prop_map(|part| json!({"items": part})),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| json!({"prefixItems": [one], "items": two})),
            (inner.clone(), 0u64..3).prop_map(|(part, least)| json!({"contains": part, "minContains": least})),
            (inner.clone(), 0u64..2)
                .prop_map(|(part, most)| json!({"contains": part, "minContains": 0, "maxContains": most})),
            (inner.clone(), inner.clone())
                .prop_map(|(one, two)| json!({"allOf": [{"properties": {"a": one}}], "unevaluatedProperties": two})),
            (inner.clone(), inner.clone())
                .prop_map(|(one, two)| json!({"contains": one, "minContains": 0, "unevaluatedItems": two})),
            inner.clone().prop_map(|part| json!({"dependentSchemas": {"a": part}})),
            (inner.clone(), inner.clone())
                .prop_map(|(one, two)| json!({"dependentSchemas": {"a": {"properties": {"b": one}}},
                "unevaluatedProperties": two})),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(one, two, three)| json!({"if": {"prefixItems": [one]},
                "then": {"contains": two}, "unevaluatedItems": three})),
            (inner.clone(), inner.clone())
                .prop_map(|(one, two)| json!({"dependentRequired": {"a": ["b"]}, "properties": {"b": one},
                "additionalProperties": two})),
            (inner.clone(), inner)
                .prop_map(|(one, two)| json!({"allOf": [one, two], "type": ["object", "array", "string"]})),
        ]
    })
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-4i64..8).prop_map(Value::from),
        Just(json!(0.5)),
        Just(json!(2.25)),
        unusual(),
        prop_oneof![Just(""), Just("a"), Just("ab"), Just("b1"), Just("bc"), Just("abc"), Just("中")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(
                prop_oneof![Just("a"), Just("b"), Just("ab"), Just("c")].prop_map(str::to_owned),
                inner,
                0..4
            )
            .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
    .prop_flat_map(|value| (0usize..9).prop_map(move |turn| attack::respelled(&value, turn)))
}

/// What is said of two schemas, held against records: nothing escapes from what is proved, and what is shown is so.
fn held(old: &Value, new: &Value, budget: &Budget, attack: &[Value]) -> Result<(), TestCaseError> {
    let (Some(one), Some(other)) = (bare(old, true), bare(new, true)) else { return Ok(()) };
    let made = attack::records([old, new], 40);
    held_on(&[None], [(old, &one), (new, &other)], budget, attack.iter().chain(&made))
}

/// The same on some days.
fn held_on<'r>(
    days: &[Option<Date>],
    [(old, one), (new, other)]: [(&Value, &Side); 2],
    budget: &Budget,
    records: impl Iterator<Item = &'r Value> + Clone,
) -> Result<(), TestCaseError> {
    let verdict = compare(one, other, budget);
    for (inclusion, from, to) in [(&verdict.old_in_new, one, other), (&verdict.new_in_old, other, one)] {
        match inclusion {
            Inclusion::Included(proof) => {
                prop_assert!(proof.replay().is_ok(), "{:?}", proof.replay());
                let escapes =
                    |record: &&Value| days.iter().any(|day| from.accepts(record, *day) && !to.accepts(record, *day));
                prop_assert_eq!(records.clone().find(escapes), None, "{} and {}", old, new);
            }
            Inclusion::NotIncluded(witness) => {
                prop_assert!(from.accepts(&witness.record, witness.day) && !to.accepts(&witness.record, witness.day));
            }
            Inclusion::Undecided(why) => prop_assert!(!why.is_unchecked(), "{why}: {old} and {new}"),
        }
    }
    Ok(())
}

/// Schemas that lead back to themselves, from places that say nothing of the value as a whole and from some that do.
fn circular() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => Just(json!({"$ref": "#"})),
        3 => Just(json!({"$ref": "#/$defs/x"})),
        3 => Just(json!({"$dynamicRef": "#n"})),
        1 => Just(json!({"$ref": "other"})),
        1 => Just(json!({"$ref": "#", "unevaluatedItems": false})),
        1 => Just(json!({"$ref": "#/$defs/x", "unevaluatedProperties": false})),
        2 => any::<bool>().prop_map(Value::from),
        3 => proptest::sample::select(&["null", "integer", "string", "array", "object"]).prop_map(|name| json!({"type": name})),
        1 => Just(json!({"enum": [1, "a", [], {}]})),
        1 => Just(json!({"maxLength": 1})),
        1 => Just(json!({"minItems": 1})),
        1 => Just(json!({"required": ["a"]})),
    ];
    let inner = leaf.prop_recursive(2, 10, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, two)| json!({"anyOf": [one, two]})),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| json!({"oneOf": [one, two]})),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| json!({"allOf": [one, two]})),
            inner.clone().prop_map(|part| json!({"not": part})),
            inner.clone().prop_map(|part| json!({"type": "array", "contains": part})),
            inner.clone().prop_map(|part| json!({"properties": {"a": part}})),
            inner.clone().prop_map(|part| json!({"items": part})),
            inner.prop_map(|part| json!({"propertyNames": part})),
        ]
    });
    let part = (0u8..14, inner.clone(), inner, 0u64..3).prop_map(|(kind, one, two, count)| match kind {
        0 => json!({"contains": one, "minContains": count}),
        1 => json!({"contains": one, "minContains": 0, "maxContains": count}),
        2 => json!({"contains": one, "unevaluatedItems": two}),
        3 => json!({"prefixItems": [one], "unevaluatedItems": two}),
        4 => json!({"items": one, "maxItems": count}),
        5 => json!({"properties": {"a": one}, "unevaluatedProperties": two}),
        6 => json!({"propertyNames": one, "minProperties": count}),
        7 => json!({"dependentSchemas": {"a": {"properties": {"b": one}}}, "unevaluatedProperties": two}),
        8 => json!({"dependentSchemas": {"a": one}}),
        9 => json!({"properties": {"a": one, "b": two}, "required": ["a"]}),
        10 => json!({"patternProperties": {"^a": one}, "additionalProperties": two}),
        11 => json!({"anyOf": [{"type": "string"}, {"type": "array", "contains": one}, {"type": "object", "required": ["b"]}]}),
        12 => json!({"if": {"prefixItems": [one]}, "then": {"items": two}, "unevaluatedItems": false}),
        _ => json!({"oneOf": [{"type": ["array", "null"], "items": one}, {"type": "object", "additionalProperties": two}]}),
    });
    let all = proptest::collection::vec(part.clone(), 1..4);
    (all, part.clone(), part, 0u8..4).prop_map(|(all, x, mut other, form)| {
        let mut schema = match all.len() {
            1 => all[0].clone(),
            _ => json!({"allOf": all}),
        };
        if form < 2 {
            schema["$defs"] = json!({"x": x});
            return unnamed(&schema);
        }
        schema["$id"] = json!("https://a.cn/root");
        schema["$dynamicAnchor"] = json!("n");
        other["$id"] = json!("other");
        other["$dynamicAnchor"] = json!("n");
        schema["$defs"] = json!({"x": x, "other": other});
        if form == 3 {
            schema = as_of_2019(&schema);
            schema["$schema"] = json!("https://json-schema.org/draft/2019-09/schema");
        }
        schema
    })
}

/// The same in the words of the draft before.
fn as_of_2019(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let has_prefix = members.contains_key("prefixItems");
            let renamed = |(name, member): (&String, &Value)| match name.as_str() {
                "$dynamicRef" => ("$recursiveRef".to_owned(), json!("#")),
                "$dynamicAnchor" => ("$recursiveAnchor".to_owned(), json!(true)),
                "prefixItems" => ("items".to_owned(), as_of_2019(member)),
                "items" if has_prefix => ("additionalItems".to_owned(), as_of_2019(member)),
                _ => (name.clone(), as_of_2019(member)),
            };
            members.iter().map(renamed).collect()
        }
        Value::Array(items) => items.iter().map(as_of_2019).collect(),
        other => other.clone(),
    }
}

/// The same with plain references in the place of those that go by names.
fn unnamed(schema: &Value) -> Value {
    match schema {
        Value::Object(members) if members.get("$dynamicRef").is_some() => json!({"$ref": "#"}),
        Value::Object(members) if members.get("$ref") == Some(&json!("other")) => json!({"$ref": "#/$defs/x"}),
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), unnamed(member))).collect(),
        Value::Array(items) => items.iter().map(unnamed).collect(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(Config { cases: cases(60), max_shrink_iters: 500, failure_persistence: None, ..Config::default() })]

    /// Wherever a schema leads back to itself.
    #[test]
    fn nothing_escapes_a_schema_that_refers_to_itself(
        old in circular(),
        another in circular(),
        turn in 0u64..40,
        attack in proptest::collection::vec(values(), 30)
    ) {
        let new = if turn < 30 { attack::mutated(&old, turn) } else { another };
        held(&old, &new, &Budget { steps: 5_000, changes_max: 0, ..Budget::default() }, &attack)?;
    }
}

proptest! {
    #![proptest_config(Config { cases: cases(60), max_shrink_iters: 500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn nothing_escapes_what_is_said_to_lie_inside(
        old in schemas(),
        new in schemas(),
        attack in proptest::collection::vec(values(), 30)
    ) {
        held(&old, &new, &Budget { steps: 5_000, changes_max: 0, ..Budget::default() }, &attack)?;
    }
}

/// A code list of a few codes, each valid for some months of one year.
fn lists() -> impl Strategy<Value = String> {
    let end = || prop_oneof![Just(String::new()), (1..13u32).prop_map(|month| format!("2026-{month:02}"))];
    let row = ("[abc]", end(), end()).prop_map(|(code, from, to)| format!("{code},甲,,,{from},{to},,\n"));
    proptest::collection::vec(row, 1..5)
        .prop_map(|rows| format!("code,name_zh,name_en,parent,valid_from,valid_to,alias,note\n{}", rows.concat()))
}

fn list(codes: &str) -> Option<Side> {
    let files = [("codes.csv".to_owned(), codes.as_bytes().to_vec())].into();
    let (standard, version) = ("a/list".parse().unwrap(), Version::new(1, 0, 0));
    let package = Package { standard, version, kind: Kind::CodeList, files };
    Side::new(&Bundle::seal(&package, &EmptyCatalog).ok()?, true).ok()
}

proptest! {
    #![proptest_config(Config { cases: cases(200), failure_persistence: None, ..Config::default() })]

    /// What is said of code lists is so, code by code and day by day, as the validator has it.
    #[test]
    fn code_lists_are_compared_as_each_day_has_them(old in lists(), new in lists()) {
        let (Some(one), Some(other)) = (list(&old), list(&new)) else { return Ok(()) };
        let verdict = compare(&one, &other, &Budget::default());
        let days = (2025..2028).flat_map(|year| (1..13).flat_map(move |month| [1, 28].map(|day| Date::new(year, month, day))));
        let days: Vec<Date> = days.flatten().collect();
        for (inclusion, from, to) in [(&verdict.old_in_new, &one, &other), (&verdict.new_in_old, &other, &one)] {
            let codes = ["a", "b", "c", "d"].map(Value::from);
            let escapes = |day: &Date| codes.iter().any(|code| from.accepts(code, Some(*day)) && !to.accepts(code, Some(*day)));
            prop_assert_eq!(inclusion.is_included(), !days.iter().any(escapes), "{:?}", inclusion);
            if let Inclusion::NotIncluded(witness) = inclusion {
                prop_assert!(from.accepts(&witness.record, witness.day) && !to.accepts(&witness.record, witness.day));
            }
        }
    }
}

/// A record standard with a field whose codes are those of `a/list` in one of its versions.
fn with_list(schema: &Value, codes: &str) -> Option<Side> {
    let seal = |standard: &str, kind: Kind, file: &str, bytes: &[u8]| Package {
        standard: standard.parse().unwrap(),
        version: Version::new(1, 0, 0),
        kind,
        files: [(file.to_owned(), bytes.to_vec())].into(),
    };
    let list = List(seal("a/list", Kind::CodeList, "codes.csv", codes.as_bytes()).seal(Vec::new()).ok()?);
    let record = seal("a/case", Kind::Record, "schema.json", schema.to_string().as_bytes());
    Side::new(&Bundle::seal(&record, &list).ok()?, true).ok()
}

/// A schema about a code, in one of the places in which a code stands.
fn coded() -> impl Strategy<Value = Value> {
    let list = |as_of: bool, level: bool, ever: bool| {
        let mut list = json!({"ref": "a/list@^1"});
        if as_of {
            list["asOf"] = json!("/on");
        }
        if level {
            list["level"] = json!("leaf");
        }
        if ever {
            list["status"] = json!("ever");
        }
        json!({"x-guiju": {"codeList": list}})
    };
    let listed = (any::<bool>(), any::<bool>(), proptest::bool::weighted(0.2));
    let listed = listed.prop_map(move |(as_of, level, ever)| list(as_of, level, ever));
    let values =
        proptest::sample::subsequence(vec!["a", "b", "c", "d"], 1..4).prop_map(|values| json!({"enum": values}));
    let code = prop_oneof![3 => listed.clone(), 1 => values.clone()];
    let code = prop_oneof![
        4 => code.clone(),
        1 => (code.clone(), values.clone()).prop_map(|(one, other)| json!({"anyOf": [one, other]})),
        1 => code.clone().prop_map(|code| json!({"not": code})),
        1 => (code.clone(), code).prop_map(|(one, other)| json!({"allOf": [one, other]})),
    ];
    (code, any::<bool>()).prop_map(|(mut code, named)| {
        code["type"] = json!("string");
        let day = json!({"type": "string", "format": "date"});
        let mut schema = json!({"type": "object", "x-guiju": {"vocabulary": "1"}, "required": ["code"],
            "properties": {"code": code, "on": day}, "additionalProperties": false});
        if named {
            schema["required"] = json!(["code", "on"]);
        }
        schema
    })
}

/// Codes as industries: the second is the first with its section, and a code of its own where a list has it.
const INDUSTRIES: [(&str, &str); 3] = [("a", "01"), ("b", "A01"), ("c", "62")];

/// The same schema about industries; `lettered`: with the format that knows the letter of their section.
fn industries(mut schema: Value, lettered: bool) -> Value {
    fn walk(value: &mut Value, lettered: bool) {
        match value {
            Value::Object(members) => {
                if lettered && members.contains_key("x-guiju") && !members.contains_key("properties") {
                    members.insert("format".into(), "cn-industry".into());
                }
                if let Some(Value::Array(values)) = members.get_mut("enum") {
                    for value in values {
                        let industry = INDUSTRIES.iter().find(|(code, _)| value.as_str() == Some(*code));
                        *value = industry.map_or(json!("H62"), |(_, industry)| json!(industry));
                    }
                }
                members.values_mut().for_each(|member| walk(member, lettered));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, lettered)),
            _ => {}
        }
    }
    walk(&mut schema, lettered);
    schema
}

proptest! {
    #![proptest_config(Config { cases: cases(150), failure_persistence: None, ..Config::default() })]

    /// No record with a code escapes what is said of them, on any day and by whatever names the day, nor one with the letter of its
    /// section before the code, where either side knows that.
    #[test]
    fn codes_in_records_are_compared_as_each_day_has_them(
        (old, one) in (coded(), lists()),
        (new, other) in (coded(), lists()),
        same in any::<bool>(),
        lettered in (any::<bool>(), any::<bool>()),
    ) {
        let other = if same { one.clone() } else { other };
        let (old, new) = (industries(old, lettered.0), industries(new, lettered.1));
        let [one, other] = [one, other].map(|codes| INDUSTRIES.iter().fold(codes, |codes, (code, industry)| {
            codes.replace(&format!("\n{code},"), &format!("\n{industry},"))
        }));
        let (Some(before), Some(after)) = (with_list(&old, &one), with_list(&new, &other)) else { return Ok(()) };
        let verdict = compare(&before, &after, &Budget::default());
        let ends: Vec<Option<Date>> = (1..13).map(|month| Date::new(2026, month, 1)).chain([None, Date::new(2025, 12, 31)]).collect();
        let records: Vec<Value> = ["01", "A01", "62", "H62", "A62", "d", "97", "T97"]
            .into_iter()
            .flat_map(|code| {
                ends.iter().map(move |on| match on {
                    Some(on) => json!({"code": code, "on": on.to_string()}),
                    None => json!({"code": code}),
                })
            })
            .collect();
        for (inclusion, from, to) in [(&verdict.old_in_new, &before, &after), (&verdict.new_in_old, &after, &before)] {
            let escapes = |record: &Value| {
                ends.iter().any(|day| from.accepts(record, *day) && !to.accepts(record, *day))
            };
            let escaped = records.iter().find(|record| escapes(record));
            match inclusion {
                Inclusion::Included(proof) => {
                    prop_assert!(proof.replay().is_ok());
                    prop_assert_eq!(escaped, None, "{} {} in {} {}", &old, &one, &new, &other);
                }
                Inclusion::NotIncluded(witness) => {
                    prop_assert!(from.accepts(&witness.record, witness.day) && !to.accepts(&witness.record, witness.day));
                }
                Inclusion::Undecided(why) => {
                    prop_assert!(!why.is_unchecked(), "{why}: {old} {one} and {new} {other}, escapes: {escaped:?}");
                }
            }
        }
    }
}

/// Rules between a few fields, of which some are numbers and some are anything.
fn ruled() -> impl Strategy<Value = Value> {
    let field = || prop_oneof![Just("/a"), Just("/b"), Just("/c"), Just("/d")];
    let literal = || {
        prop_oneof![
            Just(json!(0)),
            Just(json!(1)),
            Just(json!(2)),
            Just(json!(1.5)),
            Just(json!("1")),
            Just(json!("1.0")),
            Just(json!("a")),
            Just(json!("ab")),
            Just(json!("2026-01-01")),
            Just(json!("20260101")),
            Just(json!(true)),
            Just(json!("01"))
        ]
    };
    let side = || {
        prop_oneof![
            6 => field().prop_map(|field| json!({"field": field})),
            1 => (field(), 0u64..2, 1u64..3).prop_map(|(field, from, count)| json!({"field": field, "part": [from, from + count]})),
            1 => proptest::sample::subsequence(vec!["/a", "/b", "/c", "/d"], 2).prop_map(|fields| json!({"sum": fields})),
            1 => field().prop_map(|field| json!({"length": field})),
            1 => (field(), field()).prop_map(|(one, other)| json!({"difference": [one, other]})),
        ]
    };
    let reading = || prop_oneof![6 => Just(None), 1 => Just(Some("text")), 1 => Just(Some("integer")), 2 => Just(Some("decimal")), 1 => Just(Some("date"))];
    let op = || prop_oneof![Just("eq"), Just("ne"), Just("lt"), Just("le"), Just("gt"), Just("ge")];
    let read = |mut side: Value, reading: Option<&str>| {
        if let (Some(reading), true) = (reading, side.get("field").is_some()) {
            side["as"] = json!(reading);
        }
        side
    };
    let tolerance = || {
        prop_oneof![5 => Just(None), 1 => Just(Some(json!({"absolute": 1}))), 1 => Just(Some(json!({"absolute": 0}))),
            1 => Just(Some(json!({"ratio": 0.5}))), 1 => Just(Some(json!({"ratio": 1})))]
    };
    let right = prop_oneof![side(), literal().prop_map(|value| json!({"value": value}))];
    let compare = (op(), side(), right, reading(), tolerance(), any::<bool>()).prop_map(
        move |(op, left, right, reading, tolerance, turned)| {
            let (left, right) = (read(left, reading), right);
            let (left, right) = if turned { (right, left) } else { (left, right) };
            let mut condition = json!({"op": op, "left": left, "right": right});
            if let (Some(tolerance), true) = (tolerance, op != "ne") {
                condition["tolerance"] = tolerance;
            }
            condition
        },
    );
    let among = (side(), proptest::collection::vec(literal(), 1..4), reading()).prop_map(
        move |(left, values, reading)| json!({"op": "in", "left": read(left, reading), "right": {"values": values}}),
    );
    let condition = prop_oneof![
        5 => compare,
        3 => among,
        1 => (side(), side()).prop_map(|(left, right)| json!({"op": "prefix", "left": left, "right": right})),
        1 => (side(), prop_oneof![Just("a"), Just("ab"), Just("1"), Just("2026")]).prop_map(|(left, text)| json!({"op": "prefix", "left": left, "right": {"value": text}})),
        1 => (side(), side()).prop_map(|(left, right)| json!({"op": "sameParity", "left": left, "right": right})),
        2 => (field(), any::<bool>()).prop_map(|(field, is)| json!({"op": if is { "present" } else { "absent" }, "left": {"field": field}})),
        1 => proptest::sample::subsequence(vec!["/a", "/b", "/c", "/d"], 1..4).prop_map(|fields| json!({"op": "oneOf", "fields": fields})),
    ];
    let conditions = move |least: usize| proptest::collection::vec(condition.clone(), least..3);
    proptest::collection::vec((conditions(0), conditions(1)), 1..3)
        .prop_map(|rules| {
            let rule = |(index, (when, then)): (usize, (Vec<Value>, Vec<Value>))| {
                json!({"id": format!("r{index}"), "if": when, "then": then})
            };
            Value::from(rules.into_iter().enumerate().map(rule).collect::<Vec<_>>())
        })
}

/// An object with rules, and what may be known of their fields besides.
fn with_rules(rules: &Value, shape: u8) -> Value {
    let mut schema = json!({"type": "object", "x-guiju": {"vocabulary": "1", "rules": rules}});
    if shape & 1 == 1 {
        schema["properties"] = json!({"a": {"type": "integer"}, "b": {"type": ["number", "null"]}});
    }
    if shape & 2 == 2 {
        schema["required"] = json!(["a"]);
    }
    if shape & 4 == 4 {
        schema["additionalProperties"] = json!(false);
        schema["properties"]["a"] = json!({"enum": [1, 2, "1", "a"]});
    }
    schema
}

/// The same rules with one thing about one of them changed.
fn other_rules(rules: &Value, turn: u8) -> Value {
    let mut rules = rules.clone();
    let first = &mut rules[0];
    let op = first["then"][0]["op"].as_str().unwrap_or_default().to_owned();
    match turn {
        0 => drop(first.as_object_mut().map(|first| first.remove("if"))),
        1 => drop(first["then"].as_array_mut().filter(|then| then.len() > 1).and_then(|then| then.pop())),
        2 => {
            let wider = match op.as_str() {
                "lt" | "eq" => "le",
                "gt" => "ge",
                "le" => "lt",
                "ge" => "gt",
                other => other,
            };
            first["then"][0]["op"] = json!(wider);
        }
        3 => drop(first["then"][0]["right"]["values"].as_array_mut().map(|values| values.push(json!("zz")))),
        4 if ["eq", "le", "ge", "lt", "gt"].contains(&op.as_str()) => {
            first["then"][0]["tolerance"] = json!({"absolute": 2})
        }
        5 => {
            let turned = [("lt", "gt"), ("gt", "lt"), ("le", "ge"), ("ge", "le"), ("eq", "eq"), ("ne", "ne")];
            if let Some((_, other)) = turned.iter().find(|(own, _)| *own == op) {
                let (left, right) = (first["then"][0]["left"].take(), first["then"][0]["right"].take());
                first["then"][0] = json!({"op": other, "left": right, "right": left});
            }
        }
        _ => {
            if let Some(rules) = rules.as_array_mut() {
                rules.pop();
            }
        }
    }
    rules
}

proptest! {
    #![proptest_config(Config { cases: cases(250), max_shrink_iters: 2000, failure_persistence: None, ..Config::default() })]

    /// No object escapes what is said of rules, with values of all kinds in their fields.
    #[test]
    fn nothing_escapes_what_is_said_of_rules(
        old in ruled(),
        another in ruled(),
        turn in 0u8..9,
        shapes in (0u8..8, 0u8..8, any::<bool>()),
        attack in proptest::collection::vec(proptest::collection::vec(0usize..26, 4), 120),
    ) {
        let new = if turn < 7 { other_rules(&old, turn) } else { another };
        let (shape, other_shape) = (shapes.0, if shapes.2 { shapes.0 } else { shapes.1 });
        let (one, other) = (with_rules(&old, shape), with_rules(&new, other_shape));
        let (Some(before), Some(after)) = (bare(&one, true), bare(&other, true)) else { return Ok(()) };
        let verdict = compare(&before, &after, &Budget { changes_max: 0, ..Budget::default() });
        let values: Vec<Value> = serde_json::from_str(
            r#"[0, 1, 2, 3, -1, 1.5, 1.0, "0", "1", "1.0", "01", "2", "10", "9.5", "a", "ab", "b", "2026-01-01", "20260101",
                "2026-01-01T08:00:00+08:00", "2026-01-02", true, null, [1], {}, 1e500]"#,
        ).unwrap();
        let records: Vec<Value> = attack
            .iter()
            .map(|chosen| {
                let each = ["a", "b", "c", "d"].iter().zip(chosen);
                // One in six is absent.
                each.filter(|(name, at)| (*at + name.len()) % 6 != 0 || **at > 20).map(|(name, at)| ((*name).to_owned(), values[*at].clone())).collect()
            })
            .enumerate()
            .map(|(turn, record): (usize, Value)| attack::respelled(&record, turn))
            .collect();
        for (inclusion, from, to) in [(&verdict.old_in_new, &before, &after), (&verdict.new_in_old, &after, &before)] {
            match inclusion {
                Inclusion::Included(proof) => {
                    prop_assert!(proof.replay().is_ok());
                    let escaped = records.iter().find(|record| from.accepts(record, None) && !to.accepts(record, None));
                    prop_assert_eq!(escaped, None, "{} in {}", &one, &other);
                }
                Inclusion::NotIncluded(witness) => {
                    prop_assert!(from.accepts(&witness.record, None) && !to.accepts(&witness.record, None));
                }
                Inclusion::Undecided(why) => prop_assert!(!why.is_unchecked(), "{why}: {one} and {other}"),
            }
        }
    }
}

/// Codes with days, of which some are amounts as well.
const MIXED_CODES: &str = "code,name_zh,name_en,parent,valid_from,valid_to,alias,note\n1,一,,,,,,\n2,二,,,2026-03-01,,,\n01,三,,,,2026-09-01,,\na,甲,,,,,,\nab,乙,,,2026-02-01,2026-11-01,,\n";

/// What a keyword, a format or a code list says of a field.
fn of_field() -> impl Strategy<Value = Value> {
    proptest::sample::select(&[
        "{}",
        r#"{"type": "integer"}"#,
        r#"{"type": "number", "minimum": 1}"#,
        r#"{"minimum": 1.0, "maximum": 2}"#,
        r#"{"type": ["number", "null"], "exclusiveMaximum": 2e0}"#,
        r#"{"enum": [1, 2, "1", "a"]}"#,
        r#"{"const": 1.0}"#,
        r#"{"const": {"b": 1}}"#,
        r#"{"type": "string"}"#,
        r#"{"type": "string", "minLength": 1, "maxLength": 2}"#,
        r#"{"type": "string", "format": "date"}"#,
        r#"{"type": "string", "format": "decimal"}"#,
        r#"{"format": "egov-date"}"#,
        r#"{"type": ["string", "null"], "pattern": "^[a1]"}"#,
        r#"{"multipleOf": 5e-1}"#,
        r#"{"not": {"enum": [1, "a"]}}"#,
        r#"{"type": "array", "minItems": 1, "items": {"type": "integer"}}"#,
        r#"{"maxProperties": 1}"#,
        r#"{"type": "boolean"}"#,
        r#"{"type": "string", "x-guiju": {"codeList": {"ref": "a/list@^1"}}}"#,
        r#"{"type": "string", "x-guiju": {"codeList": {"ref": "a/list@^1", "asOf": "/d"}}}"#,
        r#"{"type": "string", "x-guiju": {"codeList": {"ref": "a/list@^1", "status": "ever"}}}"#,
    ])
    .prop_map(written)
}

/// Rules, keywords, formats and code lists about the same fields.
fn mixed() -> impl Strategy<Value = Value> {
    let names = ["a", "b", "c", "d"];
    let name = || proptest::sample::select(vec!["a", "b", "c", "d"]);
    let besides =
        (0u8..9, name(), name(), of_field(), of_field()).prop_map(|(kind, one, other, what, then)| match kind {
            0 => json!({"dependentRequired": {one: [other]}}),
            1 => json!({"if": {"properties": {one: what}, "required": [one]}, "then": {"required": [other]}}),
            2 => json!({"if": {"properties": {one: what}, "required": [one]}, "then": {"properties": {other: then}}}),
            3 => json!({"required": [one]}),
            4 => json!({"additionalProperties": what}),
            5 => json!({"anyOf": [{"required": [one]}, {"properties": {other: then}}]}),
            6 => json!({"dependentSchemas": {one: {"properties": {other: then}}}}),
            7 => json!({"propertyNames": {"enum": ["a", one, other]}}),
            _ => json!({}),
        });
    let fields = proptest::collection::vec(proptest::option::weighted(0.6, of_field()), 4);
    (fields, besides, ruled(), any::<bool>()).prop_map(move |(fields, besides, rules, has_rules)| {
        let mut schema = besides;
        let fields = names.iter().zip(fields).filter_map(|(name, field)| Some(((*name).to_owned(), field?)));
        schema["properties"] = Value::Object(fields.collect());
        schema["type"] = json!("object");
        schema["x-guiju"] =
            if has_rules { json!({"vocabulary": "1", "rules": rules}) } else { json!({"vocabulary": "1"}) };
        schema
    })
}

/// The same with one constraint of a keyword said by a rule, or added as one.
fn moved(schema: &Value, turn: u8) -> Value {
    let mut schema = schema.clone();
    let field = json!({"field": "/a"});
    let rule = match turn {
        0 => {
            let taken = schema.as_object_mut().and_then(|members| members.remove("required"));
            let name = taken.as_ref().and_then(|names| names[0].as_str()).unwrap_or("a").to_owned();
            json!({"then": [{"op": "present", "left": {"field": format!("/{name}")}}]})
        }
        1 => {
            schema.as_object_mut().map(|members| members.remove("dependentRequired"));
            json!({"if": [{"op": "present", "left": field}], "then": [{"op": "present", "left": {"field": "/b"}}]})
        }
        2 => json!({"then": [{"op": "ge", "left": field, "right": {"value": 1}}]}),
        3 => json!({"then": [{"op": "in", "left": field, "right": {"values": [1, 2, "1", "a"]}}]}),
        4 => json!({"then": [{"op": "le", "left": {"length": "/a"}, "right": {"value": 2}}]}),
        5 => {
            json!({"if": [{"op": "eq", "left": field, "right": {"value": "a"}}], "then": [{"op": "absent", "left": {"field": "/b"}}]})
        }
        6 => json!({"then": [{"op": "lt", "left": field, "right": {"value": 2}}]}),
        _ => json!({"then": [{"op": "prefix", "left": field, "right": {"value": "1"}}]}),
    };
    if let (2..=4 | 6, Some(Value::Object(fields))) = (turn, schema.get_mut("properties"))
        && let Some(Value::Object(field)) = fields.get_mut("a")
    {
        ["minimum", "enum", "const", "maxLength", "exclusiveMaximum", "maximum"]
            .iter()
            .for_each(|name| drop(field.remove(*name)));
    }
    let mut rules = schema["x-guiju"].get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut rule = rule;
    rule["id"] = json!("moved");
    rules.push(rule);
    schema["x-guiju"]["rules"] = json!(rules);
    schema
}

proptest! {
    #![proptest_config(Config { cases: cases(150), max_shrink_iters: 2000, failure_persistence: None, ..Config::default() })]

    /// Rules, formats and code lists beside keywords, and what moves from one to the other; on any day.
    #[test]
    fn nothing_escapes_rules_beside_keywords(
        old in mixed(),
        another in mixed(),
        turn in 0u8..24,
        attack in proptest::collection::vec(proptest::collection::vec(0usize..34, 4), 120),
    ) {
        let new = match turn {
            0..8 => moved(&old, turn),
            8..14 => attack::mutated(&old, u64::from(turn)),
            14..20 if old["x-guiju"].get("rules").is_some() => {
                let mut new = old.clone();
                new["x-guiju"]["rules"] = other_rules(&old["x-guiju"]["rules"], turn - 14);
                new
            }
            _ => another,
        };
        let (Some(one), Some(other)) = (with_list(&old, MIXED_CODES), with_list(&new, MIXED_CODES)) else { return Ok(()) };
        let values: Vec<Value> = serde_json::from_str(
            r#"[0, 1, 2, 3, -1, 1.5, 1.0, 1e0, 10e-1, -0, "0", "1", "1.0", "01", "2", "10", "a", "ab", "b", "2026-01-01", "20260101",
                "2026-05-01", "2026-12-01", "", true, false, null, [1], [], {}, {"b": 1.0}, 9007199254740993, 1e500, "1e0"]"#,
        ).unwrap();
        let made = attack.iter().enumerate().map(|(turn, chosen)| {
            let each = ["a", "b", "c", "d"].iter().zip(chosen);
            let there = each.filter(|(name, at)| (*at * 7 + usize::from(name.as_bytes()[0])) % 5 != 0);
            let record: Value = there.map(|(name, at)| ((*name).to_owned(), values[*at].clone())).collect();
            attack::respelled(&record, turn)
        });
        let records: Vec<Value> = made.chain(attack::records([&old, &new], 60)).collect();
        let days = [None, Date::new(2026, 1, 15), Date::new(2026, 5, 1), Date::new(2026, 12, 1)];
        let budget = Budget { changes_max: 0, steps: 10_000, ..Budget::default() };
        held_on(&days, [(&old, &one), (&new, &other)], &budget, records.iter())?;
    }
}

#[tokio::test]
async fn a_number_that_is_too_small_is_refused_with_a_witness() {
    let server = Server::start();
    let mut client = grpc::published(&server).await;
    let narrower = grpc::SCHEMA.replace("8", "7");
    let asked = wire::CanPublishRequest { candidate: Some(grpc::submission("1.1.0", &narrower)) };
    let told = client.can_publish(asked).await.expect("an answer").into_inner();
    assert_eq!((told.is_allowed, told.required_version.as_str()), (false, "2.0.0"));

    let refusal = client.publish(grpc::submission("1.1.0", &narrower)).await.expect_err("it breaks");
    let details = tonic_types::pb::Status::decode(refusal.details()).expect("details");
    let verdict = details.details.iter().find(|detail| detail.type_url.ends_with("guiju.registry.v1.Verdict"));
    let verdict = wire::Verdict::decode(verdict.expect("the verdict").value.as_slice()).expect("a verdict");
    assert_eq!((verdict.bump(), verdict.changes[0].code.as_str()), (wire::Bump::Major, "length-narrowed"));
    let said = grpc::refused::<()>(Err(refusal), Code::FailedPrecondition, "BUMP_TOO_SMALL");
    assert!(said.contains("`bj.library/card` 1.1.0 breaks 1.0.0, so it must be 2.0.0 or higher"), "{said}");
    assert!(
        said.contains("higher: length-narrowed at `/properties/card/maxLength`, as {\"card\":\"aaaaaaaa\"} shows"),
        "{said}"
    );
    assert!(said.contains("conforms to bj.library/card@1.0.0 and not to bj.library/card@1.1.0"), "{said}");

    let receipt = client.publish(grpc::submission("2.0.0", &narrower)).await.expect("published").into_inner();
    assert_eq!(receipt.verdict.map(|verdict| verdict.bump()), Some(wire::Bump::Major));
    let wider = client.publish(grpc::submission("2.0.1", grpc::SCHEMA)).await;
    grpc::refused(wider, Code::FailedPrecondition, "BUMP_TOO_SMALL");
    client.publish(grpc::submission("2.1.0", grpc::SCHEMA)).await.expect("it only widens");
    let dry = wire::PublishRequest { dry_run: true, ..grpc::submission("3.0.0", grpc::SCHEMA) };
    let told = client.publish(dry).await.expect("more than is needed is allowed").into_inner();
    let warned = told.warnings_en.iter().any(|warning| warning.contains("2.1.1 would do"));
    assert!(warned, "{:?}", told.warnings_en);

    let asked = wire::CompareRequest { old: "bj.library/card@=2.1.0".into(), new: "bj.library/card@=1.0.0".into() };
    let verdict = client.compare(asked).await.expect("compared").into_inner().verdict.expect("a verdict");
    assert_eq!(verdict.bump(), wire::Bump::Patch);
    let asked = wire::CompareRequest { old: "bj.library/card@=9.0.0".into(), new: "bj.library/card".into() };
    grpc::refused(client.compare(asked).await, Code::NotFound, "UNKNOWN_VERSION");
}

/// Schemas that lead back to themselves, sent to a registry: it says what it can, and goes on.
#[tokio::test]
async fn a_schema_that_contains_itself_leaves_the_registry_standing() {
    let server = Server::start();
    let mut client = grpc::published(&server).await;
    let case = root().join("tests/cases/compat/contains-of-itself");
    let card = |which: &str| {
        let text = fs::read_to_string(case.join(format!("{which}.json"))).unwrap();
        let mut own: Value =
            serde_json::from_str(&text.replace("\"$ref\": \"#\"", "\"$ref\": \"#/properties/rows\"")).unwrap();
        let mut schema: Value = serde_json::from_str(grpc::SCHEMA).unwrap();
        schema["$defs"] = own["$defs"].take();
        ["$defs", "$schema"].iter().for_each(|name| drop(own.as_object_mut().map(|own| own.remove(*name))));
        own["title"] = json!("rows");
        own["x-guiju"] = json!({"titleZh": "行"});
        schema["properties"]["rows"] = own;
        schema.to_string()
    };
    client.publish(grpc::submission("1.1.0", &card("old"))).await.expect_err("who wrote other rows is refused");
    client.publish(grpc::submission("2.0.0", &card("old"))).await.expect("a major version may break");
    let asked = wire::CanPublishRequest { candidate: Some(grpc::submission("2.1.0", &card("new"))) };
    let told = client.can_publish(asked).await.expect("an answer").into_inner();
    assert!(!told.is_allowed, "what is undecided takes a major version");
    let refused = client.publish(grpc::submission("2.1.0", &card("new"))).await;
    grpc::refused(refused, Code::FailedPrecondition, "BUMP_TOO_SMALL");
    client.publish(grpc::submission("3.0.0", &card("new"))).await.expect("a major version may break");
    let asked = wire::GetVersionRequest { reference: "bj.library/card@=3.0.0".into() };
    client.get_version(asked).await.expect("it is up, and holds what it acknowledged");
}

/// A word in place of a proof is taken for what is undecided alone, and stands in what the registry tells of the version.
#[tokio::test]
async fn what_is_undecided_is_waived_on_record_and_what_is_shown_is_not() {
    let server = Server::start();
    let mut client = grpc::registry(&server).await;
    let card = |of: &str| grpc::SCHEMA.replace(r#""maxLength": 8"#, of);
    client.publish(grpc::submission("1.0.0", &card(r#""format": "email""#))).await.expect("published");
    let opaque = card(r#""pattern": "@""#);
    let waived = |version: &str, schema: &str, waive: &str| wire::PublishRequest {
        waive: waive.into(),
        operation_id: format!("waived-{version}-{}-{}", schema.len(), waive.len()),
        ..grpc::submission(version, schema)
    };
    let said =
        grpc::refused(client.publish(waived("1.1.0", &opaque, "")).await, Code::FailedPrecondition, "BUMP_TOO_SMALL");
    assert!(
        said.contains("format `email` at /properties/card/format; publish it as 2.0.0 or higher, or with a waiver"),
        "{said}"
    );
    for (waive, allowed) in [("", false), ("every address has one", true)] {
        let asked = wire::CanPublishRequest { candidate: Some(waived("1.1.0", &opaque, waive)) };
        let told = client.can_publish(asked).await.expect("an answer").into_inner();
        assert_eq!(told.is_allowed, allowed);
    }
    // It is wider besides, as a record shows: that counts as before.
    let small = client.publish(waived("1.0.1", &opaque, "every address has one")).await;
    let said = grpc::refused(small, Code::FailedPrecondition, "BUMP_TOO_SMALL");
    assert!(said.contains("accepts more than 1.0.0, so it must be 1.1.0 or higher"), "{said}");
    let shown = card(r#""pattern": "@", "maxLength": 3"#);
    let broken = client.publish(waived("1.1.0", &shown, "no address is longer")).await;
    let said = grpc::refused(broken, Code::FailedPrecondition, "BUMP_TOO_SMALL");
    assert!(said.contains("breaks 1.0.0, so it must be 2.0.0 or higher"), "{said}");
    let needless = client.publish(waived("2.0.0", &opaque, "to be sure")).await;
    grpc::refused(needless, Code::FailedPrecondition, "NOTHING_WAIVED");
    let long = client.publish(waived("1.1.0", &opaque, &"a".repeat(4097))).await;
    grpc::refused(long, Code::InvalidArgument, "MALFORMED_FIELD");

    let receipt = client.publish(waived("1.1.0", &opaque, "every address has one")).await.expect("waived").into_inner();
    let waiver = receipt.version.and_then(|version| version.waiver).expect("the waiver");
    assert_eq!((waiver.by.as_str(), waiver.reason.as_str()), ("open", "every address has one"));
    assert!(waiver.questions[0].contains("undecided-narrowed at `/properties/card"), "{:?}", waiver.questions);
    assert!(waiver.questions[0].contains("format `email` at /properties/card/format"), "{:?}", waiver.questions);
    let asked = wire::GetVersionRequest { reference: "bj.library/card@=1.1.0".into() };
    let told = client.get_version(asked).await.expect("it is there").into_inner().version.expect("a version");
    assert_eq!(told.waiver, Some(waiver));
    let asked = wire::GetVersionRequest { reference: "bj.library/card@=1.0.0".into() };
    assert_eq!(
        client.get_version(asked).await.expect("it is there").into_inner().version.expect("a version").waiver,
        None
    );

    // Of a profile, that it only narrows.
    let profile = |waive: &str| {
        let schema = opaque.replace(
            r#""x-guiju": {"vocabulary": "1"}"#,
            r#""x-guiju": {"vocabulary": "1", "profileOf": "bj.library/card@=1.0.0"}"#,
        );
        let mut request = waived("1.0.0", &schema, waive);
        request.operation_id = format!("profile-{}", waive.len());
        request.standard = "bj.branch/card".into();
        request.kind = wire::Kind::Profile.into();
        request.metadata_toml = grpc::METADATA.replace(r#"kind = "record""#, r#"kind = "profile""#);
        request.files[0].content = schema.replace(r#""pattern": "@""#, r#""pattern": "^[a-z]+@bj[.]cn$""#).into();
        request
    };
    let said = grpc::refused(client.publish(profile("")).await, Code::FailedPrecondition, "PROFILE_WIDENS");
    assert!(said.contains("or publish it with a waiver that says why it only narrows"), "{said}");
    let receipt = client.publish(profile("these are addresses")).await.expect("waived").into_inner();
    let waiver = receipt.version.and_then(|version| version.waiver).expect("the waiver");
    assert!(waiver.questions[0].starts_with("profile of bj.library/card@1.0.0: "), "{:?}", waiver.questions);
}

#[tokio::test]
async fn a_profile_narrows_and_hears_of_a_base_that_refuses_its_records() {
    let server = Server::start();
    let mut client = grpc::published(&server).await;
    let profile = |version: &str, own: &str| {
        let schema = format!(
            r#"{{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
                "x-guiju": {{"vocabulary": "1", "profileOf": "bj.library/card@^1", "allowOpen": "as its base"}}, {own}}}"#
        );
        let mut request = grpc::submission(version, &schema);
        request.standard = "bj.branch/card".into();
        request.kind = wire::Kind::Profile.into();
        request.metadata_toml = grpc::METADATA.replace(r#"kind = "record""#, r#"kind = "profile""#);
        request
    };
    let base = r#""$ref": "guiju:bj.library/card@1.0""#;
    let card = |length: u32| {
        format!(
            r#""properties": {{"card": {{"type": "string", "maxLength": {length}, "title": "number", "x-guiju": {{"titleZh": "证号"}}}}}}"#
        )
    };
    let wider = profile("1.0.0", &format!(r#""required": ["card"], {}"#, card(9)));
    let said = grpc::refused(client.publish(wider).await, Code::FailedPrecondition, "PROFILE_WIDENS");
    assert!(said.contains(r#"accepts what that refuses, as {"card":"aaaaaaaaa"} shows"#), "{said}");
    // It adds to its base, so it can only narrow, whatever it says.
    client.publish(profile("1.0.0", &format!("{base}, {}", card(9)))).await.expect("it narrows");
    client.publish(profile("1.1.0", &format!("{base}, {}", card(6)))).await.expect_err("it breaks its own records");
    client.publish(profile("2.0.0", &format!("{base}, {}", card(6)))).await.expect("it narrows");

    let narrower = |length: &str| grpc::SCHEMA.replace("8", length);
    let asked = wire::CanPublishRequest { candidate: Some(grpc::submission("2.0.0", &narrower("5"))) };
    let told = client.can_publish(asked).await.expect("an answer").into_inner();
    let affected = &told.affected_profiles[0];
    assert_eq!((affected.profile.as_str(), affected.base.as_str()), ("bj.branch/card@2.0.0", "bj.library/card@2.0.0"));
    let answer = affected.inclusion.as_ref().and_then(|inclusion| inclusion.answer.clone());
    let Some(wire::inclusion::Answer::Witness(witness)) = answer else { panic!("{answer:?}") };
    assert_eq!(witness.record, r#"{"card":"aaaaaa"}"#);
    let receipt = client.publish(grpc::submission("2.0.0", &narrower("7"))).await.expect("published").into_inner();
    assert_eq!(receipt.affected_profiles, Vec::new(), "all that the profile accepts is accepted");
    let receipt = client.publish(grpc::submission("3.0.0", &narrower("5"))).await.expect("published").into_inner();
    assert!(receipt.warnings_en.iter().any(|warning| warning.contains("bj.branch/card@2.0.0")), "{receipt:?}");
}

/// Under which reading an edit breaks whom.
#[test]
fn readings_are_transformations_with_a_name() {
    let side = |schema: Value, properties: Properties| bare(&schema, true).unwrap().read_as(properties).unwrap();
    let open = |names: &[&str]| {
        let typed: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).into(), json!({"type": "string"}))).collect();
        json!({"type": "object", "properties": {"deep": {"type": "object", "properties": typed}}})
    };
    let judged = |old: &[&str], new: &[&str], properties: Properties| {
        let (old, new) = (side(open(old), properties), side(open(new), properties));
        let verdict = compare(&old, &new, &Budget::default());
        if let Inclusion::NotIncluded(witness) = &verdict.old_in_new {
            assert!(old.writes(&witness.record, None) && !new.accepts(&witness.record, None));
        }
        if let Inclusion::NotIncluded(witness) = &verdict.new_in_old {
            assert!(new.writes(&witness.record, None) && !old.writes(&witness.record, None));
        }
        assert!(verdict.changes.iter().all(|change| change.witness.is_some()), "{:?}", verdict.changes);
        let codes: Vec<String> = verdict.changes.iter().map(|change| change.code.clone()).collect();
        (verdict.bump.unwrap(), codes.join(" "), verdict.reading.join(", "))
    };
    let told =
        |bump: Bump, codes: &str, reading: &str| (bump, codes.to_owned(), format!("{reading}, formats asserted"));
    let (strict, closed) = (Properties::Strict, Properties::ClosedWriter);
    assert_eq!(judged(&["a"], &["a", "b"], strict), told(Bump::Major, "field-added-narrowed", "strict"));
    assert_eq!(judged(&["a"], &["a", "b"], closed), told(Bump::Minor, "field-added-widened", "closed-writer"));
    assert_eq!(judged(&["a", "b"], &["a"], strict), told(Bump::Minor, "field-removed-widened", "strict"));
    // Whoever wrote it goes on to, and nobody refuses it.
    assert_eq!(judged(&["a", "b"], &["a"], closed), told(Bump::Patch, "", "closed-writer"));

    let constant = |version: &str| {
        let schema = json!({"type": "object", "properties": {"schema": {"const": format!("a/case@{version}")}}});
        let files = [("schema.json".to_owned(), schema.to_string().into_bytes())].into();
        let (standard, kind) = ("a/case".parse().unwrap(), Kind::Record);
        let package = Package { standard, version: version.parse().unwrap(), kind, files };
        Bundle::seal(&package, &EmptyCatalog).unwrap()
    };
    for (version_constants_pinned, bump) in [(true, Bump::Major), (false, Bump::Patch)] {
        let reading = Reading { version_constants_pinned, ..Reading::default() };
        let read = |version: &str| Side::read(&constant(version), &reading).unwrap();
        let verdict = compare(&read("1.0.0"), &read("1.0.1"), &Budget::default());
        assert_eq!(verdict.bump, Some(bump));
        assert_eq!(verdict.reading.len(), if version_constants_pinned { 2 } else { 3 });
    }
}
