//! The program `guiju` as a person or a CI job meets it: commands, and all that comes back.
//!
//! A case is a text file in `cases/cli/`, or in `cases/check/` for all that `guiju check` meets, with a folder of the same name beside it where it needs files. It runs in a
//! copy of that folder, in a shell, with no settings but those it makes:
//!
//! ```text
//! # what the case shows
//! $ guiju explain code-not-in-lst
//! ! error: there is no finding code `code-not-in-lst`
//! [2]
//! ```
//! After a command stand the lines of standard output, those of standard error with `! ` before them, and the exit code.
//! A case that begins with `# with a registry` has a real one, empty, at `$GUIJU_REGISTRY`; `$STANDARDS` is the folder of
//! the shipped standards.

use crate::support::{self, Server};
use regex::Regex;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

const WITH_A_REGISTRY: &str = "# with a registry";
/// In a page, where its server is started, on the folder of the place.
const SERVED_FROM_HERE: &str = "<!-- served from here on -->";

#[test]
fn every_case_comes_out_as_written() {
    assert_cases("cli");
}

#[test]
fn every_case_of_check_comes_out_as_written() {
    assert_cases("check");
}

fn assert_cases(name: &str) {
    let folder = support::root().join("tests/cases").join(name);
    let mut cases: Vec<PathBuf> =
        fs::read_dir(&folder).expect("the cases").flatten().map(|entry| entry.path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    cases.sort();
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    let wrong: Vec<String> = cases.iter().filter_map(|case| run(case).err()).collect();
    assert!(wrong.is_empty(), "{} of {} cases differ:\n\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The tutorial's commands, in one folder from the first to the last: what it shows is what they say.
#[test]
fn the_tutorial_is_true() {
    assert_page("docs/tutorial.md", &mut Place::new(Some(Server::start())));
}

/// What a page shows of the log is made of its key and the time, so only their forms are compared.
#[test]
fn the_page_on_verifying_is_true() {
    assert_page("docs/how-to/verify-what-you-hold.md", &mut Place::new(Some(Server::start())));
}

#[test]
fn the_page_on_who_may_do_what_is_true() {
    assert_page("docs/how-to/who-may-do-what.md", &mut Place::with_a_folder());
}

#[test]
fn the_page_on_the_life_of_a_version_is_true() {
    assert_page("docs/how-to/from-draft-to-withdrawal.md", &mut Place::with_a_folder());
}

#[test]
fn the_page_on_data_sets_together_is_true() {
    assert_page("docs/how-to/check-data-sets-together.md", &mut Place::new(None));
}

#[test]
fn the_reference_is_not_stale() {
    assert_page("docs/reference/cli.md", &mut Place::new(None));
}

/// Runs the commands in the `console` blocks of a page. A registry, where there is one, is at `$REGISTRY`.
fn assert_page(name: &str, place: &mut Place) {
    let page = support::root().join(name);
    let text = fs::read_to_string(&page).expect("the page");
    let (mut actual, mut in_console, mut answering) = (String::new(), false, false);
    for line in text.lines() {
        if line == SERVED_FROM_HERE {
            place.registry = place.folder.take().map(|folder| Server::start_in(folder, &[]));
        }
        (in_console, answering) = match line {
            "```console" => (true, false),
            "```" => (false, false),
            _ => (in_console, answering),
        };
        match line.strip_prefix("$ ") {
            Some(command) if in_console => {
                let Said { out, error, code } = place.say(command, "REGISTRY");
                let (out, error) = (place.as_advertised(&out), place.as_advertised(&error));
                let code = if code == "0" { String::new() } else { format!("[{code}]\n") };
                actual += &format!("{line}\n{out}{error}{code}");
                answering = true;
            }
            _ if answering => {}
            _ => actual += &format!("{line}\n"),
        }
    }
    support::expect_file(&page, &actual);
}

/// Runs the commands of one case, and holds what they say against what is written.
fn run(case: &Path) -> Result<(), String> {
    let text = fs::read_to_string(case).expect("a case is readable");
    let place = Place::new(text.starts_with(WITH_A_REGISTRY).then(Server::start));
    let files = case.with_extension("");
    if files.is_dir() {
        copy(&files, &place.work);
    }
    let mut actual = String::new();
    // Between a command and its exit code stands what it said, empty lines too.
    let mut answering = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            answering = true;
            let Said { out, error, code } = place.say(command, "GUIJU_REGISTRY");
            let error: String = error.lines().map(|line| format!("! {line}\n")).collect();
            actual += &format!("{line}\n{out}{error}[{code}]\n");
        } else if !answering {
            actual += &format!("{line}\n");
        } else if is_exit_code(line) {
            answering = false;
        }
    }
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(case, &actual).expect("a case is writable");
        return Ok(());
    }
    let name = case.file_name().unwrap_or_default().to_string_lossy();
    if actual == text {
        Ok(())
    } else {
        Err(format!("== {name}, run with UPDATE_EXPECT=1 and look at the diff\n{actual}"))
    }
}

