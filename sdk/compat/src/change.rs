//! What was changed: an edit of several parts is taken apart, and each part is judged by itself.
//!
//! A part is put into the old version alone. Records that the old version accepts, and that neither the old version with this
//! part nor the new version does, are what the part takes away; the other way round, what it gives.

use crate::{
    normal::Id,
    solve::{Literal, fails, holds},
    verdict::{Bump, Found, Ids, Inclusion, Judge, Way, Witness},
};
use guiju_model::{Text, pointer};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// The documentation page of one code.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    #[serde(skip)]
    pub code: String,
    pub title_en: String,
    pub title_zh: String,
    /// Whom it concerns and why.
    pub meaning_en: String,
    pub meaning_zh: String,
    /// What to do instead, or besides.
    pub remedy_en: String,
    pub remedy_zh: String,
    /// Of the rules for protobuf: the categories of `buf breaking` that it is in.
    #[serde(default)]
    pub categories: Vec<String>,
    #[serde(skip)]
    pub of: Subject,
}

/// What a change is made to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// Schemas and code lists.
    #[default]
    Records,
    Protobuf,
    OpenApi,
}

static PAGES: LazyLock<BTreeMap<String, Page>> = LazyLock::new(|| {
    let files = [
        (Subject::Records, include_str!("../codes.toml")),
        (Subject::Protobuf, include_str!("../protobuf.toml")),
        (Subject::OpenApi, include_str!("../openapi.toml")),
    ];
    let read = |(of, text): (Subject, &str)| {
        let pages: BTreeMap<String, Page> = toml::from_str(text).unwrap_or_default();
        pages.into_iter().map(move |(code, page)| (code.clone(), Page { code, of, ..page }))
    };
    files.into_iter().flat_map(read).collect()
});

pub fn page(code: &str) -> Option<&'static Page> {
    PAGES.get(code)
}

/// All pages, in order of their codes.
pub fn pages() -> impl Iterator<Item = &'static Page> {
    PAGES.values()
}

/// One difference between two versions.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// A stable code with a documentation page, for example `range-narrowed`.
    pub code: String,
    /// JSON Pointers into the old and the new document; none where there is nothing on that side.
    pub old_place: Option<String>,
    pub new_place: Option<String>,
    pub message: Text,
    pub remedy: Text,
    /// The bump that it alone asks for; none where that could not be decided.
    pub bump: Option<Bump>,
    pub witness: Option<Witness>,
}

/// The code of a change that no version number allows.
const FORBIDDEN: &str = "code-reused";

impl Change {
    pub(crate) fn new(code: &str, places: [Option<String>; 2], detail: Text, bump: Option<Bump>) -> Self {
        let [old_place, new_place] = places;
        let (title, remedy) = match page(code) {
            Some(page) => (
                Text { en: page.title_en.clone(), zh: page.title_zh.clone() },
                Text { en: page.remedy_en.clone(), zh: page.remedy_zh.clone() },
            ),
            None => (Text { en: code.into(), zh: code.into() }, Text::default()),
        };
        let joined = |title: String, colon: &str, detail: String| {
            if detail.is_empty() { title } else { format!("{title}{colon}{detail}") }
        };
        let message = Text { en: joined(title.en, ": ", detail.en), zh: joined(title.zh, "：", detail.zh) };
        Self { code: code.into(), old_place, new_place, message, remedy, bump, witness: None }
    }

    pub fn is_forbidden(&self) -> bool {
        self.code == FORBIDDEN
    }
}

