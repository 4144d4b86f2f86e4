//! What the rules over a data set keep of a record.

use super::DataSetRules;
use super::asked::{Answers, Askers, Room, Standing};
use super::declare::{Kind, Rule};
use super::joined::{Values, kept};
use super::key::KeyDigest;
use crate::decimal::Decimal;
use crate::json;
use crate::record::{Pointer, Record, Scalar};
use crate::rules::{number, seconds};
use guiju_model::StandardId;

/// What is kept of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// What the rules within their own data set read.
    Own,
    /// That, and what is read beside the records of other data sets, where these are given.
    #[default]
    All,
}

/// What is read of records: by which rules, for records that conform to which standard.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'r> {
    pub rules: &'r DataSetRules,
    pub own: Option<&'r StandardId>,
    pub scope: Scope,
}

/// What the rules keep of records, one behind another, in room that is used again.
#[derive(Debug, Default)]
pub struct Shares {
    parts: Vec<Part>,
    /// Where the parts of each record end.
    ends: Vec<usize>,
    room: Room,
    places: Vec<(u32, u32)>,
}

/// What they keep of one record; nothing of one that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share<'s>(pub(super) &'s [Part]);

/// What one key, reference or rule keeps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    /// Its place among the keys, the references or the rules.
    pub of: usize,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// Of a key.
    Key(KeyDigest),
    /// Of a reference, with the item that it is of.
    Referring(KeyDigest, Option<u32>),
    /// Of a reference, the record as one that is referred to.
    Target(KeyDigest),
    /// Of a rule over both records, what it reads of one that is referred to.
    Other(KeyDigest, Values),
    Own(KeyDigest, Option<u32>, Values),
    Interval {
        group: KeyDigest,
        from: i64,
        to: Option<i64>,
    },
    Reading {
        group: KeyDigest,
        at: i64,
        value: Decimal,
        is_reset: bool,
    },
    Total {
        group: KeyDigest,
        value: Decimal,
    },
    Summand {
        group: KeyDigest,
        value: Decimal,
    },
    Parent {
        key: KeyDigest,
        parent: KeyDigest,
    },
    Value {
        group: KeyDigest,
        value: Decimal,
    },
    Step {
        group: KeyDigest,
        at: i64,
        state: Box<str>,
    },
    /// What stands at each field.
    Agreeing {
        group: KeyDigest,
        values: Box<[KeyDigest]>,
    },
}

impl Shares {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// That of a record, in the order in which they came; nothing of one that never came.
    pub fn get(&self, at: usize) -> Share<'_> {
        let begin = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let parts = begin.zip(self.ends.get(at)).map(|(begin, end)| &self.parts[begin..*end]);
        Share(parts.unwrap_or_default())
    }

    pub fn last(&self) -> Share<'_> {
        self.get(self.len().saturating_sub(1))
    }

    pub fn clear(&mut self) {
        self.parts.clear();
        self.ends.clear();
    }

    /// Of a record that cannot be read.
    pub fn push_none(&mut self) {
        self.ends.push(self.parts.len());
    }

    pub(crate) fn push(&mut self, reading: Reading<'_>, record: &dyn Record) {
        reading.gather(&mut Answers::of(&reading.rules.asked, record, &mut self.room), &mut self.parts);
        self.push_none();
    }

    /// The same of a record's bytes; where they are no JSON, its report says so, and there is nothing to keep.
    pub(crate) fn push_bytes(&mut self, reading: Reading<'_>, record: &[u8]) {
        match json::read(record, json::DEPTH_MAX).document {
            Some(document) => self.push(reading, &document.root()),
            None => self.push_none(),
        }
    }

    /// The same of a record of which it is known where the members stand; whether that tells it.
    pub(crate) fn push_members(&mut self, reading: Reading<'_>, record: &[u8], places: &[(u32, u32)]) -> bool {
        self.push_standing(reading, Standing::of_members(&reading.rules.asked, reading.askers(), record, places))
    }

    /// Whether there is one.
    fn push_standing(&mut self, reading: Reading<'_>, standing: Option<Standing<'_>>) -> bool {
        let is_told = standing.is_some();
        if let Some(standing) = standing {
            reading.gather(&mut Answers::of_standing(&standing, &mut self.room), &mut self.parts);
            self.push_none();
        }
        is_told
    }

    /// The same of a record that is known to be well-formed and to have no name twice.
    pub(crate) fn push_clean_bytes(&mut self, reading: Reading<'_>, record: &[u8]) {
        let askers = reading.askers();
        let mut places = std::mem::take(&mut self.places);
        let standing = Standing::of(&reading.rules.asked, askers, record, &mut places);
        if !self.push_standing(reading, standing) {
            self.push_bytes(reading, record);
        }
        self.places = places;
    }

    /// The same of a row by its cells; whether these tell it.
    pub(crate) fn push_row(
        &mut self,
        reading: Reading<'_>,
        cells: &[Option<usize>],
        row: (&[u8], impl Fn(usize) -> (u32, u32)),
    ) -> bool {
        let mut places = std::mem::take(&mut self.places);
        let standing = Standing::of_row((&reading.rules.asked, reading.askers()), cells, row, &mut places);
        let is_told = self.push_standing(reading, standing);
        self.places = places;
        is_told
    }

    /// A record as one that others refer to.
    pub(super) fn push_target(&mut self, rules: &DataSetRules, standard: &StandardId, record: &dyn Record) {
        gather_target(rules, standard, &mut Answers::of(&rules.asked, record, &mut self.room), &mut self.parts);
        self.push_none();
    }
}

