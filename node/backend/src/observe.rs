//! A decorator that measures: requests by operation and status, failures by kind, bytes, time.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::Stream;
use metrics::{Counter, Histogram};
use raft_types::BackendName;

use crate::body::Body;
use crate::capabilities::Capabilities;
use crate::download::{ByteStream, Download};
use crate::error::{Class, ErrorKind, Operation, Result};
use crate::key::{BackendKey, KeyPrefix};
use crate::listing::{ListRequest, Page, Target};
use crate::port::{Backend, GetOptions, Head, PutOptions, Reply, Stored};

/// Names of the metrics, chosen by the process so that they stand in one place with all others.
#[derive(Debug, Clone, Copy)]
pub struct MetricNames {
    /// Counter of finished requests; labels `backend`, `operation`, `status`.
    pub requests: &'static str,
    /// Counter of failed ones; labels `backend`, `operation`, `reason`, `class`.
    pub failures: &'static str,
    /// Histogram of seconds until the answer, of a get until its first byte can be read; labels
    /// `backend`, `operation`.
    pub seconds: &'static str,
    /// Counter of bytes of successful puts; label `backend`.
    pub bytes_stored: &'static str,
    /// Counter of bytes that gets gave; label `backend`.
    pub bytes_read: &'static str,
}

/// Measures the requests to `inner`.
///
/// The status of a request is `success`, `error`, or `cancelled` when it was dropped before it had an
/// outcome. The reason of a failure is the [label](ErrorKind::label) of its error. A get has its
/// outcome when its body ends. Keys of a delete that fail one by one count as requests of their own, so
/// that they show.
#[derive(Debug)]
pub struct Observe<B> {
    inner: B,
    meters: Arc<Meters>,
}

/// Handles of metrics, each made when it is first used, so that what never happens makes no series.
#[derive(Debug)]
struct Meters {
    names: MetricNames,
    backend: Arc<BackendName>,
    succeeded: [OnceLock<Counter>; OPERATIONS],
    seconds: [OnceLock<Histogram>; OPERATIONS],
    bytes_stored: OnceLock<Counter>,
    bytes_read: OnceLock<Counter>,
}

/// How many operations there are.
const OPERATIONS: usize = Operation::ALL.len();

/// A request that has no outcome yet.
struct Running {
    meters: Arc<Meters>,
    operation: Operation,
    finished: bool,
}

/// A body on its way to the reader.
struct Measured {
    stream: ByteStream,
    running: Running,
    remaining: u64,
}

impl<B: Backend> Observe<B> {
    /// Measures `inner` under these names.
    pub fn new(inner: B, names: MetricNames) -> Self {
        let meters = Arc::new(Meters {
            names,
            backend: Arc::clone(inner.name()),
            succeeded: Default::default(),
            seconds: Default::default(),
            bytes_stored: OnceLock::new(),
            bytes_read: OnceLock::new(),
        });
        Self { inner, meters }
    }

    /// The backend inside.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// Runs a request to its answer; its outcome is still to be told.
    async fn timed<T>(&self, operation: Operation, reply: Reply<'_, T>) -> (Running, Result<T>) {
        let running = Running {
            meters: Arc::clone(&self.meters),
            operation,
            finished: false,
        };
        let started = Instant::now();
        let answer = reply.await;
        self.meters.took(operation, started);
        (running, answer)
    }

    async fn whole<T>(&self, operation: Operation, reply: Reply<'_, T>) -> Result<T> {
        let (running, answer) = self.timed(operation, reply).await;
        running.finish(answer.as_ref().err().map(|error| error.kind()));
        answer
    }
}

impl Meters {
    fn count(&self, operation: Operation, failed: Option<&ErrorKind>) {
        let Some(kind) = failed else {
            let Some(succeeded) = self.succeeded.get(operation as usize) else {
                return;
            };
            return succeeded
                .get_or_init(|| self.requests(operation, "success"))
                .increment(1);
        };
        self.requests(operation, "error").increment(1);
        metrics::counter!(
            self.names.failures,
            "backend" => self.backend.to_string(),
            "operation" => operation.label(),
            "reason" => kind.label(),
            "class" => class_label(kind.class()),
        )
        .increment(1);
    }

    fn cancelled(&self, operation: Operation) {
        self.requests(operation, "cancelled").increment(1);
    }

