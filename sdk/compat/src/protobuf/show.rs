//! A message in which those who have the one version see something else than those who have the other.

use super::{
    files::Files,
    read::{self, Seen, Slot},
    rules::About,
};
use prost::Message;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, SerializeOptions, Value};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Bytes, or JSON where the bytes are read alike, with what readers of both versions see in them.
pub(crate) fn message(about: &About, one: &Files, other: &Files) -> Option<Json> {
    Pair { one, other, is_turned: false }.shown(about)
}

/// Likewise, of a message that was written by the new version.
pub(crate) fn gained(about: &About, one: &Files, other: &Files) -> Option<Json> {
    Pair { one: other, other: one, is_turned: true }.shown(about)
}

/// The version that writes, and the one that reads.
struct Pair<'f> {
    one: &'f Files,
    other: &'f Files,
    /// The new version is the one that writes.
    is_turned: bool,
}

impl Pair<'_> {
    fn shown(&self, about: &About) -> Option<Json> {
        match about {
            About::Nothing => None,
            About::Field { message, number } => self.field(message, u32::try_from(*number).ok()?),
            About::Default { message, number } => self.default(message, u32::try_from(*number).ok()?),
            About::Required { message, number } => self.required(message, u32::try_from(*number).ok()?),
            About::Value { of, number, names } => self.value(of, *number, names),
        }
    }

    fn field(&self, message: &str, number: u32) -> Option<Json> {
        let slot = whole(Slot::of(&self.one.told.get_message_by_name(message)?, number)?)?;
        let mut tries: Vec<Try> = samples(&slot).into_iter().map(|value| Try::of(&slot, value)).collect();
        tries.extend(self.crowded(&slot));
        self.first(&tries, &[]).or_else(|| self.required(message, number))
    }

    /// With another that shares a oneof with it, in one version or the other.
    fn crowded(&self, slot: &Slot) -> Vec<Try> {
        let others = self.other.told.get_message_by_name(slot.message().full_name());
        let others = others.and_then(|message| Slot::of(&message, slot.number()));
        let oneofs = [slot.oneof(), others.and_then(|slot| slot.oneof())];
        let numbers =
            oneofs.iter().flatten().flat_map(|oneof| oneof.fields().map(|field| field.number()).collect::<Vec<_>>());
        let both = numbers.filter(|number| *number != slot.number()).filter_map(|number| {
            let near = Slot::of(&slot.message(), number)?;
            let pair = if number < slot.number() { [&near, slot] } else { [slot, &near] };
            let parts = pair.map(|slot| samples(slot).into_iter().next().map(|value| Try::of(slot, value)));
            let [Some(first), Some(second)] = parts else { return None };
            Some(Try { message: first.message, bytes: [first.bytes, second.bytes].concat(), written: None })
        });
        both.collect()
    }

    fn value(&self, of: &str, number: i32, names: &[String]) -> Option<Json> {
        let holds = |kind: Kind| matches!(kind, Kind::Enum(own) if own.full_name() == of);
        let mut messages = self.one.told.all_messages().filter(|message| !message.is_map_entry());
        let slot = messages.find_map(|message| {
            let is_read = self.other.told.get_message_by_name(message.full_name()).is_some();
            let mut fields = message.fields().filter(|_| is_read);
            let found = fields.find(|field| match field.kind() {
                Kind::Message(entry) if field.is_map() => holds(entry.map_entry_value_field().kind()),
                kind => holds(kind),
            });
            found.map(Slot::Field)
        })?;
        let value = Value::EnumNumber(number);
        let value = match slot.kind() {
            Kind::Message(entry) => {
                let key =
                    plain(&entry.map_entry_key_field().kind()).into_iter().next().and_then(Value::into_map_key)?;
                Value::Map([(key, value)].into())
            }
            _ if slot.is_list() => Value::List(vec![value]),
            _ => value,
        };
        let written = Try::of(&slot, value);
        let named = names.iter().filter_map(|name| {
            let mut text = written.texts().into_iter().next()?;
            rename(text.get_mut(slot.json_name())?, name);
            Some((written.message.clone(), text))
        });
        let named: Vec<_> = named.collect();
        self.first(&[written], &named)
    }

    /// The first that shows something: other values in the bytes, else JSON that is refused, else other names for what the bytes
    /// hold, else JSON that is read otherwise.
    fn first(&self, tries: &[Try], texts: &[(MessageDescriptor, Json)]) -> Option<Json> {
        let own =
            tries.iter().flat_map(|written| written.texts().into_iter().map(|text| (written.message.clone(), text)));
        let texts: Vec<_> = own.chain(texts.iter().cloned()).collect();
        let in_bytes = |is_alike: bool| tries.iter().find_map(|written| self.in_bytes(written, is_alike));
        let in_json = |is_read: bool| texts.iter().find_map(|(message, text)| self.in_json(message, text, is_read));
        in_bytes(false).or_else(|| in_json(false)).or_else(|| in_bytes(true)).or_else(|| in_json(true))
    }

    fn in_bytes(&self, written: &Try, is_alike: bool) -> Option<Json> {
        let name = written.message.full_name();
        let new = read::bytes(&self.other.told.get_message_by_name(name)?, &written.bytes)?;
        let old = read::bytes(&self.one.told.get_message_by_name(name)?, &written.bytes)?;
        let Seen::Message(first, apart) = &old else { return None };
        if let Seen::Message(second, others) = &new
            && !is_alike
            && apart == others
            && sense(first) == sense(second)
        {
            return None;
        }
        self.record(name, ("bytes", Json::from(hex(&written.bytes))), &old, &new)
    }

    fn in_json(&self, message: &MessageDescriptor, text: &Json, is_read: bool) -> Option<Json> {
        let name = message.full_name();
        let (old, new) = (from_json(self.one, name, text)?, from_json(self.other, name, text)?);
        let is_alike = match (&old, &new) {
            (Seen::Refused(_), _) => true,
            (Seen::Message(first, _), Seen::Message(second, _)) if is_read => {
                let (mut first, mut second) = (told(first)?, told(second)?);
                spell(&mut first);
                spell(&mut second);
                first == second
            }
            (Seen::Message(..), Seen::Message(..)) => true,
            (Seen::Message(..), Seen::Refused(_)) => false,
        };
        if is_alike { None } else { self.record(name, ("json", text.clone()), &old, &new) }
    }

    /// What is read where nothing was written.
    fn default(&self, message: &str, number: u32) -> Option<Json> {
        let [one, other] = [self.one, self.other].map(|files| files.told.get_message_by_name(message));
        let (one, other) = (one?, other?);
        let slots = (Slot::of(&one, number)?, Slot::of(&other, number)?);
        if one.is_map_entry() || slots.0.is_required() || slots.1.is_required() {
            return None;
        }
        let bytes = filled(&one, None).encode_to_vec();
        let mut record = json!({"message": message, "bytes": hex(&bytes), "absent": number});
        for (files, slot, side, apart) in
            [(self.one, &slots.0, "old", "unknown_to_old"), (self.other, &slots.1, "new", "unknown_to_new")]
        {
            let Seen::Message(mut read, unknown) = read::bytes(&slot.message(), &bytes)? else { return None };
            let (mut told, name) = (told(&read)?, slot.json_name());
            slot.set(&mut read, files.slot(message, number)?.default());
            let whole = SerializeOptions::new().skip_default_fields(false);
            let value = read.serialize_with_options(serde_json::value::Serializer, &whole).ok()?;
            told.as_object_mut()?.insert(name.clone(), value.get(&name)?.clone());
            record[side] = told;
            if !unknown.is_empty() {
                record[apart] = json!(unknown);
            }
        }
        (record["old"] != record["new"]).then_some(record)
    }

    /// A message without a field that one version requires.
    fn required(&self, message: &str, number: u32) -> Option<Json> {
        let [one, other] = [self.one, self.other].map(|files| files.told.get_message_by_name(message));
        let (one, other) = (one?, other?);
        let mut written = filled(&other, Some(number)).encode_to_vec();
        for slot in one.fields().map(Slot::Field).filter(|slot| slot.is_required() && slot.number() != number) {
            let is_there = Slot::of(&other, slot.number()).is_some_and(|other| other.is_required());
            if let (false, Some(value)) = (is_there, samples(&slot).into_iter().next()) {
                let mut more = DynamicMessage::new(one.clone());
                slot.set(&mut more, value);
                written.extend(more.encode_to_vec());
            }
        }
        let (old, new) = (read::bytes(&one, &written)?, read::bytes(&other, &written)?);
        match (&old, &new) {
            (Seen::Refused(_), Seen::Message(..)) | (Seen::Message(..), Seen::Refused(_)) => {
                self.record(message, ("bytes", Json::from(hex(&written))), &old, &new)
            }
            _ => None,
        }
    }

    /// None where both see the same.
    fn record(&self, message: &str, (form, held): (&str, Json), old: &Seen, new: &Seen) -> Option<Json> {
        let (old, new) = if self.is_turned { (new, old) } else { (old, new) };
        let mut record = json!({"message": message});
        record[form] = held;
        for (side, apart, seen) in [("old", "unknown_to_old", old), ("new", "unknown_to_new", new)] {
            record[side] = match seen {
                Seen::Message(read, unknown) => {
                    if !unknown.is_empty() {
                        record[apart] = json!(unknown);
                    }
                    told(read)?
                }
                Seen::Refused(why) => Json::from(format!("refused: {why}")),
            };
        }
        (record["old"] != record["new"]).then_some(record)
    }
}

