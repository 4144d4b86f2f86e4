//! Where operations are offered: addresses with a text for each variable whose texts are listed.

use super::{Differ, label, said};
use crate::{
    openapi::{Contract, schemas::Which},
    verdict::Bump,
};
use guiju_model::Text;
use guiju_validator::openapi::Operation;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Addresses that one `url` with variables may stand for; where there are more, variables are compared as they are written.
const ADDRESSES_MAX: usize = 256;

/// The addresses, and the one that is meant where nobody chooses.
#[derive(Default)]
struct Servers {
    addresses: BTreeSet<String>,
    defaults: BTreeMap<String, String>,
}

impl Differ<'_> {
    /// Those of the whole contract.
    pub fn servers(&mut self) {
        self.moved_between(["/servers".to_owned(), "/servers".to_owned()], "");
    }

    /// Those of an operation or its path, where either version names any there.
    pub(super) fn servers_of(&mut self, before: &Operation, after: &Operation) {
        let places = [home(self.questions.old, before), home(self.questions.new, after)];
        if places.iter().any(|place| place != "/servers") {
            self.moved_between(places, &label(before));
        }
    }

    fn moved_between(&mut self, places: [String; 2], label: &str) {
        let of = |which: Which, place: &str| servers(self.questions.contract(which).api.document.pointer(place));
        let (old, new) = (of(Which::Old, &places[0]), of(Which::New, &places[1]));
        let lacks = |from: &Servers, to: &Servers| -> Vec<String> {
            let is_there =
                |address: &&String| to.addresses.iter().any(|other| *address == other || holds(other, address));
            from.addresses.iter().filter(|address| !is_there(address)).map(|address| format!("`{address}`")).collect()
        };
        let listed = |all: &[String]| said(all.join(", "), all.join("、"));
        let places = places.map(Some);
        for (code, found) in [("server-removed", lacks(&old, &new)), ("server-added", lacks(&new, &old))] {
            if !found.is_empty() {
                self.tell(code, places.clone(), listed(&found), Some(Bump::Minor), label, |_| None);
            }
        }
        for (url, was) in &old.defaults {
            if let Some(is) = new.defaults.get(url).filter(|is| *is != was) {
                let detail: Text =
                    said(format!("`{url}`: `{was}` became `{is}`"), format!("`{url}`：由 `{was}` 变为 `{is}`"));
                self.tell("default-changed", places.clone(), detail, Some(Bump::Minor), label, |_| None);
            }
        }
    }
}

/// Where the servers of an operation are said: at itself, its path, or the whole contract.
fn home(contract: &Contract, operation: &Operation) -> String {
    let item = operation.place.rsplit_once('/').map_or("", |(item, _)| item);
    let path = format!("/paths/{}", operation.path.replace('~', "~0").replace('/', "~1"));
    let all = [operation.place.as_str(), item, &path].map(|place| format!("{place}/servers"));
    let said = |place: &String| contract.api.document.pointer(place).and_then(Value::as_array);
    let found = all.into_iter().find(|place| said(place).is_some_and(|servers| !servers.is_empty()));
    found.unwrap_or_else(|| "/servers".to_owned())
}

fn servers(all: Option<&Value>) -> Servers {
    let mut found = Servers::default();
    for server in all.and_then(Value::as_array).into_iter().flatten() {
        let Some(url) = server.get("url").and_then(Value::as_str) else { continue };
        let mut addresses = vec![url.to_owned()];
        let mut default = url.to_owned();
        for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
            let place = format!("{{{name}}}");
            if !url.contains(&place) {
                continue;
            }
            let text = variable.get("default").and_then(Value::as_str).unwrap_or_default();
            default = default.replace(&place, text);
            let texts = variable.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let texts: Vec<&str> = texts.collect();
            if texts.is_empty() {
                addresses.iter_mut().for_each(|address| *address = address.replace(&place, "{}"));
                continue;
            }
            addresses = match addresses.len() * texts.len() <= ADDRESSES_MAX {
                true => addresses.iter().flat_map(|own| texts.iter().map(|text| own.replace(&place, text))).collect(),
                false => addresses.iter().map(|own| own.replace(&place, &format!("({})", texts.join("|")))).collect(),
            };
        }
        if default != url {
            found.defaults.insert(url.to_owned(), default);
        }
        found.addresses.extend(addresses);
    }
    if found.addresses.is_empty() {
        found.addresses.insert("/".to_owned());
    }
    found
}

/// Whether an address is one of those that `{}` leaves open.
fn holds(open: &str, address: &str) -> bool {
    let Some((start, rest)) = open.split_once("{}") else { return false };
    let Some(mut left) = address.strip_prefix(start) else { return false };
    let parts: Vec<&str> = rest.split("{}").collect();
    for (at, part) in parts.iter().enumerate() {
        // A variable is at least one sign.
        let is_last = at + 1 == parts.len();
        let found = left.char_indices().skip(1).map(|(at, _)| at).chain([left.len()]);
        let found = found
            .filter(|at| *at > 0)
            .find(|at| left[*at..].starts_with(part) && (!is_last || left.len() - at == part.len()));
        let Some(end) = found else { return false };
        left = &left[end + part.len()..];
    }
    true
}
