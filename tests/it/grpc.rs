//! The registry over gRPC, from outside: refusals with their details, streams, limits, TLS.

use crate::support::Server;
use guiju_model::Digest;
use guiju_proto::{
    conformance::{
        self, CheckRequest, CheckStreamHeader, CheckStreamRequest, CheckStreamResponse, Format, Progress,
        check_stream_request::Message as Ask, check_stream_response::Message as Told,
        conformance_client::ConformanceClient,
    },
    convert,
    registry::{self as wire, registry_client::RegistryClient, watch_response},
};
use prost::Message;
use std::{
    fs, thread,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{
    Code, Status, Streaming,
    codec::CompressionEncoding,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tonic_types::StatusExt;

pub const METADATA: &str = r#"
kind = "record"
domain = "common"
title_zh = "借阅证"
title_en = "Library card"
abstract = "图书馆的借阅证。"
abstract_en = "A card of a library."
owner = "Library"
steward = "Catalogue room"
registration_authority = "Library"
share_class = "1"
open = true
security_level = "S1"
update_cycle = "1"
"#;

pub const SCHEMA: &str = r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "x-guiju": {"vocabulary": "1"}, "type": "object", "required": ["card"],
    "properties": {"card": {"type": "string", "maxLength": 8, "title": "card number", "x-guiju": {"titleZh": "证号"}}}}"#;

async fn channel(server: &Server) -> Channel {
    Endpoint::from_shared(server.url()).expect("a URL").connect().await.expect("the server listens")
}

pub async fn registry(server: &Server) -> RegistryClient<Channel> {
    RegistryClient::new(channel(server).await)
}

pub async fn conformance(server: &Server) -> ConformanceClient<Channel> {
    ConformanceClient::new(channel(server).await)
}

/// A submission of `bj.library/card` under an operation id of its own.
pub fn submission(version: &str, schema: &str) -> wire::PublishRequest {
    let file = wire::File { path: "schema.json".into(), content: schema.to_owned().into() };
    wire::PublishRequest {
        operation_id: format!("test-{version}-{}", schema.len()),
        standard: "bj.library/card".into(),
        version: version.into(),
        kind: wire::Kind::Record.into(),
        metadata_toml: METADATA.into(),
        files: vec![file],
        dry_run: false,
        ..Default::default()
    }
}

pub async fn published(server: &Server) -> RegistryClient<Channel> {
    let mut client = registry(server).await;
    client.publish(submission("1.0.0", SCHEMA)).await.expect("published");
    client
}

/// Holds a refusal against its code and reason, and gives its details as text.
pub fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, reason: &str) -> String {
    let status = answer.expect_err(reason);
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no details: {status:?}"));
    assert_eq!((status.code(), info.reason.as_str(), info.domain.as_str()), (code, reason, "guiju"), "{status:?}");
    assert_eq!(
        details.retry_info().is_some(),
        matches!(code, Code::Aborted | Code::Unavailable) || matches!(reason, "TOO_MANY_STREAMS" | "OVERLOADED")
    );
    format!("{} {details:?}", status.message())
}