/// A message as it is written.
struct Try {
    message: MessageDescriptor,
    bytes: Vec<u8>,
    /// None: two messages, one after the other, which no JSON says.
    written: Option<DynamicMessage>,
}

impl Try {
    fn of(slot: &Slot, value: Value) -> Self {
        let mut written = filled(&slot.message(), None);
        slot.set(&mut written, value);
        Self { message: slot.message(), bytes: written.encode_to_vec(), written: Some(written) }
    }

    /// With the names of JSON, and with those of the files, which readers of JSON take as well.
    fn texts(&self) -> Vec<Json> {
        let named = [false, true].map(|own| SerializeOptions::new().use_proto_field_name(own));
        let written = self.written.iter().flat_map(|written| {
            named.iter().filter_map(|named| written.serialize_with_options(serde_json::value::Serializer, named).ok())
        });
        written.collect()
    }
}

/// An entry of a map is sent in its map alone.
fn whole(slot: Slot) -> Option<Slot> {
    let entry = slot.message();
    if !entry.is_map_entry() {
        return Some(slot);
    }
    let parent = entry.parent_message()?;
    let field = parent.fields().find(|field| field.kind().as_message() == Some(&entry));
    field.map(Slot::Field)
}

fn from_json(files: &Files, message: &str, text: &Json) -> Option<Seen> {
    match DynamicMessage::deserialize(files.pool.get_message_by_name(message)?, text) {
        Ok(found) => {
            let seen = read::bytes(&files.told.get_message_by_name(message)?, &found.encode_to_vec())?;
            // Of numbers that a closed enum does not have, readers of JSON say one thing or the other.
            let is_sure = !matches!(&seen, Seen::Message(_, unknown) if !unknown.is_empty());
            is_sure.then_some(seen)
        }
        Err(error) => Some(Seen::Refused(error.to_string())),
    }
}

