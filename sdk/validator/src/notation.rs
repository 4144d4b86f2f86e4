//! The notation in which Chinese standards give the form of a field (GB/T 39046-2020, 5.3): `an..36`, `n..17,2`, `a3`.
//!
//! In practice `a` and `an` fields hold Chinese text, so the notation speaks of length only; what characters may stand in a
//! field is for the schema to say.

use std::str::FromStr;

/// What a notation says of a field's length.
///
/// ```
/// use guiju_validator::notation::Notation;
/// let notation: Notation = "an..36".parse()?;
/// assert_eq!((notation.length_min(), notation.length_max()), (None, Some(36)));
/// assert!("an...36".parse::<Notation>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notation {
    is_number: bool,
    length_min: Option<u64>,
    /// None: unlimited (`ul`).
    length_max: Option<u64>,
    decimals: Option<u64>,
}

const FORMS: &str = "write a, n, an or c and a length, such as n6, an..36, an2..10, n..17,2, an..ul, or YYYYMMDD";

impl Notation {
    pub fn length_min(&self) -> Option<u64> {
        self.length_min
    }

    /// Characters; for a number, digits without sign and point.
    pub fn length_max(&self) -> Option<u64> {
        self.length_max
    }

    /// Digits behind the point.
    pub fn decimals(&self) -> Option<u64> {
        self.decimals
    }

    /// Whether the field is a number with a sign or decimals perhaps, so that its text may be longer than its digits.
    pub fn is_number(&self) -> bool {
        self.is_number
    }

    /// How a schema contradicts the notation, where it does.
    pub fn contradicted_by(&self, length_min: Option<u64>, length_max: Option<u64>) -> Option<String> {
        if self.is_number && self.length_min.is_none() {
            return None;
        }
        let said = |bound: Option<u64>| bound.map_or("no limit".to_owned(), |bound| bound.to_string());
        match (length_min, length_max) {
            (_, Some(max)) if self.length_max != Some(max) => {
                Some(format!("`maxLength` is {max} and the notation says {}; make them agree", said(self.length_max)))
            }
            (Some(min), _) if self.length_min.is_some_and(|noted| noted != min) => {
                Some(format!("`minLength` is {min} and the notation says {}; make them agree", said(self.length_min)))
            }
            _ => None,
        }
    }
}

impl FromStr for Notation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        read(text).ok_or_else(|| format!("`{text}` is not a notation of GB/T 39046; {FORMS}"))
    }
}

fn read(text: &str) -> Option<Notation> {
    if let Some(length) = date(text) {
        return Some(Notation { is_number: false, length_min: length.0, length_max: Some(length.1), decimals: None });
    }
    let kind = ["an", "a", "n", "c"].into_iter().find(|kind| text.starts_with(kind))?;
    let (length, mask) = match text[kind.len()..].split_once('(') {
        Some((length, mask)) => (length, Some(mask.strip_suffix(')')?)),
        None => (&text[kind.len()..], None),
    };
    let (length, decimals) = match length.split_once(',') {
        Some((length, decimals)) if kind == "n" => (length, Some(number(decimals)?)),
        Some(_) => return None,
        None => (length, None),
    };
    let (min, max) = match length.split_once("..") {
        Some(("", max)) => (None, max),
        Some((min, max)) => (Some(number(min)?), max),
        None => (Some(number(length)?), length),
    };
    let max = if max == "ul" { None } else { Some(number(max)?) };
    let is_possible = max.is_none_or(|max| max > 0 && min.unwrap_or(0) <= max && decimals.unwrap_or(0) <= max);
    let is_masked = |mask: &str| max == Some(mask.len() as u64) && mask.bytes().all(|sign| matches!(sign, b'a' | b'n'));
    (is_possible && mask.is_none_or(is_masked)).then_some(Notation {
        is_number: kind == "n",
        length_min: min,
        length_max: max,
        decimals,
    })
}

/// A part in brackets may be left out.
fn date(text: &str) -> Option<(Option<u64>, u64)> {
    Some(match text {
        "YYYY" => (Some(4), 4),
        "YYYYMM" => (Some(6), 6),
        "YYYYMMDD" => (Some(8), 8),
        "YYYYMMDDhhmmss" => (Some(14), 14),
        "YYYYMMDD(hhmmss)" => (Some(8), 14),
        "YYYY-MM-DD" => (Some(10), 10),
        _ => return None,
    })
}

fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations_are_read() {
        let read = |text: &str| {
            let Notation { length_min, length_max, decimals, .. } = text.parse().ok()?;
            Some((length_min, length_max, decimals))
        };
        for (text, expected) in [
            ("n6", (Some(6), Some(6), None)),
            ("an..36", (None, Some(36), None)),
            ("an2..10", (Some(2), Some(10), None)),
            ("n..17,2", (None, Some(17), Some(2))),
            ("n5,2", (Some(5), Some(5), Some(2))),
            ("an..ul", (None, None, None)),
            ("an5(aannn)", (Some(5), Some(5), None)),
            ("c..200", (None, Some(200), None)),
            ("YYYYMMDD(hhmmss)", (Some(8), Some(14), None)),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "a",
            "x3",
            "n6..",
            "an..",
            "an10..2",
            "an..3.",
            "a..10,2",
            "n2,3",
            "an5(aann)",
            "an5(aaxnn)",
            "an5(aannn",
            "n..0",
            "n-1",
            "n１",
            "n99999999999999999999",
            "YYYYDDMM",
            "名6",
        ] {
            assert!(text.parse::<Notation>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_schema_that_says_otherwise_contradicts() {
        let said = |text: &str, min, max| text.parse::<Notation>().unwrap().contradicted_by(min, max);
        assert_eq!(said("an..36", Some(1), Some(36)), None);
        assert_eq!(said("an..36", None, None), None);
        assert_eq!(said("an18", Some(18), Some(18)), None);
        assert_eq!(
            said("an..36", None, Some(40)).unwrap(),
            "`maxLength` is 40 and the notation says 36; make them agree"
        );
        assert_eq!(
            said("an18", Some(15), Some(18)).unwrap(),
            "`minLength` is 15 and the notation says 18; make them agree"
        );
        assert_eq!(
            said("c..ul", None, Some(10)).unwrap(),
            "`maxLength` is 10 and the notation says no limit; make them agree"
        );
        // A decimal written as text has a sign and a point besides its digits.
        assert_eq!(said("n..17,2", None, Some(19)), None);
    }
}
