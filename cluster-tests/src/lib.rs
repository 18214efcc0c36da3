//! The harness of the black-box tests: real processes, real sockets, a small S3 client of its own.
//!
//! Lives here: starting, killing and configuring nodes; disks that lose power; signing requests;
//! looking at what lies on a backend; waiting for conditions. May not: an import of `node` or `raft`; anything that a user could
//! not see or do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness fails by panicking"
)]

pub mod backend;
pub mod cut;
pub mod disk;
pub mod held;
pub mod node;
pub mod port;
pub mod s3;
pub mod say;
pub mod seed;
pub mod tools;
pub mod wait;
pub mod workload;

pub use disk::Disk;
pub use node::{Node, NodeConfig};
pub use s3::{Answer, Client};
pub use say::say;
pub use seed::Rng;
