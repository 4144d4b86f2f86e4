//! What an operator does beside serving: verify, rebuild, back up, restore, export, import; of a log on any engine that outlives its
//! server.
//!
//! # Invariants
//! - `verify`, `backup` and `export` only read, and a server may serve from the same folder meanwhile.
//! - A target that holds anything else is refused, and nothing in it is touched.
//! - A backup or an export is whole when the file with its sums is there: that is written last, and whoever reads it asks for it.

mod backup; // a log as a journal of its own
mod cluster; // the keys of a log on a cluster: what is wrong, put right
mod export; // a log as plain files, to read
mod import; // a log from such files
mod repair; // a damaged log from another copy

pub use backup::{backup, restore};
pub use export::export;
pub use import::{Exported, import};
pub use repair::repair;

use crate::{
    Fault,
    contents::{self, Unsound},
    denials,
    disk::{self, Files},
    log::{Agreed, Damage, Etcd, Head, Journal, Log, LogError, Mark, Opened, Survey},
    mirror,
    sequencer::{LOG_KEY, LogKeys, seed},
    settings::{Engine, Settings},
    store::{self, Opening, journal_path, view_path},
    transfer::{Arrived, Carried, of_memory},
    view::View,
    witness,
};
use guiju_model::{Digest, Manifest};
use guiju_proto::log::{Entry, VersionPublished, entry::Event};
use guiju_tlog::{self as tlog, Checkpoint, Edge, Hash, Rotation, SigningKey};
use prost::Message;
use serde::{Deserialize, Serialize};
use std::{fs, io, path::Path, sync::Arc};

/// Entries that are read at a time.
const ENTRIES: usize = 512;

/// What a command has to say when it is done: lines for standard output.
pub type Lines = Vec<String>;

/// Reads everything again: the log's checksums, chain, digests, and that every version is whole; the keys in the data folder, what it
/// signed last, what it cosigned for others, what a mirror holds of another log, and what was denied; and that no entry is gone that the
/// view took in. All that is found is listed.
pub fn verify(settings: &Settings) -> Result<Lines, Fault> {
    let data = &settings.data;
    let (mut first, mut found, mut lines, mut mends) = (None, Vec::new(), Vec::new(), MENDS.to_owned());
    // Before the log is: a server may append meanwhile, and its view is never ahead of its log.
    let view = view_path(data);
    let taken_in = View::head_kept(&view);
    let mut entries = 0;
    match read_again(settings) {
        Ok((log, said)) => {
            lines = said;
            // A cluster may be asked from anywhere, and not only from the folder of a server.
            if settings.engine == Engine::Journal {
                entries = log.known_size();
            }
            found.extend(not_as_signed(data, &*log));
            match taken_in {
                Ok(Some(head)) => found.extend(not_as_taken_in(&view, head, &*log).map_err(damage)?),
                Ok(None) => {}
                Err(error) => lines.push(format!("the log was not compared with {}: {error}", view.display())),
            }
        }
        // Another fault than damage is no finding.
        Err(fault) if fault.exit_code != 1 => return Err(fault),
        Err(fault) => {
            if fault.hint == store::PUT_BACK {
                mends = store::PUT_BACK.into();
            }
            if settings.engine == Engine::Journal {
                let survey = Survey::of(&journal_path(data)).map_err(at(&journal_path(data)))?;
                found.extend(survey.damage.iter().map(Damage::to_string));
                found.extend(lost_documents(&survey));
            }
            found.extend(fault.details.iter().cloned());
            first = Some(fault);
        }
    }
    let keys = store::keys_path(data);
    match store::key_is_gone(data, entries) {
        Ok(None) if !keys.exists() => {}
        Ok(None) => found.extend(LogKeys::read(&Files, &keys).err().map(|fault| fault.to_string())),
        // The log itself is as sound as one that was restored and has not been given its key yet.
        Ok(Some(gone)) if !data.join("checkpoint").exists() => {
            lines.push(format!("no server starts here as yet: {gone}"));
            lines.push(Fault::from(gone).hint);
        }
        Ok(Some(fault)) | Err(fault) => {
            found.push(fault.to_string());
            if first.is_none() && found.len() == 1 {
                mends = Fault::from(fault).hint;
            }
        }
    }
    found.extend(witness::verify(data));
    found.extend(mirror::verify(data));
    found.extend(denials::verify(data));
    match (first, found.first().cloned()) {
        (None, None) => Ok(lines),
        (Some(fault), _) => Err(fault.listing(found, &mends)),
        (None, Some(what)) => Err(Fault::new(what, mends.as_str()).found().listing(found, &mends)),
    }
}

