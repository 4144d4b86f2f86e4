//! Several servers over one log: what one has acknowledged the others know, what they sign is one history, and each view can be
//! lost.

use crate::{
    access_served::{bootstrap, connected, holder, package},
    cluster::{Node, Relay},
    grpc::{METADATA, SCHEMA, conformance, header, refused, registry, submission},
    support::{Server, said, server_command},
};
use guiju::WatchEvent;
use guiju_proto::{
    conformance::Format,
    log::{GetCheckpointRequest, ProveConsistencyRequest, log_service_client::LogServiceClient},
    registry::{self as wire, ResolveRequest},
};
use guiju_tlog::{Checkpoint, Note};
use std::{fs, path::Path, time::Duration};
use tempfile::TempDir;
use tonic::{Code, Request, Response};

/// A server on a cluster. Those that are not the first get the log's key from another.
pub fn server(endpoints: &str, key: Option<&Path>, more: &[&str]) -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    if let Some(key) = key {
        copy_key(key, &folder);
    }
    let flags = [&["--engine", "etcd", "--etcd-endpoints", endpoints], more].concat();
    Server::start_in(folder, &flags)
}

fn copy_key(from: &Path, to: &TempDir) {
    let target = to.path().join("data/log-key");
    fs::create_dir_all(&target).expect("made");
    for file in fs::read_dir(from.join("data/log-key")).expect("a key").flatten() {
        fs::copy(file.path(), target.join(file.file_name())).expect("copied");
    }
}

fn number<T>(answer: &Response<T>, name: &str) -> u64 {
    let value = answer.metadata().get(name).unwrap_or_else(|| panic!("no {name}"));
    value.to_str().expect("text").parse().expect("a number")
}

fn resolve(version: &str, staleness_max_ms: Option<&str>) -> Request<ResolveRequest> {
    let mut request =
        Request::new(ResolveRequest { reference: format!("bj.library/card@={version}"), as_of: String::new() });
    if let Some(max) = staleness_max_ms {
        request.metadata_mut().insert("guiju-max-staleness-ms", max.parse().expect("a value"));
    }
    request
}

