//! Thirty-two bytes at once, on processors of x86-64 that have AVX2.
//!
//! # Invariants
//! - An [`Avx2`] is made by [`Avx2::detect`] alone, so that who has one may use the instructions of AVX2, BMI, POPCNT and PCLMULQDQ.
//! - Memory is read through references to arrays only.
//! - What holds an instruction is `inline(always)` all the way up to `with_avx2`, and never a closure: that would be compiled by
//!   itself, where the instructions are not enabled, and each would become a call.
#![allow(unsafe_code)]

use super::{
    lanes::{Block, Lanes, Ranges, Set, Work},
    scan,
    windows::{BLOCK, Windows},
};
use std::arch::x86_64::*;

#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    pub fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("pclmulqdq");
        has_all.then_some(Self(()))
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
fn with_avx2<W: Work>(work: W) -> W::Gives {
    work.run()
}

#[inline(always)]
fn load(block: &Block) -> __m256i {
    // SAFETY: who calls has an `Avx2`; the reference is to 32 bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
}

/// The same sixteen bytes in both halves.
#[inline(always)]
fn twice(half: &[u8; 16]) -> __m256i {
    // SAFETY: as above, for 16 bytes.
    unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(half.as_ptr().cast())) }
}

#[inline(always)]
fn bits(lanes: __m256i) -> u32 {
    // SAFETY: who calls has an `Avx2`.
    unsafe { _mm256_movemask_epi8(lanes) as u32 }
}

/// In each lane the place of a byte's upper half.
const UPPER: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];

#[inline(always)]
fn lower_half(block: __m256i) -> __m256i {
    // SAFETY: who calls has an `Avx2`.
    unsafe { _mm256_and_si256(block, _mm256_set1_epi8(0x0F)) }
}

#[inline(always)]
fn upper_half(block: __m256i) -> __m256i {
    // SAFETY: who calls has an `Avx2`.
    unsafe { lower_half(_mm256_srli_epi16::<4>(block)) }
}

/// Whether bytes are members of a set: all ones where they are not.
#[inline(always)]
fn strangers(block: __m256i, set: &[u8; 16]) -> __m256i {
    // SAFETY: who calls has an `Avx2`.
    unsafe {
        let row = _mm256_shuffle_epi8(twice(set), lower_half(block));
        let column = _mm256_shuffle_epi8(twice(&UPPER), upper_half(block));
        _mm256_cmpeq_epi8(_mm256_and_si256(row, column), _mm256_setzero_si256())
    }
}

/// A bit for each byte that lies in its range.
#[inline(always)]
fn inside(block: __m256i, ranges: &Ranges) -> u32 {
    // SAFETY: who calls has an `Avx2`.
    unsafe {
        let above = _mm256_cmpeq_epi8(_mm256_max_epu8(block, load(&ranges.first)), block);
        let below = _mm256_cmpeq_epi8(_mm256_min_epu8(block, load(&ranges.last)), block);
        bits(_mm256_and_si256(above, below))
    }
}

#[inline(always)]
fn look(table: &[u8; 16], places: __m256i) -> __m256i {
    // SAFETY: who calls has an `Avx2`.
    unsafe { _mm256_shuffle_epi8(twice(table), places) }
}

impl Lanes for Avx2 {
    const ARE_WIDE: bool = true;

    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Gives {
        // SAFETY: there is an `Avx2`, so the processor has what is enabled.
        unsafe { with_avx2(work) }
    }

    #[inline(always)]
    fn equal(self, block: &Block, byte: u8) -> u32 {
        // SAFETY: there is an `Avx2`.
        bits(unsafe { _mm256_cmpeq_epi8(load(block), _mm256_set1_epi8(byte as i8)) })
    }

    #[inline(always)]
    fn digits(self, block: &Block) -> u32 {
        // SAFETY: there is an `Avx2`.
        unsafe {
            let values = _mm256_sub_epi8(load(block), _mm256_set1_epi8(b'0' as i8));
            bits(_mm256_cmpeq_epi8(_mm256_min_epu8(values, _mm256_set1_epi8(9)), values))
        }
    }

