//! A decorator that ends requests which go without progress.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use raft_types::BackendName;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::body::{Body, Progress};
use crate::capabilities::Capabilities;
use crate::download::{ByteStream, Download};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::{BackendKey, KeyPrefix};
use crate::listing::{ListRequest, Page, Target};
use crate::port::{Backend, GetOptions, Head, PutOptions, Reply, Stored};

/// Looks at a streamed put in this many parts of its limit: it ends at most one part too late.
const LOOKS: u32 = 4;

/// Targets of a delete that have one limit together: a batch is many requests to a directory.
const TARGETS_PER_LIMIT: usize = 100;

/// Fails a request as [`Unavailable`](ErrorKind::Unavailable) once it has gone without progress for a
/// limit of time: a body of any length may take as long as it needs, a disk or provider that hangs may
/// not hold a request for ever.
///
/// Time in which somebody else is slow does not count: the source of a put's body, the reader of a
/// get's. A thread that hangs in a system call is left behind; it ends when the system lets it.
#[derive(Debug)]
pub struct Timeout<B> {
    inner: B,
    limit: Duration,
}

impl<B: Backend> Timeout<B> {
    /// Gives requests to `inner` at most `limit` without progress.
    pub fn new(inner: B, limit: Duration) -> Self {
        Self { inner, limit }
    }

    /// The backend inside.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    fn stalled(&self, operation: Operation) -> Error {
        stalled(self.limit, operation, self.inner.name())
    }

    async fn within<T>(&self, limit: Duration, operation: Operation, reply: Reply<'_, T>) -> Result<T> {
        match timeout(limit, reply).await {
            Ok(answer) => answer,
            Err(_) => Err(self.stalled(operation)),
        }
    }

    /// Lets a put run for as long as it takes bytes, or has none to take.
    async fn streaming(&self, progress: Progress, mut put: Reply<'_, Stored>) -> Result<Stored> {
        let look = self.limit / LOOKS;
        let mut taken = progress.taken();
        let mut since = Instant::now();
        loop {
            if let Ok(answer) = timeout(look, &mut put).await {
                return answer;
            }
            let now = progress.taken();
            if now != taken || progress.is_starved() {
                taken = now;
                since = Instant::now();
            } else if since.elapsed() >= self.limit {
                return Err(self.stalled(Operation::Put));
            }
        }
    }
}

fn stalled(limit: Duration, operation: Operation, backend: &Arc<BackendName>) -> Error {
    Error::new(ErrorKind::Unavailable, operation, backend).with_source(format!("no progress for {limit:?}"))
}

/// The body of a get whose next piece comes in time or fails. The time runs while a piece is waited
/// for, not while nobody asks for one.
struct Timely {
    stream: ByteStream,
    limit: Duration,
    backend: Arc<BackendName>,
    key: BackendKey,
    /// Runs while a piece is waited for. Made at the first wait and kept.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Stream for Timely {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.stream.as_mut().poll_next(cx);
        if next.is_ready() {
            self.waiting = false;
            return next;
        }
        let limit = self.limit;
        let begins = !std::mem::replace(&mut self.waiting, true);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if begins {
            timer.as_mut().reset(Instant::now() + limit);
        }
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => {
                let error = stalled(limit, Operation::Get, &self.backend).with_key(&self.key);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<B: Backend> Backend for Timeout<B> {
    fn name(&self) -> &Arc<BackendName> {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put<'a>(&'a self, key: &'a BackendKey, body: Body, options: PutOptions) -> Reply<'a, Stored> {
        Box::pin(async move {
            let stored = match body.into_memory() {
                // Wholly handed over, so there is nothing to watch but its end.
                Ok(bytes) => {
                    let put = self.inner.put(key, Body::from_bytes(bytes), options);
                    self.within(self.limit, Operation::Put, put).await
                }
                Err(mut body) => {
                    let progress = body.progress();
                    self.streaming(progress, self.inner.put(key, body, options)).await
                }
            };
            stored.map_err(|error| error.with_key(key))
        })
    }

    fn get<'a>(&'a self, key: &'a BackendKey, options: GetOptions) -> Reply<'a, Download> {
        Box::pin(async move {
            let get = self.inner.get(key, options);
            let Download { head, body } = self
                .within(self.limit, Operation::Get, get)
                .await
                .map_err(|error| error.with_key(key))?;
            let body = body.map_stream(|stream| {
                Box::pin(Timely {
                    stream,
                    limit: self.limit,
                    backend: Arc::clone(self.inner.name()),
                    key: key.clone(),
                    timer: None,
                    waiting: false,
                })
            });
            Ok(Download { head, body })
        })
    }

    fn head<'a>(&'a self, key: &'a BackendKey) -> Reply<'a, Head> {
        Box::pin(async move {
            let head = self.within(self.limit, Operation::Head, self.inner.head(key));
            head.await.map_err(|error| error.with_key(key))
        })
    }

    fn delete<'a>(&'a self, targets: &'a [Target]) -> Reply<'a, Vec<Result<()>>> {
        let limits = u32::try_from(targets.len().div_ceil(TARGETS_PER_LIMIT)).unwrap_or(u32::MAX);
        let limit = self.limit.saturating_mul(limits.max(1));
        Box::pin(self.within(limit, Operation::Delete, self.inner.delete(targets)))
    }

    fn list<'a>(&'a self, request: &'a ListRequest) -> Reply<'a, Page> {
        Box::pin(self.within(self.limit, Operation::List, self.inner.list(request)))
    }

    fn tidy<'a>(&'a self, prefix: &'a KeyPrefix) -> Reply<'a, ()> {
        Box::pin(self.within(self.limit, Operation::Tidy, self.inner.tidy(prefix)))
    }
}
