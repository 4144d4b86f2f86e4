//! Contracts of a few operations, made at random, changes to them, and messages to attack with.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A contract as its operations, each of which may be missing.
#[derive(Clone, Debug)]
pub struct Api([Option<Operation>; 3]);

const PLACES: [(&str, &str); 3] = [("/items", "get"), ("/items", "post"), ("/items/{id}", "get")];

#[derive(Clone, Debug)]
struct Operation {
    /// Of the path, where it has one.
    id: Value,
    limit: Option<(bool, Value)>,
    /// Whether the items of a list stand apart.
    apart: bool,
    unit: Option<(bool, Value)>,
    body: Option<(bool, Value)>,
    /// Whether the body may be of any kind of `application`.
    of_any_kind: bool,
    /// Of the status 200; none: it is not given.
    answer: Option<Value>,
    as_csv: bool,
    total: Option<(bool, Value)>,
    accepted: bool,
    missing: Option<Value>,
    security: Vec<Value>,
}

/// One part made anew.
#[derive(Clone, Debug)]
pub struct Change {
    operation: usize,
    part: usize,
    from: Operation,
    removes: bool,
}

fn text_schema() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "integer", "minimum": 0})),
        Just(json!({"type": "integer", "minimum": 1, "maximum": 9})),
        Just(json!({"type": "number"})),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": "string"})),
        Just(json!({"type": "string", "minLength": 1})),
        Just(json!({"type": "string", "pattern": "^[a-c]+$"})),
        Just(json!({"enum": ["a", "b"]})),
        Just(json!({"enum": ["a", "b", "c"]})),
    ]
}

fn list_schema() -> impl Strategy<Value = Value> {
    let item = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "string", "maxLength": 1})),
        Just(json!({"type": "integer"})),
        Just(json!({"enum": [1, 9]})),
        Just(json!({"enum": ["a", "1"]})),
    ];
    (item, 0..3_u8, proptest::option::of(1..4_u8)).prop_map(|(items, least, most)| {
        let mut schema = json!({"type": "array", "items": items, "minItems": least});
        if let Some(most) = most {
            schema["maxItems"] = json!(most.max(least));
        }
        schema
    })
}

fn field() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": ["string", "null"]})),
        Just(json!({"type": "string", "maxLength": 2})),
        Just(json!({"enum": ["a", "b"]})),
        Just(json!({"enum": ["a", "b", "c"]})),
        Just(json!({"type": "integer", "minimum": 0})),
        Just(json!({"type": "array", "items": {"type": "integer"}, "maxItems": 2})),
        Just(json!({"oneOf": [{"type": "integer"}, {"type": "string", "minLength": 1}]})),
    ]
}

fn body_schema() -> BoxedStrategy<Value> {
    let parts = (field(), field(), any::<bool>(), any::<bool>(), any::<bool>());
    parts
        .prop_map(|(id, note, id_required, note_required, closed)| {
            let names = [("id", id_required), ("note", note_required)];
            let required: Vec<&str> = names.iter().filter(|(_, required)| *required).map(|(name, _)| *name).collect();
            let mut schema = json!({"type": "object", "required": required, "properties": {"id": id, "note": note}});
            if closed {
                schema["additionalProperties"] = json!(false);
            }
            schema
        })
        .boxed()
}

fn operation() -> BoxedStrategy<Operation> {
    let way = prop_oneof![
        Just(json!({})),
        Just(json!({"key": []})),
        Just(json!({"token": ["read"]})),
        Just(json!({"token": ["read", "write"]})),
        Just(json!({"key": [], "token": ["read"]})),
    ];
    let maybe = |schema: BoxedStrategy<Value>| proptest::option::of((any::<bool>(), schema));
    let id = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "integer"})),
        Just(json!({"enum": ["a", "b"]}))
    ];
    let limit = prop_oneof![3 => text_schema().boxed(), 2 => list_schema().boxed()].boxed();
    let forms = (any::<bool>(), any::<bool>());
    let asked = (id, maybe(limit), maybe(text_schema().boxed()), maybe(body_schema()), forms);
    let answered = (
        proptest::option::weighted(0.9, body_schema()),
        any::<bool>(),
        maybe(text_schema().boxed()),
        any::<bool>(),
        proptest::option::of(body_schema()),
    );
    let parts = (asked.boxed(), answered.boxed(), proptest::collection::vec(way, 0..3).boxed());
    parts
        .prop_map(|(asked, answered, security)| {
            let ((id, limit, unit, body, (apart, of_any_kind)), (answer, as_csv, total, accepted, missing)) =
                (asked, answered);
            Operation { id, limit, apart, unit, body, of_any_kind, answer, as_csv, total, accepted, missing, security }
        })
        .boxed()
}

pub fn api() -> impl Strategy<Value = Api> {
    let each = || proptest::option::weighted(0.8, operation()).boxed();
    (each(), each(), each()).prop_map(|(one, two, three)| Api([one, two, three]))
}

pub fn change() -> impl Strategy<Value = Change> {
    let parts = (0..3_usize, 0..12_usize, operation(), proptest::bool::weighted(0.1));
    parts.prop_map(|(operation, part, from, removes)| Change { operation, part, from, removes })
}

