//! `guiju.registry.v1`: publish, resolve, fetch, find, watch.

use super::{Answer, Service, reference};
use crate::{
    registry::{Event, Happening, OperationId, StatusChange, Submission},
    status::{self, Reason, Refusal},
};
use guiju_model::{Kind, Namespace, Package, Reference, StandardId, Status as VersionStatus};
use guiju_proto::{
    convert::{self, ConvertError, PackageReceiver, parsed},
    registry::{self as wire, registry_server::Registry},
};
use std::time::Duration;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// What the files of a version hold at most, in bytes.
const VERSION_BYTES_MAX: usize = 64 << 20;
const PAGE_SIZE: u32 = 100;
const PAGE_SIZE_MAX: u32 = 1000;
const HITS: u32 = 20;
const HITS_MAX: u32 = 100;
const QUERY_BYTES_MAX: usize = 256;
const REASON_BYTES_MAX: usize = 4096;
/// Messages of a stream that wait for their reader.
const WAITING: usize = 4;
/// Log entries that are read at a time for a watcher.
const HAPPENINGS: usize = 256;
/// Who publishes, where no principal is configured.
const PRINCIPAL: &str = "open";

#[tonic::async_trait]
impl Registry for Service {
    async fn publish(&self, request: Request<wire::PublishRequest>) -> Answer<wire::PublishResponse> {
        self.publish_one(request.into_inner()).await.map(Response::new)
    }

    async fn publish_parts(
        &self,
        request: Request<Streaming<wire::PublishPartsRequest>>,
    ) -> Answer<wire::PublishPartsResponse> {
        let mut parts = request.into_inner();
        let mut receiver = PackageReceiver::new(VERSION_BYTES_MAX);
        while let Some(part) = parts.message().await.map_err(status::explained)? {
            receiver.take(part).map_err(Refusal::from)?;
        }
        let request = receiver.finish().map_err(Refusal::from)?;
        let result = Some(self.publish_one(request).await?);
        Ok(Response::new(wire::PublishPartsResponse { result }))
    }

    async fn resolve(&self, request: Request<wire::ResolveRequest>) -> Answer<wire::ResolveResponse> {
        let reference = reference(&request.get_ref().reference)?;
        let version = self.ask(move |registry| registry.resolve(&reference)).await?;
        Ok(Response::new(wire::ResolveResponse { version: Some(version.into()) }))
    }

    async fn get_version(&self, request: Request<wire::GetVersionRequest>) -> Answer<wire::GetVersionResponse> {
        let reference = reference(&request.get_ref().reference)?;
        let found = self.ask(move |registry| registry.version(&reference)).await?;
        Ok(Response::new(wire::GetVersionResponse {
            manifest: found.manifest.to_canonical().into(),
            files: found.manifest.files.into_keys().collect(),
            version: Some(found.info.into()),
            metadata_toml: found.metadata_toml,
        }))
    }

    type GetBundleStream = ReceiverStream<Result<wire::GetBundleResponse, Status>>;

