//! One record through the states of a program, in one pass over its bytes.

mod abreast; // several records at once
mod row; // a row of a table as a record
mod rows; // several of them at once
mod search; // where members are that come in any order

pub use abreast::ABREAST;
pub(crate) use row::{Row, Span};
pub(crate) use rows::Spans;

use super::{
    ArrayState, Branch, DIGITS_MAX, Member, NOBODY, ObjectState, Program, Proof, RuleSet, Short, State, StateId,
    Target, TextCheck, View,
    doubt::{self, Doubt, ITEM, Sign, Step, UNNAMED, What},
    held::Held,
    lanes::{Lanes, Plainly, Processor, Work},
    scan,
    standing::Standing,
    types,
    windows::{BLOCK, Padded, Windows},
};
use crate::{
    json,
    record::{Pointer, Record, Scalar},
};
use guiju_model::{Date, Severity};
use std::{borrow::Cow, ops::Range};

/// What one record leaves behind for the next, so that nothing is allocated for it: in which order members came, and room.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Which member came first in each object, and which after each.
    order: Box<[u8]>,
    /// Where kept members of the objects under way begin and end.
    places: Vec<(u32, u32)>,
    /// Names, of the objects under way, that are not known.
    names: Vec<(u32, u32)>,
    /// Codes whose day is told by the record: the state, which of its checks, where.
    dated: Vec<(StateId, u32, u32, u32)>,
    items: Vec<(u32, u32)>,
    standing: Standing,
    held: Held,
    /// A string with its escapes read.
    text: String,
    padded: Padded,
    pub(super) processor: Processor,
    /// Of records that are read together.
    pace: abreast::Pace,
    spots: Vec<search::Spot>,
    /// So many of these at the front are.
    spots_in_use: usize,
    /// At each depth the state of the container, and which of its members or items is being read.
    trail: Vec<Step>,
    /// Values that were passed over, and the ways to them.
    pub doubts: Vec<Doubt>,
    ways: Vec<Step>,
}

/// A record, where it stands among other bytes.
#[derive(Clone, Debug)]
pub(crate) struct Within<'b> {
    pub bytes: &'b [u8],
    pub at: Range<usize>,
}

impl<'b> Within<'b> {
    /// The record's own bytes.
    pub fn own(&self) -> &'b [u8] {
        &self.bytes[self.at.clone()]
    }
}

/// What the record cannot tell.
pub(super) type Today = Option<Date>;

/// Deeper values are left to the engine.
const DEPTH_MAX: u32 = 64;
/// Names of members beyond those that the standard knows; more are left to the engine.
const NAMES_MAX: usize = 32;
/// Items told apart one by one.
const ITEMS_MAX: usize = 32;
/// Values passed over in one record; with more, all of it is judged anew.
const DOUBTS_MAX: usize = 16;
/// How often a value may be looked at for each byte of the record, so that branches in branches end.
const LOOKS_PER_BYTE: u64 = 4;
const LOOKS: u64 = 1_000;

impl Memory {
    pub fn of(program: &Program) -> Self {
        Self { order: program.order.clone(), ..Self::default() }
    }

    /// From now on one byte after another.
    pub fn read_plainly(&mut self) {
        self.processor = Processor::Plainly;
    }

    /// From now on it is kept where the members stand that are asked for.
    pub fn keep_members(&mut self) {
        self.standing.ask();
    }

    /// Of the next record by itself nothing is kept yet.
    pub fn forget_members(&mut self) {
        self.standing.forget();
    }

    /// Where these stand in one of the records that were read last, if all of it but doubts was proved. An empty place is that of one
    /// that is not there.
    pub fn members(&self, lane: usize) -> Option<&[(u32, u32)]> {
        self.standing.of(lane)
    }

    pub fn way(&self, doubt: &Doubt) -> &[Step] {
        let (from, length) = doubt.way;
        &self.ways[from as usize..][..length as usize]
    }

    /// Forgets the last record, but for what helps with the next.
    #[inline]
    fn begin(&mut self, program: &Program) {
        if self.order.len() != program.order.len() {
            *self = Self { processor: self.processor, standing: self.standing.afresh(), ..Self::of(program) };
        }
        self.places.clear();
        self.names.clear();
        self.items.clear();
        self.dated.clear();
        self.spots_in_use = 0;
        self.doubts.clear();
        self.ways.clear();
        if self.trail.is_empty() {
            self.trail.resize(DEPTH_MAX as usize + 2, (0, 0));
        }
    }

    /// With a record where it stands, or a copy of it where there is no room behind it.
    #[inline(always)]
    fn with_windows(&mut self, record: &Within<'_>, run: impl FnOnce(Windows<'_>, &mut Self) -> bool) -> bool {
        let mut copied = None;
        let text = match Windows::within(record.bytes, record.at.clone()) {
            Some(text) => text,
            None => copied.insert(std::mem::take(&mut self.padded)).hold(record.own()),
        };
        let holds = run(text, self);
        if let Some(padded) = copied {
            self.padded = padded;
        }
        holds
    }
}

impl Program {
    /// Whether the record is well-formed, conforms, and gives nothing to remark; what stands behind it spares copying it.
    pub fn proves(&self, record: Within<'_>, today: Today, depth_max: usize, memory: &mut Memory) -> bool {
        self.run(record, today, depth_max, memory, false)
    }

    /// The same, passing over plain values that may be wrong; whether there is nothing to say of the record but what is to be
    /// said of the values in [`Memory::doubts`].
    pub fn proves_all_but(&self, record: Within<'_>, today: Today, depth_max: usize, memory: &mut Memory) -> bool {
        self.run(record, today, depth_max, memory, true)
    }

    fn run(&self, record: Within<'_>, today: Today, depth_max: usize, memory: &mut Memory, passes_over: bool) -> bool {
        let Some(root) = self.root else { return false };
        let length = record.at.len();
        if length >= u32::MAX as usize {
            return false;
        }
        memory.begin(self);
        let how = How::new(root, length, today, depth_max, passes_over);
        let holds = memory.with_windows(&record, |text, memory| match memory.processor {
            Processor::Plainly => self.run_with(Plainly, text, how, memory),
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2(lanes) => self.run_with(lanes, text, how, memory),
        });
        memory.standing.keep([holds; ABREAST]);
        holds
    }

