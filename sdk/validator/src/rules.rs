//! Cross-field rules: what must hold between the members of one object.
//!
//! A rule is data (`docs/reference/vocabulary.md`). It is read once, with every fault at its pointer, and then judged
//! against any [`Record`].
//!
//! # Invariants
//! - Numbers are compared exactly, as decimals; nothing passes through a float.
//! - A rule that cannot be judged, for want of a field or because one cannot be read as asked, gives nothing: the
//!   field's own schema says what is wrong with it.
//! - At most one breach a rule, in the order in which the standard lists them.

mod condition; // op, left, right: does it hold?
mod operand; // a field, a literal, or what is computed of fields
mod read; // JSON with every fault at its pointer
mod say; // the sentence where the author gave none

pub use condition::Comparison;
pub use operand::Reading;
pub use read::Fault;

pub(crate) use condition::{Condition, Holds, Tolerance, all_hold, conditions, tolerance};
pub(crate) use operand::{Literal, Operand};
pub(crate) use read::Reader;

use crate::record::{Pointer, Record};
use guiju_model::{Date, Dimension, Severity, Text};

/// The rules of one object schema.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    head: Head,
    when: Vec<Condition>,
    then: Vec<Condition>,
}

/// What every rule has, of a record or of a data set.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub id: String,
    pub severity: Severity,
    pub dimension: Dimension,
    message_en: Option<String>,
    message_zh: Option<String>,
}

/// A rule that a record breaks. Its finding has the code `rule-not-met`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach<'a> {
    /// Place of the rule in its array, from 0.
    pub index: usize,
    pub id: &'a str,
    pub severity: Severity,
    pub dimension: Dimension,
    /// The field to report it at, relative to the object; it may be absent from the record.
    pub at: &'a str,
    /// The author's, or one made of the rule.
    pub message: Text,
}

const RULES_MAX: usize = 256;

/// A number at a place of a record, written as a number or as text.
pub(crate) fn number(record: &dyn Record, field: &Pointer) -> Option<crate::decimal::Decimal> {
    operand::Value::at(record, field).ok()?.decimal().ok()
}

/// A day or a moment at a place of a record, in seconds of UTC; a day as its first.
pub(crate) fn seconds(record: &dyn Record, field: &Pointer) -> Option<i64> {
    let value = operand::Value::at(record, field).ok()?;
    let day = || value.date().ok().map(|day| day.day_number() * 24 * 60 * 60);
    value.instant().ok().map(|instant| instant.seconds()).or_else(day)
}

/// The day that a text names, as a date or as a date-time.
pub fn day(text: &str) -> Option<Date> {
    operand::Value::Text(text.into()).date().ok()
}

