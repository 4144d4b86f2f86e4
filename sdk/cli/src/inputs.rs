//! Which files are meant: names, globs, `-` for standard input, or what `guiju.toml` says.
//!
//! # Invariants
//! - A name that leads nowhere and a glob that matches nothing are failures, never silence.
//! - Each file is checked once for a standard, in the order named; a glob gives its files sorted.

use crate::{
    failure::Failure,
    settings::{CheckSection, FILE, Settings},
};
use glob::{MatchOptions, Pattern};
use guiju::readers::Encoding;
use guiju_model::Reference;
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// One input, and the standard that it is checked against.
#[derive(Clone, Debug)]
pub struct Job {
    /// As shown.
    pub name: String,
    /// `None`: standard input.
    pub path: Option<PathBuf>,
    /// `None`: the schema given on the command line.
    pub standard: Option<Reference>,
    /// Files of the data sets that its records refer to.
    pub with: Vec<Partner>,
    /// As `guiju.toml` names it for the file.
    pub encoding: Option<Encoding>,
}

/// A data set that records refer to.
#[derive(Clone, Debug)]
pub struct Partner {
    pub standard: Reference,
    pub path: PathBuf,
}

const EXACT: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// What is to be checked. `standard` is the one named on the command line; `has_schema`: a schema stands in for it.
pub fn jobs(
    named: &[String],
    standard: Option<&str>,
    has_schema: bool,
    with: &[String],
    settings: &Settings,
) -> Result<Vec<Job>, Failure> {
    let with = partners_named(with, settings)?;
    let given = |mut jobs: Vec<Job>| {
        jobs.iter_mut().for_each(|job| job.with.extend(with.iter().cloned()));
        jobs
    };
    let standard = standard.map(|written| settings.reference(written)).transpose()?;
    if named.is_empty() {
        return match (&standard, has_schema) {
            (None, false) => of_settings(settings).map(given),
            _ => Err(Failure::new("no files were named").hint("name files or globs, or `-` for standard input")),
        };
    }
    let mut jobs = Vec::new();
    for (name, path) in expand(named)? {
        let section = path.as_deref().map(|path| section_of(path, settings)).transpose()?.flatten();
        let (standard, with) = match (&standard, has_schema, section) {
            (_, true, _) => (None, Vec::new()),
            (Some(standard), ..) => (Some(standard.clone()), Vec::new()),
            (None, _, Some(section)) => (Some(settings.reference(&section.standard)?), partners(section, settings)?),
            (None, _, None) => return Err(without_standard(&name, path.as_deref())),
        };
        let encoding = section.and_then(|section| section.encoding);
        jobs.push(Job { name, path, standard, with, encoding });
    }
    Ok(given(jobs))
}

/// What `--with STANDARD=FILE` names.
fn partners_named(written: &[String], settings: &Settings) -> Result<Vec<Partner>, Failure> {
    let mut partners = Vec::new();
    for written in written {
        // A requirement may hold `=` itself: bj.house/building@=1.1.0=buildings.csv.
        let parts = written.match_indices('=').map(|(at, _)| (&written[..at], &written[at + 1..]));
        let read = |(standard, file): (&str, &str)| {
            let file = Some(file).filter(|file| !file.is_empty() && !file.starts_with('='))?;
            Some((settings.reference(standard).ok()?, file.to_owned()))
        };
        let Some((standard, file)) = parts.filter_map(read).next_back() else {
            let hint = "write STANDARD=FILE, for example --with bj.house/building=buildings.csv";
            return Err(
                Failure::new(format!("`{written}` does not say which data set is of which standard")).hint(hint)
            );
        };
        for (name, path) in expand(&[file])? {
            let Some(path) = path else {
                return Err(Failure::new("a data set that is referred to cannot be standard input").hint("name a file"));
            };
            if !path.is_file() {
                return Err(Failure::new(format!("there is no file `{name}`")).at(format!("in --with {written}")));
            }
            partners.push(Partner { standard: standard.clone(), path });
        }
    }
    Ok(partners)
}

