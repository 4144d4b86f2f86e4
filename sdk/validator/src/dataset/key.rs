//! Which records have the same key.

use crate::record::{Pointer, Record, Scalar};
use guiju_model::Digest;

/// Half a SHA-256: no two keys share one by chance or on purpose, and a hundred million of them fit in memory.
pub(super) type KeyDigest = [u8; 16];

/// None where a field is absent or not a scalar.
pub(super) fn digest(record: &dyn Record, fields: &[Pointer]) -> Option<KeyDigest> {
    let mut bytes = Vec::with_capacity(64);
    for field in fields {
        let (kind, text) = match record.get(field)? {
            Scalar::Text(text) => (b't', text),
            Scalar::Number(number) => (b'n', number),
            Scalar::Bool(is) => (b'b', if is { "1".into() } else { "0".into() }),
            Scalar::Null | Scalar::Other(_) => return None,
        };
        bytes.push(kind);
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    let mut half = KeyDigest::default();
    half.copy_from_slice(&Digest::of(&bytes).as_bytes()[..16]);
    Some(half)
}
