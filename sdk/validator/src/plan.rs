//! What is to be looked for in a record beside the engine's verdict: warnings and infos, titles, declared names.
//!
//! The engine tells what refuses. What merely remarks (an extensible code list, a doubtful identifier) is looked for by
//! walking the survey along the record, into a branch only where the branch fits.
//!
//! # Limits
//! Nothing is remarked below `not`, `unevaluatedProperties` and `unevaluatedItems`; a dynamic reference is followed to where it
//! leads without its scope.

use crate::{
    compile::{Fault, Judging},
    explain::CHOICES_MAX,
    json::{Tree, Wording},
    own::Own,
    pattern,
    survey::{Schema, SchemaId, Survey, Way},
};
use regex::Regex;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

pub(crate) type Engine = jsonschema::Validator<Tree>;

pub(crate) struct Plan {
    pub survey: Arc<Survey>,
    pub owns: Arc<Vec<Arc<Own>>>,
    /// Whether a schema, or one below it, may remark.
    remarks: Vec<bool>,
    /// Whether a value fits a schema on which remarks hang.
    conditions: HashMap<SchemaId, Judging>,
    patterns: BTreeMap<String, Regex>,
    /// JSON types that a schema asks for.
    types: Vec<Vec<String>>,
    /// Members that every record has.
    required: Vec<String>,
    /// What the standard's words take in an error.
    pub wording: Wording,
}

/// Conditions are compiled one by one, each with all it refers to.
const CONDITIONS_MAX: usize = 64;

impl Plan {
    pub fn new(
        survey: Arc<Survey>,
        owns: &Arc<Vec<Arc<Own>>>,
        values: &[&Value],
        engine: &dyn Fn(Value) -> Result<Judging, Fault>,
    ) -> Result<Self, Fault> {
        let types = values.iter().map(|value| types(value)).collect();
        let remarks = remarks(&survey, owns);
        let patterns = patterns(&survey);
        let wording = wording(&survey, values);
        let (owns, conditions, required) = (Arc::clone(owns), HashMap::new(), Vec::new());
        let mut plan = Self { survey, owns, remarks, conditions, patterns, types, required, wording };
        plan.conditions = plan.compiled_conditions(engine)?;
        plan.required = plan.required_of_all(values);
        Ok(plan)
    }

    fn compiled_conditions(
        &self,
        engine: &dyn Fn(Value) -> Result<Judging, Fault>,
    ) -> Result<HashMap<SchemaId, Judging>, Fault> {
        let mut conditions = HashMap::new();
        for from in 0..self.survey.schemas.len() {
            for condition in self.needed(from) {
                if conditions.contains_key(&condition) {
                    continue;
                }
                let schema = &self.survey.schemas[condition];
                if conditions.len() == CONDITIONS_MAX {
                    let message = format!(
                        "warnings hang on more than {CONDITIONS_MAX} branches; ask for their code lists and formats outside of anyOf, oneOf and if"
                    );
                    return Err(Fault::new("schema-too-costly", &schema.pointer, message));
                }
                conditions.insert(condition, engine(self.reference(condition))?);
            }
        }
        Ok(conditions)
    }

