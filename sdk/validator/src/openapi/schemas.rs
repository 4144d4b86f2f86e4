//! A schema of a contract with all it refers to, as a document of its own.
//!
//! # Invariants
//! - What stands in the document stands in the contract: every place of it leads back.
//! - `readOnly` members are not required of a request and not written into one; who reads a request passes over them, but where
//!   the other version reads them. So it is with `writeOnly` ones and responses. In what is referred to in registered standards the
//!   two stay remarks.
//! - The formats `int32` and `int64` are the ranges that they name.

use super::{Api, In};
use crate::json::{escape, unescape};
use serde_json::{Map, Number, Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Request,
    Response,
}

/// For whom a schema is read: who writes messages, or who reads those that another version writes.
#[derive(Clone, Copy, Debug)]
pub enum MessageSide<'a> {
    Writer,
    Reader(Option<&'a Api>),
}

/// A JSON Schema document whose definitions are schemas of a contract.
#[derive(Clone, Debug)]
pub struct SchemaDocument {
    pub value: Value,
    pub places: Places,
}

/// From the definitions of a document of schemas back to the contract.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    by_name: BTreeMap<String, String>,
}

impl Places {
    /// Where in the contract stands what stands at this pointer of the document; none for what it adds.
    pub fn place(&self, pointer: &str) -> Option<String> {
        let (name, rest) = pointer.strip_prefix("/$defs/")?.split_once('/').map_or_else(
            || (pointer.strip_prefix("/$defs/").unwrap_or_default(), String::new()),
            |(name, rest)| (name, format!("/{rest}")),
        );
        Some(format!("{}{rest}", self.by_name.get(name)?))
    }
}

/// The name under which a schema is known whose place may differ between two versions.
const VALUE: &str = "value";
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// References followed for a remark.
const REMARK_HOPS_MAX: usize = 4;

