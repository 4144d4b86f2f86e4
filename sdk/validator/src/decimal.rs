//! Exact decimal numbers, as JSON spells them.

use num_bigint::{BigInt, Sign};
use std::{cmp::Ordering, ops};

/// A number, exactly.
#[derive(Clone, Debug)]
pub(crate) enum Decimal {
    Few(Few),
    Many(Box<Many>),
}

/// A number of few digits, as nearly every amount is: `mantissa` / 10^`scale`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Few {
    mantissa: i64,
    scale: u32,
}

/// The same of as many digits as there are.
#[derive(Clone, Debug)]
pub(crate) struct Many {
    mantissa: BigInt,
    scale: u32,
}

/// Digits before the point, and after it: enough for any amount, and a bound for what a number can cost.
const DIGITS_MAX: i64 = 400;
/// Digits, and the point, of what 64 bits have room for.
const PLAIN_MAX: usize = 18;

/// Of ten, as far as 64 bits have room.
const POWERS: [i64; 19] = {
    let (mut powers, mut at) = ([1; 19], 1);
    while at < powers.len() {
        powers[at] = 10 * powers[at - 1];
        at += 1;
    }
    powers
};

impl Few {
    /// As nearly all numbers are written: few digits, and no exponent.
    #[inline]
    pub fn plain(text: &[u8]) -> Option<Self> {
        let (is_negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let (mut mantissa, mut point) = (0_i64, None);
        if digits.is_empty() || digits.len() > PLAIN_MAX {
            return None;
        }
        for (at, byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' => mantissa = 10 * mantissa + i64::from(byte - b'0'),
                b'.' if point.is_none() && at > 0 && at + 1 < digits.len() => point = Some(at),
                _ => return None,
            }
        }
        let scale = point.map_or(0, |point| digits.len() - point - 1) as u32;
        Some(Self { mantissa: if is_negative { -mantissa } else { mantissa }, scale })
    }

    pub fn from_count(count: usize) -> Option<Self> {
        Some(Self { mantissa: i64::try_from(count).ok()?, scale: 0 })
    }

    /// Both mantissas with as many digits behind the point.
    #[inline]
    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        // Of two numbers of 64 bits the product has room in 128.
        let of = |number: Self| {
            let ten = POWERS.get((scale - number.scale) as usize)?;
            Some(i128::from(number.mantissa) * i128::from(*ten))
        };
        Some((of(self)?, of(other)?, scale))
    }

    /// None where the result has many digits; so with all that follow.
    #[inline]
    pub fn plus(self, other: Self) -> Option<Self> {
        let (one, two, scale) = self.aligned(other)?;
        Some(Self { mantissa: i64::try_from(one + two).ok()?, scale })
    }

    #[inline]
    pub fn minus(self, other: Self) -> Option<Self> {
        self.plus(Self { mantissa: other.mantissa.checked_neg()?, scale: other.scale })
    }

    #[inline]
    fn times(self, other: Self) -> Option<Self> {
        Some(Self { mantissa: self.mantissa.checked_mul(other.mantissa)?, scale: self.scale.checked_add(other.scale)? })
    }

    #[inline]
    pub fn order(self, other: Self) -> Option<Ordering> {
        self.aligned(other).map(|(one, two, _)| one.cmp(&two))
    }

    fn abs(self) -> Option<Self> {
        Some(Self { mantissa: self.mantissa.checked_abs()?, scale: self.scale })
    }

    fn parity(self) -> Option<bool> {
        let ten = POWERS.get(self.scale as usize)?;
        (self.mantissa % ten == 0).then(|| self.mantissa / ten % 2 != 0)
    }
}

impl Many {
    /// Both mantissas with as many digits behind the point.
    fn aligned(self, other: Self) -> (BigInt, BigInt, u32) {
        let scale = self.scale.max(other.scale);
        let of = |number: Self| number.mantissa * BigInt::from(10).pow(scale - number.scale);
        (of(self), of(other), scale)
    }
}

impl From<Few> for Decimal {
    fn from(few: Few) -> Self {
        Self::Few(few)
    }
}

impl Decimal {
    /// None where the text is not a number, or one of more than 400 digits on a side of the point.
    pub fn parse(text: &str) -> Option<Self> {
        Few::plain(text.as_bytes()).map(Self::Few).or_else(|| Self::any(text))
    }

