use crate::{
    context::Context,
    failure::{Answer, Verdict},
    shelf::Shelf,
};
use guiju_model::Grant;
use std::io::Write;

/// Say who the registry takes you for, and what you may do
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Credentials: --token-file, or the variable GUIJU_TOKEN; or --client-certificate and --client-key. `open` is everybody, in a registry in which
nobody holds a role.")]
pub struct WhoamiArgs {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: WhoamiArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let identity = shelf.ask(|registry| async move { registry.who_am_i().await })?;
    let texts = |grants: &[Grant]| grants.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (grants, of_anyone) = (texts(&identity.grants), texts(&identity.grants_of_anyone));
    let mut out = context.out();
    if args.json {
        let line = serde_json::json!({
            "principal": identity.principal.as_str(), "grants": grants, "grants_of_anyone": of_anyone,
        });
        writeln!(out, "{line}")?;
    } else {
        writeln!(out, "{}", identity.principal)?;
        grants.iter().try_for_each(|grant| writeln!(out, "  {grant}"))?;
        of_anyone.iter().try_for_each(|grant| writeln!(out, "  {grant}, as anyone"))?;
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}
