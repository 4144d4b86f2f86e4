//! Which six-digit division codes ever existed (GB/T 2260 with its yearly revisions), and the codes of countries.
//!
//! A resident ID keeps the division of its first issue for life, so the question is never whether a code is in force.

use std::sync::LazyLock;

static CODES: LazyLock<Codes> = LazyLock::new(|| Codes::of(&codes(include_str!("../../data/divisions.txt"))));

/// A bit for each number of six digits: asked of every record, a search among six thousand takes longer than all else.
struct Codes(Box<[u64]>);

impl Codes {
    fn of(codes: &[u32]) -> Self {
        let mut bits = vec![0; 1_000_000_usize.div_ceil(64)].into_boxed_slice();
        codes.iter().for_each(|code| bits[*code as usize / 64] |= 1 << (code % 64));
        Self(bits)
    }

    fn has(&self, code: u32) -> bool {
        self.0.get(code as usize / 64).is_some_and(|bits| bits >> (code % 64) & 1 == 1)
    }
}

const COUNTRIES: &str = include_str!("../../data/countries.txt");

/// Two digits: a province, autonomous region, municipality, Taiwan, Hong Kong or Macao.
pub(super) fn is_province(two_digits: &str) -> bool {
    let code = two_digits.parse::<u32>().map(|province| province * 10_000);
    two_digits.len() == 2 && code.is_ok_and(|code| CODES.has(code))
}

/// Six digits that were the code of a division at some time.
pub(super) fn ever_existed(six_digits: &str) -> bool {
    six_digits.len() == 6 && six_digits.parse().is_ok_and(|code| CODES.has(code))
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
        let codes = codes(include_str!("../../data/divisions.txt"));
        assert!(codes.is_sorted());
        assert!(codes.len() > 6_000 && codes.iter().all(|code| (110_000..=830_000).contains(code)));
        assert!(countries().count() == 249 && countries().all(|country| country.len() == 6));
    }

    #[test]
    fn abolished_divisions_existed() {
        assert!(ever_existed("110221") && ever_existed("110111") && !ever_existed("110302"));
        assert!(is_province("11") && is_province("71") && !is_province("99") && !is_province("1"));
        assert!(is_country_alpha3("FRA") && is_country_numeric("156") && !is_country_alpha3("FR8"));
    }
}
