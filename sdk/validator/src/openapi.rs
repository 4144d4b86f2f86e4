//! Contracts that are OpenAPI 3.1 documents: what may be asked, with what, and what may be answered.
//!
//! # Invariants
//! - A document that is read keeps to the rules of OpenAPI 3.1 that bear on what is sent; every `$ref` leads inside it or, from a
//!   schema, to a registered standard. Nothing is fetched.
//! - Its schemas are JSON Schema 2020-12 within the bounds of any other schema, compiled by the same engine.
//!
//! # Limits
//! One file, `openapi.yaml` or `openapi.json`, of 256 KiB; callbacks of callbacks are read, and nothing is asked of them.

mod read; // from the document to operations
mod schemas; // a schema of the document with all it refers to, as a document of its own
mod shape; // which members each object has

use crate::{CompileError, CompileOptions, Fault, Validator, json::escape};
use guiju_model::{Bundle, Content, Digest, Kind, contract_document, read_json_or_yaml};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) use schemas::last;
pub use schemas::{Direction, MessageSide, Places, SchemaDocument};

/// A contract, read.
#[derive(Clone, Debug)]
pub struct Api {
    /// `openapi.yaml` or `openapi.json`.
    pub file: &'static str,
    pub document: Value,
    /// In order of path and method.
    pub operations: Vec<Operation>,
    /// What is asked of those who use it.
    pub calls: Vec<Call>,
    /// Lines of the file by JSON Pointer, where they are known.
    lines: BTreeMap<String, usize>,
    /// Every schema that stands in no other, by pointer.
    schemas: BTreeSet<String>,
    /// What each `$ref` leads to, by pointer of the object that holds it.
    references: BTreeMap<String, String>,
}

/// A webhook or a callback: an operation whose requests the provider sends and its users answer.
#[derive(Clone, Debug)]
pub struct Call {
    /// Method and shape of the operation that a callback belongs to; none for a webhook.
    pub of: Option<(String, String)>,
    /// Whose path and shape are the name of the webhook, or of the callback with where it goes to.
    pub operation: Operation,
}

#[derive(Clone, Debug)]
pub struct Operation {
    /// In capitals.
    pub method: String,
    /// As written: `/residents/{id}`.
    pub path: String,
    /// The path with `{}` for every parameter: what tells paths apart.
    pub shape: String,
    pub id: Option<String>,
    pub place: String,
    /// Those of the path, too.
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
    /// By status: `200`, `4XX`, `default`.
    pub responses: BTreeMap<String, Response>,
    /// Any one of these will do; none: whoever asks.
    pub security: Vec<Requirement>,
    pub deprecated: bool,
}

/// Schemes that are all needed, by what they are, with the scopes that are needed of each.
pub type Requirement = BTreeMap<Scheme, BTreeSet<String>>;

/// A way to show who one is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scheme {
    /// What is sent, where, and who gives it: two schemes that say the same here are one.
    pub meaning: String,
    /// Its name in this document.
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum In {
    Path,
    Query,
    Header,
    Cookie,
}

impl In {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// A parameter, or a header of a response.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: String,
    pub location: In,
    pub required: bool,
    pub deprecated: bool,
    pub style: String,
    pub explode: bool,
    /// The media type in which its value is written, where it is written as a document.
    pub media: Option<String>,
    /// Pointer of its schema.
    pub schema: Option<String>,
    pub place: String,
}

#[derive(Clone, Debug)]
pub struct Body {
    pub required: bool,
    pub content: BTreeMap<String, Media>,
    pub place: String,
}

#[derive(Clone, Debug)]
pub struct Media {
    pub schema: Option<String>,
    pub place: String,
}

#[derive(Clone, Debug)]
pub struct Response {
    /// By name in small letters.
    pub headers: BTreeMap<String, Parameter>,
    pub content: BTreeMap<String, Media>,
    pub place: String,
}

/// An example of the document that its schema refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedExample {
    pub pointer: String,
    pub message: String,
}

impl Api {
    /// None: a contract without an OpenAPI document.
    pub fn read(bundle: &Bundle) -> Result<Option<Self>, CompileError> {
        let content = bundle.root();
        let Some(file) = contract_document(&content.files) else { return Ok(None) };
        let subject = format!("{}@{}", content.manifest.standard, content.manifest.version);
        let read = Self::of_file(file, content).and_then(|api| api.with_schemas_that_compile(bundle).map(|()| api));
        read.map(Some).map_err(|faults| CompileError { subject, faults })
    }

    fn of_file(file: &'static str, content: &Content) -> Result<Self, Vec<Fault>> {
        let fault = |message: String| vec![Fault::new("contract-malformed", "", message)];
        let others = ["openapi.yaml", "openapi.json"].into_iter().filter(|name| content.files.contains_key(*name));
        let mut others = others.chain(content.files.keys().map(String::as_str).filter(|name| name.ends_with(".proto")));
        if let Some(other) = others.find(|name| *name != file) {
            return Err(fault(format!("a contract has one form, and here are `{file}` and `{other}`; keep one")));
        }
        let bytes = content.files.get(file).map(Vec::as_slice).unwrap_or_default();
        let yaml = read_json_or_yaml(bytes).map_err(|error| fault(error.to_string()))?;
        read::api(file, yaml)
    }

