//! Whether bodies are encrypted: a decision that cannot be forgotten.

use std::sync::Arc;

use crate::frame::{ChunkSize, Sealer};
use crate::keys::{self, Keyring};
use crate::{BlobId, BucketId};

/// The operator's word that bodies are to be stored unencrypted.
///
/// Make it in the one place where `encryption.enabled: false` is read and hand it on from there.
/// Nothing else leads to a plaintext blob: an [`Encryption::Enabled`] whose key is missing gives an
/// error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptionDisabled(());

impl EncryptionDisabled {
    /// The settings in force say `encryption.enabled: false`.
    pub const fn by_settings() -> Self {
        Self(())
    }
}

/// How new bodies are written. Has no default.
#[derive(Debug, Clone)]
pub enum Encryption {
    /// Suite 1 under the bucket's active key, or not at all.
    Enabled(Arc<Keyring>),
    /// Suite 0.
    Disabled(EncryptionDisabled),
}

impl Encryption {
    /// The right to write one new blob of a bucket. Draws a fresh data key when encryption is
    /// enabled.
    ///
    /// # Errors
    /// The bucket has no active key here, it is locked, or no randomness is to be had.
    pub fn sealer(&self, bucket: BucketId, blob: BlobId, chunk: ChunkSize) -> Result<Sealer, keys::Error> {
        match self {
            Self::Enabled(keyring) => keyring.sealer(bucket, blob, chunk),
            Self::Disabled(disabled) => Ok(Sealer::clear(blob, chunk, *disabled)),
        }
    }
}
