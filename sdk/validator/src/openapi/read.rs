//! From the document to operations: what is said by reference, by default, or for all operations of a path is put where it holds.

use super::{
    Api, Body, Call, In, Media, Operation, Parameter, Requirement, Response, Scheme, line,
    schemas::{all_in, inside, last},
    shape::{self, Object},
};
use crate::{Fault, json::escape};
use guiju_model::{Severity, Yaml};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// References one behind the other; a longer chain is a loop.
const HOPS_MAX: usize = 32;
const FAULTS_MAX: usize = 100;
/// What names a part of a schema otherwise than by its place.
const NAMING: [&str; 6] = ["$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"];
const DIALECTS: [&str; 2] =
    ["https://spec.openapis.org/oas/3.1/dialect/base", "https://json-schema.org/draft/2020-12/schema"];
/// Headers that HTTP itself, or another part of the document, speaks of.
const HEADERS_ELSEWHERE: [&str; 3] = ["accept", "content-type", "authorization"];

pub(super) fn api(file: &'static str, yaml: Yaml) -> Result<Api, Vec<Fault>> {
    let Yaml { value: document, lines } = yaml;
    let mut reader = Reader {
        document: &document,
        lines: &lines,
        faults: Vec::new(),
        schemas: BTreeSet::new(),
        references: BTreeMap::new(),
    };
    reader.version()?;
    reader.shape();
    if reader.faults.is_empty() {
        reader.objects();
    }
    let operations = if reader.faults.is_empty() { reader.operations() } else { Vec::new() };
    let calls = if reader.faults.is_empty() { reader.calls(&operations) } else { Vec::new() };
    let Reader { faults, schemas, references, .. } = reader;
    match faults.is_empty() {
        true => Ok(Api { file, operations, calls, schemas, references, document, lines }),
        false => Err(faults.into_iter().take(FAULTS_MAX).collect()),
    }
}

struct Reader<'d> {
    document: &'d Value,
    lines: &'d BTreeMap<String, usize>,
    faults: Vec<Fault>,
    schemas: BTreeSet<String>,
    references: BTreeMap<String, String>,
}

impl<'d> Reader<'d> {
    fn fault(&mut self, pointer: &str, message: impl AsRef<str>) {
        let line = line(self.lines, pointer).map_or(String::new(), |line| format!("line {line}: "));
        self.faults.push(Fault::new("contract-malformed", pointer, format!("{line}{}", message.as_ref())));
    }

    /// Another version is another language: nothing else need be said of it.
    fn version(&mut self) -> Result<(), Vec<Fault>> {
        let version = self.document.get("openapi").and_then(Value::as_str);
        if version.is_some_and(|version| version.starts_with("3.1.")) {
            return Ok(());
        }
        let found = match version.or_else(|| self.document.get("swagger").and_then(Value::as_str)) {
            Some(version) => format!("version {version}"),
            None => "no version".into(),
        };
        self.fault(
            "/openapi",
            format!("this is OpenAPI of {found}; contracts are written in 3.1: put `openapi: 3.1.1` and say `type: [string, \"null\"]` for `nullable`"),
        );
        Err(std::mem::take(&mut self.faults))
    }

    fn shape(&mut self) {
        for finding in shape::findings(self.document) {
            if finding.severity == Severity::Error {
                let name = last(&finding.path);
                let message = match &*finding.code {
                    "undeclared-field" => format!("`{name}` has no place here"),
                    "required-missing" => format!("`{name}` is missing; add it"),
                    _ => format!("{} ({})", finding.message.en, finding.code),
                };
                let hint = finding.suggestion.as_ref().map_or(String::new(), |hint| format!("; {}", hint.en));
                self.fault(&finding.path, message + &hint);
            }
        }
    }

