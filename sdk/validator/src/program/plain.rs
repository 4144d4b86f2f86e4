//! Values that one look tells: what most members of most records are asked to be, in a form made for that look.
//!
//! # Invariants
//! - It only accepts: what is not told here is judged by its state, which may accept it all the same.
//! - An accepted value is well-formed, conforms to its state, and gives nothing to remark on the day that is asked about.

use super::{
    ABREAST, DIGITS_MAX, Matcher, Moment, POWERS, Proof, Short, State, TextCheck, Values,
    lanes::{Lanes, Ranges, Set, Work},
    moment,
    prove::{Text, Today, plain_text_fits},
    scan,
    shape::{Automaton, Shape, Usual},
    types,
    windows::{BLOCK, Windows},
};
use crate::{formats::Format, json};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(super) enum Plain {
    /// Nothing is told at a look.
    #[default]
    Nothing,
    /// A string whose characters each lie in a range of their own; the quotes are of it.
    Fixed(Box<Fixed<1, 1>>),
    /// The same with two ranges for each.
    Fixed2(Box<Fixed<2, 1>>),
    /// The same of two blocks.
    Long(Box<Fixed<1, 2>>),
    Long2(Box<Fixed<2, 2>>),
    /// A string of so many characters of one set.
    Run {
        set: Set,
        min: u32,
        max: u32,
    },
    /// A string of so many characters.
    Length {
        min: u32,
        max: u32,
    },
    /// One of a few short strings of one length.
    Words(Box<Words<1>>),
    /// One of some more.
    MoreWords(Box<Words<2>>),
    /// One of many strings, or of some of unlike lengths.
    Table(Arc<Table>),
    Date,
    DateTime,
    /// A string of so many characters that an automaton takes.
    Automaton {
        automaton: Arc<Automaton>,
        min: u32,
        max: u32,
    },
    /// A string of so many characters with which a format of ours finds nothing wrong.
    Format {
        format: Format,
        min: u32,
        max: u32,
    },
    Number(Box<Limits<false>>),
    /// A number that is to be compared.
    Limited(Box<Limits<true>>),
}

// What is told of a value is told by its kind alone, with as few branches within as can be: each costs a twentieth of a short
// record.
#[derive(Clone, Debug)]
pub(super) struct Fixed<const RANGES: usize, const BLOCKS: usize> {
    /// With its quotes.
    length: u32,
    blocks: [[Ranges; RANGES]; BLOCKS],
}

/// A few texts of at most eight bytes, all of one length.
#[derive(Clone, Debug)]
pub(super) struct Words<const COUNT: usize> {
    length: u32,
    /// Of the bytes behind the quote those that are of the text.
    mask: u64,
    words: [[u64; 8]; COUNT],
}

/// Lists beyond this are asked themselves: a table of their codes would fit no cache.
const CODES_MAX: usize = 8_192;

/// Of some texts those of one to sixteen bytes, in a table of hashes that is at most a quarter full.
#[derive(Debug)]
pub(super) struct Table {
    slots: Box<[u128]>,
}

/// Numbers of at most eight digits on each side of the point, so that they can be compared within 64 bits.
#[derive(Clone, Debug)]
pub(super) struct Limits<const ARE_COMPARED: bool> {
    takes_negatives: bool,
    /// Digits behind the point, at most.
    part_max: u32,
    /// The least and the most, by how many digits stand behind the point, and without it.
    ends: [(i64, i64); SIDE + 1],
}

