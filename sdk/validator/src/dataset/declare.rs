//! What a standard declares about its data sets, read with every fault at its pointer.

use super::asked::{Asked, Askers, FilterId, KeyId};
use super::joined::{OTHER, OWN};
use super::key::Fields;
use super::{DataSetFinding, DataSetRules, found};
use crate::decimal::Decimal;
use crate::record::Pointer;
use crate::rules::{Condition, Fault, Head, Reader, Tolerance, conditions, tolerance};
use guiju_model::StandardId;
use serde_json::Value as Json;
use std::{collections::BTreeMap, slice::from_ref};

const FIELDS_MAX: usize = 32;
const RULES_MAX: usize = 64;

/// The fields that together name one record.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub id: String,
    pub fields: Vec<Pointer>,
    pub key: KeyId,
    pub filter: FilterId,
}

/// Fields that must exist as the key of another data set.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub head: Head,
    pub fields: Fields,
    pub to: StandardId,
    pub to_fields: Fields,
    pub filter: FilterId,
    /// What a record of the other data set must meet to count.
    pub to_filter: FilterId,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub head: Head,
    pub filter: FilterId,
    /// Records are compared with those that agree on these fields; on none: all with all.
    pub by: KeyId,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    IntervalOverlap { from: Pointer, to: Pointer },
    Monotone { order: Pointer, value: Pointer, reset: Option<(Pointer, Vec<String>)> },
    Sum { total: FilterId, parts: FilterId, value: Pointer, tolerance: Option<Tolerance> },
    Acyclic { key: KeyId, parent: KeyId, at: Pointer },
    Outlier { value: Pointer, median_times: Decimal },
    Sequence { order: Pointer, state: Pointer, after: BTreeMap<String, Vec<String>> },
    Agree { fields: Vec<Pointer>, keys: Vec<KeyId> },
    Joined(Joining),
}

/// What must hold between a record and the one that a reference leads to.
#[derive(Clone, Debug)]
pub(crate) struct Joining {
    /// Place among the references.
    pub reference: usize,
    pub when: Vec<Condition>,
    pub then: Vec<Condition>,
    /// Fields that are read, as the rule writes them and as the record has them.
    pub own: Vec<(Pointer, Pointer)>,
    pub other: Vec<(Pointer, Pointer)>,
}

const KINDS: [&str; 8] = ["interval-overlap", "monotone", "sum", "acyclic", "outlier", "sequence", "agree", "joined"];

