//! One condition of a rule: `op`, `left`, `right`.

use super::operand::{Literal, Missing, Operand, Reading, compared, in_order};
use super::read::{Reader, member};
use crate::decimal::Decimal;
use crate::record::{Pointer, Record};
use serde_json::Value as Json;
use std::cmp::Ordering;

const CONDITIONS_MAX: usize = 32;
const FIELDS_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Compare { op: Comparison, left: Operand, right: Operand, reading: Option<Reading>, tolerance: Option<Tolerance> },
    In { left: Operand, values: Vec<Literal> },
    Prefix { left: Operand, right: Operand },
    SameParity { left: Operand, right: Operand },
    Present { field: Pointer, wanted: bool },
    OneOf { fields: Vec<Pointer> },
}

/// How two values are compared, `op` in the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// How far two numbers may lie apart and still count as equal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tolerance {
    /// Of the right side.
    Ratio(Decimal),
    Absolute(Decimal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Yes,
    No,
    /// An operand is absent, or cannot be read as asked.
    Unjudged,
}

/// Whether every condition holds for certain.
pub(crate) fn all_hold(conditions: &[Condition], record: &dyn Record) -> bool {
    conditions.iter().all(|condition| condition.holds(record) == Holds::Yes)
}

/// Reads an array of conditions, where it is there.
pub(crate) fn conditions(reader: &mut Reader, value: &Json, pointer: &str, name: &str) -> Vec<Condition> {
    let Some(array) = value.get(name) else { return Vec::new() };
    let items = reader.items(array, &member(pointer, name), CONDITIONS_MAX, "conditions");
    items.into_iter().filter_map(|(pointer, item)| condition(reader, item, &pointer)).collect()
}

const OPS: [&str; 12] =
    ["eq", "ne", "lt", "le", "gt", "ge", "in", "prefix", "sameParity", "present", "absent", "oneOf"];

fn condition(reader: &mut Reader, value: &Json, pointer: &str) -> Option<Condition> {
    let op = value.get("op").and_then(Json::as_str).unwrap_or_default();
    let known: &[&str] = match op {
        "eq" | "lt" | "le" | "gt" | "ge" => &["op", "left", "right", "tolerance"],
        "ne" | "in" | "prefix" | "sameParity" => &["op", "left", "right"],
        "present" | "absent" => &["op", "left"],
        "oneOf" => &["op", "fields"],
        other => {
            reader.fault(member(pointer, "op"), unknown_op(other));
            return None;
        }
    };
    if !reader.members(value, pointer, known) {
        return None;
    }
    if op == "oneOf" {
        if value.get("fields").is_none() {
            reader.fault(pointer.into(), "`oneOf` needs `fields`, an array of pointers".into());
        }
        return reader.fields(value, pointer, "fields", FIELDS_MAX).map(|fields| Condition::OneOf { fields });
    }
    let left = Operand::read(reader, value, pointer, "left");
    if matches!(op, "present" | "absent") {
        return present(reader, left?, pointer, op == "present");
    }
    let right = Operand::read(reader, value, pointer, "right");
    let (left, right) = (left?, right?);
    if matches!(left, Operand::Literals(_)) || matches!(right, Operand::Literals(_)) != (op == "in") {
        let message = "`values` stands on the right of `in`, and only there";
        reader.fault(pointer.into(), message.into());
        return None;
    }
    let asked = match op {
        "sameParity" => Some(Reading::Integer),
        "prefix" => Some(Reading::Text),
        _ => left.reading().or(right.reading()).or(value.get("tolerance").map(|_| Reading::Decimal)),
    };
    for literal in asked.into_iter().flat_map(|_| left.literals().iter().chain(right.literals())) {
        if let Some(asked) = asked.filter(|asked| !literal.is_readable(*asked)) {
            let (literal, asked) = (literal.spelled(), asked.as_str());
            reader
                .fault(pointer.into(), format!("`{literal}` cannot be read as {asked}, so this would never be judged"));
        }
    }
    match (op, right) {
        ("in", Operand::Literals(values)) => Some(Condition::In { left, values }),
        ("prefix", right) => Some(Condition::Prefix { left, right }),
        ("sameParity", right) => Some(Condition::SameParity { left, right }),
        (op, right) => comparison(reader, value, pointer, Comparison::of(op)?, left, right),
    }
}

