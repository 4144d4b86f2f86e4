//! The lock's log: `guiju lock`, `verify`, `monitor` against a real server, an honest one and ones that rewrote their past.

use crate::{
    grpc::METADATA,
    hostile::{Trick, between},
    mirror::copy,
    support::{Server, guiju, said, server_command},
};
use guiju::{Registry, Terms};
use guiju_model::{Dates, Kind, Package};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

/// A program run in a project's folder, with a cache of its own.
pub fn run(project: &Path, url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(guiju());
    command.args(arguments).current_dir(project).env("GUIJU_CACHE", project.join("cache"));
    command.env("GUIJU_REGISTRY", url).env("GUIJU_LANG", "en").output().expect("it runs")
}

pub fn expect(output: &Output, code: i32, words: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "expected `{word}` in:\n{text}");
    }
}

pub async fn publish(server: &Server, names: &[(&str, u64)]) {
    let registry = Registry::connect(&server.url()).await.expect("connected");
    for (name, size) in names {
        let package = Package {
            standard: format!("bj.test/{name}").parse().expect("a standard"),
            version: semver::Version::new(1, 0, 0),
            kind: Kind::Record,
            files: [("schema.json".to_owned(), format!(r#"{{"type":"object","maxProperties":{size}}}"#).into_bytes())]
                .into(),
        };
        registry.publish(&format!("{name}-{size}"), &package, METADATA, false).await.expect("published");
    }
}

/// A server on a new log, signing with the key of another.
async fn impostor(of: &Path, names: &[(&str, u64)]) -> Server {
    // Where there is a key and no journal no server begins; so one begins with a key of its own.
    let folder = Server::start().stop().1;
    let keys = folder.path().join("data/log-key");
    let _ = fs::remove_file(folder.path().join("data/checkpoint"));
    for name in ["first", "secret"] {
        fs::copy(of.join("data/log-key").join(name), keys.join(name)).expect("copied");
    }
    let server = Server::start_in(folder, &[]);
    publish(&server, names).await;
    server
}

/// What an online command has proved is remembered beyond the lock, which only `guiju lock` changes: a log that tells another history of
/// what came after the lock is found out.
#[tokio::test(flavor = "multi_thread")]
async fn a_fork_after_the_lock_was_written_is_found_out() {
    let honest = Server::start();
    publish(&honest, &[("a", 1), ("b", 1)]).await;
    let project = tempfile::tempdir().expect("a folder");
    let (project, url, address) = (project.path(), honest.url(), honest.address.clone());
    expect(&run(project, &url, &["lock", "bj.test/a@^1"]), 0, &["wrote"]);
    let lock = fs::read(project.join("guiju.lock")).expect("a lock");
    // What the log was when the lock was written, kept by whoever means harm.
    let folder = honest.kill();
    let earlier = tempfile::tempdir().expect("a folder");
    copy(&folder.path().join("data"), &earlier.path().join("data"));
    let honest = Server::start_in(folder, &["--listen", &address]);
    publish(&honest, &[("c", 1), ("d", 1)]).await;
    for flags in [&["verify"][..], &["verify", "--locked"]] {
        expect(&run(project, &url, flags), 0, &["with 4 entries"]);
        assert_eq!(fs::read(project.join("guiju.lock")).expect("a lock"), lock, "the lock is as it was");
    }
    let files: Vec<_> = fs::read_dir(project.join("cache/logs")).expect("logs").flatten().collect();
    let remembered = files.iter().map(fs::DirEntry::path).find(|path| !path.ends_with("in-use")).expect("a log");
    let kept = fs::read(&remembered).expect("it is there");
    let named = remembered.file_name().expect("a name").to_string_lossy().into_owned();

    // All of these begin with what the lock holds.
    for (names, words) in [
        (&[("c", 2), ("d", 1)][..], ["the log is forked", "4 entries with the root"]),
        (&[("d", 1), ("c", 1), ("e", 1)], ["the log is rewritten", "4 entries with the root"]),
        (&[("c", 1)], ["the log went back: it had 4 entries and now says 3", "4 entries with the root"]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&earlier.path().join("data"), &folder.path().join("data"));
        let server = Server::start_in(folder, &[]);
        publish(&server, names).await;
        for command in [&["verify"][..], &["verify", "--locked"], &["monitor"], &["history", "bj.test/a"]] {
            let refused = run(project, &server.url(), command);
            expect(&refused, 1, &[words[0], words[1], &named]);
            assert!(!said(&refused).contains("bj.test/a@=1.0.0"), "the pin is as it was: {}", said(&refused));
        }
        expect(&run(project, &server.url(), &["lock", "bj.test/b@^1"]), 2, &[words[0]]);
        assert_eq!(fs::read(&remembered).expect("it is there"), kept, "what is not believed is not remembered");
        // Another project of this user has never seen the log, and hears of it, too.
        let other = project.join("other");
        fs::create_dir_all(&other).expect("a folder");
        let command = ["--cache", "../cache", "lock", "bj.test/a@^1"];
        expect(&run(&other, &server.url(), &command), 2, &[words[0], &named]);
        assert!(!other.join("guiju.lock").exists(), "nothing is written");
        // Whoever was told nothing of it cannot know.
        let new = tempfile::tempdir().expect("a folder");
        expect(&run(new.path(), &server.url(), &["lock", "bj.test/a@^1"]), 0, &["wrote"]);
    }
    // Offline nothing is asked of the log but what the lock holds; and the honest one goes on.
    expect(&run(project, &url, &["verify", "--offline"]), 0, &["with 2 entries"]);
    publish(&honest, &[("e", 1)]).await;
    let both = [0, 1].map(|_| {
        let (project, url) = (project.to_owned(), url.clone());
        thread::spawn(move || run(&project, &url, &["verify"]))
    });
    both.into_iter().for_each(|one| expect(&one.join().expect("it ran"), 0, &["with 5 entries"]));
    assert!(fs::read_to_string(&remembered).expect("it is there").contains(" 5 "), "it grew");
    // What cannot be read is said, with what to do; what cannot be written stops nothing.
    fs::write(&remembered, "log nonsense\n").expect("written");
    expect(&run(project, &url, &["verify"]), 2, &[&named, "line 1"]);
    fs::remove_dir_all(project.join("cache/logs")).expect("removed");
    fs::create_dir_all(project.join("cache/logs/in-use")).expect("made");
    expect(
        &run(project, &url, &["verify"]),
        0,
        &["with 5 entries", "warning: how far the log was proved is not remembered"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_a_log_is_told_apart() {
    let honest = Server::start();
    publish(&honest, &[("a", 1), ("b", 1), ("c", 1)]).await;
    let project = tempfile::tempdir().expect("a folder");
    let project = project.path();
    let url = honest.url();
    expect(&run(project, &url, &["lock", "bj.test/b@^1", "bj.test/c@^1"]), 0, &["wrote"]);
    let lock = fs::read_to_string(project.join("guiju.lock")).expect("a lock");
    assert!(lock.lines().any(|line| line.starts_with("log guiju-log/") && line.contains(" 3 ")), "{lock}");
    expect(&run(project, &url, &["verify"]), 0, &["ok    bj.test/b@^1", "entry 1", "entry 2", "with 3 entries"]);
    expect(&run(project, &url, &["verify", "--offline"]), 0, &["ok    bj.test/b@^1", "entry 1", "with 3 entries"]);
    publish(&honest, &[("d", 1)]).await;
    expect(&run(project, &url, &["verify"]), 0, &["with 4 entries"]);
    expect(&run(project, &url, &["monitor", "bj.test"]), 0, &["published", "bj.test/d 1.0.0", "4 entries are what"]);
    let remembering = ["monitor", "bj.test", "--state", "seen"];
    expect(&run(project, &url, &remembering), 0, &["bj.test/a 1.0.0", "bj.test/d 1.0.0"]);
    publish(&honest, &[("e", 1)]).await;
    let news = run(project, &url, &remembering);
    expect(&news, 0, &["     4  published   bj.test/e 1.0.0"]);
    assert!(!said(&news).contains("bj.test/d"), "{}", said(&news));

    // A checkpoint is given again for some seconds; whoever allows none of them is told its age.
    let frozen = (0..10).any(|_| {
        thread::sleep(Duration::from_millis(1100));
        let output = run(project, &url, &["verify", "--log-age-max", "0"]);
        output.status.code() == Some(1) && said(&output).contains("the log is frozen: its latest checkpoint is")
    });
    assert!(frozen);

    let data = honest.folder.path();
    for (names, words) in [
        (vec![("a", 1), ("b", 2), ("c", 1), ("d", 1)], ["the log is rewritten", "`bj.test/b@=1.0.0` is tampered with"]),
        (vec![("a", 1), ("c", 1), ("d", 1), ("e", 1)], ["the log is rewritten", "`bj.test/b@=1.0.0` was removed"]),
        (vec![("a", 1), ("c", 1), ("b", 1), ("d", 1)], ["the log is rewritten", "`bj.test/b@=1.0.0` was moved"]),
        (vec![("z", 1), ("b", 1), ("c", 1)], ["the log is forked", "both checkpoints together prove it"]),
        (vec![("a", 1), ("b", 1)], ["the log went back", "`bj.test/c@=1.0.0` was removed"]),
    ] {
        let server = impostor(data, &names).await;
        for command in [["verify"].as_slice(), &["monitor"]] {
            expect(&run(project, &server.url(), command), 1, &words);
            let remembering = run(project, &server.url(), &remembering);
            assert_eq!(remembering.status.code(), Some(1), "{}", said(&remembering));
        }
        let before = fs::read(project.join("guiju.lock")).expect("a lock");
        expect(&run(project, &server.url(), &["lock", "bj.test/a@^1", "bj.test/b@^1"]), 2, &[]);
        assert_eq!(fs::read(project.join("guiju.lock")).expect("a lock"), before, "nothing is written");
    }
    let stranger = Server::start();
    publish(&stranger, &[("a", 1), ("b", 1), ("c", 1)]).await;
    expect(&run(project, &stranger.url(), &["verify"]), 1, &["the checkpoint is of the log `guiju-log/"]);

    // A lock whose pin lies beyond the log.
    fs::write(project.join("guiju.lock"), lock.replace(" 2\n", " 9\n")).expect("written");
    expect(&run(project, &url, &["verify"]), 1, &["`bj.test/c@=1.0.0` is not there: the lock has it at entry 9"]);

    // What the lock says is proved too, not only what the registry says.
    let other = lock.replace(" 1\n", " 0\n");
    fs::write(project.join("guiju.lock"), other).expect("written");
    expect(&run(project, &url, &["verify"]), 1, &["FAIL  bj.test/b@^1"]);
    expect(&run(project, &url, &["verify", "--offline"]), 1, &["FAIL  bj.test/b@^1", "is not proved"]);
}

/// A version that was withdrawn serves for records of the days on which it was in force, where it was pinned for one of these.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_force_may_be_held_for_old_records() {
    let server = Server::start();
    let registry = Registry::connect(&server.url()).await.expect("connected");
    for (version, from, most) in [("1.0.0", "2024-01-01", 1), ("2.0.0", "", 0)] {
        let schema = format!(r#"{{"type":"object","maxProperties":{most}}}"#).into_bytes();
        let package = Package {
            standard: "bj.test/a".parse().expect("a standard"),
            version: version.parse().expect("a version"),
            kind: Kind::Record,
            files: [("schema.json".to_owned(), schema)].into(),
        };
        let terms = Terms { dates: Dates::parse(from, "", "").expect("days"), ..Terms::default() };
        registry.publish_for(version, &package, METADATA, terms, false).await.expect("published");
    }
    let project = tempfile::tempdir().expect("a folder");
    let (project, url) = (project.path(), server.url());
    expect(&run(project, &url, &["withdraw", "bj.test/a@=1.0.0", "--why", "it was wrong"]), 0, &[]);
    let as_of = ["lock", "bj.test/a", "--as-of", "2024-06-01"];
    expect(&run(project, &url, &as_of), 0, &["+ bj.test/a  1.0.0", "is withdrawn", "wrote"]);
    let lock = fs::read_to_string(project.join("guiju.lock")).expect("a lock");
    assert!(lock.ends_with(" 0 2024-06-01\n"), "{lock}");
    let words = ["ok    bj.test/a  1.0.0", "entry 0, for records of 2024-06-01, when it was in force; withdrawn since"];
    expect(&run(project, &url, &["verify"]), 0, &words);
    expect(&run(project, "", &["verify", "--offline"]), 0, &["ok    bj.test/a  1.0.0"]);
    for again in [&as_of[..], &["--locked", "lock", "bj.test/a"]] {
        expect(&run(project, &url, again), 0, &["  bj.test/a  1.0.0", "is up to date"]);
    }
    fs::write(project.join("record.json"), r#"{"x":1}"#).expect("written");
    let check = ["check", "--locked", "--offline", "--standard", "bj.test/a", "record.json"];
    expect(&run(project, "", &check), 0, &["against bj.test/a 1.0.0"]);

    // For a day on which it was not in force it serves no more than without one.
    for (day, words) in
        [(" 2099-01-01", "and it was not in force on 2099-01-01"), ("", "`bj.test/a` 1.0.0 is withdrawn")]
    {
        fs::write(project.join("guiju.lock"), lock.replace(" 2024-06-01", day)).expect("written");
        expect(&run(project, &url, &["verify"]), 1, &["FAIL  bj.test/a", words]);
    }
    expect(&run(project, &url, &["lock", "bj.test/a"]), 0, &["+ bj.test/a  2.0.0", "wrote"]);
    let lock = fs::read_to_string(project.join("guiju.lock")).expect("a lock");
    assert!(lock.ends_with(" 1\n"), "{lock}");
}

/// That a log signs with another key now is remembered, though nothing has come to it since: who stole the old key has nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_replaced_signs_nothing_for_who_saw_that() {
    let honest = Server::start();
    publish(&honest, &[("a", 1)]).await;
    let project = tempfile::tempdir().expect("a folder");
    let (project, url, address) = (project.path(), honest.url(), honest.address.clone());
    expect(&run(project, &url, &["lock", "bj.test/a"]), 0, &["wrote"]);
    let lock = fs::read(project.join("guiju.lock")).expect("a lock");
    let folder = honest.kill();
    let stolen = tempfile::tempdir().expect("a folder");
    copy(&folder.path().join("data"), &stolen.path().join("data"));
    let rotated = server_command(&["rotate-key", "--data"]).arg(folder.path().join("data")).output().expect("it runs");
    expect(&rotated, 0, &[]);
    let _honest = Server::start_in(folder, &["--listen", &address]);
    expect(&run(project, &url, &["verify"]), 0, &["with 1 entries"]);
    assert_eq!(fs::read(project.join("guiju.lock")).expect("a lock"), lock, "the lock is as it was");

    let thief = Server::start_in(stolen, &[]);
    publish(&thief, &[("b", 1)]).await;
    let words = ["and no rotation leads to it any more"];
    for command in [&["verify"][..], &["monitor"], &["history", "bj.test/a"]] {
        expect(&run(project, &thief.url(), command), 1, &words);
    }
    expect(&run(project, &thief.url(), &["lock", "bj.test/a", "bj.test/b"]), 2, &words);
    assert_eq!(fs::read(project.join("guiju.lock")).expect("a lock"), lock, "nothing is written");
    expect(&run(project, &url, &["verify"]), 0, &["with 1 entries"]);
    // The lock learns of the key by `guiju lock` alone, and then knows it without the cache.
    expect(&run(project, &url, &["lock", "bj.test/a"]), 0, &["wrote"]);
    fs::remove_dir_all(project.join("cache/logs")).expect("removed");
    expect(&run(project, &thief.url(), &["verify"]), 1, &words);
}

/// Who answers that there is no such standard does not have the program's copy take the place of what was published.
#[tokio::test(flavor = "multi_thread")]
async fn a_denied_standard_is_not_replaced_by_the_programs_copy() {
    let (server, standard) = (Server::start(), "cn.gb/gbt-2261-1");
    let folder = crate::support::root().join("standards").join(standard);
    let project = tempfile::tempdir().expect("a folder");
    let (project, url) = (project.path(), server.url());
    expect(&run(project, &url, &["publish", &folder.display().to_string()]), 0, &["1 published"]);
    let halves = between(&server, [("Resolve", Trick::Denied)]).await;
    let all = between(&server, [("Resolve", Trick::Denied), ("ListVersions", Trick::Denied)]).await;

    // A project that was told nothing before: what is listed, else the log, says otherwise.
    for (liar, words) in [
        (&halves, &["there is no such standard"][..]),
        (
            &all,
            &[
                "that it has no standard `cn.gb/gbt-2261-1`, and its log publishes it",
                "entry 0: cn.gb/gbt-2261-1 1.0.0",
            ],
        ),
    ] {
        expect(&run(project, liar, &["lock", standard]), 2, words);
        assert!(!project.join("guiju.lock").exists(), "nothing is written");
    }
    expect(&run(project, &url, &["lock", standard]), 0, &["wrote"]);
    let lock = fs::read_to_string(project.join("guiju.lock")).expect("a lock");
    assert!(lock.ends_with(" 0\n"), "{lock}");
    for liar in [&halves, &all] {
        for named in [standard, "cn.gb/gbt-2261-1@^1", "cn.gb/gbt-2261-1@=1.0.0"] {
            let refused = run(project, liar, &["lock", named]);
            expect(&refused, 2, &["guiju.lock has 1.0.0 at entry 0 of the log"]);
            assert_eq!(fs::read_to_string(project.join("guiju.lock")).expect("a lock"), lock, "it keeps its place");
        }
        // What is proved needs no other answer.
        expect(&run(project, liar, &["verify"]), 0, &["ok    cn.gb/gbt-2261-1", "entry 0"]);
    }
    // By its digest it is what it is, and is pinned with its place all the same.
    let digest = lock.split(' ').find(|word| word.starts_with("sha256:")).expect("a digest");
    let by_digest = format!("{standard}@{digest}");
    expect(&run(project, &url, &["lock", &by_digest]), 0, &["wrote"]);
    let lock = fs::read_to_string(project.join("guiju.lock")).expect("a lock");
    assert!(!lock.contains(" -\n"), "{lock}");
    // A lock of which somebody took the place away, online and offline.
    fs::write(project.join("guiju.lock"), lock.replace(" 0\n", " -\n")).expect("written");
    let words = ["the content is whole; not shown to be of the log, which has it as entry 0"];
    expect(&run(project, &url, &["verify"]), 0, &words);
    expect(&run(project, &all, &["verify"]), 0, &words);
    expect(&run(project, "", &["verify", "--offline"]), 0, &["the content is whole; it is of no log"]);
}

/// What `guiju init` pins from a registry is proved as `guiju lock` does it, or nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_project_begins_with_what_is_proved() {
    let server = Server::start();
    let registry = Registry::connect(&server.url()).await.expect("connected");
    for name in ["bj.population/person", "bj.water/meter-reading"] {
        let package = Package {
            standard: name.parse().expect("a standard"),
            version: semver::Version::new(2, 0, 0),
            kind: Kind::Record,
            files: [("schema.json".to_owned(), br#"{"type":"object"}"#.to_vec())].into(),
        };
        registry.publish(&name.replace('/', "-"), &package, METADATA, false).await.expect("published");
    }
    let home = tempfile::tempdir().expect("a folder");
    let (project, url) = (home.path(), server.url());
    let other = guiju::tlog::SigningKey::from_seed("other.example/log", &[7; 32]).expect("a key").verifier();
    fs::write(project.join("policy"), format!("log {other}\nquorum none\n")).expect("written");
    let refused = run(project, "", &["--registry", &url, "init", "--log-policy", "policy"]);
    expect(&refused, 2, &["`other.example/log"]);
    assert!(!project.join("guiju.toml").exists() && !project.join("guiju.lock").exists());
    expect(&run(project, "", &["--registry", &url, "init"]), 0, &["wrote guiju.lock"]);
    let lock = fs::read_to_string(project.join("guiju.lock")).expect("a lock");
    assert!(lock.contains("\nlog guiju-log/") && lock.contains(" 1\n"), "{lock}");
    drop(server);
    expect(&run(project, "", &["--offline", "verify"]), 0, &["entry 0", "entry 1", "with 2 entries"]);
}
