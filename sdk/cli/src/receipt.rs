//! Receipts of checks: the digest of what is read, the note that is written, and whether one holds.

use crate::{
    context::Context,
    failure::{Failure, Verdict},
    log::{LogArgs, believed, prove},
    output::Tally,
    shelf::{Carried, Shelf, locked},
};
use guiju::{
    Pin, Validator,
    receipt::{Receipt, ReceiptError},
    tlog::{KeyHistory, SigningKey, VerifierKey},
};
use guiju_model::{Catalog, Date, Digest, Digesting, Resolution, VersionInfo};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Flags of `guiju check` that ask for a receipt.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "A receipt")]
pub struct ReceiptArgs {
    /// Write a signed statement of what was found into this file: digests and counts, nothing of any record
    #[arg(long, value_name = "FILE", requires = "receipt_key", conflicts_with = "schema")]
    receipt: Option<PathBuf>,
    /// File with the secret key that signs it, as `guiju-server make-key` makes one
    #[arg(long, value_name = "FILE", env = "GUIJU_RECEIPT_KEY", hide_env_values = true)]
    receipt_key: Option<PathBuf>,
}

/// A receipt that is to be written.
pub struct Promise {
    path: PathBuf,
    key: SigningKey,
    pub seen: Seen,
}

impl ReceiptArgs {
    /// Reads the key, before anything is checked. A receipt is of one data set.
    pub fn promise(&self, inputs: usize) -> Result<Option<Promise>, Failure> {
        let (Some(path), Some(key)) = (self.receipt.clone(), &self.receipt_key) else { return Ok(None) };
        if inputs != 1 {
            return Err(Failure::new(format!("a receipt is of one data set, and {inputs} are to be checked"))
                .hint("check each by itself"));
        }
        let text = fs::read_to_string(key).map_err(|error| Failure::file("read", key.display(), &error))?;
        let key = SigningKey::from_secret_text(text.trim_end())
            .map_err(|why| Failure::new(format!("`{}` holds no key: {why}", key.display())))?;
        Ok(Some(Promise { path, key, seen: Seen::default() }))
    }
}

impl Promise {
    pub fn write(
        &self,
        validator: &Validator,
        place: Option<(u64, Option<VerifierKey>)>,
        reference_date: Option<Date>,
        total: &Tally,
        context: &Context,
    ) -> Result<(), Failure> {
        let receipt = Receipt::of(validator, self.seen.digest(), total.counts, true);
        let (entry, log) = place.map_or((None, None), |(entry, log)| (Some(entry), log));
        let receipt = Receipt { entry, log, reference_date, ..receipt };
        let note = receipt.signed(&self.key).map_err(|error| Failure::new(error.to_string()))?;
        fs::write(&self.path, note.to_string())
            .map_err(|error| Failure::file("written", self.path.display(), &error))?;
        let (path, key) = (self.path.display(), self.key.verifier());
        context.say(&format!("wrote {path}; whoever verifies it names the key {key}"));
        Ok(())
    }
}

/// What has been read so far.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Digesting>>);

impl Seen {
    pub fn reading<'r>(&self, input: impl Read + Send + 'r) -> impl Read + Send + 'r {
        Hashed { input, seen: self.clone() }
    }

    fn digest(&self) -> (Digest, u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).digest()
    }
}

struct Hashed<R> {
    input: R,
    seen: Seen,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buf)?;
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner).take(&buf[..count]);
        Ok(count)
    }
}

/// A receipt, and what it is held against.
pub struct Claim<'c> {
    pub path: &'c Path,
    pub signer: Option<&'c VerifierKey>,
    pub data: Option<&'c Path>,
    /// Whether it is taken where its version cannot be held against anything.
    pub is_version_open: bool,
}

