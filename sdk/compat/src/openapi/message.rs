//! Requests and answers, and whether a version takes them.
//!
//! A message holds values, not bytes. A parameter travels as text: it is taken where any reading of that text is, as a number, a
//! truth value, or the text itself.

use super::{
    schemas::{Questions, Schema, Which},
    wire::{is_json, takes_body},
};
use guiju_model::{Date, Finding};
use guiju_validator::openapi::{Api, Direction, In, Media, Operation, Parameter, Requirement, Response};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// Media type and value.
pub(super) type Payload = (String, Option<Value>);

/// What is asked. Parameters are those of the version by which it is asked.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub method: String,
    pub path: String,
    pub shape: String,
    /// Of the parameters in the path, in its order.
    pub in_path: Vec<Value>,
    pub sent: Vec<(Parameter, Value)>,
    pub body: Option<Payload>,
    /// A media type, and the status with which it was answered.
    pub accept: Option<(String, u16)>,
    pub credentials: Requirement,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub headers: Vec<(Parameter, Value)>,
    pub body: Option<Payload>,
}

/// What a version refuses a message for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoOperation,
    Parameter(In, String),
    /// It is sent and not read.
    Unread(In, String),
    BodyMissing,
    BodyUnread,
    MediaType,
    Body,
    Accept,
    Security,
    Status,
    Header(String),
}

pub(super) fn operation<'a>(api: &'a Api, method: &str, shape: &str) -> Option<&'a Operation> {
    api.operations.iter().find(|operation| operation.method == method && operation.shape == shape)
}

/// The names of the parameters in a path, in its order.
pub(super) fn names_in_path(path: &str) -> Vec<&str> {
    path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect()
}

/// The parameter of the same place and name; in a path the place is its number.
pub(super) fn counterpart<'o>(own: &Parameter, from: &Operation, to: &'o Operation) -> Option<&'o Parameter> {
    let name = match own.location {
        In::Path => {
            let at = names_in_path(&from.path).iter().position(|name| *name == own.name)?;
            names_in_path(&to.path).get(at).copied()?.to_owned()
        }
        _ => own.name.clone(),
    };
    find(to, own.location, &name)
}

pub(super) fn find<'o>(operation: &'o Operation, location: In, name: &str) -> Option<&'o Parameter> {
    let is_same = |other: &str| match location {
        In::Header => other.eq_ignore_ascii_case(name),
        _ => other == name,
    };
    operation.parameters.iter().find(|parameter| parameter.location == location && is_same(&parameter.name))
}

/// What the version says of a status: itself, its class, or anything else.
pub(super) fn response(operation: &Operation, status: u16) -> Option<&Response> {
    let class = format!("{}XX", status / 100);
    let exact = operation.responses.get(&status.to_string()).or_else(|| operation.responses.get(&class));
    exact.or_else(|| operation.responses.get("default").filter(|_| status >= 400 || !tells_success(operation)))
}

/// Where a success is told of by itself, `default` is for errors.
fn tells_success(operation: &Operation) -> bool {
    operation.responses.keys().any(|status| status.starts_with(['2', '3']))
}

/// The entry for a media type: itself, or the narrowest range that it is in.
pub(super) fn media<'m>(content: &'m BTreeMap<String, Media>, media: &str) -> Option<&'m Media> {
    entry(content, media).map(|(_, media)| media)
}

/// The same with the name under which it stands.
pub(super) fn entry<'m>(content: &'m BTreeMap<String, Media>, media: &str) -> Option<(&'m str, &'m Media)> {
    let range = format!("{}/*", kind(media));
    let found =
        [media, plain_name(media), range.as_str(), "*/*"].into_iter().find_map(|name| content.get_key_value(name));
    found.map(|(name, media)| (name.as_str(), media))
}

fn kind(media: &str) -> &str {
    media.split('/').next().unwrap_or_default()
}

fn plain_name(media: &str) -> &str {
    media.split(';').next().unwrap_or_default()
}

/// One media type for each way in which two versions can tell of one: all that either names, and of each range one that neither
/// names. What holds of these holds of all.
pub(super) fn media_types(one: &BTreeMap<String, Media>, other: &BTreeMap<String, Media>) -> Vec<String> {
    let named: Vec<&str> = one.keys().chain(other.keys()).map(String::as_str).collect();
    let mut found: Vec<String> = Vec::new();
    for name in &named {
        let each = if name.ends_with("/*") { unnamed(kind(name), &named) } else { (*name).to_owned() };
        if !found.contains(&each) {
            found.push(each);
        }
    }
    found
}

