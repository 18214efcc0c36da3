//! What refers to what, and what becomes of content that nothing refers to any more.

use std::collections::BTreeMap;

use raft_types::commands::Release;
use raft_types::records::{BlobList, Content, DeadUpload, PartRecord, Piece, ReleaseRecord, ReleaseSubject};
use raft_types::{BlobId, BucketId, Outcome, PartNumber, Rejection, Released, SessionId, UploadId, limits};

use super::{Model, No};

/// How far a step of a release has come.
enum Step {
    Finished,
    At(u64),
}

/// Which parts of an upload go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
    All,
    Unlisted,
}

impl Model {
    /// How often each blob is referred to: by versions, by parts, and by releases that have not come to it.
    pub(super) fn references(&self) -> BTreeMap<BlobId, u32> {
        let mut counts: BTreeMap<BlobId, u32> = BTreeMap::new();
        let mut count = |blob: BlobId| *counts.entry(blob).or_default() += 1;
        for (.., object) in self.objects() {
            match &object.content {
                Content::Blob(blob) => count(*blob),
                Content::Blobs(list) => list.pieces.iter().for_each(|piece| count(piece.blob)),
                Content::Manifest(_) => {}
            }
        }
        for part in self.parts.values().flat_map(BTreeMap::values) {
            part.pieces.iter().for_each(|piece| count(piece.blob));
        }
        for release in self.releases.values() {
            if let ReleaseSubject::Blobs(list) = &release.subject {
                list.blobs
                    .iter()
                    .skip(release.after as usize)
                    .for_each(|blob| count(*blob));
            }
        }
        counts
    }

    pub(super) fn references_of(&self, blob: BlobId) -> u32 {
        self.references().get(&blob).copied().unwrap_or_default()
    }

    /// How many versions hold a manifest.
    pub(super) fn objects_of_manifest(&self, upload: UploadId) -> usize {
        self.objects()
            .filter(|(.., object)| object.content == Content::Manifest(upload))
            .count()
    }

    /// What a command has let go and not taken anew dies if nothing else refers to it (H3): at once where
    /// that is one blob with few replicas and no work on it, else in a release.
    pub(super) fn bury_lost(&mut self) {
        let mut lost = std::mem::take(&mut self.moment.lost);
        for taken in std::mem::take(&mut self.moment.taken) {
            if let Some(place) = lost.iter().position(|content| *content == taken) {
                lost.remove(place);
            }
        }
        for content in &lost {
            if let Content::Blobs(list) = content {
                self.release_blobs(&list.pieces);
            }
        }
        for content in &lost {
            if let Content::Blob(blob) = content {
                self.bury_unreferenced(*blob);
            }
        }
        for content in &lost {
            let Content::Manifest(upload) = *content else {
                continue;
            };
            let subject = ReleaseSubject::Manifest(upload);
            let is_released = self.releases.values().any(|release| release.subject == subject);
            if self.objects_of_manifest(upload) == 0 && !is_released {
                self.release_later(subject);
            }
        }
    }

    fn bury_unreferenced(&mut self, id: BlobId) {
        let Some(blob) = self.blobs.get(&id) else { return };
        let is_dead = blob.not_removing() == 0;
        if is_dead || self.references_of(id) > 0 {
            return;
        }
        let has_work = blob.missing.is_some() || blob.suspected.is_some();
        if blob.not_removing() <= limits::INLINE_REPLICAS && !has_work {
            self.bury(id, self.moment.index);
        } else {
            self.release_blobs(&[Piece { blob: id, length: 0 }]);
        }
    }

    fn release_blobs(&mut self, pieces: &[Piece]) {
        let blobs = pieces.iter().map(|piece| piece.blob).collect();
        self.release_later(ReleaseSubject::Blobs(BlobList { blobs }));
    }

    /// Leaves dead content to be walked in steps.
    pub(super) fn release_later(&mut self, subject: ReleaseSubject) {
        let row = self.next_row();
        self.releases.insert(
            row,
            ReleaseRecord {
                subject,
                since: self.now,
                after: 0,
            },
        );
    }