    // What a run is given would otherwise be written down and read again, which takes a twentieth of a short record.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn run_with<L: Lanes>(&self, lanes: L, text: Windows<'_>, how: How, memory: &mut Memory) -> bool {
        let mut run = Run::new(self, lanes, text, &how, memory);
        run.space();
        if run.value(how.root) != Proof::Yes {
            return false;
        }
        // Nothing but space up to the end, however the bytes behind that go on.
        let rest = run.bytes.get(run.at..how.length);
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
        rest.is_some_and(|rest| rest.iter().all(is_space)) && run.memory.dated.is_empty()
    }
}

/// What a run is about.
struct How {
    root: StateId,
    /// Of the record, in bytes.
    length: usize,
    today: Today,
    depth_max: u32,
    passes_over: bool,
}

impl How {
    fn new(root: StateId, length: usize, today: Today, depth_max: usize, passes_over: bool) -> Self {
        let depth_max = u32::try_from(depth_max).unwrap_or(DEPTH_MAX).min(DEPTH_MAX);
        Self { root, length, today, depth_max, passes_over }
    }
}

struct Run<'r, L> {
    program: &'r Program,
    lanes: L,
    text: Windows<'r>,
    /// The record, and what stands behind it, which means nothing: what is proved ends where the record does.
    bytes: &'r [u8],
    at: usize,
    memory: &'r mut Memory,
    today: Today,
    depth: u32,
    depth_max: u32,
    in_branch: u32,
    looks: u64,
    /// Bytes of nested objects in which members of any order were found.
    sought: usize,
    again: u64,
    passes_over: bool,
    /// Of a row, the values within objects that rules read: nobody has written these objects down.
    inner: Inner<'r>,
}

/// Goes on where something is proved, and leaves with anything else.
macro_rules! prove {
    ($proof:expr) => {
        match $proof {
            Proof::Yes => {}
            other => return other,
        }
    };
}

/// Goes on where something is there; otherwise nothing can be said.
macro_rules! known {
    ($option:expr) => {
        match $option {
            Some(value) => value,
            None => return Proof::Unknown,
        }
    };
}

impl<'r, L: Lanes> Run<'r, L> {
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn new(program: &'r Program, lanes: L, text: Windows<'r>, how: &How, memory: &'r mut Memory) -> Self {
        let How { length, today, depth_max, .. } = *how;
        let passes_over = how.passes_over && program.anything.is_some();
        let (looks, inner) = (LOOKS + LOOKS_PER_BYTE * length as u64, Inner::default());
        let bytes = text.bytes();
        memory.held.on(today);
        Self {
            program,
            lanes,
            text,
            bytes,
            at: 0,
            memory,
            today,
            depth: 0,
            depth_max,
            in_branch: 0,
            looks,
            sought: 0,
            again: program.again,
            passes_over,
            inner,
        }
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline(always)]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// At one value more, or at one for a branch.
    #[inline(always)]
    fn may_look(&mut self, again: bool) -> bool {
        if self.looks == 0 || again && self.again == 0 {
            return false;
        }
        self.looks -= 1;
        self.again -= u64::from(again);
        true
    }

    /// At so many values at once.
    #[inline(always)]
    fn looked_at(&mut self, count: u32) {
        self.looks = self.looks.saturating_sub(u64::from(count));
        if self.in_branch > 0 {
            self.again = self.again.saturating_sub(u64::from(count));
        }
    }

