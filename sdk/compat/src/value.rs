//! Does a value at hand satisfy a node? None where that is opaque.

use crate::{
    exact, formats,
    normal::{Dated, Graph, Id, Node, Types},
    text::Patterns,
};
use guiju_model::{Date, Severity};
use jsonschema::Draft;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Nesting of values and schemas that is looked into.
const DEPTH_MAX: usize = 128;
/// Nodes that are looked at for one value; schemas that lead back to themselves without going into it have more.
const LOOKS_MAX: u32 = 200_000;

/// Days by the field that names them; none: that of the check. The inner none: no day is named.
pub type Days = BTreeMap<Option<String>, Option<Date>>;

/// Judges values, and keeps what it compiled for that.
pub struct Values {
    pub patterns: Patterns,
    draft: Draft,
    formats: HashMap<String, Option<jsonschema::Validator>>,
    /// Whether `1.0` may be told from `1`: under draft 4, on either side.
    pub tells_spelling: bool,
    /// Whether numbers stand for all their spellings, so that nothing hangs on how they happen to be written.
    pub any_spelling: bool,
    /// The day on which codes must be valid, by the field that names it; none: any day may be meant.
    pub days: Option<Days>,
    looks: u32,
}

impl Values {
    pub fn new(draft: Draft, tells_spelling: bool) -> Self {
        Self {
            patterns: Patterns::default(),
            draft,
            formats: HashMap::new(),
            tells_spelling,
            any_spelling: false,
            days: None,
            looks: 0,
        }
    }

    pub fn is(&mut self, graph: &Graph, id: Id, value: &Value, depth: usize) -> Option<bool> {
        self.looks = if depth == 0 { 0 } else { self.looks + 1 };
        if depth > DEPTH_MAX || self.looks > LOOKS_MAX {
            return None;
        }
        match graph.node(id) {
            Node::True => Some(true),
            Node::False => Some(false),
            Node::All(parts) => every(parts.iter().map(|part| self.is(graph, *part, value, depth + 1))),
            Node::Any(parts) => {
                let fails = parts.iter().map(|part| self.is(graph, *part, value, depth + 1).map(|truth| !truth));
                every(fails).map(|none| !none)
            }
            Node::One(parts) => {
                let truths: Vec<_> = parts.iter().map(|part| self.is(graph, *part, value, depth + 1)).collect();
                match truths.iter().filter(|truth| **truth == Some(true)).count() {
                    2.. => Some(false),
                    _ if truths.contains(&None) => None,
                    count => Some(count == 1),
                }
            }
            Node::Not(part) => self.is(graph, *part, value, depth + 1).map(|truth| !truth),
            Node::If(condition, then, otherwise) => match self.is(graph, *condition, value, depth + 1)? {
                true => self.is(graph, *then, value, depth + 1),
                false => self.is(graph, *otherwise, value, depth + 1),
            },
            Node::Ref(reference) => self.is(graph, graph.target(*reference), value, depth + 1),
            Node::Type(types) => match self.types(value) {
                own if own.without(*types).is_empty() => Some(true),
                own => {
                    if own.has(*types) {
                        None
                    } else {
                        Some(false)
                    }
                }
            },
            Node::Enum(values) => Some(graph.is_among(value, values)),
            atom if !atom.speaks_of().has(type_of(value)) => Some(true),
            Node::Opaque { key, .. } => self.is_opaque(graph, key, value),
            atom => match value {
                Value::String(text) => self.is_string(graph, atom, text),
                Value::Array(items) => self.is_array(graph, atom, items, depth),
                Value::Object(members) => self.is_object(graph, atom, members, depth),
                _ => is_number(atom, value),
            },
        }
    }

