//! Is there a value that is all of these and none of those?
//!
//! A tableau over the graph: in-place applicators are expanded into literals, choices are tried one after another, and what is
//! left speaks of one type, for which there is a procedure of its own. A value that is found is built from the bottom up; where
//! every branch closes, there is none.
//!
//! # Invariants
//! - `Empty` is a proof: every branch was closed by contradiction, by an exhausted finite search, or because it asks for a part
//!   that must satisfy what the whole must satisfy (a smallest value never needs that).
//! - `Sure` and `Maybe` are candidates until the validator has confirmed them.
//! - Work is bounded by `steps`; nothing reads a clock.

mod array;
mod number;
mod object;
mod rule;
mod string;

use crate::{
    exact,
    normal::{Graph, Id, Node, Types},
    text::Patterns,
};
use guiju_model::Severity;
use jsonschema::Draft;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// A node, and whether it must hold or must not: twice the id, plus one for "must not".
pub(crate) type Literal = u32;

pub(crate) fn holds(id: Id) -> Literal {
    id << 1
}

pub(crate) fn fails(id: Id) -> Literal {
    id << 1 | 1
}

fn opposite(literal: Literal) -> Literal {
    literal ^ 1
}

fn node_of(literal: Literal) -> Id {
    literal >> 1
}

fn is_positive(literal: Literal) -> bool {
    literal & 1 == 0
}

/// Whether a value with the wanted properties exists.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// This one, by all that is known here.
    Sure(Value),
    /// This one, if what is opaque here agrees.
    Maybe(Value, String),
    /// There is none.
    Empty,
    /// The engine cannot say, and why.
    Unknown(String),
}

/// Nesting of values that are built or looked into.
const DEPTH_MAX: usize = 48;

pub struct Solver<'g> {
    pub graph: &'g mut Graph,
    pub(crate) patterns: Patterns,
    draft: Draft,
    formats: HashMap<String, Option<jsonschema::Validator>>,
    steps_left: u64,
    known: HashMap<Vec<Literal>, Outcome>,
    /// Goals under way, outermost first.
    open: Vec<Vec<Literal>>,
    /// The outermost goal under way that an emptiness below relied on.
    relied_on: usize,
    possible: HashMap<Literal, Types>,
    /// Texts to try where a format or a rule cannot be built, beside those that are tried always.
    samples: Vec<String>,
    /// Whether fields of a rule are being given values.
    pub(crate) trying_rules: bool,
    /// Whether a code of a list is taken to be valid, because no day is being asked for.
    pub(crate) any_day: bool,
    /// Whether `1.0` may be told from `1`: under draft 4, on either side.
    tells_spelling: bool,
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

/// The best answer so far over several branches.
struct Best(Outcome);

impl Best {
    fn new() -> Self {
        Self(Outcome::Empty)
    }

    /// Takes one more answer; true once nothing better can come.
    fn take(&mut self, outcome: Outcome) -> bool {
        let rank = |outcome: &Outcome| match outcome {
            Outcome::Empty => 0,
            Outcome::Unknown(_) => 1,
            Outcome::Maybe(..) => 2,
            Outcome::Sure(_) => 3,
        };
        if rank(&outcome) > rank(&self.0) {
            self.0 = outcome;
        }
        matches!(self.0, Outcome::Sure(_))
    }
}

impl<'g> Solver<'g> {
    pub fn new(graph: &'g mut Graph, draft: Draft, steps_max: u64) -> Self {
        Self {
            graph,
            patterns: Patterns::default(),
            draft,
            formats: HashMap::new(),
            steps_left: steps_max,
            known: HashMap::new(),
            open: Vec::new(),
            relied_on: usize::MAX,
            possible: HashMap::new(),
            samples: Vec::new(),
            any_day: false,
            trying_rules: false,
            tells_spelling: draft == Draft::Draft4,
        }
    }

    /// Tells `1.0` from `1`, because the other side follows draft 4.
    pub fn telling_spelling(mut self, tells: bool) -> Self {
        self.tells_spelling |= tells;
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
        self.steps_left = steps_max;
        self.known.retain(|_, outcome| !matches!(outcome, Outcome::Unknown(_)));
    }

