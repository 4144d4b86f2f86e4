//! What a rule between fields says, in the parts that keywords are made of.
//!
//! A condition that looks at one field beside literals holds for certain, or surely does not, by the value of that field alone:
//! each of the two is a schema of the field. So a rule is an `if` over such schemas, and what moves between a keyword and a rule
//! is seen to be the same.
//!
//! # Invariants
//! - What a rule means holds for the objects that keep the rule and for no others, and for all that is no object.
//! - Where a type of values cannot be told apart so (texts that may be amounts or days, numbers by the way they are written), and
//!   where a condition looks at more than one field, the condition stands as a rule by itself.

use crate::{
    conditions::{is_moment, never, plain},
    exact,
    normal::{Graph, Id, Node, Types},
};
use guiju_model::pointer;
use guiju_validator::rules::Comparison;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive};
use serde_json::{Value, json};

/// Digits on each side of the point beyond which no rule reads a number.
const DIGITS_MAX: u32 = 400;
/// Literals that are looked at one by one, and fields of which one is to be there.
const LITERALS_MAX: usize = 1_000;
const FIELDS_MAX: usize = 8;

/// Of a condition: that it holds for certain, and that it surely does not. Of no object is it either.
struct Known {
    holds: Id,
    fails: Id,
}

/// A bound on a length or a count, as a node.
type Bound = fn(u64) -> Node;

/// What a rule means; none where that is no more than the rule.
pub(crate) fn meaning(graph: &mut Graph, written: &Value) -> Option<Id> {
    let all = |name: &str| written.get(name).and_then(Value::as_array).into_iter().flatten();
    let then = all("then").next()?;
    let is_alone = all("if").next().is_none();
    let known = of_condition(graph, then);
    if is_alone && known.is_none() {
        return None;
    }
    let broken = known.map_or_else(|| by_itself(graph, then).fails, |known| known.fails);
    let mut parts = vec![broken];
    for when in all("if") {
        let known = of_condition(graph, when);
        parts.push(known.map_or_else(|| by_itself(graph, when).holds, |known| known.holds));
    }
    let broken = graph.all(parts);
    Some(graph.not(broken))
}

/// A condition by rules of its own.
fn by_itself(graph: &mut Graph, condition: &Value) -> Known {
    let when = graph.add_rule(json!({"if": [condition], "then": [never()]}));
    let then = graph.add_rule(json!({"then": [condition]}));
    Known { holds: graph.not(when), fails: graph.not(then) }
}

fn of_condition(graph: &mut Graph, condition: &Value) -> Option<Known> {
    if *condition == never() {
        return Some(Known { holds: graph.truth(false), fails: graph.add(Node::Type(Types::OBJECT)) });
    }
    let field = |side: &str| condition.get(side)?.get("field")?.as_str();
    match condition.get("op")?.as_str()? {
        op @ ("present" | "absent") => {
            let present = present(graph, field("left")?)?;
            let absent = absent(graph, present);
            Some(match op {
                "present" => Known { holds: present, fails: absent },
                _ => Known { holds: absent, fails: present },
            })
        }
        "oneOf" => {
            let fields = condition.get("fields")?.as_array()?;
            let mut each = Vec::new();
            for field in fields {
                each.push(present(graph, field.as_str()?)?);
            }
            each.sort_unstable();
            let is_set = each.windows(2).all(|two| two[0] != two[1]);
            if !is_set || !(2..=FIELDS_MAX).contains(&each.len()) {
                return None;
            }
            let one = graph.add(Node::One(each));
            let others = absent(graph, one);
            Some(Known { holds: one, fails: others })
        }
        op => {
            let asked = Asked::read(op, condition)?;
            let told = asked.told(graph)?;
            told.of_field(graph, asked.field, condition)
        }
    }
}

/// That a field is there, and not null.
fn present(graph: &mut Graph, field: &str) -> Option<Id> {
    let null = graph.add(Node::Type(Types::NULL));
    let value = graph.not(null);
    has(graph, field, value)
}

