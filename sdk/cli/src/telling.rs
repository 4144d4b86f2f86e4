//! Tells of one input as its records come, and at the end of what is wrong between them.
//!
//! # Invariants
//! - The counts are those of what was told: a record that a rule between records refuses does not conform either.
//! - Of a record no more is kept than whether it failed, where it begins, and a line number where the lines do not follow on.

use crate::{
    failure::Failure,
    output::{Output, Seen, Subject, Tally},
    rejects::Sink,
};
use guiju::{
    Validator,
    readers::{Checked, Columns},
};
use guiju_model::{Finding, Place, Report, Severity, StandardId};
use guiju_validator::dataset::{DataSet, DataSetFinding};
use std::io;

pub struct Telling<'t> {
    subject: &'t Subject,
    output: &'t mut dyn Output,
    sink: Option<Sink>,
    empty: Report,
    findings_max: usize,
    tally: Tally,
    is_open: bool,
    between: Option<DataSet<'t>>,
    /// Only where rules between records may come back to them. Those rules count from 1, as people do.
    records: Records,
    columns: Option<Columns>,
}

impl<'t> Telling<'t> {
    pub fn new(
        subject: &'t Subject,
        validator: &'t Validator,
        output: &'t mut dyn Output,
        sink: Option<Sink>,
        findings_max: usize,
    ) -> Self {
        let between = (!validator.data_set_rules().is_empty()).then(|| validator.data_set());
        let empty = validator.empty_report();
        let (tally, records) = (Tally::default(), Records::default());
        Self { subject, output, sink, empty, findings_max, tally, is_open: false, between, records, columns: None }
    }

    /// Whether rules of this standard are about records of that one.
    pub fn refers_to(&self, standard: &StandardId, validator: &Validator) -> bool {
        self.between.is_some() && validator.data_set_rules().targets().any(|target| target == standard)
    }

    /// Takes in a record of a data set that the records refer to; without one, says that the data set was given.
    pub fn partner(&mut self, standard: &StandardId, record: Option<&[u8]>) {
        match (&mut self.between, record) {
            (Some(between), Some(record)) => between.target_bytes(standard, record),
            (Some(between), None) => between.has_target(standard),
            (None, _) => {}
        }
    }

    /// A finding about the input around its records.
    pub fn about(&mut self, finding: Finding) -> Result<(), Failure> {
        if let Some(sink) = &mut self.sink {
            sink.tell(0, 1, std::slice::from_ref(&finding))?;
        }
        self.alone(0, finding)
    }

    pub fn record(&mut self, mut checked: Checked<'_>) -> Result<(), Failure> {
        if let Some(between) = &mut self.between {
            self.columns = self.columns.take().or_else(|| checked.row.as_ref().map(|row| row.columns.clone()));
            for DataSetFinding { mut finding, .. } in between.take(checked.index + 1, checked.share) {
                let start = (checked.line, checked.column, checked.offset);
                finding.place = Some(place(&finding, checked.index, start, self.columns.as_ref()));
                checked.report.to_mut().push(finding, self.findings_max);
            }
            self.records.push(&checked);
        }
        if let Some(sink) = &mut self.sink {
            match self.between {
                Some(_) => sink.keep(&checked)?,
                None => sink.put(&checked)?,
            }
            sink.tell(checked.index + 1, checked.line, &checked.report.findings)?;
        }
        let seen = Seen { record: checked.index + 1, report: &checked.report, is_record: true };
        Ok(self.tell(&seen, checked.is_readable)?)
    }

    /// So many records in which nothing was found.
    pub fn clean(&mut self, records: u64) -> Result<(), Failure> {
        self.open()?;
        self.tally.counts.records += records;
        self.tally.counts.conforming += records;
        Ok(())
    }

