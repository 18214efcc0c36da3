//! `holdfast serve` and `holdfast demo`: a node in this process.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::demo::Demo;
use super::say;
use crate::assembly::NodeAssembly;
use crate::config::{Loaded, Loader, Places, Problems};
use crate::http::BindError;
use crate::supervisor::{Process, Reload, RunError, raise_descriptor_limit, run};
use crate::telemetry::{LogError, Logs, Metrics, MetricsError, RequestLog, report_panics};

/// How long threads that block may hold the end of the process up.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// Threads that wait for disks at most: a disk serves no more steps at once, and further ones would wait in
/// its queue instead of ours. What waits for a thread is bounded by the connections.
const BLOCKING_THREADS: usize = 128;

/// Why a node did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Config(#[from] Problems),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error("cannot start threads: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("{0}; --port chooses another")]
    DemoPort(BindError),
}

/// Runs a node on a configuration file.
pub(super) fn serve(file: PathBuf) -> Result<(), StartError> {
    let reload: Reload = Arc::new(move || Loader::new().file(&file).load());
    let loaded = reload()?;
    start(loaded, reload, |_| {})
}

/// Runs a node on the embedded configuration, and says `ready` on standard output.
pub(super) fn demo(demo: Demo) -> Result<(), StartError> {
    let loaded = demo.loader().load()?;
    let welcome = demo.welcome(&loaded);
    let data = demo.data().to_owned();
    let reload: Reload = Arc::new(move || demo.loader().load());
    let ended = start(loaded, reload, move |address| {
        if let Some(welcome) = welcome {
            eprintln!("{}", welcome.at(address));
        }
        if let Err(error) = say("ready") {
            tracing::error!(%error, "nobody can be told that the demo is ready");
        }
    });
    match ended {
        // On a terminal the line above is that of the key that was pressed.
        Ok(()) => eprintln!("\nHoldfast has stopped. Its data stays in {}.", data.display()),
        Err(StartError::Run(RunError::Bind(taken))) => return Err(StartError::DemoPort(taken)),
        Err(error) => return Err(error),
    }
    Ok(())
}

fn start(loaded: Loaded, reload: Reload, ready: impl FnOnce(SocketAddr) + Send) -> Result<(), StartError> {
    let mut places = Places::of(&loaded.config.cluster);
    let warnings: Vec<_> = loaded
        .warnings
        .iter()
        .cloned()
        .chain(places.warnings.drain(..))
        .collect();
    if let Some(problems) = places.problems() {
        return Err(problems.into());
    }
    // Dropped last, since dropping it writes the lines that still wait.
    let logs = Logs::start(loaded.config.node.logging)?;
    report_panics();
    raise_descriptor_limit(loaded.config.node.server.max_connections);
    let metrics = Metrics::install()?;
    for warning in &warnings {
        tracing::warn!(%warning, "configuration");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("node")
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(StartError::Runtime)?;
    let process = Process {
        loaded,
        assembly: NodeAssembly {
            observer: RequestLog::new(),
        },
        reload,
        ready: Box::new(ready),
        metrics,
        logs: Some(&logs),
    };
    let ended = runtime.block_on(run(process));
    // Whoever blocks a thread by now waits for a disk that will not answer.
    runtime.shutdown_timeout(LAST_BREATH);
    Ok(ended?)
}
