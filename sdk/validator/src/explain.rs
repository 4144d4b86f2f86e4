//! From what the engine says to findings that a person can act on.

use crate::{
    codes,
    json::{self, Index, Kind},
    near::nearest,
    plan::escape,
    run::{Run, rule_name, type_name},
};
use guiju_model::{Finding, Text};
use jsonschema::{ValidationError, error::ValidationErrorKind as Why};
use serde_json::Value;

const CHOICES_MAX: usize = 8;

/// Every finding of one error of the engine.
pub(crate) fn error(run: &Run<'_, '_>, error: &ValidationError<'_>, findings: &mut Vec<Finding>) {
    let path = error.instance_path().as_str().to_owned();
    let (at, _) = run.tree.nearest(tokens(&path).iter().map(String::as_str));
    let rule =
        error.absolute_keyword_location().map_or_else(|| error.schema_path().to_string(), |uri| unescape(uri.as_str()));
    let rule = rule_name(&rule);
    let say = Saying { run, at, path: &path, rule: &rule };
    match error.kind() {
        Why::Type { .. } => {
            let expected = keyword_value(run, error).map_or(String::new(), |types| listed(&types, CHOICES_MAX));
            findings.push(
                say.finding("type-mismatch", &[("expected", &expected), ("found", type_name(&run.tree.node(at).kind))]),
            );
        }
        Why::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let path = format!("{path}/{}", escape(name));
            findings.push(Saying { path: &path, ..say }.finding("required-missing", &[("name", name)]));
        }
        Why::AdditionalProperties { unexpected } | Why::UnevaluatedProperties { unexpected } => {
            unexpected.iter().for_each(|name| findings.push(say.undeclared(name)));
        }
        Why::Enum { options } => {
            let choices = listed(options, CHOICES_MAX);
            let mut finding = say.finding("value-not-in-enum", &[("choices", &choices)]);
            finding.suggestion = say.choice(options);
            findings.push(finding);
        }
        Why::Constant { expected_value } => {
            findings.push(say.finding("value-not-const", &[("expected", &expected_value.to_string())]));
        }
        Why::Pattern { pattern } => findings.push(say.finding("pattern-mismatch", &[("pattern", pattern)])),
        Why::Format { format } => findings.push(say.finding("format-invalid", &[("format", format)])),
        Why::MaxLength { limit } => findings.push(say.limit("too-long", limit)),
        Why::MinLength { limit } => findings.push(say.limit("too-short", limit)),
        Why::Maximum { limit } => findings.push(say.limit("too-large", limit)),
        Why::Minimum { limit } => findings.push(say.limit("too-small", limit)),
        Why::ExclusiveMaximum { limit } => findings.push(say.limit("not-below", limit)),
        Why::ExclusiveMinimum { limit } => findings.push(say.limit("not-above", limit)),
        Why::MultipleOf { multiple_of } => findings.push(say.limit("not-multiple", multiple_of)),
        Why::MaxItems { limit } => findings.push(say.limit("too-many-items", limit)),
        Why::MinItems { limit } => findings.push(say.limit("too-few-items", limit)),
        Why::MaxProperties { limit } => findings.push(say.limit("too-many-fields", limit)),
        Why::MinProperties { limit } => findings.push(say.limit("too-few-fields", limit)),
        Why::UniqueItems => findings.push(say.finding("items-not-unique", &[])),
        Why::Contains => findings.push(say.finding("contains-missing", &[])),
        Why::AdditionalItems { .. } | Why::UnevaluatedItems { .. } => {
            findings.push(say.finding("item-not-allowed", &[]))
        }
        Why::PropertyNames { .. } => findings.push(say.finding("field-name-invalid", &[])),
        Why::AnyOf { context } | Why::OneOfNotValid { context } => {
            findings.push(say.finding("no-branch-fits", &[("closest", &closest(context))]));
        }
        Why::OneOfMultipleValid { .. } => findings.push(say.finding("several-branches-fit", &[])),
        Why::Not { .. } => findings.push(say.finding("must-not-fit", &[])),
        Why::FalseSchema => findings.push(say.finding("never-valid", &[])),
        Why::ContentEncoding { .. } | Why::ContentMediaType { .. } | Why::FromUtf8 { .. } => {
            findings.push(say.finding("content-invalid", &[]));
        }
        Why::Custom { .. } => {
            // The plan tells which; this stands in only where it could not walk.
            let told = findings.iter().any(|told| told.rule.starts_with(&rule) && crate::run::refuses(told));
            if !told {
                findings.push(say.finding("vocabulary-not-met", &[]));
            }
        }
        _ => findings.push(say.finding("not-judged", &[("why", &error.to_string())])),
    }
}

