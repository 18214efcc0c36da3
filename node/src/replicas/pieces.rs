//! From rows to what a decoder needs: one piece of an object as it is read from its blob.

use std::ops::Range;

use node_crypto::frame::{
    ChunkSize, Commitment, Decoder, EncryptionDescriptor, Layout, LayoutError, Protection,
};
use node_crypto::keys::{self, Keyring, WRAPPED_KEY_LEN, WrappedKey};
use node_crypto::{KeyId, KeyRef};
use raft_types::ids::{BlobId, BucketId, KeyVersion};
use raft_types::records::{BlobContent, Replica, Suite};

/// A part of a blob that is to be read.
#[derive(Debug, Clone)]
pub(crate) struct PieceRead {
    /// The blob.
    pub(crate) blob: BlobId,
    /// What its replicas hold.
    pub(crate) content: BlobContent,
    /// Where they lie.
    pub(crate) replicas: Vec<Replica>,
    /// Plaintext bytes of the blob; not empty unless the blob is.
    pub(crate) range: Range<u64>,
}

/// Why a piece cannot be opened. No replica is to blame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The key is missing, locked or damaged.
    #[error(transparent)]
    Key(#[from] keys::Error),
    /// The row names a bucket key version that this node's keyring does not name.
    #[error("blob {blob}: bucket {bucket} has no key version {version} here")]
    UnknownKey {
        /// The blob.
        blob: BlobId,
        /// Its bucket.
        bucket: BucketId,
        /// The version that its row names.
        version: KeyVersion,
    },
    /// The row contradicts itself.
    #[error("the row of blob {blob} is damaged: {what}")]
    Row {
        /// The blob.
        blob: BlobId,
        /// What is wrong.
        what: &'static str,
    },
    /// The row's lengths cannot be.
    #[error("the row of blob {blob} is damaged")]
    Layout {
        /// The blob.
        blob: BlobId,
        /// Why.
        source: LayoutError,
    },
}

/// Opens blobs with the keys of one keyring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PieceOpener<'a> {
    /// The unwrapped bucket keys.
    pub(crate) keyring: &'a Keyring,
    /// The key's identity by bucket and version.
    pub(crate) ids: &'a dyn KeyIds,
}

/// Names the bucket key of a bucket.
pub(crate) trait KeyIds: std::fmt::Debug + Send + Sync {
    /// The key's id; `None` where the version is not known.
    fn key_id(&self, bucket: BucketId, version: KeyVersion) -> Option<KeyId>;
}

impl PieceOpener<'_> {
    /// A decoder for the piece.
    ///
    /// # Errors
    /// The key or the row does not serve.
    pub(crate) fn decoder(&self, piece: &PieceRead) -> Result<Decoder, OpenError> {
        let blob = piece.blob;
        let row = |what| OpenError::Row { blob, what };
        let log2 = u8::try_from(piece.content.frame.chunk_log2).map_err(|_| row("its chunk size"))?;
        let chunk = ChunkSize::from_log2(log2).ok_or(row("its chunk size"))?;
        let layout =
            Layout::new(chunk, piece.content.size).map_err(|source| OpenError::Layout { blob, source })?;
        let map = if piece.content.size == 0 {
            layout.whole()
        } else {
            layout
                .range(piece.range.clone())
                .map_err(|source| OpenError::Layout { blob, source })?
        };
        let protection = self.protection(piece)?;
        let opener = self
            .keyring
            .opener(node_crypto::BlobId(blob.0), chunk, &protection)?;
        Ok(Decoder::new(opener, map))
    }

    fn protection(&self, piece: &PieceRead) -> Result<Protection, OpenError> {
        let blob = piece.blob;
        let row = |what| OpenError::Row { blob, what };
        let frame = &piece.content.frame;
        let sealing = match (frame.suite, &frame.sealing) {
            (Suite::Clear, None) => return Ok(Protection::Clear),
            (Suite::Aes256Gcm, Some(sealing)) => sealing,
            (Suite::Clear, Some(_)) | (Suite::Aes256Gcm, None) => return Err(row("its suite")),
        };
        let version = sealing.key_version;
        let bucket = piece.content.bucket;
        let id = self.ids.key_id(bucket, version).ok_or(OpenError::UnknownKey {
            blob,
            bucket,
            version,
        })?;
        let wrapped: [u8; WRAPPED_KEY_LEN] = sealing
            .wrapped
            .as_ref()
            .try_into()
            .map_err(|_| row("its wrapped key"))?;
        let commitment: [u8; 32] = sealing
            .commitment
            .as_ref()
            .try_into()
            .map_err(|_| row("its commitment"))?;
        Ok(Protection::Encrypted(EncryptionDescriptor {
            domain: self.keyring.domain(),
            key: KeyRef {
                id,
                version: node_crypto::KeyVersion(version.0),
            },
            wrapped: WrappedKey(wrapped),
            commitment: Commitment(commitment),
        }))
    }
}
