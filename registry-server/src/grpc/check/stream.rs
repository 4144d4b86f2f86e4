//! One stream of records to check.
//!
//! Three parts run beside each other: the pump takes messages from the caller, the worker (a thread, since checking is
//! work) judges them, and the answers are what the caller reads. The channels between them are short, so a caller who does
//! not read stops the worker, a worker that is stopped stops the pump, and a pump that is stopped closes HTTP/2's window.
//! Messages that are there at once are handed on and judged together, and answers to them told together where they come soon: to
//! wake a thread costs more than to judge a record. The pump is a task, since HTTP/2 and it wake each other for every frame.
//!
//! # Limits
//! At most [`WAITING_IN`] batches of messages are in memory, each of at most [`BATCH_MESSAGES`] or a little more than
//! [`BATCH_BYTES`], and the stream's [`Answers`]. A stream that stands still for
//! `stream_idle_timeout` is ended.

use crate::{
    gate::Holder,
    grpc::answers::{Answers, Teller, Unheard, answers},
    limits::Place,
    metrics::{Metrics, OpenStream},
    sequencer::Sequencer,
    status::{self, Reason, Refusal},
};
use guiju::{
    readers::{self, ReadError, ReadOptions, Reported, Told},
    receipt::{Counts, Receipt},
};
use guiju_model::{Date, Digesting, Ending, Finding, Report, Severity};
use guiju_proto::{
    conformance::{
        CheckStreamHeader, CheckStreamRequest, CheckStreamResponse, Progress, RecordReport,
        check_stream_request::Message as In, check_stream_response::Message as Out,
    },
    convert::ConvertError,
};
use guiju_validator::{ABREAST, Checker, Validator, codes};
use prost::bytes::Bytes;
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
    ops::{ControlFlow, Range},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::{runtime::Handle, sync::mpsc, time::timeout};
use tokio_stream::Stream;
use tonic::{Status, Streaming};

const WAITING_IN: usize = 4;
const BATCH_MESSAGES: usize = 2048;
const BATCH_BYTES: usize = 128 << 10;
/// What one chunk holds at most, in bytes.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// What a stream needs, from its beginning to its end.
pub struct Task {
    pub validator: Arc<Validator>,
    pub ending: Option<Ending>,
    /// Where a receipt is to be given.
    pub promise: Option<Promise>,
    pub read: ReadOptions,
    pub failing_only: bool,
    pub progress_records: u64,
    pub idle: Duration,
    pub metrics: Metrics,
    pub _open: OpenStream,
    pub _place: Place<Holder>,
}

/// A receipt on its way.
pub struct Promise {
    pub sequencer: Arc<Sequencer>,
    /// Index of the log entry that published the version.
    pub entry: Option<u64>,
    pub seen: Digesting,
    pub unreadable: u64,
}

impl Promise {
    /// The signed note. Each record was judged by itself, so nothing is said of rules between them.
    fn kept(self, validator: &Validator, counts: &Progress, reference_date: Option<Date>) -> Result<String, Stop> {
        let &Progress { records, failing, errors, warnings, infos, .. } = counts;
        let (unreadable, failing) = (self.unreadable, failing.saturating_sub(self.unreadable));
        let conforming = records - failing - unreadable;
        let counts = Counts { records, conforming, failing, unreadable, errors, warnings, infos };
        let receipt = Receipt::of(validator, self.seen.digest(), counts, false);
        let log_size = self.sequencer.size().map_err(|error| Refusal::new(Reason::Internal, error))?;
        let log = self.entry.map(|_| self.sequencer.keys().first.clone());
        let receipt = Receipt { entry: self.entry, log, reference_date, log_size: Some(log_size), ..receipt };
        let note = receipt.signed(&self.sequencer.keys().signing);
        Ok(note.map_err(|error| Refusal::new(Reason::Internal, error))?.to_string())
    }
}

/// The next message, waited for no longer than `idle`.
pub async fn next(messages: &mut Streaming<CheckStreamRequest>, idle: Duration) -> Result<Option<In>, Status> {
    match timeout(idle, messages.message()).await {
        Err(_) => Err(Refusal::new(Reason::StreamIdle, format!("no message came for {idle:?}")).into()),
        Ok(message) => known(message.transpose()),
    }
}

