//! Where the members of objects are that come in any order: of several records at once, one of each in turn.
//!
//! # Invariants
//! - It proves nothing. Each member that it tells of has its name where it says, right behind where the one before it ends; whether
//!   there is a value between, and ends there, is for who asks to see: what is told wrongly here costs a step, and no verdict.

use super::abreast::{ABREAST, File};
use crate::program::{
    Member, ObjectState,
    lanes::{Lanes, Work},
    windows::{BLOCK, Windows},
};

/// Where the value of a member ends, and the name before it begins. In one word, so that it is read as it was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spot(u64);

impl Spot {
    #[inline(always)]
    fn of(begin: usize, end: usize) -> Self {
        Self(begin as u64 | (end as u64) << 32)
    }

    #[inline(always)]
    pub fn begin(self) -> usize {
        self.0 as u32 as usize
    }

    #[inline(always)]
    pub fn end(self) -> usize {
        (self.0 >> 32) as usize
    }
}

/// Finds the members of an object of each record, which come in any order, and who comes to its end.
pub(super) struct Search<'a, 'r, L> {
    pub lanes: L,
    pub text: Windows<'r>,
    pub object: &'r ObjectState,
    pub file: &'a mut File,
    /// Whether members were passed before.
    pub is_begun: bool,
    /// Where they are to be written, those of each record by themselves.
    pub spots: &'a mut [Spot],
}

/// Which members were found, and how many; some may be there twice.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub seen: u128,
    pub count: u32,
}

impl<L: Lanes> Work for Search<'_, '_, L> {
    type Gives = [Found; ABREAST];

    #[inline(always)]
    fn run(self) -> Self::Gives {
        match self.object.names.words {
            1 => self.members::<1>(),
            2 => self.members::<2>(),
            _ => self.members::<3>(),
        }
    }
}

impl<L: Lanes> Search<'_, '_, L> {
    #[inline(always)]
    fn members<const WORDS: usize>(self) -> [Found; ABREAST] {
        let Self { lanes, text, object, file, is_begun, spots } = self;
        let mut spots = spots.chunks_exact_mut(object.members.len().max(1));
        let mut begin = |lane: usize| {
            let at = text.behind_space(file.at[lane]);
            let is_end = text.byte(at) == b'}';
            let is_left = file.in_step[lane] && !is_end && (!is_begun || text.byte(at) == b',');
            (file.in_step[lane], file.at[lane]) = (file.in_step[lane] && is_end, at + 1);
            // Something always stands before a name.
            let at = at - usize::from(!is_begun);
            let found = Found { seen: 0, count: 0 };
            Seeker { at, is_left, is_at_end: false, found, spots: spots.next().unwrap_or_default() }
        };
        let mut seekers = [begin(0), begin(1), begin(2), begin(3)];
        // One of each record in turn: where the next begins is known late.
        while seekers.iter().fold(false, |any, seeker| any | seeker.is_left) {
            for seeker in &mut seekers {
                seeker.pass::<WORDS, L>(lanes, text, object);
            }
        }
        for (lane, seeker) in seekers.iter().enumerate().filter(|(_, seeker)| seeker.is_at_end) {
            (file.in_step[lane], file.at[lane]) = (true, seeker.at + 1);
        }
        seekers.map(|seeker| seeker.found)
    }
}

/// Goes from member to member of one record.
struct Seeker<'a> {
    at: usize,
    is_left: bool,
    is_at_end: bool,
    found: Found,
    spots: &'a mut [Spot],
}

impl Seeker<'_> {
    #[inline(always)]
    fn pass<const WORDS: usize, L: Lanes>(&mut self, lanes: L, text: Windows<'_>, object: &ObjectState) {
        if !self.is_left {
            return;
        }
        self.is_left = false;
        let Some((member, begin)) = object.behind::<WORDS, L>(lanes, text, self.at) else { return };
        let Some(end) = value_end(lanes, text, self.at) else { return };
        // There are as many as members.
        let Some(spot) = self.spots.get_mut(usize::from(member.place)) else { return };
        *spot = Spot::of(begin, end);
        self.at = end;
        self.found = Found { seen: self.found.seen | member.bit, count: self.found.count + 1 };
        (self.is_left, self.is_at_end) = (text.byte(end) == b',', text.byte(end) == b'}');
    }
}

