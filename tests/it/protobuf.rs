//! Protobuf contracts: each case is a folder with the `.proto` files of two versions and what must be said of them.
//!
//! `buf` itself, which `tests/run` installs, must name the same rules for each case. Each message that is shown is read by protobuf's own
//! reader (`tests/oracles/protobuf.py`), with descriptors that `buf` made, and must be seen as is said.

use crate::support::{expect_file, python, root};
use guiju_compat::{Budget, Bump, Side, Verdict, compare, page, pages};
use guiju_model::{Bundle, EmptyCatalog, Kind, Package};
use semver::Version;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn contract(files: BTreeMap<String, Vec<u8>>) -> Bundle {
    let (standard, version) = ("a/case".parse().unwrap(), Version::new(1, 0, 0));
    Bundle::seal(&Package { standard, version, kind: Kind::Contract, files }, &EmptyCatalog).unwrap()
}

fn side(folder: &Path, which: &str) -> Side {
    let files = fs::read_dir(folder.join(which)).unwrap().flatten();
    let files = files.map(|file| (file.file_name().to_string_lossy().into_owned(), fs::read(file.path()).unwrap()));
    let mut side =
        Side::new(&contract(files.collect()), true).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    side.name = which.into();
    side
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/cases/compat-protobuf")).unwrap().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn judged(folder: &Path) -> Verdict {
    compare(&side(folder, "old"), &side(folder, "new"), &Budget::default())
}

#[test]
fn every_case_is_judged_as_written() {
    let mut told = BTreeSet::new();
    for folder in cases() {
        let verdict = judged(&folder);
        told.extend(verdict.changes.iter().map(|change| change.code.clone()));
        expect_file(&folder.join("expected.txt"), &said(&verdict));
    }
    let rules = pages().filter(|page| !page.categories.is_empty()).map(|page| page.code.clone());
    let without: Vec<String> = rules.filter(|rule| !told.contains(rule)).collect();
    assert!(without.is_empty(), "these rules have no case in tests/cases/compat-protobuf: {without:?}");
}

fn said(verdict: &Verdict) -> String {
    let mut text = format!("bump: {}\n", verdict.bump.map_or("undecided", Bump::as_str));
    for change in &verdict.changes {
        let place = |place: &Option<String>| place.clone().unwrap_or_else(|| "-".into());
        let bump = change.bump.map_or("undecided", Bump::as_str);
        text += &format!("\n{} [{bump}] {} {}\n", change.code, place(&change.old_place), place(&change.new_place));
        text += &format!("  {}\n  {}\n", change.message.en, change.message.zh);
        if let Some(witness) = &change.witness {
            text += &format!("  witness: {}\n", witness.record);
        }
    }
    text
}

#[test]
fn buf_names_the_same_rules() {
    let program = root().join("target/buf/node_modules/.bin/buf");
    assert!(program.exists(), "{} is missing; `tests/run` installs it", program.display());
    let setting = r#"{"version": "v2", "breaking": {"use": ["FILE", "PACKAGE", "WIRE_JSON", "WIRE"]}}"#;
    for folder in cases() {
        let mut command = Command::new(&program);
        command.args(["breaking", "--against", "../old", "--error-format", "json", "--config", setting]);
        let output = command.current_dir(folder.join("new")).output().unwrap();
        let (text, fault) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(fault.is_empty(), "{}: {fault}", folder.display());
        let found = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let theirs: BTreeSet<String> = found.map(|found| found["type"].as_str().unwrap().to_owned()).collect();
        // Where buf says nothing, `not-by-buf.txt` says why.
        let differs = fs::read_to_string(folder.join("not-by-buf.txt")).unwrap_or_default();
        let differs: BTreeSet<&str> = differs.lines().filter(|line| !line.starts_with('#')).collect();
        // Of what a version has besides buf says nothing.
        let ours = judged(&folder).changes.into_iter().map(|change| change.code);
        let ours = ours.filter(|rule| !differs.contains(rule.as_str()) && !rule.starts_with("proto-"));
        let ours: BTreeSet<String> = ours.collect();
        assert_eq!(ours, theirs, "{}: ours and those of buf", folder.display());
    }
}

