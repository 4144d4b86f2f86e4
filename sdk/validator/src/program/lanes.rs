//! What is done to many bytes at once: by the processor's wide registers where it has them, and plainly, with equal answers.
//!
//! A [`Lanes`] is proof that the processor can: it is made by detection alone. What is marked `inline(always)` is compiled
//! into [`Lanes::enter`], which is where the wide instructions are allowed.

use super::{
    scan,
    windows::{BLOCK, Windows},
};

pub(super) type Block = [u8; BLOCK];

pub(super) trait Lanes: Copy {
    /// Whether many bytes are looked at as quickly as one, so that it is worth looking at some more than once.
    const ARE_WIDE: bool;

    /// Runs what is to be compiled for these lanes.
    fn enter<W: Work>(self, work: W) -> W::Gives;

    /// A bit for each byte that is this one.
    fn equal(self, block: &Block, byte: u8) -> u32;

    /// A bit for each byte that is a digit.
    fn digits(self, block: &Block) -> u32;

    /// A bit for each byte that is one of these or lies between them.
    fn between(self, block: &Block, first: u8, last: u8) -> u32;

    /// A bit for each byte that is in a set.
    fn members(self, block: &Block, set: &Set) -> u32;

    /// Whether a byte is anywhere in them.
    fn have<const COUNT: usize>(self, blocks: [&Block; COUNT], byte: u8) -> bool;

    /// A bit for each comma, and for each byte that opens or closes an array or an object.
    fn marks(self, block: &Block) -> u32;

    /// Of each bit whether those up to it are odd in number.
    fn odd(self, bits: u64) -> u64;

    /// Whether in each of the blocks the bytes that `mask` has set are those of `expected`.
    fn begin<const COUNT: usize>(self, blocks: [&Block; COUNT], expected: &Block, mask: &Block) -> bool;

    /// Whether every byte lies in one of the ranges at its place.
    fn within<const RANGES: usize>(self, block: &Block, ranges: &[Ranges; RANGES]) -> bool;

    /// Whether one of the words is this one.
    fn is_one_of(self, word: u64, words: &[u64; 8]) -> bool;

    /// Where the string ends that begins here, and how many code points it has. None where it is no text.
    fn text(self, windows: Windows<'_>, from: usize) -> Option<(usize, u32)>;
}

/// Something to be compiled for some lanes; `run` is to be `inline(always)`.
pub(super) trait Work {
    type Gives;
    fn run(self) -> Self::Gives;
}

/// A set of ASCII characters: at the lower half of a character's bits, a bit for each upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set(pub [u8; 16]);

impl Set {
    pub const fn of(ascii: u128) -> Self {
        let (mut rows, mut c) = ([0; 16], 0);
        while c < 128 {
            rows[c & 15] |= ((ascii >> c & 1) as u8) << (c >> 4);
            c += 1;
        }
        Self(rows)
    }

    #[inline(always)]
    pub fn has(&self, byte: u8) -> bool {
        byte < 128 && self.0[usize::from(byte & 15)] >> (byte >> 4) & 1 == 1
    }
}

/// At each place the first and the last byte that may stand there.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(super) struct Ranges {
    pub first: Block,
    pub last: Block,
}

/// For any processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plainly;

/// A bit for each byte of which something holds.
#[inline(always)]
fn bits(block: &Block, holds: impl Fn(u8) -> bool) -> u32 {
    block.iter().rev().fold(0, |bits, byte| bits << 1 | u32::from(holds(*byte)))
}

impl Lanes for Plainly {
    const ARE_WIDE: bool = false;

    fn enter<W: Work>(self, work: W) -> W::Gives {
        work.run()
    }

    fn equal(self, block: &Block, byte: u8) -> u32 {
        bits(block, |other| other == byte)
    }

    fn digits(self, block: &Block) -> u32 {
        bits(block, |byte| byte.is_ascii_digit())
    }

    fn between(self, block: &Block, first: u8, last: u8) -> u32 {
        bits(block, |byte| (first..=last).contains(&byte))
    }

