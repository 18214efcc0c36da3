//! What a client lists when it completes an upload, held against the parts that are there.

use std::collections::VecDeque;

use api::port::{ChecksumType, CompleteUpload, Error, ObjectChecksum, PartNumber};
use api::s3::body::{MultipartChecksum, MultipartMd5};
use bytes::Bytes;
use raft_machine::{ReadTables, listed, queries};
use raft_types::commands::PartsDigest;
use raft_types::limits::MIN_PART_SIZE;
use raft_types::records::{PartRecord, UploadRecord};
use raft_types::{Digest, ETag, UploadId};

use super::errors::state_fault;
use super::translate;

/// Part rows that are read at a time.
const PARTS_PER_STEP: usize = 1_000;

/// A list of parts that fits what is there.
pub(super) struct Listed {
    pub(super) bits: Bytes,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) etag: ETag,
    pub(super) checksum: Option<ObjectChecksum>,
}

impl Listed {
    /// Holds the list of `request` against the parts of the upload.
    ///
    /// # Errors
    /// What S3 answers to a list that does not fit.
    pub(super) fn check(
        tables: &impl ReadTables,
        upload: UploadId,
        record: &UploadRecord,
        request: &CompleteUpload,
    ) -> Result<Self, Error> {
        let kind = translate::port_scope(record.scope);
        if request
            .checksum_type
            .is_some_and(|stated| record.algorithm.is_none() || stated != kind)
        {
            return Err(Error::ChecksumKindMismatch);
        }
        let mut stored = StoredParts::new(tables, upload);
        let mut digest = PartsDigest::new();
        let mut md5 = MultipartMd5::default();
        let mut checksum = combination(record, kind)?;
        let mut size = 0_u64;
        let last = request.parts.len().saturating_sub(1);
        for (place, stated) in request.parts.iter().enumerate() {
            let number =
                raft_types::PartNumber::new(stated.number.get()).ok_or(Error::InvalidPart(stated.number))?;
            let part = stored.find(number)?.ok_or(Error::InvalidPart(stated.number))?;
            check_part(&part, stated, record)?;
            if place < last && part.size < MIN_PART_SIZE {
                return Err(too_small(stated.number, part.size));
            }
            digest.add(number, &part.pieces);
            size = size.checked_add(part.size).ok_or(Error::Internal)?;
            md5.add(&part.etag.md5);
            if let Some(checksum) = &mut checksum {
                let of_part = part.checksums.first().and_then(translate::port_checksum);
                let added = of_part.and_then(|of_part| checksum.add(&of_part, part.size));
                added.ok_or(Error::ChecksumKindMismatch)?;
            }
        }
        if request.size.is_some_and(|expected| expected != size) {
            return Err(Error::SizeMismatch);
        }
        let checksum = checksum
            .map(|checksum| checksum.finish().ok_or(Error::Internal))
            .transpose()?;
        if let Some(expected) = request.checksum {
            let ours = checksum.as_ref().map(|checksum| checksum.checksum);
            if ours != Some(expected) {
                return Err(Error::ChecksumMismatch);
            }
        }
        let count = u16::try_from(request.parts.len()).map_err(|_| Error::Internal)?;
        Ok(Self {
            bits: listed::encode(
                request
                    .parts
                    .iter()
                    .filter_map(|p| raft_types::PartNumber::new(p.number.get())),
            ),
            digest: digest.finish(),
            size,
            etag: ETag::of_parts(md5.digest(), count),
            checksum,
        })
    }
}

fn check_part(
    part: &PartRecord,
    stated: &api::port::CompletedPart,
    record: &UploadRecord,
) -> Result<(), Error> {
    let invalid = Err(Error::InvalidPart(stated.number));
    if translate::etag(&part.etag) != stated.etag {
        return invalid;
    }
    let ours = part.checksums.first().and_then(translate::port_checksum);
    match stated.checksum {
        Some(checksum) if ours != Some(checksum) => invalid,
        // S3 wants the checksums of all parts where the object's is one over them.
        None if record.algorithm.is_some()
            && translate::port_scope(record.scope) == ChecksumType::Composite =>
        {
            if ours.is_some() {
                Ok(())
            } else {
                invalid
            }
        }
        _ => Ok(()),
    }
}

/// The checksum of the object to be, with no parts yet; `None` where the upload has none.
fn combination(record: &UploadRecord, kind: ChecksumType) -> Result<Option<MultipartChecksum>, Error> {
    let Some(algorithm) = record.algorithm.map(translate::port_algorithm) else {
        return Ok(None);
    };
    MultipartChecksum::new(algorithm, kind)
        .map(Some)
        .ok_or(Error::ChecksumKindMismatch)
}

fn too_small(number: PartNumber, size: u64) -> Error {
    Error::PartTooSmall {
        number,
        size,
        minimum: MIN_PART_SIZE,
    }
}

/// The parts of an upload by ascending number, read in steps.
struct StoredParts<'a, T> {
    tables: &'a T,
    upload: UploadId,
    ahead: VecDeque<(raft_types::PartNumber, PartRecord)>,
    after: Option<raft_types::PartNumber>,
    at_end: bool,
}

impl<'a, T: ReadTables> StoredParts<'a, T> {
    fn new(tables: &'a T, upload: UploadId) -> Self {
        Self {
            tables,
            upload,
            ahead: VecDeque::new(),
            after: None,
            at_end: false,
        }
    }

    /// The part of this number, which is greater than all asked for before.
    fn find(&mut self, wanted: raft_types::PartNumber) -> Result<Option<PartRecord>, Error> {
        loop {
            while let Some((number, part)) = self.ahead.pop_front() {
                if number == wanted {
                    return Ok(Some(part));
                }
                if number > wanted {
                    self.ahead.push_front((number, part));
                    return Ok(None);
                }
            }
            if self.at_end {
                return Ok(None);
            }
            let page = queries::list_parts(self.tables, self.upload, self.after, PARTS_PER_STEP)
                .map_err(state_fault)?;
            self.at_end = page.len() < PARTS_PER_STEP;
            self.after = page.last().map(|(number, _)| *number).or(self.after);
            self.ahead = page.into();
        }
    }
}
