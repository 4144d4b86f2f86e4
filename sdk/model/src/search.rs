//! What a standard is found by: words of its name, its titles, its data elements and all else that is said of it.
//!
//! # Invariants
//! - A registry's index and a program's own shelf are searched by this alone, so that the same words find the same standards.
//! - Every word of a query must begin a word of the standard, wherever that stands; of Han characters, which have no spaces between
//!   words, each pair that follow each other.

use crate::{Digest, Manifest, MatchedIn, Metadata, read_json_or_yaml};
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// Texts of one kind that are looked at; a schema may have more.
const TEXTS_MAX: usize = 2_000;
/// Characters of a word; what is behind them does not tell it apart.
const WORD_CHARS_MAX: usize = 64;

/// What is said of a version, by the place where it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    name: String,
    titles: Vec<String>,
    /// Names and titles of fields and of definitions, with what senders call them.
    data_elements: Vec<String>,
    text: Vec<String>,
}

impl Words {
    /// Of a version: what its metadata say, and its schema, or the schemas and operations of its contract; `file` gives a file of it.
    pub fn of<E>(
        manifest: &Manifest,
        metadata: &Metadata,
        file: impl Fn(&str, &Digest) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Self, E> {
        let Metadata { title_zh, title_en, abstract_zh, abstract_en, owner, basis, .. } = metadata;
        let mut words = Self {
            name: manifest.standard.to_string(),
            titles: vec![title_zh.clone(), title_en.clone()],
            data_elements: Vec::new(),
            text: vec![abstract_zh.clone(), abstract_en.clone(), owner.clone(), basis.join(" ")],
        };
        for name in ["schema.json", "openapi.yaml", "openapi.json"] {
            let Some(digest) = manifest.files.get(name) else { continue };
            if let Ok(document) = read_json_or_yaml(&file(name, digest)?.unwrap_or_default()) {
                words.gather(&document.value, false);
            }
        }
        Ok(words)
    }

    /// `is_element`: the value says what a data element is.
    fn gather(&mut self, value: &Value, is_element: bool) {
        let Value::Object(members) = value else {
            return value.as_array().into_iter().flatten().for_each(|item| self.gather(item, false));
        };
        for (name, member) in members {
            match (name.as_str(), member) {
                ("dataElement", Value::String(text)) => self.data_elements.push(text.clone()),
                ("synonyms", Value::Array(texts)) => {
                    self.data_elements.extend(texts.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                ("title" | "titleZh", Value::String(text)) if is_element => self.data_elements.push(text.clone()),
                ("title" | "titleZh" | "description" | "summary" | "operationId", Value::String(text)) => {
                    self.text.push(text.clone());
                }
                ("properties", Value::Object(all)) => {
                    self.data_elements.extend(all.keys().cloned());
                    all.values().for_each(|field| self.gather(field, true));
                }
                ("$defs" | "definitions", Value::Object(all)) => {
                    all.values().for_each(|definition| self.gather(definition, true));
                }
                ("x-guiju", Value::Object(_)) => self.gather(member, is_element),
                _ => self.gather(member, false),
            }
        }
    }

    fn texts(&self, place: MatchedIn) -> &[String] {
        let texts = match place {
            MatchedIn::Name => std::slice::from_ref(&self.name),
            MatchedIn::Title => &self.titles,
            MatchedIn::DataElement => &self.data_elements,
            MatchedIn::Text => &self.text,
        };
        &texts[..texts.len().min(TEXTS_MAX)]
    }

    fn tokens(&self) -> impl Iterator<Item = (String, MatchedIn)> + '_ {
        let of = |place: &'static MatchedIn| {
            self.texts(*place).iter().flat_map(|text| tokens(text)).map(|token| (token, *place))
        };
        MatchedIn::ALL.iter().flat_map(of)
    }

    /// A few words around those of a query, in the text of that place where most of them stand; none where none does. With it, how
    /// many do.
    pub fn excerpt(&self, tokens: &[String], place: MatchedIn) -> Option<(usize, String)> {
        let mut best: Option<(usize, &String)> = None;
        for text in self.texts(place) {
            let words = self::tokens(text);
            let begins =
                |token: &&String| words.range((*token).clone()..).next().is_some_and(|at| at.starts_with(*token));
            let count = tokens.iter().filter(begins).count();
            if count > best.map_or(0, |(most, _)| most) {
                best = Some((count, text));
            }
        }
        best.map(|(count, text)| (count, around(text, tokens)))
    }

    /// The excerpt of that version, of several, which has most of the words.
    pub fn excerpt_of<'w>(
        versions: impl IntoIterator<Item = &'w Words>,
        tokens: &[String],
        place: MatchedIn,
    ) -> Option<String> {
        let found = versions.into_iter().filter_map(|words| words.excerpt(tokens, place));
        found.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, text)| text)
    }
}

