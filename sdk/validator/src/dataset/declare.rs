//! What a standard declares about its data sets, read with every fault at its pointer.

use super::{DataSetFinding, DataSetRules, found};
use crate::decimal::Decimal;
use crate::record::Pointer;
use crate::rules::{Condition, Fault, Head, Reader, Tolerance, conditions, tolerance};
use guiju_model::StandardId;
use serde_json::Value as Json;

const FIELDS_MAX: usize = 32;
const RULES_MAX: usize = 64;

/// The fields that together name one record.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub id: String,
    pub fields: Vec<Pointer>,
    pub filter: Vec<Condition>,
}

/// Fields that must exist as the key of another data set.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub id: String,
    pub fields: Vec<Pointer>,
    pub to: StandardId,
    pub to_fields: Vec<Pointer>,
    pub filter: Vec<Condition>,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub head: Head,
    pub filter: Vec<Condition>,
    /// Records are compared with those that agree on these; none: all with all.
    pub by: Vec<Pointer>,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    IntervalOverlap { from: Pointer, to: Pointer },
    Monotone { order: Pointer, value: Pointer, reset: Option<(Pointer, Vec<String>)> },
    Sum { total: Vec<Condition>, parts: Vec<Condition>, value: Pointer, tolerance: Option<Tolerance> },
    Acyclic { key: Pointer, parent: Pointer },
    Outlier { value: Pointer, median_times: Decimal },
}

const KINDS: [&str; 5] = ["interval-overlap", "monotone", "sum", "acyclic", "outlier"];

pub(super) fn read(own: &Json, pointer: &str) -> Result<DataSetRules, Vec<Fault>> {
    let mut reader = Reader::default();
    let mut rules = DataSetRules::default();
    for (pointer, value) in items(&mut reader, own, pointer, "keys") {
        rules.keys.extend(key(&mut reader, value, &pointer));
    }
    for (pointer, value) in items(&mut reader, own, pointer, "references") {
        rules.references.extend(reference(&mut reader, value, &pointer));
    }
    for (pointer, value) in items(&mut reader, own, pointer, "dataset") {
        rules.rules.extend(rule(&mut reader, value, &pointer));
    }
    let mut ids: Vec<&str> = rules.ids().collect();
    ids.sort_unstable();
    for pair in ids.windows(2).filter(|pair| pair[0] == pair[1]) {
        reader.fault(pointer.into(), format!("`{}` names two rules of the data set; give each its own id", pair[0]));
    }
    reader.finish(rules)
}

fn items<'a>(reader: &mut Reader, own: &'a Json, pointer: &str, name: &str) -> Vec<(String, &'a Json)> {
    match own.get(name) {
        None => Vec::new(),
        Some(array) => reader.items(array, &format!("{pointer}/{name}"), RULES_MAX, name),
    }
}

fn key(reader: &mut Reader, value: &Json, pointer: &str) -> Option<Key> {
    if !reader.members(value, pointer, &["id", "fields", "where"]) {
        return None;
    }
    let id = id(reader, value, pointer);
    let fields = wanted_fields(reader, value, pointer, "fields");
    let filter = conditions(reader, value, pointer, "where");
    Some(Key { id: id?, fields: fields?, filter })
}

fn reference(reader: &mut Reader, value: &Json, pointer: &str) -> Option<Reference> {
    if !reader.members(value, pointer, &["id", "fields", "to", "toFields", "where"]) {
        return None;
    }
    let id = id(reader, value, pointer);
    let fields = wanted_fields(reader, value, pointer, "fields");
    let to_fields = wanted_fields(reader, value, pointer, "toFields");
    if value.get("to").is_none() {
        reader.fault(pointer.into(), "`to` is missing; write namespace/name of the standard referred to".into());
    }
    let to = reader.word(value, pointer, "to");
    let filter = conditions(reader, value, pointer, "where");
    let (fields, to_fields) = (fields?, to_fields?);
    if fields.len() != to_fields.len() {
        let message =
            format!("`fields` names {} fields and `toFields` {}; name as many", fields.len(), to_fields.len());
        reader.fault(pointer.into(), message);
    }
    Some(Reference { id: id?, fields, to: to?, to_fields, filter })
}

