//! What is JSON and what is not: `tests/cases/json`, by both roads.
//!
//! `UPDATE_EXPECT=1` writes the codes of what is refused; whether it is refused stands in the case.

use crate::support::{expect_file, root};
use guiju_validator::{CheckOptions, CompileOptions, Validator};
use std::fs;

#[test]
fn what_is_json_is_read_and_nothing_else() {
    let folder = root().join("tests/cases/json");
    // The second has members to look for, so that texts meet the program as well as the reader.
    let validators = [b"{}".as_slice(), br#"{"properties": {"a": {"type": "string"}}}"#]
        .map(|schema| Validator::compile_schema(schema, &CompileOptions::default()).unwrap());
    let mut wrong = Vec::new();
    for file in ["accept.txt", "refuse.txt"] {
        let cases = fs::read_to_string(folder.join(file)).unwrap();
        let mut told = String::new();
        for line in cases.lines() {
            told += &match line.split_once(' ') {
                Some(("accept", text)) => {
                    let codes = codes(&validators[0], &written(text));
                    if !codes.is_empty() {
                        wrong.push(format!("{line}: {codes:?}"));
                    }
                    line.to_owned()
                }
                Some(("refuse", rest)) => {
                    let (code, text) = rest.split_once(' ').expect("a code and a text");
                    let found = validators.each_ref().map(|validator| codes(validator, &written(text)));
                    if found[0].is_empty() {
                        wrong.push(format!("{line}: accepted"));
                    }
                    if found[0] != found[1] && code != "duplicate-key" {
                        wrong.push(format!("{line}: {found:?}"));
                    }
                    format!("refuse {} {text}", found[0].first().map_or("", String::as_str))
                }
                _ => line.to_owned(),
            };
            told.push('\n');
        }
        expect_file(&folder.join(file), &told);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The codes of what is found, which must be the same by both roads.
fn codes(validator: &Validator, text: &[u8]) -> Vec<String> {
    let options = CheckOptions { record_bytes_max: 4 << 20, ..CheckOptions::default() };
    let report = validator.check(text, &options);
    assert_eq!(report, validator.check_exactly(text, &options), "{}", String::from_utf8_lossy(text));
    report.findings.into_iter().map(|finding| finding.code.to_string()).collect()
}

/// The bytes of a case: `<E5 BC A0>` are these, `<3 x [>` is `[[[`.
fn written(case: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), case);
    while let Some((before, after)) = rest.split_once('<') {
        bytes.extend_from_slice(before.as_bytes());
        let meant = after.split_once('>').and_then(|(inside, behind)| Some((special(inside)?, behind)));
        match meant {
            Some((meant, behind)) => {
                bytes.extend(meant);
                rest = behind;
            }
            None => {
                bytes.push(b'<');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn special(inside: &str) -> Option<Vec<u8>> {
    if let Some((count, text)) = inside.split_once(" x ") {
        return Some(text.repeat(count.parse().ok()?).into_bytes());
    }
    inside.split(' ').map(|pair| u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2)).collect()
}
