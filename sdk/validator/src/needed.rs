//! What of a bundle's documents a standard needs: all of its own, and of others the definitions that are referred to.
//!
//! Most standards take a few of many common types; to compile the others would take longer than all else.
//!
//! # Invariants
//! - Nothing of the root is left out, so its author hears of every fault. Who wrote a definition of another standard that nothing
//!   leads to hears of its faults on compiling that standard.
//! - A reference leads to what it leads to in the whole documents. Where its text alone does not tell (anchors, identifiers,
//!   other dialects, what is not there), documents are left whole.

use crate::{
    json::{Document, Node},
    plain::DIALECT,
    survey::Source,
};
use guiju_model::Digest;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A document of a bundle, with what makes a [`Source`] of it.
pub(crate) struct Given<'b> {
    document: Document<'b>,
    label: String,
    pub targets: BTreeMap<String, String>,
    pub lists: BTreeMap<String, Digest>,
    /// Whether the text of a reference into it tells what is meant.
    is_simple: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'d> {
    Whole,
    /// All but the definitions.
    Body,
    Definition(&'d str),
}

type Parts<'d> = BTreeMap<&'d str, BTreeSet<Part<'d>>>;

/// What is needed of all documents, by URI. One of which nothing is needed is left out.
pub(crate) fn sources(all: BTreeMap<String, Given<'_>>, root: &str) -> BTreeMap<String, Source> {
    let needed = needed(&all, root).into_iter();
    let mut values: BTreeMap<String, Value> =
        needed.map(|(uri, parts)| (uri.to_owned(), all[uri].value(&parts))).collect();
    let source = |(uri, Given { label, targets, lists, .. })| {
        let value = values.remove(&uri)?;
        Some((uri, Source { value, label, targets, lists }))
    };
    all.into_iter().filter_map(source).collect()
}

fn needed<'d>(all: &'d BTreeMap<String, Given<'_>>, root: &'d str) -> Parts<'d> {
    let (mut found, mut pending) = (Parts::new(), vec![(root, Part::Whole)]);
    while let Some((uri, part)) = pending.pop() {
        if !found.entry(uri).or_default().insert(part) {
            continue;
        }
        for written in all[uri].references(part) {
            match lead(all, uri, written) {
                Some(to) => pending.push(to),
                None => pending.extend(all.keys().map(|uri| (&**uri, Part::Whole))),
            }
        }
    }
    found
}

/// Where a reference leads; none where its text does not tell.
fn lead<'d>(all: &'d BTreeMap<String, Given<'_>>, from: &'d str, written: &'d str) -> Option<(&'d str, Part<'d>)> {
    let (standard, fragment) = written.split_once('#').unwrap_or((written, ""));
    let uri = match standard {
        "" => from,
        other => all[from].targets.get(other.strip_prefix("guiju:")?)?,
    };
    Some((uri, all.get(uri)?.part(fragment)))
}

impl<'b> Given<'b> {
    pub fn new(document: Document<'b>, label: String) -> Self {
        let is_told = |(name, value): (&str, Node<'_>)| match name {
            "$schema" => value.text() == Some(DIALECT),
            "$comment" | "$defs" | "$ref" => true,
            other => !other.starts_with('$'),
        };
        let root = document.root();
        let is_simple = root.member("$schema").is_some() && root.members_below().all(is_told);
        Self { document, label, targets: BTreeMap::new(), lists: BTreeMap::new(), is_simple }
    }

    fn part<'d>(&self, fragment: &'d str) -> Part<'d> {
        let mut within = fragment.strip_prefix("/$defs/").into_iter().flat_map(|rest| rest.split('/'));
        let name = within.next().filter(|name| !name.contains(['%', '~']));
        // Where nothing is, the fault names all that is defined.
        let found = name.and_then(|name| within.try_fold(self.definition(name)?, Node::member));
        match name {
            _ if !self.is_simple => Part::Whole,
            Some(name) if found.is_some() => Part::Definition(name),
            None if fragment.is_empty() => Part::Body,
            _ => Part::Whole,
        }
    }

    fn definition(&self, name: &str) -> Option<Node<'_>> {
        self.document.root().member("$defs")?.member(name)
    }

    /// What a part refers to, as written.
    fn references(&self, part: Part<'_>) -> impl Iterator<Item = &str> {
        let (root, definitions) = (self.document.root(), self.document.root().member("$defs"));
        let (within, without) = match part {
            Part::Whole => (Some(root), None),
            Part::Body => (Some(root), definitions),
            Part::Definition(name) => (self.definition(name), None),
        };
        let members = within.into_iter().flat_map(Node::members_below);
        let members = members.filter(move |(_, value)| !without.is_some_and(|without| without.holds(*value)));
        members
            .filter(|(name, _)| matches!(*name, "$ref" | "$dynamicRef" | "$recursiveRef"))
            .filter_map(|(_, value)| value.text())
    }

    fn value(&self, parts: &BTreeSet<Part<'_>>) -> Value {
        let root = self.document.root();
        if parts.contains(&Part::Whole) {
            return root.value();
        }
        let is_needed = |name: &str| match name {
            "$schema" | "x-guiju" => true,
            "$defs" => false,
            _ => parts.contains(&Part::Body),
        };
        let owned = |(name, value): (&str, Node<'_>)| (name.to_owned(), value.value());
        let mut members: Map<String, Value> = root.members().filter(|(name, _)| is_needed(name)).map(owned).collect();
        let definitions = root.member("$defs").into_iter().flat_map(Node::members);
        let definitions = definitions.filter(|(name, _)| parts.contains(&Part::Definition(name)));
        members.insert("$defs".into(), Value::Object(definitions.map(owned).collect()));
        Value::Object(members)
    }
}
