//! Any bytes as a record. The first chooses a schema, the rest is judged.
//!
//! A report is the same each time, its counts are those of its findings, its places lie inside the record; what another
//! parser refuses is refused; and where a schema has none of our own words, the plain engine agrees.

use guiju_model::{Date, Place, Report, Severity};
use guiju_validator::{CheckOptions, CompileOptions, Validator, codes};
use serde_json::Value;
use std::sync::LazyLock;

struct Subject {
    validator: Validator,
    /// Absent where our own words have a say.
    plain: Option<jsonschema::Validator>,
}

const PLAIN: [&str; 3] = [
    r##"{"type":"object","required":["a"],"properties":{"a":{"type":"integer","minimum":0,"multipleOf":3},
        "b":{"enum":["x","男",1.0,{"c":[1]}]},"c":{"type":"array","items":{"$ref":"#"},"uniqueItems":true,"maxItems":3}},
        "patternProperties":{"^x_":{"type":"string","minLength":1,"maxLength":3}},"additionalProperties":false}"##,
    r##"{"oneOf":[{"properties":{"kind":{"const":1},"v":{"type":"string","pattern":"^[0-9]{2}$"}},"required":["kind"]},
        {"type":"array","prefixItems":[{"type":"null"}],"contains":{"type":"number","exclusiveMaximum":1e3}}],
        "unevaluatedProperties":false}"##,
    r##"{"anyOf":[{"type":"string","format":"uuid"},{"type":"string","format":"email"},{"type":["null","boolean"]},
        {"$defs":{"t":{"type":"object","propertyNames":{"maxLength":2},"additionalProperties":{"$ref":"#"}}},"$ref":"#/anyOf/3/$defs/t"}]}"##,
];

const OURS: &str = r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",
    "properties":{"id":{"type":"string","format":"cn-resident-id","x-guiju":{"titleZh":"公民身份号码"}},
        "sex":{"enum":["1","2"],"x-guiju":{"titleZh":"性别","nullWords":["-"]}},
        "born":{"type":"string","format":"date"},"left":{"type":"string","format":"date"},
        "amount":{"type":"number","minimum":0},"unit":{"type":"string","maxLength":4}},
    "required":["id"],"additionalProperties":false,
    "x-guiju":{"vocabulary":"1","rules":[{"id":"order","then":[{"op":"le","left":{"field":"/born"},"right":{"field":"/left"}}]},
        {"id":"born-in-id","then":[{"op":"eq","left":{"field":"/born"},"right":{"field":"/id","part":[6,14],"as":"date"}}]}]}}"##;

static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let compile = |schema: &str| {
        Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).expect("the target's schemas compile")
    };
    let plain = |schema: &str| {
        let value = serde_json::from_str(schema).expect("the target's schemas are JSON");
        jsonschema::options().should_validate_formats(true).build(&value).expect("the target's schemas compile")
    };
    let plain = PLAIN.iter().map(|schema| Subject { validator: compile(schema), plain: Some(plain(schema)) });
    plain.chain([Subject { validator: compile(OURS), plain: None }]).collect()
});

pub fn run(data: &[u8]) {
    let Some((choice, record)) = data.split_first() else { return };
    let subject = &SUBJECTS[usize::from(*choice) % SUBJECTS.len()];
    let options = CheckOptions {
        reference_date: Date::new(2026, 11, 1),
        findings_max: 3,
        with_values: choice & 128 != 0,
        ..CheckOptions::default()
    };
    let report = subject.validator.check(record, &options);
    assert_eq!(report, subject.validator.check(record, &options), "the same record, another report");
    whole(&report, record, &options);
    alike(&report, record, subject);
}

fn whole(report: &Report, record: &[u8], options: &CheckOptions) {
    let listed = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let counts =
        [(Severity::Error, report.errors), (Severity::Warning, report.warnings), (Severity::Info, report.infos)];
    assert!(report.findings.len() <= options.findings_max);
    for (severity, count) in counts {
        assert!(if report.is_cut() { listed(severity) <= count } else { listed(severity) == count }, "{report:?}");
    }
    assert!(report.is_cut() <= (report.findings.len() == options.findings_max), "findings are missing: {report:?}");
    for finding in &report.findings {
        assert!(codes::page(&finding.code).is_some(), "{} has no page", finding.code);
        assert!(finding.path.is_empty() || finding.path.starts_with('/'), "{}", finding.path);
        assert!(!has_placeholder(&finding.message.en) && !has_placeholder(&finding.message.zh), "{finding:?}");
        if let Some(Place::Text { line, column, offset }) = finding.place {
            assert!(line >= 1 && column >= 1 && offset <= record.len() as u64, "{finding:?}");
        }
    }
}

/// `{name}`: a hole in a sentence that nobody filled.
fn has_placeholder(message: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    message.split('{').skip(1).any(|rest| rest.split_once('}').is_some_and(|(name, _)| is_name(name)))
}

fn alike(report: &Report, record: &[u8], subject: &Subject) {
    let parsed = serde_json::from_slice::<Value>(record);
    let says = |code: &str| report.findings.iter().any(|finding| finding.code == code);
    // A mark at the beginning is passed over here, and deeper nesting is allowed than serde_json does.
    if record.starts_with(b"\xef\xbb\xbf")
        || parsed.as_ref().is_err_and(|error| error.to_string().contains("recursion"))
    {
        return;
    }
    let Ok(parsed) = parsed else {
        assert!(!report.conforms(), "serde_json refuses it: {parsed:?}");
        return;
    };
    if let Some(plain) = &subject.plain
        && !says("duplicate-key")
        && !report.is_cut()
    {
        assert_eq!(report.conforms(), plain.is_valid(&parsed), "the plain engine differs: {report:?}");
    }
}
