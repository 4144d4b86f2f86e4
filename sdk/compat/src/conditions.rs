//! Rules between fields in normal form: what one of them says of another.
//!
//! A condition looks at a *subject*, for example two operands side by side, which is in one of finitely many situations: the
//! left is less, they are equal, one cannot be read. Whether the condition holds hangs on the situation alone. So rules are
//! clauses over a few small sets, and whether some can all be kept while others are broken is a finite question.
//!
//! # Invariants
//! - Every value of a record is in one of the situations of each subject. There may be situations in which no value is: then
//!   less is proved.

use crate::{
    exact,
    normal::{Graph, Id, Node, Types},
    solve::{Literal, is_positive, node_of},
    value::type_of,
};
use guiju_model::{Date, pointer};
use guiju_validator::rules::{Comparison, Reading};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;
use serde_json::{Value, json};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// One rule with one condition in `then`: broken where all of `when` hold for certain, and `then` surely does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Clause {
    pub when: BTreeSet<Condition>,
    pub then: Condition,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Condition {
    subject: Subject,
    test: Test,
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Subject {
    /// Two operands, read alike or as they come; in order, so that both spellings of a comparison are one.
    Pair(Operand, Operand, Option<Reading>),
    /// Two numbers that may lie apart.
    Apart(Operand, Operand),
    /// An operand beside literals that have an order.
    Line(Operand, Option<Reading>),
    /// An operand beside literals that it equals or does not.
    Among(Operand),
    /// An operand beside texts with which it begins or does not.
    Begins(Operand),
    Prefix(Operand, Operand),
    Parity(Operand, Operand),
    Present(String),
    OneOf(Vec<String>),
    /// A condition by its words: it holds, or not, or is not judged.
    Words(String),
    /// What never holds: that 0 is 1.
    Never,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Test {
    Compare(Comparison, Tolerance),
    /// Beside one literal.
    Beside(Comparison, Key),
    In(BTreeSet<Key>),
    NotIn(BTreeSet<Key>),
    Text(String),
    Holds,
    Fails,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Tolerance {
    None,
    Absolute(BigRational),
    /// Of the second operand as they stand in the subject, or of the first.
    Ratio(BigRational, bool),
}

/// A literal as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Number(BigRational),
    Text(String),
    Date(Date),
    Bool(bool),
}

/// One side of a condition, by a text that the same side always has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Operand {
    text: String,
    kind: Kind,
    fields: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Field,
    /// Some code points of a field.
    Part,
    Literal,
    /// A number, wherever there is one.
    Length,
    Difference,
    Sum,
}

impl Clause {
    /// A rule as it is written, which the validator has read: `if`, and one condition in `then`.
    pub fn read(rule: &Value) -> Option<Self> {
        let all = |name: &str| rule.get(name).and_then(Value::as_array).into_iter().flatten();
        let when = all("if").map(Condition::read).collect::<Option<_>>()?;
        let mut then = all("then");
        match (then.next(), then.next()) {
            (Some(then), None) => Some(Self { when, then: Condition::read(then)? }),
            _ => None,
        }
    }
}

impl Condition {
    fn read(written: &Value) -> Option<Self> {
        let op = written.get("op")?.as_str()?;
        let words = || {
            let (subject, test) = (Subject::Words(written.to_string()), Test::Holds);
            Some(Self { subject, test })
        };
        let field = |side: &str| Some(written.get(side)?.get("field")?.as_str()?.to_owned());
        let (subject, test) = match op {
            "present" => (Subject::Present(field("left")?), Test::Holds),
            "absent" => (Subject::Present(field("left")?), Test::Fails),
            "oneOf" => {
                let mut fields = texts(written.get("fields")?)?;
                fields.sort();
                (Subject::OneOf(fields), Test::Holds)
            }
            "in" if *written == never() => (Subject::Never, Test::Holds),
            "in" => {
                let (left, reading) = operand(written.get("left")?)?;
                let literals = written.get("right")?.get("values")?.as_array()?;
                match among(left, reading, literals) {
                    Some((subject, keys)) => (subject, Test::In(keys)),
                    None => return words(),
                }
            }
            "prefix" => {
                let ((left, _), (right, _)) = (operand(written.get("left")?)?, operand(written.get("right")?)?);
                match written.get("right")?.get("value").and_then(Value::as_str) {
                    Some(text) => (Subject::Begins(left), Test::Text(text.to_owned())),
                    None => (Subject::Prefix(left, right), Test::Holds),
                }
            }
            "sameParity" => {
                let ((left, _), (right, _)) = (operand(written.get("left")?)?, operand(written.get("right")?)?);
                let (one, other) = if left <= right { (left, right) } else { (right, left) };
                (Subject::Parity(one, other), Test::Holds)
            }
            op => match comparison(written, Comparison::of(op)?)? {
                Some(found) => found,
                None => return words(),
            },
        };
        Some(Self { subject, test })
    }
}

/// A condition that no record meets.
pub(crate) fn never() -> Value {
    json!({"op": "in", "left": {"value": 0}, "right": {"values": [1]}})
}

/// The inner `None`: a comparison that is known by its words alone.
fn comparison(written: &Value, op: Comparison) -> Option<Option<(Subject, Test)>> {
    let ((left, left_reading), (right, right_reading)) =
        (operand(written.get("left")?)?, operand(written.get("right")?)?);
    let mut reading = left_reading.or(right_reading);
    let tolerance = match written.get("tolerance") {
        None => Tolerance::None,
        Some(given) => match (given.get("ratio"), given.get("absolute")) {
            (Some(ratio), None) => Tolerance::Ratio(exact::rational(ratio.as_number()?)?, true),
            (None, Some(apart)) => Tolerance::Absolute(exact::rational(apart.as_number()?)?),
            _ => return Some(None),
        },
    };
    let literal = |side: &str| written.get(side).and_then(|side| side.get("value")).cloned();
    let is_turned = match (literal("left"), literal("right")) {
        (Some(_), Some(_)) => return Some(None),
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (None, None) => left > right,
    };
    let beside = if is_turned { literal("left") } else { literal("right") };
    let (one, other) = if is_turned { (right, left) } else { (left, right) };
    let op = if is_turned { op.turned() } else { op };
    if tolerance != Tolerance::None {
        let tolerance = match tolerance {
            Tolerance::Ratio(ratio, _) => Tolerance::Ratio(ratio, !is_turned),
            other => other,
        };
        return Some(Some((Subject::Apart(one, other), Test::Compare(op, tolerance))));
    }
    if let Some(literal) = beside {
        if reading.is_none() && literal.is_number() && one.is_computed() {
            reading = Some(Reading::Decimal);
        }
        let known = among(one.clone(), reading, std::slice::from_ref(&literal));
        return Some(match (known, op) {
            (Some((subject @ Subject::Among(_), keys)), Comparison::Eq) => Some((subject, Test::In(keys))),
            (Some((subject @ Subject::Among(_), keys)), Comparison::Ne) => Some((subject, Test::NotIn(keys))),
            (Some((subject @ Subject::Line(..), keys)), op) => {
                keys.into_iter().next().map(|key| (subject, Test::Beside(op, key)))
            }
            _ => Some((Subject::Pair(one, other, reading), Test::Compare(op, Tolerance::None))),
        });
    }
    let subject = match reading {
        Some(Reading::Decimal) => Subject::Apart(one, other),
        reading => Subject::Pair(one, other, reading),
    };
    Some(Some((subject, Test::Compare(op, Tolerance::None))))
}

/// An operand beside literals, each as it is compared; none where that cannot be said of one of them.
fn among(left: Operand, reading: Option<Reading>, literals: &[Value]) -> Option<(Subject, BTreeSet<Key>)> {
    let all_numbers = literals.iter().all(Value::is_number);
    let reading = if reading.is_none() && all_numbers && left.is_computed() { Some(Reading::Decimal) } else { reading };
    if left.kind == Kind::Literal || literals.is_empty() {
        return None;
    }
    let key = |literal: &Value| match (reading, literal) {
        (Some(Reading::Text), Value::String(text)) => Some(Key::Text(text.clone())),
        (Some(Reading::Text), Value::Number(number)) => Some(Key::Text(number.to_string())),
        (Some(Reading::Integer | Reading::Decimal) | None, Value::Number(number)) => {
            exact::rational(number).map(Key::Number)
        }
        (Some(Reading::Integer | Reading::Decimal), Value::String(text)) => decimal(text).map(Key::Number),
        (Some(Reading::Date), Value::String(text)) => {
            Date::from_compact(text).or_else(|| text.parse().ok()).map(Key::Date)
        }
        // What may be equal to a text that is written otherwise is left to its words.
        (None, Value::String(text)) if !is_moment(text) => Some(Key::Text(text.clone())),
        (None, Value::Bool(is)) => Some(Key::Bool(*is)),
        _ => None,
    };
    let keys: BTreeSet<Key> = literals.iter().map(key).collect::<Option<_>>()?;
    let has_order = reading.is_some() || all_numbers;
    Some((if has_order { Subject::Line(left, reading) } else { Subject::Among(left) }, keys))
}

/// Whether a text may be equal to one that is written otherwise, as days and moments are; or is too long to look at.
pub(crate) fn is_moment(text: &str) -> bool {
    let is_long = text.len() > 10 && text.starts_with(|first: char| first.is_ascii_digit());
    text.parse::<Date>().is_ok() || is_long || text.len() > 300
}

/// The number that a text is where it is compared with one: `01` and `1E5` are codes.
pub(crate) fn plain(text: &str) -> Option<BigRational> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_code = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    decimal(text).filter(|_| !is_code)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

/// An operand without how it is read, and that.
fn operand(written: &Value) -> Option<(Operand, Option<Reading>)> {
    let reading = match written.get("as").and_then(Value::as_str) {
        None => None,
        Some(text) => Some(text.parse().ok()?),
    };
    let of = |text: String, kind: Kind, fields: Vec<String>| Some((Operand { text, kind, fields }, reading));
    let (name, value) = written.as_object()?.iter().find(|(name, _)| !matches!(name.as_str(), "as" | "part"))?;
    match (name.as_str(), written.get("part")) {
        ("field", None) => of(value.as_str()?.to_owned(), Kind::Field, vec![value.as_str()?.to_owned()]),
        ("field", Some(part)) => {
            let field = value.as_str()?.to_owned();
            of(format!("{field} {part}"), Kind::Part, vec![field])
        }
        ("value" | "values", _) => of(format!("= {value}"), Kind::Literal, Vec::new()),
        ("length", _) => of(format!("length {}", value.as_str()?), Kind::Length, vec![value.as_str()?.to_owned()]),
        ("difference", _) => {
            let fields = texts(value)?;
            of(format!("difference {fields:?}"), Kind::Difference, fields)
        }
        ("sum", _) => {
            let mut fields = texts(value)?;
            fields.sort();
            of(format!("sum {fields:?}"), Kind::Sum, fields)
        }
        _ => None,
    }
}

impl Operand {
    fn is_computed(&self) -> bool {
        matches!(self.kind, Kind::Length | Kind::Difference | Kind::Sum)
    }
}

/// A decimal as texts write it, with zeros before it perhaps.
fn decimal(text: &str) -> Option<BigRational> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{part}");
    let is_number = !whole.is_empty() && (whole.len() == digits.len() || !part.is_empty());
    if !is_number || all.len() > 300 || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let power = BigInt::from(10).pow(part.len() as u32);
    Some(BigRational::new(all.parse::<BigInt>().ok()? * sign, power))
}

