//! Where standards are found: the lock, then the cache, then the registry if one is named, then the program itself.
//!
//! # Invariants
//! - No registry is asked that was not named, and none with `--offline`.
//! - A pinned standard is the one of the lock or none: another digest is a failure, wherever it came from.
//! - A registry that answers is believed over the program: what it withdrew, or has not, the program does not put in its place; it only
//!   helps out with standards of which the registry never had any version.
//! - What was proved to be in a log keeps its place there, or the command fails.
//! - What comes back is verified: each file against its manifest, each manifest against the digest that names it.

use crate::{carried, connection, context::Context, embedded, failure::Failure, terminal::plain};
use guiju::{Cache, Changed, CompileError, Lock, LockError, Pin, Registry, RegistryError};
use guiju_model::{
    Bundle, BundleError, Catalog, Content, Date, Digest, Ending, Kind, Manifest, Metadata, Namespace, Principal,
    Reference, Resolution, ResolveError, SearchHit, Selector, Severity, StandardId, StandardInfo, Status, VersionInfo,
    resolve,
};
use guiju_validator::near::nearest;
use semver::Version;
use std::{
    cell::{Cell, OnceCell},
    future::Future,
    time::{Duration, SystemTime},
};
use tokio::runtime::Runtime;

pub struct Shelf<'c> {
    context: &'c Context,
    pub lock: Lock,
    cache: Cache,
    online: OnceCell<Online>,
    /// Whether the registry was asked and gave no answer.
    is_silent: Cell<bool>,
}

/// How long a remark on what was found is waited for.
const REMARK_WAIT: Duration = Duration::from_secs(3);

/// A registry, connected when it is first needed.
struct Online {
    runtime: Runtime,
    registry: Registry,
}

impl Online {
    /// The same as [`refused`], and where there was no answer, who did not give it.
    fn refused(&self, error: RegistryError) -> Failure {
        if error.is_no_registry() {
            return Failure::new(format!("what answers at {} is no registry", self.registry.url()))
                .at(error)
                .hint("look at the address and the port; a proxy on the way must let HTTP/2 through");
        }
        let Some(why) = error.silence() else { return refused(error) };
        let hint = "try again, or name another of its servers with --registry; a check goes on without it, by what is pinned and \
                    fetched, with --offline";
        let url = self.registry.url();
        // A server that wants TLS closes on whoever speaks to it in clear, and does not say why.
        let may_want_tls = url.starts_with("http:")
            && ["broken pipe", "frame with invalid size", "reset"].iter().any(|word| why.contains(word));
        let hint =
            if may_want_tls { format!("where it speaks TLS, write https://; else {hint}") } else { hint.to_owned() };
        Failure::new(format!("the registry at {url} gave no answer")).at(why).hint(hint)
    }
}

/// A version with all that is known of it.
pub struct Found {
    pub bundle: Bundle,
    pub metadata: Option<Metadata>,
    pub versions: Vec<Version>,
    /// The same, highest first, as a registry tells them; none where it was not asked.
    pub infos: Vec<VersionInfo>,
    /// Where it was found, in words.
    pub place: String,
}

impl Found {
    pub fn content(&self) -> &Content {
        self.bundle.root()
    }
}

/// What a reference was pinned to.
pub struct Pinned {
    pub resolution: Resolution,
    /// Whether the lock changed.
    pub is_new: bool,
    /// What the registry says of the version; none where it was not asked, or has none of the standard.
    pub info: Option<VersionInfo>,
}

/// Whether a version may go on being used.
pub enum Standing {
    InUse,
    Ended(Ending),
    /// Nobody who could be asked has said.
    Unknown,
}

/// Of a standard that the program knows and the registry that was asked does not.
pub const NOT_IN_REGISTRY: &str = "carried by this program, not in the registry";

/// The program's standards as a catalog, with near names.
pub struct Carried;

