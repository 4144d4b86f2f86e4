//! Checks a proof again, and shares nothing with the search that found it but the schemas in their normal form, the judging of
//! values at hand, and the automata of patterns.
//!
//! Every step is a rule that anyone can follow: a literal beside its opposite; all ways to meet a choice; all values of a finite
//! set; all numbers between two bounds; all states of a product of automata; all ways to fill an array or an object. What a step
//! does not name is not presumed: a proof with anything missing is refused.
//!
//! Why lemmas may lean on each other in circles: suppose values satisfied the goals of some of them, and take the smallest of
//! all. Its lemma shows that a part of it, an item, a member or a name, satisfies the goal of a lemma, and that is smaller still.

use crate::{
    conditions::{Board, Bound},
    exact, formats,
    normal::{Graph, Id, Node, Types},
    proof::{Lemma, Rule, Step, Theorem},
    solve::{Literal, fails, holds, is_positive, node_of, opposite},
    text::{Patterns, Run},
    value::{Values, every},
};
use guiju_model::Text;
use num_rational::BigRational;
use num_traits::{One, ToPrimitive};
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt::Display,
};

/// Steps of checking before a proof is called too long to be checked.
const WORK_MAX: u64 = 4_000_000;
/// Numbers looked at one by one.
const NUMBERS_MAX: i64 = 10_000;
/// Longest array that is looked at.
const ITEMS_MAX: u64 = 64;
/// Patterns of member names whose combinations are all looked at.
const PATTERNS_MAX: usize = 10;
/// Nesting followed to learn of which types the values of a schema are.
const DEPTH_MAX: usize = 64;

/// Whether the lemmas prove what they are said to; where not, which step does not hold.
pub(crate) fn check(graph: &Graph, theorem: &Theorem, patterns: Patterns) -> Checked {
    let Theorem { goal, lemmas, tells_spelling, takes_rules_apart, draft } = theorem;
    let mut values = Values::new(*draft, *tells_spelling);
    (values.any_spelling, values.patterns) = (true, patterns);
    let (possible, takes_rules_apart) = (HashMap::new(), *takes_rules_apart);
    let mut replay = Replay { graph, lemmas, values, possible, takes_rules_apart, work_left: WORK_MAX };
    let first = lemmas.first().ok_or_else(|| said("a proof without a lemma", "没有引理的证明"))?;
    if !first.goal.iter().all(|literal| goal.contains(literal)) {
        return refuse("the first lemma is not about what is to be proved", "首条引理与待证命题不符");
    }
    let is_known = |literal: &Literal| (node_of(*literal) as usize) < graph.len();
    if !lemmas.iter().all(|lemma| lemma.goal.iter().all(is_known)) {
        return refuse("a lemma about another schema", "引理所涉模式不在此列");
    }
    for (number, lemma) in lemmas.iter().enumerate() {
        let numbered = |Text { en, zh }: Text| Text {
            en: format!("lemma {}: {en}", number + 1),
            zh: format!("引理 {}：{zh}", number + 1),
        };
        replay.lemma(lemma).map_err(numbered)?;
    }
    Ok(())
}

struct Replay<'t> {
    graph: &'t Graph,
    lemmas: &'t [Lemma],
    values: Values,
    possible: HashMap<Literal, Types>,
    takes_rules_apart: bool,
    work_left: u64,
}

/// What holds of a value: all consequences that leave no choice are drawn.
#[derive(Clone)]
struct Branch {
    literals: BTreeSet<Literal>,
    types: Types,
    /// One of these.
    values: Option<Vec<u32>>,
    is_closed: bool,
}

/// Why not, where a step does not hold.
type Checked = Result<(), Text>;

fn said(en: &str, zh: &str) -> Text {
    Text { en: en.to_owned(), zh: zh.to_owned() }
}

fn refuse<T>(en: &str, zh: &str) -> Result<T, Text> {
    Err(said(en, zh))
}

fn not_refuted(value: impl Display) -> Text {
    Text { en: format!("nothing refutes {value}"), zh: format!("未能排除 {value}") }
}

