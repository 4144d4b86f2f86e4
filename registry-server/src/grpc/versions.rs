//! `guiju.registry.v1`: publish, resolve, fetch, find, watch.

use super::{
    Answer, Service,
    answers::{Answers, Teller, Unheard, answers},
    reference,
};
use crate::{
    gate::{Deed, Holder},
    registry::{Caller, Event, Findings, Happening, StatusChange, Submission},
    status::{self, Reason, Refusal},
    verdict,
};
use guiju_compat::Fit;
use guiju_model::{Kind, Namespace, Package, Reference, StandardId, Status as VersionStatus, Text};
use guiju_proto::{
    convert::{self, ConvertError, PackageReceiver, parsed},
    registry::{self as wire, registry_server::Registry},
};
use prost::Message as _;
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming};

/// What the files of a version hold at most, in bytes.
const VERSION_BYTES_MAX: usize = 64 << 20;
/// Warnings in an answer, which holds a verdict besides.
const WARNINGS_BYTES_MAX: usize = 1 << 20;
const WARNINGS_MAX: usize = 100;
const PAGE_SIZE: u32 = 100;
const PAGE_SIZE_MAX: u32 = 1000;
const HITS: u32 = 20;
const HITS_MAX: u32 = 100;
const QUERY_BYTES_MAX: usize = 256;
const REASON_BYTES_MAX: usize = 4096;
/// Log entries that are read at a time for a watcher.
const EVENTS: usize = 256;

#[tonic::async_trait]
impl Registry for Service {
    async fn publish(&self, request: Request<wire::PublishRequest>) -> Answer<wire::PublishResponse> {
        let (deed, request) = self.called(request);
        self.publish_one(deed, request).await.map(Response::new)
    }

    async fn publish_parts(
        &self,
        request: Request<Streaming<wire::PublishPartsRequest>>,
    ) -> Answer<wire::PublishPartsResponse> {
        let (deed, mut parts) = self.called(request);
        let mut receiver = PackageReceiver::new(VERSION_BYTES_MAX);
        let (idle, mut room) = (self.settings.stream_idle_timeout, Vec::new());
        let silent = |_| Status::from(Refusal::new(Reason::StreamIdle, format!("no message came for {idle:?}")));
        while let Some(part) = timeout(idle, parts.message()).await.map_err(silent)?.map_err(status::explained)? {
            room.push(self.room.take(deed.holder(), part.encoded_len())?);
            receiver.take(part).map_err(Refusal::from)?;
        }
        let request = receiver.finish().map_err(Refusal::from)?;
        let result = Some(self.publish_one(deed, request).await?);
        Ok(Response::new(wire::PublishPartsResponse { result }))
    }

    async fn resolve(&self, request: Request<wire::ResolveRequest>) -> Answer<wire::ResolveResponse> {
        let (deed, wire::ResolveRequest { reference: text, as_of }) = self.called(request);
        let reference = reference(&text)?;
        let caller = self.meant(&deed, reference.standard()).await?;
        if !as_of.is_empty() {
            let day = parsed("as_of", &as_of).map_err(Refusal::from)?;
            let version = self.ask_as(caller, move |registry| registry.resolve_as_of(&reference, day)).await?;
            return Ok(Response::new(wire::ResolveResponse { version: Some(version.into()) }));
        }
        // A small row is read sooner than another thread is woken.
        let version = match self.registry.held(&reference).map_err(Refusal::from)? {
            Some(version) => version,
            None => self.ask_as(caller, move |registry| registry.resolve(&reference)).await?,
        };
        Ok(Response::new(wire::ResolveResponse { version: Some(version.into()) }))
    }

    async fn get_governing(&self, request: Request<wire::GetGoverningRequest>) -> Answer<wire::GetGoverningResponse> {
        let (deed, wire::GetGoverningRequest { standard: text, day }) = self.called(request);
        let (standard, day) = (standard(&text)?, parsed("day", &day).map_err(Refusal::from)?);
        let caller = self.meant(&deed, &standard).await?;
        let versions = self.ask_as(caller, move |registry| registry.governing(&standard, day)).await?;
        let mut versions = versions.into_iter().map(Into::into);
        let governing = versions.next();
        Ok(Response::new(wire::GetGoverningResponse { governing, also_in_force: versions.collect() }))
    }

    async fn get_version(&self, request: Request<wire::GetVersionRequest>) -> Answer<wire::GetVersionResponse> {
        let (deed, request) = self.called(request);
        let reference = reference(&request.reference)?;
        let caller = self.meant(&deed, reference.standard()).await?;
        let found = self.ask_as(caller, move |registry| registry.version(&reference)).await?;
        Ok(Response::new(wire::GetVersionResponse {
            manifest: found.manifest.to_canonical().into(),
            files: found.manifest.files.into_keys().collect(),
            version: Some(found.info.into()),
            metadata_toml: found.metadata_toml,
        }))
    }