impl Catalog for Carried {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        embedded::archive().versions(standard)
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        embedded::archive().content(digest)
    }

    /// The nearest spelling, then what goes on after the name that was given, then the same name elsewhere.
    fn near(&self, standard: &StandardId) -> Vec<StandardId> {
        let given = standard.to_string();
        let names: Vec<(String, &StandardId)> =
            embedded::archive().standards().map(|id| (id.to_string(), id)).collect();
        let longer = names.iter().filter(|(name, _)| name.starts_with(&given));
        let elsewhere = names.iter().filter(|(_, id)| id.name() == standard.name());
        let whole = nearest(&given, names.iter().map(|(name, _)| name.as_str()));
        let mut near: Vec<&str> = longer.chain(elsewhere).map(|(name, _)| name.as_str()).chain(whole).collect();
        near.truncate(3);
        near.dedup();
        near.iter().filter_map(|name| name.parse().ok()).collect()
    }
}

/// What is at hand by digest: the cache, then the program.
struct AtHand<'s>(&'s Cache);

impl Catalog for AtHand<'_> {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        Carried.versions(standard)
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        self.0.get(digest).or_else(|| Carried.content(digest))
    }

    fn near(&self, standard: &StandardId) -> Vec<StandardId> {
        Carried.near(standard)
    }
}

impl<'c> Shelf<'c> {
    pub fn open(context: &'c Context) -> Result<Self, Failure> {
        let lock = Lock::read(&context.settings.lock_path()).map_err(locked)?;
        let cache = match context.shared.cache.as_ref().or(context.settings.cache.as_ref()) {
            Some(folder) => Cache::at(folder),
            None => Cache::of_user(),
        };
        Ok(Self { context, lock, cache, online: OnceCell::new(), is_silent: Cell::new(false) })
    }

