use crate::{
    context::Context,
    failure::{Answer, Failure, Verdict},
    inputs::{self, Job, Partner},
    log::{LogArgs, believed, prove},
    output::{self, Form, Output, Style, Subject, Tally},
    progress::Progress,
    receipt::{Promise, ReceiptArgs, first_key},
    rejects::Rejects,
    shelf::{Shelf, Standing, not_compiled},
    sides,
    telling::Telling,
};
use guiju::{
    CheckOptions, CompileOptions, Pin, Validator,
    readers::{self, Encoding, Format, ReadError, ReadOptions, Told},
    receipt::Counts,
    tlog::VerifierKey,
};
use guiju_model::{Bundle, BundleError, Date, Ending, Kind, Manifest, Reference, Resolution, Severity};
use guiju_validator::{NotCheckable, dataset::Scope};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
    rc::Rc,
};

const EXAMPLES: &str = "\
Examples:
  guiju check --standard bj.population/person people.csv
  guiju check --standard bj.water/meter-reading 'data/**/*.ndjson' --output junit > report.xml
  zcat readings.ndjson.gz | guiju check --standard bj.water/meter-reading -
  guiju check --schema schema.json records.json
  guiju check --standard bj.house/house houses.csv --with bj.house/building=buildings.csv
  guiju check                    everything that the [[check]] sections of guiju.toml name

What a file is (JSON, NDJSON, a JSON array, CSV; UTF-8 or GB 18030) is seen from its content, not its name; --format
and --encoding say so where the content does not.
A record that cannot be read as one counts as such and does not conform. Rules between records (keys, sums, series)
are judged over each file; those about another data set, where it is given with --with.";

/// Check records: does my data conform?
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// Files or globs; `-` is standard input [default: what guiju.toml names]
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// The standard to check against: a reference such as bj.population/person@^2, or a name of guiju.toml
    #[arg(short, long, value_name = "STANDARD")]
    standard: Option<String>,
    /// Check against a bare JSON Schema file instead
    #[arg(long, value_name = "FILE", conflicts_with = "standard")]
    schema: Option<PathBuf>,
    /// A data set that the records refer to, so that rules about it are judged too; may be given several times
    #[arg(long, value_name = "STANDARD=FILE")]
    with: Vec<String>,
    /// json, ndjson, json-array or csv [default: seen from the content]
    #[arg(long)]
    format: Option<Format>,
    /// utf-8 or gb18030 [default: that of [[check]] in guiju.toml, or seen from the content]
    #[arg(long)]
    encoding: Option<Encoding>,
    /// How to tell what was found
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    output: Form,
    /// Write conforming records, rejected records and a table of errors into this folder
    #[arg(long, value_name = "DIR")]
    rejects: Option<PathBuf>,
    /// The day that counts as today, YYYY-MM-DD; without it, rules that ask for it are not judged
    #[arg(long, value_name = "DATE", env = "GUIJU_REFERENCE_DATE", hide_env_values = true)]
    reference_date: Option<Date>,
    /// Check against the version that governs records of this day, YYYY-MM-DD, whatever is pinned; needs a registry
    #[arg(long, value_name = "DATE", conflicts_with = "schema")]
    as_of: Option<Date>,
    /// Fail, with exit code 1, where what is checked against is deprecated or withdrawn, and with 2 where nobody who can be asked has said;
    /// of what was pinned for a day (`guiju lock --as-of`) that is not asked
    #[arg(long, conflicts_with_all = ["schema", "as_of"])]
    deny_deprecated: bool,
    /// Show the offending values; reports travel further than data may, so they are left out otherwise
    #[arg(long)]
    values: bool,
    /// Findings listed of one record; all are counted
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_findings: usize,
    /// Findings shown of one code of a file, in text and JUnit; 0: all
    #[arg(long, value_name = "N", default_value_t = 10)]
    show: u64,
    /// Workers; 0: one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: usize,
    #[command(flatten)]
    receipt: ReceiptArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Validators by standard, each compiled once.
struct Bench<'c> {
    shelf: Shelf<'c>,
    schema: Option<Rc<Validator>>,
    schema_path: Option<PathBuf>,
    as_of: Option<Date>,
    promise: Option<Promise>,
    /// Of what was compiled and is deprecated or withdrawn, what was not told yet.
    endings: Vec<Ending>,
    denies_ended: bool,
    has_ended: bool,
    compiled: HashMap<Reference, Rc<Validator>>,
}

