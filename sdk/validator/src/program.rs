//! A standard as a small program that reads the bytes of a record once.
//!
//! It only ever accepts: it proves that a record is well-formed JSON within the bounds, conforms, and gives nothing to remark.
//! Whatever it cannot prove (a failing record, a member given twice, a number beyond what it compares exactly, a keyword that it
//! does not know) goes to the engine, which decides and explains. So a fault here could only be a wrong acceptance.
//!
//! Where all of a record is proved but some texts, numbers or words of states without branches, or that objects have all members
//! they must and none they may not, only these **doubts** go to the engine, each by itself: what is found there depends on
//! nothing else in the record.
//!
//! A **state** is what holds for one value: the conjunction of all schemas that apply to it whatever the record says. Those
//! that apply only to some records hang on the state as **branches**.
//!
//! # Invariants
//! - `Proof::Yes`: the engine would find nothing, not even an info. `Proof::No`: it would refuse. Anything else is `Unknown`.
//! - A program is plain data; it holds no memory of records. What helps the next record is in [`Memory`].

#[cfg(target_arch = "x86_64")]
mod avx2; // thirty-two bytes at once
mod between; // rules between fields, by their bytes
mod build; // from the survey of a bundle to states
mod cut; // rows of a table at a look, and ends of lines
mod doubt; // values that were passed over
mod held; // the text that a state took last
mod lanes; // what is done to many bytes at once
mod moment; // dates and date-times
mod plain; // values that one look tells
mod print; // the program as text
mod prove; // one record through the states
mod scan; // where a string ends, and what members an object has
mod shape; // patterns as sequences of character classes, and as automata
mod standing; // where members stand that rules between records read
mod windows; // a record with room behind it

pub(crate) use between::Together;
pub use cut::{Cut, LineEnds};
pub(crate) use doubt::{Doubt, Sign, Step, What};
pub use prove::ABREAST;
pub(crate) use prove::{Memory, Row, Span, Spans, Within, scalar_within};
pub(crate) use scan::{code_points, members, plain_text};

use crate::{
    formats::Format,
    membership::{Codes, Membership},
    plan::Engine,
    record::Pointer,
    rules::Rules,
    survey::SchemaId,
};
use between::Between;
use moment::Moment;
use plain::Plain;
use shape::Matcher;
use std::{cmp::Ordering, sync::Arc};
use windows::BLOCK;

pub(crate) type StateId = u32;

#[derive(Debug, Default)]
pub(crate) struct Program {
    states: Vec<State>,
    /// What of each state is told at a look.
    plains: Vec<Plain>,
    /// The record's own state; none where the standard cannot be told this way at all.
    root: Option<StateId>,
    /// A state of anything, where what an object lacks and what it has too much can be told by itself.
    anything: Option<StateId>,
    /// The order of members in all objects, as the standard has it: which comes first, then which comes after each.
    order: Box<[u8]>,
    /// Fields that tell the day of a code list, and where their first name is kept in the record's own object.
    dated: Vec<(Pointer, u8)>,
    /// The record's own members of which it is kept where they stand, where that is wanted; none where one of them is not known.
    asked: Option<Box<[u8]>>,
    /// How often values may be looked at once more, for branches, before the engine would have spent its budget on the same.
    again: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Yes,
    No,
    Unknown,
}

impl Proof {
    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// Bits of the types that a value may have.
pub(super) mod types {
    pub const NULL: u8 = 1;
    pub const BOOLEAN: u8 = 2;
    /// A number that is written as an integer.
    pub const INTEGER: u8 = 4;
    pub const NUMBER: u8 = 8;
    pub const STRING: u8 = 16;
    pub const ARRAY: u8 = 32;
    pub const OBJECT: u8 = 64;
    pub const ALL: u8 = 127;