impl ObjectState {
    /// The member that comes behind this place, and where its name begins.
    #[inline(always)]
    fn behind<const WORDS: usize, L: Lanes>(
        &self,
        lanes: L,
        text: Windows<'_>,
        before: usize,
    ) -> Option<(&Member, usize)> {
        match self.look_behind::<WORDS>(lanes, text, before) {
            Some(member) => Some((member, before + 1)),
            None if text.byte(before + 1) <= b' ' => {
                let at = text.behind_space(before + 1);
                self.look_up(lanes, text, at).map(|member| (member, at))
            }
            None => None,
        }
    }
}

/// Where a value ends, of whatever kind it is, and whatever stands before it behind this place but marks: at a comma or at what closes
/// what it is in. Whether there is a value is for others to see.
#[inline(always)]
fn value_end<L: Lanes>(lanes: L, text: Windows<'_>, before: usize) -> Option<usize> {
    let (mut marks, mut texts) = Texts::default().marks(lanes, text, before)?;
    let (mut base, mut depth) = (before, 0_u32);
    marks &= !1;
    loop {
        while marks != 0 {
            let at = base + marks.trailing_zeros() as usize;
            marks &= marks - 1;
            match text.byte(at) {
                b',' if depth > 0 => {}
                b'{' | b'[' => depth += 1,
                _ if depth == 0 => return Some(at),
                _ => depth -= 1,
            }
        }
        base += 2 * BLOCK;
        (marks, texts) = texts.marks(lanes, text, base)?;
    }
}

/// Whether the bytes that come next begin in a text, as all bits, and whether the first of them is escaped.
#[derive(Clone, Copy, Default)]
struct Texts {
    is_in: u64,
    is_escaped: bool,
}

impl Texts {
    /// The marks among the next bytes that stand in no text.
    #[inline(always)]
    fn marks<L: Lanes>(self, lanes: L, text: Windows<'_>, base: usize) -> Option<(u64, Self)> {
        let [low, high] = text.blocks(&[base, base + BLOCK])?;
        let both = |low: u32, high: u32| u64::from(low) | u64::from(high) << BLOCK;
        let (mut quotes, mut is_escaped) = (both(lanes.equal(low, b'"'), lanes.equal(high, b'"')), false);
        if self.is_escaped | lanes.have([low, high], b'\\') {
            let escaped;
            let escapes = both(lanes.equal(low, b'\\'), lanes.equal(high, b'\\'));
            (escaped, is_escaped) = escaped_by(escapes, self.is_escaped);
            quotes &= !escaped;
        }
        let texts = lanes.odd(quotes) ^ self.is_in;
        let marks = both(lanes.marks(low), lanes.marks(high)) & !texts;
        Some((marks, Self { is_in: (texts >> 63).wrapping_neg(), is_escaped }))
    }
}

/// Which bytes are escaped by the one before them, where the first may be; whether one behind them is. By value, so that who calls
/// keeps what he has in registers.
#[cold]
#[inline(never)]
fn escaped_by(escapes: u64, is_escaped: bool) -> (u64, bool) {
    const EVEN: u64 = u64::MAX / 3;
    let first = u64::from(is_escaped);
    let escapes = escapes & !first;
    let behind = escapes << 1 | first;
    // Adding the beginnings of runs at odd places carries each to its end; there those at even places are left.
    let (carried, is_carried) = escapes.overflowing_add(escapes & !EVEN & !behind);
    let escaped = (EVEN ^ carried << 1) & behind;
    (escaped, is_carried)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_other_backslash_escapes(bytes in "[\\\\a]{128}", few in any::<u64>(), is_escaped in any::<bool>()) {
            let mut before = is_escaped;
            for (at, bytes) in bytes.as_bytes().chunks(64).enumerate() {
                let many = bytes.iter().rev().fold(0_u64, |bits, byte| bits << 1 | u64::from(*byte == b'\\'));
                let escapes = if at == 0 { many } else { many & few };
                let (mut wanted, mut is_next) = (0, before);
                for bit in 0..64 {
                    wanted |= u64::from(is_next) << bit;
                    is_next = !is_next && escapes >> bit & 1 == 1;
                }
                prop_assert_eq!(escaped_by(escapes, before), (wanted, is_next), "{:#066b}", escapes);
                before = is_next;
            }
        }
    }
}
