//! From what was found to findings that a person can act on.

use crate::{
    codes,
    json::{Document, Node, Places, TextFault, Twice, array_index, escape, unescape},
    limits, multiple,
    near::nearest,
    own::Remark,
    plan::Plan,
};
use guiju_model::{Dimension, Finding, Said, Severity, Text};
use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Why},
};
use serde_json::Value;
use std::{borrow::Cow, cmp::Ordering};

pub(crate) const CHOICES_MAX: usize = 8;
const VALUE_CHARS_MAX: usize = 200;
/// Of what keeps a value from the alternative that was meant.
const LEAVES_MAX: usize = 3;

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

    /// Of all members given twice.
    pub fn of_twice(twice: &[Twice], document: &Document<'_>) -> impl Iterator<Item = Self> {
        let bytes = document.source().as_bytes().iter().enumerate().filter(|_| !twice.is_empty());
        let ends: Vec<usize> = bytes.filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
        twice.iter().map(move |twice| {
            let (first, second) = twice.offsets(document);
            let hit = Self { offset: second, ..Self::new("duplicate-key", document.node(twice.object)) };
            let line = ends.partition_point(|end| *end < first) + 1;
            hit.with("name", twice.name(document)).with("first_line", line)
        })
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
        fn rest(hit: &Hit) -> (&str, &Option<String>, Option<u32>, &Args) {
            (hit.code, &hit.path, hit.node, &hit.args)
        }
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

/// That not every reason can be told, and the nearest of them where it was found.
pub(crate) fn unexplained(root: Node<'_>, nearest: Option<Text>) -> Hit {
    let Text { en, zh } = nearest.unwrap_or_default();
    let behind = |words: String, sign: &str| if words.is_empty() { words } else { format!("{sign}{words}") };
    let (en, zh) = (behind(en, "; the nearest: "), behind(zh, "；最接近的："));
    Hit { args_zh: vec![("nearest".into(), zh)], ..Hit::new("record-not-explained", root).with("nearest", en) }
}

/// Every hit of one error that the engine has with a value.
pub(crate) fn hits(plan: &Plan, from: Node<'_>, error: &ValidationError<'_>, hits: &mut Vec<Hit>) {
    let (node, is_whole) = nearest_node(from, error.instance_path().as_str());
    let path = &*(from.pointer() + error.instance_path().as_str());
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
        Why::Custom { keyword, message } if limits::KEYWORDS.iter().any(|(name, _)| name == keyword) => {
            let Some((code, beyond)) = limits::said(message) else { return };
            limit(code, &beyond)
        }
        Why::MaxItems { limit: most } => limit("too-many-items", most),
        Why::MinItems { limit: least } => limit("too-few-items", least),
        Why::MaxProperties { limit: most } => limit("too-many-fields", most),
        Why::MinProperties { limit: least } => limit("too-few-fields", least),
        Why::UniqueItems => hit("items-not-unique"),
        Why::Contains => hit("contains-missing"),
        Why::AdditionalItems { .. } | Why::UnevaluatedItems { .. } => hit("item-not-allowed"),
        Why::PropertyNames { .. } => hit("field-name-invalid"),
        Why::AnyOf { .. } | Why::OneOfNotValid { .. } => {
            let (en, zh) = closest(plan, from, error);
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
            let about = if is_whole { node } else { from };
            hits.extend(remarks.into_iter().map(|remark| Hit::of_remark(remark, about)));
            return;
        }
        _ => hit("not-judged").with("why", error.masked()),
    };
    hits.push(found);
}

