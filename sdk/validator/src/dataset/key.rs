//! Which records have the same key.

use crate::record::{Pointer, Record, Scalar};
use guiju_model::Digest;

/// Half a SHA-256: no two keys share one by chance or on purpose, and a hundred million of them fit in memory.
pub(super) type KeyDigest = [u8; 16];

/// The fields of one side of a reference. One of them may lead through the items of an array: a key for each item.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    fields: Vec<Pointer>,
    /// Which one does, and the array.
    each: Option<(usize, Pointer)>,
}

/// What stands in a pointer for every item of an array.
const EACH: &str = "*";

impl Fields {
    /// None where more than one leads through the items of an array, or one does twice.
    pub fn new(fields: Vec<Pointer>) -> Option<Self> {
        let stars = |field: &Pointer| field.tokens().filter(|token| *token == EACH).count();
        if fields.iter().map(stars).sum::<usize>() > 1 {
            return None;
        }
        let each = fields.iter().position(|field| stars(field) == 1).map(|at| (at, fields[at].before(EACH)));
        Some(Self { fields, each })
    }

    /// The keys that a record has, each with the item that it is of.
    pub fn keys(&self, record: &dyn Record) -> Vec<(KeyDigest, Option<u32>)> {
        let Some((at, array)) = &self.each else {
            return digest(record, &self.fields).map(|key| (key, None)).into_iter().collect();
        };
        let Some(Scalar::Other(items)) = record.get(array) else { return Vec::new() };
        let mut fields = self.fields.clone();
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        let key = |item: u32| {
            fields[*at] = self.fields[*at].with(EACH, &item.to_string());
            digest(record, &fields).map(|key| (key, Some(item)))
        };
        (0..items).filter_map(key).collect()
    }

    /// Where to report what is wrong with a key: at its item, else at the first field.
    pub fn place(&self, item: Option<u32>) -> String {
        match (item, &self.each) {
            (Some(item), Some((at, _))) => self.fields[*at].with(EACH, &item.to_string()).as_str().to_owned(),
            _ => self.fields.first().map_or("", Pointer::as_str).to_owned(),
        }
    }
}

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
