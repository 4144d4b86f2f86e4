//! This registry as a witness of others' logs: C2SP tlog-witness.
//!
//! `witness/secret` cosigns, `witness/public` is what others verify that with, and `witness/<hash of a log's name>` is the last
//! checkpoint of that log that was cosigned, with the cosignature, so that a disk that changed it is found out.
//!
//! # Invariants
//! - What is cosigned is on disk first, and begins with all that was cosigned of that log before. So a log that shows this witness
//!   two histories gets the cosignature for one.

use crate::{
    Fault,
    disk::{self, Files},
    sequencer::seed,
    settings::Settings,
};
use guiju_tlog::{Checkpoint, KeyKind, Note, NoteError, Policy, SigningKey, VerifierKey, WitnessFault, Witnessing};
use sha2::{Digest as _, Sha256};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

pub struct Witness {
    key: SigningKey,
    logs: Vec<VerifierKey>,
    folder: PathBuf,
    clock_ms: fn() -> u64,
    /// One request at a time: what it saw last must not change between reading and writing.
    turn: Mutex<()>,
}

#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error(transparent)]
    Refused(#[from] WitnessFault),
    #[error("`{}`: {why}", path.display())]
    Io { path: PathBuf, why: String },
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Witness {
    /// The witness that the settings ask for, if they do.
    pub fn open(settings: &Settings, clock_ms: fn() -> u64) -> Result<Option<Self>, Fault> {
        let Some(path) = &settings.witness_logs else { return Ok(None) };
        let policy = read_policy(path, "witness_logs")?;
        if policy.logs().is_empty() {
            return Err(Fault::new(
                format!("`witness_logs`: {} names no log", path.display()),
                "write `log KEY`, with the key that `/checkpoint` of that log is signed with",
            ));
        }
        let folder = settings.data.join("witness");
        let hint = "the folder under --data must be one that this user can read and write";
        let key = key(&folder, settings.witness_name.as_deref())
            .map_err(|why| Fault::new(format!("{}: {why}", folder.display()), hint))?;
        let cosigner = key.verifier().of_kind(KeyKind::Cosignature);
        tracing::info!(%cosigner, logs = policy.logs().len(), "cosigning as a witness");
        Ok(Some(Self { key, logs: policy.logs().to_vec(), folder, clock_ms, turn: Mutex::default() }))
    }

    /// The line with the cosignature that a log asks for.
    pub fn cosign(&self, body: &[u8]) -> Result<String, WitnessError> {
        let request = Witnessing::parse(body)?;
        let path = self.held_path(&request.checkpoint()?.origin);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let io = |why: String| WitnessError::Io { path: path.clone(), why };
        let held = held(&path, &self.key).map_err(io)?;
        let new = request.judge(&self.logs, held.as_ref())?;
        let mut note = Note::unsigned(request.note.text().into())?;
        note.cosign(&self.key, (self.clock_ms)() / 1000);
        if held.as_ref() != Some(&new) {
            let text = note.to_string();
            disk::write_durably(&Files, &path, text.as_bytes(), 0o644).map_err(|error| io(error.to_string()))?;
        }
        Ok(note.signatures().iter().map(|signature| format!("{signature}\n")).collect())
    }

    fn held_path(&self, origin: &str) -> PathBuf {
        let hash = Sha256::digest(origin);
        self.folder.join(hash[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}

/// The last checkpoint that was cosigned, as a file says.
fn held(path: &Path, key: &SigningKey) -> Result<Option<Checkpoint>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let damaged = |why: &str| format!("it is damaged: {why}; put it back from where it is kept safe");
    let note = Note::parse(&bytes).map_err(|why| damaged(&why.to_string()))?;
    match note.is_signed_by(&key.verifier().of_kind(KeyKind::Cosignature)) {
        Ok(true) => note.text().parse().map(Some).map_err(|why| damaged(&format!("{why}"))),
        _ => Err(damaged("its cosignature is not that of this witness")),
    }
}

/// Reads again what a data folder holds as a witness, if it is one: the faults found, each with its file.
pub fn verify(data: &Path) -> Vec<String> {
    let (folder, mut faults) = (data.join("witness"), Vec::new());
    if !folder.exists() {
        return faults;
    }
    let key = match key(&folder, None) {
        Ok(key) => key,
        Err(why) => return vec![format!("{}: {why}", folder.display())],
    };
    for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_held = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_held && let Err(why) = held(&path, &key) {
            faults.push(format!("{}: {why}", path.display()));
        }
    }
    faults
}

/// A policy file that a setting names.
pub fn read_policy(path: &Path, setting: &str) -> Result<Policy, Fault> {
    let fault = |why: String| {
        Fault::new(
            format!("`{setting}`: {}: {why}", path.display()),
            "name a policy file as C2SP tlog-policy writes it",
        )
    };
    let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    text.parse().map_err(|why| fault(format!("{why}")))
}

/// The key of a data folder, made where there is none.
fn key(folder: &Path, name: Option<&str>) -> Result<SigningKey, String> {
    let secret = folder.join("secret");
    if !secret.exists() {
        let name = name.ok_or("a new witness needs a name: set `witness_name`, for example to w.example.org")?;
        let made = SigningKey::from_seed(name, &seed().map_err(|why| why.to_string())?);
        let made = made.map_err(|why| format!("`witness_name`: {why}"))?;
        let public = made.verifier().of_kind(KeyKind::Cosignature);
        let write = |path: &Path, text: String, mode| disk::write_durably(&Files, path, text.as_bytes(), mode);
        let written = disk::make_folder(&Files, folder, 0o700);
        let written = written.and_then(|()| write(&folder.join("public"), format!("{public}\n"), 0o644));
        let written = written.and_then(|()| write(&secret, format!("{}\n", made.secret_text()), 0o600));
        written.map_err(|error| error.to_string())?;
    }
    let text = fs::read_to_string(&secret).map_err(|error| format!("secret: {error}"))?;
    let key = SigningKey::from_secret_text(text.trim_end()).map_err(|why| format!("secret: {why}"))?;
    match name {
        Some(name) if name != key.name() => Err(format!(
            "the witness is named `{}` and `witness_name` says `{name}`; a witness keeps its name for ever",
            key.name()
        )),
        _ => Ok(key),
    }
}
