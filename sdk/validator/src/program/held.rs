//! Which text a state took last: in one file the same agency, source and division stand in record after record.

use super::{StateId, TextCheck};
use guiju_model::Date;

/// The text that each of some states took last, on one day.
#[derive(Debug, Default)]
pub(super) struct Held {
    today: Option<Date>,
    slots: Box<[Slot]>,
}

/// A state has one place, which it may lose to another.
const SLOTS: usize = 64;
/// Longer texts are judged anew.
const BYTES_MAX: usize = 42;

#[derive(Clone, Copy, Debug)]
struct Slot {
    state: StateId,
    /// Of the text with the quote behind it; 0: nothing is known.
    length: u8,
    bytes: [u8; BYTES_MAX + 1],
}

impl Held {
    /// What was taken on another day counts no more.
    #[inline]
    pub fn on(&mut self, today: Option<Date>) {
        if self.today != today {
            self.slots.iter_mut().for_each(|slot| slot.length = 0);
            self.today = today;
        }
    }

    /// How long the text is, if the state has taken it.
    #[inline]
    pub fn length(&self, state: StateId, rest: &[u8]) -> Option<usize> {
        let slot = self.slots.get(state as usize % SLOTS)?;
        let length = usize::from(slot.length);
        (slot.state == state && length > 0 && rest.starts_with(&slot.bytes[..length])).then(|| length - 1)
    }

    /// From now on it is known that the state takes this text, which has no escapes.
    #[inline]
    pub fn take(&mut self, state: StateId, checks: &[TextCheck], text: &[u8]) {
        // Whether a code that depends on another field is taken, its text does not tell.
        if text.len() > BYTES_MAX || checks.iter().any(|check| matches!(check, TextCheck::DatedList(..))) {
            return;
        }
        if self.slots.is_empty() {
            self.slots = vec![Slot { state: 0, length: 0, bytes: [0; BYTES_MAX + 1] }; SLOTS].into();
        }
        let slot = &mut self.slots[state as usize % SLOTS];
        (slot.state, slot.length) = (state, text.len() as u8 + 1);
        slot.bytes[..text.len()].copy_from_slice(text);
        slot.bytes[text.len()] = b'"';
    }
}
