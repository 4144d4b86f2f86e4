//! For programs: one document, or one line a record. Both languages, always; the reader picks.

use super::{Output, Seen, Subject, Tally};
use crate::failure::Failure;
use guiju::receipt::Counts;
use guiju_model::{Ending, Finding, Place, Text, Unlisted};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// One document: `{"files": [{…, "records": […], "counts": …}], "failures": […], "endings": […], "counts": …}`.
pub struct Document<W> {
    out: W,
    files: u64,
    records: u64,
    failures: Vec<Value>,
    endings: Vec<Value>,
}

/// A line for each record with findings, for each file, and for all.
pub struct Lines<W> {
    out: W,
}

impl<W: Write> Document<W> {
    pub fn new(out: W) -> Self {
        Self { out, files: 0, records: 0, failures: Vec::new(), endings: Vec::new() }
    }
}

impl<W: Write> Output for Document<W> {
    fn open(&mut self, subject: &Subject) -> io::Result<()> {
        let head = Value::Object(named(subject)).to_string();
        let lead = if self.files == 0 { "{\"files\": [\n" } else { ",\n" };
        self.files += 1;
        self.records = 0;
        write!(self.out, "{lead}{}, \"records\": [", head.strip_suffix('}').unwrap_or(&head))
    }

    fn seen(&mut self, _: &Subject, seen: &Seen<'_>) -> io::Result<()> {
        if seen.report.findings.is_empty() {
            return Ok(());
        }
        let comma = if self.records == 0 { "\n" } else { ",\n" };
        self.records += 1;
        write!(self.out, "{comma}  {}", Value::Object(record(seen)))
    }

    fn close(&mut self, _: &Subject, tally: &Tally) -> io::Result<()> {
        let end = if self.records == 0 { "]" } else { "\n]" };
        write!(self.out, "{end}, \"counts\": {}}}", counts(tally))
    }

    fn failed(&mut self, file: &str, failure: &Failure) -> io::Result<()> {
        self.failures.extend(self::failure(file, failure));
        Ok(())
    }

    fn ended(&mut self, ending: &Ending) -> io::Result<()> {
        self.endings.push(Value::Object(self::ending(ending)));
        Ok(())
    }

    fn finish(&mut self, total: &Tally) -> io::Result<()> {
        let lead = if self.files == 0 { "{\"files\": [" } else { "\n" };
        let failures = Value::Array(std::mem::take(&mut self.failures));
        let endings = Value::Array(std::mem::take(&mut self.endings));
        let counts = counts(total);
        writeln!(self.out, "{lead}], \"failures\": {failures}, \"endings\": {endings}, \"counts\": {counts}}}")?;
        self.out.flush()
    }
}

impl<W: Write> Lines<W> {
    pub fn new(out: W) -> Self {
        Self { out }
    }

    fn line(&mut self, kind: &str, mut members: Map<String, Value>) -> io::Result<()> {
        members.insert("type".into(), kind.into());
        writeln!(self.out, "{}", Value::Object(members))
    }
}

impl<W: Write> Output for Lines<W> {
    fn open(&mut self, _: &Subject) -> io::Result<()> {
        Ok(())
    }

    fn seen(&mut self, subject: &Subject, seen: &Seen<'_>) -> io::Result<()> {
        if seen.report.findings.is_empty() {
            return Ok(());
        }
        let mut members = record(seen);
        members.insert("file".into(), subject.file.clone().into());
        self.line("record", members)
    }

    fn close(&mut self, subject: &Subject, tally: &Tally) -> io::Result<()> {
        let mut members = named(subject);
        members.insert("counts".into(), counts(tally));
        self.line("file", members)
    }

    fn failed(&mut self, file: &str, failure: &Failure) -> io::Result<()> {
        match self::failure(file, failure) {
            Some(Value::Object(members)) => self.line("failure", members),
            _ => Ok(()),
        }
    }

    fn ended(&mut self, ending: &Ending) -> io::Result<()> {
        self.line("ending", self::ending(ending))
    }

    fn finish(&mut self, total: &Tally) -> io::Result<()> {
        self.line("total", Map::from_iter([("counts".into(), counts(total))]))?;
        self.out.flush()
    }
}

fn named(subject: &Subject) -> Map<String, Value> {
    let Subject { file, standard, against, digest } = subject;
    let mut members = Map::from_iter([("file".into(), json!(file)), ("digest".into(), json!(digest.to_string()))]);
    match standard {
        Some((standard, version)) => {
            members.insert("standard".into(), json!(standard.to_string()));
            members.insert("version".into(), json!(version.to_string()));
        }
        None => drop(members.insert("schema".into(), json!(against))),
    }
    members
}

fn ending(ending: &Ending) -> Map<String, Value> {
    let Ending { standard, version, status, until, successor } = ending;
    Map::from_iter([
        ("standard".into(), json!(standard.to_string())),
        ("version".into(), json!(version.to_string())),
        ("status".into(), json!(status.as_str())),
        ("effective_to".into(), json!(until.map_or(String::new(), |day| day.to_string()))),
        ("successor".into(), json!(successor)),
    ])
}

fn record(seen: &Seen<'_>) -> Map<String, Value> {
    let report = seen.report;
    let findings: Vec<Value> = report.findings.iter().map(finding).collect();
    let mut members = Map::from_iter([
        ("record".into(), json!(seen.record)),
        ("conforms".into(), json!(report.conforms())),
        ("errors".into(), json!(report.errors)),
        ("warnings".into(), json!(report.warnings)),
        ("infos".into(), json!(report.infos)),
        ("findings".into(), Value::Array(findings)),
    ]);
    if report.is_cut() {
        let unlisted = report.unlisted.iter().map(
            |Unlisted { code, severity, count }| json!({"code": code, "severity": severity.as_str(), "count": count}),
        );
        members.insert("unlisted".into(), unlisted.collect());
    }
    members
}

/// A finding in JSON; members without a value are left out.
pub fn finding(finding: &Finding) -> Value {
    let mut value = json!({
        "code": finding.code, "severity": finding.severity.as_str(), "dimension": finding.dimension.as_str(),
        "path": finding.path, "message": text(&finding.message),
    });
    let mut put = |name: &str, member: Value| value[name] = member;
    match &finding.place {
        Some(Place::Text { line, column, offset }) => {
            put("place", json!({"line": line, "column": column, "offset": offset}));
        }
        Some(Place::Cell { row, line, column }) => put("place", json!({"row": row, "line": line, "header": column})),
        None => {}
    }
    if !finding.rule.is_empty() {
        put("rule", json!(finding.rule));
    }
    if let Some(field) = &finding.field {
        put("field", text(field));
    }
    if let Some(suggestion) = &finding.suggestion {
        put("suggestion", text(suggestion));
    }
    if let Some(given) = &finding.value {
        put("value", json!(given));
    }
    value
}

fn text(text: &Text) -> Value {
    json!({"en": text.en, "zh": text.zh})
}

fn counts(tally: &Tally) -> Value {
    let codes: Map<String, Value> = tally.codes.iter().map(|(code, (_, count))| (code.clone(), json!(count))).collect();
    let Counts { records, conforming, failing, unreadable, errors, warnings, infos } = tally.counts;
    json!({
        "records": records, "conforming": conforming, "failing": failing, "unreadable": unreadable,
        "errors": errors, "warnings": warnings, "infos": infos, "codes": codes,
    })
}

fn failure(file: &str, failure: &Failure) -> Option<Value> {
    let Failure::Said { message, places, hint } = failure else { return None };
    Some(json!({"file": file, "message": message, "places": places, "hint": hint}))
}
