//! A draft is private to its namespace: by whatever road somebody with no part in it comes, nothing is told but hashes, and the log is
//! proved all the same.

use crate::{
    access_served::{bootstrapped, channel, connected, grant, http_bytes, methods, principal, spoken},
    grpc::METADATA,
    mirror::{follow, has_followed},
    support::{Server, root, said, server_command},
    verify::{expect, run},
};
use base64::{Engine, prelude::*};
use guiju::{
    Leaf, LogDemands, LogSource, Registry, Terms,
    desk::{Hand, Move},
};
use guiju_model::{Digest, Kind, Package, Principal};
use guiju_proto::log::Entry;
use guiju_server::permissions;
use prost::Message;
use prost_reflect::DynamicMessage;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    time::Duration,
};

const AUTHOR: &str = "wombat";
/// What stands in drafts and what is said of them, and nowhere else.
const WORDS: [&str; 5] = ["quasar", "zirconium", "锆石", "heliotrope", "7.31.7"];
const SCHEMA: &str = r#"{"type":"object","properties":{"card":{"type":"string","maxLength":8,"title":"zirconium","x-guiju":{"titleZh":"锆石"}}},"x-guiju":{"vocabulary":"1"}}"#;

async fn token(root: &Registry, name: &str, roles: &[&str]) -> String {
    let (who, grants): (Principal, Vec<_>) = (principal(name), roles.iter().map(|role| grant(role)).collect());
    for (number, grant) in grants.iter().enumerate() {
        root.grant(&format!("grant-{name}-{number}"), &who, grant, "a test").await.expect("granted");
    }
    let made = root.create_token(&format!("token-{name}"), &who, &grants, Duration::from_secs(3600), "a test").await;
    made.expect("a token").secret.text().to_owned()
}

/// Proposals of every stage that is not published, and what tells of them.
struct Drafts {
    proposals: Vec<u64>,
    steps: Vec<u64>,
    /// Of what was drafted, and of what was said.
    digests: Vec<Digest>,
}

async fn drafted(author: &Registry, approver: &Registry) -> Drafts {
    let (mut proposals, mut steps, mut digests) = (Vec::new(), Vec::new(), Vec::new());
    let metadata = METADATA.replace("title_en = \"", "title_en = \"zirconium ");
    assert_ne!(metadata, METADATA);
    for stage in ["draft", "review", "objected", "approved", "rejected", "retracted"] {
        let package = Package {
            standard: format!("bj.water/quasar-{stage}").parse().expect("a name"),
            version: "7.31.7".parse().expect("a version"),
            kind: Kind::Record,
            files: [("schema.json".to_owned(), SCHEMA.as_bytes().to_vec())].into(),
        };
        let operation = |what: &str| format!("{what}-heliotrope-{stage}");
        let (draft, submit, next) = (operation("draft"), operation("submit"), operation("next"));
        let hand = |operation_id| Hand { operation_id, name: "" };
        let said = format!("heliotrope {stage}");
        let opened = author.draft(&hand(&draft), None, &package, &metadata, Terms::default(), &said).await;
        let mut last = opened.expect("drafted");
        digests.push(last.digest.parse().expect("a digest"));
        if stage != "draft" {
            last = author.take_move(&hand(&submit), last.id, &Move::Submit, &said).await.expect("submitted");
            digests.push(last.digest.parse().expect("a digest"));
        }
        let taken = match stage {
            "objected" => Some((approver, Move::Comment { file: "schema.json", pointer: "", is_objection: true })),
            "approved" => {
                let digest = last.digest.parse().expect("a digest");
                Some((approver, Move::Approve { digest, submitted: None }))
            }
            "rejected" => Some((approver, Move::Reject)),
            "retracted" => Some((author, Move::Retract)),
            _ => None,
        };
        if let Some((who, what)) = taken {
            last = who.take_move(&hand(&next), last.id, &what, &said).await.expect("taken");
        }
        digests.push(Digest::of(said.as_bytes()));
        proposals.push(last.id);
        steps.extend(last.steps.iter().map(|step| step.index));
    }
    digests.extend([Digest::of(SCHEMA.as_bytes()), Digest::of(metadata.as_bytes())]);
    Drafts { proposals, steps, digests }
}

