//! What an operator does beside serving: verify, rebuild, back up, restore, export.

use crate::{
    grpc::{METADATA, SCHEMA, published, registry, submission},
    support::{Server, said, server_command},
};
use guiju_proto::registry as wire;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

/// Runs a command on the data folder of a test; its exit code and what it said.
fn run(command: &str, data: &Path, more: &[&str]) -> (i32, String) {
    let output = server_command(&[command, "--data"]).arg(data).args(more).output().expect("it runs");
    (output.status.code().expect("an exit code"), said(&output))
}

fn runs(command: &str, data: &Path, more: &[&str]) -> String {
    let (code, text) = run(command, data, more);
    assert_eq!(code, 0, "{command}: {text}");
    text
}

/// Holds a refusal against its exit code and what it must say; it is one line and a hint.
fn refused(command: &str, data: &Path, more: &[&str], expected: (i32, &str)) {
    let (code, text) = run(command, data, more);
    assert_eq!(code, expected.0, "{command}: {text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.len() >= 2
            && lines[2..].iter().all(|line| line.starts_with("  "))
            && lines[0].starts_with("error: ")
            && lines[1].starts_with("hint: "),
        "{command} must give one line and a hint, then details, gave:\n{text}"
    );
    assert!(lines[0].contains(expected.1), "{command}: expected `{}` in:\n{text}", expected.1);
}

/// Three versions, of which one is withdrawn.
async fn filled(server: &Server) {
    let mut client = published(server).await;
    for version in ["1.1.0", "1.2.0"] {
        client.publish(submission(version, SCHEMA)).await.expect("published");
    }
    let withdrawal = wire::SetStatusRequest {
        operation_id: "withdrawal".into(),
        standard: "bj.library/card".into(),
        version: "1.1.0".into(),
        status: wire::Status::Withdrawn.into(),
        reason: "a misprint".into(),
        successor: "bj.library/card@1.2.0".into(),
        ..Default::default()
    };
    client.set_status(withdrawal).await.expect("withdrawn");
}

async fn versions(server: &Server) -> Vec<wire::VersionInfo> {
    let list = wire::ListVersionsRequest { standard: "bj.library/card".into() };
    registry(server).await.list_versions(list).await.expect("listed").into_inner().versions
}

#[tokio::test]
async fn a_backup_taken_while_serving_is_restored_whole() {
    let server = Server::start();
    filled(&server).await;
    let (data, elsewhere) = (server.folder.path().join("data"), tempfile::tempdir().expect("a folder"));
    let (backup, restored) = (elsewhere.path().join("backup"), elsewhere.path().join("data"));
    let [to, from] = ["--to", "--from"].map(|flag| [flag, backup.to_str().expect("UTF-8")]);
    assert!(runs("verify", &data, &[]).starts_with("sound: 4 entries, "));
    assert!(runs("backup", &data, &to).starts_with("backed up: 4 entries in "));
    refused("backup", &data, &to, (2, "holds something already"));
    published(&server).await.publish(submission("1.3.0", SCHEMA)).await.expect("it is still serving");
    refused("rebuild", &data, &[], (2, "is in use by another server"));
    refused("restore", &data, &from, (2, "holds something already"));
    refused("restore", &restored, &["--from", data.to_str().expect("UTF-8")], (2, "backup.toml: No such file"));

    assert!(runs("restore", &restored, &from).starts_with("restored: 4 entries in "));
    let expected = versions(&server).await.split_off(1);
    let keyless = runs("verify", &restored, &[]);
    assert!(keyless.contains("no server starts here as yet: ") && keyless.contains("put back the folder"), "{keyless}");
    copy(&data.join("log-key"), &restored.join("log-key"));
    assert!(!runs("verify", &restored, &[]).contains("as yet"));
    let second = Server::start_with(&["--data", restored.to_str().expect("UTF-8")]);
    assert_eq!(versions(&second).await, expected, "all but what was published after the backup");
    assert_eq!(expected.len(), 3);
}