/// Takes the difference of two documents apart and judges each part.
pub(crate) fn explain(
    judge: &mut Judge<'_, '_>,
    ids: &Ids,
    old_in_new: &Inclusion,
    new_in_old: &Inclusion,
) -> Vec<Change> {
    let (old, new) = (judge.pair.old, judge.pair.new);
    let mut finder = Finder::default();
    finder.schema(&old.root, &new.root, "", "");
    let base = with_definitions(&old.root, &new.root);
    let mut changes = Vec::new();
    let is_cut = finder.edits.len() > judge.budget.changes_max;
    let edits = finder.edits.iter().take(judge.budget.changes_max);
    let parts: Vec<Part<'_>> = edits.filter_map(|edit| Part::read(judge, edit, &base)).collect();
    for (at, part) in parts.iter().enumerate() {
        // Records that no other part takes away show this one alone.
        let others = parts.iter().enumerate().filter(|(other, _)| *other != at && parts.len() <= ALONE_MAX);
        let others: Vec<Literal> = others.map(|(_, other)| holds(other.edited)).collect();
        changes.extend(judged(judge, part, &others, ids, old_in_new, new_in_old));
    }
    let told = |bump: Bump, changes: &[Change]| changes.iter().any(|change| change.bump == Some(bump));
    // What no part shows by itself, all of them do together.
    for (inclusion, bump, code) in
        [(old_in_new, Bump::Major, "together-narrowed"), (new_in_old, Bump::Minor, "together-widened")]
    {
        if let Inclusion::NotIncluded(witness) = inclusion
            && (!told(bump, &changes) || is_cut)
        {
            let mut change = Change::new(code, [Some(String::new()), Some(String::new())], Text::default(), Some(bump));
            change.witness = Some((**witness).clone());
            changes.push(change);
        }
    }
    if finder.wording {
        changes.push(Change::new(
            "wording-changed",
            [Some(String::new()), Some(String::new())],
            Text::default(),
            Some(Bump::Patch),
        ));
    }
    changes.sort_by_key(|change| std::cmp::Reverse(change.bump));
    changes
}

/// Parts of one edit up to which each is shown by a record that the others leave alone, where there is one.
const ALONE_MAX: usize = 12;

/// One part of an edit, put into the old version alone.
struct Part<'e> {
    edit: &'e Edit,
    edited: Id,
    written: Id,
}

impl<'e> Part<'e> {
    fn read(judge: &mut Judge<'_, '_>, edit: &'e Edit, base: &Value) -> Option<Self> {
        let old = judge.pair.old;
        let mut changed = base.clone();
        edit.set.iter().for_each(|(pointer, value)| put(&mut changed, pointer, value.clone()));
        let edited = judge.pair.read(judge.solver.graph, &changed, old).ok()?;
        let written = judge.pair.written(judge.solver.graph, edited, &changed, old).ok()?;
        Some(Self { edit, edited, written })
    }
}

fn judged(
    judge: &mut Judge<'_, '_>,
    part: &Part<'_>,
    others: &[Literal],
    ids: &Ids,
    old_in_new: &Inclusion,
    new_in_old: &Inclusion,
) -> Vec<Change> {
    let (old, new) = (judge.pair.old, judge.pair.new);
    let Part { edit, edited, written } = part;
    let mut found = Vec::new();
    let mut ask = |judge: &mut Judge<'_, '_>, narrower: bool| {
        judge.solver.refill(judge.budget.change_steps);
        let (from, to, goal) = match narrower {
            true => (old, new, vec![holds(ids.old), fails(*edited), fails(ids.new)]),
            false => (new, old, vec![fails(ids.old), holds(*written), holds(ids.new_written)]),
        };
        let way = Way { from, to, is_gain: !narrower };
        let (suffix, bump) = if narrower { ("narrowed", Bump::Major) } else { ("widened", Bump::Minor) };
        let code = format!("{}-{suffix}", edit.what);
        let detail = edit.detail_where_it_stands();
        let places = [edit.old_place.clone(), edit.new_place.clone()];
        let mut answer = judge.search(way, goal.clone(), None);
        if let Found::Witness(witness) = &answer
            && narrower
            && others.iter().any(|other| judge.solver.is(other >> 1, &witness.record) == Some(false))
        {
            judge.solver.refill(judge.budget.change_steps);
            let alone = judge.search(way, goal.iter().chain(others).copied().collect(), None);
            if matches!(alone, Found::Witness(_)) {
                answer = alone;
            }
        }
        let answer = match answer {
            Found::Unknown(why) => judge.on_days(way, &goal).map_or(Found::Unknown(why), Found::Witness),
            answer => answer,
        };
        match answer {
            Found::None(..) => {}
            Found::Witness(witness) => {
                let mut change = Change::new(&code, places, detail, Some(bump));
                change.witness = Some(*witness);
                found.push(change);
            }
            Found::Unknown(why) => {
                let why = why.text();
                let (en, zh) = (format!("{} ({})", detail.en, why.en), format!("{}（{}）", detail.zh, why.zh));
                found.push(Change::new(&format!("undecided-{suffix}"), places, Text { en, zh }, None));
            }
        }
    };
    if !old_in_new.is_included() {
        ask(judge, true);
    }
    if !new_in_old.is_included() {
        ask(judge, false);
    }
    found
}

