//! What the head of a request says about its body.

use http::request::Parts;

use super::error::SpecError;
use super::headers::{
    SentLength, announced_trailer, content_md5, declared_checksum, length, says_chunked, sent_length,
};
use crate::port::{Checksum, ChecksumAlgorithm};
use crate::s3::auth::PayloadMode;

/// What a body is for, which decides what must be known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// The bytes of an object or a part: their length must be known before the first of them.
    Object,
    /// An XML document, or nothing: without a length there is no body.
    Document,
    /// The document that completes an upload: its checksum headers are about the object.
    Completion,
}

/// What a body must turn out to be, known before its first byte.
#[derive(Debug)]
pub struct BodySpec {
    pub(super) payload: PayloadMode,
    /// Bytes on the wire, framing included.
    pub(super) sent: Option<u64>,
    /// Bytes of payload.
    pub(super) length: u64,
    pub(super) md5: Option<[u8; 16]>,
    pub(super) checksum: DeclaredChecksum,
}

/// Where the checksum that the client computed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeclaredChecksum {
    /// It sends none.
    None,
    /// In the head of the request.
    Header(Checksum),
    /// After the last chunk.
    Trailer(ChecksumAlgorithm),
}

/// SHA-256 of nothing.
const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

impl BodySpec {
    /// Reads what `parts` say about a body whose payload proves itself by `payload`. `maximum` bounds
    /// the payload in bytes.
    ///
    /// `x-amz-sdk-checksum-algorithm` is a hint that some clients send without a checksum, empty, or in
    /// vain; what counts is the checksum itself.
    ///
    /// # Errors
    /// Whatever can be refused without reading the body.
    pub fn parse(
        parts: &Parts,
        payload: PayloadMode,
        kind: BodyKind,
        maximum: u64,
    ) -> Result<Self, SpecError> {
        let headers = &parts.headers;
        let decoded = length(headers, "x-amz-decoded-content-length")?;
        let sent = sent_length(headers)?;
        let chunked = match payload {
            PayloadMode::SignedChunks { .. } | PayloadMode::UnsignedChunks => true,
            PayloadMode::Unsigned | PayloadMode::Sha256(_) => false,
        };
        if !chunked && (decoded.is_some() || says_chunked(headers)) {
            return Err(SpecError::UnannouncedChunks);
        }
        let length = match (chunked, sent) {
            (true, _) => decoded.ok_or(SpecError::MissingDecodedLength)?,
            (false, SentLength::Known(length)) => length,
            (false, SentLength::NoBody) if kind != BodyKind::Object => 0,
            (false, SentLength::NoBody | SentLength::Unknown) => return Err(SpecError::MissingLength),
        };
        if length > maximum {
            return Err(SpecError::TooLarge { length, maximum });
        }
        if length > 0 && matches!(payload, PayloadMode::Sha256(EMPTY_SHA256)) {
            return Err(SpecError::NotEmpty);
        }
        let sent = match sent {
            SentLength::Known(sent) => Some(sent),
            SentLength::NoBody | SentLength::Unknown => None,
        };
        let checksum = match kind {
            BodyKind::Object | BodyKind::Document => checksum(parts, &payload)?,
            BodyKind::Completion => without_trailer(parts)?,
        };
        Ok(Self {
            payload,
            sent,
            length,
            md5: content_md5(headers)?,
            checksum,
        })
    }

    /// Bytes of payload.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Whether the client vouches for the payload's integrity by `Content-MD5` or a checksum, as
    /// DeleteObjects demands.
    #[must_use]
    pub fn has_integrity(&self) -> bool {
        self.md5.is_some() || self.checksum != DeclaredChecksum::None
    }
}

fn checksum(parts: &Parts, payload: &PayloadMode) -> Result<DeclaredChecksum, SpecError> {
    let carries_trailer = match payload {
        PayloadMode::UnsignedChunks => true,
        PayloadMode::SignedChunks { trailer, .. } => trailer.is_signed(),
        PayloadMode::Unsigned | PayloadMode::Sha256(_) => false,
    };
    let in_head = declared_checksum(&parts.headers, &parts.uri)?;
    match (in_head, announced_trailer(&parts.headers)?) {
        (Some(_), Some(_)) => Err(SpecError::SeveralChecksums),
        (None, Some(_)) if !carries_trailer => Err(SpecError::UnexpectedTrailer),
        (None, Some(algorithm)) => Ok(DeclaredChecksum::Trailer(algorithm)),
        (Some(checksum), None) => Ok(DeclaredChecksum::Header(checksum)),
        (None, None) => Ok(DeclaredChecksum::None),
    }
}

fn without_trailer(parts: &Parts) -> Result<DeclaredChecksum, SpecError> {
    match announced_trailer(&parts.headers)? {
        Some(_) => Err(SpecError::UnexpectedTrailer),
        None => Ok(DeclaredChecksum::None),
    }
}
