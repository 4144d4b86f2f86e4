//! Where a string ends: sixteen bytes a step where the processor can, eight elsewhere, with one answer. By it, where members stand.

/// What a string's bytes are, found on the way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Where the closing quote stands.
    pub end: usize,
    /// A byte beyond ASCII, so that UTF-8 is to be judged.
    pub is_wide: bool,
    pub has_escapes: bool,
}

/// Scans from behind the opening quote. None where a control character stands inside, or the quote never comes.
#[inline]
pub(super) fn string(bytes: &[u8], from: usize) -> Option<Scanned> {
    let (mut at, mut is_wide, mut has_escapes) = (from, false, false);
    loop {
        let (stop, wide) = step(bytes, at)?;
        is_wide |= wide;
        match bytes[stop] {
            b'"' => return Some(Scanned { end: stop, is_wide, has_escapes }),
            // What follows the backslash is no end, whatever it is; whether it is an escape is judged when it is read.
            b'\\' => {
                has_escapes = true;
                at = stop + 2;
            }
            _ => return None,
        }
    }
}

/// The first quote, backslash or control character from here on, and whether a wide byte stands before it.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[inline(always)]
pub(super) fn step(bytes: &[u8], from: usize) -> Option<(usize, bool)> {
    // SAFETY: every processor of this architecture has SSE2; the function touches memory through slices only.
    unsafe { sixteens(bytes, from) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn sixteens(bytes: &[u8], from: usize) -> Option<(usize, bool)> {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    let (mut at, mut wide) = (from, false);
    while let Some(block) = bytes.get(at..at + 16) {
        let half = |from: usize| i64::from_le_bytes(block[from..from + 8].try_into().unwrap_or_default());
        let block = _mm_set_epi64x(half(8), half(0));
        let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
        let escape = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1F)), block);
        let stops = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, escape), control)) as u32;
        let high = _mm_movemask_epi8(block) as u32;
        if stops != 0 {
            let first = stops.trailing_zeros();
            return Some((at + first as usize, wide || high & ((1 << first) - 1) != 0));
        }
        wide |= high != 0;
        at += 16;
    }
    byte_by_byte(bytes, at, wide)
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn step(bytes: &[u8], from: usize) -> Option<(usize, bool)> {
    words(bytes, from)
}

/// Eight bytes a step, on any processor.
#[cfg_attr(all(target_arch = "x86_64", not(test)), allow(dead_code))]
#[inline]
fn words(bytes: &[u8], from: usize) -> Option<(usize, bool)> {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let (mut at, mut wide) = (from, false);
    while let Some(block) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(block.try_into().unwrap_or_default());
        let control = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
        let stops = is_zero(word ^ (ONES * u64::from(b'"'))) | is_zero(word ^ (ONES * u64::from(b'\\'))) | control;
        if stops != 0 {
            // A borrow may mark bytes behind the first stop, never before it.
            let first = stops.trailing_zeros() / 8;
            let before = (1u64 << (8 * first)).wrapping_sub(1);
            return Some((at + first as usize, wide || word & TOPS & before != 0));
        }
        wide |= word & TOPS != 0;
        at += 8;
    }
    byte_by_byte(bytes, at, wide)
}

fn byte_by_byte(bytes: &[u8], from: usize, wide: bool) -> Option<(usize, bool)> {
    let rest = bytes.get(from..)?;
    let stop = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F))?;
    Some((from + stop, wide || !rest[..stop].is_ascii()))
}

/// What stands between the quotes of a value that is a text without escapes.
#[inline]
pub(crate) fn plain_text(spelled: &[u8]) -> Option<&[u8]> {
    match spelled {
        [b'"', text @ .., b'"'] if !has_escapes(text) => Some(text),
        _ => None,
    }
}

/// Whether a text as it stands in JSON holds an escape.
#[inline]
pub(super) fn has_escapes(text: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    let holds = |word: u64| {
        let differs = word ^ (ONES * u64::from(b'\\'));
        differs.wrapping_sub(ONES) & !differs & (ONES << 7) != 0
    };
    // Most are short: by their words, of which the last overlaps the one before.
    match (text.as_chunks::<8>(), text.last_chunk::<8>()) {
        ((words, _), Some(last)) => {
            words.iter().chain([last]).fold(false, |found, word| found | holds(u64::from_le_bytes(*word)))
        }
        _ => text.contains(&b'\\'),
    }
}