/// Whether a condition holds in a situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    Unjudged,
}

/// What a subject is found in.
#[derive(Clone, Debug, PartialEq)]
enum Situation {
    /// Absent, or not to be read.
    Unread,
    /// Neither equal nor in order.
    Unlike,
    /// How they compare, and in which order they stand: of amounts kept as text, not the same.
    Pair(Ordering, Ordering),
    /// The order of two numbers; whether the one is 0, where they are equal; and how the distance stands to the absolute
    /// tolerances, the ratios of the second and those of the first: twice the number below it, one more where it is one.
    Apart {
        order: Ordering,
        is_zero: bool,
        absolute: usize,
        second: usize,
        first: usize,
    },
    /// A place among the keys, likewise.
    Line(usize),
    /// Equal to these and no others.
    Equal(BTreeSet<Key>),
    /// A number of so many digits that it is read beside no number.
    Huge,
    /// The longest text that it begins with.
    Begins(Option<String>),
    Yes,
    No,
}

/// Situations of one subject; where there would be more, its conditions are known by their words.
const SITUATIONS_MAX: usize = 600;
/// Literals that one value may equal at once.
const ALIKE_MAX: usize = 4;

/// Some situations of a subject, by its number.
pub(crate) type Bound = (usize, Vec<bool>);