fn known(message: Option<Result<CheckStreamRequest, Status>>) -> Result<Option<In>, Status> {
    match message.transpose().map_err(status::explained)? {
        None => Ok(None),
        Some(CheckStreamRequest { message: None }) => Err(out_of_order("a message is empty").into()),
        Some(CheckStreamRequest { message }) => Ok(message),
    }
}

/// Messages that came together: records, or chunks, and what is wrong behind them.
#[derive(Default)]
struct Batch {
    records: Records,
    chunks: VecDeque<Bytes>,
    /// Nothing comes after it.
    fault: Option<Status>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.records.ends.is_empty() && self.chunks.is_empty() && self.fault.is_none()
    }
}

/// Records, each a line of one text with room behind it, so that several can be judged at once.
#[derive(Default)]
struct Records {
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

/// Bytes behind the last record, so that it need not be copied.
const ROOM: usize = 64;

impl Records {
    #[inline]
    fn push(&mut self, record: &[u8]) {
        self.text.extend_from_slice(record);
        self.ends.push(self.text.len());
        self.text.push(b'\n');
    }

    /// Where they stand.
    fn places(&self) -> impl Iterator<Item = Range<usize>> {
        let mut from = 0;
        self.ends.iter().map(move |end| std::mem::replace(&mut from, end + 1)..*end)
    }

    /// None, in the same memory, but for that of a large one.
    fn cleared(mut self) -> Self {
        if self.text.capacity() > 2 * BATCH_BYTES {
            return Self::default();
        }
        self.text.clear();
        self.ends.clear();
        self
    }
}

/// Takes messages, and sees that they come in order.
struct Pump {
    messages: Streaming<CheckStreamRequest>,
    idle: Duration,
    /// What comes, once that is known.
    kind: Option<Kind>,
    is_over: bool,
    /// What the worker is done with: never more than batches in memory.
    spare: mpsc::UnboundedReceiver<Records>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Records,
    Chunks,
}

impl Pump {
    /// The messages that are there, or the next one; empty at the end.
    async fn batch(&mut self) -> Batch {
        let mut batch = Batch { records: self.spare.try_recv().unwrap_or_default().cleared(), ..Batch::default() };
        let (mut bytes, mut count) = (0, 0);
        let first = next(&mut self.messages, self.idle).await;
        self.take(first, &mut batch, &mut bytes);
        poll_fn(|context| {
            while !self.is_over && count < BATCH_MESSAGES && bytes < BATCH_BYTES {
                count += 1;
                match Pin::new(&mut self.messages).poll_next(context) {
                    Poll::Pending => break,
                    // Most are such, and short.
                    Poll::Ready(Some(Ok(CheckStreamRequest { message: Some(In::Record(record)) })))
                        if self.kind == Some(Kind::Records) =>
                    {
                        bytes += record.len();
                        batch.records.push(&record);
                    }
                    Poll::Ready(message) => self.take(known(message), &mut batch, &mut bytes),
                }
            }
            Poll::Ready(())
        })
        .await;
        batch
    }