    /// The types that a value has by the way it is written; all that it may be written as, where any spelling counts.
    pub fn types(&self, value: &Value) -> Types {
        match type_of(value) {
            Types::INTEGER if self.tells_spelling && self.any_spelling => Types::INTEGER.or(Types::WRITTEN_FRACTION),
            Types::INTEGER if self.tells_spelling && value.to_string().contains(['.', 'e', 'E']) => {
                Types::WRITTEN_FRACTION
            }
            types => types,
        }
    }

    /// What cannot be looked into can sometimes be tried.
    fn is_opaque(&mut self, graph: &Graph, key: &str, value: &Value) -> Option<bool> {
        if let Some(rule) = graph.rule(key) {
            // `1.0` is the same value as `1` and another text.
            let is_number = |field: &str| value.pointer(field).is_some_and(Value::is_number);
            let tells =
                self.any_spelling && rule.tell_spelling() && rule.fields().any(|(_, at)| is_number(at.as_str()));
            return (!tells).then(|| rule.check(value).is_empty());
        }
        let schema = graph.content(key)?;
        let build = || jsonschema::options().offline().with_draft(Draft::Draft7).build(schema).ok();
        let validator = self.formats.entry(key.to_owned()).or_insert_with(build).as_ref()?;
        Some(validator.is_valid(value))
    }

    /// Whether a text has a format; none where the format is not known.
    fn has_format(&mut self, format: &str, text: &str) -> Option<bool> {
        if guiju_validator::formats::is_known(format) {
            let faults = guiju_validator::formats::check(format, text, None);
            let has = faults.iter().all(|fault| fault.severity != Severity::Error);
            // Who was born tomorrow has no number today.
            return (!has || !formats::hangs_on_the_day(format)).then_some(has);
        }
        let draft = self.draft;
        let build = || {
            let options = jsonschema::options().offline().with_draft(draft).should_validate_formats(true);
            let known = options.is_known_format(draft, format);
            known.then(|| options.build(&serde_json::json!({"format": format})).ok()).flatten()
        };
        let validator = self.formats.entry(format.to_owned()).or_insert_with(build).as_ref()?;
        Some(validator.is_valid(&Value::from(text)))
    }

    fn is_string(&mut self, graph: &Graph, atom: &Node, text: &str) -> Option<bool> {
        Some(match atom {
            Node::MinLength(min) => text.chars().count() as u64 >= *min,
            Node::MaxLength(max) => text.chars().count() as u64 <= *max,
            Node::Pattern(pattern) => return self.patterns.is_match(pattern, text),
            Node::Format(format) => return self.has_format(format, text),
            Node::Listed(index) => graph.listed(*index).has(text),
            Node::Dated(index) => {
                let dated = graph.dated(*index);
                return match &self.days {
                    Some(days) => Some(dated.holds(text, days.get(&dated.as_of).copied().flatten())),
                    None => dated.days(text).into_iter().all(|day| dated.holds(text, Some(day))).then_some(true),
                };
            }
            _ => return None,
        })
    }

    /// Days on which a text is, and is not, as parts of a schema about days say; none where there are none.
    pub fn days_for(&self, graph: &Graph, parts: &[(u32, bool)], text: &str) -> Option<Days> {
        let mut found = Days::new();
        for (index, _) in parts {
            let as_of = &graph.dated(*index).as_of;
            if found.contains_key(as_of) {
                continue;
            }
            let own = parts.iter().map(|(index, must)| (graph.dated(*index), *must));
            let own: Vec<(&Dated, bool)> = own.filter(|(dated, _)| dated.as_of == *as_of).collect();
            let days: BTreeSet<Date> = own.iter().flat_map(|(dated, _)| dated.days(text)).collect();
            let mut days: Vec<Option<Date>> = days.into_iter().map(Some).collect();
            // A field that names the day is likely to be there.
            days.insert(if as_of.is_some() { days.len() } else { 0 }, None);
            if let Some(known) = &self.days {
                days = vec![known.get(as_of).copied().flatten()];
            }
            let fits = |day: &Option<Date>| own.iter().all(|(dated, must)| dated.holds(text, *day) == *must);
            found.insert(as_of.clone(), days.into_iter().find(fits)?);
        }
        Some(found)
    }

