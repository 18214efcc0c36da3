//! Listeners: sockets, TLS, connections, and the few paths that are not S3.
//!
//! ```text
//!  bind ──▶ Listener ──▶ accept loop ──▶ TLS ──▶ connection (deadlines, hyper)
//!                        connection cap,          │ one request
//!                        back-off                 ▼
//!                                              Routes: /health, /health/ready, metrics, unsigned GET /
//!                                                 │ everything else
//!                                                 ▼
//!                                              S3Surface, once the node is assembled
//! ```
//!
//! Lives here: what is true of any HTTP server. May not: S3, authentication, metadata. Bounds of time
//! here bound time without progress, never a whole body; how long a body may stall while it is read
//! is the business of whoever reads it.
//!
//! Entry points: [`bind`] takes a port, [`Server::start`] serves it, [`Server::drain`] ends that.

mod activity;
mod answer;
mod bind;
mod connection;
mod health;
mod linger;
mod offers;
mod phase;
mod request;
mod routes;
mod server;
mod stalls;
#[cfg(test)]
mod tests;
pub mod tls;

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;

pub use answer::AnswerBody;
pub use bind::{BindError, Listener, bind};
pub use health::{Health, HealthState};
pub use routes::{NoSurface, Routes};
pub use server::{Drained, Server, ServerOptions};

/// Any error.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// What answers S3 requests: any hyper service over the bodies of this listener that never fails.
pub trait S3Surface:
    Service<
        ::http::Request<Incoming>,
        Response = ::http::Response<Self::Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of an answer. An error breaks the connection.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> S3Surface for S
where
    S: Service<::http::Request<Incoming>, Response = ::http::Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Body = B;
}