impl Plain {
    /// Whether a look tells nearly every value that is right.
    pub fn tells_most(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Automaton { .. } | Self::Format { .. })
    }

    /// What of a state is told at a look.
    pub fn of(state: &State) -> Self {
        let is_open = |kind: u8| state.types & kind != 0 && state.opaque_types & kind == 0;
        if !state.branches.is_empty() {
            return Self::Nothing;
        }
        let found = if is_open(types::STRING) { Self::text(state) } else { None };
        let number = || if is_open(types::INTEGER) { Self::number(state) } else { None };
        found.or_else(number).unwrap_or_default()
    }

    fn text(state: &State) -> Option<Self> {
        let (min, max) = (state.text.min, state.text.max.unwrap_or(u32::MAX));
        match (&*state.values, &*state.text.checks) {
            ([], []) => Some(Self::Length { min, max }),
            ([], [TextCheck::Matcher(matcher)]) => match &**matcher {
                Matcher::Shape(shape) => Self::shape(shape, min, max),
                Matcher::Automaton(automaton) => Some(Self::Automaton { automaton: Arc::clone(automaton), min, max }),
                Matcher::Regex(_) => None,
            },
            ([values], []) if (min, max) == (0, u32::MAX) => Self::values(values),
            ([], [TextCheck::Format(_, Some(moment)) | TextCheck::Engine(_, Some(moment))]) => {
                let (kind, length) = match moment {
                    Moment::Date => (Self::Date, DATE_LENGTH),
                    Moment::DateTime => (Self::DateTime, DATE_TIME_LENGTH),
                };
                (min..=max).contains(&length).then_some(kind)
            }
            ([], [TextCheck::Format(format, None)]) => Some(Self::Format { format: *format, min, max }),
            _ => Self::codes(state),
        }
    }

    /// Of a list, the codes that hold on any day and have all else that is asked.
    fn codes(state: &State) -> Option<Self> {
        let list = state.text.checks.iter().find_map(|check| match check {
            TextCheck::List(_, codes) | TextCheck::DatedList(_, codes) => Some(codes.list()),
            _ => None,
        });
        let list = list.filter(|list| list.rows().len() <= CODES_MAX)?;
        let is_open = |row: &guiju_model::CodeRow<'_>| row.valid_from().is_none() && row.valid_to().is_none();
        let fits = |check: &TextCheck, code: &str| match check {
            TextCheck::Matcher(matcher) => matcher.is_match(code),
            TextCheck::Format(format, _) => format.is_of_any_day() && format.check(code, None).is_empty(),
            TextCheck::Engine(engine, _) => json::fits(engine, code),
            TextCheck::List(membership, codes) | TextCheck::DatedList(membership, codes) => {
                let is_open = codes.get(code).is_some_and(|code| code.rows().any(|row| is_open(&row)));
                is_open && membership.check(codes, code, None).is_none()
            }
        };
        let mut codes: Vec<&str> = list.rows().filter(is_open).map(|row| row.code()).collect();
        codes.dedup();
        codes.retain(|code| {
            plain_text_fits(state, Text::of(code)) == Proof::Yes
                && state.text.checks.iter().all(|check| fits(check, code))
        });
        Table::of(&codes).map(|table| Self::Table(Arc::new(table)))
    }

    fn number(state: &State) -> Option<Self> {
        if !state.values.is_empty() || state.opaque_types & types::NUMBER != 0 {
            return None;
        }
        let takes_fractions = state.types & types::NUMBER != 0;
        let mut ends = [(i64::MIN, i64::MAX); SIDE + 1];
        let (mut takes_negatives, mut part_max) = (true, if takes_fractions { DIGITS } else { 0 });
        for by in &state.number.multiples {
            // Of 0.01 every number is a multiple that has two digits behind the point.
            if by.mantissa != 1 {
                return None;
            }
            part_max = part_max.min(by.scale.into());
        }
        let mut are_compared = false;
        for bound in &state.number.bounds {
            let (mantissa, scale) = (bound.limit.mantissa, u32::from(bound.limit.scale));
            // Within this every number lies that is told here.
            let end = Short { mantissa: if bound.is_upper { END } else { -END }, scale: 0 };
            if bound.holds(end) {
                continue;
            }
            if !bound.is_upper && mantissa == 0 && !bound.is_exclusive {
                takes_negatives = false;
                continue;
            }
            takes_negatives &= bound.is_upper || mantissa < 0;
            for (part, (least, most)) in ends.iter_mut().enumerate() {
                // The limit is `scaled` / `by` of numbers with so many digits behind the point.
                let (scaled, by) = (i128::from(mantissa) * POWERS[part], POWERS[scale as usize]);
                let edge = i128::from(bound.is_exclusive && scaled % by == 0);
                let whole = scaled.div_euclid(by);
                let within = |number: i128| number.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
                match bound.is_upper {
                    true => *most = (*most).min(within(whole - edge)),
                    false => *least = (*least).max(within(whole + i128::from(scaled % by != 0) + edge)),
                }
            }
            are_compared = true;
        }
        Some(match are_compared {
            true => Self::Limited(Box::new(Limits { takes_negatives, part_max, ends })),
            false => Self::Number(Box::new(Limits { takes_negatives, part_max, ends })),
        })
    }

    fn fixed(ranges: &[[(u8, u8); 2]], has_one: bool) -> Option<Self> {
        let is_short = ranges.len() + 2 <= BLOCK;
        Some(match (has_one, is_short) {
            (true, true) => Self::Fixed(Box::new(Fixed::of(ranges)?)),
            (true, false) => Self::Long(Box::new(Fixed::of(ranges)?)),
            (false, true) => Self::Fixed2(Box::new(Fixed::of(ranges)?)),
            (false, false) => Self::Long2(Box::new(Fixed::of(ranges)?)),
        })
    }

    fn shape(shape: &Shape, min: u32, max: u32) -> Option<Self> {
        if let Some(ranges) = shape.fixed().filter(|ranges| (min..=max).contains(&(ranges.len() as u32))) {
            let has_one = ranges.iter().all(|[one, other]| one == other);
            return Self::fixed(&ranges, has_one);
        }
        let (ascii, least, most) = shape.run()?;
        let (min, max) = (min.max(least), max.min(most));
        is_spelled_plainly(ascii).then(|| Self::Run { set: Set::of(ascii), min, max })
    }

    fn values(values: &Values) -> Option<Self> {
        let long = values.texts.long.iter().map(|text| &**text);
        let short = values.texts.short.iter().map(|(word, length)| (word.to_le_bytes(), usize::from(*length)));
        let short: Vec<([u8; 8], usize)> = short.collect();
        let short = short.iter().map(|(bytes, length)| std::str::from_utf8(&bytes[..*length]).unwrap_or_default());
        let texts: Vec<&str> = short.chain(long).collect();
        if let [text] = texts[..] {
            let ranges: Vec<[(u8, u8); 2]> = text.bytes().map(|byte| [(byte, byte); 2]).collect();
            return Self::fixed(&ranges, true);
        }
        let is_plain = |text: &&str| text.bytes().all(|byte| byte > 0x1F && !matches!(byte, b'"' | b'\\'));
        let length = texts.first().map_or(0, |text| text.len());
        let are_alike = length > 0 && texts.iter().all(|text| text.len() == length);
        if are_alike && values.texts.long.is_empty() && texts.len() <= 16 && texts.iter().all(is_plain) {
            let words: Vec<u64> = texts.iter().map(|text| word_of(text) as u64).collect();
            let from = |from: usize| std::array::from_fn(|at| *words.get(from + at).unwrap_or(&words[0]));
            let (length, mask) = (length as u32, u64::MAX >> (64 - 8 * length));
            return Some(match words.len() {
                ..=8 => Self::Words(Box::new(Words { length, mask, words: [from(0)] })),
                _ => Self::MoreWords(Box::new(Words { length, mask, words: [from(0), from(8)] })),
            });
        }
        Table::of(&texts).map(|table| Self::Table(Arc::new(table)))
    }

    /// Where the value ends that begins here; zero where that is not told.
    ///
    /// Without optimisation all that is inlined here would lie on the stack once for each level of nesting.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn end<L: Lanes>(&self, lanes: L, windows: Windows<'_>, at: usize, today: Today) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Fixed(fixed) => fixed.end(lanes, windows, at),
            Self::Fixed2(fixed) => fixed.end(lanes, windows, at),
            Self::Long(fixed) => fixed.end(lanes, windows, at),
            Self::Long2(fixed) => fixed.end(lanes, windows, at),
            Self::Run { set, min, max } => run(lanes, windows, at, set, (*min, *max)),
            Self::Length { min, max } => match lanes.text(windows, at) {
                Some((stop, count)) if *min <= count && count <= *max => stop + 1,
                _ => 0,
            },
            Self::Words(words) => words.end(lanes, windows, at),
            Self::MoreWords(words) => words.end(lanes, windows, at),
            Self::Table(table) => match short(lanes, windows, at) {
                Some((word, end)) if table.has(word) => end,
                _ => 0,
            },
            Self::Date => date(lanes, windows, at),
            Self::DateTime => date_time(lanes, windows, at),
            Self::Automaton { .. } | Self::Format { .. } => {
                let [end] = lanes.enter(Asking { plain: self, lanes, windows, at: [at], today });
                end
            }
            Self::Number(limits) => limits.end(lanes, windows, at),
            Self::Limited(limits) => limits.end(lanes, windows, at),
        }
    }

    /// The same of values that begin at several places.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn ends<L: Lanes>(
        &self,
        lanes: L,
        windows: Windows<'_>,
        at: [usize; ABREAST],
        today: Today,
    ) -> [usize; ABREAST] {
        // Written out, and within a match, so that what is to be done is looked up once, and that places stay in registers: to read
        // four words together that were just written one by one takes a fifth of a short record.
        macro_rules! each {
            ($at:ident => $end:expr) => {{
                let [one, two, three, four] = at;
                let one = {
                    let $at = one;
                    $end
                };
                let two = {
                    let $at = two;
                    $end
                };
                let three = {
                    let $at = three;
                    $end
                };
                let four = {
                    let $at = four;
                    $end
                };
                [one, two, three, four]
            }};
        }
        match self {
            Self::Nothing => [0; ABREAST],
            Self::Fixed(fixed) => each!(at => fixed.end(lanes, windows, at)),
            Self::Fixed2(fixed) => each!(at => fixed.end(lanes, windows, at)),
            Self::Long(fixed) => each!(at => fixed.end(lanes, windows, at)),
            Self::Long2(fixed) => each!(at => fixed.end(lanes, windows, at)),
            Self::Run { set, min, max } => each!(at => run(lanes, windows, at, set, (*min, *max))),
            Self::Length { min, max } => each!(at => match lanes.text(windows, at) {
                Some((stop, count)) if *min <= count && count <= *max => stop + 1,
                _ => 0,
            }),
            Self::Words(words) => each!(at => words.end(lanes, windows, at)),
            Self::MoreWords(words) => each!(at => words.end(lanes, windows, at)),
            Self::Table(table) => each!(at => match short(lanes, windows, at) {
                Some((word, end)) if table.has(word) => end,
                _ => 0,
            }),
            Self::Date => each!(at => date(lanes, windows, at)),
            Self::DateTime => each!(at => date_time(lanes, windows, at)),
            Self::Automaton { .. } | Self::Format { .. } => {
                lanes.enter(Asking { plain: self, lanes, windows, at, today })
            }
            Self::Number(limits) => each!(at => limits.end(lanes, windows, at)),
            Self::Limited(limits) => each!(at => limits.end(lanes, windows, at)),
        }
    }
}