impl Replay<'_> {
    fn spend(&mut self, work: u64) -> Checked {
        self.work_left = self
            .work_left
            .checked_sub(work)
            .ok_or_else(|| said("the proof is too long to be checked", "证明过长，无法复核"))?;
        Ok(())
    }

    fn lemma(&mut self, lemma: &Lemma) -> Checked {
        let types = match self.values.tells_spelling {
            true => Types::ALL,
            false => Types::ALL.without(Types::WRITTEN_FRACTION),
        };
        let mut branch = Branch { literals: BTreeSet::new(), types, values: None, is_closed: false };
        self.assume(&mut branch, &lemma.goal);
        self.closes(branch, &lemma.rule)
    }

    fn assume(&mut self, branch: &mut Branch, literals: &[Literal]) {
        let mut work = literals.to_vec();
        while let Some(literal) = work.pop() {
            if !branch.literals.insert(literal) {
                continue;
            }
            branch.is_closed |= branch.literals.contains(&opposite(literal));
            match (self.graph.node(node_of(literal)), is_positive(literal)) {
                (Node::True, must) => branch.is_closed |= !must,
                (Node::False, must) => branch.is_closed |= must,
                (Node::All(parts), true) => work.extend(parts.iter().map(|part| holds(*part))),
                (Node::Any(parts), false) => work.extend(parts.iter().map(|part| fails(*part))),
                (Node::Not(part), must) => work.push(if must { fails(*part) } else { holds(*part) }),
                (Node::Ref(reference), must) => {
                    let target = self.graph.target(*reference);
                    work.push(if must { holds(target) } else { fails(target) });
                }
                (Node::Type(types), true) => branch.types = branch.types.and(*types),
                (Node::Type(types), false) => branch.types = branch.types.without(*types),
                (Node::Enum(values), true) => match &mut branch.values {
                    Some(known) => known.retain(|value| values.contains(value)),
                    none => *none = Some(values.clone()),
                },
                (Node::All(_) | Node::Any(_) | Node::One(_) | Node::If(..) | Node::Enum(_), _) => {}
                (_, true) => {}
                // What speaks of some types is failed only by values of these.
                (atom, false) => branch.types = branch.types.and(atom.speaks_of()),
            }
            if let Some(meaning) = self.graph.meaning(node_of(literal)).filter(|_| self.takes_rules_apart) {
                work.push(if is_positive(literal) { holds(meaning) } else { fails(meaning) });
            }
            branch.is_closed |= branch.types.is_empty() || branch.values.as_ref().is_some_and(Vec::is_empty);
        }
    }

    fn closes(&mut self, mut branch: Branch, rule: &Rule) -> Checked {
        self.spend(1 + branch.literals.len() as u64 / 8)?;
        if branch.is_closed {
            return Ok(());
        }
        match &rule.0 {
            Step::Clash => refuse("there is no contradiction", "并无矛盾"),
            Step::Forced(choices, then) => {
                for choice in choices {
                    let mut ways = self.ways(&branch, *choice)?;
                    ways.retain(|way| !self.is_closed_at_sight(&branch, way));
                    match ways.as_slice() {
                        [] => return Ok(()),
                        [only] => self.assume(&mut branch, only),
                        _ => return refuse("more than one way is open", "尚有不止一种可能"),
                    }
                    if branch.is_closed {
                        return Ok(());
                    }
                }
                self.closes(branch, then)
            }
            Step::Cases(choice, cases) => {
                let ways = self.ways(&branch, *choice)?;
                if ways.len() != cases.len() {
                    return refuse("there are not as many cases as ways", "情形与可能的数目不等");
                }
                for (way, case) in ways.iter().zip(cases) {
                    match case {
                        None if self.is_closed_at_sight(&branch, way) => {}
                        None => return refuse("a case is not closed at sight", "有情形并非直接矛盾"),
                        Some(rule) => {
                            let mut branch = branch.clone();
                            self.assume(&mut branch, way);
                            self.closes(branch, rule)?;
                        }
                    }
                }
                Ok(())
            }
            Step::Types(rules) => {
                let all = [Types::NULL, Types::BOOLEAN, Types::NUMBER, Types::STRING, Types::ARRAY, Types::OBJECT];
                let left: Vec<Types> = all.into_iter().filter(|types| branch.types.has(*types)).collect();
                if left.len() != rules.len() {
                    return refuse("a type is left out", "遗漏了一种类型");
                }
                for (types, rule) in left.into_iter().zip(rules) {
                    let types = branch.types.and(types);
                    self.closes(Branch { types, ..branch.clone() }, rule)?;
                }
                Ok(())
            }
            Step::Values => self.few(&branch),
            Step::Numbers => self.of_type(&branch, Types::NUMBER)?.numbers(&branch),
            // The automata of formats are large: first without them.
            Step::Texts(texts) => {
                let replay = self.of_type(&branch, Types::STRING)?;
                replay.texts(&branch, texts, false).or_else(|_| replay.texts(&branch, texts, true))
            }
            Step::Codes(asked) => self.of_type(&branch, Types::STRING)?.codes(&branch, *asked),
            Step::Rules => self.of_type(&branch, Types::OBJECT)?.rules(&branch),
            Step::Items(parts) => self.of_type(&branch, Types::ARRAY)?.items(&branch, parts),
            Step::Members(parts) => self.of_type(&branch, Types::OBJECT)?.members(&branch, parts),
        }
    }

    fn of_type(&mut self, branch: &Branch, types: Types) -> Result<&mut Self, Text> {
        if branch.types.without(types).is_empty() {
            Ok(self)
        } else {
            refuse("a value of another type is left", "尚余其他类型的值")
        }
    }

    /// All the ways to meet a choice that holds in the branch.
    fn ways(&self, branch: &Branch, choice: Literal) -> Result<Vec<Vec<Literal>>, Text> {
        let is_known = (node_of(choice) as usize) < self.graph.len();
        if !(branch.literals.contains(&choice) || is_known && self.is_inequality(branch, choice)) {
            return refuse("a choice that nothing asks for", "无由而来的分支");
        }
        let each = |parts: &[Id], literal: fn(Id) -> Literal| parts.iter().map(|part| vec![literal(*part)]).collect();
        Ok(match (self.graph.node(node_of(choice)), is_positive(choice)) {
            (Node::Any(parts), true) => each(parts, holds),
            (Node::All(parts), false) => each(parts, fails),
            (Node::If(condition, then, otherwise), true) => {
                vec![vec![holds(*condition), holds(*then)], vec![fails(*condition), holds(*otherwise)]]
            }
            (Node::If(condition, then, otherwise), false) => {
                vec![vec![holds(*condition), fails(*then)], vec![fails(*condition), fails(*otherwise)]]
            }
            // Exactly one: this one and no other.
            (Node::One(parts), true) => (0..parts.len())
                .map(|one| {
                    (0..parts.len()).map(|at| if at == one { holds(parts[at]) } else { fails(parts[at]) }).collect()
                })
                .collect(),
            // Of some of which one holds: another, too.
            (Node::One(parts), false) if parts.iter().any(|part| branch.literals.contains(&holds(*part))) => {
                let known = parts.iter().position(|part| branch.literals.contains(&holds(*part)));
                (0..parts.len()).filter(|at| Some(*at) != known).map(|at| vec![holds(parts[at])]).collect()
            }
            // None, or two of them at least.
            (Node::One(parts), false) => {
                let mut ways: Vec<Vec<Literal>> = vec![parts.iter().map(|part| fails(*part)).collect()];
                for one in 0..parts.len() {
                    ways.extend((one + 1..parts.len()).map(|two| vec![holds(parts[one]), holds(parts[two])]));
                }
                ways
            }
            _ => return refuse("a choice without ways", "没有可能的分支"),
        })
    }

    /// Whether the literal says that the value is not a certain array or object, and the branch rules that one out.
    fn is_inequality(&self, branch: &Branch, literal: Literal) -> bool {
        let Node::All(parts) = self.graph.node(node_of(literal)) else { return false };
        let ruled_out =
            branch.literals.iter().filter(|literal| !is_positive(**literal)).filter_map(|literal| {
                match self.graph.node(node_of(*literal)) {
                    Node::Enum(values) => Some(values),
                    _ => None,
                }
            });
        !is_positive(literal) && ruled_out.flatten().any(|value| self.describes(parts, *value))
    }

    /// Whether only one certain array or object satisfies all of these parts.
    fn describes(&self, parts: &[Id], value: u32) -> bool {
        let is = |schema: Id, value: &Value| match self.graph.node(schema) {
            Node::Enum(values) => values.len() == 1 && exact::key(self.graph.value(values[0])) == exact::key(value),
            _ => false,
        };
        let is_true = |schema: Id| matches!(self.graph.node(schema), Node::True);
        let value = self.graph.value(value);
        let own = |part: &Id| match (self.graph.node(*part), value) {
            (Node::Type(types), Value::Array(_)) => *types == Types::ARRAY,
            (Node::Type(types), Value::Object(_)) => *types == Types::OBJECT,
            (Node::MinItems(_) | Node::MaxItems(_), Value::Array(_)) => true,
            (Node::Required(_) | Node::MaxProperties(_), Value::Object(_)) => true,
            (Node::Items { prefix, rest }, Value::Array(items)) => {
                is_true(*rest) && prefix.iter().zip(items).all(|(schema, item)| is(*schema, item))
            }
            (Node::Properties { named, patterns, rest }, Value::Object(members)) => {
                let own = |(name, schema): &(String, Id)| members.get(name).is_some_and(|value| is(*schema, value));
                patterns.is_empty() && is_true(*rest) && named.iter().all(own)
            }
            _ => false,
        };
        parts.iter().all(own) && self.is_whole(parts, value)
    }

    /// Whether there is a part for all that makes the value what it is.
    fn is_whole(&self, parts: &[Id], value: &Value) -> bool {
        let has = |wanted: &dyn Fn(&Node) -> bool| parts.iter().any(|part| wanted(self.graph.node(*part)));
        match value {
            Value::Array(items) => {
                let count = items.len() as u64;
                has(&|node| matches!(node, Node::Type(_)))
                    && has(&|node| matches!(node, Node::MaxItems(max) if *max == count))
                    && (count == 0
                        || has(&|node| matches!(node, Node::MinItems(min) if *min == count))
                            && has(&|node| matches!(node, Node::Items { prefix, .. } if prefix.len() as u64 == count)))
            }
            Value::Object(members) => {
                has(&|node| matches!(node, Node::Type(_)))
                    && has(&|node| matches!(node, Node::MaxProperties(max) if *max == members.len() as u64))
                    && members
                        .keys()
                        .all(|name| has(&|node| matches!(node, Node::Required(required) if required == name)))
                    && (members.is_empty()
                        || has(&|node| matches!(node, Node::Properties { named, .. } if named.len() == members.len())))
            }
            _ => false,
        }
    }

    fn is_closed_at_sight(&mut self, branch: &Branch, way: &[Literal]) -> bool {
        way.iter().any(|literal| {
            branch.literals.contains(&opposite(*literal))
                || way.contains(&opposite(*literal))
                || !self.possible(*literal, 0).has(branch.types)
        })
    }

    /// Types that hold all values that satisfy the literal.
    fn possible(&mut self, literal: Literal, depth: usize) -> Types {
        if depth > DEPTH_MAX {
            return Types::ALL;
        }
        if let Some(types) = self.possible.get(&literal) {
            return *types;
        }
        let must = is_positive(literal);
        let graph = self.graph;
        let mut each = |parts: &[Id]| -> Vec<Types> {
            let parts = parts.iter().map(|part| if must { holds(*part) } else { fails(*part) });
            parts.map(|part| self.possible(part, depth + 1)).collect()
        };
        let types = match (graph.node(node_of(literal)), must) {
            (Node::True, false) | (Node::False, true) => Types::NONE,
            (Node::Type(types), true) => *types,
            (Node::Type(types), false) => Types::ALL.without(*types),
            (Node::All(parts), true) | (Node::Any(parts), false) => {
                each(parts).into_iter().fold(Types::ALL, Types::and)
            }
            (Node::Any(parts), true) | (Node::All(parts), false) => {
                each(parts).into_iter().fold(Types::NONE, Types::or)
            }
            (Node::Not(part), must) => self.possible(if must { fails(*part) } else { holds(*part) }, depth + 1),
            (Node::Enum(values), true) => {
                values.iter().map(|value| self.values.types(graph.value(*value))).fold(Types::NONE, Types::or)
            }
            (Node::True | Node::False | Node::One(_) | Node::If(..) | Node::Ref(_) | Node::Enum(_), _) => Types::ALL,
            (_, true) => Types::ALL,
            (atom, false) => atom.speaks_of(),
        };
        self.possible.insert(literal, types);
        types
    }

    /// Whether a value is surely none of the branch.
    fn is_refuted(&mut self, branch: &Branch, value: &Value) -> bool {
        let others = if value.is_object() || value.is_array() { spelled_otherwise(value) } else { Vec::new() };
        !self.values.types(value).has(branch.types)
            || branch.literals.iter().any(|literal| {
                // A schema has one judgement for all the ways in which the numbers of a value may be written.
                std::iter::once(value).chain(&others).all(|value| {
                    let is = self.values.is(self.graph, node_of(*literal), value, 0);
                    is.is_some_and(|is| is != is_positive(*literal))
                })
            })
            || value.as_str().is_some_and(|text| {
                let dated = branch.literals.iter().filter_map(|literal| match self.graph.node(node_of(*literal)) {
                    Node::Dated(index) => Some((*index, is_positive(*literal))),
                    _ => None,
                });
                self.values.days_for(self.graph, &dated.collect::<Vec<_>>(), text).is_none()
            })
    }

    /// Whether the rules cannot be as the literals say: situations of their subjects are left out one after another, and where
    /// that comes to rest, one clause after another is followed each way.
    fn rules(&mut self, branch: &Branch) -> Checked {
        let Some(board) = Board::of(self.graph, branch.literals.iter()) else {
            return refuse("no rule is broken", "没有被违反的规则");
        };
        let mut left: Vec<Vec<bool>> = board.sizes.iter().map(|size| vec![true; *size]).collect();
        board.facts.iter().for_each(|fact| leave(&mut left, fact));
        self.situations(&board, left)
    }

    fn situations(&mut self, board: &Board, mut left: Vec<Vec<bool>>) -> Checked {
        let mut split: Option<Vec<&Bound>> = None;
        let mut again = true;
        while again {
            (again, split) = (false, None);
            if left.iter().any(|left| !left.contains(&true)) {
                return Ok(());
            }
            for clause in &board.clauses {
                self.spend(1 + clause.len() as u64)?;
                let is_met = |(at, bound): &&Bound| left[*at].iter().zip(bound).all(|(left, bound)| !left || *bound);
                if clause.iter().any(|bound| is_met(&bound)) {
                    continue;
                }
                let may_be = |(at, bound): &&Bound| left[*at].iter().zip(bound).any(|(left, bound)| *left && *bound);
                let open: Vec<&Bound> = clause.iter().filter(may_be).collect();
                match open.as_slice() {
                    [] => return Ok(()),
                    [only] => {
                        leave(&mut left, only);
                        again = true;
                    }
                    _ if split.as_ref().is_none_or(|split| split.len() > open.len()) => split = Some(open),
                    _ => {}
                }
            }
        }
        let Some(split) = split else { return refuse("the rules can be so", "各规则可以同时如此") };
        for bound in split {
            let mut left = left.clone();
            leave(&mut left, bound);
            self.situations(board, left)?;
        }
        Ok(())
    }

    fn all_refuted<'v>(&mut self, branch: &Branch, values: impl IntoIterator<Item = &'v Value>) -> Checked {
        for value in values {
            self.spend(1 + branch.literals.len() as u64)?;
            if !self.is_refuted(branch, value) {
                return Err(not_refuted(value));
            }
        }
        Ok(())
    }

    fn few(&mut self, branch: &Branch) -> Checked {
        let graph = self.graph;
        match &branch.values {
            Some(values) => self.all_refuted(branch, values.iter().map(|value| graph.value(*value))),
            None if branch.types.without(Types::NULL.or(Types::BOOLEAN)).is_empty() => {
                self.all_refuted(branch, &[Value::Null, Value::Bool(true), Value::Bool(false)])
            }
            None => refuse("there are more than a few values", "值并非有限几个"),
        }
    }

    fn codes(&mut self, branch: &Branch, asked: Literal) -> Checked {
        if !branch.literals.contains(&asked) {
            return refuse("a code list that nothing asks for", "无由而来的代码表");
        }
        let graph = self.graph;
        let codes = match (graph.node(node_of(asked)), is_positive(asked)) {
            (Node::Listed(index), true) => &graph.listed(*index).codes,
            // Only of a code of the list it is said when it is valid.
            (Node::Dated(index), false) => &graph.dated(*index).codes,
            _ => return refuse("a code list that nothing asks for", "无由而来的代码表"),
        };
        for text in codes.texts() {
            if !self.is_refuted(branch, &Value::from(&*text)) {
                return Err(not_refuted(&text));
            }
        }
        Ok(())
    }

    fn numbers(&mut self, branch: &Branch) -> Checked {
        let (mut low, mut high) = (None::<(BigRational, bool)>, None::<(BigRational, bool)>);
        let (mut step, mut not_multiples) = (None::<BigRational>, Vec::new());
        for literal in &branch.literals {
            // A limit that is failed is a limit from the other side.
            let (is_low, limit, excludes) = match (self.graph.node(node_of(*literal)), is_positive(*literal)) {
                (Node::Minimum { limit, exclusive }, true) => (true, limit, *exclusive),
                (Node::Maximum { limit, exclusive }, false) => (true, limit, !*exclusive),
                (Node::Maximum { limit, exclusive }, true) => (false, limit, *exclusive),
                (Node::Minimum { limit, exclusive }, false) => (false, limit, !*exclusive),
                (Node::Multiple(of), true) => {
                    step = Some(step.map_or_else(|| of.clone(), |step| exact::common_multiple(&step, of)));
                    continue;
                }
                (Node::Multiple(of), false) => {
                    not_multiples.push(of);
                    continue;
                }
                _ => continue,
            };
            let known = if is_low { &mut low } else { &mut high };
            let is_tighter = known.as_ref().is_none_or(|(other, excluded)| {
                (if is_low { limit > other } else { limit < other }) || limit == other && excludes && !excluded
            });
            if is_tighter {
                *known = Some((limit.clone(), excludes));
            }
        }
        if let (Some((low, above)), Some((high, below))) = (&low, &high)
            && (low > high || low == high && (*above || *below))
        {
            return Ok(());
        }
        let (low, high) = (low.map(|(low, _)| low), high.map(|(high, _)| high));
        let whole = branch.types.has(Types::INTEGER.or(Types::WRITTEN_FRACTION));
        for whole in [whole.then_some(true), branch.types.has(Types::FRACTION).then_some(false)].into_iter().flatten() {
            let one = BigRational::one();
            let step = match (&step, whole) {
                (Some(step), true) => Some(exact::common_multiple(step, &one)),
                (None, true) => Some(one),
                (step, false) => step.clone(),
            };
            let numbers: Vec<BigRational> = match (step, &low, &high) {
                // No multiple of a whole number has a fraction.
                (Some(step), ..) if !whole && step.is_integer() => continue,
                (Some(step), ..) if not_multiples.iter().any(|of| exact::divides(of, &step)) => continue,
                (Some(step), Some(low), Some(high)) => {
                    let (first, last) = ((low / &step).ceil().to_integer(), (high / &step).floor().to_integer());
                    let count = (last - &first).to_i64().unwrap_or(i64::MAX);
                    if count >= NUMBERS_MAX {
                        return refuse("too many numbers are left", "余下的数过多");
                    }
                    (0..=count).map(|at| BigRational::from_integer(&first + at) * &step).collect()
                }
                (None, Some(low), Some(high)) if low == high => vec![low.clone()],
                _ => return refuse("there is no end of numbers", "数有无穷多个"),
            };
            for number in numbers.iter().filter(|number| number.is_integer() == whole) {
                self.spend(1 + branch.literals.len() as u64)?;
                let number =
                    exact::number(number).ok_or_else(|| said("a number that cannot be written", "无法写出的数"))?;
                if !self.is_refuted(branch, &Value::Number(number.clone())) {
                    return Err(not_refuted(number));
                }
            }
        }
        Ok(())
    }

    fn texts(&mut self, branch: &Branch, texts: &[String], with_formats: bool) -> Checked {
        let (mut least, mut most) = (0u64, u64::MAX);
        let (mut patterns, mut known) = (Vec::new(), Vec::new());
        for literal in &branch.literals {
            let must = is_positive(*literal);
            match (self.graph.node(node_of(*literal)), must) {
                (Node::MinLength(min), true) => least = least.max(*min),
                (Node::MaxLength(max), true) => most = most.min(*max),
                (Node::MinLength(min), false) => match min.checked_sub(1) {
                    Some(max) => most = most.min(max),
                    None => return Ok(()),
                },
                (Node::MaxLength(max), false) => least = least.max(max.saturating_add(1)),
                (Node::Pattern(pattern), must) => patterns.push((pattern.as_str(), must)),
                // A text that has a format matches its pattern; of some, each that lacks it does not.
                (Node::Format(format), must) if with_formats => {
                    let language = formats::language(format).filter(|language| must || language.is_exact);
                    patterns.extend(language.map(|language| (language.pattern.as_str(), must)));
                }
                (Node::Enum(values), false) => {
                    known.extend(values.iter().filter_map(|value| self.graph.value(*value).as_str()));
                }
                _ => {}
            }
        }
        if least > most {
            return Ok(());
        }
        let listed: Vec<Value> = texts.iter().map(|text| Value::from(text.as_str())).collect();
        self.all_refuted(branch, &listed)?;
        known.extend(texts.iter().map(String::as_str));
        let mut run = self
            .values
            .patterns
            .run(&patterns, &known)
            .ok_or_else(|| said("a pattern has no automaton", "有模式无法构成自动机"))?;
        only_known(&mut run, &known, least, most, &mut self.work_left)
    }

    /// Whether such a set of literals is surely met by nothing.
    fn is_impossible(&self, literals: &BTreeSet<Literal>, parts: &[usize]) -> bool {
        literals.iter().any(|literal| match self.graph.node(node_of(*literal)) {
            Node::True => !is_positive(*literal),
            Node::False => is_positive(*literal),
            _ => is_positive(*literal) && literals.contains(&opposite(*literal)),
        }) || self.parts(parts).any(|goal| goal.iter().all(|literal| literals.contains(literal)))
    }

    fn parts(&self, parts: &[usize]) -> impl Iterator<Item = &[Literal]> {
        parts.iter().filter_map(|part| self.lemmas.get(*part)).map(|lemma| lemma.goal.as_slice())
    }

    fn items(&mut self, branch: &Branch, parts: &[usize]) -> Checked {
        let mut array = Array { least: 0, most: u64::MAX, ..Array::default() };
        let mut wrong_counts = Vec::new();
        for literal in &branch.literals {
            match (self.graph.node(node_of(*literal)), is_positive(*literal)) {
                (Node::MinItems(min), true) => array.least = array.least.max(*min),
                (Node::MaxItems(max), true) => array.most = array.most.min(*max),
                (Node::MinItems(0), false) => return Ok(()),
                (Node::MinItems(min), false) => array.most = array.most.min(min - 1),
                (Node::MaxItems(max), false) => array.least = array.least.max(max.saturating_add(1)),
                (Node::Items { prefix, rest }, true) => array.items.push((prefix.clone(), *rest)),
                (Node::Items { prefix, rest }, false) => array.broken.push((prefix.clone(), *rest)),
                (Node::Contains { schema, min, max }, true) => array.counts.push((*schema, *min, *max)),
                (Node::Contains { schema, min, max }, false) => {
                    // Too few, or too many.
                    let few = min.checked_sub(1).map(|most| (*schema, 0, Some(most)));
                    let many = max.map(|max| (*schema, max.saturating_add(1), None));
                    wrong_counts.push([few, many]);
                }
                (Node::Unique, true) => array.is_unique = true,
                (Node::Unique, false) => array.is_repeated = true,
                _ => {}
            }
        }
        let mut arrays = vec![array];
        for either in wrong_counts {
            let with =
                |array: &Array| either.into_iter().flatten().map(|count| array.counting(count)).collect::<Vec<_>>();
            arrays = arrays.iter().flat_map(with).collect();
            self.spend(arrays.len() as u64)?;
        }
        arrays.iter().try_for_each(|array| self.array(array, parts))
    }

    fn array(&mut self, array: &Array, parts: &[usize]) -> Checked {
        if array.is_unique && array.is_repeated {
            return Ok(());
        }
        // An item beyond all declared positions that nothing needs could be dropped, and the rest would do as well.
        let declared =
            array.items.iter().chain(&array.broken).map(|(prefix, _)| prefix.len() as u64).max().unwrap_or(0);
        let occurring = array.counts.iter().fold(0u64, |sum, (_, min, _)| sum.saturating_add(*min));
        let needed = occurring.saturating_add(array.broken.len() as u64 + if array.is_repeated { 2 } else { 0 });
        let last = array.most.min(array.least.max(declared.saturating_add(needed)));
        if last > ITEMS_MAX && array.least <= last {
            return refuse("the arrays are too long to be looked at", "数组过长，无法查看");
        }
        for count in array.least..=last {
            let each = |at: u64| array.items.iter().map(|items| holds(item(items, at as usize))).collect();
            let positions: Vec<BTreeSet<Literal>> = (0..count).map(each).collect();
            self.filled(array, positions, 0, parts)?;
        }
        Ok(())
    }

    /// Whether the positions cannot all be filled so that what must occur does: one obligation after another is given a place.
    fn filled(&mut self, array: &Array, at: Vec<BTreeSet<Literal>>, done: usize, parts: &[usize]) -> Checked {
        self.spend(1 + at.len() as u64 * (1 + parts.len() as u64))?;
        if at.iter().any(|literals| self.is_impossible(literals, parts))
            || array.is_unique && self.is_crowded(&at, parts)
        {
            return Ok(());
        }
        let (broken, counts) = (array.broken.len(), array.counts.len());
        if done < broken {
            for position in 0..at.len() {
                let mut next = at.clone();
                next[position].insert(fails(item(&array.broken[done], position)));
                self.filled(array, next, done + 1, parts)?;
            }
            return Ok(());
        }
        if done < broken + counts {
            let (schema, min, max) = array.counts[done - broken];
            let most = max.map_or(min, |max| max.min(at.len() as u64));
            // Under a maximum all others fail; without one it is enough to say of so many that they do not.
            for count in min..=most.min(at.len() as u64) {
                for chosen in choices(at.len(), count as usize, &mut self.work_left)? {
                    let mut next = at.clone();
                    for (position, literals) in next.iter_mut().enumerate() {
                        match chosen.contains(&position) {
                            true => drop(literals.insert(holds(schema))),
                            false if max.is_some() => drop(literals.insert(fails(schema))),
                            false => {}
                        }
                    }
                    self.filled(array, next, done + 1, parts)?;
                }
            }
            return Ok(());
        }
        if done == broken + counts && array.is_repeated {
            // Two equal items are as both positions ask.
            for two in 1..at.len() {
                for one in 0..two {
                    let mut next = at.clone();
                    let both: BTreeSet<Literal> = at[one].union(&at[two]).copied().collect();
                    (next[one], next[two]) = (both.clone(), both);
                    self.filled(array, next, done + 1, parts)?;
                }
            }
            return Ok(());
        }
        refuse("an array that nothing refutes", "有数组未被排除")
    }

    /// Whether more positions ask for the same than there are different values for it.
    fn is_crowded(&self, at: &[BTreeSet<Literal>], parts: &[usize]) -> bool {
        self.parts(parts).any(|goal| {
            goal.iter().filter(|literal| !is_positive(**literal)).any(|other| {
                let Node::Enum(values) = self.graph.node(node_of(*other)) else { return false };
                let asks =
                    |literals: &&BTreeSet<Literal>| goal.iter().all(|one| one == other || literals.contains(one));
                at.iter().filter(asks).count() > values.len()
            })
        })
    }

    fn members(&mut self, branch: &Branch, parts: &[usize]) -> Checked {
        let mut object = Object { most: u64::MAX, ..Object::default() };
        let mut patterns = BTreeSet::new();
        for literal in &branch.literals {
            let must = is_positive(*literal);
            match (self.graph.node(node_of(*literal)), must) {
                (Node::Required(name), must) => {
                    object.declared.insert(name.clone());
                    if must { &mut object.required } else { &mut object.forbidden }.insert(name.clone());
                }
                (Node::MinProperties(min), true) => object.least = object.least.max(*min),
                (Node::MaxProperties(max), true) => object.most = object.most.min(*max),
                (Node::MinProperties(0), false) => return Ok(()),
                (Node::MinProperties(min), false) => object.most = object.most.min(min - 1),
                (Node::MaxProperties(max), false) => object.least = object.least.max(max.saturating_add(1)),
                (Node::Names(schema), true) => object.names.push(*schema),
                (Node::Names(schema), false) => object.names_broken.push(*schema),
                (Node::Properties { named, patterns: matched, rest }, must) => {
                    object.declared.extend(named.iter().map(|(name, _)| name.clone()));
                    patterns.extend(matched.iter().map(|(pattern, _)| pattern.clone()));
                    let members = (named.clone(), matched.clone(), *rest);
                    if must { &mut object.members } else { &mut object.broken }.push(members);
                }
                _ => {}
            }
        }
        if object.least > object.most {
            return Ok(());
        }
        object.patterns = patterns.into_iter().collect();
        if object.patterns.len() > PATTERNS_MAX {
            return refuse("too many patterns of member names", "成员名称的模式过多");
        }
        let mut chosen = Vec::new();
        for name in &object.required {
            chosen.push(self.named(&object, name)?);
        }
        self.chosen(&object, chosen, 0, parts)
    }

    /// A member with a declared name, and what its value must be.
    fn named(&mut self, object: &Object, name: &str) -> Result<Member, Text> {
        let mut literals = BTreeSet::new();
        for (named, patterns, rest) in &object.members {
            let applying = self
                .values
                .applying(named, patterns, *rest, name)
                .ok_or_else(|| said("a pattern is out of reach", "有模式超出能力"))?;
            literals.extend(applying.into_iter().map(holds));
        }
        Ok(Member { who: Who::Named(name.to_owned()), literals, name: BTreeSet::new() })
    }

    /// A member whose name nothing declares, by the patterns that it matches: what they ask is all that is asked of it.
    fn fresh(&self, object: &Object, region: u64) -> Member {
        let applying = object.members.iter().flat_map(|members| object.applying(members, region));
        Member { who: Who::Fresh(region), literals: applying.map(holds).collect(), name: BTreeSet::new() }
    }

    /// Whether such members cannot all be, together with what else must occur.
    fn chosen(&mut self, object: &Object, chosen: Vec<Member>, done: usize, parts: &[usize]) -> Checked {
        self.spend(1 + chosen.len() as u64 * (1 + parts.len() as u64))?;
        if chosen.len() as u64 > object.most {
            return Ok(());
        }
        for member in &chosen {
            if self.is_impossible(&member.literals, parts) || self.has_no_name(object, member, &chosen, parts) {
                return Ok(());
            }
        }
        let breaking = object.broken.get(done);
        let misnamed = done.checked_sub(object.broken.len()).and_then(|at| object.names_broken.get(at));
        if breaking.is_none() && misnamed.is_none() {
            return self.too_few(object, parts);
        }
        for name in &object.declared {
            // What the member must be besides: one of these.
            let besides: Vec<Option<Literal>> = match (breaking, misnamed) {
                (Some((named, patterns, rest)), _) => {
                    let applying = self
                        .values
                        .applying(named, patterns, *rest, name)
                        .ok_or_else(|| said("a pattern is out of reach", "有模式超出能力"))?;
                    applying.into_iter().map(|schema| Some(fails(schema))).collect()
                }
                (None, Some(names)) => match self.values.is(self.graph, *names, &Value::from(name.as_str()), 0) {
                    Some(true) => Vec::new(),
                    _ => vec![None],
                },
                (None, None) => Vec::new(),
            };
            for literal in besides {
                let mut next = chosen.clone();
                let same = next.iter().position(|member| matches!(&member.who, Who::Named(other) if other == name));
                let at = match same {
                    Some(at) => at,
                    None => {
                        next.push(self.named(object, name)?);
                        next.len() - 1
                    }
                };
                next[at].literals.extend(literal);
                self.chosen(object, next, done + 1, parts)?;
            }
        }
        for region in 0..1u64 << object.patterns.len() {
            let besides: Vec<(Option<Literal>, Option<Literal>)> = match (breaking, misnamed) {
                (Some(members), _) => {
                    object.applying(members, region).into_iter().map(|schema| (Some(fails(schema)), None)).collect()
                }
                (None, names) => vec![(None, names.map(|names| fails(*names)))],
            };
            for (literal, name) in besides {
                let earlier =
                    (0..chosen.len()).filter(|at| matches!(chosen[*at].who, Who::Fresh(own) if own == region));
                // One that was chosen before, or a new one.
                for at in earlier.chain([chosen.len()]) {
                    let mut next = chosen.clone();
                    if at == chosen.len() {
                        next.push(self.fresh(object, region));
                    }
                    next[at].literals.extend(literal);
                    next[at].name.extend(name);
                    self.chosen(object, next, done + 1, parts)?;
                }
            }
        }
        Ok(())
    }

    fn has_no_name(&mut self, object: &Object, member: &Member, chosen: &[Member], parts: &[usize]) -> bool {
        match &member.who {
            Who::Named(name) => {
                let value = Value::from(name.as_str());
                let fits = object.names.iter().map(|names| self.values.is(self.graph, *names, &value, 0));
                object.forbidden.contains(name) || every(fits) == Some(false)
            }
            Who::Fresh(region) => self.names_left(object, *region, parts).into_iter().any(|(besides, names)| {
                let same = |other: &&Member| {
                    matches!(other.who, Who::Fresh(own) if own == *region) && besides.is_subset(&other.name)
                };
                besides.is_subset(&member.name) && chosen.iter().filter(same).count() > names
            }),
        }
    }

    /// What lemmas say of the undeclared names that match just so: those that satisfy such literals are at most so many.
    fn names_left(&mut self, object: &Object, region: u64, parts: &[usize]) -> Vec<(BTreeSet<Literal>, usize)> {
        let graph = self.graph;
        let mut own: HashSet<Literal> = object.names.iter().map(|names| holds(*names)).collect();
        own.extend(graph.find(&Node::Type(Types::STRING)).map(holds));
        for (at, pattern) in object.patterns.iter().enumerate() {
            let node = graph.find(&Node::Pattern(pattern.clone()));
            own.extend(node.map(|node| if region >> at & 1 == 1 { holds(node) } else { fails(node) }));
        }
        let goals: Vec<&[Literal]> =
            parts.iter().filter_map(|part| self.lemmas.get(*part)).map(|lemma| lemma.goal.as_slice()).collect();
        let mut found = Vec::new();
        for goal in goals {
            let (mut besides, mut others) = (BTreeSet::new(), None);
            let mut is_about_names = true;
            for literal in goal.iter().filter(|literal| !own.contains(literal)) {
                let ruled_out = match graph.node(node_of(*literal)) {
                    Node::Enum(values) if !is_positive(*literal) => Some(values),
                    _ => None,
                };
                let is_declared =
                    |value: &u32| graph.value(*value).as_str().is_some_and(|name| object.declared.contains(name));
                match ruled_out {
                    // No undeclared name is a declared one.
                    Some(values) if values.iter().all(is_declared) => {}
                    Some(values) if !object.names_broken.contains(&node_of(*literal)) => {
                        is_about_names &= others.replace(values).is_none();
                    }
                    _ => drop(besides.insert(*literal)),
                }
            }
            // Of the others that are ruled out, those in the region may still be had, unless they are not as the goal asks.
            let mut names = 0;
            for value in others.into_iter().flatten() {
                let Some(name) = graph.value(*value).as_str() else { continue };
                let in_region = object.patterns.iter().enumerate().all(|(at, pattern)| {
                    self.values.patterns.is_match(pattern, name).is_none_or(|is| is == (region >> at & 1 == 1))
                });
                let name_value = Value::from(name);
                let fits = besides.iter().all(|literal| {
                    let is = self.values.is(graph, node_of(*literal), &name_value, 0);
                    is.is_none_or(|is| is == is_positive(*literal))
                });
                names += usize::from(in_region && fits && !object.declared.contains(name));
            }
            if is_about_names {
                found.push((besides, names));
            }
        }
        found
    }

    /// Whether there are too few members that can be.
    fn too_few(&mut self, object: &Object, parts: &[usize]) -> Checked {
        let mut possible = 0u64;
        for name in &object.declared {
            let member = self.named(object, name)?;
            let none = self.is_impossible(&member.literals, parts) || self.has_no_name(object, &member, &[], parts);
            possible += u64::from(!none);
        }
        for region in 0..1u64 << object.patterns.len() {
            if possible >= object.least {
                break;
            }
            self.spend(1 + parts.len() as u64)?;
            if !self.is_impossible(&self.fresh(object, region).literals, parts) {
                let left = self.names_left(object, region, parts);
                let names = left.into_iter().filter(|(besides, _)| besides.is_empty()).map(|(_, names)| names).min();
                possible = possible.saturating_add(names.map_or(u64::MAX, |names| names as u64));
            }
        }
        if possible < object.least { Ok(()) } else { refuse("an object that nothing refutes", "有对象未被排除") }
    }
}

