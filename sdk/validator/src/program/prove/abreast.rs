//! Several records at once. Those of one file have the same members in the same order as a rule, so each step is taken for all of
//! them before the next: none waits for where the value before it ends in another, and what a step is, is looked up once.
//!
//! # Invariants
//! - Of a record that stays in step all is proved that [`Program::proves`] would prove of it alone. One that does not is not
//!   proved here, which says nothing about it, and nothing about the others.
//! - A record out of step stands where one in step does, so that nobody has to ask which ones are.

use super::{
    How, Memory, Run, Today, dependents,
    search::{Found, Search, Spot},
};
use crate::program::{
    ArrayState, Member, ObjectState, Program, Proof, State, StateId,
    doubt::ITEM,
    lanes::{Lanes, Plainly, Processor, Work},
    types,
    windows::{BLOCK, Windows},
};
use std::{array, ops::Range};

/// So many records, which is as many as a processor can keep apart in its registers.
pub const ABREAST: usize = 4;

/// Every record.
const ALL: [bool; ABREAST] = [true; ABREAST];

/// A place in each record.
type Places = [usize; ABREAST];

/// How often at most records are judged apart after they were out of step.
const APART_MAX: u32 = 64;

/// Whether it is worth trying.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How often not to try.
    apart: u32,
    /// The same after the next failure.
    next: u32,
    /// How many in a row had hardly a member in one order.
    astray: u32,
    /// Whether the last had so few members in common that a look told of hardly more than one of them.
    differ: bool,
}

/// After so many in a row that had members in orders of their own, nobody asks so often whether the next have.
const ASTRAY: u32 = 4;
const ASTRAY_MAX: u32 = 20;

impl Pace {
    fn is_to_try(&mut self) -> bool {
        let is_due = self.apart == 0;
        self.differ = false;
        self.apart = self.apart.saturating_sub(1);
        is_due
    }

    fn learn(&mut self, in_step: usize) {
        if in_step > 1 && !self.differ {
            self.next = 0;
        } else {
            (self.apart, self.next) = (self.next, (2 * self.next + 1).min(APART_MAX));
        }
    }

    /// Whether the members of the next are taken to have orders of their own.
    fn goes_astray(&mut self) -> bool {
        let goes = self.astray >= ASTRAY;
        if goes {
            self.astray = if self.astray < ASTRAY_MAX { self.astray + 1 } else { ASTRAY - 1 };
        }
        goes
    }

    fn learn_order(&mut self, is_one: bool) {
        self.astray = if is_one { 0 } else { self.astray + 1 };
    }
}

impl Program {
    /// Of which of these records, one behind another in `bytes`, nothing is to be said but of their values in [`Memory::doubts`],
    /// as far as that is told of all together.
    pub fn proves_abreast(
        &self,
        bytes: &[u8],
        records: &[Range<usize>; ABREAST],
        today: Today,
        depth_max: usize,
        memory: &mut Memory,
    ) -> [bool; ABREAST] {
        let all = records[0].start..records[ABREAST - 1].end;
        let are_in_turn = records.windows(2).all(|pair| pair[0].end <= pair[1].start);
        memory.standing.forget();
        if !memory.pace.is_to_try() || !are_in_turn || all.len() >= u32::MAX as usize {
            return [false; ABREAST];
        }
        let (Some(root), Some(text)) = (self.root, Windows::within(bytes, all.clone())) else {
            return [false; ABREAST];
        };
        memory.begin(self);
        let how = How::new(root, all.len(), today, depth_max, true);
        let own = array::from_fn(|lane| (records[lane].start - all.start, records[lane].end - all.start));
        let in_step = match memory.processor {
            Processor::Plainly => self.abreast_with(Plainly, text, &own, how, memory),
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2(lanes) => self.abreast_with(lanes, text, &own, how, memory),
        };
        memory.pace.learn(if in_step == ALL { ABREAST } else { in_step.iter().filter(|is| **is).count() });
        if in_step != ALL {
            memory.standing.keep(in_step);
        }
        in_step
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn abreast_with<L: Lanes>(
        &self,
        lanes: L,
        text: Windows<'_>,
        records: &[(usize, usize); ABREAST],
        how: How,
        memory: &mut Memory,
    ) -> [bool; ABREAST] {
        let root = how.root;
        let mut run = Run::new(self, lanes, text, &how, memory);
        let [one, two, three, four] = records;
        let starts = [one.0, two.0, three.0, four.0];
        let mut file = File { at: behind_spaces(text, starts), in_step: ALL };
        run.objects(root, &mut file);
        for doubt in &mut run.memory.doubts {
            doubt.begin_at(records[usize::from(doubt.record)].0);
        }
        if run.memory.standing.is_asked() {
            run.memory.standing.keep(file.in_step);
            run.memory.standing.begin_at(starts);
        }
        // The end of the line, as a rule.
        let is_at_end =
            |all: bool, lane: usize| all & (file.at[lane] == records[lane].1) & (records[lane].0 < records[lane].1);
        if file.in_step == ALL && (0..ABREAST).fold(true, is_at_end) {
            return ALL;
        }
        array::from_fn(|lane| {
            let is_space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
            // Behind its own beginning nothing but space up to the end, however the bytes behind that go on.
            let rest = run.bytes.get(file.at[lane]..records[lane].1).filter(|_| file.at[lane] > records[lane].0);
            file.in_step[lane] && rest.is_some_and(|rest| rest.iter().all(is_space))
        })
    }
}

/// Where each record is being read, and who is still in step.
#[derive(Clone, Copy)]
pub(super) struct File {
    pub at: Places,
    pub in_step: [bool; ABREAST],
}

impl File {
    /// The first in step, whom the others follow.
    pub fn first(&self) -> Option<usize> {
        self.in_step.iter().position(|is| *is)
    }

