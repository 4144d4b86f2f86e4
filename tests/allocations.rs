//! A conforming record on the quick road allocates nothing, once a checker has seen one of its kind; but for identifiers that are
//! put into their plain form first, and for rules that read within an array: each of these makes a small copy. A wide header takes
//! memory for its columns, and not for what could be told of each.

use guiju::{
    Folder,
    readers::{ReadOptions, Told, check_bytes},
};
use guiju_model::Kind;
use guiju_validator::{CheckOptions, CompileOptions, Validator};
use std::{ops::ControlFlow, path::Path};

/// Small copies that a record may cost, where it costs any.
const COPIES_MAX: u64 = 4;

/// What is told of one record, and what that took.
fn allocations(validator: &Validator, record: &[u8], options: &CheckOptions) -> (bool, u64) {
    let mut checker = validator.checker();
    let is_clean = checker.tell(record, options).is_none() && checker.is_clean(record, options);
    let taken = allocation_counter::measure(|| {
        for _ in 0..3 {
            std::hint::black_box(checker.tell(record, options));
        }
    });
    (is_clean, taken.count_total / 3)
}

#[test]
fn of_shipped_standards() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../standards");
    let folder = Folder::read(&folder).expect("the standards");
    let options = CheckOptions { reference_date: "2026-11-01".parse().ok(), ..CheckOptions::default() };
    let (mut records, mut free, mut dated, mut found) = (0, 0, 0, Vec::new());
    for (package, bundle) in
        folder.versions().filter(|(package, _)| matches!(package.kind, Kind::Record | Kind::Profile))
    {
        let validator = Validator::compile(bundle, &CompileOptions::default()).expect("it compiles");
        // What asks a list for a day that the record names, reads the record for it.
        let is_dated = validator.inspect().contains("on a day of the record");
        for (file, record) in
            package.files.iter().filter(|(file, _)| file.starts_with("examples/") && file.ends_with(".json"))
        {
            let (is_clean, count) = allocations(&validator, record, &options);
            if !is_clean {
                continue;
            }
            records += 1;
            dated += usize::from(is_dated);
            free += usize::from(count == 0);
            if count > COPIES_MAX && !is_dated {
                found.push(format!("{} {} {file}: {count}", package.standard, package.version));
            }
        }
    }
    assert!(records > 40 && free * 2 > records, "{free} of {records} for nothing, {dated} by a day of their own");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn of_keywords_on_the_quick_road() {
    let cases = [
        (
            r#"{"type":"object","properties":{"a":{"type":"string","pattern":"^[0-9A-Z]{1,4}$"},"b":{"enum":["x","y"]}},"required":["a"],"additionalProperties":false}"#,
            r#"{"a":"A1","b":"y"}"#,
        ),
        (r#"{"items":{"type":"number","multipleOf":0.01,"exclusiveMaximum":10},"minItems":1}"#, "[1.25,9.99]"),
        (r#"{"type":"array","items":{"type":"string"},"uniqueItems":true}"#, r#"["a","b","c"]"#),
        (
            r#"{"properties":{"d":{"format":"date"},"t":{"format":"date-time"},"i":{"format":"cn-resident-id"}}}"#,
            r#"{"d":"2026-02-28","t":"2026-02-28T08:00:00+08:00","i":"11010519491231002X"}"#,
        ),
        (r#"{"oneOf":[{"type":"integer","maximum":3},{"type":"integer","minimum":5}]}"#, "7"),
        (
            r#"{"if":{"properties":{"k":{"const":"a"}},"required":["k"]},"then":{"required":["x"]}}"#,
            r#"{"k":"a","x":1}"#,
        ),
        (r#"{"patternProperties":{"^x-":{"type":"string"}},"propertyNames":{"minLength":2}}"#, r#"{"x-a":"b"}"#),
        (
            r##"{"type":"object","properties":{"next":{"$ref":"#"},"n":{"type":"integer"}}}"##,
            r#"{"n":1,"next":{"n":2,"next":{}}}"#,
        ),
        (r#"{"properties":{"a":{"type":"string","maxLength":8}}}"#, r#"{"a":"\u5f20\u4e09"}"#),
    ];
    let options = CheckOptions::default();
    for (schema, record) in cases {
        let validator = Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).expect("it compiles");
        assert_eq!(allocations(&validator, record.as_bytes(), &options), (true, 0), "{record} of {schema}");
    }
}

/// Bytes that one column of a header may take, of a few bytes itself.
const COLUMN_BYTES_MAX: u64 = 120;

#[test]
fn of_a_wide_header() {
    let schema = br#"{"properties":{"name":{"type":"string","title":"Name"},"b":{"type":"object","properties":{"c":{},"d":{}}}}}"#;
    let validator = Validator::compile_schema(schema, &CompileOptions::default()).expect("it compiles");
    for (column, count) in [(",x", 400_000_u64), (",name", 200_000), (",b", 400_000), (",b.c", 200_000)] {
        let table = format!("b.d{}\n", column.repeat(count as usize));
        let mut told = 0;
        let taken = allocation_counter::measure(|| {
            let each = |_: Told<'_>| {
                told += 1;
                ControlFlow::Continue(())
            };
            check_bytes(table.as_bytes(), &validator, &ReadOptions::default(), each).expect("a table without rows");
        });
        assert!(told > 0 && told <= 300, "{told} findings");
        assert!(taken.bytes_max < count * COLUMN_BYTES_MAX, "{} bytes for columns `{column}`", taken.bytes_max);
    }
}

/// Each of a thousand errors has a path as long as the record.
#[test]
fn of_errors_with_long_paths() {
    let schema = br#"{"additionalProperties": {"items": {"type": "string"}}}"#;
    let validator = Validator::compile_schema(schema, &CompileOptions::default()).expect("it compiles");
    let record = format!(r#"{{"{}": [{}7]}}"#, "k".repeat(900_000), "7, ".repeat(999));
    let mut report = validator.empty_report();
    let taken = allocation_counter::measure(|| report = validator.check(record.as_bytes(), &CheckOptions::default()));
    assert!(taken.bytes_max < 80 << 20, "{} bytes", taken.bytes_max);
    let listed: usize = report.findings.iter().map(|finding| finding.path.len()).sum();
    assert!(
        report.is_cut() && (900_000..2 << 20).contains(&listed),
        "{} findings, {listed} bytes",
        report.findings.len()
    );
}
