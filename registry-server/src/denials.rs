//! What was denied: kept for auditors, beside the log and bounded.
//!
//! The log holds what was done; whoever is denied must not be able to make it grow. So denials have two files in the data folder,
//! `denials.ndjson` and, before it, `denials.old.ndjson`: where the first is full it takes the place of the second.
//!
//! # Invariants
//! - Never more than [`FILE_BYTES_MAX`] a file, [`KEPT_MAX`] in memory, [`PER_SECOND_MAX`] new lines a second: what comes beyond is
//!   counted in one line.
//! - The same denial within a minute is one line with a count.
//! - No credentials, nothing of a request's body.

use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

const FILE_BYTES_MAX: u64 = 4 << 20;
const KEPT_MAX: usize = 10_000;
const PER_SECOND_MAX: u32 = 50;
/// How far back the same denial is looked for.
const SAME_MAX: usize = 200;
const SAME_MS: u64 = 60_000;

/// Something that was denied, or several of the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Counts up from 1.
    pub number: u64,
    /// Of the first, Unix time.
    pub time_ms: u64,
    pub principal: String,
    pub address: String,
    pub method: String,
    pub reason: String,
    /// The namespace, where one was named.
    pub about: String,
    pub count: u64,
}

/// All that is kept of what was denied.
pub struct Denials(Mutex<State>);

struct State {
    folder: Option<PathBuf>,
    file: Option<File>,
    bytes: u64,
    kept: VecDeque<Denial>,
    next: u64,
    /// The second that lines are counted in, and how many it has.
    second: (u64, u32),
    has_complained: bool,
}

impl Denials {
    /// Goes on after those that a folder holds; without one they are kept in memory alone.
    pub fn open(folder: Option<&Path>) -> Self {
        let mut kept: VecDeque<Denial> = VecDeque::new();
        for file in folder.into_iter().flat_map(|folder| [folder.join(OLD), folder.join(NEW)]) {
            // A torn last line, or none at all, is what a crash leaves.
            let text = fs::read(&file).unwrap_or_default();
            for line in text.split(|byte| *byte == b'\n') {
                let Ok(denial) = serde_json::from_slice::<Denial>(line) else { continue };
                match kept.iter_mut().rev().take(SAME_MAX).find(|known| known.number == denial.number) {
                    Some(known) => *known = denial,
                    None => kept.push_back(denial),
                }
                if kept.len() > KEPT_MAX {
                    kept.pop_front();
                }
            }
        }
        let next = kept.iter().map(|denial| denial.number).max().unwrap_or(0) + 1;
        let folder = folder.map(Path::to_owned);
        Self(Mutex::new(State { folder, file: None, bytes: 0, kept, next, second: (0, 0), has_complained: false }))
    }

    /// Keeps one. `number` and `count` are given here.
    pub fn keep(&self, denial: Denial) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &&mut Denial| {
            denial.time_ms.saturating_sub(known.time_ms) < SAME_MS
                && (&known.principal, &known.address, &known.method, &known.reason, &known.about)
                    == (&denial.principal, &denial.address, &denial.method, &denial.reason, &denial.about)
        };
        if let Some(known) = state.kept.iter_mut().rev().take(SAME_MAX).find(same) {
            known.count += 1;
            // One line more at 2, 4, 8 and so on: the count on disk is right within a factor of two, and a flood is few lines.
            let line = known.count.is_power_of_two().then(|| known.clone());
            return line.into_iter().for_each(|line| state.write(&line));
        }
        let second = denial.time_ms / 1000;
        state.second = if state.second.0 == second { (second, state.second.1 + 1) } else { (second, 1) };
        if state.second.1 > PER_SECOND_MAX {
            let reason = "MORE_THAN_ARE_KEPT";
            if let Some(known) = state.kept.iter_mut().rev().take(SAME_MAX).find(|known| known.reason == reason) {
                known.count += 1;
                return;
            }
            let nobody = String::new;
            let (principal, address, method, about) = (nobody(), nobody(), nobody(), nobody());
            let time_ms = denial.time_ms;
            let more =
                Denial { number: 0, time_ms, principal, address, method, reason: reason.into(), about, count: 1 };
            return state.add(more);
        }
        state.add(denial);
    }

    /// The newest first, with a smaller number than `before`.
    pub fn list(&self, before: u64, count: usize) -> Vec<Denial> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.kept.iter().rev().filter(|denial| denial.number < before).take(count).cloned().collect()
    }
}

