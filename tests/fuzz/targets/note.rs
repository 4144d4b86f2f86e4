//! Any bytes as what strangers send about a log: a note, a checkpoint, a change of key, a policy, a key, a tile's path, a witness's
//! request.
//!
//! What is read is written as it was, and nothing is signed by a key that did not sign.

use guiju::tlog::{Checkpoint, KeyHistory, Note, Policy, Seen, SigningKey, TilePath, VerifierKey, Witnessing};

pub fn run(data: &[u8]) {
    let stranger = SigningKey::from_seed("example.org/log", &[99; 32]).expect("a key").verifier();
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.to_string().as_bytes(), data, "a note has one spelling");
        assert_ne!(note.is_signed_by(&stranger), Ok(true));
        assert!(Seen::verified(&note, &KeyHistory::single(stranger.clone()), None).is_err());
        assert!(KeyHistory::follow(stranger.clone(), None, &[note]).is_err());
    }
    if let Ok(request) = Witnessing::parse(data) {
        assert_eq!(request.to_string().as_bytes(), data, "a request has one spelling");
        assert!(request.judge(&[stranger], None).is_err());
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        let again = checkpoint.to_string();
        assert!(text.starts_with(&again), "only lines of extension are left aside: {again}");
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text, "a key has one spelling");
    }
    if let Ok(path) = text.parse::<TilePath>() {
        assert_eq!(path.to_string(), text, "a path has one spelling");
    }
    if let Ok(policy) = text.parse::<Policy>() {
        assert!(policy.witnesses().count() < 64 << 10);
    }
}
