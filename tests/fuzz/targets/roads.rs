//! Any bytes as a record, down both roads. The first chooses a schema.
//!
//! The program accepts nothing in which the engine finds anything, and both give the same report, byte for byte, also where the
//! checker remembers what it told of the record before.

use guiju_model::Date;
use guiju_validator::{ABREAST, CheckOptions, CompileOptions, Validator};
use std::{array, sync::LazyLock};

const SCHEMAS: [&str; 7] = [
    r##"{"type":"object","required":["a"],"properties":{"a":{"type":"integer","minimum":0,"multipleOf":3},
        "b":{"enum":["x","男",1.0,{"c":[1]}]},"c":{"type":"array","items":{"$ref":"#"},"uniqueItems":true,"maxItems":3}},
        "patternProperties":{"^x_":{"type":"string","minLength":1,"maxLength":3}},"additionalProperties":false}"##,
    r##"{"oneOf":[{"properties":{"kind":{"const":1},"v":{"type":"string","pattern":"^[0-9]{2}$"}},"required":["kind"]},
        {"type":"array","prefixItems":[{"type":"null"}],"contains":{"type":"number","exclusiveMaximum":1e3}}],
        "unevaluatedProperties":false}"##,
    r##"{"anyOf":[{"type":"string","format":"uuid"},{"type":"string","format":"email"},{"type":["null","boolean"]},
        {"$defs":{"t":{"type":"object","propertyNames":{"maxLength":2},"additionalProperties":{"$ref":"#"}}},"$ref":"#/anyOf/3/$defs/t"}]}"##,
    r##"{"properties":{"t":{"type":"string","minLength":2,"maxLength":3},"on":{"format":"date"},"at":{"format":"date-time"},
        "n":{"type":"number","maximum":9.5,"exclusiveMinimum":-0.5},"p":{"pattern":"^[A-Z\\u4e00-\\u9fff]{1,3}-?[0-9]+$"},
        "l":{"items":{"enum":[1,2,"2",null,true]},"minItems":1}},"dependentRequired":{"t":["n"]},"minProperties":1,"maxProperties":4}"##,
    r##"{"type":"object","properties":{"kind":{"enum":["a","b"]},"a":{"type":"integer"},"b":{"type":"string"}},
        "if":{"properties":{"kind":{"const":"a"}},"required":["kind"]},"then":{"required":["a"]},"else":{"required":["b"]},
        "not":{"required":["c"]},"dependentSchemas":{"b":{"properties":{"a":{"maximum":5}}}}}"##,
    r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",
        "properties":{"id":{"type":"string","format":"cn-resident-id"},"uscc":{"format":"cn-uscc"},
        "born":{"type":"string","format":"date"},"left":{"type":"string","format":"date"}},"required":["id"],
        "x-guiju":{"vocabulary":"1","rules":[{"id":"order","then":[{"op":"le","left":{"field":"/born"},"right":{"field":"/left"}}]},
        {"id":"born-in-id","then":[{"op":"eq","left":{"field":"/born"},"right":{"field":"/id","part":[6,14],"as":"date"}}]}]}}"##,
    r##"{"properties":{"b":{"enum":["","x","ab","男","é€","abcdefg"]},"s":{"pattern":"^\\S+$"},"t":{"enum":["1234567890123456","甲"]},
        "in":{"properties":{"kind":{"const":"男a"},"kin":{"maximum":-0.5,"minimum":-99}},"required":["kind"],
        "additionalProperties":false}},"additionalProperties":false}"##,
];

static VALIDATORS: LazyLock<Vec<Validator>> = LazyLock::new(|| {
    let compile = |schema: &&str| {
        Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).expect("the target's schemas compile")
    };
    SCHEMAS.iter().map(compile).collect()
});

pub fn run(data: &[u8]) {
    let Some((choice, record)) = data.split_first() else { return };
    let validator = &VALIDATORS[usize::from(*choice & 63) % SCHEMAS.len()];
    let options = CheckOptions {
        reference_date: Date::new(2026, 11, 1),
        with_values: choice & 64 != 0,
        findings_max: if choice & 128 != 0 { 1 } else { 100 },
        ..CheckOptions::default()
    };
    let exact = validator.check_exactly(record, &options);
    let mut checker = validator.checker();
    for _ in 0..2 {
        assert_eq!(checker.check(record, &options), exact, "the roads part");
    }
    abreast(validator, record, &options);
    let is_clean = exact.errors + exact.warnings + exact.infos == 0;
    assert!(is_clean || !checker.is_clean(record, &options), "accepted, though something is found");
}

/// Beside itself and what is left of it where a piece is cut out, whose length its last byte tells.
fn abreast(validator: &Validator, record: &[u8], options: &CheckOptions) {
    let cut = record.last().map_or(0, |last| usize::from(*last) % record.len());
    let parts = [record, &record[cut..], &record[..cut], record];
    let (mut bytes, mut records) = (Vec::new(), [const { 0..0 }; ABREAST]);
    for (place, part) in records.iter_mut().zip(parts) {
        *place = bytes.len()..bytes.len() + part.len();
        bytes.extend_from_slice(part);
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(&[b'"'; 100]);
    let exact: [_; ABREAST] = array::from_fn(|at| validator.check_exactly(parts[at], options));
    validator.checker().tell_abreast(&bytes, &records, options, |at, found, _| {
        let found = found.map_or_else(|| validator.empty_report(), |report| *report);
        assert_eq!(found, exact[at], "the roads part abreast, at {at}");
    });
}
