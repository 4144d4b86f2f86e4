//! What does a registry on the embedded store bear?
//!
//! `cargo bench -p guiju-tests --bench server -- [--versions N] [--seconds N]`
//!
//! Starts the real server, release build, on loopback; prints publishes/s (durable, acknowledged) with 1, 16 and 64
//! publishers, look-ups/s with p50 and p99, unary checks/s, streamed records/s, and, empty and with N versions, the time
//! from start to first answer and resident memory.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod built; // where cargo puts programs

use guiju_proto::{
    conformance::{
        CheckRequest, CheckStreamHeader, CheckStreamRequest, check_stream_request, check_stream_response,
        conformance_client::ConformanceClient,
    },
    registry::{File, Kind, PublishRequest, ResolveRequest, registry_client::RegistryClient},
};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tonic::transport::Channel;

const METADATA: &str = r#"
kind = "record"
domain = "common"
title_zh = "基准"
title_en = "Bench"
abstract = "只用于测量"
abstract_en = "Only for measuring"
owner = "bench"
steward = "bench"
registration_authority = "bench"
share_class = "1"
open = false
security_level = "S2"
update_cycle = "D"
"#;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (versions, seconds) = (number("--versions", 2_000), number("--seconds", 2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("| question | answer |\n|---|---:|");
    let server = Server::start(folder.path()).await;
    println!("| start to first answer, empty | {:.0} ms |", server.started_in.as_secs_f64() * 1e3);
    println!("| resident memory, empty | {} MiB |", server.resident_mib());
    let next = Arc::new(AtomicU64::new(0));
    let after = Stop::After(Duration::from_secs(seconds));
    let firsts = Arc::new(AtomicU64::new(0));
    for publishers in [1, 16, 64] {
        let rate = publish(&server, publishers, after, &firsts, first).await;
        println!("| durable publishes of first versions, {publishers} at once | {rate:.0}/s |");
    }
    for publishers in [1, 16, 64] {
        let rate = publish(&server, publishers, after, &next, request).await;
        println!(
            "| of versions in series, nine in ten compared with the one before, {publishers} at once | {rate:.0}/s |"
        );
    }
    publish(&server, 64, Stop::At(versions), &next, request).await;
    let held = next.load(Relaxed);
    for callers in [4, 16] {
        look_ups(&server, callers, held, Duration::from_secs(seconds)).await;
    }
    checks(&server, Duration::from_secs(seconds)).await;
    println!("| resident memory, {held} versions, after all that | {} MiB |", server.resident_mib());
    drop(server);
    let server = Server::start(folder.path()).await;
    println!("| start to first answer, {held} versions | {:.0} ms |", server.started_in.as_secs_f64() * 1e3);
    println!("| resident memory, {held} versions, just started | {} MiB |", server.resident_mib());
}

struct Server {
    child: Child,
    channel: Channel,
    started_in: Duration,
}

