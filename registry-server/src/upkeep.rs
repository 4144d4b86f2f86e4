//! What an operator does beside serving: verify, rebuild, back up, restore, export. Of a log on a cluster: verify, rebuild, export.
//!
//! # Invariants
//! - `verify`, `backup` and `export` only read, and a server may serve from the same folder meanwhile.
//! - A target that holds anything is refused, and nothing in it is touched.
//! - A backup is whole when its `backup.toml` is there: it is written last, and `restore` asks for it.

mod repair; // a journal from another copy

pub use repair::repair;

use crate::{
    Fault, contents,
    disk::{self, Files},
    log::{Damage, Etcd, Head, Journal, Log, LogError, Opened, Survey},
    sequencer::{LogKeys, seed},
    settings::{Engine, Settings},
    store::{self, journal_path, view_path},
    witness,
};
use guiju_model::{Digest, Manifest};
use guiju_proto::log::{
    Entry, ProposalStepped, QuorumSet, RoleGranted, RoleRevoked, StatusChanged, TokenCreated, TokenRevoked,
    UseRegistered, VersionPublished, entry::Event,
};
use guiju_tlog::{self as tlog, Checkpoint, Edge, Hash, Rotation, SigningKey};
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    sync::Arc,
};

/// Entries that are read at a time.
const ENTRIES: usize = 512;

/// What a command has to say when it is done: lines for standard output.
pub type Lines = Vec<String>;

/// Reads everything in a data folder again: the log's checksums, chain, digests, and that every version is whole; its keys, what it
/// signed last, and what it cosigned for others. All that is found is listed.
pub fn verify(data: &Path) -> Result<Lines, Fault> {
    let mut found = Vec::new();
    let read = read(data).and_then(|(journal, opened)| {
        contents::examine_all(&journal, journal.head(), |unsound| found.push(unsound.to_string()));
        sound(&journal).map(|entries| (journal, entries, opened))
    });
    let (mut first, mut lines) = (None, Vec::new());
    match read {
        Ok((journal, entries, opened)) => {
            lines.push(format!(
                "sound: {entries} entries, {} bytes in {}",
                journal.bytes(),
                journal_path(data).display()
            ));
            lines.push(format!("chain {}", journal.head().chain));
            if opened.cut_bytes > 0 {
                let cut = opened.cut_bytes;
                lines.push(format!(
                    "{cut} bytes follow the last commit: a batch under way, or a torn one that nobody was told of"
                ));
            }
            found.extend(not_as_signed(data, &journal));
        }
        // Another fault than damage is no finding.
        Err(fault) if fault.exit_code != 1 => return Err(fault),
        Err(fault) => {
            let survey = Survey::of(&journal_path(data)).map_err(at(&journal_path(data)))?;
            found.extend(survey.damage.iter().map(Damage::to_string));
            first = Some(fault);
        }
    }
    let keys = store::keys_path(data);
    if keys.exists() {
        found.extend(LogKeys::read(&Files, &keys).err().map(|fault| fault.to_string()));
    }
    found.extend(witness::verify(data));
    match (first, found.first().cloned()) {
        (None, None) => Ok(lines),
        (Some(fault), _) => Err(fault.listing(found, MENDS)),
        (None, Some(what)) => Err(Fault::new(what, MENDS).found().listing(found, MENDS)),
    }
}

const MENDS: &str = "`guiju-server verify --repair-from` mends the log from a backup or a registry that has it; whatever else is named \
                     comes back from where it is kept safe";

/// What is wrong with the checkpoint that was signed last, if anything is.
fn not_as_signed(data: &Path, journal: &Journal) -> Option<String> {
    let path = data.join("checkpoint");
    let fault = |why: String| Some(format!("`{}`: {why}", path.display()));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return fault(error.to_string()),
    };
    let signed: Checkpoint = match text.parse() {
        Ok(signed) => signed,
        Err(why) => return fault(format!("it cannot be read: {why}")),
    };
    let mut edge = Edge::default();
    while edge.size() < signed.size {
        match journal.entries(edge.size(), 1).ok().and_then(|mut entries| entries.pop()) {
            Some(entry) => edge.push(Hash::of_entry(&entry)),
            None => return fault(format!("{} entries were signed, and the log has {}", signed.size, edge.size())),
        }
    }
    match edge.root() == signed.root {
        true => None,
        false => fault(format!(
            "the log does not begin with the {} entries that were signed, or this file was changed",
            signed.size
        )),
    }
}

