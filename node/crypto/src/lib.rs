//! What one stored blob looks like, and the keys that protect it.
//!
//! A *blob* is the byte sequence that lies on a backend: a header, chunks that are each sealed on
//! their own, and a footer that describes the blob without any database. This crate turns client
//! bytes into such a sequence and back, maps ranges of one onto ranges of the other, and keeps
//! the keys. The byte layout stands in `docs/reference/blob-format.md`; an independent reader of
//! it in Python stands beside that page.
//!
//! ```text
//!  master key (provider) ── wraps ──► bucket key (random, versioned) ── wraps ──► data key (one per blob)
//!                                                                                    │ HKDF
//!   header ‖ chunk 0 ‖ tag ‖ chunk 1 ‖ tag ‖ … ‖ last chunk ‖ tag ‖ footer ◄── chunk key, nonces, commitment
//! ```
//!
//! Entry points:
//! - writing: [`Encryption::sealer`] → [`frame::Encoder`];
//! - reading: [`keys::Keyring::opener`] (or [`frame::Opener::clear`]) → [`frame::Decoder`] over a
//!   [`frame::RangeMap`], [`frame::Verifier`] over all stored bytes;
//! - what a stored blob says about itself: [`footer::Trailer`] → [`footer::Footer`];
//! - keys: [`keys::KeyProvider`] → [`keys::MasterKey`] → [`keys::Keyring`], stored as
//!   [`keys::KeyringContents`];
//! - everything that is keyed by the cluster's own secret: [`ClusterSecret`].
//!
//! What is deliberately absent: no async runtime, no network, no clock, no configuration, no
//! logging. Nothing here decides which backend holds a blob, and no function takes a suite as an
//! argument: the suite follows from the kind of key that was obtained, so that asking for
//! encryption and storing plaintext is not a state a program can be in.

pub mod aead;
mod checksum;
mod cluster_secret;
mod encryption;
pub mod footer;
pub mod frame;
mod ids;
mod kdf;
pub mod keys;
mod secret;
#[cfg(test)]
mod tests;

pub use checksum::Crc64Nvme;
pub use cluster_secret::{ClusterSecret, MAC_LEN, Purpose, SEALED_OVERHEAD, SealError};
pub use encryption::{Encryption, EncryptionDisabled};
pub use ids::{BlobId, BucketId, ClusterId, DomainId, KeyId, KeyRef, KeyVersion, MasterVersion};
pub use secret::{NoEntropy, SecretKey, WeakKey};
