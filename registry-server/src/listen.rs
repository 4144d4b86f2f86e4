//! Takes connections: counted, with TLS where it is on.
//!
//! # Invariants
//! - Handshakes run beside each other and are given up after their time; a silent caller holds up nobody.
//! - A connection over the limit, or over the half of it that one address may have, is closed at once, so that its caller hears of it.
//! - Whoever sends too little to be understood is cut off: until so much has come, or something was answered, nothing further in
//!   counts the time.

use crate::{
    limits::{self, NoPlace, Place, Places},
    metrics::Metrics,
    settings::Settings,
};
use guiju_model::Principal;
use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    },
    server::TlsStream,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot listen on {address}: {source}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("the {what} {} cannot be used: {why}", file.display())]
    Pem { what: &'static str, file: PathBuf, why: String },
}

impl ListenError {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "another program has that port; stop it, or choose another with --listen (port 0 takes a free one)"
            }
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "ports under 1024 need a privilege; choose another with --listen"
            }
            Self::Bind { .. } => "choose an address of this machine with --listen",
            Self::Pem { .. } => "name files in PEM that this user can read; the key must belong to the certificate",
        }
    }
}

/// Where a connection comes from, and the certificate that its caller showed.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// What is read of a certificate that an authority of `tls_client_authority` signed.
#[derive(Debug)]
pub struct ClientCertificate {
    /// None where its name is none that a principal can have.
    pub principal: Option<Principal>,
    /// Unix time in seconds.
    pub not_after_s: u64,
}

impl ClientCertificate {
    /// Named by the first URI, else the first DNS name or mail address of the subject's alternative names, else by the common name.
    fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = || names.iter().flat_map(|names| &names.value.general_names);
        let uri = names().find_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
        let other = names().find_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) => Some(*name),
            _ => None,
        });
        let common = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
        let name = uri.or(other).or(common)?;
        let not_after_s = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
        Some(Self { principal: format!("cert:{name}").parse().ok(), not_after_s })
    }

    /// One that cannot be read names nobody.
    fn or_unread(der: &[u8]) -> Self {
        Self::read(der).unwrap_or(Self { principal: None, not_after_s: 0 })
    }
}

/// A bound address, before anything is answered.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    places: Places<IpAddr>,
    metrics: Metrics,
    handshake_timeout: Duration,
    first_timeout: Duration,
    write_timeout: Duration,
}

