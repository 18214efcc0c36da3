//! One request: the listener's own paths, the surface, and what is done when it panics.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::activity::Activity;
use super::answer::AnswerBody;
use super::phase::{Phase, Phases};
use super::routes::{Routes, s3_error};
use super::{S3Surface, server::Counters};

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What every connection of one server shares.
pub(super) struct Shared<S> {
    pub(super) surface: Arc<OnceLock<S>>,
    pub(super) routes: Routes,
    pub(super) phases: Phases,
    pub(super) counters: Counters,
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

/// Answers one request.
pub(super) async fn answer<S: S3Surface>(
    shared: Arc<Shared<S>>,
    activity: Arc<Activity>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody<S::Body>>, Infallible> {
    let in_flight = activity.begin();
    let version = request.version();
    // Where a length stood beside it hyper has removed the length, and nobody can say any more what
    // a proxy in front made of the two. RFC 9112, section 6.3: such a connection ends.
    let ambiguous = request.headers().contains_key(TRANSFER_ENCODING);
    let mut panicked = false;
    let mut response = match shared.routes.answer(&request) {
        Some(own) => own.map(|body| AnswerBody::own(body, in_flight)),
        None => match shared.surface.get() {
            None => s3_error(StatusCode::SERVICE_UNAVAILABLE).map(|body| AnswerBody::own(body, in_flight)),
            Some(surface) => {
                let counted = Counted::new(shared.counters.in_flight(request.method()));
                // The handler's state is thrown away with it, and the connection after it.
                match AssertUnwindSafe(async { surface.call(request).await })
                    .catch_unwind()
                    .await
                {
                    Ok(Ok(response)) => response.map(|body| AnswerBody::surface(body, in_flight, counted)),
                    Ok(Err(never)) => match never {},
                    Err(_) => {
                        panicked = true;
                        s3_error(StatusCode::INTERNAL_SERVER_ERROR)
                            .map(|body| AnswerBody::own(body, in_flight))
                    }
                }
            }
        },
    };
    let leaving = shared.phases.current() != Phase::Serving;
    // HTTP/2 has no such header; there a connection ends by GOAWAY.
    if (ambiguous || panicked || leaving) && version <= Version::HTTP_11 {
        response.headers_mut().insert(CONNECTION, CLOSE);
    }
    Ok(response)
}
