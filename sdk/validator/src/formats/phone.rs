//! Telephone numbers of the mainland.

use super::plain::{Case, Plain, likely, plain};
use super::{FormatFault, all_digits, fits};
use guiju_model::Dimension::*;

/// First three digits of which no number is given out to persons, as of 2026 (libphonenumber 9.0.43).
const UNASSIGNED: [&str; 16] =
    ["140", "141", "142", "143", "144", "146", "148", "149", "154", "160", "163", "164", "168", "169", "179", "194"];

pub(super) fn mobile(text: &str) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::AsWritten, &[' ', '-', '+']);
    let number = without_country(&text);
    if number.len() < text.len() && faults.iter().all(|fault| fault.code != "identifier-separator") {
        faults.push(country_code());
    }
    faults.extend(of_mobile(number, "mobile-shape"));
    faults
}

/// A mobile, a landline with its area code, or a service number.
pub(super) fn phone(text: &str) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::AsWritten, &[' ', '+', '(', ')']);
    let number = without_country(&text);
    if number.starts_with('1') && number.chars().filter(char::is_ascii_digit).count() == 11 {
        faults.extend(of_mobile(&number.replace('-', ""), "phone-shape"));
    } else if is_local(number) {
        faults.push(FormatFault::warning("phone-area-missing", Completeness));
    } else if !is_landline(number) && !is_service(number) {
        let mut fault = FormatFault::error("phone-shape", Normativity);
        fault.suggestion = likely(&text);
        faults.push(fault);
    }
    faults
}

/// Numbers of machines: 13 digits.
pub(super) fn internet_of_things(text: &str) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::AsWritten, &[' ', '-']);
    if !fits("#############", &text) {
        let mut fault = FormatFault::error("iot-number-shape", Normativity).with("length", text.chars().count());
        fault.suggestion = likely(&text);
        faults.push(fault);
    } else if !text.starts_with("10") && !text.starts_with("14") {
        faults.push(FormatFault::warning("iot-number-prefix", Accuracy));
    }
    faults
}

fn of_mobile(number: &str, code: &'static str) -> Option<FormatFault> {
    if !fits("1##########", number) || !matches!(number.as_bytes()[1], b'3'..=b'9') {
        let mut fault = FormatFault::error(code, Normativity);
        fault.suggestion = likely(number);
        return Some(fault);
    }
    let fourth_on = &number[3..5];
    let is_unassigned = match &number[..3] {
        "161" => !fourth_on.starts_with('0'),
        "174" => !matches!(fourth_on, "00" | "01" | "02" | "03" | "04" | "05"), // satellites
        segment => UNASSIGNED.contains(&segment),
    };
    is_unassigned.then(|| FormatFault::warning("mobile-segment", Accuracy))
}

fn country_code() -> FormatFault {
    FormatFault::warning("identifier-separator", Normativity).suggest("leave the country code out", "请去掉国家代码")
}

fn without_country(text: &str) -> &str {
    let rest = text.strip_prefix("0086").or_else(|| text.strip_prefix("86")).unwrap_or(text);
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    // 86 may also begin a local number; a country code leaves a whole one.
    if rest.len() >= 10 { rest } else { text }
}

/// Area code of three digits (010, 02x) with eight, or of four with seven or eight; an extension after a hyphen.
fn is_landline(number: &str) -> bool {
    let digits = |text: &str, lengths: &[usize]| all_digits(text) && lengths.contains(&text.len());
    let area = if number.starts_with("010") || number.starts_with("02") { 3 } else { 4 };
    if !number.is_ascii() || number.len() < area || !number.starts_with('0') || !all_digits(&number[..area]) {
        return false;
    }
    let rest = number[area..].strip_prefix('-').unwrap_or(&number[area..]);
    let (local, extension) = rest.split_once('-').unwrap_or((rest, "0"));
    let lengths: &[usize] = if area == 3 { &[8] } else { &[7, 8] };
    digits(local, lengths) && digits(extension, &[1, 2, 3, 4, 5, 6])
}

fn is_local(number: &str) -> bool {
    let (local, extension) = number.split_once('-').unwrap_or((number, "0"));
    let is_local = (7..=8).contains(&local.len()) && all_digits(local) && matches!(local.as_bytes()[0], b'2'..=b'8');
    is_local && all_digits(extension) && extension.len() <= 6
}

/// Emergency and public services (110, 12345, 95588, 96100) and numbers paid by or shared with the called (800, 400).
fn is_service(number: &str) -> bool {
    let plain = number.replace('-', "");
    let is_free = fits("400#######", &plain) || fits("800#######", &plain);
    let is_short = ["11#", "12#", "1####", "1#####", "9####", "9#####", "9######", "9#######"];
    is_free || is_short.iter().any(|mask| fits(mask, number))
}
