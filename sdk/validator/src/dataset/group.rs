//! Rules that compare the records of a group with each other.

use super::declare::{Kind, Rule};
use super::joined::Joined;
use super::key::{ByKey, KeyDigest};
use super::share::What;
use super::{DataSetFinding, found};
use crate::decimal::Decimal;
use crate::record::Pointer;
use crate::rules::Tolerance;
use std::collections::{BTreeMap, hash_map::Entry};

/// What one rule keeps of the records.
pub(super) enum Gathered {
    Intervals(Vec<Interval>),
    Series(Vec<Reading>),
    Sums(ByKey<Sums>),
    Parents(ByKey<Parent>),
    Values(Vec<Measured>),
    Steps(Vec<Step>),
    Agreeing(ByKey<First>, Vec<Differing>),
    Joined(Joined),
}

pub(super) struct Step {
    group: KeyDigest,
    at: i64,
    record: u64,
    state: Box<str>,
}

/// The first record of a group, with what stands at each field.
pub(super) struct First {
    values: Box<[KeyDigest]>,
    record: u64,
}

pub(super) struct Differing {
    record: u64,
    first: u64,
    /// Place among the fields.
    field: usize,
}

pub(super) struct Interval {
    group: KeyDigest,
    from: i64,
    /// Open: to the end of time.
    to: Option<i64>,
    record: u64,
}

pub(super) struct Reading {
    group: KeyDigest,
    at: i64,
    record: u64,
    value: Decimal,
    is_reset: bool,
}

pub(super) struct Measured {
    group: KeyDigest,
    value: Decimal,
    record: u64,
}

#[derive(Default)]
pub(super) struct Sums {
    total: Option<(Decimal, u64)>,
    parts: Option<Decimal>,
}

#[derive(Clone, Copy)]
pub(super) struct Parent {
    parent: KeyDigest,
    record: u64,
}

/// Below so many values a median says nothing.
const MEDIAN_OF_MIN: usize = 3;

impl Gathered {
    pub fn of(rule: &Rule) -> Self {
        match rule.kind {
            Kind::IntervalOverlap { .. } => Self::Intervals(Vec::new()),
            Kind::Monotone { .. } => Self::Series(Vec::new()),
            Kind::Sum { .. } => Self::Sums(ByKey::default()),
            Kind::Acyclic { .. } => Self::Parents(ByKey::default()),
            Kind::Outlier { .. } => Self::Values(Vec::new()),
            Kind::Sequence { .. } => Self::Steps(Vec::new()),
            Kind::Agree { .. } => Self::Agreeing(ByKey::default(), Vec::new()),
            Kind::Joined(_) => Self::Joined(Joined::default()),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Intervals(all) => all.len(),
            Self::Series(all) => all.len(),
            Self::Sums(all) => all.len(),
            Self::Parents(all) => all.len(),
            Self::Values(all) => all.len(),
            Self::Steps(all) => all.len(),
            Self::Agreeing(first, differing) => first.len() + differing.len(),
            Self::Joined(joined) => joined.len(),
        }
    }

    /// Takes in what this rule keeps of a record.
    pub fn take(&mut self, what: &What, record: u64) {
        match (self, what) {
            (Self::Intervals(all), &What::Interval { group, from, to }) => {
                all.push(Interval { group, from, to, record });
            }
            (Self::Series(all), &What::Reading { group, at, ref value, is_reset }) => {
                all.push(Reading { group, at, record, value: value.clone(), is_reset });
            }
            (Self::Sums(all), What::Total { group, value }) => {
                all.entry(*group).or_default().total.get_or_insert_with(|| (value.clone(), record));
            }
            (Self::Sums(all), What::Summand { group, value }) => {
                let parts = &mut all.entry(*group).or_default().parts;
                *parts = Some(parts.as_ref().map_or_else(|| value.clone(), |sum| sum + value));
            }
            (Self::Parents(all), &What::Parent { key, parent }) => {
                all.entry(key).or_insert(Parent { parent, record });
            }
            (Self::Values(all), &What::Value { group, ref value }) => {
                all.push(Measured { group, value: value.clone(), record });
            }
            (Self::Steps(all), &What::Step { group, at, ref state }) => {
                all.push(Step { group, at, record, state: state.clone() });
            }
            (Self::Agreeing(known, differing), What::Agreeing { group, values }) => match known.entry(*group) {
                Entry::Vacant(free) => drop(free.insert(First { values: values.clone(), record })),
                Entry::Occupied(first) => {
                    let first = first.get();
                    let field = (0..values.len()).find(|at| first.values[*at] != values[*at]);
                    differing.extend(field.map(|field| Differing { record, first: first.record, field }));
                }
            },
            (Self::Joined(joined), What::Own(key, item, values)) => joined.take((*key, *item), values, record),
            // What is kept is of the rule whose place it has.
            _ => {}
        }
    }

