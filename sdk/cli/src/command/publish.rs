use crate::{
    command::{deprecate::days, test},
    context::Context,
    desk::{HandArgs, version_as_json},
    failure::{Answer, Failure, Verdict},
    shelf::{Carried, Shelf, refused},
    terminal::{counted, plain},
};
use guiju::{
    Publication, RegistryError, Terms,
    tree::{Tree, names, refers_to},
};
use guiju_model::{Date, Dates, Digest, Package, Text, VersionInfo, Waiver};
use guiju_validator::judge_examples;
use std::{
    io::{self, Write},
    path::PathBuf,
};

/// Publish standards to a registry, in order of what refers to what
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Safe to repeat: a version that is there with the same content is left as it is, and one with other content is refused.
Published versions never change; a change is a new version folder.")]
pub struct PublishArgs {
    /// A tree of standards, one standard, or one version folder
    #[arg(value_name = "DIR", required_unless_present = "proposal", conflicts_with = "proposal")]
    folder: Option<PathBuf>,
    /// Publish what was approved of this proposal
    #[arg(long, value_name = "NUMBER", conflicts_with = "dry_run")]
    proposal: Option<u64>,
    /// Let the registry judge, and publish nothing
    #[arg(long)]
    dry_run: bool,
    /// Why it is published, for the record; of a proposal it must be said
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    why: String,
    /// Why what cannot be decided of it breaks nobody, for the record; it then needs a number for what was proved and shown alone
    #[arg(long, value_name = "REASON", default_value = "", hide_default_value = true, conflicts_with = "proposal")]
    waive: String,
    #[command(flatten)]
    days: DaysArgs,
    #[command(flatten)]
    hand: HandArgs,
}

/// When a version is to govern. Of one version only.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "When it governs (YYYY-MM-DD)")]
pub struct DaysArgs {
    /// The first day on which it governs [default: the day of publication]
    #[arg(long, value_name = "DATE")]
    effective_from: Option<Date>,
    /// The first day on which it governs no more [default: when it is superseded, deprecated or withdrawn]
    #[arg(long, value_name = "DATE")]
    effective_to: Option<Date>,
    /// The first day on which what it supersedes may be used no more [default: the first day on which it governs]
    #[arg(long, value_name = "DATE")]
    grace_until: Option<Date>,
}

impl DaysArgs {
    pub fn dates(&self) -> Dates {
        let Self { effective_from, effective_to, grace_until } = *self;
        Dates { effective_from, effective_to, grace_until }
    }
}

enum Outcome {
    Published {
        place: String,
        warnings: Vec<Text>,
        waiver: Option<Waiver>,
    },
    /// It is there, which the first answer did not say.
    Settled {
        place: String,
        why: String,
    },
    /// Nobody knows whether it is.
    Unsettled(Failure),
    There,
    /// Judged here alone: what it refers to is not in the registry yet.
    JudgedHere,
}