    fn state(&self, id: StateId) -> &'r State {
        &self.program.states[id as usize]
    }

    /// The value that begins here, behind any space.
    #[inline]
    fn value(&mut self, id: StateId) -> Proof {
        let state = self.state(id);
        if !self.may_look(self.in_branch > 0) {
            return Proof::Unknown;
        }
        let start = self.at;
        let proof = match self.peek() {
            Some(b'"') => self.text(id, state),
            Some(b'{') => {
                let (places, names) = (self.memory.places.len(), self.memory.names.len());
                self.memory.trail[self.depth as usize].0 = id;
                let proof = self.object(id, state);
                self.memory.names.truncate(names);
                let proof = match proof {
                    Proof::Yes if !state.branches.is_empty() => self.branches(&state.branches, start, Some(places)),
                    other => other,
                };
                let proof = match proof {
                    Proof::Yes if self.depth + self.in_branch == 0 && !self.memory.dated.is_empty() => {
                        self.dated_codes(places)
                    }
                    other => other,
                };
                if self.memory.standing.is_asked() && self.depth + self.in_branch == 0 {
                    self.keep_members(0, places);
                }
                self.memory.places.truncate(places);
                return proof;
            }
            Some(b'[') => {
                self.memory.trail[self.depth as usize].0 = id;
                self.array(state)
            }
            Some(b'-' | b'0'..=b'9') => self.number(state),
            Some(b't') => self.word(state, b"true", types::BOOLEAN),
            Some(b'f') => self.word(state, b"false", types::BOOLEAN),
            Some(b'n') => self.word(state, b"null", types::NULL),
            _ => return Proof::Unknown,
        };
        match proof {
            Proof::Yes if !state.branches.is_empty() => self.branches(&state.branches, start, None),
            other => other,
        }
    }

    /// Where the members stand that are asked for, of the record whose places begin there.
    fn keep_members(&mut self, lane: usize, base: usize) {
        let Some(asked) = &self.program.asked else { return };
        let Memory { places, standing, .. } = &mut *self.memory;
        let place = |member: &u8| places.get(base + usize::from(*member)).filter(|_| *member != NOBODY);
        standing.take(lane, asked.iter().map(|member| place(member).copied().unwrap_or_default()));
    }

    fn word(&mut self, state: &State, word: &[u8], kind: u8) -> Proof {
        if !self.bytes[self.at..].starts_with(word) {
            return Proof::Unknown;
        }
        self.at += word.len();
        prove!(typed(state, kind));
        let holds = state.values.iter().all(|values| match word[0] {
            b't' => values.has_true,
            b'f' => values.has_false,
            _ => values.has_null,
        });
        if holds { Proof::Yes } else { Proof::No }
    }

    #[inline]
    fn number(&mut self, state: &State) -> Proof {
        let start = self.at;
        let is_negative = self.peek() == Some(b'-');
        self.at += usize::from(is_negative);
        let first = self.at;
        let mut mantissa: i64 = 0;
        let mut digits = |run: &mut Self| {
            let from = run.at;
            while let Some(digit @ b'0'..=b'9') = run.peek() {
                mantissa = mantissa.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
                run.at += 1;
            }
            run.at - from
        };
        let whole = digits(self);
        if whole == 0 || self.bytes[first] == b'0' && whole > 1 {
            return Proof::Unknown;
        }
        let mut part = 0;
        if self.peek() == Some(b'.') {
            self.at += 1;
            part = digits(self);
            if part == 0 {
                return Proof::Unknown;
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) || whole + part > DIGITS_MAX {
            return Proof::Unknown;
        }
        debug_assert!(self.at > start);
        let number = Short { mantissa: if is_negative { -mantissa } else { mantissa }, scale: part as u8 };
        self.number_fits(state, number)
    }

    #[inline]
    fn number_fits(&self, state: &State, number: Short) -> Proof {
        let is_integer = number.scale == 0;
        if state.types & types::NUMBER == 0 && !is_integer {
            // 1.0 is an integer as well.
            return if state.types & types::INTEGER == 0 || !number.is_whole() { Proof::No } else { Proof::Unknown };
        }
        prove!(typed(state, if is_integer { types::INTEGER } else { types::NUMBER }));
        if !state.number.bounds.iter().all(|bound| bound.holds(number)) {
            return Proof::No;
        }
        for values in &state.values {
            if is_integer && values.integers.contains(&number.mantissa) {
                continue;
            }
            let may_hold = !is_integer && !values.integers.is_empty() || values.others & types::NUMBER != 0;
            return if may_hold { Proof::Unknown } else { Proof::No };
        }
        if !state.number.multiples.iter().all(|by| number.is_multiple_of(*by)) {
            return Proof::No;
        }
        Proof::Yes
    }

    #[inline]
    fn text(&mut self, id: StateId, state: &'r State) -> Proof {
        let from = self.at + 1;
        if let Some(length) = self.memory.held.length(id, &self.bytes[from..]) {
            self.at = from + length + 1;
            return Proof::Yes;
        }
        let found = known!(scan::string(self.bytes, from));
        self.at = found.end + 1;
        let bytes = &self.bytes[from..found.end];
        let is_free = state.values.is_empty() && state.text.checks.is_empty();
        if !found.has_escapes && !found.is_wide && is_free {
            prove!(typed(state, types::STRING));
            let is_short = bytes.len() < state.text.min as usize;
            let is_long = state.text.max.is_some_and(|max| bytes.len() > max as usize);
            return if is_short || is_long { Proof::No } else { Proof::Yes };
        }
        let place = (from, found.end);
        if !found.has_escapes {
            let wide = match found.is_wide {
                true => Some(known!(simdutf8::basic::from_utf8(bytes).ok())),
                false => None,
            };
            let proof = self.text_fits(id, state, Text { bytes, wide }, place);
            if proof == Proof::Yes && !state.text.checks.is_empty() {
                self.memory.held.take(id, &state.text.checks, bytes);
            }
            return proof;
        }
        let mut text = std::mem::take(&mut self.memory.text);
        let proof = match unescaped(bytes, &mut text) {
            true => self.text_fits(id, state, Text::of(&text), place),
            false => Proof::Unknown,
        };
        self.memory.text = text;
        proof
    }

    #[inline]
    fn text_fits(&mut self, id: StateId, state: &State, text: Text<'_>, (from, to): (usize, usize)) -> Proof {
        prove!(plain_text_fits(state, text));
        let mut soft = false;
        for (at, check) in state.text.checks.iter().enumerate() {
            match check {
                TextCheck::Matcher(matcher) if matcher.takes(text) => {}
                TextCheck::Matcher(_) => return Proof::No,
                TextCheck::Engine(_, Some(moment)) if moment.fails(text.bytes) => return Proof::No,
                TextCheck::Format(_, Some(moment)) | TextCheck::Engine(_, Some(moment)) if moment.holds(text.bytes) => {
                }
                TextCheck::DatedList(..) if self.in_branch > 0 => return Proof::Unknown,
                TextCheck::DatedList(..) => self.memory.dated.push((id, at as u32, from as u32, to as u32)),
                check => match check_text(check, known!(text.as_str()), self.today) {
                    Proof::Yes => {}
                    Proof::No => return Proof::No,
                    Proof::Unknown => soft = true,
                },
            }
        }
        if soft { Proof::Unknown } else { Proof::Yes }
    }

    fn array(&mut self, state: &'r State) -> Proof {
        prove!(typed(state, types::ARRAY));
        let array = known!(state.array.as_deref());
        prove!(other_values(state, types::ARRAY));
        self.depth += 1;
        if self.depth > self.depth_max {
            return Proof::Unknown;
        }
        let items = self.memory.items.len();
        let proof = self.items(array);
        self.memory.items.truncate(items);
        self.depth -= 1;
        proof
    }

    fn items(&mut self, array: &'r ArrayState) -> Proof {
        let (begin, start) = (self.memory.items.len(), self.at);
        let count = match self.lanes.enter(Items { run: self, array }) {
            Ok(count) => count,
            Err(proof) => return proof,
        };
        if count < array.min || count > array.max {
            return Proof::No;
        }
        if array.is_unique {
            prove!(self.are_unique(begin, start));
        }
        let end = self.at;
        for contains in &array.contains {
            let mut found = 0;
            for place in begin..self.memory.items.len() {
                self.at = self.memory.items[place].0 as usize;
                match self.branch(contains.state) {
                    Proof::Yes => found += 1,
                    Proof::No => {}
                    Proof::Unknown => return Proof::Unknown,
                }
            }
            if found < contains.min || found > contains.max {
                return Proof::No;
            }
        }
        self.at = end;
        Proof::Yes
    }

    /// How many items there are; each was proved.
    #[inline(always)]
    fn each_item(&mut self, array: &'r ArrayState) -> Result<u32, Proof> {
        let text = self.text;
        let keeps = array.is_unique || !array.contains.is_empty();
        let mut at = self.behind_space(self.at + 1);
        let mut count = 0_u32;
        if text.byte(at) == b']' {
            self.at = at + 1;
            return Ok(0);
        }
        loop {
            let state = array.first.get(count as usize).copied().unwrap_or(array.rest);
            let end = match self.program.plains[state as usize].end(self.lanes, text, at, self.today) {
                0 => {
                    self.at = at;
                    self.memory.trail[self.depth as usize - 1].1 = ITEM | count;
                    self.value_or_doubt(state)?;
                    self.at
                }
                end => end,
            };
            if keeps {
                self.memory.items.push((at as u32, end as u32));
            }
            count += 1;
            at = self.behind_space(end);
            match text.byte(at) {
                b',' => at = self.behind_space(at + 1),
                b']' => break,
                _ => return Err(Proof::Unknown),
            }
        }
        self.at = at + 1;
        self.looked_at(count);
        Ok(count)
    }

    /// Goes behind the value that begins here, where it is proved or can be passed over.
    fn value_or_doubt(&mut self, state: StateId) -> Result<(), Proof> {
        let from = self.at;
        match self.value(state) {
            Proof::Yes => Ok(()),
            _ if self.passes_over && self.pass_over(state, from) => Ok(()),
            other => Err(other),
        }
    }

    #[inline(always)]
    fn behind_space(&self, at: usize) -> usize {
        self.text.behind_space(at)
    }

    /// Whether the items from a place on differ; the array begins at `start` and ends here.
    fn are_unique(&self, begin: usize, start: usize) -> Proof {
        let items = &self.memory.items[begin..];
        let spelled = |(from, to): (u32, u32)| &self.bytes[from as usize..to as usize];
        // Of these, equal values have one spelling.
        let is_one_spelling = |item: &[u8]| match item.first() {
            Some(b'"') => !item.contains(&b'\\'),
            Some(b'0'..=b'9') => item.iter().all(u8::is_ascii_digit),
            first => matches!(first, Some(b't' | b'f' | b'n')),
        };
        if items.len() > ITEMS_MAX || !items.iter().all(|item| is_one_spelling(spelled(*item))) {
            return json::are_unique(&self.bytes[start..self.at]).map_or(Proof::Unknown, Proof::of);
        }
        let is_new = |at: usize| items[..at].iter().all(|other| spelled(*other) != spelled(items[at]));
        Proof::of((0..items.len()).all(is_new))
    }

    fn object(&mut self, id: StateId, state: &'r State) -> Proof {
        prove!(typed(state, types::OBJECT));
        let object = known!(state.object.as_deref());
        prove!(other_values(state, types::OBJECT));
        self.depth += 1;
        if self.depth > self.depth_max {
            return Proof::Unknown;
        }
        let (start, doubts) = (self.at, self.memory.doubts.len());
        let base = self.memory.places.len();
        if object.kept != 0 {
            self.memory.places.resize(base + object.members.len(), (0, 0));
        }
        let (seen, count) = match self.lanes.enter(Members { run: self, object, base }) {
            Ok(found) => found,
            Err(proof) => return proof,
        };
        self.depth -= 1;
        if self.memory.doubts.len() > doubts {
            self.finish_strangers(doubts, start, seen);
        }
        let missing = object.required & !seen;
        let is_told = missing != 0 && self.passes_over && self.pass_over_object(id, start, What::Missing(missing));
        self.settled(object, (seen, if is_told { missing } else { 0 }), count, base)
    }

    /// What is asked of an object beside the values of its members; of those that it lacks, some are told of already.
    #[inline]
    fn settled(&self, object: &'r ObjectState, (seen, told): (u128, u128), count: u32, base: usize) -> Proof {
        if (seen | told) & object.required != object.required || count < object.min || count > object.max {
            return Proof::No;
        }
        prove!(dependents(&object.dependent, seen));
        for rules in &object.rules {
            prove!(self.rules(rules, base));
        }
        Proof::Yes
    }

    /// Goes behind a plain value of which all can be said later, if it is one.
    #[cold]
    fn pass_over(&mut self, state: StateId, from: usize) -> bool {
        if !self.may_pass_over(state) {
            return false;
        }
        let end = match self.text.byte(from) {
            b'"' => match scan::string(self.bytes, from + 1) {
                Some(found) if !found.is_wide && !found.has_escapes => Some(found.end + 1),
                _ => Plainly.text(self.text, from).map(|(stop, _)| stop + 1),
            },
            _ => scalar_end(self.bytes, from),
        };
        end.is_some_and(|to| self.doubt(state, (from, to), None))
    }

    /// The same of a value of which it is told right away what it fails at, if it fails; false says nothing about it. Only where a look
    /// tells nearly all that are right: of others it would be asked twice.
    fn pass_over_signed(&mut self, state: StateId, from: usize) -> bool {
        let is_probably_wrong = self.program.plains[state as usize].tells_most();
        if !self.passes_over || !is_probably_wrong || !self.may_pass_over(state) {
            return false;
        }
        let end = match self.text.byte(from) {
            b'"' => scan::string(self.bytes, from + 1)
                .filter(|found| !found.is_wide && !found.has_escapes)
                .map(|found| found.end + 1),
            _ => scalar_end(self.bytes, from),
        };
        let Some(to) = end else { return false };
        let sign = match &self.bytes[from..to] {
            [b'"', text @ .., _] => doubt::text_sign(self.state(state), Text::of_ascii(text), self.today),
            number => doubt::number_sign(self.state(state), number),
        };
        sign.is_some_and(|sign| !sign.is_clean()) && self.doubt(state, (from, to), sign)
    }

    fn may_pass_over(&self, state: StateId) -> bool {
        self.in_branch == 0 && self.memory.doubts.len() < DOUBTS_MAX && self.state(state).stands_alone()
    }

    fn doubt(&mut self, state: StateId, (from, to): (usize, usize), sign: Option<Sign>) -> bool {
        let Memory { trail, ways, doubts, .. } = &mut *self.memory;
        let trail = &trail[..self.depth as usize];
        if trail.iter().any(|(_, place)| *place == UNNAMED) {
            return false;
        }
        let way = (ways.len() as u32, trail.len() as u32);
        doubts.push(Doubt { state, at: from, from, to, what: What::Value, sign, way, record: 0 });
        ways.extend_from_slice(trail);
        self.at = to;
        true
    }

    /// Leaves what is wrong with the object that ends here, at a depth that is its own, to be said later.
    #[cold]
    fn pass_over_object(&mut self, state: StateId, start: usize, what: What) -> bool {
        if self.in_branch > 0 || self.memory.doubts.len() == DOUBTS_MAX || self.state(state).schemas.is_empty() {
            return false;
        }
        let Memory { trail, ways, doubts, .. } = &mut *self.memory;
        let trail = &trail[..self.depth as usize];
        if trail.iter().any(|(_, place)| *place == UNNAMED) {
            return false;
        }
        let at = match what {
            What::Stranger { name, .. } => name.0 as usize - 1,
            _ => start,
        };
        let way = (ways.len() as u32, trail.len() as u32);
        doubts.push(Doubt { state, at, from: start, to: self.at, what, sign: None, way, record: 0 });
        ways.extend_from_slice(trail);
        true
    }

    /// What was not known when strangers were met: where their object begins and ends, and which members it has.
    #[cold]
    fn finish_strangers(&mut self, from: usize, start: usize, all: u128) {
        let (depth, end) = (self.depth, self.at);
        for doubt in &mut self.memory.doubts[from..] {
            if let What::Stranger { seen, .. } = &mut doubt.what
                && doubt.way.1 == depth
            {
                (doubt.from, doubt.to, *seen) = (start, end, all);
            }
        }
    }

    /// Goes behind the value of a member that may not be there, if it is well-formed.
    #[cold]
    fn pass_over_stranger(&mut self, name: (u32, u32)) -> bool {
        let Some(anything) = self.program.anything.filter(|_| self.passes_over) else { return false };
        self.depth -= 1;
        let object = self.memory.trail[self.depth as usize].0;
        let is_left = self.pass_over_object(object, 0, What::Stranger { name, seen: 0 });
        self.depth += 1;
        is_left && self.value(anything) == Proof::Yes
    }

    /// Which known members there are, and how many of all.
    #[inline(always)]
    fn members(&mut self, object: &'r ObjectState, base: usize) -> Result<(u128, u32), Proof> {
        let (text, names) = (self.text, self.memory.names.len());
        let (mut seen, mut count) = (0_u128, 0);
        let mut order = object.memory as usize;
        let mut at = self.behind_space(self.at + 1);
        if text.byte(at) == b'}' {
            self.at = at + 1;
            return Ok((0, 0));
        }
        // The member whose name stands here, where that is known already.
        let (mut next, mut is_other) = (None, false);
        loop {
            let member = match next.take() {
                Some(member) => Some(member),
                None => {
                    let expected = object.members.get(usize::from(self.memory.order[order])).filter(|_| !is_other);
                    match expected {
                        Some(member) if member.stands_at(self.lanes, text, at) => expected,
                        _ => {
                            let found = object.look_up(self.lanes, text, at);
                            if let Some(member) = found {
                                self.memory.order[order] = member.place;
                            }
                            found
                        }
                    }
                }
            };
            let member = match member {
                Some(member) => {
                    at += member.length as usize;
                    Some(member)
                }
                None => {
                    self.at = at;
                    let found = self.name(object, names, order)?;
                    at = self.at;
                    found
                }
            };
            if let Some(member) = member {
                at = self.behind_space(at);
                if seen & member.bit != 0 {
                    return Err(Proof::Unknown);
                }
                seen |= member.bit;
                order = object.memory as usize + 1 + usize::from(member.place);
                let end = match member.plain.end(self.lanes, text, at, self.today) {
                    0 => {
                        self.at = at;
                        self.memory.trail[self.depth as usize - 1].1 = u32::from(member.place);
                        self.value_or_doubt(member.state)?;
                        self.at
                    }
                    end => end,
                };
                if object.kept & member.bit != 0 {
                    self.memory.places[base + usize::from(member.place)] = (at as u32, end as u32);
                }
                at = end;
            }
            count += 1;
            let expected = object.members.get(usize::from(self.memory.order[order]));
            if let Some(member) = expected
                && member.follows_at(self.lanes, text, at)
            {
                (next, at) = (expected, at + 1);
                continue;
            }
            let end = at;
            at = self.behind_space(at);
            match text.byte(at) {
                b',' => at = self.behind_space(at + 1),
                b'}' => break,
                _ => return Err(Proof::Unknown),
            }
            // Without space, what was expected is not there.
            is_other = at == end + 1;
        }
        self.at = at + 1;
        self.looked_at(count);
        Ok((seen, count))
    }

    /// Goes behind the name that stands here and its colon, and, where the standard does not know it, behind its value.
    #[inline(never)]
    fn name(&mut self, object: &'r ObjectState, names: usize, order: usize) -> Result<Option<&'r Member>, Proof> {
        if self.peek() != Some(b'"') {
            return Err(Proof::Unknown);
        }
        let from = self.at + 1;
        let found = scan::string(self.bytes, from).filter(|found| !found.has_escapes).ok_or(Proof::Unknown)?;
        self.at = found.end + 1;
        self.space();
        if self.peek() != Some(b':') {
            return Err(Proof::Unknown);
        }
        self.at += 1;
        self.space();
        match object.names.get(&self.bytes[from..found.end]) {
            Some(place) => {
                self.memory.order[order] = place;
                Ok(object.members.get(usize::from(place)))
            }
            None => self.other(object, names, (from, found.end)).map(|()| None),
        }
    }

    /// A member whose name, which stands there, is not known.
    fn other(&mut self, object: &'r ObjectState, names: usize, (begin, end): (usize, usize)) -> Result<(), Proof> {
        let bytes = self.bytes;
        let name = &bytes[begin..end];
        let known = &self.memory.names[names..];
        if known.len() >= NAMES_MAX || known.iter().any(|(from, to)| &bytes[*from as usize..*to as usize] == name) {
            return Err(Proof::Unknown);
        }
        self.memory.names.push((begin as u32, end as u32));
        let text = std::str::from_utf8(name).map_err(|_| Proof::Unknown)?;
        if let Some(asked) = object.other_names {
            match text_fits(self.state(asked), text) {
                Proof::Yes => {}
                other => return Err(other),
            }
        }
        let matched = object.patterns.iter().enumerate().filter(|(_, pattern)| pattern.is_match(text));
        let matched = matched.fold(0, |all, (at, _)| all | 1 << at);
        self.memory.trail[self.depth as usize - 1].1 = UNNAMED;
        let (state, start, depth) = (object.others[matched], self.at, self.depth);
        match self.value(state) {
            Proof::Yes => Ok(()),
            other if self.state(state).types != 0 => Err(other),
            other => {
                (self.at, self.depth) = (start, depth);
                if self.pass_over_stranger((begin as u32, end as u32)) { Ok(()) } else { Err(other) }
            }
        }
    }

    fn rules(&self, rules: &RuleSet, base: usize) -> Proof {
        let places = &self.memory.places[base..];
        // What stands within a field of a row, its cells tell.
        let is_written = self.inner.below.is_empty() || !rules.between.is_within;
        if is_written && rules.between.hold(self.bytes, places) {
            return Proof::Yes;
        }
        let record = Kept { bytes: self.bytes, places, names: &rules.places, inner: self.inner };
        let breaches = rules.rules.check(&record);
        match breaches.iter().any(|breach| breach.severity == Severity::Error) {
            true => Proof::No,
            false if breaches.is_empty() => Proof::Yes,
            false => Proof::Unknown,
        }
    }

    /// What holds only for some values, judged on the value that begins at `start` and ends here.
    fn branches(&mut self, branches: &'r [Branch], start: usize, base: Option<usize>) -> Proof {
        let end = self.at;
        for branch in branches {
            prove!(self.one_branch(branch, start, base));
        }
        self.at = end;
        Proof::Yes
    }

    fn one_branch(&mut self, branch: &'r Branch, start: usize, base: Option<usize>) -> Proof {
        match branch {
            Branch::AnyOf(targets) => {
                let mut any = Proof::No;
                for target in targets {
                    // A branch that fits may still remark.
                    if any == Proof::Yes && !self.state(target.state).may_remark {
                        continue;
                    }
                    match self.target(target, start, base) {
                        Proof::Yes => any = Proof::Yes,
                        Proof::No => {}
                        Proof::Unknown => return Proof::Unknown,
                    }
                }
                any
            }
            Branch::OneOf(targets) => {
                let mut fitting = 0;
                for target in targets {
                    match self.target(target, start, base) {
                        Proof::Yes => fitting += 1,
                        Proof::No => {}
                        Proof::Unknown => return Proof::Unknown,
                    }
                }
                if fitting == 1 { Proof::Yes } else { Proof::No }
            }
            Branch::Not(target) => match self.target(target, start, base) {
                Proof::Yes => Proof::No,
                Proof::No => Proof::Yes,
                Proof::Unknown => Proof::Unknown,
            },
            Branch::If { condition, then, otherwise } => {
                let next = match self.target(condition, start, base) {
                    Proof::Yes => then,
                    Proof::No => otherwise,
                    Proof::Unknown => return Proof::Unknown,
                };
                next.as_ref().map_or(Proof::Yes, |next| self.target(next, start, base))
            }
            Branch::Dependent { member, target } => match base {
                Some(base) if self.memory.places[base + usize::from(*member)].1 == 0 => Proof::Yes,
                Some(_) => self.target(target, start, base),
                None => Proof::Yes,
            },
        }
    }

    fn target(&mut self, target: &'r Target, start: usize, base: Option<usize>) -> Proof {
        match (&target.view, base) {
            (Some(view), Some(base)) => self.view(view, start, base),
            _ => {
                self.at = start;
                self.branch(target.state)
            }
        }
    }

    fn branch(&mut self, state: StateId) -> Proof {
        self.in_branch += 1;
        let depth = self.depth;
        let proof = self.value(state);
        self.depth = depth;
        self.in_branch -= 1;
        proof
    }

    /// An object told by the members whose places were kept.
    fn view(&mut self, view: &'r View, start: usize, base: usize) -> Proof {
        if view.types & types::OBJECT == 0 {
            return Proof::No;
        }
        let place = |run: &Self, member: u8| run.memory.places[base + usize::from(member)];
        let has = |run: &Self, mut wanted: u128| {
            while wanted != 0 {
                if place(run, wanted.trailing_zeros() as u8).1 == 0 {
                    return false;
                }
                wanted &= wanted - 1;
            }
            true
        };
        if !has(self, view.required) {
            return Proof::No;
        }
        if view.dependent.iter().any(|(member, wanted)| has(self, *member) && !has(self, *wanted)) {
            return Proof::No;
        }
        let mut soft = false;
        for (member, state) in &view.members {
            let (from, to) = place(self, *member);
            if to == 0 {
                continue;
            }
            let told = match self.state(*state).among(&self.bytes[from as usize..to as usize]) {
                // What is soon told counts as any other look: the engine pays for it.
                Some(told) if self.may_look(true) => told,
                Some(_) => Proof::Unknown,
                None => {
                    self.at = from as usize;
                    self.branch(*state)
                }
            };
            match told {
                Proof::Yes => {}
                Proof::No => return Proof::No,
                Proof::Unknown => soft = true,
            }
        }
        for branch in &view.branches {
            match self.one_branch(branch, start, Some(base)) {
                Proof::Yes => {}
                Proof::No => return Proof::No,
                Proof::Unknown => soft = true,
            }
        }
        if soft { Proof::Unknown } else { Proof::Yes }
    }

    /// Codes whose day the record tells, judged once all of it was seen.
    fn dated_codes(&mut self, base: usize) -> Proof {
        let places = &self.memory.places[base..];
        let record = Kept { bytes: self.bytes, places, names: &self.program.dated, inner: Inner::default() };
        let mut text = String::new();
        for (state, check, from, to) in &self.memory.dated {
            let TextCheck::DatedList(membership, codes) = &self.state(*state).text.checks[*check as usize] else {
                continue;
            };
            let code = &self.bytes[*from as usize..*to as usize];
            if !unescaped(code, &mut text)
                || membership.check(codes, &text, membership.day(&record, self.today)).is_some()
            {
                return Proof::Unknown;
            }
        }
        self.memory.dated.clear();
        Proof::Yes
    }
}

/// The members of one object.
struct Members<'a, 'r, L> {
    run: &'a mut Run<'r, L>,
    object: &'r ObjectState,
    base: usize,
}

impl<L: Lanes> Work for Members<'_, '_, L> {
    type Gives = Result<(u128, u32), Proof>;

    #[inline(always)]
    fn run(self) -> Self::Gives {
        self.run.members(self.object, self.base)
    }
}

/// The items of one array.
struct Items<'a, 'r, L> {
    run: &'a mut Run<'r, L>,
    array: &'r ArrayState,
}

impl<L: Lanes> Work for Items<'_, '_, L> {
    type Gives = Result<u32, Proof>;

    #[inline(always)]
    fn run(self) -> Self::Gives {
        self.run.each_item(self.array)
    }
}

impl ObjectState {
    /// The member whose name stands here and is followed by its colon, if that is told at a look.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn look_up(&self, lanes: impl Lanes, text: Windows<'_>, at: usize) -> Option<&Member> {
        // Something always stands before a name.
        let before = at.wrapping_sub(1);
        match self.names.words {
            1 => self.look_behind::<1>(lanes, text, before),
            2 => self.look_behind::<2>(lanes, text, before),
            _ => self.look_behind::<3>(lanes, text, before),
        }
    }

    /// The same right behind this place, where so many words tell names apart.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn look_behind<const WORDS: usize>(&self, lanes: impl Lanes, text: Windows<'_>, before: usize) -> Option<&Member> {
        let block = text.block(before)?;
        let member = self.members.get(usize::from(self.names.first_of::<WORDS>(block)))?;
        let begins = lanes.begin([block], &member.head, &member.bare_mask);
        let is_all = || member.spelled.len() <= BLOCK || text.bytes()[before + 1..].starts_with(&member.spelled[1..]);
        if begins && is_all() { Some(member) } else { None }
    }
}

