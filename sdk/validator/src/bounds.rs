//! What a schema may cost, judged before anything is built of it.

use crate::compile::Fault;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

const DOCUMENT_BYTES_MAX: usize = 256 << 10;
const NODES_MAX: usize = 20_000;
const DEPTH_MAX: usize = 64;
/// Ways through applicators that judge the same value: each may be walked for every value.
const PATHS_MAX: u64 = 10_000;
const PATTERNS_MAX: usize = 1_000;
/// Compiled size of one pattern.
pub(crate) const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The size of a document's text.
pub(crate) fn size(bytes: usize, faults: &mut Vec<Fault>) {
    if bytes > DOCUMENT_BYTES_MAX {
        faults.push(Fault::new(
            "schema-too-large",
            "",
            format!("the schema has {bytes} bytes; at most {DOCUMENT_BYTES_MAX} are taken"),
        ));
    }
}

/// The shape of one document: nodes, depth, patterns.
pub(crate) fn shape(document: &Value, faults: &mut Vec<Fault>) {
    let mut counts = Counts::default();
    counts.walk(document, &mut String::new(), 0, faults);
    if counts.nodes > NODES_MAX {
        faults.push(Fault::new("schema-too-large", "", format!("the schema has more than {NODES_MAX} values")));
    }
    if counts.patterns > PATTERNS_MAX {
        faults.push(Fault::new("schema-too-large", "", format!("the schema has more than {PATTERNS_MAX} patterns")));
    }
}

#[derive(Default)]
struct Counts {
    nodes: usize,
    patterns: usize,
}

impl Counts {
    fn walk(&mut self, value: &Value, pointer: &mut String, depth: usize, faults: &mut Vec<Fault>) {
        self.nodes += 1;
        if depth > DEPTH_MAX {
            if faults.iter().all(|fault| fault.code != "schema-too-deep") {
                faults.push(Fault::new(
                    "schema-too-deep",
                    pointer,
                    format!("the schema is nested more than {DEPTH_MAX} deep"),
                ));
            }
            return;
        }
        let length = pointer.len();
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if matches!(name.as_str(), "enum" | "const" | "default" | "examples") {
                        continue;
                    }
                    pointer.push('/');
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    match (name.as_str(), member) {
                        ("pattern", Value::String(pattern)) => self.pattern(pattern, pointer, faults),
                        ("patternProperties", Value::Object(all)) => {
                            for pattern in all.keys() {
                                self.pattern(
                                    pattern,
                                    &format!("{pointer}/{}", pattern.replace('~', "~0").replace('/', "~1")),
                                    faults,
                                );
                            }
                        }
                        _ => {}
                    }
                    self.walk(member, pointer, depth + 1, faults);
                    pointer.truncate(length);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    pointer.push_str(&format!("/{index}"));
                    self.walk(item, pointer, depth + 1, faults);
                    pointer.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn pattern(&mut self, pattern: &str, pointer: &str, faults: &mut Vec<Fault>) {
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            return;
        }
        if let Err(why) = crate::pattern::compile(pattern) {
            faults.push(Fault::new("pattern-unusable", pointer, why));
        }
    }
}

/// Counts the ways through in-place applicators, over all documents of a bundle.
pub(crate) struct Paths<'d> {
    documents: &'d BTreeMap<String, Value>,
    known: HashMap<String, Option<u64>>,
}

impl<'d> Paths<'d> {
    pub fn check(documents: &'d BTreeMap<String, Value>, root: &str, faults: &mut Vec<Fault>) {
        let mut paths = Self { documents, known: HashMap::new() };
        let Some(document) = documents.get(root) else { return };
        let mut pending = vec![(root.to_owned(), String::new(), document)];
        // Every schema of the root document is somebody's start: what stands below a member is judged on another value.
        while let Some((uri, pointer, value)) = pending.pop() {
            match paths.count(&uri, &pointer, value, 0) {
                Err(cycle) => {
                    faults.push(Fault::new(
                        "schema-loops",
                        &cycle,
                        "the schema refers to itself without going into the value, so judging would never end".into(),
                    ));
                    return;
                }
                Ok(count) if count > PATHS_MAX => {
                    faults.push(Fault::new("schema-too-costly", &pointer, format!("more than {PATHS_MAX} ways lead through allOf, anyOf, oneOf, not, if and $ref here; each may be walked for every value")));
                    return;
                }
                Ok(_) => {}
            }
            match value {
                Value::Object(members) => {
                    for (name, member) in members {
                        if !matches!(name.as_str(), "enum" | "const" | "default" | "examples" | "x-guiju")
                            && (member.is_object() || member.is_array())
                        {
                            pending.push((
                                uri.clone(),
                                format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
                                member,
                            ));
                        }
                    }
                }
                Value::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        pending.push((uri.clone(), format!("{pointer}/{index}"), item));
                    }
                }
                _ => {}
            }
        }
    }

    fn count(&mut self, uri: &str, pointer: &str, schema: &Value, depth: usize) -> Result<u64, String> {
        let key = format!("{uri}#{pointer}");
        match self.known.get(&key) {
            Some(Some(count)) => return Ok(*count),
            Some(None) => return Err(pointer.to_owned()),
            None if depth > 1_000 => return Ok(u64::MAX),
            None => {}
        }
        let Value::Object(members) = schema else { return Ok(1) };
        self.known.insert(key.clone(), None);
        let mut total: u64 = 1;
        for keyword in ["allOf", "anyOf", "oneOf"] {
            for (index, part) in members.get(keyword).and_then(Value::as_array).into_iter().flatten().enumerate() {
                total =
                    total.saturating_add(self.count(uri, &format!("{pointer}/{keyword}/{index}"), part, depth + 1)?);
            }
        }
        for keyword in ["not", "if", "then", "else"] {
            if let Some(part) = members.get(keyword) {
                total = total.saturating_add(self.count(uri, &format!("{pointer}/{keyword}"), part, depth + 1)?);
            }
        }
        for keyword in ["dependentSchemas", "dependencies"] {
            for (name, part) in members.get(keyword).and_then(Value::as_object).into_iter().flatten() {
                let pointer = format!("{pointer}/{keyword}/{}", name.replace('~', "~0").replace('/', "~1"));
                total = total.saturating_add(self.count(uri, &pointer, part, depth + 1)?);
            }
        }
        if let Some(Value::String(reference)) = members.get("$ref")
            && let Some((target_uri, target_pointer)) = self.locate(uri, reference)
            && let Some(target) = self.documents.get(&target_uri).and_then(|document| document.pointer(&target_pointer))
        {
            total = total.saturating_add(self.count(&target_uri, &target_pointer, target, depth + 1)?);
        }
        self.known.insert(key, Some(total));
        Ok(total)
    }

    /// References by pointer; those by anchor or identifier are followed by the engine alone.
    fn locate(&self, uri: &str, reference: &str) -> Option<(String, String)> {
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let document = if document.is_empty() { uri } else { document };
        (fragment.is_empty() || fragment.starts_with('/')).then(|| (document.to_owned(), fragment.to_owned()))
    }
}
