//! Takes connections: counted, with TLS where it is on.
//!
//! # Invariants
//! - Handshakes run beside each other and are given up after their time; a silent caller holds up nobody.
//! - A connection over the limit is closed at once, so that its caller hears of it.

use crate::settings::Settings;
use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

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

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// A bound address, before anything is answered.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    slots: Arc<Semaphore>,
    handshake_timeout: Duration,
}

impl Listener {
    pub async fn bind(settings: &Settings) -> Result<Self, ListenError> {
        let tls = match (&settings.tls_certificate, &settings.tls_key) {
            (Some(certificate), Some(key)) => Some(tls(certificate, key)?),
            _ => None,
        };
        let fault = |source| ListenError::Bind { address: settings.listen, source };
        let tcp = TcpListener::bind(settings.listen).await.map_err(fault)?;
        let slots = Arc::new(Semaphore::new(settings.connections_max.min(Semaphore::MAX_PERMITS)));
        Ok(Self { tcp, tls, slots, handshake_timeout: settings.handshake_timeout })
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
                Ok((stream, peer)) => self.admit(stream, Peer(peer), &ready),
                Err(error) => {
                    // Out of file descriptors, most likely: it passes when some connection ends.
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: Peer, ready: &mpsc::Sender<io::Result<Connection>>) {
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            tracing::warn!(peer = %peer.0, "connection closed: there are as many as `connections_max` allows");
            return;
        };
        let _ = stream.set_nodelay(true);
        let (tls, limit, ready) = (self.tls.clone(), self.handshake_timeout, ready.clone());
        tokio::spawn(async move {
            let stream = match tls {
                None => Stream::Clear(stream),
                Some(tls) => match timeout(limit, tls.accept(stream)).await {
                    Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
                    Ok(Err(error)) => return tracing::info!(peer = %peer.0, %error, "TLS handshake failed"),
                    Err(_) => return tracing::info!(peer = %peer.0, "TLS handshake took too long"),
                },
            };
            let _ = ready.send(Ok(Connection { stream, peer, _slot: slot })).await;
        });
    }
}

fn tls(certificate: &Path, key: &Path) -> Result<TlsAcceptor, ListenError> {
    let fault = |what, file: &Path, why: String| ListenError::Pem { what, file: file.into(), why };
    let chain = pem(certificate).and_then(|bytes| {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(text)?;
        if chain.is_empty() { Err("it holds no certificate in PEM".into()) } else { Ok(chain) }
    });
    let chain = chain.map_err(|why| fault("TLS certificate", certificate, why))?;
    let private = pem(key).and_then(|bytes| PrivateKeyDer::from_pem_slice(&bytes).map_err(text));
    let private = private.map_err(|why| fault("TLS key", key, why))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.and_then(|config| config.with_no_client_auth().with_single_cert(chain, private));
    let mut config = config.map_err(|error| fault("TLS key", key, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
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
    _slot: OwnedSemaphorePermit,
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Clear(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
