//! Exact decimal numbers, as JSON spells them.

use num_bigint::{BigInt, Sign};
use std::{cmp::Ordering, ops};

/// `mantissa` / 10^`scale`, `scale` not negative.
#[derive(Clone, Debug)]
pub(crate) struct Decimal {
    mantissa: BigInt,
    scale: u32,
}

/// Digits before the point, and after it: enough for any amount, and a bound for what a number can cost.
const DIGITS_MAX: i64 = 400;

impl Decimal {
    /// None where the text is not a number, or one of more than 400 digits on a side of the point.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if power.is_empty() || !power.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (is_negative, digits) = match number.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, number),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = !whole.is_empty() && (whole.len() == digits.len() || !part.is_empty());
        let all_digits = [whole, part].concat();
        if !is_number || !all_digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let significant = all_digits.trim_start_matches('0');
        let kept = significant.trim_end_matches('0');
        if kept.is_empty() {
            return Some(Self { mantissa: BigInt::ZERO, scale: 0 });
        }
        let exponent = exponent.parse::<i64>().ok()?;
        let scale = (part.len() as i64).checked_sub(exponent)?.checked_sub((significant.len() - kept.len()) as i64)?;
        if scale > DIGITS_MAX || (kept.len() as i64).checked_sub(scale)? > DIGITS_MAX {
            return None;
        }
        let magnitude: BigInt = kept.parse().ok()?;
        let magnitude = magnitude * BigInt::from(10).pow(u32::try_from(-scale).unwrap_or(0));
        Some(Self { mantissa: if is_negative { -magnitude } else { magnitude }, scale: scale.max(0) as u32 })
    }

    pub fn from_count(count: usize) -> Self {
        Self { mantissa: count.into(), scale: 0 }
    }

    pub fn is_negative(&self) -> bool {
        self.mantissa.sign() == Sign::Minus
    }

    pub fn abs(self) -> Self {
        let is_negative = self.is_negative();
        Self { mantissa: if is_negative { -self.mantissa } else { self.mantissa }, scale: self.scale }
    }

    /// Whether the number is odd; none where it is not an integer.
    pub fn parity(&self) -> Option<bool> {
        let ten = BigInt::from(10).pow(self.scale);
        (&self.mantissa % &ten == BigInt::ZERO).then(|| (&self.mantissa / ten).bit(0))
    }

    fn aligned(&self, scale: u32) -> BigInt {
        &self.mantissa * BigInt::from(10).pow(scale - self.scale)
    }
}

/// The order of any two numbers as JSON spells them, however many digits they have and whatever their exponents are.
pub(crate) fn order(one: &str, other: &str) -> Ordering {
    let (one, other) = (Spelled::of(one), Spelled::of(other));
    match (one.sign, other.sign) {
        (one, other) if one != other => one.cmp(&other),
        (0, _) => Ordering::Equal,
        (sign, _) => {
            let found = one.power.cmp(&other.power).then_with(|| one.digits_to(&other));
            if sign < 0 { found.reverse() } else { found }
        }
    }
}

/// A number by its digits, from the first that is not zero.
struct Spelled<'t> {
    /// -1, 0 or 1.
    sign: i8,
    /// Those before the point, and those behind it.
    digits: [&'t [u8]; 2],
    /// Of ten, by which a number is multiplied that has all its digits behind the point.
    power: i128,
}

impl<'t> Spelled<'t> {
    fn of(text: &'t str) -> Self {
        let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let unsigned = number.strip_prefix('-').unwrap_or(number);
        let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let [whole_kept, part_kept] = [whole, part].map(|digits| digits.trim_start_matches('0'));
        // Exponents of 38 digits and more are all as far.
        let far = if exponent.starts_with('-') { i128::MIN / 2 } else { i128::MAX / 2 };
        let exponent = exponent.parse::<i128>().unwrap_or(far).clamp(i128::MIN / 2, i128::MAX / 2);
        let (digits, before) = match (whole_kept, part_kept) {
            ("", kept) => ([kept.as_bytes(), b"".as_slice()], kept.len() as i128 - part.len() as i128),
            (kept, _) => ([kept.as_bytes(), part.as_bytes()], kept.len() as i128),
        };
        let sign = match (digits[0].is_empty(), number.len() > unsigned.len()) {
            (true, _) => 0,
            (false, is_negative) => {
                if is_negative {
                    -1
                } else {
                    1
                }
            }
        };
        Self { sign, digits, power: exponent + before }
    }