#[tokio::test]
async fn what_one_server_acknowledged_the_other_knows() {
    let node = Node::single();
    let one = server(&node.client_url, None, &["--etcd-timeout", "2s"]);
    let other = server(&node.client_url, Some(one.folder.path()), &["--etcd-timeout", "2s"]);
    let mut clients = [registry(&one).await, registry(&other).await];
    for number in 0..40_usize {
        let version = format!("1.{number}.0");
        let published =
            clients[number % 2].publish(submission(&version, SCHEMA)).await.expect("published").into_inner();
        let answer = clients[(number + 1) % 2].resolve(resolve(&version, None)).await.expect("known at once");
        assert_eq!(
            (self::number(&answer, "guiju-log-size"), self::number(&answer, "guiju-staleness-ms")),
            (number as u64 + 1, 0)
        );
        assert_eq!(answer.into_inner().version, published.version);
        let again =
            clients[(number + 1) % 2].publish(submission(&version, SCHEMA)).await.expect("the same").into_inner();
        assert_eq!((again.version, again.is_new), (published.version, false), "the same operation, sent to the other");
    }
    let other_schema = SCHEMA.replace('8', "12");
    let answer = clients[1].publish(submission("1.0.0", &other_schema)).await;
    refused(answer, Code::AlreadyExists, "VERSION_EXISTS");

    // A few at both at the same moment: one order, no gaps.
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40_usize {
        let (mut client, standard) = (clients[number % 2].clone(), format!("bj.both/s{number}"));
        let operation_id = format!("both-{number}");
        let request = wire::PublishRequest { operation_id, standard, ..submission("1.0.0", SCHEMA) };
        tasks.spawn(async move { client.publish(request).await.expect("published").into_inner().version });
    }
    let mut indices: Vec<u64> = tasks.join_all().await.into_iter().flatten().map(|version| version.log_index).collect();
    indices.sort_unstable();
    assert!(indices.into_iter().eq(40..80));

    // The view of one is lost.
    let folder = one.kill();
    fs::remove_dir_all(folder.path().join("data/view")).expect("removed");
    let one =
        Server::start_in(folder, &["--engine", "etcd", "--etcd-endpoints", &node.client_url, "--etcd-timeout", "2s"]);
    let mut client = registry(&one).await;
    let answer = client.resolve(resolve("1.39.0", None)).await.expect("made anew");
    assert_eq!(self::number(&answer, "guiju-log-size"), 80);

    // The cluster is away: what may be stale is answered, with its age; what may not is refused.
    let answer = client.resolve(resolve("1.0.0", Some("60000"))).await.expect("a stale answer");
    assert!(self::number(&answer, "guiju-staleness-ms") < 60_000);
    node.pause();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = client.resolve(resolve("1.0.0", Some("600000"))).await.expect("a stale answer");
    assert!(self::number(&answer, "guiju-staleness-ms") >= 50, "{:?}", answer.metadata());
    // The same by the SDK and by the program.
    let options = guiju::ConnectOptions { staleness_max: Some(Duration::from_secs(600)), ..Default::default() };
    let sdk = guiju::Registry::connect_with(&one.url(), options).await.expect("connected");
    let found = sdk.resolve(&"bj.library/card@^1".parse().expect("a reference")).await.expect("a stale answer");
    assert_eq!(found.version.to_string(), "1.39.0");
    let mut list = std::process::Command::new(crate::support::guiju());
    list.args(["list", "--registry", &one.url(), "--max-staleness-ms", "600000", "bj.library"]);
    let listed = list.output().expect("it runs");
    assert!(listed.status.success() && said(&listed).contains("bj.library/card"), "{}", said(&listed));
    refused(client.resolve(resolve("1.0.0", None)).await, Code::Unavailable, "LOG_UNAVAILABLE");
    refused(client.resolve(resolve("1.0.0", Some("1"))).await, Code::Unavailable, "LOG_UNAVAILABLE");
    refused(client.publish(submission("2.0.0", SCHEMA)).await, Code::Unavailable, "LOG_UNAVAILABLE");
    refused(client.resolve(resolve("1.0.0", Some("soon"))).await, Code::InvalidArgument, "MALFORMED_FIELD");
    let health = crate::http::page(&one.address, "/healthz");
    assert!(health.contains("log: ") && !health.contains("log: answers"), "{health}");
    node.resume();
    client.publish(submission("2.0.0", SCHEMA)).await.expect("published once the cluster is back");
    let health = crate::http::page(&one.address, "/healthz");
    assert!(health.contains("log: answers") && health.contains("staleness_ms: "), "{health}");
    let metrics = crate::http::page(&one.address, "/metrics");
    assert!(metrics.contains("guiju_log_answers{} 1") && metrics.contains("guiju_staleness_seconds{} "), "{metrics}");
}