    fn any(text: &str) -> Option<Self> {
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
        let all = || whole.bytes().chain(part.bytes());
        if !is_number || !all().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let zeros_before = all().take_while(|byte| *byte == b'0').count();
        let count = whole.len() + part.len() - zeros_before;
        if count == 0 {
            return Few::from_count(0).map(Self::Few);
        }
        let zeros_behind = all().rev().take_while(|byte| *byte == b'0').count();
        let kept = || all().skip(zeros_before).take(count - zeros_behind);
        let exponent = exponent.parse::<i64>().ok()?;
        let scale = (part.len() as i64).checked_sub(exponent)?.checked_sub(zeros_behind as i64)?;
        let length = (count - zeros_behind) as i64;
        if scale > DIGITS_MAX || length.checked_sub(scale)? > DIGITS_MAX {
            return None;
        }
        let zeros = u32::try_from(-scale).unwrap_or(0);
        let magnitude = BigInt::parse_bytes(&kept().collect::<Vec<u8>>(), 10)? * BigInt::from(10).pow(zeros);
        Some(Self::of(if is_negative { -magnitude } else { magnitude }, scale.max(0) as u32))
    }

    /// In few digits where there are few.
    fn of(mantissa: BigInt, scale: u32) -> Self {
        match i64::try_from(&mantissa) {
            Ok(mantissa) => Self::Few(Few { mantissa, scale }),
            Err(_) => Self::Many(Box::new(Many { mantissa, scale })),
        }
    }

    pub fn from_count(count: usize) -> Self {
        Few::from_count(count).map_or_else(|| Self::of(count.into(), 0), Self::Few)
    }

    /// None where it has many digits.
    #[inline]
    pub fn few(&self) -> Option<Few> {
        if let Self::Few(few) = self { Some(*few) } else { None }
    }

    fn many(&self) -> Many {
        match self {
            Self::Few(few) => Many { mantissa: few.mantissa.into(), scale: few.scale },
            Self::Many(many) => (**many).clone(),
        }
    }

    /// In few digits, if both have few and what comes of them has.
    #[inline]
    fn with<T>(&self, other: &Self, few: impl Fn(Few, Few) -> Option<T>, many: impl Fn(Many, Many) -> T) -> T {
        let told = self.few().zip(other.few()).and_then(|(one, two)| few(one, two));
        told.unwrap_or_else(|| many(self.many(), other.many()))
    }

    pub fn is_negative(&self) -> bool {
        match self {
            Self::Few(few) => few.mantissa < 0,
            Self::Many(many) => many.mantissa.sign() == Sign::Minus,
        }
    }

    pub fn abs(self) -> Self {
        match self.few().and_then(Few::abs) {
            Some(few) => Self::Few(few),
            None if self.is_negative() => {
                let Many { mantissa, scale } = self.many();
                Self::of(-mantissa, scale)
            }
            None => self,
        }
    }

    /// Whether the number is odd; none where it is not an integer.
    pub fn parity(&self) -> Option<bool> {
        if let Some(odd) = self.few().and_then(Few::parity) {
            return Some(odd);
        }
        let Many { mantissa, scale } = self.many();
        let ten = BigInt::from(10).pow(scale);
        (&mantissa % &ten == BigInt::ZERO).then(|| (mantissa / ten).bit(0))
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
            (false, true) => -1,
            (false, false) => 1,
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

    #[inline]
    fn add(self, other: Self) -> Decimal {
        let many = |one: Many, two: Many| {
            let (one, two, scale) = one.aligned(two);
            Decimal::of(one + two, scale)
        };
        self.with(other, |one, two| one.plus(two).map(Decimal::Few), many)
    }
}

impl ops::Sub for &Decimal {
    type Output = Decimal;

    #[inline]
    fn sub(self, other: Self) -> Decimal {
        let many = |one: Many, two: Many| {
            let (one, two, scale) = one.aligned(two);
            Decimal::of(one - two, scale)
        };
        self.with(other, |one, two| one.minus(two).map(Decimal::Few), many)
    }
}

impl ops::Mul for &Decimal {
    type Output = Decimal;

    #[inline]
    fn mul(self, other: Self) -> Decimal {
        let many = |one: Many, two: Many| Decimal::of(one.mantissa * two.mantissa, one.scale.saturating_add(two.scale));
        self.with(other, |one, two| one.times(two).map(Decimal::Few), many)
    }
}

impl Ord for Decimal {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let many = |one: Many, two: Many| {
            let (one, two, _) = one.aligned(two);
            one.cmp(&two)
        };
        self.with(other, Few::order, many)
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

    /// Of few digits and of many, each way round.
    #[test]
    fn few_digits_reckon_as_many_do() {
        let texts = [
            "0",
            "7",
            "-12.5",
            "1e38",
            "99999999999999999999999999999999999999",
            "0.00000000000000000001",
            "1e60",
            "-1e-60",
        ];
        for one in texts {
            for two in texts {
                let (few, other) = (decimal(one), decimal(two));
                let many = Decimal::Many(Box::new(few.many()));
                assert_eq!((&few + &other, &few - &other), (&many + &other, &many - &other), "{one} {two}");
                assert_eq!((&few * &other, few.cmp(&other)), (&many * &other, many.cmp(&other)), "{one} {two}");
                assert_eq!(few.cmp(&other), order(one, two), "{one} {two}");
                assert_eq!((few.parity(), few.clone().abs()), (many.parity(), many.abs()), "{one}");
            }
        }
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
