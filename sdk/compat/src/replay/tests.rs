//! A checker is worth what it refuses: whole proofs are accepted, and what is made of them by damage is not.

use super::check;
use crate::{
    normal::{Document, Graph},
    proof::{Lemma, Rule, Step, Theorem, lemmas},
    solve::{Literal, Outcome, Solver, fails, holds},
    text::Patterns,
};
use guiju_model::Text;
use jsonschema::Draft;
use serde_json::{Value, json};
use std::{collections::BTreeMap, mem::discriminant};

/// Pairs of which the first lies in the second; together they need every rule.
fn pairs() -> Vec<(&'static str, Value, Value)> {
    let tree = |leaf: Value| json!({"type": "object", "properties": {"next": {"$ref": "#"}, "leaf": leaf}});
    vec![
        (
            "numbers",
            json!({"type": "integer", "minimum": 1, "maximum": 9}),
            json!({"type": "number", "exclusiveMinimum": 0}),
        ),
        ("steps", json!({"type": "integer", "multipleOf": 6}), json!({"multipleOf": 3})),
        ("few numbers", json!({"type": "integer", "minimum": 1, "maximum": 3}), json!({"enum": [1, 2, 3]})),
        ("fractions", json!({"type": "number", "multipleOf": 1}), json!({"type": "integer"})),
        ("values", json!({"enum": ["a", 1, [2]]}), json!({"type": ["string", "integer", "array"]})),
        ("booleans", json!({"type": ["boolean", "null"]}), json!({"enum": [true, false, null]})),
        ("patterns", json!({"type": "string", "pattern": "^a+$"}), json!({"pattern": "^[a-c]*$"})),
        ("lengths", json!({"type": "string", "pattern": "^[0-9]{3}$"}), json!({"minLength": 3, "maxLength": 3})),
        ("few texts", json!({"type": "string", "pattern": "^(a|b)$"}), json!({"enum": ["a", "b"]})),
        (
            "choices",
            json!({"anyOf": [{"type": "string", "maxLength": 2}, {"type": "integer", "minimum": 3}]}),
            json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}),
        ),
        (
            "conditions",
            json!({"type": "object", "required": ["k"], "properties": {"k": {"const": 1}, "v": {"maxLength": 1}}}),
            json!({"if": {"properties": {"k": {"const": 1}}}, "then": {"properties": {"v": {"maxLength": 2}}}}),
        ),
        (
            "members",
            json!({"type": "object", "properties": {"a": {"maxLength": 1}}, "patternProperties": {"^x": {"type": "integer", "minimum": 2}},
                "additionalProperties": {"type": "null"}}),
            json!({"properties": {"a": {"maxLength": 2}}, "patternProperties": {"^xy": {"minimum": 1}},
                "additionalProperties": {"type": ["null", "integer", "string"]}}),
        ),
        (
            "names",
            json!({"type": "object", "propertyNames": {"enum": ["a", "b"]}}),
            json!({"propertyNames": {"maxLength": 1}, "maxProperties": 2}),
        ),
        (
            "counts",
            json!({"type": "object", "required": ["a", "b"], "properties": {"a": {}, "b": {}}, "additionalProperties": false}),
            json!({"minProperties": 2, "maxProperties": 2}),
        ),
        ("items", json!({"type": "array", "items": {"type": "integer"}}), json!({"items": {"type": "number"}})),
        (
            "positions",
            json!({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": false, "minItems": 2}),
            json!({"contains": {"const": 2}, "maxItems": 2}),
        ),
        (
            "at least so many",
            json!({"type": "array", "contains": {"minimum": 3, "type": "integer"}, "minContains": 2}),
            json!({"contains": {"minimum": 1}, "minContains": 2}),
        ),
        ("crowded", json!({"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": true}), json!({"maxItems": 2})),
        (
            "other than one",
            json!({"type": "array", "items": {"enum": [1, 2]}, "minItems": 2, "maxItems": 2, "uniqueItems": true}),
            json!({"enum": [[1, 2], [2, 1]]}),
        ),
        (
            "other members",
            json!({"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"], "additionalProperties": false}),
            json!({"enum": [{"a": 1}, {"a": 2}]}),
        ),
        ("circles", tree(json!({"maxLength": 3})), tree(json!({"maxLength": 4}))),
    ]
}

