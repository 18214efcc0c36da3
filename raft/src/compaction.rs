//! When a snapshot is built, and how much of the log is kept.
//!
//! openraft's own policy is off: it counts entries, not bytes, and it would purge what a follower
//! that is catching up still needs, so that one that fell behind once falls behind for ever.

use std::time::Duration;

use raft_types::NodeId;

/// Limits of the log. The defaults are those of the design; tests shrink them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactionLimits {
    /// Entries applied since the last snapshot after which another one is built.
    pub snapshot_entries: u64,
    /// Bytes of log since the last snapshot after which another one is built.
    pub snapshot_bytes: u64,
    /// Not more often than this: a snapshot writes the memtable out and reads new files once.
    pub snapshot_interval: Duration,
    /// Entries kept after the last applied one is in a snapshot: minutes of writes, so that a node that was
    /// restarted catches up from the log.
    pub keep_entries: u64,
    /// Bytes of log kept at most for that.
    pub keep_bytes: u64,
    /// Bytes of log at which a follower that is catching up is no longer waited for.
    pub hold_bytes: u64,
    /// How often the limits are looked at.
    pub check_interval: Duration,
}

impl Default for CompactionLimits {
    fn default() -> Self {
        Self {
            snapshot_entries: 200_000,
            snapshot_bytes: 256 << 20,
            snapshot_interval: Duration::from_secs(60),
            keep_entries: 1_000_000,
            keep_bytes: 1 << 30,
            hold_bytes: 8 << 30,
            check_interval: Duration::from_secs(1),
        }
    }
}

/// What the decision depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Index of the last applied entry.
    pub(crate) applied: u64,
    /// Index that the published snapshot covers; `None` without one.
    pub(crate) snapshot: Option<u64>,
    /// Time since it was built by this process; `None` if it was not.
    pub(crate) snapshot_age: Option<Duration>,
    /// Index of the last purged entry.
    pub(crate) purged: Option<u64>,
    /// Bytes of the whole log.
    pub(crate) log_bytes: u64,
    /// Bytes of the entries after the snapshot.
    pub(crate) bytes_since_snapshot: u64,
    /// Where the entries begin that fit into `keep_bytes`.
    pub(crate) byte_tail_start: Option<u64>,
    /// How far each follower and learner has come; empty unless this node leads.
    pub(crate) followers: Vec<(NodeId, Option<u64>)>,
}

/// What to do now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) build_snapshot: bool,
    /// Purge the entries to this index, included.
    pub(crate) purge_to: Option<u64>,
    /// Followers for whose sake nothing is done.
    pub(crate) waiting_for: Vec<NodeId>,
    /// Followers that are no longer waited for.
    pub(crate) given_up: Vec<NodeId>,
}

/// Decides. Pure.
pub(crate) fn plan(limits: &CompactionLimits, facts: &Facts) -> Plan {
    let behind: Vec<NodeId> = facts
        .followers
        .iter()
        .filter(|(_, matched)| *matched < facts.snapshot)
        .map(|(node, _)| *node)
        .collect();
    let mut plan = Plan::default();
    if facts.log_bytes < limits.hold_bytes {
        plan.waiting_for = behind;
        if !plan.waiting_for.is_empty() {
            return plan;
        }
    } else {
        plan.given_up = behind;
    }
    plan.build_snapshot = wants_snapshot(limits, facts);
    plan.purge_to = purge_to(limits, facts);
    plan
}

fn wants_snapshot(limits: &CompactionLimits, facts: &Facts) -> bool {
    if facts
        .snapshot_age
        .is_some_and(|age| age < limits.snapshot_interval)
    {
        return false;
    }
    let entries = facts.applied.saturating_sub(facts.snapshot.unwrap_or(0));
    entries >= limits.snapshot_entries || (entries > 0 && facts.bytes_since_snapshot >= limits.snapshot_bytes)
}

