//! One side of a condition: a field, a literal, or what is computed of fields.

use super::read::{Reader, member};
use crate::decimal::Decimal;
use crate::formats::Instant;
use crate::record::{Pointer, Record, Scalar};
use guiju_model::Date;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::str::FromStr;

const TERMS_MAX: usize = 64;
const VALUES_MAX: usize = 1_000;
const MEMBERS: [&str; 7] = ["field", "part", "as", "value", "values", "sum", "length"];

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Field { pointer: Pointer, part: Option<(usize, usize)>, reading: Option<Reading> },
    Literal(Literal),
    Literals(Vec<Literal>),
    Sum(Vec<Pointer>),
    Length(Pointer),
    Difference([Pointer; 2]),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Number(String),
    Bool(bool),
}

/// How a value is to be read, `as` in the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reading {
    Text,
    Integer,
    Decimal,
    Date,
    Datetime,
}

/// A value of a record before it is known as what it will be compared.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Number(Cow<'a, str>),
    Computed(Decimal),
    Bool(bool),
    /// An array or an object.
    Other,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Absent,
    Unreadable,
}

/// A value read as something that has an order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Read<'a> {
    Text(Cow<'a, str>),
    Number(Decimal),
    Date(Date),
    Instant(Instant),
    Bool(bool),
}

impl Operand {
    pub fn read(reader: &mut Reader, value: &Json, pointer: &str, name: &str) -> Option<Self> {
        let place = member(pointer, name);
        let Some(value) = value.get(name) else {
            reader.fault(pointer.into(), format!("this condition needs `{name}`"));
            return None;
        };
        let known = [&MEMBERS[..], &["difference"]].concat();
        if !reader.members(value, &place, &known) {
            return None;
        }
        let kinds: Vec<&str> =
            known.iter().copied().filter(|n| !matches!(*n, "part" | "as") && value.get(n).is_some()).collect();
        let [kind] = kinds[..] else {
            let wanted = "exactly one of `field`, `value`, `values`, `sum`, `length` and `difference` is wanted here";
            reader.fault(place, wanted.into());
            return None;
        };
        if kind != "field" {
            for name in ["part", "as"].into_iter().filter(|name| value.get(name).is_some()) {
                reader.fault(member(&place, name), format!("`{name}` stands beside `field` only"));
            }
        }
        match kind {
            "field" => Some(Self::Field {
                pointer: reader.field(value, &place, "field")?,
                part: part(reader, value, &place),
                reading: reader.word(value, &place, "as"),
            }),
            "value" => literal(reader, &value["value"], member(&place, "value")).map(Self::Literal),
            "values" => {
                let items = reader.items(&value["values"], &member(&place, "values"), VALUES_MAX, "values");
                Some(Self::Literals(
                    items.into_iter().filter_map(|(place, item)| literal(reader, item, place)).collect(),
                ))
            }
            "sum" => reader.fields(value, &place, "sum", TERMS_MAX).map(Self::Sum),
            "length" => reader.field(value, &place, "length").map(Self::Length),
            _ => match reader.fields(value, &place, "difference", 2)?.try_into() {
                Ok(pair) => Some(Self::Difference(pair)),
                Err(_) => {
                    let message = "`difference` wants two pointers: what is taken from, and what is taken";
                    reader.fault(member(&place, "difference"), message.into());
                    None
                }
            },
        }
    }

    pub fn reading(&self) -> Option<Reading> {
        match self {
            Self::Field { reading, .. } => *reading,
            _ => None,
        }
    }

    /// Whether of a number more than its value counts: how it is written.
    pub fn tells_spelling(&self) -> bool {
        matches!(self, Self::Field { part: Some(_), .. }) || self.reading().is_some_and(Reading::tells_spelling)
    }

    pub fn literals(&self) -> &[Literal] {
        match self {
            Self::Literal(literal) => std::slice::from_ref(literal),
            Self::Literals(literals) => literals,
            _ => &[],
        }
    }

    pub fn fields(&self) -> &[Pointer] {
        match self {
            Self::Field { pointer, .. } | Self::Length(pointer) => std::slice::from_ref(pointer),
            Self::Sum(fields) => fields,
            Self::Difference(fields) => fields,
            Self::Literal(_) | Self::Literals(_) => &[],
        }
    }

    /// The value in a record. Literals of `values` have none: they are compared one by one.
    pub fn of<'a>(&'a self, record: &'a dyn Record) -> Result<Value<'a>, Missing> {
        match self {
            Self::Field { pointer, part, .. } => cut(Value::at(record, pointer)?, *part),
            Self::Literal(literal) => Ok(literal.value()),
            Self::Literals(_) => Err(Missing::Unreadable),
            Self::Sum(fields) => sum(record, fields),
            Self::Length(pointer) => length(record, pointer),
            Self::Difference([from, taken]) => {
                let (from, taken) = (Value::at(record, from)?.decimal()?, Value::at(record, taken)?.decimal()?);
                Ok(Value::Computed(&from - &taken))
            }
        }
    }
}

