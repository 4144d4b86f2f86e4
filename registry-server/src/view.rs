//! What can be asked, kept in sled. `apply` is its only writer, and all of it can be thrown away: it is made of the log.
//!
//! # Invariants
//! - The applied head (size and chain) is written in the same batch as what it covers.
//! - `apply` is a function of the facts alone; the same log gives the same view.
//! - On any doubt (will not open, cannot be read, another chain) the folder is moved aside and a new view is begun; where the
//!   doubt comes while the server runs, beside it, and the next start moves it aside.

use crate::log::Head;
use guiju_model::{
    Dependency, Digest, Kind, MatchedIn, Metadata, SearchHit, StandardId, StandardInfo, Status, VersionInfo,
};
use semver::Version;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

const CACHE_BYTES: u64 = 16 << 20;

#[derive(Debug, thiserror::Error)]
#[error("the view at `{}`: {why}", path.display())]
pub struct ViewError {
    path: PathBuf,
    why: String,
}

/// What one entry of the log means, with what its blobs hold.
#[derive(Clone, Debug)]
pub enum Fact {
    Published { info: VersionInfo, metadata: Box<Metadata>, words: Words },
    StatusChanged { standard: StandardId, version: Version, status: Status, successor: String },
}

/// What a version can be found by, beside its name and titles.
#[derive(Clone, Debug, Default)]
pub struct Words {
    pub data_elements: Vec<String>,
    pub text: Vec<String>,
}

pub struct View {
    path: PathBuf,
    db: sled::Db,
    has_failed: AtomicBool,
}

#[derive(Serialize, Deserialize)]
struct VersionRow {
    kind: Kind,
    digest: String,
    status: Status,
    log_index: u64,
    published_ms: u64,
    /// Reference, standard, version, digest.
    dependencies: Vec<(String, String, String, String)>,
    successor: String,
}

#[derive(Serialize, Deserialize)]
struct StandardRow {
    metadata: Metadata,
    /// Version to digest and status.
    versions: BTreeMap<String, (String, Status)>,
}

/// As much of a [`StandardRow`] as a look-up needs.
#[derive(Deserialize)]
struct Versions {
    versions: BTreeMap<String, (String, Status)>,
}

const HEAD: &[u8] = b"head";
/// A file in the view's folder that says why it is not to be trusted.
const DOUBT: &str = "doubt";
/// How the names of views end that were begun while the server ran.
const BESIDE: &str = "anew-";

impl View {
    /// Opens the view, or begins a new one; whether an old one was moved aside, and why.
    pub fn open(path: &Path) -> Result<(Self, Option<String>), ViewError> {
        // A start that was killed can leave a snapshot half made, and sled then refuses to open.
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().ends_with(".generating") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        for entry in path.parent().and_then(|above| std::fs::read_dir(above).ok()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end.to_string_lossy().starts_with(BESIDE)) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        match Self::try_open(path) {
            Ok(view) => Ok((view, None)),
            Err(doubt) => {
                Self::move_aside(path)?;
                Self::try_open(path).map(|view| (view, Some(doubt.why)))
            }
        }
    }

