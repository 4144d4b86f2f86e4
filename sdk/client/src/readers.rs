//! Records from bytes of any size: JSON, NDJSON, a JSON array, CSV; in UTF-8 or GB 18030; checked in parallel, told in order.
//!
//! # Invariants
//! - Memory is bounded by the record limit and the number of workers, whatever the input's size.
//! - Every record, row and blank line is counted once; nothing is skipped without a finding.
//! - The order and the content of what is told do not depend on the number of workers or on how the input arrives.

mod detect; // encoding and format, by content
mod split; // one record after another
mod table; // rows to records, findings back to cells
mod text; // UTF-8 from whatever came

pub use detect::Format;
pub use table::{Columns, Row};

use crate::Standard;
use guiju_model::{Finding, Place, Report};
use guiju_validator::{CheckOptions, Checker, Validator, codes};
use split::{Raw, Splitter};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, Read},
    ops::{ControlFlow, Range},
    panic,
    sync::{Arc, Mutex, mpsc},
    thread,
};
use table::{Cells, Found, Table};

/// How input is read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// None: found out from the first bytes.
    pub format: Option<Format>,
    /// Workers; 0: one for each core.
    pub jobs: usize,
    pub check: CheckOptions,
}

/// What is told while reading, in order.
#[derive(Debug)]
pub enum Told<'t> {
    /// About the input as a whole: its encoding, its header.
    Input(Finding),
    Record(Checked<'t>),
}

/// One record and its report.
#[derive(Clone, Debug)]
pub struct Checked<'t> {
    /// From 0.
    pub index: u64,
    /// Physical line on which it begins, from 1.
    pub line: u64,
    /// Its bytes, in UTF-8, without the line end.
    pub source: &'t [u8],
    /// The row of a table that it was; `None` where the source is JSON itself.
    pub row: Option<Row<'t>>,
    /// Borrowed where nothing was found.
    pub report: Cow<'t, Report>,
    /// Whether it could be read at all; a report of what could not is one finding.
    pub is_readable: bool,
}

impl Checked<'_> {
    /// The record in JSON, whatever it was read from; for a row that could not be read, nothing.
    pub fn json(&self) -> &[u8] {
        self.row.as_ref().map_or(self.source, |row| row.json)
    }
}

/// What was read in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub records: u64,
    pub conforming: u64,
    pub failing: u64,
    /// Of the failing, those that could not be read as records.
    pub unreadable: u64,
    pub blank_lines: u64,
    pub bytes: u64,
    pub errors: u64,
    pub warnings: u64,
    pub infos: u64,
}

/// Why reading stopped before the end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    #[error("the input ended early: {0}")]
    Io(#[from] io::Error),
    /// Nothing in it can be judged.
    #[error("{}", .0.message.en)]
    Refused(Box<Finding>),
    #[error("stopped as asked")]
    Stopped,
}

/// Checks everything in an input. `each` is called in order and may end it.
pub fn check(
    input: impl Read + Send,
    validator: &Validator,
    options: &ReadOptions,
    mut each: impl FnMut(Told<'_>) -> ControlFlow<()>,
) -> Result<Totals, ReadError> {
    let text::Opened { reader, format, findings } = text::open(input, options.format)?;
    let mut totals = Totals::default();
    for finding in findings {
        totals.count(&finding);
        if each(Told::Input(finding)).is_break() {
            return Err(ReadError::Stopped);
        }
    }
    let mut splitter = Splitter::new(reader, format, options.check.record_bytes_max);
    let mut header = Vec::new();
    let table = match format {
        Format::Csv => match splitter.next(&mut header)? {
            Some(raw) => {
                let (table, findings) = Table::new(&header[raw.bytes], validator);
                for finding in findings {
                    totals.count(&finding);
                    if each(Told::Input(finding)).is_break() {
                        return Err(ReadError::Stopped);
                    }
                }
                splitter.begin_rows();
                Some(table)
            }
            None => None,
        },
        _ => None,
    };
    let clean = validator.empty_report();
    let judge = Judge { validator, table: table.as_ref(), options: &options.check, clean: &clean };
    let jobs = match options.jobs {
        0 => thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs,
    };
    let mut tell = |checked: Checked<'_>| {
        totals.take(&checked);
        each(Told::Record(checked))
    };
    let ended = match jobs {
        1 => alone(&mut splitter, &judge, &mut tell),
        jobs => together(&mut splitter, &judge, jobs, &mut tell),
    };
    totals.blank_lines = splitter.blank_lines();
    totals.bytes = splitter.bytes();
    ended.map(|()| totals)
}

