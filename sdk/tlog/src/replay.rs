//! All entries of a log, held against its checkpoint: what a monitor does.

use crate::{Checkpoint, Edge, Hash, LogFault};

/// A replay under way. Entries come in order, from the first.
#[derive(Clone, Debug)]
pub struct Replay<'c> {
    edge: Edge,
    held: Option<&'c Checkpoint>,
    head: &'c Checkpoint,
}

impl<'c> Replay<'c> {
    /// Towards a checkpoint whose signatures hold, past one that was held before.
    pub fn new(held: Option<&'c Checkpoint>, head: &'c Checkpoint) -> Self {
        Self { edge: Edge::default(), held, head }
    }

    /// Entries taken so far.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Takes the next entry.
    pub fn take(&mut self, entry: &[u8]) -> Result<(), LogFault> {
        self.take_leaf(Hash::of_entry(entry))
    }

    /// Takes the next entry by its hash alone: what it says is not known, but that it is there.
    pub fn take_leaf(&mut self, leaf: Hash) -> Result<(), LogFault> {
        self.edge.push(leaf);
        let size = self.edge.size();
        match self.held {
            Some(held) if held.size == size && held.root != self.edge.root() => {
                Err(LogFault::Rewritten { held: size, size: self.head.size })
            }
            _ => Ok(()),
        }
    }

    /// Whether all came, and nothing else.
    pub fn finish(self) -> Result<(), LogFault> {
        let (size, served) = (self.head.size, self.edge.size());
        match served == size {
            false => Err(LogFault::Count { served, size }),
            true if self.edge.root() != self.head.root => Err(LogFault::Altered { size }),
            true => Ok(()),
        }
    }
}
