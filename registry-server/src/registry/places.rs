//! Places in the files of a version, as those name them who comment on it.
//!
//! - of JSON and YAML a JSON Pointer: `/properties/height`
//! - of a code list a code, or a cell of its rows: `/110000`, `/110000/name_zh`; `~1` and `~0` stand for `/` and `~`
//! - of a `.proto` file the full name of what it declares: `bj.house.v1.Building.floors`
//! - of other text, and of the two before, a line or several, from 1: `L12`, `L12-L20`; what is kept of JSON has one line

use guiju_model::{CODE_LIST_COLUMNS, CodeList, pointer, read_json_or_yaml};
use protox::file::File;
use serde_json::Value;

/// Brackets within brackets of a `.proto` file: its parser follows them with its own stack.
const DEPTH_MAX: usize = 100;

/// Whether a file has such a place.
pub(super) fn is_there(name: &str, bytes: &[u8], place: &str) -> bool {
    let is_json = name.ends_with(".json");
    if let Some(lines) = place.strip_prefix('L').and_then(lines).filter(|_| !is_json) {
        let count = std::str::from_utf8(bytes).map_or(0, |text| text.lines().count());
        return (1..=count).contains(&lines.0) && (lines.0..=count).contains(&lines.1);
    }
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("yaml" | "yml") => read_json_or_yaml(bytes).is_ok_and(|yaml| yaml.value.pointer(place).is_some()),
        Some("csv") => is_code(bytes, place),
        Some("proto") => std::str::from_utf8(bytes).is_ok_and(|source| is_declared(name, source, place)),
        _ => serde_json::from_slice::<Value>(bytes).is_ok_and(|json| json.pointer(place).is_some()),
    }
}

/// `12` or `12-L20`.
fn lines(text: &str) -> Option<(usize, usize)> {
    let (first, last) = text.split_once("-L").unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn is_code(bytes: &[u8], place: &str) -> bool {
    let is_listed = |code: &str| CodeList::parse(bytes).is_ok_and(|list| list.get(code).is_some());
    match &pointer::tokens(place).collect::<Vec<_>>()[..] {
        [code] => is_listed(code),
        [code, column] => CODE_LIST_COLUMNS.contains(&&**column) && is_listed(code),
        _ => false,
    }
}

fn is_declared(name: &str, source: &str, place: &str) -> bool {
    let mut open = 0_usize;
    let deepest = source.bytes().fold(0, |deepest, byte| {
        open = match byte {
            b'{' | b'[' | b'<' => open + 1,
            b'}' | b']' | b'>' => open.saturating_sub(1),
            _ => open,
        };
        deepest.max(open)
    });
    if deepest > DEPTH_MAX {
        return false;
    }
    let Ok(file) = File::from_source(name, source) else { return false };
    let file = file.file_descriptor_proto();
    let mut path = place.strip_prefix('.').unwrap_or(place);
    if !file.package().is_empty() {
        path = match path.strip_prefix(file.package()).and_then(|rest| rest.strip_prefix('.')) {
            Some(rest) => rest,
            None => return false,
        };
    }
    let parts: Vec<&str> = path.split('.').collect();
    let Some((first, rest)) = parts.split_first() else { return false };
    let message = file.message_type.iter().find(|message| message.name() == *first);
    let listed = file.enum_type.iter().find(|list| list.name() == *first);
    let service = file.service.iter().find(|service| service.name() == *first);
    message.is_some_and(|message| is_in_message(message, rest))
        || listed.is_some_and(|list| is_in_enum(list, rest))
        || service.is_some_and(|service| match rest {
            [] => true,
            [method] => service.method.iter().any(|known| known.name() == *method),
            _ => false,
        })
}

fn is_in_message(message: &prost_types::DescriptorProto, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let is_field = || {
        message.field.iter().any(|field| field.name() == *first)
            || message.oneof_decl.iter().any(|choice| choice.name() == *first)
    };
    (rest.is_empty() && is_field())
        || message.nested_type.iter().any(|nested| nested.name() == *first && is_in_message(nested, rest))
        || message.enum_type.iter().any(|list| list.name() == *first && is_in_enum(list, rest))
}

fn is_in_enum(list: &prost_types::EnumDescriptorProto, path: &[&str]) -> bool {
    match path {
        [] => true,
        [value] => list.value.iter().any(|known| known.name() == *value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_has_places_of_its_own() {
        let codes =
            "code,name_zh,name_en,parent,valid_from,valid_to,alias,note\n110000,北京,Beijing,,,,,\na/b,甲,A,,,,,\n";
        let proto = "syntax = \"proto3\";\npackage bj.house.v1;\nmessage Building {\n  uint32 floors = 1;\n  enum Use { USE_NONE = 0; }\n  oneof roof { string flat = 2; }\n  message Part { string name = 1; }\n}\nservice Houses { rpc Get(Building) returns (Building); }\n";
        let yaml = "openapi: 3.1.0\npaths:\n  /houses/{id}:\n    get: {}\n";
        let json = r#"{"properties": {"a/b": {"title": "x"}}}"#;
        for (name, text, places, nowhere) in [
            (
                "codes.csv",
                codes,
                &["/110000", "/110000/name_zh", "/a~1b", "L2", "L2-L3"][..],
                &["/120000", "/110000/name", "110000", "/", "L0", "L4", "L3-L2", "L2-L9", "Lx", "/110000/code/x"][..],
            ),
            (
                "house.proto",
                proto,
                &[
                    "bj.house.v1.Building",
                    ".bj.house.v1.Building.floors",
                    "bj.house.v1.Building.Use.USE_NONE",
                    "bj.house.v1.Building.roof",
                    "bj.house.v1.Building.Part.name",
                    "bj.house.v1.Houses.Get",
                    "L4",
                ],
                &["Building", "bj.house.v1", "bj.house.v1.Building.doors", "bj.house.v1.Houses.Put", "/bj", "L10"],
            ),
            ("openapi.yaml", yaml, &["/paths/~1houses~1{id}/get", "L3"], &["/paths/houses", "paths"]),
            ("schema.json", json, &["/properties/a~1b/title"], &["/properties/a", "L1", "properties"]),
        ] {
            for place in places {
                assert!(is_there(name, text.as_bytes(), place), "{name}#{place}");
            }
            for place in nowhere {
                assert!(!is_there(name, text.as_bytes(), place), "{name}#{place}");
            }
        }
        let deep = format!("message A {{{}", "message A {".repeat(100_000));
        assert!(!is_there("deep.proto", deep.as_bytes(), "A"));
        assert!(!is_there("picture.png", b"\xff\xfe", "L1"));
    }
}
