//! Where work runs that takes its time at some callers' and none at others': in a task as long as it soon lets others have their
//! turn, which saves waking a thread for every little of it, and on a thread of its own from when it does not.

use std::{
    future::poll_fn,
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{
    runtime::Handle,
    task::{spawn_blocking, yield_now},
};

/// How long a task keeps others from running, at most; what is judged at once in a tenth of it, mostly.
const TURN: Duration = Duration::from_millis(4);
/// What is not too long for a task that has many turns.
const USUAL: Duration = Duration::from_millis(2);
/// By how much in all its turns may be longer, less what they are shorter: what is done for the first time takes long, and now and
/// then the system lets others run meanwhile.
const EXCESS: Duration = Duration::from_millis(10);

/// Runs it to its end.
pub async fn run(work: impl Future<Output = ()> + Send + 'static) {
    let (mut work, mut excess) = (Box::pin(work), Duration::ZERO);
    let is_done = poll_fn(|context| {
        let begin = Instant::now();
        let polled = work.as_mut().poll(context);
        excess = (excess + begin.elapsed()).saturating_sub(USUAL);
        match polled {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if excess > EXCESS => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    if !is_done {
        // Whoever it waited for wakes the thread from now on.
        let _ = spawn_blocking(move || Handle::current().block_on(work)).await;
    }
}

/// For work that goes on for long without waiting for anything.
pub struct Turn {
    since: Instant,
}

impl Turn {
    pub fn begin() -> Self {
        Self { since: Instant::now() }
    }

    /// Lets others have theirs, once this one has been long enough.
    pub async fn end_if_long(&mut self) {
        if self.since.elapsed() > TURN {
            yield_now().await;
            *self = Self::begin();
        }
    }
}
