//! The harness of the black-box tests: real processes, real sockets, a small S3 client of its own.
//!
//! Lives here: starting, killing and configuring nodes; disks that lose power; signing requests;
//! looking at what lies on a backend; waiting for conditions. May not: an import of `node` or `raft`; anything that a user could
//! not see or do.
//!
//! # Campaigns
//!
//! The ordinary run takes minutes. Longer ones are asked for by the environment:
//!
//! | variable | what it means |
//! |---|---|
//! | `HOLDFAST_SEED` | the seed that a failed test has printed |
//! | `HOLDFAST_POWER_POINTS` | points at which each enumeration cuts the power: a number, or `every` |
//! | `HOLDFAST_POWER_CUTS` | random cuts under several clients |
//! | `HOLDFAST_DISK_FAULTS` | failures of each kind of a disk under the metadata |
//! | `HOLDFAST_TREE_FILES` | files of the tree that clients carry in and out |

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
