//! From a reference to an exact version with all it needs.

use crate::{Content, Dependency, Digest, FileError, Link, LinkError, Manifest, Package, Reference, StandardId, links};
use semver::Version;
use std::collections::{BTreeMap, BTreeSet};

/// Where published versions are found: a registry's view, a cache, a folder, what is embedded in the program.
pub trait Catalog {
    /// The published versions of a standard that were not withdrawn, in any order, with their digests.
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)>;
    /// A version by digest, with the files that judging needs.
    fn content(&self, digest: &Digest) -> Option<Content>;
    /// Names that look like this one, best first, for the error.
    fn near(&self, standard: &StandardId) -> Vec<StandardId>;
    /// Of a standard whose versions were all withdrawn: what to use instead, empty where nothing was named.
    fn withdrawn(&self, _: &StandardId) -> Option<String> {
        None
    }
}

/// A catalog without standards, for what refers to none.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyCatalog;

impl Catalog for EmptyCatalog {
    fn versions(&self, _: &StandardId) -> Vec<(Version, Digest)> {
        Vec::new()
    }

    fn content(&self, _: &Digest) -> Option<Content> {
        None
    }

    fn near(&self, _: &StandardId) -> Vec<StandardId> {
        Vec::new()
    }
}

/// What a reference was resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    pub standard: StandardId,
    pub version: Version,
    pub digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("there is no standard `{standard}`{}", hint(near))]
    UnknownStandard { standard: StandardId, near: Vec<StandardId> },
    #[error("all versions of `{standard}` are withdrawn{}", instead(successor))]
    AllWithdrawn { standard: StandardId, successor: String },
    #[error("no version of `{}` is {}; there are {}", reference.standard(), reference.selector(), listed(versions))]
    UnknownVersion { reference: Reference, versions: Vec<Version> },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("at `{pointer}`: {source}")]
    Resolve { pointer: String, source: ResolveError },
    #[error("`{standard}` {version} refers to itself through {}", path.join(" -> "))]
    Cycle { standard: StandardId, version: Version, path: Vec<String> },
    #[error("the content of {digest} ({standard} {version}) is not at hand")]
    Missing { standard: StandardId, version: Version, digest: Digest },
    #[error("`{file}` of {digest} does not have the digest its manifest gives: it was damaged or changed on its way")]
    Tampered { digest: Digest, file: String },
}

fn hint(near: &[StandardId]) -> String {
    match near {
        [] => String::new(),
        near => format!("; did you mean {}?", near.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(" or ")),
    }
}

fn instead(successor: &str) -> String {
    match successor {
        "" => "; no version of it is left".into(),
        successor => format!("; use {successor} instead"),
    }
}

fn listed(versions: &[Version]) -> String {
    let text: Vec<String> = versions.iter().map(Version::to_string).collect();
    if text.is_empty() { "none".into() } else { text.join(", ") }
}

/// The highest version that a reference admits. A pre-release only where the requirement names one, as in Cargo.
pub fn resolve(catalog: &(impl Catalog + ?Sized), reference: &Reference) -> Result<Resolution, ResolveError> {
    let standard = reference.standard();
    let mut versions = catalog.versions(standard);
    if versions.is_empty() {
        if let Some(successor) = catalog.withdrawn(standard) {
            return Err(ResolveError::AllWithdrawn { standard: standard.clone(), successor });
        }
        return Err(ResolveError::UnknownStandard { standard: standard.clone(), near: catalog.near(standard) });
    }
    versions.sort();
    match versions.iter().rev().find(|(version, digest)| reference.admits(version, digest)) {
        Some((version, digest)) => {
            Ok(Resolution { standard: standard.clone(), version: version.clone(), digest: *digest })
        }
        None => Err(ResolveError::UnknownVersion {
            reference: reference.clone(),
            versions: versions.into_iter().map(|(version, _)| version).collect(),
        }),
    }
}

/// A version with everything it depends on: all that is needed to judge a record, with no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    root: Digest,
    contents: BTreeMap<Digest, Content>,
}

impl Bundle {
    /// Resolves the references of a package and binds it to what it needs.
    pub fn seal(package: &Package, catalog: &(impl Catalog + ?Sized)) -> Result<Self, BundleError> {
        let document = package.document()?.unwrap_or_default();
        let mut dependencies = Vec::new();
        for Link { written, reference, pointer } in links(package.kind, document)? {
            if *reference.standard() == package.standard {
                let path = vec![package.standard.to_string(), package.standard.to_string()];
                let (standard, version) = (package.standard.clone(), package.version.clone());
                return Err(BundleError::Cycle { standard, version, path });
            }
            let found = resolve(catalog, &reference).map_err(|source| BundleError::Resolve { pointer, source })?;
            let Resolution { standard, version, digest } = found;
            dependencies.push(Dependency { reference: written, standard, version, digest });
        }
        Self::gather(package.seal(dependencies)?, catalog)
    }

