//! What our vocabulary asks of each part of a record, beside what the JSON Schema engine judges.
//!
//! The engine decides whether a record conforms, branches of `anyOf` and the like included; the plan walks the same schema
//! for what the engine cannot say: code lists with their suggestions, warnings, cross-field rules, titles.

use crate::{
    compile::Fault,
    formats::{self, Format},
    membership::{Binding, Membership},
    near::nearest,
    notation::Notation,
    rules::Rules,
};
use guiju_model::{CodeList, Text};
use jsonschema::{Keyword, ValidationError};
use regex::Regex;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

pub(crate) type Lists = BTreeMap<(String, String), Arc<CodeList>>;
pub(crate) type PlanId = usize;

const NAMES: [&str; 22] = [
    "vocabulary",
    "profileOf",
    "keys",
    "references",
    "dataset",
    "rules",
    "titleZh",
    "dataElement",
    "notation",
    "unit",
    "codeList",
    "securityLevel",
    "shareClass",
    "nullWords",
    "synonyms",
    "inputFormats",
    "replacedBy",
    "since",
    "allowOpen",
    "descriptionZh",
    "basis",
    "note",
];

/// Formats of JSON Schema's own, and those of OpenAPI that say how a number is kept.
const FORMATS_ELSEWHERE: [&str; 22] = [
    "date-time",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "uuid",
    "json-pointer",
    "relative-json-pointer",
    "regex",
    "int32",
    "int64",
    "float",
    "double",
];

/// What one schema asks of a value.
#[derive(Default)]
pub(crate) struct Step {
    /// `guiju:ns/name@=version#/pointer`
    pub rule: String,
    pub title: Option<Text>,
    pub format: Option<Format>,
    pub membership: Option<(Membership, Arc<CodeList>)>,
    pub rules: Rules,
    pub named: BTreeMap<String, PlanId>,
    pub patterns: Vec<(Regex, PlanId)>,
    pub additional: Option<PlanId>,
    pub prefix: Vec<PlanId>,
    pub items: Option<PlanId>,
    pub contains: Vec<PlanId>,
    /// Schemas that judge the same value.
    pub all: Vec<PlanId>,
    /// Schemas that judge the same value where a condition holds, or where it does not.
    pub branches: Vec<(Arc<jsonschema::Validator>, Option<PlanId>, Option<PlanId>)>,
    pub types: Vec<String>,
    pub null_words: Vec<String>,
    pub synonyms: Vec<String>,
    pub input_formats: Vec<String>,
}

pub(crate) struct Plan {
    pub steps: Vec<Step>,
    pub root: PlanId,
    /// Whether any step asks anything; where none does there is nothing to walk.
    pub asks: bool,
}

type Engine<'p> = dyn Fn(&Value) -> Result<jsonschema::Validator, Fault> + 'p;

pub(crate) struct Planner<'p> {
    documents: &'p BTreeMap<String, Value>,
    lists: &'p Lists,
    assert_formats: bool,
    engine: &'p Engine<'p>,
    known: HashMap<String, PlanId>,
    steps: Vec<Step>,
    faults: Vec<Fault>,
    root: String,
}

impl<'p> Planner<'p> {
    pub fn new(
        documents: &'p BTreeMap<String, Value>,
        lists: &'p Lists,
        assert_formats: bool,
        engine: &'p Engine<'p>,
    ) -> Self {
        let (known, steps, faults) = (HashMap::new(), Vec::new(), Vec::new());
        Self { documents, lists, assert_formats, engine, known, steps, faults, root: String::new() }
    }

    pub fn plan(mut self, root: &str) -> Result<Plan, Vec<Fault>> {
        self.root = root.to_owned();
        let documents = self.documents;
        let id = documents.get(root).map(|document| self.step(root, "", document));
        match (id, self.faults.is_empty()) {
            (Some(root), true) => {
                let asks = self.steps.iter().any(Step::asks);
                Ok(Plan { steps: self.steps, root, asks })
            }
            _ => Err(self.faults),
        }
    }

