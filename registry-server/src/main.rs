//! The program `guiju-server`: reads the command line, says in one line what went wrong, and sets the exit code.

use std::{
    io::{self, Write},
    process::ExitCode,
};

/// A server of many threads and small objects spends a quarter of its time in the system's allocator; a fifth of all goes with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match guiju_server::run() {
        Ok(code) => code,
        Err(fault) => {
            let details: String = fault.details.iter().map(|detail| format!("  {detail}\n")).collect();
            // Where nobody can be told, the exit code still holds.
            let _ = write!(io::stderr(), "error: {fault}\nhint: {}\n{details}", fault.hint);
            ExitCode::from(fault.exit_code)
        }
    }
}
