//! A request body that proves itself while it streams.

use std::future::Future;

use bytes::Bytes;

use super::checksum::{Checksum, ChecksumAlgorithm};

/// The payload of one PUT, decoded and checked piece by piece.
///
/// The bytes may be sent on as they come, but nothing may be committed before
/// [`finish`](Self::finish) succeeded: only then have the length, the declared digests, the trailer
/// and every chunk signature been verified.
pub trait VerifiedBody: Send + 'static {
    /// The length of the decoded payload in bytes, as the client declared it. A body of any other
    /// length ends in an error.
    fn length(&self) -> u64;

    /// The algorithm of the checksum that the client sends, in a header or a trailer.
    fn declared_checksum(&self) -> Option<ChecksumAlgorithm>;

    /// Has a checksum computed that the client did not declare. To be called before the first
    /// [`next`](Self::next); without effect when a checksum was declared.
    fn compute_checksum(&mut self, algorithm: ChecksumAlgorithm);

    /// The next piece, `None` at the end. Never an empty piece; cancel-safe.
    ///
    /// # Errors
    /// What is wrong with the body; it yields nothing afterwards.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, BodyError>> + Send;

    /// Ends the body.
    ///
    /// # Errors
    /// When it was not read to its end, or does not match what was declared.
    fn finish(self) -> impl Future<Output = Result<Digests, BodyError>> + Send;
}

/// What a verified body turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Bytes of decoded payload.
    pub length: u64,
    /// MD5 of the payload: the ETag of an object or a part.
    pub md5: [u8; 16],
    /// The checksum that the client declared and that was verified, or the one that
    /// [`VerifiedBody::compute_checksum`] asked for.
    pub checksum: Option<Checksum>,
}

/// Why a body was not accepted. Nothing of it may stay anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The connection ended, or broke, before the body did.
    #[error("the client ended the body early")]
    Disconnected,
    /// The client sent nothing for too long.
    #[error("the client sent nothing for too long")]
    TimedOut,
    /// Fewer bytes than declared.
    #[error("the body is shorter than declared")]
    Incomplete,
    /// More bytes than declared.
    #[error("the body is longer than declared")]
    TooLong,
    /// The payload is not the one whose SHA-256 was signed.
    #[error("the payload does not match the signed x-amz-content-sha256")]
    Sha256Mismatch,
    /// Content-MD5 does not match.
    #[error("the payload does not match Content-MD5")]
    Md5Mismatch,
    /// An `x-amz-checksum-*` header or trailer does not match.
    #[error("the payload does not match the {} that was sent", .0.name())]
    ChecksumMismatch(ChecksumAlgorithm),
    /// The framing of an aws-chunked body is broken.
    #[error("the aws-chunked framing is malformed")]
    MalformedChunk,
    /// A chunk is larger than is accepted at once.
    #[error("a chunk of the aws-chunked body is too large")]
    ChunkTooLarge,
    /// The signature of a chunk or of the trailer does not match.
    #[error("the signature of a chunk does not match")]
    ChunkSignatureMismatch,
    /// A trailer is malformed, missing, not announced, or there twice.
    #[error("the trailer is malformed or not the one announced")]
    MalformedTrailer,
    /// The body was dropped before its end was read.
    #[error("the body was not read to its end")]
    Unread,
}