pub fn run(args: PublishArgs, context: &Context) -> Answer {
    let Some(folder) = &args.folder else { return proposed(&args, context) };
    let Tree { packages, metadata, .. } = test::read(folder)?;
    let shelf = Shelf::open(context)?;
    let url = shelf.url().map(str::to_owned);
    let all = packages.len();
    let (mut published, mut there, mut failed, mut unsettled) = (0, 0, 0, 0);
    let mut out = context.out();
    let packages = Tree::ordered(packages);
    let terms = Terms { dates: args.days.dates(), waive: &args.waive, reason: &args.why };
    let named = [(terms.dates != Dates::default(), "days are named"), (!terms.waive.is_empty(), "something is waived")];
    if let Some((_, what)) = named.into_iter().find(|(is_named, _)| *is_named && packages.len() != 1) {
        let failure = Failure::new(format!("{what}, and `{}` has {all} versions", folder.display()));
        return Err(failure.hint("name the folder of one version"));
    }
    for package in &packages {
        let (toml, _) = &metadata[&package.standard];
        let (standard, version) = (&package.standard, &package.version);
        match publish(&shelf, package, toml, terms, args.dry_run, &packages) {
            Ok(Outcome::Published { place, warnings, waiver }) => {
                published += 1;
                let done = if args.dry_run { "would publish" } else { "published" };
                writeln!(out, "{done} {standard} {version}  {place}")?;
                for warning in warnings {
                    writeln!(out, "  warning {}", context.lang.of(&warning))?;
                }
                if let Some(waiver) = &waiver {
                    waived(&mut out, "  ", waiver)?;
                }
            }
            Ok(Outcome::Settled { place, why }) => {
                published += 1;
                writeln!(out, "published {standard} {version}  {place}")?;
                writeln!(out, "  its answer was lost ({}); `guiju lint` shows its warnings", plain(&why))?;
            }
            Ok(Outcome::Unsettled(failure)) => {
                out.flush()?;
                unsettled += 1;
                failure.at(format!("{standard} {version}")).print(context.paint_error);
                if !shelf.is_connected() {
                    return Ok(Verdict::NotJudged);
                }
            }
            Ok(Outcome::JudgedHere) => {
                published += 1;
                writeln!(
                    out,
                    "would publish {standard} {version}  judged here: what it refers to is not published yet"
                )?;
            }
            Ok(Outcome::There) => {
                there += 1;
                writeln!(out, "there already {standard} {version}")?;
            }
            Err(failure) => {
                out.flush()?;
                failed += 1;
                failure.at(format!("{standard} {version}")).print(context.paint_error);
                if shelf.url().is_none() || !shelf.is_connected() {
                    return Ok(Verdict::NotJudged);
                }
            }
        }
    }
    let done = if args.dry_run { "would be published" } else { "published" };
    let place = url.unwrap_or_default();
    writeln!(
        out,
        "{}: {published} {done}, {there} there already, {failed} refused{}  ({place})",
        counted(all, "version"),
        if unsettled == 0 { String::new() } else { format!(", {unsettled} not known") }
    )?;
    out.flush()?;
    Ok(if failed + unsettled == 0 { Verdict::Conforms } else { Verdict::NotJudged })
}

