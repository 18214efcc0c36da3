//! Signatures: what is accepted, against published examples, another signer and a real client; what is
//! refused, and how.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "../auth_signer/mod.rs"]
mod signer;

mod arbitrary;
mod botocore;
mod canonical;
mod published;
mod refusals;
mod secrecy;
mod times;