/// As balancers hear of it.
#[derive(Clone, PartialEq, prost::Message)]
struct Serving {
    /// 1: it serves; 2: it does not.
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Waits until the health service says so.
async fn is_serving(server: &Server, wanted: bool) {
    let channel = tonic::transport::Endpoint::from_shared(server.url()).expect("a URL").connect_lazy();
    let mut client = tonic::client::Grpc::new(channel);
    let begin = std::time::Instant::now();
    loop {
        client.ready().await.expect("it listens");
        let path = "/grpc.health.v1.Health/Check".parse().expect("a path");
        let codec = tonic_prost::ProstCodec::<Serving, Serving>::default();
        let told = client.unary(Request::new(Serving::default()), path, codec).await.expect("everybody is told");
        if (told.into_inner().status == 1) == wanted {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "serving: {}", !wanted);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A server that is cut off lets in by what it knew last for `staleness_max`, whatever its callers take and by whatever road.
#[tokio::test]
async fn a_role_that_was_taken_back_does_not_outlive_staleness_max_on_a_server_that_is_cut_off() {
    let node = Node::single();
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = ["--engine", "etcd", "--etcd-endpoints", &node.client_url];
    let token = bootstrap(folder.path(), &cluster).pop().expect("a token");
    let one = Server::start_in(folder, &cluster);
    let root = connected(&one, &token).await;
    let version = package("bj.library/card", "1.0.0");
    root.publish("p", &version, METADATA, false).await.expect("published");
    let reader = holder(&root, "reader", "reader:*").await;
    let agency = holder(&root, "agency", "agency:*").await;

    let proxy = Relay::start(&node.client_url);
    let flags = ["--etcd-timeout", "500ms", "--etcd-try-timeout", "200ms", "--staleness-max", "2s"];
    let other = server(&proxy.url(), Some(one.folder.path()), &flags);
    let asked = || {
        let mut request = resolve("1.0.0", Some("86400000"));
        request.metadata_mut().insert("authorization", format!("Bearer {reader}").parse().expect("a value"));
        request
    };
    let page = |path: &str| {
        let credentials = format!("authorization: Bearer {reader}\nguiju-max-staleness-ms: 86400000");
        crate::http::exchange(&other.address, &format!("GET {path} HTTP/1.1\n{credentials}\n\n"))
    };
    let mut client = registry(&other).await;
    client.resolve(asked()).await.expect("a reader reads");
    let paths = ["/checkpoint", "/tile/0/000.p/1", "/tile/entries/000.p/1"];
    for path in paths {
        assert!(page(path).starts_with("HTTP/1.1 200"), "{path}: {}", page(path));
    }

    // Streams that were let in before: one is told of what comes, the other sends records.
    let mut watch = connected(&other, &reader).await.watch_events(0, "").await.expect("a watch");
    while !matches!(watch.next().await.expect("it goes on"), Some(WatchEvent::CaughtUp { .. })) {}
    let (records, messages) = tokio::sync::mpsc::channel(4);
    records.send(header(Format::Ndjson, false)).await.expect("taken");
    let mut stream = Request::new(tokio_stream::wrappers::ReceiverStream::new(messages));
    stream.metadata_mut().insert("authorization", format!("Bearer {agency}").parse().expect("a value"));
    let mut reports = conformance(&other).await.check_stream(stream).await.expect("a stream").into_inner();

    proxy.cut();
    client.resolve(asked()).await.expect("what may be stale is answered");
    root.revoke("taken", &"reader".parse().expect("a name"), &"reader:*".parse().expect("a role"), "left")
        .await
        .expect("the other server reaches the cluster");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let refusal = client.resolve(asked()).await.expect_err("its view is too old to let anybody in");
    assert!(refusal.message().contains("`staleness_max` (2s)"), "{refusal:?}");
    refused::<()>(Err(refusal), Code::Unavailable, "LOG_UNAVAILABLE");
    for path in paths.into_iter().chain(["/metrics"]) {
        let answer = page(path);
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("`staleness_max`"), "{path}: {answer}");
    }
    assert!(page("/healthz").starts_with("HTTP/1.1 "), "health is told to everybody");
    is_serving(&other, false).await;
    let ended = watch.next().await.expect_err("it ends");
    assert!(ended.to_string().contains("`staleness_max`"), "{ended}");
    let ended = loop {
        match reports.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it looks whole"),
            Err(status) => break status,
        }
    };
    assert!(ended.message().contains("`staleness_max`"), "{ended:?}");
    drop(records);

    proxy.join();
    is_serving(&other, true).await;
    let mut refusal = client.resolve(asked()).await.expect_err("the role is gone");
    for _ in 0..100 {
        if refusal.code() != Code::Unavailable {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        refusal = client.resolve(asked()).await.expect_err("the role is gone");
    }
    assert_ne!(refusal.code(), Code::Unavailable, "{refusal:?}");
}

#[tokio::test]
async fn several_servers_sign_one_history() {
    let node = Node::single();
    let one = server(&node.client_url, None, &[]);
    let other = server(&node.client_url, Some(one.folder.path()), &[]);
    let mut signed: Vec<Checkpoint> = Vec::new();
    for number in 0..12_usize {
        let server = [&one, &other][number % 2];
        registry(server).await.publish(submission(&format!("1.{number}.0"), SCHEMA)).await.expect("published");
        // Both sign at the same moment.
        let sign = |server: &Server| {
            let url = server.url();
            async move {
                let mut log = LogServiceClient::connect(url).await.expect("connected");
                log.get_checkpoint(GetCheckpointRequest {}).await.expect("a checkpoint").into_inner()
            }
        };
        let (here, there) = tokio::join!(sign(&one), sign(&other));
        assert_eq!(here.first_key, there.first_key);
        for answer in [here, there] {
            let note = Note::parse(answer.note.as_bytes()).expect("a note");
            let key = answer.first_key.parse().expect("a key");
            assert_eq!(note.is_signed_by(&key), Ok(true), "signed with the one key");
            signed.push(note.text().parse().expect("a checkpoint"));
        }
    }
    assert!(signed.iter().enumerate().all(|(at, checkpoint)| checkpoint.size == at as u64 / 2 + 1), "{signed:?}");
    assert!(signed.chunks(2).all(|pair| pair[0] == pair[1]), "one root for one size");
    let mut log = LogServiceClient::connect(other.url()).await.expect("connected");
    log.prove_consistency(ProveConsistencyRequest { old_size: 5, tree_size: 12 }).await.expect("proved");

    // A server without the key, or with one of its own, is refused, and leaves no key behind.
    let folder = tempfile::tempdir().expect("a folder");
    let start = |folder: &Path| {
        let mut command = server_command(&["serve", "--listen", "127.0.0.1:0", "--engine", "etcd", "--data"]);
        command.arg(folder).args(["--etcd-endpoints", &node.client_url]);
        let output = command.output().expect("it ends");
        assert_eq!(output.status.code(), Some(2));
        said(&output)
    };
    let why = start(folder.path());
    assert!(why.contains("there is none") && why.contains("copy the folder `log-key`"), "{why}");
    assert!(!folder.path().join("log-key").exists());
    let stranger = Server::start();
    let (_, stranger) = stranger.stop();
    let why = start(&stranger.path().join("data"));
    assert!(why.contains("it is another"), "{why}");

    // The cluster was put back to an older state: nobody signs a second history.
    let (_, folder) = one.stop();
    drop(other);
    node.told(&["del", "--prefix", "/guiju/entry/"]);
    node.told(&["del", "/guiju/head"]);
    let why = start(&folder.path().join("data"));
    assert!(why.contains("does not begin with"), "{why}");
}

/// What can be said wrong is told with a remedy.
#[test]
fn settings_of_a_cluster() {
    let away = "http://127.0.0.1:9";
    let cases: &[(&[&str], &str)] = &[
        (&[], "names no member"),
        (&["--etcd-endpoints", "127.0.0.1:2379"], "is not such as http://10.0.0.1:2379"),
        (&["--etcd-endpoints", "https://127.0.0.1:9"], "`etcd_ca` is missing"),
        (&["--etcd-endpoints", away, "--etcd-user", "me"], "`etcd_password_file` is missing"),
        (&["--etcd-endpoints", away, "--etcd-key", "key.pem"], "`etcd_certificate` is missing"),
        (&["--etcd-endpoints", away, "--etcd-prefix", "/"], "not slashes alone"),
        (&["--etcd-endpoints", away, "--etcd-user", "me", "--etcd-password-file", "/none"], "/none"),
        (&["--etcd-endpoints", away, "--etcd-timeout", "300ms"], "does not answer: http://127.0.0.1:9"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for (flags, expected) in cases {
        let mut command = server_command(&["serve", "--listen", "127.0.0.1:0", "--engine", "etcd", "--data"]);
        let output = command.arg(folder.path()).args(*flags).output().expect("it ends");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(expected) && said.contains("hint: "), "{flags:?}: {said}");
    }
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = server_command(arguments).output().expect("it runs");
    (output.status.code(), said(&output))
}

fn runs(arguments: &[&str]) -> String {
    let (code, text) = run(arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    text
}

/// The last words of the lines that name chain and root.
fn sums(text: &str) -> Vec<&str> {
    let named = text.lines().filter(|line| line.starts_with("chain ") || line.starts_with("root "));
    named.filter_map(|line| line.split(' ').next_back()).collect()
}

/// A journal goes to a cluster and back: the same entries, chain, root and answers, however often it is cut short.
#[tokio::test]
async fn a_log_moves_from_a_journal_to_a_cluster_and_back() {
    let journal = Server::start();
    let mut client = registry(&journal).await;
    for number in 0..150_usize {
        let (standard, operation_id) = (format!("bj.moved/s{}", number / 5), format!("moved-{number}"));
        let version = format!("1.{}.0", number % 5);
        let request = wire::PublishRequest { operation_id, standard, ..submission(&version, SCHEMA) };
        client.publish(request).await.expect("published");
    }
    let asked = ResolveRequest { reference: "bj.moved/s7@^1".into(), ..Default::default() };
    let before = client.resolve(asked.clone()).await.expect("resolved").into_inner();
    let (_, folder) = journal.stop();
    let node = Node::single();
    let data = folder.path().join("data").display().to_string();
    let with = ["--data", &data, "--etcd-endpoints", &node.client_url];
    let migrate = |from: &str, to: &str| run(&[&["migrate", "--from", from, "--to", to], with.as_slice()].concat());
    let cut_short = async |from: &str, to: &str, ms: u64| {
        let mut child = server_command(&[&["migrate", "--from", from, "--to", to], with.as_slice()].concat());
        let mut child = child.stdout(std::process::Stdio::null()).spawn().expect("it starts");
        tokio::time::sleep(Duration::from_millis(ms)).await;
        child.kill().expect("killed");
        child.wait().expect("ended");
    };
    let verified = runs(&["verify", "--data", &data]);

    // Killed at some moments, and run again.
    for ms in [60, 120, 180] {
        cut_short("journal", "etcd", ms).await;
        // A part of a log passes for none.
        let (journal, _) = run(&["verify", "--data", &data]);
        let (cluster, text) = run(&[&["verify", "--engine", "etcd"], with.as_slice()].concat());
        assert!(cluster != Some(0) || (journal != Some(0) && text.contains("sound: 150 entries")), "{text}");
    }
    let there = match migrate("journal", "etcd") {
        (Some(0), text) => text,
        // One that was to be killed was quicker, and has moved the journal aside.
        (_, text) => {
            assert!(folder.path().join("data/journal.migrated-1").exists(), "{text}");
            runs(&[&["verify", "--engine", "etcd"], with.as_slice()].concat())
        }
    };
    assert_eq!(sums(&there)[0], sums(&verified)[0], "{there}\n{verified}");
    assert!(!folder.path().join("data/journal").exists(), "no server goes on with the journal by mistake");
    let of_cluster = runs(&[&["verify", "--engine", "etcd"], with.as_slice()].concat());
    assert_eq!(sums(&of_cluster)[0], sums(&verified)[0]);

    let server = Server::start_in(folder, &["--engine", "etcd", "--etcd-endpoints", &node.client_url]);
    assert!(!server.log().contains("rebuilt"), "the view goes on: {}", server.log());
    let mut client = registry(&server).await;
    assert_eq!(client.resolve(asked.clone()).await.expect("resolved").into_inner(), before);
    client.publish(submission("1.0.0", SCHEMA)).await.expect("published on the cluster");
    let (_, folder) = server.stop();

    // Back again, cut short at some moments: at none is a part of the log served, or the whole in both places.
    let on_etcd = ["--engine", "etcd", "--etcd-endpoints", &node.client_url];
    for ms in [40, 80, 120, 160] {
        cut_short("etcd", "journal", ms).await;
        let (journal, _) = run(&["verify", "--data", &data]);
        let (cluster, _) = run(&[&["verify", "--data", &data], on_etcd.as_slice()].concat());
        assert!(journal != Some(0) || cluster != Some(0), "it is served in both places");
    }
    let (code, back) = migrate("etcd", "journal");
    assert!(code == Some(0) && back.contains("migrated: 151 entries from etcd to journal, "), "{back}");
    assert_eq!(sums(&runs(&["verify", "--data", &data]))[0], sums(&back)[0]);
    let (code, again) = migrate("etcd", "journal");
    assert!(code == Some(0) && again.contains("151 entries from etcd to journal, 0 of them and 0 blobs"), "{again}");
    assert_eq!(sums(&again), sums(&back));
    let server = Server::start_in(folder, &[]);
    assert!(!server.log().contains("rebuilt"), "{}", server.log());
    let mut client = registry(&server).await;
    assert_eq!(client.resolve(asked).await.expect("resolved").into_inner(), before);
    let again = client.publish(submission("1.0.0", SCHEMA)).await.expect("the same").into_inner();
    assert!(!again.is_new, "operations came along");
    // Another entry here than there: neither takes the other's place.
    client.publish(submission("1.1.0", SCHEMA)).await.expect("published on the journal");
    let (_, _folder) = server.stop();
    for (from, to, expected) in [
        ("etcd", "journal", "the target holds another log, or more of this one"),
        ("journal", "journal", "the log is in `journal` already"),
        ("memory", "etcd", "gone when its server ends"),
        ("paper", "etcd", "write journal, etcd or memory"),
    ] {
        let (code, text) = migrate(from, to);
        assert!(code == Some(2) && text.contains(expected), "{from} to {to}: {text}");
    }
    // What was moved away is served no more, checked no more, and goes on where it came back to.
    let left = tempfile::tempdir().expect("a folder");
    copy_key(Path::new(&data).parent().expect("a folder"), &left);
    let left_data = left.path().join("data").display().to_string();
    let settings = [&["--data", &left_data], on_etcd.as_slice()].concat();
    for command in ["serve", "verify"] {
        let (code, text) = run(&[&[command], settings.as_slice()].concat());
        assert!(code == Some(2) && text.contains("was carried elsewhere, where it goes on"), "{command}: {text}");
    }
    let elsewhere = [&["migrate", "--from", "etcd", "--to", "journal", "--data", &left_data], &on_etcd[2..]].concat();
    let (code, text) = run(&elsewhere);
    assert!(code == Some(2) && text.contains("was carried elsewhere, where it goes on"), "a second time: {text}");
    let (code, text) = migrate("journal", "etcd");
    assert!(code == Some(0) && text.contains("migrated: 152 entries from journal to etcd, 1 of them"), "{text}");
    for command in ["serve", "verify"] {
        let (code, text) = run(&[command, "--data", &data]);
        assert!(code == Some(2) && text.contains("was carried elsewhere, and"), "{command}: {text}");
    }
    let other = [with.as_slice(), &["--etcd-prefix", "/other/"]].concat();
    let (code, text) = run(&[&["migrate", "--from", "journal", "--to", "etcd"], other.as_slice()].concat());
    assert!(code == Some(2) && text.contains("was migrated before"), "{text}");
    // A prefix that was mistyped holds nothing, and that is told.
    let nowhere = tempfile::tempdir().expect("a folder").path().join("new").display().to_string();
    for command in [&["verify"][..], &["backup", "--to", &nowhere], &["export", "--to", &nowhere]] {
        let (code, text) = run(&[command, &["--engine", "etcd"], other.as_slice()].concat());
        assert!(code == Some(2) && text.contains("there is no log under `/other/`"), "{command:?}: {text}");
    }
    // Two entries are others in the cluster: both are found, and named.
    for entry in ["07", "42"] {
        node.told(&["put", &format!("/guiju/entry/000000000000000000{entry}"), "changed"]);
    }
    let (code, text) = run(&[&["verify", "--engine", "etcd"], with.as_slice()].concat());
    assert!(code == Some(1) && text.starts_with("error: entry 7: ") && text.contains("\n  entry 42: "), "{text}");
    let copies = tempfile::tempdir().expect("a folder");
    for command in ["backup", "export"] {
        let to = copies.path().join(command).display().to_string();
        let (code, text) = run(&[&[command, "--engine", "etcd", "--to", &to], with.as_slice()].concat());
        assert!(code == Some(1) && text.contains("entry/00000000000000000007"), "{text}");
        assert!(!copies.path().join(command).join(format!("{command}.toml")).exists(), "it does not pass for whole");
    }
    let (code, text) = run(&[&["verify", "--engine", "etcd", "--repair-from", "/nowhere"], with.as_slice()].concat());
    assert!(code == Some(2) && text.contains("`/nowhere`: No such file"), "{text}");
}

/// Two servers of a cluster hold the same key: a log is moved away by one of them alone, and a move that was given up is not taken up
/// again once the log went elsewhere.
#[tokio::test]
async fn a_log_moves_to_one_place() {
    let node = Node::single();
    let on = ["--engine", "etcd", "--etcd-endpoints", &node.client_url];
    let one = server(&node.client_url, None, &[]);
    registry(&one).await.publish(submission("1.0.0", SCHEMA)).await.expect("published");
    let two = server(&node.client_url, Some(one.folder.path()), &[]);
    let (one, two) = (one.stop().1, two.stop().1);
    let data = |folder: &TempDir| folder.path().join("data").display().to_string();
    let (one, two) = (data(&one), data(&two));
    let command = |name: &str, data: &str, more: &[&str]| {
        run(&[&[name, "--data", data, "--etcd-endpoints", &node.client_url], more].concat())
    };
    let migrate = |data: &str, from: &str, to: &str, prefix: &str| {
        command("migrate", data, &["--from", from, "--to", to, "--etcd-prefix", prefix])
    };
    let moved = |(code, text): (Option<i32>, String), what: &str| {
        assert!(code == Some(0) && text.contains("migrated: 1 "), "{what}: {text}")
    };
    let refused =
        |(code, text): (Option<i32>, String), why: &str| assert!(code == Some(2) && text.contains(why), "{text}");

    moved(migrate(&one, "etcd", "journal", "/guiju/"), "away");
    refused(migrate(&two, "etcd", "journal", "/guiju/"), "was carried elsewhere, where it goes on");
    moved(migrate(&one, "etcd", "journal", "/guiju/"), "the same move once more");

    // A move to one prefix is cut short behind its last entry, and another to a second prefix is finished.
    moved(migrate(&one, "journal", "etcd", "/first/"), "there");
    let head = node.told(&["get", "/first/head", "--print-value-only"]);
    moved(migrate(&one, "etcd", "journal", "/first/"), "and back");
    let partial = format!("{} 1", head.trim_end().replacen("v1 ", "v1-partial ", 1));
    node.told(&["put", "/first/head", &partial]);
    moved(migrate(&one, "journal", "etcd", "/second/"), "elsewhere");
    refused(migrate(&one, "journal", "etcd", "/first/"), "was migrated before");

    // Nothing begins, and no key is changed, under a prefix that was mistyped.
    let typo = [&on[..2], &["--etcd-prefix", "/secnod/"]].concat();
    for name in ["serve", "rotate-key", "rebuild", "verify"] {
        refused(command(name, &one, &typo), "there is no log under `/secnod/`");
    }
    assert_eq!(node.told(&["get", "--prefix", "/secnod/", "--keys-only"]).trim(), "", "nothing was written there");

    // What has no entries has no head that could say where it went.
    let empty = tempfile::tempdir().expect("a folder");
    let begun = Server::start_in(empty, &[&on[..], &["--etcd-prefix", "/empty/"]].concat());
    let empty = data(&begun.stop().1);
    refused(migrate(&empty, "etcd", "journal", "/empty/"), "there is nothing to move");
}

/// A new key on one server: the others sign nothing until they have it.
#[tokio::test]
async fn a_key_that_is_changed_on_one_server_stops_the_others_from_signing() {
    let node = Node::single();
    let one = server(&node.client_url, None, &[]);
    let other = server(&node.client_url, Some(one.folder.path()), &[]);
    registry(&one).await.publish(submission("1.0.0", SCHEMA)).await.expect("published");
    let (_, folder) = one.stop();
    let data = folder.path().join("data").display().to_string();
    let cluster = ["--engine", "etcd", "--etcd-endpoints", &node.client_url];
    runs(&[&["rotate-key", "--data", &data], cluster.as_slice()].concat());
    let one = Server::start_in(folder, &cluster);
    registry(&one).await.publish(submission("1.1.0", SCHEMA)).await.expect("published");
    let sign = |server: &Server| {
        let url = server.url();
        async move { LogServiceClient::connect(url).await.expect("connected").get_checkpoint(GetCheckpointRequest {}).await }
    };
    assert_eq!(sign(&one).await.expect("signed with the new key").into_inner().rotations.len(), 1);
    assert!(sign(&other).await.is_err(), "the old key signs nothing more");
    assert!(other.log().contains("copy its folder `log-key` here"), "{}", other.log());
    let (_, folder) = other.stop();
    fs::remove_dir_all(folder.path().join("data/log-key")).expect("removed");
    copy_key(one.folder.path(), &folder);
    let other = Server::start_in(folder, &cluster);
    assert_eq!(sign(&other).await.expect("signed").into_inner().rotations.len(), 1);
}

/// The commands of the page, in order, on ports that are free.
#[test]
fn the_page_on_etcd_is_true() {
    let page = fs::read_to_string(crate::support::root().join("docs/how-to/a-registry-on-etcd.md")).expect("the page");
    let mut script = String::from("set -euo pipefail\ntrap 'kill -9 $(jobs -p) 2> /dev/null' EXIT\n");
    let mut is_command = false;
    for line in page.lines() {
        match line {
            "```sh" => is_command = true,
            "```" => is_command = false,
            line if is_command => script += &format!("{line}\n"),
            _ => {}
        }
    }
    let ports: [u16; 4] = crate::cluster::free_ports();
    for (port, free) in ["2379", "2380", "8420", "8421"].into_iter().zip(ports) {
        script = script.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
    }
    let (home, work) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let output = crate::cli::shell(&script, home.path(), work.path()).output().expect("a shell runs");
    let log = |name: &str| fs::read_to_string(work.path().join(name)).unwrap_or_default();
    let said = said(&output);
    assert!(output.status.success(), "{said}\n{}\n{}", log("one.log"), log("two.log"));
    let expected =
        ["1 published", "bj.example/lamp-post", "migrated: 1 entries from etcd to journal", "sound: 1 entries"];
    assert!(expected.iter().all(|part| said.contains(part)), "{said}");
}
