//! The folder `standards/`: every version compiles, its examples do what they announce, its metadata is whole.

use crate::support::root;
use guiju_model::{Bundle, Catalog, Content, Digest, Kind, Metadata, Package, StandardId, links};
use guiju_validator::judge_examples;
use semver::Version;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// All versions of the folder, sealed.
#[derive(Default)]
struct Shelf {
    versions: BTreeMap<StandardId, BTreeMap<Version, Digest>>,
    contents: BTreeMap<Digest, Content>,
}

impl Catalog for Shelf {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let versions = self.versions.get(standard).into_iter().flatten();
        versions.map(|(version, digest)| (version.clone(), *digest)).collect()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.contents.get(digest).cloned()
    }

    fn near(&self, _: &StandardId) -> Vec<StandardId> {
        Vec::new()
    }
}

fn folders(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).flatten();
    let names = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().to_string_lossy().into());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn files(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true => files(&entry.path(), &format!("{name}/"), found),
            false => drop(found.insert(name, fs::read(entry.path()).unwrap())),
        }
    }
}

/// Every version with the metadata of its standard.
fn packages() -> Vec<(Package, Metadata)> {
    let folder = root().join("standards");
    let mut packages = Vec::new();
    for namespace in folders(&folder) {
        for name in folders(&folder.join(&namespace)) {
            let home = folder.join(&namespace).join(&name);
            let standard: StandardId = format!("{namespace}/{name}").parse().unwrap();
            let toml = fs::read_to_string(home.join("standard.toml")).unwrap_or_else(|e| panic!("{standard}: {e}"));
            let metadata = Metadata::from_toml(&standard, &toml).unwrap();
            for version in folders(&home) {
                let mut package = Package {
                    standard: standard.clone(),
                    version: version.parse().unwrap_or_else(|error| panic!("{standard}: {version}: {error}")),
                    kind: metadata.kind,
                    files: BTreeMap::new(),
                };
                files(&home.join(&version), "", &mut package.files);
                packages.push((package, metadata.clone()));
            }
        }
    }
    packages
}

/// Standards that a package refers to.
fn needs(package: &Package) -> BTreeSet<StandardId> {
    let document = package.document().unwrap().unwrap_or_default();
    let links = links(package.kind, document).unwrap_or_else(|error| panic!("{}: {error}", package.standard));
    links.into_iter().map(|link| link.reference.standard().clone()).collect()
}

/// Seals in an order in which what is needed comes first.
fn sealed(packages: Vec<(Package, Metadata)>) -> Vec<(Package, Metadata, Bundle)> {
    let (mut shelf, mut done, mut left) = (Shelf::default(), Vec::new(), packages);
    while !left.is_empty() {
        let waiting: BTreeSet<StandardId> = left.iter().map(|(package, _)| package.standard.clone()).collect();
        let (ready, rest): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(package, _)| needs(package).is_disjoint(&waiting));
        let names = || rest.iter().map(|(p, _): &(Package, Metadata)| p.standard.to_string()).collect::<Vec<_>>();
        assert!(!ready.is_empty(), "these refer to each other: {}", names().join(", "));
        for (package, metadata) in ready {
            let bundle = Bundle::seal(&package, &shelf)
                .unwrap_or_else(|error| panic!("{} {}: {error}", package.standard, package.version));
            shelf.contents.insert(bundle.digest(), bundle.root().clone());
            let versions = shelf.versions.entry(package.standard.clone()).or_default();
            versions.insert(package.version.clone(), bundle.digest());
            done.push((package, metadata, bundle));
        }
        left = rest;
    }
    done
}

#[test]
fn examples_do_what_they_announce() {
    let mut wrong = Vec::new();
    for (package, _, bundle) in sealed(packages()) {
        let name = format!("{} {}", package.standard, package.version);
        match judge_examples(&bundle, &package) {
            Ok(faults) => wrong.extend(faults.iter().map(|fault| format!("{name} {fault}"))),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_version_has_both_kinds_of_examples() {
    for (package, _) in packages().iter().filter(|(package, _)| package.kind != Kind::Contract) {
        for folder in ["examples/conforming/", "examples/failing/"] {
            let any = package.files.keys().any(|file| file.starts_with(folder));
            assert!(any || package.kind == Kind::Elements, "{} {}: no {folder}", package.standard, package.version);
        }
    }
}

#[test]
fn there_is_history_to_see() {
    let mut versions: BTreeMap<StandardId, usize> = BTreeMap::new();
    packages().into_iter().for_each(|(package, _)| *versions.entry(package.standard).or_default() += 1);
    assert!(versions.values().filter(|&&count| count > 1).count() >= 2);
}
