//! The life of a version: which one governs on a day, and what may still be said about its days.

use guiju_model::{Date, Dates, Kind, Package, Status, Term, TermError, in_force};
use guiju_server::{
    log::Memory,
    registry::{AskError, Caller, PublishError, Registry, StatusChange, Submission},
};
use proptest::prelude::*;
use semver::Version;
use std::{cell::Cell, sync::Arc};

const METADATA: &str = crate::grpc::METADATA;
const DAY_MS: u64 = 86_400_000;

thread_local! {
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
}

/// A day by its number; the first is 2026-01-01.
fn day(number: u16) -> Date {
    Date::in_china(at(number))
}

/// Noon of a day, in China.
fn at(number: u16) -> u64 {
    1_767_196_800_000 + DAY_MS * u64::from(number) + 12 * 3_600_000
}

fn version(number: u8) -> Version {
    let versions = ["1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0", "2.0.1", "3.0.0"];
    versions[usize::from(number) % versions.len()].parse().unwrap()
}

fn arb_term() -> impl Strategy<Value = Term> {
    (0u16..20, prop::option::of(1u16..20), prop::option::of(1u16..20)).prop_map(|(from, lasts, grace)| Term {
        from: day(from),
        to: lasts.map(|days| day(from + days)),
        grace_until: grace.map(|days| day(from + days)),
    })
}