    fn take(&mut self, message: Result<Option<In>, Status>, batch: &mut Batch, bytes: &mut usize) {
        let fault = match message {
            Ok(Some(In::Record(record))) if self.kind != Some(Kind::Chunks) => {
                self.kind = Some(Kind::Records);
                *bytes += record.len();
                return batch.records.push(&record);
            }
            Ok(Some(In::Chunk(chunk))) if self.kind != Some(Kind::Records) => {
                self.kind = Some(Kind::Chunks);
                *bytes += chunk.len();
                return batch.chunks.push_back(chunk);
            }
            Ok(Some(In::Record(_))) => Some(out_of_order("a record came after a chunk").into()),
            Ok(Some(In::Chunk(_))) => Some(out_of_order("a chunk came after a record").into()),
            Ok(Some(In::Header(_))) => Some(out_of_order("a second header came").into()),
            Err(status) => Some(status),
            Ok(None) => None,
        };
        (self.is_over, batch.fault) = (true, fault);
    }
}

/// What the first message must be.
pub fn header(first: Option<In>) -> Result<CheckStreamHeader, Refusal> {
    match first {
        Some(In::Header(header)) => Ok(header),
        _ => Err(out_of_order("the first message must be the header")),
    }
}

fn out_of_order(what: &str) -> Refusal {
    Refusal::new(Reason::StreamOrder, format!("{what}; first a header, then records or chunks, not both"))
}

impl Task {
    /// `let_go` completes where the stream may not go on.
    pub fn start(
        self,
        messages: Streaming<CheckStreamRequest>,
        let_go: impl Future<Output = Status> + Send + 'static,
    ) -> Answers<CheckStreamResponse> {
        let (inbox, inbound) = mpsc::channel(WAITING_IN);
        let (give_back, spare) = mpsc::unbounded_channel();
        let (teller, outbound) = answers(self.idle);
        let mut pump = Pump { messages, idle: self.idle, kind: None, is_over: false, spare };
        tokio::spawn(async move {
            let mut let_go = pin!(let_go);
            while !pump.is_over {
                let (batch, is_last) = tokio::select! {
                    biased;
                    status = &mut let_go => (Batch { fault: Some(status), ..Batch::default() }, true),
                    batch = pump.batch() => (batch, false),
                };
                if batch.is_empty() || inbox.send(batch).await.is_err() || is_last {
                    return;
                }
            }
        });
        let handle = Handle::current();
        tokio::task::spawn_blocking(move || {
            let outbox = Outbox { teller, handle };
            let inbound = Inbound { batches: inbound, outbox: &outbox };
            let (counts, measured) = Default::default();
            let due_at = if self.progress_records == 0 { u64::MAX } else { self.progress_records };
            Worker { task: self, outbox: &outbox, give_back, counts, measured, due_at }.run(inbound)
        });
        outbound
    }
}

/// What came, one batch after another.
struct Inbound<'o> {
    batches: mpsc::Receiver<Batch>,
    outbox: &'o Outbox,
}

impl Inbound<'_> {
    /// The next batch; none at the end, or where nobody hears the answers. What was answered is told before more is waited for.
    fn next(&mut self) -> Option<Batch> {
        match self.batches.try_recv() {
            Ok(batch) => Some(batch),
            Err(_) if self.outbox.flush().is_err() => None,
            Err(_) => self.batches.blocking_recv(),
        }
    }
}

/// Where answers go.
struct Outbox {
    teller: Teller<CheckStreamResponse>,
    handle: Handle,
}

impl Outbox {
    fn put(&self, answer: CheckStreamResponse) -> Result<(), Unheard> {
        self.teller.tell_soon(answer, &self.handle)
    }

    fn flush(&self) -> Result<(), Unheard> {
        self.teller.flush(&self.handle)
    }
}

/// Why a worker stops before the end.
enum Stop {
    /// The caller is to hear this.
    Refused(Box<Status>),
    /// The caller is gone, or did not read.
    Unheard,
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Status::from(refusal).into()
    }
}

impl From<Unheard> for Stop {
    fn from(_: Unheard) -> Self {
        Self::Unheard
    }
}

struct Worker<'o> {
    task: Task,
    outbox: &'o Outbox,
    /// Takes what was judged, to be filled again.
    give_back: mpsc::UnboundedSender<Records>,
    counts: Progress,
    /// What of the counts the metrics know.
    measured: Progress,
    /// Records after which the caller hears how far it is.
    due_at: u64,
}

/// Records after which the metrics hear of them.
const MEASURED_RECORDS: u64 = 1024;

/// Records after which it is looked whether an answer has waited for others too long.
const OVERDUE_RECORDS: u64 = 16;

