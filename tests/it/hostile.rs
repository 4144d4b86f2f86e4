//! A registry that does not tell the truth, or somebody on the way to it: what a client takes of its answers, and what it does not.

use crate::{
    grpc::METADATA,
    support::{Server, said},
    verify::{expect, run},
};
use guiju::{Registry, RegistryError};
use guiju_model::{Digest, Kind, Package};
use guiju_proto::{
    log::{GetCheckpointResponse, Leaf, ReadShownEntriesResponse, leaf},
    registry::{
        self as wire, GetBundleRequest, GetGoverningRequest, ListStandardsResponse, ListVersionsRequest,
        ResolveRequest, ResolveResponse,
    },
};
use guiju_tlog::{Hash, SigningKey};
use http_body_util::{BodyExt, Full};
use prost::{Message, bytes::Bytes};
use std::{
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tonic::{
    Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::NamedService,
    transport::{Channel, server::TcpIncoming},
};

/// What somebody on the way makes of a call.
#[derive(Clone)]
pub enum Trick {
    /// It finds nothing.
    Denied,
    /// It says this, whatever was asked.
    Said(Bytes),
    /// Something else is asked.
    Asked(Change),
    /// Something else is answered; of calls with one answer.
    Told(Change),
}

type Change = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

fn change<M: Message + Default>(change: impl Fn(&mut M) + Send + Sync + 'static) -> Change {
    Arc::new(move |bytes| {
        let mut message = M::decode(bytes).expect("a message");
        change(&mut message);
        message.encode_to_vec()
    })
}

pub fn asked<M: Message + Default>(with: impl Fn(&mut M) + Send + Sync + 'static) -> Trick {
    Trick::Asked(change(with))
}

pub fn told<M: Message + Default>(with: impl Fn(&mut M) + Send + Sync + 'static) -> Trick {
    Trick::Told(change(with))
}

/// One service of a registry as somebody on the way passes it on.
#[derive(Clone)]
struct PassedOn<const LOG: bool> {
    to: Channel,
    tricks: Arc<[(&'static str, Trick)]>,
}

impl NamedService for PassedOn<false> {
    const NAME: &'static str = "guiju.registry.v1.Registry";
}

impl NamedService for PassedOn<true> {
    const NAME: &'static str = "guiju.log.v1.LogService";
}

impl<const LOG: bool> Service<http::Request<Body>> for PassedOn<LOG> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let is_called = |method: &str| request.uri().path().ends_with(&format!("/{method}"));
        let trick = self.tricks.iter().find(|(method, _)| is_called(method)).map(|(_, trick)| trick.clone());
        let to = self.to.clone();
        Box::pin(async move {
            Ok(match trick {
                None => passed_on(to, request).await,
                Some(Trick::Denied) => Status::not_found("there is no such standard").into_http(),
                Some(Trick::Said(message)) => {
                    let mut trailers = http::HeaderMap::new();
                    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
                    let body = Full::new(framed(&message)).with_trailers(async move { Some(Ok(trailers)) });
                    let answer = http::Response::builder().header("content-type", "application/grpc");
                    answer.body(Body::new(body)).expect("an answer")
                }
                Some(Trick::Asked(change)) => {
                    let (parts, body) = request.into_parts();
                    let asked = body.collect().await.expect("a question").to_bytes();
                    let body = Body::new(Full::new(framed(&change(unframed(&asked)))));
                    passed_on(to, http::Request::from_parts(parts, body)).await
                }
                Some(Trick::Told(change)) => {
                    let (parts, body) = passed_on(to, request).await.into_parts();
                    let told = body.collect().await.expect("an answer");
                    let trailers = told.trailers().cloned();
                    let told = told.to_bytes();
                    let told = if told.is_empty() { told } else { framed(&change(unframed(&told))) };
                    let body = Full::new(told).with_trailers(async move { trailers.map(Ok) });
                    http::Response::from_parts(parts, Body::new(body))
                }
            })
        })
    }
}

async fn passed_on(mut to: Channel, mut request: http::Request<Body>) -> http::Response<Body> {
    // What is to be changed must come as it is.
    request.headers_mut().remove("grpc-accept-encoding");
    std::future::poll_fn(|cx| to.poll_ready(cx)).await.expect("the registry is there");
    to.call(request).await.expect("the registry answers")
}

/// A message of gRPC has a flag for compression and its length before it.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("it is short").to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

fn unframed(frame: &[u8]) -> &[u8] {
    assert_eq!(frame[0], 0, "it is not compressed");
    &frame[5..]
}

/// The address of somebody between a client and a registry, with what they make of some methods.
pub async fn between(server: &Server, tricks: impl IntoIterator<Item = (&'static str, Trick)>) -> String {
    let to = Channel::from_shared(server.url()).expect("an address").connect().await.expect("connected");
    let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    let url = format!("http://{}", incoming.local_addr().expect("an address"));
    let tricks: Arc<[_]> = tricks.into_iter().collect();
    let router = tonic::transport::Server::builder()
        .add_service(PassedOn::<false> { to: to.clone(), tricks: tricks.clone() })
        .add_service(PassedOn::<true> { to, tricks });
    tokio::spawn(router.serve_with_incoming(incoming));
    url
}

/// Versions of standards under `bj.test`, each with the number of members that its records may have. Their digests.
async fn publish(server: &Server, versions: &[(&str, &str, u64)]) -> Vec<Digest> {
    let registry = Registry::connect(&server.url()).await.expect("connected");
    let mut digests = Vec::new();
    for (name, version, most) in versions {
        let package = Package {
            standard: format!("bj.test/{name}").parse().expect("a standard"),
            version: version.parse().expect("a version"),
            kind: Kind::Record,
            files: [("schema.json".to_owned(), format!(r#"{{"type":"object","maxProperties":{most}}}"#).into_bytes())]
                .into(),
        };
        let published = registry.publish(&format!("{name}-{version}"), &package, METADATA, false).await;
        digests.push(published.expect("published").version.digest);
    }
    digests
}

fn lock_of(project: &Path) -> String {
    fs::read_to_string(project.join("guiju.lock")).unwrap_or_default()
}

/// What was published is not told as refused, whatever becomes of the answer; and an author with more to mend than anybody reads is
/// told how much more.
#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_was_made_is_not_told_as_refused() {
    let server = Server::start();
    let project = tempfile::tempdir().expect("a folder");
    let version = project.path().join("bj.test/list/1.0.0");
    fs::create_dir_all(&version).expect("made");
    let metadata = METADATA.replace("\"record\"", "\"code-list\"") + "basis = [\"made up\"]\n";
    fs::write(version.with_file_name("standard.toml"), metadata).expect("written");
    let rows: String = (0..2_000).map(|number| format!("{number},名,,,,,same,\n")).collect();
    let list = format!("code,name_zh,name_en,parent,valid_from,valid_to,alias,note\n{rows}");
    fs::write(version.join("codes.csv"), list).expect("written");
    let lost = told(|answer: &mut wire::PublishResponse| {
        if answer.is_new {
            answer.warnings_en = vec!["x".repeat(16 << 20)];
        }
    });
    let liar = between(&server, [("Publish", lost)]).await;
    let words = ["published bj.test/list 1.0.0", "its answer was lost", "1 published, 0 there already, 0 refused"];
    expect(&run(project.path(), &liar, &["publish", "bj.test/list"]), 0, &words);
    let words = ["there already bj.test/list 1.0.0", "0 published, 1 there already, 0 refused"];
    expect(&run(project.path(), &server.url(), &["publish", "bj.test/list"]), 0, &words);
    // An answer that cannot be read, however often it is asked for.
    let liar = between(&server, [("Publish", told(|answer: &mut wire::PublishResponse| answer.version = None))]).await;
    let words = ["it may or may not be published", "0 refused, 1 not known", "run this again"];
    expect(&run(project.path(), &liar, &["publish", "bj.test/list"]), 2, &words);

    fs::rename(&version, version.with_file_name("1.1.0")).expect("moved");
    let rows: String = (0..2_001).map(|number| format!("{number},名,,,,,same,\n")).collect();
    let list = format!("code,name_zh,name_en,parent,valid_from,valid_to,alias,note\n{rows}");
    fs::write(version.with_file_name("1.1.0").join("codes.csv"), list).expect("written");
    let told = run(project.path(), &server.url(), &["publish", "bj.test/list"]);
    expect(
        &told,
        0,
        &["1 published, 0 there already, 0 refused", " more warnings are left out; `guiju lint` shows all"],
    );
    let warnings = said(&told).lines().filter(|line| line.starts_with("  warning")).count();
    assert_eq!(warnings, 101, "{}", said(&told));
}

/// Whoever is asked for one standard, or for some of its versions, and answers with another is not taken at their word, by any road.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_something_else_is_not_taken() {
    let server = Server::start();
    let digests = publish(&server, &[("a", "1.0.0", 1), ("a", "2.0.0", 0), ("b", "1.0.0", 9)]).await;
    let (one, other) = (digests[0], digests[2]);
    let project = tempfile::tempdir().expect("a folder");
    let project = project.path();
    fs::write(project.join("record.json"), r#"{"x":1,"y":2}"#).expect("written");
    let refused = |url: &str, arguments: &[&str], words: &[&str]| {
        expect(&run(project, url, arguments), 2, words);
        assert_eq!(lock_of(project), "", "nothing is pinned");
    };

    // Another standard, another version than the requirement admits, and one that is not in effect on the day.
    let another =
        |request: &mut ResolveRequest| request.reference = request.reference.replace("bj.test/a", "bj.test/b");
    let liar = between(&server, [("Resolve", asked(another))]).await;
    let words = ["`bj.test/a", "and answered with `bj.test/b` 1.0.0", "what this registry says is not used"];
    for command in [
        &["lock", "bj.test/a"][..],
        &["lock", "bj.test/a@=1.0.0"],
        &["lock", "bj.test/a", "--as-of", "2099-01-01"],
        &["check", "--standard", "bj.test/a@^1", "record.json"],
        &["check", "--standard", "bj.test/a@^1", "--as-of", "2099-01-01", "record.json"],
        &["show", "bj.test/a"],
        &["fetch", "bj.test/a"],
    ] {
        refused(&liar, command, &words);
    }
    let lower = |request: &mut ResolveRequest| request.reference = "bj.test/a@^1".into();
    let liar = between(&server, [("Resolve", asked(lower))]).await;
    let words = ["the registry was asked for `bj.test/a@^2` and answered with `bj.test/a` 1.0.0"];
    refused(&liar, &["lock", "bj.test/a@^2"], &words);
    refused(&liar, &["check", "--standard", "bj.test/a@^2", "record.json"], &words);
    let today = |request: &mut ResolveRequest| request.as_of = String::new();
    let liar = between(&server, [("Resolve", asked(today))]).await;
    let words = ["the registry was asked for `bj.test/a` on 2001-01-01 and answered with `bj.test/a` 2.0.0"];
    refused(&liar, &["lock", "bj.test/a", "--as-of", "2001-01-01"], &words);

    // The right name with the digest of another, whether that has to be fetched or is at hand.
    let swapped = move |answer: &mut ResolveResponse| {
        answer.version.as_mut().expect("a version").digest = other.to_string();
    };
    let renamed =
        |request: &mut GetBundleRequest| request.reference = request.reference.replace("bj.test/a", "bj.test/b");
    let liar = between(&server, [("Resolve", told(swapped)), ("GetBundle", asked(renamed))]).await;
    refused(&liar, &["lock", "bj.test/a@^1"], &["and answered with `bj.test/b` 1.0.0"]);
    expect(&run(project, &server.url(), &["fetch", "bj.test/b"]), 0, &[&other.to_string()]);
    let words = [&format!("{other} is not `bj.test/a` 1.0.0, but `bj.test/b` 1.0.0")[..], "what it says is not used"];
    refused(&liar, &["lock", "bj.test/a@^1"], &words);
    refused(&liar, &["check", "--standard", "bj.test/a@^1", "record.json"], &words);

    // Nor is a digest that somebody writes down one of another standard, by a reference or by the lock.
    let reference = format!("bj.test/a@{other}");
    let words = [&format!("{other} is no version of `bj.test/a`, but `bj.test/b` 1.0.0")[..]];
    for offline in [&[][..], &["--offline"]] {
        let check = [offline, &["check", "--standard", &reference, "record.json"]].concat();
        refused(&server.url(), &check, &words);
    }
    expect(&run(project, &server.url(), &["lock", "bj.test/a@^1"]), 0, &["wrote"]);
    let edited = lock_of(project).replace(&one.to_string(), &other.to_string());
    fs::write(project.join("guiju.lock"), edited).expect("written");
    let check = ["check", "--locked", "--offline", "--standard", "bj.test/a@^1", "record.json"];
    let words = ["is not `bj.test/a` 1.0.0, but `bj.test/b` 1.0.0", "guiju.lock has it so, it was edited"];
    expect(&run(project, &server.url(), &check), 2, &words);
}

/// The same of the crate's methods.
#[tokio::test(flavor = "multi_thread")]
async fn the_crate_takes_no_answer_about_something_else() {
    let server = Server::start();
    publish(&server, &[("a", "1.0.0", 1), ("a", "2.0.0", 0), ("b", "1.0.0", 9)]).await;
    let bundle = |request: &mut GetBundleRequest| request.reference = "bj.test/a@^1".into();
    let versions = |request: &mut ListVersionsRequest| request.standard = "bj.test/b".into();
    let governing = |request: &mut GetGoverningRequest| request.standard = "bj.test/b".into();
    // Every page is the first one.
    let again = |answer: &mut ListStandardsResponse| answer.next_page_token = "bj.test/a".into();
    let tricks = [
        ("GetBundle", asked(bundle)),
        ("ListVersions", asked(versions)),
        ("GetGoverning", asked(governing)),
        ("ListStandards", told(again)),
    ];
    let liar = Registry::connect(&between(&server, tricks).await).await.expect("connected");
    let standard = "bj.test/a".parse().expect("a standard");
    let said = |error: RegistryError| {
        assert!(matches!(error, RegistryError::NotAsked { .. }), "{error:?}");
        error.to_string()
    };
    let error = said(liar.standard("bj.test/a@^2").await.map(drop).expect_err("another version"));
    assert!(error.contains("asked for `bj.test/a@^2` and answered with `bj.test/a` 1.0.0"), "{error}");
    assert!(liar.standard("bj.test/a@^1").await.is_ok(), "what was asked for is taken");
    let error = said(liar.versions(&standard).await.expect_err("another standard"));
    assert!(error.contains("asked for `bj.test/a` and answered with `bj.test/b`"), "{error}");
    let error = said(liar.governing(&standard, "2099-01-01".parse().expect("a day")).await.expect_err("another"));
    assert!(error.contains("asked for `bj.test/a` on 2099-01-01 and answered with `bj.test/b` 1.0.0"), "{error}");
    let error = liar.standards("", None).await.expect_err("no end");
    assert!(error.to_string().contains("is not in its place") || error.to_string().contains("page"), "{error}");
}

/// Whoever has rewound a log and then goes on and on about its entries is not listened to for longer than what was held.
#[tokio::test(flavor = "multi_thread")]
async fn entries_without_end_are_not_read() {
    let server = Server::start();
    publish(&server, &[("a", "1.0.0", 1)]).await;
    let before = Arc::new(Mutex::new(None));
    let keep = {
        let before = before.clone();
        move |answer: &mut GetCheckpointResponse| *before.lock().expect("it is free") = Some(answer.clone())
    };
    let project = tempfile::tempdir().expect("a folder");
    let project = project.path();
    let witness = between(&server, [("GetCheckpoint", told(keep))]).await;
    expect(&run(project, &witness, &["lock", "bj.test/a"]), 0, &["wrote"]);
    publish(&server, &[("b", "1.0.0", 1), ("c", "1.0.0", 1)]).await;
    expect(&run(project, &server.url(), &["lock", "bj.test/a", "bj.test/c"]), 0, &["wrote"]);

    let before = before.lock().expect("it is free").clone().expect("a checkpoint");
    let rewound = move |answer: &mut GetCheckpointResponse| *answer = before.clone();
    let calls = Arc::new(AtomicUsize::new(0));
    let endless = {
        let calls = calls.clone();
        move |answer: &mut ReadShownEntriesResponse| {
            calls.fetch_add(1, Ordering::Relaxed);
            let hash = Some(leaf::Leaf::Hash(vec![1; 32].into()));
            answer.leaves = vec![Leaf { leaf: hash }; 2];
        }
    };
    let liar = between(&server, [("GetCheckpoint", told(rewound)), ("ReadShownEntries", told(endless))]).await;
    let refused = run(project, &liar, &["verify"]);
    expect(&refused, 1, &["the log went back: it had 3 entries and now says 1", "`bj.test/a@=1.0.0` was removed"]);
    assert_eq!(calls.load(Ordering::Relaxed), 2, "three entries, two at a time: {}", said(&refused));
}

/// What became of a version since it was pinned is in the log, so nobody's word is taken for it.
#[tokio::test(flavor = "multi_thread")]
async fn who_says_that_a_withdrawn_version_is_in_use_is_not_believed() {
    let server = Server::start();
    publish(&server, &[("a", "1.0.0", 1), ("b", "1.0.0", 1), ("c", "1.0.0", 1)]).await;
    let project = tempfile::tempdir().expect("a folder");
    let (project, url) = (project.path(), server.url());
    expect(&run(project, &url, &["lock", "bj.test/a", "bj.test/b", "bj.test/c"]), 0, &["wrote"]);
    let steps = [
        &["withdraw", "bj.test/a@=1.0.0", "--why", "it was wrong", "--successor", "bj.test/c@=1.0.0"][..],
        &["deprecate", "bj.test/b@=1.0.0", "--why", "it is old", "--effective-to", "2099-03-01"],
    ];
    steps.iter().for_each(|step| expect(&run(project, &url, step), 0, &[]));
    let words = [
        "FAIL  bj.test/a  `bj.test/a` 1.0.0 is withdrawn; use bj.test/c@=1.0.0 instead",
        "`bj.test/b` 1.0.0 is deprecated, in effect until the day before 2099-03-01",
        "ok    bj.test/b",
        "ok    bj.test/c",
        "with 5 entries",
    ];
    expect(&run(project, &url, &["verify"]), 1, &words);
    let is_in_use = |answer: &mut ResolveResponse| {
        let version = answer.version.as_mut().expect("a version");
        version.status = wire::Status::Published.into();
        (version.successor, version.effective_to) = Default::default();
    };
    let liar = between(&server, [("Resolve", told(is_in_use))]).await;
    expect(&run(project, &liar, &["verify"]), 1, &words);
    let is_withdrawn = |answer: &mut ResolveResponse| {
        answer.version.as_mut().expect("a version").status = wire::Status::Withdrawn.into()
    };
    let liar = between(&server, [("Resolve", told(is_withdrawn))]).await;
    expect(&run(project, &liar, &["verify"]), 1, &words);

    // Who keeps an entry back can only show its hash, and that is said; who leaves it out, or shows another, is found out.
    let hidden = |answer: &mut ReadShownEntriesResponse| {
        let Some(Leaf { leaf: Some(leaf) }) = answer.leaves.get_mut(3) else { return };
        let leaf::Leaf::Entry(entry) = leaf else { return };
        *leaf = leaf::Leaf::Hash(Hash::of_entry(entry).as_bytes().to_vec().into());
    };
    let liar = between(&server, [("ReadShownEntries", told(hidden))]).await;
    expect(&run(project, &liar, &["verify"]), 0, &["ok    bj.test/a", "1 of the log's entries are not shown to you"]);
    let left_out = |answer: &mut ReadShownEntriesResponse| {
        if answer.leaves.len() > 3 {
            answer.leaves.remove(3);
        }
    };
    let liar = between(&server, [("ReadShownEntries", told(left_out))]).await;
    expect(&run(project, &liar, &["verify"]), 1, &["what this registry says is not used"]);
}

/// What a reference means is in the log, too: who keeps a newer version back is found out before anything is pinned.
#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_back_the_version_that_is_meant_is_found_out() {
    let server = Server::start();
    publish(&server, &[("a", "1.0.0", 1), ("a", "2.0.0", 0), ("b", "1.0.0", 1)]).await;
    let project = tempfile::tempdir().expect("a folder");
    let (project, url) = (project.path(), server.url());
    let honest = Registry::connect(&url).await.expect("connected");
    let old = honest.resolve(&"bj.test/a@=1.0.0".parse().expect("a reference")).await.expect("it is there");
    let first = old.clone();
    let old = wire::VersionInfo::from(old);
    let stale = move |answer: &mut ResolveResponse| answer.version = Some(old.clone());
    let liar = between(&server, [("Resolve", told(stale))]).await;
    let words = ["answers `bj.test/a` with 1.0.0", "by its log it is 2.0.0", "entry 1: bj.test/a 2.0.0"];
    for command in [&["lock", "bj.test/a"][..], &["lock", "bj.test/a", "--as-of", "2099-01-01"]] {
        expect(&run(project, &liar, command), 2, &words);
        assert_eq!(lock_of(project), "", "nothing is pinned");
        expect(&run(project, &url, command), 0, &["+ bj.test/a  2.0.0", "wrote"]);
        fs::remove_file(project.join("guiju.lock")).expect("removed");
    }
    // By the version that was named it is that one.
    expect(&run(project, &liar, &["lock", "bj.test/a@=1.0.0"]), 0, &["+ bj.test/a@=1.0.0  1.0.0", "wrote"]);
    expect(&run(project, &url, &["withdraw", "bj.test/a@=2.0.0", "--why", "it was wrong"]), 0, &[]);
    fs::remove_file(project.join("guiju.lock")).expect("removed");
    expect(&run(project, &url, &["lock", "bj.test/a"]), 0, &["+ bj.test/a  1.0.0", "wrote"]);
    // Who answers with a version that is withdrawn says that it is not, also where no other is left.
    expect(&run(project, &url, &["withdraw", "bj.test/a@=1.0.0", "--why", "so was this"]), 0, &[]);
    fs::remove_file(project.join("guiju.lock")).expect("removed");
    let stale = ResolveResponse { version: Some(wire::VersionInfo::from(first)) };
    let liar = between(&server, [("Resolve", Trick::Said(stale.encode_to_vec().into()))]).await;
    for command in [&["lock", "bj.test/a"][..], &["lock", "bj.test/a@=1.0.0"]] {
        expect(&run(project, &liar, command), 2, &["by its log no version of it is left that was not withdrawn"]);
        assert_eq!(lock_of(project), "", "nothing is pinned");
    }
}

/// A receipt says where a version stands in a log only where that was proved.
#[tokio::test(flavor = "multi_thread")]
async fn who_names_another_place_in_the_log_gets_no_receipt() {
    let server = Server::start();
    publish(&server, &[("a", "1.0.0", 1), ("b", "1.0.0", 1)]).await;
    let project = tempfile::tempdir().expect("a folder");
    let project = project.path();
    let key = SigningKey::from_seed("haidian.example", &[1; 32]).expect("a key");
    fs::write(project.join("key"), key.secret_text()).expect("written");
    fs::write(project.join("record.json"), "{}").expect("written");
    let check = ["check", "--standard", "bj.test/b", "record.json", "--receipt", "receipt", "--receipt-key", "key"];
    let elsewhere = |answer: &mut ResolveResponse| answer.version.as_mut().expect("a version").log_index = 0;
    let liar = between(&server, [("Resolve", told(elsewhere))]).await;
    expect(
        &run(project, &liar, &check),
        2,
        &["no receipt is written: the registry has `bj.test/b` 1.0.0 as entry 0, and its log does not prove that"],
    );
    assert!(!project.join("receipt").exists());
    expect(&run(project, &server.url(), &check), 0, &["wrote receipt"]);
    let receipt = fs::read_to_string(project.join("receipt")).expect("a receipt");
    assert!(receipt.contains("\nentry 1 guiju-log/"), "{receipt}");
}
