//! What a request says about its payload in `x-amz-content-sha256`.

use super::chunk::ChunkSigner;
use super::error::AuthError;

/// How the payload of a verified request is proved, for the body's reader.
#[derive(Debug)]
pub enum PayloadMode {
    /// As it is, vouched for by nothing but the transport.
    Unsigned,
    /// The SHA-256 of the payload was signed.
    Sha256([u8; 32]),
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD` and `…-TRAILER`: every chunk carries a signature.
    SignedChunks {
        /// Continues the chain that the request's own signature began.
        signer: ChunkSigner,
        /// Whether a trailer, itself signed, follows the last chunk.
        trailer: TrailerMode,
    },
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: chunks without signatures, then a trailer.
    UnsignedChunks,
}

/// Whether a trailer follows the last chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrailerMode {
    /// Nothing follows.
    None,
    /// The announced trailer follows, and its signature.
    Signed,
}

impl TrailerMode {
    /// Whether a trailer and its signature follow.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        match self {
            Self::Signed => true,
            Self::None => false,
        }
    }
}

/// [`PayloadMode`] before the signature was verified, of a request signed by header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeclaredPayload {
    Whole(WholePayload),
    SignedChunks(TrailerMode),
    UnsignedChunks,
}

/// A payload that is not framed in chunks: the only kind of a request that no signed header
/// introduces, because framing and the chain of signatures begin with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WholePayload {
    Unsigned,
    Sha256([u8; 32]),
}

/// The value that stands for a payload nobody hashed.
pub(super) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

impl DeclaredPayload {
    /// Reads a value of `x-amz-content-sha256`.
    pub(super) fn parse(value: &[u8]) -> Result<Self, AuthError> {
        match value {
            b"UNSIGNED-PAYLOAD" => Ok(Self::Whole(WholePayload::Unsigned)),
            b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::SignedChunks(TrailerMode::None)),
            b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::SignedChunks(TrailerMode::Signed)),
            b"STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::UnsignedChunks),
            b"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
            | b"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER" => Err(AuthError::EcdsaNotImplemented),
            _ => {
                let mut digest = [0; 32];
                hex::decode_to_slice(value, &mut digest).map_err(|_| AuthError::InvalidContentSha256)?;
                Ok(Self::Whole(WholePayload::Sha256(digest)))
            }
        }
    }

    /// Refuses chunks.
    pub(super) fn whole(self) -> Result<WholePayload, AuthError> {
        match self {
            Self::Whole(payload) => Ok(payload),
            Self::SignedChunks(_) | Self::UnsignedChunks => Err(AuthError::StreamingNotSigned),
        }
    }

    /// The mode of a request whose signature was verified and begins the chain of `signer`.
    pub(super) fn verified(self, signer: impl FnOnce() -> ChunkSigner) -> PayloadMode {
        match self {
            Self::Whole(payload) => payload.into(),
            Self::SignedChunks(trailer) => PayloadMode::SignedChunks {
                signer: signer(),
                trailer,
            },
            Self::UnsignedChunks => PayloadMode::UnsignedChunks,
        }
    }
}

impl From<WholePayload> for PayloadMode {
    fn from(payload: WholePayload) -> Self {
        match payload {
            WholePayload::Unsigned => Self::Unsigned,
            WholePayload::Sha256(digest) => Self::Sha256(digest),
        }
    }
}
