//! One process from its start to its end: listeners, signals, reloads, the service manager.
//!
//! Lives here: the order of things. May not: what a node does. The order is that of
//! [`crate::lifecycle`]; every task that is started here is ended here.

mod announce;
mod limits;
mod running;
mod signals;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::task::JoinHandle;
use tokio::time::interval;

use crate::config::{Loaded, Problems};
use crate::http::tls::{ReloadableTls, TlsError};
use crate::http::{BindError, Drained, Health, Listener, NoSurface, Routes, Server, ServerOptions, bind};
use crate::lifecycle::{Assemble, AssembleError, Assembled, Failure, chain};
use crate::telemetry::{Logs, Metrics, UPKEEP};
use announce::{Announcer, Repeated};
use running::{Running, STOP_LIMIT};
pub(crate) use signals::Signals;

pub use limits::raise_descriptor_limit;

/// Reads the configuration again.
pub type Reload = Arc<dyn Fn() -> Result<Loaded, Problems> + Send + Sync>;

/// What a process is made of.
pub struct Process<'a, A> {
    /// Its configuration.
    pub loaded: Loaded,
    /// Puts the node together.
    pub assembly: A,
    /// Reads the configuration again, at SIGHUP.
    pub reload: Reload,
    /// Called once requests are served, with the address of the S3 listener.
    pub ready: Box<dyn FnOnce(SocketAddr) + Send + 'a>,
    /// Its metrics.
    pub metrics: Metrics,
    /// Its log; `None` where somebody else owns it.
    pub logs: Option<&'a Logs>,
}

/// Why a process ended otherwise than it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A port could not be taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A file of TLS cannot be used.
    #[error("server.tls: {0}")]
    Tls(#[from] TlsError),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(io::Error),
    /// The node did not start.
    #[error("cannot start: {}", chain(&**.0))]
    Assemble(AssembleError),
    /// The node could not go on.
    #[error("cannot go on: {0}")]
    Failed(Failure),
}

/// Runs a process until a signal tells it to stop.
///
/// # Errors
/// It could not start, or could not go on.
pub async fn run<A: Assemble>(process: Process<'_, A>) -> Result<(), RunError> {
    let signals = Signals::of_process().map_err(RunError::Signals)?;
    run_with(process, signals).await
}

pub(crate) async fn run_with<A: Assemble>(
    process: Process<'_, A>,
    mut signals: Signals,
) -> Result<(), RunError> {
    let Process {
        loaded,
        assembly,
        reload,
        ready,
        metrics,
        logs,
    } = process;
    let node = loaded.config.node.clone();

    let _alive = Repeated::alive();
    let starting = Repeated::starting();

    // Everything that can be refused is refused before the first connection is accepted.
    let tls = node
        .server
        .tls
        .clone()
        .map(ReloadableTls::load)
        .transpose()?
        .map(Arc::new);
    let s3_listener = bind(&node.server.listen_addr)?;
    let metrics_address = node.metrics.as_ref().and_then(|metrics| metrics.address.as_ref());
    let metrics_listener = metrics_address.map(bind).transpose()?;

    let health = Health::default();
    let surface = Arc::new(OnceLock::new());
    let options = ServerOptions::from(&node.server);
    let address = s3_listener.address();
    let routes = Routes::of_s3_listener(&loaded.config, health.clone(), &metrics);
    let server = Server::start(s3_listener, tls.clone(), options, routes, Arc::clone(&surface));
    let routes = Routes::of_metrics_listener(&loaded.config, health.clone(), &metrics);
    let _metrics_server = metrics_listener.map(|listener| serve_metrics(listener, options, routes));
    let _upkeep = Upkeep::start(metrics);
    tracing::info!(%address, tls = tls.is_some(), node = %node.name, version = env!("CARGO_PKG_VERSION"), "starting");

    let announcer = Announcer;
    let assembled = tokio::select! {
        assembled = assembly.assemble(loaded.config.clone()) => assembled.map_err(RunError::Assemble)?,
        () = signals.stop() => {
            announcer.stopping(STOP_LIMIT);
            tracing::info!("stopped before the node had started");
            return Ok(());
        }
    };
    drop(starting);
    let Assembled { s3, lifecycle } = assembled;
    // Set here and nowhere else, so it was empty.
    let _ = surface.set(s3);
    health.assembled(Arc::clone(&lifecycle));
    announcer.ready();
    tracing::info!(%address, "serving");
    ready(address);

    let running = Running {
        started_with: loaded.effective,
        lifecycle,
        reload,
        tls,
        logs,
        announcer,
    };
    running
        .until_stopped(&mut signals)
        .await
        .map_err(RunError::Failed)?;

    health.stopping();
    let phases = [node.server.shutdown_delay, node.server.drain_timeout, STOP_LIMIT];
    announcer.stopping(phases.iter().sum());
    server.leave();
    tracing::info!(delay_s = node.server.shutdown_delay.as_secs_f64(), "stopping");
    running.leave(&mut signals, node.server.shutdown_delay).await;
    tokio::select! {
        drained = server.drain(node.server.drain_timeout) => if let Drained::Cut(connections) = drained {
            tracing::warn!(connections, "requests took longer than server.drain_timeout");
        },
        () = signals.stop() => tracing::warn!("told to stop again: requests are cut"),
    }
    running.stop(&mut signals).await;
    tracing::info!("stopped");
    Ok(())
}

fn serve_metrics(listener: Listener, options: ServerOptions, routes: Routes) -> Server<NoSurface> {
    tracing::info!(address = %listener.address(), "serving metrics");
    Server::start(
        listener,
        None,
        options,
        routes,
        Arc::new(OnceLock::from(NoSurface)),
    )
}

/// Keeps the histograms small; ends when it is dropped.
struct Upkeep(JoinHandle<()>);

impl Upkeep {
    fn start(metrics: Metrics) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = interval(UPKEEP);
            loop {
                ticks.tick().await;
                metrics.upkeep();
            }
        }))
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.abort();
    }
}
