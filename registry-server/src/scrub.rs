//! Reads the whole log again, slowly, round after round, to find damage before anybody asks for what is damaged.

use crate::{
    contents::{Unsound, examine},
    log::{Head, Log, LogError},
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
    let (mut head, mut damaged, mut is_whole) = (Some(Head::empty()), 0, true);
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
            Ok(Err(unsound)) if unsound.is_damage() => {
                head = None;
                damaged += 1;
                metrics.scrub_found(damaged);
                complain(&unsound, said);
                0
            }
            // What may not be read is no damage, but what lies behind it may be.
            Ok(Err(unsound @ Unsound::Log { source: LogError::Io { .. }, .. })) => {
                (head, is_whole) = (None, false);
                let what = unsound.to_string();
                if said.insert(what.clone()) {
                    tracing::warn!("the log cannot be read again: {what}");
                }
                0
            }
            // A cluster that is away: nothing is said of what lies there, and the next round begins anew.
            Ok(Err(unsound)) => {
                tracing::warn!("the log is not read again to the end: {unsound}");
                return;
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
    if is_whole {
        metrics.scrub_ended(damaged);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Append, Memory};
    use guiju_model::Digest;
    use std::sync::Mutex;

    /// Four entries of which the second is damaged; `counted` is what was told when each was asked for.
    struct Watched {
        log: Memory,
        metrics: Metrics,
        counted: Mutex<Vec<u64>>,
        is_away_at: Option<u64>,
    }

    impl Log for Watched {
        fn head(&self) -> Result<Head, LogError> {
            Ok(self.log.head())
        }

        fn known_size(&self) -> u64 {
            self.log.head().size
        }

        fn append(&self, entries: &[Append], expected_size: u64) -> Result<Vec<u64>, LogError> {
            self.log.append(entries, expected_size)
        }

        fn operation(&self, operation_id: &str) -> Result<Option<u64>, LogError> {
            self.log.operation(operation_id)
        }

        fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LogError> {
            self.log.blob(digest)
        }

        fn put_blobs(&self, blobs: &[Vec<u8>]) -> Result<(), LogError> {
            self.log.put_blobs(blobs)
        }

        fn digests(&self) -> Result<Vec<Digest>, LogError> {
            self.log.digests()
        }

        fn entries(&self, from: u64, count: usize) -> Result<Vec<Vec<u8>>, LogError> {
            self.counted.lock().unwrap().push(self.metrics.scrub_damaged());
            match from {
                from if self.is_away_at == Some(from) => Err(LogError::Unavailable { why: "it is away".into() }),
                1 => Err(LogError::Damaged { path: "1.seg".into(), offset: 8, what: "it rots".into() }),
                _ => self.log.entries(from, count),
            }
        }

        fn wait_beyond(&self, size: u64, timeout: Duration) -> u64 {
            self.log.wait_beyond(size, timeout)
        }
    }

    /// What was told at each entry, how much in the end, whether the round was whole, and what was said.
    fn read_again(metrics: &Metrics, is_away_at: Option<u64>) -> (Vec<u64>, u64, bool, Vec<String>) {
        let log = Memory::default();
        for index in 0..4 {
            let append = Append { operation_id: index.to_string(), entry: Vec::new(), blobs: Vec::new() };
            log.append(&[append], index).unwrap();
        }
        let rounds = |metrics: &Metrics| {
            metrics.text().lines().find(|line| line.starts_with("guiju_scrub_rounds")).map(str::to_owned)
        };
        let watched = Arc::new(Watched { log, metrics: metrics.clone(), counted: Mutex::default(), is_away_at });
        let (shared, mut said, before) = (Arc::clone(&watched) as Arc<dyn Log>, BTreeSet::new(), rounds(metrics));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(round(&shared, 1 << 40, metrics, &mut said));
        let counted = watched.counted.lock().unwrap().clone();
        (counted, metrics.scrub_damaged(), rounds(metrics) != before, said.into_iter().collect())
    }

    #[test]
    fn damage_is_told_when_it_is_found_and_a_cluster_that_is_away_is_none() {
        let metrics = Metrics::default();
        let (counted, damaged, is_whole, said) = read_again(&metrics, None);
        assert_eq!((counted, damaged, is_whole), (vec![0, 0, 1, 1], 1, true));
        assert!(said.len() == 1 && said[0].starts_with("entry 1: `1.seg` is damaged at byte 8"), "{said:?}");
        // What the last whole round has found holds until another is whole.
        let (counted, damaged, is_whole, said) = read_again(&metrics, Some(0));
        assert_eq!((counted, damaged, is_whole, said), (vec![1], 1, false, Vec::new()));
        let metrics = Metrics::default();
        let (_, damaged, is_whole, said) = read_again(&metrics, Some(2));
        assert_eq!((damaged, is_whole, said.len()), (1, false, 1));
    }
}
