//! What the tests serve instead of S3.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use api::port::RequestId;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::sync::Semaphore;

use crate::http::BoxError;
use crate::telemetry::current_request;

/// What is said to whoever is refused.
pub(super) const REFUSAL: &str = "<Error><Code>AccessDenied</Code><Message>Not for you.</Message></Error>";

/// Serves by path:
/// - `/echo` answers with the body;
/// - `/hold` waits until it is released;
/// - `/panic` panics;
/// - `/broken` panics in its body;
/// - `/endless` never stops sending;
/// - `/refuse` answers 403 without reading, and ends the connection;
/// - `/request` answers with the id that the request bears, that of its handler and that of its body;
/// - everything else answers with its method, host and path.
#[derive(Clone)]
pub(super) struct TestSurface {
    /// One permit per request that is being held.
    pub(super) held: Arc<Semaphore>,
    /// One permit per request that may go on.
    pub(super) release: Arc<Semaphore>,
    /// One permit per endless body that was given up.
    pub(super) given_up: Arc<Semaphore>,
    /// How many requests are handled at this moment, and how many were at once.
    pub(super) handled: Arc<Handled>,
}

/// Counts handlers that run.
#[derive(Debug, Default)]
pub(super) struct Handled {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Handled {
    pub(super) fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }

    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    fn enter(self: &Arc<Self>) -> impl Drop + use<> {
        struct Leaves(Arc<Handled>);
        impl Drop for Leaves {
            fn drop(&mut self) {
                self.0.now.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Leaves(Arc::clone(self))
    }
}

impl Default for TestSurface {
    fn default() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        Self {
            held: none(),
            release: none(),
            given_up: none(),
            handled: Arc::default(),
        }
    }
}

impl Service<Request<Incoming>> for TestSurface {
    type Response = Response<TestBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let surface = self.clone();
        async move {
            let _leaves = surface.handled.enter();
            let refused = request.uri().path() == "/refuse";
            let version = request.version();
            let mut response = Response::new(surface.answer(request).await);
            if refused {
                *response.status_mut() = StatusCode::FORBIDDEN;
                if version <= Version::HTTP_11 {
                    response
                        .headers_mut()
                        .insert(CONNECTION, HeaderValue::from_static("close"));
                }
            }
            Ok(response)
        }
        .boxed()
    }
}

impl TestSurface {
    async fn answer(self, request: Request<Incoming>) -> TestBody {
        match request.uri().path() {
            "/echo" => match request.into_body().collect().await {
                Ok(body) => TestBody::Whole(Full::new(body.to_bytes())),
                Err(error) => TestBody::text(format!("broken: {error}")),
            },
            "/hold" => {
                self.held.add_permits(1);
                self.release.acquire().await.unwrap().forget();
                TestBody::text("released")
            }
            "/panic" => panic!("a handler panics, as it was told to"),
            "/broken" => TestBody::Broken,
            "/refuse" => TestBody::text(REFUSAL),
            "/request" => {
                let borne = request.extensions().get::<RequestId>().copied();
                TestBody::Request(vec![borne, current_request()])
            }
            "/endless" => TestBody::Endless(GivenUp(self.given_up)),
            path => {
                let host = request
                    .headers()
                    .get("host")
                    .map_or("", |host| host.to_str().unwrap());
                TestBody::text(format!("{} {host} {path}", request.method()))
            }
        }
    }
}

pub(super) enum TestBody {
    Whole(Full<Bytes>),
    Broken,
    Request(Vec<Option<RequestId>>),
    Endless(#[expect(dead_code, reason = "held for its drop")] GivenUp),
}

impl TestBody {
    fn text(text: impl Into<String>) -> Self {
        Self::Whole(Full::new(Bytes::from(text.into())))
    }
}

/// Says when it is dropped.
pub(super) struct GivenUp(Arc<Semaphore>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Request(ids) if ids.is_empty() => Poll::Ready(None),
            Self::Request(ids) => {
                ids.push(current_request());
                let text: Vec<_> = ids
                    .drain(..)
                    .map(|id| id.map_or("none".to_owned(), |id| id.to_string()))
                    .collect();
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(text.join(" "))))))
            }
            Self::Broken => panic!("a body panics, as it was told to"),
            Self::Endless(_) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 64 << 10]))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_end_stream())
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Request(ids) if ids.is_empty() => http_body::SizeHint::with_exact(0),
            // Three ids and what stands between them.
            Self::Request(_) => http_body::SizeHint::with_exact(3 * 16 + 2),
            Self::Broken | Self::Endless(_) => http_body::SizeHint::default(),
        }
    }
}
