//! What may be said on the command line. Environment variables stand in for flags; `guiju.toml` for both.

use crate::{
    command::{
        agree::AgreeArgs,
        answer::AnswerArgs,
        approve::ApproveArgs,
        check::CheckArgs,
        comment::CommentArgs,
        completions::CompletionsArgs,
        denials::DenialsArgs,
        deprecate::DeprecateArgs,
        diff::DiffArgs,
        explain::ExplainArgs,
        fetch::FetchArgs,
        grant::{GrantArgs, RevokeArgs},
        grants::GrantsArgs,
        history::HistoryArgs,
        init::InitArgs,
        inspect::InspectArgs,
        lint::LintArgs,
        list::ListArgs,
        lock::LockArgs,
        monitor::MonitorArgs,
        new::NewArgs,
        propose::ProposeArgs,
        publish::PublishArgs,
        quorum::QuorumArgs,
        reject::RejectArgs,
        review::ReviewArgs,
        search::SearchArgs,
        show::ShowArgs,
        test::TestArgs,
        token::TokenArgs,
        verify::VerifyArgs,
        watch::WatchArgs,
        whoami::WhoamiArgs,
        withdraw::WithdrawArgs,
    },
    terminal::{Color, Lang},
};
use clap::{Parser, Subcommand, builder::BoolishValueParser};
use std::path::PathBuf;

const AFTER: &str = "\
Exit codes:
  0  everything conforms, or was done
  1  something does not conform
  2  something could not be judged or done; standard error says what, where, and what to do

Start here:
  guiju init                                         a folder to begin with
  guiju check --standard bj.population/person FILE   does my data conform?
  guiju explain CODE                                 what a finding means and how to mend it";

/// Check records against data standards, in a terminal and in CI.
#[derive(Debug, Parser)]
#[command(name = "guiju", version, after_help = AFTER, max_term_width = 100, arg_required_else_help = true)]
pub struct Args {
    #[command(flatten)]
    pub shared: Shared,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Shared {
    /// Settings file [default: guiju.toml in this folder or one above]
    #[arg(long, global = true, value_name = "FILE", env = "GUIJU_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Registry to ask, for example http://127.0.0.1:8420
    #[arg(long, global = true, value_name = "URL", env = "GUIJU_REGISTRY", hide_env_values = true)]
    pub registry: Option<String>,
    /// File with the token that shows the registry who asks; or set GUIJU_TOKEN to the token
    #[arg(long, global = true, value_name = "FILE", env = "GUIJU_TOKEN_FILE", hide_env_values = true)]
    pub token_file: Option<PathBuf>,
    /// Certificate in PEM that shows the registry who asks
    #[arg(long, global = true, value_name = "FILE", env = "GUIJU_CLIENT_CERTIFICATE", hide_env_values = true)]
    pub client_certificate: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, global = true, value_name = "FILE", env = "GUIJU_CLIENT_KEY", hide_env_values = true)]
    pub client_key: Option<PathBuf>,
    /// Certificate in PEM of the authority that signed the registry's
    #[arg(long, global = true, value_name = "FILE", env = "GUIJU_AUTHORITY", hide_env_values = true)]
    pub authority: Option<PathBuf>,
    /// Send the token to another machine without TLS: where something else protects the way
    #[arg(long, global = true)]
    pub token_in_clear: bool,
    /// How many milliseconds old an answer of a registry with several servers may be [default: 0]
    #[arg(long, global = true, value_name = "MS", env = "GUIJU_MAX_STALENESS_MS", hide_env_values = true)]
    pub max_staleness_ms: Option<u64>,
    /// Folder that keeps fetched standards [default: the user's cache folder]
    #[arg(long, global = true, value_name = "DIR", env = "GUIJU_CACHE", hide_env_values = true)]
    pub cache: Option<PathBuf>,
    /// Ask no registry: use the lock, the cache and what the program carries
    #[arg(long, global = true, env = "GUIJU_OFFLINE", hide_env_values = true, value_parser = BoolishValueParser::new())]
    pub offline: bool,
    /// Fail rather than change guiju.lock or use what is not in it
    #[arg(long, global = true, env = "GUIJU_LOCKED", hide_env_values = true, value_parser = BoolishValueParser::new())]
    pub locked: bool,
    /// Language of findings and totals [default: the locale's]
    #[arg(long, global = true, value_enum, env = "GUIJU_LANG", hide_env_values = true)]
    pub lang: Option<Lang>,
    /// When to use colour; NO_COLOR turns it off too
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Init(InitArgs),
    Check(CheckArgs),
    Diff(DiffArgs),
    Explain(ExplainArgs),
    Inspect(InspectArgs),
    Lock(LockArgs),
    Fetch(FetchArgs),
    List(ListArgs),
    Show(ShowArgs),
    Search(SearchArgs),
    New(NewArgs),
    Test(TestArgs),
    Lint(LintArgs),
    Propose(ProposeArgs),
    Review(ReviewArgs),
    Comment(CommentArgs),
    Answer(AnswerArgs),
    Approve(ApproveArgs),
    Reject(RejectArgs),
    Quorum(QuorumArgs),
    Agree(AgreeArgs),
    Publish(PublishArgs),
    Deprecate(DeprecateArgs),
    Withdraw(WithdrawArgs),
    History(HistoryArgs),
    Verify(Box<VerifyArgs>),
    Monitor(MonitorArgs),
    Watch(WatchArgs),
    Whoami(WhoamiArgs),
    Grant(GrantArgs),
    Revoke(RevokeArgs),
    Grants(GrantsArgs),
    Token(TokenArgs),
    Denials(DenialsArgs),
    Completions(CompletionsArgs),
    /// Print the manual page, in roff
    Man,
}
