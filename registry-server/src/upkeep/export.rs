//! A log as plain files: for people, for programs that know nothing of us, and to make a log of again.
//!
//! ```text
//! standards/<namespace>/<name>/   what `guiju publish` takes: `standard.toml` as it stands now, a folder for each version
//! documents/<64 hex digits>       whatever else an entry names, by its digest: manifests, drafts, opinions, earlier `standard.toml`
//! log.ndjson                      an entry a line: `entry` are its bytes in hexadecimal, the rest says the same to people
//! export.toml                     how many entries, their hash chain and root, the digest of `log.ndjson`; written last
//! ```

use super::{Lines, Publication, Sums, at, blob, must_be_empty, source, sums, unsound, walk};
use crate::{
    Fault, contents,
    disk::{self, Files},
    log::Log,
    settings::Settings,
};
use guiju_model::{Digest, Manifest};
use guiju_proto::log::{
    CommitteeAgreed, Entry, ProposalStepped, QuorumSet, RoleGranted, RoleRevoked, StatusChanged, TokenCreated,
    TokenRevoked, UseRegistered, VersionPublished, entry::Event,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Component, Path, PathBuf},
};

pub const STANDARDS: &str = "standards";
pub const DOCUMENTS: &str = "documents";
pub const LIST: &str = "log.ndjson";
pub const SUMS: &str = "export.toml";
const COMMENT: &str = "# An export of a Guiju log: the files beside this one hold so many entries, with this hash chain and tree.\n\
                       # `guiju-server import` makes a log of it, on any engine.\n";

/// Writes all that the log holds now; servers go on meanwhile.
pub fn export(settings: &Settings, to: &Path) -> Result<Lines, Fault> {
    let log = source(settings)?;
    must_be_empty(to)?;
    let end = log.head()?;
    let (standards, documents, list) = (to.join(STANDARDS), to.join(DOCUMENTS), to.join(LIST));
    for folder in [to, &standards, &documents] {
        disk::make_folder(&Files, folder, disk::PRIVATE_FOLDER).map_err(at(folder))?;
    }
    let (mut lines, mut digest) = (BufWriter::new(created(&list).map_err(at(&list))?), Sha256::new());
    let (mut versions, mut named, mut written) = (0, BTreeSet::new(), BTreeMap::new());
    let (head, root) = walk(&*log, end, |index, bytes, entry, publication| {
        if let Some(publication) = publication {
            written.extend(publication.write(&*log, &standards)?);
            versions += 1;
        }
        let names = contents::named(bytes, |digest| log.blob(digest));
        named.extend(names.map_err(|why| unsound(format!("entry {index}: {why}")))?);
        let line = format!("{}\n", line(index, bytes, entry, publication));
        digest.update(line.as_bytes());
        lines.write_all(line.as_bytes()).map_err(at(&list))
    })?;
    lines.flush().map_err(at(&list))?;
    let there: BTreeSet<Digest> = written.into_values().collect();
    for digest in named.difference(&there) {
        let path = documents.join(digest.hex());
        let bytes = blob(&*log, digest, "an entry")?;
        created(&path).and_then(|mut file| file.write_all(&bytes)).map_err(at(&path))?;
    }
    // What says that all is there is written once all is.
    sync_below(to)?;
    let list = Some(Digest::from_bytes(digest.finalize().into()).to_string());
    Sums { list, ..Sums::of(head, root) }.write(&to.join(SUMS), COMMENT)?;
    let what = format!("exported: {versions} versions and {} entries in {}", head.size, to.display());
    Ok([vec![what], sums(head, root)].concat())
}

/// An empty file that nobody else reads: drafts, texts and who may do what are in an export as they are in the log.
fn created(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(disk::PRIVATE_FILE).open(path)
}

