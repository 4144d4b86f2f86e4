//! Rules over a record and the record of another data set that it refers to.
//!
//! Of both no more is kept than the fields that the rule reads, until all records are there: they come in any order.

use super::declare::Joining;
use super::key::{ByKey, KeyDigest};
use crate::record::{Pointer, Record, Scalar};
use crate::rules::{Condition, Holds, all_hold};
use std::sync::Arc;

/// Longer text is kept as something that no condition can read.
const TEXT_BYTES_MAX: usize = 256;

/// Records of one key that differ in what a rule reads; of more, the rule is not judged.
const PARTNERS_MAX: usize = 64;

/// What one rule keeps.
#[derive(Default)]
pub(super) struct Joined {
    own: Vec<Own>,
    others: ByKey<Partners>,
    count: usize,
}

struct Own {
    key: KeyDigest,
    record: u64,
    item: Option<u32>,
    values: Values,
}

#[derive(Default)]
struct Partners {
    known: Vec<Values>,
    are_too_many: bool,
}

/// What stands at the fields that a rule reads, in their order; once for all keys of a record.
pub(super) type Values = Arc<[Kept]>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Absent,
    Null,
    Text(Box<str>),
    Number(Box<str>),
    Bool(bool),
    Other(usize),
}

/// A record that disagrees with the one it refers to.
pub(super) struct Disagreeing {
    pub record: u64,
    /// The field of its own to report it at; none where the rule is about the other record alone.
    pub at: Option<String>,
    pub item: Option<u32>,
}

impl Joined {
    pub fn len(&self) -> usize {
        self.own.len() + self.count
    }

    pub fn first(&self) -> Option<u64> {
        self.own.iter().map(|own| own.record).min()
    }

    pub fn take(&mut self, (key, item): (KeyDigest, Option<u32>), values: &Values, record: u64) {
        self.own.push(Own { key, record, item, values: Arc::clone(values) });
    }

    /// Takes in a record of the other data set, as long as there is room.
    pub fn take_other(&mut self, key: KeyDigest, values: &Values, max: usize) {
        if self.len() >= max {
            return;
        }
        let partners = self.others.entry(key).or_default();
        match partners.known.len() < PARTNERS_MAX {
            _ if partners.known.contains(values) => {}
            true => {
                partners.known.push(Arc::clone(values));
                self.count += 1;
            }
            false => partners.are_too_many = true,
        }
    }

    /// Records that agree with none of those they refer to. A reference that leads nowhere is told of by itself.
    pub fn disagreeing(&self, rule: &Joining) -> Vec<Disagreeing> {
        let told = |own: &Own| {
            let partners = self.others.get(&own.key).filter(|partners| !partners.are_too_many)?;
            let broken = |other: &Values| rule.broken(&Pair { rule, own: &own.values, other });
            let broken: Vec<&Condition> = partners.known.iter().map_while(broken).collect();
            let first = broken.first().filter(|_| broken.len() == partners.known.len())?;
            let at = first.at().strip_prefix(OWN);
            Some(Disagreeing { record: own.record, item: own.item, at: at.map(str::to_owned) })
        };
        self.own.iter().filter_map(told).collect()
    }
}

/// What pointers of such a rule begin with.
pub(super) const OWN: &str = "/own";
pub(super) const OTHER: &str = "/other";

impl Joining {
    fn broken(&self, pair: &Pair<'_>) -> Option<&Condition> {
        if !all_hold(&self.when, pair) {
            return None;
        }
        self.then.iter().find(|condition| condition.holds(pair) == Holds::No)
    }
}

/// Both records as one object: `own` and `other`.
struct Pair<'p> {
    rule: &'p Joining,
    own: &'p [Kept],
    other: &'p [Kept],
}

impl Record for Pair<'_> {
    fn get(&self, pointer: &Pointer) -> Option<Scalar<'_>> {
        let of = |fields: &[(Pointer, Pointer)]| fields.iter().position(|(written, _)| written == pointer);
        let kept = match of(&self.rule.own) {
            Some(at) => &self.own[at],
            None => &self.other[of(&self.rule.other)?],
        };
        Some(match kept {
            Kept::Absent => return None,
            Kept::Null => Scalar::Null,
            Kept::Text(text) => Scalar::Text((&**text).into()),
            Kept::Number(number) => Scalar::Number((&**number).into()),
            Kept::Bool(is) => Scalar::Bool(*is),
            Kept::Other(count) => Scalar::Other(*count),
        })
    }
}

pub(super) fn kept(record: &dyn Record, fields: &[(Pointer, Pointer)]) -> Values {
    let short = |text: &str| (text.len() <= TEXT_BYTES_MAX).then(|| text.into());
    let kept = |field: &Pointer| match record.get(field) {
        None => Kept::Absent,
        Some(Scalar::Null) => Kept::Null,
        Some(Scalar::Text(text)) => short(&text).map_or(Kept::Other(0), Kept::Text),
        Some(Scalar::Number(number)) => short(&number).map_or(Kept::Other(0), Kept::Number),
        Some(Scalar::Bool(is)) => Kept::Bool(is),
        Some(Scalar::Other(count)) => Kept::Other(count),
    };
    fields.iter().map(|(_, field)| kept(field)).collect()
}