    type GetBundleStream = Answers<wire::GetBundleResponse>;

    async fn get_bundle(&self, request: Request<wire::GetBundleRequest>) -> Answer<Self::GetBundleStream> {
        let (deed, wire::GetBundleRequest { reference: text, with_examples }) = self.called(request);
        let reference = reference(&text)?;
        let caller = self.meant(&deed, reference.standard()).await?;
        let whole = self.whole().await;
        let bundle = self.ask_as(caller, move |registry| registry.bundle(&reference, with_examples)).await?;
        let bytes = bundle.contents().flat_map(|content| content.files.values()).map(Vec::len).sum();
        let room = self.room.take(deed.holder(), bytes)?;
        drop(whole);
        let open = self.metrics.open_stream("GetBundle");
        let (mut teller, answers) = answers(self.settings.stream_idle_timeout);
        let answers = answers.keeping(room);
        tokio::spawn(async move {
            let _open = open;
            for part in convert::bundle_parts(&bundle) {
                if teller.tell(part).await.is_err() {
                    return;
                }
            }
            teller.done();
        });
        Ok(Response::new(answers))
    }

    async fn list_standards(
        &self,
        request: Request<wire::ListStandardsRequest>,
    ) -> Answer<wire::ListStandardsResponse> {
        let (deed, request) = self.called(request);
        let namespace = namespace(&request.namespace)?;
        let kind = kind(request.kind)?;
        let after = page_token(&request.page_token)?;
        let size = page_size(request.page_size, PAGE_SIZE, PAGE_SIZE_MAX)?;
        let list = move |registry: &crate::registry::Registry| {
            registry.standards(deed.caller(), namespace.as_ref(), kind, after.as_ref(), size)
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
        let (deed, request) = self.called(request);
        let standard = standard(&request.standard)?;
        let caller = self.meant(&deed, &standard).await?;
        let (standard, versions) = self.ask_as(caller, move |registry| registry.versions(&standard)).await?;
        Ok(Response::new(wire::ListVersionsResponse {
            standard: Some(standard.into()),
            versions: versions.into_iter().map(Into::into).collect(),
        }))
    }

    async fn search(&self, request: Request<wire::SearchRequest>) -> Answer<wire::SearchResponse> {
        let (deed, wire::SearchRequest { query, page_size: size }) = self.called(request);
        if query.trim().is_empty() {
            return Err(field("query", "it has no words").into());
        }
        if query.len() > QUERY_BYTES_MAX {
            return Err(field("query", format!("it is longer than {QUERY_BYTES_MAX} bytes")).into());
        }
        let size = page_size(size, HITS, HITS_MAX)?;
        let hits = self.ask(move |registry| registry.search(deed.caller(), &query, size)).await?;
        Ok(Response::new(wire::SearchResponse { hits: hits.into_iter().map(Into::into).collect() }))
    }

    async fn list_dependents(
        &self,
        request: Request<wire::ListDependentsRequest>,
    ) -> Answer<wire::ListDependentsResponse> {
        let (deed, wire::ListDependentsRequest { standard: text, transitive }) = self.called(request);
        let standard = standard(&text)?;
        let caller = self.meant(&deed, &standard).await?;
        let dependents =
            move |registry: &crate::registry::Registry| registry.dependents(deed.caller(), &standard, transitive);
        let versions = self.ask_as(caller, dependents).await?;
        Ok(Response::new(wire::ListDependentsResponse { versions: versions.into_iter().map(Into::into).collect() }))
    }

    async fn set_status(&self, request: Request<wire::SetStatusRequest>) -> Answer<wire::SetStatusResponse> {
        let (deed, request) = self.called(request);
        let change = status_change(request)?;
        let caller = self.meant(&deed, &change.standard).await?;
        let version = self.ask(move |registry| registry.set_status(&caller, change)).await?;
        Ok(Response::new(wire::SetStatusResponse { version: Some(version.into()) }))
    }

    async fn compare(&self, request: Request<wire::CompareRequest>) -> Answer<wire::CompareResponse> {
        let (deed, wire::CompareRequest { old, new }) = self.called(request);
        let one = |name: &str, written: &str| {
            let read = Reference::of_one(written).map_err(|why| ConvertError::new(name, why));
            read.map_err(Refusal::from)
        };
        let (old, new) = (one("old", &old)?, one("new", &new)?);
        self.meant(&deed, old.standard()).await?;
        let caller = self.meant(&deed, new.standard()).await?;
        let place = self.comparing(&deed)?;
        let compare = move |registry: &crate::registry::Registry| {
            let _place = place;
            registry.compare(&old, &new)
        };
        let verdict = self.ask_as(caller, compare).await?;
        Ok(Response::new(wire::CompareResponse { verdict: Some(verdict::whole(&verdict)) }))
    }

    async fn can_publish(&self, request: Request<wire::CanPublishRequest>) -> Answer<wire::CanPublishResponse> {
        let (deed, request) = self.called(request);
        let Some(candidate) = request.candidate else {
            return Err(field("candidate", "it is missing").into());
        };
        let submission = submission(candidate)?;
        let caller = deed.on(submission.package.standard.namespace()).map_err(Refusal::from)?;
        let place = self.comparing(&deed)?;
        let judge = move |registry: &crate::registry::Registry| {
            let _place = place;
            registry.can_publish(&caller, &submission)
        };
        let findings = self.ask(judge).await?;
        let Findings { judged, affected, .. } = findings;
        let affected_profiles = affected.iter().map(verdict::narrowing).collect();
        let Some(judged) = judged else {
            let (is_allowed, required_version, verdict) = (true, String::new(), None);
            let answer = wire::CanPublishResponse { is_allowed, required_version, verdict, affected_profiles };
            return Ok(Response::new(answer));
        };
        let is_allowed = matches!(judged.fit(), Fit::Enough | Fit::Ample);
        let required_version = judged.required.as_ref().map(ToString::to_string).unwrap_or_default();
        let verdict = Some(verdict::whole(&judged.verdict));
        Ok(Response::new(wire::CanPublishResponse { is_allowed, required_version, verdict, affected_profiles }))
    }

    type WatchStream = Answers<wire::WatchResponse>;

    async fn watch(&self, request: Request<wire::WatchRequest>) -> Answer<Self::WatchStream> {
        let (deed, wire::WatchRequest { from_index, namespace: text }) = self.called(request);
        let namespace = namespace(&text)?;
        // Asked for once here, so that an index beyond the log is an error and not an empty stream.
        self.ask(move |registry| registry.events(from_index, 0, None)).await?;
        let (teller, answers) = answers(self.settings.stream_idle_timeout);
        let place = self.place(&self.watch_streams, &deed, "watch_streams_max")?;
        let open = self.metrics.open_stream("Watch");
        let caller = deed.caller().clone();
        let let_go = self.let_go(caller.clone());
        let holder = deed.holder();
        let mut watcher = Watcher { service: self.clone(), caller, holder, namespace, next: from_index, teller };
        tokio::spawn(async move {
            let _open = (open, place);
            let ended = tokio::select! {
                ended = watcher.run() => ended,
                status = let_go => Err(End::Refused(status)),
            };
            if let Err(End::Refused(status)) = ended {
                watcher.teller.refuse(status);
            }
        });
        Ok(Response::new(answers))
    }
}

impl Service {
    async fn publish_one(&self, deed: Deed, request: wire::PublishRequest) -> Result<wire::PublishResponse, Status> {
        let submission = submission(request)?;
        let dry_run = submission.dry_run;
        let caller = deed.on(submission.package.standard.namespace()).map_err(Refusal::from)?;
        let receipt = self.ask(move |registry| registry.publish(&caller, submission)).await?;
        if receipt.is_new && !dry_run {
            self.metrics.published();
        }
        let (warnings_en, warnings_zh) = warnings(receipt.warnings).into_iter().map(|text| (text.en, text.zh)).unzip();
        let version = Some(receipt.version.into());
        let Findings { judged, affected, .. } = &receipt.findings;
        let verdict = judged.as_ref().map(|judged| verdict::whole(&judged.verdict));
        let affected_profiles = affected.iter().map(verdict::narrowing).collect();
        Ok(wire::PublishResponse {
            version,
            is_new: receipt.is_new,
            warnings_en,
            warnings_zh,
            verdict,
            affected_profiles,
        })
    }
}

/// As many as fit an answer, and how many more there are.
fn warnings(mut all: Vec<Text>) -> Vec<Text> {
    let mut bytes = 0;
    let fitting = all.iter().take(WARNINGS_MAX).take_while(|text| {
        bytes += text.en.len() + text.zh.len() + 16;
        bytes <= WARNINGS_BYTES_MAX
    });
    let (fitting, count) = (fitting.count(), all.len());
    if fitting < count {
        all.truncate(fitting);
        let more = count - fitting;
        all.push(Text {
            en: format!("{more} more warnings are left out; `guiju lint` shows all"),
            zh: format!("另有 {more} 条警告未列出；`guiju lint` 可显示全部"),
        });
    }
    all
}

/// Follows the log for one caller.
struct Watcher {
    service: Service,
    caller: Caller,
    holder: Option<Holder>,
    namespace: Option<Namespace>,
    next: u64,
    teller: Teller<wire::WatchResponse>,
}

/// Why a watch ended.
enum End {
    /// The caller is to hear this.
    Refused(Status),
    /// The caller is gone, or did not read.
    Unheard,
}

impl From<Unheard> for End {
    fn from(_: Unheard) -> Self {
        Self::Unheard
    }
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl Watcher {
    async fn run(&mut self) -> Result<(), End> {
        let mut grown = self.service.log_size.clone();
        let mut stopping = self.service.stopping.clone();
        let mut told_caught_up = false;
        loop {
            let heard = *grown.borrow_and_update();
            let size = if self.service.registry.is_shared() { self.service.registry.sizes().1 } else { heard };
            self.catch_up(size.max(heard)).await?;
            if !std::mem::replace(&mut told_caught_up, true) {
                self.teller.tell(caught_up(self.next)).await?;
            }
            tokio::select! {
                changed = grown.changed() => changed.map_err(|_| End::Unheard)?,
                _ = stopping.wait_for(|is_stopping| *is_stopping) => {
                    let row = Reason::ShuttingDown.row();
                    return Err(Status::from(Refusal::new(row.reason, row.meaning)).into());
                }
                () = self.teller.closed() => return Err(End::Unheard),
            }
        }
    }

    /// Sends what lies below a size.
    async fn catch_up(&mut self, size: u64) -> Result<(), End> {
        while self.next < size {
            let from = self.next;
            let caller = self.caller.clone();
            let asked = move |registry: &crate::registry::Registry| {
                // What was allowed when it began may be allowed no longer; what takes it back may stand in the log alone as yet.
                registry.catch_up()?;
                let renewed = registry.renewed(&caller)?;
                registry.events(from, EVENTS, None).map(|(events, next)| (renewed, events, next))
            };
            let (renewed, events, next) = self.service.ask_in_turn(self.holder.clone(), asked).await?;
            let ended =
                || Status::from(Refusal::new(Reason::CredentialsRefused, "the credentials do not hold any more"));
            self.caller = renewed.ok_or_else(ended)?;
            if next == from {
                return Ok(());
            }
            for event in events.into_iter().filter(|event| self.is_wanted(event)) {
                self.teller.tell(told(event)).await?;
            }
            self.next = next;
        }
        Ok(())
    }

    fn is_wanted(&self, event: &Event) -> bool {
        let (Happening::Published(info) | Happening::StatusChanged(info)) = &event.what;
        let namespace = info.standard.namespace();
        self.caller.may_see(namespace) && self.namespace.as_ref().is_none_or(|wanted| namespace.is_under(wanted))
    }
}

fn caught_up(size: u64) -> wire::WatchResponse {
    wire::WatchResponse { index: size, time: None, event: Some(wire::watch_response::Event::CaughtUp(size)) }
}

fn told(event: Event) -> wire::WatchResponse {
    use wire::watch_response::Event as Told;
    let what = match event.what {
        Happening::Published(version) => Told::Published(version.into()),
        Happening::StatusChanged(version) => Told::StatusChanged(version.into()),
    };
    wire::WatchResponse { index: event.index, time: Some(convert::timestamp(event.time_ms)), event: Some(what) }
}

fn submission(request: wire::PublishRequest) -> Result<Submission, Refusal> {
    let operation_id = operation_id(&request.operation_id)?;
    if request.metadata_toml.is_empty() {
        return Err(field("metadata_toml", "it is missing: send the text of standard.toml"));
    }
    let package = Package::try_from(&request)?;
    let dates = convert::dates(&request.effective_from, &request.effective_to, &request.grace_until)?;
    let wire::PublishRequest { metadata_toml, waive, reason, dry_run, .. } = request;
    Ok(Submission { operation_id, package, metadata_toml, dates, waive, reason, dry_run })
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
    let effective_to = match (request.effective_to.as_str(), status) {
        ("", _) => None,
        (_, VersionStatus::Withdrawn) => {
            return Err(field("effective_to", "a withdrawal ends a version on its day; leave it out"));
        }
        (day, _) => Some(parsed("effective_to", day)?),
    };
    if !request.successor.is_empty() {
        parsed::<Reference>("successor", &request.successor)?;
    }
    Ok(StatusChange {
        operation_id: operation_id(&request.operation_id)?,
        standard: standard(&request.standard)?,
        version: parsed("version", &request.version)?,
        status,
        reason: request.reason,
        successor: request.successor,
        effective_to,
    })
}

/// Its form is the registry's to judge.
fn operation_id(text: &str) -> Result<String, Refusal> {
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
