//! The S3 front end before a node in memory, asked as clients ask.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

mod buckets;
mod conditions;
mod deleting;
mod documents;
mod fuzz;
mod hostile;
mod http2;
mod identity;
mod listing;
mod mistakes;
mod multipart;
mod objects;
mod reading;
mod support;
mod wire;