    pub fn of(name: &str) -> u8 {
        match name {
            "null" => NULL,
            "boolean" => BOOLEAN,
            "integer" => INTEGER,
            "number" => INTEGER | NUMBER,
            "string" => STRING,
            "array" => ARRAY,
            "object" => OBJECT,
            _ => 0,
        }
    }
}

/// What holds for one value.
#[derive(Debug)]
struct State {
    /// The schemas that it is made of.
    schemas: Box<[SchemaId]>,
    types: u8,
    /// Each `enum` or `const`: the value is one of all of them.
    values: Box<[Values]>,
    text: TextState,
    number: NumberState,
    object: Option<Box<ObjectState>>,
    array: Option<Box<ArrayState>>,
    branches: Box<[Branch]>,
    /// Why nothing can be proved of a value of these types: the keyword.
    opaque: Option<&'static str>,
    opaque_types: u8,
    /// Whether something may be found that does not refuse.
    may_remark: bool,
}

#[derive(Debug, Default)]
struct Values {
    texts: Texts,
    integers: Box<[i64]>,
    has_null: bool,
    has_true: bool,
    has_false: bool,
    /// Numbers with a fraction, arrays and objects are compared by the engine.
    others: u8,
}

/// Texts, of which it is asked whether they are these.
#[derive(Clone, Debug, Default)]
struct Texts {
    /// Those of at most eight bytes, as one word each with their length.
    short: Box<[(u64, u8)]>,
    long: Box<[Box<str>]>,
}

#[derive(Debug, Default)]
struct TextState {
    min: u32,
    max: Option<u32>,
    checks: Box<[TextCheck]>,
}

#[derive(Debug)]
enum TextCheck {
    Matcher(Arc<Matcher>),
    /// Settled where the form holds; asked where it does not.
    Format(Format, Option<Moment>),
    /// A format of JSON Schema's own, in the same way.
    Engine(Box<Engine>, Option<Moment>),
    List(Box<Membership>, Codes),
    /// A list whose codes must hold on a day that the record tells.
    DatedList(Box<Membership>, Codes),
}

#[derive(Debug, Default)]
struct NumberState {
    bounds: Box<[Bound]>,
    multiples: Box<[Short]>,
}

#[derive(Debug)]
struct Bound {
    limit: Short,
    is_upper: bool,
    is_exclusive: bool,
}

/// A number of at most [`DIGITS_MAX`] digits: `mantissa` / 10^`scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Short {
    mantissa: i64,
    scale: u8,
}

/// Numbers that a double tells apart, so that exact comparison and that of doubles are one.
pub(crate) const DIGITS_MAX: usize = 15;

#[derive(Debug)]
struct ObjectState {
    /// Members that are known by name.
    members: Box<[Member]>,
    names: Names,
    /// A bit a member.
    required: u128,
    dependent: Box<[(u128, u128)]>,
    min: u32,
    max: u32,
    /// States of other members: by which of the patterns match the name.
    patterns: Box<[Arc<Matcher>]>,
    others: Box<[StateId]>,
    /// What other names must be.
    other_names: Option<StateId>,
    rules: Box<[RuleSet]>,
    /// Members whose places are kept, for rules and branches.
    kept: u128,
    /// Where this object's part of the order begins.
    memory: u32,
}

#[derive(Debug)]
struct Member {
    /// The first bytes of `spelled`, and which of them count: all, or without the comma.
    head: [u8; 32],
    mask: [u8; 32],
    bare_mask: [u8; 32],
    /// Its bit in sets of members.
    bit: u128,
    state: StateId,
    /// What of its state is told at a look, here so that it is one step away.
    plain: Plain,
    /// Of `spelled` without the comma.
    length: u32,
    /// Among the members of its object.
    place: u8,
    /// As it is written behind another: with a comma, in quotes, with its colon.
    spelled: Box<[u8]>,
}

/// Which member has a name: a table of hashes, if possible with nobody in another's place.
#[derive(Debug)]
struct Names {
    names: Box<[Box<[u8]>]>,
    /// Places in `names`, or [`NOBODY`]. As many as a hash can tell apart, so that nobody has to ask whether there is one.
    slots: Box<[u8; SLOTS]>,
    /// How many words of a name its hash is made of: no more than tell all apart.
    words: u8,
    seed: u64,
}

const NOBODY: u8 = u8::MAX;
const SLOT_BITS: u32 = 10;
const SLOTS: usize = 1 << SLOT_BITS;

#[derive(Debug)]
struct RuleSet {
    rules: Rules,
    /// Where the first name of each pointer is kept.
    places: Vec<(Pointer, u8)>,
    between: Between,
}

#[derive(Debug)]
struct ArrayState {
    first: Box<[StateId]>,
    rest: StateId,
    min: u32,
    max: u32,
    is_unique: bool,
    contains: Box<[Contains]>,
}

#[derive(Debug)]
struct Contains {
    state: StateId,
    min: u32,
    max: u32,
}

#[derive(Debug)]
enum Branch {
    AnyOf(Box<[Target]>),
    OneOf(Box<[Target]>),
    Not(Target),
    If { condition: Target, then: Option<Target>, otherwise: Option<Target> },
    Dependent { member: u8, target: Target },
}

#[derive(Debug)]
struct Target {
    state: StateId,
    /// For objects: the same told by the members whose places were kept, so that the object is not read again.
    view: Option<Box<View>>,
}

