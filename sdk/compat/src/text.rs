//! Is there a string that matches these patterns and not those, of such a length? Which is the shortest?
//!
//! Each pattern is an automaton over bytes; the product of all is searched breadth first, counting code points, so the first
//! string found is a shortest one, and an exhausted search is a proof that there is none.
//!
//! One byte stands for all that no automaton tells apart. Texts that are ruled out are followed byte by byte beside the
//! automata, so that a byte of theirs stands for itself alone.

use crate::doubt::Cause;
use regex_automata::{
    Anchored, Input, MatchKind,
    hybrid::{
        LazyStateID,
        dfa::{Cache, DFA},
    },
    util::start,
};
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet, VecDeque},
    rc::Rc,
};

/// Product states visited for one question.
const STATES_MAX: usize = 40_000;
/// Length up to which code points are counted one by one.
const LENGTH_MAX: u64 = 20_000;

/// What a string must be.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    pub matching: Vec<&'a str>,
    pub failing: Vec<&'a str>,
    pub length_min: u64,
    pub length_max: Option<u64>,
    /// Texts that will not do.
    pub excluded: Vec<&'a str>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Strings {
    /// Shortest first, at most as many as were asked for.
    Found {
        strings: Vec<String>,
        /// Whether there are no others.
        are_all: bool,
    },
    Unknown(Cause),
}

/// Patterns compiled once, by their text, and what was found of them.
#[derive(Clone, Default)]
pub struct Patterns {
    compiled: HashMap<String, Option<Rc<Compiled>>>,
    found: Rc<RefCell<HashMap<Question, Strings>>>,
}

/// What was asked for: texts that match and fail, how long they are, which will not do, and how many are wanted.
type Question = (Vec<String>, Vec<String>, [Option<u64>; 2], Vec<String>, usize);

/// Answers that are kept.
const FOUND_MAX: usize = 2_000;

struct Compiled {
    regex: regex::Regex,
    automaton: DFA,
}

/// Every string of Unicode scalar values, and none of ill-formed bytes.
const ANY: &str = r"[\s\S]*";

impl Patterns {
    /// Whether a JSON Schema pattern occurs in a text; none where the pattern is not within reach.
    pub fn is_match(&mut self, pattern: &str, text: &str) -> Option<bool> {
        Some(self.get(pattern)?.regex.is_match(text))
    }

    fn get(&mut self, pattern: &str) -> Option<Rc<Compiled>> {
        if let Some(known) = self.compiled.get(pattern) {
            return known.clone();
        }
        let compiled = compile(pattern).map(Rc::new);
        self.compiled.insert(pattern.to_owned(), compiled.clone());
        compiled
    }

    /// Up to `count` strings that are as wanted.
    pub fn find(&mut self, wanted: &Wanted<'_>, count: usize) -> Strings {
        if wanted.length_max.is_some_and(|max| max < wanted.length_min) {
            return Strings::Found { strings: Vec::new(), are_all: true };
        }
        if wanted.matching.is_empty() && wanted.failing.is_empty() {
            return plain(wanted, count);
        }
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let lengths = [Some(wanted.length_min), wanted.length_max];
        let question = (all(&wanted.matching), all(&wanted.failing), lengths, all(&wanted.excluded), count);
        if let Some(known) = self.found.borrow().get(&question) {
            return known.clone();
        }
        let strings = self.searched(wanted, count);
        let mut found = self.found.borrow_mut();
        if found.len() < FOUND_MAX {
            found.insert(question, strings.clone());
        }
        strings
    }

    fn searched(&mut self, wanted: &Wanted<'_>, count: usize) -> Strings {
        let matching = wanted.matching.iter().map(|pattern| (*pattern, true));
        let patterns: Vec<_> = matching.chain(wanted.failing.iter().map(|pattern| (*pattern, false))).collect();
        if let Some((pattern, _)) = patterns.iter().find(|(pattern, _)| self.get(pattern).is_none()) {
            return Strings::Unknown(Cause::NoAutomaton((*pattern).to_owned()));
        }
        let run = self.run(&patterns, &wanted.excluded);
        match run.and_then(|mut run| Some((run.start()?, run))) {
            Some((start, run)) => Search { run, wanted, excluded: Tree::of(&wanted.excluded), start }.run(count),
            None => Strings::Unknown(Cause::AutomatonNotStarted),
        }
    }