    /// Every object: what it refers to, and the schemas in it.
    fn objects(&mut self) {
        let mut pending = vec![(Object::Root, String::new(), self.document)];
        while let Some((object, pointer, value)) = pending.pop() {
            if object == Object::Schema {
                self.schema(&pointer, value);
                self.schemas.insert(pointer);
                continue;
            }
            if let Some(reference) = value.get("$ref").and_then(Value::as_str).filter(|_| object.section().is_some()) {
                if let Some(target) = self.target(object, &pointer, reference) {
                    self.references.insert(pointer.clone(), target);
                }
                if object != Object::PathItem {
                    continue;
                }
            }
            pending.extend(object.parts(value, &pointer));
        }
    }

    /// Where a reference leads in the end.
    fn target(&mut self, object: Object, from: &str, reference: &str) -> Option<String> {
        let at = format!("{from}/$ref");
        let section = object.section().unwrap_or_default();
        let mut reference = reference.to_owned();
        for _ in 0..HOPS_MAX {
            let Some(pointer) = inside(&reference) else {
                let what = if reference.starts_with("guiju:") {
                    "only a schema may refer to a registered standard"
                } else {
                    "nothing outside the document is ever fetched"
                };
                self.fault(
                    &at,
                    format!("`{reference}` leads out of the document, and {what}; write #/components/{section}/…"),
                );
                return None;
            };
            let Some(target) = self.document.pointer(&pointer) else {
                self.fault(&at, format!("`{reference}` leads nowhere; define it under components/{section}"));
                return None;
            };
            let other = pointer.strip_prefix("/components/").and_then(|rest| rest.split('/').next());
            if pointer.split('/').count() == 4 && other.is_some_and(|other| other != section) || !target.is_object() {
                self.fault(&at, format!("`{reference}` leads to something else; refer to #/components/{section}/…"));
                return None;
            }
            match target.get("$ref").and_then(Value::as_str) {
                Some(next) if object != Object::PathItem || next != reference => reference = next.to_owned(),
                _ => return Some(pointer),
            }
        }
        self.fault(
            &at,
            format!(
                "the reference leads back to itself, or through more than {HOPS_MAX} others; let it say what it is"
            ),
        );
        None
    }

    fn schema(&mut self, pointer: &str, schema: &'d Value) {
        for (at, part) in all_in(schema, pointer) {
            if let Some(naming) = NAMING.iter().find(|name| part.get(**name).is_some()) {
                let message = "a schema of a contract is named by its place; refer to it with #/components/schemas/…";
                self.fault(&format!("{at}/{naming}"), format!("`{naming}` has no meaning here: {message}"));
            }
            if let Some(dialect) = part.get("$schema").and_then(Value::as_str)
                && !DIALECTS.contains(&dialect.trim_end_matches('#'))
            {
                self.fault(
                    &format!("{at}/$schema"),
                    format!("`{dialect}` is another dialect; schemas here are of 2020-12"),
                );
            }
            let Some(reference) = part.get("$ref").and_then(Value::as_str) else { continue };
            let at = format!("{at}/$ref");
            match inside(reference) {
                None if reference.starts_with("guiju:") => {}
                None => self.fault(
                    &at,
                    format!("`{reference}` is neither inside the document (#/…) nor a registered standard (guiju:namespace/name@1.0#/…); nothing else is ever fetched"),
                ),
                Some(target) => match self.document.pointer(&target) {
                    Some(Value::Object(_) | Value::Bool(_)) => {}
                    _ => self.fault(&at, format!("`{reference}` leads to no schema; define it under components/schemas")),
                },
            }
        }
    }

    fn resolved(&self, pointer: &str) -> (String, &'d Value) {
        let place = self.references.get(pointer).map_or(pointer, String::as_str);
        (place.to_owned(), self.document.pointer(place).unwrap_or(&Value::Null))
    }

