//! Messages as they stand on the wire, read by a version that did not write them.
//!
//! What a message was made of is not known here: only its path, the pairs of its query and cookies, the texts of its headers, its body.
//! A text is taken where anything that it may stand for is. So a witness is judged twice, and the second judge knows no values.

use super::{
    message::{Reply, Request, lets_in, media, names_in_path, pairs, plain, readings, response},
    schemas::{Questions, Schema, Which},
};
use guiju_model::Date;
use guiju_validator::openapi::{Direction, In, Operation, Parameter};
use serde_json::{Map, Value};

/// Items of which each is read by itself; of more, all are read alike.
const MIXED_MAX: usize = 5;

/// Names and texts, both as they are sent.
type Pairs = Vec<(String, String)>;

/// Which pairs are read, and what they may stand for.
type Reading = (Vec<usize>, Vec<Value>);

impl Questions<'_> {
    /// Whether a version takes a request as it is sent, by any of its operations that it comes to.
    pub fn takes_as_sent(&mut self, which: Which, request: &Request, own: &Operation, day: Option<Date>) -> bool {
        let path = request.target(own);
        let operations = &self.contract(which).api.operations;
        let of_method = operations.iter().filter(|operation| operation.method == request.method);
        let mut found: Vec<(&Operation, Vec<String>)> =
            of_method.filter_map(|operation| Some((operation, texts_in_path(&operation.path, &path)?))).collect();
        // A path in words comes first.
        if found.iter().any(|(_, texts)| texts.is_empty()) {
            found.retain(|(_, texts)| texts.is_empty());
        }
        found.into_iter().any(|(operation, in_path)| self.is_taken(which, operation, &in_path, request, day))
    }

    fn is_taken(
        &mut self,
        which: Which,
        operation: &Operation,
        in_path: &[String],
        request: &Request,
        day: Option<Date>,
    ) -> bool {
        let sent = |location: In| -> Pairs {
            let own = request.sent.iter().filter(|(sent, _)| sent.location == location);
            own.flat_map(|(sent, value)| pairs(sent, value)).collect()
        };
        let mut headers: Vec<(&str, String)> = Vec::new();
        for (sent, value) in request.sent.iter().filter(|(sent, _)| sent.location == In::Header) {
            headers.push((&sent.name, plain(sent, value)));
        }
        for (name, text) in &headers {
            let is_same = |own: &&Parameter| own.location == In::Header && own.name.eq_ignore_ascii_case(name);
            let Some(parameter) = operation.parameters.iter().find(is_same) else { return false };
            if !self.reads(which, parameter, &of_text(parameter, text), Direction::Request, day) {
                return false;
            }
        }
        let is_sent = |parameter: &Parameter| headers.iter().any(|(name, _)| parameter.name.eq_ignore_ascii_case(name));
        let all = || operation.parameters.iter();
        if all().any(|own| own.location == In::Header && own.required && !is_sent(own)) {
            return false;
        }
        for (name, text) in names_in_path(&operation.path).iter().zip(in_path) {
            let own = all().find(|own| own.location == In::Path && own.name == *name);
            if own.is_some_and(|own| !self.reads(which, own, &of_text(own, text), Direction::Request, day)) {
                return false;
            }
        }
        for location in [In::Query, In::Cookie] {
            if !self.all_read(which, operation, location, &sent(location), day) {
                return false;
            }
        }
        let body = match (&operation.body, &request.body) {
            (Some(body), None) => !body.required,
            (None, sent) => sent.is_none(),
            (Some(body), Some((name, value))) => media(&body.content, name).is_some_and(|own| {
                let schema = self.of_media(which, own, Direction::Request);
                value.as_ref().is_none_or(|value| takes_body(&schema, name, value, day))
            }),
        };
        let is_offered = request.accept.as_ref().is_none_or(|(accept, status)| {
            response(operation, *status).is_some_and(|response| media(&response.content, accept).is_some())
        });
        body && is_offered && lets_in(&operation.security, &request.credentials)
    }

    /// The operation that takes the requests of one that is not there any more, as one of its path.
    pub fn standing_in(&mut self, gone: &Operation) -> Option<Operation> {
        let sent: Vec<&str> = gone.path.split('/').collect();
        let is_name = |part: &str| part.starts_with('{') && part.ends_with('}') && part.matches('{').count() == 1;
        let fits = |(part, own): (&&str, &&str)| match (is_name(part), is_name(own)) {
            (true, true) => true,
            (true, false) => !own.is_empty() && !own.contains('{'),
            (false, _) => part == own && !part.contains('{'),
        };
        let of_method = self.new.api.operations.iter().filter(|operation| operation.method == gone.method);
        let found = of_method.filter(|operation| {
            let parts: Vec<&str> = operation.path.split('/').collect();
            parts.len() == sent.len() && parts.iter().zip(&sent).all(fits)
        });
        // The one with the most words comes first.
        let found = found.min_by_key(|operation| names_in_path(&operation.path).len())?;
        let parts: Vec<&str> = found.path.split('/').collect();
        for (part, own) in parts.iter().zip(&sent).filter(|(part, own)| is_name(part) && !is_name(own)) {
            let name = part.trim_matches(['{', '}']);
            let parameter = found.parameters.iter().find(|own| own.location == In::Path && own.name == name);
            let is_taken = parameter.is_none_or(|own_one| {
                self.reads(Which::New, own_one, &of_text(own_one, own), Direction::Request, None)
            });
            if !is_taken {
                return None;
            }
        }
        let path: Vec<&str> =
            parts.iter().zip(&sent).map(|(part, own)| if is_name(own) { *part } else { *own }).collect();
        let path = path.join("/");
        let mut operation = Operation { path: path.clone(), shape: gone.shape.clone(), ..found.clone() };
        let names = names_in_path(&path);
        operation.parameters.retain(|own| own.location != In::Path || names.contains(&own.name.as_str()));
        Some(operation)
    }

    fn reads(&mut self, which: Which, own: &Parameter, values: &[Value], way: Direction, day: Option<Date>) -> bool {
        let schema = self.of_parameter(which, own, way);
        values.iter().any(|value| schema.accepts(value, day))
    }

    /// Whether every pair is read by a parameter of the place, and each that is needed is there.
    fn all_read(&mut self, which: Which, operation: &Operation, location: In, sent: &Pairs, day: Option<Date>) -> bool {
        let own: Vec<&Parameter> =
            operation.parameters.iter().filter(|parameter| parameter.location == location).collect();
        let mut read = vec![false; sent.len()];
        for parameter in &own {
            let others: Vec<&str> =
                own.iter().filter(|other| other.name != parameter.name).map(|other| other.name.as_str()).collect();
            let ways = of_pairs(parameter, sent, &others);
            let taken = ways.iter().find(|(_, values)| self.reads(which, parameter, values, Direction::Request, day));
            match taken {
                Some((claimed, _)) => claimed.iter().for_each(|at| read[*at] = true),
                None if parameter.required => return false,
                None => {}
            }
        }
        read.into_iter().all(|is_read| is_read)
    }

    /// What a version reads of a parameter that is written as another one is; none: it is not there.
    pub fn read_of(&mut self, which: Which, own: &Parameter, value: &Value, by: &Parameter) -> Option<Vec<Value>> {
        let values = match own.location {
            In::Path | In::Header => of_text(by, &one_text(own, value)),
            In::Query | In::Cookie => {
                let own = Parameter { name: by.name.clone(), ..own.clone() };
                let sent = pairs(&own, value);
                if sent.is_empty() {
                    return None;
                }
                let whole = |(claimed, _): &Reading| claimed.len() == sent.len();
                of_pairs(by, &sent, &[]).into_iter().filter(whole).flat_map(|(_, values)| values).collect()
            }
        };
        let schema = self.of_parameter(which, by, Direction::Request);
        Some(values.into_iter().filter(|value| schema.accepts(value, None)).collect())
    }

    /// Whether a value for the one is taken for the other, or is not told from none at all and need not be.
    pub fn passes(&mut self, which: Which, own: &Parameter, value: &Value, by: &Parameter, way: Direction) -> bool {
        if way == Direction::Response {
            let schema = self.of_parameter(which, by, way);
            return of_text(by, &plain(own, value)).iter().any(|value| schema.accepts(value, None));
        }
        match self.read_of(which, own, value, by) {
            None => own.required || !by.required,
            Some(read) => !read.is_empty(),
        }
    }

    /// Whether a version tells of an answer as it is sent.
    pub fn tells_as_sent(&mut self, which: Which, operation: &Operation, reply: &Reply, day: Option<Date>) -> bool {
        let Some(response) = response(operation, reply.status) else { return false };
        for (name, header) in &response.headers {
            let sent = reply.headers.iter().find(|(sent, _)| sent.name.eq_ignore_ascii_case(name));
            let is_told = match sent {
                None => !header.required,
                Some((own, value)) => {
                    self.reads(which, header, &of_text(header, &plain(own, value)), Direction::Response, day)
                }
            };
            if !is_told {
                return false;
            }
        }
        reply.body.as_ref().is_none_or(|(name, value)| {
            media(&response.content, name).is_some_and(|own| {
                let schema = self.of_media(which, own, Direction::Response);
                value.as_ref().is_none_or(|value| takes_body(&schema, name, value, day))
            })
        })
    }
}

