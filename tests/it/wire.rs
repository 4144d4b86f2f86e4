//! The bridge between wire and model: what goes out comes back the same, and what is damaged on its way is refused.

use guiju_model::{
    Bundle, Dependency, Digest, Dimension, EmptyCatalog, Finding, Kind, MatchedIn, Package, Place, Report, Resolution,
    Said, SearchHit, Severity, StandardId, StandardInfo, Status, Term, Text, VersionInfo, Waiver,
};
use guiju_proto::{
    conformance, convert,
    registry::{self, get_bundle_response::Part},
};
use semver::Version;
use std::collections::BTreeMap;

fn standard() -> StandardId {
    "bj.library/card".parse().expect("a name")
}

fn finding(place: Place, severity: Severity, dimension: Dimension) -> Finding {
    let text = |word: &str| Text { en: word.into(), zh: format!("{word}词") };
    let said = Said {
        code: "code-not-in-list".into(),
        severity,
        dimension,
        path: "/a~1b/0".into(),
        rule: "bj.library/card@1.0.0#/properties".into(),
        field: Some(text("field")),
        message: text("message"),
        suggestion: Some(text("suggestion")),
        value: Some("值".into()),
    };
    Finding { place: Some(place), ..said.into() }
}

#[test]
fn reports_come_back_the_same() {
    let places =
        [Place::Text { line: 1, column: 2, offset: u64::MAX }, Place::Cell { row: 3, line: 4, column: "性别".into() }];
    let words =
        Severity::ALL.iter().flat_map(|severity| Dimension::ALL.iter().map(|dimension| (*severity, *dimension)));
    let against = Resolution { standard: standard(), version: Version::new(1, 2, 3), digest: Digest::of(b"x") };
    let mut report = Report::against(against.into());
    for (place, (severity, dimension)) in places.iter().cycle().zip(words) {
        report.push(finding(place.clone(), severity, dimension), 4);
    }
    let wire = conformance::Report::from(report.clone());
    assert!(!wire.conforms);
    assert_eq!(Report::try_from(wire), Ok(report));
}

#[test]
fn a_fault_names_its_field() {
    let place = Place::Text { line: 1, column: 1, offset: 0 };
    let mut wire = conformance::Finding::from(finding(place, Severity::Error, Dimension::Accuracy));
    wire.severity = 99;
    let report = conformance::Report {
        standard: standard().to_string(),
        version: "1.0.0".into(),
        digest: Digest::of(b"x").to_string(),
        findings: vec![wire],
        ..Default::default()
    };
    let fault = Report::try_from(report).expect_err("99 is no severity");
    assert_eq!(fault.to_string(), "findings[0].severity: 99 is none of the values of its enumeration");
    let request =
        registry::PublishRequest { standard: "Bad".into(), version: "1.0.0".into(), kind: 1, ..Default::default() };
    assert_eq!(Package::try_from(&request).expect_err("no name").field, "standard");
    let request =
        registry::PublishRequest { standard: "a/b".into(), version: "1.0.0+build".into(), kind: 1, ..request };
    assert_eq!(Package::try_from(&request).expect_err("build metadata").field, "version");
    let request = registry::PublishRequest { version: "1.0.0".into(), kind: 0, ..request };
    assert_eq!(Package::try_from(&request).expect_err("no kind").to_string(), "kind: it is not specified");
    let file = registry::File { path: "schema.json".into(), content: "{}".into() };
    let request = registry::PublishRequest { kind: 1, files: vec![file.clone(), file], ..request };
    assert_eq!(Package::try_from(&request).expect_err("twice").field, "files[1].path");
}

