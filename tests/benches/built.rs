//! Where cargo puts the programs that a bench measures.

use std::path::PathBuf;

/// A program of the release build, beside the bench itself.
pub fn built(package: &str, program: &str) -> PathBuf {
    let bench = std::env::current_exe().expect("a bench has a file of its own");
    let path = bench.ancestors().nth(2).expect("it lies in deps/ beside the programs").join(program);
    assert!(path.exists(), "{} is missing; build it first: cargo build --release -p {package}", path.display());
    path
}
