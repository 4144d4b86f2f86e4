//! All neighbours of the records of `tests/cases/neighbours.txt`, down both roads.
//!
//! Chance seldom meets what lies just beside what conforms; this goes there on purpose, place by place.

use super::{Checkers, options};
use crate::support::root;
use guiju_validator::{CheckOptions, CompileOptions, Validator};
use serde_json::Value;
use std::{collections::BTreeSet, ops::Range};

#[test]
fn neighbours_of_conforming_records_are_judged_alike() {
    let cases = std::fs::read_to_string(root().join("tests/cases/neighbours.txt")).unwrap();
    let (mut judged, mut accepted) = (0, 0);
    for case in cases.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = case.split(" | ").collect();
        let [_, schema, records @ ..] = parts.as_slice() else { panic!("three parts: {case}") };
        let validator = Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).expect(case);
        let mut checkers = Checkers::of(&validator);
        let limits: Vec<&str> =
            tokens(schema).into_iter().filter(|token| token.is_number).map(|t| &schema[t.at]).collect();
        for record in records {
            let report = validator.check(record.as_bytes(), &options());
            assert!(report.conforms(), "{record} of {case}: {:?}", report.findings);
            for (number, neighbour) in neighbours(record, &limits).iter().enumerate() {
                let options = CheckOptions { with_values: number % 4 == 0, ..options() };
                accepted += usize::from(checkers.hold(neighbour, &options, case));
                judged += 1;
            }
        }
    }
    assert!(judged > 20_000 && accepted > 2_000, "{accepted} of {judged} were accepted, so little was shown");
}

/// What a byte may be instead, or come between two.
const BYTES: [&[u8]; 16] =
    [b"\0", b"\x1F", b"\"", b"\\", b"\x7F", b"\x80", b"\xE4", b"\xFF", b" ", b"0", b"-", b".", b"e", b",", b"}", b"a"];

fn neighbours(record: &str, limits: &[&str]) -> BTreeSet<Vec<u8>> {
    let bytes = record.as_bytes();
    let mut all = BTreeSet::new();
    let mut with = |range: Range<usize>, piece: &[u8]| {
        all.insert([&bytes[..range.start], piece, &bytes[range.end..]].concat());
    };
    for at in 0..=bytes.len() {
        with(at..bytes.len(), b"");
        for byte in BYTES {
            with(at..at, byte);
            with(at..(at + 1).min(bytes.len()), byte);
        }
        if at < bytes.len() {
            with(at..at + 1, b"");
            with(at..at, &bytes[at..=at]);
        }
        if at + 1 < bytes.len() {
            with(at..at + 2, &[bytes[at + 1], bytes[at]]);
        }
    }
    for Token { at, is_number } in tokens(record) {
        let token = &record[at.clone()];
        let others = match is_number {
            true => numbers(token, limits),
            false => texts(&token[1..token.len() - 1]),
        };
        others.iter().for_each(|other| with(at.clone(), other));
    }
    for object in containers(record, b'{', b'}') {
        let members = parts(record, &object);
        arrangements(&members).iter().for_each(|order| with(object.clone(), order.as_bytes()));
    }
    // Wherever a block of bytes may end.
    for shift in 0..70 {
        with(0..0, " ".repeat(shift).as_bytes());
        with(bytes.len()..bytes.len(), "\n".repeat(shift).as_bytes());
    }
    let outside = |at: &usize| tokens(record).iter().all(|token| !(token.at.start < *at && *at < token.at.end));
    (0..bytes.len()).filter(outside).for_each(|at| with(at..at, b" \t"));
    all
}

/// A text or a number, where it stands.
struct Token {
    at: Range<usize>,
    is_number: bool,
}

