//! A signed statement that a data set was checked against a version: what was found, counted, and nothing of any record.
//!
//! It is a signed note (C2SP signed-note), so that other programs can verify it:
//! ```text
//! guiju/receipt/v1
//! data sha256:… 5120
//! standard bj.population/person 2.1.0 sha256:…
//! entry 17 registry.example.org/log+9c1f5d6e+AbCd…
//! engine guiju 0.1.0
//! reference-date 2026-11-01
//! records 100 conforming 98 failing 1 unreadable 1
//! findings errors 2 warnings 3 infos 0
//! between-records judged
//! log-size 42
//!
//! — haidian.example …
//! ```
//! The digest and the number of bytes are of the data as it was read; `entry` is the place of the version in a registry's log,
//! with the key that this log began with, or `-` where it came of none; `reference-date` is the day that counted as today, or `-`. `between-records` says whether the rules
//! between records, such as keys, were `judged` or `not-judged`, or that the standard has `none`: a registry that checks a stream
//! keeps nothing of a record, so it judges each by itself. `log-size`, which only a registry says, is how many entries its log had when it
//! signed: a log changes its key at a size, so it follows which of its keys signed then. The first line keeps a receipt from passing for a checkpoint or a change
//! of key, whatever key signs it.

use guiju_model::{Date, Digest, StandardId};
use guiju_tlog::{KeyHistory, Note, NoteError, SigningKey, VerifierKey};
use guiju_validator::Validator;
use semver::Version;
use std::{fmt, ops::AddAssign, str::FromStr};

const HEAD: &str = "guiju/receipt/v1";

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Of the bytes as they were read.
    pub data: Digest,
    pub bytes: u64,
    pub standard: StandardId,
    pub version: Version,
    pub digest: Digest,
    /// Index of the log entry that published the version.
    pub entry: Option<u64>,
    /// The key which that log began with: the same version has another entry in the log of a mirror. None of a receipt that does not say.
    pub log: Option<VerifierKey>,
    /// Name and version of the program that checked.
    pub engine: String,
    pub reference_date: Option<Date>,
    pub counts: Counts,
    pub between: Between,
    /// Of one that a registry signed: how many entries its log had then. More than the index of `entry`.
    pub log_size: Option<u64>,
}

/// How many records there were, and how many findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that conform, that do not, and that could not be read.
    pub records: u64,
    pub conforming: u64,
    pub failing: u64,
    pub unreadable: u64,
    pub errors: u64,
    pub warnings: u64,
    pub infos: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.conforming += other.conforming;
        self.failing += other.failing;
        self.unreadable += other.unreadable;
        self.errors += other.errors;
        self.warnings += other.warnings;
        self.infos += other.infos;
    }
}

/// What was done about rules between records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// The standard has none.
    None,
    Judged,
    /// Those about other data sets were not: these were not given.
    InPart,
    NotJudged,
}

impl Between {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Judged => "judged",
            Self::InPart => "in-part",
            Self::NotJudged => "not-judged",
        }
    }
}

/// Why a receipt is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    #[error("the receipt is no signed note: {0}")]
    Note(NoteError),
    #[error("the receipt is forged: {0}")]
    Forged(NoteError),
    #[error("the receipt is not signed by {0}")]
    Unsigned(VerifierKey),
    #[error(
        "the receipt is signed by a key that `{origin}` did not sign with then: {key} signs a log of {since} entries{}, and the receipt is of one \
         of {size}", match until { Some(until) => format!(" to {until}"), None => " and more".to_owned() }
    )]
    OutOfRange { origin: String, key: VerifierKey, since: u64, until: Option<u64>, size: u64 },
    #[error("line {line} of the receipt is not written as `{wanted}`")]
    Line { line: usize, wanted: &'static str },
    #[error("the receipt counts {records} records, and {sum} of them one by one")]
    Sum { records: u64, sum: u128 },
}