impl Totals {
    fn count(&mut self, finding: &Finding) {
        match finding.severity {
            guiju_model::Severity::Error => self.errors += 1,
            guiju_model::Severity::Warning => self.warnings += 1,
            guiju_model::Severity::Info => self.infos += 1,
        }
    }

    fn take(&mut self, checked: &Checked<'_>) {
        self.records += 1;
        self.errors += checked.report.errors;
        self.warnings += checked.report.warnings;
        self.infos += checked.report.infos;
        match checked.report.conforms() {
            true => self.conforming += 1,
            false => self.failing += 1,
        }
        self.unreadable += u64::from(!checked.is_readable);
    }
}

fn alone(
    splitter: &mut Splitter<impl Read>,
    judge: &Judge<'_>,
    tell: &mut impl FnMut(Checked<'_>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let (mut worker, mut batch) = (judge.worker(), Batch::default());
    while batch.split(splitter)? {
        worker.judge(&mut batch);
        if batch.tell(judge, tell).is_break() {
            return Err(ReadError::Stopped);
        }
        batch.clear();
    }
    Ok(())
}

/// Records in one hand-over to a worker.
const BATCH_RECORDS: usize = 2048;
const BATCH_BYTES: usize = 256 << 10;

/// Batches that are split and not yet told, for each worker. While one batch is slow, no more than these wait behind it.
const BATCHES_OPEN: usize = 4;

/// Records on their way, in buffers that are used again.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    raws: Vec<Raw>,
    /// Rows of a table as JSON.
    json: Vec<u8>,
    verdicts: Vec<Verdict>,
}

struct Verdict {
    /// None where nothing was found.
    report: Option<Box<Report>>,
    is_readable: bool,
    json: Range<usize>,
}

impl Batch {
    /// Takes in one record more; whether there was one.
    fn split(&mut self, splitter: &mut Splitter<impl Read>) -> Result<bool, ReadError> {
        let raw = splitter.next(&mut self.bytes)?;
        let is_one = raw.is_some();
        self.raws.extend(raw);
        Ok(is_one)
    }

    fn is_full(&self) -> bool {
        self.raws.len() == BATCH_RECORDS || self.bytes.len() >= BATCH_BYTES
    }

    fn tell(&mut self, judge: &Judge<'_>, tell: &mut impl FnMut(Checked<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        for (raw, Verdict { report, is_readable, json }) in self.raws.iter().zip(self.verdicts.drain(..)) {
            let row = judge.table.filter(|_| raw.fault.is_none());
            tell(Checked {
                index: raw.index,
                line: raw.line,
                source: &self.bytes[raw.bytes.clone()],
                row: row.map(|table| Row { json: &self.json[json], columns: table.columns() }),
                report: report.map_or(Cow::Borrowed(judge.clean), |report| Cow::Owned(*report)),
                is_readable,
            })?;
        }
        ControlFlow::Continue(())
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.raws.clear();
        self.json.clear();
        self.verdicts.clear();
    }
}

type Judged = (u64, thread::Result<Batch>);

/// One thread splits, the others judge, the caller's tells in order. Whoever is slow is waited for: a batch is split only
/// once there is a free one to fill, and one becomes free when it has been told.
fn together(
    splitter: &mut Splitter<impl Read + Send>,
    judge: &Judge<'_>,
    jobs: usize,
    tell: &mut impl FnMut(Checked<'_>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let open = jobs * BATCHES_OPEN;
    let (free, to_fill) = mpsc::sync_channel::<Batch>(open);
    (0..open).for_each(|_| free.try_send(Batch::default()).unwrap_or_default());
    let (give, take) = mpsc::sync_channel::<(u64, Batch)>(jobs);
    // Held by the workers alone: when the last has ended, so does the splitter.
    let take = Arc::new(Mutex::new(take));
    let (done, results) = mpsc::sync_channel::<Judged>(jobs);
    thread::scope(|scope| {
        // Whichever way this ends, nobody is left waiting for a batch to fill or for somebody to hand on to.
        let (free, results) = (free, results);
        let split = scope.spawn(move || batches(splitter, &to_fill, &give));
        for _ in 0..jobs {
            let (take, done) = (take.clone(), done.clone());
            scope.spawn(move || work(judge, &take, &done));
        }
        drop((take, done));
        let mut early: BTreeMap<u64, Batch> = BTreeMap::new();
        let mut next = 0;
        for (number, batch) in &results {
            early.insert(number, batch.unwrap_or_else(|panic| panic::resume_unwind(panic)));
            while let Some(mut batch) = early.remove(&next) {
                next += 1;
                if batch.tell(judge, tell).is_break() {
                    return Err(ReadError::Stopped);
                }
                batch.clear();
                // All are out while the splitter is at its end.
                let _ = free.try_send(batch);
            }
        }
        split.join().unwrap_or_else(|_| Err(io::Error::other("the reader stopped").into()))
    })
}

/// Judges batches until there are no more, or nobody wants them.
fn work(judge: &Judge<'_>, take: &Mutex<mpsc::Receiver<(u64, Batch)>>, done: &mpsc::SyncSender<Judged>) {
    let mut worker = judge.worker();
    loop {
        let next = take.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        let Ok((number, mut batch)) = next else { return };
        // A batch that never came would be waited for; so a panic goes to the caller as any other result.
        let judged = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            worker.judge(&mut batch);
            batch
        }));
        let is_panic = judged.is_err();
        if done.send((number, judged)).is_err() || is_panic {
            return;
        }
    }
}

