use crate::{
    context::Context,
    failure::{Answer, Verdict},
    shelf::Shelf,
    terminal::plain,
};
use guiju_model::Step;
use std::io::Write;

/// List who holds which role: your own, and those where you are manager or auditor
#[derive(Debug, clap::Args)]
pub struct GrantsArgs {
    /// Those that were taken back, too
    #[arg(long)]
    all: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(args: GrantsArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let grants = shelf.ask(|registry| async move { registry.grants(args.all).await })?;
    let mut out = context.out();
    for info in grants {
        let (principal, grant) = (info.principal.as_str(), info.grant.to_string());
        if args.json {
            let revoked = info.revoked.as_ref().map(step_json);
            let line = serde_json::json!({
                "principal": principal, "grant": grant, "granted": step_json(&info.granted), "revoked": revoked,
            });
            writeln!(out, "{line}")?;
            continue;
        }
        writeln!(out, "{principal}  {grant}  by {}: {}", plain(&info.granted.by), plain(&info.granted.reason))?;
        if let Some(revoked) = &info.revoked {
            writeln!(out, "        revoked by {}: {}", plain(&revoked.by), plain(&revoked.reason))?;
        }
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}

pub fn step_json(step: &Step) -> serde_json::Value {
    let Step { by, time_ms, log_index, reason } = step;
    serde_json::json!({ "by": by, "time_ms": time_ms, "log_index": log_index, "reason": reason })
}