    /// Begins a new one in a folder beside that of one that has failed and is still in use. The next start removes it.
    pub fn open_beside(path: &Path) -> Result<Self, ViewError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let beside = path.with_extension(format!("{BESIDE}{}", COUNT.fetch_add(1, Relaxed)));
        Self::try_open(&beside).inspect_err(|_| drop(std::fs::remove_dir_all(&beside)))
    }

    /// Whether it could not be read or written: sled gives the first error again to whoever asks later.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Relaxed)
    }

    fn try_open(path: &Path) -> Result<Self, ViewError> {
        let fault = |why: String| ViewError { path: path.into(), why };
        if let Ok(why) = std::fs::read_to_string(path.join(DOUBT)) {
            return Err(fault(why));
        }
        let open = || {
            let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).segment_size(8 << 20);
            let view = Self { path: path.into(), db: config.open()?, has_failed: AtomicBool::new(false) };
            view.db.get(HEAD)?;
            Ok::<_, sled::Error>(view)
        };
        // sled panics on some damage.
        let view = catch_unwind(AssertUnwindSafe(open)).map_err(|_| fault("it could not be read".into()))?;
        let view = view.map_err(|error| fault(error.to_string()))?;
        view.head().map(|_| view)
    }

    /// Moves a view that cannot be trusted to a name that says so. The one that was moved before goes.
    pub fn move_aside(path: &Path) -> Result<(), ViewError> {
        let aside = path.with_extension("doubtful");
        let _ = std::fs::remove_dir_all(&aside).or_else(|_| std::fs::remove_file(&aside));
        match std::fs::rename(path, aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ViewError { path: path.into(), why: error.to_string() })
            }
            _ => Ok(()),
        }
    }

    pub fn head(&self) -> Result<Head, ViewError> {
        let Some(bytes) = self.get(HEAD)? else { return Ok(Head::empty()) };
        let whole = || {
            Some((u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?), <[u8; 32]>::try_from(bytes.get(8..40)?).ok()?))
        };
        let (size, chain) = whole().ok_or_else(|| self.fault("its head cannot be read"))?;
        Ok(Head { size, chain: Digest::from_bytes(chain) })
    }

    /// Takes in what entries mean, with the head after the last of them.
    pub fn apply(&self, facts: &[Fact], head: Head) -> Result<(), ViewError> {
        let mut changes: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for fact in facts {
            match fact {
                Fact::Published { info, metadata, words } => self.publish(&mut changes, info, metadata, words)?,
                Fact::StatusChanged { standard, version, status, successor } => {
                    self.set_status(&mut changes, standard, version, *status, successor)?;
                }
            }
        }
        changes.insert(HEAD.to_vec(), [head.size.to_be_bytes().as_slice(), head.chain.as_bytes()].concat());
        let mut batch = sled::Batch::default();
        changes.into_iter().for_each(|(key, value)| batch.insert(key, value));
        self.guarded(|| self.db.apply_batch(batch))
    }

    fn publish(
        &self,
        changes: &mut BTreeMap<Vec<u8>, Vec<u8>>,
        info: &VersionInfo,
        metadata: &Metadata,
        words: &Words,
    ) -> Result<(), ViewError> {
        let standard = info.standard.to_string();
        let key = standard_key(&info.standard);
        let old: Option<StandardRow> = self.changed(changes, &key)?;
        let is_first = old.is_none();
        let mut versions = old.map(|row| row.versions).unwrap_or_default();
        versions.insert(info.version.to_string(), (info.digest.to_string(), info.status));
        changes.insert(key, json(&StandardRow { metadata: metadata.clone(), versions }));
        changes.insert(version_key(&info.standard, &info.version), json(&VersionRow::of(info)));
        changes
            .insert([b"d/", info.digest.as_bytes().as_slice()].concat(), format!("{standard}@{}", info.version).into());
        for dependency in &info.dependencies {
            let key = format!("r/{}|{standard}|{}", dependency.standard, info.version);
            changes.insert(key.into_bytes(), Vec::new());
        }
        for (token, rank) in tokens_of(info, metadata, words) {
            let key = format!("t/{token}|{standard}").into_bytes();
            // Most words stay from version to version, and a row is sooner read than written.
            if is_first || changes.contains_key(&key) || self.get(&key)?.is_none_or(|known| *known != [rank]) {
                changes.insert(key, vec![rank]);
            }
        }
        Ok(())
    }

    fn set_status(
        &self,
        changes: &mut BTreeMap<Vec<u8>, Vec<u8>>,
        standard: &StandardId,
        version: &Version,
        status: Status,
        successor: &str,
    ) -> Result<(), ViewError> {
        let key = version_key(standard, version);
        if let Some(mut row) = self.changed::<VersionRow>(changes, &key)? {
            (row.status, row.successor) = (status, successor.to_owned());
            changes.insert(key, json(&row));
        }
        let key = standard_key(standard);
        if let Some(mut row) = self.changed::<StandardRow>(changes, &key)? {
            if let Some(entry) = row.versions.get_mut(&version.to_string()) {
                entry.1 = status;
            }
            changes.insert(key, json(&row));
        }
        Ok(())
    }

    /// A row as this batch has it, else as it is stored.
    fn changed<T: DeserializeOwned>(
        &self,
        changes: &BTreeMap<Vec<u8>, Vec<u8>>,
        key: &[u8],
    ) -> Result<Option<T>, ViewError> {
        match changes.get(key) {
            Some(bytes) => serde_json::from_slice(bytes).map(Some).map_err(|error| self.fault(error)),
            None => self.row(key),
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, ViewError> {
        self.guarded(|| self.db.get(key))
    }

    /// sled reads pages when they are asked for, so damage may show late, and it panics on some. The next start begins anew.
    fn guarded<T>(&self, ask: impl FnOnce() -> sled::Result<T>) -> Result<T, ViewError> {
        let answer = catch_unwind(AssertUnwindSafe(ask));
        let answer = answer.map_err(|_| "it could not be read".into());
        let answer = answer.and_then(|answer| answer.map_err(|error| error.to_string()));
        answer.map_err(|why| {
            self.has_failed.store(true, Relaxed);
            let _ = std::fs::write(self.path.join(DOUBT), &why);
            self.fault(why)
        })
    }

    fn row<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, ViewError> {
        self.get(key)?.map(|bytes| serde_json::from_slice(&bytes).map_err(|error| self.fault(error))).transpose()
    }

    fn fault(&self, why: impl ToString) -> ViewError {
        ViewError { path: self.path.clone(), why: why.to_string() }
    }

    fn keys(&self, prefix: &str) -> impl Iterator<Item = Result<(String, sled::IVec), ViewError>> + '_ {
        let each = |(key, value): (sled::IVec, _)| (String::from_utf8_lossy(&key).into_owned(), value);
        self.items(self.db.scan_prefix(prefix)).map(move |item| item.map(each))
    }

    fn items(&self, mut items: sled::Iter) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), ViewError>> + '_ {
        std::iter::from_fn(move || self.guarded(|| items.next().transpose()).transpose())
    }

    pub fn version(&self, standard: &StandardId, version: &Version) -> Result<Option<VersionInfo>, ViewError> {
        let row: Option<VersionRow> = self.row(&version_key(standard, version))?;
        row.map(|row| row.info(standard, version).ok_or_else(|| self.fault("a row cannot be read"))).transpose()
    }

    /// Name and version that a digest belongs to.
    pub fn by_digest(&self, digest: &Digest) -> Result<Option<(StandardId, Version)>, ViewError> {
        let Some(bytes) = self.get(&[b"d/", digest.as_bytes().as_slice()].concat())? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let parts =
            text.split_once('@').and_then(|(standard, version)| Some((standard.parse().ok()?, version.parse().ok()?)));
        parts.map(Some).ok_or_else(|| self.fault("a row cannot be read"))
    }

    /// Versions of a standard with digest and status, highest first; empty where there is no such standard.
    pub fn versions(&self, standard: &StandardId) -> Result<Vec<(Version, Digest, Status)>, ViewError> {
        let row: Option<Versions> = self.row(&standard_key(standard))?;
        let versions = row.map(|row| row.versions).unwrap_or_default();
        let each = versions
            .into_iter()
            .map(|(version, (digest, status))| Some((version.parse().ok()?, digest.parse().ok()?, status)));
        let mut versions: Vec<(Version, Digest, Status)> =
            each.collect::<Option<_>>().ok_or_else(|| self.fault("a row cannot be read"))?;
        versions.sort_by(|one, other| other.0.cmp(&one.0));
        Ok(versions)
    }

    /// Whether there is such a standard, and its versions are read in no time worth waiting for on another thread.
    pub fn has_few_versions(&self, standard: &StandardId) -> Result<bool, ViewError> {
        const ROW_BYTES_MAX: usize = 16 << 10;
        Ok(self.get(&standard_key(standard))?.is_some_and(|row| row.len() <= ROW_BYTES_MAX))
    }

    pub fn metadata(&self, standard: &StandardId) -> Result<Option<Metadata>, ViewError> {
        Ok(self.row::<StandardRow>(&standard_key(standard))?.map(|row| row.metadata))
    }

    pub fn standard(&self, standard: &StandardId) -> Result<Option<StandardInfo>, ViewError> {
        let row: Option<StandardRow> = self.row(&standard_key(standard))?;
        Ok(row.map(|row| row.info(standard)))
    }

    /// Standards whose names come after one, in order; `keep` decides which.
    pub fn standards(
        &self,
        after: Option<&StandardId>,
        count: usize,
        mut keep: impl FnMut(&StandardInfo) -> bool,
    ) -> Result<Vec<StandardInfo>, ViewError> {
        let from = after.map_or(b"s/".to_vec(), |after| [standard_key(after), vec![0]].concat());
        let mut found = Vec::new();
        for item in self.items(self.db.range(from..b"s0".to_vec())) {
            let (key, value) = item?;
            let Some(standard) = std::str::from_utf8(&key[2..]).ok().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let row: StandardRow = serde_json::from_slice(&value).map_err(|error| self.fault(error))?;
            let info = row.info(&standard);
            if keep(&info) {
                found.push(info);
                if found.len() == count {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Standards whose names look like this one, nearest first.
    pub fn near(&self, standard: &StandardId) -> Result<Vec<StandardId>, ViewError> {
        let wanted = standard.to_string();
        let mut found = Vec::new();
        for item in self.keys("s/") {
            let (key, _) = item?;
            let name = &key[2..];
            let same_name = name.rsplit('/').next() == wanted.rsplit('/').next();
            if same_name || guiju_validator::near::nearest(&wanted, [name]).is_some() {
                found.extend(name.parse::<StandardId>());
            }
            if found.len() == 3 {
                break;
            }
        }
        Ok(found)
    }

    /// Published versions that refer to a standard.
    pub fn dependents(&self, standard: &StandardId) -> Result<Vec<(StandardId, Version)>, ViewError> {
        let mut found = Vec::new();
        for item in self.keys(&format!("r/{standard}|")) {
            let (key, _) = item?;
            let mut parts = key.split('|').skip(1);
            if let (Some(Ok(standard)), Some(Ok(version))) =
                (parts.next().map(str::parse), parts.next().map(str::parse))
            {
                found.push((standard, version));
            }
        }
        Ok(found)
    }

    /// Standards in which every word of a query is found, best first.
    pub fn search(&self, query: &str, count: usize) -> Result<Vec<SearchHit>, ViewError> {
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
        let mut ranked: Vec<(u8, String)> =
            found.unwrap_or_default().into_iter().map(|(name, rank)| (rank, name)).collect();
        ranked.sort();
        let mut hits = Vec::new();
        for (rank, name) in ranked.into_iter().take(count) {
            let Some(standard) = name.parse().ok().map(|id| self.standard(&id)).transpose()?.flatten() else {
                continue;
            };
            let matched_in =
                [MatchedIn::Name, MatchedIn::Title, MatchedIn::DataElement, MatchedIn::Text][usize::from(rank.min(3))];
            let excerpt = standard.abstract_zh.chars().take(80).collect();
            hits.push(SearchHit { standard, matched_in, excerpt });
        }
        Ok(hits)
    }
}

impl VersionRow {
    fn of(info: &VersionInfo) -> Self {
        let dependency =
            |d: &Dependency| (d.reference.clone(), d.standard.to_string(), d.version.to_string(), d.digest.to_string());
        Self {
            kind: info.kind,
            digest: info.digest.to_string(),
            status: info.status,
            log_index: info.log_index,
            published_ms: info.published_ms,
            dependencies: info.dependencies.iter().map(dependency).collect(),
            successor: info.successor.clone(),
        }
    }

    fn info(self, standard: &StandardId, version: &Version) -> Option<VersionInfo> {
        let dependency = |(reference, standard, version, digest): (String, String, String, String)| {
            Some(Dependency {
                reference,
                standard: standard.parse().ok()?,
                version: version.parse().ok()?,
                digest: digest.parse().ok()?,
            })
        };
        Some(VersionInfo {
            standard: standard.clone(),
            version: version.clone(),
            kind: self.kind,
            digest: self.digest.parse().ok()?,
            status: self.status,
            log_index: self.log_index,
            published_ms: self.published_ms,
            dependencies: self.dependencies.into_iter().map(dependency).collect::<Option<_>>()?,
            successor: self.successor,
        })
    }
}

impl StandardRow {
    fn info(self, standard: &StandardId) -> StandardInfo {
        let live = self.versions.iter().filter(|(_, (_, status))| *status != Status::Withdrawn);
        let live =
            live.filter_map(|(version, (digest, _))| Some((version.parse::<Version>().ok()?, digest.parse().ok()?)));
        StandardInfo {
            standard: standard.clone(),
            kind: self.metadata.kind,
            title_zh: self.metadata.title_zh,
            title_en: self.metadata.title_en,
            abstract_zh: self.metadata.abstract_zh,
            abstract_en: self.metadata.abstract_en,
            owner: self.metadata.owner,
            latest: live.max_by(|one, other| one.0.cmp(&other.0)),
            version_count: self.versions.len() as u32,
        }
    }
}

fn standard_key(standard: &StandardId) -> Vec<u8> {
    format!("s/{standard}").into_bytes()
}

fn version_key(standard: &StandardId, version: &Version) -> Vec<u8> {
    format!("v/{standard}@{version}").into_bytes()
}

fn json(row: &impl Serialize) -> Vec<u8> {
    // Rows are plain structs with text keys: nothing here can fail to serialize.
    serde_json::to_vec(row).unwrap_or_default()
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

fn tokens_of(info: &VersionInfo, metadata: &Metadata, words: &Words) -> BTreeMap<String, u8> {
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