    /// A value that satisfies every literal.
    pub fn solve(&mut self, mut goal: Vec<Literal>) -> Outcome {
        goal.sort_unstable();
        goal.dedup();
        if let Some(known) = self.known.get(&goal) {
            return known.clone();
        }
        if let Some(index) = self.open.iter().position(|open| *open == goal) {
            self.relied_on = self.relied_on.min(index);
            return Outcome::Empty;
        }
        if self.open.len() >= DEPTH_MAX {
            return Outcome::Unknown("values nested too deeply".into());
        }
        let index = self.open.len();
        let outer = std::mem::replace(&mut self.relied_on, usize::MAX);
        self.open.push(goal.clone());
        let types = if self.tells_spelling { Types::ALL } else { Types::ALL.without(Types::WRITTEN_FRACTION) };
        let branch = Branch { types, seen: BTreeSet::new(), work: goal.clone(), choices: Vec::new(), finite: None };
        let outcome = self.branch(branch);
        self.open.pop();
        let relies_on_outer = self.relied_on < index;
        if !relies_on_outer {
            self.relied_on = usize::MAX;
            self.known.insert(goal, outcome.clone());
        }
        self.relied_on = self.relied_on.min(outer);
        outcome
    }

    fn branch(&mut self, mut branch: Branch) -> Outcome {
        if self.steps_left == 0 {
            return Outcome::Unknown("the work budget is used up".into());
        }
        self.steps_left -= 1;
        loop {
            if !self.expand(&mut branch) {
                return Outcome::Empty;
            }
            match self.decide(&mut branch) {
                Decision::Closed => return Outcome::Empty,
                Decision::Progress => {}
                Decision::Leaf => return self.leaf(&branch),
                Decision::Split(options) => {
                    let mut best = Best::new();
                    for option in options {
                        let mut next = branch.clone();
                        next.work.extend(option);
                        if best.take(self.branch(next)) {
                            break;
                        }
                    }
                    return best.0;
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
                Node::Enum(_) => {}
                // What speaks of one type is refuted only by a value of that type.
                atom if !positive => branch.types = branch.types.and(types_of(atom)),
                _ => {}
            }
            if branch.types.is_empty() || branch.finite.as_ref().is_some_and(Vec::is_empty) {
                return false;
            }
        }
        true
    }

    /// Looks for a choice that is none, else for the narrowest one.
    fn decide(&mut self, branch: &mut Branch) -> Decision {
        let mut narrowest: Option<(usize, Vec<Vec<Literal>>)> = None;
        let mut index = 0;
        while index < branch.choices.len() {
            let options = self.options(branch.choices[index]);
            if options.iter().any(|option| option.iter().all(|literal| branch.seen.contains(literal))) {
                branch.choices.swap_remove(index);
                continue;
            }
            let open: Vec<Vec<Literal>> = options.into_iter().filter(|option| self.is_open(branch, option)).collect();
            match open.len() {
                0 => return Decision::Closed,
                1 => {
                    branch.choices.swap_remove(index);
                    branch.work.extend(open.into_iter().flatten());
                    return Decision::Progress;
                }
                count if narrowest.as_ref().is_none_or(|(_, options)| count < options.len()) => {
                    narrowest = Some((index, open));
                }
                _ => {}
            }
            index += 1;
        }
        match narrowest {
            None => Decision::Leaf,
            Some((index, options)) => {
                branch.choices.swap_remove(index);
                Decision::Split(options)
            }
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
    fn options(&self, literal: Literal) -> Vec<Vec<Literal>> {
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
            (atom, false) => types_of(&atom),
        };
        self.possible.insert(literal, types);
        types
    }

    fn leaf(&mut self, branch: &Branch) -> Outcome {
        let leaf = self.atoms(branch);
        if let Some(finite) = &branch.finite {
            let mut best = Best::new();
            for index in finite {
                let value = self.graph.value(*index).clone();
                if leaf.excluded.contains(index) || !branch.types.has(self.written_types(&value)) {
                    continue;
                }
                if best.take(self.spelled(value, branch.types, &leaf)) {
                    break;
                }
            }
            return best.0;
        }
        let mut best = Best::new();
        for types in [Types::NULL, Types::BOOLEAN, Types::NUMBER, Types::STRING, Types::ARRAY, Types::OBJECT] {
            let types = types.and(branch.types);
            if types.is_empty() {
                continue;
            }
            let outcome = self.of_type(types, &leaf);
            if best.take(outcome) {
                break;
            }
        }
        best.0
    }

    /// The types that a value may have by the way it is written: under draft 4 an integer may be none.
    fn written_types(&self, value: &Value) -> Types {
        match type_of(value) {
            Types::INTEGER if self.tells_spelling => Types::INTEGER.or(Types::WRITTEN_FRACTION),
            types => types,
        }
    }

    /// A literal of the schema as a candidate, written so that it has one of the types.
    fn spelled(&mut self, value: Value, types: Types, leaf: &Leaf) -> Outcome {
        let (own, exact) = (self.exact_type(&value), value.as_number().and_then(exact::rational));
        let written = match exact.as_ref().and_then(exact::number) {
            Some(number) if !types.has(own) && own == Types::INTEGER => {
                format!("{number}.0").parse().map(Value::Number)
            }
            Some(number) if !types.has(own) => Ok(Value::Number(number)),
            _ => Ok(value),
        };
        match written {
            Ok(value) => self.judged(value, leaf),
            Err(_) => Outcome::Unknown("a number of many digits".into()),
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
        let about = |solver: &Self, literal: &Literal| types_of(solver.graph.node(node_of(*literal))).has(types);
        let atoms: Vec<Literal> = leaf.atoms.iter().copied().filter(|literal| about(self, literal)).collect();
        let leaf = Leaf { atoms, excluded: leaf.excluded.clone() };
        match types {
            Types::NULL => self.first([Value::Null], &leaf),
            Types::BOOLEAN => self.first([Value::Bool(true), Value::Bool(false)], &leaf),
            Types::STRING => self.string(&leaf),
            Types::ARRAY => self.array(&leaf),
            Types::OBJECT => self.object(&leaf),
            numbers => self.number(numbers, &leaf),
        }
    }

    /// The first of all values there are that will do.
    fn first(&mut self, values: impl IntoIterator<Item = Value>, leaf: &Leaf) -> Outcome {
        let mut best = Best::new();
        for value in values {
            if !self.is_excluded(&value, leaf) && best.take(self.judged(value, leaf)) {
                break;
            }
        }
        best.0
    }

    fn is_excluded(&self, value: &Value, leaf: &Leaf) -> bool {
        let key = exact::key(value);
        leaf.excluded.iter().any(|index| exact::key(self.graph.value(*index)) == key)
    }

    /// A candidate against the atoms of a leaf.
    fn judged(&mut self, value: Value, leaf: &Leaf) -> Outcome {
        let mut doubt = None;
        for literal in &leaf.atoms {
            match self.is(node_of(*literal), &value, 0) {
                Some(truth) if truth == is_positive(*literal) => {}
                Some(_) => return Outcome::Empty,
                None => doubt = Some(self.name(node_of(*literal))),
            }
        }
        match doubt {
            None => Outcome::Sure(value),
            Some(doubt) => Outcome::Maybe(value, doubt),
        }
    }

    /// A value with something opaque about it: many such things can be tried on the value now that it is there.
    pub(crate) fn tried(&mut self, value: Value, why: String, leaf: &Leaf) -> Outcome {
        match self.judged(value, leaf) {
            Outcome::Empty => Outcome::Unknown(why),
            outcome => outcome,
        }
    }

    /// What a node is called where the engine has to say what defeated it.
    fn name(&self, id: Id) -> String {
        match self.graph.node(id) {
            Node::Opaque { key, .. } => {
                let keyword = key.split(' ').next().unwrap_or_default().to_owned();
                self.graph.place(id).map_or(keyword.clone(), |place| format!("{keyword} at {}", plain(place)))
            }
            Node::Format(format) => format!("format `{format}`{}", self.at(id)),
            Node::Pattern(pattern) => format!("pattern `{pattern}`{}", self.at(id)),
            _ => self.graph.place(id).map_or("a part of the schema".to_owned(), plain),
        }
    }

    fn at(&self, id: Id) -> String {
        self.graph.place(id).map_or(String::new(), |place| format!(" at {}", plain(place)))
    }

    /// Whether a value satisfies a node; none where that is opaque.
    pub fn is(&mut self, id: Id, value: &Value, depth: usize) -> Option<bool> {
        if depth > 128 {
            return None;
        }
        let node = self.graph.node(id).clone();
        let own = type_of(value);
        match &node {
            Node::True => Some(true),
            Node::False => Some(false),
            Node::All(parts) => every(parts.iter().map(|part| self.is(*part, value, depth + 1))),
            Node::Any(parts) => {
                every(parts.iter().map(|part| self.is(*part, value, depth + 1).map(|truth| !truth))).map(|none| !none)
            }
            Node::One(parts) => {
                let truths: Vec<Option<bool>> = parts.iter().map(|part| self.is(*part, value, depth + 1)).collect();
                match truths.iter().filter(|truth| **truth == Some(true)).count() {
                    2.. => Some(false),
                    _ if truths.contains(&None) => None,
                    count => Some(count == 1),
                }
            }
            Node::Not(part) => self.is(*part, value, depth + 1).map(|truth| !truth),
            Node::If(condition, then, otherwise) => match self.is(*condition, value, depth + 1)? {
                true => self.is(*then, value, depth + 1),
                false => self.is(*otherwise, value, depth + 1),
            },
            Node::Ref(reference) => {
                let target = self.graph.target(*reference);
                self.is(target, value, depth + 1)
            }
            Node::Type(types) => Some(types.has(self.exact_type(value))),
            Node::Enum(values) => {
                let key = exact::key(value);
                Some(values.iter().any(|index| exact::key(self.graph.value(*index)) == key))
            }
            atom if !types_of(atom).has(own) => Some(true),
            Node::Opaque { key, .. } => self.is_opaque(key, value),
            atom => match value {
                Value::String(text) => self.is_string(atom, text),
                Value::Array(items) => self.is_array(atom, items, depth),
                Value::Object(members) => self.is_object(atom, members, depth),
                _ => Self::is_number(atom, value),
            },
        }
    }

    /// What cannot be looked into can sometimes be tried.
    fn is_opaque(&mut self, key: &str, value: &Value) -> Option<bool> {
        if let Some(rule) = self.graph.rule(key) {
            return Some(rule.check(value).is_empty());
        }
        if self.any_day && key.starts_with("codeList ") {
            return Some(true);
        }
        let schema = self.graph.content(key)?.clone();
        let build = || jsonschema::options().offline().with_draft(Draft::Draft7).build(&schema).ok();
        let validator = self.formats.entry(key.to_owned()).or_insert_with(build).as_ref()?;
        Some(validator.is_valid(value))
    }

    fn exact_type(&self, value: &Value) -> Types {
        match type_of(value) {
            Types::INTEGER if self.tells_spelling && value.to_string().contains(['.', 'e', 'E']) => {
                Types::WRITTEN_FRACTION
            }
            types => types,
        }
    }

    /// Whether a text has a format; none where the format is not known.
    pub(crate) fn has_format(&mut self, format: &str, text: &str) -> Option<bool> {
        if guiju_validator::formats::is_known(format) {
            let faults = guiju_validator::formats::check(format, text, None);
            return Some(faults.iter().all(|fault| fault.severity != Severity::Error));
        }
        let draft = self.draft;
        let build = || {
            let options = jsonschema::options().offline().with_draft(draft).should_validate_formats(true);
            let known = options.is_known_format(draft, format);
            known.then(|| options.build(&serde_json::json!({"format": format})).ok()).flatten()
        };
        let validator = self.formats.entry(format.to_owned()).or_insert_with(build).as_ref()?;
        Some(validator.is_valid(&Value::from(text)))
    }
}

enum Decision {
    Closed,
    Progress,
    Leaf,
    Split(Vec<Vec<Literal>>),
}

/// A place as people write it: `bj.common/types@1.0.0#/$defs/Sex`, or a pointer into the document itself.
fn plain(place: &str) -> String {
    let (document, pointer) = place.split_once('#').unwrap_or((place, ""));
    let document = document.strip_prefix("guiju:").unwrap_or(document).replacen("@=", "@", 1);
    let document = document.split_once("/sha256:").map_or(document.as_str(), |(name, _)| name);
    if document.is_empty() { pointer.to_owned() } else { format!("{document}#{pointer}") }
}

/// All true: true; one false: false; else not known.
fn every(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = true;
    for truth in truths {
        match truth {
            Some(false) => return Some(false),
            None => known = false,
            Some(true) => {}
        }
    }
    known.then_some(true)
}

/// The types that an atom speaks of.
fn types_of(node: &Node) -> Types {
    match node {
        Node::Minimum { .. } | Node::Maximum { .. } | Node::Multiple(_) => Types::NUMBER,
        Node::MinLength(_) | Node::MaxLength(_) | Node::Pattern(_) | Node::Format(_) | Node::Listed(_) => Types::STRING,
        Node::Items { .. } | Node::MinItems(_) | Node::MaxItems(_) | Node::Unique | Node::Contains { .. } => {
            Types::ARRAY
        }
        Node::Properties { .. }
        | Node::Required(_)
        | Node::MinProperties(_)
        | Node::MaxProperties(_)
        | Node::Names(_) => Types::OBJECT,
        Node::Opaque { types, .. } => *types,
        _ => Types::ALL,
    }
}

fn type_of(value: &Value) -> Types {
    match value {
        Value::Null => Types::NULL,
        Value::Bool(_) => Types::BOOLEAN,
        Value::Number(number) => match exact::rational(number).is_none_or(|exact| exact.is_integer()) {
            true => Types::INTEGER,
            false => Types::FRACTION,
        },
        Value::String(_) => Types::STRING,
        Value::Array(_) => Types::ARRAY,
        Value::Object(_) => Types::OBJECT,
    }
}
