//! A node that serves: reloads, and the steps to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Reload;
use super::announce::Announcer;
use super::signals::{Signal, Signals};
use crate::config::{Effective, Loaded, TakesEffect};
use crate::http::tls::ReloadableTls;
use crate::lifecycle::{Failure, Lifecycle};
use crate::telemetry::{Logs, names};

/// Longest time that giving leadership away may take; without it the cluster elects anew.
const PREPARE_LIMIT: Duration = Duration::from_secs(10);

/// Longest time that a node may take to end in order. What it does then only saves work later.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A node that serves.
pub(super) struct Running<'a> {
    pub(super) started_with: Effective,
    pub(super) lifecycle: Arc<dyn Lifecycle>,
    pub(super) reload: Reload,
    pub(super) tls: Option<Arc<ReloadableTls>>,
    pub(super) logs: Option<&'a Logs>,
    pub(super) announcer: Announcer,
}

impl Running<'_> {
    /// Reloads when told to; returns when told to stop, or with what keeps the node from going on.
    pub(super) async fn until_stopped(&self, signals: &mut Signals) -> Result<(), Failure> {
        // One future for the whole time, so that a failure during a reload is not missed.
        let mut failed = self.lifecycle.failed();
        loop {
            tokio::select! {
                failure = &mut failed => return Err(logged(failure)),
                signal = signals.next() => match signal {
                    Signal::Stop => return Ok(()),
                    Signal::Reload => tokio::select! {
                        failure = &mut failed => return Err(logged(failure)),
                        () = self.reload() => {}
                    },
                },
            }
        }
    }

    async fn reload(&self) {
        tracing::info!("reloading");
        self.announcer.reloading();
        // Each is tried whatever became of the other: a renewed certificate must not wait for a typo.
        let certificate = self.reload_certificate().await;
        let settings = self.reload_settings().await;
        let status = if certificate && settings { "ok" } else { "refused" };
        metrics::counter!(names::CONFIG_RELOADS, "status" => status).increment(1);
        tracing::info!(status, "the reload is over");
        self.announcer.ready();
    }

    /// Takes over what can be taken over; what is refused leaves what there was.
    async fn reload_settings(&self) -> bool {
        let reload = Arc::clone(&self.reload);
        let loaded = match tokio::task::spawn_blocking(move || reload()).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(problems)) => {
                for problem in problems.iter() {
                    tracing::error!(%problem, "the configuration stays as it was");
                }
                return false;
            }
            Err(error) => {
                tracing::error!(%error, "the configuration stays as it was");
                return false;
            }
        };
        self.report(&loaded);
        if let Err(error) = self.lifecycle.reconfigure(&loaded.config.cluster).await {
            tracing::error!(%error, "the settings stay as they were");
            return false;
        }
        if let Some(logs) = self.logs {
            logs.set_level(loaded.config.node.logging.level);
        }
        true
    }

    fn report(&self, loaded: &Loaded) {
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "configuration");
        }
        for difference in self.started_with.differences(&loaded.effective) {
            if difference.takes_effect == TakesEffect::AtRestart {
                tracing::warn!(
                    key = difference.path,
                    "this change takes effect at the next start"
                );
            }
        }
    }

    async fn reload_certificate(&self) -> bool {
        let Some(tls) = self.tls.clone() else {
            return true;
        };
        let why = match tokio::task::spawn_blocking(move || tls.reload()).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(error = why, "the certificate in use stays in use");
        false
    }

    /// Goes on serving for a while, so that balancers look elsewhere.
    pub(super) async fn leave(&self, signals: &mut Signals, delay: Duration) {
        let prepared = async {
            if timeout(PREPARE_LIMIT, self.lifecycle.prepare_stop())
                .await
                .is_err()
            {
                tracing::warn!("leadership could not be given away in time");
            }
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(sleep(delay), prepared) } => {}
            () = signals.stop() => tracing::warn!("told to stop again: not waiting any longer"),
        }
    }

    /// Ends the node; the process can exit afterwards, whatever became of it.
    pub(super) async fn stop(&self, signals: &mut Signals) {
        tokio::select! {
            stopped = timeout(STOP_LIMIT, self.lifecycle.stop()) => if stopped.is_err() {
                tracing::error!("the node did not end in order in time; the next start recovers");
            },
            () = signals.stop() => tracing::warn!("told to stop again: the next start recovers"),
        }
    }
}

fn logged(failure: Failure) -> Failure {
    tracing::error!(%failure, "the node cannot go on");
    failure
}
