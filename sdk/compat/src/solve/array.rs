//! Arrays: how many items, what each position asks for, and which positions meet what must occur somewhere.
//!
//! An item beyond every declared position that is not needed can be dropped, so only lengths up to "declared positions and
//! what must occur" need a look, or the minimum length where that is more.

use super::{Best, Leaf, Literal, Outcome, Solver, closed, fails, holds, is_positive, node_of};
use crate::{
    doubt::{Cause, Doubt},
    normal::{Id, Node},
    proof::Step,
};
use serde_json::Value;

/// Longest array that is built.
const ITEMS_MAX: u64 = 64;
/// Ways of distributing what must occur that are tried for one length.
const WAYS_MAX: usize = 2_000;
/// Positions of such ways that are as much work as a branch.
const POSITIONS_OF_A_STEP: usize = 64;

#[derive(Default)]
struct Shape {
    min: u64,
    max: Option<u64>,
    positions: Vec<(Vec<Id>, Id)>,
    /// Each must be broken at some position: the schemas by position, and the rest.
    broken: Vec<(Vec<Id>, Id)>,
    /// At least so many items satisfy, at most so many do.
    contains: Vec<(Id, u64, Option<u64>)>,
    unique: bool,
    repeated: bool,
    doubt: Option<Doubt>,
}

impl Shape {
    fn declared(&self) -> usize {
        self.positions.iter().chain(&self.broken).map(|(prefix, _)| prefix.len()).max().unwrap_or(0)
    }

    fn at_most(&mut self, max: u64) {
        self.max = Some(self.max.map_or(max, |known| known.min(max)));
    }
}

fn at(position: usize, (prefix, rest): &(Vec<Id>, Id)) -> Id {
    prefix.get(position).copied().unwrap_or(*rest)
}