impl Literal {
    /// What the author writes is read as asked, or it is a mistake.
    pub fn is_readable(&self, reading: Reading) -> bool {
        self.value().read(reading).is_ok()
    }

    pub fn spelled(&self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text.clone(),
            Self::Bool(is) => is.to_string(),
        }
    }

    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::Number(number) => Value::Number(Cow::Borrowed(number)),
            Self::Bool(is) => Value::Bool(*is),
        }
    }
}

impl<'a> Value<'a> {
    pub fn at(record: &'a dyn Record, pointer: &Pointer) -> Result<Self, Missing> {
        match record.get(pointer) {
            None | Some(Scalar::Null) => Err(Missing::Absent),
            Some(Scalar::Text(text)) => Ok(Self::Text(text)),
            Some(Scalar::Number(number)) => Ok(Self::Number(number)),
            Some(Scalar::Bool(is)) => Ok(Self::Bool(is)),
            Some(Scalar::Other(_)) => Ok(Self::Other),
        }
    }

    pub fn decimal(&self) -> Result<Decimal, Missing> {
        match self {
            Self::Text(text) | Self::Number(text) => Decimal::parse(text).ok_or(Missing::Unreadable),
            Self::Computed(number) => Ok(number.clone()),
            _ => Err(Missing::Unreadable),
        }
    }

    /// Digits with or without zeros before: `05` and `5` alike.
    pub fn integer(&self) -> Result<Decimal, Missing> {
        self.decimal()?.parity().map(|_| self.decimal()).unwrap_or(Err(Missing::Unreadable))
    }

    pub fn text(&self) -> Result<&str, Missing> {
        match self {
            Self::Text(text) | Self::Number(text) => Ok(text),
            _ => Err(Missing::Unreadable),
        }
    }

    /// `YYYY-MM-DD` or `YYYYMMDD`, or the day of a date-time.
    pub fn date(&self) -> Result<Date, Missing> {
        let text = self.text()?;
        let of_instant = || instant(text).map(|instant| instant.day());
        Date::from_compact(text).or_else(|| Date::from_text(text)).or_else(of_instant).ok_or(Missing::Unreadable)
    }

    pub fn instant(&self) -> Result<Instant, Missing> {
        Instant::parse(self.text()?).map_err(|_| Missing::Unreadable)
    }

    fn read(self, reading: Reading) -> Result<Read<'a>, Missing> {
        match reading {
            Reading::Text => match self {
                Self::Text(text) | Self::Number(text) => Ok(Read::Text(text)),
                _ => Err(Missing::Unreadable),
            },
            Reading::Integer => self.integer().map(Read::Number),
            Reading::Decimal => self.decimal().map(Read::Number),
            Reading::Date => self.date().map(Read::Date),
            Reading::Datetime => self.instant().map(Read::Instant),
        }
    }
}

/// How left stands to right; `Ok(None)` where they are of different kinds, so that neither equal nor in order.
pub(crate) fn compared(
    left: Value<'_>,
    right: Value<'_>,
    reading: Option<Reading>,
) -> Result<Option<Ordering>, Missing> {
    let (left, right) = match reading {
        Some(reading) => (left.read(reading)?, right.read(reading)?),
        None => match naturally(left, right)? {
            Some(pair) => pair,
            None => return Ok(None),
        },
    };
    ordered(left, right)
}

/// Which of two comes first. Amounts are kept as text, and `9.5` comes before `10.2`.
pub(crate) fn in_order(
    left: Value<'_>,
    right: Value<'_>,
    reading: Option<Reading>,
) -> Result<Option<Ordering>, Missing> {
    if let (None, Value::Text(left), Value::Text(right)) = (reading, &left, &right)
        && let (Some(left), Some(right)) = (plain_decimal(left), plain_decimal(right))
    {
        return ordered(left, right);
    }
    compared(left, right, reading)
}

fn ordered(left: Read<'_>, right: Read<'_>) -> Result<Option<Ordering>, Missing> {
    Ok(match (left, right) {
        (Read::Text(left), Read::Text(right)) => Some(left.cmp(&right)),
        (Read::Number(left), Read::Number(right)) => Some(left.cmp(&right)),
        (Read::Date(left), Read::Date(right)) => Some(left.cmp(&right)),
        (Read::Instant(left), Read::Instant(right)) => Some(left.cmp(&right)),
        (Read::Bool(left), Read::Bool(right)) => (left == right).then_some(Ordering::Equal),
        _ => None,
    })
}

/// Without `as`: numbers as numbers, and text that is a date or a date-time on both sides as one.
fn naturally<'a>(left: Value<'a>, right: Value<'a>) -> Result<Option<(Read<'a>, Read<'a>)>, Missing> {
    use Value::{Bool, Computed, Number, Other, Text};
    Ok(match (left, right) {
        (Other, _) | (_, Other) => return Err(Missing::Unreadable),
        (Bool(left), Bool(right)) => Some((Read::Bool(left), Read::Bool(right))),
        (Bool(_), _) | (_, Bool(_)) => None,
        (Text(left), Text(right)) => Some(texts(left, right)),
        // Amounts are kept as text, and the standard compares them with a number.
        (Text(text), number) => {
            plain_decimal(&text).map(|left| Ok((left, Read::Number(number.decimal()?)))).transpose()?
        }
        (number, Text(text)) => {
            plain_decimal(&text).map(|right| Ok((Read::Number(number.decimal()?), right))).transpose()?
        }
        (left @ (Number(_) | Computed(_)), right) => {
            Some((Read::Number(left.decimal()?), Read::Number(right.decimal()?)))
        }
    })
}

