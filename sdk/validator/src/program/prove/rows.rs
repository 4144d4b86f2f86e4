//! Rows of a table side by side, as records are in [`super::abreast`]: the same cells in the same order, so each step is taken for
//! all of them before the next.
//!
//! # Invariants
//! - Of a row that stays in step all is proved that [`Program::proves_row`] would prove of it alone. One that does not is not
//!   proved here, which says nothing about it, and changes nothing for the others.

use super::{
    ArrayState, How, Inner, Memory, ObjectState, Proof, Run, Today, Within,
    abreast::{ABREAST, File},
    row::{Given, Part, Row, Span},
};
use crate::program::{
    Member, Program,
    lanes::{Lanes, Plainly, Processor, Work},
    types,
    windows::Windows,
};

/// Where a cell's value stands in each row.
pub(crate) type Spans = [Span; ABREAST];

/// Of each row.
type Each<T> = [T; ABREAST];

impl Program {
    /// Of which of these rows nothing is to be said but of their values in [`Memory::doubts`], as far as that is told of all
    /// together. The cells' values stand in `spelled`, as for [`Program::proves_row`]; but what begins like a number may go on as
    /// none. Rows that are not `asked` about have cells all the same.
    pub fn proves_rows(
        &self,
        row: &Row,
        (spelled, cells, asked): (&Within<'_>, &[Spans], Each<bool>),
        today: Today,
        (depth_max, bytes_max): (usize, usize),
        memory: &mut Memory,
    ) -> Each<bool> {
        let length = spelled.at.len();
        let text = Windows::within(spelled.bytes, spelled.at.clone());
        let Some(text) = text.filter(|_| row.takes(cells.len(), length, bytes_max)) else { return [false; ABREAST] };
        memory.begin(self);
        let how = How::new(row.root.state, length, today, depth_max, true);
        match memory.processor {
            Processor::Plainly => self.rows_with(Plainly, text, (row, cells, asked), how, memory),
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2(lanes) => self.rows_with(lanes, text, (row, cells, asked), how, memory),
        }
    }

    fn rows_with<L: Lanes>(
        &self,
        lanes: L,
        text: Windows<'_>,
        (row, cells, asked): (&Row, &[Spans], Each<bool>),
        how: How,
        memory: &mut Memory,
    ) -> Each<bool> {
        let mut run = Run::new(self, lanes, text, &how, memory);
        let mut in_step = asked;
        run.parts(&row.root, cells, &mut in_step);
        in_step
    }
}

/// The members that the cells of one object of each row give.
struct Giving<'a, 'r, L> {
    run: &'a mut Run<'r, L>,
    part: &'r Part,
    object: &'r ObjectState,
    cells: &'r [Spans],
    base: usize,
    in_step: &'a mut Each<bool>,
}

impl<L: Lanes> Work for Giving<'_, '_, L> {
    type Gives = Each<u128>;

    #[inline(always)]
    fn run(self) -> Self::Gives {
        self.run.given_abreast(self.part, self.object, self.cells, self.base, self.in_step)
    }
}

impl<'r, L: Lanes> Run<'r, L> {
    /// Which rows have the object: the record itself is always there, another where one of its cells gives anything.
    fn parts(&mut self, part: &'r Part, cells: &'r [Spans], in_step: &mut Each<bool>) -> Each<bool> {
        let state = self.state(part.state);
        let Some(object) = state.object.as_deref().filter(|_| self.depth < self.depth_max) else {
            *in_step = [false; ABREAST];
            return *in_step;
        };
        let (is_root, base, size) = (self.depth == 0, self.memory.places.len(), object.members.len());
        if object.kept != 0 {
            self.memory.places.resize(base + ABREAST * size, (0, 0));
        }
        self.memory.trail[self.depth as usize].0 = part.state;
        self.depth += 1;
        let seen = self.lanes.enter(Giving { run: self, part, object, cells, base, in_step });
        self.depth -= 1;
        let is_there = seen.map(|seen| is_root || seen != 0);
        for row in 0..ABREAST {
            if !in_step[row] || !is_there[row] {
                continue;
            }
            let base = base + if object.kept != 0 { row * size } else { 0 };
            self.inner = Inner { below: &part.below, cells: cells.as_flattened(), step: ABREAST, first: row };
            in_step[row] = self.settled(object, (seen[row], 0), seen[row].count_ones(), base) == Proof::Yes
                && (state.branches.is_empty() || self.branches(&state.branches, 0, Some(base)) == Proof::Yes)
                // What a day decides that stands elsewhere in the row is told of one row alone.
                && self.memory.dated.is_empty();
            self.memory.dated.clear();
        }
        self.inner = Inner::default();
        self.memory.places.truncate(base);
        is_there
    }

