//! Is there a value that is all of these and none of those?
//!
//! A tableau over the graph: in-place applicators are expanded into literals, choices are tried one after another, and what is
//! left speaks of one type, for which there is a procedure of its own. A value that is found is built from the bottom up; where
//! every branch closes, there is none.
//!
//! # Invariants
//! - `Empty` comes with its proof, which is checked elsewhere: every branch was closed by contradiction, by an exhausted finite
//!   search, or because it asks for a part that must satisfy what the whole must satisfy (a smallest value never needs that).
//! - `Sure` and `Maybe` are candidates until the validator has confirmed them.
//! - Work is bounded by `steps`; nothing reads a clock.

mod array;
mod number;
mod object;
mod rule;
mod string;

#[cfg(test)]
pub(crate) use string::SAMPLES;

use crate::{
    doubt::{At, Cause, Doubt},
    exact,
    normal::{Graph, Id, Node, Types},
    proof::{Found, Step, Why},
    value::{Days, Values, type_of},
};
use jsonschema::Draft;
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

/// A node, and whether it must hold or must not: twice the id, plus one for "must not".
pub(crate) type Literal = u32;

pub(crate) fn holds(id: Id) -> Literal {
    id << 1
}

pub(crate) fn fails(id: Id) -> Literal {
    id << 1 | 1
}

pub(crate) fn opposite(literal: Literal) -> Literal {
    literal ^ 1
}

pub(crate) fn node_of(literal: Literal) -> Id {
    literal >> 1
}

pub(crate) fn is_positive(literal: Literal) -> bool {
    literal & 1 == 0
}

/// Whether a value with the wanted properties exists.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// This one, by all that is known here.
    Sure(Value),
    /// This one, if what is opaque here agrees.
    Maybe(Value, Doubt),
    /// There is none, and why.
    Empty(Rc<Why>),
    /// The engine cannot say, and why.
    Unknown(Doubt),
}

/// Nesting of values that are built or looked into: as deep as a schema may be.
const DEPTH_MAX: usize = 72;

/// Choices inside each other, in all nested goals together: with the goals they are what the stack has to bear.
const SPLITS_MAX: usize = 144;

/// Days that are told of, on which a code would be as a question asks.
const DAYS_MAX: usize = 16;

pub struct Solver<'g> {
    pub graph: &'g mut Graph,
    pub(crate) values: Values,
    steps_left: u64,
    known: HashMap<Vec<Literal>, Outcome>,
    /// Goals under way, outermost first.
    open: Vec<Vec<Literal>>,
    /// Choices that are being tried, inside each other.
    splits: usize,
    /// The outermost goal under way that an emptiness below relied on.
    relied_on: usize,
    possible: HashMap<Literal, Types>,
    /// Texts to try where a format or a rule cannot be built, beside those that are tried always.
    samples: Vec<String>,
    /// Whether fields of a rule are being given values.
    pub(crate) trying_rules: bool,
    /// Whether rules count by what they mean, too: more is found so, and there is more to look at.
    takes_rules_apart: bool,
    steps_max: u64,
    /// The first object since this was taken that something opaque refuted.
    refuted: Option<Value>,
    /// Days on which a code would be as it is asked to be.
    dated: BTreeSet<Days>,
}

/// One branch of the tableau.
#[derive(Clone)]
struct Branch {
    types: Types,
    seen: BTreeSet<Literal>,
    work: Vec<Literal>,
    choices: Vec<Literal>,
    finite: Option<Vec<u32>>,
}

/// What is left to satisfy once a branch is expanded: literals about single types, and values that are ruled out.
pub(crate) struct Leaf {
    atoms: Vec<Literal>,
    excluded: BTreeSet<u32>,
}

/// The best answer so far over several ways: none while all of them are closed.
#[derive(Default)]
struct Best {
    answer: Option<Outcome>,
    /// Parts of the value that cannot be: they closed those ways.
    parts: Vec<Part>,
}

/// What a part of a value must be, and why it cannot.
type Part = (Vec<Literal>, Rc<Why>);