impl Member {
    /// Whether its name stands here, and the colon.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn stands_at<L: Lanes>(&self, lanes: L, text: Windows<'_>, at: usize) -> bool {
        // Something always stands before a name.
        match text.block(at.wrapping_sub(1)) {
            Some(block) if lanes.begin([block], &self.head, &self.bare_mask) => {
                self.spelled.len() <= BLOCK || text.bytes()[at..].starts_with(&self.spelled[1..])
            }
            _ => false,
        }
    }

    /// The same behind a comma and no space.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn follows_at<L: Lanes>(&self, lanes: L, text: Windows<'_>, at: usize) -> bool {
        match text.block(at) {
            Some(block) if lanes.begin([block], &self.head, &self.mask) => {
                self.spelled.len() <= BLOCK || text.bytes()[at..].starts_with(&self.spelled)
            }
            _ => false,
        }
    }
}

/// Values within objects by pointer, each by a cell of a row.
#[derive(Clone, Copy, Default)]
struct Inner<'r> {
    below: &'r [(Pointer, usize)],
    cells: &'r [Span],
    /// Where rows are read together: how many there are, and which this one is.
    step: usize,
    first: usize,
}

/// An object told by its kept members, as rules read it.
struct Kept<'r> {
    bytes: &'r [u8],
    places: &'r [(u32, u32)],
    names: &'r [(Pointer, u8)],
    inner: Inner<'r>,
}