    /// Which members each object has.
    #[inline(always)]
    fn given_abreast(
        &mut self,
        part: &'r Part,
        object: &'r ObjectState,
        cells: &'r [Spans],
        base: usize,
        in_step: &mut Each<bool>,
    ) -> Each<u128> {
        let (mut all, mut lacks) = (0_u128, [0_u128; ABREAST]);
        for (place, given) in &part.members {
            let member = &object.members[usize::from(*place)];
            all |= member.bit;
            match given {
                Given::Cell(cell) => {
                    let spans = &cells[*cell];
                    let mut begins = spans.map(|(from, _)| from as usize);
                    if spans.iter().fold(false, |any, (_, to)| any | (*to == 0)) {
                        // An empty cell stands nowhere: it is looked at as the first that is there.
                        let Some((first, _)) = spans.iter().find(|(_, to)| *to != 0) else {
                            lacks.iter_mut().for_each(|lacks| *lacks |= member.bit);
                            continue;
                        };
                        for row in (0..ABREAST).filter(|row| spans[*row].1 == 0) {
                            begins[row] = *first as usize;
                        }
                    }
                    let ends = member.plain.ends(self.lanes, self.text, begins, self.today);
                    let is_told = |row: usize| (ends[row] == spans[row].1 as usize) & (ends[row] != 0);
                    if !(0..ABREAST).fold(true, |all, row| all & is_told(row)) {
                        self.cells_apart(member, spans, &ends, &mut lacks, in_step);
                    }
                    if object.kept & member.bit != 0 {
                        for (row, span) in spans.iter().enumerate() {
                            self.memory.places[base + row * object.members.len() + usize::from(*place)] = *span;
                        }
                    }
                }
                Given::Object(part) => {
                    self.memory.trail[self.depth as usize - 1].1 = u32::from(*place);
                    let is_there = self.parts(part, cells, in_step);
                    for (lacks, is_there) in lacks.iter_mut().zip(is_there) {
                        *lacks |= if is_there { 0 } else { member.bit };
                    }
                }
            }
        }
        lacks.map(|lacks| all & !lacks)
    }

    /// Cells that are not all told at a look.
    #[inline(never)]
    fn cells_apart(
        &mut self,
        member: &'r Member,
        spans: &'r Spans,
        ends: &Each<usize>,
        lacks: &mut Each<u128>,
        in_step: &mut Each<bool>,
    ) {
        self.memory.trail[self.depth as usize - 1].1 = u32::from(member.place);
        let state = self.state(member.state);
        let (text, starts) = (self.text, spans.map(|(from, _)| from as usize));
        let is_array = |row: usize| spans[row].1 != 0 && text.byte(starts[row]) == b'[';
        let is_plain_array = || state.array.as_deref().is_some_and(ArrayState::is_plain);
        if (0..ABREAST).all(is_array) && is_plain_array() && state.takes_all(types::ARRAY) {
            let mut file = File { at: starts, in_step: *in_step };
            if file.first().is_some() {
                self.arrays(member.state, &mut file);
            }
            for row in 0..ABREAST {
                in_step[row] = file.in_step[row] && file.at[row] == spans[row].1 as usize;
            }
            return;
        }
        for row in 0..ABREAST {
            let (mut at, end) = (starts[row], spans[row].1 as usize);
            if end == 0 {
                lacks[row] |= member.bit;
            } else if in_step[row] && ends[row] != end {
                let spelled = &text.bytes()[at..end];
                let may_be_none = matches!(spelled.first(), Some(b'-' | b'0'..=b'9'));
                in_step[row] = (!may_be_none || is_plain_number(spelled))
                    && self.value_of(row, member.state, &mut at)
                    && at == end;
            }
        }
    }
}

/// Whether all of it is a number of JSON, without an exponent.
fn is_plain_number(spelled: &[u8]) -> bool {
    !spelled.iter().any(u8::is_ascii_alphabetic) && serde_json::from_slice::<serde_json::Number>(spelled).is_ok()
}