    fn operations(&mut self) -> Vec<Operation> {
        let mut found: Vec<Operation> = Vec::new();
        let mut shapes: BTreeMap<String, String> = BTreeMap::new();
        let paths = self.document.get("paths").and_then(Value::as_object).into_iter().flatten();
        for (path, item) in paths.filter(|(path, _)| !path.starts_with("x-")) {
            let at = format!("/paths/{}", escape(path));
            let Some(shape) = self.path_shape(path, &at) else { continue };
            if let Some(other) = shapes.insert(shape.clone(), path.clone()) {
                self.fault(
                    &at,
                    format!("`{path}` and `{other}` are one path, whatever their parameters are called; keep one"),
                );
            }
            found.extend(self.item(&at, item, path, &shape));
        }
        found.sort_by(|one, other| (&one.path, &one.method).cmp(&(&other.path, &other.method)));
        found
    }

    /// The operations of a path item.
    fn item(&mut self, at: &str, item: &'d Value, path: &str, shape: &str) -> Vec<Operation> {
        let mut found: Vec<Operation> = Vec::new();
        let mut homes = vec![(at.to_owned(), item)];
        if self.references.contains_key(at) {
            homes.push(self.resolved(at));
        }
        for (home, item) in homes {
            for method in METHODS {
                let Some(operation) = item.get(method) else { continue };
                if found.iter().any(|known| known.method.eq_ignore_ascii_case(method)) {
                    continue;
                }
                let place = format!("{home}/{method}");
                let common = self.parameters(&home, item);
                found.push(self.operation(method, path, shape, place, operation, common));
            }
        }
        found
    }

    /// Webhooks, and the callbacks of operations.
    fn calls(&mut self, operations: &[Operation]) -> Vec<Call> {
        let mut found: Vec<Call> = Vec::new();
        for (name, item) in named(self.document.get("webhooks")) {
            let path = format!("webhook/{name}");
            let calls = self.item(&format!("/webhooks/{}", escape(name)), item, &path, &path);
            found.extend(calls.into_iter().map(|operation| Call { of: None, operation }));
        }
        for operation in operations {
            let at = format!("{}/callbacks", operation.place);
            for (name, _) in named(self.document.pointer(&at)) {
                let (place, callback) = self.resolved(&format!("{at}/{}", escape(name)));
                for (expression, item) in named(Some(callback)) {
                    // A path in braces would be one with parameters.
                    let goal = expression.replace(['{', '}'], "");
                    let path = format!(
                        "callback/{name} of {} {} at {goal}",
                        operation.method,
                        operation.shape.replace("{}", "…")
                    );
                    let calls = self.item(&format!("{place}/{}", escape(expression)), item, &path, &path);
                    let of = Some((operation.method.clone(), operation.shape.clone()));
                    found.extend(calls.into_iter().map(|operation| Call { of: of.clone(), operation }));
                }
            }
        }
        // Who is called asks for what its own operation says, not for what is asked of those who call the provider.
        for call in &mut found {
            if self.document.pointer(&format!("{}/security", call.operation.place)).is_none() {
                call.operation.security.clear();
            }
        }
        found
    }

    fn path_shape(&mut self, path: &str, at: &str) -> Option<String> {
        let (mut shape, mut rest, mut names) = (String::new(), path, BTreeSet::new());
        while let Some(open) = rest.find(['{', '}']) {
            let (before, tail) = rest.split_at(open);
            let close = tail.strip_prefix('{').and_then(|tail| Some((tail, tail.find(['{', '}', '/'])?)));
            let name = close.filter(|(tail, end)| tail.as_bytes()[*end] == b'}').map(|(tail, end)| &tail[..end]);
            match name {
                Some(name) if !name.is_empty() && names.insert(name) => {
                    shape.push_str(before);
                    shape.push_str("{}");
                    rest = &tail[name.len() + 2..];
                }
                _ => {
                    self.fault(
                        at,
                        format!("`{path}` is no path; each parameter stands once, as {{name}}, within one segment"),
                    );
                    return None;
                }
            }
        }
        shape.push_str(rest);
        Some(shape)
    }

