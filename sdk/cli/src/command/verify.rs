use crate::{
    context::Context,
    failure::{Answer, Failure, Verdict},
    log::{LogArgs, WholeArgs, believed, prove, versions_of},
    receipt,
    shelf::{Shelf, Standing},
};
use guiju::{HeldLog, LoggedVersion, LoggedVersions, Pin, prove_pin_offline, tlog::VerifierKey};
use guiju_model::{Date, Reference, Resolution, Selector, Severity, Status};
use std::{io::Write, path::PathBuf};

/// Prove that what guiju.lock pins is what the registry's committee published
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The digest of every pinned version is computed again, and its entry is proved to be in the log's tree: online against a
checkpoint that must follow from the lock's, with --offline against the lock's own, by the proofs that `guiju lock` and
`guiju fetch` keep. Online, the whole log is read as well: a version that was withdrawn fails, whatever is answered. Exit code 1 says what was tampered with, moved, removed, forked or frozen.")]
pub struct VerifyArgs {
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    whole: WholeArgs,
    /// Verify this receipt of a check instead
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// The key of whoever signed the receipt [default: that of the log in guiju.lock, by which its registry signs]
    #[arg(long, value_name = "KEY", requires = "receipt")]
    receipt_signer: Option<VerifierKey>,
    /// The data that the receipt should be of
    #[arg(long, value_name = "FILE", requires = "receipt")]
    data: Option<PathBuf>,
    /// Take a receipt whose version, or place in the log, can be held against nothing here; without it the exit code is 2
    #[arg(long, requires = "receipt")]
    unchecked_version: bool,
}

pub fn run(args: VerifyArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    if let Some(receipt) = &args.receipt {
        let claim = receipt::Claim {
            path: receipt,
            signer: args.receipt_signer.as_ref(),
            data: args.data.as_deref(),
            is_version_open: args.unchecked_version,
        };
        return receipt::judged(&claim, &args.log, &shelf, context);
    }
    let pins: Vec<(&str, &Pin)> = shelf.lock.pins().collect();
    if pins.is_empty() {
        return Err(Failure::new(format!("`{}` pins nothing", shelf.lock.path().display()))
            .hint("run `guiju lock` to pin what the project uses"));
    }
    let is_online = shelf.url().is_some();
    if args.whole.is_asked() && !is_online {
        return Err(Failure::new("--whole-log reads the registry's log, and no registry is to be asked")
            .hint("name one with --registry URL, and leave out --offline"));
    }
    let log = match (is_online, shelf.lock.log()) {
        (true, _) => match believed(&shelf, &args.log.demands()?)? {
            Ok(log) => Some(log),
            Err(failure) => {
                failure.print(context.paint_error);
                return Ok(Verdict::DoesNot);
            }
        },
        (false, held) => held.cloned(),
    };
    let is_told_whom = args.log.demands()?.policy.is_some();
    if is_online && shelf.lock.log().is_none() && !is_told_whom && pins.iter().any(|(_, pin)| pin.log_index.is_some()) {
        let (word, path) = (context.paint_error.severity(Severity::Warning, "warning:"), shelf.lock.path());
        context.say(&format!(
            "{word} `{}` holds nothing of the registry's log, so whatever key and history it serves now is believed; commit the \
             lock with its line `log` (`guiju lock` writes it), or name the log's key with --log-policy",
            path.display()
        ));
    }
    // What became of the versions since they were published is in the log, too: no answer is taken for it.
    let mut whole = Verdict::Conforms;
    let versions = match log.as_ref().filter(|_| is_online) {
        Some(log) => match versions_of(&shelf, log, pins.iter().map(|(_, pin)| &pin.resolution.standard))? {
            Ok((versions, withheld)) => {
                whole = args.whole.tell(&withheld, log.checkpoint.size, context);
                Some(versions)
            }
            Err(failure) => {
                failure.print(context.paint_error);
                return Ok(Verdict::DoesNot);
            }
        },
        None => None,
    };
    let mut out = context.out();
    let mut verdict = Verdict::Conforms;
    for (reference, pin) in pins {
        match judged(&shelf, pin, log.as_ref(), versions.as_ref())? {
            Ok(how) => {
                writeln!(out, "ok    {reference}  {}  {}  {how}", pin.resolution.version, pin.resolution.digest)?
            }
            Err(fault) => {
                verdict = Verdict::DoesNot;
                writeln!(out, "FAIL  {reference}  {fault}")?;
            }
        }
    }
    if let Some(HeldLog { checkpoint, .. }) = &log {
        writeln!(out, "log {} with {} entries, root {}", checkpoint.origin, checkpoint.size, checkpoint.root)?;
    }
    out.flush()?;
    Ok(if whole == Verdict::Conforms { verdict } else { whole })
}

