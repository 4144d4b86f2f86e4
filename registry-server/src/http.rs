//! What answers HTTP beside gRPC, on the same port: health, metrics, the transparency log, a word of greeting.

mod tiles; // checkpoint and tiles
mod witness; // cosignatures for others' logs

use crate::{
    access::is_grpc,
    gate::Deed,
    log::{Health, Member, MemberState},
    metrics::Metrics,
    mirror,
    registry::Registry,
    store::Store,
};
use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tonic::{Code, Status};

/// What the pages need.
#[derive(Clone)]
pub struct Pages {
    pub metrics: Metrics,
    pub store: Arc<Store>,
    pub stopping: watch::Receiver<bool>,
    /// How the following of another registry goes, where there is one.
    pub mirror: Option<Arc<Mutex<mirror::State>>>,
}

/// The routes. What is neither one of them nor a gRPC method gets the answer that its protocol knows.
pub fn routes(pages: Pages) -> Router {
    Router::new()
        .route("/", get(greeting))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .merge(tiles::routes())
        .merge(witness::routes())
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
guiju.log.v1.LogService, grpc.health.v1.Health, and reflection.

/healthz  whether it lives and is ready
/metrics  what it counts, for Prometheus
/checkpoint, /tile/...  the log, for those who verify it (C2SP tlog-tiles)
/add-checkpoint  cosigns a log that this registry is a witness of (C2SP tlog-witness)
"
);

/// 200 while it answers, 503 while it stops. A server whose view is behind its log still answers, and says by how much. Why, where it
/// is not well, and who stands beside it is for those who run it.
async fn health(State(pages): State<Pages>, Extension(deed): Extension<Deed>) -> Response {
    let is_told_more = deed.is_told_more();
    let (log_entries, applied) = pages.store.registry.sizes();
    let health = pages.store.registry.log().health();
    let (status, word) = match (*pages.stopping.borrow(), pages.store.registry.is_view_failing(), &health.trouble) {
        (true, ..) => (StatusCode::SERVICE_UNAVAILABLE, "stopping".to_owned()),
        (_, true, _) if is_told_more => (StatusCode::OK, "mending: the view failed and is made anew".to_owned()),
        (_, true, _) => (StatusCode::OK, "mending".to_owned()),
        (.., Some(trouble)) if is_told_more => (StatusCode::OK, format!("read-only: {trouble}")),
        (.., Some(_)) => (StatusCode::OK, "read-only".to_owned()),
        _ => (StatusCode::OK, "ready".to_owned()),
    };
    let lag = log_entries.saturating_sub(applied);
    let mut lines = format!("live: yes\nstatus: {word}\nlog_entries: {log_entries}\nview_lag_entries: {lag}\n");
    if !is_told_more {
        return text(status, lines);
    }
    if let Some(mirror) = &pages.mirror {
        let state = mirror.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let word = match (&state.distrusted, &state.away, &state.stuck) {
            (Some(why), ..) => format!("distrusted: {why}"),
            (None, Some(why), _) => format!("away: {why}"),
            (None, None, Some(why)) => format!("stuck: {why}"),
            (None, None, None) => "followed".into(),
        };
        let (size, behind) = (state.size, state.size.saturating_sub(state.followed));
        lines += &format!(
            "upstream: {}\nupstream_status: {word}\nupstream_entries: {size}\nupstream_behind: {behind}\n",
            state.upstream
        );
        if !state.also.is_empty() {
            let also: Vec<String> = state.also.iter().map(ToString::to_string).collect();
            lines += &format!("upstream_also: {}\n", also.join(", "));
        }
        if let Some(bare) = state.bare.filter(|bare| !bare.is_empty()) {
            let bare: Vec<String> = bare.iter().map(ToString::to_string).collect();
            lines += &format!("upstream_nothing_under: {}\n", bare.join(", "));
        }
    }
    match pages.metrics.scrub_damaged() {
        0 => {}
        count => {
            lines += &format!(
                "damaged_entries: {count}; `guiju-server verify` lists them and mends them from another copy\n"
            )
        }
    }
    if pages.store.registry.is_shared() {
        lines += &of_cluster(&pages.store.registry);
    }
    text(status, lines)
}

/// What is known of the cluster that keeps the log. A server that has lost it still answers those who take a stale answer.
fn of_cluster(registry: &Registry) -> String {
    let Health { trouble, members } = registry.log_health();
    let age = registry.whole_as_of().map_or("never".into(), |as_of| format!("{}", as_of.elapsed().as_millis()));
    let mut lines = format!("staleness_ms: {age}\nlog: {}\n", trouble.as_deref().unwrap_or("answers"));
    for Member { address, answers } in members {
        let state = match answers {
            None => "does not answer".into(),
            Some(MemberState { has_leader: false, .. }) => "has no leader".into(),
            Some(MemberState { is_leader, bytes, version, .. }) => {
                format!("{}, {bytes} bytes, etcd {version}", if is_leader { "leads" } else { "follows" })
            }
        };
        lines += &format!("member {address}: {state}\n");
    }
    lines
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let (log_entries, applied) = pages.store.registry.sizes();
    pages.metrics.log_health(&pages.store.registry.log().health());
    pages.metrics.sizes(log_entries, pages.store.log_bytes(), applied);
    if pages.store.registry.is_shared() {
        pages.metrics.cluster(&pages.store.registry.log_health(), pages.store.registry.whole_as_of());
    }
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