/// Texts that automata and formats are asked about. That takes so long that a call more does not count; inlined, it would take
/// registers from all other kinds.
struct Asking<'p, 'w, L, const COUNT: usize> {
    plain: &'p Plain,
    lanes: L,
    windows: Windows<'w>,
    at: [usize; COUNT],
    today: Today,
}

impl<L: Lanes> Work for Asking<'_, '_, L, 1> {
    type Gives = [usize; 1];

    #[inline(always)]
    fn run(self) -> [usize; 1] {
        [self.end(self.at[0])]
    }
}

impl<L: Lanes> Work for Asking<'_, '_, L, ABREAST> {
    type Gives = [usize; ABREAST];

    #[inline(always)]
    fn run(self) -> [usize; ABREAST] {
        let Self { lanes, windows, at, .. } = self;
        let [begin, ..] = at;
        match self.plain {
            Plain::Automaton { automaton, min, max } => {
                let (mut ends, mut are_told) = ([0; ABREAST], true);
                for lane in 0..ABREAST {
                    let (end, is_told) = usual(lanes, windows, at[lane], automaton.usual, (*min, *max));
                    (ends[lane], are_told) = (end, are_told & is_told);
                }
                if !are_told && !ends.contains(&0) {
                    let text = |lane: usize| &windows.bytes()[at[lane] + 1..ends[lane] - 1];
                    let takes = automaton.take_spelled([text(0), text(1), text(2), text(3)]);
                    (0..ABREAST).filter(|lane| !takes[*lane]).for_each(|lane| ends[lane] = 0);
                    return ends;
                }
                if are_told {
                    return ends;
                }
            }
            // In many files the same agency stands in record after record.
            _ => match self.end(begin) {
                0 => {}
                end if are_alike(lanes, windows, at, end - begin) => return at.map(|at| at + end - begin),
                _ => {}
            },
        }
        let mut ends = [0; ABREAST];
        for lane in 0..ABREAST {
            ends[lane] = self.end(at[lane]);
        }
        ends
    }
}