    fn operation(
        &mut self,
        method: &str,
        path: &str,
        shape: &str,
        place: String,
        value: &'d Value,
        common: Vec<Parameter>,
    ) -> Operation {
        let mut parameters = self.parameters(&place, value);
        let own: BTreeSet<(In, String)> = parameters.iter().map(|own| (own.location, own.name.clone())).collect();
        parameters.extend(common.into_iter().filter(|common| !own.contains(&(common.location, common.name.clone()))));
        let body = value.get("requestBody").map(|_| {
            let (place, body) = self.resolved(&format!("{place}/requestBody"));
            let content = content(&place, body);
            Body { required: flag(body, "required", false), content, place }
        });
        let statuses = value.get("responses").and_then(Value::as_object).into_iter().flatten();
        let responses = statuses
            .filter(|(status, _)| !status.starts_with("x-"))
            .map(|(status, _)| {
                let (place, response) = self.resolved(&format!("{place}/responses/{status}"));
                let headers = self.headers(&place, response);
                (status.clone(), Response { headers, content: content(&place, response), place })
            })
            .collect();
        let (security_at, security) = match value.get("security") {
            Some(own) => (format!("{place}/security"), Some(own)),
            None => ("/security".to_owned(), self.document.get("security")),
        };
        Operation {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            shape: shape.to_owned(),
            id: value.get("operationId").and_then(Value::as_str).map(str::to_owned),
            parameters,
            body,
            responses,
            security: self.security(&security_at, security),
            deprecated: flag(value, "deprecated", false),
            place,
        }
    }

    /// Those of an operation, or of a path.
    fn parameters(&mut self, home: &str, value: &'d Value) -> Vec<Parameter> {
        let count = value.get("parameters").and_then(Value::as_array).map_or(0, Vec::len);
        let mut found: Vec<Parameter> = Vec::new();
        for index in 0..count {
            let at = format!("{home}/parameters/{index}");
            let (place, value) = self.resolved(&at);
            let Some(parameter) = parameter(place, value, None) else { continue };
            let is_elsewhere = HEADERS_ELSEWHERE.contains(&parameter.name.to_ascii_lowercase().as_str());
            if parameter.location == In::Header && is_elsewhere {
                continue;
            }
            if found.iter().any(|other| (other.location, &other.name) == (parameter.location, &parameter.name)) {
                let (name, place) = (&parameter.name, parameter.location.as_str());
                self.fault(&at, format!("the {place} parameter `{name}` is given twice; keep one"));
            }
            found.push(parameter);
        }
        found
    }

    fn headers(&self, home: &str, response: &'d Value) -> BTreeMap<String, Parameter> {
        let names = response.get("headers").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name);
        let names = names.filter(|name| !name.eq_ignore_ascii_case("content-type"));
        let each = names.filter_map(|name| {
            let (place, value) = self.resolved(&format!("{home}/headers/{}", escape(name)));
            Some((name.to_ascii_lowercase(), parameter(place, value, Some(name))?))
        });
        each.collect()
    }

    fn security(&mut self, at: &str, value: Option<&'d Value>) -> Vec<Requirement> {
        let mut found = Vec::new();
        for (index, requirement) in value.and_then(Value::as_array).into_iter().flatten().enumerate() {
            let mut needed = Requirement::new();
            for (name, scopes) in requirement.as_object().into_iter().flatten() {
                let (_, scheme) = self.resolved(&format!("/components/securitySchemes/{}", escape(name)));
                if scheme.is_null() {
                    let at = format!("{at}/{index}/{}", escape(name));
                    self.fault(&at, format!("there is no scheme `{name}`; define it under components/securitySchemes"));
                    continue;
                }
                let scopes = scopes.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
                needed.insert(Scheme { meaning: meaning(scheme), name: name.clone() }, scopes.collect());
            }
            found.push(needed);
        }
        found
    }
}

/// The members of an object that are no extensions.
fn named(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    members.filter(|(name, _)| !name.starts_with("x-"))
}

