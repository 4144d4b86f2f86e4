//! Days and instants: GB/T 7408.1-2023 (ISO 8601-1) and the text form of e-government (`YYYYMMDD`).

use super::plain::likely;
use super::{FormatFault, all_digits, fits};
use guiju_model::{Date, Dimension::*, Text};

/// `YYYY-MM-DD`.
pub(super) fn date(text: &str) -> Vec<FormatFault> {
    match text.parse::<Date>() {
        Ok(_) => Vec::new(),
        Err(_) if fits("####-##-##", text) => vec![impossible()],
        Err(_) => vec![date_shape(text)],
    }
}

/// `YYYYMMDD`.
pub(super) fn egov_date(text: &str) -> Vec<FormatFault> {
    match (fits("########", text), Date::from_compact(text)) {
        (_, Some(_)) => Vec::new(),
        (true, None) => vec![impossible()],
        (false, None) => {
            let mut fault = FormatFault::error("egov-date-shape", Normativity);
            fault.suggestion = likely(text);
            vec![fault]
        }
    }
}

/// `YYYYMMDDhhmmss`.
pub(super) fn egov_datetime(text: &str) -> Vec<FormatFault> {
    if !fits("##############", text) {
        let mut fault = FormatFault::error("egov-datetime-shape", Normativity);
        fault.suggestion = likely(text);
        return vec![fault];
    }
    let clock = (number(&text[8..10]), number(&text[10..12]), number(&text[12..]));
    if Date::from_compact(&text[..8]).is_none() {
        vec![impossible()]
    } else if clock.0 > 23 || clock.1 > 59 || clock.2 > 59 {
        vec![FormatFault::error("time-impossible", Accuracy)]
    } else {
        Vec::new()
    }
}

/// RFC 3339 with an offset: `2026-11-01T08:30:00+08:00`.
pub(super) fn datetime(text: &str) -> Vec<FormatFault> {
    match Instant::parse(text) {
        Ok(_) => Vec::new(),
        Err(fault) => vec![*fault],
    }
}

/// A moment, with the day on which it fell where it was written down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant {
    /// Of UTC, since 0000-03-01; a leap second counts as the next.
    seconds: i64,
    /// Digits after the point without zeros at the end, so that text order is time order.
    fraction: Box<str>,
    day: Date,
}

impl Instant {
    /// Reads RFC 3339 with an offset.
    pub(crate) fn parse(text: &str) -> Result<Self, Box<FormatFault>> {
        match Self::usual(text.as_bytes()) {
            Some(instant) => Ok(instant),
            None => Self::any(text),
        }
    }

    /// As nearly all are written, `2026-11-01T08:30:00+08:00`; none where there may be anything to say.
    fn usual(text: &[u8]) -> Option<Self> {
        let (date, [b'T', a, b, b':', c, d, b':', e, f, sign @ (b'+' | b'-'), g, h, b':', i, j]) =
            text.split_first_chunk::<10>()?
        else {
            return None;
        };
        let two = |tens: &u8, ones: &u8, bound: i64| {
            let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
            let number = 10 * i64::from(tens) + i64::from(ones);
            (tens < 10 && ones < 10 && number < bound).then_some(number)
        };
        let day = Date::from_text(std::str::from_utf8(date).ok()?)?;
        let (hour, minute, second) = (two(a, b, 24)?, two(c, d, 60)?, two(e, f, 60)?);
        let offset = two(g, h, 24)? * 60 + two(i, j, 60)?;
        let offset = if *sign == b'-' { -offset } else { offset };
        let minutes = day.day_number() * 24 * 60 + hour * 60 + minute - offset;
        Some(Self { seconds: minutes * 60 + second, fraction: Box::default(), day })
    }

    fn any(text: &str) -> Result<Self, Box<FormatFault>> {
        let fault = |code, dimension| Box::new(FormatFault::error(code, dimension));
        let Parts { date, clock, fraction, offset } = parted(text).ok_or_else(|| Box::new(datetime_shape(text)))?;
        let day: Date = date.parse().map_err(|_| Box::new(impossible()))?;
        let Some(offset) = offset else {
            return Err(Box::new(FormatFault::error("datetime-offset-missing", Completeness).suggest(
                "write the offset at the end: +08:00 for Beijing time",
                "请在末尾写明时区偏移，北京时间为 +08:00",
            )));
        };
        let (hour, minute, second) = (number(&clock[..2]), number(&clock[3..5]), number(&clock[6..]));
        let offset = offset_minutes(offset).ok_or_else(|| fault("time-impossible", Accuracy))?;
        let minutes = day.day_number() * 24 * 60 + i64::from(hour) * 60 + i64::from(minute) - offset;
        // A leap second ends a day of UTC.
        let is_leap = second == 60 && minutes.rem_euclid(24 * 60) == 24 * 60 - 1;
        if hour > 23 || minute > 59 || second > 59 && !is_leap {
            return Err(fault("time-impossible", Accuracy));
        }
        let fraction = fraction.trim_end_matches('0').into();
        Ok(Self { seconds: minutes * 60 + i64::from(second), fraction, day })
    }

