//! The program `guiju` as a person or a CI job meets it: commands, and all that comes back.
//!
//! A case is a text file in `cases/cli/`, with a folder of the same name beside it where it needs files. It runs in a
//! copy of that folder, in a shell, with no settings but those it makes:
//!
//! ```text
//! # what the case shows
//! $ guiju explain code-not-in-lst
//! ! error: there is no finding code `code-not-in-lst`
//! [2]
//! ```
//! After a command stand the lines of standard output, those of standard error with `! ` before them, and the exit code.

use crate::support;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

#[test]
fn every_case_comes_out_as_written() {
    let folder = support::root().join("tests/cases/cli");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(&folder).expect("the cases").flatten().map(|entry| entry.path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    cases.sort();
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    let wrong: Vec<String> = cases.iter().filter_map(|case| run(case).err()).collect();
    assert!(wrong.is_empty(), "{} of {} cases differ:\n\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Runs the commands of one case, and holds what they say against what is written.
fn run(case: &Path) -> Result<(), String> {
    let text = fs::read_to_string(case).expect("a case is readable");
    let home = tempfile::tempdir().expect("a temporary folder");
    let work = home.path().join("work");
    fs::create_dir(&work).expect("a folder to work in");
    let files = case.with_extension("");
    if files.is_dir() {
        copy(&files, &work);
    }
    let mut actual = String::new();
    // Between a command and its exit code stands what it said, empty lines too.
    let mut answering = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            answering = true;
            actual += &format!("$ {command}\n{}", said(command, home.path(), &work));
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

fn said(command: &str, home: &Path, work: &Path) -> String {
    let output = shell(command, home, work).output().expect("a shell runs");
    let clean = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.replace(&work.to_string_lossy().into_owned(), "{work}").replace(env!("CARGO_PKG_VERSION"), "{version}")
    };
    let (mut out, error) = (clean(&output.stdout), clean(&output.stderr));
    if !out.is_empty() && !out.ends_with('\n') {
        out += "\n";
    }
    error.lines().for_each(|line| out += &format!("! {line}\n"));
    let code = output.status.code().map_or("killed".into(), |code| code.to_string());
    format!("{out}[{code}]\n")
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
    shell.env("GUIJU_CACHE", home.join("cache"));
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
