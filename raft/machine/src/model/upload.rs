//! Multipart uploads, their parts, and the manifests that they become.

use std::ops::Range;

use bytes::Bytes;
use raft_types::commands::{
    AbortUpload, CommitPart, CompleteUpload, CreateUpload, ExpireCompletions, NewObject, PartsDigest,
    UploadTarget,
};
use raft_types::records::{
    CompletionRecord, Content, DeadUpload, ManifestRecord, PartRecord, Piece, ReleaseSubject, UploadRecord,
};
use raft_types::{
    BucketId, Committed, MillisUtc, ObjectKey, Outcome, PartNumber, Record, Rejection, Released, UploadId,
    limits,
};

use super::blob::{content_of, pieces_of};
use super::object::check;
use super::{Model, No, malformed};
use crate::queries::{ManifestPart, PieceSpan};

/// A content put together from parts.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    pub(super) bucket: BucketId,
    /// The listed parts and their lengths, in order.
    parts: Vec<(PartNumber, u64)>,
}

impl Manifest {
    pub(super) fn lists(&self, number: PartNumber) -> bool {
        self.parts.iter().any(|(listed, _)| *listed == number)
    }

    fn size(&self) -> u64 {
        self.parts.iter().map(|(_, size)| size).sum()
    }

    /// The offsets of all listed parts.
    fn offsets(&self) -> Vec<u64> {
        let before = |place: usize| self.parts.iter().take(place).map(|(_, size)| size).sum();
        (0..self.parts.len()).map(before).collect()
    }
}

/// One bit per number from 1, the lowest of a byte first, and no byte after the last one that says something.
fn bits(numbers: &[PartNumber]) -> Bytes {
    let highest = numbers.iter().max().map_or(0, |number| usize::from(number.get()));
    let byte = |place: usize| {
        let bit = |bit: usize| {
            numbers
                .iter()
                .any(|number| usize::from(number.get()) == place * 8 + bit + 1)
        };
        (0..8)
            .filter(|place| bit(*place))
            .fold(0, |byte, bit| byte | 1_u8 << bit)
    };
    (0..highest.div_ceil(8)).map(byte).collect()
}

/// The numbers of a set of parts that is not empty and is written as it should be.
fn numbers(listed: &Bytes) -> Option<Vec<PartNumber>> {
    let is_set = |number: &PartNumber| {
        let place = usize::from(number.get()) - 1;
        listed
            .get(place / 8)
            .is_some_and(|byte| byte >> (place % 8) & 1 == 1)
    };
    let all = (1..=PartNumber::MAX.get()).filter_map(PartNumber::new);
    let numbers: Vec<_> = all.filter(is_set).collect();
    (!numbers.is_empty() && bits(&numbers) == *listed).then_some(numbers)
}

impl Model {
    pub(super) fn create_upload(&mut self, command: &CreateUpload) -> Result<Outcome, No> {
        let UploadTarget { bucket, key, upload } = command.target.clone();
        self.bucket_or_none(bucket)?;
        let place = (bucket, key, upload);
        let is_used = self.uploads.contains_key(&place)
            || self.parts.contains_key(&upload)
            || self.manifests.contains_key(&upload)
            || self.completions.contains_key(&upload);
        if is_used {
            return Err(Rejection::UploadExists.into());
        }
        let command = command.clone();
        let record = UploadRecord {
            initiated: self.now,
            owner: command.owner,
            headers: command.headers.filter(|headers| !headers.is_empty()),
            metadata: command.metadata,
            storage_class: command.storage_class,
            algorithm: command.algorithm,
            scope: command.scope,
            backends: command.backends,
        };
        if record.encoded_len() > limits::OBJECT_RECORD {
            return Err(Rejection::RecordTooLarge.into());
        }
        self.uploads.insert(place, record);
        Ok(Outcome::Done)
    }

    fn open_upload(&self, target: &UploadTarget) -> Result<UploadRecord, No> {
        self.bucket_or_none(target.bucket)?;
        Ok(self.upload(target).ok_or(Rejection::NoSuchUpload)?)
    }

