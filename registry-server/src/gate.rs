//! Who is let in: counts, asks for credentials, asks the table; before anything of a request's body is read.
//!
//! # Invariants
//! - What has no row in the table is not served.
//! - Credentials are in no line, error or entry.
//! - Whatever is denied, here or by a service further in, is kept once among the denials, and counted.

use crate::{
    access::is_grpc,
    denials::{Denial, Denials},
    http::text,
    issuers::{Issuers, NotTaken},
    limits::{self, Limits},
    listen::{ClientCertificate, Peer},
    metrics::Metrics,
    permissions::{self, Need},
    registry::{Caller, CredentialFault, Denied, Registry, StoreError},
    settings::Settings,
    status::{Reason, Refusal},
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use guiju_model::{Namespace, Principal, Scope};
use guiju_proto::convert::timestamp;
use std::{
    net::IpAddr,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tonic::{Code, Status};

/// What the middleware needs. Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    registry: Arc<Registry>,
    issuers: Issuers,
    denials: Arc<Denials>,
    metrics: Metrics,
    by_address: Limits<IpAddr>,
    by_principal: Limits<Principal>,
    knows_certificates: bool,
}

/// What is asked for, and by whom. The gate leaves it with the request, for the service.
#[derive(Clone)]
pub struct Deed {
    caller: Caller,
    need: Need,
    /// Where it comes from, as it is counted.
    address: Option<IpAddr>,
    /// Set where a service further in denies it: the namespace.
    denied: Arc<Mutex<Option<String>>>,
}

/// One to whom places are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    Principal(Principal),
    Address(IpAddr),
}

tokio::task_local! {
    static HOLDER: Option<Holder>;
}

/// To whom the places are counted that this task takes, while it answers a call; nobody in a task of its own.
pub fn holder() -> Option<Holder> {
    HOLDER.try_with(Clone::clone).unwrap_or_default()
}

impl Deref for Deed {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Deed {
    /// For a request that came by no gate.
    pub fn nobodys() -> Self {
        Self { caller: Caller::nobody(), need: Need::Everywhere(&[]), address: None, denied: Arc::default() }
    }

    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// To whom the places are counted that it takes: the principal, or the address of somebody who is not known.
    pub fn holder(&self) -> Option<Holder> {
        match self.caller.is_open() || self.caller.is_anyone() {
            true => self.address.map(Holder::Address),
            false => Some(Holder::Principal(self.caller.principal().clone())),
        }
    }

    /// Whether what lies under a namespace may be shown; where not, it is to look as if there were nothing.
    pub fn sees(&self, namespace: &Namespace) -> bool {
        let sees = self.caller.may_see(namespace);
        if !sees {
            self.hid(namespace);
        }
        sees
    }

    /// Whether it is told more than everybody is.
    pub fn is_told_more(&self) -> bool {
        let Need::Told(roles) = self.need else { return false };
        roles.iter().any(|role| self.caller.may_over(*role, &Scope::All))
    }

    /// Notes that something was hidden, or denied; `about`: the namespace, where it is known.
    pub fn hid(&self, about: impl ToString) {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.get_or_insert_with(|| about.to_string());
    }

    /// The caller, allowed to do this on a namespace; or why not.
    pub fn on(&self, namespace: &Namespace) -> Result<Caller, Denied> {
        let Need::On(role) = self.need else { return Ok(self.caller.clone()) };
        self.caller.acting(role, namespace).inspect_err(|_| self.hid(namespace))
    }
}

/// Who is not let in, as far as that is known, and why: what is told, and what auditors read beside it.
struct Turned {
    principal: Principal,
    refusal: Refusal,
    why: String,
}

impl From<Refusal> for Turned {
    fn from(refusal: Refusal) -> Self {
        Self { principal: Principal::anyone(), refusal, why: String::new() }
    }
}

impl From<StoreError> for Turned {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

impl Gate {
    pub fn new(
        registry: Arc<Registry>,
        issuers: Issuers,
        denials: Arc<Denials>,
        metrics: Metrics,
        settings: &Settings,
    ) -> Self {
        Self(Arc::new(Inner {
            registry,
            issuers,
            denials,
            metrics,
            by_address: Limits::new(settings.address_rate_max),
            by_principal: Limits::new(settings.principal_rate_max),
            knows_certificates: settings.tls_client_authority.is_some(),
        }))
    }

