//! Real records against both versions, read as `guiju check` reads them.

use crate::{command::check::unread, context::Context, failure::Failure};
use guiju::{
    CheckOptions, Validator,
    readers::{self, ReadOptions, Told},
};
use guiju_compat::Side;
use guiju_model::Date;
use std::{fs::File, ops::ControlFlow, path::Path};

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
    /// Numbers of the first broken ones, counted from 1.
    pub first_broken: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Judged {
    Conforms,
    DoesNot,
    Unreadable,
}

/// Checks the records of a file against both versions, as they are on a day. A row of a table is read by each version in turn,
/// as its own schema types the columns.
pub fn replay(path: &Path, old: &Side, new: &Side, day: Option<Date>, context: &Context) -> Result<Replayed, Failure> {
    let file = path.display().to_string();
    let (Some(before), Some(after)) = (old.validator(), new.validator()) else {
        return Err(Failure::new("a contract has no records to replay").hint("leave --corpus out"));
    };
    let (before, after) = (judged(path, before, day, context)?, judged(path, after, day, context)?);
    if before.is_empty() {
        return Err(
            Failure::new(format!("`{file}` holds no records")).hint("name a file with records, or leave --corpus out")
        );
    }
    let mut replayed = Replayed { file, records: before.len() as u64, ..Replayed::default() };
    for (number, verdicts) in (1..).zip(before.into_iter().zip(after)) {
        match verdicts {
            (Judged::Unreadable, _) | (_, Judged::Unreadable) => replayed.unreadable += 1,
            (Judged::Conforms, Judged::Conforms) => replayed.both += 1,
            (Judged::DoesNot, Judged::DoesNot) => replayed.neither += 1,
            (Judged::DoesNot, Judged::Conforms) => replayed.gained += 1,
            (Judged::Conforms, Judged::DoesNot) => {
                replayed.broken += 1;
                if replayed.first_broken.len() < NAMED_MAX {
                    replayed.first_broken.push(number);
                }
            }
        }
    }
    Ok(replayed)
}

fn judged(path: &Path, validator: &Validator, day: Option<Date>, context: &Context) -> Result<Vec<Judged>, Failure> {
    let shown = path.display().to_string();
    let file = File::open(path).map_err(|error| Failure::file("read", &shown, &error))?;
    let check = CheckOptions { reference_date: day, findings_max: 1, ..CheckOptions::default() };
    let mut found = Vec::new();
    let read = readers::check(file, validator, &ReadOptions { check, ..ReadOptions::default() }, |told| {
        if let Told::Record(checked) = told {
            found.push(match (checked.is_readable, checked.report.conforms()) {
                (false, _) => Judged::Unreadable,
                (true, true) => Judged::Conforms,
                (true, false) => Judged::DoesNot,
            });
        }
        ControlFlow::Continue(())
    });
    read.map_err(|error| unread(&shown, error, context))?;
    Ok(found)
}
