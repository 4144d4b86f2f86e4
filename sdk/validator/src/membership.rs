//! Whether a value is a code of the list that its field declares.
//!
//! # Invariants
//! - Codes are compared as text: `01` and `1` are two codes.
//! - Beside its codes a field takes the second form of them that its format knows, and no text else.
//! - A suggestion names a code only where the value names it in other words; it is never a guess among numbers.

use crate::formats::{FormatFault, SecondForm};
use crate::near::nearest;
use crate::record::{Pointer, Record, Scalar};
use crate::rules::{Fault, Reader};
use guiju_model::{Code, CodeList, CodeRow, Date, Dimension, Severity, Text};
use serde_json::Value;
use std::{borrow::Cow, str::FromStr, sync::Arc};

/// What a field declares in `x-guiju.codeList`.
#[derive(Clone, Debug)]
pub struct Membership {
    reference: String,
    binding: Binding,
    level: Level,
    status: Validity,
    as_of: Option<Pointer>,
}

/// The codes of a list as a field takes them.
#[derive(Clone, Debug)]
pub struct Codes {
    list: Arc<CodeList>,
    form: Option<SecondForm>,
}

impl Codes {
    /// `form`: the one that the field's format knows.
    pub fn new(list: Arc<CodeList>, form: Option<SecondForm>) -> Self {
        Self { list, form }
    }

    pub fn list(&self) -> &CodeList {
        &self.list
    }

    /// The code that a text stands for.
    pub fn get(&self, text: &str) -> Option<Code<'_>> {
        self.list.get(text).or_else(|| self.list.get((self.form?.first)(text)?))
    }

    /// Every text that stands for a code, each once.
    pub fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let mut last = None;
        let codes = self.list.rows().map(|row| row.code()).filter(move |code| last.replace(*code) != Some(*code));
        codes.flat_map(|code| {
            let second = self.form.and_then(|form| (form.second)(code));
            let second = second.filter(|second| self.list.get(second).is_none());
            [Some(Cow::Borrowed(code)), second.map(Cow::Owned)].into_iter().flatten()
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Not in the list: an error.
    Required,
    /// A warning.
    Extensible,
    /// An info.
    Preferred,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Leaf,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Validity {
    Current,
    Ever,
}

/// Beyond so many rows, nearest names are not looked for.
const NEAR_ROWS_MAX: usize = 2_000;

impl Membership {
    /// Reads the object at `x-guiju.codeList`; `pointer` says where it stands in the document, for the faults.
    pub fn compile(value: &Value, pointer: &str) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::default();
        reader.members(value, pointer, &["ref", "binding", "level", "asOf", "status"]);
        let reference = reader.text(value, pointer, "ref");
        if reference.is_none() && value.get("ref").is_none() {
            reader.fault(pointer.into(), "a code list needs `ref`, for example \"cn.gb/gbt-2260@2026\"".into());
        }
        let membership = Self {
            reference: reference.unwrap_or_default(),
            binding: reader.word(value, pointer, "binding").unwrap_or(Binding::Required),
            level: reader.word(value, pointer, "level").unwrap_or(Level::Any),
            status: reader.word(value, pointer, "status").unwrap_or(Validity::Current),
            as_of: reader.field(value, pointer, "asOf"),
        };
        reader.finish(membership)
    }

    /// The reference as written.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    pub fn binding(&self) -> Binding {
        self.binding
    }

    /// The field, from the record's root, on whose day the code must be valid.
    pub fn as_of(&self) -> Option<&Pointer> {
        self.as_of.as_ref()
    }

    /// The day on which the code must be valid: that of the field `asOf`, else the reference date.
    pub fn day(&self, record: &dyn Record, reference_date: Option<Date>) -> Option<Date> {
        let field = self.as_of.as_ref().and_then(|pointer| match record.get(pointer) {
            Some(Scalar::Text(text)) => crate::rules::day(&text),
            _ => None,
        });
        field.or(reference_date)
    }

    /// What is wrong with the value on that day; without a day, any row of the code will do.
    pub fn check(&self, codes: &Codes, value: &str, day: Option<Date>) -> Option<FormatFault> {
        let Some(code) = codes.get(value) else {
            let mut fault = self.fault("code-not-in-list", Dimension::Accuracy);
            fault.suggestion = meant(codes, value);
            return Some(fault);
        };
        if self.status == Validity::Current
            && let Some(day) = day
            && code.on(day).is_none()
        {
            return Some(self.not_valid(&code, day));
        }
        (self.level == Level::Leaf && !code.is_leaf()).then(|| self.fault("code-not-leaf", Dimension::Accuracy))
    }

    fn fault(&self, code: &'static str, dimension: Dimension) -> FormatFault {
        let severity = match self.binding {
            Binding::Required => Severity::Error,
            Binding::Extensible => Severity::Warning,
            Binding::Preferred => Severity::Info,
        };
        let list = self.reference.split('@').next().unwrap_or_default().to_owned();
        FormatFault { code, severity, dimension, args: vec![("list", list)], suggestion: None }
    }

    fn not_valid(&self, code: &Code<'_>, day: Date) -> FormatFault {
        let mut fault = self.fault("code-not-valid-on-date", Dimension::Timeliness);
        fault.args.push(("date", day.to_string()));
        fault.args.push(("periods", periods(code)));
        fault.suggestion =
            code.rows().filter(|row| row.valid_to().is_some_and(|to| to <= day)).last().and_then(successor);
        fault
    }
}