/// Once all is written: most of it has gone to the disk by then.
fn sync_below(folder: &Path) -> Result<(), Fault> {
    for path in fs::read_dir(folder).map_err(at(folder))? {
        let path = path.map_err(at(folder))?.path();
        match path.is_dir() {
            true => sync_below(&path)?,
            false => File::open(&path).and_then(|file| file.sync_all()).map_err(at(&path))?,
        }
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

impl Publication {
    /// `<namespace>/<name>/standard.toml`, as the last version left it, and the folder of the version beside it. What stands where.
    fn write(&self, log: &dyn Log, standards: &Path) -> Result<Vec<(PathBuf, Digest)>, Fault> {
        let Manifest { standard, version, files, .. } = &self.manifest;
        let (folder, name) = (standards.join(standard.to_string()), format!("{standard} {version}"));
        let paths = files.iter().map(|(file, digest)| (folder.join(version.to_string()).join(file), digest));
        let mut written = Vec::new();
        for (path, digest) in paths.chain([(folder.join("standard.toml"), &self.metadata)]) {
            // A log from elsewhere may name anything.
            if path.components().any(|part| part == Component::ParentDir) || !path.starts_with(&folder) {
                return Err(unsound(format!("the manifest of {name} names a file outside of its folder")));
            }
            let bytes = blob(log, digest, &name)?;
            let parent = path.parent().unwrap_or(standards);
            let made = fs::DirBuilder::new().recursive(true).mode(disk::PRIVATE_FOLDER).create(parent);
            made.map_err(at(parent))?;
            created(&path).and_then(|mut file| file.write_all(&bytes)).map_err(at(&path))?;
            written.push((path, *digest));
        }
        Ok(written)
    }
}

/// An entry as `log.ndjson` has it. `entry` are the bytes that the hash chain speaks of.
fn line(index: u64, bytes: &[u8], entry: Entry, publication: Option<&Publication>) -> Value {
    let Entry { operation_id, time_ms, principal, event, .. } = entry;
    let (event, origin) = match event {
        Some(Event::Mirrored(mirrored)) => {
            let origin = json!({"log": mirrored.origin, "index": mirrored.index});
            let whole = Entry { event: Some(Event::Mirrored(mirrored)), ..Entry::default() };
            (whole.meaning().event, Some(origin))
        }
        event => (event, None),
    };
    let hex = hex(bytes);
    let mut line = json!({
        "index": index, "time_ms": time_ms, "operation_id": operation_id, "principal": principal, "entry": hex,
    });
    let more = match event {
        Some(Event::VersionPublished(VersionPublished {
            standard,
            version,
            effective_from,
            effective_to,
            grace_until,
            waiver,
            reason,
            ..
        })) => json!({
            "event": "version-published", "standard": standard, "version": version,
            "digest": publication.map(|publication| publication.manifest.digest().to_string()),
            "effective_from": effective_from, "effective_to": effective_to, "grace_until": grace_until,
            "waiver": waiver.map(|waiver| json!({"by": waiver.by, "reason": waiver.reason, "questions": waiver.questions})),
            "reason": reason,
        }),
        Some(Event::StatusChanged(StatusChanged { standard, version, status, reason, successor, effective_to })) => {
            json!({
                "event": "status-changed", "standard": standard, "version": version, "status": status, "reason": reason,
                "successor": successor, "effective_to": effective_to,
            })
        }
        Some(Event::RoleGranted(RoleGranted { principal, role, scope, reason })) => json!({
            "event": "role-granted", "to": principal, "role": role, "scope": scope, "reason": reason,
        }),
        Some(Event::RoleRevoked(RoleRevoked { principal, role, scope, reason })) => json!({
            "event": "role-revoked", "from": principal, "role": role, "scope": scope, "reason": reason,
        }),
        Some(Event::TokenCreated(TokenCreated { id, principal, expires_ms, grants, reason, .. })) => json!({
            "event": "token-created", "token": id, "for": principal, "expires_ms": expires_ms, "grants": grants,
            "reason": reason,
        }),
        Some(Event::TokenRevoked(TokenRevoked { id, principal, reason })) => json!({
            "event": "token-revoked", "token": id, "for": principal, "reason": reason,
        }),
        Some(Event::ProposalStepped(ProposalStepped { proposal, step, standard, version, .. })) => json!({
            "event": "proposal-stepped", "proposal": proposal.unwrap_or(index), "step": step, "standard": standard,
            "version": version,
        }),
        Some(Event::QuorumSet(QuorumSet { namespace, quorum, reason })) => json!({
            "event": "quorum-set", "namespace": namespace, "quorum": quorum, "reason": reason,
        }),
        Some(Event::CommitteeAgreed(CommitteeAgreed { change, reason })) => json!({
            "event": "committee-agreed", "change": change, "reason": reason,
        }),
        Some(Event::UseRegistered(UseRegistered { uses })) => {
            let uses: Vec<String> = uses.iter().map(|used| format!("{}@={}", used.standard, used.version)).collect();
            json!({ "event": "use-registered", "uses": uses })
        }
        Some(Event::Mirrored(_)) | None => Value::Null,
    };
    if let (Value::Object(line), Some(origin)) = (&mut line, origin) {
        line.insert("mirrored_from".into(), origin);
    }
    if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
        line.extend(more);
    }
    line
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