    fn drop_all(&mut self) {
        self.in_step = [false; ABREAST];
    }

    /// Leaves one in step only where something holds; whether anybody is left.
    fn keep(&mut self, mut holds: impl FnMut(usize, &mut usize) -> bool) -> bool {
        for lane in 0..ABREAST {
            self.in_step[lane] = self.in_step[lane] && holds(lane, &mut self.at[lane]);
        }
        let Some(first) = self.first() else { return false };
        for lane in 0..ABREAST {
            if !self.in_step[lane] {
                self.at[lane] = self.at[first];
            }
        }
        true
    }

    #[inline(always)]
    fn each(&mut self, to: impl Fn(usize) -> usize) {
        self.at = each(self.at, to);
    }
}

/// Written out, so that nothing is called, and what is written piece by piece is not read as a whole.
#[inline(always)]
fn each(at: Places, to: impl Fn(usize) -> usize) -> Places {
    let [one, two, three, four] = at;
    [to(one), to(two), to(three), to(four)]
}

/// Behind what space there is. Where there is none anywhere, as a rule, that is one guess.
#[inline(always)]
fn behind_spaces(text: Windows<'_>, at: Places) -> Places {
    let has_space = at.iter().fold(false, |any, at| any | (text.byte(*at) <= b' '));
    if has_space { each(at, |at| text.behind_space(at)) } else { at }
}

/// Whether this byte stands at all of these places.
#[inline(always)]
fn are_at(text: Windows<'_>, at: &Places, byte: u8) -> bool {
    at.iter().fold(true, |all, at| all & (text.byte(*at) == byte))
}

/// The members of one object of each record.
struct Members<'a, 'r, L> {
    run: &'a mut Run<'r, L>,
    object: &'r ObjectState,
    file: &'a mut File,
    base: usize,
}

impl<L: Lanes> Work for Members<'_, '_, L> {
    type Gives = Passed;

    #[inline(always)]
    fn run(self) -> Passed {
        self.run.members_abreast(self.object, self.file, self.base)
    }
}

/// The members of one object that each record has in an order of its own, behind those that were passed by all.
struct Strays<'a, 'r, L> {
    members: Members<'a, 'r, L>,
    passed: (u128, u32),
}

impl<L: Lanes> Work for Strays<'_, '_, L> {
    type Gives = [Found; ABREAST];

    #[inline(always)]
    fn run(self) -> [Found; ABREAST] {
        let Members { run, object, file, base } = self.members;
        run.members_astray(object, file, base, self.passed)
    }
}

/// How far the members of an object were passed by all: which there were, and how many.
enum Passed {
    All(u128, u32),
    /// Behind these each record goes its own way.
    Some(u128, u32),
    /// Nobody is in step.
    None,
}

/// The items of one array of each record.
struct Items<'a, 'r, L> {
    run: &'a mut Run<'r, L>,
    array: &'r ArrayState,
    file: &'a mut File,
}

impl<L: Lanes> Work for Items<'_, '_, L> {
    type Gives = ();

    #[inline(always)]
    fn run(self) {
        self.run.items_abreast(self.array, self.file);
    }
}

impl<'r, L: Lanes> Run<'r, L> {
    /// The object that begins here in each record.
    fn objects(&mut self, id: StateId, file: &mut File) {
        let state = self.state(id);
        let object = match state.object.as_deref() {
            Some(object) if state.takes_all(types::OBJECT) && self.depth < self.depth_max => object,
            _ => return file.drop_all(),
        };
        let text = self.text;
        if !file.keep(|_, at| text.byte(*at) == b'{') {
            return;
        }
        let (base, size, starts) = (self.memory.places.len(), object.members.len(), file.at);
        if object.kept != 0 {
            self.memory.places.resize(base + ABREAST * size, (0, 0));
        }
        self.memory.trail[self.depth as usize].0 = id;
        self.depth += 1;
        let is_whole = |seen: u128, count: u32| {
            seen & object.required == object.required
                && (object.min..=object.max).contains(&count)
                && dependents(&object.dependent, seen) == Proof::Yes
        };
        let passed = if L::ARE_WIDE && self.depth == 1 && self.memory.pace.goes_astray() {
            file.each(|at| self.behind_space(at + 1));
            Passed::Some(0, 0)
        } else {
            let passed = self.lanes.enter(Members { run: self, object, file: &mut *file, base });
            if self.depth == 1 {
                // What some members have in one order is worth looking for.
                self.memory.pace.learn_order(!matches!(passed, Passed::Some(_, 0..=1)));
            }
            passed
        };
        match passed {
            Passed::All(seen, count) if is_whole(seen, count) => {}
            Passed::All(..) | Passed::None => file.drop_all(),
            // What is nested is searched once more at each depth: no more, once that came to as many bytes as there are.
            Passed::Some(..) if !L::ARE_WIDE || self.sought > text.bytes().len() => file.drop_all(),
            Passed::Some(seen, count) => {
                let lanes = self.lanes;
                let members = Members { run: self, object, file: &mut *file, base };
                let found = lanes.enter(Strays { members, passed: (seen, count) });
                file.keep(|lane, _| is_whole(found[lane].seen, found[lane].count));
            }
        }
        self.depth -= 1;
        if !object.rules.is_empty() || !state.branches.is_empty() {
            file.keep(|lane, at| {
                let base = base + if object.kept != 0 { lane * size } else { 0 };
                self.at = *at;
                let holds = object.rules.iter().all(|rules| self.rules(rules, base) == Proof::Yes);
                holds && self.branches(&state.branches, starts[lane], Some(base)) == Proof::Yes
            });
        }
        if self.memory.standing.is_asked() && self.depth == 0 {
            (0..ABREAST).for_each(|lane| self.keep_members(lane, base + lane * size));
        }
        self.memory.places.truncate(base);
    }

