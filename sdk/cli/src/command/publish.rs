use crate::{
    command::test,
    context::Context,
    failure::{Answer, Failure, Verdict},
    shelf::{Carried, Shelf, refused},
    terminal::counted,
};
use guiju::{
    Publication,
    tree::{Tree, names, refers_to},
};
use guiju_model::{Digest, Package, Text, VersionInfo};
use guiju_validator::judge_examples;
use std::{io::Write, path::PathBuf};

/// Publish standards to a registry, in order of what refers to what
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Safe to repeat: a version that is there with the same content is left as it is, and one with other content is refused.
Published versions never change; a change is a new version folder.")]
pub struct PublishArgs {
    /// A tree of standards, one standard, or one version folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Let the registry judge, and publish nothing
    #[arg(long)]
    dry_run: bool,
}

enum Outcome {
    Published {
        place: String,
        warnings: Vec<Text>,
    },
    There,
    /// Judged here alone: what it refers to is not in the registry yet.
    JudgedHere,
}

pub fn run(args: PublishArgs, context: &Context) -> Answer {
    let Tree { packages, metadata } = test::read(&args.folder)?;
    let shelf = Shelf::open(context)?;
    let url = shelf.url().map(str::to_owned);
    let all = packages.len();
    let (mut published, mut there, mut failed) = (0, 0, 0);
    let mut out = context.out();
    let packages = Tree::ordered(packages);
    for package in &packages {
        let (toml, _) = &metadata[&package.standard];
        let (standard, version) = (&package.standard, &package.version);
        match publish(&shelf, package, toml, args.dry_run, &packages) {
            Ok(Outcome::Published { place, warnings }) => {
                published += 1;
                let done = if args.dry_run { "would publish" } else { "published" };
                writeln!(out, "{done} {standard} {version}  {place}")?;
                for warning in warnings {
                    writeln!(out, "  warning {}", context.lang.of(&warning))?;
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
        "{}: {published} {done}, {there} there already, {failed} refused  ({place})",
        counted(all, "version")
    )?;
    out.flush()?;
    Ok(if failed == 0 { Verdict::Conforms } else { Verdict::NotJudged })
}

fn publish(
    shelf: &Shelf<'_>,
    package: &Package,
    toml: &str,
    is_dry: bool,
    all: &[Package],
) -> Result<Outcome, Failure> {
    let operation = operation_id(package, toml);
    let answer = shelf.ask(|registry| async move {
        match registry.publish(&operation, package, toml, is_dry).await {
            Err(error) if is_dry && error.status().is_some() => Ok(Err(error)),
            answer => answer.map(Ok),
        }
    })?;
    match answer {
        Ok(Publication { is_new: false, .. }) => Ok(Outcome::There),
        Ok(Publication { version: VersionInfo { digest, log_index, .. }, warnings, .. }) => {
            let place = if is_dry { digest.to_string() } else { format!("{digest}  log index {log_index}") };
            Ok(Outcome::Published { place, warnings })
        }
        // A whole tree can be tried out: what would have been published before this one is not there in a dry run.
        Err(_) if refers_to(package, &names(all)) => judged_here(package, all),
        Err(error) => Err(refused(error)),
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

/// The same content is the same operation, however often and from wherever it is sent.
fn operation_id(package: &Package, toml: &str) -> String {
    let mut text = format!("{} {}\n{}\n", package.standard, package.version, Digest::of(toml.as_bytes()));
    for (name, bytes) in &package.files {
        text += &format!("{name} {}\n", Digest::of(bytes));
    }
    format!("publish-{}", &Digest::of(text.as_bytes()).hex()[..48])
}
