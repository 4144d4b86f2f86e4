//! Packs `standards/` into the program, so that a first verdict needs no server.
//!
//! A standard that cannot be sealed fails the build: what ships is all of the folder or nothing.

#[path = "src/archive.rs"]
mod archive;

use archive::{Archive, Packed, pack};
use guiju_model::{Bundle, BundleError, Catalog, Content, Digest, Metadata, Package, ResolveError, StandardId};
use semver::Version;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

/// The versions sealed so far.
#[derive(Default)]
struct Sealed(BTreeMap<Digest, Content>);

impl Catalog for Sealed {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let of = self.0.iter().filter(|(_, content)| content.manifest.standard == *standard);
        of.map(|(digest, content)| (content.manifest.version.clone(), *digest)).collect()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.0.get(digest).cloned()
    }

    fn near(&self, _: &StandardId) -> Vec<StandardId> {
        Vec::new()
    }
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../standards");
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/archive.rs");
    let (packages, metadata) = packages(&folder);
    let sealed = sealed(packages);
    let order: BTreeMap<(StandardId, Version), &Content> = sealed
        .0
        .values()
        .map(|content| ((content.manifest.standard.clone(), content.manifest.version.clone()), content))
        .collect();
    let packed: Vec<Packed> = order
        .values()
        .map(|content| Packed { content, metadata_toml: &metadata[&content.manifest.standard] })
        .collect();
    let bytes = pack(&packed).expect("writing to memory");
    assert!(Archive::open(&bytes).is_some(), "the archive does not open again");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("standards.archive");
    fs::write(&out, bytes).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}

/// Seals the packages in order of their dependencies: each round, those whose references are all sealed.
fn sealed(mut waiting: Vec<Package>) -> Sealed {
    let mut sealed = Sealed::default();
    while !waiting.is_empty() {
        let mut later = Vec::new();
        let (before, mut why) = (waiting.len(), Vec::new());
        let names: Vec<StandardId> = waiting.iter().map(|package| package.standard.clone()).collect();
        for package in waiting {
            let waits = depends_on_any(&package, &names);
            match Bundle::seal(&package, &sealed) {
                Ok(bundle) if !waits => drop(sealed.0.insert(bundle.digest(), bundle.root().clone())),
                Ok(_) => later.push(package),
                Err(BundleError::Resolve { pointer, source: source @ ResolveError::UnknownStandard { .. } }) => {
                    why.push(format!("{} {}: at {pointer}: {source}", package.standard, package.version));
                    later.push(package);
                }
                Err(error) => panic!("standards/: {} {}: {error}", package.standard, package.version),
            }
        }
        assert!(later.len() < before, "standards/ does not hold together: {}", why.join("; "));
        waiting = later;
    }
    sealed
}

/// Whether a package refers to a standard of which a version is still waiting: the highest must be there before it.
fn depends_on_any(package: &Package, waiting: &[StandardId]) -> bool {
    let document = package.document().ok().flatten().unwrap_or_default();
    let links = guiju_model::links(package.kind, document).unwrap_or_default();
    links
        .iter()
        .any(|link| waiting.contains(link.reference.standard()) && *link.reference.standard() != package.standard)
}

fn packages(folder: &Path) -> (Vec<Package>, BTreeMap<StandardId, String>) {
    let (mut packages, mut metadata) = (Vec::new(), BTreeMap::new());
    for namespace in folders(folder) {
        for home in folders(&namespace) {
            let name = format!("{}/{}", file_name(&namespace), file_name(&home));
            let standard: StandardId = name.parse().unwrap_or_else(|error| panic!("standards/{name}: {error}"));
            let toml = home.join("standard.toml");
            let text = fs::read_to_string(&toml).unwrap_or_else(|error| panic!("{}: {error}", toml.display()));
            let kind = Metadata::from_toml(&standard, &text).unwrap_or_else(|error| panic!("{error}")).kind;
            for version in folders(&home) {
                let number = file_name(&version);
                let number = number.parse().unwrap_or_else(|error| panic!("standards/{name}/{number}: {error}"));
                let mut files = BTreeMap::new();
                gather(&version, "", &mut files);
                packages.push(Package { standard: standard.clone(), version: number, kind, files });
            }
            metadata.insert(standard, text);
        }
    }
    (packages, metadata)
}

fn gather(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), format!("{prefix}{}", file_name(&entry.path())));
        if file_name(&path).starts_with('.') {
            continue;
        }
        if path.is_dir() {
            gather(&path, &format!("{name}/"), files);
        } else {
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            files.insert(name, bytes);
        }
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
