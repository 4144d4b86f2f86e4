//! One sequence of bytes for every spelling of the same document.

use crate::{JsonError, read_json};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    #[error(transparent)]
    Json(#[from] JsonError),
    /// RFC 8785 writes numbers as doubles; another number would share a digest with its neighbour.
    #[error(
        "the number `{number}` at `{pointer}` is not exactly a double, so it has no canonical form; write it as a string"
    )]
    Number { number: String, pointer: String },
    #[error("not a CSV table: {0}")]
    Csv(String),
}

/// RFC 8785 (JCS). Refuses numbers that a double cannot hold exactly, and members given twice.
pub fn canonical_json(bytes: &[u8]) -> Result<Vec<u8>, CanonicalError> {
    let value = read_json(bytes)?;
    check_numbers(&value, &mut String::new())?;
    serde_json_canonicalizer::to_vec(&value).map_err(|error| JsonError::Malformed(error.to_string()).into())
}

/// Integers must be within 2^53; another number must be the shortest spelling of its double, as RFC 8785 writes it.
fn check_numbers(value: &Value, pointer: &mut String) -> Result<(), CanonicalError> {
    let length = pointer.len();
    match value {
        Value::Number(number) if !is_interoperable(number) => {
            Err(CanonicalError::Number { number: number.to_string(), pointer: pointer.clone() })
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            pointer.push_str(&format!("/{index}"));
            check_numbers(item, pointer)?;
            pointer.truncate(length);
            Ok(())
        }),
        Value::Object(members) => members.iter().try_for_each(|(name, item)| {
            pointer.push('/');
            pointer.push_str(&crate::pointer::escape(name));
            check_numbers(item, pointer)?;
            pointer.truncate(length);
            Ok(())
        }),
        _ => Ok(()),
    }
}

fn is_interoperable(number: &serde_json::Number) -> bool {
    const EXACT: u64 = 1 << 53;
    if let Some(integer) = number.as_i64() {
        return integer.unsigned_abs() <= EXACT;
    }
    // The shortest spelling of the double is what is written; another number must not come to the same.
    let written = |double: f64| significant(&format!("{double:e}"));
    number.as_f64().filter(|double| double.is_finite()).map(written) == Some(significant(&number.to_string()))
}

/// Digits without zeros around, and the power of ten of the first: one value for one number.
fn significant(text: &str) -> (bool, String, i64) {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = number.trim_start_matches('-');
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = [whole, part].concat();
    let kept = all.trim_start_matches('0');
    if kept.is_empty() {
        return (false, String::new(), 0);
    }
    let first = whole.len() as i64 - (all.len() - kept.len()) as i64;
    let power = first.saturating_add(exponent.parse().unwrap_or(i64::MAX));
    (number.starts_with('-'), kept.trim_end_matches('0').into(), power)
}

/// The canonical form of a table: UTF-8, LF, quotes only where needed, rows sorted.
pub fn canonical_csv(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, CanonicalError> {
    let mut rows: Vec<Vec<String>> = rows.into_iter().collect();
    rows.sort();
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    let fault = |error: csv::Error| CanonicalError::Csv(error.to_string());
    writer.write_record(header).map_err(fault)?;
    for row in &rows {
        writer.write_record(row).map_err(fault)?;
    }
    writer.into_inner().map_err(|error| CanonicalError::Csv(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, CanonicalError> {
        canonical_json(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn one_document_has_one_form() {
        let given = r#"{"numbers": [333333333.3333333, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#;
        assert_eq!(
            canonical(given).unwrap(),
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        let other = "{\"a\":{\"c\":0,\"d\":1},\n\"b\":1e0}";
        assert_eq!(canonical(r#" {"b":1,"a":{"d":1.0,"c":-0}}"#), canonical(other));
        // Names are ordered by UTF-16, so that a character beyond U+FFFF comes before U+FB33.
        assert_eq!(canonical("{\"\u{fb33}\":1,\"\u{1f600}\":2}").unwrap(), "{\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }

    #[test]
    fn a_number_that_would_share_a_digest_is_refused() {
        for text in
            ["9007199254740993", "-9007199254740993", "1e400", "333333333.33333329", "18446744073709551616", "1e-400"]
        {
            let error = canonical(&format!("{{\"a/b\":[{text}]}}")).unwrap_err();
            assert!(
                matches!(&error, CanonicalError::Number { pointer, .. } if pointer == "/a~1b/0"),
                "{text}: {error}"
            );
        }
        assert!(canonical("9007199254740992").is_ok());
        assert!(matches!(canonical("{"), Err(CanonicalError::Json(_))));
    }
}
