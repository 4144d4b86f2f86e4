//! Our vocabulary and our formats where they stand in a schema, and the engine's keyword that judges by them.
//!
//! Before the engine sees a schema, `x-guiju` is replaced by a number that leads to what was read of it here; so a check knows
//! its document, and with it to which version a reference of that document was resolved. The engine calls it in every
//! branch, so a code that is not in its list counts there as any other mismatch.
//!
//! # Invariants
//! - Every name inside `x-guiju` is known, and every form is as the vocabulary's page says, or compiling fails.
//! - `refusals` are errors only; `remarks` are warnings and infos only. Together they are all that is found.

use crate::{
    compile::{Fault, List, Lists},
    formats::{self, Format, FormatFault, SecondForm},
    json::{self, Node, Tree, escape},
    membership::{Binding, Codes, Membership},
    near::nearest,
    notation::Notation,
    rules::{Reader, Rules},
    survey::{Schema, Source, Survey, exact, ignores_siblings},
};
use guiju_model::{Dimension, SecurityLevel, Severity, ShareClass, Text};
use jsonschema::{Keyword, ValidationError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) const KEYWORD: &str = "x-guiju";

/// The names of the vocabulary, `docs/reference/vocabulary.md`.
const NAMES: [&str; 22] = [
    "allowOpen",
    "basis",
    "codeList",
    "dataElement",
    "dataset",
    "descriptionZh",
    "inputFormats",
    "keys",
    "notation",
    "note",
    "nullWords",
    "profileOf",
    "references",
    "replacedBy",
    "rules",
    "securityLevel",
    "shareClass",
    "since",
    "synonyms",
    "titleZh",
    "unit",
    "vocabulary",
];

/// Those of them that are texts, which nobody here reads.
const TEXTS: [&str; 11] = [
    "allowOpen",
    "basis",
    "dataElement",
    "descriptionZh",
    "notation",
    "note",
    "profileOf",
    "replacedBy",
    "since",
    "titleZh",
    "unit",
];

/// Formats of JSON Schema's own, and those of OpenAPI that say how a number is kept.
const FORMATS_ELSEWHERE: [&str; 20] = [
    "date-time",
    "time",
    "duration",
    "email",
    "hostname",
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

/// What they ask takes tables of Unicode that would more than double what a validator carries.
const UNJUDGED: [&str; 2] = ["idn-email", "idn-hostname"];

/// What our vocabulary says about one schema.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// The schema's place as people write it.
    place: String,
    pub title: Option<Text>,
    pub null_words: Vec<String>,
    pub synonyms: Vec<String>,
    pub input_formats: Vec<String>,
    checks: Checks,
}

#[derive(Debug, Default)]
struct Checks {
    format: Option<Format>,
    list: Option<(Membership, Codes)>,
    rules: Rules,
}

/// Something found by our vocabulary, relative to the value that was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remark {
    pub code: String,
    pub severity: Severity,
    pub dimension: Dimension,
    /// JSON Pointer from the value.
    pub at: String,
    pub rule: String,
    pub args: Vec<(String, String)>,
    /// English and Chinese, where the author of the standard wrote the message.
    pub message: Option<(String, String)>,
    pub suggestion: Option<(String, String)>,
}

impl Remark {
    /// How long its words are.
    pub fn bytes(&self) -> usize {
        let args = self.args.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let texts = self.message.iter().chain(&self.suggestion).map(|(en, zh)| en.len() + zh.len()).sum::<usize>();
        self.at.len() + self.rule.len() + args + texts
    }
}

impl Own {
    /// Whether anything is to be judged here.
    pub fn checks(&self) -> bool {
        let Checks { format, list, rules } = &self.checks;
        format.is_some() || list.is_some() || !rules.is_empty()
    }

    pub fn format(&self) -> Option<Format> {
        self.checks.format
    }

    pub fn list(&self) -> Option<&(Membership, Codes)> {
        self.checks.list.as_ref()
    }

