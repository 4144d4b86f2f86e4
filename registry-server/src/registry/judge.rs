//! What the number of a new version must raise, and what stands against it.
//!
//! # Invariants
//! - The bump is computed, not asserted: a number that raises too little is refused, one that raises too much is told.
//! - The baseline is the highest published version below the candidate that is neither withdrawn nor a pre-release, which
//!   promises nothing. Where another came in between, the question is asked again.
//! - A code means what it last meant in any version below, also where the version just below leaves it out.
//! - A profile that accepts a record that its base refuses is not published. A base is, and those are told whose profiles
//!   accept what it refuses now: they are bound to the version that they were published with.
//! - What could not be decided breaks nobody only on somebody's word, which is in the log; a record that shows a break stands
//!   against any word.

use super::{Caller, PublishError, Registry, StoreError};
use guiju_compat::{Budget, Bump, Cause, Change, Fit, Inclusion, Side, Verdict, Witness, compare, lies_in};
use guiju_model::{
    Bundle, CodeList, Content, Digest, Kind, Manifest, Reading, Reference, StandardId, Status, Text, Waiver,
};
use guiju_validator::CompileError;
use semver::Version;
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest witness in a message, in bytes; the details hold more.
const WITNESS_BYTES_MAX: usize = 300;
/// Profiles looked at when their base is published.
const PROFILES_MAX: usize = 100;
/// Of what is said for a waiver.
pub(super) const REASON_BYTES_MAX: usize = 4096;
/// Questions that one waiver names, and how long each may be.
const QUESTIONS_MAX: usize = 60;
const QUESTION_BYTES_MAX: usize = 400;

/// What is asked for what cannot be decided: that it be taken to break nobody.
#[derive(Clone, Debug)]
pub(super) struct Plea {
    pub by: String,
    pub reason: String,
    /// The questions that were approved with it; of what is published directly, any.
    pub questions: Option<Vec<String>>,
}

impl Plea {
    /// None where nothing is asked.
    pub fn of(by: &str, reason: String) -> Result<Option<Self>, PublishError> {
        match reason.len() {
            0 => Ok(None),
            bytes if bytes > REASON_BYTES_MAX || reason.trim().is_empty() => Err(PublishError::WaiverReason),
            _ => Ok(Some(Self { by: by.to_owned(), reason, questions: None })),
        }
    }
}

/// What was found out about a candidate.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Against the highest published version below it; none for a first version and for contracts of neither
    /// protobuf nor OpenAPI.
    pub judged: Option<Judged>,
    /// Profiles of it that accept what it refuses, or of which that cannot be said.
    pub affected: Vec<Narrowing>,
    /// What was taken to break nobody, where something had to be.
    pub waiver: Option<Waiver>,
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

    /// What stands against publishing it.
    pub(super) fn refusal(self, standard: &StandardId, version: &Version) -> Result<Self, PublishError> {
        let judged = self.judged.map(|judged| judged.refusal(standard, version)).transpose()?;
        Ok(Self { judged, ..self })
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
    /// Of one beyond those that are looked at.
    fn not_judged(profile: &Bundle, base: &Bundle) -> Self {
        let name = |bundle: &Bundle| {
            let Manifest { standard, version, .. } = &bundle.root().manifest;
            format!("{standard}@{version}")
        };
        let inclusion = Inclusion::Undecided(Cause::BudgetUsedUp.into());
        let standard = profile.root().manifest.standard.clone();
        Self { standard, profile: name(profile), base: name(base), inclusion }
    }

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
                 base with `$ref` and add to it, or publish it with a waiver that says why it only narrows"
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
    /// What it must raise, now that what is undecided was waived.
    pub waived: Option<Bump>,
}

impl Judged {
    pub fn fit(&self) -> Fit {
        match self.waived {
            Some(bump) if bump > self.declared => Fit::TooSmall,
            Some(bump) if bump < self.declared => Fit::Ample,
            Some(_) => Fit::Enough,
            None => self.verdict.fit(self.declared),
        }
    }

    /// The same, with what is undecided taken to break nobody; the questions that this was needed for.
    fn waive(&mut self) -> Vec<String> {
        if self.fit() != Fit::Unknown {
            return Vec::new();
        }
        self.waived = self.verdict.bump_if_waived();
        self.required = self.waived.map(|bump| bump.after(&self.baseline));
        self.verdict.questions()
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
        let Self { baseline, declared, verdict, waived, .. } = self;
        let bump = waived.or(verdict.bump).unwrap_or(*declared);
        Some(Text {
            en: format!(
                "the number raises more than is needed: against {baseline} this is a {bump} change, {required} would do"
            ),
            zh: format!("版本号升幅大于所需：相对 {baseline} 只需升{}，{required} 即可", bump.zh()),
        })
    }