    /// Goes behind the members that all of them have in one order.
    #[inline(always)]
    fn members_abreast(&mut self, object: &'r ObjectState, file: &mut File, base: usize) -> Passed {
        let text = self.text;
        let (mut seen, mut count, mut is_spaced) = (0_u128, 0, false);
        let mut order = object.memory as usize;
        // In registers, and not where what is written piece by piece would be read as a whole.
        let mut at = behind_spaces(text, each(file.at, |at| at + 1));
        let mut member = match object.members.get(usize::from(self.memory.order[order])) {
            Some(member) if member.stand_at(self.lanes, text, &at) => member,
            _ => {
                file.at = at;
                match self.find_step(object, file, order) {
                    Some(found) => found,
                    None if are_at(text, &at, b'}') => {
                        file.each(|at| at + 1);
                        return Passed::All(0, 0);
                    }
                    None => return Passed::Some(0, 0),
                }
            }
        };
        at = at.map(|at| at + member.length as usize);
        loop {
            if seen & member.bit != 0 {
                return Passed::None;
            }
            seen |= member.bit;
            count += 1;
            order = object.memory as usize + 1 + usize::from(member.place);
            if text.byte(at[0]) <= b' ' {
                at = each(at, |at| self.behind_space(at));
            }
            let ends = member.plain.ends(self.lanes, text, at, self.today);
            at = if are_told(ends) {
                self.keep_places(object, member, base, (at, ends));
                ends
            } else {
                file.at = at;
                if !self.values_abreast((object, member), base, file, ends) {
                    return Passed::None;
                }
                file.at
            };
            let next = object.members.get(usize::from(self.memory.order[order]));
            member = match next {
                Some(next) if next.follows(self.lanes, text, &at, is_spaced) => next,
                Some(next) if next.follows(self.lanes, text, &at, !is_spaced) => {
                    is_spaced = !is_spaced;
                    next
                }
                _ if are_at(text, &at, b'}') => {
                    file.at = each(at, |at| at + 1);
                    break;
                }
                _ => {
                    file.at = at;
                    member = match self.next_step(object, file, order) {
                        Step::Member(next) => next,
                        Step::End => break,
                        Step::Apart => return Passed::Some(seen, count),
                    };
                    at = file.at.map(|at| at + member.length as usize);
                    continue;
                }
            };
            let length = 1 + usize::from(is_spaced) + member.length as usize;
            at = at.map(|at| at + length);
        }
        self.looked_at(ABREAST as u32 * count);
        Passed::All(seen, count)
    }

    /// The members from here on, where each object has others; so many were passed by all. First each value is found and passed
    /// over, then those of one member are looked at together: which comes next is not foretold, and what has to be done for it
    /// then would be a guess each time.
    #[inline(always)]
    fn members_astray(
        &mut self,
        object: &'r ObjectState,
        file: &mut File,
        base: usize,
        (seen, count): (u128, u32),
    ) -> [Found; ABREAST] {
        // Those of each record for themselves: what is written piece by piece would else be read as a whole, and waited for. What
        // stands there from before is not read.
        let (first_spot, size) = (self.memory.spots_in_use, object.members.len());
        self.memory.spots_in_use += ABREAST * size;
        if self.memory.spots.len() < self.memory.spots_in_use {
            self.memory.spots.resize(self.memory.spots_in_use, Spot::default());
        }
        let (text, lanes, begins) = (self.text, self.lanes, file.at);
        let (is_begun, spots) = (count != 0, &mut self.memory.spots[first_spot..]);
        let found = lanes.enter(Search { lanes, text, object, file, is_begun, spots });
        if self.depth > 1 {
            self.sought += file.at.iter().zip(begins).map(|(end, begin)| end.saturating_sub(begin)).sum::<usize>();
        }
        let [one, two, three, four] = found.map(|found| found.seen);
        let (mut left, common) = (one | two | three | four, one & two & three & four);
        if self.depth == 1 {
            let (mut members, looks) = (ABREAST as u32 * count, count + left.count_ones());
            found.iter().for_each(|found| members += found.count);
            self.memory.pace.differ = members < 2 * looks;
        }
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            left &= left - 1;
            let member = &object.members[place];
            let spots = &self.memory.spots[first_spot..];
            let spots: [Spot; ABREAST] = array::from_fn(|lane| spots[lane * size + place]);
            let mut begin = spots.map(|spot| spot.begin() + member.length as usize);
            let mut end = spots.map(Spot::end);
            let (mut at, mut wanted, mut asked) = (begin, end, file.in_step);
            if common & member.bit == 0 || asked != ALL {
                (0..ABREAST).for_each(|lane| asked[lane] &= found[lane].seen & member.bit != 0);
                let Some(first) = asked.iter().position(|is| *is) else { continue };
                // Who is not asked is looked at as the first who is.
                for lane in (0..ABREAST).filter(|lane| !asked[*lane]) {
                    (at[lane], wanted[lane]) = (begin[first], end[first]);
                }
            }
            let ends = member.plain.ends(self.lanes, self.text, at, self.today);
            let are_found = ends.into_iter().zip(wanted).fold(true, |all, (end, wanted)| all & (end == wanted));
            if !are_found {
                let mut own = File { at, in_step: asked };
                own.each(|at| self.behind_space(at));
                let begins = own.at;
                self.values_apart(member, &mut own, ends);
                for lane in (0..ABREAST).filter(|lane| asked[*lane]) {
                    (begin[lane], end[lane]) = (begins[lane], own.at[lane]);
                    file.in_step[lane] = own.in_step[lane] && self.behind_space(own.at[lane]) == wanted[lane];
                }
            }
            if object.kept & member.bit != 0 {
                for lane in (0..ABREAST).filter(|lane| asked[*lane]) {
                    let kept = base + lane * size + place;
                    self.memory.places[kept] = (begin[lane] as u32, end[lane] as u32);
                }
            }
        }
        let all = found.map(|found| Found { seen: seen | found.seen, count: count + found.count });
        for (in_step, all) in file.in_step.iter_mut().zip(&all) {
            // None of them twice.
            *in_step &= all.count == all.seen.count_ones();
        }
        self.memory.spots_in_use = first_spot;
        self.looked_at(all.iter().map(|all| all.count).sum());
        all
    }

