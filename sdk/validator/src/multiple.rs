//! `multipleOf`, exact for every number.
//!
//! The engine's own divides some numbers as floats, of which `9007199254740993.5` is a whole one. This takes its place.

use crate::json::{Node, Tree};
use jsonschema::{
    Keyword, ValidationError,
    json::{JsonNumber as _, Node as _},
};
use jsonschema_value::numeric::bignum::Decimal;
use serde_json::Value;

pub(crate) const KEYWORD: &str = "multipleOf";

struct Multiple {
    written: String,
    exact: Decimal,
    /// Where it is a whole number of few digits, which most are.
    whole: Option<u64>,
}

/// None where the value is no number above 0.
pub(crate) fn keyword(value: &Value) -> Option<Box<dyn for<'i> Keyword<'i, Tree>>> {
    let written = value.as_number()?.to_string();
    let has_digits = written.split(['e', 'E']).next().is_some_and(|digits| digits.contains(|c| matches!(c, '1'..='9')));
    if written.starts_with('-') || !has_digits {
        return None;
    }
    let (exact, whole) = (Decimal::parse(&written), written.parse().ok());
    Some(Box::new(Multiple { written, exact, whole }))
}

impl Multiple {
    fn divides(&self, instance: &Node<'_>) -> bool {
        let Some(number) = instance.as_number() else { return true };
        match (number.as_u64(), self.whole) {
            (Some(number), Some(by)) => number % by == 0,
            _ => Decimal::parse(&number.as_str()).is_multiple_of(&self.exact),
        }
    }
}

/// An error's message is the number, for `explain` to tell.
impl<'i> Keyword<'i, Tree> for Multiple {
    fn validate(&self, instance: Node<'i>) -> Result<(), ValidationError<'i>> {
        if self.divides(&instance) {
            return Ok(());
        }
        instance.keep_error(2 * self.written.len());
        Err(ValidationError::custom(self.written.clone()))
    }

    fn is_valid(&self, instance: Node<'i>) -> bool {
        self.divides(&instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn division_is_exact() {
        let divides = |by: &str, number: &str| {
            let value: Value = serde_json::from_str(by).expect("a number");
            let json::Read { document, .. } = json::read(number.as_bytes(), 4);
            let (keyword, document) = (keyword(&value).expect("above 0"), document.expect("a number"));
            document.refuel();
            keyword.is_valid(document.root())
        };
        for (by, number) in
            [("2", "1e400"), ("1", "9007199254740993.0"), ("0.01", "-12345678901234567.89"), ("7", "0.0")]
        {
            assert!(divides(by, number), "{number} is a multiple of {by}");
        }
        for (by, number) in [
            ("1", "9007199254740993.5"),
            ("1", "1.00000000000000000001"),
            ("2", "100000000000000000000.5"),
            ("2", "12345678901234568.25"),
            ("100", "10000000000000000000.01"),
            ("2", "1e-400"),
        ] {
            assert!(!divides(by, number), "{number} is no multiple of {by}");
        }
        assert!(keyword(&Value::from(0)).is_none() && keyword(&Value::from(-1)).is_none());
    }
}
