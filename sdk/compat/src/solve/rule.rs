//! Rules between fields: what breaks one and keeps another is proved not to be, or fields are given values that do it.

use super::{Best, Leaf, Literal, Outcome, Solver, fails, holds, is_positive, node_of, string::SAMPLES};
use crate::{
    change::put,
    conditions::{Board, Bound, never},
    doubt::Cause,
    exact,
    normal::{Id, Node, Types},
    value::type_of,
};
use guiju_model::pointer;
use guiju_validator::rules::Rules;
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// Objects that are built while rules are being met.
const TRIES_MAX: usize = 40;
/// What one of them counts for.
const TRY_STEPS: u64 = 100;
/// Ways in which one condition is met, and values that are tried for one field.
const WAYS_MAX: usize = 6;
const MET_MAX: usize = 80;
const VALUES_MAX: usize = 48;
/// Clauses that are followed each way.
const SPLITS_MAX: usize = 2_000;

/// Values given to fields; none: the field is absent.
type Given = BTreeMap<String, Option<Value>>;

impl Solver<'_> {
    /// Whether no object is as the rules are asked to be kept and broken.
    pub(super) fn rules_clash(&self, leaf: &Leaf) -> bool {
        let Some(board) = Board::of(self.graph, leaf.atoms.iter()) else { return false };
        let mut left: Vec<Vec<bool>> = board.sizes.iter().map(|size| vec![true; *size]).collect();
        board.facts.iter().for_each(|fact| narrow(&mut left, fact));
        is_impossible(&board.clauses, left, &mut SPLITS_MAX.clone())
    }

    /// Looks again, with values given to the fields that rules read: the first rule that is not as it is asked to be is mended
    /// in one way after another. What was not found before is still not proved.
    pub(super) fn with_rules(&mut self, leaf: &Leaf, before: Outcome) -> Outcome {
        let mut rules: Vec<Literal> =
            leaf.atoms.iter().filter(|literal| self.graph.rule_of(node_of(**literal)).is_some()).copied().collect();
        if self.trying_rules || rules.is_empty() {
            return before;
        }
        // What must be broken decides most.
        rules.sort_by_key(|literal| is_positive(*literal));
        self.trying_rules = true;
        let mut best = Best::default();
        best.take(before);
        let mut open = vec![Given::new()];
        let mut seen = BTreeSet::new();
        let mut tries = TRIES_MAX;
        while let Some(given) = open.pop() {
            if tries == 0 || self.steps_left == 0 {
                break;
            }
            tries -= 1;
            self.steps_left = self.steps_left.saturating_sub(TRY_STEPS);
            self.refuted = None;
            let atoms = self.with_given(leaf, &given);
            let tried = match self.object_of(&Leaf { atoms, excluded: leaf.excluded.clone() }) {
                Outcome::Empty(_) => continue,
                Outcome::Unknown(_) => self.refuted.take(),
                found => {
                    if best.take(found) {
                        break;
                    }
                    continue;
                }
            };
            let Some(value) = tried else { continue };
            let asked = |solver: &mut Self, literal: &Literal| {
                solver.is(node_of(*literal), &value) != Some(!is_positive(*literal))
            };
            let Some(wrong) = rules.iter().find(|literal| !asked(self, literal)).copied() else { continue };
            let ways = self.ways(leaf, wrong, &value);
            for way in ways.into_iter().rev() {
                let mut next = given.clone();
                let is_other =
                    |(field, value): (&String, &Option<Value>)| next.get(field).is_some_and(|known| known != value);
                if !way.iter().any(is_other) {
                    next.extend(way);
                    if seen.insert(format!("{next:?}")) {
                        open.push(next);
                    }
                }
            }
        }
        self.trying_rules = false;
        best.answer.unwrap_or(Outcome::Unknown(Cause::Rules.into()))
    }

    fn with_given(&mut self, leaf: &Leaf, given: &Given) -> Vec<Literal> {
        let mut atoms = leaf.atoms.clone();
        for (pointer, value) in given {
            match value {
                Some(value) => {
                    let field = self.graph.field(pointer, std::slice::from_ref(value));
                    let parts = match self.graph.node(field) {
                        Node::All(parts) => parts.clone(),
                        _ => vec![field],
                    };
                    atoms.extend(parts.into_iter().map(holds));
                }
                None => {
                    let name = pointer::unescape(pointer.trim_start_matches('/')).into_owned();
                    atoms.push(fails(self.graph.add(Node::Required(name))));
                }
            }
        }
        atoms.sort_unstable();
        atoms.dedup();
        atoms
    }

    /// Ways to give fields of an object values so that a rule is as asked.
    fn ways(&mut self, leaf: &Leaf, rule: Literal, object: &Value) -> Vec<Given> {
        let Some(written) = self.graph.rule_of(node_of(rule)).cloned() else { return Vec::new() };
        let conditions = |name: &str| -> Vec<Asked> {
            let all = written.get(name).and_then(Value::as_array).into_iter().flatten();
            all.filter_map(Asked::read).collect()
        };
        let (when, then) = (conditions("if"), conditions("then"));
        if is_positive(rule) {
            let kept = then.iter().map(|condition| (condition, Wanted::NotBroken));
            let idle = when.iter().map(|condition| (condition, Wanted::NotMet));
            let each = kept.chain(idle).flat_map(|(condition, wanted)| self.met(leaf, condition, wanted, object));
            return each.collect();
        }
        let all = when.iter().map(|condition| (condition, Wanted::Met));
        let all = all.chain(then.iter().map(|condition| (condition, Wanted::Broken)));
        let mut ways = vec![(Given::new(), object.clone())];
        for (condition, wanted) in all {
            let mut next = Vec::new();
            for (given, object) in &ways {
                for way in self.met(leaf, condition, wanted, object) {
                    if way.iter().any(|(field, value)| given.get(field).is_some_and(|known| known != value)) {
                        continue;
                    }
                    let object = applied(object, &way);
                    next.push((given.iter().chain(&way).map(|(f, v)| (f.clone(), v.clone())).collect(), object));
                }
            }
            next.truncate(4 * WAYS_MAX);
            ways = next;
        }
        ways.into_iter().map(|(given, _)| given).collect()
    }

    /// Ways to give the fields of one condition values so that it is as wanted, fewest changes first.
    fn met(&mut self, leaf: &Leaf, condition: &Asked, wanted: Wanted, object: &Value) -> Vec<Given> {
        let as_is: Given =
            condition.fields.iter().map(|field| (field.clone(), object.pointer(field).cloned())).collect();
        if condition.is(wanted, object) {
            return vec![as_is];
        }
        let pools: Vec<Vec<Option<Value>>> =
            condition.fields.iter().map(|field| self.values_for(leaf, condition, field, object)).collect();
        let mut found = Vec::new();
        // A condition looks at nothing but its fields; only of items the rest of the array counts.
        let is_flat = condition.fields.iter().all(|field| field.rfind('/') == Some(0));
        let beside = if is_flat { json!({}) } else { object.clone() };
        let take = |way: Given, found: &mut Vec<Given>| {
            if found.len() < MET_MAX && condition.is(wanted, &applied(&beside, &way)) {
                found.push(way);
            }
        };
        for (field, pool) in condition.fields.iter().zip(&pools) {
            for value in pool {
                let mut way = as_is.clone();
                way.insert(field.clone(), value.clone());
                take(way, &mut found);
            }
        }
        if let [one, other] = condition.fields.as_slice() {
            for first in pools[0].iter().take(24) {
                for second in pools[1].iter().take(24) {
                    take([(one.clone(), first.clone()), (other.clone(), second.clone())].into(), &mut found);
                }
            }
        } else if condition.fields.len() > 2 {
            for one in 0..condition.fields.len().min(4) {
                for other in one + 1..condition.fields.len().min(4) {
                    for first in pools[one].iter().take(12) {
                        for second in pools[other].iter().take(12) {
                            let mut way = as_is.clone();
                            way.insert(condition.fields[one].clone(), first.clone());
                            way.insert(condition.fields[other].clone(), second.clone());
                            take(way, &mut found);
                        }
                    }
                }
            }
            for value in &pools[0] {
                take(condition.fields.iter().map(|field| (field.clone(), value.clone())).collect(), &mut found);
            }
        }
        // Those first under which most rules are as they are asked to be, and then not many of one kind.
        let rules: Vec<Literal> = leaf
            .atoms
            .iter()
            .filter(|literal| self.reads_one(node_of(**literal), &condition.fields))
            .copied()
            .collect();
        let mut ranked: Vec<(usize, usize, Given)> = Vec::new();
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for way in found {
            let object = applied(object, &way);
            let wrong = rules.iter().filter(|rule| self.is(node_of(**rule), &object) == Some(!is_positive(**rule)));
            let wrong = wrong.count();
            let kind: String = way.values().map(|value| value.as_ref().map_or("-", kind_of)).collect();
            let alike = kinds.entry(kind).or_default();
            ranked.push((wrong, *alike / 2, way));
            *alike += 1;
        }
        ranked.sort_by_key(|(wrong, alike, _)| (*wrong, *alike));
        ranked.truncate(WAYS_MAX);
        ranked.into_iter().map(|(_, _, way)| way).collect()
    }

    /// Whether it is a rule that reads one of these fields, what is in it or what it is in.
    fn reads_one(&self, id: Id, fields: &[String]) -> bool {
        let lies_in = |one: &str, other: &str| {
            one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let Node::Opaque { key, .. } = self.graph.node(id) else { return false };
        let Some(rules) = self.graph.rule(key) else { return false };
        let mut own = rules.fields().map(|(_, field)| field.as_str());
        own.any(|own| fields.iter().any(|field| lies_in(own, field) || lies_in(field, own)))
    }

    /// Values that a field may have, likely ones first.
    fn values_for(&mut self, leaf: &Leaf, condition: &Asked, field: &str, object: &Value) -> Vec<Option<Value>> {
        let mut schemas: Vec<Id> =
            leaf.atoms.iter().filter(|literal| is_positive(**literal)).map(|literal| node_of(*literal)).collect();
        let tokens: Vec<String> = pointer::tokens(field).map(Cow::into_owned).collect();
        for token in &tokens {
            let mut below = Vec::new();
            for id in schemas {
                self.below(id, token, &mut below, 0);
            }
            schemas = below;
        }
        // What other rules say of the field, first.
        let mut pool = Vec::new();
        for written in leaf.atoms.iter().filter_map(|literal| self.graph.rule_of(node_of(*literal))) {
            for side in ["if", "then"].into_iter().filter_map(|name| written.get(name)?.as_array()).flatten() {
                if side.get("left").and_then(|left| left.get("field")).and_then(Value::as_str) == Some(field) {
                    let right = side.get("right");
                    pool.extend(right.and_then(|right| right.get("value")).cloned());
                    let values = right.and_then(|right| right.get("values")).and_then(Value::as_array);
                    pool.extend(values.into_iter().flatten().take(24).cloned());
                }
            }
        }
        pool.extend(condition.hints(field, object));
        let mut has_format = false;
        schemas.iter().for_each(|id| self.gather(*id, &mut pool, &mut has_format, 0));
        pool.extend([json!(1), json!(2), json!(0), json!(-1), json!("1"), json!("2"), json!("a"), json!("b")]);
        pool.extend([
            json!("2026-11-01"),
            json!("2026-11-02"),
            json!(100),
            json!(101),
            json!(3),
            json!(0.5),
            json!(""),
        ]);
        pool.extend(
            ["2026-11-01T08:00:00+08:00", "2026-11-02T08:00:00+08:00", "20261101", "20261102"].map(Value::from),
        );
        pool.extend([
            json!(true),
            json!(false),
            json!([]),
            json!([1]),
            json!([1, 2]),
            json!({}),
            json!("zz"),
            json!(1e9),
        ]);
        if has_format {
            pool.extend(self.samples.iter().map(String::as_str).chain(SAMPLES.iter().copied()).map(Value::from));
        }
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for value in pool {
            if found.len() == VALUES_MAX {
                break;
            }
            if seen.insert(exact::key(&value)) && schemas.iter().all(|id| self.is(*id, &value) != Some(false)) {
                found.push(Some(value));
            }
        }
        let required = |literal: &Literal| {
            is_positive(*literal)
                && matches!(self.graph.node(node_of(*literal)), Node::Required(name) if tokens == [name.clone()])
        };
        if tokens.len() == 1 && !leaf.atoms.iter().any(required) {
            found.insert(found.len().min(1), None);
        }
        found
    }

    /// The schemas of a member.
    fn below(&mut self, id: Id, name: &str, found: &mut Vec<Id>, depth: usize) {
        match self.graph.node(id).clone() {
            Node::All(parts) if depth < 8 => {
                parts.into_iter().for_each(|part| self.below(part, name, found, depth + 1))
            }
            Node::Ref(reference) if depth < 8 => self.below(self.graph.target(reference), name, found, depth + 1),
            Node::Properties { named, patterns, rest } => {
                found.extend(self.values.applying(&named, &patterns, rest, name).into_iter().flatten());
            }
            _ => {}
        }
    }

    /// Values that a schema speaks of.
    fn gather(&self, id: Id, pool: &mut Vec<Value>, has_format: &mut bool, depth: usize) {
        if depth > 8 || pool.len() > 400 {
            return;
        }
        match self.graph.node(id) {
            Node::All(parts) | Node::Any(parts) | Node::One(parts) => {
                parts.iter().for_each(|part| self.gather(*part, pool, has_format, depth + 1));
            }
            Node::If(_, then, otherwise) => {
                [then, otherwise].into_iter().for_each(|part| self.gather(*part, pool, has_format, depth + 1));
            }
            Node::Ref(reference) => self.gather(self.graph.target(*reference), pool, has_format, depth + 1),
            Node::Enum(values) => pool.extend(values.iter().take(24).map(|value| self.graph.value(*value).clone())),
            Node::Minimum { limit, .. } | Node::Maximum { limit, .. } => {
                let one = num_rational::BigRational::from_integer(1.into());
                let near = [limit.clone(), limit + &one, limit - &one];
                pool.extend(near.iter().filter_map(exact::number).map(Value::Number));
            }
            Node::Listed(index) => {
                let listed = self.graph.listed(*index);
                let codes = listed.codes.texts().filter(|text| listed.has(text));
                pool.extend(codes.take(24).map(Value::from));
            }
            Node::MinLength(length) | Node::MaxLength(length) if *length < 200 => {
                pool.push("1".repeat(*length as usize).into());
            }
            Node::Format(_) | Node::Pattern(_) => *has_format = true,
            _ => {}
        }
    }
}

