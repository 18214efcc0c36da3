//! Clients that others wrote, as programs: found in the tests' Python environment or on the path.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use crate::node::{ACCESS_KEY, SECRET_KEY};

/// Names the Python environment that `make test` prepares.
const VENV: &str = "HOLDFAST_VENV";
/// Where `make test` collects the names of tests that could not run.
const SKIP_REPORT: &str = "HOLDFAST_SKIP_REPORT";
/// Set where a missing client must fail the run instead of skipping a test.
const REQUIRE: &str = "HOLDFAST_REQUIRE_CLIENTS";

/// How often a program is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// The program of this name, in the Python environment first; or the one at this path.
pub fn find(name: &str) -> Option<PathBuf> {
    let venv = std::env::var_os(VENV).map(|venv| PathBuf::from(venv).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = venv.into_iter().chain(std::env::split_paths(&path));
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// The program, or `None` after reporting that `test` is skipped for want of it.
///
/// # Panics
/// Where a skip is not allowed.
pub fn find_or_skip(test: &str, name: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        assert!(
            std::env::var_os(REQUIRE).is_none(),
            "{test} needs {name}, which is not installed"
        );
        if let Some(report) = std::env::var_os(SKIP_REPORT) {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(report)
                .expect("the report");
            writeln!(file, "{test}: {name} is not installed").expect("a line in the report");
        }
        eprintln!("{test} skipped: {name} is not installed");
    }
    found
}

/// A command of that program with the tests' credentials in its environment and no configuration of
/// whoever runs the tests.
pub fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", home.join("no-config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", home.join("no-credentials"))
        .env("HOME", home)
        // Loopback and plain HTTP: whatever the machine needs to reach the world is in the way here.
        .env_remove("AWS_CA_BUNDLE")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end and expects success.
#[track_caller]
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().expect("a started program");
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Starts a program that writes its words to a file.
pub fn start(command: &mut Command, log: &Path) -> Child {
    let log = File::create(log).expect("a log");
    let errors = log.try_clone().expect("a log");
    command
        .stdout(log)
        .stderr(errors)
        .spawn()
        .expect("a started program")
}

/// Waits for the end of a program.
///
/// # Panics
/// It does not end within `limit`; it is killed.
#[track_caller]
pub fn end_within(program: &mut Child, limit: Duration) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = program.try_wait().expect("the state of the program") {
            return status;
        }
        if begun.elapsed() >= limit {
            program.kill().expect("SIGKILL");
            panic!("a client did not come to an end within {limit:?}");
        }
        std::thread::sleep(POLL);
    }
}

/// Runs a command to its end and expects success.
///
/// # Panics
/// It fails, or does not end within `limit`.
#[track_caller]
pub fn succeed_within(command: &mut Command, limit: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let mut program = start(command, &log);
    let status = end_within(&mut program, limit);
    let words = fs::read_to_string(&log).unwrap_or_default();
    assert!(status.success(), "{command:?} ended with {status}\n{words}");
}

/// Compares two trees byte for byte.
#[track_caller]
pub fn assert_same_tree(one: &Path, other: &Path) {
    succeed(Command::new("diff").arg("-r").arg(one).arg(other));
}
