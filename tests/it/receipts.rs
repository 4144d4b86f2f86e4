//! Receipts that a registry signs of the streams it checks: what they say, and that the command line verifies them without it.

use crate::{
    grpc::{METADATA, SCHEMA, ask, conformance, published, refused, registry, streamed, submission},
    mirror::{follow, has_followed},
    support::{Server, guiju, server_command},
    verify::{expect, publish, run},
};
use guiju::{StreamOptions, StreamTold, receipt::Receipt, tlog::VerifierKey};
use guiju_model::Digest;
use guiju_proto::{
    conformance::{
        CheckOptions, CheckRequest, CheckStreamHeader, CheckStreamRequest, Format,
        check_stream_request::Message as Ask, check_stream_response::Message as Told,
    },
    registry::{File, PublishRequest},
};
use std::{fs, path::Path, process::Command};
use tonic::{Code, Status};

const DAY: &str = "2026-11-01";

fn header(reference: &str, format: Format) -> CheckStreamRequest {
    let options = Some(CheckOptions { reference_date: DAY.into(), ..Default::default() });
    let (reference, format) = (reference.into(), format.into());
    ask(Ask::Header(CheckStreamHeader {
        reference,
        options,
        format,
        failing_only: true,
        with_receipt: true,
        ..Default::default()
    }))
}

/// The receipt of a stream: it comes with the last message and with no other.
async fn receipt(server: &Server, first: CheckStreamRequest, rest: Vec<Ask>) -> Result<String, Status> {
    let messages = [first].into_iter().chain(rest.into_iter().map(ask)).collect();
    let answers = streamed(server, messages).await?;
    let (last, before) = answers.split_last().expect("an answer");
    assert!(matches!(&last.message, Some(Told::Progress(counts)) if counts.is_final), "{last:?}");
    assert!(before.iter().all(|answer| answer.receipt.is_empty()), "{before:?}");
    Ok(last.receipt.clone())
}

fn chunks(data: &[u8]) -> Vec<Ask> {
    data.chunks(7).map(|chunk| Ask::Chunk(chunk.to_vec().into())).collect()
}

fn key(server: &Server) -> VerifierKey {
    let text = fs::read_to_string(server.folder.path().join("data/log-key/first")).expect("a key");
    text.trim_end().parse().expect("a key")
}