/// Whether the values of a body travel as text.
pub(super) fn is_text(media: &str) -> bool {
    let name = media.split(';').next().unwrap_or_default();
    let is_text = name.strip_prefix("text/").is_some_and(|kind| !kind.contains("xml") && !kind.contains("yaml"));
    is_text || matches!(name, "application/x-www-form-urlencoded" | "multipart/form-data")
}

pub(super) fn is_json(media: &str) -> bool {
    let name = media.split(';').next().unwrap_or_default();
    name.ends_with("/json") || name.ends_with("+json")
}

/// Whether a body is taken, in a medium of text by any reading of it.
pub(super) fn takes_body(schema: &Schema, media: &str, value: &Value, day: Option<Date>) -> bool {
    let others = match value {
        Value::Object(members) if is_text(media) => forms(members),
        value if is_text(media) => readings(value),
        _ => Vec::new(),
    };
    schema.accepts(value, day) || others.iter().any(|value| schema.accepts(value, day))
}

fn one_text(own: &Parameter, value: &Value) -> String {
    match own.location {
        In::Header => plain(own, value),
        _ => pairs(own, value).into_iter().map(|(_, text)| text).collect(),
    }
}

/// The texts of the parameters of a path, where it is one of the template.
fn texts_in_path(template: &str, path: &str) -> Option<Vec<String>> {
    let (parts, sent): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if parts.len() != sent.len() {
        return None;
    }
    let each: Option<Vec<Vec<String>>> =
        parts.iter().zip(sent).map(|(part, sent)| texts_in_segment(part, sent)).collect();
    Some(each?.concat())
}

