//! A registry over gRPC: fetch and verify, find, publish, watch.

use crate::{Standard, Token, cache::CacheError, credentials::Bearer, lock::LockError};
use guiju_model::{
    Bundle, BundleError, Date, Dates, Digest, Kind, Package, Reference, ReferenceError, Report, SearchHit, Selector,
    StandardId, StandardInfo, Status as VersionStatus, Text, VersionInfo,
};
use guiju_proto::{
    conformance::{CheckOptions as WireOptions, CheckRequest, conformance_client::ConformanceClient},
    convert::{BundleReceiver, ConvertError, day_or_empty, package_parts},
    governance::{access_client::AccessClient, proposals_client::ProposalsClient},
    log::log_service_client::LogServiceClient,
    registry::{self as wire, registry_client::RegistryClient},
};
use guiju_tlog::{LogFault, RotationError};
use guiju_validator::CompileError;
use prost::Message;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};
use tonic::{
    Code, Status, Streaming,
    codec::CompressionEncoding,
    service::interceptor::InterceptedService,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_types::StatusExt;

const MESSAGE_BYTES: usize = 3 << 20;
const TRIES: u32 = 5;
/// After this long nothing is asked again: a registry whose cluster is gone takes its time to say so.
const PATIENCE: Duration = Duration::from_secs(10);
/// A registry over whose connection nothing comes is asked whether it is there, and has so long to say.
const SILENCE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(15));
/// The longest that a registry may say to wait.
const RETRY_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    #[error("`{url}` is not the address of a registry: {why}; write for example http://127.0.0.1:8420")]
    Url { url: String, why: String },
    #[error("{url} is not reached over TLS, so the token would travel in clear; write https://, or say that it may")]
    Clear { url: String },
    #[error("the registry at {url} does not answer: {why}; {}", remedy(url, why))]
    Unreachable { url: String, why: String },
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    #[error("the registry sent what it must not: {0}")]
    Malformed(#[from] ConvertError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(
        "`{reference}` came as {found}, not as {wanted}: it was changed on its way, or the registry serves another history"
    )]
    OtherDigest { reference: String, wanted: Digest, found: Digest },
    #[error("the registry was asked for {asked} and answered with {found}; what this registry says is not used")]
    NotAsked { asked: String, found: String },
    #[error("the registry lists more than {most} standards; ask for those of one namespace")]
    Endless { most: usize },
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("{0}; what this registry says is not used")]
    Log(#[from] LogFault),
    #[error("the log's key cannot be followed: {0}; what this registry says is not used")]
    Key(#[from] RotationError),
}

impl From<Status> for RegistryError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl RegistryError {
    /// The gRPC code and the details, where the registry refused.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused(status) => Some(status),
            _ => None,
        }
    }

    /// Why there was no answer, where it was asked and did not answer; that may be since what it needs itself does not.
    pub fn silence(&self) -> Option<String> {
        let status = self.status()?;
        let is_transport = std::error::Error::source(status).is_some();
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {}
            Code::Unknown | Code::Internal if is_transport => {}
            _ => return None,
        }
        Some(if is_transport { root_cause(status) } else { status.message().to_owned() })
    }

    /// Whether what answered speaks HTTP, and no gRPC: another server, or a proxy on the way.
    pub fn is_no_registry(&self) -> bool {
        self.status().is_some_and(|status| status.message().starts_with("grpc-status header missing"))
    }

    /// Whether what was asked for may have been done though this says that it was not: the registry gave no answer, or none that could
    /// be read, or does not know itself.
    pub fn is_unsettled(&self) -> bool {
        match self {
            Self::Malformed(_) => true,
            Self::Refused(status) => {
                let is_its_word = status.get_details_error_info().is_some_and(|info| info.domain == "guiju");
                let is_in_doubt = matches!(
                    status.code(),
                    Code::Unavailable | Code::DeadlineExceeded | Code::Internal | Code::Unknown
                );
                !self.is_no_registry() && (!is_its_word || is_in_doubt)
            }
            _ => false,
        }
    }

    /// Whether there is no such standard or version.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(|status| status.code() == Code::NotFound)
    }

    /// Whether the registry did answer, and its log is not believed for what it said.
    pub fn is_distrust(&self) -> bool {
        matches!(self, Self::Log(_) | Self::Key(_) | Self::Malformed(_))
    }

    /// Why a version's number is too small, where that is why it was not published.
    pub fn verdict(&self) -> Option<wire::Verdict> {
        let details = tonic_types::pb::Status::decode(self.status()?.details()).ok()?;
        let found = details.details.into_iter().find(|detail| detail.type_url.ends_with("guiju.registry.v1.Verdict"));
        wire::Verdict::decode(found?.value.as_slice()).ok()
    }

    /// Each fault of the input that the registry named, with its place.
    pub fn places(&self) -> Vec<String> {
        let violations = self.status().and_then(StatusExt::get_details_bad_request).map(|bad| bad.field_violations);
        let violations = violations.into_iter().flatten();
        violations.map(|violation| format!("{}: {}", violation.field, violation.description)).collect()
    }
}

