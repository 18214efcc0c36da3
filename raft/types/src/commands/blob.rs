use crate::address::{AttemptAddress, BlobAttempt};
use crate::checksum::Crc64;
use crate::codec::record;
use crate::ids::{Attempt, BackendId, BlobId, EpochId, IncarnationCounter, RowId};
use crate::records::Frame;

record! {
    /// What a request has written: its blobs with their verified copies, and all other attempts it began.
    pub struct Written {
        /// The blobs, in the order of the bytes; at least one.
        1 => blobs: Vec<NewBlob>,
        /// Attempts that failed. They go into `garbage` in the same apply.
        2 => given_up: Vec<BlobAttempt>,
        /// Attempts that go on. Their node adds them or gives them up.
        3 => running: Vec<BlobAttempt>,
        /// How many copies of each blob are wanted; fewer make a `work` row.
        4 => wanted: u32,
    }
}

impl Written {
    /// Logical length of all blobs; `None` where that is more than a number can hold.
    pub fn size(&self) -> Option<u64> {
        self.blobs
            .iter()
            .try_fold(0_u64, |sum, blob| sum.checked_add(blob.size))
    }

    /// All attempts, verified or not.
    pub fn attempts(&self) -> Vec<BlobAttempt> {
        let verified = self.blobs.iter().flat_map(|blob| {
            blob.replicas
                .iter()
                .map(|replica| replica.attempt(blob.blob, blob.stored))
        });
        verified
            .chain(self.given_up.iter().cloned())
            .chain(self.running.iter().cloned())
            .collect()
    }
}

record! {
    /// A blob that was written.
    pub struct NewBlob {
        /// Its id, drawn by the proposer.
        1 => blob: BlobId,
        /// Length of the plaintext in bytes.
        2 => size: u64,
        /// Length as stored in bytes.
        3 => stored: u64,
        /// Checksum of the bytes as stored.
        4 => crc: Crc64,
        /// How the bytes are framed and sealed.
        5 => frame: Frame,
        /// The copies that were verified; at least one.
        6 => replicas: Vec<NewReplica>,
    }
}

record! {
    /// A copy that was written and verified.
    pub struct NewReplica {
        /// The backend.
        1 => backend: BackendId,
        /// The life of the cluster; that of the epoch.
        2 => incarnation: IncarnationCounter,
        /// The epoch, opened by the session that sends the command and not sealed.
        3 => epoch: EpochId,
        /// Which attempt within the epoch.
        4 => attempt: Attempt,
        /// The version id that the provider gave it.
        5 => provider_version: Option<String>,
    }
}

impl NewReplica {
    /// Where it lies.
    pub fn address(&self) -> AttemptAddress {
        AttemptAddress {
            backend: self.backend,
            incarnation: self.incarnation,
            epoch: self.epoch,
            attempt: self.attempt,
        }
    }

    /// The attempt by which it was written.
    pub fn attempt(&self, blob: BlobId, stored: u64) -> BlobAttempt {
        BlobAttempt {
            blob,
            address: self.address(),
            stored,
            provider_version: self.provider_version.clone(),
        }
    }
}

record! {
    /// Adds a verified copy to a live blob.
    pub struct AddReplica {
        /// The blob.
        1 => blob: BlobId,
        /// The copy.
        2 => replica: NewReplica,
        /// Its length as stored; that of the blob.
        3 => stored: u64,
    }
}

record! {
    /// Hands attempts that no row refers to over for deletion, at most
    /// [`limits::ATTEMPTS`](crate::limits::ATTEMPTS).
    pub struct GiveUpAttempts {
        /// The attempts.
        1 => attempts: Vec<BlobAttempt>,
    }
}

record! {
    /// Notes that something speaks against a present copy.
    pub struct MarkSuspect {
        /// The blob.
        1 => blob: BlobId,
        /// The copy.
        2 => address: AttemptAddress,
    }
}

record! {
    /// Notes that a suspect copy was verified.
    pub struct ClearSuspect {
        /// The blob.
        1 => blob: BlobId,
        /// The copy.
        2 => address: AttemptAddress,
    }
}

record! {
    /// Removes a copy of a live blob; its bytes go into `garbage`.
    pub struct RemoveReplica {
        /// The blob.
        1 => blob: BlobId,
        /// The copy, present or suspect.
        2 => address: AttemptAddress,
        /// Refused unless this many other copies are present; at least one.
        3 => keep: u32,
    }
}

record! {
    /// Notes that attempts were deleted from a backend, or were not there. At most
    /// [`limits::CONFIRM_ROWS`](crate::limits::CONFIRM_ROWS); rows that are gone already are passed over.
    pub struct ConfirmDeleted {
        /// The backend.
        1 => backend: BackendId,
        /// The rows.
        2 => rows: Vec<GarbageRow>,
    }
}

record! {
    /// A row of `garbage` of a known backend.
    #[derive(Copy, Hash, PartialOrd, Ord)]
    pub struct GarbageRow {
        /// Index of the entry by which the attempt died.
        1 => died: u64,
        /// The blob.
        2 => blob: BlobId,
        /// The epoch.
        3 => epoch: EpochId,
        /// The attempt.
        4 => attempt: Attempt,
    }
}

record! {
    /// Walks on over dead content.
    pub struct Release {
        /// The row.
        1 => row: RowId,
        /// How far the walk had come, as the row says; refused otherwise.
        2 => after: u64,
        /// How many parts, blobs, uploads, keys or outcomes at most; the bound of rows may end a step
        /// earlier.
        3 => limit: u32,
    }
}
