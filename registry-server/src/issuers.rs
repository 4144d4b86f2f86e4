//! Those whose JSON Web Tokens are taken (OpenID Connect), and what a token of theirs must be.
//!
//! # Invariants
//! - The algorithm is one that the issuer is allowed, and is of the key's kind: never `none`, never a shared secret.
//! - Nothing of a token is believed before its signature is verified, but for which issuer's keys are tried.
//! - Keys are fetched from where the settings say and from nowhere that a token names.
//!
//! # Limits
//! Tokens of 8 KiB, 64 keys an issuer, 256 KiB and 5 s for what is fetched, one attempt in 30 s however many unknown keys are named.
//!
//! Why no crate: the usual one reads `exp` in a way that serde_json's `arbitrary_precision`, which schemas need, breaks. The
//! signatures are ring's.

use crate::Fault;
use axum::{
    body::{Body, to_bytes},
    http::{Request, Uri, header},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use guiju_model::Principal;
use guiju_proto::convert::timestamp;
use hyper_util::rt::TokioIo;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, sync::Mutex, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

const TOKEN_BYTES_MAX: usize = 8 << 10;
const KEYS_MAX: usize = 64;
const FETCHED_BYTES_MAX: usize = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(5);
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(30);
/// When keys are fetched anew though all that are asked for are known: one may have been taken back.
const ANEW_AFTER: Duration = Duration::from_secs(600);
/// How far clocks may differ.
const SKEW_S: u64 = 60;
/// The longest that a token may hold, from when it was issued.
const LIFE_MAX_S: u64 = 24 * 3600;

/// The file that the setting `issuers` names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    issuer: Vec<ListedIssuer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedIssuer {
    /// Principals are called `name:` and what the claim says.
    name: String,
    /// As the claim `iss` has it; keys are asked for under it where no `keys` are given.
    issuer: String,
    audience: String,
    /// A JWK set on disk.
    keys: Option<PathBuf>,
    /// Certificate of the authority that signed the issuer's, in PEM.
    authority: Option<PathBuf>,
    #[serde(default = "usual_algorithms")]
    algorithms: BTreeSet<Algorithm>,
    /// Which claim names the principal.
    #[serde(default = "usual_claim")]
    claim: String,
}

fn usual_algorithms() -> BTreeSet<Algorithm> {
    [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa].into()
}

