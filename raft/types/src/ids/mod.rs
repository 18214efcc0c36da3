//! Typed identities. None is ever used twice, and every one has a key encoding that keeps its order.

mod drawn;
mod incarnation;
mod numeric;
mod part_number;
mod version;

pub use drawn::{BackendNonce, BlobId, BootNonce, ClusterId, DiskId, EncryptionDomain, UploadId};
pub use incarnation::Incarnation;
pub use numeric::{Attempt, BackendId, BucketId, EpochId, IncarnationCounter, KeyVersion, NodeId, SessionId};
pub use part_number::PartNumber;
pub use version::{RowId, VersionId};

use thiserror::Error;

/// A text that is not the written form of an id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text:?} is not {expected}")]
pub struct InvalidId {
    /// The text as it was given.
    pub text: String,
    /// What was expected in its place.
    pub expected: &'static str,
}

impl InvalidId {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        InvalidId {
            text: text.to_owned(),
            expected,
        }
    }
}

/// Reads exactly `2 * N` lower-case hexadecimal digits.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 2 * N || !text.bytes().all(lower) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests;