impl<L: Lanes, const COUNT: usize> Asking<'_, '_, L, COUNT> {
    #[inline(always)]
    fn end(&self, at: usize) -> usize {
        let Self { lanes, windows, today, .. } = *self;
        match self.plain {
            Plain::Automaton { automaton, min, max } => {
                let (end, is_told) = usual(lanes, windows, at, automaton.usual, (*min, *max));
                let takes = || automaton.takes_spelled(&windows.bytes()[at + 1..end - 1]);
                if is_told || end != 0 && takes() { end } else { 0 }
            }
            Plain::Format { format, min, max } => match lanes.text(windows, at) {
                Some((stop, count))
                    if *min <= count && count <= *max && is_clean(*format, &windows.bytes()[at + 1..stop], today) =>
                {
                    stop + 1
                }
                _ => 0,
            },
            _ => 0,
        }
    }
}

/// Whether the same stands at all of these places, so many bytes of it.
#[inline(always)]
fn are_alike<L: Lanes>(lanes: L, windows: Windows<'_>, at: [usize; ABREAST], length: usize) -> bool {
    const FIRST: [u8; 2 * BLOCK] = {
        let (mut mask, mut at) = ([0; 2 * BLOCK], 0);
        while at < BLOCK {
            mask[at] = 0xFF;
            at += 1;
        }
        mask
    };
    let mask = BLOCK.checked_sub(length).and_then(|from| FIRST[from..].first_chunk());
    match (windows.blocks(&at), mask) {
        (Some([one, others @ ..]), Some(mask)) => lanes.begin(others, one, mask),
        _ => false,
    }
}

