use crate::{
    context::Context,
    failure::{Answer, Failure, Verdict},
    shelf::Shelf,
    terminal::Lang,
};
use guiju_model::{Kind, Namespace, StandardInfo};
use serde_json::json;
use std::io::{self, Write};

/// List the standards of the registry, or without one those in the program
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only this namespace and all under it, for example bj.population
    namespace: Option<Namespace>,
    /// Only this kind: record, code-list, elements, contract, profile
    #[arg(long)]
    kind: Option<Kind>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(args: ListArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let found = shelf.list(args.namespace.as_ref(), args.kind)?;
    if found.is_empty() && args.namespace.is_none() && args.kind.is_none() {
        let mut out = context.out();
        if !args.json {
            writeln!(out, "there are no standards in {} yet", shelf.place())?;
        }
        out.flush()?;
        return Ok(Verdict::Conforms);
    }
    if found.is_empty() {
        let what =
            args.namespace.map_or("no standards".into(), |namespace| format!("no standards under `{namespace}`"));
        return Err(Failure::new(format!("there are {what} in {}", shelf.place())).hint("`guiju list` shows all"));
    }
    let mut out = context.out();
    match args.json {
        true => found.iter().try_for_each(|summary| writeln!(out, "{}", in_json(summary)))?,
        false => table(&mut out, &found, context.lang)?,
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}

pub fn in_json(summary: &StandardInfo) -> serde_json::Value {
    json!({
        "standard": summary.standard.to_string(), "kind": summary.kind.as_str(), "latest": latest(summary),
        "versions": summary.version_count, "title": {"en": summary.title_en, "zh": summary.title_zh}, "owner": summary.owner,
    })
}

/// The highest version; all of a standard's versions may have been withdrawn.
pub fn latest(summary: &StandardInfo) -> String {
    summary.latest.as_ref().map_or("-".into(), |(version, _)| version.to_string())
}

fn table(out: &mut impl Write, found: &[StandardInfo], lang: Lang) -> io::Result<()> {
    let name = |summary: &StandardInfo| summary.standard.to_string();
    let width = found.iter().map(|summary| name(summary).len()).max().unwrap_or_default();
    for summary in found {
        let title = lang.pick(&summary.title_en, &summary.title_zh);
        writeln!(out, "{:width$}  {:8}  {:9}  {title}", name(summary), latest(summary), summary.kind)?;
    }
    Ok(())
}
