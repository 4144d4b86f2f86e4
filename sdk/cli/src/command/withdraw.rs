use crate::{
    command::deprecate::{StepArgs, step},
    context::Context,
    failure::Answer,
};
use guiju_model::Status;

/// Withdraw a published version: no reference means it any more
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The step and its reason stand in the registry's log for ever, and there is no way back; the number is not used again.
Where a quorum holds, as many approvers agree first as it asks for: guiju agree withdraw STANDARD@=VERSION.
Safe to repeat: the same command again changes nothing.")]
pub struct WithdrawArgs {
    #[command(flatten)]
    step: StepArgs,
}

pub fn run(args: WithdrawArgs, context: &Context) -> Answer {
    step(&args.step, Status::Withdrawn, None, context)
}
