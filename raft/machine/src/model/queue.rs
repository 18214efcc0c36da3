//! Answers about blobs, and about what is to be done: garbage, work, releases.

use raft_types::keys::GarbageKey;
use raft_types::records::{BlobRecord, GarbageRecord, ReleaseRecord, WorkKind, WorkRecord};
use raft_types::{AttemptAddress, BackendId, BlobId, RowId};

use super::Model;
use super::blob::{Blob, Fate};
use crate::queries::AttemptState;

impl Model {
    /// A blob.
    pub fn blob(&self, blob: BlobId) -> Option<BlobRecord> {
        Some(self.blobs.get(&blob)?.record(self.references_of(blob)))
    }

    /// Blobs after an id.
    pub fn blobs_after(&self, after: Option<BlobId>, limit: usize) -> Vec<(BlobId, BlobRecord)> {
        let references = self.references();
        let count = |id| references.get(id).copied().unwrap_or_default();
        let later = self.blobs.iter().filter(|(id, _)| Some(**id) > after);
        later
            .take(limit)
            .map(|(id, blob)| (*id, blob.record(count(id))))
            .collect()
    }

    /// What is known of an attempt.
    pub fn attempt_state(&self, blob: BlobId, address: &AttemptAddress) -> AttemptState {
        let replicas = self.blobs.get(&blob).map_or(&[][..], |blob| &blob.replicas);
        match replicas
            .iter()
            .find(|replica| replica.address == *address)
            .map(|replica| replica.fate)
        {
            Some(Fate::Present | Fate::Suspect) => AttemptState::Live,
            Some(Fate::Removing(_)) => AttemptState::Garbage,
            None => AttemptState::Unknown,
        }
    }

    /// Attempts to delete from a backend that died at or before an entry, those after a row.
    pub fn garbage(
        &self,
        backend: BackendId,
        died: u64,
        after: Option<&GarbageKey>,
        limit: usize,
    ) -> Vec<(GarbageKey, GarbageRecord)> {
        let mut rows = Vec::new();
        for (id, blob) in &self.blobs {
            for replica in blob
                .replicas
                .iter()
                .filter(|replica| replica.address.backend == backend)
            {
                let Fate::Removing(death) = replica.fate else {
                    continue;
                };
                let AttemptAddress {
                    incarnation,
                    epoch,
                    attempt,
                    ..
                } = replica.address;
                let key = GarbageKey {
                    backend,
                    died: death.index,
                    blob: *id,
                    epoch,
                    attempt,
                };
                let record = GarbageRecord {
                    incarnation,
                    stored: death.stored,
                    cause: death.cause,
                    since: death.since,
                    provider_version: replica.provider_version.clone(),
                };
                rows.push((key, record));
            }
        }
        rows.retain(|(key, _)| key.died <= died && Some(key) > after);
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        rows.truncate(limit);
        rows
    }

    /// Blobs that need urgent work, those after an id.
    pub fn work(&self, kind: WorkKind, after: Option<BlobId>, limit: usize) -> Vec<(BlobId, WorkRecord)> {
        let work = |blob: &Blob| match kind {
            WorkKind::Missing => blob.missing.clone(),
            WorkKind::Suspect => blob.suspected.clone(),
            WorkKind::Lost => None,
        };
        let later = self.blobs.iter().filter(|(id, _)| Some(**id) > after);
        later
            .filter_map(|(id, blob)| Some((*id, work(blob)?)))
            .take(limit)
            .collect()
    }

    /// Dead contents that died at or before an entry, the oldest first.
    pub fn release(&self, died: u64, limit: usize) -> Vec<(RowId, ReleaseRecord)> {
        let rows = self.releases.iter().filter(|(row, _)| row.index <= died);
        rows.take(limit)
            .map(|(row, release)| (*row, release.clone()))
            .collect()
    }

    /// One dead content.
    pub fn release_row(&self, row: RowId) -> Option<ReleaseRecord> {
        self.releases.get(&row).cloned()
    }
}
