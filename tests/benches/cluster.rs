//! What do one, two and three servers on one etcd cluster bear?
//!
//! `cargo bench -p guiju-tests --bench cluster -- [--seconds N]`
//!
//! Starts three members of Debian's etcd and the real servers, release build, all on loopback of this machine, so members and servers
//! share its cores. Prints, for each number of servers: publishes/s (durable on two members, acknowledged); look-ups/s that know
//! everything acknowledged before, and look-ups/s that may be a second old, as many as the callers can get; and both once more with
//! each server held to a small part of a core, as if each stood on a small machine of its own, which shows whether servers add up.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod built; // where cargo puts programs
mod served; // a real server

use guiju_proto::registry::{File, Kind, PublishRequest, ResolveRequest, registry_client::RegistryClient};
use served::{METADATA, Server};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use tonic::{Request, transport::Channel};

const CALLERS: usize = 48;
/// Of one core, that each server has where servers are bounded: so little that members, callers and three servers find room beside each
/// other on two.
const PERCENT: u64 = 15;
const PERIOD_US: u64 = 100_000;
const SERIES: u64 = 200;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let at = arguments.iter().position(|argument| argument == "--seconds");
    let seconds = at.and_then(|at| arguments.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(5);
    let (duration, folder) = (Duration::from_secs(seconds), tempfile::tempdir().expect("a temporary folder"));
    let members = Members::start(folder.path()).await;
    println!(
        "| servers | publishes, {CALLERS} at once | look-ups, {CALLERS} at once | the same, a second old at most | each server held to \
         {PERCENT} % of a core: look-ups | the same, a second old at most |"
    );
    println!("|---:|---:|---:|---:|---:|---:|");
    let (mut bounds, mut servers): (Vec<Bound>, Vec<Server>) = Default::default();
    let next = Arc::new(AtomicU64::new(0));
    for count in 1..=3 {
        servers.push(server(folder.path(), count, &members.endpoints).await);
        bounds.push(Bound::of(servers[count - 1].pid()));
        let channels: Vec<Channel> = servers.iter().map(|server| server.channel.clone()).collect();
        if count == 1 {
            publish(&channels, &next, Until::Count(SERIES)).await;
        }
        let published = publish(&channels, &next, Until::Over(duration)).await;
        let fresh = look_ups(&channels, duration, None).await;
        let stale = look_ups(&channels, duration, Some("1000")).await;
        bounds.iter().for_each(|bound| bound.set(Some(PERCENT)));
        let bounded_fresh = look_ups(&channels, duration, None).await;
        let bounded_stale = look_ups(&channels, duration, Some("1000")).await;
        bounds.iter().for_each(|bound| bound.set(None));
        println!(
            "| {count} | {published:.0}/s | {fresh:.0}/s | {stale:.0}/s | {bounded_fresh:.0}/s | {bounded_stale:.0}/s |"
        );
    }
    drop(servers);
    drop(bounds);
}

struct Members {
    children: Vec<Child>,
    endpoints: String,
}

