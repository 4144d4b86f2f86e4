use crate::{
    args::Args,
    failure::{Answer, Verdict},
};
use clap::CommandFactory;
use clap_mangen::Man;
use std::io::{self, Write};

/// The page of the program, then that of each command, as one document for `man -l`.
pub fn run() -> Answer {
    let mut program = Args::command();
    program.build();
    let mut page = Vec::new();
    Man::new(program.clone()).render(&mut page)?;
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("guiju-{}", command.get_name());
        Man::new(command.clone()).title(name).render(&mut page)?;
    }
    io::stdout().lock().write_all(&page)?;
    Ok(Verdict::Conforms)
}