/// In words, what was proved of a pin or what is wrong with it.
fn judged(
    shelf: &Shelf<'_>,
    pin: &Pin,
    log: Option<&HeldLog>,
    versions: Option<&LoggedVersions>,
) -> Result<Result<String, String>, Failure> {
    let is_online = shelf.url().is_some();
    // Every digest is computed again on the way.
    if let Err(failure) = shelf.exactly(&pin.resolution) {
        let changed = shelf.changed(&pin.resolution.digest);
        return if is_online || changed.is_empty() { Err(failure) } else { Ok(Err(changed.join("; "))) };
    }
    let how = match pin.log_index {
        Some(index) => match proved(shelf, pin, log)? {
            Some(fault) => return Ok(Err(fault)),
            None => format!("entry {index}"),
        },
        None => match unlogged(pin, versions) {
            Ok(how) => how,
            fault => return Ok(fault),
        },
    };
    let Some(versions) = versions else {
        if pin.as_of.is_none()
            && let Standing::Ended(ending) = shelf.standing(&pin.resolution)
        {
            shelf.warn(&format!("{ending}; so the registry said when it was last asked"));
        }
        return Ok(Ok(how));
    };
    // What is whole and was published can be used no more all the same.
    let Resolution { standard, version, digest } = &pin.resolution;
    let known = versions.get(standard, version).filter(|known| known.digest == *digest);
    if let Some(known) = known {
        shelf.remember(digest, known.status, known.ending().as_ref());
    }
    let Some((known, told)) = known.and_then(|known| Some((known, known.ending()?.to_string()))) else {
        return Ok(Ok(how));
    };
    let was_in_force = |day: &Date| {
        let exact = Reference::new(standard.clone(), Selector::Digest(*digest));
        versions.resolve_as_of(&exact, *day).is_some()
    };
    match (known.status, pin.as_of) {
        // Nothing that is done to a version takes from it the records of the days on which it was in force.
        (Status::Withdrawn, Some(day)) if was_in_force(&day) => {
            Ok(Ok(format!("{how}, for records of {day}, when it was in force; withdrawn since")))
        }
        (Status::Withdrawn, Some(day)) => {
            Ok(Err(format!("{told}; and it was not in force on {day}, for which it is pinned")))
        }
        (Status::Withdrawn, None) => Ok(Err(told)),
        _ => {
            shelf.warn(&told);
            Ok(Ok(how))
        }
    }
}

/// The same of a pin of no log. `versions`: what the log says of its standard, where it was read.
fn unlogged(pin: &Pin, versions: Option<&LoggedVersions>) -> Result<String, String> {
    let Resolution { standard, version, digest } = &pin.resolution;
    match versions.and_then(|versions| versions.get(standard, version)) {
        Some(LoggedVersion { index, digest: found, .. }) if found == digest => Ok(format!(
            "the content is whole; not shown to be of the log, which has it as entry {index}: `guiju lock` pins it there"
        )),
        Some(LoggedVersion { index, .. }) => Err(format!(
            "`{standard}@={version}` is not what was published: the lock has it as of no log, and entry {index} of the log publishes it \
             with other content"
        )),
        None => Ok("the content is whole; it is of no log".into()),
    }
}

/// What is wrong with the place of a pin in the log.
fn proved(shelf: &Shelf<'_>, pin: &Pin, log: Option<&HeldLog>) -> Result<Option<String>, Failure> {
    let Some(log) = log else {
        let failure = Failure::new(format!("`{}` holds no checkpoint", shelf.lock.path().display()));
        return Err(failure.hint("run `guiju lock` where the registry can be reached"));
    };
    let fault = match shelf.url().is_some() {
        true => prove(shelf, pin, log)?.err(),
        false => prove_pin_offline(pin, shelf.cache(), &log.checkpoint).err(),
    };
    Ok(fault.map(|fault| fault.to_string()))
}
