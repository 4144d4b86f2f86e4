//! Rows, parents, successors and words of a code list.

use super::Found;
use guiju_model::CodeList;
use std::collections::HashMap;

pub(crate) fn check(list: &CodeList, found: &mut Found) {
    names(list, found);
    parents(list, found);
    successors(list, found);
    aliases(list, found);
}

fn names(list: &CodeList, found: &mut Found) {
    let nameless: Vec<&str> = list.rows().filter(|row| row.name_zh().is_empty()).map(|row| row.code()).collect();
    if let Some(first) = nameless.first() {
        found.add("name-zh-missing", "", &[("count", &nameless.len().to_string()), ("code", first)]);
    }
}

fn parents(list: &CodeList, found: &mut Found) {
    let parented = || list.rows().filter_map(|row| Some((row.code(), row.parent()?)));
    let unknown: Vec<(&str, &str)> = parented().filter(|(_, parent)| list.get(parent).is_none()).collect();
    // Where no parent is here at all, the parents are those of another list, as counties are of townships.
    if let [(code, parent), ..] = unknown[..]
        && unknown.len() < parented().count()
    {
        let count = unknown.len().to_string();
        found.add("parent-unknown", "", &[("count", &count), ("code", code), ("parent", parent)]);
    }
    let above: HashMap<&str, &str> = parented().collect();
    if let Some(code) = above.keys().copied().filter(|code| loops(&above, code)).min() {
        found.add("parent-loops", "", &[("code", code)]);
    }
}

fn loops(above: &HashMap<&str, &str>, code: &str) -> bool {
    let ancestors = std::iter::successors(above.get(code), |code| above.get(**code));
    ancestors.take(64).any(|ancestor| *ancestor == code)
}

fn successors(list: &CodeList, found: &mut Found) {
    for row in list.rows() {
        let named = row.note().split([' ', ';', ',']).find_map(|word| word.strip_prefix("successor="));
        for successor in named.into_iter().flat_map(|codes| codes.split('|')) {
            if list.get(successor).is_none() {
                found.add("successor-unknown", "", &[("code", row.code()), ("successor", successor)]);
            }
        }
    }
}

fn aliases(list: &CodeList, found: &mut Found) {
    let mut known: HashMap<String, &str> = HashMap::new();
    for row in list.rows() {
        for alias in row.aliases() {
            let first = *known.entry(alias.to_lowercase()).or_insert(row.code());
            let other = Some(first).filter(|first| *first != row.code());
            let other = other.or_else(|| (alias != row.code() && list.get(alias).is_some()).then_some(alias));
            if let Some(other) = other {
                found.add("alias-ambiguous", "", &[("alias", alias), ("first", other), ("second", row.code())]);
            }
        }
    }
}
