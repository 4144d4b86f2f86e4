mod corpus; // real records against both versions
mod told; // a verdict in words, as JSON, as Markdown

use crate::{
    context::Context,
    failure::{Answer, Failure, Verdict},
    sides::{self, Asked, Sides, Standard, Standards},
};
use clap::ValueEnum;
use guiju_compat::{Budget, Bump, Fit, Inclusion, Side, Verdict as Comparison, compare};
use guiju_model::{Bundle, Date, Properties};
use std::{io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  guiju diff bj.population/person@1 bj.population/person@2
  guiju diff bj.population/person@2 standards/bj.population/person/3.0.0
  guiju diff main:standards standards --output markdown     for a comment on a pull request
  guiju diff old.json new.json --corpus records.csv
  guiju diff main:openapi.yaml openapi.yaml                 two versions of an OpenAPI contract

Exit codes: 0 the version number will do (of files: nothing breaks), 1 it will not, 2 it could not be decided,\nor a record of --corpus could not be read. A standard that a tree lost is a break.";

/// Compare two versions: whom does the new one break, and which record shows it?
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DiffArgs {
    /// A file, a folder of standards, a reference, or REVISION:PATH of git
    old: String,
    /// Likewise
    new: String,
    /// How to tell it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    output: Form,
    /// Take `format` for a remark that refuses nothing
    #[arg(long)]
    formats_ignored: bool,
    /// What is presumed of properties that a version does not declare; without it, what `standard.toml` says
    #[arg(long, value_enum, value_name = "READING")]
    reading: Option<Writers>,
    /// Take a constant that names the version itself for any text
    #[arg(long)]
    version_constants_unpinned: bool,
    /// Allow no more than this, whatever the version numbers say
    #[arg(long, value_enum, value_name = "BUMP")]
    allow: Option<Allowed>,
    /// Tell every step of each proof
    #[arg(long)]
    proof: bool,
    /// Records to replay against both versions, in any form that `guiju check` reads
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// Day on which those records are checked; without it, what depends on a day is not judged
    #[arg(long, value_name = "YYYY-MM-DD", requires = "corpus")]
    reference_date: Option<Date>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people: the verdict, each change, its witness and what to do instead
    #[default]
    Text,
    /// One JSON document
    Json,
    /// For a comment on a pull request
    Markdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Writers {
    /// Nothing: the validator decides
    Strict,
    /// Whoever writes records by a version writes none that it does not declare
    ClosedWriter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Allowed {
    Patch,
    Minor,
    Major,
}

/// One pair, compared.
pub struct Compared {
    pub verdict: Comparison,
    pub fit: Fit,
    /// The lowest version number that will do, where the old one has a number.
    pub required: Option<semver::Version>,
    pub replayed: Option<corpus::Replayed>,
    /// Whether the steps of its proofs are told.
    pub with_proof: bool,
}

impl Compared {
    /// Whether records of the corpus break although it is proved that none can. One of the two is wrong, unless each version
    /// reads the row of a table with types of its own; the row breaks all the same.
    pub fn is_contradicted(&self) -> bool {
        let breaks = self.replayed.as_ref().is_some_and(|replayed| replayed.broken > 0);
        breaks && matches!(self.verdict.old_in_new, Inclusion::Included(_))
    }
}

pub fn run(args: DiffArgs, context: &Context) -> Answer {
    let properties = args.reading.map(|reading| match reading {
        Writers::Strict => Properties::Strict,
        Writers::ClosedWriter => Properties::ClosedWriter,
    });
    let (formats_ignored, constants_unpinned) = (args.formats_ignored, args.version_constants_unpinned);
    let mut asked = Asked { properties, formats_ignored, constants_unpinned, shared: None };
    // The new side says how both are read.
    let new = sides::read(&args.new, &asked, context)?;
    if let Sides::One(side) = &new {
        asked.shared = Some(side.read_under().clone());
    }
    let old = sides::read(&args.old, &asked, context)?;
    let mut compared = Vec::new();
    let mut came = Came::default();
    match (&old, &new) {
        (Sides::One(old), Sides::One(new)) => compared.push(one(old, new, &args, context)?),
        (Sides::Many(old), Sides::Many(new)) => {
            for (id, standard) in new {
                let Some(known) = old.get(id) else { continue };
                for (before, after) in pairs(known, standard) {
                    let reading = &standard.reading;
                    compared.push(one(&sides::side(before, reading)?, &sides::side(after, reading)?, &args, context)?);
                }
            }
            came = Came::between(old, new);
        }
        _ => {
            return Err(Failure::new(format!("`{}` and `{}` are not alike", args.old, args.new))
                .hint("compare a tree of standards with a tree, or one standard with one"));
        }
    }
    let mut out = context.out();
    match args.output {
        Form::Text => told::text(&mut out, &compared, &came, args.allow, context)?,
        Form::Json => told::json(&mut out, &compared, &came)?,
        Form::Markdown => told::markdown(&mut out, &compared, &came, context.lang)?,
    }
    out.flush()?;
    let exit = |compared: &Compared| match compared.fit {
        _ if compared.is_contradicted() => Verdict::DoesNot,
        _ if compared.replayed.as_ref().is_some_and(|replayed| replayed.unreadable > 0) => Verdict::NotJudged,
        Fit::Enough | Fit::Ample => Verdict::Conforms,
        Fit::TooSmall | Fit::Forbidden => Verdict::DoesNot,
        Fit::Unknown => Verdict::NotJudged,
    };
    // Whoever refers to a standard that is gone finds nothing: no number of its own allows for that.
    let gone = (!came.removed.is_empty() && args.allow != Some(Allowed::Major)).then_some(Verdict::DoesNot);
    Ok(compared.iter().map(exit).chain(gone).max().unwrap_or(Verdict::Conforms))
}

/// Of a standard in two trees: each version that was edited, with what it was; and each that came, with the highest below it.
fn pairs<'b>(old: &'b Standard, new: &'b Standard) -> Vec<(&'b Bundle, &'b Bundle)> {
    let mut pairs = Vec::new();
    for (version, after) in &new.versions {
        // What it refers to may be another version now. One that was published is bound to what was there then.
        let before = match old.versions.get(version) {
            Some(before) if before.root().files == after.root().files => None,
            Some(before) => Some(before),
            None => {
                let below = |standard: &'b Standard| standard.versions.range(..version).next_back();
                let both = [below(new), below(old)].into_iter().flatten();
                both.max_by_key(|(version, _)| (*version).clone()).map(|(_, before)| before)
            }
        };
        pairs.extend(before.map(|before| (before, after)));
    }
    pairs
}

/// Of two trees: what one of them has alone.
#[derive(Clone, Debug, Default)]
pub struct Came {
    /// `namespace/name@version`: of a standard that is gone, its highest version; of others, each that was higher than all there are.
    pub removed: Vec<String>,
    /// Standards that were not there, with the highest version.
    pub added: Vec<String>,
}

impl Came {
    fn between(old: &Standards, new: &Standards) -> Self {
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        for (id, standard) in old {
            let highest = |standard: &Standard| standard.versions.keys().next_back().cloned();
            let lost = match new.get(id).and_then(highest) {
                None => highest(standard).into_iter().collect(),
                Some(last) => standard.versions.keys().filter(|version| **version > last).cloned().collect::<Vec<_>>(),
            };
            removed.extend(lost.into_iter().map(|version| format!("{id}@{version}")));
        }
        for (id, standard) in new.iter().filter(|(id, _)| !old.contains_key(*id)) {
            added.extend(standard.versions.keys().next_back().map(|version| format!("{id}@{version}")));
        }
        Self { removed, added }
    }
}

fn one(old: &Side, new: &Side, args: &DiffArgs, context: &Context) -> Result<Compared, Failure> {
    let verdict = compare(old, new, &Budget::default());
    let declared = match (args.allow, &old.version, &new.version) {
        (Some(Allowed::Patch), ..) => Bump::Patch,
        (Some(Allowed::Minor), ..) => Bump::Minor,
        (Some(Allowed::Major), ..) => Bump::Major,
        (None, Some(old), Some(new)) => Bump::declared(old, new),
        // Without numbers: whatever breaks nobody.
        _ => Bump::Minor,
    };
    let required = old.version.as_ref().zip(verdict.bump).map(|(old, bump)| bump.after(old));
    let replayed = args.corpus.as_deref();
    let replayed = replayed.map(|path| corpus::replay(path, old, new, args.reference_date, context)).transpose()?;
    Ok(Compared { fit: verdict.fit(declared), required, replayed, verdict, with_proof: args.proof })
}
