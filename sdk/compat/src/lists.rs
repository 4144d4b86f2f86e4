//! Code lists: exact, by set difference of codes and days.
//!
//! A code that is the same word for something else breaks whoever has it in a record, though the list admits it still: such
//! changes ask for a bump of their own. A withdrawn code that comes back for something else is refused under any number.

use crate::{
    change::Change,
    doubt::Cause,
    side::{Side, lost_day},
    verdict::{Bump, Inclusion, Proof, Verdict, Witness},
};
use guiju_model::{Code, CodeList, CodeRow, Date, Digest, Text};
use semver::Version;
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

/// Changes told of one kind; the bump counts all.
const TOLD_MAX: usize = 100;

pub(crate) fn compare(old: &Side, new: &Side) -> Verdict {
    let (Some(one), Some(other)) = (&old.list, &new.list) else {
        let why = Inclusion::Undecided(Cause::NoCodes.into());
        return Verdict::of(old, new, why.clone(), why, Vec::new());
    };
    let lost = lost(one, other, old, new, true);
    let gained = self::lost(other, one, new, old, false);
    let inclusion = |changes: &[Change], list: &CodeList| match changes.iter().find_map(|change| change.witness.clone())
    {
        Some(witness) => Inclusion::NotIncluded(Box::new(witness)),
        None if changes.is_empty() => Inclusion::Included(Proof::compared(list.rows().len() as u64, list.rows().len())),
        None => Inclusion::Undecided(Cause::CodeJudgedOtherwise.into()),
    };
    let (old_in_new, new_in_old) = (inclusion(&lost, one), inclusion(&gained, other));
    let mut changes: Vec<Change> = lost.into_iter().chain(meanings(one, other)).chain(gained).collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.bump));
    Verdict::of(old, new, old_in_new, new_in_old, changes)
}

/// Codes, and days of codes, that `from` has and `to` has not.
fn lost(from: &CodeList, to: &CodeList, accepts: &Side, refuses: &Side, backward: bool) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for row in from.rows() {
        let Some(day) = lost_day(&row, to) else { continue };
        let is_gone = to.get(row.code()).is_none();
        let code = match (backward, is_gone) {
            (true, true) => "code-removed",
            (true, false) if ends_earlier(&row, to) => "code-withdrawn",
            (true, false) => "code-validity-narrowed",
            (false, true) => "code-added",
            (false, false) => "code-validity-widened",
        };
        if changes.iter().filter(|change| change.code == code).count() >= TOLD_MAX {
            continue;
        }
        let day = (!is_gone).then_some(day);
        let record = Value::from(row.code());
        let is_shown = accepts.accepts(&record, day) && !refuses.accepts(&record, day);
        let bump = if backward { Bump::Major } else { Bump::Minor };
        let place = Some(format!("/{}", row.code()));
        let places = match (backward, is_gone) {
            (true, true) => [place, None],
            (false, true) => [None, place],
            _ => [place.clone(), place],
        };
        let mut change = Change::new(code, places, said(&row, day), Some(bump));
        change.witness = is_shown.then(|| Witness { refused_for: refuses.findings(&record, day), record, day });
        changes.push(change);
    }
    changes
}

fn ends_earlier(row: &CodeRow<'_>, to: &CodeList) -> bool {
    let last = |code: Code<'_>| code.rows().map(|row| row.valid_to()).last().flatten();
    let ends = to.get(row.code()).and_then(last);
    ends.is_some_and(|end| row.valid_to().is_none_or(|own| end < own))
}

fn said(row: &CodeRow<'_>, day: Option<Date>) -> Text {
    let (name_en, name_zh) = (if row.name_en().is_empty() { row.name_zh() } else { row.name_en() }, row.name_zh());
    let (en, zh) = (format!("`{}` ({name_en})", row.code()), format!("“{}”（{name_zh}）", row.code()));
    match day {
        Some(day) => Text { en: format!("{en}, for example on {day}"), zh: format!("{zh}，例如 {day}") },
        None => Text { en, zh },
    }
}