/// Where carrying a log was cut short an empty one would be another log; so would one that begins where the log was moved away.
#[test]
fn no_empty_log_begins_beside_a_part_of_one() {
    for (beside, expected) in [
        ("journal.partial", "holds a part of a log: carrying it there was cut short"),
        ("journal.migrated-1", "was carried elsewhere, and"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        fs::create_dir_all(data.join(beside)).expect("made");
        for command in ["serve", "verify", "rebuild"] {
            refused(command, &data, &[], (2, expected));
        }
        assert!(!data.join("journal").exists() && !data.join("log-key").exists(), "nothing is begun there");
    }
    // On a new machine the key was put back, and the journal was not.
    let (old, folder) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("log-key")).expect("made");
    for file in fs::read_dir(old.folder.path().join("data/log-key")).expect("a key").flatten() {
        fs::copy(file.path(), data.join("log-key").join(file.file_name())).expect("copied");
    }
    for (command, code) in [("serve", 2), ("verify", 1), ("rebuild", 1)] {
        refused(command, &data, &[], (code, "log-key` is the key of a log"));
    }
    assert!(!data.join("journal").exists(), "nothing is begun there");
}

#[tokio::test]
async fn what_is_not_whole_is_neither_sound_nor_restored() {
    let server = Server::start();
    filled(&server).await;
    let data = server.folder.path().join("data");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let (backup, restored) = (elsewhere.path().join("backup"), elsewhere.path().join("data"));
    let [to, from] = ["--to", "--from"].map(|flag| [flag, backup.to_str().expect("UTF-8")]);
    runs("backup", &data, &to);
    let segment = backup.join(format!("{:020}.seg", 0));
    let whole = fs::read(&segment).expect("a segment");

    let mut flipped = whole.clone();
    flipped[whole.len() / 3] ^= 1;
    fs::write(&segment, &flipped).expect("written");
    refused("restore", &restored, &from, (1, "is damaged at byte "));

    fs::write(&segment, &whole[..whole.len() - 20]).expect("written");
    refused("restore", &restored, &from, (1, "had 4 entries when it was made and has 3 others now"));
    assert!(!restored.exists(), "nothing is made of a backup that is not whole");

    fs::remove_file(backup.join("backup.toml")).expect("removed");
    refused("restore", &restored, &from, (2, "backup.toml: No such file"));
    refused("verify", elsewhere.path(), &[], (2, "No such file"));

    let (_, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    let segment = folder.path().join(format!("data/journal/{:020}.seg", 0));
    fs::write(&segment, &flipped).expect("written");
    let before = fs::read(&segment).expect("read");
    refused("verify", &folder.path().join("data"), &[], (1, "is damaged at byte "));
    refused("export", &folder.path().join("data"), &to, (1, "is damaged at byte "));
    assert!(fs::read(&segment).expect("read") == before, "looking changes nothing");
}

#[tokio::test]
async fn an_export_is_a_folder_of_standards_and_a_log_that_can_be_checked() {
    let server = Server::start();
    filled(&server).await;
    let (data, elsewhere) = (server.folder.path().join("data"), tempfile::tempdir().expect("a folder"));
    let target = elsewhere.path().join("export");
    let text = runs("export", &data, &["--to", target.to_str().expect("UTF-8")]);
    assert!(text.starts_with("exported: 3 versions and 4 entries in "), "{text}");

    let standard = target.join("standards/bj.library/card");
    assert_eq!(fs::read_to_string(standard.join("standard.toml")).expect("metadata"), METADATA);
    let digests: Vec<String> = versions(&server).await.into_iter().rev().map(|version| version.digest).collect();
    let folder = guiju::Folder::read(&target.join("standards")).expect("it is a folder of standards");
    for (version, digest) in ["1.0.0", "1.1.0", "1.2.0"].iter().zip(&digests) {
        let found = guiju_model::resolve(&folder, &format!("bj.library/card@={version}").parse().expect("a reference"));
        assert_eq!(found.expect("it is there").digest.to_string(), *digest, "{version}");
    }

    let mut head = guiju_server::log::Head::empty();
    let log = fs::read_to_string(target.join("log.ndjson")).expect("a log");
    for (index, line) in log.lines().enumerate() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!((line["index"].as_u64(), line["standard"].as_str()), (Some(index as u64), Some("bj.library/card")));
        let hex = line["entry"].as_str().expect("bytes");
        let bytes: Result<Vec<u8>, _> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16)).collect();
        head = head.then(&bytes.expect("hexadecimal"));
        match index {
            3 => {
                assert_eq!((line["status"].as_str(), line["reason"].as_str()), (Some("withdrawn"), Some("a misprint")))
            }
            _ => assert_eq!(line["digest"].as_str(), Some(digests[index].as_str())),
        }
    }
    assert!(runs("verify", &data, &[]).contains(&format!("chain {}", head.chain)), "the lines give the log's chain");
}

