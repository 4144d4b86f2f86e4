//! Patterns: those of ECMA-262 that can be matched in time linear in the text.

use regex::{Regex, RegexBuilder};
use regex_automata::nfa::thompson;

const LENGTH_MAX: usize = 8_192;
/// Sizes that a compiled pattern is tried in; the smallest that holds it is what it weighs.
const SIZES: [usize; 3] = [64 << 10, 256 << 10, crate::bounds::PATTERN_BYTES_MAX];

/// A pattern as JSON Schema means it: it may match anywhere in the text.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    translate(pattern).and_then(|translated| build(pattern, &translated, crate::bounds::PATTERN_BYTES_MAX))
}

/// About how many bytes a pattern needs once compiled.
pub(crate) fn weigh(pattern: &str) -> Result<usize, String> {
    let translated = translate(pattern)?;
    // All but the largest are judged by their states alone: what a search needs besides takes far longer to make.
    let states = thompson::Config::new().nfa_size_limit(Some(SIZES[0]));
    if thompson::Compiler::new().configure(states).build(&translated).is_ok() {
        return Ok(SIZES[0]);
    }
    let mut weight = Err(unusable(pattern));
    for size in SIZES {
        weight = build(pattern, &translated, size).map(|_| size);
        if weight.is_ok() {
            break;
        }
    }
    weight
}

/// The same pattern in the words of the `regex` crate.
pub(crate) fn translate(pattern: &str) -> Result<String, String> {
    match pattern.len() > LENGTH_MAX {
        true => Err(format!(
            "the pattern has {} bytes, at most {LENGTH_MAX} are taken; take it apart or use a code list",
            pattern.len()
        )),
        false => jsonschema_regex::to_rust_regex(pattern).map(|text| text.to_string()).map_err(|()| unusable(pattern)),
    }
}

fn build(pattern: &str, translated: &str, bytes_max: usize) -> Result<Regex, String> {
    RegexBuilder::new(translated).size_limit(bytes_max).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!(
            "the pattern `{}` needs more than {limit} bytes once compiled; lower its repetition counts or use maxLength",
            shown(pattern)
        ),
        _ => unusable(pattern),
    })
}

fn unusable(pattern: &str) -> String {
    let looks = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|sign| pattern.contains(sign));
    let reason = if looks { "it looks ahead or behind" } else { "it is malformed, or refers back to a group" };
    format!(
        "the pattern `{}` cannot be matched in linear time: {reason}; say it without, or with several patterns under allOf",
        shown(pattern)
    )
}

fn shown(pattern: &str) -> String {
    match pattern.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &pattern[..end]),
        None => pattern.to_owned(),
    }
}