/// What all findings of one error share.
#[derive(Clone, Copy)]
struct Saying<'e, 'r, 's> {
    run: &'e Run<'r, 's>,
    at: Index,
    path: &'e str,
    rule: &'e str,
}

impl Saying<'_, '_, '_> {
    fn finding(&self, code: &'static str, args: &[(&str, &str)]) -> Finding {
        let mut finding = self.run.place_at(codes::finding(code, self.path, args), self.at);
        finding.rule = self.rule.to_owned();
        finding
    }

    fn limit(&self, code: &'static str, limit: impl ToString) -> Finding {
        self.finding(code, &[("limit", &limit.to_string())])
    }

    /// A member that the standard does not declare, at its name.
    fn undeclared(&self, name: &str) -> Finding {
        let path = format!("{}/{}", self.path, escape(name));
        let mut finding = Saying { path: &path, ..*self }.finding("undeclared-field", &[("name", name)]);
        if let Kind::Object(members) = &self.run.tree.node(self.at).kind
            && let Some((_, name_at, _)) = members.iter().find(|(known, ..)| known == name)
        {
            finding.place = Some(json::place(self.run.source, *name_at));
        }
        let declared = self.run.declared(self.path);
        let free = declared.iter().filter(|known| self.run.tree.member(self.at, known).is_none());
        finding.suggestion = nearest(name, free.map(String::as_str))
            .map(|near| Text { en: format!("did you mean `{near}`?"), zh: format!("是否应为 `{near}`？") });
        finding
    }

    fn choice(&self, options: &Value) -> Option<Text> {
        let Kind::Text(text) = &self.run.tree.node(self.at).kind else { return None };
        let near = nearest(text, options.as_array()?.iter().filter_map(Value::as_str))?;
        Some(Text { en: format!("did you mean `{near}`?"), zh: format!("是否应为 `{near}`？") })
    }
}

/// What the branch with the fewest errors says, and the one that gets furthest among equals.
fn closest(context: &[Vec<ValidationError<'static>>]) -> String {
    let depth = |errors: &Vec<ValidationError<'static>>| {
        errors.iter().map(|error| error.instance_path().as_str().matches('/').count()).max().unwrap_or(0)
    };
    let best = context.iter().enumerate().min_by_key(|(_, errors)| (errors.len(), usize::MAX - depth(errors)));
    match best {
        Some((index, errors)) if !errors.is_empty() => {
            let what = errors[0].kind().keyword();
            let path = errors[0].instance_path().as_str();
            format!("{} ({what} at {})", index + 1, if path.is_empty() { "/" } else { path })
        }
        _ => String::from("none"),
    }
}

fn keyword_value(run: &Run<'_, '_>, error: &ValidationError<'_>) -> Option<Value> {
    let uri = error.absolute_keyword_location()?;
    let (document, fragment) = uri.as_str().split_once('#')?;
    run.documents.0.get(document)?.pointer(&unescape(fragment)).cloned()
}

fn listed(values: &Value, max: usize) -> String {
    let each = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match values {
        Value::Array(all) if all.len() > max => {
            format!("{}, … ({} in all)", all.iter().take(max).map(each).collect::<Vec<_>>().join(", "), all.len())
        }
        Value::Array(all) => all.iter().map(each).collect::<Vec<_>>().join(", "),
        one => each(one),
    }
}

fn tokens(path: &str) -> Vec<String> {
    path.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

/// Percent-decoding, for the fragments of the engine's URIs.
fn unescape(text: &str) -> String {
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

impl Run<'_, '_> {
    /// Names of members that schemas declare at a path, for the nearest one.
    fn declared(&self, path: &str) -> Vec<String> {
        let mut at = vec![self.plan.root];
        for token in tokens(path) {
            at = self.reach(at, |step| {
                let named = step.named.get(&token).copied();
                let item = token.parse::<usize>().ok().and_then(|index| step.prefix.get(index).copied().or(step.items));
                named.into_iter().chain(item).collect()
            });
        }
        let mut names = Vec::new();
        self.reach(at, |step| {
            names.extend(step.named.keys().cloned());
            Vec::new()
        });
        names.sort();
        names.dedup();
        names
    }

    fn reach(&self, mut steps: Vec<usize>, mut next: impl FnMut(&crate::plan::Step) -> Vec<usize>) -> Vec<usize> {
        let (mut index, mut found) = (0, Vec::new());
        while index < steps.len() {
            let step = &self.plan.steps[steps[index]];
            found.extend(next(step));
            let more: Vec<usize> = step.all.iter().filter(|id| !steps.contains(id)).copied().collect();
            steps.extend(more);
            index += 1;
        }
        found
    }
}
