//! Any bytes as a receipt that another agency hands on.
//!
//! What is read is written as it was, adds up, and is not signed by who did not sign.

use guiju::{receipt::Receipt, tlog::SigningKey};

pub fn run(data: &[u8]) {
    let stranger = SigningKey::from_seed("haidian.example", &[99; 32]).expect("a key").verifier();
    assert!(Receipt::verified(data, &stranger).is_err(), "a stranger signed nothing");
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(receipt) = text.parse::<Receipt>() {
        assert_eq!(receipt.to_string(), text, "a receipt has one spelling");
        let counts = receipt.counts;
        let parts = [counts.conforming, counts.failing, counts.unreadable];
        assert_eq!(parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part)), Some(counts.records));
        let key = SigningKey::from_seed("haidian.example", &[1; 32]).expect("a key");
        // A note holds no control characters, which a bare text may.
        let Ok(note) = receipt.signed(&key) else { return };
        assert_eq!(Receipt::verified(note.to_string().as_bytes(), &key.verifier()), Ok(receipt));
    }
}
