//! Listing and searching the standards that the program carries, as a registry would.

use crate::embedded;
use guiju_model::{
    Catalog, Content, Digest, Kind, MatchedIn, Metadata, Namespace, SearchHit, StandardId, StandardInfo,
};
use semver::Version;

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
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let mut hits: Vec<(usize, SearchHit)> =
        embedded::archive().standards().filter_map(|standard| hit(standard, &words)).collect();
    hits.sort_by_key(|(rank, _)| *rank);
    hits.into_iter().map(|(_, hit)| hit).collect()
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

fn hit(standard: &StandardId, words: &[String]) -> Option<(usize, SearchHit)> {
    let metadata = metadata(standard)?;
    let places = [
        (MatchedIn::Name, standard.to_string()),
        (MatchedIn::Title, format!("{} {}", metadata.title_zh, metadata.title_en)),
        (
            MatchedIn::Text,
            format!(
                "{} {} {} {}",
                metadata.abstract_zh,
                metadata.abstract_en,
                metadata.owner,
                metadata.basis.join(" ")
            ),
        ),
    ];
    let found = places.iter().position(|(_, text)| holds(text, words));
    let (rank, matched_in, text) = match found {
        Some(rank) => (rank, places[rank].0, places[rank].1.clone()),
        None => {
            let text = document(standard)?;
            if !holds(&text, words) {
                return None;
            }
            (places.len(), MatchedIn::Text, text)
        }
    };
    let excerpt = excerpt(&text, words.first().map_or("", String::as_str));
    Some((rank, SearchHit { standard: summary(standard)?, matched_in, excerpt }))
}

fn document(standard: &StandardId) -> Option<String> {
    let archive = embedded::archive();
    let (_, digest) = latest(&archive.versions(standard))?;
    let content: Content = archive.content(&digest)?;
    content.document().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn holds(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

/// A few words around the match, on one line.
fn excerpt(text: &str, word: &str) -> String {
    const AROUND: usize = 30;
    let letters: Vec<char> = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let before = text.to_lowercase().find(word).map_or(0, |at| text.to_lowercase()[..at].chars().count());
    let from = before.saturating_sub(AROUND).min(letters.len());
    let to = (before + word.chars().count() + AROUND).min(letters.len());
    letters[from..to].iter().collect::<String>().trim().to_owned()
}
