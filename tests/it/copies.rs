//! Copies of a log, as a backup and as an export: from a journal and from a cluster, to a journal and to a cluster. Whatever the road,
//! it is the same log, or it is refused.

use crate::{
    cluster::Node,
    etcd_servers::server,
    grpc::{METADATA, SCHEMA, registry, submission},
    support::{Server, said, server_command},
};
use guiju_proto::{
    governance::{CommentRequest, DraftRequest, proposals_client::ProposalsClient},
    registry::{PublishRequest, ResolveRequest},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

/// Where a log is, as flags.
struct Place(Vec<String>);

impl Place {
    fn folder(data: &Path) -> Self {
        Self(["--data", text(data)].map(str::to_owned).into())
    }

    fn cluster(node: &Node, prefix: &str) -> Self {
        let flags =
            ["--engine", "etcd", "--etcd-endpoints", &node.client_url, "--etcd-prefix", prefix, "--data", "/none"];
        Self(flags.map(str::to_owned).into())
    }

    fn command(&self, command: &str, more: &[&str]) -> Command {
        let mut made = server_command(&[command]);
        made.args(&self.0).args(more);
        made
    }

    fn run(&self, command: &str, more: &[&str]) -> (i32, String) {
        let output = self.command(command, more).output().expect("it runs");
        (output.status.code().expect("an exit code"), said(&output))
    }

    fn runs(&self, command: &str, more: &[&str]) -> String {
        let (code, text) = self.run(command, more);
        assert_eq!(code, 0, "{command}: {text}");
        text
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The lines that every copy of one log has the same.
fn sums(text: &str) -> Vec<String> {
    let lines: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("chain ") || line.starts_with("root "))
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
    lines
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).expect("a folder").flatten().map(|entry| entry.path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let bytes = fs::read(&path).expect("read");
                    found.insert(path.strip_prefix(folder).expect("below").to_owned(), bytes);
                }
            }
        }
    }
    found
}