/// The same of a log on a cluster.
pub fn verify_cluster(settings: &Settings) -> Result<Lines, Fault> {
    let log = Etcd::open(&settings.etcd()?)?;
    let mut head = Head::empty();
    let end = log.head()?;
    while head.size < end.size {
        let entries = log.entries(head.size, ENTRIES.min((end.size - head.size) as usize)).map_err(damage)?;
        if entries.is_empty() {
            return Err(unsound(format!("entry {} of the log is missing", head.size)));
        }
        head = entries.iter().fold(head, |head, entry| head.then(entry));
    }
    if head != end {
        return Err(unsound("the hash chain over the entries does not end where the head says".into()));
    }
    let digests = log.digests()?;
    for digest in &digests {
        log.blob(digest).map_err(damage)?;
    }
    walk(&log, |_, publication| publication.map_or(Ok(()), |publication| publication.check(&log)))?;
    let (entries, blobs, prefix) = (end.size, digests.len(), &settings.etcd_prefix.0);
    Ok(vec![format!("sound: {entries} entries, {blobs} blobs under {prefix}"), format!("chain {}", end.chain)])
}

/// Throws the view away and makes it anew from the log.
pub fn rebuild(settings: &Settings) -> Result<Lines, Fault> {
    let view = view_path(&settings.data);
    let log: Arc<dyn Log> = match settings.engine {
        Engine::Etcd => Arc::new(Etcd::open(&settings.etcd()?)?),
        _ => {
            read(&settings.data)?;
            Arc::new(store::open_journal(&settings.data)?)
        }
    };
    match fs::remove_dir_all(&view) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&view)(error)),
        _ => {}
    }
    let registry = store::open_registry(log, &view)?;
    let (_, applied) = registry.sizes();
    Ok(vec![format!("rebuilt: {applied} entries in {}", view.display())])
}

/// Gives the log a new key, which the old one signs. No server may have the folder open, or it would go on with the old one. The
/// servers of a cluster sign nothing more until they have it.
pub fn rotate_key(settings: &Settings) -> Result<Lines, Fault> {
    let (data, folder) = (&settings.data, store::keys_path(&settings.data));
    let (keys, size) = match settings.engine {
        Engine::Etcd => {
            let log = Etcd::open(&settings.etcd()?)?;
            store::agree_on_keys(&log, &LogKeys::read(&Files, &folder)?, &folder)?;
            let size = log.head()?.size;
            let keys = LogKeys::rotate(&Files, &folder, size)?;
            store::agree_on_keys(&log, &keys, &folder)?;
            (keys, size)
        }
        _ => {
            read(data)?;
            let journal = store::open_journal(data)?;
            (LogKeys::rotate(&Files, &folder, journal.head().size)?, journal.head().size)
        }
    };
    let mut lines = vec![
        format!("rotated: {size} entries are signed with the old key, more with the new"),
        keys.signing.verifier().to_string(),
    ];
    if settings.engine == Engine::Etcd {
        lines.push(format!("copy {} to every server of this log, and start it again", folder.display()));
    }
    Ok(lines)
}

/// Makes a key to keep offline, away from the server.
pub fn make_key(name: &str, path: &Path) -> Result<Lines, Fault> {
    let taken = "choose a file that is not there yet";
    if path.exists() {
        return Err(Fault::new(format!("{} is there already", path.display()), taken));
    }
    let seed =
        seed().map_err(|why| Fault::new(format!("there is no randomness to make a key of: {why}"), "try again"))?;
    let key = SigningKey::from_seed(name, &seed);
    let key = key.map_err(|why| Fault::new(why, "write a name such as root.example.org"))?;
    let secret = format!("{}\n", key.secret_text());
    disk::write_durably(&Files, path, secret.as_bytes(), 0o600).map_err(at(path))?;
    Ok(vec![
        format!("made: {}; whoever reads it can sign. Clients name this with --log-root-key:", path.display()),
        key.verifier().to_string(),
    ])
}

/// Puts the signature of a key that is kept offline under a change of the log's key.
pub fn endorse(key: &Path, rotation: &Path) -> Result<Lines, Fault> {
    let fault = |path: &Path, why: String, hint| Fault::new(format!("{}: {why}", path.display()), hint);
    let unread = "name a file that this user can read";
    let text = |path: &Path| fs::read_to_string(path).map_err(|error| fault(path, error.to_string(), unread));
    let signer = SigningKey::from_secret_text(text(key)?.trim_end());
    let signer =
        signer.map_err(|why| fault(key, why.to_string(), "name the file that `guiju-server make-key` wrote"))?;
    let hint = "name a file `rotation-1` and so on, as `guiju-server rotate-key` wrote it";
    let mut note =
        tlog::Note::parse(text(rotation)?.as_bytes()).map_err(|why| fault(rotation, why.to_string(), hint))?;
    let change = Rotation::of_note(&note).map_err(|why| fault(rotation, why.to_string(), hint))?;
    note.sign(&signer);
    disk::write_durably(&Files, rotation, note.to_string().as_bytes(), 0o644).map_err(at(rotation))?;
    Ok(vec![format!("endorsed: from {} entries on, {} signs", change.size, change.key)])
}

