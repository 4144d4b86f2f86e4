//! Rows that stand one behind another, judged side by side: their cells are spelled in one copy of them all.
//!
//! # Invariants
//! - What is told of a row here is what [`Table::check`] tells of it. A row of which that is not sure is given to that.

use super::{super::split::Raw, Cells, Found, Kept, Kind, Member, ROOM, Table, is_date, trimmed};
use guiju_validator::{ABREAST, CheckOptions, Checker, Quick, Validator};

/// Of each row.
type Each<T> = [T; ABREAST];

/// Room for the next rows.
#[derive(Default)]
pub(super) struct Abreast {
    /// A copy of the rows and what stands between them, in quotes; values that have no place there; and room.
    spelled: Vec<u8>,
    /// Where the value of each member stands.
    values: Vec<Each<(u32, u32)>>,
    /// Where each cell ends.
    ends: Vec<Each<u32>>,
}

/// Rows that are being spelled.
struct Rows<'r> {
    bytes: Each<&'r [u8]>,
    /// Where each begins in the copy.
    begin: Each<usize>,
    /// Which are all told by their cells.
    asked: Each<bool>,
    has_space: bool,
    ends: &'r [Each<u32>],
}

impl Table {
    /// Checks rows of a block, the first of which is so many rows behind the first of that.
    pub fn check_abreast(
        &self,
        bytes: &[u8],
        (raws, index): (&[Raw; ABREAST], u64),
        checker: &mut Checker<'_>,
        options: &CheckOptions,
        (cells, mut kept): (&mut Cells, Option<Kept<'_>>),
        each: &mut impl FnMut(usize, Found),
    ) {
        let told = self.tell_abreast(bytes, raws, checker, options, &mut cells.abreast);
        for (at, (raw, quick)) in raws.iter().zip(told).enumerate() {
            let (row, place) = (&bytes[raw.bytes.clone()], (index + at as u64, raw.line));
            let is_together = !matches!(quick, Quick::Unsure);
            let found = match quick {
                Quick::Clean => (None, true),
                Quick::Told(report) => (self.placed(report, place), true),
                Quick::Unsure => self.check(row, place, checker, options, cells),
            };
            if let Some((scope, shares)) = &mut kept {
                let kept = (*scope, &mut **shares);
                match (is_together, found.1) {
                    (true, _) => self.share_abreast(checker.validator(), (row, at), cells, kept),
                    (false, true) => self.share(checker.validator(), cells, kept),
                    (false, false) => shares.push_none(),
                }
            }
            each(at, found);
        }
    }

    /// Keeps what rules between records read of one of the rows that were spelled together.
    fn share_abreast(&self, validator: &Validator, (row, at): (&[u8], usize), cells: &mut Cells, kept: Kept<'_>) {
        let (scope, shares) = kept;
        let Abreast { spelled, values, .. } = &cells.abreast;
        let together = (&**spelled, |member: usize| values[member][at]);
        let is_told = self.shape.as_ref().is_some_and(|shape| validator.share_of_row(shape, together, scope, shares));
        if !is_told {
            self.read(row, cells);
            cells.trim(row);
            self.spell(row, cells);
            self.share(validator, cells, (scope, shares));
        }
    }

    fn tell_abreast(
        &self,
        bytes: &[u8],
        raws: &[Raw; ABREAST],
        checker: &mut Checker<'_>,
        options: &CheckOptions,
        Abreast { spelled, values, ends }: &mut Abreast,
    ) -> [Quick; ABREAST] {
        const UNSURE: [Quick; ABREAST] = [const { Quick::Unsure }; ABREAST];
        let places = raws.each_ref().map(|raw| raw.bytes.clone());
        let all = places[0].start..places[ABREAST - 1].end;
        let Some(shape) = self.shape.as_ref().filter(|_| all.len() < u32::MAX as usize / 8) else { return UNSURE };
        let width = self.columns.0.len();
        ends.resize(width, [0; ABREAST]);
        let Some(cuts) = checker.cut(bytes, &places, self.delimiter, ends) else { return UNSURE };
        let mut rows = Rows {
            bytes: places.each_ref().map(|place| &bytes[place.clone()]),
            begin: places.each_ref().map(|place| 1 + place.start - all.start),
            asked: cuts.map(|cut| !cut.is_odd && cut.cells == width),
            has_space: cuts.iter().any(|cut| cut.has_space),
            ends: &[],
        };
        // Nobody has to ask later which rows are left out.
        let Some(first) = rows.asked.iter().position(|is| *is) else { return UNSURE };
        for at in (0..ABREAST).filter(|at| !rows.asked[*at]) {
            (rows.bytes[at], rows.begin[at]) = (rows.bytes[first], rows.begin[first]);
            ends.iter_mut().for_each(|ends| ends[at] = ends[first]);
        }
        if cuts.iter().any(|cut| cut.is_wide) && simdutf8::basic::from_utf8(&bytes[all.clone()]).is_err() {
            return UNSURE;
        }
        rows.ends = ends;
        spelled.clear();
        spelled.push(b'"');
        spelled.extend_from_slice(&bytes[all]);
        spelled.push(b'"');
        values.clear();
        for member in &self.members {
            values.push(self.spell_abreast(member, &mut rows, spelled));
        }
        let length = spelled.len();
        spelled.extend_from_slice(&[0; ROOM]);
        checker.tell_rows(shape, (spelled, 0..length), (values, rows.asked), options)
    }

    /// Where a member's values stand. A row is left out where more is to be said of its cell.
    #[inline]
    fn spell_abreast(&self, member: &Member, rows: &mut Rows<'_>, spelled: &mut Vec<u8>) -> Each<(u32, u32)> {
        let column = member.column;
        let mut begins = match column.checked_sub(1) {
            Some(before) => rows.ends[before].map(|end| end as usize + 1),
            None => [0; ABREAST],
        };
        let mut ends = rows.ends[column].map(|end| end as usize);
        if rows.has_space {
            for at in 0..ABREAST {
                let kept = kept(&rows.bytes[at][begins[at]..ends[at]]);
                (begins[at], ends[at]) = (begins[at] + kept.0, begins[at] + kept.1);
            }
        }
        let mut values = [(0, 0); ABREAST];
        for at in 0..ABREAST {
            let (begin, end) = (rows.begin[at] + begins[at], rows.begin[at] + ends[at]);
            if begin == end {
                continue;
            }
            let cell = || &rows.bytes[at][begins[at]..ends[at]];
            let is_text = match member.kind {
                Kind::Text => true,
                Kind::Date => is_date(cell()),
                _ => false,
            };
            if member.has_null_words && self.is_null_word(member, cell()) {
                rows.asked[at] = false;
            } else if is_text {
                (spelled[begin - 1], spelled[end]) = (b'"', b'"');
                values[at] = (begin as u32 - 1, end as u32 + 1);
            } else if member.kind == Kind::Number {
                // What goes on as none is found out when it is judged.
                rows.asked[at] &= matches!(spelled[begin], b'-' | b'0'..=b'9');
                values[at] = (begin as u32, end as u32);
            } else {
                values[at] = self.spell_cell(member, cell(), Some((begin, end)), spelled);
            }
        }
        values
    }
}

/// What is left of a cell without the space at its ends.
fn kept(cell: &[u8]) -> (usize, usize) {
    let kept = trimmed(cell);
    match kept.len() == cell.len() {
        true => (0, cell.len()),
        false => {
            let before = String::from_utf8_lossy(cell);
            let before = if kept.is_empty() { 0 } else { before.len() - before.trim_start().len() };
            (before, before + kept.len())
        }
    }
}
