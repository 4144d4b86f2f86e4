//! The program `guiju`: check records against data standards, in a terminal and in CI.
//!
//! # Invariants
//! - Exit codes are true for every input: 0 conforms, 1 does not, 2 could not be judged.
//! - Nothing goes over the network that was not asked for, and nothing ever without a registry being named.
//! - Standard output holds the answer and nothing else; what went wrong, and progress, go to standard error.

mod archive; // published versions in one piece of bytes
mod args; // what may be said on the command line
mod carried; // listing and searching what the program carries
mod command; // one file a command
mod connection; // how the registry is reached, and as whom
mod context; // what every command is given
mod desk; // what the commands of the committee share
mod embedded; // the standards that the program carries
mod failure; // why there is no answer, in the house form
mod inputs; // which files are meant
mod log; // what is asked of a registry's log
mod output; // how a check is told
mod progress; // a bar, on a terminal only
mod receipt; // signed statements of what was found
mod rejects; // what conforms and what does not, as files
mod settings; // guiju.toml
mod shelf; // where standards are found
mod sides; // what is compared: files, folders, references, git revisions
mod telling; // one input, as its records come
mod terminal; // colour and language

use args::Args;
use clap::{CommandFactory, Parser, error::ErrorKind};
use context::Context;
use failure::{Answer, Verdict};
use std::{
    io::{self, Write},
    process::{self, ExitCode},
};
use terminal::Paint;

fn main() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|error| exit_with(&error));
    let paint = Paint::new(args.shared.color, &std::io::stderr());
    match answer(args) {
        Ok(verdict) => verdict.into(),
        Err(failure) => {
            failure.print(paint);
            Verdict::NotJudged.into()
        }
    }
}

/// Without a command the help is the answer, even where the environment gives an argument.
fn exit_with(error: &clap::Error) -> ! {
    if error.kind() != ErrorKind::MissingSubcommand {
        error.exit();
    }
    let _ = write!(io::stderr(), "{}", Args::command().render_help());
    process::exit(2)
}

fn answer(args: Args) -> Answer {
    // These need no settings, and help where the settings are what is wrong.
    match args.command {
        args::Command::Completions(args) => return command::completions::run(args),
        args::Command::Man => return command::man::run(),
        _ => {}
    }
    command::run(args.command, &Context::new(args.shared)?)
}
