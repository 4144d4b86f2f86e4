//! What the commands of the committee's desk have in common: who acts, and how a proposal is told.

use crate::{command::publish::waived, context::Context, failure::Failure, shelf::Shelf, terminal::plain};
use guiju::{
    LogEntry,
    desk::{Hand, Impact, Proposal, ProposalStep},
};
use guiju_model::{Date, VersionInfo, Waiver};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Flags of every command that takes a step of a proposal.
#[derive(Clone, Debug, clap::Args)]
pub struct HandArgs {
    /// Who acts, in a registry in which nobody holds a role
    #[arg(long = "as", value_name = "NAME", env = "GUIJU_NAME", hide_env_values = true, default_value = "")]
    name: String,
    #[command(flatten)]
    pub told: ToldArgs,
}

/// The flag of every command about what the committee does.
#[derive(Clone, Debug, clap::Args)]
pub struct ToldArgs {
    /// How to tell it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    output: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

impl ToldArgs {
    pub fn in_json(&self) -> bool {
        self.output == Form::Json
    }

    /// Tells a proposal in one line, or as JSON.
    pub fn tell(&self, proposal: &Proposal, context: &Context) -> Result<(), Failure> {
        let mut out = context.out();
        match self.in_json() {
            true => writeln!(out, "{}", as_json(proposal))?,
            false => head(&mut out, proposal)?,
        }
        Ok(out.flush()?)
    }
}

impl HandArgs {
    /// The same step by the same hand with the same credentials is the same operation; by another it is another, though the words are
    /// the same.
    pub fn operation(&self, shelf: &Shelf<'_>, parts: &[&str]) -> Result<String, Failure> {
        let text = format!("{}\n{}\n{}", shelf.who()?, self.name, parts.join("\n"));
        shelf.operation("desk", &text)
    }

    /// By which name the log holds what this hand does.
    pub fn principal(&self, shelf: &Shelf<'_>) -> Result<String, Failure> {
        match self.name.as_str() {
            "" => Ok(shelf.who()?.to_string()),
            name => Ok(format!("open:{name}")),
        }
    }