    pub fn rules(&self) -> &Rules {
        &self.checks.rules
    }

    /// Whether something may be found that does not refuse.
    pub fn may_remark(&self) -> bool {
        let Checks { format, list, rules } = &self.checks;
        let soft = |(membership, _): &(Membership, Codes)| membership.binding() != Binding::Required;
        format.is_some()
            || list.as_ref().is_some_and(soft)
            || rules.severities().any(|severity| severity != Severity::Error)
    }

    /// What is found that does not refuse.
    pub fn remarks(&self, node: Node<'_>) -> Vec<Remark> {
        let mut found = self.judge(node);
        found.retain(|remark| remark.severity != Severity::Error);
        found
    }

    fn refusals(&self, node: Node<'_>) -> Vec<Remark> {
        let mut found = self.judge(node);
        found.retain(|remark| remark.severity == Severity::Error);
        found
    }

    fn judge(&self, node: Node<'_>) -> Vec<Remark> {
        let Checks { format, list, rules } = &self.checks;
        let mut found = Vec::new();
        let date = node.document().reference_date;
        if let Some(text) = node.text() {
            let faults = format.iter().flat_map(|format| format.check(text, date));
            found.extend(faults.map(|fault| self.remark(fault, "format")));
            if let Some((membership, codes)) = list {
                let day = membership.day(&node.root(), date);
                found.extend(membership.check(codes, text, day).map(|fault| self.remark(fault, "x-guiju/codeList")));
            }
        }
        if !rules.is_empty() && node.is_object() {
            found.extend(rules.check(&node).into_iter().map(|breach| Remark {
                code: "rule-not-met".into(),
                severity: breach.severity,
                dimension: breach.dimension,
                at: breach.at.to_owned(),
                rule: format!("{}/x-guiju/rules/{}", self.place, breach.index),
                args: vec![("rule".into(), breach.id.to_owned())],
                message: Some((breach.message.en, breach.message.zh)),
                suggestion: None,
            }));
        }
        found
    }

    fn remark(&self, fault: FormatFault, keyword: &str) -> Remark {
        let FormatFault { code, severity, dimension, args, suggestion } = fault;
        Remark {
            code: code.to_owned(),
            severity,
            dimension,
            at: String::new(),
            rule: format!("{}/{keyword}", self.place),
            args: args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            message: None,
            suggestion: suggestion.map(|Text { en, zh }| (en, zh)),
        }
    }
}

/// The engine's keyword. An error's message is the remarks, for `explain` to read.
struct OwnKeyword(Arc<Own>);

pub(crate) fn keyword(owns: &[Arc<Own>], value: &Value) -> Option<Box<dyn for<'i> Keyword<'i, Tree>>> {
    let own = owns.get(usize::try_from(value.as_u64()?).ok()?)?;
    Some(Box::new(OwnKeyword(Arc::clone(own))))
}

impl<'i> Keyword<'i, Tree> for OwnKeyword {
    fn validate(&self, instance: Node<'i>) -> Result<(), ValidationError<'i>> {
        if !instance.ask() {
            return Ok(());
        }
        match self.0.refusals(instance) {
            found if found.is_empty() => Ok(()),
            found => {
                let message = serde_json::to_string(&found).unwrap_or_default();
                instance.keep_error(4 * message.len());
                Err(ValidationError::custom(message))
            }
        }
    }

    fn is_valid(&self, instance: Node<'i>) -> bool {
        !instance.ask() || self.0.refusals(instance).is_empty()
    }
}

/// Reads what our vocabulary says about every schema of a survey.
pub(crate) fn read(
    survey: &Survey,
    values: &[&Value],
    sources: &BTreeMap<String, Source>,
    lists: &Lists<'_>,
    root: &str,
    assert_formats: bool,
) -> Result<Vec<Arc<Own>>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut owns = Vec::with_capacity(survey.schemas.len());
    for (id, schema) in survey.schemas.iter().enumerate() {
        let place = survey.place(id);
        let source = &sources[&schema.document];
        let mut author = Author { source, lists, schema, is_root: schema.document == root, faults: &mut faults };
        let own = match values[id] {
            Value::Object(members) => author.own(place, members, assert_formats),
            _ => Own { place, ..Own::default() },
        };
        owns.push(Arc::new(own));
    }
    if faults.is_empty() { Ok(owns) } else { Err(faults) }
}