/// What a state asks of an object by its named members alone.
#[derive(Debug)]
struct View {
    types: u8,
    /// Place in the object, state.
    members: Box<[(u8, StateId)]>,
    required: u128,
    dependent: Box<[(u128, u128)]>,
    branches: Box<[Branch]>,
}

/// The first eight bytes, or fewer, as one word: of fewer the bytes at both ends, which may overlap.
#[inline]
pub(crate) fn short_word(bytes: &[u8]) -> u64 {
    if let Some(first) = bytes.first_chunk() {
        return u64::from_le_bytes(*first);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let shift = 8 * (bytes.len() as u32 - 4);
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << shift;
    }
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

impl Program {
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// From now on it can be kept where these members of a record stand; of no name, nowhere.
    pub fn ask_for<'n>(&mut self, names: impl Iterator<Item = Option<&'n str>>) {
        let root = self.root.and_then(|root| self.states[root as usize].object.as_deref_mut());
        self.asked = root.and_then(|object| {
            let place = |name: Option<&str>| name.map_or(Some(NOBODY), |name| object.names.get(name.as_bytes()));
            let asked: Box<[u8]> = names.map(place).collect::<Option<_>>()?;
            object.kept |= asked.iter().filter(|member| **member != NOBODY).fold(0, |all, member| all | 1 << member);
            Some(asked)
        });
    }

    /// The schemas that hold for every value of a state.
    pub fn schemas(&self, state: StateId) -> &[SchemaId] {
        &self.states[state as usize].schemas
    }
}

impl State {
    /// Whether all that can be found at a value of this state is found by looking at that value alone. Where nothing may be, that is
    /// told of the object.
    fn stands_alone(&self) -> bool {
        let looks_elsewhere = |check: &TextCheck| matches!(check, TextCheck::DatedList(..));
        !self.schemas.is_empty()
            && self.types != 0
            && self.branches.is_empty()
            && self.opaque.is_none()
            && !self.text.checks.iter().any(looks_elsewhere)
    }

    /// Of a text without escapes, of which nothing is asked but that it is one of some: whether it is.
    fn among(&self, spelled: &[u8]) -> Option<Proof> {
        let [values] = &*self.values else { return None };
        let is_all = self.types & !self.opaque_types & types::STRING != 0
            && self.branches.is_empty()
            && (self.text.min, self.text.max, self.text.checks.len()) == (0, None, 0);
        let text = scan::plain_text(spelled).filter(|_| is_all)?;
        Some(Proof::of(values.texts.has(text)))
    }
}

impl Bound {
    #[inline]
    fn holds(&self, number: Short) -> bool {
        match number.cmp(self.limit) {
            Ordering::Equal => !self.is_exclusive,
            Ordering::Less => self.is_upper,
            Ordering::Greater => !self.is_upper,
        }
    }
}

impl Texts {
    fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let (short, long): (Vec<&str>, Vec<&str>) = texts.into_iter().partition(|text| text.len() <= 8);
        let short = short.into_iter().map(|text| (short_word(text.as_bytes()), text.len() as u8));
        Self { short: short.collect(), long: long.into_iter().map(Into::into).collect() }
    }

    fn len(&self) -> usize {
        self.short.len() + self.long.len()
    }

    #[inline]
    fn has(&self, text: &[u8]) -> bool {
        if text.len() <= 8 {
            return self.short.contains(&(short_word(text), text.len() as u8));
        }
        self.long.iter().any(|known| known.as_bytes() == text)
    }
}

impl Names {
    fn of(names: impl Iterator<Item = Box<[u8]>>) -> Self {
        let names: Box<[Box<[u8]>]> = names.collect();
        let are_told_apart = |words: &u8| {
            let mut all: Vec<u64> = names.iter().map(|name| Self::mixed(name, *words)).collect();
            all.sort_unstable();
            all.windows(2).all(|pair| pair[0] != pair[1])
        };
        let words = (1..3).find(are_told_apart).unwrap_or(3);
        let mut found = Self { slots: Box::new([NOBODY; SLOTS]), names, words, seed: 0 };
        // The last one is kept, whatever it does.
        let _ = (0..16).find(|seed| found.fill(0x9E37_79B9_7F4A_7C15 ^ (seed << 7)) == 0);
        found
    }

