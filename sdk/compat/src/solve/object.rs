//! Objects: required and forbidden members, what each name asks of its value, and members that must occur.
//!
//! Names fall into regions: each declared name by itself, and all others by which patterns they match. What a member must be
//! depends on its region alone, so one name from each region stands for all of it.

use super::{Best, Leaf, Literal, Outcome, Solver, fails, holds, is_positive, node_of};
use crate::normal::{Id, Node, Types};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Patterns whose combinations are all looked at.
const PATTERNS_MAX: usize = 6;
/// Members added to reach a minimum.
const MEMBERS_MAX: u64 = 64;

struct Members {
    named: Vec<(String, Id)>,
    patterns: Vec<(String, Id)>,
    rest: Id,
}

#[derive(Default)]
struct Shape {
    members: Vec<Members>,
    /// Each must be broken by some member.
    broken: Vec<Members>,
    /// What every name must be, and what some name must not be.
    names: Vec<Id>,
    names_broken: Vec<Id>,
    required: BTreeSet<String>,
    forbidden: BTreeSet<String>,
    min: u64,
    max: Option<u64>,
    doubt: Option<String>,
    /// Names that any part of the schema speaks of by name.
    declared: BTreeSet<String>,
    patterns: Vec<String>,
}

/// A member under construction: what its value must be.
type Chosen = BTreeMap<String, Vec<Literal>>;

/// One way to let something occur: a member by name or by region, and what its value must be besides.
enum Place {
    Named(String),
    /// Any undeclared name that matches and does not match so.
    Fresh {
        matching: Vec<String>,
        failing: Vec<String>,
        name: Option<Literal>,
    },
}

