//! Compares two versions of a standard.
//!
//! The question is one of sets: which records does one version accept that the other refuses? Where there are some, the answer
//! is a *witness*, a record that shows it; where there are none, a proof.
//!
//! # Invariants
//! - A witness is run through the validator of both versions before it is reported.
//! - Where neither a proof nor a witness is found the answer is `Undecided`, never `Included`.
//! - A proof is followed step by step by a checker that knows nothing of the search (`replay.rs`), and counts only then.
//! - Work is bounded by [`Budget`], counted in steps; nothing here reads a clock.
//!
//! ```
//! use guiju_compat::{Budget, Bump, Side, compare};
//! let side = |name: &str, schema: &str| Side::of_schema(name, schema.as_bytes(), Default::default(), true);
//! let old = side("1.4.0", r#"{"type": "object", "properties": {"floors": {"type": "integer", "minimum": 0}}}"#)?;
//! let new = side("1.5.0", r#"{"type": "object", "properties": {"floors": {"type": "integer", "minimum": 1}}}"#)?;
//! let verdict = compare(&old, &new, &Budget::default());
//! assert_eq!(verdict.bump, Some(Bump::Major));
//! assert_eq!(verdict.old_in_new.witness().map(|witness| witness.record.to_string()).as_deref(), Some(r#"{"floors":0}"#));
//! assert_eq!(verdict.changes[0].code, "range-narrowed");
//! # Ok::<(), guiju_validator::CompileError>(())
//! ```

mod change; // the parts of a difference, each with its code
mod conditions; // rules between fields, and what one says of another
mod doubt; // what defeats the engine, and where
mod exact; // values compared as JSON Schema compares them
mod formats; // what formats say of the shape of a text
mod lists; // code lists, by codes and days
mod loops; // schemas that ask for themselves
mod meaning; // what rules say, in the parts that keywords are made of
mod normal; // one form for every spelling of the same schema
mod openapi; // contracts of requests and answers
mod proof; // why there is no such value, step by step
mod protobuf; // contracts of messages and services
mod reading; // named transformations under which a comparison holds
mod replay; // checks a proof again, without the search
mod side; // a version with all that it refers to
mod solve; // is there a value that is all of these and none of those?
mod text; // is there such a string?
mod value; // does a value at hand satisfy a part of a schema?
mod verdict; // what follows for the next version number

pub use change::{Change, Page, Subject, page, pages};
pub use doubt::{At, Cause, Doubt};
pub use proof::Line;
pub use side::Side;
pub use verdict::{Budget, Bump, Fit, Inclusion, Proof, Verdict, Witness, compare, lies_in};

#[cfg(test)]
mod tests {
    use crate::{
        loops,
        normal::{Document, Graph},
        solve::{Outcome, Solver, fails, holds},
    };
    use jsonschema::Draft;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn outcome(old: Value, new: Value, draft: Draft) -> Outcome {
        let (others, lists) = (BTreeMap::new(), BTreeMap::new());
        let document =
            |root| Document { root, is_new: false, draft, others: &others, lists: &lists, formats_asserted: false };
        let mut graph = Graph::default();
        let (one, other) = (graph.read(&document(&old)).unwrap(), graph.read(&document(&new)).unwrap());
        Solver::new(&mut graph, draft, 20_000).solve(vec![holds(one), fails(other)])
    }

    #[test]
    fn what_lies_inside_is_seen_and_what_does_not_is_shown() {
        let draft = Draft::Draft202012;
        let narrow = json!({"type": "integer", "minimum": 1, "maximum": 9});
        let wide = json!({"type": "number", "exclusiveMinimum": 0});
        assert!(matches!(outcome(narrow.clone(), wide.clone(), draft), Outcome::Empty(_)));
        assert!(matches!(outcome(wide, narrow, draft), Outcome::Sure(_)));
        let tree = |extra: Value| json!({"type": "object", "properties": {"next": {"$ref": "#"}, "name": extra}});
        let (short, long) = (tree(json!({"maxLength": 3})), tree(json!({"maxLength": 4})));
        assert!(matches!(outcome(short, long, draft), Outcome::Empty(_)));
        let witness = json!({"name": "aaaa"});
        assert_eq!(
            outcome(tree(json!({"maxLength": 4})), tree(json!({"maxLength": 3})), draft),
            Outcome::Sure(witness)
        );
    }

