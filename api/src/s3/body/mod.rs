//! Request bodies, verified while they stream.
//!
//! [`BodySpec::parse`] reads what the head of a request says about its body and refuses what is wrong
//! before the first byte is asked for (so that a client which waits for `100 Continue` never sends it).
//! [`BodyResources::open`] makes the reader, which undoes `aws-chunked` framing, yields the payload
//! piece by piece without copying it, and hashes it beside; [`VerifiedBody::finish`](crate::port::VerifiedBody::finish) succeeds only when
//! everything that was declared holds.
//!
//! ```text
//!  http body ──▶ source ──▶ decoder ──┬──▶ consumer (encrypts, sends on)
//!               time, pace, framing,  └──▶ digests: CRC at once, MD5 and SHA on the hash pool
//!               length      chunk signatures
//! ```
//!
//! What is yielded: any byte of an unsigned or whole payload as it comes, because nothing is committed
//! before `finish`; a byte of a signed chunk only after the signature of its chunk was verified.
//!
//! Memory per body is bounded by [`MAX_SIGNED_CHUNK`] for signed chunks, of which all bodies together
//! hold [`BodyConfig::chunk_memory`], and by 512 KiB of pieces that wait to be hashed. No length that a
//! client announces is ever allocated in advance.
//!
//! What may not live here: storage, metadata, the decision what an ETag is.

mod budget;
mod chunked;
mod declared;
mod digests;
mod engine;
mod error;
mod headers;
mod held;
mod lane;
mod multipart;
mod pool;
mod reader;
mod source;
mod trailer;

pub use chunked::MAX_SIGNED_CHUNK;
pub use declared::{BodyKind, BodySpec};
pub use error::SpecError;
pub use headers::stored_content_encoding;
pub use multipart::{MultipartChecksum, MultipartMd5};
pub use reader::{BodyConfig, BodyResources, RequestBody};
pub use source::MIN_BYTES_PER_SECOND;