fn texts_in_segment(part: &str, sent: &str) -> Option<Vec<String>> {
    let Some((start, rest)) = part.split_once('{') else {
        return (part == sent || decoded(part) == decoded(sent)).then(Vec::new);
    };
    let (left, after) = (sent.strip_prefix(start)?, rest.split_once('}')?.1);
    // A parameter is at least one sign.
    let ends = left.char_indices().map(|(at, _)| at).skip(1).chain([left.len()]).filter(|end| *end > 0);
    ends.filter_map(|end| Some([vec![left[..end].to_owned()], texts_in_segment(after, &left[end..])?].concat())).next()
}

fn decoded(text: &str) -> String {
    let (bytes, mut found, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        found.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&found).into_owned()
}

/// What a text may stand for: each item and member by itself, as text or as what it spells.
fn scalars(text: &str) -> Vec<Value> {
    let mut found = vec![Value::from(text)];
    found.extend(readings(&found[0]).into_iter().filter(|read| !read.is_string()));
    found
}

/// Every choice of one of each.
fn choices(each: &[Vec<Value>]) -> Vec<Vec<Value>> {
    if each.len() > MIXED_MAX {
        let alike = |last: bool| {
            let one = |all: &Vec<Value>| if last { all.last().cloned() } else { all.first().cloned() };
            each.iter().filter_map(one).collect()
        };
        return vec![alike(false), alike(true)];
    }
    each.iter().fold(vec![Vec::new()], |found, own| {
        found.iter().flat_map(|so_far| own.iter().map(|one| [so_far.clone(), vec![one.clone()]].concat())).collect()
    })
}