    pub fn judge(self, rule: &Rule, place: usize) -> Vec<DataSetFinding> {
        let pointer = format!("/dataset/{place}");
        let report = |code, record, path: &Pointer, args: &[(&str, &str)]| {
            let args = [&[("rule", rule.head.id.as_str())], args].concat();
            found(code, record, path.as_str(), &pointer, &args).by(&rule.head)
        };
        match (self, &rule.kind) {
            (Self::Intervals(all), Kind::IntervalOverlap { from, .. }) => overlaps(all)
                .map(|(record, other)| report("interval-overlap", record, from, &[("other", &other.to_string())]))
                .collect(),
            (Self::Series(all), Kind::Monotone { value, .. }) => falls(all)
                .map(|(record, before)| report("series-falls", record, value, &[("before", &before.to_string())]))
                .collect(),
            (Self::Sums(all), Kind::Sum { value, tolerance, .. }) => {
                let differs = all.into_values().filter_map(|sums| sums.differs(tolerance.as_ref()));
                differs.map(|record| report("sum-differs", record, value, &[])).collect()
            }
            (Self::Parents(all), Kind::Acyclic { at, .. }) => cycles(&all)
                .into_iter()
                .map(|(record, length)| report("parents-in-a-circle", record, at, &[("length", &length.to_string())]))
                .collect(),
            (Self::Values(all), Kind::Outlier { value, median_times }) => {
                outliers(all, median_times).map(|record| report("value-outlier", record, value, &[])).collect()
            }
            (Self::Steps(all), Kind::Sequence { state, after, .. }) => out_of_turn(all, after)
                .map(|(record, before)| report("sequence-broken", record, state, &[("before", &before.to_string())]))
                .collect(),
            (Self::Agreeing(_, differing), Kind::Agree { fields, .. }) => {
                let told = |Differing { record, first, field }: Differing| {
                    report("group-disagrees", record, &fields[field], &[("first", &first.to_string())])
                };
                differing.into_iter().map(told).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Each interval that begins before an earlier one of its group has ended, with the one that reaches furthest.
fn overlaps(mut all: Vec<Interval>) -> impl Iterator<Item = (u64, u64)> {
    all.sort_unstable_by_key(|interval| (interval.group, interval.from, interval.record));
    let mut open: Option<(KeyDigest, Option<i64>, u64)> = None;
    all.into_iter().filter_map(move |interval| {
        let Interval { group, from, to, record } = interval;
        let before = open.filter(|(of, ..)| *of == group);
        let overlaps = before.filter(|(_, end, _)| end.is_none_or(|end| from < end));
        let reaches_further = before.is_none_or(|(_, end, _)| end.is_some_and(|end| to.is_none_or(|to| to > end)));
        if reaches_further {
            open = Some((group, to, record));
        }
        overlaps.map(|(_, _, other)| (record, other))
    })
}

/// Each reading below the one before it, unless the series began anew.
fn falls(mut all: Vec<Reading>) -> impl Iterator<Item = (u64, u64)> {
    all.sort_unstable_by_key(|reading| (reading.group, reading.at, reading.record));
    let mut before: Option<Reading> = None;
    all.into_iter().filter_map(move |reading| {
        let last = before.take().filter(|last| last.group == reading.group && !reading.is_reset);
        let falls = last.filter(|last| reading.value < last.value).map(|last| (reading.record, last.record));
        before = Some(reading);
        falls
    })
}

/// Each step that comes directly after one that may not be before it. What came before the first is not known.
fn out_of_turn(mut all: Vec<Step>, after: &BTreeMap<String, Vec<String>>) -> impl Iterator<Item = (u64, u64)> {
    all.sort_unstable_by_key(|step| (step.group, step.at, step.record));
    let mut before: Option<Step> = None;
    all.into_iter().filter_map(move |step| {
        let last = before.take().filter(|last| last.group == step.group);
        let allowed = after.get(&*step.state);
        let is_wrong = |last: &Step| allowed.is_some_and(|allowed| !allowed.iter().any(|state| **state == *last.state));
        let found = last.filter(is_wrong).map(|last| (step.record, last.record));
        before = Some(step);
        found
    })
}

impl Sums {
    fn differs(self, tolerance: Option<&Tolerance>) -> Option<u64> {
        let ((total, record), parts) = (self.total?, self.parts?);
        let apart = (&total - &parts).abs();
        let differs = match tolerance {
            Some(tolerance) => apart > tolerance.around(&total),
            None => total != parts,
        };
        differs.then_some(record)
    }
}

/// Each circle once, at its first record, with the number of records in it.
fn cycles(all: &ByKey<Parent>) -> Vec<(u64, usize)> {
    let mut seen: ByKey<usize> = ByKey::with_capacity_and_hasher(all.len(), <_>::default());
    let mut found = Vec::new();
    for (walk, start) in all.keys().enumerate() {
        let mut at = *start;
        let mut path = Vec::new();
        let circle = loop {
            match seen.get(&at) {
                Some(by) if *by == walk => break path.iter().position(|key| *key == at),
                Some(_) => break None,
                None => {}
            }
            let Some(parent) = all.get(&at) else { break None };
            seen.insert(at, walk);
            path.push(at);
            at = parent.parent;
        };
        if let Some(circle) = circle.map(|begin| &path[begin..]) {
            found.extend(circle.iter().map(|key| all[key].record).min().map(|record| (record, circle.len())));
        }
    }
    found.sort_unstable();
    found
}

/// Each value that is many times the median of its group.
fn outliers(mut all: Vec<Measured>, times: &Decimal) -> impl Iterator<Item = u64> {
    all.sort_unstable_by(|one, other| one.group.cmp(&other.group).then_with(|| one.value.cmp(&other.value)));
    let of_group = |values: &[Measured]| {
        // Of an even number the lower of the two in the middle: nothing to round.
        let median = &values[(values.len() - 1) / 2].value;
        // Where most are nothing, anything is many times the usual.
        let bound = (values.len() >= MEDIAN_OF_MIN && *median > Decimal::from_count(0)).then(|| median * times);
        let is_beyond = |value: &&Measured| bound.as_ref().is_some_and(|bound| value.value > *bound);
        values.iter().filter(is_beyond).map(|value| value.record).collect::<Vec<_>>()
    };
    all.chunk_by(|one, other| one.group == other.group).flat_map(of_group).collect::<Vec<_>>().into_iter()
}
