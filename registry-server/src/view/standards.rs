//! Standards and their versions: what is published, what refers to what, and their status.

use super::{Ends, View, ViewError, json, search};
use guiju_model::{
    Dependency, Digest, Kind, Metadata, StandardId, StandardInfo, Status, Term, VersionInfo, Waiver, Words,
    search::Tokens,
};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// From, to, end of the grace.
    term: (String, Option<String>, Option<String>),
    waiver: Option<Waiver>,
    /// The size of the log when its status changed last.
    changed: u64,
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

impl View {
    pub(super) fn publish(
        &self,
        changes: &mut BTreeMap<Vec<u8>, Vec<u8>>,
        info: &VersionInfo,
        metadata: &Metadata,
        words: &Words,
    ) -> Result<(), ViewError> {
        let standard = info.standard.to_string();
        let key = standard_key(&info.standard);
        let old: Option<StandardRow> = self.changed(changes, &key)?;
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
        let key = search::tokens_key(&info.standard);
        let old = match changes.get(&key) {
            Some(row) => Some(row.clone()),
            None => self.get(&key)?.map(|row| row.to_vec()),
        };
        let old = old.map(|row| String::from_utf8_lossy(&row).into_owned()).unwrap_or_default();
        let tokens = Tokens::kept(&old).with([words]);
        if tokens.as_str() != old {
            changes.insert(key, tokens.as_str().into());
        }
        Ok(())
    }

    pub(super) fn set_status(
        &self,
        changes: &mut BTreeMap<Vec<u8>, Vec<u8>>,
        (standard, version): (&StandardId, &Version),
        status: Status,
        successor: &str,
        ends: Ends,
        index: u64,
    ) -> Result<(), ViewError> {
        let key = version_key(standard, version);
        if let Some(mut row) = self.changed::<VersionRow>(changes, &key)? {
            // A deprecation that is said again says of the successor what is new.
            let stays = (row.status, status) == (Status::Deprecated, Status::Deprecated) && successor.is_empty();
            (row.status, row.changed) = (status, index + 1);
            if !stays {
                row.successor = successor.to_owned();
            }
            let term = term_of(&row.term).ok_or_else(|| self.fault("a row cannot be read"))?;
            row.term = row_of(ends.of(term));
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

    pub fn version(&self, standard: &StandardId, version: &Version) -> Result<Option<VersionInfo>, ViewError> {
        let row: Option<VersionRow> = self.row(&version_key(standard, version))?;
        row.map(|row| row.info(standard, version).ok_or_else(|| self.fault("a row cannot be read"))).transpose()
    }

    /// The size of the log when the status of a version changed last; 0 where it never did.
    pub fn status_since(&self, standard: &StandardId, version: &Version) -> Result<u64, ViewError> {
        let row: Option<VersionRow> = self.row(&version_key(standard, version))?;
        Ok(row.map_or(0, |row| row.changed))
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

    /// The days of the versions of a standard.
    pub fn terms(&self, standard: &StandardId) -> Result<Vec<(Version, Term)>, ViewError> {
        let versions = self.versions(standard)?.into_iter();
        let terms =
            versions.map(|(version, ..)| Ok(self.version(standard, &version)?.map(|info| (version, info.term))));
        terms.filter_map(Result::transpose).collect()
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
            term: row_of(info.term),
            waiver: info.waiver.clone(),
            changed: 0,
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
            term: term_of(&self.term)?,
            waiver: self.waiver,
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

fn row_of(term: Term) -> (String, Option<String>, Option<String>) {
    let Term { from, to, grace_until } = term;
    (from.to_string(), to.map(|day| day.to_string()), grace_until.map(|day| day.to_string()))
}

fn term_of((from, to, grace_until): &(String, Option<String>, Option<String>)) -> Option<Term> {
    let day = |text: &Option<String>| text.as_ref().map(|text| text.parse()).transpose().ok();
    Some(Term { from: from.parse().ok()?, to: day(to)?, grace_until: day(grace_until)? })
}

fn standard_key(standard: &StandardId) -> Vec<u8> {
    format!("s/{standard}").into_bytes()
}

fn version_key(standard: &StandardId, version: &Version) -> Vec<u8> {
    format!("v/{standard}@{version}").into_bytes()
}
