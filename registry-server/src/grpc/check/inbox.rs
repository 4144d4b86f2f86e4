//! What a caller sends on a stream of records, message by message.
//!
//! # Invariants
//! - First the header, then records or chunks, not both.
//! - Whoever takes messages lets other tasks have their turn after some [`TURN_BYTES`], however fast they come.
//! - Time counts against a caller only while the server has nothing of his to judge, nor to tell him. What is in the queue of answers
//!   counts as told: from there it goes into buffers and windows of HTTP/2, and whether he reads it there nobody sees. So whoever may
//!   need longer than `stream_idle_timeout` for what they hold sends meanwhile.

use super::{SMALL_RECORD_BYTES_MAX, aside::Aside};
use crate::status::{self, Reason, Refusal};
use futures_io::AsyncRead;
use guiju_model::Digesting;
use guiju_proto::{
    conformance::{CheckStreamHeader, CheckStreamRequest, check_stream_request::Message as In},
    convert::ConvertError,
};
use guiju_validator::ABREAST;
use prost::bytes::Bytes;
use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    ops::Range,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_stream::Stream;
use tonic::{Status, Streaming};

/// What is taken at once: so many records, or a little more than so many bytes.
const BATCH_RECORDS: usize = 2048;
const BATCH_BYTES: usize = 256 << 10;
/// What may be taken without a pause, in bytes.
const TURN_BYTES: usize = 1 << 20;
/// To take a message takes as long as to judge so many bytes, at least.
const MESSAGE_BYTES: usize = 64;
/// What one chunk holds at most, in bytes.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// The header, which must be the first message; waited for no longer than `idle`.
pub async fn header(messages: &mut Streaming<CheckStreamRequest>, idle: Duration) -> Result<CheckStreamHeader, Status> {
    let first = timeout(idle, messages.message()).await.map_err(|_| too_quiet(idle))?;
    match known(first.transpose())? {
        Some(In::Header(header)) => Ok(header),
        _ => Err(out_of_order("the first message must be the header")),
    }
}

fn known(message: Option<Result<CheckStreamRequest, Status>>) -> Result<Option<In>, Status> {
    match message.transpose().map_err(status::explained)? {
        None => Ok(None),
        Some(CheckStreamRequest { message: None }) => Err(out_of_order("a message is empty")),
        Some(CheckStreamRequest { message }) => Ok(message),
    }
}

fn out_of_order(what: &str) -> Status {
    Refusal::new(Reason::StreamOrder, format!("{what}; first a header, then records or chunks, not both")).into()
}

fn too_quiet(idle: Duration) -> Status {
    Refusal::new(Reason::StreamIdle, format!("no message came for {idle:?}")).into()
}

/// What comes behind the header.
pub enum First {
    Nothing,
    Record(Bytes),
    Chunk(Bytes),
}

/// The messages behind the header.
pub struct Inbox {
    messages: Streaming<CheckStreamRequest>,
    idle: Duration,
    /// How long nothing has come, where nothing is there.
    quiet: Pin<Box<Sleep>>,
    is_quiet: bool,
    kind: Option<Kind>,
    /// Bytes taken since the last pause.
    taken: usize,
    /// What comes behind those messages that were taken.
    end: Option<Result<(), Status>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Records,
    Chunks,
}

impl Inbox {
    pub fn new(messages: Streaming<CheckStreamRequest>, idle: Duration) -> Self {
        let quiet = Box::pin(sleep(idle));
        Self { messages, idle, quiet, is_quiet: false, kind: None, taken: 0, end: None }
    }

    pub async fn first(&mut self) -> Result<First, Status> {
        Ok(match poll_fn(|context| self.poll_next(context)).await? {
            None | Some(In::Header(_)) => First::Nothing,
            Some(In::Record(record)) => First::Record(record),
            Some(In::Chunk(chunk)) => First::Chunk(chunk),
        })
    }

