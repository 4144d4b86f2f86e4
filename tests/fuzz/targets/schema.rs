//! Any bytes as a schema. It compiles, or its faults say where and what; what compiles judges records, each the same way twice.

use guiju_validator::{CheckOptions, CompileOptions, Validator};

const RECORDS: [&str; 8] = [
    "{}",
    "[]",
    "\"2026-02-30\"",
    "1e2",
    "null",
    r#"{"a":1,"b":[{"a":"男"},{"a":"男"}],"c":{"d":{"e":null}},"date":"2026-11-01"}"#,
    r#"[[[[1,2,3],[1,2,3]]],{"a":{"a":{"a":{}}}},"x",0.1,-0,12345678901234567890]"#,
    r#"{"a":"\u0000\ud83d\ude00","":[""],"a/b":{"~":1}}"#,
];

pub fn run(data: &[u8]) {
    match Validator::compile_schema(data, &CompileOptions::default()) {
        Ok(validator) => RECORDS.iter().for_each(|record| {
            let options = CheckOptions::default();
            let report = validator.check(record.as_bytes(), &options);
            assert_eq!(report, validator.check(record.as_bytes(), &options));
        }),
        Err(error) => {
            assert!(!error.faults.is_empty(), "refused without a reason");
            for fault in &error.faults {
                assert!(!fault.message.is_empty() && !fault.code.is_empty(), "{fault:?}");
                assert!(fault.pointer.is_empty() || fault.pointer.starts_with('/'), "{fault:?}");
            }
            let again = Validator::compile_schema(data, &CompileOptions::default());
            assert_eq!(again.err().map(|error| error.faults), Some(error.faults), "other faults the second time");
        }
    }
}
