//! `minimum`, `maximum`, `exclusiveMinimum` and `exclusiveMaximum`, exact for every number.
//!
//! The engine's own go by a double where a number has a fraction or an exponent, for which `9007199254740993.0` is less than
//! `9007199254740993`. These take their place.

use crate::{
    decimal::order,
    json::{Node, Tree},
};
use jsonschema::{
    Keyword, ValidationError,
    json::{JsonNumber as _, Node as _},
};
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// Each with the code of the finding on a number beyond it.
pub(crate) const KEYWORDS: [(&str, &str); 4] = [
    ("minimum", "too-small"),
    ("maximum", "too-large"),
    ("exclusiveMinimum", "not-above"),
    ("exclusiveMaximum", "not-below"),
];

struct Limit {
    written: String,
    /// Where it is a whole number of few digits, which most are.
    whole: Option<i64>,
    /// What a number may not be to the limit.
    beyond: Ordering,
    is_exclusive: bool,
    /// Of the finding.
    code: &'static str,
}

/// In draft-04 a flag beside the limit, which reads it.
struct Flag;

/// None where the value is neither a number nor a flag of draft-04.
pub(crate) fn keyword(
    name: &str,
    beside: &Map<String, Value>,
    value: &Value,
) -> Option<Box<dyn for<'i> Keyword<'i, Tree>>> {
    if value.is_boolean() && name.starts_with("exclusive") {
        return Some(Box::new(Flag));
    }
    let written = value.as_number()?.to_string();
    let (flag, beyond) = match name {
        "minimum" | "exclusiveMinimum" => ("exclusiveMinimum", Ordering::Less),
        _ => ("exclusiveMaximum", Ordering::Greater),
    };
    let is_exclusive = name == flag || beside.get(flag) == Some(&Value::Bool(true));
    let said = if is_exclusive { flag } else { name };
    let code = KEYWORDS.iter().find(|(known, _)| *known == said)?.1;
    Some(Box::new(Limit { whole: written.parse().ok(), written, beyond, is_exclusive, code }))
}

/// The code of a finding and the limit, of the message of an error.
pub(crate) fn said(message: &str) -> Option<(&'static str, &str)> {
    let (code, limit) = message.split_once(' ')?;
    KEYWORDS.iter().find(|(_, known)| *known == code).map(|(_, code)| (*code, limit))
}

impl Limit {
    fn holds(&self, instance: &Node<'_>) -> bool {
        let Some(number) = instance.as_number() else { return true };
        let found = match (number.as_i64(), self.whole) {
            (Some(number), Some(limit)) => number.cmp(&limit),
            _ => order(&number.as_str(), &self.written),
        };
        found != self.beyond && !(self.is_exclusive && found == Ordering::Equal)
    }
}

/// An error's message is the code and the limit, for `explain` to tell.
impl<'i> Keyword<'i, Tree> for Limit {
    fn validate(&self, instance: Node<'i>) -> Result<(), ValidationError<'i>> {
        if self.holds(&instance) {
            return Ok(());
        }
        instance.keep_error(2 * self.written.len());
        Err(ValidationError::custom(format!("{} {}", self.code, self.written)))
    }

    fn is_valid(&self, instance: Node<'i>) -> bool {
        self.holds(&instance)
    }
}

impl<'i> Keyword<'i, Tree> for Flag {
    fn validate(&self, _: Node<'i>) -> Result<(), ValidationError<'i>> {
        Ok(())
    }

    fn is_valid(&self, _: Node<'i>) -> bool {
        true
    }
}
