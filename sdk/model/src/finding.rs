//! One conformance problem of a record; all of them.

use crate::{Digest, Dimension, Severity, StandardId};
use semver::Version;
use std::borrow::Cow;

/// The same sentence in English and Chinese.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    pub en: String,
    pub zh: String,
}

/// Where in the source a finding lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Line and column count from 1, columns in code points; the offset counts bytes from 0.
    Text { line: u64, column: u64, offset: u64 },
    /// A cell of a table: data rows count from 1, `line` is the physical line on which the row begins, `column` is the
    /// header as the sender wrote it.
    Cell { row: u64, line: u64, column: String },
}

/// One conformance problem of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable code with a documentation page, for example `code-not-in-list`.
    pub code: Cow<'static, str>,
    pub severity: Severity,
    pub dimension: Dimension,
    /// JSON Pointer into the record; empty for the record itself.
    pub path: String,
    pub place: Option<Place>,
    /// Where the rule stands: `bj.population/person@2.0.0#/properties/sex/x-guiju/codeList`. Empty for what a reader sees.
    pub rule: String,
    /// Titles of the field, where the standard gives them.
    pub field: Option<Text>,
    pub message: Text,
    pub suggestion: Option<Text>,
    /// The offending value as the source spells it; only where the caller asked for values.
    pub value: Option<String>,
}

/// All findings of one record against one version of a standard, in the standard's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub standard: StandardId,
    pub version: Version,
    pub digest: Digest,
    /// At most as many as the caller's limit; the counts below are of all.
    pub findings: Vec<Finding>,
    pub errors: u64,
    pub warnings: u64,
    pub infos: u64,
}

impl Report {
    /// Whether the record conforms: no finding is an error.
    pub fn conforms(&self) -> bool {
        self.errors == 0
    }

    /// Whether there were more findings than are listed.
    pub fn is_cut(&self) -> bool {
        self.errors + self.warnings + self.infos > self.findings.len() as u64
    }

    /// Counts a finding that is not listed.
    pub fn count(&mut self, severity: Severity) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Info => self.infos += 1,
        }
    }

    /// Takes one more finding into the report; past `findings_max` it is counted, not kept.
    pub fn push(&mut self, finding: Finding, findings_max: usize) {
        self.count(finding.severity);
        if self.findings.len() < findings_max {
            self.findings.push(finding);
        }
    }
}
