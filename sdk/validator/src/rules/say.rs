//! The sentence about a rule, where its author gave none.

use super::condition::{Comparison, Condition};
use super::operand::{Literal, Operand};
use crate::record::Pointer;
use guiju_model::Text;

/// What had to hold, and when.
pub(super) fn rule(when: &[Condition], broken: &Condition) -> Text {
    let mut en = condition(broken, Mood::Must).en;
    let mut zh = condition(broken, Mood::Must).zh;
    if !when.is_empty() {
        let clauses: Vec<Text> = when.iter().map(|clause| condition(clause, Mood::Is)).collect();
        let (clauses_en, clauses_zh): (Vec<_>, Vec<_>) = clauses.into_iter().map(|Text { en, zh }| (en, zh)).unzip();
        en = format!("{en} when {}", clauses_en.join(" and "));
        zh = format!("当{}时，{zh}", clauses_zh.join("且"));
    }
    Text { en, zh }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Must,
    Is,
}

fn condition(condition: &Condition, mood: Mood) -> Text {
    let pick = |must: (&'static str, &'static str), is: (&'static str, &'static str)| match mood {
        Mood::Must => must,
        Mood::Is => is,
    };
    match condition {
        Condition::Compare { op, left, right, tolerance, .. } => {
            let (en, zh) = match op {
                Comparison::Eq => pick(("must equal", "应等于"), ("equals", "等于")),
                Comparison::Ne => pick(("must differ from", "不应等于"), ("differs from", "不等于")),
                Comparison::Lt => pick(("must be less than", "应小于"), ("is less than", "小于")),
                Comparison::Le => pick(("must be at most", "不应大于"), ("is at most", "不大于")),
                Comparison::Gt => pick(("must be greater than", "应大于"), ("is greater than", "大于")),
                Comparison::Ge => pick(("must be at least", "不应小于"), ("is at least", "不小于")),
            };
            let mut text = joined(&operand(left), (en, zh), &operand(right));
            if tolerance.is_some() {
                text.en.push_str(" within the tolerance");
                text.zh.push_str("（在容差范围内）");
            }
            text
        }
        Condition::In { left, values } => {
            let verb = pick(("must be one of", "应为下列之一："), ("is one of", "为下列之一："));
            joined(&operand(left), verb, &listed(values))
        }
        Condition::Prefix { left, right } => {
            let verb = pick(("must begin with", "的开头应为"), ("begins with", "的开头为"));
            joined(&operand(left), verb, &operand(right))
        }
        Condition::SameParity { left, right } => {
            let verb = pick(("must be odd or even like", "的奇偶应同于"), ("is odd or even like", "的奇偶同于"));
            joined(&operand(left), verb, &operand(right))
        }
        Condition::Present { field, wanted } => {
            let (en, zh) = match wanted {
                true => pick(("must be present", "必须填写"), ("is present", "已填写")),
                false => pick(("must be absent", "不应填写"), ("is absent", "未填写")),
            };
            Text { en: format!("`{field}` {en}"), zh: format!("`{field}` {zh}") }
        }
        Condition::OneOf { fields } => {
            let (en, zh) = pick(("must be present", "必须且只能填写一个"), ("is present", "恰有一个已填写"));
            Text {
                en: format!("exactly one of {} {en}", names(fields, ", ")),
                zh: format!("{} 中{zh}", names(fields, "、")),
            }
        }
    }
}

fn joined(left: &Text, (en, zh): (&str, &str), right: &Text) -> Text {
    Text { en: format!("{} {en} {}", left.en, right.en), zh: format!("{} {zh} {}", left.zh, right.zh) }
}

fn operand(operand: &Operand) -> Text {
    let same = |text: String| Text { zh: text.clone(), en: text };
    match operand {
        Operand::Field { pointer, part: Some((from, to)), .. } if to - from == 1 => {
            Text { en: format!("character {to} of `{pointer}`"), zh: format!("`{pointer}` 的第 {to} 位") }
        }
        Operand::Field { pointer, part: Some((from, to)), .. } => Text {
            en: format!("characters {} to {to} of `{pointer}`", from + 1),
            zh: format!("`{pointer}` 的第 {} 至 {to} 位", from + 1),
        },
        Operand::Field { pointer, .. } => same(format!("`{pointer}`")),
        Operand::Literal(literal) => same(written(literal)),
        Operand::Literals(values) => listed(values),
        Operand::Sum(fields) => {
            Text { en: format!("the sum of {}", names(fields, ", ")), zh: format!("{} 之和", names(fields, "、")) }
        }
        Operand::Length(pointer) => {
            Text { en: format!("the length of `{pointer}`"), zh: format!("`{pointer}` 的长度") }
        }
        Operand::Difference([from, taken]) => {
            Text { en: format!("`{from}` minus `{taken}`"), zh: format!("`{from}` 减 `{taken}`") }
        }
    }
}

fn listed(values: &[Literal]) -> Text {
    const SHOWN_MAX: usize = 10;
    let all: Vec<String> = values.iter().take(SHOWN_MAX).map(written).collect();
    let more = if values.len() > SHOWN_MAX { ", …" } else { "" };
    Text { en: format!("{}{more}", all.join(", ")), zh: format!("{}{more}", all.join("、")) }
}

fn written(literal: &Literal) -> String {
    match literal {
        Literal::Text(text) | Literal::Number(text) => format!("`{text}`"),
        Literal::Bool(is) => format!("`{is}`"),
    }
}

fn names(fields: &[Pointer], between: &str) -> String {
    fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(between)
}