/// What happens in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    Published {
        index: u64,
        version: Box<VersionInfo>,
    },
    StatusChanged {
        index: u64,
        version: Box<VersionInfo>,
    },
    /// No entry: all below this size of the log has been told. Comes once.
    CaughtUp {
        size: u64,
    },
}

/// Events of a registry, in the order of its log.
pub struct Watch(Streaming<wire::WatchResponse>);

impl Watch {
    /// Waits for the next; none when the registry hangs up.
    pub async fn next(&mut self) -> Result<Option<WatchEvent>, RegistryError> {
        use wire::watch_response::Event;
        while let Some(wire::WatchResponse { index, event, .. }) = self.0.message().await? {
            let event = match event {
                Some(Event::Published(info)) => WatchEvent::Published { index, version: Box::new(info.try_into()?) },
                Some(Event::StatusChanged(info)) => {
                    WatchEvent::StatusChanged { index, version: Box::new(info.try_into()?) }
                }
                Some(Event::CaughtUp(size)) => WatchEvent::CaughtUp { size },
                // A kind of event that this program is too old to know.
                None => continue,
            };
            return Ok(Some(event));
        }
        Ok(None)
    }
}

/// How a registry is reached.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// PEM of the authority that signed the registry's certificate; without it the certificate given must be its own root.
    pub authority_pem: Option<Vec<u8>>,
    pub timeout: Option<Duration>,
    /// Shows who asks.
    pub token: Option<Token>,
    /// The same: a certificate that the registry's client authority signed, with its key, in PEM.
    pub identity_pem: Option<(Vec<u8>, Vec<u8>)>,
    /// Sends the token in clear to other machines, too: where something else protects the way.
    pub token_in_clear: bool,
    /// How old an answer may be, of a registry whose servers share a log; without it nothing is missing in an answer that was
    /// acknowledged before it was asked for. With it one server goes on answering while the log does not.
    pub staleness_max: Option<Duration>,
}

impl ConnectOptions {
    /// What nobody else can guess and stays the same with the credentials, to be put into operation ids that are made of what is done: an id
    /// belongs to who uses it first, so one that others can work out could be taken away. None without credentials.
    pub fn unguessed(&self) -> Option<Digest> {
        let key = |(_, key): &(_, Vec<u8>)| Digest::of(&[b"guiju operations\n", key.as_slice()].concat());
        self.token.as_ref().map(Token::mark).or_else(|| self.identity_pem.as_ref().map(key))
    }
}

/// Under what a version is published, beside its content.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'t> {
    pub dates: Dates,
    /// Why what cannot be decided breaks nobody; empty: nothing is waived.
    pub waive: &'t str,
    /// Why it is published, for the record; of a draft it is not looked at.
    pub reason: &'t str,
}

