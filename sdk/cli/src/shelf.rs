//! Where standards are found: the lock, then the cache, then the registry if one is named, then the program itself.
//!
//! # Invariants
//! - No registry is asked that was not named, and none with `--offline`.
//! - What comes back is verified: each file against its manifest, each manifest against the digest that names it.

use crate::{
    carried::{self, Hit, Summary},
    context::Context,
    embedded,
    failure::Failure,
};
use guiju_model::{
    Bundle, Catalog, Content, Digest, Kind, Metadata, Namespace, Reference, Resolution, ResolveError, StandardId,
    resolve,
};
use guiju_validator::near::nearest;
use semver::Version;

pub struct Shelf<'c> {
    context: &'c Context,
}

/// A version with all that is known of it.
pub struct Found {
    pub bundle: Bundle,
    pub metadata: Option<Metadata>,
    pub versions: Vec<Version>,
    /// Where it was found, in words.
    pub place: String,
}

impl Found {
    pub fn content(&self) -> &Content {
        self.bundle.root()
    }
}

/// The program's standards as a catalog, with near names.
pub struct Carried;

impl Catalog for Carried {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        embedded::archive().versions(standard)
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        embedded::archive().content(digest)
    }

    fn near(&self, standard: &StandardId) -> Vec<StandardId> {
        let names: Vec<(String, &StandardId)> =
            embedded::archive().standards().map(|id| (id.to_string(), id)).collect();
        let whole = nearest(&standard.to_string(), names.iter().map(|(name, _)| name.as_str()));
        let same_name = names.iter().filter(|(_, id)| id.name() == standard.name()).map(|(name, _)| name.as_str());
        let mut near: Vec<&str> = whole.into_iter().chain(same_name).collect();
        near.dedup();
        near.iter().take(3).filter_map(|name| name.parse().ok()).collect()
    }
}

impl<'c> Shelf<'c> {
    pub fn open(context: &'c Context) -> Result<Self, Failure> {
        Ok(Self { context })
    }

    /// Where lists and searches look, in words.
    pub fn place(&self) -> String {
        "the program".into()
    }

    pub fn list(&self, namespace: Option<&Namespace>, kind: Option<Kind>) -> Result<Vec<Summary>, Failure> {
        Ok(carried::list(namespace, kind))
    }

    pub fn search(&self, query: &str) -> Result<Vec<Hit>, Failure> {
        Ok(carried::search(query))
    }

    pub fn bundle(&mut self, reference: &Reference) -> Result<Bundle, Failure> {
        let Resolution { standard, version, digest } = resolve(&Carried, reference).map_err(unresolved)?;
        let damaged = || Failure::new(format!("`{standard}` {version} in the program is damaged; install it again"));
        let content = Carried.content(&digest).ok_or_else(damaged)?;
        let bundle = Bundle::gather(content, &Carried).map_err(|error| Failure::new(error.to_string()))?;
        Bundle::verify(bundle.digest(), bundle.contents().cloned().collect()).map_err(|_| damaged())
    }

    pub fn find(&mut self, reference: &Reference) -> Result<Found, Failure> {
        let bundle = self.bundle(reference)?;
        let standard = reference.standard();
        let mut versions: Vec<Version> = Carried.versions(standard).into_iter().map(|(version, _)| version).collect();
        versions.sort();
        Ok(Found { bundle, metadata: carried::metadata(standard), versions, place: self.place() })
    }
}

fn unresolved(error: ResolveError) -> Failure {
    match error {
        ResolveError::UnknownStandard { standard, near } => {
            let failure = Failure::new(format!("there is no standard `{standard}`"));
            match near.as_slice() {
                [] => failure.hint("`guiju list` shows the standards there are, `guiju search WORDS` finds one"),
                near => {
                    let names: Vec<String> = near.iter().map(|id| format!("`{id}`")).collect();
                    failure.hint(format!("did you mean {}?", names.join(" or ")))
                }
            }
        }
        ResolveError::UnknownVersion { reference, versions } => {
            let versions: Vec<String> = versions.iter().map(Version::to_string).collect();
            let (standard, selector) = (reference.standard(), reference.selector());
            Failure::new(format!("no version of `{standard}` is {selector}"))
                .hint(format!("there are {}", versions.join(", ")))
        }
    }
}