/// Codes that stayed and mean something else, or stand elsewhere; each with a day on which it shows.
fn meanings(old: &CodeList, new: &CodeList) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for row in new.rows() {
        let (Some(before), Some(now)) = (old.get(row.code()), new.get(row.code())) else { continue };
        let (before, now): (Vec<CodeRow<'_>>, Vec<CodeRow<'_>>) = (before.rows().collect(), now.rows().collect());
        let same: Vec<&CodeRow<'_>> = before.iter().filter(|other| overlap(other, &row)).collect();
        let mut found: Vec<Meaning> = match reused(&before, &now, &row) {
            Some(reused) => vec![reused],
            None => same.iter().filter_map(|same| meaning(same, &row)).collect(),
        };
        // Of several rows that it stands for now, each tells the same.
        found.dedup_by(|b, a| (a.code, &a.detail) == (b.code, &b.detail));
        for Meaning { code, bump, detail, day } in found {
            if changes.iter().filter(|change| change.code == code).count() < TOLD_MAX {
                let place = Some(format!("/{}", row.code()));
                // No record shows it: both accept the code on that day, and it does not mean the same.
                changes.push(Change::new(code, [place.clone(), place], on(detail, day), Some(bump)));
            }
        }
    }
    changes
}

/// What became of the meaning of a code.
struct Meaning {
    code: &'static str,
    bump: Bump,
    detail: Text,
    /// None: on any day.
    day: Option<Date>,
}

/// A row that gives a code a new meaning after a time in which the code was withdrawn. What the old version says of that time, or
/// of the time before all that it says, is no new use.
fn reused(before: &[CodeRow<'_>], now: &[CodeRow<'_>], row: &CodeRow<'_>) -> Option<Meaning> {
    let told = |last: &CodeRow<'_>| Meaning {
        code: "code-reused",
        bump: Bump::Major,
        detail: renamed(last, row),
        day: row.valid_from(),
    };
    let ended = |other: &&CodeRow<'_>| match (other.valid_to(), row.valid_from()) {
        (Some(to), Some(from)) => to <= from,
        _ => false,
    };
    if !before.iter().any(|other| overlap(other, row)) {
        return before.iter().rfind(ended).filter(|last| is_other(last, row)).map(told);
    }
    // Withdrawn and used again in one version.
    let is_known = before.iter().any(|other| overlap(other, row) && !is_other(other, row));
    let last = now.iter().rfind(ended).filter(|last| last.valid_to() < row.valid_from())?;
    (!is_known && is_other(last, row)).then(|| told(last))
}

fn on(detail: Text, day: Option<Date>) -> Text {
    match day {
        Some(day) => {
            Text { en: format!("{}, for example on {day}", detail.en), zh: format!("{}，例如 {day}", detail.zh) }
        }
        None => detail,
    }
}

/// What a record standard refers to a list for: of each list that it refers to in both versions, the codes that mean something else now.
pub(crate) fn through(old: &[Referred], new: &[Referred]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for to in new {
        let of_one = |from: &&Referred| from.standard == to.standard && from.place == to.place;
        let from = old.iter().find(of_one).or_else(|| old.iter().find(|from| from.standard == to.standard));
        let Some(from) = from.filter(|from| from.digest != to.digest) else { continue };
        for mut change in meanings(&from.list, &to.list) {
            let place = change.new_place.as_deref().unwrap_or_default();
            if to.leaf_only && !to.list.get(place.trim_start_matches('/')).is_some_and(|code| code.is_leaf()) {
                continue;
            }
            change.message.en = format!("in `{}`: {}", to.standard, change.message.en);
            change.message.zh = format!("“{}”中：{}", to.standard, change.message.zh);
            if changes.iter().any(|known| known.message == change.message) {
                continue;
            }
            (change.old_place, change.new_place) = (Some(from.place.clone()), Some(to.place.clone()));
            changes.push(change);
        }
    }
    changes
}

/// A code list that a record standard refers to.
#[derive(Clone, Debug)]
pub struct Referred {
    pub standard: String,
    pub digest: Digest,
    pub list: Arc<CodeList>,
    pub leaf_only: bool,
    /// Where it does so.
    pub place: String,
}

