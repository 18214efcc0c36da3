//! System calls that may wait, on threads that may wait.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::JoinHandle;

use super::failure::Failure;
use crate::error::ErrorKind;

/// A step on a blocking thread. Dropped before it begins, it never does; what has begun ends.
pub(super) struct Step<T>(JoinHandle<Result<T, Failure>>);

/// Starts a step.
pub(super) fn step<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Step<T> {
    Step(tokio::task::spawn_blocking(work))
}

impl<T> Future for Step<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A step is cancelled only with its owner or with the runtime; a panic in one is a defect
        // that must not take the node down.
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(cx)).unwrap_or_else(|cause| {
            tracing::error!(%cause, "a step of a directory backend did not end");
            Err(Failure::of(ErrorKind::Unavailable))
        }))
    }
}

impl<T> Drop for Step<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
