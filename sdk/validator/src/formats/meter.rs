//! Customers and meters. The forms are general knowledge and vary by provider, so all that is said is a warning; that
//! numbers are unique within a provider is the real check.

use super::plain::{Case, Plain, likely, plain};
use super::{FormatFault, all_digits};
use guiju_model::Dimension::Normativity;

/// 10 digits; 13 since about 2023.
pub(super) fn power_customer(text: &str) -> Vec<FormatFault> {
    digits(text, "power-customer-shape", &[10, 13])
}

/// The bar code on a power meter.
pub(super) fn power_asset(text: &str) -> Vec<FormatFault> {
    digits(text, "power-meter-asset-shape", &[22, 24])
}

/// Address of a power meter (DL/T 645).
pub(super) fn address_645(text: &str) -> Vec<FormatFault> {
    digits(text, "meter-address-645-shape", &[12])
}

/// Address of a water, heat or gas meter (CJ/T 188).
pub(super) fn address_188(text: &str) -> Vec<FormatFault> {
    digits(text, "meter-address-188-shape", &[14])
}

fn digits(text: &str, code: &'static str, lengths: &[usize]) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::AsWritten, &[' ', '-']);
    if !all_digits(&text) || !lengths.contains(&text.len()) {
        let mut fault = FormatFault::warning(code, Normativity).with("length", text.chars().count());
        fault.suggestion = likely(&text);
        faults.push(fault);
    }
    faults
}
