use crate::{command::comment::step, context::Context, desk::HandArgs, failure::Answer};
use guiju::desk::Move;

/// Reject a proposal, or take one's own back
#[derive(Debug, clap::Args)]
pub struct RejectArgs {
    /// The proposal's number
    proposal: u64,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// It is taken back, by an author
    #[arg(long)]
    retract: bool,
    #[command(flatten)]
    hand: HandArgs,
}

pub fn run(args: RejectArgs, context: &Context) -> Answer {
    let (word, what) = if args.retract { ("retract", Move::Retract) } else { ("reject", Move::Reject) };
    let words = [word, &args.proposal.to_string(), &args.why].map(str::to_owned);
    step(args.proposal, &words.each_ref().map(String::as_str), &what, &args.why, &args.hand, context)
}
