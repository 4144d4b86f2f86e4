//! Fields, objects and the pointers between them.

use super::{
    Found,
    documents::{Documents, Schema},
    words,
};
use crate::{formats, json::escape, near::nearest};
use guiju_model::{Kind, Metadata, SecurityLevel, ShareClass};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a schema is to the one that holds it.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Root,
    /// A member of an object that is declared here.
    Field,
    /// An item, a value of a map.
    Item,
    /// Under `$defs`: what it means is said where it is used.
    Definition,
    /// Judges the same value as the schema that holds it.
    Part,
}

/// Formats of JSON Schema itself.
pub(super) const STANDARD_FORMATS: [&str; 19] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

pub(crate) struct Walk<'w> {
    documents: &'w Documents<'w>,
    kind: Kind,
    metadata: &'w Metadata,
    found: &'w mut Found,
    /// Rule ids, and where each stands.
    rule_ids: BTreeMap<String, String>,
    /// The field with the highest level so far, where it is above the standard's own.
    highest: Option<(SecurityLevel, String, String)>,
    /// Inside a rule over a record and the one it refers to, whose pointers begin with `/own` or `/other`.
    is_joined: bool,
}

impl<'w> Walk<'w> {
    pub fn new(documents: &'w Documents<'w>, kind: Kind, metadata: &'w Metadata, found: &'w mut Found) -> Self {
        Self { documents, kind, metadata, found, rule_ids: BTreeMap::new(), highest: None, is_joined: false }
    }

    pub fn document(mut self, root: Schema<'w>) {
        self.of_root(root);
        self.schema(root, "", Role::Root, "", root);
        if let Some((level, name, pointer)) = self.highest.take() {
            let args =
                [("standard", self.metadata.security_level.as_str()), ("name", &name), ("field", level.as_str())];
            self.found.add("security-level-too-low", &pointer, &args);
        }
    }

    fn of_root(&mut self, root: Schema<'w>) {
        let own = root.value.get("x-guiju");
        let own_has = |name: &str| own.is_some_and(|own| own.get(name).is_some());
        if root.value.get("$schema").is_none() {
            self.found.add("schema-dialect-missing", "", &[]);
        }
        if !own_has("vocabulary") && uses_vocabulary(root.value) {
            self.found.add("vocabulary-version-missing", "", &[]);
        }
        if self.kind == Kind::Record && !own_has("keys") {
            self.found.add("keys-missing", "", &[]);
        }
        if self.kind == Kind::Profile && !own_has("profileOf") {
            self.found.add("profile-of-missing", "", &[]);
        }
        if self.kind == Kind::Record {
            self.extensions(root);
        }
        for list in ["keys", "references", "dataset"] {
            if let Some(rules) = own.and_then(|own| own.get(list)) {
                self.pointers(rules, &format!("/x-guiju/{list}"), root);
            }
        }
    }

    /// Names that a district may add: `x_<district>_<name>`, and no others.
    fn extensions(&mut self, root: Schema<'w>) {
        let patterns: Vec<(&String, Schema<'w>)> = self
            .documents
            .always(root)
            .into_iter()
            .flat_map(|schema| members(schema.value, "patternProperties").map(move |(pattern, _)| (pattern, schema)))
            .collect();
        for (pattern, schema) in &patterns {
            if !pattern.starts_with("^x_") && std::ptr::eq(schema.value, root.value) {
                let pointer = format!("/patternProperties/{}", escape(pattern));
                self.found.add("extension-names-other", &pointer, &[("pattern", pattern)]);
            }
        }
        let example =
            |pattern: &str| crate::pattern::compile(pattern).is_ok_and(|regex| regex.is_match("x_haidian_note"));
        if self.is_closed(root) && !patterns.iter().any(|(pattern, _)| example(pattern)) {
            self.found.add("extension-names-refused", "", &[]);
        }
    }

    /// `object` is the nearest schema that is not a part: it knows which fields there are.
    fn schema(&mut self, schema: Schema<'w>, pointer: &str, role: Role, name: &str, object: Schema<'w>) {
        let Value::Object(members) = schema.value else { return };
        let object = if role == Role::Part { object } else { schema };
        if role == Role::Field {
            self.field(schema, pointer, name);
        }
        self.values(members, pointer);
        if matches!(role, Role::Root | Role::Field | Role::Item) {
            self.openness(schema, pointer);
        }
        if role != Role::Part {
            self.headers(members, pointer);
        }
        self.required(members, pointer, object);
        if let Some(Value::Object(own)) = members.get("x-guiju") {
            self.own(own, &format!("{pointer}/x-guiju"), object);
        }
        self.below(schema, members, pointer, role, object);
    }

    fn below(
        &mut self,
        schema: Schema<'w>,
        members: &'w Map<String, Value>,
        pointer: &str,
        role: Role,
        object: Schema<'w>,
    ) {
        let home = schema.home;
        for (keyword, value) in members {
            let place = format!("{pointer}/{}", escape(keyword));
            let below = match keyword.as_str() {
                // In a part, a member is a condition on a field, not its declaration.
                "properties" if role == Role::Part => Role::Part,
                "properties" => Role::Field,
                "patternProperties"
                | "items"
                | "prefixItems"
                | "additionalItems"
                | "contains"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "unevaluatedItems" => Role::Item,
                "$defs" | "definitions" => Role::Definition,
                "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas" => Role::Part,
                _ => continue,
            };
            let is_map = matches!(
                keyword.as_str(),
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas"
            );
            let mut go = |name: &str, value: &'w Value, place: String| {
                let inner = Schema { home, value };
                let around = if keyword == "properties" && role == Role::Part { inner } else { object };
                self.schema(inner, &place, below, name, around);
            };
            match value {
                Value::Object(named) if is_map => {
                    named.iter().for_each(|(name, value)| go(name, value, format!("{place}/{}", escape(name))));
                }
                Value::Array(items) => {
                    items.iter().enumerate().for_each(|(index, value)| go("", value, format!("{place}/{index}")));
                }
                value => go("", value, place),
            }
        }
    }