const MENDS: &str = "`guiju-server verify --repair-from` mends the log from a backup or a registry that has it; whatever else is named \
                     comes back from where it is kept safe";

/// All of the log, and what to say of it where it is whole.
fn read_again(settings: &Settings) -> Result<(Box<dyn Log>, Lines), Fault> {
    let data = &settings.data;
    match settings.engine {
        Engine::Memory => Err(of_memory()),
        Engine::Etcd => {
            let log = Etcd::connect(&settings.etcd()?)?;
            let survey = log.survey()?;
            cluster::is_served(&survey)?;
            let mut found = cluster::damage(&log, &survey)?;
            found.extend(cluster::not_our_key(&survey, settings));
            if let Some(first) = found.first().cloned() {
                return Err(unsound(first).listing(found, MENDS));
            }
            let (head, root) = whole(&log)?;
            let (blobs, prefix) = (log.digests()?.len(), &settings.etcd_prefix.0);
            let what = format!("sound: {} entries, {blobs} blobs under {prefix}", head.size);
            Ok((Box::new(log), [vec![what], sums(head, root)].concat()))
        }
        Engine::Journal => {
            let (journal, Opened { cut_bytes: cut }) = read(data)?;
            let (head, root) = whole(&journal)?;
            let (bytes, path) = (journal.bytes(), journal_path(data));
            let mut lines = vec![format!("sound: {} entries, {bytes} bytes in {}", head.size, path.display())];
            lines.extend(sums(head, root));
            if cut > 0 {
                let what = "bytes follow the last commit: a batch under way, or a torn one that nobody was told of";
                lines.push(format!("{cut} {what}"));
            }
            Ok((Box::new(journal), lines))
        }
    }
}

/// Documents that entries name and that cannot be read any more, each with the entry and its version.
fn lost_documents(survey: &Survey) -> Vec<String> {
    let mut found = Vec::new();
    for (index, (_, entry)) in &survey.entries {
        let of = contents::version_of(entry).map_or(String::new(), |version| format!(", of {version}"));
        match contents::named(entry, |digest| Ok::<_, String>(survey.blobs.get(digest).cloned())) {
            Err(what) => found.push(format!("entry {index}{of}: {what}")),
            Ok(digests) => {
                let lost = digests.iter().filter(|digest| !survey.blobs.contains_key(digest));
                found.extend(lost.map(|digest| format!("entry {index}{of}: {digest}, which it names, cannot be read")));
            }
        }
    }
    found
}

