//! What a document refers to.

use crate::{JsonError, Kind, Reference, ReferenceError, YamlError, read_json, read_json_or_yaml};
use serde_json::Value;

/// One reference from a document to another standard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The reference as written, without scheme and fragment: `bj.common/types@1.0`.
    pub written: String,
    pub reference: Reference,
    /// JSON Pointer of the member that holds it.
    pub pointer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("`schema.json`: {0}")]
    Json(#[from] JsonError),
    #[error(transparent)]
    Yaml(#[from] YamlError),
    #[error("`{written}` at `{pointer}`: {source}")]
    Reference { written: String, pointer: String, source: ReferenceError },
    #[error(
        "`{written}` at `{pointer}` is neither inside the document (#/…) nor a registered standard \
         (guiju:namespace/name@1.0#/…); nothing else is ever fetched"
    )]
    Foreign { written: String, pointer: String },
}

/// Scheme of a `$ref` to a registered standard.
pub(crate) const SCHEME: &str = "guiju:";

/// Every reference to another standard, in document order. Code lists and contracts of protobuf have none.
///
/// `$id` inside the document makes relative references legal; those stay inside and are left to the compiler.
pub fn links(kind: Kind, document: &[u8]) -> Result<Vec<Link>, LinkError> {
    let value: Value = match kind {
        Kind::Record | Kind::Elements | Kind::Profile => read_json(document)?,
        Kind::Contract if !document.is_empty() => read_json_or_yaml(document)?.value,
        Kind::Contract | Kind::CodeList => return Ok(Vec::new()),
    };
    let mut found = Vec::new();
    walk(&value, &mut String::new(), &mut found)?;
    Ok(found)
}

fn walk(value: &Value, pointer: &mut String, found: &mut Vec<Link>) -> Result<(), LinkError> {
    let length = pointer.len();
    match value {
        Value::Object(members) => {
            // The members of these have names of their own: `default` is a property, or the response to anything else.
            let is_map = pointer.ends_with("/properties") || pointer.ends_with("/responses");
            for (name, member) in members {
                // Data, not schema: what stands here refers to nothing.
                if !is_map && matches!(name.as_str(), "enum" | "const" | "default" | "examples" | "example") {
                    continue;
                }
                pointer.push('/');
                pointer.push_str(&crate::pointer::escape(name));
                match (name.as_str(), member) {
                    ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(uri)) => {
                        schema_reference(uri, pointer, found)?
                    }
                    ("x-guiju", Value::Object(own)) => own_references(own, pointer, found)?,
                    _ => walk(member, pointer, found)?,
                }
                pointer.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                walk(item, pointer, found)?;
                pointer.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

fn schema_reference(uri: &str, pointer: &str, found: &mut Vec<Link>) -> Result<(), LinkError> {
    if let Some(rest) = uri.strip_prefix(SCHEME) {
        let written = rest.split('#').next().unwrap_or(rest);
        return link(written, pointer, found);
    }
    let has_scheme = uri.split(['/', '#', '?']).next().is_some_and(|head| head.contains(':'));
    // An absolute URI may be the `$id` of a part of this document, or a dialect's meta-schema; the compiler decides.
    if has_scheme && !uri.starts_with("http") && !uri.starts_with("urn:") && !uri.starts_with("tag:") {
        return Err(LinkError::Foreign { written: uri.into(), pointer: pointer.into() });
    }
    Ok(())
}

fn own_references(own: &serde_json::Map<String, Value>, pointer: &str, found: &mut Vec<Link>) -> Result<(), LinkError> {
    if let Some(Value::String(written)) = own.get("profileOf") {
        link(written, &format!("{pointer}/profileOf"), found)?;
    }
    if let Some(Value::String(written)) = own.get("codeList").and_then(|list| list.get("ref")) {
        link(written, &format!("{pointer}/codeList/ref"), found)?;
    }
    Ok(())
}

fn link(written: &str, pointer: &str, found: &mut Vec<Link>) -> Result<(), LinkError> {
    let fault = |source| LinkError::Reference { written: written.into(), pointer: pointer.into(), source };
    let reference = written.parse().map_err(fault)?;
    found.push(Link { written: written.into(), reference, pointer: pointer.into() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(document: &str) -> Vec<String> {
        let links = links(Kind::Record, document.as_bytes()).unwrap();
        links.into_iter().map(|link| format!("{} {}", link.written, link.pointer)).collect()
    }

    #[test]
    fn references_are_found_where_they_refer() {
        let document = r##"{
            "$id": "https://example.com/x", "$ref": "#/$defs/a",
            "properties": {
                "a/b": {"$ref": "guiju:bj.common/types@1.0#/$defs/Name"},
                "c": {"x-guiju": {"codeList": {"ref": "cn.gb/gbt-2260@>=1, <3"}}},
                "d": {"items": [{"$dynamicRef": "guiju:bj.common/types"}]},
                "enum": {"type": "string"},
                "default": {"$ref": "guiju:a.b/c@1"},
                "e": {"enum": [{"$ref": "guiju:not/this"}], "const": {"$ref": "guiju:nor/this"}, "default": {"$ref": "x:y"}}
            },
            "x-guiju": {"profileOf": "bj.population/person@^2"}
        }"##;
        assert_eq!(
            found(document),
            [
                "bj.common/types@1.0 /properties/a~1b/$ref",
                "cn.gb/gbt-2260@>=1, <3 /properties/c/x-guiju/codeList/ref",
                "bj.common/types /properties/d/items/0/$dynamicRef",
                "a.b/c@1 /properties/default/$ref",
                "bj.population/person@^2 /x-guiju/profileOf",
            ]
        );
    }

    #[test]
    fn a_contract_refers_in_yaml_too() {
        let yaml = "paths:\n  /a:\n    get:\n      responses:\n        default:\n          $ref: guiju:a.b/c@1#/x\n";
        let found = links(Kind::Contract, yaml.as_bytes()).unwrap();
        assert_eq!(found[0].pointer, "/paths/~1a/get/responses/default/$ref");
        assert_eq!(links(Kind::Contract, b""), Ok(vec![]));
        assert!(links(Kind::Contract, b"a: [").unwrap_err().to_string().starts_with("line 2"));
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let error = |uri: &str| {
            let document = format!(r#"{{"properties": {{"a": {{"$ref": "{uri}"}}}}}}"#);
            links(Kind::Record, document.as_bytes()).unwrap_err().to_string()
        };
        for uri in ["file:///etc/passwd", "ftp://example.com/x", "data:,{}"] {
            assert!(error(uri).contains("at `/properties/a/$ref` is neither inside the document"), "{}", error(uri));
        }
        assert!(error("guiju:Types@1").contains("write namespace/name"), "{}", error("guiju:Types@1"));
        assert!(matches!(links(Kind::Record, b"{"), Err(LinkError::Json(_))));
        assert_eq!(links(Kind::CodeList, b"code,"), Ok(vec![]));
    }
}
