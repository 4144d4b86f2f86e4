//! What a registry tells of what it holds, without the files.

use crate::{Date, Dependency, Digest, Kind, MatchedIn, StandardId, Status, Term};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::fmt;

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

impl VersionInfo {
    /// That it should not be used any more, or not for long; none where it may be.
    pub fn ending(&self) -> Option<Ending> {
        let Self { standard, version, status, successor, term, .. } = self;
        Ending::of(standard, version, *status, term, successor)
    }
}

/// That a version is deprecated or withdrawn. In words where it is displayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    pub standard: StandardId,
    pub version: Version,
    /// Deprecated or withdrawn.
    pub status: Status,
    /// Of what is deprecated: the first day on which it is not in effect, where one was named.
    pub until: Option<Date>,
    /// What to use instead; empty where nothing was named.
    pub successor: String,
}

impl Ending {
    /// Of a version with that status, if that is its end.
    pub fn of(standard: &StandardId, version: &Version, status: Status, term: &Term, successor: &str) -> Option<Self> {
        matches!(status, Status::Deprecated | Status::Withdrawn).then(|| Self {
            standard: standard.clone(),
            version: version.clone(),
            status,
            until: term.to.filter(|_| status == Status::Deprecated),
            successor: successor.to_owned(),
        })
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { standard, version, status, until, successor } = self;
        write!(f, "`{standard}` {version} is {status}")?;
        until.map_or(Ok(()), |day| write!(f, ", in effect until the day before {day}"))?;
        match successor.as_str() {
            "" => Ok(()),
            successor => write!(f, "; use {successor} instead"),
        }
    }
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