    /// Who asks.
    async fn caller(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Caller, Turned> {
        let Inner { registry, issuers, knows_certificates, .. } = &*self.0;
        let (_, holdings) = registry.holdings()?;
        if holdings.is_empty() && issuers.is_empty() && !knows_certificates {
            return Ok(Caller::open());
        }
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            return self.bearer(value).await;
        }
        match peer.and_then(|peer| peer.certificate.as_deref()) {
            Some(ClientCertificate { principal: Some(principal), not_after_s }) if now_ms() / 1000 <= *not_after_s => {
                Ok(registry.caller_until(principal.clone(), not_after_s.saturating_mul(1000))?)
            }
            Some(ClientCertificate { principal: None, .. }) => Err(refused(
                "the certificate has no name that a principal can have: a URI, a DNS name or a common name",
            )
            .into()),
            Some(ClientCertificate { principal: Some(principal), not_after_s }) => Err(Turned {
                principal: principal.clone(),
                refusal: refused("the certificate has expired"),
                why: format!("the certificate held until {}", timestamp(not_after_s.saturating_mul(1000))),
            }),
            None => Ok(registry.caller(Principal::anyone())?),
        }
    }

    async fn bearer(&self, value: &HeaderValue) -> Result<Caller, Turned> {
        let Inner { registry, issuers, .. } = &*self.0;
        let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err(refused("`authorization` is not `Bearer` and a token").into());
        }
        if token.contains('.') {
            let known = issuers.verify(token, now_ms() / 1000).await;
            let (principal, until_s) = known.map_err(|NotTaken { fault, principal, why }| Turned {
                principal: principal.unwrap_or_else(Principal::anyone),
                refusal: refused(&fault.to_string()),
                why,
            })?;
            return Ok(registry.caller_until(principal, until_s.saturating_mul(1000))?);
        }
        registry.bearer(token).map_err(|fault| match fault {
            CredentialFault::Store(error) => error.into(),
            fault => {
                let why = fault.of().map_or(String::new(), |(id, _)| format!("{fault}: `{id}`"));
                let principal = fault.of().map_or_else(Principal::anyone, |(_, principal)| principal.clone());
                Turned { principal, refusal: refused(&fault.to_string()), why }
            }
        })
    }

    fn count_address(&self, address: Option<IpAddr>) -> Result<(), Refusal> {
        match address.and_then(limits::counted) {
            Some(address) => self.0.by_address.take(address, Instant::now()),
            None => Ok(()),
        }
        .map_err(|wait| Refusal::new(Reason::RateLimited, "too many requests from this address").after(wait))
    }

    fn count_principal(&self, caller: &Caller) -> Result<(), Refusal> {
        match caller.is_open() || caller.is_anyone() {
            true => Ok(()),
            false => self.0.by_principal.take(caller.principal().clone(), Instant::now()),
        }
        .map_err(|wait| Refusal::new(Reason::RateLimited, "too many requests of this principal").after(wait))
    }