/// By names, as JSON. None where there is no JSON for it.
fn told(message: &DynamicMessage) -> Option<Json> {
    message.serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new()).ok()
}

/// Numbers as texts: JSON has both for a number of 64 bits.
fn spell(value: &mut Json) {
    match value {
        Json::Number(number) => *value = Json::from(number.to_string()),
        Json::Array(items) => items.iter_mut().for_each(spell),
        Json::Object(members) => members.values_mut().for_each(spell),
        _ => {}
    }
}

/// Puts a name in the place of the value, of the one in a list, or of the one in a map.
fn rename(value: &mut Json, name: &str) {
    let inner = match value {
        Json::Array(items) => items.first_mut(),
        Json::Object(members) => members.values_mut().next(),
        other => Some(other),
    };
    if let Some(inner) = inner {
        *inner = Json::from(name);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
}

fn sense(message: &DynamicMessage) -> Sense {
    let fields = message.fields().map(|(field, value)| (field.number(), field.kind(), value));
    let extensions = message.extensions().map(|(field, value)| (field.number(), field.kind(), value));
    let mut found: BTreeMap<u32, Vec<Sense>> = BTreeMap::new();
    for (number, kind, value) in fields.chain(extensions) {
        let senses: Vec<Sense> = match value {
            Value::List(items) => items.iter().map(|item| single(item, &kind)).collect(),
            value => vec![single(value, &kind)],
        };
        // Without presence, nothing is written for a zero.
        if !senses.is_empty() {
            found.insert(number, senses);
        }
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
            let kind = kind.as_message().map(|entry| entry.map_entry_value_field().kind());
            let kind = kind.unwrap_or(Kind::Bool);
            Sense::Entries(entries.iter().map(|(key, value)| (format!("{key:?}"), single(value, &kind))).collect())
        }
    }
}

