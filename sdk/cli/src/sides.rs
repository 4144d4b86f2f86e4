//! What is compared: a schema or code list in a file, a folder of standards, a registered version, and each of these as it was
//! at a revision of git (`main:standards/bj.house/building`).
//!
//! # Invariants
//! - What lies in a file or folder is compared as it lies there; nothing is asked of a registry but what is referred to.

use crate::{
    context::Context,
    failure::Failure,
    shelf::{Carried, Shelf, not_compiled},
};
use guiju::tree::Tree;
use guiju_compat::Side;
use guiju_model::{Bundle, BundleError, FileError, Kind, Metadata, Package, Properties, Reading, StandardId};
use semver::Version;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// Something that can be compared: one document, or standards by name.
pub enum Sides {
    One(Box<Side>),
    /// The versions of each standard of a folder, and how its `standard.toml` says that they are compared.
    Many(Standards),
}

pub type Standards = BTreeMap<StandardId, Standard>;

/// All versions of a standard, of which there is at least one.
pub struct Standard {
    pub versions: BTreeMap<Version, Bundle>,
    pub reading: Reading,
}

/// How both sides are read, where the caller says so.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub properties: Option<Properties>,
    pub formats_ignored: bool,
    pub constants_unpinned: bool,
    /// The reading of the other side, which both must share.
    pub shared: Option<Reading>,
}

impl Asked {
    /// What was asked for, over what the standard says, over the strict reading.
    pub fn over(&self, own: Option<&Reading>) -> Reading {
        let mut reading = self.shared.as_ref().or(own).cloned().unwrap_or_default();
        reading.properties = self.properties.unwrap_or(reading.properties);
        reading.formats_asserted &= !self.formats_ignored;
        reading.version_constants_pinned &= !self.constants_unpinned;
        reading
    }
}

/// Reads one argument of `guiju diff`.
pub fn read(written: &str, asked: &Asked, context: &Context) -> Result<Sides, Failure> {
    let path = Path::new(written);
    if path.exists() {
        return of_path(path, written, asked);
    }
    if let Some((revision, inside)) = written.split_once(':').filter(|(revision, _)| is_revision(revision)) {
        let taken = checked_out(revision, inside)?;
        return of_path(&taken.path, written, asked);
    }
    let revision = written.split_once(':').filter(|(revision, _)| !revision.is_empty());
    if let (Some((revision, inside)), Err(_)) = (revision, context.settings.reference(written)) {
        return Err(no_revision(revision, inside));
    }
    if looks_like_path(written) {
        return Err(Failure::new(format!("there is no file or folder `{written}`"))
            .hint("name a file, a folder, a reference such as bj.population/person@1, or REVISION:PATH of git"));
    }
    let shelf = Shelf::open(context)?;
    let bundle = shelf.bundle(&context.settings.reference_of_one(written)?)?;
    let own = crate::carried::metadata(&bundle.root().manifest.standard).map(|metadata| metadata.reading);
    Ok(Sides::One(Box::new(side(&bundle, &asked.over(own.as_ref()))?)))
}

pub fn side(bundle: &Bundle, reading: &Reading) -> Result<Side, Failure> {
    Side::read(bundle, reading).map_err(|error| not_compiled(&error))
}

fn no_revision(revision: &str, inside: &str) -> Failure {
    let folder = std::env::current_dir().unwrap_or_default();
    match git(&["rev-parse", "--git-dir"]) {
        Err(_) => Failure::new(format!("`{revision}:{inside}` names a revision of git, and this folder is in no repository"))
            .at(format!("in {}", folder.display()))
            .hint("go to a folder of the repository, or name a file, a folder, or a reference such as bj.population/person@1"),
        Ok(_) => Failure::new(format!("there is no revision `{revision}` in this repository of git"))
            .at(format!("in {}", folder.display()))
            .hint("name a branch, a tag or a commit before the colon, and after it a path from this folder; `git fetch` gets what others have"),
    }
}

fn looks_like_path(written: &str) -> bool {
    written.ends_with(".json")
        || written.ends_with(".csv")
        || written.ends_with(".proto")
        || written.ends_with(".yaml")
        || written.ends_with(".yml")
        || written.starts_with(['.', '/'])
}