const SINGLE: &[&str] = &[
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "unevaluatedItems",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
];
const LISTS: &[&str] = &["prefixItems", "allOf", "anyOf", "oneOf"];
const MAPS: &[&str] = &["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];
/// What speaks of the same value as the schema that it stands in, and asks no less than that.
const BESIDE: &[&str] = &["allOf", "anyOf", "oneOf", "then", "else", "dependentSchemas"];

/// Members that are not of the direction, as another branch or what refers here says.
type Passed = BTreeSet<String>;

impl Api {
    /// The schema at a pointer, for messages of one direction; without a pointer, any value. Of a parameter or header it takes only
    /// what can be written there: not null, and no empty text in a path.
    pub fn schema_document(
        &self,
        pointer: Option<&str>,
        direction: Direction,
        parameter: Option<In>,
        side: MessageSide<'_>,
    ) -> SchemaDocument {
        let roots = pointer.into_iter().map(|pointer| (VALUE, pointer));
        let mut document = self.schema_documents(roots, Some((direction, side)));
        if pointer.is_some() {
            document.value["$ref"] = json!(format!("#/$defs/{VALUE}"));
        }
        if parameter.is_some() {
            document.value["type"] = json!(["string", "number", "boolean", "array", "object"]);
        }
        if parameter == Some(In::Path) {
            document.value["minLength"] = json!(1);
        }
        document
    }

    /// Schemas by the names that they are to have.
    pub(super) fn schema_documents<'p>(
        &self,
        roots: impl Iterator<Item = (&'p str, &'p str)>,
        direction: Option<(Direction, MessageSide<'_>)>,
    ) -> SchemaDocument {
        let mut gatherer = Gatherer {
            api: self,
            direction,
            names: BTreeMap::new(),
            places: Places::default(),
            waiting: VecDeque::new(),
        };
        for (name, pointer) in roots {
            match name == pointer {
                true => drop(gatherer.name(pointer, Passed::new())),
                false => {
                    gatherer.places.by_name.insert(name.to_owned(), pointer.to_owned());
                    gatherer.waiting.push_back((name.to_owned(), pointer.to_owned(), Passed::new()));
                }
            }
        }
        let mut definitions = Map::new();
        while let Some((name, pointer, passed)) = gatherer.waiting.pop_front() {
            let mut schema = self.document.pointer(&pointer).cloned().unwrap_or(Value::Bool(true));
            gatherer.adapt(&mut schema, &pointer, &passed);
            definitions.insert(name, schema);
        }
        SchemaDocument { value: json!({"$schema": DIALECT, "$defs": definitions}), places: gatherer.places }
    }
}

struct Gatherer<'a> {
    api: &'a Api,
    direction: Option<(Direction, MessageSide<'a>)>,
    /// Pointer, and what is passed over there, to the name of the definition that stands for it.
    names: BTreeMap<(String, Passed), String>,
    places: Places,
    waiting: VecDeque<(String, String, Passed)>,
}

impl Gatherer<'_> {
    /// The name of the definition for a pointer, of signs that need no escape anywhere.
    fn name(&mut self, pointer: &str, passed: Passed) -> String {
        let key = (pointer.to_owned(), passed);
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let plain: String = pointer
            .trim_start_matches('/')
            .chars()
            .map(|sign| match sign {
                '/' => '.',
                sign if sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '_') => sign,
                _ => '_',
            })
            .collect();
        let mut name = plain.clone();
        let mut count = 1;
        while self.places.by_name.contains_key(&name) {
            count += 1;
            name = format!("{plain}.{count}");
        }
        self.names.insert(key.clone(), name.clone());
        self.places.by_name.insert(name.clone(), pointer.to_owned());
        self.waiting.push_back((name.clone(), key.0, key.1));
        name
    }

    fn adapt(&mut self, schema: &mut Value, pointer: &str, outer: &Passed) {
        let mut passed = outer.clone();
        if let Some((direction, _)) = self.direction {
            passed.extend(self.marked(schema, remark(direction), 0));
        }
        let Value::Object(members) = schema else { return };
        if let Some(Value::String(reference)) = members.get_mut("$ref")
            && let Some(pointer) = inside(reference)
        {
            // Where it makes no difference, one definition stands for all.
            let asked = self.api.document.pointer(&pointer).map(|target| self.required(target, 0)).unwrap_or_default();
            let passed = passed.intersection(&asked).cloned().collect();
            *reference = format!("#/$defs/{}", self.name(&pointer, passed));
        }
        if let Some((direction, side)) = self.direction {
            self.only_of(direction, side, members, pointer, &passed);
            ranges(members);
        }
        let nothing = Passed::new();
        for (keyword, value) in members.iter_mut() {
            let at = format!("{pointer}/{keyword}");
            let keyword = keyword.as_str();
            let passed = if BESIDE.contains(&keyword) { &passed } else { &nothing };
            match value {
                Value::Array(parts) if LISTS.contains(&keyword) => {
                    let each = parts.iter_mut().enumerate();
                    each.for_each(|(index, part)| self.adapt(part, &format!("{at}/{index}"), passed));
                }
                Value::Object(parts) if MAPS.contains(&keyword) => {
                    let each = parts.iter_mut();
                    each.for_each(|(name, part)| self.adapt(part, &format!("{at}/{}", escape(name)), passed));
                }
                part if SINGLE.contains(&keyword) => self.adapt(part, &at, passed),
                _ => {}
            }
        }
    }

    /// Members with the remark: of a schema, of all that it consists of, and of what it refers to.
    fn marked(&self, schema: &Value, remark: &str, depth: usize) -> Passed {
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let own = properties.filter(|(_, schema)| says(self.api, schema, remark, 0)).map(|(name, _)| name.clone());
        self.and_beside(schema, &["allOf"], own.collect(), depth, &|part, depth| self.marked(part, remark, depth))
    }

    /// Members that a schema, or what speaks of the same value in it, may require.
    fn required(&self, schema: &Value, depth: usize) -> Passed {
        let own = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let own = own.map(str::to_owned).collect();
        self.and_beside(schema, BESIDE, own, depth, &|part, depth| self.required(part, depth))
    }

    fn and_beside(
        &self,
        schema: &Value,
        keywords: &[&str],
        mut found: Passed,
        depth: usize,
        of: &dyn Fn(&Value, usize) -> Passed,
    ) -> Passed {
        if depth >= REMARK_HOPS_MAX {
            return found;
        }
        let target = schema.get("$ref").and_then(Value::as_str).and_then(inside);
        let target = target.and_then(|pointer| self.api.document.pointer(&pointer));
        found.extend(target.into_iter().flat_map(|target| of(target, depth + 1)));
        for (keyword, value) in keywords.iter().filter_map(|keyword| Some((*keyword, schema.get(*keyword)?))) {
            match value {
                Value::Array(parts) => found.extend(parts.iter().flat_map(|part| of(part, depth + 1))),
                Value::Object(parts) if keyword == "dependentSchemas" => {
                    found.extend(parts.values().flat_map(|part| of(part, depth + 1)));
                }
                part => found.extend(of(part, depth + 1)),
            }
        }
        found
    }

    /// Members that are not of this direction are not required, and are what the two versions make of them.
    fn only_of(
        &self,
        direction: Direction,
        side: MessageSide<'_>,
        members: &mut Map<String, Value>,
        pointer: &str,
        passed: &Passed,
    ) {
        let remark = remark(direction);
        if let Some(Value::Array(required)) = members.get_mut("required") {
            required.retain(|name| name.as_str().is_none_or(|name| !passed.contains(name)));
        }
        let Some(Value::Object(properties)) = members.get_mut("properties") else { return };
        let has = |schema: &Value| says(self.api, schema, remark, 0);
        let names: Vec<String> =
            properties.iter().filter(|(_, schema)| has(schema)).map(|(name, _)| name.clone()).collect();
        for name in &names {
            let is_passed_over = match side {
                MessageSide::Writer => false,
                MessageSide::Reader(None) => true,
                MessageSide::Reader(Some(writer)) => {
                    let place = format!("{pointer}/properties/{}", escape(name));
                    let theirs = writer.document.pointer(&place);
                    let is_theirs = theirs.is_some_and(|schema| !says(writer, schema, remark, 0));
                    // A request that says what is no longer read is not taken for what it says.
                    theirs.is_none() || (is_theirs && direction == Direction::Response)
                }
            };
            properties.insert(name.clone(), Value::Bool(is_passed_over));
        }
    }
}

