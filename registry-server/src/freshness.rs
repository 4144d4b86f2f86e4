//! How fresh an answer is, where several servers share a log. By default nothing is missing in it that was acknowledged to anybody
//! before it was asked for; a caller who asks for less is told how old it may be.
//!
//! Each request says with `guiju-max-staleness-ms` how stale its answer may be, 0 where it says nothing. Each answer says with
//! `guiju-log-size` how many entries it knows at least, and with `guiju-staleness-ms` how long before the request it was last
//! certain that there were no more.
//!
//! Where somebody holds a role, the gate judges by the view, too: nobody is answered from one that is older than `staleness_max`,
//! however stale an answer the caller takes. Else a server that is cut off from the log would let in for ever whom the others let in
//! no longer. Streams under way end by then, too (`Service::until_let_go`). A registry in which nobody holds a role has nothing to take
//! back, and answers as stale as asked.
//!
//! # Invariants
//! - Whatever is not public in the table of permissions (`permissions.rs`) is asked here how old it may be.
//! - Of many who ask at once two at most wait for a question to the log: the one that began before they came does not count for
//!   them, the next counts for all. One that has no answer is the answer for all who came before it ended.

use crate::{
    access::is_grpc,
    http::text,
    permissions::{self, Need},
    registry::{Registry, StoreError},
    status::{Reason, Refusal},
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    middleware::Next,
    response::Response,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;
use tonic::Status;

const MAX_STALENESS: &str = "guiju-max-staleness-ms";
const STALENESS: &str = "guiju-staleness-ms";
const LOG_SIZE: &str = "guiju-log-size";

/// What the middleware needs.
#[derive(Clone)]
pub struct Freshness {
    registry: Arc<Registry>,
    /// How old a view may be by which somebody is let in.
    staleness_max: Duration,
    /// Held by the one who asks the log; when the last question without an answer ended, and why it had none.
    turn: Arc<Mutex<Option<(Instant, Refusal)>>>,
}

impl Freshness {
    pub fn new(registry: Arc<Registry>, staleness_max: Duration) -> Self {
        Self { registry, staleness_max, turn: Arc::default() }
    }

    /// How old the view may be for one request: what its caller takes, and no more than is allowed in a closed registry.
    fn allowed(&self, request: &Request) -> Result<Duration, Refusal> {
        // Counts are read most of all while the log is away, by those who can say nothing about staleness.
        let unsaid = if request.uri().path() == "/metrics" { Duration::MAX } else { Duration::ZERO };
        let taken = said(request.headers())?.unwrap_or(unsaid);
        if taken <= self.staleness_max || self.registry.holdings()?.1.is_empty() {
            return Ok(taken);
        }
        Ok(self.staleness_max)
    }

    /// Completes once the view has all that was in the log at that time.
    async fn is_whole_since(&self, asked: Instant) -> Result<(), Refusal> {
        let mut turn = self.turn.lock().await;
        if self.registry.whole_as_of() >= Some(asked) {
            return Ok(());
        }
        if let Some((ended, refusal)) = &*turn
            && *ended >= asked
        {
            return Err(refusal.clone());
        }
        let registry = self.registry.clone();
        let brought = tokio::task::spawn_blocking(move || registry.catch_up()).await;
        let refusal = match brought {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => Refusal::from(error),
            Err(error) => Refusal::from(StoreError::Broken(error.to_string())),
        };
        *turn = Some((Instant::now(), refusal.clone()));
        Err(refusal)
    }
}

/// The middleware. A log of one server is always whole, and costs nothing here.
pub async fn ensure(State(freshness): State<Freshness>, request: Request, next: Next) -> Response {
    if !freshness.registry.is_shared() || is_public(request.uri().path()) {
        return next.run(request).await;
    }
    let (asked, is_grpc) = (Instant::now(), is_grpc(request.headers()));
    let refused = |refusal: Refusal| match is_grpc {
        true => Status::from(refusal).into_http(),
        false => {
            let status = StatusCode::from_u16(refusal.http()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            text(status, format!("{}\n", refusal.message()))
        }
    };
    let staleness_max = match freshness.allowed(&request) {
        Ok(max) => max,
        Err(refusal) => return refused(refusal),
    };
    let held = |as_of: Option<Instant>| as_of.map(|as_of| asked.saturating_duration_since(as_of));
    let is_enough = |age: &Duration| *age <= staleness_max && !staleness_max.is_zero();
    let age = match held(freshness.registry.whole_as_of()).filter(is_enough) {
        Some(age) => age,
        None => match freshness.is_whole_since(asked).await {
            Ok(()) => Duration::ZERO,
            Err(refusal) => return refused(explained(refusal, freshness.staleness_max, staleness_max)),
        },
    };
    let (_, size) = freshness.registry.sizes();
    let mut response = next.run(request).await;
    response.headers_mut().insert(LOG_SIZE, HeaderValue::from(size));
    response.headers_mut().insert(STALENESS, HeaderValue::from(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
    response
}

/// Says what one may do who asked for more than a closed registry gives.
fn explained(refusal: Refusal, most: Duration, allowed: Duration) -> Refusal {
    if refusal.reason() != Reason::LogUnavailable || allowed != most {
        return refusal;
    }
    let why = "what this server knows of who may do what is older than its `staleness_max`";
    let remedy = "ask another server, or see that this one reaches the log";
    Refusal::new(Reason::LogUnavailable, format!("{}; {why} ({most:?}): {remedy}", refusal.message()))
}

/// What everybody may have is judged by no view; what has no row is not served.
fn is_public(path: &str) -> bool {
    permissions::find(path).is_none_or(|row| matches!(row.need, Need::Public | Need::Told(_)))
}

/// How stale an answer the caller takes, where it says so.
fn said(headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
    let Some(value) = headers.get(MAX_STALENESS) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    let why = "write a whole number of milliseconds";
    let fault = || Refusal::new(Reason::MalformedField, format!("{MAX_STALENESS}: {why}")).at(MAX_STALENESS, why);
    number.map(Duration::from_millis).map(Some).ok_or_else(fault)
}