#[tokio::test]
async fn refusals_of_a_publication_name_place_and_reason() {
    let server = Server::start();
    let mut client = published(&server).await;
    let good = || submission("1.1.0", SCHEMA);
    let with = |path: &str, content: &str| wire::File { path: path.into(), content: content.to_owned().into() };
    let schema = |text: &str| wire::PublishRequest { files: vec![with("schema.json", text)], ..good() };
    let bad_file = (Code::InvalidArgument, "BAD_FILE");
    let bad_field = (Code::InvalidArgument, "MALFORMED_FIELD");
    let cases = [
        (wire::PublishRequest { operation_id: String::new(), ..good() }, bad_field, r#"field: "operation_id""#),
        (wire::PublishRequest { operation_id: "a b".into(), ..good() }, bad_field, "must be 1 to 64 of"),
        (wire::PublishRequest { standard: "card".into(), ..good() }, bad_field, "write namespace/name"),
        (wire::PublishRequest { version: "1.1".into(), ..good() }, bad_field, r#"field: "version""#),
        (wire::PublishRequest { kind: 77, ..good() }, bad_field, "77 is none of the values"),
        (wire::PublishRequest { metadata_toml: String::new(), ..good() }, bad_field, "send the text of standard.toml"),
        (wire::PublishRequest { metadata_toml: "x = 1".into(), ..good() }, bad_file, r#"field: "standard.toml""#),
        (wire::PublishRequest { kind: wire::Kind::Elements.into(), ..good() }, bad_file, "the request says elements"),
        (wire::PublishRequest { files: Vec::new(), ..good() }, bad_file, "so it needs `schema.json`"),
        (
            wire::PublishRequest { files: vec![with("schema.json", SCHEMA), with("../x", "")], ..good() },
            bad_file,
            "not a relative path",
        ),
        (schema("{"), bad_file, "schema.json"),
        (schema(r#"{"type": "objekt"}"#), bad_file, "schema.json#/type"),
        (schema(r#"{"$ref": "guiju:bj.library/cart@1#/x"}"#), bad_file, "did you mean `bj.library/card`"),
        (
            schema(r#"{"$ref": "guiju:bj.library/card@1#/x"}"#),
            (Code::FailedPrecondition, "CYCLIC_REFERENCE"),
            "refers to itself",
        ),
        (schema(r#"{"$ref": "ftp://x"}"#), bad_file, "nothing else is ever fetched"),
        (schema(&format!(r#"{{"description": "{}"}}"#, "x".repeat(300 << 10))), bad_file, "at most 262144 are taken"),
        (
            schema(&SCHEMA.replace(r#"{"vocabulary": "1"}"#, "{}")),
            (Code::InvalidArgument, "LINT_FAILED"),
            "vocabulary-version-missing: `x-guiju` is used",
        ),
        (submission("0.9.0", SCHEMA), (Code::Ok, ""), ""),
        (
            submission("1.0.0", r#"{"type": "object"}"#),
            (Code::AlreadyExists, "VERSION_EXISTS"),
            "published with other content",
        ),
        (submission("1.0.0-rc.1", SCHEMA), (Code::FailedPrecondition, "VERSION_NOT_HIGHER"), r#""highest": "1.0.0""#),
        (
            wire::PublishRequest { version: "1.2.0".into(), ..submission("1.0.0", SCHEMA) },
            (Code::AlreadyExists, "OPERATION_REUSED"),
            "belongs to another mutation",
        ),
    ];
    for (request, (code, reason), expected) in cases {
        let answer = client.publish(request).await;
        match code {
            Code::Ok => assert!(answer.is_ok(), "{answer:?}"),
            code => {
                let said = refused(answer, code, reason);
                assert!(said.contains(expected), "{reason}: expected `{expected}` in: {said}");
            }
        }
    }
    let versions = client.list_versions(wire::ListVersionsRequest { standard: "bj.library/card".into() }).await;
    let versions = versions.expect("listed").into_inner().versions;
    let numbers: Vec<&str> = versions.iter().map(|version| version.version.as_str()).collect();
    assert_eq!(numbers, ["1.0.0", "0.9.0"], "refusals write nothing");
}

#[tokio::test]
async fn refusals_of_questions_name_what_there_is() {
    let server = Server::start();
    let mut client = published(&server).await;
    let resolve = |text: &str| wire::ResolveRequest { reference: text.into(), as_of: String::new() };
    let said = refused(client.resolve(resolve("bj.library/cart")).await, Code::NotFound, "UNKNOWN_STANDARD");
    assert!(said.contains(r#""near": "bj.library/card""#), "{said}");
    let said = refused(client.resolve(resolve("bj.library/card@^2")).await, Code::NotFound, "UNKNOWN_VERSION");
    assert!(said.contains(r#""versions": "1.0.0""#), "{said}");
    refused(client.resolve(resolve("")).await, Code::InvalidArgument, "MALFORMED_FIELD");
    refused(client.resolve(resolve("bj.library/card@one")).await, Code::InvalidArgument, "MALFORMED_FIELD");
    let list = |page_token: &str, kind, page_size| wire::ListStandardsRequest {
        page_token: page_token.into(),
        kind,
        page_size,
        namespace: String::new(),
    };
    refused(client.list_standards(list("?", 0, 0)).await, Code::InvalidArgument, "PAGE_TOKEN");
    refused(client.list_standards(list("", 99, 0)).await, Code::InvalidArgument, "MALFORMED_FIELD");
    refused(client.list_standards(list("", 0, 1001)).await, Code::InvalidArgument, "MALFORMED_FIELD");
    let search = |query: &str| wire::SearchRequest { query: query.into(), page_size: 0 };
    refused(client.search(search(" ")).await, Code::InvalidArgument, "MALFORMED_FIELD");
    refused(client.search(search(&"x".repeat(257))).await, Code::InvalidArgument, "MALFORMED_FIELD");
    let unknown = wire::ListDependentsRequest { standard: "bj.x/y".into(), transitive: true };
    refused(client.list_dependents(unknown).await, Code::NotFound, "UNKNOWN_STANDARD");
    let watch = wire::WatchRequest { from_index: 99, namespace: String::new() };
    let said = refused(client.watch(watch).await, Code::OutOfRange, "BEYOND_LOG");
    assert!(said.contains(r#""log_size": "1""#), "{said}");
}

#[tokio::test]
async fn a_status_goes_one_way() {
    let server = Server::start();
    let mut client = published(&server).await;
    let set = |operation: &str, version: &str, status: wire::Status| wire::SetStatusRequest {
        operation_id: operation.into(),
        standard: "bj.library/card".into(),
        version: version.into(),
        status: status.into(),
        reason: "the library is closed".into(),
        successor: String::new(),
        ..Default::default()
    };
    refused(client.set_status(set("a", "1.0.0", wire::Status::Draft)).await, Code::InvalidArgument, "MALFORMED_FIELD");
    refused(client.set_status(set("a", "7.0.0", wire::Status::Withdrawn)).await, Code::NotFound, "UNKNOWN_VERSION");
    let silent = wire::SetStatusRequest { reason: " ".into(), ..set("a", "1.0.0", wire::Status::Withdrawn) };
    refused(client.set_status(silent).await, Code::InvalidArgument, "MALFORMED_FIELD");
    for _ in 0..2 {
        let answer = client.set_status(set("a", "1.0.0", wire::Status::Withdrawn)).await.expect("withdrawn");
        assert_eq!(answer.into_inner().version.expect("a version").status(), wire::Status::Withdrawn);
    }
    let back = client.set_status(set("b", "1.0.0", wire::Status::Deprecated)).await;
    refused(back, Code::FailedPrecondition, "STATUS_UNREACHABLE");
    let gone = client.resolve(wire::ResolveRequest { reference: "bj.library/card".into(), as_of: String::new() }).await;
    assert_eq!(gone.expect_err("withdrawn").code(), Code::NotFound);
}

#[tokio::test]
async fn large_versions_come_in_parts_and_go_in_pieces() {
    let server = Server::start();
    let mut client = registry(&server).await;
    let content: Vec<u8> = (0..6_000_000_u32).map(|n| (n % 253) as u8).collect();
    let request = wire::PublishRequest {
        standard: "bj.library/interface".into(),
        kind: wire::Kind::Contract.into(),
        metadata_toml: METADATA.replace("\"record\"", "\"contract\""),
        files: vec![wire::File { path: "interface.wsdl".into(), content: content.clone().into() }],
        ..submission("1.0.0", SCHEMA)
    };
    refused(client.publish(request.clone()).await, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    let parts: Vec<_> = convert::package_parts(request).collect();
    let headless = client.publish_parts(tokio_stream::iter(parts[1..].to_vec())).await;
    refused(headless, Code::InvalidArgument, "MALFORMED_FIELD");
    let answer = client.publish_parts(tokio_stream::iter(parts)).await.expect("published").into_inner();
    let digest = answer.result.and_then(|result| result.version).expect("a version").digest;

    let wanted = wire::GetBundleRequest { reference: "bj.library/interface@1".into(), with_examples: false };
    let mut pieces = client.get_bundle(wanted).await.expect("a bundle").into_inner();
    let mut receiver = convert::BundleReceiver::default();
    while let Some(piece) = pieces.message().await.expect("a piece") {
        receiver.take(piece).expect("in order");
    }
    let bundle = receiver.finish().expect("verified");
    assert_eq!(bundle.digest().to_string(), digest);
    assert_eq!(bundle.root().files["interface.wsdl"], content);
}

#[tokio::test]
async fn a_small_message_may_not_unpack_into_a_large_one() {
    let server = Server::start();
    let mut client = published(&server).await.send_compressed(CompressionEncoding::Gzip);
    let bomb = wire::ResolveRequest { reference: "x".repeat(64 << 20), as_of: String::new() };
    let status = client.resolve(bomb).await.expect_err("too large");
    assert!(status.get_error_details().error_info().is_some(), "{status:?}");
    let small = wire::ResolveRequest { reference: "bj.library/card".into(), as_of: String::new() };
    client.resolve(small).await.expect("compression is understood");
}

#[tokio::test]
async fn unknown_methods_and_messages_are_refused_with_details() {
    let server = Server::start();
    let mut grpc = tonic::client::Grpc::new(channel(&server).await);
    grpc.ready().await.expect("ready");
    let codec = tonic_prost::ProstCodec::<wire::SearchRequest, wire::SearchResponse>::default();
    let path = "/guiju.registry.v1.Registry/Nothing".parse().expect("a path");
    let answer = grpc.unary(tonic::Request::new(wire::SearchRequest::default()), path, codec).await;
    refused(answer, Code::Unimplemented, "UNKNOWN_METHOD");
    grpc.ready().await.expect("ready");
    // A bundle request whose second field is a string, where the method knows a bool.
    let codec = tonic_prost::ProstCodec::<wire::ListVersionsResponse, wire::SearchResponse>::default();
    let message = wire::ListVersionsResponse { versions: vec![Default::default()], standard: Some(Default::default()) };
    let path = "/guiju.registry.v1.Registry/GetBundle".parse().expect("a path");
    let answer = grpc.unary(tonic::Request::new(message), path, codec).await;
    refused(answer, Code::InvalidArgument, "MALFORMED_MESSAGE");
}

#[tokio::test]
async fn a_watch_has_no_gaps_and_ends_when_the_server_does() {
    let server = Server::start();
    let mut client = published(&server).await;
    let watch = wire::WatchRequest { from_index: 0, namespace: "bj".into() };
    let mut told = client.watch(watch).await.expect("a watch").into_inner();
    for version in ["1.1.0", "1.2.0"] {
        client.publish(submission(version, SCHEMA)).await.expect("published");
    }
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let next = timeout(Duration::from_secs(10), told.message()).await.expect("soon").expect("no error");
        seen.push(next.expect("no end").event.expect("an event"));
    }
    let names: Vec<String> = seen
        .iter()
        .map(|event| match event {
            watch_response::Event::Published(version) => version.version.clone(),
            watch_response::Event::CaughtUp(_) => "caught up".into(),
            watch_response::Event::StatusChanged(_) => "status".into(),
        })
        .collect();
    let versions: Vec<&String> = names.iter().filter(|name| *name != "caught up").collect();
    assert_eq!(versions, ["1.0.0", "1.1.0", "1.2.0"], "{names:?}");
    let started = Instant::now();
    let (status, _folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    assert!(status.success() && started.elapsed() < Duration::from_secs(10), "a watcher does not hold the server up");
    let end = timeout(Duration::from_secs(10), told.message()).await.expect("soon");
    refused(end, Code::Unavailable, "SHUTTING_DOWN");
}

pub fn header(format: Format, failing_only: bool) -> CheckStreamRequest {
    let (reference, format) = ("bj.library/card".into(), format.into());
    let header = CheckStreamHeader { reference, format, failing_only, ..Default::default() };
    CheckStreamRequest { message: Some(Ask::Header(header)) }
}

pub fn ask(message: Ask) -> CheckStreamRequest {
    CheckStreamRequest { message: Some(message) }
}

pub async fn streamed(server: &Server, messages: Vec<CheckStreamRequest>) -> Result<Vec<CheckStreamResponse>, Status> {
    let answers = conformance(server).await.check_stream(tokio_stream::iter(messages)).await?;
    answers.into_inner().collect().await
}

/// The indexes of the records that were told, and the last counts.
fn summary(answers: &[CheckStreamResponse]) -> (Vec<u64>, Progress) {
    let record = |answer: &CheckStreamResponse| match &answer.message {
        Some(Told::Record(record)) => Some(record.index),
        _ => None,
    };
    match answers.last().and_then(|answer| answer.message.clone()) {
        Some(Told::Progress(last)) if last.is_final => (answers.iter().filter_map(record).collect(), last),
        other => panic!("the last answer must be the final counts, not {other:?}"),
    }
}

#[tokio::test]
async fn a_stream_of_records_is_answered_in_order() {
    let server = Server::start_with(&["--progress-records", "40"]);
    published(&server).await;
    let record = |n: u64| if n.is_multiple_of(10) { r#"{"card": 1}"# } else { r#"{"card": "A"}"# };
    let mut messages = vec![header(Format::Unspecified, true)];
    messages.extend((0..100).map(|n| ask(Ask::Record(record(n).into()))));
    let answers = streamed(&server, messages).await.expect("answers");
    let (failing, last) = summary(&answers);
    assert_eq!(failing, (0..100).step_by(10).collect::<Vec<u64>>());
    assert_eq!((last.records, last.conforming, last.failing, last.errors), (100, 90, 10, 10));
    let progress = answers.iter().filter_map(|answer| match &answer.message {
        Some(Told::Progress(progress)) => Some(progress.records),
        _ => None,
    });
    assert_eq!(progress.collect::<Vec<u64>>(), [40, 80, 100]);

    let answers = streamed(&server, vec![header(Format::Ndjson, false)]).await.expect("answers");
    assert_eq!(summary(&answers), (Vec::new(), Progress { is_final: true, ..Progress::default() }));
}

/// The same records in every format, cut at every third byte, with and without saying what they are.
#[tokio::test]
async fn chunks_may_be_of_any_format_and_cut_anywhere() {
    let server = Server::start();
    published(&server).await;
    let inputs = [
        (Format::Ndjson, "{\"card\": \"甲\"}\n\n{\"card\": 1}\n{\"card\": \"乙\"}"),
        (Format::JsonArray, "[{\"card\": \"甲\"}, {\"card\": 1},\n{\"card\": \"乙\"}]"),
        (Format::Csv, "证号\r\n甲\r\n123456789\r\n乙\r\n"),
    ];
    for (format, text) in inputs {
        for said in [format, Format::Unspecified] {
            let mut messages = vec![header(said, true)];
            messages.extend(text.as_bytes().chunks(3).map(|chunk| ask(Ask::Chunk(chunk.to_vec().into()))));
            let answers = streamed(&server, messages).await.expect("answers");
            let (failing, last) = summary(&answers);
            assert_eq!((failing, last.records, last.conforming), (vec![1], 3, 2), "{format:?}: {answers:?}");
            assert_eq!(last.bytes, text.len() as u64, "{format:?}");
        }
    }
    let with_bom = vec![header(Format::Ndjson, true), ask(Ask::Chunk("\u{feff}{\"card\": \"A\"}\n".into()))];
    let answers = streamed(&server, with_bom).await.expect("answers");
    assert!(matches!(&answers[0].message, Some(Told::Input(finding)) if finding.code == "bom-present"), "{answers:?}");
    // Quotes that are around nothing, lines in another encoding, one column twice: told as by every other road.
    let told: [(Vec<u8>, conformance::Encoding, &[&str]); 4] = [
        (
            "证号\nA\n\"a\"b\nc\"d\n".into(),
            conformance::Encoding::Unspecified,
            &["", "csv-quote-stray", "csv-quote-stray"],
        ),
        (
            [b"card\n\xe7\x94\xb2\n".as_slice(), &gb18030("乙丙")].concat(),
            conformance::Encoding::Unspecified,
            &["", "encoding-mixed"],
        ),
        (
            [b"card\nA\n".as_slice(), &gb18030("女\n")].concat(),
            conformance::Encoding::Gb18030,
            &["encoding-gb18030", "", ""],
        ),
        (
            b"card,CARD\nA,B\n".to_vec(),
            conformance::Encoding::Unspecified,
            &["csv-header-duplicate", "required-missing"],
        ),
    ];
    for (bytes, encoding, wanted) in told {
        let Some(Ask::Header(first)) = header(Format::Csv, false).message else { unreachable!("a header") };
        let first = Ask::Header(CheckStreamHeader { encoding: encoding.into(), ..first });
        let messages =
            [ask(first)].into_iter().chain(bytes.chunks(2).map(|chunk| ask(Ask::Chunk(chunk.to_vec().into()))));
        let answers = streamed(&server, messages.collect()).await.expect("answers");
        let codes = answers.iter().filter_map(|answer| match &answer.message {
            Some(Told::Input(finding)) => Some(finding.code.as_str()),
            Some(Told::Record(record)) => {
                let findings = &record.report.as_ref().expect("a report").findings;
                Some(findings.first().map_or("", |finding| &finding.code))
            }
            _ => None,
        });
        assert_eq!(codes.collect::<Vec<_>>(), wanted);
    }
    let unknown = CheckStreamHeader { reference: "bj.library/card".into(), encoding: 9, ..Default::default() };
    refused(streamed(&server, vec![ask(Ask::Header(unknown))]).await, Code::InvalidArgument, "MALFORMED_FIELD");
    let spreadsheet = vec![header(Format::Csv, true), ask(Ask::Chunk(b"PK\x03\x04\x14\0\x06\0".to_vec().into()))];
    refused(streamed(&server, spreadsheet).await, Code::InvalidArgument, "UNREADABLE_INPUT");
}

/// Beyond the bytes in which the format is found: its caller need not end the stream to hear of the last item.
#[tokio::test]
async fn an_array_that_is_closed_is_answered() {
    let server = Server::start();
    published(&server).await;
    for filler in [80 << 10, 200 << 10, 1 << 20] {
        let items = r#"{"card": "A"}, "#.repeat(filler / 15);
        let (sender, messages) = mpsc::channel(64);
        sender.send(header(Format::JsonArray, true)).await.expect("taken");
        for chunk in format!(r#"[{items}{{"card": 1}}]"#).into_bytes().chunks(30_000) {
            sender.send(ask(Ask::Chunk(chunk.to_vec().into()))).await.expect("there is room");
        }
        let answers = conformance(&server).await.check_stream(ReceiverStream::new(messages)).await.expect("a stream");
        let mut answers = answers.into_inner();
        let told = timeout(Duration::from_secs(5), async {
            loop {
                let answer = answers.message().await.expect("an answer").expect("not the end");
                if let Some(Told::Record(record)) = answer.message {
                    break record.index;
                }
            }
        });
        let told = told.await.unwrap_or_else(|_| panic!("nothing came of the item behind {filler} bytes"));
        assert_eq!(told, filler as u64 / 15);
        drop(sender);
        let rest = answers.collect::<Result<Vec<_>, _>>().await.expect("answers");
        assert_eq!(summary(&rest).1.failing, 1);
    }
}

/// 甲乙丙女 and ASCII in GB 18030.
fn gb18030(text: &str) -> Vec<u8> {
    let known = [("甲", [0xBC, 0xD7]), ("乙", [0xD2, 0xD2]), ("丙", [0xB1, 0xFB]), ("女", [0xC5, 0xAE])];
    let of = |c: char| match known.iter().find(|(known, _)| known.starts_with(c)) {
        Some((_, bytes)) => bytes.to_vec(),
        None => vec![c as u8],
    };
    text.chars().flat_map(of).collect()
}

#[tokio::test]
async fn a_stream_out_of_order_is_refused() {
    let server = Server::start();
    published(&server).await;
    let (record, chunk) = (|| ask(Ask::Record("{}".into())), || ask(Ask::Chunk("{}\n".into())));
    let header = || header(Format::Ndjson, true);
    let empty = || CheckStreamRequest { message: None };
    for messages in [
        vec![record()],
        vec![],
        vec![empty()],
        vec![header(), header()],
        vec![header(), record(), chunk()],
        vec![header(), record(), header()],
        vec![header(), chunk(), record()],
        vec![header(), chunk(), header()],
        vec![header(), record(), empty()],
    ] {
        let said = refused(streamed(&server, messages).await, Code::InvalidArgument, "STREAM_ORDER");
        assert!(said.contains("first a header, then records or chunks"), "{said}");
    }
    let large = vec![header(), ask(Ask::Chunk(vec![b' '; (1 << 20) + 1].into()))];
    refused(streamed(&server, large).await, Code::InvalidArgument, "MALFORMED_FIELD");
    let larger = vec![header(), ask(Ask::Record(vec![b' '; 5 << 20].into()))];
    refused(streamed(&server, larger).await, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    let options = Some(conformance::CheckOptions { reference_date: "2026-02-30".into(), ..Default::default() });
    let dated = CheckStreamHeader { reference: "bj.library/card".into(), options, ..Default::default() };
    let said =
        refused(streamed(&server, vec![ask(Ask::Header(dated))]).await, Code::InvalidArgument, "MALFORMED_FIELD");
    assert!(said.contains("options.reference_date"), "{said}");
}

/// What a stream is answered, and how it ends, where so many messages at a time are sent and then nothing for a moment.
async fn answered(server: &Server, messages: &[CheckStreamRequest], together: usize) -> (Vec<Vec<u8>>, String) {
    let (sender, receiver) = mpsc::channel(messages.len());
    let sent = messages.to_vec();
    let sending = tokio::spawn(async move {
        for (at, message) in sent.into_iter().enumerate() {
            if at > 0 && at % together == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // The server may have ended the stream.
            let _ = sender.send(message).await;
        }
    });
    let mut answers = Vec::new();
    let end = match conformance(server).await.check_stream(ReceiverStream::new(receiver)).await {
        Err(status) => Some(status),
        Ok(stream) => {
            let mut stream = stream.into_inner();
            loop {
                match stream.message().await {
                    Ok(Some(answer)) => answers.push(answer.encode_to_vec()),
                    Ok(None) => break None,
                    Err(status) => break Some(status),
                }
            }
        }
    };
    sending.await.expect("all is sent");
    let end = end.map_or("ended".into(), |status| {
        format!("{} {} {:?}", status.code(), status.message(), status.get_error_details())
    });
    (answers, end)
}

/// Records that are there at once are judged together: nobody can tell, wherever what is wrong stands among them.
#[tokio::test]
async fn how_records_come_changes_no_answer() {
    let server = Server::start_with(&["--progress-records", "3"]);
    published(&server).await;
    let large = format!(r#"{{"card": "{}"}}"#, "x".repeat(1 << 20)).into_bytes();
    let records: [&[u8]; 14] = [
        br#"{"card": "A"}"#,
        br#"{"card": "123456789"}"#,
        br#"{"card": "A", "card": "B"}"#,
        b"",
        br#"{"card": "A"}"#,
        b"{\"card\":\n \"\xff\"}",
        &large,
        br#"{"card": "A"} {"card": "B"}"#,
        br#"{"card": "A""#,
        "{\n\"card\": \"甲乙\"\n}\n".as_bytes(),
        br#"{"card": 1}"#,
        b"\xef\xbb\xbf{}",
        br#"{"card": "A"}"#,
        br#" {"card": "A", "more": [1, {"a": 1, "a": 2}]} "#,
    ];
    let mut reports = Vec::new();
    for record in records {
        let (reference, record) = ("bj.library/card".into(), record.to_vec().into());
        let request = conformance::CheckRequest { reference, record, ..Default::default() };
        let answer = conformance(&server).await.check(request).await.expect("an answer").into_inner();
        reports.push(answer.report.expect("a report"));
    }
    let faults: [(Option<Ask>, &str); 6] = [
        (None, "ended"),
        (header(Format::Ndjson, true).message, "a second header came"),
        (Some(Ask::Chunk("{}\n".into())), "a chunk came after a record"),
        (Some(Ask::Chunk(Default::default())), "a chunk came after a record"),
        (Some(Ask::Record(vec![b' '; 5 << 20].into())), "message"),
        (None, "a message is empty"),
    ];
    for failing_only in [false, true] {
        let Some(Ask::Header(first)) = header(Format::Unspecified, failing_only).message else { unreachable!() };
        for (fault, said) in &faults {
            // Where only what fails is told, one end says as much as six.
            for before in [0, 1, 6, records.len()].into_iter().filter(|_| !failing_only || fault.is_none()) {
                let with_receipt = *said == "ended";
                let mut messages = vec![ask(Ask::Header(CheckStreamHeader { with_receipt, ..first.clone() }))];
                let record = |record: &&[u8]| ask(Ask::Record(record.to_vec().into()));
                messages.extend(records[..before].iter().map(record));
                if fault.is_some() || *said != "ended" {
                    messages.push(CheckStreamRequest { message: fault.clone() });
                    messages.extend(records[..4].iter().map(record));
                }
                // A chunk may come first.
                if before == 0 && matches!(fault, Some(Ask::Chunk(_))) {
                    continue;
                }
                let whole = answered(&server, &messages, usize::MAX).await;
                assert!(whole.1.contains(said), "{said} behind {before}: {}", whole.1);
                let told = whole.0.iter().map(|answer| CheckStreamResponse::decode(&**answer).expect("an answer"));
                let told = told.filter_map(|answer| match answer.message {
                    Some(Told::Record(record)) => Some((record.index, record.report.expect("a report"))),
                    _ => None,
                });
                let wanted = (0..).zip(reports[..before].iter().cloned());
                let wanted = wanted.filter(|(_, report)| !failing_only || !report.findings.is_empty());
                let is_same = told.eq(wanted);
                assert!(is_same, "{said} behind {before}: another report than that of one record");
                for together in [1, 3, 5] {
                    let cut = answered(&server, &messages, together).await;
                    assert!(cut == whole, "{said} behind {before}, {together} at a time: {} for {}", cut.1, whole.1);
                }
            }
        }
    }
}

/// A caller who sends and never reads: the server takes a little and then no more, and lets go after its patience.
#[tokio::test]
async fn a_caller_who_never_reads_is_not_read_from() {
    let server = Server::start_with(&["--stream-idle-timeout", "2s", "--check-streams-max", "1"]);
    published(&server).await;
    let before = resident_kib(server.pid());
    let (sender, messages) = mpsc::channel(1);
    sender.send(header(Format::Unspecified, false)).await.expect("sent");
    let mut client = conformance(&server).await;
    let mut unread = client.check_stream(ReceiverStream::new(messages)).await.expect("a stream").into_inner();

    let second = streamed(&server, vec![header(Format::Unspecified, false)]).await;
    refused(second, Code::ResourceExhausted, "TOO_MANY_STREAMS");

    // Each record fails, so each is answered; the client's own window holds some thousand answers.
    let record = r#"{"card": 1}"#;
    let mut taken = 0;
    while let Ok(Ok(())) = timeout(Duration::from_secs(1), sender.send(ask(Ask::Record(record.into())))).await {
        taken += 1;
        assert!(taken < 60_000, "the server took {taken} records whose answers nobody read");
    }
    let grown = resident_kib(server.pid()).saturating_sub(before);
    assert!(grown < 64 << 10, "the server grew by {grown} KiB");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let end = loop {
        match unread.message().await {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(status) => break Err(status),
        }
    };
    refused(end, Code::ResourceExhausted, "SLOW_READER");
    streamed(&server, vec![header(Format::Unspecified, false)]).await.expect("its place is free again");
}

/// Sends a header and then nothing.
#[tokio::test]
async fn a_stream_that_stands_still_is_ended() {
    let server = Server::start_with(&["--stream-idle-timeout", "500ms"]);
    published(&server).await;
    let (sender, messages) = mpsc::channel(1);
    sender.send(header(Format::Unspecified, false)).await.expect("sent");
    let answers = conformance(&server).await.check_stream(ReceiverStream::new(messages)).await.expect("a stream");
    let mut answers: Streaming<CheckStreamResponse> = answers.into_inner();
    let end = timeout(Duration::from_secs(10), answers.message()).await.expect("soon");
    refused(end, Code::DeadlineExceeded, "STREAM_IDLE");
    drop(sender);
}

/// A version whose records take long to judge, and such a record.
async fn slow_version(server: &Server) -> String {
    let patterns: Vec<String> = (0..20).map(|n| format!(r#"{{"pattern": "(a|b)*c{{{n}}}d"}}"#)).collect();
    let schema = SCHEMA.replace(r#""maxLength": 8"#, &format!(r#""allOf": [{}]"#, patterns.join(", ")));
    registry(server).await.publish(submission("1.0.0", &schema)).await.expect("published");
    format!(r#"{{"card": "{}"}}"#, "ab".repeat(32_000))
}

/// Streams whose records take long to judge, more of them than there are threads that answer: a record by itself is told meanwhile.
#[tokio::test]
async fn slow_streams_keep_no_other_waiting() {
    let server = Server::start();
    let slow = slow_version(&server).await;
    let (mut slow_streams, records) = (JoinSet::new(), 30);
    for at in 0..4 * thread::available_parallelism().map_or(4, usize::from) {
        let (format, record) = match at % 2 {
            0 => (Format::Ndjson, Ask::Chunk(format!("{slow}\n").into())),
            _ => (Format::Unspecified, Ask::Record(slow.clone().into())),
        };
        let messages = std::iter::once(header(format, true)).chain(std::iter::repeat_n(ask(record), records));
        let mut client = conformance(&server).await;
        slow_streams.spawn(async move {
            let answers = client.check_stream(tokio_stream::iter(messages)).await.expect("a stream");
            answers.into_inner().collect::<Result<Vec<CheckStreamResponse>, Status>>().await
        });
    }
    let record = CheckRequest { reference: "bj.library/card".into(), record: "{}".into(), ..Default::default() };
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        conformance(&server).await.check(record.clone()).await.expect("a report");
    }
    assert!(slow_streams.try_join_next().is_none(), "a slow stream was done before a record by itself");
    while let Some(told) = slow_streams.join_next().await {
        let (_, last) = summary(&told.expect("no panic").expect("answers"));
        assert_eq!((last.records, last.failing), (records as u64, records as u64));
    }
}

/// Streams that hold a thread each, more of them than the runtime has by itself: what else needs one is done all the same.
#[tokio::test]
async fn streams_on_threads_leave_threads_to_others() {
    const STREAMS: usize = 600;
    const SOON: Duration = Duration::from_secs(30);
    let server = Server::start_with(&["--check-streams-max", "600"]);
    published(&server).await;
    let (mut client, mut open) = (conformance(&server).await, Vec::new());
    for at in 0..STREAMS {
        if at % 100 == 0 {
            client = conformance(&server).await;
        }
        let (sender, messages) = mpsc::channel(2);
        let header =
            CheckStreamHeader { reference: "bj.library/card".into(), with_receipt: true, ..Default::default() };
        for message in [ask(Ask::Header(header)), long_record()] {
            sender.send(message).await.expect("there is room");
        }
        let asked = timeout(SOON, client.check_stream(ReceiverStream::new(messages))).await;
        let mut answers =
            asked.unwrap_or_else(|_| panic!("stream {at} does not begin")).expect("a stream").into_inner();
        let first = timeout(SOON, answers.message()).await.unwrap_or_else(|_| panic!("stream {at} is not answered"));
        assert!(first.expect("an answer").is_some(), "stream {at} ended");
        open.push((sender, answers));
    }
    let Some(Ask::Record(record)) = long_record().message else { unreachable!("a record") };
    let request = CheckRequest { reference: "bj.library/card".into(), record, ..Default::default() };
    let report = timeout(SOON, client.check(request)).await.expect("soon").expect("a report").into_inner().report;
    assert_eq!(report.expect("a report").errors, 1);
    for (sender, answers) in open {
        drop(sender);
        let answers = timeout(SOON, answers.collect::<Result<Vec<_>, _>>()).await.expect("soon").expect("answers");
        assert_eq!(summary(&answers).1.failing, 1);
        assert!(answers.iter().all(|answer| !answer.receipt.is_empty()), "{answers:?}");
    }
}

/// The server does not wait longer for streams than it was told, whether they stand still or are judged.
#[tokio::test]
async fn streams_are_cut_off_when_the_server_stops() {
    let server = Server::start_with(&["--shutdown-timeout", "1s"]);
    let slow = slow_version(&server).await;
    let mut open = Vec::new();
    for (record, count) in [("", 0), (r#"{"card": "A"}"#, usize::MAX), (&slow, 1), (&slow, 1), (&slow, usize::MAX)] {
        let (sender, messages) = mpsc::channel(1);
        sender.send(header(Format::Unspecified, false)).await.expect("sent");
        let answers = conformance(&server).await.check_stream(ReceiverStream::new(messages)).await.expect("a stream");
        let (record, sending) = (ask(Ask::Record(record.to_owned().into())), sender.clone());
        tokio::spawn(async move {
            for _ in 0..count {
                if sending.send(record.clone()).await.is_err() {
                    break;
                }
            }
        });
        let read = tokio::spawn(answers.into_inner().collect::<Result<Vec<_>, _>>());
        open.push((sender, read));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    crate::support::signal("TERM", server.pid());
    let (status, folder) = tokio::task::spawn_blocking(|| server.ended()).await.expect("it ends");
    let log = fs::read_to_string(folder.path().join("server.log")).expect("a log");
    assert!(status.success() && log.contains("cut off") && !log.contains("panic"), "{status}: {log}");
    for (_, read) in open {
        let end = timeout(Duration::from_secs(10), read).await.expect("soon").expect("no panic");
        assert!(end.is_err(), "it looks whole: {end:?}");
    }
}

/// A record that fails, long enough to be judged on a thread of its stream's own.
fn long_record() -> CheckStreamRequest {
    ask(Ask::Record(format!(r#"{{"card": "{}"}}"#, "A".repeat(20_000)).into()))
}

/// Such streams end before their connections do.
#[tokio::test]
async fn streams_that_are_cut_off_do_not_look_whole() {
    let server = Server::start_with(&["--shutdown-timeout", "300ms"]);
    published(&server).await;
    let (mut client, mut open) = (conformance(&server).await, Vec::new());
    for at in 0..60 {
        if at % 4 == 0 {
            client = conformance(&server).await;
        }
        let (sender, messages) = mpsc::channel(2);
        for message in [header(Format::Unspecified, false), long_record()] {
            sender.send(message).await.expect("there is room");
        }
        let mut answers = client.check_stream(ReceiverStream::new(messages)).await.expect("a stream").into_inner();
        let first = answers.message().await.expect("an answer").expect("not the end");
        assert!(matches!(first.message, Some(Told::Record(_))), "{first:?}");
        open.push((sender, answers));
    }
    let ends = open.into_iter().map(|(sender, mut answers)| {
        tokio::spawn(async move {
            let end = answers.message().await;
            drop(sender);
            end
        })
    });
    let ends: Vec<_> = ends.collect();
    let (status, _folder) = tokio::task::spawn_blocking(|| server.stop()).await.expect("it ends");
    assert!(status.success(), "{status}");
    let mut whole = 0;
    for end in ends {
        let end = timeout(Duration::from_secs(10), end).await.expect("soon").expect("no panic");
        whole += usize::from(end.is_ok());
    }
    assert_eq!(whole, 0, "of 60 streams so many ended as if all had been told");
}

/// Time does not count against a caller whose chunk is held up by what the server still judges, and tells him, of those before.
#[tokio::test]
async fn a_caller_who_reads_slowly_is_not_idle() {
    let server = Server::start_with(&["--stream-idle-timeout", "500ms"]);
    published(&server).await;
    let window = 65_535;
    let endpoint = Endpoint::from_shared(server.url()).expect("a URL");
    let endpoint = endpoint.initial_stream_window_size(window).initial_connection_window_size(window);
    let mut client = ConformanceClient::new(endpoint.connect().await.expect("the server listens"));
    let line = "{\"card\":1}\n";
    let counts = [6_000, 9_000, 80_000];
    let chunks = counts.map(|count| ask(Ask::Chunk(line.repeat(count).into())));
    let messages = std::iter::once(header(Format::Ndjson, false)).chain(chunks);
    let answers = client.check_stream(tokio_stream::iter(messages)).await.expect("a stream");
    let (mut answers, mut told) = (answers.into_inner(), 0);
    while let Some(answer) = answers.message().await.expect("an answer") {
        told += usize::from(matches!(answer.message, Some(Told::Record(_))));
        if told % 200 == 0 && (5_000..9_000).contains(&told) {
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }
    assert_eq!(told, counts.iter().sum::<usize>());
}

/// Also where the reader had enough of it.
#[tokio::test]
async fn a_receipt_is_of_all_that_was_sent() {
    let server = Server::start();
    published(&server).await;
    let items = [r#"{"card":"A"}"#; 20_000].join(",");
    for (text, format) in [
        (format!("[{items}]x{}", "y".repeat(600_000)), Format::JsonArray),
        (format!(r#"{{"card":"{}"}}"#, "A".repeat(2_000_000)), Format::Json),
    ] {
        for size in [30_000, 1 << 20] {
            let (reference, format) = ("bj.library/card".into(), format.into());
            let header = CheckStreamHeader { reference, format, with_receipt: true, ..Default::default() };
            let chunks = text.as_bytes().chunks(size).map(|chunk| ask(Ask::Chunk(chunk.to_vec().into())));
            let messages = std::iter::once(ask(Ask::Header(header))).chain(chunks).collect();
            let answers = streamed(&server, messages).await.expect("answers");
            let (receipt, (_, last)) = (&answers[answers.len() - 1].receipt, summary(&answers));
            assert!(receipt.contains(&Digest::of(text.as_bytes()).to_string()), "{receipt}");
            assert_eq!(last.bytes, text.len() as u64);
        }
    }
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
}

/// What was in flight when the signal came is answered in full.
#[tokio::test]
async fn stopping_finishes_what_was_begun() {
    let server = Server::start();
    published(&server).await;
    let (sender, messages) = mpsc::channel(1);
    sender.send(header(Format::Unspecified, false)).await.expect("sent");
    let answers = conformance(&server).await.check_stream(ReceiverStream::new(messages)).await.expect("a stream");
    let pid = server.pid();
    crate::support::signal("TERM", pid);
    tokio::time::sleep(Duration::from_millis(300)).await;
    sender.send(ask(Ask::Record(r#"{"card": "A"}"#.into()))).await.expect("the stream is open still");
    drop(sender);
    let answers: Vec<_> = answers.into_inner().collect::<Result<_, _>>().await.expect("answers");
    assert_eq!(summary(&answers).1.records, 1);
    let (status, _folder) = tokio::task::spawn_blocking(move || server.ended()).await.expect("ended");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn tls_is_spoken_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).expect("written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let flags = ["--tls-certificate", certificate.to_str().expect("UTF-8"), "--tls-key", key.to_str().expect("UTF-8")];
    let server = Server::start_with(&flags);
    let port = server.address.rsplit(':').next().expect("a port");
    let endpoint = || Endpoint::from_shared(format!("https://localhost:{port}")).expect("a URL");

    let known = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(made.cert.pem())).domain_name("localhost");
    let channel = endpoint().tls_config(known).expect("TLS").connect().await.expect("a handshake");
    RegistryClient::new(channel).publish(submission("1.0.0", SCHEMA)).await.expect("published over TLS");

    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let unknown =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(other.cert.pem())).domain_name("localhost");
    assert!(endpoint().tls_config(unknown).expect("TLS").connect().await.is_err(), "another authority is not believed");

    let clear = Endpoint::from_shared(format!("http://localhost:{port}")).expect("a URL").connect_lazy();
    let answer = RegistryClient::new(clear).search(wire::SearchRequest { query: "x".into(), page_size: 0 }).await;
    assert!(answer.is_err(), "in clear");
}
