//! One request: the listener's own paths, the surface, and what is done when it panics.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use api::s3::RequestIds;
use futures_util::FutureExt;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;

use super::activity::Activity;
use super::answer::AnswerBody;
use super::phase::{Phase, Phases};
use super::routes::{Routes, s3_error};
use super::{S3Surface, server::Counters};
use crate::telemetry::for_request;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What every connection of one server shares.
pub(super) struct Shared<S> {
    pub(super) surface: Arc<OnceLock<S>>,
    pub(super) routes: Routes,
    pub(super) phases: Phases,
    pub(super) counters: Counters,
    pub(super) ids: RequestIds,
}

/// Counts a request as running until it is dropped.
pub(super) struct Counted(metrics::Gauge);

impl Counted {
    pub(super) fn new(gauge: &metrics::Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Who answered a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    /// The listener, which reads no body.
    ByListener,
    /// The surface, which ends the connection where it has left a body unread.
    BySurface,
    /// The listener in the place of a handler that panicked.
    AfterPanic,
}

/// Answers one request.
pub(super) async fn answer<S: S3Surface>(
    shared: Arc<Shared<S>>,
    activity: Arc<Activity>,
    mut request: Request<Incoming>,
) -> Result<Response<AnswerBody<S::Body>>, Infallible> {
    let in_flight = activity.begin();
    let version = request.version();
    // Where a length stood beside it hyper has removed the length, and nobody can say any more what
    // a proxy in front made of the two. RFC 9112, section 6.3: such a connection ends.
    let ambiguous = request.headers().contains_key(TRANSFER_ENCODING);
    let has_body = !request.body().is_end_stream();
    let mut answered = Answered::ByListener;
    let mut response = match (shared.routes.answer(&request), shared.surface.get()) {
        (Some(own), _) => own.map(|body| AnswerBody::own(body, in_flight)),
        (None, None) => s3_error(StatusCode::SERVICE_UNAVAILABLE, shared.ids.next())
            .map(|body| AnswerBody::own(body, in_flight)),
        (None, Some(surface)) => {
            let counted = Counted::new(shared.counters.in_flight(request.method()));
            let id = shared.ids.next();
            request.extensions_mut().insert(id);
            // The handler's state is thrown away with it, and the connection after it.
            match AssertUnwindSafe(for_request(id, async { surface.call(request).await }))
                .catch_unwind()
                .await
            {
                Ok(Ok(response)) => {
                    answered = Answered::BySurface;
                    response.map(|body| AnswerBody::surface(body, in_flight, counted, id))
                }
                Ok(Err(never)) => match never {},
                Err(_) => {
                    answered = Answered::AfterPanic;
                    s3_error(StatusCode::INTERNAL_SERVER_ERROR, id)
                        .map(|body| AnswerBody::own(body, in_flight))
                }
            }
        }
    };
    if has_body && (answered != Answered::BySurface || response.headers().get(CONNECTION) == Some(&CLOSE)) {
        activity.leave_unread();
    }
    let leaving = shared.phases.current() != Phase::Serving;
    // HTTP/2 has no such header; there a connection ends by GOAWAY.
    if (ambiguous || answered == Answered::AfterPanic || leaving) && version <= Version::HTTP_11 {
        response.headers_mut().insert(CONNECTION, CLOSE);
    }
    Ok(response)
}
