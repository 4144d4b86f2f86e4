//! What does a registry on the embedded store bear?
//!
//! `cargo bench -p guiju-tests --bench server -- [--versions N] [--seconds N]`
//!
//! Starts the real server, release build, on loopback; prints publishes/s (durable, acknowledged) with 1, 16 and 64
//! publishers, look-ups/s with p50 and p99, unary checks/s, and, empty and with N versions, the time
//! from start to first answer and resident memory. Each rate is taken over a window of so many seconds; all versions that were
//! published meanwhile count among the N.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod built; // where cargo puts programs
mod served; // a real server

use guiju_proto::{
    conformance::{CheckRequest, conformance_client::ConformanceClient},
    registry::{File, Kind, PublishRequest, ResolveRequest, registry_client::RegistryClient},
};
use served::{METADATA, Server};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (versions, seconds) = (number("--versions", 100_000), number("--seconds", 8));
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
    let in_series = versions.saturating_sub(firsts.load(Relaxed));
    publish(&server, 64, Stop::At(in_series), &next, request).await;
    let in_series = next.load(Relaxed);
    let held = firsts.load(Relaxed) + in_series;
    for callers in [4, 16] {
        look_ups(&server, callers, (in_series, held), Duration::from_secs(seconds)).await;
    }
    checks(&server, Duration::from_secs(seconds)).await;
    println!("| resident memory, {held} versions, after all that | {} MiB |", server.resident_mib());
    drop(server);
    let server = Server::start(folder.path()).await;
    println!("| start to first answer, {held} versions | {:.0} ms |", server.started_in.as_secs_f64() * 1e3);
    println!("| resident memory, {held} versions, just started | {} MiB |", server.resident_mib());
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
async fn look_ups(server: &Server, callers: u64, (in_series, versions): (u64, u64), duration: Duration) {
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
                let reference = match number.checked_sub(in_series) {
                    None => format!("bench.load/s{}@{requirement}1.{}.0", number / 10, number % 10),
                    Some(first) => format!("bench.first/s{first}@{requirement}1.0.0"),
                };
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
}
