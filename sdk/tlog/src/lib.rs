//! The transparency log: who holds an earlier checkpoint can tell that nothing before it was changed, moved or taken away.
//!
//! One definition for the side that writes and the side that verifies, after RFC 6962 and the C2SP specifications signed-note,
//! tlog-checkpoint, tlog-tiles, tlog-cosignature, tlog-witness and tlog-policy, so that other programs can verify what we serve.
//!
//! # Invariants
//! - Pure: no file, network, clock, thread, async or randomness. Secrets come in as bytes, "now" as a number.
//! - A name, key, note, path or policy has one spelling, and what is not spelled that way is refused.
//! - Signatures are verified strictly (no weak keys, one encoding for each signature); one bad signature of a known key spoils
//!   the note.
//! - What goes wrong is told apart: forged, of another log, rewound, forked, frozen, tampered.
//!
//! # Limits
//! A tree holds at most 2^48 entries, a note 64 KiB and 64 signatures, a policy 64 KiB. An entry of more than 65 535 bytes has
//! no place in a bundle of entries.

mod checkpoint; // a tree's size and root, as a note
mod edge; // what of a tree is needed to add to it
mod follow; // from a checkpoint that is held to a new one
mod hash; // of an entry, of two subtrees
mod key; // names and Ed25519 keys, as text
mod note; // text with signatures
mod policy; // which log, and how many witnesses
mod replay; // all entries, held against a checkpoint
mod rotation; // the old key names the new
mod tile; // the tree and its entries as files of 256
mod tree; // roots and proofs, from the hashes of complete subtrees
mod witness; // what a log asks of a witness

pub use checkpoint::{Checkpoint, CheckpointError};
pub use edge::Edge;
pub use follow::{LogFault, Seen, follow};
pub use hash::{Hash, HashError};
pub use key::{KeyError, KeyKind, SigningKey, VerifierKey};
pub use note::{Note, NoteError, NoteSignature};
pub use policy::{Policy, PolicyError};
pub use replay::Replay;
pub use rotation::{KeyHistory, Rotation, RotationError};
pub use tile::{
    BundleError, ENTRY_BYTES_MAX, TILE_WIDTH, TilePath, TilePathError, bundle, bundle_entries, hash_tile, tiles_of,
};
pub use tree::{Nodes, Proof, ProofError, SIZE_MAX, Tree, prove_consistency, prove_inclusion, root};
pub use witness::{WitnessFault, Witnessing};
