//! Patterns as short sequences of character classes, which most patterns of data standards are, and as small automata.
//!
//! # Invariants
//! - A shape is made only where matching from left to right without going back gives what the pattern means.

use super::{prove::Text, scan::has_escapes};
use regex::Regex;
use regex_automata::{
    Anchored,
    dfa::{Automaton as _, StartKind, dense},
    util::{primitives::StateID, start},
};
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use std::{
    borrow::Cow,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// A pattern, in the quickest form that it has.
#[derive(Debug)]
pub(super) enum Matcher {
    Shape(Shape),
    Automaton(Arc<Automaton>),
    Regex(Box<Regex>),
}

/// Anchored at the beginning; at the end as well where it says so.
#[derive(Debug)]
pub(super) struct Shape {
    parts: Box<[Part]>,
    to_end: bool,
}

#[derive(Debug)]
struct Part {
    /// A bit an ASCII character.
    ascii: u128,
    /// The same as one or two ranges, where that is what it is; eight characters are judged at once by these.
    ranges: Option<[(u8, u8); 2]>,
    /// Ranges beyond ASCII.
    wide: Box<[(char, char)]>,
    min: u32,
    max: u32,
}

impl Matcher {
    /// Of a pattern as JSON Schema writes it. None where it has no meaning in linear time.
    pub fn compile(pattern: &str) -> Option<Self> {
        let translated = crate::pattern::translate(pattern).ok()?;
        let hir = regex_syntax::parse(&translated).ok();
        let shape = hir.as_ref().and_then(Shape::of);
        match shape {
            Some(shape) if shape.fixed().is_some() || shape.run().is_some() => Some(Self::Shape(shape)),
            // To make an automaton takes longer than all else; what surely becomes one or the other waits for a text.
            shape if hir.is_some_and(|hir| crate::pattern::is_small(&hir)) => {
                Some(Self::Automaton(Arc::new(Automaton::later(pattern, translated, shape))))
            }
            shape => Self::unlike(pattern, &translated, shape),
        }
    }

    /// Of a pattern that is neither a run of one class nor of a fixed form.
    fn unlike(pattern: &str, translated: &str, shape: Option<Shape>) -> Option<Self> {
        match (Table::of(translated), shape) {
            (Some(table), _) => Some(Self::Automaton(Arc::new(Automaton::now(table)))),
            (None, shape) => Self::unlike_any(pattern, shape),
        }
    }

    /// Of one that has too many states for a table.
    fn unlike_any(pattern: &str, shape: Option<Shape>) -> Option<Self> {
        match shape {
            Some(shape) => Some(Self::Shape(shape)),
            None => Some(Self::Regex(Box::new(crate::pattern::compile(pattern).ok()?))),
        }
    }

    /// What it is, for people.
    pub fn form(&self) -> Cow<'static, str> {
        match self {
            Self::Shape(_) => "shape".into(),
            Self::Regex(regex) => format!("pattern {}", regex.as_str()).into(),
            Self::Automaton(automaton) => match automaton.made() {
                Made::Table(_) => "automaton".into(),
                Made::Other(other) => other.as_ref().map_or("nothing".into(), Self::form),
            },
        }
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.takes(Text::of(text))
    }

    #[inline]
    pub fn takes(&self, text: Text<'_>) -> bool {
        match self {
            Self::Shape(shape) => shape.is_match(text.bytes()),
            Self::Automaton(automaton) => automaton.takes(text.bytes()),
            Self::Regex(regex) => text.as_str().is_some_and(|text| regex.is_match(text)),
        }
    }
}

