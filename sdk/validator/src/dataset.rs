//! Rules over all records of a data set: keys, references to other data sets, intervals, series, sums, and what must hold
//! between a record and the one of another data set that it refers to.
//!
//! [`DataSetRules`] are read from a standard once; a [`DataSet`] is fed record by record and says at the end what one
//! record alone cannot show. What the rules keep of a record is its [`Share`]: any thread reads it off the record, and the
//! one that holds the data set takes it in.
//!
//! # Invariants
//! - A record is not kept: of each, a rule keeps a digest of the key and the few numbers or texts that it compares.
//! - A record that lacks a field which a rule reads is left out of that rule; its own schema says what is missing.
//! - Findings come in the order of the records, then of the rules, whatever order the records of a group came in.
//!
//! # Limits
//! Each rule keeps at most [`ENTRIES_MAX`] entries, one over two data sets [`JOINED_MAX`]; beyond that it stops and says so (`dataset-too-large`).

mod asked; // what the rules ask of a record, each thing once
mod declare; // what a standard declares
mod group; // rules that compare the records of a group
mod joined; // rules over a record and the one that it refers to
mod key; // which records have the same key
mod share; // what the rules keep of one record

pub use share::{Scope, Share, Shares};

use crate::record::Record;
use crate::rules::{Fault, Head};
use crate::{codes, json};
use asked::Asked;
use group::Gathered;
use guiju_model::{Finding, StandardId};
use joined::{Disagreeing, Joined};
use key::{ByKey, KeyDigest, Keys};
pub(crate) use share::Reading;
use share::{Part, What};
use std::collections::{HashSet, hash_map::Entry};

use declare::{Joining, Key, Kind, Reference, Rule};

/// Entries that a rule keeps: about 32 bytes each for a key.
pub const ENTRIES_MAX: usize = 20_000_000;

/// Entries that a rule over two data sets keeps, of both: what it reads of each, about 200 bytes.
pub const JOINED_MAX: usize = 5_000_000;

/// What a standard declares in `keys`, `references` and `dataset`.
#[derive(Clone, Debug, Default)]
pub struct DataSetRules {
    keys: Vec<Key>,
    references: Vec<Reference>,
    rules: Vec<Rule>,
    asked: Asked,
}

/// Something that is wrong between records, at one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSetFinding {
    /// The number that the caller gave the record.
    pub record: u64,
    /// Complete but for `place`: where the record stands is known to who reads the file.
    pub finding: Finding,
}

/// The records of one data set, as far as its rules need them.
pub struct DataSet<'r> {
    rules: &'r DataSetRules,
    keys: Vec<ByKey<u64>>,
    /// Key, record, and the item that the key is of.
    referring: Vec<Vec<(KeyDigest, u64, Option<u32>)>>,
    targets: Vec<Option<Keys>>,
    gathered: Vec<Gathered>,
    /// Places of rules that have stopped, by their pointer.
    stopped: HashSet<String>,
    own: Option<StandardId>,
    /// What stands before the pointer of a declaration: `bj.population/person@2.0.0#`.
    document: String,
    /// Of what comes one by one.
    shares: Shares,
}

impl DataSetRules {
    /// Reads the object at the root's `x-guiju`; `pointer` says where it stands in the document, for the faults.
    pub fn compile(own: &serde_json::Value, pointer: &str) -> Result<Self, Vec<Fault>> {
        declare::read(own, pointer)
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.references.is_empty() && self.rules.is_empty()
    }

    /// Which cells of a row they read; none where they read the row itself.
    pub(crate) fn cells(&self, paths: &[Vec<String>]) -> Option<Box<[Option<usize>]>> {
        self.asked.cells(paths)
    }

    /// The members that rules read of a record of this standard, and none for each that they read of others; nothing where they read
    /// the record as a whole.
    pub(crate) fn asked(&self, own: &StandardId) -> Option<impl Iterator<Item = Option<&str>>> {
        let reading = Reading { rules: self, own: Some(own), scope: Scope::All };
        self.asked.names(reading.askers())
    }

    /// The standards whose data sets are referred to.
    pub fn targets(&self) -> impl Iterator<Item = &StandardId> {
        self.references.iter().map(|reference| &reference.to)
    }

