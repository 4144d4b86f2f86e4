//! Whatever a message holds, the call is answered by an answer or by a fault that says why, and the server lives.

use crate::{
    access_served::{call, channel, methods},
    fuzz::Dice,
    grpc::published,
    support::{Server, rounds},
    witness::ask,
};
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use std::time::Duration;
use tokio::time::timeout;

/// Messages of each method.
const EACH: u64 = 40;
const DEPTH_MAX: usize = 4;

const TEXTS: &[&str] = &[
    "",
    "bj.library/card",
    "bj.library/card@1.0.0",
    "bj.library/card@^1",
    "bj.library/card@99999999999999999999.0.0",
    "bj.library",
    "bj.library/card/more",
    "*",
    "/",
    "@",
    "1.0.0",
    "1.0.0-\u{0}",
    "18446744073709551616.0.0",
    "../../etc/passwd",
    "schema.json",
    "sha256:00",
    "reader:*",
    "manager:bj.library",
    "anyone",
    "cert:somebody",
    "2026-02-30",
    "2026-01-01",
    "9999-12-31",
    "en",
    "{\"card\": 1}",
    "{\"type\": \"object\"}",
    "[[[[[[[[",
    "kind = \"record\"",
    "\u{202e}\u{feff}",
    "null",
    "-1",
];

fn text(dice: &mut Dice) -> String {
    match dice.below(12) {
        0 => "界".repeat(dice.below(3_000)),
        1 => "x".repeat(dice.below(70_000)),
        _ => (*dice.pick(TEXTS)).to_owned(),
    }
}

fn number(dice: &mut Dice) -> u64 {
    *dice.pick(&[0, 1, 2, 3, 100, 1 << 20, u64::from(u32::MAX), i64::MAX as u64, u64::MAX])
}

fn value(kind: &Kind, dice: &mut Dice, depth: usize) -> Value {
    match kind {
        Kind::Double | Kind::Float => Value::F64(*dice.pick(&[0.0, -1.0, f64::NAN, f64::INFINITY])),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number(dice) as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number(dice) as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number(dice) as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number(dice)),
        Kind::Bool => Value::Bool(dice.below(2) == 0),
        Kind::String => Value::String(text(dice)),
        Kind::Bytes => Value::Bytes(match dice.below(3) {
            0 => vec![dice.below(256) as u8; *dice.pick(&[0, 1, 31, 32, 33, 5_000])].into(),
            _ => text(dice).into_bytes().into(),
        }),
        Kind::Enum(_) => Value::EnumNumber(*dice.pick(&[0, 1, 2, 3, 4, 5, -1, i32::MAX])),
        Kind::Message(of) => Value::Message(message(of, dice, depth + 1)),
    }
}

fn field(field: &FieldDescriptor, dice: &mut Dice, depth: usize) -> Value {
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let held = entry.map_entry_value_field().kind();
        return Value::Map(
            (0..dice.below(3)).map(|_| (MapKey::String(text(dice)), value(&held, dice, depth))).collect(),
        );
    }
    match field.is_list() {
        true => Value::List((0..dice.below(4)).map(|_| value(&field.kind(), dice, depth)).collect()),
        false => value(&field.kind(), dice, depth),
    }
}

/// A message of whose fields most are there.
fn message(of: &MessageDescriptor, dice: &mut Dice, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    for descriptor in of.fields() {
        let is_deep = depth >= DEPTH_MAX && matches!(descriptor.kind(), Kind::Message(_));
        if dice.below(5) > 0 && !is_deep {
            let value = field(&descriptor, dice, depth);
            message.try_set_field(&descriptor, value).expect("a value of its kind");
        }
    }
    message
}

#[tokio::test]
async fn any_message_of_any_method_is_answered() {
    let server = Server::start_with(&["--log-level", "warn"]);
    published(&server).await;
    let channel = channel(&server).await;
    let mut dice = Dice(0x1f83_d9ab_fb41_bd6b);
    for (method, input) in methods() {
        for number in 0..rounds(EACH) {
            let mut bytes = message(&input, &mut dice, 0).encode_to_vec();
            // One in four is not what it says that it is.
            if number % 4 == 3 && !bytes.is_empty() {
                let at = dice.below(bytes.len());
                match dice.below(3) {
                    0 => bytes.truncate(at),
                    1 => bytes[at] = dice.below(256) as u8,
                    _ => bytes.insert(at, dice.below(256) as u8),
                }
            }
            // A stream without end says nothing more.
            let Ok((code, said)) = timeout(Duration::from_secs(2), call(&channel, None, &method, &bytes)).await else {
                assert!(
                    ["/Watch", "/CheckStream", "/PublishParts"].iter().any(|end| method.ends_with(end)),
                    "{method}"
                );
                continue;
            };
            let is_fault_of_ours = ["Internal", "Unknown", "DataLoss"].iter().any(|bad| code.starts_with(bad));
            assert!(!is_fault_of_ours, "{method}: {code} {said}\n{bytes:02x?}\n{}", server.log());
            assert!(!code.ends_with(":?"), "{method}: {code} gives no reason: {said}");
        }
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert!(ask(&server, "GET", "/healthz", "").1.contains("status: ready"));
}
