//! One file a command. Each takes its arguments and the context, and answers with a verdict.

pub mod agree;
pub mod answer;
pub mod approve;
pub mod check;
pub mod comment;
pub mod completions;
pub mod denials;
pub mod deprecate;
pub mod diff;
pub mod explain;
pub mod fetch;
pub mod grant;
pub mod grants;
pub mod history;
pub mod init;
pub mod inspect;
pub mod lint;
pub mod list;
pub mod lock;
pub mod man;
pub mod monitor;
pub mod new;
pub mod propose;
pub mod publish;
pub mod quorum;
pub mod reject;
pub mod review;
pub mod search;
pub mod show;
pub mod test;
pub mod token;
pub mod verify;
pub mod watch;
pub mod whoami;
pub mod withdraw;

use crate::{args::Command, context::Context, failure::Answer};

pub fn run(command: Command, context: &Context) -> Answer {
    match command {
        Command::Init(args) => init::run(args, context),
        Command::Check(args) => check::run(args, context),
        Command::Diff(args) => diff::run(args, context),
        Command::Explain(args) => explain::run(args, context),
        Command::Inspect(args) => inspect::run(args, context),
        Command::Lock(args) => lock::run(args, context),
        Command::Fetch(args) => fetch::run(args, context),
        Command::List(args) => list::run(args, context),
        Command::Show(args) => show::run(args, context),
        Command::Search(args) => search::run(args, context),
        Command::New(args) => new::run(args, context),
        Command::Test(args) => test::run(args, context),
        Command::Lint(args) => lint::run(args, context),
        Command::Propose(args) => propose::run(args, context),
        Command::Review(args) => review::run(args, context),
        Command::Comment(args) => comment::run(args, context),
        Command::Answer(args) => answer::run(args, context),
        Command::Approve(args) => approve::run(args, context),
        Command::Reject(args) => reject::run(args, context),
        Command::Quorum(args) => quorum::run(args, context),
        Command::Agree(args) => agree::run(args, context),
        Command::Publish(args) => publish::run(args, context),
        Command::Deprecate(args) => deprecate::run(args, context),
        Command::Withdraw(args) => withdraw::run(args, context),
        Command::History(args) => history::run(args, context),
        Command::Verify(args) => verify::run(*args, context),
        Command::Monitor(args) => monitor::run(args, context),
        Command::Watch(args) => watch::run(args, context),
        Command::Whoami(args) => whoami::run(args, context),
        Command::Grant(args) => grant::run(args, context),
        Command::Revoke(args) => grant::revoke(args, context),
        Command::Grants(args) => grants::run(args, context),
        Command::Token(args) => token::run(args, context),
        Command::Denials(args) => denials::run(args, context),
        Command::Completions(args) => completions::run(args),
        Command::Man => man::run(),
    }
}