    /// Fills the table by a seed; how many names stand elsewhere than where they are looked for first.
    fn fill(&mut self, seed: u64) -> usize {
        let (mut strangers, slots) = (0, &mut self.slots);
        slots.fill(NOBODY);
        for (member, name) in self.names.iter().enumerate() {
            let mut at = Self::slot(Self::mixed(name, self.words), seed);
            while slots[at] != NOBODY {
                at = (at + 1) % SLOTS;
                strangers += 1;
            }
            slots[at] = member as u8;
        }
        self.seed = seed;
        strangers
    }

    fn name(&self, member: u8) -> &[u8] {
        &self.names[usize::from(member)]
    }

    #[inline]
    fn get(&self, name: &[u8]) -> Option<u8> {
        let mut at = Self::slot(Self::mixed(name, self.words), self.seed);
        loop {
            let member = self.slots[at];
            if member == NOBODY || *self.names[usize::from(member)] == *name {
                return Some(member).filter(|member| *member != NOBODY);
            }
            at = (at + 1) % SLOTS;
        }
    }

    /// Who is looked for first under the name that begins behind the first of these bytes with its quote, by as many words as are
    /// asked for.
    #[inline(always)]
    fn first_of<const WORDS: usize>(&self, block: &[u8; BLOCK]) -> u8 {
        let word = |at: usize| block[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let mixed = Self::mix::<WORDS>(std::array::from_fn(|at| word(2 + 8 * at)));
        self.slots[Self::slot(mixed, self.seed)]
    }

    fn mixed(name: &[u8], words: u8) -> u64 {
        // As it stands in quotes, and nothing behind them.
        let word = |at: usize| match name.get(at..) {
            Some(rest) if rest.len() < 8 => short_word(rest) | u64::from(b'"') << (8 * rest.len()),
            rest => short_word(rest.unwrap_or_default()),
        };
        match words {
            1 => Self::mix([word(0)]),
            2 => Self::mix([word(0), word(8)]),
            _ => Self::mix([word(0), word(8), word(16)]),
        }
    }

    #[inline(always)]
    fn slot(mixed: u64, seed: u64) -> usize {
        (mixed.wrapping_mul(seed) >> (u64::BITS - SLOT_BITS)) as usize
    }

    /// What stands behind the name's quote does not count. Nobody has to know before where the name ends: in records of any order
    /// all the time goes by with waiting to know who is next. Of the names in schemas that others wrote, one in some thousands
    /// begins with 24 bytes of its neighbour's. Nobody chooses names of a standard against us, and those of a record are only looked
    /// up.
    #[inline(always)]
    fn mix<const WORDS: usize>(begin: [u64; WORDS]) -> u64 {
        const ONES: u64 = u64::MAX / 255;
        let quote = |word: u64| {
            let differs = word ^ (ONES * u64::from(b'"'));
            differs.wrapping_sub(ONES) & !differs & (ONES << 7)
        };
        // All up to the lowest bit, and all where there is none.
        let up_to = |bit: u64| bit ^ bit.wrapping_sub(1);
        let (mut all, mut goes_on) = (0, u64::MAX);
        for (at, word) in begin.into_iter().enumerate() {
            let end = quote(word);
            all ^= (word & up_to(end) & goes_on).rotate_left(21 * at as u32);
            // A branch would be foretold wrongly for every other name.
            goes_on &= u64::from(end == 0).wrapping_neg();
        }
        all
    }
}

impl Short {
    /// None where the text has more digits than a double tells apart, or an exponent.
    fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = whole.trim_start_matches('-').len() + part.len();
        if digits > DIGITS_MAX || text.contains(['e', 'E']) {
            return None;
        }
        let mantissa: i64 = [whole, part].concat().parse().ok()?;
        Some(Self { mantissa, scale: part.len() as u8 })
    }

    fn is_whole(self) -> bool {
        i128::from(self.mantissa) % POWERS[usize::from(self.scale)] == 0
    }

    fn is_multiple_of(self, other: Self) -> bool {
        let scale = self.scale.max(other.scale);
        let scaled = |number: Self| i128::from(number.mantissa) * POWERS[usize::from(scale - number.scale)];
        scaled(self) % scaled(other) == 0
    }

    #[inline]
    fn cmp(self, other: Self) -> Ordering {
        if self.scale == other.scale {
            return self.mantissa.cmp(&other.mantissa);
        }
        let scaled = |number: Self| {
            i128::from(number.mantissa) * POWERS[usize::from(self.scale.max(other.scale) - number.scale)]
        };
        scaled(self).cmp(&scaled(other))
    }
}

static POWERS: [i128; DIGITS_MAX + 1] = {
    let mut powers = [1; DIGITS_MAX + 1];
    let mut at = 1;
    while at <= DIGITS_MAX {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};
