//! Readings: named transformations of both sides, under which a comparison holds.
//!
//! - `strict`: a version is the set of records that its validator accepts.
//! - `closed-writer`: whoever writes records by a version writes no property that it does not declare. A version breaks another
//!   where a record so written by the other is refused; it widens it where records can be written that could not before.
//! - formats asserted or not, and constants that name the version itself pinned or not.
//!
//! A property is declared where any part of the schema that speaks of the object names it. An object of which nothing is named,
//! or whose other members have a schema of their own, is a map: it stays open.

use guiju_model::{Bundle, document_name};
use semver::Version;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// References followed while the names of one object are gathered.
const DEPTH_MAX: usize = 24;

/// Keywords under which other values than the object itself are described.
const CHILDREN: &[&str] =
    &["additionalProperties", "unevaluatedProperties", "items", "additionalItems", "unevaluatedItems", "contains"];
const CHILD_MAPS: &[&str] = &["properties", "patternProperties"];
/// Keywords under which the same value is described further. What is denied or only asked is left as it is.
const SAME: &[&str] = &["then", "else"];
const SAME_LISTS: &[&str] = &["allOf", "anyOf", "oneOf"];
const SAME_MAPS: &[&str] = &["$defs", "definitions", "dependentSchemas", "dependencies"];

/// A document in which no object below the root has undeclared members, and what says the same of the root.
pub(crate) fn closed(document: &Value, others: &BTreeMap<String, Value>) -> (Value, Value) {
    let closer = Closer { root: document, others };
    let mut closed = document.clone();
    without_vocabulary(&mut closed);
    closer.close(&mut closed, 0);
    if let Value::Object(members) = &mut closed {
        // Told apart by its text from the document that it was made of.
        members.insert("$comment".into(), "closed".into());
    }
    let mut top = closer.closing(document).unwrap_or_else(|| json!({}));
    if let (Some(dialect), Value::Object(members)) = (document.get("$schema"), &mut top) {
        members.insert("$schema".into(), dialect.clone());
    }
    (closed, top)
}

/// Other documents likewise: their roots stay as they are, since they are referred to from where names are gathered.
pub(crate) fn all_closed(others: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    others.iter().map(|(uri, other)| (uri.clone(), closed(other, others).0)).collect()
}

struct Closer<'d> {
    root: &'d Value,
    others: &'d BTreeMap<String, Value>,
}

impl<'d> Closer<'d> {
    fn close(&self, schema: &mut Value, depth: usize) {
        let Value::Object(members) = schema else { return };
        if depth > 128 {
            return;
        }
        for (keyword, part) in members.iter_mut() {
            let keyword = keyword.as_str();
            match part {
                Value::Object(all) if CHILD_MAPS.contains(&keyword) => {
                    all.values_mut().for_each(|child| self.child(child, depth));
                }
                Value::Array(all) if matches!(keyword, "items" | "prefixItems") => {
                    all.iter_mut().for_each(|child| self.child(child, depth));
                }
                Value::Object(_) if CHILDREN.contains(&keyword) => self.child(part, depth),
                Value::Object(_) if SAME.contains(&keyword) => self.close(part, depth + 1),
                Value::Array(all) if SAME_LISTS.contains(&keyword) => {
                    all.iter_mut().for_each(|same| self.close(same, depth + 1));
                }
                Value::Object(all) if SAME_MAPS.contains(&keyword) => {
                    all.values_mut().for_each(|same| self.close(same, depth + 1));
                }
                _ => {}
            }
        }
    }

    fn child(&self, schema: &mut Value, depth: usize) {
        let closing = self.closing(schema);
        self.close(schema, depth + 1);
        let (Some(closing), Value::Object(members)) = (closing, &mut *schema) else { return };
        // Up to draft 7 nothing counts beside a `$ref`.
        if members.contains_key("$ref") {
            let mut reference = Map::new();
            reference.extend(members.remove("$ref").map(|to| ("$ref".to_owned(), to)));
            push(members, Value::Object(reference));
        }
        push(members, closing);
    }

    /// What refuses undeclared members of an object; none where it is a map, or nothing is known of its members.
    fn closing(&self, schema: &Value) -> Option<Value> {
        let (mut names, mut patterns) = (BTreeSet::new(), BTreeSet::new());
        self.declared(schema, self.root, &mut names, &mut patterns, 0)?;
        if names.is_empty() && patterns.is_empty() {
            return None;
        }
        let open = |names: BTreeSet<String>| -> Map<String, Value> {
            names.into_iter().map(|name| (name, json!({}))).collect()
        };
        Some(json!({"properties": open(names), "patternProperties": open(patterns), "additionalProperties": false}))
    }