    /// The automata of these patterns side by side, each of which must or must not match; none where one is out of reach.
    /// `apart` are texts whose bytes stand for themselves alone.
    pub fn run(&mut self, patterns: &[(&str, bool)], apart: &[&str]) -> Option<Run> {
        // Something must match, or ill-formed bytes would pass for strings that match nothing.
        let all = [(ANY, true)].into_iter().chain(patterns.iter().copied());
        let automata = all.map(|(pattern, must_match)| Some((self.get(pattern)?, must_match)));
        let automata: Vec<(Rc<Compiled>, bool)> = automata.collect::<Option<_>>()?;
        let caches = automata.iter().map(|(compiled, _)| compiled.automaton.create_cache()).collect();
        let letters = letters(&automata, apart);
        Some(Run { automata, caches, letters })
    }
}

fn compile(pattern: &str) -> Option<Compiled> {
    let translated = jsonschema_regex::to_rust_regex(pattern).ok()?;
    let regex = regex::RegexBuilder::new(&translated).size_limit(1 << 20).build().ok()?;
    let whole = format!("{ANY}(?:{translated}){ANY}");
    let config = DFA::config().match_kind(MatchKind::All).cache_capacity(8 << 20).skip_cache_capacity_check(true);
    let thompson = regex_automata::nfa::thompson::Config::new().nfa_size_limit(Some(4 << 20));
    let automaton = DFA::builder().configure(config).thompson(thompson).build(&whole).ok()?;
    Some(Compiled { regex, automaton })
}

/// Without patterns any text of the right length will do.
fn plain(wanted: &Wanted<'_>, count: usize) -> Strings {
    let mut strings = Vec::new();
    let most = wanted.length_max.unwrap_or(u64::MAX);
    if wanted.length_min > 1 << 20 {
        return Strings::Unknown(Cause::LongText(wanted.length_min));
    }
    let count = count + wanted.excluded.len();
    let mut length = wanted.length_min;
    while strings.len() < count && length <= most {
        match length {
            0 => strings.push(String::new()),
            length => {
                let stem = "a".repeat(length as usize - 1);
                for last in ('a'..='z').chain('A'..='Z').chain('0'..='9').chain('\u{4e00}'..='\u{9fff}') {
                    if strings.len() < count {
                        strings.push(format!("{stem}{last}"));
                    }
                }
            }
        }
        length += 1;
    }
    let are_all = most == 0 && wanted.length_min == 0;
    strings.retain(|text| !wanted.excluded.contains(&text.as_str()));
    Strings::Found { strings, are_all }
}

/// Automata side by side.
pub struct Run {
    automata: Vec<(Rc<Compiled>, bool)>,
    caches: Vec<Cache>,
    letters: Vec<Letter>,
}

/// Where each of the automata is.
pub type States = Vec<LazyStateID>;

impl Run {
    pub fn start(&mut self) -> Option<States> {
        let input = Input::new("").anchored(Anchored::Yes);
        let start = start::Config::from_input_forward(&input);
        let each = self.automata.iter().zip(&mut self.caches);
        each.map(|((compiled, _), cache)| compiled.automaton.start_state(cache, &start).ok()).collect()
    }

    /// One byte for each class of bytes that nothing tells apart, friendly ones first.
    pub fn letters(&self) -> impl ExactSizeIterator<Item = u8> + use<'_> {
        self.letters.iter().map(|letter| letter.byte)
    }

    /// The next states; the inner `None` where no string can be reached any more, the outer where an automaton gives up.
    pub fn next(&mut self, states: &[LazyStateID], letter: u8) -> Option<Option<States>> {
        let mut next = Vec::with_capacity(states.len());
        for (((compiled, must_match), cache), state) in self.automata.iter().zip(&mut self.caches).zip(states) {
            let state =
                if state.is_dead() { *state } else { compiled.automaton.next_state(cache, *state, letter).ok()? };
            if state.is_quit() || cache.clear_count() > 0 {
                return None;
            }
            if state.is_dead() && *must_match {
                return Some(None);
            }
            next.push(state);
        }
        Some(Some(next))
    }

    /// Whether a text that ends here is as all of them want it.
    pub fn accepts(&mut self, states: &[LazyStateID]) -> Option<bool> {
        for (((compiled, must_match), cache), state) in self.automata.iter().zip(&mut self.caches).zip(states) {
            let matched = !state.is_dead() && compiled.automaton.next_eoi_state(cache, *state).ok()?.is_match();
            if matched != *must_match {
                return Some(false);
            }
        }
        Some(true)
    }
}

