//! One stream of records to check.
//!
//! Three parts run beside each other: the pump takes messages from the caller, the worker (a thread, since checking is
//! work) judges them, and the answers are what the caller reads. The channels between them are short, so a caller who does
//! not read stops the worker, a worker that is stopped stops the pump, and a pump that is stopped closes HTTP/2's window.
//!
//! # Limits
//! At most [`WAITING_IN`] messages and [`WAITING_OUT`] answers of a stream are in memory. A stream that stands still for
//! `stream_idle_timeout` is ended.

use crate::{
    metrics::{Metrics, OpenStream},
    status::{self, Reason, Refusal},
};
use guiju_model::Report;
use guiju_proto::{
    conformance::{
        CheckStreamHeader, CheckStreamRequest, CheckStreamResponse, Format, Progress, RecordReport,
        check_stream_request::Message as In, check_stream_response::Message as Out,
    },
    convert::ConvertError,
};
use guiju_validator::{CheckOptions, Validator};
use std::{
    io::{self, BufRead},
    sync::Arc,
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

const WAITING_IN: usize = 4;
const WAITING_OUT: usize = 16;
/// What one chunk holds at most, in bytes.
const CHUNK_BYTES_MAX: usize = 1 << 20;

type Answers = mpsc::Sender<Result<CheckStreamResponse, Status>>;

/// What a stream needs, from its beginning to its end.
pub struct Task {
    pub validator: Arc<Validator>,
    pub options: CheckOptions,
    pub format: Format,
    pub failing_only: bool,
    pub progress_records: u64,
    pub idle: Duration,
    pub metrics: Metrics,
    pub _open: OpenStream,
    pub _place: OwnedSemaphorePermit,
}

/// The next message, waited for no longer than `idle`.
pub async fn next(messages: &mut Streaming<CheckStreamRequest>, idle: Duration) -> Result<Option<In>, Status> {
    let message = match timeout(idle, messages.message()).await {
        Err(_) => return Err(Refusal::new(Reason::StreamIdle, format!("no message came for {idle:?}")).into()),
        Ok(message) => message.map_err(status::explained)?,
    };
    match message {
        None => Ok(None),
        Some(CheckStreamRequest { message: None }) => Err(out_of_order("a message is empty").into()),
        Some(CheckStreamRequest { message }) => Ok(message),
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
    pub fn start(
        self,
        mut messages: Streaming<CheckStreamRequest>,
    ) -> ReceiverStream<Result<CheckStreamResponse, Status>> {
        let (inbox, inbound) = mpsc::channel(WAITING_IN);
        let (answers, outbound) = mpsc::channel(WAITING_OUT);
        let idle = self.idle;
        tokio::spawn(async move {
            loop {
                let message = next(&mut messages, idle).await.transpose();
                let Some(message) = message else { return };
                let is_end = message.is_err();
                if inbox.send(message).await.is_err() || is_end {
                    return;
                }
            }
        });
        let handle = Handle::current();
        tokio::task::spawn_blocking(move || {
            Worker { task: self, answers, handle, counts: Progress::default() }.run(inbound)
        });
        ReceiverStream::new(outbound)
    }
}

/// Why a worker stops before the end.
enum Stop {
    /// The caller is to hear this.
    Refused(Box<Status>),
    /// The caller is gone, or does not read.
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

struct Worker {
    task: Task,
    answers: Answers,
    handle: Handle,
    counts: Progress,
}

impl Worker {
    fn run(mut self, mut inbound: mpsc::Receiver<Result<In, Status>>) {
        let ended = self.judge(&mut inbound).and_then(|()| {
            self.counts.is_final = true;
            self.answer(Out::Progress(self.counts))
        });
        if let Err(Stop::Refused(status)) = ended {
            let _ = self.send(Err(*status));
        }
    }

    fn judge(&mut self, inbound: &mut mpsc::Receiver<Result<In, Status>>) -> Result<(), Stop> {
        match inbound.blocking_recv().transpose()? {
            None => Ok(()),
            Some(In::Header(_)) => Err(out_of_order("a second header came").into()),
            Some(In::Record(record)) => self.judge_records(record, inbound),
            Some(In::Chunk(chunk)) => {
                let mut chunks = Chunks { inbound, chunk: Default::default(), bytes: 0, fault: None };
                chunks.take(chunk)?;
                self.judge_chunks(chunks)
            }
        }
    }

    fn judge_records(
        &mut self,
        first: prost::bytes::Bytes,
        inbound: &mut mpsc::Receiver<Result<In, Status>>,
    ) -> Result<(), Stop> {
        let mut record = first;
        loop {
            self.counts.bytes += record.len() as u64;
            let report = self.task.validator.check(&record, &self.task.options);
            self.take(report)?;
            record = match inbound.blocking_recv().transpose()? {
                None => return Ok(()),
                Some(In::Record(record)) => record,
                Some(In::Header(_)) => return Err(out_of_order("a second header came").into()),
                Some(In::Chunk(_)) => return Err(out_of_order("a chunk came after a record").into()),
            };
        }
    }

    fn judge_chunks(&mut self, chunks: Chunks<'_>) -> Result<(), Stop> {
        if !matches!(self.task.format, Format::Ndjson | Format::Unspecified) {
            return Err(Refusal::from(ConvertError::new(
                "header.format",
                "chunks of NDJSON are read, of no other format",
            ))
            .into());
        }
        let mut line = Vec::new();
        let mut chunks = io::BufReader::new(chunks);
        loop {
            line.clear();
            let read = chunks.read_until(b'\n', &mut line);
            self.counts.bytes = chunks.get_ref().bytes;
            if let Some(status) = chunks.get_mut().fault.take() {
                return Err(status.into());
            }
            if !matches!(read, Ok(1..)) {
                return Ok(());
            }
            let report = self.task.validator.check(&line, &self.task.options);
            self.take(report)?;
        }
    }

    /// Counts a report and tells it where it is wanted.
    fn take(&mut self, report: Report) -> Result<(), Stop> {
        let (index, is_clean) = (self.counts.records, report.errors + report.warnings + report.infos == 0);
        self.count(&report);
        if !(self.task.failing_only && is_clean) {
            self.answer(Out::Record(RecordReport { index, report: Some(report.into()) }))?;
        }
        match self.counts.records.is_multiple_of(self.task.progress_records) {
            true => self.answer(Out::Progress(self.counts)),
            false => Ok(()),
        }
    }

    fn count(&mut self, report: &Report) {
        self.task.metrics.checked(report);
        let counts = &mut self.counts;
        counts.records += 1;
        *if report.conforms() { &mut counts.conforming } else { &mut counts.failing } += 1;
        counts.errors += report.errors;
        counts.warnings += report.warnings;
        counts.infos += report.infos;
    }

    fn answer(&self, message: Out) -> Result<(), Stop> {
        self.send(Ok(CheckStreamResponse { message: Some(message) }))
    }

    /// Waits for the caller to read, but not for ever.
    fn send(&self, answer: Result<CheckStreamResponse, Status>) -> Result<(), Stop> {
        let answer = match self.answers.try_send(answer) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Stop::Unheard),
            Err(mpsc::error::TrySendError::Full(answer)) => answer,
        };
        match self.handle.block_on(timeout(self.task.idle, self.answers.send(answer))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Stop::Unheard),
            Err(_) => {
                tracing::info!(method = "CheckStream", "a stream was ended: its caller does not read");
                Err(Stop::Unheard)
            }
        }
    }
}

