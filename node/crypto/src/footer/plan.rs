//! A footer's length before its contents are known.

use crate::aead;
use crate::footer::payload::{
    BodyResults, Checksum, ChecksumAlgorithm, FooterFacts, FooterResults, MAX_BUCKET_NAME_LEN, MAX_ETAG_LEN,
    MAX_METADATA_ENTRIES, MAX_OBJECT_KEY_LEN, MAX_UPLOAD_ID_LEN,
};
use crate::footer::wire::{PREFIX_LEN, Payload};
use crate::footer::{MAX_FOOTER_LEN, PAYLOAD_ALIGN, TRAILER_LEN, Trailer};
use crate::frame::{Layout, Sealer, TAG_LEN};

/// Why a footer cannot say what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A field is empty or longer than footers hold.
    #[error("the footer's {field} has {len} bytes or entries, {min} to {max} are possible")]
    Field {
        /// The field.
        field: &'static str,
        /// Its length.
        len: usize,
        /// The least it may have.
        min: usize,
        /// The most it may have.
        max: usize,
    },
    /// All fields together are too long.
    #[error("the footer would have {0} bytes, {MAX_FOOTER_LEN} are possible")]
    TooLong(usize),
    /// The results need more room than was reserved: a checksum that was not announced, or an ETag
    /// in the footer of a blob that was not announced to be a body's last.
    #[error("the results do not fit the length that was reserved for them")]
    NotReserved,
    /// A digest does not have its algorithm's length.
    #[error("a {0:?} digest has the wrong length")]
    Digest(ChecksumAlgorithm),
    /// More client bytes than the blob has plaintext.
    #[error("the footer speaks of {0} client bytes, the blob has fewer")]
    ContentLength(u64),
}

/// Why a footer could not be sealed.
#[derive(Debug)]
pub(crate) enum SealError {
    Plan(PlanError),
    Cipher(aead::Error),
}

/// Which results a blob's footer must have room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected<'a> {
    /// More blobs of the same body follow.
    Inner,
    /// The blob is or may be the last of its body, whose ETag and these checksums will be known.
    Last(&'a [ChecksumAlgorithm]),
}

/// What a footer will say, and its exact length.
#[derive(Debug, Clone)]
pub struct FooterPlan {
    payload: Payload,
    padded_len: usize,
    footer_len: u32,
}

impl FooterPlan {
    /// Fixes the length: room for `facts` and for what is `expected` at its longest.
    pub fn new(facts: FooterFacts, expected: Expected<'_>) -> Result<Self, PlanError> {
        check(&facts)?;
        let mut payload = Payload::of(facts);
        payload.set_results(longest(expected));
        let padded_len = (PREFIX_LEN + prost::Message::encoded_len(&payload)).next_multiple_of(PAYLOAD_ALIGN);
        let footer_len = padded_len + TAG_LEN + TRAILER_LEN;
        match u32::try_from(footer_len) {
            Ok(len) if len <= MAX_FOOTER_LEN => Ok(Self {
                payload,
                padded_len,
                footer_len: len,
            }),
            _ => Err(PlanError::TooLong(footer_len)),
        }
    }

    /// Bytes of the footer.
    pub const fn footer_len(&self) -> u32 {
        self.footer_len
    }

    /// The footer of a blob of this layout, exactly as long as planned.
    pub(crate) fn seal(
        mut self,
        sealer: &Sealer,
        layout: &Layout,
        results: FooterResults,
    ) -> Result<Vec<u8>, SealError> {
        check_results(&results, layout).map_err(SealError::Plan)?;
        self.payload.set_results(results);
        let trailer = Trailer::new(sealer.header, *layout, sealer.protection, self.footer_len).encode();
        let mut out = self
            .payload
            .encode_padded(self.padded_len)
            .ok_or(SealError::Plan(PlanError::NotReserved))?;
        let tag = sealer
            .codec
            .seal_footer(&trailer, &mut out)
            .map_err(SealError::Cipher)?;
        out.extend_from_slice(&tag);
        out.extend_from_slice(&trailer);
        debug_assert_eq!(out.len(), self.footer_len as usize);
        Ok(out)
    }
}

fn longest(expected: Expected<'_>) -> FooterResults {
    let body = match expected {
        Expected::Inner => None,
        Expected::Last(algorithms) => Some(BodyResults {
            len: u64::MAX,
            etag: "f".repeat(MAX_ETAG_LEN),
            checksums: algorithms
                .iter()
                .map(|algorithm| Checksum {
                    algorithm: *algorithm,
                    value: vec![0xff; algorithm.digest_len()],
                })
                .collect(),
        }),
    };
    FooterResults {
        content_len: u64::MAX,
        body,
    }
}

fn check(facts: &FooterFacts) -> Result<(), PlanError> {
    within("bucket name", facts.bucket_name.len(), 1, MAX_BUCKET_NAME_LEN)?;
    within("object key", facts.object_key.len(), 1, MAX_OBJECT_KEY_LEN)?;
    within(
        "system metadata",
        facts.system_metadata.len(),
        0,
        MAX_METADATA_ENTRIES,
    )?;
    within(
        "user metadata",
        facts.user_metadata.len(),
        0,
        MAX_METADATA_ENTRIES,
    )?;
    let Some(upload) = &facts.upload else {
        return Ok(());
    };
    within("upload id", upload.upload_id.len(), 1, MAX_UPLOAD_ID_LEN)?;
    within("part number", upload.part_number as usize, 1, 10_000)
}

fn check_results(results: &FooterResults, layout: &Layout) -> Result<(), PlanError> {
    if results.content_len > layout.plaintext_len() {
        return Err(PlanError::ContentLength(results.content_len));
    }
    let Some(body) = &results.body else { return Ok(()) };
    within("ETag", body.etag.len(), 0, MAX_ETAG_LEN)?;
    within("checksums", body.checksums.len(), 0, ChecksumAlgorithm::ALL.len())?;
    match body
        .checksums
        .iter()
        .find(|checksum| checksum.value.len() != checksum.algorithm.digest_len())
    {
        Some(wrong) => Err(PlanError::Digest(wrong.algorithm)),
        None => Ok(()),
    }
}

fn within(field: &'static str, len: usize, min: usize, max: usize) -> Result<(), PlanError> {
    if (min..=max).contains(&len) {
        Ok(())
    } else {
        Err(PlanError::Field { field, len, min, max })
    }
}