/// One part of an edit.
struct Edit {
    /// The first half of its code.
    what: &'static str,
    old_place: Option<String>,
    new_place: Option<String>,
    /// What to put into the old document, and where; none: to remove.
    set: Vec<(String, Option<Value>)>,
    detail: Text,
}

impl Edit {
    /// The detail, and under what it stands that may turn it round: there more may be less.
    fn detail_where_it_stands(&self) -> Text {
        let place = self.new_place.as_ref().or(self.old_place.as_ref()).map_or("", String::as_str);
        let mut tokens = place.split('/').skip(1);
        while let Some(token) = tokens.next() {
            match token {
                // What follows is a name.
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                    _ = tokens.next();
                }
                "not" | "if" | "oneOf" | "contains" if tokens.clone().next().is_some() => {
                    let Text { en, zh } = &self.detail;
                    return Text { en: format!("{en}, under `{token}`"), zh: format!("{zh}，在 `{token}` 之下") };
                }
                _ => {}
            }
        }
        self.detail.clone()
    }
}

/// Keywords that say one thing together. A bound below and one above are two things, each with its place and its witness.
const GROUPS: &[(&str, &[&str])] = &[
    ("type", &["type"]),
    ("values", &["enum", "const"]),
    ("range", &["minimum", "exclusiveMinimum"]),
    ("range", &["maximum", "exclusiveMaximum"]),
    ("multiple", &["multipleOf"]),
    ("length", &["minLength"]),
    ("length", &["maxLength"]),
    ("pattern", &["pattern"]),
    ("format", &["format"]),
    ("content", &["contentEncoding", "contentMediaType", "contentSchema"]),
    ("openness", &["additionalProperties", "unevaluatedProperties"]),
    ("names", &["propertyNames"]),
    ("member-count", &["minProperties"]),
    ("member-count", &["maxProperties"]),
    ("dependency", &["dependencies", "dependentRequired", "dependentSchemas"]),
    ("items", &["items", "prefixItems", "additionalItems", "unevaluatedItems"]),
    ("item-count", &["minItems"]),
    ("item-count", &["maxItems"]),
    ("unique", &["uniqueItems"]),
    ("contains", &["contains", "minContains", "maxContains"]),
    ("choice", &["allOf", "anyOf", "oneOf", "not"]),
    ("condition", &["if", "then", "else"]),
    ("reference", &["$ref", "$dynamicRef", "$recursiveRef"]),
];

/// Keywords whose value is a schema, or a list or map of schemas.
const SINGLE: &[&str] = &[
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "not",
    "if",
    "then",
    "else",
];
const LISTS: &[&str] = &["prefixItems", "items", "allOf", "anyOf", "oneOf"];
const MAPS: &[&str] = &["dependentSchemas"];
const DEFINITIONS: &[&str] = &["$defs", "definitions"];

#[derive(Default)]
struct Finder {
    edits: Vec<Edit>,
    /// Something was changed that refuses and admits nothing.
    wording: bool,
}

