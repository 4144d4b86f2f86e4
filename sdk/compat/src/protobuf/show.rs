//! A message that was written with the old descriptors and that the new ones read otherwise.

use super::{files::Files, rules::About};
use prost::Message;
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, SerializeOptions, Value,
};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Bytes, or JSON where the bytes are read alike, with what both versions read in them.
pub(crate) fn message(about: &About, one: &Files, other: &Files) -> Option<Json> {
    match about {
        About::Nothing => None,
        About::Field { message, number } => {
            let written = one.pool.get_message_by_name(message)?;
            let read = other.pool.get_message_by_name(message)?;
            let field = written.get_field(u32::try_from(*number).ok()?)?;
            let mut tries: Vec<DynamicMessage> = samples(&field).into_iter().map(|value| with(&field, value)).collect();
            tries.extend(crowded(&field, &read));
            shown(&tries, &read).or_else(|| default_shown(&field, &read))
        }
        About::Value { of, number } => {
            let mut fields = one.pool.all_messages().flat_map(|message| message.fields().collect::<Vec<_>>());
            let field = fields
                .find(|field| matches!(field.kind(), Kind::Enum(own) if own.full_name() == of) && !field.is_map())?;
            let read = other.pool.get_message_by_name(field.parent_message().full_name())?;
            let value = Value::EnumNumber(*number);
            let value = if field.is_list() { Value::List(vec![value]) } else { value };
            shown(&[with(&field, value)], &read)
        }
    }
}

fn with(field: &FieldDescriptor, value: Value) -> DynamicMessage {
    let mut message = DynamicMessage::new(field.parent_message().clone());
    message.set_field(field, value);
    message
}

fn shown(tries: &[DynamicMessage], read: &MessageDescriptor) -> Option<Json> {
    tries
        .iter()
        .find_map(|written| in_bytes(written, read))
        .or_else(|| tries.iter().find_map(|written| in_json(written, read)))
}

fn in_bytes(written: &DynamicMessage, read: &MessageDescriptor) -> Option<Json> {
    let bytes = written.encode_to_vec();
    let found = DynamicMessage::decode(read.clone(), bytes.as_slice());
    let new = match &found {
        Ok(found) if sense(found) == sense(written) => return None,
        Ok(found) => told(found),
        Err(error) => Json::from(format!("refused: {error}")),
    };
    Some(json!({"message": read.full_name(), "bytes": hex(&bytes), "old": told(written), "new": new}))
}

fn in_json(written: &DynamicMessage, read: &MessageDescriptor) -> Option<Json> {
    let text = written.serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new()).ok()?;
    let new = match DynamicMessage::deserialize(read.clone(), &text) {
        Ok(found) if sense(&found) == sense(written) => return None,
        Ok(found) => told(&found),
        Err(error) => Json::from(format!("refused: {error}")),
    };
    Some(json!({"message": read.full_name(), "json": text, "old": told(written), "new": new}))
}

/// What is read where nothing was written.
fn default_shown(field: &FieldDescriptor, read: &MessageDescriptor) -> Option<Json> {
    let other = read.get_field(field.number())?;
    let (old, new) = (DynamicMessage::new(field.parent_message().clone()), DynamicMessage::new(read.clone()));
    let (old, new) = (old.get_field(field).into_owned(), new.get_field(&other).into_owned());
    let is_single =
        |field: &FieldDescriptor| !field.is_list() && !field.is_map() && field.kind().as_message().is_none();
    let differs = is_single(field) && is_single(&other) && single(&old, &field.kind()) != single(&new, &other.kind());
    let (old, new) = (with(field, old), with(&other, new));
    differs.then(|| json!({"message": read.full_name(), "bytes": "", "old": told(&old), "new": told(&new)}))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// By names, as JSON; fields that the descriptor does not know under their numbers.
fn told(message: &DynamicMessage) -> Json {
    let mut told = message
        .serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())
        .unwrap_or_else(|error| Json::from(error.to_string()));
    let unknown: Vec<u32> = message.unknown_fields().map(|field| field.number()).collect();
    if let (Some(members), false) = (told.as_object_mut(), unknown.is_empty()) {
        members.insert("unknown fields".into(), json!(unknown));
    }
    told
}

/// What a message says, whatever its descriptor calls it.
#[derive(PartialEq)]
enum Sense {
    Whole(i128),
    Real(u64),
    Text(Vec<u8>),
    Unnamed(i32),
    Message(BTreeMap<u32, Vec<Sense>>),
    Entries(BTreeMap<String, Sense>),
    Unknown,
}