/// Rules to be kept and rules to be broken, as sets of situations.
pub(crate) struct Board {
    /// How many situations each subject has.
    pub sizes: Vec<usize>,
    /// Of each, one bound at least holds.
    pub clauses: Vec<Vec<Bound>>,
    /// Each holds.
    pub facts: Vec<Bound>,
}

impl Board {
    /// All that literals about one object say of its rules; none where they say nothing that is broken.
    pub fn of<'l>(graph: &Graph, literals: impl Iterator<Item = &'l Literal> + Clone) -> Option<Self> {
        let rules = |wanted: bool| {
            let of = move |literal: &&Literal| is_positive(**literal) == wanted;
            literals.clone().filter(of).filter_map(|literal| graph.clause(node_of(*literal)))
        };
        let (kept, broken): (Vec<&Clause>, Vec<&Clause>) = (rules(true).collect(), rules(false).collect());
        if broken.is_empty() {
            return None;
        }
        let fields = Fields::of(graph, literals);
        let (subjects, situations, scales) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut maker = Maker { fields: &fields, among: BTreeSet::new(), subjects, situations, scales };
        let all = || kept.iter().chain(&broken).flat_map(|clause| clause.when.iter().chain([&clause.then]));
        maker.among.extend(all().filter_map(|condition| match &condition.subject {
            Subject::Among(operand) => Some(operand.clone()),
            _ => None,
        }));
        maker.gather(all());
        let mut board = Self { sizes: Vec::new(), clauses: Vec::new(), facts: Vec::new() };
        for clause in &kept {
            let mut bounds: Vec<Bound> =
                clause.when.iter().map(|when| maker.bound(when, |holds| holds != Holds::Yes)).collect();
            bounds.push(maker.bound(&clause.then, |holds| holds != Holds::No));
            board.clauses.push(bounds);
        }
        for clause in &broken {
            board.facts.extend(clause.when.iter().map(|when| maker.bound(when, |holds| holds == Holds::Yes)));
            board.facts.push(maker.bound(&clause.then, |holds| holds == Holds::No));
        }
        maker.presence(&mut board);
        board.sizes = maker.situations.iter().map(Vec::len).collect();
        Some(board)
    }
}

