//! The versions of standards, as a log that was read and proved tells of them.
//!
//! A registry answers what a reference means, which version governs a day, whether one was withdrawn; its log proves it. The rules are those
//! of `guiju-model`, by which the registry answers.
//!
//! # Limits
//! Whoever is not shown an entry does not know what it says: of standards that one may read, only the registry's word is there that none of
//! these is about them.

use crate::LogEntry;
use guiju_model::{Date, Dates, Digest, Ending, Reference, StandardId, Status, Term, in_force};
use semver::Version;
use std::collections::BTreeMap;

/// A version as the log's entries tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedVersion {
    pub standard: StandardId,
    pub version: Version,
    pub digest: Digest,
    /// Of the entry that published it.
    pub index: u64,
    pub status: Status,
    /// Of the entry that withdrew it.
    pub withdrawn_at: Option<u64>,
    pub term: Term,
    /// What to use instead; empty where nothing was named.
    pub successor: String,
}

impl LoggedVersion {
    /// That it should not be used any more, or not for long, as the log says; none where it may be.
    pub fn ending(&self) -> Option<Ending> {
        let Self { standard, version, status, term, successor, .. } = self;
        Ending::of(standard, version, *status, term, successor)
    }
}

/// What is known of the versions of standards, entry by entry.
#[derive(Clone, Debug, Default)]
pub struct LoggedVersions(BTreeMap<StandardId, Vec<LoggedVersion>>);

impl<'e> FromIterator<&'e LogEntry> for LoggedVersions {
    fn from_iter<I: IntoIterator<Item = &'e LogEntry>>(entries: I) -> Self {
        let mut known = Self::default();
        entries.into_iter().for_each(|entry| known.take(entry));
        known
    }
}

impl LoggedVersions {
    /// Whether an entry says something of a version.
    pub fn is_told_by(entry: &LogEntry) -> bool {
        matches!(entry.event.parse(), Ok(Status::Published | Status::Deprecated | Status::Withdrawn))
    }

    /// Takes in an entry, in the order of the log. One that is about no version says nothing here.
    pub fn take(&mut self, entry: &LogEntry) {
        let _ = self.taken(entry);
    }

    fn taken(&mut self, entry: &LogEntry) -> Option<()> {
        let (standard, version): (StandardId, Version) = (entry.standard.parse().ok()?, entry.version.parse().ok()?);
        let status: Status = entry.event.parse().ok()?;
        let (day, versions) = (Date::in_china(entry.time_ms), self.0.entry(standard.clone()).or_default());
        let known = versions.iter_mut().find(|known| known.version == version);
        match (status, known) {
            (Status::Published, None) => {
                let dates = Dates::parse(&entry.effective_from, &entry.effective_to, &entry.grace_until).ok()?;
                let (term, digest, index) = (dates.term(day).ok()?, entry.digest?, entry.index);
                let successor = String::new();
                let withdrawn_at = None;
                versions.push(LoggedVersion {
                    standard,
                    version,
                    digest,
                    index,
                    status,
                    withdrawn_at,
                    term,
                    successor,
                });
            }
            (Status::Withdrawn, Some(known)) => {
                (known.status, known.withdrawn_at, known.term) = (status, Some(entry.index), known.term.ended_by(day));
                known.successor = entry.successor.clone();
            }
            (Status::Deprecated, Some(known)) => {
                // A deprecation that is said again says of the successor what is new.
                if known.status != Status::Deprecated || !entry.successor.is_empty() {
                    known.successor = entry.successor.clone();
                }
                known.status = status;
                if let Ok(day) = entry.effective_to.parse() {
                    known.term.to = Some(day);
                }
            }
            _ => {}
        }
        Some(())
    }

    pub fn of(&self, standard: &StandardId) -> &[LoggedVersion] {
        self.0.get(standard).map_or(&[], Vec::as_slice)
    }

    pub fn get(&self, standard: &StandardId, version: &Version) -> Option<&LoggedVersion> {
        self.of(standard).iter().find(|known| known.version == *version)
    }

    /// What a reference means: the highest version that it admits of those that are not withdrawn; by a digest, also of those.
    pub fn resolve(&self, reference: &Reference) -> Option<&LoggedVersion> {
        let is_by_digest = matches!(reference.selector(), guiju_model::Selector::Digest(_));
        let meant = |known: &&LoggedVersion| {
            (is_by_digest || known.status != Status::Withdrawn) && reference.admits(&known.version, &known.digest)
        };
        self.of(reference.standard()).iter().filter(meant).max_by(|one, other| one.version.cmp(&other.version))
    }

    /// The highest version that a reference admits of those in force on a day.
    pub fn resolve_as_of(&self, reference: &Reference, day: Date) -> Option<&LoggedVersion> {
        let known = self.of(reference.standard());
        let terms: Vec<(Version, Term)> = known.iter().map(|known| (known.version.clone(), known.term)).collect();
        let in_force = in_force(&terms, day);
        let mut in_force = in_force.iter().filter_map(|version| known.iter().find(|known| known.version == *version));
        in_force.find(|known| reference.admits(&known.version, &known.digest))
    }
}