impl Record for Kept<'_> {
    fn get(&self, pointer: &Pointer) -> Option<Scalar<'_>> {
        let inner = self.inner.below.iter().find(|(known, _)| known == pointer);
        let ((from, to), depth) = match inner {
            Some((_, cell)) => (self.inner.cells[self.inner.step * cell + self.inner.first], usize::MAX),
            None => {
                let (_, member) = self.names.iter().find(|(known, _)| known == pointer)?;
                (self.places[usize::from(*member)], 1)
            }
        };
        let spelled = self.bytes.get(from as usize..to as usize).filter(|spelled| !spelled.is_empty())?;
        scalar_within(spelled, pointer.tokens().skip(depth))
    }
}

/// What stands below a value that is known to be well-formed, on the way that these names lead.
pub(crate) fn scalar_within<'r, 'n>(spelled: &'r [u8], below: impl IntoIterator<Item = &'n str>) -> Option<Scalar<'r>> {
    let mut below = below.into_iter().peekable();
    if below.peek().is_none()
        && let Some(scalar) = scalar(spelled)
    {
        return Some(scalar);
    }
    let document = json::read(spelled, usize::MAX).document?;
    let mut node = document.root();
    for token in below {
        node = node.below(token)?;
    }
    Some(match node.scalar() {
        Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
        Scalar::Number(text) => Scalar::Number(Cow::Owned(text.into_owned())),
        Scalar::Bool(is) => Scalar::Bool(is),
        Scalar::Null => Scalar::Null,
        Scalar::Other(count) => Scalar::Other(count),
    })
}

