//! Records from bytes of any size: JSON, NDJSON, a JSON array, CSV; in UTF-8 or GB 18030; checked in parallel, told in order.
//!
//! # Invariants
//! - Memory is bounded by the record limit and the number of workers, whatever the input's size.
//! - Every record, row and blank line is counted once; nothing is skipped without a finding.
//! - The order and the content of what is told do not depend on the number of workers or on how the input arrives.

mod detect; // encoding and format, by content
mod lines; // lines and rows, a block at a time
mod split; // items of an array, one after another
mod table; // rows to records, findings back to cells
mod text; // UTF-8 from whatever came

pub use detect::{Encoding, Format};
pub use table::{Columns, Row};

use crate::Standard;
use futures_io::AsyncRead;
use guiju_model::{Finding, Place, Report};
use guiju_validator::{
    ABREAST, CheckOptions, Checker, Members, Validator, codes,
    dataset::{Scope, Share, Shares},
};
use lines::{Block, Blocks, DELIMITERS, Form};
use split::{Fault, Piece, Raw, Splitter, Start};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    future::ready,
    io::{self, Read},
    ops::{ControlFlow, Deref},
    panic,
    pin::{Pin, pin},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    task::{Context, Poll, Waker},
    thread,
};
use table::{Cells, Table};
use text::Reader;

/// How input is read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// None: found out from the first bytes.
    pub format: Option<Format>,
    /// None: found out from the first bytes beyond ASCII.
    pub encoding: Option<Encoding>,
    /// Workers; 0: one for each core.
    pub jobs: usize,
    /// Whether no read has to be waited for, as of a file on a disk: who calls is one of the workers then.
    pub never_waits: bool,
    /// Whether each record that could be read comes with what the standard's rules between records keep of it, and which of them.
    pub shares: Option<Scope>,
    /// Records in which nothing was found are told by their number, many at once; not where there are shares of them.
    pub counts_clean: bool,
    pub check: CheckOptions,
}

/// What is told while reading, in order.
#[allow(clippy::large_enum_variant, reason = "it is told, and kept nowhere; nearly all are records")]
#[derive(Debug)]
pub enum Told<'t> {
    /// About the input as a whole: its encoding, its header, what stands in an array beside its records. Where it is ASCII to begin
    /// with, its encoding is told at the end. Of a header as many faults of one kind are told as of a record; the first says in its
    /// suggestion how many more there are.
    Input(Finding),
    Record(Checked<'t>),
    /// So many records, one behind another, in which nothing was found; only where that was asked for.
    Clean(u64),
}

/// One record and its report.
#[derive(Debug)]
pub struct Checked<'t> {
    /// From 0.
    pub index: u64,
    /// Physical line on which it begins, from 1.
    pub line: u64,
    /// Characters into that line, from 1.
    pub column: u64,
    /// Bytes of the input before it, in UTF-8 and without a byte order mark.
    pub offset: u64,
    /// Its bytes, in UTF-8, without the line end.
    pub source: &'t [u8],
    /// The row of a table that it was; `None` where the source is JSON itself.
    pub row: Option<Row<'t>>,
    pub report: Reported<'t>,
    /// Whether it could be read at all; a report of what could not is one finding.
    pub is_readable: bool,
    /// What rules between records keep of it; nothing where that was not asked for, or the record could not be read.
    pub share: Share<'t>,
}

/// The report on a record; where nothing was found, the one that all such records have. As small as can be, since it goes through
/// many hands.
#[derive(Debug)]
pub struct Reported<'t> {
    clean: &'t Report,
    found: Option<Held<'t>>,
}

/// A report in which something was found. Whoever judges lends his, and makes room for the next where he made it: for memory
/// that one thread takes and another gives back, they wait for each other.
#[derive(Debug)]
enum Held<'t> {
    Own(Box<Report>),
    Lent(&'t mut Report),
}

impl<'t> Reported<'t> {
    /// What was found, or else that report without findings.
    pub fn new(found: Option<Box<Report>>, clean: &'t Report) -> Self {
        Self { clean, found: found.map(Held::Own) }
    }

    pub fn is_clean(&self) -> bool {
        self.found.is_none()
    }

    pub fn to_mut(&mut self) -> &mut Report {
        match self.found.get_or_insert_with(|| Held::Own(Box::new(self.clean.clone()))) {
            Held::Own(report) => report,
            Held::Lent(report) => report,
        }
    }

