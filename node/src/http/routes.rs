//! The paths that are not S3.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use api::port::RequestId;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::Service;

use super::health::Health;
use crate::config::{Config, RootAnswer};
use crate::lifecycle::Readiness;
use crate::telemetry::Metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// What a listener answers itself.
#[derive(Clone)]
pub struct Routes(Arc<Inner>);

struct Inner {
    health: Health,
    metrics: Option<(String, Metrics)>,
    root: RootAnswer,
    /// Domain of virtual-hosted requests with a dot in front: below it `/health` is an object.
    domain: Option<String>,
}

/// Whether the shared listener serves metrics too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Shared,
    Own,
}

impl Routes {
    /// What the S3 listener answers itself.
    #[must_use]
    pub fn of_s3_listener(config: &Config, health: Health, metrics: &Metrics) -> Self {
        let domain = config.cluster.domain.as_ref().map(|domain| format!(".{domain}"));
        Self::new(
            config,
            health,
            metrics,
            Place::Shared,
            config.node.server.root,
            domain,
        )
    }

    /// What the listener of metrics answers.
    #[must_use]
    pub fn of_metrics_listener(config: &Config, health: Health, metrics: &Metrics) -> Self {
        Self::new(config, health, metrics, Place::Own, RootAnswer::S3, None)
    }

    fn new(
        config: &Config,
        health: Health,
        metrics: &Metrics,
        place: Place,
        root: RootAnswer,
        domain: Option<String>,
    ) -> Self {
        let metrics = config
            .node
            .metrics
            .as_ref()
            .filter(|settings| settings.address.is_none() == (place == Place::Shared))
            .map(|settings| (settings.path.clone(), metrics.clone()));
        Self(Arc::new(Inner {
            health,
            metrics,
            root,
            domain,
        }))
    }

    /// The answer to a request for one of these paths; `None` for everything else.
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Option<Response<Full<Bytes>>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return None;
        }
        let inner = &*self.0;
        let answer = match request.uri().path() {
            "/health" => json(StatusCode::OK, r#"{"status":"ok"}"#),
            "/health/ready" => match inner.health.readiness() {
                Readiness::Ready => json(StatusCode::OK, r#"{"status":"ready"}"#),
                Readiness::NotReady(_) => json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"not ready"}"#),
            },
            "/" if inner.root == RootAnswer::Health && is_unsigned(request) => {
                json(StatusCode::OK, r#"{"status":"ok"}"#)
            }
            path => {
                let (_, metrics) = inner
                    .metrics
                    .as_ref()
                    .filter(|(of_metrics, _)| of_metrics == path)?;
                text(metrics.render())
            }
        };
        // Asked last: nearly no request gets here.
        if inner.names_a_bucket(request) {
            None
        } else {
            Some(answer)
        }
    }
}

impl Inner {
    /// Whether the host is one of a bucket, so that every path below it is an object.
    fn names_a_bucket<B>(&self, request: &Request<B>) -> bool {
        let Some(domain) = &self.domain else {
            return false;
        };
        let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let Some(host) = request.uri().host().or(header) else {
            return false;
        };
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let start = name.len().checked_sub(domain.len());
        start
            .filter(|start| *start > 0)
            .and_then(|start| name.get(start..))
            .is_some_and(|end| end.eq_ignore_ascii_case(domain))
    }
}

fn is_unsigned<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    !request.headers().contains_key(AUTHORIZATION)
        && !query.contains("X-Amz-")
        && !query.contains("Signature=")
}

fn json(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    answer(
        status,
        HeaderValue::from_static("application/json"),
        Bytes::from_static(body.as_bytes()),
    )
}

fn text(body: String) -> Response<Full<Bytes>> {
    answer(
        StatusCode::OK,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
        body.into(),
    )
}

fn answer(status: StatusCode, content: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Answers S3 requests that come before the node can serve, and those whose handler failed.
pub(super) fn s3_error(status: StatusCode, id: RequestId) -> Response<Full<Bytes>> {
    let (code, message) = match status {
        StatusCode::SERVICE_UNAVAILABLE => ("ServiceUnavailable", "The node is starting. Please try again."),
        _ => (
            "InternalError",
            "We encountered an internal error. Please try again.",
        ),
    };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>{id}</RequestId></Error>"
    );
    let mut response = answer(status, HeaderValue::from_static("application/xml"), body.into());
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Stands where a listener serves nothing but its routes.
#[derive(Clone, Copy, Debug)]
pub struct NoSurface;

impl Service<Request<Incoming>> for NoSurface {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn call(&self, _request: Request<Incoming>) -> Self::Future {
        ready(Ok(json(StatusCode::NOT_FOUND, r#"{"status":"not found"}"#)))
    }
}
