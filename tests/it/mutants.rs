//! Real schemas with edits whose effect is known wherever they are made: what is taken away, what is given, and what stays.
//!
//! An edit is made to one field at a time, of the shipped standards and of larger schemas made here, field after field in
//! turn. Each witness is judged again, each proof followed again.

use crate::compat::{bare, holds_true, real};
use guiju_compat::{Budget, Inclusion, compare};
use serde_json::{Map, Value, json};

type Members = Map<String, Value>;

/// What the edit is called, how it is made where it can be, and whether it takes away or gives.
struct Edit(&'static str, fn(&mut Members) -> Option<()>, bool, bool);

/// Likewise, of an object's schema for one of its fields.
struct ObjectEdit(&'static str, fn(&mut Members, &str) -> Option<()>, bool, bool);

/// Edits of the schema of one field.
const OF_FIELDS: &[Edit] = &[
    Edit("lower bound raised", |field| moved(field, "minimum", 1), true, false),
    Edit("lower bound lowered", |field| moved(field, "minimum", -1), false, true),
    Edit("upper bound lowered", |field| moved(field, "maximum", -1), true, false),
    Edit("upper bound raised", |field| moved(field, "maximum", 1), false, true),
    Edit(
        "longest text shortened",
        |field| alone(field, "maxLength").and_then(|()| moved(field, "maxLength", -1)),
        true,
        false,
    ),
    Edit(
        "longest text lengthened",
        |field| alone(field, "maxLength").and_then(|()| moved(field, "maxLength", 1)),
        false,
        true,
    ),
    Edit("value dropped", |field| values(field).map(|values| drop(values.pop())), true, false),
    Edit("value added", |field| values(field).map(|values| values.push(json!("zz-other"))), false, true),
    Edit("values in another order", |field| values(field).map(|values| values.reverse()), false, false),
    Edit("digit dropped from the pattern", narrower_pattern, true, false),
    Edit("pattern in a group", |field| pattern(field, |pattern| format!("(?:{pattern})")), false, false),
    Edit("pattern or the same", |field| pattern(field, |pattern| format!("(?:{pattern})|(?:{pattern})")), false, false),
    Edit("null as well", or_null, false, true),
    Edit("a branch more", branched, false, true),
    Edit("a branch less", |field| replaced(field, |field| json!({"anyOf": [field, false]})), false, false),
    Edit("each keyword by itself", apart, false, false),
    Edit(
        "a whole number has no fraction",
        |field| whole(field).map(|field| drop(field.insert("multipleOf".into(), json!(1)))),
        false,
        false,
    ),
    Edit("more than one less", exclusive, false, false),
    Edit("no longer than, as a pattern", length_as_pattern, false, false),
    Edit("in a definition", |field| replaced(field, |_| json!({"$ref": "#/$defs/ZzMoved"})), false, false),
];

/// Edits of an object's schema, for one of its fields.
const OF_OBJECTS: &[ObjectEdit] = &[
    ObjectEdit(
        "field asked for",
        |object, name| (!requires(object, name)).then(|| required(object).push(name.into())),
        true,
        false,
    ),
    ObjectEdit(
        "field no longer asked for",
        |object, name| requires(object, name).then(|| required(object).retain(|other| other != name)),
        false,
        true,
    ),
    ObjectEdit("field more under closed", |object, _| is_closed(object).then(|| with_field(object)), false, true),
    ObjectEdit("field more under open", |object, _| is_open(object).then(|| with_field(object)), true, false),
    ObjectEdit(
        "closed",
        |object, _| is_open(object).then(|| drop(object.insert("additionalProperties".into(), json!(false)))),
        true,
        false,
    ),
];

fn moved(field: &mut Members, keyword: &str, by: i64) -> Option<()> {
    // A number by itself: nothing else may say the same.
    if ["enum", "const", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
        .iter()
        .any(|other| field.contains_key(*other))
    {
        return None;
    }
    let limit = field.get(keyword)?.as_i64()? + by;
    let other = |name: &str| field.get(name).and_then(Value::as_i64);
    let is_apart = match keyword {
        "minimum" => other("maximum").is_none_or(|most| limit < most),
        "maximum" => other("minimum").is_none_or(|least| limit > least),
        _ => limit >= 0 && other("minLength").is_none_or(|least| limit > least),
    };
    is_apart.then(|| drop(field.insert(keyword.into(), limit.into())))
}

/// Only where no pattern or format has a say in the length.
fn alone(field: &Members, keyword: &str) -> Option<()> {
    let others = ["pattern", "format", "enum", "const", "$ref"];
    (field.contains_key(keyword) && others.iter().all(|other| !field.contains_key(*other))).then_some(())
}

fn values(field: &mut Members) -> Option<&mut Vec<Value>> {
    let is_plain = ["type", "$ref", "pattern", "maxLength", "minimum", "maximum"].iter().all(|other| match *other {
        "type" => field.get("type").is_none_or(|name| name == "string"),
        other => !field.contains_key(other),
    });
    let values = field.get_mut("enum").filter(|_| is_plain)?.as_array_mut()?;
    (values.len() > 1 && values.iter().all(Value::is_string)).then_some(values)
}

fn pattern(field: &mut Members, change: impl Fn(&str) -> String) -> Option<()> {
    let changed = change(field.get("pattern")?.as_str()?);
    field.insert("pattern".into(), changed.into());
    Some(())
}

fn narrower_pattern(field: &mut Members) -> Option<()> {
    let others = ["format", "enum", "const", "$ref", "allOf"];
    if others.iter().any(|other| field.contains_key(*other)) {
        return None;
    }
    let old = field.get("pattern")?.as_str()?.to_owned();
    old.starts_with("^[0-9]{").then(|| pattern(field, |old| old.replacen("[0-9]{", "[0-8]{", 1)))?
}

fn or_null(field: &mut Members) -> Option<()> {
    let name = field.get("type")?.as_str()?.to_owned();
    let is_free = ["enum", "const", "$ref", "allOf", "anyOf", "oneOf", "not", "if"]
        .iter()
        .all(|other| !field.contains_key(*other));
    (is_free && name != "null").then(|| drop(field.insert("type".into(), json!([name, "null"]))))
}

fn branched(field: &mut Members) -> Option<()> {
    let is_scalar = field.get("type").is_some_and(|name| name.is_string() && name != "object");
    is_scalar.then(|| replaced(field, |field| json!({"anyOf": [field, {"const": {"zz": "other"}}]})))?
}

fn replaced(field: &mut Members, with: impl FnOnce(Value) -> Value) -> Option<()> {
    let old = Value::Object(std::mem::take(field));
    let Value::Object(new) = with(old) else { return None };
    *field = new;
    Some(())
}

/// Keywords that look at none beside them.
const APART: &[&str] = &[
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "title",
    "description",
    "$ref",
    "examples",
    "default",
];

fn apart(field: &mut Members) -> Option<()> {
    if field.len() < 2 || !field.keys().all(|keyword| APART.contains(&keyword.as_str())) {
        return None;
    }
    let parts: Vec<Value> = std::mem::take(field).into_iter().map(|(keyword, value)| json!({keyword: value})).collect();
    field.insert("allOf".into(), parts.into());
    Some(())
}

fn whole(field: &mut Members) -> Option<&mut Members> {
    (field.get("type") == Some(&json!("integer")) && !field.contains_key("multipleOf")).then_some(field)
}

fn exclusive(field: &mut Members) -> Option<()> {
    let least = whole(field)?.remove("minimum")?;
    let Some(below) = least.as_i64().map(|least| least - 1) else {
        return field.insert("minimum".into(), least).map(drop);
    };
    field.insert("exclusiveMinimum".into(), below.into());
    Some(())
}

fn length_as_pattern(field: &mut Members) -> Option<()> {
    alone(field, "maxLength")?;
    let most = field.get("maxLength")?.as_u64().filter(|most| *most <= 60)?;
    field.remove("maxLength");
    field.insert("pattern".into(), format!("^[\\s\\S]{{0,{most}}}$").into());
    Some(())
}

fn requires(object: &Members, name: &str) -> bool {
    object.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|other| other == name))
}

fn required(object: &mut Members) -> &mut Vec<Value> {
    let names = object.entry("required").or_insert_with(|| json!([]));
    names.as_array_mut().expect("`required` is a list")
}

const CLOSING: &[&str] = &["additionalProperties", "unevaluatedProperties"];

fn is_closed(object: &Members) -> bool {
    CLOSING.iter().any(|keyword| object.get(*keyword) == Some(&json!(false)))
}

fn is_open(object: &Members) -> bool {
    let others = ["patternProperties", "propertyNames", "allOf", "$ref", "maxProperties"];
    CLOSING.iter().chain(&others).all(|keyword| !object.contains_key(*keyword))
}

fn with_field(object: &mut Members) {
    object["properties"]["zz_more"] = json!({"type": "string", "maxLength": 3});
}

/// A larger schema than any that ships: departments with fields of all kinds, each a definition that others refer to.
fn large(departments: usize) -> Value {
    let mut definitions = Map::new();
    for number in 0..departments {
        let fields = json!({
            "code": {"type": "string", "pattern": "^[0-9]{6}$"},
            "name": {"type": "string", "maxLength": 40 + number},
            "kind": {"enum": ["office", "bureau", "commission", format!("other-{number}")]},
            "staff": {"type": "integer", "minimum": number, "maximum": 100 + number},
            "budget": {"type": "number", "minimum": 0},
            "founded": {"type": "string", "format": "date"},
            "address": {"$ref": "#/$defs/Address"},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 12}, "uniqueItems": true, "maxItems": 4},
            "parent": {"$ref": format!("#/$defs/Department{}", (number + 1) % departments)},
        });
        let definition = json!({"type": "object", "properties": fields, "required": ["code", "name"],
            "additionalProperties": number % 2 == 0});
        definitions.insert(format!("Department{number}"), definition);
    }
    let address = json!({"type": "object", "properties": {"street": {"type": "string", "maxLength": 60},
        "number": {"type": "integer", "minimum": 1, "maximum": 9999}}, "required": ["street"]});
    definitions.insert("Address".into(), address);
    let heads: Map<String, Value> = (0..departments)
        .map(|number| (format!("d{number}"), json!({"$ref": format!("#/$defs/Department{number}")})))
        .collect();
    json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Departments", "type": "object",
        "properties": heads, "additionalProperties": false, "$defs": definitions})
}

