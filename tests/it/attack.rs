//! Records made of schemas, to attack what is said of them: near the bounds, with parts left out, added and swapped.

use proptest::{
    strategy::{Strategy, ValueTree},
    string::string_regex,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};

/// Nesting of the records that are made.
const DEPTH_MAX: usize = 6;

/// Records made of both schemas, the same for the same schemas.
pub fn records(schemas: [&Value; 2], count: usize) -> Vec<Value> {
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut maker = Maker {
        runner: TestRunner::new_with_rng(Config::default(), seed),
        state: 0x9e37_79b9_7f4a_7c15,
        pool: vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(0.5),
            json!(""),
            json!("a"),
            json!([]),
            json!({}),
        ],
        names: vec!["a".into(), "zz".into()],
    };
    schemas.iter().for_each(|schema| maker.gather(schema, 0));
    (0..count)
        .flat_map(|index| {
            let root = schemas[index % 2];
            let value = maker.value(root, root, 0);
            let other = respelled(&value, index);
            [value, other]
        })
        .collect()
}

/// The same value with its numbers written otherwise: JSON Schema has one judgement for all spellings.
pub fn respelled(value: &Value, turn: usize) -> Value {
    match value {
        Value::Number(number) => otherwise(&number.to_string(), turn).parse().map_or(value.clone(), Value::Number),
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| respelled(item, turn + at)).collect(),
        Value::Object(members) => {
            let each = members.iter().enumerate();
            each.map(|(at, (name, member))| (name.clone(), respelled(member, turn + at))).collect()
        }
        other => other.clone(),
    }
}

fn otherwise(text: &str, turn: usize) -> String {
    if text.contains(['e', 'E']) {
        return text.to_owned();
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    match turn % 8 {
        0 if places.is_empty() => format!("{text}.0"),
        0 => format!("{text}0"),
        1 => format!("{text}e0"),
        2 if places.is_empty() && !is_zero => format!("{text}0e-1"),
        2 => format!("{text}E+0"),
        // The point behind the first digit.
        3 => {
            let (first, rest) = whole.split_at(1);
            format!("{sign}{first}.{rest}{places}0e{}", rest.len())
        }
        // The point behind the last one.
        4 if !places.is_empty() && whole != "0" => format!("{sign}{whole}{places}e-{}", places.len()),
        4 => format!("{sign}{whole}.{places}{}", "0".repeat(18)),
        5 if is_zero => format!("-{digits}"),
        6 if is_zero => "0e5000".to_owned(),
        _ => text.to_owned(),
    }
}

/// A schema with one part changed: dropped, moved by one, narrowed, replaced by a part from elsewhere.
pub fn mutated(schema: &Value, turn: u64) -> Value {
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut maker = Maker {
        runner: TestRunner::new_with_rng(Config::default(), seed),
        state: 0x9e37_79b9_7f4a_7c15 ^ (turn + 1).wrapping_mul(0x2545_f491_4f6c_dd1d),
        pool: vec![json!("a"), json!(1)],
        names: vec!["a".into()],
    };
    maker.gather(schema, 0);
    let places: Vec<String> = places(schema);
    let Some(place) = maker.pick(&places).cloned() else { return schema.clone() };
    let mut mutant = schema.clone();
    let Some(Value::Object(part)) = mutant.pointer_mut(&place) else { return mutant };
    maker.mutate(part);
    mutant
}

/// Where schemas stand in a schema.
fn places(schema: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut index = 0;
    while index < found.len() && found.len() < 500 {
        let at = found[index].clone();
        for (keyword, part) in schema.pointer(&at).and_then(Value::as_object).into_iter().flatten() {
            let below = format!("{at}/{keyword}");
            match (keyword.as_str(), part) {
                (
                    "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                    Value::Object(all),
                ) => {
                    found.extend(all.keys().map(|name| format!("{below}/{}", guiju_model::pointer::escape(name))));
                }
                ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Value::Array(all)) => {
                    found.extend((0..all.len()).map(|index| format!("{below}/{index}")));
                }
                (
                    "items"
                    | "additionalProperties"
                    | "not"
                    | "if"
                    | "then"
                    | "else"
                    | "contains"
                    | "propertyNames"
                    | "unevaluatedItems"
                    | "unevaluatedProperties",
                    Value::Object(_),
                ) => {
                    found.push(below);
                }
                _ => {}
            }
        }
        index += 1;
    }
    found.retain(|place| schema.pointer(place).is_some_and(Value::is_object));
    found
}

struct Maker {
    runner: TestRunner,
    state: u64,
    /// Scalars of the schemas, and what lies beside them.
    pool: Vec<Value>,
    names: Vec<String>,
}

