//! Answers on their way out.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior};

use super::code::ErrorCode;
use super::observe::Watch;
use super::xml::DECLARATION;
use crate::port;

/// An answer before it has its common headers.
pub(crate) struct Reply<R> {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content<R>,
}

/// The body of an answer.
pub(crate) enum Content<R> {
    /// None, whatever the headers say.
    Empty,
    /// A document.
    Whole(Bytes),
    /// Bytes of an object.
    Stream {
        /// Them.
        stream: R,
        /// How many are still to come.
        remaining: u64,
    },
    /// A document that is not finished yet.
    KeepAlive(KeepAlive),
}

/// What a long operation comes to: the document that ends its answer, and the error it tells.
pub(crate) type Late = (String, Option<ErrorCode>);

/// A document that is preceded by white space, so that the connection lives until it is there.
pub(crate) struct KeepAlive {
    operation: Pin<Box<dyn Future<Output = Late> + Send>>,
    ticks: Interval,
    begun: bool,
    ended: bool,
}

/// The body of an answer as hyper sends it. An error breaks the connection.
pub struct ReplyBody<R> {
    content: Content<R>,
    watch: Option<Watch>,
}

/// As many headers as most answers have, so that the map does not grow while they are set.
const USUAL_HEADERS: usize = 10;

impl<R> Reply<R> {
    /// An answer without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::with_capacity(USUAL_HEADERS),
            content: Content::Empty,
        }
    }

    /// 200 with a document.
    pub(crate) fn xml(document: String) -> Self {
        let mut reply = Self::empty(StatusCode::OK);
        reply.headers.insert(CONTENT_TYPE, XML);
        reply.content = Content::Whole(document.into());
        reply
    }

    /// 200 with a document that will be there later.
    pub(crate) fn keep_alive(
        operation: Pin<Box<dyn Future<Output = Late> + Send>>,
        period: Duration,
    ) -> Self {
        let mut reply = Self::empty(StatusCode::OK);
        reply.headers.insert(CONTENT_TYPE, XML);
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        reply.content = Content::KeepAlive(KeepAlive {
            operation,
            ticks,
            begun: false,
            ended: false,
        });
        reply
    }

    /// The body as hyper takes it, watched until it ends.
    pub(crate) fn into_response(self, watch: Watch) -> http::Response<ReplyBody<R>> {
        let mut response = http::Response::new(ReplyBody {
            content: self.content,
            watch: Some(watch),
        });
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let body = response.body_mut();
        let length = match &body.content {
            // A HEAD says the length of what it does not send.
            Content::Empty | Content::KeepAlive(_) => None,
            Content::Whole(bytes) => Some(bytes.len() as u64),
            Content::Stream { remaining, .. } => Some(*remaining),
        };
        if matches!(body.content, Content::Empty) {
            body.end();
        }
        if let Some(length) = length {
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

/// The type of every document.
const XML: HeaderValue = HeaderValue::from_static("application/xml");

impl<R> ReplyBody<R> {
    /// Everything was handed over.
    fn end(&mut self) {
        self.content = Content::Empty;
        if let Some(mut watch) = self.watch.take() {
            watch.complete();
        }
    }

    fn sent(&mut self, bytes: &Bytes) {
        if let Some(watch) = &mut self.watch {
            watch.sent(bytes.len());
        }
    }
}

impl<R> Body for ReplyBody<R>
where
    R: Stream<Item = Result<Bytes, port::Error>> + Unpin,
{
    type Data = Bytes;
    type Error = port::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, port::Error>>> {
        let this = self.get_mut();
        let (bytes, error) = match ready!(this.content.poll_next(context)) {
            None => return Poll::Ready(None),
            Some(Ok(next)) => next,
            Some(Err(error)) => {
                // Dropping the watch unfinished tells that the answer broke off.
                this.content = Content::Empty;
                this.watch = None;
                return Poll::Ready(Some(Err(error)));
            }
        };
        if let (Some(error), Some(watch)) = (error, &mut this.watch) {
            watch.record().error = Some(error);
        }
        this.sent(&bytes);
        let ended = match &this.content {
            Content::Empty | Content::Whole(_) => true,
            Content::Stream { remaining, .. } => *remaining == 0,
            Content::KeepAlive(keep_alive) => keep_alive.ended,
        };
        if ended {
            this.end();
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream { remaining, .. } => SizeHint::with_exact(*remaining),
            Content::KeepAlive(_) => SizeHint::default(),
        }
    }
}

/// A piece of an answer, with the error that it tells.
type Piece = (Bytes, Option<ErrorCode>);

impl<R> Content<R>
where
    R: Stream<Item = Result<Bytes, port::Error>> + Unpin,
{
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Piece, port::Error>>> {
        let next = match self {
            Self::Empty => return Poll::Ready(None),
            Self::Whole(bytes) => Ok((std::mem::take(bytes), None)),
            Self::Stream { stream, remaining } => {
                let next = ready!(stream.poll_next_unpin(context));
                take(next, remaining).map(|bytes| (bytes, None))
            }
            Self::KeepAlive(keep_alive) => Ok(ready!(keep_alive.poll_next(context))),
        };
        Poll::Ready(Some(next))
    }
}

/// The next piece of a stream that still owes `remaining` bytes. One that ends early or goes on too
/// long is an error: the length was promised.
fn take(next: Option<Result<Bytes, port::Error>>, remaining: &mut u64) -> Result<Bytes, port::Error> {
    let Some(next) = next else {
        tracing::error!(remaining, "the body of an answer ended before its length");
        return Err(port::Error::Internal);
    };
    let bytes = next?;
    let Some(rest) = remaining.checked_sub(bytes.len() as u64) else {
        tracing::error!(
            remaining,
            piece = bytes.len(),
            "the body of an answer is longer than its length"
        );
        return Err(port::Error::Internal);
    };
    *remaining = rest;
    Ok(bytes)
}

impl KeepAlive {
    /// The next piece, with the error that the last one tells.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        if !std::mem::replace(&mut self.begun, true) {
            return Poll::Ready((Bytes::from_static(DECLARATION.as_bytes()), None));
        }
        if let Poll::Ready((document, error)) = self.operation.as_mut().poll(context) {
            self.ended = true;
            return Poll::Ready((document.into(), error));
        }
        ready!(self.ticks.poll_tick(context));
        Poll::Ready((Bytes::from_static(b" "), None))
    }
}

impl<R> std::fmt::Debug for ReplyBody<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let content = match &self.content {
            Content::Empty => "Empty",
            Content::Whole(_) => "Whole",
            Content::Stream { .. } => "Stream",
            Content::KeepAlive(_) => "KeepAlive",
        };
        f.debug_tuple("ReplyBody").field(&content).finish()
    }
}
