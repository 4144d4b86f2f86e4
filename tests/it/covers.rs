//! The comparison that the `jsonschema` crate has of its own, held against ours over pairs and what random changes make of them.
//!
//! Where the two contradict each other one of them is wrong, and `tests/cases/pairs/covers.txt` says which, and why: a case a
//! line. One that is not written down fails, and so does one that is no longer so.

use crate::{
    attack,
    pairs::{Pair, more, side},
    support::root,
};
use guiju_compat::{Budget, Inclusion, compare};
use jsonschema::{
    Draft,
    canonical::{self, CanonicalSchema, Containment},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

fn canonical(schema: &Value, dialect: &str) -> Option<CanonicalSchema> {
    let draft = match schema.get("$schema") {
        Some(_) => Draft::default().detect(schema),
        None => Draft::default().detect(&serde_json::json!({"$schema": dialect})),
    };
    canonical::options().with_draft(draft).offline().should_validate_formats(false).canonicalize(schema).ok()
}

#[derive(Default)]
struct Told {
    /// Directions that both decided.
    both: usize,
    ours_alone: usize,
    theirs_alone: usize,
    contradictions: BTreeMap<String, String>,
}

impl Told {
    fn hold(&mut self, name: &str, dialect: &str, [one, other]: [&Value; 2]) {
        let (Some(old), Some(new)) = (side(one, dialect, false), side(other, dialect, false)) else { return };
        let (Some(before), Some(after)) = (canonical(one, dialect), canonical(other, dialect)) else { return };
        let verdict = compare(&old, &new, &Budget { changes_max: 0, ..Budget::default() });
        for (inclusion, theirs, way) in [
            (&verdict.old_in_new, after.covers(&before), "backward"),
            (&verdict.new_in_old, before.covers(&after), "forward"),
        ] {
            let theirs = match theirs {
                Ok(Containment::Yes) => Some(true),
                Ok(Containment::No) => Some(false),
                _ => None,
            };
            let ours = match inclusion {
                Inclusion::Included(_) => Some(true),
                Inclusion::NotIncluded(_) => Some(false),
                Inclusion::Undecided(_) => None,
            };
            match (ours, theirs) {
                (Some(ours), Some(theirs)) if ours != theirs => {
                    let record = inclusion.witness().map_or("no record".into(), |witness| witness.record.to_string());
                    self.contradictions.insert(format!("{name} {way}"), format!("{one} and {other}: {record}"));
                }
                (Some(_), Some(_)) => self.both += 1,
                (Some(_), None) => self.ours_alone += 1,
                (None, Some(_)) => self.theirs_alone += 1,
                (None, None) => {}
            }
        }
    }
}

#[test]
fn the_comparison_of_the_library_contradicts_ours_only_where_it_is_written_down() {
    let (mut told, mut sources) = (Told::default(), BTreeSet::new());
    let own = root().join("tests/cases/pairs/traps.jsonl");
    for file in [own.clone()].into_iter().chain(more()) {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let pair: Pair = serde_json::from_str(line).unwrap();
            sources.insert(pair.source.clone());
            told.hold(&format!("{} {}", pair.source, pair.id), &pair.dialect, [&pair.old, &pair.new]);
            for turn in 0..if file == own { 8 } else { 0 } {
                let base = if turn % 2 == 0 { &pair.old } else { &pair.new };
                let mutant = attack::mutated(base, turn);
                told.hold(&format!("{} {} mutant {turn}", pair.source, pair.id), &pair.dialect, [base, &mutant]);
            }
        }
    }
    let written = fs::read_to_string(root().join("tests/cases/pairs/covers.txt")).unwrap();
    // Cases of files that are not at hand wait for them.
    let known = |name: &&str| sources.iter().any(|source| name.split(' ').next() == Some(source));
    let known: BTreeSet<&str> = written
        .lines()
        .filter_map(|line| Some(line.split_once(": ")?.0))
        .filter(|name| !name.starts_with('#'))
        .filter(known)
        .collect();
    let news: Vec<_> = told.contradictions.iter().filter(|(name, _)| !known.contains(name.as_str())).collect();
    assert!(news.is_empty(), "not written down: {news:#?}");
    let gone: Vec<&&str> = known.iter().filter(|name| !told.contradictions.contains_key(**name)).collect();
    assert!(gone.is_empty(), "no longer so: {gone:#?}");
    let Told { both, ours_alone, theirs_alone, .. } = told;
    eprintln!("both decided {both}, ours alone {ours_alone}, theirs alone {theirs_alone}");
    assert!(
        both > 500 && theirs_alone == 0,
        "both decided {both}, ours alone {ours_alone}, theirs alone {theirs_alone}"
    );
}