/// What is wrong with the checkpoint that was signed last, if anything is.
fn not_as_signed(data: &Path, log: &dyn Log) -> Option<String> {
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
    if let Ok(keys) = LogKeys::read(&Files, &store::keys_path(data))
        && keys.signing.name() != signed.origin
    {
        return fault(format!(
            "it is of the log `{}`, and the key here signs for `{}`",
            signed.origin,
            keys.signing.name()
        ));
    }
    let mut edge = Edge::default();
    while edge.size() < signed.size {
        match log.entries(edge.size(), 1).ok().and_then(|mut entries| entries.pop()) {
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

/// What the log lacks of what the view took in, if anything is.
fn not_as_taken_in(view: &Path, taken_in: Head, log: &dyn Log) -> Result<Option<String>, LogError> {
    let mut head = Head::empty();
    while head.size < taken_in.size {
        let count = ENTRIES.min((taken_in.size - head.size) as usize);
        match log.entries(head.size, count)? {
            entries if entries.is_empty() => {
                let (from, to) = (head.size, taken_in.size - 1);
                let lost = match from == to {
                    true => format!("entry {from} of the log is lost"),
                    false => format!("entries {from} to {to} of the log are lost"),
                };
                let what = format!("{lost}: `{}` took in {}, and the log has {from}", view.display(), taken_in.size);
                return Ok(Some(what));
            }
            entries => head = entries.iter().fold(head, |head, entry| head.then(entry)),
        }
    }
    Ok((head.chain != taken_in.chain).then(|| {
        let size = taken_in.size;
        format!(
            "`{}` is of another log: this one does not begin with the {size} entries that it took in",
            view.display()
        )
    }))
}

/// Throws the view away and makes it anew from the log. Not one that knows of entries which the log has lost: nothing else may.
pub fn rebuild(settings: &Settings) -> Result<Lines, Fault> {
    let view = view_path(&settings.data);
    let log: Arc<dyn Log> = match settings.engine {
        Engine::Memory => return Err(of_memory()),
        Engine::Etcd => Arc::new(store::open_cluster(settings)?),
        Engine::Journal => {
            read(&settings.data)?;
            Arc::new(store::open_journal(&settings.data, || ())?)
        }
    };
    let taken_in = match View::head_kept(&view) {
        // Nor does it tell anything.
        Err(error) if disk::is_lost(&error) => None,
        taken_in => taken_in.map_err(at(&view))?,
    };
    if let Some(head) = taken_in
        && let Some(what) = not_as_taken_in(&view, head, &*log).map_err(damage)?
    {
        return Err(Fault::new(what, LAST_WITNESS).found());
    }
    match fs::remove_dir_all(&view) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&view)(error)),
        _ => {}
    }
    let registry = Opening::of(view.clone()).over(log)?;
    let (_, applied) = registry.sizes();
    Ok(vec![format!("rebuilt: {applied} entries in {}", view.display())])
}

const LAST_WITNESS: &str = "`guiju-server verify --repair-from` mends the log from a copy that has them; where none is left, move `view` \
                            away by hand, and `checkpoint` where that names more entries, too: they are lost then";