/// What the command line finds in the same bytes.
fn by_command(project: &Path, url: &str, standard: &str, data: &str) -> Receipt {
    let key = guiju::tlog::SigningKey::from_seed("haidian.example", &[1; 32]).expect("a key");
    fs::write(project.join("key"), key.secret_text()).expect("written");
    let flags = ["--receipt", "own", "--receipt-key", "key", "--reference-date", DAY];
    run(project, url, &[&["check", "--standard", standard, data][..], &flags].concat());
    Receipt::verified(&fs::read(project.join("own")).expect("a receipt"), &key.verifier()).expect("it holds")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_signs_what_it_found_in_a_stream() {
    let server = Server::start();
    published(&server).await;
    let (project, reference) = (tempfile::tempdir().expect("a folder"), "bj.library/card@=1.0.0");
    let (project, url) = (project.path(), server.url());
    expect(&run(project, &url, &["lock", reference]), 0, &["wrote"]);
    let inputs = [
        (Format::Ndjson, "{\"card\": \"甲\"}\n\n{\"card\": 1}\n{\"card\": \n{\"card\": \"乙\"}"),
        (Format::JsonArray, "[{\"card\": \"甲\"}, {\"card\": 1},\n{\"card\": \"乙\"}]\n\n"),
        (Format::Csv, "\u{feff}证号\r\n甲\r\n123456789\r\n乙\r\n"),
    ];
    for (format, text) in inputs {
        let note = receipt(&server, header(reference, format), chunks(text.as_bytes())).await.expect("a receipt");
        let told = Receipt::verified(note.as_bytes(), &key(&server)).expect("signed by the log's key");
        fs::write(project.join("data"), text).expect("written");
        assert_eq!(told.log_size, Some(1), "how far its log was");
        let told = Receipt { log_size: None, ..told };
        assert_eq!(told, by_command(project, &url, reference, "data"), "one verdict by every road: {format:?}");
        assert!(!note.contains('甲') && !note.contains("123456789"), "nothing of a record: {note}");

        fs::write(project.join("receipt"), &note).expect("written");
        let verify = ["--offline", "verify", "--receipt", "receipt", "--data", "data"];
        expect(
            &run(project, "", &verify),
            0,
            &["ok    receipt  signed by ", "entry 0 guiju-log/", &format!("reference-date {DAY}")],
        );
        let own = key(&server).to_string();
        expect(&run(project, "", &[&verify[..], &["--receipt-signer", &own]].concat()), 0, &["ok    receipt"]);
        let stranger = guiju::tlog::SigningKey::from_seed("haidian.example", &[2; 32]).expect("a key");
        let named = stranger.verifier().to_string();
        expect(&run(project, "", &[&verify[..], &["--receipt-signer", &named]].concat()), 1, &["is not signed by"]);
        fs::write(project.join("data"), format!("{text} ")).expect("written");
        expect(&run(project, "", &verify), 1, &["`data` is other data"]);
        fs::write(project.join("receipt"), note.replacen("failing 1", "failing 0", 1)).expect("written");
        expect(&run(project, "", &verify), 1, &["the receipt is forged"]);
    }

    // No records are a finding, too, where nobody was asked to find some in a file.
    for sent in [vec![], vec![Ask::Chunk("\n".into())]] {
        let note = receipt(&server, header(reference, Format::Ndjson), sent).await.expect("a receipt");
        assert!(note.contains("\nrecords 0 conforming 0 failing 0 unreadable 0\n"), "{note}");
    }

    // Records one by one are the lines that they make.
    let records = ["{\"card\": \"甲\"}", "{\"card\": 1}", "{\"card\": ", "{\"card\": \"乙\"}"];
    let sent = records.iter().map(|record| Ask::Record(record.as_bytes().to_vec().into())).collect();
    let note = receipt(&server, header(reference, Format::Unspecified), sent).await.expect("a receipt");
    fs::write(project.join("data"), records.map(|record| format!("{record}\n")).concat()).expect("written");
    let told = Receipt::verified(note.as_bytes(), &key(&server)).expect("signed");
    assert_eq!(Receipt { log_size: None, ..told.clone() }, by_command(project, &url, reference, "data"));
    assert_eq!(
        (told.counts.records, told.counts.conforming, told.counts.failing, told.counts.unreadable),
        (4, 2, 1, 1)
    );

    // What was not read to its end has no receipt, and what nobody asked for none either.
    let spreadsheet = vec![Ask::Chunk(b"PK\x03\x04\x14\0\x06\0".to_vec().into())];
    let broken = receipt(&server, header(reference, Format::Csv), spreadsheet).await;
    refused(broken, Code::InvalidArgument, "UNREADABLE_INPUT");
    let unasked = receipt(&server, crate::grpc::header(Format::Ndjson, true), chunks(b"{}\n")).await;
    assert_eq!(unasked.expect("answers"), "");
}

/// Also where the reader had enough of it, or where what is read is kept for rejects first.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_of_the_command_line_is_of_all_of_its_input() {
    let server = Server::start();
    published(&server).await;
    let (home, url, reference) = (tempfile::tempdir().expect("a folder"), server.url(), "bj.library/card@=1.0.0");
    let project = home.path();
    let key = guiju::tlog::SigningKey::from_seed("haidian.example", &[1; 32]).expect("a key");
    fs::write(project.join("key"), key.secret_text()).expect("written");
    let items = [r#"{"card":"A"}"#; 20_000].join(",");
    let inputs = [
        (format!("[{items}]x{}", "y".repeat(600_000)), "json-array", 20_000),
        (format!(r#"{{"card":"{}"}}"#, "A".repeat(2_000_000)), "json", 1),
        // What holds nothing that could be judged has no receipt.
        (r#"{"card":"A"}"#.repeat(20_000), "json-array", 0),
    ];
    for (text, format, records) in inputs {
        fs::write(project.join("data"), &text).expect("written");
        for (is_stdin, rejects) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut command = Command::new(guiju());
            let flags = format!(
                "check --standard {reference} --format {format} --reference-date {DAY} --receipt own --receipt-key key"
            );
            command.args(flags.split(' ')).args(if rejects { &["--rejects", "out"][..] } else { &[] });
            command.arg(if is_stdin { "-" } else { "data" });
            command.stdin(fs::File::open(project.join("data")).expect("it is there"));
            command.current_dir(project).env("GUIJU_CACHE", project.join("cache"));
            let output = command.env("GUIJU_REGISTRY", &url).output().expect("it runs");
            let told = format!("{format}, standard input: {is_stdin}, rejects: {rejects}: {output:?}");
            let receipt = fs::read(project.join("own"));
            if records == 0 {
                assert!(receipt.is_err() && output.status.code() == Some(2), "{told}");
                continue;
            }
            let receipt = receipt.unwrap_or_else(|_| panic!("no receipt of {told}"));
            let receipt = Receipt::verified(&receipt, &key.verifier()).expect("it holds");
            assert_eq!((receipt.bytes, receipt.data), (text.len() as u64, Digest::of(text.as_bytes())), "{told}");
            assert_eq!(receipt.counts.records, records, "{told}");
            fs::remove_file(project.join("own")).expect("removed");
            let _ = fs::remove_dir_all(project.join("out"));
        }
    }
}

/// What a registry signed goes on being true when its log signs with another key and the version is withdrawn, and each key is believed
/// for its own time alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_outlives_the_key_and_the_version() {
    let server = Server::start();
    published(&server).await;
    let (home, reference) = (tempfile::tempdir().expect("a folder"), "bj.library/card@=1.0.0");
    let (project, url) = (home.path(), server.url());
    expect(&run(project, &url, &["lock", reference]), 0, &["wrote"]);
    let data = || chunks("{\"card\": \"甲\"}\n".as_bytes());
    let before = receipt(&server, header(reference, Format::Ndjson), data()).await.expect("a receipt");
    fs::write(project.join("before"), &before).expect("written");
    let folder = server.kill();
    let store = folder.path().join("data");
    let secret = fs::read_to_string(store.join("log-key/secret")).expect("a secret");
    let old_key = guiju::tlog::SigningKey::from_secret_text(secret.trim_end()).expect("a key");
    let rotated = server_command(&["rotate-key", "--data"]).arg(&store).output().expect("it runs");
    expect(&rotated, 0, &[]);
    let server = Server::start_in(folder, &[]);
    let (url, mut client) = (server.url(), registry(&server).await);
    client.publish(submission("2.0.0", &SCHEMA.replace("8", "4"))).await.expect("published");
    let after = receipt(&server, header("bj.library/card@=2.0.0", Format::Ndjson), data()).await.expect("a receipt");
    fs::write(project.join("after"), &after).expect("written");

    // The lock knows the key of before; of the new one it can be told, or the registry asked.
    let verify = |url: &str, name: &str, flags: &[&str]| {
        run(project, url, &[&["verify", "--receipt", name][..], flags].concat())
    };
    let offline = |name: &str| verify("", name, &["--offline"]);
    expect(&offline("before"), 0, &["ok    before  signed by "]);
    expect(
        &offline("after"),
        1,
        &["FAIL  after", "knows 1; where the log changed its key since, `guiju lock` learns of it"],
    );
    expect(&verify(&url, "after", &[]), 0, &["ok    after"]);
    expect(&run(project, &url, &["--locked", "lock", reference]), 0, &["is up to date"]);
    expect(&run(project, &url, &["lock", reference]), 0, &["wrote"]);
    expect(&offline("before"), 0, &["ok    before  signed by ", "log-size 1\n"]);
    let told = [
        "part  after",
        "pins 1.0.0 of `bj.library/card`, and not the receipt's 2.0.0; `guiju lock bj.library/card@=2.0.0` it",
    ];
    expect(&offline("after"), 2, &told);
    expect(&verify("", "after", &["--offline", "--unchecked-version"]), 0, &["ok    after", "log-size 2\n"]);

    // Whoever kept the old key signs nothing with it that came later; nor does the new one for what was before it.
    let forged = |text: &str, size: u64, key: &guiju::tlog::SigningKey| {
        let receipt: Receipt =
            guiju::tlog::Note::parse(text.as_bytes()).expect("a note").text().parse().expect("a receipt");
        let note = Receipt { log_size: Some(size), ..receipt }.signed(key).expect("signed");
        fs::write(project.join("forged"), note.to_string()).expect("written");
    };
    forged(&before, 2, &old_key);
    let range = "signs a log of 0 entries to 1, and the receipt is of one of 2";
    expect(&offline("forged"), 1, &["FAIL  forged", "is signed by a key that", range]);
    let by_old = old_key.verifier().to_string();
    expect(&verify("", "forged", &["--offline", "--receipt-signer", &by_old]), 1, &[range]);
    expect(&verify("", "before", &["--offline", "--receipt-signer", &by_old]), 0, &["ok    before"]);
    forged(&after, 2, &old_key);
    expect(&offline("forged"), 1, &[range]);
    // A lock of a program that did not write down since when: it can tell nothing of the old key.
    let lock = fs::read_to_string(project.join("guiju.lock")).expect("a lock");
    fs::write(project.join("guiju.lock"), lock.replacen("= 1 ", "= ", 1)).expect("written");
    fs::remove_dir_all(project.join("cache/logs")).expect("removed");
    expect(&offline("before"), 1, &["does not say since when each key signs; `guiju lock` writes it down"]);
    expect(&run(project, &url, &["lock", reference]), 0, &["wrote"]);
    assert_eq!(fs::read_to_string(project.join("guiju.lock")).expect("a lock"), lock);
    expect(&offline("before"), 0, &["ok    before"]);

    // The version is withdrawn: what was found is as true as it was.
    expect(&run(project, &url, &["withdraw", reference, "--why", "it was wrong"]), 0, &[]);
    let since = "since then: `bj.library/card` 1.0.0 is withdrawn; the receipt is of before and stays true";
    expect(&verify(&url, "before", &[]), 0, &["ok    before", since]);
    fs::remove_file(project.join("guiju.lock")).expect("removed");
    expect(&run(project, &url, &["lock", "bj.library/card@=2.0.0"]), 0, &["wrote"]);
    expect(&verify(&url, "before", &[]), 0, &["ok    before", since]);
    let told = ["part  before", "pins 2.0.0 of `bj.library/card`, and not the receipt's 1.0.0"];
    expect(&offline("before"), 2, &told);
}

/// The crate's method sends a data set in pieces of any size, and gives the same receipt as the wire.
#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_has_a_registry_check_a_data_set_and_verifies_its_receipt() {
    let server = Server::start();
    published(&server).await;
    let registry = guiju::Registry::connect(&server.url()).await.expect("connected");
    let reference = "bj.library/card@=1.0.0".parse().expect("a reference");
    let options = StreamOptions { reference_date: DAY.parse().ok(), with_receipt: true, ..StreamOptions::default() };
    let text = "{\"card\": \"甲\"}\n{\"card\": 1}\n{\"card\": \n{\"card\": \"乙\"}\n".repeat(6_000);
    let pieces: Vec<Vec<u8>> = [&text.as_bytes()[..5], &[], &text.as_bytes()[5..]].map(<[u8]>::to_vec).into();
    let mut told = Vec::new();
    let check = registry.check_stream(&reference, pieces, &options, |one| told.push(one)).await.expect("checked");
    let receipt = check.verified(&key(&server)).expect("a receipt").expect("signed by the log's key");
    assert_eq!((receipt.bytes, receipt.data), (text.len() as u64, Digest::of(text.as_bytes())));
    assert_eq!((receipt.counts.records, receipt.counts.conforming, receipt.counts.unreadable), (24_000, 12_000, 6_000));
    assert_eq!((check.counts.records, check.counts.failing), (24_000, 12_000));
    assert_eq!(receipt.reference_date, DAY.parse().ok());
    assert_eq!(told.len(), 12_000, "of clean records nothing is told");
    assert!(matches!(&told[0], StreamTold::Record { index: 1, report } if !report.conforms()), "{:?}", told[0]);
    let stranger = guiju::tlog::SigningKey::from_seed("haidian.example", &[2; 32]).expect("a key");
    assert!(check.verified(&stranger.verifier()).expect("a receipt").is_err());

    // What nobody asked for is not there; what is nowhere, or no data, is refused.
    let plain = registry.check_stream(&reference, [b"{}\n".to_vec()], &StreamOptions::default(), |_| {}).await;
    assert_eq!(plain.expect("checked").receipt, None);
    let none: [Vec<u8>; 0] = [];
    let empty = registry.check_stream(&reference, none, &options, |_| {}).await.expect("checked");
    assert_eq!(empty.counts.records, 0);
    let nowhere = "bj.library/nothing".parse().expect("a reference");
    let refused = registry.check_stream(&nowhere, [b"{}".to_vec()], &options, |_| {}).await.expect_err("refused");
    assert!(refused.is_not_found(), "{refused}");
    let workbook = [b"PK\x03\x04\x14\0\x06\0".to_vec()];
    let refused = registry.check_stream(&reference, workbook, &options, |_| {}).await.expect_err("refused");
    assert_eq!(refused.status().map(Status::code), Some(Code::InvalidArgument), "{refused}");
}

/// Whoever keeps nothing of a record cannot say whether a key came twice; the receipt says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_whether_rules_between_records_were_judged() {
    let server = Server::start();
    let keyed = SCHEMA
        .replace(r#"{"vocabulary": "1"}"#, r#"{"vocabulary": "1", "keys": [{"id": "one-card", "fields": ["/card"]}]}"#);
    let content = keyed.into_bytes().into();
    let files = vec![File { path: "schema.json".into(), content }];
    let request = PublishRequest { files, metadata_toml: METADATA.into(), ..submission("1.0.0", SCHEMA) };
    registry(&server).await.publish(request).await.expect("published");
    let (project, reference, data) =
        (tempfile::tempdir().expect("a folder"), "bj.library/card@=1.0.0", "{\"card\":\"A\"}\n");
    let twice = data.repeat(2);
    let note = receipt(&server, header(reference, Format::Ndjson), chunks(twice.as_bytes())).await.expect("a receipt");
    assert!(note.contains("records 2 conforming 2 ") && note.contains("\nbetween-records not-judged\n"), "{note}");
    fs::write(project.path().join("data"), twice).expect("written");
    expect(&run(project.path(), &server.url(), &["lock", reference]), 0, &["wrote"]);
    let told = by_command(project.path(), &server.url(), reference, "data").to_string();
    assert!(
        told.contains("records 2 conforming 1 failing 1 ") && told.contains("\nbetween-records judged\n"),
        "{told}"
    );
}

/// A registry, and the crate, say beside a verdict that the version is deprecated or withdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn that_a_version_ended_is_told_with_every_verdict() {
    let server = Server::start();
    published(&server).await;
    let (home, url) = (tempfile::tempdir().expect("a folder"), server.url());
    let crate_of = guiju::Registry::connect(&url).await.expect("connected");
    let (reference, record) = ("bj.library/card@=1.0.0", "{\"card\": \"甲\"}".as_bytes().to_vec());
    let told = async || {
        let request = CheckRequest { reference: reference.into(), record: record.clone().into(), options: None };
        let one = conformance(&server).await.check(request).await.expect("checked").into_inner();
        assert!(one.report.expect("a report").conforms, "it changes no verdict");
        let parsed = reference.parse().expect("a reference");
        let options = StreamOptions::default();
        let all = crate_of.check_stream(&parsed, [record.clone()], &options, |_| {}).await.expect("checked");
        let standard = crate_of.standard(reference).await.expect("there");
        assert!(standard.check(&record).conforms());
        let one: Option<guiju_model::Ending> = one.ending.map(|ending| ending.try_into().expect("well formed"));
        assert_eq!((one.as_ref(), one.as_ref()), (all.ending.as_ref(), standard.ending()), "by every road");
        one.map(|ending| ending.to_string())
    };
    assert_eq!(told().await, None);
    let why = ["--why", "it was wrong", "--effective-to", "2099-01-01"];
    expect(&run(home.path(), &url, &[&["deprecate", reference][..], &why].concat()), 0, &[]);
    let words = "`bj.library/card` 1.0.0 is deprecated, in effect until the day before 2099-01-01";
    assert_eq!(told().await.as_deref(), Some(words));
}

