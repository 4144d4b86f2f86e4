//! A row of a table through the states of a program: its cells are the members of a record that is never written down.
//!
//! # Invariants
//! - What is proved of a row is what is proved of the record with these members in this order and no others.
//! - A standard of which that cannot be said for every row has no [`Row`].

use super::{DEPTH_MAX, How, Inner, Memory, Run, Today, Within};
use crate::{
    program::{
        Branch, ObjectState, Program, Proof, StateId, Target, View,
        lanes::{Lanes, Plainly, Processor, Work},
        types,
        windows::Windows,
    },
    record::Pointer,
};

/// Which members the cells of a row are.
#[derive(Debug)]
pub(crate) struct Row {
    pub(super) root: Part,
    cells: usize,
    /// What the record has beside its cells, at most, and two bytes more for each.
    names_bytes: usize,
}

/// An object of the record, with those of its members that the row gives.
#[derive(Debug)]
pub(super) struct Part {
    pub state: StateId,
    pub members: Vec<(u8, Given)>,
    /// What rules read within the objects among these, by the cells that give it.
    pub below: Vec<(Pointer, usize)>,
}

#[derive(Debug)]
pub(super) enum Given {
    /// By the cell of this place.
    Cell(usize),
    Object(Part),
}

/// Where a cell's value stands, spelled as JSON; an empty cell is nowhere.
pub(crate) type Span = (u32, u32);

impl Row {
    /// Whether it has so many cells, whose values have so many bytes, and no record of it more than may be.
    pub(super) fn takes(&self, cells: usize, length: usize, bytes_max: usize) -> bool {
        cells == self.cells && self.names_bytes.saturating_add(length) <= bytes_max
    }
}

impl Program {
    /// What rows are to this standard whose cells stand at these paths, in the order of names; none where not every such row
    /// can be told by its cells alone.
    pub fn row(&self, paths: &[Vec<String>]) -> Option<Row> {
        let names_bytes: usize = paths.iter().flatten().map(|name| 6 * name.len() + 8).sum();
        let all: Vec<(usize, &[String])> = paths.iter().map(Vec::as_slice).enumerate().collect();
        Some(Row { root: self.part(self.root?, &all, 1)?, cells: paths.len(), names_bytes: 2 + names_bytes })
    }

    fn part(&self, state: StateId, paths: &[(usize, &[String])], depth: u32) -> Option<Part> {
        let known = &self.states[state as usize];
        let is_told =
            known.types & types::OBJECT != 0 && known.opaque_types & types::OBJECT == 0 && known.values.is_empty();
        let object = known.object.as_deref().filter(|_| is_told && depth < DEPTH_MAX)?;
        known.branches.iter().all(is_of_members).then_some(())?;
        let (mut members, mut below) = (Vec::new(), Vec::new());
        for same in paths.chunk_by(|a, b| a.1.first() == b.1.first()) {
            let member = object.names.get(same[0].1.first()?.as_bytes())?;
            let given = match same {
                [(cell, [_])] => Given::Cell(*cell),
                _ => {
                    below.extend(self.read_below(state, object, member, same)?);
                    let inner: Vec<(usize, &[String])> = same.iter().map(|(cell, path)| (*cell, &path[1..])).collect();
                    Given::Object(self.part(object.members[usize::from(member)].state, &inner, depth + 1)?)
                }
            };
            members.push((member, given));
        }
        Some(Part { state, members, below })
    }

    /// What is read within a member that is an object of cells: where each value is that rules read. None where the object would
    /// have to be read as a whole.
    fn read_below(
        &self,
        state: StateId,
        object: &ObjectState,
        member: u8,
        cells: &[(usize, &[String])],
    ) -> Option<Vec<(Pointer, usize)>> {
        let branches = &self.states[state as usize].branches;
        let is_of_day = |(_, first): &(Pointer, u8)| self.root == Some(state) && *first == member;
        if branches.iter().any(|branch| branch.speaks_of(member)) || self.dated.iter().any(is_of_day) {
            return None;
        }
        let read = object.rules.iter().flat_map(|rules| &rules.places).filter(|(_, first)| *first == member);
        let mut below: Vec<(Pointer, usize)> = Vec::new();
        for (pointer, _) in read {
            let is_same = |(_, path): &&(usize, &[String])| pointer.tokens().eq(path.iter().map(String::as_str));
            let is_part =
                |(_, path): &(usize, &[String])| pointer.tokens().zip(path.iter()).all(|(token, name)| token == name);
            match cells.iter().find(is_same) {
                Some((cell, _)) => below.push((pointer.clone(), *cell)),
                // An object, or something within a value.
                None if cells.iter().any(is_part) => return None,
                None => {}
            }
        }
        Some(below)
    }

