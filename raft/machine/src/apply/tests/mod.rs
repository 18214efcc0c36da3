//! What commands do, by the scenarios of the design. After every command all invariants are checked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod backends;
mod blobs;
mod bounds;
mod buckets;
mod cluster;
mod copies;
mod epochs;
mod fixture;
mod keys;
mod numbers;
mod objects;
mod random;
mod uploads;
mod versions;