    fn members(self, block: &Block, set: &Set) -> u32 {
        bits(block, |byte| set.has(byte))
    }

    fn have<const COUNT: usize>(self, blocks: [&Block; COUNT], byte: u8) -> bool {
        blocks.iter().any(|block| block.contains(&byte))
    }

    fn marks(self, block: &Block) -> u32 {
        bits(block, |byte| matches!(byte, b',' | b'[' | b'{' | b']' | b'}'))
    }

    fn odd(self, bits: u64) -> u64 {
        (0..6).fold(bits, |bits, power| bits ^ bits << (1 << power))
    }

    fn begin<const COUNT: usize>(self, blocks: [&Block; COUNT], expected: &Block, mask: &Block) -> bool {
        let differs = |block: &Block| (0..BLOCK).fold(0, |all, at| all | (block[at] ^ expected[at]) & mask[at]);
        blocks.iter().all(|block| differs(block) == 0)
    }

    fn within<const RANGES: usize>(self, block: &Block, ranges: &[Ranges; RANGES]) -> bool {
        let is_within =
            |at: usize| ranges.iter().any(|ranges| (ranges.first[at]..=ranges.last[at]).contains(&block[at]));
        (0..BLOCK).all(is_within)
    }

    fn is_one_of(self, word: u64, words: &[u64; 8]) -> bool {
        words.iter().fold(false, |found, other| found | (*other == word))
    }

    fn text(self, windows: Windows<'_>, from: usize) -> Option<(usize, u32)> {
        if windows.byte(from) != b'"' {
            return None;
        }
        let (mut at, mut count, bytes) = (from + 1, 0, windows.bytes());
        loop {
            let (stop, is_wide) = scan::step(bytes, at)?;
            let piece = &bytes[at..stop];
            if is_wide && std::str::from_utf8(piece).is_err() {
                return None;
            }
            count += scan::code_points(piece) as u32;
            match bytes[stop] {
                b'"' => return Some((stop, count)),
                b'\\' => {
                    let (_, length) = scan::escape(&bytes[stop..])?;
                    (at, count) = (stop + length, count + 1);
                }
                _ => return None,
            }
        }
    }
}

/// The best that this processor has, looked up once for each who checks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Processor {
    Plainly,
    #[cfg(target_arch = "x86_64")]
    Avx2(super::avx2::Avx2),
}

impl Default for Processor {
    fn default() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(lanes) = super::avx2::Avx2::detect() {
            return Self::Avx2(lanes);
        }
        Self::Plainly
    }
}

#[cfg(test)]
mod tests {
    use super::{super::windows::Padded, *};

