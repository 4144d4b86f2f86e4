//! Which values of a schema are taken for the text as which they are sent.
//!
//! What differs as a value may be the same as text: `1` and `"1"`. So a schema is widened by values whose text it takes (by table, leaf
//! by leaf), and what then still lies outside is sent, value by value, until one is refused or none is left.

use super::schemas::{Questions, Schema};
use crate::{side::Side, verdict::lies_in};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Values that are sent one by one.
const SENT_MAX: usize = 24;
/// Questions of this kind in one comparison.
const ASKED_MAX: usize = 200;
/// Leaves of one schema that are widened.
const LEAVES_MAX: usize = 32;
/// References one behind the other.
const HOPS_MAX: usize = 8;

const INTEGER: &str = "^-?(0|[1-9][0-9]*)$";
const NATURAL: &str = "^(0|[1-9][0-9]*)$";
const NUMBER: &str = "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$";
/// Of digits that any reader can hold.
const SHORT_INTEGER: &str = "^-?(0|[1-9][0-9]{0,17})$";
const SHORT_NATURAL: &str = "^(0|[1-9][0-9]{0,17})$";
const SHORT_NUMBER: &str = "^-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,9})?$";
/// Largest numbers of digits for which texts of integers are tried.
const DIGITS: [usize; 9] = [18, 10, 9, 6, 5, 4, 3, 2, 1];

/// How the text of a value relates to what is read of it.
#[derive(Clone, Copy, Default)]
pub(super) struct Form {
    /// A scalar is read as a list of one, too.
    pub is_list_of_one: bool,
    /// Whatever is sent is one text.
    pub is_one_text: bool,
}

/// What became of the values that are sent.
pub(super) enum Sent {
    AllTaken,
    Refused(Value),
    Unknown,
}

impl<'c> Questions<'c> {
    /// Whether all values of the one are taken by the other as they are sent; `passes` sends one of them.
    pub fn sent(
        &mut self,
        one: &Schema,
        other: &Schema,
        form: Form,
        passes: &mut dyn FnMut(&mut Self, &Value) -> bool,
    ) -> Sent {
        self.sent += 1;
        let Some(inner) = one.side.as_ref().ok().filter(|_| self.sent <= ASKED_MAX) else { return Sent::Unknown };
        let texts = Texts { questions: self, schema: other }.of_root(form);
        let mut seen: Vec<Value> = Vec::new();
        while seen.len() < SENT_MAX {
            let parts = |root: Value| {
                let taken = (!seen.is_empty()).then(|| json!({"enum": seen}));
                let all: Vec<Value> = [Some(root), texts.clone(), taken].into_iter().flatten().collect();
                json!({"anyOf": all})
            };
            let Some(wide) = other.rooted(parts) else { break };
            let inclusion = lies_in(inner, &wide, self.budget);
            if inclusion.is_included() {
                return Sent::AllTaken;
            }
            let Some(outside) = inclusion.witness().map(|witness| witness.record.clone()) else { break };
            if !passes(self, &outside) {
                return Sent::Refused(outside);
            }
            seen.push(outside);
        }
        for such in likely() {
            if let Some(value) = self.sample_such(one, &such).filter(|value| !passes(self, value)) {
                return Sent::Refused(value);
            }
        }
        Sent::Unknown
    }
}

/// Values that texts often have no room for.
fn likely() -> Vec<Value> {
    let large = [10_i64, 100, 1_000, 1_000_000, 1_000_000_000, 1_000_000_000_000_000];
    let mut all = vec![
        json!({"type": "array", "minItems": 1}),
        json!({"type": "array", "minItems": 2}),
        json!({"type": "object", "minProperties": 1}),
        json!({"type": "number", "not": {"type": "integer"}}),
        json!({"type": "integer", "maximum": -1}),
        json!({"type": "string", "minLength": 1}),
        json!({"type": "string", "minLength": 20}),
        json!({"type": "boolean"}),
        json!({"enum": ["a,b"]}),
        json!({"type": "object", "minProperties": 1, "additionalProperties": {"type": "array", "minItems": 2}}),
    ];
    all.extend(large.map(|least| json!({"type": "integer", "minimum": least})));
    all
}

struct Texts<'q, 'c> {
    questions: &'q Questions<'c>,
    schema: &'q Schema,
}

impl Texts<'_, '_> {
    /// Values that may be sent where the schema is expected, as a schema beside it.
    fn of_root(&self, form: Form) -> Option<Value> {
        let document = &self.schema.document.value;
        let target = document.get("$ref").and_then(Value::as_str)?;
        let is_any = form.is_one_text && self.holds(&json!({"$ref": target}), &json!({"type": "string"}));
        if is_any {
            return Some(Value::Bool(true));
        }
        let mut leaves = LEAVES_MAX;
        let found = self.of(&json!({"$ref": target}), 0, form, &mut leaves)?;
        let types = document.get("type").cloned();
        Some(types.map_or_else(|| found.clone(), |types| json!({"type": types, "allOf": [found.clone()]})))
    }