impl Verdict {
    /// Holds each code that the new list has and the old one has not against what it last was: in the first of the earlier
    /// versions, given from the highest down, that has it. One that was left out for a while is used again all the same.
    pub fn hold_against_earlier<E>(
        &mut self,
        old: &Side,
        new: &Side,
        earlier: impl IntoIterator<Item = Result<(Version, CodeList), E>>,
    ) -> Result<(), E> {
        let (Some(one), Some(other)) = (&old.list, &new.list) else { return Ok(()) };
        let rows = other.rows().filter(|row| one.get(row.code()).is_none());
        let mut open: BTreeSet<&str> = rows.map(|row| row.code()).collect();
        let mut earlier = earlier.into_iter();
        let mut reused = Vec::new();
        while !open.is_empty()
            && let Some(version) = earlier.next()
        {
            let (version, list) = version?;
            open.retain(|code| {
                let Some(last) = list.get(code).and_then(|before| before.rows().last()) else { return true };
                // What is said of the time before is its history, not a new use.
                let is_later = |row: &CodeRow<'_>| match (row.valid_to(), last.valid_from()) {
                    (Some(to), Some(from)) => to > from,
                    _ => true,
                };
                let again = |row: &CodeRow<'_>| is_later(row) && is_other(&last, row);
                if let Some(row) = other.get(code).and_then(|now| now.rows().find(again))
                    && reused.len() < TOLD_MAX
                {
                    let (from, to) = (last.name_zh(), row.name_zh());
                    let en = format!("`{code}` was {from} in {version} and is {to}");
                    let zh = format!("“{code}”在 {version} 中为“{from}”，现为“{to}”");
                    let places = [None, Some(format!("/{code}"))];
                    reused.push(Change::new("code-reused", places, Text { en, zh }, Some(Bump::Major)));
                }
                false
            });
        }
        if !reused.is_empty() {
            (self.forbidden, self.bump) = (true, Some(Bump::Major));
            self.changes.splice(0..0, reused);
        }
        Ok(())
    }
}

fn overlap(one: &CodeRow<'_>, other: &CodeRow<'_>) -> bool {
    let before = |from: Option<Date>, to: Option<Date>| match (from, to) {
        (Some(from), Some(to)) => from < to,
        _ => true,
    };
    before(one.valid_from(), other.valid_to()) && before(other.valid_from(), one.valid_to())
}

fn meaning(old: &CodeRow<'_>, new: &CodeRow<'_>) -> Option<Meaning> {
    let told = |code, bump, detail| Some(Meaning { code, bump, detail, day: old.valid_from().max(new.valid_from()) });
    if is_other(old, new) {
        return told("code-meaning-changed", Bump::Major, renamed(old, new));
    }
    if old.parent() != new.parent() {
        let parent = |row: &CodeRow<'_>| row.parent().unwrap_or("-").to_owned();
        let (from, to) = (parent(old), parent(new));
        let en = format!("`{}` from under `{from}` to under `{to}`", new.code());
        let zh = format!("“{}”的上级由“{from}”改为“{to}”", new.code());
        return told("code-hierarchy-moved", Bump::Minor, Text { en, zh });
    }
    let words = |row: &CodeRow<'_>| {
        let aliases: Vec<String> = row.aliases().map(str::to_owned).collect();
        (row.name_zh().to_owned(), row.name_en().to_owned(), aliases, row.note().to_owned())
    };
    if words(old) != words(new) { told("code-label-corrected", Bump::Patch, renamed(old, new)) } else { None }
}

/// Another name, and the old one is not kept as another word for it.
fn is_other(old: &CodeRow<'_>, new: &CodeRow<'_>) -> bool {
    let plain = |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).collect() };
    plain(old.name_zh()) != plain(new.name_zh()) && !new.aliases().any(|alias| plain(alias) == plain(old.name_zh()))
}

fn renamed(old: &CodeRow<'_>, new: &CodeRow<'_>) -> Text {
    let (code, from, to) = (new.code(), old.name_zh(), new.name_zh());
    if from == to {
        return Text { en: format!("`{code}` ({to})"), zh: format!("“{code}”（{to}）") };
    }
    Text {
        en: format!("`{code}` was {from} and is {to}"), zh: format!("“{code}”原为“{from}”，现为“{to}”")
    }
}
