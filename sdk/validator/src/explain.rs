//! From what was found to findings that a person can act on.

use crate::{
    codes,
    json::{Document, Node, Places, TextFault, Twice, array_index, escape, unescape},
    multiple,
    near::nearest,
    own::Remark,
    plan::Plan,
};
use guiju_model::{Dimension, Finding, Severity, Text};
use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Why},
};
use serde_json::Value;
use std::{borrow::Cow, cmp::Ordering};

const CHOICES_MAX: usize = 8;
const VALUE_CHARS_MAX: usize = 200;

type Args = Vec<(Cow<'static, str>, String)>;

/// Something found, with all that orders it and tells it from others; words come later, and only where it is listed.
#[derive(Debug)]
pub(crate) struct Hit {
    code: &'static str,
    severity: Severity,
    dimension: Option<Dimension>,
    offset: usize,
    /// The value it is about; none where the text is not JSON.
    node: Option<u32>,
    /// JSON Pointer of the finding, which may be a member that is not there. None: that of the node.
    path: Option<String>,
    rule: String,
    args: Args,
    /// Of `args` where the Chinese wording differs.
    args_zh: Args,
    message: Option<Text>,
    suggestion: Option<Text>,
}

impl Hit {
    pub fn new(code: &'static str, node: Node<'_>) -> Self {
        Self { node: Some(node.at()), ..Self::at(code, node.offset()) }
    }

    fn at(code: &'static str, offset: usize) -> Self {
        let severity = codes::page(code).map_or(Severity::Error, |page| page.severity);
        Self {
            code,
            severity,
            dimension: None,
            offset,
            node: None,
            path: None,
            rule: String::new(),
            args: Vec::new(),
            args_zh: Vec::new(),
            message: None,
            suggestion: None,
        }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.args.push((name.into(), value.to_string()));
        self
    }

    fn by(mut self, path: &str, rule: &str) -> Self {
        (self.path, self.rule) = (Some(path.to_owned()), rule.to_owned());
        self
    }

    pub fn of_text(fault: TextFault) -> Self {
        let owned =
            |args: Vec<(&'static str, String)>| args.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Self { args: owned(fault.args), args_zh: owned(fault.args_zh), ..Self::at(fault.code, fault.offset) }
    }

    pub fn of_twice(twice: Twice, document: &Document<'_>) -> Self {
        let (first, second) = twice.offsets(document);
        let name = twice.name(document);
        let line = document.source().as_bytes()[..first].iter().filter(|byte| **byte == b'\n').count() + 1;
        let hit = Self { offset: second, ..Self::new("duplicate-key", document.node(twice.object)) };
        hit.with("name", name).with("first_line", line)
    }

    /// A remark of our vocabulary on a value.
    pub fn of_remark(remark: Remark, node: Node<'_>) -> Self {
        let Remark { code, severity, dimension, at, rule, args, message, suggestion } = remark;
        let known = codes::page(&code);
        let text = |(en, zh): (String, String)| Text { en, zh };
        let about = at.split('/').skip(1).try_fold(node, |node, token| node.below(&unescape(token)));
        let args = args.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Self {
            severity,
            dimension: Some(dimension),
            path: (!at.is_empty()).then(|| format!("{}{at}", node.pointer())),
            rule,
            args,
            message: message.map(text),
            suggestion: suggestion.map(text),
            ..Self::new(known.map_or("vocabulary-not-met", |page| page.code.as_str()), about.unwrap_or(node))
        }
    }

    pub fn code(&self) -> &'static str {
        self.code
    }

    pub fn severity(&self) -> Severity {
        self.severity
    }

    pub fn order(&self, other: &Self) -> Ordering {
        let rest = |hit: &Self| (hit.code, hit.path.clone(), hit.node, hit.args.clone());
        let by_rule = || compare_places(&self.rule, &other.rule);
        self.offset.cmp(&other.offset).then_with(by_rule).then_with(|| rest(self).cmp(&rest(other)))
    }

    /// Whether it says the same: one schema may be reached in several ways.
    pub fn is_same(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Equal
    }
}

/// Rule places in the order of the standard: numbers by value, names by letters.
fn compare_places(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(a), Some(b)) => {
                let order = match (array_index(a), array_index(b)) {
                    (Some(a), Some(b)) => a.cmp(&b),
                    _ => a.cmp(b),
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    }
}

/// Every hit of one error of the engine.
pub(crate) fn hits(plan: &Plan, document: &Document<'_>, error: ValidationError<'_>, hits: &mut Vec<Hit>) {
    let path = error.instance_path().as_str();
    let (node, is_whole) = nearest_node(document, path);
    let location = error.absolute_keyword_location().map_or(error.schema_path().as_str(), |uri| uri.as_str());
    let rule = plan.survey.place_of(location);
    let hit = |code| Hit::new(code, node).by(path, &rule);
    let limit = |code, limit: &dyn ToString| hit(code).with("limit", limit.to_string());
    let found = match error.kind() {
        Why::Type { kind } => {
            if wants_text(kind) && node.loses_digits() {
                hits.push(hit("number-loses-digits"));
            }
            hit("type-mismatch").with("expected", expected(kind)).with("found", node.type_name())
        }
        Why::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            Hit::new("required-missing", node).by(&format!("{path}/{}", escape(name)), &rule).with("name", name)
        }
        Why::AdditionalProperties { unexpected } | Why::UnevaluatedProperties { unexpected } => {
            hits.extend(unexpected.iter().map(|name| undeclared(plan, node, path, &rule, name)));
            return;
        }
        Why::Enum { options } => {
            let near = node
                .text()
                .zip(options.as_array())
                .and_then(|(text, all)| nearest(text, all.iter().filter_map(Value::as_str)));
            Hit { suggestion: near.map(did_you_mean), ..hit("value-not-in-enum").with("choices", listed(options)) }
        }
        Why::Constant { expected_value } => hit("value-not-const").with("expected", expected_value),
        Why::Pattern { pattern } => hit("pattern-mismatch").with("pattern", pattern),
        Why::Format { format } => hit("format-invalid").with("format", format),
        Why::MaxLength { limit: most } => limit("too-long", most),
        Why::MinLength { limit: least } => limit("too-short", least),
        Why::Maximum { limit: most } => limit("too-large", most),
        Why::Minimum { limit: least } => limit("too-small", least),
        Why::ExclusiveMaximum { limit: most } => limit("not-below", most),
        Why::ExclusiveMinimum { limit: least } => limit("not-above", least),
        Why::Custom { keyword, message } if keyword == multiple::KEYWORD => limit("not-multiple", message),
        Why::MaxItems { limit: most } => limit("too-many-items", most),
        Why::MinItems { limit: least } => limit("too-few-items", least),
        Why::MaxProperties { limit: most } => limit("too-many-fields", most),
        Why::MinProperties { limit: least } => limit("too-few-fields", least),
        Why::UniqueItems => hit("items-not-unique"),
        Why::Contains => hit("contains-missing"),
        Why::AdditionalItems { .. } | Why::UnevaluatedItems { .. } => hit("item-not-allowed"),
        Why::PropertyNames { .. } => hit("field-name-invalid"),
        Why::AnyOf { .. } | Why::OneOfNotValid { .. } => {
            let (en, zh) = closest(plan, document, error.kind());
            Hit { args_zh: vec![("closest".into(), zh)], ..hit("no-branch-fits").with("closest", en) }
        }
        Why::OneOfMultipleValid { .. } => hit("several-branches-fit"),
        Why::Not { .. } => hit("must-not-fit"),
        // A member that must not be is told at its name.
        Why::FalseSchema => hit("never-valid"),
        Why::ContentEncoding { .. } | Why::ContentMediaType { .. } | Why::FromUtf8 { .. } => hit("content-invalid"),
        Why::Custom { message, .. } => {
            let remarks: Vec<Remark> = serde_json::from_str(message).unwrap_or_default();
            // Where the name of a member was judged, there is no node of its own.
            let about = if is_whole { node } else { document.root() };
            hits.extend(remarks.into_iter().map(|remark| Hit::of_remark(remark, about)));
            return;
        }
        _ => hit("not-judged").with("why", error.masked()),
    };
    hits.push(found);
}

