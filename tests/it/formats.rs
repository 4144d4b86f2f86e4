//! Identifier formats against vectors: `tests/cases/formats/*.txt`.
//!
//! A line is `format | text | reference date or - | codes or ok`. In the text, `\u{…}` is a character by number.

use guiju_validator::codes;
use guiju_validator::formats::{self, FormatFault};
use proptest::prelude::*;
use std::{fs, path::PathBuf};

#[test]
fn vectors() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases/formats");
    let mut wrong = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let place = format!("{}:{}", path.file_name().unwrap().to_string_lossy(), number + 1);
            let [format, text, date, expected] = line.splitn(4, " | ").collect::<Vec<_>>()[..] else {
                panic!("{place}: four parts with ` | ` between are wanted");
            };
            assert!(formats::is_known(format), "{place}: `{format}` is not a format");
            seen.insert(format.to_owned());
            let date = (date != "-").then(|| date.parse().unwrap());
            let faults = formats::check(format, &unescaped(text), date);
            faults.iter().for_each(documented);
            let found: Vec<&str> = faults.iter().map(|fault| fault.code).collect();
            let found = if found.is_empty() { "ok".into() } else { found.join(" ") };
            if found != expected {
                wrong.push(format!("{place}: {line}\n    found: {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} vectors differ:\n{}", wrong.len(), wrong.join("\n"));
    let without: Vec<_> = formats::names().filter(|name| !seen.contains(*name)).collect();
    assert!(without.is_empty(), "no vector for {without:?}");
}

/// Its page is there, agrees on severity and dimension, and its message asks for nothing that the fault does not give.
fn documented(fault: &FormatFault) {
    let page = codes::page(fault.code).unwrap_or_else(|| panic!("`{}` has no page", fault.code));
    assert_eq!((page.severity, page.dimension), (fault.severity, fault.dimension), "{}", fault.code);
    let args: Vec<(&str, &str)> = fault.args.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let message = codes::finding(fault.code, "", &args).message;
    assert!(!message.en.contains('{') && !message.zh.contains('{'), "{}: {}", fault.code, message.en);
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once('}').unwrap();
        whole.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
        whole.push_str(rest);
    }
    whole
}

/// 17 digits of a number that is right but for its check digit, and that digit.
fn resident_id() -> impl Strategy<Value = String> {
    (1900u16..2020, 1u8..13, 1u8..29, 1u16..1000, prop::sample::select(vec!["110105", "330113", "810000", "110221"]))
        .prop_map(|(year, month, day, sequence, region)| {
            let head = format!("{region}{year:04}{month:02}{day:02}{sequence:03}");
            let check = "0123456789X"
                .chars()
                .find(|c| formats::check("cn-resident-id", &format!("{head}{c}"), None).is_empty());
            format!("{head}{}", check.expect("one of eleven check digits is right"))
        })
}

proptest! {
    #[test]
    fn any_text_gives_an_answer(text in any::<String>()) {
        for name in formats::names() {
            formats::check(name, &text, None);
        }
    }

    #[test]
    fn text_of_the_right_signs_gives_an_answer(text in "[0-9A-Z年京使警WJEIOX·+\\-T:. Zz\u{FF10}-\u{FF19}]{0,32}") {
        for name in formats::names() {
            formats::check(name, &text, "2026-11-01".parse().ok());
        }
    }

    #[test]
    fn one_changed_digit_is_seen(id in resident_id(), place in 0usize..18, change in 1u8..10) {
        let mut digits = id.into_bytes();
        let before = digits[place];
        digits[place] = match before { b'X' => b'0' + change, digit => b'0' + (digit - b'0' + change) % 10 };
        let changed = String::from_utf8(digits).unwrap();
        let faults = formats::check("cn-resident-id", &changed, None);
        prop_assert!(faults.iter().any(|fault| fault.code == "resident-id-check-digit"), "{changed}: {faults:?}");
    }

    #[test]
    fn two_swapped_neighbours_are_seen(id in resident_id(), place in 0usize..16) {
        let mut digits = id.into_bytes();
        prop_assume!(digits[place] != digits[place + 1]);
        digits.swap(place, place + 1);
        let faults = formats::check("cn-resident-id", &String::from_utf8(digits).unwrap(), None);
        prop_assert!(faults.iter().any(|fault| fault.code == "resident-id-check-digit"));
    }

    /// Suggestions travel with reports: none may hold the text, or the digit that would make it pass.
    #[test]
    fn suggestions_hold_no_digits_of_the_text(id in resident_id(), place in 6usize..18, change in 1u8..10) {
        let mut digits = id.into_bytes();
        digits[place] = match digits[place] { b'X' => b'0' + change, digit => b'0' + (digit - b'0' + change) % 10 };
        let changed = String::from_utf8(digits).unwrap();
        for fault in formats::check("cn-resident-id", &changed, None) {
            let Some(suggestion) = fault.suggestion else { continue };
            prop_assert!(!suggestion.en.chars().chain(suggestion.zh.chars()).any(|c| c.is_ascii_digit()));
        }
    }
}