/// The chunks of a stream as one run of bytes. A fault of the stream reads as an error and is kept in `fault`.
struct Chunks<'a> {
    inbound: &'a mut mpsc::Receiver<Result<In, Status>>,
    chunk: prost::bytes::Bytes,
    bytes: u64,
    fault: Option<Status>,
}

impl Chunks<'_> {
    fn take(&mut self, chunk: prost::bytes::Bytes) -> Result<(), Refusal> {
        if chunk.len() > CHUNK_BYTES_MAX {
            return Err(ConvertError::new("chunk", format!("it holds more than {CHUNK_BYTES_MAX} bytes")).into());
        }
        self.bytes += chunk.len() as u64;
        self.chunk = chunk;
        Ok(())
    }

    /// Makes sure that there are bytes, unless the stream has ended.
    fn fill(&mut self) -> Result<(), Status> {
        while self.chunk.is_empty() {
            match self.inbound.blocking_recv().transpose()? {
                None => return Ok(()),
                Some(In::Chunk(chunk)) => self.take(chunk)?,
                Some(In::Header(_)) => return Err(out_of_order("a second header came").into()),
                Some(In::Record(_)) => return Err(out_of_order("a record came after a chunk").into()),
            }
        }
        Ok(())
    }
}

impl io::Read for Chunks<'_> {
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