    /// Gathers what a schema declares of the object; none where it leaves it open on purpose, or cannot be followed.
    fn declared(
        &self,
        schema: &Value,
        document: &Value,
        names: &mut BTreeSet<String>,
        patterns: &mut BTreeSet<String>,
        depth: usize,
    ) -> Option<()> {
        let Value::Object(members) = schema else { return Some(()) };
        if depth > DEPTH_MAX || members.contains_key("$dynamicRef") || members.contains_key("$recursiveRef") {
            return None;
        }
        for keyword in ["additionalProperties", "unevaluatedProperties"] {
            if members.get(keyword).and_then(Value::as_object).is_some_and(|schema| !schema.is_empty()) {
                return None;
            }
        }
        let keys = |keyword: &str| members.get(keyword).and_then(Value::as_object).into_iter().flatten();
        names.extend(keys("properties").map(|(name, _)| name.clone()));
        patterns.extend(keys("patternProperties").map(|(pattern, _)| pattern.clone()));
        let required = members.get("required").and_then(Value::as_array).into_iter().flatten();
        names.extend(required.filter_map(Value::as_str).map(str::to_owned));
        let lists = SAME_LISTS.iter().filter_map(|keyword| members.get(*keyword)).filter_map(Value::as_array).flatten();
        let conditions = ["if", "then", "else"].into_iter().filter_map(|keyword| members.get(keyword));
        let depending = keys("dependentSchemas").chain(keys("dependencies")).map(|(_, part)| part);
        for part in lists.chain(conditions).chain(depending) {
            self.declared(part, document, names, patterns, depth + 1)?;
        }
        match members.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let (uri, fragment) = reference.split_once('#').unwrap_or((reference, ""));
                let document = if uri.is_empty() { document } else { self.others.get(uri)? };
                self.declared(document.pointer(fragment)?, document, names, patterns, depth + 1)
            }
            None => Some(()),
        }
    }
}

fn push(members: &mut Map<String, Value>, part: Value) {
    match members.entry("allOf").or_insert_with(|| json!([])) {
        Value::Array(all) => all.push(part),
        other => *other = json!([part]),
    }
}

/// A schema without what only the validator of the whole standard can judge.
fn without_vocabulary(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.remove("x-guiju");
            let judged = members.iter_mut().filter(|(name, _)| !matches!(name.as_str(), "enum" | "const" | "default"));
            judged.for_each(|(_, member)| without_vocabulary(member));
        }
        Value::Array(items) => items.iter_mut().for_each(without_vocabulary),
        _ => {}
    }
}

/// A version in which constants that name it may be any text.
pub(crate) fn unpinned(bundle: &Bundle) -> Option<Bundle> {
    let mut root = bundle.root().clone();
    let mut schema: Value = serde_json::from_slice(root.document()?).ok()?;
    unpin(&mut schema, &root.manifest.version);
    root.files.insert(document_name(root.manifest.kind)?.to_owned(), schema.to_string().into_bytes());
    Bundle::gather(root, bundle).ok()
}

fn unpin(schema: &mut Value, version: &Version) {
    match schema {
        Value::Object(members) => {
            let names = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|text| is_own(text, version));
            let lone = members.get("enum").and_then(Value::as_array).filter(|values| values.len() == 1);
            if names(members.get("const")) || names(lone.and_then(|values| values.first())) {
                members.remove("const");
                members.remove("enum");
                members.insert("type".into(), "string".into());
            }
            let judged = members.iter_mut().filter(|(name, _)| !matches!(name.as_str(), "enum" | "const" | "default"));
            judged.for_each(|(_, member)| unpin(member, version));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| unpin(item, version)),
        _ => {}
    }
}

/// `1.4.0`, `1-4-0`, `bj.house/building@1.4.0`, `iglu:com.acme/click/jsonschema/1-4-0`.
fn is_own(text: &str, version: &Version) -> bool {
    let last = text.rsplit(['@', '/']).next().unwrap_or(text);
    last == version.to_string() || last == format!("{}-{}-{}", version.major, version.minor, version.patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_anywhere_is_declared() {
        let document = json!({
            "properties": {"a": {"$ref": "#/$defs/a"}, "m": {"additionalProperties": {"type": "string"}}},
            "allOf": [{"properties": {"b": true}}], "patternProperties": {"^x_": {}}, "required": ["c"],
            "$defs": {"a": {"properties": {"d": {}}}}
        });
        let (closed, top) = closed(&document, &BTreeMap::new());
        let names: Vec<&String> = top["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["a", "b", "c", "m"]);
        assert_eq!(top["additionalProperties"], json!(false));
        assert_eq!(closed["properties"]["m"], document["properties"]["m"], "a map stays open");
        assert_eq!(closed["properties"]["a"]["allOf"][1]["properties"], json!({"d": {}}));
        assert_eq!(closed["$defs"], document["$defs"]);
    }

    #[test]
    fn constants_that_name_the_version_itself_are_known() {
        let version = Version::new(1, 4, 0);
        for text in ["1.4.0", "1-4-0", "bj.house/building@1.4.0", "iglu:com.acme/click/jsonschema/1-4-0"] {
            assert!(is_own(text, &version), "{text}");
        }
        assert!(!is_own("11.4.0", &version) && !is_own("1.4.00", &version));
    }
}
