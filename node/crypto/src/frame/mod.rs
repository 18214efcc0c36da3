//! The frame around a blob's bytes: header, chunks, and the arithmetic between plaintext and
//! stored offsets.
//!
//! Both suites share one geometry: each chunk of plaintext is followed by 16 bytes that only the
//! right chunk at the right place of the right blob can carry.

mod codec;
mod decoder;
mod encoder;
mod header;
mod layout;
mod opener;
mod verifier;

pub use codec::WrongKey;
pub(crate) use codec::{Codec, Position, xxh3_128};
pub use decoder::{DecodeError, Decoder};
pub use encoder::{EncodeError, Encoder, Sealed};
pub use header::{HEADER_LEN, Header, HeaderError, MAGIC, Suite};
pub use layout::{ChunkSize, Layout, LayoutError, MAX_PLAINTEXT_LEN, RangeMap, TAG_LEN};
pub use opener::{Commitment, EncryptionDescriptor, Opener, Protection, Sealer};
pub use verifier::{Verified, Verifier, VerifyError};
