//! `POST /add-checkpoint`, as C2SP tlog-witness says: what it takes is proved by its signatures, so it asks for nobody's name.

use super::{Pages, text};
use crate::witness::WitnessError;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use guiju_tlog::WitnessFault;

const BODY_BYTES_MAX: usize = 128 << 10;

pub fn routes() -> Router<Pages> {
    Router::new().route("/add-checkpoint", post(add)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn add(State(pages): State<Pages>, body: Bytes) -> Response {
    let Some(witness) = pages.store.witness.clone() else {
        return text(StatusCode::NOT_FOUND, "this registry is no witness; see the setting `witness_logs`\n".into());
    };
    match tokio::task::spawn_blocking(move || witness.cosign(&body)).await {
        Ok(Ok(lines)) => text(StatusCode::OK, lines),
        Ok(Err(WitnessError::Refused(fault))) => refused(fault),
        Ok(Err(error)) => broken(&error.to_string()),
        Err(error) => broken(&error.to_string()),
    }
}

fn refused(fault: WitnessFault) -> Response {
    let status = match fault {
        WitnessFault::Conflict { held } => {
            let kind = [(header::CONTENT_TYPE, "text/x.tlog.size")];
            return (StatusCode::CONFLICT, kind, format!("{held}\n")).into_response();
        }
        WitnessFault::UnknownLog(_) => StatusCode::NOT_FOUND,
        WitnessFault::Unsigned(_) => StatusCode::FORBIDDEN,
        WitnessFault::Inconsistent => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    };
    text(status, format!("{fault}\n"))
}

fn broken(why: &str) -> Response {
    tracing::error!("the witness cannot cosign: {why}");
    text(StatusCode::SERVICE_UNAVAILABLE, "the witness cannot remember; its operator finds why in its log\n".into())
}
