use crate::codec::record;
use crate::ids::BucketId;
use crate::names::{BucketName, PrincipalName};
use crate::records::Versioning;

record! {
    /// Creates a bucket.
    pub struct CreateBucket {
        /// Its name.
        1 => name: BucketName,
        /// Who creates it.
        2 => owner: PrincipalName,
    }
}

record! {
    /// Deletes a bucket without versions. Open uploads do not keep it; they are released.
    pub struct DeleteBucket {
        /// The bucket.
        1 => bucket: BucketId,
    }
}

record! {
    /// Switches versioning on or suspends it. It is never switched off again.
    pub struct SetVersioning {
        /// The bucket.
        1 => bucket: BucketId,
        /// What it becomes: enabled or suspended.
        2 => versioning: Versioning,
    }
}