    fn joinings(&self) -> impl Iterator<Item = (usize, &Joining)> {
        self.rules.iter().enumerate().filter_map(|(place, rule)| match &rule.kind {
            Kind::Joined(joining) => Some((place, joining)),
            _ => None,
        })
    }

    fn disagreeing(&self, rule: &Rule, place: usize, joining: &Joining, joined: &Joined) -> Vec<DataSetFinding> {
        let (pointer, id) = (format!("/dataset/{place}"), rule.head.id.as_str());
        if joined.len() >= JOINED_MAX {
            let args = [("rule", id), ("max", &*JOINED_MAX.to_string())];
            return joined
                .first()
                .map(|record| found("dataset-too-large", record, "", &pointer, &args))
                .into_iter()
                .collect();
        }
        let reference = &self.references[joining.reference];
        let args = [("rule", id), ("standard", &*reference.to.to_string())];
        let told = |Disagreeing { record, at, item }: Disagreeing| {
            let path = at.unwrap_or_else(|| reference.fields.place(item));
            found("reference-disagrees", record, &path, &pointer, &args).by(&rule.head)
        };
        joined.disagreeing(joining).into_iter().map(told).collect()
    }

    /// Names of keys, references and rules; unique among them, and to be unique in the standard.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let keys = self.keys.iter().map(|key| &*key.id);
        keys.chain(self.references.iter().map(|reference| &*reference.head.id))
            .chain(self.rules.iter().map(|r| &*r.head.id))
    }
}

impl<'r> DataSet<'r> {
    /// `own` is the standard that the records conform to, so that references into the same data set are checked too.
    pub fn new(rules: &'r DataSetRules, own: Option<StandardId>) -> Self {
        let refers_to_itself = |reference: &Reference| (own.as_ref() == Some(&reference.to)).then(Keys::default);
        Self {
            keys: vec![ByKey::default(); rules.keys.len()],
            referring: vec![Vec::new(); rules.references.len()],
            targets: rules.references.iter().map(refers_to_itself).collect(),
            gathered: rules.rules.iter().map(Gathered::of).collect(),
            stopped: HashSet::new(),
            rules,
            own,
            document: String::new(),
            shares: Shares::default(),
        }
    }

    pub(crate) fn of_document(mut self, document: String) -> Self {
        self.document = document;
        self
    }

    /// Takes one record in. What is wrong with its key is said at once, all else by [`finish`](Self::finish).
    pub fn record(&mut self, number: u64, record: &dyn Record) -> Vec<DataSetFinding> {
        self.with_shares(|set, shares| {
            let reading = Reading { rules: set.rules, own: set.own.as_ref(), scope: Scope::All };
            shares.push(reading, record);
            set.take(number, shares.last())
        })
    }

    /// As [`record`](Self::record), of what was read off it before.
    pub fn take(&mut self, number: u64, Share(parts): Share<'_>) -> Vec<DataSetFinding> {
        let mut findings = Vec::new();
        parts.iter().for_each(|part| findings.extend(self.part(number, part)));
        findings.into_iter().map(|finding: DataSetFinding| finding.of_document(&self.document)).collect()
    }

    fn part(&mut self, number: u64, Part { of, what }: &Part) -> Option<DataSetFinding> {
        match what {
            What::Key(key) => return self.key(*of, number, *key),
            What::Referring(key, item) => return self.reference(*of, (*key, number, *item)),
            What::Target(key) => drop(self.targets[*of].get_or_insert_default().insert(*key)),
            What::Other(key, values) => {
                if let Gathered::Joined(joined) = &mut self.gathered[*of] {
                    joined.take_other(*key, values, JOINED_MAX);
                }
            }
            _ => {
                let rule = &self.rules.rules[*of];
                let max = if matches!(rule.kind, Kind::Joined(_)) { JOINED_MAX } else { ENTRIES_MAX };
                if self.gathered[*of].len() >= max {
                    return self.stop(&format!("/dataset/{of}"), &rule.head.id, number, max);
                }
                self.gathered[*of].take(what, number);
            }
        }
        None
    }

    /// Takes in a record of another data set that this one refers to, before or after the records that do.
    pub fn target(&mut self, standard: &StandardId, record: &dyn Record) {
        self.with_shares(|set, shares| {
            shares.push_target(set.rules, standard, record);
            set.take(0, shares.last());
        });
    }