/// An object of which that does not hold.
fn absent(graph: &mut Graph, present: Id) -> Id {
    let (object, other) = (graph.add(Node::Type(Types::OBJECT)), graph.not(present));
    graph.all(vec![object, other])
}

/// An object whose field is there and is so. None where a name may be the place of an item.
fn has(graph: &mut Graph, field: &str, value: Id) -> Option<Id> {
    let mut id = value;
    let names: Vec<String> = pointer::tokens(field).map(|name| name.into_owned()).collect();
    if names.is_empty() || names.iter().skip(1).any(|name| name.parse::<usize>().is_ok()) {
        return None;
    }
    for name in names.into_iter().rev() {
        let (object, required) = (graph.add(Node::Type(Types::OBJECT)), graph.add(Node::Required(name.clone())));
        let rest = graph.truth(true);
        let member = graph.add(Node::Properties { named: vec![(name, id)], patterns: Vec::new(), rest });
        id = graph.all(vec![object, required, member]);
    }
    Some(id)
}

/// One field, or its length, beside literals.
struct Asked<'c> {
    field: &'c str,
    is_length: bool,
    /// Read as a number, whatever it is.
    as_decimal: bool,
    op: Op,
    literals: &'c [Value],
}

#[derive(Clone, Copy, PartialEq)]
enum Op {
    Compare(Comparison),
    In,
    Prefix,
}

/// The values of a field by what a condition says of them; of the other types it says nothing.
#[derive(Default)]
struct Told {
    holds: Vec<Id>,
    fails: Vec<Id>,
    /// Types of which the rule itself must say.
    by_rule: Option<Types>,
}

impl<'c> Asked<'c> {
    fn read(op: &str, condition: &'c Value) -> Option<Self> {
        let (mut left, mut right) = (condition.get("left")?, condition.get("right")?);
        let mut op = match op {
            "in" => Op::In,
            "prefix" => Op::Prefix,
            op => Op::Compare(Comparison::of(op)?),
        };
        if let (Op::Compare(compared), Some(_)) = (op, left.get("value")) {
            (left, right, op) = (right, left, Op::Compare(compared.turned()));
        }
        let literals = match op {
            Op::In => right.get("values")?.as_array()?.as_slice(),
            _ => std::slice::from_ref(right.get("value")?),
        };
        let (is_length, field) = match (left.get("field"), left.get("length")) {
            (Some(field), None) => (false, field.as_str()?),
            (None, Some(field)) => (true, field.as_str()?),
            _ => return None,
        };
        let as_decimal = match left.get("as").and_then(Value::as_str) {
            None => false,
            Some("decimal") if op != Op::Prefix => true,
            Some(_) => return None,
        };
        let is_plain = left.get("part").is_none() && condition.get("tolerance").is_none();
        let is_literal = |literal: &Value| literal.is_string() || literal.is_number() || literal.is_boolean();
        let are_few = (1..=LITERALS_MAX).contains(&literals.len()) && literals.iter().all(is_literal);
        (is_plain && are_few).then_some(Self { field, is_length, as_decimal, op, literals })
    }

    fn told(&self, graph: &mut Graph) -> Option<Told> {
        let mut told = Told::default();
        match (self.is_length, self.op) {
            (true, Op::Prefix) => return None,
            (true, _) => self.lengths(graph, &mut told)?,
            (false, Op::Prefix) => {
                let text = self.literals[0].as_str()?;
                // What no pattern takes for more than itself.
                let is_plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ' | ':'));
                match is_plain {
                    true => {
                        let begins = graph.add(Node::Pattern(format!("^{text}")));
                        told.either(graph, Types::STRING, begins);
                        told.by_rule = Some(Types::NUMBER);
                    }
                    false => told.by_rule = Some(Types::NUMBER.or(Types::STRING)),
                }
            }
            _ => {
                self.numbers(graph, &mut told)?;
                self.texts(graph, &mut told);
                self.truths(graph, &mut told);
            }
        }
        Some(told)
    }

