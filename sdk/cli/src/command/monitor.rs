use crate::{
    context::Context,
    failure::{Answer, Failure, Verdict},
    log::{LogArgs, believed, distrust},
    shelf::Shelf,
};
use guiju::{LogDemands, LogEntry, replay};
use guiju_model::Namespace;
use serde_json::json;
use std::io::Write;

/// Read the registry's whole log, prove that it is what was signed, and report every entry under a namespace
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The entries are hashed again and held against the signed checkpoint, and against the one in guiju.lock if it has one. Nothing
is reported of a log that does not hold: exit code 1 says what is wrong with it.")]
pub struct MonitorArgs {
    /// Only this namespace and all under it
    namespace: Option<Namespace>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    log: LogArgs,
}

pub fn run(args: MonitorArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let demands = args.log.demands()?;
    let entries = match replayed(&shelf, &demands)? {
        Ok(entries) => entries,
        Err(failure) => {
            failure.print(context.paint_error);
            return Ok(Verdict::DoesNot);
        }
    };
    let mut out = context.out();
    for entry in entries.iter().filter(|entry| is_under(args.namespace.as_ref(), entry)) {
        let LogEntry { index, time_ms, principal, event, standard, version } = entry;
        match args.json {
            true => {
                let value = json!({
                    "index": index, "time_ms": time_ms, "principal": principal, "event": event, "standard": standard,
                    "version": version,
                });
                writeln!(out, "{value}")?;
            }
            false => writeln!(out, "{index:>6}  {event:10}  {standard} {version}  by {principal}")?,
        }
    }
    out.flush()?;
    context.say(&format!("{} entries are what the log signed", entries.len()));
    Ok(Verdict::Conforms)
}

/// Every entry, or why the log is not believed.
fn replayed(shelf: &Shelf<'_>, demands: &LogDemands) -> Result<Result<Vec<LogEntry>, Failure>, Failure> {
    let head = match believed(shelf, demands)? {
        Ok(log) => log.checkpoint,
        Err(failure) => return Ok(Err(failure)),
    };
    let held = shelf.lock.log().map(|log| &log.checkpoint);
    let mut entries = Vec::new();
    let told = |entry| entries.push(entry);
    match shelf.ask(|registry| async move { Ok(replay(&registry, held, &head, told).await) })? {
        Ok(()) => Ok(Ok(entries)),
        Err(error) => distrust(error).map(Err),
    }
}

/// An entry that cannot be read concerns everyone.
fn is_under(prefix: Option<&Namespace>, entry: &LogEntry) -> bool {
    let (namespace, _) = entry.standard.split_once('/').unwrap_or_default();
    prefix.is_none_or(|prefix| namespace.parse().map_or(true, |namespace: Namespace| namespace.is_under(prefix)))
}
