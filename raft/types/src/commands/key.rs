use bytes::Bytes;

use crate::codec::record;
use crate::ids::{BackendId, BucketId, KeyVersion};

record! {
    /// Enters the next version of a bucket key, wrapped by the master key.
    pub struct PutBucketKey {
        /// The bucket.
        1 => bucket: BucketId,
        /// The version: one more than the newest, from 1.
        2 => version: KeyVersion,
        /// The wrapped key.
        3 => wrapped: Bytes,
        /// Which master key wraps it.
        4 => master: String,
    }
}

record! {
    /// Proves that the node of the session that sends it has unwrapped a key version.
    pub struct ProveKey {
        /// The bucket.
        1 => bucket: BucketId,
        /// The version.
        2 => version: KeyVersion,
    }
}

record! {
    /// Lets a key version wrap new blobs. Refused until the keyring holds it and every open session has
    /// proved it.
    pub struct ActivateKey {
        /// The bucket.
        1 => bucket: BucketId,
        /// The version.
        2 => version: KeyVersion,
    }
}

record! {
    /// Notes where the keyring was written and verified.
    pub struct RecordKeyring {
        /// The revision of `keys` that it holds.
        1 => revision: u64,
        /// The backends.
        2 => backends: Vec<BackendId>,
    }
}
