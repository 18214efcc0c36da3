//! Tests that need what the crate does not show: fixed data keys, the other AEAD, bare primitives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod differential;
mod format_page;
mod golden;
mod payload;
mod vectors;
