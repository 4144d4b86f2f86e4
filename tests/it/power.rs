//! Power lost at every step of what the store does on a disk, and every step failing: nothing that was acknowledged is lost, and
//! every start succeeds.

use crate::{
    simulated::{Fault, Simulated, Step},
    support::rounds,
};
use guiju_model::Digest;
use guiju_server::{
    disk::Disk,
    log::{Append, Head, Journal, Log, LogError},
    sequencer::{LogKeys, Sequencer, SequencerError},
};
use guiju_tlog::{Checkpoint, Note};
use std::{io::ErrorKind, path::Path, sync::Arc};

/// So small that a few batches need several segments.
const SEGMENT_BYTES: u64 = 3_000;
const BATCHES: usize = 5;

/// What the outside world was told.
#[derive(Clone, Default)]
struct Told {
    acknowledged: Vec<(String, u64)>,
    signed: Vec<(String, Checkpoint)>,
}

struct Store {
    journal: Arc<Journal>,
    sequencer: Sequencer,
}

fn folder() -> &'static Path {
    Path::new("/srv/data")
}

/// As the server opens it, in the same order.
fn open(disk: &Simulated) -> Result<Store, String> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let (journal, _) = Journal::open_on(disk.clone(), &folder().join("journal"), SEGMENT_BYTES).map_err(text)?;
    let keys = LogKeys::open(&*disk, &folder().join("log-key"), Some("example.org/log")).map_err(text)?;
    let journal = Arc::new(journal);
    let sequencer = Sequencer::open(journal.clone(), keys, Some((disk, folder().join("checkpoint"))), || 1);
    Ok(Store { journal, sequencer: sequencer.map_err(text)? })
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn operations(batch: usize) -> Vec<String> {
    (0..=batch % 3).map(|number| format!("operation-{batch}-{number}")).collect()
}

/// Of several sectors, so that a part of it can be missing in the middle.
fn append(operation: &str) -> Append {
    let blob: Vec<u8> = operation.bytes().cycle().take(700).collect();
    let entry = format!("entry of {operation}").into_bytes();
    Append { operation_id: operation.into(), entry, blobs: vec![blob, operation.as_bytes().to_vec()] }
}

/// Publishes all batches, each again where it is known already. Ends with the first that fails, unless told to go on.
fn publish(store: &Store, told: &mut Told, goes_on: bool) -> Vec<LogError> {
    let mut errors = Vec::new();
    for batch in 0..BATCHES {
        let operations = operations(batch);
        let appends: Vec<Append> = operations.iter().map(|operation| append(operation)).collect();
        match store.journal.append(&appends, store.journal.head().size) {
            Ok(indices) => told.acknowledged.extend(operations.into_iter().zip(indices)),
            Err(error) => errors.push(error),
        }
        if let Ok(note) = store.sequencer.own_checkpoint() {
            told.signed.push((store.sequencer.keys().first.to_string(), checkpoint(&note)));
        }
        if !errors.is_empty() && !goes_on {
            break;
        }
    }
    errors
}

fn checkpoint(note: &Note) -> Checkpoint {
    note.text().parse().expect("a checkpoint")
}

/// Holds a store that was opened again against what was told.
fn holds(store: &Store, told: &Told, when: &str) {
    let journal = &store.journal;
    for (operation, index) in &told.acknowledged {
        let wanted = append(operation);
        assert_eq!(journal.operation(operation), Some(*index), "{when}: {operation}");
        assert_eq!(journal.entries(*index, 1).unwrap(), [wanted.entry], "{when}: {operation}");
        for blob in wanted.blobs {
            assert!(journal.blob(&Digest::of(&blob)).unwrap() == Some(blob), "{when}: a blob of {operation}");
        }
    }
    let entries = journal.entries(0, usize::MAX).unwrap();
    assert_eq!(entries.iter().fold(Head::empty(), |head, entry| head.then(entry)), journal.head(), "{when}");
    journal.verify().unwrap_or_else(|error| panic!("{when}: {error}"));
    for (key, signed) in &told.signed {
        assert_eq!(
            store.sequencer.keys().first.to_string(),
            *key,
            "{when}: the log has another key than it signed with"
        );
        assert!(signed.size <= journal.head().size, "{when}: it signed {} entries", signed.size);
    }
}

/// Opens what is left, holds it against what was told, publishes all again, and looks once more.
fn mends(disk: &Simulated, told: &Told, when: &str) {
    let store = open(disk).unwrap_or_else(|error| panic!("{when}: it does not start: {error}"));
    holds(&store, told, when);
    let mut told = told.clone();
    let errors = publish(&store, &mut told, false);
    assert!(errors.is_empty(), "{when}: {errors:?}");
    drop(store);
    let store = open(&disk.restarted()).unwrap_or_else(|error| panic!("{when}: the second start: {error}"));
    let expected: usize = (0..BATCHES).map(|batch| operations(batch).len()).sum();
    assert_eq!(store.journal.head().size, expected as u64, "{when}: each operation is one entry");
    holds(&store, &told, when);
}

/// The steps of a run in which nothing goes wrong.
fn steps() -> Vec<Step> {
    let disk = prepared(0, None);
    publish(&open(&disk).expect("it opens"), &mut Told::default(), false);
    disk.steps()
}

