//! What is asked of a registry's log, and how the lock keeps what is believed of it.

use crate::{
    context::Context,
    failure::{Failure, Verdict},
    shelf::{Shelf, locked, refused},
    terminal::plain,
};
use guiju::{
    HeldLog, LogDemands, LogEntry, LogSource, LoggedVersion, LoggedVersions, Pin, PinFault, ProvedEntry, RegistryError,
    Withheld, keep_proof, log_head_after, prove_pin, replay,
    tlog::{LogFault, VerifierKey},
    what_became_of,
};
use guiju_model::{Date, Reference, Resolution, StandardId};
use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};
use tokio::time::timeout;

/// So long a log that is not believed any more is asked what it did with the pins.
const TELLING_MAX: Duration = Duration::from_secs(30);

/// Flags of every command that believes a log.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "The registry's log")]
pub struct LogArgs {
    /// Policy file (C2SP tlog-policy): the logs that are trusted, and the witnesses that must have cosigned
    #[arg(long, value_name = "FILE", env = "GUIJU_LOG_POLICY", hide_env_values = true)]
    log_policy: Option<PathBuf>,
    /// Key, kept offline, that must have signed each change of the log's key
    #[arg(long, value_name = "KEY", env = "GUIJU_LOG_ROOT_KEY", hide_env_values = true)]
    log_root_key: Option<VerifierKey>,
    /// Greatest age of the log's checkpoint
    #[arg(long, value_name = "SECONDS", env = "GUIJU_LOG_AGE_MAX", hide_env_values = true, default_value_t = 3600)]
    log_age_max: u64,
}

impl LogArgs {
    pub fn demands(&self) -> Result<LogDemands, Failure> {
        let policy = match &self.log_policy {
            Some(path) => {
                let text = fs::read_to_string(path).map_err(|error| Failure::file("read", path.display(), &error))?;
                let fault = |why| Failure::new(format!("`{}` is no policy: {why}", path.display()));
                Some(text.parse().map_err(fault)?)
            }
            None => None,
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(LogDemands { policy, root_key: self.log_root_key.clone(), now_and_age_max_s: Some((now, self.log_age_max)) })
    }
}

/// The log's checkpoint now, following from what the lock holds and from the newest that was proved here, or why the log is not
/// believed: where it does not follow, what became of the pins is told too. What is believed is remembered in the cache.
pub fn believed(shelf: &Shelf<'_>, demands: &LogDemands) -> Result<Result<HeldLog, Failure>, Failure> {
    let (cache, held) = (shelf.cache(), shelf.lock.log());
    let ask =
        |held: &[&HeldLog]| shelf.ask(|registry| async move { Ok(log_head_after(&registry, held, demands).await) });
    // Read before the log is asked: another command may learn of more meanwhile.
    let remembered = |log: &HeldLog| cache.log(log.keys.first()).map_err(locked);
    let (mut known, mut head) = (held.map(remembered).transpose()?.flatten(), None);
    if held.is_none() {
        match ask(&[])? {
            Ok(found) => (known, head) = (remembered(&found)?, Some(found)),
            Err(error) => return distrusted(shelf, error, None),
        }
    }
    let all: Vec<&HeldLog> = held.into_iter().chain(&known).collect();
    let head = match head.filter(|_| known.is_none()) {
        Some(head) => head,
        None => match ask(&all)? {
            Ok(head) => head,
            Err(error) => {
                // What follows from the lock, and not from what is remembered, was told otherwise after the lock was written.
                let newer = known.as_ref().filter(|_| matches!(ask(held.as_slice()), Ok(Ok(_))));
                return distrusted(shelf, error, newer);
            }
        },
    };
    if let Err(error) = cache.remember_log(&head) {
        shelf.warn(&format!("how far the log was proved is not remembered: {error}"));
    }
    Ok(Ok(head))
}

/// What was asked, of which day, and what the registry answered.
pub type Answered<'r> = (&'r Reference, Option<Date>, Resolution);

