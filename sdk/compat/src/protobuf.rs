//! Protobuf contracts: the rules of `buf breaking`, by its names and categories, with messages that show what they say.
//!
//! The rules and the categories that each is in are those of buf 1.75 (`buf config ls-breaking-rules`, <https://buf.build/docs/breaking/rules>);
//! `sdk/compat/protobuf.toml` holds them.
//!
//! # Invariants
//! - A witness was read with the descriptors of both versions, as the readers of protobuf do, before it is reported, and they
//!   saw different things in it.
//! - All rules are judged; those of the category that was promised, and the loss of a call, ask for a
//!   major version, the others for a minor one.
//! - What asks for a minor version is told, too: what the new version has besides has codes of our own, `proto-…-added`.

mod added; // what the new version has besides
mod files; // the `.proto` files of a version, compiled in memory
mod read; // what a reader sees in a message
mod rules; // what each rule asks
mod show; // a message in which the versions see something else

use crate::{
    change::{Change, page, pages},
    doubt::Cause,
    side::Side,
    verdict::{Bump, Inclusion, Proof, Verdict, Witness},
};
use guiju_model::{Kind, Text};

pub(crate) use files::Files;

/// The category whose rules ask for a major version, where the version does not name another.
const DEFAULT: &str = "WIRE_JSON";
/// These break callers whatever the category is: who calls what is gone is told that it is not implemented.
const CALLS: [&str; 3] = ["PACKAGE_NO_DELETE", "PACKAGE_SERVICE_NO_DELETE", "RPC_NO_DELETE"];
/// What is left: an enum that nobody uses begins with another value, files are imported for others.
const OTHERWISE: &str = "proto-changed-otherwise";
const CATEGORIES: [&str; 4] = ["FILE", "PACKAGE", "WIRE_JSON", "WIRE"];

pub(crate) fn compare(old: &Side, new: &Side, one: &Files, other: &Files) -> Verdict {
    let category = one.category.as_deref().unwrap_or(DEFAULT);
    let steps = pages().filter(|page| !page.categories.is_empty()).count() as u64;
    let parts = one.messages().len() + one.enums().len();
    let mut changes: Vec<Change> =
        rules::broken(one, other).iter().map(|found| change(found, one, other, category)).collect();
    changes.extend(added::added(one, other).iter().map(|found| gained(found, one, other)));
    let is_same = added::plain(one) == added::plain(other);
    if !is_same && !changes.iter().any(|change| change.bump >= Some(Bump::Minor)) {
        changes.push(Change::new(OTHERWISE, [None, None], Text::default(), Some(Bump::Minor)));
    }
    changes.sort_by(|a, b| b.bump.cmp(&a.bump).then_with(|| a.code.cmp(&b.code)));
    let breaks = |change: &&Change| change.bump == Some(Bump::Major);
    let shown = changes.iter().filter(breaks).find_map(|change| change.witness.clone());
    let old_in_new = match (shown, changes.iter().find(breaks)) {
        (Some(witness), _) => Inclusion::NotIncluded(Box::new(witness)),
        (None, Some(change)) => Inclusion::Undecided(Cause::NoMessage(change.code.clone()).into()),
        (None, None) => Inclusion::Included(Proof::compared(steps, parts)),
    };
    let given = changes.iter().filter(|change| change.code.starts_with("proto-"));
    let given = given.filter_map(|change| change.witness.clone()).next();
    let new_in_old = match (is_same, given) {
        (true, _) => Inclusion::Included(Proof::compared(steps, parts)),
        (false, Some(witness)) => Inclusion::NotIncluded(Box::new(witness)),
        (false, None) => Inclusion::Undecided(Cause::OtherDescriptors.into()),
    };
    let bump = changes.iter().filter_map(|change| change.bump).max().unwrap_or(Bump::Patch);
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

/// What the new version has besides. A reservation gives nobody anything to say.
fn gained(found: &rules::Broken, one: &Files, other: &Files) -> Change {
    let bump = if found.rule == "proto-reservation-added" { Bump::Patch } else { Bump::Minor };
    let mut change = Change::new(found.rule, [found.old.clone(), found.new.clone()], found.detail.clone(), Some(bump));
    let record = show::gained(&found.about, one, other);
    change.witness = record.map(|record| Witness { record, day: None, refused_for: Vec::new() });
    change
}