    /// What is wrong with the number, with the first break and its witness, and what to do.
    pub(super) fn too_small(&self) -> String {
        let Self { baseline, required, verdict, waived, .. } = self;
        let required = required.as_ref().map(ToString::to_string).unwrap_or_default();
        let first = self.first();
        match waived.or(verdict.bump) {
            Some(Bump::Major) => format!("breaks {baseline}, so it must be {required} or higher{first}"),
            Some(_) if !verdict.is_shown_wider() && !verdict.new_in_old.is_included() => {
                format!("may accept more than {baseline}, so it must be {required} or higher{first}")
            }
            Some(_) => format!("accepts more than {baseline}, so it must be {required} or higher{first}"),
            None => {
                let next = Bump::Major.after(baseline);
                let why = verdict.undecided().map_or(String::new(), |why| format!(" because of {why}"));
                format!(
                    "may break {baseline}, which could not be decided{why}; publish it as {next} or higher, or with a waiver \
                     that says why it breaks nobody"
                )
            }
        }
    }

    /// What no number allows.
    pub(super) fn forbidden(&self) -> String {
        let change = self.verdict.changes.iter().find(|change| change.is_forbidden());
        let why = change.map_or(String::new(), |change| format!(", {}", change.message.en));
        format!("changes what no version number allows against {}{}{why}", self.baseline, self.first())
    }