/// The value with its numbers written with an exponent, and with more places; none where it holds no number.
fn spelled_otherwise(value: &Value) -> Vec<Value> {
    fn walk(value: &mut Value, has_numbers: &mut bool, with_exponent: bool) {
        match value {
            Value::Number(number) => {
                let text = number.to_string();
                let written = match (with_exponent, text.contains('.')) {
                    _ if text.contains(['e', 'E']) => text,
                    (true, _) => format!("{text}e0"),
                    (false, true) => format!("{text}0"),
                    (false, false) => format!("{text}.0"),
                };
                *has_numbers = true;
                if let Ok(written) = written.parse() {
                    *number = written;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, has_numbers, with_exponent)),
            Value::Object(members) => members.values_mut().for_each(|member| walk(member, has_numbers, with_exponent)),
            _ => {}
        }
    }
    let other = |with_exponent| {
        let (mut value, mut has_numbers) = (value.clone(), false);
        walk(&mut value, &mut has_numbers, with_exponent);
        has_numbers.then_some(value)
    };
    [other(true), other(false)].into_iter().flatten().collect()
}

/// Of a subject's situations only those within the bound are left.
fn leave(left: &mut [Vec<bool>], (at, bound): &Bound) {
    left[*at].iter_mut().zip(bound).for_each(|(left, bound)| *left &= bound);
}

