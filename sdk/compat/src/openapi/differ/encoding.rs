//! `encoding`: how the members of a form are written. What a member is follows from its schema and is asked there.

use super::{Differ, said};
use crate::{
    openapi::{Contract, schemas::Which},
    verdict::Bump,
};
use guiju_validator::openapi::{Direction, Media};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const FORM: &str = "application/x-www-form-urlencoded";
/// References followed to a header.
const HOPS_MAX: usize = 32;

/// How one member is written.
#[derive(Clone, Debug, Default, PartialEq)]
struct Encoding {
    /// None: what follows from the schema.
    media_types: Option<BTreeSet<String>>,
    /// Style, and what belongs to it, where they are said or hold by default.
    written: Map<String, Value>,
    /// By name in small letters.
    headers: BTreeMap<String, Value>,
    /// What the headers refer to, where they do.
    beside: Option<Value>,
}

impl Differ<'_> {
    /// Where a member of a form is written otherwise, only more, or fewer, media types for it are decided.
    pub(super) fn encodings(&mut self, direction: Direction, media: &str, [own, next]: [&Media; 2], label: &str) {
        if media != FORM && !media.starts_with("multipart/") {
            return;
        }
        let (old, new) = (self.questions.old, self.questions.new);
        let (old, new) = (encodings(old, own, media), encodings(new, next, media));
        let plain = plain(media);
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let (one, other) = (old.get(name).unwrap_or(&plain), new.get(name).unwrap_or(&plain));
            if one == other {
                continue;
            }
            let place = |which: Which, media: &Media| {
                let place = format!("{}/encoding/{}", media.place, name.replace('~', "~0").replace('/', "~1"));
                let is_there = self.questions.contract(which).api.document.pointer(&place).is_some();
                Some(if is_there { place } else { media.place.clone() })
            };
            let places = [place(Which::Old, own), place(Which::New, next)];
            let (reads, writes) = if direction == Direction::Request { (other, one) } else { (one, other) };
            let is_same_but = Encoding { media_types: reads.media_types.clone(), ..writes.clone() } == *reads;
            let takes_more = match (&writes.media_types, &reads.media_types) {
                (Some(writes), Some(reads)) => is_same_but && writes.is_subset(reads),
                _ => false,
            };
            if takes_more {
                let code =
                    if direction == Direction::Request { "request-body-widened" } else { "response-body-narrowed" };
                let detail = said(
                    format!("other media types of `{name}` (`encoding`)"),
                    format!("“{name}”的媒体类型改变（`encoding`）"),
                );
                self.tell(code, places, detail, Some(Bump::Minor), label, |_| None);
                continue;
            }
            let code = if direction == Direction::Request { "undecided-narrowed" } else { "undecided-widened" };
            let detail = said(
                format!("`{name}` is written otherwise in a form (`encoding`)"),
                format!("表单中“{name}”的书写方式改变（`encoding`）"),
            );
            self.tell(code, places, detail, None, label, |_| None);
        }
    }
}

/// What holds of a member of which nothing is said.
fn plain(media: &str) -> Encoding {
    match media {
        FORM => encoding(&Value::Object(Map::new()), media, &Value::Null),
        _ => Encoding::default(),
    }
}

fn encodings(contract: &Contract, media: &Media, name: &str) -> BTreeMap<String, Encoding> {
    let document = &contract.api.document;
    let all = document.pointer(&format!("{}/encoding", media.place)).and_then(Value::as_object);
    let each = all.into_iter().flatten();
    each.map(|(member, said)| (member.clone(), encoding(said, name, document))).collect()
}

fn encoding(said: &Value, media: &str, document: &Value) -> Encoding {
    let types = said.get("contentType").and_then(Value::as_str);
    let media_types =
        types.map(|types| types.split(',').map(|name| name.trim().to_ascii_lowercase()).collect::<BTreeSet<_>>());
    let mut written = Map::new();
    for member in ["style", "explode", "allowReserved"] {
        written.extend(said.get(member).map(|value| (member.to_owned(), value.clone())));
    }
    if media == FORM {
        let style = written.entry("style").or_insert_with(|| "form".into()).clone();
        written.entry("explode").or_insert_with(|| (style == "form").into());
        written.entry("allowReserved").or_insert_with(|| false.into());
        return Encoding { media_types, written, ..Encoding::default() };
    }
    let headers = said.get("headers").and_then(Value::as_object).into_iter().flatten();
    // What the part itself says is not said by a header.
    let headers = headers.filter(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    let headers: BTreeMap<String, Value> =
        headers.map(|(name, header)| (name.to_ascii_lowercase(), without_words(header, document))).collect();
    let refers = headers.values().any(|header| header.to_string().contains("\"$ref\""));
    let beside = refers.then(|| document.get("components").cloned()).flatten();
    Encoding { media_types, written, headers, beside }
}

/// A header, or what it refers to, without what only describes it.
fn without_words(header: &Value, document: &Value) -> Value {
    let mut header = header;
    for _ in 0..HOPS_MAX {
        let target = header.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        let Some(target) = target.and_then(|pointer| document.pointer(pointer)) else { break };
        header = target;
    }
    let mut header = header.clone();
    if let Some(members) = header.as_object_mut() {
        members.retain(|name, _| !matches!(name.as_str(), "description" | "example" | "examples"));
    }
    header
}
