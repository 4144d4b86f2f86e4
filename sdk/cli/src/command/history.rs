use crate::{
    command::publish::waived,
    context::Context,
    desk::ToldArgs,
    failure::{Answer, Failure, Verdict},
    log::{LogArgs, WholeArgs, by, in_json, seen},
    shelf::Shelf,
    terminal::plain,
};
use guiju::{Identity, LogEntry};
use guiju_model::{Digest, Grant, Namespace, Principal, StandardId};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::{self, Write},
};

/// Tell what became of a standard, from the registry's log: who did what, when, and why
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The whole log is read and proved, as by `guiju monitor`: nothing is told of a log that does not hold (exit code 1). How many must approve
(`guiju quorum`, `guiju agree`) is told with it, of the standard's namespace and of those above. Who may not read everything is told
what it may see, in a log that is proved all the same: of other entries their hashes are read. What was said of drafts is told to those
who see drafts.")]
pub struct HistoryArgs {
    /// For example bj.population/person
    standard: StandardId,
    #[command(flatten)]
    told: ToldArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    whole: WholeArgs,
}

pub fn run(args: HistoryArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let standard = args.standard.to_string();
    let is_told = |entry: &LogEntry| entry.standard == standard || is_quorum_of(&args.standard, entry);
    let (head, mut entries, withheld) = match seen(&shelf, &args.log.demands()?, is_told)? {
        Ok(read) => read,
        Err(failure) => {
            failure.print(context.paint_error);
            return Ok(Verdict::DoesNot);
        }
    };
    if entries.iter().all(|entry| entry.standard != standard) {
        args.whole.tell(&withheld, head.checkpoint.size, context);
        let failure = Failure::new(format!("the log has no entry about `{standard}` that you may see"));
        return Err(failure.hint("`guiju list` shows the standards there are, `guiju search WORDS` finds one"));
    }
    recall(&shelf, args.standard.namespace(), &mut entries)?;
    let mut out = context.out();
    match args.told.in_json() {
        true => writeln!(out, "{}", Value::Array(entries.iter().map(in_json).collect()))?,
        false => entries.iter().try_for_each(|entry| tell(&mut out, entry))?,
    }
    out.flush()?;
    Ok(args.whole.tell(&withheld, head.checkpoint.size, context))
}

/// What was said with the steps of proposals, where it may be seen: entries hold the digest of it alone, and what does not have that is
/// not told.
fn recall(shelf: &Shelf<'_>, namespace: &Namespace, entries: &mut [LogEntry]) -> Result<(), Failure> {
    if entries.iter().all(|entry| entry.said.is_none()) {
        return Ok(());
    }
    // Whoever sees no drafts does not ask: it would stand among the denials.
    let Identity { principal, grants, .. } = shelf.ask(|registry| async move { registry.who_am_i().await })?;
    let sees = |grant: &Grant| grant.role.sees_drafts() && grant.scope.covers(namespace);
    if principal != Principal::open() && !grants.iter().any(sees) {
        return Ok(());
    }
    let ids: BTreeSet<u64> = entries.iter().filter_map(|entry| entry.said).map(|(id, _)| id).collect();
    for id in ids {
        let asked = shelf.ask(|registry| async move {
            match registry.proposal(id).await {
                Err(error) if error.status().is_some() => Ok(None),
                answer => answer.map(|(proposal, _)| Some(proposal)),
            }
        });
        let Some(proposal) = asked? else { continue };
        for step in proposal.steps {
            let said = (id, Digest::of(step.text.as_bytes()));
            let of_it = entries.iter_mut().find(|entry| entry.index == step.index && entry.said == Some(said));
            if let Some(entry) = of_it {
                entry.reason = step.text;
            }
        }
    }
    Ok(())
}

/// Whether an entry says how many must approve a version of the standard.
fn is_quorum_of(standard: &StandardId, entry: &LogEntry) -> bool {
    let is_above = |scope: &String| scope.parse().is_ok_and(|above| standard.namespace().is_under(&above));
    // What was agreed to of the end of a version concerns that standard alone.
    let is_of_all = matches!(entry.event.as_str(), "quorum-set" | "agreed") && entry.standard.is_empty();
    is_of_all && entry.scopes.iter().any(is_above)
}

/// Texts of others come one to a line, so that none passes for an entry.
fn tell(out: &mut impl Write, entry: &LogEntry) -> io::Result<()> {
    let LogEntry { index, event, version, reason, successor, .. } = entry;
    let by = by(entry);
    let [event, version] = [event, version].map(|text| plain(text));
    let about = if entry.about.is_empty() { String::new() } else { format!("  ({})", plain(&entry.about)) };
    // A quorum is of no version.
    let version = if version.is_empty() { version } else { version + "  " };
    writeln!(out, "{index:>6}  {}  {event:10}  {version}by {by}{about}", entry.time())?;
    for (words, day) in [
        ("in effect from", &entry.effective_from),
        ("in effect until the day before", &entry.effective_to),
        ("what it supersedes may be used until the day before", &entry.grace_until),
    ] {
        if !day.is_empty() {
            writeln!(out, "        {words} {}", plain(day))?;
        }
    }
    entry.waiver.iter().try_for_each(|waiver| waived(out, "        ", waiver))?;
    if !reason.is_empty() {
        writeln!(out, "        why: {}", plain(reason))?;
    }
    match successor.as_str() {
        "" => Ok(()),
        successor => writeln!(out, "        use instead: {}", plain(successor)),
    }
}
