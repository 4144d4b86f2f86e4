//! Starts the real programs for tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Rounds of a test that chooses at random: so many in CI, `GUIJU_SOAK` times as many where that is set.
pub fn rounds(in_ci: u64) -> u64 {
    let factor = std::env::var("GUIJU_SOAK").map_or(1, |text| text.parse().expect("GUIJU_SOAK is a whole number"));
    in_ci * factor
}

/// A folder in memory where the system has one: what a test kills or damages itself is none the worse for lacking a disk, and
/// syncing costs nothing.
pub fn folder_in_memory() -> TempDir {
    let made = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    made.expect("a temporary folder")
}

/// The program `guiju`, built once.
pub fn guiju() -> PathBuf {
    programs().join("guiju")
}

/// The program `guiju-server`, built once.
pub fn guiju_server() -> PathBuf {
    programs().join("guiju-server")
}

/// The folder with both programs. This test binary lies in its `deps/`, so the profile and target folder are the same.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let here = std::env::current_exe().expect("a test has a path");
        let folder = here.ancestors().nth(2).expect("target/<profile>/deps/it-…").to_owned();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "-p", "guiju-cli", "-p", "guiju-server"]).current_dir(root());
        build.arg("--target-dir").arg(folder.parent().expect("target/<profile>"));
        // Build scripts that watch these would run again at every test, and all that depends on them with them.
        let mine = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"];
        for (name, _) in std::env::vars_os() {
            if mine.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                build.env_remove(name);
            }
        }
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the programs do not build");
        folder
    })
}

/// The Python that `tests/run` installs, with programs of others to compare with.
pub fn python() -> PathBuf {
    let python = root().join("target/python/bin/python");
    assert!(python.exists(), "the Python libraries that tests need are not installed: run `bash tests/run`");
    python
}

/// A command for the server program with no settings from this process's environment.
pub fn server_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(guiju_server());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GUIJU_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// A command as the last arguments of another program, if any is named.
pub fn started_by(starter: &[&str], command: Command) -> Command {
    let [program, arguments @ ..] = starter else { return command };
    let mut started = Command::new(program);
    started.args(arguments).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => started.env(name, value),
            None => started.env_remove(name),
        };
    }
    started
}

/// A real server on a free port. It is killed when this is dropped.
pub struct Server {
    child: Child,
    pub address: String,
    pub folder: TempDir,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more flags.
    pub fn start_with(flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder"), flags)
    }

    /// On a folder that may hold a log already.
    pub fn start_in(folder: TempDir, flags: &[&str]) -> Self {
        Self::start_by(&[], folder, flags)
    }

    /// The same, started by another program that takes it as its last arguments.
    pub fn start_by(starter: &[&str], folder: TempDir, flags: &[&str]) -> Self {
        let address_file = folder.path().join("address");
        let _ = fs::remove_file(&address_file);
        let log =
            fs::File::options().create(true).append(true).open(folder.path().join("server.log")).expect("a log file");
        let mut command = started_by(starter, server_command(&["serve"]));
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.arg("--data").arg(folder.path().join("data")).arg("--address-file").arg(&address_file);
        let child = command.args(flags).stdout(Stdio::null()).stderr(log).spawn().expect("the server starts");
        let mut server = Self { child, address: String::new(), folder };
        server.address = server.wait_for(&address_file);
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// kill -9. The folder stays.
    pub fn kill(mut self) -> TempDir {
        let _ = self.child.kill();
        let _ = self.child.wait();
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a temporary folder"))
    }

    /// SIGTERM, and how the server ended.
    pub fn stop(self) -> (ExitStatus, TempDir) {
        signal("TERM", self.pid());
        self.ended()
    }

    /// How the server ended after a signal.
    pub fn ended(mut self) -> (ExitStatus, TempDir) {
        let status = wait(&mut self.child, Duration::from_secs(30));
        (status, std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a temporary folder")))
    }

    fn wait_for(&mut self, address_file: &Path) -> String {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            match fs::read_to_string(address_file) {
                Ok(text) => return text.trim().to_owned(),
                Err(_) if Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(_) => panic!("the server did not come up:\n{}", self.log()),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by name.
pub fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -{name} {pid}");
}

/// Waits for an end, for so long.
pub fn wait(child: &mut Child, limit: Duration) -> ExitStatus {
    let until = Instant::now() + limit;
    loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => return status,
            None if Instant::now() < until => thread::sleep(Duration::from_millis(10)),
            None => {
                let _ = child.kill();
                panic!("it did not end within {limit:?}");
            }
        }
    }
}

/// What a program said, as text.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Holds a generated page or expected output against its file; `UPDATE_EXPECT=1` writes the file.
pub fn expect_file(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path, actual).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(
        expected == actual,
        "{} is stale; run with UPDATE_EXPECT=1 and look at the diff. Now:\n{actual}",
        path.display()
    );
}
