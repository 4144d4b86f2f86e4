//! A disk that is full, a folder that cannot be written, a folder that another server uses.

use crate::{
    grpc::{METADATA, SCHEMA, published, refused, registry, submission},
    server::{refused_in_one_line, refuses},
    support::{Server, said, server_command, started_by},
};
use guiju_proto::registry::{File, Kind, PublishRequest, ResolveRequest};
use guiju_server::{
    log::LogError,
    registry::{AskError, StoreError},
    sequencer::SequencerError,
    status::{Reason, Refusal},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tonic::Code;

/// Files of the server may have so many KiB: room for the view's, and for some megabytes of log.
const FILE_KIB_MAX: u32 = 12 << 10;

/// A contract of 3 MiB that nothing else resembles.
fn large(number: u64) -> PublishRequest {
    let content: Vec<u8> = (0..3_u64 << 20).map(|at| ((at * (number + 1)) >> 7) as u8).collect();
    PublishRequest {
        operation_id: format!("large-{number}"),
        standard: "bj.library/interface".into(),
        kind: Kind::Contract.into(),
        metadata_toml: METADATA.replace("\"record\"", "\"contract\""),
        files: vec![File { path: "interface.wsdl".into(), content: content.into() }],
        ..submission(&format!("1.{number}.0"), SCHEMA)
    }
}

#[tokio::test]
async fn a_full_disk_refuses_one_publication_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let limited = format!("ulimit -f {FILE_KIB_MAX}; exec \"$0\" \"$@\"");
    let server = Server::start_by(&["bash", "-c", &limited], folder, &[]);
    let mut client = published(&server).await;
    let mut number = 0;
    let answer = loop {
        match client.publish(large(number)).await {
            Ok(_) => number += 1,
            refusal => break refusal,
        }
        assert!(number < 6, "the disk is not full after {number} publications of 3 MiB");
    };
    assert!(number > 1, "some must fit");
    refused(answer, Code::ResourceExhausted, "STORE_FULL");
    let resolve =
        |version| ResolveRequest { reference: format!("bj.library/interface@=1.{version}.0"), ..Default::default() };
    client.resolve(resolve(number - 1)).await.expect("what was published is there");
    assert_eq!(client.resolve(resolve(number)).await.expect_err("refused").code(), Code::NotFound);
    client.publish(submission("1.9.0", SCHEMA)).await.expect("what fits is published");
    let (status, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    assert!(status.success(), "{status}");

    let data = folder.path().join("data");
    let sound = said(&server_command(&["verify", "--data"]).arg(&data).output().expect("it runs"));
    assert!(sound.starts_with(&format!("sound: {} entries, ", number + 2)), "{sound}");
    let server = Server::start_in(folder, &[]);
    registry(&server).await.publish(large(number)).await.expect("there is room now: the same operation takes effect");
}

/// What is said of what became of a mutation is true: of one that the log takes no more, and where there was none.
#[test]
fn a_refusal_says_of_a_mutation_what_is_known_of_it() {
    let unavailable = || StoreError::Log(LogError::Unavailable { why: "it is away".into() });
    let read_only = |was_so| StoreError::Log(LogError::ReadOnly { why: "a sync failed".into(), was_so });
    let no_space = StoreError::Log(LogError::NoSpace { why: "it has an alarm".into() });
    for (refusal, reason, message) in [
        (
            Refusal::from(unavailable()),
            Reason::LogUnavailable,
            "the log did not answer; a mutation may or may not have",
        ),
        (AskError::Store(unavailable()).into(), Reason::LogUnavailable, "the log did not answer"),
        (
            SequencerError::Log(LogError::Unavailable { why: "so".into() }).into(),
            Reason::LogUnavailable,
            "the log did not answer",
        ),
        (read_only(false).into(), Reason::LogUnavailable, "the log did not answer; a mutation may or may not have"),
        (
            read_only(true).into(),
            Reason::LogUnavailable,
            "the log takes no writes until its server is started again; nothing was",
        ),
        (
            no_space.into(),
            Reason::StoreFull,
            "the log has no room left, on its disk or in its cluster; nothing was written",
        ),
    ] {
        assert_eq!(refusal.reason(), reason, "{}", refusal.message());
        let may = message.contains("; ");
        assert!(
            refusal.message().starts_with(message) && may == refusal.message().contains("; "),
            "{}",
            refusal.message()
        );
    }
}

/// A record of many words, each of which is a row of the view.
fn wordy(number: u64) -> PublishRequest {
    let field = |at: u64| {
        let words: Vec<String> = (0..10).map(|word| format!("word{number}x{at}x{word}")).collect();
        format!(
            r#""p{at}": {{"type": "string", "maxLength": 8, "title": "{}", "x-guiju": {{"titleZh": "字"}}}}"#,
            words.join(" ")
        )
    };
    let fields: Vec<String> = (0..200).map(field).collect();
    let schema = format!(
        r#"{{"$schema": "https://json-schema.org/draft/2020-12/schema", "x-guiju": {{"vocabulary": "1"}}, "type": "object", "properties": {{{}}}}}"#,
        fields.join(", ")
    );
    PublishRequest {
        operation_id: format!("wordy-{number}"),
        standard: format!("bj.library/words{number}"),
        ..submission("1.0.0", &schema)
    }
}

/// How large any file of a process may grow.
fn limit_files(pid: u32, bytes: &str) {
    let limits = Command::new("prlimit").args(["--pid", &pid.to_string(), &format!("--fsize={bytes}:")]).status();
    assert!(limits.expect("prlimit is there").success());
}

/// sled gives the first error of its disk again for ever; so the view is made anew, while the server runs.
#[tokio::test]
async fn a_view_without_room_is_made_anew_when_there_is_some() {
    let server = Server::start();
    let mut client = published(&server).await;
    let mut number = 0;
    while number < 5 {
        client.publish(wordy(number)).await.expect("there is room");
        number += 1;
    }
    // By now the view's file is several times as large as the log's: what is limited to its size stops the view first.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let room = fs::metadata(server.folder.path().join("data/view/db")).expect("the view's file").len();
    limit_files(server.pid(), &room.to_string());
    while client.publish(wordy(number)).await.is_ok() {
        number += 1;
        assert!(number < 200, "the view has found room for {number} versions in {room} bytes");
    }
    limit_files(server.pid(), "unlimited");
    let begin = Instant::now();
    while let Err(status) = client.publish(wordy(number)).await {
        assert!(begin.elapsed() < Duration::from_secs(60), "not mended: {status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Another thread made it anew, and says so when callers may be served already.
    while !server.log().contains("the view had failed and was made anew") {
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for known in 0..=number {
        let reference = format!("bj.library/words{known}@=1.0.0");
        client.resolve(ResolveRequest { reference, as_of: String::new() }).await.expect("what was published is there");
    }
    let (status, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    assert!(status.success(), "{status}");
    let server = Server::start_in(folder, &[]);
    let names = fs::read_dir(server.folder.path().join("data")).expect("read").flatten().map(|entry| entry.file_name());
    let beside: Vec<_> = names.filter(|name| name.to_string_lossy().contains("anew")).collect();
    assert!(beside.is_empty(), "left behind: {beside:?}");
}

#[tokio::test]
async fn a_second_server_on_a_folder_is_refused() {
    let server = Server::start();
    published(&server).await;
    let data = server.folder.path().join("data");
    let line = refused_in_one_line(&["--listen", "127.0.0.1:0", "--data", data.to_str().expect("UTF-8")]);
    assert!(line.contains("is in use by another server"), "{line}");
    published(&server).await;
}

/// Root writes everywhere unless it gives that power away.
fn without_power_over_files() -> Vec<&'static str> {
    let id = said(&Command::new("id").arg("-u").output().expect("id runs"));
    let given_away = "-dac_override,-dac_read_search";
    match id.trim() {
        "0" => vec!["setpriv", "--inh-caps", given_away, "--bounding-set", given_away],
        _ => Vec::new(),
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (empty, used) = (folder.path().join("empty"), tempfile::tempdir().expect("a folder"));
    fs::create_dir(&empty).expect("made");
    let (_, used) = Server::start_in(used, &[]).stop();
    let used = used.path().join("data");
    for (data, locked, named) in [
        (&empty, vec![&empty], "empty/journal`: Permission denied"),
        (&used, vec![&used.join("journal/lock")], "journal/lock`: Permission denied"),
        (&used, vec![&used.join(format!("journal/{:020}.seg", 0))], ".seg`: Permission denied"),
        (&used, vec![&used.join("view/db"), &used], "view`: "),
    ] {
        locked.iter().for_each(|path| set_writable(path, false));
        let command = server_command(&["serve", "--listen", "127.0.0.1:0", "--data"]);
        let line = refuses(started_by(&without_power_over_files(), command).arg(data));
        assert!(line.contains(named), "expected `{named}` in:\n{line}");
        locked.iter().for_each(|path| set_writable(path, true));
    }
    let (status, _) = Server::start_in(folder, &["--data", used.to_str().expect("UTF-8")]).stop();
    assert!(status.success(), "nothing was spoilt");
}

fn set_writable(path: &Path, is_writable: bool) {
    let mode = if path.is_dir() { 0o555 } else { 0o444 } | if is_writable { 0o200 } else { 0 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions are set");
}