    fn required_of_all(&self, values: &[&Value]) -> Vec<String> {
        let schemas = self.together(self.survey.root).into_iter();
        let lists = schemas.filter_map(|schema| values[schema].get("required")?.as_array());
        let mut names: Vec<String> = lists.flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub fn is_required(&self, name: &str) -> bool {
        self.required.iter().any(|known| known == name)
    }

    /// A schema that says what one of ours says.
    pub fn reference(&self, schema: SchemaId) -> Value {
        let Schema { document, pointer, .. } = &self.survey.schemas[schema];
        json!({"$ref": format!("{document}#{}", percent_encoded(pointer))})
    }

    /// The schemas on which it depends whether remarks of one schema's branches count.
    fn needed(&self, from: SchemaId) -> Vec<SchemaId> {
        let ways = self.survey.schemas[from].ways.iter().filter(|(_, to)| self.remarks[*to]);
        ways.filter_map(|(way, to)| match way {
            Way::Branch | Way::Contains => Some(*to),
            Way::Then | Way::Else => self.condition_of(from),
            _ => None,
        })
        .collect()
    }

    /// The `if` of a schema.
    fn condition_of(&self, schema: SchemaId) -> Option<SchemaId> {
        let place = format!("{}/if", self.survey.schemas[schema].pointer);
        let ways = self.survey.schemas[schema].ways.iter();
        ways.map(|(_, to)| *to).find(|to| self.survey.schemas[*to].pointer == place)
    }

    /// Whether each schema, or one below it, may remark.
    pub fn all_that_may_remark(&self) -> &[bool] {
        &self.remarks
    }

    pub fn may_remark(&self, schema: SchemaId) -> bool {
        self.remarks[schema]
    }

    /// Whether a branch fits; one that no remark hangs on is not asked for.
    pub fn fits(&self, schema: SchemaId, node: crate::json::Node<'_>) -> bool {
        self.conditions.get(&schema).is_some_and(|condition| condition.engine().is_valid(node))
    }

    /// Whether the `if` of a schema fits.
    pub fn condition_fits(&self, schema: SchemaId, node: crate::json::Node<'_>) -> bool {
        self.condition_of(schema).is_some_and(|condition| self.fits(condition, node))
    }

    pub fn types(&self, schema: SchemaId) -> &[String] {
        &self.types[schema]
    }

    /// Schemas that always apply to the same value: this one, those under `allOf`, those referred to.
    pub fn together(&self, schema: SchemaId) -> Vec<SchemaId> {
        let mut found = vec![schema];
        let mut at = 0;
        while at < found.len() {
            let more =
                self.survey.schemas[found[at]].ways.iter().filter(|(way, _)| *way == Way::Always).map(|(_, to)| *to);
            for to in more {
                if !found.contains(&to) {
                    found.push(to);
                }
            }
            at += 1;
        }
        found
    }

    /// The schemas under `anyOf` and `oneOf` of one schema.
    pub fn alternatives(&self, schema: SchemaId) -> Vec<Vec<SchemaId>> {
        let Schema { pointer, ways, .. } = &self.survey.schemas[schema];
        let under = |keyword: &str| {
            let place = format!("{pointer}/{keyword}/");
            let is_here = |to: &SchemaId| self.survey.schemas[*to].pointer.starts_with(&place);
            ways.iter().filter(|(way, _)| *way == Way::Branch).map(|(_, to)| *to).filter(is_here).collect::<Vec<_>>()
        };
        ["anyOf", "oneOf"].map(under).into_iter().filter(|branches| !branches.is_empty()).collect()
    }

    /// Schemas for a member of that name, as one schema alone says.
    pub fn for_member<'p>(&'p self, schema: SchemaId, name: &'p str) -> impl Iterator<Item = SchemaId> + 'p {
        let ways = &self.survey.schemas[schema].ways;
        let covers = move |way: &Way| match way {
            Way::Member(member) => member == name,
            Way::Pattern(pattern) => self.patterns.get(pattern).is_some_and(|regex| regex.is_match(name)),
            _ => false,
        };
        let is_covered = ways.iter().any(|(way, _)| covers(way));
        ways.iter().filter(move |(way, _)| covers(way) || *way == Way::Additional && !is_covered).map(|(_, to)| *to)
    }

    /// Schemas for the item at that place, as one schema alone says.
    pub fn for_item(&self, schema: SchemaId, place: usize) -> impl Iterator<Item = SchemaId> + '_ {
        self.survey.schemas[schema].ways.iter().filter_map(move |(way, to)| match way {
            Way::Item(at) if *at == place => Some(*to),
            Way::Items(from) if place >= *from => Some(*to),
            _ => None,
        })
    }

