use crate::{
    context::Context,
    failure::{Answer, Failure, Verdict},
    shelf::Shelf,
};
use guiju_model::{Digest, Reference, StandardId, Status, VersionInfo};
use semver::Version;
use std::io::Write;

/// Deprecate a published version: it stays in use, and its users are told to move on
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The step and its reason stand in the registry's log for ever. Safe to repeat: the same command again changes nothing.
Example: guiju deprecate bj.example/lamp-post@=0.1.0 --why 'heights were in feet' --successor bj.example/lamp-post@^0.2")]
pub struct DeprecateArgs {
    #[command(flatten)]
    pub step: StepArgs,
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
}

pub fn run(args: DeprecateArgs, context: &Context) -> Answer {
    step(&args.step, Status::Deprecated, context)
}

/// Takes a version to a status, and says so.
pub fn step(args: &StepArgs, status: Status, context: &Context) -> Answer {
    let (standard, version) = exactly(&args.version)?;
    let successor = args.successor.as_deref().unwrap_or_default();
    let operation = operation_id(&standard, &version, status, &args.why, successor);
    let shelf = Shelf::open(context)?;
    let answer = shelf.ask(|registry| {
        let (standard, version) = (&standard, &version);
        async move { registry.set_status(&operation, (standard, version), status, &args.why, successor).await }
    });
    let VersionInfo { standard, version, status, digest, .. } = answer?;
    let mut out = context.out();
    writeln!(out, "{} {standard} {version}  {digest}", status.as_str())?;
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

/// The same step for the same reason is the same operation, from wherever it is sent.
fn operation_id(standard: &StandardId, version: &Version, status: Status, why: &str, successor: &str) -> String {
    let text = format!("{standard} {version}\n{}\n{successor}\n{why}", status.as_str());
    format!("status-{}", &Digest::of(text.as_bytes()).hex()[..48])
}