#[derive(Clone, Default)]
struct Array {
    least: u64,
    most: u64,
    /// What each position must be: the first ones, and the rest.
    items: Vec<(Vec<Id>, Id)>,
    /// Each is failed by some item.
    broken: Vec<(Vec<Id>, Id)>,
    /// How many items satisfy what.
    counts: Vec<(Id, u64, Option<u64>)>,
    is_unique: bool,
    is_repeated: bool,
}

impl Array {
    fn counting(&self, count: (Id, u64, Option<u64>)) -> Self {
        let mut array = self.clone();
        array.counts.push(count);
        array
    }
}

fn item((prefix, rest): &(Vec<Id>, Id), position: usize) -> Id {
    prefix.get(position).copied().unwrap_or(*rest)
}

fn choices(length: usize, count: usize, work_left: &mut u64) -> Result<Vec<BTreeSet<usize>>, Text> {
    let mut found = vec![BTreeSet::new()];
    for _ in 0..count {
        let mut next = Vec::new();
        for chosen in &found {
            let from = chosen.last().map_or(0, |last: &usize| last + 1);
            next.extend((from..length).map(|position| chosen.iter().copied().chain([position]).collect()));
        }
        *work_left = work_left
            .checked_sub(next.len() as u64)
            .ok_or_else(|| said("the proof is too long to be checked", "证明过长，无法复核"))?;
        found = next;
    }
    Ok(found)
}

