//! The command line of `guiju-server`.

use crate::{Fault, serve, settings};
use clap::{ArgMatches, Command};
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Runs one command. `Err` means that it could not do its work; the exit code is 2 then.
pub fn run() -> Result<ExitCode, Fault> {
    let matches = command().get_matches();
    let Some((name, matches)) = matches.subcommand() else { return Ok(ExitCode::from(2)) };
    let given = settings::Given::collect(matches)?;
    if name == "settings" {
        return print(given.lines());
    }
    let settings = given.settings()?;
    match name {
        "serve" => runtime()?.block_on(serve::serve(settings)).map(|()| ExitCode::SUCCESS),
        _ => offline(name, matches, &settings),
    }
}

fn offline(name: &str, _matches: &ArgMatches, _settings: &settings::Settings) -> Result<ExitCode, Fault> {
    Err(Fault::new(format!("there is no command `{name}`"), "see --help"))
}

fn command() -> Command {
    Command::new("guiju-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The registry: a log of data standards and contracts, served over gRPC and HTTP")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(with_settings("serve", "Serve until SIGTERM or SIGINT"))
        .subcommand(with_settings("settings", "Print every setting, its value and where that came from"))
}

fn with_settings(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about).args_override_self(true).args(settings::arguments())
}

fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Fault::new(format!("no threads to run on: {error}"), "raise the limits of this user"))
}

/// Writes lines on standard output. A reader who left early is no fault.
fn print(lines: impl Iterator<Item = String>) -> Result<ExitCode, Fault> {
    let mut out = io::stdout().lock();
    for line in lines {
        match writeln!(out, "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(error) => return Err(Fault::new(format!("standard output: {error}"), "give it room")),
            Ok(()) => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}
