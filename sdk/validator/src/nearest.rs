//! Where a record fails of which not every reason can be told: the nearest of its faults.
//!
//! From the record's root down the way is followed along which it fails. What can be told within a small budget is told; of what
//! cannot, the first member or item that fails is looked at, else the nearest of the alternatives ([`Distance`]). Where not every
//! reason can be told of an alternative either, it goes deep: nothing counts against it but words for another kind in its members.
//!
//! # Limits
//! All questions together take [`ALL`] of the engine's budget, with the engines that are made for them, and each at most [`ONE`]: what
//! they cost does not depend on how deep the record is, or on how many reasons there are.

use crate::{
    explain::{Distance, Leaves},
    json::{Document, Node},
    plan::{Engine, Plan},
    run::MakeEngine,
    survey::SchemaId,
};
use guiju_model::Text;
use std::collections::HashMap;

const ONE: u64 = 1 << 16;
const ALL: u64 = 1 << 23;
/// What it takes to make an engine, for each schema of the standard: it may lead to all of them.
const PER_SCHEMA: u64 = 1 << 6;

/// What keeps a value from a schema.
enum Asked {
    /// More than can be told.
    Much,
    Told {
        distance: Distance,
        leaves: Leaves,
    },
}

/// None where the budget ends first.
pub(crate) fn nearest(plan: &Plan, document: &Document<'_>, make: &MakeEngine) -> Option<Text> {
    let mut descent = Descent { plan, document, make, engines: HashMap::new(), left: ALL };
    let (mut schema, mut node) = (plan.survey.root, document.root());
    // That there is much to tell of it is known.
    loop {
        let leaves = match descent.below(schema, node)? {
            Some((schema_below, below)) => {
                (schema, node) = (schema_below, below);
                match descent.ask(schema, node)? {
                    Asked::Much => continue,
                    Asked::Told { leaves, .. } => leaves,
                }
            }
            None => match descent.branch(schema, node)?? {
                (branch, Asked::Much) => {
                    schema = branch;
                    continue;
                }
                (_, Asked::Told { leaves, .. }) => leaves,
            },
        };
        return (!leaves.is_empty()).then(|| leaves.words());
    }
}

struct Descent<'d> {
    plan: &'d Plan,
    document: &'d Document<'d>,
    make: &'d MakeEngine,
    engines: HashMap<SchemaId, Option<Engine>>,
    /// Of the budget.
    left: u64,
}

impl<'d> Descent<'d> {
    /// What the engine of a schema answers; none where the budget ends. `most`: of it, for this question.
    fn with<T>(&mut self, schema: SchemaId, most: u64, ask: impl FnOnce(&Engine) -> T) -> Option<T> {
        let Self { plan, document, make, engines, left } = self;
        let made = engines.entry(schema).or_insert_with(|| {
            *left = left.saturating_sub(PER_SCHEMA * plan.survey.schemas.len() as u64);
            Some(*left).filter(|left| *left > 0).and_then(|_| make(&plan.reference(schema)))
        });
        let engine = made.as_ref()?;
        let given = most.min(*left);
        document.fuel(given);
        let answer = ask(engine);
        *left -= given - document.fuel_left();
        (*left > 0).then_some(answer)
    }

    fn fits(&mut self, schema: SchemaId, node: Node<'d>) -> Option<bool> {
        self.with(schema, self.left, |engine| engine.is_valid(node))
    }

    fn ask(&mut self, schema: SchemaId, node: Node<'d>) -> Option<Asked> {
        let (plan, document) = (self.plan, self.document);
        self.with(schema, ONE, |engine| {
            let errors: Vec<_> = engine.iter_errors(node).collect();
            if document.is_spent() {
                return Asked::Much;
            }
            Asked::Told { distance: Distance::of(&errors, 0), leaves: Leaves::of(plan, node, &errors) }
        })
    }

    /// The first member or item that fails what is asked of it whatever the record says.
    fn below(&mut self, schema: SchemaId, node: Node<'d>) -> Option<Option<(SchemaId, Node<'d>)>> {
        let (plan, schemas) = (self.plan, self.plan.together(schema));
        for (name, member) in node.members() {
            for to in schemas.iter().flat_map(|schema| plan.for_member(*schema, name)) {
                if !self.fits(to, member)? {
                    return Some(Some((to, member)));
                }
            }
        }
        for (place, item) in node.items().enumerate() {
            for to in schemas.iter().flat_map(|schema| plan.for_item(*schema, place)) {
                if !self.fits(to, item)? {
                    return Some(Some((to, item)));
                }
            }
        }
        Some(None)
    }

    /// Of the first alternatives of which none fits, the nearest.
    fn branch(&mut self, schema: SchemaId, node: Node<'d>) -> Option<Option<(SchemaId, Asked)>> {
        for branches in self.plan.together(schema).into_iter().flat_map(|schema| self.plan.alternatives(schema)) {
            let mut fits = false;
            for branch in &branches {
                fits |= self.fits(*branch, node)?;
            }
            if fits {
                continue;
            }
            let mut best: Option<(Distance, SchemaId, Asked)> = None;
            for branch in branches {
                let asked = self.ask(branch, node)?;
                let distance = match &asked {
                    Asked::Much => Distance { words: self.words(branch, node)?, ..Distance::default() },
                    Asked::Told { distance, .. } => *distance,
                };
                if best.as_ref().is_none_or(|(least, ..)| distance < *least) {
                    best = Some((distance, branch, asked));
                }
                if distance == Distance::default() {
                    break;
                }
            }
            return Some(best.map(|(_, branch, asked)| (branch, asked)));
        }
        Some(None)
    }
    /// Members that have another word for the kind of their object than a schema asks for.
    fn words(&mut self, schema: SchemaId, node: Node<'d>) -> Option<usize> {
        let (plan, schemas, mut count) = (self.plan, self.plan.together(schema), 0);
        for (name, member) in node.members().filter(|(_, member)| !member.is_container()) {
            for to in schemas.iter().flat_map(|schema| plan.for_member(*schema, name)) {
                if let Asked::Told { distance, .. } = self.ask(to, member)? {
                    count += distance.words;
                }
            }
        }
        Some(count)
    }
}
