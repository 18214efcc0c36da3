//! Clients that others wrote, as programs: found in the tests' Python environment or on the path.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::node::{ACCESS_KEY, SECRET_KEY};

/// Names the Python environment that `make test` prepares.
const VENV: &str = "HOLDFAST_VENV";
/// Where `make test` collects the names of tests that could not run.
const SKIP_REPORT: &str = "HOLDFAST_SKIP_REPORT";
/// Set where a missing client must fail the run instead of skipping a test.
const REQUIRE: &str = "HOLDFAST_REQUIRE_CLIENTS";

/// The program of this name, in the Python environment first.
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

/// Compares two trees byte for byte.
#[track_caller]
pub fn assert_same_tree(one: &Path, other: &Path) {
    succeed(Command::new("diff").arg("-r").arg(one).arg(other));
}