    /// Takes up to `limit` items of a dead content, at least one.
    pub(super) fn release_step(&mut self, command: &Release) -> Result<Outcome, No> {
        let row = command.row;
        let release = self.releases.get(&row).cloned().ok_or(Rejection::NoSuchRow)?;
        if release.after != command.after {
            return Err(Rejection::Changed.into());
        }
        let limit = command.limit.max(1) as usize;
        let after = release.after;
        let step = match &release.subject {
            ReleaseSubject::UnlistedParts(upload) if !self.manifests.contains_key(upload) => Step::Finished,
            ReleaseSubject::UnlistedParts(upload) => {
                self.release_parts(*upload, Going::Unlisted, row.index, after, limit)
            }
            ReleaseSubject::Upload(DeadUpload { upload, .. }) => {
                self.release_parts(*upload, Going::All, row.index, after, limit)
            }
            ReleaseSubject::Manifest(upload) => {
                let step = self.release_parts(*upload, Going::All, row.index, after, limit);
                if let Step::Finished = step {
                    self.manifests.remove(upload);
                }
                step
            }
            ReleaseSubject::Blobs(list) => {
                let end = (after as usize + limit).min(list.blobs.len());
                for place in after as usize..end {
                    // This reference is gone: the release has come past it.
                    self.releases
                        .entry(row)
                        .and_modify(|release| release.after = place as u64 + 1);
                    self.bury_if_unreferenced(list.blobs[place], row.index);
                }
                if end == list.blobs.len() {
                    Step::Finished
                } else {
                    Step::At(end as u64)
                }
            }
            ReleaseSubject::Bucket(bucket) => self.release_bucket(*bucket, limit),
            ReleaseSubject::Outcomes(session) => self.release_outcomes(*session, limit),
        };
        let (finished, after) = match step {
            Step::Finished => {
                self.releases.remove(&row);
                (true, release.after)
            }
            Step::At(after) => {
                self.releases.insert(row, ReleaseRecord { after, ..release });
                (false, after)
            }
        };
        Ok(Outcome::Released(Released { finished, after }))
    }

    /// What dies in a release died when that was made.
    fn bury_if_unreferenced(&mut self, blob: BlobId, died: u64) {
        if self.references_of(blob) == 0 {
            self.bury(blob, died);
        }
    }

    fn release_parts(&mut self, upload: UploadId, going: Going, died: u64, after: u64, limit: usize) -> Step {
        let after_part = u16::try_from(after).ok().and_then(PartNumber::new);
        let (mut reached, mut taken) = (after, 0);
        for (number, part) in self.list_parts(upload, after_part, usize::MAX) {
            let is_listed = self
                .manifests
                .get(&upload)
                .is_some_and(|manifest| manifest.lists(number));
            if going == Going::All || !is_listed {
                if taken == limit {
                    return Step::At(reached);
                }
                taken += 1;
                self.release_part(upload, number, &part, died);
            }
            reached = u64::from(number.get());
        }
        Step::Finished
    }

    fn release_part(&mut self, upload: UploadId, number: PartNumber, part: &PartRecord, died: u64) {
        if let Some(parts) = self.parts.get_mut(&upload) {
            parts.remove(&number);
        }
        self.parts.retain(|_, parts| !parts.is_empty());
        if part.pieces.len() > limits::INLINE_PIECES {
            return self.release_blobs(&part.pieces);
        }
        for piece in &part.pieces {
            self.bury_if_unreferenced(piece.blob, died);
        }
    }

    /// The uploads of a bucket that is gone end like aborted ones.
    fn release_bucket(&mut self, bucket: BucketId, limit: usize) -> Step {
        let uploads: Vec<_> = self
            .uploads
            .keys()
            .filter(|(of, ..)| *of == bucket)
            .cloned()
            .collect();
        for place in uploads.iter().take(limit) {
            let upload = place.2;
            self.uploads.remove(place);
            if self.parts.contains_key(&upload) {
                self.release_later(ReleaseSubject::Upload(DeadUpload { bucket, upload }));
            }
        }
        if uploads.len() <= limit {
            Step::Finished
        } else {
            Step::At(0)
        }
    }

    fn release_outcomes(&mut self, session: SessionId, limit: usize) -> Step {
        let Some(session) = self.sessions.get_mut(&session) else {
            return Step::Finished;
        };
        for _ in 0..limit {
            session.outcomes.pop_first();
        }
        if session.outcomes.is_empty() {
            Step::Finished
        } else {
            Step::At(0)
        }
    }
}
