//! The server's own log lines, on standard error. Records never come near them.

use crate::settings::{LogFormat, Settings};
use std::io::{self, IsTerminal};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging. Libraries are heard from `warn` on; ours from the level that was set.
pub fn start(settings: &Settings) {
    let level = settings.log_level.0;
    let filter = Targets::new().with_default(level.min(tracing::Level::WARN)).with_target("guiju_server", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    let all = tracing_subscriber::registry().with(filter);
    // A second start in one process, as tests do, keeps the first.
    let _ = match settings.log_format {
        LogFormat::Json => all.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Text => all.with(lines.with_ansi(io::stderr().is_terminal())).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "the server broke a rule of its own: {panic}");
    }));
}