fn rule(reader: &mut Reader, value: &Json, pointer: &str) -> Option<Rule> {
    let kind = value.get("kind").and_then(Json::as_str).unwrap_or_default();
    let own: &[&str] = match kind {
        "interval-overlap" => &["from", "to"],
        "monotone" => &["order", "value", "reset"],
        "sum" => &["total", "parts", "value", "tolerance"],
        "acyclic" => &["key", "parent"],
        "outlier" => &["value", "medianTimes"],
        other => {
            let remedy = match crate::near::nearest(other, KINDS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use one of {}", KINDS.join(", ")),
            };
            reader.fault(format!("{pointer}/kind"), format!("`{other}` is not a kind of data-set rule; {remedy}"));
            return None;
        }
    };
    let by_allowed: &[&str] = if kind == "acyclic" { &["kind", "where"] } else { &["kind", "where", "by"] };
    if !reader.members(value, pointer, &[&Head::MEMBERS[..], by_allowed, own].concat()) {
        return None;
    }
    let head = Head::read(reader, value, pointer);
    let filter = conditions(reader, value, pointer, "where");
    let by = reader.fields(value, pointer, "by", FIELDS_MAX).unwrap_or_default();
    let kind = match kind {
        "interval-overlap" => {
            let (from, to) = (wanted(reader, value, pointer, "from"), wanted(reader, value, pointer, "to"));
            Kind::IntervalOverlap { from: from?, to: to? }
        }
        "monotone" => {
            let (order, of) = (wanted(reader, value, pointer, "order"), wanted(reader, value, pointer, "value"));
            let reset = reset(reader, value, pointer);
            Kind::Monotone { order: order?, value: of?, reset }
        }
        "sum" => {
            let total = wanted_conditions(reader, value, pointer, "total");
            let parts = wanted_conditions(reader, value, pointer, "parts");
            let tolerance = tolerance(reader, value, pointer);
            Kind::Sum { total, parts, value: wanted(reader, value, pointer, "value")?, tolerance }
        }
        "acyclic" => {
            let (key, parent) = (wanted(reader, value, pointer, "key"), wanted(reader, value, pointer, "parent"));
            Kind::Acyclic { key: key?, parent: parent? }
        }
        _ => {
            let (of, times) = (wanted(reader, value, pointer, "value"), median_times(reader, value, pointer));
            Kind::Outlier { value: of?, median_times: times? }
        }
    };
    Some(Rule { head: head?, filter, by, kind })
}

fn id(reader: &mut Reader, value: &Json, pointer: &str) -> Option<String> {
    let only = value.get("id").map_or_else(|| serde_json::json!({}), |id| serde_json::json!({"id": id}));
    Head::read(reader, &only, pointer).map(|head| head.id)
}

fn wanted(reader: &mut Reader, value: &Json, pointer: &str, name: &str) -> Option<Pointer> {
    if value.get(name).is_none() {
        reader.fault(pointer.into(), format!("`{name}` is missing; give the pointer of a field"));
    }
    reader.field(value, pointer, name)
}

fn wanted_fields(reader: &mut Reader, value: &Json, pointer: &str, name: &str) -> Option<Vec<Pointer>> {
    if value.get(name).is_none() {
        reader.fault(pointer.into(), format!("`{name}` is missing; give an array of pointers to fields"));
    }
    reader.fields(value, pointer, name, FIELDS_MAX)
}

fn wanted_conditions(reader: &mut Reader, value: &Json, pointer: &str, name: &str) -> Vec<Condition> {
    if value.get(name).is_none() {
        reader.fault(pointer.into(), format!("`{name}` is missing; give the conditions that such records meet"));
    }
    conditions(reader, value, pointer, name)
}

/// `{"field": pointer, "values": [text…]}`: a record after which the series begins anew.
fn reset(reader: &mut Reader, value: &Json, pointer: &str) -> Option<(Pointer, Vec<String>)> {
    let value = value.get("reset")?;
    let pointer = format!("{pointer}/reset");
    reader.members(value, &pointer, &["field", "values"]);
    let field = wanted(reader, value, &pointer, "field");
    let texts: Option<Vec<String>> = value
        .get("values")
        .and_then(Json::as_array)
        .and_then(|values| values.iter().map(|value| value.as_str().map(str::to_owned)).collect());
    if texts.as_ref().is_none_or(Vec::is_empty) {
        reader.fault(pointer, "`values` wants the texts that mark a new beginning, for example [\"replaced\"]".into());
    }
    Some((field?, texts?))
}

fn median_times(reader: &mut Reader, value: &Json, pointer: &str) -> Option<Decimal> {
    let number = value.get("medianTimes").filter(|times| times.is_number()).map(Json::to_string);
    let times = number.and_then(|text| Decimal::parse(&text)).filter(|times| !times.is_negative());
    if times.is_none() {
        reader.fault(format!("{pointer}/medianTimes"), "`medianTimes` wants a number that is not negative: 10".into());
    }
    times
}

impl Key {
    pub fn twice(&self, place: usize, first: u64, record: u64) -> DataSetFinding {
        let path = self.fields.first().map_or("", Pointer::as_str);
        let args = [("key", self.id.as_str()), ("first", &first.to_string())];
        found("key-not-unique", record, path, &format!("/keys/{place}"), &args)
    }
}

impl Reference {
    pub fn dangling(&self, place: usize, record: u64) -> DataSetFinding {
        let path = self.fields.first().map_or("", Pointer::as_str);
        let args = [("reference", self.id.as_str()), ("standard", &self.to.to_string())];
        found("reference-dangling", record, path, &format!("/references/{place}"), &args)
    }
}