/// A closed registry whose every published standard everybody may read, with drafts of which they know nothing.
async fn with_drafts() -> (Server, Registry, Registry, BTreeMap<&'static str, Option<String>>, Drafts) {
    let (server, root_token) = bootstrapped(&[]);
    let root = connected(&server, &root_token).await;
    let anyone = Principal::anyone();
    for (number, role) in ["reader:*", "agency:*"].into_iter().enumerate() {
        root.grant(&format!("all-{number}"), &anyone, &grant(role), "it is public").await.expect("granted");
    }
    let author = connected(&server, &token(&root, AUTHOR, &["author:bj.water"]).await).await;
    let approver = connected(&server, &token(&root, "agrees", &["approver:bj.water"]).await).await;
    for (number, name) in ["bj.water/meter", "bj.power/meter"].into_iter().enumerate() {
        let package = crate::access_served::package(name, "1.0.0");
        root.publish(&format!("p{number}"), &package, METADATA, false).await.expect("published");
    }
    let drafts = drafted(&author, &approver).await;
    root.publish("p-last", &crate::access_served::package("bj.water/pump", "1.0.0"), METADATA, false)
        .await
        .expect("published");
    let mut outsiders = BTreeMap::from([("nobody", None)]);
    for (name, roles) in [
        ("reader", &["reader:*"][..]),
        ("agency", &["agency:bj.water"]),
        ("committee-elsewhere", &["author:bj.power", "approver:bj.power", "manager:bj.power"]),
        ("committee-below", &["author:bj.water.city", "approver:bj.water.city", "manager:bj.water.city"]),
        ("operator", &["operator:*"]),
    ] {
        outsiders.insert(name, Some(token(&root, name, roles).await));
    }
    (server, root, author, outsiders, drafts)
}

/// What of a draft stands in bytes that somebody was given.
fn told(drafts: &Drafts, asked: &str, bytes: &[u8]) -> Option<String> {
    let plain = bytes.to_ascii_lowercase();
    let holds = |bytes: &[u8], part: &[u8]| memchr::memmem::find(bytes, part).is_some();
    // What was asked for may be named again.
    let word = WORDS.iter().find(|word| !asked.contains(**word) && holds(&plain, word.as_bytes()));
    let digest = || {
        let is_asked = |digest: &Digest| {
            asked.contains(&digest.hex()) || asked.contains(&BASE64_STANDARD.encode(digest.as_bytes()))
        };
        let raw = |digest: &&Digest| holds(bytes, digest.as_bytes());
        let written = |digest: &&Digest| !is_asked(digest) && holds(&plain, digest.hex().as_bytes());
        drafts.digests.iter().find(|digest| raw(digest) || written(digest))
    };
    word.map(|word| (*word).to_owned()).or_else(|| digest().map(ToString::to_string))
}