pub(super) fn read(own: &Json, pointer: &str) -> Result<DataSetRules, Vec<Fault>> {
    let mut reader = Reader::default();
    let mut rules = DataSetRules::default();
    let asked = &mut rules.asked;
    for (pointer, value) in items(&mut reader, own, pointer, "keys") {
        rules.keys.extend(key(&mut reader, value, &pointer, asked));
    }
    for (pointer, value) in items(&mut reader, own, pointer, "references") {
        let place = rules.references.len();
        rules.references.extend(reference(&mut reader, value, &pointer, (place, asked)));
    }
    for (pointer, value) in items(&mut reader, own, pointer, "dataset") {
        rules.rules.extend(rule(&mut reader, value, &pointer, (&rules.references, asked)));
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

fn key(reader: &mut Reader, value: &Json, pointer: &str, asked: &mut Asked) -> Option<Key> {
    if !reader.members(value, pointer, &["id", "fields", "where"]) {
        return None;
    }
    let id = id(reader, value, pointer);
    let fields = wanted_fields(reader, value, pointer, "fields");
    let filter = asked.filter(Askers::ALL, conditions(reader, value, pointer, "where"));
    let fields = fields?;
    Some(Key { id: id?, key: asked.key(Askers::ALL, &fields), fields, filter })
}

fn reference(
    reader: &mut Reader,
    value: &Json,
    pointer: &str,
    (place, asked): (usize, &mut Asked),
) -> Option<Reference> {
    let (referring, referred) = (Askers::referring(place), Askers::referred(place));
    let known = [&Head::MEMBERS[..], &["fields", "to", "toFields", "where", "toWhere"]].concat();
    if !reader.members(value, pointer, &known) {
        return None;
    }
    let head = Head::read(reader, value, pointer);
    let fields = wanted_fields_of_items(reader, value, pointer, "fields");
    let to_fields = wanted_fields_of_items(reader, value, pointer, "toFields");
    if value.get("to").is_none() {
        reader.fault(pointer.into(), "`to` is missing; write namespace/name of the standard referred to".into());
    }
    let to = reader.word(value, pointer, "to");
    let filter = asked.filter(referring, conditions(reader, value, pointer, "where"));
    let to_filter = asked.filter(referred, conditions(reader, value, pointer, "toWhere"));
    let (fields, to_fields) = (fields?, to_fields?);
    if fields.len() != to_fields.len() {
        let message =
            format!("`fields` names {} fields and `toFields` {}; name as many", fields.len(), to_fields.len());
        reader.fault(pointer.into(), message);
    }
    let fields = each_once(reader, fields, pointer, "fields", (referring, asked));
    let to_fields = each_once(reader, to_fields, pointer, "toFields", (referred, asked));
    Some(Reference { head: head?, fields: fields?, to: to?, to_fields: to_fields?, filter, to_filter })
}

fn each_once(
    reader: &mut Reader,
    fields: Vec<Pointer>,
    pointer: &str,
    name: &str,
    (by, asked): (Askers, &mut Asked),
) -> Option<Fields> {
    let fields = Fields::new(fields, by, asked);
    if fields.is_none() {
        let message =
            "`*`, every item of an array, may stand once among these; say the other with a reference of its own";
        reader.fault(format!("{pointer}/{name}"), message.into());
    }
    fields
}

fn rule(
    reader: &mut Reader,
    value: &Json,
    pointer: &str,
    (references, asked): (&[Reference], &mut Asked),
) -> Option<Rule> {
    let kind = value.get("kind").and_then(Json::as_str).unwrap_or_default();
    let own: &[&str] = match kind {
        "interval-overlap" => &["from", "to"],
        "monotone" => &["order", "value", "reset"],
        "sum" => &["total", "parts", "value", "tolerance"],
        "acyclic" => &["key", "parent"],
        "outlier" => &["value", "medianTimes"],
        "sequence" => &["order", "state", "after"],
        "agree" => &["fields"],
        "joined" => &["reference", "if", "then"],
        other => {
            let remedy = match crate::near::nearest(other, KINDS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use one of {}", KINDS.join(", ")),
            };
            reader.fault(format!("{pointer}/kind"), format!("`{other}` is not a kind of data-set rule; {remedy}"));
            return None;
        }
    };
    let by_allowed: &[&str] = match kind {
        "acyclic" | "joined" => &["kind", "where"],
        _ => &["kind", "where", "by"],
    };
    if !reader.members(value, pointer, &[&Head::MEMBERS[..], by_allowed, own].concat()) {
        return None;
    }
    let head = Head::read(reader, value, pointer);
    let filter = conditions(reader, value, pointer, "where");
    let by = asked.key(Askers::ALL, &reader.fields(value, pointer, "by", FIELDS_MAX).unwrap_or_default());
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
            let total = asked.filter(Askers::ALL, wanted_conditions(reader, value, pointer, "total"));
            let parts = asked.filter(Askers::ALL, wanted_conditions(reader, value, pointer, "parts"));
            let tolerance = tolerance(reader, value, pointer);
            Kind::Sum { total, parts, value: wanted(reader, value, pointer, "value")?, tolerance }
        }
        "acyclic" => {
            let (key, parent) = (wanted(reader, value, pointer, "key"), wanted(reader, value, pointer, "parent"));
            let at = parent?;
            Kind::Acyclic {
                key: asked.key(Askers::ALL, from_ref(&key?)),
                parent: asked.key(Askers::ALL, from_ref(&at)),
                at,
            }
        }
        "sequence" => {
            let (order, state) = (wanted(reader, value, pointer, "order"), wanted(reader, value, pointer, "state"));
            let after = after(reader, value, pointer);
            Kind::Sequence { order: order?, state: state?, after: after? }
        }
        "agree" => {
            let fields = wanted_fields(reader, value, pointer, "fields")?;
            Kind::Agree { keys: fields.iter().map(|field| asked.key(Askers::ALL, from_ref(field))).collect(), fields }
        }
        "joined" => Kind::Joined(joining(reader, value, pointer, references)?),
        _ => {
            let (of, times) = (wanted(reader, value, pointer, "value"), median_times(reader, value, pointer));
            Kind::Outlier { value: of?, median_times: times? }
        }
    };
    let askers = match &kind {
        Kind::Joined(joining) => {
            let referred = Askers::referred(joining.reference);
            asked.fields(referred, joining.other.iter().map(|(_, field)| field));
            Askers::referring(joining.reference)
        }
        _ => Askers::ALL,
    };
    asked.fields(askers, kind.fields());
    Some(Rule { head: head?, filter: asked.filter(askers, filter), by, kind })
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

fn wanted_fields_of_items(reader: &mut Reader, value: &Json, pointer: &str, name: &str) -> Option<Vec<Pointer>> {
    match value.get(name) {
        None => wanted_fields(reader, value, pointer, name),
        Some(_) => reader.fields_of_items(value, pointer, name, FIELDS_MAX),
    }
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

/// `{"2": ["1"]}`: states, each with those that may come directly before it.
fn after(reader: &mut Reader, value: &Json, pointer: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let texts = |all: &Json| -> Option<Vec<String>> {
        all.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let read = value.get("after").and_then(Json::as_object).and_then(|states| {
        states.iter().map(|(state, before)| Some((state.clone(), texts(before)?))).collect::<Option<BTreeMap<_, _>>>()
    });
    let read = read.filter(|states| !states.is_empty());
    if read.is_none() {
        let message = "`after` wants the states that may come directly before a state, for example {\"2\": [\"1\"]}";
        reader.fault(format!("{pointer}/after"), message.into());
    }
    read
}

fn joining(reader: &mut Reader, value: &Json, pointer: &str, references: &[Reference]) -> Option<Joining> {
    let name = reader.text(value, pointer, "reference");
    let reference = references.iter().position(|reference| Some(&reference.head.id) == name.as_ref());
    if reference.is_none() {
        let known: Vec<&str> = references.iter().map(|reference| &*reference.head.id).collect();
        let remedy = match (known.is_empty(), crate::near::nearest(name.as_deref().unwrap_or_default(), known.clone()))
        {
            (true, _) => "declare one under `references`".to_owned(),
            (_, Some(near)) => format!("did you mean `{near}`?"),
            (_, None) => format!("use one of {}", known.join(", ")),
        };
        let given = name.map_or("`reference` is missing".to_owned(), |name| format!("`{name}` is no reference"));
        reader.fault(format!("{pointer}/reference"), format!("{given}; {remedy}"));
    }
    let when = conditions(reader, value, pointer, "if");
    let then = conditions(reader, value, pointer, "then");
    if then.is_empty() {
        reader.fault(pointer.into(), "a rule needs at least one condition in `then`".into());
    }
    let mut joining = Joining { reference: reference?, when, then, own: Vec::new(), other: Vec::new() };
    let read: Vec<Pointer> = joining.when.iter().chain(&joining.then).flat_map(Condition::fields).cloned().collect();
    for field in read {
        let side = match field.as_str() {
            text if text.starts_with(&format!("{OWN}/")) => &mut joining.own,
            text if text.starts_with(&format!("{OTHER}/")) => &mut joining.other,
            text => {
                let message = format!(
                    "`{text}` is of neither record: begin it with `{OWN}/` for the record, `{OTHER}/` for the one it refers to"
                );
                reader.fault(pointer.into(), message);
                continue;
            }
        };
        if !side.iter().any(|(known, _)| *known == field) {
            side.push((field.clone(), field.below()));
        }
    }
    Some(joining)
}

fn median_times(reader: &mut Reader, value: &Json, pointer: &str) -> Option<Decimal> {
    let number = value.get("medianTimes").filter(|times| times.is_number()).map(Json::to_string);
    let times = number.and_then(|text| Decimal::parse(&text)).filter(|times| !times.is_negative());
    if times.is_none() {
        reader.fault(format!("{pointer}/medianTimes"), "`medianTimes` wants a number that is not negative: 10".into());
    }
    times
}

impl Kind {
    /// What is read of a record beside keys and conditions.
    fn fields(&self) -> Vec<&Pointer> {
        match self {
            Self::IntervalOverlap { from, to } => vec![from, to],
            Self::Monotone { order, value, reset } => {
                [order, value].into_iter().chain(reset.as_ref().map(|(field, _)| field)).collect()
            }
            Self::Sum { value, .. } | Self::Outlier { value, .. } => vec![value],
            Self::Sequence { order, state, .. } => vec![order, state],
            Self::Joined(joining) => joining.own.iter().map(|(_, field)| field).collect(),
            Self::Acyclic { .. } | Self::Agree { .. } => Vec::new(),
        }
    }
}

impl Key {
    pub fn twice(&self, place: usize, first: u64, record: u64) -> DataSetFinding {
        let path = self.fields.first().map_or("", Pointer::as_str);
        let args = [("key", self.id.as_str()), ("first", &first.to_string())];
        found("key-not-unique", record, path, &format!("/keys/{place}"), &args)
    }
}

impl Reference {
    pub fn dangling(&self, place: usize, record: u64, item: Option<u32>) -> DataSetFinding {
        let args = [("reference", self.head.id.as_str()), ("standard", &self.to.to_string())];
        let path = self.fields.place(item);
        found("reference-dangling", record, &path, &format!("/references/{place}"), &args).by(&self.head)
    }
}
