//! JSON values compared as JSON Schema compares them: numbers by their exact value, objects without order.

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};
use serde_json::{Map, Number, Value};

/// Longest exponent taken at its word; beyond it a number of a few bytes would need megabytes.
const EXPONENT_MAX: i128 = 2_000;

/// A number without regard to its spelling: its digits begin and end with another digit than 0, and 0 has none.
struct Plain {
    is_negative: bool,
    digits: String,
    /// Of the last digit.
    exponent: i128,
}

impl Plain {
    fn of(number: &Number) -> Self {
        let text = number.to_string();
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        // What does not fit is of no record; it compares as the largest, as the validator has it.
        let least = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
        let exponent = i128::from(exponent.parse::<i64>().unwrap_or(least));
        let (is_negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let kept = all.trim_end_matches('0');
        let exponent = exponent - fraction.len() as i128 + (all.len() - kept.len()) as i128;
        match kept.trim_start_matches('0') {
            "" => Self { is_negative: false, digits: String::new(), exponent: 0 },
            digits => Self { is_negative, digits: digits.to_owned(), exponent },
        }
    }
}

/// The exact value of a JSON number; none where its exponent is out of reason.
pub fn rational(number: &Number) -> Option<BigRational> {
    let Plain { is_negative, digits, exponent } = Plain::of(number);
    if digits.is_empty() {
        return Some(BigRational::zero());
    }
    if exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let digits: BigInt = digits.parse().ok()?;
    let digits = if is_negative { -digits } else { digits };
    let power = BigInt::from(10).pow(exponent.unsigned_abs() as u32);
    Some(match exponent < 0 {
        true => BigRational::new(digits, power),
        false => BigRational::from_integer(digits * power),
    })
}

/// Whether a number has no fraction, however large it is and however it is written.
pub fn is_integer(number: &Number) -> bool {
    Plain::of(number).exponent >= 0
}

/// The JSON number of a rational whose denominator has no prime factors but 2 and 5; none for any other.
pub fn number(value: &BigRational) -> Option<Number> {
    let mut scale = BigInt::one();
    for places in 0..=60u32 {
        let scaled = value * BigRational::from_integer(scale.clone());
        if scaled.is_integer() {
            let digits = scaled.to_integer();
            return spell(&digits, places).parse().ok();
        }
        scale *= 10;
    }
    None
}

/// The same number with an exponent, where it takes many digits to write it without one.
pub fn shorter(number: &Number) -> Option<Number> {
    let Plain { is_negative, digits, exponent } = Plain::of(number);
    let written = format!("{}{digits}e{exponent}", if is_negative { "-" } else { "" });
    let is_long = number.to_string().len() > written.len() + LONGER_MIN;
    (is_long && !digits.is_empty()).then(|| written.parse().ok()).flatten()
}

/// How much is to be saved before an exponent, which few people write, reads better.
const LONGER_MIN: usize = 40;

/// Ways to write a number that is given in plain digits: so, with more places, with an exponent that changes nothing, and with
/// one that moves the point.
pub const SPELLINGS: [fn(&str) -> String; 4] = [
    str::to_owned,
    |plain| if plain.contains('.') { format!("{plain}0") } else { format!("{plain}.0") },
    |plain| format!("{plain}e0"),
    |plain| {
        let (sign, digits) = plain.strip_prefix('-').map_or(("", plain), |digits| ("-", digits));
        let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
        let (first, rest) = whole.split_at(1);
        format!(
            "{sign}{first}.{rest}{places}{}e{}",
            if rest.is_empty() && places.is_empty() { "0" } else { "" },
            rest.len()
        )
    },
];

fn spell(digits: &BigInt, places: u32) -> String {
    let negative = *digits < BigInt::zero();
    let text = digits.magnitude().to_string();
    let places = places as usize;
    let text = format!("{text:0>width$}", width = places + 1);
    let (whole, fraction) = text.split_at(text.len() - places);
    let sign = if negative { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Whether the one is a whole multiple of the other.
pub fn divides(divisor: &BigRational, value: &BigRational) -> bool {
    !divisor.is_zero() && (value / divisor).is_integer()
}

/// The least number that is a multiple of both.
pub fn common_multiple(one: &BigRational, other: &BigRational) -> BigRational {
    let numerator = (one.numer() * other.denom()).lcm(&(other.numer() * one.denom()));
    BigRational::new(numerator, one.denom() * other.denom()).abs()
}

/// A text that two values share exactly if JSON Schema calls them equal.
pub fn key(value: &Value) -> String {
    let mut out = String::new();
    write_key(value, &mut out);
    out
}

fn write_key(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => {
            let Plain { is_negative, digits, exponent } = Plain::of(number);
            if is_negative {
                out.push('-');
            }
            out.push_str(if digits.is_empty() { "0" } else { &digits });
            if exponent != 0 {
                out.push_str(&format!("e{exponent}"));
            }
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_key(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(members) => write_members(members, out),
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn write_members(members: &Map<String, Value>, out: &mut String) {
    let mut names: Vec<&String> = members.keys().collect();
    names.sort();
    out.push('{');
    for name in names {
        out.push_str(&Value::from(name.as_str()).to_string());
        out.push(':');
        write_key(&members[name], out);
        out.push(',');
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_by_value() {
        let alike =
            [("1", "1.0"), ("1e2", "100"), ("0.10", "0.1"), ("-0", "0"), ("1e3000", "10e2999"), ("0e5000", "0")];
        for (one, other) in alike {
            let read = |text: &str| serde_json::from_str::<Value>(text).expect("a number");
            assert_eq!(key(&read(one)), key(&read(other)), "{one} and {other}");
        }
        assert_ne!(key(&Value::from("1")), key(&Value::from(1)));
        for (text, is_whole) in [("1e-3000", false), ("1e3000", true), ("10e-1", true), ("0e-9", true), ("1.5", false)]
        {
            assert_eq!(is_integer(&text.parse().expect("a number")), is_whole, "{text}");
        }
        assert_eq!(
            number(&BigRational::new(BigInt::from(-1), BigInt::from(8))).map(|n| n.to_string()),
            Some("-0.125".into())
        );
        assert_eq!(number(&BigRational::new(BigInt::from(1), BigInt::from(3))), None);
        for plain in ["0", "1", "-20240101", "12.5", "-0.125"] {
            let read = |text: &str| serde_json::from_str::<Value>(text).expect("a number");
            for written in SPELLINGS.map(|spell| spell(plain)) {
                assert_eq!(key(&read(&written)), key(&read(plain)), "{written}");
            }
        }
    }
}