/// A media type of a kind, or of any kind, that stands in no narrower entry.
fn unnamed(range: &str, named: &[&str]) -> String {
    let known = [
        "application/json",
        "application/xml",
        "application/octet-stream",
        "text/plain",
        "text/csv",
        "text/html",
        "image/png",
        "image/jpeg",
    ];
    let kinds = if range == "*" { "x" } else { range };
    let made = (1..).map(|number| match range {
        "*" => format!("{kinds}-{number}/x"),
        _ => format!("{kinds}/x-{number}"),
    });
    let mut all = known.into_iter().map(str::to_owned).chain(made);
    let is_free = |media: &String| {
        let is_of_range =
            range == "*" && !named.contains(&format!("{}/*", kind(media)).as_str()) || kind(media) == range;
        is_of_range && named.iter().all(|name| plain_name(name) != media)
    };
    all.find(is_free).unwrap_or_default()
}

impl Questions<'_> {
    pub fn of_parameter(&mut self, which: Which, parameter: &Parameter, direction: Direction) -> Rc<Schema> {
        self.schema(which, parameter.schema.as_deref(), direction, Some(parameter.location))
    }

    pub fn of_media(&mut self, which: Which, media: &Media, direction: Direction) -> Rc<Schema> {
        self.schema(which, media.schema.as_deref(), direction, None)
    }

    /// What a version refuses a request for, or what keeps it from writing one; with it, what the validator says of the part.
    pub fn refusals(
        &mut self,
        which: Which,
        writes: bool,
        request: &Request,
        day: Option<Date>,
    ) -> Vec<(Refusal, Vec<Finding>)> {
        let Some(operation) = operation(&self.contract(which).api, &request.method, &request.shape) else {
            return vec![(Refusal::NoOperation, Vec::new())];
        };
        let mut found = Vec::new();
        for parameter in &operation.parameters {
            let place = (parameter.location, parameter.name.clone());
            match request.value(parameter, operation) {
                None if parameter.required => found.push((Refusal::Parameter(place.0, place.1), Vec::new())),
                None => {}
                Some(value) => {
                    let schema = self.of_parameter(which, parameter, Direction::Request);
                    if !takes(&schema, writes, value, parameter, day) {
                        found.push((Refusal::Parameter(place.0, place.1), schema.findings(value, day)));
                    }
                }
            }
        }
        for (sent, _) in &request.sent {
            if sent.location != In::Path && find(operation, sent.location, &sent.name).is_none() {
                found.push((Refusal::Unread(sent.location, sent.name.clone()), Vec::new()));
            }
        }
        match (&operation.body, &request.body) {
            (Some(body), None) if body.required => found.push((Refusal::BodyMissing, Vec::new())),
            (None, Some(_)) => found.push((Refusal::BodyUnread, Vec::new())),
            (Some(body), Some((name, value))) => match media(&body.content, name) {
                None => found.push((Refusal::MediaType, Vec::new())),
                Some(media) => {
                    let schema = self.of_media(which, media, Direction::Request);
                    let is_taken = |value: &&Value| {
                        fits(&schema, writes, value, day) || (!writes && takes_body(&schema, name, value, day))
                    };
                    if let Some(value) = value.as_ref().filter(|value| !is_taken(value)) {
                        found.push((Refusal::Body, schema.findings(value, day)));
                    }
                }
            },
            _ => {}
        }
        if let Some((accept, status)) = &request.accept
            && response(operation, *status).is_none_or(|response| media(&response.content, accept).is_none())
        {
            found.push((Refusal::Accept, Vec::new()));
        }
        if !lets_in(&operation.security, &request.credentials) {
            found.push((Refusal::Security, Vec::new()));
        }
        found
    }

    /// What a version does not tell of in an answer to an operation.
    pub fn untold(
        &mut self,
        which: Which,
        writes: bool,
        operation: &Operation,
        reply: &Reply,
        day: Option<Date>,
    ) -> Vec<(Refusal, Vec<Finding>)> {
        let Some(response) = response(operation, reply.status) else { return vec![(Refusal::Status, Vec::new())] };
        let mut found = Vec::new();
        for (name, header) in &response.headers {
            let sent = reply.headers.iter().find(|(sent, _)| sent.name.eq_ignore_ascii_case(name));
            match sent {
                None if header.required => found.push((Refusal::Header(name.clone()), Vec::new())),
                None => {}
                Some((_, value)) => {
                    let schema = self.of_parameter(which, header, Direction::Response);
                    if !takes(&schema, writes, value, header, day) {
                        found.push((Refusal::Header(name.clone()), schema.findings(value, day)));
                    }
                }
            }
        }
        if let Some((name, value)) = &reply.body {
            match media(&response.content, name) {
                None => found.push((Refusal::MediaType, Vec::new())),
                Some(media) => {
                    let schema = self.of_media(which, media, Direction::Response);
                    let is_taken = |value: &&Value| {
                        fits(&schema, writes, value, day) || (!writes && takes_body(&schema, name, value, day))
                    };
                    if let Some(value) = value.as_ref().filter(|value| !is_taken(value)) {
                        found.push((Refusal::Body, schema.findings(value, day)));
                    }
                }
            }
        }
        found
    }
}

