//! Follows another registry: proves what its log says, takes it over, and goes on serving it while the other is away.
//!
//! Each entry that is taken over is an entry of our log that holds the other's, byte for byte. `mirror/held` is what is believed
//! of the other log: its keys, its last checkpoint that was followed to the end, and the edge of the tree up to there.
//!
//! # Invariants
//! - An entry is taken over once it is proved to be in a checkpoint that is signed and begins with the one held. None is left out
//!   and none comes twice: its operation id is made of the other log's name and its index there.
//! - Of an entry that is not shown (a step of a draft) the hash is taken. That it is about no version is the other registry's word,
//!   unless this one may see drafts there.
//! - What does not follow from what is held (another key, a log that was cut or rewritten) ends the following for good, loudly;
//!   what was proved before is served on.

mod held; // what is believed of the other log

pub use held::{Held, verify};

use crate::{
    Fault,
    contents::named,
    log::Append,
    metrics::Metrics,
    registry::{Follows, Registry, TAKEN_OVER},
    settings::Settings,
    witness::read_policy,
};
use guiju::{ConnectOptions, Leaf, LogDemands, LogSource, Registry as Upstream, RegistryError, Token, log_head};
use guiju_model::{Dependency, Digest, Manifest, StandardId, VersionInfo};
use guiju_proto::log::{Entry, Mirrored, entry::Event};
use guiju_tlog::{Checkpoint, Edge, Hash, Policy, follow};
use prost::Message;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeSet, HashMap},
    fs,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::watch, time::sleep};

/// Entries proved and taken over at once.
const SPAN: u64 = 1024;
const PATIENCE: Duration = Duration::from_secs(30);
/// Entries with their documents, held at a time.
const BATCH_BYTES: usize = 16 << 20;
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// How the following goes, for whoever asks.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub upstream: String,
    /// Entries that the other log's last believed checkpoint has, and those of them that were followed.
    pub size: u64,
    pub followed: u64,
    /// When it last answered as it should, in seconds of Unix time; 0 where it never did.
    pub heard_s: u64,
    /// Why it is not reached.
    pub away: Option<String>,
    /// Why it is followed no more.
    pub distrusted: Option<String>,
}

/// A mirror at work.
pub struct Mirror {
    settings: Settings,
    registry: Arc<Registry>,
    metrics: Metrics,
    demands: LogDemands,
    held: PathBuf,
    state: Arc<Mutex<State>>,
}

/// Holds the token for `upstream` where no file does; it is no setting, since those are shown.
const TOKEN: &str = "GUIJU_UPSTREAM_TOKEN";

/// How a registry that others keep is reached. Read anew for each connection, so that an operator can change what it is made of.
pub fn upstream_options(settings: &Settings) -> Result<ConnectOptions, Fault> {
    let authority = settings.upstream_authority.as_deref().map(fs::read).transpose();
    let authority_pem = authority
        .map_err(|error| Fault::new(format!("`upstream_authority`: {error}"), "name a readable file in PEM"))?;
    let token = match &settings.upstream_token_file {
        Some(path) => Token::of_file(path).map(Some).map_err(|error| {
            let what = format!("`upstream_token_file`: {}: {error}", path.display());
            Fault::new(what, "name a file that holds the token and nothing else, which this user can read")
        })?,
        None => Token::of_variable(TOKEN)
            .map_err(|error| Fault::new(format!("{TOKEN}: {error}"), "set it to the token and nothing else"))?,
    };
    let token_in_clear = settings.upstream_token_in_clear;
    Ok(ConnectOptions { authority_pem, token, token_in_clear, ..ConnectOptions::default() })
}

/// Why a round was not finished.
enum Stop {
    /// It may be otherwise the next time.
    Away(String),
    /// It is not the log that was believed.
    Distrust(String),
}

impl From<RegistryError> for Stop {
    fn from(error: RegistryError) -> Self {
        match error.is_distrust() {
            true => Self::Distrust(error.to_string()),
            false => Self::Away(error.to_string()),
        }
    }
}

