use crate::{
    command::new::write,
    context::Context,
    failure::{Answer, Failure, Verdict},
    log::{LogArgs, head_of_pins, prove_pins},
    settings::{FILE, LOCK, Settings},
    shelf::{NOT_IN_REGISTRY, Pinned, Shelf, locked},
};
use guiju_model::{Reference, VersionInfo};
use std::{io::Write, path::PathBuf};

/// Begin: guiju.toml, a lock, and two samples with mistakes that `guiju check` finds
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --registry the settings name that registry and the lock pins what it holds, proved in its log as `guiju lock` does; without, what the
program carries.
Nothing is overwritten.")]
pub struct InitArgs {
    /// Folder to begin in [default: this one]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
}

const SAMPLES: [(&str, &str); 2] = [
    ("samples/people.csv", include_str!("../../samples/people.csv")),
    ("samples/readings.ndjson", include_str!("../../samples/readings.ndjson")),
];

pub fn run(args: InitArgs, context: &Context) -> Answer {
    let folder = &args.folder.clone().unwrap_or_default();
    let names = [FILE, LOCK].into_iter().chain(SAMPLES.iter().map(|(name, _)| *name));
    if let Some(there) = names.map(|name| folder.join(name)).find(|path| path.exists()) {
        return Err(Failure::new(format!("`{}` is there already", there.display()))
            .hint("choose another folder; nothing is overwritten"));
    }
    let toml = settings(context);
    let made = Context { settings: Settings::parse(&toml, folder.join(FILE))?, ..context.clone() };
    // What can fail for reasons outside this folder comes before the first file.
    let mut shelf = Shelf::open(&made)?;
    let (wanted, mut unpublished, mut answers) = (made.settings.wanted()?, Vec::new(), Vec::new());
    for reference in &wanted {
        let Pinned { resolution, info, .. } = shelf.pin(reference, None)?;
        if let Some(ending) = info.as_ref().and_then(VersionInfo::ending) {
            shelf.warn(&ending.to_string());
        }
        if info.is_none() && shelf.url().is_some() {
            shelf.warn(&format!("`{}` {} is {NOT_IN_REGISTRY}", resolution.standard, resolution.version));
            unpublished.push(resolution.standard);
        } else if info.is_some() {
            answers.push((reference, None, resolution));
        }
    }
    let asked = wanted.iter().map(Reference::standard);
    // As `guiju lock` does: what is pinned from a registry is proved in its log, or nothing is written.
    if let Some(head) = head_of_pins(&shelf, &args.log, asked, &unpublished, &answers, context)? {
        prove_pins(&shelf, &head)?;
        shelf.lock.hold_log(head);
    }
    let mut out = context.out();
    let files = [(FILE, toml.as_str())].into_iter().chain(SAMPLES);
    for (name, text) in files {
        write(&folder.join(name), text)?;
        writeln!(out, "wrote {}", folder.join(name).display())?;
    }
    shelf.lock.write().map_err(locked)?;
    writeln!(out, "wrote {}", shelf.lock.path().display())?;
    let command = match folder.as_os_str().is_empty() {
        true => "guiju check".into(),
        false => format!("cd {} && guiju check", folder.display()),
    };
    writeln!(out, "{}{command}", context.paint.help(context.lang.pick("next: ", "下一步：")))?;
    out.flush()?;
    Ok(Verdict::Conforms)
}

fn settings(context: &Context) -> String {
    let registry = match context.shared.registry.as_deref().filter(|url| !url.is_empty() && !context.shared.offline) {
        Some(url) => format!("registry = {}\n", toml::Value::from(url)),
        None => {
            "# registry = \"http://127.0.0.1:8420\"   # without one: the lock, the cache, what the program carries\n"
                .into()
        }
    };
    TOML.replace("{registry}\n", &registry)
}

const TOML: &str = r#"# What `guiju check` checks here; docs/reference/cli.md shows every setting.
{registry}
# reference_date = "2026-11-01"          # the day that counts as today; in CI: --reference-date "$(date +%F)"

# Standards under names of your own. `guiju lock` pins their exact versions in guiju.lock.
[standards]
person = "bj.population/person@^2"
reading = "bj.water/meter-reading@^2"

[[check]]
files = "samples/*.csv"
standard = "person"

[[check]]
files = "samples/*.ndjson"
standard = "reading"
"#;