/// Where a text of so many characters ends, if one is there; and whether it is surely taken by a pattern, if that is usual.
#[inline(always)]
fn usual<L: Lanes>(
    lanes: L,
    windows: Windows<'_>,
    at: usize,
    usual: Option<Usual>,
    (min, max): (u32, u32),
) -> (usize, bool) {
    match lanes.text(windows, at) {
        Some((stop, count)) if min <= count && count <= max => {
            let is_told = match usual {
                Some(usual) if usual.surely_takes(&windows.bytes()[at + 1..stop], count) => {
                    !stand_in(lanes, windows, (at, stop), usual.strangers())
                }
                _ => false,
            };
            (stop + 1, is_told)
        }
        _ => (0, false),
    }
}

/// Whether one of two bytes stands between two places.
#[inline(always)]
fn stand_in<L: Lanes>(lanes: L, windows: Windows<'_>, (from, to): (usize, usize), bytes: [u8; 2]) -> bool {
    let mut at = from;
    loop {
        let Some(block) = windows.block(at) else { return true };
        let found = lanes.equal(block, bytes[0]) | lanes.equal(block, bytes[1]);
        let rest = to - at;
        if rest < BLOCK {
            return found & ((1 << rest) - 1) != 0;
        }
        if found != 0 {
            return true;
        }
        at += BLOCK;
    }
}

