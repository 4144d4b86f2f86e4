//! Which records have the same key.

use super::asked::{Answers, Asked, Askers, KeyId};
use crate::record::{Pointer, Record, Scalar};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hasher, RandomState},
    sync::LazyLock,
};

/// No two keys share one by chance, nor on purpose as long as nobody knows the secrets of this process, outside which it means
/// nothing; and a hundred million of them fit in memory.
pub(super) type KeyDigest = [u8; 16];

/// Of two halves by the hash that the standard library gives its tables, which takes a part of the time of a SHA-256.
static HALVES: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);

/// What is known by key. A digest is as good as chance, so to find it again few of its bits have to be mixed.
pub(super) type ByKey<V> = HashMap<KeyDigest, V, foldhash::fast::RandomState>;
pub(super) type Keys = HashSet<KeyDigest, foldhash::fast::RandomState>;

/// The fields of one side of a reference. One of them may lead through the items of an array: a key for each item.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    fields: Vec<Pointer>,
    of: Of,
}

#[derive(Clone, Debug)]
enum Of {
    Record(KeyId),
    /// Which field leads through items, and the array.
    Items(usize, Pointer),
}

/// What stands in a pointer for every item of an array.
pub(super) const EACH: &str = "*";

impl Fields {
    /// None where more than one leads through the items of an array, or one does twice.
    pub fn new(fields: Vec<Pointer>, by: Askers, asked: &mut Asked) -> Option<Self> {
        let stars = |field: &Pointer| field.tokens().filter(|token| *token == EACH).count();
        if fields.iter().map(stars).sum::<usize>() > 1 {
            return None;
        }
        let of = match fields.iter().position(|field| stars(field) == 1) {
            None => Of::Record(asked.key(by, &fields)),
            Some(at) => {
                asked.fields(by, &fields);
                Of::Items(at, fields[at].before(EACH))
            }
        };
        Some(Self { fields, of })
    }

    /// The keys that a record has, each with the item that it is of.
    pub fn keys(&self, answers: &mut Answers<'_>, mut each: impl FnMut(KeyDigest, Option<u32>)) {
        let (at, array) = match &self.of {
            Of::Record(key) => return answers.key(*key).into_iter().for_each(|key| each(key, None)),
            Of::Items(at, array) => (*at, array),
        };
        let Some(Scalar::Other(items)) = answers.record.get(array) else { return };
        let (mut fields, mut spelled) = (self.fields.clone(), Vec::new());
        for item in 0..u32::try_from(items).unwrap_or(u32::MAX) {
            fields[at] = self.fields[at].with(EACH, &item.to_string());
            if let Some(key) = digest(answers.record, &fields, &mut spelled) {
                each(key, Some(item));
            }
        }
    }

    /// Where to report what is wrong with a key: at its item, else at the first field.
    pub fn place(&self, item: Option<u32>) -> String {
        match (item, &self.of) {
            (Some(item), Of::Items(at, _)) => self.fields[*at].with(EACH, &item.to_string()).as_str().to_owned(),
            _ => self.fields.first().map_or("", Pointer::as_str).to_owned(),
        }
    }
}

/// None where a field is absent or not a scalar.
pub(super) fn digest(record: &dyn Record, fields: &[Pointer], spelled: &mut Vec<u8>) -> Option<KeyDigest> {
    let values = fields.iter().map(|field| match record.get(field)? {
        Scalar::Text(text) => Some((b't', bytes(text))),
        Scalar::Number(number) => Some((b'n', bytes(number))),
        Scalar::Bool(is) => Some((b'b', bytes(if is { "1".into() } else { "0".into() }))),
        Scalar::Null | Scalar::Other(_) => None,
    });
    of(values, spelled)
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Of what stands at each field: which kind of value it is, and its text. None where it is of none.
pub(super) fn of<T: AsRef<[u8]>>(
    values: impl Iterator<Item = Option<(u8, T)>>,
    spelled: &mut Vec<u8>,
) -> Option<KeyDigest> {
    spelled.clear();
    for value in values {
        let (kind, text) = value?;
        let text = text.as_ref();
        spelled.push(kind);
        spelled.extend_from_slice(&(text.len() as u64).to_le_bytes());
        spelled.extend_from_slice(text);
    }
    let half = |place: u8| {
        let mut hasher = HALVES[usize::from(place)].build_hasher();
        // The secrets of the two may be neighbours; what is hashed is not the same, either.
        spelled.push(place);
        hasher.write(spelled);
        hasher.finish()
    };
    let [first, second] = [0, 1].map(half);
    Some((u128::from(first) << 64 | u128::from(second)).to_le_bytes())
}
