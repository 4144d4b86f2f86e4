//! Listing and searching the standards that the program carries, as a registry would.

use crate::embedded;
use guiju_model::{
    Catalog, Digest, Kind, Metadata, Namespace, SearchHit, StandardId, StandardInfo, Words,
    search::{Query, Tokens},
};
use semver::Version;
use std::convert::Infallible;

/// Standards in order of their names.
pub fn list(namespace: Option<&Namespace>, kind: Option<Kind>) -> Vec<StandardInfo> {
    let archive = embedded::archive();
    let standards = archive.standards().filter(|standard| namespace.is_none_or(|n| standard.namespace().is_under(n)));
    standards.filter_map(summary).filter(|found| kind.is_none_or(|kind| found.kind == kind)).collect()
}

pub fn metadata(standard: &StandardId) -> Option<Metadata> {
    Metadata::from_toml(standard, &embedded::archive().metadata_toml(standard)?).ok()
}

/// Standards in which every word is found, best place first, then in order of their names.
pub fn search(query: &str) -> Vec<SearchHit> {
    let query = Query::of(query);
    let mut hits: Vec<SearchHit> =
        embedded::archive().standards().filter_map(|standard| hit(standard, &query)).collect();
    hits.sort_by_key(|hit| hit.matched_in);
    hits
}

fn summary(standard: &StandardId) -> Option<StandardInfo> {
    let metadata = metadata(standard)?;
    let versions = embedded::archive().versions(standard);
    Some(StandardInfo {
        standard: standard.clone(),
        kind: metadata.kind,
        title_zh: metadata.title_zh,
        title_en: metadata.title_en,
        abstract_zh: metadata.abstract_zh,
        abstract_en: metadata.abstract_en,
        owner: metadata.owner,
        latest: latest(&versions),
        version_count: versions.len() as u32,
    })
}

fn latest(versions: &[(Version, Digest)]) -> Option<(Version, Digest)> {
    versions.iter().max().cloned()
}

fn hit(standard: &StandardId, query: &Query) -> Option<SearchHit> {
    let (archive, metadata) = (embedded::archive(), metadata(standard)?);
    let mut versions = archive.versions(standard);
    versions.sort_by(|one, other| other.cmp(one));
    let words = versions.iter().filter_map(|(_, digest)| {
        let content = archive.content(digest)?;
        let file = |name: &str, _: &Digest| Ok::<_, Infallible>(content.files.get(name).cloned());
        Words::of(&content.manifest, &metadata, file).ok()
    });
    let words: Vec<Words> = words.collect();
    let (matched_in, tokens) = query.matched(&Tokens::of(&words))?;
    let excerpt = Words::excerpt_of(&words, &tokens, matched_in)?;
    Some(SearchHit { standard: summary(standard)?, matched_in, excerpt })
}
