//! Records from bytes: what is told does not depend on how the bytes arrive or on how many workers there are.

use crate::fuzz::table::Drip;
use futures_io::AsyncRead;
use guiju::{
    CheckOptions, CompileOptions, Validator,
    readers::{Encoding, Format, Hear, ReadError, ReadOptions, Told, Totals, check, check_async, check_bytes},
};
use guiju_model::{Finding, Place, Report};
use proptest::prelude::*;
use std::{
    io::{self, Read},
    ops::ControlFlow,
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
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

/// What was told of one record.
struct Seen {
    index: u64,
    report: Report,
    /// All of it, as text.
    whole: String,
}

type Run = (Vec<String>, Vec<Seen>, Result<Totals, ReadError>);

fn run(input: &[u8], at_once: usize, options: &ReadOptions) -> Run {
    let told = run_on(Drip(input, at_once), options);
    hold_counted(Drip(input, at_once), options, &told);
    let whole = |(about, records, totals): &Run| {
        let records: Vec<&str> = records.iter().map(|seen| &*seen.whole).collect();
        format!("{about:?} {records:#?} {totals:?}")
    };
    // What is in memory is told as what is read, and so is what comes in its own time.
    assert_eq!(whole(&run_by(|validator, each| check_bytes(input, validator, options, each))), whole(&told));
    let later = run_by(|validator, each| {
        let input = Later { input: Drip(input, at_once), is_there: false };
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(check_async(
            input,
            validator,
            options,
            Pausing(each),
        ))
    });
    assert_eq!(whole(&later), whole(&told));
    told
}

/// Has to be waited for each time.
struct Later<R> {
    input: R,
    is_there: bool,
}

impl<R: Read + Unpin> AsyncRead for Later<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        self.is_there ^= true;
        if self.is_there {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.input.read(into))
    }
}

/// Has to be waited for as well.
struct Pausing<E>(E);

impl<E: FnMut(Told<'_>) -> ControlFlow<()> + Send> Hear for Pausing<E> {
    fn hear(&mut self, told: Told<'_>) -> ControlFlow<()> {
        self.0(told)
    }

    async fn ready(&mut self) -> ControlFlow<()> {
        tokio::task::yield_now().await;
        ControlFlow::Continue(())
    }
}

