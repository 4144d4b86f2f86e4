//! From entries and blobs to what the view takes in.

use super::{Caller, Event, Happening, PublishError, Registry, StoreError, access, desk};
use crate::{
    contents,
    log::LogError,
    view::{Ends, Fact, View},
};
use guiju_model::{
    Content, Date, Dates, Digest, Manifest, Metadata, StandardId, Status, Term, VersionInfo, Waiver, Words,
};
use guiju_proto::log::{Entry, StatusChanged, VersionPublished, entry};
use prost::Message;
use semver::Version;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};

/// Entries taken in at once.
const BATCH: usize = 512;

/// A version as it is when it has just been published.
pub(super) fn version_info(
    manifest: &Manifest,
    digest: Digest,
    log_index: u64,
    published_ms: u64,
    term: Term,
    waiver: Option<Waiver>,
) -> VersionInfo {
    VersionInfo {
        standard: manifest.standard.clone(),
        version: manifest.version.clone(),
        kind: manifest.kind,
        digest,
        status: Status::Published,
        log_index,
        published_ms,
        dependencies: manifest.dependencies.clone(),
        successor: String::new(),
        term,
        waiver,
    }
}

/// What has just been appended here, by the digests of its manifest and of its standard.toml, so that it need not be read back and
/// parsed again: what has those digests is what the log has.
#[derive(Default)]
pub(super) struct Fresh(Mutex<HashMap<(Digest, Digest), Published>>);

type Published = (Arc<Content>, Arc<Metadata>);

impl Fresh {
    pub fn keep(&self, published: impl Iterator<Item = ((Digest, Digest), Published)>) {
        self.held().extend(published);
    }

    pub fn forget(&self) {
        self.held().clear();
    }

