//! Buckets, and what they hold.

use raft_types::commands::{CreateBucket, DeleteBucket, SetVersioning};
use raft_types::records::{
    BucketCounters, BucketRecord, DeadUpload, ReleaseSubject, VersionEntry, Versioning,
};
use raft_types::{BucketId, BucketName, Outcome, Rejection, UploadId};

use super::{Model, No, malformed};

impl Model {
    pub(super) fn bucket_or_none(&self, bucket: BucketId) -> Result<&BucketRecord, No> {
        Ok(self.buckets.get(&bucket).ok_or(Rejection::NoSuchBucket)?)
    }

    pub(super) fn create_bucket(&mut self, command: &CreateBucket) -> Result<Outcome, No> {
        if let Some((_, existing)) = self.bucket_by_name(&command.name) {
            return Err(Rejection::BucketExists(existing.owner).into());
        }
        let id = BucketId(self.given.bucket.0 + 1);
        self.given.bucket = id;
        let record = BucketRecord {
            name: command.name.clone(),
            owner: command.owner.clone(),
            created: self.now,
            versioning: Versioning::Off,
            key_version: None,
        };
        self.buckets.insert(id, record);
        Ok(Outcome::BucketCreated(id))
    }

    /// Versions keep a bucket, delete markers included. Uploads do not: they are released.
    pub(super) fn delete_bucket(&mut self, command: &DeleteBucket) -> Result<Outcome, No> {
        let id = command.bucket;
        self.bucket_or_none(id)?;
        if self.versions.keys().any(|(bucket, _)| *bucket == id) {
            return Err(Rejection::BucketNotEmpty.into());
        }
        self.buckets.remove(&id);
        self.keys.retain(|(bucket, _), _| *bucket != id);
        if self.uploads.keys().any(|(bucket, ..)| *bucket == id) {
            self.release_later(ReleaseSubject::Bucket(id));
        }
        Ok(Outcome::Done)
    }

    pub(super) fn set_versioning(&mut self, command: &SetVersioning) -> Result<Outcome, No> {
        if command.versioning == Versioning::Off {
            return malformed("versioning is never switched off");
        }
        let bucket = self
            .buckets
            .get_mut(&command.bucket)
            .ok_or(Rejection::NoSuchBucket)?;
        bucket.versioning = command.versioning;
        Ok(Outcome::Done)
    }

    /// A bucket.
    pub fn bucket(&self, bucket: BucketId) -> Option<BucketRecord> {
        self.buckets.get(&bucket).cloned()
    }

    /// The bucket that bears a name now.
    pub fn bucket_by_name(&self, name: &BucketName) -> Option<(BucketId, BucketRecord)> {
        let found = self.buckets.iter().find(|(_, bucket)| bucket.name == *name);
        found.map(|(id, bucket)| (*id, bucket.clone()))
    }

    /// Buckets in the order of their names, those after a name.
    pub fn buckets_after(&self, after: Option<&BucketName>, limit: usize) -> Vec<(BucketId, BucketRecord)> {
        let mut buckets: Vec<_> = self
            .buckets
            .iter()
            .map(|(id, bucket)| (*id, bucket.clone()))
            .collect();
        buckets.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
        buckets.retain(|(_, bucket)| Some(&bucket.name) > after);
        buckets.truncate(limit);
        buckets
    }

    /// What a bucket holds, summed up. Nothing is counted for one that is gone.
    pub fn bucket_counters(&self, bucket: BucketId) -> BucketCounters {
        let mut counters = BucketCounters::default();
        if !self.buckets.contains_key(&bucket) {
            return counters;
        }
        for (_, entries) in self.versions.iter().filter(|((of, _), _)| *of == bucket) {
            for (place, entry) in entries.iter().rev().enumerate() {
                match entry {
                    VersionEntry::Object(object) => {
                        counters.bytes += object.size;
                        counters.objects += u64::from(place == 0);
                        counters.versions += u64::from(place > 0);
                    }
                    VersionEntry::DeleteMarker(_) => counters.versions += 1,
                }
            }
        }
        counters.uploads = self.uploads.keys().filter(|(of, ..)| *of == bucket).count() as u64;
        for (upload, parts) in &self.parts {
            let is_listed = |number| {
                self.manifests
                    .get(upload)
                    .is_some_and(|manifest| manifest.lists(number))
            };
            if self.bucket_of_parts(*upload) == Some(bucket) {
                let unlisted = parts.iter().filter(|(number, _)| !is_listed(**number));
                counters.part_bytes += unlisted.map(|(_, part)| part.size).sum::<u64>();
            }
        }
        counters
    }

    /// The bucket of an upload, be it open, completed or aborted.
    fn bucket_of_parts(&self, upload: UploadId) -> Option<BucketId> {
        let open = self
            .uploads
            .keys()
            .find(|(.., id)| *id == upload)
            .map(|(bucket, ..)| *bucket);
        let completed = || self.manifests.get(&upload).map(|manifest| manifest.bucket);
        let aborted = || {
            self.releases.values().find_map(|release| match release.subject {
                ReleaseSubject::Upload(DeadUpload { bucket, upload: id }) if id == upload => Some(bucket),
                _ => None,
            })
        };
        open.or_else(completed).or_else(aborted)
    }
}