    /// Line of the value at a pointer, or of what it stands in.
    pub fn line(&self, pointer: &str) -> Option<usize> {
        line(&self.lines, pointer)
    }

    /// The object at a pointer, or what it refers to, with where that stands.
    pub fn resolved<'a>(&'a self, pointer: &'a str) -> (&'a str, &'a Value) {
        let place = self.references.get(pointer).map_or(pointer, String::as_str);
        (place, self.document.pointer(place).unwrap_or(&Value::Null))
    }

    /// Every schema is compiled once, all together: bounds, references, our vocabulary.
    fn with_schemas_that_compile(&self, bundle: &Bundle) -> Result<(), Vec<Fault>> {
        let all = self.schemas.iter().map(|pointer| (pointer.as_str(), pointer.as_str()));
        let SchemaDocument { value, places } = self.schema_documents(all, None);
        let sealed =
            beside(bundle, Kind::Elements, &value).map_err(|why| vec![Fault::new("contract-malformed", "", why)])?;
        let faults = match Validator::compile(&sealed, &CompileOptions::default()) {
            Ok(_) => return Ok(()),
            Err(error) => error.faults,
        };
        let placed = |fault: Fault| {
            let pointer = places.place(&fault.pointer).unwrap_or(fault.pointer);
            let line = self.line(&pointer).map_or(String::new(), |line| format!("line {line}: "));
            Fault { message: format!("{line}{}", fault.message), pointer, ..fault }
        };
        Err(faults.into_iter().map(placed).collect())
    }

    /// A schema of the document as a standard of its own, with what it refers to.
    pub fn bundle(&self, contract: &Bundle, document: &SchemaDocument) -> Result<Bundle, String> {
        beside(contract, Kind::Record, &document.value)
    }

    /// Every `example` and `examples` of a parameter, header, body or response that is not what its schema says.
    pub fn refused_examples(&self, contract: &Bundle) -> Vec<RefusedExample> {
        let mut found = Vec::new();
        for schema in &self.schemas {
            let Some((holder, "schema")) = schema.rsplit_once('/') else { continue };
            let examples = self.examples(holder);
            if examples.is_empty() {
                continue;
            }
            let direction = if holder.contains("/responses/") { Direction::Response } else { Direction::Request };
            let document = self.schema_document(Some(schema), direction, None, MessageSide::Reader(None));
            let compiled = self.bundle(contract, &document).ok();
            let compiled = compiled.and_then(|bundle| Validator::compile(&bundle, &CompileOptions::default()).ok());
            let Some(validator) = compiled else { continue };
            for (pointer, value) in examples {
                let report = validator.check(value.to_string().as_bytes(), &crate::CheckOptions::default());
                let errors = report.findings.iter().filter(|finding| finding.severity == guiju_model::Severity::Error);
                let told: Vec<String> = errors
                    .map(|finding| format!("{} at {}{}: {}", finding.code, pointer, finding.path, finding.message.en))
                    .collect();
                if !report.conforms() {
                    found.push(RefusedExample { pointer, message: told.join("; ") });
                }
            }
        }
        found
    }

    fn examples(&self, holder: &str) -> Vec<(String, Value)> {
        let Some(object) = self.document.pointer(holder) else { return Vec::new() };
        let one = object.get("example").map(|value| (format!("{holder}/example"), value.clone()));
        let names = object.get("examples").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name);
        let many = names.filter_map(|name| {
            let place = format!("{holder}/examples/{}", escape(name));
            let (place, example) = self.resolved(&place);
            Some((format!("{place}/value"), example.get("value")?.clone()))
        });
        one.into_iter().chain(many).collect()
    }
}

/// A document in the place of a contract's own, bound to what it refers to of what the contract was bound to.
fn beside(contract: &Bundle, kind: Kind, document: &Value) -> Result<Bundle, String> {
    let bytes = document.to_string().into_bytes();
    let mut root = contract.root().clone();
    let links = guiju_model::links(Kind::Record, &bytes).map_err(|error| error.to_string())?;
    let wanted: BTreeSet<&str> = links.iter().map(|link| link.written.as_str()).collect();
    root.manifest.dependencies.retain(|dependency| wanted.contains(dependency.reference.as_str()));
    root.manifest.kind = kind;
    root.manifest.files = [("schema.json".to_owned(), Digest::of(&bytes))].into();
    root.files = [("schema.json".to_owned(), bytes)].into();
    Bundle::gather(root, contract).map_err(|error| error.to_string())
}

fn line(lines: &BTreeMap<String, usize>, pointer: &str) -> Option<usize> {
    let mut pointer = pointer;
    loop {
        if let Some(line) = lines.get(pointer) {
            return Some(*line);
        }
        pointer = pointer.rsplit_once('/')?.0;
    }
}