fn of_path(path: &Path, written: &str, asked: &Asked) -> Result<Sides, Failure> {
    let home = path.parent().unwrap_or(Path::new("."));
    let is_in_standard = home.parent().is_some_and(|above| above.join("standard.toml").is_file());
    if path.is_file() && !is_in_standard {
        return of_file(path, written, &asked.over(None)).map(|side| Sides::One(Box::new(side)));
    }
    let folder = if path.is_file() { home } else { path };
    let is_bare = path.is_dir() && !is_in_standard && !path.join("standard.toml").is_file();
    if is_bare && holds_protobuf(path) {
        return of_protobuf(path, written).map(|side| Sides::One(Box::new(side)));
    }
    let document = ["openapi.yaml", "openapi.json"].map(|name| path.join(name)).into_iter().find(|path| path.is_file());
    if let Some(document) = document.filter(|_| is_bare) {
        return of_file(&document, written, &asked.over(None)).map(|side| Sides::One(Box::new(side)));
    }
    if is_bare && holds_only_protobuf(path) {
        return of_protobuf(path, written).map(|side| Sides::One(Box::new(side)));
    }
    let tree = crate::command::test::read(folder)?;
    let metadata = tree.metadata.clone();
    let sealed = crate::command::test::sealed(tree)?;
    if let Some(fault) = sealed.unsealed.first() {
        let failure = Failure::new(format!("`{}` {}: {}", fault.standard, fault.version, fault.why));
        return Err(failure.at(format!("in {written}")));
    }
    let own = |standard: &StandardId| metadata.get(standard).map(|(_, Metadata { reading, .. })| reading);
    let mut standards = Standards::new();
    for (package, bundle) in sealed.versions {
        let reading = asked.over(own(&package.standard));
        let new = || Standard { versions: BTreeMap::new(), reading };
        standards.entry(package.standard).or_insert_with(new).versions.insert(package.version, bundle);
    }
    let is_one = folder.join("standard.toml").is_file()
        || folder.parent().is_some_and(|above| above.join("standard.toml").is_file());
    match standards.pop_first() {
        Some((_, Standard { mut versions, reading })) if is_one => {
            let highest = versions.pop_last().map(|(_, bundle)| side(&bundle, &reading));
            let none = || Failure::new(format!("`{written}` holds no version"));
            Ok(Sides::One(Box::new(highest.ok_or_else(none)??)))
        }
        Some((id, standard)) => {
            standards.insert(id, standard);
            Ok(Sides::Many(standards))
        }
        None => Err(Failure::new(format!("`{written}` holds no standards"))),
    }
}

fn of_file(path: &Path, written: &str, reading: &Reading) -> Result<Side, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file("read", written, &error))?;
    if path.extension().is_some_and(|extension| extension == "proto") {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return bare_contract([(name, bytes)].into(), written, reading);
    }
    if let Some(name) = openapi(path, &bytes) {
        return bare_contract([(name.to_owned(), bytes)].into(), written, reading);
    }
    let is_list = path.extension().is_some_and(|extension| extension == "csv");
    let (kind, file) = if is_list { (Kind::CodeList, "codes.csv") } else { (Kind::Record, "schema.json") };
    let broken = |error: &dyn std::fmt::Display| Failure::new(format!("`{written}`: {error}"));
    // A schema that is no standard of ours may have numbers or a form that a standard may not.
    let mut side = match bare(kind, file, &bytes) {
        Ok(bundle) => Side::read(&bundle, reading),
        Err(error @ BundleError::Resolve { .. }) => return Err(broken(&error)),
        Err(BundleError::File(FileError::Canonical { why, .. })) if is_list => return Err(broken(&why)),
        Err(_) if !is_list => Side::of_schema(written, &bytes, BTreeMap::new(), reading.formats_asserted)
            .and_then(|side| side.read_as(reading.properties)),
        Err(error) => return Err(broken(&error)),
    }
    .map_err(|error| not_compiled(&error).at(format!("in {written}")))?;
    (side.name, side.version) = (written.to_owned(), None);
    Ok(side)
}

/// A document in a file that is no version of a standard, with all that it refers to.
pub fn bare(kind: Kind, file: &str, bytes: &[u8]) -> Result<Bundle, BundleError> {
    let (standard, version) = (StandardId::bare(), Version::new(0, 0, 0));
    let package = Package { standard, version, kind, files: [(file.to_owned(), bytes.to_vec())].into() };
    Bundle::seal(&package, &Carried)
}

/// What an OpenAPI document of this name is called in a version folder; none where the file is something else.
fn openapi(path: &Path, bytes: &[u8]) -> Option<&'static str> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
    match extension.as_str() {
        "yaml" | "yml" => Some("openapi.yaml"),
        "json" => {
            let document: Value = serde_json::from_slice(bytes).ok()?;
            ["openapi", "swagger"]
                .iter()
                .any(|name| document.get(name).is_some_and(Value::is_string))
                .then_some("openapi.json")
        }
        _ => None,
    }
}

