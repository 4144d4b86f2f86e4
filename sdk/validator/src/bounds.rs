//! What a schema may cost, judged before anything is built of it.
//!
//! # Limits
//! One document: 256 KiB, 20,000 values, 64 deep. All together: 1,000 patterns, each within 1 MiB once compiled and 32 MiB in
//! sum, and no more are built behind 10 that cannot be used; 10,000 ways through schemas that judge the same value, at most 32 of them one behind the other.

use crate::{
    compile::Fault,
    json::escape,
    pattern,
    survey::{Source, Survey, Way, ignores_siblings},
};
use jsonschema::Draft;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DOCUMENT_BYTES_MAX: usize = 256 << 10;
const NODES_MAX: usize = 20_000;
pub(crate) const DEPTH_MAX: usize = 64;
/// Ways through applicators that judge the same value: each may be walked for every value.
const PATHS_MAX: u64 = 10_000;
/// Schemas for the same value one behind the other: each takes its share of the stack for every level of the record.
const CHAIN_MAX: usize = 32;
const PATTERNS_MAX: usize = 1_000;
/// Compiled size of one pattern.
pub(crate) const PATTERN_BYTES_MAX: usize = 1 << 20;
const PATTERNS_BYTES_MAX: usize = 32 << 20;
/// Patterns that cannot be used: finding that out may cost as much as building the largest.
const PATTERNS_UNUSABLE_MAX: usize = 10;
/// What matching one pattern may keep of its automaton.
pub(crate) const PATTERN_CACHE_BYTES_MAX: usize = 256 << 10;

/// The size of a document's text.
pub(crate) fn size(bytes: usize) -> Result<(), Fault> {
    match bytes > DOCUMENT_BYTES_MAX {
        true => Err(too_large(format!(
            "the schema has {bytes} bytes; at most {DOCUMENT_BYTES_MAX} are taken; move parts of it into standards of their own"
        ))),
        false => Ok(()),
    }
}

fn too_large(message: String) -> Fault {
    Fault::new("schema-too-large", "", message)
}

/// `place`: where in the text, if that is known.
pub(crate) fn too_deep(place: &str) -> Fault {
    let message = format!("{place}the schema is nested more than {DEPTH_MAX} deep; take parts of it out into `$defs`");
    Fault::new("schema-too-deep", "", message)
}

