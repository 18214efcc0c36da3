//! Protobuf forms of votes, log ids and memberships, for our databases and later the wire.
//!
//! Fields are only ever added; there are no maps, so that equal values have equal bytes.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::types::{LogId, Membership, Peer, StoredMembership, Vote, log_id, term_of};

/// A log id.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct StoredLogId {
    #[prost(uint64, tag = "1")]
    pub(crate) term: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) index: u64,
}

impl From<LogId> for StoredLogId {
    fn from(id: LogId) -> Self {
        Self {
            term: term_of(&id),
            index: id.index(),
        }
    }
}

impl From<StoredLogId> for LogId {
    fn from(id: StoredLogId) -> Self {
        log_id(id.term, id.index)
    }
}

/// A log id that may be absent.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct StoredCommitted {
    #[prost(message, optional, tag = "1")]
    pub(crate) log_id: Option<StoredLogId>,
}

/// A vote.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct StoredVote {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node: u64,
    #[prost(bool, tag = "3")]
    committed: bool,
}

impl From<&Vote> for StoredVote {
    fn from(vote: &Vote) -> Self {
        Self {
            term: vote.leader_id.term,
            node: vote.leader_id.voted_for,
            committed: vote.committed,
        }
    }
}

impl From<StoredVote> for Vote {
    fn from(vote: StoredVote) -> Self {
        if vote.committed {
            Vote::new_committed(vote.term, vote.node)
        } else {
            Vote::new(vote.term, vote.node)
        }
    }
}

#[derive(Clone, PartialEq, Eq, Message)]
struct StoredConfig {
    #[prost(uint64, repeated, tag = "1")]
    voters: Vec<u64>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct StoredPeer {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    address: String,
}

/// A membership and the entry that brought it.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct StoredMembershipRow {
    #[prost(message, optional, tag = "1")]
    log_id: Option<StoredLogId>,
    /// Two while the membership changes, otherwise one.
    #[prost(message, repeated, tag = "2")]
    configs: Vec<StoredConfig>,
    /// Voters and learners, ordered by id.
    #[prost(message, repeated, tag = "3")]
    peers: Vec<StoredPeer>,
}

/// A membership that names voters without saying who they are, or none at all in a config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the membership does not hold together: {0}")]
pub(crate) struct InvalidMembership(String);

impl StoredMembershipRow {
    pub(crate) fn of(log_id: Option<LogId>, membership: &Membership) -> Self {
        Self {
            log_id: log_id.map(Into::into),
            configs: membership
                .get_joint_config()
                .iter()
                .map(|voters| StoredConfig {
                    voters: voters.iter().copied().collect(),
                })
                .collect(),
            peers: membership
                .nodes()
                .map(|(id, peer)| StoredPeer {
                    id: *id,
                    name: peer.name.clone(),
                    address: peer.address.clone(),
                })
                .collect(),
        }
    }

    pub(crate) fn membership(&self) -> Result<Membership, InvalidMembership> {
        let configs = self
            .configs
            .iter()
            .map(|config| config.voters.iter().copied().collect::<BTreeSet<_>>())
            .collect::<Vec<_>>();
        let peers = self
            .peers
            .iter()
            .map(|peer| {
                let value = Peer {
                    name: peer.name.clone(),
                    address: peer.address.clone(),
                };
                (peer.id, value)
            })
            .collect::<BTreeMap<_, _>>();
        if configs.is_empty() && peers.is_empty() {
            return Ok(Membership::default());
        }
        Membership::new(configs, peers).map_err(|error| InvalidMembership(error.to_string()))
    }

    pub(crate) fn stored(&self) -> Result<StoredMembership, InvalidMembership> {
        Ok(StoredMembership::new(
            self.log_id.map(Into::into),
            self.membership()?,
        ))
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    fn peer(name: &str) -> Peer {
        Peer {
            name: name.into(),
            address: format!("{name}:9100"),
        }
    }

    #[test]
    fn votes_and_log_ids_survive_their_encoding() {
        for vote in [
            Vote::new(0, 0),
            Vote::new(3, 7),
            Vote::new_committed(u64::MAX, u64::MAX),
        ] {
            let bytes = StoredVote::from(&vote).encode_to_vec();
            assert_eq!(Vote::from(StoredVote::decode(&bytes[..]).unwrap()), vote);
        }
        for id in [log_id(0, 0), log_id(5, 1), log_id(u64::MAX, u64::MAX)] {
            let bytes = StoredLogId::from(id).encode_to_vec();
            assert_eq!(LogId::from(StoredLogId::decode(&bytes[..]).unwrap()), id);
        }
    }

    #[test]
    fn a_joint_membership_with_a_learner_survives_its_encoding() {
        let membership = Membership::new(
            vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, 4])],
            BTreeMap::from([
                (1, peer("a")),
                (2, peer("b")),
                (3, peer("c")),
                (4, peer("d")),
                (9, peer("learner")),
            ]),
        )
        .unwrap();
        let row = StoredMembershipRow::of(Some(log_id(2, 8)), &membership);
        let read = StoredMembershipRow::decode(&row.encode_to_vec()[..]).unwrap();
        let stored = read.stored().unwrap();
        assert_eq!(stored.membership(), &membership);
        assert_eq!(*stored.log_id(), Some(log_id(2, 8)));
        assert_eq!(read.encode_to_vec(), row.encode_to_vec());
    }

    #[test]
    fn the_empty_membership_is_the_default_one() {
        let row = StoredMembershipRow::of(None, &Membership::default());
        assert!(row.encode_to_vec().is_empty());
        assert_eq!(row.stored().unwrap(), StoredMembership::default());
    }

    #[test]
    fn a_voter_without_a_peer_is_refused() {
        let row = StoredMembershipRow {
            log_id: None,
            configs: vec![StoredConfig { voters: vec![1, 2] }],
            peers: vec![StoredPeer {
                id: 1,
                name: "a".into(),
                address: String::new(),
            }],
        };
        assert!(row.membership().is_err());
    }
}