    fn field(&mut self, schema: Schema<'w>, pointer: &str, name: &str) {
        let all = self.documents.always(schema);
        let any = |has: &dyn Fn(&Value) -> bool| all.iter().any(|schema| has(schema.value));
        let own =
            |name: &'static str| move |value: &Value| value.get("x-guiju").is_some_and(|own| own.get(name).is_some());
        let missing = [
            ("title-missing", any(&|value| value.get("title").is_some())),
            ("title-zh-missing", any(&own("titleZh"))),
            ("description-missing", any(&|value| value.get("description").is_some()) || any(&own("descriptionZh"))),
        ];
        let types: Vec<&str> = all.iter().flat_map(|schema| types(schema.value)).collect();
        let says_what = ["enum", "const", "anyOf", "oneOf", "properties", "items"];
        let bounds = ["maxLength", "pattern", "format", "enum", "const", "anyOf", "oneOf"];
        let has = |names: &[&str]| names.iter().any(|name| any(&|value| value.get(*name).is_some()));
        let has_list = any(&own("codeList"));
        let level = all.iter().filter_map(|schema| security_level(schema.value)).max();
        let is_short = name.len() <= 63 && name.starts_with(|c: char| c.is_ascii_lowercase());
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let args = [("name", name)];
        for (code, _) in missing.into_iter().filter(|(_, is_there)| !is_there) {
            self.found.add(code, pointer, &args);
        }
        // A collection of elements names types, not the fields of a record.
        if self.kind != Kind::Elements && !(is_short && name.bytes().all(is_plain)) {
            self.found.add("field-name-form", pointer, &args);
        }
        if types.is_empty() && !has(&says_what) && schema.value.is_object() {
            self.found.add("type-missing", pointer, &args);
        }
        if types.contains(&"string") && !has(&bounds) && !has_list {
            self.found.add("text-unbounded", pointer, &args);
        }
        if let Some(kind) = types.iter().find(|kind| has_list && matches!(**kind, "integer" | "number")) {
            self.found.add("code-list-on-number", pointer, &[("type", kind)]);
        }
        if let Some(level) = level.filter(|_| self.kind != Kind::Elements) {
            self.level(level, pointer, name);
        }
    }

    fn level(&mut self, level: SecurityLevel, pointer: &str, name: &str) {
        if level >= SecurityLevel::S3 && self.metadata.share_class == ShareClass::Unconditional {
            self.found.add("share-class-too-wide", pointer, &[("name", name), ("level", level.as_str())]);
        }
        let known = self.highest.as_ref().map_or(self.metadata.security_level, |(level, ..)| *level);
        if level > known {
            self.highest = Some((level, name.into(), pointer.into()));
        }
    }

    fn values(&mut self, members: &Map<String, Value>, pointer: &str) {
        if let Some(Value::String(format)) = members.get("format")
            && !formats::is_known(format)
            && !STANDARD_FORMATS.contains(&format.as_str())
        {
            let known = formats::names().chain(STANDARD_FORMATS);
            let (near, near_zh) = hints(nearest(format, known));
            let args = [("name", format.as_str()), ("near", &near), ("near_zh", &near_zh)];
            self.found.add("format-unknown", &format!("{pointer}/format"), &args);
        }
        if let Some(Value::String(pattern)) = members.get("pattern")
            && !is_anchored(pattern)
        {
            self.found.add("pattern-unanchored", &format!("{pointer}/pattern"), &[("pattern", pattern)]);
        }
        if let Some(Value::Array(choices)) = members.get("enum") {
            self.choices(choices, &format!("{pointer}/enum"));
        }
    }