fn unknown_op(op: &str) -> String {
    match (op, crate::near::nearest(op, OPS)) {
        ("", _) => format!("a condition needs an `op`: one of {}", OPS.join(", ")),
        (op, Some(near)) => format!("`{op}` is not an op; did you mean `{near}`?"),
        (op, None) => format!("`{op}` is not an op; use one of {}", OPS.join(", ")),
    }
}

fn present(reader: &mut Reader, left: Operand, pointer: &str, wanted: bool) -> Option<Condition> {
    match left {
        Operand::Field { pointer: field, part: None, reading: None } => Some(Condition::Present { field, wanted }),
        _ => {
            let message = "whether something is present can be asked of a `field` alone, without `part` and `as`";
            reader.fault(member(pointer, "left"), message.into());
            None
        }
    }
}

fn comparison(
    reader: &mut Reader,
    value: &Json,
    pointer: &str,
    op: Comparison,
    left: Operand,
    right: Operand,
) -> Option<Condition> {
    let tolerance = tolerance(reader, value, pointer);
    let reading = left.reading().or(right.reading());
    if let (Some(one), Some(other)) = (left.reading(), right.reading())
        && one != other
    {
        let message = "both sides are read alike: give `as` once, or the same twice";
        reader.fault(member(pointer, "right"), message.into());
    }
    if tolerance.is_some() && matches!(reading, Some(Reading::Text | Reading::Date | Reading::Datetime)) {
        reader.fault(member(pointer, "tolerance"), "a tolerance is for numbers: read both sides as decimal".into());
    }
    // Amounts kept as text would otherwise compare by characters.
    let reading = reading.or(tolerance.is_some().then_some(Reading::Decimal));
    Some(Condition::Compare { op, left, right, reading, tolerance })
}

pub(crate) fn tolerance(reader: &mut Reader, value: &Json, pointer: &str) -> Option<Tolerance> {
    let place = member(pointer, "tolerance");
    let value = value.get("tolerance")?;
    reader.members(value, &place, &["ratio", "absolute"]);
    let number = |name: &str| match value.get(name)? {
        Json::Number(number) => Decimal::parse(&number.to_string()).filter(|number| !number.is_negative()),
        _ => None,
    };
    match (number("ratio"), number("absolute"), value.as_object().map_or(0, serde_json::Map::len)) {
        (Some(ratio), None, 1) => Some(Tolerance::Ratio(ratio)),
        (None, Some(absolute), 1) => Some(Tolerance::Absolute(absolute)),
        _ => {
            let message = "`tolerance` wants {\"ratio\": 0.005} or {\"absolute\": 1}, a number that is not negative";
            reader.fault(place, message.into());
            None
        }
    }
}

impl Condition {
    pub fn holds(&self, record: &dyn Record) -> Holds {
        match self.judged(record) {
            Ok(true) => Holds::Yes,
            Ok(false) => Holds::No,
            Err(_) => Holds::Unjudged,
        }
    }

