//! What an author should mend before a version is published, beyond what keeps it from compiling.
//!
//! # Invariants
//! - A lint is about the standard, never about a record. Errors keep a version from being published; warnings do not.
//! - What [`crate::Validator::compile`] refuses is not said again here.
//! - In the order of the files, and within a file of the document.

mod code_list; // rows, parents, successors, words
mod contract; // operations, paths, answers
mod documents; // following references through a bundle
mod rules; // code, severity, wording
mod schema; // fields, objects, names
mod words; // the names inside `x-guiju`

use crate::{dataset::DataSetRules, openapi::Api};
use documents::Documents;
use guiju_model::{Bundle, CodeList, Kind, Metadata, Package, Selector, Severity, ShareClass, Text, links};
use semver::VersionReq;
use std::fmt;

pub use rules::{LintRule, rules};

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// A stable code, listed in `docs/reference/lints.md`.
    pub code: &'static str,
    pub severity: Severity,
    /// `standard.toml`, or a path in the package.
    pub file: String,
    /// JSON Pointer into the file; empty for the file itself.
    pub pointer: String,
    pub message: Text,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: {}", self.severity, self.code, self.place(), self.message.en)
    }
}

impl Lint {
    /// File and pointer, as `schema.json#/properties/sex`.
    pub fn place(&self) -> String {
        let Self { file, pointer, .. } = self;
        if pointer.is_empty() { file.clone() } else { format!("{file}#{pointer}") }
    }

    /// The message after code and place.
    pub fn placed(&self) -> Text {
        let (code, place) = (self.code, self.place());
        let said = |message: &str| format!("{code} {place}: {message}");
        Text { en: said(&self.message.en), zh: said(&self.message.zh) }
    }
}

/// Everything to mend in one version: its metadata, its document, its examples.
pub fn lint(package: &Package, metadata: &Metadata, bundle: &Bundle) -> Vec<Lint> {
    let mut found = Found::in_file("standard.toml");
    of_metadata(metadata, &mut found);
    if let Some(name) = guiju_model::document_name(package.kind) {
        found.file = name.into();
        match package.kind {
            Kind::CodeList => of_code_list(package, &mut found),
            _ => of_schema(package, metadata, bundle, &mut found),
        }
    }
    if package.kind == Kind::Contract {
        of_contract(package, bundle, &mut found);
    }
    of_examples(package, &mut found);
    found.lints
}

/// Lints gathered so far, and the file that is being read.
pub(crate) struct Found {
    file: String,
    lints: Vec<Lint>,
}

impl Found {
    fn in_file(file: &str) -> Self {
        Self { file: file.into(), lints: Vec::new() }
    }

    fn add(&mut self, code: &'static str, pointer: &str, args: &[(&str, &str)]) {
        let (severity, message) = rules::message(code, args);
        self.lints.push(Lint { code, severity, file: self.file.clone(), pointer: pointer.into(), message });
    }
}

/// Codes of `cn.gov/update-cycle`.
const UPDATE_CYCLES: [&str; 7] = ["RT", "D", "W", "M", "Q", "Y", "N"];
const DOMAINS: [&str; 10] =
    ["population", "legal", "macro", "geo", "water", "power", "transport", "service", "catalogue", "common"];

/// What stands where an author has still to write, in a standard that `guiju new` made.
pub const PLACEHOLDERS: [&str; 2] = ["to be filled in", "待填写"];

fn of_metadata(metadata: &Metadata, found: &mut Found) {
    let choices = |words: &[&str]| words.join(", ");
    if !DOMAINS.contains(&metadata.domain.as_str()) {
        found.add("domain-unknown", "/domain", &[("word", &metadata.domain), ("choices", &choices(&DOMAINS))]);
    }
    if !UPDATE_CYCLES.contains(&metadata.update_cycle.as_str()) {
        let args = [("word", &*metadata.update_cycle), ("choices", &choices(&UPDATE_CYCLES))];
        found.add("update-cycle-unknown", "/update_cycle", &args);
    }
    if metadata.share_class == ShareClass::Conditional && metadata.share_condition.is_none() {
        found.add("share-condition-missing", "/share_condition", &[]);
    }
    let is_public =
        metadata.share_class == ShareClass::Unconditional && metadata.security_level == guiju_model::SecurityLevel::S1;
    if metadata.open && !is_public {
        let args = [("class", metadata.share_class.as_str()), ("level", metadata.security_level.as_str())];
        found.add("open-not-public", "/open", &args);
    }
    if let Some(code) = &metadata.owner_code {
        of_owner_code(code, found);
    }
    of_placeholders(metadata, found);
    if metadata.basis.is_empty() && metadata.sources.is_empty() {
        let code = if metadata.kind == Kind::CodeList { "code-list-without-source" } else { "basis-missing" };
        found.add(code, "/basis", &[]);
    }
}