/// A value that needs no reading.
fn scalar(spelled: &[u8]) -> Option<Scalar<'_>> {
    match spelled {
        [b'"', ..] => {
            let text = std::str::from_utf8(scan::plain_text(spelled)?).ok()?;
            Some(Scalar::Text(Cow::Borrowed(text)))
        }
        [b'-' | b'0'..=b'9', ..] => std::str::from_utf8(spelled).ok().map(|text| Scalar::Number(Cow::Borrowed(text))),
        b"true" => Some(Scalar::Bool(true)),
        b"false" => Some(Scalar::Bool(false)),
        b"null" => Some(Scalar::Null),
        _ => None,
    }
}

/// Where a number or a word ends that begins here, if it is well-formed.
fn scalar_end(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = &bytes[from..];
    match rest.first()? {
        b'-' | b'0'..=b'9' => {
            let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
            let length = rest.iter().take_while(|byte| is_part(byte)).count();
            serde_json::from_slice::<serde_json::Number>(&rest[..length]).ok().map(|_| from + length)
        }
        _ => [&b"true"[..], b"false", b"null"]
            .into_iter()
            .find(|word| rest.starts_with(word))
            .map(|word| from + word.len()),
    }
}

/// Whether a value of this type may stand here; whether anything can be said of it.
#[inline(always)]
fn typed(state: &State, kind: u8) -> Proof {
    match () {
        () if state.types & kind == 0 => Proof::No,
        () if state.opaque_types & kind != 0 => Proof::Unknown,
        () => Proof::Yes,
    }
}

