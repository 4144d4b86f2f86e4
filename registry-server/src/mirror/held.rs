//! What is believed of the log that is followed, and how far it was, kept in a file whose digest stands in its first line.

use crate::{
    Fault,
    disk::{self, Files},
    settings::Settings,
};
use guiju::HeldLog;
use guiju_model::{Digest, Namespace, StandardId};
use guiju_tlog::{Checkpoint, Edge, KeyHistory, VerifierKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

/// The keys of the log and the last checkpoint that is believed, and how far it was followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub log: HeldLog,
    pub walk: Walk,
}

/// How far the other log was followed, and for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    pub edge: Edge,
    /// What is followed, and until which index its entries were taken over; beyond the edge where that was moved back.
    pub taken: BTreeMap<Part, u64>,
    /// What lies under these is not taken over.
    pub own: Vec<Namespace>,
}

/// What of the other log is followed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    All,
    Under(Namespace),
    /// One that others refer to.
    Standard(StandardId),
}

impl Part {
    /// `*`, a namespace, or a standard.
    pub fn of_text(text: &str) -> Option<Self> {
        match (text, text.contains('/')) {
            ("*", _) => Some(Self::All),
            (_, true) => text.parse().ok().map(Self::Standard),
            (_, false) => text.parse().ok().map(Self::Under),
        }
    }

    fn covers(&self, standard: &StandardId) -> bool {
        match self {
            Self::All => true,
            Self::Under(namespace) => standard.namespace().is_under(namespace),
            Self::Standard(one) => one == standard,
        }
    }

    pub fn covers_part(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (_, Self::All) => false,
            (Self::Under(namespace), Self::Under(other)) => other.is_under(namespace),
            (one, Self::Standard(standard)) => one.covers(standard),
            (Self::Standard(_), Self::Under(_)) => false,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Under(namespace) => write!(f, "{namespace}"),
            Self::Standard(standard) => write!(f, "{standard}"),
        }
    }
}

impl Walk {
    /// From where it stopped, for what the settings say now; from the beginning, where that is more than it was.
    pub fn resumed(self, settings: &Settings) -> Self {
        let named = settings.upstream_namespaces.0.iter().cloned().map(Part::Under);
        let mut parts: BTreeSet<Part> = named.collect();
        if parts.is_empty() {
            parts.insert(Part::All);
        }
        let is_standard = |part: &&Part| matches!(part, Part::Standard(_));
        parts.extend(self.taken.keys().filter(is_standard).cloned());
        let own = settings.own_namespaces.0.clone();
        // What was ours and is not any more was passed over, whatever covers it.
        let was_passed_over = self.own.iter().any(|name| !own.iter().any(|own| name.is_under(own)));
        let until = |part: &Part| {
            let covering = self.taken.iter().filter(|(known, _)| !was_passed_over && known.covers_part(part));
            covering.map(|(_, until)| *until).max().unwrap_or_default()
        };
        let taken: BTreeMap<Part, u64> = parts.into_iter().map(|part| (part.clone(), until(&part))).collect();
        let is_whole = taken.values().all(|until| *until >= self.edge.size());
        Self { edge: if is_whole { self.edge } else { Edge::default() }, taken, own }
    }

    pub fn is_own(&self, standard: &StandardId) -> bool {
        self.own.iter().any(|own| standard.namespace().is_under(own))
    }

    pub fn follows(&self, standard: &StandardId) -> bool {
        !self.is_own(standard) && self.taken.keys().any(|part| part.covers(standard))
    }

    /// Whether an entry about a standard is still to be taken over.
    pub fn wants(&self, index: u64, standard: &StandardId) -> bool {
        let is_taken = self.taken.iter().any(|(part, until)| *until > index && part.covers(standard));
        self.follows(standard) && !is_taken
    }

    /// All entries below an index are taken over.
    pub fn has_taken(&mut self, size: u64) {
        self.taken.values_mut().for_each(|until| *until = size.max(*until));
    }

