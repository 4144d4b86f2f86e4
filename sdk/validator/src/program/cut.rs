//! Rows of a table at a look: where their cells end, and whether there is more to them than cells side by side; and where lines end,
//! many at a time.

use super::{
    Memory,
    lanes::{Lanes, Plainly, Processor, Set, Work},
    prove::ABREAST,
    windows::{BLOCK, Windows},
};
use std::ops::Range;

/// What is among the bytes of a row, but for what stands between its cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// How many there are.
    pub cells: usize,
    /// Whether there are quotes, backslashes, control characters, or a plus behind an E as in a number that a spreadsheet spoiled.
    pub is_odd: bool,
    /// Whether there is space, or a byte with which space may begin that is beyond ASCII.
    pub has_space: bool,
    /// Whether there is more than ASCII.
    pub is_wide: bool,
}

impl Memory {
    /// Cuts rows that stand one behind another in `bytes`; `ends` takes as many ends of cells of each row, counted from its first
    /// byte. None where nothing stands behind the rows.
    pub fn cut(
        &self,
        bytes: &[u8],
        rows: &[Range<usize>; ABREAST],
        delimiter: u8,
        ends: &mut [[u32; ABREAST]],
    ) -> Option<[Cut; ABREAST]> {
        let start = rows[0].start;
        let text = Windows::within(bytes, start..rows[ABREAST - 1].end)?;
        let rows = rows.each_ref().map(|row| (row.start - start, row.end - start));
        Some(match self.processor {
            Processor::Plainly => Cutting { lanes: Plainly, text, rows, delimiter, ends }.run(),
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2(lanes) => lanes.enter(Cutting { lanes, text, rows, delimiter, ends }),
        })
    }
}

/// Where lines end, in their order. It looks at many bytes at once and keeps what it found, which short lines ask for.
#[derive(Debug)]
pub struct LineEnds<'b> {
    processor: Processor,
    bytes: &'b [u8],
    /// How far they were looked at.
    at: usize,
    found: [usize; FOUND_MAX],
    /// Which of those found comes next, and how many there are.
    next: usize,
    count: usize,
}

/// Bytes that are looked at in one step.
const STEP: usize = 4 * BLOCK;
const FOUND_MAX: usize = 2 * STEP;

impl<'b> LineEnds<'b> {
    pub fn of(bytes: &'b [u8]) -> Self {
        Self::by(Processor::default(), bytes)
    }

    fn by(processor: Processor, bytes: &'b [u8]) -> Self {
        Self { processor, bytes, at: 0, found: [0; FOUND_MAX], next: 0, count: 0 }
    }

    fn look(&mut self) {
        (self.next, self.count) = (0, 0);
        let (bytes, at, found) = (self.bytes, self.at, &mut self.found);
        (self.at, self.count) = match self.processor {
            Processor::Plainly => Lines { lanes: Plainly, bytes, at, found }.run(),
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2(lanes) => lanes.enter(Lines { lanes, bytes, at, found }),
        };
        if self.count == 0 {
            for (end, found) in memchr::memchr_iter(b'\n', &self.bytes[self.at..]).zip(&mut self.found) {
                *found = self.at + end;
                self.count += 1;
            }
            self.at = self.bytes.len();
        }
    }
}

impl Iterator for LineEnds<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.next == self.count {
            self.look();
        }
        let end = self.found.get(self.next).filter(|_| self.next < self.count)?;
        self.next += 1;
        Some(*end)
    }
}

/// Ends of lines up to where there is no room for more, or no whole step is left.
struct Lines<'l, L> {
    lanes: L,
    bytes: &'l [u8],
    at: usize,
    found: &'l mut [usize; FOUND_MAX],
}

impl<L: Lanes> Work for Lines<'_, L> {
    /// How far they were looked at, and how many ends there are.
    type Gives = (usize, usize);

    #[inline(always)]
    fn run(self) -> Self::Gives {
        let Self { lanes, bytes, mut at, found } = self;
        let mut count = 0;
        while let Some(step) = bytes.get(at..).and_then(|rest| rest.first_chunk::<STEP>()) {
            let ([one, two, three, four], true) = (step.as_chunks::<BLOCK>().0, count + STEP <= FOUND_MAX) else {
                break;
            };
            if lanes.have([one, two, three, four], b'\n') {
                for (blocks, from) in [([one, two], at), ([three, four], at + 2 * BLOCK)] {
                    let [low, high] = blocks.map(|block| u64::from(lanes.equal(block, b'\n')));
                    let mut ends = low | high << BLOCK;
                    loop {
                        // Written whether or not there is a first one: to ask would be a guess each time.
                        found[count] = from + ends.trailing_zeros() as usize;
                        count += usize::from(ends != 0);
                        ends &= ends.wrapping_sub(1);
                        if ends == 0 {
                            break;
                        }
                    }
                }
            }
            at += STEP;
        }
        (at, count)
    }
}

struct Cutting<'c, L> {
    lanes: L,
    text: Windows<'c>,
    rows: [(usize, usize); ABREAST],
    delimiter: u8,
    ends: &'c mut [[u32; ABREAST]],
}

impl<L: Lanes> Work for Cutting<'_, L> {
    type Gives = [Cut; ABREAST];

    #[inline(always)]
    fn run(self) -> Self::Gives {
        let Self { lanes, text, rows, delimiter, ends } = self;
        let mut cuts = [Cut::default(); ABREAST];
        for (at, (cut, row)) in cuts.iter_mut().zip(rows).enumerate() {
            *cut = cut_row(lanes, text, row, delimiter, (ends, at));
        }
        cuts
    }
}

