//! Talks to the members of a cluster: one after the other until one answers, within a time.
//!
//! # Invariants
//! - Only what may be asked twice is asked here: whoever hears nothing does not know whether it was done.
//! - A member that does not answer in time gets a new connection, and the next one is asked.

use super::rpc::{
    AuthenticateRequest, RangeRequest, RangeResponse, TxnRequest, TxnResponse, auth_client::AuthClient,
    kv_client::KvClient,
};
use crate::log::LogError;
use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};
use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

/// Where a cluster is, and who asks.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http://` or `https://`, host and port each.
    pub endpoints: Vec<String>,
    /// Before the names of all keys.
    pub prefix: String,
    /// Certificate in PEM of the authority that signed those of the members.
    pub authority: Option<PathBuf>,
    /// Certificate and key in PEM by which the cluster knows this server.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// User, and the file with the password.
    pub user: Option<(String, PathBuf)>,
    /// How long one member may take before the next is asked.
    pub try_timeout: Duration,
    /// How long all of them may take.
    pub timeout: Duration,
}

/// What a range of entries or the chunks of a blob have at most, with room to spare.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Keeps a connection over which nothing is said, as a watch is, from hanging where the other side is gone. The cluster closes
/// connections that ask more often than every five seconds.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(6);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(400);

pub struct Client {
    members: Vec<Connection>,
    /// The member that answered last.
    current: AtomicUsize,
    user: Option<(String, String)>,
    token: RwLock<Option<MetadataValue<Ascii>>>,
    try_timeout: Duration,
    timeout: Duration,
    /// Why the last question had no answer.
    trouble: Mutex<Option<String>>,
}

struct Connection {
    address: String,
    endpoint: Endpoint,
    channel: Mutex<Channel>,
}

impl Client {
    /// Connects when it is first asked for something. Inside a runtime.
    pub fn new(options: &Options) -> Result<Self, LogError> {
        let denied = |why: String| LogError::Denied { why };
        let read = |path: &Path| std::fs::read(path).map_err(|error| denied(format!("{}: {error}", path.display())));
        let mut tls = ClientTlsConfig::new();
        if let Some(path) = &options.authority {
            tls = tls.ca_certificate(Certificate::from_pem(read(path)?));
        }
        if let Some((certificate, key)) = &options.identity {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        let connection = |address: &String| {
            let fault = |why: tonic::transport::Error| denied(format!("{address}: {}", root_cause(&why)));
            let mut endpoint = Endpoint::from_shared(address.clone()).map_err(fault)?;
            if address.starts_with("https:") {
                endpoint = endpoint.tls_config(tls.clone()).map_err(fault)?;
            }
            let endpoint = endpoint
                .connect_timeout(CONNECT_TIMEOUT)
                .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
                .keep_alive_timeout(KEEPALIVE_TIMEOUT)
                .keep_alive_while_idle(true)
                .initial_connection_window_size(8 << 20)
                .initial_stream_window_size(4 << 20);
            let channel = Mutex::new(endpoint.connect_lazy());
            Ok(Connection { address: address.clone(), endpoint, channel })
        };
        let members = options.endpoints.iter().map(connection).collect::<Result<_, LogError>>()?;
        let user = match &options.user {
            None => None,
            Some((name, path)) => {
                let password = String::from_utf8(read(path)?).map_err(|why| denied(why.to_string()))?;
                Some((name.clone(), password.trim_end_matches(['\r', '\n']).to_owned()))
            }
        };
        let Options { try_timeout, timeout, .. } = *options;
        let (current, token, trouble) = Default::default();
        Ok(Self { members, current, user, token, try_timeout, timeout, trouble })
    }

    pub fn members(&self) -> usize {
        self.members.len()
    }

    pub fn address(&self, member: usize) -> &str {
        &self.members[member % self.members.len()].address
    }

    pub fn channel(&self, member: usize) -> Channel {
        locked(&self.members[member % self.members.len()].channel).clone()
    }

    /// Why the last question had no answer, if it had none.
    pub fn trouble(&self) -> Option<String> {
        locked(&self.trouble).clone()
    }

    pub async fn range(&self, message: RangeRequest) -> Result<RangeResponse, LogError> {
        self.ask(message, |channel, request| async move {
            KvClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX).range(request).await
        })
        .await
    }

