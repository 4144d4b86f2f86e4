//! A disk that does what it must and no more: after a power loss it has what was synced, and any part of the rest.

use guiju_server::disk::{Access, Disk, DiskFile, Hold};
use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use crate::fuzz::Dice;

const SECTOR_BYTES: usize = 512;
const EIO: i32 = 5;

/// What goes wrong at a step. Steps are counted from 0: each that changes something, or syncs, is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The step is done in part, and nothing after it.
    PowerLoss,
    /// The step fails, done in part.
    Once(io::ErrorKind),
    /// The step and all of its kind after it fail.
    FromNowOn(io::ErrorKind),
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Write,
    Sync,
    Name,
}

#[derive(Clone)]
pub struct Simulated(Arc<Mutex<State>>);

struct State {
    nodes: Vec<Node>,
    faults: Option<(u64, Fault)>,
    failing: Option<(Step, io::ErrorKind)>,
    steps: Vec<Step>,
    is_off: bool,
    is_locked: bool,
    /// Of files: what is read no more.
    lost: Vec<(usize, Range<usize>)>,
    dice: Dice,
}

enum Node {
    File { now: Vec<u8>, synced: Vec<u8>, pending: Vec<Change>, doubtful: Vec<Change> },
    Folder { now: BTreeMap<String, usize>, synced: BTreeMap<String, usize>, pending: Vec<Naming> },
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone)]
enum Naming {
    Is(String, usize),
    Moved(String, String, usize),
    Gone(String),
}

fn off() -> io::Error {
    io::Error::other("the power is off")
}

impl Simulated {
    /// An empty disk, on which that step goes wrong.
    pub fn new(seed: u64, fault: Option<(u64, Fault)>) -> Self {
        Self::over(vec![Node::folder(BTreeMap::new())], seed, fault)
    }