    /// Schemas for what stands at a path of the record, as far as they apply whatever the record says.
    pub fn at_path(&self, path: &str) -> Vec<SchemaId> {
        let mut at = self.together(self.survey.root);
        for token in path.split('/').skip(1) {
            let token = crate::json::unescape(token);
            let mut next = Vec::new();
            for schema in at {
                let items = crate::json::array_index(&token).into_iter().flat_map(|place| self.for_item(schema, place));
                let below: Vec<SchemaId> = self.for_member(schema, &token).chain(items).collect();
                for to in below.into_iter().flat_map(|to| self.together(to)) {
                    if !next.contains(&to) {
                        next.push(to);
                    }
                }
            }
            at = next;
        }
        at
    }

    /// Names of members that schemas declare for the object at a path.
    pub fn declared(&self, path: &str) -> Vec<&str> {
        let ways = self.at_path(path).into_iter().flat_map(|schema| &self.survey.schemas[schema].ways);
        let mut names: Vec<&str> = ways
            .filter_map(|(way, _)| match way {
                Way::Member(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Whether each schema or one it leads to may remark.
fn remarks(survey: &Survey, owns: &[Arc<Own>]) -> Vec<bool> {
    let mut into: Vec<Vec<SchemaId>> = vec![Vec::new(); survey.schemas.len()];
    for (from, schema) in survey.schemas.iter().enumerate() {
        let counts = |way: &Way| {
            !matches!(way, Way::Not | Way::Definition | Way::Unevaluated | Way::UnevaluatedItems | Way::Names)
        };
        schema.ways.iter().filter(|(way, _)| counts(way)).for_each(|(_, to)| into[*to].push(from));
    }
    let mut found: Vec<bool> = owns.iter().map(|own| own.may_remark()).collect();
    let mut pending: Vec<SchemaId> = (0..found.len()).filter(|schema| found[*schema]).collect();
    while let Some(schema) = pending.pop() {
        for from in &into[schema] {
            if !std::mem::replace(&mut found[*from], true) {
                pending.push(*from);
            }
        }
    }
    found
}

/// What an error of any schema holds of that, at most: where it stands, and what its keyword asks.
fn wording(survey: &Survey, values: &[&Value]) -> Wording {
    let mut wording = Wording::default();
    for (schema, value) in values.iter().enumerate() {
        let keywords = value.as_object().into_iter().flatten();
        let asked = keywords.clone().map(|(keyword, value)| asked_bytes(keyword, value)).max().unwrap_or(0);
        wording.bytes = wording.bytes.max((2 * survey.place_bytes(schema) + asked) as u64);
        if keywords.clone().any(|(keyword, _)| keyword == "unevaluatedItems") {
            wording.bytes_an_item = BYTES_AN_ITEM;
        }
    }
    wording
}

/// Of a text for each item that nothing else speaks of.
const BYTES_AN_ITEM: u64 = 64;
/// Of a value that an error holds, for each byte of its text.
const BYTES_A_BYTE: usize = 16;

fn asked_bytes(keyword: &str, value: &Value) -> usize {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string().len(), str::len);
    match (keyword, value) {
        ("pattern" | "format" | "const" | "contentEncoding" | "contentMediaType", value) => 2 * text(value),
        ("enum", Value::Array(all)) => 2 * all.iter().take(CHOICES_MAX).map(text).sum::<usize>(),
        ("required", Value::Array(all)) => 4 * all.iter().map(text).max().unwrap_or(0),
        ("dependentRequired" | "dependencies", Value::Object(all)) => {
            4 * all.values().filter_map(Value::as_array).flatten().map(text).max().unwrap_or(0)
        }
        ("not", value) => BYTES_A_BYTE * value.to_string().len(),
        (_, Value::Number(number)) => 2 * number.to_string().len(),
        _ => 0,
    }
}

fn patterns(survey: &Survey) -> BTreeMap<String, Regex> {
    let ways = survey.schemas.iter().flat_map(|schema| &schema.ways);
    let named = ways.filter_map(|(way, _)| match way {
        Way::Pattern(pattern) => Some((pattern.clone(), pattern::compile(pattern).ok()?)),
        _ => None,
    });
    named.collect()
}

fn types(schema: &Value) -> Vec<String> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// A pointer as the fragment of a URI.
fn percent_encoded(pointer: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte);
    pointer.bytes().fold(String::new(), |mut text, byte| {
        match is_plain(byte) {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}