impl Reading<'_> {
    /// Who asks.
    pub fn askers(&self) -> Askers {
        let mut askers = Askers::ALL;
        for (place, reference) in self.rules.references.iter().enumerate() {
            let is_own = self.own == Some(&reference.to);
            if is_own || self.scope == Scope::All {
                askers = askers.and(Askers::referring(place));
            }
            if is_own {
                askers = askers.and(Askers::referred(place));
            }
        }
        askers
    }

    fn gather(&self, answers: &mut Answers<'_>, parts: &mut Vec<Part>) {
        let Self { rules, own, scope } = *self;
        for (of, rule) in rules.keys.iter().enumerate() {
            if answers.holds(rule.filter) {
                parts.extend(answers.key(rule.key).map(|key| Part { of, what: What::Key(key) }));
            }
        }
        let first = parts.len();
        for (of, reference) in rules.references.iter().enumerate() {
            let is_meant = scope == Scope::All || own == Some(&reference.to);
            if is_meant && answers.holds(reference.filter) {
                reference.fields.keys(answers, |key, item| parts.push(Part { of, what: What::Referring(key, item) }));
            }
        }
        let referring = first..parts.len();
        if let Some(own) = own {
            gather_target(rules, own, answers, parts);
        }
        for (of, rule) in rules.rules.iter().enumerate() {
            match &rule.kind {
                Kind::Joined(_) if referring.is_empty() => {}
                _ if !answers.holds(rule.filter) => {}
                Kind::Joined(joining) => {
                    let mut values = None;
                    for at in referring.clone() {
                        if let Part { of: reference, what: What::Referring(key, item) } = parts[at]
                            && reference == joining.reference
                        {
                            let values = values.get_or_insert_with(|| kept(answers.record, &joining.own)).clone();
                            parts.push(Part { of, what: What::Own(key, item, values) });
                        }
                    }
                }
                _ => parts.extend(What::of(rule, answers).map(|what| Part { of, what })),
            }
        }
    }
}

fn gather_target(rules: &DataSetRules, standard: &StandardId, answers: &mut Answers<'_>, parts: &mut Vec<Part>) {
    for (of, reference) in rules.references.iter().enumerate() {
        if reference.to != *standard || !answers.holds(reference.to_filter) {
            continue;
        }
        let first = parts.len();
        reference.to_fields.keys(answers, |key, _| parts.push(Part { of, what: What::Target(key) }));
        let targets = first..parts.len();
        for (rule, joining) in rules.joinings().filter(|(_, joining)| joining.reference == of) {
            let mut values = None;
            for at in targets.clone() {
                if let What::Target(key) = parts[at].what {
                    let values = values.get_or_insert_with(|| kept(answers.record, &joining.other)).clone();
                    parts.push(Part { of: rule, what: What::Other(key, values) });
                }
            }
        }
    }
}

