//! Divisions, townships, postal codes, buildings, houses and real-estate units.

use super::divisions::{ever_existed, is_province};
use super::plain::{Case, Plain, likely, plain};
use super::{FormatFault, all_digits, fits};
use guiju_model::{Dimension::*, Text};

/// The form of GB/T 2260: six digits, two a level, of a known province. Whether the code exists, and when, is for the
/// code list to say.
pub(super) fn division(text: &str) -> Vec<FormatFault> {
    let (text, mut faults) = digits(text);
    if !fits("######", &text) {
        faults.push(shape("division-shape", &text, &[6]));
    } else if !is_province(&text[..2]) {
        faults.push(FormatFault::error("division-province", Accuracy));
    }
    faults
}

/// GB/T 10114: a county and three digits, or these and three more for a village or community.
pub(super) fn township(text: &str) -> Vec<FormatFault> {
    let (text, mut faults) = digits(text);
    if !fits("#########", &text) && !fits("############", &text) {
        faults.push(shape("township-shape", &text, &[9, 12]));
    } else if !is_province(&text[..2]) {
        faults.push(FormatFault::error("division-province", Accuracy));
    } else if &text[6..9] == "000" || &text[6..9] >= "600" {
        // 001-099 sub-districts, 100-199 towns, 200-399 townships, 400-599 units of the statistics bureau.
        faults.push(FormatFault::warning("township-number", Accuracy));
    }
    faults
}

pub(super) fn postal_code(text: &str) -> Vec<FormatFault> {
    let (text, mut faults) = digits(text);
    if !fits("######", &text) {
        faults.push(shape("postal-code-shape", &text, &[6]));
    }
    faults
}

/// 25 digits: province, city and county 2 each, street 3, community 3, grid 2, building 5, room 6.
pub(super) fn house(text: &str) -> Vec<FormatFault> {
    located(text, "house-code-shape", 25)
}

/// The first 19 digits of the house codes of a building.
pub(super) fn building(text: &str) -> Vec<FormatFault> {
    located(text, "building-code-shape", 19)
}

/// 28 characters of GB/T 37346-2019: county 6, cadastral district 3 and sub-district 3, ownership and kind 2 letters,
/// parcel 5, fixture 1 letter, unit 8.
pub(super) fn real_estate_unit(text: &str) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::Upper, &[' ', '-']);
    if !fits("############@@#####@########", &text) {
        let mut fault = FormatFault::error("realestate-unit-shape", Normativity).with("length", text.chars().count());
        fault.suggestion = likely(&text);
        faults.push(fault);
        return faults;
    }
    for (position, known) in [(13, "GJZ"), (14, "ABSXCDEFHWYLNG"), (20, "FLQW")] {
        if !known.as_bytes().contains(&text.as_bytes()[position - 1]) {
            faults.push(FormatFault::warning("realestate-unit-letter", Accuracy).with("position", position));
        }
    }
    faults.extend(unknown_county(&text));
    faults
}

fn located(text: &str, code: &'static str, length: usize) -> Vec<FormatFault> {
    let (text, mut faults) = digits(text);
    if text.len() != length || !all_digits(&text) {
        faults.push(shape(code, &text, &[length]));
    } else {
        faults.extend(unknown_county(&text));
    }
    faults
}

fn unknown_county(text: &str) -> Option<FormatFault> {
    (!ever_existed(&text[..6])).then(|| FormatFault::warning("place-division-unknown", Accuracy))
}

fn digits(text: &str) -> (std::borrow::Cow<'_, str>, Vec<FormatFault>) {
    let Plain { text, faults } = plain(text, Case::AsWritten, &[]);
    (text, faults)
}

/// A digit short at the front is what a spreadsheet leaves of a code that begins with 0.
fn shape(code: &'static str, text: &str, lengths: &[usize]) -> FormatFault {
    let length = text.chars().count();
    let mut fault = FormatFault::error(code, Normativity).with("length", length);
    fault.suggestion = likely(text).or_else(|| {
        (all_digits(text) && code == "postal-code-shape" && lengths.contains(&(length + 1))).then(|| Text {
            en: "a leading zero may be lost: export the column as text".into(),
            zh: "可能丢失了开头的 0，请将该列设为文本格式后重新导出".into(),
        })
    });
    fault
}
