//! A record with room behind it, so that what reads many bytes at once needs no case for its last ones.
//!
//! # Invariants
//! - `Windows::last + BLOCK <= bytes.len()`: made so by the only constructor. Every load is held against `last` first, wherever
//!   its caller got the place from.
//! - What stands in the room means nothing: zeros, or what follows the record where it is read. Whoever reads is to hold where he
//!   ended against the record's length.
#![allow(unsafe_code)]

/// Bytes that are looked at together.
pub(super) const BLOCK: usize = 32;
/// Behind a record.
const ROOM: usize = 2 * BLOCK;

/// The copy of a record that is being read. Copying costs some hundredth of reading.
#[derive(Debug, Default)]
pub(super) struct Padded(Vec<u8>);

impl Padded {
    #[inline]
    pub fn hold(&mut self, record: &[u8]) -> Windows<'_> {
        self.0.clear();
        self.0.reserve(record.len() + ROOM);
        self.0.extend_from_slice(record);
        self.0.extend_from_slice(&[0; ROOM]);
        Windows::with_room(&self.0)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Windows<'r> {
    bytes: &'r [u8],
    /// The last place from which a whole block can be read.
    last: usize,
}

impl<'r> Windows<'r> {
    /// A record where it stands among other bytes; none where there is no room behind it.
    #[inline]
    pub fn within(bytes: &'r [u8], record: std::ops::Range<usize>) -> Option<Self> {
        bytes.get(record.start..record.end.checked_add(ROOM)?).map(Self::with_room)
    }

    #[inline]
    fn with_room(bytes: &'r [u8]) -> Self {
        assert!(bytes.len() >= ROOM);
        Self { bytes, last: bytes.len() - BLOCK }
    }

    /// The record and what is behind it.
    #[inline(always)]
    pub fn bytes(self) -> &'r [u8] {
        self.bytes
    }

    #[inline(always)]
    pub fn block(self, at: usize) -> Option<&'r [u8; BLOCK]> {
        if at > self.last {
            return None;
        }
        // SAFETY: `at <= last`, so that `BLOCK` bytes follow; an array of bytes may stand anywhere.
        Some(unsafe { &*self.bytes.as_ptr().add(at).cast() })
    }

    /// The same at several places; none where one of them is too near to the end.
    #[inline(always)]
    pub fn blocks<const COUNT: usize>(self, at: &[usize; COUNT]) -> Option<[&'r [u8; BLOCK]; COUNT]> {
        if at.iter().fold(0, |most, at| most.max(*at)) > self.last {
            return None;
        }
        // SAFETY: as above, for each.
        Some(at.map(|at| unsafe { &*self.bytes.as_ptr().add(at).cast() }))
    }

    /// Zero behind the end.
    #[inline(always)]
    pub fn byte(self, at: usize) -> u8 {
        // SAFETY: `at <= last`, which lies within.
        if at <= self.last { unsafe { *self.bytes.get_unchecked(at) } } else { 0 }
    }

    #[inline(always)]
    pub fn behind_space(self, mut at: usize) -> usize {
        while let b' ' | b'\n' | b'\t' | b'\r' = self.byte(at) {
            at += 1;
        }
        at
    }
}
