//! The program `guiju-server`: reads the command line, says in one line what went wrong, and sets the exit code.

use std::process::ExitCode;

/// A server of many threads and small objects spends a quarter of its time in the system's allocator; a fifth of all goes with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match guiju_server::run() {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("error: {fault}\nhint: {}", fault.hint);
            fault.details.iter().for_each(|detail| eprintln!("  {detail}"));
            ExitCode::from(fault.exit_code)
        }
    }
}
