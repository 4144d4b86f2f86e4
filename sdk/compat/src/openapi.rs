//! OpenAPI contracts: may whoever asks by the old version still ask, and does it understand what the new one answers?
//!
//! Requests of the old must be taken by the new, answers of the new must be told of by the old. What a message consists of is
//! independent: path, parameters, body, and so on; so each part is one question, and each question about a schema is one of
//! inclusion for the engine that compares records.
//!
//! # Invariants
//! - A witness is a whole request or answer. Both versions have judged it, part by part, with the validators of their schemas: the
//!   one takes it, and the other refuses it for the part that the change is about. Then both have read it as it is sent, with its
//!   path, query and headers as texts, and said the same.
//! - Of webhooks and callbacks the roles are turned: the new version asks, and who was written for the old answers.
//! - What is not compared (callbacks of callbacks) and differs is undecided.
//!
//! # Limits
//! `QUESTIONS_MAX` different questions about schemas; the same question is asked once, wherever it stands.

mod differ; // part by part
mod message; // requests and answers, and who takes them
mod schemas; // questions about schemas
mod texts; // values that are taken for their text
mod wire; // messages as they are sent, read by another

use crate::{
    change::Change,
    doubt::{Cause, Doubt},
    side::Side,
    verdict::{Budget, Bump, Inclusion, Proof, Verdict, Witness},
};
use guiju_model::{Bundle, Kind, Reading, Text};
use guiju_validator::{CompileError, openapi::Api};

/// A contract with what it refers to.
pub(crate) struct Contract {
    pub api: Api,
    pub bundle: Bundle,
    pub reading: Reading,
}

impl Contract {
    /// None where the contract has no OpenAPI document.
    pub fn read(bundle: &Bundle, reading: &Reading) -> Result<Option<Self>, CompileError> {
        let api = Api::read(bundle)?;
        Ok(api.map(|api| Self { api, bundle: bundle.clone(), reading: reading.clone() }))
    }

    /// What it asks of those who use it, as a contract of its own: webhooks, and the callbacks of operations that another version
    /// has, too.
    fn calling(&self, beside: &Api) -> Self {
        let is_there = |(method, shape): &(String, String)| message::operation(beside, method, shape).is_some();
        let calls = self.api.calls.iter().filter(|call| call.of.as_ref().is_none_or(is_there));
        let mut api = self.api.clone();
        api.operations = calls.map(|call| call.operation.clone()).collect();
        Self { api, bundle: self.bundle.clone(), reading: self.reading.clone() }
    }
}

impl Contract {
    /// The same with an operation for each that another version has besides and whose requests come to one of these.
    fn standing_in(&self, old: &Self, budget: &Budget) -> Option<Self> {
        let mut questions = schemas::Questions::new(old, self, budget);
        let gone = old.api.operations.iter();
        let gone = gone.filter(|before| message::operation(&self.api, &before.method, &before.shape).is_none());
        let found: Vec<_> = gone.filter_map(|before| questions.standing_in(before)).collect();
        if found.is_empty() {
            return None;
        }
        let mut api = self.api.clone();
        api.operations.extend(found);
        Some(Self { api, bundle: self.bundle.clone(), reading: self.reading.clone() })
    }
}

/// How the two are read, beside the readings of records.
const READINGS: [&str; 4] = [
    "requests: old in new, answers: new in old; of webhooks and callbacks the other way round",
    "what is sent undeclared is passed over",
    "clients name the media types that they accept",
    "errors that are not told of are understood by their class (RFC 9110, section 15)",
];

pub(crate) fn compare(old: &Side, new: &Side, one: &Contract, other: &Contract, budget: &Budget) -> Verdict {
    let stands_in = other.standing_in(one, budget);
    let mut differ = differ::Differ::new(one, stands_in.as_ref().unwrap_or(other), budget);
    differ.operations();
    differ.servers();
    let (mut changes, mut proof) = differ.finished();
    if !one.api.calls.is_empty() || !other.api.calls.is_empty() {
        let (asks, answers) = (other.calling(&one.api), one.calling(&other.api));
        let mut turned = differ::Differ::turned(&asks, &answers, budget);
        turned.calls();
        let (more, steps) = turned.finished();
        changes.extend(more);
        proof = self::proof(proof.steps + steps.steps, proof.parts + steps.parts);
    }
    let is_same = one.api.document == other.api.document && one.bundle.digest() == other.bundle.digest();
    if changes.is_empty() && !is_same {
        let root = || Some(String::new());
        changes.push(Change::new("wording-changed", [root(), root()], Text::default(), Some(Bump::Patch)));
    }
    changes.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.code.cmp(&b.code)));
    let found = |bump: Option<Bump>| changes.iter().find(move |change| change.bump == bump);
    let shown = |bump| found(Some(bump)).and_then(|change| change.witness.clone());
    let undecided = found(None).map(|change| Doubt::from(Cause::Change(change.message.clone())));
    let old_in_new = match (shown(Bump::Major), &undecided) {
        (Some(witness), _) => Inclusion::NotIncluded(Box::new(witness)),
        (None, Some(why)) => Inclusion::Undecided(why.clone()),
        (None, None) => Inclusion::Included(proof.clone()),
    };
    let widens = found(Some(Bump::Minor));
    let new_in_old = match (shown(Bump::Minor), widens.or(found(Some(Bump::Major))), undecided) {
        (Some(witness), ..) => Inclusion::NotIncluded(Box::new(witness)),
        (None, Some(change), _) => Inclusion::Undecided(Cause::NoMessage(change.code.clone()).into()),
        (None, None, Some(why)) => Inclusion::Undecided(why),
        (None, None, None) => Inclusion::Included(proof),
    };
    let highest = changes.iter().filter_map(|change| change.bump).max().unwrap_or(Bump::Patch);
    let bump = match &old_in_new {
        Inclusion::NotIncluded(_) => Some(Bump::Major),
        Inclusion::Undecided(_) => None,
        Inclusion::Included(_) => Some(highest),
    };
    let mut reading = old.reading();
    reading.extend(READINGS.map(str::to_owned));
    let (old, new) = (old.name.clone(), new.name.clone());
    Verdict { old, new, kind: Kind::Contract, reading, bump, old_in_new, new_in_old, changes, forbidden: false }
}

/// Breaks first, then what could not be decided.
fn rank(change: &Change) -> u8 {
    match change.bump {
        Some(Bump::Major) => 0,
        None => 1,
        Some(Bump::Minor) => 2,
        Some(Bump::Patch) => 3,
    }
}

fn witness(record: serde_json::Value, refused_for: Vec<guiju_model::Finding>) -> Witness {
    Witness { record, day: None, refused_for }
}

fn proof(steps: u64, parts: usize) -> Proof {
    Proof::compared(steps, parts)
}
