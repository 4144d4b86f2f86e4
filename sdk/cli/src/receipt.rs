//! Receipts of checks: the digest of what is read, the note that is written, and whether one holds.

use crate::{
    context::Context,
    failure::{Failure, Verdict},
    log::{LogArgs, believed, prove},
    output::Tally,
    shelf::{Carried, Shelf},
};
use guiju::{
    Pin, Validator,
    receipt::{Receipt, ReceiptError},
    tlog::{SigningKey, VerifierKey},
};
use guiju_model::{Catalog, Date, Digest, Digesting, Reference, Resolution};
use std::{
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
        entry: Option<u64>,
        reference_date: Option<Date>,
        total: &Tally,
        context: &Context,
    ) -> Result<(), Failure> {
        let receipt = Receipt::of(validator, self.seen.digest(), total.counts, true);
        let receipt = Receipt { entry, reference_date, ..receipt };
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
    // A registry signs with the key of its log, and whoever has locked holds that.
    let signer = signer.or(shelf.lock.log().map(|log| &log.current_key)).ok_or_else(|| {
        Failure::new("whose receipt it should be is not said").hint(
            "name the key of whoever signed it with --receipt-signer, and ask them for it, not the receipt; without it, a receipt of \
             the registry whose log guiju.lock holds is verified",
        )
    })?;
    let mut out = context.out();
    let receipt = match Receipt::verified(&note, signer) {
        Ok(receipt) => receipt,
        Err(error @ ReceiptError::Note(_)) => return Err(Failure::new(error.to_string())),
        Err(error) => {
            writeln!(out, "FAIL  {}  {error}", path.display())?;
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
    match known(&receipt, demands, shelf)? {
        Known::As { place, digest, entry } => {
            let version = format!("{} {}", receipt.standard, receipt.version);
            if digest != receipt.digest {
                faults.push(format!("{place} has {version} as {digest}"));
            }
            match (receipt.entry, entry) {
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
    faults.iter().chain(&unchecked).try_for_each(|line| writeln!(out, "      {line}"))?;
    receipt.to_string().lines().skip(1).try_for_each(|line| writeln!(out, "  {line}"))?;
    out.flush()?;
    Ok(verdict)
}

/// What is known of a version beside what a receipt says.
enum Known {
    As {
        place: String,
        digest: Digest,
        entry: Option<u64>,
    },
    Distrusted(Failure),
    /// With what to do about it.
    Nowhere(String),
}

/// The lock, then the registry if one is to be asked, then the program.
fn known(receipt: &Receipt, demands: &LogArgs, shelf: &Shelf<'_>) -> Result<Known, Failure> {
    let Receipt { standard, version, .. } = receipt;
    let is_meant = |pin: &Pin| (&pin.resolution.standard, &pin.resolution.version) == (standard, version);
    // Where several references pin it, one that differs counts before one that does not, and one of a log before one of none.
    let differs = |pin: &Pin| pin.resolution.digest != receipt.digest || pin.log_index != receipt.entry;
    let pins = shelf.lock.pins().map(|(_, pin)| pin).filter(|pin| is_meant(pin));
    if let Some(pin) =
        pins.max_by_key(|pin| (pin.resolution.digest != receipt.digest, pin.log_index.is_some(), differs(pin)))
    {
        let place = "the lock".into();
        return Ok(Known::As { place, digest: pin.resolution.digest, entry: pin.log_index });
    }
    if shelf.url().is_some() {
        let wanted: Reference =
            format!("{standard}@={version}").parse().map_err(|why| Failure::new(format!("{why}")))?;
        let info = shelf.ask(|registry| async move {
            match registry.resolve(&wanted).await {
                Err(error) if error.is_not_found() => Ok(None),
                answer => answer.map(Some),
            }
        })?;
        let Some(info) = info else {
            return Ok(Known::Nowhere("guiju.lock does not pin it, and the registry has no such version".into()));
        };
        let log = match believed(shelf, &demands.demands()?)? {
            Ok(log) => log,
            Err(failure) => return Ok(Known::Distrusted(failure)),
        };
        let resolution = Resolution { standard: standard.clone(), version: version.clone(), digest: info.digest };
        let pin = Pin { resolution, log_index: Some(info.log_index), as_of: None };
        return Ok(match prove(shelf, &pin, &log)? {
            Ok(_) => Known::As { place: "the registry".into(), digest: info.digest, entry: Some(info.log_index) },
            Err(fault) => Known::Distrusted(Failure::new(fault.to_string())),
        });
    }
    let carried = Carried.versions(standard).into_iter().find(|(other, _)| other == version);
    Ok(match carried {
        Some((_, digest)) => Known::As { place: "the program".into(), digest, entry: None },
        None => Known::Nowhere(
            "guiju.lock does not pin it; `guiju lock` it, name the registry that has it with --registry URL, or take it unchecked \
             with --unchecked-version"
                .into(),
        ),
    })
}