    pub fn into_owned(self) -> Report {
        match self.found {
            None => self.clean.clone(),
            Some(Held::Own(report)) => *report,
            Some(Held::Lent(report)) => std::mem::replace(report, self.clean.clone()),
        }
    }
}

impl Deref for Reported<'_> {
    type Target = Report;

    fn deref(&self) -> &Report {
        match &self.found {
            None => self.clean,
            Some(Held::Own(report)) => report,
            Some(Held::Lent(report)) => report,
        }
    }
}

impl Checked<'_> {
    /// The record in JSON, whatever it was read from; for a row that could not be read, nothing. Made anew for each call of a row.
    pub fn json(&self) -> Cow<'_, [u8]> {
        self.row.as_ref().map_or(Cow::Borrowed(self.source), |row| Cow::Owned(row.json()))
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

/// How the records of an input follow each other, by its first 64 KiB, or somewhat more.
pub fn format_of(input: impl Read, options: &ReadOptions) -> Result<Format, ReadError> {
    Ok(now(text::open(Blocking(input), None, options))?.format)
}

/// Checks everything in an input. `each` is called in order and may end it.
pub fn check(
    input: impl Read + Send,
    validator: &Validator,
    options: &ReadOptions,
    each: impl FnMut(Told<'_>) -> ControlFlow<()>,
) -> Result<Totals, ReadError> {
    let opened = now(text::open(Blocking(input), None, options))?;
    now(check_opened(opened, validator, options, options.never_waits, each))
}

/// The same of an input that comes in its own time, without a thread to wait for it: one worker, in the task that asks, whatever
/// the options say of workers. What is there is judged at once; while nothing is, other tasks have their turn, as they have
/// wherever `hearer` makes this one wait.
pub async fn check_async(
    input: impl AsyncRead + Unpin + Send,
    validator: &Validator,
    options: &ReadOptions,
    hearer: impl Hear,
) -> Result<Totals, ReadError> {
    let options = ReadOptions { jobs: 1, never_waits: false, ..options.clone() };
    let opened = text::open(input, None, &options).await?;
    check_opened(opened, validator, &options, false, hearer).await
}

/// Who is told of what is read, in order, and may end it.
pub trait Hear {
    fn hear(&mut self, told: Told<'_>) -> ControlFlow<()>;

    /// Completes when more can be told; asked for after every few findings, or some hundred records, that were told.
    fn ready(&mut self) -> impl Future<Output = ControlFlow<()>> + Send {
        ready(ControlFlow::Continue(()))
    }
}

impl<E: FnMut(Told<'_>) -> ControlFlow<()>> Hear for E {
    fn hear(&mut self, told: Told<'_>) -> ControlFlow<()> {
        self(told)
    }
}

/// An input of which each read waits by itself.
struct Blocking<R>(R);

// What is read is not pinned.
impl<R> Unpin for Blocking<R> {}

impl<R: Read> AsyncRead for Blocking<R> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.read(into))
    }
}

/// What comes of something that makes nobody wait, as where the input is [`Blocking`].
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::yield_now(),
        }
    }
}