/// Copies what is committed now.
pub fn backup(data: &Path, to: &Path) -> Result<Lines, Fault> {
    let (journal, _) = read(data)?;
    must_be_empty(to)?;
    let head = journal.copy_to(to)?;
    sound(&Journal::read(to).map_err(damage)?.0)?;
    let note = format!("{NOTE_HEAD}{}", toml::to_string(&Note::of(head)).unwrap_or_default());
    let path = to.join(NOTE);
    disk::write_durably(&Files, &path, note.as_bytes(), 0o644).map_err(at(&path))?;
    Ok(vec![format!("backed up: {} entries in {}", head.size, to.display()), format!("chain {}", head.chain)])
}

/// Makes a data folder of a backup, once the backup has been read as `verify` does.
pub fn restore(from: &Path, data: &Path) -> Result<Lines, Fault> {
    let path = from.join(NOTE);
    let text = fs::read_to_string(&path).map_err(|error| {
        Fault::new(format!("{}: {error}", path.display()), "name a folder that `guiju-server backup` has finished")
    })?;
    let note: Note = toml::from_str(&text)
        .map_err(|error| Fault::new(format!("{}: {}", path.display(), error.message()), "take another backup"))?;
    let (journal, _) = Journal::read(from).map_err(damage)?;
    sound(&journal)?;
    if note != Note::of(journal.head()) {
        let (had, has) = (note.entries, journal.head().size);
        let what = format!("{} had {had} entries when it was made and has {has} others now", from.display());
        return Err(Fault::new(what, "take another backup"));
    }
    must_be_empty(data)?;
    // Under its own name only once it is whole: a part of a log looks like a log.
    let (draft, journal_folder) = (data.join("journal.partial"), journal_path(data));
    let head = journal.copy_to(&draft)?;
    fs::rename(&draft, &journal_folder).map_err(at(&journal_folder))?;
    File::open(data).and_then(|folder| folder.sync_all()).map_err(at(data))?;
    Ok(vec![
        format!("restored: {} entries in {}", head.size, journal_folder.display()),
        "the view is made when the server starts".into(),
    ])
}

/// Writes the standards as a folder that `guiju publish` takes, and the log as one JSON object a line.
pub fn export(settings: &Settings, to: &Path) -> Result<Lines, Fault> {
    let log: Box<dyn Log> = match settings.engine {
        Engine::Etcd => Box::new(Etcd::open(&settings.etcd()?)?),
        _ => Box::new(read(&settings.data)?.0),
    };
    must_be_empty(to)?;
    let standards = to.join("standards");
    fs::create_dir_all(&standards).map_err(at(&standards))?;
    let list = to.join("log.ndjson");
    let mut lines = BufWriter::new(File::create(&list).map_err(at(&list))?);
    let (mut entries, mut versions) = (0, 0);
    walk(&*log, |line, publication| {
        if let Some(publication) = publication {
            publication.write(&*log, &standards)?;
            versions += 1;
        }
        entries += 1;
        writeln!(lines, "{line}").map_err(at(&list))
    })?;
    lines.flush().map_err(at(&list))?;
    Ok(vec![format!("exported: {versions} versions and {entries} entries in {}", to.display())])
}

/// What a backup says of itself.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    entries: u64,
    chain: String,
}

const NOTE: &str = "backup.toml";
const NOTE_HEAD: &str = "# A backup of a Guiju log: the segments beside this file hold so many entries, with this hash chain.\n\
                         # `guiju-server restore` makes a data folder of it.\n";

impl Note {
    fn of(head: Head) -> Self {
        Self { entries: head.size, chain: head.chain.to_string() }
    }
}

/// A version as the log has it.
struct Publication {
    manifest: Manifest,
    metadata: Digest,
}

impl Publication {
    fn read(log: &dyn Log, event: &VersionPublished) -> Result<Self, Fault> {
        let name = format!("{} {}", event.standard, event.version);
        let digest = |bytes: &[u8]| {
            let digest = bytes.try_into().ok().map(Digest::from_bytes);
            digest.ok_or_else(|| unsound(format!("the entry of {name} holds a malformed digest")))
        };
        let (manifest, metadata) = (digest(&event.manifest)?, digest(&event.metadata)?);
        let manifest = Manifest::from_canonical(&blob(log, &manifest, &name)?)
            .map_err(|error| unsound(format!("the manifest of {name}: {error}")))?;
        if (manifest.standard.to_string(), manifest.version.to_string())
            != (event.standard.clone(), event.version.clone())
        {
            let (standard, version) = (manifest.standard, manifest.version);
            return Err(unsound(format!("the entry of {name} names the manifest of {standard} {version}")));
        }
        Ok(Self { manifest, metadata })
    }

