//! One conformance problem of a record; all of them.

use crate::{Dimension, Resolution, Severity};
use std::{
    borrow::Cow,
    ops::{Deref, DerefMut},
    sync::Arc,
};

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

/// One conformance problem of one record: what is said of it, and where.
///
/// What is said is shared, so that a mistake that a thousand records have is put into words once. It is read and changed as if
/// its fields were the finding's own; a change is of this finding alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub said: Arc<Said>,
    pub place: Option<Place>,
}

/// What is said of a conformance problem, wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// A stable code with a documentation page, for example `code-not-in-list`.
    pub code: Cow<'static, str>,
    pub severity: Severity,
    pub dimension: Dimension,
    /// JSON Pointer into the record; empty for the record itself.
    pub path: String,
    /// Where the rule stands: `bj.population/person@2.0.0#/properties/sex/x-guiju/codeList`. Empty for what a reader sees.
    pub rule: String,
    /// Titles of the field, where the standard gives them.
    pub field: Option<Text>,
    pub message: Text,
    pub suggestion: Option<Text>,
    /// The offending value as the source spells it; only where the caller asked for values.
    pub value: Option<String>,
}

/// A finding is mostly shorter, and then nobody has to count.
const SHORT_BYTES: usize = 4 << 10;
/// What the listed findings of a record say together, where some say much: a path may be as long as the record.
const LISTED_BYTES_MAX: usize = 1 << 20;

impl Said {
    /// Those of its texts.
    fn bytes(&self) -> usize {
        let of = |text: &Option<Text>| text.as_ref().map_or(0, Text::bytes);
        let value = self.value.as_ref().map_or(0, String::len);
        self.path.len() + self.rule.len() + self.message.bytes() + of(&self.field) + of(&self.suggestion) + value
    }
}

impl Text {
    fn bytes(&self) -> usize {
        self.en.len() + self.zh.len()
    }
}

impl From<Said> for Finding {
    /// Without a place yet.
    fn from(said: Said) -> Self {
        Self { said: Arc::new(said), place: None }
    }
}

impl Deref for Finding {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.said
    }
}

impl DerefMut for Finding {
    fn deref_mut(&mut self) -> &mut Said {
        Arc::make_mut(&mut self.said)
    }
}

/// All findings of one record against one version of a standard, in the standard's order.
///
/// What it was held against is shared by all reports of a run, and read as if its fields were the report's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub against: Arc<Resolution>,
    /// At most as many as the caller's limit; the counts below are of all.
    pub findings: Vec<Finding>,
    pub errors: u64,
    pub warnings: u64,
    pub infos: u64,
    /// What is counted and not listed, by code and severity in the order of the first; with those listed, all that was found.
    pub unlisted: Vec<Unlisted>,
}

/// Findings of one code and severity beyond those that a report lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlisted {
    pub code: Cow<'static, str>,
    pub severity: Severity,
    pub count: u64,
}

impl Deref for Report {
    type Target = Resolution;

    fn deref(&self) -> &Resolution {
        &self.against
    }
}

impl Report {
    /// Nothing found yet.
    pub fn against(against: Arc<Resolution>) -> Self {
        Self { against, findings: Vec::new(), errors: 0, warnings: 0, infos: 0, unlisted: Vec::new() }
    }

    /// Forgets what was found, and keeps the room for it.
    pub fn clear(&mut self) {
        let Self { against: _, findings, errors, warnings, infos, unlisted } = self;
        findings.clear();
        unlisted.clear();
        (*errors, *warnings, *infos) = (0, 0, 0);
    }

    /// Whether the record conforms: no finding is an error.
    pub fn conforms(&self) -> bool {
        self.errors == 0
    }

    /// Whether there were more findings than are listed.
    pub fn is_cut(&self) -> bool {
        self.errors + self.warnings + self.infos > self.findings.len() as u64
    }

    /// Counts findings that are not listed.
    pub fn count(&mut self, unlisted: Unlisted) {
        *self.of(unlisted.severity) += unlisted.count;
        self.leave(unlisted);
    }

    /// Takes one more finding into the report; past `findings_max`, or where what is said would come to more than a message holds, it
    /// is counted, not kept.
    pub fn push(&mut self, finding: Finding, findings_max: usize) {
        if self.findings.len() < findings_max && self.has_room(&finding) {
            *self.of(finding.severity) += 1;
            self.findings.push(finding);
        } else {
            self.count(Unlisted { code: finding.code.clone(), severity: finding.severity, count: 1 });
        }
    }

    /// A first finding is listed whatever it says.
    fn has_room(&self, finding: &Said) -> bool {
        let (own, listed) = (finding.bytes(), || self.findings.iter().map(|listed| listed.bytes()).sum::<usize>());
        own <= SHORT_BYTES || self.findings.is_empty() || own + listed() <= LISTED_BYTES_MAX
    }

    fn of(&mut self, severity: Severity) -> &mut u64 {
        match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
            Severity::Info => &mut self.infos,
        }
    }

    fn leave(&mut self, Unlisted { code, severity, count }: Unlisted) {
        match self.unlisted.iter_mut().find(|known| known.code == code && known.severity == severity) {
            Some(known) => known.count += count,
            None => self.unlisted.push(Unlisted { code, severity, count }),
        }
    }
}
