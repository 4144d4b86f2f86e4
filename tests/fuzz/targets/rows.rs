//! Any bytes as the rows of a table. The first chooses the standard and its columns.
//!
//! A row is judged by its cells, without its record; what is found is what the exact road finds in that record, and what the
//! reader found in the cells themselves.

use guiju::{
    CheckOptions, CompileOptions, Validator,
    readers::{Format, ReadOptions, Told, check},
};
use guiju_model::{Date, Finding};
use std::{ops::ControlFlow, sync::LazyLock};

/// A schema, and the header of a table of its records.
const SUBJECTS: [(&str, &str); 5] = [
    (
        r#"{"type":"object","properties":{"name":{"type":"string","maxLength":4,"x-guiju":{"nullWords":["-","无"]}},
        "code":{"type":"string","pattern":"^[0-9]{2,4}$"},"size":{"type":"integer","minimum":-3,"maximum":999,"multipleOf":3},
        "part":{"type":"number","exclusiveMaximum":1.5},"kind":{"enum":["1","2","longer than eight",3]},
        "on":{"type":"string","format":"date","x-guiju":{"inputFormats":["YYYYMMDD","YYYY/M/D","excel-serial"]}},
        "is":{"type":"boolean"},"tags":{"type":"array","items":{"type":"string","maxLength":2},"maxItems":2,"uniqueItems":true}},
        "required":["name","size"],"minProperties":3,"additionalProperties":false,"x-guiju":{"vocabulary":"1"}}"#,
        "name,code,size,part,kind,on,is,tags",
    ),
    (
        r#"{"type":"object","properties":{"at":{"type":"object","properties":{"lon":{"type":"number","minimum":73},
        "lat":{"type":"number"},"of":{"properties":{"b":{"const":"x"},"a":{}}}},"required":["lon","lat"],"maxProperties":2},
        "to":{"type":["string","null"]},"n":{"type":["integer","string"]}},"required":["to"]}"#,
        "n,at.lon,to,at.of.b,at.lat,at.of.a",
    ),
    (
        r#"{"type":"object","properties":{"kind":{"enum":["a","b"]},"a":{"type":"integer"},"b":{"type":"string"},"c":{}},
        "oneOf":[{"properties":{"kind":{"const":"a"}},"required":["a"]},{"properties":{"kind":{"const":"b"},"b":{"minLength":2}},
        "required":["b"]}],"if":{"required":["c"]},"then":{"properties":{"a":{"maximum":5}}},"dependentRequired":{"c":["kind"]},
        "not":{"properties":{"b":{"const":"no"}},"required":["b"]}}"#,
        "kind;a;b;c",
    ),
    (
        r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{
        "id":{"type":"string","format":"cn-resident-id"},"born":{"type":"string","format":"date"},
        "left":{"type":"string","format":"date"},"sum":{"type":"number"},"one":{"type":"number"}},"required":["id"],
        "x-guiju":{"vocabulary":"1","rules":[{"id":"order","then":[{"op":"le","left":{"field":"/born"},"right":{"field":"/left"}}]},
        {"id":"born-in-id","then":[{"op":"eq","left":{"field":"/born"},"right":{"field":"/id","part":[6,14],"as":"date"}}]}]}}"#,
        "id\tborn\tleft\tsum\tone",
    ),
    (
        r#"{"type":"object","properties":{"id":{"type":"string"},"n":{"type":"number"},"at":{"type":"object","properties":{
        "lon":{"type":"number"},"lat":{"type":"number"},"of":{"properties":{"day":{"type":"string"}}}}}},"required":["id"],
        "x-guiju":{"vocabulary":"1","rules":[{"id":"east","severity":"warning","if":[{"op":"present","left":{"field":"/at/lat"}}],
        "then":[{"op":"ge","left":{"field":"/at/lon"},"right":{"value":73.4}},{"op":"le","left":{"field":"/at/lat"},"right":{"field":"/n"}}]},
        {"id":"day","then":[{"op":"ne","left":{"field":"/at/of/day"},"right":{"field":"/id"}}]}]}}"#,
        "id,at.lon,at.lat,n,at.of.day",
    ),
];

static VALIDATORS: LazyLock<Vec<Validator>> = LazyLock::new(|| {
    let compile = |(schema, _): &(&str, &str)| {
        Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).expect("the target's schemas compile")
    };
    SUBJECTS.iter().map(compile).collect()
});

pub fn run(data: &[u8]) {
    let Some((choice, rows)) = data.split_first() else { return };
    let which = usize::from(*choice & 63) % SUBJECTS.len();
    let options = CheckOptions {
        reference_date: Date::new(2026, 11, 1),
        with_values: choice & 64 != 0,
        findings_max: if choice & 128 != 0 { 1 } else { 100 },
        ..CheckOptions::default()
    };
    table(&VALIDATORS[which], &[SUBJECTS[which].1.as_bytes(), b"\n", rows].concat(), options);
}

/// Checks a table; how many of its rows conform.
pub fn table(validator: &Validator, table: &[u8], options: CheckOptions) -> u64 {
    let read = ReadOptions { format: Some(Format::Csv), jobs: 1, check: options.clone(), ..ReadOptions::default() };
    let totals = check(table, validator, &read, |told| {
        let Told::Record(checked) = told else { return ControlFlow::Continue(()) };
        if checked.is_readable {
            let json = checked.json();
            let exact = validator.check_exactly(&json, &options);
            let of_cells =
                |finding: &&Finding| matches!(&*finding.code, "null-word" | "csv-number-exponent" | "csv-quote-stray");
            let own = checked.report.findings.iter().filter(of_cells).count();
            let counts = |report: &guiju_model::Report| (report.errors, report.warnings, report.infos);
            let found: Vec<Finding> = checked.report.findings[own..].iter().cloned().map(placeless).collect();
            let wanted: Vec<Finding> = exact.findings.iter().cloned().map(placeless).collect();
            let about = String::from_utf8_lossy(&json);
            assert_eq!(found, wanted[..found.len()], "{about}");
            assert!(found.len() == wanted.len() || own > 0 && checked.report.is_cut(), "{about}");
            assert!(own > 0 || counts(&checked.report) == counts(&exact), "{about}");
        }
        ControlFlow::Continue(())
    });
    totals.map_or(0, |totals| totals.conforming)
}

fn placeless(finding: Finding) -> Finding {
    Finding { place: None, ..finding }
}
