//! Patterns: those of ECMA-262 that can be matched in time linear in the text.

use regex::{Regex, RegexBuilder};

/// A pattern as JSON Schema means it: it may match anywhere in the text.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > 8_192 {
        return Err("the pattern is longer than 8192 bytes; take it apart or use a code list".into());
    }
    let translated = jsonschema_regex::to_rust_regex(pattern).map_err(|()| unusable(pattern))?;
    RegexBuilder::new(&translated).size_limit(crate::bounds::PATTERN_BYTES_MAX).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("the pattern `{pattern}` needs more than {limit} bytes once compiled; lower its repetition counts or use maxLength")
        }
        _ => unusable(pattern),
    })
}

fn unusable(pattern: &str) -> String {
    let look_around = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|sign| pattern.contains(sign));
    let reason = if look_around { "it looks ahead or behind" } else { "it is malformed, or refers back to a group" };
    format!(
        "the pattern `{pattern}` cannot be matched in linear time: {reason}; say it without, or with two patterns under allOf"
    )
}