/// What literals say of the fields of an object.
struct Fields<'g> {
    graph: &'g Graph,
    /// Schemas of the object itself.
    whole: Vec<Id>,
    required: BTreeSet<String>,
    forbidden: BTreeSet<String>,
}

impl<'g> Fields<'g> {
    fn of<'l>(graph: &'g Graph, literals: impl Iterator<Item = &'l Literal>) -> Self {
        let mut fields = Self { graph, whole: Vec::new(), required: BTreeSet::new(), forbidden: BTreeSet::new() };
        for literal in literals {
            match (graph.node(node_of(*literal)), is_positive(*literal)) {
                (Node::Required(name), true) => drop(fields.required.insert(format!("/{}", pointer::escape(name)))),
                (Node::Required(name), false) => drop(fields.forbidden.insert(format!("/{}", pointer::escape(name)))),
                (Node::Properties { .. }, true) => fields.whole.push(node_of(*literal)),
                _ => {}
            }
        }
        fields
    }

    /// Types that hold all values of a field.
    fn types(&self, pointer: &str) -> Types {
        // Further down there may be an array, whose items go by numbers.
        let Some(name) = pointer.strip_prefix('/').filter(|rest| !rest.contains('/')) else { return Types::ALL };
        let name = pointer::unescape(name);
        self.whole.iter().fold(Types::ALL, |types, id| match self.graph.node(*id) {
            Node::Properties { named, .. } => {
                let own = named.iter().filter(|(own, _)| *own == name);
                own.fold(types, |types, (_, schema)| types.and(self.of_schema(*schema, 0)))
            }
            _ => types,
        })
    }

    fn of_schema(&self, id: Id, depth: usize) -> Types {
        match self.graph.node(id) {
            _ if depth > 16 => Types::ALL,
            Node::Type(types) => *types,
            Node::All(parts) => {
                parts.iter().fold(Types::ALL, |types, part| types.and(self.of_schema(*part, depth + 1)))
            }
            Node::Any(parts) => {
                parts.iter().fold(Types::NONE, |types, part| types.or(self.of_schema(*part, depth + 1)))
            }
            Node::Enum(values) => {
                values.iter().map(|value| type_of(self.graph.value(*value))).fold(Types::NONE, |types, own| {
                    let own = if Types::NUMBER.has(own) { Types::NUMBER } else { own };
                    types.or(own)
                })
            }
            _ => Types::ALL,
        }
    }

    /// Whether an operand is a number wherever it has a value.
    fn is_number(&self, operand: &Operand) -> bool {
        match operand.kind {
            Kind::Field => {
                let number = Types::NUMBER.or(Types::NULL);
                operand.fields.iter().all(|field| self.types(field).without(number).is_empty())
            }
            Kind::Part | Kind::Literal => false,
            Kind::Length | Kind::Difference | Kind::Sum => true,
        }
    }

    fn is_present(&self, field: &str) -> bool {
        self.required.contains(field) && !self.types(field).has(Types::NULL)
    }
}

