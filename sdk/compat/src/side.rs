//! One side of a comparison: a version with all that it refers to, and the validator that has the last word on its records.
//!
//! # Invariants
//! - References are made exact: what the same spelling means on either side is told apart by digest.

use crate::{
    loops,
    normal::{Document, Graph, Id, Lists, NormalError, day_before},
    openapi, protobuf, reading,
    solve::plain,
};
use guiju_model::{Bundle, CodeList, Content, Date, Digest, Kind, Properties, Reading, read_json};
use guiju_validator::{CheckOptions, CompileError, CompileOptions, Fault, Validator};
use jsonschema::Draft;
use semver::Version;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Records of an example that are tried as witnesses, and texts taken from them.
const SAMPLES_MAX: usize = 64;

/// A version, ready to be compared.
pub struct Side {
    pub name: String,
    /// None: a document that was never registered.
    pub version: Option<Version>,
    pub kind: Kind,
    pub(crate) root: Value,
    pub(crate) others: BTreeMap<String, Value>,
    pub(crate) lists: Lists,
    /// The list itself, where the standard is one.
    pub(crate) list: Option<Arc<CodeList>>,
    pub(crate) draft: Draft,
    /// Records that announce that they conform.
    pub(crate) records: Vec<Value>,
    reading: Reading,
    pub(crate) contract: Option<Contract>,
    /// None: a contract, which has no records.
    validator: Option<Arc<Validator>>,
    /// Under the reading `closed-writer`: what refuses records that a writer by this version never writes.
    closed: Option<Closed>,
}

/// A contract, by its form.
pub(crate) enum Contract {
    Protobuf(protobuf::Files),
    OpenApi(Box<openapi::Contract>),
}

struct Closed {
    others: BTreeMap<String, Value>,
    validators: [Validator; 2],
}

impl Side {
    /// A sealed version, read strictly.
    pub fn new(bundle: &Bundle, formats_asserted: bool) -> Result<Self, CompileError> {
        Self::read(bundle, &Reading { formats_asserted, ..Reading::default() })
    }

    /// A sealed version under a reading.
    pub fn read(bundle: &Bundle, reading: &Reading) -> Result<Self, CompileError> {
        Self::compiled(bundle, reading, |bundle| {
            Validator::compile(bundle, &CompileOptions { assert_formats: reading.formats_asserted }).map(Arc::new)
        })
    }

    /// The same by the validator that checks its records, where the reading leaves that as it is.
    pub fn read_by(bundle: &Bundle, reading: &Reading, validator: &Arc<Validator>) -> Result<Self, CompileError> {
        if !reading.formats_asserted || !reading.version_constants_pinned {
            return Self::read(bundle, reading);
        }
        Self::compiled(bundle, reading, |_| Ok(Arc::clone(validator)))
    }

    fn compiled(
        bundle: &Bundle,
        reading: &Reading,
        compile: impl FnOnce(&Bundle) -> Result<Arc<Validator>, CompileError>,
    ) -> Result<Self, CompileError> {
        let unpinned = if reading.version_constants_pinned { None } else { reading::unpinned(bundle) };
        let bundle = unpinned.as_ref().unwrap_or(bundle);
        let content = bundle.root();
        let name = format!("{}@{}", content.manifest.standard, content.manifest.version);
        if content.manifest.kind == Kind::Contract {
            return Self::of_contract(name, bundle, reading);
        }
        let validator = Some(compile(bundle)?);
        let (mut others, mut lists, mut list) = (BTreeMap::new(), Lists::new(), None);
        for (digest, content) in bundle.by_digest() {
            let bytes = content.document().unwrap_or_default();
            let is_root = digest == bundle.digest();
            if content.manifest.kind == Kind::CodeList {
                let read = CodeList::parse(bytes).map_err(|error| malformed(&name, &error.to_string()))?;
                let read = Arc::new(read);
                if is_root {
                    list = Some(Arc::clone(&read));
                }
                lists.insert(list_name(digest, content), (digest, read));
                continue;
            }
            let mut document = read_json(bytes).map_err(|error| malformed(&name, &error.to_string()))?;
            make_exact(&mut document, bundle, content);
            others.insert(uri(digest, content), document);
        }
        let root = others.remove(&uri(bundle.digest(), content)).unwrap_or(Value::Bool(true));
        let records = examples(content);
        let (kind, draft) = (content.manifest.kind, draft(&root));
        let version = Some(content.manifest.version.clone());
        let (reading, contract, closed) = (reading.clone(), None, None);
        let side = Self {
            name,
            version,
            kind,
            root,
            others,
            lists,
            list,
            draft,
            records,
            reading,
            contract,
            validator,
            closed,
        };
        side.closed_where_read_so()
    }

