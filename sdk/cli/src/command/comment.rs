use crate::{
    context::Context,
    desk::HandArgs,
    failure::{Answer, Verdict},
    shelf::Shelf,
};
use guiju::desk::Move;

/// Say something of a proposal, or object: it waits for an answer before anybody approves
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A place is a file, and after `#` a JSON Pointer (JSON, YAML), a code or a cell of its rows
(codes.csv#/110000/name_zh), the full name of what a .proto file declares
(house.proto#bj.house.v1.Building.floors), or lines of what is no JSON (#L12, #L12-L20).
Example: guiju comment 12 'in metres, please' --place schema.json#/properties/height")]
pub struct CommentArgs {
    /// The proposal's number
    proposal: u64,
    /// What is to be said
    text: String,
    /// File of the version, and a place in it: schema.json#/properties/height
    #[arg(long, value_name = "FILE#PLACE", default_value = "")]
    place: String,
    /// It is an objection
    #[arg(long)]
    objection: bool,
    #[command(flatten)]
    hand: HandArgs,
}

pub fn run(args: CommentArgs, context: &Context) -> Answer {
    let (file, pointer) = args.place.split_once('#').unwrap_or((&args.place, ""));
    let what = Move::Comment { file, pointer, is_objection: args.objection };
    let said = if args.objection { "objection" } else { "comment" };
    let words = [said, &args.proposal.to_string(), &args.place, &args.text].map(str::to_owned);
    step(args.proposal, &words.each_ref().map(String::as_str), &what, &args.text, &args.hand, context)
}

/// Takes a step with a proposal, and tells it.
pub fn step(id: u64, words: &[&str], what: &Move<'_>, text: &str, hand: &HandArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let operation = hand.operation(&shelf, words)?;
    let by = hand.hand(&operation);
    let proposal = shelf.ask(|registry| async move { registry.take_move(&by, id, what, text).await })?;
    hand.told.tell(&proposal, context)?;
    Ok(Verdict::Conforms)
}
