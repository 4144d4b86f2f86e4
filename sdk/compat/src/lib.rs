//! Old against new: does one version accept what another refuses, and which record shows it?

mod exact; // values compared as JSON Schema compares them
mod normal; // one form for every spelling of the same schema
mod solve; // is there a value that is all of these and none of those?
mod text; // is there such a string?

pub use normal::{Document, Graph, NormalError};
pub use solve::{Outcome, Solver};

/// Whether every value of `old` is a value of `new`: `Empty` if so, else a value of the one that the other refuses.
pub fn escaping(old: &Document<'_>, new: &Document<'_>, steps_max: u64) -> Result<Outcome, NormalError> {
    let mut graph = Graph::default();
    let (one, other) = (graph.read(old)?, graph.read(new)?);
    let mut solver = Solver::new(&mut graph, old.draft, steps_max);
    Ok(solver.solve(vec![one << 1, other << 1 | 1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonschema::Draft;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn outcome(old: Value, new: Value, draft: Draft) -> Outcome {
        let others = BTreeMap::new();
        let document = |root| Document { root, draft, others: &others, formats_asserted: false };
        escaping(&document(&old), &document(&new), 20_000).unwrap()
    }

    #[test]
    fn what_lies_inside_is_seen_and_what_does_not_is_shown() {
        let draft = Draft::Draft202012;
        let narrow = json!({"type": "integer", "minimum": 1, "maximum": 9});
        let wide = json!({"type": "number", "exclusiveMinimum": 0});
        assert_eq!(outcome(narrow.clone(), wide.clone(), draft), Outcome::Empty);
        assert!(matches!(outcome(wide, narrow, draft), Outcome::Sure(_)));
        let tree = |extra: Value| json!({"type": "object", "properties": {"next": {"$ref": "#"}, "name": extra}});
        assert_eq!(outcome(tree(json!({"maxLength": 3})), tree(json!({"maxLength": 4})), draft), Outcome::Empty);
        let witness = json!({"name": "aaaa"});
        assert_eq!(
            outcome(tree(json!({"maxLength": 4})), tree(json!({"maxLength": 3})), draft),
            Outcome::Sure(witness)
        );
    }

    #[test]
    fn opaque_parts_are_equal_only_where_all_they_hang_on_is() {
        let chosen = |least: u64| {
            json!({"$ref": "#/$defs/a", "$defs": {
                "a": {"allOf": [{"$dynamicRef": "#x"}], "$defs": {"x": {"$dynamicAnchor": "x", "minimum": least}}},
                "b": {"$id": "b", "$defs": {"x": {"$dynamicAnchor": "x", "minimum": 5}}}}})
        };
        assert_ne!(outcome(chosen(1), chosen(2), Draft::Draft202012), Outcome::Empty);
    }

    #[test]
    fn under_draft_4_a_number_is_an_integer_by_the_way_it_is_written() {
        let whole = json!({"enum": [1], "type": "integer"});
        assert_ne!(outcome(json!({"enum": [1]}), whole.clone(), Draft::Draft4), Outcome::Empty);
        assert_eq!(outcome(json!({"enum": [1]}), whole, Draft::Draft7), Outcome::Empty);
    }
}
