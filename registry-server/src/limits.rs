//! How often somebody may ask: a bucket of tokens for each, filled at a steady rate. And how much one may hold at a time: of places
//! that all share, at most half, so that there is one for somebody else.
//!
//! # Limits
//! At most [`BUCKETS_MAX`] are kept. Where one more is needed those that are full go, since a full bucket is like a new one; where
//! none is, all go: for a moment everybody has a full bucket, and memory stays bounded.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

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

/// Places for work that is soon done. Whoever has its share, or waits for it, waits behind its own work alone.
pub struct Turns<K>(Arc<Queues<K>>);

struct Queues<K> {
    all: Arc<Semaphore>,
    most: usize,
    /// The share of each who holds a place, or waits for one.
    shares: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// One of them, free again when it is dropped.
pub struct Turn {
    _share: Option<OwnedSemaphorePermit>,
    _place: OwnedSemaphorePermit,
}

/// Shares of those who hold nothing any more that are remembered.
const SHARES_KEPT: usize = 1024;

impl<K> Clone for Turns<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Eq + Hash> Turns<K> {
    pub fn new(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        let all = Arc::new(Semaphore::new(count));
        Self(Arc::new(Queues { all, most: count.div_ceil(2), shares: Mutex::default() }))
    }

    /// Takes one now; no share is counted of a holder who is not named.
    pub fn take(&self, holder: Option<K>) -> Result<Turn, NoPlace> {
        let share = holder.map(|holder| self.share(holder).try_acquire_owned()).transpose();
        let _share = share.map_err(|_| NoPlace::Share(self.0.most))?;
        let _place = self.0.all.clone().try_acquire_owned().map_err(|_| NoPlace::Full)?;
        Ok(Turn { _share, _place })
    }

    /// Waits for one.
    pub async fn wait(&self, holder: Option<K>) -> Result<Turn, AcquireError> {
        let _share = match holder {
            Some(holder) => Some(self.share(holder).acquire_owned().await?),
            None => None,
        };
        Ok(Turn { _share, _place: self.0.all.clone().acquire_owned().await? })
    }

    fn share(&self, holder: K) -> Arc<Semaphore> {
        let mut shares = self.0.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.len() >= SHARES_KEPT && !shares.contains_key(&holder) {
            // Whoever holds a place of it, or waits for one, has it in hand.
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        shares.entry(holder).or_insert_with(|| Arc::new(Semaphore::new(self.0.most))).clone()
    }
}

/// Places that all share.
pub struct Places<K>(Arc<Shares<K>>);

struct Shares<K> {
    all: Arc<Semaphore>,
    most: usize,
    /// How many each holds that holds any.
    held: Mutex<HashMap<K, usize>>,
}

/// One of them, free again when it is dropped.
pub struct Place<K: Eq + Hash> {
    shares: Arc<Shares<K>>,
    holder: Option<K>,
    count: usize,
    _permit: OwnedSemaphorePermit,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// All are taken.
    Full,
    /// Half of them, so many, are held by the one who asks.
    Share(usize),
}

impl<K> Clone for Places<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Clone + Eq + Hash> Places<K> {
    pub fn new(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Shares { all: Arc::new(Semaphore::new(count)), most: count.div_ceil(2), held: Mutex::default() }))
    }

    /// Takes one; no share is counted of a holder who is not named.
    pub fn take(&self, holder: Option<K>) -> Result<Place<K>, NoPlace> {
        self.take_many(holder, 1)
    }

    /// The same for so many as one; for more than a share, where the holder has none.
    pub fn take_many(&self, holder: Option<K>, count: usize) -> Result<Place<K>, NoPlace> {
        let shares = &self.0;
        let count = count.min(shares.most);
        let mut held = shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        if holder.as_ref().and_then(|holder| held.get(holder)).is_some_and(|held| held + count > shares.most) {
            return Err(NoPlace::Share(shares.most));
        }
        let permit = shares.all.clone().try_acquire_many_owned(count as u32).map_err(|_| NoPlace::Full)?;
        if let Some(holder) = holder.clone() {
            *held.entry(holder).or_default() += count;
        }
        drop(held);
        Ok(Place { shares: shares.clone(), holder, count, _permit: permit })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let Some(holder) = self.holder.take() else { return };
        let mut held = self.shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&holder) {
            *count -= self.count;
            if *count == 0 {
                held.remove(&holder);
            }
        }
    }
}

/// By which an address is counted. None for loopback, where a proxy may bring everybody; whoever has an IPv6 address has many.
pub fn counted(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    (!address.is_loopback()).then(|| match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    #[test]
    fn one_holds_half_of_the_places_and_gives_them_back() {
        let places = Places::new(5);
        let mut held: Vec<_> = (0..3).map(|_| places.take(Some("a")).ok().unwrap()).collect();
        assert_eq!(places.take(Some("a")).err(), Some(NoPlace::Share(3)));
        held.extend([places.take(Some("b")).ok().unwrap(), places.take(None).ok().unwrap()]);
        assert_eq!(places.take(Some("b")).err(), Some(NoPlace::Full));
        drop(held);
        assert!(places.0.held.lock().unwrap().is_empty(), "nobody is remembered");
        assert!(places.take(Some("a")).is_ok());
    }

    #[test]
    fn whoever_waits_for_its_share_leaves_places_to_others() {
        let turns = Turns::new(4);
        let mut context = Context::from_waker(Waker::noop());
        let mut held = vec![turns.take(Some(1)).ok().unwrap(), turns.take(Some(1)).ok().unwrap()];
        assert_eq!(turns.take(Some(1)).err(), Some(NoPlace::Share(2)));
        let mut waiting = pin!(turns.wait(Some(1)));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let others = [turns.take(Some(2)).ok().unwrap(), turns.take(None).ok().unwrap()];
        assert_eq!(turns.take(Some(2)).err(), Some(NoPlace::Full));
        drop(others);
        assert!(waiting.as_mut().poll(&mut context).is_pending(), "its share is taken, whatever is free");
        held.pop();
        assert!(waiting.as_mut().poll(&mut context).is_ready());
        for holder in 3..3 * SHARES_KEPT {
            turns.take(Some(holder)).ok().unwrap();
        }
        assert!(turns.0.shares.lock().unwrap().len() <= SHARES_KEPT, "nobody is remembered for ever");
    }

    #[test]
    fn addresses_are_counted_by_those_who_have_them() {
        let counted = |text: &str| counted(text.parse().unwrap()).map(|address| address.to_string());
        for (address, expected) in [
            ("127.0.0.9", None),
            ("::1", None),
            ("::ffff:127.0.0.1", None),
            ("10.0.0.1", Some("10.0.0.1")),
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("2001:db8:1:2:3::4", Some("2001:db8:1:2::")),
        ] {
            assert_eq!(counted(address).as_deref(), expected, "{address}");
        }
    }

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