fn usual_claim() -> String {
    "sub".into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// A public key of an issuer.
struct Key {
    id: Option<String>,
    public: PublicKey,
}

enum PublicKey {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Uncompressed point.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

struct Issuer {
    listed: ListedIssuer,
    tls: Option<TlsConnector>,
    keys: RwLock<Arc<Vec<Key>>>,
    /// When keys were asked for last.
    asked: Mutex<Option<Instant>>,
}

/// All issuers that the settings name.
#[derive(Default)]
pub struct Issuers(Vec<Issuer>);

/// Why a token is not taken. Never what it was.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    #[error("the token is no JWT of at most {TOKEN_BYTES_MAX} bytes: {0}")]
    Malformed(&'static str),
    #[error("no issuer that is known here issued the token")]
    UnknownIssuer,
    #[error("its algorithm is not one that the issuer is allowed")]
    Algorithm,
    #[error("it is signed with a key that the issuer does not publish")]
    UnknownKey,
    #[error("its signature is not right")]
    Signature,
    #[error("it is for another audience")]
    Audience,
    #[error("it has expired")]
    Expired,
    #[error("it does not hold yet")]
    Early,
    #[error("the claim `{0}` is missing or malformed")]
    Claim(String),
}

/// A token that is not taken: what its bearer is told, and for auditors whose it was, as far as its signature proves it, and which check it
/// failed on what.
#[derive(Debug)]
pub struct NotTaken {
    pub fault: TokenFault,
    pub principal: Option<Principal>,
    pub why: String,
}

impl From<TokenFault> for NotTaken {
    fn from(fault: TokenFault) -> Self {
        let why = fault.to_string();
        Self { fault, principal: None, why }
    }
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

impl Issuers {
    pub fn read(path: Option<&Path>) -> Result<Self, Fault> {
        let Some(path) = path else { return Ok(Self::default()) };
        let hint = "docs/how-to/who-may-do-what.md shows the whole file";
        let fault = |why: String| Fault::new(format!("`issuers`: {}: {why}", path.display()), hint);
        let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
        let listed: Listed = toml::from_str(&text).map_err(|error| fault(error.message().to_owned()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let issuers = listed.issuer.into_iter().map(|issuer| Issuer::new(issuer, folder).map_err(&fault));
        let issuers = issuers.collect::<Result<Vec<Issuer>, _>>()?;
        // Under one name two issuers' people would be the same people, and of two with one URL the second is never asked.
        for (at, Issuer { listed, .. }) in issuers.iter().enumerate() {
            let earlier = || issuers[..at].iter().map(|issuer| &issuer.listed);
            if earlier().any(|other| other.name == listed.name) {
                return Err(fault(format!("there are two issuers of the name `{}`; give each its own", listed.name)));
            }
            if let Some(other) = earlier().find(|other| other.issuer == listed.issuer) {
                let why = format!("`{}` and `{}` have the same `issuer`; keep one", other.name, listed.name);
                return Err(fault(why));
            }
        }
        Ok(Self(issuers))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who shows a token, and until when it holds (Unix time in seconds).
    pub async fn verify(&self, token: &str, now_s: u64) -> Result<(Principal, u64), NotTaken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::Malformed("it is too long").into());
        }
        let mut parts = token.split('.');
        let (Some(head), Some(body), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFault::Malformed("it has not three parts").into());
        };
        let signed = &token.as_bytes()[..head.len() + 1 + body.len()];
        let head: Head = read(head)?;
        let claims: Value = read(body)?;
        let signature = decoded(signature)?;
        if head.crit.is_some() {
            return Err(TokenFault::Malformed("it asks for an extension").into());
        }
        let issued_by = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
        let Some(issuer) = self.0.iter().find(|issuer| issuer.listed.issuer == issued_by) else {
            let why = format!("no issuer of the settings is {}", quoted(issued_by));
            return Err(NotTaken { fault: TokenFault::UnknownIssuer, principal: None, why });
        };
        let (listed, kid) = (&issuer.listed, head.kid.as_deref());
        let of = |fault: TokenFault, principal: Option<Principal>, why: String| NotTaken {
            fault,
            principal,
            why: format!("issuer `{}`: {why}", listed.name),
        };
        let algorithm = issuer.allowed(&head.alg).map_err(|fault| {
            of(fault, None, format!("the algorithm {} is none of {:?}", quoted(&head.alg), listed.algorithms))
        })?;
        let keys = issuer.keys_for(kid).await;
        issuer.signed(&keys, kid, algorithm, signed, &signature).map_err(|fault| {
            let named = kid.map_or("without a name".into(), quoted);
            let why = match fault {
                TokenFault::UnknownKey => format!("no key {named} for {} among its {}", quoted(&head.alg), keys.len()),
                _ => format!("the signature is not that of the key {named}"),
            };
            of(fault, None, why)
        })?;
        issuer.named(&claims, now_s).map_err(|fault| {
            // The signature holds, so it is the issuer who says this.
            let who = claims.get(&listed.claim).and_then(Value::as_str).filter(|who| !who.is_empty());
            let principal = who.and_then(|who| format!("{}:{who}", listed.name).parse().ok());
            let why = issuer.failed(&fault, &claims, now_s);
            of(fault, principal, why)
        })
    }
}

/// What somebody wrote who proved nothing: short, and in one line.
fn quoted(text: &str) -> String {
    let plain = text.chars().take(80).map(|c| if c.is_control() || c == '`' { '?' } else { c });
    format!("`{}`", plain.collect::<String>())
}

fn decoded(part: &str) -> Result<Vec<u8>, TokenFault> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed("a part is not base64url"))
}

