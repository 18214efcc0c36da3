//! What a stored blob says about itself, so that the backends and the master key are enough.
//!
//! ```text
//! body ‖ payload (padded, sealed) ‖ tag ‖ trailer (184 bytes, clear)
//! ```
//!
//! The trailer comes last and has a fixed size: one ranged read of the end of a blob
//! ([`MAX_FOOTER_LEN`] bytes at most) finds the whole footer. The payload is sealed under a key of
//! its own, derived from the data key. Its length is fixed before the blob's first byte is sent,
//! although ETag and checksums are known only after the last: [`FooterPlan`] reserves their room.

mod payload;
mod plan;
mod trailer;
pub(crate) mod wire;

pub use payload::{
    BodyResults, Checksum, ChecksumAlgorithm, FooterFacts, FooterResults, MAX_BUCKET_NAME_LEN, MAX_ETAG_LEN,
    MAX_METADATA_ENTRIES, MAX_OBJECT_KEY_LEN, MAX_UPLOAD_ID_LEN, Metadata, Order, PayloadError, Place,
    UploadPart,
};
pub(crate) use plan::SealError;
pub use plan::{Expected, FooterPlan, PlanError};
pub use trailer::{TRAILER_LEN, TRAILER_MAGIC, Trailer};

use crate::frame::{HeaderError, Opener, TAG_LEN};

/// Bytes of a footer at most. A version's record stays below 16 KiB; the same facts fit here twice,
/// and one ranged read of this length from the end of any blob yields its whole footer.
pub const MAX_FOOTER_LEN: u32 = 32 << 10;

/// The payload is padded to a multiple of this, which leaves the lengths of names a little vague.
const PAYLOAD_ALIGN: usize = 64;

/// Why some bytes are not the footer that they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FooterError {
    /// These bytes do not end like a blob.
    #[error("the bytes do not end in a blob's trailer")]
    NotABlob,
    /// Written by a later release.
    #[error("footer version {0} is not known to this release")]
    Version(u8),
    /// The trailer's checksum does not hold.
    #[error("the trailer is damaged")]
    Damaged,
    /// A field of the trailer has an impossible value although its checksum holds.
    #[error("the trailer's {0} is impossible")]
    Malformed(&'static str),
    /// The header within the trailer is none.
    #[error("the header within the trailer: {0}")]
    Header(#[from] HeaderError),
    /// Fewer bytes were given than the footer has.
    #[error("the footer has {needed} bytes, {given} were given")]
    Incomplete {
        /// Length of the footer.
        needed: u32,
        /// Bytes at hand.
        given: usize,
    },
    /// The blob is stored in more or fewer bytes than its trailer says.
    #[error("the trailer speaks of {said} stored bytes, there are {found}")]
    StoredLength {
        /// Length by the trailer.
        said: u64,
        /// Length found.
        found: u64,
    },
    /// A sound footer, but of another blob or another geometry.
    #[error("the footer belongs to another blob")]
    OtherBlob,
    /// The payload failed its check.
    #[error("the footer's payload failed its check")]
    Authentication,
    /// The payload is authentic but not understood.
    #[error("the footer's payload: {0}")]
    Payload(#[from] PayloadError),
}

/// A footer, checked and opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    trailer: Trailer,
    facts: FooterFacts,
    results: FooterResults,
}

impl Footer {
    /// Opens the footer at the end of `tail`, which are the last bytes (or all) of a blob that is
    /// stored in `stored_len` bytes.
    ///
    /// # Errors
    /// Anything that is not exactly the footer written for the blob that `opener` opens.
    pub fn open(tail: &[u8], stored_len: u64, opener: &Opener) -> Result<Self, FooterError> {
        let trailer = Trailer::parse(tail)?;
        if trailer.header() != opener.header() {
            return Err(FooterError::OtherBlob);
        }
        if trailer.stored_len() != stored_len {
            return Err(FooterError::StoredLength {
                said: trailer.stored_len(),
                found: stored_len,
            });
        }
        let needed = trailer.footer_len();
        let incomplete = FooterError::Incomplete {
            needed,
            given: tail.len(),
        };
        let start = tail.len().checked_sub(needed as usize).ok_or(incomplete)?;
        let (sealed, raw_trailer) = tail[start..]
            .split_last_chunk::<TRAILER_LEN>()
            .ok_or(FooterError::NotABlob)?;
        let (payload, tag) = sealed
            .split_last_chunk::<TAG_LEN>()
            .ok_or(FooterError::Malformed("footer length"))?;
        let mut payload = payload.to_vec();
        opener
            .codec
            .open_footer(raw_trailer, &mut payload, tag)
            .map_err(|_| FooterError::Authentication)?;
        let (facts, results) = wire::decode(&payload)?;
        if results.content_len > trailer.layout().plaintext_len() {
            return Err(PayloadError::Field("content length").into());
        }
        Ok(Self {
            trailer,
            facts,
            results,
        })
    }

    /// The part in clear.
    pub const fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    /// What was known when the blob was begun.
    pub const fn facts(&self) -> &FooterFacts {
        &self.facts
    }

    /// What was known when it ended.
    pub const fn results(&self) -> &FooterResults {
        &self.results
    }

    /// The parts by value.
    pub fn into_parts(self) -> (Trailer, FooterFacts, FooterResults) {
        (self.trailer, self.facts, self.results)
    }
}