impl Mirror {
    /// Follows what the settings name, if they name one, until the server stops.
    pub fn start(
        settings: &Settings,
        registry: &Arc<Registry>,
        metrics: &Metrics,
        stopping: watch::Receiver<bool>,
    ) -> Result<Option<Arc<Mutex<State>>>, Fault> {
        let Some(url) = settings.upstream.clone() else {
            let lone =
                [("upstream_namespaces", &settings.upstream_namespaces), ("own_namespaces", &settings.own_namespaces)];
            return match lone.into_iter().find(|(_, names)| !names.0.is_empty()) {
                Some((key, _)) => Err(Fault::new(
                    format!("`{key}` without `upstream`"),
                    "name the registry to follow with --upstream",
                )),
                None => Ok(None),
            };
        };
        let policy =
            settings.upstream_policy.as_deref().map(|path| read_policy(path, "upstream_policy")).transpose()?;
        if policy.is_none() {
            tracing::warn!(%url, "`upstream_policy` names no key: the first that is seen is believed, and every later one must follow from it");
        }
        upstream_options(settings)?;
        let held = held::path(&settings.data);
        held::read(&held)?;
        registry.follow(Follows {
            upstream: url.clone(),
            theirs: settings.upstream_namespaces.0.clone(),
            ours: settings.own_namespaces.0.clone(),
        });
        let state = Arc::new(Mutex::new(State { upstream: url, ..State::default() }));
        let demands = LogDemands {
            policy: policy.filter(|policy: &Policy| !policy.logs().is_empty() || policy.has_quorum()),
            ..LogDemands::default()
        };
        let mirror = Self {
            settings: settings.clone(),
            registry: registry.clone(),
            metrics: metrics.clone(),
            demands,
            held,
            state: state.clone(),
        };
        tokio::spawn(mirror.rounds(stopping));
        Ok(Some(state))
    }

