//! What a server tells all of its connections at once.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The phases of a server, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests are served.
    Serving,
    /// Every place is taken: connections that have been idle for a moment make room.
    Crowded,
    /// The process will stop: requests are served, and every answer ends its connection, so that
    /// nothing is in flight on an idle one when it is closed.
    Leaving,
    /// Running requests finish; idle connections are closed.
    Draining,
    /// Everything ends now.
    Over,
}

/// How long a connection must have been idle to make room for another: shorter and clients that
/// send one request after the other would be cut off between two of them.
pub(super) const CROWDED_IDLE: Duration = Duration::from_secs(1);

/// How often idle connections are asked to make room.
pub(super) const CROWDED_EVERY: Duration = Duration::from_secs(1);

/// Sets the phase of a server.
#[derive(Debug)]
pub(super) struct Phases {
    current: watch::Sender<Phase>,
}

impl Phases {
    pub(super) fn new() -> Self {
        Self {
            current: watch::Sender::new(Phase::Serving),
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Phase> {
        self.current.subscribe()
    }

    pub(super) fn current(&self) -> Phase {
        *self.current.borrow()
    }

    /// Goes on to `phase`; never back to an earlier one of those that lead to the end.
    pub(super) fn advance(&self, phase: Phase) {
        self.current.send_if_modified(|current| {
            let forward = rank(phase) > rank(*current);
            if forward {
                *current = phase;
            }
            forward
        });
    }

    /// Asks idle connections to make room, each time anew; means nothing once the server ends.
    pub(super) fn crowd(&self) {
        self.current.send_if_modified(|current| {
            let serving = rank(*current) == 0;
            if serving {
                *current = Phase::Crowded;
            }
            serving
        });
    }

    /// There is room again.
    pub(super) fn relax(&self) {
        self.current.send_if_modified(|current| {
            let crowded = *current == Phase::Crowded;
            if crowded {
                *current = Phase::Serving;
            }
            crowded
        });
    }
}

fn rank(phase: Phase) -> u8 {
    match phase {
        Phase::Serving | Phase::Crowded => 0,
        Phase::Leaving => 1,
        Phase::Draining => 2,
        Phase::Over => 3,
    }
}

/// When something next is due.
pub(super) fn after(start: Instant, limit: Duration) -> Instant {
    // A limit that cannot be added is no limit; a day is as good.
    start
        .checked_add(limit)
        .unwrap_or_else(|| start + Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_only_go_forward_and_crowding_means_nothing_once_the_server_ends() {
        let phases = Phases::new();
        phases.crowd();
        assert_eq!(phases.current(), Phase::Crowded);
        phases.relax();
        assert_eq!(phases.current(), Phase::Serving);
        phases.advance(Phase::Draining);
        for earlier in [Phase::Leaving, Phase::Serving] {
            phases.advance(earlier);
            assert_eq!(phases.current(), Phase::Draining);
        }
        phases.crowd();
        phases.relax();
        assert_eq!(phases.current(), Phase::Draining);
        phases.advance(Phase::Over);
        assert_eq!(phases.current(), Phase::Over);
    }
}