    async fn get_bundle(&self, request: Request<wire::GetBundleRequest>) -> Answer<Self::GetBundleStream> {
        let wire::GetBundleRequest { reference: text, with_examples } = request.into_inner();
        let reference = reference(&text)?;
        let bundle = self.ask(move |registry| registry.bundle(&reference, with_examples)).await?;
        let open = self.metrics.open_stream("GetBundle");
        let (answers, receiver) = mpsc::channel(WAITING);
        let idle = self.settings.stream_idle_timeout;
        tokio::spawn(async move {
            let _open = open;
            for part in convert::bundle_parts(&bundle) {
                if !send(&answers, Ok(part), idle).await {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn list_standards(
        &self,
        request: Request<wire::ListStandardsRequest>,
    ) -> Answer<wire::ListStandardsResponse> {
        let request = request.into_inner();
        let namespace = namespace(&request.namespace)?;
        let kind = kind(request.kind)?;
        let after = page_token(&request.page_token)?;
        let size = page_size(request.page_size, PAGE_SIZE, PAGE_SIZE_MAX)?;
        let list = move |registry: &crate::registry::Registry| {
            registry.standards(namespace.as_ref(), kind, after.as_ref(), size)
        };
        let (standards, log_size) = self.ask(list).await?;
        let is_full = standards.len() == size;
        let next_page_token = standards.last().filter(|_| is_full).map(|last| last.standard.to_string());
        Ok(Response::new(wire::ListStandardsResponse {
            standards: standards.into_iter().map(Into::into).collect(),
            next_page_token: next_page_token.unwrap_or_default(),
            log_size,
        }))
    }

    async fn list_versions(&self, request: Request<wire::ListVersionsRequest>) -> Answer<wire::ListVersionsResponse> {
        let standard = standard(&request.get_ref().standard)?;
        let (standard, versions) = self.ask(move |registry| registry.versions(&standard)).await?;
        Ok(Response::new(wire::ListVersionsResponse {
            standard: Some(standard.into()),
            versions: versions.into_iter().map(Into::into).collect(),
        }))
    }

    async fn search(&self, request: Request<wire::SearchRequest>) -> Answer<wire::SearchResponse> {
        let wire::SearchRequest { query, page_size: size } = request.into_inner();
        if query.trim().is_empty() {
            return Err(field("query", "it has no words").into());
        }
        if query.len() > QUERY_BYTES_MAX {
            return Err(field("query", format!("it is longer than {QUERY_BYTES_MAX} bytes")).into());
        }
        let size = page_size(size, HITS, HITS_MAX)?;
        let hits = self.ask(move |registry| registry.search(&query, size)).await?;
        Ok(Response::new(wire::SearchResponse { hits: hits.into_iter().map(Into::into).collect() }))
    }

    async fn list_dependents(
        &self,
        request: Request<wire::ListDependentsRequest>,
    ) -> Answer<wire::ListDependentsResponse> {
        let standard = standard(&request.get_ref().standard)?;
        let transitive = request.get_ref().transitive;
        let versions = self.ask(move |registry| registry.dependents(&standard, transitive)).await?;
        Ok(Response::new(wire::ListDependentsResponse { versions: versions.into_iter().map(Into::into).collect() }))
    }

    async fn set_status(&self, request: Request<wire::SetStatusRequest>) -> Answer<wire::SetStatusResponse> {
        let request = request.into_inner();
        let change = status_change(request)?;
        let version = self.ask(move |registry| registry.set_status(change)).await?;
        Ok(Response::new(wire::SetStatusResponse { version: Some(version.into()) }))
    }

    type WatchStream = ReceiverStream<Result<wire::WatchResponse, Status>>;

    async fn watch(&self, request: Request<wire::WatchRequest>) -> Answer<Self::WatchStream> {
        let wire::WatchRequest { from_index, namespace: text } = request.into_inner();
        let namespace = namespace(&text)?;
        // Asked for once here, so that an index beyond the log is an error and not an empty stream.
        self.ask(move |registry| registry.happenings(from_index, 0)).await?;
        let (answers, receiver) = mpsc::channel(WAITING);
        let open = self.metrics.open_stream("Watch");
        let watcher = Watcher { service: self.clone(), namespace, next: from_index, answers };
        tokio::spawn(async move {
            let _open = open;
            watcher.run().await;
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

impl Service {
    async fn publish_one(&self, request: wire::PublishRequest) -> Result<wire::PublishResponse, Status> {
        let submission = submission(request)?;
        let dry_run = submission.dry_run;
        let receipt = self.ask(move |registry| registry.publish(submission)).await?;
        if receipt.is_new && !dry_run {
            self.metrics.published();
        }
        let (warnings_en, warnings_zh) = receipt.warnings.into_iter().map(|text| (text.en, text.zh)).unzip();
        let version = Some(receipt.version.into());
        Ok(wire::PublishResponse { version, is_new: receipt.is_new, warnings_en, warnings_zh })
    }
}

/// Follows the log for one caller.
struct Watcher {
    service: Service,
    namespace: Option<Namespace>,
    next: u64,
    answers: mpsc::Sender<Result<wire::WatchResponse, Status>>,
}

impl Watcher {
    async fn run(mut self) {
        let mut grown = self.service.registry.grown();
        let mut stopping = self.service.stopping.clone();
        let mut told_caught_up = false;
        loop {
            let size = *grown.borrow_and_update();
            if !self.catch_up(size).await {
                return;
            }
            if !std::mem::replace(&mut told_caught_up, true) && !self.tell(caught_up(self.next)).await {
                return;
            }
            tokio::select! {
                changed = grown.changed() => if changed.is_err() { return },
                _ = stopping.wait_for(|is_stopping| *is_stopping) => {
                    let why = Refusal::new(Reason::ShuttingDown, Reason::ShuttingDown.row().meaning);
                    let _ = self.answers.try_send(Err(why.into()));
                    return;
                }
                () = self.answers.closed() => return,
            }
        }
    }

    /// Sends what lies below a size. False where the caller is gone or too slow.
    async fn catch_up(&mut self, size: u64) -> bool {
        while self.next < size {
            let from = self.next;
            let happenings = match self.service.ask(move |registry| registry.happenings(from, HAPPENINGS)).await {
                Ok(happenings) => happenings,
                Err(status) => {
                    let _ = self.answers.send(Err(status)).await;
                    return false;
                }
            };
            if happenings.is_empty() {
                // The view has not applied them yet; the next doorbell brings them.
                return true;
            }
            for happening in happenings {
                self.next = happening.index + 1;
                let is_wanted = self
                    .namespace
                    .as_ref()
                    .is_none_or(|namespace| happening.event.version().standard.namespace().is_under(namespace));
                if is_wanted && !self.tell(told(happening)).await {
                    return false;
                }
            }
        }
        true
    }

    async fn tell(&self, response: wire::WatchResponse) -> bool {
        send(&self.answers, Ok(response), self.service.settings.stream_idle_timeout).await
    }
}

fn caught_up(size: u64) -> wire::WatchResponse {
    wire::WatchResponse { index: size, time: None, event: Some(wire::watch_response::Event::CaughtUp(size)) }
}

fn told(happening: Happening) -> wire::WatchResponse {
    use wire::watch_response::Event as Told;
    let event = match happening.event {
        Event::Published(version) => Told::Published(version.into()),
        Event::StatusChanged(version) => Told::StatusChanged(version.into()),
    };
    wire::WatchResponse {
        index: happening.index,
        time: Some(convert::timestamp(happening.time_ms)),
        event: Some(event),
    }
}

/// Waits for the caller to read, but not for ever. False where the stream is over.
async fn send<T>(answers: &mpsc::Sender<Result<T, Status>>, answer: Result<T, Status>, idle: Duration) -> bool {
    match timeout(idle, answers.send(answer)).await {
        Ok(sent) => sent.is_ok(),
        Err(_) => {
            tracing::info!("a stream was ended: its caller does not read");
            false
        }
    }
}

fn submission(request: wire::PublishRequest) -> Result<Submission, Refusal> {
    let operation_id = operation_id(&request.operation_id)?;
    if request.metadata_toml.is_empty() {
        return Err(field("metadata_toml", "it is missing: send the text of standard.toml"));
    }
    let package = Package::try_from(&request)?;
    let wire::PublishRequest { metadata_toml, dry_run, .. } = request;
    Ok(Submission { operation_id, principal: PRINCIPAL.into(), package, metadata_toml, dry_run })
}

fn status_change(request: wire::SetStatusRequest) -> Result<StatusChange, Refusal> {
    let status = match request.status() {
        wire::Status::Deprecated => VersionStatus::Deprecated,
        wire::Status::Withdrawn => VersionStatus::Withdrawn,
        _ => return Err(field("status", "only DEPRECATED and WITHDRAWN can be set")),
    };
    match request.reason.trim() {
        "" => return Err(field("reason", "it is missing: say why, for the record")),
        reason if reason.len() > REASON_BYTES_MAX => {
            return Err(field("reason", format!("it is longer than {REASON_BYTES_MAX} bytes")));
        }
        _ => {}
    }
    if !request.successor.is_empty() {
        parsed::<Reference>("successor", &request.successor)?;
    }
    Ok(StatusChange {
        operation_id: operation_id(&request.operation_id)?,
        principal: PRINCIPAL.into(),
        standard: standard(&request.standard)?,
        version: parsed("version", &request.version)?,
        status,
        reason: request.reason,
        successor: request.successor,
    })
}

fn operation_id(text: &str) -> Result<OperationId, Refusal> {
    Ok(parsed("operation_id", text)?)
}

fn standard(text: &str) -> Result<StandardId, Refusal> {
    Ok(parsed("standard", text)?)
}

fn namespace(text: &str) -> Result<Option<Namespace>, Refusal> {
    if text.is_empty() { Ok(None) } else { Ok(Some(parsed("namespace", text)?)) }
}

fn kind(number: i32) -> Result<Option<Kind>, Refusal> {
    match wire::Kind::try_from(number) {
        Ok(wire::Kind::Unspecified) => Ok(None),
        Ok(kind) => Ok(Some(kind.try_into()?)),
        Err(_) => Err(field("kind", format!("{number} is none of the values of its enumeration"))),
    }
}

/// A token is the name of the last standard of its page.
fn page_token(text: &str) -> Result<Option<StandardId>, Refusal> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Refusal::new(Reason::PageToken, Reason::PageToken.row().meaning)),
    }
}

fn page_size(asked: u32, usual: u32, max: u32) -> Result<usize, Refusal> {
    match asked {
        0 => Ok(usual as usize),
        asked if asked <= max => Ok(asked as usize),
        _ => Err(field("page_size", format!("it is more than {max}"))),
    }
}

fn field(name: &str, why: impl std::fmt::Display) -> Refusal {
    ConvertError::new(name, why).into()
}