impl Best {
    /// Takes one more answer; true once nothing better can come. One that is empty says nothing here.
    fn take(&mut self, outcome: Outcome) -> bool {
        let rank = |outcome: &Outcome| match outcome {
            Outcome::Empty(_) => 0,
            Outcome::Unknown(_) => 1,
            Outcome::Maybe(..) => 2,
            Outcome::Sure(_) => 3,
        };
        if rank(&outcome) > self.answer.as_ref().map_or(0, rank) {
            self.answer = Some(outcome);
        }
        matches!(self.answer, Some(Outcome::Sure(_)))
    }

    fn doubt(&mut self, why: impl Into<Doubt>) {
        self.take(Outcome::Unknown(why.into()));
    }

    /// The answer, or why there is none.
    fn or(self, closed: impl FnOnce(Vec<Part>) -> Found) -> Outcome {
        self.answer.unwrap_or_else(|| Outcome::Empty(closed(self.parts).why()))
    }
}

fn closed(step: Found) -> Outcome {
    Outcome::Empty(step.why())
}

impl<'g> Solver<'g> {
    pub fn new(graph: &'g mut Graph, draft: Draft, steps_max: u64) -> Self {
        Self {
            graph,
            values: Values::new(draft, draft == Draft::Draft4),
            steps_left: steps_max,
            known: HashMap::new(),
            open: Vec::new(),
            splits: 0,
            relied_on: usize::MAX,
            possible: HashMap::new(),
            samples: Vec::new(),
            trying_rules: false,
            takes_rules_apart: false,
            steps_max,
            refuted: None,
            dated: BTreeSet::new(),
        }
    }

    /// Tells `1.0` from `1`, because the other side follows draft 4.
    pub fn telling_spelling(mut self, tells: bool) -> Self {
        self.values.tells_spelling |= tells;
        self
    }

    /// Texts that records of these schemas hold.
    pub fn with_samples(mut self, samples: Vec<String>) -> Self {
        self.samples = samples;
        self
    }

    pub fn steps_left(&self) -> u64 {
        self.steps_left
    }

    /// Takes up the next question with a budget of its own.
    pub fn refill(&mut self, steps_max: u64) {
        (self.steps_left, self.steps_max) = (steps_max, steps_max);
        self.known.retain(|_, outcome| !matches!(outcome, Outcome::Unknown(_)));
    }

    /// From now on rules count by what they mean, too, or not; whether that says more. The budget is whole again.
    pub fn take_rules_apart(&mut self, is_wanted: bool) -> bool {
        if is_wanted && !self.graph.give_meanings() {
            return false;
        }
        self.takes_rules_apart = is_wanted;
        self.known.clear();
        if is_wanted {
            self.steps_left = self.steps_max;
        }
        true
    }

    /// Days on which codes would be as some question asked.
    pub fn days_found(&self) -> BTreeSet<Days> {
        self.dated.clone()
    }

    /// From now on codes are judged on these days; what was found under others counts no more.
    pub fn on(&mut self, days: Option<Days>) {
        self.values.days = days;
        self.known.clear();
    }

    /// A value that satisfies every literal.
    pub(crate) fn solve(&mut self, mut goal: Vec<Literal>) -> Outcome {
        goal.sort_unstable();
        goal.dedup();
        if let Some(known) = self.known.get(&goal) {
            return known.clone();
        }
        if let Some(index) = self.open.iter().position(|open| *open == goal) {
            self.relied_on = self.relied_on.min(index);
            return Outcome::Empty(Rc::new(Why::Open));
        }
        if self.open.len() >= DEPTH_MAX {
            return Outcome::Unknown(self.placed(Cause::NestedTooDeeply.into(), &goal));
        }
        let index = self.open.len();
        let outer = std::mem::replace(&mut self.relied_on, usize::MAX);
        self.open.push(goal.clone());
        let types = if self.values.tells_spelling { Types::ALL } else { Types::ALL.without(Types::WRITTEN_FRACTION) };
        let branch = Branch { types, seen: BTreeSet::new(), work: goal.clone(), choices: Vec::new(), finite: None };
        let outcome = match self.branch(branch) {
            Outcome::Unknown(why) if why.at.is_none() => Outcome::Unknown(self.placed(why, &goal)),
            outcome => outcome,
        };
        self.open.pop();
        let relies_on_outer = self.relied_on < index;
        if !relies_on_outer {
            self.relied_on = usize::MAX;
            self.known.insert(goal, outcome.clone());
        }
        self.relied_on = self.relied_on.min(outer);
        outcome
    }

