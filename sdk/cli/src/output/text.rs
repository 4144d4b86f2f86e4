//! For people: grouped by file and record, capped for each code, with totals and what to do next.

use super::{Output, Seen, Style, Subject, Tally, field, place, said};
use crate::{
    failure::Failure,
    terminal::{Lang, plain},
};
use guiju::receipt::Counts;
use guiju_model::{Ending, Finding, Severity};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};

pub struct Text<W> {
    out: W,
    style: Style,
    /// Findings of the open file by code: how many there were.
    seen: BTreeMap<String, u64>,
    unlisted: u64,
}

impl<W: Write> Text<W> {
    pub fn new(out: W, style: Style) -> Self {
        Self { out, style, seen: BTreeMap::new(), unlisted: 0 }
    }

    fn finding(&mut self, file: &str, finding: &Finding) -> io::Result<()> {
        let Style { lang, paint, .. } = self.style;
        let head = format!("{}[{}]", severity(finding.severity, lang), finding.code);
        let field = field(finding, lang).map(|field| format!(", {field}")).unwrap_or_default();
        let (message, help) = said(finding, lang);
        let place = place(file, finding);
        writeln!(self.out, "{} {place}{field}: {message}", paint.severity(finding.severity, &head))?;
        if let Some(value) = &finding.value {
            writeln!(self.out, "  {}{}", lang.pick("value: ", "值："), plain(value))?;
        }
        if !finding.rule.is_empty() {
            let rule = format!("{}{}", lang.pick("rule: ", "规则："), plain(&finding.rule));
            writeln!(self.out, "  {}", paint.quiet(&rule))?;
        }
        if let Some(help) = help {
            writeln!(self.out, "  {}{help}", paint.help(lang.pick("help: ", "建议：")))?;
        }
        Ok(())
    }

    fn hidden(&mut self) -> io::Result<()> {
        let Style { lang, show, .. } = self.style;
        for (code, count) in self.seen.iter().filter(|(_, count)| show > 0 && **count > show) {
            let more = count - show;
            match lang {
                Lang::En => writeln!(self.out, "… and {more} more {code} (--show 0 lists all)")?,
                Lang::Zh => writeln!(self.out, "……另有 {more} 个 {code}（--show 0 全部列出）")?,
            }
        }
        match (self.unlisted, lang) {
            (0, _) => Ok(()),
            (n, Lang::En) => writeln!(self.out, "… and {n} more in records with very many (--max-findings lists more)"),
            (n, Lang::Zh) => writeln!(self.out, "……问题极多的记录中另有 {n} 个（用 --max-findings 列出更多）"),
        }
    }

    fn codes(&mut self, tally: &Tally) -> io::Result<()> {
        let Style { lang, paint, .. } = self.style;
        let mut codes: Vec<_> = tally.codes.iter().collect();
        codes.sort_by_key(|(code, (severity, count))| (*severity, std::cmp::Reverse(*count), (*code).clone()));
        for (code, (of, count)) in codes {
            let word = severity(*of, lang);
            writeln!(self.out, "  {count:>8} × {} {code}", paint.severity(*of, word))?;
        }
        Ok(())
    }
}

impl<W: Write> Output for Text<W> {
    fn open(&mut self, _: &Subject) -> io::Result<()> {
        self.seen.clear();
        self.unlisted = 0;
        Ok(())
    }

    fn seen(&mut self, subject: &Subject, seen: &Seen<'_>) -> io::Result<()> {
        let report = seen.report;
        for finding in &report.findings {
            let show = self.style.show;
            let count = match self.seen.get_mut(finding.code.as_ref()) {
                Some(count) => count,
                None => self.seen.entry(finding.code.to_string()).or_default(),
            };
            *count += 1;
            if show == 0 || *count <= show {
                self.finding(&subject.file, finding)?;
            }
        }
        self.unlisted += report.errors + report.warnings + report.infos - report.findings.len() as u64;
        Ok(())
    }

    fn close(&mut self, subject: &Subject, tally: &Tally) -> io::Result<()> {
        self.hidden()?;
        if !self.seen.is_empty() {
            writeln!(self.out)?;
        }
        let Style { lang, paint, .. } = self.style;
        let (file, standard) = (plain(&subject.file), plain(&subject.against));
        let against = lang.pick("against", "依据");
        writeln!(self.out, "{} {against} {standard}", paint.strong(&file))?;
        writeln!(self.out, "  {}", counts(tally, self.style))?;
        self.codes(tally)
    }

    fn failed(&mut self, _: &str, _: &Failure) -> io::Result<()> {
        self.out.flush() // standard error says it; what was written before belongs before it
    }

    /// Standard error says it, and is read by the same person.
    fn ended(&mut self, _: &Ending) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, total: &Tally) -> io::Result<()> {
        let lang = self.style.lang;
        if total.files > 1 {
            let all = match lang {
                Lang::En => format!("all {} files", total.files),
                Lang::Zh => format!("全部 {} 个文件", total.files),
            };
            writeln!(self.out, "\n{}", self.style.paint.strong(&all))?;
            writeln!(self.out, "  {}", counts(total, self.style))?;
        }
        if let Some(code) = total.worst_code() {
            let next = lang.pick("next: ", "下一步：");
            let what = lang.pick("what it means and how to mend it", "含义和改法");
            writeln!(self.out, "{}guiju explain {code}    ({what})", self.style.paint.help(next))?;
        }
        self.out.flush()
    }
}

fn counts(tally: &Tally, style: Style) -> String {
    let text = in_words(&tally.counts, style.lang);
    match tally.counts.errors {
        0 => style.paint.good(&text),
        _ => style.paint.strong(&text),
    }
}

/// How many records there were of each sort.
pub fn in_words(counts: &Counts, lang: Lang) -> String {
    let Counts { records, conforming, failing, unreadable, .. } = counts;
    match lang {
        Lang::Zh => {
            format!("{records} 条记录：{conforming} 条符合，{failing} 条不符合，{unreadable} 条无法读取")
        }
        Lang::En => {
            let (records_word, conform, do_not) = (
                if *records == 1 { "record" } else { "records" },
                if *conforming == 1 { "conforms" } else { "conform" },
                if *failing == 1 { "does not" } else { "do not" },
            );
            format!(
                "{records} {records_word}: {conforming} {conform}, {failing} {do_not}, {unreadable} could not be read"
            )
        }
    }
}

fn severity(severity: Severity, lang: Lang) -> &'static str {
    match (lang, severity) {
        (Lang::En, severity) => severity.as_str(),
        (Lang::Zh, Severity::Error) => "错误",
        (Lang::Zh, Severity::Warning) => "警告",
        (Lang::Zh, Severity::Info) => "提示",
    }
}
