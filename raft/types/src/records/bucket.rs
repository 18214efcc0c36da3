use crate::codec::{numbered, record};
use crate::ids::{BucketId, KeyVersion};
use crate::names::{BucketName, PrincipalName};
use crate::time::MillisUtc;

numbered! {
    /// Whether a bucket keeps what is overwritten and deleted.
    pub enum Versioning {
        /// Never switched on: every object is the null version.
        0 => Off,
        /// Each write makes a version.
        1 => Enabled,
        /// Writes replace the null version, wherever it stands; other versions stay.
        2 => Suspended,
    }
}

record! {
    /// A bucket.
    pub struct BucketRecord {
        /// Its name, unique while it exists.
        1 => name: BucketName,
        /// Who created it.
        2 => owner: PrincipalName,
        /// When it was created.
        3 => created: MillisUtc,
        /// Whether it keeps versions.
        4 => versioning: Versioning,
        /// The bucket key that wraps new blobs. Once there is one, no clear blob is committed any more.
        5 => key_version: Option<KeyVersion>,
    }
}

record! {
    /// The bucket of a name.
    pub struct BucketNameRecord {
        /// Its id.
        1 => bucket: BucketId,
    }
}

record! {
    /// What a bucket holds. Derived from row transitions, never set.
    #[derive(Default)]
    pub struct BucketCounters {
        /// Rows in `current`.
        1 => objects: u64,
        /// Rows in `versions`: noncurrent versions and delete markers.
        2 => versions: u64,
        /// Logical bytes of all versions, current and noncurrent.
        3 => bytes: u64,
        /// Rows in `uploads`.
        4 => uploads: u64,
        /// Logical bytes of part rows that no manifest lists.
        5 => part_bytes: u64,
    }
}
