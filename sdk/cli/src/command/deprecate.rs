use crate::{
    context::Context,
    desk::{ToldArgs, version_as_json},
    failure::{Answer, Failure, Verdict},
    shelf::Shelf,
};
use guiju_model::{Date, Reference, StandardId, Status, Term, VersionInfo};
use semver::Version;
use std::io::Write;

/// Deprecate a published version: it stays in use, and its users are told to move on
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The step and its reason stand in the registry's log for ever. Safe to repeat: the same command again changes nothing.
With --effective-to, where a quorum holds, as many approvers agree first as it asks for: guiju agree end STANDARD@=VERSION DAY.
Example: guiju deprecate bj.example/lamp-post@=0.1.0 --why 'heights were in feet' --successor bj.example/lamp-post@^0.2")]
pub struct DeprecateArgs {
    #[command(flatten)]
    step: StepArgs,
    /// The first day on which it governs no more, YYYY-MM-DD: today or later
    #[arg(long, value_name = "DATE")]
    effective_to: Option<Date>,
}

/// What every step of a published version needs.
#[derive(Debug, clap::Args)]
pub struct StepArgs {
    /// One version in full: bj.population/person@=1.0.0
    version: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// What to use instead: a standard, or a reference to its versions
    #[arg(long, value_name = "REFERENCE")]
    successor: Option<String>,
    #[command(flatten)]
    told: ToldArgs,
}

pub fn run(args: DeprecateArgs, context: &Context) -> Answer {
    step(&args.step, Status::Deprecated, args.effective_to, context)
}

/// Takes a version to a status, and says so.
pub fn step(args: &StepArgs, status: Status, effective_to: Option<Date>, context: &Context) -> Answer {
    let (standard, version) = exactly(&args.version)?;
    let successor = args.successor.as_deref().unwrap_or_default();
    let mut operation = format!("{standard} {version}\n{}\n{successor}\n{}", status.as_str(), args.why);
    operation += &effective_to.map_or(String::new(), |day| format!("\n{day}"));
    let shelf = Shelf::open(context)?;
    // The same step by the same hand with the same credentials for the same reason is the same operation.
    operation += &format!("\n{}", shelf.who()?);
    let operation = shelf.operation("status", &operation)?;
    let answer =
        shelf.ask(|registry| {
            let (standard, version) = (&standard, &version);
            async move {
                registry.set_status(&operation, (standard, version), status, &args.why, successor, effective_to).await
            }
        });
    let info = answer?;
    let VersionInfo { standard, version, status, digest, .. } = &info;
    let mut out = context.out();
    match args.told.in_json() {
        true => writeln!(out, "{}", version_as_json(&info))?,
        false => {
            writeln!(out, "{} {standard} {version}  {digest}", status.as_str())?;
            if effective_to.is_some() {
                writeln!(out, "  {}", days(&info))?;
            }
        }
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}

/// A step is for ever, so a range that means another version tomorrow is not enough.
fn exactly(written: &str) -> Result<(StandardId, Version), Failure> {
    let reference: Reference = written.parse().map_err(|error| Failure::new(format!("{error}")))?;
    let version = reference.pinned().ok_or_else(|| {
        let failure = Failure::new(format!("`{written}` does not name one version"));
        failure.hint(format!("name it in full: {}@=1.2.3; `guiju show` lists them", reference.standard()))
    })?;
    Ok((reference.standard().clone(), version))
}

/// When a version governs, in words.
pub fn days(info: &VersionInfo) -> String {
    let Term { from, to, grace_until } = info.term;
    let mut text = match to {
        Some(to) if to <= from => format!("in effect on no day: it was to be from {from} on"),
        Some(to) => format!("in effect from {from} until the day before {to}"),
        None => format!("in effect from {from} on"),
    };
    if let Some(day) = grace_until {
        text += &format!("; what it supersedes may be used until the day before {day}");
    }
    text
}