/// They hold what the log holds: drafts, texts, who may do what.
#[tokio::test]
async fn copies_are_for_nobody_else_on_this_machine() {
    let server = Server::start();
    filled(&server).await;
    let (data, elsewhere) = (server.folder.path().join("data"), tempfile::tempdir().expect("a folder"));
    for command in ["backup", "export"] {
        let target = elsewhere.path().join(command);
        let mut open_to_all = std::process::Command::new("sh");
        open_to_all.args(["-c", "umask 022; exec \"$@\"", "sh"]).arg(crate::support::guiju_server());
        let ended =
            open_to_all.args([command, "--to"]).arg(&target).arg("--data").arg(&data).output().expect("it runs");
        assert!(ended.status.success(), "{}", said(&ended));
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let mut folders = std::collections::BTreeSet::from([target.clone()]);
        let files = files(&target);
        assert!(files.len() > 1, "{:?}", files.keys());
        for path in files.keys() {
            assert_eq!(mode(path), 0o600, "{}", path.display());
            folders.extend(path.ancestors().skip(1).take_while(|path| path.starts_with(&target)).map(Path::to_owned));
        }
        for folder in folders {
            assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        }
    }
}

#[tokio::test]
async fn the_view_is_made_anew_whatever_became_of_it() {
    let server = Server::start();
    filled(&server).await;
    let expected = versions(&server).await;
    let (_, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    let data = folder.path().join("data");
    assert!(runs("rebuild", &data, &[]).starts_with("rebuilt: 4 entries in "));
    fs::write(data.join("view/db"), b"not a view").expect("written");
    assert!(runs("rebuild", &data, &[]).starts_with("rebuilt: 4 entries in "));
    refused("rebuild", &folder.path().join("none"), &[], (2, "No such file"));
    assert!(!folder.path().join("none").exists(), "nothing is made where nothing was");
    let server = Server::start_in(folder, &[]);
    assert_eq!(versions(&server).await, expected);
}

/// Changes some bytes of a file.
fn spoil(path: &Path, places: &[usize]) {
    let mut bytes = fs::read(path).expect("read");
    places.iter().for_each(|at| bytes[*at] ^= 0x20);
    fs::write(path, bytes).expect("written");
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-r").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()));
}

/// Where a text stands in a file.
fn find(path: &Path, text: &str) -> usize {
    let bytes = fs::read(path).expect("read");
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).expect("it stands there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_journal_is_mended_from_another_copy() {
    let server = Server::start();
    filled(&server).await;
    let expected = versions(&server).await;
    let (data, elsewhere) = (server.folder.path().join("data"), tempfile::tempdir().expect("a folder"));
    let [early, late] = ["early", "late"].map(|name| elsewhere.path().join(name));
    let [early, late] = [early.to_str().expect("UTF-8"), late.to_str().expect("UTF-8")];
    runs("backup", &data, &["--to", early]);
    published(&server).await.publish(submission("1.3.0", SCHEMA)).await.expect("published");
    runs("backup", &data, &["--to", late]);
    let export = elsewhere.path().join("export");
    let export = export.to_str().expect("UTF-8");
    runs("export", &data, &["--to", export]);
    refused("verify", &data, &["--repair-from", late], (2, "is in use by another server"));
    let (_, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    let (data, twin) = (folder.path().join("data"), tempfile::tempdir().expect("a folder"));
    let sound = runs("verify", &data, &[]);
    copy(&data, &twin.path().join("data"));
    let twin = Server::start_in(twin, &[]);
    let segment = data.join(format!("journal/{:020}.seg", 0));
    let whole = fs::read(&segment).expect("read");

    // One entry, and a document of another; each is named.
    let (entry, document) = (find(&segment, "a misprint"), find(&segment, "\"title\""));
    spoil(&segment, &[entry, document]);
    refused("verify", &data, &[], (1, "is damaged at byte "));
    let listed = run("verify", &data, &[]).1;
    assert!(listed.contains(": entry 3") && listed.contains(": no entry, but documents"), "{listed}");
    for version in ["entry 0, of `bj.library/card` 1.0.0: ", "entry 2, of `bj.library/card` 1.2.0: "] {
        assert!(listed.contains(version), "which versions lack a document: {listed}");
    }
    for from in [early, late, export, &twin.url()] {
        let text = runs("verify", &data, &["--repair-from", from]);
        assert!(text.starts_with("repaired: 5 entries in ") && text.contains("1 entries and "), "{text}");
        let chain = |text: &str| text.lines().find(|line| line.starts_with("chain ")).map(str::to_owned);
        assert_eq!(chain(&runs("verify", &data, &[])), chain(&sound), "it is the same log");
        fs::remove_dir_all(data.join("journal.damaged-1")).expect("what was damaged is kept");
        fs::write(&segment, &whole).expect("written");
        spoil(&segment, &[entry, document]);
    }
    // An end that is gone, to the last commit and the last segment's name.
    for length in [whole.len() / 2, 3, 0] {
        fs::write(&segment, &whole[..length]).expect("written");
        runs("verify", &data, &["--repair-from", late]);
        fs::remove_dir_all(data.join("journal.damaged-1")).expect("what was damaged is kept");
    }
    assert!(runs("verify", &data, &[]).starts_with("sound: 5 entries, "));

    // What the copy has not either, and a copy of another log, change nothing.
    fs::write(&segment, &whole).expect("written");
    let last = find(&segment, "1.3.0");
    spoil(&segment, &[last]);
    let spoilt = fs::read(&segment).expect("read");
    refused("verify", &data, &["--repair-from", early], (1, "entry 4: "));
    let other = Server::start();
    published(&other).await;
    fs::write(&segment, &whole[..whole.len() / 4]).expect("written");
    let (code, text) = run("verify", &data, &["--repair-from", &other.url()]);
    assert!(code == 1 && (text.contains("of another log") || text.contains("neither the journal")), "{text}");
    assert!(fs::read(&segment).expect("read") == whole[..whole.len() / 4], "nothing is changed");
    fs::write(&segment, &spoilt).expect("written");
    runs("verify", &data, &["--repair-from", late]);
    let server = Server::start_in(folder, &[]);
    assert_eq!(versions(&server).await.split_off(1), expected);
}

/// All of it: what the view took in, or what was signed, says what a copy must hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_gone_comes_back_from_a_copy() {
    let server = Server::start();
    filled(&server).await;
    let expected = versions(&server).await;
    let (data, elsewhere) = (server.folder.path().join("data"), tempfile::tempdir().expect("a folder"));
    let [early, late, other] = ["early", "late", "other"].map(|name| elsewhere.path().join(name));
    let [early, late, other] = [&early, &late, &other].map(|path| path.to_str().expect("UTF-8"));
    runs("backup", &data, &["--to", early]);
    published(&server).await.publish(submission("1.3.0", SCHEMA)).await.expect("published");
    crate::witness::ask(&server, "GET", "/checkpoint", "");
    runs("backup", &data, &["--to", late]);
    let stranger = Server::start();
    filled(&stranger).await;
    published(&stranger).await.publish(submission("1.3.0", SCHEMA)).await.expect("published");
    runs("backup", &stranger.folder.path().join("data"), &["--to", other]);
    let (_, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    let data = folder.path().join("data");
    let (journal, kept) = (data.join("journal"), elsewhere.path().join("data"));
    let sound = runs("verify", &data, &[]);
    copy(&data, &kept);
    let lost = |without: &[&str]| {
        fs::remove_dir_all(&data).expect("removed");
        copy(&kept, &data);
        for name in without {
            let path = data.join(name);
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removed");
        }
    };
    for (without, says) in [
        (&["journal"] as &[_], "data/view` took in 5 entries"),
        (&["journal", "checkpoint"], "data/view` took in 5 entries"),
        (&["journal", "view"], "data/checkpoint` says that 5 entries were signed"),
    ] {
        lost(without);
        let before = files(&data);
        refused("verify", &data, &[], (1, says));
        refused("backup", &data, &["--to", "nowhere"], (1, "data/journal` is gone: "));
        assert!(run("verify", &data, &[]).1.contains("hint: `guiju-server verify --repair-from` puts it back"));
        refused("verify", &data, &["--repair-from", early], (1, "neither the journal nor the copy has entry 4"));
        refused("verify", &data, &["--repair-from", other], (1, "the copy is of another log"));
        assert_eq!(files(&data), before, "what cannot be put back changes nothing");
        assert!(!journal.exists());
        let text = runs("verify", &data, &["--repair-from", late]);
        assert!(text.starts_with("repaired: 5 entries in ") && text.contains(": 5 entries and "), "{text}");
        assert!(text.ends_with(&sound[sound.find("chain ").expect("a chain")..]), "it is the same log: {text}");
        assert!(!data.join("journal.damaged-1").exists(), "there was nothing to keep");
    }
    // Its folder was left, or a repair that was cut short in the middle.
    lost(&["journal"]);
    fs::create_dir(&journal).expect("made");
    refused("verify", &data, &[], (1, "data/journal` is gone: "));
    runs("verify", &data, &["--repair-from", late]);
    lost(&["journal"]);
    copy(&kept.join("journal"), &data.join("journal.repaired.partial"));
    refused("verify", &data, &[], (1, "data/journal` is gone: "));
    runs("verify", &data, &["--repair-from", late]);
    assert!(!data.join("journal.repaired.partial").exists());
    // Nothing says what log it was.
    lost(&["journal", "checkpoint", "view"]);
    refused("verify", &data, &[], (1, "data/log-key` is the key of a log"));
    refused("verify", &data, &["--repair-from", late], (1, "nothing is left of the log"));
    // The log went elsewhere, and goes on there.
    lost(&["view"]);
    fs::rename(&journal, data.join("journal.migrated-1")).expect("moved");
    refused("verify", &data, &["--repair-from", late], (2, "was carried elsewhere, and"));
    lost(&["journal"]);
    runs("verify", &data, &["--repair-from", late]);
    let server = Server::start_in(folder, &[]);
    assert_eq!(versions(&server).await.split_off(1), expected);
}

/// The journal that was made whole stands ready, and the damaged one was moved aside: the power went just then.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_was_cut_short_between_its_last_steps_is_finished() {
    let server = Server::start();
    filled(&server).await;
    let expected = versions(&server).await;
    let (_, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    let data = folder.path().join("data");
    let (backup, cut) = (folder.path().join("backup"), |data: &Path| {
        copy(&data.join("journal"), &data.join("journal.repaired"));
        fs::rename(data.join("journal"), data.join("journal.damaged-1")).expect("moved");
    });
    let backup = backup.to_str().expect("UTF-8");
    runs("backup", &data, &["--to", backup]);
    cut(&data);
    refused("verify", &data, &[], (2, "was cut short when the damaged journal had been moved aside"));
    let text = runs("verify", &data, &["--repair-from", backup]);
    assert!(text.starts_with("repaired: 4 entries in "), "{text}");
    for name in ["journal.damaged-1", "journal.damaged-2"] {
        fs::remove_dir_all(data.join(name)).expect("what was damaged is kept");
    }
    cut(&data);
    let server = Server::start_in(folder, &[]);
    assert_eq!(versions(&server).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_comes_while_serving_is_found_by_reading_again_and_never_served() {
    let server = Server::start_with(&["--scrub-bytes-per-second", "100000000"]);
    filled(&server).await;
    let metric = |name: &str| {
        let metrics = crate::witness::ask(&server, "GET", "/metrics", "").1;
        let line = metrics.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .unwrap_or_else(|| panic!("{name}:\n{metrics}"))
    };
    assert_eq!(metric("guiju_scrub_damaged"), 0);
    let segment = server.folder.path().join(format!("data/journal/{:020}.seg", 0));
    spoil(&segment, &[find(&segment, "\"title\"")]);
    let begin = std::time::Instant::now();
    while metric("guiju_scrub_damaged") == 0 {
        assert!(begin.elapsed().as_secs() < 60, "not found:\n{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(server.log().contains("the log is not whole: entry 0"), "{}", server.log());
    let health = crate::witness::ask(&server, "GET", "/healthz", "").1;
    assert!(health.contains("\ndamaged_entries: ") && health.contains("`guiju-server verify` lists them"), "{health}");
    let bundle = wire::GetBundleRequest { reference: "bj.library/card@=1.0.0".into(), ..Default::default() };
    let mut served = registry(&server).await.get_bundle(bundle).await.map(tonic::Response::into_inner);
    if let Ok(stream) = &mut served {
        while let Some(part) = stream.message().await.transpose() {
            if part.is_err() {
                return;
            }
        }
        panic!("a damaged document was served");
    }
}

/// Of a disk that says EIO for a page (`lost.c`): found while serving, named, and taken from a copy.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_disk_gives_back_no_more_is_damage_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let shim = folder.path().join("lost.so");
    let source = crate::support::root().join("tests/it/lost.c");
    let built =
        std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&shim, &source]).arg("-ldl").status();
    assert!(built.is_ok_and(|status| status.success()), "it needs the C compiler that Rust links with");
    let (list, backup) = (folder.path().join("lost"), folder.path().join("backup"));
    let preload = [format!("LD_PRELOAD={}", shim.display()), format!("LOST={}", list.display())];
    let lossy = ["env", &preload[0], &preload[1]];
    let server = Server::start_by(&lossy, folder, &["--scrub-bytes-per-second", "100000000"]);
    crate::damage::filled(&server).await;
    let data = server.folder.path().join("data");
    runs("backup", &data, &["--to", backup.to_str().expect("UTF-8")]);
    let sound = runs("verify", &data, &[]);
    let segment = data.join(format!("journal/{:020}.seg", 0));
    let inode = fs::metadata(&segment).expect("a segment").ino();
    fs::write(&list, format!("{inode} 8192 12288\n")).expect("written");
    let begin = std::time::Instant::now();
    while !server.log().contains(&format!("`{}` is damaged at byte", segment.display())) {
        assert!(begin.elapsed().as_secs() < 60, "not found:\n{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(server.log().contains("Input/output error"), "{}", server.log());
    let damaged = || {
        let metrics = crate::witness::ask(&server, "GET", "/metrics", "").1;
        metrics.lines().any(|line| line.starts_with("guiju_scrub_damaged ") && !line.ends_with(" 0"))
    };
    while !damaged() {
        assert!(begin.elapsed().as_secs() < 60, "not counted");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (_, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    let lossy = |command: &str, more: &[&str]| {
        let command = crate::support::started_by(&lossy, server_command(&[command, "--data"]));
        let mut command = command;
        let output = command.arg(folder.path().join("data")).args(more).output().expect("it runs");
        (output.status.code().expect("an exit code"), said(&output))
    };
    let (code, text) = lossy("verify", &[]);
    let place = format!("error: `{}` is damaged at byte 8192: the disk does not give back", segment.display());
    assert!(code == 1 && text.starts_with(&place) && text.contains("--repair-from"), "{code} {text}");
    assert!(text.lines().skip(2).any(|line| line.contains(" bytes ")), "what stood there is told: {text}");
    let (code, text) = lossy("serve", &["--listen", "127.0.0.1:0"]);
    assert!(code == 2 && text.contains("is damaged at byte 8192"), "{code} {text}");
    let (code, text) = lossy("verify", &["--repair-from", backup.to_str().expect("UTF-8")]);
    assert!(code == 0 && text.ends_with(&sound[sound.find("chain ").expect("a chain")..]), "{code} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_beside_the_log_is_named() {
    let server = Server::start();
    filled(&server).await;
    crate::witness::ask(&server, "GET", "/checkpoint", "");
    let (_, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    let data = folder.path().join("data");
    fs::create_dir(data.join("mirror")).expect("made");
    for (file, text) in [("mirror/held", "nothing of the sort\n"), ("mirror/held", "")] {
        fs::write(data.join(file), text).expect("written");
        refused("verify", &data, &[], (1, "mirror/held is damaged"));
    }
    fs::remove_dir_all(data.join("mirror")).expect("removed");
    runs("verify", &data, &[]);
    for (file, places) in [("checkpoint", [50]), ("checkpoint", [3]), ("log-key/secret", [20]), ("log-key/first", [20])]
    {
        let whole = fs::read(data.join(file)).expect("read");
        spoil(&data.join(file), &places);
        let (code, text) = run("verify", &data, &[]);
        assert!(code == 1 && text.contains(file.rsplit('/').next().unwrap_or(file)), "{file}: {text}");
        fs::write(data.join(file), whole).expect("written");
    }
    runs("verify", &data, &[]);
}

/// How a server refuses to start.
fn does_not_start(data: &Path, expected: &str) {
    let serving = server_command(&["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).output().expect("it ends");
    let text = said(&serving);
    assert!(serving.status.code() == Some(2) && text.contains(expected), "{text}");
}

/// A new key would make another log of it. Whoever has lost the old one for good says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_key_is_gone_gets_no_other_by_itself() {
    let server = Server::start();
    filled(&server).await;
    crate::witness::ask(&server, "GET", "/checkpoint", "");
    let (_, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    let (data, kept) = (folder.path().join("data"), folder.path().join("kept"));
    let keys = data.join("log-key");
    let origin = fs::read_to_string(data.join("checkpoint")).expect("signed").lines().next().map(str::to_owned);
    let origin = origin.expect("a name");
    copy(&keys, &kept);
    let first = fs::read_to_string(keys.join("first")).expect("a key");
    for lost in [&["secret", "first"] as &[_], &["secret"]] {
        for name in lost {
            fs::remove_file(keys.join(name)).expect("removed");
        }
        let before = files(&data);
        refused("verify", &data, &[], (1, "log-key` holds no key, and `"));
        assert!(run("verify", &data, &[]).1.contains("hint: put back the folder `log-key`"));
        does_not_start(&data, "log-key` holds no key, and `");
        let principal = ["--principal", "wang"];
        refused("bootstrap", &data, &principal, (2, "log-key` holds no key, and `"));
        assert_eq!(files(&data), before, "no key is made, and nothing else");
        fs::remove_dir_all(&keys).expect("removed");
        copy(&kept, &keys);
        runs("verify", &data, &[]);
    }
    refused("rotate-key", &data, &["--without-old"], (2, "log-key` is there"));

    // Nothing was signed here, or what says so was lost as well.
    fs::remove_dir_all(&keys).expect("removed");
    let signed = fs::read(data.join("checkpoint")).expect("read");
    fs::remove_file(data.join("checkpoint")).expect("removed");
    assert!(runs("verify", &data, &[]).contains("no server starts here as yet: "));
    does_not_start(&data, "log-key` holds no key, and the log has 4 entries");
    assert!(!keys.exists());
    let anew = runs("rotate-key", &data, &["--without-old", "--log-origin", "example.org/again"]);
    assert!(anew.starts_with("made: a key of the log `example.org/again`; "), "{anew}");
    let (_, folder) = Server::start_in(folder, &[]).stop();
    fs::remove_dir_all(&keys).expect("removed");

    fs::write(data.join("checkpoint"), signed).expect("written");
    let made = runs("rotate-key", &data, &["--without-old"]);
    assert!(made.starts_with(&format!("made: a key of the log `{origin}`; tell all who know")), "{made}");
    let second = fs::read_to_string(keys.join("first")).expect("a key");
    assert!(second != first && second.starts_with(&origin), "the log keeps its name: {second}");
    assert!(runs("verify", &data, &[]).starts_with("sound: 4 entries, "));
    let server = Server::start_in(folder, &[]);
    let (status, signed) = crate::witness::ask(&server, "GET", "/checkpoint", "");
    assert!(status == 200 && signed.starts_with(&origin), "{status} {signed}");
}

/// A log that is whole in itself and ends before what the view took in: no server starts, and `verify` says what is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_shorter_than_its_view_is_not_sound() {
    let server = Server::start();
    filled(&server).await;
    let data = server.folder.path().join("data");
    runs("verify", &data, &[]);
    let stop = |server: Server| tokio::task::spawn_blocking(move || server.stop().1);
    let folder = stop(server).await.expect("stopped");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let short = elsewhere.path().join("journal");
    copy(&data.join("journal"), &short);
    let server = Server::start_in(folder, &[]);
    published(&server).await.publish(submission("1.3.0", SCHEMA)).await.expect("published");
    let folder = stop(server).await.expect("stopped");
    runs("verify", &data, &[]);

    let whole = elsewhere.path().join("whole");
    fs::rename(data.join("journal"), &whole).expect("moved");
    copy(&short, &data.join("journal"));
    let _ = fs::remove_file(data.join("checkpoint"));
    let before = files(&data);
    for command in ["verify", "rebuild"] {
        refused(command, &data, &[], (1, "entry 4 of the log is lost: "));
        assert_eq!(files(&data), before, "{command}: the view is all that knows of it");
    }
    assert!(run("rebuild", &data, &[]).1.contains("hint: `guiju-server verify --repair-from`"));
    does_not_start(&data, "");

    // The view of another log.
    fs::remove_dir_all(data.join("journal")).expect("removed");
    copy(&whole, &data.join("journal"));
    runs("verify", &data, &[]);
    let other = Server::start();
    published(&other).await.publish(submission("1.1.0", SCHEMA)).await.expect("published");
    let other = stop(other).await.expect("stopped");
    fs::remove_dir_all(data.join("view")).expect("removed");
    copy(&other.path().join("data/view"), &data.join("view"));
    refused("verify", &data, &[], (1, "is of another log"));
    refused("rebuild", &data, &[], (1, "is of another log"));
    fs::rename(data.join("view"), elsewhere.path().join("view")).expect("moved away by hand");
    runs("rebuild", &data, &[]);
    runs("verify", &data, &[]);
    drop(folder);
}

/// Every file of a folder, with what is in it.
fn files(folder: &Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
        match entry.is_dir() {
            true => found.extend(files(&entry)),
            false => drop(found.insert(entry.clone(), fs::read(&entry).expect("read"))),
        }
    }
    found
}
