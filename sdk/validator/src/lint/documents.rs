//! Following references through a bundle.

use guiju_model::{Bundle, Content, Digest, Kind, read_json};
use serde_json::Value;
use std::collections::BTreeMap;

/// The schemas of a bundle, read.
pub(crate) struct Documents<'b> {
    bundle: &'b Bundle,
    values: BTreeMap<Digest, Value>,
}

/// A schema and the document it stands in.
#[derive(Clone, Copy)]
pub(crate) struct Schema<'d> {
    pub home: Digest,
    pub value: &'d Value,
}

/// References followed one behind the other; a longer chain is a loop.
const HOPS_MAX: usize = 32;

impl<'b> Documents<'b> {
    pub fn of(bundle: &'b Bundle) -> Self {
        let read = |(digest, content): (Digest, &Content)| {
            let bytes = content.document().filter(|_| content.manifest.kind != Kind::CodeList)?;
            Some((digest, read_json(bytes).ok()?))
        };
        Self { bundle, values: bundle.by_digest().filter_map(read).collect() }
    }

    pub fn root(&self) -> Option<Schema<'_>> {
        let home = self.bundle.digest();
        Some(Schema { home, value: self.values.get(&home)? })
    }

    /// What `$ref` of this schema leads to.
    fn target(&self, schema: Schema<'_>) -> Option<Schema<'_>> {
        let reference = schema.value.get("$ref")?.as_str()?;
        let (written, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let home = match written.strip_prefix("guiju:") {
            None if written.is_empty() => schema.home,
            None => return None,
            Some(written) => self.bundle.dependency(self.bundle.get(&schema.home)?, written)?.0,
        };
        Some(Schema { home, value: self.values.get(&home)?.pointer(fragment)? })
    }

    /// The schema and all that always judge the same value: behind `$ref`, in `allOf`.
    pub fn always<'d>(&'d self, schema: Schema<'d>) -> Vec<Schema<'d>> {
        self.beside(schema, &["allOf"], &[])
    }

    /// The schema and all that may judge the same value.
    pub fn perhaps<'d>(&'d self, schema: Schema<'d>) -> Vec<Schema<'d>> {
        self.beside(schema, &["allOf", "anyOf", "oneOf"], &["if", "then", "else"])
    }

    fn beside<'d>(&'d self, schema: Schema<'d>, lists: &[&str], singles: &[&str]) -> Vec<Schema<'d>> {
        let mut all: Vec<Schema<'d>> = vec![schema];
        let mut next = 0;
        while next < all.len() && all.len() < HOPS_MAX * HOPS_MAX {
            let Schema { home, value } = all[next];
            let parts = lists.iter().filter_map(|name| value.get(name)?.as_array()).flatten();
            let parts = parts.chain(singles.iter().filter_map(|name| value.get(name)));
            let parts = parts.map(|value| Schema { home, value }).chain(self.target(all[next]));
            for part in parts.collect::<Vec<_>>() {
                if !all.iter().any(|known| std::ptr::eq(known.value, part.value)) {
                    all.push(part);
                }
            }
            next += 1;
        }
        all
    }

    /// The schemas that a member of an object, or an item of an array, is declared by.
    pub fn declared<'d>(&'d self, schema: Schema<'d>, token: &str) -> Vec<Schema<'d>> {
        self.perhaps(schema)
            .into_iter()
            .flat_map(|Schema { home, value }| {
                let named = value.get("properties").and_then(|all| all.get(token));
                let matched = value.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
                let matched = matched
                    .filter(|(pattern, _)| crate::pattern::compile(pattern).is_ok_and(|regex| regex.is_match(token)))
                    .map(|(_, schema)| schema);
                let is_index = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
                let items = value.get("items").filter(|_| is_index);
                named
                    .into_iter()
                    .chain(matched)
                    .chain(items)
                    .map(move |value| Schema { home, value })
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Whether a pointer from this object leads to a declared field.
    pub fn leads(&self, schema: Schema<'_>, pointer: &str) -> bool {
        let Some(pointer) = crate::record::Pointer::parse(pointer) else { return false };
        let mut at = vec![schema];
        for token in pointer.tokens() {
            at = at.iter().flat_map(|schema| self.declared(*schema, token)).collect();
        }
        !at.is_empty()
    }
}