/// What the conditions of one subject are held against, each in order.
#[derive(Default)]
struct Scale {
    keys: Vec<Key>,
    absolute: Vec<BigRational>,
    second: Vec<BigRational>,
    first: Vec<BigRational>,
}

impl Scale {
    fn of(tests: &[Test]) -> Self {
        let (mut keys, mut tolerances) = (BTreeSet::new(), BTreeSet::new());
        for test in tests {
            match test {
                Test::Beside(_, key) => drop(keys.insert(key.clone())),
                Test::In(all) | Test::NotIn(all) => keys.extend(all.iter().cloned()),
                Test::Compare(_, tolerance) => drop(tolerances.insert(tolerance.clone())),
                Test::Text(_) | Test::Holds | Test::Fails => {}
            }
        }
        let mut scale = Self { keys: keys.into_iter().collect(), ..Self::default() };
        for tolerance in tolerances {
            match tolerance {
                // A tolerance of nothing is none.
                Tolerance::Absolute(apart) if !apart.is_zero() => scale.absolute.push(apart),
                Tolerance::Ratio(ratio, true) if !ratio.is_zero() => scale.second.push(ratio),
                Tolerance::Ratio(ratio, false) if !ratio.is_zero() => scale.first.push(ratio),
                _ => {}
            }
        }
        scale
    }
}

/// Where a distance, which is not 0, stands to the tolerance at `index` of a scale.
fn beside(place: usize, index: usize) -> Ordering {
    place.cmp(&(2 * index + 1))
}

