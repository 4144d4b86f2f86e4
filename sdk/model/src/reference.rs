//! What is asked for: a standard and which of its versions will do.

use crate::{Digest, DigestError, IdError, StandardId};
use semver::{Comparator, Op, Version, VersionReq};
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

    /// As one of two that are compared: a full number is that version, and none that is compatible with it.
    ///
    /// ```
    /// use guiju_model::Reference;
    /// assert_eq!(Reference::of_one("bj.population/person@2.1.0")?.to_string(), "bj.population/person@=2.1.0");
    /// assert_eq!(Reference::of_one("bj.population/person@2.1")?.to_string(), "bj.population/person@^2.1");
    /// # Ok::<(), guiju_model::ReferenceError>(())
    /// ```
    pub fn of_one(written: &str) -> Result<Self, ReferenceError> {
        match written.split_once('@').and_then(|(standard, number)| Some((standard, number.parse::<Version>().ok()?))) {
            Some((standard, version)) => Ok(Self::exact(standard.parse()?, &version)),
            None => written.parse(),
        }
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

    /// The version that is asked for, where it is one and named in full.
    pub fn pinned(&self) -> Option<Version> {
        let Selector::Requirement(requirement) = &self.selector else { return None };
        match requirement.comparators.as_slice() {
            [Comparator { op: Op::Exact, major, minor: Some(minor), patch: Some(patch), pre }] => {
                Some(Version { pre: pre.clone(), ..Version::new(*major, *minor, *patch) })
            }
            _ => None,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn admits(text: &str, version: &str) -> bool {
        reference(text).admits(&version.parse().unwrap(), &Digest::of(b""))
    }

    #[test]
    fn references_parse_back() {
        let digest = Digest::of(b"");
        for (given, spelled) in [
            ("a/b", "a/b"),
            ("a/b@*", "a/b"),
            ("a/b@2", "a/b@^2"),
            ("a/b@^2.1", "a/b@^2.1"),
            ("a/b@=1.2.3", "a/b@=1.2.3"),
            ("a/b@>=1, <3", "a/b@>=1, <3"),
            (&format!("a/b@{digest}"), &format!("a/b@{digest}")),
        ] {
            assert_eq!(reference(given).to_string(), spelled);
            assert_eq!(reference(spelled), reference(given));
        }
    }

    #[test]
    fn a_requirement_admits_as_cargo_does() {
        assert!(admits("a/b@2.1", "2.9.0") && !admits("a/b@2.1", "2.0.9") && !admits("a/b@2.1", "3.0.0"));
        assert!(admits("a/b@~1.2", "1.2.9") && !admits("a/b@~1.2", "1.3.0"));
        assert!(admits("a/b", "7.0.0") && !admits("a/b", "7.0.0-rc.1"));
        assert!(admits("a/b@=7.0.0-rc.1", "7.0.0-rc.1"));
        let digest = Digest::of(b"x");
        let by_digest = reference(&format!("a/b@{digest}"));
        let version = Version::new(1, 0, 0);
        assert!(by_digest.admits(&version, &digest) && !by_digest.admits(&version, &Digest::of(b"y")));
        assert!(Reference::exact("a/b".parse().unwrap(), &version).admits(&version, &digest));
        assert!(!Reference::exact("a/b".parse().unwrap(), &version).admits(&Version::new(1, 0, 1), &digest));
    }

    #[test]
    fn a_wrong_reference_says_what_to_write() {
        let why = |text: &str| text.parse::<Reference>().unwrap_err().to_string();
        assert!(why("a/b@latest").contains("write for example ^1.2"), "{}", why("a/b@latest"));
        assert!(why("a@1").contains("write namespace/name"));
        assert!(why("a/b@sha256:12").contains("64 lower-case hex digits"));
        assert!(why("a/b@").contains("is not a version requirement"), "{}", why("a/b@"));
    }
}
