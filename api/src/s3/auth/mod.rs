//! Who signed a request: AWS Signature Version 4, by header and by presigned query.
//!
//! Parse, then verify. [`parse`] turns the head of a request into an [`AuthRequest`]: everything that
//! can be refused without a secret is refused there, and everything of the arithmetic that does not
//! depend on one (the hash of the canonical request) is done there. [`AuthRequest::verify`] is then one
//! lookup of a signing key and one HMAC, so both fit beside the read barrier, and verifying again with
//! another secret costs next to nothing.
//!
//! What may not live here: who a key belongs to, whether it is active, what it may do. An unknown key
//! is answered by the caller, on the snapshot after the barrier, with [`AuthRequest::verify`] given no
//! secret.
//!
//! # What is accepted
//!
//! | mechanism | answer |
//! |---|---|
//! | `Authorization: AWS4-HMAC-SHA256 …` | verified |
//! | `X-Amz-Algorithm=AWS4-HMAC-SHA256&…` | verified |
//! | neither, and nothing that looks like a part of either | anonymous |
//! | both | 400 |
//! | Signature Version 2, other schemes | 400 |
//! | SigV4A (ECDSA), session tokens | refused by name |
//!
//! Signed must be `host` and every `x-amz-*` header of the request; a header that is declared as signed
//! and not there is refused. `Content-Type` and `Content-MD5` need not be signed: S3 does not demand it,
//! browsers uploading to presigned URLs do not do it, and neither decides what a request does or whom it
//! concerns.
//!
//! # Which canonical form
//!
//! Path and query are canonical when they are percent-encoded the one way that S3 prescribes. Clients
//! sign that form and may send another (`$` for `%24`), or sign what they send. Both are accepted; this
//! is safe because decoding the string that was signed yields, in either case, exactly the path and the
//! parameters that the request is routed by. In a query `+` is a space, in a path it is a plus. `%2F`
//! stays `%2F`, and dots and repeated slashes stay where they are: they are part of a key.

mod canonical;
mod chunk;
mod date;
mod encoding;
mod error;
mod header;
mod keys;
mod payload;
mod presigned;
mod query;
mod request;
mod scope;

pub use chunk::ChunkSigner;
pub(in crate::s3) use chunk::parse_signature;
pub use error::{AuthError, Mechanism, SignatureMismatch};
pub use keys::SigningKeys;
pub use payload::{PayloadMode, TrailerMode};
pub use request::{AuthConfig, AuthRequest, AuthScheme, VerifiedAuth, parse};
