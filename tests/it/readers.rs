//! Records from bytes: what is told does not depend on how the bytes arrive or on how many workers there are.

use guiju::{
    CompileOptions, Validator,
    readers::{Format, ReadError, ReadOptions, Told, Totals, check},
};
use guiju_model::{Place, Report};
use proptest::prelude::*;
use std::{
    io::Read,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "name": {"type": "string", "title": "Name", "maxLength": 4, "x-guiju": {"titleZh": "姓名", "synonyms": ["居民姓名"]}},
    "sex": {"enum": ["1", "2"], "title": "Sex", "x-guiju": {"titleZh": "性别", "nullWords": ["-"]}},
    "code": {"type": "string", "title": "Code", "x-guiju": {"titleZh": "代码"}},
    "born": {"type": "string", "format": "date", "title": "Born", "x-guiju": {"titleZh": "出生日期", "inputFormats": ["YYYY/M/D"]}},
    "size": {"type": "integer", "title": "Size", "x-guiju": {"titleZh": "人数"}}
  },
  "required": ["name"],
  "additionalProperties": false,
  "x-guiju": {"vocabulary": "1"}
}"#;

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

/// What was told of one record.
struct Seen {
    index: u64,
    report: Report,
    /// All of it, as text.
    whole: String,
}

fn run(input: &[u8], at_once: usize, options: &ReadOptions) -> (Vec<String>, Vec<Seen>, Result<Totals, ReadError>) {
    let validator = Validator::compile_schema(SCHEMA.as_bytes(), &CompileOptions::default()).unwrap();
    let (mut about, mut records) = (Vec::new(), Vec::new());
    let totals = check(Drip(input, at_once), &validator, options, |told| {
        match told {
            Told::Input(finding) => about.push(finding.code.into_owned()),
            Told::Record(checked) => {
                let whole = format!("{checked:?}");
                records.push(Seen { index: checked.index, report: checked.report.into_owned(), whole });
            }
        }
        ControlFlow::Continue(())
    });
    (about, records, totals)
}

fn codes(records: &[Seen]) -> Vec<Vec<&str>> {
    records.iter().map(|record| record.report.findings.iter().map(|finding| &*finding.code).collect()).collect()
}

#[test]
fn rows_become_records_and_findings_become_cells() {
    let csv = "居民姓名,性别,代码,出生日期,人数,备注\r\n李明,1,007,1990/1/2,3,x\n\"张\n三\",男,9.11E+17,1990-02-30,many,\n王,-,1,,\n";
    let (about, records, totals) = run(csv.as_bytes(), 7, &ReadOptions::default());
    assert_eq!(about, ["csv-header-unknown"]);
    assert_eq!(
        codes(&records),
        [
            vec![],
            vec!["csv-number-exponent", "date-impossible", "value-not-in-enum", "type-mismatch"],
            vec!["csv-ragged-row"]
        ]
        .map(|codes| codes)
    );
    let sex = records[1].report.findings.iter().find(|finding| finding.path == "/sex").unwrap();
    assert_eq!(sex.place, Some(Place::Cell { row: 2, line: 3, column: "性别".into() }));
    let totals = totals.unwrap();
    assert_eq!((totals.records, totals.conforming, totals.failing, totals.unreadable), (3, 1, 2, 1));
}

#[test]
fn formats_are_known_by_content() {
    for (input, count) in [
        ("{\"name\":\"a\"}", 1),
        ("{\n\"name\":\"a\"}\n", 1),
        ("{\"name\":\"a\"}\n\n{\"name\":\"b\"}", 2),
        ("[{\"name\":\"a\"},{\"name\":\"],\"}]", 2),
        ("[]", 0),
        ("", 0),
        ("name\na\nb\nc\n", 3),
    ] {
        let (_, records, totals) = run(input.as_bytes(), 3, &ReadOptions::default());
        assert_eq!(records.len(), count, "{input}");
        assert_eq!(totals.unwrap().records, count as u64, "{input}");
    }
}