/// Versions of which an earlier one has other metadata, a proposal with a draft, and what was said of it.
async fn filled(server: &Server) {
    let mut client = registry(server).await;
    client.publish(submission("1.0.0", SCHEMA)).await.expect("published");
    let metadata_toml = METADATA.replace("Catalogue room", "Reading room");
    client
        .publish(PublishRequest {
            metadata_toml,
            ..submission("1.1.0", &SCHEMA.replace("card number", "number of the card"))
        })
        .await
        .expect("published");
    let mut desk = ProposalsClient::connect(server.url()).await.expect("connected");
    let draft = DraftRequest {
        operation_id: "draft".into(),
        name: "zhang".into(),
        candidate: Some(submission("2.0.0", &SCHEMA.replace('8', "6"))),
        text: "cards get shorter".into(),
        ..Default::default()
    };
    let proposal = desk.draft(draft).await.expect("drafted").into_inner().proposal.expect("a proposal").id;
    let comment = CommentRequest {
        operation_id: "comment".into(),
        name: "li".into(),
        proposal,
        text: "what of the old ones?".into(),
        ..Default::default()
    };
    desk.comment(comment).await.expect("said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_the_same_by_every_road() {
    let server = Server::start();
    filled(&server).await;
    let (work, node) = (tempfile::tempdir().expect("a folder"), Node::single());
    let at = |name: &str| work.path().join(name);
    let first = Place::folder(&server.folder.path().join("data"));
    let expected = sums(&first.runs("verify", &[]));
    let export = at("first-export");
    assert!(first.runs("export", &["--to", text(&export)]).starts_with("exported: 2 versions and 4 entries in "));
    let exported = files(&export);
    let standard =
        String::from_utf8_lossy(&exported[Path::new("standards/bj.library/card/standard.toml")]).into_owned();
    assert!(standard.contains("Reading room"), "as the last version left it: {standard}");
    let documents = exported.iter().filter(|(path, _)| path.starts_with("documents"));
    let has = |part: &str| documents.clone().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains(part));
    assert!(has("Catalogue room") && has("cards get shorter") && has("what of the old ones?"), "nothing is left out");

    for (out, back) in [("backup", "restore"), ("export", "import")] {
        let (copy, folder, prefix) = (at(out), at(&format!("{back}-data")), format!("/{back}/"));
        assert_eq!(sums(&first.runs(out, &["--to", text(&copy)])), expected);
        for target in [Place::folder(&folder), Place::cluster(&node, &prefix)] {
            let said = target.runs(back, &["--from", text(&copy)]);
            assert!(said.starts_with(&format!("{back}ed: 4 entries in ").replace("eed", "ed")), "{said}");
            assert_eq!((sums(&said), sums(&target.runs("verify", &[]))), (expected.clone(), expected.clone()));
            // And from there once more, by the other road.
            let (again, data) = (at("again"), at("again-data"));
            assert_eq!(sums(&target.runs("export", &["--to", text(&again)])), expected);
            assert!(files(&again) == exported, "an export of a copy is the same to the byte");
            fs::remove_dir_all(&again).expect("removed");
            assert_eq!(sums(&target.runs("backup", &["--to", text(&again)])), expected);
            let third = Place::folder(&data);
            assert_eq!(sums(&third.runs("restore", &["--from", text(&again)])), expected);
            for folder in [again, data] {
                fs::remove_dir_all(folder).expect("removed");
            }
        }
        // What holds a log gets no other; the same one a cluster has already.
        let (code, said) = Place::folder(&folder).run(back, &["--from", text(&copy)]);
        assert!(code == 2 && said.contains("holds something already: `journal`"), "{said}");
        Place::cluster(&node, &prefix).runs(back, &["--from", text(&copy)]);
        let (code, said) = Place(vec!["--engine".into(), "memory".into()]).run(back, &["--from", text(&copy)]);
        assert!(code == 2 && said.contains("is gone when its server ends"), "{said}");
    }
    registry(&server).await.publish(submission("1.2.0", SCHEMA)).await.expect("published");
    assert_eq!(first.run("backup", &["--to", text(&at("later"))]).0, 0);
    let other = Server::start();
    registry(&other).await.publish(submission("3.0.0", SCHEMA)).await.expect("published");
    let stranger = Place::folder(&other.folder.path().join("data"));
    stranger.runs("export", &["--to", text(&at("stranger"))]);
    let (code, said) = Place::cluster(&node, "/import/").run("import", &["--from", text(&at("stranger"))]);
    assert!(code == 2 && said.contains("the target holds another log"), "{said}");

    // A server goes on with what was made, under a key that an operator put there before.
    for (folder, flags) in [("import-data", vec![]), ("cluster", Place::cluster(&node, "/import/").0[..6].to_vec())] {
        let home = tempfile::tempdir().expect("a folder");
        if flags.is_empty() {
            fs::rename(at(folder), home.path().join("data")).expect("moved");
        }
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let data = home.path().join("data");
        fs::create_dir_all(&data).expect("made");
        let copied = Command::new("cp").arg("-r").arg(server.folder.path().join("data/log-key")).arg(&data).status();
        assert!(copied.is_ok_and(|status| status.success()));
        let server = Server::start_in(home, &flags);
        let mut client = registry(&server).await;
        let asked = ResolveRequest { reference: "bj.library/card@^1".into(), ..Default::default() };
        let found = client.resolve(asked).await.expect("resolved").into_inner().version.expect("a version");
        assert_eq!((found.version.as_str(), found.log_index), ("1.1.0", 1));
        let again = client.publish(submission("1.0.0", SCHEMA)).await.expect("the same").into_inner();
        assert!(!again.is_new, "operations came along");
        client.publish(submission("1.3.0", SCHEMA)).await.expect("it goes on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_which_any_file_was_changed_makes_no_log() {
    let server = Server::start();
    filled(&server).await;
    let (work, target) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (export, data) = (work.path().join("export"), target.path().join("data"));
    Place::folder(&server.folder.path().join("data")).runs("export", &["--to", text(&export)]);
    let target = Place::folder(&data);
    let refused = |what: &str, named: &str| {
        let (code, said) = target.run("import", &["--from", text(&export)]);
        assert!(code == 1 || (code == 2 && what.ends_with("gone")), "{what}: {code} {said}");
        assert!(said.starts_with("error: ") && said.contains("\nhint: ") && said.contains(named), "{what}: {said}");
        assert!(!data.exists(), "{what}: something was made");
    };
    let whole = files(&export);
    assert!(whole.len() > 10, "{:?}", whole.keys());
    for (count, (path, bytes)) in whole.iter().enumerate() {
        let place = export.join(path);
        let named = match path.starts_with("documents") || path.starts_with("standards") {
            true => text(path),
            false => path.file_name().and_then(|name| name.to_str()).expect("a name"),
        };
        let is_sums = path == Path::new("export.toml");
        // What is said of the sums may be told of another file, or of none; and in their comment a bit means nothing.
        let named_if_changed = if is_sums { "" } else { named };
        let at = if is_sums { bytes.len() / 2 } else { (bytes.len() - 1) * (count % 7) / 6 };
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        fs::write(&place, &flipped).expect("written");
        refused(&format!("{named}, byte {at} flipped"), named_if_changed);
        fs::write(&place, &bytes[..bytes.len() - if is_sums { 20 } else { 1 }]).expect("written");
        refused(&format!("{named} cut"), named_if_changed);
        fs::remove_file(&place).expect("removed");
        // What is gone is known by its digest alone.
        refused(&format!("{named} gone"), if path.components().count() == 1 { named } else { "is not there" });
        fs::write(&place, bytes).expect("written");
    }
    fs::write(export.join("standards/bj.library/note.txt"), "mine").expect("written");
    refused("a file that does not belong there", "note.txt");
    fs::remove_file(export.join("standards/bj.library/note.txt")).expect("removed");

    // A list that was made anew with its digest, as by somebody who means it: the entries give another chain.
    let list = String::from_utf8(whole[Path::new("log.ndjson")].clone()).expect("text");
    let shorter = list.lines().take(3).map(|line| format!("{line}\n")).collect::<String>();
    let digest = guiju_model::Digest::of(shorter.as_bytes()).to_string();
    let sums = String::from_utf8(whole[Path::new("export.toml")].clone()).expect("text");
    let sums: Vec<&str> = sums.lines().filter(|line| !line.starts_with("list")).collect();
    fs::write(export.join("export.toml"), format!("{}\nlist = \"{digest}\"\n", sums.join("\n"))).expect("written");
    fs::write(export.join("log.ndjson"), shorter).expect("written");
    refused("an entry left out", "");
    for (name, bytes) in &whole {
        fs::write(export.join(name), bytes).expect("written");
    }
    target.runs("import", &["--from", text(&export)]);
}

/// Killed at any moment it may be run again, and makes the same log.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_cut_short_is_made_again() {
    let server = Server::start();
    let mut client = registry(&server).await;
    for number in 0..120_usize {
        let (standard, operation_id) = (format!("bj.many/s{number}"), format!("many-{number}"));
        let schema = SCHEMA.replace("card number", &format!("number {number}"));
        let request = PublishRequest { operation_id, standard, ..submission("1.0.0", &schema) };
        client.publish(request).await.expect("published");
    }
    let (work, node) = (tempfile::tempdir().expect("a folder"), Node::single());
    let at = |name: &str| work.path().join(name);
    let first = Place::folder(&server.folder.path().join("data"));
    let (backup, export) = (at("backup"), at("export"));
    let expected = sums(&first.runs("backup", &["--to", text(&backup)]));
    first.runs("export", &["--to", text(&export)]);
    for (command, from) in [("restore", &backup), ("import", &export)] {
        let data = at(&format!("{command}-data"));
        for target in [Place::folder(&data), Place::cluster(&node, &format!("/{command}/"))] {
            let more = ["--from", text(from)];
            let (mut step, mut cut_short) = (10, 0);
            loop {
                let mut child = target
                    .command(command, &more)
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .expect("it starts");
                tokio::time::sleep(Duration::from_millis(step)).await;
                child.kill().expect("killed");
                let ended = child.wait_with_output().expect("ended");
                if ended.status.success() {
                    break;
                }
                let why = String::from_utf8_lossy(&ended.stderr);
                // The one before was killed behind its last step.
                if why.contains("holds something already: `journal`\n") {
                    break;
                }
                assert_eq!(ended.status.code(), None, "it gave up, where it was to go on: {why}");
                cut_short += 1;
                step += 10 + step / 2;
                assert!(step < 60_000, "it never ends");
            }
            assert!(cut_short > 0, "it was quicker than it was killed");
            assert_eq!(sums(&target.runs("verify", &[])), expected, "{command}");
        }
    }
}

/// Taken while others publish, each copy is whole up to when it was begun.
#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_cluster_are_taken_under_load() {
    let node = Node::single();
    let one = server(&node.client_url, None, &[]);
    let (is_over, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..2_u64 {
        let (mut client, is_over, acknowledged) = (registry(&one).await, is_over.clone(), acknowledged.clone());
        publishers.spawn(async move {
            let mut number = 0;
            while !is_over.load(SeqCst) {
                number += 1;
                let (standard, operation_id) =
                    (format!("bj.load/p{publisher}-{number}"), format!("load-{publisher}-{number}"));
                let schema = SCHEMA.replace("card number", &operation_id);
                let request = PublishRequest { operation_id, standard, ..submission("1.0.0", &schema) };
                client.publish(request).await.expect("published");
                acknowledged.fetch_add(1, SeqCst);
            }
        });
    }
    while acknowledged.load(SeqCst) < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let work = tempfile::tempdir().expect("a folder");
    let of_cluster = Place::cluster(&node, "/guiju/");
    for round in 0..3 {
        for (out, back) in [("backup", "restore"), ("export", "import")] {
            let (copy, data) =
                (work.path().join(format!("{out}-{round}")), work.path().join(format!("{back}-{round}")));
            let before = acknowledged.load(SeqCst);
            let said = of_cluster.runs(out, &["--to", text(&copy)]);
            let target = Place::folder(&data);
            assert_eq!(sums(&target.runs(back, &["--from", text(&copy)])), sums(&said));
            let verified = target.runs("verify", &[]);
            let entries = verified.split(' ').nth(1).and_then(|word| word.parse::<u64>().ok()).expect("a count");
            assert!(entries >= before, "{out} has {entries} entries, and {before} were acknowledged before");
        }
    }
    is_over.store(true, SeqCst);
    publishers.join_all().await;
    assert!(of_cluster.runs("verify", &[]).starts_with(&format!("sound: {} entries, ", acknowledged.load(SeqCst))));
}
