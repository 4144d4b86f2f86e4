//! What standards are found by: words of names, titles, data elements and texts.

use super::{View, ViewError};
use guiju_model::{MatchedIn, StandardId, StandardInfo, search};
use std::collections::BTreeMap;

/// A standard in which every word of a query is found.
#[derive(Clone, Debug)]
pub struct Match {
    pub standard: StandardInfo,
    /// The worst of the best places of these words.
    pub matched_in: MatchedIn,
    /// The first word that stands no better.
    pub token: String,
}

impl View {
    /// Standards in which every word of a query is found, best first; `keep` decides which.
    pub fn search(
        &self,
        query: &str,
        count: usize,
        keep: impl Fn(&StandardId) -> bool,
    ) -> Result<Vec<Match>, ViewError> {
        let mut found: Option<BTreeMap<String, (u8, String)>> = None;
        for token in search::tokens(query) {
            let mut here: BTreeMap<String, u8> = BTreeMap::new();
            for item in self.keys(&format!("t/{token}")) {
                let (key, rank) = item?;
                let Some((_, standard)) = key.split_once('|') else { continue };
                let rank = rank.first().copied().unwrap_or(u8::MAX);
                here.entry(standard.to_owned()).and_modify(|known| *known = rank.min(*known)).or_insert(rank);
            }
            found = Some(match found {
                None => here.into_iter().map(|(name, rank)| (name, (rank, token.clone()))).collect(),
                Some(known) => {
                    let both = known.into_iter().filter_map(|(name, worst)| {
                        let rank = *here.get(&name)?;
                        Some((name, if rank > worst.0 { (rank, token.clone()) } else { worst }))
                    });
                    both.collect()
                }
            });
        }
        let found = found.unwrap_or_default().into_iter();
        let found = found.filter_map(|(name, (rank, token))| Some((rank, name.parse::<StandardId>().ok()?, token)));
        let mut ranked: Vec<(u8, StandardId, String)> = found.filter(|(_, name, _)| keep(name)).collect();
        ranked.sort();
        let mut hits = Vec::new();
        for (rank, name, token) in ranked.into_iter().take(count) {
            let Some(standard) = self.standard(&name)? else { continue };
            let matched_in = MatchedIn::ALL.get(usize::from(rank)).copied().unwrap_or(MatchedIn::Text);
            hits.push(Match { standard, matched_in, token });
        }
        Ok(hits)
    }
}