/// Whether bytes hold something that the author did, anywhere in them.
fn is_by_the_author(entry: &[u8]) -> bool {
    Entry::decode(entry).is_ok_and(|entry| entry.principal == AUTHOR)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_road_tells_an_outsider_of_a_draft() {
    let (server, root_registry, author, outsiders, drafts) = with_drafts().await;
    let head = guiju::log_head(&root_registry, None, &LogDemands::default()).await.expect("a head").checkpoint;
    let insider = token(&root_registry, "insider", &["auditor:*"]).await;
    let text = fs::read_to_string(root().join("tests/cases/access/drafts.txt")).expect("cases");
    let known: BTreeMap<String, _> = methods().into_iter().collect();
    let mut left: BTreeSet<&str> = known.keys().map(String::as_str).collect();
    let mut pages: BTreeSet<&str> = permissions::TABLE.iter().map(|row| row.method).collect();
    pages.retain(|method| !method.starts_with("/guiju.") && !method.starts_with("/grpc."));
    let channel = channel(&server).await;
    let placeholders = [
        ("PROPOSAL", drafts.proposals.iter().map(u64::to_string).collect::<Vec<_>>()),
        ("STEP", drafts.steps.iter().map(u64::to_string).collect()),
        ("BLOB", drafts.digests.iter().map(|digest| BASE64_STANDARD.encode(digest.as_bytes())).collect()),
        ("DIGEST", drafts.digests.iter().map(ToString::to_string).collect()),
        ("SIZE", vec![head.size.to_string()]),
    ];
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (method, rest) = line.split_once(' ').expect("a method");
        let (seen, request) = rest.trim_start().split_once(' ').expect("whether somebody is told");
        let request = request
            .trim_start()
            .replace("\"METADATA\"", &serde_json::json!(METADATA).to_string())
            .replace("SCHEMA", &BASE64_STANDARD.encode(SCHEMA.replace("zirconium", "a").replace("锆石", "甲")));
        let mut requests = vec![request];
        for (name, values) in &placeholders {
            requests = requests
                .iter()
                .flat_map(|request| match request.contains(name) {
                    true => values.iter().map(|value| request.replace(name, value)).collect(),
                    false => vec![request.clone()],
                })
                .collect();
        }
        left.remove(method);
        let mut insiders = 0;
        for request in &requests {
            let ask = async |token: Option<&str>| match known.get(method) {
                Some(input) => {
                    let mut json = serde_json::Deserializer::from_str(request);
                    let message = DynamicMessage::deserialize(input.clone(), &mut json);
                    let message = message.unwrap_or_else(|why| panic!("{method} {request}: {why}")).encode_to_vec();
                    spoken(&channel, token, method, &message).await
                }
                None => {
                    assert_eq!(method, "GET", "no method {method}");
                    http_bytes(&server, request, token)
                }
            };
            if method == "GET" {
                pages.retain(|row| permissions::find(request).is_none_or(|found| found.method != *row));
            }
            for (who, token) in &outsiders {
                let answer = ask(token.as_deref()).await;
                let secret = told(&drafts, request, &answer);
                assert!(secret.is_none(), "{method} {request} tells {who} of a draft: {secret:?}");
            }
            insiders += usize::from(told(&drafts, request, &ask(Some(&insider)).await).is_some());
        }
        // Or the test would say nothing.
        assert_eq!(insiders > 0, seen == "auditor", "{line}: an auditor is told {insiders} times");
    }
    assert!(left.is_empty(), "these methods have no line in cases/access/drafts.txt: {left:?}");
    assert!(pages.is_empty(), "these paths have no line in cases/access/drafts.txt: {pages:?}");

    // Whoever reads all that is published proves the whole log, by the hashes of what is withheld.
    for who in ["nobody", "reader", "agency", "committee-elsewhere", "committee-below"] {
        let registry = match &outsiders[who] {
            Some(token) => connected(&server, token).await,
            None => Registry::connect(&server.url()).await.expect("connected"),
        };
        let mut entries = 0;
        let withheld = guiju::replay(&registry, None, &head, |_| entries += 1).await.expect("it is proved").count;
        assert_eq!((withheld, entries), (drafts.steps.len() as u64, head.size - withheld), "{who}");
        let leaves = registry.published_leaves(0).await.expect("leaves");
        for (index, leaf) in (0..).zip(&leaves) {
            match leaf {
                Leaf::Entry(entry) => assert!(!is_by_the_author(entry), "{who} is told who drafts: entry {index}"),
                Leaf::Withheld(_) => assert!(drafts.steps.contains(&index), "{who} is not told entry {index}"),
            }
        }
        for step in &drafts.steps {
            assert!(registry.proved_entry(*step, head.size).await.expect_err("it is not shown").is_not_found());
        }
    }
    let all = connected(&server, &insider).await;
    assert_eq!(guiju::replay(&all, None, &head, |_| {}).await.expect("all is shown").count, 0);
    assert_eq!(guiju::replay(&author, None, &head, |_| {}).await.expect("its author sees it").count, 0);

    // Entries hold what nobody can guess, so that their hashes say nothing.
    let Leaf::Entry(step) = &all.leaves(drafts.steps[0]).await.expect("leaves")[0] else { panic!("it is shown") };
    let entry = Entry::decode(step.as_slice()).expect("an entry");
    assert!(entry.principal == AUTHOR && entry.salt.len() == 16, "{entry:?}");

    // What is published is shown with the steps that led to it, and the others stay as they are.
    let approved = drafts.proposals[3];
    let hand = Hand { operation_id: "publish", name: "" };
    root_registry.publish_proposal(&hand, approved, "decision 9").await.expect("published");
    let head = guiju::log_head(&root_registry, None, &LogDemands::default()).await.expect("a head").checkpoint;
    let anyone = Registry::connect(&server.url()).await.expect("connected");
    let mut shown = BTreeSet::new();
    let tell = |entry: guiju::LogEntry| shown.extend(Some(entry.standard).filter(|name| name.contains("quasar")));
    guiju::replay(&anyone, None, &head, tell).await.expect("it is proved");
    assert_eq!(shown, ["bj.water/quasar-approved".to_owned()].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_mirrors_of_outsiders_verify_and_are_told_of_no_draft() {
    let (server, root_registry, _author, outsiders, drafts) = with_drafts().await;
    let project = tempfile::tempdir().expect("a folder");
    for (number, token) in outsiders.values().flatten().enumerate() {
        fs::write(project.path().join(format!("token-{number}")), token).expect("written");
    }
    let (secret, url) = (drafts.proposals[1].to_string(), server.url());
    let size = guiju::log_head(&root_registry, None, &LogDemands::default()).await.expect("a head").checkpoint.size;
    let entries = format!("{size} entries");
    let whole = format!("{} of the log's entries are not shown", drafts.steps.len());
    for (command, code, words) in [
        (&["monitor"][..], Some(0), &[entries.as_str(), whole.as_str()][..]),
        (&["monitor", "bj.water", "--json"], Some(0), &[entries.as_str()]),
        (&["history", "bj.water/meter"], Some(0), &["published", whole.as_str()]),
        (&["history", "bj.water/quasar-review"], Some(2), &["no entry"]),
        (&["lock", "bj.water/meter"], Some(0), &[]),
        (&["verify"], Some(0), &["ok    bj.water/meter", entries.as_str()]),
        (&["list"], Some(0), &["bj.water/pump"]),
        (&["search", "zirconium"], None, &[]),
        (&["show", "bj.water/quasar-review"], Some(2), &[]),
        (&["review"], None, &[]),
        (&["review", &secret], Some(2), &[]),
        (&["agree"], None, &[]),
        (&["grants"], None, &[]),
        (&["token", "list"], None, &[]),
    ] {
        let asked = command.join(" ");
        for token in ["", "token-0", "token-1", "token-2", "token-4"] {
            let with = [command, &["--token-file", token]].concat();
            let output = run(project.path(), &url, if token.is_empty() { command } else { &with });
            // An operator (who reads nothing) and whoever has a part elsewhere are told other things; none is told of this.
            if token.is_empty()
                && let Some(code) = code
            {
                expect(&output, code, words);
            }
            let secret = told(&drafts, &asked, said(&output).as_bytes());
            assert!(secret.is_none(), "`guiju {asked}` with `{token}` tells of a draft: {secret:?}\n{}", said(&output));
        }
    }

    // A mirror that may read what is published follows to the end, and holds nothing of a draft; nor does what is made of it.
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("token");
    fs::write(&file, outsiders["reader"].as_deref().expect("a token")).expect("written");
    let flags = ["--upstream-token-file", &file.display().to_string()];
    let mirror = follow(&url, tempfile::tempdir().expect("a folder"), &flags);
    has_followed(&mirror, size).await;
    let of_mirror = Registry::connect(&mirror.url()).await.expect("connected");
    let head = guiju::log_head(&of_mirror, None, &LogDemands::default()).await.expect("a head").checkpoint;
    assert_eq!(head.size, 3, "it has what was published");
    let mut served = http_bytes(&mirror, "/tile/entries/000.p/3", None);
    served.extend(of_mirror.entries(0).await.expect("entries").concat());
    assert_eq!(told(&drafts, "", &served), None);
    let data = mirror.kill();
    for words in WORDS {
        let grep = Command::new("grep").args(["-rlaF", words]).arg(data.path()).output().expect("it runs");
        assert!(grep.stdout.is_empty(), "`{words}` is in {}", said(&grep));
    }
    let exported = exported(data.path());
    for name in ["bj.water/meter", "bj.power/meter", "bj.water/pump"] {
        assert!(exported.contains(name), "{exported}");
    }
}

fn exported(folder: &Path) -> String {
    let target = folder.join("export");
    let mut command = server_command(&["export", "--data"]);
    let output = command.arg(folder.join("data")).arg("--to").arg(&target).output().expect("it runs");
    fs::read_to_string(target.join("log.ndjson")).unwrap_or_else(|why| panic!("{why}: {}", said(&output)))
}