impl Terms<'_> {
    /// The submission of a version, without an operation id.
    pub(crate) fn of(&self, package: &Package, metadata_toml: &str) -> wire::PublishRequest {
        let mut request = wire::PublishRequest::from(package.clone());
        (request.metadata_toml, request.waive) = (metadata_toml.into(), self.waive.into());
        request.reason = self.reason.into();
        request.effective_from = day_or_empty(self.dates.effective_from);
        request.effective_to = day_or_empty(self.dates.effective_to);
        request.grace_until = day_or_empty(self.dates.grace_until);
        request
    }
}

/// What became of a version that was sent to be published.
#[derive(Clone, Debug)]
pub struct Publication {
    pub version: VersionInfo,
    /// Whether this call wrote it; otherwise it was there.
    pub is_new: bool,
    /// What its author should mend next time, with code and place.
    pub warnings: Vec<Text>,
    /// Against the highest published version below it; none for a first version.
    pub verdict: Option<wire::Verdict>,
    /// Profiles of it that accept what it refuses.
    pub affected_profiles: Vec<wire::Narrowing>,
}

/// The most standards that a list of them is read to.
const STANDARDS_MAX: usize = 100_000;

/// The largest document that is taken from a registry.
const BLOB_BYTES_MAX: usize = 256 << 20;

/// A registry. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    url: String,
    registry: RegistryClient<Wire>,
    conformance: ConformanceClient<Wire>,
    log: LogServiceClient<Wire>,
    access: AccessClient<Wire>,
    proposals: ProposalsClient<Wire>,
}

/// A channel that shows who asks.
pub(crate) type Wire = InterceptedService<Channel, Bearer>;

impl Registry {
    pub async fn connect(url: &str) -> Result<Self, RegistryError> {
        Self::connect_with(url, ConnectOptions::default()).await
    }

