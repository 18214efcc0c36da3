//! What is said to the outside.
//!
//! This crate translates: bytes of a client's request into a typed call on the node, the node's typed
//! answer into bytes. It holds the S3 front end ([`s3`]) and the traits through which every surface
//! reaches the node ([`port`]).
//!
//! What may not live here: policy (who may do what, which name belongs to whom), storage, metadata,
//! listeners, TLS, configuration files, a clock that decides anything but a signature's age.
//!
//! Entry points: [`s3::S3Service`] serves one connection's requests for any
//! [`port::ObjectGateway`]; the node implements that trait.
//!
//! ```text
//!  hyper ──▶ s3::S3Service ──▶ s3::route (one parse) ──▶ s3::auth ──▶ s3::ops ──▶ port::ObjectGateway
//!                                                           │            ▲
//!                                                           └▶ s3::body ─┘ verified while it streams
//! ```

pub mod port;
pub mod s3;
