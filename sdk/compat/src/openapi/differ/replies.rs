//! What is answered: statuses, headers, body.

use super::{AsText, Differ, Part, label, media_named, said};
use crate::{
    openapi::{
        message::{Refusal, Reply, Request, entry, media_types, response},
        schemas::Which,
        wire::is_text,
    },
    verdict::Bump,
};
use guiju_model::Text;
use guiju_validator::openapi::{Direction, Media, Operation, Response};
use std::collections::BTreeSet;

impl Differ<'_> {
    pub(super) fn responses(&mut self, before: &Operation, after: &Operation) {
        let mut seen = BTreeSet::new();
        for status in statuses(before, after) {
            let (old, new) = (response(before, status), response(after, status));
            let place = |response: Option<&Response>| response.map(|response| response.place.clone());
            if !seen.insert((place(old), place(new), status >= 400)) {
                continue;
            }
            let is_named = [before, after].iter().any(|own| own.responses.contains_key(&status.to_string()));
            let named = if is_named { status.to_string() } else { format!("{}XX", status / 100) };
            let label = format!("{} ({named})", label(before));
            match (old, new) {
                (None, None) => {}
                (None, Some(_)) if status >= 400 => {
                    let places = [None, place(new)];
                    self.tell("response-added", places, Text::default(), Some(Bump::Minor), &label, |_| None);
                }
                (None, Some(next)) => {
                    let places = [None, place(new)];
                    self.tell("response-untold", places, Text::default(), Some(Bump::Major), &label, |differ| {
                        let reply = differ.reply(status, next, None)?;
                        differ.replied(Which::New, before, after, &reply, Refusal::Status, None)
                    });
                }
                (Some(_), None) => {
                    let places = [place(old), None];
                    self.tell("response-removed", places, Text::default(), Some(Bump::Minor), &label, |_| None);
                }
                (Some(old), Some(new)) => self.response(before, after, status, [old, new], &label),
            }
        }
    }

    fn response(
        &mut self,
        before: &Operation,
        after: &Operation,
        status: u16,
        [old, new]: [&Response; 2],
        label: &str,
    ) {
        self.headers(before, after, status, [old, new], label);
        let mut asked = BTreeSet::new();
        for name in media_types(&old.content, &new.content) {
            let (own, next) = match (entry(&old.content, &name), entry(&new.content, &name)) {
                (Some((_, own)), Some((_, next))) => (own, next),
                (Some((range, own)), None) => {
                    let places = [Some(own.place.clone()), Some(new.place.clone())];
                    let detail = media_named(&name, range);
                    self.tell("response-media-type-removed", places, detail, Some(Bump::Major), label, |differ| {
                        let accept = Some((name.clone(), status));
                        let request = Request { accept, ..differ.request(before, Some(after))? };
                        differ.shown(Which::Old, before, &request, Refusal::Accept, None)
                    });
                    continue;
                }
                (None, Some((range, next))) => {
                    let places = [Some(old.place.clone()), Some(next.place.clone())];
                    let detail = media_named(&name, range);
                    self.tell("response-media-type-added", places, detail, Some(Bump::Minor), label, |differ| {
                        // Who is called may answer so, and the caller does not take it.
                        let schema = differ.questions.of_media(Which::New, next, Direction::Response);
                        let value = differ.is_turned.then(|| differ.questions.sample(&schema, None))??;
                        let body = Some((name.clone(), Some(value)));
                        let reply = Reply { body, ..differ.reply(status, new, Some(old))? };
                        differ.replied(Which::New, before, after, &reply, Refusal::MediaType, None)
                    });
                    continue;
                }
                (None, None) => continue,
            };
            if asked.insert((&own.place, &next.place)) {
                self.response_body(before, after, status, [old, new], (&name, own, next), label);
            }
        }
    }

    fn response_body(
        &mut self,
        before: &Operation,
        after: &Operation,
        status: u16,
        [old, new]: [&Response; 2],
        (name, own, next): (&str, &Media, &Media),
        label: &str,
    ) {
        self.encodings(Direction::Response, name, [own, next], label);
        let (one, other) = (
            self.questions.of_media(Which::Old, own, Direction::Response),
            self.questions.of_media(Which::New, next, Direction::Response),
        );
        let part = Part {
            direction: Direction::Response,
            codes: ["response-body-narrowed", "response-body-widened"],
            places: [Some(own.place.clone()), Some(next.place.clone())],
            label,
            as_text: if is_text(name) { AsText::Body(name) } else { AsText::No },
        };
        self.schemas(&part, &one, &other, &mut |differ, from, value, day| {
            let told = if from == Which::New { new } else { old };
            let body = Some((name.to_owned(), Some(value.clone())));
            let reply = Reply { body, ..differ.reply_of(from, status, told, None)? };
            differ.replied(from, before, after, &reply, Refusal::Body, day)
        });
    }

    fn headers(&mut self, before: &Operation, after: &Operation, status: u16, [old, new]: [&Response; 2], label: &str) {
        for (name, one) in &old.headers {
            let other = new.headers.get(name);
            let places = [Some(one.place.clone()), other.map(|other| other.place.clone())];
            let detail = said(format!("`{}`", one.name), format!("“{}”", one.name));
            if one.required && other.is_none_or(|other| !other.required) {
                let expected = Refusal::Header(name.clone());
                self.tell("response-header-lost", places.clone(), detail.clone(), Some(Bump::Major), label, |differ| {
                    let mut reply = differ.reply(status, new, Some(old))?;
                    reply.headers.retain(|(sent, _)| !sent.name.eq_ignore_ascii_case(name));
                    differ.replied(Which::New, before, after, &reply, expected, None)
                });
            }
            let Some(other) = other else {
                if !one.required {
                    self.tell("response-header-removed", places, detail, Some(Bump::Minor), label, |_| None);
                }
                continue;
            };
            if (one.explode, &one.media) != (other.explode, &other.media) {
                let detail = said("a header that is written otherwise", "header 的书写方式改变");
                self.tell("undecided-widened", places.clone(), detail, None, label, |_| None);
            }
            let (schema, next) = (
                self.questions.of_parameter(Which::Old, one, Direction::Response),
                self.questions.of_parameter(Which::New, other, Direction::Response),
            );
            let part = Part {
                direction: Direction::Response,
                codes: ["response-header-narrowed", "response-header-widened"],
                places,
                label,
                as_text: AsText::Parameters([one, other]),
            };
            self.schemas(&part, &schema, &next, &mut |differ, from, value, day| {
                let (told, header) = if from == Which::New { (new, other) } else { (old, one) };
                let mut reply = differ.reply_of(from, status, told, Some(old))?;
                reply.headers.retain(|(sent, _)| !sent.name.eq_ignore_ascii_case(name));
                reply.headers.push((header.clone(), value.clone()));
                differ.replied(from, before, after, &reply, Refusal::Header(name.clone()), day)
            });
        }
        for (_, other) in new.headers.iter().filter(|(name, _)| !old.headers.contains_key(*name)) {
            let detail = said(format!("`{}`", other.name), format!("“{}”", other.name));
            let places = [Some(old.place.clone()), Some(other.place.clone())];
            self.tell("response-header-added", places, detail, Some(Bump::Minor), label, |_| None);
        }
    }
}

/// Every status that either names, and one of each class that neither does.
fn statuses(before: &Operation, after: &Operation) -> Vec<u16> {
    let named = before.responses.keys().chain(after.responses.keys());
    let mut all: BTreeSet<u16> = named.filter_map(|status| status.parse().ok()).collect();
    for class in 1..=5 {
        let other = (class * 100..class * 100 + 100).rev().find(|status| !all.contains(status));
        all.extend(other);
    }
    // What is expected comes first.
    let rank = |status: &u16| (!(200..400).contains(status), *status);
    let mut all: Vec<u16> = all.into_iter().collect();
    all.sort_by_key(rank);
    all
}
