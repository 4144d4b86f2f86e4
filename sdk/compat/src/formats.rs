//! What formats say of the shape of a text, as patterns.
//!
//! # Invariants
//! - Each text that has a format matches its pattern. Of some formats each text that matches has it, too: these are exact.
//! - What only warns refuses nothing, so many identifiers may be written with spaces, full-width or in small letters.

use guiju_validator::formats;
use std::{collections::HashMap, sync::LazyLock};

/// The texts of a format.
pub(crate) struct Language {
    pub pattern: String,
    /// Whether all that match have the format.
    pub is_exact: bool,
}

/// Formats of ours whose faults are all warnings.
const REFUSE_NOTHING: [&str; 8] = [
    "cn-passport",
    "cn-hkmo-permit",
    "cn-home-return-permit",
    "cn-taiwan-permit",
    "cn-power-customer",
    "cn-power-meter-asset",
    "cn-meter-address-645",
    "cn-meter-address-188",
];

pub(crate) fn refuses_nothing(format: &str) -> bool {
    REFUSE_NOTHING.contains(&format)
}

/// Whether a text that has the format on one day may be without it on another.
pub(crate) fn hangs_on_the_day(format: &str) -> bool {
    formats::find(format).is_some_and(|format| !format.is_of_any_day())
}

/// None: nothing is known of its shape.
pub(crate) fn language(format: &str) -> Option<&'static Language> {
    LANGUAGES.get(format)
}

/// Space and signs that are not seen.
const SPACE: &str = r"\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff";
const DIGIT: &str = r"[0-9\uff10-\uff19]";
const LETTER: &str = r"[A-Za-z\uff21-\uff3a\uff41-\uff5a]";

static LANGUAGES: LazyLock<HashMap<&'static str, Language>> = LazyLock::new(|| {
    // Space around is passed over; of some, space and strokes between as well.
    let around = |inner: &str| format!("^[{SPACE}]*(?:{inner})[{SPACE}]*$");
    // Space and strokes between may make it longer.
    let at_least = |count: &str| format!(r"^[\s\S]{{{count},}}$");
    let days = |stroke: &str| {
        let leap = "0[48]|[2468][048]|[13579][26]";
        let month = |days: &str| format!("{stroke}(?:{days})");
        let long = month(&format!("(?:0[13578]|1[02]){stroke}(?:0[1-9]|[12][0-9]|3[01])"));
        let short = month(&format!("(?:0[469]|11){stroke}(?:0[1-9]|[12][0-9]|30)"));
        let february = month(&format!("02{stroke}(?:0[1-9]|1[0-9]|2[0-8])"));
        let year = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])";
        let leap_year = format!("(?:[0-9]{{2}}(?:{leap})|(?:{leap})00)");
        format!("(?:{year}(?:{long}|{short}|{february})|{leap_year}{stroke}02{stroke}29)")
    };
    let (date, compact) = (days("-"), days(""));
    let clock = "(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]";
    let offset = "(?:[Zz]|[+-][0-9]{2}:[0-9]{2})";
    let time = format!(r"[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]+)?{offset}");
    let id = format!("{DIGIT}{{17}}[0-9Xx\\uff10-\\uff19\\uff38\\uff58]");
    let exact = [
        ("date", format!("^{date}$")),
        ("egov-date", format!("^{compact}$")),
        ("egov-datetime", format!("^{compact}{clock}$")),
        ("decimal", r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$".to_owned()),
        ("sm3-hex", "^[0-9A-Fa-f]{64}$".to_owned()),
        ("cn-postal-code", around(&format!("{DIGIT}{{6}}"))),
        ("uuid", "^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$".to_owned()),
    ];
    let wider = [
        ("cn-datetime", format!("^{date}[Tt]{time}$")),
        ("cn-resident-id", around(&id)),
        ("cn-resident-id-15-or-18", around(&format!("{DIGIT}{{15}}|{id}"))),
        ("cn-permanent-resident-id", around(&format!("{LETTER}{{3}}{DIGIT}{{12}}|{id}"))),
        ("cn-uscc", at_least("18")),
        ("cn-org-code", at_least("9")),
        ("cn-realestate-unit", at_least("28")),
        ("vin", at_least("17")),
        ("cn-iot-number", at_least("13")),
        ("cn-division", around(&format!("{DIGIT}{{6}}"))),
        ("cn-township", around(&format!("{DIGIT}{{9}}(?:{DIGIT}{{3}})?"))),
        ("cn-house-code", around(&format!("{DIGIT}{{25}}"))),
        ("cn-building-code", around(&format!("{DIGIT}{{19}}"))),
        ("cn-industry", around(&format!("{LETTER}|{LETTER}?{DIGIT}{{2,4}}"))),
        ("cn-person-name", at_least("2")),
        ("ipv4", r"^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$".to_owned()),
        ("ipv6", "^[0-9A-Fa-f:.]{2,45}$".to_owned()),
    ];
    let language =
        |is_exact: bool| move |(format, pattern): (&'static str, String)| (format, Language { pattern, is_exact });
    exact.into_iter().map(language(true)).chain(wider.into_iter().map(language(false))).collect()
});

