//! Any bytes as a file of records. The first chooses the format, the encoding, and whether they stand behind more blanks than are
//! looked at before anything is read; the second how many bytes come at once.
//!
//! Whatever comes, and however it comes, is told in order and alike; every record is counted once, and counts add up.

use guiju::{
    CompileOptions, Validator,
    readers::{Encoding, Format, ReadOptions, Told, Totals, check},
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
pub struct Drip<'a>(pub &'a [u8], pub usize);

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
    let encodings = [None, Some(Encoding::Utf8), Some(Encoding::Gb18030)];
    let format = formats[usize::from(*choice) % formats.len()];
    let encoding = encodings[usize::from(*choice) / formats.len() % encodings.len()];
    let is_behind = usize::from(*choice) / formats.len() / encodings.len() % 2 == 1;
    let blanks = match format {
        _ if !is_behind => "",
        Some(Format::JsonArray) => &**BLANK_ITEMS,
        _ => &BLANK_ITEMS[1..],
    };
    let (drip, options) = (usize::from(*at_once) + 1, ReadOptions { format, encoding, ..ReadOptions::default() });
    let whole = told((blanks, input), input.len().max(1), 1, &options);
    assert_eq!(whole, told((blanks, input), drip, 1, &options), "it depends on how bytes come");
    assert_eq!(whole, told((blanks, input), drip, 3, &options), "it depends on the number of workers");
}

/// The beginning of an array, and blank lines.
static BLANK_ITEMS: LazyLock<String> = LazyLock::new(|| format!("[{}", (" ".repeat(80) + "\n").repeat(810)));

/// What is told, as text, and the totals, which are held against it.
fn told(
    (blanks, input): (&str, &[u8]),
    at_once: usize,
    jobs: usize,
    options: &ReadOptions,
) -> (Vec<String>, Result<Totals, String>) {
    let options = ReadOptions { jobs, ..options.clone() };
    let (mut lines, mut seen) = (Vec::new(), Totals::default());
    let totals = check(blanks.as_bytes().chain(Drip(input, at_once)), &VALIDATOR, &options, |told| {
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
            Told::Clean(_) => panic!("nobody asked for that"),
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
