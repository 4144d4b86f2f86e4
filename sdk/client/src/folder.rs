//! A `standards/` tree as a catalog.

use crate::tree::{Sealed, Tree, TreeError};
use guiju_model::{Bundle, Catalog, Content, Digest, Metadata, Package, StandardId};
use guiju_validator::near::nearest;
use semver::Version;
use std::{collections::BTreeMap, path::Path};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    #[error(transparent)]
    Read(#[from] TreeError),
    #[error("{standard} {version}: {why}")]
    Seal { standard: StandardId, version: Version, why: String },
}

/// All versions of a folder, sealed, in an order in which each comes after what it refers to.
#[derive(Debug, Default)]
pub struct Folder {
    metadata: BTreeMap<StandardId, (String, Metadata)>,
    versions: Vec<(Package, Bundle)>,
    sealed: BTreeMap<Digest, Content>,
}

impl Folder {
    /// Reads a tree of standards. Everything must hold together.
    pub fn read(root: &Path) -> Result<Self, FolderError> {
        Self::read_beside(root, None)
    }

    /// The same, where references may also lead to another catalog.
    pub fn read_beside(root: &Path, beside: Option<&dyn Catalog>) -> Result<Self, FolderError> {
        let Tree { packages, metadata, .. } = Tree::read(root)?;
        let Sealed { versions, unsealed } = Tree::seal(packages, &Beside { metadata: &metadata, beside });
        if let Some(fault) = unsealed.into_iter().next() {
            return Err(FolderError::Seal { standard: fault.standard, version: fault.version, why: fault.why });
        }
        let sealed = versions.iter().map(|(_, bundle)| (bundle.digest(), bundle.root().clone())).collect();
        Ok(Self { metadata, versions, sealed })
    }

    /// Every version with all it needs, after what it refers to: the order in which to publish.
    pub fn versions(&self) -> impl Iterator<Item = (&Package, &Bundle)> {
        self.versions.iter().map(|(package, bundle)| (package, bundle))
    }

    /// A standard's metadata and the text it was read from.
    pub fn metadata(&self, standard: &StandardId) -> Option<(&Metadata, &str)> {
        self.metadata.get(standard).map(|(text, metadata)| (metadata, text.as_str()))
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
        near(standard, self.metadata.keys())
    }
}

fn near<'n>(wanted: &StandardId, known: impl Iterator<Item = &'n StandardId>) -> Vec<StandardId> {
    let names: Vec<String> = known.map(StandardId::to_string).collect();
    let nearest = nearest(&wanted.to_string(), names.iter().map(String::as_str));
    nearest.and_then(|name| name.parse().ok()).into_iter().collect()
}

/// What lies beside a folder. A standard of the folder is not looked for there.
struct Beside<'b> {
    metadata: &'b BTreeMap<StandardId, (String, Metadata)>,
    beside: Option<&'b dyn Catalog>,
}

impl Catalog for Beside<'_> {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let beside = self.beside.filter(|_| !self.metadata.contains_key(standard));
        beside.map(|beside| beside.versions(standard)).unwrap_or_default()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.beside?.content(digest)
    }

    fn near(&self, standard: &StandardId) -> Vec<StandardId> {
        let mut near = near(standard, self.metadata.keys());
        near.extend(self.beside.map(|beside| beside.near(standard)).unwrap_or_default());
        near
    }
}