struct Search<'w> {
    run: Run,
    wanted: &'w Wanted<'w>,
    excluded: Tree,
    start: States,
}

/// A byte, and whether it stands for others.
#[derive(Clone, Copy)]
struct Letter {
    byte: u8,
    stands_for_others: bool,
}

/// Texts by their prefixes.
struct Tree(Vec<(HashMap<u8, usize>, bool)>);

/// No prefix of any text.
const OFF: usize = usize::MAX;

impl Tree {
    fn of(texts: &[&str]) -> Self {
        let mut tree = Self(vec![(HashMap::new(), false)]);
        for text in texts {
            let mut at = 0;
            for byte in text.bytes() {
                let next = tree.0.len();
                at = *tree.0[at].0.entry(byte).or_insert(next);
                if at == next {
                    tree.0.push((HashMap::new(), false));
                }
            }
            tree.0[at].1 = true;
        }
        tree
    }

    fn next(&self, at: usize, byte: u8) -> usize {
        self.0.get(at).and_then(|(below, _)| below.get(&byte)).copied().unwrap_or(OFF)
    }

    fn is_text(&self, at: usize) -> bool {
        self.0.get(at).is_some_and(|(_, is_text)| *is_text)
    }
}

struct Step {
    states: Vec<LazyStateID>,
    /// How far a text that is ruled out has been followed.
    prefix: usize,
    length: u64,
    from: usize,
    letter: Letter,
}

impl Search<'_> {
    fn run(mut self, count: usize) -> Strings {
        let limit = self.wanted.length_max.unwrap_or(u64::MAX);
        let counted = self.wanted.length_min.min(LENGTH_MAX);
        if self.wanted.length_min > LENGTH_MAX {
            return Strings::Unknown(Cause::PatternOfGreatLength);
        }
        let letter = Letter { byte: 0, stands_for_others: false };
        let mut steps = vec![Step { states: self.start.clone(), prefix: 0, length: 0, from: 0, letter }];
        let mut are_all = true;
        let mut queue = VecDeque::from([0usize]);
        let mut strings = Vec::new();
        // Where a state has been met by as many strings as are wanted, no further one is needed.
        let mut visits: HashMap<(Vec<LazyStateID>, usize, u64), usize> = HashMap::new();
        while let Some(at) = queue.pop_front() {
            let Step { states, prefix, length, .. } = &steps[at];
            let (states, prefix, length) = (states.clone(), *prefix, *length);
            let visit = visits.entry((states.clone(), prefix, length.min(counted))).or_insert(0);
            *visit += 1;
            if *visit > count {
                continue;
            }
            if length >= self.wanted.length_min
                && !self.excluded.is_text(prefix)
                && self.run.accepts(&states) == Some(true)
            {
                let (text, is_alone) = spelled(&steps, at);
                are_all &= is_alone;
                strings.push(text);
                if strings.len() == count {
                    return Strings::Found { strings, are_all: false };
                }
            }
            for letter in self.run.letters.clone() {
                let starts_code_point = letter.byte & 0xC0 != 0x80;
                let length = length + u64::from(starts_code_point);
                if length > limit && starts_code_point {
                    continue;
                }
                let Some(states) = self.run.next(&states, letter.byte) else {
                    return Strings::Unknown(Cause::AutomatonGaveUp);
                };
                let Some(states) = states else { continue };
                if steps.len() >= STATES_MAX {
                    return Strings::Unknown(Cause::ManyStates);
                }
                let prefix = self.excluded.next(prefix, letter.byte);
                steps.push(Step { states, prefix, length, from: at, letter });
                // A continuation byte adds no code point, so it goes before everything that does.
                match starts_code_point {
                    true => queue.push_back(steps.len() - 1),
                    false => queue.push_front(steps.len() - 1),
                }
            }
        }
        Strings::Found { strings, are_all }
    }
}

