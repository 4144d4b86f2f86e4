//! Values that were passed over: where they stand, and what there is to say of them, as far as it does not hang on the value.
//!
//! # Invariants
//! - Two values of one state with one [`Sign`] are told of in the same words.

use super::{Program, Short, State, StateId, TextCheck, build::ASKS_MAX, prove::Text, scan, types};
use crate::json::{self, BYTES_PER_ERROR, ITEM_BYTES};
use guiju_model::Date;

/// Something that was not proved, in a record of which all else was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubt {
    pub state: StateId,
    /// Where it stands, for people.
    pub at: usize,
    /// What there is to be looked at: a plain value, or the object.
    pub from: usize,
    pub to: usize,
    pub what: What,
    /// What it fails at, where that was told when it was judged.
    pub sign: Option<Sign>,
    /// Where its way begins among all ways, and how long it is.
    pub(super) way: (u32, u32),
    /// Which of the records that were read together.
    pub record: u8,
}

impl Doubt {
    /// From places among others to those in its record, which begins there.
    pub(super) fn begin_at(&mut self, start: usize) {
        for place in [&mut self.at, &mut self.from, &mut self.to] {
            *place -= start;
        }
        if let What::Stranger { name: (from, to), .. } = &mut self.what {
            (*from, *to) = (*from - start as u32, *to - start as u32);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A plain value.
    Value,
    /// Members that an object must have: a bit each.
    Missing(u128),
    /// A member that an object may not have: where its name stands, and which known ones the object has.
    Stranger { name: (u32, u32), seen: u128 },
}

/// A step down: the state of a container, and which of its members or items.
pub(crate) type Step = (StateId, u32);

/// Marks the place of an item in a step.
pub(super) const ITEM: u32 = 1 << 31;
/// A member that the standard does not know by name.
pub(super) const UNNAMED: u32 = u32::MAX;

/// What a value fails at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    /// Of a value the type, then each check in its order, and where the length fails one more than the length; of an object its
    /// members.
    failed: u128,
    kind: Kind,
}

/// What fails. As wide as a word, so that signs are read as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
enum Kind {
    Text,
    Integer,
    Number,
    Missing,
    Stranger,
}

/// Checks that have a bit in a sign.
const CHECKS_MAX: usize = 60;

impl Sign {
    /// Whether nothing fails of a value.
    pub fn is_clean(self) -> bool {
        self.failed == 0
    }

    /// What most signs differ in.
    pub fn word(self) -> u64 {
        self.failed as u64 ^ ((self.failed >> 64) as u64).rotate_left(32) ^ (self.kind as u64).rotate_left(16)
    }
}

impl Program {
    /// JSON Pointer of what lies at the end of a way.
    pub fn path(&self, way: &[Step]) -> String {
        let mut path = String::new();
        for (container, place) in way {
            path.push('/');
            match (place & ITEM, self.states[*container as usize].object.as_deref()) {
                (0, Some(object)) => {
                    let name = String::from_utf8_lossy(object.names.name(*place as u8));
                    path.push_str(&json::escape(&name));
                }
                _ => path.push_str(&(place & !ITEM).to_string()),
            }
        }
        path
    }

    /// The room that errors about a doubt may take on the exact road, at most.
    pub fn room(&self, doubt: &Doubt, way: &[Step], wording: json::Wording) -> u64 {
        let names = way.iter().map(|(container, place)| match self.states[*container as usize].object.as_deref() {
            Some(object) if place & ITEM == 0 => object.names.name(*place as u8).len(),
            _ => 0,
        });
        let (length, path) = (doubt.to - doubt.from, way.len() * ITEM_BYTES as usize + names.sum::<usize>());
        let words = (4 * length + 2 * path) as u64;
        ASKS_MAX as u64 * (BYTES_PER_ERROR + wording.bytes + words)
    }

    /// None where what is said depends on more of the value.
    pub fn sign(&self, doubt: &Doubt, record: &[u8], today: Option<Date>) -> Option<Sign> {
        match doubt.what {
            What::Missing(missing) => Some(Sign { failed: missing, kind: Kind::Missing }),
            What::Stranger { seen, .. } => Some(Sign { failed: seen, kind: Kind::Stranger }),
            What::Value if doubt.sign.is_some() => doubt.sign,
            What::Value => {
                let (state, value) = (&self.states[doubt.state as usize], &record[doubt.from..doubt.to]);
                match value {
                    [b'"', ..] => {
                        text_sign(state, Text::of(std::str::from_utf8(scan::plain_text(value)?).ok()?), today)
                    }
                    _ => number_sign(state, value),
                }
            }
        }
    }
}

/// Of a text, as far as that says all.
pub(super) fn text_sign(state: &State, text: Text<'_>, today: Option<Date>) -> Option<Sign> {
    // What was probably meant is guessed from the value, and what is wrong with an identifier names places in it.
    let checks = &state.text.checks;
    if checks.len() > CHECKS_MAX || !state.values.iter().all(|values| values.texts.has(text.bytes())) {
        return None;
    }
    let mut failed = u128::from(state.types & types::STRING == 0);
    for (at, check) in checks.iter().enumerate() {
        let holds = match check {
            TextCheck::Matcher(matcher) => matcher.takes(text),
            TextCheck::Engine(_, Some(moment)) if moment.fails(text.bytes()) => false,
            TextCheck::Format(_, Some(moment)) | TextCheck::Engine(_, Some(moment)) if moment.holds(text.bytes()) => {
                true
            }
            TextCheck::Engine(engine, _) => json::fits(engine, text.as_str()?),
            TextCheck::Format(format, _) if format.check(text.as_str()?, today).is_empty() => true,
            TextCheck::List(membership, codes) if membership.check(codes, text.as_str()?, today).is_none() => true,
            TextCheck::Format(..) | TextCheck::List(..) | TextCheck::DatedList(..) => return None,
        };
        failed |= u128::from(!holds) << (at + 1);
    }
    let mut length = 0;
    if state.text.min > 0 || state.text.max.is_some() {
        let count = text.length() as u32;
        let fits = count >= state.text.min && state.text.max.is_none_or(|max| count <= max);
        length = if fits { 0 } else { u128::from(count) + 1 };
    }
    Some(Sign { failed: failed | length << 64, kind: Kind::Text })
}

/// Of a number; none of what is none.
pub(super) fn number_sign(state: &State, number: &[u8]) -> Option<Sign> {
    let number = match number {
        [b'-' | b'0'..=b'9', ..] => Short::parse(std::str::from_utf8(number).ok()?)?,
        _ => return None,
    };
    let is_integer = number.scale == 0;
    let (kind, of_type) = match is_integer {
        true => (Kind::Integer, types::INTEGER),
        false => (Kind::Number, types::NUMBER),
    };
    let super::NumberState { bounds, multiples } = &state.number;
    // 1.0 is an integer as well.
    let is_doubtful = !is_integer && state.types & types::NUMBER == 0 && number.is_whole();
    if is_doubtful || !state.values.is_empty() || bounds.len() + multiples.len() > CHECKS_MAX {
        return None;
    }
    let fits = bounds.iter().map(|bound| bound.holds(number));
    let fits = fits.chain(multiples.iter().map(|by| number.is_multiple_of(*by)));
    let failed = fits.enumerate().fold(0, |failed, (at, holds)| failed | u128::from(!holds) << (at + 1));
    Some(Sign { failed: failed | u128::from(state.types & of_type == 0), kind })
}
