//! Days and moments as RFC 3339 writes them, told from their bytes where the answer is yes.
//!
//! # Invariants
//! - What holds here is a date, or a date-time, for the engine and for the formats of the same name; what fails here is none for
//!   the engine. Neither may be said.

/// A form that is told without asking elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Date,
    DateTime,
}

impl Moment {
    /// Of a format, of JSON Schema's or of ours.
    pub fn of(format: &str) -> Option<Self> {
        match format {
            "date" => Some(Self::Date),
            "date-time" | "cn-datetime" => Some(Self::DateTime),
            _ => None,
        }
    }

    #[inline]
    pub fn holds(self, text: &[u8]) -> bool {
        match self {
            Self::Date => text.try_into().is_ok_and(is_date),
            Self::DateTime => is_date_time(text),
        }
    }
}

impl Moment {
    /// Whether the text has the usual form and no calendar has that month or day, no clock that hour or minute.
    pub fn fails(self, text: &[u8]) -> bool {
        let is_formed = match self {
            Self::Date => lies_between(text, b"0000-00-00", b"9999-99-99"),
            Self::DateTime => {
                lies_between(text, b"0000-00-00T00:00:00+00:00", b"9999-99-99T99:99:99-99:99") && text[19] != b','
            }
        };
        if !is_formed {
            return false;
        }
        let beyond = |at: usize, least: u32, most: u32| {
            two(&text[at], &text[at + 1]).is_some_and(|number| number < least || number > most)
        };
        let is_moment = self == Self::DateTime;
        beyond(5, 1, 12) || beyond(8, 1, 31) || is_moment && (beyond(11, 0, 23) || beyond(14, 0, 59))
    }
}

/// Whether each byte lies between its least and its most: all at once, since what is asked about has that form as a rule.
#[inline]
fn lies_between<const LENGTH: usize>(text: &[u8], least: &[u8; LENGTH], most: &[u8; LENGTH]) -> bool {
    let Ok(text) = <&[u8; LENGTH]>::try_from(text) else { return false };
    (0..LENGTH).fold(true, |all, at| all & (least[at] <= text[at]) & (text[at] <= most[at]))
}

/// `YYYY-MM-DD`, of the years 0001 to 9999.
#[inline]
pub(super) fn is_date(text: &[u8; 10]) -> bool {
    let [a, b, c, d, b'-', e, f, b'-', g, h] = text else { return false };
    let (Some(century), Some(year), Some(month), Some(day)) = (two(a, b), two(c, d), two(e, f), two(g, h)) else {
        return false;
    };
    let year = 100 * century + year;
    let last = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    year > 0 && day > 0 && day <= last
}

/// `YYYY-MM-DDThh:mm:ss`, digits of a fraction or none, `Z` or `±hh:mm`; no leap second.
#[inline]
fn is_date_time(text: &[u8]) -> bool {
    let Some((date, [b'T', clock @ ..])) = text.split_first_chunk::<10>() else { return false };
    let Some(([a, b, b':', c, d, b':', e, f], rest)) = clock.split_first_chunk::<8>() else { return false };
    let below = |a, b, bound| two(a, b).is_some_and(|number| number < bound);
    if !(is_date(date) && below(a, b, 24) && below(c, d, 60) && below(e, f, 60)) {
        return false;
    }
    let offset = match rest {
        [b'.', fraction @ ..] => match fraction.iter().position(|byte| !byte.is_ascii_digit()) {
            Some(length @ 1..) => &fraction[length..],
            _ => return false,
        },
        offset => offset,
    };
    match offset {
        [b'Z'] => true,
        [b'+' | b'-', a, b, b':', c, d] => below(a, b, 24) && below(c, d, 60),
        _ => false,
    }
}

#[inline(always)]
fn two(tens: &u8, ones: &u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| 10 * u32::from(tens) + u32::from(ones))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_often_is_told() {
        for text in ["2026-11-01T08:30:00+08:00", "2024-02-29T23:59:59.123456Z", "0001-01-01T00:00:00-00:00"] {
            assert!(Moment::DateTime.holds(text.as_bytes()), "{text}");
        }
        for text in ["2024-02-29", "2000-02-29", "9999-12-31"] {
            assert!(Moment::Date.holds(text.as_bytes()), "{text}");
        }
    }

    fn engine(format: &str) -> jsonschema::Validator {
        let schema = serde_json::json!({"format": format});
        jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
    }

    proptest! {
        #[test]
        fn what_holds_here_holds_everywhere(
            texts in prop::collection::vec(
                "(0000|[0-9]{4}|19[09][04]|20[02][0468])[-/](0[0-9]|1[0-3]|[0-9]{2})-([0-3][0-9])([Tt ](2[0-4]|[01][0-9]):[0-6][0-9]:[0-6][0-9]([.][0-9]{0,3})?([Zz]|[+-](2[0-4]|[01][0-9]):[0-6][0-9])?)?",
                64,
            ),
        ) {
            for (moment, theirs, ours) in [(Moment::Date, "date", "date"), (Moment::DateTime, "date-time", "cn-datetime")] {
                let engine = engine(theirs);
                for text in &texts {
                    if moment.fails(text.as_bytes()) {
                        prop_assert!(!engine.is_valid(&serde_json::json!(text)), "{} for {}", text, theirs);
                    }
                    if moment.holds(text.as_bytes()) {
                        prop_assert!(engine.is_valid(&serde_json::json!(text)), "{} for {}", text, theirs);
                        prop_assert!(formats::check(ours, text, None).is_empty(), "{} for {}", text, ours);
                    }
                }
            }
        }
    }
}
