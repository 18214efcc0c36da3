//! The order in which a process starts, serves and stops.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio::time::MissedTickBehavior;

use super::notify;
use super::signals::{Asked, Signals};
use crate::config::{Config, Loaded, Problems};
use crate::http::tls::{ReloadableTls, TlsError};
use crate::http::{BindError, Drained, Health, NoSurface, Routes, Server, ServerOptions, bind};
use crate::lifecycle::{Assemble, AssembleError, Assembled, Failure, Lifecycle};
use crate::telemetry::{UPKEEP, Metrics, MetricsError};

/// What a process is run with.
pub struct Serve<A> {
    /// The configuration.
    pub loaded: Loaded,
    /// Puts the node together.
    pub assembly: A,
    /// Reads the configuration anew at a reload.
    pub reload: Box<dyn Fn() -> Result<Loaded, Problems> + Send>,
    /// Called once requests are served.
    pub ready: Box<dyn FnOnce() + Send>,
}

/// Why a process ended with a failure.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Metrics were started before.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(io::Error),
    /// The node did not start.
    #[error("the node cannot start: {}", chain(&**.0))]
    Assemble(AssembleError),
    /// The node cannot go on.
    #[error("the node cannot go on: {0}")]
    Failed(Failure),
}

/// Runs a process until it is told to stop.
///
/// # Errors
/// It could not start, or could not go on.
pub async fn run<A: Assemble>(serve: Serve<A>) -> Result<(), RunError> {
    let Serve { loaded, assembly, reload, ready } = serve;
    let config = loaded.config;
    let server = config.node.server.clone();
    let metrics = Metrics::install()?;
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    let tls = server.tls.clone().map(ReloadableTls::load).transpose()?.map(Arc::new);
    let listener = bind(&server.listen_addr)?;
    let address = listener.address();
    let health = Health::default();
    let options = ServerOptions::from(&server);
    let surface = Arc::new(OnceLock::new());
    let routes = Routes::of_s3_listener(&config, health.clone(), &metrics);
    let s3_server = Server::start(listener, tls.clone(), options, routes, Arc::clone(&surface));
    let own = config.node.metrics.as_ref().and_then(|metrics| metrics.address.as_ref());
    let metrics_server = match own {
        Some(address) => {
            let routes = Routes::of_metrics_listener(&config, health.clone(), &metrics);
            let nobody: Arc<OnceLock<NoSurface>> = Arc::new(OnceLock::new());
            Some(Server::start(bind(address)?, None, options, routes, nobody))
        }
        None => None,
    };

    let assembled = tokio::select! {
        assembled = assembly.assemble(config) => assembled.map_err(RunError::Assemble)?,
        () = signals.to_stop() => return Ok(()),
    };
    let Assembled { s3, lifecycle } = assembled;
    // Only here, and only once.
    let _ = surface.set(s3);
    health.assembled(Arc::clone(&lifecycle));
    tracing::info!(%address, "serving");
    notify::ready();
    ready();

    let upkeep = tokio::spawn(keep_up(metrics));
    let failure = supervise(&mut signals, &*lifecycle, &*reload, tls.as_deref()).await;
    upkeep.abort();
    if let Some(failure) = failure {
        return Err(RunError::Failed(failure));
    }
    notify::stopping();
    tracing::info!("stopping");
    health.stopping();
    s3_server.leave();
    lifecycle.prepare_stop().await;
    tokio::select! {
        () = tokio::time::sleep(server.shutdown_delay) => {}
        () = signals.to_stop() => tracing::warn!("asked a second time: not waiting any longer"),
    }
    tokio::select! {
        drained = s3_server.drain(server.drain_timeout) => if let Drained::Cut(connections) = drained {
            tracing::warn!(connections, "requests were cut off at the end of the drain");
        },
        () = signals.to_stop() => tracing::warn!("asked a second time: requests are cut off"),
    }
    lifecycle.stop().await;
    if let Some(metrics_server) = metrics_server {
        metrics_server.drain(std::time::Duration::ZERO).await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Keeps histograms bounded although nobody scrapes them.
async fn keep_up(metrics: Metrics) {
    let mut ticks = tokio::time::interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        metrics.upkeep();
    }
}

/// Waits for the end, and reloads meanwhile.
async fn supervise(
    signals: &mut Signals,
    lifecycle: &dyn Lifecycle,
    reload: &(dyn Fn() -> Result<Loaded, Problems> + Send),
    tls: Option<&ReloadableTls>,
) -> Option<Failure> {
    loop {
        tokio::select! {
            failure = lifecycle.failed() => return Some(failure),
            asked = signals.asked() => match asked {
                Asked::ToStop => return None,
                Asked::ToReload => reload_all(lifecycle, reload, tls).await,
            },
        }
    }
}

async fn reload_all(
    lifecycle: &dyn Lifecycle,
    reload: &(dyn Fn() -> Result<Loaded, Problems> + Send),
    tls: Option<&ReloadableTls>,
) {
    tracing::info!("reloading");
    if let Some(tls) = tls
        && let Err(error) = tls.reload()
    {
        tracing::error!(error = &error as &dyn std::error::Error, "the old certificate stays");
    }
    match reload() {
        Ok(Loaded { config: Config { cluster, .. }, .. }) => {
            if let Err(error) = lifecycle.reconfigure(&cluster).await {
                tracing::error!(%error, "the old settings stay");
            }
        }
        Err(problems) => tracing::error!(%problems, "the old settings stay"),
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
