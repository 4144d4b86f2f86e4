//! Any bytes as the rows of a table. The first chooses the standard and its columns.
//!
//! A row is judged by its cells, without its record; what is found is what the exact road finds in that record, and what the
//! reader found in the cells themselves. Rows that come together are judged side by side, and are told of as each by itself is.

use guiju::{
    CheckOptions, CompileOptions, Validator,
    readers::{Format, ReadOptions, Told, check},
};
use guiju_model::{Date, Finding};
use std::{io::Read, ops::ControlFlow, sync::LazyLock};

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
    // Once more from behind, so that rows have other neighbours and there are enough of them.
    let again: Vec<&[u8]> = rows.rsplit(|byte| *byte == b'\n').collect();
    let rows = [rows, b"\n", &again.join(&b'\n')].concat();
    let table = [SUBJECTS[which].1.as_bytes(), b"\n", &rows].concat();
    self::table(&VALIDATORS[which], &table, options);
}

/// Gives a line at once.
struct Lines<'a>(&'a [u8]);

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let line = self.0.iter().position(|byte| *byte == b'\n').map_or(self.0.len(), |end| end + 1);
        let count = line.min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// What is told of a table whose rows come together, and of one whose rows come one by one. Between header and rows a blank line is
/// put that is longer than what a reader looks at before it begins.
pub fn together_and_alone(validator: &Validator, table: &[u8], options: &ReadOptions) -> [Vec<String>; 2] {
    let (header, rows) =
        table.split_at(table.iter().position(|byte| *byte == b'\n').map_or(table.len(), |end| end + 1));
    let table = [header, &[b' '; 66_000], b"\n", rows].concat();
    let told = |input: &mut (dyn Read + Send)| {
        let mut told = Vec::new();
        let totals = check(input, validator, options, |what| {
            told.push(format!("{what:?}"));
            ControlFlow::Continue(())
        });
        told.push(format!("{:?}", totals.map_err(|error| error.to_string())));
        told
    };
    [told(&mut &table[..]), told(&mut Lines(&table))]
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
    // Of some, since it takes as long as all else.
    if table.len().is_multiple_of(4) {
        let [together, alone] = together_and_alone(validator, table, &read);
        assert_eq!(together, alone);
    }
    totals.map_or(0, |totals| totals.conforming)
}

fn placeless(finding: Finding) -> Finding {
    Finding { place: None, ..finding }
}