    /// For what looks at values once more.
    #[inline(always)]
    fn keep_places(&mut self, object: &ObjectState, member: &Member, base: usize, (begins, ends): (Places, Places)) {
        if object.kept & member.bit != 0 {
            for lane in 0..ABREAST {
                let place = base + lane * object.members.len() + usize::from(member.place);
                self.memory.places[place] = (begins[lane] as u32, ends[lane] as u32);
            }
        }
    }

    /// Goes behind values that are not all told at a look; whether anybody is left in step.
    #[inline(never)]
    fn values_abreast(
        &mut self,
        (object, member): (&'r ObjectState, &'r Member),
        base: usize,
        file: &mut File,
        ends: Places,
    ) -> bool {
        // No value that begins with a space is told at a look.
        file.at = behind_spaces(self.text, file.at);
        let begins = file.at;
        self.values_apart(member, file, ends);
        self.keep_places(object, member, base, (begins, file.at));
        file.first().is_some()
    }

    /// Goes behind the values of a member, of which these are told.
    #[inline(never)]
    fn values_apart(&mut self, member: &'r Member, file: &mut File, ends: Places) {
        self.memory.trail[self.depth as usize - 1].1 = u32::from(member.place);
        let state = self.state(member.state);
        let text = self.text;
        let is_plain_array = || state.array.as_deref().is_some_and(ArrayState::is_plain);
        if are_at(text, &file.at, b'{') {
            self.objects(member.state, file);
        } else if are_at(text, &file.at, b'[') && is_plain_array() && state.takes_all(types::ARRAY) {
            self.arrays(member.state, file);
        } else {
            self.values_of(member.state, file, ends);
        }
    }

    /// Goes behind values of which these are told, and the others one by one.
    fn values_of(&mut self, state: StateId, file: &mut File, ends: Places) {
        // Whose value has to be asked for is not foretold: who is left is counted off, and not asked one after another.
        let mut left = 0_u8;
        for (lane, end) in ends.into_iter().enumerate() {
            left |= u8::from(file.in_step[lane] & (end == 0)) << lane;
            file.at[lane] = if end == 0 { file.at[lane] } else { end };
        }
        while left != 0 {
            let lane = left.trailing_zeros() as usize;
            left &= left - 1;
            file.in_step[lane] = self.value_of(lane, state, &mut file.at[lane]);
        }
        file.keep(|_, _| true);
    }

    /// Goes behind the value that begins here in one record, as if it were alone.
    pub(super) fn value_of(&mut self, lane: usize, state: StateId, at: &mut usize) -> bool {
        self.at = *at;
        let doubts = self.memory.doubts.len();
        if self.pass_over_signed(state, *at) {
            self.memory.doubts[doubts].record = lane as u8;
            *at = self.at;
            return true;
        }
        let (depth, memory) = (self.depth, &self.memory);
        let [places, names, items] = [memory.places.len(), memory.names.len(), memory.items.len()];
        // What a day decides that stands elsewhere in the record is told of one record alone.
        let holds = self.value_or_doubt(state).is_ok() && self.memory.dated.is_empty();
        // A value that is given up leaves these as they were in the middle of it.
        (self.depth, self.in_branch) = (depth, 0);
        self.memory.places.truncate(places);
        self.memory.names.truncate(names);
        self.memory.items.truncate(items);
        self.memory.dated.clear();
        if !holds {
            self.memory.doubts.truncate(doubts);
        }
        for doubt in &mut self.memory.doubts[doubts..] {
            doubt.record = lane as u8;
        }
        *at = self.at;
        holds
    }