/// The same of an input that is in memory: lines and rows in UTF-8 are judged where they stand.
pub fn check_bytes(
    input: &[u8],
    validator: &Validator,
    options: &ReadOptions,
    each: impl FnMut(Told<'_>) -> ControlFlow<()>,
) -> Result<Totals, ReadError> {
    let opened = now(text::open(Blocking(input), Some(input), options))?;
    now(check_opened(opened, validator, options, true, each))
}

async fn check_opened(
    text::Opened { reader, whole, format, findings, encoding }: text::Opened<'_, impl AsyncRead + Unpin + Send>,
    validator: &Validator,
    options: &ReadOptions,
    never_waits: bool,
    mut each: impl Hear,
) -> Result<Totals, ReadError> {
    let mut totals = Totals::default();
    let mut hearer = Hearer { totals: &mut totals, each: &mut each };
    hearer.tell_all(findings).await?;
    let delimiters: &[u8] = if format == Format::Csv { &DELIMITERS } else { &[] };
    let mut form = Form { delimiters, limit: options.check.record_bytes_max };
    let mut source = match format {
        Format::Ndjson | Format::Csv => Source::Lines(Blocks::new(reader, whole, form)),
        Format::Json | Format::JsonArray => {
            Source::Items(Box::new(Splitter::new(reader, format == Format::JsonArray, form.limit)))
        }
    };
    // Lines are counted as blocks are told; items know theirs.
    let mut base = Base { index: 0, line: u64::from(matches!(source, Source::Lines(_))), blank_lines: 0 };
    let table = match (format, &mut source) {
        (Format::Csv, Source::Lines(blocks)) => match header(blocks, form, &mut base).await? {
            Some(Header { text, line, offset }) => {
                let most = options.check.findings_max;
                let read = Table::new(&text, (line, offset), validator, encoding.clone(), most);
                let (table, findings) = read.map_err(ReadError::Refused)?;
                form.delimiters = table.delimiters();
                blocks.take_form(form);
                hearer.tell_all(findings).await?;
                Some(table)
            }
            None => None,
        },
        _ => None,
    };
    let clean = validator.empty_report();
    let shares = options.shares.filter(|_| !validator.data_set_rules().is_empty());
    let judge = Judge {
        validator,
        table: table.as_ref(),
        options: &options.check,
        shares,
        counts_clean: options.counts_clean && shares.is_none(),
        never_waits,
        form,
        clean: &clean,
        encoding: &encoding,
    };
    let jobs = match options.jobs {
        0 => thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs,
    };
    let read = match jobs {
        1 => alone(&mut source, &judge, &mut base, &mut hearer).await,
        jobs => first_then_together(&mut source, &judge, jobs, &mut base, &mut hearer),
    };
    // How bytes came decides whether some behind an array were looked at, so what these are in is not told.
    let late = encoding.late_finding(source.bytes());
    if let Some(finding) = late.filter(|_| !matches!(read, Err(ReadError::Stopped))) {
        hearer.tell_all(vec![finding]).await?;
    }
    read?;
    totals.blank_lines = base.blank_lines;
    totals.bytes = source.bytes();
    Ok(totals)
}

/// The first row that holds anything.
struct Header {
    text: Vec<u8>,
    line: u64,
    offset: u64,
}

async fn header(
    blocks: &mut Blocks<'_, impl Reader>,
    form: Form,
    base: &mut Base,
) -> Result<Option<Header>, ReadError> {
    let (mut block, mut raws, mut faults) = (Block::default(), Vec::new(), Vec::new());
    while blocks.first(&mut block).await? {
        block.split(form, 1, &mut raws, &mut faults);
        let first_line = base.line;
        base.pass(&block);
        let Some(raw) = raws.pop() else { continue };
        let Start { line, column, offset } = block.start(&raw);
        let line = first_line + line;
        return match faults.pop() {
            None => Ok(Some(Header { text: block.bytes()[raw.bytes].to_vec(), line, offset })),
            Some((_, fault)) => {
                let mut fault = fault.finding(form.limit);
                match &mut fault.place {
                    Some(Place::Text { line, .. }) => *line += first_line,
                    place => *place = Some(Place::Text { line, column, offset }),
                }
                Err(ReadError::Refused(Box::new(fault)))
            }
        };
    }
    Ok(None)
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

/// Who is told of everything in order, and what was told so far.
struct Hearer<'h, E> {
    totals: &'h mut Totals,
    each: &'h mut E,
}

impl<E: Hear> Hearer<'_, E> {
    /// Tells what is found about the input, no faster than it is heard.
    async fn tell_all(&mut self, findings: Vec<Finding>) -> Result<(), ReadError> {
        for (told, finding) in findings.into_iter().enumerate() {
            let is_due = (told + 1).is_multiple_of(TOLD_FINDINGS);
            if self.tell(Told::Input(finding)).is_break() || is_due && self.each.ready().await.is_break() {
                return Err(ReadError::Stopped);
            }
        }
        Ok(())
    }

    /// Inlined, since to hand a record on takes as long as to judge a short one.
    #[inline(always)]
    fn tell(&mut self, told: Told<'_>) -> ControlFlow<()> {
        match &told {
            Told::Input(finding) => self.totals.count(finding),
            Told::Record(checked) => self.totals.take(checked),
            Told::Clean(records) => {
                self.totals.records += records;
                self.totals.conforming += records;
            }
        }
        self.each.hear(told)
    }
}

/// Where records come from.
enum Source<'i, R> {
    Lines(Blocks<'i, R>),
    Items(Box<Splitter<R>>),
}