/// Whether any of these is met by what is shown.
pub(super) fn lets_in(security: &[Requirement], credentials: &Requirement) -> bool {
    security.is_empty() || security.iter().any(|needed| is_met(needed, credentials))
}

pub(super) fn is_met(needed: &Requirement, shown: &Requirement) -> bool {
    needed.iter().all(|(scheme, scopes)| {
        shown.iter().any(|(other, given)| other.meaning == scheme.meaning && scopes.is_subset(given))
    })
}

fn fits(schema: &Schema, writes: bool, value: &Value, day: Option<Date>) -> bool {
    if writes { schema.writes(value, day) } else { schema.accepts(value, day) }
}

fn takes(schema: &Schema, writes: bool, value: &Value, parameter: &Parameter, day: Option<Date>) -> bool {
    let others = if parameter.media.is_some() { Vec::new() } else { readings(value) };
    fits(schema, writes, value, day) || others.iter().any(|value| schema.accepts(value, day))
}

/// What else the text of a value may be read as.
pub(super) fn readings(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => each(items.iter().map(|item| ("", item)), |parts| {
            Value::Array(parts.into_iter().map(|(_, part)| part).collect())
        }),
        Value::Object(members) => each(members.iter().map(|(name, member)| (name.as_str(), member)), |parts| {
            Value::Object(parts.into_iter().map(|(name, part)| (name.to_owned(), part)).collect())
        }),
        scalar => vec![as_text(scalar), as_typed(scalar)],
    }
}