    fn get(&self, manifest: Digest, metadata: Digest) -> Option<Published> {
        self.held().get(&(manifest, metadata)).cloned()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<(Digest, Digest), Published>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Registry {
    /// Lets the view take in what the log has beyond it. The number of entries.
    pub fn catch_up(&self) -> Result<u64, StoreError> {
        let asked = Instant::now();
        let _alone = self.taking_in.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut unanswered = self.unanswered.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Whoever waited while the log gave no answer does not wait as long again, one after the other.
        if let Some((_, why)) = unanswered.as_ref().filter(|(ended, _)| *ended >= asked) {
            return Err(LogError::Unavailable { why: why.clone() }.into());
        }
        let began = Instant::now();
        let brought = self.bring_up(&self.view());
        if let Err(StoreError::Log(LogError::Unavailable { why })) = &brought {
            *unanswered = Some((Instant::now(), why.clone()));
        }
        drop(unanswered);
        let applied = brought?;
        *self.whole_as_of.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(began);
        Ok(applied)
    }

    /// Puts another view in the place of one that has failed, on a full disk for one: sled keeps the first error. The old one
    /// answers what it can while the new one is made of the log, beside it; the next start makes one in the right place.
    /// For one thread at a time. Whether there was anything to mend.
    pub fn mend(&self) -> Result<bool, StoreError> {
        if !self.is_view_failing() {
            return Ok(false);
        }
        let view = View::open_beside(&self.view_path)?;
        let _alone = self.taking_in.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.bring_up(&view)?;
        *self.view.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(view);
        Ok(true)
    }

    fn bring_up(&self, view: &View) -> Result<u64, StoreError> {
        let mut applied = 0;
        loop {
            let (mut head, end) = (view.head()?, self.log.head()?);
            if head.size > end.size {
                return Err(StoreError::LogShorter { view: head.size, log: end.size });
            }
            if head.size == end.size {
                // The log may have grown since its head was read; then the chain is compared the next time around.
                let same = head.chain == end.chain;
                return if same { Ok(applied) } else { Err(StoreError::Broken("the view follows another log".into())) };
            }
            let entries = self.log.entries(head.size, BATCH.min((end.size - head.size) as usize))?;
            if entries.is_empty() {
                let why = format!("it is not there, and the log's head names {} entries", end.size);
                return Err(StoreError::Entry { index: head.size, why });
            }
            self.prefetch(&entries);
            let mut facts = Vec::with_capacity(entries.len());
            for (index, entry) in (head.size..).zip(&entries) {
                facts.push(self.fact(index, entry)?);
                head = head.then(entry);
            }
            if head.size == end.size && head.chain != end.chain {
                return Err(StoreError::Broken("the view follows another log".into()));
            }
            view.apply(&facts, head)?;
            applied += entries.len() as u64;
        }
    }

    /// Has the blobs brought that facts are made of, all at once: manifests and metadata, then the schemas that those name.
    fn prefetch(&self, entries: &[Vec<u8>]) {
        if !self.is_shared() {
            return;
        }
        let named = entries.iter().filter_map(|entry| match Entry::decode(entry.as_slice()).ok()?.event? {
            entry::Event::VersionPublished(published) => {
                Some((digest(&published.manifest)?, digest(&published.metadata)?))
            }
            _ => None,
        });
        let (manifests, metadata): (Vec<Digest>, Vec<Digest>) = named.unzip();
        self.log.prefetch(&[manifests.as_slice(), &metadata].concat());
        let schema = |manifest: &Digest| self.manifest(manifest).ok()?.files.get("schema.json").copied();
        self.log.prefetch(&manifests.iter().filter_map(schema).collect::<Vec<_>>());
    }

    pub(super) fn fact(&self, index: u64, bytes: &[u8]) -> Result<Fact, StoreError> {
        let fault = |why: String| StoreError::Entry { index, why };
        let entry = Entry::decode(bytes).map_err(|error| fault(error.to_string()))?;
        let Entry { time_ms, principal, event, .. } = entry.meaning();
        match event {
            Some(entry::Event::VersionPublished(published)) => {
                let named = digest(&published.manifest).ok_or_else(|| fault("a digest is malformed".into()))?;
                let metadata = digest(&published.metadata).ok_or_else(|| fault("a digest is malformed".into()))?;
                let toml = metadata;
                let (manifest, metadata, words) = match self.fresh.get(named, metadata) {
                    Some((content, metadata)) => {
                        let file = |name: &str, _: &Digest| Ok::<_, StoreError>(content.files.get(name).cloned());
                        let words = Words::of(&content.manifest, &metadata, file)?;
                        (content.manifest.clone(), (*metadata).clone(), words)
                    }
                    None => {
                        let manifest = self.manifest(&named)?;
                        let text = self.log.blob(&metadata)?;
                        let text = text.ok_or_else(|| fault("standard.toml is not in the log".into()))?;
                        let metadata = Metadata::from_log(&manifest.standard, &String::from_utf8_lossy(&text))
                            .map_err(|error| fault(error.to_string()))?;
                        let words = Words::of(&manifest, &metadata, |_, file| self.log.blob(file))?;
                        (manifest, metadata, words)
                    }
                };
                let term = term(&published, time_ms).ok_or_else(|| fault("a day is malformed".into()))?;
                let waiver = published.waiver.map(Into::into);
                let info = version_info(&manifest, named, index, time_ms, term, waiver);
                let desk =
                    published.proposal.map(|id| desk::published(id, index, time_ms, &principal, published.reason));
                let documents = [named, toml].into_iter().chain(manifest.files.into_values()).collect();
                Ok(Fact::Published { info: Box::new(info), metadata: Box::new(metadata), words, documents, desk })
            }
            Some(entry::Event::StatusChanged(change)) => {
                let (standard, version, status) =
                    status_of(&change).ok_or_else(|| fault("a name is malformed".into()))?;
                let ends = ends(&change, status, time_ms).ok_or_else(|| fault("a day is malformed".into()))?;
                Ok(Fact::StatusChanged { standard, version, status, successor: change.successor, ends, index })
            }
            Some(
                event @ (entry::Event::ProposalStepped(_)
                | entry::Event::QuorumSet(_)
                | entry::Event::CommitteeAgreed(_)
                | entry::Event::UseRegistered(_)),
            ) => {
                let documents = contents::named(bytes, |digest| self.log.blob(digest)).map_err(fault)?;
                desk::fact(index, time_ms, &principal, &event, documents)
                    .map(Fact::Desk)
                    .ok_or_else(|| fault("a step is malformed, or of a kind that this server does not know".into()))
            }
            Some(event) => access::fact(index, time_ms, &principal, event)
                .map(Fact::Access)
                .ok_or_else(|| fault("a name is malformed".into())),
            None => Err(fault("it is of a kind that this server does not know; use a newer one".into())),
        }
    }

    /// What an entry says of a version; none where it is about something else.
    pub(super) fn event(&self, index: u64, bytes: &[u8]) -> Result<Option<Event>, StoreError> {
        let fault = |why: String| StoreError::Entry { index, why };
        let entry = Entry::decode(bytes).map_err(|error| fault(error.to_string()))?;
        let Entry { time_ms, event, .. } = entry.meaning();
        let what = match event {
            Some(entry::Event::VersionPublished(published)) => {
                let named = digest(&published.manifest).ok_or_else(|| fault("a digest is malformed".into()))?;
                let term = term(&published, time_ms).ok_or_else(|| fault("a day is malformed".into()))?;
                let waiver = published.waiver.map(Into::into);
                Happening::Published(version_info(&self.manifest(&named)?, named, index, time_ms, term, waiver))
            }
            Some(entry::Event::StatusChanged(change)) => {
                let (standard, version, status) =
                    status_of(&change).ok_or_else(|| fault("a name is malformed".into()))?;
                let info = self
                    .view()
                    .version(&standard, &version)?
                    .ok_or_else(|| fault("it changes an unknown version".into()))?;
                let ends = ends(&change, status, time_ms).ok_or_else(|| fault("a day is malformed".into()))?;
                let term = ends.of(info.term);
                Happening::StatusChanged(VersionInfo { status, successor: change.successor, term, ..info })
            }
            Some(_) => return Ok(None),
            None => return Err(fault("it is of a kind that this server does not know; use a newer one".into())),
        };
        Ok(Some(Event { index, time_ms, what }))
    }

    /// The index of the entry that an operation has made, where it has made this one, and for the same principal: what another has done
    /// is not done by this one, an approval least of all.
    pub(super) fn done_before(
        &self,
        caller: &Caller,
        operation_id: &str,
        event: &entry::Event,
    ) -> Result<Option<u64>, PublishError> {
        let Some(index) = self.log.operation(operation_id)? else { return Ok(None) };
        let bytes = self.log.entries(index, 1)?.pop().unwrap_or_default();
        let is_this = |entry: Entry| {
            (entry.event.as_ref(), entry.principal.as_str()) == (Some(event), caller.principal().as_str())
        };
        match Entry::decode(bytes.as_slice()).is_ok_and(is_this) {
            true => Ok(Some(index)),
            false => Err(PublishError::OperationReused(operation_id.into())),
        }
    }
}

fn digest(bytes: &[u8]) -> Option<Digest> {
    bytes.try_into().ok().map(Digest::from_bytes)
}

fn status_of(change: &StatusChanged) -> Option<(StandardId, Version, Status)> {
    Some((change.standard.parse().ok()?, change.version.parse().ok()?, change.status.parse().ok()?))
}

/// The days of a version, as its publisher said them and the day of its entry completes them.
fn term(published: &VersionPublished, time_ms: u64) -> Option<Term> {
    let VersionPublished { effective_from, effective_to, grace_until, .. } = published;
    let dates = Dates::parse(effective_from, effective_to, grace_until).ok()?;
    dates.term(Date::in_china(time_ms)).ok()
}

fn ends(change: &StatusChanged, status: Status, time_ms: u64) -> Option<Ends> {
    match (status, change.effective_to.as_str()) {
        (Status::Withdrawn, _) => Some(Ends::By(Date::in_china(time_ms))),
        (_, "") => Some(Ends::AsBefore),
        (_, day) => day.parse().ok().map(Ends::On),
    }
}