    fn of_contract(name: String, bundle: &Bundle, reading: &Reading) -> Result<Self, CompileError> {
        let failed = |faults| CompileError { subject: name.clone(), faults };
        let content = bundle.root();
        let contract = match openapi::Contract::read(bundle, reading)? {
            Some(contract) => Some(Contract::OpenApi(Box::new(contract))),
            None => protobuf::Files::read(&content.files).map_err(failed)?.map(Contract::Protobuf),
        };
        Ok(Self {
            name,
            version: Some(content.manifest.version.clone()),
            kind: Kind::Contract,
            root: Value::Bool(true),
            others: BTreeMap::new(),
            lists: Lists::new(),
            list: None,
            draft: Draft::default(),
            records: Vec::new(),
            reading: reading.clone(),
            contract,
            validator: None,
            closed: None,
        })
    }

    /// Whether versions of it can be compared: of contracts, those of protobuf and OpenAPI.
    pub fn is_comparable(&self) -> bool {
        self.kind != Kind::Contract || self.contract.is_some()
    }

    /// A schema that is no registered standard, with other documents by URI.
    pub fn of_schema(
        name: &str,
        schema: &[u8],
        others: BTreeMap<String, Value>,
        formats_asserted: bool,
    ) -> Result<Self, CompileError> {
        let options = CompileOptions { assert_formats: formats_asserted };
        let validator = Some(Arc::new(Validator::compile_schema_with(schema, others.clone(), &options)?));
        let root: Value = serde_json::from_slice(schema).map_err(|error| malformed(name, &error.to_string()))?;
        Ok(Self {
            name: name.to_owned(),
            version: None,
            kind: Kind::Record,
            draft: draft(&root),
            others: others.into_iter().chain(meta_schemas(schema, draft(&root))).collect(),
            root,
            lists: Lists::new(),
            list: None,
            records: Vec::new(),
            reading: Reading { formats_asserted, ..Reading::default() },
            contract: None,
            validator,
            closed: None,
        })
    }

    /// The same under another reading of undeclared properties.
    pub fn read_as(mut self, properties: Properties) -> Result<Self, CompileError> {
        (self.reading.properties, self.closed) = (properties, None);
        self.closed_where_read_so()
    }

    fn closed_where_read_so(mut self) -> Result<Self, CompileError> {
        let has_records = matches!(self.kind, Kind::Record | Kind::Profile);
        if self.reading.properties == Properties::Strict || !has_records {
            return Ok(self);
        }
        let others = reading::all_closed(&self.others);
        let (root, top) = reading::closed(&self.root, &self.others);
        let options = CompileOptions { assert_formats: false };
        let compiled =
            |schema: &Value| Validator::compile_schema_with(schema.to_string().as_bytes(), others.clone(), &options);
        let validators = [compiled(&root)?, compiled(&top)?];
        self.closed = Some(Closed { others, validators });
        Ok(self)
    }

    pub fn read_under(&self) -> &Reading {
        &self.reading
    }

    /// What checks its records; none: a contract has none.
    pub fn validator(&self) -> Option<&Validator> {
        self.validator.as_deref()
    }

    /// The named transformations under which it is compared.
    pub fn reading(&self) -> Vec<String> {
        let Reading { properties, formats_asserted, version_constants_pinned } = &self.reading;
        let properties = match properties {
            Properties::Strict => "strict",
            Properties::ClosedWriter => "closed-writer",
        };
        let formats = if *formats_asserted { "formats asserted" } else { "formats not asserted" };
        let constants = (!version_constants_pinned).then_some("version constants unpinned");
        [Some(properties), Some(formats), constants].into_iter().flatten().map(str::to_owned).collect()
    }

    /// Whether the record conforms and, as it is read, is one that a writer by this version may write.
    pub fn writes(&self, record: &Value, day: Option<Date>) -> bool {
        self.accepts(record, day)
            && self.closed.iter().flat_map(|closed| &closed.validators).all(|closed| accepted(closed, record, day))
    }

    /// Whether the record conforms, by the validator.
    pub fn accepts(&self, record: &Value, day: Option<Date>) -> bool {
        self.validator.as_ref().is_some_and(|validator| accepted(validator, record, day))
    }

