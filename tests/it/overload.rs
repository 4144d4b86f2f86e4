//! More than was planned for, and callers who mean harm: the server turns some away, with a time to try again, and answers the
//! others.

use crate::{
    access_served::{bootstrapped, connected, holder, package},
    grpc::{METADATA, SCHEMA, conformance, header, published, refused, registry, submission},
    support::{Server, folder_in_memory, rounds},
    witness::ask,
};
use guiju_proto::conformance::{CheckStreamRequest, CheckStreamResponse, Format, check_stream_request::Message};
use guiju_proto::log::{ReadBlobRequest, log_service_client::LogServiceClient};
use guiju_proto::registry::{
    GetVersionRequest, PublishRequest, ResolveRequest, WatchRequest, registry_client::RegistryClient,
    watch_response::Event,
};
use prost::bytes::Bytes;
use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Streaming, transport::Endpoint};

const WATCHERS: usize = 1_000;
const CHECKERS: usize = 200;
/// Of which each watcher hears.
const VERSIONS: u64 = 12;
/// What callers who mean harm may add to the memory of a server built for tests; so many streams twice that.
const GROWTH_KIB_MAX: u64 = 256 << 10;

/// Resident memory, in KiB.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_watchers_and_two_hundred_checkers_take_bounded_memory() {
    let flags = ["--watch-streams-max", "1000", "--check-streams-max", "200", "--work-max", "8"];
    let server = Server::start_in(folder_in_memory(), &flags);
    published(&server).await;
    let before = memory(&server);
    let (mut watchers, mut checkers, mut client) = (Vec::new(), Vec::new(), registry(&server).await);
    for number in 0..WATCHERS {
        if number % 100 == 0 {
            client = registry(&server).await;
        }
        let request = WatchRequest::default();
        watchers.push(client.watch(request).await.expect("a stream").into_inner());
    }
    for _ in 0..CHECKERS {
        checkers.push(check_stream(&server, Format::Ndjson).await);
    }
    let request = WatchRequest::default();
    refused(client.watch(request).await, Code::ResourceExhausted, "TOO_MANY_STREAMS");
    // Each checker sends as much as is taken of records that all fail, and reads none of the answers.
    let failing = Bytes::from("{\"card\": 1}\n".repeat(4_000));
    let mut sent = 0;
    for _ in 0..20 {
        for (sender, _) in &checkers {
            let chunk = CheckStreamRequest { message: Some(Message::Chunk(failing.clone())) };
            sent += usize::from(sender.try_send(chunk).is_ok());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(sent > 2 * CHECKERS, "{sent} chunks were taken of {CHECKERS} streams");
    for version in 1..VERSIONS {
        // A thousand watchers are told of the one before meanwhile.
        while let Err(status) = client.publish(submission(&format!("1.{version}.0"), SCHEMA)).await {
            refused::<()>(Err(status), Code::ResourceExhausted, "OVERLOADED");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let expected: Vec<_> = (0..VERSIONS).map(|version| (version, format!("1.{version}.0"))).collect();
    for watcher in &mut watchers {
        let mut heard = Vec::new();
        while heard.len() < expected.len() {
            let message = timeout(Duration::from_secs(60), watcher.message()).await.expect("in time");
            let message = message.expect("it goes on").expect("no end");
            if let Some(Event::Published(version)) = message.event {
                heard.push((message.index, version.version));
            }
        }
        assert_eq!(heard, expected);
    }
    let growth = memory(&server).saturating_sub(before);
    eprintln!("{WATCHERS} watchers and {CHECKERS} checkers: {growth} KiB more than {before} KiB");
    assert!(growth < 2 * GROWTH_KIB_MAX, "{growth} KiB");
    let metrics = ask(&server, "GET", "/metrics", "").1;
    assert!(metrics.contains("guiju_shed_total{why=\"watch_streams_max\"} 1"), "{metrics}");
    drop(checkers);
}

/// A stream that has begun and waits for records.
async fn check_stream(
    server: &Server,
    format: Format,
) -> (mpsc::Sender<CheckStreamRequest>, Streaming<CheckStreamResponse>) {
    let (sender, messages) = mpsc::channel(4);
    sender.send(header(format, false)).await.expect("taken");
    let mut client = conformance(server).await;
    let answers = client.check_stream(ReceiverStream::new(messages)).await.expect("a stream").into_inner();
    (sender, answers)
}

/// Each is judged for long enough that others come meanwhile.
fn large(number: usize) -> PublishRequest {
    let field = |at: usize| {
        format!(r#""p{number}x{at}": {{"type": "string", "maxLength": 8, "x-guiju": {{"titleZh": "字"}}}}"#)
    };
    let fields: Vec<String> = (0..800).map(field).collect();
    let schema = format!(
        r#"{{"$schema": "https://json-schema.org/draft/2020-12/schema", "x-guiju": {{"vocabulary": "1"}}, "type": "object", "properties": {{{}}}}}"#,
        fields.join(", ")
    );
    let operation_id = format!("large-{number}");
    PublishRequest { operation_id, standard: format!("bj.load/s{number}"), ..submission("1.0.0", &schema) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_is_told_when_to_come_again() {
    let server = Server::start_in(folder_in_memory(), &["--work-max", "1"]);
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..24 {
        let mut client = registry(&server).await;
        tries.spawn(async move {
            let mut turned_away = 0;
            loop {
                match client.publish(large(number)).await {
                    Ok(_) => return turned_away,
                    refusal => drop(refused(refusal, Code::ResourceExhausted, "OVERLOADED")),
                }
                turned_away += 1;
                tokio::time::sleep(Duration::from_millis(50 + number as u64 * 20)).await;
            }
        });
    }
    let turned_away: usize =
        timeout(Duration::from_secs(300), tries.join_all()).await.expect("all get through").into_iter().sum();
    assert!(turned_away > 0, "nobody was turned away");
    assert!(ask(&server, "GET", "/healthz", "").1.contains("status: ready"));
    let metrics = ask(&server, "GET", "/metrics", "").1;
    assert!(metrics.contains(&format!("guiju_shed_total{{why=\"work_max\"}} {turned_away}")), "{metrics}");
}

/// Versions that are sent in parts and never finished take no more than the bytes that are set aside for them.
#[tokio::test(flavor = "multi_thread")]
async fn versions_on_their_way_take_bounded_memory() {
    let server = Server::start_with(&["--transfer-bytes-max", "16777216", "--stream-idle-timeout", "10s"]);
    let mut client = registry(&server).await;
    let parts = || {
        let content = vec![b'x'; 13 << 20];
        let file = guiju_proto::registry::File { path: "examples/conforming/1.json".into(), content: content.into() };
        let request = PublishRequest { files: vec![file], ..submission("1.0.0", SCHEMA) };
        guiju_proto::convert::package_parts(request).collect::<Vec<_>>()
    };
    // As large as what one caller may have, and more than is left for it besides.
    let (sender, receiver) = mpsc::channel(64);
    for part in parts().into_iter().take(5) {
        sender.send(part).await.expect("it waits");
    }
    let mut other = client.clone();
    let stalled = tokio::spawn(async move { other.publish_parts(ReceiverStream::new(receiver)).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let answer = client.publish_parts(tokio_stream::iter(parts())).await;
    refused(answer, Code::ResourceExhausted, "OVERLOADED");
    let answer = stalled.await.expect("it ends");
    refused(answer, Code::DeadlineExceeded, "STREAM_IDLE");
    drop(sender);
    // Once that one was cut off there is room again; what is too large for a record is told as such.
    let answer = client.publish_parts(tokio_stream::iter(parts())).await;
    refused(answer, Code::InvalidArgument, "BAD_FILE");
    client.publish(submission("1.0.0", SCHEMA)).await.expect("published");
}

/// Answers for which a caller makes no room are let go, while its connection and those that are read go on.
#[test]
fn answers_that_nobody_reads_are_let_go() {
    let server = Server::start_in(folder_in_memory(), &["--stream-idle-timeout", "1s"]);
    let ended = || server.log().lines().filter(|line| line.contains("Registry/ListStandards")).count();
    // A window of no bytes for each stream.
    let mut stream = greeted(&server, &[0, 4, 0, 0, 0, 0]);
    for number in 0..20_u32 {
        let id = number * 2 + 1;
        let request = [frame(1, 4, id, &headers(LIST)), frame(0, 1, id, b"\0\0\0\0\0")].concat();
        stream.write_all(&request).expect("taken");
    }
    let begin = std::time::Instant::now();
    while ended() < 20 {
        assert!(begin.elapsed() < Duration::from_secs(60), "{} of 20 were let go\n{}", ended(), server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(crate::http::page(&server.address, "/healthz").contains("status: ready"));
    // One that takes nothing at all is cut off.
    let mut greedy = TcpStream::connect(&server.address).expect("connected");
    greedy.set_write_timeout(Some(Duration::from_millis(200))).expect("a time-out");
    let asked = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200);
    let begin = std::time::Instant::now();
    loop {
        match greedy.write_all(asked.as_bytes()) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
            Ok(()) => {}
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "it is still connected");
    }
}

/// Documents that are asked for and never read take no more than the bytes that are set aside for them.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_take_bounded_memory() {
    let server =
        Server::start_in(folder_in_memory(), &["--transfer-bytes-max", "67108864", "--stream-idle-timeout", "4s"]);
    let mut client = registry(&server).await;
    let notes = vec![b'x'; 20 << 20];
    let digest = guiju_model::Digest::of(&notes);
    let mut request = submission("1.0.0", SCHEMA);
    request.files.push(guiju_proto::registry::File { path: "notes.txt".into(), content: notes.into() });
    let parts = guiju_proto::convert::package_parts(request).collect::<Vec<_>>();
    client.publish_parts(tokio_stream::iter(parts)).await.expect("published");
    let mut log = LogServiceClient::connect(server.url()).await.expect("connected");
    let request = ReadBlobRequest { digest: digest.as_bytes().to_vec().into(), offset: 0 };
    assert_eq!(log.read_blob(request.clone()).await.expect("a part").into_inner().content.len(), 2 << 20);
    let before = memory(&server);
    let message = [&b"\0\0\0\0\x22\x0a\x20"[..], digest.as_bytes()].concat();
    let mut stalled = Vec::new();
    for window in [0, 0, 1, 65_535, 1_000_000] {
        // Of each stream: nothing, next to nothing, half of the answer.
        let mut stream = greeted(&server, &[&[0, 4][..], &u32::to_be_bytes(window)].concat());
        for number in 0..60_u32 {
            let id = number * 2 + 1;
            let asked = [frame(1, 4, id, &headers("/guiju.log.v1.LogService/ReadBlob")), frame(0, 1, id, &message)];
            stream.write_all(&asked.concat()).expect("taken");
        }
        stalled.push(stream);
    }
    let shed = || {
        let metrics = ask(&server, "GET", "/metrics", "").1;
        let line = metrics.lines().find_map(|line| line.strip_prefix("guiju_shed_total{why=\"transfer_bytes_max\"} "));
        line.map_or(0, |count| count.parse().expect("a count"))
    };
    let begin = std::time::Instant::now();
    while shed() < 250 {
        assert!(begin.elapsed() < Duration::from_secs(60), "{} were turned away\n{}", shed(), server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let growth = memory(&server).saturating_sub(before);
    assert!(growth < 256 << 10, "{growth} KiB more");
    // What is small is answered; what is large once those were let go.
    client
        .resolve(ResolveRequest { reference: "bj.library/card".into(), ..Default::default() })
        .await
        .expect("answered");
    let begin = std::time::Instant::now();
    while let Err(status) = log.read_blob(request.clone()).await {
        refused::<()>(Err(status), Code::ResourceExhausted, "OVERLOADED");
        assert!(begin.elapsed() < Duration::from_secs(60), "there is no room again\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(stalled);
}

/// Whoever says nothing, or too little to be understood, keeps no connection; whoever has spoken does.
#[test]
fn a_connection_from_which_nothing_comes_is_closed() {
    let server = Server::start_with(&["--request-timeout", "1s"]);
    let mut living = greeted(&server, &[]);
    let silent = [&b""[..], b"P", &PREFACE[..20], b"GET / HT"].map(|said| {
        let mut stream = TcpStream::connect(&server.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
        stream.write_all(said).expect("sent");
        stream
    });
    for mut stream in silent {
        match stream.read_to_end(&mut Vec::new()) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("it is still open: {error}"),
            _ => {}
        }
    }
    living.write_all(&frame(6, 0, 0, b"to and f")).expect("a ping");
    let mut heard = Vec::new();
    while !heard.windows(8).any(|part: &[u8]| part == b"to and f") {
        let mut part = [0; 256];
        let length = living.read(&mut part).expect("an answer");
        assert_ne!(length, 0, "it was closed");
        heard.extend(&part[..length]);
    }
}

/// One address has half of the connections at most, so that there is one for another.
#[test]
fn one_address_does_not_have_all_connections() {
    let flags = ["--listen", "0.0.0.0:0", "--insecure", "--open", "--connections-max", "6"];
    let server = Server::start_with(&flags);
    let port = server.address.rsplit(':').next().expect("a port");
    // An address of this machine that is not loopback; nothing is sent there.
    let probe = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    probe.connect("192.0.2.1:9").expect("a machine with a network");
    let outside = format!("{}:{port}", probe.local_addr().expect("an address").ip());
    let inside = format!("127.0.0.1:{port}");
    let connect = |address: &str| {
        let stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
        stream
    };
    let answers = |mut stream: &TcpStream| {
        let mut answer = [0; 12];
        let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        asked.is_ok() && stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 200"
    };
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect(&outside)).collect();
    assert!(held.iter().all(answers), "half of them");
    assert!(!answers(&connect(&outside)), "one more than half");
    held.extend((0..3).map(|_| connect(&inside)));
    assert!(held[3..].iter().all(answers), "there are places for others");
    assert!(!answers(&connect(&inside)), "all are taken");
    assert!(server.log().contains("its address has half of those"), "{}", server.log());
}

fn by<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a value"));
    request
}

/// One principal has half of the work at most, so that there is a place for another's, however much the one asks for.
#[tokio::test(flavor = "multi_thread")]
async fn one_principal_does_not_have_all_work() {
    let (server, token) = bootstrapped(&["--work-max", "4"]);
    let root = connected(&server, &token).await;
    root.publish("p", &package("bj.library/card", "1.0.0"), METADATA, false).await.expect("published");
    let (busy, quiet) = (holder(&root, "busy", "manager:bj.load").await, holder(&root, "quiet", "reader:*").await);
    let (stop, mut tasks) = (Arc::new(AtomicBool::new(false)), tokio::task::JoinSet::new());
    for number in 0..12 {
        let (stop, busy, mut client) = (stop.clone(), busy.clone(), registry(&server).await);
        tasks.spawn(async move {
            let (mut said, mut done) = (None, 0);
            while !stop.load(Relaxed) {
                match client.publish(by(&busy, PublishRequest { dry_run: true, ..large(number) })).await {
                    Ok(_) => done += 1,
                    refusal => said = Some(refused(refusal, Code::ResourceExhausted, "OVERLOADED")),
                }
            }
            (said, done)
        });
    }
    let mut client = registry(&server).await;
    for _ in 0..100 {
        let request = GetVersionRequest { reference: "bj.library/card@1".into() };
        client.get_version(by(&quiet, request)).await.expect("there is a place for it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.store(true, Relaxed);
    let told = tasks.join_all().await;
    assert!(told.iter().map(|(_, done)| done).sum::<usize>() > 0, "some of it was done");
    let share =
        |said: &Option<String>| said.as_ref().is_some_and(|said| said.contains("2 requests of yours are under way"));
    assert!(told.iter().any(|(said, _)| share(said)), "{told:?}");
}

/// One principal has half of the streams at most; who may not check has none.
#[tokio::test]
async fn one_principal_does_not_have_all_streams() {
    let (server, token) = bootstrapped(&["--check-streams-max", "4", "--watch-streams-max", "4"]);
    let root = connected(&server, &token).await;
    root.publish("p", &package("bj.library/card", "1.0.0"), METADATA, false).await.expect("published");
    let [one, other, stranger] = [
        holder(&root, "one", "agency:bj.library").await,
        holder(&root, "other", "agency:bj.library").await,
        holder(&root, "stranger", "agency:bj.water").await,
    ];
    let (watcher, checker) = (registry(&server).await, conformance(&server).await);
    let mut held = Vec::new();
    // Streams of somebody who does not say of which standard, and so is allowed nothing yet.
    for _ in 0..6 {
        let (sender, messages) = mpsc::channel::<CheckStreamRequest>(1);
        let (mut checker, request) = (checker.clone(), by(&stranger, ReceiverStream::new(messages)));
        held.push((sender, tokio::spawn(async move { checker.check_stream(request).await.map(drop) })));
    }
    let mut open = Vec::new();
    for (token, fits) in [(&one, 2), (&other, 2)] {
        for number in 0..=fits {
            let (sender, messages) = mpsc::channel(1);
            sender.send(header(Format::Unspecified, false)).await.expect("taken");
            let answer = checker.clone().check_stream(by(token, ReceiverStream::new(messages))).await;
            let watched = watcher.clone().watch(by(token, WatchRequest::default())).await;
            if number < fits {
                open.push((sender, answer.expect("a stream"), watched.expect("a stream")));
                continue;
            }
            for refusal in [answer.map(drop), watched.map(drop)] {
                let said = refusal.as_ref().expect_err("too many").message().to_owned();
                assert!(said.contains("2 streams are open for you"), "{said}");
                refused(refusal, Code::ResourceExhausted, "TOO_MANY_STREAMS");
            }
        }
    }
    drop((held, open));
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// POST to a method, in the plainest spelling of HPACK.
fn headers(path: &str) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    [&[0x83, 0x86, 0x04][..], &text(path), &[0x01], &text("localhost"), &[0x0f, 0x10], &text("application/grpc")]
        .concat()
}

const LIST: &str = "/guiju.registry.v1.Registry/ListStandards";
const RESOLVE: &str = "/guiju.registry.v1.Registry/Resolve";

fn greeted(server: &Server, settings: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    stream.set_write_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    stream.write_all(&[PREFACE, &frame(4, 0, 0, settings)].concat()).expect("a greeting");
    stream
}

/// Sends until all is sent or the server has hung up; whether it had.
fn flood(mut stream: TcpStream, frames: impl Iterator<Item = Vec<u8>>) -> bool {
    for frame in frames {
        if stream.write_all(&frame).is_err() {
            return true;
        }
    }
    let mut answer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut answer) {
            Ok(0) => return true,
            Err(error) => return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            // GOAWAY: frames of type 7 on stream 0.
            Ok(count) if answer[..count].windows(9).any(|head| head[3] == 7 && head[5..9] == [0; 4]) => return true,
            Ok(_) => {}
        }
    }
}

/// After which the server hangs up, if it has not before.
fn farewell() -> Vec<u8> {
    frame(7, 0, 0, &[0; 8])
}

/// Each does harm on one connection; whether the server hung up.
type Harm = (&'static str, fn(&Server) -> bool);

const HARMS: &[Harm] = &[
    ("rapid reset", |server| {
        let streams = (0..20_000_u32).map(|number| number * 2 + 1);
        let begun =
            |stream| [frame(1, 4, stream, &headers(RESOLVE)), frame(3, 0, stream, &8_u32.to_be_bytes())].concat();
        flood(greeted(server, &[]), streams.map(begun).chain([farewell()]))
    }),
    ("headers without an end", |server| {
        let more = (0..4_000).map(|_| frame(9, 0, 1, &[0x40, 1, b'a', 1, b'b'].repeat(3_000)));
        flood(greeted(server, &[]), [frame(1, 0, 1, &headers(RESOLVE))].into_iter().chain(more))
    }),
    ("a flood of pings", |server| {
        let pings = (0..20_000).map(|_| frame(6, 0, 0, &[7; 8]));
        flood(greeted(server, &[]), pings.chain([farewell()]))
    }),
    ("settings over and over", |server| {
        let settings = (0..20_000).map(|_| frame(4, 0, 0, &[]));
        flood(greeted(server, &[]), settings.chain([farewell()]))
    }),
    ("a frame longer than allowed", |server| {
        flood(greeted(server, &[]), [frame(0, 0, 1, &vec![0; 1 << 20])].into_iter())
    }),
    ("noise", |server| flood(greeted(server, &[]), [b"\xff".repeat(4_096)].into_iter())),
];

#[test]
fn callers_who_mean_harm_do_it_to_themselves() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = Server::start_in(folder_in_memory(), &[]);
    runtime.block_on(published(&server));
    let before = memory(&server);
    // A window of no bytes: answers are asked for and never read.
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut stream = greeted(&server, &[0, 4, 0, 0, 0, 0]);
        for number in 0..100_u32 {
            let (id, message) = (number * 2 + 1, b"\0\0\0\0\x11\x0a\x0fbj.library/card");
            let request = [frame(1, 4, id, &headers(RESOLVE)), frame(0, 1, id, message)].concat();
            stream.write_all(&request).expect("taken");
        }
        stalled.push(stream);
    }
    for (name, harm) in (0..rounds(1)).flat_map(|_| HARMS) {
        std::thread::scope(|scope| {
            let harms: Vec<_> = (0..3).map(|_| scope.spawn(|| harm(&server))).collect();
            runtime.block_on(async {
                let channel = Endpoint::from_shared(server.url()).expect("an address").connect_lazy();
                let mut client = RegistryClient::new(channel);
                for _ in 0..20 {
                    let request = ResolveRequest { reference: "bj.library/card@=1.0.0".into(), ..Default::default() };
                    let answer = timeout(Duration::from_secs(30), client.resolve(request)).await;
                    answer
                        .unwrap_or_else(|_| panic!("{name}: others wait"))
                        .unwrap_or_else(|status| panic!("{name}: {status}"));
                }
            });
            assert!(harms.into_iter().all(|harm| harm.join().expect("it ends")), "{name}: the server did not hang up");
        });
    }
    let growth = memory(&server).saturating_sub(before);
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB more\n{}", server.log());
    drop(stalled);
    assert!(ask(&server, "GET", "/healthz", "").1.contains("status: ready"));
}