    /// Whether a row conforms and gives nothing to remark, but for what is to be said of the values in [`Memory::doubts`]. The
    /// cells' values stand in `spelled`, two of them with one quote between them or more; a record of more bytes than `bytes_max`
    /// is not judged.
    pub fn proves_row(
        &self,
        row: &Row,
        (spelled, cells): (&Within<'_>, &[Span]),
        today: Today,
        (depth_max, bytes_max): (usize, usize),
        memory: &mut Memory,
    ) -> bool {
        let length = spelled.at.len();
        if !row.takes(cells.len(), length, bytes_max) {
            return false;
        }
        memory.begin(self);
        let how = How::new(row.root.state, length, today, depth_max, true);
        memory.with_windows(spelled, |text, memory| match memory.processor {
            Processor::Plainly => self.row_with(Plainly, text, (row, cells), how, memory),
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2(lanes) => self.row_with(lanes, text, (row, cells), how, memory),
        })
    }

    fn row_with<L: Lanes>(
        &self,
        lanes: L,
        text: Windows<'_>,
        (row, cells): (&Row, &[Span]),
        how: How,
        memory: &mut Memory,
    ) -> bool {
        let mut run = Run::new(self, lanes, text, &how, memory);
        run.part(&row.root, cells) == Some(Proof::Yes) && run.memory.dated.is_empty()
    }
}

/// The members that the cells of one object give.
struct Giving<'a, 'r, L> {
    run: &'a mut Run<'r, L>,
    part: &'r Part,
    object: &'r ObjectState,
    cells: &'r [Span],
    base: usize,
}

impl<L: Lanes> Work for Giving<'_, '_, L> {
    type Gives = Result<(u128, u32), Proof>;

    #[inline(always)]
    fn run(self) -> Self::Gives {
        self.run.given(self.part, self.object, self.cells, self.base)
    }
}

impl<'r, L: Lanes> Run<'r, L> {
    /// None where no cell of the object gives anything, so that there is no such object; the record itself is always there.
    fn part(&mut self, part: &'r Part, cells: &'r [Span]) -> Option<Proof> {
        let state = self.state(part.state);
        let object = state.object.as_deref()?;
        let (is_root, base) = (self.depth == 0, self.memory.places.len());
        if self.depth >= self.depth_max {
            return Some(Proof::Unknown);
        }
        if object.kept != 0 {
            self.memory.places.resize(base + object.members.len(), (0, 0));
        }
        self.memory.trail[self.depth as usize].0 = part.state;
        self.depth += 1;
        let given = self.lanes.enter(Giving { run: self, part, object, cells, base });
        self.depth -= 1;
        self.inner = Inner { below: &part.below, cells, step: 1, first: 0 };
        let proof = match given {
            Err(proof) => Some(proof),
            Ok((_, 0)) if !is_root => None,
            Ok((seen, count)) => match self.settled(object, (seen, 0), count, base) {
                Proof::Yes => Some(self.branches(&state.branches, 0, Some(base))),
                other => Some(other),
            },
        };
        self.inner = Inner::default();
        let proof = match proof {
            Some(Proof::Yes) if is_root && !self.memory.dated.is_empty() => Some(self.dated_codes(base)),
            other => other,
        };
        self.memory.places.truncate(base);
        proof
    }

    /// Which members there are, and how many.
    #[inline(always)]
    fn given(
        &mut self,
        part: &'r Part,
        object: &'r ObjectState,
        cells: &'r [Span],
        base: usize,
    ) -> Result<(u128, u32), Proof> {
        let (mut seen, mut count) = (0_u128, 0);
        for (member, given) in &part.members {
            match given {
                Given::Cell(cell) => {
                    let (from, to) = cells[*cell];
                    if to == 0 {
                        continue;
                    }
                    let known = &object.members[usize::from(*member)];
                    let end = match known.plain.end(self.lanes, self.text, from as usize, self.today) {
                        0 => {
                            self.at = from as usize;
                            self.memory.trail[self.depth as usize - 1].1 = u32::from(*member);
                            self.value_or_doubt(known.state)?;
                            self.at
                        }
                        end => end,
                    };
                    if end != to as usize {
                        return Err(Proof::Unknown);
                    }
                    if object.kept >> member & 1 == 1 {
                        self.memory.places[base + usize::from(*member)] = (from, to);
                    }
                }
                Given::Object(part) => {
                    self.memory.trail[self.depth as usize - 1].1 = u32::from(*member);
                    match self.part(part, cells) {
                        None => continue,
                        Some(Proof::Yes) => {}
                        Some(other) => return Err(other),
                    }
                }
            }
            seen |= 1 << member;
            count += 1;
        }
        Ok((seen, count))
    }
}

impl Branch {
    /// Whether it looks at a member.
    fn speaks_of(&self, member: u8) -> bool {
        let by_view = |target: &Target| target.view.as_deref().is_none_or(|view| view.speaks_of(member));
        match self {
            Self::AnyOf(targets) | Self::OneOf(targets) => targets.iter().any(by_view),
            Self::Not(target) => by_view(target),
            Self::Dependent { member: own, target } => *own == member || by_view(target),
            Self::If { condition, then, otherwise } => by_view(condition) || then.iter().chain(otherwise).any(by_view),
        }
    }
}

impl View {
    fn speaks_of(&self, member: u8) -> bool {
        let asked = self.dependent.iter().fold(self.required, |all, (one, wanted)| all | one | wanted);
        asked >> member & 1 == 1
            || self.members.iter().any(|(place, _)| *place == member)
            || self.branches.iter().any(|branch| branch.speaks_of(member))
    }
}

/// Whether a branch asks for members alone, so that nobody has to read the object again.
fn is_of_members(branch: &Branch) -> bool {
    let by_view =
        |target: &Target| target.view.as_deref().is_some_and(|view: &View| view.branches.iter().all(is_of_members));
    match branch {
        Branch::AnyOf(targets) | Branch::OneOf(targets) => targets.iter().all(by_view),
        Branch::Not(target) | Branch::Dependent { target, .. } => by_view(target),
        Branch::If { condition, then, otherwise } => by_view(condition) && then.iter().chain(otherwise).all(by_view),
    }
}
