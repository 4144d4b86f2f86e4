//! Where the members stand that rules between records read: kept while a record is proved, so that nobody looks for them again.

use super::prove::ABREAST;
use std::ops::Range;

/// Of records that were read together, or of one by itself, which is the first of them.
#[derive(Debug, Default)]
pub(super) struct Standing {
    is_asked: bool,
    are_known: [bool; ABREAST],
    /// From where to where, in the order in which they are asked for, record after record; both 0 for one that is not there.
    places: Vec<(u32, u32)>,
}

impl Standing {
    pub fn ask(&mut self) {
        self.is_asked = true;
    }

    pub fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// The same question, and nothing is known.
    pub fn afresh(&self) -> Self {
        Self { is_asked: self.is_asked, ..Self::default() }
    }

    pub fn forget(&mut self) {
        self.are_known = [false; ABREAST];
    }

    /// Takes those of one record.
    pub fn take(&mut self, lane: usize, members: impl ExactSizeIterator<Item = (u32, u32)>) {
        let count = members.len();
        self.places.resize(ABREAST * count, (0, 0));
        self.are_known[lane] = true;
        self.places[lane * count..][..count].iter_mut().zip(members).for_each(|(to, place)| *to = place);
    }

    /// Forgets those of the records of which it does not hold.
    #[inline]
    pub fn keep(&mut self, holds: [bool; ABREAST]) {
        self.are_known.iter_mut().zip(holds).for_each(|(is_known, holds)| *is_known &= holds);
    }

    /// Counts places from where each record begins.
    pub fn begin_at(&mut self, starts: [usize; ABREAST]) {
        for (lane, start) in starts.into_iter().enumerate() {
            let (places, start) = (self.places_of(lane), start as u32);
            let there = self.places[places].iter_mut().filter(|(_, to)| *to > 0);
            there.for_each(|(from, to)| (*from, *to) = (*from - start, *to - start));
        }
    }

    /// Those of one record, if they are known.
    pub fn of(&self, lane: usize) -> Option<&[(u32, u32)]> {
        self.are_known[lane].then(|| &self.places[self.places_of(lane)])
    }

    fn places_of(&self, lane: usize) -> Range<usize> {
        let count = if self.are_known[lane] { self.places.len() / ABREAST } else { 0 };
        lane * count..(lane + 1) * count
    }
}