impl Test {
    fn judged(&self, situation: &Situation, scale: &Scale) -> Holds {
        let holds = |is: bool| if is { Holds::Yes } else { Holds::No };
        match (self, situation) {
            (_, Situation::Unread) => Holds::Unjudged,
            (Self::Compare(op, _), Situation::Pair(compared, in_order)) => {
                holds(op.admits(if op.is_order() { *in_order } else { *compared }))
            }
            (Self::Compare(op, _) | Self::Beside(op, _), Situation::Unlike) => match op {
                Comparison::Eq => Holds::No,
                Comparison::Ne => Holds::Yes,
                _ => Holds::Unjudged,
            },
            (Self::Compare(op, tolerance), Situation::Apart { order, is_zero, absolute, second, first }) => {
                // How the distance stands to what is allowed.
                let at = |tolerances: &[BigRational], of: &BigRational, place: usize| {
                    tolerances.iter().position(|own| own == of).map_or(Ordering::Greater, |index| beside(place, index))
                };
                let distance = match (order, tolerance) {
                    (Ordering::Equal, Tolerance::None) => Ordering::Equal,
                    (Ordering::Equal, Tolerance::Absolute(of)) if of.is_zero() => Ordering::Equal,
                    (Ordering::Equal, Tolerance::Ratio(of, _)) if of.is_zero() || *is_zero => Ordering::Equal,
                    (Ordering::Equal, _) => Ordering::Less,
                    (_, Tolerance::None) => Ordering::Greater,
                    (_, Tolerance::Absolute(of)) => at(&scale.absolute, of, *absolute),
                    (_, Tolerance::Ratio(of, true)) => at(&scale.second, of, *second),
                    (_, Tolerance::Ratio(of, false)) => at(&scale.first, of, *first),
                };
                let (is_below, is_above) = (*order == Ordering::Less, *order == Ordering::Greater);
                holds(match op {
                    Comparison::Eq => distance.is_le(),
                    Comparison::Ne => distance.is_gt(),
                    Comparison::Lt => is_below || distance.is_lt(),
                    Comparison::Le => is_below || distance.is_le(),
                    Comparison::Gt => is_above || distance.is_lt(),
                    Comparison::Ge => is_above || distance.is_le(),
                })
            }
            (Self::Beside(op, key), Situation::Line(place)) => {
                let index = scale.keys.iter().position(|own| own == key);
                index.map_or(Holds::Unjudged, |index| holds(op.admits(beside(*place, index))))
            }
            (Self::In(keys), Situation::Line(place)) => {
                holds(scale.keys.get(place / 2).is_some_and(|key| place % 2 == 1 && keys.contains(key)))
            }
            (Self::In(_), Situation::Unlike) => Holds::No,
            (Self::In(keys), Situation::Equal(equal)) => holds(!keys.is_disjoint(equal)),
            (Self::NotIn(keys), Situation::Equal(equal)) => holds(keys.is_disjoint(equal)),
            (Self::In(keys) | Self::NotIn(keys), Situation::Huge) => match keys.iter().any(Key::is_number) {
                true => Holds::Unjudged,
                false => holds(matches!(self, Self::NotIn(_))),
            },
            (Self::Text(text), Situation::Begins(longest)) => {
                holds(longest.as_ref().is_some_and(|longest| longest.starts_with(text)))
            }
            (Self::Fails, situation) => holds(*situation == Situation::No),
            (_, situation) => holds(*situation == Situation::Yes),
        }
    }
}

impl Key {
    /// Whether it is compared with a number as one.
    fn is_number(&self) -> bool {
        match self {
            Self::Number(_) => true,
            Self::Text(text) => plain(text).is_some(),
            Self::Date(_) | Self::Bool(_) => false,
        }
    }
}

impl Subject {
    fn operands(&self) -> Vec<&Operand> {
        match self {
            Self::Pair(one, other, _)
            | Self::Apart(one, other)
            | Self::Prefix(one, other)
            | Self::Parity(one, other) => {
                vec![one, other]
            }
            Self::Line(one, _) | Self::Among(one) | Self::Begins(one) => vec![one],
            Self::Present(_) | Self::OneOf(_) | Self::Words(_) | Self::Never => Vec::new(),
        }
    }

    fn fields(&self) -> Vec<&String> {
        match self {
            Self::Present(field) => vec![field],
            Self::OneOf(fields) => fields.iter().collect(),
            other => other.operands().into_iter().flat_map(|operand| &operand.fields).collect(),
        }
    }
}

struct Maker<'f> {
    fields: &'f Fields<'f>,
    /// Operands that some condition holds against texts.
    among: BTreeSet<Operand>,
    subjects: BTreeMap<Subject, usize>,
    situations: Vec<Vec<Situation>>,
    scales: Vec<Scale>,
}