impl<'i, R: Reader> Source<'i, R> {
    /// Fills a batch with what comes next, eagerly with as little as there is; whether there was anything.
    async fn next(&mut self, batch: &mut Batch<'i>, is_eager: bool) -> Result<bool, ReadError> {
        batch.clear();
        let splitter = match self {
            Self::Lines(blocks) => return blocks.next(&mut batch.block, is_eager).await,
            Self::Items(splitter) => splitter,
        };
        let mut count = 0;
        while !(count == BATCH_RECORDS || batch.items.len() >= BATCH_BYTES || is_eager && count > 0) {
            match splitter.next(&mut batch.items).await {
                Ok(Some(Piece::Record(start, bytes, fault))) => {
                    batch.faults.extend(fault.map(|fault| (batch.raws.len(), fault)));
                    batch.raws.push(Raw { line: start.line, bytes });
                    batch.starts.push(start);
                    // A number ends where it does only if something else stands behind it.
                    batch.items.push(b'\n');
                }
                Ok(Some(Piece::Fault(finding))) => batch.beside.push((batch.raws.len(), *finding)),
                Ok(None) => break,
                // What stands before a fault is told, too.
                Err(error) if count > 0 => {
                    splitter.put_off(error);
                    break;
                }
                Err(error) => return Err(error),
            }
            count += 1;
        }
        Ok(count > 0)
    }

    /// Whether it is known that nothing comes any more.
    fn is_over(&self) -> bool {
        match self {
            Self::Lines(blocks) => blocks.is_over(),
            Self::Items(splitter) => splitter.is_over(),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Lines(blocks) => blocks.bytes(),
            Self::Items(splitter) => splitter.bytes(),
        }
    }
}

/// Lines of a batch that are known at a time: of a block of short ones, the others are found when these have been told.
const BATCH_LINES: usize = 1 << 16;
/// Items in one batch.
const BATCH_RECORDS: usize = 2048;
const BATCH_BYTES: usize = 256 << 10;
/// Findings that a batch may hold: once there are more, the rest of it is judged when these have been told.
const BATCH_FINDINGS: usize = 1 << 14;
/// The same where who judges tells, and gathers nothing for another: so few that the memory which reports take is that of those
/// told just before.
const TOLD_FINDINGS: usize = 12;
/// Records that are told without a pause, if a few more at times.
const TOLD_RECORDS: usize = 128;
/// Batches under way, for each worker. While one is slow, no more than these wait behind it.
const BATCHES_OPEN: usize = 4;

/// Records on their way, in buffers that are used again.
#[derive(Default)]
struct Batch<'i> {
    /// The worker who fills it.
    owner: usize,
    /// Lines, if that is what it holds.
    block: Block<'i>,
    /// Items, if it holds these.
    items: Vec<u8>,
    raws: Vec<Raw>,
    /// Where items begin.
    starts: Vec<Start>,
    /// Those which cannot be read, in order, and why.
    faults: Vec<(usize, Fault)>,
    /// What is wrong beside the items, and before which of them.
    beside: Vec<(usize, Finding)>,
    judged: usize,
    told: usize,
    /// Of those judged last in which anything was found, in order.
    found: Vec<Found>,
    /// Of all that were judged, where shares are asked for.
    shares: Shares,
}

/// Those of the records from a place on.
fn faults_from(faults: &[(usize, Fault)], at: usize) -> &[(usize, Fault)] {
    &faults[faults.partition_point(|(of, _)| *of < at)..]
}

/// What was found in a record of a batch. Its lines and rows count from the batch's first.
struct Found {
    at: usize,
    report: Box<Report>,
    is_readable: bool,
}

/// What the batches before hold.
struct Base {
    index: u64,
    line: u64,
    blank_lines: u64,
}

impl Base {
    fn pass(&mut self, block: &Block<'_>) {
        self.line += block.lines;
        self.blank_lines += block.blank_lines;
    }

    fn shift(&self, finding: &mut Finding) {
        match &mut finding.place {
            Some(Place::Text { line, .. }) => *line += self.line,
            Some(Place::Cell { line, row, .. }) => {
                *line += self.line;
                *row += self.index;
            }
            None => {}
        }
    }
}

