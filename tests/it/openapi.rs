//! OpenAPI contracts: each case is a folder with two versions and what must be said of them.
//!
//! What a break is shown with is judged again by a small reader of requests and answers that knows nothing of the engine
//! (`openapi/reader.rs`), and what is said to break nobody is attacked with messages of all kinds. `openapi-spec-validator` and
//! `openapi-core`, which `tests/run` installs, must take and refuse the same documents and messages.

mod made; // contracts made at random, and messages to attack with
mod reader; // who takes a message, by the document alone

use crate::support::{expect_file, python, root};
use guiju_compat::{Budget, Bump, Inclusion, Side, Subject, Verdict, compare, pages};
use guiju_model::{Bundle, EmptyCatalog, Kind, Package, Properties, Reading};
use proptest::{prelude::*, test_runner::Config};
use semver::Version;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn side(name: &str, text: &[u8], reading: &Reading) -> Result<Side, String> {
    let files = [("openapi.yaml".to_owned(), text.to_vec())].into();
    let (standard, version) = ("a/case".parse().unwrap(), Version::new(1, 0, 0));
    let package = Package { standard, version, kind: Kind::Contract, files };
    let bundle = Bundle::seal(&package, &EmptyCatalog).map_err(|error| error.to_string())?;
    let mut side = Side::read(&bundle, reading).map_err(|error| error.to_string())?;
    side.name = name.into();
    Ok(side)
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/cases/compat-openapi")).unwrap().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn judged(folder: &Path) -> Verdict {
    let is_closed = folder.to_string_lossy().ends_with("closed-writer");
    let properties = if is_closed { Properties::ClosedWriter } else { Properties::Strict };
    let reading = Reading { properties, ..Reading::default() };
    let read = |which: &str| {
        let path = folder.join(format!("{which}.yaml"));
        side(which, &fs::read(&path).unwrap(), &reading).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    compare(&read("old"), &read("new"), &Budget::default())
}

#[test]
fn every_case_is_judged_as_written() {
    let mut told = BTreeSet::new();
    for folder in cases() {
        let verdict = judged(&folder);
        told.extend(verdict.changes.iter().map(|change| change.code.clone()));
        for change in verdict.changes.iter().filter(|change| change.bump == Some(Bump::Major)) {
            assert!(change.witness.is_some(), "{}: {} without a witness", folder.display(), change.code);
        }
        expect_file(&folder.join("expected.txt"), &said(&verdict));
    }
    let codes = pages().filter(|page| page.of == Subject::OpenApi).map(|page| page.code.clone());
    let without: Vec<String> = codes.filter(|code| !told.contains(code)).collect();
    assert!(without.is_empty(), "these codes have no case in tests/cases/compat-openapi: {without:?}");
}

fn said(verdict: &Verdict) -> String {
    let mut text = format!("bump: {}\n", verdict.bump.map_or("undecided", Bump::as_str));
    for change in &verdict.changes {
        let place = |place: &Option<String>| place.as_ref().map_or("-".to_owned(), |place| format!("#{place}"));
        let bump = change.bump.map_or("undecided", Bump::as_str);
        text += &format!("\n{} [{bump}] {} {}\n", change.code, place(&change.old_place), place(&change.new_place));
        text += &format!("  {}\n  {}\n", change.message.en, change.message.zh);
        if let Some(witness) = &change.witness {
            let codes: BTreeSet<&str> = witness.refused_for.iter().map(|finding| &*finding.code).collect();
            let why = if codes.is_empty() { String::new() } else { format!(", refused for {codes:?}") };
            text += &format!("  witness: {}{why}\n", witness.record);
        }
    }
    text
}

fn refused_documents() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/cases/openapi")).unwrap().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    found.sort();
    found
}

#[test]
fn what_is_no_contract_is_refused_with_its_place_and_what_to_do() {
    for path in refused_documents() {
        let refused = side("case", &fs::read(&path).unwrap(), &Reading::default()).err();
        let refused = refused.unwrap_or_else(|| panic!("{} is accepted", path.display()));
        expect_file(&path.with_extension("txt"), &format!("{refused}\n"));
    }
}

