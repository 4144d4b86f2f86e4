//! What is asked for: a standard and which of its versions will do.

use crate::{Digest, DigestError, IdError, StandardId};
use semver::{Version, VersionReq};
use std::{fmt, str::FromStr};

/// `namespace/name@requirement`, `namespace/name@sha256:…`, or `namespace/name` for any version.
///
/// The requirement is SemVer in Cargo's spelling, so `2.1` means `^2.1`.
///
/// ```
/// use guiju_model::Reference;
/// let reference: Reference = "bj.population/person@2.1".parse()?;
/// assert_eq!(reference.to_string(), "bj.population/person@^2.1");
/// # Ok::<(), guiju_model::ReferenceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    standard: StandardId,
    selector: Selector,
}

/// Which versions of a standard will do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    Requirement(VersionReq),
    Digest(Digest),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error(transparent)]
    Standard(#[from] IdError),
    #[error(transparent)]
    Digest(#[from] DigestError),
    #[error("`{given}` is not a version requirement: {why}; write for example ^1.2 or =1.2.3")]
    Requirement { given: String, why: String },
}

impl Reference {
    pub fn new(standard: StandardId, selector: Selector) -> Self {
        Self { standard, selector }
    }

    /// The one version and no other.
    pub fn exact(standard: StandardId, version: &Version) -> Self {
        let requirement = VersionReq::parse(&format!("={version}")).unwrap_or(VersionReq::STAR);
        Self { standard, selector: Selector::Requirement(requirement) }
    }

    pub fn standard(&self) -> &StandardId {
        &self.standard
    }

    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Whether a version with this number and digest is one that was asked for.
    pub fn admits(&self, version: &Version, digest: &Digest) -> bool {
        match &self.selector {
            Selector::Requirement(requirement) => requirement.matches(version),
            Selector::Digest(wanted) => wanted == digest,
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let Some((standard, selector)) = text.split_once('@') else {
            return Ok(Self { standard: text.parse()?, selector: Selector::Requirement(VersionReq::STAR) });
        };
        let selector = if selector.starts_with("sha256:") {
            Selector::Digest(selector.parse()?)
        } else {
            let requirement = VersionReq::parse(selector)
                .map_err(|error| ReferenceError::Requirement { given: selector.into(), why: error.to_string() })?;
            Selector::Requirement(requirement)
        };
        Ok(Self { standard: standard.parse()?, selector })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requirement(requirement) => requirement.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            Selector::Requirement(requirement) if *requirement == VersionReq::STAR => self.standard.fmt(f),
            selector => write!(f, "{}@{selector}", self.standard),
        }
    }
}
