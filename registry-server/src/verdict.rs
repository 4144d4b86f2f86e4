//! A verdict on the wire: whole as an answer, cut to what fits beside a refusal.

use crate::{registry::Narrowing, status::Refusal};
use guiju_compat::{Bump, Change, Inclusion, Verdict, Witness};
use guiju_model::Kind;
use guiju_proto::registry as wire;
use prost::Message;
use prost_types::Any;

/// A verdict beside a refusal travels in a header.
const ATTACHED_BYTES_MAX: usize = 3 << 10;
const RECORD_BYTES_MAX: usize = 512;
/// Changes in an answer; a message holds twice as much.
const CHANGES_BYTES_MAX: usize = 2 << 20;

/// The verdict as an answer; of more changes than fit one it tells the first.
pub fn whole(verdict: &Verdict) -> wire::Verdict {
    let mut bytes = 0;
    let fits = |change: &wire::Change| {
        bytes += change.encoded_len() + 8;
        bytes <= CHANGES_BYTES_MAX
    };
    let changes: Vec<wire::Change> = verdict.changes.iter().map(change).take_while(fits).collect();
    wire::Verdict {
        is_cut: changes.len() < verdict.changes.len(),
        changes,
        old: verdict.old.clone(),
        new: verdict.new.clone(),
        reading: verdict.reading.clone(),
        bump: bump(verdict.bump).into(),
        old_in_new: Some(inclusion(&verdict.old_in_new)),
        new_in_old: Some(inclusion(&verdict.new_in_old)),
        forbidden: verdict.forbidden,
    }
}

/// Adds each break to a refusal, with its witness and what to do instead, and the verdict itself as far as it fits.
pub fn told(refusal: Refusal, verdict: &Verdict) -> Refusal {
    let refused = |change: &&Change| change.is_forbidden() || change.bump.is_none_or(|bump| Some(bump) >= verdict.bump);
    let mut refusal = refusal;
    for change in verdict.changes.iter().filter(refused) {
        let place = change.new_place.as_ref().or(change.old_place.as_ref()).cloned().unwrap_or_default();
        let witness = change.witness.as_ref().map_or(String::new(), |witness| {
            let (accepts, refuses) = match change.bump {
                Some(Bump::Minor) => (&verdict.new, &verdict.old),
                _ => (&verdict.old, &verdict.new),
            };
            let day = witness.day.map_or(String::new(), |day| format!(" on {day}"));
            if verdict.kind == Kind::Contract {
                return format!("; witness: {}", record(witness));
            }
            format!("; witness: {} conforms to {accepts} and not to {refuses}{day}", record(witness))
        });
        let why = format!("{}: {}{witness}; instead: {}", change.code, change.message.en, change.remedy.en);
        refusal = refusal.at(format!("#{place}"), why);
    }
    refusal.attach(attached(verdict))
}

pub fn narrowing(narrowing: &Narrowing) -> wire::Narrowing {
    let Narrowing { profile, base, inclusion: found, .. } = narrowing;
    wire::Narrowing { profile: profile.clone(), base: base.clone(), inclusion: Some(inclusion(found)) }
}

/// Adds a profile that does not narrow to the refusal of it.
pub fn told_of_profile(refusal: Refusal, found: &Narrowing) -> Refusal {
    let value = narrowing(found).encode_to_vec();
    refusal.attach(Any { type_url: "type.googleapis.com/guiju.registry.v1.Narrowing".into(), value })
}

fn attached(verdict: &Verdict) -> Any {
    let mut message = whole(verdict);
    while message.encoded_len() > ATTACHED_BYTES_MAX && message.changes.pop().is_some() {
        message.is_cut = true;
    }
    Any { type_url: "type.googleapis.com/guiju.registry.v1.Verdict".into(), value: message.encode_to_vec() }
}

fn bump(bump: Option<Bump>) -> wire::Bump {
    match bump {
        None => wire::Bump::Unspecified,
        Some(Bump::Patch) => wire::Bump::Patch,
        Some(Bump::Minor) => wire::Bump::Minor,
        Some(Bump::Major) => wire::Bump::Major,
    }
}

fn inclusion(inclusion: &Inclusion) -> wire::Inclusion {
    use wire::inclusion::Answer;
    let answer = match inclusion {
        Inclusion::Included(proof) => Answer::ProvedInSteps(proof.steps),
        Inclusion::NotIncluded(found) => Answer::Witness(witness(found)),
        Inclusion::Undecided(why) => Answer::UndecidedFor(why.to_string()),
    };
    wire::Inclusion { answer: Some(answer) }
}

fn witness(witness: &Witness) -> wire::Witness {
    let findings = witness.refused_for.iter().map(|finding| format!("{} {}", finding.code, finding.path));
    wire::Witness {
        record: record(witness),
        day: witness.day.map(|day| day.to_string()).unwrap_or_default(),
        refused_for: findings.take(5).collect(),
    }
}

fn record(witness: &Witness) -> String {
    let text = witness.record.to_string();
    match text.len() > RECORD_BYTES_MAX {
        true => {
            let end = (0..=RECORD_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            format!("{}…", &text[..end])
        }
        false => text,
    }
}

fn change(change: &Change) -> wire::Change {
    wire::Change {
        code: change.code.clone(),
        bump: bump(change.bump).into(),
        old_place: change.old_place.clone().unwrap_or_default(),
        new_place: change.new_place.clone().unwrap_or_default(),
        message_en: change.message.en.clone(),
        message_zh: change.message.zh.clone(),
        remedy_en: change.remedy.en.clone(),
        remedy_zh: change.remedy.zh.clone(),
        witness: change.witness.as_ref().map(witness),
    }
}