/// The same identifier as others may write it.
pub(crate) fn spellings(text: &str) -> Vec<String> {
    let wide = |c: char| match c {
        '!'..='~' => char::from_u32(c as u32 + 0xFEE0).unwrap_or(c),
        c => c,
    };
    let mut found = vec![format!("{text} "), text.chars().map(wide).collect(), text.to_lowercase()];
    if text.chars().count() > 2 {
        let half: usize = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
        found.push(format!("{} {}", &text[..half], &text[half..]));
        found.push(format!("{}-{}", &text[..half], &text[half..]));
    }
    found.retain(|other| other != text);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{solve::SAMPLES, text::Patterns};
    use guiju_model::Severity;

    fn has(format: &str, text: &str) -> bool {
        match formats::is_known(format) {
            true => formats::check(format, text, None).iter().all(|fault| fault.severity != Severity::Error),
            false => {
                let options = jsonschema::options().should_validate_formats(true);
                options.build(&serde_json::json!({"format": format})).unwrap().is_valid(&text.into())
            }
        }
    }

    /// Samples, what stands just beside them, and how others write them.
    fn texts() -> Vec<String> {
        let mut found: Vec<String> = SAMPLES.iter().map(|text| (*text).to_owned()).collect();
        for year in ["0000", "0001", "0004", "0100", "0400", "1900", "2000", "2023", "2024", "9999"] {
            for month in 0..=13 {
                for day in [0, 1, 9, 10, 28, 29, 30, 31, 32] {
                    found.push(format!("{year}-{month:02}-{day:02}"));
                    found.push(format!("{year}{month:02}{day:02}"));
                    found.push(format!("{year}{month:02}{day:02}235959"));
                    found.push(format!("{year}-{month:02}-{day:02}T23:59:60.5Z"));
                }
            }
        }
        found.extend(["0", "-0", "00", "1.", ".5", "1.50", "-1.0", "+1", "1e5", "20240101240000"].map(str::to_owned));
        for text in SAMPLES {
            found.extend(spellings(text));
            let signs: Vec<char> = text.chars().collect();
            for at in 0..=signs.len().min(30) {
                for sign in ['0', 'a', 'X', ' ', '-', '\u{200b}', '\u{85}', '０', 'ｘ', '·'] {
                    let mut other = signs.clone();
                    other.insert(at, sign);
                    found.push(other.iter().collect());
                    if at < signs.len() {
                        other.remove(at + 1);
                        found.push(other.iter().collect());
                        other.remove(at);
                        found.push(other.iter().collect());
                    }
                }
            }
        }
        found
    }

    #[test]
    fn a_format_has_no_text_beyond_its_pattern() {
        let (texts, mut patterns, mut wrong) = (texts(), Patterns::default(), Vec::new());
        for (format, language) in LANGUAGES.iter() {
            let mut count = 0;
            for text in &texts {
                let matches = patterns.is_match(&language.pattern, text).expect("it compiles");
                count += usize::from(matches);
                match has(format, text) {
                    true if !matches => wrong.push(format!("{text:?} has {format}")),
                    false if matches && language.is_exact => wrong.push(format!("{text:?} has no {format}")),
                    _ => {}
                }
            }
            assert!(count > 0, "nothing is {format}");
        }
        for format in REFUSE_NOTHING {
            wrong.extend(texts.iter().find(|text| !has(format, text)).map(|text| format!("{text:?} has no {format}")));
        }
        for format in formats::names().filter(|format| !refuses_nothing(format)) {
            assert!(texts.iter().any(|text| !has(format, text)), "{format} refuses nothing");
        }
        assert!(wrong.is_empty(), "{}: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    }
}
