use crate::{
    command::{
        publish::{DaysArgs, operation_id},
        test,
    },
    context::Context,
    desk::HandArgs,
    failure::{Answer, Failure, Verdict},
    shelf::Shelf,
};
use guiju::{Terms, desk::Move, tree::Tree};
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
    let Tree { packages, metadata } = test::read(&args.folder)?;
    let [package] = packages.as_slice() else {
        let failure = Failure::new(format!("`{}` has {} versions", args.folder.display(), packages.len()));
        return Err(failure.hint("name the folder of one version"));
    };
    let (toml, _) = &metadata[&package.standard];
    let (terms, shelf) = (Terms { dates: args.days.dates(), waive: &args.waive }, Shelf::open(context)?);
    let number = args.proposal.map_or_else(|| "new".into(), |id| id.to_string());
    let content = operation_id(package, toml, &terms);
    let operation = args.hand.operation(&shelf, &["draft", &number, &content, &args.why])?;
    let hand = args.hand.hand(&operation);
    let mut proposal = shelf.ask(|registry| {
        let (hand, why) = (hand, &args.why);
        async move { registry.draft(&hand, args.proposal, package, toml, terms, why).await }
    })?;
    // The draft may have been sent before, and have gone on since.
    if !args.draft && proposal.stage == "draft" {
        let operation = args.hand.operation(&shelf, &["submit", &proposal.id.to_string(), &proposal.digest])?;
        let hand = args.hand.hand(&operation);
        let id = proposal.id;
        proposal = shelf.ask(|registry| async move { registry.take_move(&hand, id, &Move::Submit, "").await })?;
    }
    args.hand.told.tell(&proposal, context)?;
    Ok(Verdict::Conforms)
}
