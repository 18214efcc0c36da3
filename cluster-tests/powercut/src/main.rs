//! The process that serves one power-cut file system: see the library for what it does.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cluster_tests_powercut::daemon::{DaemonOptions, Lifetime, run};

/// Mounts a file system that loses what was not synced.
///
/// Writes one line of JSON to standard output: "ready", or why it cannot be.
#[derive(Debug, Parser)]
#[command(name = "holdfast-powercut", version)]
struct Arguments {
    /// Folder whose contents are there, durable, from the start; it is only read.
    #[arg(long)]
    backing: PathBuf,
    /// Folder to mount at.
    #[arg(long)]
    mountpoint: PathBuf,
    /// Where to make the control socket.
    #[arg(long)]
    control: PathBuf,
    /// Bytes that the mount may hold.
    #[arg(long)]
    space_budget: Option<u64>,
    /// Unmount and end when standard input is closed.
    #[arg(long)]
    until_stdin_closes: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let lifetime = if arguments.until_stdin_closes {
        Lifetime::StandardInput
    } else {
        Lifetime::Mount
    };
    ExitCode::from(run(&DaemonOptions {
        backing: arguments.backing,
        mountpoint: arguments.mountpoint,
        control: arguments.control,
        space_budget: arguments.space_budget,
        lifetime,
    }))
}
