//! Names of persons in the characters of GB 18030-2022.
//!
//! # Invariants
//! - Length counts code points: a character beyond U+FFFF is one.
//! - Nothing is normalised: NFC would rewrite compatibility ideographs, and a name is what its bearer writes.

use super::FormatFault;
use super::plain::{is_null_word, likely, space};
use guiju_model::Dimension::*;

const LENGTH_MIN: usize = 2;
const LENGTH_MAX: usize = 50;

/// What GB 18030 gave the private-use characters U+E815 to U+E864 for, in order: its bytes FE50 to FEA0 today.
const SUCCESSORS: &str = "⺁𠂇𠂉𠃌⺄㑳㑇⺈⺋龴㖞㘚㘎⺌⺗㥮㤘龵㧏㧟㩳㧐龶龷㭎㱮㳠⺧𡗗龸⺪䁖䅟⺮䌷⺳⺶⺷𢦏䎱\
                          䎬⺻䏝䓖䙡䙌龹䜣䜩䝼䞍⻊䥇䥺䥽䦂䦃䦅䦆䦟䦛䦷䦶龺𤇾䲣䲟䲠䲡䱷䲢䴓䴔䴕䴖䴗䴘䴙䶮龻";

pub(super) fn check(text: &str) -> Vec<FormatFault> {
    let name = text.trim();
    if name.len() == text.len() && is_usual(name) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    if name.len() < text.len() {
        faults.push(space());
    }
    let length = name.chars().count();
    if is_null_word(name) || !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
        let mut fault = FormatFault::error("person-name-length", Normativity).with("length", length);
        fault.suggestion = likely(name);
        faults.push(fault);
    }
    faults.extend(characters(name));
    faults
}

/// Whether it is a name of ideographs alone, as nearly all are.
fn is_usual(name: &str) -> bool {
    let mut length = 0;
    let are_han = name.chars().all(|c| {
        length += 1;
        is_han(c)
    });
    are_han && (LENGTH_MIN..=LENGTH_MAX).contains(&length) && !is_null_word(name)
}

/// One fault for each kind of wrong character, at its first place.
fn characters(name: &str) -> Vec<FormatFault> {
    let mut faults: Vec<FormatFault> = Vec::new();
    let mut before = None;
    for (index, c) in name.chars().enumerate() {
        let after = if c == ' ' { name.chars().nth(index + 1) } else { None };
        let found = fault_of(c, before, after).map(|fault| fault.with("position", index + 1));
        if let Some(fault) = found
            && faults.iter().all(|known| known.code != fault.code)
        {
            faults.push(fault);
        }
        before = Some(c);
        if index > 2 * LENGTH_MAX {
            break; // far too long is already said
        }
    }
    faults
}

fn fault_of(c: char, before: Option<char>, after: Option<char>) -> Option<FormatFault> {
    match c {
        '\u{B7}' => None,
        ' ' if before.is_some_and(is_han) || after.is_some_and(is_han) => Some(
            FormatFault::warning("person-name-space", Normativity)
                .suggest("leave the space out between Chinese characters", "汉字之间请不要加空格"),
        ),
        ' ' => None,
        '\u{2022}' | '\u{2027}' | '\u{30FB}' | '\u{FF0E}' | '\u{FF65}' => Some(
            FormatFault::warning("person-name-dot", Normativity)
                .suggest("write the middle dot U+00B7 between the parts of a name", "姓名间隔符请使用“·”(U+00B7)"),
        ),
        '-' | '\'' | '\u{2019}' | '.' | ',' => Some(FormatFault::warning("person-name-punctuation", Normativity)),
        c if is_han(c) || is_latin(c) => None,
        c if is_private_use(c) => Some(private_use(c)),
        _ => Some(FormatFault::error("person-name-character", Normativity)),
    }
}

fn private_use(c: char) -> FormatFault {
    let fault = FormatFault::warning("person-name-private-use", Normativity);
    match successor(c) {
        Some(successor) => fault.suggest(
            &format!("write U+{:04X} {successor}, which took its place", successor as u32),
            &format!("请改用取代它的正式编码 U+{:04X} {successor}", successor as u32),
        ),
        None => fault.suggest(
            "find out which character the sender's font shows, and send its Unicode code point",
            "请查明发送方字库中该字符的字形，并改用其正式编码",
        ),
    }
}

fn successor(c: char) -> Option<char> {
    SUCCESSORS.chars().nth((c as usize).checked_sub(0xE815)?)
}

fn is_private_use(c: char) -> bool {
    matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}')
}

/// Ideographs: the basic block, extensions A to I, compatibility ideographs, and 〇.
fn is_han(c: char) -> bool {
    matches!(c,
        '\u{3007}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{2A6DF}' | '\u{2A700}'..='\u{2EE5F}' | '\u{2F800}'..='\u{2FA1F}'
        | '\u{30000}'..='\u{323AF}')
}

fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || c.is_alphabetic() && matches!(c, '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successors_stand_in_their_order() {
        assert_eq!(SUCCESSORS.chars().count(), 80);
        for (old, new) in
            [('\u{E863}', '\u{4DAE}'), ('\u{E81E}', '\u{9FB4}'), ('\u{E864}', '\u{9FBB}'), ('\u{E816}', '\u{20087}')]
        {
            assert_eq!(successor(old), Some(new));
        }
        assert_eq!((successor('\u{E865}'), successor('\u{E814}')), (None, None));
    }
}
