//! A folder of standards as authors keep it: `namespace/name/{standard.toml, version/…}`. The path is the identity.
//!
//! # Invariants
//! - Whoever names a tree, one standard in it, or one version folder, gets the same packages for it, and they are sealed with the
//!   same others of that tree.
//! - Versions are sealed in the order of their dependencies; each that cannot be is named with its reason.

use guiju_model::{Bundle, Catalog, Content, Digest, Metadata, Package, StandardId, links};
use semver::Version;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

const METADATA: &str = "standard.toml";

/// What a folder holds, read and not judged.
#[derive(Debug, Default)]
pub struct Tree {
    pub packages: Vec<Package>,
    /// `standard.toml` as it stands, and what it says.
    pub metadata: BTreeMap<StandardId, (String, Metadata)>,
    /// The tree that they lie in, where they are not all of it.
    root: Option<PathBuf>,
}

/// Where and why a folder of standards cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct TreeError {
    pub path: PathBuf,
    pub why: String,
}

/// A version that does not hold together, or whose references lead nowhere.
#[derive(Debug)]
pub struct Unsealed {
    pub standard: StandardId,
    pub version: Version,
    pub why: String,
}

/// The versions of a folder in order of their dependencies, each with what it needs.
#[derive(Debug, Default)]
pub struct Sealed {
    pub versions: Vec<(Package, Bundle)>,
    pub unsealed: Vec<Unsealed>,
}

/// What lies beside some packages, and where what they refer to would lie that does not.
struct Beside {
    packages: Vec<Package>,
    lacking: Vec<PathBuf>,
}

fn fault(path: &Path, why: impl ToString) -> TreeError {
    TreeError { path: path.to_owned(), why: why.to_string() }
}

impl Tree {
    /// Reads a tree of standards, one namespace, one standard, or one version folder.
    pub fn read(path: &Path) -> Result<Self, TreeError> {
        let path = &fs::canonicalize(path).map_err(|error| fault(path, error))?;
        let mut tree = Self::default();
        let above = path.parent().unwrap_or(path);
        let around = |home: &Path| home.ancestors().nth(2).map(Path::to_owned);
        if path.join(METADATA).is_file() {
            tree.standard(path, None)?;
            tree.root = around(path);
        } else if above.join(METADATA).is_file() {
            tree.standard(above, path.file_name().and_then(|name| name.to_str()))?;
            tree.root = around(above);
        } else {
            for child in folders(path)? {
                match child.join(METADATA).is_file() {
                    true => {
                        tree.standard(&child, None)?;
                        tree.root = around(&child);
                    }
                    false => tree.namespace(&child)?,
                }
            }
        }
        Ok(tree)
    }

    /// What the packages refer to, where it lies beside them in the tree that they are of, with what that refers to.
    fn beside(&self) -> Result<Beside, TreeError> {
        let (mut beside, mut lacking) = (Self::default(), Vec::new());
        let Some(root) = &self.root else { return Ok(Beside { packages: Vec::new(), lacking }) };
        let mut wanted: Vec<StandardId> = self.packages.iter().flat_map(referred).collect();
        while let Some(standard) = wanted.pop() {
            let home = root.join(standard.namespace().as_str()).join(standard.name().as_str());
            if self.metadata.contains_key(&standard) || beside.metadata.contains_key(&standard) {
                continue;
            }
            if !home.join(METADATA).is_file() {
                lacking.push(home);
                continue;
            }
            let before = beside.packages.len();
            beside.standard(&home, None)?;
            wanted.extend(beside.packages[before..].iter().flat_map(referred));
        }
        Ok(Beside { packages: beside.packages, lacking })
    }

    /// Where in the tree that they are of the packages look for what they refer to and do not find it.
    pub fn lacking(&self) -> Result<Vec<PathBuf>, TreeError> {
        Ok(self.beside()?.lacking)
    }

    fn namespace(&mut self, path: &Path) -> Result<(), TreeError> {
        for home in folders(path)? {
            match home.join(METADATA).is_file() {
                true => self.standard(&home, None)?,
                false => return Err(fault(&home, format!("a standard needs a `{METADATA}`; `guiju new` makes one"))),
            }
        }
        Ok(())
    }

    /// One standard: all its versions, or the one.
    fn standard(&mut self, home: &Path, only: Option<&str>) -> Result<(), TreeError> {
        let name = format!("{}/{}", file_name(home.parent().unwrap_or(home)), file_name(home));
        let standard: StandardId = name.parse().map_err(|error| fault(home, error))?;
        let toml = home.join(METADATA);
        let text = fs::read_to_string(&toml).map_err(|error| fault(&toml, error))?;
        let metadata = Metadata::from_toml(&standard, &text).map_err(|error| fault(&toml, error))?;
        for path in folders(home)? {
            let number = file_name(&path);
            if only.is_some_and(|only| only != number) {
                continue;
            }
            let version = number.parse().map_err(|error| {
                fault(&path, format!("the folder of a version is named by its number, for example 1.0.0: {error}"))
            })?;
            let mut files = BTreeMap::new();
            gather(&path, "", &mut files)?;
            self.packages.push(Package { standard: standard.clone(), version, kind: metadata.kind, files });
        }
        self.metadata.insert(standard, (text, metadata));
        Ok(())
    }

