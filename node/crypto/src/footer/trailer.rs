//! The last 184 bytes of every blob, readable without a key.
//!
//! ```text
//!   0  32  the blob's header
//!  32   8  plaintext bytes of the blob
//!  40  16  encryption domain id      ┐
//!  56  16  bucket-key id             │
//!  72   4  bucket-key version        │ zero in suite 0
//!  76   4  reserved, zero            │
//!  80  40  wrapped data key          │
//! 120  32  commitment                ┘
//! 152   4  bytes of the footer, this trailer included
//! 156   2  bytes of this trailer
//! 158   1  footer version
//! 159   1  reserved, zero
//! 160  16  XXH3-128 of bytes 0 to 159
//! 176   8  "HOLDFTR1"
//! ```
//!
//! All numbers are big-endian. The last 32 bytes keep their places in every later version.

use crate::footer::{FooterError, MAX_FOOTER_LEN};
use crate::frame::{
    Commitment, EncryptionDescriptor, HEADER_LEN, Header, Layout, Protection, Suite, TAG_LEN, xxh3_128,
};
use crate::kdf::{WRAPPED_KEY_LEN, WrappedKey};
use crate::{DomainId, KeyId, KeyRef, KeyVersion};

/// Bytes of a trailer.
pub const TRAILER_LEN: usize = 184;
/// Last bytes of every blob.
pub const TRAILER_MAGIC: [u8; 8] = *b"HOLDFTR1";
/// The only footer version so far.
const VERSION: u8 = 1;
/// Bytes that the checksum covers.
const CHECKED_LEN: usize = 160;

/// What the trailer of a blob says in clear. Its checksum finds damage; only an opened
/// [`super::Footer`] is proof against malice in suite 1, where the trailer is associated data.
///
/// A reader without trusted metadata must not take the suite from here on faith: where a bucket was
/// encrypted, a trailer that says otherwise is a forgery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    header: Header,
    layout: Layout,
    protection: Protection,
    footer_len: u32,
}

impl Trailer {
    pub(crate) fn new(header: Header, layout: Layout, protection: Protection, footer_len: u32) -> Self {
        debug_assert_eq!((header.suite, header.chunk), (protection.suite(), layout.chunk()));
        Self {
            header,
            layout,
            protection,
            footer_len,
        }
    }

    /// The blob's header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The body's geometry.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How the blob is protected.
    pub const fn protection(&self) -> &Protection {
        &self.protection
    }

    /// Bytes of the whole footer.
    pub const fn footer_len(&self) -> u32 {
        self.footer_len
    }

    /// Bytes of the whole blob.
    pub const fn stored_len(&self) -> u64 {
        self.layout.stored_len(self.footer_len)
    }

    /// The stored form.
    pub(crate) fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut out = [0; TRAILER_LEN];
        out[..32].copy_from_slice(&self.header.encode());
        out[32..40].copy_from_slice(&self.layout.plaintext_len().to_be_bytes());
        if let Protection::Encrypted(descriptor) = &self.protection {
            out[40..56].copy_from_slice(descriptor.domain.as_bytes());
            out[56..72].copy_from_slice(descriptor.key.id.as_bytes());
            out[72..76].copy_from_slice(&descriptor.key.version.0.to_be_bytes());
            out[80..120].copy_from_slice(&descriptor.wrapped.0);
            out[120..152].copy_from_slice(&descriptor.commitment.0);
        }
        out[152..156].copy_from_slice(&self.footer_len.to_be_bytes());
        out[156..158].copy_from_slice(&(TRAILER_LEN as u16).to_be_bytes());
        out[158] = VERSION;
        let checksum = xxh3_128(&[&out[..CHECKED_LEN]]);
        out[160..176].copy_from_slice(&checksum);
        out[176..].copy_from_slice(&TRAILER_MAGIC);
        out
    }

    /// Parses the trailer at the end of `tail`, the last bytes of a blob.
    ///
    /// # Errors
    /// Anything that this release would not have written.
    pub fn parse(tail: &[u8]) -> Result<Self, FooterError> {
        let raw = tail.last_chunk::<TRAILER_LEN>().ok_or(FooterError::NotABlob)?;
        if raw[176..] != TRAILER_MAGIC {
            return Err(FooterError::NotABlob);
        }
        if raw[158] != VERSION {
            return Err(FooterError::Version(raw[158]));
        }
        if raw[160..176] != xxh3_128(&[&raw[..CHECKED_LEN]]) {
            return Err(FooterError::Damaged);
        }
        if field::<2>(raw, 156) != (TRAILER_LEN as u16).to_be_bytes() {
            return Err(FooterError::Malformed("length"));
        }
        if field::<4>(raw, 76) != [0; 4] || raw[159] != 0 {
            return Err(FooterError::Malformed("reserved field"));
        }
        let header = Header::decode(&field::<HEADER_LEN>(raw, 0))?;
        let plaintext_len = u64::from_be_bytes(field(raw, 32));
        let layout = Layout::new(header.chunk, plaintext_len)
            .map_err(|_| FooterError::Malformed("plaintext length"))?;
        let footer_len = u32::from_be_bytes(field(raw, 152));
        if footer_len > MAX_FOOTER_LEN || (footer_len as usize) < TRAILER_LEN + TAG_LEN {
            return Err(FooterError::Malformed("footer length"));
        }
        let protection = match header.suite {
            Suite::Clear if raw[40..152].iter().all(|byte| *byte == 0) => Protection::Clear,
            Suite::Clear => return Err(FooterError::Malformed("key field in suite 0")),
            Suite::Aes256Gcm => Protection::Encrypted(descriptor(raw)?),
        };
        Ok(Self {
            header,
            layout,
            protection,
            footer_len,
        })
    }
}

fn descriptor(raw: &[u8; TRAILER_LEN]) -> Result<EncryptionDescriptor, FooterError> {
    let version = KeyVersion(u32::from_be_bytes(field(raw, 72)));
    // The cluster secret has no versions.
    let id = KeyId(field(raw, 56));
    if (version.0 == 0) != (id == KeyId::CLUSTER_SECRET) {
        return Err(FooterError::Malformed("key version"));
    }
    Ok(EncryptionDescriptor {
        domain: DomainId(field(raw, 40)),
        key: KeyRef { id, version },
        wrapped: WrappedKey(field::<WRAPPED_KEY_LEN>(raw, 80)),
        commitment: Commitment(field(raw, 120)),
    })
}

/// The `N` bytes at a constant offset within the trailer.
fn field<const N: usize>(raw: &[u8; TRAILER_LEN], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&raw[at..at + N]);
    out
}