impl Shape {
    fn of(pattern: &Hir) -> Option<Self> {
        let HirKind::Concat(parts) = pattern.kind() else { return None };
        let mut flat = Vec::new();
        parts.iter().try_for_each(|part| flatten(part, &mut flat))?;
        let (first, rest) = flat.split_first()?;
        if !matches!(first.kind(), HirKind::Look(Look::Start)) {
            return None;
        }
        let to_end = matches!(rest.last().map(|last| last.kind()), Some(HirKind::Look(Look::End)));
        let rest = if to_end { &rest[..rest.len() - 1] } else { rest };
        let mut parts: Vec<Part> = Vec::new();
        for part in rest {
            parts.extend(Part::of(part)?);
        }
        // A part of open length takes all it can; that is right where the next cannot begin with any of it.
        let decided = |at: usize| {
            let part = &parts[at];
            if part.min == part.max {
                return true;
            }
            for next in &parts[at + 1..] {
                if part.overlaps(next) {
                    return false;
                }
                if next.min > 0 {
                    return true;
                }
            }
            true
        };
        (0..parts.len()).all(decided).then(|| Self { parts: parts.into(), to_end })
    }

    /// At each place the ranges that its character may be of, where all are of ASCII and their number is fixed.
    pub fn fixed(&self) -> Option<Vec<[(u8, u8); 2]>> {
        let is_fixed = |part: &&Part| part.min == part.max && part.max <= 64;
        let parts = self.parts.iter().take_while(is_fixed).count();
        let of = |part: &Part| Some(vec![part.ranges?; part.min as usize]);
        let all: Vec<Vec<_>> = self.parts.iter().map(of).collect::<Option<_>>()?;
        (self.to_end && parts == self.parts.len()).then(|| all.concat())
    }

    /// The set, and how many characters of it, where that is all: ASCII to the end.
    pub fn run(&self) -> Option<(u128, u32, u32)> {
        match &*self.parts {
            [part] if self.to_end && part.wide.is_empty() => Some((part.ascii, part.min, part.max)),
            _ => None,
        }
    }

    /// The bytes are UTF-8.
    #[inline]
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        let mut at = 0;
        for part in &self.parts {
            if part.min == part.max
                && let Some(ranges) = &part.ranges
            {
                let end = at + part.min as usize;
                match bytes.get(at..end) {
                    Some(run) if all_within(run, ranges) => at = end,
                    _ => return false,
                }
                continue;
            }
            match part.run(bytes, at) {
                Some(end) => at = end,
                None => return false,
            }
        }
        !self.to_end || at == bytes.len()
    }
}

/// Whether all bytes lie in one of two ranges of ASCII.
#[inline]
fn all_within(run: &[u8], ranges: &[(u8, u8); 2]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    // With the top bit for each byte that lies outside; bytes beyond ASCII do.
    let outside = |word: u64| {
        let plain = word & !TOPS;
        let within = |(first, last): (u8, u8)| {
            let from = plain + ONES * u64::from(0x80 - first);
            let beyond = plain + ONES * u64::from(0x7F - last);
            from & !beyond
        };
        (!(within(ranges[0]) | within(ranges[1])) | word) & TOPS
    };
    let word = |from: usize| u64::from_le_bytes(run[from..from + 8].try_into().unwrap_or_default());
    if run.len() < 8 {
        let is_within = |byte: u8, (first, last): (u8, u8)| (first..=last).contains(&byte);
        return run.iter().all(|byte| is_within(*byte, ranges[0]) || is_within(*byte, ranges[1]));
    }
    let mut found = outside(word(run.len() - 8));
    let mut at = 0;
    while at + 8 < run.len() {
        found |= outside(word(at));
        at += 8;
    }
    found == 0
}

/// A pattern that is made into a table when a text is first held against it.
#[derive(Debug)]
pub(super) struct Automaton {
    pub usual: Option<Usual>,
    made: OnceLock<Made>,
    from: Mutex<Option<Later>>,
}

/// What it is made from.
#[derive(Debug)]
struct Later {
    pattern: Box<str>,
    translated: String,
    /// What it becomes where it has too many states.
    shape: Option<Shape>,
}

#[derive(Debug)]
enum Made {
    Table(Box<Table>),
    /// It has too many states.
    Other(Option<Matcher>),
}

