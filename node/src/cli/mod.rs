//! The command line.
//!
//! Standard output carries what was asked for and nothing else; every other word goes to standard
//! error. Exit codes, for scripts:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done; of a node: stopped in order |
//! | 1 | refused or not started: problems of the configuration, a port that is taken, … |
//! | 2 | the command line is wrong |
//! | 3 | a node served and then could not go on |

mod demo;
mod serve;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rustix::fs::Mode;

use crate::config::{Loader, Problems};
use crate::supervisor::RunError;
use demo::{Demo, DemoArgs, DemoError};
use serve::StartError;

const REFUSED: u8 = 1;
const FAILED: u8 = 3;

/// A clustered S3 gateway.
#[derive(Parser)]
#[command(name = "holdfast", version, about, max_term_width = 100)]
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
    /// The configuration file. `-config FILE` works too.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Names every problem of a configuration, or says ok.
    Check {
        /// The configuration file.
        file: PathBuf,
    },
    /// Shows a configuration as it takes effect, without secrets.
    Print {
        /// The configuration file.
        file: PathBuf,
    },
}

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Config(#[from] Problems),
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl CommandError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Start(StartError::Run(RunError::Failed(_))) => FAILED,
            _ => REFUSED,
        })
    }
}

/// The whole program.
pub fn run() -> ExitCode {
    // Whatever this process makes belongs to its user alone.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let arguments = Arguments::parse_from(std::env::args_os().map(with_two_dashes));
    match execute(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", told(&error));
            error.exit_code()
        }
    }
}

fn execute(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Serve(ConfigFile { config }) => Ok(serve::serve(config)?),
        Command::Demo(arguments) => demo(&arguments),
        Command::Config(ConfigCommand::Check { file }) => check(file),
        Command::Config(ConfigCommand::Print { file }) => {
            say(Loader::new().file(&file).load()?.effective.to_string().trim_end())
        }
        Command::Version => say(&format!("holdfast {}", env!("CARGO_PKG_VERSION"))),
    }
}

/// One line per problem, each with the name of the program in front.
fn told(error: &CommandError) -> String {
    let lines: Vec<_> = error
        .to_string()
        .lines()
        .map(|line| format!("holdfast: {line}"))
        .collect();
    lines.join("\n")
}

/// The programs that came before write `-config FILE`.
fn with_two_dashes(argument: OsString) -> OsString {
    match argument.to_str() {
        Some(text) if text == "-config" || text.starts_with("-config=") => format!("-{text}").into(),
        _ => argument,
    }
}

fn check(file: PathBuf) -> Result<(), CommandError> {
    let loaded = Loader::new().file(&file).load()?;
    for warning in &loaded.warnings {
        eprintln!("holdfast: warning: {warning}");
    }
    say("ok")
}

fn demo(arguments: &DemoArgs) -> Result<(), CommandError> {
    let demo = Demo::prepare(arguments)?;
    Ok(serve::demo(demo)?)
}

/// Writes a line to standard output.
fn say(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // Whoever stopped reading has what it wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::Output(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_flag_of_earlier_programs_is_understood() {
        for given in [
            &["-config", "a.yaml"][..],
            &["--config", "a.yaml"],
            &["-config=a.yaml"],
            &["--config=a.yaml"],
        ] {
            let arguments = ["holdfast", "serve"]
                .iter()
                .chain(given)
                .map(|text| with_two_dashes(text.into()));
            let parsed = Arguments::try_parse_from(arguments).map(|arguments| match arguments.command {
                Command::Serve(ConfigFile { config }) => Some(config),
                _ => None,
            });
            assert_eq!(parsed.ok().flatten(), Some(PathBuf::from("a.yaml")), "{given:?}");
        }
    }

    #[test]
    fn serving_without_a_configuration_is_refused() {
        assert!(Arguments::try_parse_from(["holdfast", "serve"]).is_err());
        assert!(Arguments::try_parse_from(["holdfast"]).is_err());
    }
}
