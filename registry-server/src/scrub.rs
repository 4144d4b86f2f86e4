//! Reads the whole log again, slowly, round after round, to find damage before anybody asks for what is damaged.

use crate::{
    contents::{Unsound, examine},
    log::{Head, Log},
    metrics::Metrics,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};

/// A round takes as long as if the log had so many bytes more: a minute, where a mebibyte is read each second.
const PAUSE_BYTES: u64 = 60 << 20;

/// Begins, with at most so many bytes each second, until the server stops.
pub fn start(log: Arc<dyn Log>, bytes_per_second: u64, metrics: Metrics, mut stopping: watch::Receiver<bool>) {
    let rounds = async move {
        // What is damaged stays so; it is said once.
        let mut said = BTreeSet::new();
        loop {
            round(&log, bytes_per_second, &metrics, &mut said).await;
            sleep(time_for(PAUSE_BYTES, bytes_per_second)).await;
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = rounds => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    });
}

async fn round(log: &Arc<dyn Log>, bytes_per_second: u64, metrics: &Metrics, said: &mut BTreeSet<String>) {
    let (mut head, mut damaged) = (Some(Head::empty()), 0);
    log.forget();
    for index in 0.. {
        let asked = Arc::clone(log);
        if index >= log.known_size() {
            break;
        }
        let examined = tokio::task::spawn_blocking(move || examine(&*asked, index)).await;
        let bytes = match examined {
            Ok(Ok((entry, bytes))) => {
                head = head.map(|head| head.then(&entry));
                bytes
            }
            Ok(Err(unsound)) => {
                head = None;
                damaged += u64::from(unsound.is_damage());
                complain(&unsound, said);
                0
            }
            Err(_) => return,
        };
        metrics.scrubbed(bytes);
        sleep(time_for(bytes + 64, bytes_per_second)).await;
    }
    if let Some(head) = head
        && log.head().is_ok_and(|now| now.size == head.size && now.chain != head.chain)
    {
        damaged += 1;
        complain(&Unsound::Chain, said);
    }
    metrics.scrub_ended(damaged);
}

fn time_for(bytes: u64, bytes_per_second: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / bytes_per_second.max(1) as f64)
}

fn complain(unsound: &Unsound, said: &mut BTreeSet<String>) {
    let what = unsound.to_string();
    if said.insert(what.clone()) {
        tracing::error!(
            "the log is not whole: {what}; `guiju-server verify` lists all of it and mends it from another copy"
        );
    }
}