fn each<'v>(
    parts: impl Iterator<Item = (&'v str, &'v Value)> + Clone,
    whole: impl Fn(Vec<(&'v str, Value)>) -> Value,
) -> Vec<Value> {
    let read = |reading: fn(&Value) -> Value| whole(parts.clone().map(|(name, part)| (name, reading(part))).collect());
    vec![read(as_text), read(as_typed)]
}

fn as_text(value: &Value) -> Value {
    match value {
        Value::Number(_) | Value::Bool(_) => Value::String(value.to_string()),
        other => other.clone(),
    }
}

fn as_typed(value: &Value) -> Value {
    let Value::String(text) = value else { return value.clone() };
    match serde_json::from_str::<Value>(text) {
        Ok(read @ (Value::Number(_) | Value::Bool(_))) if !text.starts_with(char::is_whitespace) => read,
        _ => value.clone(),
    }
}

impl Request {
    /// What is sent for a parameter of an operation of the same path.
    fn value(&self, parameter: &Parameter, operation: &Operation) -> Option<&Value> {
        if parameter.location == In::Path {
            let at = names_in_path(&operation.path).iter().position(|name| *name == parameter.name)?;
            return self.in_path.get(at);
        }
        let is_same = |sent: &Parameter| {
            sent.location == parameter.location
                && match parameter.location {
                    In::Header => sent.name.eq_ignore_ascii_case(&parameter.name),
                    _ => sent.name == parameter.name,
                }
        };
        self.sent.iter().find(|(sent, _)| is_same(sent)).map(|(_, value)| value)
    }

    /// The path as it is sent.
    pub fn target(&self, operation: &Operation) -> String {
        let mut path = self.path.clone();
        for (name, value) in names_in_path(&self.path).iter().zip(&self.in_path) {
            let parameter = find(operation, In::Path, name);
            let text = match parameter {
                Some(parameter) => {
                    pairs(parameter, value).into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("")
                }
                None => percent(&text(value)),
            };
            path = path.replacen(&format!("{{{name}}}"), &text, 1);
        }
        path
    }

    /// Method, path and query, as they are sent.
    pub fn line(&self, operation: &Operation) -> String {
        let query = self.sent.iter().filter(|(sent, _)| sent.location == In::Query);
        let query: Vec<String> =
            query.flat_map(|(sent, value)| pairs(sent, value)).map(|(name, text)| format!("{name}={text}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{} {}{mark}{}", self.method, self.target(operation), query.join("&"))
    }

    pub fn shown(&self, operation: &Operation) -> Map<String, Value> {
        let mut headers = Map::new();
        for (sent, value) in self.sent.iter().filter(|(sent, _)| sent.location == In::Header) {
            headers.insert(sent.name.clone(), plain(sent, value).into());
        }
        let cookies = self.sent.iter().filter(|(sent, _)| sent.location == In::Cookie);
        let cookies: Vec<String> =
            cookies.flat_map(|(sent, value)| pairs(sent, value)).map(|(name, text)| format!("{name}={text}")).collect();
        if !cookies.is_empty() {
            headers.insert("Cookie".into(), cookies.join("; ").into());
        }
        if let Some((media, _)) = &self.body {
            headers.insert("Content-Type".into(), media.as_str().into());
        }
        if let Some((accept, _)) = &self.accept {
            headers.insert("Accept".into(), accept.as_str().into());
        }
        let mut shown = Map::from_iter([("request".to_owned(), Value::from(self.line(operation)))]);
        if !headers.is_empty() {
            shown.insert("headers".into(), Value::Object(headers));
        }
        if !self.credentials.is_empty() {
            let each = self.credentials.iter().map(|(scheme, scopes)| (scheme.name.clone(), json!(scopes)));
            shown.insert("credentials".into(), Value::Object(each.collect()));
        }
        if let Some((_, Some(value))) = &self.body {
            shown.insert("body".into(), value.clone());
        }
        shown
    }
}

impl Reply {
    pub fn shown(&self) -> Map<String, Value> {
        let mut headers: Map<String, Value> =
            self.headers.iter().map(|(header, value)| (header.name.clone(), plain(header, value).into())).collect();
        if let Some((media, _)) = &self.body {
            headers.insert("Content-Type".into(), media.as_str().into());
        }
        let mut shown = Map::from_iter([("status".to_owned(), Value::from(self.status))]);
        if !headers.is_empty() {
            shown.insert("headers".into(), Value::Object(headers));
        }
        if let Some((_, Some(value))) = &self.body {
            shown.insert("body".into(), value.clone());
        }
        shown
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value as a document of a media type.
fn document(media: &str, value: &Value) -> String {
    if is_json(media) { value.to_string() } else { text(value) }
}

/// Everything but what a URI lets stand for itself.
fn percent(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|byte| if plain(&byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The value as it stands in a header.
pub(super) fn plain(parameter: &Parameter, value: &Value) -> String {
    if let Some(media) = &parameter.media {
        return document(media, value);
    }
    match value {
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Object(members) => {
            let equals = if parameter.explode { "=" } else { "," };
            members.iter().map(|(name, member)| format!("{name}{equals}{}", text(member))).collect::<Vec<_>>().join(",")
        }
        scalar => text(scalar),
    }
}

/// The value as it is sent: names and texts, by style.
pub(super) fn pairs(parameter: &Parameter, value: &Value) -> Vec<(String, String)> {
    let name = percent(&parameter.name);
    if let Some(media) = &parameter.media {
        return vec![(name, percent(&document(media, value)))];
    }
    let (style, explode) = (parameter.style.as_str(), parameter.explode);
    let parts: Vec<(Option<&str>, String)> = match value {
        Value::Array(items) => items.iter().map(|item| (None, percent(&text(item)))).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (Some(name.as_str()), percent(&text(member)))).collect()
        }
        scalar => {
            let text = percent(&text(scalar));
            let text = match style {
                "label" => format!(".{text}"),
                "matrix" => format!(";{name}={text}"),
                _ => text,
            };
            return vec![(name, text)];
        }
    };
    let named = |(part, text): &(Option<&str>, String), equals: &str| match part {
        Some(part) => format!("{}{equals}{text}", percent(part)),
        None => text.clone(),
    };
    let joined =
        |equals: &str, between: &str| parts.iter().map(|part| named(part, equals)).collect::<Vec<_>>().join(between);
    let equals = if explode { "=" } else { "," };
    match style {
        "form" if explode => {
            parts.into_iter().map(|(part, text)| (part.map_or_else(|| name.clone(), percent), text)).collect()
        }
        "deepObject" => {
            let keyed =
                |(part, text): (Option<&str>, String)| (format!("{name}[{}]", percent(part.unwrap_or_default())), text);
            parts.into_iter().map(keyed).collect()
        }
        "spaceDelimited" => vec![(name, joined(",", "%20"))],
        "pipeDelimited" => vec![(name, joined(",", "|"))],
        "label" => vec![(name, format!(".{}", joined(equals, if explode { "." } else { "," })))],
        "matrix" if explode => {
            let each = parts.iter().map(|part| match part.0 {
                Some(_) => format!(";{}", named(part, "=")),
                None => format!(";{name}={}", part.1),
            });
            vec![(name.clone(), each.collect())]
        }
        "matrix" => vec![(name.clone(), format!(";{name}={}", joined(",", ",")))],
        "form" => vec![(name, joined(",", ","))],
        _ => vec![(name, joined(equals, ","))],
    }
}

/// Scopes as words.
pub(super) fn named(needed: &Requirement) -> String {
    let scheme = |(scheme, scopes): (&guiju_validator::openapi::Scheme, &BTreeSet<String>)| {
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        if scopes.is_empty() { scheme.name.clone() } else { format!("{} ({})", scheme.name, scopes.join(", ")) }
    };
    let all: Vec<String> = needed.iter().map(scheme).collect();
    if all.is_empty() { "nothing".into() } else { all.join(" + ") }
}