#[test]
fn what_is_wrong_with_an_input_is_said_and_everything_else_is_judged() {
    let long = format!("{{\"name\":\"{}\"}}\n{{\"name\":\"b\"}}\n", "x".repeat(3 << 20));
    let (_, records, _) =
        run(long.as_bytes(), 1 << 16, &ReadOptions { format: Some(Format::Ndjson), ..ReadOptions::default() });
    assert_eq!(codes(&records), [vec!["line-too-long"], vec![]]);
    let (_, records, _) = run(b"[{\"name\":\"a\"}, nonsense, {\"name\":\"b\"}] x", 5, &ReadOptions::default());
    assert_eq!(codes(&records), [vec![], vec!["json-malformed"], vec![], vec!["trailing-content"]]);
    let (_, records, _) = run(b"{\"name\":\"a\"}\n{\"name\":\"\xff\"}\n{\"name\":\"c\"}\n", 5, &ReadOptions::default());
    assert_eq!(codes(&records)[1], ["utf8-invalid"]);
    let gb = [b"name,sex\n".as_slice(), &[0xC0, 0xEE, 0xC3, 0xF7], b",1\n"].concat();
    let (about, records, _) = run(&gb, 3, &ReadOptions::default());
    assert_eq!((about, codes(&records)), (vec!["encoding-gb18030".to_owned()], vec![vec![]]));
    let (about, ..) = run(b"\xef\xbb\xbf{\"name\":\"a\"}", 5, &ReadOptions::default());
    assert_eq!(about, ["bom-present"]);
    let (.., refused) = run(b"PK\x03\x04rest of a workbook", 5, &ReadOptions::default());
    assert!(matches!(refused, Err(ReadError::Refused(finding)) if finding.code == "spreadsheet-renamed"));
    let (_, records, _) = run(b"name,sex\n\"a,1\nb,2\n", 5, &ReadOptions::default());
    assert_eq!(codes(&records), [vec!["csv-quote-unclosed"]]);
}

#[test]
fn every_bad_row_of_two_thousand_is_counted() {
    let rows: String = (0..2_000).map(|row| format!("n{row},3\n")).collect();
    let csv = format!("name,sex\n{rows}");
    let (_, records, totals) = run(csv.as_bytes(), 1 << 16, &ReadOptions::default());
    assert!(records.iter().enumerate().all(|(at, record)| record.index == at as u64 && !record.report.conforms()));
    let totals = totals.unwrap();
    assert_eq!((totals.records, totals.failing), (2_000, 2_000));
}

/// Counts what is read of it.
struct Counted<R>(R, Arc<AtomicUsize>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

/// While one record takes long, what is read behind it stays within a bound.
#[test]
fn a_slow_record_is_waited_for() {
    let patterns: Vec<String> = (0..40).map(|n| format!("{{\"pattern\":\"(a|b)*c{{{n}}}d\"}}")).collect();
    let schema = format!("{{\"properties\":{{\"x\":{{\"allOf\":[{}]}}}}}}", patterns.join(","));
    let validator = Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).unwrap();
    let slow = format!("{{\"x\":\"{}\"}}\n", "ab".repeat(300_000));
    let quick = format!("{{\"y\":\"{}\"}}\n", "y".repeat(2_000)).repeat(20_000);
    let (taken, mut ahead) = (Arc::new(AtomicUsize::new(0)), None);
    let input = Counted(slow.as_bytes().chain(quick.as_bytes()), taken.clone());
    let options = ReadOptions { jobs: 2, ..ReadOptions::default() };
    let totals = check(input, &validator, &options, |_| {
        ahead.get_or_insert_with(|| taken.load(Ordering::Relaxed));
        ControlFlow::Continue(())
    });
    assert_eq!(totals.unwrap().records, 20_001);
    assert!(ahead.unwrap() < 8 << 20, "{ahead:?} bytes were read before the first record was told");
}

proptest! {
    #[test]
    fn chunks_and_workers_change_nothing(
        lines in prop::collection::vec("(\\{\"name\":\"[a-z]{1,6}\"\\}|\\{\"sex\":\"[0-9]\"\\}|[a-z{}\\[\\]\",]{0,12}|)", 0..40),
        at_once in 1usize..64,
        format in prop::sample::select(vec![None, Some(Format::Ndjson), Some(Format::JsonArray), Some(Format::Csv), Some(Format::Json)]),
    ) {
        let input = lines.join("\n");
        let seen = |at_once, jobs| {
            let options = ReadOptions { format, jobs, ..ReadOptions::default() };
            let (about, records, totals) = run(input.as_bytes(), at_once, &options);
            let told: Vec<String> = records.into_iter().map(|record| record.whole).collect();
            (about, told, totals.map_err(|error| error.to_string()))
        };
        let whole = seen(1 << 20, 1);
        prop_assert_eq!(&whole, &seen(at_once, 1));
        prop_assert_eq!(&whole, &seen(at_once, 3));
    }
}

/// Two fields of one type do not share the column names of the type.
#[test]
fn a_title_of_its_own_hides_the_synonyms_of_the_type() {
    let schema = r##"{
      "type": "object", "required": ["code"], "additionalProperties": false, "x-guiju": {"vocabulary": "1"},
      "properties": {"above": {"title": "Above", "$ref": "#/$defs/Code"}, "code": {"$ref": "#/$defs/Code"}},
      "$defs": {"Code": {"type": "string", "title": "Code", "x-guiju": {"synonyms": ["number"]}}}
    }"##;
    let validator = Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).unwrap();
    let totals = check(&b"Number,Above\n1,2\n"[..], &validator, &ReadOptions::default(), |_| ControlFlow::Continue(()));
    assert_eq!(totals.unwrap().conforming, 1);
}
