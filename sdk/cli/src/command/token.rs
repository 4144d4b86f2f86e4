use super::grants::step_json;
use crate::{
    context::Context,
    failure::{Answer, Failure, Verdict},
    shelf::Shelf,
    terminal::plain,
};
use guiju_model::{Grant, Principal, TokenInfo};
use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Make, list and revoke the tokens that principals show
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    what: TokenCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TokenCommand {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Make a token and print it, once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One's own token may do what the credentials that are shown may; a token for another takes manager on every namespace that it is for.
The registry keeps a hash of it: who loses a token revokes it and makes another.
Example: guiju token create ci.water --role agency:bj.water --days 30 --why 'checks in CI' --out ci.token")]
struct CreateArgs {
    /// Whose it is
    principal: Principal,
    /// All that it may be used for; may be given several times
    #[arg(long = "role", value_name = "ROLE:NAMESPACE", required = true)]
    roles: Vec<Grant>,
    /// How long it holds
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=366))]
    days: u64,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// New file for the token, which its owner alone may read, rather than standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// List tokens: your own, and those where you are manager or auditor
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// End a token
#[derive(Debug, clap::Args)]
struct RevokeArgs {
    /// Its id, as `guiju token list` shows it
    id: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: String,
}

pub fn run(args: TokenArgs, context: &Context) -> Answer {
    match args.what {
        TokenCommand::Create(args) => create(args, context),
        TokenCommand::List(args) => list(args, context),
        TokenCommand::Revoke(args) => revoke(args, context),
    }
}

fn create(args: CreateArgs, context: &Context) -> Answer {
    let CreateArgs { principal, roles, days, why, out: file } = args;
    // Before there is a token that could be lost.
    let mut place = file.as_deref().map(new_secret_file).transpose()?;
    let shelf = Shelf::open(context)?;
    let operation = shelf.fresh_operation("token")?;
    let made = shelf.ask(|registry| {
        let (principal, roles, why, operation) = (&principal, &roles, &why, &operation);
        let life = Duration::from_secs(days * 24 * 3600);
        async move { registry.create_token(operation, principal, roles, life, why).await }
    });
    let made = made.inspect_err(|_| drop(file.as_ref().map(std::fs::remove_file)))?;
    context.say(&format!("token {} of {}, told this once", made.info.id, made.info.principal));
    let secret = made.secret.text();
    match (&mut place, &file) {
        (Some(place), Some(path)) => {
            let written = writeln!(place, "{secret}").and_then(|()| place.sync_all());
            written.map_err(|error| {
                let failure = Failure::file("written", path.display(), &error);
                failure.at(format!("the token {} is lost: revoke it and make another", made.info.id))
            })?;
        }
        _ => {
            let mut out = context.out();
            writeln!(out, "{secret}")?;
            out.flush()?;
        }
    }
    Ok(Verdict::Conforms)
}

fn new_secret_file(path: &Path) -> Result<std::fs::File, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| Failure::file("made", path.display(), &error))
}

fn list(args: ListArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let tokens = shelf.ask(|registry| async move { registry.tokens().await })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let mut out = context.out();
    for token in tokens {
        let TokenInfo { id, principal, grants, expires_ms, created, revoked } = &token;
        let grants: Vec<String> = grants.iter().map(ToString::to_string).collect();
        if args.json {
            let line = serde_json::json!({
                "id": id, "principal": principal.as_str(), "grants": grants, "expires_ms": expires_ms,
                "created": step_json(created), "revoked": revoked.as_ref().map(step_json),
            });
            writeln!(out, "{line}")?;
            continue;
        }
        let state = match revoked {
            Some(step) => format!("revoked by {}: {}", plain(&step.by), plain(&step.reason)),
            None if *expires_ms <= now => "expired".into(),
            None => format!("holds {} days more", (expires_ms - now) / 86_400_000),
        };
        writeln!(out, "{}  {principal}  {}  {state}", plain(id), grants.join(" "))?;
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}

fn revoke(args: RevokeArgs, context: &Context) -> Answer {
    let RevokeArgs { id, why } = args;
    let shelf = Shelf::open(context)?;
    let operation = shelf.fresh_operation("revoke-token")?;
    let info = shelf.ask(|registry| {
        let (id, why, operation) = (&id, &why, &operation);
        async move { registry.revoke_token(operation, id, why).await }
    })?;
    let mut out = context.out();
    writeln!(out, "revoked token {} of {}", plain(&info.id), info.principal)?;
    out.flush()?;
    Ok(Verdict::Conforms)
}