impl Automaton {
    fn now(table: Table) -> Self {
        Self { usual: None, made: OnceLock::from(Made::Table(Box::new(table))), from: Mutex::default() }
    }

    fn later(pattern: &str, translated: String, shape: Option<Shape>) -> Self {
        let usual = Usual::of(pattern);
        Self {
            usual,
            made: OnceLock::new(),
            from: Mutex::new(Some(Later { pattern: pattern.into(), translated, shape })),
        }
    }

    #[inline]
    fn made(&self) -> &Made {
        self.made.get_or_init(|| self.make())
    }

    #[cold]
    fn make(&self) -> Made {
        let from = self.from.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Later { pattern, translated, shape }) = from else { return Made::Other(None) };
        match Table::of(&translated) {
            Some(table) => Made::Table(Box::new(table)),
            None => Made::Other(Matcher::unlike_any(&pattern, shape)),
        }
    }

    /// Whether the pattern matches in a text; the bytes are UTF-8.
    #[inline]
    pub fn takes(&self, text: &[u8]) -> bool {
        match self.made() {
            Made::Table(table) => table.takes(text),
            Made::Other(other) => is_match(other.as_ref(), text),
        }
    }

    /// The same of several texts as they stand in JSON: in step, so that none waits for the other.
    pub fn take_spelled<const COUNT: usize>(&self, texts: [&[u8]; COUNT]) -> [bool; COUNT] {
        match self.made() {
            Made::Table(table) => table.take_spelled(texts),
            Made::Other(_) => texts.map(|text| self.takes_spelled(text)),
        }
    }

    /// The same of a text as it stands in JSON, if that has no escapes; false if it has: these are other characters.
    #[inline]
    pub fn takes_spelled(&self, text: &[u8]) -> bool {
        match self.made() {
            Made::Table(table) => table.takes_spelled(text),
            Made::Other(other) => !has_escapes(text) && is_match(other.as_ref(), text),
        }
    }
}

/// The patterns of most names and numbers, of which a look tells that nearly all texts match.
#[derive(Clone, Copy, Debug)]
pub(super) enum Usual {
    /// No space at all.
    Unbroken,
    /// No space at either end.
    Trimmed,
}

impl Usual {
    pub fn of(pattern: &str) -> Option<Self> {
        match pattern {
            "^\\S+$" => Some(Self::Unbroken),
            "^\\S(.*\\S)?$" => Some(Self::Trimmed),
            _ => None,
        }
    }

    /// Two bytes of which neither may stand in a text that is told at a look: not as it stands in JSON, where control characters
    /// do not. Line separators, which `.` is not, begin with E2.
    #[inline(always)]
    pub fn strangers(self) -> [u8; 2] {
        match self {
            Self::Unbroken => [b' ', b'\\'],
            Self::Trimmed => [0xE2, b'\\'],
        }
    }

    /// Whether a text of so many characters, in which no stranger stands, matches for certain.
    #[inline(always)]
    pub fn surely_takes(self, text: &[u8], count: u32) -> bool {
        let ([first, ..], [.., last]) = (text, text) else { return false };
        match self {
            // Spaces beyond ASCII are no bytes of their own.
            Self::Unbroken => count as usize == text.len(),
            Self::Trimmed => {
                // No space begins as the ideographs do, in three bytes.
                let is_ideograph = |byte: u8| (0xE4..=0xE9).contains(&byte);
                let is_visible = |byte: u8| (b'!'..0x7F).contains(&byte);
                let is_last =
                    is_visible(*last) || text.len() > 2 && is_ideograph(text[text.len() - 3]) && *last >= 0x80;
                let is_first = is_visible(*first) || is_ideograph(*first);
                is_first && is_last
            }
        }
    }
}

fn is_match(matcher: Option<&Matcher>, text: &[u8]) -> bool {
    matcher.zip(std::str::from_utf8(text).ok()).is_some_and(|(matcher, text)| matcher.is_match(text))
}

