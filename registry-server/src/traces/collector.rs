//! Tells spans to a collector that takes OTLP over gRPC; off unless the settings name one.
//!
//! # Invariants
//! - Spans wait in a bounded queue that a thread of its own empties. Where the collector does not take them they are dropped, and
//!   nobody waits for it.

use super::TARGET;
use crate::{Fault, settings::Settings};
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use std::{fs, time::Duration};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tracing_subscriber::{Layer, Registry, filter::Targets};

/// How long the collector may take for one batch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long the last batch may take when the server stops.
const LAST: Duration = Duration::from_secs(2);

/// The way to the collector that the settings name.
#[derive(Clone)]
pub struct Collector(SdkTracerProvider);

impl Collector {
    /// Needs a runtime, which drives the connection. Whether the collector answers is found out later, and does not matter.
    pub fn of(settings: &Settings) -> Result<Option<Self>, Fault> {
        let Some(url) = &settings.traces else { return Ok(None) };
        let hint = "write the address of a collector that takes OTLP over gRPC, for example http://127.0.0.1:4317";
        let fault = |why: String| Fault::new(format!("`traces`: `{url}`: {why}"), hint);
        let mut endpoint = Endpoint::from_shared(url.clone()).map_err(|error| fault(error.to_string()))?;
        match (endpoint.uri().scheme_str(), &settings.traces_authority) {
            (Some("http"), _) => {}
            (Some("https"), Some(file)) => {
                let pem = fs::read(file);
                let pem = pem.map_err(|error| fault(format!("`traces_authority` {}: {error}", file.display())))?;
                let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
                endpoint = endpoint.tls_config(tls).map_err(|error| fault(error.to_string()))?;
            }
            (Some("https"), None) => return Err(fault("`traces_authority` is missing".into())),
            _ => return Err(fault("it does not begin with http:// or https://".into())),
        }
        let channel = endpoint.connect_timeout(TIMEOUT).timeout(TIMEOUT).connect_lazy();
        let exporter = SpanExporter::builder().with_tonic().with_channel(channel).with_timeout(TIMEOUT).build();
        let exporter = exporter.map_err(|error| fault(error.to_string()))?;
        let share = Sampler::TraceIdRatioBased(1.0 / f64::from(settings.traces_one_in));
        let resource = Resource::builder().with_service_name("guiju-server");
        let resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource);
        Ok(Some(Self(provider.with_sampler(Sampler::ParentBased(Box::new(share))).build())))
    }

    /// Tells what is left, within bounds.
    pub async fn close(self) {
        let closed = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST)).await;
        if let Ok(Err(error)) = closed {
            tracing::warn!(%error, "the last traces did not reach their collector");
        }
    }
}

/// What takes spans, and nothing else.
pub fn layer(collector: &Collector) -> impl Layer<Registry> + Send + Sync + use<> {
    let spans = tracing_opentelemetry::layer().with_tracer(collector.0.tracer("guiju-server"));
    let spans = spans.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false);
    spans.with_filter(Targets::new().with_target(TARGET, tracing::Level::INFO))
}