    /// Texts, arrays and objects by how long they are.
    fn lengths(&self, graph: &mut Graph, told: &mut Told) -> Option<()> {
        let mut holds = Vec::new();
        for literal in self.literals {
            let length = exact::rational(literal.as_number()?)?;
            let (floor, ceil) = (length.floor().to_integer(), length.ceil().to_integer());
            let one = BigInt::one();
            let op = if let Op::Compare(op) = self.op { op } else { Comparison::Eq };
            let ranges: Vec<(Option<BigInt>, Option<BigInt>)> = match op {
                Comparison::Ge => vec![(Some(ceil), None)],
                Comparison::Gt => vec![(Some(floor + one), None)],
                Comparison::Le => vec![(None, Some(floor))],
                Comparison::Lt => vec![(None, Some(ceil - one))],
                Comparison::Eq if length.is_integer() => vec![(Some(floor.clone()), Some(floor))],
                Comparison::Eq => Vec::new(),
                Comparison::Ne if length.is_integer() => vec![(None, Some(&floor - &one)), (Some(floor + one), None)],
                Comparison::Ne => vec![(None, None)],
            };
            for (least, most) in ranges {
                if most.as_ref().is_some_and(Signed::is_negative) {
                    continue;
                }
                let bound = |bound: Option<BigInt>| match bound {
                    None => Some(None),
                    Some(bound) if bound.is_negative() => Some(None),
                    Some(bound) => bound.to_u64().map(Some),
                };
                let (least, most) = (bound(least)?, bound(most)?);
                let kinds: [(Types, Bound, Bound); 3] = [
                    (Types::STRING, Node::MinLength, Node::MaxLength),
                    (Types::ARRAY, Node::MinItems, Node::MaxItems),
                    (Types::OBJECT, Node::MinProperties, Node::MaxProperties),
                ];
                for (types, at_least, at_most) in kinds {
                    let bounds = least.map(at_least).into_iter().chain(most.map(at_most));
                    let parts = [Node::Type(types)].into_iter().chain(bounds).map(|node| graph.add(node)).collect();
                    holds.push(graph.all(parts));
                }
            }
        }
        let holds = graph.any(holds);
        told.either(graph, Types::STRING.or(Types::ARRAY).or(Types::OBJECT), holds);
        Some(())
    }

    fn numbers(&self, graph: &mut Graph, told: &mut Told) -> Option<()> {
        let (mut holds, mut is_read) = (Vec::new(), false);
        for literal in self.literals {
            let beside = match literal {
                Value::Number(number) => Some(exact::rational(number)?),
                // An amount that is kept as text.
                Value::String(_) if self.as_decimal => return None,
                Value::String(text) if text.len() > 200 => return None,
                Value::String(text) => plain(text),
                _ if self.as_decimal => return None,
                _ => None,
            };
            is_read |= beside.is_some();
            let Some(beside) = beside else {
                // Of another kind: not equal, and in no order.
                match self.op {
                    Op::Compare(Comparison::Ne) => holds.push(graph.truth(true)),
                    Op::Compare(op) if op.is_order() => return Some(()),
                    _ => {}
                }
                continue;
            };
            let limit = || beside.clone();
            holds.push(match self.op {
                Op::Compare(Comparison::Lt) => graph.add(Node::Maximum { limit: limit(), exclusive: true }),
                Op::Compare(Comparison::Le) => graph.add(Node::Maximum { limit: limit(), exclusive: false }),
                Op::Compare(Comparison::Gt) => graph.add(Node::Minimum { limit: limit(), exclusive: true }),
                Op::Compare(Comparison::Ge) => graph.add(Node::Minimum { limit: limit(), exclusive: false }),
                op => {
                    let equal = graph.values([&Value::Number(exact::number(&beside)?)]);
                    if op == Op::Compare(Comparison::Ne) { graph.not(equal) } else { equal }
                }
            });
        }
        let (numbers, holds) =
            (if is_read { readable(graph) } else { graph.add(Node::Type(Types::NUMBER)) }, graph.any(holds));
        let others = graph.not(holds);
        told.holds.push(graph.all(vec![numbers, holds]));
        told.fails.push(graph.all(vec![numbers, others]));
        Some(())
    }

