//! Follows another registry: proves what its log says, takes it over, and goes on serving it while the other is away.
//!
//! Each entry that is taken over is an entry of our log that holds the other's, byte for byte. `mirror/held` is what is believed
//! of the other log: its keys, its last checkpoint, the edge of the tree as far as it was followed, and what was followed until where.
//!
//! # Invariants
//! - An entry is taken over once it is proved to be in a checkpoint that is signed and begins with the one held. None is left out
//!   and none comes twice: its operation id is made of the other log's name and its index there, and an entry is there already
//!   only where our log holds the same bytes.
//! - What is followed is standards, each as a whole: those of the namespaces that are named, and each that one of these refers to. A
//!   version comes after all that it refers to. Where more is followed than before, the other log is read again from its beginning.
//! - At most [`LOT_BYTES`] and one document are in memory; what has come is kept, whatever breaks off then.
//! - Of an entry that is not shown (a step of a draft) the hash is taken. That it is about no version is the other registry's word,
//!   unless this one may see drafts there.
//! - What does not follow from what is held (another key, a log that was cut or rewritten) ends the following for good, loudly;
//!   what was proved before is served on.

mod held; // what is believed of the other log

pub use held::{Held, Part, Walk, verify};

use crate::{
    Fault,
    log::Append,
    metrics::Metrics,
    registry::{Caller, Follows, Registry, TAKEN_OVER},
    settings::Settings,
    witness::read_policy,
};
use guiju::{ConnectOptions, Leaf, LogDemands, LogSource, Registry as Upstream, RegistryError, Token, log_head};
use guiju_model::{Digest, Manifest, Namespace, StandardId};
use guiju_proto::log::{Entry, Mirrored, entry::Event};
use guiju_tlog::{Checkpoint, Edge, Hash, Policy, follow};
use prost::Message;
use semver::Version;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeSet, HashSet},
    fmt, fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::watch, time::sleep};

/// Entries proved at once, and their bytes.
const SPAN: usize = 1024;
const SPAN_BYTES: usize = 8 << 20;
/// Of entries and documents that wait to be appended.
const LOT_BYTES: usize = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(30);
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
    /// Standards that are followed because others refer to them.
    pub also: Vec<StandardId>,
    /// Namespaces that are named and under which nothing is: mistyped, it may be.
    pub bare: Option<Vec<Namespace>>,
    /// Why it is not reached.
    pub away: Option<String>,
    /// Why it is not followed any further, though it answers.
    pub stuck: Option<String>,
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
    /// The same, once somebody has done something about it.
    Stuck(String),
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

/// What waits to be appended.
#[derive(Default)]
struct Lot {
    appends: Vec<Append>,
    bytes: usize,
    publishes: HashSet<(StandardId, Version)>,
}