/// Whether a receipt holds, and what differs where it does not.
pub fn judged(claim: &Claim<'_>, demands: &LogArgs, shelf: &Shelf<'_>, context: &Context) -> Result<Verdict, Failure> {
    let Claim { path, signer, data, is_version_open } = *claim;
    let note = fs::read(path).map_err(|error| Failure::file("read", path.display(), &error))?;
    let keys = known_keys(shelf)?;
    let mut out = context.out();
    let found = match signed(&note, signer, keys.as_ref()) {
        // The log may have changed its key since; whoever can be asked says how, in notes that the key before it has signed.
        Some(Err(ReceiptError::Unsigned(_) | ReceiptError::OutOfRange { .. }))
            if signer.is_none() && shelf.url().is_some() =>
        {
            match believed(shelf, &demands.demands()?)? {
                Ok(log) => Some(Receipt::verified_by_log(&note, &log.keys)),
                Err(failure) => {
                    failure.print(context.paint_error);
                    return Ok(Verdict::DoesNot);
                }
            }
        }
        found => found,
    };
    let found = found.ok_or_else(|| {
        Failure::new("whose receipt it should be is not said").hint(
            "name the key of whoever signed it with --receipt-signer, and ask them for it, not the receipt; without it, a receipt of \
             the registry whose log guiju.lock holds is verified",
        )
    })?;
    let (receipt, signer) = match found {
        Ok(found) => found,
        Err(error @ ReceiptError::Note(_)) => return Err(Failure::new(error.to_string())),
        Err(error) => {
            writeln!(out, "FAIL  {}  {error}", path.display())?;
            let keys = keys.as_ref().filter(|_| signer.is_none());
            if let Some(remedy) = keys.and_then(|keys| remedy(&error, keys, shelf)) {
                writeln!(out, "      {remedy}")?;
            }
            out.flush()?;
            return Ok(Verdict::DoesNot);
        }
    };
    let mut faults = Vec::new();
    if let Some(data) = data {
        let file = File::open(data).map_err(|error| Failure::file("read", data.display(), &error))?;
        let seen = Seen::default();
        io::copy(&mut seen.reading(file), &mut io::sink())
            .map_err(|error| Failure::file("read", data.display(), &error))?;
        let (found, bytes) = seen.digest();
        if found != receipt.data {
            faults.push(format!("`{}` is other data: {found} of {bytes} bytes", data.display()));
        }
    }
    let mut unchecked = Vec::new();
    let mut remarks = Vec::new();
    match known(&receipt, demands, shelf)? {
        Known::As { place, digest, entry, log, ended } => {
            remarks.extend(ended);
            let version = format!("{} {}", receipt.standard, receipt.version);
            if digest != receipt.digest {
                faults.push(format!("{place} has {version} as {digest}"));
            }
            let other = receipt.log.as_ref().zip(log.as_ref()).filter(|(said, found)| said != found);
            match (receipt.entry, entry) {
                // The version is the same by its digest, and each log has a place of its own for it.
                (Some(said), Some(found)) if other.is_some() => {
                    let name = other.map_or("", |(said, _)| said.name());
                    remarks.push(format!(
                        "entry {said} is of another log, `{name}`, and was not looked at; {place} has {version} as entry {found}"
                    ));
                }
                (Some(said), Some(found)) if said != found => {
                    faults.push(format!("{place} has {version} as entry {found}, not {said}"));
                }
                (Some(said), None) => {
                    unchecked.push(format!("entry {said} was NOT checked: {place} has {version} of no log"));
                }
                _ => {}
            }
        }
        Known::Distrusted(failure) => {
            failure.print(context.paint_error);
            faults.push("the registry's log is not believed, so neither is what it says of the version".into());
        }
        Known::Nowhere(where_to_look) => {
            unchecked.push(format!("the version was NOT checked, nor its entry: {where_to_look}"));
        }
    }
    let verdict = match (faults.is_empty(), unchecked.is_empty() || is_version_open) {
        (false, _) => Verdict::DoesNot,
        (true, true) => Verdict::Conforms,
        (true, false) => Verdict::NotJudged,
    };
    let word = match verdict {
        Verdict::Conforms => "ok  ",
        Verdict::DoesNot => "FAIL",
        Verdict::NotJudged => "part",
    };
    writeln!(out, "{word}  {}  signed by {signer}", path.display())?;
    faults.iter().chain(&unchecked).chain(&remarks).try_for_each(|line| writeln!(out, "      {line}"))?;
    receipt.to_string().lines().skip(1).try_for_each(|line| writeln!(out, "  {line}"))?;
    out.flush()?;
    Ok(verdict)
}

