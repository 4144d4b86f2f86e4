//! Reads a journal that may be damaged, record by record, as far as any can be read.
//!
//! Where a record cannot be read the next one is looked for: behind its length, where that leads to one, else byte by byte. What
//! index an entry has follows from the commits, which name the size, and from the chain, which each entry carries.

use super::{BLOB, COMMIT, ENTRY, HEAD_BYTES, MAGIC, SETTLED, entry_of, parse, tail_record};
use crate::{
    disk::{self, Disk, Files, Lost},
    log::Head,
};
use guiju_model::Digest;
use std::{
    collections::BTreeMap,
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
};

/// All that can be read of a journal, and all that cannot.
#[derive(Debug, Default)]
pub struct Survey {
    /// Operation id and bytes of each entry that can be read and placed.
    pub entries: BTreeMap<u64, (String, Vec<u8>)>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// What the last commit says that can be read.
    pub head: Option<Head>,
    pub damage: Vec<Damage>,
}

/// A place that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub path: PathBuf,
    pub bytes: Range<u64>,
    /// Entries that stood there, as far as that can be told; empty where it held blobs alone.
    pub entries: Range<u64>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, Range { start, end }) = (self.path.display(), &self.bytes);
        write!(f, "`{path}` bytes {start} to {end}: ")?;
        match self.entries.end - self.entries.start {
            0 => f.write_str("no entry, but documents or what ends a batch"),
            1 => write!(f, "entry {}", self.entries.start),
            _ => write!(f, "entries {} to {}", self.entries.start, self.entries.end - 1),
        }
    }
}

/// An entry between two commits: the chain after it, its operation, its bytes.
type Found = (Digest, String, Vec<u8>);

impl Survey {
    /// Of a folder of segments; of one that is not there nothing is left.
    pub fn of(folder: &Path) -> io::Result<Self> {
        Self::on(&Files, folder)
    }

    /// The same, on a disk of the caller's. What that does not give back is damage like any other.
    pub fn on(disk: &dyn Disk, folder: &Path) -> io::Result<Self> {
        let mut paths = match disk.paths(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            paths => paths?,
        };
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
        paths.sort();
        let mut survey = Self::default();
        let (mut head, mut found, mut open): (Option<Head>, Vec<Found>, Vec<usize>) =
            (Some(Head::empty()), Vec::new(), Vec::new());
        let mut number = 0;
        for path in &paths {
            // A segment that is missing is damage of which nothing is known but what the commits around it say.
            while path.file_stem().is_none_or(|stem| *stem != *format!("{number:020}")) && number < 1 << 20 {
                let missing = folder.join(format!("{number:020}.seg"));
                if missing > *path {
                    break;
                }
                survey.damaged(&missing, 0..0, &mut open);
                number += 1;
            }
            number += 1;
            let (bytes, lost) = disk::read_around(disk, path)?;
            let mut at = MAGIC.len().min(bytes.len());
            if !bytes.starts_with(MAGIC) {
                survey.damaged(path, 0..at as u64, &mut open);
            }
            while at < bytes.len() {
                let Some((kind, body, length)) = parse(&bytes[at..]) else {
                    let next = next_record(&bytes, at);
                    survey.damaged(path, at as u64..next as u64, &mut open);
                    at = next;
                    continue;
                };
                match kind {
                    BLOB => drop(survey.blobs.insert(Digest::of(body), body.to_vec())),
                    ENTRY => {
                        let (operation, entry) = entry_of(body);
                        let chain = Digest::from_bytes(body[..32].try_into().unwrap_or_default());
                        found.push((chain, operation, entry.to_vec()));
                    }
                    COMMIT if body.len() == 40 => {
                        let (size, chain) = body.split_at(8);
                        let end = Head {
                            size: u64::from_le_bytes(size.try_into().unwrap_or_default()),
                            chain: Digest::from_bytes(chain.try_into().unwrap_or_default()),
                        };
                        survey.place(head, std::mem::take(&mut found), end, &mut open);
                        (head, survey.head) = (Some(end), Some(end));
                    }
                    _ => {}
                }
                at += length;
            }
            for Lost { bytes, .. } in lost {
                let covers = |damage: &Damage| damage.path == *path && damage.bytes.contains(&bytes.start);
                if !survey.damage.iter().any(covers) {
                    survey.damage.push(Damage { path: path.clone(), bytes, entries: 0..0 });
                }
            }
        }
        // What follows the last commit that can be read: where that is known, the chain leads on from it.
        if let Some(mut end) = head {
            for (chain, operation, entry) in found {
                if end.then(&entry).chain != chain {
                    break;
                }
                survey.entries.insert(end.size, (operation, entry.clone()));
                end = end.then(&entry);
            }
        }
        Ok(survey)
    }

    fn damaged(&mut self, path: &Path, bytes: Range<u64>, open: &mut Vec<usize>) {
        open.push(self.damage.len());
        self.damage.push(Damage { path: path.into(), bytes, entries: 0..0 });
    }

    /// Gives the entries between two commits their indices: from the front as far as the chain leads, the rest from the back.
    fn place(&mut self, begin: Option<Head>, found: Vec<Found>, end: Head, open: &mut Vec<usize>) {
        let begin = begin.unwrap_or_else(Head::empty);
        let (mut head, mut front) = (begin, 0);
        while let Some((chain, operation, entry)) = found.get(front)
            && head.then(entry).chain == *chain
        {
            self.entries.insert(head.size, (operation.clone(), entry.clone()));
            head = head.then(entry);
            front += 1;
        }
        let (mut chain, mut size) = (end.chain, end.size);
        let mut back = found.len();
        while back > front
            && size > head.size
            && let Some((after, operation, entry)) = found.get(back - 1)
            && *after == chain
        {
            size -= 1;
            self.entries.insert(size, (operation.clone(), entry.clone()));
            back -= 1;
            // The chain before this entry is that which the one before it carries.
            let Some((before, ..)) = back.checked_sub(1).and_then(|at| found.get(at)) else { break };
            chain = *before;
            if (Head { size, chain }).then(entry).chain != *after {
                break;
            }
        }
        for at in open.drain(..) {
            self.damage[at].entries = head.size..size.max(head.size);
        }
    }
}

/// Where the next record begins that can be read.
fn next_record(bytes: &[u8], at: usize) -> usize {
    let behind = bytes.get(at..at + 4).and_then(|length| {
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        at.checked_add(HEAD_BYTES as usize + length).filter(|next| *next <= bytes.len())
    });
    if let Some(next) = behind.filter(|next| *next == bytes.len() || parse(&bytes[*next..]).is_some()) {
        return next;
    }
    (at + 1..bytes.len()).find(|at| begins_record(bytes, *at)).unwrap_or(bytes.len())
}

fn begins_record(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at + 8).copied() {
        Some(BLOB | ENTRY) => parse(&bytes[at..]).is_some(),
        Some(COMMIT | SETTLED) => tail_record(bytes, at).is_some(),
        _ => false,
    }
}
