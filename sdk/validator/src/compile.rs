//! From a bundle to a validator: bounds first, then references, then the engine, then our own plan.

use crate::{bounds, dataset::DataSetRules, plan::Planner, run::Validator};
use guiju_model::{Bundle, CodeList, Digest, Kind, StandardId};
use jsonschema::{PatternOptions, Retrieve, Uri, ValidationOptions};
use semver::Version;
use serde_json::Value;
use std::{collections::BTreeMap, error::Error, fmt, sync::Arc};

/// How a standard is compiled.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// Whether `format` refuses values; the standard's reading says so.
    pub assert_formats: bool,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self { assert_formats: true }
    }
}

/// One thing that is wrong with a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A stable code, for example `pattern-unusable`.
    pub code: &'static str,
    /// JSON Pointer into the document.
    pub pointer: String,
    /// What, and what to do.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(code: &'static str, pointer: &str, message: String) -> Self {
        Self { code, pointer: pointer.into(), message }
    }
}

/// Why a standard cannot be compiled: every fault, in document order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    pub subject: String,
    pub faults: Vec<Fault>,
}

impl Error for CompileError {}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be compiled", self.subject)?;
        for Fault { code, pointer, message } in &self.faults {
            write!(f, "\n  {code} at {}: {message}", if pointer.is_empty() { "/" } else { pointer })?;
        }
        Ok(())
    }
}

/// What findings are attributed to.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub standard: StandardId,
    pub version: Version,
    pub digest: Digest,
}

/// Documents by URI; nothing else is ever fetched.
#[derive(Clone)]
pub(crate) struct Documents(pub Arc<BTreeMap<String, Value>>);

impl Retrieve for Documents {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        self.0.get(uri.as_str()).cloned().ok_or_else(|| {
            format!("`{uri}` is neither inside the document nor a registered standard; nothing else is ever fetched")
                .into()
        })
    }
}

impl Validator {
    /// Compiles a version with all it depends on.
    pub fn compile(bundle: &Bundle, options: &CompileOptions) -> Result<Self, CompileError> {
        let manifest = &bundle.root().manifest;
        let subject =
            Subject { standard: manifest.standard.clone(), version: manifest.version.clone(), digest: bundle.digest() };
        let name = format!("{}@{}", subject.standard, subject.version);
        let failed = |faults| CompileError { subject: name.clone(), faults };
        let document = bundle.root().document().unwrap_or_default();
        match manifest.kind {
            Kind::CodeList => {
                let list = CodeList::parse(document)
                    .map_err(|error| failed(vec![Fault::new("code-list-malformed", "", error.to_string())]))?;
                Ok(Self::of_list(subject, list))
            }
            Kind::Contract => Err(failed(vec![Fault::new(
                "not-a-record",
                "",
                "a contract describes an interface; records are checked against a record, a profile or a code list"
                    .into(),
            )])),
            Kind::Record | Kind::Profile | Kind::Elements => {
                let (documents, lists) = gather(bundle).map_err(failed)?;
                let root = uri(&subject.standard, &subject.version);
                build(subject, documents, lists, &root, options).map_err(failed)
            }
        }
    }

    /// Compiles a schema that is no registered standard. Reports name it `schema/bare` 0.0.0 and its digest.
    pub fn compile_schema(schema: &[u8], options: &CompileOptions) -> Result<Self, CompileError> {
        Self::compile_schema_with(schema, BTreeMap::new(), options)
    }

    /// The same with other documents by URI, for schemas that refer to them.
    pub fn compile_schema_with(
        schema: &[u8],
        others: BTreeMap<String, Value>,
        options: &CompileOptions,
    ) -> Result<Self, CompileError> {
        let failed = |faults| CompileError { subject: "the schema".into(), faults };
        let mut faults = Vec::new();
        bounds::size(schema.len(), &mut faults);
        let document: Value = match faults.is_empty() {
            true => serde_json::from_slice(schema).map_err(|error| {
                failed(vec![Fault::new("schema-malformed", "", format!("not a JSON document: {error}"))])
            })?,
            false => return Err(failed(faults)),
        };
        let (Ok(standard), version) = ("schema/bare".parse(), Version::new(0, 0, 0)) else {
            return Err(failed(faults));
        };
        let subject = Subject { standard, version, digest: Digest::of(schema) };
        let root = document.get("$id").or_else(|| document.get("id")).and_then(Value::as_str);
        let root = root.filter(|id| id.contains(':')).map_or(BARE.to_owned(), |id| id.trim_end_matches('#').to_owned());
        let mut documents = others;
        documents.insert(root.clone(), document);
        build(subject, documents, BTreeMap::new(), &root, options).map_err(failed)
    }
}

const CONDITION: &str = "guiju:schema/condition@=0.0.0";
const BARE: &str = "guiju:schema/bare@=0.0.0";

/// The URI under which a version's schema is known to the engine.
fn uri(standard: &StandardId, version: &Version) -> String {
    format!("guiju:{standard}@={version}")
}

type Gathered = (BTreeMap<String, Value>, BTreeMap<(String, String), Arc<CodeList>>);