    pub async fn connect_with(url: &str, options: ConnectOptions) -> Result<Self, RegistryError> {
        let fault = |why: String| RegistryError::Url { url: url.into(), why };
        let mut endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| fault(error.to_string()))?;
        if !matches!(endpoint.uri().scheme_str(), Some("http" | "https")) {
            return Err(fault("it does not begin with http:// or https://".into()));
        }
        if url.starts_with("https:") {
            let mut tls = ClientTlsConfig::new();
            if let Some(pem) = options.authority_pem {
                tls = tls.ca_certificate(Certificate::from_pem(pem));
            }
            if let Some((certificate, key)) = options.identity_pem {
                tls = tls.identity(Identity::from_pem(certificate, key));
            }
            endpoint = endpoint.tls_config(tls).map_err(|error| fault(error.to_string()))?;
        } else if options.token.is_some() && !options.token_in_clear && !is_near(endpoint.uri().host()) {
            return Err(RegistryError::Clear { url: url.into() });
        }
        let endpoint = endpoint
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(SILENCE.0)
            .keep_alive_timeout(SILENCE.1)
            .timeout(options.timeout.unwrap_or(Duration::from_secs(60)));
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| RegistryError::Unreachable { url: url.into(), why: root_cause(&error) })?;
        let bearer = Bearer::new(options.token.as_ref(), options.staleness_max);
        let wire = InterceptedService::new(channel, bearer);
        let registry = RegistryClient::new(wire.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(MESSAGE_BYTES * 2);
        let log = LogServiceClient::new(wire.clone()).accept_compressed(CompressionEncoding::Gzip);
        let log = log.max_decoding_message_size(MESSAGE_BYTES * 2);
        let proposals = ProposalsClient::new(wire.clone()).accept_compressed(CompressionEncoding::Gzip);
        let proposals = proposals.max_decoding_message_size(MESSAGE_BYTES * 2);
        let (conformance, access) = (ConformanceClient::new(wire.clone()), AccessClient::new(wire));
        Ok(Self { url: url.into(), registry, conformance, log, access, proposals })
    }

    pub(crate) fn proposals_client(&self) -> ProposalsClient<Wire> {
        self.proposals.clone()
    }

    pub(crate) fn conformance(&self) -> ConformanceClient<Wire> {
        self.conformance.clone()
    }

    pub(crate) fn access(&self) -> AccessClient<Wire> {
        self.access.clone()
    }

    pub(crate) fn log(&self) -> LogServiceClient<Wire> {
        self.log.clone()
    }

    /// The document of that digest, whole and held against it; none where the log has none.
    pub async fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, RegistryError> {
        let mut bytes = Vec::new();
        loop {
            let request = guiju_proto::log::ReadBlobRequest {
                digest: digest.as_bytes().to_vec().into(),
                offset: bytes.len() as u64,
            };
            let part = again(|| {
                let (mut client, request) = (self.log(), request.clone());
                async move { client.read_blob(request).await }
            });
            let part = match part.await {
                Err(status) if status.code() == Code::NotFound => return Ok(None),
                part => part?.into_inner(),
            };
            let whole = usize::try_from(part.length).unwrap_or(usize::MAX);
            bytes.extend_from_slice(&part.content);
            if bytes.len() > whole || whole > BLOB_BYTES_MAX || (part.content.is_empty() && bytes.len() < whole) {
                return Err(ConvertError::new("length", format!("{whole} bytes of {digest} do not add up")).into());
            }
            if bytes.len() == whole {
                break;
            }
        }
        match Digest::of(&bytes) == *digest {
            true => Ok(Some(bytes)),
            false => Err(ConvertError::new("content", format!("it is not {digest}")).into()),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Fetches, verifies and compiles what a reference means now.
    pub async fn standard(&self, reference: &str) -> Result<Standard, RegistryError> {
        let bundle = self.bundle(&reference.parse()?).await?;
        let exact = Reference::new(bundle.root().manifest.standard.clone(), Selector::Digest(bundle.digest()));
        let ending = self.resolve(&exact).await?.ending();
        Ok(Standard::compile(&bundle)?.that_ends(ending))
    }

    /// The highest version that a reference admits, as the registry says: that it was published under that name the log proves, and that
    /// there is no higher one nothing here does.
    pub async fn resolve(&self, reference: &Reference) -> Result<VersionInfo, RegistryError> {
        self.resolved(reference, None).await
    }

    /// The highest version that a reference admits of those in force on a day.
    pub async fn resolve_as_of(&self, reference: &Reference, day: Date) -> Result<VersionInfo, RegistryError> {
        self.resolved(reference, Some(day)).await
    }

    async fn resolved(&self, reference: &Reference, day: Option<Date>) -> Result<VersionInfo, RegistryError> {
        let request = wire::ResolveRequest { reference: reference.to_string(), as_of: day_or_empty(day) };
        let answer = again(|| {
            let (mut client, request) = (self.registry.clone(), request.clone());
            async move { client.resolve(request).await }
        });
        let info = version(answer.await?.into_inner().version)?;
        is_asked(reference, &info.standard, &info.version, &info.digest)?;
        match day.filter(|day| !info.term.is_in_effect(*day)) {
            Some(day) => Err(not_asked(format!("`{reference}` on {day}"), &info.standard, &info.version)),
            None => Ok(info),
        }
    }

    /// The version that governs a record of a day, and after it those that may still be used then, highest first.
    pub async fn governing(&self, standard: &StandardId, day: Date) -> Result<Vec<VersionInfo>, RegistryError> {
        let request = wire::GetGoverningRequest { standard: standard.to_string(), day: day.to_string() };
        let answer = again(|| {
            let (mut client, request) = (self.registry.clone(), request.clone());
            async move { client.get_governing(request).await }
        });
        let answer = answer.await?.into_inner();
        let mut versions = vec![version(answer.governing)?];
        for info in answer.also_in_force {
            versions.push(info.try_into()?);
        }
        match versions.iter().find(|info| info.standard != *standard || !info.term.is_in_effect(day)) {
            Some(info) => Err(not_asked(format!("`{standard}` on {day}"), &info.standard, &info.version)),
            None => Ok(versions),
        }
    }

    /// A version with all that judging needs, every digest verified.
    pub async fn bundle(&self, reference: &Reference) -> Result<Bundle, RegistryError> {
        let request = wire::GetBundleRequest { reference: reference.to_string(), with_examples: false };
        let answer = again(|| {
            let (mut client, request) = (self.registry.clone(), request.clone());
            async move { client.get_bundle(request).await }
        });
        let mut parts = answer.await?.into_inner();
        let mut receiver = BundleReceiver::default();
        while let Some(part) = parts.message().await? {
            receiver.take(part)?;
        }
        let bundle = receiver.finish()?;
        if let Selector::Digest(wanted) = reference.selector()
            && *wanted != bundle.digest()
        {
            let (reference, found) = (reference.to_string(), bundle.digest());
            return Err(RegistryError::OtherDigest { reference, wanted: *wanted, found });
        }
        let manifest = &bundle.root().manifest;
        is_asked(reference, &manifest.standard, &manifest.version, &bundle.digest())?;
        Ok(bundle)
    }

    /// Standards under a namespace, in order of their names; an empty one means all.
    pub async fn standards(&self, namespace: &str, kind: Option<Kind>) -> Result<Vec<StandardInfo>, RegistryError> {
        let mut request =
            wire::ListStandardsRequest { namespace: namespace.into(), page_size: 1_000, ..Default::default() };
        request.kind = kind.map_or(0, |kind| wire::Kind::from(kind).into());
        let mut found = Vec::new();
        loop {
            let page = again(|| {
                let (mut client, request) = (self.registry.clone(), request.clone());
                async move { client.list_standards(request).await }
            });
            let page = page.await?.into_inner();
            for standard in page.standards {
                let info: StandardInfo = standard.try_into()?;
                // In order, so that no answer is given again and again.
                if found
                    .last()
                    .is_some_and(|last: &StandardInfo| last.standard.to_string() >= info.standard.to_string())
                {
                    let why = format!("`{}` is not in its place", info.standard);
                    return Err(ConvertError::new("standards", why).into());
                }
                found.push(info);
            }
            match page.next_page_token {
                none if none.is_empty() => return Ok(found),
                _ if found.len() > STANDARDS_MAX => return Err(RegistryError::Endless { most: STANDARDS_MAX }),
                same if same == request.page_token => {
                    return Err(ConvertError::new("next_page_token", "it is that of the page itself").into());
                }
                next => request.page_token = next,
            }
        }
    }

    /// A standard and its versions, highest first.
    pub async fn versions(&self, standard: &StandardId) -> Result<(StandardInfo, Vec<VersionInfo>), RegistryError> {
        let request = wire::ListVersionsRequest { standard: standard.to_string() };
        let answer = self.registry.clone().list_versions(request).await?.into_inner();
        let info = answer.standard.ok_or_else(|| ConvertError::new("standard", "it is missing"))?;
        let info: StandardInfo = info.try_into()?;
        let versions = answer.versions.into_iter().map(VersionInfo::try_from).collect::<Result<Vec<_>, _>>()?;
        let others = versions.iter().map(|version| &version.standard).filter(|other| *other != standard);
        if let Some(other) = Some(&info.standard).filter(|other| *other != standard).or(others.min()) {
            return Err(RegistryError::NotAsked { asked: format!("`{standard}`"), found: format!("`{other}`") });
        }
        Ok((info, versions))
    }

    pub async fn search(&self, query: &str) -> Result<Vec<SearchHit>, RegistryError> {
        let request = wire::SearchRequest { query: query.into(), page_size: 100 };
        let answer = self.registry.clone().search(request).await?.into_inner();
        Ok(answer.hits.into_iter().map(SearchHit::try_from).collect::<Result<_, _>>()?)
    }

    /// Versions that refer to a standard, directly or through others.
    pub async fn dependents(&self, standard: &StandardId) -> Result<Vec<VersionInfo>, RegistryError> {
        let request = wire::ListDependentsRequest { standard: standard.to_string(), transitive: true };
        let answer = self.registry.clone().list_dependents(request).await?.into_inner();
        Ok(answer.versions.into_iter().map(VersionInfo::try_from).collect::<Result<_, _>>()?)
    }

    /// Publishes one version, in effect from today on. The same operation id may be sent again, and is where the registry did
    /// not answer.
    pub async fn publish(
        &self,
        operation_id: &str,
        package: &Package,
        metadata_toml: &str,
        dry_run: bool,
    ) -> Result<Publication, RegistryError> {
        self.publish_for(operation_id, package, metadata_toml, Terms::default(), dry_run).await
    }

    /// The same, in effect on the days that are named, with what is waived for it.
    pub async fn publish_for(
        &self,
        operation_id: &str,
        package: &Package,
        metadata_toml: &str,
        terms: Terms<'_>,
        dry_run: bool,
    ) -> Result<Publication, RegistryError> {
        let mut request = terms.of(package, metadata_toml);
        (request.operation_id, request.dry_run) = (operation_id.into(), dry_run);
        let bytes: usize = package.files.values().map(Vec::len).sum();
        let answer = match bytes < MESSAGE_BYTES {
            true => {
                let answer = again(|| {
                    let (mut client, request) = (self.registry.clone(), request.clone());
                    async move { client.publish(request).await }
                });
                Some(answer.await?.into_inner())
            }
            false => {
                let answer = again(|| {
                    let (mut client, parts) = (self.registry.clone(), package_parts(request.clone()));
                    let parts: Vec<_> = parts.collect();
                    async move { client.publish_parts(tokio_stream::iter(parts)).await }
                });
                answer.await?.into_inner().result
            }
        };
        let answer = answer.ok_or_else(|| ConvertError::new("result", "it is missing"))?;
        let warnings = answer.warnings_en.into_iter().zip(answer.warnings_zh);
        let info = version(answer.version)?;
        is_of((&package.standard, &package.version), &info)?;
        Ok(Publication {
            version: info,
            is_new: answer.is_new,
            warnings: warnings.map(|(en, zh)| Text { en, zh }).collect(),
            verdict: answer.verdict,
            affected_profiles: answer.affected_profiles,
        })
    }

    /// Lets the registry compare two published versions.
    pub async fn compare(&self, old: &Reference, new: &Reference) -> Result<wire::Verdict, RegistryError> {
        let request = wire::CompareRequest { old: old.to_string(), new: new.to_string() };
        let answer = self.registry.clone().compare(request).await?.into_inner();
        Ok(answer.verdict.ok_or_else(|| ConvertError::new("verdict", "it is missing"))?)
    }

    /// Whether a version may be published under its number, and the verdict that says so. Nothing is written.
    pub async fn can_publish(
        &self,
        package: &Package,
        metadata_toml: &str,
    ) -> Result<wire::CanPublishResponse, RegistryError> {
        let mut candidate = wire::PublishRequest::from(package.clone());
        candidate.metadata_toml = metadata_toml.into();
        let request = wire::CanPublishRequest { candidate: Some(candidate) };
        Ok(self.registry.clone().can_publish(request).await?.into_inner())
    }

    pub async fn set_status(
        &self,
        operation_id: &str,
        of: (&StandardId, &semver::Version),
        status: VersionStatus,
        reason: &str,
        successor: &str,
        effective_to: Option<Date>,
    ) -> Result<VersionInfo, RegistryError> {
        let request = wire::SetStatusRequest {
            operation_id: operation_id.into(),
            standard: of.0.to_string(),
            version: of.1.to_string(),
            status: wire::Status::from(status).into(),
            reason: reason.into(),
            successor: successor.into(),
            effective_to: day_or_empty(effective_to),
        };
        let info = version(self.registry.clone().set_status(request).await?.into_inner().version)?;
        is_of(of, &info)?;
        Ok(info)
    }

    /// As [`watch`](Self::watch), in our own words.
    pub async fn watch_events(&self, from_index: u64, namespace: &str) -> Result<Watch, RegistryError> {
        self.watch(from_index, namespace).await.map(Watch)
    }

    /// Entries from an index on, then each new one as it comes.
    pub async fn watch(
        &self,
        from_index: u64,
        namespace: &str,
    ) -> Result<Streaming<wire::WatchResponse>, RegistryError> {
        let request = wire::WatchRequest { from_index, namespace: namespace.into() };
        Ok(self.registry.clone().watch(request).await?.into_inner())
    }

    /// Lets the registry check one record.
    pub async fn check(
        &self,
        reference: &Reference,
        record: &[u8],
        reference_date: &str,
    ) -> Result<Report, RegistryError> {
        let options = WireOptions { reference_date: reference_date.into(), ..Default::default() };
        let request =
            CheckRequest { reference: reference.to_string(), record: record.to_vec().into(), options: Some(options) };
        let answer = self.conformance.clone().check(request).await?.into_inner();
        let report = answer.report.ok_or_else(|| ConvertError::new("report", "it is missing"))?;
        Ok(report.try_into()?)
    }
}

/// Whether what a registry answers with is what it was asked for.
fn is_asked(
    reference: &Reference,
    standard: &StandardId,
    version: &semver::Version,
    digest: &Digest,
) -> Result<(), RegistryError> {
    match reference.standard() == standard && reference.admits(version, digest) {
        true => Ok(()),
        false => Err(not_asked(format!("`{reference}`"), standard, version)),
    }
}

/// The same of a step that was taken for one version.
fn is_of(of: (&StandardId, &semver::Version), info: &VersionInfo) -> Result<(), RegistryError> {
    match of == (&info.standard, &info.version) {
        true => Ok(()),
        false => Err(not_asked(format!("`{}` {}", of.0, of.1), &info.standard, &info.version)),
    }
}

fn not_asked(asked: String, standard: &StandardId, version: &semver::Version) -> RegistryError {
    RegistryError::NotAsked { asked, found: format!("`{standard}` {version}") }
}

fn version(info: Option<wire::VersionInfo>) -> Result<VersionInfo, RegistryError> {
    let info = info.ok_or_else(|| ConvertError::new("version", "it is missing"))?;
    Ok(info.try_into()?)
}

/// Asks again, after growing pauses, where the registry did not answer; only for what is safe to repeat.
pub(crate) async fn again<T, F: Future<Output = Result<T, Status>>>(ask: impl Fn() -> F) -> Result<T, Status> {
    let (begun, mut pause) = (Instant::now(), Duration::from_millis(50));
    for _ in 1..TRIES {
        let answer = ask().await;
        if begun.elapsed() >= PATIENCE {
            return answer;
        }
        match answer {
            Err(status) if matches!(status.code(), Code::Unavailable | Code::Aborted) => {
                tokio::time::sleep(pause).await
            }
            // Asked too often: the registry says when to ask again.
            Err(status) if status.code() == Code::ResourceExhausted => match retry_after(&status) {
                Some(wait) => tokio::time::sleep(wait.clamp(pause, RETRY_MAX)).await,
                None => return Err(status),
            },
            answer => return answer,
        }
        pause *= 2;
    }
    ask().await
}

fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

/// Whether what is sent in clear stays on this machine.
fn is_near(host: Option<&str>) -> bool {
    let host = host.unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// What to do about a connection that did not come about. TLS says why only in words.
fn remedy(url: &str, why: &str) -> &'static str {
    if why.contains("peer certificate") {
        "its certificate is not trusted: name that of the authority which signed it (`--authority` of the program)"
    } else if url.starts_with("http:") && why.contains("frame with invalid size") {
        "it may speak TLS: write https://"
    } else {
        "is it running, and is the address right?"
    }
}
