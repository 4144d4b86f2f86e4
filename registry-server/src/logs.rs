//! The server's own log lines, on standard error. Records never come near them.

use crate::{
    settings::{LogFormat, Settings},
    traces::{self, Collector},
};
use std::io::{self, IsTerminal};
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging, and tracing where there is a collector. Libraries are heard from `warn` on; ours from the level that was set.
pub fn start(settings: &Settings, collector: Option<&Collector>) {
    let level = settings.log_level.0;
    let filter = Targets::new().with_default(level.min(tracing::Level::WARN)).with_target("guiju_server", level);
    // It says the same as the queue that it empties.
    let filter = filter.with_target("opentelemetry-otlp", tracing::Level::ERROR);
    // A line that cannot be written is no reason to fall over, as telling of it on the same stream would.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false).log_internal_errors(false);
    let lines = match settings.log_format {
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).with_filter(filter).boxed(),
    };
    let spans = collector.map(|collector| traces::layer(collector).boxed());
    let layers: Vec<_> = [lines].into_iter().chain(spans).collect();
    // A second start in one process, as tests do, keeps the first.
    let _ = tracing_subscriber::registry().with(layers).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "the server broke a rule of its own: {panic}");
    }));
}
