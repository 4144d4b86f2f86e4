//! What the entries of a log name: the blobs without which it is not whole. The same for every engine, and for a copy elsewhere.

use crate::log::{Head, Log, LogError};
use guiju_model::{Digest, Manifest};
use guiju_proto::log::{Entry, ProposalStepped, VersionPublished, entry::Event};
use prost::Message;
use std::collections::VecDeque;

/// Why an entry, or what it names, is not whole.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    #[error("entry {index}: {what}")]
    Entry { index: u64, what: String },
    #[error("entry {index}: {source}")]
    Log { index: u64, source: LogError },
    #[error("the hash chain over the entries does not end where the log says")]
    Chain,
}

/// The digests that an entry names, those that its manifest names among them. `blob` gets what they are of.
pub fn named<E: ToString>(
    entry: &[u8],
    mut blob: impl FnMut(&Digest) -> Result<Option<Vec<u8>>, E>,
) -> Result<Vec<Digest>, String> {
    let entry = Entry::decode(entry).map_err(|error| error.to_string())?.meaning();
    let digest = |bytes: &[u8]| {
        let digest = bytes.try_into().ok().map(Digest::from_bytes);
        digest.ok_or_else(|| "it holds a malformed digest".to_owned())
    };
    let (said, manifest, metadata, standard, version) = match entry.event {
        Some(Event::VersionPublished(event)) => {
            (Vec::new(), event.manifest, event.metadata, event.standard, event.version)
        }
        Some(Event::ProposalStepped(event)) => {
            let said = [&event.text, &event.waive, &event.waived].into_iter().filter(|digest| !digest.is_empty());
            let said: Vec<Digest> = said.map(|bytes| digest(bytes)).collect::<Result<_, _>>()?;
            // Of the steps only a draft brings a version along.
            if event.step != "drafted" {
                return Ok(said);
            }
            (said, event.digest, event.metadata, event.standard, event.version)
        }
        _ => return Ok(Vec::new()),
    };
    let (manifest, metadata) = (digest(&manifest)?, digest(&metadata)?);
    let what = format!("the manifest of `{standard}` {version}");
    let bytes = blob(&manifest).map_err(|error| format!("{what}: {}", error.to_string()))?;
    let bytes = bytes.ok_or_else(|| format!("{what} is not there"))?;
    let files = Manifest::from_canonical(&bytes).map_err(|error| format!("{what}: {error}"))?.files;
    Ok(said.into_iter().chain([manifest, metadata]).chain(files.into_values()).collect())
}

/// The version that an entry brings along, in words.
pub fn version_of(entry: &[u8]) -> Option<String> {
    match Entry::decode(entry).ok()?.meaning().event? {
        Event::VersionPublished(VersionPublished { standard, version, .. })
        | Event::ProposalStepped(ProposalStepped { standard, version, .. }) => Some(format!("`{standard}` {version}")),
        _ => None,
    }
}

impl Unsound {
    /// Whether something is not what it was, rather than out of reach.
    pub fn is_damage(&self) -> bool {
        !matches!(self, Self::Log { source, .. } if !matches!(source, LogError::Damaged { .. }))
    }
}

/// Reads one entry again with all that it names: checksums, digests, and that nothing is missing. Its bytes, and how many were
/// read together.
pub fn examine(log: &dyn Log, index: u64) -> Result<(Vec<u8>, u64), Unsound> {
    let entry = log.entries(index, 1).map_err(|source| Unsound::Log { index, source })?.pop();
    let entry = entry.ok_or_else(|| Unsound::Entry { index, what: "it is not there".into() })?;
    let read = examine_named(log, index, &entry)?;
    Ok((entry, read))
}

fn examine_named(log: &dyn Log, index: u64, entry: &[u8]) -> Result<u64, Unsound> {
    let unsound = |what| Unsound::Entry { index, what };
    let (mut read, mut failed) = (entry.len() as u64, None);
    let digests = named(entry, |digest| {
        log.blob(digest).map_err(|source| {
            let what = source.to_string();
            failed = Some(source);
            what
        })
    });
    let digests = digests.map_err(|what| match failed {
        Some(source) => Unsound::Log { index, source },
        None => unsound(what),
    })?;
    log.prefetch(&digests);
    for digest in digests {
        match log.blob(&digest).map_err(|source| Unsound::Log { index, source })? {
            Some(bytes) => read += bytes.len() as u64,
            None => return Err(unsound(format!("{digest}, which it names, is not there"))),
        }
    }
    Ok(read)
}

/// Entries that are read at a time.
const PAGE: usize = 512;

/// Reads all of a log again, to the size and chain that it has now. What is not whole goes to `tell`.
pub fn examine_all(log: &dyn Log, end: Head, mut tell: impl FnMut(Unsound)) {
    let (mut head, mut page) = (Some(Head::empty()), VecDeque::new());
    for index in 0..end.size {
        if page.is_empty() {
            // Where the page cannot be read, each entry of it is asked for by itself.
            page = log.entries(index, PAGE.min((end.size - index) as usize)).unwrap_or_default().into();
        }
        let examined = match page.pop_front() {
            Some(entry) => examine_named(log, index, &entry).map(|_| entry),
            None => examine(log, index).map(|(entry, _)| entry),
        };
        match examined {
            Ok(entry) => head = head.map(|head| head.then(&entry)),
            Err(unsound) => {
                head = None;
                tell(unsound);
            }
        }
    }
    if head.is_some_and(|head| head != end) {
        tell(Unsound::Chain);
    }
}