/// Arrays and objects among the values of an `enum` are compared by the engine.
fn other_values(state: &State, kind: u8) -> Proof {
    match state.values.iter().find(|values| values.others & kind == 0) {
        Some(_) => Proof::No,
        None if state.values.is_empty() => Proof::Yes,
        None => Proof::Unknown,
    }
}

fn dependents(dependent: &[(u128, u128)], seen: u128) -> Proof {
    let lacks = dependent.iter().any(|(member, wanted)| seen & member != 0 && seen & wanted != *wanted);
    if lacks { Proof::No } else { Proof::Yes }
}

/// A text that is known to be UTF-8.
#[derive(Clone, Copy)]
pub(super) struct Text<'t> {
    bytes: &'t [u8],
    /// The same, where it may hold bytes beyond ASCII.
    wide: Option<&'t str>,
}

impl<'t> Text<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { bytes: text.as_bytes(), wide: Some(text) }
    }

    /// Of bytes that are ASCII.
    pub(super) fn of_ascii(bytes: &'t [u8]) -> Self {
        Self { bytes, wide: None }
    }

    /// In code points.
    #[inline]
    pub(super) fn length(self) -> usize {
        if self.wide.is_some() { scan::code_points(self.bytes) } else { self.bytes.len() }
    }

    #[inline]
    pub(super) fn bytes(self) -> &'t [u8] {
        self.bytes
    }

    #[inline]
    pub(super) fn as_str(self) -> Option<&'t str> {
        self.wide.or_else(|| std::str::from_utf8(self.bytes).ok())
    }
}