    fn judged(&self, record: &dyn Record) -> Result<bool, Missing> {
        match self {
            Self::Compare { op, left, right, reading, tolerance: None } => {
                let (left, right) = (left.of(record)?, right.of(record)?);
                op.judges(match op {
                    Comparison::Eq | Comparison::Ne => compared(left, right, *reading)?,
                    _ => in_order(left, right, *reading)?,
                })
            }
            Self::Compare { op, left, right, tolerance: Some(tolerance), .. } => {
                let (left, right) = (left.of(record)?.decimal()?, right.of(record)?.decimal()?);
                Ok(op.within(&left, &right, tolerance))
            }
            Self::In { left, values } => {
                let reading = left.reading();
                for literal in values {
                    if compared(left.of(record)?, literal.value(), reading)? == Some(Ordering::Equal) {
                        return Ok(true);
                    }
                }
                left.of(record).map(|_| false)
            }
            Self::Prefix { left, right } => {
                let (left, right) = (left.of(record)?, right.of(record)?);
                Ok(left.text()?.starts_with(right.text()?))
            }
            Self::SameParity { left, right } => {
                let (left, right) = (left.of(record)?.integer()?, right.of(record)?.integer()?);
                Ok(left.parity() == right.parity())
            }
            Self::Present { field, wanted } => Ok(is_present(record, field) == *wanted),
            Self::OneOf { fields } => Ok(fields.iter().filter(|field| is_present(record, field)).count() == 1),
        }
    }

    /// Whether a number may be judged otherwise where it is written otherwise, `1.0` for `1`.
    pub fn tells_spelling(&self) -> bool {
        match self {
            Self::Compare { left, right, reading, .. } => {
                left.tells_spelling() || right.tells_spelling() || reading.is_some_and(Reading::tells_spelling)
            }
            Self::In { left, .. } => left.tells_spelling(),
            Self::Prefix { .. } => true,
            Self::SameParity { left, right } => left.tells_spelling() || right.tells_spelling(),
            Self::Present { .. } | Self::OneOf { .. } => false,
        }
    }

    /// Where to report that it does not hold: the first field of the left side.
    pub fn at(&self) -> &str {
        self.fields().first().map_or("", |field| field.as_str())
    }

    pub fn fields(&self) -> Vec<&Pointer> {
        match self {
            Self::Compare { left, right, .. } | Self::Prefix { left, right } | Self::SameParity { left, right } => {
                left.fields().iter().chain(right.fields()).collect()
            }
            Self::In { left, .. } => left.fields().iter().collect(),
            Self::Present { field, .. } => vec![field],
            Self::OneOf { fields } => fields.iter().collect(),
        }
    }
}

impl Comparison {
    pub fn of(op: &str) -> Option<Self> {
        Some(match op {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            _ => return None,
        })
    }

    /// The same with its sides exchanged.
    pub fn turned(self) -> Self {
        match self {
            Self::Eq | Self::Ne => self,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
        }
    }

    /// Whether it asks which is the greater.
    pub fn is_order(self) -> bool {
        !matches!(self, Self::Eq | Self::Ne)
    }

    pub fn admits(self, ordering: Ordering) -> bool {
        match self {
            Self::Eq => ordering.is_eq(),
            Self::Ne => ordering.is_ne(),
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
        }
    }

    /// Things of different kinds are not equal; which is the greater cannot be said.
    fn judges(self, ordering: Option<Ordering>) -> Result<bool, Missing> {
        match ordering {
            Some(ordering) => Ok(self.admits(ordering)),
            None if self.is_order() => Err(Missing::Unreadable),
            None => Ok(self == Self::Ne),
        }
    }

    pub(crate) fn within(self, left: &Decimal, right: &Decimal, tolerance: &Tolerance) -> bool {
        let allowed = tolerance.around(right);
        match self {
            Self::Eq => (left - right).abs() <= allowed,
            Self::Ne => (left - right).abs() > allowed,
            Self::Lt => *left < right + &allowed,
            Self::Le => *left <= right + &allowed,
            Self::Gt => *left > right - &allowed,
            Self::Ge => *left >= right - &allowed,
        }
    }
}

impl Tolerance {
    pub fn around(&self, number: &Decimal) -> Decimal {
        match self {
            Self::Ratio(ratio) => (ratio * number).abs(),
            Self::Absolute(absolute) => absolute.clone(),
        }
    }
}

fn is_present(record: &dyn Record, field: &Pointer) -> bool {
    record.get(field).is_some_and(|value| value != crate::record::Scalar::Null)
}