impl Rules {
    /// Reads the array at `x-guiju.rules`; `pointer` says where it stands in the document, for the faults.
    pub fn compile(value: &serde_json::Value, pointer: &str) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::default();
        let mut rules: Vec<Rule> = Vec::new();
        for (pointer, value) in reader.items(value, pointer, RULES_MAX, "rules") {
            let Some(rule) = rule(&mut reader, value, &pointer) else { continue };
            if rules.iter().any(|known| known.head.id == rule.head.id) {
                reader.fault(
                    format!("{pointer}/id"),
                    format!("`{}` names two rules; give each its own id", rule.head.id),
                );
            }
            rules.push(rule);
        }
        reader.finish(Self { rules })
    }

    pub fn check<'a>(&'a self, record: &dyn Record) -> Vec<Breach<'a>> {
        let breach = |(index, rule): (usize, &'a Rule)| {
            let condition = rule.broken(record)?;
            let Head { id, severity, dimension, .. } = &rule.head;
            let (at, message) = (condition.at(), rule.message(condition));
            Some(Breach { index, id, severity: *severity, dimension: *dimension, at, message })
        };
        self.rules.iter().enumerate().filter_map(breach).collect()
    }

    /// Whether a number may be judged otherwise where it is written otherwise, `1.0` for `1`.
    pub fn tell_spelling(&self) -> bool {
        self.rules.iter().any(|rule| rule.when.iter().chain(&rule.then).any(Condition::tells_spelling))
    }

    /// In order; unique here, and to be unique in the standard.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.head.id)
    }

    /// Every field that a rule reads, with the place of the rule; for finding those that no schema declares.
    pub fn fields<'a>(&'a self) -> impl Iterator<Item = (usize, &'a Pointer)> {
        let conditions = |rule: &'a Rule| rule.when.iter().chain(&rule.then);
        let fields = move |(index, rule)| conditions(rule).flat_map(Condition::fields).map(move |field| (index, field));
        self.rules.iter().enumerate().flat_map(fields)
    }

    /// `if` and `then` of each rule, in order.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (&[Condition], &[Condition])> {
        self.rules.iter().map(|rule| (&*rule.when, &*rule.then))
    }

    /// How much each rule matters, in order.
    pub fn severities(&self) -> impl Iterator<Item = Severity> {
        self.rules.iter().map(|rule| rule.head.severity)
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Rule {
    /// The first condition of `then` that does not hold, where all of `if` do.
    fn broken(&self, record: &dyn Record) -> Option<&Condition> {
        if !all_hold(&self.when, record) {
            return None;
        }
        self.then.iter().find(|condition| condition.holds(record) == Holds::No)
    }

    fn message(&self, condition: &Condition) -> Text {
        self.head.message(|| say::rule(&self.when, condition))
    }
}

impl Head {
    /// The names that every rule may have.
    pub(crate) const MEMBERS: [&str; 5] = ["id", "severity", "dimension", "messageEn", "messageZh"];

    pub(crate) fn read(reader: &mut Reader, value: &serde_json::Value, pointer: &str) -> Option<Self> {
        let id = reader.text(value, pointer, "id");
        let is_label = |id: &str| {
            id.starts_with(|c: char| c.is_ascii_lowercase())
                && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        match &id {
            None if value.get("id").is_none() => {
                reader.fault(pointer.into(), "a rule needs an `id`, for example \"birth-date-in-id\"".into());
            }
            Some(id) if !is_label(id) || id.len() > 63 => reader.fault(
                format!("{pointer}/id"),
                format!(
                    "`{id}` is not a label; write at most 63 lower-case letters, digits and hyphens, a letter first"
                ),
            ),
            _ => {}
        }
        Some(Self {
            severity: reader.word(value, pointer, "severity").unwrap_or(Severity::Error),
            dimension: reader.word(value, pointer, "dimension").unwrap_or(Dimension::Consistency),
            message_en: reader.text(value, pointer, "messageEn"),
            message_zh: reader.text(value, pointer, "messageZh"),
            id: id?,
        })
    }

    pub(crate) fn message(&self, default: impl FnOnce() -> Text) -> Text {
        match (&self.message_en, &self.message_zh) {
            (Some(en), Some(zh)) => Text { en: en.clone(), zh: zh.clone() },
            (en, zh) => {
                let made = default();
                Text { en: en.clone().unwrap_or(made.en), zh: zh.clone().unwrap_or(made.zh) }
            }
        }
    }
}

fn rule(reader: &mut Reader, value: &serde_json::Value, pointer: &str) -> Option<Rule> {
    if !reader.members(value, pointer, &[&Head::MEMBERS[..], &["if", "then"]].concat()) {
        return None;
    }
    let head = Head::read(reader, value, pointer);
    let when = conditions(reader, value, pointer, "if");
    let then = conditions(reader, value, pointer, "then");
    if then.is_empty() && value.get("then").is_none_or(|then| then.as_array().is_some_and(Vec::is_empty)) {
        reader.fault(pointer.into(), "a rule needs at least one condition in `then`".into());
    }
    Some(Rule { head: head?, when, then })
}
