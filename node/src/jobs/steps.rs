//! The jobs taken step by step, for tests.

use raft_types::limits::ATTEMPTS;
use tokio::sync::{mpsc, watch};

use super::{JobError, JobParts, JobTimes, Shared};
use crate::replicas::{Discarded, Suspicion};

/// What each job does in one turn, when a test says so.
#[derive(Debug)]
pub(crate) struct Steps {
    shared: Shared,
    discards: mpsc::Receiver<Discarded>,
    suspicions: mpsc::Receiver<Suspicion>,
    running: watch::Receiver<bool>,
    // Kept: a closed channel means that the node stops.
    stop: watch::Sender<bool>,
}

impl Steps {
    pub(crate) fn new(parts: JobParts) -> Self {
        let JobParts {
            metadata,
            backends,
            epochs,
            cluster,
            incarnation,
            discards,
            suspicions,
            times,
        } = parts;
        let shared = Shared {
            metadata,
            backends,
            epochs,
            cluster,
            incarnation,
            times,
        };
        let (stop, running) = watch::channel(false);
        Self {
            shared,
            discards,
            suspicions,
            running,
            stop,
        }
    }

    /// Hands over everything that was dropped so far; how many attempts.
    pub(crate) async fn discard(&mut self) -> usize {
        let mut handed = 0;
        while !self.discards.is_empty() {
            let mut batch = Vec::new();
            handed += self.discards.recv_many(&mut batch, ATTEMPTS).await;
            self.shared.give_up(&batch).await.unwrap();
        }
        handed
    }

    /// Reports all replicas that were found wanting so far; how many.
    pub(crate) async fn report(&mut self) -> usize {
        let mut reported = 0;
        while let Ok(suspicion) = self.suspicions.try_recv() {
            self.shared.report(suspicion).await.unwrap();
            reported += 1;
        }
        reported
    }

    /// Closes and seals the epochs that may be.
    pub(crate) async fn advance(&self) -> Result<(), String> {
        let advanced = self.shared.epochs.advance().await;
        advanced.map_err(|error| JobError::from(error).to_string())
    }

    /// Takes dead content apart.
    pub(crate) async fn release(&self) {
        self.shared.release_due(&self.running).await;
    }

    /// Deletes what is due, on each backend in turn.
    pub(crate) async fn collect(&self) {
        for attached in self.shared.backends.all() {
            self.shared.collect_from(&attached, &self.running).await;
        }
    }

    /// Sweeps what is due, on each backend in turn, and forgets what is swept.
    pub(crate) async fn sweep(&self) {
        for attached in self.shared.backends.all() {
            self.shared.sweep_on(&attached, &self.running).await;
        }
        self.shared.forget_due().await.unwrap();
    }

    /// Forgets results of uploads that are old enough.
    pub(crate) async fn expire(&self) {
        self.shared.expire_due(&self.running).await;
    }

    /// Opens another session in the place of a sealed one.
    pub(crate) async fn renew_session(&self) -> Result<(), String> {
        let mut running = self.running.clone();
        let renewed = self.shared.open_another_session(&mut running).await;
        renewed.map_err(|error| error.to_string())
    }

    /// Changes the times.
    pub(crate) fn set_times(&mut self, times: JobTimes) {
        self.shared.times = times;
    }

    /// Lets the node stop in the eyes of the jobs.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Takes that back.
    pub(crate) fn go_on(&self) {
        self.stop.send_replace(false);
    }

    /// The jobs, to be run as in production, and steps that get nothing to discard or report any more.
    pub(crate) fn take_parts(&mut self) -> JobParts {
        let (_, no_discards) = mpsc::channel(1);
        let (_, no_suspicions) = mpsc::channel(1);
        let Shared {
            metadata,
            backends,
            epochs,
            cluster,
            incarnation,
            times,
        } = self.shared.clone();
        JobParts {
            metadata,
            backends,
            epochs,
            cluster,
            incarnation,
            discards: std::mem::replace(&mut self.discards, no_discards),
            suspicions: std::mem::replace(&mut self.suspicions, no_suspicions),
            times,
        }
    }
}
