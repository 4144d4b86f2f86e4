use crate::{
    context::Context,
    desk::HandArgs,
    failure::{Answer, Failure, Verdict},
    shelf::Shelf,
};
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
    /// The step that brought it into review, where the same files were in review before under other days, or with another standard.toml
    /// or waiver
    #[arg(long, value_name = "NUMBER")]
    submitted: Option<u64>,
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
    let last = known.steps.iter().rfind(|step| matches!(step.step.as_str(), "drafted" | "submitted"));
    let last = last.map_or(0, |step| step.index).to_string();
    let (proposal, digest) = (id.to_string(), args.digest.to_string());
    let operation = args.hand.operation(&shelf, &["approve", &proposal, &digest, &last, &args.why])?;
    let (hand, what) = (args.hand.hand(&operation), Move::Approve { digest: args.digest, submitted: args.submitted });
    let proposal = shelf.ask(|registry| async move { registry.take_move(&hand, id, &what, &args.why).await })?;
    let approver = args.hand.principal(&shelf)?;
    if !proposal.approved_by.contains(&approver) {
        let failure =
            Failure::new(format!("the approval by `{approver}` does not count: proposal {id} is {}", proposal.stage));
        return Err(failure.hint(format!("`guiju review {id}` shows what became of it, and the digest to approve")));
    }
    args.hand.told.tell(&proposal, context)?;
    Ok(Verdict::Conforms)
}