/// The log's head for what was just pinned, believed; none where no registry was asked, or nothing of it is pinned. What a reference means,
/// and whether a standard was never published, is for the log to say, which is proved, and not for an answer alone.
pub fn head_of_pins<'s>(
    shelf: &Shelf<'_>,
    demands: &LogArgs,
    wanted: impl Iterator<Item = &'s StandardId>,
    unpublished: &[StandardId],
    answers: &[Answered<'_>],
    context: &Context,
) -> Result<Option<HeldLog>, Failure> {
    let is_of_log = shelf.lock.pins().any(|(_, pin)| pin.log_index.is_some()) || shelf.lock.log().is_some();
    let is_wanted = is_of_log || !unpublished.is_empty();
    if !(shelf.is_connected() && is_wanted) {
        return Ok(None);
    }
    let head = believed(shelf, &demands.demands()?)??;
    let (versions, withheld) = versions_of(shelf, &head, wanted)??;
    WholeArgs::default().tell(&withheld, head.checkpoint.size, context);
    let path = shelf.lock.path().display();
    let first = unpublished.iter().find_map(|standard| versions.of(standard).first());
    if let Some(LoggedVersion { standard, version, index, .. }) = first {
        return Err(Failure::new(format!(
            "the registry says that it has no standard `{standard}`, and its log publishes it"
        ))
        .at(format!("entry {index}: {standard} {version}"))
        .hint(format!(
            "something between here and the registry, or the registry, does not tell the truth; {path} is as it was"
        )));
    }
    for (reference, as_of, answer) in answers {
        let meant = match as_of {
            Some(day) => versions.resolve_as_of(reference, *day),
            None => versions.resolve(reference),
        };
        // Of a version that no entry shown here publishes nothing is known but what the registry says.
        let of_answer =
            || versions.get(reference.standard(), &answer.version).filter(|known| known.digest == answer.digest);
        let (known, by_log) = match meant {
            Some(meant) if (&meant.version, meant.digest) == (&answer.version, answer.digest) => continue,
            Some(meant) => (meant, format!("it is {}", meant.version)),
            None => match (of_answer(), as_of) {
                (None, _) => continue,
                (Some(known), None) => (known, "no version of it is left that was not withdrawn".into()),
                (Some(known), Some(day)) => (known, format!("no version of it was in force on {day}")),
            },
        };
        let LoggedVersion { standard, version, index, .. } = known;
        return Err(Failure::new(format!(
            "the registry answers `{reference}` with {}, and by its log {by_log}", answer.version
        ))
        .at(format!("entry {index}: {standard} {version}"))
        .hint(format!(
            "where that was published or withdrawn just now, run it again; otherwise something between here and the registry, or the \
             registry, does not tell the truth; {path} is as it was"
        )));
    }
    Ok(Some(head).filter(|_| is_of_log))
}

/// Why a log is not believed, with what became of the pins. `newer`: what is remembered of it beyond the lock, where that is at odds with
/// what it says now.
fn distrusted(
    shelf: &Shelf<'_>,
    error: RegistryError,
    newer: Option<&HeldLog>,
) -> Result<Result<HeldLog, Failure>, Failure> {
    let rewrote = matches!(
        error,
        RegistryError::Log(LogFault::Rewritten { .. } | LogFault::Forked { .. } | LogFault::Rewound { .. })
    );
    let failure = distrust(error)?;
    if let Some(newer) = newer {
        let (path, size) = (shelf.cache().log_path(newer.keys.first()), newer.checkpoint.size);
        return Ok(Err(failure.at(format!("{size} entries with the root {} were proved here before", newer.checkpoint.root)).hint(
            format!(
                "keep `{}`, which remembers that, and what the registry says now: one of the two is another history; take the file \
                 away once you know which",
                path.display()
            ),
        )));
    }
    if !rewrote {
        return Ok(Err(failure));
    }
    let failure = failure.at("what was held before is the line `log` of guiju.lock; if that was edited, put it back");
    let lock = &shelf.lock;
    // What it serves is not believed any more; it only helps to say what was done.
    let faults = shelf.ask(|registry| async move {
        timeout(TELLING_MAX, what_became_of(&registry, lock)).await.unwrap_or_else(|_| Ok(Vec::new()))
    });
    let faults = faults.unwrap_or_default();
    Ok(Err(faults.into_iter().fold(failure, Failure::at)))
}

/// What was read of a log: its head, the entries that are to be told, and how many are not shown.
pub type Read = (HeldLog, Vec<LogEntry>, Withheld);

/// The log's head, the entries that are to be told, and how many are not shown to who asks; or why the log is not believed.
pub fn seen(
    shelf: &Shelf<'_>,
    demands: &LogDemands,
    is_told: impl Fn(&LogEntry) -> bool,
) -> Result<Result<Read, Failure>, Failure> {
    let head = match believed(shelf, demands)? {
        Ok(log) => log,
        Err(failure) => return Ok(Err(failure)),
    };
    Ok(replayed_of(shelf, &head, is_told)?.map(|(entries, withheld)| (head, entries, withheld)))
}

/// The same of a head that is believed already: the entries that are to be told, and how many are not shown.
pub fn replayed_of(
    shelf: &Shelf<'_>,
    head: &HeldLog,
    is_told: impl Fn(&LogEntry) -> bool,
) -> Result<Result<(Vec<LogEntry>, Withheld), Failure>, Failure> {
    let (held, checkpoint) = (shelf.lock.log().map(|log| &log.checkpoint), &head.checkpoint);
    let mut entries = Vec::new();
    let told = |entry| entries.extend(Some(entry).filter(&is_told));
    match shelf.ask(|registry| async move { Ok(replay(&registry, held, checkpoint, told).await) })? {
        Ok(withheld) => Ok(Ok((entries, withheld))),
        Err(error) => distrust(error).map(Err),
    }
}