/// A pattern of few states: each byte leads to the next.
#[derive(Debug)]
struct Table {
    /// Bytes that lead to the same state from every state.
    classes: [u8; 256],
    /// For each state a row, for each class of it where the row begins to which it leads.
    rows: Box<[u16]>,
    /// Of a row.
    width: u16,
    /// Whether the text may end in a state.
    ends: Box<[bool]>,
}

/// What an automaton may be, and what making it may take.
const AUTOMATON_STATES_MAX: usize = 512;
const AUTOMATON_BYTES_MAX: usize = 256 << 10;

impl Table {
    fn of(pattern: &str) -> Option<Self> {
        let bounds = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .accelerate(false)
            .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
            .determinize_size_limit(Some(AUTOMATON_BYTES_MAX));
        let dfa = dense::Builder::new().configure(bounds).build(pattern).ok()?;
        let classes = dfa.byte_classes();
        let first_of = |class: usize| (0..=255_u8).find(|byte| usize::from(classes.get(*byte)) == class);
        let letters: Vec<u8> = (0..classes.alphabet_len() - 1).map(first_of).collect::<Option<_>>()?;
        let mut states: Vec<StateID> = vec![dfa.start_state(&start::Config::new().anchored(Anchored::No)).ok()?];
        let (mut rows, mut ends) = (Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(state) = states.get(at).copied() {
            if dfa.is_quit_state(state) || at >= AUTOMATON_STATES_MAX {
                return None;
            }
            // What was found stays found: the state says it of the bytes before the last one.
            let is_found = dfa.is_match_state(state);
            ends.push(is_found || dfa.is_match_state(dfa.next_eoi_state(state)));
            for letter in &letters {
                let next = if is_found { state } else { dfa.next_state(state, *letter) };
                let place = states.iter().position(|known| *known == next).unwrap_or_else(|| {
                    states.push(next);
                    states.len() - 1
                });
                rows.push(u16::try_from(place * letters.len()).ok()?);
            }
            at += 1;
        }
        let classes = std::array::from_fn(|byte| classes.get(byte as u8));
        Some(Self { classes, rows: rows.into(), width: letters.len() as u16, ends: ends.into() })
    }

    #[inline]
    fn takes(&self, text: &[u8]) -> bool {
        let row = text.iter().fold(0, |row, byte| self.step(row, *byte));
        self.ends[usize::from(row / self.width)]
    }

    #[inline]
    fn step(&self, row: u16, byte: u8) -> u16 {
        self.rows[usize::from(row) + usize::from(self.classes[usize::from(byte)])]
    }

    #[inline]
    fn takes_spelled(&self, text: &[u8]) -> bool {
        let [takes] = self.take_spelled([text]);
        takes
    }

    #[inline]
    fn take_spelled<const COUNT: usize>(&self, texts: [&[u8]; COUNT]) -> [bool; COUNT] {
        let least = texts.iter().map(|text| text.len()).min().unwrap_or_default();
        let begins = texts.map(|text| &text[..least]);
        let mut rows = [0; COUNT];
        for at in 0..least {
            for (row, begin) in rows.iter_mut().zip(begins) {
                *row = self.step(*row, begin[at]);
            }
        }
        std::array::from_fn(|place| {
            let row = texts[place][least..].iter().fold(rows[place], |row, byte| self.step(row, *byte));
            self.ends[usize::from(row / self.width)] && !has_escapes(texts[place])
        })
    }
}

/// Groups are for people; a sequence in a sequence is one sequence.
fn flatten<'h>(part: &'h Hir, flat: &mut Vec<&'h Hir>) -> Option<()> {
    match part.kind() {
        HirKind::Capture(group) => flatten(&group.sub, flat),
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| flatten(part, flat)),
        _ => {
            flat.push(part);
            (flat.len() <= 64).then_some(())
        }
    }
}

