//! Strings: automata decide patterns and lengths; formats are tried on samples and never presumed.

use super::{Best, Leaf, Outcome, Solver, closed, is_positive, node_of};
use crate::{
    doubt::{Cause, Doubt},
    formats,
    normal::Node,
    proof::Step,
    text::{Strings, Wanted},
};
use serde_json::Value;

/// Texts of which some have, and some lack, any of the usual formats.
pub(crate) const SAMPLES: &[&str] = &[
    "",
    "a",
    "!",
    "0",
    " ",
    "2026-11-23",
    "2026-11-23T08:00:00Z",
    "2026-11-23T08:00:00+08:00",
    "08:00:00Z",
    "08:00:00",
    "P1D",
    "PT1S",
    "a@b.cn",
    "a.cn",
    "example",
    "127.0.0.1",
    "::1",
    "http://a.cn/",
    "http://a.cn/b?c#d",
    "/a",
    "#a",
    "a/b",
    "urn:a:b",
    "2eb8aa08-aa98-11ea-b4aa-73b441d16380",
    "/a/b",
    "0/a",
    "^a$",
    "[",
    "{a}",
    "http://a.cn/{b}",
    "{",
    "a b",
    "\\",
    "<>",
    "%",
    "2026-02-30",
    "25:00:00Z",
    "256.0.0.1",
    "a@",
    "-a",
    "中文",
    "中文.cn",
    "110105190306151235",
    "91110000600037341L",
    "20261123",
    "-0.50",
    "01",
    "010-12345678",
    "0123456789",
    "012345678901",
    "0123456789012",
    "01234567890123",
    "0123456789012345678901",
    "012345678901234567890123",
    "100020",
    "1064912345678",
    "110100",
    "110105",
    "110105001",
    "110105001001",
    "110105001002GB00001F00010001",
    "11010519030615003X",
    "12345678",
    "1234567890",
    "13800138000",
    "1440112345678",
    "19900000000",
    "1M8GDM9AXKP042788",
    "2024-02-29",
    "2026-11-01",
    "2026-11-01T08:30:00+08:00",
    "2026-11-01T08:30:00.123456789Z",
    "20261101",
    "20261101083000",
    "4403070030030400042",
    "4403070030030400042000003",
    "600037341",
    "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
    "71526726X",
    "9144030071526726XG",
    "931156190306150017",
    "999077",
    "A",
    "C12345678",
    "CA1234567",
    "E12345678",
    "EA1234567",
    "FRA110005061518",
    "H12345678",
    "M1234567801",
    "京A12345",
    "京AD12345",
    "欧阳娜娜",
    "王芳",
    "e30=",
    "{}",
    "{\"a\": 1}",
    "ew==",
    "not base64!",
];

/// Space added to a sample that is too short.
const PADDED_MAX: usize = 64;