impl Receipt {
    /// What this program found in data of that digest and so many bytes; `judges_between`: it looked at rules between records, too.
    pub fn of(validator: &Validator, (data, bytes): (Digest, u64), counts: Counts, judges_between: bool) -> Self {
        let rules = validator.data_set_rules();
        let is_alone = rules.targets().all(|target| target == validator.standard());
        Self {
            data,
            bytes,
            standard: validator.standard().clone(),
            version: validator.version().clone(),
            digest: validator.digest(),
            entry: None,
            log: None,
            engine: concat!("guiju ", env!("CARGO_PKG_VERSION")).into(),
            reference_date: None,
            counts,
            between: match (rules.is_empty(), judges_between) {
                (true, _) => Between::None,
                (false, true) if is_alone => Between::Judged,
                (false, true) => Between::InPart,
                (false, false) => Between::NotJudged,
            },
            log_size: None,
        }
    }

    /// The note that says so, signed.
    pub fn signed(&self, key: &SigningKey) -> Result<Note, NoteError> {
        let mut note = Note::unsigned(self.to_string())?;
        note.sign(key);
        Ok(note)
    }

    /// What a note says, where a key has signed it.
    pub fn verified(note: &[u8], key: &VerifierKey) -> Result<Self, ReceiptError> {
        let note = Note::parse(note).map_err(ReceiptError::Note)?;
        match note.is_signed_by(key).map_err(ReceiptError::Forged)? {
            true => note.text().parse(),
            false => Err(ReceiptError::Unsigned(key.clone())),
        }
    }

    /// The same of one that a registry signed, by whichever key of its log signed then: also after the log changed its key. A key that
    /// signs for a log of another size than the receipt's is not believed.
    pub fn verified_by_log(note: &[u8], keys: &KeyHistory) -> Result<(Self, VerifierKey), ReceiptError> {
        let parsed = Note::parse(note).map_err(ReceiptError::Note)?;
        for (key, since, until) in keys.ranges() {
            if !parsed.is_signed_by(key).map_err(ReceiptError::Forged)? {
                continue;
            }
            let receipt = Self::verified(note, key)?;
            let size = receipt.log_size_least();
            // Of one without a size it is known only how many entries there were at least.
            let is_late = until.is_some_and(|until| size > until);
            if is_late || receipt.log_size.is_some_and(|size| size < since) {
                let (origin, key) = (key.name().to_owned(), key.clone());
                return Err(ReceiptError::OutOfRange { origin, key, since, until, size });
            }
            return Ok((receipt, key.clone()));
        }
        Err(ReceiptError::Unsigned(keys.current().clone()))
    }

