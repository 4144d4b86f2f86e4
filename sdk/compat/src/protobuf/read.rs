//! What a reader that keeps to the specification sees in a message.
//!
//! prost refuses a field of another wire type and keeps any number in a closed enum. The readers of protobuf itself keep such
//! a field apart, unread, as one that they do not know (<https://protobuf.dev/programming-guides/encoding>,
//! <https://protobuf.dev/programming-guides/enum>), so these fields are taken out before prost reads the rest.
//!
//! # Limits
//! Where readers differ there is no answer: text that is not UTF-8, in proto2; an entry of a map with something else in it than its
//! key and its value, which some pass over and others keep apart whole.

use prost::encoding::{decode_varint, encode_varint};
use prost_reflect::{
    Cardinality, DynamicMessage, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    OneofDescriptor, Syntax, Value,
};

/// A field of a message, or an extension of it.
#[derive(Clone)]
pub(crate) enum Slot {
    Field(FieldDescriptor),
    Extension(ExtensionDescriptor),
}

impl Slot {
    pub fn of(message: &MessageDescriptor, number: u32) -> Option<Self> {
        let extension = || message.get_extension(number).map(Self::Extension);
        message.get_field(number).map(Self::Field).or_else(extension)
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Field(it) => it.kind(),
            Self::Extension(it) => it.kind(),
        }
    }

    pub fn number(&self) -> u32 {
        match self {
            Self::Field(it) => it.number(),
            Self::Extension(it) => it.number(),
        }
    }

    /// As JSON calls it.
    pub fn json_name(&self) -> String {
        match self {
            Self::Field(it) => it.json_name().to_owned(),
            Self::Extension(it) => it.json_name().to_owned(),
        }
    }

    pub fn default(&self) -> Value {
        match self {
            Self::Field(it) => it.default_value(),
            Self::Extension(it) => it.default_value(),
        }
    }

    pub fn message(&self) -> MessageDescriptor {
        match self {
            Self::Field(it) => it.parent_message().clone(),
            Self::Extension(it) => it.containing_message(),
        }
    }

    pub fn oneof(&self) -> Option<OneofDescriptor> {
        match self {
            Self::Field(it) => it.containing_oneof(),
            Self::Extension(_) => None,
        }
    }

    pub fn is_list(&self) -> bool {
        self.cardinality() == Cardinality::Repeated && !self.is_map()
    }

    pub fn is_map(&self) -> bool {
        matches!(self, Self::Field(it) if it.is_map())
    }

    pub fn is_required(&self) -> bool {
        self.cardinality() == Cardinality::Required
    }

    pub fn set(&self, message: &mut DynamicMessage, value: Value) {
        match self {
            Self::Field(it) => message.set_field(it, value),
            Self::Extension(it) => message.set_extension(it, value),
        }
    }

    fn cardinality(&self) -> Cardinality {
        match self {
            Self::Field(it) => it.cardinality(),
            Self::Extension(it) => it.cardinality(),
        }
    }

    fn is_group(&self) -> bool {
        match self {
            Self::Field(it) => it.is_group(),
            Self::Extension(it) => it.is_group(),
        }
    }

    fn syntax(&self) -> Syntax {
        match self {
            Self::Field(it) => it.parent_file().syntax(),
            Self::Extension(it) => it.parent_file().syntax(),
        }
    }
}

/// What is seen.
pub(crate) enum Seen {
    /// The message, and the numbers of what is kept apart in it, unread, each with those of the fields around it.
    Message(DynamicMessage, Vec<String>),
    Refused(String),
}

