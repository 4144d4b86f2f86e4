use crate::{
    command::lock::wanted,
    context::Context,
    failure::{Answer, Verdict},
    log::prove_pins,
    shelf::{NOT_IN_REGISTRY, Shelf, locked},
};
use guiju_model::{Reference, Resolution};
use std::io::Write;

/// Fetch standards into the cache, so that checks need no network
#[derive(Debug, clap::Args)]
pub struct FetchArgs {
    /// References [default: all of guiju.toml and guiju.lock]
    #[arg(value_name = "STANDARD")]
    standards: Vec<String>,
}

pub fn run(args: FetchArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let mut out = context.out();
    for reference in &named(&args, &shelf, context)? {
        let pin = match context.shared.locked {
            true => Some(shelf.lock.require(reference).map_err(locked)?),
            false => shelf.lock.get(reference),
        };
        let (bundle, how) = match pin {
            Some(pin) => {
                let (bundle, is_new) = shelf.exactly(&pin.resolution)?;
                (bundle, if is_new { "fetched and verified, as locked" } else { "at hand and verified, as locked" })
            }
            None => {
                let (bundle, info) = shelf.newest(reference)?;
                (
                    bundle,
                    match info {
                        Some(_) => "fetched and verified",
                        None if shelf.url().is_some() => NOT_IN_REGISTRY,
                        None => "carried by the program",
                    },
                )
            }
        };
        let Resolution { standard, version, digest } = resolution(&bundle);
        let with = bundle.contents().count() - 1;
        writeln!(out, "{standard} {version}  {digest}  {how}, with {with} that it refers to")?;
    }
    if let Some(log) = shelf.lock.log().filter(|_| shelf.url().is_some()) {
        prove_pins(&shelf, log)?;
    }
    writeln!(out, "the cache is {}", shelf.cache().folder().display())?;
    out.flush()?;
    Ok(Verdict::Conforms)
}

fn named(args: &FetchArgs, shelf: &Shelf<'_>, context: &Context) -> Result<Vec<Reference>, crate::failure::Failure> {
    let locked: Vec<Reference> = shelf.lock.pins().filter_map(|(reference, _)| reference.parse().ok()).collect();
    if args.standards.is_empty() && !locked.is_empty() && context.settings.wanted()?.is_empty() {
        return Ok(locked);
    }
    wanted(&args.standards, context)
}

fn resolution(bundle: &guiju_model::Bundle) -> Resolution {
    let manifest = &bundle.root().manifest;
    Resolution { standard: manifest.standard.clone(), version: manifest.version.clone(), digest: bundle.digest() }
}
