//! One request from its head to its answer.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, Version};
use http_body::Body;

use super::auth::{AuthConfig, AuthError, AuthRequest, SigningKeys, VerifiedAuth, parse};
use super::body::BodyResources;
use super::code::ErrorCode;
use super::config::S3Config;
use super::error::{Framing, S3Error};
use super::incoming::{Payload, Tracked};
use super::observe::{RequestObserver, RequestRecord, Watch};
use super::ops::{Call, DocumentMemory, dispatch};
use super::reply::{Content, Reply, ReplyBody};
use super::request::{Headers, Query, Target, check_amz_headers, guard, host, route};
use super::xml::{DECLARATION, ErrorContext, error as error_document};
use crate::port::{Caller, ObjectGateway, RequestId, RequestInfo};

/// The S3 front end of one node. Cheap to clone; every connection has one.
///
/// Answers every request, so it never fails. It knows nothing of sockets: header and idle timeouts,
/// TLS and the number of connections are the listener's.
pub struct S3Service<G> {
    inner: Arc<Inner<G>>,
}

pub(crate) struct Inner<G> {
    pub(crate) gateway: G,
    pub(crate) config: S3Config,
    auth: AuthConfig,
    host_id: HeaderValue,
    pub(crate) bodies: BodyResources,
    pub(crate) documents: DocumentMemory,
    signing_keys: SigningKeys,
    observer: Arc<dyn RequestObserver>,
    ids: RequestIds,
}

/// What the body of an answer of `G` is.
pub type Answer<G> = Response<ReplyBody<<G as ObjectGateway>::ReadBody>>;

impl<G> Clone for S3Service<G> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<G> std::fmt::Debug for S3Service<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Service")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

impl<G: ObjectGateway> S3Service<G> {
    /// A front end before `gateway`. `bodies` is shared by all of a process.
    #[must_use]
    pub fn new(
        gateway: G,
        config: S3Config,
        bodies: BodyResources,
        observer: Arc<dyn RequestObserver>,
    ) -> Self {
        let inner = Inner {
            gateway,
            auth: config.auth(),
            host_id: HeaderValue::from_str(&config.host_id).unwrap_or(HeaderValue::from_static("-")),
            documents: DocumentMemory::new(config.limits.document_memory),
            config,
            bodies,
            signing_keys: SigningKeys::new(),
            observer,
            ids: RequestIds::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: Request<B>) -> Answer<G>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let (body, progress) = Tracked::new(body);
        // Whoever took the request in may have named it already, so that its own lines say the same.
        let named = parts.extensions.get::<RequestId>().copied();
        let id = named.unwrap_or_else(|| self.inner.ids.next());
        let mut watch = Watch::new(
            Arc::clone(&self.inner.observer),
            id,
            parts.method.clone(),
            progress,
        );
        // A mistake of ours ends one request. Its state is thrown away, and so is its connection.
        let answering = AssertUnwindSafe(self.inner.answer(&parts, body, watch.record())).catch_unwind();
        let outcome = match answering.await {
            Ok(outcome) => outcome,
            Err(_) => Err(S3Error::new(ErrorCode::InternalError).close()),
        };
        self.inner.finish(&parts, outcome, watch)
    }
}

impl<G, B> hyper::service::Service<Request<B>> for S3Service<G>
where
    G: ObjectGateway,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Answer<G>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.handle(request).await) })
    }
}

impl<G: ObjectGateway> Inner<G> {
    async fn answer<B>(
        self: &Arc<Self>,
        parts: &Parts,
        body: Tracked<B>,
        record: &mut RequestRecord,
    ) -> Result<Reply<G::ReadBody>, S3Error>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        guard(parts)?;
        let host = host(parts)?;
        let target = Target::parse(parts.uri.path(), host, self.config.domain.as_deref())?;
        record.bucket = target.bucket().cloned();
        record.key = target.key().cloned();
        let query = Query::parse(parts.uri.query())?;
        let operation = route(&parts.method, &target, &query)?;
        record.operation = Some(operation);

        let auth = parse(parts, &self.auth, SystemTime::now()).map_err(|error| refused(&error, record))?;
        let info = RequestInfo {
            id: record.id,
            operation,
        };
        let (view, caller, verified) = self.authenticate(&auth, &info, record).await?;
        drop(auth);

