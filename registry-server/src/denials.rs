//! What was denied: kept for auditors, beside the log and bounded.
//!
//! The log holds what was done; whoever is denied must not be able to make it grow. So denials have a file in the data folder,
//! `denials.ndjson`: where it is full, it is written anew with what is kept.
//!
//! # Invariants
//! - Never more than [`FILE_BYTES_MAX`] in the file, [`KEPT_MAX`] lines and [`KEPT_BYTES_MAX`] in memory.
//! - Nobody's flood takes away the denials of another: what has no room is first of the principal with the most lines, of its
//!   addresses that with the most, the oldest.
//! - The same denial within a minute is one line with a count. Of more than [`PER_SECOND_MAX`] new lines a second, of one principal at
//!   one address, the rest is one line with a count, which names them.
//! - No credentials, nothing of a request's body.

use crate::{disk, limits};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

const FILE_BYTES_MAX: u64 = 4 << 20;
const KEPT_MAX: usize = 10_000;
const KEPT_BYTES_MAX: usize = 2 << 20;
const PER_SECOND_MAX: u32 = 50;
/// New lines a second of all together; what comes beyond is counted by principal.
const ALL_PER_SECOND_MAX: u32 = 1000;
/// How far back the same denial is looked for, among those of its principal and address.
const SAME_MAX: usize = 200;
const SAME_MS: u64 = 60_000;
/// Why what is not kept one by one was denied.
const MORE: &str = "MORE_THAN_ARE_KEPT";

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
    /// What the caller is not told, or not so exactly: which check its credentials failed; empty where the reason says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    pub count: u64,
}

/// All that is kept of what was denied.
pub struct Denials(Mutex<State>);

struct State {
    folder: Option<PathBuf>,
    file: Option<File>,
    bytes: u64,
    /// By their numbers.
    kept: BTreeMap<u64, Denial>,
    kept_bytes: usize,
    /// Numbers, of each principal and each of its addresses.
    of: HashMap<String, HashMap<String, Lines>>,
    next: u64,
    second: Second,
    has_complained: bool,
}

/// The lines of one principal at one address, the oldest first.
#[derive(Default)]
struct Lines {
    numbers: VecDeque<u64>,
    second: Second,
}

/// The second that lines are counted in, and how many it has.
#[derive(Clone, Copy, Default)]
struct Second(u64, u32);

impl Second {
    /// Counts one more; whether there are no more than that.
    fn takes(&mut self, time_ms: u64, max: u32) -> bool {
        let second = time_ms / 1000;
        *self = if self.0 == second { Self(second, self.1.saturating_add(1)) } else { Self(second, 1) };
        self.1 <= max
    }
}

impl Denials {
    /// Goes on after those that a folder holds; without one they are kept in memory alone.
    pub fn open(folder: Option<&Path>) -> Self {
        let mut state = State {
            folder: folder.map(Path::to_owned),
            file: None,
            bytes: 0,
            kept: BTreeMap::new(),
            kept_bytes: 0,
            of: HashMap::new(),
            next: 1,
            second: Second::default(),
            has_complained: false,
        };
        for file in folder.into_iter().flat_map(|folder| [folder.join(OLD), folder.join(NEW)]) {
            // A torn last line, or none at all, is what a crash leaves.
            let text = fs::read(&file).unwrap_or_default();
            for line in text.split(|byte| *byte == b'\n') {
                let Ok(denial) = serde_json::from_slice::<Denial>(line) else { continue };
                state.next = state.next.max(denial.number + 1);
                match state.kept.get_mut(&denial.number) {
                    Some(known) => *known = denial,
                    None => state.hold(denial),
                }
            }
        }
        Self(Mutex::new(state))
    }

    /// Keeps one. `number` and `count` are given here.
    pub fn keep(&self, denial: Denial) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.counts_again(&denial) {
            return;
        }
        let lines = state.of.get_mut(&denial.principal).and_then(|all| all.get_mut(&place(&denial.address)));
        let is_kept = lines.is_none_or(|lines| lines.second.takes(denial.time_ms, PER_SECOND_MAX));
        if is_kept && state.second.takes(denial.time_ms, ALL_PER_SECOND_MAX) {
            return state.add(denial);
        }
        let address = if is_kept { String::new() } else { denial.address };
        let (method, about, why) = Default::default();
        let more = Denial { address, method, about, why, reason: MORE.into(), ..denial };
        if !state.counts_again(&more) {
            state.add(more);
        }
    }

    /// The newest first, with a smaller number than `before`.
    pub fn list(&self, before: u64, count: usize) -> Vec<Denial> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.kept.range(..before).rev().take(count).map(|(_, denial)| denial.clone()).collect()
    }
}

