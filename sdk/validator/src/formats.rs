//! Identifier formats: what the JSON Schema keyword `format` may name in a standard, beside its own words.
//!
//! Each format is a pure function of the text and, for some, of a reference date. It gives what is wrong, worst first
//! and each thing once; no faults means that the text is well formed, not that the thing it names exists.
//!
//! # Invariants
//! - A fault names places by number (`position`, `length`) and never repeats the text: reports travel further than data.
//! - A suggestion never holds the right check digit: whoever could guess it would repair the wrong digit.
//! - Any text gives an answer, in time linear in its length.

mod credit_code; // unified social credit code, organisation code
mod divisions; // which six-digit division codes ever existed; countries
mod document; // passports and permits
mod industry;
mod meter; // customers and meters of power, water, heat and gas
mod number; // exact decimals, digests
mod person_name;
mod phone;
mod place; // divisions, townships, postal codes, houses, real-estate units
mod plain; // an identifier as it would be if it were typed plainly
mod resident_id; // resident and permanent resident ID numbers
mod time;
mod vehicle; // plates and VIN

use guiju_model::{Date, Dimension, Severity, Text};

pub(crate) use time::Instant;

/// One thing that is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatFault {
    /// A code with a page, for example `resident-id-check-digit`.
    pub code: &'static str,
    pub severity: Severity,
    pub dimension: Dimension,
    /// What the page's message has places for.
    pub args: Vec<(&'static str, String)>,
    pub suggestion: Option<Text>,
}

/// A format, looked up once and used many times.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    name: &'static str,
    check: fn(&str, Option<Date>) -> Vec<FormatFault>,
}

/// A second form in which the codes of a list are written as well: whoever knows the format reads it as the first.
///
/// Each code has at most one, and `first` gives for that one the code and for no other text.
#[derive(Clone, Copy, Debug)]
pub struct SecondForm {
    /// The format that knows it.
    pub format: &'static str,
    /// The code that a text in the second form stands for.
    pub first: fn(&str) -> Option<&str>,
    /// A code in the second form.
    pub second: fn(&str) -> Option<String>,
}

static SECOND_FORMS: &[SecondForm] =
    &[SecondForm { format: "cn-industry", first: industry::without_letter, second: industry::with_letter }];

/// The second form that the named format knows.
pub fn second_form(format: &str) -> Option<SecondForm> {
    SECOND_FORMS.iter().copied().find(|form| form.format == format)
}

/// In the order of `docs/reference/formats.md`.
static FORMATS: &[Format] = &[
    Format { name: "cn-resident-id", check: resident_id::eighteen },
    Format { name: "cn-resident-id-15-or-18", check: resident_id::fifteen_or_eighteen },
    Format { name: "cn-permanent-resident-id", check: resident_id::permanent_resident },
    Format { name: "cn-uscc", check: |text, _| credit_code::uscc(text) },
    Format { name: "cn-org-code", check: |text, _| credit_code::organisation(text) },
    Format { name: "cn-person-name", check: |text, _| person_name::check(text) },
    Format { name: "cn-passport", check: |text, _| document::passport(text) },
    Format { name: "cn-hkmo-permit", check: |text, _| document::hong_kong_macao_permit(text) },
    Format { name: "cn-home-return-permit", check: |text, _| document::home_return_permit(text) },
    Format { name: "cn-taiwan-permit", check: |text, _| document::taiwan_permit(text) },
    Format { name: "cn-division", check: |text, _| place::division(text) },
    Format { name: "cn-township", check: |text, _| place::township(text) },
    Format { name: "cn-postal-code", check: |text, _| place::postal_code(text) },
    Format { name: "cn-house-code", check: |text, _| place::house(text) },
    Format { name: "cn-building-code", check: |text, _| place::building(text) },
    Format { name: "cn-realestate-unit", check: |text, _| place::real_estate_unit(text) },
    Format { name: "cn-industry", check: |text, _| industry::check(text) },
    Format { name: "cn-plate", check: |text, _| vehicle::plate(text) },
    Format { name: "vin", check: |text, _| vehicle::vin(text) },
    Format { name: "cn-mobile", check: |text, _| phone::mobile(text) },
    Format { name: "cn-phone", check: |text, _| phone::phone(text) },
    Format { name: "cn-iot-number", check: |text, _| phone::internet_of_things(text) },
    Format { name: "cn-power-customer", check: |text, _| meter::power_customer(text) },
    Format { name: "cn-power-meter-asset", check: |text, _| meter::power_asset(text) },
    Format { name: "cn-meter-address-645", check: |text, _| meter::address_645(text) },
    Format { name: "cn-meter-address-188", check: |text, _| meter::address_188(text) },
    Format { name: "date", check: |text, _| time::date(text) },
    Format { name: "egov-date", check: |text, _| time::egov_date(text) },
    Format { name: "egov-datetime", check: |text, _| time::egov_datetime(text) },
    Format { name: "cn-datetime", check: |text, _| time::datetime(text) },
    Format { name: "decimal", check: |text, _| number::decimal(text) },
    Format { name: "sm3-hex", check: |text, _| number::sm3_hex(text) },
];

/// What is wrong with the text under the named format; nothing where the name is not known.
pub fn check(name: &str, text: &str, reference_date: Option<Date>) -> Vec<FormatFault> {
    find(name).map(|format| format.check(text, reference_date)).unwrap_or_default()
}

pub fn find(name: &str) -> Option<Format> {
    FORMATS.iter().copied().find(|format| format.name == name)
}

pub fn is_known(name: &str) -> bool {
    find(name).is_some()
}

pub fn names() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|format| format.name)
}

impl Format {
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Whether what is found is found on any day.
    pub fn is_of_any_day(self) -> bool {
        !matches!(self.name, "cn-resident-id" | "cn-resident-id-15-or-18" | "cn-permanent-resident-id")
    }

    /// What is wrong with the text. The reference date is "today" where a format asks whether a day lies ahead.
    pub fn check(self, text: &str, reference_date: Option<Date>) -> Vec<FormatFault> {
        (self.check)(text, reference_date)
    }
}

impl FormatFault {
    fn error(code: &'static str, dimension: Dimension) -> Self {
        Self { code, severity: Severity::Error, dimension, args: Vec::new(), suggestion: None }
    }

    fn warning(code: &'static str, dimension: Dimension) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, dimension) }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.args.push((name, value.to_string()));
        self
    }

    fn suggest(mut self, en: &str, zh: &str) -> Self {
        self.suggestion = Some(Text { en: en.into(), zh: zh.into() });
        self
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().fold(true, |all, byte| all & byte.is_ascii_digit())
}

/// Whether the text has the form of the mask: `#` a digit, `@` a capital letter, `%` a capital letter other than I and
/// O, `*` a digit or such a letter, anything else itself.
fn fits(mask: &str, text: &str) -> bool {
    let mut text = text.chars();
    let same = |sign: char, found: char| match sign {
        '#' => found.is_ascii_digit(),
        '@' => found.is_ascii_uppercase(),
        '%' => found.is_ascii_uppercase() && !matches!(found, 'I' | 'O'),
        '*' => found.is_ascii_digit() || found.is_ascii_uppercase() && !matches!(found, 'I' | 'O'),
        literal => literal == found,
    };
    mask.chars().all(|sign| text.next().is_some_and(|found| same(sign, found))) && text.next().is_none()
}
