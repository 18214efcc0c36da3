//! What may seal a blob, what may open it, and what the metadata keeps so that it stays openable.

use std::fmt;

use crate::aead;
use crate::encryption::EncryptionDisabled;
use crate::frame::{ChunkSize, Codec, Header, Suite, WrongKey};
use crate::kdf::WrappedKey;
use crate::{BlobId, DomainId, KeyRef, SecretKey};

/// Binds a blob to one data key: derived from that key and the header, compared in constant time
/// before the first byte is decrypted. GCM alone does not commit to its key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment(pub [u8; 32]);

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Commitment(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Everything that the metadata keeps about an encrypted blob's key. Not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptionDescriptor {
    /// The domain whose keys these are.
    pub domain: DomainId,
    /// The bucket key version that wraps the data key.
    pub key: KeyRef,
    /// The data key, wrapped. Re-wrapping changes this and `key`, nothing stored.
    pub wrapped: WrappedKey,
    /// Recognises the right data key.
    pub commitment: Commitment,
}

/// How a blob is protected, as its metadata and its footer say.
///
/// The suite is read from trusted metadata, never from the blob, so nobody can downgrade one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Suite 0.
    Clear,
    /// Suite 1.
    Encrypted(EncryptionDescriptor),
}

impl Protection {
    /// The suite that this protection is.
    pub const fn suite(&self) -> Suite {
        match self {
            Self::Clear => Suite::Clear,
            Self::Encrypted(_) => Suite::Aes256Gcm,
        }
    }
}

/// The right to write one blob, once. Not `Clone` and consumed by [`super::Encoder`], so no data key
/// ever seals two different bodies.
pub struct Sealer {
    pub(crate) codec: Codec,
    pub(crate) header: Header,
    pub(crate) protection: Protection,
}

impl Sealer {
    /// For a blob that is stored unencrypted because the operator said so.
    pub fn clear(blob: BlobId, chunk: ChunkSize, _disabled: EncryptionDisabled) -> Self {
        let header = Header {
            suite: Suite::Clear,
            chunk,
            blob,
        };
        Self {
            codec: Codec::clear(&header),
            header,
            protection: Protection::Clear,
        }
    }

    /// Takes the data key by value: it must have been drawn for this blob.
    pub(crate) fn encrypted(
        blob: BlobId,
        chunk: ChunkSize,
        domain: DomainId,
        key: KeyRef,
        data_key: SecretKey,
        wrapped: WrappedKey,
    ) -> Result<Self, aead::Error> {
        let header = Header {
            suite: Suite::Aes256Gcm,
            chunk,
            blob,
        };
        let (codec, commitment) = Codec::seal_with(&header, &domain, &data_key)?;
        let protection = Protection::Encrypted(EncryptionDescriptor {
            domain,
            key,
            wrapped,
            commitment,
        });
        Ok(Self {
            codec,
            header,
            protection,
        })
    }

    /// The blob that this sealer writes.
    pub const fn blob(&self) -> BlobId {
        self.header.blob
    }

    /// What the metadata must keep about the blob.
    pub const fn protection(&self) -> &Protection {
        &self.protection
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// The ability to read one blob.
pub struct Opener {
    pub(crate) codec: Codec,
    pub(crate) header: Header,
}

impl Opener {
    /// For a blob whose metadata says that it is stored unencrypted.
    pub fn clear(blob: BlobId, chunk: ChunkSize) -> Self {
        let header = Header {
            suite: Suite::Clear,
            chunk,
            blob,
        };
        Self {
            codec: Codec::clear(&header),
            header,
        }
    }

    /// Refuses a data key that the blob was not sealed with.
    pub(crate) fn encrypted(
        blob: BlobId,
        chunk: ChunkSize,
        descriptor: &EncryptionDescriptor,
        data_key: &SecretKey,
    ) -> Result<Result<Self, WrongKey>, aead::Error> {
        let header = Header {
            suite: Suite::Aes256Gcm,
            chunk,
            blob,
        };
        let codec = Codec::open_with(&header, &descriptor.domain, data_key, &descriptor.commitment)?;
        Ok(codec.map(|codec| Self { codec, header }))
    }

    /// The header that the blob must begin with.
    pub const fn header(&self) -> &Header {
        &self.header
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