    pub fn also(&self) -> Vec<StandardId> {
        let standards = self.taken.keys().filter_map(|part| match part {
            Part::Standard(standard) => Some(standard.clone()),
            _ => None,
        });
        standards.collect()
    }
}

impl Held {
    pub fn to_text(&self) -> String {
        let HeldLog { keys, checkpoint } = &self.log;
        let Walk { edge, taken, own } = &self.walk;
        let mut lines = format!("first {}\n", keys.first());
        lines.extend(keys.ranges().skip(1).map(|(key, since, _)| format!("key {since} {key}\n")));
        lines += &format!("followed {}\n", edge.size());
        lines.extend(edge.hashes().iter().map(|hash| format!("edge {hash}\n")));
        lines.extend(taken.iter().map(|(part, until)| format!("taken {until} {part}\n")));
        lines.extend(own.iter().map(|own| format!("own {own}\n")));
        let text = format!("{lines}\n{checkpoint}");
        format!("{}\n{text}", Digest::of(text.as_bytes()))
    }

    /// None where it is not whole, or names an edge that is not of its checkpoint.
    pub fn of_text(text: &str) -> Option<Self> {
        let (digest, text) = text.split_once('\n')?;
        if Digest::of(text.as_bytes()).to_string() != digest {
            return None;
        }
        let (head, checkpoint) = text.split_once("\n\n")?;
        let checkpoint: Checkpoint = checkpoint.parse().ok()?;
        let mut lines = head.lines();
        let first: VerifierKey = lines.next()?.strip_prefix("first ")?.parse().ok()?;
        let mut later = Vec::new();
        // A file of an earlier version of the program says neither how far nor for what: to the end, and for nothing that is known.
        let (mut size, mut hashes, mut taken, mut own) = (checkpoint.size, Vec::new(), BTreeMap::new(), Vec::new());
        for line in lines {
            match line.split_once(' ')? {
                ("key", text) => {
                    let (since, key) = text.split_once(' ')?;
                    later.push((since.parse().ok()?, key.parse().ok()?));
                }
                // Of a program that did not write down since when a key signs.
                ("current", key) => later.extend(Some((0, key.parse().ok()?)).filter(|(_, key)| *key != first)),
                ("followed", text) => size = text.parse().ok()?,
                ("edge", text) => hashes.push(text.parse().ok()?),
                ("taken", text) => {
                    let (until, part) = text.split_once(' ')?;
                    taken.insert(Part::of_text(part)?, until.parse().ok()?);
                }
                ("own", text) => own.push(text.parse().ok()?),
                _ => return None,
            }
        }
        let edge = Edge::kept(size, hashes)?;
        let is_of_it = size < checkpoint.size || (size == checkpoint.size && edge.root() == checkpoint.root);
        let (log, walk) =
            (HeldLog { keys: KeyHistory::remembered(first, later)?, checkpoint }, Walk { edge, taken, own });
        is_of_it.then_some(Self { log, walk })
    }
}

/// What is wrong with what a mirror holds of the other log, if anything is.
pub fn verify(data: &Path) -> Option<String> {
    read(&path(data)).err().map(|fault| fault.to_string())
}

pub fn path(data: &Path) -> PathBuf {
    data.join("mirror/held")
}

/// What is held, if anything is.
pub fn read(path: &Path) -> Result<Option<Held>, Fault> {
    let hint = "put it back from where it is kept safe, or move it away: then the other log is proved from its beginning again, \
                and the key that it names now is believed";
    let text =
        disk::read_text(&Files, path).map_err(|error| Fault::new(format!("{}: {error}", path.display()), hint))?;
    text.map(|text| Held::of_text(&text).ok_or_else(|| Fault::new(format!("{} is damaged", path.display()), hint)))
        .transpose()
}

/// Puts it in the place of what was held before.
pub fn keep(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        disk::make_folder(&Files, folder, disk::PRIVATE_FOLDER)?;
    }
    disk::write_durably(&Files, path, text.as_bytes(), 0o644)
}
