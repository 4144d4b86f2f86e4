//! Which six-digit division codes ever existed (GB/T 2260 with its yearly revisions), and the codes of countries.
//!
//! A resident ID keeps the division of its first issue for life, so the question is never whether a code is in force.

use std::sync::LazyLock;

static CODES: LazyLock<Vec<u32>> = LazyLock::new(|| codes(include_str!("../../data/divisions.txt")));

const COUNTRIES: &str = include_str!("../../data/countries.txt");

/// Two digits: a province, autonomous region, municipality, Taiwan, Hong Kong or Macao.
pub(super) fn is_province(two_digits: &str) -> bool {
    let code = two_digits.parse::<u32>().map(|province| province * 10_000);
    two_digits.len() == 2 && code.is_ok_and(|code| CODES.binary_search(&code).is_ok())
}

/// Six digits that were the code of a division at some time.
pub(super) fn ever_existed(six_digits: &str) -> bool {
    six_digits.len() == 6 && six_digits.parse().is_ok_and(|code| CODES.binary_search(&code).is_ok())
}

pub(super) fn is_country_alpha3(code: &str) -> bool {
    countries().any(|country| &country[..3] == code)
}

pub(super) fn is_country_numeric(code: &str) -> bool {
    countries().any(|country| &country[3..] == code)
}

fn countries() -> impl Iterator<Item = &'static str> {
    COUNTRIES.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace)
}

/// Reads lines of four digits followed by the last two digits of each code; the lines and their codes are in order.
fn codes(table: &str) -> Vec<u32> {
    let mut codes = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split(' ').filter_map(|part| part.parse::<u32>().ok());
        let head = parts.next().unwrap_or_default();
        codes.extend(parts.map(|tail| head * 100 + tail));
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_whole() {
        assert!(CODES.is_sorted());
        assert!(CODES.len() > 6_000 && CODES.iter().all(|code| (110_000..=830_000).contains(code)));
        assert!(countries().count() == 249 && countries().all(|country| country.len() == 6));
    }

    #[test]
    fn abolished_divisions_existed() {
        assert!(ever_existed("110221") && ever_existed("110111") && !ever_existed("110302"));
        assert!(is_province("11") && is_province("71") && !is_province("99") && !is_province("1"));
        assert!(is_country_alpha3("FRA") && is_country_numeric("156") && !is_country_alpha3("FR8"));
    }
}
