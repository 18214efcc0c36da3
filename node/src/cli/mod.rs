//! The command line.
//!
//! Exit codes: 0 done, 1 a problem that is named on standard error, 2 the command line is wrong.

mod demo;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::assembly::NodeAssembly;
use crate::config::{Loaded, Loader, Problems};
use crate::serving::{Serve, run as run_process};
use crate::telemetry::{Logs, RequestLog, report_panics};
use demo::{Demo, DemoArgs};

/// A clustered S3 gateway.
#[derive(Parser)]
#[command(name = "holdfast", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a node.
    Serve(ConfigFile),
    /// Runs a node on an embedded configuration, to try things out.
    Demo(DemoArgs),
    /// Looks at a configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Says which version this is.
    Version,
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Names every problem of a configuration.
    Check {
        /// The configuration file.
        file: PathBuf,
    },
    /// Shows a configuration with its defaults, without secrets.
    Print {
        /// The configuration file.
        file: PathBuf,
    },
}

/// The whole program.
pub fn run() -> ExitCode {
    // What this process makes is its own user's alone.
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    let arguments = Arguments::parse_from(std::env::args_os().map(double_dash).collect::<Vec<_>>());
    let result = match arguments.command {
        Command::Serve(ConfigFile { config }) => serve(config),
        Command::Demo(arguments) => demo(&arguments),
        Command::Config(ConfigCommand::Check { file }) => check(file),
        Command::Config(ConfigCommand::Print { file }) => print(file),
        Command::Version => {
            say(&format!("holdfast {}", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

type Failed = Box<dyn std::error::Error>;

/// `-config` is how the programs that came before wrote it.
fn double_dash(argument: OsString) -> OsString {
    match argument.to_str() {
        Some(text) if text == "-config" || text.starts_with("-config=") => OsString::from(format!("-{text}")),
        _ => argument,
    }
}

fn serve(file: PathBuf) -> Result<(), Failed> {
    let load = move || Loader::new().file(&file).load();
    start(load, || {})
}

fn demo(arguments: &DemoArgs) -> Result<(), Failed> {
    let Demo { loader, welcome } = Demo::prepare(arguments)?;
    let loaded = loader.load()?;
    // A demo is what it was started as.
    let kept = loaded.clone();
    let reload = move || Ok(kept.clone());
    start_loaded(loaded, reload, move || {
        eprintln!("{welcome}");
        say("ready");
    })
}

fn check(file: PathBuf) -> Result<(), Failed> {
    let loaded = Loader::new().file(&file).load()?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    say("ok");
    Ok(())
}

fn print(file: PathBuf) -> Result<(), Failed> {
    let loaded = Loader::new().file(&file).load()?;
    say(loaded.effective.to_string().trim_end());
    Ok(())
}

fn start(
    load: impl Fn() -> Result<Loaded, Problems> + Send + 'static,
    ready: impl FnOnce() + Send + 'static,
) -> Result<(), Failed> {
    let loaded = load()?;
    start_loaded(loaded, load, ready)
}

fn start_loaded(
    loaded: Loaded,
    reload: impl Fn() -> Result<Loaded, Problems> + Send + 'static,
    ready: impl FnOnce() + Send + 'static,
) -> Result<(), Failed> {
    let _logs = Logs::start(loaded.config.node.logging)?;
    report_panics();
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "configuration");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("holdfast").build()?;
    let assembly = NodeAssembly { observer: RequestLog::new() };
    let serve = Serve { loaded, assembly, reload: Box::new(reload), ready: Box::new(ready) };
    runtime.block_on(run_process(serve))?;
    Ok(())
}

/// Standard output is for what was asked for; everything else goes to standard error.
#[expect(clippy::print_stdout, reason = "the one place that writes to standard output")]
fn say(text: &str) {
    println!("{text}");
}
