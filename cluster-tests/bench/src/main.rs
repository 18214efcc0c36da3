//! `holdfast-bench`: a lean load generator and the comparisons behind `make bench`.
//!
//! Lives here: requests prepared and signed beforehand, clients that send them, the servers that are
//! compared, the report. May not: measure inside a test, or import any crate of Holdfast: it sees what
//! a client sees.

mod cpu;
mod load;
mod presign;
mod report;
mod servers;
mod suite;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::suite::{Part, Plan};

/// Measures Holdfast beside what it is compared with.
#[derive(Parser)]
#[command(name = "holdfast-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// All figures of one node, with nginx in the same run.
    Suite {
        /// The binary under test.
        #[arg(long)]
        holdfast: PathBuf,
        /// The binary that measures the state; of the same build.
        #[arg(long)]
        state_size: PathBuf,
        /// Folder of the report.
        #[arg(long)]
        out: PathBuf,
        /// Folder on a real disk for logs and metadata; made anew, removed afterwards.
        #[arg(long, default_value = "/var/tmp")]
        disk: PathBuf,
        /// Folder on a tmpfs for the bytes; a folder is made in it and removed afterwards.
        #[arg(long, default_value = "/dev/shm")]
        memory: PathBuf,
        /// Seconds of one round.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Rounds of each side.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Objects of the large bucket.
        #[arg(long, default_value_t = 1_000_000)]
        objects: usize,
        /// Measure only these, separated by commas.
        #[arg(long, value_enum, value_delimiter = ',', default_values_t = Part::value_variants().to_vec())]
        only: Vec<Part>,
    },
}

fn main() -> ExitCode {
    let Command::Suite {
        holdfast,
        state_size,
        out,
        disk,
        memory,
        seconds,
        rounds,
        objects,
        only,
    } = Arguments::parse().command;
    let own = format!("holdfast-bench-{}", std::process::id());
    let plan = Plan {
        parts: only,
        holdfast,
        state_size,
        disk: disk.join(&own),
        memory: memory.join(&own),
        seconds,
        rounds,
        objects,
    };
    let result = suite::run(&plan);
    for folder in [&plan.disk, &plan.memory] {
        let log = folder.join("holdfast.log");
        if result.is_err() && log.exists() {
            let _ = std::fs::create_dir_all(&out);
            let _ = std::fs::copy(&log, out.join("holdfast.log"));
        }
        let _ = std::fs::remove_dir_all(folder);
    }
    match result {
        Ok(report) => finish(&report, &out),
        Err(error) => {
            eprintln!("the benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn finish(report: &report::Report, out: &std::path::Path) -> ExitCode {
    if let Err(error) = report.write(out) {
        eprintln!("the report could not be written to {}: {error}", out.display());
        return ExitCode::FAILURE;
    }
    eprintln!(
        "\n{}\nreport: {}",
        report.table(),
        out.join("report.json").display()
    );
    ExitCode::SUCCESS
}

/// Now, as SigV4 writes it.
pub(crate) fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_time_of_signing_has_the_form_of_the_protocol() {
        let timestamp = super::timestamp();
        assert_eq!(timestamp.len(), 16, "{timestamp}");
        assert_eq!((&timestamp[8..9], &timestamp[15..]), ("T", "Z"));
    }
}
