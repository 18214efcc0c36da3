//! The body of an answer, and what ends with it.

use std::pin::Pin;
use std::task::{Context, Poll};

use api::port::RequestId;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;

use super::BoxError;
use super::activity::InFlight;
use super::request::Counted;
use crate::telemetry::step_of_request;

pin_project! {
    /// The body of an answer. The request counts as running until this is dropped.
    pub struct AnswerBody<B> {
        #[pin]
        content: Content<B>,
        in_flight: InFlight,
        counted: Option<Counted>,
    }
}

pin_project! {
    #[project = ContentProjection]
    enum Content<B> {
        Own { body: Full<Bytes> },
        Surface { #[pin] body: B, request: RequestId },
    }
}

impl<B> AnswerBody<B> {
    /// An answer of the listener itself.
    pub(super) fn own(body: Full<Bytes>, in_flight: InFlight) -> Self {
        Self {
            content: Content::Own { body },
            in_flight,
            counted: None,
        }
    }

    /// An answer of the surface.
    pub(super) fn surface(body: B, in_flight: InFlight, counted: Counted, request: RequestId) -> Self {
        Self {
            content: Content::Surface { body, request },
            in_flight,
            counted: Some(counted),
        }
    }
}

impl<B> Body for AnswerBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        this.in_flight.asked();
        let frame = match this.content.project() {
            ContentProjection::Own { body } => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            ContentProjection::Surface { body, request } => step_of_request(*request, || {
                body.poll_frame(context)
                    .map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }),
        };
        if let Poll::Ready(Some(Ok(_))) = &frame {
            this.in_flight.offered();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own { body } => body.is_end_stream(),
            Content::Surface { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own { body } => body.size_hint(),
            Content::Surface { body, .. } => body.size_hint(),
        }
    }
}