impl Solver<'_> {
    pub(super) fn object(&mut self, leaf: &Leaf) -> Outcome {
        match self.object_of(leaf) {
            outcome @ (Outcome::Sure(_) | Outcome::Empty) => outcome,
            outcome => self.with_rules(leaf, outcome),
        }
    }

    pub(super) fn object_of(&mut self, leaf: &Leaf) -> Outcome {
        let Some(mut shape) = self.object_shape(leaf) else { return Outcome::Empty };
        if shape.required.iter().any(|name| shape.forbidden.contains(name))
            || shape.max.is_some_and(|max| max < shape.min)
        {
            return Outcome::Empty;
        }
        let mut chosen = Chosen::new();
        for name in shape.required.clone() {
            chosen.insert(name, Vec::new());
        }
        shape.declared.extend(shape.required.iter().cloned());
        shape.declared.extend(shape.forbidden.iter().cloned());
        let mut best = Best::new();
        self.occur(&shape, 0, chosen, leaf, &mut best);
        best.0
    }

    fn object_shape(&mut self, leaf: &Leaf) -> Option<Shape> {
        let mut shape = Shape::default();
        for literal in leaf.atoms.clone() {
            let positive = is_positive(literal);
            match (self.graph.node(node_of(literal)).clone(), positive) {
                (Node::Required(name), true) => drop(shape.required.insert(name)),
                (Node::Required(name), false) => drop(shape.forbidden.insert(name)),
                (Node::MinProperties(min), true) => shape.min = shape.min.max(min),
                (Node::MaxProperties(max), false) => shape.min = shape.min.max(max.saturating_add(1)),
                (Node::MinProperties(0), false) => return None,
                (Node::MinProperties(min), false) => shape.at_most(min - 1),
                (Node::MaxProperties(max), true) => shape.at_most(max),
                (Node::Names(schema), true) => shape.names.push(schema),
                (Node::Names(schema), false) => shape.names_broken.push(schema),
                (Node::Properties { named, patterns, rest }, positive) => {
                    shape.declared.extend(named.iter().map(|(name, _)| name.clone()));
                    for (pattern, _) in &patterns {
                        if !shape.patterns.contains(pattern) {
                            shape.patterns.push(pattern.clone());
                        }
                    }
                    let members = Members { named, patterns, rest };
                    if positive { shape.members.push(members) } else { shape.broken.push(members) }
                }
                (Node::Opaque { .. }, _) => shape.doubt = Some(self.name(node_of(literal))),
                _ => {}
            }
        }
        Some(shape)
    }

    /// Lets each thing that must occur occur, one after another; then fills in the rest.
    fn occur(&mut self, shape: &Shape, done: usize, chosen: Chosen, leaf: &Leaf, best: &mut Best) -> bool {
        if shape.max.is_some_and(|max| chosen.len() as u64 > max) {
            return false;
        }
        let places = if done < shape.broken.len() {
            self.breaking_members(shape, &shape.broken[done])
        } else if done < shape.broken.len() + shape.names_broken.len() {
            Self::breaking_names(shape, shape.names_broken[done - shape.broken.len()])
        } else {
            return best.take(self.members(shape, chosen, leaf));
        };
        let Some(places) = places else {
            best.take(Outcome::Unknown("a pattern of member names".into()));
            return false;
        };
        for (place, value) in places {
            if self.steps_left == 0 {
                best.take(Outcome::Unknown("the work budget is used up".into()));
                return false;
            }
            self.steps_left -= 1;
            for (name, doubt) in self.names_at(shape, &place, &chosen, best) {
                let mut next = chosen.clone();
                next.entry(name.clone()).or_default().extend(value);
                // A member that cannot be closes the branch before the others are tried.
                match self.member_goal(shape, &name, &next[&name]) {
                    Some(goal) if self.solve(goal.clone()) == Outcome::Empty => continue,
                    _ => {}
                }
                if let Some(doubt) = doubt {
                    best.take(Outcome::Unknown(doubt));
                }
                if self.occur(shape, done + 1, next, leaf, best) {
                    return true;
                }
            }
        }
        false
    }

    /// The ways in which some member can break a `Properties` node; none where a pattern is out of reach.
    fn breaking_members(&mut self, shape: &Shape, broken: &Members) -> Option<Vec<(Place, Option<Literal>)>> {
        let mut places = Vec::new();
        for (name, schema) in &broken.named {
            places.push((Place::Named(name.clone()), Some(fails(*schema))));
        }
        for (pattern, schema) in &broken.patterns {
            for name in &shape.declared {
                if self.patterns.is_match(pattern, name)? {
                    places.push((Place::Named(name.clone()), Some(fails(*schema))));
                }
            }
            let place = Place::Fresh { matching: vec![pattern.clone()], failing: Vec::new(), name: None };
            places.push((place, Some(fails(*schema))));
        }
        let patterns: Vec<String> = broken.patterns.iter().map(|(pattern, _)| pattern.clone()).collect();
        for name in &shape.declared {
            let mut is_rest = !broken.named.iter().any(|(named, _)| named == name);
            for pattern in &patterns {
                is_rest &= !self.patterns.is_match(pattern, name)?;
            }
            if is_rest {
                places.push((Place::Named(name.clone()), Some(fails(broken.rest))));
            }
        }
        places.push((Place::Fresh { matching: Vec::new(), failing: patterns, name: None }, Some(fails(broken.rest))));
        // What can never be broken needs no place.
        places
            .retain(|(_, value)| value.is_none_or(|literal| !matches!(self.graph.node(node_of(literal)), Node::True)));
        // Members that must be there anyway are the smallest witness.
        places.sort_by_key(|(place, _)| !matches!(place, Place::Named(name) if shape.required.contains(name)));
        Some(places)
    }

    fn breaking_names(shape: &Shape, names: Id) -> Option<Vec<(Place, Option<Literal>)>> {
        let mut places: Vec<_> = shape.declared.iter().map(|name| (Place::Named(name.clone()), None)).collect();
        places.retain(|(place, _)| matches!(place, Place::Named(name) if !shape.forbidden.contains(name)));
        let name = Some(fails(names));
        places.push((Place::Fresh { matching: Vec::new(), failing: Vec::new(), name }, None));
        // A declared name is checked against `names` where it is used.
        let tagged = places.into_iter().map(|(place, value)| match place {
            Place::Named(name) => {
                (Place::Fresh { matching: vec![exactly(&name)], failing: Vec::new(), name: Some(fails(names)) }, value)
            }
            place => (place, value),
        });
        Some(tagged.collect())
    }

    /// Names for a place: one for each region that it covers, and names chosen before that lie in it.
    fn names_at(
        &mut self,
        shape: &Shape,
        place: &Place,
        chosen: &Chosen,
        best: &mut Best,
    ) -> Vec<(String, Option<String>)> {
        match place {
            Place::Named(name) if shape.forbidden.contains(name) => Vec::new(),
            Place::Named(name) => match self.name_fits(shape, name) {
                Some(false) => Vec::new(),
                Some(true) => vec![(name.clone(), None)],
                None => vec![(name.clone(), Some("propertyNames".into()))],
            },
            Place::Fresh { matching, failing, name } => {
                let mut names = Vec::new();
                for earlier in chosen.keys().filter(|earlier| !shape.declared.contains(*earlier)) {
                    let fits = |solver: &mut Self, patterns: &[String], wanted: bool| {
                        patterns.iter().all(|pattern| solver.patterns.is_match(pattern, earlier) == Some(wanted))
                    };
                    let named = name.is_none_or(|literal| {
                        self.is(node_of(literal), &Value::from(earlier.as_str()), 0) == Some(is_positive(literal))
                    });
                    if fits(self, matching, true) && fits(self, failing, false) && named {
                        names.push((earlier.clone(), None));
                    }
                }
                names.extend(self.fresh_names(shape, matching, failing, *name, chosen, best));
                names
            }
        }
    }

    /// One undeclared, unused name for each combination of patterns that is possible here.
    fn fresh_names(
        &mut self,
        shape: &Shape,
        matching: &[String],
        failing: &[String],
        name: Option<Literal>,
        chosen: &Chosen,
        best: &mut Best,
    ) -> Vec<(String, Option<String>)> {
        let open: Vec<String> = shape
            .patterns
            .iter()
            .filter(|pattern| !matching.contains(pattern) && !failing.contains(pattern))
            .cloned()
            .collect();
        let combinations = if open.len() > PATTERNS_MAX {
            best.take(Outcome::Unknown("many patterns of member names".into()));
            vec![0u64]
        } else {
            (0..1u64 << open.len()).collect()
        };
        let by_name = matching.iter().any(|pattern| is_exactly(pattern));
        let mut names = Vec::new();
        for combination in combinations {
            let mut goal = vec![holds(self.graph.add(Node::Type(Types::STRING)))];
            let all =
                matching.iter().map(|pattern| (pattern, true)).chain(failing.iter().map(|pattern| (pattern, false)));
            let each = open.iter().enumerate().map(|(index, pattern)| (pattern, combination >> index & 1 == 1));
            for (pattern, must_match) in all.chain(each) {
                let node = match exact_name(pattern) {
                    Some(name) => self.graph.values([&Value::from(name)]),
                    None => self.graph.add(Node::Pattern(pattern.clone())),
                };
                goal.push(if must_match { holds(node) } else { fails(node) });
            }
            goal.extend(shape.names.iter().map(|schema| holds(*schema)));
            goal.extend(name);
            if !by_name {
                let taken: Vec<Value> =
                    shape.declared.iter().chain(chosen.keys()).map(|name| Value::from(name.as_str())).collect();
                if !taken.is_empty() {
                    let taken = self.graph.values(taken.iter());
                    goal.push(fails(taken));
                }
            }
            match self.solve(goal) {
                Outcome::Sure(Value::String(name)) => names.push((name, None)),
                Outcome::Maybe(Value::String(name), why) => names.push((name, Some(why))),
                Outcome::Unknown(why) => drop(best.take(Outcome::Unknown(why))),
                _ => {}
            }
        }
        names
    }

    fn name_fits(&mut self, shape: &Shape, name: &str) -> Option<bool> {
        let name = Value::from(name);
        super::every(shape.names.iter().map(|schema| self.is(*schema, &name, 0)))
    }

    /// What the value of a member must be; none where a pattern is out of reach.
    fn member_goal(&mut self, shape: &Shape, name: &str, besides: &[Literal]) -> Option<Vec<Literal>> {
        let mut goal = besides.to_vec();
        for members in &shape.members {
            let mut is_rest = true;
            for (named, schema) in &members.named {
                if named == name {
                    goal.push(holds(*schema));
                    is_rest = false;
                }
            }
            for (pattern, schema) in &members.patterns {
                if self.patterns.is_match(pattern, name)? {
                    goal.push(holds(*schema));
                    is_rest = false;
                }
            }
            if is_rest {
                goal.push(holds(members.rest));
            }
        }
        Some(goal)
    }

    /// Gives every member a value, and adds members up to the minimum.
    fn members(&mut self, shape: &Shape, chosen: Chosen, leaf: &Leaf) -> Outcome {
        let mut doubt = shape.doubt.clone();
        let mut members = Map::new();
        for (name, besides) in &chosen {
            match self.member(shape, name, besides) {
                Outcome::Sure(value) => drop(members.insert(name.clone(), value)),
                Outcome::Maybe(value, why) => {
                    doubt = doubt.or(Some(why));
                    members.insert(name.clone(), value);
                }
                other => return other,
            }
        }
        if let Some(outcome) = self.add_members(shape, &mut members, &chosen, &mut doubt) {
            return outcome;
        }
        let value = Value::Object(members);
        if self.is_excluded(&value, leaf) {
            return self.object_other_than(value, shape, &chosen, leaf);
        }
        match doubt {
            None => Outcome::Sure(value),
            Some(why) => self.tried(value, why, leaf),
        }
    }

    fn member(&mut self, shape: &Shape, name: &str, besides: &[Literal]) -> Outcome {
        match self.name_fits(shape, name) {
            Some(false) => return Outcome::Empty,
            Some(true) => {}
            None => return Outcome::Unknown("propertyNames".into()),
        }
        match self.member_goal(shape, name, besides) {
            Some(goal) => self.solve(goal),
            None => Outcome::Unknown("a pattern of member names".into()),
        }
    }

    /// Adds members until there are enough; the outcome where that fails.
    fn add_members(
        &mut self,
        shape: &Shape,
        members: &mut Map<String, Value>,
        chosen: &Chosen,
        doubt: &mut Option<String>,
    ) -> Option<Outcome> {
        let mut best = Best::new();
        let optional: Vec<String> =
            shape.declared.iter().filter(|name| !shape.forbidden.contains(*name)).cloned().collect();
        for name in optional {
            if members.len() as u64 >= shape.min {
                return None;
            }
            if !members.contains_key(&name) {
                match self.member(shape, &name, &[]) {
                    Outcome::Sure(value) => drop(members.insert(name, value)),
                    Outcome::Unknown(why) => drop(best.take(Outcome::Unknown(why))),
                    Outcome::Maybe(value, why) => {
                        *doubt = doubt.take().or(Some(why));
                        members.insert(name, value);
                    }
                    Outcome::Empty => {}
                }
            }
        }
        let mut used = chosen.clone();
        while (members.len() as u64) < shape.min {
            if members.len() as u64 >= MEMBERS_MAX {
                return Some(Outcome::Unknown(format!("an object of {} members", shape.min)));
            }
            used.extend(members.keys().map(|name| (name.clone(), Vec::new())));
            let before = members.len();
            for (name, _) in self.fresh_names(shape, &[], &[], None, &used, &mut best) {
                match self.member(shape, &name, &[]) {
                    Outcome::Sure(value) => {
                        members.insert(name, value);
                        break;
                    }
                    Outcome::Maybe(value, why) => {
                        *doubt = doubt.take().or(Some(why));
                        members.insert(name, value);
                        break;
                    }
                    Outcome::Unknown(why) => drop(best.take(Outcome::Unknown(why))),
                    Outcome::Empty => {}
                }
                // This region has no values; its other names need no look.
                used.insert(name, Vec::new());
            }
            if members.len() == before {
                return Some(best.0);
            }
        }
        None
    }

    /// The value was ruled out: another value for one member, or one member more.
    fn object_other_than(&mut self, value: Value, shape: &Shape, chosen: &Chosen, leaf: &Leaf) -> Outcome {
        let Value::Object(members) = &value else { return Outcome::Empty };
        for (name, member) in members {
            let mut besides = chosen.get(name).cloned().unwrap_or_default();
            let taken = self.graph.values([member]);
            besides.push(fails(taken));
            if let Outcome::Sure(other) = self.member(shape, name, &besides) {
                let mut members = members.clone();
                members.insert(name.clone(), other);
                let value = Value::Object(members);
                if !self.is_excluded(&value, leaf) {
                    return self.judged(value, leaf);
                }
            }
        }
        let mut larger = members.clone();
        let grown = Shape { min: members.len() as u64 + 1, ..self.object_shape(leaf).unwrap_or_default() };
        let grown = Shape { declared: shape.declared.clone(), ..grown };
        if shape.max.is_none_or(|max| grown.min <= max)
            && self.add_members(&grown, &mut larger, chosen, &mut None).is_none()
            && !self.is_excluded(&Value::Object(larger.clone()), leaf)
        {
            return self.judged(Value::Object(larger), leaf);
        }
        Outcome::Unknown("an object other than the ones ruled out".into())
    }

    pub(super) fn is_object(&mut self, atom: &Node, members: &Map<String, Value>, depth: usize) -> Option<bool> {
        match atom {
            Node::Required(name) => Some(members.contains_key(name)),
            Node::MinProperties(min) => Some(members.len() as u64 >= *min),
            Node::MaxProperties(max) => Some(members.len() as u64 <= *max),
            Node::Names(schema) => {
                super::every(members.keys().map(|name| self.is(*schema, &Value::from(name.as_str()), depth + 1)))
            }
            Node::Properties { named, patterns, rest } => {
                let shape = Shape {
                    members: vec![Members { named: named.clone(), patterns: patterns.clone(), rest: *rest }],
                    ..Shape::default()
                };
                super::every(members.iter().map(|(name, value)| {
                    let goal = self.member_goal(&shape, name, &[])?;
                    super::every(goal.into_iter().map(|literal| self.is(node_of(literal), value, depth + 1)))
                }))
            }
            _ => None,
        }
    }
}

impl Shape {
    fn at_most(&mut self, max: u64) {
        self.max = Some(self.max.map_or(max, |known| known.min(max)));
    }
}

/// A stand-in for one name among patterns: no JSON Schema pattern begins with NUL.
fn exactly(name: &str) -> String {
    format!("\0{name}")
}

fn exact_name(pattern: &str) -> Option<&str> {
    pattern.strip_prefix('\0')
}

fn is_exactly(pattern: &str) -> bool {
    pattern.starts_with('\0')
}
