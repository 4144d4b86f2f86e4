//! Receipts of checks: the digest of what is read, the note that is written, and whether one holds.

use crate::{
    context::Context,
    failure::{Failure, Verdict},
    output::Tally,
    shelf::Shelf,
};
use guiju::{
    Validator,
    receipt::{Receipt, ReceiptError},
    tlog::{SigningKey, VerifierKey},
};
use guiju_model::{Date, Digest, Digesting};
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

/// Whether a receipt holds, and what differs where it does not.
pub fn judged(
    path: &Path,
    signer: Option<&VerifierKey>,
    data: Option<&Path>,
    shelf: &Shelf<'_>,
    context: &Context,
) -> Result<Verdict, Failure> {
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
    let pins = shelf.lock.pins().filter(|(_, pin)| {
        (&pin.resolution.standard, &pin.resolution.version) == (&receipt.standard, &receipt.version)
    });
    for (_, pin) in pins.filter(|(_, pin)| pin.resolution.digest != receipt.digest).take(1) {
        let found = pin.resolution.digest;
        faults.push(format!("the lock has {} {} as {found}", receipt.standard, receipt.version));
    }
    let word = if faults.is_empty() { "ok  " } else { "FAIL" };
    writeln!(out, "{word}  {}  signed by {signer}", path.display())?;
    faults.iter().try_for_each(|fault| writeln!(out, "      {fault}"))?;
    receipt.to_string().lines().skip(1).try_for_each(|line| writeln!(out, "  {line}"))?;
    out.flush()?;
    Ok(if faults.is_empty() { Verdict::Conforms } else { Verdict::DoesNot })
}
