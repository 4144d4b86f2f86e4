//! What a registry tells of what it holds, without the files.

use crate::{Dependency, Digest, Kind, MatchedIn, StandardId, Status, Term};
use semver::Version;
use serde::{Deserialize, Serialize};

/// A published version without its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    pub standard: StandardId,
    pub version: Version,
    pub kind: Kind,
    pub digest: Digest,
    pub status: Status,
    /// Index of the entry that published it, from 0.
    pub log_index: u64,
    /// Unix time by the registry's clock, in milliseconds. It orders nothing; the log index does.
    pub published_ms: u64,
    pub dependencies: Vec<Dependency>,
    /// What to use instead of a deprecated or withdrawn version; empty where nothing was named.
    pub successor: String,
    /// From when until when it is in effect.
    pub term: Term,
    /// Under which it was published though something could not be decided.
    pub waiver: Option<Waiver>,
}

/// What could not be decided of a version and was taken to break nobody, on somebody's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// Whose word.
    pub by: String,
    pub reason: String,
    /// Each with the keyword and the place that defeated the engine.
    pub questions: Vec<String>,
}

/// What lists and searches show of a standard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandardInfo {
    pub standard: StandardId,
    pub kind: Kind,
    pub title_zh: String,
    pub title_en: String,
    pub abstract_zh: String,
    pub abstract_en: String,
    pub owner: String,
    /// The highest version that is not withdrawn, with its digest; none where all are withdrawn.
    pub latest: Option<(Version, Digest)>,
    pub version_count: u32,
}

/// A standard that a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchHit {
    pub standard: StandardInfo,
    pub matched_in: MatchedIn,
    /// A few words around the match.
    pub excerpt: String,
}
