//! Industries (GB/T 4754-2017): section letter, division 2 digits, group 3, class 4.

use super::plain::{Case, Plain, likely, plain};
use super::{FormatFault, all_digits};
use guiju_model::Dimension::*;

/// The last division of each section, A to T.
const LAST_DIVISIONS: [u8; 20] = [5, 12, 43, 46, 50, 52, 60, 62, 65, 69, 70, 72, 75, 79, 82, 83, 85, 90, 96, 97];

/// A section letter alone, or two to four digits. The letter before digits is in use, derivable, and warned of.
pub(super) fn check(text: &str) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::Upper, &[]);
    let (letter, digits) = match text.chars().next() {
        Some(letter @ 'A'..='T') => (Some(letter), &text[1..]),
        _ => (None, &*text),
    };
    if digits.is_empty() && letter.is_some() {
        return faults;
    }
    match (letter, of_digits(digits)) {
        (_, None) => {
            let mut fault = FormatFault::error("industry-shape", Normativity);
            fault.suggestion = likely(&text);
            faults.push(fault);
        }
        (Some(letter), Some(section)) if letter != section => {
            faults.push(FormatFault::error("industry-section", Consistency));
        }
        (Some(_), Some(_)) => faults.push(
            FormatFault::warning("industry-section-letter", Normativity)
                .suggest("write the digits alone: the section follows from them", "只写数字即可，门类由数字得出"),
        ),
        (None, Some(_)) => {}
    }
    faults
}

/// The digits behind the letter of their section.
pub(super) fn without_letter(text: &str) -> Option<&str> {
    let letter = text.chars().next().filter(char::is_ascii_uppercase)?;
    let digits = &text[1..];
    (of_digits(digits)? == letter).then_some(digits)
}

/// Digits behind the letter of their section.
pub(super) fn with_letter(digits: &str) -> Option<String> {
    Some(format!("{}{digits}", of_digits(digits)?))
}

/// The section of a division, group or class.
fn of_digits(digits: &str) -> Option<char> {
    Some(digits).filter(|digits| all_digits(digits) && (2..=4).contains(&digits.len())).and_then(section)
}

fn section(digits: &str) -> Option<char> {
    let division: u8 = digits[..2].parse().ok().filter(|&division| division > 0)?;
    let place = LAST_DIVISIONS.iter().position(|&last| division <= last)?;
    Some(char::from(b'A' + place as u8))
}
