//! Objects: required and forbidden members, what each name asks of its value, and members that must occur.
//!
//! Names fall into regions: each declared name by itself, and all others by which patterns they match. What a member must be
//! depends on its region alone, so one name from each region stands for all of it.

use super::{Best, Leaf, Literal, Outcome, Solver, closed, fails, holds, is_positive, node_of};
use crate::{
    doubt::{Cause, Doubt},
    normal::{Id, Node, Types},
    proof::Step,
    value::every,
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Patterns whose combinations are looked at, and combinations of them that are possible.
const PATTERNS_MAX: usize = 10;
const REGIONS_MAX: usize = 64;
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
    doubt: Option<Doubt>,
    /// Names that any part of the schema speaks of by name.
    declared: BTreeSet<String>,
    patterns: Vec<String>,
}

/// A member under construction: what its value must be.
type Chosen = BTreeMap<String, Vec<Literal>>;

/// One way to let something occur: a member by name or by region, and what its value must be besides.
enum Place {
    Named(String),
    /// It may be that the name is not one that will do.
    Perhaps(String),
    /// Any undeclared name that matches and does not match so.
    Fresh {
        matching: Vec<String>,
        failing: Vec<String>,
        name: Option<Literal>,
    },
}

impl Solver<'_> {
    pub(super) fn object(&mut self, leaf: &Leaf) -> Outcome {
        if self.rules_clash(leaf) {
            return closed(Step::Rules);
        }
        match self.object_of(leaf) {
            outcome @ (Outcome::Sure(_) | Outcome::Empty(_)) => outcome,
            outcome => self.with_rules(leaf, outcome),
        }
    }

    pub(super) fn object_of(&mut self, leaf: &Leaf) -> Outcome {
        let none = || closed(Step::Members(Vec::new()));
        let Some(mut shape) = self.object_shape(leaf) else { return none() };
        if shape.required.iter().any(|name| shape.forbidden.contains(name))
            || shape.max.is_some_and(|max| max < shape.min)
        {
            return none();
        }
        let mut chosen = Chosen::new();
        for name in shape.required.clone() {
            chosen.insert(name, Vec::new());
        }
        shape.declared.extend(shape.required.iter().cloned());
        shape.declared.extend(shape.forbidden.iter().cloned());
        let mut best = Best::default();
        self.occur(&shape, 0, chosen, leaf, &mut best);
        best.or(Step::Members)
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
        // Names first: of a member that is there, another name of the same region would do as well, but for what its name must
        // be besides.
        let named = shape.names_broken.len();
        let places = match (shape.names_broken.get(done), done.checked_sub(named).and_then(|at| shape.broken.get(at))) {
            (Some(names), _) => Some(self.breaking_names(shape, *names)),
            (None, Some(broken)) => self.breaking_members(shape, broken),
            (None, None) => return self.members(shape, chosen, leaf, best),
        };
        let Some(places) = places else {
            best.doubt(Cause::MemberName);
            return false;
        };
        for (place, value) in places {
            if self.steps_left == 0 {
                best.doubt(Cause::BudgetUsedUp);
                return false;
            }
            self.steps_left -= 1;
            for (name, doubt) in self.names_at(shape, &place, &chosen, best) {
                let mut next = chosen.clone();
                next.entry(name.clone()).or_default().extend(value);
                // A member that cannot be closes the branch before the others are tried.
                if let Some(goal) = self.member_goal(shape, &name, &next[&name])
                    && let Outcome::Empty(why) = self.solve(goal.clone())
                {
                    best.parts.push((goal, why));
                    continue;
                }
                if let Some(doubt) = doubt {
                    best.doubt(doubt);
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
                if self.values.patterns.is_match(pattern, name)? {
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
                is_rest &= !self.values.patterns.is_match(pattern, name)?;
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

    /// The ways in which some name can break what names must be.
    fn breaking_names(&mut self, shape: &Shape, names: Id) -> Vec<(Place, Option<Literal>)> {
        let mut places = Vec::new();
        for name in &shape.declared {
            match self.is(names, &Value::from(name.as_str())) {
                Some(true) => {}
                Some(false) => places.push((Place::Named(name.clone()), None)),
                None => places.push((Place::Perhaps(name.clone()), None)),
            }
        }
        let name = Some(fails(names));
        places.push((Place::Fresh { matching: Vec::new(), failing: Vec::new(), name }, None));
        places
    }

    /// Names for a place: one for each region that it covers, and names chosen before that lie in it.
    fn names_at(
        &mut self,
        shape: &Shape,
        place: &Place,
        chosen: &Chosen,
        best: &mut Best,
    ) -> Vec<(String, Option<Doubt>)> {
        match place {
            Place::Named(name) | Place::Perhaps(name) if shape.forbidden.contains(name) => Vec::new(),
            Place::Named(name) | Place::Perhaps(name) => match self.name_fits(shape, name) {
                Some(false) => Vec::new(),
                Some(true) if matches!(place, Place::Named(_)) => vec![(name.clone(), None)],
                _ => vec![(name.clone(), Some(Cause::Keyword("propertyNames".into()).into()))],
            },
            Place::Fresh { matching, failing, name } => {
                let mut names = Vec::new();
                for earlier in chosen.keys().filter(|earlier| !shape.declared.contains(*earlier)) {
                    let fits = |solver: &mut Self, patterns: &[String], wanted: bool| {
                        patterns.iter().all(|pattern| solver.values.patterns.is_match(pattern, earlier) == Some(wanted))
                    };
                    let named = name.is_none_or(|literal| {
                        self.is(node_of(literal), &Value::from(earlier.as_str())) == Some(is_positive(literal))
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
    ) -> Vec<(String, Option<Doubt>)> {
        let open: Vec<String> = shape
            .patterns
            .iter()
            .filter(|pattern| !matching.contains(pattern) && !failing.contains(pattern))
            .cloned()
            .collect();
        if open.len() > PATTERNS_MAX {
            best.doubt(Cause::ManyMemberNames);
        }
        let mut base = vec![holds(self.graph.add(Node::Type(Types::STRING)))];
        let decided =
            matching.iter().map(|pattern| (pattern, true)).chain(failing.iter().map(|pattern| (pattern, false)));
        for (pattern, must_match) in decided {
            let node = self.graph.add(Node::Pattern(pattern.clone()));
            base.push(if must_match { holds(node) } else { fails(node) });
        }
        base.extend(shape.names.iter().map(|schema| holds(*schema)));
        base.extend(name);
        let taken: Vec<Value> =
            shape.declared.iter().chain(chosen.keys()).map(|name| Value::from(name.as_str())).collect();
        if !taken.is_empty() {
            let taken = self.graph.values(taken.iter());
            base.push(fails(taken));
        }
        // One pattern after another; what no name does together with some, none does together with more.
        let mut names = Vec::new();
        let mut regions = vec![(base, 0)];
        let mut count = 0;
        while let Some((goal, decided)) = regions.pop() {
            count += usize::from(decided == open.len());
            if count > REGIONS_MAX || self.steps_left == 0 {
                best.doubt(Cause::ManyMemberNames);
                break;
            }
            self.steps_left -= 1;
            let next = open.get(decided).filter(|_| decided < PATTERNS_MAX);
            // Before the last of them a look costs more than it spares.
            let outcome = (next.is_none() || open.len() - decided > 1).then(|| self.solve(goal.clone()));
            match (next, outcome) {
                (_, Some(Outcome::Empty(why))) => best.parts.push((goal, why)),
                (Some(pattern), _) => {
                    let node = self.graph.add(Node::Pattern(pattern.clone()));
                    for literal in [holds(node), fails(node)] {
                        regions.push((goal.iter().copied().chain([literal]).collect(), decided + 1));
                    }
                }
                (None, Some(Outcome::Sure(Value::String(name)))) => names.push((name, None)),
                (None, Some(Outcome::Maybe(Value::String(name), why))) => names.push((name, Some(why))),
                (None, Some(Outcome::Unknown(why))) => best.doubt(why),
                (None, _) => {}
            }
        }
        names
    }

    fn name_fits(&mut self, shape: &Shape, name: &str) -> Option<bool> {
        let name = Value::from(name);
        every(shape.names.iter().map(|schema| self.is(*schema, &name)))
    }

    /// What the value of a member must be; none where a pattern is out of reach.
    fn member_goal(&mut self, shape: &Shape, name: &str, besides: &[Literal]) -> Option<Vec<Literal>> {
        let mut goal = besides.to_vec();
        for Members { named, patterns, rest } in &shape.members {
            goal.extend(self.values.applying(named, patterns, *rest, name)?.into_iter().map(holds));
        }
        goal.sort_unstable();
        goal.dedup();
        Some(goal)
    }

    /// Gives every member a value, and adds members up to the minimum; true once nothing better can come.
    fn members(&mut self, shape: &Shape, chosen: Chosen, leaf: &Leaf, best: &mut Best) -> bool {
        let mut doubt = shape.doubt.clone();
        let mut members = Map::new();
        for (name, besides) in &chosen {
            match self.member(shape, name, besides, best) {
                Some(Outcome::Sure(value)) => drop(members.insert(name.clone(), value)),
                Some(Outcome::Maybe(value, why)) => {
                    doubt = doubt.or(Some(why));
                    members.insert(name.clone(), value);
                }
                other => return other.is_some_and(|outcome| best.take(outcome)),
            }
        }
        if !self.add_members(shape, &mut members, &chosen, &mut doubt, best) {
            return false;
        }
        let value = Value::Object(members);
        let outcome = match doubt {
            None => Outcome::Sure(value),
            Some(why) => self.tried(value, why, leaf),
        };
        best.take(outcome)
    }

    /// A value for a member; none where there cannot be one.
    fn member(&mut self, shape: &Shape, name: &str, besides: &[Literal], best: &mut Best) -> Option<Outcome> {
        match self.name_fits(shape, name) {
            Some(false) => return None,
            Some(true) => {}
            None => return Some(Outcome::Unknown(Cause::Keyword("propertyNames".into()).into())),
        }
        let Some(goal) = self.member_goal(shape, name, besides) else {
            return Some(Outcome::Unknown(Cause::MemberName.into()));
        };
        match self.solve(goal.clone()) {
            Outcome::Empty(why) => {
                best.parts.push((goal, why));
                None
            }
            outcome => Some(outcome),
        }
    }

    /// Adds members until there are enough; false where there cannot be.
    fn add_members(
        &mut self,
        shape: &Shape,
        members: &mut Map<String, Value>,
        chosen: &Chosen,
        doubt: &mut Option<Doubt>,
        best: &mut Best,
    ) -> bool {
        let optional: Vec<String> =
            shape.declared.iter().filter(|name| !shape.forbidden.contains(*name)).cloned().collect();
        for name in optional {
            if members.len() as u64 >= shape.min {
                return true;
            }
            if !members.contains_key(&name) {
                match self.member(shape, &name, &[], best) {
                    Some(Outcome::Sure(value)) => drop(members.insert(name, value)),
                    Some(Outcome::Unknown(why)) => best.doubt(why),
                    Some(Outcome::Maybe(value, why)) => {
                        *doubt = doubt.take().or(Some(why));
                        members.insert(name, value);
                    }
                    _ => {}
                }
            }
        }
        let mut used = chosen.clone();
        while (members.len() as u64) < shape.min {
            if members.len() as u64 >= MEMBERS_MAX {
                best.doubt(Cause::LargeObject(shape.min));
                return false;
            }
            used.extend(members.keys().map(|name| (name.clone(), Vec::new())));
            let before = members.len();
            for (name, _) in self.fresh_names(shape, &[], &[], None, &used, best) {
                match self.member(shape, &name, &[], best) {
                    Some(Outcome::Sure(value)) => {
                        members.insert(name, value);
                        break;
                    }
                    Some(Outcome::Maybe(value, why)) => {
                        *doubt = doubt.take().or(Some(why));
                        members.insert(name, value);
                        break;
                    }
                    Some(Outcome::Unknown(why)) => best.doubt(why),
                    _ => {}
                }
                // This region has no values; its other names need no look.
                used.insert(name, Vec::new());
            }
            if members.len() == before {
                return false;
            }
        }
        true
    }
}

impl Shape {
    fn at_most(&mut self, max: u64) {
        self.max = Some(self.max.map_or(max, |known| known.min(max)));
    }
}