/// A disk with the folder that an operator made.
fn prepared(seed: u64, fault: Option<(u64, Fault)>) -> Simulated {
    let disk = Simulated::new(seed, None);
    disk.make_folder(Path::new("/srv"), 0o755).unwrap();
    disk.sync_folder(Path::new("/")).unwrap();
    disk.after_power_loss(seed, fault)
}

fn run(seed: u64, fault: (u64, Fault)) -> (Simulated, Told) {
    let (disk, mut told) = (prepared(seed, Some(fault)), Told::default());
    if let Ok(store) = open(&disk) {
        publish(&store, &mut told, false);
    }
    (disk, told)
}

/// With power lost once more at every step of the start after it.
#[test]
fn power_lost_at_any_step_loses_nothing_that_was_acknowledged() {
    let count = steps().len() as u64;
    assert!(count > 40, "{count} steps are too few to say anything");
    for seed in 0..rounds(3) {
        for step in 0..=count {
            let (disk, told) = run(seed, (step, Fault::PowerLoss));
            let left = disk.after_power_loss(seed, None);
            mends(&left, &told, &format!("seed {seed}, step {step}"));
            for again in 0.. {
                let left = disk.after_power_loss(seed, Some((again, Fault::PowerLoss)));
                let is_through = open(&left).is_ok_and(|store| {
                    holds(&store, &told, &format!("seed {seed}, step {step}, {again} of the start"));
                    true
                });
                if is_through {
                    break;
                }
                let left = left.after_power_loss(seed + again, None);
                mends(&left, &told, &format!("seed {seed}, step {step}, again at {again} of the start"));
            }
        }
    }
}

/// Each step fails, once or from then on; the program goes on as it can, then power is lost.
#[test]
fn a_step_that_fails_loses_nothing_and_a_failed_sync_is_final() {
    for seed in 0..rounds(2) {
        for (step, kind) in steps().into_iter().enumerate() {
            for error in [ErrorKind::StorageFull, ErrorKind::Other] {
                for fault in [Fault::Once(error), Fault::FromNowOn(error)] {
                    fails(seed, step as u64, kind, fault);
                }
            }
        }
    }
}

fn fails(seed: u64, step: u64, kind: Step, fault: Fault) {
    let when = format!("seed {seed}, step {step}, a {kind:?}, {fault:?}");
    let disk = prepared(seed, Some((step, fault)));
    let mut told = Told::default();
    if let Ok(store) = open(&disk) {
        let errors = publish(&store, &mut told, true);
        let is_final = matches!(errors.last(), Some(LogError::ReadOnly { .. }));
        if is_final && kind == Step::Sync {
            let refused = store.journal.append(&[append("after")], store.journal.head().size);
            assert!(matches!(refused, Err(LogError::ReadOnly { .. })), "{when}: {refused:?}");
            assert!(store.journal.health().trouble.is_some(), "{when}: whoever asks is told");
        }
        if kind == Step::Sync && !errors.is_empty() {
            assert!(is_final, "{when}: a sync that failed was tried again: {errors:?}");
        }
        if fault == Fault::Once(ErrorKind::StorageFull) && kind == Step::Write && errors.len() > 1 {
            panic!("{when}: one full write stopped more than itself: {errors:?}");
        }
        holds(&store, &told, &format!("{when}, while it runs"));
    }
    mends(&disk.after_power_loss(seed, None), &told, &when);
}

/// A change of the log's key, with power lost at every step: afterwards the log has the old key or the new, and goes on.
#[test]
fn a_change_of_key_survives_a_power_loss_at_any_step() {
    let keys = Path::new("/srv/data/log-key");
    for seed in 0..rounds(10) {
        for step in 0.. {
            let disk = prepared(seed, None);
            let mut told = Told::default();
            publish(&open(&disk).unwrap(), &mut told, false);
            let disk = disk.after_power_loss(seed, Some((step, Fault::PowerLoss)));
            let before = LogKeys::read(&disk, keys).unwrap();
            let is_through = LogKeys::rotate(&disk, keys, 9).is_ok();
            let left = disk.after_power_loss(seed, None);
            let after = LogKeys::read(&left, keys).unwrap_or_else(|error| panic!("seed {seed}, step {step}: {error}"));
            assert_eq!(before.first, after.first);
            assert!(after.rotations.len() <= 1 && (!is_through || after.rotations.len() == 1), "step {step}");
            mends(&left, &told, &format!("seed {seed}, step {step} of a change of key"));
            if is_through {
                break;
            }
        }
    }
}

/// Where the journal has lost what was signed, the server does not sign on.
#[test]
fn a_journal_that_lost_what_was_signed_is_refused() {
    let disk = prepared(7, None);
    let mut told = Told::default();
    publish(&open(&disk).unwrap(), &mut told, false);
    let path = folder().join("journal").join(format!("{:020}.seg", 0));
    let rest = disk.paths(&folder().join("journal")).unwrap();
    rest.iter().filter(|other| **other != path).for_each(|other| disk.remove(other).unwrap());
    let disk: Arc<dyn Disk> = Arc::new(disk.restarted());
    let (journal, _) = Journal::open_on(disk.clone(), &folder().join("journal"), SEGMENT_BYTES).unwrap();
    let keys = LogKeys::read(&*disk, &folder().join("log-key")).unwrap();
    match Sequencer::open(Arc::new(journal), keys, Some((disk, folder().join("checkpoint"))), || 1) {
        Err(SequencerError::Diverged { size, .. }) => assert_eq!(size, 9),
        other => panic!("{:?}", other.err()),
    }
}