    fn step(&mut self, uri: &str, pointer: &str, schema: &'p Value) -> PlanId {
        let rule = format!("{uri}#{pointer}");
        if let Some(id) = self.known.get(&rule) {
            return *id;
        }
        let id = self.steps.len();
        self.steps.push(Step::default());
        self.known.insert(rule.clone(), id);
        let mut step = Step { rule, ..Step::default() };
        if let Value::Object(members) = schema {
            self.fill(&mut step, uri, pointer, members);
        }
        self.steps[id] = step;
        id
    }

    fn fill(&mut self, step: &mut Step, uri: &str, pointer: &str, members: &'p Map<String, Value>) {
        self.own(step, uri, pointer, members);
        step.types = match members.get("type") {
            Some(Value::String(name)) => vec![name.clone()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        if self.assert_formats
            && let Some(Value::String(format)) = members.get("format")
        {
            step.format = formats::find(format);
            if step.format.is_none() && !FORMATS_ELSEWHERE.contains(&format.as_str()) && self.is_ours(uri) {
                let near = nearest(format, formats::names().chain(FORMATS_ELSEWHERE));
                let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                let message = format!("`{format}` is not a format{near}");
                self.fault(uri, &format!("{pointer}/format"), message);
            }
        }
        let child = |name: &str| format!("{pointer}/{}", escape(name));
        for (name, schema) in object(members, "properties") {
            let id = self.step(uri, &format!("{}/{}", child("properties"), escape(name)), schema);
            step.named.insert(name.clone(), id);
        }
        for (pattern, schema) in object(members, "patternProperties") {
            let id = self.step(uri, &format!("{}/{}", child("patternProperties"), escape(pattern)), schema);
            step.patterns.extend(crate::pattern::compile(pattern).ok().map(|regex| (regex, id)));
        }
        let single = |planner: &mut Self, name: &str| {
            members.get(name).filter(|schema| schema.is_object()).map(|schema| planner.step(uri, &child(name), schema))
        };
        step.additional = single(self, "additionalProperties");
        step.items = single(self, "items").or_else(|| single(self, "additionalItems"));
        step.contains.extend(single(self, "contains"));
        for keyword in ["prefixItems", "items"] {
            for (index, schema) in array(members, keyword).enumerate() {
                let id = self.step(uri, &format!("{}/{index}", child(keyword)), schema);
                step.prefix.push(id);
            }
        }
        for (index, schema) in array(members, "allOf").enumerate() {
            let id = self.step(uri, &format!("{}/{index}", child("allOf")), schema);
            step.all.push(id);
        }
        step.all.extend(self.referred(uri, members));
        self.conditions(step, uri, pointer, members);
    }

    /// A plain JSON Schema may name any format; a document of our vocabulary that does so has made a mistake.
    fn is_ours(&self, uri: &str) -> bool {
        self.documents.get(uri).is_some_and(|document| document.pointer("/x-guiju/vocabulary").is_some())
    }

    fn referred(&mut self, uri: &str, members: &Map<String, Value>) -> Option<PlanId> {
        let reference = members.get("$ref")?.as_str()?;
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let target_uri = if document.is_empty() { uri } else { document };
        let documents = self.documents;
        let (target_uri, document) = documents.get_key_value(target_uri)?;
        Some(self.step(target_uri, fragment, document.pointer(fragment)?))
    }

    fn conditions(&mut self, step: &mut Step, uri: &str, pointer: &str, members: &'p Map<String, Value>) {
        for keyword in ["anyOf", "oneOf"] {
            for (index, schema) in array(members, keyword).enumerate() {
                let pointer = format!("{pointer}/{keyword}/{index}");
                let id = self.step(uri, &pointer, schema);
                self.branch(step, uri, &pointer, Some(id), None);
            }
        }
        if let Some(condition) = members.get("if") {
            let place = format!("{pointer}/if");
            let then = members.get("then").map(|schema| self.step(uri, &format!("{pointer}/then"), schema));
            let otherwise = members.get("else").map(|schema| self.step(uri, &format!("{pointer}/else"), schema));
            self.step(uri, &place, condition);
            self.branch(step, uri, &place, then, otherwise);
        }
        for keyword in ["dependentSchemas", "dependencies"] {
            for (name, schema) in object(members, keyword).filter(|(_, schema)| schema.is_object()) {
                let id = self.step(uri, &format!("{pointer}/{keyword}/{}", escape(name)), schema);
                let condition = serde_json::json!({"type": "object", "required": [name]});
                self.branch_on(step, &condition, Some(id), None);
            }
        }
    }

    fn branch(&mut self, step: &mut Step, uri: &str, pointer: &str, then: Option<PlanId>, otherwise: Option<PlanId>) {
        let fragment = pointer.replace('%', "%25").replace('^', "%5E").replace('"', "%22").replace(' ', "%20");
        self.branch_on(step, &serde_json::json!({"$ref": format!("{uri}#{fragment}")}), then, otherwise);
    }

    /// A condition is compiled only where something hangs on it.
    fn branch_on(&mut self, step: &mut Step, condition: &Value, then: Option<PlanId>, otherwise: Option<PlanId>) {
        let asks = |planner: &Self, id: Option<PlanId>| id.is_some_and(|id| planner.asks_below(id, &mut Vec::new()));
        if !asks(self, then) && !asks(self, otherwise) {
            return;
        }
        match (self.engine)(condition) {
            Ok(validator) => step.branches.push((Arc::new(validator), then, otherwise)),
            Err(fault) => self.faults.push(fault),
        }
    }

    fn asks_below(&self, id: PlanId, seen: &mut Vec<PlanId>) -> bool {
        if seen.contains(&id) {
            return false;
        }
        seen.push(id);
        let step = &self.steps[id];
        // A step under way is empty still; it may ask.
        step.rule.is_empty() || step.asks() || step.below().any(|below| self.asks_below(below, seen))
    }

    /// The names inside `x-guiju`.
    fn own(&mut self, step: &mut Step, uri: &str, pointer: &str, members: &'p Map<String, Value>) {
        let title = members.get("title").and_then(Value::as_str);
        let own = match members.get("x-guiju") {
            None => {
                step.title = title.map(|title| Text { en: title.into(), zh: title.into() });
                return;
            }
            Some(Value::Object(own)) => own,
            Some(_) => return self.fault(uri, &format!("{pointer}/x-guiju"), "`x-guiju` is an object".into()),
        };
        let place = format!("{pointer}/x-guiju");
        for name in own.keys().filter(|name| !NAMES.contains(&name.as_str())) {
            let near = nearest(name, NAMES).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            self.fault(
                uri,
                &format!("{place}/{}", escape(name)),
                format!("`{name}` is not a name of the vocabulary{near}"),
            );
        }
        let zh = own.get("titleZh").and_then(Value::as_str).or(title);
        step.title = zh.map(|zh| Text { en: title.unwrap_or(zh).into(), zh: zh.into() });
        let words = |name: &str| own.get(name).and_then(Value::as_array).into_iter().flatten();
        let texts = |name: &str| words(name).filter_map(Value::as_str).map(str::to_owned).collect();
        (step.null_words, step.synonyms, step.input_formats) =
            (texts("nullWords"), texts("synonyms"), texts("inputFormats"));
        if let Some(Value::String(notation)) = own.get("notation") {
            let bound = |name: &str| members.get(name).and_then(Value::as_u64);
            let fault = match notation.parse::<Notation>() {
                Ok(notation) => notation.contradicted_by(bound("minLength"), bound("maxLength")),
                Err(fault) => Some(fault),
            };
            fault.into_iter().for_each(|fault| self.fault(uri, &format!("{place}/notation"), fault));
        }
        if let Some(list) = own.get("codeList") {
            self.code_list(step, uri, &format!("{place}/codeList"), list);
        }
        if let Some(rules) = own.get("rules") {
            match Rules::compile(rules, &format!("{place}/rules")) {
                Ok(rules) => step.rules = rules,
                Err(faults) => faults.into_iter().for_each(|fault| self.fault(uri, &fault.pointer, fault.message)),
            }
        }
    }

    fn code_list(&mut self, step: &mut Step, uri: &str, place: &str, list: &Value) {
        let membership = match Membership::compile(list, place) {
            Ok(membership) => membership,
            Err(faults) => return faults.into_iter().for_each(|fault| self.fault(uri, &fault.pointer, fault.message)),
        };
        match self.lists.get(&(uri.to_owned(), membership.reference().to_owned())) {
            Some(found) => step.membership = Some((membership, Arc::clone(found))),
            None => self.fault(
                uri,
                &format!("{place}/ref"),
                format!("`{}` is not a code list that is at hand", membership.reference()),
            ),
        }
    }

    fn fault(&mut self, uri: &str, pointer: &str, message: String) {
        let pointer = if uri == self.root {
            pointer.to_owned()
        } else {
            format!("{}#{pointer}", uri.trim_start_matches("guiju:"))
        };
        self.faults.push(Fault { code: "vocabulary-misused", pointer, message });
    }
}

impl Step {
    fn asks(&self) -> bool {
        self.format.is_some() || self.membership.is_some() || !self.rules.is_empty()
    }

    pub fn below(&self) -> impl Iterator<Item = PlanId> + '_ {
        let branches = self.branches.iter().flat_map(|(_, then, otherwise)| then.iter().chain(otherwise)).copied();
        let members =
            self.named.values().copied().chain(self.patterns.iter().map(|(_, id)| *id)).chain(self.additional);
        let items = self.prefix.iter().copied().chain(self.items).chain(self.contains.iter().copied());
        members.chain(items).chain(self.all.iter().copied()).chain(branches)
    }
}

fn object<'m>(
    members: &'m Map<String, Value>,
    keyword: &str,
) -> impl Iterator<Item = (&'m String, &'m Value)> + use<'m> {
    members.get(keyword).and_then(Value::as_object).into_iter().flatten()
}

