//! An identifier as it would be if it were typed plainly.
//!
//! A full-width digit, a lower-case letter or a space does not change whom an identifier names, so it is a warning and
//! the rest of the checks go on with the plain form.

use super::FormatFault;
use guiju_model::{Dimension::Normativity, Text};
use std::borrow::Cow;

pub(super) struct Plain<'a> {
    pub text: Cow<'a, str>,
    pub faults: Vec<FormatFault>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    AsWritten,
}

/// Half-width, without space around, without the separators, and in upper case where the identifier is.
///
/// A space among the separators is one between the parts; otherwise only the space around is taken away.
pub(super) fn plain<'a>(text: &'a str, case: Case, separators: &[char]) -> Plain<'a> {
    let is_plain =
        |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'Z') || byte.is_ascii_lowercase() && case == Case::AsWritten;
    let is_kept = |c: char| match u8::try_from(c) {
        Ok(byte) if is_plain(byte) => true,
        _ => !is_space(c) && half_width(c) == c && !separators.contains(&c) && !c.is_ascii_lowercase(),
    };
    // Nearly all texts: what is plain at a look, or has nothing that would be left out or written otherwise.
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) || text.chars().all(is_kept) || likely(text).is_some()
    {
        return Plain { text: Cow::Borrowed(text), faults: Vec::new() };
    }
    let mut faults = Vec::new();
    let half: String = text.chars().map(half_width).collect();
    if half != text && half.chars().zip(text.chars()).any(|(half, whole)| half != whole && whole != '\u{3000}') {
        faults.push(full_width());
    }
    let mut kept = half.trim_matches(is_space).to_owned();
    let within = kept.len();
    if separators.contains(&' ') {
        kept.retain(|c| !is_space(c));
    }
    if within < half.len() || kept.len() < within {
        faults.push(space());
    }
    let spaced = kept.len();
    kept.retain(|c| !separators.contains(&c));
    if kept.len() < spaced {
        faults.push(separator());
    }
    if case == Case::Upper && kept.bytes().any(|byte| byte.is_ascii_lowercase()) {
        faults.push(lower_case());
        kept.make_ascii_uppercase();
    }
    Plain { text: Cow::Owned(kept), faults }
}

/// What a text that cannot be an identifier at all often is.
pub(super) fn likely(text: &str) -> Option<Text> {
    let (en, zh) = if is_exponent(text) {
        (
            "a spreadsheet turned the number into exponent form and lost digits: export the column as text",
            "电子表格把号码变成了科学计数法并丢失了数字，请将该列设为文本格式后重新导出",
        )
    } else if text.strip_suffix(".0").is_some_and(super::all_digits) {
        ("a program read the number as a decimal: send it as text", "号码被当作小数处理，请以文本形式提供")
    } else if is_null_word(text) {
        (
            "leave the field out where there is no value, or list this word in `nullWords` of the standard",
            "没有值时请不要填写该字段，或者在标准的 `nullWords` 中列出该词",
        )
    } else {
        return None;
    };
    Some(Text { en: en.into(), zh: zh.into() })
}

/// What a wrong number of many digits may be: one that a floating-point number holds exactly, as only one in 128 does.
pub(super) fn rounded(text: &str) -> Option<Text> {
    const EVERY_128TH: u64 = 1 << 59;
    let number = text.parse::<u64>().ok().filter(|number| *number >= EVERY_128TH)?;
    (number as f64 as u64 == number).then(|| Text {
        en: "a program may have read it as a number and rounded its end: take it from the source as text".into(),
        zh: "可能被程序当作数字读取而舍入了末几位：请从来源以文本格式重新提取".into(),
    })
}

/// Where the text first departs from what is wanted, counted in characters from 1.
pub(super) fn position(text: &str, wanted: impl Fn(usize, char) -> bool) -> Option<usize> {
    text.chars().enumerate().position(|(index, c)| !wanted(index, c)).map(|index| index + 1)
}

pub(super) fn is_null_word(text: &str) -> bool {
    let text = text.trim();
    text.is_empty()
        || matches!(text, "-" | "--" | "/" | "\\" | "无" | "空" | "不详" | "未知" | "暂无" | "." | "0")
        || ["null", "none", "nil", "n/a", "na", "nan", "#n/a"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn is_exponent(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| super::all_digits(text);
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    digits(whole) && digits(part) && exponent.strip_prefix('+').is_some_and(digits)
}

fn half_width(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        c => c,
    }
}

/// Space, and the invisible signs that come with text copied from a window or a page.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{FEFF}')
}

fn full_width() -> FormatFault {
    FormatFault::warning("identifier-full-width", Normativity)
        .suggest("write digits and letters half-width", "请改用半角数字和字母")
}

pub(super) fn space() -> FormatFault {
    FormatFault::warning("identifier-space", Normativity).suggest("leave the space out", "请去掉空格")
}

fn separator() -> FormatFault {
    FormatFault::warning("identifier-separator", Normativity).suggest("leave the separator out", "请去掉分隔符")
}

fn lower_case() -> FormatFault {
    FormatFault::warning("identifier-lower-case", Normativity).suggest("write capital letters", "请改用大写字母")
}