/// The value at a path, or the nearest one above it.
fn nearest_node<'d>(document: &'d Document<'_>, path: &str) -> (Node<'d>, bool) {
    let mut node = document.root();
    for token in path.split('/').skip(1) {
        match node.below(&unescape(token)) {
            Some(below) => node = below,
            None => return (node, false),
        }
    }
    (node, true)
}

fn wants_text(kind: &TypeKind) -> bool {
    use jsonschema::types::JsonType::{Integer, Number, String};
    match kind {
        TypeKind::Single(one) => *one == String,
        TypeKind::Multiple(all) => all.contains(String) && !all.contains(Number) && !all.contains(Integer),
    }
}

fn expected(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(all) => all.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", "),
    }
}

/// A member that the standard does not declare, at its name.
fn undeclared(plan: &Plan, object: Node<'_>, path: &str, rule: &str, name: &str) -> Hit {
    let declared = plan.declared(path);
    let free = declared.into_iter().filter(|known| object.member(known).is_none());
    let hit = Hit::new("undeclared-field", object).by(&format!("{path}/{}", escape(name)), rule).with("name", name);
    let offset = object.name_offset(name).unwrap_or(hit.offset);
    Hit { offset, node: object.member(name).map(Node::at), suggestion: nearest(name, free).map(did_you_mean), ..hit }
}

fn did_you_mean(near: &str) -> Text {
    Text { en: format!("did you mean `{near}`?"), zh: format!("是否应为 `{near}`？") }
}