    #[inline(always)]
    fn between(self, block: &Block, first: u8, last: u8) -> u32 {
        // SAFETY: there is an `Avx2`.
        unsafe {
            let values = _mm256_sub_epi8(load(block), _mm256_set1_epi8(first as i8));
            let most = _mm256_set1_epi8(last.wrapping_sub(first) as i8);
            bits(_mm256_cmpeq_epi8(_mm256_min_epu8(values, most), values))
        }
    }

    #[inline(always)]
    fn members(self, block: &Block, set: &Set) -> u32 {
        !bits(strangers(load(block), &set.0))
    }

    #[inline(always)]
    fn have<const COUNT: usize>(self, blocks: [&Block; COUNT], byte: u8) -> bool {
        // SAFETY: there is an `Avx2`.
        unsafe {
            let byte = _mm256_set1_epi8(byte as i8);
            let mut found = _mm256_setzero_si256();
            for block in blocks {
                found = _mm256_or_si256(found, _mm256_cmpeq_epi8(load(block), byte));
            }
            bits(found) != 0
        }
    }

    #[inline(always)]
    fn marks(self, block: &Block) -> u32 {
        // SAFETY: there is an `Avx2`.
        unsafe {
            let block = load(block);
            // `[` and `]` with this bit are `{` and `}`, and nothing else is.
            let curly = _mm256_or_si256(block, _mm256_set1_epi8(0x20));
            let opens = _mm256_cmpeq_epi8(curly, _mm256_set1_epi8(b'{' as i8));
            let closes = _mm256_cmpeq_epi8(curly, _mm256_set1_epi8(b'}' as i8));
            let commas = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b',' as i8));
            bits(_mm256_or_si256(commas, _mm256_or_si256(opens, closes)))
        }
    }

    #[inline(always)]
    fn odd(self, bits: u64) -> u64 {
        // SAFETY: there is an `Avx2`.
        unsafe {
            // A product without carry by ones alone.
            let sums = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(bits as i64), _mm_set1_epi8(-1));
            _mm_cvtsi128_si64(sums) as u64
        }
    }

    #[inline(always)]
    fn begin<const COUNT: usize>(self, blocks: [&Block; COUNT], expected: &Block, mask: &Block) -> bool {
        let expected = load(expected);
        // SAFETY: there is an `Avx2`.
        unsafe {
            let mut differs = _mm256_xor_si256(load(blocks[0]), expected);
            for block in &blocks[1..] {
                differs = _mm256_or_si256(differs, _mm256_xor_si256(load(block), expected));
            }
            _mm256_testz_si256(differs, load(mask)) != 0
        }
    }

    #[inline(always)]
    fn within<const RANGES: usize>(self, block: &Block, ranges: &[Ranges; RANGES]) -> bool {
        let block = load(block);
        let mut within = inside(block, &ranges[0]);
        for ranges in &ranges[1..] {
            within |= inside(block, ranges);
        }
        within == u32::MAX
    }

    #[inline(always)]
    fn is_one_of(self, word: u64, words: &[u64; 8]) -> bool {
        // SAFETY: there is an `Avx2`; the two loads are of the two halves of the array.
        unsafe {
            let word = _mm256_set1_epi64x(word as i64);
            let first = _mm256_cmpeq_epi64(word, _mm256_loadu_si256(words[..4].as_ptr().cast()));
            let second = _mm256_cmpeq_epi64(word, _mm256_loadu_si256(words[4..].as_ptr().cast()));
            let found = _mm256_or_si256(first, second);
            _mm256_testz_si256(found, found) == 0
        }
    }

    #[inline(always)]
    fn text(self, windows: Windows<'_>, from: usize) -> Option<(usize, u32)> {
        let mut place = windows.block(from)?;
        if place[0] != b'"' {
            return None;
        }
        // The block before, of the same piece of text between escapes; zeros stand for what is no part of it.
        // SAFETY: there is an `Avx2`.
        let nothing = unsafe { _mm256_setzero_si256() };
        // The quote that begins it is no stop, and no character of it.
        let (mut at, mut before, mut passed, mut count) = (from, nothing, 1_u32, 0);
        loop {
            let block = load(place);
            // SAFETY: there is an `Avx2`.
            let (stops, starts) = unsafe {
                let quote = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'"' as i8));
                let escape = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'\\' as i8));
                let control = _mm256_cmpeq_epi8(_mm256_min_epu8(block, _mm256_set1_epi8(0x1F)), block);
                let stops = bits(_mm256_or_si256(_mm256_or_si256(quote, escape), control));
                (stops & !passed, bits(_mm256_cmpgt_epi8(block, _mm256_set1_epi8(-65))))
            };
            // What stands before the first stop, and that too: a character may be cut off by it.
            let (inside, with_stop) = match stops {
                0 => (u32::MAX, u32::MAX),
                stops => ((stops & stops.wrapping_neg()) - 1, stops ^ (stops - 1)),
            };
            if (bits(block) & inside) | bits(before) != 0 && broken(before, block) & with_stop != 0 {
                return None;
            }
            count += (starts & inside & !passed).count_ones();
            if stops == 0 {
                at += BLOCK;
                (before, passed, place) = (block, 0, windows.block(at)?);
                continue;
            }
            let stop = stops.trailing_zeros() as usize;
            match place[stop] {
                b'"' => return Some((at + stop, count)),
                b'\\' => {
                    let (end, more) = self.run_of_escapes(windows, at + stop)?;
                    (before, passed, at, count) = (nothing, 0, end, count + more);
                    place = windows.block(at)?;
                }
                _ => return None,
            }
        }
    }
}