impl Maker<'_> {
    /// Two numbers are compared as numbers, however they are read; and what some condition holds against texts, others do
    /// besides.
    fn as_looked_at(&self, condition: &Condition) -> Condition {
        let Condition { subject, test } = condition;
        let found = |subject: Subject, test: Test| Condition { subject, test };
        match (subject, test) {
            (Subject::Pair(one, other, None), _) if self.fields.is_number(one) && self.fields.is_number(other) => {
                found(Subject::Apart(one.clone(), other.clone()), test.clone())
            }
            (Subject::Line(operand, None), Test::In(_) | Test::Beside(Comparison::Eq | Comparison::Ne, _))
                if self.among.contains(operand) =>
            {
                let test = match test {
                    Test::Beside(Comparison::Eq, key) => Test::In([key.clone()].into()),
                    Test::Beside(_, key) => Test::NotIn([key.clone()].into()),
                    other => other.clone(),
                };
                found(Subject::Among(operand.clone()), test)
            }
            (Subject::Line(operand, None), _) if self.fields.is_number(operand) => {
                found(Subject::Line(operand.clone(), Some(Reading::Decimal)), test.clone())
            }
            _ => condition.clone(),
        }
    }

    fn gather<'c>(&mut self, conditions: impl Iterator<Item = &'c Condition>) {
        let mut tests: BTreeMap<Subject, Vec<Test>> = BTreeMap::new();
        for condition in conditions {
            for field in condition.subject.fields() {
                tests.entry(Subject::Present(field.clone())).or_default();
            }
            let Condition { subject, test } = self.as_looked_at(condition);
            tests.entry(subject).or_default().push(test);
        }
        for (subject, tests) in tests {
            let scale = Scale::of(&tests);
            self.situations.push(self.found_in(&subject, &tests, &scale));
            self.scales.push(scale);
            self.subjects.insert(subject, self.situations.len() - 1);
        }
    }

    /// All situations of a subject; none where there are too many.
    fn found_in(&self, subject: &Subject, tests: &[Test], scale: &Scale) -> Vec<Situation> {
        let orders = [Ordering::Less, Ordering::Equal, Ordering::Greater];
        let mut found = match subject {
            Subject::Pair(one, other, reading) => {
                let mut found: Vec<Situation> = orders.iter().map(|order| Situation::Pair(*order, *order)).collect();
                if reading.is_none() {
                    found.push(Situation::Unlike);
                    let are_texts = !self.fields.is_number(one) && !self.fields.is_number(other);
                    for order in orders.into_iter().filter(|_| are_texts) {
                        let others = [Ordering::Less, Ordering::Greater].into_iter().filter(|other| *other != order);
                        found.extend(others.map(|compared| Situation::Pair(compared, order)));
                    }
                }
                found
            }
            Subject::Apart(..) => apart(scale),
            Subject::Line(_, reading) => {
                let places = (0..=2 * scale.keys.len()).map(Situation::Line);
                places.chain(reading.is_none().then_some(Situation::Unlike)).collect()
            }
            Subject::Among(_) => equal(&scale.keys),
            Subject::Begins(_) => {
                let texts = tests.iter().filter_map(|test| match test {
                    Test::Text(text) => Some(Some(text.clone())),
                    _ => None,
                });
                let texts: BTreeSet<Option<String>> = texts.chain([None]).collect();
                texts.into_iter().map(Situation::Begins).collect()
            }
            Subject::Prefix(..) | Subject::Parity(..) | Subject::Present(_) | Subject::OneOf(_) | Subject::Words(_) => {
                vec![Situation::Yes, Situation::No]
            }
            Subject::Never => vec![Situation::No],
        };
        if found.is_empty() || found.len() > SITUATIONS_MAX {
            return Vec::new();
        }
        if !matches!(subject, Subject::Present(_) | Subject::OneOf(_) | Subject::Never) {
            found.push(Situation::Unread);
        }
        found
    }

    /// The situations in which the condition is as wanted.
    fn bound(&mut self, condition: &Condition, wanted: impl Fn(Holds) -> bool) -> Bound {
        let looked_at = self.as_looked_at(condition);
        let (mut at, mut test) = (self.subjects[&looked_at.subject], &looked_at.test);
        if self.situations[at].is_empty() {
            // Of a subject with too many situations a condition is known by its words.
            let next = self.situations.len();
            at = *self.subjects.entry(Subject::Words(format!("{condition:?}"))).or_insert(next);
            if at == next {
                self.situations.push(vec![Situation::Yes, Situation::No, Situation::Unread]);
                self.scales.push(Scale::default());
            }
            test = &Test::Holds;
        }
        let each = self.situations[at].iter().map(|situation| wanted(test.judged(situation, &self.scales[at])));
        (at, each.collect())
    }

    /// What is read is present, and of what one is to be present one is.
    fn presence(&self, board: &mut Board) {
        let present = |field: &str, is: bool| {
            let at = self.subjects.get(&Subject::Present(field.to_owned()))?;
            Some((*at, self.situations[*at].iter().map(|situation| (*situation == Situation::Yes) == is).collect()))
        };
        for (subject, at) in &self.subjects {
            let of = |wanted: Situation| (*at, self.situations[*at].iter().map(|own| *own == wanted).collect());
            match subject {
                Subject::Present(field) => {
                    board.facts.extend(present(field, false).filter(|_| self.fields.forbidden.contains(field)));
                    board.facts.extend(present(field, true).filter(|_| self.fields.is_present(field)));
                }
                Subject::OneOf(fields) if fields.len() <= ONE_OF_MAX => {
                    let each = fields.iter().filter_map(|field| present(field, true));
                    board.clauses.push([of(Situation::No)].into_iter().chain(each).collect());
                    for (index, field) in fields.iter().enumerate() {
                        let absent: Vec<Bound> = present(field, false).into_iter().collect();
                        for other in &fields[index + 1..] {
                            let both = absent.iter().cloned().chain(present(other, false));
                            board.clauses.push([of(Situation::No)].into_iter().chain(both).collect());
                        }
                        let others = fields.iter().enumerate().filter(|(other, _)| *other != index);
                        let others = others.filter_map(|(_, other)| present(other, true));
                        let alone = absent.iter().cloned().chain(others);
                        board.clauses.push([of(Situation::Yes)].into_iter().chain(alone).collect());
                    }
                }
                subject if self.situations[*at].is_empty() || subject.operands().is_empty() => {}
                // Of a sum one term at least is there; of all others, what they read.
                subject => {
                    for operand in subject.operands() {
                        let there: Vec<Bound> =
                            operand.fields.iter().filter_map(|field| present(field, true)).collect();
                        let unread = of(Situation::Unread);
                        match operand.kind {
                            Kind::Sum => board.clauses.push([unread].into_iter().chain(there).collect()),
                            _ => board.clauses.extend(there.into_iter().map(|there| vec![unread.clone(), there])),
                        }
                    }
                }
            }
        }
    }
}

