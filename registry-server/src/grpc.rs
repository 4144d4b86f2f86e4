//! tonic services: convert, call the registry, convert. They decide nothing.
//!
//! What the registry does on disk or at length runs off the threads that drive connections; a caller who hangs up does not
//! stop a publication that has begun.

mod access; // roles, tokens, denials
mod answers; // of a stream: a short queue, and a last word
mod check; // one record, or a stream
mod health; // whether it serves
mod log; // checkpoints, proofs, entries
mod proposals; // the committee's desk
mod versions; // publish, resolve, fetch, find, watch

pub use health::Healths;

use crate::{
    denials::Denials,
    gate::{self, Deed, Holder},
    limits::{NoPlace, Place, Places, Turn, Turns},
    metrics::Metrics,
    registry::{AskError, Caller, PublishError, Registry},
    room::Room,
    sequencer::Sequencer,
    settings::Settings,
    status::{Reason, Refusal},
};
use guiju_model::{Reference, StandardId};
use guiju_proto::{
    conformance::conformance_server::ConformanceServer,
    convert::parsed,
    governance::{access_server::AccessServer, proposals_server::ProposalsServer},
    log::log_service_server::LogServiceServer,
    registry::registry_server::RegistryServer,
};
use prost::bytes::Bytes;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::{Request, Response, Status, codec::CompressionEncoding};
use tracing::Span;

type Answer<T> = Result<Response<T>, Status>;

/// What the services share.
#[derive(Clone)]
pub struct Service {
    registry: Arc<Registry>,
    sequencer: Arc<Sequencer>,
    denials: Arc<Denials>,
    settings: Arc<Settings>,
    metrics: Metrics,
    check_streams: Places<Holder>,
    watch_streams: Places<Holder>,
    compares: Places<Holder>,
    /// Kibibytes of versions on their way.
    room: Room,
    /// Places for what runs off the threads that drive connections.
    work: Turns<Holder>,
    /// Documents that callers read in parts.
    parted: Arc<log::Parted>,
    /// Documents and versions that are in memory as a whole, until what is answered of them is cut out or has room.
    wholes: Arc<Semaphore>,
    /// The log's size, each time it grows.
    log_size: watch::Receiver<u64>,
    /// Turns true when the server is to stop: streams without an end of their own end then.
    stopping: watch::Receiver<bool>,
}

impl Service {
    pub fn new(
        registry: Arc<Registry>,
        sequencer: Arc<Sequencer>,
        denials: Arc<Denials>,
        settings: Arc<Settings>,
        metrics: Metrics,
        room: Room,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let (check_streams, watch_streams) =
            (Places::new(settings.check_streams_max), Places::new(settings.watch_streams_max));
        let compares = Places::new(settings.compare_max.min(settings.work_max.div_ceil(2)));
        let work = Turns::new(settings.work_max);
        let log_size = doorbell(registry.clone(), stopping.clone());
        Self {
            registry,
            sequencer,
            denials,
            settings,
            metrics,
            check_streams,
            watch_streams,
            compares,
            room,
            work,
            parted: Arc::default(),
            wholes: Arc::new(Semaphore::new(WHOLES_MAX)),
            log_size,
            stopping,
        }
    }

    /// The log's size, each time it grows.
    pub fn log_size(&self) -> watch::Receiver<u64> {
        self.log_size.clone()
    }

    pub fn registry(&self) -> RegistryServer<Self> {
        RegistryServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(self.settings.message_bytes_max)
            .max_encoding_message_size(self.settings.message_bytes_max)
    }

    pub fn conformance(&self) -> ConformanceServer<Self> {
        ConformanceServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(self.settings.message_bytes_max)
            .max_encoding_message_size(self.settings.message_bytes_max)
    }

    pub fn proposals(&self) -> ProposalsServer<Self> {
        ProposalsServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(self.settings.message_bytes_max)
            .max_encoding_message_size(self.settings.message_bytes_max)
    }

    pub fn log(&self) -> LogServiceServer<Self> {
        LogServiceServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(self.settings.message_bytes_max)
            .max_encoding_message_size(self.settings.message_bytes_max)
    }