    pub fn hand<'h>(&'h self, operation_id: &'h str) -> Hand<'h> {
        Hand { operation_id, name: &self.name }
    }
}

/// One line for each proposal.
pub fn head(out: &mut impl Write, proposal: &Proposal) -> io::Result<()> {
    let Proposal { id, standard, version, stage, digest, quorum, approved_by, .. } = proposal;
    let approvals = approved_by.len();
    writeln!(out, "{id:>6}  {stage:9}  {standard} {version}  {approvals} of {quorum} approvals  {digest}")
}

/// All of a proposal.
pub fn whole(out: &mut impl Write, proposal: &Proposal, impact: &Impact) -> io::Result<()> {
    head(out, proposal)?;
    for (words, day) in [
        ("in effect from", &proposal.effective_from),
        ("in effect until the day before", &proposal.effective_to),
        ("what it supersedes may be used until the day before", &proposal.grace_until),
    ] {
        if !day.is_empty() {
            writeln!(out, "  {words} {day}")?;
        }
    }
    if let Some(waiver) = &proposal.waiver {
        waived(out, "  ", &waiver.clone().into())?;
    }
    if !proposal.approved_by.is_empty() {
        writeln!(out, "  approved by {}", proposal.approved_by.join(", "))?;
    }
    writeln!(out, "\nwhat was done")?;
    proposal.steps.iter().try_for_each(|step| told(out, step))?;
    writeln!(out, "\nwhom it touches")?;
    touched(out, proposal, impact)
}

/// Texts of others come one to a line, so that none passes for a step.
fn told(out: &mut impl Write, step: &ProposalStep) -> io::Result<()> {
    let time = time_of(step);
    let place = match step.step.as_str() {
        "commented" | "objected" => format!("  at {}#{}", plain(&step.file), plain(&step.pointer)),
        "answered" => format!("  to {}", step.comment),
        _ => String::new(),
    };
    let waits = matches!(step.step.as_str(), "commented" | "objected") && !step.is_answered;
    let waits = if waits { "  (no answer yet)" } else { "" };
    writeln!(out, "{:>6}  {time}  {:9}  by {}{place}{waits}", step.index, step.step, plain(&step.by))?;
    match step.text.as_str() {
        "" => Ok(()),
        text => writeln!(out, "        why: {}", plain(text)),
    }
}

fn touched(out: &mut impl Write, proposal: &Proposal, impact: &Impact) -> io::Result<()> {
    if !impact.refused.is_empty() {
        writeln!(out, "  it cannot be published as it is: {}", plain(&impact.refused))?;
    }
    match &impact.verdict {
        None if matches!(proposal.stage.as_str(), "draft" | "review" | "approved") => {
            writeln!(out, "  there is no version to compare it with")?
        }
        None => writeln!(out, "  what it breaks is told while it is decided, and it is {}", proposal.stage)?,
        Some(verdict) => {
            let bump = match verdict.bump() {
                guiju::verdict::Bump::Major => "breaks what conforms now (major)",
                guiju::verdict::Bump::Minor => "accepts more (minor)",
                guiju::verdict::Bump::Patch => "accepts the same records (patch)",
                guiju::verdict::Bump::Unspecified => "could not be decided",
            };
            writeln!(out, "  against {}: {bump}", verdict.old)?;
            for change in &verdict.changes {
                let place = if change.new_place.is_empty() { &change.old_place } else { &change.new_place };
                writeln!(out, "    {} at {place}: {}", change.code, plain(&change.message_en))?;
                if let Some(witness) = &change.witness {
                    writeln!(out, "      witness: {}", plain(&witness.record))?;
                }
            }
        }
    }
    for profile in &impact.affected_profiles {
        writeln!(out, "  the profile {} accepts what it refuses", profile.profile)?;
    }
    for version in &impact.dependents {
        writeln!(out, "  {} {} refers to the standard", version.standard, version.version)?;
    }
    for user in &impact.users {
        writeln!(out, "  {} uses {}", plain(&user.principal), user.version)?;
    }
    Ok(())
}

fn time_of(step: &ProposalStep) -> String {
    let seconds = step.time.as_ref().map_or(0, |time| time.seconds.max(0) as u64);
    LogEntry { time_ms: seconds * 1000, ..Default::default() }.time()
}

/// A version that was published or stepped on, for programs.
pub fn version_as_json(info: &VersionInfo) -> Value {
    let day = |day: Option<Date>| day.map(|day| day.to_string());
    json!({
        "standard": info.standard.to_string(), "version": info.version.to_string(), "digest": info.digest.to_string(),
        "status": info.status.as_str(), "index": info.log_index, "successor": info.successor,
        "effective_from": info.term.from.to_string(), "effective_to": day(info.term.to),
        "grace_until": day(info.term.grace_until), "waiver": info.waiver,
    })
}

pub fn as_json(proposal: &Proposal) -> Value {
    let step = |step: &ProposalStep| {
        json!({
            "index": step.index, "time": time_of(step),
            "by": step.by, "step": step.step, "text": step.text, "file": step.file, "pointer": step.pointer,
            "comment": step.comment, "is_answered": step.is_answered, "digest": step.digest,
        })
    };
    json!({
        "proposal": proposal.id, "standard": proposal.standard, "version": proposal.version, "stage": proposal.stage,
        "authors": proposal.authors, "digest": proposal.digest, "effective_from": proposal.effective_from,
        "effective_to": proposal.effective_to, "grace_until": proposal.grace_until, "quorum": proposal.quorum,
        "approved_by": proposal.approved_by, "waiver": proposal.waiver.clone().map(Waiver::from), "steps": proposal.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

pub fn impact_as_json(impact: &Impact) -> Value {
    let change = |change: &guiju::verdict::Change| {
        json!({
            "code": change.code, "old_place": change.old_place, "new_place": change.new_place,
            "message": {"en": change.message_en, "zh": change.message_zh},
            "witness": change.witness.as_ref().map(|witness| witness.record.clone()),
        })
    };
    json!({
        "refused": impact.refused,
        "against": impact.verdict.as_ref().map(|verdict| verdict.old.clone()),
        "bump": impact.verdict.as_ref().map(|verdict| verdict.bump().as_str_name().trim_start_matches("BUMP_").to_lowercase()),
        "changes": impact.verdict.iter().flat_map(|verdict| &verdict.changes).map(change).collect::<Vec<_>>(),
        "affected_profiles": impact.affected_profiles.iter().map(|found| found.profile.clone()).collect::<Vec<_>>(),
        "dependents": impact.dependents.iter().map(|v| format!("{}@={}", v.standard, v.version)).collect::<Vec<_>>(),
        "users": impact.users.iter().map(|user| json!({"principal": user.principal, "version": user.version})).collect::<Vec<_>>(),
    })
}
