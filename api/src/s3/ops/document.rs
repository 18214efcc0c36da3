//! XML documents of requests, read whole.

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;

use crate::port::{ObjectGateway, VerifiedBody as _};
use crate::s3::body::{BodyKind, BodySpec, SpecError};
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;
use crate::s3::incoming::Payload;
use crate::s3::service::Inner;

/// A document, verified to its last byte.
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    pub(super) integrity: Integrity,
}

/// Whether the client vouched for a document with a digest of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integrity {
    /// By `Content-MD5` or a checksum.
    Declared,
    /// Not at all, or only by its signature.
    None,
}

/// What a document grows from: what a client announces is not believed before it comes.
const FIRST_ALLOCATION: usize = 16 * 1024;

/// Reads the body of a request as a document of at most `maximum` bytes.
pub(super) async fn read<G, B>(
    service: &Inner<G>,
    parts: &Parts,
    payload: Payload<B>,
    kind: BodyKind,
    maximum: u64,
) -> Result<Document, S3Error>
where
    G: ObjectGateway,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Payload { body, mode } = payload;
    let spec = BodySpec::parse(parts, mode, kind, maximum).map_err(refused)?;
    let integrity = if spec.has_integrity() {
        Integrity::Declared
    } else {
        Integrity::None
    };
    // All documents in memory together have a bound; who comes later waits here, before its first byte.
    let kibibytes = u32::try_from(spec.length().div_ceil(1024)).unwrap_or(u32::MAX);
    let permits = service
        .documents
        .acquire_many(kibibytes.min(service.document_permits))
        .await;
    let _permits = permits.map_err(|_| ErrorCode::InternalError)?;
    let mut bytes = Vec::with_capacity(
        usize::try_from(spec.length())
            .unwrap_or(usize::MAX)
            .min(FIRST_ALLOCATION),
    );
    let mut body = service.bodies.open(spec, body);
    while let Some(piece) = body.next().await? {
        bytes.extend_from_slice(&piece);
    }
    body.finish().await?;
    Ok(Document { bytes, integrity })
}

/// As AWS calls a document that is too large.
fn refused(error: SpecError) -> S3Error {
    match error {
        SpecError::TooLarge { length, maximum } => S3Error::new(ErrorCode::MaxMessageLengthExceeded)
            .detail("MaxMessageLengthBytes", maximum.to_string())
            .detail("MessageLengthBytes", length.to_string()),
        other => other.into(),
    }
}
