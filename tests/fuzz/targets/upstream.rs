//! Any bytes as what a registry answers to who follows its log: a mirror, a monitor, `guiju verify`.
//!
//! The bytes are one answer after the other, each behind its kind and its length. Whatever comes, nothing is believed that the log's key
//! did not sign: a checkpoint that is taken is of the one history there is, it goes on from what was held, and the entries that are told
//! are those of that history.

use guiju::{
    HeldLog, Leaf, LogDemands, LogSource, ProvedEntry, RegistryError, ServedCheckpoint, log_head_after, prove_pin,
    replay,
    tlog::{Checkpoint, Hash, KeyHistory, Note, Proof, SigningKey, Tree, prove_consistency, root},
};
use std::{cell::RefCell, collections::VecDeque, sync::Mutex};

/// Entries of the log that there is.
const SIZE: u64 = 12;

pub fn run(data: &[u8]) {
    let truth = Truth::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let held = truth.held(4);
    let later = truth.held(7);
    let answers = Answers::of(data);
    let believed = runtime.block_on(log_head_after(&answers, &[&held, &later], &LogDemands::default()));
    if let Ok(head) = &believed {
        assert!(truth.checkpoint(head.checkpoint.size) == Some(head.checkpoint.clone()), "another history is believed");
        assert!(head.checkpoint.size >= 7 && head.keys.first() == held.keys.first(), "it went back");
    }
    // Entries are told as they come; that all of it is proved is said at the end.
    let told = RefCell::new(Vec::new());
    let answers = Answers::of(data);
    let head = truth.held(SIZE).checkpoint;
    let tell = |entry: guiju::LogEntry| told.borrow_mut().push(entry.index);
    if let Ok(withheld) = runtime.block_on(replay(&answers, Some(&held.checkpoint), &head, tell)) {
        assert_eq!(withheld.count + told.borrow().len() as u64, SIZE, "an entry is neither told nor withheld");
    }
    // What is offered as the proof of a pin proves it, or not.
    let answers = Answers::of(data);
    if let Ok(proved) = runtime.block_on(answers.proved_entry(3, SIZE)) {
        let pin = guiju::Pin {
            resolution: guiju_model::Resolution {
                standard: "bj.test/thing".parse().expect("a name"),
                version: "1.0.0".parse().expect("a version"),
                digest: guiju_model::Digest::of(b"nothing"),
            },
            log_index: Some(3),
            as_of: None,
        };
        assert!(prove_pin(&pin, &proved, &head).is_err(), "no entry publishes that");
    }
}

/// The one history that the key has signed.
struct Truth {
    key: SigningKey,
    tree: Tree,
}

/// An entry of it: bytes that are one, of nothing that this program knows.
pub fn entry(index: u64) -> Vec<u8> {
    // Field 1, a text: the operation id.
    [&[0x0a, 2, b'n'][..], &[b'0' + index as u8]].concat()
}

impl Truth {
    fn new() -> Self {
        let mut tree = Tree::default();
        (0..SIZE).for_each(|index| tree.push(Hash::of_entry(&entry(index))));
        Self { key: SigningKey::from_seed("example.org/log", &[7; 32]).expect("a key"), tree }
    }

    fn checkpoint(&self, size: u64) -> Option<Checkpoint> {
        Some(Checkpoint { origin: "example.org/log".into(), size, root: root(&self.tree, size).ok()? })
    }

    fn held(&self, size: u64) -> HeldLog {
        HeldLog {
            keys: KeyHistory::single(self.key.verifier()),
            checkpoint: self.checkpoint(size).expect("it is that large"),
        }
    }

    /// What a registry that tells the truth answers, as a seed.
    fn honest(&self, size: u64) -> Vec<u8> {
        let mut note = Note::unsigned(self.checkpoint(size).expect("it is that large").to_string()).expect("a note");
        note.sign(&self.key);
        note.cosign(&self.key, 1_790_000_000);
        let mut seed = Vec::new();
        let mut put = |kind: u8, bytes: &[u8]| {
            seed.push(kind);
            seed.extend((bytes.len() as u16).to_be_bytes());
            seed.extend(bytes);
        };
        put(0, note.to_string().as_bytes());
        put(1, self.key.verifier().to_string().as_bytes());
        for old in [4, 7] {
            let proof = prove_consistency(&self.tree, old, size).expect("it grew");
            let hashes: Vec<u8> = proof.0.iter().flat_map(|hash| *hash.as_bytes()).collect();
            put(3, &hashes);
        }
        for index in 0..SIZE {
            match index % 4 {
                3 => put(5, Hash::of_entry(&entry(index)).as_bytes()),
                _ => put(4, &entry(index)),
            }
        }
        seed
    }
}

/// The honest answers, at two sizes, for the corpus.
#[allow(dead_code)] // the libFuzzer target has no use for it
pub fn honest() -> [Vec<u8>; 2] {
    let truth = Truth::new();
    [truth.honest(SIZE), truth.honest(9)]
}

/// Answers by kind, each given once.
struct Answers(Mutex<[VecDeque<Vec<u8>>; 6]>);

impl Answers {
    fn of(data: &[u8]) -> Self {
        let (mut answers, mut rest) = (<[VecDeque<Vec<u8>>; 6]>::default(), data);
        while let [kind, high, low, more @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low])).min(more.len());
            answers[usize::from(kind % 6)].push_back(more[..length].to_vec());
            rest = &more[length..];
        }
        Self(Mutex::new(answers))
    }

    fn next(&self, kind: usize) -> Option<Vec<u8>> {
        self.0.lock().expect("one thread")[kind].pop_front()
    }

    fn text(&self, kind: usize) -> String {
        String::from_utf8_lossy(&self.next(kind).unwrap_or_default()).into_owned()
    }

    fn hashes(&self) -> Proof {
        let bytes = self.next(3).unwrap_or_default();
        Proof(bytes.chunks_exact(32).map(|hash| Hash::from_bytes(hash.try_into().expect("32 bytes"))).collect())
    }
}

impl LogSource for Answers {
    async fn checkpoint(&self) -> Result<ServedCheckpoint, RegistryError> {
        let rotations = std::iter::from_fn(|| self.next(2));
        let rotations = rotations.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
        Ok(ServedCheckpoint { note: self.text(0), first_key: self.text(1), rotations })
    }

    async fn proved_entry(&self, _: u64, _: u64) -> Result<ProvedEntry, RegistryError> {
        Ok(ProvedEntry { entry: self.next(4).unwrap_or_default(), proof: self.hashes() })
    }

    async fn growth(&self, _: u64, _: u64) -> Result<Proof, RegistryError> {
        Ok(self.hashes())
    }

    async fn entries(&self, _: u64) -> Result<Vec<Vec<u8>>, RegistryError> {
        Ok(self.next(4).into_iter().collect())
    }

    /// Entry, entry, entry, hash: as the honest seeds have them.
    async fn leaves(&self, from: u64) -> Result<Vec<Leaf>, RegistryError> {
        let hash = |bytes: Vec<u8>| bytes.try_into().ok().map(|bytes| Leaf::Withheld(Hash::from_bytes(bytes)));
        Ok(match from % 4 {
            3 => self.next(5).and_then(hash).into_iter().collect(),
            _ => self.next(4).map(Leaf::Entry).into_iter().collect(),
        })
    }
}