#[inline]
pub(super) fn plain_text_fits(state: &State, text: Text<'_>) -> Proof {
    prove!(typed(state, types::STRING));
    if state.text.min > 0 || state.text.max.is_some() {
        let length = text.length();
        if length < state.text.min as usize || state.text.max.is_some_and(|max| length > max as usize) {
            return Proof::No;
        }
    }
    Proof::of(state.values.iter().all(|values| values.texts.has(text.bytes)))
}

fn check_text(check: &TextCheck, text: &str, today: Today) -> Proof {
    let fault = |severity: Severity| if severity == Severity::Error { Proof::No } else { Proof::Unknown };
    match check {
        TextCheck::Matcher(matcher) if matcher.is_match(text) => Proof::Yes,
        TextCheck::Matcher(_) => Proof::No,
        TextCheck::Format(format, _) => {
            let faults = format.check(text, today);
            let worst = faults.iter().map(|fault| fault.severity);
            if faults.is_empty() {
                Proof::Yes
            } else {
                worst.map(fault).find(|p| *p == Proof::No).unwrap_or(Proof::Unknown)
            }
        }
        TextCheck::Engine(engine, _) => match json::fits(engine, text) {
            true => Proof::Yes,
            false => Proof::No,
        },
        TextCheck::List(membership, codes) => {
            membership.check(codes, text, today).map_or(Proof::Yes, |found| fault(found.severity))
        }
        TextCheck::DatedList(..) => Proof::Unknown,
    }
}

/// Whether a text that stands in no record, a name, fits a state.
pub(super) fn text_fits(state: &State, text: &str) -> Proof {
    if !state.branches.is_empty() {
        return Proof::Unknown;
    }
    prove!(plain_text_fits(state, Text::of(text)));
    let mut proof = Proof::Yes;
    for check in &state.text.checks {
        match check_text(check, text, None) {
            Proof::No => return Proof::No,
            Proof::Unknown => proof = Proof::Unknown,
            Proof::Yes => {}
        }
    }
    // What asks for today is not answered here.
    let asks = state.text.checks.iter().any(|check| !matches!(check, TextCheck::Matcher(_) | TextCheck::Engine(..)));
    if asks { Proof::Unknown } else { proof }
}

/// Reads the escapes of a string; false where one is no escape, or the bytes are no text.
fn unescaped(bytes: &[u8], text: &mut String) -> bool {
    text.clear();
    let Ok(mut rest) = simdutf8::basic::from_utf8(bytes) else { return false };
    text.reserve(rest.len());
    loop {
        // Escapes come in runs.
        while rest.as_bytes().first() == Some(&b'\\') {
            let Some((c, length)) = scan::escape(rest.as_bytes()) else { return false };
            text.push(c);
            rest = &rest[length..];
        }
        match memchr::memchr(b'\\', rest.as_bytes()) {
            Some(at) => {
                text.push_str(&rest[..at]);
                rest = &rest[at..];
            }
            None => {
                text.push_str(rest);
                return true;
            }
        }
    }
}
