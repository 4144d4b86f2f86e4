//! Which members each object of OpenAPI has, and which objects stand in which.

use crate::{CheckOptions, CompileOptions, Validator, json::escape};
use guiju_model::Finding;
use serde_json::Value;
use std::sync::LazyLock;

static SHAPE: LazyLock<Option<Validator>> = LazyLock::new(|| {
    Validator::compile_schema(include_bytes!("../../data/openapi.json"), &CompileOptions { assert_formats: true }).ok()
});

/// What keeps a document from being OpenAPI 3.1, by the members of its objects.
pub(super) fn findings(document: &Value) -> Vec<Finding> {
    let options = CheckOptions { record_bytes_max: 16 << 20, depth_max: 256, ..CheckOptions::default() };
    let report = SHAPE.as_ref().map(|shape| shape.check(document.to_string().as_bytes(), &options));
    report.map(|report| report.findings).unwrap_or_default()
}

/// Objects that a reference may stand for, or that hold such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Root,
    PathItem,
    Operation,
    Parameter,
    RequestBody,
    MediaType,
    Response,
    Header,
    Callback,
    Link,
    Example,
    SecurityScheme,
    Schema,
}

impl Object {
    /// The part of `components` where such objects are kept.
    pub fn section(self) -> Option<&'static str> {
        Some(match self {
            Self::Root | Self::Operation | Self::MediaType => return None,
            Self::PathItem => "pathItems",
            Self::Parameter => "parameters",
            Self::RequestBody => "requestBodies",
            Self::Response => "responses",
            Self::Header => "headers",
            Self::Callback => "callbacks",
            Self::Link => "links",
            Self::Example => "examples",
            Self::SecurityScheme => "securitySchemes",
            Self::Schema => "schemas",
        })
    }

    /// Where below such an object others stand: its own member, or each member or item of it.
    fn holds(self) -> &'static [(&'static str, bool, Object)] {
        use Object::*;
        match self {
            Root => &[
                ("paths", true, PathItem),
                ("webhooks", true, PathItem),
                ("components/schemas", true, Schema),
                ("components/responses", true, Response),
                ("components/parameters", true, Parameter),
                ("components/examples", true, Example),
                ("components/requestBodies", true, RequestBody),
                ("components/headers", true, Header),
                ("components/securitySchemes", true, SecurityScheme),
                ("components/links", true, Link),
                ("components/callbacks", true, Callback),
                ("components/pathItems", true, PathItem),
            ],
            PathItem => &[
                ("parameters", true, Parameter),
                ("get", false, Operation),
                ("put", false, Operation),
                ("post", false, Operation),
                ("delete", false, Operation),
                ("options", false, Operation),
                ("head", false, Operation),
                ("patch", false, Operation),
                ("trace", false, Operation),
            ],
            Operation => &[
                ("parameters", true, Parameter),
                ("requestBody", false, RequestBody),
                ("responses", true, Response),
                ("callbacks", true, Callback),
            ],
            Parameter | Header => {
                &[("schema", false, Schema), ("content", true, MediaType), ("examples", true, Example)]
            }
            RequestBody => &[("content", true, MediaType)],
            MediaType => &[("schema", false, Schema), ("examples", true, Example)],
            Response => &[("headers", true, Header), ("content", true, MediaType), ("links", true, Link)],
            Callback => &[("", true, PathItem)],
            Link | Example | SecurityScheme | Schema => &[],
        }
    }

    /// The objects in this one, with their pointers.
    pub fn parts<'v>(self, value: &'v Value, pointer: &str) -> Vec<(Object, String, &'v Value)> {
        let mut found = Vec::new();
        for (member, is_each, object) in self.holds() {
            let (at, inner) = match *member {
                "" => (pointer.to_owned(), Some(value)),
                member => (format!("{pointer}/{member}"), value.pointer(&format!("/{member}"))),
            };
            match inner {
                Some(Value::Object(members)) if *is_each => {
                    let each = members.iter().filter(|(name, _)| !name.starts_with("x-"));
                    found.extend(each.map(|(name, part)| (*object, format!("{at}/{}", escape(name)), part)));
                }
                Some(Value::Array(items)) if *is_each => {
                    found
                        .extend(items.iter().enumerate().map(|(index, part)| (*object, format!("{at}/{index}"), part)));
                }
                Some(part) if !is_each => found.push((*object, at, part)),
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_a_schema() {
        assert!(SHAPE.is_some());
    }
}
