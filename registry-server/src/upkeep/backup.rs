//! A copy of a log to keep: a journal of its own, whichever engine the log is on, with its sums beside it.

use super::{Lines, Sums, arrive, must_be_empty, read, sums, whole};
use crate::{
    Fault,
    log::Journal,
    settings::{Engine, Settings},
    store,
    transfer::{carry, of_memory},
    upkeep::damage,
};
use std::path::Path;

const SUMS: &str = "backup.toml";
const COMMENT: &str = "# A backup of a Guiju log: the segments beside this file hold so many entries, with this hash chain and tree.\n\
                       # `guiju-server restore` makes a log of it, on any engine.\n";

/// Copies what is committed now; servers go on meanwhile.
pub fn backup(settings: &Settings, to: &Path) -> Result<Lines, Fault> {
    match settings.engine {
        Engine::Memory => return Err(of_memory()),
        Engine::Etcd => {
            let log = store::open_cluster(settings)?;
            must_be_empty(to)?;
            carry(&log, || Ok(Box::new(Journal::open(to)?.0)))?;
        }
        Engine::Journal => {
            let (journal, _) = read(&settings.data)?;
            must_be_empty(to)?;
            journal.copy_to(to)?;
        }
    }
    let (head, root) = whole(&Journal::read(to).map_err(damage)?.0)?;
    Sums::of(head, root).write(&to.join(SUMS), COMMENT)?;
    let what = format!("backed up: {} entries in {}", head.size, to.display());
    Ok([vec![what], sums(head, root)].concat())
}

/// Makes a log of a backup, once the backup has been read as `verify` does.
pub fn restore(settings: &Settings, from: &Path) -> Result<Lines, Fault> {
    let expected = Sums::read(&from.join(SUMS), "backup")?;
    let (journal, _) = Journal::read(from).map_err(damage)?;
    let (head, root) = whole(&journal)?;
    expected.hold(from, head, root)?;
    let (carried, place) = arrive(settings, &journal)?;
    let what = format!("restored: {} entries in {place}", carried.head.size);
    Ok([vec![what], sums(carried.head, carried.root), vec!["the view is made when the server starts".into()]].concat())
}
