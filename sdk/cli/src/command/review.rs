use super::show::file;
use crate::{
    context::Context,
    desk::{ToldArgs, as_json, head, impact_as_json, whole},
    failure::{Answer, Failure, Verdict},
    shelf::Shelf,
};
use guiju_model::{Content, Manifest, Namespace};
use serde_json::Value;
use std::{
    fs, io,
    io::Write,
    path::{Component, Path, PathBuf},
};

/// Read a proposal before the vote: what was said of it, what it breaks, whom it touches
#[derive(Debug, clap::Args)]
#[command(after_help = "Without a number, the proposals that may be seen are listed, newest first.")]
pub struct ReviewArgs {
    /// The proposal's number
    proposal: Option<u64>,
    /// Print one file of what is proposed instead: schema.json, codes.csv, …
    #[arg(long, value_name = "NAME", requires = "proposal")]
    file: Option<String>,
    /// Write what is proposed into this folder, as a tree of standards has it, to read it, test it and compare it
    #[arg(long, value_name = "DIR", requires = "proposal", conflicts_with = "file")]
    into: Option<PathBuf>,
    /// List only those of this namespace and all under it
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<Namespace>,
    /// List those that have ended, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    told: ToldArgs,
}

pub fn run(args: ReviewArgs, context: &Context) -> Answer {
    let (shelf, mut out) = (Shelf::open(context)?, context.out());
    if let (Some(id), true) = (args.proposal, args.file.is_some() || args.into.is_some()) {
        let (content, toml) = shelf.ask(|registry| async move { registry.proposed(id).await })?;
        match (&args.file, &args.into) {
            (_, Some(folder)) => {
                let Manifest { standard, version, .. } = &content.manifest;
                let place = folder.join(standard.to_string()).join(version.to_string());
                if place.exists() {
                    let failure = Failure::new(format!("`{}` is there already", place.display()));
                    return Err(failure.hint("name another folder, or remove it"));
                }
                write(&content, &toml, &place).map_err(|error| Failure::file("written", place.display(), &error))?;
                writeln!(out, "wrote {}  {}", place.display(), content.digest())?;
            }
            (Some(name), None) if name == METADATA => out.write_all(toml.as_bytes())?,
            (name, None) => out.write_all(file(&content, name.as_deref().unwrap_or_default())?)?,
        }
        out.flush()?;
        return Ok(Verdict::Conforms);
    }
    match args.proposal {
        Some(id) => {
            let (proposal, impact) = shelf.ask(|registry| async move { registry.proposal(id).await })?;
            match args.told.in_json() {
                true => {
                    let mut value = as_json(&proposal);
                    value["impact"] = impact_as_json(&impact);
                    writeln!(out, "{value}")?;
                }
                false => whole(&mut out, &proposal, &impact)?,
            }
        }
        None => {
            let namespace = args.namespace.as_ref().map_or("", Namespace::as_str).to_owned();
            let all = shelf.ask(|registry| async move { registry.proposals(&namespace, args.all).await })?;
            match args.told.in_json() {
                true => writeln!(out, "{}", Value::Array(all.iter().map(as_json).collect()))?,
                false => all.iter().try_for_each(|proposal| head(&mut out, proposal))?,
            }
        }
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}

const METADATA: &str = "standard.toml";

/// Makes a version's folder. Nothing that is there is written over.
fn write(content: &Content, toml: &str, version: &Path) -> io::Result<()> {
    fs::create_dir_all(version)?;
    let own = version.with_file_name(METADATA);
    if !own.exists() {
        fs::write(own, toml)?;
    }
    for (name, bytes) in &content.files {
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other(format!("`{name}` does not lie in the version's folder")));
        }
        let path = version.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, bytes)?;
    }
    Ok(())
}