    /// One that may be sent twice.
    pub async fn txn(&self, message: TxnRequest) -> Result<TxnResponse, LogError> {
        self.ask(message, |channel, request| async move {
            KvClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX).txn(request).await
        })
        .await
    }

    async fn ask<Q: Clone, A, F>(&self, message: Q, send: impl Fn(Channel, Request<Q>) -> F) -> Result<A, LogError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let (begin, mut tried) = (Instant::now(), 0);
        loop {
            let member = self.current.load(Relaxed);
            // Each round gives more time: a slow cluster is to be waited for, not to be asked ever again.
            let round = tried / self.members.len() as u32 + 1;
            let left = self.timeout.saturating_sub(begin.elapsed());
            let answer = timeout(left.min(self.try_timeout * round), self.try_one(member, &message, &send)).await;
            let why = match answer {
                Ok(Ok(answer)) => {
                    *locked(&self.trouble) = None;
                    return Ok(answer);
                }
                Ok(Err(status)) => match sort(&status) {
                    Sort::Again(why) => why,
                    Sort::Authenticate(why) => {
                        *self.token.write().unwrap_or_else(PoisonError::into_inner) = None;
                        why
                    }
                    Sort::Final(error) => return Err(error),
                },
                Err(_) => {
                    self.renew(member);
                    "no answer in time".into()
                }
            };
            tried += 1;
            let why = format!("{}: {why}", self.address(member));
            let _ = self.current.compare_exchange(member, member.wrapping_add(1), Relaxed, Relaxed);
            let pause = jittered(PAUSE_MAX.min(PAUSE * tried.saturating_sub(self.members.len() as u32).min(20)));
            if begin.elapsed() + pause >= self.timeout {
                *locked(&self.trouble) = Some(why.clone());
                return Err(LogError::Unavailable { why });
            }
            sleep(pause).await;
        }
    }

    async fn try_one<Q: Clone, A, F>(
        &self,
        member: usize,
        message: &Q,
        send: &impl Fn(Channel, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let request = self.request(member, message.clone()).await?;
        send(self.channel(member), request).await.map(Response::into_inner)
    }

    /// With what a member wants to know of every request: who asks, and that a member without a leader is to say so at once.
    pub async fn request<Q>(&self, member: usize, message: Q) -> Result<Request<Q>, Status> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        if let Some(token) = self.token(member).await? {
            request.metadata_mut().insert("token", token);
        }
        Ok(request)
    }

    async fn token(&self, member: usize) -> Result<Option<MetadataValue<Ascii>>, Status> {
        let Some((name, password)) = &self.user else { return Ok(None) };
        if let Some(token) = &*self.token.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Some(token.clone()));
        }
        let request = AuthenticateRequest { name: name.clone(), password: password.clone() };
        let token = AuthClient::new(self.channel(member)).authenticate(request).await?.into_inner().token;
        let token = MetadataValue::try_from(token).map_err(|why| Status::internal(why.to_string()))?;
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(Some(token))
    }

    /// Lets go of a connection that may hang.
    pub fn renew(&self, member: usize) {
        let connection = &self.members[member % self.members.len()];
        *locked(&connection.channel) = connection.endpoint.connect_lazy();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What to do about a refusal.
enum Sort {
    Again(String),
    /// The same, with a new token.
    Authenticate(String),
    Final(LogError),
}

fn sort(status: &Status) -> Sort {
    let said = status.message();
    let why = match said {
        "" => format!("{:?}", status.code()),
        said => said.to_owned(),
    };
    match status.code() {
        Code::ResourceExhausted if said.contains("database space") => Sort::Final(LogError::NoSpace { why }),
        Code::Unauthenticated => Sort::Authenticate(why),
        // A user was changed since the token was given.
        Code::InvalidArgument if said.contains("auth store is old") => Sort::Authenticate(why),
        Code::InvalidArgument | Code::FailedPrecondition if said.contains("authenticat") => {
            Sort::Final(LogError::Denied { why })
        }
        Code::PermissionDenied => Sort::Final(LogError::Denied { why }),
        Code::InvalidArgument if said.contains("user name is empty") => Sort::Final(LogError::Denied {
            why: format!(
                "{why}; the cluster asks for a user: set `etcd_user` and `etcd_password_file`, or a certificate"
            ),
        }),
        Code::InvalidArgument | Code::Unimplemented | Code::OutOfRange => Sort::Final(LogError::Denied { why }),
        Code::DataLoss => Sort::Final(LogError::Unavailable { why }),
        _ => Sort::Again(match std::error::Error::source(status) {
            Some(source) => format!("{why}: {}", root_cause(source)),
            None => why,
        }),
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Between half of a pause and all of it, so that those who failed together do not try again together.
pub fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    match getrandom::fill(&mut byte) {
        Ok(()) => pause / 2 + pause * u32::from(byte[0]) / 512,
        Err(_) => pause,
    }
}
