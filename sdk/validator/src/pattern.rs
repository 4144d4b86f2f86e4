//! Patterns: those of ECMA-262 that can be matched in time linear in the text.

use regex::{Regex, RegexBuilder};
use regex_automata::nfa::thompson;
use regex_syntax::{
    hir::{Class, Hir, HirKind},
    utf8::Utf8Sequences,
};

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
    // Most are told by their form: even to make their states takes longer than to read all else of a schema.
    if regex_syntax::parse(&translated).is_ok_and(|hir| is_small(&hir)) {
        return Ok(SIZES[0]);
    }
    // All but the largest of the others are judged by their states alone: what a search needs besides takes far longer to make.
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

/// Of a pattern without states.
const BARE_BYTES: usize = 1 << 10;
/// Bytes of one state, or more, with what leads on from it; of one more way on.
const STATE_BYTES: usize = 96;
const WAY_BYTES: usize = 16;

/// Whether a pattern is surely of the smallest size.
pub(crate) fn is_small(hir: &Hir) -> bool {
    states_bytes(hir).saturating_add(BARE_BYTES) < SIZES[0]
}

/// Bytes that the states of a pattern take, at most.
fn states_bytes(hir: &Hir) -> usize {
    let around = 4 * STATE_BYTES;
    let inside = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len() * STATE_BYTES,
        HirKind::Class(Class::Unicode(class)) => {
            let bytes = |sequences: Utf8Sequences| sequences.map(|sequence| sequence.len()).sum::<usize>();
            let ranges = class.iter().map(|range| bytes(Utf8Sequences::new(range.start(), range.end())));
            ranges.sum::<usize>() * STATE_BYTES
        }
        HirKind::Class(Class::Bytes(class)) => class.iter().count() * WAY_BYTES,
        HirKind::Capture(group) => {
            states_bytes(&group.sub).saturating_add(group.name.as_ref().map_or(0, |name| 4 * name.len()))
        }
        HirKind::Concat(all) | HirKind::Alternation(all) => {
            let bytes = all.iter().map(|one| states_bytes(one).saturating_add(WAY_BYTES));
            bytes.fold(0, usize::saturating_add)
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)) as usize;
            states_bytes(&repetition.sub).saturating_add(2 * STATE_BYTES).saturating_mul(times.max(1))
        }
    };
    inside.saturating_add(around)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_take_no_more_than_was_said() {
        let states = |pattern: &str| {
            let nfa = thompson::Compiler::new().build(pattern).expect("it compiles");
            nfa.memory_usage()
        };
        for pattern in [
            "",
            "a",
            "^[0-9]{6}$",
            "^[\\u{4e00}-\\u{9fff}·]{2,30}$",
            "^(a|b|c|de|fgh)+$",
            "(?:(?:a|b){3,9}){2,7}",
            "\\w",
            "\\p{L}\\d",
            "^(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])$",
            "[^a]*?x{0,9}y{3,}",
            "(((((a)))))",
            ".*",
            "[a-zA-Z0-9._-]+@[a-z]{2,63}",
        ] {
            let hir = regex_syntax::parse(pattern).expect("a pattern");
            let (said, taken) = (BARE_BYTES + states_bytes(&hir), states(pattern));
            assert!(taken <= said, "{pattern}: {taken} of {said}");
        }
    }
}
