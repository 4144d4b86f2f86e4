//! What the number of a new version must raise, and what stands against it.
//!
//! # Invariants
//! - The bump is computed, not asserted: a number that raises too little is refused, one that raises too much is told.
//! - The baseline is the highest published version below the candidate that is neither withdrawn nor a pre-release, which
//!   promises nothing. Where another came in between, the question is asked again.
//! - A profile that accepts a record that its base refuses is not published. A base is, and those are told whose profiles
//!   accept what it refuses now: they are bound to the version that they were published with.

use super::{Caller, PublishError, Registry};
use guiju_compat::{Budget, Bump, Change, Fit, Inclusion, Side, Verdict, Witness, compare, lies_in};
use guiju_model::{Bundle, Content, Digest, Kind, Manifest, Reading, Reference, StandardId, Status, Text};
use guiju_validator::CompileError;
use semver::Version;
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest witness in a message, in bytes; the details hold more.
const WITNESS_BYTES_MAX: usize = 300;
/// Profiles looked at when their base is published.
const PROFILES_MAX: usize = 100;

/// What was found out about a candidate.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Against the highest published version below it; none for a first version and for contracts of neither
    /// protobuf nor OpenAPI.
    pub judged: Option<Judged>,
    /// Profiles of it that accept what it refuses, or of which that cannot be said.
    pub affected: Vec<Narrowing>,
}

impl Findings {
    /// What its author should know though it may be published.
    pub fn warnings(&self) -> impl Iterator<Item = Text> {
        self.judged.iter().filter_map(Judged::warning).chain(self.affected.iter().map(Narrowing::warning))
    }

    /// The same, without the profiles that a caller may not see.
    fn told_to(mut self, caller: &Caller) -> Self {
        self.affected.retain(|narrowing| caller.may_see(narrowing.standard.namespace()));
        self
    }
}

/// A profile beside the record that it must narrow.
#[derive(Clone, Debug)]
pub struct Narrowing {
    /// That of the profile.
    pub standard: StandardId,
    /// Its name and version.
    pub profile: String,
    pub base: String,
    /// Whether every record of the profile is one of the base.
    pub inclusion: Inclusion,
}

impl Narrowing {
    /// Why it may not be published, and what to do.
    pub(super) fn refusal(&self) -> String {
        let base = &self.base;
        match &self.inclusion {
            Inclusion::NotIncluded(witness) => format!(
                "is a profile of {base} and accepts what that refuses, as {} shows; a profile may only narrow: refuse that, too",
                cut(&witness.record.to_string())
            ),
            Inclusion::Undecided(why) => format!(
                "is a profile of {base}, and whether it only narrows that could not be decided because of {why}; refer to the \
                 base with `$ref` and add to it"
            ),
            Inclusion::Included(_) => format!("narrows {base}"),
        }
    }

