//! Two contracts, operation by operation and part by part.

mod build; // whole messages around a part
mod encoding; // how the parts of a form are written
mod replies; // what is answered
mod requests; // what is asked
mod servers; // where it is asked
mod turned; // webhooks and callbacks

use super::{
    Contract,
    message::{Refusal, operation},
    schemas::{Questions, Schema, Which},
    texts::{Form, Sent},
    wire::takes_body,
};
use crate::{
    change::Change,
    verdict::{Budget, Bump, Inclusion, Proof, Witness},
};
use guiju_model::{Date, Text};
use guiju_validator::openapi::{Direction, In, Operation, Parameter};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) struct Differ<'c> {
    questions: Questions<'c>,
    told: Vec<Told>,
    /// Where what was told before stands in `told`.
    known: BTreeMap<(String, Places, String), usize>,
    /// Whether the old side here is the new version, which asks, and the new side the old one, which answers.
    is_turned: bool,
}

type Places = [Option<String>; 2];

/// A message of one side with this value in the part, where it shows what is said of the part.
type Show<'s, 'c> = dyn FnMut(&mut Differ<'c>, Which, &Value, Option<Date>) -> Option<Witness> + 's;

/// A change, and the operations that it concerns.
struct Told {
    code: String,
    places: Places,
    detail: Text,
    bump: Option<Bump>,
    witness: Option<Witness>,
    first: String,
    count: usize,
}

/// A part of a message that has a schema on both sides.
struct Part<'p> {
    direction: Direction,
    /// The codes for values that are lost and won.
    codes: [&'static str; 2],
    places: Places,
    label: &'p str,
    as_text: AsText<'p>,
}

/// How a value travels as text, if it does.
enum AsText<'p> {
    No,
    /// For the parameter of the old version and of the new.
    Parameters([&'p Parameter; 2]),
    /// In a body of this media type.
    Body(&'p str),
}

impl<'c> Differ<'c> {
    pub fn new(old: &'c Contract, new: &'c Contract, budget: &'c Budget) -> Self {
        Self::asking(Questions::new(old, new, budget), false)
    }

    fn asking(questions: Questions<'c>, is_turned: bool) -> Self {
        Self { questions, told: Vec::new(), known: BTreeMap::new(), is_turned }
    }

    pub fn finished(self) -> (Vec<Change>, Proof) {
        let proof = super::proof(self.questions.steps, self.questions.parts);
        let changes = self.told.into_iter().map(|told| {
            let Told { code, places, detail, bump, witness, first, count } = told;
            let more = count - 1;
            let (en, zh) = match (more, first.is_empty()) {
                (_, true) => (String::new(), String::new()),
                (0, _) => (format!("; {first}"), format!("；{first}")),
                (1, _) => (format!("; {first} and 1 more operation"), format!("；{first} 等 2 个操作")),
                (more, _) => (format!("; {first} and {more} more operations"), format!("；{first} 等 {count} 个操作")),
            };
            let joined = |detail: String, more: &str| {
                let whole = format!("{detail}{more}");
                whole.trim_start_matches("; ").trim_start_matches('；').to_owned()
            };
            let detail = Text { en: joined(detail.en, &en), zh: joined(detail.zh, &zh) };
            let (code, places) = if self.is_turned { turned::named(code, places) } else { (code, places) };
            let mut change = Change::new(&code, places, detail, bump);
            change.witness = witness;
            change
        });
        (changes.collect(), proof)
    }

    /// Tells a change once, whatever the number of operations. A break that no message shows is undecided.
    fn tell(
        &mut self,
        code: &str,
        places: Places,
        detail: Text,
        bump: Option<Bump>,
        label: &str,
        witness: impl FnOnce(&mut Self) -> Option<Witness>,
    ) {
        let key = (code.to_owned(), places.clone(), detail.en.clone());
        if let Some(known) = self.known.get(&key) {
            self.told[*known].count += 1;
            return;
        }
        let bump = if self.is_turned { turned::bump(code, bump) } else { bump };
        // What breaks nobody needs none.
        let witness = if self.is_turned && bump == Some(Bump::Minor) { None } else { witness(self) };
        let (bump, detail) = match (bump, &witness) {
            (Some(Bump::Major), None) => {
                let en = format!("{} (no message was found that shows it)", detail.en).trim_start().to_owned();
                (None, Text { en, zh: format!("{}（未找到能显示它的消息）", detail.zh) })
            }
            (bump, _) => (bump, detail),
        };
        self.known.insert(key, self.told.len());
        self.told.push(Told {
            code: code.to_owned(),
            places,
            detail,
            bump,
            witness,
            first: label.to_owned(),
            count: 1,
        });
    }

    pub fn operations(&mut self) {
        let (old, new) = (&self.questions.old.api, &self.questions.new.api);
        let around = |contract: &Contract| {
            let part = |name: &str| contract.api.document.get(name).cloned();
            let bound = contract.bundle.root().manifest.dependencies.clone();
            (part("components"), part("security"), bound)
        };
        let is_same_around = around(self.questions.old) == around(self.questions.new);
        for before in &old.operations {
            let label = label(before);
            match operation(new, &before.method, &before.shape) {
                None => {
                    let places = [Some(before.place.clone()), None];
                    self.tell("operation-removed", places, Text::default(), Some(Bump::Major), &label, |differ| {
                        let request = differ.request(before, None)?;
                        differ.shown(Which::Old, before, &request, Refusal::NoOperation, None)
                    });
                }
                Some(after) => {
                    if new.document.get("paths").is_none_or(|paths| paths.get(&after.path).is_none()) {
                        let places = [Some(before.place.clone()), Some(after.place.clone())];
                        let detail = said("another path takes its requests", "其请求由另一路径处理");
                        self.tell("operation-removed", places, detail, Some(Bump::Minor), &label, |_| None);
                    }
                    let item =
                        |path: &str, document: &Value| document.get("paths").and_then(|all| all.get(path)).cloned();
                    let is_same = before.path == after.path
                        && item(&before.path, &old.document) == item(&after.path, &new.document);
                    if !(is_same_around && is_same) {
                        self.both(before, after);
                    }
                }
            }
        }
        let mut by_length: BTreeMap<(&str, usize), Vec<&Operation>> = BTreeMap::new();
        for before in &old.operations {
            by_length.entry((&before.method, before.shape.split('/').count())).or_default().push(before);
        }
        for after in &new.operations {
            if operation(old, &after.method, &after.shape).is_some() {
                continue;
            }
            let label = label(after);
            let places = [None, Some(after.place.clone())];
            self.tell("operation-added", places, Text::default(), Some(Bump::Minor), &label, |_| None);
            let likely = by_length.get(&(after.method.as_str(), after.shape.split('/').count()));
            for before in likely.into_iter().flatten() {
                self.taken_over(before, after);
            }
        }
    }

    /// A path that says in words what was a parameter before takes requests from it.
    fn taken_over(&mut self, before: &Operation, after: &Operation) {
        let pairs: Vec<(&str, &str)> = before.shape.split('/').zip(after.shape.split('/')).collect();
        let fits = |(old, new): &(&str, &str)| old == new || (*old == "{}" && !new.contains('{'));
        let is_there = operation(&self.questions.new.api, &before.method, &before.shape).is_some();
        if !is_there || !pairs.iter().all(fits) {
            return;
        }
        let in_path: Vec<Value> = pairs
            .iter()
            .filter(|(old, _)| *old == "{}")
            .map(|(_, new)| if *new == "{}" { Value::Null } else { json!(new) })
            .collect();
        let Some(mut request) = self.request(before, None) else { return };
        for (value, own) in request.in_path.iter_mut().zip(in_path) {
            if !own.is_null() {
                *value = own;
            }
        }
        if !self.questions.refusals(Which::Old, true, &request, None).is_empty() {
            return;
        }
        let places = [Some(before.place.clone()), Some(after.place.clone())];
        let detail = said(
            format!("`{}` took it, `{}` takes it now", before.path, after.path),
            format!("原由 `{}` 处理，现由 `{}` 处理", before.path, after.path),
        );
        let record = Value::Object(request.shown(before));
        let witness = super::witness(record, Vec::new());
        self.tell("path-taken-over", places, detail, Some(Bump::Major), &label(before), |_| Some(witness));
    }

    /// Whether there is any request at all.
    fn can_be_asked(&mut self, operation: &Operation) -> bool {
        let needed: Vec<&Parameter> = operation.parameters.iter().filter(|parameter| parameter.required).collect();
        needed.into_iter().all(|parameter| {
            let schema = self.questions.of_parameter(Which::Old, parameter, Direction::Request);
            !self.questions.is_empty(&schema)
        })
    }

    fn both(&mut self, before: &Operation, after: &Operation) {
        if !self.can_be_asked(before) {
            return;
        }
        self.parameters(before, after);
        self.body(before, after);
        self.responses(before, after);
        self.security(before, after);
        if !self.is_turned {
            self.servers_of(before, after);
        }
        let label = label(before);
        if self.is_newly(before.deprecated, after.deprecated) {
            let places = [Some(before.place.clone()), Some(after.place.clone())];
            self.tell("deprecated", places, Text::default(), Some(Bump::Minor), &label, |_| None);
        }
        let callbacks = |contract: &Contract, operation: &Operation| {
            let own = contract.api.document.pointer(&format!("{}/callbacks", operation.place)).cloned();
            own.map(|own| (own, contract.api.document.get("components").cloned()))
        };
        if self.is_turned && callbacks(self.questions.old, before) != callbacks(self.questions.new, after) {
            let place = |operation: &Operation| Some(format!("{}/callbacks", operation.place));
            let detail = said("callbacks of callbacks are not compared", "不比较回调中的 callbacks");
            self.tell("undecided-narrowed", [place(before), place(after)], detail, None, &label, |_| None);
        }
    }

    /// What a schema against another loses and wins, change by change, each with a message of its own.
    fn schemas(&mut self, part: &Part<'_>, old: &Schema, new: &Schema, show: &mut Show<'_, 'c>) {
        let answer = self.questions.ask(old, new, part.direction);
        // Changes are told from the old version to the new, whichever of them asks.
        let [lost, won] = if self.is_turned { [Bump::Minor, Bump::Major] } else { [Bump::Major, Bump::Minor] };
        let ways = [(Which::Old, &answer.old_in_new, lost), (Which::New, &answer.new_in_old, won)];
        for (from, inclusion, inner_bump) in ways {
            let is_break = (from == Which::Old) == (part.direction == Direction::Request);
            let bump = if is_break { Bump::Major } else { Bump::Minor };
            let code = part.codes[usize::from(from == Which::New)];
            let witness = match inclusion {
                Inclusion::Included(_) => continue,
                Inclusion::Undecided(why) => {
                    let suffix = if from == Which::Old { "undecided-narrowed" } else { "undecided-widened" };
                    let bump = if is_break { None } else { Some(Bump::Minor) };
                    self.tell(suffix, part.places.clone(), why.text(), bump, part.label, |_| None);
                    continue;
                }
                Inclusion::NotIncluded(witness) => witness,
            };
            let mut is_told = false;
            for change in answer.changes.iter().filter(|change| change.bump == Some(inner_bump)) {
                let Some(shown) = &change.witness else { continue };
                let (places, detail) = self.inner(part, change);
                let key = (code.to_owned(), places.clone(), detail.en.clone());
                if self.known.contains_key(&key) {
                    self.tell(code, places, detail, Some(bump), part.label, |_| None);
                    is_told = true;
                    continue;
                }
                let found = show(self, from, &shown.record, shown.day);
                if found.is_some() {
                    self.tell(code, places, detail, Some(bump), part.label, |_| found);
                    is_told = true;
                }
            }
            if is_told {
                continue;
            }
            let whole = show(self, from, &witness.record, witness.day);
            match whole {
                Some(found) => {
                    self.tell(code, part.places.clone(), Text::default(), Some(bump), part.label, |_| Some(found));
                }
                // What differs as a value may be the same as text.
                None => {
                    let found = match self.sent(part, from, old, new) {
                        Sent::AllTaken => continue,
                        Sent::Refused(value) => show(self, from, &value, None),
                        Sent::Unknown => None,
                    };
                    // Where there is but one change, it is that.
                    let mut changes = answer.changes.iter().filter(|change| change.bump == Some(inner_bump));
                    let (places, detail) = match (&found, changes.next(), changes.next()) {
                        (Some(_), Some(change), None) => self.inner(part, change),
                        _ => (part.places.clone(), Text::default()),
                    };
                    self.tell(code, places, detail, Some(bump), part.label, |_| found);
                }
            }
        }
    }

    /// Where a change of a schema stands, and what is said of it.
    fn inner(&self, part: &Part<'_>, change: &Change) -> (Places, Text) {
        let [one, other] = match self.is_turned {
            true => [&change.new_place, &change.old_place],
            false => [&change.old_place, &change.new_place],
        };
        let places = [one.clone().or(part.places[0].clone()), other.clone().or(part.places[1].clone())];
        let detail = said(
            format!("{} (`{}`)", change.message.en, change.code),
            format!("{}（`{}`）", change.message.zh, change.code),
        );
        (places, detail)
    }

    /// Whether something holds in the new version that did not in the old.
    fn is_newly(&self, before: bool, after: bool) -> bool {
        let (old, new) = if self.is_turned { (after, before) } else { (before, after) };
        new && !old
    }

    /// What becomes of the values of one side that are sent to the other.
    fn sent(&mut self, part: &Part<'_>, from: Which, old: &Schema, new: &Schema) -> Sent {
        let (own, other) = if from == Which::Old { (old, new) } else { (new, old) };
        let to = from.other();
        match part.as_text {
            AsText::No => Sent::Unknown,
            AsText::Body(media) => {
                self.questions.sent(own, other, Form::default(), &mut |_, value| takes_body(other, media, value, None))
            }
            AsText::Parameters([old, new]) => {
                let (own_one, by) = if from == Which::Old { (old, new) } else { (new, old) };
                let form = form(own_one, by);
                self.questions.sent(own, other, form, &mut |questions, value| {
                    questions.passes(to, own_one, value, by, part.direction)
                })
            }
        }
    }
}

/// What may be read of one text, by how it is written and how it is read.
fn form(own: &Parameter, by: &Parameter) -> Form {
    if own.media.is_some() || by.media.is_some() || own.style != by.style {
        return Form::default();
    }
    let is_form = own.style == "form";
    Form {
        is_list_of_one: is_form || (own.style == "simple" && own.location == In::Path),
        is_one_text: own.style == "simple" || (is_form && !own.explode),
    }
}

fn label(operation: &Operation) -> String {
    format!("{} {}", operation.method, operation.path)
}

fn said(en: impl Into<String>, zh: impl Into<String>) -> Text {
    Text { en: en.into(), zh: zh.into() }
}

fn parameter_named(parameter: &Parameter) -> Text {
    let place = parameter.location.as_str();
    said(format!("`{}` in {place}", parameter.name), format!("{place} 中的“{}”", parameter.name))
}

/// A media type, and the range that it stands for.
fn media_named(media: &str, entry: &str) -> Text {
    if entry.ends_with("/*") {
        return said(format!("`{media}` of `{entry}`"), format!("`{entry}` 中的 `{media}`"));
    }
    said(format!("`{media}`"), format!("`{media}`"))
}
