//! Plates (GA 36-2018) and vehicle identification numbers (GB 16735-2019, ISO 3779).

use super::plain::{Case, Plain, likely, plain, position};
use super::{FormatFault, fits};
use guiju_model::Dimension::*;

/// What follows the province: ordinary, new energy (small, then large), with a special ending, emergency.
const CIVIL: [&str; 11] = [
    "@*****",
    "@%*####",
    "@#####%",
    "@****学",
    "@****警",
    "@****挂",
    "@****港",
    "@****澳",
    "@****领",
    "@****使",
    "@****应急",
];

/// What stands without a province: embassies, armed police, the army.
const OTHER: [&str; 6] = ["使######", "######使", "WJ#####", "WJ####*", "@@#####", "@@####*"];

pub(super) fn plate(text: &str) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::Upper, &[' ', '-', '·', '•', '.', '・']);
    let mut characters = text.chars();
    let province = characters.next().filter(|&c| is_province(c));
    let rest = characters.as_str();
    let is_shaped = match province {
        Some(_) => CIVIL.iter().any(|mask| fits(mask, rest) && is_new_energy_letter(mask, rest)),
        None => OTHER.iter().any(|mask| fits(mask, &text)) || is_armed_police(&text),
    };
    if is_shaped {
        return faults;
    }
    let serial_holds_io = province.is_some() && rest.chars().skip(1).any(|c| matches!(c, 'I' | 'O'));
    let mut fault = FormatFault::error("plate-shape", Normativity);
    if serial_holds_io {
        fault = fault.suggest(
            "I and O never occur in the serial: they are often a mistyped 1 or 0",
            "序号中不使用字母 I 和 O，它们往往是 1 和 0 的误录",
        );
    } else {
        fault.suggestion = likely(&text);
    }
    faults.push(fault);
    faults
}

fn is_province(c: char) -> bool {
    matches!(
        c,
        '京' | '津'
            | '冀'
            | '晋'
            | '蒙'
            | '辽'
            | '吉'
            | '黑'
            | '沪'
            | '苏'
            | '浙'
            | '皖'
            | '闽'
            | '赣'
            | '鲁'
            | '豫'
            | '鄂'
            | '湘'
            | '粤'
            | '桂'
            | '琼'
            | '渝'
            | '川'
            | '贵'
            | '云'
            | '藏'
            | '陕'
            | '甘'
            | '青'
            | '宁'
            | '新'
    )
}

/// D and F came first; A to K without I are in use since.
fn is_new_energy_letter(mask: &str, rest: &str) -> bool {
    let letter = match mask {
        "@%*####" => rest.chars().nth(1),
        "@#####%" => rest.chars().last(),
        _ => return true,
    };
    letter.is_some_and(|letter| matches!(letter, 'A'..='H' | 'J' | 'K'))
}

/// `WJ`, the province, and five characters.
fn is_armed_police(text: &str) -> bool {
    let province = text.strip_prefix("WJ").and_then(|rest| rest.chars().next());
    let serial = || text.strip_prefix("WJ").map(|rest| rest.chars().skip(1).collect::<String>());
    province.is_some_and(is_province) && serial().is_some_and(|serial| fits("####*", &serial))
}

/// 17 characters without I, O and Q; the ninth is a check digit that only Chinese and American makers must give.
pub(super) fn vin(text: &str) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::Upper, &[' ', '-']);
    let length = text.chars().count();
    if length != 17 {
        let mut fault = FormatFault::error("vin-length", Normativity).with("length", length);
        fault.suggestion = likely(&text);
        faults.push(fault);
    } else if !text.is_ascii() || text.bytes().any(|byte| transliterated(byte).is_none()) {
        let position = position(&text, |_, c| u8::try_from(c).is_ok_and(|byte| transliterated(byte).is_some()));
        let position = position.unwrap_or_default();
        faults.push(FormatFault::error("vin-alphabet", Normativity).with("position", position).suggest(
            "I, O and Q never occur: they are often a mistyped 1 or 0",
            "不使用字母 I、O、Q，它们往往是 1 和 0 的误录",
        ));
    } else if vin_check(&text) != text.as_bytes()[8] {
        faults.push(match text.starts_with('L') {
            true => FormatFault::error("vin-check", Accuracy),
            false => FormatFault::warning("vin-check-foreign", Accuracy),
        });
    }
    faults
}

fn transliterated(byte: u8) -> Option<u32> {
    /// From A on: one to nine, three times over; S begins its row with 2.
    const LETTERS: [u8; 26] = *b"12345678.12345.7.923456789";
    let digit = if byte.is_ascii_uppercase() { LETTERS[usize::from(byte - b'A')] } else { byte };
    digit.is_ascii_digit().then(|| u32::from(digit - b'0'))
}

fn vin_check(text: &str) -> u8 {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum: u32 = text.bytes().filter_map(transliterated).zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    match sum % 11 {
        10 => b'X',
        digit => b'0' + digit as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_count_as_the_standard_tables_them() {
        let table = "A1B2C3D4E5F6G7H8J1K2L3M4N5P7R9S2T3U4V5W6X7Y8Z9";
        for pair in table.as_bytes().chunks(2) {
            assert_eq!(transliterated(pair[0]), Some(u32::from(pair[1] - b'0')), "{}", char::from(pair[0]));
        }
        assert!([b'I', b'O', b'Q', b'a', 0xB7].iter().all(|&c| transliterated(c).is_none()));
    }
}
