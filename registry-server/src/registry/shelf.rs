//! What the entries say, in memory.

use super::{Event, Happening, OperationId, ReadError, Sizes, StatusChange, StatusError, Submission, VersionDetail};
use guiju_model::{
    Bundle, BundleError, Catalog, Content, Digest, Kind, MatchedIn, Metadata, Namespace, Resolution, ResolveError,
    SearchHit, StandardId, StandardInfo, Status, VersionInfo,
};
use guiju_validator::near;
use semver::Version;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

#[derive(Default)]
pub(super) struct Shelf {
    entries: Vec<Entry>,
    operations: HashMap<OperationId, u64>,
    standards: BTreeMap<StandardId, Standard>,
    contents: HashMap<Digest, Content>,
    bytes: u64,
}

struct Entry {
    standard: StandardId,
    version: Version,
    time_ms: u64,
    is_status: bool,
}

struct Standard {
    metadata: Metadata,
    versions: BTreeMap<Version, Held>,
}

struct Held {
    info: VersionInfo,
    metadata_toml: String,
}

impl Catalog for Shelf {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let versions = self.standards.get(standard).into_iter().flat_map(|standard| standard.versions.values());
        let in_use = versions.filter(|held| held.info.status != Status::Withdrawn);
        in_use.map(|held| (held.info.version.clone(), held.info.digest)).collect()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.contents.get(digest).cloned()
    }

    fn near(&self, standard: &StandardId) -> Vec<StandardId> {
        let names: Vec<String> = self.standards.keys().map(StandardId::to_string).collect();
        let near = near::nearest(&standard.to_string(), names.iter().map(String::as_str));
        near.and_then(|name| name.parse().ok()).into_iter().collect()
    }
}

impl Shelf {
    pub fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    pub fn sizes(&self) -> Sizes {
        Sizes { log_entries: self.size(), log_bytes: self.bytes, applied: self.size() }
    }

    /// Index of the entry that an operation made.
    pub fn operation(&self, id: &OperationId) -> Option<u64> {
        self.operations.get(id).copied()
    }

    pub fn highest_of_line(&self, standard: &StandardId, major: u64) -> Option<&Version> {
        self.standards.get(standard)?.versions.keys().rfind(|version| version.major == major)
    }

    pub fn info(&self, standard: &StandardId, version: &Version) -> Result<&VersionInfo, ReadError> {
        Ok(&self.held(standard, version)?.info)
    }

    pub fn detail(&self, standard: &StandardId, version: &Version) -> Result<VersionDetail, ReadError> {
        let Held { info, metadata_toml } = self.held(standard, version)?;
        let manifest = self.contents[&info.digest].manifest.clone();
        Ok(VersionDetail { info: info.clone(), manifest, metadata_toml: metadata_toml.clone() })
    }

    pub fn whole_content(&self, found: &Resolution) -> Result<Content, ReadError> {
        let Resolution { standard, version, digest } = found.clone();
        let missing = BundleError::Missing { standard, version, digest };
        self.contents.get(&digest).cloned().ok_or(ReadError::Bundle(missing))
    }

    /// Writes the version, or only says what would be written.
    pub fn publish(&mut self, submission: Submission, metadata: Metadata, bundle: Bundle, now_ms: u64) -> VersionInfo {
        let content = bundle.root().clone();
        let info = VersionInfo {
            standard: content.manifest.standard.clone(),
            version: content.manifest.version.clone(),
            kind: content.manifest.kind,
            digest: bundle.digest(),
            status: Status::Published,
            log_index: self.size(),
            published_ms: now_ms,
            dependencies: content.manifest.dependencies.clone(),
            successor: String::new(),
        };
        if submission.dry_run {
            return info;
        }
        self.append(submission.operation_id, &info, now_ms, false);
        self.bytes += content.files.values().map(|bytes| bytes.len() as u64).sum::<u64>();
        self.contents.insert(info.digest, content);
        let standard = self.standards.entry(info.standard.clone());
        let standard = standard.or_insert_with(|| Standard { metadata: metadata.clone(), versions: BTreeMap::new() });
        standard.metadata = metadata;
        let held = Held { info: info.clone(), metadata_toml: submission.metadata_toml };
        standard.versions.insert(info.version.clone(), held);
        info
    }

    pub fn set_status(&mut self, change: StatusChange, now_ms: u64) -> Result<VersionInfo, StatusError> {
        let info = self.info(&change.standard, &change.version)?.clone();
        if let Some(index) = self.operation(&change.operation_id) {
            let entry = &self.entries[index as usize];
            let is_same = entry.is_status && entry.standard == change.standard && entry.version == change.version;
            return if is_same { Ok(info) } else { Err(StatusError::OperationReused(change.operation_id)) };
        }
        if !can_become(info.status, change.status) {
            let StatusChange { standard, version, status, .. } = change;
            return Err(StatusError::Unreachable { standard, version, from: info.status, to: status });
        }
        self.append(change.operation_id, &info, now_ms, true);
        let changed = VersionInfo { status: change.status, successor: change.successor, ..info };
        if let Some(standard) = self.standards.get_mut(&change.standard)
            && let Some(held) = standard.versions.get_mut(&change.version)
        {
            held.info = changed.clone();
        }
        Ok(changed)
    }

    fn append(&mut self, operation: OperationId, info: &VersionInfo, time_ms: u64, is_status: bool) {
        self.operations.insert(operation, self.size());
        self.entries.push(Entry { standard: info.standard.clone(), version: info.version.clone(), time_ms, is_status });
    }