fn graph_of(old: &Value, new: &Value) -> (Graph, Vec<Literal>) {
    let (others, lists) = (BTreeMap::new(), BTreeMap::new());
    let draft = Draft::Draft202012;
    let document =
        |root| Document { root, is_new: false, draft, others: &others, lists: &lists, formats_asserted: false };
    let mut graph = Graph::default();
    let (one, other) = (graph.read(&document(old)).unwrap(), graph.read(&document(new)).unwrap());
    (graph, vec![holds(one), fails(other)])
}

fn solve(graph: &mut Graph, goal: &[Literal]) -> Outcome {
    Solver::new(graph, Draft::Draft202012, 20_000).solve(goal.to_vec())
}

fn proved(name: &str, old: &Value, new: &Value) -> (Graph, Theorem) {
    let (mut graph, goal) = graph_of(old, new);
    let Outcome::Empty(why) = solve(&mut graph, &goal) else { panic!("{name}: not proved") };
    let lemmas = lemmas(&goal, &why).expect("every lemma has a proof");
    (graph, Theorem { goal, lemmas, tells_spelling: false, takes_rules_apart: false, draft: Draft::Draft202012 })
}

fn follow(graph: &Graph, theorem: &Theorem) -> Result<(), Text> {
    check(graph, theorem, Patterns::default())
}

#[test]
fn whole_proofs_are_followed_and_need_every_rule() {
    let mut used = Vec::new();
    for (name, old, new) in pairs() {
        let (graph, theorem) = proved(name, &old, &new);
        assert_eq!(follow(&graph, &theorem), Ok(()), "{name}");
        theorem.lemmas.iter().for_each(|lemma| rules(&lemma.rule, &mut |rule| used.push(discriminant(&rule.0))));
    }
    let all: [Step<usize, Box<Rule>>; 9] = [
        Step::Clash,
        Step::Forced(Vec::new(), clash()),
        Step::Cases(0, Vec::new()),
        Step::Types(Vec::new()),
        Step::Values,
        Step::Numbers,
        Step::Texts(Vec::new()),
        Step::Items(Vec::new()),
        Step::Members(Vec::new()),
    ];
    for step in &all {
        assert!(used.contains(&discriminant(step)), "no proof needs {step:?}");
    }
}

fn clash() -> Box<Rule> {
    Box::new(Rule(Step::Clash))
}

fn rules(rule: &Rule, see: &mut impl FnMut(&Rule)) {
    see(rule);
    match &rule.0 {
        Step::Forced(_, below) => rules(below, see),
        Step::Cases(_, ways) => ways.iter().flatten().for_each(|below| rules(below, see)),
        Step::Types(all) => all.iter().for_each(|below| rules(below, see)),
        _ => {}
    }
}

