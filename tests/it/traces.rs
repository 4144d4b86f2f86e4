//! Traces reach a collector that speaks OTLP over gRPC; one that is away slows nothing and loses nothing else.

use crate::{
    grpc::{SCHEMA, conformance, registry, submission},
    support::{Server, said, server_command},
};
use guiju_proto::{conformance::CheckRequest, registry::ResolveRequest};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use std::{
    collections::BTreeSet,
    net::TcpListener,
    sync::{Arc, Mutex},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status};

/// Keeps what it is told.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    services: Arc<Mutex<BTreeSet<String>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let name =
                attributes.iter().find(|attribute| attribute.key == "service.name").map(|name| format!("{name:?}"));
            self.services.lock().expect("names").extend(name);
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.lock().expect("spans").extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// On a free port; its address.
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        format!("http://{address}")
    }

    /// All that it was told of one trace.
    fn of(&self, trace: &str) -> Vec<Span> {
        let spans = self.spans.lock().expect("spans");
        spans.iter().filter(|span| hex(&span.trace_id) == trace).cloned().collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    match value {
        Value::StringValue(text) => Some(text),
        other => Some(format!("{other:?}")),
    }
}

const CALLER: &str = "00f067aa0ba902b7";

/// A request under a trace of its caller.
fn under<T>(trace: &str, flags: &str, request: T) -> Request<T> {
    let mut request = Request::new(request);
    let parent = format!("00-{trace}-{CALLER}-{flags}");
    request.metadata_mut().insert("traceparent", parent.parse().expect("ASCII"));
    request
}

async fn stopped(server: Server) {
    let (status, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
    assert!(status.success(), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_the_steps_of_a_publication_reach_the_collector() {
    let collector = Collector::default();
    let server = Server::start_with(&["--traces", &collector.start().await, "--log-format", "json"]);
    let [published, refused, checked, unsampled] = ["a", "b", "c", "d"].map(|digit| digit.repeat(32));
    let mut client = registry(&server).await;
    client.publish(under(&published, "01", submission("1.0.0", SCHEMA))).await.expect("published");
    let again = client.publish(under(&refused, "01", submission("1.0.0", r#"{"type": "object"}"#))).await;
    assert_eq!(again.expect_err("refused").code(), Code::AlreadyExists);
    let secret = "nobody-is-told-of-this";
    let record = format!(r#"{{"card": "{secret}"}}"#);
    let check = CheckRequest { reference: "bj.library/card".into(), record: record.into(), ..Default::default() };
    conformance(&server).await.check(under(&checked, "01", check)).await.expect("a report");
    let resolve = ResolveRequest { reference: "bj.library/card".into(), ..Default::default() };
    client.resolve(under(&unsampled, "00", resolve.clone())).await.expect("resolved");
    client.resolve(resolve).await.expect("resolved");
    let log = server.log();
    assert!(!log.contains("\"span") && log.contains("Registry/Publish"), "log lines are as without traces: {log}");
    // What waits is told when the server stops.
    stopped(server).await;

    let of_publication = collector.of(&published);
    let call = of_publication.iter().find(|span| span.name == "guiju.registry.v1.Registry/Publish").expect("the call");
    assert_eq!(hex(&call.parent_span_id), CALLER, "under its caller");
    assert_eq!(attribute(call, "rpc.method").as_deref(), Some("guiju.registry.v1.Registry/Publish"));
    assert_eq!(attribute(call, "rpc.response.status_code").as_deref(), Some("OK"));
    assert_eq!(call.kind, 2, "of a server");
    let mut steps: Vec<&Span> = of_publication.iter().filter(|span| span.parent_span_id == call.span_id).collect();
    steps.sort_by_key(|step| step.start_time_unix_nano);
    assert_eq!(steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["judge", "append", "view"]);
    for pair in steps.windows(2) {
        assert!(pair[0].end_time_unix_nano <= pair[1].start_time_unix_nano, "one after the other: {pair:?}");
    }
    assert!(steps.iter().all(|step| step.end_time_unix_nano <= call.end_time_unix_nano), "within the call");

    let calls = |trace: &str| collector.of(trace).iter().map(|span| span.name.clone()).collect::<Vec<_>>();
    let refusal = collector.of(&refused);
    let refusal = refusal.iter().find(|span| span.name.ends_with("/Publish")).expect("the call");
    assert_eq!(attribute(refusal, "rpc.response.status_code").as_deref(), Some("ALREADY_EXISTS"));
    assert_eq!(refusal.status.clone().unwrap_or_default().code, 0, "what a caller did wrong is no fault of the server");
    assert_eq!(calls(&checked), ["guiju.conformance.v1.Conformance/Check"]);
    assert_eq!(calls(&unsampled), [""; 0], "a caller who does not trace is not traced");
    let all = collector.spans.lock().expect("spans").clone();
    assert!(
        all.iter().any(|span| span.name.ends_with("/Resolve") && span.parent_span_id.is_empty()),
        "a trace begins here"
    );
    let told = format!("{all:?}");
    assert!(!told.contains(secret) && !told.contains("library"), "nothing of what a call carries is told");
    let services = collector.services.lock().expect("names").clone();
    assert!(services.iter().any(|name| name.contains("guiju-server")), "{services:?}");
}

/// One that refuses connections, and one that takes them and is silent.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    for address in [gone, silent.local_addr().expect("an address")] {
        let server = Server::start_with(&["--traces", &format!("http://{address}")]);
        let mut client = registry(&server).await;
        // More spans than the queue holds.
        for number in 0..40 {
            client.publish(submission(&format!("1.{number}.0"), SCHEMA)).await.expect("published");
        }
        let resolve = ResolveRequest { reference: "bj.library/card@=1.39.0".into(), ..Default::default() };
        for _ in 0..2_500 {
            client.resolve(resolve.clone()).await.expect("resolved");
        }
        let log = server.log();
        assert!(log.contains("Registry/Resolve") && !log.contains("broke a rule"), "{log}");
        stopped(server).await;
    }
}

#[test]
fn where_traces_go_is_checked_at_the_start() {
    for (flags, expected) in [
        (vec!["--traces", "localhost:4317"], "does not begin with http:// or https://"),
        (vec!["--traces", "https://127.0.0.1:4317"], "`traces_authority` is missing"),
        (vec!["--traces", "https://127.0.0.1:4317", "--traces-authority", "/none.pem"], "/none.pem"),
        (vec!["--traces", "http://127.0.0.1:4317", "--traces-one-in", "0"], "write a whole number from 1"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = server_command(&["serve", "--listen", "127.0.0.1:0", "--data"]);
        let output = command.arg(folder.path()).args(&flags).output().expect("it ends");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(expected) && said.contains("hint: "), "{flags:?}: {said}");
    }
}
