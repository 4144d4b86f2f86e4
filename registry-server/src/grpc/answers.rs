//! The answers of a stream: a short queue that its caller empties, and a last word.
//!
//! # Invariants
//! - At most [`WAITING`] answers wait; the teller waits for the caller, but no longer than its patience.
//! - A stream that ended early says so, even to a caller who reads again only then: a cut stream never looks whole. Only [`Teller::done`]
//!   ends one well; a teller that is dropped without, on a server that stops or in a panic, leaves an error.

use crate::status::{Reason, Refusal};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    thread,
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
    let teller = Teller { sender, last: last.clone(), patience, is_done: false };
    (teller, Answers { receiver, last, _kept: None })
}

pub struct Teller<T> {
    sender: mpsc::Sender<T>,
    last: LastWord,
    patience: Duration,
    is_done: bool,
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

    /// All is told: the stream ends well, after the answers that wait, once this is dropped.
    pub fn done(&mut self) {
        self.is_done = true;
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

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        if !self.is_done {
            let reason = if thread::panicking() { Reason::Internal } else { Reason::ShuttingDown };
            self.say_last(Refusal::new(reason, reason.row().meaning).into());
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt;
    use tonic::Code;

    /// What is told, and how it ends, where a task does this with its teller.
    async fn told<W: Future<Output = ()> + Send + 'static>(
        work: impl FnOnce(Teller<u8>) -> W,
    ) -> (Vec<u8>, Option<Code>) {
        let (teller, mut answers) = answers(Duration::from_secs(1));
        let task = tokio::spawn(work(teller));
        let (mut told, mut end) = (Vec::new(), None);
        while let Some(answer) = answers.next().await {
            answer.map_or_else(|status| end = Some(status.code()), |answer| told.push(answer));
        }
        let _ = task.await;
        (told, end)
    }

    #[tokio::test]
    async fn only_what_is_done_ends_well() {
        let whole = told(async |mut teller| {
            teller.tell(1).await.unwrap();
            teller.done();
        });
        assert_eq!(whole.await, (vec![1], None));
        let cut = told(async |teller| teller.tell(1).await.unwrap());
        assert_eq!(cut.await, (vec![1], Some(Code::Unavailable)));
        let broken = told(async |teller| {
            teller.tell(1).await.unwrap();
            panic!("on purpose");
        });
        assert_eq!(broken.await, (vec![1], Some(Code::Internal)));
        let refused = told(async |teller| teller.refuse(Status::not_found("it")));
        assert_eq!(refused.await, (vec![], Some(Code::NotFound)));
    }
}
