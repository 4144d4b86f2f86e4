//! Rules between fields: nothing is proved of them, but fields can be given values of which some keep and some break a rule.

use super::{Best, Leaf, Outcome, Solver, fails, holds, node_of};
use crate::normal::Node;
use serde_json::{Value, json};

/// Ways in which the fields of one rule are given values.
const WAYS_MAX: usize = 40;

impl Solver<'_> {
    /// Looks again, with values given to the fields that rules read. What was not found before is still not proved.
    pub(super) fn with_rules(&mut self, leaf: &Leaf, before: Outcome) -> Outcome {
        let rules: Vec<Value> =
            leaf.atoms.iter().filter_map(|literal| self.graph.rule_of(node_of(*literal))).cloned().collect();
        if self.trying_rules || rules.is_empty() {
            return before;
        }
        self.trying_rules = true;
        let mut best = Best::default();
        best.take(before);
        'rules: for rule in rules {
            for way in ways(&rule) {
                let mut atoms = leaf.atoms.clone();
                for (pointer, value) in way {
                    match value {
                        Some(value) => {
                            let field = self.graph.field(&pointer, &[value]);
                            let parts = match self.graph.node(field) {
                                Node::All(parts) => parts.clone(),
                                _ => vec![field],
                            };
                            atoms.extend(parts.into_iter().map(holds));
                        }
                        None => {
                            let name = pointer.trim_start_matches('/').to_owned();
                            atoms.push(fails(self.graph.add(Node::Required(name))));
                        }
                    }
                }
                let tried = self.object_of(&Leaf { atoms, excluded: leaf.excluded.clone() });
                if matches!(tried, Outcome::Sure(_)) && best.take(tried) {
                    break 'rules;
                }
            }
        }
        self.trying_rules = false;
        best.answer.unwrap_or(Outcome::Unknown("a rule between fields".into()))
    }
}

/// Values for the fields of a rule; none: the field is absent.
type Way = Vec<(String, Option<Value>)>;

fn ways(rule: &Value) -> Vec<Way> {
    let conditions = |name: &str| rule.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut given = Way::new();
    for condition in conditions("if") {
        if let (Some(field), Some(value)) = (field(condition, "left"), literal(condition)) {
            given.push((field, Some(value)));
        }
    }
    let mut ways = Vec::new();
    for condition in conditions("then") {
        for way in choices(condition) {
            ways.push(given.iter().cloned().chain(way).collect());
        }
    }
    ways.truncate(WAYS_MAX);
    ways
}

fn choices(condition: &Value) -> Vec<Way> {
    let pairs = || {
        let pairs = [
            [json!(2), json!(1)],
            [json!("2026-11-02"), json!("2026-11-01")],
            [json!("2026-11-02T08:00:00+08:00"), json!("2026-11-01T08:00:00+08:00")],
            [json!("20261102"), json!("20261101")],
            [json!("2"), json!("1")],
            [json!("b"), json!("a")],
        ];
        pairs.into_iter().flat_map(|[high, low]| [(high.clone(), low.clone()), (low.clone(), high), (low.clone(), low)])
    };
    match (field(condition, "left"), field(condition, "right"), literal(condition)) {
        (Some(left), Some(right), _) => {
            pairs().map(|(one, other)| vec![(left.clone(), Some(one)), (right.clone(), Some(other))]).collect()
        }
        (Some(left), None, Some(value)) => {
            let others = pairs().map(|(one, _)| one).chain([value, json!("zz"), json!(0)]);
            others.map(|value| vec![(left.clone(), Some(value))]).collect()
        }
        (Some(left), None, None) => vec![vec![(left.clone(), None)], vec![(left, Some(json!("a")))]],
        _ => Vec::new(),
    }
}

fn field(condition: &Value, side: &str) -> Option<String> {
    condition.get(side)?.get("field")?.as_str().map(str::to_owned)
}

fn literal(condition: &Value) -> Option<Value> {
    let right = condition.get("right")?;
    right.get("value").or_else(|| right.get("values")?.get(0)).cloned()
}