impl What {
    /// None where the record lacks what the rule reads, so that there is nothing to keep.
    fn of(rule: &Rule, answers: &mut Answers<'_>) -> Option<Self> {
        let (group, record) = (answers.key(rule.by)?, answers.record);
        Some(match &rule.kind {
            Kind::IntervalOverlap { from, to } => {
                let to = if is_there(record, to) { Some(seconds(record, to)?) } else { None };
                Self::Interval { group, from: seconds(record, from)?, to }
            }
            Kind::Monotone { order, value, reset } => {
                let is_reset = reset.as_ref().is_some_and(|(field, values)| is_one_of(record, field, values));
                Self::Reading { group, at: seconds(record, order)?, value: number(record, value)?, is_reset }
            }
            Kind::Sum { total, parts, value, .. } => {
                let value = number(record, value)?;
                match () {
                    () if answers.holds(*total) => Self::Total { group, value },
                    () if answers.holds(*parts) => Self::Summand { group, value },
                    () => return None,
                }
            }
            Kind::Acyclic { key, parent, .. } => {
                Self::Parent { key: answers.key(*key)?, parent: answers.key(*parent)? }
            }
            Kind::Outlier { value, .. } => Self::Value { group, value: number(record, value)? },
            Kind::Sequence { order, state, .. } => {
                let Some(Scalar::Text(state)) = record.get(state) else { return None };
                Self::Step { group, at: seconds(record, order)?, state: (&*state).into() }
            }
            Kind::Agree { keys, .. } => {
                Self::Agreeing { group, values: keys.iter().map(|key| answers.key(*key)).collect::<Option<_>>()? }
            }
            Kind::Joined(_) => return None,
        })
    }
}

fn is_there(record: &dyn Record, field: &Pointer) -> bool {
    record.get(field).is_some_and(|value| value != Scalar::Null)
}

