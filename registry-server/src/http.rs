//! What answers HTTP beside gRPC, on the same port: health, metrics, a word of greeting.

use crate::{access::is_grpc, metrics::Metrics};
use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;
use tonic::{Code, Status};

/// How large things are now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// Entries in the log.
    pub log_entries: u64,
    /// Bytes that the log's files take.
    pub log_bytes: u64,
    /// Entries that the view has applied.
    pub applied: u64,
}

/// What the pages need.
#[derive(Clone)]
pub struct Pages {
    pub metrics: Metrics,
    pub sizes: Arc<dyn Fn() -> Sizes + Send + Sync>,
    pub is_stopping: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// The routes. What is neither one of them nor a gRPC method gets the answer that its protocol knows.
pub fn routes(pages: Pages) -> Router {
    Router::new()
        .route("/", get(greeting))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .fallback(unknown)
        .with_state(pages)
}

async fn greeting() -> Response {
    text(StatusCode::OK, GREETING.into())
}

const GREETING: &str = concat!(
    "guiju-server ",
    env!("CARGO_PKG_VERSION"),
    "
A registry of data standards. It speaks gRPC on this port: guiju.registry.v1.Registry, guiju.conformance.v1.Conformance,
grpc.health.v1.Health, and reflection.

/healthz  whether it lives and is ready
/metrics  what it counts, for Prometheus
"
);

/// 200 while it answers, 503 while it stops. A server whose view is behind its log still answers, and says by how much.
async fn health(State(pages): State<Pages>) -> Response {
    let sizes = (pages.sizes)();
    let (status, word) = match (pages.is_stopping)() {
        false => (StatusCode::OK, "ready"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    let lag = sizes.log_entries.saturating_sub(sizes.applied);
    text(status, format!("live: yes\nstatus: {word}\nlog_entries: {}\nview_lag_entries: {lag}\n", sizes.log_entries))
}

async fn metrics(State(pages): State<Pages>) -> Response {
    pages.metrics.sizes((pages.sizes)());
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], pages.metrics.text()).into_response()
}

async fn unknown(request: Request) -> Response {
    match is_grpc(request.headers()) {
        true => Status::new(Code::Unimplemented, format!("there is no method `{}`", request.uri().path())).into_http(),
        false => text(StatusCode::NOT_FOUND, "there is nothing here; see /\n".into()),
    }
}

pub fn text(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
