use crate::{
    context::Context,
    desk::HandArgs,
    failure::{Answer, Failure, Verdict},
    log::{LogArgs, head_of_pins, prove_pins},
    settings::FILE,
    shelf::{NOT_IN_REGISTRY, Pinned, Shelf, locked},
    terminal::counted,
};
use guiju::HeldLog;
use guiju_model::{Date, Reference, VersionInfo};
use std::{collections::BTreeSet, io::Write, time::SystemTime};

/// Pin the exact versions that a project uses, in guiju.lock
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A pin is a reference as guiju.toml writes it, the version and digest it means now, and its place in the registry's log.
A standard of which the registry has no version is pinned as the program carries it, and the line says so.
With --locked nothing is written: exit code 1 says that the lock would change.")]
pub struct LockArgs {
    /// References to pin beside those of guiju.toml
    #[arg(value_name = "STANDARD")]
    standards: Vec<String>,
    /// Pin the versions that govern records of this day, YYYY-MM-DD, rather than the highest
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// Tell the registry what the lock pins, in place of what was told before: who changes a standard sees whom it touches
    #[arg(long)]
    register: bool,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    log: LogArgs,
}

pub fn run(args: LockArgs, context: &Context) -> Answer {
    let mut shelf = Shelf::open(context)?;
    let wanted = wanted(&args.standards, context)?;
    let named = shelf.lock.pins().map(|(reference, _)| reference.to_owned()).collect::<Vec<_>>();
    let mut out = context.out();
    let (mut changed, mut unpublished, mut answers) = (0, Vec::new(), Vec::new());
    for reference in &wanted {
        // What is locked stays what it is for.
        let held = shelf.lock.get(reference).and_then(|pin| pin.as_of).filter(|_| context.shared.locked);
        let as_of = args.as_of.or(held);
        let Pinned { resolution, is_new, info } = shelf.pin(reference, as_of)?;
        let is_unpublished = info.is_none() && shelf.url().is_some();
        info.as_ref().and_then(VersionInfo::ending).iter().for_each(|ending| shelf.warn(&ending.to_string()));
        changed += u64::from(is_new);
        let mark = if is_new { "+" } else { " " };
        let note = if is_unpublished { format!("  {NOT_IN_REGISTRY}") } else { String::new() };
        writeln!(out, "{mark} {reference}  {}  {}{note}", resolution.version, resolution.digest)?;
        match is_unpublished {
            true => unpublished.push(resolution.standard),
            false => answers.extend(info.map(|_| (reference, as_of, resolution))),
        }
    }
    // What nobody asks for any more; a reference named on the command line stays until guiju.toml is the whole truth.
    if args.standards.is_empty() {
        for old in named.iter().filter(|old| !wanted.iter().any(|reference| reference.to_string() == **old)) {
            writeln!(out, "- {old}")?;
            changed += 1;
            if let Ok(reference) = old.parse() {
                shelf.lock.remove(&reference);
            }
        }
    }
    let asked = wanted.iter().map(Reference::standard);
    if let Some(head) = head_of_pins(&shelf, &args.log, asked, &unpublished, &answers, context)? {
        // The lock of those who change nothing stays as it is, though the log has grown.
        let log = match shelf.lock.log() {
            Some(held) if changed == 0 => {
                // A new key of the log is written down, or nothing that it signs could be verified offline; it does not fail a build.
                let is_learnt = held.keys != head.keys && !context.shared.locked;
                changed += u64::from(is_learnt);
                HeldLog { keys: if is_learnt { head.keys } else { held.keys.clone() }, ..held.clone() }
            }
            _ => head,
        };
        prove_pins(&shelf, &log)?;
        changed += u64::from(shelf.lock.log().is_none());
        shelf.lock.hold_log(log);
    }
    if args.register {
        // Several references may mean one version.
        let pins: BTreeSet<(String, String)> = shelf
            .lock
            .pins()
            .filter(|(_, pin)| pin.log_index.is_some())
            .map(|(_, pin)| (pin.resolution.standard.to_string(), pin.resolution.version.to_string()))
            .collect();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let operation = args.hand.operation(&shelf, &["use", &now.to_string()])?;
        let (hand, count) = (args.hand.hand(&operation), pins.len());
        let pins: Vec<_> = pins.into_iter().collect();
        shelf.ask(|registry| async move { registry.register_use(&hand, pins).await })?;
        writeln!(out, "told the registry of {}", counted(count, "version"))?;
    }
    let path = shelf.lock.path().display().to_string();
    match (changed, context.shared.locked) {
        (0, _) => writeln!(out, "{path} is up to date")?,
        (_, true) => writeln!(out, "{path} is not up to date; run `guiju lock` without --locked")?,
        (_, false) => {
            shelf.lock.write().map_err(locked)?;
            writeln!(out, "wrote {path}")?;
        }
    }
    out.flush()?;
    Ok(if changed > 0 && context.shared.locked { Verdict::DoesNot } else { Verdict::Conforms })
}

/// What is named, or all that the settings name.
pub fn wanted(named: &[String], context: &Context) -> Result<Vec<Reference>, Failure> {
    let mut wanted = match named {
        [] => context.settings.wanted()?,
        named => named.iter().map(|written| context.settings.reference(written)).collect::<Result<_, _>>()?,
    };
    wanted.sort_by_key(Reference::to_string);
    wanted.dedup();
    match wanted.is_empty() {
        true => Err(Failure::new("no standards are named")
            .hint(format!("name one, for example bj.population/person@^2, or write them into {FILE}"))),
        false => Ok(wanted),
    }
}
