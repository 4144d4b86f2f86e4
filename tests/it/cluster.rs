//! Real etcd members for tests: processes of Debian's package, each with a folder of its own.

use crate::support::signal;
use guiju_server::log::EtcdOptions;
use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// One member. It is killed when this is dropped.
pub struct Node {
    child: Option<Child>,
    pub name: String,
    pub client_url: String,
    peer_url: String,
    folder: TempDir,
    /// What starts a program where the member lives: nothing, or `ip netns exec` and a name.
    starter: Vec<String>,
    arguments: Vec<String>,
}

impl Node {
    /// A cluster of one, on loopback.
    pub fn single() -> Self {
        Self::single_with("http", &[])
    }

    pub fn single_with(scheme: &str, arguments: &[&str]) -> Self {
        let [client, peer] = free_ports();
        let client = format!("{scheme}://127.0.0.1:{client}");
        let mut node = Self::new("one", client, format!("http://127.0.0.1:{peer}"), &[]);
        node.with(arguments);
        node.start(&node.member());
        node.await_health();
        node
    }

    /// A member that does not run yet.
    pub fn new(name: &str, client_url: String, peer_url: String, starter: &[&str]) -> Self {
        let starter = starter.iter().map(|word| (*word).to_owned()).collect();
        let folder = tempfile::tempdir().expect("a folder");
        Self { child: None, name: name.into(), client_url, peer_url, folder, starter, arguments: Vec::new() }
    }

    /// More arguments, before it is started.
    pub fn with(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    }

    /// As the list of a cluster's members names it.
    pub fn member(&self) -> String {
        format!("{}={}", self.name, self.peer_url)
    }

    /// Starts it for the first time, or again on what it has kept.
    pub fn start(&mut self, members: &str) {
        let log = self.folder.path().join("etcd.log");
        let log = fs::File::options().create(true).append(true).open(log).expect("a log file");
        let mut words = self.starter.clone();
        words.push("etcd".into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["--name", &self.name, "--data-dir"]).arg(self.folder.path().join("data"));
        command.args(["--listen-client-urls", &self.client_url, "--advertise-client-urls", &self.client_url]);
        command.args(["--listen-peer-urls", &self.peer_url, "--initial-advertise-peer-urls", &self.peer_url]);
        command.args(["--initial-cluster", members, "--initial-cluster-token", "guiju"]).args(&self.arguments);
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.expect("etcd is installed: `bash tests/run` installs it"));
    }

    pub fn await_health(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while !self.ctl(&["get", "none"]).status.success() {
            assert!(Instant::now() < until, "etcd did not come up:\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("etcd.log")).unwrap_or_default()
    }

    /// `etcdctl` with this member.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.client_url, "--command-timeout", "3s"]);
        command.args(arguments).output().expect("etcdctl is installed: `bash tests/run` installs it")
    }

    /// The same, which must succeed.
    pub fn told(&self, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// kill -9. What it has kept stays.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn pause(&self) {
        signal("STOP", self.pid());
    }

    pub fn resume(&self) {
        signal("CONT", self.pid());
    }

    /// With this member alone.
    pub fn options(&self, prefix: &str) -> EtcdOptions {
        options(vec![self.client_url.clone()], prefix)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn options(endpoints: Vec<String>, prefix: &str) -> EtcdOptions {
    EtcdOptions {
        endpoints,
        prefix: prefix.into(),
        authority: None,
        identity: None,
        user: None,
        try_timeout: Duration::from_millis(1500),
        timeout: Duration::from_secs(20),
    }
}

/// Ports that nobody had a moment ago.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}
