//! The command line of `guiju-server`.

use crate::{
    Fault,
    bootstrap::{Bootstrap, bootstrap, set_quorum},
    mirror::upstream_options,
    serve,
    settings::{self, Engine},
    transfer, upkeep,
};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use guiju_model::{Namespace, Principal};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// Runs one command. `Err` means that it could not do its work, or found damage.
pub fn run() -> Result<ExitCode, Fault> {
    let matches = command().get_matches();
    let Some((name, matches)) = matches.subcommand() else { return Ok(ExitCode::from(2)) };
    match name {
        "make-key" => {
            let name = matches.get_one::<String>("name").map_or("", String::as_str);
            return print(upkeep::make_key(name, folder(matches, "key"))?.into_iter());
        }
        "endorse" => {
            let lines = upkeep::endorse(folder(matches, "key"), folder(matches, "rotation"))?;
            return print(lines.into_iter());
        }
        _ => {}
    }
    let given = settings::Given::collect(matches)?;
    if name == "settings" {
        given.settings()?;
        return print(given.lines());
    }
    let mut settings = given.settings()?;
    if name == "mirror" {
        settings.upstream = matches.get_one::<String>("from").cloned();
        let named = matches.get_many::<Namespace>("namespace").into_iter().flatten().cloned();
        settings.upstream_namespaces.0.extend(named);
    }
    let lines = match name {
        "serve" | "mirror" => return runtime(&settings)?.block_on(serve::serve(settings)).map(|()| ExitCode::SUCCESS),
        "bootstrap" => bootstrap(&settings, first_manager(matches)?)?,
        "quorum" => quorum_by_hand(&settings, matches)?,
        "verify" => match matches.get_one::<String>("repair_from") {
            None => upkeep::verify(&settings)?,
            Some(from) => {
                let repaired = upkeep::repair(&settings, from, upstream_options(&settings)?, || runtime(&settings))?;
                repaired.into_iter().chain(upkeep::verify(&settings)?).collect()
            }
        },
        "rebuild" => upkeep::rebuild(&settings)?,
        "rotate-key" if matches.get_flag("without-old") => upkeep::new_key(&settings)?,
        "rotate-key" => upkeep::rotate_key(&settings)?,
        "migrate" => transfer::migrate(&settings, engine(matches, "from"), engine(matches, "to"))?,
        "backup" => upkeep::backup(&settings, folder(matches, "to"))?,
        "restore" => upkeep::restore(&settings, folder(matches, "from"))?,
        "export" => upkeep::export(&settings, folder(matches, "to"))?,
        "import" => upkeep::import(&settings, folder(matches, "from"))?,
        _ => unreachable!("clap knows the same commands"),
    };
    print(lines.into_iter())
}

fn command() -> Command {
    let to = |help| folder_argument("to", help);
    Command::new("guiju-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The registry: a log of data standards and contracts, served over gRPC and HTTP")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(with_settings("serve", "Serve until SIGTERM or SIGINT"))
        .subcommand(
            with_settings("bootstrap", "Give the first manager its role, and a token; the server must be stopped")
                .arg(
                    Arg::new("principal")
                        .long("principal")
                        .value_name("NAME")
                        .required(true)
                        .value_parser(value_parser!(Principal))
                        .help("Whom: a name of your choice, or cert:NAME or ISSUER:NAME with --no-token"),
                )
                .arg(
                    Arg::new("token-life")
                        .long("token-life")
                        .value_name("DAYS")
                        .value_parser(value_parser!(u64).range(1..=366))
                        .default_value("90")
                        .help("How long its token holds"),
                )
                .arg(
                    Arg::new("no-token")
                        .long("no-token")
                        .action(ArgAction::SetTrue)
                        .help("Make no token: it shows a certificate, or what an issuer gave it"),
                )
                .arg(
                    Arg::new("why")
                        .long("why")
                        .value_name("TEXT")
                        .default_value("the first manager")
                        .help("For the record"),
                )
                .arg(
                    Arg::new("again")
                        .long("again")
                        .action(ArgAction::SetTrue)
                        .help("Though there is a manager, whose credentials are lost"),
                ),
        )
        .subcommand(
            with_settings(
                "quorum",
                "Set how many must approve, where too few of a committee are left to agree to it; the server must be stopped",
            )
            .arg(
                Arg::new("namespace")
                    .value_name("NAMESPACE")
                    .required(true)
                    .value_parser(|text: &str| text.parse::<Namespace>())
                    .help("The namespace, with all under it that has no quorum of its own"),
            )
            .arg(
                Arg::new("approvals")
                    .value_name("APPROVALS")
                    .required(true)
                    .value_parser(value_parser!(u32).range(0..=100))
                    .help("How many; 0: none, and managers change the committee as they please"),
            )
            .arg(Arg::new("why").long("why").value_name("TEXT").required(true).help("For the record, which the log keeps")),
        )
        .subcommand(
            with_settings("mirror", "Serve, and follow another registry: prove what it publishes and take it over")
                .arg(Arg::new("from").long("from").value_name("URL").required(true).help("The registry to follow"))
                .arg(
                    Arg::new("namespace")
                        .long("namespace")
                        .value_name("NAME")
                        .value_parser(|text: &str| text.parse::<Namespace>())
                        .action(ArgAction::Append)
                        .help("A namespace to take over with all below it, and what standards there refer to; may stand more than once. All where none is named"),
                ),
        )
        .subcommand(with_settings("settings", "Print every setting, its value and where that came from"))
        .subcommand(
            with_settings("verify", "Read everything again; exit code 1 where something is damaged, with a list of it").arg(
                Arg::new("repair_from")
                    .long("repair-from")
                    .value_name("DIR|URL")
                    .help(
                        "Mend the log from a backup, an export, another data folder, or a registry that has it or mirrors it, which is \
                         shown the token of `upstream`; a server on a journal must be stopped",
                    ),
            ),
        )
        .subcommand(with_settings("rebuild", "Throw the view away and make it anew from the log"))
        .subcommand(
            with_settings("rotate-key", "Sign the log with a new key from now on; the server must be stopped").arg(
                Arg::new("without-old")
                    .long("without-old")
                    .action(ArgAction::SetTrue)
                    .help("Where the old key is lost for good: nothing ties the new one to it, so all who know the log must be told"),
            ),
        )
        .subcommand(
            Command::new("make-key")
                .about("Make a key to keep offline: it endorses each change of the log's key")
                .arg(Arg::new("name").long("name").value_name("NAME").required(true).help("Name that it signs under"))
                .arg(file_argument("key", "File for the secret; it must not be there")),
        )
        .subcommand(
            Command::new("endorse")
                .about("Sign a change of the log's key with the key that is kept offline")
                .arg(file_argument("key", "File with the secret, from `make-key`"))
                .arg(file_argument("rotation", "The note to sign: `log-key/rotation-1` and so on, or a copy")),
        )
        .subcommand(with_settings("backup", "Copy the log, also while a server is serving it").arg(to(BACKUP)))
        .subcommand(
            with_settings("restore", "Make a log of a backup, on the engine that is set; it must hold no other")
                .arg(folder_argument("from", "Folder of the backup")),
        )
        .subcommand(
            with_settings("migrate", "Move the log from one engine to another, with the same entries, chain and root")
                .arg(engine_argument(
                    "from",
                    "Engine that has the log: journal or etcd; no server may append to a journal",
                ))
                .arg(engine_argument("to", "Engine that gets it")),
        )
        .subcommand(
            with_settings("export", "Write the log as plain files: standards, other documents, entries as NDJSON")
                .arg(to(EXPORT)),
        )
        .subcommand(
            with_settings("import", "Make a log of an export, on the engine that is set; it must hold no other")
                .arg(folder_argument("from", "Folder of the export")),
        )
}

