use crate::address::AttemptAddress;
use crate::codec::{choice, numbered, record};
use crate::ids::{BlobId, BucketId, IncarnationCounter, SessionId, UploadId};
use crate::keys::{KeyError, KeyPart, KeyReader};
use crate::time::MillisUtc;

numbered! {
    /// A kind of urgent work on a blob.
    pub enum WorkKind {
        /// Fewer copies are present than were wanted when it was written.
        1 => Missing,
        /// A copy is suspect.
        2 => Suspect,
        /// No copy is left that anything good is known of.
        3 => Lost,
    }
}

impl KeyPart for WorkKind {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.number());
    }

    fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        let number = reader.byte()?;
        WorkKind::from_number(number).ok_or(KeyError::Range(u64::from(number)))
    }
}

record! {
    /// Urgent work on a blob.
    pub struct WorkRecord {
        /// How many present copies end the work.
        1 => wanted: u32,
        /// Since when there is something to do.
        2 => since: MillisUtc,
        /// Attempts that their session still makes. Repair waits for them or for the session's end.
        3 => pending: Vec<PendingAttempt>,
    }
}

record! {
    /// An attempt that went on when its object was committed.
    pub struct PendingAttempt {
        /// Where it will lie.
        1 => address: AttemptAddress,
        /// Who makes it.
        2 => session: SessionId,
    }
}

numbered! {
    /// Why an attempt is to be deleted.
    pub enum DeathCause {
        /// Nothing refers to its blob any more.
        1 => Unreferenced,
        /// Its node gave it up.
        2 => GivenUp,
        /// The command that named it was rejected.
        3 => Rejected,
        /// The number of the command that named it was cancelled.
        4 => Cancelled,
        /// It was removed from a blob that lives on.
        5 => Removed,
    }
}

record! {
    /// An attempt to delete. Where it lies is in the key.
    pub struct GarbageRecord {
        /// The life of the cluster in which it was written.
        1 => incarnation: IncarnationCounter,
        /// Bytes that it may occupy.
        2 => stored: u64,
        /// Why it is to be deleted.
        3 => cause: DeathCause,
        /// When it died.
        4 => since: MillisUtc,
        /// The version id that the provider gave it.
        5 => provider_version: Option<String>,
    }
}

record! {
    /// Dead content that is too much for one command.
    pub struct ReleaseRecord {
        /// What is to be released.
        1 => subject: ReleaseSubject,
        /// When it died.
        2 => since: MillisUtc,
        /// How far the walk has come: a part number, a place in a list, or the number of a command.
        3 => after: u64,
    }
}

choice! {
    /// What a release walks over.
    pub enum ReleaseSubject {
        /// The parts that a completed upload does not list.
        1 => UnlistedParts(UploadId),
        /// All parts of a manifest, then the manifest.
        2 => Manifest(UploadId),
        /// All parts of an aborted upload.
        3 => Upload(DeadUpload),
        /// Each blob once.
        4 => Blobs(BlobList),
        /// All uploads of a deleted bucket, and what is left of its key versions.
        5 => Bucket(BucketId),
        /// All outcomes of a sealed session.
        6 => Outcomes(SessionId),
    }
}

record! {
    /// An upload that was aborted.
    #[derive(Copy)]
    pub struct DeadUpload {
        /// The bucket that its parts count in.
        1 => bucket: BucketId,
        /// The upload.
        2 => upload: UploadId,
    }
}

record! {
    /// Blobs that lose one reference each.
    pub struct BlobList {
        /// The blobs; one that was referred to twice stands twice.
        1 => blobs: Vec<BlobId>,
    }
}
