//! Clients that were not written here, in Python.

use crate::support::{Server, python, root, said};
use std::process::Command;

#[test]
fn a_grpc_client_by_reflection() {
    let server = Server::start();
    let script = root().join("tests/python/grpc_client.py");
    let output = Command::new(python()).arg(script).arg(&server.address).output().expect("python runs");
    let text = said(&output);
    assert!(output.status.success(), "{text}\nserver:\n{}", server.log());
    for step in ["reflected", "published", "resolved", "searched", "checked", "streamed", "compared"] {
        assert!(text.lines().any(|line| line == step), "no `{step}` in:\n{text}");
    }
}