type Members = (Vec<(String, Id)>, Vec<(String, Id)>, Id);

#[derive(Default)]
struct Object {
    least: u64,
    most: u64,
    members: Vec<Members>,
    /// Each is failed by some member.
    broken: Vec<Members>,
    names: Vec<Id>,
    /// Each is failed by some name.
    names_broken: Vec<Id>,
    required: BTreeSet<String>,
    forbidden: BTreeSet<String>,
    declared: BTreeSet<String>,
    patterns: Vec<String>,
}

impl Object {
    /// What an undeclared member is asked, by the patterns that its name matches: a bit for each.
    fn applying(&self, (_, patterns, rest): &Members, region: u64) -> Vec<Id> {
        let bit = |pattern: &String| self.patterns.iter().position(|other| other == pattern);
        let matching = |pattern: &String| bit(pattern).is_some_and(|at| region >> at & 1 == 1);
        let found: Vec<Id> =
            patterns.iter().filter(|(pattern, _)| matching(pattern)).map(|(_, schema)| *schema).collect();
        if found.is_empty() { vec![*rest] } else { found }
    }
}

#[derive(Clone)]
struct Member {
    who: Who,
    literals: BTreeSet<Literal>,
    /// What its name must be besides, where nothing declares it.
    name: BTreeSet<Literal>,
}

