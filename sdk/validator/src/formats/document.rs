//! Passports and permits. The forms are general knowledge, not read in a standard, so all that is said is a warning.

use super::plain::{Case, Plain, likely, plain};
use super::{FormatFault, fits};
use guiju_model::Dimension::Normativity;

/// Ordinary (E, older G), diplomatic, service and public affairs.
pub(super) fn passport(text: &str) -> Vec<FormatFault> {
    shaped(text, "passport-shape", &["E########", "E%#######", "G########", "DE#######", "SE#######", "PE#######"])
}

/// Permit of mainland residents to Hong Kong and Macao.
pub(super) fn hong_kong_macao_permit(text: &str) -> Vec<FormatFault> {
    shaped(text, "hkmo-permit-shape", &["C########", "C%#######", "W########"])
}

/// Mainland travel permit of residents of Hong Kong and Macao; the older form ended in two digits of the issue.
pub(super) fn home_return_permit(text: &str) -> Vec<FormatFault> {
    shaped(text, "home-return-permit-shape", &["H########", "M########", "H##########", "M##########"])
}

/// Mainland travel permit of residents of Taiwan.
pub(super) fn taiwan_permit(text: &str) -> Vec<FormatFault> {
    shaped(text, "taiwan-permit-shape", &["########", "##########"])
}

fn shaped(text: &str, code: &'static str, masks: &[&str]) -> Vec<FormatFault> {
    let Plain { text, mut faults } = plain(text, Case::Upper, &[' ', '-']);
    if !masks.iter().any(|mask| fits(mask, &text)) {
        let mut fault = FormatFault::warning(code, Normativity);
        fault.suggestion = likely(&text);
        faults.push(fault);
    }
    faults
}