impl Worker<'_> {
    fn run(mut self, mut inbound: Inbound<'_>) {
        let ended = self.judge(&mut inbound).and_then(|()| self.end());
        self.measure();
        if let Err(Stop::Refused(status)) = ended {
            let _ = self.outbox.flush();
            self.outbox.teller.refuse(*status);
        }
    }

    fn end(&mut self) -> Result<(), Stop> {
        self.counts.is_final = true;
        let Task { promise, validator, read, ending, .. } = &mut self.task;
        let receipt = promise.take().map(|promise| promise.kept(validator, &self.counts, read.check.reference_date));
        let (message, receipt) = (Some(Out::Progress(self.counts)), receipt.transpose()?.unwrap_or_default());
        let ending = ending.take().map(Into::into);
        self.outbox.put(CheckStreamResponse { message, receipt, ending })?;
        Ok(self.outbox.flush()?)
    }

    fn judge(&mut self, inbound: &mut Inbound<'_>) -> Result<(), Stop> {
        match inbound.next() {
            None => Ok(()),
            Some(batch) if !batch.records.ends.is_empty() => self.judge_records(batch, inbound),
            Some(Batch { fault: Some(status), chunks, .. }) if chunks.is_empty() => Err(status.into()),
            Some(batch) => {
                let seen = self.task.promise.as_ref().map(|promise| promise.seen.clone());
                let (chunk, bytes) = Default::default();
                let mut chunks = Chunks { inbound, batch, chunk, bytes, seen, fault: None };
                chunks.fill()?;
                self.judge_chunks(chunks)
            }
        }
    }

    fn judge_records(&mut self, first: Batch, inbound: &mut Inbound<'_>) -> Result<(), Stop> {
        let validator = self.task.validator.clone();
        let (mut checker, clean, mut batch) = (validator.checker(), validator.empty_report(), first);
        loop {
            let Batch { mut records, fault, .. } = batch;
            if let Some(promise) = &mut self.task.promise {
                promise.seen.take(&records.text);
            }
            records.text.extend_from_slice(&[0; ROOM]);
            self.judge_together(&records, &mut checker, &clean)?;
            if let Some(status) = fault {
                return Err(status.into());
            }
            // Where the pump has ended nobody wants it.
            let _ = self.give_back.send(records);
            batch = match inbound.next() {
                None => return Ok(()),
                Some(batch) => batch,
            };
        }
    }

    fn judge_together(&mut self, records: &Records, checker: &mut Checker<'_>, clean: &Report) -> Result<(), Stop> {
        let (text, options) = (&records.text[..], self.task.read.check.clone());
        let mut places = records.places();
        loop {
            let (mut some, mut filled) = ([const { 0..0 }; ABREAST], 0);
            for (place, record) in some.iter_mut().zip(&mut places) {
                (*place, filled) = (record, filled + 1);
            }
            if filled < ABREAST {
                let mut rest = some[..filled].iter();
                return rest.try_for_each(|place| {
                    self.take_record(place, checker.tell_within(text, place.clone(), &options), clean)
                });
            }
            let mut taken = Ok(());
            checker.tell_abreast(text, &some, &options, |at, report, _| {
                if taken.is_ok() {
                    taken = self.take_record(&some[at], report, clean);
                }
            });
            taken?;
        }
    }

    #[inline]
    fn take_record(&mut self, place: &Range<usize>, report: Option<Box<Report>>, clean: &Report) -> Result<(), Stop> {
        self.counts.bytes += place.len() as u64;
        match report {
            Some(report) => {
                let is_readable = !report.findings.iter().any(|finding| codes::is_unreadable(&finding.code));
                self.take(Reported::new(Some(report), clean), is_readable)
            }
            None if self.task.failing_only => self.pass(),
            None => self.take(Reported::new(None, clean), true),
        }
    }

    fn judge_chunks(&mut self, mut chunks: Chunks<'_, '_>) -> Result<(), Stop> {
        let validator = self.task.validator.clone();
        let read = ReadOptions { counts_clean: self.task.failing_only, ..self.task.read.clone() };
        let bytes = chunks.bytes.clone();
        let mut stop = None;
        let ended = readers::check(&mut chunks, &validator, &read, |told| {
            self.counts.bytes = bytes.load(Ordering::Relaxed);
            let taken = match told {
                Told::Input(finding) => self.take_input(finding),
                Told::Clean(records) => (0..records).try_for_each(|_| self.pass()),
                Told::Record(checked) => self.take(checked.report, checked.is_readable),
            };
            match taken {
                Ok(()) => ControlFlow::Continue(()),
                Err(why) => {
                    stop = Some(why);
                    ControlFlow::Break(())
                }
            }
        });
        self.counts.bytes = bytes.load(Ordering::Relaxed);
        if let (Some(promise), Some(seen)) = (&mut self.task.promise, chunks.seen.take()) {
            promise.seen = seen;
        }
        match (stop, chunks.fault, ended) {
            (Some(stop), ..) => Err(stop),
            (None, Some(status), _) => Err(status.into()),
            (None, None, Ok(_)) => Ok(()),
            (None, None, Err(ReadError::Refused(finding))) => {
                let refusal = Refusal::new(Reason::UnreadableInput, &finding.message.en);
                Err(refusal.with("finding", &finding.code).into())
            }
            (None, None, Err(error)) => Err(Refusal::new(Reason::Internal, error).into()),
        }
    }

    /// Counts and tells what is found about the input as a whole.
    fn take_input(&mut self, finding: Finding) -> Result<(), Stop> {
        *match finding.severity {
            Severity::Error => &mut self.counts.errors,
            Severity::Warning => &mut self.counts.warnings,
            Severity::Info => &mut self.counts.infos,
        } += 1;
        self.answer(Out::Input(finding.into()))
    }

    /// Counts a report and tells it where it is wanted.
    fn take(&mut self, report: Reported<'_>, is_readable: bool) -> Result<(), Stop> {
        if let Some(promise) = &mut self.task.promise {
            promise.unreadable += u64::from(!is_readable);
        }
        let (index, is_clean) = (self.counts.records, report.errors + report.warnings + report.infos == 0);
        self.count(&report);
        if !(self.task.failing_only && is_clean) {
            self.answer(Out::Record(RecordReport { index, report: Some(report.into_owned().into()) }))?;
        }
        self.keep_up()
    }

    /// Counts a record in which nothing was found.
    #[inline]
    fn pass(&mut self) -> Result<(), Stop> {
        self.counts.records += 1;
        self.counts.conforming += 1;
        self.keep_up()
    }

    /// What is due after so many records.
    #[inline]
    fn keep_up(&mut self) -> Result<(), Stop> {
        if !self.counts.records.is_multiple_of(OVERDUE_RECORDS) && self.counts.records < self.due_at {
            return Ok(());
        }
        if self.counts.records >= self.due_at {
            self.due_at = self.due_at.saturating_add(self.task.progress_records);
            self.answer(Out::Progress(self.counts))?;
        }
        if self.counts.records - self.measured.records >= MEASURED_RECORDS {
            self.measure();
        }
        if self.counts.records.is_multiple_of(OVERDUE_RECORDS) {
            self.outbox.teller.flush_overdue(&self.outbox.handle)?;
        }
        Ok(())
    }

    fn measure(&mut self) {
        let (now, before) = (self.counts, std::mem::replace(&mut self.measured, self.counts));
        let records = [now.conforming - before.conforming, now.failing - before.failing];
        let findings = [now.errors - before.errors, now.warnings - before.warnings, now.infos - before.infos];
        self.task.metrics.checked(records, findings);
    }

    fn count(&mut self, report: &Report) {
        let counts = &mut self.counts;
        counts.records += 1;
        *if report.conforms() { &mut counts.conforming } else { &mut counts.failing } += 1;
        counts.errors += report.errors;
        counts.warnings += report.warnings;
        counts.infos += report.infos;
    }

    fn answer(&self, message: Out) -> Result<(), Stop> {
        Ok(self.outbox.put(CheckStreamResponse { message: Some(message), ..Default::default() })?)
    }
}