impl Server {
    async fn start(data: &Path) -> Self {
        let program = built::built("guiju-server", "guiju-server");
        let address_file = data.join("address");
        let _ = std::fs::remove_file(&address_file);
        let begin = Instant::now();
        let child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--data"])
            .arg(data.join("registry"))
            .arg("--address-file")
            .arg(&address_file)
            .stdout(Stdio::null())
            .spawn()
            .expect("the server starts");
        let address = loop {
            match std::fs::read_to_string(&address_file) {
                Ok(address) if !address.trim().is_empty() => break address.trim().to_owned(),
                _ if begin.elapsed() > Duration::from_secs(120) => panic!("the server did not start"),
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        let channel = Channel::from_shared(format!("http://{address}")).expect("an address").connect().await;
        let channel = channel.expect("the server answers");
        let _ = RegistryClient::new(channel.clone())
            .resolve(ResolveRequest { reference: "a/b".into(), as_of: String::new() })
            .await;
        Self { child, channel, started_in: begin.elapsed() }
    }

    fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy)]
enum Stop {
    After(Duration),
    At(u64),
}

/// Ten versions a standard, so that many standards and many versions both grow; each admits more than the one before.
fn request(number: u64) -> PublishRequest {
    let schema = format!(
        r#"{{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Bench {number}","x-guiju":{{"vocabulary":"1","titleZh":"基准"}},"type":"object","properties":{{"id":{{"type":"string","maxLength":36,"title":"Identifier","x-guiju":{{"titleZh":"标识"}}}},"value":{{"type":"integer","minimum":-{number}}}}},"required":["id"],"additionalProperties":false}}"#
    );
    PublishRequest {
        operation_id: format!("bench-{number}"),
        standard: format!("bench.load/s{}", number / 10),
        version: format!("1.{}.0", number % 10),
        kind: Kind::Record.into(),
        metadata_toml: METADATA.into(),
        files: vec![File { path: "schema.json".into(), content: schema.into_bytes().into() }],
        dry_run: false,
        ..Default::default()
    }
}

/// The first version of a standard of its own.
fn first(number: u64) -> PublishRequest {
    PublishRequest {
        operation_id: format!("first-{number}"),
        standard: format!("bench.first/s{number}"),
        version: "1.0.0".into(),
        ..request(number)
    }
}

async fn publish(
    server: &Server,
    publishers: usize,
    stop: Stop,
    next: &Arc<AtomicU64>,
    request: fn(u64) -> PublishRequest,
) -> f64 {
    let (begin, from) = (Instant::now(), next.load(Relaxed));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..publishers {
        let (mut client, next) = (RegistryClient::new(server.channel.clone()), Arc::clone(next));
        tasks.spawn(async move {
            loop {
                let done = match stop {
                    Stop::After(duration) => begin.elapsed() >= duration,
                    Stop::At(versions) => next.load(Relaxed) >= versions,
                };
                if done {
                    return;
                }
                // A publisher takes the ten versions of one standard in order.
                let number = next.fetch_add(10, Relaxed);
                for number in number..number + 10 {
                    client.publish(request(number)).await.expect("a version is published");
                }
            }
        });
    }
    tasks.join_all().await;
    (next.load(Relaxed) - from) as f64 / begin.elapsed().as_secs_f64()
}

/// Each caller asks again as soon as it is answered; every tenth asks for a range, the others for one exact version.
async fn look_ups(server: &Server, callers: u64, versions: u64, duration: Duration) {
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..callers {
        let mut client = RegistryClient::new(server.channel.clone());
        tasks.spawn(async move {
            let mut number = worker * 7_919;
            let mut times = Vec::new();
            while begin.elapsed() < duration {
                number = (number + 104_729) % versions;
                let requirement = if times.len() % 10 == 0 { "^" } else { "=" };
                let reference = format!("bench.load/s{}@{requirement}1.{}.0", number / 10, number % 10);
                let asked = Instant::now();
                client.resolve(ResolveRequest { reference, as_of: String::new() }).await.expect("the version is there");
                times.push(asked.elapsed());
            }
            times
        });
    }
    let mut times: Vec<Duration> = tasks.join_all().await.concat();
    let rate = times.len() as f64 / begin.elapsed().as_secs_f64();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "| look-ups, {callers} at once, {versions} versions | {rate:.0}/s, p50 {:.2} ms, p99 {:.2} ms |",
        at(0.5),
        at(0.99)
    );
}

async fn checks(server: &Server, duration: Duration) {
    let reference = "bench.load/s0@=1.0.0".to_owned();
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (mut client, reference) = (ConformanceClient::new(server.channel.clone()), reference.clone());
        tasks.spawn(async move {
            let mut count = 0u64;
            while begin.elapsed() < duration {
                let record = br#"{"id":"a-record","value":7}"#.as_slice().into();
                let request = CheckRequest { reference: reference.clone(), record, options: None };
                client.check(request).await.expect("a verdict");
                count += 1;
            }
            count
        });
    }
    let count: u64 = tasks.join_all().await.into_iter().sum();
    println!("| unary checks, 16 at once | {:.0}/s |", count as f64 / begin.elapsed().as_secs_f64());
    streamed(server, reference, 400_000).await;
}

async fn streamed(server: &Server, reference: String, records: u64) {
    let header = CheckStreamHeader { reference, failing_only: true, ..Default::default() };
    let chunk: Vec<u8> =
        br#"{"id":"a-record","value":7}"#.iter().chain(b"\n").copied().cycle().take(28 * 2_000).collect();
    let (send, receive) = tokio::sync::mpsc::channel(8);
    let begin = Instant::now();
    let stream = tokio_stream::wrappers::ReceiverStream::new(receive);
    tokio::spawn(async move {
        let message = |message| CheckStreamRequest { message: Some(message) };
        let _ = send.send(message(check_stream_request::Message::Header(header))).await;
        for _ in 0..records / 2_000 {
            let _ = send.send(message(check_stream_request::Message::Chunk(chunk.clone().into()))).await;
        }
    });
    let mut answers =
        ConformanceClient::new(server.channel.clone()).check_stream(stream).await.expect("a stream").into_inner();
    let mut checked = 0;
    while let Some(answer) = answers.message().await.expect("an answer") {
        if let Some(check_stream_response::Message::Progress(progress)) = answer.message {
            checked = progress.records;
        }
    }
    assert_eq!(checked, records, "every record of the stream was judged");
    println!(
        "| streamed records, one stream of 28-byte records | {:.0}/s |",
        records as f64 / begin.elapsed().as_secs_f64()
    );
}