/// The same where clean records are told by their number: what is told beside them is the same, and in the same place.
fn hold_counted(input: impl Read + Send, options: &ReadOptions, (about, records, totals): &Run) {
    let validator = Validator::compile_schema(SCHEMA.as_bytes(), &CompileOptions::default()).unwrap();
    let options = ReadOptions { counts_clean: true, ..options.clone() };
    let (mut at, mut codes, mut failing) = (0, Vec::new(), 0);
    let counted = check(input, &validator, &options, |told| {
        match told {
            Told::Input(finding) => codes.push(finding.code.to_string()),
            Told::Record(checked) => {
                assert_eq!(records.get(at).map(|seen| &*seen.whole), Some(&*format!("{checked:?}")));
                failing += u64::from(!checked.report.conforms());
                at += 1;
            }
            Told::Clean(count) => {
                let clean = records.get(at..at + count as usize).expect("no more than there are");
                assert!(
                    count > 0
                        && clean.iter().all(|seen| seen.report.errors + seen.report.warnings + seen.report.infos == 0)
                );
                at += count as usize;
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!((at, &codes), (records.len(), about));
    match (&counted, totals) {
        (Ok(counted), Ok(totals)) => assert!(counted == totals && failing == totals.failing, "{counted:?}"),
        (counted, totals) => assert_eq!(format!("{counted:?}"), format!("{totals:?}")),
    }
}

fn run_on(input: impl Read + Send, options: &ReadOptions) -> Run {
    run_by(|validator, each| check(input, validator, options, each))
}

fn run_by(
    checks: impl FnOnce(&Validator, &mut (dyn FnMut(Told<'_>) -> ControlFlow<()> + Send)) -> Result<Totals, ReadError>,
) -> Run {
    let validator = Validator::compile_schema(SCHEMA.as_bytes(), &CompileOptions::default()).unwrap();
    let (mut about, mut records) = (Vec::new(), Vec::new());
    let totals = checks(&validator, &mut |told| {
        match told {
            Told::Input(finding) => about.push(finding.code.to_string()),
            Told::Record(checked) => {
                let whole = format!("{checked:?}");
                records.push(Seen { index: checked.index, report: checked.report.into_owned(), whole });
            }
            Told::Clean(_) => panic!("nobody asked for that"),
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
    let (about, records, totals) =
        run(b"[{\"name\":\"a\"}, nonsense, {\"name\":\"b\"},] x", 5, &ReadOptions::default());
    assert_eq!(codes(&records), [vec![], vec!["json-malformed"], vec![]]);
    assert_eq!(
        (about, totals.unwrap().records),
        (vec!["json-comma-stray".to_owned(), "trailing-content".to_owned()], 3)
    );
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
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
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

/// First line from 1, bytes, and the code of what is wrong with it.
type Lines = Vec<(u64, Vec<u8>, Option<&'static str>)>;

/// Lines as one byte after another tells them.
fn lines_of(input: &[u8], is_table: bool, limit: usize) -> Lines {
    let (mut found, mut line, mut from) = (Vec::new(), 1, 0);
    while from < input.len() {
        let (first, mut at, mut in_quotes, mut closed) = (line, from, false, None);
        while at < input.len() {
            let byte = input[at];
            if is_table && byte == b'"' {
                // One opens where a cell begins; one behind another that closed is of the text.
                let opens = at == from || input[at - 1] == b',' || closed == Some(at);
                closed = in_quotes.then_some(at + 1);
                in_quotes = !in_quotes && opens;
            }
            at += 1;
            line += u64::from(byte == b'\n');
            if byte == b'\n' && (!in_quotes || at - from > limit) {
                break;
            }
        }
        let whole = &input[from..at];
        from = at;
        let text = whole.strip_suffix(b"\n").unwrap_or(whole);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let is_over = whole.len() > limit;
        match (in_quotes, is_over) {
            (true, _) => {
                let kept = if is_over { &whole[..limit] } else { text };
                found.push((first, kept.to_vec(), Some("csv-quote-unclosed")));
            }
            (false, true) => found.push((first, whole[..limit].to_vec(), Some("line-too-long"))),
            (false, false) if text.trim_ascii().is_empty() => {}
            (false, false) => found.push((first, text.to_vec(), None)),
        }
    }
    found
}

/// The records among them, or why there are none: of a table, behind the header.
fn records_of(input: &[u8], is_table: bool, limit: usize) -> Result<Lines, String> {
    let lines = lines_of(input, is_table, limit);
    match lines.first() {
        Some((.., Some(fault))) if is_table => Err((*fault).into()),
        _ => Ok(lines.into_iter().skip(usize::from(is_table)).collect()),
    }
}

/// The same as the readers tell them.
fn lines_read(
    input: impl Read + Send,
    format: Format,
    limit: usize,
    (jobs, never_waits): (usize, bool),
) -> Result<Lines, String> {
    lines_by(format, limit, (jobs, never_waits), |validator, options, each| check(input, validator, options, each))
}

/// The same of what is in memory.
fn lines_in_memory(input: &[u8], format: Format, limit: usize, jobs: usize) -> Result<Lines, String> {
    lines_by(format, limit, (jobs, false), |validator, options, each| check_bytes(input, validator, options, each))
}

fn lines_by(
    format: Format,
    limit: usize,
    (jobs, never_waits): (usize, bool),
    checks: impl FnOnce(
        &Validator,
        &ReadOptions,
        &mut (dyn FnMut(Told<'_>) -> ControlFlow<()> + Send),
    ) -> Result<Totals, ReadError>,
) -> Result<Lines, String> {
    let validator = Validator::compile_schema(b"true", &CompileOptions::default()).unwrap();
    let check_options = CheckOptions { record_bytes_max: limit, ..Default::default() };
    let format = Some(format);
    let options = ReadOptions { format, jobs, never_waits, check: check_options, ..ReadOptions::default() };
    let mut found = Vec::new();
    let totals = checks(&validator, &options, &mut |told| {
        if let Told::Record(checked) = told {
            assert_eq!(checked.index, found.len() as u64);
            let is = |code: &&str| checked.report.findings.iter().any(|finding| finding.code == *code);
            let fault = ["csv-quote-unclosed", "line-too-long"].into_iter().find(is);
            if fault.is_some() {
                let is_there =
                    |place: &Place| matches!(place, Place::Text { line, column: 1, .. } if *line == checked.line);
                assert!(checked.report.findings[0].place.as_ref().is_some_and(is_there), "{checked:?}");
            }
            found.push((checked.line, checked.source.to_vec(), fault));
        }
        ControlFlow::Continue(())
    });
    match totals {
        Err(ReadError::Refused(finding)) => Err(finding.code.to_string()),
        totals => {
            assert_eq!(totals.unwrap().records, found.len() as u64);
            Ok(found)
        }
    }
}

/// Reads up to a place, and then the rest.
fn in_two(input: &[u8], at: usize) -> impl Read + Send {
    input[..at].chain(&input[at..])
}

#[test]
fn a_read_may_end_at_every_offset() {
    let ndjson = "{\"name\":\"a\"}\r\n\n \r\n{\"name\":\n{\"sex\":\"3\"}\n\n{\"name\":\"张三\"}x".as_bytes();
    let csv = "\r\nname,sex\n\"a\nb\"\"\",1\r\n\n,,\n王,3\n\"\"\nlong long long,1\nx,\"1\n2\n3".as_bytes();
    for (input, format) in [(ndjson, Format::Ndjson), (csv, Format::Csv), (csv, Format::Ndjson)] {
        for limit in [8, 13, 14, 1 << 20] {
            let is_table = format == Format::Csv;
            let wanted = records_of(input, is_table, limit);
            for at in 0..=input.len() {
                for workers in [(1, false), (2, false), (2, true)] {
                    assert_eq!(
                        lines_read(in_two(input, at), format, limit, workers),
                        wanted,
                        "cut at {at}, limit {limit}"
                    );
                }
            }
        }
        let told = |at: usize| {
            let options = ReadOptions { format: Some(format), jobs: 1, ..ReadOptions::default() };
            let (about, records, totals) = run_on(in_two(input, at), &options);
            let told: Vec<String> = records.into_iter().map(|record| record.whole).collect();
            (about, told, totals.unwrap())
        };
        let whole = told(0);
        (1..=input.len()).for_each(|at| assert_eq!(told(at), whole, "cut at {at}"));
    }
}

proptest! {
    #[test]
    fn lines_are_those_that_one_byte_after_another_tells(
        pieces in prop::collection::vec("(a|\"|\n|\r\n|,| |é|bcd|\"\"){1,8}", 0..30),
        times in prop::sample::select(vec![1usize, 1, 1, 40, 9_000]),
        limit in prop::sample::select(vec![1usize, 5, 9, 40, 300_000, 1 << 20]),
        at_once in 1usize..40,
        is_table in any::<bool>(),
    ) {
        let input = pieces.concat().repeat(times);
        let (input, at_once) = (input.as_bytes(), if times > 1 { at_once * 40_000 } else { at_once });
        let format = if is_table { Format::Csv } else { Format::Ndjson };
        let wanted = records_of(input, is_table, limit);
        for jobs in [1, 3] {
            for never_waits in [false, true] {
                let read = lines_read(Drip(input, at_once), format, limit, (jobs, never_waits));
                prop_assert!(read == wanted, "{jobs} workers, {never_waits}");
            }
            prop_assert!(lines_in_memory(input, format, limit, jobs) == wanted, "in memory, {jobs} workers");
        }
    }
}

/// Breaks where its text ends.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(std::io::Error::other("the line is dead")),
            count => Ok(count),
        }
    }
}

#[test]
fn what_stands_before_a_fault_of_the_input_is_told() {
    // Longer than what is looked at before anything is told.
    let many = |record: &str, between: &str| [record; 20_000].join(between);
    let (ndjson, array) = (many("{\"name\":\"a\"}", "\n") + "\n{\"na", format!("[{},", many("{\"name\":\"a\"}", ",")));
    // What may stand behind an array is waited for once its last item is told.
    let whole = format!("[{}]", many("{\"name\":\"a\"}", ","));
    let csv = format!("name\n{}\nb", many("abc", "\n"));
    let inputs = [(ndjson, Format::Ndjson), (array, Format::JsonArray), (whole, Format::JsonArray), (csv, Format::Csv)];
    for (input, format) in inputs {
        for jobs in [1, 2] {
            let options = ReadOptions { format: Some(format), jobs, ..ReadOptions::default() };
            let (_, records, totals) = run_on(Broken(input.as_bytes()), &options);
            assert!(matches!(totals, Err(ReadError::Io(_))), "{format:?}");
            assert_eq!(records.len(), 20_000, "{format:?}, {jobs} workers");
        }
    }
}

/// An input in memory is read after all where it is found to be in another encoding, or to have a line that is too long, however
/// much of it was told by then.
#[test]
fn what_is_in_memory_is_told_as_what_is_read() {
    let code = "x".repeat(300);
    let rows = |format, lines: usize| match format {
        Format::Csv => format!("a,{code}\n").repeat(lines),
        _ => format!("{{\"name\":\"a\",\"code\":\"{code}\"}}\n").repeat(lines),
    };
    let ends: [&[u8]; 4] = ["张三\n".as_bytes(), b"\xd5\xc5\xc8\xfd\n", b"\xff\n", b"\n"];
    for (format, header) in [(Format::Ndjson, ""), (Format::Csv, "name,code\n")] {
        for (lines, end) in [0, 210, 3_350, 7_000].into_iter().flat_map(|lines| ends.map(|end| (lines, end))) {
            let long = [b"\n\"".as_slice(), &b"y".repeat(1 << 20), b"\n"].concat();
            for beyond in [b"".as_slice(), &long] {
                let input =
                    [header.as_bytes(), rows(format, lines).as_bytes(), end, beyond, rows(format, 3).as_bytes()]
                        .concat();
                for (jobs, encoding) in [(1, None), (3, None), (2, Some(Encoding::Gb18030))] {
                    let options = ReadOptions {
                        format: Some(format),
                        encoding,
                        jobs,
                        counts_clean: true,
                        ..ReadOptions::default()
                    };
                    let told = |is_read: bool| {
                        let validator =
                            Validator::compile_schema(SCHEMA.as_bytes(), &CompileOptions::default()).unwrap();
                        let (mut told, mut clean) = (Vec::new(), 0);
                        let each = |one: Told<'_>| {
                            match one {
                                Told::Clean(count) => clean += count,
                                one => told.push(format!("behind {clean}: {one:?}")),
                            }
                            ControlFlow::Continue(())
                        };
                        let totals = match is_read {
                            true => check(&input[..], &validator, &options, each),
                            false => check_bytes(&input, &validator, &options, each),
                        };
                        (told, clean, format!("{totals:?}"))
                    };
                    assert_eq!(told(false), told(true), "{format:?}, {lines} lines before {end:?}, {jobs} workers");
                }
            }
        }
    }
}

/// An input of which reads end behind so many bytes, and then wherever else is told.
struct Cut<'a> {
    bytes: &'a [u8],
    at: usize,
    ends: &'a [usize],
}

impl Read for Cut<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.ends.iter().copied().find(|end| *end > self.at).unwrap_or(self.bytes.len());
        let count = buffer.len().min(end - self.at);
        buffer[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Everything that is told, in words; a brief one counts records in which nothing was found.
fn in_words(
    is_brief: bool,
    checks: impl FnOnce(&Validator, &mut (dyn FnMut(Told<'_>) -> ControlFlow<()> + Send)) -> Result<Totals, ReadError>,
) -> Vec<String> {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
        Validator::compile_schema(SCHEMA.as_bytes(), &CompileOptions::default()).expect("the schema compiles")
    });
    let (mut words, mut count) = (Vec::new(), 0);
    let totals = checks(&VALIDATOR, &mut |told| {
        match told {
            Told::Clean(clean) => count += clean,
            Told::Input(finding) => words.push(format!("behind {count}: {finding:?}")),
            Told::Record(checked) => {
                if !(is_brief && checked.report.is_clean()) {
                    words.push(format!("behind {count}: {checked:?}"));
                }
                count += 1;
            }
        }
        ControlFlow::Continue(())
    });
    words.push(format!("{totals:?}"));
    words
}

/// Of an input up to its first 64 KiB all is looked at before anything is read, so that cuts in it are none. What matters stands
/// behind that here, and behind as much again where the encoding is known by then.
#[test]
fn a_read_may_end_anywhere_behind_what_is_looked_at_first() {
    const GB: &[u8] = b"\xd5\xc5\xc8\xfd";
    let [blank, short] = [8_000, 30].map(|length| (" ".repeat(length) + "\n").repeat(66_000 / length + 1).into_bytes());
    let (blank, short) = (&blank[..], &short[..]);
    let long = [&b"{\"name\":\""[..], GB, b"\"}\n{\"name\":\"", &[b'a'; 65_536 - 10], b"\x81"].concat();
    let lines = [GB, &b"\"}\n{\"name\":\"\xe5\xbc\xa0\xe4\xb8\x89\"}\n{\"name\":\"\xc0\xee\xd5"[..]].concat();
    let rows =
        [&b"\""[..], GB, b",\n", GB, b"\",1\r\n\xe5\xbc\xa0\xe4\xb8\x89,3\n\xc0\xee\xcb\xc4,1\nx\",1\n\"y\n2"].concat();
    let quoted = "\"a\nb\"\"\",1\r\n \n\"张,\n\"\"三\",3\n5\",1\n\"y\"z,2\n\"open\n1,2";
    let over = format!("{}\"5,\"\nq\"\n\"{}\n\n\",1\nb,2\n{}张,\"", "x".repeat(45), "y".repeat(41), "z".repeat(39));
    let items = "{\"name\":\"\\\\\\\"],\"},{\"sex\":\"3\"} ,\"\\\\\" ,,\"张\",nul,\n] \n张x".as_bytes();
    let whole = 1 << 20;
    let (name, of) = (&b"{\"name\":\""[..], |parts: &[&[u8]]| parts.concat());
    let inputs = [
        (Format::Ndjson, whole, of(&[blank]), of(&[b"{\"name\":\"a\"}\r\n\n ", name, &lines])),
        (Format::Ndjson, 40, of(&[short]), of(&["{\"name\":\"张三\",\"code\":\"\\\"é\"}\n".as_bytes(), name, b"\xe5"])),
        (Format::Ndjson, whole, of(&[blank]), of(&["{\"name\":\"张三李四\"}\n\"".as_bytes(), GB, GB, b"\"\n1"])),
        // In GB 18030 from the beginning, or in UTF-8.
        (Format::Ndjson, whole, of(&[name, GB, b"\"}\n", blank]), of(&[name, &lines])),
        (Format::Ndjson, whole, long, of(&[b" \"}\n"])),
        (Format::Csv, whole, of(&[blank]), of(&[b"name,sex\n", &rows])),
        (Format::Csv, whole, of(&[blank]), of(&[b"\"name\",sex\r\n", quoted.as_bytes()])),
        (Format::Csv, whole, of(&[b"name,sex\n", blank]), of(&[&rows])),
        (Format::Csv, whole, of(&["姓名,sex\n".as_bytes(), blank]), of(&[quoted.as_bytes()])),
        (Format::Csv, whole, of(&[b"\xd0\xd5\xc3\xfb,sex\n", blank]), of(&[&rows])),
        (Format::Csv, 40, of(&[b"name,sex\n", short]), of(&[over.as_bytes()])),
        (Format::JsonArray, whole, of(&[b"[", blank]), of(&[items])),
        (Format::JsonArray, whole, of(&[b"[", blank]), of(&[name, GB, b"\\\"", GB, b"\xd5"])),
        (Format::JsonArray, whole, of(&[b"[", blank]), of(&[name, b"a\"}]x", GB])),
        (Format::JsonArray, whole, of(&[b"[", blank]), of(&[name, b"a\"},] ", GB])),
        (Format::JsonArray, whole, of(&[blank]), of(&[b"x", GB, b"[{\"name\":\"a\"}]"])),
        (Format::JsonArray, whole, of(&[blank]), of(&[GB, b"[]"])),
        (Format::Json, whole, of(&[blank]), of(&[name, GB, b"\"}"])),
    ];
    for (format, limit, before, tail) in inputs {
        let input = of(&[&before, &tail]);
        assert!(before.len() > 1 << 16, "{format:?}");
        let check_options = CheckOptions { record_bytes_max: limit, ..CheckOptions::default() };
        let options = ReadOptions { format: Some(format), jobs: 1, check: check_options, ..ReadOptions::default() };
        let counting = ReadOptions { counts_clean: true, ..options.clone() };
        let read = |ends: &[usize]| {
            in_words(false, |validator, each| check(Cut { bytes: &input, at: 0, ends }, validator, &options, each))
        };
        let counted = |ends: &[usize]| {
            let later = Later { input: Cut { bytes: &input, at: 0, ends }, is_there: false };
            in_words(true, |validator, each| {
                let read = check_async(later, validator, &counting, Pausing(each));
                tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(read)
            })
        };
        let (whole, brief) =
            (read(&[]), in_words(true, |validator, each| check_bytes(&input, validator, &options, each)));
        assert_eq!(in_words(false, |validator, each| check_bytes(&input, validator, &options, each)), whole);
        let each_byte: Vec<usize> = (before.len()..input.len()).collect();
        let each_third: Vec<usize> = each_byte.iter().copied().step_by(3).collect();
        let one = each_byte.iter().map(|end| vec![*end]);
        for ends in one.chain([vec![], each_third, each_byte.clone()]) {
            let until = ends.first().copied().unwrap_or(input.len());
            let behind = String::from_utf8_lossy(&input[before.len()..until]);
            assert_eq!(read(&ends), whole, "{format:?} cut behind {behind:?}, {} cuts", ends.len());
            if ends.len() != 1 || until % 3 == 0 {
                assert_eq!(counted(&ends), brief, "{format:?} cut behind {behind:?}, {} cuts, counted", ends.len());
            }
        }
    }
}

/// Hears as one who takes his time, and counts what he is told before he is waited for.
struct Heard {
    told: Vec<Finding>,
    since: usize,
    most: usize,
}

impl Hear for &mut Heard {
    fn hear(&mut self, told: Told<'_>) -> ControlFlow<()> {
        if let Told::Input(finding) = told {
            self.told.push(finding);
        }
        self.since += 1;
        self.most = self.most.max(self.since);
        ControlFlow::Continue(())
    }

    async fn ready(&mut self) -> ControlFlow<()> {
        self.since = 0;
        ControlFlow::Continue(())
    }
}

/// A header of a megabyte may have a fault in every second byte.
#[test]
fn of_a_wide_header_so_many_faults_are_listed() {
    let validator = Validator::compile_schema(SCHEMA.as_bytes(), &CompileOptions::default()).unwrap();
    let long = format!("n{}ame", " ".repeat(100_000));
    let check_options = CheckOptions { findings_max: 30, ..CheckOptions::default() };
    let options = ReadOptions { format: Some(Format::Csv), check: check_options, jobs: 1, ..ReadOptions::default() };
    let strays = "x\"x,\"x\"x,".repeat(5_000);
    for (header, known, wanted) in [
        (format!("name{}", ",x".repeat(40_000)), true, vec![("csv-header-unknown", 30, 39_970)]),
        (
            format!("name{},x", ",".repeat(100_000)),
            true,
            vec![("csv-header-blank", 30, 99_970), ("csv-header-unknown", 1, 0)],
        ),
        (
            format!("name{}", ",姓名".repeat(10_000)),
            false,
            vec![("csv-header-missing", 0, 0), ("csv-header-duplicate", 30, 9_970)],
        ),
        (format!("{long}{}", ",name".repeat(10_000)), false, vec![("csv-header-duplicate", 30, 9_970)]),
        (
            format!("{}x", "x,".repeat(10_000)),
            false,
            vec![("csv-header-unknown", 30, 9_971), ("csv-header-missing", 1, 0)],
        ),
        (format!("{strays}name"), true, vec![("csv-quote-stray", 60, 4_970), ("csv-header-unknown", 30, 9_970)]),
    ] {
        let input = format!("{header}\n");
        let mut heard = Heard { told: Vec::new(), since: 0, most: 0 };
        let later = Later { input: input.as_bytes(), is_there: false };
        let read = check_async(later, &validator, &options, &mut heard);
        let totals = tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(read).unwrap();
        assert!(heard.most <= 12, "{} findings were told at once", heard.most);
        let more = |code: &str| {
            let first = heard.told.iter().find(|finding| finding.code == code)?.suggestion.as_ref()?;
            let words =
                first.en.split("the header has ").nth(1)?.strip_suffix(" more of these, which are not listed")?;
            words.parse().ok()
        };
        for (code, listed, unlisted) in wanted {
            let count = heard.told.iter().filter(|finding| finding.code == code).count();
            assert_eq!((count, more(code).unwrap_or(0)), (listed, unlisted), "{code} of {}", &header[..20]);
        }
        assert_eq!(heard.told.len() as u64, totals.errors + totals.warnings);
        assert_eq!(known, totals.errors == 0 || header.contains('"'), "{totals:?}");
        let told: Vec<String> = heard.told.iter().map(|finding| format!("{finding:?}")).collect();
        let mut in_memory = Vec::new();
        let each = |one: Told<'_>| {
            if let Told::Input(finding) = one {
                in_memory.push(format!("{finding:?}"));
            }
            ControlFlow::Continue(())
        };
        assert_eq!(check_bytes(input.as_bytes(), &validator, &options, each).unwrap(), totals);
        assert_eq!(in_memory, told);
    }
}