/// Gives the log a new key, which the old one signs. No server may have the folder open, or it would go on with the old one. The
/// servers of a cluster sign nothing more until they have it.
pub fn rotate_key(settings: &Settings) -> Result<Lines, Fault> {
    let (data, folder) = (&settings.data, store::keys_path(&settings.data));
    let (keys, size) = match settings.engine {
        Engine::Etcd => {
            let log = store::open_cluster(settings)?;
            store::agree_on_keys(&log, &LogKeys::read(&Files, &folder)?, &folder)?;
            let size = log.head()?.size;
            let keys = LogKeys::rotate(&Files, &folder, size)?;
            store::agree_on_keys(&log, &keys, &folder)?;
            (keys, size)
        }
        Engine::Memory => return Err(of_memory()),
        Engine::Journal => {
            read(data)?;
            let journal = store::open_journal(data, || ())?;
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

/// Gives the log a key that no other names: where the old one is lost, or was left behind with a log that was taken over from
/// somebody. It keeps the log's name where anything says it.
pub fn new_key(settings: &Settings) -> Result<Lines, Fault> {
    let (data, folder) = (&settings.data, store::keys_path(&settings.data));
    if folder.exists() && fs::read_dir(&folder).map_err(at(&folder))?.next().is_some() {
        let what = format!("`{}` is there, and a new key is made only where there is none", folder.display());
        return Err(Fault::new(
            what,
            "leave --without-old out, so that the old key names the new; or move it away first",
        ));
    }
    let origin = settings.log_origin.clone().or(store::signed(data)?.map(|signed| signed.origin));
    let make = || LogKeys::open(&Files, &folder, origin.as_deref());
    let keys = match settings.engine {
        Engine::Memory => return Err(of_memory()),
        Engine::Etcd => {
            let log = Etcd::open(&settings.etcd()?)?;
            if log.head()?.size == 0 {
                return Err(store::no_log(&settings.etcd_prefix.0));
            }
            if log.text(LOG_KEY)?.is_some() {
                return Err(store::other_key(&folder, "there is none"));
            }
            let keys = make()?;
            store::agree_on_keys(&log, &keys, &folder)?;
            keys
        }
        Engine::Journal => {
            read(data)?;
            let _held = store::open_journal(data, || ())?;
            make()?
        }
    };
    Ok(vec![
        format!(
            "made: a key of the log `{}`; tell all who know the log by another: its clients, witnesses, mirrors",
            keys.first.name()
        ),
        keys.signing.verifier().to_string(),
    ])
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

/// What a backup or an export says of the log in it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sums {
    entries: u64,
    chain: String,
    root: String,
    /// Of an export: the digest of the file with the entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<String>,
}

impl Sums {
    fn of(head: Head, root: Hash) -> Self {
        Self { entries: head.size, chain: head.chain.to_string(), root: root.to_string(), list: None }
    }

    /// Says that all else in the folder is there.
    fn write(&self, path: &Path, comment: &str) -> Result<(), Fault> {
        let text = format!("{comment}{}", toml::to_string(self).unwrap_or_default());
        disk::write_durably(&Files, path, text.as_bytes(), disk::PRIVATE_FILE).map_err(at(path))
    }

    fn read(path: &Path, made_by: &str) -> Result<Self, Fault> {
        let text = fs::read_to_string(path).map_err(|error| {
            let hint = format!("name a folder that `guiju-server {made_by}` has finished");
            Fault::new(format!("{}: {error}", path.display()), hint)
        })?;
        toml::from_str(&text)
            .map_err(|error| Fault::new(format!("{}: {}", path.display(), error.message()), TAKE_ANOTHER).found())
    }

    /// Whether the log is the one that these are of.
    fn hold(&self, from: &Path, head: Head, root: Hash) -> Result<(), Fault> {
        let found = Self::of(head, root);
        match (self.entries, &self.chain, &self.root) == (found.entries, &found.chain, &found.root) {
            true => Ok(()),
            false => {
                let (had, has) = (self.entries, found.entries);
                let what = format!("{} had {had} entries when it was made and has {has} others now", from.display());
                Err(Fault::new(what, TAKE_ANOTHER).found())
            }
        }
    }
}

const TAKE_ANOTHER: &str = "take another one; this one is not what was written";

/// Two lines that are the same for every copy of a log.
fn sums(head: Head, root: Hash) -> Lines {
    vec![format!("chain {}", head.chain), format!("root {root}")]
}

/// The log of an engine that outlives its server, to read.
fn source(settings: &Settings) -> Result<Box<dyn Log>, Fault> {
    match settings.engine {
        Engine::Memory => Err(of_memory()),
        Engine::Etcd => Ok(Box::new(store::open_cluster(settings)?)),
        Engine::Journal => Ok(Box::new(read(&settings.data)?.0)),
    }
}

/// Makes a log of a copy, once that has been found whole: in a data folder, or on a cluster. It may be cut short anywhere and run
/// again; behind the last step the journal is there, and that is what it says then. What it made, and where.
fn arrive(settings: &Settings, copy: &dyn Log) -> Result<(Carried, String), Fault> {
    if settings.engine == Engine::Journal {
        must_hold_only(&settings.data, BESIDE_A_LOG)?;
    }
    Arrived::carry(copy, settings, settings.engine, NO_MOVE)?.settle()
}

/// What is restored has left no place.
const NO_MOVE: Mark = Mark(0);
/// What a data folder may hold that gets a log: the half of it from a run that was cut short, and what an operator put there.
const BESIDE_A_LOG: &[&str] = &[store::PARTIAL, "log-key", "checkpoint", "witness", "mirror"];

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
}

fn blob(log: &dyn Log, digest: &Digest, of: &str) -> Result<Vec<u8>, Fault> {
    let found = log.blob(digest).map_err(damage)?;
    found.ok_or_else(|| unsound(format!("{digest}, a part of {of}, is not in the log")))
}

/// The journal of a data folder that exists.
fn read(data: &Path) -> Result<(Journal, Opened), Fault> {
    if !journal_path(data).exists() && data.join(store::REPAIRED).exists() {
        let what =
            format!("a repair of {} was cut short when the damaged journal had been moved aside", data.display());
        return Err(Fault::new(what, "start the server, or run `verify --repair-from` again: either finishes it"));
    }
    store::no_other_place(data)?;
    if let Some(gone) = store::gone(data) {
        return Err(Fault::new(gone, store::PUT_BACK).found());
    }
    Journal::read(&journal_path(data)).map_err(damage)
}

/// Reads all of a log, as it is now: checksums, digests, the chain, and that nothing is missing. Its head and the root of its tree.
fn whole(log: &dyn Log) -> Result<(Head, Hash), Fault> {
    let end = log.head().map_err(damage)?;
    let (mut found, mut away) = (Vec::new(), None);
    contents::examine_all(log, end, |unsound| match unsound {
        Unsound::Log { source, .. } if !matches!(source, LogError::Damaged { .. }) => {
            away = away.take().or(Some(source))
        }
        unsound => found.push(unsound.to_string()),
    });
    if let Some(error) = away {
        return Err(error.into());
    }
    if let Some(first) = found.first().cloned() {
        return Err(unsound(first).listing(found, RESTORE));
    }
    // What no entry names is held against its digest, too.
    for digest in log.digests().map_err(damage)? {
        log.blob(&digest).map_err(damage)?;
    }
    walk(log, end, |_, _, _, _| Ok(()))
}

/// Hands each entry on, with its index, its bytes and the version that it publishes. Where they end, and the root of their tree.
fn walk(
    log: &dyn Log,
    end: Head,
    mut each: impl FnMut(u64, &[u8], Entry, Option<&Publication>) -> Result<(), Fault>,
) -> Result<(Head, Hash), Fault> {
    let (mut head, mut edge) = (Head::empty(), Edge::default());
    while head.size < end.size {
        let entries = log.entries(head.size, ENTRIES.min((end.size - head.size) as usize)).map_err(damage)?;
        if entries.is_empty() {
            return Err(unsound(format!("entry {} of the log is missing", head.size)));
        }
        for bytes in entries {
            let index = head.size;
            let fault = |why: String| unsound(format!("entry {index} of the log cannot be read: {why}"));
            let entry = Entry::decode(bytes.as_slice()).map_err(|error| fault(error.to_string()))?;
            let publication = match &entry.clone().meaning().event {
                Some(Event::VersionPublished(event)) => Some(Publication::read(log, event)?),
                Some(_) => None,
                None => return Err(fault("it is of a kind that this program does not know; use a newer one".into())),
            };
            each(index, &bytes, entry, publication.as_ref())?;
            head = head.then(&bytes);
            edge.push(Hash::of_entry(&bytes));
        }
    }
    match head == end {
        true => Ok((head, edge.root())),
        false => Err(unsound(Unsound::Chain.to_string())),
    }
}

/// Damage is what `verify` is there to find: an answer, not a failure.
pub fn damage(error: LogError) -> Fault {
    let is_damage = matches!(error, LogError::Damaged { .. });
    let fault = Fault::from(error);
    if is_damage { fault.found() } else { fault }
}

pub fn unsound(what: String) -> Fault {
    Fault::new(what, RESTORE).found()
}

const RESTORE: &str =
    "`guiju-server verify` lists all that is damaged, and mends it from another copy with --repair-from";

fn must_be_empty(folder: &Path) -> Result<(), Fault> {
    must_hold_only(folder, &[])
}

fn must_hold_only(folder: &Path, names: &[&str]) -> Result<(), Fault> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(at(folder))?,
    };
    for entry in entries {
        let name = entry.map_err(at(folder))?.file_name();
        if !names.iter().any(|known| name == *known) {
            let what = format!("{} holds something already: `{}`", folder.display(), name.display());
            return Err(Fault::new(
                what,
                "name a new folder or an empty one; what a run left that was cut short may be removed",
            ));
        }
    }
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Fault + '_ {
    move |error| {
        Fault::new(
            format!("{}: {error}", path.display()),
            "choose a folder that this user can write, on a disk with room",
        )
    }
}
