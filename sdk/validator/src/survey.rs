//! What a standard's schemas are made of: every schema with the ways that lead on from it, over all documents of a bundle.
//!
//! The survey is made before the engine sees anything. It says what a schema costs (`bounds`), where our vocabulary stands
//! (`own`), and, when a record is judged, which schemas apply to which value (`run`).
//!
//! # Invariants
//! - Every reference leads to a schema of the bundle or of a published meta-schema; any other is a fault.
//! - Nothing here recurses deeper than a document is nested, which `bounds::shape` has judged before.

use crate::{
    bounds,
    compile::Fault,
    json::{array_index, escape, unescape},
};
use guiju_model::Digest;
use jsonschema::{Draft, Uri, uri};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

pub(crate) type SchemaId = usize;

/// How one schema leads to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Judges the same value, always: `allOf`, `$ref`.
    Always,
    /// `$dynamicRef`, `$recursiveRef`: one of several.
    Dynamic,
    /// Judges the same value where it fits: a branch of `anyOf` or `oneOf`, the `if` itself.
    Branch,
    Then,
    Else,
    Not,
    /// Judges the same object where it has the member.
    Dependent(String),
    Member(String),
    Pattern(String),
    /// Members that no name and no pattern of the same schema covers.
    Additional,
    Unevaluated,
    Names,
    Item(usize),
    /// Items from this place on.
    Items(usize),
    UnevaluatedItems,
    Contains,
    /// Only named, for references.
    Definition,
}

impl Way {
    /// Whether it leads to a schema for the same value.
    pub fn stays(&self) -> bool {
        matches!(
            self,
            Self::Always | Self::Dynamic | Self::Branch | Self::Then | Self::Else | Self::Not | Self::Dependent(_)
        )
    }
}

/// One schema of one document.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    /// URI of the document.
    pub document: String,
    /// JSON Pointer inside it.
    pub pointer: String,
    pub draft: Draft,
    base: String,
    pub ways: Vec<(Way, SchemaId)>,
}

/// A document to survey.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub value: Value,
    /// As people name it: `bj.population/person@2.0.0`.
    pub label: String,
    /// References to other standards, as written, to the URI of the version they were resolved to.
    pub targets: BTreeMap<String, String>,
    /// References to code lists, as written, to the digest of the version they were resolved to.
    pub lists: BTreeMap<String, Digest>,
}

impl Source {
    pub fn new(value: Value, label: String) -> Self {
        Self { value, label, targets: BTreeMap::new(), lists: BTreeMap::new() }
    }
}

/// A reference with the exact version that it was resolved to.
pub(crate) fn exact(targets: &BTreeMap<String, String>, written: &str) -> Option<String> {
    let (reference, fragment) =
        written.strip_prefix("guiju:")?.split_once('#').unwrap_or((&written["guiju:".len()..], ""));
    Some(format!("{}#{fragment}", targets.get(reference)?))
}

#[derive(Debug)]
pub(crate) struct Survey {
    pub schemas: Vec<Schema>,
    pub root: SchemaId,
    /// URI of a resource (a document, or a part of it with an identifier) to the document and pointer.
    resources: BTreeMap<String, (String, String)>,
    labels: BTreeMap<String, String>,
}

/// Published meta-schemas, which the engine carries.
fn is_meta(uri: &str) -> bool {
    ["http://json-schema.org/draft-0", "https://json-schema.org/draft/20", "http://json-schema.org/schema"]
        .iter()
        .any(|start| uri.starts_with(start))
}

struct Reference {
    from: SchemaId,
    keyword: &'static str,
    written: String,
}

pub(crate) struct Surveyor<'d> {
    sources: &'d BTreeMap<String, Source>,
    survey: Survey,
    values: Vec<&'d Value>,
    known: HashMap<(String, String), SchemaId>,
    anchors: BTreeMap<String, SchemaId>,
    dynamic: BTreeMap<String, Vec<SchemaId>>,
    recursive: Vec<SchemaId>,
    references: Vec<Reference>,
    faults: Vec<Fault>,
    root_uri: String,
    /// Of documents that name none: that of the root.
    default_draft: Draft,
}

