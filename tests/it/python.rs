//! Clients that were not written here, in Python.

use crate::support::{Server, root, said};
use std::{path::PathBuf, process::Command};

/// The interpreter with what `tests/run` installed.
fn python() -> PathBuf {
    let python = root().join("target/python/bin/python");
    assert!(python.exists(), "what the Python tests need is not installed; run: bash tests/run install");
    python
}

#[test]
fn a_grpc_client_by_reflection() {
    let server = Server::start();
    let script = root().join("tests/python/grpc_client.py");
    let output = Command::new(python()).arg(script).arg(&server.address).output().expect("python runs");
    let text = said(&output);
    assert!(output.status.success(), "{text}\nserver:\n{}", server.log());
    for step in ["reflected", "published", "resolved", "searched", "checked", "streamed"] {
        assert!(text.lines().any(|line| line == step), "no `{step}` in:\n{text}");
    }
}