/// Whether a format finds nothing wrong with a text as it stands in JSON; false if that has escapes.
#[inline(never)]
fn is_clean(format: Format, spelled: &[u8], today: Today) -> bool {
    let text = std::str::from_utf8(spelled).ok();
    !scan::has_escapes(spelled) && text.is_some_and(|text| format.check(text, today).is_empty())
}

/// Whether all characters of a set stand in a string of JSON as they are.
fn is_spelled_plainly(ascii: u128) -> bool {
    let others = 0xFFFF_FFFF_u128 | 1 << b'"' | 1 << b'\\';
    ascii & others == 0
}

impl<const RANGES: usize, const BLOCKS: usize> Fixed<RANGES, BLOCKS> {
    fn of(characters: &[[(u8, u8); 2]]) -> Option<Self> {
        let is_plain =
            |(first, last): &(u8, u8)| (*first..=*last).all(|byte| byte > 0x1F && !matches!(byte, b'"' | b'\\'));
        let length = characters.len() + 2;
        if length > BLOCKS * BLOCK || !characters.iter().flatten().all(is_plain) {
            return None;
        }
        let quote = [(b'"', b'"'); 2];
        let all: Vec<[(u8, u8); 2]> = [quote].into_iter().chain(characters.iter().copied()).chain([quote]).collect();
        let ranges = |block: usize, choice: usize| {
            let range = |at: usize| all.get(block * BLOCK + at).map_or((0, 255), |ranges| ranges[choice]);
            Ranges { first: std::array::from_fn(|at| range(at).0), last: std::array::from_fn(|at| range(at).1) }
        };
        let blocks = std::array::from_fn(|block| std::array::from_fn(|choice| ranges(block, choice)));
        Some(Self { length: length as u32, blocks })
    }

    #[inline(always)]
    fn end<L: Lanes>(&self, lanes: L, windows: Windows<'_>, at: usize) -> usize {
        let mut holds = true;
        for (place, ranges) in self.blocks.iter().enumerate() {
            let Some(block) = windows.block(at + place * BLOCK) else { return 0 };
            holds &= lanes.within(block, ranges);
        }
        if holds { at + self.length as usize } else { 0 }
    }
}

#[inline(always)]
fn run<L: Lanes>(lanes: L, windows: Windows<'_>, at: usize, set: &Set, (min, max): (u32, u32)) -> usize {
    let Some(block) = windows.block(at) else { return 0 };
    if block[0] != b'"' {
        return 0;
    }
    // The quote that begins it is passed like one of the set.
    let (mut place, mut block, mut inside) = (at, block, lanes.members(block, set) | 1);
    while inside == u32::MAX {
        place += BLOCK;
        let Some(next) = windows.block(place) else { return 0 };
        (block, inside) = (next, lanes.members(next, set));
    }
    let stop = (!inside).trailing_zeros() as usize;
    let length = (place + stop - at - 1) as u32;
    let holds = block[stop % BLOCK] == b'"' && min <= length && length <= max;
    if holds { place + stop + 1 } else { 0 }
}

/// A string of at most sixteen bytes as one word, and where it ends. One that ends in zeros would be the word of a shorter one.
#[inline(always)]
fn short<L: Lanes>(lanes: L, windows: Windows<'_>, at: usize) -> Option<(u128, usize)> {
    let block = windows.block(at)?;
    let quotes = lanes.equal(block, b'"');
    let length = (quotes >> 1).trailing_zeros() as usize;
    if quotes & 1 == 0 || length > 16 || block[length] == 0 {
        return None;
    }
    let word = block[1..].first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes));
    Some((word & LOW_BYTES[length], at + length + 2))
}

