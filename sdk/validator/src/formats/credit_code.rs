//! Unified social credit codes (GB 32100-2015) and organisation codes (GB 11714-1997).

use super::FormatFault;
use super::divisions::ever_existed;
use super::plain::{Case, Plain, likely, plain, position, rounded};
use guiju_model::Dimension::*;

/// Digits and capital letters without I, O, S, V and Z: each stands for its place here.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// Department and category pairs of GB 32100-2015 with amendment 1, and those seen on real codes since: 54 (basic-level
/// self-governing organisations), 55 and G1.
const CATEGORIES: &[u8] =
    b"11 12 13 19 21 29 31 32 33 34 35 39 41 49 51 52 53 54 55 59 61 62 69 71 72 79 81 89 91 92 93 \
      A1 A9 G1 N1 N2 N3 N9 Y1 ";

/// By the department, a bit for the place of each category.
static PAIRS: [u32; ALPHABET.len()] = {
    let (mut pairs, mut at) = ([0; ALPHABET.len()], 0);
    while at < CATEGORIES.len() {
        if let (Some(department), Some(category)) =
            (PLACES[CATEGORIES[at] as usize], PLACES[CATEGORIES[at + 1] as usize])
        {
            pairs[department as usize] |= 1 << category;
        }
        at += 3;
    }
    pairs
};

/// The place of each byte in the alphabet.
static PLACES: [Option<u8>; 256] = {
    let mut places = [None; 256];
    let mut place = 0;
    while place < ALPHABET.len() {
        places[ALPHABET[place] as usize] = Some(place as u8);
        place += 1;
    }
    places
};

/// Department, category, 6 digits of division, 9 characters of organisation code, check character.
pub(super) fn uscc(text: &str) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::Upper, &[' ', '-']);
    let length = text.chars().count();
    if length != 18 {
        let mut fault = FormatFault::error("uscc-length", Normativity).with("length", length);
        fault.suggestion = likely(&text);
        faults.push(fault);
    } else if text.len() != 18 || text.bytes().any(|byte| PLACES[usize::from(byte)].is_none()) {
        let position = position(&text, |_, c| u8::try_from(c).is_ok_and(|byte| PLACES[usize::from(byte)].is_some()));
        let position = position.unwrap_or_default();
        faults.push(FormatFault::error("uscc-alphabet", Normativity).with("position", position).suggest(
            "I, O, S, V and Z never occur: they are often a mistyped 1, 0, 5, U or 2",
            "不使用字母 I、O、S、V、Z，它们往往是 1、0、5、U、2 的误录",
        ));
    } else {
        faults.extend(of_eighteen(&text));
    }
    faults
}

/// Eight characters and a check character, with or without a hyphen between.
pub(super) fn organisation(text: &str) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::Upper, &[' ', '-']);
    // The hyphen is one of the two usual spellings, so it is no fault.
    faults.retain(|fault| fault.code != "identifier-separator");
    let is_shaped = text.len() == 9 && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if !is_shaped {
        let mut fault = FormatFault::error("org-code-shape", Normativity);
        fault.suggestion = likely(&text);
        faults.push(fault);
    } else if organisation_check(&text[..8]) != text.as_bytes()[8] {
        faults.push(mistyped(FormatFault::error("org-code-check", Accuracy)));
    }
    faults
}

fn of_eighteen(text: &str) -> Vec<FormatFault> {
    let mut faults = Vec::new();
    if check_character(&text[..17]) != Some(text.as_bytes()[17]) {
        // What follows would only repeat that some character is wrong.
        let fault = mistyped(FormatFault::error("uscc-check", Accuracy));
        return vec![FormatFault { suggestion: rounded(text).or(fault.suggestion.clone()), ..fault }];
    }
    if !is_category(text) {
        faults.push(FormatFault::warning("uscc-category-unknown", Accuracy));
    }
    // 100000 is the national register's.
    if !ever_existed(&text[2..8]) && &text[2..8] != "100000" {
        faults.push(FormatFault::warning("uscc-division-unknown", Accuracy));
    }
    if organisation_check(&text[8..16]) != text.as_bytes()[16] {
        faults.push(FormatFault::warning("uscc-inner-check", Accuracy));
    }
    faults
}

fn mistyped(fault: FormatFault) -> FormatFault {
    fault.suggest(
        "compare each character with the certificate: one may be mistyped, or two neighbours swapped",
        "请与证照逐位核对：可能有一位录错，或相邻两位颠倒",
    )
}

fn is_category(text: &str) -> bool {
    let mut places = text.bytes().map(|byte| PLACES[usize::from(byte)]);
    match (places.next().flatten(), places.next().flatten()) {
        (Some(department), Some(category)) => PAIRS[usize::from(department)] >> category & 1 == 1,
        _ => false,
    }
}

/// Weights are the powers of 3 modulo 31.
fn check_character(first_17: &str) -> Option<u8> {
    const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
    let mut sum = 0;
    for (byte, weight) in first_17.bytes().zip(WEIGHTS) {
        sum += u32::from(PLACES[usize::from(byte)]?) * weight;
    }
    Some(ALPHABET[((31 - sum % 31) % 31) as usize])
}

fn organisation_check(first_8: &str) -> u8 {
    let value = |byte: u8| u32::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' + 10 });
    let sum: u32 = first_8.bytes().zip([3, 7, 9, 10, 5, 8, 4, 2]).map(|(byte, weight)| value(byte) * weight).sum();
    match 11 - sum % 11 {
        10 => b'X',
        11 => b'0',
        digit => b'0' + digit as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_known_by_both_characters() {
        assert!(CATEGORIES.len() == 39 * 3 && CATEGORIES.iter().skip(2).step_by(3).all(|byte| *byte == b' '));
        assert_eq!(PAIRS.iter().map(|categories| categories.count_ones()).sum::<u32>(), 39);
        assert!(CATEGORIES.chunks(3).all(|pair| is_category(std::str::from_utf8(pair).unwrap())));
        assert!(!is_category("14") && !is_category("1") && !is_category("1I"));
    }
}
