use crate::{
    args::Args,
    failure::{Answer, Verdict},
};
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io::{self, Write};

/// Print a shell's completion script
#[derive(Debug, clap::Args)]
#[command(after_help = "For example: guiju completions bash > ~/.local/share/bash-completion/completions/guiju")]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(args: CompletionsArgs) -> Answer {
    let mut script = Vec::new();
    generate(args.shell, &mut Args::command(), "guiju", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Verdict::Conforms)
}