/// Words with the best place of each, as one text: a registry keeps one for each standard, and looks through all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens<'t>(Cow<'t, str>);

impl<'t> Tokens<'t> {
    /// Of versions of one standard.
    pub fn of<'w>(versions: impl IntoIterator<Item = &'w Words>) -> Tokens<'static> {
        Tokens::default().with(versions)
    }

    /// What [`Tokens::as_str`] gave.
    pub fn kept(text: &'t str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same with the words of further versions.
    pub fn with<'w>(&self, versions: impl IntoIterator<Item = &'w Words>) -> Tokens<'static> {
        let kept = self.0.split_terminator('\n').skip(1).filter_map(|line| line.split_once('|'));
        let mut all: BTreeMap<String, MatchedIn> =
            kept.filter_map(|(token, place)| Some((token.to_owned(), place_of(place)?))).collect();
        for (token, place) in versions.into_iter().flat_map(Words::tokens) {
            all.entry(token).and_modify(|known| *known = place.min(*known)).or_insert(place);
        }
        let lines = all.into_iter().map(|(token, place)| format!("\n{token}|{}", place as u8));
        Tokens(lines.collect::<String>().into())
    }

    /// The best place of the words that begin so; `line` is that beginning after a line feed.
    fn best(&self, line: &str) -> Option<MatchedIn> {
        let places = self.0.match_indices(line).map(|(at, _)| &self.0[at + line.len()..]);
        places.filter_map(|rest| place_of(rest.split_once('|')?.1.get(..1)?)).min()
    }
}

impl Default for Tokens<'_> {
    fn default() -> Self {
        Self("".into())
    }
}

fn place_of(digit: &str) -> Option<MatchedIn> {
    MatchedIn::ALL.get(digit.parse::<usize>().ok()?).copied()
}

/// What is searched for: words that all must be found.
#[derive(Clone, Debug)]
pub struct Query {
    /// Each after a line feed.
    lines: Vec<String>,
}

impl Query {
    pub fn of(text: &str) -> Self {
        Self { lines: tokens(text).into_iter().map(|token| format!("\n{token}")).collect() }
    }

    /// Where it is found among the words of a standard: the worst of the best places of its words, and the words that stand no
    /// better; none where one is missing.
    pub fn matched(&self, among: &Tokens<'_>) -> Option<(MatchedIn, Vec<String>)> {
        let places = self.lines.iter().map(|line| among.best(line).map(|place| (place, &line[1..])));
        let places = places.collect::<Option<Vec<_>>>()?;
        let worst = places.iter().map(|(place, _)| *place).max()?;
        Some((worst, places.iter().filter(|(place, _)| *place == worst).map(|(_, word)| (*word).to_owned()).collect()))
    }
}

/// Words of a text: runs of letters and digits; of Han characters each pair, and the last by itself, so that each begins one.
pub fn tokens(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for run in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let letters: Vec<char> = run.chars().collect();
        for part in letters.chunk_by(|one, other| is_han(*one) == is_han(*other)) {
            if is_han(part[0]) {
                found.extend(part.windows(2).map(|pair| pair.iter().collect::<String>()));
                found.extend(part.last().map(char::to_string));
            } else {
                found.insert(part.iter().take(WORD_CHARS_MAX).collect());
            }
        }
    }
    found
}

fn is_han(c: char) -> bool {
    ('\u{3400}'..='\u{9fff}').contains(&c) || c >= '\u{20000}'
}