    /// At the depth 0 there are lists and members, below there are texts alone.
    fn of(&self, schema: &Value, depth: usize, form: Form, leaves: &mut usize) -> Option<Value> {
        let mut schema = schema;
        for _ in 0..HOPS_MAX {
            let own = said(schema);
            let Some(name) = schema.get("$ref").and_then(Value::as_str).filter(|_| own.len() == 1) else { break };
            schema = self.schema.document.value.pointer(name.strip_prefix('#')?)?;
        }
        if schema.is_boolean() {
            return Some(schema.clone());
        }
        let own = said(schema);
        let is_of = |type_name: &str, keywords: &[&str]| {
            depth == 0
                && schema.get("type").and_then(Value::as_str) == Some(type_name)
                && own.keys().all(|name| name == "type" || keywords.contains(&name.as_str()))
        };
        if is_of("array", &["items", "minItems", "maxItems"]) {
            let mut found = Value::Object(own.clone());
            let items = own.get("items").map_or(Some(Value::Bool(true)), |items| self.of(items, 1, form, leaves))?;
            found["items"] = items.clone();
            let count = |name: &str, default: u64| own.get(name).map_or(Some(default), Value::as_u64);
            let holds_one = count("minItems", 0)? <= 1 && count("maxItems", 1)? >= 1;
            if form.is_list_of_one && holds_one {
                let one = json!({"type": ["string", "number", "boolean"], "allOf": [items]});
                return Some(json!({"anyOf": [found, one]}));
            }
            return Some(found);
        }
        if is_of("object", &["properties", "required", "additionalProperties", "minProperties", "maxProperties"]) {
            let mut found = Value::Object(own.clone());
            let properties = own.get("properties").and_then(Value::as_object).into_iter().flatten();
            let each: Option<Map<String, Value>> =
                properties.map(|(name, part)| Some((name.clone(), self.of(part, 1, form, leaves)?))).collect();
            found["properties"] = Value::Object(each?);
            if let Some(others) = own.get("additionalProperties") {
                found["additionalProperties"] = self.of(others, 1, form, leaves)?;
            }
            return Some(found);
        }
        if let Some(Value::Array(choices)) = own.get("anyOf").filter(|_| own.len() == 1) {
            let each: Option<Vec<Value>> = choices.iter().map(|choice| self.of(choice, depth, form, leaves)).collect();
            return Some(json!({"anyOf": each?}));
        }
        *leaves = leaves.checked_sub(1)?;
        let mut all = vec![schema.clone()];
        all.extend(self.scalars(schema));
        Some(json!({"anyOf": all}))
    }

    /// Scalars whose text is taken by a leaf: numbers and truth values that it takes as text, and texts that it takes as these.
    fn scalars(&self, leaf: &Value) -> Vec<Value> {
        let texts = |pattern: &str| json!({"type": "string", "pattern": pattern});
        let of_digits = DIGITS.map(|digits| {
            let most = 10_i64.pow(digits as u32) - 1;
            let integers = json!({"type": "integer", "minimum": 0, "maximum": most});
            (integers, texts(&format!("^(0|[1-9][0-9]{{0,{}}})$", digits - 1)))
        });
        let natural = json!({"type": "integer", "minimum": 0});
        let integers = [(json!({"type": "integer"}), texts(INTEGER)), (natural.clone(), texts(NATURAL))];
        let truths = json!({"enum": ["true", "false"]});
        let groups = [
            vec![(json!({"type": "number"}), texts(NUMBER))],
            integers.into_iter().chain(of_digits).collect(),
            vec![(json!({"type": "boolean"}), truths.clone())],
            vec![(texts(SHORT_NUMBER), json!({"type": "number"}))],
            vec![(texts(SHORT_INTEGER), json!({"type": "integer"})), (texts(SHORT_NATURAL), natural)],
            vec![(truths, json!({"type": "boolean"}))],
        ];
        let first = |group: Vec<(Value, Value)>| group.into_iter().find(|(_, read)| self.holds(leaf, read));
        groups.into_iter().filter_map(first).map(|(values, _)| values).collect()
    }

    /// Whether a part of the schema takes all these values.
    fn holds(&self, part: &Value, values: &Value) -> bool {
        let values = Side::of_schema("texts", values.to_string().as_bytes(), BTreeMap::new(), true).ok();
        let sides = values.zip(self.schema.rooted(|_| part.clone()));
        sides.is_some_and(|(values, part)| lies_in(&values, &part, self.questions.budget).is_included())
    }
}

/// What a schema says of values, without words about it.
fn said(schema: &Value) -> Map<String, Value> {
    let words =
        ["title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "$comment"];
    let members = schema.as_object().into_iter().flatten();
    let own = members.filter(|(name, _)| !words.contains(&name.as_str()) && !name.starts_with("x-"));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}
