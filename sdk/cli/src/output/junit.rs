//! JUnit XML: a test suite a file, a test case a finding code, so that a file of a million records stays readable.

use super::{Output, Seen, Style, Subject, Tally, field, place, said};
use crate::{failure::Failure, terminal::plain};
use guiju_model::{Ending, Severity};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};

pub struct Junit<W> {
    out: W,
    style: Style,
    begun: bool,
    /// What is shown of each code of the open file, up to the cap.
    cases: BTreeMap<String, Vec<String>>,
    endings: Vec<Ending>,
}

impl<W: Write> Junit<W> {
    pub fn new(out: W, style: Style) -> Self {
        Self { out, style, begun: false, cases: BTreeMap::new(), endings: Vec::new() }
    }

    fn begin(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        writeln!(self.out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"guiju check\">")
    }

    fn case(&mut self, suite: &str, code: &str, (severity, count): (Severity, u64)) -> io::Result<()> {
        let lines = xml(&self.cases.get(code).map(|lines| lines.join("\n")).unwrap_or_default());
        write!(self.out, "    <testcase classname=\"{suite}\" name=\"{}\">", xml(code))?;
        match severity {
            Severity::Error => {
                let message = xml(&format!("{count} × {code}"));
                write!(self.out, "<failure type=\"{}\" message=\"{message}\">{lines}</failure>", xml(code))?;
            }
            _ => write!(self.out, "<system-out>{lines}</system-out>")?,
        }
        writeln!(self.out, "</testcase>")
    }
}

impl<W: Write> Output for Junit<W> {
    fn open(&mut self, _: &Subject) -> io::Result<()> {
        self.cases.clear();
        self.begin()
    }

    fn seen(&mut self, subject: &Subject, seen: &Seen<'_>) -> io::Result<()> {
        let Style { lang, show, .. } = self.style;
        for finding in &seen.report.findings {
            let lines = self.cases.entry(finding.code.to_string()).or_default();
            if show == 0 || (lines.len() as u64) < show {
                let field = field(finding, lang).map(|field| format!(", {field}")).unwrap_or_default();
                lines.push(format!("{}{field}: {}", place(&subject.file, finding), said(finding, lang).0));
            }
        }
        Ok(())
    }

    fn close(&mut self, subject: &Subject, tally: &Tally) -> io::Result<()> {
        let Subject { file, against, digest, standard } = subject;
        let is_of = |ending: &&Ending| {
            standard
                .as_ref()
                .is_some_and(|(standard, version)| (standard, version) == (&ending.standard, &ending.version))
        };
        let ended = self.endings.iter().find(is_of).map(|ending| plain(&ending.to_string()).into_owned());
        let (file, counts) = (plain(file), &tally.counts);
        let failures = tally.codes.values().filter(|(severity, _)| *severity == Severity::Error).count();
        let (suite, tests) = (xml(&file), tally.codes.len() + 1);
        writeln!(
            self.out,
            "  <testsuite name=\"{suite}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">"
        )?;
        let properties = [
            ("standard", plain(against).into_owned()),
            ("digest", digest.to_string()),
            ("records", counts.records.to_string()),
            ("conforming", counts.conforming.to_string()),
            ("failing", counts.failing.to_string()),
            ("unreadable", counts.unreadable.to_string()),
        ];
        writeln!(self.out, "    <properties>")?;
        for (name, value) in properties.into_iter().chain(ended.map(|ended| ("standing", ended))) {
            writeln!(self.out, "      <property name=\"{name}\" value=\"{}\"/>", xml(&value))?;
        }
        writeln!(self.out, "    </properties>")?;
        writeln!(self.out, "    <testcase classname=\"{suite}\" name=\"every record was read and judged\"/>")?;
        for (code, case) in &tally.codes {
            self.case(&suite, code, *case)?;
        }
        writeln!(self.out, "  </testsuite>")
    }

    fn failed(&mut self, file: &str, failure: &Failure) -> io::Result<()> {
        let Failure::Said { message, places, hint } = failure else { return Ok(()) };
        self.begin()?;
        let (suite, message) = (xml(&plain(file)), xml(&plain(message)));
        let more = xml(&places.iter().chain(hint).map(|line| plain(line)).collect::<Vec<_>>().join("\n"));
        writeln!(self.out, "  <testsuite name=\"{suite}\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\">")?;
        writeln!(
            self.out,
            "    <testcase classname=\"{suite}\" name=\"could be judged\"><error type=\"not-judged\" message=\"{message}\">{more}</error></testcase>\n  </testsuite>"
        )
    }

    fn ended(&mut self, ending: &Ending) -> io::Result<()> {
        self.endings.push(ending.clone());
        Ok(())
    }

    fn finish(&mut self, _: &Tally) -> io::Result<()> {
        self.begin()?;
        writeln!(self.out, "</testsuites>")?;
        self.out.flush()
    }
}

/// Text as XML may hold it: escaped, and without the characters that XML 1.0 has no way to write.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            '\t' => out.push('\t'),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