    /// The next message, never a header; none at the end.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<In>, Status>> {
        match Pin::new(&mut self.messages).poll_next(context) {
            Poll::Ready(message) => {
                self.is_quiet = false;
                Poll::Ready(known(message).and_then(|message| self.in_order(message)))
            }
            Poll::Pending => {
                self.taken = 0;
                if !std::mem::replace(&mut self.is_quiet, true) {
                    self.quiet.as_mut().reset(Instant::now() + self.idle);
                }
                ready!(self.quiet.as_mut().poll(context));
                Poll::Ready(Err(too_quiet(self.idle)))
            }
        }
    }

    /// Pauses where much was taken.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.taken < TURN_BYTES {
            return Poll::Ready(());
        }
        self.taken = 0;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn in_order(&mut self, message: Option<In>) -> Result<Option<In>, Status> {
        let (kind, bytes) = match &message {
            None => return Ok(None),
            Some(In::Header(_)) => return Err(out_of_order("a second header came")),
            Some(In::Record(record)) => (Kind::Records, record.len()),
            Some(In::Chunk(chunk)) => (Kind::Chunks, chunk.len()),
        };
        self.taken += bytes + MESSAGE_BYTES;
        match (*self.kind.get_or_insert(kind), kind) {
            (Kind::Chunks, Kind::Records) => Err(out_of_order("a record came after a chunk")),
            (Kind::Records, Kind::Chunks) => Err(out_of_order("a chunk came after a record")),
            _ => Ok(message),
        }
    }

    /// Appends the records that are there, or the next one; whether there was any before the end.
    pub async fn take(&mut self, records: &mut Records) -> Result<bool, Status> {
        poll_fn(|context| self.poll_turn(context)).await;
        poll_fn(|context| {
            while self.end.is_none() && records.have_room() {
                let record = match records.ends.is_empty() {
                    true => ready!(self.poll_next(context)),
                    // Most are such, and short.
                    false => match Pin::new(&mut self.messages).poll_next(context) {
                        Poll::Ready(Some(Ok(CheckStreamRequest { message: Some(In::Record(record)) }))) => {
                            self.taken += record.len() + MESSAGE_BYTES;
                            records.push(&record);
                            continue;
                        }
                        Poll::Ready(message) => known(message).and_then(|message| self.in_order(message)),
                        Poll::Pending => break,
                    },
                };
                match record {
                    Ok(Some(In::Record(record))) => records.push(&record),
                    end => self.end = Some(end.map(drop)),
                }
            }
            Poll::Ready(())
        })
        .await;
        if records.ends.is_empty() { self.ended().map(|()| false) } else { Ok(true) }
    }

    /// Appends the chunks that are there, or the next one; none at the end. All at once, since whoever sends them may send more then,
    /// while these are judged.
    fn poll_chunks(&mut self, context: &mut Context<'_>, chunks: &mut VecDeque<Bytes>) -> Poll<Result<(), Status>> {
        ready!(self.poll_turn(context));
        let mut bytes = 0;
        while self.end.is_none() && bytes < BATCH_BYTES {
            match self.poll_next(context) {
                Poll::Ready(Ok(Some(In::Chunk(chunk)))) => {
                    bytes += chunk.len() + MESSAGE_BYTES;
                    chunks.push_back(chunk);
                }
                Poll::Ready(end) => self.end = Some(end.map(drop)),
                Poll::Pending if chunks.is_empty() => return Poll::Pending,
                Poll::Pending => {
                    // The caller is not waited for until these are judged.
                    self.is_quiet = false;
                    break;
                }
            }
        }
        Poll::Ready(if chunks.is_empty() { self.ended() } else { Ok(()) })
    }

    /// Why nothing comes any more; told once.
    fn ended(&mut self) -> Result<(), Status> {
        self.end.replace(Ok(())).unwrap_or(Ok(()))
    }
}

/// Records, each a line of one text with room behind it, so that several can be judged at once.
#[derive(Default)]
pub struct Records {
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    is_any_long: bool,
}

/// Bytes behind the last record, so that it need not be copied.
const ROOM: usize = 64;

impl Records {
    #[inline]
    pub fn push(&mut self, record: &[u8]) {
        self.is_any_long |= record.len() > SMALL_RECORD_BYTES_MAX;
        self.text.extend_from_slice(record);
        self.ends.push(self.text.len());
        self.text.push(b'\n');
    }

    fn have_room(&self) -> bool {
        self.ends.len() < BATCH_RECORDS && self.text.len() < BATCH_BYTES
    }

