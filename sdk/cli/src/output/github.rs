//! Workflow commands of GitHub Actions: annotations on the lines of a pull request.

use super::{Output, Seen, Style, Subject, Tally, field, line, said, text};
use crate::{failure::Failure, terminal::plain};
use guiju_model::{Ending, Place, Severity};
use std::io::{self, Write};

pub struct Github<W> {
    out: W,
    style: Style,
}

impl<W: Write> Github<W> {
    pub fn new(out: W, style: Style) -> Self {
        Self { out, style }
    }
}

impl<W: Write> Output for Github<W> {
    fn open(&mut self, _: &Subject) -> io::Result<()> {
        Ok(())
    }

    fn seen(&mut self, subject: &Subject, seen: &Seen<'_>) -> io::Result<()> {
        let lang = self.style.lang;
        for finding in &seen.report.findings {
            let command = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "notice",
            };
            let column = match &finding.place {
                Some(Place::Text { column, .. }) => format!(",col={column}"),
                _ => String::new(),
            };
            let (file, line, code) = (property(&subject.file), line(finding), property(&finding.code));
            let field = field(finding, lang).map(|field| format!("{field}: ")).unwrap_or_default();
            let (message, help) = said(finding, lang);
            let help = help.map(|help| format!("\n{help}")).unwrap_or_default();
            let message = data(&format!("{field}{message}{help}"));
            writeln!(self.out, "::{command} file={file},line={line}{column},title={code}::{message}")?;
        }
        Ok(())
    }

    fn close(&mut self, _: &Subject, _: &Tally) -> io::Result<()> {
        Ok(())
    }

    fn failed(&mut self, file: &str, failure: &Failure) -> io::Result<()> {
        let Failure::Said { message, .. } = failure else { return Ok(()) };
        writeln!(self.out, "::error file={},title=not judged::{}", property(file), data(&plain(message)))
    }

    fn ended(&mut self, ending: &Ending) -> io::Result<()> {
        writeln!(self.out, "::warning title=standard {}::{}", ending.status, data(&plain(&ending.to_string())))
    }

    fn finish(&mut self, total: &Tally) -> io::Result<()> {
        writeln!(self.out, "{}", text::in_words(&total.counts, self.style.lang))?;
        self.out.flush()
    }
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(&plain(text)).replace(':', "%3A").replace(',', "%2C")
}