/// What is known of a version beside what a receipt says.
#[allow(clippy::large_enum_variant)] // there is one of it, for a moment
enum Known {
    As {
        place: String,
        digest: Digest,
        entry: Option<u64>,
        /// The key that the log began with which has that entry, where it is known.
        log: Option<VerifierKey>,
        /// That it should not be used any more, which changes nothing of what was found when it was.
        ended: Option<String>,
    },
    Distrusted(Failure),
    /// With what to do about it.
    Nowhere(String),
}

/// The keys of the log that the lock holds: as the lock has them, or as another project of this user has learnt of them since.
fn known_keys(shelf: &Shelf<'_>) -> Result<Option<KeyHistory>, Failure> {
    let Some(held) = shelf.lock.log() else { return Ok(None) };
    let remembered = shelf.cache().log(held.keys.first()).map_err(locked)?;
    let newer = remembered.filter(|known| known.keys.follows(&held.keys).is_ok());
    Ok(Some(newer.map_or_else(|| held.keys.clone(), |known| known.keys)))
}

/// A receipt with the key that signed it: one that was named, or else one of the log's. None where neither is known.
fn signed(
    note: &[u8],
    signer: Option<&VerifierKey>,
    keys: Option<&KeyHistory>,
) -> Option<Result<(Receipt, VerifierKey), ReceiptError>> {
    // A key of the log is one for some sizes alone, also where it is named.
    // An old lock does not say for which; whoever names the key believes it then.
    let is_of_log = |signer: &VerifierKey| {
        keys.is_some_and(|keys| keys.ranges().any(|(key, _, end)| key == signer && end != Some(0)))
    };
    match (signer, keys) {
        (Some(signer), _) if !is_of_log(signer) => {
            Some(Receipt::verified(note, signer).map(|receipt| (receipt, signer.clone())))
        }
        (Some(signer), Some(keys)) => {
            Some(Receipt::verified_by_log(note, keys).and_then(|(receipt, by)| match by == *signer {
                true => Ok((receipt, by)),
                false => Err(ReceiptError::Unsigned(signer.clone())),
            }))
        }
        (None, Some(keys)) => Some(Receipt::verified_by_log(note, keys)),
        (_, None) => None,
    }
}

/// What to do about a receipt that none of the log's keys signed, as far as these are known.
fn remedy(error: &ReceiptError, keys: &KeyHistory, shelf: &Shelf<'_>) -> Option<String> {
    let (path, count) = (shelf.lock.path().display(), keys.ranges().count());
    match error {
        ReceiptError::Unsigned(_) if shelf.url().is_none() => Some(format!(
            "nor by another key of the log, of which {path} knows {count}; where the log changed its key since, `guiju lock` learns of it \
             where the registry can be reached"
        )),
        ReceiptError::Unsigned(_) => Some("nor by any other key that the registry's log ever signed with".into()),
        ReceiptError::OutOfRange { .. } if keys.ranges().skip(1).any(|(_, since, _)| since == 0) => Some(format!(
            "{path} does not say since when each key signs; `guiju lock` writes it down where the registry can be reached"
        )),
        _ => None,
    }
}