fn array<'m>(members: &'m Map<String, Value>, keyword: &str) -> impl Iterator<Item = &'m Value> + use<'m> {
    members.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

pub(crate) fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// Lets a code list or a rule that refuses decide branches inside the engine too. The plan says what is wrong; here only whether.
struct Own {
    lists: Vec<(Membership, Arc<CodeList>)>,
    rules: Rules,
}

pub(crate) fn keyword(value: &Value, lists: &Lists) -> Box<dyn for<'i> Keyword<'i>> {
    let membership = value.get("codeList").and_then(|list| Membership::compile(list, "").ok());
    let membership = membership.filter(|membership| membership.binding() == Binding::Required);
    // The same spelling may mean different versions in different documents; in or out is told by any of them that agree.
    let found = membership.map(|membership| {
        let same = lists.iter().filter(|((_, written), _)| written == membership.reference());
        same.map(|(_, list)| (membership.clone(), Arc::clone(list))).collect()
    });
    let rules = value.get("rules").and_then(|rules| Rules::compile(rules, "").ok()).unwrap_or_default();
    Box::new(Own { lists: found.unwrap_or_default(), rules })
}

impl Own {
    fn refuses(&self, value: &Value) -> bool {
        let listed = match value {
            Value::String(text) if !self.lists.is_empty() => {
                self.lists.iter().any(|(membership, list)| membership.check(list, text, None).is_none())
            }
            _ => true,
        };
        let breaks = || {
            let breaches = self.rules.check(value);
            breaches.iter().any(|breach| breach.severity == guiju_model::Severity::Error)
        };
        !listed || value.is_object() && !self.rules.is_empty() && breaks()
    }
}

impl<'i> Keyword<'i> for Own {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match self.refuses(instance) {
            true => Err(ValidationError::custom("x-guiju")),
            false => Ok(()),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        !self.refuses(instance)
    }
}
