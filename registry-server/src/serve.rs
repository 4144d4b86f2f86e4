//! Opens everything, answers until it is told to stop, and closes everything in order.

use crate::{
    Fault,
    access::{self, Access},
    denials::Denials,
    freshness::{self, Freshness},
    gate::{self, Gate},
    grpc::{Healths, Service},
    http::{self, Pages},
    issuers::Issuers,
    listen::Listener,
    logs,
    metrics::Metrics,
    mirror::Mirror,
    registry::Registry,
    room::Room,
    scrub,
    settings::Settings,
    store::Store,
    traces::Collector,
    unread::Unread,
    witnesses,
};
use axum::middleware;
use guiju_proto::{
    FILE_DESCRIPTOR_SET,
    conformance::conformance_server,
    governance::{access_server, proposals_server},
    log::log_service_server,
    registry::registry_server,
};
use std::{fs, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tonic::{
    service::Routes,
    transport::{Server, server::Router},
};
use tonic_health::{ServingStatus, server::HealthReporter};

/// Serves until SIGTERM or SIGINT.
pub async fn serve(settings: Settings) -> Result<(), Fault> {
    settings.check_serving()?;
    let collector = Collector::of(&settings)?;
    logs::start(&settings, collector.as_ref());
    fail_rather_than_die().map_err(|error| Fault::new(error, "the system must allow signal handlers"))?;
    // Opening reads the whole log; the engine of a cluster may not be waited for on the threads of a runtime.
    let opening = settings.clone();
    let opened = tokio::task::spawn_blocking(move || Store::open(&opening)).await;
    let store = Arc::new(opened.map_err(|error| Fault::new(error, "this is a bug; report it with the log above"))??);
    if !settings.listen.ip().is_loopback() && !settings.open && is_open(&settings, &store)? {
        let what = format!(
            "nobody holds a role in this registry, and whoever reaches {} could do everything",
            settings.listen
        );
        let hint = "run `guiju-server bootstrap`, listen on 127.0.0.1, or say --open where something else protects it";
        return Err(Fault::new(what, hint));
    }
    let metrics = Metrics::default();
    let listener = Listener::bind(&settings, metrics.clone()).await?;
    let address = listener.address().map_err(|error| Fault::new(error, "try again"))?;
    let (stopping, is_stopping) = watch::channel(false);
    let (health, router) = router(&settings, &store, metrics, &is_stopping).await?;
    // Before anybody is told of the address: whoever reads it may stop the server at once.
    let stop = stop_signal().map_err(|error| Fault::new(error, "the system must allow signal handlers"))?;
    announce(&settings, &store, address, listener.is_tls())?;

    let (mut told, tells) = (is_stopping.clone(), stopping.clone());
    let served = router.serve_with_incoming_shutdown(listener.incoming(), async move {
        stop.await;
        set_health(&health, ServingStatus::NotServing).await;
        tracing::info!("stopping: no new connections, requests in flight are finished");
        let _ = tells.send(true);
    });
    tokio::select! {
        ended = served => ended.map_err(|error| Fault::new(error, "see the log above"))?,
        () = overdue(&mut told, settings.shutdown_timeout) => {
            tracing::warn!("requests were cut off: `shutdown_timeout` is over");
        }
    }
    if let Some(collector) = collector {
        collector.close().await;
    }
    tracing::info!("stopped");
    // Streams that work on threads of their own end with it.
    drop(stopping);
    Ok(())
}

/// A file that may grow no further is like a full disk: the write fails, and the server goes on. Without a handler the system
/// would end the process; once there, a handler stays.
fn fail_rather_than_die() -> io::Result<()> {
    const SIGXFSZ: i32 = 25;
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

/// Completes when the signal came and the time for requests in flight is over.
async fn overdue(told: &mut watch::Receiver<bool>, limit: Duration) {
    let _ = told.wait_for(|told| *told).await;
    tokio::time::sleep(limit).await;
}

fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn router(
    settings: &Settings,
    store: &Arc<Store>,
    metrics: Metrics,
    stopping: &watch::Receiver<bool>,
) -> Result<(HealthReporter, Router), Fault> {
    let denials = Arc::new(Denials::open(store.denials_path(settings)));
    let issuers = Issuers::read(settings.issuers.as_deref())?;
    let gate = Gate::new(store.registry.clone(), issuers, denials.clone(), metrics.clone(), settings);
    let room = Room::new(settings, metrics.clone());
    let service = Service::new(
        store.registry.clone(),
        store.sequencer.clone(),
        denials,
        Arc::new(settings.clone()),
        metrics.clone(),
        room.clone(),
        stopping.clone(),
    );
    let reporter = HealthReporter::new();
    witnesses::ask(settings, &store.sequencer, service.log_size(), stopping.clone())?;
    set_health(&reporter, ServingStatus::Serving).await;
    if store.registry.is_shared() {
        tokio::spawn(while_cut_off(reporter.clone(), store.registry.clone(), settings.staleness_max, stopping.clone()));
    }
    let health = Healths::server(reporter.clone(), stopping.clone());
    let mirror = Mirror::start(settings, &store.registry, &metrics, stopping.clone())?;
    let log = Arc::clone(store.registry.log());
    scrub::start(log, settings.scrub_bytes_per_second, metrics.clone(), stopping.clone());
    let pages = Pages { metrics: metrics.clone(), store: store.clone(), stopping: stopping.clone(), mirror };
    let bug = |error: tonic_reflection::server::Error| Fault::new(error, "this is a bug of the build; report it");
    let routes = Routes::from(http::routes(pages))
        .add_service(service.registry())
        .add_service(service.conformance())
        .add_service(service.log())
        .add_service(service.proposals())
        .add_service(service.access())
        .add_service(health)
        .add_service(reflection().build_v1().map_err(bug)?)
        .add_service(reflection().build_v1alpha().map_err(bug)?);
    let unread = Unread::start(settings.stream_idle_timeout, stopping.clone());
    let access = Access::new(metrics, settings, room, unread);
    let freshness = Freshness::new(store.registry.clone(), settings.staleness_max);
    // Inside the freshness of the view: a role or token that was taken back on another server is not used here, or, by a caller who
    // takes stale answers of a server that is cut off, for `staleness_max` at most.
    let routes = routes.into_axum_router().layer(middleware::from_fn_with_state(gate, gate::guard));
    let routes = routes.layer(middleware::from_fn_with_state(freshness, freshness::ensure));
    let routes = routes.layer(middleware::from_fn_with_state(access, access::observe));
    Ok((reporter, transport(settings).add_routes(Routes::from(routes))))
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Tells balancers to go elsewhere while the log that is shared is out of reach: what must be fresh is refused here then.
async fn while_cut_off(
    reporter: HealthReporter,
    registry: Arc<Registry>,
    staleness_max: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    const LOOK: Duration = Duration::from_millis(500);
    let (limit, mut was_cut_off) = (staleness_max.max(4 * LOOK), false);
    while tokio::time::timeout(LOOK, stopping.wait_for(|stopping| *stopping)).await.is_err() {
        let is_cut_off = registry.whole_as_of().is_none_or(|as_of| as_of.elapsed() > limit);
        if std::mem::replace(&mut was_cut_off, is_cut_off) != is_cut_off {
            set_health(&reporter, if is_cut_off { ServingStatus::NotServing } else { ServingStatus::Serving }).await;
        }
    }
}

/// Of the server as a whole, and of each service.
async fn set_health(reporter: &HealthReporter, status: ServingStatus) {
    let ours = [
        registry_server::SERVICE_NAME,
        conformance_server::SERVICE_NAME,
        log_service_server::SERVICE_NAME,
        proposals_server::SERVICE_NAME,
        access_server::SERVICE_NAME,
    ];
    for service in [""].into_iter().chain(ours) {
        reporter.set_service_status(service, status).await;
    }
}

/// What a caller may send on one stream before the server has taken it.
const STREAM_WINDOW_BYTES: u32 = 128 << 10;

/// What of it may come in one piece: the fewer, the less often the server is woken.
const FRAME_BYTES_MAX: u32 = STREAM_WINDOW_BYTES;

/// The same for a whole connection. The HTTP/2 library closes a connection on which small frames wait whose overhead (256
/// bytes less the frame) is more than half of this; a stalled stream of short records must stay below that.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

fn transport(settings: &Settings) -> Server {
    Server::builder()
        .accept_http1(true)
        .max_concurrent_streams(settings.streams_per_connection_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_max_header_list_size(settings.header_bytes_max)
        .http2_keepalive_interval(Some(settings.keepalive_interval))
        .http2_keepalive_timeout(Some(settings.keepalive_timeout))
}

/// Whether whoever comes may do everything: nobody holds a role, and there is no way to show who one is but by a token.
fn is_open(settings: &Settings, store: &Store) -> Result<bool, Fault> {
    let shows_who = settings.tls_client_authority.is_some() || settings.issuers.is_some();
    Ok(!shows_who && store.registry.holdings()?.1.is_empty())
}

/// Tells people and programs where the server is found.
fn announce(settings: &Settings, store: &Store, address: SocketAddr, tls: bool) -> Result<(), Fault> {
    let (data, engine) = (settings.data.display(), settings.engine);
    tracing::info!(%address, tls, %data, %engine, "listening");
    match (is_open(settings, store)?, address.ip().is_loopback()) {
        (true, true) => tracing::warn!(
            "OPEN: nobody holds a role in this registry, so any user of this machine may do everything; `guiju-server bootstrap` \
             gives the first manager its role"
        ),
        (true, false) => {
            tracing::warn!(
                "OPEN: nobody holds a role in this registry, so whoever reaches {address} may do everything"
            );
        }
        (false, _) if store.registry.holdings()?.1.is_empty() => {
            tracing::warn!(
                "nobody holds a role in this registry, so nothing can be done in it; see `guiju-server bootstrap`"
            );
        }
        (false, false) if !tls => {
            tracing::warn!("in clear: whoever can listen on the way to {address} sees tokens and records")
        }
        (false, _) => {}
    }
    let Some(file) = &settings.address_file else { return Ok(()) };
    write_whole(file, &format!("{address}\n")).map_err(|error| {
        Fault::new(format!("{} cannot be written: {error}", file.display()), "name another file with --address-file")
    })
}

/// A reader finds all of the text or no file.
fn write_whole(file: &Path, text: &str) -> io::Result<()> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(".new");
    fs::write(&draft, text)?;
    fs::rename(&draft, file)
}
