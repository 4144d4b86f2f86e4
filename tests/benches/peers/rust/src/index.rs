//! The places of all structural characters and of the first byte of every value outside of strings, and whether all is UTF-8: what
//! simdjson calls its first stage, and no more. It is the limit for whoever finds out the structure first.

/// Writes the places into `places`, which has room for one a byte and 64 more. Whether all is UTF-8, and how many places.
pub fn structure(bytes: &[u8], places: &mut [u32]) -> (bool, usize) {
    let is_text = simdutf8::basic::from_utf8(bytes).is_ok();
    let (mut state, mut found) = (State::default(), 0);
    let mut blocks = bytes.chunks_exact(64);
    for (number, block) in blocks.by_ref().enumerate() {
        let bits = state.step(&Masks::of(block.try_into().expect("64 bytes")));
        found = flatten(bits, 64 * number as u32, places, found);
    }
    let mut last = [b' '; 64];
    last[..blocks.remainder().len()].copy_from_slice(blocks.remainder());
    let bits = state.step(&Masks::of(&last));
    found = flatten(bits, (bytes.len() / 64 * 64) as u32, places, found);
    (is_text, found)
}

/// Eight at a time whether or not there are as many: the next ones are written over what was too much.
#[inline(always)]
fn flatten(mut bits: u64, base: u32, places: &mut [u32], found: usize) -> usize {
    let (count, mut at) = (bits.count_ones() as usize, found);
    while bits != 0 {
        let room: &mut [u32; 8] = (&mut places[at..at + 8]).try_into().expect("eight");
        for place in room {
            *place = base + bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
        }
        at += 8;
    }
    found + count
}

/// What carries over from one block to the next.
#[derive(Default)]
struct State {
    is_escaped: u64,
    /// All ones within a string.
    in_string: u64,
    is_scalar: u64,
}

/// A bit a byte.
struct Masks {
    quote: u64,
    backslash: u64,
    structural: u64,
    space: u64,
}

impl State {
    #[inline(always)]
    fn step(&mut self, masks: &Masks) -> u64 {
        let escaped = self.escaped(masks.backslash);
        let quote = masks.quote & !escaped;
        let in_string = prefix_xor(quote) ^ self.in_string;
        self.in_string = ((in_string as i64) >> 63) as u64;
        let scalar = !(masks.structural | masks.space);
        // A quote begins a value as well; what follows another character of a value does not.
        let other = scalar & !quote;
        let follows = other << 1 | self.is_scalar;
        self.is_scalar = other >> 63;
        let begins = scalar & !follows;
        (masks.structural | begins) & !(in_string ^ quote)
    }

    /// Which bytes an odd run of backslashes stands before.
    #[inline(always)]
    fn escaped(&mut self, backslash: u64) -> u64 {
        if backslash == 0 {
            return std::mem::take(&mut self.is_escaped);
        }
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        let escapes = backslash & !self.is_escaped;
        let maybe = (escapes << 1 | ODD).wrapping_sub(escapes) ^ ODD;
        let escaped = maybe ^ (backslash | self.is_escaped);
        self.is_escaped = (maybe & backslash) >> 63;
        escaped
    }
}

#[cfg(target_arch = "x86_64")]
mod fast {
    use super::Masks;
    use std::arch::x86_64::*;

    impl Masks {
        #[inline(always)]
        pub fn of(block: &[u8; 64]) -> Self {
            // SAFETY: `tests/benches/run` builds this for the very processor that runs it, and all of these have AVX2.
            unsafe { masks(block) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn masks(block: &[u8; 64]) -> Masks {
        // SAFETY: both loads lie within the 64 bytes.
        let halves = unsafe { [_mm256_loadu_si256(block.as_ptr().cast()), _mm256_loadu_si256(block.as_ptr().add(32).cast())] };
        let both = |of: &dyn Fn(__m256i) -> __m256i| {
            let bits = |half| _mm256_movemask_epi8(of(half)) as u32 as u64;
            bits(halves[0]) | bits(halves[1]) << 32
        };
        let is = |half, byte: u8| _mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte as i8));
        // Space by its low half; `{}[]:,` by theirs, once the bit is set in which `[` and `{` differ.
        let spaces = _mm256_broadcastsi128_si256(_mm_setr_epi8(
            b' ' as i8, 100, 100, 100, 17, 100, 113, 2, 100, b'\t' as i8, b'\n' as i8, 112, 100, b'\r' as i8, 100, 100,
        ));
        let marks = _mm256_broadcastsi128_si256(_mm_setr_epi8(
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b':' as i8, b'{' as i8, b',' as i8, b'}' as i8, 0, 0,
        ));
        let structural = |half| {
            let curly = _mm256_or_si256(half, _mm256_set1_epi8(0x20));
            _mm256_cmpeq_epi8(_mm256_shuffle_epi8(marks, half), curly)
        };
        Masks {
            quote: both(&|half| is(half, b'"')),
            backslash: both(&|half| is(half, b'\\')),
            structural: both(&structural),
            space: both(&|half| _mm256_cmpeq_epi8(_mm256_shuffle_epi8(spaces, half), half)),
        }
    }

    #[inline(always)]
    pub fn prefix_xor(bits: u64) -> u64 {
        // SAFETY: as above; every processor with AVX2 multiplies without carries.
        unsafe { multiplied(bits) }
    }

    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    fn multiplied(bits: u64) -> u64 {
        _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits as i64), _mm_set1_epi8(-1))) as u64
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod fast {
    use super::Masks;

    impl Masks {
        pub fn of(block: &[u8; 64]) -> Self {
            let bits = |is: fn(u8) -> bool| block.iter().enumerate().fold(0, |all, (at, byte)| all | u64::from(is(*byte)) << at);
            Self {
                quote: bits(|byte| byte == b'"'),
                backslash: bits(|byte| byte == b'\\'),
                structural: bits(|byte| b"{}[]:,".contains(&byte)),
                space: bits(|byte| b" \t\n\r".contains(&byte)),
            }
        }
    }

    pub fn prefix_xor(mut bits: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            bits ^= bits << shift;
        }
        bits
    }
}

use fast::prefix_xor;

#[cfg(test)]
mod tests {
    /// The same, a byte at a time.
    fn slowly(bytes: &[u8]) -> Vec<u32> {
        let (mut found, mut in_string, mut is_escaped, mut in_scalar) = (Vec::new(), false, false, false);
        for (at, byte) in bytes.iter().enumerate() {
            if in_string {
                match byte {
                    _ if is_escaped => is_escaped = false,
                    b'\\' => is_escaped = true,
                    b'"' => in_string = false,
                    _ => {}
                }
                continue;
            }
            let (is_mark, is_space) = (b"{}[]:,".contains(byte), b" \t\n\r".contains(byte));
            if is_mark || *byte == b'"' || !is_space && !in_scalar {
                found.push(at as u32);
            }
            in_string = *byte == b'"';
            in_scalar = !is_mark && !is_space && !in_string;
        }
        found
    }

    #[test]
    fn the_places_are_those_that_one_byte_after_another_tells() {
        let pieces = [r#"{"a\\":[1,-2.5e3 ,true],"b": "\"x\\\\\"{}" ,"é":null}"#, "\n", " ", r#""\\\"","#, "12"];
        let mut text = String::new();
        for number in 0..400 {
            text += pieces[number * number % 7 % pieces.len()];
            let (bytes, mut places) = (text.as_bytes(), vec![0; text.len() + 64]);
            let (is_text, count) = super::structure(bytes, &mut places);
            assert!(is_text);
            assert_eq!(places[..count], slowly(bytes), "{text}");
        }
    }
}