    /// The registry that is to be asked, if any: `--offline` says none.
    pub fn url(&self) -> Option<&'c str> {
        let Context { shared, settings, .. } = self.context;
        let url = shared.registry.as_deref().or(settings.registry.as_deref());
        url.filter(|url| !shared.offline && !url.is_empty())
    }

    /// Where lists and searches look, in words.
    pub fn place(&self) -> String {
        self.url().map_or("the program".into(), |url| format!("the registry at {url}"))
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// One line for people, of what went wrong and stops nothing.
    pub fn warn(&self, text: &str) {
        let word = self.context.paint_error.severity(Severity::Warning, "warning:");
        self.context.say(&format!("{word} {text}"));
    }

    /// Asks the registry.
    pub fn ask<T, F: Future<Output = Result<T, RegistryError>>>(
        &self,
        what: impl FnOnce(Registry) -> F,
    ) -> Result<T, Failure> {
        let online = self.online()?;
        online.runtime.block_on(what(online.registry.clone())).map_err(|error| online.refused(error))
    }

    /// What the registry answered, or that it did not.
    pub fn refused(&self, error: RegistryError) -> Failure {
        match self.online() {
            Ok(online) => online.refused(error),
            Err(failure) => failure,
        }
    }

    /// Who asks, as the registry knows them.
    pub fn who(&self) -> Result<Principal, Failure> {
        self.ask(|registry| async move { Ok(registry.who_am_i().await?.principal) })
    }

    /// The id of an operation: the same deed by the same hand with the same credentials is the same operation, and nobody else can work
    /// out its id.
    pub fn operation(&self, what: &str, deed: &str) -> Result<String, Failure> {
        let secret = connection::options(self.context)?.unguessed().map_or(String::new(), |secret| secret.to_string());
        Ok(format!("{what}-{}", &Digest::of(format!("{secret}\n{deed}").as_bytes()).hex()[..48]))
    }

    /// The same, of a deed that may be done again: each time is an operation of its own.
    pub fn fresh_operation(&self, what: &str) -> Result<String, Failure> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.operation(what, &format!("{:x} {:x}", now.as_nanos(), std::process::id()))
    }

    /// Waits for what an answer of the registry goes on to say.
    pub fn wait<T>(&self, what: impl Future<Output = T>) -> Result<T, Failure> {
        Ok(self.online()?.runtime.block_on(what))
    }

    /// Whether the registry has answered at all.
    pub fn is_connected(&self) -> bool {
        self.online.get().is_some()
    }

    fn online(&self) -> Result<&Online, Failure> {
        if let Some(online) = self.online.get() {
            return Ok(online);
        }
        let url = self.url().ok_or_else(|| match self.context.shared.offline {
            true => Failure::new("this needs a registry, and --offline forbids to ask one"),
            false => Failure::new("this needs a registry, and none is named")
                .hint("name one with --registry URL, GUIJU_REGISTRY, or `registry` in guiju.toml"),
        })?;
        let options = connection::options(self.context)?;
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("no network can be used: {error}")))?;
        let registry = runtime.block_on(Registry::connect_with(url, options)).map_err(refused)?;
        Ok(self.online.get_or_init(|| Online { runtime, registry }))
    }

    pub fn list(&self, namespace: Option<&Namespace>, kind: Option<Kind>) -> Result<Vec<StandardInfo>, Failure> {
        match self.url() {
            Some(_) => {
                let namespace = namespace.map_or(String::new(), |namespace| namespace.as_str().to_owned());
                self.ask(|registry| async move { registry.standards(&namespace, kind).await })
            }
            None => Ok(carried::list(namespace, kind)),
        }
    }

    pub fn search(&self, query: &str) -> Result<Vec<SearchHit>, Failure> {
        match self.url() {
            Some(_) => self.ask(|registry| async move { registry.search(query).await }),
            None => Ok(carried::search(query)),
        }
    }

    /// A version with all that judging needs, verified.
    pub fn bundle(&self, reference: &Reference) -> Result<Bundle, Failure> {
        let pin = match self.context.shared.locked {
            true => Some(self.lock.require(reference).map_err(locked)?),
            false => self.lock.get(reference),
        };
        match pin {
            Some(pin) => self.exactly(&pin.resolution).map(|(bundle, _)| bundle),
            None => {
                // What is named by its digest, and is at hand, is that.
                if let Some(bundle) = self.at_hand(reference)? {
                    return Ok(bundle);
                }
                let (bundle, info) = self.newest(reference)?;
                if info.is_none() && self.url().is_some() {
                    let manifest = &bundle.root().manifest;
                    self.warn(&format!("`{}` {} is {NOT_IN_REGISTRY}", manifest.standard, manifest.version));
                }
                Ok(bundle)
            }
        }
    }

    /// The highest version that a reference admits of those in force on a day, whatever is pinned.
    pub fn as_of(&self, reference: &Reference, day: Date) -> Result<(Bundle, VersionInfo), Failure> {
        let pinned = self.lock.get(reference).and_then(|pin| pin.as_of);
        if self.context.shared.locked && pinned != Some(day) {
            let failure =
                Failure::new("`--as-of` asks for the version of a day, and `--locked` for the one that is pinned");
            return Err(failure.hint("run `guiju lock --as-of`, and then with --locked alone"));
        }
        let info = self.ask(|registry| async move { registry.resolve_as_of(reference, day).await })?;
        let VersionInfo { standard, version, digest, .. } = info.clone();
        let (bundle, _) = self.exactly(&Resolution { standard, version, digest })?;
        Ok((bundle, info))
    }

    /// What a reference means now, wherever the lock stands, with its place in a registry's log.
    pub fn newest(&self, reference: &Reference) -> Result<(Bundle, Option<VersionInfo>), Failure> {
        if self.url().is_some() {
            let info = self.ask(|registry| async move {
                match registry.resolve(reference).await {
                    Err(error) if error.is_not_found() => Ok(Err(error)),
                    answer => answer.map(Ok),
                }
            })?;
            match info {
                Ok(info) => {
                    let VersionInfo { standard, version, digest, .. } = info.clone();
                    let (bundle, _) = self.exactly(&Resolution { standard, version, digest })?;
                    return Ok((bundle, Some(info)));
                }
                Err(error) => self.is_unknown_to_registry(reference, error)?,
            }
        } else if let Some(bundle) = self.at_hand(reference)? {
            return Ok((bundle, None));
        }
        let Resolution { digest, standard, version } = resolve(&Carried, reference).map_err(unresolved)?;
        let content = Carried.content(&digest);
        let content = content.ok_or_else(|| {
            Failure::new(format!("`{standard}` {version} in the program is damaged")).hint("install the program again")
        })?;
        Ok((self.gathered(content)?, None))
    }

    /// Whether what the program carries may be used though the registry refused the reference: only where the registry has no version of the
    /// standard at all, and nothing that is pinned says that it had one.
    fn is_unknown_to_registry(&self, reference: &Reference, error: RegistryError) -> Result<(), Failure> {
        let (standard, path) = (reference.standard(), self.lock.path().display());
        let listed = self.ask(|registry| async move {
            match registry.versions(standard).await {
                Err(error) if error.is_not_found() => Ok(None),
                answer => answer.map(|(_, versions)| Some(versions)),
            }
        })?;
        let mut pins = self.lock.pins().map(|(_, pin)| pin);
        let proved = pins.find_map(|pin| {
            let index = pin.log_index.filter(|_| pin.resolution.standard == *standard)?;
            Some(format!("{path} has {} at entry {index} of the log", pin.resolution.version))
        });
        let Some(versions) = listed else {
            return match proved {
                Some(proved) => Err(Failure::new(format!("the registry says that it has no standard `{standard}`, which it published"))
                    .at(proved)
                    .hint("look whether the registry is the one that the lock was made with, and whether you may still see the standard; `guiju verify` says what its log holds")),
                None if resolve(&Carried, reference).is_err() => Err(refused(error)),
                None => Ok(()),
            };
        };
        let is_withdrawn = |info: &&VersionInfo| info.status == Status::Withdrawn;
        let withdrawn = versions.iter().filter(is_withdrawn).find(|info| reference.admits(&info.version, &info.digest));
        let failure = match withdrawn {
            Some(VersionInfo { version, successor, .. }) => {
                let failure = Failure::new(format!("`{standard}` {version} is withdrawn in the registry"));
                let left: Vec<String> =
                    versions.iter().filter(|info| !is_withdrawn(info)).map(|info| info.version.to_string()).collect();
                let instead = match (successor.as_str(), left.as_slice()) {
                    ("", []) => "no version of it is left".into(),
                    ("", left) => format!("use another: there are {}", left.join(", ")),
                    (successor, _) => format!("use {successor} instead"),
                };
                failure.hint(format!("{instead}; `guiju history {standard}` says why"))
            }
            None => refused(error),
        };
        Err(proved.into_iter().fold(failure, Failure::at))
    }

    /// What the registry says of a version now; none where it has no such.
    pub fn info(&self, resolution: &Resolution) -> Result<Option<VersionInfo>, Failure> {
        let exact = &Reference::new(resolution.standard.clone(), Selector::Digest(resolution.digest));
        self.ask(|registry| async move {
            match registry.resolve(exact).await {
                Err(error) if error.is_not_found() => Ok(None),
                answer => answer.map(Some),
            }
        })
    }

    /// The same for a remark, which nobody waits long for.
    pub fn info_soon(&self, resolution: &Resolution) -> Result<Option<VersionInfo>, Failure> {
        let exact = Reference::new(resolution.standard.clone(), Selector::Digest(resolution.digest));
        let online = self.online()?;
        let asked = async { tokio::time::timeout(REMARK_WAIT, online.registry.resolve(&exact)).await };
        match online.runtime.block_on(asked) {
            Err(_) => Err(Failure::new("the registry does not answer in time")),
            Ok(Err(error)) if error.is_not_found() => Ok(None),
            Ok(answer) => answer.map(Some).map_err(|error| online.refused(error)),
        }
    }

    /// What is known of a version's standing: as the registry says, if one is to be asked, or as it last said to anybody who uses this cache.
    /// A registry that does not answer stops nothing that can go on without it.
    pub fn standing(&self, resolution: &Resolution) -> Standing {
        let remembered = || match self.cache.standing(&resolution.digest) {
            None => Standing::Unknown,
            Some((Status::Published, ..)) => Standing::InUse,
            Some((status, until, successor)) => {
                let Resolution { standard, version, .. } = resolution.clone();
                Standing::Ended(Ending { standard, version, status, until, successor })
            }
        };
        if self.url().is_none() || self.is_silent.get() {
            return remembered();
        }
        match self.info_soon(resolution) {
            Ok(Some(info)) => {
                self.remember(&info.digest, info.status, info.ending().as_ref());
                info.ending().map_or(Standing::InUse, Standing::Ended)
            }
            Ok(None) => remembered(),
            Err(_) => {
                self.is_silent.set(true);
                self.warn("the registry could not be asked whether what is pinned was deprecated or withdrawn; what it last said is told");
                remembered()
            }
        }
    }

    /// Remembers what the registry says of a version, or its log, for when it is not asked.
    pub fn remember(&self, digest: &Digest, status: Status, ending: Option<&Ending>) {
        let (until, successor) = ending.map_or((None, ""), |ending| (ending.until, ending.successor.as_str()));
        // What is not remembered is asked again.
        let _ = self.cache.put_standing(digest, status, until, successor);
    }

    /// The one version, from the cache, the program, or the registry. Whether it had to be fetched.
    pub fn exactly(&self, resolution: &Resolution) -> Result<(Bundle, bool), Failure> {
        let found = self.by_digest(resolution)?;
        let (Manifest { standard, version, .. }, digest) = (&found.0.root().manifest, resolution.digest);
        match (standard, version) == (&resolution.standard, &resolution.version) {
            true => Ok(found),
            false => Err(Failure::new(format!("{digest} is not `{}` {}, but `{standard}` {version}", resolution.standard, resolution.version))
                .hint(format!(
                    "where {} has it so, it was edited, and `guiju lock` writes it anew; otherwise the registry said so, and what it says is \
                     not used",
                    self.lock.path().display()
                ))),
        }
    }

    fn by_digest(&self, resolution: &Resolution) -> Result<(Bundle, bool), Failure> {
        let Resolution { standard, version, digest } = resolution;
        if let Some(content) = AtHand(&self.cache).content(digest) {
            match Bundle::gather(content, &AtHand(&self.cache)) {
                Ok(bundle) => return verified(bundle).map(|bundle| (bundle, false)),
                Err(BundleError::Missing { .. }) => {}
                Err(error) => return Err(Failure::new(error.to_string())),
            }
        }
        if self.url().is_none() {
            let carried = Carried.versions(standard).into_iter().find(|(other, _)| other == version);
            if let Some((_, found)) = carried {
                return Err(self.other_digest(resolution, &found));
            }
            let changed = self.changed(digest);
            if !changed.is_empty() {
                let what = format!(
                    "`{standard}` {version} is pinned, and what the cache held of it is not that: files were changed"
                );
                let failure = changed.into_iter().fold(Failure::new(what), Failure::at);
                return Err(failure.hint(
                    "find out who or what changed them (a failing disk, too); then run `guiju fetch` where the registry can be reached",
                ));
            }
            let failure = Failure::new(format!("`{standard}` {version} is pinned and not at hand")).at(digest);
            return Err(failure.hint(match self.context.shared.offline {
                true => "run `guiju fetch` once without --offline",
                false => "name the registry that has it with --registry URL, then run `guiju fetch`",
            }));
        }
        let wanted = Reference::new(standard.clone(), Selector::Digest(*digest));
        let online = self.online()?;
        let bundle = online.runtime.block_on(online.registry.bundle(&wanted)).map_err(|error| match error {
            error if error.is_not_found() => self.not_published(resolution),
            error => online.refused(error),
        })?;
        if let Err(error) = bundle.contents().try_for_each(|content| self.cache.put(content)) {
            // What was fetched can be used all the same; it will have to be fetched again.
            self.context.say(&format!("{} {error}", self.context.paint_error.severity(Severity::Warning, "warning:")));
        }
        Ok((bundle, true))
    }

    /// Which files of a version were found changed in the cache, and where they were put, in words.
    pub fn changed(&self, digest: &Digest) -> Vec<String> {
        let told = |Changed { path, moved_to }: Changed| match moved_to {
            Some(aside) => format!("`{}` was changed, and was put aside as `{}`", path.display(), aside.display()),
            None => format!("`{}` was changed, and is still there", path.display()),
        };
        self.cache.changed(digest).into_iter().map(told).collect()
    }

    fn other_digest(&self, pinned: &Resolution, found: &Digest) -> Failure {
        let Resolution { standard, version, digest } = pinned;
        Failure::new(format!("`{standard}` {version} is pinned as another one than the program carries"))
            .at(format!("pinned in {}: {digest}", self.lock.path().display()))
            .at(format!("in the program: {found}"))
            .hint("find out who changed the lock, or name the registry that has it with --registry URL")
    }

    fn not_published(&self, pinned: &Resolution) -> Failure {
        let Resolution { standard, version, digest } = pinned;
        Failure::new(format!("`{standard}` {version} is pinned, and the registry has no such version of it"))
            .at(format!("pinned in {}: {digest}", self.lock.path().display()))
            .hint("find out who changed the lock, or name the registry that it was made with")
    }

    /// What a reference names by its digest, where that is at hand.
    fn at_hand(&self, reference: &Reference) -> Result<Option<Bundle>, Failure> {
        let Selector::Digest(digest) = reference.selector() else { return Ok(None) };
        let Some(content) = AtHand(&self.cache).content(digest) else { return Ok(None) };
        let Manifest { standard, version, .. } = &content.manifest;
        match standard == reference.standard() {
            true => self.gathered(content).map(Some),
            false => Err(Failure::new(format!(
                "{digest} is no version of `{}`, but `{standard}` {version}",
                reference.standard()
            ))
            .hint(format!("write `{standard}@{digest}` where that is meant"))),
        }
    }

    fn gathered(&self, content: Content) -> Result<Bundle, Failure> {
        let bundle = Bundle::gather(content, &AtHand(&self.cache));
        verified(bundle.map_err(|error| Failure::new(error.to_string()))?)
    }

    pub fn find(&self, reference: &Reference, as_of: Option<Date>) -> Result<Found, Failure> {
        let standard = reference.standard();
        let (bundle, info) = match (as_of, self.context.shared.locked) {
            (Some(day), _) => self.as_of(reference, day).map(|(bundle, info)| (bundle, Some(info)))?,
            (None, true) => (self.bundle(reference)?, None),
            (None, false) => self.newest(reference)?,
        };
        let (place, mut versions, infos): (_, Vec<Version>, _) = match info {
            Some(_) => {
                let (_, infos) = self.ask(|registry| async move { registry.versions(standard).await })?;
                (self.place(), infos.iter().map(|info| info.version.clone()).collect(), infos)
            }
            None => {
                let versions = Carried.versions(standard).into_iter().map(|(version, _)| version);
                ("the program".into(), versions.collect(), Vec::new())
            }
        };
        versions.sort();
        let metadata = carried::metadata(standard);
        Ok(Found { bundle, metadata, versions, infos, place })
    }

    /// Pins what a reference means now.
    pub fn pin(&mut self, reference: &Reference, as_of: Option<Date>) -> Result<Pinned, Failure> {
        let (bundle, info) = match as_of {
            Some(day) => self.as_of(reference, day).map(|(bundle, info)| (bundle, Some(info)))?,
            None => self.newest(reference)?,
        };
        let manifest = &bundle.root().manifest;
        let (standard, version) = (manifest.standard.clone(), manifest.version.clone());
        let resolution = Resolution { standard, version, digest: bundle.digest() };
        self.lock.agree(reference, &resolution).map_err(locked)?;
        let log_index = match &info {
            Some(info) => {
                self.remember(&info.digest, info.status, info.ending().as_ref());
                Some(info.log_index)
            }
            // Nobody was asked: what was proved of this very version stays so, and no other takes its place.
            None => match self.lock.get(reference) {
                Some(Pin { resolution: held, log_index: Some(index), .. }) if *held != resolution => {
                    return Err(Failure::new(format!(
                        "`{reference}` is pinned from a registry's log, and without the registry it would not be"
                    ))
                    .at(format!("in {}: {} at entry {index}", self.lock.path().display(), held.version))
                    .at(format!("in the program: {}", resolution.version))
                    .hint("run `guiju lock` where the registry can be reached"));
                }
                held => held.and_then(|held| held.log_index),
            },
        };
        let pin = Pin { resolution: resolution.clone(), log_index, as_of };
        let is_new = self.lock.get(reference) != Some(&pin);
        self.lock.pin(reference, pin);
        Ok(Pinned { resolution, is_new, info })
    }
}

