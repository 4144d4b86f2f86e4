//! What of a tree is needed to add to it: the hashes of the complete subtrees along its right edge.
//!
//! A monitor keeps no more than this between two visits.

use crate::{Hash, Nodes, ProofError, SIZE_MAX};

/// At most 48 hashes, the largest subtree first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    hashes: Vec<Hash>,
}

impl Edge {
    /// The edge of a tree whose hashes are at hand.
    pub fn of(nodes: &impl Nodes, size: u64) -> Result<Self, ProofError> {
        if size > SIZE_MAX {
            return Err(ProofError::TooLarge { size });
        }
        let mut edge = Self::default();
        while edge.size < size {
            let level = (size - edge.size).ilog2() as u8;
            edge.hashes.push(nodes.node(level, edge.size >> level).ok_or(ProofError::Incomplete)?);
            edge.size += 1 << level;
        }
        Ok(edge)
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// The edge as it was kept: none where there are not as many hashes as a tree of that size has.
    pub fn kept(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        (hashes.len() as u32 == size.count_ones() && size <= SIZE_MAX).then_some(Self { size, hashes })
    }

    /// What to keep of it, with its size.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    pub fn root(&self) -> Hash {
        let hashes = self.hashes.iter().rev().copied();
        hashes.reduce(|right, left| Hash::of_children(left, right)).unwrap_or_else(Hash::of_nothing)
    }

    /// Adds one leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            hash = self.hashes.pop().map_or(hash, |left| Hash::of_children(left, hash));
        }
        self.hashes.push(hash);
        self.size += 1;
    }
}
