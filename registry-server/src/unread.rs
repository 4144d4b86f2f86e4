//! Answers that nobody reads: what they hold is let go after `stream_idle_timeout`.
//!
//! The HTTP library asks a body for more only once its caller makes room, so a caller of HTTP/2 who makes none, and answers whether it
//! lives, could have the server hold its answers for ever. Nothing inside an answer hears of that; one task looks at all of them.
//!
//! # Invariants
//! - Time counts only while there is something to read: not while the caller waits for the server.
//! - An answer that was let go ends in an error for who reads again: over gRPC with `SLOW_READER`.

use crate::status::{Reason, Refusal};
use axum::{body::Body, http::HeaderMap};
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};
use tokio::{sync::watch, time::sleep};
use tonic::Status;

/// Looks at all answers under way.
#[derive(Clone)]
pub struct Unread(Arc<Answers>);

struct Answers {
    begin: Instant,
    idle: Duration,
    open: Mutex<Vec<Weak<Answer>>>,
}

/// One answer, shared with who looks at it.
struct Answer {
    answers: Arc<Answers>,
    body: Mutex<Held>,
    is_grpc: bool,
    /// Since when there is something to read, in milliseconds, at least 1; 0: the caller waits for the server.
    since: AtomicU64,
}

/// What is left of an answer.
enum Held {
    Body(Body),
    LetGo,
    Ended,
}

impl Unread {
    /// Until the server stops.
    pub fn start(idle: Duration, mut stopping: watch::Receiver<bool>) -> Self {
        let answers = Arc::new(Answers { begin: Instant::now(), idle, open: Mutex::default() });
        let looked_at = answers.clone();
        let rounds = async move {
            loop {
                sleep((idle / 4).clamp(Duration::from_millis(50), Duration::from_secs(5))).await;
                looked_at.look();
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = rounds => {}
                _ = stopping.wait_for(|stopping| *stopping) => {}
            }
        });
        Self(answers)
    }

    /// The same answer, looked at.
    pub fn over(&self, body: Body, is_grpc: bool) -> Body {
        let answers = self.0.clone();
        let since = answers.now().into();
        let answer = Arc::new(Answer { answers, body: Mutex::new(Held::Body(body)), is_grpc, since });
        locked(&self.0.open).push(Arc::downgrade(&answer));
        Body::new(Looked(answer))
    }
}

impl Answers {
    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn look(&self) {
        let (now, idle) = (self.now(), u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX));
        let mut unread = Vec::new();
        locked(&self.open).retain(|answer| {
            let Some(answer) = answer.upgrade() else { return false };
            let since = answer.since.load(Relaxed);
            if since > 0 && now.saturating_sub(since) > idle {
                unread.push(answer);
                return false;
            }
            true
        });
        for answer in unread {
            let body = std::mem::replace(&mut *locked(&answer.body), Held::LetGo);
            drop(body);
        }
    }
}

impl Answer {
    /// What whoever reads again hears.
    fn last_word(&self) -> Result<Frame<<Body as http_body::Body>::Data>, axum::Error> {
        let why = format!("nothing was read for {:?}", self.answers.idle);
        if !self.is_grpc {
            return Err(axum::Error::new(why));
        }
        let mut trailers = HeaderMap::new();
        let status = Status::from(Refusal::new(Reason::SlowReader, why));
        status.add_header(&mut trailers).map_err(axum::Error::new)?;
        Ok(Frame::trailers(trailers))
    }
}

struct Looked(Arc<Answer>);

impl http_body::Body for Looked {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let answer = &self.0;
        let mut held = locked(&answer.body);
        let body = match &mut *held {
            Held::Body(body) => body,
            Held::Ended => return Poll::Ready(None),
            Held::LetGo => {
                *held = Held::Ended;
                return Poll::Ready(Some(answer.last_word()));
            }
        };
        // Before it is asked: whoever wakes meanwhile begins the time.
        answer.since.store(0, Relaxed);
        let waker = Waker::from(Arc::new(Woken { waker: cx.waker().clone(), answer: Arc::downgrade(answer) }));
        let frame = Pin::new(body).poll_frame(&mut Context::from_waker(&waker));
        if frame.is_ready() {
            answer.since.store(answer.answers.now(), Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &*locked(&self.0.body) {
            Held::Body(body) => body.is_end_stream(),
            Held::LetGo => false,
            Held::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &*locked(&self.0.body) {
            Held::Body(body) => body.size_hint(),
            Held::LetGo | Held::Ended => SizeHint::default(),
        }
    }
}

/// Tells that there is something to read.
struct Woken {
    waker: Waker,
    answer: Weak<Answer>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(answer) = self.answer.upgrade() {
            answer.since.store(answer.answers.now(), Relaxed);
        }
        self.waker.wake_by_ref();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
