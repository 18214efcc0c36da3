//! One Holdfast process: configuration, assembly, object use cases, jobs, listeners, command line.
//!
//! ```text
//!  cli ──▶ config (whole or nothing) ──▶ http::bind ──▶ lifecycle::Assemble ──▶ supervisor::run
//!                                              │                   │ raft, backends, keys,  │ signals, reload,
//!                                              ▼                   ▼ objects, jobs, api     ▼ drain, exit code
//!                                         /health, /metrics   S3 service             lifecycle::Lifecycle
//! ```
//!
//! Lives here: what one process does. May not: a decision that is a function of an immutable view
//! (`node-planner`), bytes of a frame (`node-crypto`), a provider's dialect (`node-backend`), a raft
//! or RocksDB type. No port is bound before the configuration is whole, and no task is without an
//! owner that ends it.
//!
//! Entry points: [`cli::run`] is the whole program; [`config::Loader`] reads a configuration;
//! [`supervisor::run`] runs a process around anything that implements [`lifecycle::Assemble`].

pub mod assembly;
pub mod cli;
pub mod config;
pub mod http;
pub mod identity_access;
pub mod lifecycle;
pub mod supervisor;
pub mod telemetry;

mod jobs;
mod keys;
mod metadata;
mod objects;
mod replicas;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod testing;