/// Objects with fields: where they stand, and what the fields are called.
fn objects(schema: &Value) -> Vec<(String, Vec<String>)> {
    let mut places = vec![String::new()];
    let definitions = schema["$defs"].as_object().into_iter().flatten();
    places.extend(definitions.map(|(name, _)| format!("/$defs/{name}")));
    let names = |place: &String| {
        let fields = schema.pointer(place)?.get("properties")?.as_object()?;
        Some((place.clone(), fields.keys().cloned().collect()))
    };
    places.iter().filter_map(names).collect()
}

/// Each schema takes every so manieth kind of edit, the next schema the next kinds; the large one takes all.
const EVERY: usize = 3;

#[test]
fn edits_of_known_effect_on_one_field_are_judged_so() {
    let mut schemas = real();
    let mut wrong = Vec::new();
    let mut made = std::collections::BTreeMap::<&str, usize>::new();
    schemas.push(large(12));
    for (turn, schema) in schemas.iter().enumerate() {
        let Some(old) = bare(schema, true) else { continue };
        let objects: Vec<_> = match schema["title"] == "Departments" {
            true => objects(schema),
            false => objects(schema).into_iter().filter(|(place, _)| place.is_empty()).collect(),
        };
        let fields: Vec<(&String, &String)> =
            objects.iter().flat_map(|(place, names)| names.iter().map(move |name| (place, name))).collect();
        if fields.is_empty() {
            continue;
        }
        let mut judge = |what: &'static str, changed: Value, place: &str, takes: bool, gives: bool| {
            let Some(new) = bare(&changed, true) else { return };
            let verdict = compare(&old, &new, &Budget { changes_max: 0, ..Budget::default() });
            holds_true(&verdict, &old, &new);
            *made.entry(what).or_default() += 1;
            let said = |inclusion: &Inclusion| match inclusion {
                Inclusion::Included(_) => "nothing".to_owned(),
                Inclusion::NotIncluded(witness) => witness.record.to_string(),
                Inclusion::Undecided(why) => format!("undecided: {why}"),
            };
            for (inclusion, escapes, way) in
                [(&verdict.old_in_new, takes, "takes"), (&verdict.new_in_old, gives, "gives")]
            {
                let is_right = match inclusion {
                    Inclusion::Included(_) => !escapes,
                    Inclusion::NotIncluded(_) => escapes,
                    Inclusion::Undecided(_) => false,
                };
                if !is_right {
                    wrong.push(format!("{}{place}, {what}: {way} {}", schema["title"], said(inclusion)));
                }
            }
        };
        // Another field for every schema, so that all kinds have their turn.
        let turned = |offset: usize| fields.iter().cycle().skip((turn * 3 + offset) % fields.len()).take(fields.len());
        let is_its_turn = |offset: &usize| schema["title"] == "Departments" || (turn + offset).is_multiple_of(EVERY);
        for (offset, Edit(what, edit, takes, gives)) in OF_FIELDS.iter().enumerate().filter(|(at, _)| is_its_turn(at)) {
            let mut each = turned(offset).filter_map(|(place, name)| {
                let mut changed = schema.clone();
                let at = format!("{place}/properties/{name}");
                let field = changed.pointer_mut(&at)?.as_object_mut()?;
                let before = Value::Object(field.clone());
                edit(field)?;
                if schema.get("$defs").is_some() {
                    changed["$defs"]["ZzMoved"] = before;
                }
                Some((changed, at))
            });
            if let Some((changed, at)) = each.next() {
                judge(what, changed, &at, *takes, *gives);
            }
        }
        for (offset, ObjectEdit(what, edit, takes, gives)) in
            OF_OBJECTS.iter().enumerate().filter(|(at, _)| is_its_turn(at))
        {
            let mut each = turned(offset).filter_map(|(place, name)| {
                let mut changed = schema.clone();
                edit(changed.pointer_mut(place)?.as_object_mut()?, name)?;
                Some((changed, format!("{place}, {name}")))
            });
            if let Some((changed, at)) = each.next() {
                judge(what, changed, &at, *takes, *gives);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all = OF_FIELDS.iter().map(|edit| edit.0).chain(OF_OBJECTS.iter().map(|edit| edit.0));
    let never: Vec<&str> = all.filter(|what| !made.contains_key(what)).collect();
    assert!(never.is_empty(), "no schema takes these edits: {never:?}");
    assert!(made.values().sum::<usize>() > 100, "{made:?}");
}
