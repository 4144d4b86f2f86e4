//! What standards are found by: words of names, titles, data elements and texts.

use super::{View, ViewError};
use guiju_model::{
    MatchedIn, StandardId, StandardInfo,
    search::{Query, Tokens},
};

/// Under this and its name, the words of a standard, in one row: more of them would be rows to count at each start.
const TOKENS: &str = "t/";

pub(super) fn tokens_key(standard: &StandardId) -> Vec<u8> {
    format!("{TOKENS}{standard}").into_bytes()
}

/// A standard in which every word of a query is found.
#[derive(Clone, Debug)]
pub struct Match {
    pub standard: StandardInfo,
    /// The worst of the best places of these words.
    pub matched_in: MatchedIn,
    /// The words that stand no better.
    pub tokens: Vec<String>,
}

impl View {
    /// Standards in which every word of a query is found, best first; `keep` decides which.
    pub fn search(
        &self,
        query: &str,
        count: usize,
        keep: impl Fn(&StandardId) -> bool,
    ) -> Result<Vec<Match>, ViewError> {
        let query = Query::of(query);
        let mut ranked = Vec::new();
        for item in self.keys(TOKENS) {
            let (key, text) = item?;
            let text = String::from_utf8_lossy(&text);
            let Some((matched_in, tokens)) = query.matched(&Tokens::kept(&text)) else { continue };
            let Ok(name) = key[TOKENS.len()..].parse::<StandardId>() else { continue };
            if keep(&name) {
                ranked.push((matched_in, name, tokens));
            }
        }
        ranked.sort();
        let mut hits = Vec::new();
        for (matched_in, name, tokens) in ranked.into_iter().take(count) {
            let Some(standard) = self.standard(&name)? else { continue };
            hits.push(Match { standard, matched_in, tokens });
        }
        Ok(hits)
    }
}