/// The alternative that was probably meant, and what stands in its way, in English and Chinese. An alternative whose
/// type or discriminator does not fit was not meant; among the others it is the one with the fewest hits.
fn closest(plan: &Plan, document: &Document<'_>, kind: &Why) -> (String, String) {
    let (Why::AnyOf { context } | Why::OneOfNotValid { context }) = kind else { return Default::default() };
    let was_meant = |error: &ValidationError<'_>| {
        !matches!(error.kind(), Why::Type { .. } | Why::Constant { .. } | Why::Enum { .. } | Why::FalseSchema)
    };
    let strangers = |errors: &[ValidationError<'_>]| errors.iter().filter(|error| !was_meant(error)).count();
    let best = context.iter().enumerate().min_by_key(|(_, errors)| (strangers(errors), errors.len()));
    let Some((place, error)) = best.and_then(|(place, errors)| Some((place, errors.first()?))) else {
        return Default::default();
    };
    let mut first = Vec::new();
    nested(plan, document, error, &mut first);
    let path = error.instance_path().as_str();
    let path = if path.is_empty() { "/" } else { path };
    match first.first().map(Hit::words) {
        Some(Text { en, zh }) => {
            (format!("{}: at {path}, {en}", place + 1), format!("第 {} 种：{path} 处，{zh}", place + 1))
        }
        None => ((place + 1).to_string(), format!("第 {} 种", place + 1)),
    }
}

/// One level of alternatives is told; of what lies deeper, only that it does not fit.
fn nested(plan: &Plan, document: &Document<'_>, error: &ValidationError<'_>, found: &mut Vec<Hit>) {
    let path = error.instance_path().as_str();
    let (node, _) = nearest_node(document, path);
    let simple = |code| Hit::new(code, node);
    match error.kind() {
        Why::Custom { message, .. } => {
            let remarks: Vec<Remark> = serde_json::from_str(message).unwrap_or_default();
            found.extend(remarks.into_iter().map(|remark| Hit::of_remark(remark, node)));
        }
        Why::Type { kind } => {
            found.push(simple("type-mismatch").with("expected", expected(kind)).with("found", node.type_name()))
        }
        Why::Required { property } => {
            found.push(simple("required-missing").with("name", property.as_str().unwrap_or_default()))
        }
        Why::AdditionalProperties { unexpected } | Why::UnevaluatedProperties { unexpected } => {
            found.extend(unexpected.iter().take(1).map(|name| undeclared(plan, node, path, "", name)));
        }
        Why::Enum { options } => found.push(simple("value-not-in-enum").with("choices", listed(options))),
        Why::Constant { expected_value } => found.push(simple("value-not-const").with("expected", expected_value)),
        Why::Pattern { pattern } => found.push(simple("pattern-mismatch").with("pattern", pattern)),
        Why::Format { format } => found.push(simple("format-invalid").with("format", format)),
        _ => {}
    }
}

fn listed(values: &Value) -> String {
    let each = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match values {
        Value::Array(all) if all.len() > CHOICES_MAX => {
            format!(
                "{}, … ({} in all)",
                all.iter().take(CHOICES_MAX).map(each).collect::<Vec<_>>().join(", "),
                all.len()
            )
        }
        Value::Array(all) => all.iter().map(each).collect::<Vec<_>>().join(", "),
        one => each(one),
    }
}

impl Hit {
    /// The message, in both languages.
    fn words(&self) -> Text {
        if let Some(message) = &self.message {
            return message.clone();
        }
        let filled = |args: &Args| {
            let args: Vec<(&str, &str)> = args.iter().map(|(name, value)| (&**name, value.as_str())).collect();
            codes::finding(self.code, "", &args).message
        };
        match self.args_zh.is_empty() {
            true => filled(&self.args),
            false => Text { en: filled(&self.args).en, zh: filled(&self.args_zh).zh },
        }
    }
}

/// Puts hits into words, in order of their places.
pub(crate) struct Teller<'t, 's> {
    pub plan: Option<&'t Plan>,
    pub document: Option<&'t Document<'s>>,
    pub places: &'t mut Places<'s>,
    pub with_values: bool,
    /// The path in the record at which the document stands.
    pub base: &'t str,
}

impl Teller<'_, '_> {
    pub fn finding(&mut self, hit: Hit) -> Finding {
        let node = self.document.zip(hit.node).map(|(document, at)| document.node(at));
        let message = hit.words();
        let below = hit.path.unwrap_or_else(|| node.map(Node::pointer).unwrap_or_default());
        let path = if self.base.is_empty() { below } else { [self.base, &below].concat() };
        let dimension = hit.dimension.or_else(|| codes::page(hit.code).map(|page| page.dimension));
        Finding {
            code: Cow::Borrowed(hit.code),
            severity: hit.severity,
            dimension: dimension.unwrap_or(Dimension::Normativity),
            place: Some(self.places.of(hit.offset)),
            rule: hit.rule,
            field: self.title(&path),
            path,
            message,
            suggestion: hit.suggestion,
            value: node.filter(|node| self.with_values && !node.is_container()).map(shown),
        }
    }

    /// Titles of the field at a path, by the schemas that always apply to it.
    fn title(&self, path: &str) -> Option<Text> {
        let plan = self.plan.filter(|_| !path.is_empty())?;
        plan.at_path(path).into_iter().find_map(|schema| plan.owns[schema].title.clone())
    }
}

fn shown(node: Node<'_>) -> String {
    let spelled = node.spelled();
    match spelled.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &spelled[..end]),
        None => spelled.to_owned(),
    }
}