    /// What defeated the engine, with the place that it was looking at.
    fn placed(&self, mut why: Doubt, goal: &[Literal]) -> Doubt {
        let placed = |literal: &Literal| {
            let place = plain(self.graph.place(node_of(*literal))?);
            Some((place, keyword(self.graph.node(node_of(*literal)))))
        };
        let deepest = goal.iter().filter_map(placed).max_by_key(|(place, _)| place.len());
        why.at = deepest.map(|(place, keyword)| At {
            keyword: Some(keyword.to_owned()),
            place: if place.is_empty() { "/".to_owned() } else { place },
        });
        why
    }

    fn branch(&mut self, mut branch: Branch) -> Outcome {
        // Choices of which only one way was left, on the way to where the branch closes.
        let mut forced = Vec::new();
        let under = |forced: Vec<Literal>, outcome: Outcome| match outcome {
            Outcome::Empty(why) if !forced.is_empty() => closed(Step::Forced(forced, why)),
            outcome => outcome,
        };
        loop {
            if !self.expand(&mut branch) {
                return under(forced, closed(Step::Clash));
            }
            // A step is a look at a branch; one at many choices, or at a long one, is many.
            if self.steps_left == 0 {
                return Outcome::Unknown(Cause::BudgetUsedUp.into());
            }
            let work = 1 + branch.choices.len() / 16 + branch.seen.len() / 256;
            self.steps_left = self.steps_left.saturating_sub(work as u64);
            match self.decide(&mut branch) {
                Decision::Closed(choice) => {
                    forced.push(choice);
                    return under(forced, closed(Step::Clash));
                }
                Decision::Progress(choice) => forced.push(choice),
                Decision::Leaf => {
                    let outcome = self.leaf(&branch);
                    return under(forced, outcome);
                }
                Decision::Split(..) if self.splits + 2 * self.open.len() >= SPLITS_MAX => {
                    return Outcome::Unknown(Cause::NestedTooDeeply.into());
                }
                Decision::Split(choice, options) => {
                    self.splits += 1;
                    let mut best = Best::default();
                    let mut ways = Vec::new();
                    for option in options {
                        let Some(option) = option else {
                            ways.push(None);
                            continue;
                        };
                        let mut next = branch.clone();
                        next.work.extend(option);
                        match self.branch(next) {
                            Outcome::Empty(why) => ways.push(Some(why)),
                            outcome => {
                                if best.take(outcome) {
                                    break;
                                }
                            }
                        }
                    }
                    self.splits -= 1;
                    return under(forced, best.or(|_| Step::Cases(choice, ways)));
                }
            }
        }
    }

