//! The answers of a stream: a short queue that its caller empties, and a last word.
//!
//! # Invariants
//! - At most [`WAITING`] answers wait, and fewer than [`TOGETHER`] before they are told; the teller waits for the caller, but no longer
//!   than its patience.
//! - A stream that ended early says so, even to a caller who reads again only then: a cut stream never looks whole.

use crate::status::{Reason, Refusal};
use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::mpsc, time::timeout};
use tokio_stream::Stream;
use tonic::Status;

/// Answers that wait for their reader.
const WAITING: usize = 16;

/// Answers that are told at once: to wake who writes them costs more than to judge a record.
const TOGETHER: usize = 8;
/// How long they wait for each other.
const SOON: Duration = Duration::from_millis(5);

/// The caller is gone, or did not read in time.
#[derive(Debug)]
pub struct Unheard;

type LastWord = Arc<Mutex<Option<Status>>>;

/// Two ends of a stream of answers.
pub fn answers<T>(patience: Duration) -> (Teller<T>, Answers<T>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let last = LastWord::default();
    let teller =
        Teller { sender, last: last.clone(), patience, held: Mutex::default(), is_unheard: AtomicBool::default() };
    (teller, Answers { receiver, last, _kept: None })
}

pub struct Teller<T> {
    sender: mpsc::Sender<T>,
    last: LastWord,
    patience: Duration,
    /// What is told with the next answers.
    held: Mutex<Held<T>>,
    is_unheard: AtomicBool,
}

struct Held<T> {
    answers: Vec<T>,
    /// When the first of them came.
    since: Option<Instant>,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self { answers: Vec::new(), since: None }
    }
}

impl<T> Teller<T> {
    pub async fn tell(&self, answer: T) -> Result<(), Unheard> {
        match timeout(self.patience, self.sender.send(answer)).await {
            Ok(sent) => sent.map_err(|_| Unheard),
            Err(_) => {
                tracing::info!("a stream was ended: its caller does not read");
                let why = format!("nothing was read for {:?}", self.patience);
                self.say_last(Refusal::new(Reason::SlowReader, why).into());
                Err(Unheard)
            }
        }
    }

    /// From a thread that may wait: with those that follow soon. Before it waits for anything else it must [`flush`](Self::flush),
    /// and now and then look whether any are [`overdue`](Self::flush_overdue).
    pub fn tell_soon(&self, answer: T, handle: &Handle) -> Result<(), Unheard> {
        let mut held = self.held();
        let since = held.since.get_or_insert_with(Instant::now);
        let is_overdue = since.elapsed() > SOON;
        held.answers.push(answer);
        let is_due = is_overdue || held.answers.len() >= TOGETHER;
        drop(held);
        match is_due {
            true => self.flush(handle),
            false if self.is_unheard.load(Ordering::Relaxed) => Err(Unheard),
            false => Ok(()),
        }
    }

    /// Tells what was to be told soon, where it was not.
    pub fn flush_overdue(&self, handle: &Handle) -> Result<(), Unheard> {
        let is_overdue = self.held().since.is_some_and(|since| since.elapsed() > SOON);
        if is_overdue { self.flush(handle) } else { Ok(()) }
    }

    /// Tells what was to be told soon. Once the caller did not hear it never does.
    pub fn flush(&self, handle: &Handle) -> Result<(), Unheard> {
        let held = std::mem::take(&mut *self.held());
        let told = held.answers.into_iter().try_for_each(|answer| self.tell_blocking(answer, handle));
        self.is_unheard.fetch_or(told.is_err(), Ordering::Relaxed);
        told
    }

    fn tell_blocking(&self, answer: T, handle: &Handle) -> Result<(), Unheard> {
        if self.is_unheard.load(Ordering::Relaxed) {
            return Err(Unheard);
        }
        match self.sender.try_send(answer) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Unheard),
            Err(mpsc::error::TrySendError::Full(answer)) => handle.block_on(self.tell(answer)),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the stream with an error, after the answers that wait.
    pub fn refuse(&self, status: Status) {
        self.say_last(status);
    }

    /// Completes when the caller is gone.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }

    fn say_last(&self, status: Status) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(status);
    }
}

pub struct Answers<T> {
    receiver: mpsc::Receiver<T>,
    last: LastWord,
    _kept: Option<Box<dyn Send>>,
}

impl<T> Answers<T> {
    /// Holds something until the caller has read all, or is gone.
    pub fn keeping(self, kept: impl Send + 'static) -> Self {
        Self { _kept: Some(Box::new(kept)), ..self }
    }
}

impl<T> Stream for Answers<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(self.receiver.poll_recv(cx)) {
            Some(answer) => Poll::Ready(Some(Ok(answer))),
            None => Poll::Ready(self.last.lock().unwrap_or_else(PoisonError::into_inner).take().map(Err)),
        }
    }
}