    /// As deep as a schema may be, on a stack as small as that of any thread.
    #[test]
    fn schemas_of_the_greatest_depth_are_compared() {
        let nested = |leaf: Value| (0..64).fold(leaf, |below, _| json!({"properties": {"a": below}}));
        let (narrow, wide) = (nested(json!({"type": "string"})), nested(json!({"type": ["string", "null"]})));
        assert!(matches!(outcome(narrow.clone(), wide.clone(), Draft::Draft202012), Outcome::Empty(_)));
        assert!(matches!(outcome(wide, narrow, Draft::Draft202012), Outcome::Sure(_)));
        let nested =
            |leaf: Value| (0..64).fold(leaf, |below, _| json!({"type": "array", "items": below, "minItems": 1}));
        let (narrow, wide) = (nested(json!({"type": "string"})), nested(json!({"type": ["string", "null"]})));
        assert!(matches!(outcome(narrow.clone(), wide.clone(), Draft::Draft202012), Outcome::Empty(_)));
        assert!(matches!(outcome(wide, narrow, Draft::Draft202012), Outcome::Sure(_)));
    }

    /// What leads back to itself without going into the value has no one meaning, so nothing is proved of it.
    #[test]
    fn schemas_that_lead_back_to_themselves_are_found() {
        let of = |least: u64| {
            let round = json!({"$recursiveRef": "#"});
            json!({"oneOf": [{"required": ["c"]}, {"multipleOf": 4, "allOf": [round]}, {"minProperties": least, "allOf": [round]}]})
        };
        let (others, lists, draft) = (BTreeMap::new(), BTreeMap::new(), Draft::Draft201909);
        let goes_round = |root: &Value| {
            let mut graph = Graph::default();
            let document =
                Document { root, is_new: false, draft, others: &others, lists: &lists, formats_asserted: false };
            graph.read(&document).unwrap();
            loops::find(&graph).is_some()
        };
        assert!(goes_round(&of(1)));
        let below = json!({"oneOf": [{"required": ["c"]}, {"properties": {"a": {"$recursiveRef": "#"}}}]});
        assert!(!goes_round(&below));
    }

    #[test]
    fn many_patterns_of_names_are_told_apart() {
        let of = |member: &str| {
            let patterns: serde_json::Map<String, Value> =
                ('a'..='i').map(|first| (format!("^{first}"), json!({"type": member}))).collect();
            json!({"patternProperties": patterns, "additionalProperties": false})
        };
        assert!(matches!(outcome(of("integer"), of("number"), Draft::Draft202012), Outcome::Empty(_)));
        assert!(matches!(outcome(of("number"), of("integer"), Draft::Draft202012), Outcome::Sure(_)));
    }

    #[test]
    fn opaque_parts_are_equal_only_where_all_they_hang_on_is() {
        let chosen = |least: u64| {
            json!({"$ref": "#/$defs/a", "$defs": {
                "a": {"allOf": [{"$dynamicRef": "#x"}], "$defs": {"x": {"$dynamicAnchor": "x", "minimum": least}}},
                "b": {"$id": "b", "$defs": {"x": {"$dynamicAnchor": "x", "minimum": 5}}}}})
        };
        assert!(!matches!(outcome(chosen(1), chosen(2), Draft::Draft202012), Outcome::Empty(_)));
    }

    #[test]
    fn under_draft_4_a_number_is_an_integer_by_the_way_it_is_written() {
        let whole = json!({"enum": [1], "type": "integer"});
        assert!(!matches!(outcome(json!({"enum": [1]}), whole.clone(), Draft::Draft4), Outcome::Empty(_)));
        assert!(matches!(outcome(json!({"enum": [1]}), whole, Draft::Draft7), Outcome::Empty(_)));
    }
}
