//! Resident ID numbers (GB 11643-1999) and those of foreign permanent residents.
//!
//! `RRRRRR YYYYMMDD SSS C`: division of first registration, birth, sequence, check digit (ISO 7064 MOD 11-2).

use super::divisions::{ever_existed, is_country_alpha3, is_country_numeric, is_province};
use super::plain::{Case, Plain, likely, plain, position};
use super::{FormatFault, all_digits, fits};
use guiju_model::{Date, Dimension::*};

/// The 18-character number of a resident, or of a foreign permanent resident (2023 form), which has its structure.
pub(super) fn eighteen(text: &str, today: Option<Date>) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::Upper, &[]);
    match text.len() {
        15 if all_digits(&text) => faults.push(length(&text).suggest(
            "this is the retired 15-digit form: ask for the 18-character number on the card",
            "这是已停用的 15 位号码，请提供证件上的 18 位号码",
        )),
        _ => faults.extend(of_eighteen(&text, today)),
    }
    faults
}

/// The same, and the retired 15-digit form with a warning.
pub(super) fn fifteen_or_eighteen(text: &str, today: Option<Date>) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::Upper, &[]);
    match text.len() {
        15 if all_digits(&text) => faults.extend(of_fifteen(&text)),
        _ => faults.extend(of_eighteen(&text, today)),
    }
    faults
}

/// The number of a foreign permanent resident: 18 characters that begin with 9 (2023), or 3 letters and 12 digits (2017).
pub(super) fn permanent_resident(text: &str, today: Option<Date>) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::Upper, &[]);
    if fits("@@@############", &text) {
        faults.extend(of_2017(&text));
    } else if text.starts_with('9') && text.chars().count() == 18 {
        faults.extend(of_eighteen(&text, today));
    } else {
        let mut fault = FormatFault::error("permanent-resident-id-shape", Normativity);
        fault.suggestion = likely(&text);
        faults.push(fault);
    }
    faults
}

fn length(text: &str) -> FormatFault {
    FormatFault::error("resident-id-length", Normativity).with("length", text.chars().count())
}

fn of_eighteen(text: &str, today: Option<Date>) -> Vec<FormatFault> {
    if let Some(fault) = shape(text) {
        return vec![fault];
    }
    let mut faults = Vec::new();
    if check_digit(&text[..17]) != text.as_bytes()[17] {
        faults.push(FormatFault::error("resident-id-check-digit", Accuracy).suggest(
            "compare each digit with the document: one may be mistyped, or two neighbours swapped",
            "请与证件逐位核对：可能有一位录错，或相邻两位颠倒",
        ));
    }
    faults.extend(birth(Date::from_compact(&text[6..14]), today));
    faults.extend(if text.starts_with('9') { issued_to_foreigner(text) } else { region(&text[..6]) });
    if &text[14..17] == "000" {
        faults.push(FormatFault::warning("resident-id-sequence-000", Accuracy));
    }
    faults
}

/// What is wrong where it is not 17 digits and one more or an X.
fn shape(text: &str) -> Option<FormatFault> {
    if let [digits @ .., b'0'..=b'9' | b'X'] = text.as_bytes()
        && digits.len() == 17
        && digits.iter().fold(true, |all, digit| all & digit.is_ascii_digit())
    {
        return None;
    }
    if text.chars().count() != 18 {
        let fault = length(text);
        return Some(match text.split(' ').map(str::len).sum::<usize>() {
            18 => fault.suggest("leave the space inside out", "请去掉中间的空格"),
            _ => FormatFault { suggestion: likely(text), ..fault },
        });
    }
    let wanted = |index, c: char| c.is_ascii_digit() || index == 17 && c == 'X';
    let fault =
        position(text, wanted).map(|at| FormatFault::error("resident-id-character", Normativity).with("position", at));
    fault.map(|fault| FormatFault { suggestion: likely(text), ..fault })
}

fn of_fifteen(text: &str) -> Vec<FormatFault> {
    let mut faults = vec![FormatFault::warning("resident-id-15-digits", Normativity)];
    // 996 to 999 marked those who were over a hundred when numbers were given.
    let century = if matches!(&text[12..], "996" | "997" | "998" | "999") { "18" } else { "19" };
    faults.extend(birth(Date::from_compact(&[century, &text[6..12]].concat()), None));
    faults.extend(region(&text[..6]));
    faults
}

fn of_2017(text: &str) -> Option<FormatFault> {
    if !is_country_alpha3(&text[..3]) {
        return Some(FormatFault::warning("permanent-resident-id-nationality", Accuracy));
    }
    // As in a passport's machine-readable zone: letters count from A = 10, weights 7 3 1 in turn.
    let value = |byte: u8| u32::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' + 10 });
    let sum: u32 = text.bytes().take(14).zip([7, 3, 1].iter().cycle()).map(|(byte, weight)| value(byte) * weight).sum();
    (sum % 10 != value(text.as_bytes()[14])).then(|| FormatFault::warning("permanent-resident-id-check", Accuracy))
}

fn birth(date: Option<Date>, today: Option<Date>) -> Option<FormatFault> {
    match (date, today) {
        (None, _) => Some(FormatFault::error("resident-id-date", Accuracy)),
        (Some(date), Some(today)) if date > today => {
            Some(FormatFault::error("resident-id-date-future", Accuracy).with("reference_date", today))
        }
        (Some(date), _) if date.year() < 1850 => Some(FormatFault::warning("resident-id-date-early", Accuracy)),
        _ => None,
    }
}

/// The region needs to have existed at some time, not at birth: numbers were first given in 1984.
fn region(six_digits: &str) -> Option<FormatFault> {
    // 71 is Taiwan's division code, and no number ever began with it: 830000, which is no division, numbers the residence
    // permits of its residents.
    let is_known = match &six_digits[..2] {
        "71" => false,
        "83" => true,
        province => is_province(province),
    };
    if !is_known {
        return Some(FormatFault::error("resident-id-region", Accuracy));
    }
    let existed = six_digits == "830000" || ever_existed(six_digits);
    (!existed).then(|| FormatFault::warning("resident-id-region-unknown", Accuracy))
}

/// 9, province of first application, numeric code of nationality.
fn issued_to_foreigner(text: &str) -> Option<FormatFault> {
    if !is_province(&text[1..3]) {
        return Some(FormatFault::error("resident-id-region", Accuracy));
    }
    (!is_country_numeric(&text[3..6])).then(|| FormatFault::warning("permanent-resident-id-nationality", Accuracy))
}

/// ISO 7064 MOD 11-2 over the first 17 digits: weights are the powers of 2 modulo 11, from the 17th down.
fn check_digit(digits: &str) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum = digits.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum::<u32>() % 11;
    match (12 - sum) % 11 {
        10 => b'X',
        digit => b'0' + digit as u8,
    }
}
