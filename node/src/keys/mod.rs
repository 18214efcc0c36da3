//! The bucket keys of this node: unwrapped for use, made when a bucket needs one, kept in the state and
//! in a keyring object on the backends.
//!
//! Lives here: the table of usable keys, the making of a key version, the keyring object. May not: a
//! cipher (that is `node-crypto`), a path that stores plaintext because a key was missing.

mod contents;
mod keyring_object;
mod make;
mod stored;
mod table;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;

pub(crate) use make::{BucketKeys, KeysError, Sealing};
