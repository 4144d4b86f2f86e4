//! Ten thousand tamperings of a served log, each noticed by a client that holds one earlier checkpoint.
//!
//! The client is the one of `guiju verify` and `guiju monitor`: it follows to the log's head, proves its pins, replays the log.

use crate::{fuzz::Dice, support::rounds};
use guiju::{
    HeldLog, LogDemands, LogSource, Pin, PinFault, ProvedEntry, RegistryError, ServedCheckpoint, log_head, prove_pin,
    replay,
    tlog::{
        Checkpoint, Hash, KeyHistory, LogFault, Note, Proof, Rotation, SigningKey, Tree, prove_consistency,
        prove_inclusion, root,
    },
};
use guiju_model::{Digest, Resolution};
use guiju_proto::log::{Entry, VersionPublished, entry::Event};
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};

const TAMPERINGS: usize = 10_000;
const ORIGIN: &str = "registry.example.org/log";
/// Entries of the log, and of the checkpoint that the client holds.
const SIZE: usize = 33;
const HELD: usize = 13;
/// Where the log's key changed.
const ROTATIONS: [u64; 2] = [8, 21];
const PINS: [usize; 3] = [0, 7, 12];
const NOW_S: u64 = 1_800_000_000;
const AGE_MAX_S: u64 = 3600;
const PAGE: usize = 7;

/// All that a log hands out to this client.
#[derive(Clone)]
struct Served {
    checkpoint: ServedCheckpoint,
    growth: Proof,
    proved: BTreeMap<u64, ProvedEntry>,
    entries: Vec<Vec<u8>>,
}

impl LogSource for Served {
    async fn checkpoint(&self) -> Result<ServedCheckpoint, RegistryError> {
        Ok(self.checkpoint.clone())
    }

    async fn proved_entry(&self, index: u64, _: u64) -> Result<ProvedEntry, RegistryError> {
        Ok(self.proved[&index].clone())
    }

    async fn growth(&self, _: u64, _: u64) -> Result<Proof, RegistryError> {
        Ok(self.growth.clone())
    }

    async fn entries(&self, from: u64) -> Result<Vec<Vec<u8>>, RegistryError> {
        Ok(self.entries.iter().skip(from as usize).take(PAGE).cloned().collect())
    }
}

/// What a client asks beyond the log's own signature.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Nothing,
    RootKey,
    Witnesses,
}

/// A log with its secrets, and a client of it.
struct World {
    asks: Asks,
    keys: [SigningKey; 3],
    rotations: Vec<String>,
    witnesses: [SigningKey; 2],
    entries: Vec<Vec<u8>>,
    demands: LogDemands,
    /// The log as it is, signed just now.
    now: Option<Served>,
    held: HeldLog,
    pins: Vec<Pin>,
}

impl World {
    fn new(asks: Asks) -> Self {
        let keys = [1, 2, 3].map(|seed| key(ORIGIN, seed));
        let witnesses = [5, 6].map(|seed| key(&format!("witness-{seed}.example.org"), seed));
        let (root_key, absent) = (key("root.example.org", 4), key("witness-7.example.org", 7));
        let rotations = (0..ROTATIONS.len()).map(|at| {
            let signer = if asks == Asks::RootKey { &root_key } else { &keys[at] };
            let rotation = Rotation { size: ROTATIONS[at], old: keys[at].verifier(), key: keys[at + 1].verifier() };
            rotation.note(signer, &keys[at + 1]).expect("a note").to_string()
        });
        let rotations = rotations.collect();
        let known = witnesses.iter().chain([&absent]).map(|key| {
            let cosigner = key.verifier().of_kind(guiju::tlog::KeyKind::Cosignature);
            format!("witness {} {cosigner}\n", key.name())
        });
        let names: Vec<&str> = witnesses.iter().chain([&absent]).map(SigningKey::name).collect();
        let policy = format!("{}group some 2 {}\nquorum some\n", known.collect::<String>(), names.join(" "));
        let demands = LogDemands {
            policy: (asks == Asks::Witnesses).then(|| policy.parse().expect("a policy")),
            root_key: (asks == Asks::RootKey).then(|| root_key.verifier()),
            now_and_age_max_s: Some((NOW_S, AGE_MAX_S)),
        };
        let entries: Vec<Vec<u8>> = (0..SIZE as u64).map(|index| entry(index, 0)).collect();
        let [first, second] = [&keys[0], &keys[1]].map(SigningKey::verifier);
        let known = KeyHistory::remembered(first, vec![(ROTATIONS[0], second)]).expect("a history");
        let held = HeldLog { keys: known, checkpoint: checkpoint(&entries[..HELD]) };
        let pins = PINS.map(|index| Pin {
            resolution: Resolution {
                standard: standard(index as u64).parse().expect("a standard"),
                version: semver::Version::new(1, 0, 0),
                digest: manifest(index as u64, 0),
            },
            log_index: Some(index as u64),
            as_of: None,
        });
        let mut world = Self { asks, keys, rotations, witnesses, entries, demands, now: None, held, pins: pins.into() };
        world.now = Some(world.honest(SIZE, NOW_S));
        world
    }

