//! Where calls spend their time, as spans: each call, and below a publication its steps.
//!
//! # Invariants
//! - A span says which method, how it ended, and which step; nothing of what a call carries, and nobody's name.
//! - Where nobody collects them a span costs a look at whether it is wanted.

mod collector; // to whom they are told

pub use collector::{Collector, layer};

use axum::http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, field::Empty, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What spans are known by, so that log lines leave them out.
const TARGET: &str = "guiju::trace";

/// One call, under that of its caller where the headers name one (W3C Trace Context). Attributes as OpenTelemetry names them.
pub fn call(method: &str, headers: &HeaderMap) -> Span {
    let method = method.trim_start_matches('/');
    let span = info_span!(
        target: TARGET,
        "call",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.method = method,
        rpc.response.status_code = Empty,
    );
    if !span.is_disabled() {
        // Without such a header it is where a trace begins.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&Headers(headers)));
    }
    span
}

/// How a call ended, by its code as gRPC spells it. What a caller did wrong is no fault of the server.
pub fn ended(call: &Span, code: &str) {
    const FAULTS: [&str; 6] = ["DATA_LOSS", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "UNIMPLEMENTED", "UNKNOWN"];
    call.record("rpc.response.status_code", code);
    if FAULTS.contains(&code) {
        call.record("otel.status_code", "ERROR");
    }
}

/// Finding out whether a version may be published, in the call that this thread works for.
pub fn judging() -> Span {
    info_span!(target: TARGET, "judge")
}

/// Making a change durable, with whatever others wait, for one of those who wait.
pub fn appending(call: &Span) -> Span {
    match call.is_disabled() {
        true => Span::none(),
        false => info_span!(target: TARGET, parent: call, "append"),
    }
}

/// Taking what was appended into the view, for one of those who wait.
pub fn taking_in(call: &Span) -> Span {
    match call.is_disabled() {
        true => Span::none(),
        false => info_span!(target: TARGET, parent: call, "view"),
    }
}

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