impl Listener {
    pub async fn bind(settings: &Settings, metrics: Metrics) -> Result<Self, ListenError> {
        let tls = match (&settings.tls_certificate, &settings.tls_key) {
            (Some(certificate), Some(key)) => Some(tls(certificate, key, settings.tls_client_authority.as_deref())?),
            _ => None,
        };
        let fault = |source| ListenError::Bind { address: settings.listen, source };
        let tcp = TcpListener::bind(settings.listen).await.map_err(fault)?;
        let places = Places::new(settings.connections_max);
        let (handshake_timeout, first_timeout) = (settings.handshake_timeout, settings.request_timeout);
        let write_timeout = settings.stream_idle_timeout;
        Ok(Self { tcp, tls, places, metrics, handshake_timeout, first_timeout, write_timeout })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Connections that are ready to be served. Ends when the receiver is dropped.
    pub fn incoming(self) -> ReceiverStream<io::Result<Connection>> {
        let (ready, incoming) = mpsc::channel(16);
        tokio::spawn(self.accept_all(ready));
        ReceiverStream::new(incoming)
    }

    async fn accept_all(self, ready: mpsc::Sender<io::Result<Connection>>) {
        loop {
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                () = ready.closed() => return,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer, &ready),
                Err(error) => {
                    // Out of file descriptors, most likely: it passes when some connection ends.
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, ready: &mpsc::Sender<io::Result<Connection>>) {
        let place = match self.places.take(limits::counted(peer.ip())) {
            Ok(place) => place,
            Err(full) => {
                self.metrics.shed("connections_max");
                let why = match full {
                    NoPlace::Full => "there are as many as `connections_max` allows",
                    NoPlace::Share(_) => "its address has half of those that `connections_max` allows",
                };
                return tracing::warn!(peer = %peer, "connection closed: {why}");
            }
        };
        let _ = stream.set_nodelay(true);
        let (tls, limit, ready) = (self.tls.clone(), self.handshake_timeout, ready.clone());
        let (first_timeout, write_timeout) = (self.first_timeout, self.write_timeout);
        tokio::spawn(async move {
            let mut certificate = None;
            let stream = match tls {
                None => Stream::Clear(stream),
                Some(tls) => match timeout(limit, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                        certificate = shown.map(|der| Arc::new(ClientCertificate::or_unread(der)));
                        Stream::Tls(Box::new(stream))
                    }
                    Ok(Err(error)) => return tracing::info!(peer = %peer, %error, "TLS handshake failed"),
                    Err(_) => return tracing::info!(peer = %peer, "TLS handshake took too long"),
                },
            };
            let peer = Peer { address: peer, certificate };
            let silence = Some(Silence { until: Box::pin(sleep(first_timeout)), read: 0 });
            let _ =
                ready.send(Ok(Connection { stream, peer, silence, write_timeout, stalled: None, _place: place })).await;
        });
    }
}

fn tls(certificate: &Path, key: &Path, authority: Option<&Path>) -> Result<TlsAcceptor, ListenError> {
    let fault = |what, file: &Path, why: String| ListenError::Pem { what, file: file.into(), why };
    let chain = pem(certificate).and_then(|bytes| {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(text)?;
        if chain.is_empty() { Err("it holds no certificate in PEM".into()) } else { Ok(chain) }
    });
    let chain = chain.map_err(|why| fault("TLS certificate", certificate, why))?;
    let private = pem(key).and_then(|bytes| PrivateKeyDer::from_pem_slice(&bytes).map_err(text));
    let private = private.map_err(|why| fault("TLS key", key, why))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = authority.map(|file| {
        verifier(file, provider.clone()).map_err(|why| fault("certificate of the client authority", file, why))
    });
    let verifier = verifier.transpose()?;
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.and_then(|config| {
        let config = match verifier {
            Some(verifier) => config.with_client_cert_verifier(verifier),
            None => config.with_no_client_auth(),
        };
        config.with_single_cert(chain, private)
    });
    let mut config = config.map_err(|error| fault("TLS key", key, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Takes certificates of an authority, and callers who show none: those may have other credentials.
fn verifier(file: &Path, provider: Arc<rustls::crypto::CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    let bytes = pem(file)?;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        roots.add(certificate.map_err(text)?).map_err(text)?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate in PEM".into());
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    verifier.allow_unauthenticated().build().map_err(text)
}

fn pem(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(text)
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// One connection; its place among the `connections_max` is free again when it is dropped.
pub struct Connection {
    stream: Stream,
    peer: Peer,
    silence: Option<Silence>,
    /// How long its caller may take nothing of what is written, and until when that is, where something waits.
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    _place: Place<IpAddr>,
}

impl Connection {
    /// An error where what is written has waited for its reader too long.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was read in time"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A connection from which too little has come to tell what its caller wants.
struct Silence {
    until: Pin<Box<Sleep>>,
    read: usize,
}

/// The preface of HTTP/2. From here on the HTTP library asks whether its caller lives, or waits for the head of a request no longer
/// than it must.
const PREFACE_BYTES: usize = 24;

enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        let Some(silence) = &mut self.silence else { return read };
        silence.read += buf.filled().len() - before;
        if silence.read >= PREFACE_BYTES {
            self.silence = None;
        } else if read.is_pending() && silence.until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was asked in time")));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.silence = None;
        let written = match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.unless_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.silence = None;
        let written = match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        self.unless_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Clear(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.unless_stalled(cx, written)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        self.unless_stalled(cx, written)
    }
}