/// A goal that some value satisfies has no proof, and the proof of a goal with one literal more is none of it.
#[test]
fn no_proof_is_accepted_of_what_is_not_so() {
    let mut refused = 0;
    for (name, old, new) in pairs() {
        let (mut graph, theorem) = proved(name, &old, &new);
        for at in 0..theorem.lemmas.len() {
            for literal in 0..theorem.lemmas[at].goal.len() {
                let mut damaged = theorem.clone();
                damaged.lemmas[at].goal.remove(literal);
                let goal = damaged.lemmas[at].goal.clone();
                if let Outcome::Sure(value) = solve(&mut graph, &goal) {
                    let told = follow(&graph, &damaged);
                    assert!(told.is_err(), "{name}: lemma {at} without {literal}, yet there is {value}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 40, "{refused}");
}

/// Each proof is put under each statement that is not so: whatever lemmas it brings, it does not prove that one.
#[test]
fn no_proof_is_accepted_of_another_statement() {
    let mut refused = 0;
    for (name, old, new) in pairs() {
        // The other way round, where it does not hold.
        let (mut graph, goal) = graph_of(&new, &old);
        let Outcome::Sure(_) = solve(&mut graph, &goal) else { continue };
        for (other, one, two) in pairs() {
            let (_, mut theorem) = proved(other, &one, &two);
            theorem.goal.clone_from(&goal);
            assert!(follow(&graph, &theorem).is_err(), "{name} by {other}");
            theorem.lemmas[0].goal.clone_from(&goal);
            assert!(follow(&graph, &theorem).is_err(), "{name} by {other}, with its lemma");
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_proof_with_a_part_missing_is_refused() {
    let mut refused = 0;
    for (name, old, new) in pairs() {
        let (graph, theorem) = proved(name, &old, &new);
        for at in 0..theorem.lemmas.len() {
            let mut sites = 0;
            rules(&theorem.lemmas[at].rule, &mut |_| sites += 1);
            for site in 0..sites {
                for damage in [cut, weakened, foreign] {
                    let mut damaged = theorem.clone();
                    let mut count = 0;
                    if !change(&mut damaged.lemmas[at].rule, site, &mut count, damage) {
                        continue;
                    }
                    let told = follow(&graph, &damaged);
                    // Some arrays and objects cannot be by their counts alone.
                    let by_count = matches!(
                        name,
                        "counts" | "crowded" | "positions" | "names" | "other members" | "other than one"
                    );
                    assert!(told.is_err() || by_count, "{name}: lemma {at}, rule {site}: {damaged:?}");
                    refused += usize::from(told.is_err());
                }
            }
        }
        let none = Theorem { lemmas: Vec::<Lemma>::new(), ..theorem.clone() };
        assert!(follow(&graph, &none).is_err(), "{name}");
    }
    assert!(refused > 100, "{refused}");
}

fn change(rule: &mut Rule, site: usize, count: &mut usize, damage: fn(&mut Rule) -> bool) -> bool {
    if *count == site {
        *count += 1;
        return damage(rule);
    }
    *count += 1;
    match &mut rule.0 {
        Step::Forced(_, below) => change(below, site, count, damage),
        Step::Cases(_, ways) => ways.iter_mut().flatten().any(|below| change(below, site, count, damage)),
        Step::Types(all) => all.iter_mut().any(|below| change(below, site, count, damage)),
        _ => false,
    }
}

/// Takes away what the rule rests on.
fn cut(rule: &mut Rule) -> bool {
    match &mut rule.0 {
        Step::Cases(_, ways) => ways.pop().is_some(),
        Step::Types(all) => all.pop().is_some(),
        Step::Texts(texts) => texts.pop().is_some(),
        Step::Items(parts) | Step::Members(parts) if !parts.is_empty() => {
            parts.clear();
            true
        }
        _ => false,
    }
}

/// Says that it is so at sight.
fn weakened(rule: &mut Rule) -> bool {
    let is_at_sight = matches!(rule.0, Step::Clash);
    // What is forced may end in a contradiction at sight, and then says no more.
    let is_forced = matches!(&rule.0, Step::Forced(..));
    *rule = Rule(Step::Clash);
    !is_at_sight && !is_forced
}

/// Puts a rule about another type of values in its place.
fn foreign(rule: &mut Rule) -> bool {
    let other = match &rule.0 {
        Step::Numbers | Step::Values => Step::Texts(Vec::new()),
        Step::Texts(_) => Step::Numbers,
        Step::Items(_) => Step::Members(Vec::new()),
        Step::Members(_) => Step::Items(Vec::new()),
        _ => return false,
    };
    *rule = Rule(other);
    true
}
