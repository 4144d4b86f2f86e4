//! What standards are found by: words of names, titles, data elements and texts.

use super::{View, ViewError};
use guiju_model::{MatchedIn, Metadata, SearchHit, StandardId, VersionInfo};
use std::collections::{BTreeMap, BTreeSet};

/// What a version can be found by, beside its name and titles.
#[derive(Clone, Debug, Default)]
pub struct Words {
    pub data_elements: Vec<String>,
    pub text: Vec<String>,
}

impl View {
    /// Standards in which every word of a query is found, best first; `keep` decides which.
    pub fn search(
        &self,
        query: &str,
        count: usize,
        keep: impl Fn(&StandardId) -> bool,
    ) -> Result<Vec<SearchHit>, ViewError> {
        let mut found: Option<BTreeMap<String, u8>> = None;
        for token in tokens(query) {
            let mut here: BTreeMap<String, u8> = BTreeMap::new();
            for item in self.keys(&format!("t/{token}")) {
                let (key, rank) = item?;
                let Some((_, standard)) = key.split_once('|') else { continue };
                let rank = rank.first().copied().unwrap_or(3);
                here.entry(standard.to_owned()).and_modify(|known| *known = rank.min(*known)).or_insert(rank);
            }
            found = Some(match found {
                None => here,
                Some(known) => {
                    let both = known
                        .into_iter()
                        .filter_map(|(name, rank)| here.get(&name).map(|other| (name, rank.max(*other))));
                    both.collect()
                }
            });
        }
        let found = found.unwrap_or_default().into_iter();
        let found = found.filter_map(|(name, rank)| Some((rank, name.parse::<StandardId>().ok()?)));
        let mut ranked: Vec<(u8, StandardId)> = found.filter(|(_, name)| keep(name)).collect();
        ranked.sort();
        let mut hits = Vec::new();
        for (rank, name) in ranked.into_iter().take(count) {
            let Some(standard) = self.standard(&name)? else { continue };
            let matched_in =
                [MatchedIn::Name, MatchedIn::Title, MatchedIn::DataElement, MatchedIn::Text][usize::from(rank.min(3))];
            let excerpt = standard.abstract_zh.chars().take(80).collect();
            hits.push(SearchHit { standard, matched_in, excerpt });
        }
        Ok(hits)
    }
}

/// Words of a text: runs of letters and digits; of Han characters, each and each pair.
fn tokens(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let is_han = |c: char| ('\u{3400}'..='\u{9fff}').contains(&c) || c >= '\u{20000}';
    for run in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let letters: Vec<char> = run.chars().take(64).collect();
        match letters.iter().any(|c| is_han(*c)) {
            false => drop(found.insert(letters.into_iter().collect())),
            true if letters.len() == 1 => drop(found.insert(letters.into_iter().collect())),
            true => found.extend(letters.windows(2).map(|pair| pair.iter().collect::<String>())),
        }
    }
    found
}

pub(super) fn tokens_of(info: &VersionInfo, metadata: &Metadata, words: &Words) -> BTreeMap<String, u8> {
    let mut found = BTreeMap::new();
    let mut add = |text: &str, rank: u8| {
        for token in tokens(text) {
            let known = found.entry(token).or_insert(rank);
            *known = rank.min(*known);
        }
    };
    words.text.iter().take(2_000).for_each(|text| add(text, 3));
    add(&metadata.abstract_zh, 3);
    add(&metadata.abstract_en, 3);
    words.data_elements.iter().for_each(|text| add(text, 2));
    add(&metadata.title_zh, 1);
    add(&metadata.title_en, 1);
    add(&info.standard.to_string(), 0);
    found
}