impl Finder {
    fn schema(&mut self, old: &Value, new: &Value, old_at: &str, new_at: &str) {
        if old == new {
            return;
        }
        let (Value::Object(one), Value::Object(other)) = (old, new) else {
            self.push("whole", old_at, new_at, vec![(old_at.into(), Some(new.clone()))], said(Some(old), Some(new)));
            return;
        };
        let edits = self.edits.len();
        for keyword in DEFINITIONS {
            for (name, part) in map(one, keyword) {
                if let Some(next) = other.get(*keyword).and_then(|all| all.get(name)) {
                    let below = format!("/{keyword}/{}", pointer::escape(name));
                    self.schema(part, next, &format!("{old_at}{below}"), &format!("{new_at}{below}"));
                }
            }
        }
        for keyword in ["properties", "patternProperties"] {
            self.fields(one, other, keyword, old_at, new_at);
        }
        self.required(one, other, old_at, new_at);
        for (what, keywords) in GROUPS {
            self.group(what, keywords, one, other, old_at, new_at);
        }
        self.vocabulary(one, other, old_at, new_at);
        self.wording |= self.edits.len() == edits;
        self.wording |= ["title", "description", "default", "examples", "$comment"]
            .iter()
            .any(|name| one.get(*name) != other.get(*name));
    }

    fn push(
        &mut self,
        what: &'static str,
        old_at: &str,
        new_at: &str,
        set: Vec<(String, Option<Value>)>,
        detail: Text,
    ) {
        let (old_place, new_place) = (Some(old_at.to_owned()), Some(new_at.to_owned()));
        self.edits.push(Edit { what, old_place, new_place, set, detail });
    }

    fn fields(
        &mut self,
        one: &Map<String, Value>,
        other: &Map<String, Value>,
        keyword: &str,
        old_at: &str,
        new_at: &str,
    ) {
        let names: BTreeSet<&String> = map(one, keyword).chain(map(other, keyword)).map(|(name, _)| name).collect();
        for name in names {
            let below = format!("/{keyword}/{}", pointer::escape(name));
            let (old_place, new_place) = (format!("{old_at}{below}"), format!("{new_at}{below}"));
            let of = |members: &Map<String, Value>| members.get(keyword).and_then(|all| all.get(name)).cloned();
            match (of(one), of(other)) {
                (Some(part), Some(next)) => self.schema(&part, &next, &old_place, &new_place),
                (None, Some(next)) => self.edits.push(Edit {
                    what: "field-added",
                    old_place: None,
                    new_place: Some(new_place),
                    set: vec![(old_place, Some(next))],
                    detail: named(name),
                }),
                (Some(_), None) => self.edits.push(Edit {
                    what: "field-removed",
                    old_place: Some(old_place.clone()),
                    new_place: None,
                    set: vec![(old_place, None)],
                    detail: named(name),
                }),
                (None, None) => {}
            }
        }
    }

