//! Request bodies on their way in.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::auth::PayloadMode;
use super::code::ErrorCode;
use super::error::S3Error;

/// A request body that says how far it was read, wherever it went: when it was not read to its end,
/// nobody knows where the next request begins.
pub(crate) struct Tracked<B> {
    body: B,
    /// None when there is nothing to read, as with most requests.
    progress: Option<Arc<Progress>>,
}

/// A request body and how it proves itself.
pub(crate) struct Payload<B> {
    pub(crate) body: Tracked<B>,
    pub(crate) mode: PayloadMode,
}

/// SHA-256 of nothing: what a signed request without a body may declare.
const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// How far a body was read.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bytes: AtomicU64,
    ended: AtomicBool,
}

impl<B: Body> Tracked<B> {
    /// Follows `body`; what is returned tells how far it was read, unless there is nothing to read.
    pub(crate) fn new(body: B) -> (Self, Option<Arc<Progress>>) {
        let progress = (!body.is_end_stream()).then(Arc::<Progress>::default);
        (
            Self {
                body,
                progress: progress.clone(),
            },
            progress,
        )
    }
}

impl<B: Body<Data = Bytes> + Unpin> Payload<B> {
    /// Refuses a body where none has a meaning, and one that was signed and is not there.
    pub(crate) fn expect_none(&self) -> Result<(), S3Error> {
        let refuse = |message| S3Error::with_message(ErrorCode::InvalidRequest, message);
        if !self.body.is_end_stream() {
            return Err(refuse("The request must not have a body.").close());
        }
        match &self.mode {
            PayloadMode::Unsigned | PayloadMode::Sha256(EMPTY_SHA256) => Ok(()),
            PayloadMode::Sha256(_) => Err(ErrorCode::XAmzContentSha256Mismatch.into()),
            PayloadMode::SignedChunks { .. } | PayloadMode::UnsignedChunks => {
                Err(refuse("A request without a body cannot be sent in chunks."))
            }
        }
    }
}

impl Progress {
    /// Bytes read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the end was seen.
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Tracked<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        if let Some(progress) = &this.progress {
            if let Some(Ok(frame)) = &frame {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                progress.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            }
            if frame.is_none() || this.body.is_end_stream() {
                progress.ended.store(true, Ordering::Relaxed);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
