//! What does it cost to have records checked by a registry over a stream, next to checking them in one's own process?
//!
//! `bash tests/benches/run streams` runs this and writes the table into `docs/reference/performance.md`. By itself:
//! `cargo build --release -p guiju-server && cargo bench -p guiju-tests --bench streams -- [--mb N] [--times N]
//! [--rounds N]`: as many million bytes, checked so many times in each of the rounds, by all callers together.
//!
//! Time is CPU time: of this process where the SDK checks, of the server where that does, with HTTP/2, decoding and counting.
//! One caller sends by himself, then as many as [`CALLERS`] say at once. SDK and server take turns; the median of the rounds is told. Callers ask for failing records only, one in a hundred. The SDK reads a file in
//! memory, next to chunks, or checks the lines of a text, several at a time, next to messages.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod built; // where cargo puts programs
mod records;
mod served; // a real server

use guiju::{
    CheckOptions, CompileOptions, Validator,
    readers::{Format, ReadOptions, check},
};
use guiju_proto::{
    conformance::{
        CheckStreamHeader, CheckStreamRequest, check_stream_request::Message, check_stream_response,
        conformance_client::ConformanceClient,
    },
    registry::{File, Kind, PublishRequest, registry_client::RegistryClient},
};
use records::{SHAPES, Shape, Spelling};
use served::{METADATA, Server};
use std::{ops::ControlFlow, time::Instant};
use tokio::task::JoinSet;
use tonic::transport::Channel;

/// Bytes in one chunk of a stream.
const CHUNK_BYTES: usize = 64 << 10;

/// How many send at once, each over a connection of its own.
const CALLERS: [usize; 2] = [1, 4];

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (bytes, times, rounds) = (number("--mb", 32) * 1_000_000, number("--times", 16), number("--rounds", 5));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path()).await;
    println!(
        "| stream | callers | SDK, MB a CPU second | server, MB a CPU second | records a CPU second | SDK : server | wall, MB/s |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for shape in [&SHAPES[0], &SHAPES[2]] {
        publish(&server, shape).await;
        let records = shape.ndjson(Spelling::Stable, bytes, 10);
        for in_chunks in [true, false] {
            for callers in CALLERS {
                measure(&server, shape, &records, in_chunks, (times, rounds, callers)).await;
            }
        }
    }
}

async fn publish(server: &Server, shape: &Shape) {
    let request = PublishRequest {
        operation_id: format!("bench-{}", shape.name),
        standard: format!("bench.load/{}", shape.name),
        version: "1.0.0".into(),
        kind: Kind::Record.into(),
        metadata_toml: METADATA.into(),
        files: vec![File { path: "schema.json".into(), content: shape.schema().into() }],
        ..Default::default()
    };
    RegistryClient::new(server.channel.clone()).publish(request).await.expect("a version is published");
}

async fn measure(
    server: &Server,
    shape: &Shape,
    records: &[u8],
    in_chunks: bool,
    (times, rounds, callers): (usize, usize, usize),
) {
    let validator =
        Validator::compile_schema(&shape.schema(), &CompileOptions::default()).expect("the schema compiles");
    let parts: Vec<prost::bytes::Bytes> = match in_chunks {
        true => records.chunks(CHUNK_BYTES).map(prost::bytes::Bytes::copy_from_slice).collect(),
        false => lines(records).map(prost::bytes::Bytes::copy_from_slice).collect(),
    };
    let (mut own, mut served, mut wall, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let begin = cpu_seconds();
        let failing =
            (0..times).map(|_| if in_chunks { read(&validator, records) } else { judge(&validator, records) });
        let failing = failing.sum::<u64>();
        own.push(cpu_seconds() - begin);
        let (begin, cpu) = (Instant::now(), server.cpu_seconds());
        let mut streams = JoinSet::new();
        for _ in 0..callers {
            let channel = server.connection().await;
            streams.spawn(stream(channel, shape.name, (parts.clone(), times / callers), in_chunks));
        }
        let (mut judged, mut failed) = (0, 0);
        for told in streams.join_all().await {
            (judged, failed) = (judged + told.0, failed + told.1);
        }
        served.push(server.cpu_seconds() - cpu);
        wall.push(begin.elapsed().as_secs_f64());
        assert_eq!((judged, failed), ((lines(records).count() * times) as u64, failing), "{}", shape.name);
        count = judged;
    }
    let (own, served, wall) = (median(own), median(served), median(wall));
    let mb = |seconds: f64| (records.len() * times) as f64 / 1e6 / seconds;
    let parts = if in_chunks { "NDJSON in chunks of 64 KiB" } else { "a message a record" };
    println!(
        "| {}, {parts} | {callers} | {:.0} | {:.0} | {:.0} | {:.2} | {:.0} |",
        shape.name,
        mb(own),
        mb(served),
        count as f64 / served,
        served / own,
        mb(wall)
    );
}

fn lines(records: &[u8]) -> impl Iterator<Item = &[u8]> {
    records.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn read(validator: &Validator, records: &[u8]) -> u64 {
    let options = ReadOptions { format: Some(Format::Ndjson), jobs: 1, ..ReadOptions::default() };
    check(records, validator, &options, |_| ControlFlow::Continue(())).expect("it can be read").failing
}

fn judge(validator: &Validator, records: &[u8]) -> u64 {
    let mut failing = 0;
    records::judge(records, &mut validator.checker(), &CheckOptions::default(), |report| {
        failing += u64::from(report.is_some_and(|report| !report.conforms()));
    });
    failing
}

/// Records judged, and how many of them fail.
async fn stream(
    channel: Channel,
    shape: &'static str,
    (parts, times): (Vec<prost::bytes::Bytes>, usize),
    in_chunks: bool,
) -> (u64, u64) {
    let parts = (0..parts.len() * times).map(move |at| parts[at % parts.len()].clone());
    let header = CheckStreamHeader {
        reference: format!("bench.load/{shape}@=1.0.0"),
        failing_only: true,
        format: if in_chunks { guiju_proto::conformance::Format::Ndjson.into() } else { 0 },
        ..Default::default()
    };
    let message = |message| CheckStreamRequest { message: Some(message) };
    let part = move |part| message(if in_chunks { Message::Chunk(part) } else { Message::Record(part) });
    let messages = std::iter::once(message(Message::Header(header))).chain(parts.map(part));
    let mut client = ConformanceClient::new(channel);
    let mut answers = client.check_stream(tokio_stream::iter(messages)).await.expect("a stream").into_inner();
    let mut last = (0, 0);
    while let Some(answer) = answers.message().await.expect("an answer") {
        if let Some(check_stream_response::Message::Progress(progress)) = answer.message {
            last = (progress.records, progress.failing);
        }
    }
    last
}

/// Of all threads of this process.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