fn arb_versions() -> impl Strategy<Value = Vec<(Version, Term)>> {
    let numbers = prop::sample::subsequence((0..6u8).collect::<Vec<_>>(), 0..=6);
    numbers.prop_flat_map(|numbers| {
        let terms = prop::collection::vec(arb_term(), numbers.len());
        terms.prop_map(move |terms| numbers.iter().map(|number| version(*number)).zip(terms).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    /// The rule of `model/src/term.rs`, clause by clause.
    #[test]
    fn on_every_day_the_highest_version_in_effect_governs(versions in arb_versions()) {
        for number in 0..45 {
            let day = day(number);
            let found = in_force(&versions, day);
            let effective = |(version, term): &&(Version, Term)| version.pre.is_empty() && term.is_in_effect(day);
            let effective: Vec<&Version> = versions.iter().filter(effective).map(|(version, _)| version).collect();
            prop_assert_eq!(found.first(), effective.iter().copied().max());
            prop_assert!(found.windows(2).all(|pair| pair[0] > pair[1]), "highest first, none twice");
            prop_assert!(found.iter().all(|version| effective.contains(&version)), "only what is in effect");
            // Whoever is in force without governing was promised it.
            for version in found.iter().skip(1) {
                let promised = versions.iter().any(|(other, term)| {
                    other > version && term.from <= day && term.grace_until.is_some_and(|until| day < until)
                });
                prop_assert!(promised, "{version} on {day}");
            }
        }
    }

    /// The grace of what is superseded already is neither lengthened nor shortened by what is published later.
    #[test]
    fn what_was_promised_stands(versions in arb_versions(), late in arb_term()) {
        let (mut all, new) = (versions.clone(), Version::new(9, 0, 0));
        all.push((new.clone(), late));
        let eve = (0..20).map(day).take_while(|day| *day < late.from).last();
        let may_begin = late.may_begin(&new, &versions, day(0)).is_ok();
        for number in 0..45 {
            let day = day(number);
            let (before, after) = (in_force(&versions, day), in_force(&all, day));
            prop_assert!(day >= late.from || before == after, "nothing changes before it takes effect");
            for (version, _) in &versions {
                let is_superseded = versions.iter().any(|(other, term)| {
                    other > version && other.pre.is_empty() && eve.is_some_and(|eve| term.is_in_effect(eve))
                });
                if may_begin && is_superseded && before.first() != Some(version) && late.is_in_effect(day) {
                    prop_assert_eq!(before.contains(version), after.contains(version), "{} on {}", version, day);
                }
            }
        }
    }

    /// Whoever was promised a version on a day may use it on that day, whatever is published later.
    #[test]
    fn a_promise_stands(versions in arb_versions(), offered in arb_term(), number in 0u8..6, today in 0u16..30) {
        let today = day(today);
        let mut others = (number..number + 6).map(version);
        let Some(new) = others.find(|new| versions.iter().all(|(known, _)| known != new)) else { return Ok(()) };
        let all: Vec<(Version, Term)> = versions.iter().cloned().chain([(new.clone(), offered)]).collect();
        let taken = (0..60).map(day).filter(|day| *day >= today).find_map(|day| {
            let (before, after) = (in_force(&versions, day), in_force(&all, day));
            before.into_iter().skip(1).find(|version| !after.contains(version)).map(|version| (day, version))
        });
        match offered.may_begin(&new, &versions, today) {
            Ok(()) => prop_assert_eq!(taken, None, "{} {:?}", new, offered),
            Err(TermError::TakesBack { from, until, .. }) => {
                // What it says is the way out is one.
                let later = Term { from: from.max(offered.from), ..offered };
                let later = Term { to: later.to.filter(|to| *to > later.from), ..later };
                let again = later.may_begin(&new, &versions, today);
                let is_same = |error: &TermError| {
                    matches!(error, TermError::TakesBack { from: other, .. } if *other == from)
                };
                prop_assert!(!again.as_ref().is_err_and(is_same), "{again:?}");
                prop_assert!(until > today);
            }
            Err(_) => {}
        }
    }

    /// Days that have passed keep the version that governed them, whatever is published, deprecated or withdrawn.
    #[test]
    fn the_past_stays_as_it_was(
        versions in arb_versions(),
        offered in arb_term(),
        today in 0u16..45,
        end in 0u16..45,
        which in any::<prop::sample::Index>(),
    ) {
        let (today, end) = (day(today), day(end));
        let governed = |versions: &[(Version, Term)], day| in_force(versions, day).first().cloned();
        let mut changed = vec![versions.clone()];
        for number in 0..6 {
            if versions.iter().all(|(known, _)| *known != version(number)) && offered.may_begin(&version(number), &versions, today).is_ok() {
                changed.push(versions.iter().cloned().chain([(version(number), offered)]).collect());
            }
        }
        if !versions.is_empty() {
            let at = which.index(versions.len());
            let mut withdrawn = versions.clone();
            withdrawn[at].1 = withdrawn[at].1.ended_by(today);
            changed.push(withdrawn);
            if let Ok(ended) = versions[at].1.ending(end, today) {
                let mut deprecated = versions.clone();
                deprecated[at].1 = ended;
                changed.push(deprecated);
            }
        }
        for after in changed {
            for number in (0..45).take_while(|number| day(*number) < today) {
                if let Some(known) = governed(&versions, day(number)) {
                    prop_assert_eq!(governed(&after, day(number)), Some(known), "on {}", day(number));
                }
            }
        }
    }
}

fn registry(folder: &tempfile::TempDir) -> (Registry, Arc<Memory>) {
    let log = Arc::new(Memory::default());
    let registry = Registry::open(log.clone(), &folder.path().join("view"), || NOW_MS.get()).unwrap().0;
    (registry, log)
}

fn submission(version: &str, dates: (&str, &str, &str)) -> Submission {
    let schema = format!(
        r#"{{"type":"object","properties":{{"n":{{"const":{},"title":"n","x-guiju":{{"titleZh":"数"}}}}}},"x-guiju":{{"vocabulary":"1"}}}}"#,
        version.replace('.', "")
    );
    Submission {
        operation_id: format!("op-{version}"),
        package: Package {
            standard: "bj.library/card".parse().unwrap(),
            version: version.parse().unwrap(),
            kind: Kind::Record,
            files: [("schema.json".to_owned(), schema.into_bytes())].into(),
        },
        metadata_toml: METADATA.into(),
        dates: Dates::parse(dates.0, dates.1, dates.2).unwrap(),
        waive: String::new(),
        reason: String::new(),
        dry_run: false,
    }
}

#[test]
fn a_registry_says_which_version_governs_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, log) = registry(&folder);
    let card = "bj.library/card".parse().unwrap();
    NOW_MS.set(at(0));
    let first = registry.publish(&Caller::open(), submission("1.0.0", ("2020-01-01", "", ""))).unwrap().version;
    assert_eq!(first.term.from.to_string(), "2020-01-01", "nothing governed before, so nothing is changed");
    let late = registry.publish(&Caller::open(), submission("2.0.0", ("2025-12-31", "", ""))).unwrap_err();
    assert!(matches!(late, PublishError::Term { .. }) && late.to_string().contains("name today, 2026-01-01"), "{late}");
    let other = |name: &str, version, dates| {
        let Submission { package, metadata_toml, .. } = submission(version, dates);
        let package = Package { standard: name.parse().unwrap(), ..package };
        Submission { operation_id: format!("today-{version}"), package, metadata_toml, ..submission(version, dates) }
    };
    registry.publish(&Caller::open(), other("bj.library/shelf", "1.0.0", ("2026-01-01", "", ""))).unwrap();
    let same_day = other("bj.library/shelf", "2.0.0", ("2025-12-31", "", ""));
    let same_day = registry.publish(&Caller::open(), same_day).unwrap_err();
    assert!(same_day.to_string().contains("1.0.0 was in effect on some day since"), "{same_day}");
    let ended = other("bj.library/shelf", "2.0.0", ("2025-12-01", "2026-01-01", ""));
    registry.publish(&Caller::open(), ended).expect("on no day with the other");
    let second = submission("2.0.0", ("2026-02-01", "", "2026-03-01"));
    let published = registry.publish(&Caller::open(), second.clone()).unwrap().version;
    assert_eq!(registry.publish(&Caller::open(), second.clone()).unwrap().version, published, "again");
    let other_days = Submission { dates: Dates::parse("2026-02-02", "", "").unwrap(), ..second };
    assert!(matches!(registry.publish(&Caller::open(), other_days), Err(PublishError::OtherDays { .. })));

    let on = |text: &str| -> Vec<String> {
        let found = registry.governing(&card, text.parse().unwrap()).unwrap();
        found.iter().map(|info| info.version.to_string()).collect()
    };
    assert_eq!(on("2026-01-31"), ["1.0.0"]);
    assert_eq!(on("2026-02-28"), ["2.0.0", "1.0.0"]);
    assert_eq!(on("2026-03-01"), ["2.0.0"]);
    let as_of = |reference: &str, day: &str| registry.resolve_as_of(&reference.parse().unwrap(), day.parse().unwrap());
    assert_eq!(as_of("bj.library/card", "2026-02-28").unwrap().version.to_string(), "2.0.0");
    assert_eq!(as_of("bj.library/card@1", "2026-02-28").unwrap().version.to_string(), "1.0.0");
    let none = as_of("bj.library/card@1", "2026-03-01").unwrap_err();
    assert_eq!(none.to_string(), "none of `bj.library/card@^1` was in force, but 2.0.0 on 2026-03-01");
    assert!(matches!(registry.governing(&card, "2019-12-31".parse().unwrap()), Err(AskError::NotInForce { .. })));

    let step = |operation: &str, status, effective_to: Option<&str>| StatusChange {
        operation_id: operation.into(),
        standard: card.clone(),
        version: "2.0.0".parse().unwrap(),
        status,
        reason: "misprint".into(),
        successor: String::new(),
        effective_to: effective_to.map(|day| day.parse().unwrap()),
    };
    NOW_MS.set(at(60));
    let past = registry.set_status(&Caller::open(), step("a", Status::Deprecated, Some("2026-02-15"))).unwrap_err();
    assert!(past.to_string().contains("which has passed"), "{past}");
    let deprecated = registry.set_status(&Caller::open(), step("a", Status::Deprecated, Some("2026-06-01"))).unwrap();
    assert_eq!(deprecated.term.to, "2026-06-01".parse().ok());
    assert_eq!(
        registry.set_status(&Caller::open(), step("a", Status::Deprecated, Some("2026-06-01"))).unwrap(),
        deprecated,
        "again"
    );
    assert!(matches!(
        registry.set_status(&Caller::open(), step("a", Status::Deprecated, None)),
        Err(PublishError::OperationReused(_))
    ));
    let governs = |text: &str| registry.governing(&card, text.parse().unwrap()).unwrap()[0].version.to_string();
    assert_eq!((governs("2026-05-31"), governs("2026-06-01")), ("2.0.0".into(), "1.0.0".into()));

    NOW_MS.set(at(90));
    let withdrawn = registry.set_status(&Caller::open(), step("b", Status::Withdrawn, None)).unwrap();
    assert_eq!(withdrawn.term.to, Some(day(90)));
    assert_eq!((governs("2026-03-31"), governs("2026-04-01")), ("2.0.0".into(), "1.0.0".into()));
    assert!(registry.resolve(&"bj.library/card@2".parse().unwrap()).is_err(), "no reference means it any more");
    let by_digest = format!("bj.library/card@{}", withdrawn.digest).parse().unwrap();
    assert_eq!(registry.resolve(&by_digest).unwrap(), withdrawn, "its digest means what it always meant");
    assert_eq!(registry.bundle(&by_digest, false).unwrap().digest(), withdrawn.digest);

    let again = tempfile::tempdir().unwrap();
    let replayed = Registry::open(log.clone(), &again.path().join("view"), || 0).unwrap().0;
    assert_eq!(replayed.versions(&card).unwrap(), registry.versions(&card).unwrap(), "the log alone says all of it");
    assert_eq!(log.head().size, 6);
}
