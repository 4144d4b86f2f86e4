//! Witnesses and changes of key, from the settings of servers to the policy of a client.

use crate::{
    server::certificate,
    support::{Server, said, server_command},
    verify::{expect, publish, run},
};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
};

pub fn key(server: &Server, name: &str) -> String {
    fs::read_to_string(server.folder.path().join("data").join(name)).expect(name).trim_end().to_owned()
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A witness of the logs with these keys, in a folder that may be one already.
pub fn witness(name: &str, folder: tempfile::TempDir, logs: &[&str]) -> Server {
    let path = folder.path().join("logs");
    let logs: String = logs.iter().map(|key| format!("log {key}\n")).collect();
    fs::write(&path, format!("{logs}quorum none\n")).expect("written");
    Server::start_in(folder, &["--witness-name", name, "--witness-logs", text(&path)])
}

/// What a log and its clients agree on: both witnesses must have cosigned.
fn policy(first: &str, witnesses: &[&Server; 2]) -> String {
    let [one, two] = witnesses.map(|witness| format!("{} {}", key(witness, "witness/public"), witness.url()));
    format!("log {first}\nwitness one {one}\nwitness two {two}\ngroup both 2 one two\nquorum both\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_cosign_one_history_and_clients_can_ask_for_it() {
    let log = Server::start();
    publish(&log, &[("a", 1)]).await;
    let first = key(&log, "log-key/first");
    let (folder, forger) = (log.kill(), tempfile::tempdir().expect("a folder"));
    let copied = Command::new("cp").arg("-r").args([folder.path().join("data"), forger.path().join("data")]).status();
    assert!(copied.is_ok_and(|status| status.success()));
    let [one, two] = ["one.example.org", "two.example.org"]
        .map(|name| witness(name, tempfile::tempdir().expect("a folder"), &[&first]));
    let project = tempfile::tempdir().expect("a folder");
    let (project, path) = (project.path(), project.path().join("policy"));
    fs::write(&path, policy(&first, &[&one, &two])).expect("written");
    let flags = ["--witnesses", text(&path)];
    let log = Server::start_in(folder, &flags);
    let asks = |command: &'static str| [command, "--log-policy", text(&path)];
    expect(&run(project, &log.url(), &["lock", "bj.test/a@^1", "--log-policy", text(&path)]), 0, &["wrote"]);
    publish(&log, &[("b", 1)]).await;
    expect(&run(project, &log.url(), &asks("verify")), 0, &["entry 0", "with 2 entries"]);

    // Another history from the first entry on, by who has the log's data and key: a client that has seen nothing since its
    // lock was written cannot tell, the witnesses do.
    let forger = Server::start_in(forger, &flags);
    publish(&forger, &[("x", 1), ("y", 1)]).await;
    expect(&run(project, &forger.url(), &["verify", "--cache", "elsewhere"]), 0, &["with 3 entries"]);
    expect(&run(project, &forger.url(), &["verify"]), 1, &["the log is rewritten", "2 entries with the root"]);
    let unwitnessed = "too few witnesses have cosigned the checkpoint: none did";
    expect(&run(project, &forger.url(), &asks("verify")), 1, &[unwitnessed]);
    let refused = "the proof does not show that the log begins with what this witness has seen";
    assert_eq!(forger.log().matches(refused).count(), 2, "{}", forger.log());
    drop(forger);

    // A witness that is away is missed by those who ask for it.
    let two = two.kill();
    publish(&log, &[("c", 1)]).await;
    expect(&run(project, &log.url(), &asks("verify")), 1, &["too few witnesses have cosigned the checkpoint: one did"]);
    expect(&run(project, &log.url(), &["verify"]), 0, &["with 3 entries"]);

    // The log changes its key. Witnesses are told of it, clients follow by themselves.
    let folder = log.kill();
    let data = folder.path().join("data");
    let rotated = said(&server_command(&["rotate-key", "--data"]).arg(&data).output().expect("it runs"));
    let second = rotated.lines().nth(1).expect("the new key").to_owned();
    let one = witness("one.example.org", one.kill(), &[&first, &second]);
    let two = witness("two.example.org", two, &[&first, &second]);
    fs::write(&path, policy(&first, &[&one, &two])).expect("written");
    let log = Server::start_in(folder, &flags);
    publish(&log, &[("d", 1)]).await;
    expect(&run(project, &log.url(), &asks("verify")), 0, &["with 4 entries"]);
    expect(&run(project, &log.url(), &["lock", "bj.test/a@^1", "bj.test/d@^1"]), 0, &["wrote"]);
    let lock = fs::read_to_string(project.join("guiju.lock")).expect("a lock");
    assert!(lock.contains(&format!("log {first} 4 ")) && lock.contains(&format!("= 3 {second}\n")), "{lock}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_kept_offline_endorses_each_change_of_key() {
    let log = Server::start();
    publish(&log, &[("a", 1)]).await;
    let (folder, project) = (log.kill(), tempfile::tempdir().expect("a folder"));
    let (data, project, secret) = (folder.path().join("data"), project.path(), project.path().join("root-key"));
    let does = |arguments: &[&str]| {
        let output = server_command(arguments).output().expect("it runs");
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    let made = does(&["make-key", "--name", "root.example.org", "--key", text(&secret)]);
    let root = made.lines().nth(1).expect("a key").to_owned();
    let again = server_command(&["make-key", "--name", "x", "--key", text(&secret)]).output().expect("it runs");
    assert!(again.status.code() == Some(2) && said(&again).contains("is there already"), "{}", said(&again));
    does(&["rotate-key", "--data", text(&data)]);
    let log = Server::start_in(folder, &[]);
    let asks = ["lock", "bj.test/a@^1", "--log-root-key", &root];
    expect(&run(project, &log.url(), &asks), 2, &["rotation 1 is not signed by the root key"]);
    let folder = log.kill();
    let endorsed = does(&["endorse", "--key", text(&secret), "--rotation", text(&data.join("log-key/rotation-1"))]);
    assert!(endorsed.starts_with("endorsed: from 1 entries on, guiju-log/"), "{endorsed}");
    let log = Server::start_in(folder, &[]);
    expect(&run(project, &log.url(), &asks), 0, &["wrote"]);
}

/// As a stranger may ask, over plain HTTP.
#[test]
fn a_witness_refuses_what_it_cannot_cosign() {
    let log = Server::start();
    let first = key(&log, "log-key/first");
    let witness = witness("w.example.org", tempfile::tempdir().expect("a folder"), &[&first]);
    let (_, checkpoint) = ask(&log, "GET", "/checkpoint", "");
    let asks = |body: &str| ask(&witness, "POST", "/add-checkpoint", body);
    let asked = format!("old 0\n\n{checkpoint}");
    let (status, line) = asks(&asked);
    assert!(status == 200 && line.starts_with("— w.example.org ") && line.ends_with("=\n"), "{status} {line}");
    let stranger = asked.replace("guiju-log/", "other-log/");
    let unsigned = asked.replacen("\n0\n", "\n1\n", 1);
    let (unproved, ahead) = (asked.replacen("old 0\n", &format!("old 0\n{}\n", "A".repeat(43) + "="), 1), "old 1\n\n");
    for (body, expected, why) in [
        ("old", 400, "there is no empty line"),
        (&stranger, 404, "this witness knows no log `other-log/"),
        (&unsigned, 403, "the text was changed, or the signature forged"),
        (&unproved, 422, "does not show that the log begins with"),
        (&format!("{ahead}{checkpoint}"), 400, "the old size is larger"),
    ] {
        let (status, answer) = asks(body);
        assert!(status == expected && answer.contains(why), "{status} {answer}");
    }
    assert_eq!(ask(&log, "POST", "/add-checkpoint", &asked).0, 404, "not a witness");
    assert_eq!(asks(&"x".repeat(200 << 10)).0, 413);
}

#[test]
fn a_witness_is_asked_over_tls_by_those_who_know_its_authority() {
    let log = Server::start();
    let first = key(&log, "log-key/first");
    let (folder, theirs) = (log.kill(), tempfile::tempdir().expect("a folder"));
    let (certificate, secret) = certificate(&theirs);
    let logs = theirs.path().join("logs");
    fs::write(&logs, format!("log {first}\nquorum none\n")).expect("written");
    let names = ["--witness-name", "w.example.org", "--witness-logs", text(&logs)];
    let tls = ["--tls-certificate", &certificate, "--tls-key", &secret];
    let witness = Server::start_in(theirs, &[names, tls].concat());
    let policy = folder.path().join("policy");
    let address = witness.url().replace("http://127.0.0.1", "https://localhost");
    let line = format!("witness w {} {address}\nquorum w\n", key(&witness, "witness/public"));
    fs::write(&policy, line).expect("written");
    let cosigned = |server: &Server| ask(server, "GET", "/checkpoint", "").1.contains("\n— w.example.org ");
    let log = Server::start_in(folder, &["--witnesses", text(&policy)]);
    assert!(!cosigned(&log) && log.log().contains("not cosigned"), "{}", log.log());
    let log = Server::start_in(log.kill(), &["--witnesses", text(&policy), "--witnesses-authority", &certificate]);
    assert!(cosigned(&log), "{}", log.log());
}

pub fn ask(server: &Server, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&server.address).expect("connected");
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}", body.len());
    // A server that has refused may not read on.
    let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{answer}"));
    (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

#[test]
fn what_a_witness_cannot_do_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("file"));
    let log = "log example.org/log+8f13f9e4+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\nquorum none\n";
    for (setting, content, more, why) in [
        ("--witness-logs", "quorum none\n", [].as_slice(), "names no log"),
        ("--witness-logs", log, &[], "a new witness needs a name"),
        ("--witness-logs", log, &["--witness-name", "a b"], "is no name for a key"),
        ("--witness-logs", log, &["--engine", "memory"], "a witness must remember"),
        ("--witness-logs", "guess\n", &[], "line 1 of the policy"),
        ("--witnesses", "witness w example.org/w+3c0e1e2a+BA\nquorum none\n", &[], "line 1 of the policy"),
    ] {
        fs::write(&file, content).expect("written");
        let mut command =
            server_command(&["serve", "--listen", "127.0.0.1:0", setting, text(&file), "--data", text(&data)]);
        let output = command.args(more).output().expect("it runs");
        assert!(output.status.code() == Some(2) && said(&output).contains(why), "{why}: {}", said(&output));
    }
}