fn tokens(json: &str) -> Vec<Token> {
    let (bytes, mut found, mut at) = (json.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let from = at;
        let is_number = bytes[at] == b'-' || bytes[at].is_ascii_digit();
        at += match bytes[at] {
            b'"' => {
                let mut end = at + 1;
                while bytes[end] != b'"' {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                end + 1 - at
            }
            _ if is_number => bytes[at..].iter().take_while(|b| b.is_ascii_digit() || b"-+.eE".contains(b)).count(),
            _ => 1,
        };
        if at > from + 1 || is_number {
            found.push(Token { at: from..at, is_number });
        }
    }
    found
}

/// The same and other characters, in quotes; `inner` is spelled as in JSON.
fn texts(inner: &str) -> Vec<Vec<u8>> {
    let quoted = |text: &[u8]| [b"\"", text, b"\""].concat();
    let value: String = serde_json::from_str(&format!("\"{inner}\"")).unwrap();
    let chars: Vec<char> = value.chars().collect();
    let spelled = |chars: &[char]| Value::from(chars.iter().collect::<String>()).to_string().into_bytes();
    let escape = |c: &char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    let mut all = vec![quoted(b""), spelled(&[chars.clone(), chars.clone()].concat())];
    for at in 0..chars.len() {
        let (before, after) = (&chars[..at], &chars[at + 1..]);
        let plain = |chars: &[char]| {
            let spelled = Value::from(chars.iter().collect::<String>()).to_string();
            spelled[1..spelled.len() - 1].to_owned()
        };
        let escaped = escape(&chars[at]);
        for escaped in [escaped.to_uppercase().replace("\\U", "\\u"), escaped] {
            all.push(quoted([plain(before), escaped, plain(after)].concat().as_bytes()));
        }
        for other in at + 1..chars.len() {
            let mut swapped = chars.clone();
            swapped.swap(at, other);
            all.push(spelled(&swapped));
        }
    }
    all.push(quoted(chars.iter().map(escape).collect::<String>().as_bytes()));
    // Bytes in another order are mostly no text.
    let bytes = inner.as_bytes();
    for turn in 0..bytes.len() {
        all.push(quoted(&[&bytes[turn..], &bytes[..turn]].concat()));
        all.push(quoted(&bytes[..turn]));
    }
    all.push(quoted(&bytes.iter().rev().copied().collect::<Vec<u8>>()));
    for more in ["\\u0000", "\\n", "\\/", "\\u0020", "中", "\u{1F600}", "s", "0", " ", "\\ud800", "\\x"] {
        all.push(quoted([inner, more].concat().as_bytes()));
        all.push(quoted([more, inner].concat().as_bytes()));
    }
    all.extend([inner.to_uppercase(), inner.to_lowercase()].map(|text| quoted(text.as_bytes())));
    all
}

/// The same and other numbers: near itself, near what the schema names, near the ends of what is told at a look.
fn numbers(own: &str, limits: &[&str]) -> Vec<Vec<u8>> {
    const ENDS: [&str; 14] = [
        "0",
        "-0",
        "1",
        "99999999",
        "100000000",
        "0.12345678",
        "0.123456789",
        "99999999.9999999",
        "99999999.99999999",
        "123456789012345",
        "1234567890123456",
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551616",
    ];
    let mut all =
        vec![b"-".to_vec(), b"+1".to_vec(), b"1.".to_vec(), b".5".to_vec(), b"1e400".to_vec(), b"0x1".to_vec()];
    for number in ENDS.iter().chain(limits).chain([&own]) {
        let mut whole = number.to_string();
        all.push(whole.clone().into_bytes());
        let tails = ["0", "1", "9", ".0", ".00", ".5", ".000000001", "e0", "E+1", "e-1", "."];
        all.extend(tails.map(|tail| format!("{number}{tail}").into_bytes()));
        all.extend(["-", "0", "-0", "1"].map(|head| format!("{head}{number}").into_bytes()));
        all.push(number.trim_start_matches('-').as_bytes().to_vec());
        // One more and one less in the last digit.
        let last = whole.pop().unwrap_or('0');
        for digit in [last as u8 - 1, last as u8 + 1].into_iter().filter(u8::is_ascii_digit) {
            all.push(format!("{whole}{}", char::from(digit)).into_bytes());
        }
        all.push(whole.into_bytes());
    }
    all
}

/// Where containers stand that begin and end so.
fn containers(json: &str, begin: u8, end: u8) -> Vec<Range<usize>> {
    let tokens = tokens(json);
    let is_inside = |at: usize| tokens.iter().any(|token| token.at.contains(&at));
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for (at, byte) in json.bytes().enumerate().filter(|(at, _)| !is_inside(*at)) {
        if byte == begin {
            open.push(at);
        } else if byte == end
            && let Some(from) = open.pop()
        {
            found.push(from..at + 1);
        }
    }
    found
}

/// What stands between the commas of a container.
fn parts<'j>(json: &'j str, container: &Range<usize>) -> Vec<&'j str> {
    let tokens = tokens(json);
    let is_inside = |at: usize| tokens.iter().any(|token| token.at.contains(&at));
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, container.start + 1);
    for at in (from..container.end).filter(|at| !is_inside(*at)) {
        match json.as_bytes()[at] {
            b'{' | b'[' => depth += 1,
            b',' | b'}' if depth == 0 => {
                parts.push(&json[from..at]);
                from = at + 1;
            }
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Members in every order, or in many; without each; with each twice, the same or another; with one more.
fn arrangements(members: &[&str]) -> Vec<String> {
    let object = |members: &[&str]| format!("{{{}}}", members.join(","));
    let mut all: Vec<String> = orders(members).iter().map(|order| object(order)).collect();
    for (at, member) in members.iter().enumerate() {
        all.push(object(&[&members[..at], &members[at + 1..]].concat()));
        let name = &member[..tokens(member)[0].at.end];
        let (null, text, inner) = (format!("{name}:null"), format!("{name}:\"\""), format!("{name}:{{\"a\":[1]}}"));
        for other in [*member, &null, &text, &inner] {
            all.push(object(&[members, &[other]].concat()));
            all.push(object(&[&[other], members].concat()));
            all.push(object(&[&members[..at], &[other], &members[at + 1..]].concat()));
        }
    }
    for more in ["\"other\":1", "\"x_b\":\"2\"", "\"other\":{\"a\":{}},\"another\":[]", "\"\":0", "\"a\\u0062\":0"] {
        (0..=members.len()).for_each(|at| all.push(object(&[&members[..at], &[more], &members[at..]].concat())));
    }
    all
}

fn orders<'m>(members: &[&'m str]) -> Vec<Vec<&'m str>> {
    let Some((first, rest)) = members.split_first() else { return vec![Vec::new()] };
    let insert = |order: Vec<&'m str>| {
        (0..=order.len()).map(move |at| [&order[..at], &[*first], &order[at..]].concat()).collect::<Vec<_>>()
    };
    orders(rest).into_iter().flat_map(insert).collect()
}
