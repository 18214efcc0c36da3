//! What a request has written: held against epochs, backends and keys.

use std::collections::BTreeSet;

use raft_types::commands::{NewBlob, NewReplica, Written};
use raft_types::records::{
    BackendState, BlobContent, BucketRecord, Content, DeathCause, Frame, KeyState, PendingAttempt, Piece,
    Suite, WorkRecord,
};
use raft_types::{AttemptAddress, BlobAttempt, BucketId, Rejection, limits};

use super::blob::{Fate, content_of, replica_of};
use super::replica::GivenUp;
use super::{Model, No, malformed};
use crate::queries::EpochState;

fn is_well_formed(written: &Written, size: u64) -> bool {
    let Written {
        blobs,
        running,
        wanted,
        ..
    } = written;
    let ids: BTreeSet<_> = blobs.iter().map(|blob| blob.blob).collect();
    let is_fine = |blob: &NewBlob| {
        let backends: BTreeSet<_> = blob.replicas.iter().map(|replica| replica.backend).collect();
        blob.size <= limits::BLOB_SIZE
            && (1..=limits::REPLICAS).contains(&blob.replicas.len())
            && backends.len() == blob.replicas.len()
    };
    (1..=limits::INLINE_BLOBS).contains(&blobs.len())
        && ids.len() == blobs.len()
        && blobs.iter().all(is_fine)
        && written.size() == Some(size)
        && written.attempts().len() <= limits::ATTEMPTS
        && running.iter().all(|attempt| ids.contains(&attempt.blob))
        && *wanted > 0
}

impl Model {
    /// Enters what a request has written.
    pub(super) fn write(&mut self, bucket: BucketId, written: &Written, size: u64) -> Result<Content, No> {
        if !is_well_formed(written, size) {
            return malformed("what was written contradicts itself");
        }
        for BlobAttempt { address, .. } in written.running.iter().chain(&written.given_up) {
            if !self.is_own_attempt(address) {
                return Err(Rejection::EpochNotOpen(address.epoch).into());
            }
        }
        for new in &written.blobs {
            self.check_frame(bucket, self.bucket_or_none(bucket)?, &new.frame)?;
            self.enter_blob(bucket, new, written)?;
        }
        for attempt in &written.given_up {
            if self.give_up(attempt, DeathCause::GivenUp) == GivenUp::Live {
                return Err(No::Live(attempt.clone()));
            }
        }
        let pieces = written.blobs.iter().map(|new| Piece {
            blob: new.blob,
            length: new.size,
        });
        Ok(content_of(pieces.collect()))
    }

    /// A bucket that has a key takes nothing in clear, and only a version that is active wraps.
    fn check_frame(&self, id: BucketId, bucket: &BucketRecord, frame: &Frame) -> Result<(), No> {
        if !(12..=20).contains(&frame.chunk_log2) {
            return malformed("a chunk has 4 KiB to 1 MiB");
        }
        match (frame.suite, &frame.sealing) {
            (Suite::Clear, None) if bucket.key_version.is_some() => Err(Rejection::Unsealed.into()),
            (Suite::Clear, None) => Ok(()),
            (Suite::Aes256Gcm, Some(sealing)) if !sealing.wrapped.is_empty() => {
                match self.keys.get(&(id, sealing.key_version)) {
                    Some(key) if key.state == KeyState::Active => Ok(()),
                    _ => Err(Rejection::NoSuchKeyVersion.into()),
                }
            }
            _ => malformed("what seals is there exactly where something is sealed"),
        }
    }

    /// An attempt under an epoch that this session opened.
    pub(super) fn is_own_attempt(&self, address: &AttemptAddress) -> bool {
        self.epochs.get(&address.epoch).is_some_and(|epoch| {
            (epoch.session, epoch.incarnation) == (self.moment.session, address.incarnation)
        })
    }

    /// A replica is added under an epoch that is not sealed, by the session that opened it (C1), on a backend
    /// that is active, or that drains since after the epoch was opened (C7).
    pub(super) fn check_replica(&self, replica: &NewReplica) -> Result<(), No> {
        let not_open = Rejection::EpochNotOpen(replica.epoch);
        let epoch = self.epochs.get(&replica.epoch).ok_or(not_open.clone())?;
        let takes = matches!(self.epoch_state(epoch), EpochState::Open | EpochState::Closing);
        if !takes || !self.is_own_attempt(&replica.address()) {
            return Err(not_open.into());
        }
        let closed = Rejection::BackendClosed(replica.backend);
        let backend = self.backends.get(&replica.backend).ok_or(closed.clone())?;
        match backend.state {
            BackendState::Active => Ok(()),
            BackendState::Draining if epoch.opened_index < backend.state_index => Ok(()),
            _ => Err(closed.into()),
        }
    }

    fn enter_blob(&mut self, bucket: BucketId, new: &NewBlob, written: &Written) -> Result<(), No> {
        let mut blob = self.blobs.get(&new.blob).cloned().unwrap_or_default();
        if blob.content.is_some() {
            return Err(Rejection::BlobExists(new.blob).into());
        }
        for replica in &new.replicas {
            self.check_replica(replica)?;
            if blob.find(&replica.address()).is_some() {
                return Err(Rejection::NoSuchReplica.into());
            }
            blob.replicas.push(replica_of(replica, Fate::Present));
        }
        blob.content = Some(BlobContent {
            bucket,
            size: new.size,
            stored: new.stored,
            crc: new.crc,
            frame: new.frame.clone(),
        });
        if blob.present() < written.wanted as usize {
            let session = self.moment.session;
            let running = written.running.iter().filter(|attempt| attempt.blob == new.blob);
            let pending = running.map(|attempt| PendingAttempt {
                address: attempt.address,
                session,
            });
            let (wanted, since) = (written.wanted, self.now);
            blob.missing = Some(WorkRecord {
                wanted,
                since,
                pending: pending.collect(),
            });
        }
        self.blobs.insert(new.blob, blob);
        Ok(())
    }
}
