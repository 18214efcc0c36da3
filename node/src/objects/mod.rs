//! The use cases of the S3 surface: authorize, decide on one view, move bytes, commit.
//!
//! Lives here: the implementation of [`api::port::ObjectGateway`]. May not: HTTP, XML, a query string
//! (that is `api`), a RocksDB or openraft type (that is `raft`), the order of replicas or the choice of
//! backends (that is `node-planner`).
//!
//! Rules that every use case keeps:
//! - it authorizes on the view after the barrier before it does or reveals anything else;
//! - nothing is committed before the body was verified to its last byte;
//! - a commit runs to its end although the client has gone, so that its outcome is always known to
//!   this node before the bytes' tickets are let go.

mod access;
mod body;
mod buckets;
mod commit;
mod complete;
mod delete;
mod errors;
mod gateway;
mod list;
mod multipart;
mod put;
mod read;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;
mod translate;
mod upload_id;

pub(crate) use access::{AccessPolicy, CreateBuckets};
#[cfg(test)]
pub(crate) use body::ObjectBody;
pub(crate) use errors::unavailable;
pub(crate) use gateway::{Gateway, GatewayParts, ObjectLimits};
