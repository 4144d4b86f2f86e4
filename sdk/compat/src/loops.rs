//! Schemas that ask for themselves of the same value. Such a one may hold as well as fail, or neither, so nothing follows from it.
//!
//! Most are refused when they are compiled. Where several resources offer the name of a dynamic reference the validator goes round
//! once, and what it says of a value hangs on where it came in.

use crate::normal::{Graph, Id, Node};
use std::collections::HashSet;

/// What some reference leads to that leads back to it without going into the value.
pub(crate) fn find(graph: &Graph) -> Option<Id> {
    let mut references = (0..graph.len() as Id).filter_map(|id| match graph.node(id) {
        Node::Ref(reference) => Some(*reference),
        _ => None,
    });
    references.find(|reference| leads_back(graph, *reference)).map(|reference| graph.target(reference))
}

fn leads_back(graph: &Graph, reference: u32) -> bool {
    let (mut seen, mut open) = (HashSet::new(), vec![graph.target(reference)]);
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        match graph.node(id) {
            Node::All(parts) | Node::Any(parts) | Node::One(parts) => open.extend(parts),
            Node::Not(part) => open.push(*part),
            Node::If(condition, then, otherwise) => open.extend([condition, then, otherwise]),
            Node::Ref(other) if *other == reference => return true,
            Node::Ref(other) => open.push(graph.target(*other)),
            _ => {}
        }
    }
    false
}
