//! Packs `standards/` into the program, so that a first verdict needs no server.
//!
//! A standard that cannot be sealed fails the build: what ships is all of the folder or nothing.

#[path = "src/archive.rs"]
mod archive;
// The client's own source: as a dependency it would be built twice, with all that it needs.
#[path = "../client/src/tree.rs"]
#[allow(dead_code)]
mod tree;

use archive::{Archive, Packed, pack};
use std::{
    env, fs,
    path::{Path, PathBuf},
};
use tree::Tree;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../standards");
    println!("cargo::rerun-if-changed={}", root.display());
    for source in ["build.rs", "src/archive.rs", "../client/src/tree.rs"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let Tree { packages, metadata, .. } = Tree::read(&root).unwrap_or_else(|error| panic!("{error}"));
    let empty = Archive::default();
    let mut sealed = Tree::seal(packages, &empty);
    let faults: Vec<String> =
        sealed.unsealed.iter().map(|fault| format!("{} {}: {}", fault.standard, fault.version, fault.why)).collect();
    assert!(faults.is_empty(), "standards/ does not hold together:\n{}", faults.join("\n"));
    sealed.versions.sort_by_key(|(package, _)| (package.standard.clone(), package.version.clone()));
    let packed = sealed.versions.iter().map(|(package, bundle)| {
        let (metadata_toml, _) = &metadata[&package.standard];
        Packed { content: bundle.root(), metadata_toml }
    });
    let bytes = pack(&packed.collect::<Vec<_>>()).expect("writing to memory");
    assert!(Archive::open(&bytes).is_some(), "the archive does not open again");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("standards.archive");
    fs::write(&out, bytes).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}
