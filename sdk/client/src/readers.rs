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
    collections::BTreeMap,
    io::{self, Read},
    ops::ControlFlow,
    panic,
    sync::{Arc, Mutex, mpsc},
    thread,
};
use table::Table;

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
#[derive(Clone, Debug)]
pub enum Told {
    /// About the input as a whole: its encoding, its header.
    Input(Finding),
    Record(Checked),
}

/// One record and its report.
#[derive(Clone, Debug)]
pub struct Checked {
    /// From 0.
    pub index: u64,
    /// Physical line on which it begins, from 1.
    pub line: u64,
    /// Its bytes, in UTF-8, without the line end.
    pub source: Vec<u8>,
    /// The row of a table that it was; `None` where the source is JSON itself.
    pub row: Option<Row>,
    pub report: Report,
    /// Whether it could be read at all; a report of what could not is one finding.
    pub is_readable: bool,
}

impl Checked {
    /// The record in JSON, whatever it was read from; for a row that could not be read, nothing.
    pub fn json(&self) -> &[u8] {
        self.row.as_ref().map_or(&self.source, |row| &row.json)
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
    mut each: impl FnMut(Told) -> ControlFlow<()>,
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
    let table = match format {
        Format::Csv => match splitter.next()? {
            Some(header) => {
                let (table, findings) = Table::new(&header.bytes, validator);
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
    let judge = Judge { validator, table: table.as_ref(), options: &options.check };
    let jobs = match options.jobs {
        0 => thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs,
    };
    let mut tell = |checked: Checked| {
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

    fn take(&mut self, checked: &Checked) {
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
    tell: &mut impl FnMut(Checked) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let mut checker = judge.validator.checker();
    while let Some(raw) = splitter.next()? {
        if tell(judge.judge(&mut checker, raw)).is_break() {
            return Err(ReadError::Stopped);
        }
    }
    Ok(())
}

/// Records in one hand-over to a worker.
const BATCH_RECORDS: usize = 512;
const BATCH_BYTES: usize = 256 << 10;

/// Batches that are split and not yet told, for each worker. While one batch is slow, no more than these wait behind it.
const BATCHES_OPEN: usize = 4;

type Batch = (u64, Vec<Raw>);
type Judged = (u64, thread::Result<Vec<Checked>>);

/// One thread splits, the others judge, the caller's tells in order. Whoever is slow is waited for: a batch is split only
/// once it has a permit, and a permit comes back when a batch has been told.
fn together(
    splitter: &mut Splitter<impl Read + Send>,
    judge: &Judge<'_>,
    jobs: usize,
    tell: &mut impl FnMut(Checked) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let open = jobs * BATCHES_OPEN;
    let (permit, permits) = mpsc::sync_channel::<()>(open);
    (0..open).for_each(|_| permit.try_send(()).unwrap_or_default());
    let (give, take) = mpsc::sync_channel::<Batch>(jobs);
    // Held by the workers alone: when the last has ended, so does the splitter.
    let take = Arc::new(Mutex::new(take));
    let (done, results) = mpsc::sync_channel::<Judged>(jobs);
    thread::scope(|scope| {
        // Whichever way this ends, nobody is left waiting for a permit or for somebody to hand on to.
        let (permit, results) = (permit, results);
        let split = scope.spawn(move || batches(splitter, &permits, &give));
        for _ in 0..jobs {
            let (take, done) = (take.clone(), done.clone());
            scope.spawn(move || work(judge, &take, &done));
        }
        drop((take, done));
        let mut early: BTreeMap<u64, Vec<Checked>> = BTreeMap::new();
        let mut next = 0;
        for (number, batch) in &results {
            early.insert(number, batch.unwrap_or_else(|panic| panic::resume_unwind(panic)));
            while let Some(batch) = early.remove(&next) {
                next += 1;
                for checked in batch {
                    if tell(checked).is_break() {
                        return Err(ReadError::Stopped);
                    }
                }
                // All are out while the splitter is at its end.
                let _ = permit.try_send(());
            }
        }
        split.join().unwrap_or_else(|_| Err(io::Error::other("the reader stopped").into()))
    })
}

/// Judges batches until there are no more, or nobody wants them.
fn work(judge: &Judge<'_>, take: &Mutex<mpsc::Receiver<Batch>>, done: &mpsc::SyncSender<Judged>) {
    let mut checker = judge.validator.checker();
    loop {
        let next = take.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        let Ok((number, batch)) = next else { return };
        // A batch that never came would be waited for; so a panic goes to the caller as any other result.
        let checked = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            batch.into_iter().map(|raw| judge.judge(&mut checker, raw)).collect()
        }));
        let is_panic = checked.is_err();
        if done.send((number, checked)).is_err() || is_panic {
            return;
        }
    }
}

fn batches(
    splitter: &mut Splitter<impl Read>,
    permits: &mpsc::Receiver<()>,
    give: &mpsc::SyncSender<Batch>,
) -> Result<(), ReadError> {
    let (mut number, mut batch, mut bytes) = (0, Vec::new(), 0);
    loop {
        let next = splitter.next();
        let is_end = !matches!(next, Ok(Some(_)));
        let fault = match next {
            Ok(Some(raw)) => {
                bytes += raw.bytes.len();
                batch.push(raw);
                None
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if is_end || batch.len() == BATCH_RECORDS || bytes >= BATCH_BYTES {
            if permits.recv().is_err() || give.send((number, std::mem::take(&mut batch))).is_err() {
                return Ok(());
            }
            (number, bytes) = (number + 1, 0);
        }
        match (fault, is_end) {
            (Some(error), _) => return Err(error),
            (None, true) => return Ok(()),
            (None, false) => {}
        }
    }
}

struct Judge<'j> {
    validator: &'j Validator,
    table: Option<&'j Table>,
    options: &'j CheckOptions,
}

impl Judge<'_> {
    fn judge(&self, checker: &mut Checker<'_>, raw: Raw) -> Checked {
        let Raw { index, line, column, offset, bytes, fault } = raw;
        let (report, is_readable, row) = match (fault, self.table) {
            (Some(finding), _) => {
                let mut report = self.validator.empty_report();
                report.push(finding, self.options.findings_max);
                (report, false, None)
            }
            (None, Some(table)) => {
                let (report, is_readable, row) = table.check(&bytes, index, line, checker, self.options);
                (report, is_readable, Some(row))
            }
            (None, None) => {
                let mut report = checker.check(&bytes, self.options);
                report.findings.iter_mut().for_each(|finding| shift(finding, line, column, offset));
                let is_readable = !report.findings.iter().any(|finding| codes::is_unreadable(&finding.code));
                (report, is_readable, None)
            }
        };
        Checked { index, line, source: bytes, row, report, is_readable }
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
        each: impl FnMut(Told) -> ControlFlow<()>,
    ) -> Result<Totals, ReadError> {
        check(input, self.validator(), options, each)
    }
}