fn lists(texts: &[String]) -> Vec<Value> {
    let each: Vec<Vec<Value>> = texts.iter().map(|text| scalars(text)).collect();
    choices(&each).into_iter().map(Value::Array).collect()
}

fn objects(members: &[(String, String)]) -> Vec<Value> {
    let each: Vec<Vec<Value>> = members.iter().map(|(_, text)| scalars(text)).collect();
    let names = || members.iter().map(|(name, _)| name.clone());
    choices(&each).into_iter().map(|values| Value::Object(names().zip(values).collect::<Map<_, _>>())).collect()
}

/// What the members of a form may stand for: items of a list are written one by one, and none of them not at all.
fn forms(members: &Map<String, Value>) -> Vec<Value> {
    let scalar = |value: &Value| readings(value).into_iter().chain([value.clone()]).collect::<Vec<_>>();
    let mut each: Vec<(String, Vec<Value>)> = Vec::new();
    for (name, value) in members {
        let read = match value {
            Value::Array(items) if items.is_empty() => continue,
            Value::Array(items) => {
                let one = items.first().filter(|_| items.len() == 1).map(&scalar).unwrap_or_default();
                let lists = choices(&items.iter().map(&scalar).collect::<Vec<_>>());
                lists.into_iter().map(Value::Array).chain(one).collect()
            }
            Value::Object(_) | Value::Null => vec![value.clone()],
            value => {
                let one = scalar(value);
                one.iter().cloned().chain(one.iter().map(|one| Value::Array(vec![one.clone()]))).collect()
            }
        };
        each.push((name.clone(), read));
    }
    let values: Vec<Vec<Value>> = each.iter().map(|(_, read)| read.clone()).collect();
    let names = || each.iter().map(|(name, _)| name.clone());
    choices(&values).into_iter().map(|values| Value::Object(names().zip(values).collect())).collect()
}

