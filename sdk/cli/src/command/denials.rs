use crate::{
    context::Context,
    failure::{Answer, Verdict},
    shelf::Shelf,
    terminal::plain,
};
use std::io::Write;

/// List what the registry denied, newest first; takes auditor on `*`
#[derive(Debug, clap::Args)]
pub struct DenialsArgs {
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
    /// Only those with a smaller number
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(args: DenialsArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let denials = shelf.ask(|registry| async move { registry.denials(args.count, args.before).await })?;
    let mut out = context.out();
    for denial in denials {
        let time = denial.time.map_or(String::new(), |time| time.to_string());
        let (number, count) = (denial.number, denial.count);
        let (principal, address, method) = (&denial.principal, &denial.address, &denial.method);
        let (reason, about) = (&denial.reason, &denial.about);
        if args.json {
            let line = serde_json::json!({
                "number": number, "time": time, "principal": principal, "address": address, "method": method,
                "reason": reason, "about": about, "why": denial.why, "count": count,
            });
            writeln!(out, "{line}")?;
            continue;
        }
        let about = if about.is_empty() { String::new() } else { format!(" about {}", plain(about)) };
        let [principal, address, method, reason] = [principal, address, method, reason].map(|text| plain(text));
        writeln!(out, "{number:>6}  {time}  {reason}  {principal} from {address}  {method}{about}  {count} times")?;
        if !denial.why.is_empty() {
            writeln!(out, "        why: {}", plain(&denial.why))?;
        }
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}