impl Solver<'_> {
    pub(super) fn string(&mut self, leaf: &Leaf) -> Outcome {
        if let Some(outcome) = self.code(leaf) {
            return outcome;
        }
        let (mut matching, mut failing) = (Vec::new(), Vec::new());
        // What formats say besides: these automata are large, so they come into it only where the others do not settle it.
        let mut formatted = (Vec::new(), Vec::new());
        let (mut length_min, mut length_max) = (0, None::<u64>);
        let mut is_exact = true;
        for literal in &leaf.atoms {
            match (self.graph.node(node_of(*literal)), is_positive(*literal)) {
                (Node::Pattern(pattern), true) => matching.push(pattern.clone()),
                (Node::Pattern(pattern), false) => failing.push(pattern.clone()),
                (Node::Format(format), must) => match formats::language(format) {
                    Some(language) if must => {
                        formatted.0.push(language.pattern.clone());
                        is_exact &= language.is_exact;
                    }
                    Some(language) if language.is_exact => formatted.1.push(language.pattern.clone()),
                    _ => is_exact = false,
                },
                (Node::MinLength(min), true) => length_min = length_min.max(*min),
                (Node::MaxLength(max), false) => length_min = length_min.max(max.saturating_add(1)),
                (Node::MaxLength(max), true) => length_max = Some(length_max.map_or(*max, |known| known.min(*max))),
                (Node::MinLength(0), false) => return closed(Step::Texts(Vec::new())),
                (Node::MinLength(min), false) => {
                    length_max = Some(length_max.map_or(min - 1, |known| known.min(min - 1)))
                }
                _ => is_exact = false,
            }
        }
        let excluded = leaf.excluded.iter().filter_map(|index| self.graph.value(*index).as_str());
        let excluded: Vec<String> = excluded.map(str::to_owned).collect();
        let mut best = Best::default();
        let rounds = if formatted == Default::default() { 1 } else { 2 };
        for round in 0..rounds {
            let wanted = Wanted {
                matching: matching.iter().map(String::as_str).collect(),
                failing: failing.iter().map(String::as_str).collect(),
                length_min,
                length_max,
                excluded: excluded.iter().map(String::as_str).collect(),
            };
            let count = if is_exact && round + 1 == rounds { 1 } else { 12 };
            match self.values.patterns.find(&wanted, count) {
                Strings::Found { strings, are_all } => {
                    let found = self.first(strings.iter().map(|text| Value::from(text.as_str())), leaf);
                    if found.is_some_and(|outcome| best.take(outcome)) {
                        return best.or(|_| Step::Texts(strings));
                    }
                    if are_all {
                        return best.answer.unwrap_or_else(|| closed(Step::Texts(strings)));
                    }
                }
                Strings::Unknown(why) if round == 0 => best.doubt(why),
                Strings::Unknown(_) => {}
            }
            matching.append(&mut formatted.0);
            failing.append(&mut formatted.1);
        }
        let own: Vec<String> =
            self.samples.iter().cloned().chain(SAMPLES.iter().map(|text| (*text).to_owned())).collect();
        let found = self.first(own.iter().map(|text| Value::from(text.as_str())), leaf);
        let is_sure = found.is_some_and(|outcome| best.take(outcome));
        // Of identifiers, how others write them.
        if !is_sure && rounds > 1 {
            let padded = own.iter().filter_map(|text| {
                let more = usize::try_from(length_min).ok()?.checked_sub(text.chars().count())?;
                (1..=PADDED_MAX).contains(&more).then(|| format!("{text}{}", " ".repeat(more)))
            });
            let spelled = own.iter().flat_map(|text| formats::spellings(text)).chain(padded);
            let spelled: Vec<Value> = spelled.map(Value::from).collect();
            self.first(spelled, leaf).map(|outcome| best.take(outcome));
        }
        let doubt = leaf
            .atoms
            .iter()
            .find(|literal| matches!(self.graph.node(node_of(**literal)), Node::Format(_) | Node::Opaque { .. }));
        best.doubt(doubt.map_or(Doubt::from(Cause::AnyText), |literal| self.name(node_of(*literal))));
        best.or(|_| Step::Texts(Vec::new()))
    }

    /// Where a text must be a code of a list, what stands for a code of the shortest such list is all there is.
    fn code(&mut self, leaf: &Leaf) -> Option<Outcome> {
        let lists = leaf.atoms.iter().filter_map(|literal| {
            match (self.graph.node(node_of(*literal)), is_positive(*literal)) {
                (Node::Listed(index), true) => Some((*literal, &self.graph.listed(*index).codes)),
                // Only of a code of the list it is said when it is valid.
                (Node::Dated(index), false) => Some((*literal, &self.graph.dated(*index).codes)),
                _ => None,
            }
        });
        let (asked, codes) = lists.min_by_key(|(_, codes)| codes.list().rows().len())?;
        let codes = codes.clone();
        let mut best = Best::default();
        for text in codes.texts() {
            if let Some(outcome) = self.first([Value::from(text)], leaf)
                && best.take(outcome)
            {
                break;
            }
        }
        Some(best.or(|_| Step::Codes(asked)))
    }
}