impl<const COUNT: usize> Words<COUNT> {
    #[inline(always)]
    fn end<L: Lanes>(&self, lanes: L, windows: Windows<'_>, at: usize) -> usize {
        let Some(block) = windows.block(at) else { return 0 };
        let word = word_at(block, 1) & self.mask;
        let mut found = false;
        for words in &self.words {
            found |= lanes.is_one_of(word, words);
        }
        // Where it ends does not wait for what was found.
        let end = 1 + self.length as usize;
        if found & (block[0] == b'"') & (block[end % BLOCK] == b'"') { at + end + 1 } else { 0 }
    }
}

/// Eight bytes of a block, from a place among its first sixteen.
#[inline(always)]
fn word_at(block: &[u8; BLOCK], at: usize) -> u64 {
    block[at % 16..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

static LOW_BYTES: [u128; 17] = {
    let mut masks = [0; 17];
    let mut at = 1;
    while at <= 16 {
        masks[at] = masks[at - 1] << 8 | 0xFF;
        at += 1;
    }
    masks
};

fn word_of(text: &str) -> u128 {
    text.bytes().rev().fold(0, |word, byte| word << 8 | u128::from(byte))
}

impl Table {
    fn of(texts: &[&str]) -> Option<Self> {
        let is_short = |text: &&&str| {
            (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte > 0x1F && !matches!(byte, b'"' | b'\\'))
        };
        let words: Vec<u128> = texts.iter().filter(is_short).map(|text| word_of(text)).collect();
        if words.is_empty() {
            return None;
        }
        let mut slots = vec![0; (4 * words.len()).next_power_of_two()];
        for word in words {
            let mut at = Self::hash(word) & (slots.len() - 1);
            while slots[at] != 0 && slots[at] != word {
                at = (at + 1) & (slots.len() - 1);
            }
            slots[at] = word;
        }
        Some(Self { slots: slots.into() })
    }

    #[inline(always)]
    fn hash(word: u128) -> usize {
        let both = word as u64 ^ ((word >> 64) as u64).rotate_left(29);
        (both.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
    }

    #[inline(always)]
    fn has(&self, word: u128) -> bool {
        let mut at = Self::hash(word);
        loop {
            match self.slots.get(at & (self.slots.len() - 1)) {
                Some(0) | None => return false,
                Some(other) if *other == word => return true,
                Some(_) => at += 1,
            }
        }
    }
}

/// Characters between the quotes.
const DATE_LENGTH: u32 = 10;
const DATE_TIME_LENGTH: u32 = 25;
/// `"YYYY-MM-DD"`, and anything behind it.
static DATE: [Ranges; 1] = [ranges(b"\"0000-00-00\"", b"\"9999-19-39\"")];
/// `"YYYY-MM-DDThh:mm:ss+hh:mm"`, where the sign may be a comma as well.
static DATE_TIME: [Ranges; 1] = [ranges(b"\"0000-00-00T00:00:00+00:00\"", b"\"9999-19-39T29:59:59-29:59\"")];

const fn ranges(first: &[u8], last: &[u8]) -> Ranges {
    let mut ranges = Ranges { first: [0; BLOCK], last: [255; BLOCK] };
    let mut at = 0;
    while at < first.len() {
        (ranges.first[at], ranges.last[at]) = (first[at], last[at]);
        at += 1;
    }
    ranges
}

#[inline(always)]
fn date<L: Lanes>(lanes: L, windows: Windows<'_>, at: usize) -> usize {
    match windows.block(at) {
        Some(block) if lanes.within(block, &DATE) && is_day(block, false) => at + 12,
        _ => 0,
    }
}

/// Numbers of two digits within eight bytes, each in the byte of its first digit: month, day and hour, from the month on.
const MONTH: u32 = 0;
const DAY: u32 = 24;
const HOUR: u32 = 48;

/// Whether the digits behind the quote are a day, where they are digits, and what stands at the hour, an hour or a part of none.
#[inline(always)]
fn is_day(block: &[u8; BLOCK], with_hour: bool) -> bool {
    const fn each(month: u64, day: u64, hour: u64) -> u64 {
        month << MONTH | day << DAY | hour << HOUR
    }
    let digits = word_at(block, 6) & 0x0F0F_0F0F_0F0F_0F0F;
    let numbers = (digits.wrapping_mul(10) + (digits >> 8)) & each(0xFF, 0xFF, if with_hour { 0xFF } else { 0 });
    // What is more than the most, or less than one, shows in the highest bit of its byte.
    let above = numbers + each(127 - 12, 127 - 28, 127 - 23);
    let below = !(numbers + each(127, 127, 128));
    let is_certain = (above | below) & each(128, 128, 128) == 0 && block[1..5] != *b"0000";
    let is_hour = || !with_hour || above & each(0, 0, 128) == 0;
    is_certain || is_hour() && block[1..11].try_into().is_ok_and(moment::is_date)
}

#[inline(always)]
fn date_time<L: Lanes>(lanes: L, windows: Windows<'_>, at: usize) -> usize {
    let Some(block) = windows.block(at) else { return 0 };
    // Nothing here is foretold by what was before, so that no step of it is a branch of its own.
    let is_offset = (block[21] < b'2') | (block[22] < b'4') && block[20] != b',';
    if lanes.within(block, &DATE_TIME) && is_offset && is_day(block, true) { at + 27 } else { 0 }
}

impl<const ARE_COMPARED: bool> Limits<ARE_COMPARED> {
    #[inline(always)]
    fn end<L: Lanes>(&self, lanes: L, windows: Windows<'_>, at: usize) -> usize {
        let Some(block) = windows.block(at) else { return 0 };
        let sign = usize::from(self.takes_negatives && block[0] == b'-');
        let digits = lanes.digits(block) >> sign;
        let whole = (!digits).trailing_zeros();
        if whole.wrapping_sub(1) >= DIGITS || block[sign] == b'0' && whole > 1 {
            return 0;
        }
        let mut end = sign + whole as usize;
        let mut part = 0;
        if block[end % BLOCK] == b'.' {
            part = (!(digits >> whole >> 1)).trailing_zeros();
            if part.wrapping_sub(1) >= self.part_max || (whole + part) as usize > DIGITS_MAX {
                return 0;
            }
            end += 1 + part as usize;
        }
        if block[end % BLOCK] | 0x20 == b'e' {
            return 0;
        }
        if ARE_COMPARED {
            let number = eight_digits(block, sign, whole);
            // As far from zero as its part may bring it.
            let (near, far) = (number, number + i64::from(part != 0));
            let (low, high) = if sign == 1 { (-far, -near) } else { (near, far) };
            let (least, most) = self.ends[0];
            if (low < least || high > most) && !self.holds_exactly(block, (sign, whole, end, part)) {
                return 0;
            }
        }
        at + end
    }

    /// The same with its part, of a number of which the whole part does not say that it holds.
    #[inline(never)]
    fn holds_exactly(&self, block: &[u8; BLOCK], (sign, whole, end, part): (usize, u32, usize, u32)) -> bool {
        let number = eight_digits(block, sign, whole) * SMALL_POWERS[part as usize % 16]
            + if part == 0 { 0 } else { eight_digits(block, end - part as usize, part) };
        let number = if sign == 1 { -number } else { number };
        let (least, most) = self.ends[(part as usize).min(SIDE)];
        least <= number && number <= most
    }
}

/// On each side of the point.
const DIGITS: u32 = SIDE as u32;
const SIDE: usize = 8;
/// What no number of so many digits reaches.
const END: i64 = 100_000_000;

static SMALL_POWERS: [i64; 16] = {
    let mut powers = [1; 16];
    let mut at = 1;
    while at <= DIGITS_MAX {
        powers[at] = POWERS[at] as i64;
        at += 1;
    }
    powers
};

/// The number that so many digits are, one to eight, which begin among the first sixteen bytes.
#[inline(always)]
fn eight_digits(block: &[u8; BLOCK], at: usize, count: u32) -> i64 {
    // Zeros come in front of them, which is in the lower bytes; then pairs, fours, and all are joined.
    let digits = (word_at(block, at) & 0x0F0F_0F0F_0F0F_0F0F) << ((64 - 8 * count) % 64);
    let pairs = (digits * 10 + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    ((fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF) as i64
}