    /// The array that begins here in each record.
    pub(super) fn arrays(&mut self, id: StateId, file: &mut File) {
        let state = self.state(id);
        let (text, Some(array)) = (self.text, state.array.as_deref()) else { return file.drop_all() };
        if self.depth >= self.depth_max || !file.keep(|_, at| text.byte(*at) == b'[') {
            return file.drop_all();
        }
        let starts = file.at;
        self.memory.trail[self.depth as usize].0 = id;
        self.depth += 1;
        self.lanes.enter(Items { run: self, array, file: &mut *file });
        self.depth -= 1;
        if !state.branches.is_empty() {
            file.keep(|lane, at| {
                self.at = *at;
                self.branches(&state.branches, starts[lane], None) == Proof::Yes
            });
        }
    }

    /// An array may end where another goes on: who has come to its end waits for the others.
    #[inline(always)]
    fn items_abreast(&mut self, array: &'r ArrayState, file: &mut File) {
        let text = self.text;
        let (mut under_way, mut count) = (*file, 0_u32);
        file.drop_all();
        let fits = |count: u32| (array.min..=array.max).contains(&count);
        under_way.at = behind_spaces(text, each(under_way.at, |at| at + 1));
        let mut is_left = under_way.keep(|lane, at| {
            let ends = text.byte(*at) == b']';
            if ends {
                (file.at[lane], file.in_step[lane]) = (*at + 1, fits(0));
            }
            !ends
        });
        let mut at = under_way.at;
        while is_left {
            let state = array.first.get(count as usize).copied().unwrap_or(array.rest);
            let ends = self.program.plains[state as usize].ends(self.lanes, text, at, self.today);
            at = match are_told(ends) {
                true => ends,
                false => {
                    self.memory.trail[self.depth as usize - 1].1 = ITEM | count;
                    under_way.at = at;
                    is_left = self.items_apart(state, &mut under_way, ends);
                    under_way.at
                }
            };
            count += 1;
            if are_at(text, &at, b',') {
                at = behind_spaces(text, each(at, |at| at + 1));
                continue;
            }
            under_way.at = at;
            is_left = is_left
                && under_way.keep(|lane, at| {
                    *at = self.behind_space(*at);
                    let next = text.byte(*at);
                    if next == b']' {
                        (file.at[lane], file.in_step[lane]) = (*at + 1, fits(count));
                    }
                    *at = self.behind_space(*at + 1);
                    next == b','
                });
            at = under_way.at;
        }
        self.looked_at(count.saturating_mul(ABREAST as u32));
        file.keep(|_, _| true);
    }

    #[inline(never)]
    fn items_apart(&mut self, state: StateId, under_way: &mut File, ends: Places) -> bool {
        let text = self.text;
        if are_at(text, &under_way.at, b'{') && self.state(state).object.is_some() {
            self.objects(state, under_way);
            return under_way.first().is_some();
        }
        self.values_of(state, under_way, ends);
        under_way.first().is_some()
    }