fn texts<'a>(left: Cow<'a, str>, right: Cow<'a, str>) -> (Read<'a>, Read<'a>) {
    let day = Date::from_text;
    match (instant(&left), instant(&right)) {
        (Some(left), Some(right)) => (Read::Instant(left), Read::Instant(right)),
        (left_instant, right_instant) => {
            let left_day = left_instant.map(|instant| instant.day()).or_else(|| day(&left));
            let right_day = right_instant.map(|instant| instant.day()).or_else(|| day(&right));
            match (left_day, right_day) {
                (Some(left), Some(right)) => (Read::Date(left), Read::Date(right)),
                _ => (Read::Text(left), Read::Text(right)),
            }
        }
    }
}

/// Behind the day of a moment stands a T: of anything else nothing is to be said.
fn instant(text: &str) -> Option<Instant> {
    if matches!(text.as_bytes().get(10), Some(b'T' | b't')) { Instant::parse(text).ok() } else { None }
}

/// `01` is a code, not the number 1, and so is `1E5`.
fn plain_decimal(text: &str) -> Option<Read<'static>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_code =
        digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.") || digits.contains(['e', 'E']);
    Decimal::parse(text).filter(|_| !is_code).map(Read::Number)
}

fn part(reader: &mut Reader, value: &Json, pointer: &str) -> Option<(usize, usize)> {
    let part = value.get("part")?;
    let bound = |index: usize| part.get(index).and_then(Json::as_u64).and_then(|bound| usize::try_from(bound).ok());
    match (bound(0), bound(1), part.as_array().map(Vec::len)) {
        (Some(from), Some(to), Some(2)) if from < to => Some((from, to)),
        _ => {
            let message = "`part` wants [from, to], counted in characters from 0, `to` not included: [6, 14]";
            reader.fault(member(pointer, "part"), message.into());
            None
        }
    }
}

fn literal(reader: &mut Reader, value: &Json, place: String) -> Option<Literal> {
    match value {
        Json::String(text) => Some(Literal::Text(text.clone())),
        Json::Number(number) if Decimal::parse(&number.to_string()).is_some() => {
            Some(Literal::Number(number.to_string()))
        }
        Json::Bool(is) => Some(Literal::Bool(*is)),
        Json::Null => {
            reader.fault(place, "null is no value to compare with; use the op `absent`".into());
            None
        }
        _ => {
            reader.fault(place, "a text, a number of at most 400 digits, true or false is wanted here".into());
            None
        }
    }
}

fn cut(value: Value<'_>, part: Option<(usize, usize)>) -> Result<Value<'_>, Missing> {
    let Some((from, to)) = part else { return Ok(value) };
    let text = match value {
        Value::Text(text) | Value::Number(text) => text,
        _ => return Err(Missing::Unreadable),
    };
    let place = |count: usize| text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(count);
    let (from, to) = place(from).zip(place(to)).ok_or(Missing::Unreadable)?;
    Ok(Value::Text(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[from..to]),
        Cow::Owned(text) => Cow::Owned(text[from..to].to_owned()),
    }))
}

/// Absent terms count as 0, unless all are absent.
fn sum<'a>(record: &'a dyn Record, fields: &[Pointer]) -> Result<Value<'a>, Missing> {
    let mut total: Option<Decimal> = None;
    for field in fields {
        let term = match Value::at(record, field) {
            Err(Missing::Absent) => continue,
            value => value?.decimal()?,
        };
        total = Some(total.map_or(term.clone(), |total| &total + &term));
    }
    total.map(Value::Computed).ok_or(Missing::Absent)
}

fn length<'a>(record: &'a dyn Record, pointer: &Pointer) -> Result<Value<'a>, Missing> {
    let count = match record.get(pointer) {
        None | Some(Scalar::Null) => return Err(Missing::Absent),
        Some(Scalar::Text(text)) => text.chars().count(),
        Some(Scalar::Other(count)) => count,
        Some(_) => return Err(Missing::Unreadable),
    };
    Ok(Value::Computed(Decimal::from_count(count)))
}

impl Reading {
    pub fn tells_spelling(self) -> bool {
        matches!(self, Self::Text | Self::Date | Self::Datetime)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Datetime => "datetime",
        }
    }
}

impl FromStr for Reading {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "integer" => Ok(Self::Integer),
            "decimal" => Ok(Self::Decimal),
            "date" => Ok(Self::Date),
            "datetime" => Ok(Self::Datetime),
            _ => {
                Err(format!("`{text}` is not a way to read a value; use one of text, integer, decimal, date, datetime"))
            }
        }
    }
}