/// What the log says of the versions of some standards, up to a head that is believed, and what of it is not shown.
pub fn versions_of<'s>(
    shelf: &Shelf<'_>,
    head: &HeldLog,
    standards: impl Iterator<Item = &'s StandardId>,
) -> Result<Result<(LoggedVersions, Withheld), Failure>, Failure> {
    let standards: BTreeSet<String> = standards.map(ToString::to_string).collect();
    let is_told = |entry: &LogEntry| LoggedVersions::is_told_by(entry) && standards.contains(&entry.standard);
    Ok(replayed_of(shelf, head, is_told)?.map(|(entries, withheld)| (entries.iter().collect(), withheld)))
}

/// The flag of commands that read a whole log.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct WholeArgs {
    /// Fail, with exit code 1, where an entry is not shown but its hash alone: for whoever must read everything
    #[arg(long, help_heading = "The registry's log")]
    whole_log: bool,
}

impl WholeArgs {
    pub fn is_asked(&self) -> bool {
        self.whole_log
    }

    /// Says how many entries of the log are not shown to who asks; whether that may be.
    pub fn tell(&self, withheld: &Withheld, size: u64, context: &Context) -> Verdict {
        let Withheld { count, first } = withheld;
        if *count == 0 {
            return Verdict::Conforms;
        }
        if !self.whole_log {
            context.say(&format!(
                "{count} of the log's entries are not shown to you: that they are there is proved by their hashes"
            ));
            return Verdict::Conforms;
        }
        let named = first.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let more = if first.len() as u64 == *count { "" } else { " and more" };
        let failure = Failure::new(format!(
            "{count} of the log's {size} entries are not shown to you but their hashes alone, and --whole-log asks for all"
        ));
        let failure = failure.at(format!("entries {named}{more}")).hint(
            "an entry is shown to who may read its namespace, a step of a proposal to who sees drafts there: ask for auditor on `*`, \
             or whoever runs the registry why what you may read is kept from you",
        );
        failure.print(context.paint_error);
        Verdict::DoesNot
    }
}

/// Who made an entry; where it was taken over, by whom of which log.
pub fn by(entry: &LogEntry) -> String {
    match entry.log.as_str() {
        "" => plain(&entry.principal).into_owned(),
        log => format!("{} of {}", plain(&entry.principal), plain(log)),
    }
}

/// An entry for programs: one object, the same in every command.
pub fn in_json(entry: &LogEntry) -> serde_json::Value {
    let LogEntry { index, time_ms, principal, event, standard, version, reason, successor, about, .. } = entry;
    let LogEntry { effective_from, effective_to, grace_until, waiver, log, .. } = entry;
    serde_json::json!({
        "index": index, "time_ms": time_ms, "principal": principal, "log": log, "event": event, "standard": standard,
        "version": version, "reason": reason, "successor": successor, "about": about,
        "effective_from": effective_from, "effective_to": effective_to, "grace_until": grace_until,
        "waiver": waiver,
    })
}

/// What is wrong with a log; an `Err` where there is no telling, because no answer came.
pub fn distrust(error: RegistryError) -> Result<Failure, Failure> {
    match error.is_distrust() {
        true => Ok(refused(error)),
        false => Err(refused(error)),
    }
}

/// Proves each pin in the tree of a checkpoint, and keeps the proofs for when there is no network.
pub fn prove_pins(shelf: &Shelf<'_>, log: &HeldLog) -> Result<(), Failure> {
    let mut faults = Vec::new();
    for (_, pin) in shelf.lock.pins().filter(|(_, pin)| pin.log_index.is_some()) {
        match prove(shelf, pin, log)? {
            Ok(proved) => keep_proof(pin, &proved, &log.checkpoint, shelf.cache())
                .map_err(|error| Failure::new(error.to_string()))?,
            Err(fault) => faults.push(fault),
        }
    }
    faults.dedup();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(faults.into_iter().fold(Failure::new("the log does not prove what is pinned"), Failure::at)),
    }
}

/// The entry of a pin, proved, or what is wrong with it.
pub fn prove(shelf: &Shelf<'_>, pin: &Pin, log: &HeldLog) -> Result<Result<ProvedEntry, PinFault>, Failure> {
    let (index, size) = (pin.log_index.unwrap_or_default(), log.checkpoint.size);
    if index >= size {
        // There is nothing to ask for; an empty answer is judged like any other.
        return Ok(prove_pin(pin, &ProvedEntry::default(), &log.checkpoint).map(|()| ProvedEntry::default()));
    }
    let proved = shelf.ask(|registry| async move { registry.proved_entry(index, size).await })?;
    Ok(prove_pin(pin, &proved, &log.checkpoint).map(|()| proved))
}
