use crate::{
    context::Context,
    failure::{Answer, Verdict},
    shelf::{Shelf, refused},
};
use guiju::WatchEvent;
use guiju_model::{Namespace, VersionInfo};
use serde_json::json;
use std::io::{self, Write};

/// Follow what is published, deprecated and withdrawn, as it happens
#[derive(Debug, clap::Args)]
pub struct WatchArgs {
    /// Only this namespace and all under it
    namespace: Option<Namespace>,
    /// First log entry wanted, from 0
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    from: u64,
    /// End when everything there is has been shown
    #[arg(long)]
    once: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(args: WatchArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let namespace = args.namespace.as_ref().map_or("", Namespace::as_str).to_owned();
    let mut events = shelf.ask(|registry| async move { registry.watch_events(args.from, &namespace).await })?;
    let mut out = context.out();
    while let Some(event) = shelf.wait(events.next())?.map_err(refused)? {
        match event {
            WatchEvent::Published { index, version } => tell(&mut out, index, "published", &version, args.json)?,
            WatchEvent::StatusChanged { index, version } => {
                tell(&mut out, index, version.status.as_str(), &version, args.json)?;
            }
            WatchEvent::CaughtUp { size } => {
                if args.once {
                    break;
                }
                context.say(&format!("{size} entries so far; waiting for more"));
            }
        }
        // Whoever reads this waits for each line.
        out.flush()?;
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}

fn tell(out: &mut impl Write, index: u64, what: &str, version: &VersionInfo, in_json: bool) -> io::Result<()> {
    let VersionInfo { standard, version, digest, .. } = version;
    match in_json {
        true => {
            let value = json!({
                "index": index, "event": what, "standard": standard.to_string(), "version": version.to_string(),
                "digest": digest.to_string(),
            });
            writeln!(out, "{value}")
        }
        false => writeln!(out, "{index:>6}  {what:10}  {standard} {version}  {digest}"),
    }
}