impl Part {
    fn of(part: &Hir) -> Option<Vec<Self>> {
        match part.kind() {
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0).ok()?;
                Some(text.chars().map(|c| Self::class([(c, c)].into_iter(), 1, 1)).collect())
            }
            HirKind::Class(Class::Unicode(class)) => {
                Some(vec![Self::class(class.iter().map(|range| (range.start(), range.end())), 1, 1)])
            }
            HirKind::Repetition(repetition) => {
                let mut inner = &*repetition.sub;
                while let HirKind::Capture(group) = inner.kind() {
                    inner = &group.sub;
                }
                let [one] = <[Self; 1]>::try_from(Self::of(inner)?).ok()?;
                let is_one = one.min == 1 && one.max == 1;
                let max = repetition.max.unwrap_or(u32::MAX);
                is_one.then(|| vec![Self { min: repetition.min, max, ..one }])
            }
            _ => None,
        }
    }

    fn class(ranges: impl Iterator<Item = (char, char)>, min: u32, max: u32) -> Self {
        let (mut ascii, mut wide) = (0, Vec::new());
        for (first, last) in ranges {
            (first as u32..=(last as u32).min(0x7F)).for_each(|c| ascii |= 1 << c);
            if last as u32 >= 0x80 {
                wide.push((first.max('\u{80}'), last));
            }
        }
        Self { ascii, ranges: ranges_of(ascii).filter(|_| wide.is_empty()), wide: wide.into(), min, max }
    }

    /// Takes as many characters as it may from a place on; where that ends, if they are enough.
    fn run(&self, bytes: &[u8], mut at: usize) -> Option<usize> {
        let mut count = 0;
        while count < self.max {
            match bytes.get(at) {
                Some(byte @ 0..=0x7F) if self.ascii >> byte & 1 == 1 => at += 1,
                Some(0x80..) if !self.wide.is_empty() => {
                    let (c, length) = character(&bytes[at..])?;
                    if !self.has_wide(c) {
                        break;
                    }
                    at += length;
                }
                _ => break,
            }
            count += 1;
        }
        (count >= self.min).then_some(at)
    }

    fn has_wide(&self, c: char) -> bool {
        self.wide.iter().any(|(first, last)| (*first..=*last).contains(&c))
    }

    fn overlaps(&self, other: &Self) -> bool {
        let meets = |a: &(char, char), b: &(char, char)| a.0 <= b.1 && b.0 <= a.1;
        self.ascii & other.ascii != 0 || self.wide.iter().any(|a| other.wide.iter().any(|b| meets(a, b)))
    }
}

/// The ranges of a set of ASCII characters; none where there are none, or more than two.
fn ranges_of(ascii: u128) -> Option<[(u8, u8); 2]> {
    let has = |c: u8| c < 0x80 && ascii >> c & 1 == 1;
    let mut ranges = Vec::new();
    for first in (0..0x80).filter(|c| has(*c) && (*c == 0 || !has(*c - 1))) {
        let last = (first..0x80).take_while(|c| has(*c)).last().unwrap_or(first);
        ranges.push((first, last));
    }
    match ranges[..] {
        [one] => Some([one, one]),
        [one, other] => Some([one, other]),
        _ => None,
    }
}

