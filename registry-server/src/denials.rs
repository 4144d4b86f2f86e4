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
//! - A line that is not what was written is never shown. What a crash leaves of the last one is passed over; of all else the next start
//!   makes a denial that says how many lines are lost, and keeps the file beside the new one.

use crate::{disk, limits};
use guiju_model::Digest;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
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
/// In the place of lines that are not what was written.
const LOST: &str = "LINES_LOST";

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
        let Some(folder) = folder else { return Self(Mutex::new(state)) };
        let (old, new) = (read(&folder.join(OLD)), read(&folder.join(NEW)));
        for denial in old.denials.into_iter().chain(new.denials) {
            state.next = state.next.max(denial.number + 1);
            match state.kept.get_mut(&denial.number) {
                Some(known) => *known = denial,
                None => state.hold(denial),
            }
        }
        if let Some(what) = new.lost.first() {
            tracing::error!(kept_in = %folder.join(DAMAGED).display(), "denials are lost: {what}");
            state.note(new.lost.len() as u64, what);
            state.mend(folder);
        } else if new.is_torn {
            // Else it would look like damage once more lines follow it.
            let written = state.write_anew(folder);
            state.complain(written);
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
/// The last file in which lines were not what was written.
const DAMAGED: &str = "denials.damaged.ndjson";

/// What a file holds.
#[derive(Default)]
struct Read {
    denials: Vec<Denial>,
    /// Of each line that is not what was written, which it is.
    lost: Vec<String>,
    /// A crash left a part of the last line.
    is_torn: bool,
}

fn read(path: &Path) -> Read {
    let (mut found, mut has_sums) = (Read::default(), false);
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return found,
        Err(error) => {
            found.lost.push(format!("`{}`: {error}", path.display()));
            return found;
        }
        Ok(bytes) => bytes,
    };
    let (mut at, mut lines) = (0, bytes.split(|byte| *byte == b'\n').peekable());
    while let Some(line) = lines.next() {
        let begin = at;
        at += line.len() + 1;
        match denial_of(line) {
            _ if line.is_empty() => {}
            Some((denial, has_sum)) if has_sum || !has_sums => {
                found.denials.push(denial);
                has_sums |= has_sum;
            }
            _ if lines.peek().is_none() && is_beginning(line) => found.is_torn = true,
            _ => found.lost.push(format!("`{}`: the line at byte {begin} is not what was written", path.display())),
        }
    }
    found
}