    /// The first findings that refuse the record, or that keep a writer from writing it.
    pub fn findings(&self, record: &Value, day: Option<Date>) -> Vec<guiju_model::Finding> {
        let closed = self.closed.iter().flat_map(|closed| &closed.validators);
        let each = self.validator.iter().map(Arc::as_ref).chain(closed).map(|validator| {
            let mut findings = validator.check(record.to_string().as_bytes(), &options(day, 20)).findings;
            findings.retain(|finding| finding.severity == guiju_model::Severity::Error);
            findings
        });
        each.into_iter().find(|findings| !findings.is_empty()).unwrap_or_default()
    }
}

fn accepted(validator: &Validator, record: &Value, day: Option<Date>) -> bool {
    validator.check(record.to_string().as_bytes(), &options(day, 1)).conforms()
}

fn options(day: Option<Date>, findings_max: usize) -> CheckOptions {
    CheckOptions {
        reference_date: day,
        findings_max,
        record_bytes_max: 4 << 20,
        depth_max: 256,
        ..CheckOptions::default()
    }
}

/// Two sides, and what both may refer to.
pub(crate) struct Pair<'s> {
    pub old: &'s Side,
    pub new: &'s Side,
    others: BTreeMap<String, Value>,
    closed_others: BTreeMap<String, Value>,
    lists: Lists,
}

impl<'s> Pair<'s> {
    pub fn new(old: &'s Side, new: &'s Side) -> Self {
        let merged = |one: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>| {
            one.iter().chain(other).map(|(uri, document)| (uri.clone(), document.clone())).collect()
        };
        let lists: Lists =
            old.lists.iter().chain(&new.lists).map(|(name, list)| (name.clone(), list.clone())).collect();
        let none = BTreeMap::new();
        let closed = |side: &'s Side| side.closed.as_ref().map(|closed| &closed.others);
        let closed_others = merged(closed(old).unwrap_or(&none), closed(new).unwrap_or(&none));
        Self { old, new, others: merged(&old.others, &new.others), closed_others, lists }
    }

    /// Reads a root document as the set of records that are written by it; without a reading that says otherwise, all that
    /// it accepts.
    pub fn read_written(&self, graph: &mut Graph, root: &Value, side: &Side) -> Result<Id, NormalError> {
        let whole = self.read(graph, root, side)?;
        self.written(graph, whole, root, side)
    }

    /// The same of a root document that was read.
    pub fn written(&self, graph: &mut Graph, whole: Id, root: &Value, side: &Side) -> Result<Id, NormalError> {
        if side.closed.is_none() {
            return Ok(whole);
        }
        let (below, top) = reading::closed(root, &self.others);
        let mut closed = |root: &Value| {
            graph.read(&Document {
                root,
                is_new: std::ptr::eq(side, self.new),
                draft: side.draft,
                others: &self.closed_others,
                lists: &Lists::new(),
                formats_asserted: false,
            })
        };
        let (below, top) = (closed(&below)?, closed(&top)?);
        Ok(graph.all(vec![whole, below, top]))
    }

    /// Reads a root document of either side; none that leads back to itself without going into the value.
    pub fn read(&self, graph: &mut Graph, root: &Value, side: &Side) -> Result<Id, NormalError> {
        let id = graph.read(&Document {
            root,
            is_new: std::ptr::eq(side, self.new),
            draft: side.draft,
            others: &self.others,
            lists: &self.lists,
            formats_asserted: side.reading.formats_asserted,
        })?;
        match loops::find(graph) {
            None => Ok(id),
            Some(target) => {
                let reference = plain(graph.place(target).unwrap_or_default());
                Err(NormalError::Reference { pointer: reference.clone(), reference })
            }
        }
    }

    /// Whether a document that both may refer to follows another draft than the roots: then it has no one meaning here.
    pub fn other_draft(&self) -> Option<&str> {
        let sides = [self.old, self.new].into_iter();
        let mut others = sides.flat_map(|side| side.others.iter().map(move |(uri, other)| (side.draft, uri, other)));
        let differs = |own: Draft, other: &Value| other.get("$schema").is_some() && draft(other) != own;
        others.find(|(own, _, other)| differs(*own, other)).map(|(_, uri, _)| uri.as_str())
    }

    pub fn tells_spelling(&self) -> bool {
        self.old.draft == Draft::Draft4 || self.new.draft == Draft::Draft4
    }

    /// Texts of the examples, for what cannot be built.
    pub fn samples(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for record in self.old.records.iter().chain(&self.new.records) {
            texts(record, &mut found);
        }
        found.into_iter().take(SAMPLES_MAX).collect()
    }
}

