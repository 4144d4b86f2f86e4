//! The shipped standards: every version of `standards/` compiles, and its examples give the verdicts that they announce.
//!
//! `UPDATE_EXPECT=1` rewrites the `*.findings.txt` that differ, comments kept; the diff is what is reviewed.

use crate::support::{expect_file, root};
use guiju_model::{Bundle, Catalog, Content, Digest, Kind, Metadata, Package, Severity, StandardId, links};
use guiju_validator::{ExampleFault, Lint, judge_examples, lint, openapi::Api};
use semver::Version;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

#[test]
fn every_example_gives_the_verdict_it_announces() {
    let mut wrong = Vec::new();
    for (package, bundle) in &SHELF.versions {
        match judge_examples(bundle, package) {
            Err(error) => wrong.push(error.to_string()),
            Ok(faults) => wrong.extend(faults.into_iter().filter_map(|fault| settled(package, fault))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn authors_have_nothing_to_mend() {
    let mut wrong = Vec::new();
    for (package, bundle) in &SHELF.versions {
        let lints = lint(package, &SHELF.metadata[&package.standard], bundle);
        let stands = |lint: &&Lint| !EXCUSED.contains(&(&package.standard.to_string(), lint.code));
        let lints = lints.iter().filter(|lint| lint.severity != Severity::Info).filter(stands);
        wrong.extend(lints.map(|lint| format!("{}: {lint}", named(package))));
    }
    assert!(wrong.is_empty(), "{} lints:\n{}", wrong.len(), wrong.join("\n"));
}

/// Old currencies of the list have no Chinese name in any source that we may use.
const EXCUSED: [(&str, &str); 1] = [("cn.gb/gbt-12406", "name-zh-missing")];

/// An owner learns a standard from its examples: good ones, and the mistakes that agencies make.
#[test]
fn every_record_shows_conforming_and_failing_examples() {
    let few: Vec<String> = SHELF
        .versions
        .iter()
        .filter(|(package, _)| matches!(package.kind, Kind::Record | Kind::Profile | Kind::Elements))
        .filter(|(package, _)| {
            count(package, "examples/conforming/", ".json") < 2 || count(package, "examples/failing/", ".json") < 4
        })
        .map(|(package, _)| named(package))
        .collect();
    assert!(few.is_empty(), "fewer than 2 conforming or 4 failing examples: {}", few.join(", "));
}

#[test]
fn every_code_list_shows_both_kinds_of_examples() {
    for (package, _) in SHELF.versions.iter().filter(|(package, _)| package.kind == Kind::CodeList) {
        for folder in ["examples/conforming/", "examples/failing/"] {
            assert!(count(package, folder, ".json") > 0, "{}: no {folder}", named(package));
        }
    }
}

/// Whoever holds a version is told what the next one changed.
#[test]
fn every_later_version_says_what_it_changed() {
    let of = |standard: &StandardId| {
        let own = SHELF.versions.iter().filter(|(package, _)| package.standard == *standard);
        own.map(|(package, _)| package.version.clone()).collect::<BTreeSet<Version>>()
    };
    for (standard, metadata) in &SHELF.metadata {
        let later: Vec<Version> = of(standard).into_iter().skip(1).collect();
        let told: Vec<Version> = metadata.changes.keys().cloned().collect();
        assert_eq!(told, later, "{standard}: `changes` of standard.toml against its later versions");
    }
}

/// Each mistake that an example shows names what it is about, so that the page of findings can be read alone.
#[test]
fn every_failing_record_says_in_words_what_is_wrong() {
    let mut silent = Vec::new();
    for (package, _) in SHELF.versions.iter().filter(|(package, _)| package.kind != Kind::CodeList) {
        let pages = package.files.iter().filter(|(name, _)| name.ends_with(".findings.txt"));
        silent.extend(
            pages.filter(|(_, text)| !text.starts_with(b"# ")).map(|(name, _)| format!("{} {name}", named(package))),
        );
    }
    assert!(silent.is_empty(), "no comment at the top: {}", silent.join(", "));
}

#[test]
fn the_city_has_its_records_and_a_history() {
    let held: BTreeMap<String, usize> = SHELF.versions.iter().fold(BTreeMap::new(), |mut held, (package, _)| {
        *held.entry(package.standard.to_string()).or_default() += 1;
        held
    });
    let missing: Vec<&str> = RECORDS.into_iter().filter(|name| !held.contains_key(*name)).collect();
    assert!(missing.is_empty(), "not in standards/: {}", missing.join(", "));
    let with_history = RECORDS.into_iter().filter(|name| held[*name] >= 2).count();
    assert!(with_history >= 2, "{with_history} records show a history");
}

const RECORDS: [&str; 22] = [
    "bj.catalog/negative",
    "bj.catalog/resource",
    "bj.catalog/system",
    "bj.common/types",
    "bj.geo/address",
    "bj.geo/feature",
    "bj.haidian/person",
    "bj.house/building",
    "bj.house/house",
    "bj.legal/entity",
    "bj.macro/indicator",
    "bj.macro/observation",
    "bj.population/person",
    "bj.power/meter",
    "bj.power/meter-reading",
    "bj.service/item",
    "bj.service/license",
    "bj.transport/stop",
    "bj.transport/trip",
    "bj.transport/vehicle",
    "bj.water/meter",
    "bj.water/meter-reading",
];

#[test]
fn the_page_of_standards_is_up_to_date() {
    let newest: BTreeMap<&StandardId, &Package> =
        SHELF.versions.iter().map(|(package, _)| (&package.standard, package)).collect();
    let (lists, others): (Vec<_>, Vec<_>) =
        newest.into_values().partition(|package| matches!(package.kind, Kind::CodeList));
    let (contracts, records): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|package| matches!(package.kind, Kind::Contract));
    let mut page = format!(
        "# The standards that ship\n\n{} record standards, {} contract and {} code lists, {} versions in all. `guiju list` lists them, \
         `guiju show NAME` shows fields, codes and who answers for one.\nMade of `standards/`; `UPDATE_EXPECT=1 cargo test \
         -p guiju-tests standards` writes it.\n\nShare classes: 1 unconditional, 2 on conditions, 3 not shared. Levels: S1 open, \
         S2 government-internal, S3 personal or confidential, S4 sensitive personal.\n",
        records.len(),
        contracts.len(),
        lists.len(),
        SHELF.versions.len()
    );
    page += "\n## Records\n\n| standard | title | fields | share class, level | versions | follows |\n|---|---|---|---|---|---|\n";
    records.iter().for_each(|package| page += &row(package, fields(package)));
    page += "\n## Contracts\n\n| contract | title | operations | share class, level | versions | follows |\n|---|---|---|---|---|---|\n";
    contracts.iter().for_each(|package| page += &row(package, operations(package)));
    page += "\n## Code lists\n\n| code list | title | codes | share class, level | versions | follows |\n|---|---|---|---|---|---|\n";
    lists.iter().for_each(|package| page += &row(package, codes(package)));
    page += "\n## Sources and doubts\n\nWhere the facts come from, and what an owner must confirm before relying on them.\n";
    if SHELF.metadata.values().all(|metadata| metadata.owner_code.is_none()) {
        page += "\nNo standard here names its owner by unified social credit code (`owner_code`): the owners are named by what \
                 they do, and no public source that we could read gives the codes of the agencies. Each owner adds its own.\n";
    }
    records.iter().chain(&contracts).chain(&lists).for_each(|package| page += &confirmations(package));
    expect_file(&root().join("docs/reference/standards.md"), &page);
}

fn row(newest: &Package, size: usize) -> String {
    let metadata = &SHELF.metadata[&newest.standard];
    let of = SHELF.versions.iter().filter(|(package, _)| package.standard == newest.standard);
    let versions: Vec<String> = of.map(|(package, _)| package.version.to_string()).collect();
    let follows = if metadata.basis.is_empty() { "the city's own".into() } else { metadata.basis.join(", ") };
    format!(
        "| `{}` | {} · {} | {size} | {}, {} | {} | {follows} |\n",
        newest.standard,
        metadata.title_en,
        metadata.title_zh,
        metadata.share_class.as_str(),
        metadata.security_level.as_str(),
        versions.join(", ")
    )
}

fn fields(package: &Package) -> usize {
    let schema: serde_json::Value = serde_json::from_slice(&package.files["schema.json"]).expect("it compiles");
    schema["properties"].as_object().map_or(0, |properties| properties.len())
}

fn operations(package: &Package) -> usize {
    let (_, bundle) = SHELF.versions.iter().find(|(own, _)| own == package).expect("it is sealed");
    Api::read(bundle).expect("it compiles").map_or(0, |api| api.operations.len())
}

fn codes(package: &Package) -> usize {
    csv::Reader::from_reader(&*package.files["codes.csv"]).records().count()
}

fn confirmations(package: &Package) -> String {
    let metadata = &SHELF.metadata[&package.standard];
    let mut text = format!("\n### {}\n\n", package.standard);
    rules_between(package).into_iter().for_each(|line| text += &line);
    metadata.sources.iter().for_each(|source| text += &format!("- Source: {source}\n"));
    metadata.doubts.iter().for_each(|doubt| text += &format!("- Doubt: {doubt}\n"));
    metadata
        .changes
        .iter()
        .rev()
        .for_each(|(version, told)| text += &format!("- {version}: {} {}\n", told.en, told.zh));
    text
}

/// What holds between records, so that an owner sees what is judged where data sets are checked together.
fn rules_between(package: &Package) -> Option<String> {
    let schema: serde_json::Value = serde_json::from_slice(package.files.get("schema.json")?).expect("it compiles");
    let of = |name: &str| schema["x-guiju"][name].as_array().cloned().unwrap_or_default();
    let told = |rule: &serde_json::Value| format!("`{}`", rule["id"].as_str().unwrap_or_default());
    let to = |rule: &serde_json::Value| format!("{} → `{}`", told(rule), rule["to"].as_str().unwrap_or_default());
    let references: Vec<String> = of("references").iter().map(to).collect();
    let rules: Vec<String> = of("dataset").iter().map(told).collect();
    let mut line = String::new();
    if !references.is_empty() {
        line += &format!("- Refers to: {}\n", references.join(", "));
    }
    if !rules.is_empty() {
        line += &format!("- Rules between records: {}\n", rules.join(", "));
    }
    Some(line)
}

static SHELF: LazyLock<Shelf> = LazyLock::new(|| Shelf::open(&root().join("standards")));

/// `standards/`, sealed.
#[derive(Default)]
struct Shelf {
    contents: BTreeMap<Digest, Content>,
    versions: Vec<(Package, Bundle)>,
    metadata: BTreeMap<StandardId, Metadata>,
}

impl Catalog for Shelf {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let of = self.contents.iter().filter(|(_, content)| content.manifest.standard == *standard);
        of.map(|(digest, content)| (content.manifest.version.clone(), *digest)).collect()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.contents.get(digest).cloned()
    }

    fn near(&self, _: &StandardId) -> Vec<StandardId> {
        Vec::new()
    }
}

impl Shelf {
    /// In rounds: each time those versions that refer only to standards already there as a whole.
    fn open(folder: &Path) -> Self {
        let mut shelf = Self::default();
        let mut waiting = shelf.packages(folder);
        while !waiting.is_empty() {
            let names: BTreeSet<StandardId> = waiting.iter().map(|package| package.standard.clone()).collect();
            let (later, ready): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|package| waits(package, &names));
            assert!(!ready.is_empty(), "these refer to each other: {:?}", later.iter().map(named).collect::<Vec<_>>());
            for package in ready {
                let bundle =
                    Bundle::seal(&package, &shelf).unwrap_or_else(|error| panic!("{}: {error}", named(&package)));
                shelf.contents.insert(bundle.digest(), bundle.root().clone());
                shelf.versions.push((package, bundle));
            }
            waiting = later;
        }
        shelf.versions.sort_by_key(|(package, _)| (package.standard.clone(), package.version.clone()));
        shelf
    }

    fn packages(&mut self, folder: &Path) -> Vec<Package> {
        let mut packages = Vec::new();
        for home in children(folder).iter().flat_map(|namespace| children(namespace)) {
            let name = home.strip_prefix(folder).expect("below it").to_string_lossy().replace('\\', "/");
            let standard: StandardId = name.parse().unwrap_or_else(|error| panic!("standards/{name}: {error}"));
            let toml = fs::read_to_string(home.join("standard.toml")).unwrap_or_else(|error| panic!("{name}: {error}"));
            let metadata = Metadata::from_toml(&standard, &toml).unwrap_or_else(|error| panic!("{error}"));
            self.metadata.insert(standard.clone(), metadata.clone());
            for version in children(&home) {
                let number = version.file_name().expect("a folder has a name").to_string_lossy();
                let version_number =
                    number.parse().unwrap_or_else(|error| panic!("standards/{name}/{number}: {error}"));
                let mut files = BTreeMap::new();
                gather(&version, &version, &mut files);
                packages.push(Package {
                    standard: standard.clone(),
                    version: version_number,
                    kind: metadata.kind,
                    files,
                });
            }
        }
        packages
    }
}

fn waits(package: &Package, names: &BTreeSet<StandardId>) -> bool {
    let document = package.document().ok().flatten().unwrap_or_default();
    let links = links(package.kind, document).unwrap_or_else(|error| panic!("{}: {error}", named(package)));
    links.iter().any(|link| names.contains(link.reference.standard()) && *link.reference.standard() != package.standard)
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn gather(top: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("it was listed").flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(top, &path, files);
        } else {
            let name = path.strip_prefix(top).expect("below it").to_string_lossy().replace('\\', "/");
            files.insert(name, fs::read(&path).expect("it was listed"));
        }
    }
}

fn named(package: &Package) -> String {
    format!("{} {}", package.standard, package.version)
}

fn count(package: &Package, prefix: &str, suffix: &str) -> usize {
    package.files.keys().filter(|name| name.starts_with(prefix) && name.ends_with(suffix)).count()
}

/// None where the page of findings could be, and was to be, rewritten.
fn settled(package: &Package, fault: ExampleFault) -> Option<String> {
    let told = format!("{}: {fault}", named(package));
    let page = fault.file.trim_end_matches(".json").trim_end_matches(".findings.txt").to_owned() + ".findings.txt";
    match &fault.found {
        Some(found) if std::env::var_os("UPDATE_EXPECT").is_some() && page.starts_with("examples/failing/") => {
            let old = package.files.get(&page).map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
            let comments: String =
                old.lines().filter(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
            let home = root().join("standards").join(package.standard.to_string()).join(package.version.to_string());
            fs::write(home.join(page), comments + found).expect("the folder is ours");
            found.lines().all(|line| !line.starts_with("error ")).then_some(told)
        }
        _ => Some(told),
    }
}