fn read<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenFault> {
    serde_json::from_slice(&decoded(part)?).map_err(|_| TokenFault::Malformed("a part is not JSON"))
}

impl Issuer {
    fn new(listed: ListedIssuer, folder: &Path) -> Result<Self, String> {
        let ListedIssuer { name, issuer, audience, .. } = &listed;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        // `open:` stands before the names that people said in an open registry, and proves nothing.
        if name.is_empty() || matches!(name.as_str(), "cert" | "open") || !name.bytes().all(plain) {
            let why = "must be made of a-z 0-9 -, and be neither `cert` nor `open`";
            return Err(format!("the issuer's name `{name}` {why}"));
        }
        if audience.is_empty() || listed.algorithms.is_empty() {
            return Err(format!("`{name}` needs an audience and at least one algorithm"));
        }
        let uri: Uri = issuer.parse().map_err(|_| format!("`{issuer}` is no URL"))?;
        let host = uri.host().unwrap_or_default();
        let is_near = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
        let listed_keys = listed.keys.as_ref().map(|path| folder.join(path));
        let tls = match (uri.scheme_str(), &listed.authority) {
            (Some("http" | "https"), _) if listed_keys.is_some() => None,
            (Some("http"), _) if is_near => None,
            (Some("https"), Some(path)) => Some(connector(&folder.join(path))?),
            (Some("https"), None) => return Err(format!("`{name}` needs `authority` to fetch its keys, or `keys`")),
            _ => return Err(format!("`{issuer}` does not begin with https://")),
        };
        let made = Self {
            listed: ListedIssuer { keys: listed_keys, ..listed },
            tls,
            keys: RwLock::default(),
            asked: Mutex::default(),
        };
        if let Some(path) = &made.listed.keys {
            let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            *made.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key_set(&bytes)?);
        }
        Ok(made)
    }

    fn allowed(&self, alg: &str) -> Result<Algorithm, TokenFault> {
        let algorithm = match alg {
            "RS256" => Algorithm::Rs256,
            "ES256" => Algorithm::Es256,
            "EdDSA" => Algorithm::EdDsa,
            _ => return Err(TokenFault::Algorithm),
        };
        self.listed.algorithms.contains(&algorithm).then_some(algorithm).ok_or(TokenFault::Algorithm)
    }

    /// The keys, asked for anew where one is not known or all are old; not more often than that makes sense.
    async fn keys_for(&self, id: Option<&str>) -> Arc<Vec<Key>> {
        let known = || self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let has = |keys: &[Key]| keys.iter().any(|key| id.is_none() || key.id.as_deref() == id);
        // Whoever shows a known key does not wait for somebody else's question.
        let mut asked = match self.asked.try_lock() {
            Ok(asked) => asked,
            Err(_) if has(&known()) => return known(),
            Err(_) => self.asked.lock().await,
        };
        let since = asked.map(|at| at.elapsed());
        let is_time = match has(&known()) {
            true => since.is_some_and(|since| since > ANEW_AFTER),
            false => since.is_none_or(|since| since > BETWEEN_ATTEMPTS),
        };
        if is_time {
            *asked = Some(Instant::now());
            match self.fetch_keys().await {
                Ok(keys) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys),
                Err(why) => tracing::warn!(issuer = %self.listed.name, "its keys are not to be had: {why}"),
            }
        } else if asked.is_none() {
            *asked = Some(Instant::now());
        }
        known()
    }

    async fn fetch_keys(&self) -> Result<Vec<Key>, String> {
        if let Some(path) = &self.listed.keys {
            return key_set(&tokio::fs::read(path).await.map_err(|error| error.to_string())?);
        }
        let about = format!("{}/.well-known/openid-configuration", self.listed.issuer.trim_end_matches('/'));
        let about: Value = serde_json::from_slice(&self.get(&about).await?).map_err(|error| error.to_string())?;
        if about.get("issuer").and_then(Value::as_str) != Some(&self.listed.issuer) {
            return Err("its openid-configuration is that of another issuer".into());
        }
        let place = about.get("jwks_uri").and_then(Value::as_str).ok_or("its openid-configuration names no keys")?;
        key_set(&self.get(place).await?)
    }

    /// One answer over HTTP, with TLS where the issuer has it.
    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no URL"))?;
        let wanted = if self.tls.is_some() { "https" } else { "http" };
        let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default().to_owned());
        let is_near = matches!(host.as_str(), "127.0.0.1" | "[::1]" | "localhost");
        if scheme != wanted || (wanted == "http" && !is_near) {
            return Err(format!("`{url}` is not where its keys may come from"));
        }
        let answer = async {
            let port = uri.port_u16().unwrap_or(if wanted == "https" { 443 } else { 80 });
            let bare = host.trim_matches(['[', ']']);
            let tcp = TcpStream::connect((bare, port)).await.map_err(|error| error.to_string())?;
            match &self.tls {
                None => asked_over(TokioIo::new(tcp), &uri).await,
                Some(tls) => {
                    let name = ServerName::try_from(bare.to_owned()).map_err(|error| error.to_string())?;
                    let stream = tls.connect(name, tcp).await.map_err(|error| error.to_string())?;
                    asked_over(TokioIo::new(stream), &uri).await
                }
            }
        };
        timeout(PATIENCE, answer).await.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?
    }

    /// Whether a key of the issuer signed it. Of several keys without a name, any will do.
    fn signed(
        &self,
        keys: &[Key],
        id: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenFault> {
        let mut fault = TokenFault::UnknownKey;
        for key in keys.iter().filter(|key| id.is_none() || key.id.as_deref() == id) {
            let verified = match (&key.public, algorithm) {
                (PublicKey::Rsa { n, e }, Algorithm::Rs256) => {
                    RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                }
                (PublicKey::P256(point), Algorithm::Es256) => {
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
                }
                (PublicKey::Ed25519(key), Algorithm::EdDsa) => {
                    UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
                }
                _ => continue,
            };
            match verified {
                Ok(()) => return Ok(()),
                Err(_) => fault = TokenFault::Signature,
            }
        }
        Err(fault)
    }

    /// Which claim failed, and on what, by this server's clock.
    fn failed(&self, fault: &TokenFault, claims: &Value, now_s: u64) -> String {
        let time = |name: &str| claims.get(name).and_then(Value::as_f64).map_or(0, |time| time as u64);
        let date = |s: u64| timestamp(s.saturating_mul(1000)).to_string();
        let now = date(now_s);
        match fault {
            TokenFault::Audience => {
                let given = claims.get("aud").map_or("none".into(), |aud| quoted(&aud.to_string()));
                format!("`aud` is {given}, and `{}` is wanted", self.listed.audience)
            }
            TokenFault::Expired => {
                format!("`exp` is {}, and it is {now}; clocks may differ by {SKEW_S} s", date(time("exp")))
            }
            TokenFault::Early => {
                let (name, from) = if time("nbf") > time("iat") { ("nbf", time("nbf")) } else { ("iat", time("iat")) };
                format!("`{name}` is {}, and it is {now}; clocks may differ by {SKEW_S} s", date(from))
            }
            TokenFault::Claim(name) if name == "exp" && claims.get("exp").is_some() => {
                format!("`exp` is {}, and a token holds for {LIFE_MAX_S} s at most", date(time("exp")))
            }
            fault => fault.to_string(),
        }
    }

    /// The principal that verified claims name, and until when.
    fn named(&self, claims: &Value, now_s: u64) -> Result<(Principal, u64), TokenFault> {
        let time =
            |name: &str| claims.get(name).and_then(Value::as_f64).filter(|time| *time >= 0.0).map(|time| time as u64);
        let is_given = |name: &str| claims.get(name).is_some();
        let is_ours = match claims.get("aud") {
            Some(Value::String(audience)) => *audience == self.listed.audience,
            Some(Value::Array(all)) => all.iter().any(|audience| audience == self.listed.audience.as_str()),
            _ => false,
        };
        if !is_ours {
            return Err(TokenFault::Audience);
        }
        let expires = time("exp").ok_or_else(|| TokenFault::Claim("exp".into()))?;
        if expires.saturating_add(SKEW_S) <= now_s {
            return Err(TokenFault::Expired);
        }
        for name in ["nbf", "iat"] {
            match time(name) {
                Some(from) if from > now_s.saturating_add(SKEW_S) => return Err(TokenFault::Early),
                None if is_given(name) => return Err(TokenFault::Claim(name.into())),
                _ => {}
            }
        }
        if expires > now_s.saturating_add(LIFE_MAX_S) {
            return Err(TokenFault::Claim("exp".into()));
        }
        let claim = || TokenFault::Claim(self.listed.claim.clone());
        let who =
            claims.get(&self.listed.claim).and_then(Value::as_str).filter(|who| !who.is_empty()).ok_or_else(claim)?;
        let principal = format!("{}:{who}", self.listed.name).parse().map_err(|_| claim())?;
        Ok((principal, expires.saturating_add(SKEW_S)))
    }
}