    fn required(&mut self, one: &Map<String, Value>, other: &Map<String, Value>, old_at: &str, new_at: &str) {
        let names = |members: &Map<String, Value>| -> Vec<String> {
            let all = members.get("required").and_then(Value::as_array).into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let (old, new) = (names(one), names(other));
        let (old_place, new_place) = (format!("{old_at}/required"), format!("{new_at}/required"));
        for name in new.iter().filter(|name| !old.contains(name)) {
            let more: Vec<&String> = old.iter().chain([name]).collect();
            let set = vec![(old_place.clone(), Some(Value::from_iter(more.into_iter().cloned())))];
            self.push("required", &old_place, &new_place, set, named(name));
        }
        for name in old.iter().filter(|name| !new.contains(name)) {
            let less: Vec<String> = old.iter().filter(|other| *other != name).cloned().collect();
            let less = (!less.is_empty()).then(|| Value::from_iter(less));
            self.push("required", &old_place, &new_place, vec![(old_place.clone(), less)], named(name));
        }
    }

    fn group(
        &mut self,
        what: &'static str,
        keywords: &[&str],
        one: &Map<String, Value>,
        other: &Map<String, Value>,
        old_at: &str,
        new_at: &str,
    ) {
        if keywords.iter().all(|keyword| one.get(*keyword) == other.get(*keyword)) {
            return;
        }
        let mut whole = Vec::new();
        for keyword in keywords.iter().filter(|keyword| one.get(**keyword) != other.get(**keyword)) {
            let (old_place, new_place) = (format!("{old_at}/{keyword}"), format!("{new_at}/{keyword}"));
            match (one.get(*keyword), other.get(*keyword)) {
                (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) if SINGLE.contains(keyword) => {
                    self.schema(old, new, &old_place, &new_place);
                }
                (Some(Value::Array(old)), Some(Value::Array(new)))
                    if LISTS.contains(keyword) && old.len() == new.len() =>
                {
                    for (index, (old, new)) in old.iter().zip(new).enumerate() {
                        self.schema(old, new, &format!("{old_place}/{index}"), &format!("{new_place}/{index}"));
                    }
                }
                (Some(Value::Object(old)), Some(Value::Object(new)))
                    if MAPS.contains(keyword) && old.keys().eq(new.keys()) =>
                {
                    for (name, part) in old {
                        let below = format!("/{}", pointer::escape(name));
                        let next = &new[name];
                        self.schema(part, next, &format!("{old_place}{below}"), &format!("{new_place}{below}"));
                    }
                }
                _ => whole.push(*keyword),
            }
        }
        if whole.is_empty() {
            return;
        }
        // What says one thing together goes over together.
        let set = keywords.iter().map(|keyword| (format!("{old_at}/{keyword}"), other.get(*keyword).cloned()));
        let set: Vec<_> = match whole.len() == keywords.iter().filter(|k| one.get(**k) != other.get(**k)).count() {
            true => set.collect(),
            false => {
                set.filter(|(place, _)| whole.iter().any(|keyword| place.ends_with(&format!("/{keyword}")))).collect()
            }
        };
        let place = |at: &str, members: &Map<String, Value>| {
            let keyword = whole.iter().find(|keyword| members.contains_key(**keyword));
            keyword.map_or(at.to_owned(), |keyword| format!("{at}/{keyword}"))
        };
        let picked = |members: &Map<String, Value>| -> Value {
            let each = whole.iter().filter_map(|keyword| Some(((*keyword).to_owned(), members.get(*keyword)?.clone())));
            Value::Object(each.collect())
        };
        let detail = said(Some(&picked(one)), Some(&picked(other)));
        self.push(what, &place(old_at, one), &place(new_at, other), set, detail);
    }

    fn vocabulary(&mut self, one: &Map<String, Value>, other: &Map<String, Value>, old_at: &str, new_at: &str) {
        let own =
            |members: &Map<String, Value>, name: &str| members.get("x-guiju").and_then(|own| own.get(name)).cloned();
        let place = |at: &str, name: &str| format!("{at}/x-guiju/{name}");
        let (old, new) = (own(one, "codeList"), own(other, "codeList"));
        if old != new {
            let set = vec![(place(old_at, "codeList"), new.clone())];
            // The digest says nothing to people, but where it alone tells two lists apart.
            let list = |value: &Option<Value>, digest_chars: usize| {
                let mut list = value.clone()?;
                if let Some(Value::String(reference)) = list.get_mut("ref") {
                    let (name, digest) = reference.rsplit_once("/sha256:").unwrap_or((reference.as_str(), ""));
                    let digest: String = digest.chars().take(digest_chars).collect();
                    let name = name.replace("@=", "@");
                    *reference = if digest.is_empty() { name } else { format!("{name} sha256:{digest}") };
                }
                Some(list)
            };
            let told = if list(&old, 0) == list(&new, 0) { 12 } else { 0 };
            let detail = said(list(&old, told).as_ref(), list(&new, told).as_ref());
            self.push("code-list", &place(old_at, "codeList"), &place(new_at, "codeList"), set, detail);
        }
        self.rules(own(one, "rules"), own(other, "rules"), &place(old_at, "rules"), &place(new_at, "rules"));
    }

    /// Rules by their ids: one that came, went, or says something else.
    fn rules(&mut self, old: Option<Value>, new: Option<Value>, old_at: &str, new_at: &str) {
        let list = |rules: Option<Value>| match rules {
            Some(Value::Array(rules)) => rules,
            _ => Vec::new(),
        };
        let (old, new) = (list(old), list(new));
        let id = |rule: &Value| rule.get("id").cloned();
        let judged = |rule: &Value| ["if", "then", "severity"].map(|name| rule.get(name).cloned());
        for (index, rule) in new.iter().enumerate() {
            let before = old.iter().position(|other| id(other) == id(rule));
            if before.is_some_and(|before| judged(&old[before]) == judged(rule)) {
                continue;
            }
            let mut rules = old.clone();
            match before {
                Some(before) => rules[before] = rule.clone(),
                None => rules.push(rule.clone()),
            }
            let set = vec![(old_at.to_owned(), Some(Value::Array(rules)))];
            self.push("rule", old_at, &format!("{new_at}/{index}"), set, rule_named(rule));
        }
        for (index, rule) in old.iter().enumerate().filter(|(_, rule)| !new.iter().any(|other| id(other) == id(rule))) {
            let mut rules = old.clone();
            rules.remove(index);
            let rules = (!rules.is_empty()).then_some(Value::Array(rules));
            self.push("rule", &format!("{old_at}/{index}"), new_at, vec![(old_at.to_owned(), rules)], rule_named(rule));
        }
    }
}

fn rule_named(rule: &Value) -> Text {
    named(rule.get("id").and_then(Value::as_str).unwrap_or_default())
}

fn map<'m>(members: &'m Map<String, Value>, keyword: &str) -> impl Iterator<Item = (&'m String, &'m Value)> + use<'m> {
    members.get(keyword).and_then(Value::as_object).into_iter().flatten()
}

