use crate::{
    context::Context,
    desk::{ToldArgs, as_json, head, impact_as_json, whole},
    failure::{Answer, Verdict},
    shelf::Shelf,
};
use guiju_model::Namespace;
use serde_json::Value;
use std::io::Write;

/// Read a proposal before the vote: what was said of it, what it breaks, whom it touches
#[derive(Debug, clap::Args)]
#[command(after_help = "Without a number, the proposals that may be seen are listed, newest first.")]
pub struct ReviewArgs {
    /// The proposal's number
    proposal: Option<u64>,
    /// List only those of this namespace and all under it
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<Namespace>,
    /// List those that have ended, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    told: ToldArgs,
}

pub fn run(args: ReviewArgs, context: &Context) -> Answer {
    let (shelf, mut out) = (Shelf::open(context)?, context.out());
    match args.proposal {
        Some(id) => {
            let (proposal, impact) = shelf.ask(|registry| async move { registry.proposal(id).await })?;
            match args.told.in_json() {
                true => {
                    let mut value = as_json(&proposal);
                    value["impact"] = impact_as_json(&impact);
                    writeln!(out, "{value}")?;
                }
                false => whole(&mut out, &proposal, &impact)?,
            }
        }
        None => {
            let namespace = args.namespace.as_ref().map_or("", Namespace::as_str).to_owned();
            let all = shelf.ask(|registry| async move { registry.proposals(&namespace, args.all).await })?;
            match args.told.in_json() {
                true => writeln!(out, "{}", Value::Array(all.iter().map(as_json).collect()))?,
                false => all.iter().try_for_each(|proposal| head(&mut out, proposal))?,
            }
        }
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}
