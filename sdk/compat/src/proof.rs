//! Why no value is all of these and none of those: what the search found, in a form that can be checked without it.
//!
//! A proof is a list of lemmas, the first of which is what was asked. Each says of some literals that no value satisfies all of
//! them, and why. Where the reason is that a member, an item or a name of the value cannot be, it names the lemma that says so.
//! Lemmas may lean on each other in circles: whatever satisfied one would hold a smaller value that satisfies the next, and
//! values do not get smaller for ever.

use crate::{
    normal::{Graph, Id, Node},
    solve::{Literal, is_positive, node_of},
};
use guiju_model::Text;
use jsonschema::Draft;
use std::{collections::HashMap, rc::Rc};

/// What the search makes: why no value satisfies some literals. Parts of other values are named by their literals.
#[derive(Debug, PartialEq)]
pub(crate) enum Why {
    /// These very literals are being asked about further out.
    Open,
    Step(Step<(Vec<Literal>, Rc<Why>), Rc<Why>>),
}

/// One step of a proof. `Part` says that a part of the value cannot be, `Below` closes what is left of a branch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step<Part, Below> {
    /// A literal beside its opposite, or no type, or no value is left.
    Clash,
    /// Of these choices all ways but one are closed at sight, one choice after another.
    Forced(Vec<Literal>, Below),
    /// Each way of meeting a choice is closed; none: at sight.
    Cases(Literal, Vec<Option<Below>>),
    /// Closed for each type that is left.
    Types(Vec<Below>),
    /// Few values are left, and each fails a literal.
    Values,
    /// The bounds leave no number, or few, each of which fails a literal.
    Numbers,
    /// The patterns and lengths leave these texts alone, and each fails a literal.
    Texts(Vec<String>),
    /// Every code of the list that this literal asks for fails a literal.
    Codes(Literal),
    /// However its items are chosen, one of them is such a part.
    Items(Vec<Part>),
    /// However its members are chosen, one of them, or its name, is such a part.
    Members(Vec<Part>),
    /// The rules between fields cannot all be kept and broken so.
    Rules,
}

pub(crate) type Found = Step<(Vec<Literal>, Rc<Why>), Rc<Why>>;

impl Found {
    pub fn why(self) -> Rc<Why> {
        Rc::new(Why::Step(self))
    }
}

/// A step that owns what is below it; parts are indices of lemmas.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule(pub Step<usize, Box<Rule>>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lemma {
    /// In order, each once.
    pub goal: Vec<Literal>,
    pub rule: Rule,
}

/// What is proved, that no value satisfies the goal, and how. `replay.rs` checks it again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Theorem {
    pub goal: Vec<Literal>,
    pub lemmas: Vec<Lemma>,
    /// Whether `1.0` may be told from `1`.
    pub tells_spelling: bool,
    /// Whether rules count by what they mean, too.
    pub takes_rules_apart: bool,
    pub draft: Draft,
}

/// One line of a proof as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How far it is indented; lemmas stand at 0.
    pub depth: usize,
    /// The rule that was used: `lemma`, `clash`, `forced`, `cases`, `case`, `types`, `values`, `numbers`, `texts`, `codes`,
    /// `items`, `members`, `rules`.
    pub rule: &'static str,
    pub text: Text,
}

/// The lemmas of a proof that was found; none where it leans on what is nowhere proved.
pub(crate) fn lemmas(goal: &[Literal], why: &Rc<Why>) -> Option<Vec<Lemma>> {
    let mut flat = Flat { numbers: HashMap::new(), wanted: Vec::new() };
    flat.number(goal.to_vec(), why);
    let mut lemmas = Vec::new();
    while let Some((goal, why)) = flat.wanted.get(lemmas.len()).cloned() {
        let rule = flat.rule(&why)?;
        lemmas.push(Lemma { goal, rule });
    }
    Some(lemmas)
}

struct Flat {
    numbers: HashMap<Vec<Literal>, usize>,
    wanted: Vec<(Vec<Literal>, Rc<Why>)>,
}

impl Flat {
    fn number(&mut self, mut goal: Vec<Literal>, why: &Rc<Why>) -> usize {
        goal.sort_unstable();
        goal.dedup();
        let next = self.wanted.len();
        let number = *self.numbers.entry(goal.clone()).or_insert(next);
        if number == next {
            self.wanted.push((goal, Rc::clone(why)));
        } else if matches!(*self.wanted[number].1, Why::Open) {
            // What leaned on a question that was open is proved where it was asked.
            self.wanted[number].1 = Rc::clone(why);
        }
        number
    }