impl<'d> Surveyor<'d> {
    /// The survey, and what stands where each of its schemas stands.
    pub fn survey(sources: &'d BTreeMap<String, Source>, root: &str) -> Result<(Survey, Vec<&'d Value>), Vec<Fault>> {
        let labels = sources.iter().map(|(uri, source)| (uri.clone(), source.label.clone())).collect();
        let mut surveyor = Self {
            sources,
            survey: Survey { schemas: Vec::new(), root: 0, resources: BTreeMap::new(), labels },
            values: Vec::new(),
            known: HashMap::new(),
            anchors: BTreeMap::new(),
            dynamic: BTreeMap::new(),
            recursive: Vec::new(),
            references: Vec::new(),
            faults: Vec::new(),
            root_uri: root.to_owned(),
            default_draft: Draft::default(),
        };
        surveyor.default_draft = detect(Draft::default(), &sources[root].value);
        surveyor.survey.root = surveyor.document(root).map_err(|fault| vec![fault])?;
        surveyor.follow();
        match surveyor.faults.is_empty() {
            true => Ok((surveyor.survey, surveyor.values)),
            false => Err(surveyor.faults),
        }
    }

    /// Takes a document into the survey, on the first reference to it.
    fn document(&mut self, uri: &str) -> Result<SchemaId, Fault> {
        let (uri, source) = self.sources.get_key_value(uri).ok_or_else(|| Fault::new("reference-unknown", "", uri))?;
        bounds::shape(&source.value)?;
        self.survey.resources.insert(without_fragment(uri).to_owned(), (uri.clone(), String::new()));
        let draft = detect(self.default_draft, &source.value);
        Ok(self.schema(uri, String::new(), &source.value, uri.clone(), draft))
    }

    /// Follows all references; what they lead to may hold more.
    fn follow(&mut self) {
        let mut at = 0;
        while at < self.references.len() {
            let Reference { from, keyword, written } = &self.references[at];
            let (from, keyword, written) = (*from, *keyword, written.clone());
            at += 1;
            self.resolve(from, keyword, &written);
        }
    }

    fn resolve(&mut self, from: SchemaId, keyword: &'static str, written: &str) {
        let way = if keyword == "$ref" { Way::Always } else { Way::Dynamic };
        let Schema { document, base, .. } = &self.survey.schemas[from];
        let (document, base) = (document.clone(), base.clone());
        let exact = self.sources.get(&document).and_then(|source| exact(&source.targets, written));
        let target = self.target(&base, exact.as_deref().unwrap_or(written));
        let aim = target.as_ref().ok().copied().flatten();
        match target {
            Ok(Some(target)) => self.survey.schemas[from].ways.push((way, target)),
            Ok(None) => {}
            Err(why) => self.fault(from, keyword, "reference-unknown", format!("`{written}` {why}")),
        }
        if keyword == "$ref" {
            return;
        }
        let name = written.split_once('#').map_or("", |(_, name)| name);
        let others = if keyword == "$recursiveRef" {
            self.recursive.clone()
        } else {
            self.dynamic.get(name).cloned().unwrap_or_default()
        };
        // What leads to no dynamic anchor is as any other reference.
        let is_chosen = aim.is_none_or(|aim| others.contains(&aim));
        for other in others.into_iter().filter(|other| is_chosen && Some(*other) != aim) {
            self.survey.schemas[from].ways.push((Way::Dynamic, other));
        }
    }