const NEW: &str = "denials.ndjson";
const OLD: &str = "denials.old.ndjson";

impl State {
    fn add(&mut self, denial: Denial) {
        let denial = Denial { number: self.next, count: 1, ..denial };
        self.next += 1;
        self.write(&denial);
        self.kept.push_back(denial);
        if self.kept.len() > KEPT_MAX {
            self.kept.pop_front();
        }
    }

    fn write(&mut self, denial: &Denial) {
        let Some(folder) = self.folder.clone() else { return };
        let line = serde_json::to_string(denial).unwrap_or_default() + "\n";
        let written = (|| {
            if self.file.is_none() || self.bytes + line.len() as u64 > FILE_BYTES_MAX {
                let path = folder.join(NEW);
                self.bytes = fs::metadata(&path).map_or(0, |file| file.len());
                if self.bytes + line.len() as u64 > FILE_BYTES_MAX {
                    fs::rename(&path, folder.join(OLD))?;
                    self.bytes = 0;
                }
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                // A torn last line ends here.
                self.file.insert(file).write_all(b"\n")?;
            }
            self.bytes += line.len() as u64;
            self.file.as_mut().map_or(Ok(()), |file| file.write_all(line.as_bytes()))
        })();
        if let Err(error) = written
            && !std::mem::replace(&mut self.has_complained, true)
        {
            tracing::error!(%error, "denials cannot be written; they are kept in memory alone");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(time_ms: u64, method: &str) -> Denial {
        let text = |text: &str| text.to_owned();
        let (principal, address, reason) = (text("li.wei"), text("10.0.0.1"), text("NOT_ALLOWED"));
        Denial { number: 0, time_ms, principal, address, method: method.into(), reason, about: text("bj"), count: 0 }
    }

    #[test]
    fn a_flood_is_few_lines_and_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let denials = Denials::open(Some(folder.path()));
        (0..100_000).for_each(|_| denials.keep(denial(1_000, "a")));
        (0..100_000).for_each(|number| denials.keep(denial(2_000, &format!("b{number}"))));
        denials.keep(denial(90_000, "a"));
        let kept = denials.list(u64::MAX, 1000);
        assert_eq!((kept.len(), kept[0].count, kept.last().unwrap().count), (53, 1, 100_000));
        assert_eq!(kept[1].reason, "MORE_THAN_ARE_KEPT");
        assert_eq!(denials.list(kept[1].number, 2)[0], kept[2]);
        let bytes = fs::metadata(folder.path().join(NEW)).unwrap().len();
        assert!(bytes < 32_000, "{bytes}");
        drop(denials);
        let again = Denials::open(Some(folder.path()));
        again.keep(denial(200_000, "c"));
        let listed = again.list(u64::MAX, 1000);
        assert_eq!((listed.len(), listed[0].number, listed.last().unwrap().count), (54, 54, 65_536));
    }

    #[test]
    fn two_files_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let denials = Denials::open(Some(folder.path()));
        for second in 0..3_000_u64 {
            (0..20).for_each(|number| denials.keep(denial(second * 1000, &format!("{second}-{number}"))));
        }
        let size = |name: &str| fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size(NEW) <= FILE_BYTES_MAX && size(OLD) <= FILE_BYTES_MAX && size(OLD) > FILE_BYTES_MAX / 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert_eq!(denials.list(u64::MAX, usize::MAX).len(), KEPT_MAX);
    }
}