    fn parts(&mut self, parts: &[(Vec<Literal>, Rc<Why>)]) -> Vec<usize> {
        let mut numbers: Vec<usize> = parts.iter().map(|(goal, why)| self.number(goal.clone(), why)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn rule(&mut self, why: &Why) -> Option<Rule> {
        let Why::Step(step) = why else { return None };
        Some(Rule(match step {
            Step::Clash => Step::Clash,
            Step::Forced(choices, then) => Step::Forced(choices.clone(), Box::new(self.rule(then)?)),
            Step::Cases(choice, ways) => {
                let ways = ways.iter().map(|way| match way {
                    None => Some(None),
                    Some(way) => self.rule(way).map(|rule| Some(Box::new(rule))),
                });
                Step::Cases(*choice, ways.collect::<Option<_>>()?)
            }
            Step::Types(types) => {
                let types = types.iter().map(|why| self.rule(why).map(Box::new));
                Step::Types(types.collect::<Option<_>>()?)
            }
            Step::Values => Step::Values,
            Step::Numbers => Step::Numbers,
            Step::Texts(texts) => Step::Texts(texts.clone()),
            Step::Codes(list) => Step::Codes(*list),
            Step::Items(parts) => Step::Items(self.parts(parts)),
            Step::Members(parts) => Step::Members(self.parts(parts)),
            Step::Rules => Step::Rules,
        }))
    }
}

/// Lines told of one proof.
const LINES_MAX: usize = 2_000;
/// Longest text of a part of a schema.
const TEXT_MAX: usize = 120;

/// The chain of rules, for people: each lemma, and below it how it is closed.
pub(crate) fn lines(graph: &Graph, theorem: &Theorem) -> Vec<Line> {
    Teller { graph }.lines(&theorem.lemmas)
}

struct Teller<'g> {
    graph: &'g Graph,
}

impl Teller<'_> {
    fn lines(&self, lemmas: &[Lemma]) -> Vec<Line> {
        let mut lines = Vec::new();
        for (number, lemma) in lemmas.iter().enumerate() {
            let goal: Vec<String> = lemma.goal.iter().map(|literal| self.literal(*literal)).collect();
            let goal = goal.join("; ");
            let (en, zh) =
                (format!("{}. no value: {goal}", number + 1), format!("{}. 没有这样的值：{goal}", number + 1));
            lines.push(Line { depth: 0, rule: "lemma", text: Text { en, zh } });
            self.told(&lemma.rule, 1, &mut lines);
        }
        if lines.len() > LINES_MAX {
            let more = lines.len() - LINES_MAX;
            lines.truncate(LINES_MAX);
            let (en, zh) = (format!("and {more} lines more"), format!("另有 {more} 行"));
            lines.push(Line { depth: 0, rule: "lemma", text: Text { en, zh } });
        }
        lines
    }