/// Only what a snapshot covers, what every follower has, and what lies before both tails.
fn purge_to(limits: &CompactionLimits, facts: &Facts) -> Option<u64> {
    let snapshot = facts.snapshot?;
    let by_count = facts.applied.checked_sub(limits.keep_entries);
    let by_bytes = facts.byte_tail_start.and_then(|start| start.checked_sub(1));
    // Whichever tail is shorter.
    let tail = by_count.max(by_bytes)?;
    let slowest = if facts.log_bytes < limits.hold_bytes {
        facts
            .followers
            .iter()
            .map(|(_, matched)| matched.unwrap_or(0))
            .min()
    } else {
        None
    };
    let upto = tail.min(snapshot).min(slowest.unwrap_or(u64::MAX));
    (facts.purged.is_none_or(|purged| purged < upto) && upto > 0).then_some(upto)
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

    fn limits() -> CompactionLimits {
        CompactionLimits {
            snapshot_entries: 100,
            snapshot_bytes: 10_000,
            snapshot_interval: Duration::from_secs(60),
            keep_entries: 500,
            keep_bytes: 50_000,
            hold_bytes: 1_000_000,
            check_interval: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_snapshot_is_built_after_enough_entries_or_bytes_but_not_too_often() {
        let facts = Facts {
            applied: 1100,
            snapshot: Some(1000),
            ..Facts::default()
        };
        assert!(plan(&limits(), &facts).build_snapshot);
        let facts = Facts {
            applied: 1099,
            ..facts
        };
        assert!(!plan(&limits(), &facts).build_snapshot);
        let facts = Facts {
            bytes_since_snapshot: 10_000,
            ..facts
        };
        assert!(plan(&limits(), &facts).build_snapshot);
        let facts = Facts {
            snapshot_age: Some(Duration::from_secs(59)),
            ..facts
        };
        assert!(!plan(&limits(), &facts).build_snapshot);
        assert!(
            !plan(&limits(), &Facts::default()).build_snapshot,
            "nothing is applied"
        );
    }

    #[test]
    fn the_shorter_tail_is_kept() {
        let facts = Facts {
            applied: 2000,
            snapshot: Some(1990),
            byte_tail_start: Some(1201),
            ..Facts::default()
        };
        assert_eq!(plan(&limits(), &facts).purge_to, Some(1500));
        let facts = Facts {
            byte_tail_start: Some(1801),
            ..facts
        };
        assert_eq!(plan(&limits(), &facts).purge_to, Some(1800));
        let facts = Facts {
            purged: Some(1800),
            ..facts
        };
        assert_eq!(plan(&limits(), &facts).purge_to, None);
    }

    #[test]
    fn nothing_happens_while_a_follower_is_behind_the_snapshot_until_the_log_is_too_large() {
        let facts = Facts {
            applied: 5000,
            snapshot: Some(4000),
            log_bytes: 999_999,
            byte_tail_start: Some(4500),
            followers: vec![(NodeId(2), Some(4999)), (NodeId(3), None)],
            ..Facts::default()
        };
        let held = plan(&limits(), &facts);
        assert_eq!(held.waiting_for, [NodeId(3)]);
        assert!(!held.build_snapshot && held.purge_to.is_none());

        let facts = Facts {
            log_bytes: 1_000_000,
            ..facts
        };
        let given_up = plan(&limits(), &facts);
        assert_eq!(given_up.given_up, [NodeId(3)]);
        assert!(given_up.waiting_for.is_empty() && given_up.build_snapshot);
        assert_eq!(given_up.purge_to, Some(4000));
    }

    proptest! {
        #[test]
        fn what_is_purged_is_in_the_snapshot_and_on_every_follower_that_is_waited_for(
            applied in 0_u64..10_000, snapshot in prop::option::of(0_u64..10_000),
            purged in prop::option::of(0_u64..10_000), log_bytes in 0_u64..2_000_000,
            tail in prop::option::of(0_u64..10_000),
            followers in prop::collection::vec(prop::option::of(0_u64..10_000), 0..4),
        ) {
            let followers: Vec<_> = (2..).map(NodeId).zip(followers).collect();
            let facts = Facts {
                applied, snapshot, purged, log_bytes, byte_tail_start: tail,
                followers: followers.clone(), ..Facts::default()
            };
            let plan = plan(&limits(), &facts);
            if let Some(upto) = plan.purge_to {
                prop_assert!(Some(upto) <= snapshot);
                prop_assert!(Some(upto) > purged);
                if log_bytes < limits().hold_bytes {
                    prop_assert!(followers.iter().all(|(_, matched)| *matched >= Some(upto)));
                }
            }
        }
    }
}