fn verified(bundle: Bundle) -> Result<Bundle, Failure> {
    let bundle = Bundle::verify(bundle.digest(), bundle.into_contents());
    bundle.map_err(|error| Failure::new(error.to_string()).hint("empty the cache folder, and fetch again"))
}

pub fn locked(error: LockError) -> Failure {
    said(&error.to_string())
}

/// What a registry answered, in the house form: the first sentence is what happened, what follows is what to do.
pub fn refused(error: RegistryError) -> Failure {
    let places = error.places();
    places.iter().fold(said(&error.to_string()), |failure, place| lines(place).fold(failure, Failure::at))
}

fn said(text: &str) -> Failure {
    let (what, hint) = text.split_once("; ").map_or((text, None), |(what, hint)| (what, Some(hint)));
    let mut lines = lines(what);
    let first = lines.next().unwrap_or_default();
    let failure = lines.fold(Failure::new(first), Failure::at);
    match hint {
        Some(hint) => failure.hint(plain(hint)),
        None => failure,
    }
}

/// What may come of others: each line by itself, so that none passes for one of ours.
fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| plain(line.trim_start()).into_owned())
}

/// Faults of a schema that are told; a schema may have thousands.
const FAULTS_SHOWN: usize = 20;

pub fn not_compiled(error: &CompileError) -> Failure {
    let failure = Failure::new(format!("`{}` cannot be compiled", error.subject.trim_matches('`')));
    let failure = error.faults.iter().take(FAULTS_SHOWN).fold(failure, |failure, fault| {
        let pointer = if fault.pointer.is_empty() { "/" } else { &fault.pointer };
        failure.at(format!("{} at {pointer}: {}", fault.code, fault.message))
    });
    match error.faults.len().saturating_sub(FAULTS_SHOWN) {
        0 => failure,
        more => failure.at(format!("… and {more} more")),
    }
}

fn unresolved(error: ResolveError) -> Failure {
    match error {
        ResolveError::UnknownStandard { standard, near } => {
            let failure = Failure::new(format!("there is no standard `{standard}`"));
            match near.as_slice() {
                [] => failure.hint("`guiju list` shows the standards there are, `guiju search WORDS` finds one"),
                near => {
                    let names: Vec<String> = near.iter().map(|id| format!("`{id}`")).collect();
                    failure.hint(format!("did you mean {}?", names.join(" or ")))
                }
            }
        }
        error @ ResolveError::AllWithdrawn { .. } => said(&error.to_string()),
        ResolveError::UnknownVersion { reference, versions } => {
            let versions: Vec<String> = versions.iter().map(Version::to_string).collect();
            let (standard, selector) = (reference.standard(), reference.selector());
            Failure::new(format!("no version of `{standard}` is {selector}"))
                .hint(format!("there are {}", versions.join(", ")))
        }
    }
}