fn is_one_of(record: &dyn Record, field: &Pointer, values: &[String]) -> bool {
    matches!(record.get(field), Some(Scalar::Text(text)) if values.iter().any(|value| *value == text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CheckOptions, CompileOptions, Members, Validator};
    use serde_json::{Value as Json, json};

    fn kept(rules: &DataSetRules, scope: Scope, record: &str) -> (Shares, Shares) {
        let own = "x.y/own".parse().ok();
        let reading = Reading { rules, own: own.as_ref(), scope };
        let (mut whole, mut standing) = (Shares::default(), Shares::default());
        whole.push_bytes(reading, record.as_bytes());
        standing.push_clean_bytes(reading, record.as_bytes());
        (whole, standing)
    }

    /// Where members stood while records were judged, by themselves and side by side, the same is kept of them.
    #[test]
    fn where_members_stood_tells_what_the_record_does() {
        let live = json!([{"op": "ne", "left": {"field": "/op"}, "right": {"value": "D"}}]);
        let declared = json!({"keys": [{"id": "k", "fields": ["/a", "/n"], "where": live}],
            "references": [{"id": "r", "fields": ["/b"], "to": "x.y/other", "toFields": ["/a"]}],
            "dataset": [{"id": "m", "kind": "monotone", "by": ["/a"], "order": "/at", "value": "/n"}]});
        let schema = json!({"type": "object", "required": ["a"], "additionalProperties": false, "x-guiju": declared,
            "properties": {"a": {"type": "string", "maxLength": 3}, "n": {"type": "number", "minimum": 0}, "op": {"enum": ["I", "D"]},
                "at": {"type": "string", "format": "date"}, "b": true, "z": {"type": "object", "properties": {"a": {"type": "string"}}}}});
        let validator = Validator::compile_schema(schema.to_string().as_bytes(), &CompileOptions::default()).unwrap();
        let records = [
            r#"{"a":"x","n":1.50,"op":"I","at":"2026-10-31","z":{"a":"y"}}"#,
            r#"{"a":"x","n":2.50,"op":"I","at":"2026-10-31","z":{"a":"y"}}"#,
            r#" { "at" : "2026-10-31", "n" : 1 , "op" : "D" , "a" : "x" } "#,
            r#"{"n":-1,"a":"long text","op":"I","b":[1,2]}"#,
            r#"{"a":"x","n":7,"at":"2026-02-30","b":"r"}"#,
            r#"{"n":7,"at":"2026-10-31"}"#,
            r#"{"a":"x","n":7,"a":"x"}"#,
            r#"{"a":"x","n":7}"#,
            r#"{"a":"xA","n":7,"stranger":{"a":"b"}}"#,
            r#"{"a":{"b":"y"},"n":true,"b":{"a":1}}"#,
            r#"{"a":"x","n":1e2,"at":"2026-11-01","b":"0123456789012345678901234567890123456789012345678901234567890123456789"}"#,
            "{}",
            r#"["x"]"#,
            "7",
        ];
        let scope = Scope::All;
        let wanted = |record: &str| {
            let mut shares = Shares::default();
            validator.share_of_bytes(record.as_bytes(), scope, &mut shares);
            shares
        };
        let (mut told, options) = (0, CheckOptions { record_bytes_max: 100, ..CheckOptions::default() });
        let mut held = |record: &str, members: Members<'_>| {
            let mut shares = Shares::default();
            if validator.share_of_members(record.as_bytes(), members, scope, &mut shares) {
                assert_eq!(shares.last(), wanted(record).last(), "{record}");
                told += 1;
            }
        };
        let mut checker = validator.checker().keeping_members();
        for record in records.iter().chain(records.iter().rev()) {
            checker.tell(record.as_bytes(), &options);
            held(record, checker.members());
        }
        for first in 0..records.len().pow(2) {
            let four = [first, first / records.len(), first / 3, first + 1].map(|at| records[at % records.len()]);
            let (mut bytes, mut places) = (String::new(), Vec::new());
            for record in four {
                places.push(bytes.len()..bytes.len() + record.len());
                bytes += record;
                bytes.push('\n');
            }
            bytes += &" ".repeat(100);
            checker.tell_abreast(bytes.as_bytes(), &places.try_into().unwrap(), &options, |at, _, members| {
                held(four[at], members)
            });
        }
        assert!(told > records.len().pow(2), "only {told} are told");
    }

    /// However a record is read, the same is kept of it.
    #[test]
    fn where_members_stand_tells_what_the_record_does() {
        let live = json!([{"op": "ne", "left": {"field": "/op"}, "right": {"value": "D"}}]);
        let refers = |fields: Json, to: &str, to_fields: Json| {
            json!({"references": [{"id": "r", "fields": fields, "to": to, "toFields": to_fields, "where": live, "toWhere": live}],
                "dataset": [{"id": "j", "kind": "joined", "reference": "r",
                    "then": [{"op": "le", "left": {"field": "/own/n"}, "right": {"field": "/other/a/b"}}]}]})
        };
        let declared = [
            json!({"keys": [{"id": "k", "fields": ["/a", "/n"], "where": live}]}),
            json!({"keys": [{"id": "k", "fields": ["/a/b"]}, {"id": "l", "fields": ["/a~1b"]}]}),
            json!({"dataset": [{"id": "m", "kind": "monotone", "by": ["/a"], "order": "/at", "value": "/n"},
                {"id": "o", "kind": "outlier", "value": "/n", "medianTimes": 2}]}),
            refers(json!(["/a"]), "x.y/own", json!(["/items/*"])),
            refers(json!(["/items/*"]), "x.y/own", json!(["/a"])),
            refers(json!(["/*"]), "x.y/other", json!(["/a"])),
            refers(json!(["/a"]), "x.y/other", json!(["/a"])),
        ];
        let deep = format!("{{\"a\":\"x\",\"n\":1,\"z\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        let records = [
            r#"{"a":"x","n":1.50,"op":"I","at":"2026-10-31T02:00:00+08:00","items":["p",1,null]}"#,
            r#" { "items" : [ ] , "n" : -1 , "op" : "D" , "a" : "x" } "#,
            r#"{"a":"x\u0041\"","n":"1","at":"2026-10-31","op":null}"#,
            r#"{"a":{"b":"y","c":[1,{"b":2}]},"n":true,"items":["p"]}"#,
            r#"{"a/b":"z","\u0061":"x","n":1}"#,
            r#"{"0":"x","a":1e2,"op":"I"}"#,
            "{}",
            "[]",
            "\"x\"",
            &deep,
        ];
        for declared in declared {
            let rules = DataSetRules::compile(&declared, "").expect("it is declared well");
            let mut is_any = false;
            for record in records {
                for scope in [Scope::Own, Scope::All] {
                    let (whole, standing) = kept(&rules, scope, record);
                    assert_eq!(whole.last(), standing.last(), "{record} under {declared}");
                    is_any |= !whole.parts.is_empty();
                }
            }
            assert!(is_any, "nothing is kept under {declared}");
        }
    }
}