    /// The first change that asks for the number, and the record that shows it.
    fn first(&self) -> String {
        let (verdict, bump) = (&self.verdict, self.waived.or(self.verdict.bump));
        let asks = |change: &&Change| if verdict.forbidden { change.is_forbidden() } else { change.bump == bump };
        let shown = |witness: &Witness| {
            let record = cut(&witness.record.to_string());
            if verdict.kind == Kind::Contract {
                return format!(", as {record} shows");
            }
            let day = witness.day.map_or(String::new(), |day| format!(" on {day}"));
            let (accepts, refuses) = match bump {
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
    cut_to(text, WITNESS_BYTES_MAX)
}

fn cut_to(text: &str, bytes_max: usize) -> String {
    match text.len() > bytes_max {
        true => {
            let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
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
        let Manifest { standard, version, kind, .. } = &candidate.root().manifest;
        // A contract that cannot be read is refused, though there is nothing to compare it with.
        let Some((baseline, digest)) = baseline else {
            if *kind == Kind::Contract {
                self.side(candidate, reading)?;
            }
            return Ok(None);
        };
        let old = Bundle::gather(self.load(digest, true)?, self)?;
        if old.root().manifest.kind == Kind::Contract && *kind != Kind::Contract {
            return Ok(None);
        }
        // Another reading holds from the next version on: this one may break nobody under the one that they know, either.
        let known = self.view().metadata(standard)?.map(|metadata| metadata.reading).filter(|known| known != reading);
        let mut gravest: Option<Verdict> = None;
        for reading in [reading].into_iter().chain(&known) {
            let (old, new) = (self.side(&old, reading)?, self.side(candidate, reading)?);
            if !old.is_comparable() || !new.is_comparable() {
                return Ok(None);
            }
            let mut verdict = compare(&old, &new, &Budget::default());
            if *kind == Kind::CodeList {
                verdict.hold_against_earlier(&old, &new, self.lists_below(standard, baseline)?)?;
            }
            let gravity = |verdict: &Verdict| match (verdict.forbidden, verdict.bump) {
                (true, _) => 4,
                (_, Some(Bump::Major)) => 3,
                (_, None) => 2,
                (_, Some(Bump::Minor)) => 1,
                (_, Some(Bump::Patch)) => 0,
            };
            if gravest.as_ref().is_none_or(|known| gravity(known) < gravity(&verdict)) {
                gravest = Some(verdict);
            }
        }
        let Some(verdict) = gravest else { return Ok(None) };
        let (declared, required) = (Bump::declared(baseline, version), verdict.bump.map(|bump| bump.after(baseline)));
        Ok(Some(Judged { baseline: baseline.clone(), declared, required, verdict, waived: None }))
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

    /// Code lists of the versions below one, from the highest down. Withdrawn ones count: records may hold their codes.
    fn lists_below(
        &self,
        standard: &StandardId,
        version: &Version,
    ) -> Result<impl Iterator<Item = Result<(Version, CodeList), StoreError>>, PublishError> {
        let mut below: Vec<(Version, Digest)> = self
            .view()
            .versions(standard)?
            .into_iter()
            .filter(|(known, ..)| known < version && known.pre.is_empty())
            .map(|(known, digest, _)| (known, digest))
            .collect();
        below.sort_by(|one, other| other.0.cmp(&one.0));
        Ok(below.into_iter().filter_map(|(version, digest)| {
            let read = |content: Content| {
                let is_list = content.manifest.kind == Kind::CodeList;
                let list = is_list.then(|| CodeList::parse(content.document().unwrap_or_default()))?;
                Some(match list {
                    Ok(list) => Ok((version.clone(), list)),
                    Err(error) => {
                        Err(StoreError::Broken(format!("the code list of {version} cannot be read: {error}")))
                    }
                })
            };
            self.load(&digest, false).map_or_else(|error| Some(Err(error)), read)
        }))
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
        plea: Option<&Plea>,
    ) -> Result<Findings, PublishError> {
        let Manifest { standard, version, .. } = &candidate.root().manifest;
        let mut questions = Vec::new();
        match self.narrowing(candidate)? {
            Some(Narrowing { base, inclusion: Inclusion::Undecided(why), .. }) if plea.is_some() => {
                questions.push(format!("profile of {base}: {why}"));
            }
            Some(narrowing) if !narrowing.inclusion.is_included() => {
                let (standard, version, narrowing) = (standard.clone(), version.clone(), Box::new(narrowing));
                return Err(PublishError::ProfileWidens { standard, version, narrowing });
            }
            _ => {}
        }
        let mut judged = self.judged(candidate, reading, baseline)?;
        if plea.is_some() {
            questions.extend(judged.iter_mut().flat_map(Judged::waive));
        }
        // What is shown to stand against it is told first.
        let is_shown = judged.as_ref().is_some_and(|judged| matches!(judged.fit(), Fit::TooSmall | Fit::Forbidden));
        let plea = plea.filter(|_| !(is_shown && questions.is_empty()));
        let waiver = plea.map(|plea| waived(plea, questions, standard, version)).transpose()?.flatten();
        Ok(Findings { judged, affected: self.affected(candidate)?, waiver }.told_to(caller))
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

    /// The highest version of each profile of the candidate, and of profiles of these, that is not narrower than it.
    fn affected(&self, candidate: &Bundle) -> Result<Vec<Narrowing>, PublishError> {
        let Manifest { standard, kind, .. } = &candidate.root().manifest;
        let mut profiles: BTreeMap<StandardId, Content> = BTreeMap::new();
        let mut bases = match kind {
            Kind::Record | Kind::Profile => vec![standard.clone()],
            _ => Vec::new(),
        };
        while let Some(base) = bases.pop() {
            for (dependent, content) in self.profiles_of(&base)? {
                if dependent != *standard && !profiles.contains_key(&dependent) {
                    bases.push(dependent.clone());
                    profiles.insert(dependent, content);
                }
            }
        }
        let mut affected = Vec::new();
        for (at, content) in profiles.into_values().enumerate() {
            let profile = Bundle::gather(content, self)?;
            let found = match at < PROFILES_MAX {
                true => self.narrows(&profile, candidate)?,
                false => Narrowing::not_judged(&profile, candidate),
            };
            if !found.inclusion.is_included() {
                affected.push(found);
            }
        }
        Ok(affected)
    }

    /// The highest version that is not withdrawn of each profile whose base this is.
    fn profiles_of(&self, standard: &StandardId) -> Result<BTreeMap<StandardId, Content>, PublishError> {
        let mut profiles: BTreeMap<StandardId, Content> = BTreeMap::new();
        for (dependent, version) in self.view().dependents(standard)? {
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
        Ok(profiles)
    }
}

/// What stands in the log of a waiver. One for which there is no need now is refused, or was approved when there was.
fn waived(
    plea: &Plea,
    questions: Vec<String>,
    standard: &StandardId,
    version: &Version,
) -> Result<Option<Waiver>, PublishError> {
    let mut questions: Vec<String> = questions.iter().map(|question| cut_to(question, QUESTION_BYTES_MAX)).collect();
    questions.dedup();
    if questions.len() > QUESTIONS_MAX {
        let more = questions.len() - QUESTIONS_MAX;
        questions.truncate(QUESTIONS_MAX);
        questions.push(format!("and {more} more"));
    }
    let (standard, version) = (standard.clone(), version.clone());
    match &plea.questions {
        None if questions.is_empty() => return Err(PublishError::NothingWaived { standard, version }),
        Some(known) if !questions.iter().all(|question| known.contains(question)) => {
            questions.retain(|question| !known.contains(question));
            return Err(PublishError::MoreUndecided { standard, version, questions });
        }
        _ => {}
    }
    let Plea { by, reason, .. } = plea.clone();
    Ok((!questions.is_empty()).then_some(Waiver { by, reason, questions }))
}

/// The reference of a profile to the record that it narrows.
fn profile_of(content: &Content) -> Option<String> {
    if content.manifest.kind != Kind::Profile {
        return None;
    }
    let schema: Value = serde_json::from_slice(content.document()?).ok()?;
    Some(schema.get("x-guiju")?.get("profileOf")?.as_str()?.to_owned())
}