/// The worst of what is wrong with it.
fn of_owner_code(code: &str, found: &mut Found) {
    let faults = crate::formats::find("cn-uscc").map(|format| format.check(code, None)).unwrap_or_default();
    let Some(fault) = faults.into_iter().next() else { return };
    let lint = if fault.severity == Severity::Error { "owner-code-wrong" } else { "owner-code-doubtful" };
    let args: Vec<(&str, &str)> = fault.args.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let Text { en, zh } = crate::codes::message(fault.code, &args);
    found.add(lint, "/owner_code", &[("why", &en), ("why_zh", &zh)]);
}

fn of_placeholders(metadata: &Metadata, found: &mut Found) {
    let Metadata { title_zh, title_en, abstract_zh, abstract_en, owner, steward, registration_authority, .. } =
        metadata;
    let fields = [
        ("title_zh", title_zh),
        ("title_en", title_en),
        ("abstract", abstract_zh),
        ("abstract_en", abstract_en),
        ("owner", owner),
        ("steward", steward),
        ("registration_authority", registration_authority),
    ];
    let mut places: Vec<(String, &str)> = fields.map(|(name, text)| (name.to_owned(), text.as_str())).into();
    places.extend(metadata.share_condition.iter().map(|text| ("share_condition".to_owned(), text.as_str())));
    for (name, texts) in [("basis", &metadata.basis), ("sources", &metadata.sources), ("doubts", &metadata.doubts)] {
        places.extend(texts.iter().enumerate().map(|(at, text)| (format!("{name}/{at}"), text.as_str())));
    }
    places.retain(|(_, text)| PLACEHOLDERS.iter().any(|placeholder| text.contains(placeholder)));
    let Some((first, _)) = places.first() else { return };
    let names = |between: &str| places.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(between);
    found.add("placeholder-left", &format!("/{first}"), &[("fields", &names(", ")), ("fields_zh", &names("、"))]);
}

fn of_code_list(package: &Package, found: &mut Found) {
    // A list that cannot be read is refused when it is compiled.
    if let Some(list) = package.document().ok().flatten().and_then(|bytes| CodeList::parse(bytes).ok()) {
        code_list::check(&list, found);
    }
}

fn of_schema(package: &Package, metadata: &Metadata, bundle: &Bundle, found: &mut Found) {
    let documents = Documents::of(bundle);
    let Some(root) = documents.root() else { return };
    schema::Walk::new(&documents, package.kind, metadata, found).document(root);
    if let Some(own) = root.value.get("x-guiju").filter(|own| own.is_object())
        && let Err(faults) = DataSetRules::compile(own, "/x-guiju")
    {
        for fault in faults {
            found.add("dataset-rule-malformed", &fault.pointer, &[("why", &fault.message)]);
        }
    }
    unpinned(package, found);
}

/// What cannot be read is refused when it is compiled; of protobuf nothing is said here.
fn of_contract(package: &Package, bundle: &Bundle, found: &mut Found) {
    let Ok(Some(api)) = Api::read(bundle) else { return };
    found.file = api.file.into();
    contract::check(&api, found);
    unpinned(package, found);
}

/// References that admit every version.
fn unpinned(package: &Package, found: &mut Found) {
    let document = package.document().ok().flatten().unwrap_or_default();
    for link in links(package.kind, document).unwrap_or_default() {
        if *link.reference.selector() == Selector::Requirement(VersionReq::STAR) {
            found.add("reference-unpinned", &link.pointer, &[("reference", &link.written)]);
        }
    }
}

fn of_examples(package: &Package, found: &mut Found) {
    if matches!(package.kind, Kind::Contract | Kind::Elements) {
        return;
    }
    for folder in ["examples/conforming/", "examples/failing/"] {
        if !package.files.keys().any(|file| file.starts_with(folder) && file.ends_with(".json")) {
            found.file = folder.into();
            found.add("examples-missing", "", &[("folder", folder)]);
        }
    }
    let is_known = |file: &str| {
        let in_folder = |folder: &str, suffix: &str| file.starts_with(folder) && file.ends_with(suffix);
        file == "examples/options.toml"
            || in_folder("examples/conforming/", ".json")
            || in_folder("examples/failing/", ".json")
            || in_folder("examples/failing/", ".findings.txt")
    };
    for file in package.files.keys().filter(|file| file.starts_with("examples/") && !is_known(file)) {
        found.file.clone_from(file);
        found.add("example-not-read", "", &[]);
    }
}
