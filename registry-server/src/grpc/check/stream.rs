//! One stream of records to check.
//!
//! One task takes messages, judges what they hold and tells what it found, each waiting for the other: a caller who does not read
//! stops the judge, and a judge who is stopped closes HTTP/2's window. To wake a thread costs more than to judge a few records,
//! so this happens where the messages arrive, as long as others get their turn there; see [`aside`](super::aside).
//!
//! # Limits
//! In memory are one batch of records, or of chunks with what of them is not judged yet, some answers, and the stream's [`Answers`]. A
//! stream that stands still for `stream_idle_timeout` is ended.

use super::{
    aside::{self, Aside, Turn},
    inbox::{Chunks, First, Inbox, Records},
};
use crate::{
    gate::Holder,
    grpc::answers::{Answers, Teller, Unheard, answers},
    limits::Place,
    metrics::{Metrics, OpenStream},
    sequencer::Sequencer,
    status::{Reason, Refusal},
};
use guiju::{
    readers::{self, Hear, ReadError, ReadOptions, Reported, Told},
    receipt::{Counts, Receipt},
};
use guiju_model::{Date, Digesting, Ending, Finding, Report, Severity};
use guiju_proto::conformance::{
    CheckStreamRequest, CheckStreamResponse, Progress, RecordReport, check_stream_response::Message as Out,
};
use guiju_validator::{ABREAST, Validator, codes};
use std::{
    future::poll_fn,
    ops::{ControlFlow, Range},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::spawn_blocking};
use tonic::{Status, Streaming};

/// Answers that are told at once: to wake who writes them costs more than to judge a record.
const TOGETHER: usize = 8;
/// How long they wait for each other.
const SOON: Duration = Duration::from_millis(5);

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