    /// The packages in an order in which each comes after what it refers to, where there is one.
    pub fn ordered(packages: Vec<Package>) -> Vec<Package> {
        let (mut ordered, mut waiting) = (Vec::new(), packages);
        while !waiting.is_empty() {
            let names = names(&waiting);
            let (ready, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|package| !refers_to(package, &names));
            let is_knot = ready.is_empty();
            let (mut ready, later) = if is_knot { (later, ready) } else { (ready, later) };
            ready.sort_by(|one, other| (&one.standard, &one.version).cmp(&(&other.standard, &other.version)));
            ordered.extend(ready);
            waiting = later;
        }
        ordered
    }

    /// Seals every version that was read; what is not in the tree is looked for in `base`.
    pub fn sealed(self, base: &dyn Catalog) -> Result<Sealed, TreeError> {
        let beside = Self::seal(self.beside()?.packages, base);
        let held = beside.versions.iter().map(|(_, bundle)| (bundle.digest(), bundle.root().clone())).collect();
        let mut sealed = Self::seal(self.packages, &Shelved { base, held });
        sealed.unsealed.splice(0..0, beside.unsealed);
        Ok(sealed)
    }

    /// Seals every version; what is not among them is looked for in `base`.
    pub fn seal(packages: Vec<Package>, base: &dyn Catalog) -> Sealed {
        let mut catalog = Shelved { base, held: BTreeMap::new() };
        let (mut sealed, mut waiting) = (Sealed::default(), Self::ordered(packages));
        loop {
            let (tried, mut stuck) = (waiting.len(), Vec::new());
            for package in waiting {
                match Bundle::seal(&package, &catalog) {
                    Ok(bundle) => {
                        catalog.held.insert(bundle.digest(), bundle.root().clone());
                        sealed.versions.push((package, bundle));
                    }
                    Err(error) => stuck.push((package, error.to_string())),
                }
            }
            // Names that wait for each other: the versions may still be in an order that works, so each is tried again.
            if stuck.len() == tried {
                let names = names(&stuck.iter().map(|(package, _)| package.clone()).collect::<Vec<_>>());
                let unsealed = |(package, why): (Package, String)| Unsealed {
                    // There is such a standard, only not before this one.
                    why: match waits_for(&package, &names) {
                        Some(other) => format!("it refers to `{other}`, which refers back to it or is itself at fault"),
                        None => why,
                    },
                    standard: package.standard,
                    version: package.version,
                };
                sealed.unsealed = stuck.into_iter().map(unsealed).collect();
                return sealed;
            }
            waiting = stuck.into_iter().map(|(package, _)| package).collect();
        }
    }
}

/// The names of the standards of these packages.
pub fn names(packages: &[Package]) -> BTreeSet<StandardId> {
    packages.iter().map(|package| package.standard.clone()).collect()
}

/// Whether a package refers to one of these standards, other than itself: the highest version must be there before it.
pub fn refers_to(package: &Package, names: &BTreeSet<StandardId>) -> bool {
    waits_for(package, names).is_some()
}

fn waits_for(package: &Package, names: &BTreeSet<StandardId>) -> Option<StandardId> {
    referred(package).into_iter().find(|name| *name != package.standard && names.contains(name))
}

/// The standards that a package refers to.
fn referred(package: &Package) -> Vec<StandardId> {
    let document = package.document().ok().flatten().unwrap_or_default();
    let links = links(package.kind, document).unwrap_or_default();
    links.iter().map(|link| link.reference.standard().clone()).collect()
}

/// The versions sealed so far over those of a base.
struct Shelved<'b> {
    base: &'b dyn Catalog,
    held: BTreeMap<Digest, Content>,
}

impl Catalog for Shelved<'_> {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let own = self.held.iter().filter(|(_, content)| content.manifest.standard == *standard);
        let own: BTreeMap<Version, Digest> =
            own.map(|(digest, content)| (content.manifest.version.clone(), *digest)).collect();
        // The author's own text of a version stands before a published one of the same number.
        let base = self.base.versions(standard).into_iter().filter(|(version, _)| !own.contains_key(version));
        base.collect::<Vec<_>>().into_iter().chain(own.clone()).collect()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.held.get(digest).cloned().or_else(|| self.base.content(digest))
    }

    fn near(&self, standard: &StandardId) -> Vec<StandardId> {
        self.base.near(standard)
    }
}

fn gather(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), TreeError> {
    for path in entries(folder)? {
        let name = format!("{prefix}{}", file_name(&path));
        match path.is_dir() {
            true => gather(&path, &format!("{name}/"), files)?,
            false => drop(files.insert(name, fs::read(&path).map_err(|error| fault(&path, error))?)),
        }
    }
    Ok(())
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, TreeError> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// What lies in a folder, in order of names; hidden files are the editor's, not the author's.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, TreeError> {
    let entries: io::Result<Vec<_>> = fs::read_dir(folder).and_then(Iterator::collect);
    let entries = entries.map_err(|error| fault(folder, error))?.into_iter().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| !file_name(path).starts_with('.')).collect();
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