fn named(name: &str) -> Text {
    Text { en: format!("`{name}`"), zh: format!("“{name}”") }
}

fn said(old: Option<&Value>, new: Option<&Value>) -> Text {
    let short = |value: Option<&Value>, none: &str| match value {
        None => none.to_owned(),
        Some(Value::Object(members)) if members.is_empty() => none.to_owned(),
        Some(value) => {
            let text = value.to_string();
            let cut: String = text.chars().take(120).collect();
            if cut.len() < text.len() { format!("{cut}…") } else { cut }
        }
    };
    Text {
        en: format!("{} became {}", short(old, "nothing"), short(new, "nothing")),
        zh: format!("由 {} 变为 {}", short(old, "无"), short(new, "无")),
    }
}

/// The old document, with definitions that only the new one has: what is put into it may refer to them.
fn with_definitions(old: &Value, new: &Value) -> Value {
    let mut base = old.clone();
    for keyword in DEFINITIONS {
        let Some(Value::Object(all)) = new.get(*keyword) else { continue };
        for (name, part) in all {
            let pointer = format!("/{keyword}/{}", pointer::escape(name));
            if base.pointer(&pointer).is_none() {
                put(&mut base, &pointer, Some(part.clone()));
            }
        }
    }
    base
}

/// Sets or removes what stands at a pointer, making the objects on the way.
pub(crate) fn put(document: &mut Value, pointer: &str, value: Option<Value>) {
    let Some((parent, last)) = pointer.rsplit_once('/') else {
        if let Some(value) = value {
            *document = value;
        }
        return;
    };
    let mut at = document;
    for token in pointer::tokens(parent) {
        at = match at {
            Value::Object(members) => members.entry(token).or_insert_with(|| Value::Object(Map::new())),
            Value::Array(items) => match token.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                Some(item) => item,
                None => return,
            },
            _ => return,
        };
    }
    match (at, value) {
        (Value::Object(members), Some(value)) => drop(members.insert(pointer::unescape(last).into_owned(), value)),
        (Value::Object(members), None) => drop(members.remove(&*pointer::unescape(last))),
        (Value::Array(items), Some(value)) => {
            if let Some(item) = last.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                *item = value;
            }
        }
        _ => {}
    }
}
