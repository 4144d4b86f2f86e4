use crate::{
    command::{
        publish::{DaysArgs, content},
        test,
    },
    context::Context,
    desk::HandArgs,
    failure::{Answer, Failure, Verdict},
    shelf::Shelf,
};
use guiju::{
    Terms,
    desk::{Move, Proposal},
    tree::Tree,
};
use guiju_model::{Date, Dates, Digest, Package};
use std::path::PathBuf;

/// Propose a version to the committee: its draft is frozen for review
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The draft passes every rule that publishing asks, or is refused with what to mend. Whoever may see drafts of the namespace reads it
with `guiju review`; to others there is no such proposal. Changing it (--proposal) makes approvals void.
Example: guiju propose standards/bj.example/lamp-post/0.2.0 --why 'heights in metres' --effective-from 2027-01-01")]
pub struct ProposeArgs {
    /// One version folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Put it in place of the draft of this proposal
    #[arg(long, value_name = "NUMBER")]
    proposal: Option<u64>,
    /// Leave it a draft, which is not reviewed yet
    #[arg(long)]
    draft: bool,
    /// Why what cannot be decided of it breaks nobody; who approves the proposal approves this, too
    #[arg(long, value_name = "REASON", default_value = "", hide_default_value = true)]
    waive: String,
    #[command(flatten)]
    days: DaysArgs,
    #[command(flatten)]
    hand: HandArgs,
}

pub fn run(args: ProposeArgs, context: &Context) -> Answer {
    let Tree { packages, metadata, .. } = test::read(&args.folder)?;
    let [package] = packages.as_slice() else {
        let failure = Failure::new(format!("`{}` has {} versions", args.folder.display(), packages.len()));
        return Err(failure.hint("name the folder of one version"));
    };
    let (toml, _) = &metadata[&package.standard];
    let (terms, shelf) = (Terms { dates: args.days.dates(), waive: &args.waive, reason: "" }, Shelf::open(context)?);
    let number = args.proposal.map_or_else(|| "new".into(), |id| id.to_string());
    let content = content(package, toml, &terms);
    let operation = args.hand.operation(&shelf, &["draft", &number, &content, &args.why])?;
    let put = |operation: &str| {
        let (hand, why) = (args.hand.hand(operation), &args.why);
        shelf.ask(|registry| async move { registry.draft(&hand, args.proposal, package, toml, terms, why).await })
    };
    let mut proposal = put(&operation)?;
    if args.proposal.is_some() && !is_in_place(&args, package, toml, &proposal)? {
        // It was sent before, and another draft has taken its place since.
        let words = ["draft", &number, &content, &args.why, &drafted(&proposal)];
        proposal = put(&args.hand.operation(&shelf, &words)?)?;
    }
    // The draft may have been sent before, and have gone on since.
    if !args.draft && proposal.stage == "draft" {
        let id = proposal.id;
        let words = ["submit", &id.to_string(), &proposal.digest, &drafted(&proposal)];
        let operation = args.hand.operation(&shelf, &words)?;
        let hand = args.hand.hand(&operation);
        let submitted = shelf.ask(|registry| async move { registry.take_move(&hand, id, &Move::Submit, "").await });
        let kept = format!("the draft is kept as proposal {id}: mend it and propose it again with --proposal {id}");
        proposal = submitted.map_err(|failure| failure.at(kept))?;
        if proposal.stage == "draft" {
            let failure = Failure::new(format!("proposal {id} was drafted anew meanwhile, and is not in review"));
            return Err(failure.hint(format!("`guiju review {id}` shows what is there now")));
        }
    }
    args.hand.told.tell(&proposal, context)?;
    Ok(Verdict::Conforms)
}

/// The index of the step that put the draft in its place.
fn drafted(proposal: &Proposal) -> String {
    proposal.steps.iter().rfind(|step| step.step == "drafted").map_or(0, |step| step.index).to_string()
}

/// Whether the draft of a proposal is what was given.
fn is_in_place(args: &ProposeArgs, package: &Package, toml: &str, proposal: &Proposal) -> Result<bool, Failure> {
    let sealed = package.seal(Vec::new()).map_err(|error| Failure::new(error.to_string()))?;
    let digest = Digest::of(&sealed.manifest.to_canonical()).to_string();
    let Dates { effective_from, effective_to, grace_until } = args.days.dates();
    let is_said = |day: Option<Date>, told: &str| day.map_or(String::new(), |day| day.to_string()) == told;
    let last = proposal.steps.iter().rfind(|step| step.step == "drafted");
    Ok(last.is_some_and(|step| step.digest == digest && step.text == args.why)
        && proposal.metadata_digest == Digest::of(toml.as_bytes()).to_string()
        && is_said(effective_from, &proposal.effective_from)
        && is_said(effective_to, &proposal.effective_to)
        && is_said(grace_until, &proposal.grace_until)
        && proposal.waiver.as_ref().map_or("", |waiver| &waiver.reason) == args.waive)
}