pub fn run(args: CheckArgs, context: &Context) -> Answer {
    let jobs =
        inputs::jobs(&args.files, args.standard.as_deref(), args.schema.is_some(), &args.with, &context.settings)?;
    let schema = args.schema.as_deref().map(of_schema).transpose()?;
    let promise = args.receipt.promise(jobs.len())?;
    if promise.is_some() && jobs.iter().any(|job| !job.with.is_empty()) {
        let failure = Failure::new("a receipt is of one data set, and does not name those that its records refer to");
        return Err(failure.hint("check without --receipt, or without --with (and `with` in guiju.toml)"));
    }
    let mut bench = Bench {
        shelf: Shelf::open(context)?,
        schema,
        schema_path: args.schema.clone(),
        as_of: args.as_of,
        promise,
        endings: Vec::new(),
        denies_ended: args.deny_deprecated,
        has_ended: false,
        compiled: HashMap::new(),
    };
    let progress = Progress::default();
    let style = Style { lang: context.lang, paint: context.paint, show: args.show };
    let mut output = output::of(args.output, style, progress.around(context.out()));
    let mut rejects = args.rejects.as_deref().map(|folder| Rejects::into(folder, &jobs, context.lang)).transpose()?;
    let options = options(&args, context);
    let mut total = Tally::default();
    for job in &jobs {
        let judged = bench.judge(job, &options, &mut *output, rejects.as_mut(), &progress, &mut total, context);
        match judged {
            Ok(()) => {}
            Err(Failure::Unheard) => return Err(Failure::Unheard),
            Err(failure) => {
                output.failed(&job.name, &failure)?;
                failure.print(context.paint_error);
                total.failures += 1;
            }
        }
    }
    bench.tell_endings(&mut *output)?;
    output.finish(&total)?;
    let judged_by = jobs.first().and_then(|job| bench.compiled.get_key_value(job.standard.as_ref()?));
    if let Some((promise, (reference, validator))) = bench.promise.as_ref().zip(judged_by)
        && total.failures == 0
    {
        let place = bench.place(reference, validator, &args.log)?;
        promise.write(validator, place, options.check.reference_date, &total, context)?;
    }
    Ok(match &total {
        Tally { failures: 1.., .. } => Verdict::NotJudged,
        Tally { counts: Counts { errors: 1.., .. }, .. } => Verdict::DoesNot,
        _ if bench.denies_ended && bench.has_ended => Verdict::DoesNot,
        _ => Verdict::Conforms,
    })
}

fn options(args: &CheckArgs, context: &Context) -> ReadOptions {
    let check = CheckOptions {
        reference_date: args.reference_date.or(context.settings.reference_date),
        findings_max: args.max_findings,
        with_values: args.values,
        ..CheckOptions::default()
    };
    ReadOptions {
        format: args.format,
        encoding: args.encoding,
        jobs: args.jobs,
        never_waits: false,
        shares: None,
        counts_clean: false,
        check,
    }
}

fn of_schema(path: &Path) -> Result<Rc<Validator>, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file("read", path.display(), &error))?;
    let place = format!("in {}", path.display());
    let options = CompileOptions::default();
    // What it refers to is looked up as for a standard; all else is told as of a plain JSON Schema.
    let compiled = match sides::bare(Kind::Record, "schema.json", &bytes) {
        Ok(bundle) if bundle.contents().count() > 1 => Validator::compile(&bundle, &options),
        Err(error @ BundleError::Resolve { .. }) => return Err(Failure::new(error.to_string()).at(place)),
        _ => Validator::compile_schema(&bytes, &options),
    };
    compiled.map(Rc::new).map_err(|error| not_compiled(&error).at(place))
}