    /// How many entries the log had at least when it was signed.
    fn log_size_least(&self) -> u64 {
        self.log_size.or(self.entry.map(|entry| entry.saturating_add(1))).unwrap_or(0)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        writeln!(f, "{HEAD}\ndata {} {}", self.data, self.bytes)?;
        writeln!(f, "standard {} {} {}", self.standard, self.version, self.digest)?;
        let log = self.log.as_ref().map_or(String::new(), |log| format!(" {log}"));
        writeln!(f, "entry {}", or_dash(self.entry.map(|entry| format!("{entry}{log}"))))?;
        writeln!(f, "engine {}", self.engine)?;
        writeln!(f, "reference-date {}", or_dash(self.reference_date.map(|day| day.to_string())))?;
        let Counts { records, conforming, failing, unreadable, errors, warnings, infos } = self.counts;
        writeln!(f, "records {records} conforming {conforming} failing {failing} unreadable {unreadable}")?;
        writeln!(f, "findings errors {errors} warnings {warnings} infos {infos}")?;
        writeln!(f, "between-records {}", self.between.as_str())?;
        self.log_size.map_or(Ok(()), |size| writeln!(f, "log-size {size}"))
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
        let line = |number: usize, wanted: &'static str| ReceiptError::Line { line: number, wanted };
        let at = |number: usize| lines.get(number - 1).map_or(&[][..], Vec::as_slice);
        let [HEAD] = at(1) else { return Err(line(1, HEAD)) };
        let ["data", data, bytes] = at(2) else { return Err(line(2, "data DIGEST BYTES")) };
        let ["standard", standard, version, digest] = at(3) else {
            return Err(line(3, "standard NAME VERSION DIGEST"));
        };
        let (["entry", entry, log @ ..], 0..=1) = (at(4), at(4).len().saturating_sub(2)) else {
            return Err(line(4, "entry INDEX LOG"));
        };
        let ["engine", engine @ ..] = at(5) else { return Err(line(5, "engine NAME VERSION")) };
        let ["reference-date", day] = at(6) else { return Err(line(6, "reference-date DATE")) };
        let ["records", records, "conforming", conforming, "failing", failing, "unreadable", unreadable] = at(7) else {
            return Err(line(7, "records N conforming N failing N unreadable N"));
        };
        let ["findings", "errors", errors, "warnings", warnings, "infos", infos] = at(8) else {
            return Err(line(8, "findings errors N warnings N infos N"));
        };
        let wanted = "between-records none, judged or not-judged";
        let ["between-records", between] = at(9) else { return Err(line(9, wanted)) };
        let all = [Between::None, Between::Judged, Between::InPart, Between::NotJudged];
        let between = all.into_iter().find(|known| known.as_str() == *between).ok_or_else(|| line(9, wanted))?;
        let log_size = match at(10) {
            [] => None,
            ["log-size", size] => Some(size.parse().map_err(|_| line(10, "log-size N, or nothing"))?),
            _ => return Err(line(10, "log-size N, or nothing")),
        };
        let number = |at: usize, text: &str, wanted: &'static str| text.parse().map_err(|_| line(at, wanted));
        let (seventh, eighth) =
            ("records N conforming N failing N unreadable N", "findings errors N warnings N infos N");
        let counts = Counts {
            records: number(7, records, seventh)?,
            conforming: number(7, conforming, seventh)?,
            failing: number(7, failing, seventh)?,
            unreadable: number(7, unreadable, seventh)?,
            errors: number(8, errors, eighth)?,
            warnings: number(8, warnings, eighth)?,
            infos: number(8, infos, eighth)?,
        };
        let receipt = Self {
            data: data.parse().map_err(|_| line(2, "data DIGEST BYTES"))?,
            bytes: bytes.parse().map_err(|_| line(2, "data DIGEST BYTES"))?,
            standard: standard.parse().map_err(|_| line(3, "standard NAME VERSION DIGEST"))?,
            version: version.parse().map_err(|_| line(3, "standard NAME VERSION DIGEST"))?,
            digest: digest.parse().map_err(|_| line(3, "standard NAME VERSION DIGEST"))?,
            entry: match *entry {
                "-" => None,
                entry => Some(entry.parse().map_err(|_| line(4, "entry INDEX LOG"))?),
            },
            log: log.first().map(|log| log.parse()).transpose().map_err(|_| line(4, "entry INDEX LOG"))?,
            engine: engine.join(" "),
            reference_date: match *day {
                "-" => None,
                day => Some(day.parse().map_err(|_| line(6, "reference-date DATE"))?),
            },
            counts,
            between,
            log_size,
        };
        if let (Some(entry), Some(size)) = (receipt.entry, receipt.log_size)
            && entry >= size
        {
            return Err(line(10, "log-size N with N greater than the entry"));
        }
        let parts = [counts.conforming, counts.failing, counts.unreadable];
        let sum = parts.iter().map(|part| u128::from(*part)).sum();
        match u128::from(counts.records) == sum && receipt.to_string() == text {
            true => Ok(receipt),
            false if u128::from(counts.records) != sum => Err(ReceiptError::Sum { records: counts.records, sum }),
            // One spelling for one statement.
            false => Err(line(lines.len(), "nothing more, and each number once")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            data: Digest::of(b"data"),
            bytes: 4,
            standard: "bj.population/person".parse().unwrap(),
            version: "2.1.0".parse().unwrap(),
            digest: Digest::of(b"version"),
            entry: Some(17),
            log: Some(SigningKey::from_seed("registry.example/log", &[9; 32]).unwrap().verifier()),
            engine: "guiju 0.1.0".into(),
            reference_date: "2026-11-01".parse().ok(),
            counts: Counts { records: 4, conforming: 2, failing: 1, unreadable: 1, errors: 3, warnings: 2, infos: 1 },
            between: Between::Judged,
            log_size: None,
        }
    }

    /// Each key of a log is believed for the sizes that it signs, and for no other.
    #[test]
    fn a_log_s_key_is_believed_in_its_range() {
        let [old, new] = [1, 2].map(|seed| SigningKey::from_seed("registry.example/log", &[seed; 32]).unwrap());
        let keys = KeyHistory::remembered(old.verifier(), vec![(20, new.verifier())]).unwrap();
        let of = |key: &SigningKey, log_size: Option<u64>| {
            let note = Receipt { log_size, ..receipt() }.signed(key).unwrap().to_string();
            Receipt::verified_by_log(note.as_bytes(), &keys).map(|(_, by)| by)
        };
        for (key, size) in
            [(&old, Some(18)), (&old, Some(20)), (&old, None), (&new, Some(20)), (&new, Some(99)), (&new, None)]
        {
            assert_eq!(of(key, size), Ok(key.verifier()), "{size:?}");
        }
        for (key, size) in [(&old, 21), (&new, 19)] {
            let found = of(key, Some(size));
            assert!(matches!(found, Err(ReceiptError::OutOfRange { .. })), "{found:?}");
        }
        let late = Receipt { entry: Some(20), ..receipt() }.signed(&old).unwrap().to_string();
        let found = Receipt::verified_by_log(late.as_bytes(), &keys);
        assert!(matches!(found, Err(ReceiptError::OutOfRange { size: 21, .. })), "{found:?}");
        let before_its_entry = Receipt { log_size: Some(17), ..receipt() }.to_string();
        assert!(before_its_entry.parse::<Receipt>().is_err());
    }

    #[test]
    fn a_receipt_is_what_its_key_has_signed() {
        let [key, other] = [1, 2].map(|seed| SigningKey::from_seed("haidian.example", &[seed; 32]).unwrap());
        let note = receipt().signed(&key).unwrap().to_string();
        assert_eq!(Receipt::verified(note.as_bytes(), &key.verifier()), Ok(receipt()));
        let unsigned = Receipt::verified(note.as_bytes(), &other.verifier());
        assert!(matches!(unsigned, Err(ReceiptError::Unsigned(_))), "{unsigned:?}");
        let none = Receipt { entry: None, log: None, reference_date: None, ..receipt() };
        assert_eq!(none.to_string().parse(), Ok(none));
        let of_some_log = Receipt { log: None, ..receipt() };
        assert_eq!(of_some_log.to_string().parse(), Ok(of_some_log));
        let changes = [
            ("failing 1", "failing 0"),
            ("errors 3", "errors 0"),
            ("2.1.0", "2.1.1"),
            (" 4\n", " 5\n"),
            ("-records judged", "-records none"),
        ];
        for (old, new) in changes {
            let forged = Receipt::verified(note.replacen(old, new, 1).as_bytes(), &key.verifier());
            assert!(matches!(forged, Err(ReceiptError::Forged(_))), "{new}: {forged:?}");
        }
    }

    #[test]
    fn every_byte_of_a_receipt_counts() {
        let key = SigningKey::from_seed("haidian.example", &[1; 32]).unwrap();
        let note = receipt().signed(&key).unwrap().to_string().into_bytes();
        for at in 0..note.len() {
            let mut changed = note.clone();
            changed[at] ^= 1;
            assert!(Receipt::verified(&changed, &key.verifier()).is_err(), "byte {at}");
        }
        let text = receipt().to_string();
        let most = text.replace("records 4 conforming 2", &format!("records {} conforming {0}", u64::MAX));
        assert!(most.parse::<Receipt>().is_err(), "a sum beyond what a number holds adds up to nothing");
        for wrong in [
            text.replace("records 4", "records 5"),
            text.replace("records 4", "records 04"),
            text.replace("entry 17", "entry -"),
            text.replace("entry 17", "entry 17 17"),
            text + "more\n",
        ] {
            assert!(wrong.parse::<Receipt>().is_err(), "{wrong}");
        }
    }
}
