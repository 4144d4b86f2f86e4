//! Real records against both versions.

use crate::failure::Failure;
use guiju_compat::Side;
use guiju_model::Date;
use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// Records named of each kind; all are counted.
const NAMED_MAX: usize = 5;

/// How many records change their verdict.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    pub file: String,
    pub records: u64,
    pub unreadable: u64,
    pub both: u64,
    pub neither: u64,
    /// Accepted by the old version alone: the new one breaks them.
    pub broken: u64,
    pub gained: u64,
    /// Lines of the first broken ones, or their places in an array, from 1.
    pub first_broken: Vec<u64>,
}

/// Checks the records of a file against both versions, as they are on a day.
pub fn replay(path: &Path, old: &Side, new: &Side, day: Option<Date>) -> Result<Replayed, Failure> {
    let shown = path.display().to_string();
    let unread = |error: &std::io::Error| Failure::file("read", &shown, error);
    let mut reader = BufReader::new(File::open(path).map_err(|error| unread(&error))?);
    let mut replayed = Replayed { file: shown.clone(), ..Replayed::default() };
    let start = reader.fill_buf().map_err(|error| unread(&error))?;
    if start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        let records: Vec<Value> = serde_json::from_reader(reader)
            .map_err(|error| Failure::new(format!("`{shown}` is not an array of JSON records: {error}")))?;
        records.iter().zip(1..).for_each(|(record, place)| replayed.take(place, Some(record), (old, new), day));
        return Ok(replayed);
    }
    for (line, place) in reader.lines().zip(1..) {
        let line = line.map_err(|error| unread(&error))?;
        if !line.trim().is_empty() {
            replayed.take(place, serde_json::from_str(&line).ok().as_ref(), (old, new), day);
        }
    }
    Ok(replayed)
}

impl Replayed {
    fn take(&mut self, place: u64, record: Option<&Value>, (old, new): (&Side, &Side), day: Option<Date>) {
        self.records += 1;
        let Some(record) = record else {
            self.unreadable += 1;
            return;
        };
        match (old.accepts(record, day), new.accepts(record, day)) {
            (true, true) => self.both += 1,
            (false, false) => self.neither += 1,
            (false, true) => self.gained += 1,
            (true, false) => {
                self.broken += 1;
                if self.first_broken.len() < NAMED_MAX {
                    self.first_broken.push(place);
                }
            }
        }
    }
}
