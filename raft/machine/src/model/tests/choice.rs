//! Choices among what there is, and now and then something that is not there.

use bytes::Bytes;
use raft_types::commands::{Conditions, ETagCondition, ETags, UploadTarget};
use raft_types::records::VersionName;
use raft_types::{
    AttemptAddress, BackendId, BlobId, BucketId, ETag, EpochId, KeyVersion, MillisUtc, ObjectKey, SessionId,
    VersionId,
};

use super::action::KEYS;
use super::dice::Dice;
use super::history::History;
use crate::queries::{EpochState, VersionListEntry, VersionStart, VersionsQuery};

impl History {
    pub(super) fn some_bucket(&self, dice: &mut Dice) -> BucketId {
        let buckets = self.model.buckets_after(None, usize::MAX);
        let gone = BucketId(dice.below(2) as u64 * 40);
        match dice.pick(&buckets) {
            Some((bucket, _)) if !dice.once_in(30) => bucket,
            _ => gone,
        }
    }

    pub(super) fn some_backend(&self, dice: &mut Dice) -> BackendId {
        let backends = self.model.backends();
        match dice.pick(&backends) {
            Some((backend, _)) if !dice.once_in(30) => backend,
            _ => BackendId(70),
        }
    }

    /// Mostly an epoch in which the session may begin something.
    pub(super) fn some_epoch(&self, session: SessionId, dice: &mut Dice) -> EpochId {
        let (mut open, mut all) = (Vec::new(), Vec::new());
        for (id, epoch) in self.model.epochs() {
            all.push(id);
            if epoch.session == session && self.model.epoch_state(&epoch) == EpochState::Open {
                open.push(id);
            }
        }
        all.push(EpochId(90));
        match dice.pick(&open) {
            Some(epoch) if !dice.once_in(20) => epoch,
            _ => dice.one(&all),
        }
    }

    pub(super) fn closing_epoch(&self, session: SessionId, dice: &mut Dice) -> EpochId {
        let epochs = self.model.epochs_of(session).into_iter();
        let closing = epochs.filter(|(_, epoch)| self.model.epoch_state(epoch) == EpochState::Closing);
        let closing: Vec<_> = closing.map(|(id, _)| id).collect();
        match dice.pick(&closing) {
            Some(epoch) if !dice.once_in(8) => epoch,
            _ => self.some_epoch(session, dice),
        }
    }

    /// A blob that is known, mostly a live one.
    pub(super) fn some_blob(&self, dice: &mut Dice) -> BlobId {
        let mut blobs = self.model.blobs_after(None, usize::MAX);
        if !dice.once_in(4) && blobs.iter().any(|(_, record)| record.is_live()) {
            blobs.retain(|(_, record)| record.is_live());
        }
        dice.pick(&blobs).map_or(BlobId([0xee; 16]), |(blob, _)| blob)
    }

    pub(super) fn stored(&self, blob: BlobId) -> u64 {
        self.model
            .blob(blob)
            .and_then(|record| record.content)
            .map_or(50, |content| content.stored)
    }

    /// A replica that is known, mostly.
    pub(super) fn some_address(&self, dice: &mut Dice) -> Option<(BlobId, AttemptAddress)> {
        let blob = self.some_blob(dice);
        let replica = dice.pick(&self.model.blob(blob)?.replicas)?;
        let blob = if dice.once_in(30) {
            BlobId([0xdd; 16])
        } else {
            blob
        };
        Some((blob, replica.address()))
    }

    /// An upload, open or not any more.
    pub(super) fn some_target(&self, dice: &mut Dice) -> Option<UploadTarget> {
        let open = self
            .targets
            .iter()
            .filter(|target| self.model.upload(target).is_some());
        let open: Vec<_> = open.cloned().collect();
        if !open.is_empty() && !dice.once_in(5) {
            return dice.pick(&open);
        }
        let mut target = dice.pick(&self.targets)?;
        if dice.once_in(5) {
            target.key = some_key(dice);
        }
        Some(target)
    }

    pub(super) fn some_key_version(&self, dice: &mut Dice) -> (BucketId, KeyVersion) {
        let keys = self.model.bucket_keys(None);
        match dice.pick(&keys) {
            Some((key, _)) if !dice.once_in(12) => (key.bucket, key.version),
            _ => (self.some_bucket(dice), KeyVersion(4)),
        }
    }

    /// Conditions that hold about as often as not.
    pub(super) fn some_conditions(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        dice: &mut Dice,
    ) -> Option<Conditions> {
        if !dice.once_in(5) {
            return None;
        }
        let current = self.model.current(bucket, key);
        let modified = current.as_ref().map_or(self.at.now, |object| object.modified);
        let etags = |dice: &mut Dice| {
            let (own, other) = (
                current.as_ref().map(|object| object.etag),
                ETag::of_whole([99; 16]),
            );
            let list = |etags: Vec<ETag>| Some(ETagCondition::OneOf(ETags { etags }));
            match dice.below(6) {
                0 | 1 => Some(ETagCondition::Any),
                2 => list(own.into_iter().collect()),
                3 => list(own.into_iter().chain([other]).collect()),
                4 => list(vec![other]),
                _ => None,
            }
        };
        let time = |dice: &mut Dice| {
            let times = [None, None, Some(0), Some(999), Some(1000), Some(2000)];
            dice.one(&times)
                .map(|later| MillisUtc(modified.0.saturating_sub(1000)).plus_millis(later))
        };
        let which = dice.below(4);
        Some(Conditions {
            if_match: if which != 1 { etags(dice) } else { None },
            if_none_match: if which != 0 { etags(dice) } else { None },
            if_modified_since: time(dice),
            if_unmodified_since: time(dice),
        })
    }

    /// All versions of a bucket by their names.
    pub(super) fn versions(&self, bucket: BucketId) -> Vec<(ObjectKey, VersionName)> {
        self.listed_versions(bucket)
            .into_iter()
            .map(|(key, entry)| (key, VersionName::of(entry.version(), entry.is_null())))
            .collect()
    }

    pub(super) fn version_id(&self, bucket: BucketId, key: &ObjectKey) -> Option<VersionId> {
        let mut versions = self.listed_versions(bucket).into_iter();
        versions
            .find(|(other, _)| other == key)
            .map(|(_, entry)| entry.version())
    }

    pub(super) fn listed_versions(
        &self,
        bucket: BucketId,
    ) -> Vec<(ObjectKey, raft_types::records::VersionEntry)> {
        let query = VersionsQuery {
            bucket,
            prefix: Bytes::new(),
            delimiter: Bytes::new(),
            start: VersionStart::Beginning,
            limit: usize::MAX,
        };
        let entries = self.model.list_versions(&query).entries.into_iter();
        entries
            .filter_map(|entry| match entry {
                VersionListEntry::Version { key, entry, .. } => Some((key, entry)),
                VersionListEntry::Prefix(_) => None,
            })
            .collect()
    }
}

pub(super) fn some_key(dice: &mut Dice) -> ObjectKey {
    dice.one(&KEYS).parse().unwrap()
}