fn sense(message: &DynamicMessage) -> Sense {
    let mut found: BTreeMap<u32, Vec<Sense>> = BTreeMap::new();
    for (field, value) in message.fields() {
        let senses = match value {
            Value::List(items) => items.iter().map(|item| single(item, &field.kind())).collect(),
            value => vec![single(value, &field.kind())],
        };
        // Without presence, nothing is written for a zero.
        if !senses.is_empty() {
            found.insert(field.number(), senses);
        }
    }
    for field in message.unknown_fields() {
        found.entry(field.number()).or_default().push(Sense::Unknown);
    }
    Sense::Message(found)
}

fn single(value: &Value, kind: &Kind) -> Sense {
    match value {
        Value::Bool(value) => Sense::Whole((*value).into()),
        Value::I32(value) => Sense::Whole((*value).into()),
        Value::I64(value) => Sense::Whole((*value).into()),
        Value::U32(value) => Sense::Whole((*value).into()),
        Value::U64(value) => Sense::Whole((*value).into()),
        Value::F32(value) => Sense::Real(f64::from(*value).to_bits()),
        Value::F64(value) => Sense::Real(value.to_bits()),
        Value::String(value) => Sense::Text(value.as_bytes().to_vec()),
        Value::Bytes(value) => Sense::Text(value.to_vec()),
        Value::EnumNumber(number) => match kind {
            Kind::Enum(own) if own.get_value(*number).is_none() => Sense::Unnamed(*number),
            _ => Sense::Whole((*number).into()),
        },
        Value::Message(message) => sense(message),
        Value::List(items) => Sense::Message([(0, items.iter().map(|item| single(item, kind)).collect())].into()),
        Value::Map(entries) => {
            Sense::Entries(entries.iter().map(|(key, value)| (format!("{key:?}"), single(value, kind))).collect())
        }
    }
}

/// Values that tell kinds apart.
fn samples(field: &FieldDescriptor) -> Vec<Value> {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else { return Vec::new() };
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let keys = plain(&key.kind(), 0).into_iter().next().and_then(map_key);
        let value = plain(&value.kind(), 0).into_iter().next();
        return keys.zip(value).map(|(key, value)| Value::Map([(key, value)].into())).into_iter().collect();
    }
    let values = plain(&field.kind(), 0);
    match (field.cardinality(), values.len()) {
        (Cardinality::Repeated, 0) => Vec::new(),
        (Cardinality::Repeated, 1) => vec![Value::List(vec![values[0].clone(), values[0].clone()])],
        (Cardinality::Repeated, _) => vec![Value::List(values)],
        _ => values,
    }
}

fn map_key(value: Value) -> Option<MapKey> {
    value.into_map_key()
}

/// Messages within messages that are filled, and fields of each.
const DEPTH_MAX: usize = 2;
const FIELDS_MAX: usize = 4;

fn plain(kind: &Kind, depth: usize) -> Vec<Value> {
    match kind {
        Kind::Bool => vec![Value::Bool(true)],
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => vec![Value::I32(1), Value::I32(-1)],
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => vec![Value::I64(1), Value::I64(-1), Value::I64(1 << 40)],
        Kind::Uint32 | Kind::Fixed32 => vec![Value::U32(1), Value::U32(u32::MAX)],
        Kind::Uint64 | Kind::Fixed64 => vec![Value::U64(1), Value::U64(u64::MAX), Value::U64(1 << 40)],
        Kind::Float => vec![Value::F32(1.5), Value::F32(2.5)],
        Kind::Double => vec![Value::F64(1.5), Value::F64(2.5)],
        Kind::String => vec![Value::String("a".into()), Value::String("bb".into())],
        Kind::Bytes => vec![Value::Bytes(vec![0x61].into()), Value::Bytes(vec![0xff].into())],
        Kind::Enum(own) => {
            let mut numbers: Vec<i32> = own.values().map(|value| value.number()).collect();
            numbers.sort_by_key(|number| *number == 0);
            numbers.into_iter().map(Value::EnumNumber).collect()
        }
        Kind::Message(own) => {
            let mut filled = DynamicMessage::new(own.clone());
            for field in own.fields().filter(|field| depth < DEPTH_MAX && !field.is_map()).take(FIELDS_MAX) {
                if let Some(value) = plain(&field.kind(), depth + 1).into_iter().next() {
                    let value = if field.is_list() { Value::List(vec![value]) } else { value };
                    filled.set_field(&field, value);
                }
            }
            vec![Value::Message(filled)]
        }
    }
}

/// With all that share a oneof in the new version, where they did not.
fn crowded(field: &FieldDescriptor, read: &MessageDescriptor) -> Option<DynamicMessage> {
    let oneof = read.get_field(field.number())?.containing_oneof()?;
    let mut message = DynamicMessage::new(field.parent_message().clone());
    for other in oneof.fields() {
        let Some(own) = field.parent_message().get_field(other.number()) else { continue };
        if let Some(value) = samples(&own).into_iter().next() {
            message.set_field(&own, value);
        }
    }
    Some(message)
}
