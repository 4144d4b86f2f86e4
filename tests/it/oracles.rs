//! Identifier formats against libraries that we did not write (`tests/oracles/identifiers.py`).
//!
//! Each is asked only what it is right about; where they are known to be wrong is in `docs/reference/formats.md`.

use guiju_validator::formats;
use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

const COUNT: u64 = 2_000;
/// One library takes 20 ms for a number.
const SLOW_COUNT: usize = 110;

#[test]
fn resident_id_check_digits_agree_with_two_libraries() {
    let heads: Vec<String> = (0..COUNT).map(|seed| head(seed, 1 + seed % 28)).collect();
    let stdnum = ask("resident-id-check", &heads);
    for (head, theirs) in heads.iter().zip(&stdnum) {
        assert_eq!(right_ends(head), std::slice::from_ref(theirs), "{head}");
    }
    let all: Vec<String> =
        heads.iter().take(SLOW_COUNT / 11).flat_map(|head| ends().map(move |end| format!("{head}{end}"))).collect();
    for (id, theirs) in all.iter().zip(ask("id-validator-valid", &all)) {
        let ours = has_no("resident-id-check-digit", &formats::check("cn-resident-id", id, None));
        assert_eq!(ours, theirs == "ok", "{id}");
    }
}

#[test]
fn birth_dates_agree_with_two_libraries() {
    // Day 0 to 31 of every month, in years of each kind.
    let heads: Vec<String> = (0..COUNT).map(|seed| head(seed, seed % 32)).collect();
    let ids: Vec<String> = heads.iter().map(|head| format!("{head}{}", right_ends(head)[0])).collect();
    let is_date = |id: &String| has_no("resident-id-date", &formats::check("cn-resident-id", id, None));
    for (id, theirs) in ids.iter().zip(ask("resident-id-birth", &ids)) {
        assert_eq!(is_date(id), theirs == "ok", "{id}");
    }
    for (id, theirs) in ids.iter().zip(ask("id-validator-valid", &ids[..SLOW_COUNT])) {
        assert_eq!(is_date(id), theirs == "ok", "{id}");
    }
    let refused = ids.iter().filter(|id| !is_date(id)).count();
    assert!(refused > 20 && refused < ids.len() / 2, "{refused} of {COUNT} dates are impossible");
}

#[test]
fn credit_code_check_characters_agree() {
    let alphabet: Vec<char> = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars().collect();
    let sign = |seed: u64| alphabet[(scrambled(seed) % 31) as usize];
    let heads: Vec<String> = (0..COUNT).map(|seed| (0..17).map(|place| sign(seed * 17 + place)).collect()).collect();
    for (head, theirs) in heads.iter().zip(ask("uscc-check", &heads)) {
        let is_right = |end: &&char| has_no("uscc-check", &formats::check("cn-uscc", &format!("{head}{end}"), None));
        let ours: Vec<String> = alphabet.iter().filter(is_right).map(char::to_string).collect();
        assert_eq!(ours, [theirs], "{head}");
    }
}

#[test]
fn vehicle_identification_numbers_agree() {
    let alphabet: Vec<char> = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ".chars().collect();
    let sign = |seed: u64| alphabet[(scrambled(seed) % 33) as usize];
    // A maker's code that the library knows, then anything; every check digit in turn.
    let vin = |seed: u64| {
        let rest: String = (0..13).map(|place| sign(seed / 11 * 13 + place)).collect();
        format!("1M8{}{}{}", &rest[..5], ends().nth(seed as usize % 11).unwrap_or('X'), &rest[5..])
    };
    let vins: Vec<String> = (0..COUNT).map(vin).collect();
    let mut right = 0;
    for (vin, theirs) in vins.iter().zip(ask("vin-check", &vins)) {
        let ours = has_no("vin-check-foreign", &formats::check("vin", vin, None));
        assert_eq!(ours, theirs == "ok", "{vin}");
        right += u64::from(ours);
    }
    assert!(right > COUNT / 20, "{right} of {COUNT} are right");
}

#[test]
fn mobile_segments_agree() {
    let numbers: Vec<String> = (1300..2000).map(|segment| format!("{segment}1380013")).collect();
    for (number, theirs) in numbers.iter().zip(ask("mobile", &numbers)) {
        assert_eq!(formats::check("cn-mobile", number, None).is_empty(), theirs == "ok", "{number}");
    }
}

/// Where the codec still gives a private-use character, its successor is younger than the codec.
#[test]
fn successors_of_private_use_characters_agree() {
    let bytes: Vec<u8> = (0x50..=0xA0).filter(|&byte| byte != 0x7F).collect();
    let codes: Vec<String> = bytes.iter().map(|byte| format!("fe{byte:02x}")).collect();
    let mut compared = 0;
    for (place, theirs) in ask("gb18030", &codes).into_iter().enumerate() {
        let old = char::from_u32(0xE815 + place as u32).unwrap();
        let faults = formats::check("cn-person-name", &format!("王{old}"), None);
        let suggestion = faults[0].suggestion.as_ref().unwrap();
        if theirs != format!("{:X}", old as u32) {
            assert!(suggestion.en.contains(&format!("U+{theirs} ")), "U+{:X}: {theirs}, {}", old as u32, suggestion.en);
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared}");
}

fn has_no(code: &str, faults: &[formats::FormatFault]) -> bool {
    faults.iter().all(|fault| fault.code != code)
}

/// The ends with which the check digit is right.
fn right_ends(head: &str) -> Vec<String> {
    let is_right = |end: &char| {
        has_no("resident-id-check-digit", &formats::check("cn-resident-id", &format!("{head}{end}"), None))
    };
    ends().filter(is_right).map(|end| end.to_string()).collect()
}

fn ends() -> impl Iterator<Item = char> {
    "0123456789X".chars()
}

/// Of divisions on which all agree, born 1900 to 2019.
fn head(seed: u64, day: u64) -> String {
    let random = scrambled(seed);
    let region = ["110105", "110101", "310101", "440103"][(random % 4) as usize];
    let (year, month, sequence) = (1900 + random / 4 % 120, 1 + random / 512 % 12, 1 + random / 8192 % 999);
    format!("{region}{year:04}{month:02}{day:02}{sequence:03}")
}

/// The same numbers on every machine (SplitMix64).
fn scrambled(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 8
}

fn ask(question: &str, texts: &[String]) -> Vec<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../target/python/bin/python");
    assert!(python.exists(), "the libraries to compare with are not installed: run `bash tests/run`");
    let mut child = Command::new(python)
        .arg(root.join("oracles/identifiers.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let questions: String = texts.iter().map(|text| format!("{question}\t{text}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the script failed; if a library is missing, run `bash tests/run`");
    let answers: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), texts.len());
    answers
}