    /// Works off everything that leaves no choice; false where the branch closes.
    fn expand(&mut self, branch: &mut Branch) -> bool {
        while let Some(literal) = branch.work.pop() {
            if branch.seen.contains(&opposite(literal)) {
                return false;
            }
            if !branch.seen.insert(literal) {
                continue;
            }
            let positive = is_positive(literal);
            match self.graph.node(node_of(literal)) {
                Node::True if !positive => return false,
                Node::False if positive => return false,
                Node::True | Node::False => {}
                Node::All(parts) if positive => branch.work.extend(parts.iter().map(|part| holds(*part))),
                Node::Any(parts) if !positive => branch.work.extend(parts.iter().map(|part| fails(*part))),
                Node::All(_) | Node::Any(_) | Node::One(_) | Node::If(..) => branch.choices.push(literal),
                Node::Not(part) => branch.work.push(if positive { fails(*part) } else { holds(*part) }),
                Node::Ref(reference) => branch.work.push(self.graph.target(*reference) << 1 | literal & 1),
                Node::Type(types) if positive => branch.types = branch.types.and(*types),
                Node::Type(types) => branch.types = branch.types.without(*types),
                Node::Enum(values) if positive => {
                    branch.finite = Some(match branch.finite.take() {
                        Some(finite) => finite.into_iter().filter(|value| values.contains(value)).collect(),
                        None => values.clone(),
                    });
                }
                Node::Enum(values) => {
                    // To be another array or object than this one is to fail one of the parts that make it what it is.
                    let values: Vec<u32> = values.clone();
                    for value in values {
                        if branch.types.has(type_of(self.graph.value(value)))
                            && let Some(described) = self.graph.described(value)
                        {
                            branch.work.push(fails(described));
                        }
                    }
                }
                // What speaks of one type is refuted only by a value of that type.
                atom if !positive => branch.types = branch.types.and(atom.speaks_of()),
                _ => {}
            }
            if self.takes_rules_apart
                && let Some(meaning) = self.graph.meaning(node_of(literal))
            {
                branch.work.push(if positive { holds(meaning) } else { fails(meaning) });
            }
            if branch.types.is_empty() || branch.finite.as_ref().is_some_and(Vec::is_empty) {
                return false;
            }
        }
        true
    }

    /// Looks for a choice that is none, else for the narrowest one.
    fn decide(&mut self, branch: &mut Branch) -> Decision {
        let mut narrowest: Option<(usize, usize, Ways)> = None;
        let mut index = 0;
        while index < branch.choices.len() {
            let choice = branch.choices[index];
            let options = self.options(choice, &branch.seen);
            if options.iter().any(|option| option.iter().all(|literal| branch.seen.contains(literal))) {
                branch.choices.swap_remove(index);
                continue;
            }
            let options: Ways =
                options.into_iter().map(|option| self.is_open(branch, &option).then_some(option)).collect();
            match options.iter().flatten().count() {
                0 => return Decision::Closed(choice),
                1 => {
                    branch.choices.swap_remove(index);
                    branch.work.extend(options.into_iter().flatten().flatten());
                    return Decision::Progress(choice);
                }
                count if narrowest.as_ref().is_none_or(|(_, least, _)| count < *least) => {
                    narrowest = Some((index, count, options));
                }
                _ => {}
            }
            index += 1;
        }
        match narrowest {
            None => Decision::Leaf,
            Some((index, _, options)) => Decision::Split(branch.choices.swap_remove(index), options),
        }
    }

    fn is_open(&mut self, branch: &Branch, option: &[Literal]) -> bool {
        option.iter().all(|literal| {
            !branch.seen.contains(&opposite(*literal))
                && !option.contains(&opposite(*literal))
                && self.possible_types(*literal, 0).has(branch.types)
        })
    }

    /// The ways in which a choice can be met; each is a set of literals.
    fn options(&self, literal: Literal, seen: &BTreeSet<Literal>) -> Vec<Vec<Literal>> {
        match (self.graph.node(node_of(literal)), is_positive(literal)) {
            (Node::Any(parts), true) => parts.iter().map(|part| vec![holds(*part)]).collect(),
            (Node::All(parts), false) => parts.iter().map(|part| vec![fails(*part)]).collect(),
            (Node::If(condition, then, otherwise), true) => {
                vec![vec![holds(*condition), holds(*then)], vec![fails(*condition), holds(*otherwise)]]
            }
            (Node::If(condition, then, otherwise), false) => {
                vec![vec![holds(*condition), fails(*then)], vec![fails(*condition), fails(*otherwise)]]
            }
            (Node::One(parts), true) => {
                let only = |chosen: usize| {
                    let each = |(index, part): (usize, &Id)| if index == chosen { holds(*part) } else { fails(*part) };
                    parts.iter().enumerate().map(each).collect()
                };
                (0..parts.len()).map(only).collect()
            }
            // Where one holds, another does, too.
            (Node::One(parts), false) if parts.iter().any(|part| seen.contains(&holds(*part))) => {
                let known = parts.iter().position(|part| seen.contains(&holds(*part)));
                let others = parts.iter().enumerate().filter(|(index, _)| Some(*index) != known);
                others.map(|(_, part)| vec![holds(*part)]).collect()
            }
            (Node::One(parts), false) => {
                let mut options = vec![parts.iter().map(|part| fails(*part)).collect()];
                for (index, one) in parts.iter().enumerate() {
                    options.extend(parts[index + 1..].iter().map(|other| vec![holds(*one), holds(*other)]));
                }
                options
            }
            _ => Vec::new(),
        }
    }

