//! OpenAPI contracts: names, paths, what is said of answers and of who may ask.

use super::{
    Found,
    schema::{STANDARD_FORMATS, hints},
};
use crate::{
    formats,
    near::nearest,
    openapi::{Api, In, Operation},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Formats of OpenAPI itself.
const OPENAPI_FORMATS: [&str; 7] = ["int32", "int64", "float", "double", "password", "byte", "binary"];

pub(super) fn check(api: &Api, found: &mut Found) {
    let mut ids: BTreeMap<&str, &str> = BTreeMap::new();
    for operation in &api.operations {
        names(operation, &mut ids, found);
        path(operation, found);
        answers(api, operation, found);
    }
    for place in api.unused_components() {
        found.add("component-unused", &place, &[("name", &crate::openapi::last(&place))]);
    }
    for (place, schema) in api.schema_parts() {
        if schema.get("nullable").is_some() {
            found.add("nullable-ignored", &format!("{place}/nullable"), &[]);
        }
        if let Some(format) = schema.get("format").and_then(Value::as_str) {
            let known = || formats::names().chain(STANDARD_FORMATS).chain(OPENAPI_FORMATS);
            if !known().any(|name| name == format) {
                let (near, near_zh) = hints(nearest(format, known()));
                let args = [("name", format), ("near", &near), ("near_zh", &near_zh)];
                found.add("format-unknown", &format!("{place}/format"), &args);
            }
        }
    }
}

fn names<'a>(operation: &'a Operation, ids: &mut BTreeMap<&'a str, &'a str>, found: &mut Found) {
    let label = format!("{} {}", operation.method, operation.path);
    match &operation.id {
        None => found.add("operation-id-missing", &operation.place, &[("operation", &label)]),
        Some(id) => {
            if let Some(first) = ids.insert(id, &operation.place) {
                let place = format!("{}/operationId", operation.place);
                found.add("operation-id-twice", &place, &[("id", id), ("first", first)]);
            }
        }
    }
}

/// What stands in the path is declared, and what is declared stands there.
fn path(operation: &Operation, found: &mut Found) {
    let in_path: Vec<&str> = operation.path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
    let declared = || operation.parameters.iter().filter(|parameter| parameter.location == In::Path);
    for name in &in_path {
        if !declared().any(|parameter| parameter.name == *name) {
            found.add("path-parameter-undeclared", &operation.place, &[("name", name)]);
        }
    }
    for parameter in declared().filter(|parameter| !in_path.contains(&parameter.name.as_str())) {
        found.add("path-parameter-unused", &parameter.place, &[("name", &parameter.name)]);
    }
}

fn answers(api: &Api, operation: &Operation, found: &mut Found) {
    let label = format!("{} {}", operation.method, operation.path);
    if !operation.responses.keys().any(|status| status.starts_with(['2', '3']) || status == "default") {
        found.add("response-success-missing", &operation.place, &[("operation", &label)]);
    }
    let says = |pointer: &str| api.document.pointer(pointer).is_some();
    let methods = operation.place.rsplit_once('/').map_or("", |(path, _)| path);
    if !says("/security") && !says(&format!("{}/security", operation.place)) {
        found.add("security-missing", &operation.place, &[("operation", &label)]);
    }
    let texts = ["summary", "description"].iter();
    let mut places = texts.flat_map(|name| [format!("{}/{name}", operation.place), format!("{methods}/{name}")]);
    if !places.any(|place| says(&place)) {
        found.add("summary-missing", &operation.place, &[("operation", &label)]);
    }
}