    /// Behind a value: what comes next, where that is the same in all.
    #[inline(never)]
    fn next_step(&mut self, object: &'r ObjectState, file: &mut File, order: usize) -> Step<'r> {
        let (text, at) = (self.text, behind_spaces(self.text, file.at));
        let is_end = are_at(text, &at, b'}');
        if !is_end && !are_at(text, &at, b',') {
            return Step::Apart;
        }
        let at = each(at, |at| if is_end { at + 1 } else { self.behind_space(at + 1) });
        let next = File { at, in_step: file.in_step };
        let found = if is_end { Some(Step::End) } else { self.find_step(object, &next, order).map(Step::Member) };
        found.map_or(Step::Apart, |step| {
            *file = next;
            step
        })
    }

    /// The member whose name stands here in all. What is seldom done needs no wide registers.
    #[inline(never)]
    fn find_step(&mut self, object: &'r ObjectState, file: &File, order: usize) -> Option<&'r Member> {
        let (text, first) = (self.text, file.first()?);
        let member = object.look_up(Plainly, text, file.at[first])?;
        let are_same = file.at.iter().all(|at| member.stands_at(Plainly, text, *at));
        if are_same {
            self.memory.order[order] = member.place;
        }
        are_same.then_some(member)
    }
}

/// What comes behind a value.
enum Step<'r> {
    Member(&'r Member),
    End,
    /// Not the same in all.
    Apart,
}

/// Whether no value has to be looked at once more.
#[inline(always)]
fn are_told(ends: Places) -> bool {
    ends.into_iter().fold(true, |all, end| all & (end != 0))
}

impl State {
    /// Whether all values of a type that are well-formed are told by what the state says of that type alone.
    pub(super) fn takes_all(&self, kind: u8) -> bool {
        self.types & kind != 0 && self.opaque_types & kind == 0 && self.values.is_empty()
    }
}

impl ArrayState {
    /// Whether its items are told one by one.
    pub(super) fn is_plain(&self) -> bool {
        !self.is_unique && self.contains.is_empty()
    }
}

impl Member {
    /// Whether its name stands at all of these places, with its colon.
    #[inline(always)]
    fn stand_at<L: Lanes>(&self, lanes: L, text: Windows<'_>, at: &Places) -> bool {
        // Something always stands before a name.
        let begin = at.map(|at| at.wrapping_sub(1));
        let Some(blocks) = text.blocks(&begin) else { return false };
        lanes.begin(blocks, &self.head, &self.bare_mask)
            && (self.spelled.len() <= BLOCK || at.iter().all(|at| text.bytes()[*at..].starts_with(&self.spelled[1..])))
    }

    /// Whether its name stands behind a comma, or a comma and a space, at all of these places, with its colon.
    #[inline(always)]
    fn follows<L: Lanes>(&self, lanes: L, text: Windows<'_>, at: &Places, is_spaced: bool) -> bool {
        if is_spaced {
            let is_comma = |at: &usize| text.byte(*at) == b',' && text.byte(*at + 1) == b' ';
            return at.iter().all(is_comma) && self.stand_at(lanes, text, &at.map(|at| at + 2));
        }
        let Some(blocks) = text.blocks(at) else { return false };
        lanes.begin(blocks, &self.head, &self.mask)
            && (self.spelled.len() <= BLOCK || at.iter().all(|at| text.bytes()[*at..].starts_with(&self.spelled)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CheckOptions, Checker, CompileOptions, Validator};
    use proptest::{prelude::*, sample::Index};

    const SCHEMA: &str = r##"{"type":"object","additionalProperties":false,"required":["id"],
        "properties":{
        "first":{"type":"object","properties":{"a":{"type":"integer"},"b":{"minimum":3},"c":{"maxLength":2},"d":true}},
        "id":{"type":"string","pattern":"^[0-9]{2}$"},"n":{"type":"number","minimum":0},
        "tags":{"type":"array","items":{"type":"string","maxLength":3},"maxItems":3},
        "text":{"type":"string","minLength":2,"maxLength":4},
        "in":{"type":"object","properties":{"a":{"type":"integer"},"b":{"enum":["x","y"]}},"required":["a"]},
        "any":{"anyOf":[{"type":"integer"},{"type":"array","uniqueItems":true}]}},
        "if":{"properties":{"id":{"const":"11"}},"required":["id"]},"then":{"properties":{"n":{"maximum":9}}}}"##;

    /// Which of the records stay in step.
    fn in_step(records: [&str; ABREAST]) -> [bool; ABREAST] {
        let validator = Validator::compile_schema(SCHEMA.as_bytes(), &CompileOptions::default()).unwrap();
        let (mut bytes, mut at) = (String::new(), [const { 0..0 }; ABREAST]);
        for (place, record) in at.iter_mut().zip(records) {
            *place = bytes.len()..bytes.len() + record.len();
            bytes += record;
            bytes.push('\n');
        }
        bytes += &" ".repeat(100);
        let mut found = [true; ABREAST];
        let mut checker = validator.checker();
        // What comes first in a standard is expected first; then what came in the record before.
        for _ in 0..2 {
            found = checker.proves_abreast(bytes.as_bytes(), &at, &CheckOptions::default());
        }
        found
    }

    /// Who reads one byte after another gives up where members come in any order.
    fn gives_up() -> bool {
        matches!(Processor::default(), Processor::Plainly)
    }

    #[test]
    fn records_stay_in_step() {
        if gives_up() {
            return;
        }
        let one = r#"{"id":"11","n":1.5,"tags":["a","b"],"in":{"a":1,"b":"x"},"any":7}"#;
        let others = [
            ("the same again", one),
            ("a doubtful value", r#"{"id":"11","n":-1,"tags":["a","b"],"in":{"a":1,"b":"x"},"any":7}"#),
            ("fewer items", r#"{"id":"11","n":1.5,"tags":[],"in":{"a":1,"b":"x"},"any":7}"#),
            ("more items", r#"{"id":"11","n":1.5,"tags":["a","b","c"],"in":{"a":1,"b":"x"},"any":7}"#),
            ("space before a value that is asked for twice", r#"{"id": "11","n":1.5}"#),
            ("space", r#" { "id": "11", "n":  1.5, "tags": [ "a" , "b" ], "in": {"a":1, "b":"x"} ,"any":7 } "#),
            ("a value that is told alone", r#"{"id":"11","n":1.5,"tags":["a"],"in":{"a":1,"b":"x"},"any":[1,2]}"#),
            ("another order", r#"{"n":1.5,"in":{"b":"x","a":1},"any":7,"id":"11","tags":["a","b"]}"#),
            (
                "another order, and space",
                r#"{ "n": 1.5 , "in": { "b": "x" , "a": 1 } ,"any":7, "id": "11" , "tags": [ ] }"#,
            ),
            (
                "another order, and marks in texts",
                r#"{"in":{"b":"x","a":1},"tags":["\\","],{","}]\""],"n":1,"any":7,"id":"12"}"#,
            ),
            ("another order, and within", r#"{"id":"11","first":{"d":{},"c":"","b":3,"a":1},"text":"ab","tags":[]}"#),
            ("nothing within", r#"{"first":{},"id":"11","tags":[]}"#),
            ("members left out", r#"{"id":"11","in":{"a":1}}"#),
            ("an end before the others", r#"{"id":"11","n":1.5}"#),
            ("escapes", r#"{"id":"11","n":1.5,"tags":["\u4e2d"],"in":{"a":1,"b":"x"},"any":7}"#),
        ];
        for (what, other) in others {
            for at in 0..ABREAST {
                let mut records = [one; ABREAST];
                records[at] = other;
                assert_eq!(in_step(records), [true; ABREAST], "{what} at {at}");
            }
            assert_eq!(in_step([other; ABREAST]), [true; ABREAST], "only {what}");
        }
    }

    /// However what is looked at together divides them.
    #[test]
    fn escapes_are_read_at_any_place() {
        if gives_up() {
            return;
        }
        for length in 0..140 {
            for escape in [r#"\\"#, r#"\\\""#, r#"\"\\\\\""#] {
                let long = format!(r#"{{"any":[1,"{}{escape},]"],"tags":[],"id":"11"}}"#, "-".repeat(length));
                let usual = r#"{"id":"11","any":1,"tags":[]}"#;
                assert_eq!(in_step([&long, usual, &long, &long]), [true; ABREAST], "{long}");
            }
        }
    }

    #[test]
    fn one_out_of_step_holds_up_nobody() {
        if gives_up() {
            return;
        }
        let one = r#"{"id":"11","n":1.5,"tags":["a","b"],"in":{"a":1,"b":"x"},"any":7}"#;
        let others = [
            "",
            "7",
            "{}",
            r#"{"id":"11""#,
            r#"{"n":1.5,"tags":["a","b"],"in":{"a":1,"b":"x"},"any":7}"#,
            r#"{"id":"11","n":1.5,"tags":["a","b"],"in":{"a":1,"b":"x"},"id":"11"}"#,
            r#"{"id":"11","n":1.5,"tags":["a","b"],"in":{"b":"x"},"any":7}"#,
            r#"{"id":"11","n":1.5,"tags":["a","b","c","d"],"in":{"a":1,"b":"x"},"any":7}"#,
            r#"{"id":"11","n":1.5,"tags":["a","b"],"in":{"a":1,"b":"x"},"any":"no"}"#,
            r#"{"id":"11","n":1.5,"tags":["a","b"],"in":{"a":1,"b":"x"},"any":7}}"#,
            r#"{"id":"11","n":1.5,"tags":["a","b"],"in":{"a":1,"b":"x"},"any":7,}"#,
            r#"{"id":"11","n":1.5,"tags":["a" "b"],"in":{"a":1,"b":"x"},"any":7}"#,
            r#"{"id":"11","n":1.5,"stranger":7}"#,
            r#"{"in":{"a":1,"b":"x"},"n":1.5]"id":"11"}"#,
            r#"{"in":{"a":1,"b":"x"},"n":1.5,"id":"11"]"#,
            r#"{"in":{"a":1,"b":"x"},"n":1.5 "id":"11"}"#,
            r#"{"in":{"a":1,"b":"x"},"tags":["a"},"id":"11"}"#,
            r#"{"in":{"a":1,"b":"x"],"tags":["a"],"id":"11"}"#,
            r#"{"in":{"a":1,"b":"x"},"n":,"id":"11"}"#,
            r#"{"in":{"a":1,"b":"x"},,"id":"11"}"#,
            r#"{,"in":{"a":1,"b":"x"},"id":"11"}"#,
            r#"{"in":{"a":1,"b":"x"},"id":"11",}"#,
            r#"{"in":{"a":1,"b":"x"},"id":"11","in":{"a":1}}"#,
            r#"{"n":10,"in":{"a":1},"id": "11"}"#,
        ];
        for other in others {
            for at in 0..ABREAST {
                let mut records = [one; ABREAST];
                records[at] = other;
                assert_eq!(in_step(records), array::from_fn(|lane| lane != at), "{other} at {at}");
            }
        }
    }

    /// Members of [`SCHEMA`], good ones and others.
    const MEMBERS: [&str; 22] = [
        r#""first":{"d":[],"c":"no","b":3,"a":1}"#,
        r#""first":{"c":"not","a":"1","d":{"d":{}},"b":2}"#,
        r#""first":{}"#,
        r#""text":"a""#,
        r#""text":"abc""#,
        r#""text":"abcdef""#,
        r#""id":"11""#,
        r#""id": "12" "#,
        r#""id":"1x""#,
        r#""n":1.5"#,
        r#""n":10"#,
        r#""n":-1"#,
        r#""tags":["\\","],{","}]\""]"#,
        r#""tags":[ ]"#,
        r#""tags":["abcd"]"#,
        r#""in":{"a":1,"b":"x"}"#,
        r#""in": { "b":"y" , "a":2 }"#,
        r#""in":{"b":"x"}"#,
        r#""any":7"#,
        r#""any":[1,[2,{"a":3}]]"#,
        r#""any":"no""#,
        r#""stranger":[{"a":","}]"#,
    ];

    /// A record of some members in any order, and what is done to its bytes.
    fn record() -> impl Strategy<Value = Vec<u8>> {
        let mark = prop::sample::select(b"{}[],:\"\\ 0\x01\xFF".to_vec());
        let harm = prop::option::weighted(0.2, (any::<Index>(), mark, 0..3_usize));
        (prop::collection::vec(prop::sample::select(&MEMBERS[..]), 0..7), harm).prop_map(|(members, harm)| {
            let mut record = format!("{{{}}}", members.join(",")).into_bytes();
            if let Some((at, mark, kept)) = harm {
                let at = at.index(record.len());
                record.splice(at..record.len().min(at + kept), [mark]);
            }
            record
        })
    }

    /// Holds what is told of four records together against what is told of each exactly, however the bytes are read.
    fn hold(validator: &Validator, checkers: &mut [Checker<'_>; 2], group: &[impl AsRef<[u8]>; ABREAST]) {
        let (mut bytes, options) = (Vec::new(), CheckOptions::default());
        let records = group.each_ref().map(|record| {
            let from = bytes.len();
            bytes.extend_from_slice(record.as_ref());
            bytes.push(b'\n');
            from..bytes.len() - 1
        });
        bytes.extend_from_slice(&[b' '; 100]);
        for checker in checkers {
            checker.tell_abreast(&bytes, &records, &options, |at, found, _| {
                let found = found.map_or_else(|| validator.empty_report(), |found| *found);
                let exact = validator.check_exactly(group[at].as_ref(), &options);
                assert_eq!(found, exact, "{}", String::from_utf8_lossy(&bytes));
            });
        }
    }

    /// What one record is told is nothing that was found in another.
    #[test]
    fn none_is_told_what_another_is() {
        let long = "abcdefghijklmnopqrstuvwxyz0123456789";
        let known = format!(r#"{{"properties":{{"a":true,"{long}A":true}},"additionalProperties":false}}"#);
        let [right, wrong] = ["A", "B"].map(|end| format!(r#"{{"a":"1","{long}{end}":1}}"#));
        let cases: [(&str, &[&str]); 10] = [
            (&known, &[&right, &wrong]),
            (r#"{"properties":{"a":true,"b":true}}"#, &[r#"{"a":1, "b":2}"#, r#"{"a":1; "b":2}"#, r#"{"a":1 ,"b":2}"#]),
            (
                r#"{"properties":{"s":{"type":"array","items":{"type":"integer"},"anyOf":[{"maxItems":1},{"minItems":3}]}}}"#,
                &[r#"{"s":[1]}"#, r#"{"s":[1,2]}"#, r#"{"s":[1,2,3]}"#],
            ),
            (
                r#"{"properties":{"id":true,"in":{"type":"object","properties":{"a":{"type":"integer"}}}}}"#,
                &[r#"{"id":"11","in":{"a":1,"a":1}}"#, r#"{"id":"11","in":7}"#, r#"{"id":"11","in":{"a":1}}"#],
            ),
            (
                r#"{"properties":{"a":{"type":"boolean"}}}"#,
                &[r#"{"a":1}"#, r#"{"a":"x"}"#, r#"{"a":1.5}"#, r#"{"a":true}"#, r#"{"a":null}"#, r#"{"a":[]}"#],
            ),
            (r#"{"properties":{"k":true,"z":true},"not":{"minProperties":2}}"#, &[r#"{"k":1}"#, r#"{"k":1,"z":2}"#]),
            (
                r#"{"properties":{"a":true,"b":true},"required":["a"],"additionalProperties":false}"#,
                &[r#"{"b":1}"#, r#"{"a":1,"":1}"#, r#"{"a":1,"c":1}"#, r#"{"a":1}"#],
            ),
            (r#"{"properties":{"a":true}}"#, &[r#"{"a":1}"#, "", "  ", "{}"]),
            (
                r#"{"properties":{"a":true,"b":true},"dependentRequired":{"a":["b"]}}"#,
                &[r#"{"a":1}"#, r#"{"a":1,"b":2}"#, r#"{"b":2}"#],
            ),
            (
                r#"{"properties":{"a":true,"b":true,"c":true},"minProperties":1,"maxProperties":2}"#,
                &["{}", r#"{"a":1}"#, r#"{"a":1,"b":1}"#, r#"{"a":1,"b":1,"c":1}"#],
            ),
        ];
        for (schema, records) in cases {
            let validator = Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).unwrap();
            let fresh = || [validator.checker(), validator.checker_plainly()];
            let (mut lasting, count) = (fresh(), records.len());
            for group in 0..count.pow(ABREAST as u32) {
                let four = array::from_fn(|lane| records[group / count.pow(lane as u32) % count]);
                hold(&validator, &mut fresh(), &four);
                hold(&validator, &mut lasting, &four);
            }
        }
    }

    /// Of most numbers the whole part says it.
    #[test]
    fn numbers_are_told_however_near_to_a_limit() {
        let spelled = |hundredths: i32| {
            let (sign, by) = (if hundredths < 0 { "-" } else { "" }, hundredths.unsigned_abs());
            format!("{sign}{}.{:02}", by / 100, by % 100)
        };
        for limit in [-13_510, -250, -200, -50, 0, 50, 100, 7_340, 13_510] {
            let near = [-110, -100, -99, -60, -50, -1, 0, 1, 50, 60, 99, 100, 110].map(|by| spelled(limit + by));
            let whole = [-2, -1, 0, 1, 2].map(|by| (limit / 100 + by).to_string());
            let numbers: Vec<String> = near.into_iter().chain(whole).chain(["-0".into(), "-0.00".into()]).collect();
            for keyword in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
                let schema = format!(r#"{{"properties":{{"n":{{"type":"number","{keyword}":{}}}}}}}"#, spelled(limit));
                let validator = Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).unwrap();
                for from in 0..numbers.len() {
                    let four = array::from_fn(|lane| format!(r#"{{"n":{}}}"#, numbers[(from + lane) % numbers.len()]));
                    hold(&validator, &mut [validator.checker(), validator.checker_plainly()], &four);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn records_of_any_order_are_told_as_each_by_itself(
            groups in prop::collection::vec(prop::array::uniform4(record()), 3),
        ) {
            let validator = Validator::compile_schema(SCHEMA.as_bytes(), &CompileOptions::default()).unwrap();
            let mut checkers = [validator.checker(), validator.checker_plainly()];
            groups.iter().for_each(|group| hold(&validator, &mut checkers, group));
        }
    }
}