    fn over(nodes: Vec<Node>, seed: u64, faults: Option<(u64, Fault)>) -> Self {
        let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (failing, steps) = (None, Vec::new());
        let state = State { nodes, faults, failing, steps, is_off: false, is_locked: false, lost: Vec::new(), dice };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// What has been done so far.
    pub fn steps(&self) -> Vec<Step> {
        self.state().steps.clone()
    }

    /// From now on whoever reads any of these bytes of a file hears that the disk has lost them.
    pub fn lose(&self, path: &Path, bytes: Range<usize>) {
        let mut state = self.state();
        let node = state.find(path).unwrap();
        state.lost.push((node, bytes));
    }

    /// The same disk without its faults; what was lost is there again.
    pub fn found_again(&self) -> Self {
        self.state().lost.clear();
        self.restarted()
    }

    /// What the disk has when power comes back, on which a step may go wrong again.
    pub fn after_power_loss(&self, seed: u64, fault: Option<(u64, Fault)>) -> Self {
        let mut state = self.state();
        state.is_off = true;
        let mut nodes = vec![Node::folder(BTreeMap::new())];
        let State { nodes: old, .. } = &*state;
        let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
        survivors(old, 0, &mut nodes, 0, &mut dice);
        Self::over(nodes, seed, fault)
    }

    /// The same disk without its faults, as after a restart of the program alone.
    pub fn restarted(&self) -> Self {
        let mut state = self.state();
        (state.faults, state.failing, state.is_locked) = (None, None, false);
        drop(state);
        self.clone()
    }
}

/// Copies what has survived of a node into a new disk.
fn survivors(old: &[Node], from: usize, nodes: &mut Vec<Node>, to: usize, dice: &mut Dice) {
    match &old[from] {
        Node::File { now, synced, pending, doubtful } => {
            // Nothing, half or all of what nobody asked to be synced.
            let luck = dice.below(3);
            let is_lucky = |dice: &mut Dice| luck == 2 || luck == 1 && dice.below(2) == 1;
            let mut bytes = synced.clone();
            for change in doubtful.iter().chain(pending) {
                match change {
                    Change::Length(length) => {
                        if is_lucky(dice) {
                            bytes.resize(*length, 0);
                        }
                    }
                    Change::Write(offset, data) => {
                        let mut at = *offset;
                        while at < offset + data.len() {
                            let end = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(offset + data.len());
                            if is_lucky(dice) {
                                bytes.resize(bytes.len().max(end), 0);
                                bytes[at..end].copy_from_slice(&data[at - offset..end - offset]);
                            }
                            at = end;
                        }
                    }
                }
            }
            // The length may have gone to the disk before what fills it.
            if !pending.is_empty() && bytes.len() < now.len() && is_lucky(dice) {
                bytes.resize(now.len(), 0);
            }
            nodes[to] = Node::File { now: bytes.clone(), synced: bytes, pending: Vec::new(), doubtful: Vec::new() };
        }
        Node::Folder { synced, pending, .. } => {
            let mut names = synced.clone();
            // A file system keeps the order of names, or does not.
            let (in_order, kept) = (dice.below(2) == 0, dice.below(pending.len() + 1));
            for (number, naming) in pending.iter().enumerate() {
                let is_kept = if in_order { number < kept } else { dice.below(2) == 1 };
                if is_kept {
                    naming.apply(&mut names);
                }
            }
            let mut survived = BTreeMap::new();
            for (name, node) in names {
                nodes.push(Node::folder(BTreeMap::new()));
                let place = nodes.len() - 1;
                survivors(old, node, nodes, place, dice);
                survived.insert(name, place);
            }
            nodes[to] = Node::folder(survived);
        }
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Is(name, node) => drop(names.insert(name.clone(), *node)),
            Self::Moved(from, to, node) => {
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
            Self::Gone(name) => drop(names.remove(name)),
        }
    }
}

impl Node {
    fn folder(names: BTreeMap<String, usize>) -> Self {
        Self::Folder { now: names.clone(), synced: names, pending: Vec::new() }
    }
}

impl State {
    /// Counts a step; what is wrong with it, and how it fares.
    fn step(&mut self, step: Step) -> (bool, io::Result<()>) {
        if self.is_off {
            return (false, Err(off()));
        }
        let number = self.steps.len() as u64;
        self.steps.push(step);
        if let Some((kind, error)) = self.failing
            && kind == step
        {
            return (step == Step::Write && self.dice.below(2) == 1, Err(error.into()));
        }
        match self.faults {
            Some((at, fault)) if at == number => {
                let is_begun = self.dice.below(2) == 1;
                match fault {
                    Fault::PowerLoss => {
                        self.is_off = true;
                        (is_begun, Err(off()))
                    }
                    Fault::Once(kind) => (is_begun && step == Step::Write, Err(kind.into())),
                    Fault::FromNowOn(kind) => {
                        self.failing = Some((step, kind));
                        (is_begun && step == Step::Write, Err(kind.into()))
                    }
                }
            }
            _ => (true, Ok(())),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut node = 0;
        for name in path.components().skip(1) {
            let Node::Folder { now, .. } = &self.nodes[node] else { return Err(io::ErrorKind::NotADirectory.into()) };
            node = *now.get(&*name.as_os_str().to_string_lossy()).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    fn parent(&self, path: &Path) -> io::Result<(usize, String)> {
        let folder = self.find(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
        Ok((folder, path.file_name().unwrap_or_default().to_string_lossy().into_owned()))
    }

    fn name(&mut self, folder: usize, naming: Naming) {
        if let Node::Folder { now, pending, .. } = &mut self.nodes[folder] {
            naming.apply(now);
            pending.push(naming);
        }
    }
}

impl Disk for Simulated {
    fn make_folder(&self, folder: &Path, _: u32) -> io::Result<()> {
        let mut state = self.state();
        if state.find(folder).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (parent, name) = state.parent(folder)?;
        let (is_begun, outcome) = state.step(Step::Name);
        if is_begun {
            state.nodes.push(Node::folder(BTreeMap::new()));
            let node = state.nodes.len() - 1;
            state.name(parent, Naming::Is(name, node));
        }
        outcome
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        let node = state.find(folder)?;
        let (_, outcome) = state.step(Step::Sync);
        outcome?;
        if let Node::Folder { now, synced, pending } = &mut state.nodes[node] {
            synced.clone_from(now);
            pending.clear();
        }
        Ok(())
    }

    fn paths(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.state();
        if state.is_off {
            return Err(off());
        }
        match &state.nodes[state.find(folder)?] {
            Node::Folder { now, .. } => Ok(now.keys().map(|name| folder.join(name)).collect()),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn create(&self, path: &Path, _: u32) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let (parent, name) = state.parent(path)?;
        let known = state.find(path).ok();
        let (is_begun, outcome) = state.step(Step::Name);
        let node = known.unwrap_or(state.nodes.len());
        if is_begun {
            match known.map(|node| &mut state.nodes[node]) {
                Some(Node::File { now, pending, .. }) => {
                    now.clear();
                    pending.push(Change::Length(0));
                }
                Some(Node::Folder { .. }) => return Err(io::ErrorKind::IsADirectory.into()),
                None => {
                    let (now, synced, pending, doubtful) = Default::default();
                    state.nodes.push(Node::File { now, synced, pending, doubtful });
                    state.name(parent, Naming::Is(name, node));
                }
            }
        }
        outcome?;
        Ok(Box::new(SimulatedFile { disk: self.clone(), node }))
    }

    fn open(&self, path: &Path, _: Access) -> io::Result<Box<dyn DiskFile>> {
        let state = self.state();
        if state.is_off {
            return Err(off());
        }
        let node = state.find(path)?;
        Ok(Box::new(SimulatedFile { disk: self.clone(), node }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let node = state.find(from)?;
        let ((folder, from), (other, to)) = (state.parent(from)?, state.parent(to)?);
        assert_eq!(folder, other, "nothing is moved between folders");
        let (is_begun, outcome) = state.step(Step::Name);
        if is_begun {
            state.name(folder, Naming::Moved(from, to, node));
        }
        outcome
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.find(path)?;
        let (folder, name) = state.parent(path)?;
        let (is_begun, outcome) = state.step(Step::Name);
        if is_begun {
            state.name(folder, Naming::Gone(name));
        }
        outcome
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Hold>> {
        let mut state = self.state();
        if state.is_off {
            return Err(off());
        }
        let is_free = !std::mem::replace(&mut state.is_locked, true);
        Ok(is_free.then(|| Box::new(Unlock(self.clone())) as Hold))
    }
}

struct Unlock(Simulated);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.state().is_locked = false;
    }
}

struct SimulatedFile {
    disk: Simulated,
    node: usize,
}

impl SimulatedFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.disk.state();
        let (is_begun, outcome) = state.step(Step::Write);
        let part = match &outcome {
            Err(_) => state.dice.below(4),
            Ok(()) => 4,
        };
        if let (true, Node::File { now, pending, .. }) = (is_begun, &mut state.nodes[self.node]) {
            let change = match change {
                Change::Write(offset, mut bytes) => {
                    bytes.truncate(bytes.len() * part / 4);
                    now.resize(now.len().max(offset + bytes.len()), 0);
                    now[offset..offset + bytes.len()].copy_from_slice(&bytes);
                    Change::Write(offset, bytes)
                }
                Change::Length(length) => {
                    now.resize(length, 0);
                    Change::Length(length)
                }
            };
            pending.push(change);
        }
        outcome
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        match &self.disk.state().nodes[self.node] {
            Node::File { now, .. } => Ok(now.len() as u64),
            Node::Folder { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.state();
        let end = offset as usize + bytes.len();
        if state.lost.iter().any(|(node, lost)| *node == self.node && (offset as usize) < lost.end && end > lost.start)
        {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let Node::File { now, .. } = &state.nodes[self.node] else { return Err(io::ErrorKind::IsADirectory.into()) };
        let found = now.get(offset as usize..offset as usize + bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write(offset as usize, bytes.to_vec()))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(length as usize))
    }

    /// One that fails leaves what was pending in doubt for ever: the system takes it for written.
    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let (_, outcome) = state.step(Step::Sync);
        let is_off = state.is_off;
        let Node::File { synced, pending, doubtful, .. } = &mut state.nodes[self.node] else { return outcome };
        match (&outcome, is_off) {
            (Err(_), true) => {}
            (Err(_), false) => doubtful.append(pending),
            (Ok(()), _) => {
                for change in pending.drain(..) {
                    match change {
                        Change::Write(offset, bytes) => {
                            synced.resize(synced.len().max(offset + bytes.len()), 0);
                            synced[offset..offset + bytes.len()].copy_from_slice(&bytes);
                        }
                        Change::Length(length) => synced.resize(length, 0),
                    }
                }
            }
        }
        outcome
    }
}
