//! Why a body was refused before it was read.

use crate::port::ChecksumAlgorithm;
use crate::s3::ErrorCode;

/// What is wrong with what the head of a request says about its body. After any of these the body is
/// unread, so the connection can only go on when it is empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A header that describes the body is there twice.
    #[error("The header {0} must be given once")]
    DuplicateHeader(&'static str),
    /// The length of the body is not known before it is read.
    #[error("You must provide the Content-Length HTTP header.")]
    MissingLength,
    /// The length of the payload within aws-chunked framing is not known before it is read.
    #[error("You must provide the x-amz-decoded-content-length HTTP header.")]
    MissingDecodedLength,
    /// A length that is not a number of bytes.
    #[error("The header {0} must be a number of bytes")]
    InvalidLength(&'static str),
    /// Framing that `x-amz-content-sha256` does not announce: nobody could say where it ends.
    #[error("aws-chunked framing requires a STREAMING value of x-amz-content-sha256")]
    UnannouncedChunks,
    /// More bytes than this kind of body may have.
    #[error("Your proposed upload exceeds the maximum allowed size.")]
    TooLarge {
        /// Bytes announced.
        length: u64,
        /// Bytes allowed.
        maximum: u64,
    },
    /// Content-MD5 is not the Base64 of 16 bytes.
    #[error("The Content-MD5 you specified was invalid.")]
    InvalidMd5,
    /// The declared SHA-256 is that of nothing, and the body is not empty.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    NotEmpty,
    /// The value of a checksum is not the Base64 of its bytes.
    #[error("Value for {} header is invalid.", .0.header())]
    InvalidChecksum(ChecksumAlgorithm),
    /// More than one checksum, in headers, trailer or both.
    #[error("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")]
    SeveralChecksums,
    /// A checksum that S3 may know and this server does not.
    #[error("The checksum {0} is not implemented.")]
    UnknownChecksum(Box<str>),
    /// A trailer other than a checksum, or none where its header is.
    #[error("The value specified in the x-amz-trailer header is not supported")]
    InvalidTrailer,
    /// A trailer is announced where no chunk can carry one.
    #[error("x-amz-trailer requires a STREAMING value of x-amz-content-sha256 that ends in TRAILER")]
    UnexpectedTrailer,
}

impl SpecError {
    /// The error code of S3.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::MissingLength | Self::MissingDecodedLength => ErrorCode::MissingContentLength,
            Self::InvalidLength(_) => ErrorCode::InvalidArgument,
            Self::DuplicateHeader(_)
            | Self::UnannouncedChunks
            | Self::InvalidChecksum(_)
            | Self::SeveralChecksums
            | Self::InvalidTrailer
            | Self::UnexpectedTrailer => ErrorCode::InvalidRequest,
            Self::TooLarge { .. } => ErrorCode::EntityTooLarge,
            Self::InvalidMd5 => ErrorCode::InvalidDigest,
            Self::NotEmpty => ErrorCode::XAmzContentSha256Mismatch,
            Self::UnknownChecksum(_) => ErrorCode::NotImplemented,
        }
    }

    /// What the error body says besides code and message: names of XML elements and their text.
    #[must_use]
    pub fn details(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::TooLarge { length, maximum } => {
                vec![
                    ("ProposedSize", length.to_string()),
                    ("MaxSizeAllowed", maximum.to_string()),
                ]
            }
            Self::DuplicateHeader(name) | Self::InvalidLength(name) => {
                vec![("HeaderName", (*name).to_owned())]
            }
            Self::UnknownChecksum(name) => vec![("HeaderName", name.to_string())],
            Self::MissingLength
            | Self::MissingDecodedLength
            | Self::UnannouncedChunks
            | Self::InvalidMd5
            | Self::NotEmpty
            | Self::InvalidChecksum(_)
            | Self::SeveralChecksums
            | Self::InvalidTrailer
            | Self::UnexpectedTrailer => Vec::new(),
        }
    }
}