    fn choices(&mut self, choices: &[Value], pointer: &str) {
        for (index, choice) in choices.iter().enumerate() {
            let place = format!("{pointer}/{index}");
            if choices[..index].contains(choice) {
                self.found.add("enum-duplicate", &place, &[("value", &choice.to_string())]);
            }
            let spelled = |value: &Value| match value {
                Value::Number(number) => Some(number.to_string()),
                Value::String(text) => Some(text.clone()),
                _ => None,
            };
            let is_other = |other: &&Value| other.is_number() != choice.is_number();
            if let Some(text) = spelled(choice)
                && choices[..index].iter().filter(is_other).any(|other| spelled(other).as_ref() == Some(&text))
            {
                self.found.add("enum-number-and-text", &place, &[("value", &text)]);
            }
        }
    }

    fn openness(&mut self, schema: Schema<'w>, pointer: &str) {
        let all = self.documents.always(schema);
        let is_object = all.iter().any(|schema| schema.value.get("properties").is_some());
        let has_reason =
            all.iter().any(|schema| schema.value.get("x-guiju").is_some_and(|own| own.get("allowOpen").is_some()));
        if is_object && !has_reason && !self.is_closed(schema) {
            self.found.add("object-open", pointer, &[]);
        }
    }

    /// Whether a member that is not declared is refused, or judged by a schema.
    fn is_closed(&self, schema: Schema<'_>) -> bool {
        let closes = |value: &Value| match value {
            Value::Bool(open) => !open,
            Value::Object(schema) => !schema.is_empty(),
            _ => false,
        };
        let names = ["additionalProperties", "unevaluatedProperties"];
        let all = self.documents.always(schema);
        all.iter().any(|schema| names.iter().any(|name| schema.value.get(*name).is_some_and(closes)))
    }