/// A condition with what judges it.
struct Asked {
    written: Value,
    fields: Vec<String>,
    /// Broken where it holds for certain, and where it surely does not.
    met: Rules,
    broken: Rules,
}

#[derive(Clone, Copy)]
enum Wanted {
    Met,
    Broken,
    NotMet,
    NotBroken,
}

impl Asked {
    fn read(written: &Value) -> Option<Self> {
        let rules = |rule: Value| Rules::compile(&json!([rule]), "").ok();
        let met = rules(json!({"id": "r", "if": [written], "then": [never()]}))?;
        let broken = rules(json!({"id": "r", "then": [written]}))?;
        let fields: BTreeSet<String> = broken.fields().map(|(_, field)| field.as_str().to_owned()).collect();
        Some(Self { written: written.clone(), fields: fields.into_iter().collect(), met, broken })
    }

    fn is(&self, wanted: Wanted, object: &Value) -> bool {
        match wanted {
            Wanted::Met => !self.met.check(object).is_empty(),
            Wanted::Broken => !self.broken.check(object).is_empty(),
            Wanted::NotMet => self.met.check(object).is_empty(),
            Wanted::NotBroken => self.broken.check(object).is_empty(),
        }
    }

    /// What a field might be beside the literals and the other fields of the condition: equal, just beside, with it in its place.
    fn hints(&self, field: &str, object: &Value) -> Vec<Value> {
        let mut found = Vec::new();
        let sides = ["left", "right"].into_iter().filter_map(|side| self.written.get(side));
        let (own, others): (Vec<&Value>, Vec<&Value>) =
            sides.partition(|side| side.get("field").and_then(Value::as_str) == Some(field));
        let mut texts = Vec::new();
        for side in others.iter().chain(&own) {
            texts.extend(side.get("value").cloned());
            texts.extend(side.get("values").and_then(Value::as_array).into_iter().flatten().take(24).cloned());
            if let Some(other) = side.get("field").and_then(Value::as_str).filter(|other| *other != field)
                && let Some(value) = object.pointer(other)
            {
                texts.push(part(value, side.get("part")));
            }
        }
        let numbers =
            ["sum", "difference"].into_iter().flat_map(|name| others.iter().filter_map(move |side| side.get(name)));
        for name in numbers.flat_map(|names| names.as_array().into_iter().flatten()).filter_map(Value::as_str) {
            texts.extend(object.pointer(name).cloned());
        }
        if let Some(length) = self.length(field) {
            for length in [length, length + 1, length.saturating_sub(1)].into_iter().filter(|length| *length < 200) {
                found.push("a".repeat(length).into());
                found.push(vec![json!("a"); length].into());
                found.push(vec![json!({}); length].into());
            }
        }
        let own_part = own.iter().find_map(|side| side.get("part"));
        for value in texts {
            let spelled = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if let Some([from, to]) = own_part.and_then(bounds) {
                // The text with this in its place; a date is written there without its strokes.
                let now = object.pointer(field).and_then(Value::as_str).unwrap_or_default();
                let filled: Vec<char> =
                    now.chars().chain(std::iter::repeat_n('0', to)).take(to.max(now.chars().count())).collect();
                let compact = spelled.replace('-', "");
                for middle in [&spelled, &compact] {
                    let head: String = filled[..from].iter().collect();
                    let tail: String = filled[to..].iter().collect();
                    found.push(format!("{head}{middle}{tail}").into());
                }
            }
            if spelled.len() == 8 && spelled.bytes().all(|byte| byte.is_ascii_digit()) {
                found.push(format!("{}-{}-{}", &spelled[..4], &spelled[4..6], &spelled[6..]).into());
            }
            if let Some(number) = spelled.parse().ok().as_ref().and_then(exact::rational) {
                let one = num_rational::BigRational::from_integer(1.into());
                for near in [number.clone(), &number + &one, &number - &one] {
                    if let Some(number) = exact::number(&near) {
                        found.push(Value::from(number.to_string()));
                        found.push(Value::Number(number));
                    }
                }
            }
            found.push(format!("{spelled}0").into());
            found.push(spelled.into());
            found.push(value);
        }
        found
    }

