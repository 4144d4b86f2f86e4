//! What `docs/operations` says can be done is done, and what it names is there.

use crate::{
    cluster::Node,
    grpc::{SCHEMA, conformance, published, submission},
    support::{Server, guiju_server, root},
    witness::ask,
};
use guiju_proto::{
    conformance::CheckRequest,
    registry::{ResolveRequest, WatchRequest},
};
use guiju_server::settings::SETTINGS;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    time::{Duration, Instant},
};

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs/operations").join(name)).expect(name)
}

/// Names of metrics in a text, without the endings that a kind of metric adds.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let pattern = regex::Regex::new(r"guiju_[a-z_]+").expect("a pattern");
    let plain = |name: &str| name.trim_end_matches("_bucket").trim_end_matches("_total").to_owned();
    pattern.find_iter(text).map(|name| plain(name.as_str())).collect()
}

#[test]
fn the_dashboard_and_the_page_name_metrics_that_there_are() {
    let server = Server::start();
    // A counter is told of once it has counted; `shed` in `overload.rs`.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut client = published(&server).await;
        let check = CheckRequest { reference: "bj.library/card".into(), record: "{}".into(), ..Default::default() };
        conformance(&server).await.check(check).await.expect("a report");
        drop(client.watch(WatchRequest::default()).await.expect("a stream"));
        let unknown = ResolveRequest { reference: "bj.library/ticket".into(), ..Default::default() };
        client.resolve(unknown).await.expect_err("there is none");
    });
    let mut there = metrics_in(&ask(&server, "GET", "/metrics", "").1);
    let node = Node::single();
    let of_cluster = crate::etcd_servers::server(&node.client_url, None, &[]);
    let begin = Instant::now();
    while !there.contains("guiju_log_member_up") {
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", of_cluster.log());
        std::thread::sleep(Duration::from_millis(100));
        there.extend(metrics_in(&ask(&of_cluster, "GET", "/metrics", "").1));
    }
    there.insert("guiju_shed".into());
    let dashboard = page("grafana.json");
    let panels: Value = serde_json::from_str(&dashboard).expect("JSON");
    assert!(panels["panels"].as_array().is_some_and(|panels| panels.len() >= 8));
    for name in metrics_in(&dashboard).union(&metrics_in(&page("README.md"))) {
        assert!(there.contains(name), "there is no `{name}` among {there:?}");
    }
}

#[test]
fn the_unit_and_the_container_use_flags_that_there_are() {
    let flags = regex::Regex::new(r"--([a-z-]+)").expect("a pattern");
    for name in ["guiju-server.service", "Dockerfile"] {
        let text = page(name);
        for line in
            text.lines().filter(|line| line.starts_with("ExecStart") || line.trim_start().starts_with(['C', '"']))
        {
            if line.starts_with("COPY") {
                continue;
            }
            for flag in flags.captures_iter(line) {
                assert!(
                    &flag[1] == "config" || SETTINGS.iter().any(|setting| setting.flag() == flag[1]),
                    "{name}: --{}",
                    &flag[1]
                );
            }
        }
    }
}

/// Whether a line is what the page shows, `…` standing for anything.
fn fits(line: &str, shown: &str) -> bool {
    let mut rest = line;
    let parts: Vec<&str> = shown.split('…').collect();
    for (number, part) in parts.iter().enumerate() {
        let Some(at) = rest.find(part) else { return false };
        if number == 0 && at > 0 {
            return false;
        }
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || shown.ends_with('…')
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drills_go_as_the_page_says() {
    let server = Server::start();
    published(&server)
        .await
        .publish(submission("1.1.0", &SCHEMA.replace("card number", "number of the card")))
        .await
        .expect("published");
    ask(&server, "GET", "/checkpoint", "");
    let (status, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    assert!(status.success());
    let work = tempfile::tempdir().expect("a folder");
    let path = format!(
        "{}:{}",
        guiju_server().parent().expect("a folder").display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let page = page("README.md");
    let mut count = 0;
    for block in page.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        for drill in block.split("$ ").skip(1) {
            let (command, shown) = drill.split_once('\n').unwrap_or((drill, ""));
            let mut shell = Command::new("bash");
            shell.args(["-c", command]).current_dir(work.path()).env("PATH", &path);
            let output = shell.env("DATA", folder.path().join("data")).output().expect("it runs");
            let text = crate::support::said(&output);
            let (lines, shown): (Vec<&str>, Vec<&str>) =
                (text.lines().collect(), shown.lines().filter(|line| !line.is_empty()).collect());
            let is_so = lines.len() == shown.len() && lines.iter().zip(&shown).all(|(line, shown)| fits(line, shown));
            assert!(is_so, "$ {command}\n{text}\nand the page shows\n{}", shown.join("\n"));
            count += 1;
        }
    }
    assert!(count > 6, "{count} commands");
}

#[test]
fn an_image_is_not_made_of_what_is_built_or_ignored() {
    let lines = |name: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(root().join(name)).expect(name);
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    };
    // Without a slash before it Git means any folder, Docker the first alone.
    let anywhere = |line: &str| match line.starts_with('/') {
        true => line.to_owned(),
        false => format!("**/{}", line.trim_end_matches('/')),
    };
    let mut expected: BTreeSet<String> = lines(".gitignore").iter().map(|line| anywhere(line)).collect();
    expected.insert("/.git".into());
    assert_eq!(lines(".dockerignore"), expected);
}
