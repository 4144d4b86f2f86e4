//! Identifier formats against vectors: `tests/cases/formats/*.txt`.
//!
//! A line is `format | text | reference date or - | codes or ok`. In the text, `\u{…}` is a character by number.

use guiju_model::{CodeList, CodeRow};
use guiju_validator::codes;
use guiju_validator::formats::{self, FormatFault};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

#[test]
fn vectors() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases/formats");
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
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
    let message = codes::finding(fault.code, "", &args).message.clone();
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

/// What the wrong text often is, said in words.
#[test]
fn suggestions_name_the_usual_cause() {
    for (format, text, words) in [
        ("cn-resident-id", "1.10105E+17", "exponent form"),
        ("cn-resident-id", "110105030615123", "retired 15-digit form"),
        ("cn-resident-id", "110105 19030615 1235", "leave the space inside out"),
        ("cn-resident-id", "无", "list this word in `nullWords`"),
        ("cn-resident-id", "110105190306152135", "two neighbours swapped"),
        ("cn-resident-id", "11010519030615003x", "capital"),
        ("cn-uscc", "911101017447260032", "rounded its end"),
        ("cn-uscc", "91110000O00037341L", "often a mistyped"),
        ("cn-postal-code", "10020", "leading zero"),
        ("cn-mobile", "13800138000.0", "as a decimal"),
        ("cn-mobile", "+8613800138000", "separator"),
        ("cn-plate", "京A1234O", "mistyped 1 or 0"),
        ("cn-person-name", "李\u{E863}", "U+4DAE 䶮"),
        ("date", "2026/11/1", "two digits"),
        ("date", "03/04/2026", "ask the sender"),
        ("date", "31/12/2026", "day, month, year"),
        ("date", "46000", "excel-serial"),
        ("cn-datetime", "2026-11-01 08:30:00+08:00", "write T"),
        ("cn-datetime", "2026-11-01T08:30:00", "+08:00"),
        ("decimal", "1,234.50", "thousands"),
        ("decimal", ".5", "both sides of the point"),
    ] {
        let faults = formats::check(format, text, None);
        let said = faults.iter().filter_map(|fault| fault.suggestion.as_ref()).find(|said| said.en.contains(words));
        assert!(said.is_some_and(|said| !said.zh.is_empty()), "{format} {text}: {faults:?}");
    }
}

/// The newest version of a code list that the project ships.
fn list(name: &str) -> CodeList {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../standards").join(name);
    let versions = fs::read_dir(&folder).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let newest = versions.filter_map(|name| name.parse::<semver::Version>().ok()).max().unwrap();
    CodeList::parse(&fs::read(folder.join(newest.to_string()).join("codes.csv")).unwrap()).unwrap()
}

/// Compares a table of the validator with what the lists say; `UPDATE_EXPECT=1` writes it anew.
fn table(file: &str, made: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sdk/validator/data").join(file);
    let held = fs::read_to_string(&path).unwrap();
    let comments: String = held.lines().filter(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let wanted = comments + made;
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &wanted).unwrap();
    } else {
        assert!(
            held == wanted,
            "sdk/validator/data/{file} is not that of the code list; run this test with UPDATE_EXPECT=1"
        );
    }
}

#[test]
fn divisions_are_those_of_the_list() {
    let codes: BTreeSet<String> = list("cn.gb/gbt-2260").rows().map(|row| row.code().to_owned()).collect();
    let mut lines: BTreeMap<&str, String> = BTreeMap::new();
    for code in &codes {
        let line = lines.entry(&code[..4]).or_insert_with(|| code[..4].to_owned());
        line.push(' ');
        line.push_str(&code[4..]);
    }
    table("divisions.txt", &lines.values().map(|line| format!("{line}\n")).collect::<String>());
    for code in ["110105", "110302", "653132"] {
        let known = formats::check("cn-building-code", &format!("{code}0030030400042"), None).is_empty();
        assert_eq!(known, codes.contains(code), "{code}");
    }
}

#[test]
fn countries_are_those_of_the_list() {
    let list = list("cn.gb/gbt-2659");
    let numeric =
        |row: &CodeRow<'_>| row.aliases().find(|alias| alias.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned);
    let countries: BTreeSet<String> =
        list.rows().map(|row| format!("{}{}", row.code(), numeric(&row).unwrap())).collect();
    let countries: Vec<String> = countries.into_iter().collect();
    table("countries.txt", &countries.chunks(18).map(|line| format!("{}\n", line.join(" "))).collect::<String>());
}

#[test]
fn smaller_tables_are_those_of_the_lists() {
    for row in list("cn.gb/gb-32100-department").rows().filter(|row| row.code().len() == 2 && row.code().is_ascii()) {
        let right = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars().map(|end| format!("{}110105600037341{end}", row.code()));
        let faults: Vec<_> = right
            .map(|code| formats::check("cn-uscc", &code, None))
            .filter(|f| f.iter().all(|f| f.code != "uscc-check"))
            .collect();
        assert!(
            faults.len() == 1 && faults[0].iter().all(|fault| fault.code != "uscc-category-unknown"),
            "{}",
            row.code()
        );
    }
    for row in list("cn.ga/ga-36-plate-province").rows() {
        assert!(formats::check("cn-plate", &format!("{}A12345", row.code()), None).is_empty(), "{}", row.code());
    }
    let industries = list("cn.gb/gbt-4754");
    let section = |code: &str| {
        let mut code = code.to_owned();
        while let Some(parent) = industries.get(&code).and_then(|found| found.rows().next()?.parent()) {
            code = parent.to_owned();
        }
        code
    };
    for row in industries.rows().filter(|row| row.code().len() > 1) {
        let code = format!("{}{}", section(row.code()), row.code());
        let faults: Vec<_> = formats::check("cn-industry", &code, None).iter().map(|fault| fault.code).collect();
        assert_eq!(faults, ["industry-section-letter"], "{code}");
    }
}
