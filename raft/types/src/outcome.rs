use crate::checksum::Checksum;
use crate::codec::{choice, numbered, record};
use crate::etag::ETag;
use crate::ids::{BackendId, BucketId, EpochId, NodeId, SessionId, VersionId};
use crate::records::{VersionName, Versioning};
use crate::rejection::Rejection;
use crate::time::MillisUtc;

choice! {
    /// What became of a command. The same on every node, stored until its number is settled.
    pub enum Outcome {
        /// Applied; there is nothing more to say.
        1 => Done,
        /// Did not happen, for this reason.
        2 => Rejected(Rejection),
        /// The number was cancelled before a command came under it: it never happens.
        3 => Cancelled,
        /// **Unknown**: the number could not be looked at. Nothing at all was changed, and nothing may be
        /// concluded about an earlier delivery of the same command. Never stored.
        4 => Refused(Refusal),

        /// The session is open.
        10 => SessionOpened(SessionId),
        /// The epoch is open.
        11 => EpochOpened(EpochId),
        /// The node is entered.
        12 => NodeRegistered(NodeId),
        /// What became of the proposed settings.
        13 => SettingsTaken(SettingsVerdict),

        /// The bucket is created.
        20 => BucketCreated(BucketId),

        /// The version is current.
        30 => Committed(Committed),
        /// What became of each target.
        31 => Deleted(Deletions),

        /// How far a release has come.
        50 => Released(Released),

        /// The backend is entered.
        60 => BackendAttached(BackendId),
    }
}

numbered! {
    /// Why a number could not be looked at.
    pub enum Refusal {
        /// There is no such session, or not any more.
        1 => UnknownSession,
        /// The session is sealed.
        2 => SessionSealed,
        /// The number is below the floor: it was settled, and its outcome is forgotten.
        3 => Settled,
        /// The number is too far above the floor.
        4 => BeyondWindow,
    }
}

numbered! {
    /// What became of proposed settings.
    pub enum SettingsVerdict {
        /// They are the settings now.
        1 => Taken,
        /// They were the settings already.
        2 => Equal,
        /// They were only noted as what the node's file says.
        3 => Seen,
        /// The settings are neither what the file says nor what it said before. Noted, and left to an
        /// operator.
        4 => Drifted,
    }
}

record! {
    /// A version that became current.
    pub struct Committed {
        /// The version.
        1 => version: VersionId,
        /// Whether clients see it as the version `null`.
        2 => is_null: bool,
        /// The bucket's versioning when it was applied.
        3 => versioning: Versioning,
        /// Its ETag.
        4 => etag: ETag,
        /// Its length in bytes.
        5 => size: u64,
        /// Its checksums, where the command was a Complete.
        6 => checksums: Vec<Checksum>,
        /// When it was applied.
        7 => modified: MillisUtc,
    }
}

record! {
    /// What became of the targets of a DeleteObjects, in their order.
    pub struct Deletions {
        /// One per target.
        1 => results: Vec<DeleteResult>,
    }
}

choice! {
    /// What became of one target.
    pub enum DeleteResult {
        /// What was to be deleted is gone, or was not there.
        1 => Gone(Gone),
        /// Nothing was done, for this reason.
        2 => Rejected(Rejection),
    }
}

record! {
    /// A deletion.
    pub struct Gone {
        /// The version that was removed for good.
        1 => removed: Option<VersionName>,
        /// Whether that was a delete marker.
        2 => removed_marker: bool,
        /// The delete marker that was made.
        3 => marker: Option<VersionName>,
    }
}

record! {
    /// A step of a release.
    #[derive(Copy)]
    pub struct Released {
        /// Whether the row is gone.
        1 => finished: bool,
        /// How far the walk has come.
        2 => after: u64,
    }
}
