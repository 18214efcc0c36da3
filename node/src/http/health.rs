//! Whether this process lives, and whether it can serve.

use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use crate::lifecycle::{Lifecycle, Readiness};

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// It starts; nothing can be served.
    Starting,
    /// It serves.
    Serving,
    /// It will stop.
    Stopping,
}

/// Answers health checks. Costs no IO.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    state: RwLock<HealthState>,
    lifecycle: OnceLock<Arc<dyn Lifecycle>>,
}

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Inner {
            state: RwLock::new(HealthState::Starting),
            lifecycle: OnceLock::new(),
        }))
    }
}

impl Health {
    /// The node was put together and is asked from now on.
    pub fn assembled(&self, lifecycle: Arc<dyn Lifecycle>) {
        // Only the first one counts; a process assembles once.
        let _ = self.0.lifecycle.set(lifecycle);
        let mut state = self.0.state.write();
        if *state == HealthState::Starting {
            *state = HealthState::Serving;
        }
    }

    /// The process will stop.
    pub fn stopping(&self) {
        *self.0.state.write() = HealthState::Stopping;
    }

    /// Where the process stands.
    #[must_use]
    pub fn state(&self) -> HealthState {
        *self.0.state.read()
    }

    /// Whether reads can be served now.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        match (self.state(), self.0.lifecycle.get()) {
            (HealthState::Serving, Some(lifecycle)) => lifecycle.readiness(),
            (HealthState::Stopping, _) => Readiness::NotReady("the process will stop"),
            _ => Readiness::NotReady("the process starts"),
        }
    }
}