#[test]
fn versions_and_hits_come_back_the_same() {
    let day = |text: &str| text.parse().expect("a day");
    let (digest, version) = (Digest::of(b"x"), Version::parse("1.0.0-rc.1").expect("a version"));
    for (kind, status) in Kind::ALL.iter().zip(Status::ALL.iter().cycle()) {
        let dependency =
            Dependency { reference: "a/b@1".into(), standard: standard(), version: version.clone(), digest };
        let info = VersionInfo {
            standard: standard(),
            version: version.clone(),
            kind: *kind,
            digest,
            status: *status,
            log_index: 7,
            published_ms: 1_763_884_800_123,
            dependencies: vec![dependency],
            successor: "bj.library/card@2".into(),
            term: Term { from: day("2026-01-01"), to: Some(day("2027-01-01")), grace_until: None },
            waiver: (*status == Status::Draft).then(|| Waiver {
                by: "ann".into(),
                reason: "none writes it".into(),
                questions: vec!["a".into()],
            }),
        };
        assert_eq!(VersionInfo::try_from(registry::VersionInfo::from(info.clone())), Ok(info));
    }
    for (matched_in, latest) in MatchedIn::ALL.iter().zip([None, Some((version, digest))].into_iter().cycle()) {
        let standard = StandardInfo {
            standard: standard(),
            kind: Kind::Record,
            title_zh: "证".into(),
            title_en: "card".into(),
            abstract_zh: "证。".into(),
            abstract_en: "A card.".into(),
            owner: "library".into(),
            latest,
            version_count: 3,
        };
        let hit = SearchHit { standard, matched_in: *matched_in, excerpt: "…card…".into() };
        assert_eq!(SearchHit::try_from(registry::SearchHit::from(hit.clone())), Ok(hit));
    }
}

/// A contract whose files need several pieces, one piece and none.
fn package() -> Package {
    let large: Vec<u8> = (0..2_500_000_u32).map(|n| (n % 251) as u8).collect();
    let files = BTreeMap::from([
        ("interface.wsdl".into(), large),
        ("empty.proto".into(), Vec::new()),
        ("small.proto".into(), b"syntax = \"proto3\";".to_vec()),
    ]);
    Package { standard: standard(), version: Version::new(1, 0, 0), kind: Kind::Contract, files }
}

#[test]
fn a_submission_in_parts_comes_back_the_same() {
    let package = package();
    let mut receiver = convert::PackageReceiver::new(4 << 20);
    let parts: Vec<_> = convert::package_parts(package.clone().into()).collect();
    assert_eq!(parts.len(), 1 + 3 + 1 + 1);
    for part in parts.clone() {
        receiver.take(part).expect("in order");
    }
    let request = receiver.finish().expect("whole");
    assert_eq!(Package::try_from(&request), Ok(package));

    let mut small = convert::PackageReceiver::new(2 << 20);
    let fault = parts.iter().cloned().find_map(|part| small.take(part).err()).expect("too large");
    assert!(fault.why.contains("more than 2097152 bytes"), "{fault}");
    let mut receiver = convert::PackageReceiver::new(4 << 20);
    assert!(receiver.take(parts[1].clone()).is_err(), "a file before the header");
    receiver.take(parts[0].clone()).expect("the header");
    assert!(receiver.take(parts[0].clone()).is_err(), "a second header");
    assert!(receiver.take(registry::PublishPartsRequest::default()).is_err(), "nothing");
    assert!(convert::PackageReceiver::new(1).finish().is_err(), "no header at all");
}

fn received(parts: &[registry::GetBundleResponse]) -> Result<Bundle, convert::ConvertError> {
    let mut receiver = convert::BundleReceiver::default();
    parts.iter().try_for_each(|part| receiver.take(part.clone()))?;
    receiver.finish()
}

#[test]
fn a_bundle_in_parts_comes_back_the_same_or_not_at_all() {
    let bundle = Bundle::seal(&package(), &EmptyCatalog).expect("a bundle");
    let parts: Vec<_> = convert::bundle_parts(&bundle).collect();
    assert_eq!(received(&parts), Ok(bundle));
    for missing in 0..parts.len() {
        let mut fewer = parts.clone();
        fewer.remove(missing);
        // Whole files may be left out, since examples may; a manifest or a piece of a file may not.
        let may_miss = matches!(&parts[missing].part, Some(Part::Piece(piece)) if piece.content.len() < 100);
        assert_eq!(received(&fewer).is_ok(), may_miss, "without part {missing}");
    }
    let mut changed = parts.clone();
    let Some(Part::Piece(piece)) = &mut changed[2].part else { panic!("a piece") };
    let mut bytes = piece.content.to_vec();
    bytes.push(b'!');
    piece.content = bytes.into();
    let fault = received(&changed).expect_err("tampered");
    assert!(fault.why.contains("damaged or changed on its way"), "{fault}");
    assert!(received(&[]).is_err());
}
