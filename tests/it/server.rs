//! The server program from outside: settings, start and stop, TLS.

use crate::support::{self, Server, expect_file, root, said, server_command};
use std::{fs, net::TcpListener, process::Command};

#[test]
fn reference_pages_are_made_from_the_code() {
    expect_file(&root().join("docs/reference/settings.md"), &guiju_server::settings::page());
    expect_file(&root().join("docs/reference/errors.md"), &guiju_server::status::page());
}

/// Flag over environment over file over default, each value with its source.
#[test]
fn settings_have_an_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("server.toml");
    fs::write(&file, "listen = \"127.0.0.1:1\"\nconnections_max = 7\nlog_level = \"warn\"\n").expect("written");
    let mut command = server_command(&["settings", "--listen", "127.0.0.1:3", "--config"]);
    let output = command.arg(&file).env("GUIJU_LISTEN", "127.0.0.1:2").env("GUIJU_CONNECTIONS_MAX", "8").output();
    let text = said(&output.expect("it runs"));
    let line = |key: &str| text.lines().find(|line| line.starts_with(&format!("{key} ="))).unwrap_or(key).to_owned();
    assert_eq!(line("listen"), "listen = \"127.0.0.1:3\"  # --listen");
    assert_eq!(line("connections_max"), "connections_max = \"8\"  # GUIJU_CONNECTIONS_MAX");
    assert_eq!(line("log_level"), format!("log_level = \"warn\"  # `log_level` in {}", file.display()));
    assert_eq!(line("data"), "data = \"guiju-data\"  # default");
    let told = refuses(server_command(&["settings"]).env("GUIJU_LISTEN", "zzz"));
    assert!(told.contains("GUIJU_LISTEN") && told.contains("zzz"), "{told}");
}

/// Runs `serve` with what must be refused.
pub fn refused_in_one_line(arguments: &[&str]) -> String {
    refuses(server_command(&["serve"]).args(arguments))
}

/// The line that a refused command gives: that, a hint, and exit code 2.
pub fn refuses(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{command:?}: {text}");
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains(" INFO ") && !line.contains(" WARN ")).collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("error: ") && lines[1].starts_with("hint: "),
        "{command:?} must give one line and a hint, gave:\n{text}"
    );
    lines[0].into()
}

#[test]
fn what_cannot_be_served_is_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let data = path("data");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("unknown.toml", "lisen = \"127.0.0.1:0\"\n");
    write("nested.toml", "listen = [1]\n");
    write("broken.toml", "listen = \n");
    write("not.pem", "hello\n");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let (certificate, key) = certificate(&folder);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let (other, _) = self::certificate(&elsewhere);
    for (arguments, expected) in [
        (vec!["--listen", "0.0.0.0:0"], "is not a loopback address and TLS is off"),
        (vec!["--listen", "0.0.0.0:0", "--insecure"], "nobody holds a role in this registry, and whoever reaches"),
        (vec!["--tls-client-authority", &certificate], "`tls_client_authority` is of no use without TLS"),
        (vec!["--issuers", &path("none.toml")], "`issuers`: "),
        (vec!["--listen", "localhost"], "--listen: `localhost` is not usable: write an IP address and a port"),
        (vec!["--message-bytes-max", "0"], "--message-bytes-max: `0` is not usable: write a whole number from 1"),
        (vec!["--request-timeout", "30"], "--request-timeout: `30` is not usable: write a whole number and a unit"),
        (vec!["--request-timeout", "25h"], "it must lie between 1ms and 24h"),
        (vec!["--engine", "paper"], "write journal, etcd or memory"),
        (vec!["--engine", "etcd"], "`etcd_endpoints` names no member"),
        (vec!["--config", &path("none.toml")], "cannot be read: No such file"),
        (vec!["--config", &path("unknown.toml")], "there is no setting `lisen`; did you mean `listen`?"),
        (vec!["--config", &path("nested.toml")], "write a string, a whole number, true or false"),
        (vec!["--config", &path("broken.toml")], "broken.toml cannot be read: line 1: "),
        (vec!["--listen", &taken], "cannot listen on 127.0.0.1:"),
        (vec!["--tls-key", &key], "`tls_certificate` and `tls_key` go together; `tls_certificate` is missing"),
        (vec!["--tls-certificate", &path("no.pem"), "--tls-key", &key], "the TLS certificate"),
        (vec!["--tls-certificate", &certificate, "--tls-key", &path("no.pem")], "the TLS key"),
        (vec!["--tls-certificate", &path("not.pem"), "--tls-key", &key], "it holds no certificate in PEM"),
        (vec!["--tls-certificate", &certificate, "--tls-key", &path("not.pem")], "the TLS key"),
        (vec!["--tls-certificate", &other, "--tls-key", &key], "the TLS key"),
        (vec!["--address-file", &path("no/where")], "cannot be written"),
    ] {
        let line = refused_in_one_line(&[&["--listen", "127.0.0.1:0", "--data", &data], arguments.as_slice()].concat());
        assert!(line.contains(expected), "{arguments:?}: expected `{expected}` in:\n{line}");
    }
}

/// A self-signed certificate for localhost and its key, as files.
pub fn certificate(folder: &tempfile::TempDir) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).expect("a certificate");
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).expect("written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    (certificate.display().to_string(), key.display().to_string())
}

#[test]
fn sigterm_and_sigint_end_it_cleanly() {
    for name in ["TERM", "INT"] {
        let server = Server::start();
        support::signal(name, server.pid());
        let (status, folder) = server.ended();
        let log = fs::read_to_string(folder.path().join("server.log")).expect("a log");
        assert!(status.success(), "{name}: {status}\n{log}");
        assert!(log.contains("stopped"), "{log}");
    }
}

#[test]
fn a_killed_server_leaves_nothing_that_stops_the_next() {
    let server = Server::start();
    let folder = server.kill();
    let (status, _folder) = Server::start_in(folder, &[]).stop();
    assert!(status.success(), "{status}");
}

#[test]
fn both_programs_say_their_version() {
    for program in [support::guiju(), support::guiju_server()] {
        let output = Command::new(&program).arg("--version").output().expect("it runs");
        assert!(said(&output).ends_with(concat!(env!("CARGO_PKG_VERSION"), "\n")), "{}: {output:?}", program.display());
    }
}
