//! Versions against versions: each case is a folder with two versions and what must be said of them.
//!
//! What is said is held against records besides: a witness is checked by both validators, and whatever is said to lie inside
//! is attacked with records made of both sides.

use crate::{
    grpc,
    support::{Server, expect_file, root},
};
use guiju_compat::{Budget, Bump, Fit, Inclusion, Side, Subject, UNCHECKED, Verdict, compare, page, pages};
use guiju_model::{Bundle, Catalog, Content, Date, Digest, Kind, Package, Properties, Reading, StandardId};
use guiju_proto::registry as wire;
use proptest::{prelude::*, test_runner::Config};
use prost::Message;
use semver::Version;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use tonic::Code;

/// No standards but those at hand.
struct Nothing;

impl Catalog for Nothing {
    fn versions(&self, _: &StandardId) -> Vec<(Version, Digest)> {
        Vec::new()
    }

    fn content(&self, _: &Digest) -> Option<Content> {
        None
    }

    fn near(&self, _: &StandardId) -> Vec<StandardId> {
        Vec::new()
    }
}

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
    let catalog: &dyn Catalog = list.as_ref().map_or(&Nothing, |list| list);
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
            Inclusion::Undecided(why) => assert!(!why.starts_with(UNCHECKED), "{} in {}: {why}", from.name, to.name),
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
         call, ask for a major version, the others for a minor one. Those of operations, parameters, requests, responses and security \
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

/// Schemas as real ones are, from the shipped standards: fields, formats and patterns, without what refers elsewhere.
pub fn real() -> Vec<Value> {
    fn walk(folder: &Path, found: &mut Vec<Value>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.ends_with("schema.json") {
                let mut schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                // A profile is what it narrows, and that stands elsewhere.
                if schema["x-guiju"].get("profileOf").is_none() {
                    plain(&mut schema);
                    found.push(schema);
                }
            }
        }
    }
    fn plain(value: &mut Value) {
        match value {
            Value::Object(members) => {
                let elsewhere = members.get("$ref").and_then(Value::as_str).is_some_and(|to| !to.starts_with('#'));
                if elsewhere {
                    members.insert("$ref".into(), json!("#/$defs/Elsewhere"));
                }
                members.remove("x-guiju");
                members.values_mut().for_each(plain);
            }
            Value::Array(items) => items.iter_mut().for_each(plain),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(&root().join("standards"), &mut found);
    for schema in &mut found {
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

/// How many random pairs: `GUIJU_SOAK` says how many times as many as always.
fn cases(always: u32) -> u32 {
    let times = std::env::var("GUIJU_SOAK").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    always * times
}

fn schemas() -> impl Strategy<Value = Value> {
    let number = || (-3i64..6).prop_map(Value::from);
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
        prop_oneof![Just(json!(2)), Just(json!(0.5)), Just(json!(3))].prop_map(|of| json!({"multipleOf": of})),
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
        Just(json!(1.0)),
        Just(json!(2.25)),
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
}

proptest! {
    #![proptest_config(Config { cases: cases(60), max_shrink_iters: 500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn nothing_escapes_what_is_said_to_lie_inside(
        old in schemas(),
        new in schemas(),
        attack in proptest::collection::vec(values(), 30)
    ) {
        let (Some(one), Some(other)) = (bare(&old, false), bare(&new, false)) else { return Ok(()) };
        let budget = Budget { steps: 5_000, changes_max: 0, ..Budget::default() };
        let verdict = compare(&one, &other, &budget);
        for (inclusion, from, to) in [(&verdict.old_in_new, &one, &other), (&verdict.new_in_old, &other, &one)] {
            match inclusion {
                Inclusion::Included(proof) => {
                    prop_assert!(proof.replay().is_ok(), "{:?}", proof.replay());
                    for record in &attack {
                        prop_assert!(!from.accepts(record, None) || to.accepts(record, None), "{record} escapes");
                    }
                }
                Inclusion::NotIncluded(witness) => {
                    prop_assert!(from.accepts(&witness.record, None) && !to.accepts(&witness.record, None));
                }
                Inclusion::Undecided(why) => prop_assert!(!why.starts_with(UNCHECKED), "{why}"),
            }
        }
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
    Side::new(&Bundle::seal(&package, &Nothing).ok()?, true).ok()
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
        Bundle::seal(&package, &Nothing).unwrap()
    };
    for (version_constants_pinned, bump) in [(true, Bump::Major), (false, Bump::Patch)] {
        let reading = Reading { version_constants_pinned, ..Reading::default() };
        let read = |version: &str| Side::read(&constant(version), &reading).unwrap();
        let verdict = compare(&read("1.0.0"), &read("1.0.1"), &Budget::default());
        assert_eq!(verdict.bump, Some(bump));
        assert_eq!(verdict.reading.len(), if version_constants_pinned { 2 } else { 3 });
    }
}