/// The character beyond ASCII that begins here, in bytes that are UTF-8.
fn character(bytes: &[u8]) -> Option<(char, usize)> {
    let length = match bytes.first()? {
        0xF0.. => 4,
        0xE0.. => 3,
        _ => 2,
    };
    let c = std::str::from_utf8(bytes.get(..length)?).ok()?.chars().next()?;
    Some((c, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_of_data_standards_have_a_quick_form() {
        let form = |pattern: &str| Matcher::compile(pattern).expect("a pattern").form();
        for pattern in
            ["^[0-9]{6}$", "^1[3-9][0-9]{9}$", "^[A-Z]{3}$", "^[1-9][0-9]{16}[0-9X]$", "^\\d{4}-\\d{2}$", "^[a-z]+$"]
        {
            assert_eq!(form(pattern), "shape", "{pattern}");
        }
        let varied = [
            "^x_[a-z0-9]+$",
            "^[\\u4e00-\\u9fff·]{2,30}$",
            "^a",
            "[0-9]",
            "^(a|bc)c$",
            "^a*ab$",
            "^[0-9]+(\\.[0-9]{2})?$",
        ];
        for pattern in varied {
            assert_eq!(form(pattern), "automaton", "{pattern}");
        }
        assert!(form("(\\w{1,40}[a-z]{3}){1,20}x").starts_with("pattern "));
    }

    fn is_sure(usual: Usual, text: &str) -> bool {
        let has_stranger = usual.strangers().iter().any(|stranger| text.as_bytes().contains(stranger));
        !has_stranger && usual.surely_takes(text.as_bytes(), text.chars().count() as u32)
    }

    #[test]
    fn patterns_of_names_are_told_at_a_look() {
        for (pattern, texts) in [
            ("^\\S+$", &["A-1", "CB-20261031-000001"][..]),
            ("^\\S(.*\\S)?$", &["京", "a", "远传 抄表平台", "北京市 1 号", "x 1"]),
        ] {
            let usual = Usual::of(pattern).expect("it is usual");
            texts.iter().for_each(|text| assert!(is_sure(usual, text), "{text}"));
        }
    }

    proptest! {
        #[test]
        fn what_is_told_at_a_look_matches(
            texts in prop::collection::vec("[a! ~\u{7f}\u{a0}\u{1680}\u{2003}\u{2028}\u{2029}\u{3000}\u{feff}\u{85}é、中龥\u{4000}\u{3fff}😀\\\\]{0,5}", 200),
        ) {
            for pattern in ["^\\S+$", "^\\S(.*\\S)?$"] {
                let (usual, regex) = (Usual::of(pattern).unwrap(), crate::pattern::compile(pattern).unwrap());
                for text in &texts {
                    prop_assert!(!is_sure(usual, text) || regex.is_match(text) && !text.contains('\\'), "{} on {:?}", pattern, text);
                }
            }
        }
    }

    #[test]
    fn eight_at_once_is_one_by_one() {
        let mut text = *b"0123456789abcdef09";
        for ranges in [[(b'0', b'9'); 2], [(b'0', b'9'), (b'a', b'f')], [(0, 0x7F); 2], [(b' ', b'~'); 2]] {
            for length in 0..=text.len() {
                for at in 0..length {
                    let kept = text[at];
                    for byte in 0..=255 {
                        text[at] = byte;
                        let one = |byte: &u8| ranges.iter().any(|(first, last)| (first..=last).contains(&byte));
                        assert_eq!(
                            all_within(&text[..length], &ranges),
                            text[..length].iter().all(one),
                            "{text:?} {ranges:?}"
                        );
                    }
                    text[at] = kept;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_shape_matches_what_the_pattern_matches(
            pattern in "\\^?([a-c]|\\[ab\\]|[.]|\\[\\^a\\]|\\\\d)([?+*]|[{][01],2[}])?([a-c1中]|\\[b-c0-9\\])([+*]|[{]2[}])?(-|é)?\\$?",
            texts in prop::collection::vec("[abc1中é\\n-]{0,6}", 20),
        ) {
            if let Ok(regex) = crate::pattern::compile(&pattern) {
                let shape = regex_syntax::parse(regex.as_str()).ok().and_then(|hir| Shape::of(&hir));
                let automaton = Table::of(regex.as_str());
                for text in texts {
                    let wanted = regex.is_match(&text);
                    let shaped = shape.as_ref().map(|shape| shape.is_match(text.as_bytes()));
                    prop_assert!(shaped.is_none_or(|is| is == wanted), "{} on {:?}", pattern, text);
                    let taken = automaton.as_ref().map(|automaton| automaton.takes(text.as_bytes()));
                    prop_assert!(taken.is_none_or(|is| is == wanted), "{} on {:?}", pattern, text);
                }
            }
        }
    }
}
