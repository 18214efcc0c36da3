//! In which order the replicas of a blob are tried.

use raft_types::records::{Replica, ReplicaState};

/// Sorts replicas, best first: those that are present before those in doubt, and what is being
/// removed last. Otherwise they stay in the order in which they were written.
pub fn read_order(replicas: &mut [Replica]) {
    replicas.sort_by_key(|replica| match replica.state {
        ReplicaState::Present => 0,
        ReplicaState::Suspect => 1,
        ReplicaState::Removing => 2,
    });
}

#[cfg(test)]
mod tests {
    use raft_types::{Attempt, BackendId, EpochId, IncarnationCounter};

    use super::*;

    fn replica(backend: u32, state: ReplicaState) -> Replica {
        Replica {
            backend: BackendId(backend),
            incarnation: IncarnationCounter(1),
            epoch: EpochId(1),
            attempt: Attempt(0),
            state,
            provider_version: None,
        }
    }

    #[test]
    fn replicas_in_doubt_are_read_after_good_ones() {
        let mut replicas = [
            replica(1, ReplicaState::Suspect),
            replica(2, ReplicaState::Removing),
            replica(3, ReplicaState::Present),
            replica(4, ReplicaState::Present),
        ];
        read_order(&mut replicas);
        assert_eq!(replicas.map(|replica| replica.backend.0), [3, 4, 1, 2]);
    }
}