    /// Types of which some value might satisfy the literal; never too few.
    fn possible_types(&mut self, literal: Literal, depth: usize) -> Types {
        if let Some(types) = self.possible.get(&literal) {
            return *types;
        }
        if depth > 32 {
            return Types::ALL;
        }
        let positive = is_positive(literal);
        let all = |solver: &mut Self, parts: Vec<Id>| {
            parts
                .into_iter()
                .fold(Types::ALL, |types, part| types.and(solver.possible_types(part << 1 | literal & 1, depth + 1)))
        };
        let any = |solver: &mut Self, parts: Vec<Id>| {
            parts
                .into_iter()
                .fold(Types::NONE, |types, part| types.or(solver.possible_types(part << 1 | literal & 1, depth + 1)))
        };
        let types = match (self.graph.node(node_of(literal)).clone(), positive) {
            (Node::True, true) | (Node::False, false) => Types::ALL,
            (Node::True, false) | (Node::False, true) => Types::NONE,
            (Node::Type(types), true) => types,
            (Node::Type(types), false) => Types::ALL.without(types),
            (Node::All(parts), true) | (Node::Any(parts), false) => all(self, parts),
            (Node::Any(parts), true) | (Node::All(parts), false) => any(self, parts),
            (Node::Not(part), _) => self.possible_types(part << 1 | u32::from(positive), depth + 1),
            (Node::Enum(values), true) => {
                values.iter().fold(Types::NONE, |types, value| types.or(self.written_types(self.graph.value(*value))))
            }
            (Node::One(_) | Node::If(..) | Node::Ref(_) | Node::Enum(_), _) => Types::ALL,
            (_, true) => Types::ALL,
            (atom, false) => atom.speaks_of(),
        };
        self.possible.insert(literal, types);
        types
    }

    fn leaf(&mut self, branch: &Branch) -> Outcome {
        let leaf = self.atoms(branch);
        if let Some(finite) = &branch.finite {
            let mut best = Best::default();
            for index in finite {
                let value = self.graph.value(*index).clone();
                if leaf.excluded.contains(index) || !branch.types.has(self.written_types(&value)) {
                    continue;
                }
                let spelled = self.spelled(value, branch.types, &leaf);
                if spelled.is_some_and(|outcome| best.take(outcome)) {
                    break;
                }
            }
            return best.or(|_| Step::Values);
        }
        let (mut best, mut types_closed) = (Best::default(), Vec::new());
        for types in [Types::NULL, Types::BOOLEAN, Types::NUMBER, Types::STRING, Types::ARRAY, Types::OBJECT] {
            let types = types.and(branch.types);
            if types.is_empty() {
                continue;
            }
            match self.of_type(types, &leaf) {
                Outcome::Empty(why) => types_closed.push(why),
                outcome => {
                    if best.take(outcome) {
                        break;
                    }
                }
            }
        }
        best.or(|_| Step::Types(types_closed))
    }

    /// The types that a value may have by the way it is written: under draft 4 an integer may be none.
    fn written_types(&self, value: &Value) -> Types {
        match type_of(value) {
            Types::INTEGER if self.values.tells_spelling => Types::INTEGER.or(Types::WRITTEN_FRACTION),
            types => types,
        }
    }