const NEW: &str = "denials.ndjson";
/// Of programs before this one; and a draft of the file that is to take the place of the other.
const OLD: &str = "denials.old.ndjson";
const DRAFT: &str = "denials.draft";

/// What a reason says but for times and for what somebody wrote who proved nothing: however these vary, it is the same denial.
fn gist(why: &str) -> impl Iterator<Item = char> {
    why.split('`').step_by(2).flat_map(|said| said.chars().filter(|c| !c.is_ascii_digit()))
}

impl State {
    /// Counts a denial that is there, where it is.
    fn counts_again(&mut self, denial: &Denial) -> bool {
        let Some(lines) = self.of.get(&denial.principal).and_then(|all| all.get(&place(&denial.address))) else {
            return false;
        };
        let same = |known: &&Denial| {
            denial.time_ms.saturating_sub(known.time_ms) < SAME_MS
                && known.address == denial.address
                && (&known.method, &known.reason) == (&denial.method, &denial.reason)
                && known.about == denial.about
                && gist(&known.why).eq(gist(&denial.why))
        };
        let recent = lines.numbers.iter().rev().take(SAME_MAX);
        let found = recent.filter_map(|number| self.kept.get(number)).find(same).map(|known| known.number);
        let Some(known) = found.and_then(|number| self.kept.get_mut(&number)) else { return false };
        known.count += 1;
        // One line more at 2, 4, 8 and so on: the count on disk is right within a factor of two, and a flood is few lines.
        let line = known.count.is_power_of_two().then(|| known.clone());
        line.into_iter().for_each(|line| self.write(&line));
        true
    }

    fn add(&mut self, denial: Denial) {
        let denial = Denial { number: self.next, count: 1, ..denial };
        self.next += 1;
        self.hold(denial.clone());
        self.write(&denial);
    }

    fn hold(&mut self, denial: Denial) {
        self.kept_bytes += bytes_of(&denial);
        let of_it = self.of.entry(denial.principal.clone()).or_default();
        let lines = of_it.entry(place(&denial.address)).or_default();
        if lines.numbers.is_empty() {
            lines.second.takes(denial.time_ms, PER_SECOND_MAX);
        }
        lines.numbers.push_back(denial.number);
        self.kept.insert(denial.number, denial);
        while self.kept.len() > KEPT_MAX || self.kept_bytes > KEPT_BYTES_MAX {
            self.let_go();
        }
    }

    /// Lets go of the oldest line of the address with the most, of the principal with the most.
    fn let_go(&mut self) {
        let count = |all: &HashMap<String, Lines>| all.values().map(|lines| lines.numbers.len()).sum::<usize>();
        let oldest = |lines: &Lines| std::cmp::Reverse(lines.numbers.front().copied().unwrap_or(u64::MAX));
        let most = self.of.iter_mut().max_by_key(|(_, all)| count(all));
        let Some((principal, all)) = most.map(|(principal, all)| (principal.clone(), all)) else { return };
        let lines = all.values_mut().max_by_key(|lines| (lines.numbers.len(), oldest(lines)));
        let gone = lines.and_then(|lines| lines.numbers.pop_front()).and_then(|number| self.kept.remove(&number));
        self.kept_bytes -= gone.as_ref().map_or(0, bytes_of).min(self.kept_bytes);
        all.retain(|_, lines| !lines.numbers.is_empty());
        if all.is_empty() {
            self.of.remove(&principal);
        }
    }

