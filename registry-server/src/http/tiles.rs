//! The transparency log over plain HTTP GET, as C2SP tlog-tiles says.

use super::{Pages, text};
use crate::{
    gate::Deed,
    registry::{Caller, Registry, StoreError},
    sequencer::{Sequencer, SequencerError},
};
use axum::{
    Extension, Router,
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use guiju_tlog::{BundleError, TilePath, bundle_entries};
use std::{fmt::Display, sync::Arc};

pub fn routes() -> Router<Pages> {
    Router::new().route("/checkpoint", get(checkpoint)).route("/tile/{*path}", get(tile))
}

/// How long an answer may be given again, and by whom: what it takes a role to read is kept for others by nobody on the way.
fn caching(deed: &Deed, rest: &str) -> [(HeaderName, String); 1] {
    let whose = if deed.is_open() || deed.is_anyone() { "public" } else { "private" };
    [(header::CACHE_CONTROL, format!("{whose}, {rest}"))]
}

async fn checkpoint(State(pages): State<Pages>, Extension(deed): Extension<Deed>) -> Response {
    match ask(&pages, |sequencer| sequencer.checkpoint()).await {
        Ok(note) => (caching(&deed, "max-age=1"), text(StatusCode::OK, note.to_string())).into_response(),
        Err(response) => response,
    }
}

async fn tile(State(pages): State<Pages>, Extension(deed): Extension<Deed>, Path(path): Path<String>) -> Response {
    let path: TilePath = match format!("tile/{path}").parse() {
        Ok(path) => path,
        Err(why) => return text(StatusCode::NOT_FOUND, format!("{why}\n")),
    };
    let (registry, caller) = (Arc::clone(&pages.store.registry), deed.caller().clone());
    let read = ask(&pages, move |sequencer| {
        let Some(bytes) = sequencer.tile(&path)? else { return Ok(None) };
        let is_shown = path.level().is_some() || is_shown(&registry, &caller, &path, &bytes)?;
        Ok::<_, TileFault>(Some((bytes, is_shown)))
    });
    match read.await {
        Ok(Some((_, false))) => {
            deed.hid("");
            let why = "an entry of these may not be shown: it is of a draft; ReadShownEntries of guiju.log.v1.LogService gives its hash, \
                       and all others";
            text(StatusCode::NOT_FOUND, format!("{why}\n"))
        }
        Ok(Some((bytes, true))) => {
            let octets = [(header::CONTENT_TYPE, "application/octet-stream")];
            (octets, caching(&deed, "max-age=31536000, immutable"), bytes).into_response()
        }
        Ok(None) => text(StatusCode::NOT_FOUND, "the log is not that large; see /checkpoint\n".into()),
        Err(response) => response,
    }
}

/// Why there is no tile.
#[derive(Debug, thiserror::Error)]
enum TileFault {
    #[error(transparent)]
    Log(#[from] SequencerError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether every entry of a bundle may be shown.
fn is_shown(registry: &Registry, caller: &Caller, path: &TilePath, bundle: &[u8]) -> Result<bool, TileFault> {
    for (index, entry) in (path.first()..).zip(bundle_entries(path, bundle)?) {
        if !registry.shows_entry(caller, index, entry)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Off the threads that drive connections. What is wrong with the disk is for the operator to read.
async fn ask<T: Send + 'static, E: Display + Send + 'static>(
    pages: &Pages,
    question: impl FnOnce(&Sequencer) -> Result<T, E> + Send + 'static,
) -> Result<T, Response> {
    let sequencer = Arc::clone(&pages.store.sequencer);
    let answer = tokio::task::spawn_blocking(move || question(&sequencer)).await;
    let refuse = |why: String| {
        tracing::error!("{why}");
        text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the log cannot be read; its operator finds why in the server's log\n".into(),
        )
    };
    match answer {
        Ok(answer) => answer.map_err(|error| refuse(error.to_string())),
        Err(error) => Err(refuse(error.to_string())),
    }
}