    fn key_at(&self, size: usize) -> &SigningKey {
        &self.keys[ROTATIONS.iter().filter(|since| size as u64 > **since).count()]
    }

    /// The log as it is, with so many entries, as it was at a time.
    fn honest(&self, size: usize, time_s: u64) -> Served {
        let mut note = self.signed(&self.entries[..size]);
        match self.asks {
            Asks::Witnesses => self.witnesses.iter().for_each(|witness| note.cosign(witness, time_s)),
            _ => note.cosign(self.key_at(size), time_s),
        }
        self.served(note, &self.entries[..size])
    }

    /// Other entries, by somebody who has stolen the log's keys and none else.
    fn resigned(&self, entries: Vec<Vec<u8>>) -> Served {
        let mut note = self.signed(&entries);
        note.cosign(self.key_at(entries.len()), NOW_S);
        self.served(note, &entries)
    }

    fn signed(&self, entries: &[Vec<u8>]) -> Note {
        let mut note = Note::unsigned(checkpoint(entries).to_string()).expect("a text");
        note.sign(self.key_at(entries.len()));
        note
    }

    fn served(&self, note: Note, entries: &[Vec<u8>]) -> Served {
        let (tree, size) = (tree(entries), entries.len() as u64);
        let proved = PINS.iter().filter(|index| **index < entries.len()).map(|index| {
            let proof = prove_inclusion(&tree, *index as u64, size).expect("a proof");
            (*index as u64, ProvedEntry { entry: entries[*index].clone(), proof })
        });
        Served {
            checkpoint: ServedCheckpoint {
                note: note.to_string(),
                first_key: self.keys[0].verifier().to_string(),
                rotations: self.rotations.clone(),
            },
            growth: prove_consistency(&tree, HELD as u64, size).unwrap_or_default(),
            proved: proved.collect(),
            entries: entries.to_vec(),
        }
    }

    /// What the client makes of it.
    async fn visit(&self, served: &Served) -> Result<(), &'static str> {
        let head = log_head(served, Some(&self.held), &self.demands).await.map_err(kind)?.checkpoint;
        for pin in &self.pins {
            let proved = served.proved_entry(pin.log_index.expect("of the log"), head.size).await.map_err(kind)?;
            prove_pin(pin, &proved, &head).map_err(kind_of_pin)?;
        }
        replay(served, Some(&self.held.checkpoint), &head, drop).await.map(drop).map_err(kind)
    }
}

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, &[seed; 32]).expect("a key")
}

fn standard(index: u64) -> String {
    format!("bj.test/standard-{index}")
}

fn manifest(index: u64, edition: u64) -> Digest {
    Digest::of(format!("manifest {index} {edition}").as_bytes())
}

fn entry(index: u64, edition: u64) -> Vec<u8> {
    let event = VersionPublished {
        standard: standard(index),
        version: "1.0.0".into(),
        manifest: manifest(index, edition).as_bytes().to_vec().into(),
        metadata: Digest::of(b"metadata").as_bytes().to_vec().into(),
        ..Default::default()
    };
    let event = Some(Event::VersionPublished(event));
    Entry {
        operation_id: format!("{index}"),
        time_ms: 1_700_000_000_000 + index,
        principal: "open".into(),
        event,
        ..Entry::default()
    }
    .encode_to_vec()
}

fn tree(entries: &[Vec<u8>]) -> Tree {
    entries.iter().map(|entry| Hash::of_entry(entry)).collect()
}

fn checkpoint(entries: &[Vec<u8>]) -> Checkpoint {
    let size = entries.len() as u64;
    Checkpoint { origin: ORIGIN.into(), size, root: root(&tree(entries), size).expect("a root") }
}