impl Solver<'_> {
    pub(super) fn array(&mut self, leaf: &Leaf) -> Outcome {
        let mut shapes = vec![Shape::default()];
        for literal in leaf.atoms.clone() {
            let positive = is_positive(literal);
            match (self.graph.node(node_of(literal)).clone(), positive) {
                (Node::MinItems(min), true) => shapes.iter_mut().for_each(|shape| shape.min = shape.min.max(min)),
                (Node::MaxItems(max), true) => shapes.iter_mut().for_each(|shape| shape.at_most(max)),
                (Node::MinItems(0), false) => return closed(Step::Items(Vec::new())),
                (Node::MinItems(min), false) => shapes.iter_mut().for_each(|shape| shape.at_most(min - 1)),
                (Node::MaxItems(max), false) => {
                    shapes.iter_mut().for_each(|shape| shape.min = shape.min.max(max.saturating_add(1)));
                }
                (Node::Items { prefix, rest }, true) => {
                    shapes.iter_mut().for_each(|shape| shape.positions.push((prefix.clone(), rest)));
                }
                (Node::Items { prefix, rest }, false) => {
                    shapes.iter_mut().for_each(|shape| shape.broken.push((prefix.clone(), rest)));
                }
                (Node::Unique, true) => shapes.iter_mut().for_each(|shape| shape.unique = true),
                (Node::Unique, false) => shapes.iter_mut().for_each(|shape| shape.repeated = true),
                (Node::Contains { schema, min, max }, true) => {
                    shapes.iter_mut().for_each(|shape| shape.contains.push((schema, min, max)));
                }
                (Node::Contains { schema, min, max }, false) => {
                    // Too few of them, or too many.
                    let mut next = Vec::new();
                    for shape in shapes {
                        let Shape {
                            min: shape_min,
                            max: shape_max,
                            positions,
                            broken,
                            contains,
                            unique,
                            repeated,
                            doubt,
                        } = shape;
                        let mut again = |bound: (Id, u64, Option<u64>)| {
                            let mut contains = contains.clone();
                            contains.push(bound);
                            next.push(Shape {
                                min: shape_min,
                                max: shape_max,
                                positions: positions.clone(),
                                broken: broken.clone(),
                                contains,
                                unique,
                                repeated,
                                doubt: doubt.clone(),
                            });
                        };
                        if min > 0 {
                            again((schema, 0, Some(min - 1)));
                        }
                        if let Some(max) = max {
                            again((schema, max.saturating_add(1), None));
                        }
                    }
                    shapes = next;
                }
                (Node::Opaque { .. }, _) => {
                    let name = self.name(node_of(literal));
                    shapes.iter_mut().for_each(|shape| shape.doubt = Some(name.clone()));
                }
                _ => {}
            }
        }
        let mut best = Best::default();
        for shape in shapes {
            if self.shaped(&shape, leaf, &mut best) {
                break;
            }
        }
        best.or(Step::Items)
    }

    /// Looks for an array of this shape; true once nothing better can come.
    fn shaped(&mut self, shape: &Shape, leaf: &Leaf, best: &mut Best) -> bool {
        if shape.unique && shape.repeated {
            return false;
        }
        let occurring = shape.contains.iter().fold(0u64, |sum, (_, min, _)| sum.saturating_add(*min));
        let needs = occurring.saturating_add(shape.broken.len() as u64 + if shape.repeated { 2 } else { 0 });
        let most = (shape.declared() as u64).saturating_add(needs).max(shape.min);
        let most = shape.max.map_or(most, |max| max.min(most));
        for length in shape.min..=most {
            if length > ITEMS_MAX {
                best.doubt(Cause::LongArray(length));
                return false;
            }
            if self.of_length(length as usize, shape, leaf, best) {
                return true;
            }
        }
        false
    }

    /// Distributes what must occur over the positions, then fills each position.
    fn of_length(&mut self, length: usize, shape: &Shape, leaf: &Leaf, best: &mut Best) -> bool {
        let base: Vec<Vec<Literal>> = (0..length)
            .map(|position| shape.positions.iter().map(|items| holds(at(position, items))).collect())
            .collect();
        let mut ways = vec![base];
        let mut is_cut = false;
        if self.steps_left == 0 {
            best.doubt(Cause::BudgetUsedUp);
            return false;
        }
        for broken in &shape.broken {
            ways = self.spread(ways, |way, position| {
                let mut way = way.to_vec();
                way[position].push(fails(at(position, broken)));
                way
            });
            is_cut |= ways.len() > WAYS_MAX;
            self.spend(&ways, length);
        }
        for (schema, min, max) in &shape.contains {
            ways = contains_ways(ways, *schema, *min, *max);
            is_cut |= ways.len() > WAYS_MAX;
            self.spend(&ways, length);
        }
        if shape.repeated {
            let mut next = Vec::new();
            for way in ways {
                for second in 1..length {
                    for first in 0..second {
                        let mut way = way.clone();
                        let both: Vec<Literal> = way[first].iter().chain(&way[second]).copied().collect();
                        (way[first], way[second]) = (both.clone(), both);
                        next.push(way);
                    }
                }
            }
            ways = next;
        }
        if is_cut || ways.len() > WAYS_MAX {
            ways.truncate(WAYS_MAX);
            best.doubt(Cause::ManyArrays);
        }
        ways.iter().any(|way| self.items(way, shape, leaf, best))
    }

    /// Ways that were laid out are work, too.
    fn spend(&mut self, ways: &[Vec<Vec<Literal>>], length: usize) {
        self.steps_left = self.steps_left.saturating_sub((ways.len() * length / POSITIONS_OF_A_STEP) as u64);
    }

    fn spread(
        &self,
        ways: Vec<Vec<Vec<Literal>>>,
        put: impl Fn(&[Vec<Literal>], usize) -> Vec<Vec<Literal>>,
    ) -> Vec<Vec<Vec<Literal>>> {
        let mut next = Vec::new();
        for way in &ways {
            next.extend((0..way.len()).map(|position| put(way, position)));
        }
        next.truncate(WAYS_MAX + 1);
        next
    }

    fn items(&mut self, way: &[Vec<Literal>], shape: &Shape, leaf: &Leaf, best: &mut Best) -> bool {
        let (mut items, mut doubt): (Vec<Value>, _) = (Vec::new(), shape.doubt.clone());
        for goal in way {
            let mut goal = goal.clone();
            if shape.unique && !items.is_empty() {
                let taken = self.graph.values(items.iter());
                goal.push(fails(taken));
            }
            match self.solve(goal.clone()) {
                Outcome::Empty(why) => {
                    if shape.unique && !items.is_empty() {
                        self.crowded(way, items.len(), (goal, why), best);
                    } else {
                        best.parts.push((sorted(goal), why));
                    }
                    return false;
                }
                Outcome::Unknown(why) => {
                    best.doubt(why);
                    return false;
                }
                Outcome::Maybe(value, why) => {
                    doubt = doubt.or(Some(why));
                    items.push(value);
                }
                Outcome::Sure(value) => items.push(value),
            }
        }
        let value = Value::Array(items);
        let outcome = match doubt {
            None => Outcome::Sure(value),
            Some(why) => self.tried(value, why, leaf),
        };
        best.take(outcome)
    }

    /// A position is left without a value. That closes the way where it has none whatever the others took; or where all
    /// positions so far ask for the same, so that the order in which they were filled took nothing away.
    fn crowded(
        &mut self,
        way: &[Vec<Literal>],
        position: usize,
        (goal, why): (Vec<Literal>, std::rc::Rc<crate::proof::Why>),
        best: &mut Best,
    ) {
        let own = sorted(way[position].clone());
        if way[..position].iter().all(|other| sorted(other.clone()) == own) {
            best.parts.push((sorted(goal), why));
        } else if let Outcome::Empty(why) = self.solve(own.clone()) {
            best.parts.push((own, why));
        } else {
            best.doubt(Cause::CompetingItems);
        }
    }
}

/// Which positions satisfy; where there is a maximum, the others must not.
fn contains_ways(ways: Vec<Vec<Vec<Literal>>>, schema: Id, min: u64, max: Option<u64>) -> Vec<Vec<Vec<Literal>>> {
    let mut next = Vec::new();
    for way in ways {
        let length = way.len();
        let most = max.map_or(min, |max| max.min(length as u64));
        for count in min..=most {
            if count > length as u64 {
                break;
            }
            for chosen in subsets(length, count as usize) {
                let mut way = way.clone();
                for (position, goal) in way.iter_mut().enumerate() {
                    match chosen.contains(&position) {
                        true => goal.push(holds(schema)),
                        false if max.is_some() => goal.push(fails(schema)),
                        false => {}
                    }
                }
                next.push(way);
                if next.len() > WAYS_MAX {
                    return next;
                }
            }
        }
    }
    next
}

fn subsets(length: usize, count: usize) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new()];
    for _ in 0..count {
        let mut next = Vec::new();
        for chosen in &found {
            let from = chosen.last().map_or(0, |last: &usize| last + 1);
            for position in from..length {
                let mut chosen = chosen.clone();
                chosen.push(position);
                next.push(chosen);
                if next.len() > WAYS_MAX {
                    return next;
                }
            }
        }
        found = next;
    }
    found
}

fn sorted(mut goal: Vec<Literal>) -> Vec<Literal> {
    goal.sort_unstable();
    goal.dedup();
    goal
}