    fn write(&mut self, denial: &Denial) {
        let Some(folder) = self.folder.clone() else { return };
        let line = line_of(denial);
        let written = (|| {
            if self.file.is_none() {
                let path = folder.join(NEW);
                self.bytes = fs::metadata(&path).map_or(0, |file| file.len());
                let file = OpenOptions::new().create(true).append(true).mode(disk::PRIVATE_FILE).open(path)?;
                // A torn last line ends here.
                self.file.insert(file).write_all(b"\n")?;
                self.bytes += 1;
            }
            if self.bytes + line.len() as u64 > FILE_BYTES_MAX {
                return self.write_anew(&folder);
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

    /// Puts a file with what is kept in the place of the full one.
    fn write_anew(&mut self, folder: &Path) -> std::io::Result<()> {
        let text: String = self.kept.values().map(line_of).collect();
        let (draft, known) = (folder.join(DRAFT), fs::metadata(folder.join(NEW)));
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).mode(disk::PRIVATE_FILE).open(&draft)?;
        file.write_all(text.as_bytes())?;
        // Whoever could read the full one can read this one.
        if let Ok(known) = known {
            fs::set_permissions(&draft, known.permissions())?;
        }
        fs::rename(folder.join(DRAFT), folder.join(NEW))?;
        let _ = fs::remove_file(folder.join(OLD));
        (self.bytes, self.file) = (text.len() as u64, None);
        self.file = Some(OpenOptions::new().append(true).open(folder.join(NEW))?);
        Ok(())
    }
}

/// How an address is told from others: whoever has one of IPv6 has many.
fn place(address: &str) -> String {
    let counted = address.parse().ok().and_then(limits::counted);
    counted.map_or_else(|| address.to_owned(), |address| address.to_string())
}

fn line_of(denial: &Denial) -> String {
    serde_json::to_string(denial).unwrap_or_default() + "\n"
}

/// Of its line, or somewhat more.
fn bytes_of(denial: &Denial) -> usize {
    let Denial { principal, address, method, reason, about, why, .. } = denial;
    160 + principal.len() + address.len() + method.len() + reason.len() + about.len() + why.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(time_ms: u64, method: &str) -> Denial {
        let text = |text: &str| text.to_owned();
        let (principal, address, reason) = (text("li.wei"), text("10.0.0.1"), text("NOT_ALLOWED"));
        let (about, why) = (text("bj"), String::new());
        Denial { number: 0, time_ms, principal, address, method: method.into(), reason, about, why, count: 0 }
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

    /// Whoever floods takes away lines of its own: by other methods, from other addresses, for days.
    #[test]
    fn nobody_washes_out_what_was_denied_to_another() {
        let folder = tempfile::tempdir().unwrap();
        let denials = Denials::open(Some(folder.path()));
        let of = |who: &str, from: &str, time_ms: u64, method: String| Denial {
            principal: who.into(),
            address: from.into(),
            ..denial(time_ms, &method)
        };
        denials.keep(of("wang", "10.0.0.9", 1_000, "Approve".into()));
        denials.keep(of("anyone", "10.0.0.8", 1_000, "Publish".into()));
        for number in 0..20_000_u64 {
            let from = format!("192.0.2.{}", number % 3);
            denials.keep(of("anyone", &from, 1_000 + number * 7, format!("m{number}")));
            denials.keep(of("mallory", "10.0.0.7", 1_000 + number * 7, format!("m{number}")));
        }
        let has = |denials: &Denials, who: &str, method: &str| {
            denials.list(u64::MAX, usize::MAX).iter().any(|denial| denial.principal == who && denial.method == method)
        };
        // In the second of a flood, too.
        let now = 1_000 + 20_000 * 7;
        (0..5_000).for_each(|number| denials.keep(of("mallory", "10.0.0.7", now, format!("n{number}"))));
        denials.keep(of("li", "10.0.0.6", now, "Reject".into()));
        let again = Denials::open(Some(folder.path()));
        for denials in [&denials, &again] {
            assert!(
                has(denials, "wang", "Approve") && has(denials, "anyone", "Publish") && has(denials, "li", "Reject")
            );
            assert!(denials.list(u64::MAX, usize::MAX).len() <= KEPT_MAX);
        }
        let all = denials.list(u64::MAX, usize::MAX);
        let more = all.iter().find(|denial| denial.reason == MORE && denial.principal == "mallory").unwrap();
        assert!(more.count > 4_000 && more.address == "10.0.0.7", "{more:?}");
    }

    #[test]
    fn one_file_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let denials = Denials::open(Some(folder.path()));
        for second in 0..3_000_u64 {
            (0..20).for_each(|number| denials.keep(denial(second * 1000, &format!("{second}-{number}"))));
        }
        let size = fs::metadata(folder.path().join(NEW)).unwrap().len();
        assert!(size <= FILE_BYTES_MAX && size > 1 << 20, "{size}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let kept = denials.list(u64::MAX, usize::MAX);
        assert!(kept.len() <= KEPT_MAX && kept.len() > KEPT_MAX / 2, "{}", kept.len());
        assert_eq!(Denials::open(Some(folder.path())).list(u64::MAX, 100), kept[..100]);
    }
}
