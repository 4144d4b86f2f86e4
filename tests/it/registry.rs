//! The registry without a network: publish, find, publish again, start again, lose the view.

use guiju_model::{Digest, Kind, Package, Status};
use guiju_proto::log::{Entry, entry::Event};
use guiju_server::{
    log::{Append, Journal, Log, Memory},
    registry::{Caller, Happening, PublishError, Registry, StatusChange, Submission},
};
use prost::Message;
use std::{fs, os::unix::fs::FileExt, path::Path, sync::Arc};

const METADATA: &str = r#"
kind = "record"
domain = "common"
title_zh = "人口基础信息"
title_en = "Resident"
abstract = "自然人的基础信息"
abstract_en = "Basic data of natural persons"
owner = "公安"
steward = "标准处"
registration_authority = "标准委员会"
share_class = "2"
share_condition = "按需"
open = false
security_level = "S3"
update_cycle = "D"
"#;

pub fn submission(name: &str, version: &str, schema: &str) -> Submission {
    Submission {
        operation_id: format!("{}-{version}", name.replace('/', "-")),
        package: Package {
            standard: name.parse().unwrap(),
            version: version.parse().unwrap(),
            kind: Kind::Record,
            files: [("schema.json".to_owned(), schema.as_bytes().to_vec())].into(),
        },
        metadata_toml: METADATA.into(),
        dates: Default::default(),
        waive: String::new(),
        reason: String::new(),
        dry_run: false,
    }
}

pub fn open(folder: &Path) -> Registry {
    let (journal, _) = Journal::open(&folder.join("journal")).unwrap();
    Registry::open(Arc::new(journal), &folder.join("view"), || 1_700_000_000_000).unwrap().0
}

pub const SCHEMA: &str = r#"{"type":"object","properties":{"name":{"type":"string","title":"Name","x-guiju":{"titleZh":"姓名"}}},"x-guiju":{"vocabulary":"1"}}"#;

#[test]
fn what_is_published_is_found_again_after_a_restart_and_without_the_view() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let first = registry.publish(&Caller::open(), submission("bj.population/person", "1.0.0", SCHEMA)).unwrap();
    assert!(first.is_new && first.version.log_index == 0);
    let again = registry.publish(&Caller::open(), submission("bj.population/person", "1.0.0", SCHEMA)).unwrap();
    assert!(!again.is_new && again.version == first.version);
    let other = SCHEMA.replace("姓名", "名称");
    assert!(matches!(
        registry.publish(&Caller::open(), submission("bj.population/person", "1.0.0", &other)),
        Err(PublishError::OperationReused(_))
    ));
    let mut other = submission("bj.population/person", "1.0.0", &other);
    other.operation_id = "another".into();
    assert!(matches!(registry.publish(&Caller::open(), other), Err(PublishError::Exists { .. })));
    drop(registry);
    for lost in [false, true] {
        if lost {
            fs::remove_dir_all(folder.path().join("view")).unwrap();
        }
        let registry = open(folder.path());
        let found = registry.resolve(&"bj.population/person@1".parse().unwrap()).unwrap();
        assert_eq!(found, first.version);
        for query in ["人口", "resident", "姓名", "person", "bj"] {
            let hits = registry.search(&Caller::open(), query, 10).unwrap();
            assert!(hits.len() == 1 && hits[0].excerpt.to_lowercase().contains(query), "{query}: {hits:?}");
        }
        assert!(registry.search(&Caller::open(), "水表", 10).unwrap().is_empty());
    }
}