fn holds_protobuf(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|extension| extension == "proto"))
}

/// `.proto` files in folders below, and no standard.
fn holds_only_protobuf(folder: &Path) -> bool {
    let (mut found, mut folders) = (false, vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.ends_with("standard.toml") {
                return false;
            }
            found |= path.extension().is_some_and(|extension| extension == "proto");
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

/// All `.proto` files under a folder, which are imported by their paths from there.
fn of_protobuf(folder: &Path, written: &str) -> Result<Side, Failure> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            match path.is_dir() {
                true => folders.push(path),
                false if name.ends_with(".proto") || name == "breaking.toml" => {
                    let bytes = fs::read(&path).map_err(|error| Failure::file("read", path.display(), &error))?;
                    files.insert(name, bytes);
                }
                false => {}
            }
        }
    }
    bare_contract(files, written, &Reading::default())
}

fn bare_contract(files: BTreeMap<String, Vec<u8>>, written: &str, reading: &Reading) -> Result<Side, Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure::new(format!("`{written}`: {error}"));
    let standard = "contract/bare".parse::<StandardId>().map_err(|error| broken(&error))?;
    let package = Package { standard, version: Version::new(0, 0, 0), kind: Kind::Contract, files };
    let bundle = Bundle::seal(&package, &Carried).map_err(|error| broken(&error))?;
    let mut side = Side::read(&bundle, reading).map_err(|error| not_compiled(&error).at(format!("in {written}")))?;
    (side.name, side.version) = (written.to_owned(), None);
    Ok(side)
}

/// Files of a revision, in a folder that goes when this does.
struct CheckedOut {
    path: PathBuf,
    _home: TempDir,
}

fn is_revision(revision: &str) -> bool {
    !revision.is_empty() && git(&["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")]).is_ok()
}

fn checked_out(revision: &str, inside: &str) -> Result<CheckedOut, Failure> {
    let home = tempfile::tempdir().map_err(|error| Failure::new(format!("no temporary folder: {error}")))?;
    let inside = inside.trim_end_matches('/');
    let listed = git(&["ls-tree", "-r", "-z", "--name-only", revision, "--", inside])?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let mut names: Vec<String> = listed.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Failure::new(format!("there is no `{inside}` at revision `{revision}`")));
    }
    // What stands above a version folder, or a schema in one, says what the standard is.
    let above = Path::new(inside).ancestors().skip(1).take(2);
    names.extend(above.map(|folder| folder.join("standard.toml").to_string_lossy().into_owned()));
    let path = home.path().join(inside);
    let mut tried = BTreeSet::new();
    while !names.is_empty() {
        for name in std::mem::take(&mut names) {
            let Ok(bytes) = git(&["show", &format!("{revision}:./{name}")]) else { continue };
            let path = home.path().join(name);
            let written =
                fs::create_dir_all(path.parent().unwrap_or(home.path())).and_then(|()| fs::write(&path, bytes));
            written.map_err(|error| Failure::file("written", path.display(), &error))?;
        }
        // What it refers to is looked for in the same tree, as it was then.
        for folder in lacking(&path, home.path()).into_iter().filter(|folder| tried.insert(folder.clone())) {
            let listed = git(&["ls-tree", "-r", "-z", "--name-only", revision, "--", &folder])?;
            let listed = String::from_utf8_lossy(&listed).into_owned();
            names.extend(listed.split('\0').filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    Ok(CheckedOut { path, _home: home })
}

/// Folders of standards that what was checked out refers to and that are not there, from where it was checked out to.
fn lacking(path: &Path, home: &Path) -> Vec<String> {
    let folder = if path.is_file() { path.parent().unwrap_or(path) } else { path };
    let (Ok(tree), Ok(home)) = (Tree::read(folder), fs::canonicalize(home)) else { return Vec::new() };
    let lacking = tree.lacking().unwrap_or_default().into_iter();
    lacking.filter_map(|path| Some(path.strip_prefix(&home).ok()?.to_string_lossy().into_owned())).collect()
}

fn git(arguments: &[&str]) -> Result<Vec<u8>, Failure> {
    let output = Command::new("git").args(arguments).output();
    let output = output.map_err(|error| Failure::new(format!("git cannot be run: {error}")))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(Failure::new(format!("git: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}
