//! What the number of a new version must raise, and what stands against it.
//!
//! # Invariants
//! - The bump is computed, not asserted: a number that raises too little is refused, one that raises too much is told.
//! - The baseline is the highest published version below the candidate that is neither withdrawn nor a pre-release, which
//!   promises nothing. Where another came in between, the question is asked again.

use super::{PublishError, Registry};
use guiju_compat::{Budget, Bump, Change, Fit, Side, Verdict, Witness, compare};
use guiju_model::{Bundle, Digest, Kind, Manifest, StandardId, Status, Text};
use semver::Version;

/// Longest witness in a message, in bytes; the details hold more.
const WITNESS_BYTES_MAX: usize = 300;

/// A version against the one before it.
#[derive(Clone, Debug)]
pub struct Judged {
    pub baseline: Version,
    /// What its number raises.
    pub declared: Bump,
    /// The lowest number that will do.
    pub required: Option<Version>,
    pub verdict: Verdict,
}

impl Judged {
    pub fn fit(&self) -> Fit {
        self.verdict.fit(self.declared)
    }

    /// What stands against publishing it.
    pub(super) fn refusal(self, standard: &StandardId, version: &Version) -> Result<Self, PublishError> {
        let (standard, version, fit) = (standard.clone(), version.clone(), self.fit());
        match fit {
            Fit::Enough | Fit::Ample => Ok(self),
            Fit::Forbidden => Err(PublishError::Forbidden { standard, version, judged: Box::new(self) }),
            Fit::TooSmall | Fit::Unknown => {
                Err(PublishError::BumpTooSmall { standard, version, judged: Box::new(self) })
            }
        }
    }

    /// What its author should know though it may be published.
    pub fn warning(&self) -> Option<Text> {
        let (Fit::Ample, Some(required)) = (self.fit(), &self.required) else { return None };
        let Self { baseline, declared, verdict, .. } = self;
        let bump = verdict.bump.unwrap_or(*declared);
        Some(Text {
            en: format!(
                "the number raises more than is needed: against {baseline} this is a {bump} change, {required} would do"
            ),
            zh: format!("版本号升幅大于所需：相对 {baseline} 只需升{}，{required} 即可", bump.zh()),
        })
    }

    /// What is wrong with the number, with the first break and its witness, and what to do.
    pub(super) fn too_small(&self) -> String {
        let Self { baseline, required, verdict, .. } = self;
        let required = required.as_ref().map(ToString::to_string).unwrap_or_default();
        let first = self.first();
        match verdict.bump {
            Some(Bump::Major) => format!("breaks {baseline}, so it must be {required} or higher{first}"),
            Some(_) => format!("accepts more than {baseline}, so it must be {required} or higher{first}"),
            None => {
                let next = Bump::Major.after(baseline);
                let why = verdict.undecided().map_or(String::new(), |why| format!(" because of {why}"));
                format!("may break {baseline}, which could not be decided{why}; publish it as {next} or higher")
            }
        }
    }

    /// What no number allows.
    pub(super) fn forbidden(&self) -> String {
        format!("changes what no version number allows against {}{}", self.baseline, self.first())
    }

    /// The first change that asks for the number, and the record that shows it.
    fn first(&self) -> String {
        let verdict = &self.verdict;
        let asks =
            |change: &&Change| if verdict.forbidden { change.is_forbidden() } else { change.bump == verdict.bump };
        let shown = |witness: &Witness| {
            let record = cut(&witness.record.to_string());
            let day = witness.day.map_or(String::new(), |day| format!(" on {day}"));
            let (accepts, refuses) = match verdict.bump {
                Some(Bump::Minor) => (&verdict.new, &verdict.old),
                _ => (&verdict.old, &verdict.new),
            };
            format!(", as {record} shows, which conforms to {accepts} and not to {refuses}{day}")
        };
        match verdict.changes.iter().find(asks) {
            Some(change) => {
                let place = change.new_place.as_ref().or(change.old_place.as_ref());
                let place = place.map_or(String::new(), |place| format!(" at `{place}`"));
                let witness = change.witness.as_ref().map_or(String::new(), shown);
                format!(": {}{place}{witness}", change.code)
            }
            None => verdict.old_in_new.witness().map_or(String::new(), shown),
        }
    }
}

fn cut(text: &str) -> String {
    match text.len() > WITNESS_BYTES_MAX {
        true => {
            let end = (0..=WITNESS_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            format!("{}…", &text[..end])
        }
        false => text.to_owned(),
    }
}

impl Registry {
    /// A candidate against its baseline. Contracts are not compared.
    pub(super) fn judged(
        &self,
        candidate: &Bundle,
        baseline: Option<&(Version, Digest)>,
    ) -> Result<Option<Judged>, PublishError> {
        let Manifest { version, kind, .. } = &candidate.root().manifest;
        let Some((baseline, digest)) = baseline.filter(|_| *kind != Kind::Contract) else { return Ok(None) };
        let old = Bundle::gather(self.load(digest, true)?, self)?;
        if old.root().manifest.kind == Kind::Contract {
            return Ok(None);
        }
        let verdict = compare(&Side::new(&old, true)?, &Side::new(candidate, true)?, &Budget::default());
        let (declared, required) = (Bump::declared(baseline, version), verdict.bump.map(|bump| bump.after(baseline)));
        Ok(Some(Judged { baseline: baseline.clone(), declared, required, verdict }))
    }

    /// The version that a new one must be compatible with.
    pub(super) fn baseline(
        &self,
        standard: &StandardId,
        version: &Version,
    ) -> Result<Option<(Version, Digest)>, PublishError> {
        let counts =
            |known: &Version, status: Status| known < version && known.pre.is_empty() && status != Status::Withdrawn;
        let versions = self.view.versions(standard)?.into_iter();
        let below =
            versions.filter(|(known, _, status)| counts(known, *status)).map(|(known, digest, _)| (known, digest));
        Ok(below.max_by(|one, other| one.0.cmp(&other.0)))
    }
}
