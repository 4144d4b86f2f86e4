//! Keys of a log on a real cluster, changed by hand: each is found and named, none is served, and what another copy can put right is
//! put right where it stands.

use crate::{
    cluster::Node,
    damage::{answers, filled},
    etcd_servers::server,
    fuzz::Dice,
    grpc::{METADATA, registry},
    http::page,
    mirror::{copy, follow, has_followed},
    support::{Server, rounds, said, server_command},
    witness::ask,
};
use guiju_proto::registry::{File, Kind, PublishRequest};
use guiju_server::{
    settings::{Engine, Settings, Urls},
    store::Store,
};
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const PREFIX: &str = "/guiju/";

/// A cluster with a log, the folder of a server of it, and copies of all sorts.
struct Template {
    node: Node,
    work: tempfile::TempDir,
    data: PathBuf,
    /// By key, as `etcdctl` tells it.
    keys: BTreeMap<String, String>,
    /// What `--repair-from` takes: folders, and registries that are kept alive here.
    copies: Vec<String>,
    _servers: Vec<Server>,
    expected: BTreeMap<String, String>,
}

/// A code list of which the document takes three rows.
fn long_list() -> PublishRequest {
    let rows: String = (0..60_000).map(|number| format!("{number:06},第{number}种物品的名称,,,,,,\n")).collect();
    let content = format!("code,name_zh,name_en,parent,valid_from,valid_to,alias,note\n{rows}");
    assert!(content.len() > 2 << 20);
    PublishRequest {
        operation_id: "long".into(),
        standard: "bj.library/items".into(),
        version: "1.0.0".into(),
        kind: Kind::CodeList.into(),
        metadata_toml: METADATA.replace("\"record\"", "\"code-list\"") + "basis = [\"made up\"]\n",
        files: vec![File { path: "codes.csv".into(), content: content.into() }],
        ..Default::default()
    }
}

async fn template() -> Template {
    let (node, work) = (Node::single(), tempfile::tempdir().expect("a folder"));
    let at = |name: &str| work.path().join(name).display().to_string();
    let first = server(&node.client_url, None, &[]);
    filled(&first).await;
    registry(&first).await.publish(long_list()).await.expect("published");
    ask(&first, "GET", "/checkpoint", "");
    let mirror = follow(&first.url(), tempfile::tempdir().expect("a folder"), &[]);
    has_followed(&mirror, 14).await;
    let (_, folder) = tokio::task::spawn_blocking(move || first.stop()).await.expect("stopped");
    let data = work.path().join("data");
    copy(&folder.path().join("data"), &data);
    let mut copies = Vec::new();
    for (command, target) in [("backup", at("backup")), ("export", at("export"))] {
        let ended = on(&node, &data, &[command, "--to", &target]);
        assert_eq!(ended.0, 0, "{}", ended.1);
        copies.push(target);
    }
    // A registry that has the same log, on a journal of its own; and the mirror of it, by its URL.
    let twin = tempfile::tempdir().expect("a folder");
    let ended = server_command(&["restore", "--from", &at("backup"), "--data"]).arg(twin.path().join("data")).output();
    assert!(ended.as_ref().is_ok_and(|ended| ended.status.success()), "{}", said(&ended.expect("it runs")));
    copy(&data.join("log-key"), &twin.path().join("data/log-key"));
    let twin = Server::start_in(twin, &[]);
    copies.extend([twin.url(), mirror.url()]);
    let keys = dump(&node);
    let expected = {
        let place = work.path().join("expected");
        copy(&data, &place);
        let url = node.client_url.clone();
        tokio::task::spawn_blocking(move || answers(&open(&url, &place).expect("it opens"))).await.expect("it answers")
    };
    Template { node, work, data, keys, copies, _servers: vec![twin, mirror], expected }
}

/// A command on the cluster; its exit code and what it said.
fn on(node: &Node, data: &Path, words: &[&str]) -> (i32, String) {
    let mut command = server_command(&words[..1]);
    command.args(["--engine", "etcd", "--etcd-endpoints", &node.client_url, "--data"]).arg(data).args(&words[1..]);
    let output = command.output().expect("it runs");
    (output.status.code().expect("an exit code"), said(&output))
}