/// Fields of which one is to be present, up to which that is spelled out.
const ONE_OF_MAX: usize = 12;

fn apart(scale: &Scale) -> Vec<Situation> {
    let equal = [true, false].map(|is_zero| Situation::Apart {
        order: Ordering::Equal,
        is_zero,
        absolute: 0,
        second: 0,
        first: 0,
    });
    let mut found = equal.to_vec();
    let places = |tolerances: &[BigRational]| 0..=2 * tolerances.len();
    let count = places(&scale.absolute).count() * places(&scale.second).count() * places(&scale.first).count();
    if count > SITUATIONS_MAX / 2 {
        return Vec::new();
    }
    for order in [Ordering::Less, Ordering::Greater] {
        for absolute in places(&scale.absolute) {
            for second in places(&scale.second) {
                let each = places(&scale.first);
                found.extend(each.map(|first| Situation::Apart { order, is_zero: false, absolute, second, first }));
            }
        }
    }
    found
}

/// Which of the keys a value may equal: but for a number and the texts that are that number, one at most.
fn equal(keys: &[Key]) -> Vec<Situation> {
    let mut alike: BTreeMap<BigRational, Vec<&Key>> = BTreeMap::new();
    let mut found = vec![Situation::Equal(BTreeSet::new()), Situation::Huge];
    for key in keys {
        let number = match key {
            Key::Number(number) => Some(number.clone()),
            Key::Text(text) => plain(text),
            Key::Date(_) | Key::Bool(_) => None,
        };
        match number {
            Some(number) => alike.entry(number).or_default().push(key),
            None => found.push(Situation::Equal([key.clone()].into())),
        }
    }
    for keys in alike.values() {
        if keys.len() > ALIKE_MAX {
            return Vec::new();
        }
        for chosen in 1..1usize << keys.len() {
            let own = keys.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1);
            found.push(Situation::Equal(own.map(|(_, key)| (*key).clone()).collect()));
        }
    }
    found
}