/// A day on which a code of a list is valid and that of another is not.
pub(crate) fn lost_day(row: &guiju_model::CodeRow<'_>, other: &CodeList) -> Option<Date> {
    let others: Vec<guiju_model::CodeRow<'_>> =
        other.get(row.code()).map(|code| code.rows().collect()).unwrap_or_default();
    // Where validity is lost, it is lost at an end of some row.
    let ends = others.iter().filter_map(|other| other.valid_to());
    let before = others.iter().filter_map(|other| other.valid_from()).filter_map(day_before);
    let own = [row.valid_from(), row.valid_to().and_then(day_before)];
    let any_day = [Date::new(2000, 1, 1)];
    let mut days = ends.chain(before).chain(own.into_iter().flatten()).chain(any_day.into_iter().flatten());
    days.find(|day| row.holds_on(*day) && !others.iter().any(|other| other.holds_on(*day)))
}

/// The schemas of JSON Schema itself, where a schema may refer to them: every validator knows these.
fn meta_schemas(schema: &[u8], own: Draft) -> Vec<(String, Value)> {
    use referencing::meta;
    let text = String::from_utf8_lossy(schema);
    if !text.contains("\"$ref\"") || text.matches("json-schema.org/").count() < 2 {
        return Vec::new();
    }
    let known = [
        &meta::DRAFT4,
        &meta::DRAFT6,
        &meta::DRAFT7,
        &meta::DRAFT201909,
        &meta::DRAFT201909_APPLICATOR,
        &meta::DRAFT201909_CONTENT,
        &meta::DRAFT201909_CORE,
        &meta::DRAFT201909_FORMAT,
        &meta::DRAFT201909_META_DATA,
        &meta::DRAFT201909_VALIDATION,
        &meta::DRAFT202012,
        &meta::DRAFT202012_CORE,
        &meta::DRAFT202012_APPLICATOR,
        &meta::DRAFT202012_UNEVALUATED,
        &meta::DRAFT202012_VALIDATION,
        &meta::DRAFT202012_META_DATA,
        &meta::DRAFT202012_FORMAT_ANNOTATION,
        &meta::DRAFT202012_CONTENT,
    ];
    let named = |schema: &Value| {
        let id = schema.get("$id").or_else(|| schema.get("id"))?.as_str()?.trim_end_matches('#').to_owned();
        Some((id, schema.clone()))
    };
    known.into_iter().filter(|schema| draft(schema) == own).filter_map(|schema| named(schema)).collect()
}

fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

fn malformed(name: &str, why: &str) -> CompileError {
    let fault = Fault { code: "schema-malformed", pointer: String::new(), message: why.to_owned() };
    CompileError { subject: name.to_owned(), faults: vec![fault] }
}

fn draft(root: &Value) -> Draft {
    Draft::default().detect(root)
}

fn uri(digest: Digest, content: &Content) -> String {
    format!("guiju:{}@={}/{digest}", content.manifest.standard, content.manifest.version)
}

fn list_name(digest: Digest, content: &Content) -> String {
    format!("{}@={}/{digest}", content.manifest.standard, content.manifest.version)
}

fn examples(content: &Content) -> Vec<Value> {
    let conforming = content.files.iter().filter(|(name, _)| name.starts_with("examples/conforming/"));
    conforming.filter_map(|(_, bytes)| serde_json::from_slice(bytes).ok()).take(SAMPLES_MAX).collect()
}

/// Makes every reference to a registered standard exact.
fn make_exact(value: &mut Value, bundle: &Bundle, from: &Content) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match (name.as_str(), &mut *member) {
                    ("enum" | "const" | "default" | "examples", _) => {}
                    ("$ref", Value::String(reference)) => {
                        let Some(written) = reference.strip_prefix("guiju:") else { continue };
                        let (written, fragment) = written.split_once('#').unwrap_or((written, ""));
                        if let Some((digest, target)) = bundle.dependency(from, written) {
                            *reference = format!("{}#{fragment}", uri(digest, target));
                        }
                    }
                    ("x-guiju", Value::Object(own)) => {
                        if let Some(Value::String(reference)) =
                            own.get_mut("codeList").and_then(|list| list.get_mut("ref"))
                            && let Some((digest, target)) = bundle.dependency(from, reference)
                        {
                            *reference = list_name(digest, target);
                        }
                    }
                    _ => make_exact(member, bundle, from),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| make_exact(item, bundle, from)),
        _ => {}
    }
}