#[derive(Clone)]
enum Who {
    Named(String),
    Fresh(u64),
}

/// Runs the automata side by side over all texts, code point by code point, until nothing new comes; no text but the known
/// ones may be accepted.
fn only_known(run: &mut Run, known: &[&str], least: u64, most: u64, work_left: &mut u64) -> Checked {
    let known: HashSet<&[u8]> = known.iter().map(|text| text.as_bytes()).collect();
    // What has been read of a known text, while it may still be one.
    let is_start = |read: &[u8]| known.iter().any(|text| text.starts_with(read));
    let letters: Vec<u8> = run.letters().collect();
    let begin = (run.start().ok_or_else(|| said("an automaton does not start", "自动机无法启动"))?, Some(Vec::new()));
    let (mut level, mut seen, mut length) = (HashSet::from([begin]), HashSet::new(), 0u64);
    while !level.is_empty() && length <= most {
        let mut next = HashSet::new();
        for (states, read) in level {
            *work_left = work_left
                .checked_sub(16)
                .ok_or_else(|| said("the proof is too long to be checked", "证明过长，无法复核"))?;
            let is_known = read.as_ref().is_some_and(|read: &Vec<u8>| known.contains(read.as_slice()));
            if length >= least
                && !is_known
                && run.accepts(&states).ok_or_else(|| said("an automaton gave up", "自动机放弃"))?
            {
                return refuse("the patterns accept another text", "各模式还接受其他文本");
            }
            // Beyond the least length nothing but the states counts: what comes later is longer.
            if length >= least && !seen.insert((states.clone(), read.clone())) {
                continue;
            }
            let mut open = vec![(states, read, 0u8, true)];
            while let Some((states, read, pending, is_first)) = open.pop() {
                if pending == 0 && !is_first {
                    next.insert((states, read));
                    continue;
                }
                for letter in &letters {
                    let letter = *letter;
                    let follows = match (is_first, letter) {
                        (true, 0..=0x7F) => 0,
                        (true, 0xC2..=0xDF) => 1,
                        (true, 0xE0..=0xEF) => 2,
                        (true, 0xF0..=0xF4) => 3,
                        (false, 0x80..=0xBF) => pending - 1,
                        _ => continue,
                    };
                    *work_left = work_left
                        .checked_sub(1)
                        .ok_or_else(|| said("the proof is too long to be checked", "证明过长，无法复核"))?;
                    let Some(states) =
                        run.next(&states, letter).ok_or_else(|| said("an automaton gave up", "自动机放弃"))?
                    else {
                        continue;
                    };
                    let read = read.clone().and_then(|mut read| {
                        read.push(letter);
                        is_start(&read).then_some(read)
                    });
                    open.push((states, read, follows, false));
                }
            }
        }
        level = next;
        length += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
