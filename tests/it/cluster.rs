//! Real etcd members for tests: processes of Debian's package, each with a folder of its own.

use crate::support::signal;
use guiju_server::log::EtcdOptions;
use std::{
    fs,
    net::{Shutdown, TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
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

/// Stands between a server and a member, and can cut that one server off while others go on.
pub struct Relay {
    port: u16,
    ways: Arc<Mutex<Ways>>,
}

#[derive(Default)]
struct Ways {
    is_cut: bool,
    open: Vec<TcpStream>,
}

impl Relay {
    pub fn start(member: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let ways: Arc<Mutex<Ways>> = Arc::default();
        let (shared, target) = (ways.clone(), member.trim_start_matches("http://").to_owned());
        thread::spawn(move || {
            for here in listener.incoming().flatten() {
                let mut ways = shared.lock().expect("whole");
                let Some(there) = Some(&target).filter(|_| !ways.is_cut).and_then(|at| TcpStream::connect(at).ok())
                else {
                    continue;
                };
                for (from, to) in [(&here, &there), (&there, &here)] {
                    let (mut from, mut to) = (from.try_clone().expect("a copy"), to.try_clone().expect("a copy"));
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                ways.open.extend([here, there]);
            }
        });
        Self { port, ways }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn cut(&self) {
        let mut ways = self.ways.lock().expect("whole");
        ways.is_cut = true;
        for way in ways.open.drain(..) {
            let _ = way.shutdown(Shutdown::Both);
        }
    }

    pub fn join(&self) {
        self.ways.lock().expect("whole").is_cut = false;
    }
}

/// Ports that nobody had a moment ago.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

/// Three members, each in a network namespace of its own. They reach each other over a bridge, and are reached from here over a
/// link of their own, so that one that is cut off from the others still answers those who ask it.
pub struct Cluster {
    pub nodes: Vec<Node>,
    network: Network,
}

struct Network {
    /// Before the names of all that is made here.
    name: String,
    subnet: u32,
}

impl Network {
    fn new(members: u32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let process = std::process::id();
        let network = Self {
            name: format!("gj{process}x{}", COUNT.fetch_add(1, Relaxed)),
            subnet: 20 + (process + COUNT.load(Relaxed)) % 200,
        };
        let bridge = network.bridge();
        network.ip(&format!("netns add {bridge}"));
        network.ip(&format!("-n {bridge} link add br0 type bridge"));
        network.ip(&format!("-n {bridge} link set br0 up"));
        for member in 1..=members {
            let (space, outer, Self { name, subnet, .. }) = (network.space(member), network.outer(member), &network);
            network.ip(&format!("netns add {space}"));
            network.ip(&format!("-n {space} link set lo up"));
            network.ip(&format!("link add peers netns {space} type veth peer name m{member} netns {bridge}"));
            network.ip(&format!("-n {bridge} link set m{member} master br0 up"));
            network.ip(&format!("-n {space} addr add 10.{subnet}.0.{member}/24 dev peers"));
            network.ip(&format!("-n {space} link set peers up"));
            network.ip(&format!("link add clients netns {space} type veth peer name {outer}"));
            network.ip(&format!("addr add 10.{subnet}.{member}.1/30 dev {outer}"));
            network.ip(&format!("link set {outer} up"));
            network.ip(&format!("-n {space} addr add 10.{subnet}.{member}.2/30 dev clients"));
            network.ip(&format!("-n {space} link set clients up"));
            assert!(name.len() < 14, "the system bounds the names of links");
        }
        network
    }

    fn bridge(&self) -> String {
        format!("{}b", self.name)
    }

    fn space(&self, member: u32) -> String {
        format!("{}n{member}", self.name)
    }

    fn outer(&self, member: u32) -> String {
        format!("{}{member}", self.name)
    }

    fn ip(&self, arguments: &str) {
        let output =
            Command::new("ip").args(arguments.split(' ')).output().expect("`bash tests/run` installs iproute2");
        assert!(
            output.status.success(),
            "`ip {arguments}`: {}; this test cuts members off by network namespaces, so it runs as root where those can be made",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let list = Command::new("ip").args(["netns", "list"]).output().map(|output| output.stdout).unwrap_or_default();
        let ours = String::from_utf8_lossy(&list).into_owned();
        let ours = ours.lines().filter_map(|line| line.split(' ').next()).filter(|name| name.starts_with(&self.name));
        for space in ours {
            let _ = Command::new("ip").args(["netns", "del", space]).status();
        }
    }
}

impl Cluster {
    pub fn start() -> Self {
        let network = Network::new(3);
        let node = |member: u32| {
            let (subnet, space) = (network.subnet, network.space(member));
            Node::new(
                &format!("m{member}"),
                format!("http://10.{subnet}.{member}.2:2379"),
                format!("http://10.{subnet}.0.{member}:2380"),
                &["ip", "netns", "exec", &space],
            )
        };
        let nodes = (1..=3).map(node).collect();
        let mut cluster = Self { nodes, network };
        cluster.start_all();
        cluster
    }

    fn members(&self) -> String {
        self.nodes.iter().map(Node::member).collect::<Vec<_>>().join(",")
    }

    pub fn endpoints(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.client_url.clone()).collect()
    }

    pub fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.start_again(node));
        self.await_health();
    }

    /// All members answer what only a majority can.
    pub fn await_health(&self) {
        self.nodes.iter().for_each(Node::await_health);
    }

    pub fn start_again(&mut self, node: usize) {
        let members = self.members();
        self.nodes[node].start(&members);
    }

    /// The member that leads.
    pub fn leader(&self) -> usize {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            for (number, node) in self.nodes.iter().enumerate() {
                let status = node.ctl(&["endpoint", "status", "-w", "fields"]);
                let text = String::from_utf8_lossy(&status.stdout).into_owned();
                let field = |name: &str| {
                    let prefix = format!("\"{name}\" : ");
                    text.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
                };
                if field("Leader").is_some() && field("Leader") == field("MemberID") {
                    return number;
                }
            }
            assert!(Instant::now() < until, "no member leads");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Cuts a member off from the others. Those who ask it still reach it.
    pub fn cut_off(&self, node: usize) {
        self.network.ip(&format!("-n {} link set m{} down", self.network.bridge(), node + 1));
    }

    pub fn join_again(&self, node: usize) {
        self.network.ip(&format!("-n {} link set m{} up", self.network.bridge(), node + 1));
    }
}