#[test]
fn protobuf_sees_in_each_message_what_is_said() {
    let (buf, home) = (root().join("target/buf/node_modules/.bin/buf"), tempfile::tempdir().unwrap());
    let (mut asked, mut about) = (String::new(), Vec::new());
    for folder in cases() {
        let verdict = judged(&folder);
        let shown = [&verdict.old_in_new, &verdict.new_in_old].into_iter().filter_map(|inclusion| inclusion.witness());
        let shown = shown.chain(verdict.changes.iter().filter_map(|change| change.witness.as_ref()));
        let records: BTreeSet<String> = shown.map(|witness| witness.record.to_string()).collect();
        if records.is_empty() {
            continue;
        }
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let [old, new] = ["old", "new"].map(|which| {
            let made = home.path().join(format!("{name}.{which}.binpb"));
            let output = Command::new(&buf).arg("build").arg(folder.join(which)).arg("-o").arg(&made).output().unwrap();
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            made
        });
        for record in records {
            let record: Value = serde_json::from_str(&record).unwrap();
            asked += &format!("{}\n", serde_json::json!({"old": old, "new": new, "record": record}));
            about.push(format!("{name}: {record}"));
        }
    }
    let mut program = Command::new(python());
    program.arg(root().join("tests/oracles/protobuf.py"));
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = program.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(asked.as_bytes()).unwrap());
    let output = program.wait_with_output().unwrap();
    writer.join().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), about.len(), "the reader stopped");
    let wrong = about.iter().zip(answers).filter(|(_, answer)| *answer != "ok");
    let wrong: Vec<String> = wrong.map(|(about, answer)| format!("{about}\n  {answer}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_categories_are_those_of_buf() {
    let program = root().join("target/buf/node_modules/.bin/buf");
    let output = Command::new(program).args(["config", "ls-breaking-rules", "--format", "json"]).output().unwrap();
    let mut count = 0;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let rule: Value = serde_json::from_str(line).unwrap();
        let ours = page(rule["id"].as_str().unwrap()).unwrap_or_else(|| panic!("no page for {rule}"));
        let theirs: BTreeSet<&str> = rule["categories"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let theirs: BTreeSet<&str> = theirs.into_iter().filter(|category| *category != "CSR").collect();
        assert_eq!(ours.categories.iter().map(String::as_str).collect::<BTreeSet<_>>(), theirs, "{rule}");
        count += 1;
    }
    assert_eq!(count, pages().filter(|page| !page.categories.is_empty()).count());
}

#[test]
fn what_does_not_parse_is_refused_with_its_place() {
    let cases = [
        ("a.proto", "syntax = \"proto3\";\nmessage A {\n  strin name = 1;\n}\n", "a.proto:3:3"),
        ("a.proto", "syntax = \"proto3\";\nmessage A {\n  string name = 1\n}\n", "a.proto:4:1"),
        ("a.proto", "syntax = \"proto3\";\nimport \"b.proto\";\n", "a.proto:2:"),
        (
            "a.proto",
            "// of\n/* ours */ edition = \"2023\";\nmessage A {}\n",
            "a.proto:2:12: editions are not supported yet",
        ),
        ("breaking.toml", "category = \"NONE\"\n", "WIRE_JSON"),
    ];
    let deep = "message A {\n".repeat(5_000);
    let deep = [("a.proto", deep.as_str(), "nests deeper than 100")];
    for (name, text, place) in cases.into_iter().chain(deep) {
        let mut files = BTreeMap::from([("z.proto".to_owned(), b"syntax = \"proto3\";\n".to_vec())]);
        files.insert(name.to_owned(), text.as_bytes().to_vec());
        let error = Side::new(&contract(files), true).err().unwrap_or_else(|| panic!("{text} is accepted"));
        let said = &error.faults[0].message;
        assert!(error.faults[0].pointer == name && said.contains(place) && said.contains("; "), "{said}");
    }
}