    /// Collects what a sealed version needs.
    pub fn gather(root: Content, catalog: &(impl Catalog + ?Sized)) -> Result<Self, BundleError> {
        let (standard, version) = (root.manifest.standard.clone(), root.manifest.version.clone());
        let mut bundle = Self { root: root.digest(), contents: BTreeMap::new() };
        let mut wanted: Vec<(Dependency, Vec<String>)> = Vec::new();
        let path = vec![standard.to_string()];
        wanted.extend(root.manifest.dependencies.iter().map(|d| (d.clone(), path.clone())));
        bundle.contents.insert(bundle.root, root);
        while let Some((dependency, mut path)) = wanted.pop() {
            path.push(dependency.standard.to_string());
            // Digests cannot form a cycle; names can, over versions, and then no order of publishing explains itself.
            if path[..path.len() - 1].contains(&dependency.standard.to_string()) {
                return Err(BundleError::Cycle { standard, version, path });
            }
            if bundle.contents.contains_key(&dependency.digest) {
                continue;
            }
            let Dependency { standard, version, digest, .. } = dependency;
            let content = catalog.content(&digest).ok_or(BundleError::Missing { standard, version, digest })?;
            wanted.extend(content.manifest.dependencies.iter().map(|d| (d.clone(), path.clone())));
            bundle.contents.insert(digest, content.without_examples());
        }
        Ok(bundle)
    }

    /// Checks what came from elsewhere: each file against its manifest, each manifest against the digest that names it.
    pub fn verify(root: Digest, contents: Vec<Content>) -> Result<Self, BundleError> {
        let mut held = BTreeMap::new();
        for content in contents {
            let digest = content.digest();
            for (file, bytes) in &content.files {
                if content.manifest.files.get(file) != Some(&Digest::of(bytes)) {
                    return Err(BundleError::Tampered { digest, file: file.clone() });
                }
            }
            if content.document().is_none() && crate::document_name(content.manifest.kind).is_some() {
                let Manifest { standard, version, .. } = content.manifest;
                return Err(BundleError::Missing { standard, version, digest });
            }
            held.insert(digest, content);
        }
        let bundle = Self { root, contents: held };
        bundle.check_complete()?;
        Ok(bundle)
    }

    fn check_complete(&self) -> Result<(), BundleError> {
        let mut seen = BTreeSet::new();
        let mut wanted = vec![self.root];
        while let Some(digest) = wanted.pop() {
            if !seen.insert(digest) {
                continue;
            }
            let Some(content) = self.contents.get(&digest) else {
                return Err(BundleError::Tampered { digest, file: "manifest".into() });
            };
            for Dependency { standard, version, digest, .. } in &content.manifest.dependencies {
                if !self.contents.contains_key(digest) {
                    let (standard, version, digest) = (standard.clone(), version.clone(), *digest);
                    return Err(BundleError::Missing { standard, version, digest });
                }
                wanted.push(*digest);
            }
        }
        Ok(())
    }

    pub fn digest(&self) -> Digest {
        self.root
    }

    pub fn root(&self) -> &Content {
        &self.contents[&self.root]
    }

    pub fn get(&self, digest: &Digest) -> Option<&Content> {
        self.contents.get(digest)
    }

    /// What a reference, spelled as in the document of `from`, was resolved to, with its digest.
    pub fn dependency(&self, from: &Content, written: &str) -> Option<(Digest, &Content)> {
        let dependency = from.manifest.dependencies.iter().find(|d| d.reference == written)?;
        Some((dependency.digest, self.contents.get(&dependency.digest)?))
    }

    pub fn into_contents(self) -> Vec<Content> {
        self.contents.into_values().collect()
    }

    /// The root and everything it needs.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        self.contents.values()
    }

    /// The same, each with its digest, which need not be computed again.
    pub fn by_digest(&self) -> impl Iterator<Item = (Digest, &Content)> {
        self.contents.iter().map(|(digest, content)| (*digest, content))
    }
}