impl Batch<'_> {
    fn bytes(&self) -> &[u8] {
        if self.items.is_empty() { self.block.bytes() } else { &self.items }
    }

    /// The same, and what else is in the buffer behind them.
    fn with_room(&self) -> &[u8] {
        if self.items.is_empty() { self.block.with_room() } else { &self.items }
    }

    fn start(&self, at: usize) -> Start {
        self.starts.get(at).copied().unwrap_or_else(|| self.block.start(&self.raws[at]))
    }

    fn is_judged(&self) -> bool {
        self.block.is_split() && self.judged == self.raws.len()
    }

    fn is_told(&self) -> bool {
        self.is_judged() && self.told == self.judged && self.beside.is_empty()
    }

    /// Tells what was judged and is not yet told.
    fn tell(&mut self, judge: &Judge<'_>, base: &Base, hearer: &mut Hearer<'_, impl Hear>) -> ControlFlow<()> {
        let mut found = std::mem::take(&mut self.found);
        let mut next = found.iter_mut().peekable();
        let due = self.beside.iter().take_while(|(before, _)| self.is_judged() || *before < self.judged).count();
        let mut beside = self.beside.drain(..due).collect::<Vec<_>>().into_iter().peekable();
        let mut at = std::mem::replace(&mut self.told, self.judged);
        let mut faults = faults_from(&self.faults, at).iter().map(|(of, _)| *of).peekable();
        loop {
            while let Some((_, finding)) = beside.next_if(|(before, _)| *before <= at) {
                hearer.tell(Told::Input(finding))?;
            }
            if at == self.judged {
                break;
            }
            if judge.counts_clean {
                let until = next.peek().map_or(self.judged, |found| found.at);
                let until = beside.peek().map_or(until, |(before, _)| until.min(*before));
                if until > at {
                    hearer.tell(Told::Clean((until - at) as u64))?;
                    at = until;
                    continue;
                }
            }
            let raw = &self.raws[at];
            let source = &self.bytes()[raw.bytes.clone()];
            let (found, is_readable) = match next.next_if(|found| found.at == at) {
                None => (None, true),
                Some(Found { report, is_readable, .. }) => {
                    report.findings.iter_mut().for_each(|finding| base.shift(finding));
                    (Some(Held::Lent(report)), *is_readable)
                }
            };
            let report = Reported { clean: judge.clean, found };
            let is_row = faults.next_if_eq(&at).is_none();
            let row = judge.table.filter(|_| is_row).map(|table| table.row(source, is_readable));
            let Start { line, column, offset } = self.start(at);
            let (index, line) = (base.index + at as u64, base.line + line);
            let share = self.shares.get(at);
            hearer.tell(Told::Record(Checked {
                index,
                line,
                column,
                offset,
                source,
                row,
                report,
                is_readable,
                share,
            }))?;
            at += 1;
        }
        self.found = found;
        ControlFlow::Continue(())
    }

    fn clear(&mut self) {
        self.items.clear();
        self.beside.clear();
        self.forget_told();
    }

    /// Makes room for the lines that follow; how many records there were.
    fn forget_told(&mut self) -> u64 {
        let count = self.raws.len() as u64;
        self.raws.clear();
        self.starts.clear();
        self.faults.clear();
        self.found.clear();
        self.shares.clear();
        (self.judged, self.told) = (0, 0);
        count
    }

    fn split(&mut self, form: Form) {
        self.block.split(form, BATCH_LINES, &mut self.raws, &mut self.faults);
    }
}

/// What a first batch holds all of is done before threads would be there.
fn first_then_together(
    source: &mut Source<'_, impl Reader + Send>,
    judge: &Judge<'_>,
    jobs: usize,
    base: &mut Base,
    hearer: &mut Hearer<'_, impl Hear>,
) -> Result<(), ReadError> {
    let mut first = Batch::default();
    if now(source.next(&mut first, false))? {
        now(judge.worker().finish(&mut first, base, hearer))?;
    }
    if source.is_over() { Ok(()) } else { together(source, judge, jobs, base, hearer) }
}

async fn alone(
    source: &mut Source<'_, impl Reader>,
    judge: &Judge<'_>,
    base: &mut Base,
    hearer: &mut Hearer<'_, impl Hear>,
) -> Result<(), ReadError> {
    let (mut worker, mut batch) = (judge.worker(), Batch::default());
    // What is read need not wait for what may never come.
    while source.next(&mut batch, !judge.never_waits).await? {
        worker.finish(&mut batch, base, hearer).await?;
        worker.take_back(&mut batch.found);
    }
    Ok(())
}

/// A batch with its number; a fault of the input in the place of the batch that it broke.
type Judged<'i> = (u64, thread::Result<Result<Batch<'i>, ReadError>>);

/// Batches in turn.
struct Queue<'q, 'i, R> {
    source: &'q mut Source<'i, R>,
    number: u64,
    is_over: bool,
}