    fn is_array(&mut self, graph: &Graph, atom: &Node, items: &[Value], depth: usize) -> Option<bool> {
        match atom {
            Node::MinItems(min) => Some(items.len() as u64 >= *min),
            Node::MaxItems(max) => Some(items.len() as u64 <= *max),
            Node::Unique => {
                let mut seen = HashSet::new();
                Some(items.iter().all(|item| seen.insert(exact::key(item))))
            }
            Node::Items { prefix, rest } => every(items.iter().enumerate().map(|(position, item)| {
                self.is(graph, prefix.get(position).copied().unwrap_or(*rest), item, depth + 1)
            })),
            Node::Contains { schema, min, max } => {
                let truths: Vec<_> = items.iter().map(|item| self.is(graph, *schema, item, depth + 1)).collect();
                let sure = truths.iter().filter(|truth| **truth == Some(true)).count() as u64;
                let open = truths.iter().filter(|truth| truth.is_none()).count() as u64;
                let fits = |count: u64| count >= *min && max.is_none_or(|max| count <= max);
                match (fits(sure), fits(sure + open)) {
                    (one, other) if one == other && (open == 0 || max.is_none() || !one) => Some(one),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn is_object(&mut self, graph: &Graph, atom: &Node, members: &Map<String, Value>, depth: usize) -> Option<bool> {
        match atom {
            Node::Required(name) => Some(members.contains_key(name)),
            Node::MinProperties(min) => Some(members.len() as u64 >= *min),
            Node::MaxProperties(max) => Some(members.len() as u64 <= *max),
            Node::Names(schema) => {
                every(members.keys().map(|name| self.is(graph, *schema, &Value::from(name.as_str()), depth + 1)))
            }
            Node::Properties { named, patterns, rest } => every(members.iter().map(|(name, value)| {
                let applying = self.applying(named, patterns, *rest, name)?;
                every(applying.into_iter().map(|schema| self.is(graph, schema, value, depth + 1)))
            })),
            _ => None,
        }
    }

    /// The schemas that `properties`, `patternProperties` and `additionalProperties` put on the value of a name; none where a
    /// pattern is out of reach.
    pub fn applying(
        &mut self,
        named: &[(String, Id)],
        patterns: &[(String, Id)],
        rest: Id,
        name: &str,
    ) -> Option<Vec<Id>> {
        let mut found: Vec<Id> =
            named.iter().filter(|(declared, _)| declared == name).map(|(_, schema)| *schema).collect();
        for (pattern, schema) in patterns {
            if self.patterns.is_match(pattern, name)? {
                found.push(*schema);
            }
        }
        if found.is_empty() {
            found.push(rest);
        }
        Some(found)
    }
}

fn is_number(atom: &Node, value: &Value) -> Option<bool> {
    let exact = exact::rational(value.as_number()?)?;
    Some(match atom {
        Node::Minimum { limit, exclusive } => exact > *limit || exact == *limit && !exclusive,
        Node::Maximum { limit, exclusive } => exact < *limit || exact == *limit && !exclusive,
        Node::Multiple(of) => exact::divides(of, &exact),
        _ => return None,
    })
}

/// All true: true; one false: false; else not known.
pub fn every(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = true;
    for truth in truths {
        match truth {
            Some(false) => return Some(false),
            None => known = false,
            Some(true) => {}
        }
    }
    known.then_some(true)
}

pub fn type_of(value: &Value) -> Types {
    match value {
        Value::Null => Types::NULL,
        Value::Bool(_) => Types::BOOLEAN,
        Value::Number(number) => match exact::is_integer(number) {
            true => Types::INTEGER,
            false => Types::FRACTION,
        },
        Value::String(_) => Types::STRING,
        Value::Array(_) => Types::ARRAY,
        Value::Object(_) => Types::OBJECT,
    }
}
