//! What is asked: parameters, body, who may ask.

use super::{AsText, Differ, Part, build::set, label, media_named, parameter_named, said};
use crate::{
    openapi::{
        message::{Refusal, Request, counterpart, entry, find, lets_in, media_types, named, pairs},
        schemas::{Questions, Schema, Which},
        wire::is_text,
    },
    verdict::Bump,
};
use guiju_model::Text;
use guiju_validator::openapi::{Body, Direction, In, Media, Operation, Parameter, Requirement};
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Differ<'_> {
    pub(super) fn parameters(&mut self, before: &Operation, after: &Operation) {
        let label = label(before);
        let mut moved: BTreeSet<(In, String)> = BTreeSet::new();
        for one in &before.parameters {
            match counterpart(one, before, after) {
                Some(other) => self.parameter(before, after, one, other),
                // What is not declared in a path is any text.
                None if one.location == In::Path => {}
                None => {
                    let other = after
                        .parameters
                        .iter()
                        .find(|other| other.name == one.name && find(before, other.location, &other.name).is_none())
                        // What is sent elsewhere is news to who is called; what it waits for is told of by itself.
                        .filter(|_| !self.is_turned);
                    let (code, expected, place) = match other {
                        Some(other) => {
                            moved.insert((other.location, other.name.clone()));
                            let own = Refusal::Unread(one.location, one.name.clone());
                            ("parameter-moved", own, Some(other.place.clone()))
                        }
                        None => ("parameter-removed", Refusal::Unread(one.location, one.name.clone()), None),
                    };
                    let detail = match other {
                        Some(other) => said(
                            format!("`{}` from {} to {}", one.name, one.location.as_str(), other.location.as_str()),
                            format!("“{}”由 {} 移至 {}", one.name, one.location.as_str(), other.location.as_str()),
                        ),
                        None => parameter_named(one),
                    };
                    let places = [Some(one.place.clone()), place];
                    self.tell(code, places, detail, Some(Bump::Major), &label, |differ| {
                        let request = differ.request_with(before, after, one, None)?;
                        differ.shown(Which::Old, before, &request, expected, None)
                    });
                }
            }
        }
        for other in &after.parameters {
            let is_known = moved.contains(&(other.location, other.name.clone()))
                || other.location == In::Path
                || counterpart(other, after, before).is_some();
            if is_known {
                continue;
            }
            let places = [None, Some(other.place.clone())];
            let detail = parameter_named(other);
            if !other.required {
                self.tell("parameter-added", places, detail, Some(Bump::Minor), &label, |_| None);
                continue;
            }
            self.tell("parameter-required-added", places, detail, Some(Bump::Major), &label, |differ| {
                let request = differ.request(before, Some(after))?;
                let expected = Refusal::Parameter(other.location, other.name.clone());
                differ.shown(Which::Old, before, &request, expected, None)
            });
        }
    }

    fn parameter(&mut self, before: &Operation, after: &Operation, one: &Parameter, other: &Parameter) {
        let label = label(before);
        let places = [Some(one.place.clone()), Some(other.place.clone())];
        let detail = parameter_named(one);
        if other.required && !one.required {
            self.tell("parameter-required", places.clone(), detail.clone(), Some(Bump::Major), &label, |differ| {
                let mut request = differ.request(before, Some(after))?;
                request.sent.retain(|(sent, _)| (sent.location, &sent.name) != (one.location, &one.name));
                let expected = Refusal::Parameter(other.location, other.name.clone());
                differ.shown(Which::Old, before, &request, expected, None)
            });
        }
        if one.required && !other.required {
            self.tell("parameter-optional", places.clone(), detail.clone(), Some(Bump::Minor), &label, |_| None);
        }
        if self.is_newly(one.deprecated, other.deprecated) {
            self.tell("deprecated", places.clone(), detail.clone(), Some(Bump::Minor), &label, |_| None);
        }
        let (old, new) = (
            self.questions.of_parameter(Which::Old, one, Direction::Request),
            self.questions.of_parameter(Which::New, other, Direction::Request),
        );
        if (&one.style, one.explode, &one.media) != (&other.style, other.explode, &other.media) {
            self.style(before, after, one, other, &old);
        }
        let default = |which: Which, parameter: &Parameter| self.default(which, parameter);
        if let (Some(was), Some(is)) = (default(Which::Old, one), default(Which::New, other))
            && was != is
        {
            let (was, is) = if self.is_turned { (is, was) } else { (was, is) };
            let detail =
                said(format!("`{}`: {was} became {is}", one.name), format!("“{}”：由 {was} 变为 {is}", one.name));
            self.tell("default-changed", places.clone(), detail, Some(Bump::Minor), &label, |_| None);
        }
        self.allowances([one, other], [&old, &new], &label);
        let part = Part {
            direction: Direction::Request,
            codes: ["parameter-narrowed", "parameter-widened"],
            places,
            label: &label,
            as_text: AsText::Parameters([one, other]),
        };
        self.schemas(&part, &old, &new, &mut |differ, from, value, day| match from {
            Which::Old => {
                let request = differ.request_with(before, after, one, Some(value))?;
                let expected = Refusal::Parameter(other.location, other.name.clone());
                differ.shown(Which::Old, before, &request, expected, day)
            }
            Which::New => {
                let request = differ.request_as_new(before, after, |request| {
                    set(request, after, other, value);
                })?;
                let expected = Refusal::Parameter(one.location, one.name.clone());
                differ.shown(Which::New, after, &request, expected, day)
            }
        });
    }

    /// What may be written besides values of the schema: reserved characters as they are, nothing at all.
    fn allowances(&mut self, [one, other]: [&Parameter; 2], schemas: [&Schema; 2], label: &str) {
        if one.location != In::Query || other.location != In::Query {
            return;
        }
        for allowance in ["allowReserved", "allowEmptyValue"] {
            let says = |which: Which, parameter: &Parameter| {
                let place = format!("{}/{allowance}", parameter.place);
                self.questions.contract(which).api.document.pointer(&place) == Some(&Value::Bool(true))
            };
            let [had, has] = [says(Which::Old, one), says(Which::New, other)];
            // Who takes the empty text by the schema needs no leave.
            let of = if had { schemas[1] } else { schemas[0] };
            if had == has || (allowance == "allowEmptyValue" && of.accepts(&json!(""), None)) {
                continue;
            }
            let places = [Some(one.place.clone()), Some(other.place.clone())];
            let detail = said(format!("`{}`: `{allowance}`", one.name), format!("“{}”：`{allowance}`", one.name));
            match had {
                true => self.tell("undecided-narrowed", places, detail, None, label, |_| None),
                false => self.tell("parameter-widened", places, detail, Some(Bump::Minor), label, |_| None),
            }
        }
    }

    /// The default of a parameter's schema, or of what that refers to.
    fn default(&self, which: Which, parameter: &Parameter) -> Option<Value> {
        let document = &self.questions.contract(which).api.document;
        let mut schema = document.pointer(parameter.schema.as_deref()?)?;
        for _ in 0..8 {
            if let Some(default) = schema.get("default") {
                return Some(default.clone());
            }
            let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
            schema = document.pointer(pointer)?;
        }
        None
    }

    /// The same value is written otherwise: shown with one that is.
    fn style(&mut self, before: &Operation, after: &Operation, one: &Parameter, other: &Parameter, old: &Schema) {
        let own_form = Parameter { name: one.name.clone(), ..other.clone() };
        // Empty texts show little.
        let such = [
            json!({"type": "string", "minLength": 1}),
            json!({"type": "array", "minItems": 2, "items": {"minLength": 1}}),
            json!({"type": "object", "minProperties": 1, "propertyNames": {"minLength": 1}, "additionalProperties": {"minLength": 1}}),
            json!({"type": ["string", "number", "boolean"]}),
            json!({"type": "array", "minItems": 2}),
            json!({"type": "object", "minProperties": 1}),
        ];
        let samples: Vec<Value> = such.iter().filter_map(|such| self.questions.sample_such(old, such)).collect();
        // What is no value for the new version is told of its schema.
        let is_misread = |questions: &mut Questions<'_>, value: &Value| {
            let read = questions.read_of(Which::New, one, value, other);
            pairs(one, value) != pairs(&own_form, value)
                && questions.of_parameter(Which::New, other, Direction::Request).accepts(value, None)
                && !read.is_some_and(|read| read.contains(value))
        };
        let Some(value) = samples.into_iter().find(|value| is_misread(&mut self.questions, value)) else {
            return;
        };
        let written = |parameter: &Parameter| {
            let parts = pairs(parameter, &value).into_iter().map(|(name, text)| match one.location {
                In::Path => text,
                _ => format!("{name}={text}"),
            });
            parts.collect::<Vec<_>>().join("&")
        };
        let (was, is) = (written(one), written(&own_form));
        let detail = match self.is_turned {
            true => said(
                format!("`{}`: {value} was expected as `{is}` and is now written `{was}`", one.name),
                format!("“{}”：{value} 原要求写作 `{is}`，现写作 `{was}`", one.name),
            ),
            false => said(
                format!("`{}`: {value} is written `{was}` and is now expected as `{is}`", one.name),
                format!("“{}”：{value} 原写作 `{was}`，现要求写作 `{is}`", one.name),
            ),
        };
        let places = [Some(one.place.clone()), Some(other.place.clone())];
        self.tell("parameter-style-changed", places, detail, Some(Bump::Major), &label(before), |differ| {
            let request = differ.request_with(before, after, one, Some(&value))?;
            let is_taken = differ.questions.refusals(Which::Old, true, &request, None).is_empty()
                && differ.questions.takes_as_sent(Which::Old, &request, before, None);
            is_taken.then(|| differ.witness(request.shown(before), Vec::new()))
        });
    }

    pub(super) fn body(&mut self, before: &Operation, after: &Operation) {
        let label = label(before);
        let at = |operation: &Operation| Some(format!("{}/requestBody", operation.place));
        match (&before.body, &after.body) {
            (None, None) => {}
            (None, Some(body)) if body.required => {
                let places = [None, at(after)];
                self.tell("request-body-required", places, Text::default(), Some(Bump::Major), &label, |differ| {
                    let request = differ.request(before, Some(after))?;
                    differ.shown(Which::Old, before, &request, Refusal::BodyMissing, None)
                });
            }
            (None, Some(_)) => {
                self.tell("request-body-added", [None, at(after)], Text::default(), Some(Bump::Minor), &label, |_| {
                    None
                });
            }
            (Some(body), None) => {
                let places = [at(before), None];
                self.tell("request-body-removed", places, Text::default(), Some(Bump::Major), &label, |differ| {
                    let mut request = differ.request(before, Some(after))?;
                    request.body = differ.own_body(body, None)?;
                    differ.shown(Which::Old, before, &request, Refusal::BodyUnread, None)
                });
            }
            (Some(one), Some(other)) => self.bodies(before, after, one, other),
        }
    }

    fn bodies(&mut self, before: &Operation, after: &Operation, one: &Body, other: &Body) {
        let label = label(before);
        let places = || [Some(one.place.clone()), Some(other.place.clone())];
        if other.required && !one.required {
            self.tell("request-body-required", places(), Text::default(), Some(Bump::Major), &label, |differ| {
                let mut request = differ.request(before, Some(after))?;
                request.body = None;
                differ.shown(Which::Old, before, &request, Refusal::BodyMissing, None)
            });
        }
        if one.required && !other.required {
            self.tell("request-body-optional", places(), Text::default(), Some(Bump::Minor), &label, |_| None);
        }
        let mut asked = BTreeSet::new();
        for name in media_types(&one.content, &other.content) {
            let (own, next) = match (entry(&one.content, &name), entry(&other.content, &name)) {
                (Some((_, own)), Some((_, next))) => (own, next),
                (Some((range, own)), None) => {
                    let places = [Some(own.place.clone()), None];
                    let detail = media_named(&name, range);
                    self.tell("request-media-type-removed", places, detail, Some(Bump::Major), &label, |differ| {
                        let mut request = differ.request(before, Some(after))?;
                        let schema = differ.questions.of_media(Which::Old, own, Direction::Request);
                        request.body = Some((name.clone(), Some(differ.questions.sample(&schema, None)?)));
                        differ.shown(Which::Old, before, &request, Refusal::MediaType, None)
                    });
                    continue;
                }
                (None, Some((range, next))) => {
                    let (places, detail) = ([None, Some(next.place.clone())], media_named(&name, range));
                    self.tell("request-media-type-added", places, detail, Some(Bump::Minor), &label, |_| None);
                    continue;
                }
                (None, None) => continue,
            };
            if asked.insert((&own.place, &next.place)) {
                self.body_of_media(before, after, (&name, own, next), &label);
            }
        }
    }

    fn body_of_media(
        &mut self,
        before: &Operation,
        after: &Operation,
        (name, own, next): (&str, &Media, &Media),
        label: &str,
    ) {
        self.encodings(Direction::Request, name, [own, next], label);
        let (old, new) = (
            self.questions.of_media(Which::Old, own, Direction::Request),
            self.questions.of_media(Which::New, next, Direction::Request),
        );
        let part = Part {
            direction: Direction::Request,
            codes: ["request-body-narrowed", "request-body-widened"],
            places: [Some(own.place.clone()), Some(next.place.clone())],
            label,
            as_text: if is_text(name) { AsText::Body(name) } else { AsText::No },
        };
        self.schemas(&part, &old, &new, &mut |differ, from, value, day| {
            let body = Some((name.to_owned(), Some(value.clone())));
            match from {
                Which::Old => {
                    let request = Request { body, ..differ.request(before, Some(after))? };
                    differ.shown(Which::Old, before, &request, Refusal::Body, day)
                }
                Which::New => {
                    let request = differ.request_as_new(before, after, |request| request.body = body)?;
                    differ.shown(Which::New, after, &request, Refusal::Body, day)
                }
            }
        });
    }

    pub(super) fn security(&mut self, before: &Operation, after: &Operation) {
        let label = label(before);
        let at = |which: Which, operation: &Operation| {
            let own = format!("{}/security", operation.place);
            let has_own = self.questions.contract(which).api.document.pointer(&own).is_some();
            Some(if has_own { own } else { "/security".to_owned() })
        };
        let places = [at(Which::Old, before), at(Which::New, after)];
        let nobody = Requirement::new();
        let ways = |operation: &Operation| -> Vec<Requirement> {
            if operation.security.is_empty() { vec![nobody.clone()] } else { operation.security.clone() }
        };
        for shown in ways(before) {
            if lets_in(&after.security, &shown) {
                continue;
            }
            let needed: Vec<String> = after.security.iter().map(named).collect();
            let (had, needed) = (named(&shown), needed.join(" / "));
            let detail = match self.is_turned {
                true => {
                    said(format!("{needed} was shown, {had} is shown now"), format!("原出示 {needed}，现出示 {had}"))
                }
                false => said(format!("{had} was enough, {needed} is needed"), format!("原需 {had}，现需 {needed}")),
            };
            self.tell("security-narrowed", places.clone(), detail, Some(Bump::Major), &label, |differ| {
                let request = Request { credentials: shown.clone(), ..differ.request(before, Some(after))? };
                differ.shown(Which::Old, before, &request, Refusal::Security, None)
            });
        }
        for shown in ways(after).into_iter().filter(|shown| !lets_in(&before.security, shown)) {
            let now = named(&shown);
            let detail = match self.is_turned {
                true => said(format!("{now} is not shown any more"), format!("不再出示 {now}")),
                false => said(format!("{now} is enough now"), format!("现在仅需 {now}")),
            };
            self.tell("security-widened", places.clone(), detail, Some(Bump::Minor), &label, |_| None);
        }
    }
}
