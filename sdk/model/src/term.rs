//! From when until when a version governs, and which version governs on a day.
//!
//! # The rule
//! - A version is **in effect** from its first day, `from`, up to and not including `to`. A withdrawal ends it on its day. A
//!   pre-release never is in effect.
//! - Of the versions in effect on a day the highest **governs**. Publishing a higher one supersedes a lower one from the day on
//!   which the higher one takes effect; a lower one never supersedes a higher one, however late it comes.
//! - A version is **superseded** on a day on which a higher one takes effect and on the day before none was in effect. It then stays
//!   **in force** beside the one that governs until `grace_until` of what superseded it; of several that took effect on that day, the
//!   longest. What takes effect while another higher one is in effect neither lengthens nor shortens that. A version that governs
//!   again, because what superseded it ended, is superseded anew by what comes next; of two promises the longer stands.
//! - No version may be published that takes back a promise of one that is published, whichever takes effect first.
//! - Where nothing is said, a version is in effect from the day of its publication, without end, and gives no grace.
//!
//! # Invariants
//! - Nothing that is published, deprecated or withdrawn on a day changes which version governed on an earlier day on which one did.
//! - Days are those of China Standard Time; none of this reads a clock.

use crate::{Date, date::DateError};
use semver::Version;

/// The days of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// The first day in effect.
    pub from: Date,
    /// The first day no longer in effect, where there is one.
    pub to: Option<Date>,
    /// The first day on which what this version supersedes is in force no longer; none: that ends on `from`.
    pub grace_until: Option<Date>,
}

/// What an author says of the days of a version; none where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dates {
    pub effective_from: Option<Date>,
    pub effective_to: Option<Date>,
    pub grace_until: Option<Date>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermError {
    #[error("`{field}`: {source}")]
    Date { field: &'static str, source: DateError },
    #[error("`{field}` is {day}, and the version takes effect on {from}; it must be a later day")]
    NotAfter { field: &'static str, day: Date, from: Date },
    #[error(
        "it would take effect on {from}, which has passed, and {known} was in effect on some day since; name today, {today}, or \
         a later day"
    )]
    Past { from: Date, known: Version, today: Date },
    #[error(
        "{promising} promised, when it was published, that {promised} may be used until {until}, and beside this version it could \
         not: name {from} or a later day as its first, or give a grace until {until} or later"
    )]
    TakesBack { promising: Version, promised: Version, from: Date, until: Date },
    #[error("it would end on {day}, which has passed; name today, {today}, or a later day")]
    EndsInPast { day: Date, today: Date },
    #[error("it has ended on {ended} already")]
    Ended { ended: Date },
}

impl Dates {
    /// Reads days written YYYY-MM-DD; an empty text says nothing.
    pub fn parse(effective_from: &str, effective_to: &str, grace_until: &str) -> Result<Self, TermError> {
        let date = |field, text: &str| match text {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|source| TermError::Date { field, source }),
        };
        Ok(Self {
            effective_from: date("effective_from", effective_from)?,
            effective_to: date("effective_to", effective_to)?,
            grace_until: date("grace_until", grace_until)?,
        })
    }

    /// The term that follows for a version that is published on a day.
    pub fn term(self, published: Date) -> Result<Term, TermError> {
        let Self { effective_from, effective_to: to, grace_until } = self;
        let from = effective_from.unwrap_or(published);
        for (field, day) in [("effective_to", to), ("grace_until", grace_until)] {
            if let Some(day) = day.filter(|day| *day <= from) {
                return Err(TermError::NotAfter { field, day, from });
            }
        }
        Ok(Term { from, to, grace_until })
    }
}