/// The value at a path, or the nearest one above it.
fn nearest_node<'d>(from: Node<'d>, path: &str) -> (Node<'d>, bool) {
    let mut node = from;
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

/// The alternative that was probably meant, and what stands in its way, in English and Chinese. Where that is again that a value fits
/// no alternative, it is told of the one of those that was meant, down to what is wrong by itself.
fn closest(plan: &Plan, from: Node<'_>, error: &ValidationError<'_>) -> (String, String) {
    let Some((place, errors)) = meant(error) else { return Default::default() };
    let leaves = Leaves::of(plan, from, errors);
    let Text { en, zh } = leaves.words();
    let colon = |sign: &'static str| if leaves.is_empty() { "" } else { sign };
    (format!("{}{}{en}", place + 1, colon(": ")), format!("第 {} 种{}{zh}", place + 1, colon("：")))
}

/// Of the alternatives of which none fits the one that was meant, by its place, and what keeps the value from it: the nearest, of
/// equals the first.
fn meant<'e>(error: &'e ValidationError<'_>) -> Option<(usize, &'e [ValidationError<'static>])> {
    let (Why::AnyOf { context } | Why::OneOfNotValid { context }) = error.kind() else { return None };
    let depth = steps(error);
    let branches = context.iter().enumerate().map(|(place, errors)| (place, errors.as_slice()));
    branches.min_by_key(|(_, errors)| Distance::of(errors, depth))
}

/// Names on the way to what an error is about.
fn steps(error: &ValidationError<'_>) -> usize {
    error.instance_path().as_str().matches('/').count()
}

/// How far an alternative is from a value; what stands first weighs most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Distance {
    /// That it is of another type.
    pub types: usize,
    /// That it, or a member of it, has another word for its kind: a constant or a choice.
    pub words: usize,
    /// What is wrong with the value itself.
    pub own: usize,
    /// With that and all below.
    pub faults: usize,
}

impl Distance {
    /// `depth`: of the value, in names on the way to it.
    pub fn of(errors: &[ValidationError<'_>], depth: usize) -> Self {
        let mut sum = Self { faults: errors.len(), ..Self::default() };
        for error in errors {
            let below = steps(error).saturating_sub(depth);
            let Self { types, words, own, .. } = match (error.kind(), below) {
                (Why::Type { .. } | Why::FalseSchema, 0) => Self { types: 1, own: 1, ..Self::default() },
                (Why::Constant { .. } | Why::Enum { .. }, 0 | 1) => Self { words: 1, ..Self::default() },
                (Why::AnyOf { .. } | Why::OneOfNotValid { .. }, 0) => {
                    meant(error).map_or_else(Self::default, |(_, errors)| Self::of(errors, depth))
                }
                (_, 0) => Self { own: 1, ..Self::default() },
                _ => Self::default(),
            };
            (sum.types, sum.words, sum.own) = (sum.types + types, sum.words + words, sum.own + own);
        }
        sum
    }
}

/// What is wrong by itself, and where: the first few, and how many there are.
#[derive(Default)]
pub(crate) struct Leaves {
    told: Vec<(String, Text)>,
    count: usize,
}

impl Leaves {
    /// Of what the engine says of a value.
    pub fn of(plan: &Plan, from: Node<'_>, errors: &[ValidationError<'_>]) -> Self {
        let mut leaves = Self::default();
        errors.iter().for_each(|error| leaves.take(plan, from, error));
        leaves
    }

    fn take(&mut self, plan: &Plan, from: Node<'_>, error: &ValidationError<'_>) {
        if let Some((_, errors)) = meant(error) {
            return errors.iter().for_each(|error| self.take(plan, from, error));
        }
        let mut found = Vec::new();
        hits(plan, from, error, &mut found);
        for hit in found {
            let leaf = (from.pointer() + error.instance_path().as_str(), hit.words());
            if self.told.contains(&leaf) {
                continue;
            }
            self.count += 1;
            if self.told.len() < LEAVES_MAX {
                self.told.push(leaf);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    pub fn words(&self) -> Text {
        let (mut en, mut zh) = (Vec::new(), Vec::new());
        for (path, words) in &self.told {
            let path = if path.is_empty() { "/" } else { path };
            en.push(format!("at {path}, {}", words.en));
            zh.push(format!("{path} 处，{}", words.zh));
        }
        if let more @ 1.. = self.count - self.told.len() {
            en.push(format!("and {more} more"));
            zh.push(format!("另有 {more} 处"));
        }
        Text { en: en.join("; "), zh: zh.join("；") }
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
            codes::message(self.code, &args)
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
        let place = Some(self.places.of(hit.offset));
        let said = Said {
            code: Cow::Borrowed(hit.code),
            severity: hit.severity,
            dimension: dimension.unwrap_or(Dimension::Normativity),
            rule: hit.rule,
            field: self.title(&path),
            path,
            message,
            suggestion: hit.suggestion,
            value: node.filter(|node| self.with_values && !node.is_container()).map(shown),
        };
        Finding { place, ..said.into() }
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