/// The documents as the engine is to read them, by URI.
pub(crate) fn for_engine(
    survey: &Survey,
    mut sources: BTreeMap<String, Source>,
    owns: &[Arc<Own>],
) -> BTreeMap<String, Value> {
    for (id, (schema, own)) in survey.schemas.iter().zip(owns).enumerate() {
        let Some(Source { value, targets, .. }) = sources.get_mut(&schema.document) else { continue };
        if let Some(Value::Object(members)) = json::at_mut(value, &schema.pointer) {
            let exact = members.get("$ref").and_then(Value::as_str).and_then(|written| exact(targets, written));
            rewrite(members, id, own);
            if let Some(exact) = exact {
                members.insert("$ref".into(), exact.into());
            }
        }
    }
    sources.into_iter().map(|(uri, source)| (uri, source.value)).collect()
}

/// Where our vocabulary judges, a number stands for it; our formats are taken out, lest they be judged twice.
fn rewrite(members: &mut Map<String, Value>, id: usize, own: &Own) {
    members.remove(KEYWORD);
    if own.checks() {
        members.insert(KEYWORD.into(), id.into());
    }
    if own.checks.format.is_some() {
        members.remove("format");
    }
}

/// Reads what an author wrote, with every fault at its pointer.
struct Author<'a> {
    source: &'a Source,
    lists: &'a Lists<'a>,
    schema: &'a Schema,
    is_root: bool,
    faults: &'a mut Vec<Fault>,
}