    fn warning(&self) -> Text {
        let Self { profile, base, inclusion, .. } = self;
        match inclusion {
            Inclusion::NotIncluded(witness) => {
                let record = cut(&witness.record.to_string());
                Text {
                    en: format!("{base} refuses what the profile {profile} accepts: {record}; tell its steward"),
                    zh: format!("{base} 拒绝专规 {profile} 所接受的记录：{record}；请告知其管理单位"),
                }
            }
            _ => Text {
                en: format!("whether {base} still accepts what the profile {profile} accepts could not be decided"),
                zh: format!("未能判定 {base} 是否仍接受专规 {profile} 所接受的记录"),
            },
        }
    }
}

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
            if verdict.kind == Kind::Contract {
                return format!(", as {record} shows");
            }
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
    /// A candidate against its baseline. Of contracts, those of protobuf and OpenAPI are compared.
    fn judged(
        &self,
        candidate: &Bundle,
        reading: &Reading,
        baseline: Option<&(Version, Digest)>,
    ) -> Result<Option<Judged>, PublishError> {
        let Manifest { version, kind, .. } = &candidate.root().manifest;
        // A contract that cannot be read is refused, though there is nothing to compare it with.
        let new = match *kind == Kind::Contract || baseline.is_some() {
            true => self.side(candidate, reading)?,
            false => return Ok(None),
        };
        let Some((baseline, digest)) = baseline else { return Ok(None) };
        let old = Bundle::gather(self.load(digest, true)?, self)?;
        if old.root().manifest.kind == Kind::Contract && *kind != Kind::Contract {
            return Ok(None);
        }
        let old = self.side(&old, reading)?;
        if !old.is_comparable() || !new.is_comparable() {
            return Ok(None);
        }
        let verdict = compare(&old, &new, &Budget::default());
        let (declared, required) = (Bump::declared(baseline, version), verdict.bump.map(|bump| bump.after(baseline)));
        Ok(Some(Judged { baseline: baseline.clone(), declared, required, verdict }))
    }

    fn narrows(&self, profile: &Bundle, base: &Bundle) -> Result<Narrowing, PublishError> {
        let strict = Reading::default();
        let (inner, outer) = (self.side(profile, &strict)?, self.side(base, &strict)?);
        let inclusion = lies_in(&inner, &outer, &Budget::default());
        let standard = profile.root().manifest.standard.clone();
        Ok(Narrowing { standard, profile: inner.name, base: outer.name, inclusion })
    }

    pub(super) fn side(&self, bundle: &Bundle, reading: &Reading) -> Result<Side, CompileError> {
        match bundle.root().manifest.kind {
            Kind::Contract => Side::read(bundle, reading),
            _ => Side::read_by(bundle, reading, &self.compared.of(bundle)?),
        }
    }

    /// The version that a new one must be compatible with.
    pub(super) fn baseline(
        &self,
        standard: &StandardId,
        version: &Version,
    ) -> Result<Option<(Version, Digest)>, PublishError> {
        let counts =
            |known: &Version, status: Status| known < version && known.pre.is_empty() && status != Status::Withdrawn;
        let versions = self.view().versions(standard)?.into_iter();
        let below =
            versions.filter(|(known, _, status)| counts(known, *status)).map(|(known, digest, _)| (known, digest));
        Ok(below.max_by(|one, other| one.0.cmp(&other.0)))
    }

    /// Everything about a candidate but what stands in its files; what stands against publishing it, where something does.
    pub(super) fn found_out(
        &self,
        caller: &Caller,
        candidate: &Bundle,
        reading: &Reading,
        baseline: Option<&(Version, Digest)>,
    ) -> Result<Findings, PublishError> {
        if let Some(narrowing) = self.narrowing(candidate)?
            && !narrowing.inclusion.is_included()
        {
            let Manifest { standard, version, .. } = candidate.root().manifest.clone();
            return Err(PublishError::ProfileWidens { standard, version, narrowing: Box::new(narrowing) });
        }
        let (judged, affected) = (self.judged(candidate, reading, baseline)?, self.affected(candidate)?);
        Ok(Findings { judged, affected }.told_to(caller))
    }

    /// A profile against the version of its base that it was bound to.
    fn narrowing(&self, candidate: &Bundle) -> Result<Option<Narrowing>, PublishError> {
        let Some(written) = profile_of(candidate.root()) else { return Ok(None) };
        let Manifest { dependencies, .. } = &candidate.root().manifest;
        let Some(base) = dependencies.iter().find(|dependency| dependency.reference == written) else {
            return Ok(None);
        };
        let base = Bundle::gather(self.load(&base.digest, true)?, self)?;
        Ok(Some(self.narrows(candidate, &base)?))
    }

    /// The highest version of each profile of the candidate that is not narrower than it.
    fn affected(&self, candidate: &Bundle) -> Result<Vec<Narrowing>, PublishError> {
        let Manifest { standard, kind, .. } = &candidate.root().manifest;
        let mut profiles: BTreeMap<StandardId, Content> = BTreeMap::new();
        for (dependent, version) in self.view().dependents(standard)?.into_iter().filter(|_| *kind == Kind::Record) {
            let Some(info) = self.view().version(&dependent, &version)?.filter(|info| info.status != Status::Withdrawn)
            else {
                continue;
            };
            let is_higher = profiles.get(&dependent).is_none_or(|known| known.manifest.version < version);
            let content = self.load(&info.digest, true)?;
            let base = profile_of(&content).and_then(|written| written.parse::<Reference>().ok());
            if is_higher && base.is_some_and(|base| base.standard() == standard) {
                profiles.insert(dependent, content);
            }
        }
        let mut affected = Vec::new();
        for content in profiles.into_values().take(PROFILES_MAX) {
            let found = self.narrows(&Bundle::gather(content, self)?, candidate)?;
            if !found.inclusion.is_included() {
                affected.push(found);
            }
        }
        Ok(affected)
    }
}

/// The reference of a profile to the record that it narrows.
fn profile_of(content: &Content) -> Option<String> {
    if content.manifest.kind != Kind::Profile {
        return None;
    }
    let schema: Value = serde_json::from_slice(content.document()?).ok()?;
    Some(schema.get("x-guiju")?.get("profileOf")?.as_str()?.to_owned())
}