    /// The same numbers on every machine.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
    }

    /// What each of the questions is answered, in one text.
    fn answers(lanes: impl Lanes, block: &Block, others: &[Block; 3], set: &Set) -> String {
        let [one, two, three] = others;
        let words = std::array::from_fn(|at| u64::from_le_bytes(std::array::from_fn(|byte| one[(at + byte) % 32])));
        let ranges = [Ranges { first: *one, last: *two }, Ranges { first: *two, last: *three }];
        format!(
            "{} {} {} {} {} {} {} {} {} {} {} {} {}",
            lanes.equal(block, one[0]),
            lanes.digits(block),
            lanes.between(block, one[1].min(two[1]), one[1].max(two[1])),
            lanes.have([block, three], one[0]),
            lanes.have([block, three, two, block], one[1]),
            lanes.marks(block),
            lanes.odd(words[0]),
            lanes.members(block, set),
            lanes.begin([block], one, two),
            lanes.begin([block, three, one], one, two),
            lanes.within(block, &ranges),
            lanes.within(block, &[ranges[0]]),
            lanes.is_one_of(words[three[0] as usize % 8] ^ u64::from(three[1] & 1), &words),
        )
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn wide_registers_answer_as_single_bytes_do() {
        let Some(avx2) = super::super::avx2::Avx2::detect() else { return };
        let mut dice = Dice(26);
        for round in 0..20_000 {
            let mut block = |alphabet: &[u8]| -> Block {
                std::array::from_fn(|_| {
                    if round % 4 == 0 { dice.below(256) as u8 } else { alphabet[dice.below(alphabet.len())] }
                })
            };
            let mut text = block(b"\\u0123456789abcdefABCDEF \"/:@`g[{,}]");
            let others = [block(b"\x00\x01"), block(b"\xff\xfe\x80"), block(b"\xff\x01")];
            let set = Set::of(u128::from_le_bytes(*block(b"\x00\xff\x55").first_chunk().unwrap()));
            for at in (0..dice.below(36)).step_by(6).filter(|at| at + 6 <= BLOCK) {
                text[at..at + 6]
                    .copy_from_slice(&[b"\\u4e2d", b"\\uFFfF", b"\\ud83d", b"\\u00e9"][dice.below(8) % 4][..]);
            }
            assert_eq!(
                answers(avx2, &text, &others, &set),
                answers(Plainly, &text, &others, &set),
                "{text:?} {others:?}"
            );
        }
    }

    /// Texts at every place of a block, of all that UTF-8 is and is not.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn wide_registers_read_text_as_single_bytes_do() {
        let Some(avx2) = super::super::avx2::Avx2::detect() else { return };
        let pieces: [&[u8]; 20] = [
            b"a",
            b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "é".as_bytes(),
            "中文".as_bytes(),
            "\u{1F600}".as_bytes(),
            b"\xC0\x80",
            b"\xE0\x9F\xBF",
            b"\xED\xA0\x80",
            b"\xF0\x8F\xBF\xBF",
            b"\xF4\x90\x80\x80",
            b"\x80",
            b"\xE4\xB8",
            b"\\u4e2d",
            b"\\ud83d\\ude00",
            b"\\ud83d",
            b"\\n",
            b"\\x",
            b"\x1F",
            b"\xFF",
            b"\\\"",
        ];
        let (mut dice, mut padded, mut taken) = (Dice(27), Padded::default(), 0);
        for _ in 0..20_000 {
            let sound = dice.below(3) > 0;
            let mut text = b"\"".to_vec();
            for _ in 0..dice.below(24) {
                let choice = if sound && dice.below(40) > 0 { dice.below(5) } else { dice.below(pieces.len()) };
                text.extend_from_slice(pieces[choice]);
            }
            // Escapes one behind another, and something that may be wrong with one of them.
            let run = text.len();
            for _ in 0..dice.below(3) * dice.below(13) {
                text.extend_from_slice(format!("\\u{:04x}", dice.below(0xD800)).as_bytes());
            }
            if text.len() > run && dice.below(2) > 0 {
                let at = run + dice.below(text.len() - run);
                text[at] = b"\\u0dDaAfFgG/:@`\"x"[dice.below(16)];
            }
            text.extend_from_slice(&b"\",\x80\"\xE4"[dice.below(2)..]);
            let windows = padded.hold(&text);
            let wanted = Plainly.text(windows, 0);
            taken += usize::from(wanted.is_some());
            assert_eq!(avx2.text(windows, 0), wanted, "{text:?}");
            if let Some((end, count)) = wanted {
                let value: String = serde_json::from_slice(&text[..=end]).unwrap();
                assert_eq!(value.chars().count(), count as usize, "{value}");
            }
        }
        assert!(taken > 3_000, "only {taken} are text");
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn utf_8_is_told_of_every_three_bytes() {
        let Some(avx2) = super::super::avx2::Avx2::detect() else { return };
        let (mut padded, edges) = (Padded::default(), [0x7F, 0x80, 0x9F, 0xBF, 0xC0]);
        for first in 0x7F..=0xFF_u8 {
            for second in 0x7F..=0xFF_u8 {
                for (third, fourth) in edges.iter().flat_map(|third| edges.map(|fourth| (*third, fourth))) {
                    let text = [b'"', b'a', first, second, third, fourth, b'a', b'"'];
                    let is_text = third >= 0x20 && fourth >= 0x20 && std::str::from_utf8(&text).is_ok();
                    assert_eq!(avx2.text(padded.hold(&text), 0).is_some(), is_text, "{text:?}");
                }
            }
        }
    }
}