    fn texts(&self, graph: &mut Graph, told: &mut Told) {
        // A text beside a number may be that amount, and beside a day the same day otherwise written.
        let is_vague = |literal: &Value| literal.is_number() || literal.as_str().is_some_and(is_moment);
        let is_order = matches!(self.op, Op::Compare(op) if op.is_order());
        let has_text = self.literals.iter().any(Value::is_string);
        if self.as_decimal || self.literals.iter().any(is_vague) || is_order && has_text {
            told.by_rule = Some(Types::STRING);
            return;
        }
        if is_order {
            return;
        }
        let equal = graph.values(self.literals.iter().filter(|literal| literal.is_string()));
        let holds = if self.op == Op::Compare(Comparison::Ne) { graph.not(equal) } else { equal };
        told.either(graph, Types::STRING, holds);
    }

    fn truths(&self, graph: &mut Graph, told: &mut Told) {
        for truth in [true, false].into_iter().filter(|_| !self.as_decimal) {
            let is_equal = self.literals.contains(&Value::Bool(truth));
            let holds = match self.op {
                Op::Compare(op) if is_equal => op.admits(std::cmp::Ordering::Equal),
                Op::Compare(op) if op.is_order() => continue,
                Op::Compare(op) => op == Comparison::Ne,
                _ => is_equal,
            };
            let value = graph.values([&Value::Bool(truth)]);
            if holds { &mut told.holds } else { &mut told.fails }.push(value);
        }
    }
}

impl Told {
    /// Of all values of these types it is said that it holds, or that it does not.
    fn either(&mut self, graph: &mut Graph, types: Types, holds: Id) {
        let (types, fails) = (graph.add(Node::Type(types)), graph.not(holds));
        self.holds.push(graph.all(vec![types, holds]));
        self.fails.push(graph.all(vec![types, fails]));
    }

    fn of_field(self, graph: &mut Graph, field: &str, condition: &Value) -> Option<Known> {
        let (holds, fails) = (graph.any(self.holds), graph.any(self.fails));
        let (mut holds, mut fails) = (vec![has(graph, field, holds)?], vec![has(graph, field, fails)?]);
        if let Some(types) = self.by_rule {
            let types = graph.add(Node::Type(types));
            let (among, own) = (has(graph, field, types)?, by_itself(graph, condition));
            holds.push(graph.all(vec![among, own.holds]));
            fails.push(graph.all(vec![among, own.fails]));
        }
        Some(Known { holds: graph.any(holds), fails: graph.any(fails) })
    }
}

