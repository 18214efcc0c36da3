//! A decorator that bounds how many requests a backend has at once.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use raft_types::BackendName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::body::Body;
use crate::capabilities::Capabilities;
use crate::download::{ByteStream, Download};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::{BackendKey, KeyPrefix};
use crate::listing::{ListRequest, Page, Target};
use crate::port::{Backend, GetOptions, Head, PutOptions, Reply, Stored};

/// Lets a bounded number of requests through at once and a bounded number wait; what comes on top
/// fails at once as [`Throttled`](ErrorKind::Throttled), so that a slow backend does not gather all
/// requests of the node. A get counts until its body has ended or been dropped.
#[derive(Debug)]
pub struct Limit<B> {
    inner: B,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
}

/// How many requests a backend may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitOptions {
    /// At once; at most [`LimitOptions::MAX`].
    pub concurrent: NonZeroUsize,
    /// Waiting for their turn.
    pub waiting: usize,
}

/// A stream that holds a slot to its end.
struct Holding {
    stream: ByteStream,
    slot: Option<OwnedSemaphorePermit>,
}

/// Counts one who waits.
struct Waiting<'a>(&'a AtomicUsize);

impl LimitOptions {
    /// What tokio's semaphore can count.
    pub const MAX: usize = Semaphore::MAX_PERMITS;
}

impl<B: Backend> Limit<B> {
    /// Limits `inner`.
    pub fn new(inner: B, options: LimitOptions) -> Self {
        let slots = Arc::new(Semaphore::new(options.concurrent.get().min(LimitOptions::MAX)));
        Self {
            inner,
            slots,
            waiting: AtomicUsize::new(0),
            max_waiting: options.waiting,
        }
    }

    /// The backend inside.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    async fn slot(&self, operation: Operation) -> Result<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(slot);
        }
        let waiting = Waiting(&self.waiting);
        if waiting.0.fetch_add(1, Ordering::Relaxed) >= self.max_waiting {
            return Err(self.too_many(operation));
        }
        // The semaphore is never closed; if it were, nothing could get through it any more.
        Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|_| self.too_many(operation))
    }

    fn too_many(&self, operation: Operation) -> Error {
        Error::new(
            ErrorKind::Throttled { retry_after: None },
            operation,
            self.inner.name(),
        )
        .with_source("too many requests of this node wait for this backend")
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stream for Holding {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.stream.as_mut().poll_next(cx);
        if let Poll::Ready(None | Some(Err(_))) = next {
            self.slot = None;
        }
        next
    }
}

impl<B: Backend> Backend for Limit<B> {
    fn name(&self) -> &Arc<BackendName> {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put<'a>(&'a self, key: &'a BackendKey, body: Body, options: PutOptions) -> Reply<'a, Stored> {
        Box::pin(async move {
            let _slot = self
                .slot(Operation::Put)
                .await
                .map_err(|error| error.with_key(key))?;
            self.inner.put(key, body, options).await
        })
    }

    fn get<'a>(&'a self, key: &'a BackendKey, options: GetOptions) -> Reply<'a, Download> {
        Box::pin(async move {
            let slot = self
                .slot(Operation::Get)
                .await
                .map_err(|error| error.with_key(key))?;
            let Download { head, body } = self.inner.get(key, options).await?;
            let body = body.map_stream(|stream| {
                Box::pin(Holding {
                    stream,
                    slot: Some(slot),
                })
            });
            Ok(Download { head, body })
        })
    }

    fn head<'a>(&'a self, key: &'a BackendKey) -> Reply<'a, Head> {
        Box::pin(async move {
            let _slot = self
                .slot(Operation::Head)
                .await
                .map_err(|error| error.with_key(key))?;
            self.inner.head(key).await
        })
    }

    fn delete<'a>(&'a self, targets: &'a [Target]) -> Reply<'a, Vec<Result<()>>> {
        Box::pin(async move {
            let _slot = self.slot(Operation::Delete).await?;
            self.inner.delete(targets).await
        })
    }

    fn list<'a>(&'a self, request: &'a ListRequest) -> Reply<'a, Page> {
        Box::pin(async move {
            let _slot = self.slot(Operation::List).await?;
            self.inner.list(request).await
        })
    }

    fn tidy<'a>(&'a self, prefix: &'a KeyPrefix) -> Reply<'a, ()> {
        Box::pin(async move {
            let _slot = self.slot(Operation::Tidy).await?;
            self.inner.tidy(prefix).await
        })
    }
}