/// How far a span could be taken over.
enum Reached {
    ItsEnd,
    /// A version at this index refers to standards that are not followed.
    Refers(u64),
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
        let walk = held::read(&held)?.map(|held| held.walk).unwrap_or_default();
        let resumed = walk.clone().resumed(settings);
        warn_of_what_stays(&walk, &resumed);
        registry.follow(Follows {
            upstream: url.clone(),
            theirs: settings.upstream_namespaces.0.clone(),
            ours: settings.own_namespaces.0.clone(),
            also: RwLock::new(resumed.also()),
        });
        let state = Arc::new(Mutex::new(State { upstream: url, also: resumed.also(), ..State::default() }));
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
                        tracing::info!(upstream = self.url(), "the registry that this one follows is followed again");
                    }
                    (complaint, pause) = (String::new(), Duration::from_millis(200));
                    self.change(|state| (state.away, state.stuck, state.heard_s) = (None, None, now_s()));
                    self.settings.upstream_interval
                }
                Err(stop @ (Stop::Away(_) | Stop::Stuck(_))) => {
                    let (what, why, is_away) = match stop {
                        Stop::Stuck(why) => ("cannot be followed any further", why, false),
                        Stop::Away(why) | Stop::Distrust(why) => ("is away", why, true),
                    };
                    if why != complaint {
                        tracing::warn!(
                            upstream = self.url(),
                            "the registry that this one follows {what}, what it published is served on: {why}"
                        );
                        complaint.clone_from(&why);
                    }
                    upstream = None;
                    let why = Some(why);
                    self.change(|state| (state.away, state.stuck) = if is_away { (why, None) } else { (None, why) });
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
        let mut walk = held.as_ref().map(|held| held.walk.clone()).unwrap_or_default();
        let before = walk.edge.size();
        walk = walk.resumed(&self.settings);
        if walk.edge.size() < before {
            tracing::info!(
                upstream = self.url(),
                "more is followed than before, so the log there is read again from its beginning"
            );
        }
        let size = head.checkpoint.size;
        self.change(|state| (state.size, state.followed) = (size, walk.edge.size()));
        while walk.edge.size() < size {
            let (grown, leaves) = self.span(upstream, &walk.edge, &head.checkpoint).await?;
            match self.take_over(upstream, &head.checkpoint.origin, &walk, leaves).await? {
                Reached::ItsEnd => {
                    walk.edge = grown;
                    walk.has_taken(walk.edge.size());
                }
                Reached::Refers(index) => {
                    walk.has_taken(index);
                    let standards = self.referred_to(upstream, &head.checkpoint, &walk).await?;
                    let names = standards.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    tracing::info!(
                        upstream = self.url(),
                        "{names}, to which entry {index} or a later one refers: followed from the log's beginning, too"
                    );
                    walk.taken.extend(standards.into_iter().map(|standard| (Part::Standard(standard), 0)));
                    walk.edge = Edge::default();
                    self.registry.follow_also(walk.also());
                    self.change(|state| state.also = walk.also());
                }
            }
            self.hold(Held { log: head.clone(), walk: walk.clone() }).await?;
            self.change(|state| state.followed = walk.edge.size());
        }
        let reached = Held { log: head, walk };
        let is_looked_at = self.state.lock().unwrap_or_else(PoisonError::into_inner).bare.is_some();
        if held.as_ref() != Some(&reached) || !is_looked_at {
            self.look_for_bare_names()?;
        }
        match held.as_ref() == Some(&reached) {
            true => Ok(()),
            false => self.hold(reached).await,
        }
    }

    /// Tells of names under which nothing was taken over, once all is followed.
    fn look_for_bare_names(&self) -> Result<(), Stop> {
        let mut bare = Vec::new();
        for namespace in &self.settings.upstream_namespaces.0 {
            let found = self.registry.standards(&Caller::open(), Some(namespace), None, None, 1).map_err(away)?;
            if found.0.is_empty() {
                bare.push(namespace.clone());
            }
        }
        let known = self.state.lock().unwrap_or_else(PoisonError::into_inner).bare.clone();
        for namespace in bare.iter().filter(|name| known.as_ref().is_none_or(|known| !known.contains(name))) {
            tracing::warn!(
                upstream = self.url(),
                "nothing is published there under `{namespace}` that this mirror may read"
            );
        }
        self.change(|state| state.bare = Some(bare));
        Ok(())
    }

    async fn hold(&self, held: Held) -> Result<(), Stop> {
        let (path, text) = (self.held.clone(), held.to_text());
        blocking(move || held::keep(&path, &text).map_err(|error| error.to_string())).await
    }

    /// The next entries, proved to be in the checkpoint, and the edge with them.
    async fn span(&self, upstream: &Upstream, edge: &Edge, head: &Checkpoint) -> Result<(Edge, Vec<Leaf>), Stop> {
        let (mut leaves, mut bytes, mut grown) = (Vec::new(), 0, edge.clone());
        while grown.size() < head.size && leaves.len() < SPAN && bytes < SPAN_BYTES {
            let more = upstream.published_leaves(grown.size()).await?;
            if more.is_empty() {
                return Err(Stop::Away(format!("it signed {} entries and gives {}", head.size, grown.size())));
            }
            for leaf in more.into_iter().take((head.size - grown.size()) as usize) {
                if self.settings.upstream_whole_log && matches!(leaf, Leaf::Withheld(_)) {
                    return Err(Stop::Away(format!(
                        "of entry {} it shows the hash alone, and `upstream_whole_log` asks for all: give the token of this mirror auditor on \
                         `*` there",
                        grown.size()
                    )));
                }
                grown.push(match &leaf {
                    Leaf::Entry(entry) => {
                        bytes += entry.len();
                        Hash::of_entry(entry)
                    }
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
        Ok((grown, leaves))
    }

    /// Appends those that are wanted, with the documents that they name.
    async fn take_over(
        &self,
        upstream: &Upstream,
        origin: &str,
        walk: &Walk,
        leaves: Vec<Leaf>,
    ) -> Result<Reached, Stop> {
        let mut lot = Lot::default();
        for (index, leaf) in (walk.edge.size()..).zip(leaves) {
            let Some(Wanted { entry, bytes, standard, version }) = wanted(walk, index, leaf)? else { continue };
            let manifest = self.manifest(upstream, &entry).await?;
            let place = self.place(origin, index, &bytes, (&standard, &version), &mut lot).await?;
            if let Some(manifest) = &manifest {
                if !self.unfollowed(walk, manifest)?.is_empty() {
                    self.append(&mut lot).await?;
                    return Ok(Reached::Refers(index));
                }
                if place.is_some() {
                    self.has_what_it_refers_to(walk, &lot, manifest)?;
                }
            }
            let Some(operation_id) = place else { continue };
            self.is_no_other(&entry, &standard, &version)?;
            let (blobs, fetched) = match (&entry.event, manifest) {
                (Some(Event::VersionPublished(event)), Some(manifest)) => {
                    lot.publishes.insert((standard, version));
                    self.documents(upstream, &event.metadata, manifest).await?
                }
                _ => Default::default(),
            };
            let event = Event::Mirrored(Mirrored { origin: origin.into(), index, entry: bytes.into() });
            let ours = Entry {
                operation_id: operation_id.clone(),
                time_ms: now_s() * 1000,
                principal: PRINCIPAL.into(),
                event: Some(event),
                // It can be made of what the other log shows.
                ..Entry::default()
            };
            let append = Append { operation_id, entry: ours.encode_to_vec(), blobs };
            lot.bytes += append.entry.len() + fetched;
            lot.appends.push(append);
            if lot.bytes >= LOT_BYTES {
                self.append(&mut lot).await?;
                self.change(|state| state.followed = index + 1);
            }
        }
        self.append(&mut lot).await?;
        Ok(Reached::ItsEnd)
    }

    async fn append(&self, lot: &mut Lot) -> Result<(), Stop> {
        let Lot { appends, .. } = std::mem::take(lot);
        let (registry, count) = (self.registry.clone(), appends.len());
        if count == 0 {
            return Ok(());
        }
        blocking(move || registry.take_over(&appends).map_err(|error| error.to_string())).await?;
        tracing::info!(entries = count, "taken over from {}", self.url());
        Ok(())
    }

    /// The operation by which an entry is to be appended; none where our log has it.
    async fn place(
        &self,
        origin: &str,
        index: u64,
        bytes: &[u8],
        (standard, version): (&StandardId, &Version),
        lot: &mut Lot,
    ) -> Result<Option<String>, Stop> {
        let usual = operation(origin, index);
        let hash = Hash::of_entry(bytes);
        let hash: String = hash.as_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        for operation_id in [usual.clone(), format!("{usual}-{hash}")] {
            let Some((ours, held)) = self.held_under(&operation_id).await? else { return Ok(Some(operation_id)) };
            if held.entry != bytes || held.index != index || held.origin != origin {
                tracing::warn!(
                    "entry {index} of the log that was followed before is not in this one of {}, which has another there, about \
                     `{standard}` {version}: that is taken over, too, and what was taken over before stays{}",
                    self.url(),
                    what(&held.entry)
                );
                continue;
            }
            // A step that came before the publication it is about, where more is followed now than then, has no effect there.
            self.append(lot).await?;
            let published = self.registry.version_here(standard, version).map_err(away)?.map(|info| info.log_index);
            let Some(published) = published.filter(|published| *published > ours) else { return Ok(None) };
            let again = format!("{operation_id}-{published}");
            return Ok(self.held_under(&again).await?.is_none().then_some(again));
        }
        Err(Stop::Distrust(format!("entry {index} stands in our log as another, twice")))
    }

    /// The entry of our log that an operation made, and what of the other log it holds.
    async fn held_under(&self, operation_id: &str) -> Result<Option<(u64, Mirrored)>, Stop> {
        let (registry, asked) = (self.registry.clone(), operation_id.to_owned());
        let found = blocking(move || registry.entry_of(&asked).map_err(|error| error.to_string())).await?;
        let Some((ours, bytes)) = found else { return Ok(None) };
        match Entry::decode(bytes.as_slice()).ok().and_then(|entry| entry.event) {
            Some(Event::Mirrored(held)) => Ok(Some((ours, held))),
            _ => Err(Stop::Distrust(format!("entry {ours} of our log is called {operation_id} and holds no other's"))),
        }
    }

    /// Of a publication.
    async fn manifest(&self, upstream: &Upstream, entry: &Entry) -> Result<Option<Manifest>, Stop> {
        let Some(Event::VersionPublished(event)) = &entry.event else { return Ok(None) };
        let digest = digest(&event.manifest)?;
        let bytes = match self.registry.blob(&digest).map_err(away)? {
            Some(bytes) => bytes,
            None => document(upstream, &digest).await?,
        };
        let unreadable = |why| Stop::Distrust(format!("the manifest {digest} cannot be read: {why}"));
        Manifest::from_canonical(&bytes).map(Some).map_err(unreadable)
    }

    /// All that the versions from here on refer to and that is not followed: gathered first, so that the log is read again for all of
    /// it once.
    async fn referred_to(
        &self,
        upstream: &Upstream,
        head: &Checkpoint,
        walk: &Walk,
    ) -> Result<BTreeSet<StandardId>, Stop> {
        let (mut referred, mut edge) = (BTreeSet::new(), walk.edge.clone());
        while edge.size() < head.size {
            let (grown, leaves) = self.span(upstream, &edge, head).await?;
            for (index, leaf) in (edge.size()..).zip(leaves) {
                if let Some(wanted) = wanted(walk, index, leaf)?
                    && let Some(manifest) = self.manifest(upstream, &wanted.entry).await?
                {
                    referred.extend(self.unfollowed(walk, &manifest)?);
                }
            }
            edge = grown;
        }
        Ok(referred)
    }

    /// Standards that a version refers to and that are not followed.
    fn unfollowed(&self, walk: &Walk, manifest: &Manifest) -> Result<Vec<StandardId>, Stop> {
        let mut unfollowed = Vec::new();
        for needed in &manifest.dependencies {
            if !walk.is_own(&needed.standard)
                && !walk.follows(&needed.standard)
                // What is published here is not taken from there because somebody there refers to it.
                && !self.registry.is_published_here(&needed.standard).map_err(away)?
            {
                unfollowed.push(needed.standard.clone());
            }
        }
        Ok(unfollowed)
    }

    /// A version that is taken over comes after all that it refers to.
    fn has_what_it_refers_to(&self, walk: &Walk, lot: &Lot, manifest: &Manifest) -> Result<(), Stop> {
        for needed in &manifest.dependencies {
            let (other, number) = (&needed.standard, &needed.version);
            if lot.publishes.contains(&(other.clone(), number.clone())) {
                continue;
            }
            let here = self.registry.version_here(other, number).map_err(away)?;
            if here.is_none_or(|info| info.digest != needed.digest) {
                let Manifest { standard, version, .. } = manifest;
                let why = match (walk.is_own(other), walk.follows(other)) {
                    (true, _) => {
                        "which lies under `own_namespaces` and is not here as it is there; publish it here, or take it out of them"
                    }
                    (_, true) => "which the log there does not publish before it",
                    (_, false) => {
                        "which is published here, and not as it is there; publish that version here, or follow its namespace in another data folder"
                    }
                };
                return Err(Stop::Stuck(format!("`{standard}` {version} refers to `{other}` {number}, {why}")));
            }
        }
        Ok(())
    }

    /// All documents of a version that our log has not, but for those that were put into it since they are many; and the bytes of all
    /// that were fetched.
    async fn documents(
        &self,
        upstream: &Upstream,
        metadata: &[u8],
        manifest: Manifest,
    ) -> Result<(Vec<Vec<u8>>, usize), Stop> {
        let (mut blobs, mut bytes, mut fetched) = (vec![manifest.to_canonical()], 0, 0);
        let digests: BTreeSet<Digest> = manifest.files.into_values().chain([digest(metadata)?]).collect();
        for digest in digests {
            let registry = self.registry.clone();
            let is_here = move || registry.blob(&digest).map(|blob| blob.is_some()).map_err(|error| error.to_string());
            if blocking(is_here).await? {
                continue;
            }
            let blob = document(upstream, &digest).await?;
            (bytes, fetched) = (bytes + blob.len(), fetched + blob.len());
            blobs.push(blob);
            if bytes >= LOT_BYTES {
                let (registry, many) = (self.registry.clone(), std::mem::take(&mut blobs));
                blocking(move || registry.keep_blobs(&many).map_err(|error| error.to_string())).await?;
                bytes = 0;
            }
        }
        Ok((blobs, fetched))
    }

    /// A version that stands here under the same number with other content came from elsewhere.
    fn is_no_other(&self, entry: &Entry, standard: &StandardId, version: &Version) -> Result<(), Stop> {
        let Some(Event::VersionPublished(event)) = &entry.event else { return Ok(()) };
        let standing = self.registry.version_here(standard, version).map_err(away)?;
        match standing.filter(|info| info.digest.as_bytes().as_slice() != event.manifest.as_ref()) {
            Some(_) => Err(Stop::Distrust(format!(
                "`{standard}` {version} was published here with other content, or taken over from the log that was followed before; \
                 name its namespace in `own_namespaces`, or begin in a new folder"
            ))),
            None => Ok(()),
        }
    }
}

/// Who is named in the entries that hold another log's.
const PRINCIPAL: &str = "mirror";

/// An entry to take over, and the version that it is about.
struct Wanted {
    entry: Entry,
    bytes: Vec<u8>,
    standard: StandardId,
    version: Version,
}

fn wanted(walk: &Walk, index: u64, leaf: Leaf) -> Result<Option<Wanted>, Stop> {
    let Leaf::Entry(bytes) = leaf else { return Ok(None) };
    let unreadable = |why: String| Stop::Distrust(format!("entry {index} cannot be read: {why}"));
    let entry = Entry::decode(&*bytes).map_err(|why| unreadable(why.to_string()))?.meaning();
    let about = about(&entry).map_err(unreadable)?.filter(|(standard, _)| walk.wants(index, standard));
    Ok(about.map(|(standard, version)| Wanted { entry, bytes, standard, version }))
}

/// The version that an entry is about, where it is about one.
fn about(entry: &Entry) -> Result<Option<(StandardId, Version)>, String> {
    let (standard, version) = match &entry.event {
        Some(Event::VersionPublished(event)) => (&event.standard, &event.version),
        Some(Event::StatusChanged(event)) => (&event.standard, &event.version),
        Some(_) => return Ok(None),
        None => return Err("it is of a kind that this server does not know; use a newer one".into()),
    };
    let standard = standard.parse().map_err(|why| format!("`{standard}`: {why}"))?;
    Ok(Some((standard, version.parse().map_err(|why| format!("`{version}`: {why}"))?)))
}

/// In words, for a message: what an entry said.
fn what(entry: &[u8]) -> String {
    let entry = Entry::decode(entry).ok().map(Entry::meaning);
    match entry.and_then(|entry| entry.event) {
        Some(Event::VersionPublished(event)) => format!(": `{}` {} published", event.standard, event.version),
        Some(Event::StatusChanged(event)) => format!(": `{}` {} {}", event.standard, event.version, event.status),
        _ => String::new(),
    }
}

fn digest(bytes: &[u8]) -> Result<Digest, Stop> {
    let malformed = |_| Stop::Distrust("an entry holds a malformed digest".into());
    bytes.try_into().map(Digest::from_bytes).map_err(malformed)
}

fn away(error: impl fmt::Display) -> Stop {
    Stop::Away(error.to_string())
}

/// What was followed and is not any more stays as it is: nobody is told by this server what becomes of it.
fn warn_of_what_stays(before: &Walk, now: &Walk) {
    for (part, until) in &before.taken {
        if !now.taken.keys().any(|wider| wider.covers_part(part)) {
            tracing::warn!(
                "`{part}` is followed no more: what was taken over of it, until entry {until} there, is served as it was then"
            );
        }
    }
}

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
