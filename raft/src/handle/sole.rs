//! The leader that has nobody to ask.
//!
//! A node that leads and is the only voter decides alone what is committed, so nobody else can have
//! taken a write: everything acknowledged so far, by whichever node, was applied here before. A reader
//! on it needs no round through the Raft core, only what is applied now.
//!
//! That holds from the moment when one round has shown that everything committed under earlier leaders
//! is applied, until the leadership changes or somebody else is about to get a vote. Whoever changes
//! the voters calls [`SoleLeader::resign`] before the change is proposed.

use std::sync::atomic::{AtomicU64, Ordering};

/// No term: terms begin with 1.
const NONE: u64 = 0;

/// What this node knows of its being alone. Shared by the task that watches the core and all readers.
#[derive(Debug, Default)]
pub(crate) struct SoleLeader {
    /// The term in which this node leads as the only voter, or [`NONE`].
    term: AtomicU64,
    /// The term in which a round has shown that what came before it is applied, or [`NONE`].
    caught_up: AtomicU64,
}

impl SoleLeader {
    /// Notes what the core says: the term in which this node leads as the only voter.
    pub(crate) fn observe(&self, term: Option<u64>) {
        self.term.store(term.unwrap_or(NONE), Ordering::SeqCst);
    }

    /// Lets every reader ask the core again, until it is observed anew that this node leads alone.
    /// To be called before the voters change.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the voters of a cluster of one never change")
    )]
    pub(crate) fn resign(&self) {
        self.observe(None);
    }

    /// The term in which this node leads alone, whether or not it has caught up.
    pub(crate) fn term(&self) -> Option<u64> {
        Some(self.term.load(Ordering::SeqCst)).filter(|term| *term != NONE)
    }

    /// Notes that what was committed before `term` is applied.
    pub(crate) fn note_caught_up(&self, term: u64) {
        self.caught_up.store(term, Ordering::SeqCst);
    }

    /// Whether what is applied now, looked up after this call, holds everything acknowledged before it.
    pub(crate) fn is_current(&self) -> bool {
        let term = self.term.load(Ordering::SeqCst);
        term != NONE && term == self.caught_up.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_current_only_in_the_term_in_which_it_has_caught_up() {
        let sole = SoleLeader::default();
        assert!(!sole.is_current());
        sole.note_caught_up(3);
        assert!(!sole.is_current(), "it does not lead");
        sole.observe(Some(4));
        assert!(!sole.is_current(), "it has caught up in an earlier term");
        sole.note_caught_up(4);
        assert!(sole.is_current());
        sole.observe(Some(5));
        assert!(!sole.is_current(), "another term has begun");
        sole.note_caught_up(5);
        assert!(sole.is_current());
        sole.resign();
        assert!(!sole.is_current());
        assert_eq!(sole.term(), None);
    }
}
