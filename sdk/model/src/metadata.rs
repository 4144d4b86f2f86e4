//! `standard.toml`: who answers for a standard and how it may be used.

use crate::{Kind, SecurityLevel, ShareClass, StandardId};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What holds for all versions of a standard. Read from `standard.toml`, kept by the registry beside the versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    pub kind: Kind,
    /// One of population, legal, macro, geo, water, power, transport, service, catalogue, common.
    pub domain: String,
    pub title_zh: String,
    pub title_en: String,
    /// What it is for, one or two sentences.
    #[serde(rename = "abstract")]
    pub abstract_zh: String,
    pub abstract_en: String,
    /// The agency that answers for it.
    pub owner: String,
    /// The unified social credit code of that agency, GB 32100, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_code: Option<String>,
    /// The unit to write to; no person's telephone.
    pub steward: String,
    pub registration_authority: String,
    pub share_class: ShareClass,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_condition: Option<String>,
    /// Whether it may be opened to the public.
    pub open: bool,
    pub security_level: SecurityLevel,
    /// A code of `cn.gov/update-cycle`.
    pub update_cycle: String,
    /// Normative references: number and year, `GB/T 2260-2007`.
    #[serde(default)]
    pub basis: Vec<String>,
    /// Where the facts come from.
    #[serde(default)]
    pub sources: Vec<String>,
    /// What an owner must confirm before relying on it.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// What each version changed, by its number, for whoever holds the one before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: BTreeMap<Version, Told>,
    /// How versions are compared.
    #[serde(default)]
    pub reading: Reading,
}

/// A sentence or two, in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    pub en: String,
    pub zh: String,
}

/// The named transformations under which versions are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reading {
    pub properties: Properties,
    /// Of comparisons only: a record's format is always judged, so that a verdict follows from the digest alone.
    pub formats_asserted: bool,
    /// Whether a constant that names the version itself must stay what it is.
    pub version_constants_pinned: bool,
}

/// What is presumed of properties that a version does not declare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Properties {
    /// Nothing: the validator decides.
    #[default]
    Strict,
    /// Whoever writes records by a version writes none that it does not declare.
    ClosedWriter,
}

impl Default for Reading {
    fn default() -> Self {
        Self { properties: Properties::Strict, formats_asserted: true, version_constants_pinned: true }
    }
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum MetadataError {
    #[error("standard.toml of `{standard}`: {why}")]
    Toml { standard: StandardId, why: String },
    #[error("standard.toml of `{standard}`: `{field}` is empty")]
    Empty { standard: StandardId, field: &'static str },
}

/// The names in `standard.toml`, in `[reading]`, and in an entry of `[changes]`.
const NAMES: [&str; 20] = [
    "kind",
    "domain",
    "title_zh",
    "title_en",
    "abstract",
    "abstract_en",
    "owner",
    "owner_code",
    "steward",
    "registration_authority",
    "share_class",
    "share_condition",
    "open",
    "security_level",
    "update_cycle",
    "basis",
    "sources",
    "doubts",
    "changes",
    "reading",
];
const READING_NAMES: [&str; 3] = ["properties", "formats_asserted", "version_constants_pinned"];
const TOLD_NAMES: [&str; 2] = ["en", "zh"];

impl Metadata {
    /// As an author hands it in: a name that is not known is a mistake.
    pub fn from_toml(standard: &StandardId, text: &str) -> Result<Self, MetadataError> {
        let metadata = toml::from_str(text)
            .map_err(|error| MetadataError::Toml { standard: standard.clone(), why: error.to_string() })?;
        Self::whole(metadata, standard)
    }

    /// As a log has it, which a newer program may have written: what that one knows beyond this one is passed over.
    pub fn from_log(standard: &StandardId, text: &str) -> Result<Self, MetadataError> {
        let malformed = |why: String| MetadataError::Toml { standard: standard.clone(), why };
        let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| malformed(error.to_string()))?;
        let keep = |table: &mut toml::Table, names: &[&str]| table.retain(|name, _| names.contains(&name));
        keep(&mut table, &NAMES);
        if let Some(toml::Value::Table(reading)) = table.get_mut("reading") {
            keep(reading, &READING_NAMES);
        }
        if let Some(toml::Value::Table(changes)) = table.get_mut("changes") {
            changes.iter_mut().filter_map(|(_, told)| told.as_table_mut()).for_each(|told| keep(told, &TOLD_NAMES));
        }
        let metadata = table.try_into().map_err(|error| malformed(format!("{error}; a newer server may know it")))?;
        Self::whole(metadata, standard)
    }

    fn whole(metadata: Self, standard: &StandardId) -> Result<Self, MetadataError> {
        for (field, value) in [
            ("domain", &metadata.domain),
            ("title_zh", &metadata.title_zh),
            ("title_en", &metadata.title_en),
            ("abstract", &metadata.abstract_zh),
            ("owner", &metadata.owner),
            ("steward", &metadata.steward),
        ] {
            if value.trim().is_empty() {
                return Err(MetadataError::Empty { standard: standard.clone(), field });
            }
        }
        Ok(metadata)
    }

    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
kind = "record"
domain = "common"
title_zh = "路灯"
title_en = "Lamp post"
abstract = "路灯。"
abstract_en = "A lamp post."
owner = "市城市管理部门"
owner_code = "91110000600037341L"
steward = "照明处"
registration_authority = "市标准化部门"
share_class = "2"
share_condition = "内部使用"
open = false
security_level = "S2"
update_cycle = "Y"
basis = ["GB/T 1"]
sources = ["a page"]
doubts = ["one"]

[changes]
"2.0.0" = { en = "Heights in metres.", zh = "高度改为米。" }

[reading]
properties = "closed-writer"
formats_asserted = false
version_constants_pinned = false
"#;

    #[test]
    fn every_name_is_known_to_a_log() {
        let standard = "bj.example/lamp-post".parse().unwrap();
        let metadata = Metadata::from_toml(&standard, TEXT).unwrap();
        assert_eq!(Metadata::from_log(&standard, TEXT).unwrap(), metadata);
        let names: Vec<String> =
            metadata.to_toml().parse::<toml::Table>().unwrap().into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| NAMES.contains(&name.as_str())) && names.len() == NAMES.len(), "{names:?}");
    }

    #[test]
    fn what_a_newer_program_knows_is_passed_over_in_a_log_alone() {
        let standard = "bj.example/lamp-post".parse().unwrap();
        let newer = TEXT
            .replace("open = false", "open = false\nlicence = \"CC0\"")
            .replace("zh = \"高度改为米。\"", "zh = \"高度改为米。\", ug = \"...\"")
            + "readers = 3\n\n[contacts]\nmail = \"a@example.org\"\n";
        let known = Metadata::from_toml(&standard, TEXT).unwrap();
        assert_eq!(Metadata::from_log(&standard, &newer).unwrap(), known);
        assert!(Metadata::from_toml(&standard, &newer).is_err());
        // A value that is not known cannot be passed over: nobody knows what it asks.
        let other = TEXT.replace("\"closed-writer\"", "\"open-reader\"");
        let why = Metadata::from_log(&standard, &other).unwrap_err().to_string();
        assert!(why.contains("open-reader") && why.ends_with("a newer server may know it"), "{why}");
    }
}
