//! Protobuf contracts: the rules of `buf breaking`, by its names and categories, with messages that show what they say.
//!
//! The rules and the categories that each is in are those of buf 1.75 (`buf config ls-breaking-rules`, <https://buf.build/docs/breaking/rules>);
//! `sdk/compat/protobuf.toml` holds them.
//!
//! # Invariants
//! - A witness was written with the old descriptors and read with the new ones before it is reported.
//! - All rules are judged; those of the category that was promised, and the loss of a call, ask for a
//!   major version, the others for a minor one.

mod files; // the `.proto` files of a version, compiled in memory
mod rules; // what each rule asks
mod show; // a message that the new version reads otherwise

use crate::{
    change::{Change, page, pages},
    doubt::Cause,
    side::Side,
    verdict::{Bump, Inclusion, Proof, Verdict, Witness},
};
use guiju_model::{Kind, Text};
use prost::Message;

pub(crate) use files::Files;

/// The category whose rules ask for a major version, where the version does not name another.
const DEFAULT: &str = "WIRE_JSON";
/// These break callers whatever the category is: who calls what is gone is told that it is not implemented.
const CALLS: [&str; 3] = ["PACKAGE_NO_DELETE", "PACKAGE_SERVICE_NO_DELETE", "RPC_NO_DELETE"];
const CATEGORIES: [&str; 4] = ["FILE", "PACKAGE", "WIRE_JSON", "WIRE"];

pub(crate) fn compare(old: &Side, new: &Side, one: &Files, other: &Files) -> Verdict {
    let category = one.category.as_deref().unwrap_or(DEFAULT);
    let steps = pages().filter(|page| !page.categories.is_empty()).count() as u64;
    let broken = rules::broken(one, other);
    let parts = one.messages().len() + one.enums().len();
    let mut changes: Vec<Change> = broken.iter().map(|found| change(found, one, other, category)).collect();
    changes.sort_by(|a, b| b.bump.cmp(&a.bump).then_with(|| a.code.cmp(&b.code)));
    let breaks = |change: &&Change| change.bump == Some(Bump::Major);
    let shown = changes.iter().filter(breaks).find_map(|change| change.witness.clone());
    let old_in_new = match (shown, changes.iter().find(breaks)) {
        (Some(witness), _) => Inclusion::NotIncluded(Box::new(witness)),
        (None, Some(change)) => Inclusion::Undecided(Cause::NoMessage(change.code.clone()).into()),
        (None, None) => Inclusion::Included(Proof::compared(steps, parts)),
    };
    let is_same = plain(one) == plain(other);
    let new_in_old = match is_same {
        true => Inclusion::Included(Proof::compared(steps, parts)),
        false => Inclusion::Undecided(Cause::OtherDescriptors.into()),
    };
    let bump = changes.iter().filter_map(|change| change.bump).max();
    let bump = bump.unwrap_or(if is_same { Bump::Patch } else { Bump::Minor });
    Verdict {
        old: old.name.clone(),
        new: new.name.clone(),
        kind: Kind::Contract,
        reading: vec![format!("protobuf rules of {category}")],
        bump: Some(bump),
        old_in_new,
        new_in_old,
        changes,
        forbidden: false,
    }
}

fn change(found: &rules::Broken, one: &Files, other: &Files, category: &str) -> Change {
    let categories = page(found.rule).map(|page| page.categories.clone()).unwrap_or_default();
    let is_promised = categories.iter().any(|own| own == category) || CALLS.contains(&found.rule);
    let bump = if is_promised { Bump::Major } else { Bump::Minor };
    let told = categories.join(", ");
    let detail = Text { en: format!("{} ({told})", found.detail.en), zh: format!("{}（{told}）", found.detail.zh) };
    let mut change = Change::new(found.rule, [found.old.clone(), found.new.clone()], detail, Some(bump));
    let is_on_wire = categories.iter().any(|own| own == "WIRE" || own == "WIRE_JSON");
    let record = is_on_wire.then(|| show::message(&found.about, one, other)).flatten();
    change.witness = record.map(|record| Witness { record, day: None, refused_for: Vec::new() });
    change
}

/// The descriptors without comments and places.
fn plain(files: &Files) -> Vec<Vec<u8>> {
    let bare = files.own.iter().map(|file| {
        let mut file = file.clone();
        file.source_code_info = None;
        file.encode_to_vec()
    });
    bare.collect()
}