/// What is not as it was written in the file that a data folder holds, if anything is.
pub fn verify(data: &Path) -> Option<String> {
    let lost = read(&data.join(NEW)).lost;
    let more = match lost.len() {
        0 | 1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    lost.first().map(|what| format!("{what}{more}; the next start goes on without, and keeps the file as `{DAMAGED}`"))
}

/// What a line says, and whether it says its sum, as programs before this one did not; none where it is not what was written.
fn denial_of(line: &[u8]) -> Option<(Denial, bool)> {
    let text = std::str::from_utf8(line).ok()?;
    let Some((said, sum)) = text.rsplit_once(SUM) else {
        let denial: Denial = serde_json::from_str(text).ok()?;
        return (serde_json::to_string(&denial).ok()? == text).then_some((denial, false));
    };
    let is_whole = sum.strip_suffix("\"}") == Some(&*sum_of(said));
    let denial = serde_json::from_str(&format!("{said}}}")).ok()?;
    is_whole.then_some((denial, true))
}

/// Whether a crash may have left no more of a line than this.
fn is_beginning(line: &[u8]) -> bool {
    line.starts_with(b"{")
        && !line.contains(&0)
        && std::str::from_utf8(line)
            .is_ok_and(|text| text.rsplit_once(SUM).is_none_or(|(_, sum)| sum.len() < SUM_DIGITS + 2))
}

/// Before the digits of a line's sum, at its end.
const SUM: &str = ",\"sum\":\"";
const SUM_DIGITS: usize = 16;

fn sum_of(said: &str) -> String {
    Digest::of(said.as_bytes()).hex().chars().take(SUM_DIGITS).collect()
}

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

    /// Says among the denials that lines are lost.
    fn note(&mut self, lines: u64, what: &str) {
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let [nobody, about] = ["-", ""].map(str::to_owned);
        let (address, method, reason) = (nobody.clone(), NEW.to_owned(), LOST.to_owned());
        let (number, why) = (self.next, format!("{what}; `{DAMAGED}` has what was there"));
        self.next += 1;
        self.hold(Denial { number, time_ms, principal: nobody, address, method, reason, about, why, count: lines });
    }

    /// Puts a file with what is kept in the place of one that is not whole.
    fn mend(&mut self, folder: &Path) {
        let (new, damaged) = (folder.join(NEW), folder.join(DAMAGED));
        let _ = fs::remove_file(&damaged);
        let written = fs::hard_link(&new, &damaged).and_then(|()| self.write_anew(folder));
        self.complain(written);
    }

    fn complain(&mut self, written: io::Result<()>) {
        if let Err(error) = written
            && !std::mem::replace(&mut self.has_complained, true)
        {
            tracing::error!(%error, "denials cannot be written; they are kept in memory alone");
        }
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
        self.complain(written);
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

/// With the sum of all before it.
fn line_of(denial: &Denial) -> String {
    let json = serde_json::to_string(denial).unwrap_or_default();
    let said = json.strip_suffix('}').unwrap_or(&json);
    format!("{said}{SUM}{}\"}}\n", sum_of(said))
}

/// Of its line, or somewhat more.
fn bytes_of(denial: &Denial) -> usize {
    let Denial { principal, address, method, reason, about, why, .. } = denial;
    190 + principal.len() + address.len() + method.len() + reason.len() + about.len() + why.len()
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
    fn a_line_that_is_not_what_was_written_is_told_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NEW);
        let denials = Denials::open(Some(folder.path()));
        (0..4).for_each(|number| denials.keep(denial(1_000_000 * number, &format!("m{number}"))));
        let (known, whole) = (denials.list(u64::MAX, 10), fs::read(&path).unwrap());
        drop(denials);
        assert_eq!(verify(folder.path()), None);
        let shown = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let told = verify(folder.path());
            let denials = Denials::open(Some(folder.path())).list(u64::MAX, 10);
            // Found once, and mended by the start that found it.
            assert_eq!(
                (verify(folder.path()), &Denials::open(Some(folder.path())).list(u64::MAX, 10)),
                (None, &denials)
            );
            let (notes, shown): (Vec<_>, Vec<_>) = denials.into_iter().partition(|denial| denial.reason == LOST);
            assert!(shown.iter().all(|denial| known.contains(denial)), "{shown:?}");
            assert_eq!(told.is_some(), notes.len() == 1, "{told:?} {notes:?}");
            (shown.len(), notes.first().map_or(0, |note| note.count))
        };
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let (shown, lost) = shown(&flipped);
                assert!(lost > 0 && shown + 2 >= known.len(), "bit {bit} of byte {at}: {shown} shown, {lost} lost");
            }
            // Where it is cut nothing can be missed; what is left of a line is not shown.
            assert_eq!(shown(&whole[..at]).1, 0, "cut at {at}");
        }
        let line = whole.len() / 4;
        let mut zeroed = whole.clone();
        zeroed[line / 2..line * 5 / 2].fill(0);
        assert_eq!(shown(&zeroed), (1, 1), "a block of zeros is one line");
        // Of a program that wrote no sums; none follows one that has them.
        let old = serde_json::to_vec(&known[3]).unwrap();
        assert_eq!(shown(&[&old[..], b"\n"].concat()), (1, 0));
        assert_eq!(shown(&[&whole[..], &old, b"\n"].concat()), (4, 1));
        assert!(folder.path().join(DAMAGED).exists());
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