/// The shape of one document.
pub(crate) fn shape(document: &Value) -> Result<(), Fault> {
    let mut nodes = 0;
    let mut pending = vec![(document, 0)];
    while let Some((value, depth)) = pending.pop() {
        nodes += 1;
        if depth > DEPTH_MAX {
            return Err(too_deep(""));
        }
        match value {
            Value::Object(members) => pending.extend(members.values().map(|member| (member, depth + 1))),
            Value::Array(items) => pending.extend(items.iter().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    match nodes > NODES_MAX {
        true => Err(too_large(format!(
            "the schema has {nodes} values; at most {NODES_MAX} are taken; a long `enum` wants to be a code list"
        ))),
        false => Ok(()),
    }
}

/// All patterns: each linear in the text, all together within bounds.
pub(crate) fn patterns(
    survey: &Survey,
    values: &[&Value],
    sources: &BTreeMap<String, Source>,
    root: &str,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    let mut budget = PATTERNS_BYTES_MAX;
    for (schema, value) in survey.schemas.iter().zip(values) {
        let Value::Object(members) = value else { continue };
        if ignores_siblings(schema.draft) && members.contains_key("$ref") {
            continue;
        }
        let own = members
            .get("pattern")
            .and_then(Value::as_str)
            .map(|pattern| (pattern, format!("{}/pattern", schema.pointer)));
        let named = members.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
        let named = named.map(|(pattern, _)| {
            (pattern.as_str(), format!("{}/patternProperties/{}", schema.pointer, escape(pattern)))
        });
        for (pattern, pointer) in own.into_iter().chain(named) {
            if !seen.insert(pattern) {
                continue;
            }
            let pointer = if schema.document == root {
                pointer
            } else {
                format!("{}#{pointer}", sources[&schema.document].label)
            };
            if seen.len() > PATTERNS_MAX {
                faults.push(Fault::new(
                    "schema-too-large",
                    &pointer,
                    format!("more than {PATTERNS_MAX} patterns; a closed list wants `enum` or a code list"),
                ));
                return faults;
            }
            if faults.len() == PATTERNS_UNUSABLE_MAX {
                let message = format!(
                    "{PATTERNS_UNUSABLE_MAX} patterns before this one cannot be used, so it and those behind it were not looked at; mend those first"
                );
                faults.push(Fault::new("pattern-unusable", &pointer, message));
                return faults;
            }
            match pattern::weigh(pattern) {
                Ok(bytes) if bytes > budget => {
                    let message = format!(
                        "the patterns up to here need more than {PATTERNS_BYTES_MAX} bytes once compiled; lower their repetition counts or use maxLength"
                    );
                    faults.push(Fault::new("pattern-unusable", &pointer, message));
                    return faults;
                }
                Ok(bytes) => budget -= bytes,
                Err(why) => faults.push(Fault::new("pattern-unusable", &pointer, why)),
            }
        }
    }
    faults
}

/// How many ways lead through schemas for the same value, and how long they get.
pub(crate) fn ways(survey: &Survey) -> Result<(), Fault> {
    let mut found: Vec<Found> = vec![Found::Unseen; survey.schemas.len()];
    for start in 0..survey.schemas.len() {
        let mut pending = vec![(start, false)];
        while let Some((schema, is_done)) = pending.pop() {
            if is_done {
                found[schema] = cost(survey, schema, &found)?;
            } else if found[schema] == Found::Unseen {
                found[schema] = Found::Open;
                pending.push((schema, true));
                ahead(survey, schema, &found, &mut pending)?;
            }
        }
    }
    Ok(())
}

/// The schemas for the same value behind this one; one that is open still lies on the way here.
fn ahead(survey: &Survey, schema: usize, found: &[Found], pending: &mut Vec<(usize, bool)>) -> Result<(), Fault> {
    // Which schema a dynamic reference leads to is known only while judging, unless there is but one; the engine ends such loops.
    // To a draft that does not know such references they say nothing.
    let own = &survey.schemas[schema];
    let is_known = matches!(own.draft, Draft::Draft201909 | Draft::Draft202012);
    let is_open = !is_known || own.ways.iter().filter(|(way, _)| *way == Way::Dynamic).count() > 1;
    for (way, to) in survey.schemas[schema].ways.iter().filter(|(way, _)| way.stays()) {
        match found[*to] {
            Found::Unseen => pending.push((*to, false)),
            Found::Open if *way != Way::Dynamic || !is_open => {
                return Err(Fault::new(
                    "schema-loops",
                    &survey.schemas[*to].pointer,
                    "the schema refers to itself without going into the value, so judging would never end; refer to it \
                     below `properties` or `items`",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Unseen,
    Open,
    Cost { paths: u64, chain: usize },
}

fn cost(survey: &Survey, schema: usize, found: &[Found]) -> Result<Found, Fault> {
    let (mut paths, mut chain) = (1_u64, 1);
    for (way, to) in &survey.schemas[schema].ways {
        if let (true, Found::Cost { paths: more, chain: longer }) = (way.stays(), found[*to]) {
            paths = paths.saturating_add(more);
            chain = chain.max(longer + 1);
        }
    }
    let pointer = &survey.schemas[schema].pointer;
    if paths > PATHS_MAX {
        let message = format!(
            "more than {PATHS_MAX} ways lead through allOf, anyOf, oneOf, not, if and $ref here, and each may be walked for every value; say it with fewer branches"
        );
        return Err(Fault::new("schema-too-costly", pointer, message));
    }
    if chain > CHAIN_MAX {
        let message = format!(
            "more than {CHAIN_MAX} schemas judge the same value one behind the other here; shorten the chain of allOf, anyOf, oneOf, not, if and $ref"
        );
        return Err(Fault::new("schema-too-costly", pointer, message));
    }
    Ok(Found::Cost { paths, chain })
}