#[test]
fn others_take_and_refuse_the_same_documents() {
    let folder = root().join("tests/cases/openapi");
    let differs = fs::read_to_string(folder.join("not-by-others.txt")).unwrap();
    let differs: BTreeSet<&str> = differs.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    let refused = refused_documents();
    let taken: Vec<PathBuf> =
        cases().into_iter().flat_map(|folder| [folder.join("old.yaml"), folder.join("new.yaml")]).collect();
    let all: Vec<&PathBuf> = refused.iter().chain(&taken).collect();
    let questions: Vec<String> = all.iter().map(|path| path.display().to_string()).collect();
    let answers = theirs("openapi.py", &questions);
    for (path, theirs) in all.iter().zip(&answers) {
        let name = path.file_stem().unwrap().to_string_lossy();
        let is_taken = path.starts_with(root().join("tests/cases/compat-openapi")) || differs.contains(name.as_ref());
        assert_eq!(theirs == "ok", is_taken, "{}: {theirs}", path.display());
    }
}

/// What a program of others answers to each line.
fn theirs(oracle: &str, questions: &[String]) -> Vec<String> {
    let mut child = Command::new(python())
        .arg(root().join("tests/oracles").join(oracle))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let answers: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), questions.len(), "a library is missing: run `bash tests/run`");
    answers
}

