//! One process around a node: from a whole configuration to an exit code.
//!
//! Lives here: the order of start and stop, signals, what the service manager is told. May not: what a
//! request means. Nothing is bound before the configuration is whole; from then on `/health` answers
//! 200 and `/health/ready` says whether requests are served.

mod notify;
mod run;
mod signals;

pub use run::{RunError, Serve, run};
