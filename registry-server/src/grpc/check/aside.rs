//! Where work runs that takes its time at some callers' and none at others': in a task as long as it soon lets others have their
//! turn, which saves waking a thread for every little of it, and on a thread of its own from when it does not, or asks for one.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::{
    runtime::Handle,
    sync::watch,
    task::{spawn_blocking, yield_now},
};

/// How long a task goes on before it lets others run; what is judged at once takes a tenth of it, mostly.
const TURN: Duration = Duration::from_millis(4);
/// What is not too long for a task that has many turns.
const USUAL: Duration = Duration::from_millis(2);
/// By how much in all its turns may be longer, less what they are shorter: what is done for the first time takes long, and now and
/// then the system lets others run meanwhile.
const EXCESS: Duration = Duration::from_millis(10);

/// Whether work runs on a thread of its own by now, or is to.
#[derive(Clone, Default)]
pub struct Aside(Arc<AtomicBool>);

impl Aside {
    pub fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Completes there.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.0.swap(true, Ordering::Relaxed) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Runs work to its end, or until nobody holds the other end of `open`: by then a task is gone, and a thread would wait for nothing.
pub async fn run(work: impl Future<Output = ()> + Send + 'static, aside: Aside, mut open: watch::Receiver<bool>) {
    let (mut work, mut excess) = (Box::pin(work), Duration::ZERO);
    let is_done = poll_fn(|context| {
        let begin = Instant::now();
        let polled = work.as_mut().poll(context);
        excess = (excess + begin.elapsed()).saturating_sub(USUAL);
        match polled {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if aside.is() || excess > EXCESS => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    if is_done {
        return;
    }
    aside.0.store(true, Ordering::Relaxed);
    let on_thread = async move {
        tokio::select! {
            biased;
            () = async { while open.changed().await.is_ok() {} } => {}
            () = work => {}
        }
    };
    // Whoever it waited for wakes the thread from now on.
    let _ = spawn_blocking(move || Handle::current().block_on(on_thread)).await;
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