impl Author<'_> {
    fn fault(&mut self, pointer: &str, message: String) {
        let document = if self.is_root { String::new() } else { format!("{}#", self.source.label) };
        self.faults.push(Fault::new("vocabulary-misused", &format!("{document}{pointer}"), message));
    }

    fn own(&mut self, place: String, members: &Map<String, Value>, assert_formats: bool) -> Own {
        let mut own = Own { place, ..Own::default() };
        let title = members.get("title").and_then(Value::as_str);
        own.title = title.map(|title| Text { en: title.into(), zh: title.into() });
        let pointer = format!("{}/{KEYWORD}", self.schema.pointer);
        let form = members.get("format").and_then(Value::as_str).and_then(formats::second_form);
        match members.get(KEYWORD) {
            None => {}
            Some(said @ Value::Object(_)) => {
                self.notation(said, members, &pointer);
                self.vocabulary(&mut own, said, (title, form), &pointer);
            }
            Some(_) => self.fault(&pointer, "`x-guiju` wants an object".into()),
        }
        if let Some(Value::String(name)) = members.get("format") {
            self.format(&mut own, name, assert_formats);
        }
        if own.checks() && ignores_siblings(self.schema.draft) && members.contains_key("$ref") {
            let message =
                "up to draft 7 nothing beside `$ref` is read; put both under `allOf`, or use a newer `$schema`";
            self.fault(&pointer, message.into());
        }
        own
    }

    /// The notation and the lengths beside it say the same, or one of them is a mistake.
    fn notation(&mut self, said: &Value, members: &Map<String, Value>, pointer: &str) {
        let Some(notation) = said.get("notation").and_then(Value::as_str) else { return };
        let bound = |name: &str| members.get(name).and_then(Value::as_u64);
        let fault = match notation.parse::<Notation>() {
            Ok(notation) => notation.contradicted_by(bound("minLength"), bound("maxLength")),
            Err(fault) => Some(fault),
        };
        fault.into_iter().for_each(|fault| self.fault(&format!("{pointer}/notation"), fault));
    }

    fn format(&mut self, own: &mut Own, name: &str, assert_formats: bool) {
        let found = formats::find(name);
        // A plain JSON Schema may name any format; a document of our vocabulary that does so has made a mistake.
        let is_ours = json::at(&self.source.value, "/x-guiju/vocabulary").is_some();
        if found.is_none() && !FORMATS_ELSEWHERE.contains(&name) && !UNJUDGED.contains(&name) && is_ours {
            let near = nearest(name, formats::names().chain(FORMATS_ELSEWHERE));
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            self.fault(&format!("{}/format", self.schema.pointer), format!("`{name}` is not a format{near}"));
        }
        if UNJUDGED.contains(&name) && assert_formats {
            let message = format!(
                "`{name}` cannot be judged here, and is not passed over in silence; leave it out, or say it with `pattern`"
            );
            self.fault(&format!("{}/format", self.schema.pointer), message);
        }
        own.checks.format = found.filter(|_| assert_formats);
    }

    /// Beside it stand the schema's title, and a format that may know a second form of codes.
    fn vocabulary(
        &mut self,
        own: &mut Own,
        said: &Value,
        (title, form): (Option<&str>, Option<SecondForm>),
        pointer: &str,
    ) {
        let mut reader = Reader::default();
        reader.members(said, pointer, &NAMES);
        for (name, _) in said.as_object().into_iter().flatten().filter(|(name, _)| TEXTS.contains(&name.as_str())) {
            reader.text(said, pointer, name);
        }
        reader.word::<SecurityLevel>(said, pointer, "securityLevel");
        reader.word::<ShareClass>(said, pointer, "shareClass");
        own.null_words = texts(&mut reader, said, pointer, "nullWords");
        own.synonyms = texts(&mut reader, said, pointer, "synonyms");
        own.input_formats = texts(&mut reader, said, pointer, "inputFormats");
        if let Some(zh) = said.get("titleZh").and_then(Value::as_str) {
            own.title = Some(Text { en: title.unwrap_or(zh).into(), zh: zh.into() });
        }
        let Err(faults) = reader.finish(()) else { return self.checks(own, said, form, pointer) };
        faults.into_iter().for_each(|fault| self.fault(&fault.pointer, fault.message));
        self.checks(own, said, form, pointer);
    }

    fn checks(&mut self, own: &mut Own, said: &Value, form: Option<SecondForm>, pointer: &str) {
        if let Some(list) = said.get("codeList") {
            self.code_list(own, list, form, &format!("{pointer}/codeList"));
        }
        if let Some(rules) = said.get("rules") {
            match Rules::compile(rules, &format!("{pointer}/rules")) {
                Ok(rules) => own.checks.rules = rules,
                Err(faults) => faults.into_iter().for_each(|fault| self.fault(&fault.pointer, fault.message)),
            }
        }
    }

    fn code_list(&mut self, own: &mut Own, list: &Value, form: Option<SecondForm>, pointer: &str) {
        let membership = match Membership::compile(list, pointer) {
            Ok(membership) => membership,
            Err(faults) => return faults.into_iter().for_each(|fault| self.fault(&fault.pointer, fault.message)),
        };
        let list = self.source.lists.get(membership.reference()).and_then(|digest| self.lists.get(digest));
        match list.map(List::read) {
            Some(Ok(found)) => own.checks.list = Some((membership, Codes::new(found, form))),
            Some(Err(fault)) => self.faults.push(fault),
            None => {
                let message = format!("`{}` is not a code list that is at hand", membership.reference());
                self.fault(&format!("{pointer}/ref"), message);
            }
        }
    }
}

fn texts(reader: &mut Reader, said: &Value, pointer: &str, name: &str) -> Vec<String> {
    match said.get(name) {
        None => Vec::new(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(_) => {
            reader.fault(format!("{pointer}/{}", escape(name)), format!("`{name}` wants an array of texts"));
            Vec::new()
        }
    }
}