/// Each worker takes a batch off the input and judges it, the caller's thread tells them in order. Whoever is slow is waited
/// for: a worker fills batches of his own, which come back to him when they have been told. Where input never has to be waited
/// for, the caller's thread is one of the workers.
fn together(
    source: &mut Source<'_, impl Reader + Send>,
    judge: &Judge<'_>,
    jobs: usize,
    base: &mut Base,
    hearer: &mut Hearer<'_, impl Hear>,
) -> Result<(), ReadError> {
    let others = jobs - usize::from(judge.never_waits);
    // No more than the batches that are open, and each worker's last word.
    let (done, results) = mpsc::sync_channel::<Judged<'_>>(others * (BATCHES_OPEN + 1));
    let queue = Mutex::new(Queue { source, number: 0, is_over: false });
    let batches = |owner| (0..BATCHES_OPEN).map(move |_| Batch { owner, ..Batch::default() });
    thread::scope(|scope| {
        // Whichever way this ends, nobody is left waiting for a batch to fill.
        let (results, mut free) = (results, Vec::new());
        for owner in 0..others {
            let (give_back, to_fill) = mpsc::sync_channel(BATCHES_OPEN);
            batches(owner).for_each(|batch| give_back.try_send(batch).unwrap_or_default());
            free.push(give_back);
            let (queue, done) = (&queue, done.clone());
            scope.spawn(move || work(judge, &to_fill, queue, &done));
        }
        drop(done);
        let mut worker = judge.worker();
        let mut own: Vec<Batch<'_>> = (others..jobs).flat_map(batches).collect();
        let (mut early, mut next) = (BTreeMap::new(), 0);
        loop {
            while let Some(judged) = early.remove(&next) {
                next += 1;
                let mut batch: Batch<'_> = judged?;
                now(worker.finish(&mut batch, base, hearer))?;
                match free.get(batch.owner) {
                    Some(free) => free.try_send(batch).unwrap_or_default(),
                    None => {
                        worker.take_back(&mut batch.found);
                        own.push(batch);
                    }
                }
            }
            let mut judged = match own.pop().and_then(|batch| fill(batch, &queue)) {
                Some((number, batch)) => Some((number, Ok(batch.map(|batch| worker.judged(batch))))),
                None => match results.recv() {
                    Ok(judged) => Some(judged),
                    Err(_) => return Ok(()),
                },
            };
            while let Some((number, batch)) = judged {
                early.insert(number, batch.unwrap_or_else(|panic| panic::resume_unwind(panic)));
                judged = results.try_recv().ok();
            }
        }
    })
}

/// What comes next off the input, and its number; none where nothing does.
fn fill<'i, R: Reader>(
    mut batch: Batch<'i>,
    queue: &Mutex<Queue<'_, 'i, R>>,
) -> Option<(u64, Result<Batch<'i>, ReadError>)> {
    let mut queue = lock_soon(queue);
    if queue.is_over {
        return None;
    }
    // Over until it is known to go on: so it is after a panic, too.
    queue.is_over = true;
    let number = queue.number;
    queue.number += 1;
    match now(queue.source.next(&mut batch, false)) {
        Ok(true) => queue.is_over = false,
        Ok(false) => return None,
        Err(error) => return Some((number, Err(error))),
    }
    Some((number, Ok(batch)))
}

/// Judges batches until there are no more, or nobody wants them.
fn work<'i, R: Reader>(
    judge: &Judge<'_>,
    to_fill: &mpsc::Receiver<Batch<'i>>,
    queue: &Mutex<Queue<'_, 'i, R>>,
    done: &mpsc::SyncSender<Judged<'i>>,
) {
    let mut worker = judge.worker();
    while let Ok(mut batch) = to_fill.recv() {
        worker.take_back(&mut batch.found);
        let Some((number, batch)) = fill(batch, queue) else { return };
        // A batch that never came would be waited for; so a panic goes to the caller as any other result.
        let judge = panic::AssertUnwindSafe(|| batch.map(|batch| worker.judged(batch)));
        let judged = panic::catch_unwind(judge);
        let is_last = !matches!(judged, Ok(Ok(_)));
        if done.send((number, judged)).is_err() || is_last {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same where it is mostly free in less time than it takes to sleep and be woken.
fn lock_soon<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    for _ in 0..100 {
        if let Ok(guard) = mutex.try_lock() {
            return guard;
        }
        thread::yield_now();
    }
    lock(mutex)
}

struct Judge<'j> {
    validator: &'j Validator,
    table: Option<&'j Table>,
    options: &'j CheckOptions,
    shares: Option<Scope>,
    counts_clean: bool,
    never_waits: bool,
    form: Form,
    /// The report on a record in which nothing was found.
    clean: &'j Report,
    encoding: &'j text::Decided,
}

/// One who judges, with what is kept from record to record.
struct Worker<'j> {
    judge: &'j Judge<'j>,
    checker: Checker<'j>,
    cells: Cells,
}