impl Term {
    pub fn is_in_effect(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day < to)
    }

    /// The same, ended on a day or before.
    pub fn ended_by(self, day: Date) -> Self {
        Self { to: Some(self.to.map_or(day, |to| to.min(day))), ..self }
    }

    /// The same, with another end, said on a day: neither may an end be moved that has come, nor be set in the past.
    pub fn ending(self, day: Date, today: Date) -> Result<Self, TermError> {
        match self.to {
            Some(ended) if ended <= today => Err(TermError::Ended { ended }),
            _ if day < today => Err(TermError::EndsInPast { day, today }),
            _ if day <= self.from => Err(TermError::NotAfter { field: "effective_to", day, from: self.from }),
            _ => Ok(Self { to: Some(day), ..self }),
        }
    }

    /// Whether it was in effect on some day of a span.
    fn meets(&self, from: Date, to: Date) -> bool {
        self.from < to && self.to.is_none_or(|end| from < end && self.from < end)
    }

    /// Whether a version may get this term today, beside those that are published: days that have passed may only be filled where
    /// no version was in effect from then until today, today among them; and what another promised must stand.
    pub fn may_begin(&self, version: &Version, known: &[(Version, Self)], today: Date) -> Result<(), TermError> {
        let from = self.from;
        // Until today and on it: on the day on which another takes effect the days before it are not filled either.
        let in_effect = |term: &Self| term.is_in_effect(today) && self.is_in_effect(today);
        let passed = self.to.map_or(today, |to| to.min(today));
        let clash = known
            .iter()
            .find(|(version, term)| version.pre.is_empty() && (term.meets(from, passed) || in_effect(term)));
        match clash.filter(|_| from < today) {
            Some((known, _)) => Err(TermError::Past { from, known: known.clone(), today }),
            None => self.keeps_promises(version, known, today),
        }
    }

    /// Whether every version may be used as long as it may without this one, but for the one that it supersedes.
    fn keeps_promises(&self, version: &Version, known: &[(Version, Self)], today: Date) -> Result<(), TermError> {
        // Of most standards nobody promised anything that is still to be kept.
        if !version.pre.is_empty() || known.iter().all(|(_, term)| term.grace_until.is_none_or(|until| until <= today))
        {
            return Ok(());
        }
        let own = (version.clone(), *self);
        let (before, after) = (in_turn(known), in_turn(known.iter().chain([&own])));
        for (lower, _) in known.iter().filter(|(lower, _)| lower < version) {
            let kept: Vec<Promise> = promises(&after, lower).collect();
            let is_kept = |promise: &Promise| {
                let first = promise.from.max(today);
                promise.until <= first || kept.iter().any(|kept| kept.from <= first && promise.until <= kept.until)
            };
            if let Some(Promise { by, from, until }) = promises(&before, lower).find(|promise| !is_kept(promise)) {
                return Err(TermError::TakesBack { promising: by.clone(), promised: lower.clone(), from, until });
            }
        }
        Ok(())
    }
}

/// The versions in force on a day, highest first: the first governs, what follows may still be used.
///
/// ```
/// use guiju_model::{Dates, in_force};
/// let term = |from, grace| Dates::parse(from, "", grace).unwrap().term("2026-01-01".parse().unwrap()).unwrap();
/// let versions = [
///     ("1.0.0".parse().unwrap(), term("2026-01-01", "")),
///     ("2.0.0".parse().unwrap(), term("2026-06-01", "2026-09-01")),
/// ];
/// let on = |day: &str| in_force(&versions, day.parse().unwrap()).iter().map(|v| v.to_string()).collect::<Vec<_>>();
/// assert!(on("2025-12-31").is_empty());
/// assert_eq!(on("2026-05-31"), ["1.0.0"]);
/// assert_eq!(on("2026-06-01"), ["2.0.0", "1.0.0"]);
/// assert_eq!(on("2026-09-01"), ["2.0.0"]);
/// ```
pub fn in_force(versions: &[(Version, Term)], day: Date) -> Vec<Version> {
    let in_turn = in_turn(versions);
    let in_effect = || in_turn.iter().filter(|(_, term)| term.is_in_effect(day));
    let Some(governs) = in_effect().map(|(version, _)| version).max() else { return Vec::new() };
    let is_in_force = |version: &Version| {
        version == governs || promises(&in_turn, version).any(|promise| promise.from <= day && day < promise.until)
    };
    let mut found: Vec<Version> =
        in_effect().map(|(version, _)| version).filter(|version| is_in_force(version)).cloned().collect();
    found.sort_by(|one, other| other.cmp(one));
    found
}

/// Those that take effect, in the order in which they do.
fn in_turn<'v>(versions: impl IntoIterator<Item = &'v (Version, Term)>) -> Vec<&'v (Version, Term)> {
    // One that was withdrawn before its first day supersedes nothing.
    let begins = |(version, term): &&(Version, Term)| version.pre.is_empty() && term.to.is_none_or(|to| term.from < to);
    let mut found: Vec<&(Version, Term)> = versions.into_iter().filter(begins).collect();
    found.sort_by_key(|(_, term)| term.from);
    found
}

/// What was said to the users of a version when a higher one superseded it: how long they may go on.
struct Promise<'v> {
    by: &'v Version,
    from: Date,
    until: Date,
}