/// A few words around the place where most of some stand, on one line.
fn around(text: &str, tokens: &[String]) -> String {
    const AROUND: usize = 30;
    /// Places of one word that are looked at.
    const PLACES_MAX: usize = 64;
    let letters: Vec<char> = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let lower = text.to_lowercase();
    let mut places: Vec<(usize, &String)> = Vec::new();
    for token in tokens {
        let joins = |c: char| c.is_alphanumeric() && !is_han(c);
        let begins = |at: &usize| !lower[..*at].ends_with(joins) || token.starts_with(is_han);
        let all = lower.match_indices(token).map(|(at, _)| at).filter(begins).take(PLACES_MAX);
        places.extend(all.map(|at| (at, token)));
    }
    places.sort_unstable();
    let near = |at: usize, token: &String| {
        places.iter().any(|(other, known)| *known == token && other.abs_diff(at) + token.len() <= AROUND)
    };
    let count = |at: usize| tokens.iter().filter(|token| near(at, token)).count();
    // Of equals the first.
    let best = places.iter().rev().max_by_key(|(at, _)| count(*at));
    let (at, length) = best.map_or((0, 0), |(at, token)| (*at, token.chars().count()));
    let before = lower[..at].chars().count().min(letters.len());
    let after = (before + length).min(letters.len());
    let (mut from, mut to) = (before.saturating_sub(AROUND), (after + AROUND).min(letters.len()));
    // No word is told in part, but for those of Han characters, which have no ends to be seen.
    let in_word = |at: usize| {
        at > 0
            && at < letters.len()
            && [letters[at - 1], letters[at]].iter().all(|c| c.is_alphanumeric() && !is_han(*c))
    };
    while from < before && in_word(from) {
        from += 1;
    }
    while to > after && in_word(to) {
        to -= 1;
    }
    let cut = |is_cut: bool| if is_cut { "…" } else { "" };
    format!("{}{}{}", cut(from > 0), letters[from..to].iter().collect::<String>().trim(), cut(to < letters.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_a_word_without_spaces_is_found() {
        let all: Vec<String> = tokens("GB18030编码 House-Code 姓").into_iter().collect();
        assert_eq!(all, ["code", "gb18030", "house", "姓", "码", "编码"]);
    }

    #[test]
    fn an_excerpt_stands_where_the_word_does() {
        let text =
            "The household register, which is kept by the police, and what a person is called in it: a full name";
        let around =
            |text: &str, words: &[&str]| around(text, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(around(text, &["name"]), "…is called in it: a full name");
        assert_eq!(around("姓名\n（曾用名）", &["曾用"]), "姓名 （曾用名）");
        assert_eq!(around("ethnic and thin", &["thin"]), "ethnic and thin");
        let basis = "GB 32100-2015 GB/T 12402-2000 GB/T 12406-2022 GB/T 2260-2007 GB 11643-1999";
        assert_eq!(around(basis, &["gb", "11643"]), "…/T 12402-2000 GB/T 12406-2022 GB/T 2260-2007 GB 11643-1999");
    }

    #[test]
    fn all_words_of_a_query_must_stand_somewhere() {
        let words = Words {
            name: "bj.population/person".into(),
            titles: vec!["人口基础信息".into(), "Person".into()],
            data_elements: vec!["cert_type".into(), "cert_no".into(), "公民身份号码".into()],
            text: vec!["who lives here".into()],
        };
        let all = Tokens::of([&words]);
        assert_eq!(Tokens::kept(all.as_str()).with([&words]), all, "nothing is added twice");
        let place = |query: &str| Query::of(query).matched(&all).map(|(place, _)| place);
        assert_eq!(place("person"), Some(MatchedIn::Name));
        assert_eq!(place("人口 基础"), Some(MatchedIn::Title));
        assert_eq!(place("身份号码"), Some(MatchedIn::DataElement));
        assert_eq!(place("person liv"), Some(MatchedIn::Text));
        assert_eq!((place("person water"), place(" ")), (None, None));
        let excerpt = |query: &str| {
            let (place, tokens) = Query::of(query).matched(&all)?;
            Words::excerpt_of([&words], &tokens, place)
        };
        assert_eq!(excerpt("person 号码").as_deref(), Some("公民身份号码"));
        assert_eq!(excerpt("no cert").as_deref(), Some("cert_no"), "the text that has most of them");
        assert_eq!(words.excerpt(&["water".into()], MatchedIn::DataElement), None);
    }

    #[test]
    fn titles_of_fields_and_definitions_are_of_data_elements() {
        let mut words = Words::default();
        words.gather(
            &serde_json::json!({
                "title": "Meter", "x-guiju": {"titleZh": "水表"},
                "$defs": {"Point": {"title": "Place on earth", "properties": {"lon": {"title": "Longitude"}}}},
                "properties": {"dn_mm": {
                    "title": "Bore", "description": "Inside", "x-guiju": {"titleZh": "口径", "dataElement": "BJDE1"},
                    "items": {"title": "One of them"}
                }}
            }),
            false,
        );
        let all = ["Place on earth", "lon", "Longitude", "dn_mm", "Bore", "口径", "BJDE1"];
        let sorted = |texts: &[String]| texts.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(sorted(&words.data_elements), sorted(&all.map(str::to_owned)));
        assert_eq!(sorted(&words.text), sorted(&["Meter", "水表", "Inside", "One of them"].map(str::to_owned)));
    }
}