/// Items between signs, and members as `name=text` or as two items.
fn several(raw: &str, between: &[&str], explode: bool, read: &dyn Fn(&str) -> String) -> Vec<Value> {
    let mut parts = vec![raw.to_owned()];
    for sign in between {
        parts = parts.iter().flat_map(|part| part.split(sign)).map(str::to_owned).collect();
    }
    let texts: Vec<String> = parts.iter().map(|part| read(part)).collect();
    let mut found = lists(&texts);
    if raw.is_empty() {
        found.extend([Value::Array(Vec::new()), Value::Object(Map::new())]);
    }
    let members: Option<Pairs> = match explode {
        true => parts.iter().map(|part| part.split_once('=').map(|(name, text)| (read(name), read(text)))).collect(),
        false if texts.len().is_multiple_of(2) => {
            Some(texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
        }
        false => None,
    };
    found.extend(members.into_iter().flat_map(|members| objects(&members)));
    found
}

/// What the text in a path or a header may stand for.
fn of_text(parameter: &Parameter, raw: &str) -> Vec<Value> {
    let is_header = parameter.location == In::Header;
    let read = |text: &str| if is_header { text.trim().to_owned() } else { decoded(text) };
    if let Some(media) = &parameter.media {
        return document(media, &read(raw));
    }
    let with = |raw: &str, between: &str| {
        let mut found = scalars(&read(raw));
        found.extend(several(raw, &[between], parameter.explode, &read));
        found
    };
    match (parameter.style.as_str(), parameter.explode) {
        ("label", explode) => {
            raw.strip_prefix('.').map(|rest| with(rest, if explode { "." } else { "," })).unwrap_or_default()
        }
        ("matrix", explode) => {
            let Some(rest) = raw.strip_prefix(';') else { return Vec::new() };
            let own: Option<Vec<&str>> = rest
                .split(';')
                .map(|part| {
                    part.split_once('=').filter(|(name, _)| decoded(name) == parameter.name).map(|(_, text)| text)
                })
                .collect();
            match own {
                Some(texts) if explode => {
                    let texts: Vec<String> = texts.into_iter().map(read).collect();
                    let mut found = lists(&texts);
                    found.extend(texts.first().filter(|_| texts.len() == 1).into_iter().flat_map(|text| scalars(text)));
                    found
                }
                Some(texts) if texts.len() == 1 => with(texts[0], ","),
                _ if explode => several(rest, &[";"], true, &read),
                _ => Vec::new(),
            }
        }
        _ => with(raw, ","),
    }
}

/// What the value of a parameter that is written as a document may be.
fn document(media: &str, text: &str) -> Vec<Value> {
    match is_json(media) {
        true => serde_json::from_str(text).into_iter().collect(),
        false => scalars(text),
    }
}

/// What the pairs of a query or of cookies may stand for; nothing: the parameter is not there.
fn of_pairs(parameter: &Parameter, sent: &Pairs, others: &[&str]) -> Vec<Reading> {
    let own: Vec<usize> = (0..sent.len()).filter(|at| decoded(&sent[*at].0) == parameter.name).collect();
    let raws: Vec<&str> = own.iter().map(|at| sent[*at].1.as_str()).collect();
    let read = |text: &str| decoded(text);
    if let Some(media) = &parameter.media {
        return match raws[..] {
            [raw] => vec![(own, document(media, &decoded(raw)))],
            _ => Vec::new(),
        };
    }
    if parameter.style == "deepObject" {
        let start = format!("{}[", parameter.name);
        let member = |at: usize| {
            let name = decoded(&sent[at].0);
            let inner = name.strip_prefix(&start)?.strip_suffix(']')?.to_owned();
            Some((at, (inner, decoded(&sent[at].1))))
        };
        let (claimed, members): (Vec<usize>, Pairs) = (0..sent.len()).filter_map(member).unzip();
        return if claimed.is_empty() { Vec::new() } else { vec![(claimed, objects(&members))] };
    }
    let mut found = Vec::new();
    if !own.is_empty() && parameter.explode {
        let texts: Vec<String> = raws.iter().map(|raw| decoded(raw)).collect();
        let mut values = lists(&texts);
        values.extend(texts.first().filter(|_| texts.len() == 1).into_iter().flat_map(|text| scalars(text)));
        found.push((own, values));
    } else if let [raw] = raws[..] {
        let between: &[&str] = match parameter.style.as_str() {
            "spaceDelimited" => &["%20", "+", " "],
            "pipeDelimited" => &["|", "%7C", "%7c"],
            _ => &[","],
        };
        let mut values = scalars(&decoded(raw));
        values.extend(several(raw, between, false, &read));
        found.push((own, values));
    }
    if parameter.explode && parameter.style == "form" {
        // The members of an object stand by themselves.
        let is_elsewhere =
            |name: &str| others.iter().any(|other| name == *other || name.starts_with(&format!("{other}[")));
        let claimed: Vec<usize> = (0..sent.len()).filter(|at| !is_elsewhere(&decoded(&sent[*at].0))).collect();
        let members: Pairs = claimed.iter().map(|at| (decoded(&sent[*at].0), decoded(&sent[*at].1))).collect();
        if !claimed.is_empty() {
            found.push((claimed, objects(&members)));
        }
    }
    found
}