    async fn rounds(self, mut stopping: watch::Receiver<bool>) {
        let (mut upstream, mut pause, mut complaint) = (None, Duration::from_millis(200), String::new());
        loop {
            let round = async {
                if upstream.is_none() {
                    upstream = Some(self.connect().await?);
                }
                match &upstream {
                    Some(upstream) => self.round(upstream).await,
                    None => Ok(()),
                }
            };
            let ended = tokio::select! {
                ended = round => ended,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            let wait = match ended {
                Ok(()) => {
                    if !complaint.is_empty() {
                        tracing::info!(upstream = self.url(), "the registry that this one follows answers again");
                    }
                    (complaint, pause) = (String::new(), Duration::from_millis(200));
                    self.change(|state| (state.away, state.heard_s) = (None, now_s()));
                    self.settings.upstream_interval
                }
                Err(Stop::Away(why)) => {
                    if why != complaint {
                        tracing::warn!(
                            upstream = self.url(),
                            "the registry that this one follows is away, what it published is served on: {why}"
                        );
                        complaint.clone_from(&why);
                    }
                    upstream = None;
                    self.change(|state| state.away = Some(why));
                    pause = (pause * 2)
                        .min(BACKOFF_MAX)
                        .min(self.settings.upstream_interval.max(Duration::from_secs(1)) * 4);
                    pause
                }
                Err(Stop::Distrust(why)) => {
                    tracing::error!(
                        upstream = self.url(),
                        "the registry that this one follows is believed no more, what was proved before is served on: {why}; find out \
                         what happened there; to begin anew with it, stop this server and move {} away",
                        self.held.display()
                    );
                    self.change(|state| state.distrusted = Some(why));
                    return;
                }
            };
            self.tell();
            tokio::select! {
                () = sleep(wait) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    fn url(&self) -> &str {
        self.settings.upstream.as_deref().unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.tell();
    }

    fn tell(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.metrics.mirror(state.size, state.followed, state.heard_s, state.distrusted.is_some());
    }

    async fn connect(&self) -> Result<Upstream, Stop> {
        let options = upstream_options(&self.settings).map_err(|fault| Stop::Away(fault.to_string()))?;
        let options = ConnectOptions { timeout: Some(PATIENCE), ..options };
        Ok(Upstream::connect_with(self.url(), options).await?)
    }

    /// From what is held to the log's checkpoint now.
    async fn round(&self, upstream: &Upstream) -> Result<(), Stop> {
        let held = held::read(&self.held).map_err(|fault| Stop::Away(fault.to_string()))?;
        let head = log_head(upstream, held.as_ref().map(|held| &held.log), &self.demands).await?;
        // With other namespaces than before what was passed over is wanted now: the log is proved from its beginning again.
        let sought = self.follows().to_text();
        let is_sought =
            held::sought(&self.held).map_err(|fault| Stop::Away(fault.to_string()))?.as_ref() == Some(&sought);
        let edge = held.as_ref().filter(|_| is_sought).map(|held| held.edge.clone());
        let mut edge = edge.unwrap_or_default();
        self.change(|state| (state.size, state.followed) = (head.checkpoint.size, edge.size()));
        while edge.size() < head.checkpoint.size {
            let leaves = self.span(upstream, &mut edge, &head.checkpoint).await?;
            let first = edge.size() - leaves.len() as u64;
            self.take_over(upstream, &head.checkpoint, first, leaves).await?;
            self.change(|state| state.followed = edge.size());
        }
        let held = Held { log: head, edge };
        let (path, text) = (self.held.clone(), held.to_text());
        blocking(move || held::keep(&path, &text, &sought).map_err(|error| error.to_string())).await
    }

    /// The next entries, proved to be in the checkpoint, which then are in the edge.
    async fn span(&self, upstream: &Upstream, edge: &mut Edge, head: &Checkpoint) -> Result<Vec<Leaf>, Stop> {
        let (mut leaves, mut grown) = (Vec::new(), edge.clone());
        while grown.size() < head.size && (leaves.len() as u64) < SPAN {
            let more = upstream.published_leaves(grown.size()).await?;
            if more.is_empty() {
                return Err(Stop::Away(format!("it signed {} entries and gives {}", head.size, grown.size())));
            }
            for leaf in more.into_iter().take((head.size - grown.size()) as usize) {
                grown.push(match &leaf {
                    Leaf::Entry(entry) => Hash::of_entry(entry),
                    Leaf::Withheld(hash) => *hash,
                });
                leaves.push(leaf);
            }
        }
        let reached = Checkpoint { origin: head.origin.clone(), size: grown.size(), root: grown.root() };
        let proof = match reached.size < head.size {
            true => upstream.growth(reached.size, head.size).await?,
            false => Default::default(),
        };
        let forged = |why| Stop::Distrust(format!("entries {} to {}: {why}", edge.size(), reached.size - 1));
        follow(&reached, head, &proof).map_err(forged)?;
        *edge = grown;
        Ok(leaves)
    }

    /// Appends those that concern us, with the documents that they name and the versions that they refer to.
    async fn take_over(
        &self,
        upstream: &Upstream,
        head: &Checkpoint,
        first: u64,
        leaves: Vec<Leaf>,
    ) -> Result<(), Stop> {
        let mut batch = Batch::default();
        for (index, leaf) in (first..).zip(leaves) {
            let Leaf::Entry(bytes) = leaf else { continue };
            let entry = meaning(index, &bytes)?;
            if !self.concerns(&entry, &batch).map_err(|why| unreadable(index, &why))? {
                continue;
            }
            if self.operation_for(&head.origin, index, &bytes).await?.is_none() {
                continue;
            }
            self.take_with_dependencies(upstream, head, (index, bytes), &mut batch).await?;
            if batch.bytes > BATCH_BYTES {
                self.append(&mut batch).await?;
            }
        }
        self.append(&mut batch).await
    }

    /// An entry, and before it what it refers to and this registry has not, from whatever namespace: without that nobody could check
    /// by it.
    async fn take_with_dependencies(
        &self,
        upstream: &Upstream,
        head: &Checkpoint,
        wanted: (u64, Vec<u8>),
        batch: &mut Batch,
    ) -> Result<(), Stop> {
        let before = wanted.0;
        let mut waiting = vec![wanted];
        while let Some((index, bytes)) = waiting.pop() {
            let entry = meaning(index, &bytes)?;
            let blobs = self.documents(upstream, &bytes).await?;
            if let Some(missing) = self.missing(&entry, &blobs, batch)? {
                let info = version_there(upstream, &missing).await?;
                let theirs = proved(upstream, head, info.log_index).await?;
                let is_it = matches!(meaning(info.log_index, &theirs)?.event, Some(Event::VersionPublished(event))
                    if event.manifest.as_ref() == missing.digest.as_bytes().as_slice());
                if !is_it || info.log_index >= index {
                    let (standard, version) = (missing.standard, missing.version);
                    return Err(Stop::Distrust(format!(
                        "entry {} does not publish {standard} {version}",
                        info.log_index
                    )));
                }
                waiting.extend([(index, bytes), (info.log_index, theirs)]);
                continue;
            }
            self.is_no_other(&entry)?;
            let published = match &entry.event {
                Some(Event::VersionPublished(event)) => Some((event.standard.clone(), event.version.clone())),
                _ => None,
            };
            let Some(operation_id) = self.operation_for(&head.origin, index, &bytes).await? else { continue };
            batch.push(operation_id, &head.origin, index, bytes, blobs);
            let Some(published) = published else { continue };
            batch.versions.insert(published.clone());
            if index < before {
                self.steps_since(upstream, head, &published, index + 1..before, batch).await?;
            }
        }
        Ok(())
    }

    /// What became of a version that is taken over later than in its turn.
    async fn steps_since(
        &self,
        upstream: &Upstream,
        head: &Checkpoint,
        (standard, version): &(String, String),
        mut range: Range<u64>,
        batch: &mut Batch,
    ) -> Result<(), Stop> {
        while !range.is_empty() {
            let leaves = upstream.published_leaves(range.start).await?;
            if leaves.is_empty() {
                return Ok(());
            }
            for (index, leaf) in range.clone().zip(&leaves) {
                let Leaf::Entry(bytes) = leaf else { continue };
                let is_step = matches!(meaning(index, bytes)?.event, Some(Event::StatusChanged(step))
                    if step.standard == *standard && step.version == *version);
                if !is_step {
                    continue;
                }
                let bytes = proved(upstream, head, index).await?;
                if let Some(operation_id) = self.operation_for(&head.origin, index, &bytes).await? {
                    batch.push(operation_id, &head.origin, index, bytes, Vec::new());
                }
            }
            range.start += leaves.len() as u64;
        }
        Ok(())
    }

    /// The operation by which an entry is taken over; none where it was. Where another stands at its place, of a history that was followed
    /// before somebody began anew with that log, it is an operation of its own.
    async fn operation_for(&self, origin: &str, index: u64, entry: &[u8]) -> Result<Option<String>, Stop> {
        let usual = operation(origin, index);
        let Some(made) = self.made_by(&usual).await? else { return Ok(Some(usual)) };
        let is_it = |made: &[u8]| {
            let event = Entry::decode(made).ok().and_then(|made| made.event);
            matches!(event, Some(Event::Mirrored(mirrored)) if mirrored.entry.as_ref() == entry)
        };
        if is_it(&made) {
            return Ok(None);
        }
        let hash: String = Sha256::digest(entry)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let other = format!("{usual}-{hash}");
        Ok(self.made_by(&other).await?.is_none().then_some(other))
    }

    async fn made_by(&self, operation_id: &str) -> Result<Option<Vec<u8>>, Stop> {
        let (registry, asked) = (self.registry.clone(), operation_id.to_owned());
        blocking(move || registry.made_by(&asked).map_err(|error| error.to_string())).await
    }

    async fn append(&self, batch: &mut Batch) -> Result<(), Stop> {
        let Batch { appends, until, .. } = std::mem::take(batch);
        let (registry, count) = (self.registry.clone(), appends.len());
        blocking(move || registry.take_over(&appends).map_err(|error| error.to_string())).await?;
        if count > 0 {
            tracing::info!(entries = count, until, "taken over from {}", self.url());
        }
        Ok(())
    }

    /// A version that an entry's refers to and that is neither here nor about to be.
    fn missing(&self, entry: &Entry, blobs: &[Vec<u8>], batch: &Batch) -> Result<Option<Dependency>, Stop> {
        let Some(Event::VersionPublished(event)) = &entry.event else { return Ok(None) };
        let Ok(digest) = <[u8; 32]>::try_from(event.manifest.as_ref()).map(Digest::from_bytes) else {
            return Err(Stop::Distrust("it holds a malformed digest".into()));
        };
        let here = blobs.iter().find(|blob| Digest::of(blob) == digest).cloned();
        let bytes = match here {
            Some(bytes) => Some(bytes),
            None => self.registry.blob(&digest).map_err(|error| Stop::Away(error.to_string()))?,
        };
        let manifest = Manifest::from_canonical(&bytes.unwrap_or_default())
            .map_err(|why| Stop::Distrust(format!("the manifest of `{}`: {why}", event.standard)))?;
        for dependency in manifest.dependencies {
            let is_coming = batch.versions.contains(&(dependency.standard.to_string(), dependency.version.to_string()));
            let found = self.registry.version_here(&dependency.standard, &dependency.version);
            let is_here = found.map_err(|error| Stop::Away(error.to_string()))?.is_some();
            if !is_coming && !is_here {
                return Ok(Some(dependency));
            }
        }
        Ok(None)
    }

    /// Whether an entry is about a version that is taken over: of a namespace that is followed, or one that such a version refers to.
    fn concerns(&self, entry: &Entry, batch: &Batch) -> Result<bool, String> {
        let (name, changed) = match &entry.event {
            Some(Event::VersionPublished(event)) => (&event.standard, None),
            Some(Event::StatusChanged(event)) => (&event.standard, Some(&event.version)),
            Some(_) => return Ok(false),
            None => return Err("it is of a kind that this server does not know; use a newer one".into()),
        };
        let standard: StandardId = name.parse().map_err(|why| format!("`{name}`: {why}"))?;
        let follows = self.follows();
        if follows.takes(standard.namespace()) {
            return Ok(true);
        }
        let Some(version) = changed else { return Ok(false) };
        let is_ours = follows.ours.iter().any(|prefix| standard.namespace().is_under(prefix));
        let is_coming = batch.versions.contains(&(name.clone(), version.clone()));
        let version = version.parse().map_err(|why| format!("`{version}`: {why}"))?;
        let is_here = self.registry.version_here(&standard, &version).map_err(|error| error.to_string())?.is_some();
        Ok(!is_ours && (is_coming || is_here))
    }

    fn follows(&self) -> Follows {
        Follows {
            upstream: self.url().to_owned(),
            theirs: self.settings.upstream_namespaces.0.clone(),
            ours: self.settings.own_namespaces.0.clone(),
        }
    }

    /// All documents that an entry names and our log has not.
    async fn documents(&self, upstream: &Upstream, entry: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
        let mut fetched: HashMap<Digest, Vec<u8>> = HashMap::new();
        loop {
            let mut missing = None;
            let look = |digest: &Digest| match fetched.get(digest) {
                Some(bytes) => Ok(Some(bytes.clone())),
                None => self.registry.blob(digest).map_err(|error| error.to_string()).inspect(|found| {
                    if found.is_none() {
                        missing.get_or_insert(*digest);
                    }
                }),
            };
            match named(entry, look) {
                Ok(digests) => {
                    for digest in digests {
                        let is_here = fetched.contains_key(&digest)
                            || self.registry.blob(&digest).is_ok_and(|blob| blob.is_some());
                        if !is_here {
                            fetched.insert(digest, document(upstream, &digest).await?);
                        }
                    }
                    return Ok(fetched.into_values().collect());
                }
                Err(why) => match missing {
                    Some(digest) => drop(fetched.insert(digest, document(upstream, &digest).await?)),
                    None => return Err(Stop::Distrust(why)),
                },
            }
        }
    }

    /// A version that stands here under the same number with other content came from elsewhere.
    fn is_no_other(&self, entry: &Entry) -> Result<(), Stop> {
        let Some(Event::VersionPublished(event)) = &entry.event else { return Ok(()) };
        let (Ok(standard), Ok(version)) = (event.standard.parse::<StandardId>(), event.version.parse()) else {
            return Err(Stop::Distrust(format!("`{}` {} is no version", event.standard, event.version)));
        };
        let standing =
            self.registry.version_here(&standard, &version).map_err(|error| Stop::Away(error.to_string()))?;
        match standing.filter(|info| info.digest.as_bytes().as_slice() != event.manifest.as_ref()) {
            Some(_) => Err(Stop::Distrust(format!(
                "`{standard}` {version} was published here with other content; name its namespace in `own_namespaces`"
            ))),
            None => Ok(()),
        }
    }
}

/// What is about to be appended.
#[derive(Default)]
struct Batch {
    appends: Vec<Append>,
    bytes: usize,
    /// The index there of the last.
    until: u64,
    /// Standards and versions that are published in it.
    versions: BTreeSet<(String, String)>,
}

impl Batch {
    fn push(&mut self, operation_id: String, origin: &str, index: u64, bytes: Vec<u8>, blobs: Vec<Vec<u8>>) {
        let event = Event::Mirrored(Mirrored { origin: origin.into(), index, entry: bytes.into() });
        let ours = Entry {
            operation_id: operation_id.clone(),
            time_ms: now_s() * 1000,
            principal: PRINCIPAL.into(),
            event: Some(event),
            // It can be made of what the other log shows.
            ..Entry::default()
        };
        let entry = ours.encode_to_vec();
        self.bytes += entry.len() + blobs.iter().map(Vec::len).sum::<usize>();
        self.until = index;
        self.appends.push(Append { operation_id, entry, blobs });
    }
}

fn meaning(index: u64, bytes: &[u8]) -> Result<Entry, Stop> {
    Ok(Entry::decode(bytes).map_err(|why| unreadable(index, &why.to_string()))?.meaning())
}

fn unreadable(index: u64, why: &str) -> Stop {
    Stop::Distrust(format!("entry {index} cannot be read: {why}"))
}

/// Where the other log published a version.
async fn version_there(upstream: &Upstream, wanted: &Dependency) -> Result<VersionInfo, Stop> {
    let (_, versions) = upstream.versions(&wanted.standard).await?;
    let found = versions.into_iter().find(|info| info.version == wanted.version);
    found.ok_or_else(|| {
        Stop::Away(format!("it has no {} {}, which a version refers to", wanted.standard, wanted.version))
    })
}

/// An entry out of its turn, proved to be in the checkpoint.
async fn proved(upstream: &Upstream, head: &Checkpoint, index: u64) -> Result<Vec<u8>, Stop> {
    let proved = upstream.proved_entry(index, head.size).await?;
    let shown = proved.proof.shows_entry(&proved.entry, index, head.size, head.root);
    shown.map_err(|why| Stop::Distrust(format!("entry {index}: {why}")))?;
    Ok(proved.entry)
}

/// Who is named in the entries that hold another log's.
const PRINCIPAL: &str = "mirror";

async fn document(upstream: &Upstream, digest: &Digest) -> Result<Vec<u8>, Stop> {
    let found = upstream.blob(digest).await?;
    found.ok_or_else(|| Stop::Away(format!("it has no document {digest}, which an entry of its log names")))
}

/// Off the threads that drive connections. What fails here may work the next time.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, Stop> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Stop::Away),
        Err(error) => Err(Stop::Away(error.to_string())),
    }
}

/// The same for the same entry of the same log, for ever.
fn operation(origin: &str, index: u64) -> String {
    let hash = Sha256::digest(origin);
    let name: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{TAKEN_OVER}{name}-{index}")
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
