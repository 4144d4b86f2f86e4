//! The house rules that a machine can read: who may use whom, and who may say what.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The table of arrows of ARCHITECTURE.md: crate folder, its package, and the packages of ours that it may use.
const ARROWS: &[(&str, &str, &[&str])] = &[
    ("sdk/model", "guiju-model", &[]),
    ("sdk/validator", "guiju-validator", &["guiju-model"]),
    ("sdk/compat", "guiju-compat", &["guiju-model", "guiju-validator"]),
    ("sdk/tlog", "guiju-tlog", &[]),
    ("proto", "guiju-proto", &["guiju-model"]),
    ("sdk/client", "guiju", &["guiju-model", "guiju-validator", "guiju-tlog", "guiju-proto"]),
    ("sdk/cli", "guiju-cli", &["guiju-model", "guiju-validator", "guiju-compat", "guiju"]),
    (
        "registry-server",
        "guiju-server",
        &["guiju-model", "guiju-validator", "guiju-compat", "guiju-tlog", "guiju-proto", "guiju"],
    ),
    (
        "tests",
        "guiju-tests",
        &["guiju-model", "guiju-validator", "guiju-compat", "guiju-tlog", "guiju-proto", "guiju", "guiju-server"],
    ),
];

/// Crates that touch no file, network, clock, thread or async, and the outside crates that they may use.
const PURE: &[(&str, &[&str])] = &[
    (
        "sdk/model",
        &[
            "csv",
            "saphyr-parser",
            "semver",
            "serde",
            "serde_json",
            "serde_json_canonicalizer",
            "sha2",
            "thiserror",
            "toml",
        ],
    ),
    (
        "sdk/validator",
        &[
            "foldhash",
            "jsonschema",
            "jsonschema-regex",
            "jsonschema-value",
            "memchr",
            "simdutf8",
            "num-bigint",
            "regex",
            "regex-automata",
            "regex-syntax",
            "semver",
            "serde",
            "serde_json",
            "thiserror",
            "toml",
        ],
    ),
    (
        "sdk/compat",
        &[
            "jsonschema",
            "jsonschema-regex",
            "num-bigint",
            "num-integer",
            "num-rational",
            "num-traits",
            "prost",
            "prost-reflect",
            "prost-types",
            "protox",
            "referencing",
            "regex",
            "regex-automata",
            "semver",
            "serde",
            "serde_json",
            "thiserror",
            "toml",
        ],
    ),
    ("sdk/tlog", &["base64", "ct-merkle", "ed25519-dalek", "sha2", "thiserror"]),
];

/// What a pure crate's source must not name.
const IMPURE: &[&str] =
    &["std::fs", "std::net", "std::thread", "std::process", "std::time", "SystemTime", "async fn", "std::env"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn manifest(folder: &str) -> toml::Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a crate is built from. What only its tests use makes no arrow.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let table = |name: &str| manifest.get(name).and_then(toml::Value::as_table).into_iter().flatten();
    table("dependencies").map(|(name, _)| name.clone()).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
    found
}

/// The lines of code: comments and documentation may say what they like.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_crate_keeps_to_the_table_of_arrows() {
    let members = manifest(".")["workspace"]["members"].as_array().expect("members is a list").clone();
    let members: BTreeSet<&str> = members.iter().filter_map(toml::Value::as_str).collect();
    let listed: BTreeSet<&str> = ARROWS.iter().map(|(folder, ..)| *folder).collect();
    assert_eq!(members, listed, "the workspace's members and the table of arrows differ");
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(_, package, _)| *package).collect();
    for (folder, package, allowed) in ARROWS {
        let manifest = manifest(folder);
        assert_eq!(manifest["package"]["name"].as_str(), Some(*package), "the name of {folder}");
        for used in dependencies(&manifest).iter().filter(|used| ours.contains(used.as_str())) {
            assert!(allowed.contains(&used.as_str()), "{folder} may not use {used}");
        }
    }
}

#[test]
fn pure_crates_stay_pure() {
    for (folder, allowed) in PURE {
        for used in dependencies(&manifest(folder)).iter().filter(|used| !used.starts_with("guiju")) {
            assert!(allowed.contains(&used.as_str()), "{folder} is pure and may not use {used}");
        }
        for path in sources(&root().join(folder).join("src")) {
            for word in IMPURE {
                assert!(!code(&path).contains(word), "{} is pure and may not say `{word}`", path.display());
            }
        }
    }
}

#[test]
fn only_the_view_says_sled_and_the_registry_says_no_network() {
    for path in sources(&root().join("registry-server/src")) {
        let name = path.strip_prefix(root().join("registry-server/src")).expect("a source of the server").to_owned();
        let (code, name) = (code(&path), name.to_string_lossy().into_owned());
        assert!(!code.contains("sled::") || name.starts_with("view"), "{name} may not say sled");
        let pure = matches!(name.as_str(), "registry.rs" | "log.rs") || name.starts_with("registry/");
        for word in ["tonic", "axum", "sled"] {
            assert!(!pure || !code.contains(word), "{name} may not say {word}");
        }
    }
}

#[test]
fn nothing_is_left_unfinished() {
    for (folder, ..) in ARROWS {
        for path in sources(&root().join(folder)).iter().filter(|path| !path.ends_with("it/tidy.rs")) {
            let code = code(path);
            for word in ["todo!(", "unimplemented!(", "dbg!(", "#[ignore"] {
                assert!(!code.contains(word), "{} holds `{word}`", path.display());
            }
        }
    }
}

#[test]
fn the_top_level_is_the_tree_that_was_agreed() {
    for name in ["Cargo.toml", "proto", "registry-server", "sdk", "standards", "tests", "README.md", "ARCHITECTURE.md"]
    {
        assert!(root().join(name).exists(), "{name} is missing at the top level");
    }
    let workspace = manifest(".")["workspace"]["dependencies"].as_table().expect("shared versions").clone();
    for name in ["tonic", "prost", "jsonschema", "sled", "semver", "serde_json", "tokio"] {
        assert!(workspace.contains_key(name), "the workspace must use {name}");
    }
}

/// A second copy of one of these would be built beside the first, and their types would not fit each other.
#[test]
fn what_speaks_on_the_wire_is_there_once() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    for name in ["tonic", "prost", "hyper", "rustls", "tokio", "tower", "opentelemetry"] {
        let count = lock.matches(&format!("name = \"{name}\"\n")).count();
        assert_eq!(count, 1, "{name} is there {count} times");
    }
}