/// None where readers differ.
pub(crate) fn bytes(message: &MessageDescriptor, bytes: &[u8]) -> Option<Seen> {
    let mut sieve = Sieve::default();
    let Some(kept) = sieve.message(message, bytes, "", 0) else {
        return Some(Seen::Refused("the bytes are not those of this message".into()));
    };
    if let Some(why) = sieve.refused {
        return Some(Seen::Refused(why));
    }
    if sieve.is_unsure {
        return None;
    }
    let read = DynamicMessage::decode(message.clone(), kept.as_slice());
    Some(match read.map(|read| (missing(&read), read)) {
        Ok((None, read)) => Seen::Message(read, sieve.unknown),
        Ok((Some(name), _)) => Seen::Refused(format!("the required field `{name}` is missing")),
        Err(_) => Seen::Refused("the bytes are not those of this message".into()),
    })
}

pub(crate) fn is_closed(it: &EnumDescriptor) -> bool {
    it.parent_file().syntax() == Syntax::Proto2
}

/// A required field that is not there, in the message or in one of its messages.
fn missing(message: &DynamicMessage) -> Option<String> {
    let descriptor = prost_reflect::ReflectMessage::descriptor(message);
    let own = descriptor.fields().find(|field| field.is_required() && !message.has_field(field));
    let values = message.fields().map(|(_, value)| value);
    let values = values.chain(message.extensions().map(|(_, value)| value));
    own.map(|field| field.full_name().to_owned()).or_else(|| values.into_iter().find_map(missing_below))
}

fn missing_below(value: &Value) -> Option<String> {
    match value {
        Value::Message(message) => missing(message),
        Value::List(items) => items.iter().find_map(missing_below),
        Value::Map(entries) => entries.values().find_map(missing_below),
        _ => None,
    }
}

/// Groups and messages within one another that are looked into.
const DEPTH_MAX: usize = 100;

/// One field as it is written.
struct Raw<'b> {
    number: u32,
    /// With its tag.
    whole: &'b [u8],
    payload: Payload<'b>,
}

enum Payload<'b> {
    Varint(u64),
    Fixed64,
    Bytes(&'b [u8]),
    Group(&'b [u8]),
    Fixed32,
}

/// Takes what a reader keeps apart out of a message.
#[derive(Default)]
struct Sieve {
    unknown: Vec<String>,
    /// A closed enum did not have the number.
    is_unnamed: bool,
    is_unsure: bool,
    refused: Option<String>,
}

impl Sieve {
    /// None where the bytes are not well formed.
    fn message(&mut self, message: &MessageDescriptor, bytes: &[u8], path: &str, depth: usize) -> Option<Vec<u8>> {
        let (mut left, mut kept) = (bytes, Vec::new());
        while !left.is_empty() {
            let raw = next(&mut left, depth)?;
            let at = if path.is_empty() { raw.number.to_string() } else { format!("{path}.{}", raw.number) };
            let known = match Slot::of(message, raw.number) {
                Some(slot) => self.field(&slot, &raw, &at, depth, &mut kept)?,
                None => false,
            };
            if !known && !self.unknown.contains(&at) {
                self.unknown.push(at);
            }
        }
        Some(kept)
    }

    /// Whether the field is read; what is read is put to what is kept.
    fn field(&mut self, slot: &Slot, raw: &Raw<'_>, at: &str, depth: usize, kept: &mut Vec<u8>) -> Option<bool> {
        match (slot.kind(), &raw.payload) {
            (Kind::Message(inner), Payload::Group(bytes)) if slot.is_group() => {
                let inner = self.message(&inner, bytes, at, depth + 1)?;
                encode_varint(u64::from(raw.number) << 3 | 3, kept);
                kept.extend(inner);
                encode_varint(u64::from(raw.number) << 3 | 4, kept);
                return Some(true);
            }
            (Kind::Message(inner), Payload::Bytes(bytes)) if !slot.is_group() => {
                let mut entry = Self::default();
                let sieve = if inner.is_map_entry() { &mut entry } else { &mut *self };
                let read = sieve.message(&inner, bytes, at, depth + 1)?;
                self.is_unsure |= entry.is_unsure || (!entry.unknown.is_empty() && !entry.is_unnamed);
                self.refused = self.refused.take().or(entry.refused);
                if entry.is_unnamed {
                    self.is_unnamed = true;
                    return Some(false);
                }
                put_bytes(raw.number, &read, kept);
                return Some(true);
            }
            (Kind::Enum(own), Payload::Varint(number)) if is_closed(&own) => {
                let is_named = own.get_value(*number as i32).is_some();
                self.is_unnamed |= !is_named;
                if !is_named {
                    return Some(false);
                }
            }
            (Kind::Enum(own), Payload::Bytes(packed)) if slot.is_list() && is_closed(&own) => {
                let (mut left, mut named, mut all) = (*packed, Vec::new(), true);
                while !left.is_empty() {
                    let number = decode_varint(&mut left).ok()?;
                    match own.get_value(number as i32) {
                        Some(_) => encode_varint(number, &mut named),
                        None => all = false,
                    }
                }
                put_bytes(raw.number, &named, kept);
                return Some(all);
            }
            (Kind::String, Payload::Bytes(text)) if std::str::from_utf8(text).is_err() => match slot.syntax() {
                Syntax::Proto3 => self.refused = Some("the text is not UTF-8".into()),
                Syntax::Proto2 => self.is_unsure = true,
            },
            (kind, Payload::Bytes(_)) if slot.is_list() && is_number(&kind) => {}
            (kind, payload) => {
                let fits = match payload {
                    Payload::Varint(_) => is_varint(&kind),
                    Payload::Fixed64 => matches!(kind, Kind::Fixed64 | Kind::Sfixed64 | Kind::Double),
                    Payload::Fixed32 => matches!(kind, Kind::Fixed32 | Kind::Sfixed32 | Kind::Float),
                    Payload::Bytes(_) => matches!(kind, Kind::String | Kind::Bytes),
                    Payload::Group(_) => false,
                };
                if !fits {
                    return Some(false);
                }
            }
        }
        kept.extend(raw.whole);
        Some(true)
    }
}

fn is_number(kind: &Kind) -> bool {
    !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_))
}

