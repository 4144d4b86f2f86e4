//! One sequence of bytes for every spelling of the same document.

use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    #[error("not a JSON document: {0}")]
    Json(String),
    /// RFC 8785 writes numbers as doubles; another number would share a digest with its neighbour.
    #[error(
        "the number `{number}` at `{pointer}` is not exactly a double, so it has no canonical form; write it as a string"
    )]
    Number { number: String, pointer: String },
    #[error("not a CSV table: {0}")]
    Csv(String),
}

/// RFC 8785 (JCS). Refuses numbers that a double cannot hold exactly.
pub fn canonical_json(bytes: &[u8]) -> Result<Vec<u8>, CanonicalError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| CanonicalError::Json(error.to_string()))?;
    check_numbers(&value, &mut String::new())?;
    serde_json_canonicalizer::to_vec(&value).map_err(|error| CanonicalError::Json(error.to_string()))
}

/// Integers must be within 2^53; decimals are taken as the shortest spelling of their double, as RFC 8785 does.
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
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
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
    let text = number.to_string();
    let digits = text.split(['e', 'E']).next().unwrap_or("").bytes().filter(u8::is_ascii_digit).count();
    digits <= 15 && number.as_f64().is_some_and(f64::is_finite)
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
