//! The seam between the shell of the process and what it runs.
//!
//! The shell owns the configuration, listeners, signals and logs; it knows nothing of metadata,
//! backends or S3. What it runs is put together by an [`Assemble`] and steered by a [`Lifecycle`].
//!
//! The order of one process:
//! 1. the configuration is whole, the listeners are bound and answer `/health` (200) and
//!    `/health/ready` (503), S3 requests with 503;
//! 2. [`Assemble::assemble`] opens, recovers and starts everything, and returns once requests can be
//!    served; from here on S3 requests reach [`Assembled::s3`];
//! 3. [`Lifecycle::reconfigure`] at each reload;
//! 4. on SIGTERM `/health/ready` is 503 at once and [`Lifecycle::prepare_stop`] is called, while
//!    requests are served for `server.shutdown_delay`; then the listeners drain;
//! 5. [`Lifecycle::stop`], after the last request or `server.drain_timeout`; then the process exits.
//!
//! When [`Lifecycle::failed`] resolves, the process exits at once with a failure.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::config::{ClusterSettings, Config};
use crate::http::S3Surface;

/// Puts a node together.
pub trait Assemble: Send + 'static {
    /// What answers S3 requests.
    type S3: S3Surface;

    /// Opens, recovers and starts everything. Resolves once requests can be served, or with what
    /// stands in the way; whatever was started by then is stopped.
    fn assemble(
        self,
        config: Config,
    ) -> impl Future<Output = Result<Assembled<Self::S3>, AssembleError>> + Send;
}

/// A node that can serve.
pub struct Assembled<S> {
    /// What answers S3 requests.
    pub s3: S,
    /// How it is steered.
    pub lifecycle: Arc<dyn Lifecycle>,
}

/// Why a node cannot start, with its causes. Shown to the operator.
pub type AssembleError = Box<dyn Error + Send + Sync>;

/// How the shell steers what it runs.
pub trait Lifecycle: Send + Sync + 'static {
    /// Whether reads can be served. Asked by every health check: cheap, no IO, no request to a
    /// backend.
    fn readiness(&self) -> Readiness;

    /// Takes over what a reload changed. `settings` are checked.
    ///
    /// # Errors
    /// Why the old settings stay.
    fn reconfigure<'a>(
        &'a self,
        settings: &'a ClusterSettings,
    ) -> BoxFuture<'a, Result<(), ReconfigureError>>;

    /// The process will stop: give leadership away. Requests are still served.
    fn prepare_stop(&self) -> BoxFuture<'_, ()>;

    /// No request runs any more: end the jobs, give back what is held, close the disks.
    fn stop(&self) -> BoxFuture<'_, ()>;

    /// Resolves when the process cannot go on, such as after a failed fsync of the log. May never
    /// resolve.
    fn failed(&self) -> BoxFuture<'_, Failure>;
}

/// Whether reads can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// They can.
    Ready,
    /// They cannot; why, for the log.
    NotReady(&'static str),
}

/// Why the process cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// Why settings of a reload were not taken over.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReconfigureError(pub String);

impl ReconfigureError {
    /// Refused because of this, told with its causes.
    #[must_use]
    pub fn because(error: &dyn Error) -> Self {
        Self(chain(error))
    }
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Many errors repeat the words of their cause.
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

impl<S: fmt::Debug> fmt::Debug for Assembled<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembled")
            .field("s3", &self.s3)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn causes_are_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Outer(#[source] io::Error);
        #[derive(Debug, thiserror::Error)]
        #[error("outermost")]
        struct Outermost(#[source] Outer);
        let error = Outermost(Outer(io::Error::other("inner")));
        assert_eq!(chain(&error), "outermost: outer: inner");
    }
}
