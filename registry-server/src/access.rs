//! One log line and one count for each request, however it ends. Never what it carried.

use crate::{
    gate::Holder, http::text, listen::Peer, metrics::Metrics, room::Room, settings::Settings, status, traces,
    unread::Unread,
};
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::Response,
};
use guiju_proto::FILE_DESCRIPTOR_SET;
use http_body::{Frame, SizeHint};
use prost::Message as _;
use prost_types::{MethodOptions, method_options::IdempotencyLevel};
use std::{
    borrow::Cow,
    collections::HashMap,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tonic::Code;
use tracing::{Instrument, Span};

/// What the middleware needs.
#[derive(Clone)]
pub struct Access {
    metrics: Metrics,
    /// By its path: whether its answer is one message and changes nothing.
    methods: Arc<HashMap<String, bool>>,
    request_timeout: Duration,
    header_bytes_max: usize,
    room: Room,
    unread: Unread,
}

impl Access {
    pub fn new(metrics: Metrics, settings: &Settings, room: Room, unread: Unread) -> Self {
        let (request_timeout, header_bytes_max) = (settings.request_timeout, settings.header_bytes_max as usize);
        Self { metrics, methods: Arc::new(methods()), request_timeout, header_bytes_max, room, unread }
    }

    /// A name fit for a label: callers can invent paths, and each would be a time series of its own.
    fn method(&self, path: &str) -> Cow<'static, str> {
        match path {
            path if self.methods.contains_key(path) => path.to_owned().into(),
            "/" => "/".into(),
            "/healthz" => "/healthz".into(),
            "/metrics" => "/metrics".into(),
            "/checkpoint" => "/checkpoint".into(),
            "/add-checkpoint" => "/add-checkpoint".into(),
            path if path.starts_with("/tile/") => "/tile/*".into(),
            path if path.starts_with("/grpc.health.v1.Health/") => "/grpc.health.v1.Health/*".into(),
            path if path.starts_with("/grpc.reflection.") => "/grpc.reflection/*".into(),
            _ => "other".into(),
        }
    }
}

/// `/guiju.registry.v1.Registry/Publish` and its like.
fn methods() -> HashMap<String, bool> {
    let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap_or_default();
    let services = set.file.iter().flat_map(|file| file.service.iter().map(|service| (file.package(), service)));
    services
        .flat_map(|(package, service)| {
            service.method.iter().map(move |method| {
                let changes_nothing = method.options.as_ref().map(MethodOptions::idempotency_level);
                let reads = changes_nothing == Some(IdempotencyLevel::NoSideEffects) && !method.server_streaming();
                (format!("/{package}.{}/{}", service.name(), method.name()), reads)
            })
        })
        .collect()
}

/// The middleware: bounds the wait for an answer's beginning, and writes the line when its end is sent or given up.
pub async fn observe(
    axum::extract::State(access): axum::extract::State<Access>,
    request: Request,
    next: Next,
) -> Response {
    let (method, is_grpc) = (access.method(request.uri().path()), is_grpc(request.headers()));
    let reads = !is_grpc || access.methods.get(&*method).is_some_and(|reads| *reads);
    let span = if is_grpc { traces::call(&method, request.headers()) } else { Span::none() };
    let line = Line {
        method,
        peer: request.extensions().get::<Peer>().map(|peer| peer.address),
        started: Instant::now(),
        // What holds if the caller goes away before the answer.
        code: Code::Cancelled.into_text(),
        metrics: access.metrics,
        span: span.clone(),
    };
    // HTTP/2 bounds them itself, HTTP/1 only at some hundred KiB.
    if header_bytes(request.headers()) > access.header_bytes_max {
        let why = format!("the headers are larger than {} bytes\n", access.header_bytes_max);
        return line.follow(text(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why), false);
    }
    let answer = tokio::time::timeout(access.request_timeout, next.run(request).instrument(span)).await;
    let mut response = match answer {
        Ok(response) if is_grpc => status::completed(response),
        Ok(response) => response,
        Err(_) => status::timed_out(access.request_timeout).into_http(),
    };
    let holder = response.extensions_mut().remove::<Option<Holder>>().flatten();
    if reads {
        response = access.room.hold(response, holder, is_grpc);
    }
    line.follow(response, is_grpc).map(|body| access.unread.over(body, is_grpc))
}

/// As HTTP/2 counts them: 32 bytes for each beside its name and value.
fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

/// Whether a request or an answer speaks gRPC.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get("content-type").is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Written when it is dropped, so once and always.
struct Line {
    method: Cow<'static, str>,
    peer: Option<SocketAddr>,
    started: Instant,
    code: Cow<'static, str>,
    metrics: Metrics,
    /// Ends with the answer.
    span: Span,
}

impl Line {
    fn follow(mut self, response: Response, is_grpc: bool) -> Response {
        let code = match is_grpc {
            true => grpc_code(response.headers()),
            false => Some(response.status().as_u16().to_string().into()),
        };
        if let Some(code) = code {
            self.code = code;
        }
        response.map(|body| Body::new(Observed { body, line: self }))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.metrics.request(self.method.clone(), self.code.clone(), took);
        let peer = self.peer.map_or_else(String::new, |peer| peer.to_string());
        let ms = (took.as_secs_f64() * 1e6).round() / 1e3;
        if !self.span.is_disabled() {
            traces::ended(&self.span, &self.code);
        }
        tracing::info!(method = %self.method, code = %self.code, ms, peer, "request");
    }
}

fn grpc_code(headers: &HeaderMap) -> Option<Cow<'static, str>> {
    headers.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()).into_text())
}

/// A body that tells its line how the answer ended.
struct Observed {
    body: Body,
    line: Line,
}

impl http_body::Body for Observed {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(code) = frame.trailers_ref().and_then(grpc_code)
        {
            self.line.code = code;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

trait CodeText {
    fn into_text(self) -> Cow<'static, str>;
}

impl CodeText for Code {
    /// As the gRPC documents spell it.
    fn into_text(self) -> Cow<'static, str> {
        status::code_name(self).into()
    }
}