    /// Words by which the columns of a table are recognised.
    fn headers(&mut self, members: &'w Map<String, Value>, pointer: &str) {
        let mut known: BTreeMap<String, &str> = BTreeMap::new();
        for (name, schema) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let own = schema.get("x-guiju");
            let synonyms = own.and_then(|own| own.get("synonyms")).and_then(Value::as_array).into_iter().flatten();
            let titles = [schema.get("title"), own.and_then(|own| own.get("titleZh"))];
            let words = titles.into_iter().flatten().chain(synonyms).filter_map(Value::as_str).chain([name.as_str()]);
            for word in words {
                let first = *known.entry(word.trim().to_lowercase()).or_insert(name);
                if first != name {
                    let place = format!("{pointer}/properties/{}", escape(name));
                    self.found.add("header-ambiguous", &place, &[("word", word), ("first", first), ("second", name)]);
                }
            }
        }
    }

    fn required(&mut self, members: &Map<String, Value>, pointer: &str, object: Schema<'w>) {
        let required = members.get("required").and_then(Value::as_array).into_iter().flatten();
        let is_map = self
            .documents
            .always(object)
            .iter()
            .any(|schema| schema.value.get("additionalProperties").is_some_and(|rest| rest.is_object()));
        for (index, name) in required.filter_map(Value::as_str).enumerate() {
            if is_map || !self.documents.declared(object, name).is_empty() {
                continue;
            }
            let all = self.documents.perhaps(object);
            let names =
                all.iter().flat_map(|schema| self::members(schema.value, "properties")).map(|(name, _)| name.as_str());
            let (near, near_zh) = hints(nearest(name, names));
            let args = [("name", name), ("near", &*near), ("near_zh", &near_zh)];
            self.found.add("required-undeclared", &format!("{pointer}/required/{index}"), &args);
        }
    }

    fn own(&mut self, own: &Map<String, Value>, pointer: &str, object: Schema<'w>) {
        words::check(own, pointer, self.found);
        let rules = own.get("rules").and_then(Value::as_array).into_iter().flatten();
        for (index, rule) in rules.enumerate() {
            let place = format!("{pointer}/rules/{index}");
            self.pointers(rule, &place, object);
            if let Some(id) = rule.get("id").and_then(Value::as_str)
                && let Some(first) = self.rule_ids.insert(id.to_owned(), place.clone())
            {
                self.found.add("rule-id-twice", &format!("{place}/id"), &[("id", id), ("first", &first)]);
            }
        }
        // These point from the root of the record, wherever they stand.
        let from_root = [own.get("codeList").and_then(|list| list.get("asOf")), own.get("replacedBy")];
        for (written, place) in from_root.into_iter().zip(["codeList/asOf", "replacedBy"]) {
            if let Some(Value::String(written)) = written
                && self.kind != Kind::Elements
                && let Some(root) = self.documents.root()
                && !self.documents.leads(root, written)
            {
                self.found.add("pointer-undeclared", &format!("{pointer}/{place}"), &[("pointer", written)]);
            }
        }
    }

    /// Pointers to fields inside rules, keys and references, each of which must lead somewhere.
    fn pointers(&mut self, value: &Value, place: &str, object: Schema<'w>) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.pointers(item, &format!("{place}/{index}"), object);
                }
            }
            Value::Object(members) => {
                // An operand's `value` is a literal; a data-set rule's is a field.
                let is_rule = members.contains_key("kind");
                let is_joined = members.get("kind").and_then(Value::as_str) == Some("joined");
                for (name, value) in members {
                    let place = format!("{place}/{}", escape(name));
                    match name.as_str() {
                        "field" | "fields" | "sum" | "length" | "difference" | "by" | "from" | "order" | "key"
                        | "parent" | "state" => {
                            self.lead(value, &place, object);
                        }
                        "if" | "then" if is_joined => {
                            let outside = std::mem::replace(&mut self.is_joined, true);
                            self.pointers(value, &place, object);
                            self.is_joined = outside;
                        }
                        "to" | "value" if is_rule => self.lead(value, &place, object),
                        "toFields" | "toWhere" | "values" | "value" | "to" | "after" => {}
                        _ => self.pointers(value, &place, object),
                    }
                }
            }
            _ => {}
        }
    }

    /// One pointer, an array of them, or an object that holds some.
    fn lead(&mut self, value: &Value, place: &str, object: Schema<'w>) {
        match value {
            Value::String(written) => {
                // Fields of another data set are its own standard's to declare.
                let own = match self.is_joined {
                    true => written.strip_prefix("/own").filter(|own| own.starts_with('/')),
                    false => Some(written.as_str()),
                };
                if own.is_some_and(|own| !self.documents.leads(object, &own.replace("/*", "/0"))) {
                    self.found.add("pointer-undeclared", place, &[("pointer", written)]);
                }
            }
            Value::Array(all) => {
                for (index, one) in all.iter().enumerate() {
                    self.lead(one, &format!("{place}/{index}"), object);
                }
            }
            Value::Object(_) => self.pointers(value, place, object),
            _ => {}
        }
    }
}

fn members<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = (&'v String, &'v Value)> + use<'v> {
    value.get(name).and_then(Value::as_object).into_iter().flatten()
}

fn types(value: &Value) -> Vec<&str> {
    match value.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn security_level(value: &Value) -> Option<SecurityLevel> {
    value.get("x-guiju")?.get("securityLevel")?.as_str()?.parse().ok()
}

fn uses_vocabulary(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| match name.as_str() {
            "enum" | "const" | "default" | "examples" => false,
            "x-guiju" => true,
            _ => uses_vocabulary(value),
        }),
        Value::Array(items) => items.iter().any(uses_vocabulary),
        _ => false,
    }
}

pub(super) fn hints(near: Option<&str>) -> (String, String) {
    let Some(near) = near else { return (String::new(), String::new()) };
    (format!("; did you mean `{near}`?"), format!("；是否应为 `{near}`？"))
}

/// Whether every alternative at the top begins with `^` and ends with `$`.
fn is_anchored(pattern: &str) -> bool {
    alternatives(pattern).iter().all(|part| {
        let escapes = part.trim_end_matches('$').chars().rev().take_while(|c| *c == '\\').count();
        part.starts_with('^') && part.ends_with('$') && escapes % 2 == 0
    })
}

fn alternatives(pattern: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth, mut in_class, mut is_escaped) = (Vec::new(), 0, 0u32, false, false);
    for (at, c) in pattern.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ']' => in_class = false,
            _ if in_class => {}
            '[' => in_class = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                parts.push(&pattern[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&pattern[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_asked_of_every_alternative() {
        for good in ["^a$", "^(a|b)$", "^[|$]$", r"^a\\$", "^a$|^b$"] {
            assert!(is_anchored(good), "{good}");
        }
        for bad in ["a", "^a", "a$", "^a|b$", r"^a\$", ""] {
            assert!(!is_anchored(bad), "{bad}");
        }
    }
}