/// What shows a break is read by `openapi-core`, too: one version takes it and the other does not. Who may ask is not its concern.
#[test]
fn others_take_and_refuse_the_same_messages() {
    let listed = fs::read_to_string(root().join("tests/cases/compat-openapi/not-by-others.txt")).unwrap();
    let listed: BTreeSet<&str> = listed.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    let (mut told, mut questions) = (Vec::new(), Vec::new());
    for folder in cases().iter().filter(|folder| !folder.to_string_lossy().ends_with("closed-writer")) {
        let changes = judged(folder).changes.into_iter().filter(|change| change.bump == Some(Bump::Major));
        for change in changes.filter(|change| !change.code.starts_with("security-")) {
            let message = change.witness.as_ref().unwrap().record.clone();
            if message.get("call").is_some() {
                continue;
            }
            let [from, to] = if message.get("status").is_some() { ["new", "old"] } else { ["old", "new"] };
            for which in [from, to] {
                let document = folder.join(format!("{which}.yaml"));
                questions.push(serde_json::json!({"document": document, "message": message}).to_string());
            }
            told.push((folder.file_name().unwrap().to_string_lossy().into_owned(), change.code, message));
        }
    }
    let answers = theirs("openapi_messages.py", &questions);
    let (mut differ, mut wrong) = (BTreeSet::new(), Vec::new());
    for ((case, code, message), theirs) in told.iter().zip(answers.chunks(2)) {
        if theirs[0] == "taken" && theirs[1] != "taken" {
            continue;
        }
        differ.insert(case.as_str());
        if !listed.contains(case.as_str()) {
            wrong.push(format!("{case}: {code} {message}\n  by the one: {}\n  by the other: {}", theirs[0], theirs[1]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(differ, listed, "not-by-others.txt names what they judge alike");
}

#[test]
fn hostile_documents_end_within_bounds() {
    const HEAD: &str = "openapi: 3.1.0\ninfo: {title: case, version: '1'}\n";
    let read = |text: &str| side("case", text.as_bytes(), &Reading::default());
    let many = |status: &str| {
        let each = (0..2_000).map(|at| format!("  /{at}: {{get: {{responses: {{{status}: {{description: d}}}}}}}}\n"));
        format!("{HEAD}paths:\n{}", each.collect::<String>())
    };
    let (old, new) = (read(&many("204")).unwrap(), read(&many("200")).unwrap());
    let verdict = compare(&old, &new, &Budget::default());
    assert_eq!((verdict.bump, verdict.changes.len()), (Some(Bump::Major), 4_000));

    // One shared part that 800 operations refer to: one question, one change.
    let shared = |least: u8| {
        let post = "post: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/A'}}}}}";
        let each: String = (0..800).map(|at| format!("  /{at}: {{{post}}}\n")).collect();
        format!("{HEAD}paths:\n{each}components: {{schemas: {{A: {{type: integer, minimum: {least}}}}}}}\n")
    };
    let verdict = compare(&read(&shared(0)).unwrap(), &read(&shared(1)).unwrap(), &Budget::default());
    assert_eq!(verdict.changes.len(), 1);
    assert!(verdict.changes[0].message.en.ends_with("and 799 more operations"), "{:?}", verdict.changes[0]);

    let mut bomb = format!("{HEAD}x-a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        bomb += &format!("x-a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "));
    }
    let chain: String =
        (0..5_000).map(|at| format!("    P{at}: {{$ref: '#/components/parameters/P{}'}}\n", at + 1)).collect();
    let nested = "{allOf: [".repeat(40) + "true" + &"]}".repeat(40);
    let doubled: String = (0..40)
        .map(|at| format!("    S{at}: {{anyOf: [{{$ref: '#/components/schemas/S{0}'}}, {{$ref: '#/components/schemas/S{0}'}}]}}\n", at + 1))
        .collect();
    for (text, said) in [
        (bomb, "more than 20000 values"),
        (format!("{HEAD}paths: {}{}", "[".repeat(5_000), "]".repeat(5_000)), "line 3"),
        (format!("{HEAD}{}", "x".repeat(300_000)), "at most 262144"),
        (format!("{HEAD}paths: {{}}\ncomponents:\n  parameters:\n{chain}"), "through more than 32 others"),
        (format!("{HEAD}paths: {{}}\ncomponents: {{schemas: {{A: {nested}}}}}\n"), "nested more than 64 deep"),
        (format!("{HEAD}paths: {{}}\ncomponents:\n  schemas:\n{doubled}    S40: true\n"), "schema-too-costly"),
    ] {
        let refused = read(&text).err().unwrap_or_else(|| panic!("taken, and not refused for {said}"));
        assert!(refused.contains(said), "{refused}");
    }
}

/// The paths of a document without parameters in them, by a name for each.
fn asked(document: &Value) -> Value {
    let mut document = document.clone();
    let items = std::mem::take(document["paths"].as_object_mut().expect("paths"));
    let flat = items.into_iter().map(|(path, mut item)| {
        for operation in item.as_object_mut().expect("an item").values_mut() {
            let in_path = |parameter: &Value| parameter["in"] == "path";
            operation["parameters"]
                .as_array_mut()
                .into_iter()
                .for_each(|all| all.retain(|parameter| !in_path(parameter)));
        }
        (path.replace(['{', '}'], ""), item)
    });
    document["paths"] = Value::Object(flat.collect());
    document
}

/// The same as webhooks.
fn called(document: &Value) -> Value {
    let mut document = asked(document);
    document["webhooks"] = document["paths"].take();
    document["paths"] = serde_json::json!({});
    document
}

/// Of lists in a query and what they are written as, not all is decided.
fn has_lists(old: &made::Api, new: &made::Api) -> bool {
    old.has_lists() || new.has_lists()
}

/// How many pairs are tried; a longer soak sets it higher.
fn pairs() -> u32 {
    std::env::var("GUIJU_OPENAPI_PAIRS").ok().and_then(|count| count.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(Config { cases: pairs(), failure_persistence: None, ..Config::default() })]

    /// Webhooks are operations with the sides exchanged: what asks of them is what answered, and the other way round.
    #[test]
    fn webhooks_are_judged_as_operations_with_the_sides_exchanged(old in made::api(), changes in proptest::collection::vec(made::change(), 1..3)) {
        let new = changes.into_iter().fold(old.clone(), |api, change| change.made_to(api));
        let read = |document: &Value| side("case", document.to_string().as_bytes(), &Reading::default()).unwrap();
        let turned = compare(&read(&called(&old.document())), &read(&called(&new.document())), &Budget::default());
        let straight = compare(&read(&asked(&new.document())), &read(&asked(&old.document())), &Budget::default());
        for change in turned.changes.iter().filter(|change| change.bump == Some(Bump::Major)) {
            let record = &change.witness.as_ref().expect("a break is shown").record;
            prop_assert!(record.get("call").is_some(), "{record}");
        }
        // Who is called passes over what it does not know, and takes no notice of what its caller would like to hear.
        let only_here = ["operation-removed", "parameter-removed", "parameter-moved", "request-body-removed", "response-media-type-removed"];
        let only_there = ["webhook-removed", "webhook-untold", "webhook-answer-media-type-removed"];
        // What moves is one change there, and what is waited for and what comes are two here.
        prop_assume!(!straight.changes.iter().any(|change| change.code == "parameter-moved"));
        let breaks = |verdict: &Verdict, but: &[&str]| {
            verdict.changes.iter().filter(|change| change.bump == Some(Bump::Major) && !but.contains(&change.code.as_str())).count()
        };
        let told = format!("{:?}\n{:?}\nold {}\nnew {}", turned.changes, straight.changes, old.document(), new.document());
        let is_decided = |verdict: &Verdict| !matches!(verdict.old_in_new, Inclusion::Undecided(_));
        prop_assert!(is_decided(&turned) || has_lists(&old, &new), "{told}");
        prop_assume!(is_decided(&turned) && is_decided(&straight));
        prop_assert_eq!(breaks(&turned, &only_there) > 0, breaks(&straight, &only_here) > 0, "{}", told);
    }

    #[test]
    fn breaks_are_shown_and_nothing_escapes(old in made::api(), changes in proptest::collection::vec(made::change(), 1..3), seed in any::<u64>()) {
        let new = changes.into_iter().fold(old.clone(), |api, change| change.made_to(api));
        let lists = has_lists(&old, &new);
        let (old, new) = (old.document(), new.document());
        let read = |name: &str, document: &Value| side(name, document.to_string().as_bytes(), &Reading::default());
        let (one, other) = (read("old", &old).unwrap(), read("new", &new).unwrap());
        let verdict = compare(&one, &other, &Budget::default());
        let (takes, tells) = (reader::Reader::of(&old), reader::Reader::of(&new));
        for change in verdict.changes.iter().filter(|change| change.bump == Some(Bump::Major)) {
            let record = &change.witness.as_ref().expect("a break is shown").record;
            let told = format!("{} {record}\nold {old}\nnew {new}", change.code);
            match record.get("status") {
                Some(_) => prop_assert!(tells.tells(record) && !takes.tells(record), "{told}"),
                // What is written otherwise may be taken, for something else.
                None if change.code == "parameter-style-changed" && tells.takes(record) => {
                    let (meant, read) = (takes.reads(record, "limit"), tells.reads(record, "limit"));
                    prop_assert!(takes.takes(record) && meant.iter().any(|value| !read.contains(value)), "{told}");
                }
                None => prop_assert!(takes.takes(record) && !tells.takes(record), "{told}"),
            }
        }
        let breaks = matches!(verdict.old_in_new, Inclusion::NotIncluded(_));
        let is_undecided = matches!(verdict.old_in_new, Inclusion::Undecided(_));
        prop_assert!(!is_undecided || lists, "{:?}\nold {old}\nnew {new}", verdict.old_in_new);
        for message in made::messages(seed) {
            let escapes = match message.get("status") {
                // Only what the old version offers is asked, and only what the new one tells of is sent.
                Some(_) => takes.offers(&message) && tells.declares(&message) && tells.tells(&message) && !takes.tells(&message),
                None => takes.takes(&message) && !tells.takes(&message),
            };
            prop_assert!(breaks || is_undecided || !escapes, "{message} escapes\nold {old}\nnew {new}");
        }
    }
}