/// What has to be sent, and where it is got.
fn meaning(scheme: &Value) -> String {
    let text = |name: &str| scheme.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "apiKey" if text("in") == "header" => format!("header {}", text("name").to_ascii_lowercase()),
        "apiKey" => format!("{} {}", text("in"), text("name")),
        "http" => format!("http {}", text("scheme").to_ascii_lowercase()),
        "openIdConnect" => format!("openIdConnect {}", text("openIdConnectUrl")),
        // Wherever a token is got, it is sent as any other; which scopes it needs is told apart by the requirement.
        "oauth2" => "oauth2".into(),
        other => other.into(),
    }
}

fn flag(value: &Value, name: &str, default: bool) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(default)
}

/// A header has its name from where it stands.
fn parameter(place: String, value: &Value, header: Option<&str>) -> Option<Parameter> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let location = match (header, text("in")) {
        (Some(_), _) | (None, Some("header")) => In::Header,
        (None, Some("path")) => In::Path,
        (None, Some("query")) => In::Query,
        (None, Some("cookie")) => In::Cookie,
        _ => return None,
    };
    let default = if matches!(location, In::Path | In::Header) { "simple" } else { "form" };
    let style = text("style").unwrap_or(default).to_owned();
    let mut content = content(&place, value).into_iter();
    let (media, schema) = match content.next() {
        Some((media, Media { schema, .. })) => (Some(media), schema),
        None => (None, value.get("schema").map(|_| format!("{place}/schema"))),
    };
    Some(Parameter {
        name: header.or(text("name")).unwrap_or_default().to_owned(),
        location,
        required: flag(value, "required", false),
        deprecated: flag(value, "deprecated", false),
        explode: flag(value, "explode", style == "form"),
        style,
        media,
        schema,
        place,
    })
}

/// By media type in small letters, without what only says how it is written.
fn content(home: &str, value: &Value) -> BTreeMap<String, Media> {
    let each = value.get("content").and_then(Value::as_object).into_iter().flatten();
    each.map(|(media, value)| {
        let place = format!("{home}/content/{}", escape(media));
        let schema = value.get("schema").map(|_| format!("{place}/schema"));
        (plain_media(media), Media { schema, place })
    })
    .collect()
}

fn plain_media(media: &str) -> String {
    let mut parts = media.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let rest: Vec<String> = parts.map(str::to_ascii_lowercase).filter(|part| !part.starts_with("charset=")).collect();
    [vec![name], rest].concat().join("; ")
}

impl Api {
    /// Objects under `components` that nothing refers to.
    pub(crate) fn unused_components(&self) -> Vec<String> {
        let mut used: BTreeSet<String> = self.references.values().cloned().collect();
        for pointer in &self.schemas {
            let schema = self.document.pointer(pointer).unwrap_or(&Value::Null);
            let references = all_in(schema, pointer).into_iter().filter_map(|(_, part)| part.get("$ref")?.as_str());
            used.extend(references.filter_map(inside));
        }
        // What is used below a component uses it.
        let whole = |pointer: String| pointer.split('/').take(4).collect::<Vec<_>>().join("/");
        let mappings = strings(&self.document);
        used.extend(mappings.iter().filter_map(|text| inside(text)));
        let calls = self.calls.iter().map(|call| &call.operation);
        let requirements = self.operations.iter().chain(calls).flat_map(|operation| &operation.security);
        used.extend(requirements.flatten().map(|(scheme, _)| format!("/components/securitySchemes/{}", scheme.name)));
        let used: BTreeSet<String> = used.into_iter().map(whole).collect();
        let sections = self.document.get("components").and_then(Value::as_object).into_iter().flatten();
        let all = sections.filter(|(section, _)| !section.starts_with("x-")).flat_map(|(section, all)| {
            let names = all.as_object().into_iter().flatten();
            names.map(move |(name, _)| format!("/components/{section}/{}", escape(name)))
        });
        all.filter(|place| !used.contains(place)).collect()
    }

    pub(crate) fn schema_parts(&self) -> impl Iterator<Item = (String, &Value)> {
        self.schemas.iter().flat_map(|pointer| all_in(self.document.pointer(pointer).unwrap_or(&Value::Null), pointer))
    }
}

/// References may stand in discriminators, too.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) if text.starts_with("#/") => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}
