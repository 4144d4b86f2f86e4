//! Roots and proofs, from the hashes of complete subtrees.
//!
//! Which hashes make a proof, and whether a proof holds, is answered by the crate `ct-merkle`; here they are found.

use crate::Hash;
use ct_merkle::{
    ConsistencyProof, InclusionProof, RootHash, indices_for_consistency_proof, indices_for_inclusion_proof,
};
use sha2::Sha256;

/// Entries that a tree can hold. Well below the point where an index overflows.
pub const SIZE_MAX: u64 = 1 << 48;

/// What holds the hashes of a tree.
pub trait Nodes {
    /// The hash of the entries from `index << level`, `1 << level` of them, if all are there.
    fn node(&self, level: u8, index: u64) -> Option<Hash>;
}

/// All hashes of a tree, in memory: 64 bytes an entry.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Adds one leaf, with every subtree that it completes.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(hash);
            match nodes[..] {
                [.., left, right] if nodes.len().is_multiple_of(2) => hash = Hash::of_children(left, right),
                _ => return,
            }
        }
    }
}

impl Nodes for Tree {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.levels.get(usize::from(level))?.get(usize::try_from(index).ok()?).copied()
    }
}

impl FromIterator<Hash> for Tree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut tree = Self::default();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }
}

/// Why there is no proof, or the proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    #[error("entry {index} is not in a tree of {size}")]
    NotInTree { index: u64, size: u64 },
    #[error("a tree of {size} is not larger than one of {old}")]
    Shrinks { old: u64, size: u64 },
    #[error("a tree of {size} entries is larger than any this program takes")]
    TooLarge { size: u64 },
    #[error("the hashes of that tree are not all at hand")]
    Incomplete,
    #[error("the proof does not show that entry {index} is in the tree of {size}")]
    Inclusion { index: u64, size: u64 },
    #[error("the proof does not show that the tree of {size} begins with the tree of {old}")]
    Consistency { old: u64, size: u64 },
}

/// The root of the first `size` entries.
pub fn root(nodes: &impl Nodes, size: u64) -> Result<Hash, ProofError> {
    in_bounds(size)?;
    span(nodes, 0, size)
}

/// The hash over entries from `from` to before `to`, where `from` is a multiple of a power of two that is no less than their
/// number.
fn span(nodes: &impl Nodes, from: u64, to: u64) -> Result<Hash, ProofError> {
    let mut parts = Vec::new();
    let mut at = from;
    while at < to {
        let level = (to - at).ilog2() as u8;
        parts.push(nodes.node(level, at >> level).ok_or(ProofError::Incomplete)?);
        at += 1 << level;
    }
    Ok(parts.into_iter().rev().reduce(|right, left| Hash::of_children(left, right)).unwrap_or_else(Hash::of_nothing))
}

/// Hashes that show, with a root, what is in its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof(pub Vec<Hash>);

/// Shows that an entry is in the tree of the first `size` entries.
pub fn prove_inclusion(nodes: &impl Nodes, index: u64, size: u64) -> Result<Proof, ProofError> {
    in_tree(index, size)?;
    collect(nodes, size, indices_for_inclusion_proof(size, index))
}

/// Shows that the tree of the first `old` entries begins the tree of the first `size`.
pub fn prove_consistency(nodes: &impl Nodes, old: u64, size: u64) -> Result<Proof, ProofError> {
    in_order(old, size)?;
    match old {
        0 => Ok(Proof::default()),
        old => collect(nodes, size, indices_for_consistency_proof(old, size - old)),
    }
}

/// Indices are those of a tree laid out in an array: the number of trailing ones is the level.
fn collect(nodes: &impl Nodes, size: u64, indices: Vec<u64>) -> Result<Proof, ProofError> {
    let hash = |index: u64| {
        let level = index.trailing_ones();
        let from = index >> (level + 1) << level;
        span(nodes, from, size.min(from + (1 << level)))
    };
    indices.into_iter().map(hash).collect::<Result<_, _>>().map(Proof)
}

impl Proof {
    /// Whether an entry is the one at an index of the tree with that size and root.
    pub fn shows_entry(&self, entry: &[u8], index: u64, size: u64, root: Hash) -> Result<(), ProofError> {
        in_tree(index, size)?;
        let fault = |_| ProofError::Inclusion { index, size };
        let proof = InclusionProof::<Sha256>::try_from_bytes(self.bytes()).map_err(fault)?;
        tree_of(size, root).verify_inclusion(&entry, index, &proof).map_err(fault)
    }

    /// Whether the tree with the old size and root begins the tree with the new ones.
    pub fn shows_growth(&self, old: (u64, Hash), new: (u64, Hash)) -> Result<(), ProofError> {
        let ((old, old_root), (size, root)) = (old, new);
        in_order(old, size)?;
        let fault = ProofError::Consistency { old, size };
        if old == 0 {
            let holds = self.0.is_empty() && old_root == Hash::of_nothing() && (size > 0 || root == Hash::of_nothing());
            return if holds { Ok(()) } else { Err(fault) };
        }
        let proof = ConsistencyProof::<Sha256>::try_from_bytes(self.bytes()).map_err(|_| fault.clone())?;
        tree_of(size, root).verify_consistency(&tree_of(old, old_root), &proof).map_err(|_| fault)
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(Hash::as_bytes).copied().collect()
    }
}

fn tree_of(size: u64, root: Hash) -> RootHash<Sha256> {
    RootHash::new((*root.as_bytes()).into(), size)
}

fn in_bounds(size: u64) -> Result<(), ProofError> {
    if size > SIZE_MAX { Err(ProofError::TooLarge { size }) } else { Ok(()) }
}

fn in_tree(index: u64, size: u64) -> Result<(), ProofError> {
    in_bounds(size)?;
    if index < size { Ok(()) } else { Err(ProofError::NotInTree { index, size }) }
}

fn in_order(old: u64, size: u64) -> Result<(), ProofError> {
    in_bounds(size)?;
    if old <= size { Ok(()) } else { Err(ProofError::Shrinks { old, size }) }
}