/// What a section of `guiju.toml` says that its records refer to.
fn partners(section: &CheckSection, settings: &Settings) -> Result<Vec<Partner>, Failure> {
    let mut partners = Vec::new();
    for (standard, globs) in &section.with {
        let standard = settings.reference(standard)?;
        for path in matching_in_section(globs, settings)? {
            partners.push(Partner { standard: standard.clone(), path });
        }
    }
    Ok(partners)
}

/// The files that globs of `guiju.toml` lead to.
fn matching_in_section(globs: &[String], settings: &Settings) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for written in globs {
        let pattern = settings.folder.join(written).to_string_lossy().into_owned();
        let found = matching(&pattern)?;
        if found.is_empty() {
            let failure = Failure::new(format!("no file matches `{written}`"));
            return Err(failure.at(format!("in [[check]] of {FILE}")).hint("mend the glob, or take the section out"));
        }
        all.extend(found);
    }
    Ok(all)
}

fn of_settings(settings: &Settings) -> Result<Vec<Job>, Failure> {
    if settings.check.is_empty() {
        let failure = Failure::new("nothing to check: no files were named");
        return Err(failure.hint(format!(
            "write `guiju check --standard bj.population/person FILE`, or a [[check]] in {FILE} (`guiju init` makes one)"
        )));
    }
    let mut jobs = Vec::new();
    for section in &settings.check {
        let (standard, with) = (settings.reference(&section.standard)?, partners(section, settings)?);
        let job = |path: PathBuf| {
            let (name, with, encoding) = (shown(&path), with.clone(), section.encoding);
            Job { name, path: Some(path), standard: Some(standard.clone()), with, encoding }
        };
        jobs.extend(matching_in_section(&section.files, settings)?.into_iter().map(job));
    }
    Ok(jobs)
}

/// The first section of `guiju.toml` that a file belongs to.
fn section_of<'s>(path: &Path, settings: &'s Settings) -> Result<Option<&'s CheckSection>, Failure> {
    for section in &settings.check {
        for written in &section.files {
            let pattern = settings.folder.join(written).to_string_lossy().into_owned();
            if glob(&pattern)?.matches_path_with(path, EXACT) {
                return Ok(Some(section));
            }
        }
    }
    Ok(None)
}

/// What to say of a file for which nothing names a standard.
fn without_standard(name: &str, path: Option<&Path>) -> Failure {
    let hint = "say which with --standard, for example --standard bj.population/person; `guiju list` shows all";
    match path {
        Some(path) if !path.exists() => Failure::file("read", name, &ErrorKind::NotFound.into()),
        Some(_) => Failure::new(format!("which standard should `{name}` be checked against?")).hint(hint),
        None => Failure::new("which standard should standard input be checked against?").hint(hint),
    }
}

fn expand(named: &[String]) -> Result<Vec<(String, Option<PathBuf>)>, Failure> {
    let mut found: Vec<(String, Option<PathBuf>)> = Vec::new();
    for name in named {
        let path = Path::new(name);
        // A file whose name has brackets or stars in it is still that file.
        let paths = match name.as_str() {
            "-" => vec![None],
            _ if path.is_dir() => {
                let hint = format!("name its files, for example '{}/*.csv'", name.trim_end_matches('/'));
                return Err(Failure::new(format!("`{name}` is a folder")).hint(hint));
            }
            _ if path.exists() || !name.contains(['*', '?', '[']) => vec![Some(path.to_owned())],
            _ => matching(name)?.into_iter().map(Some).collect(),
        };
        if paths.is_empty() {
            let hint = "look at the spelling; `**` goes into folders, and a leading dot must be written";
            return Err(Failure::new(format!("no file matches `{name}`")).hint(hint));
        }
        for path in paths {
            if !found.iter().any(|(_, other)| *other == path) {
                found.push((path.as_deref().map_or("standard input".into(), shown), path));
            }
        }
    }
    Ok(found)
}

fn matching(pattern: &str) -> Result<Vec<PathBuf>, Failure> {
    glob(pattern)?;
    let paths = glob::glob_with(pattern, EXACT).map_err(|error| Failure::new(error.to_string()))?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| Failure::file("read", error.path().display(), error.error()))?;
        if path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

fn glob(pattern: &str) -> Result<Pattern, Failure> {
    Pattern::new(pattern).map_err(|error| Failure::new(format!("`{pattern}` is not a glob: {}", error.msg)))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
