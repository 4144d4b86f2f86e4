//! The witnesses of this registry's log: asked to cosign each checkpoint, as C2SP tlog-witness says.
//!
//! A witness that cannot be reached or refuses holds nothing up: the checkpoint is served without its cosignature, and the
//! log says why.

use crate::{Fault, sequencer::Sequencer, settings::Settings, witness::read_policy};
use axum::{body::Body, body::to_bytes};
use guiju_tlog::{Checkpoint, Note, NoteSignature, VerifierKey, Witnessing};
use std::{fs, future::poll_fn, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tonic::{
    client::GrpcService,
    codegen::http::{Request, StatusCode},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

/// How long one witness may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// When a checkpoint that stays the latest is cosigned anew, so that clients see that it is.
const ANEW_AFTER: Duration = Duration::from_secs(300);
/// When those who did not cosign are asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// One witness, and what it is known to have seen.
struct Cosigner {
    name: String,
    key: VerifierKey,
    channel: Channel,
    path: String,
    seen: u64,
    /// What was said last of its failure, so that it is said once.
    complaint: String,
}

/// Asks the witnesses that the settings name, each time the log grows, until the server stops.
pub fn ask(
    settings: &Settings,
    sequencer: &Arc<Sequencer>,
    log_size: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let Some(path) = &settings.witnesses else { return Ok(()) };
    let policy = read_policy(path, "witnesses")?;
    let authority = settings.witnesses_authority.as_deref().map(fs::read_to_string).transpose();
    let authority = authority
        .map_err(|error| Fault::new(format!("`witnesses_authority`: {error}"), "name a readable file in PEM"))?;
    let mut cosigners = Vec::new();
    for (name, key, url) in policy.witnesses() {
        let channel =
            url.ok_or_else(|| "it has no address".to_owned()).and_then(|url| channel(url, authority.as_deref()));
        let fault = |why| {
            let what = format!("`witnesses`: witness `{name}` in {}: {why}", path.display());
            Fault::new(what, "write `witness NAME KEY https://ADDRESS`")
        };
        let (channel, path) = channel.map_err(fault)?;
        let (name, key) = (name.to_owned(), key.clone());
        cosigners.push(Cosigner { name, key, channel, path, seen: 0, complaint: String::new() });
    }
    sequencer.expect_witnesses();
    tokio::spawn(rounds(cosigners, sequencer.clone(), log_size, stopping));
    Ok(())
}

fn channel(url: &str, authority: Option<&str>) -> Result<(Channel, String), String> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| error.to_string())?;
    let endpoint = match endpoint.uri().scheme_str() {
        Some("http") => endpoint,
        Some("https") => {
            let tls = ClientTlsConfig::new();
            let tls = authority.into_iter().fold(tls, |tls, pem| tls.ca_certificate(Certificate::from_pem(pem)));
            endpoint.tls_config(tls).map_err(|error| error.to_string())?
        }
        _ => return Err(format!("`{url}` does not begin with http:// or https://")),
    };
    let path = format!("{}/add-checkpoint", endpoint.uri().path().trim_end_matches('/'));
    Ok((endpoint.connect_timeout(PATIENCE).connect_lazy(), path))
}