impl<'j> Judge<'j> {
    fn worker(&'j self) -> Worker<'j> {
        let checker = self.validator.checker();
        let checker = if self.shares.is_some() { checker.keeping_members() } else { checker };
        Worker { judge: self, checker, cells: Cells::default() }
    }
}

impl Worker<'_> {
    /// Tells a batch to its end, and judges what of it is not judged yet.
    async fn finish(
        &mut self,
        batch: &mut Batch<'_>,
        base: &mut Base,
        hearer: &mut Hearer<'_, impl Hear>,
    ) -> Result<(), ReadError> {
        while !batch.is_told() {
            if batch.told == batch.judged {
                if batch.judged == batch.raws.len() && !batch.block.is_split() {
                    base.index += batch.forget_told();
                }
                self.judge(batch, TOLD_RECORDS, TOLD_FINDINGS);
            }
            if batch.tell(self.judge, base, hearer).is_break() || hearer.each.ready().await.is_break() {
                return Err(ReadError::Stopped);
            }
        }
        base.index += batch.raws.len() as u64;
        base.pass(&batch.block);
        Ok(())
    }

    /// Makes room where reports were told.
    fn take_back(&mut self, told: &mut Vec<Found>) {
        told.drain(..).for_each(|told| self.checker.take_back(told.report));
    }

    /// Judges a batch for another to tell.
    fn judged<'i>(&mut self, mut batch: Batch<'i>) -> Batch<'i> {
        self.judge(&mut batch, usize::MAX, BATCH_FINDINGS);
        batch
    }

    /// Judges the records of a batch, or so many of them, until so many findings are gathered.
    fn judge(&mut self, batch: &mut Batch<'_>, records_max: usize, findings_max: usize) {
        if batch.raws.is_empty() && !batch.block.is_split() {
            batch.split(self.judge.form);
        }
        let (mut at, mut found, mut count) = (batch.judged, std::mem::take(&mut batch.found), 0);
        let until = at.saturating_add(records_max).min(batch.raws.len());
        self.take_back(&mut found);
        let mut shares = std::mem::take(&mut batch.shares);
        let mut faults = faults_from(&batch.faults, at).iter().peekable();
        while at < until && count < findings_max {
            let readable = faults.peek().map_or(batch.raws.len(), |(of, _)| *of) - at;
            let mut take = |place: usize, report: Option<Box<Report>>, is_readable: bool| {
                if let Some(report) = report {
                    count += 1 + report.findings.len();
                    found.push(Found { at: at + place, report, is_readable });
                }
            };
            let judged = match batch.raws[at..at + readable].first_chunk::<ABREAST>() {
                Some(raws) => {
                    self.judge_abreast((raws, at), batch, &mut shares, &mut take);
                    ABREAST
                }
                _ => {
                    let fault = faults.next_if(|(of, _)| *of == at).map(|(_, fault)| *fault);
                    let (report, is_readable) = self.judge_one(at, batch, fault, &mut shares);
                    take(0, report, is_readable);
                    1
                }
            };
            at += judged;
        }
        (batch.judged, batch.found, batch.shares) = (at, found, shares);
    }

    fn judge_one(&mut self, at: usize, batch: &Batch<'_>, fault: Option<Fault>, shares: &mut Shares) -> table::Found {
        let Judge { validator, table, options, shares: scope, .. } = *self.judge;
        let (raw, bytes) = (&batch.raws[at], batch.with_room());
        let record = &bytes[raw.bytes.clone()];
        let kept = scope.map(|scope| (scope, shares));
        match (fault, table) {
            (Some(fault), _) => {
                let mut report = validator.empty_report();
                let mut fault = fault.finding(options.record_bytes_max);
                fault.place.get_or_insert_with(|| batch.start(at).place());
                report.push(fault, options.findings_max);
                kept.into_iter().for_each(|(_, shares)| shares.push_none());
                (Some(Box::new(report)), false)
            }
            (None, Some(table)) => {
                let place = (at as u64, raw.line);
                let found = table.check(record, place, &mut self.checker, options, &mut self.cells);
                match kept {
                    Some(kept) if found.1 => table.share(validator, &self.cells, kept),
                    kept => kept.into_iter().for_each(|(_, shares)| shares.push_none()),
                }
                found
            }
            (None, None) => {
                let report = self.checker.tell_within(bytes, raw.bytes.clone(), options);
                let found = report.map(|report| self.judge.placed(report, batch.start(at), record));
                if let Some(kept) = kept {
                    self.judge.keep((record, self.checker.members()), found.as_ref(), kept);
                }
                found.unwrap_or((None, true))
            }
        }
    }

    /// Several records from a place on, none of which is known to be unreadable.
    #[inline]
    fn judge_abreast(
        &mut self,
        (raws, at): (&[Raw; ABREAST], usize),
        batch: &Batch<'_>,
        shares: &mut Shares,
        take: &mut impl FnMut(usize, Option<Box<Report>>, bool),
    ) {
        let bytes = batch.with_room();
        let (judge, records) = (self.judge, raws.each_ref().map(|raw| raw.bytes.clone()));
        if let Some(table) = judge.table {
            let (rows, kept) = ((raws, at as u64), judge.shares.map(|scope| (scope, shares)));
            let each = &mut |place, (report, is_readable)| take(place, report, is_readable);
            let cells = (&mut self.cells, kept);
            return table.check_abreast(bytes, rows, &mut self.checker, judge.options, cells, each);
        }
        self.checker.tell_abreast(bytes, &records, judge.options, |place, report, members| {
            let record = || &bytes[records[place].clone()];
            let found = report.map(|report| judge.placed(report, batch.start(at + place), record()));
            if let Some(scope) = judge.shares {
                judge.keep((record(), members), found.as_ref(), (scope, shares));
            }
            if let Some((report, is_readable)) = found {
                take(place, report, is_readable);
            }
        });
    }
}