fn kind(error: RegistryError) -> &'static str {
    match error {
        RegistryError::Malformed(_) => "malformed",
        RegistryError::Key(_) => "key",
        RegistryError::Log(fault) => match fault {
            LogFault::Note(_) => "note",
            LogFault::Forged(_) => "forged",
            LogFault::Checkpoint(_) => "checkpoint",
            LogFault::OtherLog { .. } => "other-log",
            LogFault::Unsigned { .. } => "unsigned",
            LogFault::Unwitnessed { .. } => "unwitnessed",
            LogFault::Rewound { .. } => "rewound",
            LogFault::Forked { .. } => "forked",
            LogFault::Rewritten { .. } => "rewritten",
            LogFault::Frozen { .. } => "frozen",
            LogFault::Timeless => "timeless",
            LogFault::Count { .. } => "count",
            LogFault::Altered { .. } => "altered",
            other => panic!("what is this: {other}"),
        },
        other => panic!("no fault of the log: {other}"),
    }
}

fn kind_of_pin(fault: PinFault) -> &'static str {
    match fault {
        PinFault::Tampered { .. } => "pin-tampered",
        PinFault::Unproved { .. } => "pin-unproved",
        other => panic!("not where every entry is proved first: {other}"),
    }
}

/// A way to tamper, and what the client may call it.
type Tampering = (&'static str, fn(&World, &mut Dice) -> Served, &'static [&'static str]);

/// Where a quorum of witnesses is asked for, who has only the log's keys gets no further than this.
const UNWITNESSED: &str = "unwitnessed";

const WAYS: &[Tampering] = &[
    (
        "a bit of the checkpoint",
        |world, dice| changed(world, |served| flip_text(&mut served.checkpoint.note, dice)),
        &["note", "forged", "checkpoint", "other-log", "unsigned", "timeless", UNWITNESSED],
    ),
    (
        "a bit of a key or its change",
        |world, dice| {
            changed(world, |served| match dice.below(3) {
                0 => flip_text(&mut served.checkpoint.first_key, dice),
                at => flip_text(&mut served.checkpoint.rotations[at - 1], dice),
            })
        },
        &["malformed", "key"],
    ),
    (
        "changes of key left out, or in another order",
        |world, dice| {
            changed(world, |served| match dice.below(4) {
                0 => served.checkpoint.rotations.clear(),
                1 => served.checkpoint.rotations.reverse(),
                at => drop(served.checkpoint.rotations.remove(at - 2)),
            })
        },
        &["key", "unsigned"],
    ),
    (
        "a bit of an entry",
        |world, dice| {
            changed(world, |served| {
                let at = dice.below(SIZE);
                flip(&mut served.entries[at], dice);
            })
        },
        &["altered", "rewritten", "malformed"],
    ),
    (
        "a pin's entry or proof",
        |world, dice| {
            changed(world, |served| {
                let pin = *dice.pick(&PINS) as u64;
                let ProvedEntry { entry, proof } = served.proved.get_mut(&pin).expect("it is proved");
                match dice.below(3) {
                    0 => flip(entry, dice),
                    1 => *entry = world.entries[(pin as usize + 1 + dice.below(SIZE - 1)) % SIZE].clone(),
                    _ => spoil(proof, dice),
                }
            })
        },
        &["pin-unproved"],
    ),
    ("the proof of growth", |world, dice| changed(world, |served| spoil(&mut served.growth, dice)), &["rewritten"]),
    (
        "entries dropped, swapped, replayed or other, under the checkpoint as it was signed",
        |world, dice| {
            changed(world, |served| {
                let at = dice.below(SIZE);
                reorder(&mut served.entries, at, dice);
            })
        },
        &["altered", "rewritten", "count"],
    ),
    (
        "entries dropped, swapped, replayed or other, and signed with the log's key",
        |world, dice| {
            let mut entries = world.entries.clone();
            let at = dice.below(HELD);
            reorder(&mut entries, at, dice);
            world.resigned(entries)
        },
        &["rewritten", UNWITNESSED],
    ),
    (
        "a checkpoint from before the one that is held",
        |world, dice| world.honest(dice.below(HELD), NOW_S - dice.below(2 * AGE_MAX_S as usize) as u64),
        &["rewound"],
    ),
    (
        "a checkpoint from after the one that is held, and old",
        |world, dice| {
            let age_s = AGE_MAX_S as usize + 1 + dice.below(1_000_000);
            world.honest(HELD + dice.below(SIZE - HELD + 1), NOW_S - age_s as u64)
        },
        &["frozen"],
    ),
    (
        "the end cut off, and signed with the log's key",
        |world, dice| world.resigned(world.entries[..dice.below(HELD)].to_vec()),
        &["rewound", UNWITNESSED],
    ),
    ("a fork of the same size", |world, dice| world.resigned(forked(HELD, dice)), &["forked", UNWITNESSED]),
    (
        "a fork that has grown",
        |world, dice| world.resigned(forked(HELD + 1 + dice.below(SIZE), dice)),
        &["rewritten", UNWITNESSED],
    ),
    ("somebody else's key", someone_else, &["other-log", "key", "unsigned"]),
];

fn changed(world: &World, change: impl FnOnce(&mut Served)) -> Served {
    let mut served = world.now.clone().expect("it was made");
    change(&mut served);
    served
}

fn flip(bytes: &mut [u8], dice: &mut Dice) {
    let at = dice.below(bytes.len());
    bytes[at] ^= 1 << dice.below(8);
}

fn flip_text(text: &mut String, dice: &mut Dice) {
    let mut bytes = text.clone().into_bytes();
    flip(&mut bytes, dice);
    *text = String::from_utf8_lossy(&bytes).into_owned();
}

/// One hash of a proof changed, left out, doubled, or out of its place.
fn spoil(proof: &mut Proof, dice: &mut Dice) {
    let at = dice.below(proof.0.len());
    match dice.below(4) {
        0 => {
            let mut bytes = *proof.0[at].as_bytes();
            flip(&mut bytes, dice);
            proof.0[at] = Hash::from_bytes(bytes);
        }
        1 => drop(proof.0.remove(at)),
        2 => proof.0.insert(at, proof.0[at]),
        _ => proof.0.rotate_left(1),
    }
}

fn reorder(entries: &mut Vec<Vec<u8>>, at: usize, dice: &mut Dice) {
    match dice.below(4) {
        0 => drop(entries.remove(at)),
        1 => entries.swap(at, (at + 1 + dice.below(SIZE - 1)) % SIZE),
        2 => entries.insert(at, dice.pick(entries).clone()),
        _ => entries[at] = entry(at as u64, 1),
    }
}

/// A history of that size that parts from the true one before the held checkpoint.
fn forked(size: usize, dice: &mut Dice) -> Vec<Vec<u8>> {
    let from = dice.below(HELD);
    (0..size).map(|index| entry(index as u64, u64::from(index >= from))).collect()
}

/// A log of that name by somebody who has none of its keys, under the first key's name or its own, with or without a change of
/// key that it made up.
fn someone_else(world: &World, dice: &mut Dice) -> Served {
    let mine = key(ORIGIN, 100 + dice.below(100) as u8);
    let mut note = Note::unsigned(checkpoint(&world.entries).to_string()).expect("a text");
    note.sign(&mine);
    note.cosign(&mine, NOW_S);
    let mut served = world.served(note, &world.entries);
    match dice.below(3) {
        0 => served.checkpoint.first_key = mine.verifier().to_string(),
        1 => {
            let rotation = Rotation { size: ROTATIONS[1], old: world.keys[2].verifier(), key: mine.verifier() };
            let note = rotation.note(&mine, &mine).expect("a note");
            served.checkpoint.rotations.push(note.to_string());
        }
        _ => {}
    }
    served
}

#[test]
fn ten_thousand_tamperings_are_noticed() {
    let times = rounds(1) as usize;
    let each = [(Asks::Nothing, 3400), (Asks::RootKey, 3300), (Asks::Witnesses, 3300)];
    let each = each.map(|(asks, count)| (asks, count * times));
    assert_eq!(each.iter().map(|(_, count)| count).sum::<usize>(), TAMPERINGS * times);
    let told = thread::scope(|scope| {
        let threads = each.map(|(asks, count)| scope.spawn(move || told_by(asks, count)));
        threads.map(|thread| thread.join().expect("every one is noticed")).concat()
    });
    assert_eq!(told.len(), TAMPERINGS * times);
    let told: BTreeSet<(&str, &str)> = told.into_iter().collect();
    let expected = WAYS.iter().flat_map(|(name, _, kinds)| kinds.iter().map(|kind| (*name, *kind)));
    assert_eq!(told, expected.collect(), "each way is tried, and called each thing that it may be");
}

/// Each tampering with what the client calls it.
fn told_by(asks: Asks, count: usize) -> Vec<(&'static str, &'static str)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let world = World::new(asks);
    for size in HELD..=SIZE {
        assert_eq!(runtime.block_on(world.visit(&world.honest(size, NOW_S))), Ok(()), "the log as it is");
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 + count as u64);
    let tampered = (0..count).map(|number| {
        let (name, tamper, kinds) = dice.pick(WAYS);
        let Err(kind) = runtime.block_on(world.visit(&tamper(&world, &mut dice))) else {
            panic!("not noticed: {name}, number {number}");
        };
        assert!(kinds.contains(&kind), "{name}, number {number}, is called {kind}");
        (*name, kind)
    });
    tampered.collect()
}
