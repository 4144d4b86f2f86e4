//! The names inside `x-guiju`, where a wrong word would do nothing.

use super::Found;
use guiju_model::{SecurityLevel, ShareClass};
use semver::Version;
use serde_json::{Map, Value};
use std::{fmt::Display, str::FromStr};

const INPUT_FORMATS: [&str; 4] = ["YYYYMMDD", "YYYY/M/D", "YYYY年M月D日", "excel-serial"];
const TEXTS: [&str; 9] =
    ["titleZh", "dataElement", "notation", "unit", "replacedBy", "allowOpen", "descriptionZh", "basis", "note"];
const LISTS: [&str; 3] = ["nullWords", "synonyms", "inputFormats"];

pub(crate) fn check(own: &Map<String, Value>, pointer: &str, found: &mut Found) {
    let mut wrong = |name: &str, why: String| found.add("word-unknown", &format!("{pointer}/{name}"), &[("why", &why)]);
    for (name, value) in own {
        let fault = match name.as_str() {
            "securityLevel" => word::<SecurityLevel>(value),
            "shareClass" => word::<ShareClass>(value),
            "since" => word::<Version>(value),
            name if TEXTS.contains(&name) => (!value.is_string()).then(|| format!("`{name}` is text")),
            name if LISTS.contains(&name) => list(name, value),
            _ => None,
        };
        if let Some(why) = fault {
            wrong(name, why);
        }
    }
}

fn word<T: FromStr<Err: Display>>(value: &Value) -> Option<String> {
    match value.as_str() {
        None => Some(format!("{value} is not text")),
        Some(text) => text.parse::<T>().err().map(|error| format!("`{text}`: {error}")),
    }
}

fn list(name: &str, value: &Value) -> Option<String> {
    let texts: Option<Vec<&str>> = value.as_array().and_then(|all| all.iter().map(Value::as_str).collect());
    let Some(texts) = texts else { return Some(format!("`{name}` is an array of texts")) };
    let unknown = texts.iter().find(|text| name == "inputFormats" && !INPUT_FORMATS.contains(text))?;
    Some(format!("`{unknown}` is no input format; use one of {}", INPUT_FORMATS.join(", ")))
}
