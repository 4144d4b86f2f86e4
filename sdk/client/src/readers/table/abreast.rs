//! Rows that stand one behind another, judged side by side: their cells are spelled in one copy of them all.
//!
//! # Invariants
//! - What is told of a row here is what [`Table::check`] tells of it. A row of which that is not sure is given to that.

use super::{super::split::Raw, Cells, Found, Kind, ROOM, Table, trimmed};
use guiju_validator::{ABREAST, CheckOptions, Checker, Quick};

/// Room for the next rows.
#[derive(Default)]
pub(super) struct Abreast {
    /// A copy of the rows and what stands between them, in quotes; values that have no place there; and room.
    spelled: Vec<u8>,
    /// Where the value of each member stands, in each row.
    values: Vec<[(u32, u32); ABREAST]>,
    /// Where the cells of each row end.
    ends: [Vec<u32>; ABREAST],
}

impl Table {
    /// Checks rows of a block, the first of which is so many rows behind the first of that.
    pub fn check_abreast(
        &self,
        bytes: &[u8],
        (raws, index): (&[Raw; ABREAST], u64),
        checker: &mut Checker<'_>,
        options: &CheckOptions,
        cells: &mut Cells,
        each: &mut impl FnMut(usize, Found),
    ) {
        let told = self.tell_abreast(bytes, raws, checker, options, &mut cells.abreast);
        for (at, (raw, quick)) in raws.iter().zip(told).enumerate() {
            let place = (index + at as u64, raw.line);
            each(
                at,
                match quick {
                    Quick::Clean => (None, true),
                    Quick::Told(report) => (self.placed(report, place), true),
                    Quick::Unsure => self.check(&bytes[raw.bytes.clone()], place, checker, options, cells),
                },
            );
        }
    }

    fn tell_abreast(
        &self,
        bytes: &[u8],
        raws: &[Raw; ABREAST],
        checker: &mut Checker<'_>,
        options: &CheckOptions,
        abreast: &mut Abreast,
    ) -> [Quick; ABREAST] {
        const UNSURE: [Quick; ABREAST] = [const { Quick::Unsure }; ABREAST];
        let (rows, all) =
            (raws.each_ref().map(|raw| raw.bytes.clone()), raws[0].bytes.start..raws[ABREAST - 1].bytes.end);
        let Some(shape) = self.shape.as_ref().filter(|_| all.len() < u32::MAX as usize / 8) else { return UNSURE };
        let Abreast { spelled, values, ends } = abreast;
        ends.iter_mut().for_each(|ends| ends.resize(self.columns.0.len(), 0));
        let Some(cuts) = checker.cut(bytes, &rows, self.delimiter, ends.each_mut().map(Vec::as_mut_slice)) else {
            return UNSURE;
        };
        spelled.clear();
        spelled.push(b'"');
        spelled.extend_from_slice(&bytes[all.clone()]);
        spelled.push(b'"');
        values.resize(self.members.len(), [(0, 0); ABREAST]);
        let mut asked = [false; ABREAST];
        for (at, (row, cut)) in rows.iter().zip(&cuts).enumerate() {
            let cells = (&bytes[row.clone()], ends[at].as_slice(), cut.has_space);
            let place = (1 + row.start - all.start, at);
            asked[at] = !cut.is_odd && cut.cells == ends[at].len() && self.spell_abreast(cells, place, values, spelled);
        }
        let (Some(first), true) = (asked.iter().position(|is| *is), asked.iter().filter(|is| **is).count() > 1) else {
            return UNSURE;
        };
        if cuts.iter().any(|cut| cut.is_wide) && simdutf8::basic::from_utf8(&bytes[all]).is_err() {
            return UNSURE;
        }
        // Nobody has to ask later which rows are left out.
        for at in (0..ABREAST).filter(|at| !asked[*at]) {
            values.iter_mut().for_each(|value| value[at] = value[first]);
        }
        let length = spelled.len();
        spelled.extend_from_slice(&[0; ROOM]);
        checker.tell_rows(shape, (spelled, 0..length), (values, asked), options)
    }

    /// Spells the cells of one of the rows, which stands in the copy from that place on; whether all is said of it that way.
    #[inline(always)]
    fn spell_abreast(
        &self,
        (row, ends, may_have_space): (&[u8], &[u32], bool),
        (place, at): (usize, usize),
        values: &mut [[(u32, u32); ABREAST]],
        spelled: &mut Vec<u8>,
    ) -> bool {
        for (member, value) in self.members.iter().zip(values) {
            let before = if member.column == 0 { 0 } else { ends[member.column - 1] as usize + 1 };
            let (mut from, mut to) = (before, ends[member.column] as usize);
            if may_have_space {
                let cell = &row[from..to];
                let kept = trimmed(cell);
                if kept.len() < cell.len() {
                    from += kept.as_ptr().addr() - cell.as_ptr().addr();
                    to = from + kept.len();
                }
            }
            let cell = &row[from..to];
            let (begin, end) = (place + from, place + to);
            value[at] = match (member.kind, cell) {
                (_, []) => (0, 0),
                _ if self.is_null_word(member, cell) => return false,
                // What goes on as no number is found out when it is judged.
                (Kind::Number, [b'-' | b'0'..=b'9', ..]) => (begin as u32, end as u32),
                (Kind::Number, _) => return false,
                _ => self.spell_cell(member, cell, Some((begin, end)), spelled),
            };
        }
        true
    }
}
