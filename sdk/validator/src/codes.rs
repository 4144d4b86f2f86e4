//! The codes of findings: what each means, how it reads, how it is mended. Data in `codes.toml`, one entry a code.

use guiju_model::{Dimension, Finding, Said, Severity, Text};
use serde::Deserialize;
use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};

/// The documentation page of one code.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    #[serde(skip)]
    pub code: String,
    pub title_en: String,
    pub title_zh: String,
    pub severity: Severity,
    pub dimension: Dimension,
    /// What was asked and why.
    pub meaning_en: String,
    pub meaning_zh: String,
    /// One line, with `{placeholders}` for what the finding names.
    pub message_en: String,
    pub message_zh: String,
    /// A piece of a record that gets this finding, or what such a one is in words.
    pub example: String,
    /// The same in Chinese, where there are words in it.
    #[serde(default)]
    pub example_zh: Option<String>,
    pub remedy_en: String,
    pub remedy_zh: String,
}

static PAGES: LazyLock<BTreeMap<String, Page>> = LazyLock::new(|| {
    let mut pages: BTreeMap<String, Page> = toml::from_str(include_str!("../codes.toml")).unwrap_or_default();
    pages.iter_mut().for_each(|(code, page)| page.code.clone_from(code));
    pages
});

pub fn page(code: &str) -> Option<&'static Page> {
    PAGES.get(code)
}

/// All pages, in order of their codes.
pub fn pages() -> impl Iterator<Item = &'static Page> {
    PAGES.values()
}

/// A finding as its page says; the caller adds place and rule.
pub fn finding(code: &'static str, path: &str, args: &[(&str, &str)]) -> Finding {
    let (severity, dimension) =
        page(code).map_or((Severity::Error, Dimension::Normativity), |page| (page.severity, page.dimension));
    let (path, message) = (path.into(), message(code, args));
    let (rule, field, suggestion, value) = (String::new(), None, None, None);
    Said { code: Cow::Borrowed(code), severity, dimension, path, rule, field, message, suggestion, value }.into()
}

/// The same, where what fills the message has words of its own in each language: name, English, Chinese.
pub fn finding_in_words(code: &'static str, path: &str, args: &[(&str, &str, &str)]) -> Finding {
    let en: Vec<(&str, &str)> = args.iter().map(|(name, en, _)| (*name, *en)).collect();
    let zh: Vec<(&str, &str)> = args.iter().map(|(name, _, zh)| (*name, *zh)).collect();
    let mut finding = finding(code, path, &en);
    finding.message.zh = message(code, &zh).zh;
    finding
}

/// What its page says.
pub(crate) fn message(code: &str, args: &[(&str, &str)]) -> Text {
    page(code).map_or_else(|| Text { en: code.into(), zh: code.into() }, |page| text(page, args))
}

/// Whether a finding says that there is no record to judge: the text is not JSON, too large, or cannot be decoded.
pub fn is_unreadable(code: &str) -> bool {
    const CODES: [&str; 15] = [
        "json-empty",
        "json-malformed",
        "json-too-deep",
        "record-too-large",
        "utf8-invalid",
        "gb18030-invalid",
        "encoding-mixed",
        "surrogate-lone",
        "control-character",
        "number-not-a-number",
        "number-leading-zero",
        "trailing-content",
        "line-too-long",
        "csv-quote-unclosed",
        "nul-byte",
    ];
    CODES.contains(&code)
}

pub(crate) fn text(page: &Page, args: &[(&str, &str)]) -> Text {
    Text { en: filled(&page.message_en, args), zh: filled(&page.message_zh, args) }
}

/// A template with its `{places}` filled; what is filled in is not read again.
fn filled(template: &str, args: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len() + args.iter().map(|(_, value)| value.len()).sum::<usize>());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        match after.split_once('}').and_then(|(name, rest)| Some((args.iter().find(|arg| arg.0 == name)?.1, rest))) {
            Some((value, behind)) => {
                text.push_str(value);
                rest = behind;
            }
            None => {
                text.push('{');
                rest = after;
            }
        }
    }
    text + rest
}