impl Task {
    /// `let_go` completes where the stream may not go on; `open` has another end as long as the server does.
    pub fn start(
        self,
        messages: Streaming<CheckStreamRequest>,
        let_go: impl Future<Output = Status> + Send + 'static,
        open: watch::Receiver<bool>,
    ) -> Answers<CheckStreamResponse> {
        let inbox = Inbox::new(messages, self.idle);
        let (teller, outbound) = answers(self.idle);
        let due_at = if self.progress_records == 0 { u64::MAX } else { self.progress_records };
        let (answers, since, counts, measured) = Default::default();
        let (turn, aside) = (Turn::begin(), Aside::default());
        let worker =
            Worker { task: self, teller, answers, since, counts, measured, due_at, turn, aside: aside.clone() };
        tokio::spawn(aside::run(worker.run(inbox, let_go), aside, open));
        outbound
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

struct Worker {
    /// Before the teller: its place is free when the caller hears the end.
    task: Task,
    teller: Teller<CheckStreamResponse>,
    /// What is told next.
    answers: Vec<CheckStreamResponse>,
    /// When the first of it came.
    since: Option<Instant>,
    counts: Progress,
    /// What of the counts the metrics know.
    measured: Progress,
    /// Records after which the caller hears how far it is.
    due_at: u64,
    turn: Turn,
    aside: Aside,
}

/// Records after which the metrics hear of them.
const MEASURED_RECORDS: u64 = 1024;

/// Bytes after which it is looked whether an answer has waited for others too long, or another task.
const PAUSE_BYTES: usize = 8 << 10;

impl Worker {
    async fn run(mut self, mut inbox: Inbox, let_go: impl Future<Output = Status>) {
        let ended = tokio::select! {
            biased;
            // Whatever it waits for: one who reads slowly is told no more either.
            status = let_go => Err(status.into()),
            ended = self.work(&mut inbox) => ended,
        };
        self.measure();
        match ended {
            Ok(()) => self.teller.done(),
            Err(Stop::Refused(status)) => self.teller.refuse(*status),
            Err(Stop::Unheard) => {}
        }
    }

    async fn work(&mut self, inbox: &mut Inbox) -> Result<(), Stop> {
        let mut ended = self.judge(inbox).await;
        if ended.is_ok() {
            ended = self.end().await;
        }
        if let Err(Stop::Refused(_)) = ended {
            // What was found before.
            self.tell().await?;
        }
        ended
    }

    async fn end(&mut self) -> Result<(), Stop> {
        self.counts.is_final = true;
        let receipt = match self.task.promise.take() {
            None => String::new(),
            Some(promise) => {
                let (validator, counts) = (self.task.validator.clone(), self.counts);
                let reference_date = self.task.read.check.reference_date;
                let kept = move || promise.kept(&validator, &counts, reference_date);
                match self.aside.is() {
                    // To wait for another thread, who holds one, is to wait for ever where all do.
                    true => kept()?,
                    false => spawn_blocking(kept).await.map_err(|error| Refusal::new(Reason::Internal, error))??,
                }
            }
        };
        let (message, ending) = (Some(Out::Progress(self.counts)), self.task.ending.take().map(Into::into));
        self.answers.push(CheckStreamResponse { message, receipt, ending });
        self.tell().await
    }

    /// Tells the answers there are.
    async fn tell(&mut self) -> Result<(), Stop> {
        self.since = None;
        for answer in self.answers.drain(..) {
            self.teller.tell(answer).await?;
        }
        Ok(())
    }

    async fn judge(&mut self, inbox: &mut Inbox) -> Result<(), Stop> {
        match inbox.first().await? {
            First::Nothing => Ok(()),
            First::Record(record) => self.judge_records(&record, inbox).await,
            First::Chunk(chunk) => {
                let seen = self.task.promise.as_ref().map(|promise| promise.seen.clone());
                self.judge_chunks(Chunks::new(inbox, chunk, seen, self.aside.clone())?).await
            }
        }
    }

    async fn judge_records(&mut self, first: &[u8], inbox: &mut Inbox) -> Result<(), Stop> {
        let (validator, options) = (self.task.validator.clone(), self.task.read.check.clone());
        let (mut checker, clean, mut records) = (validator.checker(), validator.empty_report(), Records::default());
        records.push(first);
        while inbox.take(&mut records).await? {
            if let Some(promise) = &mut self.task.promise {
                promise.seen.take(records.text());
            }
            if records.is_any_long() {
                poll_fn(|context| self.aside.poll(context)).await;
            }
            records.close();
            let (mut at, mut paused, text) = (0, 0, records.text());
            while at < records.len() {
                let (places, count) = records.group(at);
                if count == ABREAST {
                    checker.tell_abreast(text, &places, &options, |of, report, _| {
                        self.take_record(&places[of], report, &clean);
                    });
                } else {
                    for place in &places[..count] {
                        self.take_record(place, checker.tell_within(text, place.clone(), &options), &clean);
                    }
                }
                at += count;
                let passed = places[count - 1].end;
                let is_pause = passed - paused >= PAUSE_BYTES;
                if is_pause {
                    paused = passed;
                    self.turn.end_if_long().await;
                }
                let is_overdue = || self.since.is_some_and(|since| since.elapsed() > SOON);
                if self.answers.len() >= TOGETHER || is_pause && is_overdue() {
                    self.tell().await?;
                }
            }
            // What comes next may be long in coming.
            self.tell().await?;
            records.clear();
        }
        Ok(())
    }

    #[inline]
    fn take_record(&mut self, place: &Range<usize>, report: Option<Box<Report>>, clean: &Report) {
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

    async fn judge_chunks(&mut self, mut chunks: Chunks<'_>) -> Result<(), Stop> {
        let validator = self.task.validator.clone();
        let read = ReadOptions { counts_clean: self.task.failing_only, ..self.task.read.clone() };
        let bytes = chunks.bytes();
        let mut stop = None;
        let hearer = Hearer { worker: self, bytes: bytes.clone(), stop: &mut stop };
        let ended = readers::check_async(&mut chunks, &validator, &read, hearer).await;
        if ended.is_ok() {
            chunks.take_rest().await?;
        }
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
    fn take_input(&mut self, finding: Finding) {
        *match finding.severity {
            Severity::Error => &mut self.counts.errors,
            Severity::Warning => &mut self.counts.warnings,
            Severity::Info => &mut self.counts.infos,
        } += 1;
        self.answer(Out::Input(finding.into()));
    }

    /// Counts a report and tells it where it is wanted.
    fn take(&mut self, report: Reported<'_>, is_readable: bool) {
        if let Some(promise) = &mut self.task.promise {
            promise.unreadable += u64::from(!is_readable);
        }
        let (index, is_clean) = (self.counts.records, report.errors + report.warnings + report.infos == 0);
        self.count(&report);
        if !(self.task.failing_only && is_clean) {
            self.answer(Out::Record(RecordReport { index, report: Some(report.into_owned().into()) }));
        }
        self.keep_up();
    }

    /// Counts a record in which nothing was found.
    #[inline]
    fn pass(&mut self) {
        self.counts.records += 1;
        self.counts.conforming += 1;
        self.keep_up();
    }

    /// What is due after so many records.
    #[inline]
    fn keep_up(&mut self) {
        if self.counts.records >= self.due_at {
            self.due_at = self.due_at.saturating_add(self.task.progress_records);
            self.answer(Out::Progress(self.counts));
        }
        if self.counts.records - self.measured.records >= MEASURED_RECORDS {
            self.measure();
        }
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

    fn answer(&mut self, message: Out) {
        self.since.get_or_insert_with(Instant::now);
        self.answers.push(CheckStreamResponse { message: Some(message), ..Default::default() });
    }
}

/// Hears what is read in chunks.
struct Hearer<'w> {
    worker: &'w mut Worker,
    bytes: Arc<AtomicU64>,
    stop: &'w mut Option<Stop>,
}

impl Hear for Hearer<'_> {
    fn hear(&mut self, told: Told<'_>) -> ControlFlow<()> {
        self.worker.counts.bytes = self.bytes.load(Ordering::Relaxed);
        match told {
            Told::Input(finding) => self.worker.take_input(finding),
            Told::Clean(records) => (0..records).for_each(|_| self.worker.pass()),
            Told::Record(checked) => self.worker.take(checked.report, checked.is_readable),
        }
        ControlFlow::Continue(())
    }

    async fn ready(&mut self) -> ControlFlow<()> {
        self.worker.turn.end_if_long().await;
        match self.worker.tell().await {
            Ok(()) => ControlFlow::Continue(()),
            Err(stop) => {
                *self.stop = Some(stop);
                ControlFlow::Break(())
            }
        }
    }
}
