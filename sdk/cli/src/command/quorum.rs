use crate::{
    context::Context,
    desk::HandArgs,
    failure::{Answer, Verdict},
    shelf::Shelf,
};
use guiju_model::Namespace;
use std::{io::Write, time::SystemTime};

/// Say how many must approve a version under a namespace
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With a quorum, versions under the namespace are published of proposals alone, and `guiju publish DIR` is refused there. 0 ends it.")]
pub struct QuorumArgs {
    /// A namespace, with all under it that has no quorum of its own
    namespace: Namespace,
    /// How many
    approvals: u32,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    hand: HandArgs,
}

pub fn run(args: QuorumArgs, context: &Context) -> Answer {
    let QuorumArgs { namespace, approvals, why, hand } = &args;
    let shelf = Shelf::open(context)?;
    // A quorum that is set again, after another, is another act.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let words = ["quorum", namespace.as_str(), &approvals.to_string(), why, &now.to_string()];
    let operation = hand.operation(&shelf, &words)?;
    let by = hand.hand(&operation);
    let index = shelf.ask(|registry| async move { registry.set_quorum(&by, namespace, *approvals, why).await })?;
    let mut out = context.out();
    match hand.told.in_json() {
        true => {
            let told = serde_json::json!({"namespace": namespace.as_str(), "quorum": approvals, "index": index});
            writeln!(out, "{told}")?;
        }
        false => writeln!(out, "{namespace} asks for {approvals} approvals  log index {index}")?,
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}
