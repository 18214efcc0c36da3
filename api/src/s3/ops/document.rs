//! XML documents of requests, read whole.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::port::{BodyError, ObjectGateway, VerifiedBody as _};
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

/// Documents up to this many bytes are not counted: the buffer of a connection holds as much anyway, and
/// a completion or a delete of the usual size then waits for nobody.
const UNCOUNTED: u64 = 64 * 1024;

/// How long a document may take. A body may take for ever as long as it comes, but what it holds then is
/// its own connection; a large document holds room that others wait for.
const LONGEST: Duration = Duration::from_secs(120);

/// The memory that all documents together may take.
#[derive(Debug)]
pub(crate) struct DocumentMemory {
    /// One permit per KiB.
    kibibytes: Semaphore,
    all: u32,
}

impl DocumentMemory {
    /// So many bytes. A document larger than all of them waits for all of them.
    pub(crate) fn new(bytes: usize) -> Self {
        let all = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(1);
        Self {
            kibibytes: Semaphore::new(usize::try_from(all).unwrap_or(Semaphore::MAX_PERMITS)),
            all,
        }
    }

    /// Waits for room for a document, first come, first served.
    async fn reserve(&self, bytes: u64) -> Result<Option<SemaphorePermit<'_>>, S3Error> {
        if bytes <= UNCOUNTED {
            return Ok(None);
        }
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let permits = self.kibibytes.acquire_many(kibibytes.min(self.all)).await;
        permits.map(Some).map_err(|_| ErrorCode::InternalError.into())
    }
}

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
    // Whoever comes when there is no room waits here, before its first byte.
    let _room = service.documents.reserve(spec.length()).await?;
    let length = spec.length();
    let mut body = service.bodies.open(spec, body);
    let reading = async {
        let first = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(FIRST_ALLOCATION);
        let mut bytes = Vec::with_capacity(first);
        while let Some(piece) = body.next().await? {
            bytes.extend_from_slice(&piece);
        }
        body.finish().await?;
        Ok::<_, BodyError>(bytes)
    };
    let read = match length {
        0..=UNCOUNTED => reading.await,
        _ => timeout(LONGEST, reading)
            .await
            .unwrap_or(Err(BodyError::TimedOut)),
    };
    let bytes = read?;
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
