use crate::{
    context::Context,
    failure::{Answer, Verdict},
    log::{LogArgs, WholeArgs, by, in_json, seen},
    shelf::{Shelf, locked},
    terminal::plain,
};
use guiju::{Lock, LogEntry};
use guiju_model::{Namespace, Scope};
use std::{io::Write, path::PathBuf};

/// Read the registry's whole log, prove that it is what was signed, and report every entry under a namespace
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The entries are hashed again and held against the signed checkpoint, and against the one of --state, else of guiju.lock, if there is one. Nothing
is reported of a log that does not hold: exit code 1 says what is wrong with it. Who may not read everything is told what it may see;
of the other entries the hashes are read, so that the whole log is proved.")]
pub struct MonitorArgs {
    /// Only this namespace and all under it
    namespace: Option<Namespace>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// File that remembers the log from one run to the next: it must go on from there, and only what came since is reported
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    whole: WholeArgs,
}

pub fn run(args: MonitorArgs, context: &Context) -> Answer {
    let mut shelf = Shelf::open(context)?;
    let mut state = args.state.as_deref().map(Lock::read).transpose().map_err(locked)?;
    let remembered = state.as_ref().and_then(Lock::log).cloned();
    let since = remembered.as_ref().map_or(0, |log| log.checkpoint.size);
    if let Some(log) = remembered {
        shelf.lock.hold_log(log);
    }
    let demands = args.log.demands()?;
    let is_told = |entry: &LogEntry| entry.index >= since && is_under(args.namespace.as_ref(), entry);
    let (head, entries, withheld) = match seen(&shelf, &demands, is_told)? {
        Ok(replayed) => replayed,
        Err(failure) => {
            failure.print(context.paint_error);
            return Ok(Verdict::DoesNot);
        }
    };
    let mut out = context.out();
    for entry in &entries {
        let LogEntry { index, event, standard, version, about, reason, .. } = entry;
        if args.json {
            writeln!(out, "{}", in_json(entry))?;
            continue;
        }
        // Texts of others come one to a line, so that none passes for an entry.
        let by = by(entry);
        let [event, standard, version, about] = [event, standard, version, about].map(|text| plain(text));
        match standard.is_empty() {
            true => writeln!(out, "{index:>6}  {event:10}  {about}  by {by}")?,
            false => writeln!(out, "{index:>6}  {event:10}  {standard} {version}  by {by}")?,
        }
        if !reason.is_empty() {
            writeln!(out, "        why: {}", plain(reason))?;
        }
    }
    out.flush()?;
    context.say(&format!("{} entries are what the log signed", head.checkpoint.size));
    let verdict = args.whole.tell(&withheld, head.checkpoint.size, context);
    // Only what was told, and was all that was asked for, is remembered.
    if let Some(state) = state.as_mut().filter(|_| verdict == Verdict::Conforms) {
        state.hold_log(head.clone());
        state.write().map_err(locked)?;
    }
    Ok(verdict)
}

/// An entry that cannot be read concerns everyone. A role concerns those under whom it is held, and those it is held over.
fn is_under(prefix: Option<&Namespace>, entry: &LogEntry) -> bool {
    let Some(prefix) = prefix else { return true };
    let (namespace, _) = entry.standard.split_once('/').unwrap_or_default();
    if !entry.scopes.is_empty() {
        let concerns = |scope: &Scope| scope.covers(prefix) || Scope::Under(prefix.clone()).contains(scope);
        return entry.scopes.iter().any(|scope| scope.parse().is_ok_and(|scope| concerns(&scope)));
    }
    namespace.parse().map_or(true, |namespace: Namespace| namespace.is_under(prefix))
}
