//! The S3 front end.
//!
//! [`S3Service`] takes a request and answers it. On the way, in this order:
//!
//! 1. `request`: what is ambiguous or too large is refused; host, path, query and method become one
//!    target and one operation; what is not built is 501.
//! 2. [`auth`]: the signature is verified beside the node's read barrier, and counts on the snapshot
//!    after it.
//! 3. `ops`: headers, query and XML become one call on [`ObjectGateway`](crate::port::ObjectGateway);
//!    bodies prove themselves through [`body`] while they stream.
//! 4. `reply`: the answer streams out, watched to its last byte by a [`RequestObserver`].
//!
//! What a request means is decided once, and nothing is passed over: a parameter, header or element
//! that is not understood and would change the meaning is refused by name.

pub mod auth;
pub mod body;

mod checksum;
mod code;
mod config;
mod error;
mod incoming;
mod observe;
mod ops;
mod percent;
mod reply;
mod request;
mod service;
mod time;
mod token;
mod xml;

pub use code::ErrorCode;
pub use config::{Limits, S3Config, ServerSideEncryption};
pub use observe::{Ending, RequestObserver, RequestRecord};
pub use reply::ReplyBody;
pub use service::{Answer, RequestIds, S3Service};
pub use token::TokenKey;
