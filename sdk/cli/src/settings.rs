//! `guiju.toml`: what a project checks, against what, and where its standards come from.
//!
//! # Invariants
//! - An unknown key is refused with the nearest known one: a misspelt setting is never silently without effect.
//! - Paths and globs are relative to the folder that the file lies in.

use crate::{failure::Failure, terminal::Lang};
use guiju::readers::Encoding;
use guiju_model::{Date, Reference, ReferenceError};
use guiju_validator::near::nearest;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

pub const FILE: &str = "guiju.toml";
pub const LOCK: &str = "guiju.lock";

/// What `guiju.toml` says; all of it may be left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The folder that the file lies in; the current one where there is no file.
    #[serde(skip)]
    pub folder: PathBuf,
    pub registry: Option<String>,
    /// Of these four, relative paths begin at the file's folder.
    pub authority: Option<PathBuf>,
    pub token_file: Option<PathBuf>,
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    pub max_staleness_ms: Option<u64>,
    pub cache: Option<PathBuf>,
    #[serde(deserialize_with = "lang")]
    pub lang: Option<Lang>,
    #[serde(deserialize_with = "date")]
    pub reference_date: Option<Date>,
    #[serde(deserialize_with = "references")]
    pub standards: BTreeMap<String, Reference>,
    pub check: Vec<CheckSection>,
}

/// Which files are checked against which standard.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckSection {
    /// A glob, or several.
    #[serde(deserialize_with = "one_or_many")]
    pub files: Vec<String>,
    /// A name of `[standards]`, or a reference.
    pub standard: String,
    /// Data sets that the records refer to: a glob, or several, by standard.
    #[serde(default, deserialize_with = "many_by_name")]
    pub with: BTreeMap<String, Vec<String>>,
    /// `utf-8` or `gb18030`; without it, seen from the content.
    #[serde(default, deserialize_with = "encoding")]
    pub encoding: Option<Encoding>,
}

impl Settings {
    /// Reads the named file, or the nearest `guiju.toml` upward from here, or nothing.
    pub fn read(named: Option<&Path>) -> Result<Self, Failure> {
        let here = env::current_dir().map_err(|error| Failure::file("read", ".", &error))?;
        let found = match named {
            Some(path) => Some(path.to_owned()),
            None => here.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file()),
        };
        let Some(path) = found else { return Ok(Self { folder: PathBuf::new(), ..Self::default() }) };
        let text = fs::read_to_string(&path).map_err(|error| Failure::file("read", path.display(), &error))?;
        let mut settings = Self::parse(&text, path)?;
        if settings.folder == here {
            settings.folder = PathBuf::new();
        }
        Ok(settings)
    }

    /// What a text says that stands, or is to stand, in a file.
    pub fn parse(text: &str, path: PathBuf) -> Result<Self, Failure> {
        let settings: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let failure = fault(error.message());
            failure.at(format!("in {} line {line}", path.display()))
        })?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { folder, ..settings })
    }

    pub fn lock_path(&self) -> PathBuf {
        self.folder.join(LOCK)
    }

    /// A name of `[standards]`, or a reference in full.
    pub fn reference(&self, written: &str) -> Result<Reference, Failure> {
        self.named(written, str::parse)
    }

    /// The same, as one of two that are compared.
    pub fn reference_of_one(&self, written: &str) -> Result<Reference, Failure> {
        self.named(written, Reference::of_one)
    }

    fn named(
        &self,
        written: &str,
        read: impl Fn(&str) -> Result<Reference, ReferenceError>,
    ) -> Result<Reference, Failure> {
        match self.standards.get(written) {
            Some(reference) => Ok(reference.clone()),
            None => read(written).map_err(|error| {
                let near = nearest(written, self.standards.keys().map(String::as_str));
                let failure = Failure::new(error.to_string());
                match near {
                    Some(near) => failure.hint(format!("did you mean `{near}` of [standards] in {FILE}?")),
                    None => failure.hint("`guiju list` shows the standards there are"),
                }
            }),
        }
    }

    /// Every standard that the file names, each once.
    pub fn wanted(&self) -> Result<Vec<Reference>, Failure> {
        let mut wanted: Vec<Reference> = self.standards.values().cloned().collect();
        for section in &self.check {
            for written in std::iter::once(&section.standard).chain(section.with.keys()) {
                let reference = self.reference(written)?;
                if !wanted.contains(&reference) {
                    wanted.push(reference);
                }
            }
        }
        Ok(wanted)
    }
}

/// What serde says of an unknown key, with the nearest known one; everything else as it is.
fn fault(message: &str) -> Failure {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match (message.starts_with("unknown field"), words.as_slice()) {
        (true, [given, known @ ..]) => {
            let failure = Failure::new(format!("there is no setting `{given}`"));
            match nearest(given, known.iter().copied()) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint(format!("the settings here are {}", known.join(", "))),
            }
        }
        _ => Failure::new(message.to_owned()).hint("docs/reference/cli.md shows the whole file"),
    }
}

fn lang<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Lang>, D::Error> {
    match String::deserialize(input)?.as_str() {
        "zh" => Ok(Some(Lang::Zh)),
        "en" => Ok(Some(Lang::En)),
        other => Err(D::Error::custom(format!("`{other}` is not a language; write en or zh"))),
    }
}

fn encoding<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Encoding>, D::Error> {
    String::deserialize(input)?.parse().map(Some).map_err(D::Error::custom)
}

fn date<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Date>, D::Error> {
    String::deserialize(input)?.parse().map(Some).map_err(D::Error::custom)
}

fn references<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<String, Reference>, D::Error> {
    let written = BTreeMap::<String, String>::deserialize(input)?;
    let parsed = written.into_iter().map(|(name, text)| text.parse().map(|reference| (name, reference)));
    parsed.collect::<Result<_, _>>().map_err(D::Error::custom)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    One(String),
    Many(Vec<String>),
}

impl From<Either> for Vec<String> {
    fn from(either: Either) -> Self {
        match either {
            Either::One(glob) => vec![glob],
            Either::Many(globs) => globs,
        }
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    Either::deserialize(input).map(Into::into)
}

fn many_by_name<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    let written = BTreeMap::<String, Either>::deserialize(input)?;
    Ok(written.into_iter().map(|(name, globs)| (name, globs.into())).collect())
}