/// Numbers that a rule reads: by their value, however they are written.
fn readable(graph: &mut Graph) -> Id {
    let bound = BigRational::from_integer(BigInt::from(10).pow(DIGITS_MAX));
    let parts = [
        Node::Type(Types::NUMBER),
        Node::Minimum { limit: -bound.clone(), exclusive: true },
        Node::Maximum { limit: bound.clone(), exclusive: true },
        Node::Multiple(bound.recip()),
    ];
    let parts = parts.into_iter().map(|part| graph.add(part)).collect();
    graph.all(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Values;
    use guiju_validator::rules::Rules;
    use jsonschema::Draft;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Values that rules look at in different ways: amounts as numbers and as texts, each in several spellings, days, codes.
    fn values() -> Vec<Value> {
        let own = [
            "null",
            "true",
            "false",
            "-0",
            "0.0",
            "1",
            "10e-1",
            "2",
            "1.5",
            "-1",
            "1e500",
            "-1e500",
            "1e-500",
            "9007199254740993",
            "9007199254740992",
            "0.123456789012345678",
            "\"\"",
            "\"0\"",
            "\"1\"",
            "\"1.0\"",
            "\"01\"",
            "\"1e0\"",
            "\"1.5\"",
            "\"a\"",
            "\"ab\"",
            "\"中文\"",
            "\"2026-01-01\"",
            "\"20260101\"",
            "\"2026-01-01T08:00:00+08:00\"",
            "\"true\"",
            "[]",
            "[1]",
            "[1, 2]",
            "{}",
            "{\"a\": 1}",
            "{\"a\": null, \"b\": 2}",
        ];
        own.into_iter().map(read).collect()
    }

    fn conditions() -> Vec<Value> {
        let literals = ["0", "1.0", "1.5", "9007199254740993", "\"a\"", "\"1\"", "\"01\"", "\"2026-01-01\"", "true"];
        let literals: Vec<Value> = literals.into_iter().map(read).collect();
        let mut found = Vec::new();
        let sides =
            [json!({"field": "/a"}), json!({"field": "/a/b"}), json!({"field": "/a/0"}), json!({"length": "/a"})];
        let decimal = json!({"field": "/a", "as": "decimal"});
        for left in sides.iter().chain([&decimal]) {
            for literal in &literals {
                for op in ["eq", "ne", "lt", "le", "gt", "ge"] {
                    found.push(json!({"op": op, "left": left, "right": {"value": literal}}));
                    found.push(json!({"op": op, "left": {"value": literal}, "right": left}));
                }
                for other in &literals {
                    found.push(json!({"op": "in", "left": left, "right": {"values": [literal, other]}}));
                }
                found.push(json!({"op": "prefix", "left": left, "right": {"value": literal}}));
            }
            found.push(json!({"op": "lt", "left": left, "right": {"field": "/b"}}));
        }
        for op in ["present", "absent"] {
            found.extend(["/a", "/a/b", "/a/0"].map(|field| json!({"op": op, "left": {"field": field}})));
        }
        found.push(json!({"op": "oneOf", "fields": ["/a", "/b"]}));
        found
    }

    /// Each condition by itself, as what is asked and as when something is asked: of every value, and of no field, what a rule
    /// means is judged as the rule is.
    #[test]
    fn what_a_rule_means_is_judged_as_the_rule() {
        let mut graph = Graph::default();
        let mut judge = Values::new(Draft::Draft202012, false);
        let (mut records, mut meant, mut decided) = (vec![json!({}), json!([1]), json!("a"), json!({"b": 1})], 0, 0);
        records.extend(values().into_iter().enumerate().flat_map(|(at, value)| match at % 3 {
            0 => vec![json!({"a": value}), json!({"a": {"b": value}})],
            1 => vec![json!({"a": value}), json!({"a": [value]})],
            _ => vec![json!({"a": value, "b": 1})],
        }));
        for condition in conditions() {
            let ruled = [
                json!({"then": [condition]}),
                json!({"if": [condition], "then": [never()]}),
                json!({
                "if": [condition], "then": [{"op": "present", "left": {"field": "/b"}}]}),
            ];
            for written in ruled {
                let mut named = written.clone();
                named["id"] = json!("r");
                let Ok(rules) = Rules::compile(&json!([named]), "") else { continue };
                let Some(meaning) = meaning(&mut graph, &written) else { continue };
                meant += 1;
                for record in &records {
                    let is_kept = !record.is_object() || rules.check(record).is_empty();
                    let is_meant = judge.is(&graph, meaning, record, 0);
                    assert_eq!(is_meant, Some(is_kept), "{written} of {record}");
                    decided += 1;
                }
            }
        }
        assert!(meant > 500 && decided > 30_000, "{meant} {decided}");
    }
}