    pub(super) fn commit_part(&mut self, command: &CommitPart) -> Result<Outcome, No> {
        let CommitPart {
            target,
            number,
            written,
            size,
            etag,
            checksums,
        } = command;
        self.open_upload(target)?;
        let content = self.write(target.bucket, written, *size)?;
        let part = PartRecord {
            pieces: pieces_of(&content, *size),
            size: *size,
            etag: *etag,
            checksums: checksums.clone(),
            modified: self.now,
        };
        let earlier = self.parts.entry(target.upload).or_default().insert(*number, part);
        self.moment
            .lost
            .extend(earlier.map(|part| content_of(part.pieces)));
        Ok(Outcome::Done)
    }

    /// A repetition is answered with the result of the first.
    pub(super) fn complete_upload(&mut self, command: &CompleteUpload) -> Result<Outcome, No> {
        let UploadTarget { bucket, key, upload } = command.target.clone();
        self.bucket_or_none(bucket)?;
        match self.completions.get(&upload) {
            Some(done) if (done.bucket, &done.key) == (bucket, &key) => {
                return Ok(Outcome::Committed(answer_of(done)));
            }
            Some(_) => return Err(Rejection::NoSuchUpload.into()),
            None => {}
        }
        let begun = self.open_upload(&command.target)?;
        check(command.conditions.as_ref(), self.current(bucket, &key).as_ref())?;
        let Some(listed) = numbers(&command.listed) else {
            return malformed("the set of listed parts is not one");
        };
        let standing = self.list_parts(upload, None, usize::MAX);
        let parts: Vec<_> = standing
            .iter()
            .filter(|(number, _)| listed.contains(number))
            .collect();
        let mut digest = PartsDigest::new();
        parts
            .iter()
            .for_each(|(number, part)| digest.add(*number, &part.pieces));
        if parts.len() < listed.len() || digest.finish() != command.digest {
            return Err(Rejection::PartsChanged.into());
        }
        let all_but_last = parts.iter().take(parts.len() - 1);
        if let Some((number, _)) = all_but_last
            .into_iter()
            .find(|(_, part)| part.size < self.min_part_size)
        {
            return Err(Rejection::PartTooSmall(*number).into());
        }
        let manifest = Manifest {
            bucket,
            parts: parts.iter().map(|(number, part)| (*number, part.size)).collect(),
        };
        if manifest.size() != command.size {
            return malformed("the parts do not add up to the length");
        }
        let object = NewObject {
            size: command.size,
            etag: command.etag,
            headers: begun.headers,
            metadata: begun.metadata,
            checksums: command.checksums.clone(),
            storage_class: begun.storage_class,
            owner: begun.owner,
        };
        self.manifests.insert(upload, manifest);
        let committed = self.put_object(bucket, &key, object, Content::Manifest(upload))?;
        let committed = Committed {
            checksums: command.checksums.clone(),
            ..committed
        };
        self.uploads.remove(&(bucket, key.clone(), upload));
        if standing.len() > listed.len() {
            self.release_later(ReleaseSubject::UnlistedParts(upload));
        }
        // Nothing said means a day.
        let kept = match command.kept_millis {
            0 => limits::COMPLETION_KEPT_MILLIS,
            kept => kept,
        };
        let due = MillisUtc(self.now.0.saturating_add(kept));
        self.completions
            .insert(upload, completion_of(bucket, key, &committed, due));
        Ok(Outcome::Committed(committed))
    }

    pub(super) fn abort_upload(&mut self, command: &AbortUpload) -> Result<Outcome, No> {
        self.open_upload(&command.target)?;
        let UploadTarget { bucket, key, upload } = command.target.clone();
        self.uploads.remove(&(bucket, key, upload));
        if self.parts.contains_key(&upload) {
            self.release_later(ReleaseSubject::Upload(DeadUpload { bucket, upload }));
        }
        Ok(Outcome::Done)
    }

    /// Forgets results that are due, the oldest first.
    pub(super) fn expire_completions(&mut self, command: &ExpireCompletions) -> Result<Outcome, No> {
        let now = self.now;
        let all = self.completions.iter().map(|(upload, done)| (done.due, *upload));
        let mut due: Vec<_> = all.filter(|(due, _)| *due <= now).collect();
        due.sort_unstable();
        due.truncate(command.limit as usize);
        for (_, upload) in &due {
            self.completions.remove(upload);
        }
        Ok(Outcome::Released(Released {
            finished: !self.has_due_completion(now),
            after: due.len() as u64,
        }))
    }