/// One byte for each class of bytes that nothing tells apart, friendly ones first.
fn letters(automata: &[(Rc<Compiled>, bool)], excluded: &[&str]) -> Vec<Letter> {
    let own: HashSet<u8> = excluded.iter().flat_map(|text| text.bytes()).collect();
    let friendly = (b'a'..=b'z').chain(b'0'..=b'9').chain(b'A'..=b'Z').chain(b' '..=b'~').chain(0..=255u8);
    // Bytes of another kind begin, or go on with, code points of another length.
    let kind = |byte: u8| match byte {
        0..=0x7F => 1,
        0x80..=0xBF => 0,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xFF => 4,
    };
    let class = |byte: u8| -> (Vec<u8>, u8, Option<u8>) {
        let classes = automata.iter().map(|(compiled, _)| compiled.automaton.byte_classes().get(byte)).collect();
        (classes, kind(byte), own.contains(&byte).then_some(byte))
    };
    let mut sizes: HashMap<_, usize> = HashMap::new();
    (0..=255u8).for_each(|byte| *sizes.entry(class(byte)).or_default() += 1);
    let mut seen = HashSet::new();
    let first = friendly.filter(|byte| seen.insert(class(*byte)));
    first
        .map(|byte| Letter { byte, stands_for_others: sizes.get(&class(byte)).is_some_and(|size| *size > 1) })
        .collect()
}

/// The text of a step, and whether none of its bytes stands for others.
fn spelled(steps: &[Step], mut at: usize) -> (String, bool) {
    let (mut bytes, mut is_alone) = (Vec::new(), true);
    while at != 0 {
        bytes.push(steps[at].letter.byte);
        is_alone &= !steps[at].letter.stands_for_others;
        at = steps[at].from;
    }
    bytes.reverse();
    (String::from_utf8_lossy(&bytes).into_owned(), is_alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(matching: &[&str], failing: &[&str], length_min: u64, length_max: Option<u64>, count: usize) -> Strings {
        let (matching, failing) = (matching.to_vec(), failing.to_vec());
        let wanted = Wanted { matching, failing, length_min, length_max, excluded: Vec::new() };
        Patterns::default().find(&wanted, count)
    }

    fn strings(texts: &[&str], are_all: bool) -> Strings {
        Strings::Found { strings: texts.iter().map(|text| text.to_string()).collect(), are_all }
    }

    #[test]
    fn products_of_patterns_are_searched_to_the_end() {
        assert_eq!(found(&["^a+$"], &[], 0, None, 1), strings(&["a"], false));
        assert_eq!(found(&["^a+$", "^b"], &[], 0, None, 1), strings(&[], true));
        assert_eq!(found(&["^[0-9]{3}$"], &["^[0-9]+$"], 0, None, 1), strings(&[], true));
        assert_eq!(found(&["^[0-9]+$"], &["^[0-9]{3}$"], 3, None, 1), strings(&["0000"], false));
        assert_eq!(found(&["^(男|女)$"], &[], 0, None, 5), strings(&["女", "男"], true));
        assert_eq!(found(&["^.{2}$"], &["^[ -~]*$"], 0, Some(1), 1), strings(&[], true));
        assert_eq!(found(&["b"], &["^b", "b$"], 0, None, 1), strings(&["aba"], false));
        assert_eq!(found(&[], &["^$"], 0, Some(0), 1), strings(&[], true));
        assert_eq!(found(&[], &[], 2, Some(2), 1), strings(&["aa"], false));
    }

    #[test]
    fn what_is_ruled_out_rules_out_nothing_beside_it() {
        let found = |pattern: &str, excluded: &[&str], count: usize| {
            let wanted = Wanted { matching: vec![pattern], excluded: excluded.to_vec(), ..Wanted::default() };
            Patterns::default().find(&wanted, count)
        };
        assert_eq!(found("^[0-9]$", &["0"], 1), strings(&["1"], false));
        assert_eq!(found("^[01]$", &["0", "1"], 1), strings(&[], true));
        assert_eq!(found("^[01]$", &["0"], 2), strings(&["1"], true));
        assert_eq!(found("^(男|女)$", &["男"], 5), strings(&["女"], true));
        // One text stands for a thousand here, and says so.
        assert_eq!(found("^[0-9]{3}$", &[], 12), strings(&["000"], false));
        assert_eq!(found("^a$", &["b", "ab"], 2), strings(&["a"], true));
    }
}