impl Judge<'_> {
    /// Keeps what rules between records read of one in JSON.
    fn keep(
        &self,
        (record, members): (&[u8], Members<'_>),
        found: Option<&table::Found>,
        (scope, shares): table::Kept<'_>,
    ) {
        match found {
            // Whatever is wrong with its values, it is a record.
            None | Some((_, true)) if self.validator.share_of_members(record, members, scope, shares) => {}
            None => self.validator.share_of_clean_bytes(record, scope, shares),
            Some((_, true)) => self.validator.share_of_bytes(record, scope, shares),
            Some((_, false)) => shares.push_none(),
        }
    }

    /// A report on a record, with its places in the input; and whether the record could be read.
    fn placed(&self, mut report: Box<Report>, start: Start, record: &[u8]) -> table::Found {
        for finding in &mut report.findings {
            if let ("utf8-invalid", Some(Place::Text { offset, .. })) = (&*finding.code, &finding.place) {
                let fault = self.encoding.fault(record, *offset as usize);
                let mut fault = Finding { place: finding.place.take(), ..fault };
                fault.rule.clone_from(&finding.rule);
                *finding = fault;
            }
            shift(finding, start);
        }
        let is_readable = !report.findings.iter().any(|finding| codes::is_unreadable(&finding.code));
        (Some(report), is_readable)
    }
}

/// From a place in the record to one in the input.
fn shift(finding: &mut Finding, start: Start) {
    match &mut finding.place {
        Some(Place::Text { line, column, offset }) => {
            if *line == 1 {
                *column += start.column - 1;
            }
            *line = *line - 1 + start.line;
            *offset += start.offset;
        }
        Some(Place::Cell { .. }) => {}
        None => finding.place = Some(start.place()),
    }
}

impl Standard {
    /// Checks everything in an input that is in memory.
    pub fn check_bytes(
        &self,
        input: &[u8],
        options: &ReadOptions,
        each: impl FnMut(Told<'_>) -> ControlFlow<()>,
    ) -> Result<Totals, ReadError> {
        check_bytes(input, self.validator(), options, each)
    }

    /// Checks everything in an input that comes in its own time; see [`check_async`].
    pub async fn check_async(
        &self,
        input: impl AsyncRead + Unpin + Send,
        options: &ReadOptions,
        hearer: impl Hear,
    ) -> Result<Totals, ReadError> {
        check_async(input, self.validator(), options, hearer).await
    }

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