/// Values that tell kinds apart.
fn samples(slot: &Slot) -> Vec<Value> {
    let kind = slot.kind();
    if let (true, Kind::Message(entry)) = (slot.is_map(), &kind) {
        let keys: Vec<_> =
            plain(&entry.map_entry_key_field().kind()).into_iter().filter_map(Value::into_map_key).collect();
        let values = plain(&entry.map_entry_value_field().kind());
        let first = keys.first().into_iter().flat_map(|key| values.iter().map(move |value| (key, value)));
        let others = values.first().into_iter().flat_map(|value| keys.iter().skip(1).map(move |key| (key, value)));
        return first.chain(others).map(|(key, value)| Value::Map([(key.clone(), value.clone())].into())).collect();
    }
    let values = plain(&kind);
    match (slot.is_list(), values.len()) {
        (true, 0) => Vec::new(),
        (true, 1) => vec![Value::List(vec![values[0].clone(), values[0].clone()])],
        (true, _) => vec![Value::List(values)],
        _ => values,
    }
}

/// A message with nothing but what it requires, and of that all but the field of this number.
fn filled(message: &MessageDescriptor, but: Option<u32>) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields().filter(|field| field.is_required() && Some(field.number()) != but) {
        if let Some(value) = plain(&field.kind()).into_iter().next() {
            filled.set_field(&field, value);
        }
    }
    filled
}

/// Messages within messages that are filled, and fields of each; those that are required, further.
const DEPTH_MAX: usize = 2;
const FIELDS_MAX: usize = 4;
/// Messages that are filled for one value: required ones may hold each other many times over.
const MESSAGES_MAX: usize = 200;
/// Values of an enum that are tried.
const VALUES_MAX: usize = 50;

fn plain(kind: &Kind) -> Vec<Value> {
    values(kind, 0, &mut { MESSAGES_MAX })
}

fn values(kind: &Kind, depth: usize, left: &mut usize) -> Vec<Value> {
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
            numbers.into_iter().take(VALUES_MAX).map(Value::EnumNumber).collect()
        }
        Kind::Message(own) => {
            let mut filled = DynamicMessage::new(own.clone());
            *left = left.saturating_sub(1);
            let plain = own.fields().filter(|field| !field.is_map()).take(FIELDS_MAX).map(|field| field.number());
            let plain: Vec<u32> = plain.filter(|_| depth < DEPTH_MAX).collect();
            for field in own.fields().filter(|field| field.is_required() || plain.contains(&field.number())) {
                let found = if *left == 0 { Vec::new() } else { values(&field.kind(), depth + 1, left) };
                if let Some(value) = found.into_iter().next() {
                    let value = if field.is_list() { Value::List(vec![value]) } else { value };
                    filled.set_field(&field, value);
                }
            }
            vec![Value::Message(filled)]
        }
    }
}