/// What is said of members that are not of the direction.
fn remark(direction: Direction) -> &'static str {
    match direction {
        Direction::Request => "readOnly",
        Direction::Response => "writeOnly",
    }
}

/// Whether a schema, or what it always refers to inside the document, has the remark.
fn says(api: &Api, schema: &Value, remark: &str, depth: usize) -> bool {
    if schema.get(remark) == Some(&Value::Bool(true)) {
        return true;
    }
    let target = schema.get("$ref").and_then(Value::as_str).and_then(inside);
    let target = target.and_then(|pointer| api.document.pointer(&pointer));
    let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
    depth < REMARK_HOPS_MAX && parts.chain(target).any(|part| says(api, part, remark, depth + 1))
}

/// The pointer of a reference inside the document.
pub(super) fn inside(reference: &str) -> Option<String> {
    let fragment = reference.strip_prefix('#')?;
    Some(crate::survey::percent_decoded(fragment))
}

/// What `int32` and `int64` say, as ranges.
fn ranges(members: &mut Map<String, Value>) {
    let (least, most) = match members.get("format").and_then(Value::as_str) {
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Some("int64") => (i64::MIN, i64::MAX),
        _ => return,
    };
    let own = |name: &str| members.get(name).and_then(Value::as_f64);
    let (own_least, own_most) = (own("minimum"), own("maximum"));
    if own_least.is_none_or(|own| own < least as f64) {
        members.insert("minimum".into(), Value::Number(Number::from(least)));
    }
    if own_most.is_none_or(|own| own > most as f64) {
        members.insert("maximum".into(), Value::Number(Number::from(most)));
    }
}

/// Every schema in a schema, with its pointer, itself first.
pub(super) fn all_in<'v>(schema: &'v Value, pointer: &str) -> Vec<(String, &'v Value)> {
    let mut found = vec![(pointer.to_owned(), schema)];
    let mut next = 0;
    while next < found.len() {
        let (pointer, schema) = found[next].clone();
        next += 1;
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            let at = format!("{pointer}/{}", escape(keyword));
            let keyword = keyword.as_str();
            match value {
                Value::Array(parts) if LISTS.contains(&keyword) => {
                    found.extend(parts.iter().enumerate().map(|(index, part)| (format!("{at}/{index}"), part)));
                }
                Value::Object(parts) if MAPS.contains(&keyword) => {
                    found.extend(parts.iter().map(|(name, part)| (format!("{at}/{}", escape(name)), part)));
                }
                part if SINGLE.contains(&keyword) => found.push((at, part)),
                _ => {}
            }
        }
    }
    found
}

/// The last member of a pointer.
pub(crate) fn last(pointer: &str) -> String {
    unescape(pointer.rsplit('/').next().unwrap_or_default()).into_owned()
}
