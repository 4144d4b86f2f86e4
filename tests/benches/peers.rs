//! Programs of others, each with a schema and a file of records, driven one pass at a time.
//!
//! A peer is a process that reads names of roads from its standard input and answers each with CPU seconds, conforming,
//! failing. `tests/benches/run` installs them under `target/peers`.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// One pass over the records.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    pub seconds: f64,
    pub conforming: u64,
    pub failing: u64,
}

/// Which process a road of others runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    Rust,
    Node,
    Python,
}

pub struct Peer {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    pub fn start(host: Host, schema: &Path, records: &Path) -> Self {
        let (root, here) = (root(), Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers"));
        let node_modules = root.join("target/peers/node/node_modules");
        let mut command = match host {
            Host::Rust => Command::new(root.join("target/peers/rust/release/guiju-bench-peers")),
            Host::Node => {
                let mut command = Command::new("node");
                command.arg(here.join("node.cjs")).env("NODE_PATH", node_modules);
                command
            }
            Host::Python => {
                let mut command = Command::new(root.join("target/peers/python/bin/python"));
                command.arg(here.join("python.py"));
                // The program itself: what the package puts on the path starts Node first.
                let arch = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "x86_64" };
                let program = format!("@sourcemeta/jsonschema/build/github-releases/jsonschema-linux-{arch}");
                command.env("SOURCEMETA", node_modules.join(program));
                command
            }
        };
        command.arg(schema).arg(records).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{error}: {command:?} does not start; `bash tests/benches/run` installs the peers")
        });
        let (ask, answers) = (child.stdin.take(), child.stdout.take().expect("its answers are piped"));
        Self { child, ask, answers: BufReader::new(answers) }
    }

    pub fn pass(&mut self, road: &str) -> Pass {
        let mut answer = String::new();
        writeln!(self.ask.as_mut().expect("it still listens"), "{road}").expect("a peer listens");
        self.answers.read_line(&mut answer).expect("a peer answers");
        let cells: Vec<&str> = answer.trim().split('\t').collect();
        let [seconds, conforming, failing] = cells.as_slice() else { panic!("{road} answers `{answer}`") };
        Pass {
            seconds: seconds.parse().expect("seconds"),
            conforming: conforming.parse().expect("a count"),
            failing: failing.parse().expect("a count"),
        }
    }
}

impl Drop for Peer {
    /// It ends when nothing more is asked.
    fn drop(&mut self) {
        drop(self.ask.take());
        let _ = self.child.wait();
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
