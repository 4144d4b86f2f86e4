//! How often somebody may ask: a bucket of tokens for each, filled at a steady rate.
//!
//! # Limits
//! At most [`BUCKETS_MAX`] are kept. Where one more is needed those that are full go, since a full bucket is like a new one; where
//! none is, all go: for a moment everybody has a full bucket, and memory stays bounded.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const BUCKETS_MAX: usize = 65_536;

/// Seconds' worth of requests that may come at once.
const BURST_S: f64 = 2.0;

pub struct Limits<K> {
    per_second: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Eq + Hash> Limits<K> {
    pub fn new(per_second: u32) -> Self {
        Self { per_second: per_second.into(), buckets: Mutex::default() }
    }

    /// Takes one token, or says how long it is until there is one.
    pub fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let full = self.per_second * BURST_S;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < full);
            if buckets.len() >= BUCKETS_MAX {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(key).or_insert(Bucket { left: full, at: now });
        let left = self.filled(*bucket, now);
        *bucket = Bucket { left: if left >= 1.0 { left - 1.0 } else { left }, at: now };
        match left >= 1.0 {
            true => Ok(()),
            false => Err(Duration::from_secs_f64((1.0 - left) / self.per_second)),
        }
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + since * self.per_second).min(self.per_second * BURST_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let (limits, start) = (Limits::new(10), Instant::now());
        let taken = (0..100).filter(|_| limits.take("a", start).is_ok()).count();
        assert_eq!(taken, 20, "two seconds' worth at once");
        assert_eq!(limits.take("b", start), Ok(()), "everybody has a bucket");
        let wait = limits.take("a", start).unwrap_err();
        assert!((Duration::from_millis(99)..=Duration::from_millis(101)).contains(&wait), "{wait:?}");
        assert_eq!(limits.take("a", start + wait), Ok(()));
        let later = start + Duration::from_secs(60);
        assert_eq!((0..100).filter(|_| limits.take("a", later).is_ok()).count(), 20, "it never holds more");
    }

    #[test]
    fn memory_is_bounded_however_many_ask() {
        let (limits, start) = (Limits::new(1), Instant::now());
        for key in 0..3 * BUCKETS_MAX {
            limits.take(key, start).unwrap();
        }
        assert!(limits.buckets.lock().unwrap().len() <= BUCKETS_MAX);
    }
}