impl Change {
    pub fn made_to(self, mut api: Api) -> Api {
        let Self { operation, part, from, removes } = self;
        api.0[operation] = match api.0[operation].take() {
            _ if removes => None,
            None => Some(from),
            Some(mut own) => {
                match part {
                    0 => own.id = from.id,
                    1 => own.limit = from.limit,
                    2 => own.unit = from.unit,
                    3 => own.body = from.body,
                    4 => own.answer = from.answer,
                    5 => own.as_csv = from.as_csv,
                    6 => own.total = from.total,
                    7 => own.accepted = from.accepted,
                    8 => own.missing = from.missing,
                    9 => own.apart = from.apart,
                    10 => own.of_any_kind = from.of_any_kind,
                    _ => own.security = from.security,
                }
                Some(own)
            }
        };
        api
    }
}

impl Api {
    /// Whether a query holds a list.
    pub fn has_lists(&self) -> bool {
        let mut limits = self.0.iter().flatten().filter_map(|operation| operation.limit.as_ref());
        limits.any(|(_, schema)| schema["type"] == "array")
    }

    pub fn document(&self) -> Value {
        let mut paths = Map::new();
        for ((path, method), operation) in PLACES.iter().zip(&self.0) {
            if let Some(operation) = operation {
                let item = paths.entry((*path).to_owned()).or_insert_with(|| json!({}));
                item[*method] = operation.document(path);
            }
        }
        json!({
            "openapi": "3.1.0", "info": {"title": "made", "version": "1"}, "paths": paths,
            "components": {"securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
                "token": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://example.com", "scopes": {}}}}
            }}
        })
    }
}

impl Operation {
    fn document(&self, path: &str) -> Value {
        let mut parameters = Vec::new();
        if path.contains("{id}") {
            parameters.push(json!({"name": "id", "in": "path", "required": true, "schema": self.id}));
        }
        for (name, place, given) in [("limit", "query", &self.limit), ("X-Unit", "header", &self.unit)] {
            if let Some((required, schema)) = given {
                let mut parameter = json!({"name": name, "in": place, "required": required, "schema": schema});
                if place == "query" {
                    parameter["explode"] = json!(self.apart);
                }
                parameters.push(parameter);
            }
        }
        let mut responses = Map::from_iter([("5XX".to_owned(), json!({"description": "d"}))]);
        if let Some(answer) = &self.answer {
            let mut response = json!({"description": "d", "content": {"application/json": {"schema": answer}}});
            if self.as_csv {
                response["content"]["text/csv"] = json!({});
            }
            if let Some((required, schema)) = &self.total {
                response["headers"] = json!({"X-Total": {"required": required, "schema": schema}});
            }
            responses.insert("200".into(), response);
        }
        if self.accepted {
            responses.insert("202".into(), json!({"description": "d"}));
        }
        if let Some(missing) = &self.missing {
            responses.insert(
                "404".into(),
                json!({"description": "d", "content": {"application/json": {"schema": missing}}}),
            );
        }
        let mut operation = json!({"parameters": parameters, "responses": responses, "security": self.security});
        if let Some((required, schema)) = &self.body {
            let media = if self.of_any_kind { "application/*" } else { "application/json" };
            operation["requestBody"] = json!({"required": required, "content": {media: {"schema": schema}}});
        }
        operation
    }
}

/// Requests and answers of all kinds, from values that lie at the edges of what the schemas say.
pub fn messages(seed: u64) -> Vec<Value> {
    let mut state = seed | 1;
    let mut next = move |count: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % count
    };
    let texts = ["", "0", "1", "9", "10", "-1", "2.5", "true", "a", "b", "c", "abc", "zz"];
    let fields = [
        json!(null),
        json!(""),
        json!("a"),
        json!("c"),
        json!("abc"),
        json!(0),
        json!(-1),
        json!([1]),
        json!([1, 2, 3]),
        json!(true),
    ];
    let mut found = Vec::new();
    for _ in 0..150 {
        let mut body = Map::new();
        for name in ["id", "note", "more"] {
            if next(4) > 0 && !(name == "more" && next(3) > 0) {
                body.insert(name.into(), fields[next(fields.len())].clone());
            }
        }
        let (path, method) = PLACES[next(3)];
        let text = |at: usize| texts[at].replace('.', "%2E");
        let path = path.replace("{id}", &text(1 + next(texts.len() - 1)));
        let mut query = if next(2) == 0 { format!("?limit={}", text(next(texts.len()))) } else { String::new() };
        while !query.is_empty() && next(3) == 0 {
            query += if next(2) == 0 { "," } else { "&limit=" };
            query += &text(next(texts.len()));
        }
        let mut headers = Map::new();
        let has_body = next(2) == 0;
        if has_body {
            headers.insert(
                "Content-Type".into(),
                json!(["application/json", "application/json", "application/xml"][next(3)]),
            );
        }
        let mut message = json!({"request": format!("{} {path}{query}", method.to_uppercase())});
        if next(2) == 0 {
            if next(3) == 0 {
                headers.insert("X-Unit".into(), json!(texts[next(texts.len())]));
            }
            let shown = [
                json!({}),
                json!({"key": []}),
                json!({"token": ["read"]}),
                json!({"token": ["read", "write"]}),
                json!({"key": [], "token": ["read", "write"]}),
            ];
            message["credentials"] = shown[next(shown.len())].clone();
        } else {
            if next(2) == 0 {
                headers.insert("X-Total".into(), json!(texts[next(texts.len())]));
            }
            message["status"] = json!([200, 200, 200, 202, 404, 429, 500][next(7)]);
        }
        if has_body {
            message["body"] = Value::Object(body);
        }
        message["headers"] = Value::Object(headers);
        found.push(message);
    }
    found
}
