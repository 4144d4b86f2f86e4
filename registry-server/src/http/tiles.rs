//! The transparency log over plain HTTP GET, as C2SP tlog-tiles says.

use super::{Pages, text};
use crate::sequencer::{Sequencer, SequencerError};
use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use guiju_tlog::TilePath;
use std::sync::Arc;

pub fn routes() -> Router<Pages> {
    Router::new().route("/checkpoint", get(checkpoint)).route("/tile/{*path}", get(tile))
}

async fn checkpoint(State(pages): State<Pages>) -> Response {
    match ask(&pages, |sequencer| sequencer.checkpoint()).await {
        Ok(note) => ([(header::CACHE_CONTROL, "max-age=1")], text(StatusCode::OK, note.to_string())).into_response(),
        Err(response) => response,
    }
}

async fn tile(State(pages): State<Pages>, Path(path): Path<String>) -> Response {
    let path: TilePath = match format!("tile/{path}").parse() {
        Ok(path) => path,
        Err(why) => return text(StatusCode::NOT_FOUND, format!("{why}\n")),
    };
    match ask(&pages, move |sequencer| sequencer.tile(&path)).await {
        Ok(Some(bytes)) => {
            let forever = "public, max-age=31536000, immutable";
            ([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, forever)], bytes)
                .into_response()
        }
        Ok(None) => text(StatusCode::NOT_FOUND, "the log is not that large; see /checkpoint\n".into()),
        Err(response) => response,
    }
}

/// Off the threads that drive connections. What is wrong with the disk is for the operator to read.
async fn ask<T: Send + 'static>(
    pages: &Pages,
    question: impl FnOnce(&Sequencer) -> Result<T, SequencerError> + Send + 'static,
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
