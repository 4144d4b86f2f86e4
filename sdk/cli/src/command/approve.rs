use crate::{command::comment::step, context::Context, desk::HandArgs, failure::Answer, shelf::Shelf};
use guiju::desk::Move;
use guiju_model::Digest;

/// Approve the version of a proposal, by the digest that was read
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The digest is what `guiju review` shows: a proposal that has changed since is not approved. Nobody approves what they have drafted.")]
pub struct ApproveArgs {
    /// The proposal's number
    proposal: u64,
    /// What is approved: sha256:…
    digest: Digest,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
    #[command(flatten)]
    hand: HandArgs,
}

pub fn run(args: ApproveArgs, context: &Context) -> Answer {
    let (id, shelf) = (args.proposal, Shelf::open(context)?);
    let (known, _) = shelf.ask(|registry| async move { registry.proposal(id).await })?;
    // What is approved once more, after it was drafted anew, is another approval.
    let submitted = known.steps.iter().rfind(|step| step.step == "submitted").map_or(0, |step| step.index);
    let (proposal, digest, submitted) = (id.to_string(), args.digest.to_string(), submitted.to_string());
    let words = ["approve", &proposal, &digest, &submitted, &args.why];
    step(args.proposal, &words, &Move::Approve { digest: args.digest }, &args.why, &args.hand, context)
}
