use bytes::Bytes;

use crate::codec::{numbered, record};
use crate::ids::{BackendId, SessionId};
use crate::time::MillisUtc;

numbered! {
    /// Where a bucket key version stands in its life.
    pub enum KeyState {
        /// Wraps nothing yet: not every node has proved that it can unwrap it.
        1 => Pending,
        /// Wraps new blobs, or did and may be needed to read.
        2 => Active,
        /// Wraps nothing new.
        3 => Retired,
    }
}

record! {
    /// A version of a bucket key, wrapped by the master key.
    pub struct KeyRecord {
        /// The wrapped key, with whatever its provider needs to unwrap it.
        1 => wrapped: Bytes,
        /// Which master key wraps it.
        2 => master: String,
        /// Where it stands in its life.
        3 => state: KeyState,
        /// Sessions that have proved that they can unwrap it.
        4 => proved: Vec<SessionId>,
        /// Index of the entry that put it.
        5 => put_index: u64,
        /// When it was put.
        6 => put: MillisUtc,
    }
}

record! {
    /// Where the keyring was last written.
    pub struct KeyringRecord {
        /// The revision of `keys` that it holds.
        1 => revision: u64,
        /// The backends on which it was written and verified.
        2 => backends: Vec<BackendId>,
        /// When that was recorded.
        3 => written: MillisUtc,
    }
}
