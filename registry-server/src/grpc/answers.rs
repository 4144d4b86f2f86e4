//! The answers of a stream: a short queue that its caller empties, and a last word.
//!
//! # Invariants
//! - At most [`WAITING`] answers wait; the teller waits for the caller, but no longer than its patience.
//! - A stream that ended early says so, even to a caller who reads again only then: a cut stream never looks whole.

use crate::status::{Reason, Refusal};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::Stream;
use tonic::Status;

/// Answers that wait for their reader.
const WAITING: usize = 16;

/// The caller is gone, or did not read in time.
#[derive(Debug)]
pub struct Unheard;

type LastWord = Arc<Mutex<Option<Status>>>;

/// Two ends of a stream of answers.
pub fn answers<T>(patience: Duration) -> (Teller<T>, Answers<T>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let last = LastWord::default();
    let teller = Teller { sender, last: last.clone(), patience };
    (teller, Answers { receiver, last, _kept: None })
}

pub struct Teller<T> {
    sender: mpsc::Sender<T>,
    last: LastWord,
    patience: Duration,
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
