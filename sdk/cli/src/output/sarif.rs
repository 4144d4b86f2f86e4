//! SARIF 2.1.0, one run. Results are written as they come; the rules they name, known only then, follow.

use super::{Output, Seen, Style, Subject, Tally, said};
use crate::{failure::Failure, terminal::plain};
use guiju_model::{Ending, Finding, Place, Severity};
use guiju_validator::codes;
use serde_json::{Value, json};
use std::io::{self, Write};

pub struct Sarif<W> {
    out: W,
    style: Style,
    results: u64,
    notifications: Vec<Value>,
}

impl<W: Write> Sarif<W> {
    pub fn new(out: W, style: Style) -> Self {
        Self { out, style, results: 0, notifications: Vec::new() }
    }

    fn begin(&mut self) -> io::Result<()> {
        const HEAD: &str = "{\"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\", \"version\": \"2.1.0\", \"runs\": [{\"columnKind\": \"unicodeCodePoints\", \"results\": [";
        self.out.write_all(HEAD.as_bytes())
    }

    fn result(&self, subject: &Subject, record: u64, finding: &Finding) -> Value {
        let lang = self.style.lang;
        let message = match said(finding, lang) {
            (message, Some(help)) => format!("{message}; {help}"),
            (message, None) => message.into_owned(),
        };
        let logical = json!([{"fullyQualifiedName": plain(&finding.path), "kind": "member"}]);
        let physical = json!({"artifactLocation": {"uri": uri(&subject.file)}, "region": region(finding)});
        json!({
            "ruleId": finding.code, "level": level(finding.severity), "message": {"text": message},
            "locations": [{"physicalLocation": physical, "logicalLocations": logical}],
            "properties": {
                "record": record, "rule": plain(&finding.rule), "dimension": finding.dimension.as_str(),
                "standard": plain(&subject.against),
            },
        })
    }

    fn rules(&self, total: &Tally) -> Vec<Value> {
        total.codes.iter().map(|(code, (severity, _))| self.rule(code, *severity)).collect()
    }

    fn rule(&self, code: &str, severity: Severity) -> Value {
        let lang = self.style.lang;
        let mut rule = json!({"id": code, "defaultConfiguration": {"level": level(severity)}});
        if let Some(page) = codes::page(code) {
            rule["shortDescription"] = json!({"text": crate::command::explain::title(page, lang)});
            rule["help"] = json!({"text": crate::command::explain::remedy(page, lang)});
        }
        rule
    }
}

impl<W: Write> Output for Sarif<W> {
    fn open(&mut self, _: &Subject) -> io::Result<()> {
        Ok(())
    }

    fn seen(&mut self, subject: &Subject, seen: &Seen<'_>) -> io::Result<()> {
        for finding in &seen.report.findings {
            if self.results == 0 {
                self.begin()?;
            }
            let comma = if self.results == 0 { "\n" } else { ",\n" };
            self.results += 1;
            write!(self.out, "{comma}{}", self.result(subject, seen.record, finding))?;
        }
        Ok(())
    }

    fn close(&mut self, _: &Subject, _: &Tally) -> io::Result<()> {
        Ok(())
    }

    fn failed(&mut self, file: &str, failure: &Failure) -> io::Result<()> {
        if let Failure::Said { message, .. } = failure {
            let place = json!([{"physicalLocation": {"artifactLocation": {"uri": uri(file)}}}]);
            self.notifications.push(json!({"level": "error", "message": {"text": plain(message)}, "locations": place}));
        }
        Ok(())
    }

    fn ended(&mut self, ending: &Ending) -> io::Result<()> {
        let id = json!({"id": format!("standard-{}", ending.status)});
        let text = plain(&ending.to_string()).into_owned();
        self.notifications.push(json!({"level": "warning", "descriptor": id, "message": {"text": text}}));
        Ok(())
    }

    fn finish(&mut self, total: &Tally) -> io::Result<()> {
        if self.results == 0 {
            self.begin()?;
        }
        let done = self.notifications.iter().all(|notification| notification["level"] != "error");
        let notifications = std::mem::take(&mut self.notifications);
        let invocation = json!([{"executionSuccessful": done, "toolExecutionNotifications": notifications}]);
        let driver = json!({
            "name": "guiju", "version": env!("CARGO_PKG_VERSION"), "rules": self.rules(total),
        });
        let counts = json!({
            "records": total.counts.records, "conforming": total.counts.conforming,
            "failing": total.counts.failing, "unreadable": total.counts.unreadable,
        });
        writeln!(
            self.out,
            "\n], \"tool\": {{\"driver\": {driver}}}, \"invocations\": {invocation}, \"properties\": {counts}}}]}}"
        )?;
        self.out.flush()
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn region(finding: &Finding) -> Value {
    match &finding.place {
        Some(Place::Text { line, column, .. }) => json!({"startLine": line, "startColumn": column}),
        Some(Place::Cell { line, .. }) => json!({"startLine": line}),
        None => json!({"startLine": 1}),
    }
}

/// A path as a relative URI reference: what a URI cannot hold is percent-encoded.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