    pub(crate) fn day(&self) -> Date {
        self.day
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.seconds
    }
}

struct Parts<'a> {
    date: &'a str,
    clock: &'a str,
    fraction: &'a str,
    offset: Option<&'a str>,
}

fn impossible() -> FormatFault {
    FormatFault::error("date-impossible", Accuracy)
}

/// None where the text has another form.
fn parted(text: &str) -> Option<Parts<'_>> {
    let (date, rest) = text.is_ascii().then(|| text.split_once(['T', 't']))??;
    let end = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, offset) = rest.split_at(end);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let is_shaped = fits("####-##-##", date) && fits("##:##:##", clock) && all_digits(fraction);
    let is_offset = matches!(offset, "" | "Z" | "z") || fits("+##:##", offset) || fits("-##:##", offset);
    let offset = Some(offset).filter(|offset| !offset.is_empty());
    (is_shaped && is_offset).then_some(Parts { date, clock, fraction, offset })
}

fn offset_minutes(offset: &str) -> Option<i64> {
    if matches!(offset, "Z" | "z") {
        return Some(0);
    }
    let (hours, minutes) = (number(&offset[1..3]), number(&offset[4..6]));
    let total = i64::from(hours) * 60 + i64::from(minutes);
    (hours <= 23 && minutes <= 59).then_some(if offset.starts_with('-') { -total } else { total })
}

fn number(digits: &str) -> u32 {
    digits.parse().unwrap_or(u32::MAX)
}

fn datetime_shape(text: &str) -> FormatFault {
    let mut fault = FormatFault::error("datetime-shape", Normativity);
    fault.suggestion = match text.as_bytes().get(10) {
        Some(b' ') => Some(said("write T between the date and the time", "日期与时间之间请写 T")),
        _ => likely(text),
    };
    fault
}

/// Other common spellings are named; where two readings are possible, both are.
fn date_shape(text: &str) -> FormatFault {
    let parts: Vec<&str> = text.split(['/', '.', '-', '年', '月', '日']).filter(|part| !part.is_empty()).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let is_number = !parts.is_empty() && parts.iter().all(|part| all_digits(part));
    let fault = FormatFault::error("date-shape", Normativity);
    match lengths.as_slice() {
        [1 | 2, 1 | 2, 4] if is_number => match (number(parts[0]), number(parts[1])) {
            (1..=12, 1..=12) if parts[0] != parts[1] => FormatFault::error("date-ambiguous", Normativity).suggest(
                "it reads as day, month, year and as month, day, year: ask the sender, or declare the form in \
                     `inputFormats`",
                "既可读作“日/月/年”，也可读作“月/日/年”：请向来源单位确认，或在 `inputFormats` 中声明格式",
            ),
            (13..=31, 1..=12) => {
                fault.suggest("it is written day, month, year: write YYYY-MM-DD", "现为“日/月/年”，请写成 YYYY-MM-DD")
            }
            _ => fault.suggest("write YYYY-MM-DD", "请写成 YYYY-MM-DD"),
        },
        [4, 1 | 2, 1 | 2] if is_number => {
            fault.suggest("write YYYY-MM-DD, month and day with two digits", "请写成 YYYY-MM-DD，月和日各两位")
        }
        [8] if is_number => fault.suggest("write hyphens: YYYY-MM-DD", "请加连字符：YYYY-MM-DD"),
        [5] if is_number => fault.suggest(
            "this looks like the day number of a spreadsheet: export the column as text, or declare `excel-serial` in \
             `inputFormats`",
            "这像是电子表格的日期序号：请以文本格式导出，或在 `inputFormats` 中声明 `excel-serial`",
        ),
        _ => FormatFault { suggestion: likely(text), ..fault },
    }
}

fn said(en: &str, zh: &str) -> Text {
    Text { en: en.into(), zh: zh.into() }
}