    /// The lines.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Makes room behind the lines: nothing is appended from here on, until they are cleared.
    pub fn close(&mut self) {
        self.text.resize(self.text.len() + ROOM, 0);
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether to judge one of them may take long.
    pub fn is_any_long(&self) -> bool {
        self.is_any_long
    }

    /// Where the records from one on stand, so many or fewer.
    pub fn group(&self, from: usize) -> ([Range<usize>; ABREAST], usize) {
        let mut places = [const { 0..0 }; ABREAST];
        let ends = &self.ends[from..];
        let mut begin = from.checked_sub(1).map_or(0, |before| self.ends[before] + 1);
        for (place, end) in places.iter_mut().zip(ends) {
            *place = begin..*end;
            begin = end + 1;
        }
        (places, ends.len().min(ABREAST))
    }

    /// None, in the same memory, but for that of a large one.
    pub fn clear(&mut self) {
        if self.text.capacity() > 2 * BATCH_BYTES {
            *self = Self::default();
        }
        self.text.clear();
        self.ends.clear();
        self.is_any_long = false;
    }
}

/// The chunks of a stream as one run of bytes. A fault of the stream reads as an error, and is kept.
pub struct Chunks<'i> {
    inbox: &'i mut Inbox,
    chunk: Bytes,
    /// Those behind it that are here.
    waiting: VecDeque<Bytes>,
    /// Taken from the caller so far.
    bytes: Arc<AtomicU64>,
    /// Their digest, where it is asked for.
    pub seen: Option<Digesting>,
    pub fault: Option<Status>,
    /// Bytes behind the last line end.
    line: usize,
    /// Whether there was a long line, but for one that a line end hides within so many bytes.
    is_any_long: bool,
    aside: Aside,
}

impl<'i> Chunks<'i> {
    pub fn new(inbox: &'i mut Inbox, first: Bytes, seen: Option<Digesting>, aside: Aside) -> Result<Self, Status> {
        let (chunk, waiting, bytes, line) = Default::default();
        let mut chunks = Self { inbox, chunk, waiting, bytes, seen, fault: None, line, is_any_long: false, aside };
        chunks.take(first)?;
        Ok(chunks)
    }

    pub fn bytes(&self) -> Arc<AtomicU64> {
        self.bytes.clone()
    }

    fn take(&mut self, chunk: Bytes) -> Result<(), Status> {
        if chunk.len() > CHUNK_BYTES_MAX {
            let why = format!("it holds more than {CHUNK_BYTES_MAX} bytes");
            return Err(Refusal::from(ConvertError::new("chunk", why)).into());
        }
        self.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if let Some(seen) = &mut self.seen {
            seen.take(&chunk);
        }
        for window in chunk.chunks(SMALL_RECORD_BYTES_MAX) {
            if self.is_any_long {
                break;
            }
            let end = window.iter().rposition(|byte| *byte == b'\n');
            self.line = end.map_or(self.line + window.len(), |end| window.len() - end - 1);
            self.is_any_long = self.line > SMALL_RECORD_BYTES_MAX;
        }
        self.chunk = chunk;
        Ok(())
    }

    /// Takes what nobody read: it was sent all the same.
    pub async fn take_rest(&mut self) -> Result<(), Status> {
        loop {
            self.chunk.clear();
            poll_fn(|context| self.poll_fill(context)).await?;
            if self.chunk.is_empty() {
                return Ok(());
            }
        }
    }

    /// Makes sure that there are bytes, unless the stream has ended.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        while self.chunk.is_empty() {
            if self.waiting.is_empty() {
                ready!(self.inbox.poll_chunks(context, &mut self.waiting))?;
            }
            match self.waiting.pop_front() {
                Some(chunk) => self.take(chunk)?,
                None => break,
            }
        }
        match self.is_any_long {
            true => self.aside.poll(context).map(Ok),
            false => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for Chunks<'_> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Err(status) = ready!(self.poll_fill(context)) {
            self.fault = Some(status);
            return Poll::Ready(Err(io::Error::other("the stream broke off")));
        }
        let count = into.len().min(self.chunk.len());
        into[..count].copy_from_slice(&self.chunk.split_to(count));
        Poll::Ready(Ok(count))
    }
}