fn quorum_by_hand(settings: &settings::Settings, matches: &ArgMatches) -> Result<upkeep::Lines, Fault> {
    let (namespace, quorum) = (matches.get_one::<Namespace>("namespace"), matches.get_one::<u32>("approvals"));
    let (Some(namespace), Some(quorum)) = (namespace, quorum) else { unreachable!("clap asks for both") };
    let why = matches.get_one::<String>("why").cloned().unwrap_or_default();
    set_quorum(settings, namespace.clone(), *quorum, why)
}

fn first_manager(matches: &ArgMatches) -> Result<Bootstrap, Fault> {
    let principal = matches.get_one::<Principal>("principal").cloned().unwrap_or_else(Principal::anyone);
    let days = matches.get_one::<u64>("token-life").copied().unwrap_or(90);
    let token_life = (!matches.get_flag("no-token")).then(|| Duration::from_secs(days * 24 * 3600));
    if token_life.is_some() && principal.as_str().contains(':') {
        let what = format!("`{principal}` shows a certificate, or what an issuer gave it");
        return Err(Fault::new(what, "say --no-token, or choose a name without a colon"));
    }
    let reason = matches.get_one::<String>("why").cloned().unwrap_or_default();
    Ok(Bootstrap { principal, token_life, reason, again: matches.get_flag("again") })
}

const BACKUP: &str = "Folder for the backup, new or empty";
const EXPORT: &str = "Folder for the export, new or empty";

fn folder_argument(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("DIR").value_parser(value_parser!(PathBuf)).required(true).help(help)
}

fn engine_argument(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("ENGINE").value_parser(Engine::named).required(true).help(help)
}

fn engine(matches: &ArgMatches, name: &str) -> Engine {
    matches.get_one(name).copied().unwrap_or(Engine::Memory)
}

fn file_argument(name: &'static str, help: &'static str) -> Arg {
    folder_argument(name, help).value_name("FILE")
}

fn folder<'m>(matches: &'m ArgMatches, name: &str) -> &'m Path {
    matches.get_one::<PathBuf>(name).map_or(Path::new(""), PathBuf::as_path)
}

fn with_settings(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about).args_override_self(true).args(settings::arguments())
}

fn runtime(settings: &settings::Settings) -> Result<tokio::runtime::Runtime, Fault> {
    /// For what asks the registry, and waits for nobody who holds a thread.
    const THREADS: usize = 512;
    /// More at a time no Linux has.
    const THREADS_MAX: usize = 1 << 22;
    // A stream may hold one for as long as it lasts: if all did, and there were none beside, whoever asks would wait for them.
    let threads = THREADS + settings.check_streams_max.min(THREADS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(threads).build();
    runtime.map_err(|error| Fault::new(format!("no threads to run on: {error}"), "raise the limits of this user"))
}

/// Writes lines on standard output. A reader who left early is no fault.
fn print(lines: impl Iterator<Item = String>) -> Result<ExitCode, Fault> {
    let mut out = io::stdout().lock();
    for line in lines {
        match writeln!(out, "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(error) => return Err(Fault::new(format!("standard output: {error}"), "give it room")),
            Ok(()) => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}
