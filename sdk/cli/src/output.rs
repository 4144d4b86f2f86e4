//! How a check is told: to a person, to a program, to a CI system.
//!
//! # Invariants
//! - Every form is written as the records come, in memory that does not grow with them.
//! - Every form carries the same counts, and they add up: records = conforming + failing + unreadable; those by code are the
//!   errors, warnings and infos, whether findings are listed or not.
//! - In forms that people look at, no character of a file or of its name moves their cursor, paints, or passes for a line of ours.

mod github; // workflow commands: annotations on the lines of a pull request
mod json; // one document, or one line a record
mod junit; // a test suite a file, a test case a code
mod sarif; // SARIF 2.1.0, for code scanning
mod text; // for people

use crate::{
    failure::Failure,
    terminal::{Lang, Paint, plain},
};
use clap::ValueEnum;
use guiju::receipt::Counts;
use guiju_model::{Digest, Ending, Finding, Report, Severity, StandardId, Unlisted};
use semver::Version;
use std::{borrow::Cow, collections::BTreeMap, io};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people: findings, totals, what to do next
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One JSON object a line: each record with findings, then each file's counts
    Ndjson,
    /// JUnit XML: a test suite a file, a test case a finding code
    Junit,
    /// SARIF 2.1.0
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

/// One input under one standard.
#[derive(Clone, Debug)]
pub struct Subject {
    /// As the caller named it, or `standard input`.
    pub file: String,
    /// `None`: a bare schema, named by `against` alone.
    pub standard: Option<(StandardId, Version)>,
    /// What it is checked against, in words: `bj.population/person 2.0.0`, `schema.json`.
    pub against: String,
    pub digest: Digest,
}

/// What was found in one record, or around and between the records.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// From 1; 0 for the input as a whole.
    pub record: u64,
    pub report: &'a Report,
    /// Whether this is the verdict on one record, and so counts as one.
    pub is_record: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub counts: Counts,
    pub files: u64,
    /// Inputs that could not be judged at all.
    pub failures: u64,
    /// All findings by code, listed or not, each with the worst severity that it had.
    pub codes: BTreeMap<String, (Severity, u64)>,
}

pub trait Output {
    fn open(&mut self, subject: &Subject) -> io::Result<()>;
    fn seen(&mut self, subject: &Subject, seen: &Seen<'_>) -> io::Result<()>;
    fn close(&mut self, subject: &Subject, tally: &Tally) -> io::Result<()>;
    /// An input that could not be judged, or not to its end. It has been said on standard error too.
    fn failed(&mut self, file: &str, failure: &Failure) -> io::Result<()>;
    /// That a standard that is checked against is deprecated or withdrawn: once, before the first input under it. It changes no count, and
    /// has been said on standard error too.
    fn ended(&mut self, ending: &Ending) -> io::Result<()>;
    fn finish(&mut self, total: &Tally) -> io::Result<()>;
}

#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub lang: Lang,
    pub paint: Paint,
    /// Findings shown for each code of a file; 0: all.
    pub show: u64,
}

pub fn of<'w>(form: Form, style: Style, out: impl io::Write + 'w) -> Box<dyn Output + 'w> {
    match form {
        Form::Text => Box::new(text::Text::new(out, style)),
        Form::Json => Box::new(json::Document::new(out)),
        Form::Ndjson => Box::new(json::Lines::new(out)),
        Form::Junit => Box::new(junit::Junit::new(out, style)),
        Form::Sarif => Box::new(sarif::Sarif::new(out, style)),
        Form::Github => Box::new(github::Github::new(out, style)),
    }
}

impl Tally {
    /// Counts what was found.
    pub fn add(&mut self, seen: &Seen<'_>, is_readable: bool) {
        let (report, counts) = (seen.report, &mut self.counts);
        if seen.is_record {
            counts.records += 1;
            match (is_readable, report.conforms()) {
                (false, _) => counts.unreadable += 1,
                (true, true) => counts.conforming += 1,
                (true, false) => counts.failing += 1,
            }
        }
        counts.errors += report.errors;
        counts.warnings += report.warnings;
        counts.infos += report.infos;
        let listed = report.findings.iter().map(|finding| (&finding.code, finding.severity, 1));
        let unlisted = report.unlisted.iter().map(|Unlisted { code, severity, count }| (code, *severity, *count));
        for (code, severity, more) in listed.chain(unlisted) {
            match self.codes.get_mut(code.as_ref()) {
                Some((worst, count)) => (*worst, *count) = ((*worst).min(severity), *count + more),
                None => drop(self.codes.insert(code.to_string(), (severity, more))),
            }
        }
    }

    /// Takes the counts of one file into those of all.
    pub fn merge(&mut self, file: &Self) {
        self.counts += file.counts;
        self.files += 1;
        for (code, (severity, count)) in &file.codes {
            let (worst, all) = self.codes.entry(code.clone()).or_insert((*severity, 0));
            (*worst, *all) = ((*worst).min(*severity), *all + count);
        }
    }

    /// The code to look at first: the worst severity, then the most frequent.
    pub fn worst_code(&self) -> Option<&str> {
        let rank = |severity: Severity| match severity {
            Severity::Error => 2,
            Severity::Warning => 1,
            Severity::Info => 0,
        };
        // Of equals the first in the alphabet, so that the same input gets the same line.
        let key = |(code, (severity, count)): &(&String, &(Severity, u64))| {
            (rank(*severity), *count, std::cmp::Reverse(code.to_string()))
        };
        self.codes
            .iter()
            .filter(|(_, (severity, _))| *severity != Severity::Info)
            .max_by_key(key)
            .map(|(code, _)| code.as_str())
    }
}

/// Where a finding lies, as a person would look it up: `people.csv:14`, `meters.ndjson:3:17`.
pub fn place(file: &str, finding: &Finding) -> String {
    let file = plain(file);
    match &finding.place {
        Some(guiju_model::Place::Text { line, column, .. }) => format!("{file}:{line}:{column}"),
        Some(guiju_model::Place::Cell { line, .. }) => format!("{file}:{line}"),
        None => file.into_owned(),
    }
}

/// What was found, and what may help.
fn said(finding: &Finding, lang: Lang) -> (Cow<'_, str>, Option<Cow<'_, str>>) {
    (plain(lang.of(&finding.message)), finding.suggestion.as_ref().map(|help| plain(lang.of(help))))
}

/// The field of a finding in the sender's words: the header of a table, the pointer of a document.
fn field(finding: &Finding, lang: Lang) -> Option<String> {
    match &finding.place {
        Some(guiju_model::Place::Cell { column, .. }) if !column.is_empty() => {
            Some(format!("{} {}", lang.pick("column", "列"), plain(column)))
        }
        _ if finding.path.is_empty() => None,
        _ => Some(plain(&finding.path).into_owned()),
    }
}

/// The line to put a mark on; 1 where a finding is about the whole.
fn line(finding: &Finding) -> u64 {
    match &finding.place {
        Some(guiju_model::Place::Text { line, .. } | guiju_model::Place::Cell { line, .. }) => *line,
        None => 1,
    }
}