/// `1986-12-01/2010-12-01`, as ISO 8601 writes intervals; an open end is `..`.
pub(crate) fn periods(code: &Code<'_>) -> String {
    let end = |date: Option<Date>| date.map_or("..".into(), |date| date.to_string());
    let period = |row: CodeRow<'_>| format!("{}/{}", end(row.valid_from()), end(row.valid_to()));
    code.rows().map(period).collect::<Vec<_>>().join(", ")
}

/// A row's note may name what took its place: `successor=330113`, several separated by `|`.
fn successor(row: CodeRow<'_>) -> Option<Text> {
    let codes: Vec<&str> =
        row.note().split([' ', ';', ',']).find_map(|w| w.strip_prefix("successor="))?.split('|').collect();
    let codes = codes.join(", ");
    Some(Text { en: format!("its successor is {codes}"), zh: format!("其后续代码为 {codes}") })
}

/// The code that was meant, where the value names it in other words.
fn meant(codes: &Codes, value: &str) -> Option<Text> {
    let (list, value) = (codes.list(), value.trim());
    if let Some(row) = list.by_word(value) {
        return Some(Text {
            en: format!("the code for {value} is {}", row.code()),
            zh: format!("“{value}”的代码为 {}", row.code()),
        });
    }
    // `01汉族`, `1-男`: a code with its name.
    let leading = value.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').next().unwrap_or_default().to_owned();
    let as_float = value.strip_suffix(".0").unwrap_or_default().to_owned();
    let other_spelling = [half_width(value), value.to_uppercase(), value.to_lowercase(), leading, as_float];
    let code = other_spelling.iter().chain(&with_zeros(value)).find_map(|spelling| codes.get(spelling)?.rows().next());
    if let Some(row) = code {
        return Some(did_you_mean(row.code(), row));
    }
    near_word(list, value)
}

fn did_you_mean(meant: &str, row: CodeRow<'_>) -> Text {
    Text {
        en: format!("did you mean {meant} ({})?", if row.name_en().is_empty() { row.name_zh() } else { row.name_en() }),
        zh: format!("是否应为 {meant}（{}）？", row.name_zh()),
    }
}

fn near_word(list: &CodeList, value: &str) -> Option<Text> {
    // Among numbers everything is near to everything.
    if list.rows().len() > NEAR_ROWS_MAX || !value.chars().any(char::is_alphabetic) {
        return None;
    }
    let words = || list.rows().flat_map(|row| [row.code(), row.name_zh(), row.name_en()].map(|word| (word, row)));
    let near = nearest(value, words().map(|(word, _)| word))?;
    let (_, row) = words().find(|(word, _)| *word == near)?;
    Some(did_you_mean(row.code(), row))
}

/// Zeros that a spreadsheet took from the front.
fn with_zeros(value: &str) -> Vec<String> {
    let is_number = !value.is_empty() && value.len() < 8 && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { (1..=4).map(|zeros| format!("{}{value}", "0".repeat(zeros))).collect() } else { Vec::new() }
}

fn half_width(value: &str) -> String {
    let half = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        c => c,
    };
    value.chars().map(half).collect()
}

macro_rules! words {
    ($name:ident, $what:literal, $($word:literal => $variant:ident),+) => {
        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("`{text}` is not a {}; use one of {}", $what, [$($word),+].join(", "))),
                }
            }
        }
    };
}

words!(Binding, "binding", "required" => Required, "extensible" => Extensible, "preferred" => Preferred);
words!(Level, "level", "leaf" => Leaf, "any" => Any);
words!(Validity, "status", "current" => Current, "ever" => Ever);