/// The lock, then the registry if one is to be asked, then the program. A receipt is of the past: that its version was withdrawn later
/// takes nothing from it, and is said.
fn known(receipt: &Receipt, demands: &LogArgs, shelf: &Shelf<'_>) -> Result<Known, Failure> {
    let Receipt { standard, version, digest, .. } = receipt;
    let is_meant = |pin: &Pin| (&pin.resolution.standard, &pin.resolution.version) == (standard, version);
    let since = |info: &VersionInfo| {
        info.ending().map(|told| format!("since then: {told}; the receipt is of before and stays true"))
    };
    // Where several references pin it, one that differs counts before one that does not, and one of a log before one of none.
    let differs = |pin: &Pin| pin.resolution.digest != *digest || pin.log_index != receipt.entry;
    let pins = shelf.lock.pins().map(|(_, pin)| pin).filter(|pin| is_meant(pin));
    if let Some(pin) = pins.max_by_key(|pin| (pin.resolution.digest != *digest, pin.log_index.is_some(), differs(pin)))
    {
        let place = "the lock".into();
        // A remark, which nothing waits for.
        let info = if shelf.url().is_some() { shelf.info_soon(&pin.resolution).ok().flatten() } else { None };
        let (digest, entry, ended) = (pin.resolution.digest, pin.log_index, info.as_ref().and_then(since));
        return Ok(Known::As { place, digest, entry, log: first_key(shelf), ended });
    }
    // Other versions of it that are pinned say nothing of this one.
    let others = shelf.lock.pins().map(|(_, pin)| &pin.resolution).filter(|other| other.standard == *standard);
    let others: BTreeSet<String> = others.map(|other| other.version.to_string()).collect();
    let pinned = match others.into_iter().collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => format!("{} does not pin it", shelf.lock.path().display()),
        others => {
            format!("{} pins {others} of `{standard}`, and not the receipt's {version}", shelf.lock.path().display())
        }
    };
    if shelf.url().is_some() {
        // By its digest first: so a version is found also after it was withdrawn.
        let exact =
            shelf.info(&Resolution { standard: standard.clone(), version: version.clone(), digest: *digest })?;
        let info = match exact.filter(|info| info.version == *version) {
            Some(info) => Some(info),
            None => shelf.ask(|registry| async move {
                match registry.versions(standard).await {
                    Err(error) if error.is_not_found() => Ok(None),
                    answer => answer.map(|(_, versions)| versions.into_iter().find(|info| info.version == *version)),
                }
            })?,
        };
        let Some(info) = info else {
            return Ok(Known::Nowhere(format!(
                "{pinned}, and the registry never had such a version, or you may not see it"
            )));
        };
        let log = match believed(shelf, &demands.demands()?)? {
            Ok(log) => log,
            Err(failure) => return Ok(Known::Distrusted(failure)),
        };
        let resolution = Resolution { standard: standard.clone(), version: version.clone(), digest: info.digest };
        let pin = Pin { resolution, log_index: Some(info.log_index), as_of: None };
        return Ok(match prove(shelf, &pin, &log)? {
            Ok(_) => Known::As {
                place: "the registry".into(),
                digest: info.digest,
                entry: Some(info.log_index),
                log: Some(log.keys.first().clone()),
                ended: since(&info),
            },
            Err(fault) => Known::Distrusted(Failure::new(fault.to_string())),
        });
    }
    let carried = Carried.versions(standard).into_iter().find(|(other, _)| other == version);
    Ok(match carried {
        Some((_, digest)) => Known::As { place: "the program".into(), digest, entry: None, log: None, ended: None },
        None => Known::Nowhere(format!(
            "{pinned}; `guiju lock {standard}@={version}` it, name the registry that has it with --registry URL, or take it unchecked with \
             --unchecked-version"
        )),
    })
}

/// The key that the lock's log began with.
pub fn first_key(shelf: &Shelf<'_>) -> Option<VerifierKey> {
    shelf.lock.log().map(|log| log.keys.first().clone())
}
