//! Numbers kept as text, and digests.

use super::plain::likely;
use super::{FormatFault, all_digits};
use guiju_model::{Dimension::Normativity, Text};

/// An exact decimal: an optional minus, digits without needless zeros before, and a point with digits after it.
pub(super) fn decimal(text: &str) -> Vec<FormatFault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_plain = all_digits(whole) && all_digits(part) && (whole == "0" || !whole.starts_with('0'));
    if is_plain {
        return Vec::new();
    }
    let mut fault = FormatFault::error("decimal-shape", Normativity);
    fault.suggestion = explained(text).or_else(|| likely(text));
    vec![fault]
}

fn explained(text: &str) -> Option<Text> {
    let only = |extra: &[char]| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let is_there = extra.is_empty() || digits.contains(extra);
        is_there
            && digits.contains(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || c == '.' || extra.contains(&c))
    };
    let (en, zh) = if only(&[',', '，']) {
        ("leave the separators of thousands out", "请去掉千位分隔符")
    } else if text.chars().any(|c| matches!(c, '\u{FF0B}'..='\u{FF19}')) {
        ("write digits and the point half-width", "请改用半角数字和小数点")
    } else if text.starts_with('+') {
        ("leave the plus sign out", "请去掉正号")
    } else if text.ends_with('%') {
        ("leave the percent sign out: the unit is declared in the standard", "请去掉百分号，单位由标准规定")
    } else if only(&[]) && text.matches('.').count() <= 1 {
        (
            "write no zeros before the number and a digit on both sides of the point",
            "整数部分不加多余的 0，小数点两侧都要有数字",
        )
    } else {
        return None;
    };
    Some(Text { en: en.into(), zh: zh.into() })
}

/// An SM3 digest (GB/T 32905): 64 lower-case hex digits.
pub(super) fn sm3_hex(text: &str) -> Vec<FormatFault> {
    let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text {
        text if !is_hex(text) => {
            vec![FormatFault::error("sm3-shape", Normativity).with("length", text.chars().count())]
        }
        text if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            vec![
                FormatFault::warning("sm3-upper-case", Normativity)
                    .suggest("write lower-case letters", "请改用小写字母"),
            ]
        }
        _ => Vec::new(),
    }
}