impl Maker {
    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 33) as usize % end.max(1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'v, T>(&mut self, all: &'v [T]) -> Option<&'v T> {
        all.get(self.below(all.len()))
    }

    fn mutate(&mut self, part: &mut Map<String, Value>) {
        let keywords: Vec<String> = part
            .keys()
            .filter(|name| !name.starts_with('$') && *name != "id" && *name != "definitions")
            .cloned()
            .collect();
        let chosen = self.pick(&keywords).cloned();
        match (self.below(10), chosen) {
            (0..=1, Some(keyword)) => drop(part.remove(&keyword)),
            (2..=5, Some(keyword)) => {
                let up = self.chance(50);
                let index = self.below(8);
                match part.get_mut(&keyword) {
                    Some(Value::Number(number)) => {
                        let moved = number.as_f64().unwrap_or(0.0) + if up { 1.0 } else { -1.0 };
                        part.insert(keyword, plain(moved.max(if up { 1.0 } else { 0.0 })));
                    }
                    Some(Value::Array(all)) if all.len() > 1 => drop(all.remove(index % all.len())),
                    Some(Value::Object(all)) if all.len() > 1 => {
                        let name = all.keys().nth(index % all.len()).cloned().unwrap_or_default();
                        all.remove(&name);
                    }
                    Some(Value::Bool(truth)) => *truth = !*truth,
                    _ => drop(part.insert("minLength".into(), json!(index))),
                }
            }
            (6, _) => {
                let value = self.any();
                part.insert("not".into(), json!({"enum": [value]}));
            }
            (7, _) => {
                let values: Vec<Value> = (0..3).map(|_| self.any()).collect();
                part.insert("not".into(), json!({"enum": values}));
            }
            (8, _) => {
                let name = self.names.first().cloned().unwrap_or_default();
                part.insert("required".into(), json!([name]));
            }
            _ => {
                let pattern = ["^[a-z]$", "^[0-9]+$", "a", "^.{0,3}$", "^(a|b|1)$"][self.below(5)];
                part.insert("pattern".into(), json!(pattern));
            }
        }
    }

    fn gather(&mut self, schema: &Value, depth: usize) {
        if depth > 24 || self.pool.len() > 400 {
            return;
        }
        match schema {
            Value::Object(members) => {
                for (name, member) in members {
                    match (name.as_str(), member) {
                        ("properties", Value::Object(all)) => self.names.extend(all.keys().cloned()),
                        ("pattern", Value::String(pattern)) => self.samples(pattern),
                        ("patternProperties", Value::Object(all)) => {
                            all.keys().for_each(|pattern| self.samples(pattern));
                            let texts: Vec<String> = all.keys().filter_map(|pattern| self.sample(pattern)).collect();
                            self.names.extend(texts);
                        }
                        ("minLength" | "maxLength", Value::Number(length)) => {
                            for length in
                                length.as_u64().into_iter().flat_map(|length| [length.max(1) - 1, length, length + 1])
                            {
                                self.pool.push("x".repeat(length.min(300) as usize).into());
                            }
                        }
                        ("required", Value::Array(names)) => {
                            self.names.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
                        }
                        _ => {}
                    }
                    self.gather(member, depth + 1);
                }
            }
            Value::Array(items) => {
                if items.len() < 5 {
                    self.pool.push(schema.clone());
                }
                items.iter().for_each(|item| self.gather(item, depth + 1));
            }
            Value::Number(number) => {
                self.pool.push(schema.clone());
                if let Some(number) = number.as_f64().filter(|number| number.abs() < 1e15) {
                    self.pool.extend([number + 1.0, number - 1.0, number + 0.5, number * 2.0, number / 3.0].map(plain));
                }
            }
            scalar => self.pool.push(scalar.clone()),
        }
    }

    fn samples(&mut self, pattern: &str) {
        for _ in 0..3 {
            let sample = self.sample(pattern);
            self.pool.extend(sample.map(Value::from));
        }
    }

    fn sample(&mut self, pattern: &str) -> Option<String> {
        let bare = pattern.strip_prefix('^').unwrap_or(pattern);
        let bare = bare.strip_suffix('$').filter(|rest| !rest.ends_with('\\')).unwrap_or(bare);
        string_regex(bare).ok()?.new_tree(&mut self.runner).ok().map(|tree| tree.current())
    }

    fn any(&mut self) -> Value {
        let pool = std::mem::take(&mut self.pool);
        let value = self.pick(&pool).cloned().unwrap_or_default();
        self.pool = pool;
        value
    }

    fn value(&mut self, schema: &Value, root: &Value, depth: usize) -> Value {
        let Value::Object(members) = schema else { return self.any() };
        if depth > DEPTH_MAX || self.chance(8) {
            return self.any();
        }
        let reference = members.get("$ref").or_else(|| members.get("$dynamicRef")).and_then(Value::as_str);
        if let Some(target) = reference.and_then(|to| to.strip_prefix('#'))
            && let Some(target) = root.pointer(if target.starts_with('/') { target } else { "" })
        {
            let made = self.value(target, root, depth + 1);
            return if members.len() > 1 { merged(self.of_type(members, root, depth), made) } else { made };
        }
        if let Some(value) = members.get("const") {
            return value.clone();
        }
        if let Some(values) = members.get("enum").and_then(Value::as_array) {
            return self.pick(values).cloned().unwrap_or_default();
        }
        let mut made = self.of_type(members, root, depth);
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let Some(parts) = members.get(keyword).and_then(Value::as_array) else { continue };
            let chosen: Vec<Value> = match keyword {
                "allOf" => parts.clone(),
                _ => self.pick(parts).cloned().into_iter().collect(),
            };
            for part in chosen {
                let more = self.value(&part, root, depth + 1);
                made = merged(made, more);
            }
        }
        for keyword in ["if", "then", "else"] {
            if let Some(part) = members.get(keyword).filter(|_| depth < DEPTH_MAX)
                && self.chance(50)
            {
                let more = self.value(part, root, depth + 1);
                made = merged(made, more);
            }
        }
        made
    }

    fn of_type(&mut self, members: &Map<String, Value>, root: &Value, depth: usize) -> Value {
        let spoken = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
        let types: Vec<String> = match members.get("type") {
            Some(Value::String(name)) => vec![name.clone()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ if spoken(&["properties", "required", "additionalProperties", "patternProperties", "minProperties"]) => {
                vec!["object".into()]
            }
            _ if spoken(&["items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems"]) => {
                vec!["array".into()]
            }
            _ if spoken(&["pattern", "minLength", "maxLength"]) => vec!["string".into()],
            _ if spoken(&["minimum", "maximum", "multipleOf"]) => vec!["number".into()],
            _ => Vec::new(),
        };
        match self.pick(&types).map(String::as_str) {
            Some("object") => self.object(members, root, depth),
            Some("array") => self.array(members, root, depth),
            Some("string") => self.text(members),
            Some("integer" | "number") => self.number(members),
            Some("boolean") => Value::Bool(self.chance(50)),
            Some("null") => Value::Null,
            _ => self.any(),
        }
    }

    fn object(&mut self, members: &Map<String, Value>, root: &Value, depth: usize) -> Value {
        let mut made = Map::new();
        let required: Vec<&str> =
            members.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, part) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if self.chance(if required.contains(&name.as_str()) { 95 } else { 60 }) {
                made.insert(name.clone(), self.value(part, root, depth + 1));
            }
        }
        for name in required {
            if !made.contains_key(name) && self.chance(90) {
                made.insert(name.to_owned(), self.any());
            }
        }
        for (pattern, part) in members.get("patternProperties").and_then(Value::as_object).into_iter().flatten() {
            if let Some(name) = self.sample(pattern) {
                made.insert(name, self.value(part, root, depth + 1));
            }
        }
        if self.chance(35) {
            let names = std::mem::take(&mut self.names);
            let name = self.pick(&names).cloned().unwrap_or_default();
            self.names = names;
            let value = match members.get("additionalProperties") {
                Some(part) => self.value(part, root, depth + 1),
                None => self.any(),
            };
            made.entry(name).or_insert(value);
        }
        Value::Object(made)
    }

    fn array(&mut self, members: &Map<String, Value>, root: &Value, depth: usize) -> Value {
        let bound = |name: &str| members.get(name).and_then(Value::as_u64).map(|bound| bound.min(12) as usize);
        let (least, most) = (bound("minItems").unwrap_or(0), bound("maxItems").unwrap_or(3));
        let count = (least + self.below(most.max(least) - least + 2)).saturating_sub(self.below(2));
        let every = members.get("items").filter(|items| !items.is_array());
        let first = members.get("prefixItems").or_else(|| members.get("items")).and_then(Value::as_array);
        let part = |index: usize| {
            let contained = members.get("contains");
            first.and_then(|first| first.get(index)).or(every).or(members.get("additionalItems")).or(contained)
        };
        (0..count)
            .map(|index| match part(index) {
                Some(part) => self.value(part, root, depth + 1),
                None => self.any(),
            })
            .collect()
    }

    fn text(&mut self, members: &Map<String, Value>) -> Value {
        if let Some(pattern) = members.get("pattern").and_then(Value::as_str)
            && let Some(text) = self.sample(pattern)
        {
            return text.into();
        }
        let texts: Vec<Value> = self.pool.iter().filter(|value| value.is_string()).cloned().collect();
        self.pick(&texts).cloned().unwrap_or_default()
    }

    fn number(&mut self, members: &Map<String, Value>) -> Value {
        let of = |name: &str| members.get(name).and_then(Value::as_f64);
        let bounds: Vec<f64> =
            ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"].into_iter().filter_map(of).collect();
        let near = self.pick(&bounds).copied().unwrap_or(0.0);
        let step = of("multipleOf").unwrap_or(1.0);
        plain(match self.below(4) {
            0 => near,
            1 => near + step,
            2 => near - step,
            _ => (near / step).round() * step + step * self.below(5) as f64,
        })
    }
}

fn plain(number: f64) -> Value {
    match number.fract() == 0.0 && number.abs() < 1e15 {
        true => Value::from(number as i64),
        false => Value::from(number),
    }
}

fn merged(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            one.extend(other);
            Value::Object(one)
        }
        (_, other) => other,
    }
}