    /// As [`target`](Self::target), from the bytes of a record; where they are no JSON, its report says so, and there is nothing to
    /// take in.
    pub fn target_bytes(&mut self, standard: &StandardId, record: &[u8]) {
        if let Some(document) = json::read(record, json::DEPTH_MAX).document {
            self.target(standard, &document.root());
        }
    }

    fn with_shares<T>(&mut self, run: impl FnOnce(&mut Self, &mut Shares) -> T) -> T {
        let mut shares = std::mem::take(&mut self.shares);
        shares.clear();
        let given = run(self, &mut shares);
        self.shares = shares;
        given
    }

    /// Says that all records of a data set that this one refers to were given, were they none.
    pub fn has_target(&mut self, standard: &StandardId) {
        for (reference, target) in self.rules.references.iter().zip(&mut self.targets) {
            if reference.to == *standard {
                target.get_or_insert_default();
            }
        }
    }

    /// What is wrong between the records. References into data sets that were not given are not judged.
    pub fn finish(self) -> Vec<DataSetFinding> {
        let document = self.document.clone();
        self.judged().into_iter().map(|finding| finding.of_document(&document)).collect()
    }

    fn judged(self) -> Vec<DataSetFinding> {
        let mut findings: Vec<(usize, DataSetFinding)> = Vec::new();
        for (place, reference) in self.rules.references.iter().enumerate() {
            let Some(target) = &self.targets[place] else { continue };
            let dangling = self.referring[place].iter().filter(|(key, ..)| !target.contains(key));
            findings.extend(dangling.map(|(_, record, item)| (place, reference.dangling(place, *record, *item))));
        }
        for (place, (rule, gathered)) in self.rules.rules.iter().zip(self.gathered).enumerate() {
            if !self.stopped.contains(&format!("/dataset/{place}")) {
                let found = match (&rule.kind, &gathered) {
                    (Kind::Joined(joining), Gathered::Joined(joined)) => {
                        self.rules.disagreeing(rule, place, joining, joined)
                    }
                    _ => gathered.judge(rule, place),
                };
                let found = found.into_iter();
                findings.extend(found.map(|finding| (self.rules.references.len() + place, finding)));
            }
        }
        findings.sort_by_key(|(place, finding)| (finding.record, *place));
        findings.into_iter().map(|(_, finding)| finding).collect()
    }

    fn key(&mut self, place: usize, number: u64, digest: KeyDigest) -> Option<DataSetFinding> {
        let key = &self.rules.keys[place];
        let is_full = self.keys[place].len() >= ENTRIES_MAX;
        match self.keys[place].entry(digest) {
            Entry::Occupied(first) => Some(key.twice(place, *first.get(), number)),
            Entry::Vacant(_) if is_full => self.stop(&format!("/keys/{place}"), &key.id, number, ENTRIES_MAX),
            Entry::Vacant(free) => {
                free.insert(number);
                None
            }
        }
    }

    fn reference(&mut self, place: usize, referring: (KeyDigest, u64, Option<u32>)) -> Option<DataSetFinding> {
        let reference = &self.rules.references[place];
        if self.referring[place].len() >= ENTRIES_MAX {
            return self.stop(&format!("/references/{place}"), &reference.head.id, referring.1, ENTRIES_MAX);
        }
        self.referring[place].push(referring);
        None
    }

    /// Said once a rule.
    fn stop(&mut self, pointer: &str, id: &str, number: u64, max: usize) -> Option<DataSetFinding> {
        self.stopped.insert(pointer.to_owned()).then(|| {
            let max = max.to_string();
            found("dataset-too-large", number, "", pointer, &[("rule", id), ("max", &max)])
        })
    }
}

fn found(code: &'static str, record: u64, path: &str, pointer: &str, args: &[(&str, &str)]) -> DataSetFinding {
    let mut finding = codes::finding(code, path, args);
    finding.rule = format!("/x-guiju{pointer}");
    DataSetFinding { record, finding }
}

impl DataSetFinding {
    fn of_document(mut self, document: &str) -> Self {
        self.finding.rule.insert_str(0, document);
        self
    }

    /// The author's words and severity instead of the page's.
    fn by(mut self, head: &Head) -> Self {
        let message = std::mem::take(&mut self.finding.message);
        self.finding.message = head.message(|| message);
        self.finding.severity = head.severity;
        self.finding.dimension = head.dimension;
        self
    }
}