/// A start reads all of the view, so damage that comes later shows at the next start, or where a page was let go: then as an error.
#[test]
fn a_view_in_doubt_is_made_anew_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (view, name) = (folder.path().join("view"), "bj.population/person".parse().unwrap());
    let registry = open(folder.path());
    let schema = |number| SCHEMA.replace("Name", &format!("Name{number}"));
    let published: Vec<_> = (0..40)
        .map(|number| {
            registry
                .publish(&Caller::open(), submission("bj.population/person", &format!("1.{number}.0"), &schema(number)))
        })
        .map(|receipt| receipt.unwrap().version)
        .collect();
    drop(registry);

    let registry = open(folder.path());
    let db = fs::metadata(view.join("db")).unwrap().len();
    let file = fs::File::options().write(true).open(view.join("db")).unwrap();
    file.write_all_at(&vec![0xff; db as usize], 0).unwrap();
    match registry.resolve(&name) {
        Ok(found) => assert_eq!(found, published[39]),
        Err(error) => assert!(error.to_string().contains("the view at"), "{error}"),
    }
    drop(registry);

    let (journal, _) = Journal::open(&folder.path().join("journal")).unwrap();
    let (registry, opened) = Registry::open(Arc::new(journal), &view, || 1_700_000_000_000).unwrap();
    assert!(opened.rebuilt_because.is_some() && opened.entries_applied == 40, "{opened:?}");
    assert_eq!(registry.resolve(&name).unwrap(), published[39]);
    assert!(folder.path().join("view.doubtful").exists());
    drop(registry);
    assert_eq!(open(folder.path()).resolve(&name).unwrap(), published[39]);
}

#[test]
fn references_are_resolved_and_dependents_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let types = r#"{"$defs":{"Name":{"type":"string","maxLength":3}}}"#;
    let mut elements = submission("bj.common/types", "1.0.0", types);
    elements.package.kind = Kind::Elements;
    elements.metadata_toml = METADATA.replace("\"record\"", "\"elements\"");
    registry.publish(&Caller::open(), elements).unwrap();
    let schema = r#"{"type":"object","properties":{"name":{"$ref":"guiju:bj.common/types@1.0#/$defs/Name"}}}"#;
    registry.publish(&Caller::open(), submission("bj.population/person", "1.0.0", schema)).unwrap();
    let missing = schema.replace("types", "tpyes");
    let error = registry
        .publish(&Caller::open(), submission("bj.population/other", "1.0.0", &missing))
        .unwrap_err()
        .to_string();
    assert!(error.contains("did you mean `bj.common/types`"), "{error}");
    let dependents = registry.dependents(&Caller::open(), &"bj.common/types".parse().unwrap(), true).unwrap();
    assert_eq!(dependents.len(), 1);
    let error = registry.validator(&"bj.common/types".parse().unwrap()).err().unwrap().to_string();
    let why =
        "records cannot be checked against `bj.common/types`: data elements are definitions; name the record standard";
    assert_eq!(error, why);
    let (validator, _) = registry.validator(&"bj.population/person".parse().unwrap()).unwrap();
    let report = validator.check(r#"{"name":"abcd"}"#.as_bytes(), &Default::default());
    assert_eq!((report.errors, report.findings[0].rule.as_str()), (1, "bj.common/types@1.0.0#/$defs/Name/maxLength"));
}

#[test]
fn what_a_digest_does_not_cover_changes_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let schema = r#"{"type":"object","properties":{"born":{"type":"string","format":"date"}}}"#;
    let mut submission = submission("bj.population/person", "1.0.0", schema);
    submission.metadata_toml += "[reading]\nformats_asserted = false\n";
    registry.publish(&Caller::open(), submission).unwrap();
    let (validator, _) = registry.validator(&"bj.population/person".parse().unwrap()).unwrap();
    let report = validator.check(br#"{"born":"2026-02-30"}"#, &Default::default());
    assert_eq!(report.findings[0].code, "date-impossible");
}

/// A version that comes with a reading of its own is judged under the one that was known as well.
#[test]
fn another_reading_holds_from_the_next_version_on() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let (plain, dated) = (r#"{"type":"string"}"#, r#"{"type":"string","format":"date"}"#);
    let schema = |born: &str| format!(r#"{{"type":"object","properties":{{"born":{born}}}}}"#);
    let publish = |version: &str, born: &str, is_lax: bool| {
        let mut submission = submission("bj.population/person", version, &schema(born));
        if is_lax {
            submission.metadata_toml += "[reading]\nformats_asserted = false\n";
        }
        registry.publish(&Caller::open(), submission).map(drop)
    };
    publish("1.0.0", plain, false).unwrap();
    let refused = publish("1.0.1", dated, true).unwrap_err();
    assert!(refused.to_string().contains("2.0.0 or higher"), "{refused}");
    publish("1.0.1", plain, true).unwrap();
    publish("1.0.2", dated, true).unwrap();
}

#[test]
fn versions_rise_and_status_changes_are_watched() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    registry.publish(&Caller::open(), submission("bj.population/person", "1.1.0", SCHEMA)).unwrap();
    let lower = registry.publish(&Caller::open(), submission("bj.population/person", "1.0.0", SCHEMA)).unwrap_err();
    assert!(matches!(lower, PublishError::NotHigher { .. }), "{lower}");
    let change = StatusChange {
        operation_id: "w".into(),
        standard: "bj.population/person".parse().unwrap(),
        version: "1.1.0".parse().unwrap(),
        status: Status::Withdrawn,
        reason: "wrong".into(),
        successor: String::new(),
        effective_to: None,
    };
    assert_eq!(registry.set_status(&Caller::open(), change.clone()).unwrap().status, Status::Withdrawn);
    assert_eq!(registry.set_status(&Caller::open(), change).unwrap().status, Status::Withdrawn);
    assert!(registry.resolve(&"bj.population/person".parse().unwrap()).is_err());
    let events = registry.events(0, 10, None).unwrap().0;
    assert!(matches!((&events[0].what, &events[1].what), (Happening::Published(_), Happening::StatusChanged(_))));
}