    /// What is wrong between the records, once all of them have been seen.
    pub fn between(&mut self) -> Result<(), Failure> {
        let Some(between) = self.between.take() else { return Ok(()) };
        for DataSetFinding { record: number, mut finding } in between.finish() {
            let record = number - 1;
            let (line, column, offset) = self.records.start(record);
            finding.place = Some(place(&finding, record, (line, column, offset), self.columns.as_ref()));
            if finding.severity == Severity::Error && self.records.refuse(record) {
                self.tally.counts.conforming -= 1;
                self.tally.counts.failing += 1;
            }
            if let Some(sink) = &mut self.sink {
                sink.tell(number, line, std::slice::from_ref(&finding))?;
            }
            self.alone(number, finding)?;
        }
        Ok(())
    }

    /// Ends what was told of this input, and adds it to the whole. `is_whole`: it was read to its end.
    pub fn close(mut self, is_whole: bool, total: &mut Tally) -> Result<(), Failure> {
        // Of what could not be judged at all nothing conforms and nothing is refused: a sink that is not closed leaves no files.
        let is_judged = is_whole || self.tally.counts.records > 0;
        if let Some(mut sink) = self.sink.take().filter(|_| is_judged) {
            for (index, conforms) in self.records.conforming.iter().enumerate() {
                sink.put_kept(self.records.line(index as u64), *conforms)?;
            }
            if !is_whole {
                sink.refuse_rest()?;
            }
            sink.close()?;
        }
        if self.tally != Tally::default() {
            self.open()?;
            self.output.close(self.subject, &self.tally)?;
            total.merge(&self.tally);
        }
        Ok(())
    }

    fn alone(&mut self, record: u64, finding: Finding) -> Result<(), Failure> {
        let mut report = self.empty.clone();
        report.push(finding, 1);
        Ok(self.tell(&Seen { record, report: &report, is_record: false }, true)?)
    }

    fn tell(&mut self, seen: &Seen<'_>, is_readable: bool) -> io::Result<()> {
        self.open()?;
        self.tally.add(seen, is_readable);
        self.output.seen(self.subject, seen)
    }

    fn open(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.is_open, true) {
            true => Ok(()),
            false => self.output.open(self.subject),
        }
    }
}

fn place(finding: &Finding, index: u64, (line, column, offset): (u64, u64, u64), columns: Option<&Columns>) -> Place {
    match columns {
        Some(columns) => Place::Cell { row: index + 1, line, column: columns.header_of(&finding.path).to_owned() },
        None => Place::Text { line, column, offset },
    }
}

/// What is kept of the records, by their number from 0.
#[derive(Default)]
struct Records {
    conforming: Vec<bool>,
    /// First lines, where one is not the line after the one before it: index and line.
    leaps: Vec<(u64, u64)>,
    /// Of those that are no rows.
    offsets: Vec<u64>,
    /// Index and column of those that do not begin their line.
    columns: Vec<(u64, u64)>,
}

impl Records {
    fn push(&mut self, checked: &Checked<'_>) {
        let index = self.conforming.len() as u64;
        self.conforming.push(checked.report.conforms());
        if index == 0 || self.line(index) != checked.line {
            self.leaps.push((index, checked.line));
        }
        if checked.row.is_none() {
            self.offsets.push(checked.offset);
        }
        if checked.column != 1 {
            self.columns.push((index, checked.column));
        }
    }

    /// Line, column and offset; of a row the line alone.
    fn start(&self, index: u64) -> (u64, u64, u64) {
        let column = self.columns.binary_search_by_key(&index, |(of, _)| *of).map_or(1, |at| self.columns[at].1);
        (self.line(index), column, self.offsets.get(index as usize).copied().unwrap_or(0))
    }

    fn line(&self, index: u64) -> u64 {
        let at = self.leaps.partition_point(|(first, _)| *first <= index);
        let (first, line) = self.leaps.get(at.wrapping_sub(1)).copied().unwrap_or((0, 1));
        line + (index - first)
    }

    /// Whether this is news.
    fn refuse(&mut self, index: u64) -> bool {
        self.conforming.get_mut(index as usize).is_some_and(|conforms| std::mem::replace(conforms, false))
    }
}