fn is_varint(kind: &Kind) -> bool {
    let is_fixed = matches!(kind, Kind::Fixed32 | Kind::Sfixed32 | Kind::Fixed64 | Kind::Sfixed64);
    is_number(kind) && !is_fixed && !matches!(kind, Kind::Float | Kind::Double)
}

fn put_bytes(number: u32, bytes: &[u8], into: &mut Vec<u8>) {
    encode_varint(u64::from(number) << 3 | 2, into);
    encode_varint(bytes.len() as u64, into);
    into.extend(bytes);
}

/// The next field; none where it is not well formed.
fn next<'b>(left: &mut &'b [u8], depth: usize) -> Option<Raw<'b>> {
    let start = *left;
    let tag = u32::try_from(decode_varint(left).ok()?).ok()?;
    let number = tag >> 3;
    let payload = match tag & 7 {
        _ if number == 0 || depth > DEPTH_MAX => return None,
        0 => Payload::Varint(decode_varint(left).ok()?),
        1 => {
            take(left, 8)?;
            Payload::Fixed64
        }
        2 => {
            let length = usize::try_from(decode_varint(left).ok()?).ok()?;
            Payload::Bytes(take(left, length)?)
        }
        3 => {
            let inner = *left;
            loop {
                let (before, mut ahead) = (*left, *left);
                let tag = u32::try_from(decode_varint(&mut ahead).ok()?).ok()?;
                if tag == number << 3 | 4 {
                    *left = ahead;
                    break Payload::Group(&inner[..inner.len() - before.len()]);
                }
                next(left, depth + 1)?;
            }
        }
        5 => {
            take(left, 4)?;
            Payload::Fixed32
        }
        _ => return None,
    };
    Some(Raw { number, whole: &start[..start.len() - left.len()], payload })
}

fn take<'b>(left: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, rest) = left.split_at_checked(length)?;
    *left = rest;
    Some(taken)
}