    /// Reads all of it, so that what is damaged or missing is heard of.
    fn check(&self, log: &dyn Log) -> Result<(), Fault> {
        let name = format!("{} {}", self.manifest.standard, self.manifest.version);
        let mut all = self.manifest.files.values().chain([&self.metadata]);
        all.try_for_each(|digest| blob(log, digest, &name).map(drop))
    }

    /// `<namespace>/<name>/standard.toml`, as the last version left it, and the folder of the version beside it.
    fn write(&self, log: &dyn Log, standards: &Path) -> Result<(), Fault> {
        let Manifest { standard, version, files, .. } = &self.manifest;
        let (folder, name) = (standards.join(standard.to_string()), format!("{standard} {version}"));
        let paths = files.iter().map(|(file, digest)| (folder.join(version.to_string()).join(file), digest));
        for (path, digest) in paths.chain([(folder.join("standard.toml"), &self.metadata)]) {
            let bytes = blob(log, digest, &name)?;
            let parent = path.parent().unwrap_or(standards);
            fs::create_dir_all(parent).map_err(at(parent))?;
            fs::write(&path, bytes).map_err(at(&path))?;
        }
        Ok(())
    }
}

fn blob(log: &dyn Log, digest: &Digest, of: &str) -> Result<Vec<u8>, Fault> {
    let found = log.blob(digest).map_err(damage)?;
    found.ok_or_else(|| unsound(format!("{digest}, a part of {of}, is not in the log")))
}

/// The journal of a data folder that exists.
fn read(data: &Path) -> Result<(Journal, Opened), Fault> {
    Journal::read(&journal_path(data)).map_err(damage)
}

/// Holds everything in a journal against its digests; the number of entries.
fn sound(journal: &Journal) -> Result<u64, Fault> {
    journal.verify().map_err(damage)?;
    walk(journal, |_, publication| publication.map_or(Ok(()), |publication| publication.check(journal)))?;
    Ok(journal.head().size)
}

/// Hands each entry on, as JSON, with the version that it publishes.
fn walk(log: &dyn Log, mut each: impl FnMut(Value, Option<Publication>) -> Result<(), Fault>) -> Result<(), Fault> {
    for index in 0..log.known_size() {
        let bytes = log.entries(index, 1).map_err(damage)?.pop().unwrap_or_default();
        let fault = |why: String| unsound(format!("entry {index} of the log cannot be read: {why}"));
        let entry = Entry::decode(bytes.as_slice()).map_err(|error| fault(error.to_string()))?;
        let publication = match &entry.clone().meaning().event {
            Some(Event::VersionPublished(event)) => Some(Publication::read(log, event)?),
            Some(_) => None,
            None => return Err(fault("it is of a kind that this program does not know; use a newer one".into())),
        };
        each(line(index, &bytes, entry, publication.as_ref()), publication)?;
    }
    Ok(())
}

/// An entry as `log.ndjson` has it. `entry` are the bytes that the hash chain speaks of.
fn line(index: u64, bytes: &[u8], entry: Entry, publication: Option<&Publication>) -> Value {
    let Entry { operation_id, time_ms, principal, event } = entry;
    let (event, origin) = match event {
        Some(Event::Mirrored(mirrored)) => {
            let origin = json!({"log": mirrored.origin, "index": mirrored.index});
            let whole = Entry { event: Some(Event::Mirrored(mirrored)), ..Entry::default() };
            (whole.meaning().event, Some(origin))
        }
        event => (event, None),
    };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
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
            ..
        })) => json!({
            "event": "version-published", "standard": standard, "version": version,
            "digest": publication.map(|publication| publication.manifest.digest().to_string()),
            "effective_from": effective_from, "effective_to": effective_to, "grace_until": grace_until,
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

/// Damage is what `verify` is there to find: an answer, not a failure.
pub fn damage(error: LogError) -> Fault {
    let is_damage = matches!(error, LogError::Damaged { .. });
    let fault = Fault::from(error);
    if is_damage { fault.found() } else { fault }
}

pub fn unsound(what: String) -> Fault {
    Fault::new(what, "restore the folder from a backup with `guiju-server restore`").found()
}

fn must_be_empty(folder: &Path) -> Result<(), Fault> {
    let is_empty = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        entries => entries.map_err(at(folder))?.next().is_none(),
    };
    match is_empty {
        true => Ok(()),
        false => {
            let what = format!("{} holds something already", folder.display());
            Err(Fault::new(what, "name a new folder or an empty one"))
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Fault + '_ {
    move |error| {
        Fault::new(
            format!("{}: {error}", path.display()),
            "choose a folder that this user can write, on a disk with room",
        )
    }
}