/// Control characters, quotes, backslashes, and the plus.
const ODD: Set = Set([3, 3, 7, 3, 3, 3, 3, 3, 3, 3, 3, 7, 3 | 1 << 5, 3, 3, 3]);

#[inline(always)]
fn cut_row<L: Lanes>(
    lanes: L,
    text: Windows<'_>,
    (from, to): (usize, usize),
    delimiter: u8,
    (ends, row): (&mut [[u32; ABREAST]], usize),
) -> Cut {
    let (mut at, mut count, mut is_behind_e) = (from, 0, 0);
    let (mut odd, mut spaces, mut wide) = (0, 0, 0);
    while at < to {
        let Some(block) = text.block(at) else { break };
        let own = u32::MAX >> BLOCK.saturating_sub(to - at);
        let mut delimiters = lanes.equal(block, delimiter) & own;
        let others = own & !delimiters;
        let first = lanes.members(block, &ODD) & others;
        if first != 0 {
            let plus = lanes.equal(block, b'+');
            let behind_e = (lanes.equal(block, b'e') | lanes.equal(block, b'E')) << 1 | is_behind_e;
            odd |= first & !(plus & !behind_e);
        }
        is_behind_e = u32::from(matches!(block[BLOCK - 1], b'e' | b'E'));
        spaces |= (lanes.equal(block, b' ') | lanes.between(block, 0xC2, 0xE3)) & others;
        wide |= lanes.between(block, 0x80, 0xFF) & others;
        while delimiters != 0 {
            if let Some(end) = ends.get_mut(count) {
                end[row] = (at - from) as u32 + delimiters.trailing_zeros();
            }
            count += 1;
            delimiters &= delimiters - 1;
        }
        at += BLOCK;
    }
    if let Some(end) = ends.get_mut(count) {
        end[row] = (to - from) as u32;
    }
    Cut { cells: count + 1, is_odd: odd != 0, has_space: spaces != 0, is_wide: wide != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::array;

    /// What is told of each byte by itself.
    fn plainly(row: &[u8], delimiter: u8) -> (Vec<u32>, Cut) {
        let any = |is: fn(u8) -> bool| row.iter().any(|byte| *byte != delimiter && is(*byte));
        let has_exponent = row.windows(2).any(|two| matches!(two, [b'e' | b'E', b'+']));
        let delimiters = row.iter().enumerate().filter(|(_, byte)| **byte == delimiter).map(|(at, _)| at as u32);
        let ends: Vec<u32> = delimiters.chain([row.len() as u32]).collect();
        let cut = Cut {
            cells: ends.len(),
            is_odd: has_exponent || any(|byte| byte < b' ' || byte == b'"' || byte == b'\\'),
            has_space: any(|byte| byte == b' ' || (0xC2..=0xE3).contains(&byte)),
            is_wide: any(|byte| !byte.is_ascii()),
        };
        (ends, cut)
    }

    #[test]
    fn lines_end_where_they_end() {
        for gap in [1, 2, 3, 31, 64, 65, 200] {
            for length in (0..300).chain([4_000, 4_001]) {
                let bytes: Vec<u8> = (1..=length).map(|at| if at % gap == 0 { b'\n' } else { b'\x8A' }).collect();
                let wanted: Vec<usize> = (0..length).filter(|at| bytes[*at] == b'\n').collect();
                for processor in [Processor::Plainly, Processor::default()] {
                    let ends: Vec<usize> = LineEnds::by(processor, &bytes).collect();
                    assert_eq!(ends, wanted, "{length} bytes, a line each {gap}");
                }
            }
        }
    }

    #[test]
    fn rows_are_cut_as_one_byte_after_another_tells() {
        let mut plain = Memory::default();
        plain.read_plainly();
        for delimiter in *b",\t;|" {
            for length in [0, 1, 2, 31, 32, 33, 63, 64, 65, 69] {
                // Around the edges of a step.
                let edges = (0..length).filter(|at| at % BLOCK < 2 || at % BLOCK > 29 || at + 2 > length);
                for (at, byte) in edges.flat_map(|at| (0..=255_u8).map(move |byte| (at, byte))) {
                    let mut row: Vec<u8> = (0..length).map(|at| b"12,a;e|E"[at % 8]).collect();
                    row[at] = byte;
                    // What stands around a row is none of its bytes.
                    let mut bytes = Vec::new();
                    let rows: [Range<usize>; ABREAST] = array::from_fn(|_| {
                        bytes.extend_from_slice(b"E");
                        bytes.extend_from_slice(&row);
                        bytes.extend_from_slice(b"\"\n\xFF");
                        bytes.len() - 3 - row.len()..bytes.len() - 3
                    });
                    bytes.extend_from_slice(&[b'\\'; 64]);
                    let (ends, cut) = plainly(&row, delimiter);
                    for memory in [&plain, &Memory::default()] {
                        let mut found = vec![[0; ABREAST]; ends.len()];
                        let cuts = memory.cut(&bytes, &rows, delimiter, &mut found);
                        assert_eq!(cuts, Some([cut; ABREAST]), "{row:?}");
                        assert!(found.iter().zip(&ends).all(|(found, end)| *found == [*end; ABREAST]), "{row:?}");
                    }
                }
            }
        }
    }
}