    fn requests(&self, operation: Operation, status: &'static str) -> Counter {
        metrics::counter!(
            self.names.requests,
            "backend" => self.backend.to_string(),
            "operation" => operation.label(),
            "status" => status,
        )
    }

    fn took(&self, operation: Operation, started: Instant) {
        let Some(seconds) = self.seconds.get(operation as usize) else {
            return;
        };
        let histogram = seconds.get_or_init(|| {
            metrics::histogram!(
                self.names.seconds,
                "backend" => self.backend.to_string(),
                "operation" => operation.label(),
            )
        });
        histogram.record(started.elapsed());
    }

    fn stored(&self, bytes: u64) {
        let register = || metrics::counter!(self.names.bytes_stored, "backend" => self.backend.to_string());
        self.bytes_stored.get_or_init(register).increment(bytes);
    }

    fn read(&self, bytes: u64) {
        let register = || metrics::counter!(self.names.bytes_read, "backend" => self.backend.to_string());
        self.bytes_read.get_or_init(register).increment(bytes);
    }
}

impl Running {
    fn finish(mut self, failed: Option<&ErrorKind>) {
        self.finish_once(failed);
    }

    fn finish_once(&mut self, failed: Option<&ErrorKind>) {
        if !self.finished {
            self.finished = true;
            self.meters.count(self.operation, failed);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.finished {
            self.meters.cancelled(self.operation);
        }
    }
}

impl Stream for Measured {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.stream.as_mut().poll_next(cx);
        match &next {
            Poll::Ready(Some(Ok(piece))) => {
                let length = piece.len() as u64;
                self.running.meters.read(length);
                self.remaining = self.remaining.saturating_sub(length);
                // The reader has what it wanted and does not come back to see the end.
                if self.remaining == 0 {
                    self.running.finish_once(None);
                }
            }
            Poll::Ready(Some(Err(error))) => self.running.finish_once(Some(error.kind())),
            Poll::Ready(None) if self.remaining > 0 => {
                self.running.finish_once(Some(&ErrorKind::corrupt("short")));
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        next
    }
}

fn class_label(class: Class) -> &'static str {
    match class {
        Class::Suspect => "suspect",
        Class::Retry => "retry",
        Class::Elsewhere => "elsewhere",
        Class::Stop => "stop",
        Class::Caller => "caller",
    }
}

impl<B: Backend> Backend for Observe<B> {
    fn name(&self) -> &Arc<BackendName> {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put<'a>(&'a self, key: &'a BackendKey, body: Body, options: PutOptions) -> Reply<'a, Stored> {
        Box::pin(async move {
            let stored = self
                .whole(Operation::Put, self.inner.put(key, body, options))
                .await?;
            self.meters.stored(stored.size);
            Ok(stored)
        })
    }

    fn get<'a>(&'a self, key: &'a BackendKey, options: GetOptions) -> Reply<'a, Download> {
        Box::pin(async move {
            let (running, answer) = self.timed(Operation::Get, self.inner.get(key, options)).await;
            let Download { head, body } = match answer {
                Ok(download) => download,
                Err(error) => {
                    running.finish(Some(error.kind()));
                    return Err(error);
                }
            };
            if body.as_memory().is_some() {
                self.meters.read(body.length());
                running.finish(None);
                return Ok(Download { head, body });
            }
            let remaining = body.length();
            let body = body.map_stream(|stream| {
                Box::pin(Measured {
                    stream,
                    running,
                    remaining,
                })
            });
            Ok(Download { head, body })
        })
    }

    fn head<'a>(&'a self, key: &'a BackendKey) -> Reply<'a, Head> {
        Box::pin(self.whole(Operation::Head, self.inner.head(key)))
    }

    fn delete<'a>(&'a self, targets: &'a [Target]) -> Reply<'a, Vec<Result<()>>> {
        Box::pin(async move {
            let outcomes = self.whole(Operation::Delete, self.inner.delete(targets)).await?;
            for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
                self.meters.count(Operation::Delete, Some(error.kind()));
            }
            Ok(outcomes)
        })
    }

    fn list<'a>(&'a self, request: &'a ListRequest) -> Reply<'a, Page> {
        Box::pin(self.whole(Operation::List, self.inner.list(request)))
    }

    fn tidy<'a>(&'a self, prefix: &'a KeyPrefix) -> Reply<'a, ()> {
        Box::pin(self.whole(Operation::Tidy, self.inner.tidy(prefix)))
    }
}