    pub fn standards<'a>(
        &'a self,
        namespace: Option<&'a Namespace>,
        kind: Option<Kind>,
        after: Option<&StandardId>,
    ) -> impl Iterator<Item = StandardInfo> + 'a {
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let all = self.standards.range((start, Bound::Unbounded));
        let wanted = all.filter(move |(id, standard)| {
            namespace.is_none_or(|namespace| id.namespace().is_under(namespace))
                && kind.is_none_or(|kind| standard.metadata.kind == kind)
        });
        wanted.map(|(id, standard)| standard.info(id))
    }

    pub fn versions(&self, id: &StandardId) -> Result<(StandardInfo, Vec<VersionInfo>), ReadError> {
        let standard = self.standard(id)?;
        Ok((standard.info(id), standard.versions.values().rev().map(|held| held.info.clone()).collect()))
    }

    pub fn search(&self, query: &str, max: usize) -> Vec<SearchHit> {
        let words: Vec<String> = query.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let mut hits: Vec<SearchHit> =
            self.standards.iter().filter_map(|(id, standard)| self.hit(id, standard, &words)).collect();
        hits.sort_by_key(|hit| hit.matched_in);
        hits.truncate(max);
        hits
    }

    /// The best place that holds all words.
    fn hit(&self, id: &StandardId, standard: &Standard, words: &[String]) -> Option<SearchHit> {
        let Metadata { title_zh, title_en, abstract_zh, abstract_en, .. } = &standard.metadata;
        let latest = standard.latest().and_then(|info| self.contents.get(&info.digest)).and_then(Content::document);
        let text = latest.map(|document| String::from_utf8_lossy(document).into_owned()).unwrap_or_default();
        let places = [
            (MatchedIn::Name, id.to_string()),
            (MatchedIn::Title, format!("{title_zh} {title_en}")),
            (MatchedIn::Text, format!("{abstract_zh} {abstract_en} {text}")),
        ];
        let (matched_in, place) = places.into_iter().find(|(_, place)| {
            let place = place.to_lowercase();
            words.iter().all(|word| place.contains(word.as_str()))
        })?;
        Some(SearchHit { standard: standard.info(id), matched_in, excerpt: place.chars().take(80).collect() })
    }

    pub fn dependents(&self, standard: &StandardId, transitive: bool) -> Result<Vec<VersionInfo>, ReadError> {
        self.standard(standard)?;
        let mut wanted = vec![standard.clone()];
        let mut found: BTreeMap<(StandardId, Version), VersionInfo> = BTreeMap::new();
        while let Some(standard) = wanted.pop() {
            for info in self.direct_dependents(&standard) {
                let is_new = found.insert((info.standard.clone(), info.version.clone()), info.clone()).is_none();
                if transitive && is_new {
                    wanted.push(info.standard.clone());
                }
            }
        }
        Ok(found.into_values().collect())
    }

    fn direct_dependents<'a>(&'a self, standard: &'a StandardId) -> impl Iterator<Item = &'a VersionInfo> {
        let all = self.standards.values().flat_map(|standard| standard.versions.values()).map(|held| &held.info);
        all.filter(move |info| info.dependencies.iter().any(|dependency| dependency.standard == *standard))
    }

    pub fn happenings(&self, from: u64, max: usize) -> Result<Vec<Happening>, ReadError> {
        let size = self.size();
        if from > size {
            return Err(ReadError::BeyondLog { index: from, size });
        }
        let entries = (from..).zip(&self.entries[from as usize..]).take(max);
        entries.map(|(index, entry)| self.happening(index, entry)).collect()
    }

    fn happening(&self, index: u64, entry: &Entry) -> Result<Happening, ReadError> {
        let info = self.info(&entry.standard, &entry.version)?.clone();
        let event = if entry.is_status { Event::StatusChanged(info) } else { Event::Published(info) };
        Ok(Happening { index, time_ms: entry.time_ms, event })
    }

    fn standard(&self, id: &StandardId) -> Result<&Standard, ReadError> {
        let unknown = || ResolveError::UnknownStandard { standard: id.clone(), near: self.near(id) };
        Ok(self.standards.get(id).ok_or_else(unknown)?)
    }

    fn held(&self, id: &StandardId, version: &Version) -> Result<&Held, ReadError> {
        let standard = self.standard(id)?;
        let versions = || standard.versions.keys().cloned().collect();
        let (standard_id, version_wanted) = (id.clone(), version.clone());
        standard.versions.get(version).ok_or_else(|| ReadError::NoVersion {
            standard: standard_id,
            version: version_wanted,
            versions: versions(),
        })
    }
}

fn can_become(from: Status, to: Status) -> bool {
    matches!(
        (from, to),
        (Status::Published, Status::Deprecated | Status::Withdrawn) | (Status::Deprecated, Status::Withdrawn)
    )
}

impl Standard {
    fn latest(&self) -> Option<&VersionInfo> {
        self.versions.values().rev().map(|held| &held.info).find(|info| info.status != Status::Withdrawn)
    }

    fn info(&self, id: &StandardId) -> StandardInfo {
        let metadata = self.metadata.clone();
        StandardInfo {
            standard: id.clone(),
            kind: metadata.kind,
            title_zh: metadata.title_zh,
            title_en: metadata.title_en,
            abstract_zh: metadata.abstract_zh,
            abstract_en: metadata.abstract_en,
            owner: metadata.owner,
            latest: self.latest().map(|info| (info.version.clone(), info.digest)),
            version_count: self.versions.len() as u32,
        }
    }
}
