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

impl Metadata {
    pub fn from_toml(standard: &StandardId, text: &str) -> Result<Self, MetadataError> {
        let metadata: Self = toml::from_str(text)
            .map_err(|error| MetadataError::Toml { standard: standard.clone(), why: error.to_string() })?;
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