async fn asked_over<S>(stream: TokioIo<S>, uri: &Uri) -> Result<Vec<u8>, String>
where
    TokioIo<S>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(stream).await.map_err(|error| error.to_string())?;
    let driver = tokio::spawn(connection);
    let answer = async {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let request = Request::get(path).header(header::HOST, authority).header(header::ACCEPT, "application/json");
        let request = request.body(Body::empty()).map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if answer.status() != 200 {
            return Err(format!("{} answers {}", uri, answer.status()));
        }
        let bytes = to_bytes(Body::new(answer.into_body()), FETCHED_BYTES_MAX).await;
        bytes.map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
    }
    .await;
    driver.abort();
    answer
}

fn connector(authority: &Path) -> Result<TlsConnector, String> {
    let fault = |why: String| format!("{}: {why}", authority.display());
    let mut roots = RootCertStore::empty();
    let bytes = fs::read(authority).map_err(|error| fault(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| fault(error.to_string()))?;
        roots.add(certificate).map_err(|error| fault(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(fault("it holds no certificate in PEM".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| fault(error.to_string()))?.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The keys of a JWK set that can be used here; secrets, keys to encrypt with and kinds that are not known are passed over.
fn key_set(bytes: &[u8]) -> Result<Vec<Key>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    if bytes.len() > FETCHED_BYTES_MAX {
        return Err(format!("a set of keys holds at most {FETCHED_BYTES_MAX} bytes"));
    }
    let set: Set = serde_json::from_slice(bytes).map_err(|error| format!("it is no JWK set: {error}"))?;
    match set.keys.len() {
        count if count > KEYS_MAX => Err(format!("it has {count} keys, at most {KEYS_MAX} are taken")),
        _ => Ok(set.keys.iter().filter_map(key).collect()),
    }
}

fn key(jwk: &Value) -> Option<Key> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let number = |name: &str| {
        let bytes = bytes(name)?;
        let start = bytes.iter().position(|byte| *byte != 0)?;
        Some(bytes[start..].to_vec())
    };
    if text("use").is_some_and(|usage| usage != "sig") {
        return None;
    }
    let public = match (text("kty")?, text("crv"), text("alg")) {
        ("RSA", _, None | Some("RS256")) => PublicKey::Rsa { n: number("n")?, e: number("e")? },
        ("EC", Some("P-256"), None | Some("ES256")) => {
            let (x, y) = (bytes("x")?, bytes("y")?);
            (x.len() == 32 && y.len() == 32).then(|| PublicKey::P256([vec![4], x, y].concat()))?
        }
        ("OKP", Some("Ed25519"), None | Some("EdDSA" | "Ed25519")) => PublicKey::Ed25519(bytes("x")?),
        _ => return None,
    };
    Some(Key { id: text("kid").map(str::to_owned), public })
}
