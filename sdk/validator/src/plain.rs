//! Schemas so plain that they are known to be well-formed without their meta-schema, and known to become an engine before one is
//! made: to start quickly, a program makes it only for the first record that needs it.
//!
//! # Invariants
//! - What is plain here is well-formed in draft 2020-12, and the engine takes it once its references are resolved and its
//!   patterns are within bounds. Anything else is asked of the meta-schema and made at once.

use crate::program::DIGITS_MAX;
use serde_json::{Map, Value};

pub(crate) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Whether a document is a plain schema.
pub(crate) fn is_plain(document: &Value) -> bool {
    let Value::Object(members) = document else { return false };
    members.get("$schema").is_some_and(|dialect| dialect == DIALECT)
        && members.iter().all(|(name, value)| name == "$schema" || holds(name, value))
}

fn is_schema(value: &Value) -> bool {
    match value {
        Value::Bool(_) => true,
        Value::Object(members) => members.iter().all(|(name, value)| holds(name, value)),
        _ => false,
    }
}

/// Whether a keyword is one of those that are plain, and its value what it wants.
fn holds(keyword: &str, value: &Value) -> bool {
    match keyword {
        "title" | "description" | "$comment" | "pattern" | "format" => value.is_string(),
        "deprecated" | "readOnly" | "writeOnly" | "uniqueItems" => value.is_boolean(),
        "default" | "const" => true,
        "enum" | "examples" => value.is_array(),
        "x-guiju" => value.is_object(),
        "type" => match value {
            Value::Array(_) => names(value).is_some_and(|names| !names.is_empty() && names.iter().all(is_type)),
            value => value.as_str().is_some_and(|name| TYPES.contains(&name)),
        },
        "required" => names(value).is_some(),
        "dependentRequired" => value.as_object().is_some_and(|all| all.values().all(|value| names(value).is_some())),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => is_short(value),
        "multipleOf" => is_short(value) && value.as_f64().is_some_and(|number| number > 0.0),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            value.as_u64().is_some_and(|count| count < 1 << 32)
        }
        "properties" | "patternProperties" | "dependentSchemas" | "$defs" => value.as_object().is_some_and(all),
        "items" | "additionalProperties" | "propertyNames" | "contains" | "not" | "if" | "then" | "else" => {
            is_schema(value)
        }
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
            value.as_array().is_some_and(|schemas| !schemas.is_empty() && schemas.iter().all(is_schema))
        }
        "$ref" => value.as_str().is_some_and(is_definition),
        _ => false,
    }
}

fn all(schemas: &Map<String, Value>) -> bool {
    schemas.values().all(is_schema)
}

fn is_type(name: &&str) -> bool {
    TYPES.contains(name)
}

/// Texts that are all different.
fn names(value: &Value) -> Option<Vec<&str>> {
    let names: Vec<&str> = value.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] != pair[1]).then_some(names)
}

/// Numbers that nobody has to round.
fn is_short(value: &Value) -> bool {
    let Value::Number(number) = value else { return false };
    number.to_string().bytes().filter(u8::is_ascii_digit).count() <= DIGITS_MAX
}

/// A definition of this document or of another standard, or all of that.
fn is_definition(reference: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let (standard, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    let is_inside = fragment.strip_prefix("/$defs/").is_some_and(is_name);
    match standard {
        "" => is_inside,
        other => other.starts_with("guiju:") && (fragment.is_empty() || is_inside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_is_well_formed() {
        let values = [
            "true",
            "1",
            "-1",
            "1.5",
            "\"string\"",
            "\"x\"",
            "[]",
            "[\"a\"]",
            "[\"a\",\"a\"]",
            "{}",
            "[{}]",
            "null",
            "[1]",
            "{\"a\":[\"b\"]}",
            "{\"a\":{}}",
            "{\"a\":1}",
            "[true]",
            "1e400",
            "1e-6",
            "9999999999999.99",
            "[\"null\",\"string\"]",
        ];
        let keywords = [
            "title",
            "description",
            "$comment",
            "pattern",
            "format",
            "deprecated",
            "readOnly",
            "uniqueItems",
            "default",
            "const",
            "enum",
            "examples",
            "type",
            "required",
            "dependentRequired",
            "minimum",
            "multipleOf",
            "minLength",
            "maxItems",
            "minProperties",
            "properties",
            "patternProperties",
            "dependentSchemas",
            "$defs",
            "items",
            "additionalProperties",
            "propertyNames",
            "contains",
            "not",
            "if",
            "then",
            "allOf",
            "oneOf",
            "prefixItems",
            "x-guiju",
            "minContains",
            "unknown",
            "$id",
            "$anchor",
        ];
        let mut plain = 0;
        for keyword in keywords {
            for value in values {
                let text = format!("{{\"$schema\":\"{DIALECT}\",\"not\":{{\"{keyword}\":{value}}}}}");
                let Ok(schema) = serde_json::from_str::<Value>(&text) else { continue };
                if is_plain(&schema) {
                    plain += 1;
                    let fault = jsonschema::meta::validate(&schema).err().map(|fault| fault.to_string());
                    assert_eq!(fault, None, "{text}");
                    // Of what is refused the engine is asked why.
                    let validator =
                        crate::Validator::compile_schema(text.as_bytes(), &crate::CompileOptions::default());
                    let check = |record: &str| {
                        validator
                            .iter()
                            .for_each(|all| drop(all.check(record.as_bytes(), &crate::CheckOptions::default())));
                    };
                    values.into_iter().for_each(check);
                }
            }
        }
        assert!(plain > 80, "{plain}");
    }
}