fn is_exit_code(line: &str) -> bool {
    let code = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    code.is_some_and(|code| code == "killed" || code.parse::<u8>().is_ok())
}

/// Where the commands of a case run, one after the other.
struct Place {
    home: TempDir,
    work: PathBuf,
    registry: Option<Server>,
    /// For a registry that is started later.
    folder: Option<TempDir>,
}

/// What a command said, each part empty or with a line end.
struct Said {
    out: String,
    error: String,
    code: String,
}

impl Place {
    fn new(registry: Option<Server>) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let work = home.path().join("work");
        fs::create_dir(&work).expect("a folder to work in");
        Self { home, work, registry, folder: None }
    }

    /// With the folder `data` of a server that a page starts once the first manager has its role.
    fn with_a_folder() -> Self {
        let (place, folder) = (Self::new(None), tempfile::tempdir().expect("a folder"));
        fs::create_dir(folder.path().join("data")).expect("a folder");
        std::os::unix::fs::symlink(folder.path().join("data"), place.work.join("data")).expect("a link");
        Self { folder: Some(folder), ..place }
    }

    /// A page shows the address that `guiju-server` has by default.
    fn as_advertised(&self, text: &str) -> String {
        text.replace("{registry}", "http://127.0.0.1:8420").replace("{home}", "~")
    }

    /// Runs a command; where there is a registry, its address is in this variable.
    fn say(&self, command: &str, address: &str) -> Said {
        let mut shell = shell(command, self.home.path(), &self.work);
        shell.envs(self.registry.as_ref().map(|registry| (address, registry.url())));
        let output = shell.output().expect("a shell runs");
        let code = output.status.code().map_or("killed".into(), |code| code.to_string());
        Said { out: self.plain(&output.stdout), error: self.plain(&output.stderr), code }
    }

    /// Without what differs from run to run.
    fn plain(&self, bytes: &[u8]) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = String::from_utf8_lossy(bytes)
            .replace(&*self.work.to_string_lossy(), "{work}")
            .replace(&*self.home.path().to_string_lossy(), "{home}")
            .replace(&format!("guiju {version}"), "guiju {version}");
        if let Some(registry) = &self.registry {
            text = text.replace(&registry.url(), "{registry}");
        }
        // The shipped standards have a life of their own.
        let digest = Regex::new("sha256:[0-9a-f]{64}(?:(?:  log index)? [0-9]+)?").expect("a pattern");
        text = digest.replace_all(&text, "sha256:…").into_owned();
        // A log's name and root are made of randomness and time.
        let log = Regex::new("guiju-log/[0-9a-f]{16}(.*root) [A-Za-z0-9+/]{43}=").expect("a pattern");
        text = log.replace_all(&text, "registry.example.org/log$1 …").into_owned();
        // Tokens and their ids are random.
        let token = Regex::new("guiju_[0-9a-f]{64}").expect("a pattern");
        text = token.replace_all(&text, "guiju_…").into_owned();
        let id = Regex::new("(?m)(token |^)[0-9a-f]{16}( of |,|  |$)").expect("a pattern");
        text = id.replace_all(&text, "${1}0123456789abcdef$2").into_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text += "\n";
        }
        text
    }
}

/// A shell in a folder of its own, with the program in reach and nothing of ours in its environment.
pub fn shell(command: &str, home: &Path, work: &Path) -> Command {
    let program = support::guiju();
    let path = env::join_paths(
        [program.parent().expect("a folder").to_owned()]
            .into_iter()
            .chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
    );
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).current_dir(work).env_clear().stdin(Stdio::null());
    shell.env("PATH", path.expect("a path")).env("HOME", home).env("LANG", "C.UTF-8");
    shell.env("GUIJU_CACHE", home.join("cache")).env("STANDARDS", support::root().join("standards"));
    shell
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder of the case").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file of the case");
        }
    }
}