    pub fn access(&self) -> AccessServer<Self> {
        AccessServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(self.settings.message_bytes_max)
            .max_encoding_message_size(self.settings.message_bytes_max)
    }

    /// Waits until there is memory for one more document or version as a whole: whoever waits holds nothing.
    async fn whole(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        self.wholes.clone().acquire_owned().await.ok()
    }

    /// Who asks, and what for.
    fn called<T>(&self, mut request: Request<T>) -> (Deed, T) {
        let deed = request.extensions_mut().remove::<Deed>().unwrap_or_else(Deed::nobodys);
        (deed, request.into_inner())
    }

    /// The caller, allowed to do this to a standard. What it may not read is refused as if there were no such thing, by the name
    /// alone.
    async fn meant(&self, deed: &Deed, standard: &StandardId) -> Result<Caller, Status> {
        if deed.sees(standard.namespace()) {
            return Ok(deed.on(standard.namespace()).map_err(Refusal::from)?);
        }
        let (caller, standard) = (deed.caller().clone(), standard.clone());
        self.ask(move |registry| Err(registry.unknown_to(&caller, &standard))).await
    }

    /// A place for a stream, of those that a setting bounds.
    fn place(&self, places: &Places<Holder>, deed: &Deed, setting: &'static str) -> Result<Place<Holder>, Status> {
        let why = match places.take(deed.holder()) {
            Ok(place) => return Ok(place),
            Err(NoPlace::Full) => format!("there are as many streams as `{setting}` allows"),
            Err(NoPlace::Share(most)) => {
                format!("{most} streams are open for you, half of what `{setting}` allows; end one of them first")
            }
        };
        self.metrics.shed(setting);
        Err(Refusal::new(Reason::TooManyStreams, why).into())
    }

    /// A place to compare versions.
    fn comparing(&self, deed: &Deed) -> Result<Place<Holder>, Status> {
        let why = match self.compares.take(deed.holder()) {
            Ok(place) => return Ok(place),
            Err(NoPlace::Full) => "as many versions are compared as `compare_max` allows",
            Err(NoPlace::Share(_)) => "half of what `compare_max` allows is compared for you",
        };
        self.metrics.shed("compare_max");
        Err(Refusal::new(Reason::Overloaded, why).into())
    }