/// A district that follows the city by a mirror of its own says what it checked by that log; the city holds it against its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_made_against_a_mirror_holds_at_the_city() {
    let city = Server::start();
    publish(&city, &[("a", 1), ("b", 1)]).await;
    let mirror = follow(&city.url(), tempfile::tempdir().expect("a folder"), &["--upstream-namespaces", "bj.test"]);
    has_followed(&mirror, 2).await;
    let own = submission("1.0.0", SCHEMA);
    registry(&mirror).await.publish(own).await.expect("published");
    publish(&city, &[("c", 1)]).await;
    has_followed(&mirror, 3).await;
    let (here, there) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (district, office) = (here.path(), there.path());
    let reference = "bj.test/c@=1.0.0";
    fs::write(district.join("data"), "{\"x\":1}\n").expect("written");
    let unlocked = by_command(district, &mirror.url(), reference, "data");
    expect(&run(district, &mirror.url(), &["lock", reference]), 0, &["wrote"]);
    let told = by_command(district, &mirror.url(), reference, "data");
    assert_eq!((told.entry, &told.log), (Some(3), &Some(key(&mirror))), "the city has it as entry 2");
    assert_eq!(unlocked, told, "what is not pinned is proved to be where the registry says");
    let streamed =
        receipt(&mirror, header(reference, Format::Ndjson), chunks(b"{\"x\":1}\n")).await.expect("a receipt");
    let streamed = Receipt::verified(streamed.as_bytes(), &key(&mirror)).expect("signed");
    assert_eq!((streamed.entry, streamed.log), (told.entry, told.log));

    let by = guiju::tlog::SigningKey::from_seed("haidian.example", &[1; 32]).expect("a key").verifier().to_string();
    let from_district = district.join("own").display().to_string();
    let verify = |url: &str, receipt: &str, flags: &[&str]| {
        run(office, url, &[&["verify", "--receipt", receipt, "--receipt-signer", &by][..], flags].concat())
    };
    let words = ["ok    ", "entry 3 is of another log, `guiju-log/", "has bj.test/c 1.0.0 as entry 2"];
    expect(&verify(&city.url(), &from_district, &[]), 0, &words);
    expect(&run(office, &city.url(), &["lock", reference]), 0, &["wrote"]);
    expect(&verify("", &from_district, &["--offline"]), 0, &words);
    expect(&verify(&city.url(), &from_district, &[]), 0, &words);
    // At home its entry is looked at; and of its own log no other is believed, nor one that names none.
    expect(
        &run(district, "", &["--offline", "verify", "--receipt", "own", "--receipt-signer", &by]),
        0,
        &["ok    own"],
    );
    let own = by_command(office, &city.url(), reference, &district.join("data").display().to_string());
    assert_eq!((own.entry, &own.log), (Some(2), &Some(key(&city))));
    let signer = guiju::tlog::SigningKey::from_seed("haidian.example", &[1; 32]).expect("a key");
    for log in [own.log.clone(), None] {
        let forged = Receipt { entry: Some(1), log, ..own.clone() }.signed(&signer).expect("signed");
        fs::write(office.join("forged"), forged.to_string()).expect("written");
        let words = ["FAIL  forged", "the lock has bj.test/c 1.0.0 as entry 2, not 1"];
        expect(&verify("", "forged", &["--offline"]), 1, &words);
    }
}