    /// Where a reference leads; none for a meta-schema.
    fn target(&mut self, base: &str, written: &str) -> Result<Option<SchemaId>, String> {
        let absolute = join(base, written).ok_or("is not a URI reference")?;
        let (resource, fragment) = absolute.split_once('#').unwrap_or((&absolute, ""));
        if !self.survey.resources.contains_key(resource) && self.sources.contains_key(resource) {
            self.document(resource).map_err(|fault| fault.message)?;
        }
        let Some((document, prefix)) = self.survey.resources.get(resource).cloned() else {
            return match is_meta(resource) {
                true => Ok(None),
                false => Err("is neither inside the document (#/…) nor a registered standard \
                     (guiju:namespace/name@1.0#/…); nothing else is ever fetched"
                    .into()),
            };
        };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            let anchor = self.anchors.get(&format!("{resource}#{fragment}")).copied();
            return anchor.map(Some).ok_or_else(|| format!("names no anchor of `{}`", self.label(&document)));
        }
        let pointer = format!("{prefix}{}", percent_decoded(fragment));
        if let Some(known) = self.known.get(&(document.clone(), pointer.clone())) {
            return Ok(Some(*known));
        }
        self.context(&document, &pointer)
            .map(|(value, base, draft)| Some(self.schema(&document, pointer.clone(), value, base, draft)))
            .ok_or_else(|| {
                let near = self.near(&document, &pointer);
                match self.label(&document) {
                    label if label.is_empty() => format!("leads to nothing in the schema{near}"),
                    label => format!("leads to nothing in `{label}`{near}"),
                }
            })
    }

    /// What was probably meant by a pointer that leads to nothing, or what there is instead.
    fn near(&self, document: &str, pointer: &str) -> String {
        const LISTED_MAX: usize = 8;
        let Some(root) = self.sources.get(document).map(|source| &source.value) else { return String::new() };
        let (mut at, mut before) = (root, String::new());
        let mut tokens = pointer.split('/').skip(1);
        let token = loop {
            let Some(token) = tokens.next() else { return String::new() };
            match at.pointer(&format!("/{token}")) {
                Some(below) => at = below,
                None => break token,
            }
            before += &format!("/{token}");
        };
        let rest: String = tokens.map(|token| format!("/{token}")).collect();
        let meant = |token: &str| format!("{before}/{}{rest}", escape(token));
        let leads = |token: &str| root.pointer(&meant(token)).is_some();
        // Up to draft 7 definitions stood under another name.
        let moved =
            ["$defs", "definitions"].into_iter().find(|name| before.is_empty() && *name != token && leads(name));
        let Value::Object(members) = at else { return String::new() };
        let names = || members.keys().map(String::as_str);
        if let Some(name) = moved.or_else(|| crate::near::nearest(&unescape(token), names())) {
            return format!("; did you mean `#{}`?", meant(name));
        }
        let defined =
            ["$defs", "definitions"].into_iter().filter_map(|name| Some((name, root.get(name)?.as_object()?)));
        let defined: Vec<String> = defined
            .flat_map(|(name, members)| members.keys().map(move |member| format!("`#/{name}/{}`", escape(member))))
            .collect();
        match defined.len() {
            0 => "; it defines nothing under `$defs`".to_owned(),
            all => {
                let more = if all > LISTED_MAX { ", …" } else { "" };
                format!("; it defines {}{more}", defined[..all.min(LISTED_MAX)].join(", "))
            }
        }
    }

    fn label(&self, document: &str) -> String {
        self.sources.get(document).map_or_else(|| document.to_owned(), |source| source.label.clone())
    }

    /// What stands at a pointer, with the base of references and the dialect that hold there.
    fn context(&self, document: &str, pointer: &str) -> Option<(&'d Value, String, Draft)> {
        let mut value = &self.sources.get(document)?.value;
        let (mut base, mut draft) = (document.to_owned(), detect(self.default_draft, value));
        for token in pointer.split('/').skip(1) {
            (base, draft) = inside(&base, draft, value);
            value = match value {
                Value::Object(members) => members.get(&*unescape(token))?,
                Value::Array(items) => items.get(array_index(token)?)?,
                _ => return None,
            };
        }
        Some((value, base, draft))
    }

    fn fault(&mut self, schema: SchemaId, keyword: &str, code: &'static str, message: String) {
        let Schema { document, pointer, .. } = &self.survey.schemas[schema];
        let own = if *document == self.root_uri { String::new() } else { format!("{}#", self.label(document)) };
        self.faults.push(Fault::new(code, &format!("{own}{pointer}/{keyword}"), message));
    }

    /// Takes a schema and all below it into the survey.
    fn schema(&mut self, document: &str, pointer: String, value: &'d Value, base: String, draft: Draft) -> SchemaId {
        let key = (document.to_owned(), pointer.clone());
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let id = self.survey.schemas.len();
        self.known.insert(key, id);
        let (base, draft) = inside(&base, draft, value);
        self.values.push(value);
        self.survey.schemas.push(Schema {
            document: document.to_owned(),
            pointer: pointer.clone(),
            draft,
            base: base.clone(),
            ways: Vec::new(),
        });
        if let Value::Object(members) = value {
            self.names(id, members);
            self.ways(id, members);
        }
        id
    }

    /// Identifiers and anchors that a schema declares.
    fn names(&mut self, id: SchemaId, members: &Map<String, Value>) {
        let Schema { document, pointer, draft, base, .. } = self.survey.schemas[id].clone();
        if ignores_siblings(draft) && members.contains_key("$ref") {
            return;
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if let Some(written) = text(draft.id_keyword()) {
            self.survey.resources.entry(without_fragment(&base).to_owned()).or_insert((document, pointer));
            // Up to draft 7 an identifier may be no more than an anchor.
            if let Some((_, anchor)) = written.split_once('#').filter(|(_, anchor)| !anchor.is_empty()) {
                self.anchors.insert(format!("{}#{anchor}", without_fragment(&base)), id);
            }
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = text(keyword) {
                self.anchors.insert(format!("{}#{anchor}", without_fragment(&base)), id);
            }
        }
        if let Some(anchor) = text("$dynamicAnchor") {
            self.dynamic.entry(anchor.to_owned()).or_default().push(id);
        }
        if members.get("$recursiveAnchor") == Some(&Value::Bool(true)) {
            self.recursive.push(id);
        }
    }

    fn ways(&mut self, id: SchemaId, members: &'d Map<String, Value>) {
        let draft = self.survey.schemas[id].draft;
        let alone = ignores_siblings(draft) && members.contains_key("$ref");
        for (keyword, value) in members {
            let reference = match keyword.as_str() {
                "$ref" => Some("$ref"),
                "$dynamicRef" => Some("$dynamicRef"),
                "$recursiveRef" => Some("$recursiveRef"),
                _ => None,
            };
            if let (Some(keyword), Value::String(written)) = (reference, value) {
                self.references.push(Reference { from: id, keyword, written: written.clone() });
                continue;
            }
            if matches!(keyword.as_str(), "$defs" | "definitions") {
                self.each(id, keyword, value, |_| Way::Definition);
            } else if !alone {
                self.way(id, keyword, value, members);
            }
        }
    }

    fn way(&mut self, id: SchemaId, keyword: &str, value: &'d Value, members: &Map<String, Value>) {
        match keyword {
            "allOf" => self.each(id, keyword, value, |_| Way::Always),
            "anyOf" | "oneOf" => self.each(id, keyword, value, |_| Way::Branch),
            "not" => self.one(id, keyword, value, Way::Not),
            "if" => self.one(id, keyword, value, Way::Branch),
            // Without `if` they say nothing, but may be referred to.
            "then" | "else" if !members.contains_key("if") => self.one(id, keyword, value, Way::Definition),
            "then" => self.one(id, keyword, value, Way::Then),
            "else" => self.one(id, keyword, value, Way::Else),
            "dependentSchemas" | "dependencies" => {
                self.each(id, keyword, value, |name| Way::Dependent(name.to_owned()))
            }
            "properties" => self.each(id, keyword, value, |name| Way::Member(name.to_owned())),
            "patternProperties" => self.each(id, keyword, value, |name| Way::Pattern(name.to_owned())),
            "additionalProperties" => self.one(id, keyword, value, Way::Additional),
            "unevaluatedProperties" => self.one(id, keyword, value, Way::Unevaluated),
            "propertyNames" => self.one(id, keyword, value, Way::Names),
            "prefixItems" => self.each(id, keyword, value, |place| Way::Item(place.parse().unwrap_or(usize::MAX))),
            "items" if value.is_array() => {
                self.each(id, keyword, value, |place| Way::Item(place.parse().unwrap_or(usize::MAX)))
            }
            "items" => {
                let from = members.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
                self.one(id, keyword, value, Way::Items(from));
            }
            "additionalItems" => {
                if let Some(Value::Array(first)) = members.get("items") {
                    self.one(id, keyword, value, Way::Items(first.len()));
                }
            }
            "unevaluatedItems" => self.one(id, keyword, value, Way::UnevaluatedItems),
            "contains" => self.one(id, keyword, value, Way::Contains),
            "contentSchema" => self.one(id, keyword, value, Way::Definition),
            _ => {}
        }
    }

    fn one(&mut self, id: SchemaId, keyword: &str, value: &'d Value, way: Way) {
        self.lead(id, keyword, value, way);
    }

    fn each(&mut self, id: SchemaId, keyword: &str, value: &'d Value, way: impl Fn(&str) -> Way) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    self.lead(id, &format!("{keyword}/{}", escape(name)), value, way(name));
                }
            }
            Value::Array(items) => {
                for (place, value) in items.iter().enumerate() {
                    self.lead(id, &format!("{keyword}/{place}"), value, way(&place.to_string()));
                }
            }
            _ => {}
        }
    }

    fn lead(&mut self, id: SchemaId, step: &str, value: &'d Value, way: Way) {
        if !matches!(value, Value::Object(_) | Value::Bool(_)) {
            return;
        }
        let Schema { document, pointer, base, draft, .. } = &self.survey.schemas[id];
        let (document, place, base, draft) = (document.clone(), format!("{pointer}/{step}"), base.clone(), *draft);
        let target = self.schema(&document, place, value, base, draft);
        self.survey.schemas[id].ways.push((way, target));
    }
}

