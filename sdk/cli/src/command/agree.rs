use crate::{
    context::Context,
    desk::HandArgs,
    failure::{Answer, Failure, Verdict},
    shelf::Shelf,
    terminal::plain,
};
use guiju::desk::Agreement;
use guiju_model::CommitteeChange;
use std::{
    io::{self, Write},
    time::SystemTime,
};

/// Agree, as an approver, to a change of your committee (a lower quorum, an approver more or less), or to the end of a version
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Where a quorum holds, a manager makes such a change once as many approvers have agreed as it asks for; all of them, where there are fewer.
What was agreed to is void once that committee, or the status of that version, changes, and after 30 days. Without a change, those are
listed that wait. The changes: quorum NAMESPACE NUMBER; grant NAME approver:NAMESPACE; revoke NAME approver:NAMESPACE; token NAME ROLE:NAMESPACE, with
all else that the token of an approver is to be for; revoke-token NAME ID, of an approver's; withdraw STANDARD@=VERSION; and end
STANDARD@=VERSION DAY, for a deprecation that names the first day on which it governs no more.
Example: guiju agree grant li.wei approver:bj.water --why 'decision 2026-31'")]
pub struct AgreeArgs {
    /// The change, as the manager is to make it
    change: Vec<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    why: String,
    #[command(flatten)]
    hand: HandArgs,
}

pub fn run(args: AgreeArgs, context: &Context) -> Answer {
    let AgreeArgs { change, why, hand } = &args;
    let (shelf, mut out) = (Shelf::open(context)?, context.out());
    let agreements = if change.is_empty() {
        shelf.ask(|registry| async move { registry.agreements().await })?
    } else {
        let change: CommitteeChange = change.join(" ").parse().map_err(Failure::new)?;
        if why.trim().is_empty() {
            return Err(Failure::new("a reason is missing".to_owned()).hint("say why, for the record: --why TEXT"));
        }
        // What is agreed to again, after the committee has changed, is another act.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let operation = hand.operation(&shelf, &["agree", &change.to_string(), why, &now.to_string()])?;
        let by = hand.hand(&operation);
        shelf.ask(|registry| {
            let (change, by) = (&change, &by);
            async move { registry.agree(by, change, why).await }
        })?
    };
    match hand.told.in_json() {
        true => writeln!(out, "{}", serde_json::Value::Array(agreements.iter().map(in_json).collect()))?,
        false => agreements.iter().try_for_each(|agreement| tell(&mut out, agreement))?,
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}

fn in_json(agreement: &Agreement) -> serde_json::Value {
    let Agreement { change, namespace, wanted, agreed_by } = agreement;
    serde_json::json!({"change": change, "namespace": namespace, "wanted": wanted, "agreed_by": agreed_by})
}

fn tell(out: &mut impl Write, agreement: &Agreement) -> io::Result<()> {
    let Agreement { change, namespace, wanted, agreed_by } = agreement;
    let by = agreed_by.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ");
    writeln!(out, "{}  {} of {wanted} agree in {}: {by}", plain(change), agreed_by.len(), plain(namespace))
}
