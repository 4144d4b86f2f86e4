use crate::{
    command::list,
    context::Context,
    failure::{Answer, Failure, Verdict},
    shelf::Shelf,
};
use serde_json::json;
use std::io::Write;

/// Find standards by name, title, data element (as senders call it, too) or any text
#[derive(Debug, clap::Args)]
pub struct SearchArgs {
    /// Words in any script; each must begin a word of what the standard says
    #[arg(required = true)]
    words: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(args: SearchArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let query = args.words.join(" ");
    let hits = shelf.search(&query)?;
    if hits.is_empty() {
        let failure = Failure::new(format!("nothing in {} holds all of `{query}`", shelf.place()));
        return Err(failure.hint("try fewer words, or `guiju list`"));
    }
    let mut out = context.out();
    for hit in &hits {
        if args.json {
            let mut value = list::in_json(&hit.standard);
            value["matched_in"] = json!(hit.matched_in.as_str());
            value["excerpt"] = json!(hit.excerpt);
            writeln!(out, "{value}")?;
            continue;
        }
        let title = context.lang.pick(&hit.standard.title_en, &hit.standard.title_zh);
        let name = context.paint.strong(&hit.standard.standard.to_string());
        writeln!(out, "{name} {}  {title}", list::latest(&hit.standard))?;
        writeln!(out, "  {}: {}", hit.matched_in, hit.excerpt)?;
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}