async fn rounds(
    mut cosigners: Vec<Cosigner>,
    sequencer: Arc<Sequencer>,
    mut log_size: watch::Receiver<u64>,
    mut stopping: watch::Receiver<bool>,
) {
    while !*stopping.borrow() {
        log_size.mark_unchanged();
        let pause = match round(&mut cosigners, &sequencer).await {
            Ok(true) => ANEW_AFTER,
            Ok(false) => AGAIN_AFTER,
            Err(why) => {
                tracing::error!("there is no checkpoint to cosign: {why}");
                AGAIN_AFTER
            }
        };
        tokio::select! {
            _ = log_size.changed() => {}
            _ = stopping.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Asks all of them at once; whether all cosigned.
async fn round(cosigners: &mut Vec<Cosigner>, sequencer: &Arc<Sequencer>) -> Result<bool, String> {
    let ours = sequencer.clone();
    let own = tokio::task::spawn_blocking(move || ours.own_checkpoint()).await;
    let note = own.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
    let checkpoint: Checkpoint = note.text().parse().map_err(|why| format!("{why}"))?;
    let mut asked = JoinSet::new();
    for mut cosigner in cosigners.drain(..) {
        let (sequencer, note, checkpoint) = (sequencer.clone(), note.clone(), checkpoint.clone());
        asked.spawn(async move {
            let answer = timeout(PATIENCE, cosigner.ask(&sequencer, &note, &checkpoint)).await;
            let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
            let signature = cosigner.heard(answer);
            (cosigner, signature)
        });
    }
    let mut signatures = Vec::new();
    while let Some(Ok((cosigner, signature))) = asked.join_next().await {
        cosigners.push(cosigner);
        signatures.extend(signature);
    }
    let is_whole = signatures.len() == cosigners.len();
    sequencer.cosigned(&checkpoint, signatures).map_err(|why| why.to_string())?;
    Ok(is_whole)
}

impl Cosigner {
    /// Its cosignature, verified. A witness that has seen another size says so, and is asked once more.
    async fn ask(
        &mut self,
        sequencer: &Arc<Sequencer>,
        note: &Note,
        new: &Checkpoint,
    ) -> Result<NoteSignature, String> {
        for _ in 0..2 {
            let (status, answer) = self.post(sequencer, note, new).await?;
            match status {
                StatusCode::OK => {
                    self.seen = new.size;
                    return self.verified(note, &answer);
                }
                StatusCode::CONFLICT => {
                    let held = answer.trim_end().parse().map_err(|_| format!("it answers 409 {answer}"))?;
                    if held > new.size {
                        return Err(format!("it has seen {held} entries, and the log has {}", new.size));
                    }
                    if held == self.seen {
                        break;
                    }
                    self.seen = held;
                }
                status => return Err(format!("it answers {status}: {}", answer.trim_end())),
            }
        }
        Err(format!("it has seen another history with {} entries", self.seen))
    }

    async fn post(
        &mut self,
        sequencer: &Arc<Sequencer>,
        note: &Note,
        new: &Checkpoint,
    ) -> Result<(StatusCode, String), String> {
        let (ours, old_size, size) = (sequencer.clone(), self.seen, new.size);
        let proof = tokio::task::spawn_blocking(move || ours.prove_consistency(old_size, size)).await;
        let (proof, _) = proof.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
        let body = Witnessing { old_size, proof, note: note.clone() }.to_string();
        let request = Request::post(self.path.as_str()).header("content-type", "text/plain; charset=utf-8");
        let request = request.body(tonic::body::Body::new(Body::from(body))).map_err(|why| why.to_string())?;
        let told = |why: tonic::transport::Error| root_cause(&why);
        poll_fn(|context| GrpcService::<tonic::body::Body>::poll_ready(&mut self.channel, context))
            .await
            .map_err(told)?;
        let (head, body) = GrpcService::call(&mut self.channel, request).await.map_err(told)?.into_parts();
        let bytes = to_bytes(Body::new(body), ANSWER_BYTES_MAX).await.map_err(|why| why.to_string())?;
        Ok((head.status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn verified(&self, note: &Note, lines: &str) -> Result<NoteSignature, String> {
        let answer = Note::parse(format!("{}\n{lines}", note.text()).as_bytes()).map_err(|why| why.to_string())?;
        for signature in answer.signatures() {
            let mut alone = Note::unsigned(note.text().into()).map_err(|why| why.to_string())?;
            alone.add(signature.clone());
            if alone.cosigned_at(&self.key).map_err(|why| why.to_string())?.is_some() {
                return Ok(signature.clone());
            }
        }
        Err(format!("it did not cosign with the key {}", self.key))
    }

    fn heard(&mut self, answer: Result<NoteSignature, String>) -> Option<NoteSignature> {
        match answer {
            Ok(signature) => {
                self.complaint.clear();
                Some(signature)
            }
            Err(why) => {
                if why != self.complaint {
                    tracing::warn!(witness = %self.name, "not cosigned: {why}");
                    self.complaint = why;
                }
                None
            }
        }
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
