//! A registry that follows another: what it takes over, and what it does when the other is away, cut short or rewritten.

use crate::{
    access_served::{bootstrap, bootstrapped, connected, holder, http, package},
    cuts::Scissors,
    fuzz::Dice,
    grpc::{METADATA, SCHEMA, conformance, published, refused, registry, submission},
    support::{Server, folder_in_memory, said, server_command},
    verify::{expect, publish, run},
    witness::ask,
};
use guiju_proto::{
    conformance::CheckRequest,
    registry::{GetBundleRequest, PublishRequest, ResolveRequest, SetStatusRequest, Status, VersionInfo},
};
use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tonic::Code;

pub fn follow(upstream: &str, folder: tempfile::TempDir, more: &[&str]) -> Server {
    let flags = ["--upstream", upstream, "--upstream-interval", "100ms"];
    Server::start_in(folder, &[&flags[..], more].concat())
}

async fn get(server: &Server, path: &str) -> String {
    ask(server, "GET", path, "").1
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Waits until what `/healthz` says has that line.
async fn says(server: &Server, line: &str) -> String {
    let begin = Instant::now();
    loop {
        let said = get(server, "/healthz").await;
        if said.lines().any(|found| found.starts_with(line)) {
            return said;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "no `{line}` in:\n{said}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until so many entries of the other log were followed to the end.
pub async fn has_followed(server: &Server, entries: u64) {
    says(server, &format!("upstream_entries: {entries}")).await;
    says(server, "upstream_behind: 0").await;
}

async fn resolved(server: &Server, reference: &str) -> Result<VersionInfo, Code> {
    let asked =
        registry(server).await.resolve(ResolveRequest { reference: reference.into(), ..Default::default() }).await;
    asked.map(|found| found.into_inner().version.expect("a version")).map_err(|status| status.code())
}

async fn put(server: &Server, standard: &str, version: &str) -> Result<(), tonic::Status> {
    put_schema(server, standard, version, SCHEMA).await
}

async fn put_schema(server: &Server, standard: &str, version: &str, schema: &str) -> Result<(), tonic::Status> {
    let operation_id = format!("{}-{version}", standard.replace('/', "-"));
    let request = PublishRequest { operation_id, standard: standard.into(), ..submission(version, schema) };
    registry(server).await.publish(request).await.map(drop)
}

/// A schema that refers to another standard for its only field.
fn referring(to: &str) -> String {
    SCHEMA.replace(r#""type": "string", "maxLength": 8,"#, &format!(r#""$ref": "guiju:{to}#/properties/card","#))
}

async fn set(server: &Server, standard: &str, version: &str, status: Status) {
    let step = SetStatusRequest {
        operation_id: format!("{}-{version}-{}", standard.replace('/', "-"), i32::from(status)),
        standard: standard.into(),
        version: version.into(),
        status: status.into(),
        reason: "a test".into(),
        ..Default::default()
    };
    registry(server).await.set_status(step).await.expect("set");
}

async fn status(server: &Server, reference: &str) -> Result<Status, Code> {
    resolved(server, reference).await.map(|info| info.status())
}

pub fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()));
}

/// Each entry of the other log, by its index there, as an export of ours tells it.
fn taken_over(data: &Path) -> Vec<u64> {
    let place = folder();
    let target = place.path().join("export");
    said(&server_command(&["export", "--data"]).arg(data).arg("--to").arg(&target).output().expect("it runs"));
    let log = fs::read_to_string(target.join("log.ndjson")).expect("an export");
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    lines.filter_map(|line| line["mirrored_from"]["index"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_serves_what_it_proved_while_the_other_is_away_and_catches_up() {
    let upstream = Server::start();
    published(&upstream).await;
    put(&upstream, "bj.city/a", "1.0.0").await.expect("published");
    let (first, address) = (upstream.url(), upstream.address.clone());
    let mirror = follow(&first, folder(), &["--own-namespaces", "bj.library.haidian,bj.haidian"]);
    has_followed(&mirror, 2).await;
    let mut there = resolved(&upstream, "bj.city/a").await.expect("there");
    let here = resolved(&mirror, "bj.city/a").await.expect("here");
    there.log_index = here.log_index;
    assert_eq!(here, there, "all but its place in the log is the same");

    // Its own namespaces are its own, the others are not.
    put(&mirror, "bj.haidian/own", "1.0.0").await.expect("published");
    refused(put(&mirror, "bj.city/b", "1.0.0").await, Code::FailedPrecondition, "NAMESPACE_MIRRORED");
    let step = SetStatusRequest {
        operation_id: "step".into(),
        standard: "bj.city/a".into(),
        version: "1.0.0".into(),
        status: Status::Withdrawn.into(),
        reason: "no".into(),
        successor: String::new(),
        ..Default::default()
    };
    refused(registry(&mirror).await.set_status(step.clone()).await, Code::FailedPrecondition, "NAMESPACE_MIRRORED");

    // Pins hold against the mirror's own log.
    let project = folder();
    expect(&run(project.path(), &mirror.url(), &["lock", "bj.city/a@^1", "bj.haidian/own@^1"]), 0, &["wrote"]);
    expect(&run(project.path(), &mirror.url(), &["verify"]), 0, &["with 3 entries"]);

    let upstream = upstream.kill();
    says(&mirror, "upstream_status: away").await;
    assert_eq!(resolved(&mirror, "bj.city/a").await.as_ref(), Ok(&here), "it is served while the other is away");
    put(&mirror, "bj.haidian/own", "1.1.0").await.expect("published meanwhile");

    // Days later, both were stopped and started, and the other has more: all of it comes, once each.
    let mirror = mirror.kill();
    let upstream = Server::start_in(upstream, &["--listen", &address]);
    for number in 1..40 {
        put(&upstream, "bj.city/a", &format!("1.{number}.0")).await.expect("published");
    }
    registry(&upstream).await.set_status(step).await.expect("withdrawn");
    let mirror = follow(&first, mirror, &["--own-namespaces", "bj.library.haidian,bj.haidian"]);
    has_followed(&mirror, 42).await;
    for number in 1..40 {
        let reference = format!("bj.city/a@=1.{number}.0");
        let (there, here) = (resolved(&upstream, &reference).await, resolved(&mirror, &reference).await);
        assert_eq!(here.expect("here").digest, there.expect("there").digest);
    }
    assert_eq!(resolved(&mirror, "bj.city/a@=1.0.0").await, Err(Code::NotFound), "what was withdrawn is so here");
    resolved(&mirror, "bj.haidian/own@=1.1.0").await.expect("its own is there");
    assert!(get(&mirror, "/metrics").await.contains("guiju_mirror_followed_entries 42"));
    assert_eq!(taken_over(&mirror.folder.path().join("data")), (0..42).collect::<Vec<_>>(), "without gap or repeat");
    let words = ["FAIL  bj.city/a@^1  `bj.city/a` 1.0.0 is withdrawn", "ok    bj.haidian/own@^1", "with 44 entries"];
    expect(&run(project.path(), &mirror.url(), &["verify"]), 1, &words);
}

/// Two record standards that refer to code lists of another namespace, one of them to a list that refers to nothing and was deprecated
/// before and after.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_registry_comes_with_what_it_refers_to_and_the_rest_once_it_is_asked_for() {
    let upstream = Server::start();
    let mut there = registry(&upstream).await;
    let list = |version: &str, codes: &str| PublishRequest {
        operation_id: format!("list-{version}"),
        standard: "cn.codes/colour".into(),
        version: version.into(),
        kind: guiju_proto::registry::Kind::CodeList.into(),
        metadata_toml: METADATA.replace("\"record\"", "\"code-list\"") + "basis = [\"made up\"]\n",
        files: vec![guiju_proto::registry::File { path: "codes.csv".into(), content: codes.to_owned().into() }],
        ..Default::default()
    };
    let rows = "code,name_zh,name_en,parent,valid_from,valid_to,alias,note\n1,红,,,,,,\n";
    there.publish(list("1.0.0", rows)).await.expect("published");
    let step = |status: Status, operation_id: &str| SetStatusRequest {
        operation_id: operation_id.into(),
        standard: "cn.codes/colour".into(),
        version: "1.0.0".into(),
        status: status.into(),
        reason: "old".into(),
        ..Default::default()
    };
    put(&upstream, "cn.other/thing", "1.0.0").await.expect("published");
    let refers = SCHEMA.replace(
        "\"title\": \"card number\", \"x-guiju\": {",
        "\"title\": \"colour\", \"x-guiju\": {\"codeList\": {\"ref\": \"cn.codes/colour@^1\"}, ",
    );
    let request = PublishRequest {
        standard: "cn.more/first".into(),
        operation_id: "first".into(),
        ..submission("1.0.0", &refers)
    };
    there.publish(request).await.expect("published");
    there.set_status(step(Status::Deprecated, "deprecated")).await.expect("deprecated");
    let request = PublishRequest { standard: "bj.city/thing".into(), ..submission("1.0.0", &refers) };
    there.publish(request).await.expect("published");

    let mirror = follow(&upstream.url(), folder(), &["--upstream-namespaces", "bj.city"]);
    has_followed(&mirror, 5).await;
    let judged = |server: String| async move {
        let project = folder();
        fs::write(project.path().join("good.json"), "{\"card\": \"1\"}").expect("written");
        fs::write(project.path().join("bad.json"), "{\"card\": \"2\"}").expect("written");
        for (file, code, said) in [("good.json", 0, "conforms"), ("bad.json", 1, "code-not-in-list")] {
            let output = run(project.path(), &server, &["check", "--standard", "bj.city/thing@^1", file]);
            expect(&output, code, &[said]);
        }
    };
    judged(mirror.url()).await;
    let status = |info: &VersionInfo| info.status();
    let listed = resolved(&mirror, "cn.codes/colour@=1.0.0").await.expect("it is referred to");
    assert_eq!(status(&listed), Status::Deprecated, "what became of it before came along");
    assert_eq!(resolved(&mirror, "cn.other/thing").await, Err(Code::NotFound), "nothing refers to it");
    assert_eq!(resolved(&mirror, "cn.more/first").await, Err(Code::NotFound), "it refers, and is not referred to");
    there.set_status(step(Status::Withdrawn, "withdrawn")).await.expect("withdrawn");
    has_followed(&mirror, 6).await;
    assert_eq!(resolved(&mirror, "cn.codes/colour@=1.0.0").await, Err(Code::NotFound), "nor what becomes of it later");
    judged(mirror.url()).await;

    // Later all is wanted: what was passed over comes, and nothing comes twice.
    let mirror = follow(&upstream.url(), mirror.kill(), &[]);
    has_followed(&mirror, 6).await;
    for name in ["cn.other/thing", "cn.more/first", "bj.city/thing"] {
        resolved(&mirror, name).await.unwrap_or_else(|code| panic!("{name}: {code}"));
    }
    let mut indices = taken_over(&mirror.folder.path().join("data"));
    indices.sort_unstable();
    assert_eq!(indices, (0..6).collect::<Vec<_>>(), "without gap or repeat");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_or_rewritten_is_followed_no_more() {
    let upstream = Server::start();
    publish(&upstream, &[("a", 1), ("b", 1)]).await;
    let (url, address) = (upstream.url(), upstream.address.clone());
    let whole = upstream.kill();
    let earlier = folder();
    copy(&whole.path().join("data"), &earlier.path().join("data"));
    let upstream = Server::start_in(whole, &["--listen", &address]);
    publish(&upstream, &[("c", 1)]).await;
    let mirrors = [follow(&url, folder(), &[]), follow(&url, folder(), &[])];
    for mirror in &mirrors {
        has_followed(mirror, 3).await;
    }
    drop(upstream.kill());

    // An old backup in its place, with its key: shorter than what was seen, then as long with another entry.
    let upstream = Server::start_in(earlier, &["--listen", &address]);
    let [rewound, forked] = mirrors;
    let said = says(&rewound, "upstream_status: distrusted").await;
    assert!(said.contains("status: ready"), "{said}");
    says(&forked, "upstream_status: distrusted").await;
    let forked = forked.kill();
    publish(&upstream, &[("x", 1), ("y", 1)]).await;
    let forked = follow(&url, forked, &[]);
    says(&forked, "upstream_status: distrusted").await;
    for mirror in [&rewound, &forked] {
        resolved(mirror, "bj.test/c").await.expect("what was proved is served on");
        assert_eq!(resolved(mirror, "bj.test/x").await, Err(Code::NotFound), "what is not proved is not taken over");
        assert!(get(mirror, "/metrics").await.contains("guiju_mirror_distrusts 1"));
        assert!(mirror.log().contains("is believed no more"), "{}", mirror.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_registry_is_followed_by_whoever_shows_a_token() {
    let (upstream, root_token) = bootstrapped(&[]);
    let (root, url) = (connected(&upstream, &root_token).await, upstream.url());
    let put = async |version: &str| {
        let operation = format!("p-{version}");
        root.publish(&operation, &package("bj.city/a", version), METADATA, false).await.expect("published");
    };
    put("1.0.0").await;
    let reader = holder(&root, "mirror.haidian", "reader:*").await;
    let narrow = holder(&root, "mirror.chaoyang", "reader:bj.city").await;
    let place = folder();
    let file = place.path().join("token");
    let flags = ["--upstream-token-file", &file.display().to_string()];
    let unknown = format!("guiju_{}", "0".repeat(64));
    fs::write(&file, &unknown).expect("written");

    // Nothing is told to whoever is not known, or may not read all; then the right token is put into the file.
    let mirror = follow(&url, folder(), &flags);
    assert!(says(&mirror, "upstream_status: away").await.contains("status: ready"));
    fs::write(&file, &narrow).expect("written");
    let begin = Instant::now();
    while !mirror.log().contains("it takes the role reader on") {
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", mirror.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(mirror.log().contains("the token is not one of this registry"), "{}", mirror.log());
    assert_eq!(resolved(&mirror, "bj.city/a").await, Err(Code::NotFound));
    fs::write(&file, format!("{reader}\n")).expect("written");
    has_followed(&mirror, 7).await;
    resolved(&mirror, "bj.city/a").await.expect("it is here");

    // The token is revoked, and another takes its place.
    let tokens = root.tokens().await.expect("tokens");
    let held = tokens.iter().find(|token| token.principal.as_str() == "mirror.haidian").expect("its token");
    root.revoke_token("revoked", &held.id, "it leaked").await.expect("revoked");
    put("1.1.0").await;
    says(&mirror, "upstream_status: away").await;
    let who = "mirror.haidian".parse().expect("a principal");
    let grants = ["reader:*".parse().expect("a role")];
    let made = root.create_token("second", &who, &grants, Duration::from_secs(3600), "a test").await;
    let second = made.expect("a token").secret.text().to_owned();
    fs::write(&file, &second).expect("written");
    has_followed(&mirror, 10).await;
    resolved(&mirror, "bj.city/a@=1.1.0").await.expect("it is here");

    // The environment holds it as well.
    let variable = format!("GUIJU_UPSTREAM_TOKEN={second}");
    let by_variable = Server::start_by(&["env", &variable], folder(), &["--upstream", &url]);
    has_followed(&by_variable, 10).await;

    // A mirror that is to hold everything does not go on past a draft of which it is shown the hash alone.
    let author = connected(&upstream, &holder(&root, "author", "author:bj.city").await).await;
    let (hand, draft) = (guiju::desk::Hand { operation_id: "d", name: "" }, package("bj.city/b", "1.0.0"));
    author.draft(&hand, None, &draft, METADATA, Default::default(), "as discussed").await.expect("drafted");
    let auditor = holder(&root, "auditor", "auditor:*").await;
    let all = place.path().join("all");
    fs::write(&all, &second).expect("written");
    let flags_of_all = ["--upstream-token-file", &all.display().to_string(), "--upstream-whole-log"];
    let whole = follow(&url, folder(), &flags_of_all);
    let begin = Instant::now();
    while !whole.log().contains("it shows the hash alone, and `upstream_whole_log` asks for all") {
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", whole.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(resolved(&whole, "bj.city/a").await, Err(Code::NotFound));
    fs::write(&all, &auditor).expect("written");
    has_followed(&whole, 15).await;
    drop(whole);

    // A mirror may be closed, too: who may read a namespace proves what was taken over of it, and learns of nothing else.
    let data = mirror.kill();
    let own = bootstrap(data.path(), &[]).pop().expect("a token");
    let mirror = Server::start_in(data, &["--upstream", &url, flags[0], flags[1]]);
    let own_root = connected(&mirror, &own).await;
    let (project, agency) = (folder(), holder(&own_root, "agency", "agency:bj.city").await);
    let stranger = holder(&own_root, "stranger", "agency:bj.power").await;
    // Whether it is well everybody is told; whom it follows, those who run it.
    let operator = holder(&own_root, "runs", "operator:*").await;
    for (token, is_told) in [(None, false), (Some(&agency), false), (Some(&unknown), false), (Some(&operator), true)] {
        let (status, said) = http(&mirror, "/healthz", token.map(String::as_str));
        assert!(status == 200 && said.contains("status: ready"), "{said}");
        assert_eq!((said.contains(&url), said.contains("upstream")), (is_told, is_told), "{said}");
    }
    for (token, code, words) in [(agency, 0, "wrote guiju.lock"), (stranger, 2, "there is no standard `bj.city/a`")] {
        fs::write(project.path().join("own"), token).expect("written");
        expect(&run(project.path(), &mirror.url(), &["lock", "bj.city/a@^1", "--token-file", "own"]), code, &[words]);
        let _ = fs::remove_file(project.path().join("guiju.lock"));
    }

    // It is in no line, no file, no help, and no list of settings; a file that holds none is refused without being shown.
    let mut told =
        mirror.log() + &by_variable.log() + &get(&mirror, "/metrics").await + &get(&mirror, "/healthz").await;
    for arguments in [&["settings"][..], &["mirror", "--help"]] {
        let mut command = server_command(arguments);
        told += &said(&command.env("GUIJU_UPSTREAM_TOKEN", &second).output().expect("it runs"));
    }
    fs::write(&file, format!("{second} {reader}")).expect("written");
    let data = place.path().join("data").display().to_string();
    let refusal = crate::server::refused_in_one_line(&[
        "--listen",
        "127.0.0.1:0",
        "--data",
        &data,
        "--upstream",
        &url,
        flags[0],
        flags[1],
    ]);
    assert!(refusal.contains("`upstream_token_file`: ") && refusal.contains("the token is not 1 to"), "{refusal}");
    for secret in [&reader, &narrow, &second, &unknown] {
        assert!(!(told.clone() + &refusal).contains(secret.as_str()), "a token is shown");
        for server in [&mirror, &by_variable] {
            let grep = Command::new("grep").args(["-rlF", secret]).arg(server.folder.path()).output().expect("it runs");
            assert!(grep.stdout.is_empty(), "a token is in {}", said(&grep));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_namespaces_that_are_named_are_taken_over() {
    let upstream = Server::start();
    for standard in ["bj.city/a", "bj.city.water/b", "bj.cityhall/c", "cn.gb/d"] {
        put(&upstream, standard, "1.0.0").await.expect("published");
    }
    let mirror = follow(&upstream.url(), folder(), &["--upstream-namespaces", "bj.city,bj.citty"]);
    has_followed(&mirror, 4).await;
    says(&mirror, "upstream_nothing_under: bj.citty").await;
    for (standard, is_here) in
        [("bj.city/a", true), ("bj.city.water/b", true), ("bj.cityhall/c", false), ("cn.gb/d", false)]
    {
        assert_eq!(resolved(&mirror, standard).await.is_ok(), is_here, "{standard}");
    }
    put(&mirror, "bj.cityhall/c", "2.0.0").await.expect("what is not taken over is its own");
    assert_eq!(taken_over(&mirror.folder.path().join("data")), [0, 1]);

    // `mirror` is `serve` with the same said in other words.
    let flags = ["mirror", "--from", "ftp://nowhere", "--namespace", "Bj!"];
    let refusal = said(&server_command(&flags).output().expect("it runs"));
    assert!(refusal.contains("Bj!"), "{refusal}");
}

#[tokio::test]
async fn what_versions_refer_to_is_gathered_before_the_log_is_read_again() {
    let upstream = Server::start();
    for name in ["a", "b", "c", "d"] {
        put(&upstream, &format!("cn.gb/{name}"), "1.0.0").await.expect("published");
        let schema = referring(&format!("cn.gb/{name}@1"));
        put_schema(&upstream, &format!("bj.water/{name}"), "1.0.0", &schema).await.expect("published");
    }
    let mirror = follow(&upstream.url(), folder(), &["--upstream-namespaces", "bj.water"]);
    has_followed(&mirror, 8).await;
    says(&mirror, "upstream_also: cn.gb/a, cn.gb/b, cn.gb/c, cn.gb/d").await;
    let again = mirror.log().matches("followed from the log's beginning, too").count();
    assert_eq!(again, 1, "{}", mirror.log());
}

/// What a mirror that was begun anew holds of the log before is no reason to pass over what the new one says at the same place.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_begun_anew_takes_over_all_that_the_log_has_now() {
    let upstream = Server::start();
    publish(&upstream, &[("a", 1)]).await;
    let (url, address) = (upstream.url(), upstream.address.clone());
    let whole = upstream.kill();
    let earlier = folder();
    copy(&whole.path().join("data"), &earlier.path().join("data"));
    let upstream = Server::start_in(whole, &["--listen", &address]);
    publish(&upstream, &[("b", 1)]).await;
    set(&upstream, "bj.test/b", "1.0.0", Status::Withdrawn).await;
    let mirror = follow(&url, folder(), &[]);
    has_followed(&mirror, 3).await;
    drop(upstream.kill());

    // The other registry lost its disk, and went on from an old backup.
    let upstream = Server::start_in(earlier, &["--listen", &address]);
    publish(&upstream, &[("c", 1), ("d", 1), ("b", 1)]).await;
    says(&mirror, "upstream_status: distrusted").await;
    let folder = mirror.kill();
    fs::remove_file(folder.path().join("data/mirror/held")).expect("moved away");
    let mut mirror = follow(&url, folder, &[]);
    for _ in 0..2 {
        has_followed(&mirror, 4).await;
        for name in ["a", "b", "c", "d"] {
            let reference = format!("bj.test/{name}@=1.0.0");
            let (there, here) = (resolved(&upstream, &reference).await, resolved(&mirror, &reference).await);
            let (there, here) = (there.expect("there"), here.expect("here"));
            assert_eq!((here.digest, here.status), (there.digest, there.status), "{name}");
        }
        assert_eq!(taken_over(&mirror.folder.path().join("data")), [0, 1, 2, 1, 2, 3], "each once");
        let log = mirror.log();
        assert!(log.contains("entry 1 of the log that was followed before is not in this one"), "{log}");
        assert!(log.contains("`bj.test/b` 1.0.0 published"), "{log}");
        // Once more, and nothing comes twice.
        let folder = mirror.kill();
        fs::remove_file(folder.path().join("data/mirror/held")).expect("moved away");
        mirror = follow(&url, folder, &[]);
    }
}

/// Whatever is followed later than the rest has no gap.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_from_now_on_is_followed_from_its_beginning() {
    let upstream = Server::start();
    for standard in ["bj.city/a", "bj.water/b", "cn.gb/d", "bj.own/e"] {
        put(&upstream, standard, "1.0.0").await.expect("published");
    }
    let url = upstream.url();
    let narrow = ["--upstream-namespaces", "bj.city"];
    let mirror = follow(&url, folder(), &narrow);
    has_followed(&mirror, 4).await;
    let mirror = mirror.kill();

    // Meanwhile what it does not follow yet goes on, too.
    set(&upstream, "bj.water/b", "1.0.0", Status::Deprecated).await;
    let wide = ["--upstream-namespaces", "bj.city,bj.water"];
    let mirror = follow(&url, mirror, &wide);
    has_followed(&mirror, 5).await;
    assert_eq!(status(&mirror, "bj.water/b@=1.0.0").await, Ok(Status::Deprecated));
    assert_eq!(taken_over(&mirror.folder.path().join("data")), [0, 1, 4], "once each");
    let mirror = mirror.kill();

    // Narrower, and it says what stays as it is; wider again, and what was passed over comes.
    let mirror = follow(&url, mirror, &narrow);
    put(&upstream, "bj.water/b", "1.1.0").await.expect("published");
    has_followed(&mirror, 6).await;
    assert!(mirror.log().contains("`bj.water` is followed no more"), "{}", mirror.log());
    let mirror = follow(&url, mirror.kill(), &["--own-namespaces", "bj.own"]);
    has_followed(&mirror, 6).await;
    for (reference, is_here) in [("bj.water/b@=1.1.0", true), ("cn.gb/d", true), ("bj.own/e", false)] {
        assert_eq!(resolved(&mirror, reference).await.is_ok(), is_here, "{reference}");
    }
    // What was its own and is not any more.
    let mirror = follow(&url, mirror.kill(), &[]);
    has_followed(&mirror, 6).await;
    resolved(&mirror, "bj.own/e").await.expect("it is here");
    let mut taken = taken_over(&mirror.folder.path().join("data"));
    taken.sort_unstable();
    assert_eq!(taken, (0..6).collect::<Vec<_>>(), "without gap or repeat");

    // A folder of an earlier version of the program says nothing of what it followed: all is looked at again.
    let mirror = follow(&url, folder(), &narrow);
    has_followed(&mirror, 6).await;
    let folder = mirror.kill();
    let held = folder.path().join("data/mirror/held");
    let text = fs::read_to_string(&held).expect("held");
    let (_, text) = text.split_once('\n').expect("a digest");
    let is_old = |line: &&str| !["followed ", "taken ", "own "].iter().any(|new| line.starts_with(new));
    let old: String = text.split_inclusive('\n').filter(is_old).collect();
    fs::write(&held, format!("{}\n{old}", guiju_model::Digest::of(old.as_bytes()))).expect("written");
    let mirror = follow(&url, folder, &wide);
    has_followed(&mirror, 6).await;
    assert_eq!(status(&mirror, "bj.water/b@=1.0.0").await, Ok(Status::Deprecated));
}

/// What cannot be judged without another standard comes with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_mirrored_standard_refers_to_is_mirrored_too() {
    let upstream = Server::start();
    put(&upstream, "cn.gb/base", "1.0.0").await.expect("published");
    put_schema(&upstream, "bj.common/types", "1.0.0", &referring("cn.gb/base@1")).await.expect("published");
    put(&upstream, "bj.common/other", "1.0.0").await.expect("published");
    set(&upstream, "cn.gb/base", "1.0.0", Status::Deprecated).await;
    put_schema(&upstream, "bj.water/meter", "1.0.0", &referring("bj.common/types@1")).await.expect("published");
    let url = upstream.url();
    let flags = ["--upstream-namespaces", "bj.water"];
    let mirror = follow(&url, folder(), &flags);
    has_followed(&mirror, 5).await;
    let said = says(&mirror, "upstream_also: ").await;
    assert!(said.contains("upstream_also: bj.common/types, cn.gb/base\n"), "{said}");
    let usable = async |server: &Server| {
        let wanted = GetBundleRequest { reference: "bj.water/meter@1".into(), with_examples: false };
        let mut parts = registry(server).await.get_bundle(wanted).await.expect("a bundle").into_inner();
        while parts.message().await.expect("all of it").is_some() {}
        for (record, conforms) in [(r#"{"card": "a"}"#, true), (r#"{"card": "123456789"}"#, false)] {
            let (reference, record) = ("bj.water/meter@1".to_owned(), record.to_owned().into());
            let request = CheckRequest { reference, record, ..Default::default() };
            let report = conformance(server).await.check(request).await.expect("judged").into_inner().report;
            assert_eq!(report.expect("a report").errors == 0, conforms);
        }
    };
    usable(&mirror).await;
    assert_eq!(status(&mirror, "cn.gb/base@=1.0.0").await, Ok(Status::Deprecated));
    assert_eq!(status(&mirror, "bj.common/other").await, Err(Code::NotFound), "nothing refers to it");
    refused(put(&mirror, "bj.common/types", "2.0.0").await, Code::FailedPrecondition, "NAMESPACE_MIRRORED");

    // They are followed from now on, as a whole: what is asked of them here has the answer that it has there.
    let mirror = mirror.kill();
    put_schema(&upstream, "bj.common/types", "1.0.1", &referring("cn.gb/base@1")).await.expect("published");
    set(&upstream, "bj.common/types", "1.0.0", Status::Withdrawn).await;
    let mirror = follow(&url, mirror, &flags);
    has_followed(&mirror, 7).await;
    assert_eq!(resolved(&mirror, "bj.common/types@1").await.expect("here").version, "1.0.1");
    assert_eq!(status(&mirror, "bj.common/types@=1.0.0").await, Err(Code::NotFound), "it was withdrawn");
    refused(put(&mirror, "bj.common/types", "2.0.0").await, Code::FailedPrecondition, "NAMESPACE_MIRRORED");
    usable(&mirror).await;

    // Its own namespaces are its own: where what is referred to lies there, and is not there, nothing is served that cannot be used.
    let flags = [&flags[..], &["--own-namespaces", "bj.common"]].concat();
    let mirror = follow(&url, folder(), &flags);
    let said = says(&mirror, "upstream_status: stuck").await;
    let why = "`bj.water/meter` 1.0.0 refers to `bj.common/types` 1.0.0, which lies under `own_namespaces`";
    assert!(said.contains(why) && mirror.log().contains(why), "{said}\n{}", mirror.log());
    assert_eq!(status(&mirror, "bj.water/meter").await, Err(Code::NotFound));
    let mirror = follow(&url, mirror.kill(), &flags[..2]);
    has_followed(&mirror, 7).await;
    usable(&mirror).await;
}

/// What has come is kept: a line over which never all of it comes at once brings all of it in the end, and no more than a part of it is
/// ever in memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_off_again_and_again_brings_everything_in_the_end() {
    const VERSIONS: u64 = 12;
    const BYTES: usize = 3 << 20;
    let upstream = Server::start_in(folder_in_memory(), &[]);
    let (to, mut dice) = (guiju::Registry::connect(&upstream.url()).await.expect("connected"), Dice(0x1a26e));
    for number in 0..VERSIONS {
        let mut package = package("bj.city/a", &format!("1.{number}.0"));
        let letters = (0..BYTES).map(|_| b'0' + dice.below(64) as u8).collect();
        package.files.insert("notes.txt".into(), letters);
        to.publish(&format!("p{number}"), &package, METADATA, false).await.expect("published");
    }
    // Enough for a few documents, and for a third of all.
    let scissors = Scissors::after(&upstream, || [1 << 20, 4 * BYTES]).await;
    let mirror = follow(&format!("http://{}", scissors.address), folder_in_memory(), &[]);
    has_followed(&mirror, VERSIONS).await;
    for number in 0..VERSIONS {
        resolved(&mirror, &format!("bj.city/a@=1.{number}.0")).await.expect("it is here");
    }
    assert!(scissors.cuts.load(std::sync::atomic::Ordering::Relaxed) > 1, "the line was cut");
    assert_eq!(taken_over(&mirror.folder.path().join("data")), (0..VERSIONS).collect::<Vec<_>>());
}