    /// An open upload.
    pub fn upload(&self, target: &UploadTarget) -> Option<UploadRecord> {
        let UploadTarget { bucket, key, upload } = target.clone();
        self.uploads.get(&(bucket, key, upload)).cloned()
    }

    /// A part of an upload or manifest.
    pub fn part(&self, upload: UploadId, number: PartNumber) -> Option<PartRecord> {
        self.parts.get(&upload)?.get(&number).cloned()
    }

    /// Parts of an upload or manifest, those after a number.
    pub fn list_parts(
        &self,
        upload: UploadId,
        after: Option<PartNumber>,
        limit: usize,
    ) -> Vec<(PartNumber, PartRecord)> {
        let parts = self.parts.get(&upload).into_iter().flatten();
        let later = parts.filter(|(number, _)| Some(**number) > after);
        later
            .take(limit)
            .map(|(number, part)| (*number, part.clone()))
            .collect()
    }

    /// The result of a completed upload, while it is kept.
    pub fn completion(&self, upload: UploadId) -> Option<CompletionRecord> {
        self.completions.get(&upload).cloned()
    }

    /// Whether some result need not be kept any longer.
    pub fn has_due_completion(&self, now: MillisUtc) -> bool {
        self.completions.values().any(|done| done.due <= now)
    }

    /// A manifest: its listed parts as bits, and where every 64th of them begins.
    pub fn manifest(&self, upload: UploadId) -> Option<ManifestRecord> {
        let manifest = self.manifests.get(&upload)?;
        let numbers: Vec<_> = manifest.parts.iter().map(|(number, _)| *number).collect();
        Some(ManifestRecord {
            bucket: manifest.bucket,
            size: manifest.size(),
            parts: numbers.len() as u32,
            listed: bits(&numbers),
            offsets: manifest
                .offsets()
                .into_iter()
                .step_by(limits::PARTS_PER_OFFSET)
                .collect(),
            references: self.objects_of_manifest(upload) as u32,
        })
    }

    /// One listed part of a manifest, and where it begins.
    pub fn manifest_part(&self, upload: UploadId, number: PartNumber) -> Option<ManifestPart> {
        let manifest = self.manifests.get(&upload)?;
        let place = manifest.parts.iter().position(|(listed, _)| *listed == number)?;
        Some(ManifestPart {
            start: *manifest.offsets().get(place)?,
            record: self.part(upload, number)?,
            parts: manifest.parts.len() as u32,
        })
    }

    /// The blobs that hold a range of a content.
    pub fn resolve(&self, content: &Content, size: u64, range: Range<u64>, limit: usize) -> Vec<PieceSpan> {
        let pieces: Vec<Piece> = match content {
            Content::Manifest(upload) => {
                let listed = self
                    .manifests
                    .get(upload)
                    .map_or(&[][..], |manifest| &manifest.parts);
                let parts = listed
                    .iter()
                    .filter_map(|(number, _)| self.part(*upload, *number));
                parts.flat_map(|part| part.pieces).collect()
            }
            _ => pieces_of(content, size),
        };
        let mut spans = Vec::new();
        let mut start = 0;
        for Piece { blob, length } in pieces {
            spans.push(PieceSpan { blob, start, length });
            start += length;
        }
        spans.retain(|span| span.start < range.end && span.start + span.length > range.start);
        spans.truncate(limit);
        spans
    }
}

fn completion_of(
    bucket: BucketId,
    key: ObjectKey,
    committed: &Committed,
    due: MillisUtc,
) -> CompletionRecord {
    let Committed {
        version,
        is_null,
        versioning,
        etag,
        size,
        checksums,
        modified,
    } = committed.clone();
    CompletionRecord {
        bucket,
        key,
        version,
        is_null,
        versioning,
        etag,
        size,
        checksums,
        modified,
        due,
    }
}

fn answer_of(done: &CompletionRecord) -> Committed {
    let CompletionRecord {
        version,
        is_null,
        versioning,
        etag,
        size,
        checksums,
        modified,
        ..
    } = done.clone();
    Committed {
        version,
        is_null,
        versioning,
        etag,
        size,
        checksums,
        modified,
    }
}