    /// A literal of the schema as a candidate, written so that it has one of the types; none where it will not do.
    fn spelled(&mut self, value: Value, types: Types, leaf: &Leaf) -> Option<Outcome> {
        let (own, exact) = (self.values.types(&value), value.as_number().and_then(exact::rational));
        let written = match exact.as_ref().and_then(exact::number) {
            Some(number) if !types.has(own) && own == Types::INTEGER => {
                format!("{number}.0").parse().map(Value::Number)
            }
            Some(number) if !types.has(own) => Ok(Value::Number(number)),
            _ => Ok(value),
        };
        let Ok(value) = written else { return Some(Outcome::Unknown(Cause::ManyDigits.into())) };
        let is_nested = value.is_array() || value.is_object();
        match self.judged(value.clone(), leaf) {
            // The same value may hold numbers that are written in another way.
            None if is_nested => {
                self.values.any_spelling = true;
                let refuted = self.judged(value.clone(), leaf).is_none();
                self.values.any_spelling = false;
                if refuted {
                    return None;
                }
                let mut best = Best::default();
                let tried = exact::SPELLINGS.map(|spell| respelled(value.clone(), spell));
                for outcome in tried.into_iter().filter_map(|value| self.judged(value, leaf)) {
                    if best.take(outcome) {
                        break;
                    }
                }
                let open = || Outcome::Unknown(Cause::Spelling.into());
                Some(best.answer.unwrap_or_else(open))
            }
            judged => judged,
        }
    }

    fn atoms(&self, branch: &Branch) -> Leaf {
        let mut leaf = Leaf { atoms: Vec::new(), excluded: BTreeSet::new() };
        for literal in &branch.seen {
            match (self.graph.node(node_of(*literal)), is_positive(*literal)) {
                (Node::Enum(values), false) => leaf.excluded.extend(values),
                (
                    Node::True
                    | Node::False
                    | Node::All(_)
                    | Node::Any(_)
                    | Node::One(_)
                    | Node::If(..)
                    | Node::Not(_)
                    | Node::Ref(_)
                    | Node::Type(_)
                    | Node::Enum(_),
                    _,
                ) => {}
                _ => leaf.atoms.push(*literal),
            }
        }
        leaf
    }

    fn of_type(&mut self, types: Types, leaf: &Leaf) -> Outcome {
        let about = |solver: &Self, literal: &Literal| solver.graph.node(node_of(*literal)).speaks_of().has(types);
        let atoms: Vec<Literal> = leaf.atoms.iter().copied().filter(|literal| about(self, literal)).collect();
        let leaf = Leaf { atoms, excluded: leaf.excluded.clone() };
        match types {
            Types::NULL => self.few([Value::Null], &leaf),
            Types::BOOLEAN => self.few([Value::Bool(true), Value::Bool(false)], &leaf),
            Types::STRING => self.string(&leaf),
            Types::ARRAY => self.array(&leaf),
            Types::OBJECT => self.object(&leaf),
            numbers => self.number(numbers, &leaf),
        }
    }

    /// One of the values, which are all there are.
    fn few(&mut self, values: impl IntoIterator<Item = Value>, leaf: &Leaf) -> Outcome {
        self.first(values, leaf).unwrap_or_else(|| closed(Step::Values))
    }

    /// The first of some values that will do; none where each is refuted.
    fn first(&mut self, values: impl IntoIterator<Item = Value>, leaf: &Leaf) -> Option<Outcome> {
        let mut best = Best::default();
        for value in values {
            if !self.is_excluded(&value, leaf)
                && let Some(outcome) = self.judged(value, leaf)
                && best.take(outcome)
            {
                break;
            }
        }
        best.answer
    }

    fn is_excluded(&self, value: &Value, leaf: &Leaf) -> bool {
        let excluded: Vec<u32> = leaf.excluded.iter().copied().collect();
        !excluded.is_empty() && self.graph.is_among(value, &excluded)
    }

    /// A candidate against the atoms of a leaf; none where one refutes it.
    fn judged(&mut self, value: Value, leaf: &Leaf) -> Option<Outcome> {
        let mut doubt = None;
        let mut dated = Vec::new();
        for literal in &leaf.atoms {
            match self.is(node_of(*literal), &value) {
                Some(truth) if truth == is_positive(*literal) => {}
                Some(_) => return None,
                None => doubt = Some(self.name(node_of(*literal))),
            }
            if let Node::Dated(index) = self.graph.node(node_of(*literal)) {
                dated.push((*index, is_positive(*literal)));
            }
        }
        if let (false, Value::String(text)) = (dated.is_empty(), &value) {
            let days = self.values.days_for(self.graph, &dated, text)?;
            if doubt.is_some() && self.dated.len() < DAYS_MAX {
                self.dated.insert(days);
            }
        }
        Some(match doubt {
            None => Outcome::Sure(value),
            Some(doubt) => Outcome::Maybe(value, doubt),
        })
    }