/// What a bundle holds, and nothing else.
impl Catalog for Bundle {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let own = self.contents.iter().filter(|(_, content)| content.manifest.standard == *standard);
        own.map(|(digest, content)| (content.manifest.version.clone(), *digest)).collect()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.contents.get(digest).cloned()
    }

    fn near(&self, _: &StandardId) -> Vec<StandardId> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::Kind;

    /// Versions in memory.
    #[derive(Default)]
    struct Shelf(BTreeMap<Digest, Content>);

    impl Catalog for Shelf {
        fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
            let of = |(digest, content): (&Digest, &Content)| {
                (content.manifest.standard == *standard).then(|| (content.manifest.version.clone(), *digest))
            };
            self.0.iter().filter_map(of).collect()
        }

        fn content(&self, digest: &Digest) -> Option<Content> {
            self.0.get(digest).cloned()
        }

        fn near(&self, _: &StandardId) -> Vec<StandardId> {
            self.0.values().map(|content| content.manifest.standard.clone()).take(1).collect()
        }
    }

    impl Shelf {
        fn put(&mut self, standard: &str, version: &str, refs: &[&str]) -> Digest {
            let content = Bundle::seal(&record(standard, version, refs), self).unwrap().root().clone();
            let digest = content.digest();
            self.0.insert(digest, content);
            digest
        }
    }

    fn record(standard: &str, version: &str, refs: &[&str]) -> Package {
        let all: Vec<String> = refs.iter().map(|reference| format!(r#"{{"$ref": "guiju:{reference}"}}"#)).collect();
        let schema = format!(r#"{{"title": "{standard} {version}", "allOf": [{}]}}"#, all.join(","));
        let files =
            [("schema.json".to_owned(), schema.into_bytes()), ("examples/conforming/1.json".to_owned(), b"1".to_vec())];
        let (standard, version) = (standard.parse().unwrap(), version.parse().unwrap());
        Package { standard, version, kind: Kind::Record, files: files.into() }
    }

    #[test]
    fn the_highest_version_that_will_do_is_taken() {
        let mut shelf = Shelf::default();
        for version in ["1.0.0", "1.10.0", "1.9.0", "2.0.0", "2.1.0-rc.1"] {
            shelf.put("a/b", version, &[]);
        }
        let resolved = |text: &str| resolve(&shelf, &text.parse().unwrap()).map(|found| found.version.to_string());
        assert_eq!(resolved("a/b@1").unwrap(), "1.10.0");
        assert_eq!(resolved("a/b").unwrap(), "2.0.0");
        assert_eq!(resolved("a/b@=2.1.0-rc.1").unwrap(), "2.1.0-rc.1");
        let error = resolved("a/b@3").unwrap_err().to_string();
        assert_eq!(error, "no version of `a/b` is ^3; there are 1.0.0, 1.9.0, 1.10.0, 2.0.0, 2.1.0-rc.1");
        assert_eq!(resolved("a/c").unwrap_err().to_string(), "there is no standard `a/c`; did you mean `a/b`?");
    }

    #[test]
    fn a_bundle_holds_all_that_is_needed_and_no_more() {
        let mut shelf = Shelf::default();
        let deep = shelf.put("a/deep", "1.0.0", &[]);
        let types = shelf.put("a/types", "1.0.0", &["a/deep@1"]);
        shelf.put("a/other", "1.0.0", &[]);
        let bundle = Bundle::seal(&record("a/person", "1.0.0", &["a/types@1.0", "a/deep@1"]), &shelf).unwrap();
        let digests: BTreeSet<Digest> = bundle.contents().map(Content::digest).collect();
        assert_eq!(digests, [bundle.digest(), deep, types].into());
        assert_eq!(bundle.dependency(bundle.root(), "a/types@1.0").map(|(digest, _)| digest), Some(types));
        assert_eq!(bundle.dependency(bundle.root(), "a/types@1"), None);
        assert!(bundle.get(&types).unwrap().files.keys().all(|file| file == "schema.json"));
        let all: Vec<Content> = bundle.contents().cloned().collect();
        assert_eq!(Bundle::verify(bundle.digest(), all), Ok(bundle));
    }

    #[test]
    fn what_was_changed_on_its_way_is_refused() {
        let mut shelf = Shelf::default();
        shelf.put("a/types", "1.0.0", &[]);
        let bundle = Bundle::seal(&record("a/person", "1.0.0", &["a/types@1"]), &shelf).unwrap();
        let all: Vec<Content> = bundle.contents().cloned().collect();
        let changed = |change: &dyn Fn(&mut Vec<Content>)| {
            let mut contents = all.clone();
            change(&mut contents);
            Bundle::verify(bundle.digest(), contents)
        };
        for place in 0..2 {
            let tampered = changed(&|contents| contents[place].files.get_mut("schema.json").unwrap().push(b' '));
            assert!(matches!(tampered, Err(BundleError::Tampered { .. })));
            let renamed = changed(&|contents| contents[place].manifest.version = Version::new(9, 9, 9));
            assert!(renamed.is_err());
            assert!(changed(&|contents| drop(contents.remove(place))).is_err());
            assert!(changed(&|contents| contents[place].files.clear()).is_err());
        }
    }

    #[test]
    fn names_that_refer_to_each_other_are_refused() {
        let mut shelf = Shelf::default();
        let itself = Bundle::seal(&record("a/b", "1.0.0", &["a/b@1"]), &shelf).unwrap_err();
        assert_eq!(itself.to_string(), "`a/b` 1.0.0 refers to itself through a/b -> a/b");
        shelf.put("a/b", "1.0.0", &[]);
        shelf.put("a/c", "1.0.0", &["a/b@1"]);
        let round = Bundle::seal(&record("a/b", "2.0.0", &["a/c@1"]), &shelf).unwrap_err();
        assert_eq!(round.to_string(), "`a/b` 2.0.0 refers to itself through a/b -> a/c -> a/b");
    }

    #[test]
    fn a_missing_standard_is_named_with_its_place() {
        let shelf = Shelf::default();
        let error = Bundle::seal(&record("a/b", "1.0.0", &["a/c@1"]), &shelf).unwrap_err();
        assert_eq!(error.to_string(), "at `/allOf/0/$ref`: there is no standard `a/c`");
    }
}