/// The members of an object that is known to be well-formed, in their order, until it is enough: what stands between the quotes of
/// each name, and where its value begins and ends. None where it is no object, or a name holds escapes.
pub(crate) fn members(object: &[u8], mut each: impl FnMut(&[u8], u32, u32) -> bool) -> Option<()> {
    let mut at = past_space(object, 0);
    if object.get(at) != Some(&b'{') {
        return None;
    }
    at = past_space(object, at + 1);
    while object.get(at) == Some(&b'"') {
        let name = string(object, at + 1).filter(|name| !name.has_escapes)?;
        let from = past_space(object, past_space(object, name.end + 1) + 1);
        let to = value_end(object, from)?;
        if !each(&object[at + 1..name.end], u32::try_from(from).ok()?, u32::try_from(to).ok()?) {
            return Some(());
        }
        at = past_space(object, to);
        if object.get(at) == Some(&b',') {
            at = past_space(object, at + 1);
        }
    }
    (object.get(at) == Some(&b'}')).then_some(())
}

/// How many items an array has that is known to be well-formed.
pub(super) fn count(array: &[u8]) -> Option<usize> {
    let (mut at, mut count) = (past_space(array, 1), 0);
    while *array.get(at)? != b']' {
        at = past_space(array, value_end(array, at)?);
        count += 1;
        if array.get(at) == Some(&b',') {
            at = past_space(array, at + 1);
        }
    }
    Some(count)
}

#[inline]
fn past_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

/// Where the value ends that begins here.
#[inline]
fn value_end(bytes: &[u8], from: usize) -> Option<usize> {
    let (mut at, mut depth) = (from, 0);
    loop {
        match bytes.get(at)? {
            b'"' => at = string(bytes, at + 1)?.end,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ if depth > 0 => {}
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r');
                return bytes[at..].iter().position(is_end).map(|length| at + length);
            }
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The character that an escape stands for, and its length.
#[inline]
pub(super) fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let simple = match bytes.get(1)? {
        b'u' => {
            let first = hex(bytes.get(2..6)?)?;
            if !(0xD800..0xDC00).contains(&first) {
                return char::from_u32(first).map(|c| (c, 6));
            }
            let second = bytes.get(6..12).filter(|next| next.starts_with(b"\\u")).and_then(|next| hex(&next[2..]))?;
            let is_low = (0xDC00..0xE000).contains(&second);
            let pair = is_low.then(|| 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
            return pair.and_then(char::from_u32).map(|c| (c, 12));
        }
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{C}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    };
    Some((simple, 2))
}

#[inline]
fn hex(digits: &[u8]) -> Option<u32> {
    let [a, b, c, d] = digits else { return None };
    let digit = |byte: &u8| HEX[usize::from(*byte)];
    let value = digit(a) << 12 | digit(b) << 8 | digit(c) << 4 | digit(d);
    (value <= 0xFFFF).then_some(value)
}

/// The value of each hexadecimal digit; of anything else, one beyond all of them wherever it stands.
static HEX: [u32; 256] = {
    let mut values = [0x1_0000; 256];
    let mut digit = 0_u8;
    while digit < 16 {
        let lower = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        values[lower as usize] = digit as u32;
        values[lower.to_ascii_uppercase() as usize] = digit as u32;
        digit += 1;
    }
    values
};

/// How many code points a text of UTF-8 has.
#[inline]
pub(crate) fn code_points(text: &[u8]) -> usize {
    // So many that a byte holds how many there are: then as many are counted at once as a register has bytes.
    let begins = |piece: &[u8]| piece.iter().map(|byte| u8::from(*byte as i8 >= -0x40)).sum::<u8>();
    text.chunks(128).map(|piece| usize::from(begins(piece))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_stops_at_the_same_place() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let alphabet = [b'a', b'0', b' ', 0x7F, 0x80, 0xE4, 0xFF, 0x1F, 0x20, b'"', b'\\', 0];
        for _ in 0..100_000 {
            let length = next() % 70;
            // Rare stops let long runs through.
            let text: Vec<u8> =
                (0..length).map(|_| alphabet[if next() % 24 == 0 { next() % 12 } else { next() % 7 }]).collect();
            let from = next() % (length + 1);
            let wanted = byte_by_byte(&text, from, false);
            assert_eq!((words(&text, from), step(&text, from)), (wanted, wanted), "{text:?} from {from}");
        }
    }
}