fn batches(
    splitter: &mut Splitter<impl Read>,
    to_fill: &mpsc::Receiver<Batch>,
    give: &mpsc::SyncSender<(u64, Batch)>,
) -> Result<(), ReadError> {
    for number in 0.. {
        let Ok(mut batch) = to_fill.recv() else { return Ok(()) };
        let more = loop {
            match batch.split(splitter) {
                Ok(true) if batch.is_full() => break Ok(true),
                Ok(true) => {}
                ended => break ended,
            }
        };
        // What stands before a fault is told, too.
        if give.send((number, batch)).is_err() || !more? {
            break;
        }
    }
    Ok(())
}

struct Judge<'j> {
    validator: &'j Validator,
    table: Option<&'j Table>,
    options: &'j CheckOptions,
    /// The report on a record in which nothing was found.
    clean: &'j Report,
}

/// One who judges, with what is kept from record to record.
struct Worker<'j> {
    judge: &'j Judge<'j>,
    checker: Checker<'j>,
    cells: Cells,
}

impl<'j> Judge<'j> {
    fn worker(&'j self) -> Worker<'j> {
        Worker { judge: self, checker: self.validator.checker(), cells: Cells::default() }
    }
}

impl Worker<'_> {
    fn judge(&mut self, batch: &mut Batch) {
        let Batch { bytes, raws, json, verdicts } = batch;
        for raw in raws {
            let from = json.len();
            let (report, is_readable) = self.judge_one(raw, &bytes[raw.bytes.clone()], json);
            verdicts.push(Verdict { report: report.map(Box::new), is_readable, json: from..json.len() });
        }
    }

    fn judge_one(&mut self, raw: &Raw, bytes: &[u8], json: &mut Vec<u8>) -> Found {
        let Judge { validator, table, options, .. } = *self.judge;
        match (&raw.fault, table) {
            (Some(finding), _) => {
                let mut report = validator.empty_report();
                report.push(finding.clone(), options.findings_max);
                (Some(report), false)
            }
            (None, Some(table)) => {
                table.check(bytes, (raw.index, raw.line), &mut self.checker, options, &mut self.cells, json)
            }
            (None, None) => {
                let Some(mut report) = self.checker.tell(bytes, options) else { return (None, true) };
                report.findings.iter_mut().for_each(|finding| shift(finding, raw.line, raw.column, raw.offset));
                let is_readable = !report.findings.iter().any(|finding| codes::is_unreadable(&finding.code));
                (Some(report), is_readable)
            }
        }
    }
}

/// From a place in the record to one in the input.
fn shift(finding: &mut Finding, first_line: u64, first_column: u64, first_offset: u64) {
    match &mut finding.place {
        Some(Place::Text { line, column, offset }) => {
            if *line == 1 {
                *column += first_column - 1;
            }
            *line += first_line - 1;
            *offset += first_offset;
        }
        Some(Place::Cell { .. }) => {}
        None => finding.place = Some(Place::Text { line: first_line, column: first_column, offset: first_offset }),
    }
}

impl Standard {
    /// Checks everything in an input.
    pub fn check_reader(
        &self,
        input: impl Read + Send,
        options: &ReadOptions,
        each: impl FnMut(Told<'_>) -> ControlFlow<()>,
    ) -> Result<Totals, ReadError> {
        check(input, self.validator(), options, each)
    }
}