impl Survey {
    /// A schema's place as people write it: `bj.population/person@2.0.0#/properties/sex`.
    pub fn place(&self, schema: SchemaId) -> String {
        let Schema { document, pointer, .. } = &self.schemas[schema];
        format!("{}#{pointer}", self.labels.get(document).unwrap_or(document))
    }

    /// How long its place is.
    pub fn place_bytes(&self, schema: SchemaId) -> usize {
        let Schema { document, pointer, .. } = &self.schemas[schema];
        self.labels.get(document).unwrap_or(document).len() + 1 + pointer.len()
    }

    /// The same for what the engine calls a keyword's absolute location.
    pub fn place_of(&self, location: &str) -> String {
        let (resource, fragment) = location.split_once('#').unwrap_or((location, ""));
        let fragment = percent_decoded(fragment);
        match self.resources.get(resource) {
            Some((document, prefix)) => {
                format!("{}#{prefix}{fragment}", self.labels.get(document).unwrap_or(document))
            }
            None => format!("{resource}#{fragment}"),
        }
    }
}

/// The base of references and the dialect inside a value that may be a schema.
fn inside(base: &str, draft: Draft, value: &Value) -> (String, Draft) {
    let draft = detect(draft, value);
    let alone = ignores_siblings(draft) && value.get("$ref").is_some();
    let id = value.get(draft.id_keyword()).and_then(Value::as_str).filter(|_| !alone);
    let base = match id {
        Some(id) if !id.starts_with('#') => {
            join(base, id).map_or_else(|| base.to_owned(), |id| without_fragment(&id).to_owned())
        }
        _ => base.to_owned(),
    };
    (base, draft)
}

/// A dialect of one's own is read as the newest.
fn detect(draft: Draft, value: &Value) -> Draft {
    match draft.detect(value) {
        Draft::Unknown => Draft::default(),
        known => known,
    }
}

/// Up to draft 7 what stands beside `$ref` is not read.
pub(crate) fn ignores_siblings(draft: Draft) -> bool {
    matches!(draft, Draft::Draft4 | Draft::Draft6 | Draft::Draft7)
}

fn without_fragment(uri: &str) -> &str {
    uri.split('#').next().unwrap_or(uri)
}

fn join(base: &str, written: &str) -> Option<String> {
    let base = Uri::parse(base).ok()?;
    uri::resolve_against(&base, written).ok().map(|uri| uri.as_str().to_owned())
}

pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