    /// Completes when a stream may not go on: what let it in holds no more, or this server has not reached a log that it shares for
    /// `staleness_max`, so that it does not know whether it does.
    async fn until_let_go(registry: Arc<Registry>, staleness_max: Duration, caller: Caller) -> Status {
        const LOOK: Duration = Duration::from_millis(500);
        // The view asks the log several times within that.
        let staleness_max = staleness_max.max(4 * LOOK);
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(PublishError::Denied(denied)) = registry.still_may(&caller) {
                return Refusal::from(denied).into();
            }
            if registry.roles_are_old().is_ok_and(|age| age.is_some_and(|age| age > staleness_max)) {
                let why = format!("this server has not reached the log for {staleness_max:?} (`staleness_max`)");
                let rest = "so it does not know whether the stream is allowed by now; go on at another server";
                return Refusal::new(Reason::LogUnavailable, format!("{why}, {rest}")).into();
            }
        }
    }

    fn let_go(&self, caller: Caller) -> impl Future<Output = Status> + Send + 'static {
        Self::until_let_go(self.registry.clone(), self.settings.staleness_max, caller)
    }

    /// As `ask`, for a caller who is told of nothing that it may not see.
    async fn ask_as<T: Send + 'static>(
        &self,
        caller: Caller,
        question: impl FnOnce(&Registry) -> Result<T, AskError> + Send + 'static,
    ) -> Result<T, Status> {
        self.ask(move |registry| question(registry).map_err(|error| error.told_to(&caller))).await
    }

    /// Runs what may wait for the disk, or takes its time, where nothing else waits for it.
    async fn ask<T, E>(&self, question: impl FnOnce(&Registry) -> Result<T, E> + Send + 'static) -> Result<T, Status>
    where
        T: Send + 'static,
        E: Into<Refusal> + Send + 'static,
    {
        let why = match self.work.take(gate::holder()) {
            Ok(place) => return self.worked(question, place).await,
            Err(NoPlace::Full) => Reason::Overloaded.row().meaning.to_owned(),
            Err(NoPlace::Share(most)) => {
                format!("{most} requests of yours are under way, half of what `work_max` allows")
            }
        };
        self.metrics.shed("work_max");
        Err(Refusal::new(Reason::Overloaded, why).into())
    }

    /// The same for a stream that has begun: it waits for a place instead of being turned away.
    async fn ask_in_turn<T, E>(
        &self,
        holder: Option<Holder>,
        question: impl FnOnce(&Registry) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Status>
    where
        T: Send + 'static,
        E: Into<Refusal> + Send + 'static,
    {
        match self.work.wait(holder).await {
            Ok(place) => self.worked(question, place).await,
            Err(_) => Err(Refusal::new(Reason::ShuttingDown, Reason::ShuttingDown.row().meaning).into()),
        }
    }

    async fn worked<T, E>(
        &self,
        question: impl FnOnce(&Registry) -> Result<T, E> + Send + 'static,
        place: Turn,
    ) -> Result<T, Status>
    where
        T: Send + 'static,
        E: Into<Refusal> + Send + 'static,
    {
        let registry = self.registry.clone();
        // Whoever hangs up frees no place: the work goes on.
        let call = Span::current();
        let work = move || {
            let _place = place;
            call.in_scope(|| question(&registry))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer.map_err(|error| {
                let refusal = error.into();
                self.metrics.refused(refusal.reason());
                refusal.into()
            }),
            // It panicked, and the log has said where; or the server is about to stop.
            Err(fault) if fault.is_panic() => {
                Err(Refusal::new(Reason::Internal, Reason::Internal.row().meaning).into())
            }
            Err(_) => Err(Refusal::new(Reason::ShuttingDown, Reason::ShuttingDown.row().meaning).into()),
        }
    }
}

/// One thread that waits for the log to grow, for all who watch it, and mends the view where that has failed.
fn doorbell(registry: Arc<Registry>, stopping: watch::Receiver<bool>) -> watch::Receiver<u64> {
    const PATIENCE: Duration = Duration::from_millis(500);
    const BETWEEN_MENDINGS: Duration = Duration::from_secs(2);
    const AFTER_A_FAILURE: Duration = Duration::from_millis(200);
    let (sender, receiver) = watch::channel(registry.sizes().0);
    tokio::task::spawn_blocking(move || {
        let (mut size, mut tried) = (*sender.borrow(), Instant::now());
        while !*stopping.borrow() && stopping.has_changed().is_ok() {
            size = registry.wait_beyond(size, PATIENCE);
            if registry.is_shared() {
                // Nobody is told of what the view does not have yet.
                if let Err(error) = registry.catch_up() {
                    tracing::warn!(%error, "the view cannot follow the log");
                    std::thread::sleep(AFTER_A_FAILURE);
                }
                size = registry.sizes().1;
            }
            sender.send_if_modified(|known| std::mem::replace(known, size) != size);
            if registry.is_view_failing() && tried.elapsed() > BETWEEN_MENDINGS {
                match registry.mend() {
                    Ok(_) => tracing::warn!("the view had failed and was made anew"),
                    Err(error) => tracing::error!(%error, "the view has failed and cannot be made anew yet"),
                }
                tried = Instant::now();
            }
        }
    });
    receiver
}

/// Documents and versions in memory as a whole at a time, each as large as a version is at most.
const WHOLES_MAX: usize = 4;

/// What goes of a document into one answer.
const PART_BYTES: usize = 2 << 20;

/// What of a document goes into one answer, and the length of the whole.
fn part(document: &Bytes, offset: u64) -> (Bytes, u64) {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(document.len());
    let part = &document[from..document.len().min(from.saturating_add(PART_BYTES))];
    // A copy: an answer that nobody reads must not hold all of a document.
    (Bytes::copy_from_slice(part), document.len() as u64)
}

fn reference(text: &str) -> Result<Reference, Refusal> {
    Ok(parsed("reference", text)?)
}
