//! What the rules over a data set keep of one record.

use super::declare::{Joining, Kind, Rule};
use super::joined::{Values, kept};
use super::key::{KeyDigest, digest};
use super::{DEPTH_MAX, DataSetRules};
use crate::decimal::Decimal;
use crate::json;
use crate::record::{Pointer, Record, Scalar};
use crate::rules::{all_hold, number, seconds};
use guiju_model::StandardId;
use std::slice::from_ref;

/// What the rules over a data set keep of one record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Share {
    /// For each of the standard's keys, where the record has it.
    pub(super) keys: Vec<Option<KeyDigest>>,
    /// For each reference, the keys that it refers to, with the item of which each is.
    pub(super) references: Vec<Vec<(KeyDigest, Option<u32>)>>,
    /// What it is to those that refer into their own data set.
    pub(super) target: Vec<Target>,
    /// For each rule, where it is about the record and the record has what the rule reads.
    pub(super) parts: Vec<Option<Part>>,
}

/// A record as one that may be referred to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    /// Place among the references.
    pub reference: usize,
    pub keys: Vec<(KeyDigest, Option<u32>)>,
    /// Of rules over both records, what each reads of this one.
    pub joined: Vec<(usize, Values)>,
}

/// What one rule keeps of a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
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
    Joined {
        keys: Vec<(KeyDigest, Option<u32>)>,
        values: Values,
    },
}

impl Share {
    /// `own` is the standard that the records conform to.
    pub fn of(rules: &DataSetRules, own: Option<&StandardId>, record: &dyn Record) -> Self {
        let references: Vec<_> = rules
            .references
            .iter()
            .map(|reference| match all_hold(&reference.filter, record) {
                true => reference.fields.keys(record),
                false => Vec::new(),
            })
            .collect();
        let key = |filter, fields| if all_hold(filter, record) { digest(record, fields) } else { None };
        let part = |rule: &Rule| match &rule.kind {
            _ if !all_hold(&rule.filter, record) => None,
            Kind::Joined(joining) => Part::joined(joining, &references[joining.reference], record),
            _ => Part::of(rule, record),
        };
        Self {
            keys: rules.keys.iter().map(|rule| key(&rule.filter, &rule.fields)).collect(),
            target: own.map_or(Vec::new(), |own| Target::all_of(rules, own, record)),
            parts: rules.rules.iter().map(part).collect(),
            references,
        }
    }

    /// The same of a record's bytes; where they are no JSON, its report says so, and there is nothing to keep.
    pub fn of_bytes(rules: &DataSetRules, own: Option<&StandardId>, record: &[u8]) -> Option<Self> {
        let document = json::read(record, DEPTH_MAX).document?;
        Some(Self::of(rules, own, &document.root()))
    }
}

impl Target {
    pub fn all_of(rules: &DataSetRules, standard: &StandardId, record: &dyn Record) -> Vec<Self> {
        let mut all = Vec::new();
        for (place, reference) in rules.references.iter().enumerate() {
            if reference.to != *standard || !all_hold(&reference.to_filter, record) {
                continue;
            }
            let keys = reference.to_fields.keys(record);
            if keys.is_empty() {
                continue;
            }
            let joined = rules.rules.iter().enumerate().filter_map(|(at, rule)| match &rule.kind {
                Kind::Joined(joining) if joining.reference == place => Some((at, kept(record, &joining.other))),
                _ => None,
            });
            all.push(Self { reference: place, joined: joined.collect(), keys });
        }
        all
    }
}

impl Part {
    fn joined(joining: &Joining, keys: &[(KeyDigest, Option<u32>)], record: &dyn Record) -> Option<Self> {
        (!keys.is_empty()).then(|| Self::Joined { keys: keys.into(), values: kept(record, &joining.own) })
    }

    /// None where the record lacks what the rule reads, so that there is nothing to keep.
    fn of(rule: &Rule, record: &dyn Record) -> Option<Self> {
        let group = digest(record, &rule.by)?;
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
                    () if all_hold(total, record) => Self::Total { group, value },
                    () if all_hold(parts, record) => Self::Summand { group, value },
                    () => return None,
                }
            }
            Kind::Acyclic { key, parent } => {
                Self::Parent { key: digest(record, from_ref(key))?, parent: digest(record, from_ref(parent))? }
            }
            Kind::Outlier { value, .. } => Self::Value { group, value: number(record, value)? },
            Kind::Sequence { order, state, .. } => {
                let Some(Scalar::Text(state)) = record.get(state) else { return None };
                Self::Step { group, at: seconds(record, order)?, state: (&*state).into() }
            }
            Kind::Agree { fields } => {
                let values = fields.iter().map(|field| digest(record, from_ref(field))).collect::<Option<_>>()?;
                Self::Agreeing { group, values }
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
