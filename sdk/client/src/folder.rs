//! A `standards/` tree as a catalog: the path is the identity.

use guiju_model::{
    Bundle, BundleError, Catalog, Content, Digest, Metadata, MetadataError, Package, ResolveError, StandardId, links,
};
use guiju_validator::near::nearest;
use semver::Version;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("`{}`: {why}", path.display())]
    Name { path: PathBuf, why: String },
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("{standard} {version}: {source}")]
    Seal { standard: StandardId, version: Version, source: BundleError },
}

/// All versions of a folder, sealed, in an order in which each comes after what it refers to.
#[derive(Debug, Default)]
pub struct Folder {
    metadata: BTreeMap<StandardId, (Metadata, String)>,
    versions: Vec<(Package, Bundle)>,
    sealed: BTreeMap<Digest, Content>,
}

impl Folder {
    /// Reads `root/<namespace>/<name>/<version>/`. Everything must hold together.
    pub fn read(root: &Path) -> Result<Self, FolderError> {
        Self::read_beside(root, None)
    }

    /// The same, where references may also lead to another catalog.
    pub fn read_beside(root: &Path, beside: Option<&dyn Catalog>) -> Result<Self, FolderError> {
        let mut folder = Self::default();
        let mut waiting = Vec::new();
        for namespace in folders(root)? {
            for home in folders(&namespace)? {
                let name = format!("{}/{}", file_name(&namespace), file_name(&home));
                let standard =
                    name.parse().map_err(|error| FolderError::Name { path: home.clone(), why: format!("{error}") })?;
                folder.standard(standard, &home, &mut waiting)?;
            }
        }
        folder.seal(waiting, beside)?;
        Ok(folder)
    }

    fn standard(&mut self, standard: StandardId, home: &Path, waiting: &mut Vec<Package>) -> Result<(), FolderError> {
        let toml = home.join("standard.toml");
        let text = fs::read_to_string(&toml).map_err(|source| FolderError::Io { path: toml, source })?;
        let metadata = Metadata::from_toml(&standard, &text)?;
        for path in folders(home)? {
            let version = file_name(&path);
            let version = version.parse().map_err(|error| FolderError::Name {
                path: path.clone(),
                why: format!("`{version}` is not a version: {error}"),
            })?;
            let mut files = BTreeMap::new();
            gather(&path, "", &mut files)?;
            waiting.push(Package { standard: standard.clone(), version, kind: metadata.kind, files });
        }
        self.metadata.insert(standard, (metadata, text));
        Ok(())
    }

    /// Seals in rounds: each takes what refers only to what is sealed. Versions of one standard go in their order.
    fn seal(&mut self, mut waiting: Vec<Package>, beside: Option<&dyn Catalog>) -> Result<(), FolderError> {
        waiting.sort_by(|one, other| (&one.standard, &one.version).cmp(&(&other.standard, &other.version)));
        while !waiting.is_empty() {
            let names: Vec<StandardId> = waiting.iter().map(|package| package.standard.clone()).collect();
            let (mut later, mut first_fault) = (Vec::new(), None);
            let before = waiting.len();
            for package in waiting {
                let waits = refers_to_any(&package, &names);
                let both = Both { own: self, beside };
                match Bundle::seal(&package, &both) {
                    Ok(bundle) if !waits => {
                        self.sealed.insert(bundle.digest(), bundle.root().clone());
                        self.versions.push((package, bundle));
                    }
                    Ok(_) => later.push(package),
                    Err(source) => {
                        let unknown =
                            matches!(source, BundleError::Resolve { source: ResolveError::UnknownStandard { .. }, .. });
                        let (standard, version) = (package.standard.clone(), package.version.clone());
                        let fault = FolderError::Seal { standard, version, source };
                        if !unknown && !waits {
                            return Err(fault);
                        }
                        first_fault = first_fault.or(Some(fault));
                        later.push(package);
                    }
                }
            }
            if later.len() == before {
                let path = later.iter().map(|package| package.standard.to_string()).collect();
                let Package { standard, version, .. } = later.swap_remove(0);
                let cycle = FolderError::Seal {
                    standard: standard.clone(),
                    version: version.clone(),
                    source: BundleError::Cycle { standard, version, path },
                };
                return Err(first_fault.unwrap_or(cycle));
            }
            waiting = later;
        }
        Ok(())
    }

    /// Every version with all it needs, after what it refers to: the order in which to publish.
    pub fn versions(&self) -> impl Iterator<Item = (&Package, &Bundle)> {
        self.versions.iter().map(|(package, bundle)| (package, bundle))
    }

    /// A standard's metadata and the text it was read from.
    pub fn metadata(&self, standard: &StandardId) -> Option<(&Metadata, &str)> {
        self.metadata.get(standard).map(|(metadata, text)| (metadata, text.as_str()))
    }
}

impl Catalog for Folder {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let of = self.sealed.iter().filter(|(_, content)| content.manifest.standard == *standard);
        of.map(|(digest, content)| (content.manifest.version.clone(), *digest)).collect()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.sealed.get(digest).cloned()
    }

    fn near(&self, standard: &StandardId) -> Vec<StandardId> {
        let names: Vec<String> = self.metadata.keys().map(StandardId::to_string).collect();
        nearest(&standard.to_string(), names.iter().map(String::as_str))
            .and_then(|name| name.parse().ok())
            .into_iter()
            .collect()
    }
}

/// A folder first, then what lies beside it.
struct Both<'b> {
    own: &'b Folder,
    beside: Option<&'b dyn Catalog>,
}

impl Catalog for Both<'_> {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        match self.own.metadata.contains_key(standard) {
            true => Catalog::versions(self.own, standard),
            false => self.beside.map(|beside| beside.versions(standard)).unwrap_or_default(),
        }
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.own.content(digest).or_else(|| self.beside?.content(digest))
    }

    fn near(&self, standard: &StandardId) -> Vec<StandardId> {
        let mut near = self.own.near(standard);
        near.extend(self.beside.map(|beside| beside.near(standard)).unwrap_or_default());
        near
    }
}

fn refers_to_any(package: &Package, waiting: &[StandardId]) -> bool {
    let document = package.document().ok().flatten().unwrap_or_default();
    let links = links(package.kind, document).unwrap_or_default();
    links
        .iter()
        .any(|link| *link.reference.standard() != package.standard && waiting.contains(link.reference.standard()))
}

/// Sub-folders in order; hidden ones are none of ours.
fn folders(path: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let fault = |source| FolderError::Io { path: path.into(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(fault)? {
        let entry = entry.map_err(fault)?.path();
        if entry.is_dir() && !file_name(&entry).starts_with('.') {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}

fn gather(path: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), FolderError> {
    let fault = |source| FolderError::Io { path: path.into(), source };
    for entry in fs::read_dir(path).map_err(fault)? {
        let entry = entry.map_err(fault)?.path();
        let name = file_name(&entry);
        if name.starts_with('.') {
            continue;
        }
        match entry.is_dir() {
            true => gather(&entry, &format!("{prefix}{name}/"), files)?,
            false => {
                let bytes = fs::read(&entry).map_err(|source| FolderError::Io { path: entry.clone(), source })?;
                files.insert(format!("{prefix}{name}"), bytes);
            }
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