impl Bench<'_> {
    /// The place of what was checked against in a registry's log, and the key which that began with: as the lock has it, or where that does
    /// not pin it and a registry is asked, as its log proves it now.
    fn place(
        &self,
        reference: &Reference,
        validator: &Validator,
        log: &LogArgs,
    ) -> Result<Option<(u64, Option<VerifierKey>)>, Failure> {
        let pin = self.shelf.lock.get(reference).filter(|pin| pin.resolution.digest == validator.digest());
        if let Some(pin) = pin {
            return Ok(pin.log_index.map(|index| (index, first_key(&self.shelf))));
        }
        if self.shelf.url().is_none() {
            return Ok(None);
        }
        let (standard, version) = (validator.standard().clone(), validator.version().clone());
        let resolution = Resolution { standard, version, digest: validator.digest() };
        let Some(info) = self.shelf.info(&resolution)? else { return Ok(None) };
        let head = believed(&self.shelf, &log.demands()?)??;
        let pin = Pin { resolution, log_index: Some(info.log_index), as_of: None };
        if prove(&self.shelf, &pin, &head)?.is_err() {
            let Resolution { standard, version, .. } = &pin.resolution;
            let index = info.log_index;
            return Err(Failure::new(format!(
                "no receipt is written: the registry has `{standard}` {version} as entry {index}, and its log does not prove that"
            )));
        }
        Ok(Some((info.log_index, Some(head.keys.first().clone()))))
    }

    fn validator(&mut self, job: &Job) -> Result<Rc<Validator>, Failure> {
        match (&job.standard, &self.schema) {
            (Some(reference), _) => self.compiled(reference),
            (None, Some(schema)) => Ok(schema.clone()),
            (None, None) => Err(Failure::new(format!("`{}` has no standard to be checked against", job.name))),
        }
    }

    fn compiled(&mut self, reference: &Reference) -> Result<Rc<Validator>, Failure> {
        if let Some(validator) = self.compiled.get(reference) {
            return Ok(validator.clone());
        }
        let bundle = match self.as_of {
            Some(day) => self.shelf.as_of(reference, day)?.0,
            None => self.shelf.bundle(reference)?,
        };
        let manifest = &bundle.root().manifest;
        // Of a record of the past another version may be right, also where it was pinned for the day.
        if self.shelf.lock.get(reference).is_none_or(|pin| pin.as_of.is_none()) {
            self.look_at_standing(&bundle)?;
        }
        NotCheckable::refuse(&manifest.standard, manifest.kind).map_err(|error| Failure::new(error.to_string()))?;
        let validator =
            Validator::compile(&bundle, &CompileOptions::default()).map_err(|error| not_compiled(&error))?;
        let validator = Rc::new(validator);
        self.compiled.insert(reference.clone(), validator.clone());
        Ok(validator)
    }

    /// Whether what is checked against is to be used no more. Of a record of the past another version may be right (`--as-of`), so that says
    /// nothing of its standing.
    fn look_at_standing(&mut self, bundle: &Bundle) -> Result<(), Failure> {
        let Manifest { standard, version, .. } = &bundle.root().manifest;
        if self.as_of.is_some() {
            return Ok(());
        }
        let resolution = Resolution { standard: standard.clone(), version: version.clone(), digest: bundle.digest() };
        match self.shelf.standing(&resolution) {
            Standing::Ended(ending) => {
                self.shelf.warn(&ending.to_string());
                self.has_ended = true;
                self.endings.push(ending);
                Ok(())
            }
            Standing::Unknown if self.denies_ended => Err(Failure::new(format!(
                "whether `{standard}` {version} is deprecated or withdrawn is not known, and --deny-deprecated asks for it"
            ))
            .hint("run `guiju lock` where the registry can be reached, or name the registry with --registry URL")),
            Standing::InUse | Standing::Unknown => Ok(()),
        }
    }

    /// Reads a data set that the records refer to. What it is worth by itself is for a check of its own to say.
    fn partner(
        &mut self,
        partner: &Partner,
        validator: &Validator,
        telling: &mut Telling<'_>,
        options: &ReadOptions,
    ) -> Result<(), Failure> {
        let (standard, name) = (partner.standard.standard(), partner.path.display().to_string());
        if !telling.refers_to(standard, validator) {
            let mut targets: Vec<String> =
                validator.data_set_rules().targets().map(|target| format!("`{target}`")).collect();
            targets.dedup();
            let failure = Failure::new(format!("`{}` has no rule about records of `{standard}`", validator.standard()));
            return Err(match targets.is_empty() {
                true => failure.hint(format!("leave out `{name}`")),
                false => failure.hint(format!("it refers to {}", targets.join(", "))),
            });
        }
        telling.partner(standard, None);
        let other = self.compiled(&partner.standard)?;
        let (mut unreadable, mut fault) = (0_u64, None);
        let options = ReadOptions {
            format: None,
            encoding: None,
            never_waits: partner.path.is_file(),
            shares: None,
            counts_clean: false,
            ..options.clone()
        };
        let read = readers::check(open(&partner.path)?, &other, &options, |told| {
            match told {
                Told::Record(checked) if checked.is_readable => telling.partner(standard, Some(&checked.json())),
                Told::Record(_) => unreadable += 1,
                Told::Clean(_) => {}
                // A column that is not recognised holds what the records may refer to.
                Told::Input(finding) if finding.severity == Severity::Error => fault = fault.take().or(Some(finding)),
                Told::Input(_) => {}
            }
            ControlFlow::Continue(())
        });
        let unread = |why: String| Failure::new(format!("`{name}`, which the records refer to, {why}"));
        let hint = format!("`guiju check --standard {} {name}` says what is wrong with it", partner.standard);
        match (read, fault) {
            (_, Some(fault)) => {
                Err(unread(format!("cannot be relied on: [{}] {}", fault.code, fault.message.en)).hint(hint))
            }
            (Ok(totals), None) if totals.records == 0 => Err(unread("holds no records".into()).hint(hint)),
            (Ok(_), None) if unreadable == 0 => Ok(()),
            (Ok(_), None) => Err(unread(format!("holds records that cannot be read ({unreadable})")).hint(hint)),
            (Err(error), None) => Err(unread(format!("cannot be read to its end: {error}")).hint(hint)),
        }
    }

    fn tell_endings(&mut self, output: &mut dyn Output) -> io::Result<()> {
        self.endings.drain(..).try_for_each(|ending| output.ended(&ending))
    }

    /// Checks one input and tells of it. What was told of an input that breaks off in the middle is counted all the same.
    #[allow(clippy::too_many_arguments)] // each is a different thing, and no two belong together
    fn judge(
        &mut self,
        job: &Job,
        options: &ReadOptions,
        output: &mut dyn Output,
        rejects: Option<&mut Rejects>,
        progress: &Progress,
        total: &mut Tally,
        context: &Context,
    ) -> Result<(), Failure> {
        let validator = self.validator(job)?;
        self.tell_endings(output)?;
        let subject = Subject {
            file: job.name.clone(),
            against: match &self.schema_path {
                Some(path) => path.display().to_string(),
                None => format!("{} {}", validator.standard(), validator.version()),
            },
            standard: job.standard.as_ref().map(|_| (validator.standard().clone(), validator.version().clone())),
            digest: validator.digest(),
        };
        let options = &ReadOptions { encoding: options.encoding.or(job.encoding), ..options.clone() };
        let mut sink = rejects.map(|rejects| rejects.open(job, options)).transpose()?;
        let options = &ReadOptions {
            // What goes into files of its own is taken record by record.
            counts_clean: sink.is_none(),
            shares: Some(if job.with.is_empty() { Scope::Own } else { Scope::All }),
            never_waits: job.path.as_ref().is_some_and(|path| path.is_file()),
            ..options.clone()
        };
        let input: Box<dyn Read + Send> = match (&job.path, sink.as_mut().and_then(|sink| sink.spooled())) {
            (_, Some(spooled)) => Box::new(spooled),
            (Some(path), _) => Box::new(open(path)?),
            (None, _) => Box::new(io::stdin()),
        };
        let size = job.path.as_ref().and_then(|path| path.metadata().ok()).map(|metadata| metadata.len());
        let input = progress.reading(&job.name, size, input);
        let mut input: Box<dyn Read + Send> = match &self.promise {
            Some(promise) => Box::new(promise.seen.reading(input)),
            None => Box::new(input),
        };

        let mut telling = Telling::new(&subject, &validator, output, sink, options.check.findings_max);
        for partner in &job.with {
            self.partner(partner, &validator, &mut telling, options)?;
        }
        let mut stopped = None;
        let read = readers::check(&mut input, &validator, options, |told| {
            let told = match told {
                Told::Input(finding) => telling.about(finding),
                Told::Record(checked) => telling.record(checked),
                Told::Clean(records) => telling.clean(records),
            };
            match told {
                Ok(()) => ControlFlow::Continue(()),
                Err(failure) => {
                    stopped = Some(failure);
                    ControlFlow::Break(())
                }
            }
        });
        if self.promise.is_some() && read.is_ok() {
            // The receipt is of all that is there, read or not.
            io::copy(&mut input, &mut io::sink())
                .map_err(|error| Failure::file("read to its end", &job.name, &error))?;
        }
        progress.done();
        if let Some(failure) = stopped {
            return Err(failure);
        }
        let failure = match read {
            Ok(totals) if totals.records == 0 => Some(empty(&job.name, totals.bytes)),
            Ok(_) => None,
            Err(error) => Some(unread(&job.name, error, context)),
        };
        if failure.is_none() {
            telling.between()?;
        }
        telling.close(failure.is_none(), total)?;
        failure.map_or(Ok(()), Err)
    }
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| Failure::file("read", path.display(), &error))
}

fn empty(name: &str, bytes: u64) -> Failure {
    match bytes {
        0 => Failure::new(format!("`{name}` is empty")).hint("an empty file is no answer to whether the data conforms"),
        _ => {
            Failure::new(format!("`{name}` holds no records")).hint("a header alone, or blank lines, cannot be judged")
        }
    }
}

pub(super) fn unread(name: &str, error: ReadError, context: &Context) -> Failure {
    match error {
        ReadError::Io(error) => Failure::file("read to its end", name, &error),
        ReadError::Refused(finding) => {
            let text = format!("`{name}` cannot be read: {}", context.lang.of(&finding.message));
            let place = finding.place.as_ref().map(|_| format!("{} ", output::place(name, &finding)));
            let failure = Failure::new(text).at(format!("{}[{}]", place.unwrap_or_default(), finding.code));
            let page = guiju_validator::codes::page(&finding.code);
            page.map_or_else(|| Failure::new(""), |page| failure.hint(super::explain::remedy(page, context.lang)))
        }
        error => Failure::new(format!("`{name}`: {error}")),
    }
}