    fn told(&self, rule: &Rule, depth: usize, lines: &mut Vec<Line>) {
        let numbered = |parts: &[usize]| {
            let numbers: Vec<String> = parts.iter().map(|part| (part + 1).to_string()).collect();
            numbers.join(", ")
        };
        let mut line = |depth: usize, rule: &'static str, en: String, zh: String| {
            lines.push(Line { depth, rule, text: Text { en, zh } });
        };
        match &rule.0 {
            Step::Clash => {
                line(depth, "clash", "a contradiction at sight".into(), "直接矛盾".into());
            }
            Step::Forced(choices, then) => {
                for choice in choices {
                    let choice = self.literal(*choice);
                    line(depth, "forced", format!("only one way is left: {choice}"), format!("只余一种可能：{choice}"));
                }
                self.told(then, depth, lines);
            }
            Step::Cases(choice, ways) => {
                let choice = self.literal(*choice);
                line(depth, "cases", format!("case by case: {choice}"), format!("分情形：{choice}"));
                for (number, way) in ways.iter().enumerate() {
                    let number = number + 1;
                    match way {
                        None => lines.push(Line {
                            depth: depth + 1,
                            rule: "case",
                            text: Text {
                                en: format!("case {number}: a contradiction at sight"),
                                zh: format!("情形 {number}：直接矛盾"),
                            },
                        }),
                        Some(way) => {
                            let text = Text { en: format!("case {number}:"), zh: format!("情形 {number}：") };
                            lines.push(Line { depth: depth + 1, rule: "case", text });
                            self.told(way, depth + 2, lines);
                        }
                    }
                }
            }
            Step::Types(types) => {
                if types.len() > 1 {
                    line(depth, "types", "type by type:".into(), "分类型：".into());
                }
                let depth = if types.len() > 1 { depth + 1 } else { depth };
                types.iter().for_each(|below| self.told(below, depth, lines));
            }
            Step::Values => {
                line(depth, "values", "each of the few values fails".into(), "有限个值逐一不符".into());
            }
            Step::Numbers => {
                let en = "the bounds and multiples leave no number".into();
                line(depth, "numbers", en, "取值范围与倍数约束下没有数".into());
            }
            Step::Texts(texts) if texts.is_empty() => {
                let en = "the automata of the patterns, run to the end, accept no text of such a length".into();
                line(depth, "texts", en, "模式自动机穷尽后，没有符合长度的文本".into());
            }
            Step::Texts(texts) => {
                let texts = cut(&format!("{texts:?}"));
                let en = format!("the patterns leave these texts alone, and each fails: {texts}");
                line(depth, "texts", en, format!("模式只允许下列文本，且逐一不符：{texts}"));
            }
            Step::Codes(_) => {
                line(depth, "codes", "each code of the list fails".into(), "代码表中的代码逐一不符".into());
            }
            Step::Items(parts) if parts.is_empty() => {
                line(depth, "items", "no number of items will do".into(), "没有可行的项数".into());
            }
            Step::Items(parts) => {
                let parts = numbered(parts);
                let en = format!("however the items are chosen, one of them would be as in {parts}");
                line(depth, "items", en, format!("无论各项如何取值，必有一项如 {parts} 所述"));
            }
            Step::Rules => {
                let en = "what breaks this rule between fields breaks one that is to be kept".into();
                line(depth, "rules", en, "违反该字段间规则者，必违反另一条须满足的规则".into());
            }
            Step::Members(parts) if parts.is_empty() => {
                line(depth, "members", "no choice of members will do".into(), "没有可行的成员".into());
            }
            Step::Members(parts) => {
                let parts = numbered(parts);
                let en = format!("however the members are chosen, one of them would be as in {parts}");
                line(depth, "members", en, format!("无论各成员如何取值，必有一个如 {parts} 所述"));
            }
        }
    }

    fn literal(&self, literal: Literal) -> String {
        let text = self.node(node_of(literal), 0);
        cut(&if is_positive(literal) { text } else { format!("not {text}") })
    }

    /// A part of a schema in the words of JSON Schema, with the place where it was first read.
    fn node(&self, id: Id, depth: usize) -> String {
        let graph = self.graph;
        let place = graph.place(id).map(crate::solve::plain);
        let at = place.as_ref().map_or(String::new(), |place| {
            let document = if graph.is_new(id) { "new" } else { "old" };
            format!(" at {} of the {document}", if place.is_empty() { "/" } else { place })
        });
        let list = |parts: &[Id]| {
            let parts: Vec<String> = parts.iter().take(8).map(|part| self.node(*part, depth + 1)).collect();
            parts.join(", ")
        };
        if depth > 2 {
            return place.map_or("…".into(), |_| at.trim_start().to_owned());
        }
        let own = match graph.node(id) {
            Node::True => return "anything".into(),
            Node::False => return "nothing".into(),
            Node::All(_) if place.is_some() => return format!("the schema{at}"),
            Node::All(parts) => return format!("all of ({})", list(parts)),
            Node::Any(parts) => format!("any of ({})", list(parts)),
            Node::One(parts) => format!("one of ({})", list(parts)),
            Node::Not(part) => format!("not ({})", list(&[*part])),
            Node::If(condition, then, otherwise) => {
                format!("if/then/else ({})", list(&[*condition, *then, *otherwise]))
            }
            Node::Ref(reference) => return self.node(graph.target(*reference), depth + 1),
            Node::Type(types) => format!("type {types}"),
            Node::Enum(values) => {
                let values: Vec<String> = values.iter().take(8).map(|value| graph.value(*value).to_string()).collect();
                format!("one of the values {}", values.join(", "))
            }
            Node::Minimum { limit, exclusive } => format!("{} {limit}", if *exclusive { ">" } else { ">=" }),
            Node::Maximum { limit, exclusive } => format!("{} {limit}", if *exclusive { "<" } else { "<=" }),
            Node::Multiple(of) => format!("a multiple of {of}"),
            Node::MinLength(min) => format!("minLength {min}"),
            Node::MaxLength(max) => format!("maxLength {max}"),
            Node::Pattern(pattern) => format!("pattern {pattern}"),
            Node::Format(format) => format!("format {format}"),
            Node::Listed(_) => "a code of the list".into(),
            Node::Dated(_) => "no code of the list that is not valid on the day".into(),
            Node::Items { .. } => "items".into(),
            Node::MinItems(min) => format!("minItems {min}"),
            Node::MaxItems(max) => format!("maxItems {max}"),
            Node::Unique => "uniqueItems".into(),
            Node::Contains { .. } => "contains".into(),
            Node::Properties { named, .. } => {
                let names: Vec<&str> = named.iter().take(6).map(|(name, _)| name.as_str()).collect();
                format!("properties ({})", names.join(", "))
            }
            Node::Required(name) => format!("required {name}"),
            Node::MinProperties(min) => format!("minProperties {min}"),
            Node::MaxProperties(max) => format!("maxProperties {max}"),
            Node::Names(_) => "propertyNames".into(),
            Node::Opaque { key, .. } => key.split(' ').next().unwrap_or_default().to_owned(),
        };
        format!("{own}{at}")
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
