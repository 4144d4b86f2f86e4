use crate::{
    context::Context,
    failure::{Answer, Verdict},
    shelf::{Shelf, not_compiled},
};
use guiju_validator::{CompileOptions, Validator};
use std::io::Write;

/// Print the program that a standard becomes, and what of it leaves the quick road
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// The standard, for example bj.population/person or bj.population/person@^2
    standard: String,
}

pub fn run(args: InspectArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let found = shelf.find(&context.settings.reference(&args.standard)?, None)?;
    let validator =
        Validator::compile(&found.bundle, &CompileOptions::default()).map_err(|error| not_compiled(&error))?;
    let mut out = context.out();
    write!(out, "{}", validator.inspect())?;
    out.flush()?;
    Ok(Verdict::Conforms)
}
