//! What answers HTTP beside gRPC: every file in `cases/http` is a request with what must come back.

use crate::support::{Server, root};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

#[test]
fn http_cases() {
    let server = Server::start();
    let cases = fs::read_dir(root().join("tests/cases/http")).expect("cases");
    let cases =
        cases.map(|case| case.expect("a case").path()).filter(|path| path.extension().is_some_and(|e| e == "txt"));
    let mut count = 0;
    for path in cases {
        let case = fs::read_to_string(&path).expect("a case is text");
        let (request, expected) = case.split_once("\n---\n").expect("a request, ---, an answer");
        let answer = exchange(&server.address, request);
        assert_answer(&path.display().to_string(), expected, &answer);
        count += 1;
    }
    assert!(count >= 7, "only {count} cases were found");
}

/// A page, with its headers.
pub fn page(address: &str, path: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1"))
}

/// Sends a request as a case writes it: `…20000` stands for so many bytes, and the connection is closed afterwards.
pub fn exchange(address: &str, request: &str) -> String {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let mut lines: Vec<String> = head.lines().map(expanded).collect();
    lines.insert(1.min(lines.len()), format!("host: {address}\r\nconnection: close"));
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let sent = format!("{}\r\n\r\n{}", lines.join("\r\n"), body.trim_end());
    stream.write_all(sent.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    // A server that refuses early may reset the connection after its answer.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).replace("\r\n", "\n")
}

fn expanded(line: &str) -> String {
    match line.split_once('…') {
        Some((name, count)) => format!("{name}{}", "x".repeat(count.parse().expect("a count after …"))),
        None => line.into(),
    }
}

fn assert_answer(case: &str, expected: &str, answer: &str) {
    let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
    let (expected_head, expected_body) = expected.split_once("\n\n").unwrap_or((expected, ""));
    let mut expected_head = expected_head.lines();
    let status = expected_head.next().expect("a status");
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{case}: expected {status}, got:\n{answer}");
    for header in expected_head {
        assert!(head.lines().any(|line| line.eq_ignore_ascii_case(header)), "{case}: no `{header}` in:\n{head}");
    }
    let mut rest = body.lines();
    for line in expected_body.lines() {
        assert!(rest.any(|given| fits(line, given)), "{case}: no `{line}` (in this order) in:\n{body}");
    }
}

/// `…` stands for anything.
fn fits(pattern: &str, line: &str) -> bool {
    match pattern.split_once('…') {
        Some((start, end)) => line.len() >= start.len() + end.len() && line.starts_with(start) && line.ends_with(end),
        None => pattern == line,
    }
}
