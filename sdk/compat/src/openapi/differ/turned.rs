//! Webhooks and callbacks: the provider asks and its users answer, so the new version asks whom the old one has told what to expect.
//!
//! The same comparison as of operations, with the sides exchanged: its old side is the new version. What it finds has a name and a
//! bump of its own here, since what a user lacks of it is something else.

use super::{Contract, Differ, Places, label};
use crate::{
    openapi::{
        message::{Refusal, operation},
        schemas::{Questions, Which},
    },
    verdict::{Budget, Bump},
};
use guiju_model::Text;

/// What is found with the sides exchanged, how it is called, and whether it breaks whoever is called.
const TURNED: &[(&str, &str, Bump)] = &[
    ("operation-removed", "webhook-untold", Bump::Major),
    ("parameter-added", "webhook-parameter-removed", Bump::Minor),
    ("parameter-narrowed", "webhook-parameter-widened", Bump::Major),
    ("parameter-optional", "webhook-parameter-added", Bump::Minor),
    ("parameter-removed", "webhook-parameter-added", Bump::Minor),
    ("parameter-required", "webhook-parameter-lost", Bump::Major),
    ("parameter-required-added", "webhook-parameter-lost", Bump::Major),
    ("parameter-style-changed", "webhook-parameter-style-changed", Bump::Major),
    ("parameter-widened", "webhook-parameter-narrowed", Bump::Minor),
    ("request-body-added", "webhook-body-removed", Bump::Minor),
    ("request-body-narrowed", "webhook-body-widened", Bump::Major),
    ("request-body-optional", "webhook-body-added", Bump::Minor),
    ("request-body-removed", "webhook-body-added", Bump::Minor),
    ("request-body-required", "webhook-body-lost", Bump::Major),
    ("request-body-widened", "webhook-body-narrowed", Bump::Minor),
    ("request-media-type-added", "webhook-media-type-removed", Bump::Minor),
    ("request-media-type-removed", "webhook-media-type-added", Bump::Major),
    ("response-added", "webhook-answer-removed", Bump::Minor),
    ("response-body-narrowed", "webhook-answer-widened", Bump::Minor),
    ("response-body-widened", "webhook-answer-narrowed", Bump::Major),
    ("response-header-added", "webhook-answer-header-widened", Bump::Minor),
    ("response-header-lost", "webhook-answer-header-narrowed", Bump::Major),
    ("response-header-narrowed", "webhook-answer-header-widened", Bump::Minor),
    ("response-header-removed", "webhook-answer-header-widened", Bump::Minor),
    ("response-header-widened", "webhook-answer-header-narrowed", Bump::Major),
    ("response-media-type-added", "webhook-answer-media-type-removed", Bump::Major),
    ("response-media-type-removed", "webhook-answer-media-type-added", Bump::Minor),
    ("response-removed", "webhook-answer-added", Bump::Minor),
    ("response-untold", "webhook-answer-untold", Bump::Major),
    ("security-narrowed", "webhook-security-lost", Bump::Major),
    ("security-widened", "webhook-security-removed", Bump::Minor),
    ("undecided-narrowed", "undecided-widened", Bump::Major),
    ("undecided-widened", "undecided-narrowed", Bump::Major),
];

fn row(code: &str) -> Option<&'static (&'static str, &'static str, Bump)> {
    TURNED.iter().find(|(found, ..)| *found == code)
}

/// How it is called, with the place in the old version first.
pub(super) fn named(code: String, [new, old]: Places) -> (String, Places) {
    (row(&code).map_or(code, |(_, name, _)| (*name).to_owned()), [old, new])
}

/// What it asks for; what is undecided stays so.
pub(super) fn bump(code: &str, bump: Option<Bump>) -> Option<Bump> {
    let is_undecided = code.starts_with("undecided-");
    bump.map(|bump| row(code).filter(|_| !is_undecided).map_or(bump, |(.., own)| *own))
}

impl<'c> Differ<'c> {
    /// Between what the new version asks and what who was written for the old one answers.
    pub fn turned(asks: &'c Contract, answers: &'c Contract, budget: &'c Budget) -> Self {
        let mut questions = Questions::new(asks, answers, budget);
        questions.is_turned = true;
        Self::asking(questions, true)
    }

    pub fn calls(&mut self) {
        let (asks, answers) = (&self.questions.old.api, &self.questions.new.api);
        for call in &asks.operations {
            let label = label(call);
            let places = || [Some(call.place.clone()), None];
            if let Some(answered) = operation(answers, &call.method, &call.shape) {
                self.both(call, answered);
            } else if answers.operations.iter().any(|known| known.shape == call.shape) {
                self.tell("operation-removed", places(), Text::default(), Some(Bump::Major), &label, |differ| {
                    let request = differ.request(call, None)?;
                    differ.shown(Which::Old, call, &request, Refusal::NoOperation, None)
                });
            } else {
                self.tell("webhook-added", places(), Text::default(), Some(Bump::Minor), &label, |_| None);
            }
        }
        for awaited in &answers.operations {
            if operation(asks, &awaited.method, &awaited.shape).is_none() {
                let places = [None, Some(awaited.place.clone())];
                self.tell("webhook-removed", places, Text::default(), Some(Bump::Major), &label(awaited), |differ| {
                    let request = differ.request_of(Which::New, awaited, None)?;
                    differ.shown(Which::New, awaited, &request, Refusal::NoOperation, None)
                });
            }
        }
    }
}