fn open(url: &str, data: &Path) -> Result<Store, String> {
    let settings = Settings {
        data: data.to_owned(),
        engine: Engine::Etcd,
        etcd_endpoints: Some(Urls(vec![url.to_owned()])),
        ..Settings::defaults().expect("defaults")
    };
    Store::open(&settings).map_err(|fault| fault.to_string())
}

/// What `etcdctl` says, with something on its standard input; asked again where a busy machine keeps it waiting.
fn told(node: &Node, words: &[&str], given: &[u8]) -> Vec<u8> {
    let mut tries = 0;
    loop {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &node.client_url, "--command-timeout", "20s"]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("etcdctl is installed");
        child.stdin.take().expect("a pipe").write_all(given).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        if output.status.success() {
            return output.stdout;
        }
        tries += 1;
        assert!(tries < 5, "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// All keys of the log; keys and values in base64, as they are told.
fn dump(node: &Node) -> BTreeMap<String, String> {
    let text = told(node, &["get", "--prefix", PREFIX, "-w", "json"], b"");
    let told: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let word = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    told["kvs"].as_array().into_iter().flatten().map(|row| (word(row, "key"), word(row, "value"))).collect()
}

fn names(node: &Node) -> Vec<String> {
    let text = String::from_utf8(told(node, &["get", "--prefix", PREFIX, "--keys-only"], b"")).expect("text");
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn value(node: &Node, key: &str) -> Vec<u8> {
    let told = told(node, &["get", key, "--print-value-only"], b"");
    told.strip_suffix(b"\n").expect("a value").to_vec()
}

fn put(node: &Node, key: &str, value: &[u8]) {
    match value.is_empty() {
        true => told(node, &["put", key, ""], b""),
        false => told(node, &["put", key], value),
    };
}

/// The part of a log that a key is of.
fn part(key: &str) -> &str {
    key[PREFIX.len()..].split('/').next().expect("a word")
}

/// Damages one or two keys of a sort; which, in words, and what was there.
fn damage(node: &Node, names: &[String], dice: &mut Dice) -> (String, Vec<(String, Vec<u8>)>) {
    let parts = ["head", "entry", "operation", "blob", "agreed"];
    let wanted = *dice.pick(&parts);
    let of_part: Vec<&String> = names.iter().filter(|key| part(key) == wanted).collect();
    let key = (*dice.pick(&of_part)).clone();
    let old = value(node, &key);
    match dice.below(4) {
        0 => {
            told(node, &["del", &key], b"");
            (format!("{key} removed"), vec![(key, old)])
        }
        1 if of_part.len() > 1 => {
            let other = loop {
                let other = (*dice.pick(&of_part)).clone();
                if other != key {
                    break other;
                }
            };
            let there = value(node, &other);
            put(node, &key, &there);
            put(node, &other, &old);
            (format!("{key} and {other} swapped"), vec![(key, old), (other, there)])
        }
        2 => {
            let at = dice.below(old.len());
            put(node, &key, &old[..at]);
            (format!("{key} cut at {at}"), vec![(key, old)])
        }
        _ => {
            let (at, bit) = (dice.below(old.len()), dice.below(8));
            let mut new = old.clone();
            new[at] ^= 1 << bit;
            put(node, &key, &new);
            (format!("bit {bit} of byte {at} of {key} flipped"), vec![(key, old)])
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_cluster_changed_by_hand_are_named_never_served_and_put_right() {
    let template = template().await;
    tokio::task::spawn_blocking(move || damaged(&template)).await.expect("it holds");
}

fn damaged(template: &Template) {
    let Template { node, data, keys, copies, expected, .. } = template;
    let names = names(node);
    let (code, text) = on(node, data, &["verify"]);
    assert!(code == 0 && text.starts_with("sound: 14 entries, "), "{text}");
    let mut dice = Dice(0x5eed_5eed_0e7c);
    // By part of the log: put right, refused.
    let mut outcomes: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for round in 0..rounds(30) {
        let (what, old) = damage(node, &names, &mut dice);
        let what = format!("round {round}: {what}");
        let (code, found) = on(node, data, &["verify"]);
        if what.ends_with("/guiju/agreed/checkpoint removed") {
            // So it is, too, before any of the servers has signed on a cluster; each keeps what it signed itself.
            assert_eq!(code, 0, "{what}: {found}");
            old.iter().for_each(|(key, old)| put(node, key, old));
            continue;
        }
        assert_eq!(code, 1, "{what}: {found}");
        let first = found.lines().next().unwrap_or_default();
        // Of a swap one of both may be told as that which moved; rows of one blob are one document.
        let folder =
            |key: &str| if part(key) == "blob" { key[..PREFIX.len() + 5 + 64].to_owned() } else { key.to_owned() };
        assert!(
            first.starts_with("error: ") && old.iter().any(|(key, _)| found.contains(&folder(key))),
            "{what}: {found}"
        );
        if part(&old[0].0) == "entry" {
            assert!(found.contains("entry ") || found.contains("entries "), "{what}: {found}");
        }

        // A server with its view, and one that makes it anew.
        for is_bare in [false, true] {
            let place = tempfile::tempdir().expect("a folder");
            let folder = place.path().join("data");
            copy(data, &folder);
            if is_bare {
                std::fs::remove_dir_all(folder.join("view")).expect("removed");
            }
            match open(&node.client_url, &folder) {
                Err(refusal) => assert!(!refusal.is_empty(), "{what}"),
                Ok(store) => {
                    for (question, answer) in answers(&store) {
                        assert_eq!(Some(&answer), expected.get(&question), "{what}: another answer to `{question}`");
                    }
                }
            }
        }
        // What a refusal of a server without view may have changed there is the key that it agreed to; nothing else.
        let before = dump(node);
        let from = &copies[round as usize % copies.len()];
        let (code, text) = on(node, data, &["verify", "--repair-from", from]);
        let outcome = outcomes.entry(part(&old[0].0).to_owned()).or_default();
        match code {
            0 => {
                assert!(text.starts_with("repaired: 14 entries under /guiju/\n"), "{what} from {from}: {text}");
                assert!(text.contains("sound: 14 entries, "), "{what} from {from}: {text}");
                outcome[0] += 1;
            }
            1 => {
                assert!(text.starts_with("error: ") && text.contains("\nhint: "), "{what} from {from}: {text}");
                assert!(dump(node) == before, "{what} from {from}: refused, and yet changed");
                // A number that was raised is like a loss that nobody has a copy of.
                assert!(["head", "agreed"].contains(&part(&old[0].0)) && text.contains(" names "), "{what}: {text}");
                old.iter().for_each(|(key, old)| put(node, key, old));
                outcome[1] += 1;
            }
            _ => panic!("{what} from {from}: {code} {text}"),
        }
        let now = dump(node);
        for key in keys.keys().chain(now.keys()) {
            assert_eq!(now.get(key), keys.get(key), "{what} from {from}: {key} differs");
        }
    }
    eprintln!("put right, refused: {outcomes:?}");
    assert!(["entry", "operation", "blob"].iter().all(|part| outcomes[*part][0] > 0 && outcomes[*part][1] == 0));
}

/// More than one key at once, a head that is gone, and copies that do not help.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_copy_cannot_prove_is_refused_and_nothing_is_changed() {
    let template = template().await;
    tokio::task::spawn_blocking(move || refused(&template)).await.expect("it holds");
}

fn refused(template: &Template) {
    let Template { node, work, data, keys, copies, .. } = template;
    let (backup, entry) = (&copies[0], |index: u64| format!("{PREFIX}entry/{index:020}"));
    let none = work.path().join("none");
    let restored = |what: &str| {
        let (code, text) = on(node, data, &["verify", "--repair-from", backup]);
        assert_eq!(code, 0, "{what}: {text}");
        assert!(dump(node) == *keys, "{what}");
    };
    // Everything but what the servers agree on.
    for folder in ["entry/", "operation/", "blob/", "head"] {
        told(node, &["del", "--prefix", &format!("{PREFIX}{folder}")], b"");
    }
    let (code, text) = on(node, data, &["verify"]);
    assert!(code == 1 && text.contains("`/guiju/agreed/checkpoint`: the log does not begin with"), "{text}");
    restored("all is gone");

    // The head is gone: no server begins a second history, with or without a view; one that runs says so, and goes on once it is back.
    let place = tempfile::tempdir().expect("a folder");
    copy(data, &place.path().join("data"));
    let running = Server::start_in(place, &["--engine", "etcd", "--etcd-endpoints", &node.client_url]);
    let says = |line: &str| {
        let begin = std::time::Instant::now();
        while !page(&running.address, "/healthz").lines().any(|found| found.starts_with(line)) {
            assert!(begin.elapsed() < Duration::from_secs(60), "{line}: {}", page(&running.address, "/healthz"));
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    says("status: ready");
    told(node, &["del", &format!("{PREFIX}head")], b"");
    for folder in [data, &none] {
        let (code, text) = on(node, folder, &["serve", "--listen", "127.0.0.1:0"]);
        assert!(code == 2 && text.contains("`/guiju/head` is damaged"), "{text}");
    }
    says("status: read-only: `/guiju/head` is damaged");
    let asked = page(&running.address, "/checkpoint");
    assert!(asked.contains("what the log holds is not what was written"), "{asked}");
    restored("the head is gone");
    says("status: ready");

    // A head that promises entries which nobody has: they are named, and not asked for over and over.
    let first = value(node, &entry(0));
    let chain = guiju_server::log::Head::empty().then(&first[1 + usize::from(first[0])..]).chain;
    let head = value(node, &format!("{PREFIX}head"));
    put(node, &format!("{PREFIX}head"), format!("v1 15 {chain}").as_bytes());
    let (code, text) = on(node, &none, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(code == 2 && text.contains("it is missing, and the head names it"), "{text}");
    let begin = std::time::Instant::now();
    while !running.log().contains("it is not there, and the log's head names 15 entries") {
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", running.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    // No copy says that it is false: it may be that an entry is lost. Whoever knows better puts the old one back.
    let (code, text) = on(node, data, &["verify", "--repair-from", backup]);
    assert!(code == 1 && text.contains("neither the cluster nor the copy has entry 14"), "{text}");
    put(node, &format!("{PREFIX}head"), &head);
    drop(running);

    // An older head, as a careless hand puts it back.
    put(node, &format!("{PREFIX}head"), format!("v1 1 {chain}").as_bytes());
    let (code, text) = on(node, &none, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(code == 2 && text.contains("it names 1 entries, and entry 1 is there"), "{text}");
    restored("the head is older");

    // A copy of another log, and one that ends before the damage.
    let stranger = work.path().join("stranger");
    let other = Server::start();
    let mut ended = server_command(&["backup", "--data"]);
    ended.arg(other.folder.path().join("data")).arg("--to").arg(&stranger);
    assert!(ended.output().expect("it runs").status.success());
    let last = value(node, &entry(13));
    told(node, &["del", &entry(13)], b"");
    let before = dump(node);
    let (code, text) = on(node, data, &["verify", "--repair-from", &stranger.display().to_string()]);
    assert!(code == 1 && text.contains("neither the cluster nor the copy has entry 13"), "{text}");
    assert!(dump(node) == before, "nothing is changed");
    put(node, &entry(13), &last);
    let (code, text) = on(node, data, &["verify"]);
    assert_eq!(code, 0, "{text}");

    // A key that nobody's server wrote looks like a loss of all that would stand before it; whoever knows better takes it away.
    let stray = format!("{PREFIX}entry/{:020}", 9999);
    put(node, &stray, b"mine");
    let from = template.copies[0].as_str();
    let (code, text) = on(node, data, &["verify", "--repair-from", from]);
    assert!(code == 1 && text.contains(&format!("`{stray}` is there")), "{text}");
    assert!(text.contains(&format!("`etcdctl del {stray}`")), "{text}");
    told(node, &["del", &stray], b"");
    let (code, text) = on(node, data, &["verify", "--repair-from", from]);
    assert_eq!(code, 0, "{text}");
}
