//! Which version governs on a day.

use super::{AskError, PublishError, Registry};
use guiju_model::{Bundle, Date, Dates, Reference, StandardId, Term, VersionInfo, in_force};
use semver::Version;

pub(super) fn not_in_force(wanted: &str, in_force: &[Version]) -> String {
    match in_force {
        [] => format!("no version of `{wanted}` was in force"),
        versions => {
            let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
            format!("none of `{wanted}` was in force, but {}", versions.join(" and "))
        }
    }
}

/// Whether a version that is there has the days that are asked for. Nothing said asks for nothing, and a deprecation may have
/// named an end since.
pub(super) fn are_those_of(dates: &Dates, held: &VersionInfo) -> bool {
    dates.effective_from.is_none_or(|day| day == held.term.from)
        && dates.grace_until.is_none_or(|day| Some(day) == held.term.grace_until)
}

impl Registry {
    /// The version of those a reference admits that was in force on a day: the highest of them.
    pub fn resolve_as_of(&self, reference: &Reference, day: Date) -> Result<VersionInfo, AskError> {
        let versions = self.governing(reference.standard(), day)?;
        match versions.iter().find(|info| reference.admits(&info.version, &info.digest)) {
            Some(info) => Ok(info.clone()),
            None => {
                let in_force = versions.into_iter().map(|info| info.version).collect();
                Err(AskError::NotInForce { wanted: reference.to_string(), day, in_force })
            }
        }
    }

    /// The versions of a standard in force on a day, highest first: the first governs. There is one at least.
    pub fn governing(&self, standard: &StandardId, day: Date) -> Result<Vec<VersionInfo>, AskError> {
        let terms: Vec<(Version, Term)> = self.view().terms(standard)?;
        if terms.is_empty() {
            return Err(self.unknown(standard).into());
        }
        match in_force(&terms, day) {
            versions if versions.is_empty() => {
                Err(AskError::NotInForce { wanted: standard.to_string(), day, in_force: Vec::new() })
            }
            versions => versions.iter().map(|version| self.info(standard, version)).collect(),
        }
    }

    /// The days of a version that is published at a time.
    pub(super) fn term(&self, candidate: &Bundle, dates: &Dates, time_ms: u64) -> Result<Term, PublishError> {
        let manifest = &candidate.root().manifest;
        let (standard, version) = (manifest.standard.clone(), manifest.version.clone());
        dates.term(Date::in_china(time_ms)).map_err(|source| PublishError::Term { standard, version, source })
    }

    /// Whether a new version may have its days, beside those there are.
    pub(super) fn may_begin(&self, standard: &StandardId, version: &Version, term: &Term) -> Result<(), PublishError> {
        let today = Date::in_china((self.clock_ms)());
        if !version.pre.is_empty() {
            return Ok(());
        }
        let (standard, version, known) = (standard.clone(), version.clone(), self.view().terms(standard)?);
        term.may_begin(&version, &known, today).map_err(|source| PublishError::Term { standard, version, source })
    }
}
