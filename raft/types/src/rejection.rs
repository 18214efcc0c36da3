use crate::codec::choice;
use crate::ids::{BackendId, BlobId, EpochId, PartNumber, RowId, SessionId};
use crate::names::PrincipalName;

choice! {
    /// Why a command did not happen. A deterministic answer, never a fault.
    pub enum Rejection {
        /// There is no such bucket, or not any more.
        1 => NoSuchBucket,
        /// The name is taken, by a bucket of this owner.
        2 => BucketExists(PrincipalName),
        /// The bucket holds versions.
        3 => BucketNotEmpty,
        /// The key has no current version.
        4 => NoSuchKey,
        /// The key has no such version.
        5 => NoSuchVersion,
        /// A condition does not hold.
        6 => PreconditionFailed,
        /// There is no such upload, or not any more.
        7 => NoSuchUpload,
        /// An upload of this id exists.
        8 => UploadExists,
        /// The parts are not those that the node has seen.
        9 => PartsChanged,
        /// A part that is not the last is smaller than S3 allows.
        10 => PartTooSmall(PartNumber),
        /// The source version is gone or another.
        11 => SourceChanged,
        /// The record of the object would be longer than 16 KiB.
        12 => RecordTooLarge,

        /// The epoch is unknown, sealed, or of another session.
        20 => EpochNotOpen(EpochId),
        /// The backend takes no replicas.
        21 => BackendClosed(BackendId),
        /// The blob was committed before.
        22 => BlobExists(BlobId),
        /// There is no such live blob.
        23 => NoSuchBlob,
        /// The blob has no such replica in a state that allows this.
        24 => NoSuchReplica,
        /// The blob has a copy on that backend already.
        25 => ReplicaExists,
        /// Too few other copies are present.
        26 => TooFewReplicas,
        /// Clear blobs are not committed to a bucket that has a key.
        27 => Unsealed,
        /// The bucket has no such key version, or not one that may wrap.
        28 => NoSuchKeyVersion,

        /// The row is not as the proposer has seen it.
        40 => Changed,
        /// The entry is of another term.
        41 => OtherTerm,
        /// There is no such node.
        42 => NoSuchNode,
        /// The name or the disk is bound to another node.
        43 => NodeBound,
        /// A later boot of the node, or another with this number, is known.
        44 => BootSuperseded,
        /// There is no such session, or it is sealed.
        45 => NoSuchSession,
        /// The cluster is bound.
        46 => AlreadyBound,
        /// The cluster is not bound yet.
        47 => NotBound,
        /// There is no such row.
        49 => NoSuchRow,
        /// The epoch is not sealed, or lies in quarantine.
        50 => EpochNotSweepable,

        /// There is no such backend.
        60 => NoSuchBackend,
        /// The name is taken.
        61 => BackendExists(BackendId),
        /// Something refers to the backend.
        62 => BackendInUse,
        /// This session is open and has not done its part.
        63 => SessionMissing(SessionId),
        /// The keyring does not hold the key version yet.
        64 => KeyringBehind,

        /// The command contradicts itself or the rules of its fields; a defect of the proposer.
        80 => Malformed(String),
        /// The command needs more rows than one command may touch.
        81 => TooLarge,
        /// A broken invariant was found; an incident row says which.
        82 => Incident(RowId),
    }
}

impl Rejection {
    /// A command that contradicts itself.
    pub fn malformed(reason: impl Into<String>) -> Self {
        Rejection::Malformed(reason.into())
    }
}