/// All schemas of a bundle by URI, their references made exact, and all code lists by referring document and spelling.
fn gather(bundle: &Bundle) -> Result<Gathered, Vec<Fault>> {
    let (mut documents, mut lists, mut parsed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut faults = Vec::new();
    for content in bundle.contents() {
        let manifest = &content.manifest;
        let Some(bytes) = content.document().filter(|_| manifest.kind != Kind::CodeList) else { continue };
        bounds::size(bytes.len(), &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut document: Value = serde_json::from_slice(bytes)
            .map_err(|error| vec![Fault::new("schema-malformed", "", format!("not a JSON document: {error}"))])?;
        make_exact(&mut document, &mut |written| {
            bundle.dependency(content, written).map(|target| uri(&target.manifest.standard, &target.manifest.version))
        });
        let own = uri(&manifest.standard, &manifest.version);
        for dependency in &manifest.dependencies {
            let Some(target) = bundle.get(&dependency.digest) else { continue };
            if target.manifest.kind == Kind::CodeList {
                let list = match parsed.get(&dependency.digest) {
                    Some(list) => Arc::clone(list),
                    None => {
                        let list = CodeList::parse(target.document().unwrap_or_default()).map_err(|error| {
                            vec![Fault::new("code-list-malformed", "", format!("`{}`: {error}", dependency.standard))]
                        })?;
                        let list = Arc::new(list);
                        parsed.insert(dependency.digest, Arc::clone(&list));
                        list
                    }
                };
                lists.insert((own.clone(), dependency.reference.clone()), list);
            }
        }
        documents.insert(own, document);
    }
    Ok((documents, lists))
}

/// Replaces `guiju:` references, as written, by the exact versions they were resolved to.
fn make_exact(value: &mut Value, exact: &mut impl FnMut(&str) -> Option<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if matches!(name.as_str(), "enum" | "const" | "default" | "examples" | "x-guiju") {
                    continue;
                }
                if let ("$ref", Value::String(reference)) = (name.as_str(), &mut *member)
                    && let Some(written) = reference.strip_prefix("guiju:")
                {
                    let (written, fragment) = written.split_once('#').unwrap_or((written, ""));
                    if let Some(target) = exact(written) {
                        *reference = format!("{target}#{fragment}");
                    }
                    continue;
                }
                make_exact(member, exact);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| make_exact(item, exact)),
        _ => {}
    }
}

fn build(
    subject: Subject,
    documents: BTreeMap<String, Value>,
    lists: BTreeMap<(String, String), Arc<CodeList>>,
    root: &str,
    options: &CompileOptions,
) -> Result<Validator, Vec<Fault>> {
    let mut faults = Vec::new();
    for document in documents.values() {
        bounds::shape(document, &mut faults);
    }
    if faults.is_empty() {
        bounds::Paths::check(&documents, root, &mut faults);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let documents = Documents(Arc::new(documents));
    let lists = Arc::new(lists);
    let engine = |schema: &Value, base: &str| {
        engine_options(&documents, &lists, base, options)
            .build(schema)
            .map_err(|error| Fault::new("schema-malformed", error.instance_path().as_str(), error.to_string()))
    };
    let validator = engine(&documents.0[root], root).map_err(|fault| vec![fault])?;
    // A condition is a document of its own: under the root's name it would be looked up in itself.
    let engine = |condition: &Value| engine(condition, CONDITION);
    let plan = Planner::new(&documents.0, &lists, options.assert_formats, &engine).plan(root);
    match (plan, data_set(&documents.0[root])) {
        (Ok(plan), Ok(data_set)) => Ok(Validator::of_record(subject, validator, plan, documents, data_set)),
        (plan, data_set) => Err([plan.err(), data_set.err()].into_iter().flatten().flatten().collect()),
    }
}

/// The rules over all records of a data set, which the root declares.
fn data_set(document: &Value) -> Result<DataSetRules, Vec<Fault>> {
    let Some(own) = document.get("x-guiju") else { return Ok(DataSetRules::default()) };
    let misused = |fault: crate::rules::Fault| Fault::new("vocabulary-misused", &fault.pointer, fault.message);
    DataSetRules::compile(own, "/x-guiju").map_err(|faults| faults.into_iter().map(misused).collect())
}

fn engine_options<'o>(
    documents: &Documents,
    lists: &Arc<BTreeMap<(String, String), Arc<CodeList>>>,
    root: &str,
    options: &CompileOptions,
) -> ValidationOptions<'o> {
    let mut engine = jsonschema::options()
        .with_retriever(documents.clone())
        .with_base_uri(root.to_owned())
        .with_pattern_options(PatternOptions::regex().size_limit(bounds::PATTERN_BYTES_MAX))
        .should_validate_formats(options.assert_formats)
        .should_ignore_unknown_formats(true);
    if options.assert_formats {
        for name in crate::formats::names() {
            // Warnings do not refuse; what lies ahead of the reference date is judged where the date is known.
            engine = engine.with_format(name, move |text: &str| {
                let faults = crate::formats::check(name, text, None);
                faults.iter().all(|fault| fault.severity != guiju_model::Severity::Error)
            });
        }
    }
    let lists = Arc::clone(lists);
    engine.with_keyword("x-guiju", move |_, value, _| Ok(crate::plan::keyword(value, &lists)))
}