impl Members {
    async fn start(folder: &Path) -> Self {
        let ports: Vec<(u16, u16)> = (0..3).map(|_| (free_port(), free_port())).collect();
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let all = ports.iter().enumerate().map(|(number, (_, peer))| format!("m{number}={}", url(*peer)));
        let all = all.collect::<Vec<_>>().join(",");
        let start = |(number, (client, peer)): (usize, &(u16, u16))| {
            let mut command = Command::new("etcd");
            command.args(["--name", &format!("m{number}"), "--initial-cluster", &all, "--data-dir"]);
            command.arg(folder.join(format!("etcd-{number}")));
            command.args(["--listen-client-urls", &url(*client), "--advertise-client-urls", &url(*client)]);
            command.args(["--listen-peer-urls", &url(*peer), "--initial-advertise-peer-urls", &url(*peer)]);
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            child.expect("etcd is installed: `bash tests/run` installs it")
        };
        let children = ports.iter().enumerate().map(start).collect();
        let endpoints = ports.iter().map(|(client, _)| url(*client)).collect::<Vec<_>>().join(",");
        Self { children, endpoints }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// One more server of the cluster, with the key of the first.
async fn server(folder: &Path, number: usize, endpoints: &str) -> Server {
    let home = |number: usize| folder.join(format!("server-{number}"));
    let key = |number: usize| home(number).join("registry/log-key");
    std::fs::create_dir_all(home(number)).expect("a folder");
    if number > 1 {
        std::fs::create_dir_all(key(number)).expect("a folder");
        for file in std::fs::read_dir(key(1)).expect("a key").flatten() {
            std::fs::copy(file.path(), key(number).join(file.file_name())).expect("copied");
        }
    }
    let flags = ["--engine", "etcd", "--etcd-timeout", "60s", "--etcd-endpoints", endpoints];
    Server::start_with(&home(number), &flags).await
}

fn request(number: u64) -> PublishRequest {
    let schema = format!(
        r#"{{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Bench {number}","x-guiju":{{"vocabulary":"1","titleZh":"基准"}},"type":"object","properties":{{"id":{{"type":"string","maxLength":36,"title":"Identifier","x-guiju":{{"titleZh":"标识"}}}}}},"required":["id"],"additionalProperties":false}}"#
    );
    PublishRequest {
        operation_id: format!("bench-{number}"),
        standard: format!("bench.load/s{number}"),
        version: "1.0.0".into(),
        kind: Kind::Record.into(),
        metadata_toml: METADATA.into(),
        files: vec![File { path: "schema.json".into(), content: schema.into_bytes().into() }],
        ..Default::default()
    }
}

#[derive(Clone, Copy)]
enum Until {
    Over(Duration),
    Count(u64),
}

async fn publish(channels: &[Channel], next: &Arc<AtomicU64>, until: Until) -> f64 {
    let (begin, from) = (Instant::now(), next.load(Relaxed));
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        let (mut client, next) = (RegistryClient::new(channels[caller % channels.len()].clone()), Arc::clone(next));
        tasks.spawn(async move {
            while match until {
                Until::Over(duration) => begin.elapsed() < duration,
                Until::Count(count) => next.load(Relaxed) < count,
            } {
                client.publish(request(next.fetch_add(1, Relaxed))).await.expect("a version is published");
            }
        });
    }
    tasks.join_all().await;
    (next.load(Relaxed) - from) as f64 / begin.elapsed().as_secs_f64()
}

fn question(number: u64, staleness_max_ms: Option<&'static str>) -> Request<ResolveRequest> {
    let mut request = Request::new(ResolveRequest {
        reference: format!("bench.load/s{}@=1.0.0", number % SERIES),
        ..Default::default()
    });
    if let Some(max) = staleness_max_ms {
        request.metadata_mut().insert("guiju-max-staleness-ms", tonic::metadata::MetadataValue::from_static(max));
    }
    request
}

/// Each caller asks again as soon as it is answered.
async fn look_ups(channels: &[Channel], duration: Duration, staleness_max_ms: Option<&'static str>) -> f64 {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        let mut client = RegistryClient::new(channels[caller % channels.len()].clone());
        tasks.spawn(async move {
            let mut count = 0;
            while begin.elapsed() < duration {
                client.resolve(question(count * 7 + caller as u64, staleness_max_ms)).await.expect("it is there");
                count += 1;
            }
            count
        });
    }
    tasks.join_all().await.into_iter().sum::<u64>() as f64 / begin.elapsed().as_secs_f64()
}

/// What of a core a server may have, by the control groups of the system.
struct Bound {
    folder: PathBuf,
    is_v2: bool,
}

impl Bound {
    fn of(pid: u32) -> Self {
        let v1 = Path::new("/sys/fs/cgroup/cpu");
        let is_v2 = !v1.join("cpu.cfs_quota_us").exists();
        let root = if is_v2 { Path::new("/sys/fs/cgroup") } else { v1 };
        let folder = root.join(format!("guiju-bench-{pid}"));
        let why = "this bench bounds servers by control groups: run it as root, where /sys/fs/cgroup can be written";
        if is_v2 {
            std::fs::write(root.join("cgroup.subtree_control"), "+cpu").expect(why);
        }
        std::fs::create_dir(&folder).expect(why);
        std::fs::write(folder.join("cgroup.procs"), pid.to_string()).expect(why);
        Self { folder, is_v2 }
    }

    fn set(&self, percent: Option<u64>) {
        let quota = percent.map(|percent| PERIOD_US * percent / 100);
        let (file, text) = match self.is_v2 {
            true => ("cpu.max", format!("{} {PERIOD_US}", quota.map_or("max".to_owned(), |quota| quota.to_string()))),
            false => ("cpu.cfs_quota_us", quota.map_or("-1".to_owned(), |quota| quota.to_string())),
        };
        std::fs::write(self.folder.join(file), text).expect("a bound");
    }
}

impl Drop for Bound {
    /// Behind the server, which is in it.
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.folder);
    }
}