    /// A value with something opaque about it: many such things can be tried on the value now that it is there.
    pub(crate) fn tried(&mut self, value: Value, why: Doubt, leaf: &Leaf) -> Outcome {
        self.judged(value.clone(), leaf).unwrap_or_else(|| {
            self.refuted.get_or_insert(value);
            Outcome::Unknown(why)
        })
    }

    /// Whether a value satisfies a node; none where that is opaque.
    pub(crate) fn is(&mut self, id: Id, value: &Value) -> Option<bool> {
        self.values.is(self.graph, id, value, 0)
    }

    /// What a node is called where the engine has to say what defeated it.
    fn name(&self, id: Id) -> Doubt {
        let cause = match self.graph.node(id) {
            Node::Format(format) => Cause::Format(format.clone()),
            Node::Pattern(pattern) => Cause::Pattern(pattern.clone()),
            node => Cause::Keyword(keyword(node).to_owned()),
        };
        Doubt { cause, at: self.graph.place(id).map(|place| At { keyword: None, place: plain(place) }) }
    }
}

/// The ways to meet a choice; none for those that are closed at sight.
type Ways = Vec<Option<Vec<Literal>>>;

enum Decision {
    Closed(Literal),
    Progress(Literal),
    Leaf,
    Split(Literal, Ways),
}

/// What a node is called in a schema.
fn keyword(node: &Node) -> &str {
    match node {
        Node::True | Node::False | Node::All(_) | Node::Ref(_) => "schema",
        Node::Any(_) => "anyOf",
        Node::One(_) => "oneOf",
        Node::Not(_) => "not",
        Node::If(..) => "if",
        Node::Type(_) => "type",
        Node::Enum(_) => "enum",
        Node::Minimum { .. } => "minimum",
        Node::Maximum { .. } => "maximum",
        Node::Multiple(_) => "multipleOf",
        Node::MinLength(_) => "minLength",
        Node::MaxLength(_) => "maxLength",
        Node::Pattern(_) => "pattern",
        Node::Format(_) => "format",
        Node::Listed(_) | Node::Dated(_) => "codeList",
        Node::Items { .. } => "items",
        Node::MinItems(_) => "minItems",
        Node::MaxItems(_) => "maxItems",
        Node::Unique => "uniqueItems",
        Node::Contains { .. } => "contains",
        Node::Properties { .. } => "properties",
        Node::Required(_) => "required",
        Node::MinProperties(_) => "minProperties",
        Node::MaxProperties(_) => "maxProperties",
        Node::Names(_) => "propertyNames",
        Node::Opaque { key, .. } => key.split(' ').next().unwrap_or_default(),
    }
}

/// A place as people write it: `bj.common/types@1.0.0#/$defs/Sex`, or a pointer into the document itself.
pub(crate) fn plain(place: &str) -> String {
    let (document, pointer) = place.split_once('#').unwrap_or((place, ""));
    let document = document.strip_prefix("guiju:").unwrap_or(document).replacen("@=", "@", 1);
    let document = document.split_once("/sha256:").map_or(document.as_str(), |(name, _)| name);
    if document.is_empty() { pointer.to_owned() } else { format!("{document}#{pointer}") }
}

/// The same value with every number in it written in another way.
fn respelled(value: Value, spell: fn(&str) -> String) -> Value {
    match value {
        Value::Number(number) => {
            let plain = exact::rational(&number).as_ref().and_then(exact::number);
            let written = plain.and_then(|plain| spell(&plain.to_string()).parse().ok());
            Value::Number(written.unwrap_or(number))
        }
        Value::Array(items) => items.into_iter().map(|item| respelled(item, spell)).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, member)| (name, respelled(member, spell))).collect())
        }
        other => other,
    }
}