impl Avx2 {
    /// Where the escapes end that begin here, and how many characters they are.
    #[inline(always)]
    fn run_of_escapes(self, windows: Windows<'_>, from: usize) -> Option<(usize, u32)> {
        let (mut at, mut count) = (from, 0);
        while windows.byte(at) == b'\\' {
            // Most words are no longer than what two blocks hold.
            let [first, second] = windows.blocks(&[at, at + ESCAPES_BYTES])?;
            let second = no_escapes(load(second)) | ESCAPES_END;
            let wrong = u64::from(no_escapes(load(first))) | u64::from(second) << ESCAPES_BYTES;
            match wrong.trailing_zeros() / 6 {
                0 => {
                    let (_, length) = scan::escape(&windows.bytes()[at..])?;
                    (at, count) = (at + length, count + 1);
                }
                escapes => (at, count) = (at + 6 * escapes as usize, count + escapes),
            }
        }
        Some((at, count))
    }
}

/// Of the escapes of characters that a block holds.
const ESCAPES_BYTES: usize = 30;
const ESCAPES_END: u32 = 1 << ESCAPES_BYTES;

/// A bit for each byte of a block that is not what escapes of characters, one behind another, have there; none behind the fifth.
#[inline(always)]
fn no_escapes(block: __m256i) -> u32 {
    const SPELLED: Block = *b"\\u0000\\u0000\\u0000\\u0000\\u0000  ";
    /// At each place the kinds of digits that may stand there.
    const MAY: Block = {
        let mut may = [0; BLOCK];
        let mut at = 0;
        while at < ESCAPES_BYTES {
            may[at] = match at % 6 {
                0 | 1 => 0,
                2 => DECIMAL | FIRST_CAPITAL | FIRST_SMALL,
                _ => DECIMAL | CAPITAL | SMALL,
            };
            at += 1;
        }
        may
    };
    // SAFETY: who calls has an `Avx2`.
    unsafe {
        let kinds = _mm256_and_si256(look(&DIGITS[0], upper_half(block)), look(&DIGITS[1], lower_half(block)));
        let digits = _mm256_and_si256(kinds, load(&MAY));
        let right = _mm256_or_si256(digits, _mm256_cmpeq_epi8(block, load(&SPELLED)));
        bits(_mm256_cmpeq_epi8(right, _mm256_setzero_si256())) & (ESCAPES_END - 1)
    }
}

