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

use crate::config::{Loaded, Loader, Places, Problems};
use crate::supervisor::RunError;
use demo::{Demo, DemoArgs, DemoError};
use serve::StartError;

const REFUSED: u8 = 1;
const FAILED: u8 = 3;

const EXIT_CODES: &str = "\
`holdfast -config FILE` is `holdfast serve --config FILE`.

Exit codes: 0 done or stopped in order, 1 refused or not started, 2 wrong command line, 3 a node served and
could not go on.";

/// A clustered S3 gateway: one S3 endpoint, several storage backends behind it.
#[derive(Parser)]
#[command(name = "holdfast", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a node. SIGTERM stops it in order, SIGHUP has it read its configuration again.
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

// A file that stands alone or behind the flag of `serve`. No doc comment: clap would show it.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct LookedAt {
    /// The configuration file.
    file: Option<PathBuf>,
    /// The same, as `serve` takes it. `-config FILE` works too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Names every problem of a configuration, or says ok.
    Check(LookedAt),
    /// Shows a configuration as it takes effect, defaults filled in, secrets left out.
    Print(LookedAt),
}

impl LookedAt {
    /// One of the two is there; the command line demands it.
    fn path(self) -> PathBuf {
        self.file.or(self.config).unwrap_or_default()
    }
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
    let arguments = Arguments::parse_from(understood(std::env::args_os()));
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
        Command::Config(ConfigCommand::Check(looked_at)) => {
            load(looked_at)?;
            say("ok")
        }
        Command::Config(ConfigCommand::Print(looked_at)) => {
            say(load(looked_at)?.effective.to_string().trim_end())
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

/// The command line, where the words of the programs that came before are understood: they write
/// `-config FILE`, and have no command before it.
fn understood(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<_> = arguments.map(with_two_dashes).collect();
    if arguments.get(1).is_some_and(is_config_flag) {
        arguments.insert(1, "serve".into());
    }
    arguments
}

fn with_two_dashes(argument: OsString) -> OsString {
    match argument.to_str() {
        Some(text) if text == "-config" || text.starts_with("-config=") => format!("-{text}").into(),
        _ => argument,
    }
}

fn is_config_flag(argument: &OsString) -> bool {
    argument
        .to_str()
        .is_some_and(|text| text == "--config" || text.starts_with("--config="))
}

/// A whole configuration; its warnings are told, and what it would find on this machine.
fn load(looked_at: LookedAt) -> Result<Loaded, CommandError> {
    let loaded = Loader::new().file(&looked_at.path()).load()?;
    let places = Places::of(&loaded.config.cluster).as_warnings();
    for warning in loaded.warnings.iter().chain(&places) {
        eprintln!("holdfast: warning: {warning}");
    }
    Ok(loaded)
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

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        let arguments = std::iter::once("holdfast")
            .chain(arguments.iter().copied())
            .map(OsString::from);
        Arguments::try_parse_from(understood(arguments))
    }

    #[test]
    fn the_flag_of_earlier_programs_is_understood_with_and_without_a_command() {
        for given in [
            &["serve", "-config", "a.yaml"][..],
            &["serve", "--config", "a.yaml"],
            &["serve", "-config=a.yaml"],
            &["serve", "--config=a.yaml"],
            &["-config", "a.yaml"],
            &["--config", "a.yaml"],
            &["-config=a.yaml"],
            &["--config=a.yaml"],
        ] {
            let parsed = parse(given).map(|arguments| match arguments.command {
                Command::Serve(ConfigFile { config }) => Some(config),
                _ => None,
            });
            assert_eq!(parsed.ok().flatten(), Some(PathBuf::from("a.yaml")), "{given:?}");
        }
    }

    #[test]
    fn a_configuration_is_looked_at_by_its_name_alone_or_behind_the_flag() {
        for given in [
            &["config", "check", "a.yaml"][..],
            &["config", "check", "--config", "a.yaml"],
            &["config", "check", "-config", "a.yaml"],
            &["config", "print", "a.yaml"],
            &["config", "print", "-config=a.yaml"],
        ] {
            let parsed = parse(given).map(|arguments| match arguments.command {
                Command::Config(ConfigCommand::Check(file) | ConfigCommand::Print(file)) => Some(file.path()),
                _ => None,
            });
            assert_eq!(parsed.ok().flatten(), Some(PathBuf::from("a.yaml")), "{given:?}");
        }
        for wrong in [
            &["config", "check"][..],
            &["config", "check", "a.yaml", "--config", "b.yaml"],
            &["config", "check", "a.yaml", "b.yaml"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn serving_without_a_configuration_is_refused() {
        for wrong in [&["serve"][..], &[], &["-config"], &["a.yaml"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_command_and_flag_has_a_sentence() {
        fn look(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let told = |help: Option<&clap::builder::StyledStr>| {
                help.is_some_and(|help| help.to_string().trim().len() > 10)
            };
            assert!(told(command.get_about()), "{path}");
            for argument in command.get_arguments() {
                assert!(told(argument.get_help()), "{path} {}", argument.get_id());
            }
            for below in command.get_subcommands() {
                look(below, &path);
            }
        }
        let command = Arguments::command();
        look(&command, "");
        assert!(
            command
                .get_about()
                .is_some_and(|about| about.to_string().contains("S3 gateway"))
        );
    }
}