    async fn admitted(&self, need: Need, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Deed, Turned> {
        let turned =
            |caller: &Caller, refusal| Turned { principal: caller.principal().clone(), ..Turned::from(refusal) };
        self.count_address(peer.map(|peer| peer.address.ip()))?;
        if need == Need::Public {
            return Ok(Deed { need, ..Deed::nobodys() });
        }
        let caller = match self.caller(headers, peer).await {
            // Whether the server lives is told also where it cannot find out who asks.
            Err(_) if matches!(need, Need::Told(_)) => return Ok(Deed { need, ..Deed::nobodys() }),
            caller => caller?,
        };
        self.count_principal(&caller).map_err(|refusal| turned(&caller, refusal))?;
        if !need.admits(&caller) {
            return Err(turned(&caller, not_admitted(need, &caller)));
        }
        let address = peer.and_then(|peer| limits::counted(peer.address.ip()));
        Ok(Deed { caller, need, address, denied: Arc::default() })
    }

    fn keep(
        &self,
        principal: &Principal,
        peer: Option<&Peer>,
        method: &str,
        reason: Reason,
        (about, why): (String, String),
    ) {
        self.0.metrics.denied(reason);
        self.0.denials.keep(Denial {
            number: 0,
            time_ms: now_ms(),
            principal: principal.to_string(),
            address: peer.map_or(String::new(), |peer| peer.address.ip().to_string()),
            method: method.chars().take(200).collect(),
            reason: reason.row().name.into(),
            about,
            why,
            count: 1,
        });
    }
}

/// The middleware.
pub async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let is_grpc = is_grpc(request.headers());
    let path = request.uri().path().to_owned();
    // What is not in the table has no route either, or a test says so: it gets the answer of what there is not.
    let Some(row) = permissions::find(&path) else { return unknown(is_grpc, &path) };
    let peer = request.extensions().get::<Peer>().cloned();
    match gate.admitted(row.need, request.headers(), peer.as_ref()).await {
        Err(Turned { principal, refusal, why }) => {
            let reason = refusal.reason();
            if matches!(reason, Reason::CredentialsMissing | Reason::CredentialsRefused | Reason::NotAllowed) {
                gate.keep(&principal, peer.as_ref(), &path, reason, (String::new(), why));
            }
            answer(refusal, is_grpc)
        }
        Ok(deed) => {
            // Nothing further in needs them.
            request.headers_mut().remove(header::AUTHORIZATION);
            request.extensions_mut().insert(deed.clone());
            let mut response = HOLDER.scope(deed.holder(), next.run(request)).await;
            response.extensions_mut().insert(deed.holder());
            let about = deed.denied.lock().unwrap_or_else(PoisonError::into_inner).take();
            let said = reason_of(&response);
            if !matches!(row.need, Need::Public | Need::Told(_)) && (about.is_some() || said.is_some()) {
                let (reason, about) = (said.unwrap_or(Reason::NotAllowed), about.unwrap_or_default());
                gate.keep(deed.principal(), peer.as_ref(), &path, reason, (about, String::new()));
            }
            response
        }
    }
}

fn refused(why: &str) -> Refusal {
    Refusal::new(Reason::CredentialsRefused, why)
}

fn not_admitted(need: Need, caller: &Caller) -> Refusal {
    if caller.is_anyone() {
        return Refusal::new(Reason::CredentialsMissing, "this takes credentials, and none were shown");
    }
    let principal = caller.principal();
    match need.wants() {
        Some((role, wanted)) => {
            let why = format!("`{principal}` may not do this: it takes {wanted}");
            Refusal::new(Reason::NotAllowed, why).with("role", role)
        }
        None => Refusal::new(Reason::NotAllowed, format!("`{principal}` may not do this")),
    }
}

/// Why a service denied something, where it did.
fn reason_of(response: &Response) -> Option<Reason> {
    let code = Status::from_header_map(response.headers()).map(|status| status.code());
    match (code, response.status()) {
        (Some(Code::PermissionDenied), _) | (None, StatusCode::FORBIDDEN) => Some(Reason::NotAllowed),
        (Some(Code::Unauthenticated), _) | (None, StatusCode::UNAUTHORIZED) => Some(Reason::CredentialsRefused),
        _ => None,
    }
}

/// A refusal, as the caller speaks.
pub fn answer(refusal: Refusal, is_grpc: bool) -> Response {
    let row = refusal.reason().row();
    if is_grpc {
        return Status::from(refusal).into_http();
    }
    let status = StatusCode::from_u16(row.http).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = text(status, format!("{}\n{}\n", refusal.message(), row.remedy));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = refusal.retry() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    }
    response
}

fn unknown(is_grpc: bool, path: &str) -> Response {
    match is_grpc {
        true => Status::new(Code::Unimplemented, format!("there is no method `{path}`")).into_http(),
        false => text(StatusCode::NOT_FOUND, "there is nothing here; see /\n".into()),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