/// The chunks of a stream as one run of bytes. A fault of the stream reads as an error and is kept in `fault`.
struct Chunks<'a, 'o> {
    inbound: &'a mut Inbound<'o>,
    batch: Batch,
    chunk: Bytes,
    /// Taken from the caller so far.
    bytes: Arc<AtomicU64>,
    /// Their digest, where it is asked for.
    seen: Option<Digesting>,
    fault: Option<Status>,
}

impl Chunks<'_, '_> {
    fn take(&mut self, chunk: Bytes) -> Result<(), Refusal> {
        if chunk.len() > CHUNK_BYTES_MAX {
            return Err(ConvertError::new("chunk", format!("it holds more than {CHUNK_BYTES_MAX} bytes")).into());
        }
        self.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if let Some(seen) = &mut self.seen {
            seen.take(&chunk);
        }
        self.chunk = chunk;
        Ok(())
    }

    /// Makes sure that there are bytes, unless the stream has ended.
    fn fill(&mut self) -> Result<(), Status> {
        while self.chunk.is_empty() {
            if let Some(chunk) = self.batch.chunks.pop_front() {
                self.take(chunk)?;
            } else if let Some(status) = self.batch.fault.take() {
                return Err(status);
            } else if let Some(batch) = self.inbound.next() {
                self.batch = batch;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl io::Read for Chunks<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Err(status) = self.fill() {
            self.fault = Some(status);
            return Err(io::Error::other("the stream broke off"));
        }
        let count = buf.len().min(self.chunk.len());
        buf[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}