/// Publishes what was approved of a proposal.
fn proposed(args: &PublishArgs, context: &Context) -> Answer {
    let (id, shelf) = (args.proposal.unwrap_or_default(), Shelf::open(context)?);
    let operation = args.hand.operation(&shelf, &["publish", &id.to_string(), &args.why])?;
    let (hand, why) = (args.hand.hand(&operation), args.why.as_str());
    let (version, is_new) = shelf.ask(|registry| async move { registry.publish_proposal(&hand, id, why).await })?;
    let VersionInfo { standard, version: number, digest, log_index, waiver, .. } = &version;
    let mut out = context.out();
    match (args.hand.told.in_json(), is_new) {
        (true, _) => {
            let mut told = version_as_json(&version);
            told["is_new"] = is_new.into();
            writeln!(out, "{told}")?;
        }
        (false, true) => {
            writeln!(out, "published {standard} {number}  {digest}  log index {log_index}")?;
            waiver.iter().try_for_each(|waiver| waived(&mut out, "  ", waiver))?;
        }
        (false, false) => writeln!(out, "there already {standard} {number}")?,
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}

fn publish(
    shelf: &Shelf<'_>,
    package: &Package,
    toml: &str,
    terms: Terms<'_>,
    is_dry: bool,
    all: &[Package],
) -> Result<Outcome, Failure> {
    let operation = shelf.operation("publish", &content(package, toml, &terms))?;
    let asked = || {
        let operation = operation.as_str();
        shelf.ask(|registry| async move {
            match registry.publish_for(operation, package, toml, terms, is_dry).await {
                Err(error) if error.is_unsettled() || (is_dry && error.status().is_some()) => Ok(Err(error)),
                answer => answer.map(Ok),
            }
        })
    };
    let answer = match asked()? {
        Err(error) if !is_dry && error.is_unsettled() => return Ok(settled(shelf, error, asked)),
        answer => answer,
    };
    match answer {
        Ok(Publication { is_new: false, .. }) => Ok(Outcome::There),
        Ok(Publication { version, warnings, .. }) => {
            let VersionInfo { digest, log_index, .. } = &version;
            // Said only where it was asked for: most versions govern from today on.
            let days = if terms.dates == Dates::default() { String::new() } else { format!("\n  {}", days(&version)) };
            let place = if is_dry { digest.to_string() } else { format!("{digest}  log index {log_index}") };
            Ok(Outcome::Published { place: place + &days, warnings, waiver: version.waiver })
        }
        // A whole tree can be tried out: what would have been published before this one is not there in a dry run.
        Err(_) if refers_to(package, &names(all)) => judged_here(package, all),
        Err(error) => Err(refused(error)),
    }
}

/// What became of a version whose publication was answered by nothing, or by what cannot be read. Where the registry does answer it is
/// asked by the same operation again: for what is there that answer is shorter.
fn settled(
    shelf: &Shelf<'_>,
    error: RegistryError,
    ask: impl FnOnce() -> Result<Result<Publication, RegistryError>, Failure>,
) -> Outcome {
    let in_doubt = |error: RegistryError| match error.silence() {
        Some(_) => shelf.refused(error),
        None => Failure::new("the registry's answer cannot be read, so it may or may not be published")
            .at(error)
            .hint("run this again: a version that is there is left as it is"),
    };
    if error.silence().is_some() {
        return Outcome::Unsettled(in_doubt(error));
    }
    match ask() {
        Ok(Ok(Publication { version, .. })) => {
            let place = format!("{}  log index {}", version.digest, version.log_index);
            Outcome::Settled { place, why: error.to_string() }
        }
        Ok(Err(error)) => Outcome::Unsettled(in_doubt(error)),
        Err(failure) => Outcome::Unsettled(failure),
    }
}

fn judged_here(package: &Package, all: &[Package]) -> Result<Outcome, Failure> {
    let sealed = Tree::seal(all.to_vec(), &Carried);
    let unsealed =
        sealed.unsealed.iter().find(|other| (&other.standard, &other.version) == (&package.standard, &package.version));
    if let Some(unsealed) = unsealed {
        return Err(Failure::new(unsealed.why.clone()));
    }
    let own = sealed.versions.iter().find(|(other, _)| other == package);
    let faults = own
        .map(|(package, bundle)| judge_examples(bundle, package).map_err(|error| crate::shelf::not_compiled(&error)));
    match faults.transpose()?.unwrap_or_default().as_slice() {
        [] => Ok(Outcome::JudgedHere),
        faults => Err(faults
            .iter()
            .fold(Failure::new("examples do not do what they announce"), |failure, fault| failure.at(fault))),
    }
}

/// What could not be decided, and on whose word it breaks nobody. Texts of others come one to a line.
pub fn waived(out: &mut impl Write, indent: &str, waiver: &Waiver) -> io::Result<()> {
    let Waiver { by, reason, questions } = waiver;
    writeln!(out, "{indent}waived by {}: {}", plain(by), plain(reason))?;
    questions.iter().try_for_each(|question| writeln!(out, "{indent}  undecided {}", plain(question)))
}

/// What is published, and under which terms: the same content is the same operation, however often it is sent.
pub fn content(package: &Package, toml: &str, Terms { dates, waive, .. }: &Terms<'_>) -> String {
    let mut text = format!("{} {}\n{}\n", package.standard, package.version, Digest::of(toml.as_bytes()));
    for (name, bytes) in &package.files {
        text += &format!("{name} {}\n", Digest::of(bytes));
    }
    if *dates != Dates::default() {
        text += &format!("{dates:?}");
    }
    if !waive.is_empty() {
        text += &format!("waive {waive}\n");
    }
    text
}
