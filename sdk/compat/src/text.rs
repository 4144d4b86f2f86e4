//! Is there a string that matches these patterns and not those, of such a length? Which is the shortest?
//!
//! Each pattern is an automaton over bytes; the product of all is searched breadth first, counting code points, so the first
//! string found is a shortest one, and an exhausted search is a proof that there is none.

use regex_automata::{
    Anchored, Input, MatchKind,
    hybrid::{
        LazyStateID,
        dfa::{Cache, DFA},
    },
    util::start,
};
use std::{
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
}

#[derive(Clone, Debug, PartialEq)]
pub enum Strings {
    /// Shortest first, as many as were asked for; fewer only where there are no others.
    Found {
        strings: Vec<String>,
        are_all: bool,
    },
    Unknown(String),
}

/// Patterns compiled once, by their text.
#[derive(Default)]
pub struct Patterns {
    compiled: HashMap<String, Option<Rc<Compiled>>>,
}

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
        let mut automata = Vec::new();
        // Something must match, or ill-formed bytes would pass for strings that match nothing.
        for (pattern, must_match) in [(&ANY, true)]
            .into_iter()
            .chain(wanted.matching.iter().map(|p| (p, true)))
            .chain(wanted.failing.iter().map(|p| (p, false)))
        {
            match self.get(pattern) {
                Some(compiled) => automata.push((compiled, must_match)),
                None => return Strings::Unknown(format!("pattern `{pattern}` has no automaton")),
            }
        }
        match Search::new(&automata, wanted) {
            Some(search) => search.run(count),
            None => Strings::Unknown("an automaton could not be started".into()),
        }
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
        return Strings::Unknown(format!("a string of {} code points is too long to write down", wanted.length_min));
    }
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
    Strings::Found { strings, are_all }
}

struct Search<'a, 'w> {
    automata: &'a [(Rc<Compiled>, bool)],
    caches: Vec<Cache>,
    wanted: &'a Wanted<'w>,
    letters: Vec<u8>,
    start: Vec<LazyStateID>,
}

struct Step {
    states: Vec<LazyStateID>,
    length: u64,
    from: usize,
    byte: u8,
}

impl<'a, 'w> Search<'a, 'w> {
    fn new(automata: &'a [(Rc<Compiled>, bool)], wanted: &'a Wanted<'w>) -> Option<Self> {
        let mut caches: Vec<Cache> = automata.iter().map(|(compiled, _)| compiled.automaton.create_cache()).collect();
        let mut begin = Vec::new();
        for ((compiled, _), cache) in automata.iter().zip(&mut caches) {
            let input = Input::new("").anchored(Anchored::Yes);
            begin.push(compiled.automaton.start_state(cache, &start::Config::from_input_forward(&input)).ok()?);
        }
        let letters = letters(automata);
        Some(Self { automata, caches, wanted, letters, start: begin })
    }

    fn run(mut self, count: usize) -> Strings {
        let limit = self.wanted.length_max.unwrap_or(u64::MAX);
        let counted = self.wanted.length_min.min(LENGTH_MAX);
        if self.wanted.length_min > LENGTH_MAX {
            return Strings::Unknown("a pattern together with a very long minimum length".into());
        }
        let mut steps = vec![Step { states: self.start.clone(), length: 0, from: 0, byte: 0 }];
        let mut queue = VecDeque::from([0usize]);
        let mut strings = Vec::new();
        // Where a state has been met by as many strings as are wanted, no further one is needed.
        let mut visits: HashMap<(Vec<LazyStateID>, u64), usize> = HashMap::new();
        while let Some(at) = queue.pop_front() {
            let (states, length) = (steps[at].states.clone(), steps[at].length);
            let visit = visits.entry((states.clone(), length.min(counted))).or_insert(0);
            *visit += 1;
            if *visit > count {
                continue;
            }
            if length >= self.wanted.length_min && self.accepts(&states) == Some(true) {
                strings.push(spelled(&steps, at));
                if strings.len() == count {
                    return Strings::Found { strings, are_all: false };
                }
            }
            for letter in self.letters.clone() {
                let starts_code_point = letter & 0xC0 != 0x80;
                let length = length + u64::from(starts_code_point);
                if length > limit && starts_code_point {
                    continue;
                }
                let Some(states) = self.next(&states, letter) else {
                    return Strings::Unknown("an automaton gave up".into());
                };
                let Some(states) = states else { continue };
                if steps.len() >= STATES_MAX {
                    return Strings::Unknown("the patterns together have too many states".into());
                }
                steps.push(Step { states, length, from: at, byte: letter });
                // A continuation byte adds no code point, so it goes before everything that does.
                match starts_code_point {
                    true => queue.push_back(steps.len() - 1),
                    false => queue.push_front(steps.len() - 1),
                }
            }
        }
        Strings::Found { strings, are_all: true }
    }

    /// The next states; the inner `None` where no string can be reached any more.
    fn next(&mut self, states: &[LazyStateID], letter: u8) -> Option<Option<Vec<LazyStateID>>> {
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

    fn accepts(&mut self, states: &[LazyStateID]) -> Option<bool> {
        for (((compiled, must_match), cache), state) in self.automata.iter().zip(&mut self.caches).zip(states) {
            let matched = !state.is_dead() && compiled.automaton.next_eoi_state(cache, *state).ok()?.is_match();
            if matched != *must_match {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// One byte for each class of bytes that no automaton tells apart, friendly ones first.
fn letters(automata: &[(Rc<Compiled>, bool)]) -> Vec<u8> {
    let friendly = (b'a'..=b'z').chain(b'0'..=b'9').chain(b'A'..=b'Z').chain(b' '..=b'~').chain(0..=255u8);
    let mut seen = HashSet::new();
    let class = |byte: u8| -> Vec<u8> {
        automata.iter().map(|(compiled, _)| compiled.automaton.byte_classes().get(byte)).collect()
    };
    friendly.filter(|byte| seen.insert((class(*byte), *byte >= 0x80))).collect()
}

fn spelled(steps: &[Step], mut at: usize) -> String {
    let mut bytes = Vec::new();
    while at != 0 {
        bytes.push(steps[at].byte);
        at = steps[at].from;
    }
    bytes.reverse();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(matching: &[&str], failing: &[&str], length_min: u64, length_max: Option<u64>, count: usize) -> Strings {
        let wanted = Wanted { matching: matching.to_vec(), failing: failing.to_vec(), length_min, length_max };
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
}