/// Kinds of hexadecimal digits; the first of an escape is no D, with which surrogates begin.
const DECIMAL: u8 = 1;
const CAPITAL: u8 = 1 << 1;
const SMALL: u8 = 1 << 2;
const FIRST_CAPITAL: u8 = 1 << 3;
const FIRST_SMALL: u8 = 1 << 4;

/// By the upper half of a character and by the lower one, the kinds of digits that it may be of.
const DIGITS: [[u8; 16]; 2] = {
    let mut lower = [0; 16];
    let mut digit = 0;
    while digit < 16 {
        if digit < 10 {
            lower[digit] |= DECIMAL;
        } else {
            // `A` and `a` are the first behind a round number.
            lower[digit - 9] |= CAPITAL | SMALL | if digit == 0xD { 0 } else { FIRST_CAPITAL | FIRST_SMALL };
        }
        digit += 1;
    }
    let mut upper = [0; 16];
    upper[3] = DECIMAL;
    upper[4] = CAPITAL | FIRST_CAPITAL;
    upper[6] = SMALL | FIRST_SMALL;
    [upper, lower]
};

/// What two bytes that follow each other cannot be in UTF-8: upper half of the first, lower half of the first, upper half of
/// the second, each as a set of the sixteen values. (Unicode 17, table 3-7.)
const CANNOT: [(u16, u16, u16); 8] = [
    // A lead without what it leads; something that is led without a lead.
    (0xF000, 0xFFFF, 0xF0FF),
    (0x00FF, 0xFFFF, 0x0F00),
    // Longer than needed: in two bytes, in three; in four, or beyond U+10FFFF.
    (0x1000, 0x0003, 0x0F00),
    (0x4000, 0x0001, 0x0300),
    (0x8000, 0xFFE1, 0x0100),
    // Beyond U+10FFFF as well; a surrogate.
    (0x8000, 0xFFF0, 0x0E00),
    (0x4000, 0x2000, 0x0C00),
    // Two that are led, which is right only behind a lead of three or four.
    (0x0F00, 0xFFFF, 0x0F00),
];

/// For each half the set of what is wrong with it.
const TABLES: [[u8; 16]; 3] = {
    let mut tables = [[0; 16]; 3];
    let mut at = 0;
    while at < 8 {
        let mut half = 0;
        while half < 16 {
            tables[0][half] |= ((CANNOT[at].0 >> half & 1) as u8) << at;
            tables[1][half] |= ((CANNOT[at].1 >> half & 1) as u8) << at;
            tables[2][half] |= ((CANNOT[at].2 >> half & 1) as u8) << at;
            half += 1;
        }
        at += 1;
    }
    tables
};

/// A bit for each byte of a block at which text is seen not to be UTF-8, with the block before it.
#[inline(always)]
fn broken(before: __m256i, block: __m256i) -> u32 {
    // SAFETY: who calls has an `Avx2`.
    unsafe {
        let middle = _mm256_permute2x128_si256::<0x21>(before, block);
        let first = _mm256_alignr_epi8::<15>(block, middle);
        let second = _mm256_alignr_epi8::<14>(block, middle);
        let third = _mm256_alignr_epi8::<13>(block, middle);
        let cannot = _mm256_and_si256(
            _mm256_and_si256(look(&TABLES[0], upper_half(first)), look(&TABLES[1], lower_half(first))),
            look(&TABLES[2], upper_half(block)),
        );
        let of_three = _mm256_subs_epu8(second, _mm256_set1_epi8(0xE0_u8.wrapping_sub(0x80) as i8));
        let of_four = _mm256_subs_epu8(third, _mm256_set1_epi8(0xF0_u8.wrapping_sub(0x80) as i8));
        let is_led = _mm256_and_si256(_mm256_or_si256(of_three, of_four), _mm256_set1_epi8(-128));
        let sound = _mm256_cmpeq_epi8(_mm256_xor_si256(is_led, cannot), _mm256_setzero_si256());
        !bits(sound)
    }
}
