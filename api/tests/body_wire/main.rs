//! Bodies: what is accepted, in whatever pieces it arrives; what is refused, and that nothing of it gets
//! through before that is known.
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
mod chunks;
mod declared;
mod digests;
mod flow;
mod multipart;
mod support;
mod tampering;
mod trailers;