    /// Zeros at the end count for nothing.
    fn digits_to(&self, other: &Self) -> Ordering {
        let [mut one, mut two] = [self, other].map(|spelled| spelled.digits.into_iter().flatten());
        loop {
            match (one.next(), two.next()) {
                (None, None) => return Ordering::Equal,
                (one, two) => match one.unwrap_or(&b'0').cmp(two.unwrap_or(&b'0')) {
                    Ordering::Equal => {}
                    other => return other,
                },
            }
        }
    }
}

impl ops::Add for &Decimal {
    type Output = Decimal;

    fn add(self, other: Self) -> Decimal {
        let scale = self.scale.max(other.scale);
        Decimal { mantissa: self.aligned(scale) + other.aligned(scale), scale }
    }
}

impl ops::Sub for &Decimal {
    type Output = Decimal;

    fn sub(self, other: Self) -> Decimal {
        let scale = self.scale.max(other.scale);
        Decimal { mantissa: self.aligned(scale) - other.aligned(scale), scale }
    }
}

impl ops::Mul for &Decimal {
    type Output = Decimal;

    fn mul(self, other: Self) -> Decimal {
        Decimal { mantissa: &self.mantissa * &other.mantissa, scale: self.scale + other.scale }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.mantissa.cmp(&other.mantissa);
        }
        let scale = self.scale.max(other.scale);
        self.aligned(scale).cmp(&other.aligned(scale))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal {}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("`{text}` is a number"))
    }

    #[test]
    fn comparison_is_exact() {
        assert_eq!(decimal("1.50"), decimal("15e-1"));
        assert_eq!(decimal("-0"), decimal("0.000"));
        assert!(decimal("9007199254740993") > decimal("9007199254740992"));
        assert!(decimal("110105190306151235") != decimal("110105190306151236"));
        assert_eq!(&decimal("0.1") + &decimal("0.2"), decimal("0.3"));
        assert_eq!(&decimal("1e3") - &decimal("0.001"), decimal("999.999"));
        assert_eq!(&decimal("0.005") * &decimal("200"), decimal("1"));
        assert_eq!(
            (decimal("7.0").parity(), decimal("12").parity(), decimal("0.5").parity()),
            (Some(true), Some(false), None)
        );
    }

    #[test]
    fn any_two_numbers_have_an_order() {
        let in_order = [
            "-1e400",
            "-9007199254740993.5",
            "-9007199254740993",
            "-1",
            "-1e-400",
            "0",
            "1e-99999999999999999999",
            "1e-400",
            "0.1",
            "0.10000000000000000001",
            "1",
            "1.00000000000000000001",
            "9",
            "10",
            "9007199254740992.9",
            "9007199254740993",
            "9007199254740993.1",
            "123456789012345678",
            "1e400",
            "1e401",
            "1e99999999999999999999",
        ];
        for (at, one) in in_order.iter().enumerate() {
            for (place, other) in in_order.iter().enumerate() {
                assert_eq!(order(one, other), at.cmp(&place), "{one} {other}");
            }
        }
        for (one, other) in [
            ("0", "-0.00e5"),
            ("1", "1.000"),
            ("100", "1e2"),
            ("0.001", "1E-3"),
            ("1230", "0.00123e+6"),
            ("9007199254740993", "9007199254740993.0"),
            ("12.5e1", "125"),
        ] {
            assert_eq!(order(one, other), Ordering::Equal, "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_number_or_too_long_is_refused() {
        for text in
            ["", "-", ".5", "5.", "1e", "1 2", "+1", "NaN", "１", "1e999999999999", "1e401", "1e-401", "0x1", "--1"]
        {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
        assert_eq!(decimal("0e999999999"), decimal("0"));
        assert!(Decimal::parse(&"9".repeat(100_000)).is_none());
    }
}