/// All that was promised to a version, by those that take effect in turn.
fn promises<'v>(in_turn: &[&'v (Version, Term)], version: &Version) -> impl Iterator<Item = Promise<'v>> {
    // Until when some higher version is in effect; none at all: for ever.
    let mut covered: Option<Option<Date>> = None;
    // The first day of those that supersede it.
    let mut superseding = None;
    in_turn.iter().filter(move |(other, _)| other > version).filter_map(move |(by, Term { from, to, grace_until })| {
        if covered.is_none_or(|end| end.is_some_and(|end| end < *from)) {
            superseding = Some(*from);
        }
        covered = Some(match (covered, to) {
            (None, to) => *to,
            (Some(Some(end)), Some(to)) => Some(end.max(*to)),
            (Some(_), _) => None,
        });
        let until = grace_until.filter(|until| superseding == Some(*from) && from < until)?;
        Some(Promise { by, from: *from, until })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(dates: &str) -> Term {
        let parts: Vec<&str> = dates.split(' ').collect();
        let part = |at: usize| parts.get(at).copied().filter(|part| *part != "-").unwrap_or_default();
        Dates::parse(part(0), part(1), part(2)).unwrap().term(Date::new(2026, 1, 1).unwrap()).unwrap()
    }

    fn on(versions: &[(&str, &str)], day: &str) -> Vec<String> {
        let versions: Vec<_> =
            versions.iter().map(|(version, dates)| (version.parse().unwrap(), term(dates))).collect();
        in_force(&versions, day.parse().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_patch_does_not_take_back_the_grace_of_a_major_version() {
        let versions = [
            ("1.9.0", "2026-01-01"),
            ("2.0.0", "2026-03-01 - 2026-09-01"),
            ("2.0.1", "2026-04-01"),
            ("1.9.1", "2026-05-01"),
        ];
        assert_eq!(on(&versions, "2026-03-15"), ["2.0.0", "1.9.0"]);
        assert_eq!(on(&versions, "2026-04-15"), ["2.0.1", "1.9.0"]);
        assert_eq!(on(&versions, "2026-05-15"), ["2.0.1", "1.9.1", "1.9.0"], "2.0.0 superseded 1.9.0 first");
        assert_eq!(on(&versions, "2026-09-01"), ["2.0.1"]);
    }

    #[test]
    fn what_ends_gives_way_to_what_is_below_it() {
        let versions = [("1.0.0", "2026-01-01"), ("2.0.0", "2026-03-01 2026-06-01"), ("3.0.0-rc.1", "2026-03-01")];
        assert_eq!(on(&versions, "2026-05-31"), ["2.0.0"]);
        assert_eq!(on(&versions, "2026-06-01"), ["1.0.0"]);
    }

    #[test]
    fn what_governs_again_is_superseded_anew() {
        let versions =
            [("1.0.0", "2020-01-01"), ("2.0.0", "2026-12-01 2026-12-10"), ("2.1.0", "2027-01-01 - 2027-06-01")];
        assert_eq!(on(&versions, "2026-12-09"), ["2.0.0"]);
        assert_eq!(on(&versions, "2026-12-31"), ["1.0.0"]);
        assert_eq!(on(&versions, "2027-05-31"), ["2.1.0", "1.0.0"]);
        assert_eq!(on(&versions, "2027-06-01"), ["2.1.0"]);
    }

    #[test]
    fn a_promise_is_not_taken_back() {
        let known = [
            ("1.9.0".parse().unwrap(), term("2026-01-01")),
            ("2.0.0".parse().unwrap(), term("2026-12-05 - 2027-12-01")),
        ];
        let may = |version: &str, dates: &str| {
            term(dates).may_begin(&version.parse().unwrap(), &known, "2026-11-01".parse().unwrap())
        };
        for (version, dates) in [
            ("2.0.1", "2026-12-05"),
            ("2.0.1", "2027-01-01"),
            ("2.0.1", "2026-12-04 - 2027-12-01"),
            ("1.8.0", "2026-12-01"),
            ("3.0.0-rc.1", "2026-12-01"),
        ] {
            assert_eq!(may(version, dates), Ok(()), "{version} {dates}");
        }
        for (version, dates) in [("2.0.1", "2026-12-04"), ("1.9.1", "2026-12-01"), ("2.0.1", "2026-12-04 - 2027-11-30")]
        {
            assert!(matches!(may(version, dates), Err(TermError::TakesBack { .. })), "{version} {dates}");
        }
        // What ends long before has no part in it.
        assert_eq!(may("2.0.1", "2026-11-02 2026-11-10"), Ok(()));
    }

    #[test]
    fn the_past_is_filled_and_not_changed() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let known =
            [("1.0.0".parse().unwrap(), term("2020-01-01 2022-01-01")), ("2.0.0".parse().unwrap(), term("2024-01-01"))];
        let (today, version) = (day("2026-01-01"), Version::new(3, 0, 0));
        for allowed in ["2022-01-01 2024-01-01", "2019-01-01 2020-01-01", "2026-01-01", "2030-01-01"] {
            assert_eq!(term(allowed).may_begin(&version, &known, today), Ok(()), "{allowed}");
        }
        for refused in ["2022-01-01 2024-01-02", "2021-12-31 2023-01-01", "2025-12-31", "2010-01-01"] {
            assert!(term(refused).may_begin(&version, &known, today).is_err(), "{refused}");
        }
        assert!(term("2026-01-01").ending(day("2026-05-01"), day("2026-03-01")).is_ok());
        assert!(term("2026-01-01 2026-02-01").ending(day("2026-05-01"), day("2026-03-01")).is_err());
        assert!(term("2026-01-01").ending(day("2026-02-01"), day("2026-03-01")).is_err());
    }
}
