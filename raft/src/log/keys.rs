//! Keys of the log database.

use crate::consensus::RaftId;

/// Number of the Raft group. One group for now; the key has room for more.
pub(crate) type GroupId = u32;

/// The only group.
pub(crate) const GROUP: GroupId = 0;

/// Length of a key of the `log` family.
pub(crate) const LOG_KEY: usize = 12;

/// Name of the family of entries.
pub(crate) const LOG_FAMILY: &str = "log";
/// Name of the family of everything else.
pub(crate) const META_FAMILY: &str = "meta";

/// The key of the entry at `index`.
pub(crate) fn log_key(group: GroupId, index: u64) -> [u8; LOG_KEY] {
    let mut key = [0; LOG_KEY];
    key[..4].copy_from_slice(&group.to_be_bytes());
    key[4..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The index in a key of `group`; `None` for any other key.
pub(crate) fn log_index(group: GroupId, key: &[u8]) -> Option<u64> {
    let index = key.strip_prefix(&group.to_be_bytes())?;
    Some(u64::from_be_bytes(index.try_into().ok()?))
}

/// The rows of the `meta` family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetaRow {
    /// Format of the database, u32 LE.
    Format,
    /// Cluster and disk that the log belongs to.
    Identity,
    /// The last vote.
    Vote,
    /// The last commit pointer that was saved.
    Committed,
    /// The last entry that was purged.
    Purged,
}

impl MetaRow {
    /// The row's name, for keys and messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Identity => "identity",
            Self::Vote => "vote",
            Self::Committed => "committed",
            Self::Purged => "purged",
        }
    }

    /// The row's key in `group`.
    pub(crate) fn key(self, group: GroupId) -> Vec<u8> {
        let mut key = group.to_be_bytes().to_vec();
        key.extend_from_slice(self.name().as_bytes());
        key
    }
}

/// Who the log belongs to.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct IdentityRow {
    /// The data directory's random id, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) disk_id: Vec<u8>,
    /// The cluster, 16 bytes; empty before there is one.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) cluster_id: Vec<u8>,
    /// The node's number in the Raft group; 0 before it has one.
    #[prost(uint64, tag = "3")]
    pub(crate) raft_id: RaftId,
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn log_keys_sort_by_group_then_index(a: (u32, u64), b: (u32, u64)) {
            prop_assert_eq!(log_key(a.0, a.1).cmp(&log_key(b.0, b.1)), a.cmp(&b));
            prop_assert_eq!(log_index(a.0, &log_key(a.0, a.1)), Some(a.1));
            if a.0 != b.0 {
                prop_assert_eq!(log_index(b.0, &log_key(a.0, a.1)), None);
            }
        }
    }
}