    /// What the length of the field is compared with.
    fn length(&self, field: &str) -> Option<usize> {
        let side = |name: &str| self.written.get(name);
        let is_own = |side: &Value| side.get("length").and_then(Value::as_str) == Some(field);
        let other = if side("left").is_some_and(is_own) { side("right") } else { side("left") };
        let is_asked = [side("left"), side("right")].into_iter().flatten().any(is_own);
        let value = other?.get("value")?.as_u64()?;
        is_asked.then_some(value as usize)
    }
}

fn bounds(part: &Value) -> Option<[usize; 2]> {
    let at = |index: usize| part.get(index).and_then(Value::as_u64).map(|at| at as usize);
    match (at(0), at(1)) {
        (Some(from), Some(to)) if from < to && to <= 4_096 => Some([from, to]),
        _ => None,
    }
}

fn part(value: &Value, part: Option<&Value>) -> Value {
    match (part.and_then(bounds), value.as_str()) {
        (Some([from, to]), Some(text)) => text.chars().skip(from).take(to - from).collect::<String>().into(),
        _ => value.clone(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(text) if text.parse::<guiju_model::Date>().is_ok() => "date ",
        Value::String(_) => "text ",
        value if Types::NUMBER.has(type_of(value)) => "number ",
        _ => "other ",
    }
}

fn applied(object: &Value, way: &Given) -> Value {
    let mut object = object.clone();
    way.iter().for_each(|(field, value)| put(&mut object, field, value.clone()));
    object
}

/// Of a subject's situations only those within the bound are left.
fn narrow(left: &mut [Vec<bool>], (at, bound): &Bound) {
    left[*at].iter_mut().zip(bound).for_each(|(left, bound)| *left &= bound);
}

/// Whether some clause cannot be met, whatever the situations are.
fn is_impossible(clauses: &[Vec<Bound>], mut left: Vec<Vec<bool>>, splits: &mut usize) -> bool {
    loop {
        if left.iter().any(|left| !left.contains(&true)) {
            return true;
        }
        let mut narrowest: Option<Vec<&Bound>> = None;
        let mut is_narrowed = false;
        for clause in clauses {
            let within = |(at, bound): &Bound| left[*at].iter().zip(bound).all(|(left, bound)| !left || *bound);
            if clause.iter().any(within) {
                continue;
            }
            let meets = |(at, bound): &&Bound| left[*at].iter().zip(bound).any(|(left, bound)| *left && *bound);
            let open: Vec<&Bound> = clause.iter().filter(meets).collect();
            match open.as_slice() {
                [] => return true,
                [only] => {
                    narrow(&mut left, only);
                    is_narrowed = true;
                }
                _ if narrowest.as_ref().is_none_or(|known| known.len() > open.len()) => narrowest = Some(open),
                _ => {}
            }
        }
        if is_narrowed {
            continue;
        }
        let Some(open) = narrowest else { return false };
        if *splits < open.len() {
            return false;
        }
        *splits -= open.len();
        return open.into_iter().all(|bound| {
            let mut left = left.clone();
            narrow(&mut left, bound);
            is_impossible(clauses, left, splits)
        });
    }
}
