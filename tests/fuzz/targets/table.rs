//! Any bytes as a file of records. The first chooses the format, the second how many bytes come at once.
//!
//! Whatever comes, and however it comes, is told in order and alike; every record is counted once, and counts add up.

use guiju::{
    CompileOptions, Validator,
    readers::{Format, ReadOptions, Told, Totals, check},
};
use guiju_model::Severity;
use std::{io::Read, ops::ControlFlow, sync::LazyLock};

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let schema = r#"{"type":"object","properties":{
        "name":{"type":"string","title":"Name","maxLength":4,"x-guiju":{"titleZh":"姓名","synonyms":["居民姓名"]}},
        "sex":{"enum":["1","2"],"x-guiju":{"titleZh":"性别","nullWords":["-"]}},
        "born":{"type":"string","format":"date","x-guiju":{"titleZh":"出生日期","inputFormats":["YYYY/M/D"]}},
        "size":{"type":"integer","x-guiju":{"titleZh":"人数"}},
        "tags":{"type":"array","items":{"type":"string"}}},
        "required":["name"],"additionalProperties":false,"x-guiju":{"vocabulary":"1"}}"#;
    Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).expect("the target's schema compiles")
});

/// Gives at most so many bytes at once.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.1).min(self.0.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

pub fn run(data: &[u8]) {
    let [choice, at_once, input @ ..] = data else { return };
    let formats = [None, Some(Format::Json), Some(Format::Ndjson), Some(Format::JsonArray), Some(Format::Csv)];
    let format = formats[usize::from(*choice) % formats.len()];
    let (told, totals) = told(input, input.len().max(1), 1, format);
    let drip = usize::from(*at_once) + 1;
    assert_eq!((&told, &totals), (&self::told(input, drip, 1, format).0, &totals), "it depends on how bytes come");
    let (again, other) = self::told(input, drip, 3, format);
    assert_eq!((&told, &totals), (&again, &other), "it depends on the number of workers");
}

/// What is told, as text, and the totals, which are held against it.
fn told(input: &[u8], at_once: usize, jobs: usize, format: Option<Format>) -> (Vec<String>, Result<Totals, String>) {
    let options = ReadOptions { format, jobs, ..ReadOptions::default() };
    let (mut lines, mut seen) = (Vec::new(), Totals::default());
    let totals = check(Drip(input, at_once), &VALIDATOR, &options, |told| {
        lines.push(format!("{told:?}"));
        match told {
            Told::Input(finding) => match finding.severity {
                Severity::Error => seen.errors += 1,
                Severity::Warning => seen.warnings += 1,
                Severity::Info => seen.infos += 1,
            },
            Told::Record(checked) => {
                assert_eq!(checked.index, seen.records, "out of order");
                seen.records += 1;
                seen.errors += checked.report.errors;
                seen.warnings += checked.report.warnings;
                seen.infos += checked.report.infos;
                seen.conforming += u64::from(checked.report.conforms());
                seen.failing += u64::from(!checked.report.conforms());
                seen.unreadable += u64::from(!checked.is_readable);
            }
        }
        ControlFlow::Continue(())
    });
    if let Ok(totals) = &totals {
        let Totals { blank_lines, bytes, .. } = *totals;
        assert_eq!(*totals, Totals { blank_lines, bytes, ..seen }, "the totals are not the sum of what was told");
        assert_eq!(totals.records, totals.conforming + totals.failing);
    }
    (lines, totals.map_err(|error| error.to_string()))
}
