//! Whole messages around the part that a change is about, held against both versions before they are shown.

use super::Differ;
use crate::{
    openapi::{
        message::{Payload, Refusal, Reply, Request, counterpart, find, lets_in, media, media_types, names_in_path},
        schemas::{Questions, Which},
        witness,
    },
    verdict::Witness,
};
use guiju_model::{Date, Finding};
use guiju_validator::openapi::{Body, Direction, In, Operation, Parameter, Response};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

impl Differ<'_> {
    /// A request by the old version, of no more than it must hold; where it can be, one that the new version takes, too.
    pub(super) fn request(&mut self, before: &Operation, after: Option<&Operation>) -> Option<Request> {
        self.request_of(Which::Old, before, after)
    }

    pub(super) fn request_of(&mut self, from: Which, own: &Operation, other: Option<&Operation>) -> Option<Request> {
        let mut in_path = Vec::new();
        for name in names_in_path(&own.path) {
            let parameter = find(own, In::Path, name);
            let value = parameter.map(|parameter| self.parameter_sample(from, own, other, parameter));
            in_path.push(value.unwrap_or_else(|| Some(json!("1")))?);
        }
        let mut sent = Vec::new();
        for parameter in own.parameters.iter().filter(|parameter| parameter.location != In::Path) {
            let is_asked = other
                .and_then(|other| counterpart(parameter, own, other))
                .is_some_and(|counterpart| counterpart.required);
            if parameter.required || is_asked {
                match self.parameter_sample(from, own, other, parameter) {
                    Some(value) => sent.push((parameter.clone(), value)),
                    None if parameter.required => return None,
                    None => {}
                }
            }
        }
        let is_body_asked = other.and_then(|other| other.body.as_ref()).is_some_and(|body| body.required);
        let body = match &own.body {
            Some(body) if body.required || is_body_asked => {
                self.body_of(from, body, other.and_then(|other| other.body.as_ref()))?
            }
            _ => None,
        };
        let admitted = other.and_then(|other| own.security.iter().find(|shown| lets_in(&other.security, shown)));
        let credentials = admitted.or(own.security.first()).cloned().unwrap_or_default();
        let (method, path, shape) = (own.method.clone(), own.path.clone(), own.shape.clone());
        Some(Request { method, path, shape, in_path, sent, body, accept: None, credentials })
    }

    pub(super) fn parameter_sample(
        &mut self,
        from: Which,
        own: &Operation,
        other: Option<&Operation>,
        parameter: &Parameter,
    ) -> Option<Value> {
        let schema = self.questions.of_parameter(from, parameter, Direction::Request);
        let next = other.and_then(|other| counterpart(parameter, own, other));
        let next = next.map(|next| self.questions.of_parameter(from.other(), next, Direction::Request));
        self.questions.sample(&schema, next.as_deref())
    }

    pub(super) fn own_body(&mut self, body: &Body, other: Option<&Body>) -> Option<Option<Payload>> {
        self.body_of(Which::Old, body, other)
    }

    fn body_of(&mut self, from: Which, body: &Body, other: Option<&Body>) -> Option<Option<Payload>> {
        let nothing = BTreeMap::new();
        let theirs = other.map_or(&nothing, |other| &other.content);
        let names = media_types(&body.content, theirs);
        let own = |name: &String| Some((name.clone(), media(&body.content, name)?));
        let both = names.iter().find_map(|name| Some((own(name)?, media(theirs, name)?)));
        let ((name, own), next) = match both {
            Some((own, next)) => (own, Some(next)),
            None => (names.iter().find_map(own)?, None),
        };
        let schema = self.questions.of_media(from, own, Direction::Request);
        let next = next.map(|next| self.questions.of_media(from.other(), next, Direction::Request));
        let value = self.questions.sample(&schema, next.as_deref())?;
        Some(Some((name, Some(value))))
    }

    /// The same with a value for one of its parameters; without a value, with any.
    pub(super) fn request_with(
        &mut self,
        before: &Operation,
        after: &Operation,
        parameter: &Parameter,
        value: Option<&Value>,
    ) -> Option<Request> {
        let mut request = self.request(before, Some(after))?;
        let value = match value {
            Some(value) => value.clone(),
            None => self.parameter_sample(Which::Old, before, Some(after), parameter)?,
        };
        set(&mut request, before, parameter, &value);
        Some(request)
    }

    /// A request by the new version.
    pub(super) fn request_as_new(
        &mut self,
        before: &Operation,
        after: &Operation,
        change: impl FnOnce(&mut Request),
    ) -> Option<Request> {
        let mut request = self.request_of(Which::New, after, Some(before))?;
        change(&mut request);
        Some(request)
    }

    /// The request as a witness, where the one side takes it and the other refuses it for what is expected.
    pub(super) fn shown(
        &mut self,
        from: Which,
        operation: &Operation,
        request: &Request,
        expected: Refusal,
        day: Option<Date>,
    ) -> Option<Witness> {
        if !self.questions.refusals(from, true, request, day).is_empty() {
            return None;
        }
        let refused = self.questions.refusals(from.other(), false, request, day);
        let (_, findings) = refused.into_iter().find(|(refusal, _)| *refusal == expected)?;
        let is_taken = |questions: &mut Questions<'_>, which| questions.takes_as_sent(which, request, operation, day);
        if !is_taken(&mut self.questions, from) || is_taken(&mut self.questions, from.other()) {
            return None;
        }
        let mut found = self.witness(request.shown(operation), findings);
        found.day = day;
        Some(found)
    }

    /// An answer of the new version, of no more than it must hold.
    pub(super) fn reply(&mut self, status: u16, new: &Response, old: Option<&Response>) -> Option<Reply> {
        self.reply_of(Which::New, status, new, old)
    }

    pub(super) fn reply_of(
        &mut self,
        from: Which,
        status: u16,
        own: &Response,
        other: Option<&Response>,
    ) -> Option<Reply> {
        let mut headers = Vec::new();
        for (name, header) in own.headers.iter().filter(|(_, header)| header.required) {
            let schema = self.questions.of_parameter(from, header, Direction::Response);
            let next = other.and_then(|other| other.headers.get(name)).cloned();
            let next = next.map(|next| self.questions.of_parameter(from.other(), &next, Direction::Response));
            headers.push((header.clone(), self.questions.sample(&schema, next.as_deref())?));
        }
        // Headers that only the other asks for are sent, too, where they may be.
        for (name, header) in other.into_iter().flat_map(|other| &other.headers).filter(|(_, header)| header.required) {
            if let Some(own) = own.headers.get(name).filter(|own| !own.required) {
                let schema = self.questions.of_parameter(from, own, Direction::Response);
                let next = self.questions.of_parameter(from.other(), header, Direction::Response);
                headers.extend(self.questions.sample(&schema, Some(&next)).map(|value| (own.clone(), value)));
            }
        }
        Some(Reply { status, headers, body: None })
    }

    /// The answer as a witness, with the request that it answers.
    pub(super) fn replied(
        &mut self,
        from: Which,
        before: &Operation,
        after: &Operation,
        reply: &Reply,
        expected: Refusal,
        day: Option<Date>,
    ) -> Option<Witness> {
        let (own, other) = if from == Which::New { (after, before) } else { (before, after) };
        if !self.questions.untold(from, true, own, reply, day).is_empty() {
            return None;
        }
        let untold = self.questions.untold(from.other(), false, other, reply, day);
        let (_, findings) = untold.into_iter().find(|(refusal, _)| *refusal == expected)?;
        let is_told = |questions: &mut Questions<'_>, which, operation: &Operation| {
            questions.tells_as_sent(which, operation, reply, day)
        };
        if !is_told(&mut self.questions, from, own) || is_told(&mut self.questions, from.other(), other) {
            return None;
        }
        let request = self.request(before, Some(after))?;
        let mut shown = reply.shown();
        shown.insert("request".into(), request.line(before).into());
        let mut found = self.witness(shown, findings);
        found.day = day;
        Some(found)
    }

    /// A message as it is shown. What the provider asks is a call.
    pub(super) fn witness(&self, mut message: Map<String, Value>, findings: Vec<Finding>) -> Witness {
        if self.is_turned {
            let call = message.remove("request");
            message.extend(call.map(|call| ("call".to_owned(), call)));
        }
        witness(Value::Object(message), findings)
    }
}

/// Puts a value for a parameter into a request by an operation.
pub(super) fn set(request: &mut Request, operation: &Operation, parameter: &Parameter, value: &Value) {
    if parameter.location == In::Path {
        let at = names_in_path(&operation.path).iter().position(|name| *name == parameter.name);
        if let Some(place) = at.and_then(|at| request.in_path.get_mut(at)) {
            *place = value.clone();
        }
        return;
    }
    request.sent.retain(|(sent, _)| (sent.location, &sent.name) != (parameter.location, &parameter.name));
    request.sent.push((parameter.clone(), value.clone()));
}
