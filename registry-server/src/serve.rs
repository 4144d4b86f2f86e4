//! Opens everything, answers until it is told to stop, and closes everything in order.

use crate::{
    Fault,
    access::{self, Access},
    http::{self, Pages, Sizes},
    listen::Listener,
    logs,
    metrics::Metrics,
    settings::Settings,
};
use axum::middleware;
use guiju_proto::FILE_DESCRIPTOR_SET;
use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};
use tonic::{
    service::Routes,
    transport::{Server, server::Router},
};
use tonic_health::{ServingStatus, server::HealthReporter};

/// Serves until SIGTERM or SIGINT.
pub async fn serve(settings: Settings) -> Result<(), Fault> {
    settings.check_serving()?;
    logs::start(&settings);
    let listener = Listener::bind(&settings).await?;
    let address = listener.address().map_err(|error| Fault::new(error, "try again"))?;
    let metrics = Metrics::default();
    let stopping = Arc::new(AtomicBool::new(false));
    let (health, router) = router(&settings, &metrics, &stopping)?;
    announce(&settings, address, listener.is_tls())?;

    let stop = stop_signal().map_err(|error| Fault::new(error, "the system must allow signal handlers"))?;
    let (told, mut is_told) = tokio::sync::watch::channel(false);
    let served = router.serve_with_incoming_shutdown(listener.incoming(), async move {
        stop.await;
        stopping.store(true, Ordering::Relaxed);
        health.set_service_status("", ServingStatus::NotServing).await;
        tracing::info!("stopping: no new connections, requests in flight are finished");
        let _ = told.send(true);
    });
    tokio::select! {
        ended = served => ended.map_err(|error| Fault::new(error, "see the log above"))?,
        () = overdue(&mut is_told, settings.shutdown_timeout) => {
            tracing::warn!("requests were cut off: `shutdown_timeout` is over");
        }
    }
    tracing::info!("stopped");
    Ok(())
}

/// Completes when the signal came and the time for requests in flight is over.
async fn overdue(is_told: &mut tokio::sync::watch::Receiver<bool>, limit: Duration) {
    let _ = is_told.wait_for(|told| *told).await;
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

fn router(
    settings: &Settings,
    metrics: &Metrics,
    stopping: &Arc<AtomicBool>,
) -> Result<(HealthReporter, Router), Fault> {
    let reporter = HealthReporter::new();
    let health = tonic_health::pb::health_server::HealthServer::new(
        tonic_health::server::HealthService::from_health_reporter(reporter.clone()),
    );
    let stopping = stopping.clone();
    let pages = Pages {
        metrics: metrics.clone(),
        sizes: Arc::new(Sizes::default),
        is_stopping: Arc::new(move || stopping.load(Ordering::Relaxed)),
    };
    let bug = |error: tonic_reflection::server::Error| Fault::new(error, "this is a bug of the build; report it");
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = Routes::from(http::routes(pages))
        .add_service(health)
        .add_service(reflection().build_v1().map_err(bug)?)
        .add_service(reflection().build_v1alpha().map_err(bug)?);
    let access = Access::new(metrics.clone(), settings);
    let routes = routes.into_axum_router().layer(middleware::from_fn_with_state(access, access::observe));
    Ok((reporter, transport(settings).add_routes(Routes::from(routes))))
}

fn transport(settings: &Settings) -> Server {
    Server::builder()
        .accept_http1(true)
        .max_concurrent_streams(settings.streams_per_connection_max)
        .http2_max_header_list_size(settings.header_bytes_max)
        .http2_keepalive_interval(Some(settings.keepalive_interval))
        .http2_keepalive_timeout(Some(settings.keepalive_timeout))
}

/// Tells people and programs where the server is found.
fn announce(settings: &Settings, address: SocketAddr, tls: bool) -> Result<(), Fault> {
    let (data, engine) = (settings.data.display(), settings.engine);
    tracing::info!(%address, tls, %data, %engine, "listening");
    match (tls, address.ip().is_loopback()) {
        (true, true) => {}
        (true, false) => tracing::warn!("no authentication is configured: whoever reaches {address} may publish"),
        (false, true) => {
            tracing::warn!("open on loopback, without TLS or authentication: any user of this machine may publish")
        }
        (false, false) => {
            tracing::warn!("in clear and without authentication: whoever reaches {address} may read and publish")
        }
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
