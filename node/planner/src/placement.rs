//! Where the replicas of a new body go.

use raft_types::BackendId;

/// A backend that takes replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The backend.
    pub backend: BackendId,
}

/// Chooses `copies` backends for a new body, best first: the first candidates in the order of
/// their ids, so that equal views give equal plans. Fewer than wanted where there are fewer.
pub fn place(candidates: &[Candidate], copies: usize) -> Vec<BackendId> {
    let mut backends: Vec<BackendId> = candidates.iter().map(|candidate| candidate.backend).collect();
    backends.sort_unstable();
    backends.dedup();
    backends.truncate(copies);
    backends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_goes_to_the_first_backends_whatever_the_order_of_the_candidates() {
        let candidates = [3, 1, 2, 1].map(|id| Candidate {
            backend: BackendId(id),
        });
        assert_eq!(place(&candidates, 1), [1].map(BackendId));
        assert_eq!(place(&candidates, 2), [1, 2].map(BackendId));
        assert_eq!(place(&candidates, 9), [1, 2, 3].map(BackendId));
        assert_eq!(place(&[], 2), []);
    }
}