#[test]
fn many_publishers_share_durable_appends() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Arc::new(open(folder.path()));
    std::thread::scope(|scope| {
        for worker in 0..16 {
            let registry = Arc::clone(&registry);
            scope.spawn(move || {
                for number in 0..20 {
                    registry
                        .publish(
                            &Caller::open(),
                            submission(&format!("bj.load/s{worker}"), &format!("1.{number}.0"), SCHEMA),
                        )
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(registry.sizes(), (320, 320));
    drop(registry);
    let (journal, opened) = Journal::open(&folder.path().join("journal")).unwrap();
    assert_eq!((opened.cut_bytes, journal.head().size), (0, 320));
    journal.verify().unwrap();
}

/// A log of two entries whose metadata say what this program does not know, as a server of a later release would have written it.
#[test]
fn a_log_of_a_newer_server_is_read() {
    let (folder, newer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = Arc::new(Memory::default());
    let registry = Registry::open(log.clone(), &folder.path().join("view"), || 1_700_000_000_000).unwrap().0;
    registry.publish(&Caller::open(), submission("bj.test/a", "1.0.0", SCHEMA)).unwrap();
    let toml = format!("{METADATA}licence = \"CC0\"\n\n[contacts]\nmail = \"a@example.org\"\n");
    let copy = Arc::new(Memory::default());
    let mut entry = Entry::decode(log.entries(0, 1).unwrap()[0].as_slice()).unwrap();
    let Some(Event::VersionPublished(published)) = &mut entry.event else { panic!("not a publication") };
    published.metadata = Digest::of(toml.as_bytes()).as_bytes().to_vec().into();
    let mut blobs: Vec<Vec<u8>> =
        log.digests().unwrap().iter().map(|digest| log.blob(digest).unwrap().unwrap()).collect();
    blobs.push(toml.clone().into_bytes());
    let append = Append { operation_id: entry.operation_id.clone(), entry: entry.encode_to_vec(), blobs };
    copy.append(&[append], 0).unwrap();

    let registry = Registry::open(copy.clone(), &newer.path().join("view"), || 1_700_000_000_000).unwrap().0;
    let info = registry.versions(&"bj.test/a".parse().unwrap()).unwrap().0;
    assert_eq!((info.title_en.as_str(), info.version_count), ("Resident", 1));
    assert_eq!(copy.blob(&Digest::of(toml.as_bytes())).unwrap().unwrap(), toml.as_bytes(), "nothing of it is lost");
    // An author is told that the name is not known.
    let again = Submission { metadata_toml: toml, ..submission("bj.test/a", "1.0.1", SCHEMA) };
    let refused = registry.publish(&Caller::open(), again).unwrap_err().to_string();
    assert!(refused.contains("unknown field"), "{refused}");
    // Of a kind of entry that it does not know a server cannot tell whether it says who may do what: it stops there.
    let unknown = Append { operation_id: "newer".into(), entry: [0xfa, 0x3f, 0].to_vec(), blobs: Vec::new() };
    copy.append(&[unknown], 1).unwrap();
    let stops = registry.catch_up().unwrap_err().to_string();
    assert!(stops.contains("of a kind that this server does not know; use a newer one"), "{stops}");
}
