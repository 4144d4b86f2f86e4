use crate::{command::comment::step, context::Context, desk::HandArgs, failure::Answer};
use guiju::desk::Move;

/// Answer a comment on a proposal
#[derive(Debug, clap::Args)]
pub struct AnswerArgs {
    /// The proposal's number
    proposal: u64,
    /// The comment's number, as `guiju review` shows it
    comment: u64,
    /// What is to be said
    text: String,
    #[command(flatten)]
    hand: HandArgs,
}

pub fn run(args: AnswerArgs, context: &Context) -> Answer {
    let (proposal, comment) = (args.proposal.to_string(), args.comment.to_string());
    let words = ["answer", &proposal, &comment, &args.text];
    step(args.proposal, &words, &Move::Answer { comment: args.comment }, &args.text, &args.hand, context)
}