        // Nobody learns what is understood before it is known who asks.
        let headers = Headers::new(&parts.headers, &query)?;
        check_amz_headers(&headers, operation, self.config.encryption)?;
        let call = Call {
            service: self,
            parts,
            host,
            target: &target,
            query: &query,
            headers: &headers,
            view,
            caller,
            id: record.id,
        };
        dispatch(
            operation,
            call,
            Payload {
                body,
                mode: verified.payload,
            },
        )
        .await
    }

    /// Verifies the signature while the barrier runs, and decides on the snapshot after it.
    async fn authenticate(
        &self,
        auth: &AuthRequest<'_>,
        info: &RequestInfo,
        record: &mut RequestRecord,
    ) -> Result<(G::View, Caller, VerifiedAuth), S3Error> {
        // Nobody may do anything anonymously, so there is nothing to ask the node.
        let Some(access_key) = auth.access_key() else {
            return Err(ErrorCode::AccessDenied.into());
        };
        let barrier = self.gateway.begin(info);
        let early = self.gateway.candidate(access_key).map(|candidate| {
            let verified = auth.verify(Some(&candidate.secret), &self.signing_keys);
            (candidate, verified)
        });
        let (view, credential) = self.gateway.identify(barrier, access_key).await?;
        let Some(credential) = credential else {
            let error = match auth.verify(None, &self.signing_keys) {
                Err(error) => error,
                Ok(_) => AuthError::InvalidAccessKeyId(access_key.into()),
            };
            return Err(refused(&error, record));
        };
        let verified = match early {
            Some((candidate, verified)) if candidate.secret.is(&credential.secret) => verified,
            Some(_) | None => auth.verify(Some(&credential.secret), &self.signing_keys),
        };
        let verified = verified.map_err(|error| refused(&error, record))?;
        record.access_key = Some(Arc::clone(&credential.access_key));
        record.user = Some(Arc::clone(&credential.user));
        Ok((view, Caller::verified(credential), verified))
    }

    fn finish(
        &self,
        parts: &Parts,
        outcome: Result<Reply<G::ReadBody>, S3Error>,
        mut watch: Watch,
    ) -> Answer<G> {
        let id = watch.record().id;
        let mut framing = if watch.body_ended() {
            Framing::Sound
        } else {
            Framing::Doubtful
        };
        let mut reply = outcome.unwrap_or_else(|error| {
            if error.framing() == Framing::Doubtful {
                framing = Framing::Doubtful;
            }
            watch.record().error = Some(error.code());
            self.refusal(parts, &error, watch.record())
        });
        watch.record().status = Some(reply.status);
        reply.headers.insert(REQUEST_ID, id_header(id));
        reply.headers.insert(HOST_ID, self.host_id.clone());
        let ends = framing == Framing::Doubtful || (expects_continue(parts) && !watch.has_body());
        if ends && parts.version <= Version::HTTP_11 {
            reply.headers.insert(CONNECTION, CLOSE);
        }
        reply.into_response(watch)
    }

    /// The answer that tells an error.
    fn refusal(&self, parts: &Parts, error: &S3Error, record: &RequestRecord) -> Reply<G::ReadBody> {
        let mut reply = Reply::empty(error.code().status());
        for (name, value) in error.headers() {
            reply.headers.insert(name.clone(), value.clone());
        }
        if parts.method == Method::HEAD {
            return reply;
        }
        let context = ErrorContext {
            bucket: record.bucket.as_ref(),
            key: record.key.as_ref(),
            resource: parts.uri.path(),
            request_id: record.id,
            host_id: &self.config.host_id,
        };
        let document = error_document(error, &context);
        reply
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        reply.content = Content::Whole([DECLARATION, &document].concat().into());
        reply
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

fn id_header(id: RequestId) -> HeaderValue {
    HeaderValue::from_bytes(&id.digits()).unwrap_or(HeaderValue::from_static("-"))
}

/// Whether the client waits for `100 Continue`. Before an empty body it never comes, and after a final
/// answer in its place aws-cli misreads the next answer on the connection, for which it then waits a
/// minute: such a connection is ended.
fn expects_continue(parts: &Parts) -> bool {
    parts
        .headers
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn refused(error: &AuthError, record: &mut RequestRecord) -> S3Error {
    record.unauthenticated = Some(error.reason());
    error.into()
}

/// Ids of requests: distinct within a process, and most likely among all. A listener that draws them
/// itself hands each on as an extension of its request.
#[derive(Debug)]
pub struct RequestIds {
    seed: u64,
    count: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestIds {
    /// Begins with a number drawn at random.
    #[must_use]
    pub fn new() -> Self {
        // Without randomness ids would repeat from boot to boot, which only confuses who reads logs.
        Self {
            seed: getrandom::u64().unwrap_or_default(),
            count: AtomicU64::new(0),
        }
    }

    /// A permutation of all numbers (the finaliser of SplitMix64), so that none comes twice.
    pub fn next(&self) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut mixed = self.seed.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        RequestId::new(mixed ^ (mixed >> 31))
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use std::collections::HashSet;

    use super::RequestIds;

    #[test]
    fn no_two_requests_have_the_same_id() {
        let ids = RequestIds::new();
        let drawn: HashSet<_> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(drawn.len(), 10_000);
    }
}
