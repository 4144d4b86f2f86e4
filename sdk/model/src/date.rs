//! A calendar day, read from text. Nothing here knows what day it is today.

use std::{fmt, str::FromStr};

/// A day of the proleptic Gregorian calendar, years 1 to 9999, written `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a date: write YYYY-MM-DD, a day that exists")]
pub struct DateError(String);

impl Date {
    /// `None` where there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let real = (1..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1 && day <= days(year, month);
        real.then_some(Self { year, month, day })
    }

    /// Reads eight digits, `YYYYMMDD`.
    pub fn from_compact(text: &str) -> Option<Self> {
        let digits: [u8; 8] = text.as_bytes().try_into().ok()?;
        Self::of_digits(digits)
    }

    /// `2026-11-01`; for those who have nothing to say of what is none.
    pub fn from_text(text: &str) -> Option<Self> {
        match *text.as_bytes() {
            [a, b, c, d, b'-', e, f, b'-', g, h] => Self::of_digits([a, b, c, d, e, f, g, h]),
            _ => None,
        }
    }

    fn of_digits(digits: [u8; 8]) -> Option<Self> {
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |digits: &[u8]| digits.iter().fold(0, |number: u16, digit| number * 10 + u16::from(digit - b'0'));
        Self::new(number(&digits[..4]), number(&digits[4..6]) as u8, number(&digits[6..]) as u8)
    }

    /// The day of China Standard Time (UTC+8, without summer time) of a Unix time in milliseconds; the last day there is for
    /// anything beyond.
    pub fn in_china(unix_ms: u64) -> Self {
        const DAY_MS: u64 = 86_400_000;
        // 1970-01-01, counted as `day_number` does.
        const EPOCH: i64 = 719_468;
        let days = (unix_ms.saturating_add(8 * 3_600_000) / DAY_MS) as i64 + EPOCH;
        // Years begin in March here, so that a leap day is a year's last.
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let (day, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
        let year = u16::try_from(era * 400 + year_of_era + i64::from(month <= 2)).unwrap_or(u16::MAX);
        Self::new(year, month as u8, day as u8).unwrap_or(Self { year: 9999, month: 12, day: 31 })
    }

    pub fn year(self) -> u16 {
        self.year
    }

    pub fn month(self) -> u8 {
        self.month
    }

    pub fn day(self) -> u8 {
        self.day
    }

    /// Days since 0000-03-01, for differences and for comparing instants.
    pub fn day_number(self) -> i64 {
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
        year * 365 + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + (month * 306 + 5) / 10
            + i64::from(self.day)
            - 1
    }
}

fn days(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        Self::from_text(text).ok_or_else(|| DateError(text.into()))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_that_exist_are_dates() {
        for text in ["2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(text.parse::<Date>().unwrap().to_string(), text);
        }
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-00-01",
            "2026-13-01",
            "0000-01-01",
            "2026-1-1",
            "20260101",
            "2026-01-01 ",
            "２０２６-01-01",
            "+026-01-01",
            "2026-+1-01",
            "",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        assert_eq!(Date::from_compact("20240229"), "2024-02-29".parse().ok());
        assert_eq!(
            (Date::from_compact("20230229"), Date::from_compact("２0230228"), Date::from_compact("")),
            (None, None, None)
        );
    }

    #[test]
    fn a_time_is_a_day_in_china() {
        for (ms, day) in [
            (0, "1970-01-01"),
            (57_599_999, "1970-01-01"),
            (57_600_000, "1970-01-02"),
            (951_753_600_000, "2000-02-29"),
            (951_840_000_000, "2000-03-01"),
            (1_700_000_000_000, "2023-11-15"),
            (4_107_513_600_000, "2100-03-01"),
            (u64::MAX, "9999-12-31"),
        ] {
            assert_eq!(Date::in_china(ms).to_string(), day, "{ms}");
        }
        let epoch = Date::new(1970, 1, 1).unwrap().day_number();
        for days in 0..80_000 {
            assert_eq!(Date::in_china(days * 86_400_000).day_number(), epoch + days as i64);
        }
    }

    #[test]
    fn day_numbers_follow_each_other() {
        let mut before = Date::new(1899, 12, 31).unwrap().day_number();
        for year in 1900..=2101 {
            for month in 1..=12 {
                for day in (1..=31).filter_map(|day| Date::new(year, month, day)) {
                    assert_eq!(day.day_number(), before + 1, "{day}");
                    before = day.day_number();
                }
            }
        }
    }
}
